import csv
from pathlib import Path

import pandas as pd
import pytest

from instrument.definition import read_instrument
from instrument.reading import read_responses
from instrument.responses import ResponseError
from tests.instrument.platforms.answered import answers_to, assert_same, csv_text, survey_of, truth
from tests.instrument.platforms.instruments import CASES, IDS, INSTRUMENTS
from tests.instrument.platforms.simulated_redcap import export

DATA = Path(__file__).parents[2] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
ITEMS = list(CANTEEN.items.ids)
CODES = ["4", "2", "5", "1", "3", "97", "4", ""]
LABELS = {code: CANTEEN.response_scales["agree"].labels[code]["en"] for code in (1, 2, 3, 4, 5, 97, 98, 99)}
TEXTS = [CANTEEN.items[name].text["en"] for name in ITEMS]
MEALS = {1: "Breakfast", 2: "Lunch", 3: "Dinner", 98: "Prefer not to say"}

# As REDCap writes it: record, survey fields, fields in the order of the dictionary, status.
RAW = [
    *("record_id", "redcap_survey_identifier", "canteen_p_timestamp", *ITEMS, "impfood"),
    *(f"meal___{code}" for code in MEALS),
    *("open1", "facindex", "canteen_p_complete"),
]
LABELLED = [
    *("Record ID", "Survey Identifier", "Survey Timestamp", *TEXTS, "How much would better food matter?"),
    *(f"Which meals do you eat here? (choice={label})" for label in MEALS.values()),
    *("What helps most?", "Facilitators", "Complete?"),
]


def raw_row(record, *, codes=CODES, meals=("1", "0", "1", "0"), status="2", timestamp="2026-03-05 10:11:12", score=""):
    return [record, "", timestamp, *codes, "5", *meals, "=1+1", score, status]


def labelled_row(record, *, codes=CODES, status="Complete"):
    labels = [LABELS[int(code)] if code else "" for code in codes]
    return [
        *(record, "", "2026-03-05 10:11:12", *labels, "Strongly agree"),
        *("Checked", "Unchecked", "Checked", "Unchecked", "=1+1", "", status),
    ]


def write(path, header, *rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, delimiter=delimiter).writerows([header, *rows])
    return path


def read(path, **options):
    return read_responses(path, CANTEEN, **options)


def faults(path, **options):
    with pytest.raises(ResponseError) as caught:
        read(path, **options)
    return caught.value.faults


def notes(responses):
    return responses.ledger.set_index("header")["note"].to_dict()


def test_raw_and_labelled_exports_are_the_same_answers(tmp_path):
    raw = read(write(tmp_path / "raw.csv", RAW, raw_row("1"), raw_row("2", codes=["1", *CODES[1:]])))
    labelled = read(
        write(tmp_path / "labels.csv", LABELLED, labelled_row("1"), labelled_row("2", codes=["1", *CODES[1:]])),
        form="P",
    )
    assert raw.answers.loc["1"].tolist() == [4, 2, 5, 1, 3, pd.NA, 4, pd.NA]
    assert raw.off_scale.loc["1", "placeab"] == "dont_know"
    assert raw.people.loc["1"].drop("wave").to_dict() == {
        "person": "1",
        "form": "P",
        "impfood": 5,
        "meal1": 1,
        "meal2": 0,
        "meal3": 1,
        "meal98": 0,
        "open1": "=1+1",
        "date": "2026-03-05",
    }
    for name in ("answers", "people", "off_scale"):
        pd.testing.assert_frame_equal(getattr(raw, name), getattr(labelled, name))
    assert raw.ledger["platform"].unique().tolist() == ["redcap"]
    told = notes(raw)
    assert told["(platform)"] == "read as an export of REDCap: columns redcap_survey_identifier"
    assert told["canteen_p_complete"].split("; ")[-1] == "incomplete records are kept, with blanks"
    assert notes(labelled)["Complete?"].startswith("Complete 2, Unverified 0, Incomplete 0")
    row = labelled.ledger.set_index("column").loc["foodaf"]
    assert row[["header", "labels_read", "language"]].tolist() == ["Meals taste good.", 2, "en 2"]


def test_the_form_is_that_of_the_name_of_the_instrument_or_must_be_said(tmp_path):
    assert read(write(tmp_path / "a.csv", RAW, raw_row("1"))).people["form"].tolist() == ["P"]
    anonymous = [name.replace("canteen_p_", "survey_") for name in RAW]
    path = write(tmp_path / "b.csv", anonymous, raw_row("1"))
    responses = read(path)
    assert responses.people["form"].tolist() == ["P"]
    assert notes(responses)["(form)"] == "the questions of the file are those of form P and of no other"
    # Without the second food items it may be form C, and the two short forms ask the same.
    short = [name for name in anonymous if name not in ("foodbf", "foodbb", "placebf", "placebb")]
    cells = [cell for name, cell in zip(anonymous, raw_row("1"), strict=True) if name in short]
    assert faults(write(tmp_path / "c.csv", short, cells)) == (
        "c.csv:1:form: there is no such column; add it: allowed in it are P, C, PS, CS (the items of the file are those "
        "of PS or CS), or say the form of the file (--form PS)",
    )
    assert read(tmp_path / "c.csv", form="CS").people["form"].tolist() == ["CS"]


