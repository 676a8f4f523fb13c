"""Data dictionaries are held against REDCap's published rules, read back by reproschema, and compared text by text."""

import csv
import functools
import html
import io
import re
from dataclasses import replace

import pytest
from reproschema.redcap2reproschema import process_csv
from reproschema.redcap_mappings import REDCAP_COLUMN_MAP

from instrument.definition import Catalogue, Text
from instrument.formulas.redcap import calculations
from instrument.platforms.redcap import losses, write
from instrument.survey import build_survey
from tests.instrument.platforms.instruments import CANTEEN, HOSTILE, PWIQ, SMALL
from tests.instrument.platforms.surveys import SURVEYS, above_pages

each_survey = pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)

NAME, LABEL, CHOICES, TYPE = (
    "Variable / Field Name",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Type",
)
HEADER, BRANCHING, MATRIX, ANNOTATION = (
    "Section Header",
    "Branching Logic (Show field only if...)",
    "Matrix Group Name",
    "Field Annotation",
)


@functools.cache
def _written(name):
    return write(SURVEYS[name])


def rows(survey):
    name = next((name for name, each in SURVEYS.items() if each is survey), None)
    ((name, content),) = (write(survey) if name is None else _written(name)).items()
    assert name == f"{survey.name}.csv"
    table = csv.DictReader(io.StringIO(content, newline=""), strict=True)
    return list(table)


def by_name(survey):
    return {row[NAME]: row for row in rows(survey)}


def as_shown(text):
    """What a browser makes of a label."""
    return plain(html.unescape(text.replace("<br>", "\n")))


def plain(text):
    """A text without what line ends and blanks become."""
    return " ".join(text.split())


def choices(row):
    pairs = [choice.strip().split(", ", 1) for choice in row[CHOICES].split("|")]
    return {code: as_shown(label) for code, label in pairs}


def faults(table):
    """What REDCap's own check of an uploaded dictionary would refuse (help texts of the 18 columns)."""
    seen = {}
    for place, row in enumerate(table):
        name, kind, matrix = row[NAME], row[TYPE], row[MATRIX]
        if not re.fullmatch(r"[a-z][a-z0-9_]*[a-z0-9]", name) or "__" in name or len(name) > 26:
            yield f"{name}: not a field name"
        if name in seen:
            yield f"{name}: twice"
        if kind not in ("text", "notes", "radio", "checkbox", "calc", "descriptive"):
            yield f"{name}: type {kind}"
        if not row[LABEL].strip():
            yield f"{name}: no label"
        if kind in ("radio", "checkbox"):
            codes = [choice.split(",")[0].strip() for choice in row[CHOICES].split("|")]
            if len(set(codes)) < len(codes) or not all(re.fullmatch(r"[A-Za-z0-9._-]+", code) for code in codes):
                yield f"{name}: codes {codes}"
            if not all(choice.split(",", 1)[1].strip() for choice in row[CHOICES].split("|")):
                yield f"{name}: an answer without a label"
        elif kind == "calc":
            if set(re.findall(r"\[([^\]]*)\]", row[CHOICES])) - set(seen):
                yield f"{name}: names fields that do not stand above it"
            if row[CHOICES].count("(") != row[CHOICES].count(")") or not row[CHOICES]:
                yield f"{name}: calculation"
        elif row[CHOICES]:
            yield f"{name}: choices of a field of type {kind}"
        condition = row[BRANCHING]
        if condition and not re.fullmatch(r"\[form\] = '[^']+'( or \[form\] = '[^']+')*", condition):
            yield f"{name}: branching {condition}"
        if condition and set(re.findall(r"'([^']+)'", condition)) - set(choices(seen["form"])):
            yield f"{name}: branching by an answer that is not there"
        if matrix and not re.fullmatch(r"[a-z][a-z0-9_]{0,59}", matrix):
            yield f"{name}: matrix group {matrix}"
        if matrix and matrix in [other[MATRIX] for other in table[:place]]:
            before = table[place - 1]
            if before[MATRIX] != matrix or row[CHOICES] != before[CHOICES] or row[TYPE] != before[TYPE]:
                yield f"{name}: the rows of matrix {matrix} are not alike and one after the other"
            if row[HEADER]:
                yield f"{name}: a section header inside matrix {matrix}"
        if matrix and kind not in ("radio", "checkbox"):
            yield f"{name}: a {kind} in a matrix"
        for column in ("Required Field?", "Identifier?"):
            if row[column] not in ("", "y"):
                yield f"{name}: {column}"
        seen[name] = row


