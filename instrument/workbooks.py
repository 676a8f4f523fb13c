"""The sheet with answers of an .xlsx workbook, as rows of text; workbooks that do harm are refused."""

from __future__ import annotations

import html
import lzma
import re
import zipfile
import zlib
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from instrument.cells import cell_text, shown
from instrument.responses import ResponseError

_UNPACKED_LIMIT = 4_000_000_000  # bytes; 100,000 answers to 66 items are a tenth of it
_UNREADABLE = "the workbook cannot be read ({}); open it in Excel or LibreOffice and save it again as .xlsx"
_ENTITIES = (
    "the workbook's XML declares entities ({}), with which a file can draw in other files: it is refused; save the answers "
    "as CSV in UTF-8"
)
_PARTS_LIMIT = 10_000
_DENSEST, _DENSE_SIZE = 500, 50_000_000  # text of answers shrinks to a tenth, and hardly to a hundredth
_AREA_LIMIT = 30_000_000  # cells of all sheets, empty ones too: calamine keeps room for each
# Where a cell lies, as calamine finds it: by its own r, or its row's, and else by counting. XML allows either quote,
# blanks around "=", and a prefix before each name.
_R = rb"""r(?<=["'\s]r)\s*=\s*["']"""
_OTHER_ATTRIBUTES = rb"""(?:\s*[^\s=<>"'/]+\s*=\s*(?:"[^"]*"|'[^']*'))*?"""
_WITHOUT_R = rb"(?=[\s/>])(?! r=\")(?!" + _OTHER_ATTRIBUTES + rb"\s*r\s*=)"
_UNPLACED_ROW = re.compile(rb"<row" + _WITHOUT_R)
_UNPLACED_CELL = re.compile(rb"<c" + _WITHOUT_R)
_PREFIX = re.compile(rb"(</?)[^\s<>:/!?\"'=]+:")
_ROW = re.compile(_R + rb"[A-Za-z]*0*([0-9]+)")
_COLUMN = re.compile(_R + rb"([A-Za-z]+)[0-9]")
# Most sheets are neither long nor wide, and these find so three times as fast: from row 100,000, from column DA.
_FAR_ROW, _NEAR_ROWS = re.compile(_R + rb"[A-Za-z]*0*([0-9]{6,})"), 99_999
_FAR_COLUMN, _NEAR_COLUMNS = re.compile(_R + rb"([A-Za-z]{3,}|[D-Zd-z][A-Za-z])[0-9]"), 104
_LEAST_COLUMNS = 100  # as many a long sheet counts for: its rows cost time, however narrow they are


def sheet_of_answers(
    path: Path, *, file: str, known: Collection[str]
) -> tuple[list[list[str | None]], tuple[tuple[str, int, str], ...]]:
    """Return the rows of the sheet with answers, as text, and what other sheets there are.

    Parameters
    ----------
    path : Path
    file : str
        How messages call the file.
    known : collection of str
        Column names that tell the sheet with answers from the others.

    Returns
    -------
    list of list of str or None, tuple
        Rows of cells; and sheet, cells, sentence for each other sheet.

    Raises
    ------
    ResponseError
        If it cannot be read, is empty, would fill the memory, or has several sheets with answers.
    """
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    _refuse_boundless(path, file)
    try:
        with CalamineWorkbook.from_path(str(path)) as workbook:
            names = _worksheets(workbook)
            _refuse_one_part_for_several(path, names, file)
            sheets = {name: workbook.get_sheet_by_name(name).to_python(skip_empty_area=False) for name in names}
    except PasswordError:
        raise ResponseError([f"{file}: the workbook is protected by a password; save it without one"]) from None
    except CalamineError as error:
        raise ResponseError([f"{file}: {_UNREADABLE.format(error)}"]) from None
    sheets = {name: rows for name, rows in sheets.items() if rows}
    if not sheets:
        raise ResponseError([f"{file}: the workbook is empty; export the answers again"])
    name = _sheet_with_answers(sheets, known, file)
    rows: list[list[Any]] = [[cell_text(cell) for cell in row] for row in sheets[name]]
    for (row, column), text in _unread_cells(path, name).items():
        if row < len(rows) and column < len(rows[row]):
            rows[row][column] = text
    others = tuple(
        (f"(sheet {other})", sum(map(len, rest)), "a sheet without columns of this questionnaire")
        for other, rest in sheets.items()
        if other != name
    )
    return rows, others


