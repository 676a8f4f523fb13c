import csv
import datetime as dt
import os
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyreadstat
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from instrument.definition import Catalogue, Labels, Text, read_instrument
from instrument.reading import read_responses
from instrument.responses import ResponseError

DATA = Path(__file__).parents[1] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
SMALL = read_instrument(DATA / "small.toml")
ITEMS = list(CANTEEN.items.ids)
ANSWERS = {"foodaf": "4", "foodab": "2", "foodbf": "5", "foodbb": "1", "placeaf": "3", "placeab": "3"}
ANSWERS |= {"placebf": "4", "placebb": "2"}
ALLOWED = "allowed are 1–5, 97 (Don't know), 98 (Does not apply to me), 99 (Not started yet)"


def row(person="1", form="P", **cells):
    """A complete row of the canteen questionnaire, with some cells changed."""
    not_asked = dict.fromkeys(set(ITEMS) - set(CANTEEN.asked_by(form)), "")
    return {"person": person, "form": form, **ANSWERS, **not_asked, **cells}


def table(*rows):
    return pd.DataFrame(list(rows), dtype=object)


def write_csv(path, frame, sep=",", encoding="utf-8", lineterminator="\n"):
    frame.to_csv(path, index=False, sep=sep, encoding=encoding, lineterminator=lineterminator)
    return path


def write_xlsx(path, frame, sheet="answers"):
    book = openpyxl.Workbook()
    book.active.title = sheet
    book.active.append(list(frame.columns))
    for cells in frame.itertuples(index=False):
        book.active.append([None if cell is None or cell == "" else cell for cell in cells])
    book.save(path)
    return path


def numbers(frame):
    """The item columns as numbers, as SPSS and Parquet hold them."""
    frame = frame.copy()
    for name in frame.columns.intersection([*ITEMS, "wave", "programme", "impfood", "global10"]):
        frame[name] = pd.to_numeric(frame[name].replace("", None)).astype("float64")
    return frame


def read(path, instrument=CANTEEN):
    return read_responses(path, instrument)


def faults(path, instrument=CANTEEN):
    with pytest.raises(ResponseError) as caught:
        read_responses(path, instrument)
    return caught.value.faults


# What is read


def test_the_canonical_file_is_read_whole(tmp_path):
    frame = table(
        row("a", organisation="O1", team="T1", programme="1", impfood="5", global10="10", open1="Soup", shoe="44"),
        row("b", "C", organisation="O2", team="T2", programme="0", impfood="97", global10="", open1="", shoe="x"),
    )
    responses = read(write_csv(tmp_path / "baseline.csv", frame))

    assert responses.answers.index.tolist() == ["baseline:2", "baseline:3"]
    assert responses.answers.index.name == "response"
    assert list(responses.answers.columns) == ITEMS
    assert (responses.answers.dtypes == "Int64").all()
    assert responses.answers.loc["baseline:2"].tolist() == [4, 2, 5, 1, 3, 3, 4, 2]
    assert responses.answers.loc["baseline:3", ["foodbf", "foodbb"]].isna().all()
    assert responses.off_scale.isna().all(axis=None)
    people = responses.people
    assert list(people.columns) == [
        *("person", "wave", "form", "organisation", "team", "programme", "impfood", "global10", "open1", "shoe")
    ]
    assert people["wave"].tolist() == [1, 1]
    assert people["wave"].dtype == np.int64
    assert people["programme"].tolist() == [1, 0]
    assert people["impfood"].isna().tolist() == [False, True]
    assert people["open1"].isna().tolist() == [False, True]
    assert people["shoe"].tolist() == ["44", "x"]
    assert {str(people[name].dtype) for name in ("person", "form", "open1", "shoe")} == {"string"}
    assert {str(people[name].dtype) for name in ("programme", "impfood", "global10")} == {"Int64"}
    ledger = responses.ledger.set_index("column")
    assert ledger["became"].to_dict() == {
        **dict.fromkeys(("person", "form", "organisation", "team", "programme"), "key"),
        **dict.fromkeys(ITEMS, "item"),
        **dict.fromkeys(("impfood", "global10", "open1"), "question"),
        "shoe": "kept",
        "(wave)": "remark",
    }
    assert ledger.loc["impfood", ["answered", "blank", "off_scale", "note"]].tolist() == [1, 0, 1, "dont_know 1"]
    assert ledger.loc["shoe", "note"] == "not a column of this questionnaire; kept as text"


@pytest.mark.parametrize(
    ("cell", "code"),
    [
        *(("3", 3), ("3.0", 3), (" 3 ", 3), ("3.00", 3), ("\u00a03", 3)),
        *(("", None), ("NA", None), (".", None), ("  ", None), (" NA ", None)),
        *(("Strongly agree", 5), ("strongly AGREE ", 5), ("Muy de acuerdo", 5), ("de acuerdo", 4)),
    ],
)
def test_one_cell(tmp_path, cell, code):
    responses = read(write_csv(tmp_path / "a.csv", table(row(foodaf=cell))))
    found = responses.answers["foodaf"].iloc[0]
    assert found is pd.NA if code is None else found == code
    ledger = responses.ledger.set_index("column").loc["foodaf"]
    assert (ledger["answered"], ledger["blank"]) == ((0, 1) if code is None else (1, 0))
    assert ledger["labels_read"] == int(any(letter.isalpha() for letter in cell) and cell.strip() != "NA")


