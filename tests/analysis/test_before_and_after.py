"""From two files to a decision: what a small team, an evaluator and a researcher get, whatever the files are like.

Only the two notebooks of the path are run, inside the test process.
"""

from __future__ import annotations

import html
import importlib
import re
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pandas as pd
import pytest
from pypdf import PdfReader

from analysis import compare_waves, run_report
from analysis.cli import main
from analysis.release import Shown, read_shown
from analysis.release_record import FILE
from instrument import read_instrument, read_responses
from instrument.responses import split_waves

report_module = importlib.import_module("analysis.report")

CODES = [f"code{number}" for number in range(1, 7)]
DOCUMENTS = [f"{name}.{ending}" for name in ("team", "evaluator") for ending in ("html", "pdf", "docx")]
VERDICTS = "better|worse|no change that matters|too close to call|not enough answers"
Frames = tuple[pd.DataFrame, pd.DataFrame]
Captured = pytest.CaptureFixture[str]


# The files


@pytest.fixture(scope="module")
def sample(root: Path) -> Frames:
    before, after = (
        pd.read_csv(root / f"sample_data/{name}.csv", dtype=str, keep_default_na=False)
        for name in ("baseline", "followup")
    )
    return before, after


def people(sample: Frames, *, both: dict[str, int], before: dict[str, int], after: dict[str, int]) -> Frames:
    """Take people out of the sample data, so many a form: some who answered twice, some who answered once."""
    first, second = sample
    pairs = first.reset_index().merge(second.reset_index(), on=[*CODES, "form"], suffixes=("", "_after"))
    pairs = pairs[~pairs[CODES].isin(["", "X"]).any(axis=1)].drop_duplicates("index").drop_duplicates("index_after")
    rows: tuple[list[int], list[int]] = ([], [])
    for form, size in both.items():
        found = pairs[pairs["form"] == form].head(size)
        rows[0].extend(found["index"])
        rows[1].extend(found["index_after"])
    taken = []
    for frame, chosen, linked, more in zip(sample, rows, ("index", "index_after"), (before, after), strict=True):
        alone = frame[~frame.index.isin(pairs[linked])]
        for form, size in more.items():
            chosen.extend(alone.index[alone["form"] == form][:size])
        taken.append(frame.loc[chosen].reset_index(drop=True))
    return taken[0], taken[1]


@pytest.fixture(scope="module")
def team(sample: Frames) -> Frames:
    """One team: 30 and 26 answers, of them five peer workers and three managers each time; 18 people answered twice."""
    frames = people(
        sample, both={"P": 3, "C": 13, "M": 2}, before={"P": 2, "C": 9, "M": 1}, after={"P": 2, "C": 5, "M": 1}
    )
    assert [len(frame) for frame in frames] == [30, 26]
    one, two = (frame.drop(columns="programme").assign(organisation="north", team="day") for frame in frames)
    # Two of them remember one element of their code otherwise.
    two.loc[[4, 9], "code3"] = two.loc[[4, 9], "code3"].map(lambda letter: "Q" if letter != "Q" else "Z")
    return one, two


# The ways to look at them


def written(folder: Path, frames: Frames) -> list[Path]:
    files = [folder / "before.csv", folder / "after.csv"]
    for frame, file in zip(frames, files, strict=True):
        frame.to_csv(file, index=False)
    return files


@pytest.fixture
def path_only(only_notebooks: Callable[..., None]) -> None:
    """Let a report have the two notebooks of the path alone."""
    only_notebooks("06_before_and_after", "07_priorities")


