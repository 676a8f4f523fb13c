"""All released tables in one Excel workbook."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import pandas as pd

from analysis.release import Shown

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def write_workbook(path: Path, tables: Mapping[str, tuple[Shown, pd.DataFrame]], *, banner: str) -> None:
    """Write a contents sheet and one sheet a table, each with its banner, title, method and notes.

    Parameters
    ----------
    tables : mapping
        Name → what was said of the table, and the table as text (as its CSV file has it).
    banner : str
        The draft banner; it stands on every sheet.
    """
    from openpyxl import Workbook
    from openpyxl.styles import Alignment, Font

    workbook = Workbook()
    contents = workbook.active
    contents.title = "contents"
    contents.append([banner])
    contents.append(["Sheet", "Table"])
    for name, (entry, table) in tables.items():
        sheet = workbook.create_sheet(name[:31])
        contents.append([sheet.title, entry.title])
        contents.cell(contents.max_row, 1).hyperlink = f"#'{sheet.title}'!A1"
        for line in (banner, entry.title, f"Method: {entry.method}", *(f"Note: {note}" for note in entry.notes), ""):
            sheet.append([line])
        sheet["A2"].font = Font(bold=True)
        sheet.append(list(table.columns))
        header = sheet.max_row
        for cell in sheet[header]:
            cell.font = Font(bold=True)
        for row in table.itertuples(index=False):
            sheet.append([_value(cell) for cell in row])
        sheet.freeze_panes = sheet.cell(header + 1, 1)
        for position, column in enumerate(table.columns, start=1):
            longest = max([len(str(column)), *(len(str(cell)) for cell in table[column])], default=8)
            letter = sheet.cell(header, position).column_letter
            sheet.column_dimensions[letter].width = min(max(10, longest + 2), 40)
        for row_number in range(1, header):
            sheet.cell(row_number, 1).alignment = Alignment(wrap_text=False)
    contents.column_dimensions["A"].width = 32
    contents.column_dimensions["B"].width = 80
    # Text that begins like a formula was made plain when the CSV was written; nothing here is one.
    for sheet in workbook:
        for row in sheet.iter_rows():
            for cell in row:
                if cell.data_type == "f":
                    cell.data_type = "s"
    workbook.save(path)


def _value(cell: str) -> float | int | str | None:
    """Return a number as a number, so that it can be sorted and pasted."""
    if cell == "":
        return None
    if not _NUMBER.fullmatch(cell):
        return cell
    return float(cell) if any(mark in cell for mark in ".eE") else int(cell)
