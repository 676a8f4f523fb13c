import csv
import json

import pytest
import qualtrics

from instrument.checking import check_table
from instrument.platforms import qualtrics_qsf
from instrument.platforms.qualtrics_answers import canonical, evidence
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
)
from tests.instrument.platforms.instruments import CANTEEN, CASES, IDS, PWIQ
from tests.instrument.platforms.simulated_qualtrics import export

# The sample files of the R package qualtRics, cut to their rows of headings and one response.
SAMPLE = [
    "StartDate,EndDate,Status,IPAddress,Progress,Duration (in seconds),Finished,RecordedDate,ResponseId,RecipientLastName,"
    "RecipientFirstName,RecipientEmail,ExternalReference,LocationLatitude,LocationLongitude,DistributionChannel,UserLanguage",
    "Anfangsdatum,Enddatum,Antworttyp,IP-Adresse,Aktueller Stand,Dauer (in Sekunden),Beendet,Erfassungsdatum,Antwort-ID,"
    "Nachname des Empfängers,Vorname des Empfängers,E-Mail des Empfängers,Externe Datenreferenz,Breitengrad des Standorts,"
    "Längengrad des Standorts,Verteilungskanal,Benutzersprache",
    "2017-07-18 08:28:09,2017-07-18 08:28:48,0,130.92.34.66,100,38,1,2017-07-18 08:28:48,R_2YPOQ602ER1jkf1,,,,,"
    "47.115097045898,7.2315979003906,anonymous,DE",
]


def write(folder, cells, name="export.csv", *, separator=",", encoding="utf-8-sig", quoting=csv.QUOTE_MINIMAL):
    path = folder / name
    path.write_bytes(csv_text(cells, separator=separator, quoting=quoting).encode(encoding))
    return path


def raw(path):
    return read_table(path, file=path.name)


def read(path, instrument=CANTEEN):
    return checked(canonical(raw(path), instrument), instrument)


def faults(path, instrument=CANTEEN):
    table = canonical(raw(path), instrument)
    return [line(path.name, fault) for fault in check_table(table, instrument, wave=1, stem="x").faults]


def canteen(**options):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey, count=4)
    return survey, rows, export(survey, rows, "en", **options)


def column(cells, name):
    return cells[0].index(name)


@pytest.mark.parametrize(("instrument", "form", "language"), CASES, ids=IDS)
def test_what_people_answered_comes_back(instrument, form, language, tmp_path):
    survey = survey_of(instrument, form)
    rows = answers_to(survey)
    expected = truth(rows, instrument, tmp_path)
    ways = [
        (False, True, "plain"),
        (True, True, "matrix"),
        (False, False, "numbered"),
        (True, False, "plain"),
        (True, True, "numbered"),
    ]
    number = CASES.index((instrument, form, language))
    for labels, split, layout in ways if (instrument, form) == (CANTEEN, "P") else [ways[number % 5]]:
        cells = export(survey, rows, language, labels=labels, split=split, layout=layout)
        path = write(tmp_path, cells)
        assert evidence(raw(path), instrument).strength == 3
        assert_same(read(path, instrument), expected, instrument)


def test_the_other_ways_in_which_qualtrics_writes_a_file(tmp_path):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey, count=12, seed=3)
    expected = truth(rows, CANTEEN, tmp_path)
    cells, legacy = export(survey, rows, "es"), export(survey, rows, "es", legacy=True)
    tsv = {"separator": "\t", "name": "export.tsv", "quoting": csv.QUOTE_ALL}
    for path in (
        write(tmp_path, cells, **tsv),
        write(tmp_path, cells, **tsv, encoding="utf-16"),
        write(tmp_path, legacy, "legacy.csv"),
        write(tmp_path, [each for at, each in enumerate(cells) if at != 2], "two.csv"),  # without the ImportIds
        write(tmp_path, [each for at, each in enumerate(cells) if at not in (1, 2)], "one.csv"),
    ):
        assert evidence(raw(path), CANTEEN).strength == 3
        assert_same(read_responses(path, CANTEEN), expected, CANTEEN)


def test_an_independent_reader_finds_the_same_answers_in_a_simulated_file(tmp_path):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey, count=5)
    ((_, content),) = qualtrics_qsf.write(survey).items()
    (tmp_path / "survey.qsf").write_text(content, encoding="utf-8")
    cells = export(survey, rows, "en", imports=import_ids(json.loads(content)))
    path = write(tmp_path, cells, "survey.csv")
    found = qualtrics.parse_survey(path)
    theirs = {
        (each["response_external_id"], each["field_external_id"], each["answer_text"])
        for each in found.response_answers
        if each["is_selected"]
    }
    ours = {
        (line["ResponseId"], name, text)
        for line in (dict(zip(cells[0], each, strict=True)) for each in cells[3:])
        for name, text in line.items()
        if text and (name in CANTEEN.items.ids or name in ("impfood", "global10", "satisfied", "mainmeal"))
    }
    assert ours <= theirs
    assert len(ours) > 40
    assert_same(read_responses(path, CANTEEN), truth(rows, CANTEEN, tmp_path), CANTEEN)


