"""Answers that the notebook form stored: a SQLite file with one table of answers (`instrument/forms/store.py` writes it).

The columns of the table are the canonical ones, so nothing is translated here. Drafts that were never sent stand in a
table of their own; they are counted, and not read.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import numpy as np

from instrument.cells import shown
from instrument.responses import ResponseError
from instrument.tables import Column, RawTable

ENDINGS = (".sqlite", ".db")
MARK = 0x50574951  # "PWIQ": SQLite's application_id of such a file
SCHEMA = 2  # SQLite's user_version: raised whenever the tables change; 1 had row numbers in the table of answers

_BEGINNING = b"SQLite format 3\0"
_PATIENCE = 15.0  # seconds to wait for somebody who writes
_UNDECODED = re.compile(r"Could not decode to UTF-8 column '(.*?)' with text", re.DOTALL)


def read_table(path: Path, *, file: str) -> RawTable:
    """Return the answers of a SQLite file, a row a response, by their random ids: not in the order sent.

    Parameters
    ----------
    path : Path
        It is opened for reading only; kernels may go on writing to it.
    file : str
        How messages call the file.

    Returns
    -------
    RawTable
        The first response is row 2, as in other formats without a header row.

    Raises
    ------
    ResponseError
        If it is no such file, or of a later schema, holds no answers, or is locked or damaged.
    """
    if path.is_dir():
        raise ResponseError([f"{file}: this is a folder, not a file of answers; name the file inside it"])
    with path.open("rb") as stream:
        start = stream.read(len(_BEGINNING))
    if not start:
        raise ResponseError([f"{file}: the file is empty; nothing has been stored in it yet"])
    if start != _BEGINNING:
        raise ResponseError([f"{file}: this is not a SQLite file; give it the ending of what it is"])
    try:
        with closing(_opened(path)) as database:
            _require_ours(database, file)
            cursor = database.execute("SELECT * FROM answers ORDER BY response")
            names = [str(each[0]) for each in cursor.description]
            rows = cursor.fetchall()
            drafts = int(database.execute("SELECT count(*) FROM drafts").fetchone()[0])
    except sqlite3.DatabaseError as error:
        raise ResponseError([f"{file}: {_told(error)}"]) from None
    if not rows:
        waiting = f", {drafts} {'draft' if drafts == 1 else 'drafts'} that nobody has sent" if drafts else ""
        raise ResponseError(
            [f"{file}: no answers have been sent to this file yet{waiting}; nothing can be read from it"]
        )
    return _table(file, path.suffix.lower(), names, rows, drafts)


def without_answers(error: sqlite3.Error) -> str:
    """Return what SQLite reports, without the answer that it quotes where a text is not UTF-8.

    Examples
    --------
    >>> without_answers(sqlite3.OperationalError("Could not decode to UTF-8 column 'open1' with text 'my secret'"))
    "column 'open1' holds what is no text in UTF-8"
    """
    found = _UNDECODED.match(str(error))
    return f"column {shown(found[1])} holds what is no text in UTF-8" if found else str(error)


def _opened(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)


def _require_ours(database: sqlite3.Connection, file: str) -> None:
    (mark,) = database.execute("PRAGMA application_id").fetchone()
    (schema,) = database.execute("PRAGMA user_version").fetchone()
    if mark != MARK:
        raise ResponseError(
            [
                f"{file}: this SQLite file was not made by the notebook form; export its table of answers as CSV, with the "
                "ids of the questions as column names"
            ]
        )
    if schema > SCHEMA:
        raise ResponseError(
            [
                f"{file}: the file was made by a later version of pwiq (schema {schema}; read is {SCHEMA}); install that version"
            ]
        )


def _told(error: sqlite3.DatabaseError) -> str:
    """Return what SQLite reports, as a sentence with a remedy."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
        return "another program is writing to the file and does not end; close it, and read again"
    if code in (sqlite3.SQLITE_CANTOPEN, sqlite3.SQLITE_READONLY):
        return (
            "the file cannot be opened: a program ended while it wrote, and the folder is read-only; copy the file and "
            "those beside it (-journal, -wal) to a folder that can be written to, and read it there"
        )
    return f"the SQLite file is damaged or cannot be read ({without_answers(error)}); take a copy from your backups"


def _table(file: str, kind: str, names: Sequence[str], rows: Sequence[tuple[object, ...]], drafts: int) -> RawTable:
    cells = np.empty((len(rows), len(names)), dtype=object)
    for at, row in enumerate(rows):
        cells[at] = row
    return RawTable(
        file=file,
        names=tuple(names),
        columns=tuple(Column.of(column, lambda value: None if value is None else str(value)) for column in cells.T),
        rows=np.arange(2, len(rows) + 2, dtype=np.int64),
        left_out=(("(drafts)", drafts, "begun and never sent; not read"),) if drafts else (),
        kind=kind,
    )
