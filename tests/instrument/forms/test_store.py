"""Answers in a SQLite file: several writers, dying ones, full disks, read-only folders, other versions."""

from __future__ import annotations

import os
import signal
import sqlite3
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from instrument import read_instrument
from instrument.forms import store as store_module
from instrument.forms.store import AnswerStore, StoreError
from instrument.platforms.sqlite_answers import read_table

DEFINITION = Path(__file__).parents[2] / "data" / "forms.toml"
CANTEEN = read_instrument(DEFINITION)
HOSTILE = "<script>alert(1)</script> =cmd|' /C calc'!A1 \"quoted\"\r\n🙂👩🏽‍⚕️ ñ" + "x" * 10_000


def stored(path: Path, sql: str = "SELECT * FROM answers") -> list[dict[str, Any]]:
    """What sqlite3 itself reads."""
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    rows = [dict(row) for row in database.execute(sql)]
    database.close()
    return rows


def whole(path: Path) -> bool:
    database = sqlite3.connect(path)
    said = database.execute("PRAGMA integrity_check").fetchone()[0]
    database.close()
    return bool(said == "ok")


def edited(version: str = "", digest: str = "") -> Any:
    return replace(CANTEEN, version=version or CANTEEN.version, digest=digest or CANTEEN.digest)


def test_a_response_is_stored_as_it_was_given(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    assert store.append({"response": "r1", "form": "P", "foodaf": "4", "foodab": None, "opennotes": HOSTILE})
    (row,) = stored(store.path)
    assert (row["response"], row["foodaf"], row["foodab"], row["opennotes"]) == ("r1", "4", None, HOSTILE)
    assert row["version"] == CANTEEN.version
    assert row["definition"].endswith(f"sha256:{CANTEEN.digest[:16]}")
    assert len(store) == 1


def test_what_a_text_file_cannot_hold_is_marked_and_not_refused(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.db", CANTEEN)
    store.append({"response": "r1", "opennotes": "half \ud83d of an emoji, NUL \0, bell \a.\tTab,\r\nline"})
    assert stored(store.path)[0]["opennotes"] == "half \ufffd of an emoji, NUL \ufffd, bell \ufffd.\tTab,\r\nline"


def test_sent_twice_is_stored_once_and_never_changed(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    assert store.append({"response": "r1", "foodaf": "4", "foodab": "", "seconds_food": "3.1"})
    assert not store.append({"response": "r1", "foodaf": "4", "foodab": None, "seconds_food": "9.5"})
    with pytest.raises(StoreError, match="sent before with another answer to foodaf") as caught:
        store.append({"response": "r1", "foodaf": "5"})
    assert caught.value.reason == "sent"
    assert [(row["foodaf"], row["seconds_food"]) for row in stored(store.path)] == [("4", "3.1")]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"foodaf": "4"}, "needs an id"),
        ({"response": "r", 'x" TEXT); DROP TABLE answers; --': "1"}, "cannot name a column"),
        ({"response": "r", "foodaf": "1", "FoodAF": "2"}, "same name but for capital letters"),
        ({"response": "r", "version": "9.9.9"}, "opened with"),
        ({"response": "r", "definition": "canteen 1.0.0 sha256:0000"}, "opened with"),
        ({"response": "r", "opennotes": "x" * 5_000_001}, "longer than"),
    ],
)
def test_what_is_no_response_is_refused(tmp_path: Path, row: dict[str, str], message: str) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    with pytest.raises(StoreError, match=message):
        store.append(row)
    assert stored(store.path) == []