def test_labels_and_semicolons_and_another_language(tmp_path):
    spanish = {code: CANTEEN.response_scales["agree"].labels[code]["es"] for code in LABELS}
    row = raw_row("1", codes=[spanish[int(code)] if code else "" for code in CODES])
    responses = read(write(tmp_path / "a.csv", RAW, row, delimiter=";"))
    assert responses.answers.loc["1"].tolist() == [4, 2, 5, 1, 3, pd.NA, 4, pd.NA]
    assert responses.ledger.set_index("column").loc["foodaf", "language"] == "es 1"


def test_boxes_of_which_none_is_ticked_are_blanks(tmp_path):
    people = read(write(tmp_path / "a.csv", RAW, raw_row("1", meals=("0", "0", "0", "0")))).people
    assert people[["meal1", "meal2", "meal3", "meal98"]].isna().all(axis=None)


def test_incomplete_records_are_kept_and_counted_and_unopened_ones_left_out(tmp_path):
    begun = raw_row("2", status="0", timestamp="[not completed]", codes=["3", *[""] * 7])
    unopened = ["3", "", "", *[""] * 8, "", "0", "0", "0", "0", "", "", "0"]
    responses = read(write(tmp_path / "a.csv", RAW, raw_row("1"), begun, unopened, raw_row("4", status="1")))
    assert responses.people["person"].tolist() == ["1", "2", "4"]
    assert responses.answers.loc["2"].notna().sum() == 1
    ledger = responses.ledger.set_index("header")
    assert ledger.loc["(rows without answers)", ["cells", "note"]].tolist() == [
        1,
        "nobody answered this questionnaire in them (another event or instrument, or it was never opened): rows 4",
    ]
    told = ledger[ledger["became"] == "remark"]["note"].to_dict()
    assert told["canteen_p_complete"] == (
        "Complete 1, Unverified 1, Incomplete 1; incomplete records are kept, with blanks"
    )
    assert told["canteen_p_timestamp"] == "1 surveys were begun and not submitted; they are kept"


def with_columns(row, *more):
    return [row[0], *more, *row[1:]]


EVENTS = with_columns(RAW, "redcap_event_name", "redcap_data_access_group")


def test_events_are_waves_in_the_order_of_the_records(tmp_path):
    rows = [
        with_columns(raw_row("1"), "later_arm_1", "north"),
        with_columns(raw_row("2"), "first_arm_1", "north"),
        with_columns(raw_row("2"), "later_arm_1", "north"),
        with_columns(raw_row("3"), "first_arm_2", "south"),
    ]
    responses = read(write(tmp_path / "a.csv", EVENTS, *rows))
    assert responses.people["wave"].tolist() == [2, 1, 2, 1]
    assert responses.people["person"].tolist() == ["1", "2", "2", "3"]
    assert responses.people["organisation"].tolist() == ["north", "north", "north", "south"]
    assert responses.answers.index.tolist() == ["1/later_arm_1", "2/first_arm_1", "2/later_arm_1", "3/first_arm_2"]
    ledger = responses.ledger.set_index("column")["note"]
    assert ledger["wave"] == "events in the order of records: first = 1, later = 2; answers of 2026-03-05"
    assert ledger["organisation"] == "the data access group"


def test_events_whose_order_cannot_be_told_are_refused(tmp_path):
    rows = [with_columns(raw_row("1"), "b_arm_1", ""), with_columns(raw_row("2"), "a_arm_1", "")]
    (fault,) = faults(write(tmp_path / "a.csv", EVENTS, *rows))
    assert fault == (
        "a.csv:1:redcap_event_name: the order of the events b, a cannot be told from the file, since no record has "
        "passed through all of them; add a column wave (1, 2, …)"
    )
    one = read(write(tmp_path / "b.csv", EVENTS, *rows[:1]))
    assert one.people["wave"].tolist() == [1]
    assert notes(one)["redcap_event_name"] == "one event (b): the wave is that of the file"


def test_repeat_instances_are_waves_where_there_are_no_events(tmp_path):
    header = with_columns(RAW, "redcap_repeat_instrument", "redcap_repeat_instance")
    rows = [
        with_columns(["1", "", "", *[""] * 8, "", "0", "0", "0", "0", "", "", ""], "", ""),
        with_columns(raw_row("1"), "canteen_p", "1"),
        with_columns(raw_row("1"), "canteen_p", "2"),
    ]
    responses = read(write(tmp_path / "a.csv", header, *rows))
    assert responses.people["wave"].tolist() == [1, 2]
    assert responses.people["person"].tolist() == ["1", "1"]
    assert responses.answers.index.tolist() == ["1/1", "1/2"]
    labelled = read(
        write(
            tmp_path / "b.csv",
            with_columns(LABELLED, "Repeat Instrument", "Repeat Instance"),
            with_columns(labelled_row("1"), "Canteen", "1"),
            with_columns(labelled_row("1"), "Canteen", "2"),
        ),
        form="P",
    )
    assert labelled.people["wave"].tolist() == [1, 2]


