"""What every analysis returns: how it reads as text and as HTML, and how parts are put together."""

from __future__ import annotations

import dataclasses
import re
from html import unescape

import numpy as np
import pandas as pd
import pytest

from analysis.result import LABELS, Analysed, Result, _gathered, analyse_each, formatted, stacked


def result(table: pd.DataFrame, **more: object) -> Result:
    return Result(title="T", table=table, method="M.", **more)  # type: ignore[arg-type]


def shown(value: object, column: str = "estimate") -> str:
    return str(formatted(pd.DataFrame({column: pd.Series([value], dtype=object)})).iloc[0, 0])


# Rounding


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.8126, "0.813"),
        (-0.8126, "-0.813"),
        (1.9994, "1.999"),
        (2.3456, "2.35"),
        (12.3456, "12.35"),
        (-99.994, "-99.99"),
        (123.456, "123.5"),
        (999999.4, "999999.4"),
        (0.0, "0"),
        (-0.0, "0"),
        (-0.0001, "0.000"),
        (0.5, "0.5"),
        (40.0, "40"),
        (2_500_000.0, "2.50e+06"),
        (1.23e-7, "1.23e-07"),
        (-1.23e-7, "-1.23e-07"),
        (float("inf"), "∞"),
        (float("-inf"), "−∞"),
        (12, "12"),
        (1_234_567, "1234567"),
        (np.int64(3), "3"),
        (np.float64(0.5), "0.5"),
        (True, "yes"),
        (np.False_, "no"),
        ("promax", "promax"),
    ],
)
def test_a_number_is_rounded_by_its_size(value: object, text: str) -> None:
    assert shown(value) == text


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.5, 0.25, -1.2345], ["0.500", "0.250", "-1.234"]),
        ([0.1234, 55.555], ["0.12", "55.55"]),
        ([1.1234, 55.555, 100.0], ["1.1", "55.6", "100.0"]),
        # A chi-square above an RMSEA: no number of decimals suits both.
        ([0.1234, 55.555, 1234.56], ["0.123", "55.55", "1234.6"]),
        ([3.0, 4.0, None], ["3", "4", "–"]),
        ([0.1234, 2_500_000.0, float("inf")], ["0.123", "2.50e+06", "∞"]),
        ([3, 0.1234], ["3", "0.123"]),
        ([0.0, 0.0004, -0.0002], ["0.000", "0.000", "0.000"]),
        ([None, float("nan")], ["–", "–"]),
    ],
)
def test_the_numbers_of_a_column_share_their_decimals(values: list[object], texts: list[str]) -> None:
    text = formatted(pd.DataFrame({"estimate": pd.Series(values, dtype=object), "n": 1}))
    assert text["Estimate"].tolist() == texts


@pytest.mark.parametrize("value", [None, pd.NA, float("nan"), np.float64("nan"), pd.NaT])
@pytest.mark.parametrize("column", ["estimate", "p", "n"])
def test_what_is_missing_is_a_dash(value: object, column: str) -> None:
    assert shown(value, column) == "–"


@pytest.mark.parametrize(
    ("p", "text"),
    [(0.0, "< .001"), (0.00099, "< .001"), (0.001, ".001"), (0.04999, ".050"), (0.5, ".500"), (1.0, "1.000")],
)
@pytest.mark.parametrize("column", ["p", "p_adjusted"])
def test_p_is_never_nought_and_has_no_leading_zero(p: float, text: str, column: str) -> None:
    assert shown(p, column) == text


def test_only_p_is_written_as_p() -> None:
    assert shown(0.0009, "p") == "< .001"
    assert shown(0.0009, "effect_size") == "0.001"


def test_columns_have_the_labels_of_the_vocabulary_and_others_their_name() -> None:
    text = formatted(pd.DataFrame({"ci_low": [0.1], "p_adjusted": [0.2], "small_cells": [1], "df": [3.5]}))
    assert text.columns.tolist() == ["95 % CI low", "p (adjusted)", "small cells", "df"]
    assert len(set(LABELS.values())) == len(LABELS), "two columns would look the same"