@pytest.fixture
def short_report(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, inline_notebooks: None) -> None:
    """Let a report have one notebook that says one sentence: for what surrounds the statistics."""
    folder = tmp_path / "notebooks"
    folder.mkdir()
    parameters = nbformat.v4.new_code_cell("audience = 'internal'\nfolder = None", metadata={"tags": ["parameters"]})
    says = "from analysis.release import open_release, say\n"
    says += "say(open_release('06_short', audience=audience, folder=folder), 'This is short.', headline=True)"
    cells = [nbformat.v4.new_markdown_cell("# Short"), parameters, nbformat.v4.new_code_cell(says)]
    nbformat.write(nbformat.v4.new_notebook(cells=cells), folder / "06_short.ipynb")
    monkeypatch.setattr(report_module, "notebook_folder", lambda: folder)


@dataclass(frozen=True)
class Seen:
    """What one notebook released."""

    shown: list[Shown]
    tables: dict[str, pd.DataFrame]

    @property
    def said(self) -> list[str]:
        return [entry.text for entry in self.shown if entry.kind == "sentence"]

    def sentence(self, beginning: str) -> str:
        return next(text for text in self.said if text.startswith(beginning))

    def refused(self) -> list[str]:
        return [text for text in self.said if "not available" in text]


@pytest.fixture
def look(root: Path, tmp_path: Path) -> Callable[..., Seen]:
    """Run one notebook of the path on two frames and return what it released."""
    from tests.conftest import run_inline

    def run(name: str, frames: Frames, **parameters: Any) -> Seen:
        parts = Path(tempfile.mkdtemp(prefix="parts", dir=tmp_path))
        given = {
            "files": [str(file) for file in written(tmp_path, frames)],
            "instrument": "pwiq",
            "audience": "internal",
            "seed": report_module.SEED,
            "plan": None,
            "pooled": None,
            "folder": str(parts),
        }
        run_inline(root / "notebooks" / f"{name}.ipynb", tmp_path / "done.ipynb", given | parameters)
        tables = {file.stem[3:]: pd.read_csv(file, index_col=0) for file in sorted(parts.glob("*.csv"))}
        return Seen(read_shown(parts, name), tables)

    return run


def text_of(page: Path) -> str:
    text = re.sub(
        r"<style>.*?</style>|<details class=\"code\">.*?</details>", " ", page.read_text("utf-8"), flags=re.DOTALL
    )
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", text)))


def small_counts(folder: Path, floor: int) -> list[tuple[str, str]]:
    found = []
    for file in sorted((folder / "tables").glob("*.csv")):
        table = pd.read_csv(file)
        for name in [
            each for each in table.columns if re.fullmatch(r"n|n_\w+|asked|responses|before|after|links", each)
        ]:
            counts = pd.to_numeric(table[name], errors="coerce").dropna()
            if file.stem == "07_targeted" and name in ("before", "after"):  # means
                continue
            if ((counts > 0) & (counts < floor)).any():
                found.append((file.stem, name))
    return found


# One team, from its plan to its page


@dataclass(frozen=True)
class Told:
    """A report, and what was read and written beside it."""

    folder: Path
    files: list[Path]
    open_answers: Path

    def page(self, name: str) -> str:
        return text_of(self.folder / f"{name}.html")


@pytest.fixture(scope="module")
def made() -> dict[str, Told]:
    """Holds the team's report once a test has had it made."""
    return {}


@pytest.fixture
def told(
    made: dict[str, Told], team: Frames, path_only: None, tmp_path_factory: pytest.TempPathFactory, capsys: Captured
) -> Told:
    """The team's report, with a plan that states another smallest change and two targets, made by the command."""
    if "report" not in made:
        work = tmp_path_factory.mktemp("team")
        files = written(work, team)
        plan = work / "plan.toml"
        call = ["plan", str(files[0]), "--targets", "role,supv", "--smallest", "5", "--stop", "2999-06-30"]
        assert main([*call, "--expected-after", "40", "--exclude", "straight-lined answers", "--out", str(plan)]) == 0
        words = work / "own_words.csv"
        call = ["report", *map(str, files), "--plan", str(plan), "--open-answers", str(words)]
        assert main([*call, "--out", str(work / "report")]) == 0
        capsys.readouterr()
        made["report"] = Told(work / "report", files, words)
    return made["report"]


