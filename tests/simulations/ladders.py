"""Invariance over equal groups: how often steps, verdict and cut-offs find a difference that is not there."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis.invariance import invariance
from tests.simulations.counting import FAMILY, STEP_TEST, Condition, Draw, Measure
from tests.simulations.population import CUTS, answers, factor_correlations, names

SIZES = (75, 150, 300)
LOADINGS = np.array([[0.8], [0.7], [0.6], [0.7], [0.6], [0.5]])
CORRELATIONS = factor_correlations(LOADINGS, np.eye(1))
ITEMS = names(6)
STEPS = {
    "WLSMV": ("thresholds", "loadings", "intercepts", "residuals"),
    "MLR": ("metric", "scalar", "strict"),
}
RULES = {
    "cfi_01": ("ΔCFI < −.01 at some step (Cheung & Rensvold, 2002)", lambda cfi, rmsea: cfi < -0.01),
    "chen_small": (
        "ΔCFI < −.005 and ΔRMSEA > .010 at some step (Chen, 2007, small groups)",
        lambda cfi, rmsea: (cfi < -0.005) & (rmsea > 0.010),
    ),
    "chen_large": (
        "ΔCFI < −.01 and ΔRMSEA > .015 at some step (Chen, 2007, large groups)",
        lambda cfi, rmsea: (cfi < -0.01) & (rmsea > 0.015),
    ),
    "chen_either": (
        "ΔCFI < −.01 or ΔRMSEA > .015 at some step",
        lambda cfi, rmsea: (cfi < -0.01) | (rmsea > 0.015),
    ),
}


def two_groups(rng: np.random.Generator, *, n: int, kind: str, shift: float = 0.0) -> tuple[pd.DataFrame, pd.Series]:
    """Draw two groups of n; in the second the cuts of two items lie ``shift`` standard deviations higher."""
    moved = np.tile(CUTS[kind], (len(ITEMS), 1))
    moved[:2] += shift
    both = [answers(rng, n, CORRELATIONS, CUTS[kind]), answers(rng, n, CORRELATIONS, moved)]
    return pd.concat(both, ignore_index=True), pd.Series(np.repeat(["one", "two"], n))


def draw(rng: np.random.Generator, *, n: int, kind: str, estimator: Any, shift: float = 0.0) -> Draw:
    together, groups = two_groups(rng, n=n, kind=kind, shift=shift)
    return measured(invariance(together, groups, {"f": ITEMS}, estimator=estimator).table, estimator)


def measured(table: pd.DataFrame, estimator: str, *, deflate: float = 1.0) -> Draw:
    """See what the steps and the rules say; ``deflate`` makes p values too small on purpose."""
    steps = table.loc[list(STEPS[estimator])]
    p = steps["difference_p"].to_numpy(dtype=float) / deflate
    cfi, rmsea = (steps[f"delta_{name}"].to_numpy(dtype=float) for name in ("cfi", "rmsea"))
    found: Draw = {
        "step": np.where(np.isnan(p), np.nan, p < 0.05),
        "verdict": float((table["verdict"] == "rejected").any()),
    }
    for name, (_, rule) in RULES.items():
        found[name] = float(np.any(rule(cfi, rmsea)))
    return found


def _condition(kind: str, n: int, estimator: str, draws: int, shift: float = 0.0) -> Condition:
    null = shift == 0
    measures = {
        "step": Measure("tests of single steps, p < .05", "rate", STEP_TEST if null else None, STEPS[estimator]),
        "verdict": Measure("verdict with Holm's correction: some step rejected", "rate", FAMILY if null else None),
    } | {name: Measure(words, "rate") for name, (words, _) in RULES.items()}
    planted = f", the cuts of two items {shift} SD higher in one group: power" if shift else ", equal groups"
    return Condition(
        name=f"ladder-{estimator}-{kind}-{n}" + (f"-shift{shift}" if shift else ""),
        family="ladders",
        words=f"two groups, six items, one factor, {kind} answers, {estimator}{planted}",
        n=f"{n} a group",
        draws=draws,
        measures=measures,
        draw=partial(draw, n=n, kind=kind, estimator=estimator, shift=shift),
    )


def conditions() -> list[Condition]:
    equal = [_condition(kind, n, "WLSMV", 2000) for kind in CUTS for n in SIZES]
    power = [_condition("symmetric", n, "WLSMV", 500, 0.4) for n in SIZES]
    return [*equal, *power, *(_condition(kind, n, "MLR", 1000) for kind in CUTS for n in SIZES)]