def import_ids(qsf):
    """Column name → ImportId, as Qualtrics makes them from the questions of a survey."""
    ids = {}
    for question in (each["Payload"] for each in qsf["SurveyElements"] if each["Element"] == "SQ"):
        number, tag = question["QuestionID"], question["DataExportTag"]
        if question["QuestionType"] == "Matrix":
            ids |= {row: f"{number}_{at}" for at, row in question["ChoiceDataExportTags"].items()}
        elif question["Selector"] == "MAVR":
            ids |= {
                f"{tag}_{question['RecodeValues'][at]}": f"{number}_{at}" for at in map(str, question["ChoiceOrder"])
            }
        else:
            ids[tag] = f"{number}_TEXT" if question["QuestionType"] == "TE" else number
    return ids


def test_all_forms_in_one_survey(tmp_path):
    survey = survey_of(PWIQ, *PWIQ.forms.ids)
    rows = answers_to(survey, count=2)
    path = write(tmp_path, export(survey, rows, "en", labels=True))
    assert_same(read(path, PWIQ), truth(rows, PWIQ, tmp_path), PWIQ)


def test_the_published_samples_are_recognised(tmp_path):
    path = tmp_path / "sample.csv"
    path.write_text("\n".join(SAMPLE) + "\n", encoding="utf-8")
    found = evidence(raw(path), CANTEEN)
    assert found.strength == 3  # without the third row
    assert found.reasons[0].startswith("columns Progress, RecordedDate, ResponseId, ExternalReference, ")
    table = canonical(raw(path), CANTEEN)
    assert table.names == ("date", "response")
    assert [each[0] for each in table.columns] == ["2017-07-18", "R_2YPOQ602ER1jkf1"]
    assert "130.92.34.66" not in str(table)


def test_previews_are_dropped_and_counted_and_unfinished_responses_kept(tmp_path):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey, count=6)
    own = {
        1: {"Status": "Survey Preview"},
        2: {"Status": "1"},
        3: {"DistributionChannel": "preview"},
        4: {"Finished": "False", "Progress": "43"},
    }
    path = write(tmp_path, export(survey, rows, "en", own=own))
    found = read(path)
    assert list(found.answers.index) == ["R_P0000", "R_P0004", "R_P0005"]
    previews = ledger(found, "(previews)")
    assert previews["cells"] == 3
    lines = path.read_text(encoding="utf-8").split("\n")
    places = [
        number
        for number, each in enumerate(lines, start=1)
        if "R_P0001" in each or "R_P0002" in each or "R_P0003" in each
    ]
    assert previews["note"] == (
        f"previews and tests of the survey, not answers; dropped: rows {', '.join(map(str, places))}"
    )
    assert "1 of the responses kept were not finished" in ledger(found, "Finished")["note"]
    assert "1 of the responses kept did not reach the end (100)" in ledger(found, "Progress")["note"]


def test_no_address_name_or_place_survives(tmp_path):
    _, _, cells = canteen()
    at = column(cells, "open1")
    for place, each in enumerate(cells):
        each.insert(
            at, ("E-mail", "Your e-mail", '{"ImportId":"QID999_TEXT"}')[place] if place < 3 else "sam@example.org"
        )
    found = read(write(tmp_path, cells))
    everything = found.people.to_csv() + found.answers.to_csv()
    for secret in ("130.92.34.66", "jo@example.org", "sam@example.org", "Doe", "47.11", "7.23"):
        assert secret not in everything
    assert ledger(found, "IPAddress")["note"] == "a network address; dropped and never read"
    assert ledger(found, "RecipientLastName")["note"] == "a name; dropped and never read"
    assert ledger(found, "E-mail")["note"] == "it may name people; dropped and never read"
    assert ledger(found, "IPAddress")["cells"] == 4


def test_the_external_reference_is_the_person_where_all_have_one(tmp_path):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey, count=3)
    own = {at: {"ExternalReference": f"T{at}"} for at in range(3)}
    found = read(write(tmp_path, export(survey, rows, "en", own=own)))
    assert found.people["person"].tolist() == ["T0", "T1", "T2"]
    assert found.people["date"].tolist() == ["2026-03-01"] * 3
    del own[1]
    found = read(write(tmp_path, export(survey, rows, "en", own=own)))
    assert found.people["person"].tolist() == ["R_P0000", "R_P0001", "R_P0002"]
    assert "filled for some responses only" in ledger(found, "ExternalReference")["note"]


def test_orders_and_clicks_are_left_out_and_other_questions_kept(tmp_path):
    _, _, cells = canteen()
    for place, each in enumerate(cells):
        extra = (
            ["pagefood_DO_foodaf", "Q9_First Click", "Our own question", ""],
            ["Display order", "Timing", "Where do you sit?", ""],
            ['{"ImportId":"QID5_DO"}', '{"ImportId":"QID9_FIRST_CLICK"}', '{"ImportId":"QID12"}', ""],
        )
        each.extend(extra[place] if place < 3 else ["3", "1.5", "=by the window", ""])
    found = read(write(tmp_path, cells))
    assert "order in which" in ledger(found, "pagefood_DO_foodaf")["note"]
    assert "clicks" in ledger(found, "Q9_First Click")["note"]
    assert found.people["Our own question"].tolist() == ["=by the window"] * 4


