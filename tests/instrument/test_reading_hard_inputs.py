"""Hard input: each gives a clear sentence, or is read and the ledger says how."""

import datetime as dt
import json
import re
import shutil
import time
import zipfile
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pytest

from instrument.definition import read_instrument
from instrument.ledger import LEDGER
from instrument.past_versions import comparability, read_past
from instrument.reading import read_responses
from instrument.responses import ResponseError

DATA = Path(__file__).parents[1] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
SMALL = read_instrument(DATA / "small.toml")
ITEMS = list(CANTEEN.items.ids)
CODES = dict(zip(ITEMS, "42513342", strict=True))


def row(person="1", form="P", **cells):
    asked = CANTEEN.asked_by(form)
    return {"person": person, "form": form, **{name: CODES[name] if name in asked else "" for name in ITEMS}, **cells}


def write(path, *rows, sep=",", encoding="utf-8", before=""):
    text = before + pd.DataFrame(list(rows), dtype=object).to_csv(index=False, sep=sep)
    path.write_bytes(text.encode(encoding))
    return path


def read(path, **options):
    return read_responses(path, CANTEEN, **options)


def faults(path, instrument=CANTEEN, **options):
    with pytest.raises(ResponseError) as caught:
        read_responses(path, instrument, **options)
    return caught.value.faults


def told(responses, column):
    return responses.ledger.set_index("column").loc[column, "note"]


# Encodings and separators


def test_windows_1252_with_semicolons_and_decimal_commas(tmp_path):
    path = write(tmp_path / "a.csv", row(foodaf="4,0", open1="José – naïve"), sep=";", encoding="cp1252")
    responses = read(path)
    assert responses.answers["foodaf"].tolist() == [4]
    assert responses.people["open1"].tolist() == ["José – naïve"]
    assert told(responses, "(encoding)") == (
        "the text is not UTF-8 (first in row 2) and was read as Windows-1252; if letters with accents look wrong, save it "
        "as CSV in UTF-8 (in Excel: 'CSV UTF-8')"
    )


@pytest.mark.parametrize(("encoding", "before"), [("utf-16", ""), ("utf-16-le", "\ufeff"), ("utf-16-be", "\ufeff")])
def test_utf_16(tmp_path, encoding, before):
    responses = read(write(tmp_path / "a.tsv", row(open1="José"), sep="\t", encoding=encoding, before=before))
    assert responses.people["open1"].tolist() == ["José"]
    assert told(responses, "(encoding)") == "the text is UTF-16, as its first bytes say"


@pytest.mark.parametrize("sep", [";", "|", ","])
def test_a_first_line_that_names_the_separator(tmp_path, sep):
    path = write(tmp_path / "a.csv", row("1"), row("2", foodaf="7"), sep=sep, before=f"sep={sep}\r\n")
    assert faults(path)[0].startswith("a.csv:4:foodaf: '7' is not an answer")
    responses = read(write(tmp_path / "a.csv", row("1", shoe="4,5"), sep=sep, before=f"sep={sep}\n"))
    assert responses.answers.index.tolist() == ["a:3"]
    assert told(responses, "(separator)") == f"line 1 says that {sep!r} separates the columns"


# Codes


def test_codes_that_count_from_another_number_are_one_sentence(tmp_path):
    shifted = {name: str(int(code) - 1) for name, code in CODES.items()}
    rows = [row(str(n), **shifted) for n in range(50)]
    assert faults(write(tmp_path / "a.csv", *rows)) == (
        "a.csv:1:foodaf: 8 columns (foodaf to placebb) hold 0–4 where the definition has 1–5: the file counts from 0; add "
        "1 to every answer, or export the codes of the definition (where 0 was meant as no answer, empty the cell)",
    )
    # One 5 among them: then the 0 is the fault, and is named where it stands.
    found = faults(write(tmp_path / "a.csv", *rows[:2], row("x", foodaf="5")))
    assert [fault.split(": ")[0] for fault in found] == ["a.csv:2:foodbb", "a.csv:3:foodbb"]


def test_codes_that_count_from_one_where_the_definition_counts_from_nought(tmp_path):
    frame = pd.DataFrame({name: ["1", "4", "2"] for name in SMALL.items.ids})
    frame.to_csv(tmp_path / "a.csv", index=False)
    found = faults(tmp_path / "a.csv", SMALL)
    assert len(found) == 1
    assert "where the definition has 0–3: the file counts from 1; take 1 from every answer" in found[0]


