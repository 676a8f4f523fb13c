"""Files: codes are hidden and nothing else changes; pairs are written without codes; codes leave by no export."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pandas as pd
import pytest

from analysis.cli import main
from analysis.codes import hide_elements, read_key
from analysis.link_files import WORKING_DATA, link_report, make_key, protect_codes
from analysis.linking import link_waves
from instrument import read_instrument, read_responses
from instrument.responses import split_waves

SAMPLE = Path(__file__).parents[2] / "sample_data"
FILES = [SAMPLE / "baseline.csv", SAMPLE / "followup.csv"]
PWIQ = read_instrument("pwiq")
CODES = [f"code{k}" for k in range(1, 7)]


@pytest.fixture(scope="module")
def key(tmp_path_factory):
    path = tmp_path_factory.mktemp("held elsewhere") / "key.toml"
    said = make_key(path, holder="A. Person, University", destroy_on="2999-01-01")
    assert "Give it to A. Person, University" in said
    return path


@pytest.fixture(scope="module")
def hidden(key, tmp_path_factory):
    folder = tmp_path_factory.mktemp("hidden")
    for file in FILES:
        protect_codes(file, folder / file.name, key=key, instrument=PWIQ)
    return [folder / file.name for file in FILES]


def cells(path, separator=","):
    return list(csv.reader(io.StringIO(Path(path).read_bytes().decode("utf-8-sig"), newline=""), delimiter=separator))


def test_only_codes_change(hidden):
    for ours, original in zip(hidden, FILES, strict=True):
        before, after = cells(original), cells(ours)
        at = [before[0].index(name) for name in CODES]
        assert before[0] == after[0]
        for old, new in zip(before[1:], after[1:], strict=True):
            assert [c for k, c in enumerate(old) if k not in at] == [c for k, c in enumerate(new) if k not in at]
            for k in at:
                assert new[k] == old[k] if old[k] in ("", "X") else len(new[k]) == 20


def test_hidden_files_are_read_and_linked_as_open_ones(hidden):
    plain, ours = (link_waves(*split_waves(read_responses(files, PWIQ)).values()) for files in (FILES, hidden))
    pd.testing.assert_frame_equal(ours.pairs, plain.pairs)
    pd.testing.assert_frame_equal(ours.table, plain.table)


HARD = {
    "windows line ends, a mark at the start, quotes, no last line end": (
        ",",
        '\ufeffcode1,open1,form,{items}\r\n"a","one, ""two""\r\nthree",P,{blanks}\r\n\r\n'
        "X,=1+1,C,{blanks}\r\nb ,  NA,M,{blanks}",
    ),
    "semicolons": (";", "open1;code1;form;{items};code2\na;b ;P;{blanks};\n ; . ;C;{blanks};NA\n"),
    "tabs": ("\t", "form\t{items}\tcode1\nP\t{blanks}\té\nC\t{blanks}\t\n"),
}


@pytest.mark.parametrize("name", HARD)
def test_every_other_byte_stays(name, tmp_path, key):
    separator, pattern = HARD[name]
    text = pattern.format(items=separator.join(PWIQ.items.ids), blanks=separator * (len(PWIQ.items) - 1))
    file, out = tmp_path / "answers.csv", tmp_path / "hidden.csv"
    file.write_bytes(text.encode())
    protect_codes(file, out, key=key, instrument=PWIQ)
    # What was there is put back: then the files are one and the same.
    found, people = out.read_bytes().decode(), read_responses(file, PWIQ).people
    names = [each for each in CODES if each in people]
    shown = hide_elements(people, names, key=read_key(key))
    raw = {"a": '"a"', "b ": "b ", "é": "é"}
    codes = [(people.loc[at, each], code) for each in names for at, code in shown[each].dropna().items() if code != "X"]
    assert codes
    for plain, code in codes:
        assert found.count(code) == 1
        found = found.replace(code, raw[plain])
    assert found == text
    again = read_responses(out, PWIQ).people.drop(columns=names).reset_index(drop=True)
    was = read_responses(file, PWIQ).people.drop(columns=names).reset_index(drop=True)
    pd.testing.assert_frame_equal(again.drop(columns="person"), was.drop(columns="person"))


def test_the_whole_code_takes_one_column(key, tmp_path):
    outs = []
    for file in FILES:
        outs.append(tmp_path / file.name)
        said = protect_codes(file, outs[-1], key=key, instrument=PWIQ, keep="whole")
        assert "how often each letter" not in said
        assert [name for name in cells(outs[-1])[0] if name in CODES] == ["code1"]
    found = link_waves(*split_waves(read_responses(outs, PWIQ)).values())
    exact = link_waves(*split_waves(read_responses(FILES, PWIQ)).values(), mismatch="none")
    pd.testing.assert_frame_equal(found.pairs, exact.pairs)
    assert any("one element" in note for note in found.notes)


def test_pairs_are_written_without_codes(hidden, tmp_path):
    out = tmp_path / "pairs.csv"
    said = link_report(*hidden, out, instrument=PWIQ)
    table = pd.read_csv(out)
    links = link_waves(*split_waves(read_responses(FILES, PWIQ)).values())
    assert table.columns.tolist() == ["before", "after", "step", "form_changed", "team_changed", "note"]
    assert table[["before", "after"]].equals(links.pairs[["before", "after"]].astype(table["before"].dtype))
    assert (table["note"] == WORKING_DATA).all()
    rates = links.table
    for words in (
        "answers: 900 before, 700 after",
        f"linked exactly: {rates.loc['exact', 'links']}",
        f"linked with one element differing: {rates.loc['one differing', 'links']}",
        f"estimated share of false links: {rates.loc['all', 'false_share'] * 100:.1f} %",
        f"who are not linked: {rates.loc['all', 'missed_share'] * 100:.1f} %",
        f"code that several people have: {links.flow.loc['duplicate code', 'before']} before",
        f"no code, or not enough of one: {links.flow.loc['blank or incomplete code', 'before']} before",
        "counts of any size: do not share it",
    ):
        assert words in said
    exact = link_report(*hidden, tmp_path / "exact.csv", instrument=PWIQ, mismatch="none")
    assert "linked with one element differing: 0" in exact


def test_by_person_nothing_is_estimated(tmp_path):
    said = link_report(*FILES, tmp_path / "pairs.csv", instrument=PWIQ, by="person")
    assert "estimated share of false links: not estimated" in said


def codes_in(text):
    """Return the codes of the sample data whose letters stand side by side in a row of a CSV file."""
    people = pd.concat([wave.people[CODES] for wave in split_waves(read_responses(FILES, PWIQ)).values()]).dropna()
    joined = {",".join(row) for row in people.astype(str).to_numpy().tolist()}
    return [code for code in joined if code in text]


def test_codes_leave_by_no_export(tmp_path, hidden):
    # The check sees codes where they are.
    assert len(codes_in(FILES[0].read_text(encoding="utf-8"))) > 800
    out = tmp_path / "scores.csv"
    assert main(["score", *map(str, FILES), "--out", str(out)]) == 0
    hashes = set(pd.read_csv(hidden[0], dtype="string")["code1"].dropna()) - {"X"}
    pairs = tmp_path / "pairs.csv"
    link_report(*hidden, pairs, instrument=PWIQ)
    for exported in (out, pairs):
        header, text = cells(exported)[0], exported.read_text(encoding="utf-8")
        assert not set(header) & set(CODES)
        assert not codes_in(text)
        assert not [each for each in hashes if each in text]


def test_files_are_never_destroyed(tmp_path, key):
    file = tmp_path / "answers.csv"
    file.write_bytes(FILES[0].read_bytes())
    with pytest.raises(FileExistsError, match="never overwritten"):
        protect_codes(file, file, key=key, instrument=PWIQ, force=True)
    with pytest.raises(FileExistsError, match="never overwritten"):
        link_report(file, FILES[1], file, instrument=PWIQ, force=True)
    out = tmp_path / "out.csv"
    out.write_text("kept", encoding="utf-8")
    with pytest.raises(FileExistsError, match="exists"):
        protect_codes(file, out, key=key, instrument=PWIQ)
    assert out.read_text(encoding="utf-8") == "kept"
    protect_codes(file, out, key=key, instrument=PWIQ, force=True)
    assert file.read_bytes() == FILES[0].read_bytes()


def test_what_cannot_be_hidden_is_refused(tmp_path, key, hidden):
    out = tmp_path / "out.csv"
    with pytest.raises(ValueError, match="hidden already"):
        protect_codes(hidden[0], out, key=key, instrument=PWIQ)
    with pytest.raises(ValueError, match="keep must be 'elements' or 'whole', got 'all'"):
        protect_codes(FILES[0], out, key=key, instrument=PWIQ, keep="all")
    table = pd.read_csv(FILES[0], dtype="string")
    table.drop(columns=CODES).to_csv(tmp_path / "bare.csv", index=False)
    with pytest.raises(ValueError, match="there are no codes in it"):
        protect_codes(tmp_path / "bare.csv", out, key=key, instrument=PWIQ)
    table.to_parquet(tmp_path / "answers.parquet")
    with pytest.raises(ValueError, match="in CSV files only"):
        protect_codes(tmp_path / "answers.parquet", out, key=key, instrument=PWIQ)
    assert not out.exists()


def test_waves_that_do_not_go_together_are_refused(tmp_path, key, hidden):
    out = tmp_path / "pairs.csv"
    with pytest.raises(ValueError, match="wave before are hidden, those of the other are not"):
        link_report(hidden[0], FILES[1], out, instrument=PWIQ)
    other = tmp_path / "other.toml"
    make_key(other, holder="B. Person", destroy_on="2999-01-01")
    protect_codes(FILES[1], tmp_path / "followup.csv", key=other, instrument=PWIQ)
    with pytest.raises(ValueError, match="hidden with two keys"):
        link_report(hidden[0], tmp_path / "followup.csv", out, instrument=PWIQ)
    with pytest.raises(ValueError, match="the same file is given twice"):
        link_report(FILES[0], FILES[0], out, instrument=PWIQ)
    three = pd.read_csv(FILES[1], dtype="string").assign(wave=1, person=lambda t: "n" + t["person"])
    three.to_csv(tmp_path / "third.csv", index=False)
    with pytest.raises(ValueError, match=r"the files hold 1 \(wave 1\)"):
        link_report(FILES[0], tmp_path / "third.csv", out, instrument=PWIQ)
    assert not out.exists()
