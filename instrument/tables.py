"""A file as one table of text, whatever its format. What the text means is decided in `checking`."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from instrument.cells import cell_text
from instrument.cells import shown as shown
from instrument.delimited import Records, decoded, likely_separator
from instrument.responses import ResponseError
from instrument.workbooks import sheet_of_answers

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
    headers : mapping
        Column → what it is called in the file, where that is another name.
    notes : mapping
        Column → sentences about it for the ledger.
    platform : str
        Whose export this is; "" until that is known, "canonical" for columns under the ids of the definition.
    documents : tuple
        What a .json or .ndjson file holds, parsed; such a file has no columns until a platform makes them.
    kind : str
        Ending of the file: ``.csv``, ``.sav`` …
    remarks : tuple of (str, str)
        What was decided about the file as a whole, and a sentence for the ledger.
    stamp : str
        What the file says it was made from (``pwiq 0.1.0 form P …``), where its format has a place for that.
    counted : tuple of str
        Which of ``response`` and ``person`` the platform counts by itself (1, 2, …), so that another file has the same
        numbers; and ``event`` where the responses are also called by their event.
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
    headers: Mapping[str, str] = field(default_factory=dict)
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    platform: str = ""
    documents: tuple[Any, ...] = ()
    kind: str = ""
    remarks: tuple[tuple[str, str], ...] = ()
    stamp: str = ""
    counted: tuple[str, ...] = ()


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
        If the file is no table: its content is of another kind than its name says, its encoding cannot be
        told, it is empty, or it has a header only.
    """
    readers: dict[str, Callable[[], RawTable]] = {
        ".csv": lambda: _read_text(path, file),
        ".tsv": lambda: _read_text(path, file),
        ".xlsx": lambda: _read_workbook(path, file, known),
        ".sav": lambda: _read_statistics(path, file, suffix),
        ".dta": lambda: _read_statistics(path, file, suffix),
        ".parquet": lambda: _read_parquet(path, file),
        ".json": lambda: _read_json(path, file),
        ".ndjson": lambda: _read_json_lines(path, file),
    }
    if path.is_dir():
        raise ResponseError([f"{file}: this is a folder, not a file of answers; name the file inside it"])
    suffix = path.suffix.lower()
    if suffix not in readers:
        raise ResponseError([f"{file}: {_not_read(path, suffix, readers)}"])
    _refuse_other_kind(path, file, suffix)
    table = replace(readers[suffix](), kind=suffix)
    if not len(table.rows) and not table.faults and not table.documents:
        raise ResponseError([f"{file}: the file has column names but no answers; nothing can be read from it"])
    return table


def _not_read(path: Path, suffix: str, readers: Collection[str]) -> str:
    """Return why a file of this ending is not read, and what to do."""
    if suffix == ".xls":
        return "old Excel files (.xls) are not read; open it in Excel or LibreOffice and save it as .xlsx"
    if suffix == ".zip":
        return "this is a zip archive; unpack it and name the file inside it"
    if suffix in (".xml", ".html", ".htm"):
        with path.open("rb") as stream:
            if b"<!ENTITY" in stream.read(100_000).replace(b"\0", b"").upper():
                return (
                    "this XML file declares entities, with which a file can draw in other files: it is refused; export "
                    "the answers as CSV"
                )
        return f"files named {suffix} are not read; export the answers as CSV (FHIR: as JSON)"
    return f"files named {suffix or 'without an ending'} are not read; save it as {_one_of(readers)}"


# What files begin with, and what they then are.
_BEGINNINGS = (
    (b"PK\x03\x04", ".xlsx", "a zip archive or an Excel workbook"),
    (b"PAR1", ".parquet", "a Parquet file"),
    (b"$FL2", ".sav", "an SPSS file"),
    (b"$FL3", ".sav", "an SPSS file"),
    (b"%PDF", "", "a PDF document"),
    (b"\xd0\xcf\x11\xe0", "", "an old (.xls) or encrypted Office file"),
    (b"\x1f\x8b", "", "a gzip archive"),
    (b"<stata_dta>", ".dta", "a Stata file"),
)
_NAMED = {
    ".csv": "a CSV",
    ".tsv": "a CSV",
    ".xlsx": "an .xlsx",
    ".sav": "a .sav",
    ".dta": "a Stata",
    ".parquet": "a Parquet",
    ".json": "a JSON",
    ".ndjson": "a JSON",
}
_OLD_STATA = range(
    102, 116
)  # first byte of a .dta file before Stata 13: its version; the second: which byte comes first
_TEXT = (".csv", ".tsv", ".json", ".ndjson")


def _refuse_other_kind(path: Path, file: str, suffix: str) -> None:
    with path.open("rb") as stream:
        start = stream.read(1024)
    if not start:
        raise ResponseError([f"{file}: the file is empty; export the answers again"])
    kind, what = next(((kind, what) for begin, kind, what in _BEGINNINGS if start.startswith(begin)), (".csv", ""))
    if kind == ".csv" and suffix == ".dta" and start[0] in _OLD_STATA and start[1:2] in (b"\1", b"\2"):
        kind = ".dta"
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html|\?xml|head|body|table)\b", start, re.IGNORECASE):
        kind, what = "", "a web page (perhaps a login page saved by mistake)"
    kind = suffix if kind == ".csv" and suffix in _TEXT else kind
    if kind != suffix:
        found = what or "text or something unknown"
        raise ResponseError([f"{file}: this is not {_NAMED[suffix]} file: it holds {found}; {_remedy(found, suffix)}"])


