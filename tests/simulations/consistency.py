"""Reliability: coverage of the intervals of each coefficient."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache, partial
from itertools import combinations

import numpy as np

from analysis.reliability import reliability
from tests.simulations.counting import COVERAGE, Condition, Draw, Matrix, Measure, covered
from tests.simulations.population import (
    CUTS,
    answer_covariance,
    answers,
    answers_covariance,
    clusters_of_items,
    exact_sample,
    factor_correlations,
    fitted_factors,
    names,
)

SIZES = (150, 300, 1000)
ONE = np.array([[0.8], [0.7], [0.6], [0.7], [0.6], [0.5]])
# Three factors that correlate .5: a general factor behind three groups of items.
GROUPS = clusters_of_items([0.8, 0.7, 0.6], 3)
PHI = np.full((3, 3), 0.5) + 0.5 * np.eye(3)
LAMBDAS = tuple(f"lambda_{number}" for number in (1, 2, 3, 5, 6))
OF_ONE = (
    "alpha",
    "alpha_robust",
    "alpha_standardised",
    "alpha_ordinal",
    "omega",
    "omega_categorical",
    *LAMBDAS,
    "split_half_mean",
    "split_half_best",
    "split_half_worst",
)
OF_GROUPS = ("omega_total_sl", "omega_hierarchical")
EXEMPT = ("split_half_best", "split_half_worst", "omega_hierarchical")


def _lambdas(r: Matrix) -> dict[str, float]:
    """Guttman's (1945) bounds of standardised items, and Cronbach's alpha, from their definitions."""
    many, total = len(r), r.sum()
    off = r - np.eye(many)
    first = off.sum() / total
    squares = (off**2).sum()
    smc = 1 - 1 / np.diag(np.linalg.inv(r))
    return {
        "lambda_1": first,
        "lambda_2": first + np.sqrt(many / (many - 1) * squares) / total,
        "lambda_3": first * many / (many - 1),
        "lambda_5": first + 2 * np.sqrt((off**2).sum(axis=0).max()) / total,
        "lambda_6": 1 - (1 - smc).sum() / total,
    }


def _splits(r: Matrix) -> Matrix:
    """Every split into halves: four times the covariance of the halves over the variance of the sum."""
    items = range(len(r))
    found = []
    for half in combinations(items, len(r) // 2):
        if 0 in half:
            other = [item for item in items if item not in half]
            found.append(4 * r[np.ix_(half, other)].sum() / r.sum())
    return np.array(found)


@lru_cache
def truth_of_one(kind: str) -> dict[str, float]:
    """Give the population's coefficients of the answers 1 to 5, from bivariate normal integrals."""
    behind = factor_correlations(ONE, np.eye(1))
    covariance = answers_covariance(behind, CUTS[kind])
    sd = np.sqrt(np.diag(covariance))
    r = covariance / np.outer(sd, sd)
    lambdas, splits = _lambdas(r), _splits(r)
    many = len(r)
    alpha = many / (many - 1) * (1 - np.trace(covariance) / covariance.sum())
    latent_alpha = _lambdas(behind)["lambda_3"]
    loadings = fitted_factors(covariance, {"f": names(many)})[0][:, 0] * sd
    # Reliability of the sum: what it shares with a second set of answers with the same factor (Green & Yang, 2009).
    true = answer_covariance(ONE @ ONE.T, CUTS[kind]).sum()
    return lambdas | {
        "alpha": alpha,
        "alpha_robust": alpha,
        "alpha_standardised": lambdas["lambda_3"],
        "alpha_ordinal": latent_alpha,
        "omega": loadings.sum() ** 2 / (loadings.sum() ** 2 + (sd**2 - loadings**2).sum()),
        "omega_categorical": true / covariance.sum(),
        "split_half_mean": splits.mean(),
        "split_half_best": splits.max(),
        "split_half_worst": splits.min(),
    }


@lru_cache
def truth_of_groups(kind: str) -> dict[str, float]:
    """Give what the estimates converge to: the analysis of numbers with exactly the population's covariances."""
    covariance = answers_covariance(factor_correlations(GROUPS, PHI), CUTS[kind])
    found = reliability(exact_sample(covariance), coefficients=list(OF_GROUPS)).table["estimate"]
    return {name: float(found[name]) for name in OF_GROUPS}


def draw(rng: np.random.Generator, *, n: int, kind: str, groups: bool, shrink: float = 1.0) -> Draw:
    loadings, phi = (GROUPS, PHI) if groups else (ONE, np.eye(1))
    wanted = truth_of_groups(kind) if groups else truth_of_one(kind)
    sample = answers(rng, n, factor_correlations(loadings, phi), CUTS[kind])
    chosen = list(OF_GROUPS if groups else OF_ONE)
    table = reliability(sample, group_factors=3 if groups else 2, coefficients=chosen).table
    found: Draw = {}
    for name in OF_GROUPS if groups else OF_ONE:
        row = table.loc[name] if name in table.index else None
        at = float(row["estimate"]) if row is not None else np.nan
        low, high = (
            at + shrink * (float(row[side]) - at) if row is not None else np.nan for side in ("ci_low", "ci_high")
        )
        found[name] = float(covered(low, high, wanted[name]))
        found[f"{name}_bias"] = at - wanted[name]
    return found


def _measures(which: Sequence[str], kind: str) -> dict[str, Measure]:
    measures = {}
    for name in which:
        exempt = name in EXEMPT or (name == "alpha" and kind == "skewed")
        words = "alpha (Feldt)" if name == "alpha" else name
        measures[name] = Measure(f"{words}, 95 % interval", "coverage", None if exempt else COVERAGE)
        measures[f"{name}_bias"] = Measure(f"{words}, bias", "error")
    return measures


def conditions() -> list[Condition]:
    return [
        Condition(
            name=f"reliability-{'groups' if groups else 'one'}-{kind}-{n}",
            family="reliability",
            words=(
                "nine items, three factors that correlate .5" if groups else "six items, one factor (loadings .5 to .8)"
            )
            + f", {kind} answers",
            n=str(n),
            draws=2000,
            measures=_measures(OF_GROUPS if groups else OF_ONE, kind),
            draw=partial(draw, n=n, kind=kind, groups=groups),
        )
        for groups in (False, True)
        for kind in CUTS
        for n in SIZES
    ]
