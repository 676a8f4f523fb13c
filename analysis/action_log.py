"""The action log: who does what by when, and what should move; a sheet to fill in."""

from __future__ import annotations

import datetime as dt
import io
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.priorities import Priorities
from instrument.definition import Instrument
from instrument.files import write_whole

COLUMNS = {
    "action": "Action",
    "owner": "Owner",
    "co_owner": "Co-owner (a peer worker)",
    "start": "Start date",
    "subscale": "What should move",
    "target": "Target (0 to 100, or in words)",
    "resurvey": "Date of the next survey",
    "status": "Status",
}
STATUS = ("planned", "under way", "done", "dropped")
MONTHS_APART = 3
"""Sooner a change can hardly show: the questions are about the past three months."""

_EMPTY_ROWS = 7
_WIDTHS = (58, 18, 20, 13, 28, 22, 15, 12)
_FIRST_ROW = 7
_DATE = "yyyy-mm-dd"


def action_rows(priorities: Priorities, instrument: Instrument, *, language: str | None = None) -> pd.DataFrame:
    """Return the rows that the log begins with: a suggestion for each barrier to act on.

    Parameters
    ----------
    priorities : Priorities
    instrument : Instrument
    language : str, optional
        Default: the first of the definition.

    Returns
    -------
    pandas.DataFrame
        Index ``row`` (1, 2, …); the columns of `COLUMNS`, empty where the team fills in: ``action`` (text of the
        barrier, then the title and the first steps of its family), ``subscale`` (title), ``status`` "planned".

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> from analysis.priorities import priorities
    >>> pwiq = read_instrument("pwiq")
    >>> found = priorities(read_responses("sample_data/baseline.csv", pwiq), draws=10)
    >>> action_rows(found, pwiq)["subscale"].iloc[0]
    'Recruitment, induction and early transition'
    """
    spoken = _language(instrument, language)
    families = {action.id: action for action in instrument.actions}
    rows = []
    for item, subscale in priorities.act["subscale"].items():
        lines = [f"To act on: “{instrument.items[str(item)].text[spoken]}”"]
        if subscale in families:
            family = families[subscale]
            lines += [f"Idea: {family.title[spoken]}", *(f"– {step[spoken]}" for step in family.steps)]
        rows.append(
            dict.fromkeys(COLUMNS, "")
            | {
                "action": "\n".join(lines),
                "subscale": instrument.subscales[subscale].title[spoken],
                "status": STATUS[0],
            }
        )
    return pd.DataFrame(rows, columns=list(COLUMNS), index=pd.RangeIndex(1, len(rows) + 1, name="row"))