def test_a_team_is_told_its_change_in_one_of_five_words(told: Told) -> None:
    text = told.page("index")
    assert "not available" not in told.page("06_before_and_after") + told.page("07_priorities")
    assert re.search(
        rf"Integration score, last wave against first: [+-]\d+\.\d points of 100 \(.*?\): ({VERDICTS})\.", text
    )
    assert "There is no comparison between places with and without the programme" in text
    assert "The interval says how sure we are about these people's views on these two dates" in told.page("team")
    assert "We could not check that the questions meant the same both times" in told.page("team")


def test_the_documents_are_there_in_three_formats_with_the_banner(told: Told) -> None:
    index = (told.folder / "index.html").read_text("utf-8")
    for name in DOCUMENTS:
        assert (told.folder / name).stat().st_size > 5000, name
        assert f'href="{name}"' in index
    banner = "not yet validated"
    from docx import Document

    for name in ("team", "evaluator"):
        assert banner in told.page(name)
        assert banner in re.sub(r"\s+", " ", PdfReader(told.folder / f"{name}.pdf").pages[0].extract_text())
        word = Document(str(told.folder / f"{name}.docx"))
        heads = [paragraph.text for section in word.sections for paragraph in section.header.paragraphs]
        cells = [cell.text for table in word.tables for row in table.rows for cell in row.cells]
        assert any(banner in text for text in [*heads, *(paragraph.text for paragraph in word.paragraphs), *cells])
    assert not list(told.folder.glob("researcher.*"))


def test_the_teams_page_is_one_page_without_p_codes_or_small_counts(told: Told, team: Frames) -> None:
    assert len(PdfReader(told.folder / "team.pdf").pages) == 1
    text = told.page("team")
    assert not re.search(r"\bp\s*[<=]|p value|\bp \(|significan|< ?\.0\d", text, re.IGNORECASE)
    assert "3 managers" not in text
    assert set(re.findall(r"(\d+) answered before and (\d+) now", text)) == {("30", "26")}
    # Every number under the floor is a number of months, a rank or a number of things; none is one of people.
    assert not re.search(r"\b[1-4] (people|peer workers|colleagues|managers|answers|of)\b", text)


def test_no_small_count_and_no_code_is_in_any_file(told: Told, team: Frames) -> None:
    assert small_counts(told.folder, 5) == []
    codes = {"".join(row) for frame in team for row in frame[CODES].to_numpy() if "" not in row}
    assert len(codes) > 20
    for file in [each for each in told.folder.rglob("*") if each.is_file()]:
        text = file.read_bytes().decode("utf-8", errors="ignore")
        assert not [code for code in codes if code in text], file.name
        assert not re.search(r"\bcode[1-6]\b", text), file.name
    for file in told.folder.rglob("*.csv"):
        assert not set(CODES) & set(pd.read_csv(file, nrows=0).columns), file.name


def test_deviations_from_the_plan_are_told(told: Told) -> None:
    table = pd.read_csv(told.folder / "tables" / "06_deviations.csv", index_col=0)
    off = table[table["deviation"] == "yes"]
    assert 0 < len(off) < len(table)
    assert any("xclu" in str(point) for point in off.index), "the stated exclusion was not made"
    assert re.search(r"The plan of \d{4}-\d\d-\d\d: \d+ points? deviates? from it", told.page("index"))
    evaluator = told.page("evaluator")
    assert "Deviations from the plan" in evaluator
    assert "5 points of 100" in told.page("06_before_and_after"), "the smallest change is the plan's"
    assert "placeholder" not in text_of(told.folder / "team.html")


