"""Missing answers filled in several times: bias and coverage of means."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from scipy import stats

from analysis.imputation import impute, pool
from tests.simulations.counting import COVERAGE, Condition, Draw, Measure, covered
from tests.simulations.population import CUTS, answers, factor_correlations

CORRELATIONS = factor_correlations(np.array([[0.8], [0.7], [0.7], [0.6]]), np.eye(1))
# From this answer on to the first item, half of the answers to two others are missing: 31 or 50 people in a hundred.
HIGH = {"symmetric": 4, "skewed": 5}


def draw_gaps(rng: np.random.Generator, *, n: int, kind: str) -> Draw:
    """Two of four items lack answers, the first item tells whose: half of those high on it, else 10 %."""
    full = answers(rng, n, CORRELATIONS, CUTS[kind]).astype(float)
    high = full["i1"] >= HIGH[kind]
    gaps = full.copy()
    for item in ("i3", "i4"):
        gaps[item] = full[item].mask(rng.random(n) < np.where(high, 0.5, 0.1))
    filled = impute(gaps, seed=int(rng.integers(2**31)))
    means = pd.DataFrame([{"item": each["i4"].mean(), "score": each.mean(axis=1).mean()} for each in filled.sets])
    errors = pd.DataFrame([{"item": each["i4"].sem(), "score": each.mean(axis=1).sem()} for each in filled.sets])
    table = pool(means, errors, complete_df=n - 1).table
    shares = np.diff(stats.norm.cdf(np.concatenate([[-np.inf], CUTS[kind], [np.inf]])))
    truth = float(shares @ np.arange(1, 6))
    listwise = gaps.dropna()["i4"].mean()
    return {
        "item": covered(table.loc["item", "ci_low"], table.loc["item", "ci_high"], truth),
        "item_bias": table.loc["item", "estimate"] - truth,
        "score": covered(table.loc["score", "ci_low"], table.loc["score", "ci_high"], truth),
        "score_bias": table.loc["score", "estimate"] - truth,
        "listwise_bias": listwise - truth,
    }


def _gaps(kind: str, n: int) -> Condition:
    return Condition(
        name=f"gaps-{kind}-{n}",
        family="gaps",
        words=f"four items, two with answers missing at random (22 or 30 in a hundred), {kind} answers, multiple imputation",
        n=str(n),
        draws=2000,
        measures={
            "item": Measure("mean of an item with gaps, 95 % interval", "coverage", COVERAGE),
            "item_bias": Measure("mean of an item with gaps, bias", "error"),
            "score": Measure("mean score, 95 % interval", "coverage", COVERAGE),
            "score_bias": Measure("mean score, bias", "error"),
            "listwise_bias": Measure("mean of the item from complete people alone, bias", "error"),
        },
        draw=partial(draw_gaps, n=n, kind=kind),
    )


def conditions() -> list[Condition]:
    return [_gaps(kind, n) for kind in CUTS for n in (150, 300, 1000)]
