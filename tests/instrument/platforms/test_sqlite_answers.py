"""The SQLite file of the notebook form, read back."""

from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pytest

from instrument import read_instrument
from instrument.forms.store import AnswerStore
from instrument.platforms import sqlite_answers
from instrument.platforms.sqlite_answers import read_table
from instrument.responses import ResponseError

DEFINITION = Path(__file__).parents[2] / "data" / "forms.toml"
CANTEEN = read_instrument(DEFINITION)
NOTE = "=1+1 <b>\r\n🙂" + "x" * 10_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file with answers to two forms, and a draft."""
    store = AnswerStore(tmp_path / "a.sqlite", CANTEEN)
    first = dict.fromkeys(CANTEEN.asked_by("P"), "4")
    second = dict.fromkeys(CANTEEN.asked_by("CS"), "2")
    # The later one first: rows are read by their ids, for who sent first is nobody's business.
    store.append({"response": "r2", "form": "CS", "wave": "1", **second, "opennotes": NOTE, "date": "2026-02-03"})
    store.append({"response": "r1", "form": "P", "wave": "1", **first, "blocks": "food place", "seconds_food": "12"})
    store.save_draft("r3", {"answers": {"opennotes": "a secret"}}, place="here", window="w")
    return store.path


def test_every_answer_is_a_cell_of_text_by_the_random_ids(path: Path) -> None:
    table = read_table(path, file="a.sqlite")
    cells = {name: column.strings().tolist() for name, column in zip(table.names, table.columns, strict=True)}
    assert cells["response"] == ["r1", "r2"]
    assert cells["form"] == ["P", "CS"]
    assert cells["opennotes"][1] == NOTE
    assert cells["blocks"][0] == "food place"
    assert table.rows.tolist() == [2, 3]
    assert table.columns[table.names.index("opennotes")][0] is None
    assert table.left_out == (("(drafts)", 1, "begun and never sent; not read"),)


def test_kernels_may_write_while_it_is_read(path: Path) -> None:
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    holder.execute("INSERT INTO answers (response) VALUES ('not yet')")
    assert len(read_table(path, file="a.sqlite").rows) == 2
    holder.execute("COMMIT")
    holder.close()
    assert len(read_table(path, file="a.sqlite").rows) == 3


def test_reading_changes_nothing(path: Path) -> None:
    before = path.read_bytes()
    read_table(path, file="a.sqlite")
    assert path.read_bytes() == before
    assert [each.name for each in path.parent.iterdir()] == ["a.sqlite"]


def refused(path: Path, monkeypatch: pytest.MonkeyPatch | None = None) -> str:
    if monkeypatch is not None:
        monkeypatch.setattr(sqlite_answers, "_PATIENCE", 0.05)
    with pytest.raises(ResponseError) as caught:
        read_table(path, file=path.name)
    (fault,) = caught.value.faults
    assert fault.startswith(f"{path.name}: ")
    return fault


def test_what_holds_no_answers_is_refused(tmp_path: Path, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "folder" in refused(tmp_path)
    (tmp_path / "empty.sqlite").touch()
    assert "empty" in refused(tmp_path / "empty.sqlite")
    (tmp_path / "text.db").write_text("person,foodaf\n")
    assert "not a SQLite file" in refused(tmp_path / "text.db")
    store = AnswerStore(tmp_path / "none.sqlite", CANTEEN)
    assert "no answers have been sent to this file yet; nothing" in refused(store.path)
    store.save_draft("r", {}, place="p", window="w")
    assert "yet, 1 draft that nobody has sent" in refused(store.path)
    other = sqlite3.connect(tmp_path / "other.db")
    other.execute("CREATE TABLE answers (response, foodaf)")
    other.close()
    assert "not made by the notebook form" in refused(tmp_path / "other.db")
    later = sqlite3.connect(path)
    later.execute("PRAGMA user_version = 99")
    later.close()
    assert "later version of pwiq" in refused(path)
    holder = sqlite3.connect(store.path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    assert "another program is writing" in refused(store.path, monkeypatch)
    holder.close()
    content = bytearray(store.path.read_bytes())
    content[100:] = b"\xff" * (len(content) - 100)
    (tmp_path / "bad.sqlite").write_bytes(content)
    assert "damaged" in refused(tmp_path / "bad.sqlite")


def test_no_answer_stands_in_a_message(path: Path) -> None:
    other = sqlite3.connect(path)
    other.execute("UPDATE answers SET opennotes = CAST(x'736563726574ff' AS TEXT)")
    other.commit()
    other.close()
    assert refused(path) == (
        "a.sqlite: the SQLite file is damaged or cannot be read (column 'opennotes' holds what is no text in UTF-8); take a "
        "copy from your backups"
    )


def test_a_copy_of_the_one_file_is_complete(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "elsewhere" / "copy.DB"
    copy.parent.mkdir()
    shutil.copyfile(path, copy)
    assert len(read_table(copy, file="copy.DB").rows) == 2
