"""The whole way: files of answers to a report that people read.

Hard but ordinary files run their notebooks inside the test process (`inline_notebooks`); the sample data
run in kernels, as a user's do.
"""

from __future__ import annotations

import html
import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path

import nbformat
import pandas as pd
import pytest

from analysis import run_report
from instrument import ResponseError

report_module = importlib.import_module("analysis.report")
PAGES = (
    "01_instrument",
    "02_answers_and_scores",
    "03_reliability",
    "04_factor_structure",
    "05_group_comparison",
    "06_before_and_after",
    "07_priorities",
)
CHANGE = PAGES[5:]


def page_text(report: Path, name: str) -> str:
    """Return a page's text as a reader sees it: no code, no style."""
    page = (report.parent / f"{name}.html").read_text(encoding="utf-8")
    page = re.sub(r"<style>.*?</style>|<details class=\"code\">.*?</details>", " ", page, flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]+>", " ", page)))


def whole_text(report: Path, pages: tuple[str, ...] = PAGES) -> str:
    return " ".join(page_text(report, name) for name in ("index", *pages))


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory, root: Path) -> tuple[Path, dict[str, Path]]:
    """The report on the sample data, run in kernels, and the executed notebooks."""
    kept = tmp_path_factory.mktemp("executed")
    run = report_module.run_notebooks

    def keep(*arguments: object, **options: object) -> dict[str, Path]:
        executed: dict[str, Path] = run(*arguments, **options)
        for name, path in executed.items():
            (kept / f"{name}.ipynb").write_bytes(path.read_bytes())
        return executed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(report_module, "run_notebooks", keep)
        out = tmp_path_factory.mktemp("report") / "report"
        index = run_report([root / "sample_data/baseline.csv", root / "sample_data/followup.csv"], out)
    return index, {name: kept / f"{name}.ipynb" for name in PAGES}


@pytest.fixture
def baseline(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "sample_data/baseline.csv", dtype=str, keep_default_na=False)


@pytest.fixture
def followup(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "sample_data/followup.csv", dtype=str, keep_default_na=False)


@pytest.fixture
def make_report(tmp_path: Path, inline_notebooks: None) -> Callable[..., Path]:
    """Write frames as CSV files and report on them."""

    def make(*frames: pd.DataFrame, **options: object) -> Path:
        files = []
        for number, frame in enumerate(frames, start=1):
            files.append(tmp_path / f"answers{number}.csv")
            frame.to_csv(files[-1], index=False)
        return run_report(files, tmp_path / "report", **options)

    return make


def test_every_page_is_there_and_stands_alone(sample: tuple[Path, dict[str, Path]]) -> None:
    index, _ = sample
    for name in ("index", *PAGES):
        page = (index.parent / f"{name}.html").read_text(encoding="utf-8")
        assert "not yet validated" in page
        assert "<script" not in page
        assert not re.findall(r'(?:src|href)="?https?://', page.replace('href="https://creativecommons', ""))
        assert "Traceback" not in page


def test_no_notebook_writes_to_stderr_or_fails(sample: tuple[Path, dict[str, Path]]) -> None:
    for name, path in sample[1].items():
        for cell in nbformat.read(path, as_version=4).cells:
            for output in cell.get("outputs", []):
                assert output.get("name") != "stderr", (name, output)
                assert output["output_type"] != "error", name


def test_the_sample_report_recovers_the_programme_and_none_on_the_control(sample: tuple[Path, dict[str, Path]]) -> None:
    text = page_text(sample[0], "index")
    assert re.search(r"Integration score: \+\d+\.\d points more change with the programme.*?: better\.", text)
    control = r"Negative control, programme less control: [+-]\d+\.\d points, (as expected: no change that matters|cannot tell)\."
    assert re.search(control, text)


def test_every_figure_has_words_and_every_table_a_file(sample: tuple[Path, dict[str, Path]]) -> None:
    index, _ = sample
    for name in PAGES:
        page = (index.parent / f"{name}.html").read_text(encoding="utf-8")
        for picture in re.findall(r"<img [^>]*>", page):
            assert len(re.search(r"alt='([^']*)'", picture).group(1)) > 40
    tables = sorted((index.parent / "tables").glob("*.csv"))
    assert len(tables) >= 20
    sheets = pd.read_excel(index.parent / "tables.xlsx", sheet_name=None, header=None, engine="calamine")
    assert len(sheets) == len(tables) + 1
    assert all("not yet validated" in str(sheet.iloc[0, 0]) for sheet in sheets.values())