def test_open_answers_go_to_a_file_of_their_own(told: Told, team: Frames) -> None:
    given = {
        name: [each.strip() for frame in team for each in frame[name] if each.strip()] for name in ("open1", "open2")
    }
    assert 0 < len(given["open1"]) < 5 <= len(given["open2"])
    text = told.open_answers.read_text("utf-8")
    head, rows = text.split("question,answer\n")
    assert "People recognise each other by what they tell" in head
    assert "answered by fewer than 5 people: open1" in head
    assert sorted(row.rpartition("?,")[2] for row in rows.splitlines()) == sorted(given["open2"])
    pages = "".join(file.read_text("utf-8") for file in told.folder.rglob("*") if file.suffix in (".html", ".csv"))
    assert not [answer for answers in given.values() for answer in answers if answer in pages]


def test_what_is_worked_on_is_named_as_the_plan_had_it(told: Told) -> None:
    text = told.page("07_priorities")
    assert "What was worked on:" in text
    assert re.search(r"no comparison|raw change|no verdict", told.page("07_priorities"), re.IGNORECASE)


# Files as they come


def test_no_common_codes(look: Callable[..., Seen], team: Frames) -> None:
    seen = look("06_before_and_after", (team[0], team[1].assign(**dict.fromkeys(CODES, ""))))
    assert "Nobody could be linked by their code: the waves are compared as they are." in seen.said
    assert not seen.refused()
    assert re.search(rf": ({VERDICTS})\. This is change", seen.sentence("Integration score, last wave"))
    assert "linking" not in seen.tables
    assert "attrition" not in seen.tables


def test_everyone_lost_and_a_plan_that_was_edited(look: Callable[..., Seen], sample: Frames, tmp_path: Path) -> None:
    sizes = {"P": 8, "C": 15, "M": 7}
    frames = people(sample, both={}, before=sizes, after=sizes)
    first, second = (frame.drop(columns="programme").assign(team="day") for frame in frames)
    plan = tmp_path / "plan.toml"
    assert main(["plan", str(written(tmp_path, (first, second))[0]), "--smallest", "8", "--out", str(plan)]) == 0
    stated = r"(?m)^smallest_interesting_change = 8(\.0)?$"
    edited, places = re.subn(stated, "smallest_interesting_change = 4.0", plan.read_text("utf-8"))
    assert places == 1
    plan.write_text(edited, encoding="utf-8")
    seen = look("06_before_and_after", (first, second), plan=str(plan))
    assert any("obody could be linked" in text for text in seen.said)
    assert not seen.refused()
    assert re.search(rf": ({VERDICTS})\. This is change", seen.sentence("Integration score, last wave"))
    told = seen.tables["deviations"]
    assert told.loc[(told == "changed").any(axis=1), "deviation"].tolist() == ["yes"]


def test_a_team_of_four(team: Frames, path_only: None, tmp_path: Path) -> None:
    few = tuple(frame.head(4) for frame in team)
    index = run_report(written(tmp_path, few), tmp_path / "report")
    assert text_of(index).count("Fewer than 5 people answered in wave") == 1
    assert not list((index.parent / "tables").glob("*.csv"))
    assert not (tmp_path / FILE).exists(), "what shows nobody needs no record"
    for name in DOCUMENTS:
        assert (index.parent / name).exists()
    assert not re.search(r"\b4 (people|answered|answers)", text_of(index.parent / "team.html"))


def test_all_peer_workers_in_one_organisation(look: Callable[..., Seen], sample: Frames) -> None:
    frames = people(sample, both={"P": 8, "C": 30, "M": 9}, before={"C": 6}, after={"C": 6})
    for frame in frames:
        places = pd.Series([f"place{number % 4}" for number in range(len(frame))], index=frame.index)
        frame["organisation"] = places.mask(frame["form"] == "P", "place0")
        frame["team"] = frame["organisation"] + "a"
        del frame["programme"]
    seen = look("06_before_and_after", frames)
    assert not seen.refused()
    assert re.search(rf": ({VERDICTS})\. This is change", seen.sentence("Integration score, last wave"))