@pytest.mark.parametrize(
    ("cell", "reason", "label"),
    [
        ("97", "dont_know", 0),
        ("98.0", "does_not_apply", 0),
        ("99", "not_started", 0),
        ("don't know", "dont_know", 1),
        ("No sé", "dont_know", 1),
        ("No se\u0301", "dont_know", 1),  # the accent as a character of its own, as macOS writes it
    ],
)
def test_an_answer_beside_the_scale_is_kept_apart(tmp_path, cell, reason, label):
    responses = read(write_csv(tmp_path / "a.csv", table(row(foodaf=cell))))
    assert responses.answers["foodaf"].isna().all()
    assert responses.off_scale["foodaf"].tolist() == [reason]
    assert responses.off_scale.drop(columns="foodaf").isna().all(axis=None)
    ledger = responses.ledger.set_index("column").loc["foodaf"]
    assert (ledger["off_scale"], ledger["labels_read"], ledger["note"]) == (1, label, f"{reason} 1")


def test_an_off_scale_code_on_an_item_not_asked_goes_to_the_ledger(tmp_path):
    responses = read(write_csv(tmp_path / "a.csv", table(row("1", "C", foodbf="98"), row("2", "P", foodbf="98"))))
    assert responses.off_scale["foodbf"].isna().tolist() == [True, False]
    ledger = responses.ledger.set_index("column").loc["foodbf"]
    assert ledger[["answered", "blank", "off_scale", "off_scale_not_asked"]].tolist() == [0, 0, 1, 1]


def test_the_ledger_accounts_for_every_cell(tmp_path):
    frame = table(
        row("1", "C", foodbf="98", foodaf="97", mainmeal="98", meal1="1", satisfied="4", note="NA"),
        row("2", "P", foodbf="98", foodaf=".", mainmeal="Lunch", meal1="", satisfied="3", note="x"),
    )
    ledger = read(write_csv(tmp_path / "a.csv", frame)).ledger.query("became != 'remark'")
    assert len(ledger) == len(frame.columns)
    parts = ledger[["answered", "blank", "off_scale", "off_scale_not_asked"]].sum(axis=1)
    assert parts.tolist() == ledger["cells"].tolist() == [2] * len(ledger)
    notes = ledger.set_index("column")["note"]
    assert notes["mainmeal"] == "prefer_not 1"
    assert notes["satisfied"] == "1 from forms that do not ask it, kept"


def test_questions_with_several_answers_have_a_column_each(tmp_path):
    frame = table(row(meal1="1", meal3="0", meal98=""))
    people = read(write_csv(tmp_path / "a.csv", frame)).people
    assert people[["meal1", "meal3", "meal98"]].iloc[0].tolist() == [1, 0, pd.NA]


def test_waves_are_the_order_of_the_files_or_a_column(tmp_path):
    first = write_csv(tmp_path / "z.csv", table(row("1"), row("2")))
    second = write_csv(tmp_path / "a.csv", table(row("1", shoe="44")))
    responses = read([first, second])
    assert responses.people["wave"].tolist() == [1, 1, 2]
    assert responses.answers.index.tolist() == ["z:2", "z:3", "a:2"]
    assert responses.people["shoe"].isna().tolist() == [True, True, False]
    assert responses.ledger["file"].unique().tolist() == ["z.csv", "a.csv"]

    third = write_csv(tmp_path / "w.csv", table(row("1", wave="3"), row("1", wave="7.0")))
    assert read([first, third]).people["wave"].tolist() == [1, 1, 3, 7]


def test_files_of_the_same_name_are_told_apart_by_their_folder(tmp_path):
    paths = []
    for folder in ("before", "after"):
        (tmp_path / folder).mkdir()
        paths.append(write_csv(tmp_path / folder / "answers.csv", table(row())))
    assert read(paths).answers.index.tolist() == ["before/answers:2", "after/answers:2"]
    csv_and_xlsx = [write_csv(tmp_path / "a.csv", table(row())), write_xlsx(tmp_path / "a.xlsx", table(row()))]
    assert read(csv_and_xlsx).answers.index.tolist() == ["a.csv:2", "a.xlsx:2"]


def test_a_person_is_the_response_where_the_file_has_no_persons(tmp_path):
    frame = table(row(response="x7"), row(response="x8")).drop(columns="person")
    responses = read(write_csv(tmp_path / "a.csv", frame))
    assert responses.answers.index.tolist() == ["x7", "x8"]
    assert responses.people["person"].tolist() == ["x7", "x8"]


def test_teams_of_one_name_in_two_organisations_are_two_teams(tmp_path):
    same = table(
        row("1", organisation="A", team="North"),
        row("2", organisation="B", team="North"),
        row("3", organisation="B", team="South"),
        row("4", organisation="B", team=""),
    )
    responses = read(write_csv(tmp_path / "a.csv", same))
    assert responses.people["team"].tolist() == ["A/North", "B/North", "B/South", pd.NA]
    assert "organisation/team" in responses.ledger.set_index("column").loc["team", "note"]

    different = same.assign(team=["North", "East", "South", "South"])
    responses = read(write_csv(tmp_path / "b.csv", different))
    assert responses.people["team"].tolist() == ["North", "East", "South", "South"]
    assert responses.ledger.set_index("column").loc["team", "note"] == ""
    # A team alone needs no organisation.
    alone = read(write_csv(tmp_path / "c.csv", same.drop(columns="organisation")))
    assert alone.people["team"].tolist() == ["North", "North", "South", pd.NA]