def test_provenance_names_what_it_was_made_of_and_no_path(sample: tuple[Path, dict[str, Path]]) -> None:
    provenance = json.loads((sample[0].parent / "provenance.json").read_text(encoding="utf-8"))
    assert [data["file"] for data in provenance["data"]] == ["baseline.csv", "followup.csv"]
    assert all(len(data["sha256"]) == 64 for data in provenance["data"])
    assert {"pwiq", "numpy", "pandas"} <= set(provenance["packages"])
    for file in sample[0].parent.glob("*.html"):
        assert str(sample[0].parent.parent) not in file.read_text(encoding="utf-8")


def test_nobody_is_named_and_no_code_leaves(sample: tuple[Path, dict[str, Path]], baseline: pd.DataFrame) -> None:
    text = whole_text(sample[0])
    for column in ("open1", "open2"):
        for answer in set(baseline[column]) - {""}:
            assert answer not in text
    assert "team01" not in text
    assert "baseline:" not in text


def test_no_small_count_is_released(sample: tuple[Path, dict[str, Path]]) -> None:
    for file in (sample[0].parent / "tables").glob("*.csv"):
        table = pd.read_csv(file)
        for name in set(table.columns) & {"n", "n_before", "n_after", "responses", "asked", "linked"}:
            counts = pd.to_numeric(table[name]).dropna()
            assert not ((counts > 0) & (counts < 5)).any(), (file.name, name)


def test_the_null_set_makes_no_claim_of_change(root: Path, tmp_path: Path, only_notebooks: Callable[..., None]) -> None:
    only_notebooks(*CHANGE)
    files = [root / "sample_data/null_baseline.csv", root / "sample_data/null_followup.csv"]
    text = page_text(run_report(files, tmp_path / "report"), "index")
    words = r"(no change that matters|too close to call|not enough answers)\."
    assert re.search(rf"Integration score, last wave against first: .*?: {words} This is change", text)
    assert re.search(rf"points more change with the programme than without \(.*?\): {words}", text)
    assert "with the programme (Holm): none." in text
    assert not re.search(r": (better|worse|moved)\.|\((better|worse)\)", text)


def test_one_form(make_report: Callable[..., Path], baseline: pd.DataFrame, followup: pd.DataFrame) -> None:
    text = whole_text(
        make_report(baseline[baseline["form"] == "P"].head(80), followup[followup["form"] == "P"].head(60))
    )
    assert "Fewer than two forms have enough answers to be shown" in text
    assert "Integration score, last wave against first:" in text


def test_one_team(make_report: Callable[..., Path], baseline: pd.DataFrame, followup: pd.DataFrame) -> None:
    team = baseline["team"].value_counts().index[0]
    report = make_report(baseline[baseline["team"] == team], followup[followup["team"] == team])
    text = whole_text(report)
    assert "Integration score, last wave against first:" in text
    assert "no comparison between places with and without the programme" in text


def test_twelve_people(make_report: Callable[..., Path], baseline: pd.DataFrame) -> None:
    text = whole_text(make_report(baseline.head(12)))
    assert "Wave 1: 12 people answered." in text
    # Under twenty people an interval would give their answers' spread back.
    assert re.search(r"Integration score, wave 1: \d+ of 100\.", text)
    assert "items need 406 for a factor analysis" in text
    assert "no factors are reported" in text


def test_twelve_people_seen_from_outside(make_report: Callable[..., Path], baseline: pd.DataFrame) -> None:
    report = make_report(baseline.head(12), audience="external")
    for file in (report.parent / "tables").glob("*.csv"):
        table = pd.read_csv(file)
        for name in set(table.columns) & {"n", "responses", "asked"}:
            counts = pd.to_numeric(table[name]).dropna()
            assert not ((counts > 0) & (counts < 10)).any(), (file.name, name)


@pytest.mark.parametrize("people", [1, 3])
def test_so_few_that_nothing_may_be_shown(
    make_report: Callable[..., Path], baseline: pd.DataFrame, people: int
) -> None:
    report = make_report(baseline.head(people))
    text = whole_text(report)
    assert "Fewer than 5 people answered in wave 1: nothing can be shown" in text
    assert "not available" not in text
    numbers = [pd.read_csv(file) for file in (report.parent / "tables").glob("0[2-7]_*.csv")]
    assert not numbers


