"""The commands for the web, for paper and for what comes back from there."""

import json
import re
import shlex
import shutil
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from analysis import cli, lab
from analysis.cli import main
from instrument import build_survey, read_instrument, read_responses
from instrument.forms.study import study_template
from instrument.forms.survey_json import form_data


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
    assert "calls itself a trial until" in capsys.readouterr().out
    assert main(["export", "paper", "--form", "P,C", "--out", str(tmp_path / "two.pdf")]) == 1
    assert "a sheet holds one form" in capsys.readouterr().err
    study = tmp_path / "study.toml"
    study.write_text(re.sub("<<(?!Until).*?>>", "filled in", study_template()), encoding="utf-8")
    options = ["--form", "CS", "--study", str(study), "--out"]
    assert main(["export", "paper", *options, str(tmp_path / "again.pdf")]) == 0
    assert "calls itself a trial: << >> is left at en.paper.until. The print is in en." in capsys.readouterr().out
    assert main(["export", "web", *options, str(tmp_path / "form.html")]) == 0
    assert "trial" not in capsys.readouterr().out  # it does not show where sheets go


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
    assert main(final) == 0
    said = capsys.readouterr().out
    assert "answers.csv: 3 answers of single people" in said
    assert re.search(r"in all in 1 of \d+ cells \(0\.\d\d %\)", said)
    responses = read_responses(answers, "pwiq", form="CS")
    item = read_instrument("pwiq").asked_by("CS")[3]
    assert responses.off_scale[item].tolist()[1] == "dont_know"
    assert record.exists()
    with pytest.raises(SystemExit):
        main(["compare-entries", first, second, "--out", str(answers)])
    capsys.readouterr()
    assert main(final) == 1
    assert capsys.readouterr().err == f"pwiq: {answers} exists; choose another name\n"  # there is no --force
    with pytest.raises(SystemExit) as wrong:
        main(["compare-entries", first, second, "--settled", str(settle)])
    assert wrong.value.code == 2
    assert "--settled goes with --out and --record" in capsys.readouterr().err


def test_answers_that_were_posted_become_one_table(tmp_path, capsys):
    wrong = tmp_path / "wrong.json"
    wrong.write_text(json.dumps({"something": "else"}), encoding="utf-8")
    out = tmp_path / "answers.csv"
    assert main(["collect", str(wrong), "--out", str(out)]) == 1
    assert "wrong.json" in capsys.readouterr().err
    assert not out.exists()


def test_a_lone_carriage_return_does_not_end_a_row(tmp_path, capsys):
    post_answers(tmp_path / "posted", wave=1)
    posted = tmp_path / "posted" / "P1.json"
    document = json.loads(posted.read_text(encoding="utf-8"))
    document["responses"][0]["open1"] = "one\rtwo\r\n'=three"
    posted.write_text(json.dumps(document), encoding="utf-8")
    table = tmp_path / "answers.csv"
    assert main(["collect", str(posted), "--out", str(table)]) == 0
    for again in ("plain.csv", "plainer.csv"):
        assert main(["read", str(table), "--out", str(tmp_path / again)]) == 0, capsys.readouterr().err
        table = tmp_path / again
    assert read_responses(table, "pwiq").people["open1"].tolist() == ["one\ntwo\n'=three"]


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


def commands_of_the_round(root: Path) -> list[list[str]]:
    """Return every command that docs/administer.md shows on a line of its own, in its order."""
    text = (root / "docs" / "administer.md").read_text(encoding="utf-8")
    return [shlex.split(line.split("  #")[0])[1:] for line in re.findall(r"^ {4,}(pwiq .*)$", text, re.MULTILINE)]


def fill_in_keyed(path: Path, *, sheets: range, slip: str = "") -> None:
    """Type answers into a keying sheet, the same each time but for one cell."""
    book = openpyxl.load_workbook(path)
    sheet = book.worksheets[0]
    place = {cell.value: cell.column for cell in sheet[1]}
    items = read_instrument("pwiq").asked_by("P")
    for row, number in enumerate(sheets, start=2):
        for column, value in {"response": str(number), "team": "north", **dict.fromkeys(items, 2 + row % 3)}.items():
            sheet.cell(row, place[column]).value = value
    if slip:
        sheet.cell(2, place[items[0]]).value = slip
    book.save(path)


