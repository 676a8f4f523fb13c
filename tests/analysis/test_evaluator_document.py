"""The evaluator's and the researcher's documents, and that all are written."""

import io
import re
from dataclasses import replace

import docx
import pandas as pd
import pypdf
import pytest

from analysis.document import (
    Bullets,
    Callout,
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
from analysis.released import WITHHELD, Released, readable, references, shortened
from analysis.researcher_document import researcher_document
from analysis.team_page import COULD_NOT_CHECK, INTERVAL
from analysis.written import names_of, write_documents
from tests.analysis.one_wave import with_one_wave

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
        "What to do first",
        "Is it the programme?",
        "Checks and sensitivity",
        "Deviations from the plan",
        "Which outcomes to promise",
        "Methods",
        "Reporting guidelines: where to find what",
        "References",
    ]


def test_one_wave_has_the_parts_that_need_no_second(report):
    document = composed(with_one_wave(report))
    assert [block.text for block in document.blocks if isinstance(block, Heading)] == [
        "Summary",
        "Who took part",
        "How things stand",
        "Do peer workers, colleagues and managers see it alike?",
        "What to do first",
        "Checks",
        "Which outcomes to promise",
        "Methods",
        "References",
    ]
    assert not [block for block in document.blocks if isinstance(block, FillIn | FlowDiagram)]
    text = words(document)
    assert "Wave 1: 32 people answered." in text
    assert not re.search(r"two surveys|this is change|linked|Difference in differences|Analysis of change", text)
    told = [block for block in document.blocks if isinstance(block, Callout)]
    assert [block.title for block in told] == ["There is one wave of answers."]
    assert "A second survey, at least three months later, would add what changed" in text
    assert "There is one wave" not in text  # it is said once, as the head of that box
    assert "Holm, S. (1979)" in text
    assert pdf(document)


def test_one_wave_shows_its_scores_of_all_and_of_each_form(report):
    with_one_wave(report)
    scores = table(composed(report), "Scores of 0 to 100")
    assert scores.columns == ("Score", "n", "All (95 % interval)", "Peers", "Colleagues")
    assert scores.rows[0] == ("Integration score", "30", "55 (50\xa0to\xa060)", "51", "57")
    assert len(scores.rows) == 14
    assert [row[:3] for row in table(composed(report), "Who answered").rows] == [
        ("1", "peers", "16"),
        ("1", "colleagues", "16"),
    ]
    report.tables["02_means"].loc[0, ["n", "mean", "ci_low", "ci_high"]] = ""
    del report.tables["02_means_by_form"]
    assert table(composed(report), "Scores of 0 to 100").rows[0] == ("Integration score", "–", "–")
    del report.tables["02_means"]
    assert "of the barrier index less is better may not be shown: too few people." in words(composed(report))


def test_room_to_move_is_told_of_the_scores_that_may_be_shown(report):
    with_one_wave(report)
    room = "Room to move: how many are at an end of a score"
    assert f"{room}: not assessed." in words(composed(report))
    report.tables["02_floor_ceiling"] = pd.DataFrame(
        {"wave": "1", "score": ["role", "educ"], "percent_floor": ["", ""], "percent_ceiling": ["20", ""]}
    )
    assert table(composed(report), room).rows == (("Role clarity and distinctiveness", "–", "20"),)
    report.tables["02_floor_ceiling"]["percent_ceiling"] = ""
    assert f"{room} may not be shown: too few people." in words(composed(report))


def test_the_researcher_of_one_wave_gets_no_change_either(report):
    document = composed(with_one_wave(report), researcher_document)
    headings = {block.text for block in document.blocks if isinstance(block, Heading)}
    assert {"Participants", "Scores", "Gaps and priorities"} <= headings
    assert not {"Change", "Comparability", "Checks and deviations"} & headings
    assert "Linking" not in words(document)
    assert table(document, "Scores of 0 to 100").rows[0][2] == "55 (50\xa0to\xa060)"


