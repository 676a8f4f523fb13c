"""Test and retest: intraclass correlations."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from analysis.retest import retest
from tests.simulations.counting import COVERAGE, Condition, Draw, Measure, covered


def draw_retest(rng: np.random.Generator, *, n: int, shift: float) -> Draw:
    """Normal scores: variance .75 of people and .25 of error, so that consistency is .75."""
    true = rng.normal(scale=np.sqrt(0.75), size=(n, 1))
    scores = true + rng.normal(scale=0.5, size=(n, 2)) + [0.0, shift]
    table = retest(pd.DataFrame(scores, columns=["test", "retest"])).table
    # Two occasions that lie `shift` apart have the variance shift² / 2.
    truth = {
        "icc_agreement": 0.75 / (1 + shift**2 / 2),
        "icc_consistency": 0.75,
        "icc_one_way": (0.75 - shift**2 / 4) / (1 + shift**2 / 4),
    }
    found: Draw = {}
    for name in ("icc_agreement", "icc_consistency") if shift else truth:
        found[name] = float(covered(table.loc[name, "ci_low"], table.loc[name, "ci_high"], truth[name]))
        found[f"{name}_bias"] = float(table.loc[name, "estimate"]) - truth[name]
    return found


def _retest(n: int, shift: float) -> Condition:
    which = {"icc_agreement": "ICC for agreement", "icc_consistency": "ICC for consistency"}
    if not shift:
        which["icc_one_way"] = "one-way ICC"
    return Condition(
        name=f"retest-{n}-{shift}",
        family="retest",
        words="test and retest, ICC for consistency .75, "
        + (f"everyone {shift} SD higher in every sample" if shift else "no shift"),
        n=str(n),
        draws=2000,
        # The interval for agreement allows for occasions that are drawn at random: where the shift is the same in every
        # sample it is too wide, which is no fault of it.
        measures={
            name: Measure(
                f"{words}, 95 % interval", "coverage", None if shift and name == "icc_agreement" else COVERAGE
            )
            for name, words in which.items()
        }
        | {f"{name}_bias": Measure(f"{words}, bias", "error") for name, words in which.items()},
        draw=partial(draw_retest, n=n, shift=shift),
    )


def conditions() -> list[Condition]:
    return [_retest(n, shift) for n in (50, 150, 300, 1000) for shift in (0, 0.3)]
