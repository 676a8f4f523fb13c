"""The evaluator's and the researcher's documents, and that all are written."""

import io
import re

import docx
import pandas as pd
import pypdf
import pytest

from analysis.document import (
    Bullets,
    Callout,
    ChangeBars,
    Figure,
    FillIn,
    FlowDiagram,
    Heading,
    Paragraph,
    Table,
    runs,
)
from analysis.document_html import html
from analysis.document_pdf import pdf
from analysis.evaluator_document import GUIDELINES, evaluator_document
from analysis.released import Released, readable, references, shortened
from analysis.researcher_document import researcher_document
from analysis.team_page import COULD_NOT_CHECK, INTERVAL
from analysis.written import names_of, write_documents

TABLES = (
    "06_flow",
    "06_linking",
    "06_gate",
    "06_means",
    "06_change",
    "06_programme",
    "06_negative_control",
    "06_checks",
    "06_deviations",
    "07_gaps",
    "07_signals",
    "07_priorities",
    "07_keep",
    "07_act",
    "07_targeted",
)


def composed(report, compose=evaluator_document):
    released = Released(report.shown, report.tables, report.figures, names_of(report.definition))
    return compose(released, report.definition, report.provenance)


def words(document):
    found = []
    for block in document.blocks:
        if isinstance(block, Paragraph | Callout):
            found.append("".join(run.text for run in runs(block.words)))
        elif isinstance(block, Bullets):
            found += ["".join(run.text for run in runs(item)) for item in block.items]
        elif isinstance(block, Heading):
            found.append(block.text)
    return "\n".join(found)


def table(document, caption):
    return next(block for block in document.blocks if isinstance(block, Table) and block.caption.startswith(caption))


def after(document, heading):
    """The blocks between a heading of level 1 and the next."""
    blocks = list(document.blocks)
    start = next(place for place, block in enumerate(blocks) if isinstance(block, Heading) and block.text == heading)
    ends = [
        place for place, block in enumerate(blocks) if place > start and isinstance(block, Heading) and block.level == 1
    ]
    return blocks[start + 1 : ends[0] if ends else None]


def test_it_has_all_its_parts_in_order(report):
    assert [block.text for block in composed(report).blocks if isinstance(block, Heading)] == [
        "Summary",
        "Who took part",
        "What was delivered (dose)",
        "What changed",
        "What may be compared",
        "Do peer workers, colleagues and managers see it alike?",
        "Is it the programme?",
        "Checks and sensitivity",
        "Deviations from the plan",
        "Which outcomes to promise",
        "Methods",
        "Reporting guidelines: where to find what",
        "References",
    ]


def test_the_flow_shows_who_went_where_and_what_is_not_known(report):
    (flow,) = [block for block in after(composed(report), "Who took part") if isinstance(block, FlowDiagram)]
    assert [(step.label, step.counts, step.aside) for step in flow.steps] == [
        ("invited", ("41", "40"), False),
        ("answered", ("32", "27"), False),
        ("usable", ("30", "26"), False),
        ("no partner", ("9", "5"), True),
        ("blank or incomplete code", ("–", "–"), True),
        ("linked", ("17",), False),
    ]
    assert "How many were eligible: not assessed." in flow.note
    assert "invited" not in flow.note


def test_a_change_is_never_an_effect_without_a_comparison(report_without):
    alone = composed(report_without(without=("06_programme",)))
    text = words(alone)
    assert "One group before and after shows change, not effect." in text
    assert "nothing here says what caused it" in text
    assert "Difference in differences" not in text
    assert not [
        block
        for block in alone.blocks
        if isinstance(block, Table) and block.caption.startswith("Change with the programme")
    ]
    controlled = composed(report_without())
    assert "Difference in differences" in words(controlled)
    assert "One group before and after" not in words(controlled)
    assert table(controlled, "Change with the programme").rows[0][-2] == "too close to call"


