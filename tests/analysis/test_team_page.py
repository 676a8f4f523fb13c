"""The team's one page: what it says, that it is one page, and that its words are plain."""

import io
import re
from dataclasses import replace

import pandas as pd
import pypdf
import pytest

from analysis.document import Bullets, Callout, ChangeBars, FillIn, KeyFigures, Paragraph, Table, runs
from analysis.document_html import html
from analysis.document_pdf import pdf
from analysis.document_word import word
from analysis.release import Shown
from analysis.released import Released
from analysis.team_page import COULD_NOT_CHECK, INTERVAL, SUPPORT, plain_names, team_page
from analysis.written import names_of
from tests.analysis.one_wave import with_one_wave

TABLES = ("06_flow", "06_gate", "06_means", "06_change", "07_priorities", "07_keep", "07_act", "07_signals")


def page_of(report):
    released = Released(report.shown, report.tables, report.figures, names_of(report.definition))
    return team_page(released, report.definition, report.provenance)


def pages_of(document):
    return pypdf.PdfReader(io.BytesIO(pdf(document))).pages


def said(document):
    """All words of a document, block by block."""
    words = []
    for block in document.blocks:
        if isinstance(block, Paragraph | Callout):
            words.append(getattr(block, "title", "") + " " + "".join(run.text for run in runs(block.words)))
        elif isinstance(block, Bullets):
            words += ["".join(run.text for run in runs(item)) for item in block.items]
        elif isinstance(block, ChangeBars):
            words += [f"{row.label}: {row.symbol} {row.word}." for row in block.rows]
        elif isinstance(block, KeyFigures):
            words += [f"{each.label}: {each.value} {each.words}. {each.detail}" for each in block.figures]
        elif isinstance(block, Table):
            words += [" | ".join(row) for row in block.rows]
    return "\n".join(words)


def only(document, kind):
    (found,) = [block for block in document.blocks if isinstance(block, kind)]
    return found


def test_it_says_what_was_released(report):
    document = page_of(report)
    text = said(document)
    assert "30 answered before and 26 now." in text
    assert INTERVAL in text
    assert SUPPORT in text
    assert "Not before 14 June 2026" in text
    figures = only(document, KeyFigures).figures
    assert [(each.value, each.words) for each in figures] == [
        ("55 → 61", "▲ better"),
        ("58 → 63", "? too close to call"),
        ("48 → 41", "▲ better"),
    ]
    assert figures[0].detail == "Interval of the change: +2 to +11"  # 1.5 to 10.7
    assert document.banner == report.definition.banner["en"]


def test_areas_stand_in_the_order_of_need_with_word_and_symbol(report):
    rows = only(page_of(report), ChangeBars).rows
    names = plain_names(report.definition)
    by_priority = report.tables["07_priorities"].assign(priority=lambda frame: frame["priority"].astype(float))
    expected = by_priority.sort_values(["priority"], ascending=False, kind="stable")["subscale"].map(names).tolist()
    assert [row.label for row in rows][:5] == expected[:5]
    assert len(rows) == 11
    found = {row.label: (row.symbol, row.word) for row in rows}
    assert found[names["role"]] == ("▲", "better")
    assert found[names["voic"]] == ("▼", "worse")
    assert found[names["reso"]] == ("=", "no change that matters")
    assert found[names["supv"]] == ("?", "too close to call")
    # What the gate does not let be compared gets no verdict, and the team gets the reason.
    assert found[names["prac"]] == ("–", "cannot be compared")
    assert f"{names['prac']}: one question was reworded" in said(page_of(report))


def test_without_priorities_the_lowest_score_comes_first(report_without):
    bars = only(page_of(report_without(without=("07_priorities",))), ChangeBars)
    after = [row.after for row in bars.rows]
    assert after == sorted(after)
    assert "lowest score first" in bars.caption


def test_it_says_whether_the_questions_could_be_checked(report):
    assert COULD_NOT_CHECK in said(page_of(report)).lower()
    report.tables["06_gate"]["verdict"] = "comparable"
    assert COULD_NOT_CHECK not in said(page_of(report)).lower()
    report.tables["06_gate"].loc[0, "verdict"] = "not tested here"
    assert f"For some areas {COULD_NOT_CHECK}" in said(page_of(report))
    del report.tables["06_gate"]
    assert COULD_NOT_CHECK in said(page_of(report)).lower()