@pytest.mark.parametrize("cell", ["-99", "-9", "-88", "-999", "-99.0"])
def test_missing_codes_of_other_programs(tmp_path, cell):
    (fault,) = faults(write(tmp_path / "a.csv", row("1"), row("2", foodaf=cell)))
    assert fault == (
        f"a.csv:3:foodaf: '{cell}' looks like another program's code for a missing answer; codes have no sign here: recode "
        "it (empty where nothing was answered, else one of the codes beside the scale); allowed are 1–5, 97 (Don't know), "
        "98 (Does not apply to me), 99 (Not started yet) and the labels of these; correct the cell or leave it empty"
    )


@pytest.mark.parametrize("column", ["person", "code1", "team", "response"])
@pytest.mark.parametrize(
    ("cell", "became"),
    [("05-Mar", "date"), ("Mar-05", "date"), ("5-Mar-2026", "date"), ("2005-03-01", "date"), ("1.00E+05", "number")],
)
def test_a_code_that_a_spreadsheet_spoilt(tmp_path, column, cell, became):
    rows = [row("1", code1="K", team="T1", response="r1"), row("2", code1="A", team="T1", response="r2")]
    rows[1][column] = cell
    code = "MAR05" if became == "date" else "1E05"
    assert faults(write(tmp_path / "a.csv", *rows)) == (
        f"a.csv:3:{column}: '{cell}' is a {became}: a spreadsheet has probably turned a code such as {code} into it; "
        "format the column as text and enter the code again",
    )


def test_a_code_that_excel_turned_into_a_date(tmp_path):
    book = openpyxl.Workbook()
    book.active.append(list(row()))
    book.active.append([dt.datetime(2005, 3, 1), *list(row().values())[1:]])
    book.save(tmp_path / "a.xlsx")
    (fault,) = faults(tmp_path / "a.xlsx")
    assert fault.startswith("a.xlsx:2:person: '2005-03-01' is a date: a spreadsheet has probably turned a code such as")


def test_names_that_only_resemble_dates_are_read(tmp_path):
    names = ["MAR05", "12-ab", "3.5", "A-2005-03-01", "07-2026", "2005"]
    assert read(write(tmp_path / "a.csv", *map(row, names))).people["person"].tolist() == names


def test_a_cell_that_begins_with_an_equals_sign_is_text(tmp_path):
    responses = read(write(tmp_path / "a.csv", row("=1+1", open1="=HYPERLINK(1)", shoe="@x")))
    assert responses.people.iloc[0][["person", "open1", "shoe"]].tolist() == ["=1+1", "=HYPERLINK(1)", "@x"]
    book = openpyxl.Workbook()
    book.active.append([*row(), "open1"])
    book.active.append([*row().values(), "x"])
    book.active.cell(2, 11).value = "=1+1"
    book.active.cell(2, 11).data_type = "s"
    book.save(tmp_path / "a.xlsx")
    assert read(tmp_path / "a.xlsx").people["open1"].tolist() == ["=1+1"]


# Labels


def test_labels_of_two_languages_are_counted(tmp_path):
    rows = [row("1", foodaf="Agree"), row("2", foodaf="De acuerdo"), row("3", foodaf="No sé"), row("4", foodaf="5")]
    responses = read(write(tmp_path / "a.csv", *rows))
    assert responses.answers["foodaf"].tolist() == [4, 4, pd.NA, 5]
    line = responses.ledger.set_index("column").loc["foodaf"]
    assert (line["labels_read"], line["language"]) == (3, "es 2, en 1")
    found = faults(write(tmp_path / "a.csv", *rows), language="es")
    assert found[0].startswith("a.csv:2:foodaf: 'Agree' is not an answer: it is neither a number nor a label")
    assert tuple(responses.ledger.columns) == LEDGER


def test_forms_by_their_titles(tmp_path):
    responses = read(write(tmp_path / "a.csv", row("1") | {"form": "Diners"}, row("2", "C") | {"form": "cocineros"}))
    assert responses.people["form"].tolist() == ["P", "C"]
    assert responses.ledger.set_index("column").loc["form", "labels_read"] == 2


# The form, the columns


def test_the_form_of_a_file_that_does_not_say_it(tmp_path):
    bare = {name: cell for name, cell in row().items() if name != "form"}
    path = write(tmp_path / "a.csv", bare)
    responses = read(path, form="P")
    assert responses.people["form"].tolist() == ["P"]
    assert told(responses, "form") == "form P, said for the whole file"
    assert read(write(tmp_path / "b.csv", bare | {"form": ""}), form="P").people["form"].tolist() == ["P"]
    assert faults(write(tmp_path / "c.csv", row("1", "C")), form="P") == (
        "c.csv:1:form: form P was said, but the column holds 'C'; leave form out, or correct it",
    )
    assert read(write(tmp_path / "d.csv", row("1", "C")), form="C").people["form"].tolist() == ["C"]


