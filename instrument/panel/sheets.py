"""Cells and pages of workbooks: text that no spreadsheet runs, rows as high as their text."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f]")  # XML cannot hold these
_LINE_POINTS = 15.0
_TALLEST = 400.0  # a row in Excel has at most 409 points


def font(**options: Any) -> Any:
    """Return a font that is the same on every cell; a font without a name is whatever the program likes."""
    from openpyxl.styles import Font

    return Font(**({"name": "Calibri", "size": 11} | options))


def put(sheet: Any, row: int, column: int, value: object, **style: Any) -> Any:
    """Write a cell; text that begins like a formula stays text, also when the cell is edited."""
    cell = sheet.cell(row, column)
    cell.value = _CONTROLS.sub("\ufffd", value) if isinstance(value, str) else value
    if isinstance(value, str) and cell.data_type != "s":
        cell.value = str(cell.value)
        cell.data_type = "s"
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@")):
        cell.quotePrefix = True
    for name, what in ({"font": font()} | style).items():
        setattr(cell, name, what)
    return cell


def fit_height(sheet: Any, row: int, texts: Sequence[str], widths: Sequence[float]) -> None:
    """Make a row as high as its wrapped texts need: Excel does not do so by itself in a locked sheet."""
    lines = max(
        (
            sum(max(1, math.ceil(len(part) * 1.08 / width)) for part in text.split("\n"))
            for text, width in zip(texts, widths, strict=True)
        ),
        default=1,
    )
    sheet.row_dimensions[row].height = min(_TALLEST, lines * _LINE_POINTS + 4)


def printable(sheet: Any, *, footer: str, page: str, landscape: bool = True) -> None:
    """Fit the sheet to the width of A4 pages, with the header on each and the stamp below."""
    sheet.page_setup.orientation = "landscape" if landscape else "portrait"
    sheet.page_setup.paperSize = 9  # A4
    sheet.page_setup.fitToWidth, sheet.page_setup.fitToHeight = 1, 0
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.page_margins.left = sheet.page_margins.right = 0.4
    sheet.page_margins.top, sheet.page_margins.bottom = 0.5, 0.7
    sheet.oddFooter.left.text = footer.replace("&", "&&")
    sheet.oddFooter.right.text = f"{page} &P / &N"
