"""The folder of a study: what is in it, and that an upgrade takes nothing away."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

from analysis import cli, lab, study_folder
from analysis.study_folder import RECORD, make_study
from instrument import read_instrument
from instrument.forms.store import AnswerStore
from instrument.forms.study import read_study

DEFINITION = Path(__file__).parents[1] / "data" / "forms.toml"


def tree(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_folder_has_all_that_a_study_needs(tmp_path: Path, root: Path) -> None:
    written = make_study(tmp_path / "deep" / "study")
    files = tree(tmp_path / "deep" / "study")
    assert {path.relative_to(tmp_path / "deep" / "study").as_posix() for path in written} == set(files) - {RECORD}
    installed = {f"notebooks/{path.name}" for path in (root / "notebooks").glob("0*.ipynb")}
    assert installed | {"README.md", "data/README.md", "study.toml", ".gitignore"} < set(files)
    assert "notebooks/sample_data/baseline.csv" in files
    study = read_study(tmp_path / "deep" / "study" / "study.toml")
    assert study.placeholders
    assert b"pwiq lab" in files["README.md"]
    assert b"not yet validated" in files["README.md"].lower()


def test_answers_are_kept_out_of_git(tmp_path: Path, needs_tool: Callable[..., str]) -> None:
    needs_tool("git")
    folder = tmp_path / "study"
    make_study(folder)
    for name in ("data/answers.sqlite", "data/wave1.csv", "notebooks/answers.sqlite", "report/team.html"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).touch()
    subprocess.run(["git", "init", "-q", str(folder)], check=True)
    said = subprocess.run(
        ["git", "-C", str(folder), "status", "--porcelain", "-uall"], check=True, capture_output=True, text=True
    )
    untracked = {line[3:] for line in said.stdout.splitlines()}
    assert "data/README.md" in untracked
    assert "notebooks/00_fill_in.ipynb" in untracked
    assert not {name for name in untracked if name.endswith((".sqlite", "wave1.csv", "team.html"))}


@pytest.mark.parametrize("name", ["notes.txt", ".hidden"])
def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(ValueError, match="the folder is not empty"):
        make_study(tmp_path)
    assert tree(tmp_path) == {name: b"mine"}
    with pytest.raises(ValueError, match="this is a file"):
        make_study(tmp_path / name)


def test_an_unknown_definition_makes_no_folder(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        make_study(tmp_path / "study", instrument="no-such-questionnaire")
    assert not (tmp_path / "study").exists()


def test_an_upgrade_lays_new_versions_beside_and_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "study"
    make_study(folder)
    mine = folder / "notebooks" / "02_answers_and_scores.ipynb"
    mine.write_text("my results")
    (folder / "notebooks" / "07_priorities.ipynb").unlink()
    (folder / "data" / "wave1.csv").write_text("answers")
    before = tree(folder)
    assert make_study(folder) == []
    assert tree(folder) == before

    contents = study_folder._contents

    def upgraded(*given: object) -> dict[str, bytes]:
        changed = contents(*given)  # type: ignore[arg-type]
        changed["notebooks/02_answers_and_scores.ipynb"] += b" "
        return changed | {"notebooks/08_new.ipynb": b"{}"}

    monkeypatch.setattr(study_folder, "_contents", upgraded)
    monkeypatch.setattr(study_folder, "version", lambda _: "9.9.9")
    written = {path.relative_to(folder).as_posix() for path in make_study(folder)}
    assert written == {"notebooks/02_answers_and_scores.9.9.9.ipynb", "notebooks/08_new.ipynb", "NEW_VERSIONS.md"}
    after = tree(folder)
    assert {name: after[name] for name in before if name != RECORD} == {
        name: content for name, content in before.items() if name != RECORD
    }
    assert "02_answers_and_scores.9.9.9.ipynb" in (folder / "NEW_VERSIONS.md").read_text()
    assert make_study(folder) == []


def test_another_questionnaire_is_not_laid_into_a_study(tmp_path: Path) -> None:
    make_study(tmp_path / "study", instrument=DEFINITION)
    before = tree(tmp_path / "study")
    with pytest.raises(ValueError, match="this is a study of canteen, and not of pwiq"):
        make_study(tmp_path / "study")
    assert tree(tmp_path / "study") == before
    assert make_study(tmp_path / "study", instrument=DEFINITION) == []


def test_the_notebooks_of_the_package_are_not_opened(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.subprocess, "run", lambda *_, **__: pytest.fail("JupyterLab was started"))
    for folder in (root / "notebooks", root / "analysis" / ".." / "notebooks" / "mine"):
        with pytest.raises(ValueError, match="these are the notebooks of the package; name a folder of your own"):
            lab.open_lab(folder)
    assert not (root / "notebooks" / "mine").exists()


def test_every_command_of_the_steps_can_be_typed_in_the_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "a study"
    make_study(folder, instrument=DEFINITION)
    monkeypatch.chdir(folder)
    steps = (folder / "README.md").read_text(encoding="utf-8")
    commands = [shlex.split(line)[1:] for line in re.findall("`(pwiq [^`]*)`", steps)]
    assert [each[0] for each in commands] == [*("plan", "lab"), *["export"] * 3, "read", *["report"] * 2, "init"]
    canteen = read_instrument(DEFINITION)
    AnswerStore("data/answers.sqlite", canteen).append(
        {"response": "r", "form": "P", "wave": "1", **dict.fromkeys(canteen.asked_by("P"), "4")}
    )
    started: list[object] = []
    monkeypatch.setattr(
        lab.subprocess, "run", lambda *given, **_: started.append(given) or SimpleNamespace(returncode=0)
    )
    parser = cli._parser()
    for each in commands:
        if each[0] == "report":  # takes a minute; its usage
            assert parser.parse_args(each).out.parent == Path()
        else:
            assert cli.main(each) == 0, (each, capsys.readouterr().err)
    assert len(started) == 1
    assert all(
        Path(name).stat().st_size for name in ("plan.toml", "form.html", "form.pdf", "redcap.csv", "data/wave1.csv")
    )


def test_the_form_notebook_is_sound_and_asks_the_chosen_questionnaire(tmp_path: Path) -> None:
    make_study(tmp_path / "study", instrument=DEFINITION)
    book = nbformat.read(tmp_path / "study" / "notebooks" / "00_fill_in.ipynb", as_version=4)
    nbformat.validate(book)
    sources = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    compile(sources, "00_fill_in", "exec")
    assert json.dumps(str(DEFINITION)) in sources
    assert 'form = "P"' in sources