def test_a_short_form_read_as_the_full_form(tmp_path):
    short = {name: cell for name, cell in row().items() if name in ("person", *CANTEEN.short_items)}
    path = write(tmp_path / "a.csv", short)
    assert faults(path, form="P") == (
        "a.csv:1:foodbf: 4 items have no column: foodbf, foodbb, placebf, placebb; form P asks them; the columns are "
        "exactly those of the short form PS: if it was asked, say so (--form, `form`). Every other column of the file was "
        "recognised. Only if they were never asked: add empty columns",
    )
    assert faults(path) == (
        "a.csv:1:form: there is no such column; add it: allowed in it are P, C, PS, CS (the items of the file are those "
        "of PS or CS), or say the form of the file (--form PS)",
    )
    assert read(path, form="PS").answers[list(CANTEEN.short_items)].notna().all(axis=None)


def test_half_of_the_items_missing_are_named(tmp_path):
    half = {name: cell for name, cell in row().items() if name not in ITEMS[::2]}
    assert faults(write(tmp_path / "a.csv", half)) == (
        "a.csv:1:foodaf: 4 items have no column: foodaf, foodbf, placeaf, placebf; form P asks them. Every other "
        "column of the file was recognised. Only if they were never asked: add empty columns",
    )


# Scores of a platform


def test_scores_that_the_file_holds_are_compared_and_kept_out(tmp_path):
    # Facilitators that all forms ask: (4 + 3 + 4) / 3, as 0 to 100.
    mean = (11 / 3 - 1) / 4 * 100
    rows = [row(str(n), facindex=repr(mean), total="n/a") for n in range(3)] + [row("9", facindex="12.5", total="x")]
    responses = read(write(tmp_path / "a.csv", *rows))
    assert "facindex" not in responses.people
    assert responses.people["total"].tolist() == ["n/a", "n/a", "n/a", "x"]  # words are no scores
    line = responses.ledger.set_index("column").loc["facindex"]
    assert line["became"] == "score"
    assert line["note"] == (
        "computed by the platform: 1 of 4 that both have differ from the scores computed here (row 5: 12.5 there, 66.6667 "
        "here); the scores computed here count"
    )
    agreeing = read(write(tmp_path / "b.csv", *rows[:3]))
    assert told(agreeing, "facindex") == (
        "computed by the platform: all 3 that both have agree with the scores computed here"
    )


def test_scores_with_decimal_commas_and_blanks(tmp_path):
    none = dict.fromkeys(ITEMS, "")
    responses = read(
        write(tmp_path / "a.csv", row("1", facindex="66,66666667"), row("2", facindex="", **none), sep=";")
    )
    assert told(responses, "facindex") == (
        "computed by the platform: all 1 that both have agree with the scores computed here"
    )


# Versions


def test_another_version_of_the_definition_is_told(tmp_path):
    folder = tmp_path / "canteen"
    (folder / "past" / "0.1.0").mkdir(parents=True)
    source = (DATA / "forms.toml").read_text(encoding="utf-8")
    (folder / "canteen.toml").write_text(source, encoding="utf-8")
    old = source.replace('version = "0.2.0"', 'version = "0.1.0"').replace(
        "Meals taste good.", "Meals here taste good."
    )
    assert old.count("Meals here taste good.") == 1
    (folder / "past" / "0.1.0" / "canteen.toml").write_text(old, encoding="utf-8")
    path = write(tmp_path / "a.csv", row("1", version="0.1.0"), row("2", version="0.1.0"), row("3", version="0.2.0"))
    responses = read_responses(path, folder)
    # foodaf was reworded: food has 3 of 4 items left, but a single facilitator.
    assert told(responses, "version") == (
        "what the survey was made from: 0.1.0, 0.2.0; answers to version 0.1.0, read by 0.2.0: 2 scores stay comparable; "
        "comparable on their unchanged items: facilitator_index, balance, acquiescence; not comparable: food, total"
    )
    assert read_past(CANTEEN, "0.1.0", definition=folder).items["foodaf"].text["en"] == "Meals here taste good."
    # Not kept: said so.
    shutil.rmtree(folder / "past")
    assert told(read_responses(path, folder), "version").endswith(
        "answers to version 0.1.0, read by 0.2.0: no definition 0.1.0 is kept beside this one (past/0.1.0/), so what stays "
        "comparable cannot be said; read them by their own definition"
    )