@pytest.mark.parametrize(
    ("linked", "why"),
    [
        ("", " may not be shown: too few people."),
        ("–", " may not be shown: too few people."),
        ("0", ": nobody could be linked by their code."),
        ("17", ": not assessed."),
    ],
)
def test_why_nothing_is_told_of_the_linked(report_without, linked, why):
    report = report_without(without=("06_linking",))
    flow = report.tables["06_flow"]
    flow.loc[flow["step"] == "linked", ["before", "after"]] = linked
    assert f"How well the two surveys could be linked{why}" in words(composed(report))
    assert f"Linked less unlinked people{why}" in words(composed(report, researcher_document))


def test_gaps_of_groups_that_are_too_small_are_not_called_not_assessed(report_without):
    report = report_without(without=("07_gaps",))
    assert "Gaps between the groups, points of 100: not assessed." in words(composed(report))
    sentence = next(entry for entry in report.shown if entry.kind == "sentence")
    hidden = "In at least one wave a group has fewer than 5 answers and cannot be shown, nor can the others beside it."
    report.shown.append(replace(sentence, notebook="07_priorities", text=hidden))
    assert "Gaps between the groups, points of 100 may not be shown: too few people." in words(composed(report))


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
    assert table(controlled, "Change with the programme").rows[0][-1] == "too close to call"


def test_the_table_of_changes_holds_what_was_released(report):
    changes = table(composed(report), "Scores of 0 to 100")
    assert changes.columns == (
        "Score",
        "Before → after",
        "Change (95 % interval)",
        "p (adj.)",
        "n before, after",
        "Verdict",
    )
    assert changes.rows[0] == (
        "Integration score",
        "55 → 61",
        "6.1 (1.5\xa0to\xa010.7)",
        ".013",
        "30, 26",
        "better; may matter",
    )
    assert changes.rows[2][2] == "−7.3 (−11.9\xa0to\xa0−2.7)"
    # The size is told where there is a change: elsewhere the verdict says it.
    assert changes.rows[1][-1] == "too close to call"
    assert [row[0] for row in changes.rows][2:4] == ["Barrier index", "Role clarity and distinctiveness"]
    assert len(changes.rows) == 14
    assert INTERVAL in words(composed(report))


def test_withheld_changes_are_a_dash_and_it_is_said_what_that_means(report):
    report.tables["06_change"][["estimate", "ci_low", "ci_high", "n_before", "p_adjusted"]] = ""
    report.tables["06_means"]["mean"] = ""
    changes = table(composed(report), "Scores of 0 to 100")
    assert changes.rows[0] == ("Integration score", "–", "–", "–", "–, 26", "better; may matter")
    assert WITHHELD in changes.note
    report.tables["06_means"]["mean"] = ["55", ""] * 14
    assert table(composed(report), "Scores of 0 to 100").rows[0][1] == "55 → –"


def test_the_change_of_both_arms_stands_beside_their_difference(report):
    report.shown.append(replace(report.shown[0], name="06_arms", title="Arms"))
    report.tables["06_arms"] = pd.DataFrame(
        {"score": ["integration"] * 2, "arm": ["programme", "control"], "estimate": ["5.8", "1.6"]}
    )
    changes = table(composed(report), "Change with the programme")
    assert changes.columns[1:4] == ("With it", "Without", "Difference (95 % interval)")
    assert changes.rows[0][1:4] == ("5.8", "1.6", "6.1 (1.5\xa0to\xa010.7)")
    assert changes.rows[1][1:3] == ("–", "–")


