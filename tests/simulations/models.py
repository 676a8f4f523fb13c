"""Confirmatory models: standardised loadings, factor correlations and the test of the model."""

from __future__ import annotations

from functools import lru_cache, partial
from typing import Any

import numpy as np

from analysis.confirmatory import Confirmatory, confirmatory
from tests.simulations.counting import COVERAGE, MODEL_TEST, Condition, Draw, Matrix, Measure, covered
from tests.simulations.population import (
    CUTS,
    answers,
    answers_covariance,
    clusters_of_items,
    factor_correlations,
    fitted_factors,
    names,
)

SIZES = (150, 300, 1000)
ITEMS = names(9)
MODEL = {"a": ITEMS[:3], "b": ITEMS[3:6], "c": ITEMS[6:]}
LOADINGS = clusters_of_items([0.8, 0.7, 0.6], 3)
PHI = np.array([[1, 0.3, 0.4], [0.3, 1, 0.5], [0.4, 0.5, 1]])
CORRELATIONS = factor_correlations(LOADINGS, PHI)
FIVE_ITEMS = names(25)
FIVE = {factor: FIVE_ITEMS[5 * at : 5 * at + 5] for at, factor in enumerate("abcde")}
FIVE_LOADINGS = clusters_of_items([0.8, 0.7, 0.6, 0.7, 0.5], 5)
FIVE_PHI = np.full((5, 5), 0.3) + 0.7 * np.eye(5)
POPULATIONS = {"three": (MODEL, LOADINGS, PHI), "five": (FIVE, FIVE_LOADINGS, FIVE_PHI)}


@lru_cache
def truth(population: str, kind: str, estimator: str) -> tuple[Matrix, Matrix]:
    """Give standardised loadings and factor correlations to be found, in the order of the results."""
    model, loadings, phi = POPULATIONS[population]
    if estimator in ("ML", "MLR"):
        behind = factor_correlations(loadings, phi)
        loadings, phi = fitted_factors(answers_covariance(behind, CUTS[kind]), model)
    return np.asarray(loadings[loadings != 0]), np.asarray(phi[np.triu_indices(len(phi), 1)])


def sample(rng: np.random.Generator, *, n: int, kind: str, population: str = "three") -> Any:
    _, loadings, phi = POPULATIONS[population]
    return answers(rng, n, factor_correlations(loadings, phi), CUTS[kind])


def draw(rng: np.random.Generator, *, n: int, kind: str, estimator: Any, population: str = "three") -> Draw:
    model = POPULATIONS[population][0]
    found = confirmatory(sample(rng, n=n, kind=kind, population=population), model, estimator=estimator)
    return measured(found, kind, estimator, population)


def measured(found: Confirmatory, kind: str, estimator: str, population: str = "three", *, shrink: float = 1.0) -> Draw:
    """Compare with the truth; ``shrink`` makes the intervals too narrow on purpose."""
    loadings, correlations = truth(population, kind, estimator)
    each, together = found.loadings, found.correlations
    at, factor = each["std_estimate"].to_numpy(), together["estimate"].to_numpy()
    bounds = [at + shrink * (each[side].to_numpy() - at) for side in ("std_ci_low", "std_ci_high")]
    factor_bounds = [factor + shrink * (together[side].to_numpy() - factor) for side in ("ci_low", "ci_high")]
    p = found.fit["p" if estimator == "ML" else "p_scaled"]
    return {
        "loading_bias": at - loadings,
        "loading_coverage": covered(*bounds, loadings),
        "correlation_bias": factor - correlations,
        "correlation_coverage": covered(*factor_bounds, correlations),
        "rejected": float(p < 0.05),
    }


def _condition(population: str, kind: str, n: int, estimator: str, draws: int) -> Condition:
    model = POPULATIONS[population][0]
    plain = estimator == "ML"
    items = [item for members in model.values() for item in members]
    factors = list(model)
    pairs = [f"{factors[i]}–{factors[j]}" for i, j in zip(*np.triu_indices(len(factors), 1), strict=True)]
    promise = None if plain else COVERAGE
    # A test that is exact in no sample is promised at the size that the issue of small samples is about.
    tested = MODEL_TEST if estimator == "WLSMV" and population == "three" else None
    return Condition(
        name=f"model-{population}-{estimator}-{kind}-{n}",
        family="models",
        words=f"{population} factors, {len(items)} items, {kind} answers, {estimator}",
        n=str(n),
        draws=draws,
        measures={
            "loading_bias": Measure("standardised loadings, bias", "error", None, items),
            "loading_coverage": Measure("standardised loadings, 95 % interval", "coverage", promise, items),
            "correlation_bias": Measure("factor correlations, bias", "error", None, pairs),
            "correlation_coverage": Measure("factor correlations, 95 % interval", "coverage", promise, pairs),
            "rejected": Measure(
                {"WLSMV": "scaled-shifted test", "MLR": "scaled test", "ML": "likelihood-ratio test"}[estimator]
                + " of the true model, rejected at .05",
                "rate",
                tested,
            ),
        },
        draw=partial(draw, n=n, kind=kind, estimator=estimator, population=population),
    )


def conditions() -> list[Condition]:
    three = [
        _condition("three", kind, n, estimator, 2000)
        for estimator in ("WLSMV", "MLR", "ML")
        for kind in CUTS
        for n in SIZES
    ]
    return [
        *three,
        _condition("five", "symmetric", 300, "WLSMV", 1000),
        _condition("five", "skewed", 1000, "WLSMV", 1000),
    ]
