"""Thresholds and polychoric correlations: bias and coverage."""

from __future__ import annotations

from functools import partial

import numpy as np

from analysis.ordinal import OrdinalMoments, ordinal_moments
from tests.simulations.counting import COVERAGE, Condition, Draw, Measure, covered
from tests.simulations.population import CUTS, answers, factor_correlations, names

LOADINGS = np.array([[0.9], [0.8], [0.7], [0.6], [0.5], [0.3]])
CORRELATIONS = factor_correlations(LOADINGS, np.eye(1))
SIZES = (150, 300, 1000)


def draw(rng: np.random.Generator, *, n: int, kind: str) -> Draw:
    return measured(ordinal_moments(answers(rng, n, CORRELATIONS, CUTS[kind])), kind)


def measured(found: OrdinalMoments, kind: str, *, shrink: float = 1.0) -> Draw:
    """Compare with the truth; ``shrink`` makes the standard errors wrong on purpose."""
    errors = found.standard_errors * shrink
    pairs = np.triu_indices(len(CORRELATIONS), 1)
    many = len(pairs[0])
    truth = CORRELATIONS[pairs]
    estimate, se = found.correlations[pairs], errors[-many:]
    z, z_half = np.arctanh(estimate), 1.96 * se / (1 - estimate**2)
    # A threshold lies between two neighbouring answers; where one was never given there is none to compare.
    below = np.full((len(CORRELATIONS), 4), np.nan)
    below_se = below.copy()
    errors_left = errors[:-many]
    for item, (cuts, codes) in enumerate(zip(found.thresholds, found.categories, strict=True)):
        own, errors_left = errors_left[: len(cuts)], errors_left[len(cuts) :]
        neighbours = np.diff(codes) == 1
        at = np.asarray(codes[1:], dtype=int)[neighbours] - 2
        below[item, at], below_se[item, at] = cuts[neighbours], own[neighbours]
    cut_truth = np.broadcast_to(CUTS[kind], below.shape)
    return {
        "correlation_bias": estimate - truth,
        "correlation_coverage": covered(estimate - 1.96 * se, estimate + 1.96 * se, truth),
        "correlation_z": covered(np.tanh(z - z_half), np.tanh(z + z_half), truth),
        "threshold_bias": below - cut_truth,
        "threshold_coverage": covered(below - 1.96 * below_se, below + 1.96 * below_se, cut_truth),
    }


def conditions() -> list[Condition]:
    items = names(len(CORRELATIONS))
    pairs = [f"{items[i]}–{items[j]}" for i, j in zip(*np.triu_indices(len(items), 1), strict=True)]
    cuts = [f"{item}|{cut}" for item in items for cut in range(1, 5)]
    measures = {
        "correlation_bias": Measure("polychoric correlations, bias", "error", None, pairs),
        "correlation_coverage": Measure("polychoric correlations, ±1.96 SE", "coverage", None, pairs),
        "correlation_z": Measure("polychoric correlations, the same on Fisher's z scale", "coverage", COVERAGE, pairs),
        "threshold_bias": Measure("thresholds, bias", "error", None, cuts),
        "threshold_coverage": Measure("thresholds, ±1.96 SE", "coverage", COVERAGE, cuts),
    }
    return [
        Condition(
            name=f"moments-{kind}-{n}",
            family="moments",
            words=f"six items, one factor (loadings .9 .8 .7 .6 .5 .3), {kind} answers",
            n=str(n),
            draws=2000,
            measures=measures,
            draw=partial(draw, n=n, kind=kind),
        )
        for kind in CUTS
        for n in SIZES
    ]
