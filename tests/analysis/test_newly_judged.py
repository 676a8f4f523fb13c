"""Moves from a reason beside the scale to a number, against R and by hand."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.newly_judged import newly_judged

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "newly_judged.json").read_text(encoding="utf-8"))
R = f"R {ORACLE['versions']['R']}"
ITEMS = ORACLE["items"]
FRAMES = ("before", "after", "off_scale_before", "off_scale_after")
SUBSCALES = {"first": ITEMS[:3], "second": ITEMS[3:]}


def split(name):
    raw = pd.DataFrame(ORACLE[name], columns=ITEMS, dtype=float)
    return raw.where(raw <= 5), raw.map({97: "dont_know", 98: "does_not_apply", 99: "not_started"}.get).where(raw > 5)


def given():
    (before, before_beside), (after, after_beside) = split("before"), split("after")
    return {
        "before": before, "after": after, "off_scale_before": before_beside, "off_scale_after": after_beside,
        "subscales": SUBSCALES,
    }  # fmt: skip


def call(arguments):
    arguments = dict(arguments)
    return newly_judged(arguments.pop("before"), arguments.pop("after"), **arguments)


def test_counts_and_change_are_those_of_r(agrees):
    table = call(given()).table
    assert table.index.tolist() == ["first", "second", "all"]
    for name, row in table.iterrows():
        theirs = ORACLE[name]
        assert set(theirs) == set(table.columns)
        agrees(f"{name}", row[list(theirs)], list(theirs.values()), oracle=f"{R} t.test and counts", absolute=1e-10)


def test_counts_add_up():
    table = call(given()).table
    assert (table["cells"] == table[["both", "to_number", "from_number", "neither"]].sum(axis=1)).all()
    assert (
        table["to_number"] == table[[f"to_number_{why}" for why in ("dont_know", "not_started", "other")]].sum(axis=1)
    ).all()
    assert table.loc["all", "to_number_other"] > 0
    counts = ["cells", "both", "to_number", "from_number", "neither"]
    assert table.loc[["first", "second"], counts].sum().tolist() == table.loc["all", counts].tolist()


def test_a_score_may_rise_by_newly_judged_items_alone():
    before = pd.DataFrame({"i1": [2.0] * 6, "i2": [np.nan] * 6})
    after = pd.DataFrame({"i1": [2.0] * 6, "i2": [5.0] * 6})
    beside = pd.DataFrame({"i1": [None] * 6, "i2": ["not_started"] * 6}, dtype="object")
    found = newly_judged(
        before,
        after,
        off_scale_before=beside,
        off_scale_after=beside.where(beside.isna()),
        subscales={"indu": ["i1", "i2"]},
    )
    row = found.table.loc["indu"]
    assert after.mean(axis=1).mean() - before.mean(axis=1).mean() == 1.5
    assert row["estimate"] == 0
    assert row["mean_newly"] == 5
    assert row[["to_number_not_started", "people_to_number"]].tolist() == [6, 6]
    assert any(note.startswith("6 of 12 cells moved") for note in found.notes)


def test_teams_that_move_together_make_the_interval_wider():
    rng = np.random.default_rng(2)
    team = pd.Series(np.arange(240) % 12)
    before = pd.DataFrame({"i1": rng.normal(3, 0.5, 240)})
    after = before + rng.normal(0, 1, 12)[team][:, None] + rng.normal(0, 0.5, (240, 1))
    nothing = pd.DataFrame({"i1": [None] * 240}, dtype="object")
    given = {"off_scale_before": nothing, "off_scale_after": nothing, "subscales": {"x": ["i1"]}}
    alone = newly_judged(before, after, **given).table.loc["x"]
    together = newly_judged(before, after, people=team.to_frame("team"), **given).table.loc["x"]
    means = (after - before)["i1"].groupby(team).mean()
    # Equal clusters: the standard error of the mean of their means.
    assert together["se"] == pytest.approx(means.std() / np.sqrt(12))
    assert together["df"] == 11
    assert together["se"] > 2 * alone["se"]


def test_one_linked_person_has_a_change_and_no_interval():
    one = {name: value.iloc[[0]] if isinstance(value, pd.DataFrame) else value for name, value in given().items()}
    row = call(one).table.loc["all"]
    assert row["n"] == 1
    assert np.isfinite(row["estimate"])
    assert np.isnan(row["ci_low"])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({name: given()[name].iloc[:0] for name in FRAMES}, "no linked people"),
        ({"subscales": {"x": ["i9"]}}, "not there: i9"),
        ({"after": given()["after"][ITEMS[:2]]}, "after lacks the items i3"),
        ({"after": given()["after"].iloc[:3]}, "index of the scores"),
        ({"off_scale_after": given()["off_scale_before"]}, "both a number and a reason"),
        ({name: given()[name].where(given()[name].isna()) for name in FRAMES}, "no item has a number or a reason"),
    ],
)
def test_what_allows_no_answer_is_refused(change, said):
    with pytest.raises(ValueError, match=said):
        call(given() | change)