def test_three_to_keep_and_three_to_act_on_at_most(report):
    more = pd.concat([report.tables["07_act"]] * 2, ignore_index=True)
    report.tables["07_act"] = more
    rows = only(page_of(report), Table).rows
    assert len(rows) == 3
    assert rows[0][1] == report.tables["07_keep"]["text"][0]
    assert rows[0][2].endswith("→ protect flexible, experience-based work")


def test_only_patterns_that_were_seen_are_named(report):
    assert "Welcomed, but unclear: Peer workers are well accepted" in said(page_of(report))
    assert "weak voice" not in said(page_of(report))
    report.tables["07_signals"]["finding"] = "not seen"
    assert "none of those that we looked for was seen" in said(page_of(report))


def test_it_is_one_page_in_pdf_with_its_banner(report):
    (page,) = pages_of(page_of(report))
    text = page.extract_text()
    assert report.definition.banner["en"] in re.sub(r"\s+", " ", text)
    assert "Page 1 of 1" in text
    for mark in ("▲", "▼", "=", "?"):
        assert mark in text


def lengthened(report):
    """The longest that a report may be: long names, items, actions, reasons and patterns."""
    long = "an unusually long statement about what happens here from one day to the next and why that is so " * 3
    for name, columns in (
        ("07_keep", ["text"]),
        ("07_act", ["text", "action"]),
        ("06_gate", ["reason"]),
        ("07_signals", ["rule"]),
    ):
        report.tables[name] = report.tables[name].assign(**dict.fromkeys(columns, long))
    report.tables["06_gate"]["verdict"] = "not comparable"
    report.tables["07_signals"] = pd.concat(
        [report.tables["07_signals"].assign(signal="unheard of", finding="seen")] * 2
    )
    report.tables["06_gate"].loc[:3, "verdict"] = "not tested here"
    report.provenance["draft"] = report.definition.banner["en"]
    return report


def test_it_is_one_page_with_long_texts_too(report):
    assert len(pages_of(page_of(lengthened(report)))) == 1


@pytest.mark.parametrize("missing", TABLES)
def test_it_can_do_without_each_part(report_without, missing):
    document = page_of(report_without(without=(missing,)))
    assert said(document)
    assert len(html(document)) > 1000


def test_with_nothing_released_it_says_so(report_without):
    document = page_of(report_without(without=(*TABLES, "06_programme")))
    text = said(document)
    assert text.count("not assessed") >= 3
    assert "not released" not in text
    assert len(pages_of(document)) == 1


def dot_of(row):
    """Where the dot of a row lies on its line, of 100."""
    marks = row[2].split("\xa0")
    return 100 * marks.index("●") / (len(marks) - 1)


def test_one_wave_tells_how_things_are_today(report):
    document = page_of(with_one_wave(report))
    assert document.title == "How peer work fits in here: today"
    assert "32 answered." in said(document)
    figures = only(document, KeyFigures).figures
    assert [(each.value, each.words) for each in figures] == [("55", "of 100"), ("58", "of 100"), ("48", "of 100")]
    assert [each.detail for each in figures] == [
        "Interval: 50 to 60",
        "Interval: 53 to 63",
        "Less is better. Interval: 43 to 53",
    ]
    areas = next(block for block in document.blocks if isinstance(block, Table) and block.caption)
    names = plain_names(report.definition)
    needs = report.tables["07_priorities"].assign(priority=lambda table: table["priority"].astype(float))
    by_need = needs.sort_values("priority", ascending=False, kind="stable")
    assert [row[0] for row in areas.rows][:5] == by_need["subscale"].map(names).tolist()[:5]
    assert len(areas.rows) == 11
    assert all(abs(dot_of(row) - float(row[1])) <= 2.5 for row in areas.rows)
    # What it keeps and acts on is there, and nothing of change.
    assert report.tables["07_keep"]["text"][0] in said(document)
    assert not [block for block in document.blocks if isinstance(block, ChangeBars)]
    whole = said(document) + document.title + document.subtitle
    own = whole.replace("change needs at least 3 months", "")
    assert not re.search(r"before and|what changed|compared|not assessed|both times|→ \d", own)
    assert len(pages_of(document)) == 1