def test_a_file_of_short_forms_needs_the_short_items_only(tmp_path):
    short = table(row("1", "PS"), row("2", "CS"))[["person", "form", *CANTEEN.short_items]]
    responses = read(write_csv(tmp_path / "a.csv", short))
    assert list(responses.answers.columns) == ITEMS
    assert responses.answers[list(CANTEEN.short_items)].notna().all(axis=None)
    assert responses.answers.drop(columns=list(CANTEEN.short_items)).isna().all(axis=None)
    assert (responses.answers.dtypes == "Int64").all()
    assert {str(kind) for kind in responses.off_scale.dtypes} == {"string"}


def test_a_questionnaire_without_forms(tmp_path):
    frame = pd.DataFrame({name: ["0", "3", "9", "Can't say"] for name in SMALL.items.ids})
    responses = read(write_csv(tmp_path / "a.csv", frame), SMALL)
    assert "form" not in responses.people
    assert responses.answers["rest1"].tolist() == [0, 3, pd.NA, pd.NA]
    assert responses.off_scale["rest1"].tolist() == [pd.NA, pd.NA, "dont_know", "dont_know"]
    assert read_responses(tmp_path / "a.csv", str(DATA / "small.toml")).instrument == SMALL


def test_commas_as_decimal_signs_belong_to_semicolons(tmp_path):
    frame = table(row(foodaf="3,0"))
    assert read(write_csv(tmp_path / "a.csv", frame, sep=";")).answers["foodaf"].tolist() == [3]
    assert "a.csv:2:foodaf: '3,0' is not" in faults(write_csv(tmp_path / "a.csv", frame))[0]
    assert "'3,5' is not" in faults(write_csv(tmp_path / "a.csv", table(row(foodaf="3,5")), sep=";"))[0]


def test_empty_rows_and_nameless_empty_columns_are_named_in_the_ledger(tmp_path):
    frame = table(row("1"), dict.fromkeys(row(), ""), row("2"))
    frame.insert(3, " ", "")
    responses = read(write_csv(tmp_path / "a.csv", frame))
    assert responses.answers.index.tolist() == ["a:2", "a:4"]
    ignored = responses.ledger.query("became == 'ignored'").set_index("column")["note"]
    assert ignored.to_dict() == {
        "(column 4)": "no name, and nothing in it",
        "(empty rows)": "rows in which every cell is empty: 3",
    }


def test_text_that_looks_like_a_formula_stays_text(tmp_path):
    people = read(write_csv(tmp_path / "a.csv", table(row(open1="=HYPERLINK(1)", shoe="+1")))).people
    assert people[["open1", "shoe"]].iloc[0].tolist() == ["=HYPERLINK(1)", "+1"]


def test_rows_are_file_rows_even_after_line_breaks_in_cells(tmp_path):
    for ending in ("\n", "\r\n", "\r"):
        frame = table(row("1", open1=f"one{ending}two{ending}three"), row("2", foodaf="7"))
        (tmp_path / "a.csv").write_bytes(frame.to_csv(index=False, lineterminator=ending).encode())
        assert faults(tmp_path / "a.csv")[0].startswith("a.csv:5:foodaf: '7' is not an answer; ")
        frame.loc[1, "foodaf"] = "5"
        (tmp_path / "a.csv").write_bytes(frame.to_csv(index=False, lineterminator=ending).encode())
        responses = read(tmp_path / "a.csv")
        assert responses.answers.index.tolist() == ["a:2", "a:5"]
        assert responses.people["open1"].iloc[0] == f"one{ending}two{ending}three"


# The same answers in every format

TEXT = st.text(st.sampled_from("abcäß ,;\"'\n-0"), max_size=6).map(lambda text: f"x{text}x")
CODE = st.sampled_from(["", "1", "2", "3", "4", "5", "97", "98", "99"])


@st.composite
def answer_tables(draw):
    count = draw(st.integers(1, 6))
    forms = draw(st.lists(st.sampled_from(["P", "C", "PS", "CS"]), min_size=count, max_size=count))
    rows = []
    for number, form in enumerate(forms):
        asked = CANTEEN.asked_by(form)
        answers = {name: draw(CODE) if name in asked else "" for name in ITEMS}
        rows.append(
            {
                "response": f"r{number}",
                "person": f"p{number}",
                "form": form,
                "wave": str(draw(st.integers(1, 3))),
                "organisation": draw(st.sampled_from(["A", "B"])),
                "team": draw(st.sampled_from(["", "T1", "T2"])),
                "programme": draw(st.sampled_from(["", "0", "1"])),
                **answers,
                "impfood": draw(CODE),
                "global10": draw(st.sampled_from(["", "0", "10"])),
                "open1": draw(TEXT),
                "kept": draw(TEXT),
            }
        )
    return table(*rows)


def assert_same(left, right, *, order=True):
    for name in ("answers", "people", "off_scale"):
        pd.testing.assert_frame_equal(getattr(left, name), getattr(right, name), check_like=not order)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=answer_tables())
