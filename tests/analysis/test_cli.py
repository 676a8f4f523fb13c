"""The command `pwiq`, called as a user calls it: what it writes, what it refuses, and what it leaves behind."""

from __future__ import annotations

import io
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from analysis import cli, lab
from analysis.cli import main
from analysis.command_line import write_both
from analysis.study_folder import _STEPS
from instrument import codebook, read_instrument, read_responses, score

COMMANDS = [
    "check-instrument",
    "codebook",
    "export",
    "parity",
    "scoring",
    "read",
    "map",
    "score",
    "simulate",
    "report",
    "plan",
    "link",
    "versions",
    "lab",
]
KEYS = ["person", "form", "wave", "organisation", "team"]
Captured = pytest.CaptureFixture[str]


@pytest.fixture(scope="module")
def answers(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first answers of the sample data: few, so that every test is quick."""
    path = tmp_path_factory.mktemp("answers") / "answers.csv"
    lines = (root / "sample_data/baseline.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    path.write_text("".join(lines[:41]), encoding="utf-8")
    return path


def changed(answers: Path, target: Path, cells: dict[tuple[int, str], str]) -> Path:
    """Copy the answers with some cells changed; rows as in the file, the header is row 1."""
    table = pd.read_csv(answers, dtype=str, keep_default_na=False)
    for (row, column), value in cells.items():
        table.loc[row - 2, column] = value
    table.to_csv(target, index=False)
    return target


def wrong_usage(arguments: list[str], capsys: Captured) -> str:
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("usage: pwiq")
    return output.err


def refusal(arguments: list[str], capsys: Captured) -> str:
    assert main(arguments) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("pwiq: ")
    assert "Traceback" not in output.err
    assert "Errno" not in output.err
    assert output.err.endswith("\n")
    return output.err


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def run(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, as the installed script does."""
    call = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())", *arguments]
    return subprocess.run(call, capture_output=True, text=True, check=False, **options)  # type: ignore[call-overload]


# Help and wrong usage