def test_whole_numbers_stay_whole_beside_a_gap() -> None:
    text = formatted(pd.DataFrame({"n": pd.array([3, pd.NA], dtype="Int64"), "mean": pd.array([1.5, pd.NA])}))
    assert text["n"].tolist() == ["3", "–"]
    assert text["Mean"].tolist() == ["1.5", "–"]


def test_two_columns_of_one_name_keep_their_own_numbers() -> None:
    table = pd.DataFrame([[1, 2]], columns=["n", "n"])
    text = formatted(table)
    assert text.shape == (1, 2)
    assert text.iloc[0].tolist() == ["1", "2"]


def test_the_table_keeps_its_full_precision_and_its_index() -> None:
    table = pd.DataFrame({"estimate": [1 / 3]}, index=pd.Index(["alpha"], name="coefficient"))
    before = table.copy()
    finding = result(table)
    repr(finding)
    finding._repr_html_()
    pd.testing.assert_frame_equal(finding.table, before)
    assert formatted(table).index.equals(table.index)


@pytest.mark.parametrize("rows", [0, 1])
def test_empty_tables_are_shown_as_such(rows: int) -> None:
    table = pd.DataFrame({"estimate": [0.5] * rows, "p": [0.5] * rows}, index=pd.RangeIndex(rows, name="item"))
    assert formatted(table).columns.tolist() == ["Estimate", "p"]
    assert "Method: M." in repr(result(table))
    assert "<figure" in result(table)._repr_html_()


# Text and HTML


def test_the_text_has_title_table_method_and_notes_in_this_order() -> None:
    text = repr(result(pd.DataFrame({"n": [3]}, index=["a"]), notes=("first", "second")))
    assert [line.split()[0] for line in text.splitlines()] == ["T", "n", "a", "Method:", "Note:", "Note:"]
    assert text.endswith("Note: first\nNote: second")


def test_a_subclass_shows_itself_the_same_way() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
    class WithFit(Result):
        fit: pd.DataFrame

    finding = WithFit(title="T", table=pd.DataFrame({"n": [3]}), method="M.", fit=pd.DataFrame())
    assert repr(finding).startswith("T\n")


NASTY = "<script>alert('x')</script> & \"co\""


def test_nothing_in_the_html_is_markup_but_our_own() -> None:
    table = pd.DataFrame(
        {NASTY: [NASTY], "p": [0.0001]},
        index=pd.MultiIndex.from_tuples([(NASTY, NASTY)], names=[NASTY, "level"]),
    )
    html = Result(title=NASTY, table=table, method=NASTY, notes=(NASTY,))._repr_html_()
    assert "<script" not in html
    ours = {"figure", "figcaption", "div", "table", "thead", "tbody", "tr", "th", "td", "p", "details", "summary"}
    assert set(re.findall(r"<(\w+)", html)) <= ours
    # In full in each of its places: title, column, two index labels, a level's name, cell, method, note.
    assert unescape(html).count(NASTY) == 8
    assert "&lt; .001" in html


def test_the_html_has_every_cell_and_is_well_formed() -> None:
    from xml.etree import ElementTree as ET

    table = pd.DataFrame({"estimate": [0.1234, 55.555], "n": [3, 4]}, index=pd.Index(["a", "b"], name="item"))
    root = ET.fromstring(result(table, notes=("first", "second"))._repr_html_())
    assert root.get("class") == "result"
    assert [cell.text for cell in root.iter("td")] == ["0.12", "3", "55.55", "4"]
    assert [part.text for part in root.iter("p") if part.get("class") == "note"] == ["first", "second"]
    assert [part.text for part in root.iter("p") if part.get("class") == "method"] == ["M."]


