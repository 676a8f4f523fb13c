"""A file as one table of text, whatever its format. What the text means is decided in `checking`."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import re
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt
import pandas as pd

from instrument.responses import ResponseError

Rows = npt.NDArray[np.int64]


class Fault(NamedTuple):
    """What is wrong with a cell; a line of a `ResponseError` once its file is named."""

    row: int
    column: str
    message: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Column:
    """The cells of a column, each different text once: a column of answers has few.

    Parameters
    ----------
    texts : tuple of str
    position : numpy.ndarray
        For each row the position of its text; -1 where the cell is empty.
    """

    texts: tuple[str, ...]
    position: npt.NDArray[np.int64]

    @classmethod
    def of(cls, values: Any, text: Callable[[Any], str | None]) -> Column:
        """Return the column of values of one type, each written as `text` writes it."""
        at, different = pd.factorize(values)
        raw = cls(texts=tuple(different), position=at.astype(np.int64))
        return raw.change(text)

    def __getitem__(self, row: int) -> str | None:
        return self.texts[self.position[row]] if self.position[row] >= 0 else None

    def change(self, text: Callable[[Any], str | None]) -> Column:
        """Return the column with every text changed; what becomes None or "" is an empty cell."""
        changed = [text(each) for each in self.texts]
        kept = np.array([bool(each) for each in changed] + [False], dtype=bool)  # the last: an empty cell
        position = np.where(kept, np.cumsum(kept) - 1, -1)
        return Column(texts=tuple(each for each in changed if each), position=position[self.position])

    def strings(self) -> Any:
        """Return the cells as a pandas array of strings, missing where empty."""
        return pd.array([*self.texts], dtype="string").take(self.position, allow_fill=True)


@dataclass(frozen=True, kw_only=True, eq=False)
class RawTable:
    """One table of text.

    Parameters
    ----------
    file : str
        How messages call the file.
    names : tuple of str
        Column names, without spaces around them.
    columns : tuple of Column
    rows : numpy.ndarray
        Row of the file for each row of the table. The header is row 1. In a text file it is the line on
        which the record begins; where the format has no header row (.sav, Parquet) the first case is row 2.
    decimal_comma : bool
        Whether ``3,0`` may stand for 3 (text files with semicolons).
    value_labels : mapping
        Column → value → label that the file itself gives (.sav).
    declared_missing : mapping
        Column → ranges of values that the file declares as missing (.sav).
    faults : tuple of Fault
        Rows that do not fit the header; they are left out of `columns`.
    left_out : tuple of (str, int, str)
        Parts of the file that hold no answers: what, how many cells or rows, and a note for the ledger.
    """

    file: str
    names: tuple[str, ...]
    columns: tuple[Column, ...]
    rows: Rows
    decimal_comma: bool = False
    value_labels: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    declared_missing: Mapping[str, Sequence[tuple[float, float]]] = field(default_factory=dict)
    faults: tuple[Fault, ...] = ()
    left_out: tuple[tuple[str, int, str], ...] = ()


def shown(value: str) -> str:
    """Return a value as messages show it: quoted, control characters escaped, at most 40 characters."""
    return repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:39]}…"


def line(file: str, fault: Fault) -> str:
    """Return a fault as a line `FILE:ROW:COLUMN: message`, with control characters escaped."""
    place = f"{file}:{fault.row}:{fault.column}"
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in place) + f": {fault.message}"


def read_table(path: Path, *, file: str, known: Collection[str] = ()) -> RawTable:
    """Read a file of answers as text.

    Parameters
    ----------
    path : Path
    file : str
        How messages call the file.
    known : collection of str
        Column names that tell the sheet with answers from the others of a workbook.

    Raises
    ------
    ResponseError
        If the file is no table: its content is of another kind than its name says, its encoding is not
        UTF-8, it is empty, or it has a header only.
    """
    readers: dict[str, Callable[[], RawTable]] = {
        ".csv": lambda: _read_text(path, file),
        ".tsv": lambda: _read_text(path, file),
        ".xlsx": lambda: _read_workbook(path, file, known),
        ".sav": lambda: _read_sav(path, file),
        ".parquet": lambda: _read_parquet(path, file),
    }
    if path.is_dir():
        raise ResponseError([f"{file}: this is a folder, not a file of answers; name the file inside it"])
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ResponseError(
            [f"{file}: files named {suffix or 'without an ending'} are not read; save it as {_one_of(readers)}"]
        )
    _refuse_other_kind(path, file, suffix)
    table = readers[suffix]()
    if not len(table.rows) and not table.faults:
        raise ResponseError([f"{file}: the file has column names but no answers; nothing can be read from it"])
    return table


# What files begin with, and what they then are.
_BEGINNINGS = (
    (b"PK\x03\x04", ".xlsx", "a zip archive or an Excel workbook"),
    (b"PAR1", ".parquet", "a Parquet file"),
    (b"$FL2", ".sav", "an SPSS file"),
    (b"$FL3", ".sav", "an SPSS file"),
    (b"%PDF", "", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "", "an old (.xls) or encrypted Office file"),
    (b"\x1f\x8b", "", "a gzip archive"),
    (b"\xff\xfe", "", "text encoded as UTF-16"),
    (b"\xfe\xff", "", "text encoded as UTF-16"),
)
_NAMED = {".csv": "a CSV", ".tsv": "a CSV", ".xlsx": "an .xlsx", ".sav": "a .sav", ".parquet": "a Parquet"}


def _refuse_other_kind(path: Path, file: str, suffix: str) -> None:
    with path.open("rb") as stream:
        start = stream.read(1024)
    if not start:
        raise ResponseError([f"{file}: the file is empty; export the answers again"])
    kind, what = next(((kind, what) for begin, kind, what in _BEGINNINGS if start.startswith(begin)), (".csv", ""))
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|\?xml|head|body|table)\b", start, re.IGNORECASE):
        kind, what = "", "a web page (perhaps a login page saved by mistake)"
    kind = ".tsv" if kind == ".csv" and suffix == ".tsv" else kind
    if kind != suffix:
        found = what or "text or something unknown"
        raise ResponseError([f"{file}: this is not {_NAMED[suffix]} file: it holds {found}; {_remedy(found, suffix)}"])


def _remedy(found: str, suffix: str) -> str:
    if "UTF-16" in found:
        return "save it as CSV in UTF-8 (in Excel: 'CSV UTF-8')"
    if suffix in (".csv", ".tsv") and ("Excel" in found or "SPSS" in found or "Parquet" in found):
        return "give it the ending that it should have, or save it as CSV in UTF-8"
    return "export the answers again"


# Text: CSV with commas, semicolons or tabs

_HEADER_LIMIT = 200_000  # characters in which the separator is looked for


def _read_text(path: Path, file: str) -> RawTable:
    text = _decoded(path.read_bytes(), file)
    if match := re.match(r"sep=.\s", text):
        raise ResponseError([f"{file}:1: {shown(match.group().strip())} is a note for Excel; delete this line"])
    delimiter = max(",;\t", key=lambda each: _columns_if(text[:_HEADER_LIMIT], each))  # the first of those that tie
    records = _Records(text, delimiter, file)
    header = next(iter(records), [])
    _require_header(header, file)
    rows: list[list[str]] = []
    lines: list[int] = []
    faults: list[Fault] = []
    empty: list[int] = []
    for record in records:
        if not any(record):
            empty.append(records.line)
        elif len(record) != len(header):
            faults.append(_ragged(records.line, record, header))
        else:
            rows.append(record)
            lines.append(records.line)
    table = np.array(rows, dtype=object).reshape(len(rows), len(header))
    return RawTable(
        file=file,
        names=_names(header),
        columns=tuple(Column.of(cells, str) for cells in table.T),
        rows=np.array(lines, dtype=np.int64),
        decimal_comma=delimiter == ";",
        faults=tuple(faults),
        left_out=_empty_rows(empty),
    )


def _decoded(data: bytes, file: str) -> str:
    if b"\0" in data:
        row = data[: data.index(b"\0")].count(b"\n") + 1
        raise ResponseError(
            [
                f"{file}:{row}: a NUL byte: this is no text in UTF-8; save the file as CSV in UTF-8 (in Excel: 'CSV UTF-8')"
            ]
        )
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        row = data[: error.start].count(b"\n") + 1
        raise ResponseError(
            [
                f"{file}:{row}: the byte 0x{data[error.start]:02x} is not UTF-8 (the file is probably in "
                f"Windows-1252 or Latin-1); save it as CSV in UTF-8 (in Excel: 'CSV UTF-8')"
            ]
        ) from None


class _Records:
    """The records of a text file, each with the line on which it begins."""

    def __init__(self, text: str, delimiter: str, file: str) -> None:
        # newline="" keeps \r\n, \r and \n as they are: the csv module tells them from those in quotes.
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        self._file = file
        self.line = 0

    def __iter__(self) -> Iterator[list[str]]:
        try:
            while True:
                self.line = self._reader.line_num + 1
                record = next(self._reader, None)
                if record is None:
                    return
                yield record
        except csv.Error:
            raise ResponseError(
                [
                    f"{self._file}:{self.line}: the quotation marks are broken in the record that begins here: "
                    'one is not closed, or stands inside a quoted cell without being doubled (""); correct the record'
                ]
            ) from None


def _columns_if(text: str, delimiter: str) -> int:
    try:
        return len(next(csv.reader(io.StringIO(text, newline=""), delimiter=delimiter), []))
    except csv.Error:
        return 0


def _ragged(row: int, record: list[str], header: list[str]) -> Fault:
    found = f"the row has {len(record)} cells, the header {len(header)}"
    if len(record) < len(header):
        return Fault(
            row, header[len(record)].strip(), f"{found}; this cell and those after it are missing: complete the row"
        )
    extra = shown(record[len(header)])
    return Fault(
        row,
        header[-1].strip(),
        f"{found}; {extra} stands after the last column: remove it, or quote the cell that holds the separator",
    )


# Workbooks


def _read_workbook(path: Path, file: str, known: Collection[str]) -> RawTable:
    from python_calamine import CalamineError, CalamineWorkbook, PasswordError

    _refuse_boundless(path, file)
    try:
        with CalamineWorkbook.from_path(str(path)) as workbook:
            sheets = {
                name: workbook.get_sheet_by_name(name).to_python(skip_empty_area=False)
                for name in _worksheets(workbook)
            }
    except PasswordError:
        raise ResponseError([f"{file}: the workbook is protected by a password; save it without one"]) from None
    except CalamineError as error:
        raise ResponseError(
            [
                f"{file}: the workbook cannot be read ({error}); open it in Excel or LibreOffice and save it again as .xlsx"
            ]
        ) from None
    sheets = {name: rows for name, rows in sheets.items() if rows}
    if not sheets:
        raise ResponseError([f"{file}: the workbook is empty; export the answers again"])
    name = _sheet_with_answers(sheets, known, file)
    rows: list[list[Any]] = [[_text(cell) for cell in row] for row in sheets[name]]
    for (row, column), text in _unread_cells(path, name).items():
        if row < len(rows) and column < len(rows[row]):
            rows[row][column] = text
    header = ["" if cell is None else cell for cell in rows[0]]
    _require_header(header, file)
    table = np.array(rows[1:], dtype=object).reshape(len(rows) - 1, len(header))
    return _columnar(
        file,
        header,
        [Column.of(cells, str) for cells in table.T],
        left_out=tuple(
            (f"(sheet {other})", sum(map(len, rest)), "a sheet without columns of this questionnaire")
            for other, rest in sheets.items()
            if other != name
        ),
    )


_UNPACKED_LIMIT = 4_000_000_000  # bytes; 100,000 answers to 66 items are a tenth of it
_AREA_LIMIT = 30_000_000  # cells, empty ones too: calamine keeps room for each
_FAR_ROW = re.compile(rb' r="[A-Z]{0,3}([0-9]{6,7})"')
_ROW = re.compile(rb' r="[A-Z]{0,3}([0-9]{1,7})"')
_FAR_COLUMN = re.compile(rb' r="([A-Z]{3})[0-9]+"')


def _refuse_boundless(path: Path, file: str) -> None:
    """Refuse a workbook that would fill the memory: one that unpacks to gigabytes, or with a lone cell far out."""
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(part.file_size for part in archive.infolist()) > _UNPACKED_LIMIT:
                raise ResponseError([f"{file}: the workbook unpacks to over 4 GB; save the answers as CSV in UTF-8"])
            for part in archive.namelist():
                if (
                    part.startswith("xl/worksheets/")
                    and part.endswith(".xml")
                    and _area(archive.read(part)) > _AREA_LIMIT
                ):
                    raise ResponseError(
                        [
                            f"{file}: the sheet spans over {_AREA_LIMIT:,} cells; delete the empty rows and columns (a cell "
                            "may lie far from the others), or save the answers as CSV in UTF-8"
                        ]
                    )
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError):
        return  # broken or encrypted: calamine says which


def _area(sheet: bytes) -> int:
    """Return at least how many cells the sheet spans, where that is many."""
    columns = max((_place(letters) for letters in set(_FAR_COLUMN.findall(sheet))), default=100)
    rows = _FAR_ROW if columns == 100 else _ROW  # most sheets are not wide, and quickly looked through
    return columns * max((int(row) for row in rows.findall(sheet)), default=1)


def _place(letters: bytes) -> int:
    """Return the number of a column: A is 1, Z 26, AA 27."""
    place = 0
    for letter in letters:
        place = place * 26 + letter - 64
    return place


def _worksheets(workbook: Any) -> list[str]:
    from python_calamine import SheetTypeEnum

    return [sheet.name for sheet in workbook.sheets_metadata if sheet.typ == SheetTypeEnum.WorkSheet]


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


_CELL = re.compile(rb'<c r="([A-Z]+)([0-9]+)"([^>]*?)(?<!/)>(.*?)</c>', re.DOTALL)
_FORMULA = re.compile(rb"<f[^>]*>(.*?)</f>", re.DOTALL)
_VALUE = re.compile(rb"<(?:v|t)[^>]*>([^<]+)</")


def _unread_cells(path: Path, sheet: str) -> dict[tuple[int, int], str]:
    """Return (row, column), from 0 → text of cells with an error (#N/A) or a formula without a stored value.

    calamine gives these as empty cells; read so, an error would become a blank.
    """
    with zipfile.ZipFile(path) as archive:
        data = archive.read(_sheet_part(archive, sheet))
    if b't="e"' not in data and b"<f" not in data:
        return {}
    found = {}
    for letters, number, attributes, content in _CELL.findall(data):
        value = _VALUE.search(content)
        formula = _FORMULA.search(content)
        if b't="e"' in attributes:
            text = value.group(1).decode() if value else "#ERROR"
        elif b"<f" in content and not value and b't="str"' not in attributes:
            text = "=" + (formula.group(1).decode("utf-8", "replace") if formula else "…")
        else:
            continue
        found[int(number) - 1, _place(letters) - 1] = text
    return found


def _sheet_part(archive: zipfile.ZipFile, sheet: str) -> str:
    """Return the name of a sheet's part inside a workbook."""
    relations = ElementTree.fromstring(archive.read("xl/_rels/workbook.xml.rels"))  # noqa: S314 calamine read it
    targets = {relation.get("Id"): str(relation.get("Target")) for relation in relations}
    book = ElementTree.fromstring(archive.read("xl/workbook.xml"))  # noqa: S314 calamine read it
    for element in book.iter():
        if element.tag.endswith("}sheet") and element.get("name") == sheet:
            key = next(value for name, value in element.attrib.items() if name.endswith("}id"))
            target = targets[key]
            return target.lstrip("/") if target.startswith("/") else f"xl/{target}"
    raise KeyError(sheet)


# SPSS and Parquet


def _read_sav(path: Path, file: str) -> RawTable:
    import pyreadstat

    try:
        columns, meta = pyreadstat.read_sav(str(path), user_missing=True, output_format="dict")
    except (pyreadstat.ReadstatError, UnicodeDecodeError) as error:
        raise ResponseError([f"{file}: the SPSS file cannot be read ({error}); save it again in SPSS"]) from None
    return _columnar(
        file,
        list(columns),
        [Column.of(np.array(values, dtype=object), _text) for values in columns.values()],
        value_labels={
            column: {_text(value) or "": label for value, label in labels.items()}
            for column, labels in meta.variable_value_labels.items()
        },
        declared_missing={
            column: [
                (float(each["lo"]), float(each["hi"]))
                for each in ranges
                if not isinstance(each["lo"], str) and not isinstance(each["hi"], str)
            ]
            for column, ranges in meta.missing_ranges.items()
        },
    )


def _read_parquet(path: Path, file: str) -> RawTable:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as source:
            table = source.read()
    except (pa.ArrowException, OSError) as error:
        reason = str(error).splitlines()[0]
        raise ResponseError([f"{file}: the Parquet file cannot be read ({reason}); write it again"]) from None
    faults = [
        line(file, Fault(1, name, f"a column of {kind} holds no answers; write one value a cell"))
        for name, kind in zip(table.column_names, table.schema.types, strict=True)
        if pa.types.is_nested(kind) or pa.types.is_binary(kind) or pa.types.is_large_binary(kind)
    ]
    if faults:
        raise ResponseError(faults)
    return _columnar(file, table.column_names, [_parquet_column(column) for column in table.columns])


def _parquet_column(column: Any) -> Column:
    """Return an Arrow column, whose different values are made into text once each."""
    if "dictionary" in str(column.type):
        column = column.cast(column.type.value_type)
    encoded = column.dictionary_encode().combine_chunks()
    at = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)
    return Column(texts=tuple(encoded.dictionary.to_pylist()), position=at).change(_text)