def _remedy(found: str, suffix: str) -> str:
    if suffix in _TEXT and any(kind in found for kind in ("Excel", "SPSS", "Stata", "Parquet")):
        return "give it the ending that it should have, or save it as CSV in UTF-8"
    return "export the answers again"


# Text: CSV with commas, semicolons or tabs


def _read_text(path: Path, file: str) -> RawTable:
    text, remarks = decoded(path.read_bytes(), file)
    stated = re.match(r"sep=(.)[^\S\r\n]*(\r\n|\r|\n)", text)
    if stated:
        delimiter = stated.group(1)
        text = text[stated.end() :]
        remarks += (("(separator)", f"line 1 says that {shown(delimiter)} separates the columns"),)
    else:
        delimiter = likely_separator(text)
    records = Records(text, delimiter, file, lines_before=1 if stated else 0)
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
        remarks=remarks,
    )


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
    rows, left_out = sheet_of_answers(path, file=file, known=known)
    header = ["" if cell is None else cell for cell in rows[0]]
    _require_header(header, file)
    table = np.array(rows[1:], dtype=object).reshape(len(rows) - 1, len(header))
    return _columnar(file, header, [Column.of(cells, str) for cells in table.T], left_out=left_out)


# SPSS and Stata


_PROGRAM = {".sav": "SPSS", ".dta": "Stata"}


def _read_statistics(path: Path, file: str, suffix: str) -> RawTable:
    """Read a file of SPSS or Stata; Stata's missing values .a to .z become these two signs."""
    import pyreadstat

    read = {".sav": pyreadstat.read_sav, ".dta": pyreadstat.read_dta}[suffix]
    program = _PROGRAM[suffix]
    try:
        columns, meta = read(str(path), user_missing=True, output_format="dict")
    except (pyreadstat.ReadstatError, UnicodeDecodeError) as error:
        raise ResponseError(
            [f"{file}: the {program} file cannot be read ({error}); save it again in {program}"]
        ) from None
    extended = {name: set(values) for name, values in (meta.missing_user_values or {}).items()}
    notes = [meta.file_label or "", *(meta.notes or [])]
    return replace(
        _columnar(
            file,
            list(columns),
            [
                Column.of(np.array(values, dtype=object), _stata_text(extended.get(name, set())))
                for name, values in columns.items()
            ],
            value_labels={
                column: {
                    _stata_text(extended.get(column, set()))(value) or "": label for value, label in labels.items()
                }
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
        ),
        stamp=next((note.strip() for note in notes if "sha256:" in note), ""),
    )


def _stata_text(extended: Collection[str]) -> Callable[[Any], str | None]:
    """Return how cells of a column become text, where `extended` are its missing values "a" to "z"."""
    return lambda value: f".{value}" if isinstance(value, str) and value in extended else cell_text(value)


# JSON


def _read_json(path: Path, file: str) -> RawTable:
    text, remarks = decoded(path.read_bytes(), file)
    return _documents(file, (_parsed(text, file, ""),), remarks)


def _read_json_lines(path: Path, file: str) -> RawTable:
    text, remarks = decoded(path.read_bytes(), file)
    lines = [(number, each) for number, each in enumerate(text.splitlines(), start=1) if each.strip()]
    return _documents(file, tuple(_parsed(each, file, f":{number}") for number, each in lines), remarks)


def _parsed(text: str, file: str, place: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        place = place or f":{error.lineno}"
        raise ResponseError([f"{file}{place}: this is not JSON ({error.msg}); export the answers again"]) from None
    except ValueError:  # Python converts no number of thousands of digits
        raise ResponseError(
            [f"{file}{place}: the JSON holds a number of thousands of digits; export the answers again"]
        ) from None
    except RecursionError:
        raise ResponseError([f"{file}{place}: the JSON is nested too deeply; export the answers again"]) from None


def _documents(file: str, documents: tuple[Any, ...], remarks: tuple[tuple[str, str], ...]) -> RawTable:
    none = np.array([], dtype=np.int64)
    return RawTable(file=file, names=(), columns=(), rows=none, documents=documents, remarks=remarks)


# Parquet


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
    return Column(texts=tuple(encoded.dictionary.to_pylist()), position=at).change(cell_text)


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


_MOST_COLUMNS, _LONGEST_HEADING = 20_000, 20_000
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060\u00ad"  # at the ends of a heading: a byte order mark, signs without width


def _require_header(header: Sequence[str], file: str) -> None:
    if not any(name.strip() for name in header):
        raise ResponseError([f"{file}: row 1 is empty; the first row must hold the column names"])
    if len(header) > _MOST_COLUMNS or max(map(len, header)) > _LONGEST_HEADING:
        raise ResponseError(
            [
                f"{file}: row 1 has {len(header):,} columns, the longest heading {max(map(len, header)):,} characters; no survey "
                f"has over {_MOST_COLUMNS:,} columns or headings of over {_LONGEST_HEADING:,}: this is another kind of file"
            ]
        )


def _names(header: Sequence[str]) -> tuple[str, ...]:
    return tuple(name.strip().strip(_INVISIBLE).strip() for name in header)


def _empty_rows(rows: Sequence[int]) -> tuple[tuple[str, int, str], ...]:
    if not rows:
        return ()
    places = ", ".join(map(str, rows[:10])) + (", …" if len(rows) > 10 else "")
    return (("(empty rows)", len(rows), f"rows in which every cell is empty: {places}"),)


def _one_of(names: Collection[str]) -> str:
    *rest, last = names
    return f"{', '.join(rest)} or {last}"