def test_no_peer_workers_before_the_start_makes_no_change_of_the_mix(look: Callable[..., Seen], team: Frames) -> None:
    """The five who came count for nothing in the change: it is that of the others, whom both surveys asked."""
    first = team[0][team[0]["form"] != "P"]
    seen = look("06_before_and_after", (first, team[1]))
    assert not seen.refused()
    said = seen.sentence("Integration score, last wave")
    alone = look("06_before_and_after", (first, team[1][team[1]["form"] != "P"]))
    assert said == alone.sentence("Integration score, last wave")
    assert seen.tables["change"].loc["integration", "estimate"] == alone.tables["change"].loc["integration", "estimate"]


def test_forms_that_change_between_the_waves(look: Callable[..., Seen], sample: Frames) -> None:
    """Everyone fills in the colleagues' form at the second survey, as a service that has but one link to send."""
    definition = read_instrument("pwiq")
    frames = people(sample, both={"P": 12, "C": 20, "M": 10}, before={}, after={})
    frames[1]["form"] = "C"
    frames[1][sorted(set(definition.asked_by("P")) - set(definition.asked_by("C")))] = ""
    seen = look("06_before_and_after", tuple(frame.drop(columns="programme").assign(team="day") for frame in frames))
    text = " ".join(seen.said)
    assert not re.search(r": (better|worse)\. This", text)
    assert seen.tables["screens"]["same_form"].eq("look").all()


def test_the_short_form_at_the_second_wave(look: Callable[..., Seen], sample: Frames) -> None:
    definition = read_instrument("pwiq")
    frames = people(sample, both={"P": 8, "C": 20, "M": 8}, before={"C": 4}, after={"C": 4})
    later = frames[1]
    later["form"] = later["form"] + "S"
    later[[item.id for item in definition.items if item.id not in definition.short_items]] = ""
    seen = look("06_before_and_after", tuple(frame.drop(columns="programme").assign(team="day") for frame in frames))
    assert re.search(rf": ({VERDICTS})\. This is change", seen.sentence("Integration score, last wave"))
    notes = next(entry for entry in seen.shown if entry.name == "06_change" and entry.kind == "table").notes
    assert any("scored on the items of the short form" in note for note in notes), notes


def test_no_importance_ratings(look: Callable[..., Seen], team: Frames) -> None:
    rated = [name for name in team[0] if re.fullmatch(r"(imp|dif)[a-z]{4}", name)]
    assert len(rated) == 22
    seen = look("07_priorities", tuple(frame.drop(columns=rated) for frame in team))
    assert any("importance" in text.lower() for text in seen.said), seen.said
    assert "matrix" not in {entry.name for entry in seen.shown}
    assert seen.tables["signals"]["finding"].isin(["seen", "not seen", "cannot tell", "not available"]).all()


# What is no before and after is refused in a sentence, and nothing is written


def refused(arguments: list[str], capsys: Captured) -> str:
    capsys.readouterr()
    assert main(arguments) == 1
    said = capsys.readouterr().err
    assert said.startswith("pwiq: ")
    assert "Traceback" not in said
    return said


def of_report(folder: Path, frames: Frames) -> list[str]:
    return ["report", *map(str, written(folder, frames)), "--out", str(folder / "report")]


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_same_file_twice(team: Frames, tmp_path: Path, capsys: Captured) -> None:
    bare = team[0].drop(columns=["wave", "person"])
    said = refused(of_report(tmp_path, (bare, bare.sample(frac=1, random_state=1))), capsys)
    assert "waves 1 and 2 hold the very same answers" in said
    assert "has answered wave 1 in before.csv" in refused(of_report(tmp_path, (team[0], team[0])), capsys)
    assert left(tmp_path) == ["after.csv", "before.csv"]