def test_a_result_cannot_be_changed_and_takes_names_only() -> None:
    finding = result(pd.DataFrame())
    with pytest.raises(dataclasses.FrozenInstanceError):
        finding.title = "other"  # type: ignore[misc]
    with pytest.raises(TypeError):
        Result("T", pd.DataFrame(), "M.")  # type: ignore[misc, call-arg]
    assert finding.notes == ()


# Parts


def of_two(frame: pd.DataFrame) -> Result:
    if len(frame) < 2:
        raise ValueError(f"two people are needed; got {len(frame)}")
    notes = ("a gap was left out",) if frame.isna().any(axis=None) else ()
    table = pd.DataFrame({"n": [len(frame)]}, index=pd.Index(["count"], name="coefficient"))
    return Result(title="One", table=table, method="Counted.", notes=notes)


PARTS = {
    "role": pd.DataFrame({"a": [1.0, 2.0, None]}),
    "indu": pd.DataFrame({"a": [1.0]}),
    "educ": pd.DataFrame({"a": [1.0, None]}),
    "path": pd.DataFrame({"a": [1.0, 2.0]}),
}


def test_each_part_is_analysed_and_each_refusal_kept() -> None:
    analysed = analyse_each(PARTS, of_two)
    assert list(analysed.results) == ["role", "educ", "path"]
    assert analysed.refused == {"indu": "two people are needed; got 1"}


def test_faults_other_than_refusals_are_not_swallowed() -> None:
    def faulty(frame: pd.DataFrame) -> Result:
        raise KeyError("a fault of ours")

    with pytest.raises(KeyError):
        analyse_each(PARTS, faulty)


def test_stacked_has_a_level_for_the_part_and_says_what_was_refused() -> None:
    whole = stacked(analyse_each(PARTS, of_two), name="subscale", title="All")
    assert whole.title == "All"
    assert whole.method == "Counted."
    assert whole.table.index.names == ["subscale", "coefficient"]
    assert whole.table.loc[("role", "count"), "n"] == 3
    assert whole.table.index.get_level_values("subscale").tolist() == ["role", "educ", "path"]
    assert whole.notes == ("indu: two people are needed; got 1", "role, educ: a gap was left out")


def test_stacked_can_take_another_table_of_the_results() -> None:
    @dataclasses.dataclass(frozen=True, kw_only=True, eq=False, repr=False)
    class WithItems(Result):
        items: pd.DataFrame

    def analyse(frame: pd.DataFrame) -> Result:
        items = pd.DataFrame({"mean": frame.mean()}).rename_axis("item")
        return WithItems(title="One", table=pd.DataFrame(), method="M.", items=items)

    whole = stacked(analyse_each(PARTS, analyse), name="subscale", title="Items", field="items")
    assert whole.table.loc[("role", "a"), "mean"] == 1.5


def test_stacked_refuses_when_every_part_was_refused_with_each_reason_once() -> None:
    one = pd.DataFrame({"a": [1.0]})
    with pytest.raises(ValueError, match=r"^two people are needed; got 1; two people are needed; got 0$"):
        stacked(analyse_each({"a": one, "b": one, "c": one.iloc[:0]}, of_two), name="subscale", title="All")
    with pytest.raises(ValueError, match="there is nothing to analyse"):
        stacked(Analysed(results={}, refused={}), name="subscale", title="All")


def test_equal_notes_are_gathered_in_order() -> None:
    notes = [("role", "same"), ("indu", "other: with a colon"), ("educ", "same")]
    assert _gathered(notes) == ["role, educ: same", "indu: other: with a colon"]
    assert _gathered([]) == []


def test_a_note_of_a_part_whose_label_has_a_colon_is_gathered_by_its_label() -> None:
    parts = {"wave 1: before": PARTS["role"], "wave 2: after": PARTS["educ"]}
    whole = stacked(analyse_each(parts, of_two), name="wave", title="All")
    assert whole.notes == ("wave 1: before, wave 2: after: a gap was left out",)