@each_survey
def test_the_dictionary_keeps_to_redcaps_rules(survey):
    table = rows(survey)
    assert list(table[0]) == list(REDCAP_COLUMN_MAP)
    assert len(table[0]) == 18
    assert list(faults(table)) == []
    assert (table[0][NAME], table[0][TYPE]) == ("record_id", "text")
    assert {row["Form Name"] for row in table} == {survey.name}
    assert re.fullmatch(r"[a-z][a-z0-9_]{1,49}", survey.name)
    assert write(survey) == write(survey)


def test_the_rules_find_faults():
    table = rows(SURVEYS["PWIQ all"])
    at = next(place for place, row in enumerate(table) if row[NAME] == "rolebf")
    for column, value in {
        NAME: "1st",
        TYPE: "sql",
        LABEL: " ",
        CHOICES: "1, a | 1, b",
        BRANCHING: "[form] = 'X'",
        HEADER: "A header",
        "Required Field?": "yes",
    }.items():
        assert list(faults([*table[:at], {**table[at], column: value}, *table[at + 1 :]])) != []


@each_survey
def test_every_question_text_and_code_stands_in_its_order(survey):
    language = survey.languages[0]
    found = by_name(survey)
    asked = list(survey.questions())
    names = [name for name in found if name in {question.id for question in asked}]
    assert names == [question.id for question in asked]
    for question in asked:
        row = found[question.id]
        assert as_shown(row[LABEL]) == plain(question.text[language])
        kind = {"single": "radio", "several": "checkbox", "text": "notes" if question.role == "open" else "text"}
        assert row[TYPE] == kind[question.kind]
        assert row["Required Field?"] == ("y" if question.required else "")
        if question.choices:
            assert choices(row) == {choice.code: plain(choice.label[language]) for choice in question.choices}
            assert list(choices(row)) == [choice.code for choice in question.choices]


@each_survey
def test_each_form_is_asked_its_questions_and_no_others(survey):
    found = by_name(survey)
    for form in survey.forms:
        shown = {
            name
            for name, row in found.items()
            if not row[BRANCHING] or form in re.findall(r"\[form\] = '([^']+)'", row[BRANCHING])
        }
        for question in survey.questions():
            assert (question.id in shown) == (form in question.forms)


@each_survey
def test_a_page_is_a_section_and_a_matrix(survey):
    table = rows(survey)
    place = {row[NAME]: at for at, row in enumerate(table)}
    starts = []
    for page in survey.pages:
        first = place[page.questions[0].id]
        above = table[first - 1]
        has_text = above[TYPE] == "descriptive" and above[NAME].startswith(("text_rule", "text_code"))
        assert has_text == (page.id in above_pages(survey))
        if has_text or above[NAME] == f"text_{page.id}":
            first -= 1
        starts.append(first)
        assert [row[HEADER] for row in table[first + 1 : place[page.questions[-1].id] + 1] if row[HEADER]] == []
        # Whoever is asked anything on the page sees the field that carries its header.
        shown_to = re.findall(r"'([^']+)'", table[first][BRANCHING]) or list(survey.forms)
        assert set(shown_to) == {form for question in page.questions for form in question.forms}
        for question in page.questions:
            assert table[place[question.id]][MATRIX] == (page.id if page.matrix else "")
    assert [at for at, row in enumerate(table) if row[HEADER]] == starts[1:]
    numbers = [as_shown(table[at][HEADER]) for at, page in zip(starts, survey.pages, strict=True) if page.number]
    assert [number for number in numbers if number] == [page.number for page in survey.pages[1:] if page.number]
    others = {table[at][HEADER] for at, page in zip(starts[1:], survey.pages[1:], strict=True) if not page.number}
    assert others <= {"&nbsp;"}  # a page break that shows nothing


@each_survey
def test_what_is_the_same_for_everyone_stands_in_hidden_fields(survey):
    found = by_name(survey)
    for name, value in survey.constants.items():
        note = found[name][ANNOTATION]
        assert f"@DEFAULT='{value}'" in note
        assert {"@HIDDEN", "@READONLY"} <= set(note.split())
    assert found["text_stamp"][LABEL] == found["record_id"][ANNOTATION] == survey.stamp
    assert "@HIDDEN" in found["text_stamp"][ANNOTATION].split()
    language = survey.languages[0]
    shown = [as_shown(row[LABEL]) for row in found.values() if row[TYPE] == "descriptive"]
    for text in (survey.banner, survey.instrument.instructions, *above_pages(survey).values()):
        assert not text or plain(text[language]) in shown