def test_a_column_of_their_own_that_ends_in_an_id_is_not_taken_for_the_question(tmp_path):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey, count=3)
    cells = export(survey, rows, "en")
    for place, each in enumerate(cells):
        each.insert(
            20, ("your_mainmeal", "Which meal is paid for?", '{"ImportId":"QID77"}')[place] if place < 3 else "1"
        )
        each.append(("Q_Language", "Q_Language", '{"ImportId":"Q_Language"}')[place] if place < 3 else "EN")
    found = read(write(tmp_path, cells))
    assert found.people["your_mainmeal"].tolist() == ["1"] * 3
    assert_same(found, truth(rows, CANTEEN, tmp_path), CANTEEN)
    at = column(cells, "mainmeal")
    for each in cells:
        del each[at]
    assert "mainmeal" not in read(write(tmp_path, cells)).people


def test_choice_ids_are_refused(tmp_path):
    survey, rows, cells = canteen()
    places = {choice.code: str(place) for place, choice in enumerate(next(survey.questions()).choices, start=1)}
    items = [asked for asked in survey.questions() if asked.role == "item"]
    for asked in items:
        places = {choice.code: str(place) for place, choice in enumerate(asked.choices, start=1)}
        for each in cells[3:]:
            each[column(cells, asked.id)] = places.get(each[column(cells, asked.id)], "")
    assert sum("choice ids" in each for each in faults(write(tmp_path, cells))) == 1
    told = next(each for each in faults(write(tmp_path, cells)) if "choice ids" in each)
    assert (
        "is no code of its scale but the place of a choice (1 to 8): the file holds Qualtrics' choice ids, not codes"
        in told
    )
    assert told.endswith("export again with 'Use choice text', or set the recode values first")
    assert rows


def test_blanks_recoded_as_minus_99_are_refused_with_the_remedy(tmp_path):
    _, _, cells = canteen()
    cells[3][column(cells, "foodaf")] = "-99"
    told = faults(write(tmp_path, cells))
    assert told[0] == (
        "export.csv:1:foodaf: -99 stands in 1 columns for questions that were seen and not answered; export again without "
        "'Recode seen but unanswered questions as -99'"
    )


def test_a_column_whose_name_and_text_disagree_is_refused(tmp_path):
    _, _, cells = canteen()
    cells[1][column(cells, "foodaf")] = "Soup comes too salty."
    assert faults(write(tmp_path, cells)) == [
        "export.csv:1:foodaf: the column is named as foodaf, but its text 'Soup comes too salty.' is that of foodab; correct "
        "the export tag in Qualtrics, or the name in the file"
    ]


@pytest.mark.parametrize("numbers", [("1", "2", "3", "4"), ("2", "3", "1", "98")])
def test_a_label_tells_the_answer_where_the_number_is_only_a_place(tmp_path, numbers):
    _, rows, cells = canteen()
    at = [column(cells, f"meal_{code}") for code in ("1", "2", "3", "98")]
    for place, number in zip(at, numbers, strict=True):
        cells[0][place] = f"meal_{number}"
    assert_same(read(write(tmp_path, cells)), truth(rows, CANTEEN, tmp_path), CANTEEN)


def test_an_answer_that_is_none_of_several_is_named(tmp_path):
    _, _, cells = canteen(split=False, labels=True)
    cells[3][column(cells, "meal")] = "Lunch,Tea"
    told = faults(write(tmp_path, cells))
    assert len(told) == 1
    assert (
        told[0]
        .split(":", 2)[2]
        .startswith("meal: 'tea' is no answer to meal; allowed are its codes and labels (breakfast / ")
    )


def test_the_number_of_a_form_is_refused(tmp_path):
    survey = survey_of(CANTEEN, "P", "C")
    rows = answers_to(survey, count=2)
    cells = export(survey, rows, "en")
    for each, number in zip(cells[3:], "1122", strict=True):
        each[column(cells, "form")] = number
    told = faults(write(tmp_path, cells))
    assert "'1' is the place of a form in the survey, which the file does not tell" in told[0]


def test_half_of_the_items_missing_is_refused_by_their_names(tmp_path):
    _, _, cells = canteen()
    lost = {"foodab", "foodbb", "placeaf", "placebb"}
    keep = [at for at, name in enumerate(cells[0]) if name not in lost]
    told = faults(write(tmp_path, [[each[at] for at in keep] for each in cells]))
    assert len(told) == 1
    assert "4 items have no column: foodab, foodbb, placeaf, placebb" in told[0]


def test_a_canonical_file_is_no_export_of_qualtrics(tmp_path):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey)
    truth(rows, CANTEEN, tmp_path)
    assert evidence(raw(tmp_path / "canonical.csv"), CANTEEN) is None
