"""Exploratory factors: loadings, their bootstrap intervals, and how often rules find the right number of factors."""

from __future__ import annotations

from functools import lru_cache, partial
from itertools import permutations
from typing import Any

import numpy as np

from analysis.dimensionality import parallel_analysis
from analysis.exploratory import exploratory, loading_intervals
from tests.simulations.counting import COVERAGE, Condition, Draw, Matrix, Measure, covered
from tests.simulations.population import (
    CUTS,
    answers,
    answers_covariance,
    clusters_of_items,
    exact_sample,
    factor_correlations,
    names,
)

SIZES = (150, 300, 1000)
ITEMS = names(12)
LOADINGS = clusters_of_items([0.8, 0.7, 0.6, 0.5], 3)
PHI = np.full((3, 3), 0.3) + 0.7 * np.eye(3)
CORRELATIONS = factor_correlations(LOADINGS, PHI)
RULES = ("parallel_factors", "parallel_components", "map", "ekc", "hull_caf", "hull_cfi")


@lru_cache
def truth(kind: str, matrix: str) -> Matrix:
    """Give the loadings to be found: of polychorics the population's own, of answers 1 to 5 what estimates converge to."""
    if matrix == "polychoric":
        return LOADINGS
    exact = exact_sample(answers_covariance(CORRELATIONS, CUTS[kind]))
    found = exploratory(exact, n_factors=3).loadings.to_numpy()
    return found[:, _order(found, LOADINGS)[0]] * _order(found, LOADINGS)[1]


def _order(found: Matrix, wanted: Matrix) -> tuple[list[int], Matrix]:
    """Match factors with those wanted: which column stands for each, and its direction."""
    products = wanted.T @ found
    best = max(permutations(range(found.shape[1])), key=lambda each: abs(products[range(len(each)), each]).sum())
    return list(best), np.sign(products[range(len(best)), best])


def draw_loadings(rng: np.random.Generator, *, n: int, kind: str, matrix: Any) -> Draw:
    found = exploratory(answers(rng, n, CORRELATIONS, CUTS[kind]), n_factors=3, matrix=matrix)
    wanted = truth(kind, matrix)
    order, sign = _order(found.loadings.to_numpy(), wanted)
    pattern = found.loadings.to_numpy()[:, order] * sign
    own = LOADINGS != 0
    return {"main": pattern[own] - wanted[own], "cross": pattern[~own] - wanted[~own]}


def draw_number(rng: np.random.Generator, *, n: int, kind: str, matrix: Any) -> Draw:
    sample = answers(rng, n, CORRELATIONS, CUTS[kind])
    found = parallel_analysis(sample, matrix=matrix, draws=50, seed=int(rng.integers(2**31)))
    suggested = found.suggested["n_factors"]
    return {rule: float(suggested[rule] == 3) for rule in RULES}


def draw_intervals(rng: np.random.Generator, *, n: int, kind: str) -> Draw:
    sample = answers(rng, n, CORRELATIONS, CUTS[kind])
    found = loading_intervals(sample, n_factors=3, draws=300, seed=int(rng.integers(2**31))).table
    wide = {
        column: found[column].unstack("factor").reindex(ITEMS).to_numpy()
        for column in ("estimate", "ci_low", "ci_high")
    }
    wanted = truth(kind, "pearson")
    order, sign = _order(wide["estimate"], wanted)
    one, other = wide["ci_low"][:, order] * sign, wide["ci_high"][:, order] * sign
    inside = covered(np.minimum(one, other), np.maximum(one, other), wanted)
    own = LOADINGS != 0
    return {"main": inside[own], "cross": inside[~own]}


def conditions() -> list[Condition]:
    main = [f"{item} on its factor" for item in ITEMS]
    cross = [f"{item} on another, {which}" for item in ITEMS for which in (1, 2)]
    found = []
    for kind in CUTS:
        for n in SIZES:
            for matrix in ("polychoric", "pearson"):
                words = f"12 items, three factors that correlate .3, {kind} answers, {matrix} correlations"
                found.append(
                    Condition(
                        name=f"loadings-{matrix}-{kind}-{n}",
                        family="exploration",
                        words=words + ", minres, oblimin",
                        n=str(n),
                        draws=1000,
                        measures={
                            "main": Measure("loadings on the own factor, bias", "error", None, main),
                            "cross": Measure("loadings on other factors, bias", "error", None, cross),
                        },
                        draw=partial(draw_loadings, n=n, kind=kind, matrix=matrix),
                    )
                )
                found.append(
                    Condition(
                        name=f"number-{matrix}-{kind}-{n}",
                        family="exploration",
                        words=words,
                        n=str(n),
                        draws=1000 if matrix == "pearson" else 200,
                        measures={rule: Measure(f"{rule} finds three factors", "rate") for rule in RULES},
                        draw=partial(draw_number, n=n, kind=kind, matrix=matrix),
                        fixed="50 random data sets in parallel analysis",
                    )
                )
            found.append(
                Condition(
                    name=f"intervals-{kind}-{n}",
                    family="exploration",
                    words=f"12 items, three factors that correlate .3, {kind} answers, bootstrap of loadings (minres, oblimin)",
                    n=str(n),
                    draws=1000,
                    measures={
                        "main": Measure("loadings on the own factor, 95 % interval", "coverage", COVERAGE, main),
                        "cross": Measure("loadings on other factors, 95 % interval", "coverage", COVERAGE, cross),
                    },
                    draw=partial(draw_intervals, n=n, kind=kind),
                    fixed="300 resamples an interval",
                )
            )
    return found
