import csv
from dataclasses import replace

import pytest

from instrument.checking import check_table
from instrument.definition import Catalogue, Text
from instrument.platforms.answers import known_columns
from instrument.platforms.forms_answers import canonical, evidence
from instrument.reading import read_responses
from instrument.tables import line, read_table
from tests.instrument.platforms.answered import (
    answers_to,
    assert_same,
    checked,
    csv_text,
    ledger,
    survey_of,
    truth,
    write_workbook,
)
from tests.instrument.platforms.instruments import CANTEEN, INSTRUMENTS, PWIQ
from tests.instrument.platforms.simulated_forms import google, microsoft, sections

CASES = [(each, language) for each in INSTRUMENTS for language in each.languages]
IDS = [f"{each.id}-{language}" for each, language in CASES]


def write(folder, cells, name="answers.csv"):
    path = folder / name
    if path.suffix == ".xlsx":
        write_workbook(path, "Form1", cells)
    else:
        path.write_text(csv_text(cells, quoting=csv.QUOTE_ALL), encoding="utf-8")
    return path


def raw(path, instrument=CANTEEN):
    return read_table(path, file=path.name, known=known_columns(instrument))


def read(path, instrument=CANTEEN):
    return checked(canonical(raw(path, instrument), instrument), instrument)


def faults(path, instrument=CANTEEN):
    table = canonical(raw(path, instrument), instrument)
    return [line(path.name, fault) for fault in check_table(table, instrument, wave=1, stem="x").faults]


# Neither platform can hide the version of the definition in the answers.
NOT_THERE = ("version",)


@pytest.mark.parametrize(("instrument", "language"), CASES, ids=IDS)
def test_what_people_answered_comes_back_from_google_forms(instrument, language, tmp_path):
    survey = survey_of(instrument, *instrument.forms.ids)
    rows = answers_to(survey, count=3)
    expected = truth(rows, instrument, tmp_path)
    ways = ((True, ", ", "answers.csv"), (False, ";", "answers.csv"), (True, ", ", "answers.xlsx"))
    for grid, joined, name in ways if instrument is CANTEEN else ways[1:]:
        path = write(tmp_path, google(survey, rows, language, grid=grid, joined=joined), name)
        assert evidence(raw(path, instrument), instrument).platform == "google-forms"
        assert_same(read(path, instrument), expected, instrument, without=NOT_THERE, ids=False)


@pytest.mark.parametrize(("instrument", "language"), CASES, ids=IDS)
def test_what_people_answered_comes_back_from_microsoft_forms(instrument, language, tmp_path):
    survey = survey_of(instrument, *instrument.forms.ids)
    rows = answers_to(survey, count=3)
    path = write(tmp_path, microsoft(survey, rows, language), "answers.xlsx")
    assert evidence(raw(path, instrument), instrument).strength == 3
    found = read(path, instrument)
    assert_same(found, truth(rows, instrument, tmp_path), instrument, without=NOT_THERE, ids=False)


@pytest.mark.parametrize(("instrument", "language"), CASES, ids=IDS)
def test_a_survey_of_one_form_comes_back_once_the_file_says_which(instrument, language, tmp_path):
    for form in instrument.forms.ids[:: 1 if instrument is CANTEEN else 3]:
        survey = survey_of(instrument, form)
        rows = answers_to(survey, count=3)
        cells = google(survey, rows, language)
        for place, each in enumerate(cells):
            each.append("form" if not place else form)
        found = read(write(tmp_path, cells), instrument)
        assert_same(found, truth(rows, instrument, tmp_path), instrument, without=NOT_THERE, ids=False)


def canteen(make=google, count=3, **options):
    survey = survey_of(CANTEEN, *CANTEEN.forms.ids)
    return make(survey, answers_to(survey, count=count), "en", **options)


def test_headings_are_compared_without_blanks_quotes_case_and_marks_of_required_questions(tmp_path):
    cells = canteen(grid=False)
    plain = [*cells[0]]
    cells[0] = [f"  {each.replace(' ', '  ').upper()} *" if at > 1 else each for at, each in enumerate(plain)]
    assert read(write(tmp_path, cells)).answers.equals(
        read(write(tmp_path, [plain, *cells[1:]], "b.csv")).answers.set_axis(read(write(tmp_path, cells)).answers.index)
    )


def test_a_row_of_a_grid_may_have_brackets_of_its_own(tmp_path):
    texts = Text((("en", "Meals [hot] taste good."),))
    items = Catalogue(replace(each, text=texts) if each.id == "foodaf" else each for each in CANTEEN.items)
    instrument = replace(CANTEEN, items=items)
    cells = canteen()
    cells[0] = [each.replace("Meals taste good.", "Meals [hot] taste good.") for each in cells[0]]
    assert "How far do you agree? (1/2) [Meals [hot] taste good.]" in cells[0]
    assert read(write(tmp_path, cells), instrument).answers["foodaf"].notna().any()


