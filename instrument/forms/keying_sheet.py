"""An empty table into which somebody types what stands on the paper sheets, one row a sheet, in the order of the print."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from instrument.files import workbook_bytes, write_whole
from instrument.forms.words import words
from instrument.survey import Asked, Survey

SHEET = "response"  # the sheet's number is the response's id
_LIST_LIMIT = 255  # characters that a drop-down or a hint of Excel can hold
_TITLE_LIMIT = 32  # and the title of a hint
_WIDTHS = (8.0, 20.0, 70.0, 60.0)  # of the sheet of codes


@dataclass(frozen=True, kw_only=True)
class KeyedColumn:
    """One column: its `id`, the question it holds, what may be typed, what is in it already, its number on the print."""

    id: str
    question: str
    answers: str
    codes: tuple[str, ...] = ()
    given: str = ""
    number: str = ""


def keyed_columns(survey: Survey, *, language: str) -> tuple[KeyedColumn, ...]:
    """Return the columns in the order of the print: sheet, what all sheets share, then every question.

    A question with several answers has a column for each box.
    """
    around = words("common", "paper")[language]
    columns = [KeyedColumn(id=SHEET, question=around["office_sheet"], answers="")]
    if survey.forms:
        given = survey.forms[0] if len(survey.forms) == 1 else ""
        columns.append(KeyedColumn(id="form", question="", answers="", codes=survey.forms, given=given))
    wave = survey.constants.get("wave", "")
    columns.append(KeyedColumn(id="wave", question=around["office_wave"], answers="1, 2, …", given=wave))
    columns.append(KeyedColumn(id="version", question="", answers="", given=survey.instrument.version))
    spoken = survey.languages[0] if len(survey.languages) == 1 else ""
    columns.append(KeyedColumn(id="language", question="", answers="", codes=survey.languages, given=spoken))
    held = {column.id for column in columns}
    for number, question in enumerate(survey.questions(), start=1):
        if question.id not in held:
            columns += _of(question, str(number), language, around)
    return tuple(columns)


def _of(question: Asked, number: str, language: str, around: Mapping[str, str]) -> Iterator[KeyedColumn]:
    text = question.text[language]
    if question.kind == "text":
        what = around["key_letter" if question.role == "code" else "key_text"]
        yield KeyedColumn(id=question.id, question=text, answers=what, number=number)
    elif question.kind == "single":
        yield KeyedColumn(
            id=question.id,
            question=text,
            answers="; ".join(f"{choice.code} = {choice.label[language]}" for choice in question.choices),
            codes=tuple(choice.code for choice in question.choices),
            number=number,
        )
    else:
        for choice in question.choices:
            yield KeyedColumn(
                id=f"{question.id}{choice.code}",
                question=f"{text} – {choice.label[language]}",
                answers=around["key_tick"],
                codes=("1", "0"),
                number=number,
            )


def write_keying_sheet(survey: Survey, path: str | Path, *, sheets: int = 200, language: str | None = None) -> None:
    """Write an empty table for keying. Two people fill in one each; `compare_entries` compares them.

    Parameters
    ----------
    survey : Survey
        The one that was printed.
    path : str or path
        ``.xlsx`` (with drop-downs, a hint beside the chosen cell, and a second sheet that says the codes) or ``.csv``.
        A file that exists is not replaced: somebody may have begun to type into it.
    sheets : int, default 200
        Rows to prepare: what all sheets share stands in them already.
    language : str, optional
        Of the questions on the second sheet; default: the survey's first.

    Raises
    ------
    ValueError
        If the ending of the name, the number or the language is not known, or the file exists.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "first.csv"
    ...     write_keying_sheet(build_survey(read_instrument("pwiq"), forms=["CS"], wave=1), path, sheets=2)
    ...     path.read_text(encoding="utf-8-sig").split(",")[:6]
    ['response', 'form', 'wave', 'version', 'language', 'organisation']
    """
    target = Path(path)
    if target.suffix.lower() not in (".xlsx", ".csv"):
        raise ValueError(f"a keying sheet is .xlsx or .csv; give such a name, not {target.name}")
    if target.exists():
        raise ValueError(f"{target} exists, and somebody may have typed into it; give another name")
    if not 1 <= sheets <= 100_000:
        raise ValueError(f"sheets must be a number from 1 to 100,000; got {sheets}")
    chosen = survey.languages[0] if language is None else language
    if chosen not in survey.languages or chosen not in words("common", "paper"):
        known = ", ".join(each for each in survey.languages if each in words("common", "paper"))
        raise ValueError(f"language {chosen!r} is not there for a keying sheet; use one of {known or 'none'}")
    columns = keyed_columns(survey, language=chosen)
    made = _csv(columns, sheets) if target.suffix.lower() == ".csv" else _workbook(columns, sheets, chosen, survey)
    write_whole(target, made)


def _csv(columns: Sequence[KeyedColumn], sheets: int) -> str:
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\n")
    writer.writerow([column.id for column in columns])
    writer.writerows([[column.given for column in columns]] * sheets)
    return "\ufeff" + buffer.getvalue()  # the mark tells a spreadsheet that it is UTF-8


def _workbook(columns: Sequence[KeyedColumn], sheets: int, language: str, survey: Survey) -> bytes:
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, PatternFill, Protection
    from openpyxl.utils import get_column_letter

    from instrument.panel.sheets import fit_height, font, printable, put

    around = words("common", "paper")[language]
    book = Workbook()
    sheet: Any = book.active
    sheet.title = around["key_sheet"]
    bold, grey = font(bold=True), PatternFill("solid", fgColor="E3EAF0")
    for number, column in enumerate(columns, start=1):
        put(sheet, 1, number, column.id, font=bold, fill=grey)
        letter = get_column_letter(number)
        whole = sheet.column_dimensions[letter]  # the empty cells look like their column
        whole.width = max(6.0, min(30.0, len(column.id) + 3.0))
        # Text keeps "007" and the letters of a code as they are typed; codes are numbers.
        whole.number_format = "General" if column.codes and all(code.isdigit() for code in column.codes) else "@"
        whole.protection, whole.font = Protection(locked=False), font()
        if column.given:
            look = {"number_format": whole.number_format, "protection": Protection(locked=False)}
            for row in range(2, sheets + 2):
                put(sheet, row, number, column.given, **look)
        _validate(sheet, f"{letter}2:{letter}{sheets + 1}", column, around)
    sheet.freeze_panes = "B2"
    sheet.protection.sheet = True  # the ids in row 1 stay; every other cell is open
    sheet.protection.formatColumns = sheet.protection.formatRows = False
    codes: Any = book.create_sheet(around["key_codes"])
    put(codes, 1, 1, around["key_how"], alignment=Alignment(wrap_text=True, vertical="top"))
    codes.merge_cells("A1:D1")
    fit_height(codes, 1, [around["key_how"]], [sum(_WIDTHS)])
    for number, name in enumerate(("key_number", "key_column", "key_question", "key_answers"), start=1):
        put(codes, 2, number, around[name], font=bold, fill=grey)
    wrapped = Alignment(wrap_text=True, vertical="top")
    for row, column in enumerate(columns, start=3):
        texts = (column.number, column.id, column.question, column.answers or ", ".join(column.codes) or column.given)
        for number, text in enumerate(texts, start=1):
            put(codes, row, number, text, alignment=wrapped)
        fit_height(codes, row, texts, _WIDTHS)
    put(codes, len(columns) + 4, 1, survey.stamp)
    for letter, width in zip("ABCD", _WIDTHS, strict=True):
        codes.column_dimensions[letter].width = width
    codes.freeze_panes = "A3"
    codes.print_title_rows = "2:2"
    printable(codes, footer=survey.stamp, page="")
    codes.protection.sheet = True
    codes.protection.formatColumns = codes.protection.formatRows = False
    return workbook_bytes(book)


def _validate(sheet: Any, cells: str, column: KeyedColumn, around: Mapping[str, str]) -> None:
    """Say beside the chosen cell what is asked there, and refuse what is no answer."""
    from openpyxl.worksheet.datavalidation import DataValidation

    listed = ",".join(column.codes)
    # Where a list cannot hold the codes, compare_entries refuses what is not allowed.
    held = 0 < len(listed) <= _LIST_LIMIT and not any("," in code or '"' in code for code in column.codes)
    rule = DataValidation(type="list", formula1=f'"{listed}"', allow_blank=True) if held else DataValidation()
    if held:
        rule.showErrorMessage = True
        rule.errorTitle = column.id[:_TITLE_LIMIT]
        rule.error = around["key_wrong"].replace("{codes}", ", ".join(column.codes))[:_LIST_LIMIT]
    hint = "\n".join(text for text in (column.question, column.answers) if text)
    if hint:
        rule.showInputMessage = True
        rule.promptTitle = f"{column.number} {column.id}".strip()[:_TITLE_LIMIT]
        rule.prompt = hint if len(hint) <= _LIST_LIMIT else f"{hint[: _LIST_LIMIT - 1]}…"
    if held or hint:
        sheet.add_data_validation(rule)
        rule.add(cells)