def test_every_format_gives_the_same_responses(tmp_path, frame):
    expected = read(write_csv(tmp_path / "plain.csv", frame))
    # Oracle: the cells of the table itself.
    for name in ITEMS:
        on = [int(cell) if cell and int(cell) <= 5 else None for cell in frame[name]]
        assert [None if code is pd.NA else code for code in expected.answers[name]] == on
        reason = {"97": "dont_know", "98": "does_not_apply", "99": "not_started"}
        off = [reason.get(cell) for cell in frame[name]]
        assert [None if cell is pd.NA else cell for cell in expected.off_scale[name]] == off
    numeric = numbers(frame)
    written = [
        write_csv(tmp_path / "semicolon.csv", frame, sep=";"),
        write_csv(tmp_path / "tab.tsv", frame, sep="\t"),
        write_csv(tmp_path / "bom.csv", frame, encoding="utf-8-sig", lineterminator="\r\n"),
        write_xlsx(tmp_path / "text.xlsx", frame),
        write_xlsx(tmp_path / "number.xlsx", numeric.astype(object).where(numeric.notna(), None)),
    ]
    frame.to_parquet(tmp_path / "text.parquet", index=False)
    numeric.to_parquet(tmp_path / "number.parquet", index=False)
    integers = numeric.copy()
    for name in ITEMS:
        integers[name] = integers[name].astype("Int64")
    integers.assign(form=integers["form"].astype("category")).to_parquet(tmp_path / "integer.parquet", index=False)
    pyreadstat.write_sav(
        numeric,
        tmp_path / "number.sav",
        missing_ranges={name: [97, 98, 99] for name in ITEMS},
        variable_value_labels={name: {1: "Strongly disagree", 5: "Strongly agree", 97: "Don't know"} for name in ITEMS},
    )
    written += [tmp_path / name for name in ("text.parquet", "number.parquet", "integer.parquet", "number.sav")]
    for path in written:
        assert_same(read(path), expected)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(frame=answer_tables(), data=st.data())
def test_the_order_of_rows_and_columns_changes_nothing(tmp_path, frame, data):
    expected = read(write_csv(tmp_path / "a.csv", frame))
    columns = data.draw(st.permutations(list(frame.columns)))
    rows = data.draw(st.permutations(range(len(frame))))
    shuffled = read(write_csv(tmp_path / "a.csv", frame[columns].iloc[rows]))
    assert_same(shuffled, expected, order=False)
    assert list(shuffled.answers.columns) == ITEMS


# What is refused: one bad cell


@pytest.mark.parametrize(
    ("column", "cell", "found"),
    [
        ("foodaf", "7", "'7' is not an answer; "),
        ("foodaf", "0", "'0' is not an answer; "),
        ("foodaf", "-1", "'-1' is not an answer: it is not a plain whole number; "),
        ("foodaf", "100", "'100' is not an answer; "),
        ("foodaf", "96", "'96' is not an answer; "),
        ("foodaf", "2.5", "'2.5' is not an answer: it is not a plain whole number; "),
        ("foodaf", "3.2e0", "'3.2e0' is not an answer: it is not a plain whole number; "),
        ("foodaf", "3e0", "'3e0' is not an answer: it is not a plain whole number; "),
        ("foodaf", "03", "'03' is not an answer: it is not a plain whole number; "),
        ("foodaf", "three", "'three' is not an answer: it is neither a number nor a label of this scale; "),
        ("foodaf", "٣", "'٣' is not an answer: it is neither a number nor a label of this scale; "),
        ("foodaf", "\uff13", "'\uff13' is not an answer: it is neither a number nor a label of this scale; "),
        ("foodaf", "²", "'²' is not an answer: it is neither a number nor a label of this scale; "),
        ("foodaf", "n/a", "'n/a' is not an answer: it is neither a number nor a label of this scale; "),
        ("foodaf", "nan", "'nan' is not an answer: it is neither a number nor a label of this scale; "),
        ("foodaf", "Lunch", "'Lunch' is not an answer: it is neither a number nor a label of this scale; "),
        ("foodaf", "2026-03-05", "'2026-03-05' is a date, not an answer "),
        ("foodaf", "9" * 400, "'99999999999999999999999999999999999999… is not an answer; "),
        ("foodaf", "4\x07\x1b[31m", r"'4\x07\x1b[31m' is not an answer: it is neither"),
        ("impfood", "6", "'6' is not an answer; "),
    ],
)
def test_a_bad_answer_is_named_with_place_and_remedy(tmp_path, column, cell, found):
    path = write_csv(tmp_path / "baseline.csv", table(row("1"), row("2", **{column: cell})))
    (fault,) = faults(path)
    assert fault.startswith(f"baseline.csv:3:{column}: {found}")
    assert ALLOWED in fault
    assert fault.endswith("; correct the cell or leave it empty")
    assert fault.isprintable()


@pytest.mark.parametrize(
    ("column", "cell", "message"),
    [
        ("form", "X", "'X' is not a form; allowed are P, C, PS, CS; correct the cell"),
        ("form", "p", "'p' is not a form; allowed are P, C, PS, CS; correct the cell"),
        ("form", "", "the cell is empty; allowed are P, C, PS, CS; correct the cell"),
        ("wave", "0", "'0' is not a wave; allowed are whole numbers from 1 to 999; correct the cell"),
        ("wave", "1.5", "'1.5' is not a wave; allowed are whole numbers from 1 to 999; correct the cell"),
        ("wave", "9" * 30, f"'{'9' * 30}' is not a wave; allowed are whole numbers from 1 to 999; correct the cell"),
        ("wave", "", "the cell is empty; allowed are whole numbers from 1 to 999; correct the cell"),
        ("person", " ", "the cell is empty; allowed is any name or number; fill it, or leave the column 'person' out"),
        (
            "programme",
            "yes",
            "'yes' is not an answer: it is neither a number nor a label of this scale; allowed are 0 (no) and 1 (yes); "
            "correct the cell or leave it empty",
        ),
        ("meal3", "2", "'2' is not an answer; allowed are 0 (no) and 1 (yes); correct the cell or leave it empty"),
        (
            "global10",
            "11",
            "'11' is not an answer; allowed are 0–10 and the labels of these; correct the cell or leave it empty",
        ),
    ],
)
def test_a_bad_key_or_question(tmp_path, column, cell, message):
    good = {"person": "1", "form": "P", "wave": "1", "programme": "0", "meal3": "1", "global10": "0"}
    frame = table(row(**good), row(**(good | {"person": "2", column: cell})))
    assert faults(write_csv(tmp_path / "a.csv", frame)) == (f"a.csv:3:{column}: {message}",)