def test_a_heading_that_is_almost_a_question_is_refused_with_the_question(tmp_path):
    cells = canteen(grid=False)
    cells[0][cells[0].index("Soup comes too salty.")] = "Soup is too salty."
    told = faults(write(tmp_path, cells))
    assert (
        "answers.csv:1:Soup is too salty.: the heading is not the text of a question, but near that of foodab: 'soup comes too "
        "salty.'; if it means the same, correct the heading or map it (pwiq map FILE); if it does not, head it otherwise"
    ) in told
    assert len(told) == 2  # and the item itself has no column


def test_other_questions_are_kept_and_people_are_not_named(tmp_path):
    cells = canteen(microsoft)
    for place, each in enumerate(cells):
        each.append("Where do you sit?" if not place else "<b>=window</b>")
    found = read(write(tmp_path, cells, "answers.xlsx"))
    assert found.people["Where do you sit?"].tolist() == ["<b>=window</b>"] * len(found.people)
    everything = found.people.to_csv()
    assert "jo@example.org" not in everything
    assert "Jo Doe" not in everything
    assert ledger(found, "Email")["note"] == "it may name people; dropped and never read"
    assert ledger(found, "Name")["cells"] == len(found.people)
    assert "numbers the answers of this file only" in ledger(found, "ID")["note"]


def test_the_day_is_kept_and_not_the_time(tmp_path):
    found = read(write(tmp_path, canteen()))
    assert set(found.people["date"]) == {"2026-03-01"}
    found = read(write(tmp_path, canteen(timestamp="3/1/2026 8:40:49")))
    assert set(found.people["date"]) == {"3/1/2026 8:40:49"}  # which of the two is the month, nobody can tell


def test_an_answer_of_their_own_to_a_question_with_several_is_refused(tmp_path):
    cells = canteen()
    at = cells[0].index("Which meals do you eat here?")
    cells[1][at] = "Lunch, a sandwich, Dinner"
    told = faults(write(tmp_path, cells))
    assert [each.split("?: ")[1] for each in told] == [
        "'a sandwich, dinner' is no answer to meal; allowed are its codes and labels (breakfast / desayuno / lunch / almuerzo "
        "/ dinner / cena / prefer not to say / prefiero no decirlo); correct it"
    ]


@pytest.mark.parametrize(("instrument", "language"), CASES, ids=IDS)
def test_sections_for_each_kind_of_respondent_make_several_columns_of_one_question(instrument, language, tmp_path):
    survey = survey_of(instrument, *instrument.forms.ids)
    rows = answers_to(survey, count=3)
    path = write(tmp_path, sections(survey, rows, language))
    found = read_responses(path, instrument)
    assert_same(found, truth(rows, instrument, tmp_path), instrument, without=NOT_THERE, ids=False)


def test_two_columns_of_one_question_that_are_both_filled_are_refused(tmp_path):
    cells = canteen(grid=False)
    for place, each in enumerate(cells):
        each.append("La comida sabe bien." if not place else "")
    at = cells[0].index("Meals taste good.")
    cells[2][at], cells[2][-1] = "Agree", "Muy de acuerdo"
    assert [each.split(":", 2)[2] for each in faults(write(tmp_path, cells))] == [
        "La comida sabe bien.: 'Muy de acuerdo', but the column 'Meals taste good.' holds 'Agree' for foodaf in the same row "
        "(in 1 rows both are filled); keep one of the two columns"
    ]


def test_the_gate_reads_a_file_that_says_no_form(tmp_path):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey, count=3)
    path = write(tmp_path, google(survey, rows, "es"))
    found = read_responses(path, CANTEEN)
    assert_same(found, truth(rows, CANTEEN, tmp_path), CANTEEN, without=NOT_THERE, ids=False)
    assert set(found.people["form"]) == {"P"}
    survey = survey_of(PWIQ, "PS")
    path = write(tmp_path, google(survey, answers_to(survey, count=3), "en"))
    assert set(read_responses(path, PWIQ).people["form"]) == {"PS"}


def test_evidence_needs_more_than_a_heading_or_two(tmp_path):
    path = tmp_path / "other.csv"
    path.write_text("name,Soup comes too salty.\nx,1\n", encoding="utf-8")
    assert evidence(raw(path), CANTEEN) is None
    path.write_text("Timestamp,Colour\n2026/03/01 8:40:49,red\n", encoding="utf-8")
    assert evidence(raw(path), CANTEEN).strength == 2
    survey = survey_of(CANTEEN, "P")
    path.write_text(csv_text([[asked.text["en"] for asked in survey.questions()], ["1" for _ in survey.questions()]]))
    assert evidence(raw(path), CANTEEN).strength == 1