def test_the_table_of_changes_holds_what_was_released(report):
    changes = table(composed(report), "Change in points")
    assert changes.columns == ("Score", "n before", "n after", "Change", "95 % interval", "p (adj.)", "Verdict", "Size")
    assert changes.rows[0] == (
        "Integration score",
        "30",
        "26",
        "6.1",
        "1.5\xa0to\xa010.7",
        ".013",
        "better",
        "may matter",
    )
    assert changes.rows[2][3:5] == ("−7.3", "−11.9\xa0to\xa0−2.7")
    assert changes.align[:4] == ("left", "right", "right", "right")
    bars = next(block for block in composed(report).blocks if isinstance(block, ChangeBars))
    assert [row.label for row in bars.rows][:2] == ["Integration score", "Role clarity and distinctiveness"]
    assert INTERVAL in words(composed(report))


def test_the_gate_and_the_negative_control_are_told(report):
    document = composed(report)
    assert table(document, "Do the questions mean the same").rows[-1][1] == "not comparable"
    assert COULD_NOT_CHECK in words(document)
    assert table(document, "Negative control").rows[0][0] == "Negative control"
    report.tables["06_gate"]["verdict"] = "comparable"
    assert COULD_NOT_CHECK not in words(composed(report))


def test_figures_come_with_their_words(report):
    figures = [block for block in composed(report).blocks if isinstance(block, Figure)]
    assert [figure.caption for figure in figures] == ["Figure of change", "Figure of gaps", "Figure of programme"]
    assert all("rises from 20 to 80" in figure.alt for figure in figures)


def test_what_only_the_evaluator_knows_is_left_to_them(report):
    (dose,) = [block for block in after(composed(report), "What was delivered (dose)") if isinstance(block, FillIn)]
    assert len(dose.first) < dose.rows
    guide = {row[0]: row[2] for row in table(composed(report), "Points of the guidelines").rows}
    assert guide["Flow of participants"] == "Who took part"
    assert guide["Harms and unintended effects"] == "for the evaluator to write"
    assert guide["Resources and costs"] == "not assessed"
    headings = {block.text for block in composed(report).blocks if isinstance(block, Heading)}
    known = ("for the evaluator", "not assessed", "none:", "pages of the report")
    for place in guide.values():
        assert place.startswith(known) or any(place.startswith(heading.split(" (")[0]) for heading in headings), place


@pytest.mark.parametrize(
    ("missing", "point"),
    [
        ("06_flow", "Flow of participants"),
        ("06_deviations", "Deviations from the protocol"),
        ("06_checks", "Ancillary and sensitivity analyses"),
        ("06_change", "Numbers analysed"),
    ],
)
def test_points_of_the_guidelines_follow_what_was_released(report_without, missing, point):
    guide = {
        row[0]: row[2] for row in table(composed(report_without(without=(missing,))), "Points of the guidelines").rows
    }
    assert guide[point] == "not assessed"


@pytest.mark.parametrize("compose", [evaluator_document, researcher_document])
@pytest.mark.parametrize("missing", TABLES)
def test_each_part_may_be_missing(report_without, compose, missing):
    full, less = composed(report_without(), compose), composed(report_without(without=(missing,)), compose)
    assert html(less)
    assert words(less).count("not assessed") >= words(full).count("not assessed")


@pytest.mark.parametrize("compose", [evaluator_document, researcher_document])
def test_with_nothing_released_everything_is_not_assessed(report_without, compose):
    report = report_without(without=TABLES)
    report.shown, report.figures = [], {}
    document = composed(report, compose)
    assert words(document).count("not assessed") >= 8
    assert "better" not in {
        cell for block in document.blocks if isinstance(block, Table) for row in block.rows for cell in row
    }
    assert pdf(document)


@pytest.mark.parametrize("compose", [evaluator_document, researcher_document])
def test_every_page_has_its_banner(report, compose):
    pages = pypdf.PdfReader(io.BytesIO(pdf(composed(report, compose)))).pages
    assert len(pages) > 3
    for number, page in enumerate(pages, start=1):
        text = re.sub(r"\s+", " ", page.extract_text())
        assert report.definition.banner["en"] in text
        assert f"Page {number} of {len(pages)}" in text