# Every format


def _columnar(
    file: str,
    header: Sequence[str],
    columns: Sequence[Column],
    *,
    left_out: tuple[tuple[str, int, str], ...] = (),
    value_labels: Mapping[str, Mapping[str, str]] | None = None,
    declared_missing: Mapping[str, Sequence[tuple[float, float]]] | None = None,
) -> RawTable:
    """Return the table without its empty rows."""
    count = len(columns[0].position) if columns else 0
    filled = np.zeros(count, dtype=bool)
    for column in columns:
        filled |= column.position >= 0
    rows = np.arange(2, count + 2, dtype=np.int64)
    return RawTable(
        file=file,
        names=_names(header),
        columns=tuple(Column(texts=column.texts, position=column.position[filled]) for column in columns),
        rows=rows[filled],
        value_labels={name.strip(): labels for name, labels in (value_labels or {}).items()},
        declared_missing={name.strip(): ranges for name, ranges in (declared_missing or {}).items()},
        # Excel counts rows that only have a format as used; those at the end are no rows of anybody.
        left_out=(*left_out, *_empty_rows(rows[~filled].tolist())),
    )


def _require_header(header: Sequence[str], file: str) -> None:
    if not any(name.strip() for name in header):
        raise ResponseError([f"{file}: row 1 is empty; the first row must hold the column names"])


def _names(header: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip() for name in header)


def _empty_rows(rows: Sequence[int]) -> tuple[tuple[str, int, str], ...]:
    if not rows:
        return ()
    places = ", ".join(map(str, rows[:10])) + (", …" if len(rows) > 10 else "")
    return (("(empty rows)", len(rows), f"rows in which every cell is empty: {places}"),)


def _text(value: object) -> str | None:
    """Return a cell as the text that a person would have typed: 3.0 is "3", 2.5 is "2.5"."""
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)


def _one_of(names: Collection[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} or {last}"