def test_nobody_linked(
    make_report: Callable[..., Path],
    only_notebooks: Callable[..., None],
    baseline: pd.DataFrame,
    followup: pd.DataFrame,
) -> None:
    only_notebooks(*CHANGE)
    codes = [f"code{number}" for number in range(1, 7)]
    report = make_report(baseline.head(200).assign(**dict.fromkeys(codes, "")), followup.head(150))
    text = whole_text(report, CHANGE)
    assert "Nobody could be linked by their code" in text
    assert "Integration score, last wave against first:" in text


def test_one_wave_and_a_subscale_that_nobody_answered(make_report: Callable[..., Path], baseline: pd.DataFrame) -> None:
    frame = baseline.head(120).copy()
    frame[[name for name in frame if re.fullmatch(r"supv[abc][fb]", name)]] = ""
    text = whole_text(make_report(frame))
    assert "There is one wave of answers" in text
    assert "Integration score, wave 1:" in text
    assert re.search(r"supv: .*?nobody|supv.*?no answers|supv.*?answered", text)


def test_long_and_short_forms_in_different_waves(
    make_report: Callable[..., Path], baseline: pd.DataFrame, followup: pd.DataFrame
) -> None:
    later = followup.head(200).copy()
    later["form"] = later["form"] + "S"
    short = re.compile(r"^(role|indu|educ|path|supv|reso|devp|lead|voic|cult|prac)[abc][fb]$")
    from instrument import read_instrument

    pwiq = read_instrument("pwiq")
    for name in [name for name in later if short.match(name) and name not in pwiq.short_items]:
        later[name] = ""
    text = whole_text(make_report(baseline.head(200), later))
    assert "Integration score, last wave against first:" in text


def test_another_questionnaire(make_report: Callable[..., Path], root: Path, tmp_path: Path) -> None:
    import numpy as np

    rng = np.random.default_rng(5)
    definition = root / "tests/data/small.toml"
    names = [f"{scale}{number}" for scale in ("rest", "trust") for number in range(1, 6)]
    frames = []
    for size in (140, 120):
        eta = rng.standard_normal((size, 2)).repeat(5, axis=1)
        sign = np.tile([1, -1, 1, -1, 1], 2)
        raw = np.clip(np.round(1.5 + 0.8 * eta * sign + 0.6 * rng.standard_normal((size, 10))), 0, 3).astype(int)
        frames.append(pd.DataFrame(raw, columns=names))
    report = make_report(*frames, instrument=definition)
    text = whole_text(report)
    assert "Team wellbeing, wave 1:" in text
    assert "one form, so that there are no groups of respondents to compare" in text
    assert "made up to show the format" in (report.parent / "06_before_and_after.html").read_text(encoding="utf-8")
    assert len(list((report.parent / "tables").glob("03_*.csv"))) >= 4


def test_refused_answers_leave_nothing(
    make_report: Callable[..., Path], baseline: pd.DataFrame, tmp_path: Path
) -> None:
    frame = baseline.head(30).copy()
    frame.loc[3, "roleaf"] = "7"
    with pytest.raises(ResponseError, match=r"answers1\.csv:5:roleaf"):
        make_report(frame)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers1.csv"]


def test_only_an_earlier_report_is_replaced(
    make_report: Callable[..., Path], baseline: pd.DataFrame, tmp_path: Path
) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "thesis.docx").write_text("precious")
    with pytest.raises(FileExistsError, match="exists"):
        make_report(baseline.head(6))
    with pytest.raises(FileExistsError, match="not an earlier report"):
        make_report(baseline.head(6), force=True)
    assert (tmp_path / "report" / "thesis.docx").read_text() == "precious"


def test_every_citation_of_the_methods_has_its_reference(sample: tuple[Path, dict[str, Path]]) -> None:
    text = page_text(sample[0], "index")
    methods, references = text.split("Methods, ready to paste")[1].split("References", 1)
    cited = set(re.findall(r"([A-Z][A-Za-zö]+)(?:'s| et al\.|,? (?:and|&) [A-Z]\w+)?,? \(?((?:19|20)\d\d)\)", methods))
    assert len(cited) > 15
    missing = [(name, year) for name, year in cited if not re.search(rf"{name}\b[^;]*?{year}", references)]
    assert not missing


