"""Graded responses and differential item functioning: slopes, locations and false alarms."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from analysis.irt import graded_response
from analysis.item_functioning import item_functioning
from tests.simulations.counting import COVERAGE, FAMILY, STEP_TEST, Condition, Draw, Measure, covered
from tests.simulations.population import CUTS, names

ITEMS = names(6)
SLOPES = np.array([1.0, 1.3, 1.6, 1.9, 2.2, 2.5])
LOCATIONS = {"symmetric": np.array([-2.0, -0.7, 0.7, 2.0]), "skewed": np.array([-2.8, -2.0, -1.2, 0.0])}


def graded(rng: np.random.Generator, *, n: int, kind: str, mean: float = 0.0) -> pd.DataFrame:
    """Draw answers by the graded response model, six items of slopes 1.0 to 2.5, all with the same locations."""
    trait = mean + rng.standard_normal((n, 1))
    # The logit of answering k or higher is slope × (trait − location k): a logistic error beside slope × trait.
    behind = trait + rng.logistic(size=(n, len(SLOPES))) / SLOPES
    return pd.DataFrame((behind[:, :, None] > LOCATIONS[kind]).sum(axis=2) + 1, columns=ITEMS)


def draw_graded(rng: np.random.Generator, *, n: int, kind: str) -> Draw:
    found = graded_response(graded(rng, n=n, kind=kind))
    slopes, steps = found.table, found.thresholds
    # Locations by the answer that is reached; one that nobody gave has none.
    wanted = pd.MultiIndex.from_product([ITEMS, range(2, 6)])
    steps = steps.set_axis(pd.MultiIndex.from_tuples([(item, int(answer)) for item, answer in steps.index]))
    complete = np.array([(steps.index.get_level_values(0) == item).sum() == 4 for item in ITEMS])
    steps = steps.reindex(wanted)
    steps[np.repeat(~complete, 4)] = np.nan
    truth = np.tile(LOCATIONS[kind], len(ITEMS))
    return {
        "slope_bias": slopes["slope"].to_numpy() - SLOPES,
        "slope": covered(slopes["ci_low"], slopes["ci_high"], SLOPES),
        "location_bias": steps["estimate"].to_numpy() - truth,
        "location": covered(steps["ci_low"], steps["ci_high"], truth),
    }


def draw_functioning(rng: np.random.Generator, *, n: int, kind: str, mean: float) -> Draw:
    both = [graded(rng, n=n, kind=kind), graded(rng, n=n, kind=kind, mean=mean)]
    together = pd.concat(both, ignore_index=True)
    tests = item_functioning(together, pd.Series(np.repeat(["one", "two"], n))).tests
    found: Draw = {}
    for test in ("uniform", "non_uniform", "total"):
        p = tests["p"].xs(test, level="test").reindex(ITEMS).to_numpy(dtype=float)
        found[test] = np.where(np.isnan(p), np.nan, p < 0.05)
    found["family"] = float((tests["p_adjusted"].xs("total", level="test") < 0.05).any())
    return found


def _graded(kind: str, n: int) -> Condition:
    cuts = [f"{item} answer {answer}" for item in ITEMS for answer in range(2, 6)]
    # Normal intervals of slopes and locations are for large samples: the promise begins at 300.
    promise = COVERAGE if n >= 300 else None
    return Condition(
        name=f"graded-{kind}-{n}",
        family="responses",
        words=f"graded response model, six items (slopes 1.0 to 2.5), {kind} answers",
        n=str(n),
        draws=2000,
        measures={
            "slope_bias": Measure("slopes, bias", "error", None, ITEMS),
            "slope": Measure("slopes, 95 % interval", "coverage", promise, ITEMS),
            "location_bias": Measure("locations, bias", "error", None, cuts),
            "location": Measure("locations, 95 % interval", "coverage", promise, cuts),
        },
        draw=partial(draw_graded, n=n, kind=kind),
    )


def _functioning(kind: str, n: int, mean: float) -> Condition:
    words = "equal traits" if not mean else f"traits {mean} SD apart"
    return Condition(
        name=f"functioning-{kind}-{n}-{mean}",
        family="responses",
        words=f"two groups without differential item functioning, six items, {kind} answers, {words}",
        n=f"{n} a group",
        draws=2000,
        measures={
            "uniform": Measure("uniform test of an item, p < .05", "rate", STEP_TEST, ITEMS),
            "non_uniform": Measure("non-uniform test of an item, p < .05", "rate", STEP_TEST, ITEMS),
            "total": Measure("total test of an item, p < .05", "rate", STEP_TEST, ITEMS),
            "family": Measure("some item flagged by Holm's p (total test)", "rate", FAMILY),
        },
        draw=partial(draw_functioning, n=n, kind=kind, mean=mean),
    )


def conditions() -> list[Condition]:
    return [
        *(_graded(kind, n) for kind in CUTS for n in (150, 300, 1000)),
        *(_functioning(kind, n, mean) for kind in CUTS for n, mean in ((200, 0), (500, 0), (500, 0.5))),
    ]