def test_one_wave_without_priorities_has_the_lowest_score_first(report):
    del with_one_wave(report).tables["07_priorities"]
    areas = next(block for block in page_of(report).blocks if isinstance(block, Table) and block.caption)
    scores = [float(row[1]) for row in areas.rows]
    assert scores == sorted(scores)
    assert "lowest score first" in areas.caption


def test_one_wave_keeps_withheld_what_is_withheld(report):
    with_one_wave(report, counts=("16", ""))
    report.tables["02_means"].loc[[0, 3], ["mean", "ci_low", "ci_high"]] = ""
    del report.tables["07_keep"], report.tables["07_act"]
    document = page_of(report)
    text = said(document)
    assert "How many answered may not be shown: too few people." in text
    assert "16" not in text
    assert only(document, KeyFigures).figures[0].value == "Not shown"
    role = plain_names(report.definition)["role"]
    assert f"{role} | – | –" in text
    assert "– means: not shown" in text
    assert "Three things to keep and three to act on may not be shown: too few people." in text
    del report.tables["02_means"], report.tables["07_priorities"]
    assert "The scores may not be shown: too few people." in said(page_of(report))
    assert "The areas one by one may not be shown: too few people." in said(page_of(report))


def test_one_wave_of_few_says_that_its_scores_are_coarse(report):
    assert "steps of 5" not in said(page_of(with_one_wave(report)))
    report.tables["02_flow"]["responses"] = ["5", "4"]
    assert "scores are in steps of 5" in said(page_of(report))


def test_withheld_numbers_are_said_to_be_withheld(report):
    report.tables["06_means"]["mean"] = ""
    report.tables["06_change"][["estimate", "ci_low", "ci_high", "n_before"]] = ""
    report.tables["06_change"]["verdict"] = ""
    report.tables["06_flow"]["before"] = "–"
    document = page_of(report)
    total = only(document, KeyFigures).figures[0]
    assert (total.value, total.words) == ("Not shown", "not shown")
    assert total.detail == "Too few answers to show how much it changed."
    assert {row.word for row in only(document, ChangeBars).rows} == {"not shown", "cannot be compared"}
    assert "– means: not shown, since too few people answered" in said(document)
    assert "How many answered may not be shown" in said(document)
    _, _, body = html(document).partition("</style>")
    assert "nan" not in body.lower().replace("finance", "")
    report.tables["06_means"]["mean"] = ["55", ""] * 14
    assert only(page_of(report), KeyFigures).figures[0].value == "55 → not shown"


def test_answers_are_counted_where_the_flow_has_them(report):
    first = pd.DataFrame({"step": ["answers"], "before": ["35"], "after": ["29"]})
    report.tables["06_flow"] = pd.concat([first, report.tables["06_flow"]], ignore_index=True)
    assert "35 answered before and 29 now." in said(page_of(report))


def test_one_sentence_says_what_the_programme_added(report, report_without):
    begun = "With the programme and without it: "
    assert f"{begun}integration rose 6 points more where the programme ran than where it did not" in said(
        page_of(report)
    )
    assert "(interval +2 to +11): too close to call." in said(page_of(report))
    total = report.tables["06_programme"]["score"] == "integration"
    report.tables["06_programme"].loc[total, ["estimate", "ci_low"]] = ["-1.2", "-6"]
    assert "integration rose 1 point less where" in said(page_of(report))
    report.tables["06_programme"].loc[total, "estimate"] = ""
    assert f"{begun}how much more integration changed with the programme may not be shown." in said(page_of(report))
    assert begun not in said(page_of(report_without(without=("06_programme",))))


def test_it_says_so_where_numbers_are_coarse(report):
    assert "steps of 5" not in said(page_of(report))
    report.tables["06_change"]["n_after"] = "19"
    assert "So that nobody can be recognised, intervals are in steps of 5." in said(page_of(report))
    report.tables["06_change"]["n_after"] = "9"
    assert "scores and intervals are in steps of 5." in said(page_of(report))


