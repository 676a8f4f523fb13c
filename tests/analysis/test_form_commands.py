"""The commands for the web, for paper and for what comes back from there."""

import json
from pathlib import Path

import pandas as pd
import pytest

from analysis import lab
from analysis.cli import main
from instrument import read_instrument, read_responses


def test_the_web_form_is_one_file_and_says_that_it_is_a_trial(tmp_path, capsys):
    out = tmp_path / "form.html"
    assert main(["export", "web", "--form", "CS", "--language", "es", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "calls itself a trial" in said
    assert "Draft instrument" in said
    assert out.read_text(encoding="utf-8").lower().startswith("<!doctype html>")
    assert main(["export", "web", "--form", "CS", "--out", str(out)]) == 1
    assert "exists" in capsys.readouterr().err
    assert main(["export", "web", "--form", "CS", "--out", str(tmp_path / "form.txt")]) == 1
    assert "export web writes .html" in capsys.readouterr().err


def test_the_print_is_a_pdf_of_one_form(tmp_path, capsys):
    out = tmp_path / "cs.pdf"
    assert main(["export", "paper", "--form", "CS", "--paper", "letter", "--out", str(out)]) == 0
    assert out.read_bytes().startswith(b"%PDF")
    assert main(["export", "paper", "--form", "P,C", "--out", str(tmp_path / "two.pdf")]) == 1
    assert capsys.readouterr().err


@pytest.fixture
def keyed(tmp_path) -> tuple[Path, Path]:
    """Two tables of three sheets that differ in one cell."""
    form = "CS"
    first = tmp_path / "first.csv"
    assert main(["export", "keying", "--form", form, "--wave", "1", "--sheets", "3", "--out", str(first)]) == 0
    table = pd.read_csv(first, dtype="string")
    items = list(read_instrument("pwiq").asked_by(form))
    table[table.columns[0]] = ["1", "2", "3"]
    table["form"] = form
    for at, item in enumerate(items):
        table[item] = [str(1 + (at + row) % 5) for row in range(3)]
    table.to_csv(first, index=False)
    second = tmp_path / "second.csv"
    table.loc[1, items[3]] = "97"
    table.to_csv(second, index=False)
    return first, second


def test_what_two_people_keyed_becomes_one_file_once_it_is_settled(keyed, tmp_path, capsys):
    first, second = map(str, keyed)
    assert main(["compare-entries", first, second]) == 1
    told = capsys.readouterr()
    assert "to settle: 1" in told.out
    settle, answers, record = tmp_path / "settle.csv", tmp_path / "answers.csv", tmp_path / "record.csv"
    assert main(["compare-entries", first, second, "--settle", str(settle)]) == 0
    final = ["compare-entries", first, second, "--settled", str(settle), "--record", str(record), "--out", str(answers)]
    assert main(final) == 1  # nobody has settled anything
    assert not answers.exists()
    table = pd.read_csv(settle, dtype="string", encoding="utf-8-sig")
    table["settled"] = "97"
    table.to_csv(settle, index=False)
    capsys.readouterr()
    assert main(final) == 0, capsys.readouterr().err
    responses = read_responses(answers, "pwiq", form="CS")
    item = read_instrument("pwiq").asked_by("CS")[3]
    assert responses.off_scale[item].tolist()[1] == "dont_know"
    assert record.exists()
    with pytest.raises(SystemExit):
        main(["compare-entries", first, second, "--out", str(answers)])


def test_answers_that_were_posted_become_one_table(tmp_path, capsys):
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"something": "else"}), encoding="utf-8")
    out = tmp_path / "answers.csv"
    assert main(["collect", str(wrong), "--out", str(out)]) == 1
    assert "wrong.json" in capsys.readouterr().err
    assert not out.exists()


def test_a_study_gets_a_folder_and_the_lab_opens_it_as_it_is(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "study"
    assert main(["init", str(folder)]) == 0
    assert "files written" in capsys.readouterr().out
    before = sorted(path.name for path in folder.rglob("*"))
    started = []

    class Ended:
        returncode = 0

    monkeypatch.setattr(lab.subprocess, "run", lambda command, **_: started.append(command) or Ended())
    assert main(["lab", "--folder", str(folder), "--no-browser"]) == 0
    assert started
    assert sorted(path.name for path in folder.rglob("*")) == before
    assert main(["init", str(folder)]) == 0
    assert "nothing new" in capsys.readouterr().out
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "mine.txt").write_text("mine")
    assert main(["init", str(tmp_path / "full")]) == 1
    assert "not empty" in capsys.readouterr().err