def test_what_could_tell_who_answered_is_marked():
    found = by_name(SURVEYS["PWIQ all"])
    marked = {name for name, row in found.items() if row["Identifier?"] == "y"}
    assert marked == {question.id for question in PWIQ.questions if question.risk == "high"} & set(found)
    assert {"code1", "open1", "organisation", "liveexp"} <= marked


@each_survey
def test_scores_are_calculated_and_not_shown_to_respondents(survey):
    found = by_name(survey)
    made = calculations(survey.instrument, survey.forms)
    assert [name for name, row in found.items() if row[TYPE] == "calc"] == [rule.export for rule in survey.scores]
    for rule in survey.scores:
        assert found[rule.export][CHOICES] == made[rule.export]
        assert as_shown(found[rule.export][LABEL]) == plain(rule.title[survey.languages[0]])
        assert "@HIDDEN-SURVEY" in found[rule.export][ANNOTATION].split()


@each_survey
def test_no_cell_is_a_formula_a_date_a_tag_or_a_reference(survey):
    for row in rows(survey):
        for column, cell in row.items():
            assert not cell.startswith(("=", "+", "-", "@", "\t"))
            assert not re.fullmatch(r"\d+/\d+", cell)
            if column in (LABEL, HEADER):
                assert not re.search(r"[<>\[\]{}|\t]", cell)
        if row[TYPE] in ("radio", "checkbox"):
            assert not re.search(r"[\[\]{}\n]|<(?!br>)", row[CHOICES])


def test_reproschema_reads_the_same(tmp_path, capsys):
    """It takes labels for HTML too, and reads several answers as one of several."""
    for name in ("PWIQ all", "PWIQ CS", "canteen all", "hostile all"):
        survey = SURVEYS[name]
        language = survey.languages[0]
        (tmp_path / "dictionary.csv").write_text(write(survey)[f"{survey.name}.csv"], encoding="utf-8")
        activities, order = process_csv(tmp_path / "dictionary.csv")
        assert order == [survey.name]
        items = {item["id"]: item for item in activities[survey.name]["items"]}
        for question in survey.questions():
            read = items[question.id]
            assert read["question"]["en"].split() == question.text[language].split()
            if question.kind == "single":
                pairs = [(str(each["value"]), each["name"]["en"]) for each in read["responseOptions"]["choices"]]
                assert pairs == [(choice.code, choice.label[language]) for choice in question.choices]
        computed = {each["variableName"] for each in activities[survey.name]["compute"]}
        assert computed >= {rule.export for rule in survey.scores}
    assert "Warning: Invalid choice" not in capsys.readouterr().out


def test_a_form_whose_id_is_no_code_is_refused():
    first, *others = HOSTILE.forms
    instrument = replace(HOSTILE, forms=Catalogue([replace(first, id="A, b"), *others]))
    with pytest.raises(ValueError, match=r"REDCap takes letters, digits and \._- in a code; rename A, b"):
        write(build_survey(instrument, forms=["A, b"]))


def test_a_page_whose_first_question_is_not_for_all_has_a_field_for_its_header():
    first, second = CANTEEN.questions["open1"], CANTEEN.questions["code1"]
    questions = [
        replace(first, id="peers1", forms=("P",), role="background"),
        replace(second, id="all1", role="background"),
    ]
    survey = build_survey(replace(CANTEEN, questions=Catalogue(questions)), forms=["P", "C"], languages=["en"])
    table = rows(survey)
    at = next(place for place, row in enumerate(table) if row[NAME] == "peers1")
    assert table[at][HEADER] == ""
    assert (table[at - 1][TYPE], table[at - 1][HEADER]) == ("descriptive", "&nbsp;")
    assert table[at - 1][BRANCHING] == ""
    assert list(faults(table)) == []


def test_losses():
    assert [loss.aspect for loss in losses(SURVEYS["canteen all"])] == ["languages", "off_scale", "texts"]
    assert "es; en has to be entered" in losses(SURVEYS["canteen all"])[0].what
    assert [loss.aspect for loss in losses(SURVEYS["PWIQ short"])] == ["off_scale", "texts"]
    plain = replace(SMALL, title=Text((("en", "x"),)))
    assert {loss.aspect for loss in losses(build_survey(plain))} <= {"off_scale", "texts"}