def people_of(frame: pd.DataFrame, **sizes: int) -> pd.DataFrame:
    """Return so many people of each form."""
    return pd.concat([frame[frame["form"] == form].head(size) for form, size in sizes.items()]).copy()


def filed(report: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(report.parent / "tables" / f"{name}.csv")


def test_a_small_form_does_not_follow_from_the_others(
    make_report: Callable[..., Path], only_notebooks: Callable[..., None], baseline: pd.DataFrame
) -> None:
    only_notebooks("02_answers_and_scores")
    report = make_report(people_of(baseline, P=20, C=3, M=20))
    # The same groups in every table: 43 people less 20 less 20 would be the 3 colleagues, who stand with the managers.
    seen = {
        form for name in ("02_flow", "02_means_by_form", "02_beside_the_scale") for form in filed(report, name)["form"]
    }
    assert seen == {"peers", "non-peer staff"}
    # Eight items are not asked of colleagues: 40 asked beside 43 would be the same 3.
    assert set(filed(report, "02_items_wave_1")["asked"].dropna()) == {43}


def test_an_arm_that_may_not_be_shown_does_not_weigh_as_the_other(
    make_report: Callable[..., Path],
    only_notebooks: Callable[..., None],
    baseline: pd.DataFrame,
    followup: pd.DataFrame,
) -> None:
    only_notebooks(*CHANGE)
    waves = [people_of(frame, C=25) for frame in (baseline, followup)]
    for wave in waves:
        places = ["p1", "p2", "p3", *(f"o{number % 6}" for number in range(22))]
        wave["organisation"], wave["programme"] = places, ["1"] * 3 + ["0"] * 22
    report = make_report(*waves)
    text = whole_text(report, CHANGE)
    assert "have too few answers to be shown apart" in text
    assert "more change with the programme" not in text
    assert not list((report.parent / "tables").glob("06_arms*"))
    assert not list((report.parent / "tables").glob("06_programme*"))


def test_nobodys_answer_follows_where_all_are_alike_and_nothing_becomes_markup(
    make_report: Callable[..., Path], baseline: pd.DataFrame
) -> None:
    frame = people_of(baseline, C=12)
    for item in [name for name in frame if re.fullmatch(r"[a-z]{4}[abc][fb]", name)]:
        frame[item] = frame[item].where(frame[item] == "", "5")
        if (frame[item] != "").any():
            frame[item] = "5"
    frame["team"] = "<script>alert(1)</script>"
    frame["<img src=x onerror=alert(1)>"] = "=1+1"
    report = make_report(frame)
    assert filed(report, "02_items_wave_1")[["mean", "sd"]].isna().all(axis=None)
    assert filed(report, "02_means")["mean"].isna().all()
    assert "unanimous" not in whole_text(report)
    pages = "".join(page.read_text(encoding="utf-8") for page in report.parent.glob("*.html"))
    assert "<script" not in pages
    assert "<img src=x" not in pages


def test_the_number_of_a_wave_that_is_not_shown_is_not_in_the_provenance(
    make_report: Callable[..., Path],
    only_notebooks: Callable[..., None],
    baseline: pd.DataFrame,
    followup: pd.DataFrame,
) -> None:
    only_notebooks("01_instrument")
    report = make_report(people_of(baseline, C=30), people_of(followup, C=3))
    assert json.loads((report.parent / "provenance.json").read_text(encoding="utf-8"))["responses"] == 30


def test_who_answered_nothing_on_the_scale_is_not_counted_out(
    make_report: Callable[..., Path], baseline: pd.DataFrame
) -> None:
    frame = people_of(baseline, C=30)
    items = [name for name in frame if re.fullmatch(r"[a-z]{4}[abc][fb]", name) and (frame[name] != "").any()]
    frame[items] = frame[items].mask(frame[items].isin(["97", "98", "99"]), "3")
    frame.loc[frame.index[0], items] = "97"
    report = make_report(frame)
    text = whole_text(report)
    assert "30 people answered in wave 1; 58 items" in text
    assert "29 people" not in text
    # 6 cells of 180 are one person's.
    assert filed(report, "02_beside_the_scale")["percent"].isna().all()
