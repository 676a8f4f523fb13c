"""Where the notebook form keeps answers: one SQLite file that several kernels may write to at once.

Every call opens the file, does one transaction and closes it, so that a kernel that dies leaves nothing open and
nothing half written. SQLite's rollback journal is used and not its write-ahead log: the log needs memory that all
programs share, which network folders do not give, and keeps answers in a second file that is easily left behind when
the first is copied. Writers wait for each other. https://sqlite.org/wal.html, https://sqlite.org/lockingv3.html
"""

from __future__ import annotations

import json
import re
import sqlite3
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from instrument.definition import Instrument
from instrument.platforms.answers import known_columns
from instrument.platforms.sqlite_answers import ENDINGS, MARK, SCHEMA, without_answers

PATIENCE: Final = 15.0  # seconds to wait for other writers; a kernel can do nothing else meanwhile

_LARGEST = (
    5_000_000  # characters of a draft or of one response: more than any questionnaire has, less than fills a disk
)
_NETWORK = frozenset(("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "glusterfs", "lustre", "fuse.sshfs"))
# What a file of text or a workbook cannot hold: control characters but for tab and line ends, half pairs, and no characters.
_UNSTORABLE = re.compile("[\0-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
_STAMPS = ("version", "definition")


Reason = Literal["read_only", "full", "held", "elsewhere", "sent", "refused"]


def storable(text: str) -> str:
    r"""Return a text with U+FFFD for what no table can hold: control characters, and halves of an emoji that was cut.

    Examples
    --------
    >>> storable("half \ud83d of an emoji") == "half \ufffd of an emoji"
    True
    """
    return _UNSTORABLE.sub("\ufffd", text)


class StoreError(ValueError):
    """Why nothing was stored, or the file cannot be used: one sentence for its reader.

    Parameters
    ----------
    message : str
    reason : str
        ``read_only``; disk ``full``; ``held`` by another program; the draft goes on ``elsewhere``; the response was
        ``sent`` already; ``refused`` for anything else.
    """

    def __init__(self, message: str, reason: Reason = "refused") -> None:
        super().__init__(message)
        self.reason: Reason = reason


@dataclass(frozen=True, kw_only=True)
class Draft:
    """Answers that were begun and not sent.

    Parameters
    ----------
    response : str
        The random id of the response that they will become.
    content : mapping
        What the form needs to go on.
    """

    response: str
    content: Mapping[str, Any]


class AnswerStore:
    """A SQLite file with the answers to one questionnaire.

    Parameters
    ----------
    path : str or path
        Ending in ``.sqlite`` or ``.db``. Made if it does not exist; its folder must.
    instrument : Instrument
        Whose answers it takes. Each response keeps the version and the digest that it was given to.

    Raises
    ------
    StoreError
        If it cannot be written to (read-only, disk full, another program holds it), is another kind of file, holds
        answers to another questionnaire, or was made by a later version of this package.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from instrument import read_instrument
    >>> with TemporaryDirectory() as folder:
    ...     store = AnswerStore(Path(folder) / "answers.sqlite", read_instrument("pwiq"))
    ...     store.append({"response": "r1", "form": "P", "roleaf": "4"})
    ...     store.append({"response": "r1", "form": "P", "roleaf": "4"})  # sent twice, stored once
    ...     len(store)
    True
    False
    1
    """

    def __init__(self, path: str | Path, instrument: Instrument) -> None:
        self.path = Path(path).absolute()  # a cell may change the working folder
        self.instrument = instrument
        if self.path.suffix.lower() not in ENDINGS:
            raise StoreError(f"{self.path.name}: the file of answers must end in {' or '.join(ENDINGS)}")
        try:
            self._require_place()
        except OSError as error:
            raise StoreError(f"{self.path}: {_CLOSED} ({error.strerror})", "read_only") from None
        with self._transaction() as database:
            self._prepare(database)

    def __len__(self) -> int:
        with self._transaction() as database:
            return int(database.execute("SELECT count(*) FROM answers").fetchone()[0])

    def append(self, answers: Mapping[str, str | None]) -> bool:
        """Store a response for good, and forget its draft.

        Parameters
        ----------
        answers : mapping
            Canonical column → what was answered; None or "" where nothing was. ``response`` must be there.

        Returns
        -------
        bool
            False if a response with this id and the same answers is stored already: it was sent twice.

        Raises
        ------
        StoreError
            If it cannot be stored, or other answers were stored under this id. Then nothing has changed.
        """
        row = {name: storable(value) for name, value in answers.items() if value}
        response = row.get("response")
        if not response:
            raise StoreError("a response needs an id in the column 'response'; nothing was stored")
        names = [*answers, *(name for name in _STAMPS if name not in answers)]
        if odd := [name for name in names if not name or name != name.strip() or '"' in name or "\0" in name]:
            raise StoreError(f"{odd[0]!r} cannot name a column; nothing was stored")
        if len({name.casefold() for name in names}) < len(names):
            raise StoreError("two columns have the same name but for capital letters; nothing was stored")
        if sum(map(len, row.values())) > _LARGEST:
            raise StoreError(f"the answers are longer than {_LARGEST:,} characters; nothing was stored")
        row = {"version": self.instrument.version, "definition": self._stamp} | row
        if row["version"] != self.instrument.version or _digest(row["definition"]) != _digest(self._stamp):
            raise StoreError(
                f"these answers were given to {row['definition']}, and the file was opened with {self._stamp}; nothing was stored"
            )
        with self._transaction() as database:
            self._add_columns(database, names)
            cursor = database.execute("SELECT * FROM answers WHERE response = ?", (response,))
            stored = cursor.fetchone()
            if stored is not None:
                self._require_same(row, dict(zip((each[0] for each in cursor.description), stored, strict=True)))
            else:
                quoted = ", ".join(f'"{name}"' for name in row)
                marks = ", ".join("?" * len(row))
                database.execute(f"INSERT INTO answers ({quoted}) VALUES ({marks})", tuple(row.values()))  # noqa: S608 names were checked
            database.execute("DELETE FROM drafts WHERE response = ?", (response,))
        return stored is None

    def _require_same(self, row: Mapping[str, str], stored: Mapping[str, str | None]) -> None:
        """Refuse other answers under an id that is taken; the time spent on a page may differ at a second try."""
        for name in known_columns(self.instrument):
            if (row.get(name) or None) != (stored.get(name) or None):
                raise StoreError(
                    f"response {row['response']} was sent before with another answer to {name}; what was sent first stays, "
                    "and nothing was stored now",
                    "sent",
                )

    def save_draft(
        self, response: str, content: Mapping[str, Any], *, place: str, window: str, take: bool = False
    ) -> None:
        """Keep a draft.

        Parameters
        ----------
        response : str
        content : mapping
            Anything that JSON can hold.
        place : str
            Which form and wave it is a draft of, and whose: for `load_draft`.
        window : str
            Where it is being filled in; it belongs to the window that saved it first.
        take : bool, default False
            From now on it belongs to this window.

        Raises
        ------
        StoreError
            If it cannot be stored, goes on in another window, or was sent already. What is in the file stays as it is.
        """
        text = json.dumps(content, ensure_ascii=True, allow_nan=False)
        if len(text) > _LARGEST:
            raise StoreError(f"the draft is longer than {_LARGEST:,} characters; it was not stored")
        with self._transaction() as database:
            if database.execute("SELECT 1 FROM answers WHERE response = ?", (response,)).fetchone():
                raise StoreError("these answers were sent already, from another window; nothing was stored", "sent")
            found = database.execute("SELECT holder FROM drafts WHERE response = ?", (response,)).fetchone()
            if found and found[0] != window and not take:
                raise StoreError("these answers go on in another window; nothing was stored from this one", "elsewhere")
            # A counter and not the time of day: clocks are changed.
            (last,) = database.execute("SELECT coalesce(max(changed), 0) FROM drafts").fetchone()
            database.execute(
                "INSERT OR REPLACE INTO drafts VALUES (?, ?, ?, ?, ?, ?, ?)",
                (response, place, self.instrument.version, self._stamp, window, last + 1, text),
            )

    def load_draft(self, place: str) -> Draft | None:
        """Return the draft that was saved last for a place; None if there is none for this very definition.

        A draft of another version is never continued: its questions may differ. It stays in the file (`notes`).
        """
        with self._transaction() as database:
            found = database.execute(
                "SELECT response, draft FROM drafts WHERE place = ? AND definition = ? ORDER BY changed DESC LIMIT 1",
                (place, self._stamp),
            ).fetchone()
        return None if found is None else Draft(response=found[0], content=json.loads(found[1]))

    def drop_draft(self, response: str) -> None:
        """Forget a draft: its text is overwritten in the file."""
        with self._transaction() as database:
            database.execute("DELETE FROM drafts WHERE response = ?", (response,))

    def notes(self) -> tuple[str, ...]:
        """Return sentences about the file that whoever collects answers should know; none if all is as it should be."""
        with self._transaction() as database:
            rows = database.execute("SELECT version, definition FROM answers ORDER BY version, definition").fetchall()
            drafts = database.execute(
                "SELECT version, count(*) FROM drafts WHERE definition <> ? GROUP BY 1 ORDER BY 1", (self._stamp,)
            ).fetchall()
        own = self.instrument.version
        told = []
        counts = Counter((version, _digest(definition)) for version, definition in rows)
        for (version, digest), count in counts.items():
            if version != own:
                told.append(
                    f"{self.path.name} holds {_counted(count, 'response')} to version {version}; new ones are to version "
                    f"{own}. Each keeps its version; reading the file says what stays comparable."
                )
            elif digest != _digest(self._stamp):
                told.append(
                    f"{self.path.name} holds {_counted(count, 'response')} to version {version} whose definition was "
                    "edited since without raising its version: raise the version."
                )
        for version, count in drafts:
            told.append(
                f"{self.path.name} holds {_counted(count, 'draft')} of version {version} or of a definition edited since, "
                "which cannot be continued with this one."
            )
        if _is_network(self.path):
            told.append(
                f"{self.path.name} lies on a network folder, where locks may fail: let one kernel at a time write to it, "
                "and keep a copy."
            )
        return tuple(told)

    # The file

    @property
    def _stamp(self) -> str:
        return f"{self.instrument.id} {self.instrument.version} sha256:{self.instrument.digest[:16]}"

    def _require_place(self) -> None:
        if not self.path.parent.is_dir():
            raise StoreError(f"{self.path}: there is no folder {self.path.parent}; make it first")
        if self.path.is_dir():
            raise StoreError(f"{self.path}: this is a folder; name a file in it")

    def _prepare(self, database: sqlite3.Connection) -> None:
        (mark,) = database.execute("PRAGMA application_id").fetchone()
        (schema,) = database.execute("PRAGMA user_version").fetchone()
        tables = [name for (name,) in database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        if mark != MARK and tables:
            raise StoreError(
                f"{self.path.name}: this SQLite file holds something else ({', '.join(tables[:3])}); name another file"
            )
        if schema > SCHEMA:
            raise StoreError(
                f"{self.path.name}: the file was made by a later version of pwiq (schema {schema}, known is {SCHEMA}); "
                "install that version, or name another file"
            )
        database.execute(f"PRAGMA application_id = {MARK}")
        # This writes: a file that cannot be written to shows now. One that was there keeps the tables it has.
        database.execute(f"PRAGMA user_version = {schema if tables else SCHEMA}")
        database.execute("CREATE TABLE IF NOT EXISTS about (name TEXT PRIMARY KEY NOT NULL, value TEXT NOT NULL)")
        # Without row numbers, which would tell who sent first: rows lie in the order of their random ids.
        database.execute("CREATE TABLE IF NOT EXISTS answers (response TEXT PRIMARY KEY NOT NULL) WITHOUT ROWID")
        database.execute(
            "CREATE TABLE IF NOT EXISTS drafts (response TEXT PRIMARY KEY NOT NULL, place TEXT NOT NULL, "
            "version TEXT NOT NULL, definition TEXT NOT NULL, holder TEXT NOT NULL, changed INTEGER NOT NULL, "
            "draft TEXT NOT NULL)"
        )
        database.execute("INSERT OR IGNORE INTO about VALUES ('questionnaire', ?)", (self.instrument.id,))
        (owner,) = database.execute("SELECT value FROM about WHERE name = 'questionnaire'").fetchone()
        if owner != self.instrument.id:
            raise StoreError(
                f"{self.path.name} holds answers to {owner}, and this is {self.instrument.id}: each questionnaire needs a "
                "file of its own"
            )
        self._add_columns(database, _STAMPS)

    def _add_columns(self, database: sqlite3.Connection, names: Any) -> None:
        """Add the columns that are not there yet; SQLite takes capital and small letters for the same."""
        there = {str(each[1]).casefold() for each in database.execute("PRAGMA table_info(answers)")}
        for name in names:
            if name.casefold() not in there:
                database.execute(f'ALTER TABLE answers ADD COLUMN "{name}" TEXT')

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """Open the file, and do all or nothing; what SQLite reports becomes a sentence."""
        try:
            with closing(self._connected()) as database:
                database.execute("BEGIN IMMEDIATE")
                try:
                    if database.execute("PRAGMA application_id").fetchone() != (MARK,):
                        self._prepare(database)  # new, or somebody moved the one that was here
                    yield database
                    database.execute("COMMIT")
                except BaseException:
                    if database.in_transaction:
                        database.execute("ROLLBACK")
                    raise
        except sqlite3.Error as error:
            sentence, reason = _told(error)
            raise StoreError(f"{self.path}: {sentence}", reason) from None

    def _connected(self) -> sqlite3.Connection:
        database = sqlite3.connect(self.path, timeout=PATIENCE, isolation_level=None)
        try:
            (journal,) = database.execute("PRAGMA journal_mode").fetchone()
            if journal == "wal":  # somebody's program switched it on; see above why it must not be
                database.execute("PRAGMA journal_mode = DELETE")
            database.execute("PRAGMA synchronous = EXTRA")  # a response that was acknowledged survives a power cut
            database.execute("PRAGMA secure_delete = ON")  # what was dropped is not left in the file
        except BaseException:
            database.close()
            raise
        return database


_CLOSED = "the folder cannot be looked into; nothing was stored. Choose a folder of your own"
_READ_ONLY = "the file or its folder is read-only; nothing was stored. Choose a folder of your own"
_HELD = "another program holds the file and does not let go; nothing was stored. Close it, then try again"
_SENTENCES: Final[Mapping[int, tuple[str, Reason]]] = {
    sqlite3.SQLITE_READONLY: (_READ_ONLY, "read_only"),
    sqlite3.SQLITE_PERM: (_READ_ONLY, "read_only"),
    sqlite3.SQLITE_CANTOPEN: (
        "the file cannot be opened or made: its folder is read-only or has gone; nothing was stored. Choose a folder of "
        "your own",
        "read_only",
    ),
    sqlite3.SQLITE_FULL: ("the disk is full; nothing was stored. Make room, then try again", "full"),
    sqlite3.SQLITE_BUSY: (_HELD, "held"),
    sqlite3.SQLITE_LOCKED: (_HELD, "held"),
    sqlite3.SQLITE_PROTOCOL: (
        "the folder does not let programs lock files; nothing was stored. Choose a folder of this computer",
        "refused",
    ),
    sqlite3.SQLITE_NOTADB: ("this is not a SQLite file; name another", "refused"),
    sqlite3.SQLITE_CORRUPT: (
        "the file is damaged; nothing was stored. Keep it for whoever may mend it, and name a new one",
        "refused",
    ),
}


def _told(error: sqlite3.Error) -> tuple[str, Reason]:
    """Return what SQLite reports, as a sentence with a remedy."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF  # the rest of the number tells of details
    other = (
        f"the file cannot be read or written ({without_answers(error)}); nothing was stored. Look whether the disk is "
        "full or has gone"
    )
    return _SENTENCES.get(code, (other, "refused"))


def _digest(stamp: str) -> str:
    """Return the part of a stamp that tells one definition from every other."""
    return stamp.rpartition("sha256:")[2]


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


_MOUNTS = Path("/proc/self/mounts")  # of Linux


def _is_network(path: Path) -> bool:
    """Return whether a file lies on a folder of another computer, where this system tells."""
    whole = path.resolve()  # a link may lead there
    if str(whole).startswith("\\\\"):
        return True
    if not _MOUNTS.exists():
        return False
    best, kind = "", ""
    for line in _MOUNTS.read_text(encoding="utf-8", errors="replace").splitlines():
        _, folder, found, *_ = line.split(" ")
        folder = re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), folder)  # blanks are written \040
        if whole.is_relative_to(folder) and len(folder) >= len(best):
            best, kind = folder, found
    return kind in _NETWORK