def test_the_versions_of_pwiq_that_are_kept():
    pwiq = read_instrument("pwiq")
    assert "no definition 0.0.1 is kept" in comparability(pwiq, "0.0.1")
    if pwiq.version != "0.1.0":
        assert re.search(r"stay comparable|comparable on|not comparable", comparability(pwiq, "0.1.0"))
    assert read_past(pwiq, "../..") is None


def test_answers_to_another_questionnaire_are_refused(tmp_path):
    path = write(tmp_path / "a.csv", row(version="pantry 1.0.0 form P order definition sha256:0123456789abcdef"))
    assert faults(path) == (
        "a.csv: the file says that it holds answers to pantry 1.0.0; this is canteen: read it with its own definition",
    )
    assert len(read(write(tmp_path / "b.csv", row(version="canteen 0.2.0 form P"))).answers) == 1


# Workbooks and XML that do harm


def workbook(path):
    book = openpyxl.Workbook()
    book.active.append(list(row()))
    book.active.append(list(row().values()))
    book.save(path)
    return path


def repacked(path, **changed):
    """The workbook with parts replaced or added."""
    with zipfile.ZipFile(path) as archive:
        parts = {name: archive.read(name) for name in archive.namelist()}
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (parts | changed).items():
            archive.writestr(name, data)
    return path


def test_a_workbook_that_unpacks_to_a_thousand_times_its_size(tmp_path):
    path = repacked(workbook(tmp_path / "a.xlsx"), **{"xl/sharedStrings.xml": b" " * 80_000_000})
    assert path.stat().st_size < 200_000
    start = time.perf_counter()
    assert faults(path) == (
        "a.xlsx: the workbook unpacks to over 500 times its size, as a zip bomb does; save the answers as CSV in UTF-8",
    )
    assert time.perf_counter() - start < 2


def test_a_workbook_of_many_parts(tmp_path):
    path = repacked(workbook(tmp_path / "a.xlsx"), **{f"xl/media/{n}.bin": b"" for n in range(10_001)})
    (fault,) = faults(path)
    assert re.fullmatch(
        r"a\.xlsx: the workbook has 10,0\d\d parts, far more than answers need; save the answers as CSV in UTF-8", fault
    )


def test_a_workbook_whose_part_is_larger_than_it_says(tmp_path):
    path = repacked(workbook(tmp_path / "a.xlsx"), **{"xl/sharedStrings.xml": b"<sst>" + b" " * 9_000_000})
    stated = (9_000_005).to_bytes(4, "little")
    data = path.read_bytes()
    assert data.count(stated) == 2  # beside the part, and in the table of contents
    path.write_bytes(data.replace(stated, (100).to_bytes(4, "little")))
    (fault,) = faults(path)
    assert re.fullmatch(
        r"a\.xlsx: the workbook cannot be read \(Bad CRC-32 for file 'xl/sharedStrings.xml'\); open it in Excel or "
        r"LibreOffice and save it again as \.xlsx",
        fault,
    )


SHEET = "xl/worksheets/sheet1.xml"
TEXT = 't="inlineStr"><is><t>x</t></is></c>'
FAR = {
    "the other quotes": f"<row r='9'><c r='XFD1048576' {TEXT}</row>",
    "blanks": f'<row><c r\n= "XFD1048576" {TEXT}</row>',
    "small letters": f'<row><c r="xfd1048576" {TEXT}</row>',
    "another attribute first, without a blank": f'<row><c s="0"r="XFD1048576" {TEXT}</row>',
    "two letters": f'<row><c r="ZZ290000" {TEXT}</row>',
    "a prefix": f'<x:row r="8">{"<x:c/>" * 2000}<x:c><x:v>1</x:v></x:c></x:row><row r="20000"><c {TEXT}</row>',
    "rows without a place": f'<row r="8"><c r="XFD8" {TEXT}</row>{"<row/>" * 2000}<row><c {TEXT}</row>',
    "a place inside another attribute": f"""<row r="8"><c r="XFD8" {TEXT}</row>{"<row s=' r='/>" * 2000}<row><c {TEXT}</row>""",
    "cells without a place": f'<row r="8">{"<c/>" * 2000}<c {TEXT}</row><row r="20000"><c {TEXT}</row>',
    "too many digits": f'<row r="{"9" * 5000}"><c {TEXT}</row>',
}


@pytest.mark.parametrize("far", FAR.values(), ids=FAR)
def test_a_cell_far_out_is_found_however_its_place_is_written(tmp_path, monkeypatch, far):
    """What finds it is asked alone: were it not found, the memory would be filled."""
    from instrument import workbooks

    with zipfile.ZipFile(workbook(tmp_path / "a.xlsx")) as archive:
        sheet = archive.read(SHEET)
    path = repacked(tmp_path / "a.xlsx", **{SHEET: sheet.replace(b"</sheetData>", far.encode() + b"</sheetData>")})
    start = time.perf_counter()
    with pytest.raises(ResponseError, match=r"a\.xlsx: the sheet spans over 30,000,000 cells; delete the empty rows"):
        workbooks._refuse_boundless(path, "a.xlsx")
    assert time.perf_counter() - start < 2