def test_dates_that_run_backwards(team: Frames, tmp_path: Path, capsys: Captured) -> None:
    before = team[0].drop(columns="wave").assign(date="2026-09-14")
    after = team[1].drop(columns="wave").assign(date="2026-03-02")
    said = refused(of_report(tmp_path, (before, after)), capsys)
    assert "before.csv: read as wave 1 because it was named first, but its answers (2026-09-14) are later than" in said
    assert "those of wave 2 (after.csv: 2026-03-02); name the earlier file first, or add a column `wave`" in said
    assert left(tmp_path) == ["after.csv", "before.csv"]


def test_the_column_wave_counts_and_not_the_order_of_the_files(team: Frames, tmp_path: Path) -> None:
    files = written(tmp_path, team)
    definition = read_instrument("pwiq")
    changes = [
        compare_waves(*split_waves(read_responses(order, definition)).values()).table.loc["integration", "estimate"]
        for order in (files, files[::-1])
    ]
    assert changes[0] == pytest.approx(changes[1], abs=1e-9)


def test_another_version(team: Frames, tmp_path: Path, capsys: Captured) -> None:
    said = refused(of_report(tmp_path, (team[0], team[1].assign(version="0.0.9"))), capsys)
    assert "wave 2 were given to another version of the questionnaire (answers to version 0.0.9, read by " in said
    assert "no definition 0.0.9 is kept beside this one" in said
    assert "pwiq versions" in said
    assert left(tmp_path) == ["after.csv", "before.csv"]


def test_an_earlier_version_whose_scores_all_stay_comparable_is_taken(
    team: Frames, short_report: None, tmp_path: Path, capsys: Captured
) -> None:
    assert main(of_report(tmp_path, (team[0].assign(version="0.1.0"), team[1]))) == 0, capsys.readouterr().err


def test_a_report_takes_foreign_headings_with_a_mapping(
    team: Frames, short_report: None, tmp_path: Path, capsys: Captured
) -> None:
    foreign = tuple(frame.rename(columns={"roleaf": "Q1"}) for frame in team)
    said = refused(of_report(tmp_path, foreign), capsys)
    assert "roleaf: there is no such column" in said
    mapping = tmp_path / "mapping.toml"
    version = read_instrument("pwiq").version
    mapping.write_text(f'instrument = "pwiq"\nversion = "{version}"\n[columns]\n"Q1" = "roleaf"\n', encoding="utf-8")
    assert main([*of_report(tmp_path, foreign), "--mapping", str(mapping)]) == 0, capsys.readouterr().err


def test_what_is_to_be_kept_may_not_lie_in_the_reports_folder(team: Frames, tmp_path: Path, capsys: Captured) -> None:
    call = of_report(tmp_path, team)
    for option, name in (("--open-answers", "words.csv"), ("--record", "releases.jsonl")):
        said = refused([*call, option, str(tmp_path / "report" / name)], capsys)
        assert f"holds {name}" in said or f"{name} lies in the report's folder" in said
    assert left(tmp_path) == ["after.csv", "before.csv"]


# One report after the other


def test_a_report_that_would_tell_of_two_people_is_refused_until_the_first_is_withdrawn(
    team: Frames, short_report: None, tmp_path: Path, capsys: Captured
) -> None:
    def call(name: str, size: int) -> list[str]:
        folder = tmp_path / f"answers{size}"
        folder.mkdir(exist_ok=True)
        files = map(str, written(folder, (team[0].head(size), team[1])))
        return ["report", *files, "--out", str(tmp_path / name)]

    assert main(call("first", 28)) == 0
    record = (tmp_path / FILE).read_bytes()
    said = refused(call("second", 30), capsys)
    assert "both together would tell what these 2 said" in said
    assert "wait for at least 3 more answers, or withdraw the earlier report (number 1)" in said
    assert not (tmp_path / "second").exists()
    assert (tmp_path / FILE).read_bytes() == record
    assert main([*call("second", 30), "--withdraw", "1"]) == 0
    assert "This is short." in text_of(tmp_path / "second" / "index.html")
    assert "no report number 9" in refused([*call("third", 30), "--withdraw", "9"], capsys)
    assert main(call("again", 30)) == 0, "the same answers again are no difference"
    # The record has neither answers nor codes.
    text = (tmp_path / FILE).read_text("utf-8")
    assert not [code for code in ("".join(row) for row in team[0][CODES].to_numpy()) if len(code) == 6 and code in text]