def test_an_answer_to_an_item_that_the_form_does_not_ask(tmp_path):
    path = write_csv(tmp_path / "a.csv", table(row("1"), row("2", "C", foodbb="4")))
    assert faults(path) == (
        "a.csv:3:foodbb: '4' answers an item that form C does not ask; correct the form; only if nobody "
        "answered this, empty the cell",
    )


def test_one_person_twice_in_one_wave_names_both_rows(tmp_path):
    first = write_csv(tmp_path / "a.csv", table(row("7"), row("8"), row(" 7 ")))
    assert faults(first) == (
        "a.csv:4:person: '7' has answered wave 1 in a.csv:2 already; allowed is one response a person and wave; "
        "remove one, or correct person or wave",
    )
    first = write_csv(tmp_path / "a.csv", table(row("7", wave="2")))
    second = write_csv(tmp_path / "b.csv", table(row("8"), row("7")))
    (fault,) = faults([first, second])
    assert fault.startswith("b.csv:3:person: '7' has answered wave 2 in a.csv:2 already; ")


def test_a_response_id_twice(tmp_path):
    first = write_csv(tmp_path / "a.csv", table(row("1", response="r"), row("2", response="s")))
    second = write_csv(tmp_path / "b.csv", table(row("1", response="s")))
    assert faults([first, second]) == (
        "b.csv:2:response: 's' is also the response of a.csv:3; each response needs its own id",
    )


# What is refused: columns


def test_missing_columns_are_one_line(tmp_path):
    path = write_csv(tmp_path / "a.csv", table(row("1", "C"), row("2", "CS")).drop(columns=["foodaf", "placebb"]))
    assert faults(path) == (
        "a.csv:1:foodaf: 2 items have no column: foodaf, placebb; forms C and CS ask them. Every other column of "
        "the file was recognised. Only if they were never asked: add empty columns",
    )
    path = write_csv(tmp_path / "a.csv", table(row()).drop(columns=["foodbb"]))
    assert faults(path) == (
        "a.csv:1:foodbb: there is no such column; form P asks it. Every other column of the file was "
        "recognised. Only if it was never asked: add an empty column",
    )
    path = write_csv(tmp_path / "a.csv", table(row()).drop(columns=["form"]))
    assert faults(path) == (
        "a.csv:1:form: there is no such column; add it: allowed in it are P, C, PS, CS (the items of the file are those "
        "of P), or say the form of the file (--form P)",
    )


def test_a_doubled_column(tmp_path):
    frame = table(row())
    frame.insert(4, " foodaf ", "9", allow_duplicates=True)
    assert faults(write_csv(tmp_path / "a.csv", frame)) == (
        "a.csv:1:foodaf: columns 3 and 5 have the same name; keep one, or rename the other",
    )


def test_column_names_that_differ_in_case(tmp_path):
    frame = table(row()).rename(columns={"foodaf": "FoodAF", "person": "Person"})
    assert faults(write_csv(tmp_path / "a.csv", frame)) == (
        "a.csv:1:Person: no column of this name is known; rename it 'person' (small and capital letters count)",
        "a.csv:1:FoodAF: no column of this name is known; rename it 'foodaf' (small and capital letters count)",
    )
    frame = table(row()).assign(FOODAF="1")
    assert faults(write_csv(tmp_path / "a.csv", frame)) == (
        "a.csv:1:FOODAF: the name differs from 'foodaf' only in small and capital letters; remove or rename it",
    )


def test_a_nameless_column_with_content(tmp_path):
    frame = table(row("1"), row("2"))
    frame.insert(2, "", ["", "lost"], allow_duplicates=True)
    assert faults(write_csv(tmp_path / "a.csv", frame)) == (
        "a.csv:1:column 3: the column has no name but holds 'lost' in row 3; name it or empty it",
    )


def test_a_question_with_several_answers_in_one_column(tmp_path):
    (fault,) = faults(write_csv(tmp_path / "a.csv", table(row(meal="1, 3"))))
    assert fault.startswith("a.csv:1:meal: the question takes several answers; ")
    assert fault.endswith("meal1, meal2, meal3, meal98")


def test_rows_of_another_length(tmp_path):
    lines = table(row("1"), row("2"), row("3")).to_csv(index=False).splitlines()
    lines[1] = lines[1].rsplit(",", 2)[0]
    lines[3] += ",9"
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    assert faults(tmp_path / "a.csv") == (
        "a.csv:2:placebf: the row has 8 cells, the header 10; this cell and those after it are missing: complete the row",
        "a.csv:4:placebb: the row has 11 cells, the header 10; '9' stands after the last column: remove it, or quote "
        "the cell that holds the separator",
    )


# What is refused: files