def test_sheets_that_fill_the_memory_only_together(tmp_path):
    book = openpyxl.load_workbook(workbook(tmp_path / "a.xlsx"))
    others = [book.create_sheet(f"more{number}") for number in range(4)]
    for other in others:
        other.cell(3, 3, "x")
    book.save(tmp_path / "a.xlsx")
    assert "(sheet more3)" in read(tmp_path / "a.xlsx").ledger["column"].tolist()
    for other in others:
        other.cell(90_000, 90, "x")
    book.save(tmp_path / "a.xlsx")
    assert "a.xlsx: the sheets together span over 30,000,000 cells" in faults(tmp_path / "a.xlsx")[0]


def test_one_part_is_not_several_sheets(tmp_path):
    book = openpyxl.load_workbook(workbook(tmp_path / "a.xlsx"))
    book.create_sheet("more")
    book.save(tmp_path / "a.xlsx")
    relations = "xl/_rels/workbook.xml.rels"
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        text = archive.read(relations)
    assert b"sheet2.xml" in text
    path = repacked(tmp_path / "a.xlsx", **{relations: text.replace(b"sheet2.xml", b"SHEET1.xml")})
    assert "several sheets are one part of the file" in faults(path)[0]


def test_an_error_is_no_blank_however_its_cell_is_written(tmp_path):
    with zipfile.ZipFile(workbook(tmp_path / "a.xlsx")) as archive:
        sheet = archive.read(SHEET).decode()
    cell = re.search('<c r="C2".*?</c>', sheet)[0]
    for written in ("<c r='C2' t='e'><v>#N/A</v></c>", '<c t = "e" r = "C2"><v>#N/A</v></c>'):
        path = repacked(tmp_path / "a.xlsx", **{SHEET: sheet.replace(cell, written).encode()})
        assert faults(path)[0].startswith("a.xlsx:2:foodaf: '#N/A' is not an answer")


@pytest.mark.parametrize("part", ["xl/workbook.xml", "xl/worksheets/sheet1.xml", "xl/_rels/workbook.xml.rels"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
def test_a_workbook_with_external_entities(tmp_path, part, encoding):
    workbook(tmp_path / "a.xlsx")
    (tmp_path / "secret.txt").write_text("secret", encoding="utf-8")
    with zipfile.ZipFile(tmp_path / "a.xlsx") as archive:
        text = archive.read(part).decode()
    text = text.split("?>", 1)[-1]
    entity = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret.txt">]>'
    path = repacked(tmp_path / "a.xlsx", **{part: (entity + text).encode(encoding)})
    assert faults(path) == (
        f"a.xlsx: the workbook's XML declares entities ({part}), with which a file can draw in other files: it is refused; "
        "save the answers as CSV in UTF-8",
    )


def test_xml_files(tmp_path):
    (tmp_path / "a.xml").write_text(
        '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>', encoding="utf-8"
    )
    assert faults(tmp_path / "a.xml") == (
        "a.xml: this XML file declares entities, with which a file can draw in other files: it is refused; export the "
        "answers as CSV",
    )
    (tmp_path / "b.xml").write_text("<x/>", encoding="utf-8")
    assert faults(tmp_path / "b.xml") == (
        "b.xml: files named .xml are not read; export the answers as CSV (FHIR: as JSON)",
    )


def test_json_that_holds_no_answers(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps({"hello": [1]}), encoding="utf-8")
    assert faults(tmp_path / "a.json") == (
        "a.json: this JSON holds no answers that are known here; export FHIR QuestionnaireResponses, or CSV",
    )


# Size


def test_two_hundred_thousand_rows_are_read_in_seconds(tmp_path):
    size = 200_000
    rng = np.random.default_rng(1)
    codes = rng.integers(0, 4, (size, len(SMALL.items)))
    frame = pd.DataFrame(codes, columns=list(SMALL.items.ids))
    frame.insert(0, "person", [f"p{number}" for number in range(size)])
    frame.to_csv(tmp_path / "a.csv", index=False)
    start = time.process_time()
    responses = read_responses(tmp_path / "a.csv", SMALL)
    assert time.process_time() - start < 10
    assert (responses.answers.to_numpy(dtype=np.int64) == codes).all()