def post_answers(folder: Path, *, wave: int) -> None:
    """Lay what the web form posts into a folder: a document for each form."""
    folder.mkdir(exist_ok=True)
    instrument = read_instrument("pwiq")
    for form in ("P", "C", "M"):
        columns = form_data(build_survey(instrument, forms=[form], wave=wave, follow_up=wave > 1))["columns"]
        answers = {"response": f"{form}{wave}", "form": form, "version": instrument.version, "wave": str(wave)}
        answers |= dict.fromkeys(instrument.asked_by(form), "4")
        document = {"format": 1, "columns": columns, "responses": [dict.fromkeys(columns, "") | answers]}
        (folder / f"{form}{wave}.json").write_text(json.dumps(document), encoding="utf-8")


def test_a_round_as_the_document_tells_it(root, tmp_path, monkeypatch, capsys):
    """Every command is typed as it stands there; between them happens what the document says that people do."""
    monkeypatch.chdir(tmp_path)
    done = []

    def before(command: list[str]) -> None:
        match command:
            case ["collect", *_]:
                post_answers(Path("data/answers1"), wave=1)
            case ["compare-entries", first, second, "--settle", _]:
                shutil.copy(first, second)
                fill_in_keyed(Path(first), sheets=range(1, 4))
                fill_in_keyed(Path(second), sheets=range(1, 4), slip="97")
            case ["compare-entries", _, _, "--settled", settle, *_]:
                table = pd.read_csv(settle, dtype="string", encoding="utf-8-sig")
                table.assign(settled="97").to_csv(settle, index=False)
            case ["read", "data/web2.csv", *_]:
                # "Collect and type as before"
                post_answers(Path("data/answers2"), wave=2)
                assert main(["collect", *map(str, Path("data/answers2").glob("*.json")), "--out", "data/web2.csv"]) == 0
                shutil.copy("data/first2.xlsx", "data/second2.xlsx")
                for name in ("data/first2.xlsx", "data/second2.xlsx"):
                    fill_in_keyed(Path(name), sheets=range(4, 7))
                outs = ["--record", "agreement2.csv", "--out", "data/paper2.csv"]
                assert main(["compare-entries", "data/first2.xlsx", "data/second2.xlsx", *outs]) == 0

    for command in commands_of_the_round(root):
        before(command)
        parsed = cli._parser().parse_args(command)
        if command[0] not in ("lab", "report"):  # tried elsewhere
            given = [
                path for part in command for path in (sorted(map(str, Path().glob(part))) if "*" in part else [part])
            ]
            assert main(given) == 0, (command, capsys.readouterr().err)
        if command[0] == "init":
            monkeypatch.chdir(parsed.folder)  # cd my_study
            study = Path("study.toml")
            filled = re.sub("<<.*?>>", "filled in", study.read_text(encoding="utf-8"))
            study.write_text(filled, encoding="utf-8")
        done.append(command[0] if command[0] != "export" else command[1])
    assert set(done) == {
        "init",
        "plan",
        "web",
        "collect",
        "paper",
        "keying",
        "compare-entries",
        "lab",
        "read",
        "score",
        "report",
    }
    assert "calls itself a trial" not in capsys.readouterr().out
    item = read_instrument("pwiq").asked_by("P")[0]
    for wave, first in ((1, "dont_know"), (2, None)):
        responses = read_responses(f"data/wave{wave}.csv", "pwiq")
        assert sorted(responses.people["form"]) == ["C", "M", "P", "P", "P", "P"]
        assert (responses.people["wave"] == wave).all()
        sheet = str(1 + 3 * (wave - 1))
        assert responses.off_scale.loc[sheet, item] == first if first else responses.answers.loc[sheet, item] == 4


def test_a_study_in_one_language_makes_forms_in_that_language(root, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    whole = (root / "instrument/forms/study.template.toml").read_text(encoding="utf-8")
    Path("study.toml").write_text(whole[: whole.index("\n[es]")], encoding="utf-8")
    assert main(["export", "web", "--form", "PS", "--study", "study.toml", "--out", "f.html"]) == 0
    assert ", in en;" in capsys.readouterr().out
    assert main(["export", "paper", "--form", "PS", "--study", "study.toml", "--out", "f.pdf"]) == 0