def test_an_event_with_two_instances_of_a_record_is_refused(tmp_path):
    header = with_columns(RAW, "redcap_event_name", "redcap_repeat_instance")
    rows = [
        with_columns(raw_row("1"), "a_arm_1", "1"),
        with_columns(raw_row("1"), "a_arm_1", "2"),
        with_columns(raw_row("1"), "b_arm_1", "1"),
    ]
    (fault,) = faults(write(tmp_path / "a.csv", header, *rows))
    assert fault == (
        "a.csv:3:record_id (person): '1' has answered wave 1 in a.csv:2 already; allowed is one response a person and "
        "wave; remove one, or correct person or wave"
    )


def test_calculated_fields_are_compared_with_our_scores(tmp_path):
    # Facilitators that all forms ask: 4, 3, 4; their mean 11/3 lies at 2/3 of the way from 1 to 5.
    responses = read(write(tmp_path / "a.csv", RAW, raw_row("1", score="66.6666667"), raw_row("2", score="66.7")))
    assert "facindex" not in responses.people
    row = responses.ledger.set_index("column").loc["facindex"]
    assert row[["became", "note"]].tolist() == [
        "score",
        "computed by the platform: 1 of 2 that both have differ from the scores computed here (row 3: 66.7 there, 66.6667 "
        "here); the scores computed here count",
    ]


def test_a_bad_cell_is_told_with_the_heading_of_the_file(tmp_path):
    labelled = write(tmp_path / "a.csv", LABELLED, [*labelled_row("1")[:3], "Perhaps", *labelled_row("1")[4:]])
    (fault,) = faults(labelled, form="P")
    assert fault.startswith("a.csv:2:Meals taste good. (foodaf): 'Perhaps' is not an answer: it is neither")


def test_headings_of_two_fields_alike(tmp_path):
    header = list(LABELLED)
    header[4] = header[3]
    found = faults(write(tmp_path / "a.csv", header, labelled_row("1")), form="P")
    assert found[0] == (
        "a.csv:1:Meals taste good.: the columns 'Meals taste good.' and 'Meals taste good.' are both read as "
        "foodaf; keep one, or rename the other"
    )


def test_a_canonical_file_with_a_column_that_ends_in_complete_is_two_readings(tmp_path):
    path = write(tmp_path / "a.csv", ["person", "form", *ITEMS, "training_complete"], ["1", "P", *CODES, "1"])
    assert faults(path) == (
        "a.csv: the file can be read as an export of REDCap (a column training_complete) and as a file with the ids of the "
        "definition as column names (ids of items as column names (foodaf, …)); say which it is: platform='redcap' or "
        "platform='canonical' (--platform redcap or --platform canonical)",
    )
    assert read(path, platform="canonical").people["training_complete"].tolist() == ["1"]


@pytest.mark.parametrize(("instrument", "form", "language"), CASES, ids=IDS)
def test_every_form_in_every_language_comes_back(tmp_path, instrument, form, language):
    survey = survey_of(instrument, form, languages=[language])
    rows = answers_to(survey)
    expected = truth(rows, instrument, tmp_path)
    # One style a case, in turn: every style meets full and short forms and both languages.
    styles = ((False, False), (True, True), (True, False), (False, True))
    labels, headers = styles[(instrument.forms.ids.index(form) + 3 * instrument.languages.index(language)) % 4]
    path = tmp_path / "export.csv"
    path.write_text(csv_text(export(survey, rows, labels=labels, headers=headers)), encoding="utf-8")
    found = read_responses(path, instrument)
    assert found.ledger["platform"].unique().tolist() == ["redcap"]
    assert_same(found, expected, instrument)


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=[each.id for each in INSTRUMENTS])
def test_a_survey_with_every_form_comes_back(tmp_path, instrument):
    survey = survey_of(instrument, *instrument.forms.ids)
    rows = answers_to(survey, count=2)
    expected = truth(rows, instrument, tmp_path)
    for labels in (False, True):
        path = tmp_path / "export.csv"
        path.write_text(csv_text(export(survey, rows, labels=labels, headers=labels), separator=";"), encoding="utf-8")
        assert_same(read_responses(path, instrument), expected, instrument)


def test_an_export_of_chosen_fields_without_statuses_is_recognised(tmp_path):
    whole = dict(zip(RAW, raw_row("17"), strict=True))
    chosen = {
        name: cell for name, cell in whole.items() if not name.endswith(("_complete", "_timestamp", "_identifier"))
    }
    responses = read(write(tmp_path / "a.csv", [*chosen], [*chosen.values()]), form="P")
    assert responses.people.loc["17", ["person", "meal1", "meal2"]].tolist() == ["17", 1, 0]
    # Without boxes there is the name of the first column only: that may be anything, so it must be said.
    chosen = {name: cell for name, cell in chosen.items() if "___" not in name}
    path = write(tmp_path / "b.csv", [*chosen], [*chosen.values()])
    assert "say which it is: platform='redcap' or platform='canonical'" in faults(path, form="P")[0]
    assert read(path, form="P", platform="redcap").people["person"].tolist() == ["17"]
