import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.describe import describe, floor_ceiling
from analysis.result import LABELS

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "describe.json").read_text(encoding="utf-8"))
R = f"R {ORACLE['versions']['R'].removeprefix('R version ').split()[0]}"
ITEMS = [row["item"] for row in ORACLE["items"]]
SUBSCALES = {name: [item for item in ITEMS if item[0] == name] for name in "abc"}
REASONS = {97: "dont_know", 98: "does_not_apply", 99: "not_started"}
# The JSON has 15 significant digits; both sides sum the same terms in another order.
CLOSE = 1e-11


@pytest.fixture
def survey():
    """Answers, reasons, people and what was asked, as the R script saw them."""
    data = pd.read_csv(ORACLES / "data" / "describe.csv", index_col="response")
    raw = data[ITEMS].astype("Int64")
    answers = raw.where(raw <= 5)
    off_scale = raw.astype(object).map(lambda code: REASONS.get(code) if pd.notna(code) else None)
    asked = pd.DataFrame(True, index=raw.index, columns=ITEMS)
    asked.loc[data["form"] == "C", "c2b"] = False
    return {
        "answers": answers,
        "off_scale": off_scale,
        "people": data.drop(columns=ITEMS),
        "asked": asked,
    }


@pytest.fixture
def description(survey):
    return describe(survey.pop("answers"), **survey, codes=range(1, 6), subscales=SUBSCALES)


@pytest.fixture
def matches(agrees):
    """Compare every column of R's rows."""

    def compare(what, table, rows, keys):
        expected = pd.DataFrame(rows).set_index(keys)
        assert len(expected) == len(table)
        found = table.loc[expected.index, expected.columns]
        for column, theirs in expected.astype(float).items():
            ours = found[column].to_numpy(float)
            words = LABELS.get(column, column.replace("_", " "))
            agrees(f"{what}: {words}", ours, theirs, oracle=R, relative=CLOSE)

    return compare


def test_items_match_r(description, matches):
    matches("items", description.table, ORACLE["items"], "item")
    assert set(ORACLE["items"][0]) - {"item"} == set(description.table.columns)
    assert description.table.loc["a2b", "n"] == 7  # the sparse item was really compared


def test_distribution_matches_r(description, agrees):
    assert description.distribution.columns.tolist() == [1, 2, 3, 4, 5]
    agrees("answers by code", description.distribution, ORACLE["distribution"], oracle=R, absolute=0)
    assert description.distribution.loc["b1f", [1, 2]].sum() < 5  # unused codes keep their column


def test_flow_matches_r(description, matches):
    matches("flow", description.flow, ORACLE["flow"], ["form", "wave"])
    assert set(ORACLE["flow"][0]) - {"form", "wave"} == set(description.flow.columns)


def test_off_scale_matches_r(description, matches):
    matches("reasons off the scale", description.off_scale, ORACLE["off_scale"], ["form", "wave", "reason"])
    matches(
        "subscales off the scale", description.off_scale_subscales, ORACLE["off_scale_subscales"], ["subscale", "form"]
    )


def test_an_item_that_a_form_does_not_ask_is_not_missing(survey):
    everything_asked = describe(survey["answers"], off_scale=survey["off_scale"]).table
    as_asked = describe(survey["answers"], off_scale=survey["off_scale"], asked=survey["asked"]).table
    assert everything_asked.loc["c2b", "missing"] - as_asked.loc["c2b", "missing"] == 25


def test_inputs_stay_as_they_were(survey):
    before = {name: frame.copy(deep=True) for name, frame in survey.items()}
    describe(survey["answers"], **{name: survey[name] for name in ("off_scale", "people", "asked")})
    for name, frame in survey.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_subscales_that_many_cannot_judge_are_flagged():
    answers = pd.DataFrame({"x": [1, None, 3, None], "y": [1, 2, 3, 4]}, dtype="Int64")
    off_scale = pd.DataFrame({"x": [None, "dont_know", None, "not_started"], "y": [None] * 4}, dtype=object)
    subscales = {"first": ["x"], "second": ["y"]}
    found = describe(answers, off_scale=off_scale, subscales=subscales)
    assert found.off_scale_subscales["percent"].tolist() == [25.0, 0.0]  # "not started" is no "cannot judge"
    assert found.off_scale_subscales["flagged"].tolist() == [True, False]
    assert any("could not judge" in note and "first" in note for note in found.notes)
    with_stage = describe(answers, off_scale=off_scale, subscales=subscales, stage_reasons=())
    assert with_stage.off_scale_subscales["percent"].tolist() == [50.0, 0.0]
    assert found.off_scale.loc["not_started", "percent"] == 12.5


def test_notes_name_what_stands_out(description):
    notes = " ".join(description.notes)
    assert "80 responses from 50 people" in notes
    assert "a2b" in next(note for note in description.notes if "to be reviewed" in note)
    assert "Terwee" in notes
    assert "In all" in repr(description)


