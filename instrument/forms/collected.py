"""The answers that web forms posted, or that people or a shared device saved, as one table that `read_responses` reads.

A document is what the form writes, one a file; ``try`` counts how often the same answers were sent (1 if it is not there):
``{"format": 1, "stamp": …, "try": 1, "columns": […], "responses": [{column: text}]}``. A CSV that the form saved is read
as the same document.

Anybody may post to a public address. A document that is not as the form writes it is refused, with all that is wrong with
any of them, so that whoever collects can set the bad ones aside: dropped without a word, a form's fault would cost answers.
"""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import pandas as pd

from instrument.cells import shown
from instrument.files import unmasked
from instrument.forms.store import storable
from instrument.forms.survey_json import FORMAT
from instrument.meanings import BLANKS
from instrument.responses import SECONDS, ResponseError

LONGEST: Final = 20_000  # characters of an answer, as in assets/questionnaire.js

_RESPONSE = "response"
_ID = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")
# No form writes others; a spreadsheet would run some as formulas, and readers take off blanks.
_COLUMN = re.compile(r"[A-Za-z][0-9A-Za-z_.-]{0,199}")
_MOST_COLUMNS = 2_000
_REMEDY = "move this file out of the folder, keep it, and collect again"
_TOLD = 5  # of many columns, files or cells


