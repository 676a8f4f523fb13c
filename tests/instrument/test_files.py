"""Files are written whole or not at all; no text in a table is run as a formula."""

import os
import stat

import pandas as pd
import pytest

from instrument.files import spreadsheet_safe, write_whole


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
    with pytest.raises(OSError, match="No space left"):
        write_whole(path, "new")
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_text_that_utf_8_cannot_hold_leaves_nothing(tmp_path):
    with pytest.raises(UnicodeEncodeError):
        write_whole(tmp_path / "scores.csv", "\ud800")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_folder_is_an_error_that_names_it(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        write_whole(tmp_path / "nowhere" / "scores.csv", "x")


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