def test_gaps_have_one_row_a_score_and_both_gaps_beside_each_other(report):
    pairs = [(name, other) for name in ("role", "integration", "preparation") for other in ("C", "M")]
    report.tables["07_gaps"] = pd.DataFrame(
        {
            "score": [name for name, _ in pairs],
            "group_1": "P",
            "group_2": [other for _, other in pairs],
            "estimate": ["-12.1", "2.0", "-3.0", "1.0", "5.0", "6.0"],
            "ci_low": "-20.0",
            "ci_high": "",
            "view": ["lower", "no clear gap", "higher", "no clear gap", "higher", "higher"],
            "comparable": "not tested here",
        }
    )
    gaps = table(composed(report), "Gaps between the groups")
    assert gaps.columns == (
        "Score",
        "Peer workers less colleagues in other roles",
        "Their view",
        "Peer workers less managers and leaders",
        "Their view",
    )
    assert gaps.rows == (
        ("Integration score", "−3.0", "they see more", "1.0", "no clear gap"),
        ("Role clarity and distinctiveness", "−12.1", "they see less", "2.0", "no clear gap"),
    )
    assert "Not tested here" in gaps.note
    report.tables["07_gaps"]["ci_high"] = "-4.2"
    assert table(composed(report), "Gaps between the groups").rows[1][1] == "−12.1 (−20.0\xa0to\xa0−4.2)"
    assert table(composed(report, researcher_document), "Gaps between the groups").columns[2:4] == ("SE", "p (adj.)")
    assert len(table(composed(report, researcher_document), "Gaps between the groups").rows) == 3


def test_what_was_worked_on_is_told_beside_chance_and_other_places(report):
    report.tables["07_targeted"] = pd.DataFrame(
        {
            "target": ["roleaf", "all targets"],
            "before": ["59.5627", "52.9"],
            "after": ["71.7987", "63.6"],
            "estimate": ["12.2", "10.7"],
            "ci_low": ["6.6", "7.8"],
            "ci_high": ["17.9", "13.5"],
            "expected": ["-0.1035", "0.0"],
            "comparison": ["6.7366", "2.1"],
            "excess": ["5.603", "8.6"],
            "excess_low": ["-0.706", "5.1"],
            "excess_high": ["11.912", "12.1"],
        }
    )
    moved = table(composed(report), "Did what was worked on")
    assert moved.rows[0] == (
        "All targets",
        "53 → 64",
        "10.7 (7.8\xa0to\xa013.5)",
        "0.0",
        "2.1",
        "8.6 (5.1\xa0to\xa012.1)",
    )
    assert moved.rows[1][1:] == ("60 → 72", "12.2 (6.6\xa0to\xa017.9)", "−0.1", "6.7", "5.6 (−0.7\xa0to\xa011.9)")
    report.tables["07_targeted"][["comparison", "excess", "excess_low", "excess_high"]] = ""
    alone = table(composed(report), "Did what was worked on")
    assert alone.columns == ("What was worked on", "Before → after", "Change (95 % interval)", "By chance")


def test_what_reached_people_stands_by_question_or_is_withheld(report):
    report.shown.append(replace(report.shown[0], name="06_dose", title="Dose"))
    report.tables["06_dose"] = pd.DataFrame(
        {
            "question": "training",
            "answer": ["No training", "No training", "Yes", "Yes"],
            "wave": ["1", "2", "1", "2"],
            "n": "",
            "percent": ["60.0", "40.0", "40.0", "60.0"],
        }
    )
    told = table(composed(report), "What reached people")
    assert [row[1:] for row in told.rows] == [("No training", "60", "40"), ("Yes", "40", "60")]
    report.tables["06_dose"]["percent"] = ""
    assert "What reached people, as they say: too few answers to be shown." in words(composed(report))


def test_only_what_deviates_from_the_plan_or_is_not_known_is_a_row(report):
    report.tables["06_deviations"] = pd.DataFrame(
        {
            "point": ["primary outcome", "stop date", "targets"],
            "planned": ["integration", "2027-06-30", "role"],
            "done": ["integration", "not known", "none"],
            "deviation": ["no", "not known", "yes"],
            "words": "",
        }
    )
    document = composed(report)
    assert [row[0] for row in table(document, "Deviations from the analysis plan").rows] == ["stop date", "targets"]
    assert "As planned: primary outcome." in words(document)
    report.tables["06_deviations"]["deviation"] = "no"
    assert "Deviations from the analysis plan: none." in words(composed(report))