@pytest.mark.parametrize(
    ("name", "content", "said", "remedy"),
    [
        ("a.csv", b"", "the file is empty", "export the answers again"),
        ("a.csv", b"\xef\xbb\xbf", "row 1 is empty", "the first row must hold the column names"),
        ("a.csv", b"\n\nperson\n1\n", "row 1 is empty", "the first row must hold the column names"),
        ("a.csv", b"person,form,foodaf\r\n", "no answers", "nothing can be read"),
        ("a.csv", b"person,form\n,\n,\n", "no answers", "nothing can be read"),
        ("a.csv", "person,form\n1,P".encode("utf-16")[:-1], "the text is UTF-16 and broken", "save it as CSV in UTF-8"),
        ("a.csv", "person,form\n1,P".encode("utf-16-le"), "NUL", "save the file as CSV in UTF-8"),
        (
            "a.csv",
            b"person,form\n1,P\nJos\xe9,\xc3\xa9",
            "a.csv:3: the byte 0xe9 is not UTF-8, though the file has",
            "UTF-8",
        ),
        (
            "a.csv",
            b"person,form\n1,P\nJos\x81,P",
            "a.csv:3: the byte 0x81 is not UTF-8, and the file is not",
            "in UTF-8",
        ),
        ("a.csv", b"person,form\n1\0,P\n", "a.csv:2: a NUL byte", "save the file as CSV in UTF-8"),
        ("a.csv", b"<!DOCTYPE html>\n<html>", "a web page", "export the answers again"),
        ("a.csv", b"  <html lang='en'>", "a web page", "export the answers again"),
        ("a.csv", b"%PDF-1.7\n", "a PDF document", "export the answers again"),
        ("a.csv", b"PK\x03\x04...", "Excel workbook", "give it the ending that it should have"),
        ("a.csv", b"\xd0\xcf\x11\xe0...", "an old (.xls) or encrypted Office file", "export the answers again"),
        ("a.csv", b"\x1f\x8b...", "a gzip archive", "export the answers again"),
        ("a.csv", b"person|form\n1|P\n", "a.csv:1:person|form: none of the 1 columns", "commas, semicolons or tabs"),
        ("a.csv", b'person,form\n1,P\n"2,P\n3,P\n', "a.csv:3: the quotation marks are broken", "correct the record"),
        ("a.csv", b'person,form\n"1"x,P\n', "a.csv:2: the quotation marks are broken", "correct the record"),
        ("a.xlsx", b"person,form\n1,P\n", "not an .xlsx file", "export the answers again"),
        ("a.xlsx", b"PK\x03\x04...", "the workbook cannot be read", "save it again"),
        ("a.sav", b"person,form\n1,P\n", "not a .sav file", "export the answers again"),
        ("a.sav", b"$FL2 and nothing more", "the SPSS file cannot be read", "save it again in SPSS"),
        ("a.parquet", b"person,form\n1,P\n", "not a Parquet file", "export the answers again"),
        ("a.parquet", b"PAR1 and nothing more PAR1", "the Parquet file cannot be read", "write it again"),
        ("a.docx", b"x", "files named .docx are not read", ".csv, .tsv, .xlsx, .sav, .dta, .parquet, .json or .ndjson"),
        ("answers", b"x", "files named without an ending", ".csv, .tsv, .xlsx, .sav, .dta, .parquet, .json or .ndjson"),
        ("a.xls", b"\xd0\xcf\x11\xe0...", "old Excel files (.xls) are not read", "save it as .xlsx"),
        ("a.zip", b"PK\x03\x04...", "the zip archive is damaged", "download it again"),
        ("a.dta", b"person,form\n1,P\n", "not a Stata file", "export the answers again"),
        ("a.dta", b"<stata_dta> and nothing more", "the Stata file cannot be read", "save it again in Stata"),
        ("a.json", b'{"a": 1,\n "b" 2}', "a.json:2: this is not JSON", "export the answers again"),
        ("a.ndjson", b'{"a": 1}\n{"b": 2', "a.ndjson:2: this is not JSON", "export the answers again"),
        ("a.json", b"[" * 100_000, "nested too deeply", "export the answers again"),
    ],
)
def test_a_file_that_is_no_table(tmp_path, name, content, said, remedy):
    (tmp_path / name).write_bytes(content)
    (fault,) = faults(tmp_path / name)
    assert fault.startswith(f"{name}:")
    assert said in fault
    assert remedy in fault