def test_who_sent_first_cannot_be_seen(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    for response in ("z", "a", "m"):
        store.append({"response": response, "foodaf": "4"})
    assert [row["response"] for row in stored(store.path)] == ["a", "m", "z"]
    with pytest.raises(sqlite3.OperationalError, match="no such column: rowid"):
        stored(store.path, "SELECT rowid FROM answers")


def test_a_file_with_row_numbers_is_gone_on_with(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    old = sqlite3.connect(store.path)
    old.executescript("DROP TABLE answers; CREATE TABLE answers (response TEXT PRIMARY KEY NOT NULL)")
    old.execute("PRAGMA user_version = 1")
    old.close()
    again = AnswerStore(store.path, CANTEEN)
    assert [again.append({"response": response, "foodaf": "4"}) for response in ("z", "a")] == [True, True]
    assert stored(store.path, "PRAGMA user_version") == [{"user_version": 1}]
    assert read_table(store.path, file="a.sqlite").columns[0].strings().tolist() == ["a", "z"]


def test_no_answer_stands_in_a_message(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    store.append({"response": "r1", "opennotes": "x"})
    other = sqlite3.connect(store.path)
    other.execute("UPDATE answers SET opennotes = CAST(x'736563726574ff' AS TEXT)")
    other.commit()
    other.close()
    with pytest.raises(StoreError, match="column 'opennotes' holds what is no text in UTF-8") as caught:
        store.append({"response": "r1", "opennotes": "x"})
    assert "secret" not in str(caught.value)


MANY = 30
# Processes of their own, as kernels are, begun by one that has imported all they need.
WRITERS = """
import os, sys
from pathlib import Path
from instrument import read_instrument
from instrument.forms.store import AnswerStore
path, many, canteen = Path(sys.argv[1]), int(sys.argv[2]), read_instrument(sys.argv[3])
writers = []
for name in "ab":
    if writer := os.fork():
        writers.append(writer)
        continue
    store = AnswerStore(path, canteen)  # the file is made by whoever comes first
    for number in range(many):
        store.append({"response": f"{name}{number}", "foodaf": str(number % 5 + 1), f"extra_{name}": "x"})
        store.save_draft(f"draft{name}", {"step": number}, place=name, window=name)
    os._exit(0)
sys.exit(any(os.waitpid(writer, 0)[1] for writer in writers))
"""
DYING = """
import os, signal, sys
from pathlib import Path
from instrument import read_instrument
from instrument.forms.store import AnswerStore
with AnswerStore(Path(sys.argv[1]), read_instrument(sys.argv[2]))._transaction() as database:
    database.execute("PRAGMA cache_size = 1")  # so that pages reach the file before the end
    for number in range(300):
        database.execute("INSERT INTO answers (response, definition) VALUES (?, ?)", (f"lost{number}", "x" * 2000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_two_processes_write_at_once_and_nothing_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    subprocess.run([sys.executable, "-c", WRITERS, str(path), str(MANY), str(DEFINITION)], check=True, timeout=120)
    assert {row["response"] for row in stored(path)} == {f"{name}{number}" for name in "ab" for number in range(MANY)}
    drafts = {row["place"]: row["draft"] for row in stored(path, "SELECT * FROM drafts")}
    assert drafts == dict.fromkeys("ab", f'{{"step": {MANY - 1}}}')
    assert whole(path)
    assert [each.name for each in tmp_path.iterdir()] == ["a.sqlite"]  # one file, which can be copied


def test_a_kernel_that_dies_in_the_middle_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    AnswerStore(path, CANTEEN).append({"response": "kept"})
    died = subprocess.run([sys.executable, "-c", DYING, str(path), str(DEFINITION)], check=False, timeout=60)
    assert died.returncode == -signal.SIGKILL
    assert path.with_name("a.sqlite-journal").exists()  # it did die in the middle
    store = AnswerStore(path, CANTEEN)
    assert store.append({"response": "next"})
    assert [row["response"] for row in stored(path)] == ["kept", "next"]
    assert whole(path)


def test_a_file_that_was_moved_away_is_made_anew_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = AnswerStore("a.sqlite", CANTEEN)
    store.append({"response": "r1"})
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")  # as a cell may do
    store.path.rename(tmp_path / "archived.sqlite")
    assert store.append({"response": "r2"})
    assert [row["response"] for row in stored(tmp_path / "a.sqlite")] == ["r2"]
    assert [row["response"] for row in stored(tmp_path / "archived.sqlite")] == ["r1"]
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_a_network_folder_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    far, near = tmp_path / "far away", tmp_path / "far away" / "near"
    near.mkdir(parents=True)
    (tmp_path / "link").symlink_to(far)
    mounts = tmp_path / "mounts"
    escaped = str(far).replace(" ", "\\040")
    mounts.write_text(f"root / ext4 rw 0 0\nserver:/x {escaped} nfs4 rw 0 0\ndisk {escaped}/near ext4 rw 0 0\n")
    monkeypatch.setattr(store_module, "_MOUNTS", mounts)
    for folder in (far, tmp_path / "link"):
        (note,) = AnswerStore(folder / "a.sqlite", CANTEEN).notes()
        assert note.startswith("a.sqlite lies on a network folder, where locks may fail")
    for folder in (near, tmp_path):
        assert AnswerStore(folder / "a.sqlite", CANTEEN).notes() == ()


def test_a_full_disk_is_said_and_nothing_is_half_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    store.append({"response": "kept", "foodaf": "4"})
    connected = store._connected

    def on_a_full_disk() -> sqlite3.Connection:
        database = connected()
        (pages,) = database.execute("PRAGMA page_count").fetchone()
        database.execute(f"PRAGMA max_page_count = {pages}")
        return database

    monkeypatch.setattr(store, "_connected", on_a_full_disk)
    with pytest.raises(StoreError, match="the disk is full; nothing was stored") as caught:
        store.append({"response": "lost", "opennotes": "x" * 100_000})
    assert caught.value.reason == "full"
    monkeypatch.undo()
    assert [row["response"] for row in stored(store.path)] == ["kept"]
    assert store.append({"response": "lost", "opennotes": "x" * 100_000})  # Send pressed again


@pytest.fixture
def read_only() -> Iterator[Path]:
    """A folder that cannot be written to, by root neither: the test goes on as nobody."""
    folder = Path(tempfile.mkdtemp())
    AnswerStore(folder / "a.sqlite", CANTEEN).append({"response": "kept"})
    (folder / "a.sqlite").chmod(0o444)
    folder.chmod(stat.S_IRUSR | stat.S_IXUSR | stat.S_IRGRP | stat.S_IXGRP | stat.S_IROTH | stat.S_IXOTH)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    yield folder
    os.seteuid(me)
    folder.chmod(0o700)
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


@pytest.mark.parametrize("name", ["a.sqlite", "new.sqlite"])
def test_a_read_only_folder_is_said_before_anybody_answers(read_only: Path, name: str) -> None:
    with pytest.raises(StoreError, match=r"read-only.*nothing was stored") as caught:
        AnswerStore(read_only / name, CANTEEN)
    assert caught.value.reason == "read_only"
    assert str(caught.value).count("\n") == 0


def test_a_folder_that_may_not_be_entered_is_said() -> None:
    closed = Path(tempfile.mkdtemp())
    closed.chmod(0)
    me = os.geteuid()
    if me == 0:
        os.seteuid(65534)
    try:
        with pytest.raises(StoreError, match="the folder cannot be looked into; nothing was stored") as caught:
            AnswerStore(closed / "a.sqlite", CANTEEN)
    finally:
        os.seteuid(me)
        closed.rmdir()
    assert caught.value.reason == "read_only"


def test_another_program_that_holds_the_file_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_module, "PATIENCE", 0.05)
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreError, match="another program holds the file") as caught:
        store.append({"response": "r"})
    assert caught.value.reason == "held"
    holder.execute("ROLLBACK")
    holder.close()
    assert store.append({"response": "r"})


def test_a_file_that_was_put_into_wal_mode_is_taken_out_of_it(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    other = sqlite3.connect(store.path)
    assert other.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
    other.close()
    store.append({"response": "r"})
    assert [each.name for each in tmp_path.iterdir()] == ["a.sqlite"]
    assert stored(store.path, "PRAGMA journal_mode") == [{"journal_mode": "delete"}]


def test_files_that_are_something_else_are_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"must end in \.sqlite or \.db"):
        AnswerStore(tmp_path / "a.csv", CANTEEN)
    with pytest.raises(StoreError, match="there is no folder"):
        AnswerStore(tmp_path / "none" / "a.sqlite", CANTEEN)
    (tmp_path / "folder.db").mkdir()
    with pytest.raises(StoreError, match="this is a folder"):
        AnswerStore(tmp_path / "folder.db", CANTEEN)
    (tmp_path / "text.sqlite").write_text("person,foodaf\n" * 100)
    with pytest.raises(StoreError, match="not a SQLite file"):
        AnswerStore(tmp_path / "text.sqlite", CANTEEN)
    other = sqlite3.connect(tmp_path / "other.sqlite")
    other.execute("CREATE TABLE patients (id)")
    other.close()
    with pytest.raises(StoreError, match=r"holds something else \(patients\)"):
        AnswerStore(tmp_path / "other.sqlite", CANTEEN)
    AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    with pytest.raises(StoreError, match=f"holds answers to {CANTEEN.id}, and this is pwiq"):
        AnswerStore(tmp_path / "a.sqlite", read_instrument("pwiq"))
    later = sqlite3.connect(tmp_path / "a.sqlite")
    later.execute("PRAGMA user_version = 99")
    later.close()
    with pytest.raises(StoreError, match=r"later version of pwiq \(schema 99"):
        AnswerStore(tmp_path / "a.sqlite", CANTEEN)


def test_a_damaged_file_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    store = AnswerStore(path, CANTEEN)
    store.append({"response": "r", "opennotes": "x" * 50_000})
    content = bytearray(path.read_bytes())
    content[100:4096] = b"\xff" * 3996
    path.write_bytes(content)
    with pytest.raises(StoreError, match="damaged"):
        store.append({"response": "s"})


def test_answers_and_drafts_to_an_older_version_are_told(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    old = AnswerStore(path, edited(version="0.0.1", digest="old" * 10))
    old.append({"response": "r1", "gone": "1"})
    old.save_draft("d1", {"step": 1}, place="p", window="w")
    assert old.notes() == ()
    new = AnswerStore(path, CANTEEN)
    first, second = new.notes()
    assert "1 response to version 0.0.1" in first
    assert f"to version {CANTEEN.version}" in first
    assert "1 draft of version 0.0.1" in second
    assert new.load_draft("p") is None
    new.append({"response": "r2", "foodaf": "1"})
    assert [(row["response"], row["version"]) for row in stored(path)] == [("r1", "0.0.1"), ("r2", CANTEEN.version)]
    edited_since = AnswerStore(path, edited(version="0.0.1", digest="other" * 10)).notes()
    assert "edited since without raising its version" in edited_since[0]


def test_a_draft_is_gone_on_with_and_gone_once_sent(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    assert store.load_draft("here") is None
    store.save_draft("r1", {"answers": {"opennotes": HOSTILE}}, place="here", window="w")
    store.save_draft("r2", {"step": 2}, place="elsewhere", window="w")
    again = AnswerStore(store.path, CANTEEN).load_draft("here")
    assert again is not None
    assert (again.response, again.content) == ("r1", {"answers": {"opennotes": HOSTILE}})
    store.save_draft("r1", again.content, place="here", window="w2", take=True)
    with pytest.raises(StoreError, match="go on in another window") as caught:
        store.save_draft("r1", {"step": 1}, place="here", window="w")
    assert caught.value.reason == "elsewhere"
    store.append({"response": "r1", "foodaf": "3"})
    assert store.load_draft("here") is None
    with pytest.raises(StoreError, match="sent already"):
        store.save_draft("r1", {"step": 3}, place="here", window="w2")


def test_what_was_dropped_is_not_left_in_the_file(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    store.save_draft("r1", {"answers": {"opennotes": "never said " * 500}}, place="here", window="w")
    assert b"never said" in store.path.read_bytes()
    store.drop_draft("r1")
    assert b"never said" not in store.path.read_bytes()


def test_drafts_are_ordered_by_a_counter_and_not_by_the_clock(tmp_path: Path) -> None:
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    for response in ("z", "a", "m"):
        store.save_draft(response, {}, place="here", window="w")
    assert [row["response"] for row in stored(store.path, "SELECT * FROM drafts ORDER BY changed")] == ["z", "a", "m"]
    found = store.load_draft("here")
    assert found is not None
    assert found.response == "m"