def test_open_answers_are_written_on_request_alone(
    team: Frames, short_report: None, tmp_path: Path, capsys: Captured
) -> None:
    assert main(of_report(tmp_path, team)) == 0
    assert left(tmp_path) == ["after.csv", "before.csv", "notebooks", FILE, "report"]
    given = {answer for answer in team[0]["open1"] if answer.strip()}
    pages = "".join(file.read_text("utf-8") for file in (tmp_path / "report").glob("*.html"))
    assert given
    assert not [answer for answer in given if answer in pages]


def test_the_researchers_document_is_for_researchers_alone(
    sample: Frames, path_only: None, tmp_path: Path, root: Path, capsys: Captured
) -> None:
    """And a team of the sample data is compared by what everyone's answers tell."""
    largest = sample[0]["team"].value_counts().index[0]
    files = [str(root / f"sample_data/{name}.csv") for name in ("baseline", "followup")]
    call = ["report", *files, "--team", largest, "--audience", "researcher", "--out", str(tmp_path / "report")]
    assert main(call) == 0
    folder = tmp_path / "report"
    assert sorted(path.suffix for path in folder.glob("researcher.*")) == [".docx", ".html", ".pdf"]
    assert "not yet validated" in text_of(folder / "researcher.html")
    gate = pd.read_csv(folder / "tables" / "06_gate.csv", index_col=0)
    # A few dozen answers test nothing; what everyone's show is named as what it is.
    assert gate["verdict"].eq("not tested here").all()
    assert (
        gate.loc["role", "reason"].count(
            "comparable in the pooled data “all the answers of the file, of which these are a part”"
        )
        == 1
    )
    assert small_counts(folder, 5) == []
    assert f"(team {largest})" in text_of(folder / "team.html")  # two teams' pages can be told apart