def test_a_file_that_does_not_exist_and_other_misuse(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.csv: no such file; check the name and the folder"):
        read(tmp_path / "nowhere.csv")
    path = write_csv(tmp_path / "a.csv", table(row()))
    with pytest.raises(ResponseError, match=r"a\.csv: the same file is given twice"):
        read([path, tmp_path / "." / "a.csv"])
    with pytest.raises(ValueError, match="no file was given"):
        read([])
    with pytest.raises(ValueError, match="platform 'excel' is not known; use 'auto', 'canonical', 'redcap'"):
        read_responses(path, CANTEEN, platform="excel")
    with pytest.raises(ValueError, match="form 'Q' is not known; this questionnaire has P, C, PS, CS"):
        read_responses(path, CANTEEN, form="Q")
    with pytest.raises(ValueError, match="language 'fr' is not known; this questionnaire has en, es"):
        read_responses(path, CANTEEN, language="fr")
    (tmp_path / "folder.csv").mkdir()
    assert "this is a folder" in faults(tmp_path / "folder.csv")[0]


# What is refused: workbooks, SPSS, Parquet


def workbook(path, **cells):
    """One good row; then a row whose item cells hold what is given."""
    return write_xlsx(path, table(row("1"), row("2", **cells)))


@pytest.mark.parametrize(
    ("cell", "found"),
    [
        (dt.date(2026, 3, 5), "'2026-03-05' is a date"),
        (dt.datetime(2026, 3, 5, 12, 30), "'2026-03-05T12:30:00' is a date"),
        (True, "'TRUE' is not an answer"),
        (2.5, "'2.5' is not an answer: it is not a plain whole number"),
        (7, "'7' is not an answer"),
        ("=1+1", "'=1+1' is not an answer"),  # a formula whose value was never stored
    ],
)
def test_a_workbook_with_a_bad_cell(tmp_path, cell, found):
    (fault,) = faults(workbook(tmp_path / "a.xlsx", foodab=cell))
    assert fault.startswith(f"a.xlsx:3:foodab: {found}")
    assert ALLOWED in fault
    assert fault.endswith("correct the cell or leave it empty")


def test_an_error_in_a_workbook_is_no_blank(tmp_path):
    workbook(tmp_path / "a.xlsx")
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    cell = book.active["D3"]
    cell.value = "#N/A"
    assert cell.data_type == "e"
    book.save(tmp_path / "a.xlsx")
    (fault,) = faults(tmp_path / "a.xlsx")
    assert fault.startswith("a.xlsx:3:foodab: '#N/A' is not an answer")


def test_rows_of_a_workbook_keep_their_numbers(tmp_path):
    book = openpyxl.Workbook()
    frame = table(row("1"), row("2", foodaf=7))
    book.active.append(list(frame.columns))
    for position, cells in zip((4, 9), frame.itertuples(index=False), strict=True):
        for column, cell in enumerate(cells, start=1):
            book.active.cell(position, column, cell)
    book.save(tmp_path / "a.xlsx")
    assert faults(tmp_path / "a.xlsx")[0].startswith("a.xlsx:9:foodaf: '7' is not")


def test_sheets_of_a_workbook(tmp_path):
    write_xlsx(tmp_path / "a.xlsx", table(row()))
    book = openpyxl.load_workbook(tmp_path / "a.xlsx")
    book.create_sheet("notes", 0).append(["person", "collected in March"])
    book.save(tmp_path / "a.xlsx")
    responses = read(tmp_path / "a.xlsx")
    assert len(responses.answers) == 1
    assert "(sheet notes)" in responses.ledger["column"].tolist()
    book.copy_worksheet(book["answers"]).title = "more"
    book.save(tmp_path / "a.xlsx")
    assert faults(tmp_path / "a.xlsx") == (
        "a.xlsx: 2 sheets hold columns of this questionnaire ('answers', 'more'); save the one that is meant as a "
        "file of its own",
    )
    openpyxl.Workbook().save(tmp_path / "b.xlsx")
    assert faults(tmp_path / "b.xlsx") == ("b.xlsx: the workbook is empty; export the answers again",)


def sav(path, frame, **options):
    pyreadstat.write_sav(numbers(frame), path, **options)
    return path


def test_value_labels_of_a_sav_file_must_not_contradict_the_definition(tmp_path):
    reversed_labels = {"foodaf": {1: "Strongly agree", 5: "Strongly disagree"}}
    path = sav(tmp_path / "a.sav", table(row()), variable_value_labels=reversed_labels)
    assert faults(path) == (
        "a.sav:1:foodaf: the file labels 1 as 'Strongly agree', which is 5 in the definition; recode the column "
        "(it may be reversed or count from 0)",
        "a.sav:1:foodaf: the file labels 5 as 'Strongly disagree', which is 1 in the definition; recode the column "
        "(it may be reversed or count from 0)",
    )
    from_zero = {"foodab": {0: "Strongly disagree", 1: "disagree "}}
    assert len(faults(sav(tmp_path / "a.sav", table(row()), variable_value_labels=from_zero))) == 2
    own = {"foodaf": {1: "Muy en desacuerdo", 3: "Neutral"}}
    responses = read(sav(tmp_path / "a.sav", table(row()), variable_value_labels=own))
    assert responses.ledger.set_index("column").loc["foodaf", "note"] == "the file's own labels: 3 = 'Neutral'"


def test_declared_missing_values_of_a_sav_file(tmp_path):
    path = sav(tmp_path / "a.sav", table(row("1", foodaf="98")), missing_ranges={"foodaf": [{"lo": 97, "hi": 99}]})
    assert read(path).off_scale["foodaf"].tolist() == ["does_not_apply"]
    path = sav(tmp_path / "a.sav", table(row("1", foodaf="5")), missing_ranges={"foodaf": [{"lo": 5, "hi": 9}]})
    assert faults(path) == (
        "a.sav:1:foodaf: the file declares 5 as missing, which the definition has as an answer; correct the column's "
        "missing values",
    )


def test_a_parquet_file_with_the_wrong_kinds(tmp_path):
    frame = table(row("1"), row("2")).assign(foodaf=[True, False])
    frame.to_parquet(tmp_path / "a.parquet", index=False)
    found = faults(tmp_path / "a.parquet")
    assert [fault[:30] for fault in found] == ["a.parquet:2:foodaf: 'TRUE' is ", "a.parquet:3:foodaf: 'FALSE' is"]
    frame.assign(foodaf=[[1], [2]]).to_parquet(tmp_path / "a.parquet", index=False)
    (fault,) = faults(tmp_path / "a.parquet")
    assert fault.startswith("a.parquet:1:foodaf: a column of list<")
    assert fault.endswith("write one value a cell")


# All at once


def test_all_faults_of_all_files_are_named_in_order(tmp_path):
    first = table(row("1", foodaf="7", placebb="x"), row("1", form="X"), row("3", "C", foodbf="2"))
    second = table(row("1", foodab="2.5"))
    (tmp_path / "c.csv").write_bytes(b"%PDF-1.7")
    paths = [write_csv(tmp_path / "a.csv", first), write_csv(tmp_path / "b.csv", second), tmp_path / "c.csv"]
    found = faults(paths)
    places = [":".join(fault.split(":")[:3]) for fault in found]
    assert places[0].startswith("c.csv: this is not a CSV")  # files that cannot be opened come first
    assert places[1:] == [
        *("a.csv:2:foodaf", "a.csv:2:placebb", "a.csv:3:form", "a.csv:3:person"),
        *("a.csv:4:foodbf", "b.csv:2:foodab"),
    ]
    assert all(re.search(r"; [^;]+$", fault) for fault in found)


def test_a_message_tells_two_hundred_faults_and_counts_the_rest(tmp_path):
    path = write_csv(tmp_path / "a.csv", table(*(row(str(number), foodaf="7") for number in range(237))))
    with pytest.raises(ResponseError) as caught:
        read(path)
    assert len(caught.value.faults) == 237
    lines = str(caught.value).splitlines()
    assert len(lines) == 201
    assert lines[-1] == "… and 37 more faults; correct these first"
    assert [int(line.split(":")[1]) for line in lines[:-1]] == list(range(2, 202))


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cell=st.text(max_size=8).filter(lambda text: "\0" not in text))
def test_any_text_in_a_cell_is_read_by_the_rules_or_refused(tmp_path, cell):
    frame = table(row("1", foodaf=cell), row("2"))
    try:
        path = tmp_path / "a.csv"
        frame.to_csv(path, index=False, quoting=csv.QUOTE_ALL)
    except UnicodeEncodeError:  # a lone surrogate cannot be written
        return
    meant = {"": None, "NA": None, ".": None, **{str(code): code for code in range(1, 6)}}
    if cell.strip() in meant:
        code = meant[cell.strip()]
        found = read(path).answers["foodaf"].iloc[0]
        assert found is pd.NA if code is None else found == code
    elif not re.fullmatch(r"[0-9.]+", cell.strip()):
        assert faults(path)[0].startswith("a.csv:2:foodaf: ")