def test_help_shows_every_command_and_an_example(capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert "examples:" in shown
    assert all(re.search(rf"^    {command}\s", shown, re.MULTILINE) for command in COMMANDS)
    assert "has not been validated" in shown


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_shows_an_example_and_every_option(command: str, capsys: Captured) -> None:
    with pytest.raises(SystemExit) as stopped:
        main([command, "--help"])
    assert stopped.value.code == 0
    shown = capsys.readouterr().out
    assert f"example:\n  pwiq {command}" in shown
    assert "--instrument" in shown


def test_the_examples_in_the_help_are_right_usage() -> None:
    parser = cli._parser()
    lines = [line.split("  ")[1] for line in cli._EPILOG.splitlines() if line.startswith("  pwiq ")]
    assert len(lines) == 13
    for command in COMMANDS:
        chosen = parser._subparsers._group_actions[0].choices[command]  # type: ignore[union-attr, index, call-overload]
        lines += [line.strip() for line in chosen.epilog.removeprefix("example:\n").splitlines()]
    for line in lines:
        assert parser.parse_args(shlex.split(line)[1:]).run is not None


def commands_in_the_documents(root: Path) -> list[str]:
    """Return what the README, the documents and a study's steps tell people to type: indented lines, and what writes a file."""
    places = [root / "README.md", *sorted((root / "docs").glob("*.md"))]
    text = "\n".join(path.read_text(encoding="utf-8") for path in places)
    found = re.findall(r"^    (pwiq [a-z].*)$", text, re.MULTILINE)
    found += re.findall(r"`(pwiq [a-z-]+ [^`…]*--out [^`…]*)`", text + _STEPS)
    return [line.split("  #")[0] for line in found]


def test_the_commands_in_the_documents_are_right_usage(root: Path) -> None:
    parser = cli._parser()
    lines = commands_in_the_documents(root)
    assert len(lines) > 40
    wrong = []
    for line in lines:
        try:
            parser.parse_args(shlex.split(line)[1:])
        except SystemExit:
            wrong.append(line)
    assert wrong == []


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "required: COMMAND"),
        (["scor"], "invalid choice"),
        (["score"], "required: file, --out"),
        (["score", "a.csv"], "required: --out"),
        (["score", "a.csv", "--out", "b.csv", "--metric", "percent"], "invalid choice: 'percent'"),
        (["score", "a.csv", "--out", "b.csv", "--items", "few"], "invalid choice: 'few'"),
        (["codebook", "--nonsense"], "unrecognized arguments: --nonsense"),
        (["codebook", "--language", "xx"], "--language xx: pwiq has en"),
        (["check-instrument", "--out", "schema.json"], "--out is for --schema"),
        (["simulate", "population.toml", "--out", "x", "--seed", "many"], "invalid int value"),
        (["simulate"], "required: population, --out"),
        (["report"], "required: file, --out"),
        (["report", "a.csv"], "required: --out"),
        (["report", "a.csv", "--out", "r", "--audience", "public"], "invalid choice: 'public'"),
        (["lab", "extra"], "unrecognized arguments: extra"),
    ],
)
def test_wrong_usage_ends_with_2_and_leaves_nothing(
    arguments: list[str], said: str, capsys: Captured, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in wrong_usage(arguments, capsys)
    assert names(tmp_path) == []


# check-instrument


def test_check_instrument_says_what_was_found_sound(capsys: Captured) -> None:
    assert main(["check-instrument"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"pwiq {read_instrument('pwiq').version} (draft) is sound: 66 items in 11 subscales, ")
    assert "P 66, C 58, M 66, PS 22, CS 22, MS 22" in said
    assert said.count("\n") == 1


@pytest.mark.parametrize("given", [["check-instrument"], ["check-instrument", "--instrument"]])
def test_check_instrument_takes_a_path_either_way(given: list[str], root: Path, capsys: Captured) -> None:
    assert main([*given, str(root / "tests/data/small.toml")]) == 0
    assert capsys.readouterr().out.startswith("wellteam 1.0.0 (draft) is sound: 10 items in 2 subscales, ")


def test_check_instrument_names_every_contradiction_at_once(root: Path, tmp_path: Path, capsys: Captured) -> None:
    broken = tmp_path / "broken.toml"
    text = (root / "tests/data/small.toml").read_text(encoding="utf-8")
    text = text.replace('subscale = "rest"', 'subscale = "sleep"', 1)
    text = text.replace('subscale = "trust"', 'subscale = "hope"', 1)
    broken.write_text(text, encoding="utf-8")
    said = refusal(["check-instrument", str(broken)], capsys)
    assert "sleep" in said
    assert "hope" in said
    assert said.count("broken.toml:") >= 2


def test_the_schema_goes_to_the_screen_or_whole_to_a_file(tmp_path: Path, capsys: Captured) -> None:
    assert main(["check-instrument", "--schema"]) == 0
    shown = capsys.readouterr().out
    assert json.loads(shown)["$schema"].startswith("https://json-schema.org/")
    target = tmp_path / "schema.json"
    assert main(["check-instrument", "--schema", "--out", str(target)]) == 0
    assert target.read_text(encoding="utf-8") == shown
    assert "exists" in refusal(["check-instrument", "--schema", "--out", str(target)], capsys)
    assert main(["check-instrument", "--schema", "--out", str(target), "--force"]) == 0
    assert names(tmp_path) == ["schema.json"]


@pytest.mark.parametrize("command", ["check-instrument", "codebook", "score", "report"])
def test_an_unknown_instrument_is_a_sentence(command: str, answers: Path, tmp_path: Path, capsys: Captured) -> None:
    more = [str(answers), "--out", str(tmp_path / "out")] if command in ("score", "report") else []
    said = refusal([command, *more, "--instrument", "nosuch"], capsys)
    assert "nosuch: no such file or folder, nor a questionnaire that ships with the package (pwiq)" in said
    assert names(tmp_path) == []


def test_a_definition_that_is_no_toml_is_a_sentence(tmp_path: Path, capsys: Captured) -> None:
    definition = tmp_path / "odd.toml"
    definition.write_text("[instrument\n", encoding="utf-8")
    assert "odd.toml" in refusal(["check-instrument", str(definition)], capsys)


# codebook


def test_the_codebook_has_a_row_for_every_column_with_its_name(capsys: Captured) -> None:
    assert main(["codebook"]) == 0
    read = pd.read_csv(io.StringIO(capsys.readouterr().out), dtype=str, keep_default_na=False)
    expected = codebook(read_instrument("pwiq")).reset_index()
    assert read.columns.tolist() == expected.columns.tolist()
    assert read["id"].tolist() == expected["id"].tolist()
    assert read.to_numpy().tolist() == expected.to_numpy().tolist()


def test_the_codebook_of_another_questionnaire(root: Path, tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "codebook.csv"
    call = ["codebook", "--instrument", str(root / "tests/data/small.toml"), "--language", "en", "--out", str(target)]
    assert main(call) == 0
    assert capsys.readouterr().out == ""
    assert "trust1" in pd.read_csv(target)["id"].tolist()
    assert names(tmp_path) == ["codebook.csv"]


# score


def test_score_writes_the_stated_columns_and_the_scores_of_the_library(
    answers: Path, tmp_path: Path, capsys: Captured
) -> None:
    target = tmp_path / "scores.csv"
    assert main(["score", str(answers), "--out", str(target)]) == 0
    instrument = read_instrument("pwiq")
    responses = read_responses(answers, instrument)
    expected = score(responses)
    header = target.read_text(encoding="utf-8").splitlines()[0].split(",")
    assert header == [*KEYS, *[rule.id for rule in instrument.scores]]
    assert header[5:] == expected.columns.tolist()
    read = pd.read_csv(target)
    # What pandas writes is the shortest text that reads back as the same number.
    pd.testing.assert_frame_equal(read[header[5:]], expected.reset_index(drop=True).astype(float), rtol=1e-15)
    assert read["team"].tolist() == responses.people["team"].tolist()
    assert not [name for name in header if name.startswith("code")]
    assert names(tmp_path) == ["scores.csv"]
    said = capsys.readouterr().out
    assert f"scores.csv: 40 responses; {expected['integration'].notna().sum()} of them have a score" in said
    assert "do not share it" in said


def test_no_code_element_and_no_free_text_is_in_the_scores(answers: Path, tmp_path: Path) -> None:
    source = changed(answers, tmp_path / "a.csv", {(3, f"code{n}"): "QZ"[n % 2] for n in range(1, 7)})
    source = changed(source, source, {(3, "open1"): "My own words."})
    assert main(["score", str(source), "--out", str(tmp_path / "s.csv")]) == 0
    text = (tmp_path / "s.csv").read_text(encoding="utf-8")
    assert "QZ"[0] not in text.split("\n", 1)[1].replace("NaN", "")
    assert "My own words" not in text


def test_a_score_that_cannot_be_had_is_blank(answers: Path, tmp_path: Path) -> None:
    items = read_instrument("pwiq").items
    source = changed(answers, tmp_path / "a.csv", {(2, item.id): "" for item in items if item.subscale == "role"})
    assert main(["score", str(source), "--out", str(tmp_path / "s.csv")]) == 0
    row = dict(zip(*[line.split(",") for line in (tmp_path / "s.csv").read_text().splitlines()[:2]], strict=True))
    assert row["role"] == ""
    assert row["indu"] != ""
    whole = (tmp_path / "s.csv").read_text()
    assert "nan" not in whole.lower()
    assert "<NA>" not in whole


def test_keys_that_the_file_lacks_are_blank_columns(answers: Path, tmp_path: Path) -> None:
    table = pd.read_csv(answers, dtype=str, keep_default_na=False).drop(columns=["team", "organisation", "wave"])
    table.to_csv(tmp_path / "a.csv", index=False)
    assert main(["score", str(tmp_path / "a.csv"), "--out", str(tmp_path / "s.csv")]) == 0
    read = pd.read_csv(tmp_path / "s.csv")
    assert read.columns.tolist()[:5] == KEYS
    assert read["team"].isna().all()
    assert read["wave"].eq(1).all()


def test_metric_and_items_reach_the_scores(answers: Path, tmp_path: Path) -> None:
    responses = read_responses(answers, "pwiq")
    call = ["score", str(answers), "--out", str(tmp_path / "s.csv"), "--metric", "mean", "--items", "short"]
    assert main(call) == 0
    expected = score(responses, metric="mean", items="short").reset_index(drop=True).astype(float)
    read = pd.read_csv(tmp_path / "s.csv")
    pd.testing.assert_frame_equal(read[expected.columns.tolist()], expected, rtol=1e-15)
    assert not expected["integration"].equals(score(responses)["integration"].reset_index(drop=True))


def test_several_files_are_waves(root: Path, answers: Path, tmp_path: Path) -> None:
    table = pd.read_csv(answers, dtype=str, keep_default_na=False).drop(columns="wave")
    for name in ("before", "after"):
        table.to_csv(tmp_path / f"{name}.csv", index=False)
    files = [str(tmp_path / "before.csv"), str(tmp_path / "after.csv")]
    assert main(["score", *files, "--out", str(tmp_path / "s.csv")]) == 0
    assert pd.read_csv(tmp_path / "s.csv")["wave"].value_counts().to_dict() == {1: 40, 2: 40}


def test_another_questionnaire_is_scored(root: Path, tmp_path: Path, capsys: Captured) -> None:
    definition = root / "tests/data/small.toml"
    instrument = read_instrument(definition)
    table = pd.DataFrame({item.id: [0, 1, 2, 3] for item in instrument.items}).assign(person=["a", "b", "c", "d"])
    table.to_csv(tmp_path / "a.csv", index=False)
    call = ["score", str(tmp_path / "a.csv"), "--out", str(tmp_path / "s.csv"), "--instrument", str(definition)]
    assert main(call) == 0
    read = pd.read_csv(tmp_path / "s.csv")
    assert read.columns.tolist() == [*KEYS, *[rule.id for rule in instrument.scores]]
    assert read.iloc[:, 5:].notna().all(axis=None)
    assert "4 responses; 4 of them" in capsys.readouterr().out


def test_score_prints_what_became_of_the_columns(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    table = pd.read_csv(answers, dtype=str, keep_default_na=False)
    table["shoe_size"] = "41"
    table.to_csv(tmp_path / "a.csv", index=False)
    assert main(["score", str(tmp_path / "a.csv"), "--out", str(tmp_path / "s.csv")]) == 0
    said = capsys.readouterr().out
    ledger = read_responses(tmp_path / "a.csv", "pwiq").ledger
    rows = ledger[ledger["became"] == "item"]
    assert "\n  Recognised: 66 items, " in said
    assert f"which no score counts: {rows['off_scale'].sum()} answers to items, " in said
    assert "\n  Not recognised, kept as text: shoe_size\n" in said
    assert read_instrument("pwiq").banner["en"] in said


def test_three_faults_give_three_messages_and_no_file(root: Path, tmp_path: Path, capsys: Captured) -> None:
    cells = {(2, "roleaf"): "7", (5, "roleab"): "maybe", (901, "form"): "Z"}
    source = changed(root / "sample_data/baseline.csv", tmp_path / "broken.csv", cells)
    said = refusal(["score", str(source), "--out", str(tmp_path / "scores.csv")], capsys)
    lines = said.removeprefix("pwiq: ").splitlines()
    assert [line.split(": ")[0] for line in lines] == [
        "broken.csv:2:roleaf",
        "broken.csv:5:roleab",
        "broken.csv:901:form",
    ]
    assert "'7'" in lines[0]
    assert "'maybe'" in lines[1]
    assert "'Z'" in lines[2]
    assert names(tmp_path) == ["broken.csv"]


@pytest.mark.parametrize("formula", ["=1+1", "+1", "-1", "@SUM(A1)", '=HYPERLINK("x")'])
def test_text_that_a_spreadsheet_would_run_is_made_plain(formula: str, answers: Path, tmp_path: Path) -> None:
    source = changed(answers, tmp_path / "a.csv", {(2, "team"): formula, (3, "person"): formula})
    assert main(["score", str(source), "--out", str(tmp_path / "s.csv")]) == 0
    read = pd.read_csv(tmp_path / "s.csv", dtype=str)
    assert read.loc[0, "team"].endswith(formula)
    assert read.loc[1, "person"] == f"'{formula}"
    assert not any(read[key].str.match(r"[=+\-@]").any() for key in KEYS)
    # Scores below nought are numbers, not formulas, and stay so.
    assert read["balance"].str.startswith("-").any()


# Files that are not there, that are there already, and that cannot be written


@pytest.mark.parametrize("command", ["score", "report"])
def test_a_missing_file_is_a_sentence(command: str, tmp_path: Path, capsys: Captured) -> None:
    said = refusal([command, str(tmp_path / "nosuch.csv"), "--out", str(tmp_path / "out")], capsys)
    assert "nosuch.csv" in said
    assert "no such file" in said
    assert names(tmp_path) == []


def test_a_missing_population_is_a_sentence(tmp_path: Path, capsys: Captured) -> None:
    said = refusal(["simulate", str(tmp_path / "nosuch.toml"), "--out", str(tmp_path / "out")], capsys)
    assert "nosuch.toml: No such file" in said
    assert names(tmp_path) == []


def test_files_that_hold_no_table_are_refused(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/empty.csv").write_bytes(b"")
    (tmp_path / "in/noise.csv").write_bytes(bytes(range(256)) * 4)
    (tmp_path / "in/noise.xlsx").write_bytes(b"PK\x03\x04 broken")
    (tmp_path / "in/letter.docx").write_text("Dear all")
    for name in ("empty.csv", "noise.csv", "noise.xlsx", "letter.docx", ""):
        said = refusal(["score", str(tmp_path / "in" / name), "--out", str(tmp_path / "s.csv")], capsys)
        assert (name or "in") in said
    assert names(tmp_path) == ["in"]


def test_a_file_that_may_not_be_read_is_a_sentence(
    answers: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Rights do not bind the administrator, as whom containers run: the refusal itself is imitated.
    real = io.open

    def locked(file: object, *more: object, **options: object) -> object:
        if isinstance(file, str | os.PathLike) and Path(file).name == "answers.csv":
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *more, **options)  # type: ignore[call-overload]

    monkeypatch.setattr(io, "open", locked)
    monkeypatch.setattr("builtins.open", locked)
    said = refusal(["score", str(answers), "--out", str(tmp_path / "s.csv")], capsys)
    assert said == f"pwiq: {answers}: Permission denied\n"
    assert names(tmp_path) == []


def test_an_output_that_exists_is_kept_without_force(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "scores.csv"
    target.write_text("mine", encoding="utf-8")
    said = refusal(["score", str(answers), "--out", str(target)], capsys)
    assert said == f"pwiq: {target} exists; choose another name or add --force\n"
    assert target.read_text(encoding="utf-8") == "mine"
    assert "exists" in refusal(["codebook", "--out", str(target)], capsys)
    assert main(["score", str(answers), "--out", str(target), "--force"]) == 0
    assert target.read_text(encoding="utf-8").startswith("person,form,wave,")
    assert names(tmp_path) == ["scores.csv"]


def test_refused_data_leave_an_earlier_output_alone(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    target = tmp_path / "scores.csv"
    target.write_text("earlier", encoding="utf-8")
    source = changed(answers, tmp_path / "a.csv", {(2, "roleaf"): "7"})
    refusal(["score", str(source), "--out", str(target), "--force"], capsys)
    assert target.read_text(encoding="utf-8") == "earlier"


def test_the_answers_themselves_are_never_overwritten(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    own = tmp_path / "answers.csv"
    shutil.copyfile(answers, own)
    said = refusal(["score", str(own), "--out", str(tmp_path / "." / "answers.csv"), "--force"], capsys)
    assert "never overwritten" in said
    assert own.read_bytes() == answers.read_bytes()


@pytest.mark.parametrize("force", [[], ["--force"]])
def test_a_folder_as_output_and_a_folder_that_is_not_there(
    force: list[str], answers: Path, tmp_path: Path, capsys: Captured
) -> None:
    for call in (["score", str(answers)], ["codebook"], ["check-instrument", "--schema"]):
        assert f"{tmp_path} is a folder; --out names a file" in refusal([*call, "--out", str(tmp_path), *force], capsys)
        target = tmp_path / "nosuch" / "out.csv"
        said = refusal([*call, "--out", str(target), *force], capsys)
        assert said == f"pwiq: {target}: there is no folder {target.parent}; make it first, or choose another\n"
    assert names(tmp_path) == []


def test_a_folder_that_may_not_be_written_to(
    answers: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o555)
    if os.access(folder, os.W_OK):  # the administrator: see above

        def denied(**options: object) -> tuple[int, str]:
            raise PermissionError(13, "Permission denied", f"{folder}/.s.csv.x1")

        monkeypatch.setattr("instrument.files.tempfile.mkstemp", denied)
    said = refusal(["score", str(answers), "--out", str(folder / "s.csv")], capsys)
    assert (
        said
        == f"pwiq: {folder / 's.csv'} cannot be written: Permission denied; nothing was written: choose another place\n"
    )
    assert names(folder) == []


@pytest.mark.parametrize("earlier", [None, "earlier"])
def test_a_disk_that_fills_up_leaves_no_part_of_a_file(
    earlier: str | None, answers: Path, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "s.csv"
    if earlier:
        target.write_text(earlier)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    said = refusal(["score", str(answers), "--out", str(target), "--force"], capsys)
    assert "s.csv cannot be written: No space left on device" in said
    assert names(tmp_path) == (["s.csv"] if earlier else [])
    if earlier:
        assert target.read_text() == earlier


# simulate


def test_simulate_refuses_to_overwrite_and_names_what_it_wrote(root: Path, tmp_path: Path, capsys: Captured) -> None:
    """That it writes the bytes of `sample_data` is tested with the simulation itself."""
    out = tmp_path / "out"
    out.mkdir()
    (out / "truth.csv").write_text("mine", encoding="utf-8")
    call = ["simulate", str(root / "sample_data/population.toml"), "--out", str(out), "--seed", "7"]
    assert "truth.csv exist; choose another folder or add --force" in refusal(call, capsys)
    assert names(out) == ["truth.csv"]
    assert (out / "truth.csv").read_text(encoding="utf-8") == "mine"
    assert main([*call, "--force"]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert sorted(Path(line).name for line in printed) == names(out)
    assert {"baseline.csv", "followup.csv", "null_baseline.csv", "truth.csv"} <= set(names(out))
    assert (out / "baseline.csv").read_bytes() != (root / "sample_data/baseline.csv").read_bytes(), "another seed"
    assert json.loads((out / "baseline.about.json").read_text(encoding="utf-8"))["seed"] == 7


# report: only what it refuses; what it writes is tested with the report


def test_report_keeps_a_folder_that_is_no_report(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    folder = tmp_path / "report"
    folder.mkdir()
    (folder / "thesis.txt").write_text("mine")
    assert "exists" in refusal(["report", str(answers), "--out", str(folder)], capsys)
    assert "is not an earlier report" in refusal(["report", str(answers), "--out", str(folder), "--force"], capsys)
    assert names(folder) == ["thesis.txt"]


def test_report_refuses_what_score_refuses(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    source = changed(answers, tmp_path / "a.csv", {(2, "roleaf"): "7", (3, "roleab"): "6"})
    said = refusal(["report", str(source), "--out", str(tmp_path / "report")], capsys)
    assert said.count("a.csv:") == 2
    assert names(tmp_path) == ["a.csv"]


# lab


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """Record what would be started, and start nothing."""
    calls: list[list[str]] = []

    def record(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        calls.append(command)
        return subprocess.CompletedProcess(command, 0)

    monkeypatch.setattr(lab.subprocess, "run", record)
    return calls


def test_lab_copies_notebooks_that_find_their_data(root: Path, tmp_path: Path, started: list[list[str]]) -> None:
    folder = tmp_path / "deep" / "study"
    assert main(["lab", "--folder", str(folder), "--no-browser"]) == 0
    assert started == [[sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}", "--no-browser"]]
    originals = [path.name for path in sorted((root / "notebooks").glob("*.ipynb"))]
    assert [name for name in names(folder) if name.endswith(".ipynb")] == originals
    for name in originals:
        notebook = nbformat.read(folder / name, as_version=4)
        cell = next(cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", []))
        values: dict[str, list[str]] = {}
        exec(cell.source, values)
        assert all((folder / file).is_file() for file in values["files"])


def test_lab_never_overwrites_work(tmp_path: Path, started: list[list[str]]) -> None:
    assert main(["lab", "--folder", str(tmp_path)]) == 0
    assert "--no-browser" not in started[0]
    mine = tmp_path / "01_instrument.ipynb"
    mine.write_text("my work", encoding="utf-8")
    (tmp_path / "02_answers_and_scores.ipynb").unlink()
    assert main(["lab", "--folder", str(tmp_path)]) == 0
    assert mine.read_text(encoding="utf-8") == "my work"
    assert (tmp_path / "02_answers_and_scores.ipynb").exists()


def test_lab_says_how_to_get_jupyterlab(tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab.subprocess, "run", lambda command, **_: subprocess.CompletedProcess(command, 1))
    said = refusal(["lab", "--folder", str(tmp_path / "nb")], capsys)
    assert "pip install 'pwiq[lab]'" in said


def test_lab_stopped_by_its_user_ends_quietly(
    tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(lab.subprocess, "run", stopped)
    assert main(["lab", "--folder", str(tmp_path / "nb")]) == 130
    assert capsys.readouterr().err == ""


# In a process of its own


def test_the_installed_script_and_its_exit_statuses(answers: Path, tmp_path: Path) -> None:
    script = Path(sys.executable).with_name("pwiq")
    assert script.exists(), "pwiq is not installed in this environment: make install"
    done = subprocess.run([script, "check-instrument"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    missing = subprocess.run(
        [script, "score", "nosuch.csv", "--out", "s.csv"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert missing.returncode == 1
    assert missing.stderr == "pwiq: nosuch.csv: no such file; check the name and the folder\n"
    assert run().returncode == 2
    assert names(tmp_path) == []


def test_a_reader_who_leaves_is_no_error(tmp_path: Path) -> None:
    """`pwiq codebook | head -1`: neither a traceback nor the interpreter's complaint at its end."""
    call = [sys.executable, "-c", "import sys; from analysis.cli import main; sys.exit(main())", "codebook"]
    process = subprocess.Popen(call, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()
    said = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 1
    assert said == b""


def test_the_command_line_imports_no_statistics_until_it_works(tmp_path: Path) -> None:
    code = (
        "import sys, analysis.cli\n"
        "heavy = {'pandas', 'numpy', 'pydantic', 'scipy', 'matplotlib', 'statsmodels', 'pingouin', 'sklearn', 'seaborn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
        "for arguments in (['--help'], ['score', '--help'], []):\n"
        "    try:\n"
        "        analysis.cli.main(arguments)\n"
        "    except SystemExit:\n"
        "        pass\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_score_and_codebook_import_no_statistics(answers: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from analysis.cli import main\n"
        "assert main(['score', sys.argv[1], '--out', 's.csv']) == 0\n"
        "assert main(['codebook', '--out', 'c.csv']) == 0\n"
        "heavy = {'scipy', 'matplotlib', 'statsmodels', 'pingouin', 'sklearn', 'seaborn'}\n"
        "assert not heavy & set(sys.modules), heavy & set(sys.modules)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(answers)], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr


def test_a_pipe_or_device_is_not_replaced_by_a_file(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    os.mkfifo(tmp_path / "pipe")
    told = refusal(["score", str(answers), "--out", str(tmp_path / "pipe"), "--force"], capsys)
    assert "is a pipe or a device; --out names a file" in told
    assert (tmp_path / "pipe").is_fifo()


def test_answers_that_are_a_link_to_itself_are_refused_in_a_sentence(tmp_path: Path, capsys: Captured) -> None:
    circle = tmp_path / "circle.csv"
    circle.symlink_to(circle)
    assert "no such file" in refusal(["score", str(circle), "--out", str(tmp_path / "scores.csv")], capsys)


def test_a_report_never_replaces_the_folder_that_holds_its_answers(
    answers: Path, tmp_path: Path, capsys: Captured
) -> None:
    shutil.copy(answers, tmp_path / "answers.csv")
    (tmp_path / "provenance.json").write_text("{}")  # it looks like an earlier report
    told = refusal(["report", str(tmp_path / "answers.csv"), "--out", str(tmp_path), "--force"], capsys)
    assert "holds answers.csv, which is read" in told
    assert (tmp_path / "answers.csv").exists()


def test_a_report_does_not_go_through_a_link(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    assert "is a link to another place" in refusal(["report", str(answers), "--out", str(tmp_path / "link")], capsys)


# The ledger beside the answers


def test_read_writes_the_whole_ledger_beside_the_answers(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    out, beside = tmp_path / "plain.csv", tmp_path / "plain.ledger.csv"
    table = pd.read_csv(answers, dtype=str, keep_default_na=False)
    table.assign(open1="=1+1").to_csv(tmp_path / "a.csv", index=False)
    assert main(["read", str(tmp_path / "a.csv"), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    written = pd.read_csv(beside, dtype=str, keep_default_na=False)
    ledger = read_responses(tmp_path / "a.csv", "pwiq").ledger
    assert written["column"].tolist() == ledger["column"].tolist()
    assert written["answered"].tolist() == ledger["answered"].astype(str).tolist()
    assert f"{out}: 40 answers of 40 people, wave 1; questionnaire pwiq {read_instrument('pwiq').version}\n" in said
    assert "40 cells begin like a formula: each got an apostrophe before it" in said
    # What was made plain for a spreadsheet is read as it was answered.
    assert set(pd.read_csv(out, dtype=str)["open1"]) == {"'=1+1"}
    again = read_responses(out, "pwiq")
    assert set(again.people["open1"]) == {"=1+1"}
    assert "40 cells began with an apostrophe" in again.ledger.set_index("column").loc["(masked cells)", "note"]
    assert f"Every column of every file, with counts: {beside}\n" in said
    assert said.endswith(f"{read_instrument('pwiq').banner['en']}\n")


def test_read_overwrites_no_ledger(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    out, beside = tmp_path / "plain.csv", tmp_path / "plain.ledger.csv"
    beside.write_text("mine")
    assert "plain.ledger.csv exists" in refusal(["read", str(answers), "--out", str(out)], capsys)
    assert not out.exists()
    assert beside.read_text() == "mine"
    assert main(["read", str(answers), "--out", str(out), "--force"]) == 0
    assert out.exists()
    assert beside.read_text() != "mine"


def test_several_files_are_written_all_or_none(tmp_path: Path) -> None:
    first, second = tmp_path / "a.csv", tmp_path / "missing" / "b.csv"
    with pytest.raises(OSError, match=r"nothing was written"):
        write_both({first: "new", second: "new"})
    assert not first.exists()
    first.write_text("old")
    with pytest.raises(OSError, match=r"nothing was written"):
        write_both({first: "new", second: "new"})
    assert first.read_text() == "old"


def test_people_without_names_are_not_counted(answers: Path, tmp_path: Path, capsys: Captured) -> None:
    table = pd.read_csv(answers, dtype=str, keep_default_na=False).drop(columns="person")
    table.to_csv(tmp_path / "a.csv", index=False)
    assert main(["read", str(tmp_path / "a.csv"), "--out", str(tmp_path / "b.csv")]) == 0
    said = capsys.readouterr().out
    assert "40 answers, wave 1 (people: not known); questionnaire pwiq" in said
    assert "People: not known (no column `person`); `pwiq link` can find who is who" in said