def write_action_log(
    path: Path,
    rows: pd.DataFrame,
    instrument: Instrument,
    *,
    today: dt.date,
    language: str | None = None,
) -> None:
    """Write the action log as a workbook to fill in: one landscape page, with choices and dates checked.

    Parameters
    ----------
    path : Path
        Ends in ``.xlsx``; a file that exists is replaced.
    rows : pandas.DataFrame
        As `action_rows` gives them; empty rows are added.
    instrument : Instrument
    today : datetime.date
        Stands on the sheet, and no date may lie before it.
    language : str, optional

    Raises
    ------
    ValueError
        If the path does not end in ``.xlsx`` or ``rows`` has other columns.

    Notes
    -----
    The sheet holds no formula but those of its checks: text that begins like one is text. The next survey must be at
    least three months after the start of the action.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
    from openpyxl.utils import get_column_letter

    if path.suffix.lower() != ".xlsx":
        raise ValueError(f"the action log is a workbook: its name must end in .xlsx, got {path.name!r}")
    if list(rows.columns) != list(COLUMNS):
        raise ValueError(f"rows must have the columns {', '.join(COLUMNS)}; got {', '.join(map(str, rows.columns))}")
    spoken = _language(instrument, language)
    workbook = Workbook()
    sheet = workbook.active
    sheet.title = "action log"
    last = _FIRST_ROW + len(rows) + _EMPTY_ROWS - 1
    head = (
        "Action log",
        instrument.banner.get(spoken, "") if instrument.status == "draft" else "",
        f"{instrument.title[spoken]}, version {instrument.version}. Written on {today.isoformat()}.",
        "Choose few actions, each with an owner and a co-owner who is a peer worker. The ideas are suggestions to talk over; "
        f"nobody has tested them. Ask again at least {MONTHS_APART} months after the start, with the same questions.",
        "This sheet is about how the service works. It is no place for names of people who answered or for anyone's performance.",
    )
    for number, line in enumerate(head, start=1):
        sheet.merge_cells(start_row=number, end_row=number, start_column=1, end_column=len(COLUMNS))
        _write(sheet.cell(number, 1), line)
        sheet.cell(number, 1).alignment = Alignment(wrap_text=True, vertical="top")
    sheet["A1"].font = Font(bold=True, size=14)
    sheet["A2"].font = Font(bold=True)
    edge = Side(style="thin", color="808080")
    for position, (name, title) in enumerate(COLUMNS.items(), start=1):
        letter = get_column_letter(position)
        sheet.column_dimensions[letter].width = _WIDTHS[position - 1]
        _write(sheet.cell(_FIRST_ROW - 1, position), title)
        sheet.cell(_FIRST_ROW - 1, position).font = Font(bold=True)
        sheet.cell(_FIRST_ROW - 1, position).fill = PatternFill("solid", fgColor="E5E7EB")
        sheet.cell(_FIRST_ROW - 1, position).alignment = Alignment(wrap_text=True, vertical="top")
        for number in range(_FIRST_ROW, last + 1):
            cell = sheet.cell(number, position)
            if number - _FIRST_ROW < len(rows):
                _write(cell, rows.iloc[number - _FIRST_ROW][name])
            cell.alignment = Alignment(wrap_text=True, vertical="top")
            cell.border = Border(left=edge, right=edge, top=edge, bottom=edge)
            if name in ("start", "resurvey"):
                cell.number_format = _DATE
    for number in range(_FIRST_ROW, last + 1):
        sheet.row_dimensions[number].height = _height(sheet.cell(number, 1).value)
    for number, line in enumerate(head, start=1):
        sheet.row_dimensions[number].height = 20 if number == 1 else 15 * (1 + len(line) // 170)
    _add_checks(workbook, sheet, [each.title[spoken] for each in instrument.subscales], today, last)
    _set_page(sheet, last)
    buffer = io.BytesIO()
    workbook.save(buffer)
    write_whole(path, buffer.getvalue())


def _add_checks(workbook: Any, sheet: Any, subscales: list[str], today: dt.date, last: int) -> None:
    """Let a cell take only what it is for: a choice, a date, a date late enough."""
    from openpyxl.utils import get_column_letter
    from openpyxl.worksheet.datavalidation import DataValidation

    choices = workbook.create_sheet("choices")
    choices.sheet_state = "hidden"
    for position, values in enumerate((subscales, STATUS), start=1):
        for number, value in enumerate(values, start=1):
            _write(choices.cell(number, position), value)
    letters = {name: get_column_letter(position) for position, name in enumerate(COLUMNS, start=1)}
    start, again = f"{letters['start']}{_FIRST_ROW}", f"{letters['resurvey']}{_FIRST_ROW}"
    begin = f"DATE({today.year},{today.month},{today.day})"
    checks = {
        "subscale": DataValidation(type="list", formula1=f"choices!$A$1:$A${len(subscales)}"),
        "status": DataValidation(type="list", formula1=f"choices!$B$1:$B${len(STATUS)}"),
        "start": DataValidation(type="date", operator="greaterThanOrEqual", formula1=begin),
        "resurvey": DataValidation(
            type="custom", formula1=f"AND(ISNUMBER({again}),{again}>=EDATE(MAX({start},{begin}),{MONTHS_APART}))"
        ),
    }
    said = {
        "subscale": "Choose from the list what this action should move.",
        "status": "Choose from the list.",
        "start": f"A date, not before {today.isoformat()}.",
        "resurvey": f"A date at least {MONTHS_APART} months after the start of the action.",
    }
    for name, check in checks.items():
        check.allow_blank = True
        check.showErrorMessage = check.showInputMessage = True
        check.errorTitle = check.promptTitle = COLUMNS[name][:32]
        check.error = check.prompt = said[name]
        check.add(f"{letters[name]}{_FIRST_ROW}:{letters[name]}{last}")
        sheet.add_data_validation(check)


def _set_page(sheet: Any, last: int) -> None:
    from openpyxl.utils import get_column_letter

    sheet.page_setup.orientation = "landscape"
    sheet.page_setup.paperSize = sheet.PAPERSIZE_A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    sheet.print_area = f"A1:{get_column_letter(len(COLUMNS))}{last}"
    sheet.print_title_rows = f"{_FIRST_ROW - 1}:{_FIRST_ROW - 1}"
    sheet.oddFooter.center.text = "Page &P of &N"
    sheet.freeze_panes = sheet.cell(_FIRST_ROW, 1)


def _write(cell: Any, value: object) -> None:
    """Write a text as text, whatever it begins with; an empty one leaves the cell empty."""
    if value is None or value == "":
        return
    cell.value = str(value)
    cell.data_type = "s"


def _height(text: object) -> float:
    """Return the height in points that a wrapped text in the first column needs."""
    lines = sum(1 + len(line) // _WIDTHS[0] for line in str(text or "").split("\n"))
    return max(30.0, 14.5 * lines)


def _language(instrument: Instrument, language: str | None) -> str:
    chosen = language or instrument.languages[0]
    if chosen not in instrument.languages:
        raise ValueError(
            f"language {language!r} is not in the definition; use one of {', '.join(instrument.languages)}"
        )
    return chosen