def _refuse_boundless(path: Path, file: str) -> None:
    """Refuse a workbook that would fill the memory, and one whose XML declares entities."""
    remedy = "save the answers as CSV in UTF-8"
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            if len(parts) > _PARTS_LIMIT:
                raise ResponseError(
                    [f"{file}: the workbook has {len(parts):,} parts, far more than answers need; {remedy}"]
                )
            if sum(part.file_size for part in parts) > _UNPACKED_LIMIT:
                raise ResponseError([f"{file}: the workbook unpacks to over 4 GB; {remedy}"])
            for part in parts:
                if part.file_size > _DENSE_SIZE and part.file_size > _DENSEST * max(part.compress_size, 1):
                    raise ResponseError(
                        [
                            f"{file}: the workbook unpacks to over {_DENSEST} times its size, as a zip bomb does; {remedy}"
                        ]
                    )
                _look_through(archive, part, file)
            if sum(_areas(archive, roughly=True)) > _AREA_LIMIT:
                areas = _areas(archive, roughly=False)
                if sum(areas) > _AREA_LIMIT:
                    what = "the sheet spans" if max(areas) > _AREA_LIMIT else "the sheets together span"
                    raise ResponseError(
                        [
                            f"{file}: {what} over {_AREA_LIMIT:,} cells; delete the empty rows and columns (a cell may lie "
                            "far from the others), or save the answers as CSV in UTF-8"
                        ]
                    )
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError) as error:
        # A part may also be larger than it says, so that only its checksum gives it away.
        raise ResponseError([f"{file}: {_UNREADABLE.format(error)}"]) from None
    except RuntimeError:
        return  # encrypted: calamine says so


def _look_through(archive: zipfile.ZipFile, part: zipfile.ZipInfo, file: str) -> None:
    """Unpack a part once without keeping it, no further than the size it states; refuse XML with a document type."""
    first = True
    with archive.open(part) as stream:
        while chunk := stream.read(1 << 20):
            if (
                first
                and part.filename.endswith((".xml", ".rels"))
                and b"<!DOCTYPE" in chunk.replace(b"\0", b"").upper()
            ):
                raise ResponseError([f"{file}: {_ENTITIES.format(part.filename)}"])
            first = False


def _areas(archive: zipfile.ZipFile, *, roughly: bool) -> list[int]:
    """Return how many cells each sheet spans; roughly: at least as many."""
    # A sheet may stand anywhere: what a part is called says nothing.
    contents = (archive.read(part) for part in archive.infolist())
    return [_area(content, roughly=roughly) for content in contents if b"sheetData" in content]


def _area(sheet: bytes, *, roughly: bool) -> int:
    if b":row" in sheet or b":c" in sheet:
        sheet = _PREFIX.sub(rb"\1", sheet)
    row, column = (_FAR_ROW, _FAR_COLUMN) if roughly else (_ROW, _COLUMN)
    # No more digits or letters than decide that it is too far.
    rows = max((int(number[:9]) for number in set(row.findall(sheet))), default=_NEAR_ROWS if roughly else 1)
    columns = max(
        (_place(letters[:7].upper()) for letters in set(column.findall(sheet))),
        default=_NEAR_COLUMNS if roughly else 1,
    )
    rows, columns = rows + len(_UNPLACED_ROW.findall(sheet)), columns + _unplaced_cells(sheet)
    return rows * (max(columns, _LEAST_COLUMNS) if rows > _NEAR_ROWS else columns)