def test_a_label_that_means_two_codes_in_two_languages_is_refused(tmp_path):
    # read_instrument refuses such a definition; one that was made in memory must not be read wrongly either.
    scale = CANTEEN.response_scales["agree"]
    texts = dict(scale.labels) | {2: Text((("en", "Disagree"), ("es", "Agree")))}
    ambiguous = replace(
        CANTEEN,
        response_scales=Catalogue((replace(scale, labels=Labels(tuple(texts.items()))), *CANTEEN.response_scales[1:])),
    )
    path = write_csv(tmp_path / "a.csv", table(row(foodaf="agree")))
    (fault,) = faults(path, ambiguous)
    assert fault.startswith("a.csv:2:foodaf: 'agree' is the label of several codes, depending on the language ")


def test_the_first_row_of_a_workbook_is_the_header(tmp_path):
    book = openpyxl.Workbook()
    for number, cells in enumerate((list(row()), list(row().values())), start=3):
        for column, cell in enumerate(cells, start=1):
            book.active.cell(number, column, cell)
    book.save(tmp_path / "a.xlsx")
    assert faults(tmp_path / "a.xlsx") == ("a.xlsx: row 1 is empty; the first row must hold the column names",)


def test_links_in_a_circle_pipes_and_devices_are_refused_and_not_waited_for(tmp_path):
    circle = tmp_path / "circle.csv"
    circle.symlink_to(circle)
    with pytest.raises(FileNotFoundError, match=r"circle\.csv: no such file"):
        read(circle)
    os.mkfifo(tmp_path / "pipe.csv")
    assert "this is a pipe or a device, not a file" in faults(tmp_path / "pipe.csv")[0]


@pytest.mark.parametrize("cell", ["XFD1048576", "A900000"])
def test_a_lone_cell_far_out_does_not_fill_the_memory(tmp_path, cell):
    path = write_xlsx(tmp_path / "a.xlsx", table(row()))
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    far = f'<row><c r="{cell}"><v>1</v></c></row></sheetData>'.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data.replace(b"</sheetData>", far))
    assert "the sheet spans over 30,000,000 cells" in faults(path)[0]


def test_a_wide_workbook_of_few_rows_is_read(tmp_path):
    wide = table(row()).assign(**{f"extra{number}": "1" for number in range(1000)})
    assert len(read(write_xlsx(tmp_path / "a.xlsx", wide)).answers) == 1


def test_answers_from_a_trial_form_are_told(tmp_path):
    path = tmp_path / "a.csv"
    table = pd.read_csv(
        Path(__file__).parents[2] / "sample_data" / "baseline.csv", dtype=str, keep_default_na=False
    ).head(5)
    table.assign(trial=["1", "", "0", "1", ""]).to_csv(path, index=False)
    told = read_responses(path, "pwiq").ledger.set_index("column")["note"]
    assert told["(trial)"] == "2 of 5 rows come from a trial form: take them out before you score"
    table.assign(trial="").to_csv(path, index=False)
    assert "(trial)" not in set(read_responses(path, "pwiq").ledger["column"])


def test_names_that_may_be_the_same_are_told(tmp_path):
    path = tmp_path / "a.csv"
    table = pd.read_csv(Path(__file__).parents[2] / "sample_data" / "baseline.csv", dtype=str, keep_default_na=False)
    places = {"organisation": ["a", "a", "A", "b"], "team": ["north", "South", "south", "far  east"]}
    table.head(4).assign(**places).to_csv(path, index=False)
    told = read_responses(path, "pwiq").ledger.set_index("column")["note"]
    said = "written in two ways, and taken as different: {}; correct the file if they are the same"
    assert told["organisation"] == said.format("'a' (2) and 'A' (1)")
    assert "'South' (1) and 'south' (1)" in told["team"]
    assert "far" not in told["team"]
