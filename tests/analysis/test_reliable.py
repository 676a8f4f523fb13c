"""Reliable change against the published example, R, and what it refuses."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.linked_people import linked_people
from analysis.reliable import reliable_change, showable

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "reliable.json").read_text(encoding="utf-8"))
R = f"R {ORACLE['versions']['R']}, formula"
DATA = pd.read_csv(ORACLES / "data" / "change.csv")
LINKED = linked_people(DATA[["total", "part"]], DATA[["wave", "person", "form"]])
RELIABILITY = {"total": 0.85, "part": 0.7}


def test_the_example_of_jacobson_and_truax(agrees):
    # Jacobson & Truax (1991, p. 14): 32.5 → 47.5, SD 7.5, reliability .80: SE 3.35, S_diff 4.74, RC 3.16.
    found = reliable_change(pd.DataFrame({"x": [32.5]}), pd.DataFrame({"x": [47.5]}), reliability=0.80, sd=7.5)
    # Printed to two decimals.
    published = "Jacobson and Truax (1991), worked example"
    agrees("S_diff", found.table["threshold"] / 1.96, [4.74], oracle=published, absolute=0.005)
    agrees("reliable change index", found.indices["x"], [3.16], oracle=published, absolute=0.005)
    assert found.table.loc["x", ["improved", "stable", "worse"]].tolist() == [1, 0, 0]


@pytest.mark.parametrize("denominator", ["baseline", "differences"])
def test_counts_are_those_of_r(denominator, agrees):
    given = {"reliability": RELIABILITY} if denominator == "baseline" else {"sd_differences": {"total": 7.5, "part": 9}}
    table = reliable_change(LINKED.before, LINKED.after, denominator=denominator, **given).table
    for score in ("total", "part"):
        theirs = ORACLE["scores"][score][denominator]
        counts = ["n", "improved", "stable", "worse"]
        agrees(
            f"counts, {denominator}", table.loc[score, counts], [theirs[each] for each in counts], oracle=R, absolute=0
        )
        # Closed formulas.
        agrees(
            f"threshold, {denominator}", table.loc[score, "threshold"], theirs["threshold"], oracle=R, relative=1e-10
        )


def test_a_fall_is_better_where_lower_is_better():
    up = reliable_change(LINKED.before, LINKED.after, reliability=RELIABILITY)
    down = reliable_change(LINKED.before, LINKED.after, reliability=RELIABILITY, lower_is_better=["part"])
    swapped = down.table.loc["part", ["worse", "stable", "improved"]].tolist()
    assert swapped == up.table.loc["part", ["improved", "stable", "worse"]].tolist()
    assert up.table.loc["part", "improved"] != up.table.loc["part", "worse"]
    pd.testing.assert_series_equal(down.indices["part"], -up.indices["part"])
    assert down.table.loc["total"].equals(up.table.loc["total"])


def test_counts_add_up_and_no_person_is_in_the_table():
    found = reliable_change(LINKED.before, LINKED.after, reliability=RELIABILITY)
    assert (found.table[["improved", "stable", "worse"]].sum(axis=1) == found.table["n"]).all()
    assert found.table.index.tolist() == ["total", "part"]
    assert found.table["n"].max() < len(LINKED.before)
    assert any("left out" in note for note in found.notes)
    assert any("never shown to an employer" in note and "19–36 %" in note for note in found.notes)


def test_all_three_counts_are_shown_or_none():
    counts = pd.DataFrame(
        {"improved": [5, 4, 30, pd.NA], "stable": [5, 40, 30, 5], "worse": [5, 9, 0, 5]}, dtype="Int64"
    )
    assert showable(counts).tolist() == [True, False, False, False]
    assert showable(counts, floor=1).tolist() == [True, True, False, False]
    with pytest.raises(ValueError, match="missing: worse"):
        showable(counts.drop(columns="worse"))
    with pytest.raises(ValueError, match="floor must be at least 1"):
        showable(counts, floor=0)


def test_used_as_a_test_of_the_group_it_would_cry_wolf():
    """Why the note is there: with no change at all, the share 'changed' is far above 5 % where reliability is omega."""
    rng = np.random.default_rng(3)
    true = rng.normal(50, 12, 4000)
    # True scores drift by themselves (SD 6 each time); omega, of one occasion, knows nothing of that.
    before, after = (pd.DataFrame({"x": true + rng.normal(0, 6, 4000) + rng.normal(0, 5, 4000)}) for _ in range(2))
    omega = 1 - 25 / float(before["x"].var())
    found = reliable_change(before, after, reliability=omega, kind="omega")
    share = 1 - found.table.loc["x", "stable"] / 4000
    # P(|change| > 1.96 √(2·25)), the SD of change being √(2·61): .209; standard error .0064.
    assert share == pytest.approx(0.2096, abs=0.025)
    assert any("too small" in note for note in found.notes)


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({}, "needs reliability"),
        ({"reliability": 1.0}, "between 0 and 1; it does not for x"),
        ({"reliability": {"y": 0.8}}, "reliability is missing for x"),
        ({"denominator": "differences", "reliability": 0.8}, "needs sd_differences"),
        ({"reliability": 0.8, "denominator": "both"}, "got 'both'"),
        ({"reliability": 0.8, "kind": "lambda"}, "got 'lambda'"),
        (
            {"reliability": 0.8, "after": pd.DataFrame({"x": [np.nan, np.nan, np.nan]})},
            "nobody has a score at both waves",
        ),
        ({"reliability": 0.8, "before": pd.DataFrame({"x": [3.0, 3.0, 3.0]})}, "standard deviation above 0"),
        ({"reliability": 0.8, "after": pd.DataFrame({"y": [1.0, 2.0, 3.0]})}, "the same scores"),
        ({"reliability": 0.8, "lower_is_better": ["z"]}, "not there: z"),
    ],
)
def test_what_allows_no_answer_is_refused(keywords, said):
    given = {"before": pd.DataFrame({"x": [1.0, 2.0, 3.0]}), "after": pd.DataFrame({"x": [2.0, 2.0, 5.0]})} | keywords
    with pytest.raises(ValueError, match=said):
        reliable_change(given.pop("before"), given.pop("after"), **given)


def test_one_constant_score_leaves_the_others():
    before = LINKED.before.assign(flat=50.0)
    found = reliable_change(before, LINKED.after.assign(flat=60.0), reliability=0.8)
    assert found.table.loc["flat", ["improved", "stable", "worse"]].isna().all()
    assert any("Left without counts" in note and "flat" in note for note in found.notes)
    assert found.table.loc["total", "improved"] > 0