# The commands around it


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan"], "required: --out"),
        (["plan", "--out", "p.toml", "--direction", "up"], "invalid choice: 'up'"),
        (["plan", "--out", "p.toml", "--smallest", "some"], "invalid float value: 'some'"),
        (["link"], "give two files of answers, or --make-key, or --protect"),
        (["link", "a.csv", "b.csv"], "--out is needed"),
        (["link", "a.csv", "--out", "l.csv"], "two files of answers are linked, before and after; got 1"),
        (["link", "a.csv", "b.csv", "--out", "l.csv", "--by", "name"], "invalid choice: 'name'"),
        (["link", "--make-key", "k.toml"], "--make-key needs --holder and --destroy-on"),
        (["link", "--protect", "a.csv", "--out", "b.csv"], "--protect needs --key"),
        (["link", "a.csv", "b.csv", "--make-key", "k.toml", "--out", "l.csv"], "give two files of answers, or"),
        (["versions", "pwiq"], "required: new"),
        (["report", "a.csv", "--out", "r", "--withdraw", "first"], "invalid int value: 'first'"),
    ],
)
def test_wrong_usage(
    arguments: list[str], said: str, tmp_path: Path, capsys: Captured, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stopped:
        main(arguments)
    assert stopped.value.code == 2
    assert said in capsys.readouterr().err
    assert left(tmp_path) == []


def test_codes_are_hidden_and_linked_by_commands(team: Frames, tmp_path: Path, capsys: Captured) -> None:
    files = written(tmp_path, team)
    key = tmp_path / "key.toml"
    assert main(["link", "--make-key", str(key), "--holder", "A. Person, elsewhere", "--destroy-on", "2999-12-31"]) == 0
    hidden = []
    for file in files:
        hidden.append(tmp_path / f"hidden_{file.name}")
        assert main(["link", "--protect", str(file), "--key", str(key), "--out", str(hidden[-1])]) == 0
    said = []
    for name, pair in (("plain", files), ("hidden", hidden)):
        capsys.readouterr()
        assert main(["link", *map(str, pair), "--out", str(tmp_path / f"{name}.csv")]) == 0
        said.append(capsys.readouterr().out.partition(": ")[2])
    assert said[0] == said[1]
    assert said[0].startswith("18 pairs\n")
    assert "linked exactly: 16\nlinked with one element differing: 2\n" in said[0]
    assert "do not share it" in said[0]
    pairs = pd.read_csv(tmp_path / "hidden.csv")
    assert len(pairs) == 18
    assert not set(CODES) & set(pairs.columns)
    stored = pd.read_csv(hidden[0], dtype=str)[CODES].stack()
    assert stored.isin(["X"]).sum() + stored.str.len().eq(20).sum() == len(stored)
    text = (tmp_path / "hidden.csv").read_text("utf-8")
    assert not [value for value in set(stored) if len(value) == 20 and value in text]


def test_link_refuses_what_it_cannot_do(team: Frames, tmp_path: Path, capsys: Captured) -> None:
    files = [str(file) for file in written(tmp_path, team)]
    out = str(tmp_path / "links.csv")
    assert "never overwritten" in refused(["link", *files, "--out", files[0], "--force"], capsys)
    assert "no such file" in refused(["link", files[0], str(tmp_path / "none.csv"), "--out", out], capsys)
    assert "2999" not in refused(["link", "--protect", files[0], "--key", files[1], "--out", out], capsys)
    said = refused(["link", "--make-key", out, "--holder", "A. Person", "--destroy-on", "2020-01-01"], capsys)
    assert "2020-01-01" in said
    assert left(tmp_path) == ["after.csv", "before.csv"]


def test_a_plan_says_what_could_be_seen_and_is_kept(team: Frames, tmp_path: Path, capsys: Captured) -> None:
    before, after = map(str, written(tmp_path, team))
    out = tmp_path / "plan.toml"
    call = ["plan", before, "--targets", "role", "--out", str(out)]
    assert main([*call, "--stop", "2999-01-01"]) == 0
    said = capsys.readouterr().out
    assert re.search(r"you could see a change of at least \d+\.\d to \d+\.\d points of 100", said)
    assert "placeholder" in said
    kept = out.read_bytes()
    assert "a plan is kept" in refused(call, capsys)
    assert out.read_bytes() == kept
    for more, complaint in (
        (["--targets", "courage"], "courage"),
        (["--stop", "1999-01-01"], "has passed"),
        (["--stop", "soon"], "stop must be a date"),
        (["--randomised"], "randomised needs a control arm"),
        (["--expected-after", "3"], "fewer than 5 answers"),
    ):
        assert complaint in refused(["plan", before, *more, "--out", str(tmp_path / "other.toml")], capsys)
    assert main(["plan", before, after, "--out", str(tmp_path / "late.toml")]) == 0
    assert "were there already" in capsys.readouterr().out
    assert left(tmp_path) == ["after.csv", "before.csv", "late.toml", "plan.toml"]


def test_versions_says_what_stays_comparable(root: Path, tmp_path: Path, capsys: Captured) -> None:
    old = root / "tests/data/small.toml"
    new = tmp_path / "new.toml"
    text = old.read_text("utf-8")
    assert text.count("I take my breaks.") == 1
    text = text.replace("I take my breaks.", "Nobody here takes a break.").replace('"1.0.0"', '"1.1.0"', 1)
    new.write_text(text, encoding="utf-8")
    assert main(["versions", str(old), str(new)]) == 0
    said = capsys.readouterr().out
    assert "1.0.0" in said
    assert "1.1.0" in said
    assert "wording" in said
    assert "nosuch" in refused(["versions", str(old), "nosuch"], capsys)