def collected(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Return the answers of the form's JSON and CSV files as one table, each response once.

    Parameters
    ----------
    paths : sequence of str or path
        Files of posted answers, or of a shared device; files of several devices and rounds together.

    Returns
    -------
    pandas.DataFrame
        Response × column, text, blanks empty, by the random id: the order in which people sent is not kept. A response
        that came more than once (sent again because the reply was lost, or saved twice) stands once, as it came at its
        last try. ``attrs["remarks"]``, a tuple of sentences, says how many answers were replaced by those of a later
        try, and which cells had characters that no table can hold; these are now U+FFFD.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ResponseError
        If a file is no such document, or the same try of a response came with different answers; every fault, a line each.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     document = '{"format": 1, "columns": ["response", "roleaf"], "responses": [{"response": "a", "roleaf": "5"}]}'
    ...     for name in ("one.json", "two.json"):
    ...         _ = Path(folder, name).write_text(document)
    ...     table = collected([f"{folder}/one.json", f"{folder}/two.json"])
    >>> table.values.tolist(), table.attrs["remarks"]
    ([['a', '5']], ())
    """
    files = [Path(path) for path in paths]
    _require_there(files)
    faults: list[str] = []
    documents = []
    for path, name in zip(files, _names(files), strict=True):
        document = _Document(name)
        faults += [f"{name}: {fault}; {_REMEDY}" for fault in document.read(path)]
        documents.append(document)
    tries = _Tries()
    faults += [fault for document in documents for fault in tries.add(document)]
    faults += [*_spelled_apart(documents), *_keyed_apart(documents)]
    if faults:
        raise ResponseError(faults)
    columns = list(dict.fromkeys(column for document in documents for column in document.columns))
    table = [[row.get(column, "") for column in columns] for row in tries.last()]
    frame = pd.DataFrame(table, columns=columns, dtype=str)
    frame.attrs["remarks"] = (*tries.remarks(), *_marked(documents))
    return frame


def _require_there(paths: Sequence[Path]) -> None:
    """Refuse paths where nothing is; a folder that may not be looked into shows when its file is read."""
    missing = []
    for path in paths:
        try:
            path.stat()
        except FileNotFoundError:
            missing.append(str(path))
        except OSError:
            continue
    if missing:
        raise FileNotFoundError(f"no such file: {', '.join(missing)}")


def _names(paths: Sequence[Path]) -> list[str]:
    """Return how messages call the files: their names, with the folder where two have the same one."""
    counts = Counter(path.name for path in paths)
    names = [path.name if counts[path.name] == 1 else str(path) for path in paths]
    return ["".join(sign if sign.isprintable() else repr(sign)[1:-1] for sign in name) for name in names]


@dataclass
class _Document:
    """What one file holds, as far as nothing is wrong with it."""

    name: str
    number: int = 1  # of the try
    columns: list[str] = field(default_factory=list)
    rows: list[tuple[int, dict[str, str]]] = field(default_factory=list)  # each with its number in the file
    marked: list[str] = field(default_factory=list)  # places of cells

    def read(self, path: Path) -> Iterator[str]:
        """Fill it from a file; yield all that is wrong."""
        try:
            # A pipe would be waited for, and a device never ends.
            if not path.is_file():
                yield "this is not a file: give the files that the web form posted or saved"
                return
            if path.suffix.lower() == ".csv":
                found = _saved_table(path)
            else:
                found = json.loads(path.read_text(encoding="utf-8-sig"), object_pairs_hook=_Object)
        except csv.Error as error:
            yield f"is not CSV as the web form saves it: {error}"
        except OSError as error:
            yield f"the file cannot be read ({error.strerror})"
        except RecursionError:
            yield "is not JSON as the web form writes it: it is nested too deeply"
        except ValueError as error:
            yield f"is not {path.suffix.lstrip('.').upper() or 'JSON'} as the web form writes it: {error}"
        else:
            yield from self._take(found)

    def _take(self, found: Any) -> Iterator[str]:
        if not isinstance(found, dict) or found.get("format") != FORMAT:
            yield f"is no document of answers (format {FORMAT})"
            return
        yield from _doubled(found, "the document")
        self.number = found.get("try", 1)
        if type(self.number) is not int or self.number < 1:
            yield f"try is {_value(self.number)}, and no whole number from 1"
            self.number = 1
        columns, responses = found.get("columns"), found.get("responses")
        if not isinstance(columns, list) or not all(isinstance(each, str) for each in columns):
            yield "columns is not a list of texts"
        elif wrong := list(_wrong_columns(columns)):
            yield from wrong
        else:
            self.columns = columns
        if not isinstance(responses, list):
            yield "responses is not a list"
            return
        for number, row in enumerate(responses, start=1):
            if not isinstance(row, dict):
                yield f"response {number} is {_value(row)}, and no table of texts"
            elif wrong := list(_wrong_row(row, self.columns or list(row))):
                yield from (f"response {number}: {fault}" for fault in wrong)
            else:
                self.rows.append((number, {column: self._text(number, column, row[column]) for column in row}))

    def _text(self, number: int, column: str, text: str) -> str:
        # Text boxes write line ends so; a lone return would end the row for those who read the table.
        plain = text.replace("\r\n", "\n").replace("\r", "\n")
        if (kept := storable(plain)) != plain:
            self.marked.append(f"{self.name}: response {number}: {column}")
        return kept


def _saved_table(path: Path) -> dict[str, Any]:
    """Return a CSV that the form saved as the document that it would have posted."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        header, *rows = list(csv.reader(file, strict=True)) or [[]]
    if "definition" not in header:
        raise csv.Error("it has no column 'definition'; a file that a spreadsheet saved again is not taken")
    if uneven := next((at for at, row in enumerate(rows, start=2) if len(row) != len(header)), None):
        raise csv.Error(f"row {uneven} has another number of cells than the first")
    columns = [unmasked(name) for name in header]
    found = [dict(zip(columns, map(unmasked, row), strict=True)) for row in rows]
    return {"format": FORMAT, "columns": columns, "responses": found}


class _Object(dict[str, Any]):
    """An object of JSON, with the names that stand in it more than once: Python would take the last."""

    def __init__(self, pairs: Sequence[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        self.doubled = [name for name, count in Counter(name for name, _ in pairs).items() if count > 1]


def _doubled(found: dict[str, Any], where: str) -> Iterator[str]:
    for name in getattr(found, "doubled", ()):
        yield f"{where} holds {shown(name)} more than once"


def _wrong_columns(columns: Sequence[str]) -> Iterator[str]:
    if len(columns) > _MOST_COLUMNS:
        yield f"has {len(columns):,} columns, and no form has over {_MOST_COLUMNS:,}"
        return
    for column in columns:
        if not _COLUMN.fullmatch(column):
            yield (
                f"column {shown(column)}: names of columns begin with a letter and hold letters, digits, _, - and . only, "
                "without blanks"
            )
    spellings: dict[str, str] = {}
    for column in columns:
        if column.casefold() in spellings:
            yield f"column {shown(column)} stands there twice (as {shown(spellings[column.casefold()])})"
        spellings[column.casefold()] = column
    if _RESPONSE not in columns:
        yield f"has no column {_RESPONSE!r}"


def _wrong_row(row: dict[str, Any], columns: Sequence[str]) -> Iterator[str]:
    yield from _doubled(row, "it")
    for column, value in row.items():
        if not isinstance(value, str):
            yield f"{_heading(column)}: {_value(value)} is no text"
        elif len(value) > LONGEST:
            yield f"{_heading(column)}: the text has {len(value):,} characters, and the form takes {LONGEST:,}"
    known = set(columns)
    if strange := [_heading(column) for column in row if column not in known]:
        yield f"{_list(strange)}: not among the columns of the document"
    name = row.get(_RESPONSE, "")
    if isinstance(name, str) and (not _ID.fullmatch(name) or name in BLANKS):
        yield f"{_RESPONSE}: {shown(name)} is no id: letters and digits without blanks"


class _Tries:
    """Every try to send a response, by its id."""

    def __init__(self) -> None:
        self._of: dict[str, dict[int, tuple[str, dict[str, str]]]] = {}

    def add(self, document: _Document) -> Iterator[str]:
        """Take what a document holds; yield which responses came before with other answers, at the same try."""
        for number, row in document.rows:
            place = f"{document.name}: response {number}"
            came, first = self._of.setdefault(row[_RESPONSE], {}).setdefault(document.number, (place, row))
            if apart := _apart(first, row):
                yield (
                    f"{place}: {shown(row[_RESPONSE])} came in {came} with other answers to {_list(apart)}; "
                    "ask how both came about, and take one out"
                )

    def last(self) -> list[dict[str, str]]:
        """Return each response as it came at its last try, by its id."""
        return [tries[max(tries)][1] for _, tries in sorted(self._of.items())]

    def remarks(self) -> Iterator[str]:
        """Yield how many responses had other answers at an earlier try."""
        replaced = sum(
            any(_apart(row, tries[max(tries)][1]) for _, row in tries.values()) for tries in self._of.values()
        )
        if replaced:
            yield (
                f"{replaced} {'response was' if replaced == 1 else 'responses were'} sent again with other answers: those of "
                "the last try stand."
            )


def _apart(first: Mapping[str, str], again: Mapping[str, str]) -> list[str]:
    """Return the columns in which two rows differ, but for the time that has gone by between two tries."""
    return [
        column
        for column in {**first, **again}
        if first.get(column, "") != again.get(column, "") and column != "date" and not column.startswith(SECONDS)
    ]


def _spelled_apart(documents: Sequence[_Document]) -> Iterator[str]:
    """Yield the columns whose names are the same but for capital letters; the rarest spelling is taken for the wrong one."""
    holders: dict[str, list[str]] = {}
    for document in documents:
        for column in document.columns:
            holders.setdefault(column, []).append(document.name)
    spellings: dict[str, list[str]] = {}
    for column in holders:
        spellings.setdefault(column.casefold(), []).append(column)
    for columns in spellings.values():
        usual, *others = sorted(columns, key=lambda column: len(holders[column]), reverse=True)
        for column in others:
            for name in holders[column]:
                yield (
                    f"{name}: column {shown(column)} is {shown(usual)} elsewhere ({_list(holders[usual])}), "
                    f"with other capital letters; {_REMEDY}"
                )


def _keyed_apart(documents: Sequence[_Document]) -> Iterator[str]:
    """Yield the documents that fill a key which most leave empty, or the other way round: readers want all or none."""
    for key in ("person", "wave"):
        filled: list[str] = []
        empty: list[str] = []
        for document in documents:
            if document.rows:
                (filled if all(row.get(key) for _, row in document.rows) else empty).append(document.name)
        if not filled or not empty:
            continue
        few, what = (filled, "fills") if len(filled) <= len(empty) else (empty, "does not fill")
        for name in few:
            yield f"{name}: {what} the column {key!r}, unlike the others ({_list(empty if few is filled else filled)}); {_REMEDY}"


def _marked(documents: Sequence[_Document]) -> Iterator[str]:
    if cells := [place for document in documents for place in document.marked]:
        yield (
            f"{len(cells)} {'cell' if len(cells) == 1 else 'cells'} held characters that no table can hold; they now are "
            f"\ufffd: {_list(cells)}."
        )


def _heading(column: str) -> str:
    return column if _COLUMN.fullmatch(column) else shown(column)


def _value(value: Any) -> str:
    if isinstance(value, dict | list):
        return "a list" if isinstance(value, list) else "a table"
    return shown(value) if isinstance(value, str) else json.dumps(value)[:40]


def _list(names: Sequence[str]) -> str:
    more = len(names) - _TOLD
    return ", ".join(names[:_TOLD]) + (f" and {more} more" if more > 0 else "")
