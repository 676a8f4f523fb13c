"""Files are written whole or not at all; no text in a table is run as a formula."""

import errno
import io
import os
import signal
import stat
import subprocess
import sys
import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from instrument.files import csv_text, spreadsheet_safe, unmasked, write_whole


def test_text_is_utf_8_with_its_line_ends_and_bytes_stay_as_they_are(tmp_path):
    write_whole(tmp_path / "text", "Größe\r\n—\n")
    assert (tmp_path / "text").read_bytes() == "Größe\r\n—\n".encode()
    write_whole(tmp_path / "bytes", b"\x00\xff\r\n")
    assert (tmp_path / "bytes").read_bytes() == b"\x00\xff\r\n"


def test_a_file_is_replaced_whole(tmp_path):
    path = tmp_path / "scores.csv"
    write_whole(path, "long " * 1000)
    write_whole(path, "short")
    assert path.read_text() == "short"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_while_writing_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "scores.csv"
    path.write_text("old")

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.replace", full_disk)
    with pytest.raises(
        OSError, match=r"scores\.csv cannot be written: No space left on device; .*: make room"
    ) as caught:
        write_whole(path, "new")
    assert caught.value.errno == errno.ENOSPC
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_utf_8_cannot_hold_leaves_nothing(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "scores.csv", "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error_that_names_it(tmp_path):
    target = tmp_path / "nowhere" / "scores.csv"
    with pytest.raises(FileNotFoundError) as caught:
        write_whole(target, "x")
    assert str(caught.value) == (
        f"{target} cannot be written: No such file or directory; nothing was written: choose another place"
    )


# Everything up to the moment at which the file would get its name.
KILLED = """
import os, signal, sys
from pathlib import Path
from instrument.files import write_whole
Path.replace = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
write_whole(Path(sys.argv[1]), "private words")
"""


@pytest.mark.skipif(os.name != "posix", reason="signals of POSIX")
def test_what_a_killed_program_left_goes_with_the_next_writing(tmp_path):
    path = tmp_path / "wave[1].csv"
    ended = subprocess.run([sys.executable, "-c", KILLED, str(path)], check=False)
    assert ended.returncode == -signal.SIGKILL
    (left,) = tmp_path.iterdir()
    assert left.read_text() == "private words"
    write_whole(path, "new")
    assert left.exists()  # another program may be writing it now
    earlier = time.time() - 3700
    others = [
        left.with_name(left.name.replace("wave[1]", "wave1")),  # of another file
        left.with_name(left.name.replace("wave[1].csv", "wave[1].csv.pwiq-a")),  # of a file with a name like it
        tmp_path / ".wave[1].csv.pwiq-mine",  # not as this program names them
        tmp_path / ".wave[1].csv.swp",
    ]
    for other in others:
        other.write_text("not ours")
    for each in (left, path, *others):
        os.utime(each, (earlier, earlier))
    write_whole(path, "newer")
    assert sorted(tmp_path.iterdir()) == sorted([path, *others])
    assert path.read_text() == "newer"


@pytest.mark.skipif(os.name != "posix", reason="permissions of POSIX")
@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600)])
def test_others_may_read_what_the_umask_lets_them(tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        write_whole(tmp_path / "scores.csv", "x")
        assert os.umask(umask) == umask
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "scores.csv").stat().st_mode) == mode


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n"])
@pytest.mark.parametrize("dtype", ["object", "string", "category"])
def test_text_that_a_spreadsheet_would_run_becomes_plain(start, dtype):
    table = pd.DataFrame({"team": pd.Series([f"{start}1+1", "north", f"a{start}b"], dtype=dtype)})
    safe = spreadsheet_safe(table)
    assert safe["team"].tolist() == [f"'{start}1+1", "north", f"a{start}b"]
    assert table["team"].tolist() == [f"{start}1+1", "north", f"a{start}b"]


def test_numbers_gaps_and_columns_of_one_name_are_kept():
    table = pd.DataFrame(
        {
            "n": pd.array([-1, None], dtype="Int64"),
            "x": [-0.5, float("nan")],
            "yes": [True, False],
            "text": pd.array([None, "-1"], dtype="string"),
            "empty": pd.array(["", None], dtype="string"),
        }
    )
    safe = spreadsheet_safe(table)
    pd.testing.assert_frame_equal(safe[["n", "x", "yes"]], table[["n", "x", "yes"]])
    assert safe["text"].isna().tolist() == [True, False]
    assert safe["text"].iloc[1] == "'-1"
    assert safe["empty"].iloc[0] == ""
    assert safe["empty"].isna().iloc[1]
    twice = pd.DataFrame([["=a", "b"]], columns=["team", "team"])
    assert spreadsheet_safe(twice).to_numpy().tolist() == [["'=a", "b"]]


def test_a_heading_that_a_spreadsheet_would_run_becomes_plain():
    table = pd.DataFrame([[1, 2, 3]], columns=["=HYPERLINK()", "team", 7])
    assert spreadsheet_safe(table).columns.tolist() == ["'=HYPERLINK()", "team", 7]
    assert table.columns.tolist() == ["=HYPERLINK()", "team", 7]
    two_levels = pd.DataFrame([[1]], columns=pd.MultiIndex.from_tuples([("a", "=b")]))
    assert spreadsheet_safe(two_levels).columns.tolist() == [("a", "=b")]


TEXTS = st.text(st.sampled_from("'=+-@\t\r\na, \"\u2028"), max_size=5)


@given(TEXTS)
def test_what_was_made_plain_is_had_back_and_no_spreadsheet_runs_it(text):
    (safe,) = spreadsheet_safe(pd.DataFrame({"a": [text]}))["a"]
    assert unmasked(safe) == text
    assert not safe.startswith(("=", "+", "-", "@", "\t", "\r", "\n"))


@given(st.lists(TEXTS, min_size=1))
def test_a_csv_file_holds_every_text_in_its_cell(texts):
    table = pd.DataFrame({"a": ["first", *texts], "b": "last"}, dtype=object)
    rows = pd.read_csv(io.StringIO(csv_text(table), newline=""), dtype=str, keep_default_na=False)
    wanted = [text.replace("\r\n", "\n").replace("\r", "\n") for text in table["a"]]
    assert [unmasked(cell) for cell in rows["a"]] == wanted
    assert rows["b"].tolist() == ["last"] * len(wanted)


def test_a_csv_file_has_one_line_end_in_headings_too():
    assert csv_text(pd.DataFrame([[None, 1.5, -1]], columns=["a\rb", "c", "d"])) == '"a\nb",c,d\n,1.5,-1\n'