def test_the_figure_of_priorities_is_the_one_that_can_be_read(report):
    def shown(blocks):
        return [block.caption for block in blocks if isinstance(block, Figure)]

    assert shown(after(composed(report), "What to do first")) == ["Figure of matrix"]
    report.tables["07_priorities"]["difficulty"] = ""
    assert shown(after(composed(report), "What to do first")) == ["Figure of needs"]


def test_the_gate_and_the_negative_control_are_told(report):
    document = composed(report)
    gate = table(document, "Do the questions mean the same")
    # Scores with the same verdict for the same reason share a row.
    assert [row[0] for row in gate.rows] == ["not tested here", "not comparable"]
    assert gate.rows[0][1].count(";") == 9
    assert gate.rows[1][1] == "Authentic peer practice"
    assert COULD_NOT_CHECK in words(document)
    assert table(document, "Negative control").rows[0][0] == "Negative control"
    report.tables["06_negative_control"] = report.tables["06_negative_control"].rename(columns={"score": "contrast"})
    report.tables["06_negative_control"]["contrast"] = "programme − control"
    assert table(composed(report), "Negative control").rows[0][0] == "With the programme less without"
    report.tables["06_gate"]["verdict"] = "comparable"
    assert COULD_NOT_CHECK not in words(composed(report))


def test_figures_come_with_their_words(report):
    figures = [block for block in composed(report).blocks if isinstance(block, Figure)]
    assert [figure.caption for figure in figures] == [
        "Figure of change",
        "Figure of gaps",
        "Figure of matrix",
        "Figure of programme",
    ]
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


def test_the_researcher_gets_tests_and_sizes_too(report):
    more = {"se": "2.3", "df": "40.1234", "statistic": "2.6512", "p": "0.0002", "test": "cluster means"}
    more |= {"effect_size": "0.41", "effect_low": "0.1", "effect_high": "0.72"}
    report.tables["06_change"] = report.tables["06_change"].assign(**more)
    document = composed(report, researcher_document)
    changes, tests = (
        table(document, "Change from the first"),
        table(document, "Change from the first to the last wave: tests"),
    )
    assert changes.rows[0] == ("Integration score", "30, 26", "6.1 (1.5\xa0to\xa010.7)", "better; may matter")
    assert tests.columns == ("Score", "SE", "df", "t", "p", "p (adj.)", "In SD (95 % CI)")
    assert tests.rows[0] == ("Integration score", "2.3", "40.1", "2.65", "< .001", ".013", "0.41 (0.10\xa0to\xa00.72)")
    assert tests.note == "Tests: cluster means."
    means = table(document, "Scores by wave")
    assert means.columns[:3] == ("Score", "n 1", "Mean 1 (95 % CI)")
    assert means.rows[0][:3] == ("Integration score", "30", "55 (50\xa0to\xa060)")
    for missing in (
        "Reliable change (numbers of linked people)",
        "Analysis of covariance",
        "Linked less unlinked people",
    ):
        assert f"{missing}: not assessed." in words(document)


def test_references_are_those_of_the_notebooks_that_the_documents_rest_on(report):
    factors = replace(
        report.shown[0], notebook="04_factor_structure", name="04_fit", method="Parallel analysis (Horn, 1965)."
    )
    report.shown.append(factors)
    report.tables["04_fit"] = report.tables["06_flow"]
    assert "Horn" not in words(composed(report))
    report.shown[-1] = replace(factors, notebook="06_before_and_after", name="06_fit")
    assert references([factors.method])[0] in words(composed(report))


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
    assert len(docx.Document(io.BytesIO(before[tmp_path / "evaluator.docx"])).inline_shapes) == 4
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