def _unplaced_cells(sheet: bytes) -> int:
    """Return how many cells of a row, at most, lie where counting puts them."""
    if not _UNPLACED_CELL.search(sheet):
        return 0
    rows = [sheet] if b"<!" in sheet else sheet.split(b"</row")  # a comment may look like the end of a row
    return max(len(_UNPLACED_CELL.findall(row)) for row in rows)


def _place(letters: bytes) -> int:
    """Return the number of a column: A is 1, Z 26, AA 27."""
    place = 0
    for letter in letters:
        place = place * 26 + letter - 64
    return place


def _worksheets(workbook: Any) -> list[str]:
    from python_calamine import SheetTypeEnum

    sheets = [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]
    return list(dict.fromkeys(sheets))


def _refuse_one_part_for_several(path: Path, names: Collection[str], file: str) -> None:
    """Refuse sheets that are all one part of the file: each would be unpacked, and its cells were counted once."""
    with zipfile.ZipFile(path) as archive:
        parts = _sheet_parts(archive)
    of_sheets = [parts[name].casefold() for name in names if name in parts]
    if len(set(of_sheets)) < len(of_sheets):
        raise ResponseError([f"{file}: {_UNREADABLE.format('several sheets are one part of the file')}"])


def _sheet_with_answers(sheets: Mapping[str, list[list[Any]]], known: Collection[str], file: str) -> str:
    held = {
        name: sum(isinstance(cell, str) and cell.strip() in known for cell in rows[0]) for name, rows in sheets.items()
    }
    chosen = [name for name, count in held.items() if count]
    if len(chosen) > 1:
        raise ResponseError(
            [
                f"{file}: {len(chosen)} sheets hold columns of this questionnaire "
                f"({', '.join(map(shown, chosen))}); save the one that is meant as a file of its own"
            ]
        )
    return chosen[0] if chosen else next(iter(sheets))


_CELL = re.compile(rb"<c(\s[^>]*?)(?<!/)>(.*?)</c>", re.DOTALL)
_PLACE = re.compile(_R + rb"([A-Za-z]+)([0-9]{1,7})[\"']")
_ERROR = re.compile(rb"""t(?<=["'\s]t)\s*=\s*["']e["']""")
_TEXT = re.compile(rb"""t(?<=["'\s]t)\s*=\s*["']str["']""")
_FORMULA = re.compile(rb"<f[^>]*>(.*?)</f>", re.DOTALL)
_VALUE = re.compile(rb"<(?:v|t)[^>]*>([^<]+)</")


def _unread_cells(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Return (row, column), from 0 → text of cells with an error (#N/A) or a formula without a stored value.

    calamine gives these as empty cells; read so, an error would become a blank.
    """
    with zipfile.ZipFile(path) as archive:
        data = archive.read(_sheet_parts(archive)[sheet])
    if not _ERROR.search(data) and b"<f" not in data:
        return {}
    found = {}
    for attributes, content in _CELL.findall(data):
        place = _PLACE.search(attributes)
        if not place:
            continue
        value = _VALUE.search(content)
        formula = _FORMULA.search(content)
        if _ERROR.search(attributes):
            text = value.group(1).decode() if value else "#ERROR"
        elif b"<f" in content and not value and not _TEXT.search(attributes):
            text = "=" + (formula.group(1).decode("utf-8", "replace") if formula else "…")
        else:
            continue
        found[int(place[2]) - 1, _place(place[1].upper()) - 1] = html.unescape(text)
    return found


def _sheet_parts(archive: zipfile.ZipFile) -> dict[str, str]:
    """Return sheet → the name of its part inside a workbook."""
    from defusedxml import ElementTree  # type: ignore[import-untyped]

    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))
    targets = {relation.get("Id"): str(relation.get("Target")) for relation in relations}
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))
    parts: dict[str, str] = {}
    for element in book.iter():
        if element.tag.endswith("}sheet"):
            key = next((value for name, value in element.attrib.items() if name.endswith("}id")), None)
            target = targets.get(key, "")
            part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
            parts.setdefault(element.get("name", ""), part)
    return parts