def test_an_interval_without_zero_and_no_verdict_of_change_is_explained(report):
    many = "We look at many scores"
    assert many in said(page_of(report))  # the index of facilitators: +1 to +10, too close to call
    report.tables["06_change"]["ci_low"] = "-15"
    report.tables["06_change"]["ci_high"] = "15"
    assert many not in said(page_of(report))


def test_what_may_not_be_compared_is_said_of_the_total_too(report):
    report.tables["06_change"]["verdict"] = "not comparable"
    assert {each.words for each in only(page_of(report), KeyFigures).figures} == {"cannot be compared"}


def test_there_is_no_p_value_and_no_technical_word(report):
    text = said(page_of(report)) + page_of(report).title + page_of(report).subtitle
    assert not re.search(
        r"\bp ?[<=]|\.0\d\d|significan|confidence|variance|regress|statistic|baseline|Holm|adjusted",
        text,
        re.IGNORECASE,
    )


def syllables(word_):
    found = len(re.findall(r"[aeiouy]+", word_.lower()))
    silent = word_.lower().endswith("e") and not word_.lower().endswith("le")
    return max(found - silent, 1)


def test_its_words_are_plain(report):
    # Flesch-Kincaid grade (Kincaid et al., 1975) of what the page itself says: not of the questionnaire's items.
    report.tables = {
        name: table for name, table in report.tables.items() if name not in ("07_keep", "07_act", "07_signals")
    }
    text = " ".join(
        line if line.rstrip().endswith((".", "?", ":")) else f"{line}." for line in said(page_of(report)).split("\n")
    )
    sentences = [part for part in re.split(r"[.?!:;]\s", text) if re.search(r"[a-zA-Z]{2}", part)]
    words = re.findall(r"[A-Za-z']{2,}", text)
    grade = 0.39 * len(words) / len(sentences) + 11.8 * sum(map(syllables, words)) / len(words) - 15.59
    assert grade <= 8


def test_hostile_names_and_texts_stay_text(report, hostile_text):
    report.tables["07_act"]["text"] = hostile_text
    report.tables["07_signals"]["rule"] = "\u202e\x00 =cmd()"
    report.tables["07_signals"]["signal"] = "unheard of"
    document = page_of(report)
    # Shortened, but not otherwise changed.
    assert hostile_text[:40] in said(document)
    assert "<script" not in html(document)
    assert "□□ =cmd()" in said(document)
    assert word(document)[:2] == b"PK"
    assert len(pages_of(document)) == 1


def test_a_cell_that_was_made_safe_for_spreadsheets_reads_as_it_was(report):
    report.tables["07_keep"]["text"] = "'=SUM(A1) is here"
    assert "=SUM(A1) is here" in said(page_of(report))
    assert "'=SUM" not in said(page_of(report))


def test_the_page_is_filled_in_by_the_service(report):
    assert only(page_of(report), FillIn).rows >= 2
    assert "____" in said(page_of(report))


def test_the_next_survey_is_three_months_later_at_the_end_of_a_month_too(report):
    for made, written in (
        ("2026-11-30T00:00:00", "28 February 2027"),
        ("2027-11-30", "29 February 2028"),
        ("2026-01-31", "30 April 2026"),
    ):
        report.provenance["made"] = made
        assert written in said(page_of(report))


def test_the_means_of_single_forms_are_not_taken_for_those_of_all(report):
    means = report.tables["06_means"]
    by_form = pd.concat([means.assign(form="all"), means.assign(form="P", mean="1")], ignore_index=True)
    report.tables["06_means"] = by_form
    assert only(page_of(report), KeyFigures).figures[0].value == "55 → 61"
    report.tables["06_means"] = by_form[by_form["form"] == "P"]
    assert only(page_of(report), KeyFigures).figures[0].value == "+6 points"


def test_a_figure_of_the_same_name_as_a_table_is_not_mistaken_for_it(report):
    released = Released(report.shown, report.tables, report.figures, {})
    assert released.entry("06_change").kind == "table"
    assert released.entry("06_change", "figure").kind == "figure"
    assert released.figure("06_change").caption == "Figure of change"
    assert replace(released, shown=[Shown(kind="sentence", notebook="06", name="06_change")]).entry("06_change") is None