def test_methods_are_cited_and_said_once(report):
    document = composed(report)
    text = words(document)
    assert text.count("partially overlapping samples") == 1
    assert "Holm, S. (1979)" in text
    assert all(reference in text for reference in GUIDELINES)
    assert references(["nothing is cited here 1979"]) == []
    listed = next(block for block in after(document, "References") if isinstance(block, Bullets)).items
    assert list(listed) == sorted(listed)


def test_the_researcher_gets_all_columns_and_more_digits(report):
    report.tables["06_change"]["estimate"] = "6.1234"
    report.tables["06_change"]["se"] = "2.3456"
    changes = table(composed(report, researcher_document), "Change from the first")
    assert changes.columns == (
        "Score",
        "n before",
        "n after",
        "Change",
        "CI low",
        "CI high",
        "p (adj.)",
        "Verdict",
        "Size",
        "Se",
    )
    assert changes.rows[0][3] == "6.12"
    assert changes.rows[0][-1] == "2.35"
    assert table(composed(report), "Change in points").rows[0][3] == "6.1"


def test_the_argument_for_validity_has_its_five_sources(report):
    rows = table(composed(report, researcher_document), "Five sources").rows
    assert [row[0] for row in rows] == [
        "Content",
        "Response processes",
        "Internal structure",
        "Relations to other variables",
        "Consequences",
    ]
    assert rows[2][2] == "May the waves be compared?"
    assert rows[3][2] == rows[4][2] == "not assessed"
    hypotheses = table(composed(report, researcher_document), "Stated beforehand").rows
    assert {row[2] for row in hypotheses} == {"not assessed"}


@pytest.mark.parametrize(
    ("audience", "names"), [("external", ("team", "evaluator")), ("researcher", ("team", "evaluator", "researcher"))]
)
def test_all_documents_are_written(report, tmp_path, audience, names):
    (tmp_path / "figures").mkdir()
    for name, content in report.figures.items():
        (tmp_path / "figures" / f"{name}.svg").write_bytes(content)
    paths = write_documents(
        tmp_path, report.shown, report.tables, report.provenance, report.definition, audience=audience
    )
    assert [path.name for path in paths] == [f"{name}.{ending}" for name in names for ending in ("html", "pdf", "docx")]
    assert {path.name for path in tmp_path.iterdir()} == {"figures", *(path.name for path in paths)}
    before = {path: path.read_bytes() for path in paths}
    assert len(docx.Document(io.BytesIO(before[tmp_path / "evaluator.docx"])).inline_shapes) == 3
    assert len(pypdf.PdfReader(io.BytesIO(before[tmp_path / "team.pdf"])).pages) == 1


@pytest.mark.parametrize("compose", [evaluator_document, researcher_document])
def test_the_same_parts_make_the_same_document(report_without, compose):
    assert composed(report_without(), compose) == composed(report_without(), compose)


def test_hostile_text_in_every_released_cell_stays_text(report, hostile_text):
    for name, frame in report.tables.items():
        report.tables[name] = pd.concat(
            [frame, pd.DataFrame([dict.fromkeys(frame.columns, hostile_text)])], ignore_index=True
        )
    document = composed(report)
    assert hostile_text in {
        cell for block in document.blocks if isinstance(block, Table) for row in block.rows for cell in row
    }
    assert "<script" not in html(document)
    found = "".join(page.extract_text() for page in pypdf.PdfReader(io.BytesIO(pdf(document))).pages)
    assert "=cmd()" in re.sub(r"\s+", " ", found)


def test_numbers_are_written_as_they_are_read():
    assert [readable(text) for text in ("30", "30.0", "-0.04", "−2.25", "1e-5", "", "better", "<5")] == [
        "30",
        "30.0",
        "0.0",
        "−2.2",
        "0.0",
        "–",
        "better",
        "<5",
    ]
    assert shortened("unbreakableunbreakable", 8) == "unbrea …"
    assert all(len(shortened("a few words and more of them", most)) <= most for most in range(4, 30))