@pytest.mark.parametrize(
    "answers",
    [
        pd.DataFrame({"x": [3]}, dtype="Int64"),
        pd.DataFrame({"x": [None], "y": [2]}, dtype="Int64"),
        pd.DataFrame({"x": [None, None]}, dtype="Int64"),
        pd.DataFrame({"x": []}, dtype="Int64"),
        pd.DataFrame(index=["r1"]),
        pd.DataFrame({"x": [4, 4, 4, 4, 4], "y": [1, 2, None, None, None]}, dtype="Int64"),
        pd.DataFrame({"x": [1.0, np.nan, 2.0]}),
    ],
    ids=["one person", "empty column", "nothing", "no rows", "no items", "constant", "float"],
)
def test_little_data_gives_a_table_with_gaps_and_no_warning(answers):
    found = describe(answers)
    assert found.table.index.tolist() == answers.columns.tolist()
    assert found.table["n"].tolist() == answers.notna().sum().tolist()
    assert found.table["mean"].notna().tolist() == (answers.notna().sum() > 0).tolist()
    assert found.table["sd"].notna().tolist() == (answers.notna().sum() > 1).tolist()
    assert found.table["skewness"].isna().all()
    assert found.flow.index.tolist() == ["all"]
    assert found.flow["responses"].tolist() == [len(answers)]
    assert found.off_scale.empty
    assert found.off_scale_subscales.empty
    assert found.title in repr(found)
    assert "<figure" in found._repr_html_()


def test_unknown_form_and_absent_columns():
    answers = pd.DataFrame({"x": [1, 2, 3]}, index=["r1", "r2", "r3"], dtype="Int64")
    people = pd.DataFrame({"form": ["P", None, "C"], "team": ["t", "t", None]}, index=["r3", "r2", "r1"])
    flow = describe(answers, people=people).flow
    assert flow.index.tolist() == ["C", "P", "not stated"]
    assert flow["teams"].tolist() == [0, 1, 1]
    assert "people" not in flow
    waves = pd.DataFrame({"wave": pd.array([10, None, 2], dtype="Int64")}, index=answers.index)
    assert describe(answers, people=waves).flow.index.tolist() == [2, 10, "not stated"]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"answers": pd.DataFrame({"x": [1.5, 2]})}, "whole numbers.*x"),
        ({"answers": pd.DataFrame({"x": ["agree", "2"]})}, "numbers or missing.*x"),
        ({"codes": range(1, 4)}, r"\[1, 2, 3\].*found 4"),
        ({"off_scale": pd.DataFrame({"x": ["dont_know", None]})}, "1 cells have both.*0/x"),
        ({"off_scale": pd.DataFrame({"y": ["dont_know", None]})}, "items of `answers`.*x, y"),
        ({"asked": pd.DataFrame({"x": [True, False]})}, "not asked.*1/x"),
        ({"people": pd.DataFrame({"form": ["P"]})}, "1 have none"),
        ({"subscales": {"s": ["z"]}}, "not there: z"),
        ({"answers": pd.DataFrame({"x": [1, 2]}, index=["r", "r"])}, "doubled: r"),
    ],
)
def test_contradictions_are_refused(changed, message):
    arguments = {"answers": pd.DataFrame({"x": [1, 4]}, dtype="Int64"), **changed}
    with pytest.raises(ValueError, match=message):
        describe(arguments.pop("answers"), **arguments)


def test_floor_and_ceiling_count_the_possible_extremes():
    scores = pd.DataFrame(
        {"role": [0.0, 100.0, 100 * (1 - 1e-15), 50.0, None], "balance": [-100.0, 100.0, 0.0, 0.0, 0.0]}
    )
    groups = pd.Series(["P", "P", "C", "C", None], name="form")
    low, high = {"role": 0, "balance": -100}, 100
    found = floor_ceiling(scores, low=low, high=high, groups=groups).table
    assert found.index.names == ["score", "form"]
    assert found.loc[("role", "P"), ["n", "percent_floor", "percent_ceiling"]].tolist() == [2, 50.0, 50.0]
    assert found.loc[("role", "C"), ["n", "percent_floor", "percent_ceiling"]].tolist() == [2, 0.0, 50.0]
    assert found.loc[("role", "not stated"), "n"] == 0
    assert np.isnan(found.loc[("role", "not stated"), "percent_floor"])
    overall = floor_ceiling(scores, low=low, high=high)
    assert overall.table.loc["role", "percent_ceiling"] == 50.0
    assert overall.table["ceiling_flagged"].tolist() == [True, True]
    assert any("fewer than 50" in note for note in overall.notes)


def test_fifteen_percent_is_not_over_fifteen():
    scores = pd.DataFrame({"s": [1.0] * 15 + [3.0] * 69 + [5.0] * 16})
    found = floor_ceiling(scores, low=1, high=5).table.loc["s"]
    assert (found["floor_flagged"], found["ceiling_flagged"]) == (False, True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"low": 0, "high": 4}, "outside.*s"),
        ({"low": {"t": 0}, "high": 5}, "no value for: s"),
        ({"low": 1, "high": 5, "groups": pd.Series(["P"], index=[0])}, "one row for each response.*1"),
    ],
)
def test_floor_ceiling_refuses(arguments, message):
    with pytest.raises(ValueError, match=message):
        floor_ceiling(pd.DataFrame({"s": [1.0, 5.0]}), **arguments)
