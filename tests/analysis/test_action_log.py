"""The action log: a sheet that a team can fill in, and that runs nothing."""

import datetime as dt
import zipfile
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest
from openpyxl import load_workbook

from analysis.action_log import COLUMNS, STATUS, action_rows, write_action_log
from analysis.priorities import priorities
from instrument import read_instrument, read_responses

ROOT = Path(__file__).parents[2]
TODAY = dt.date(2026, 3, 2)


@pytest.fixture(scope="module")
def pwiq():
    return read_instrument("pwiq")


@pytest.fixture(scope="module")
def found(pwiq):
    return priorities(read_responses(ROOT / "sample_data" / "baseline.csv", pwiq), draws=20)


@pytest.fixture(scope="module")
def rows(found, pwiq):
    return action_rows(found, pwiq)


@pytest.fixture
def sheet(tmp_path, rows, pwiq):
    write_action_log(tmp_path / "log.xlsx", rows, pwiq, today=TODAY)
    return load_workbook(tmp_path / "log.xlsx")["action log"]


def test_each_barrier_to_act_on_comes_with_the_family_of_its_subscale(found, rows, pwiq):
    assert len(rows) == len(found.act) >= 3
    for text, (item, subscale) in zip(rows["action"], found.act["subscale"].items(), strict=True):
        lines = text.split("\n")
        assert pwiq.items[item].text["en"] in lines[0]
        assert lines[1] == f"Idea: {pwiq.actions[subscale].title['en']}"
        assert lines[2:] == [f"– {step['en']}" for step in pwiq.actions[subscale].steps]
    assert (rows["status"] == "planned").all()
    assert (rows[["owner", "co_owner", "start", "target", "resurvey"]] == "").all(axis=None)


def test_without_families_the_barrier_stands_alone(found, pwiq):
    bare = replace(pwiq, actions=type(pwiq.actions)())
    assert not action_rows(found, bare)["action"].str.contains("Idea").any()


def test_the_sheet_prints_on_one_landscape_page_with_its_banner(sheet, rows, pwiq):
    assert (sheet.page_setup.orientation, sheet.page_setup.paperSize) == ("landscape", 9)  # 9 is A4
    assert sheet.page_setup.fitToWidth == 1
    assert sheet["A2"].value == pwiq.banner["en"]
    assert [cell.value for cell in sheet[6]] == list(COLUMNS.values())
    assert [sheet.cell(7 + row, 1).value for row in range(len(rows))] == rows["action"].tolist()
    assert sheet.cell(7 + len(rows), 1).value is None


def test_choices_and_dates_are_checked(sheet, pwiq):
    checks = {str(check.sqref)[0]: check for check in sheet.data_validations.dataValidation}
    assert set(checks) == {"D", "E", "G", "H"}
    assert checks["E"].type == checks["H"].type == "list"
    choices = sheet.parent["choices"]
    assert [cell.value for cell in choices["A"]] == [each.title["en"] for each in pwiq.subscales]
    assert [cell.value for cell in choices["B"]][: len(STATUS)] == list(STATUS)
    # Three months after the start, or after today where no start is given; relative to the row.
    assert checks["G"].formula1 == "AND(ISNUMBER(G7),G7>=EDATE(MAX(D7,DATE(2026,3,2)),3))"
    assert checks["D"].formula1 == "DATE(2026,3,2)"
    assert all(check.showErrorMessage and check.allow_blank for check in checks.values())


def test_text_is_never_a_formula(tmp_path, rows, pwiq):
    nasty = rows.copy()
    nasty.iloc[0] = ['=HYPERLINK("http://x")', "+1", "-1", "@x", "=1+1", "\t=2", "=3", "=4"]
    write_action_log(tmp_path / "log.xlsx", nasty, pwiq, today=TODAY)
    with zipfile.ZipFile(tmp_path / "log.xlsx") as archive:
        sheets = [archive.read(name).decode() for name in archive.namelist() if name.startswith("xl/worksheets/")]
    assert len(sheets) == 2
    assert not any("<f>" in text or "<f " in text for text in sheets)
    shown = load_workbook(tmp_path / "log.xlsx")["action log"]
    assert all(cell.data_type == "s" for cell in shown[7])


def test_what_cannot_be_written_is_said(tmp_path, rows, pwiq):
    with pytest.raises(ValueError, match=r"must end in \.xlsx"):
        write_action_log(tmp_path / "log.csv", rows, pwiq, today=TODAY)
    with pytest.raises(ValueError, match="rows must have the columns"):
        write_action_log(tmp_path / "log.xlsx", pd.DataFrame({"x": [1]}), pwiq, today=TODAY)
    with pytest.raises(ValueError, match="language 'fr' is not in the definition"):
        write_action_log(tmp_path / "log.xlsx", rows, pwiq, today=TODAY, language="fr")
    assert not list(tmp_path.iterdir())
