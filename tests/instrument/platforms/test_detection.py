import json
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from instrument.definition import read_instrument
from instrument.platforms.answers import CERTAIN, LIKELY, Evidence, Taken, assembled, plain, several
from instrument.platforms.detection import PLATFORMS, as_canonical, title
from instrument.reading import read_responses
from instrument.responses import ResponseError
from instrument.tables import Column, read_table

DATA = Path(__file__).parents[2] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
ITEMS = list(CANTEEN.items.ids)


def write(path, **cells):
    row = {"person": "1", "form": "P", **dict.fromkeys(ITEMS, "3"), **cells}
    pd.DataFrame([row]).to_csv(path, index=False)
    return path


def faults(path, **options):
    with pytest.raises(ResponseError) as caught:
        read_responses(path, CANTEEN, **options)
    return caught.value.faults


def test_a_canonical_file_stays_canonical_whatever_else_it_holds(tmp_path):
    # Words that platforms use, too.
    extra = {"id": "7", "seed": "1", "Timestamp": "x", "uuid": "y", "language": "en", "status": "0", "_notes": "z"}
    responses = read_responses(write(tmp_path / "a.csv", **extra), CANTEEN)
    assert responses.ledger["platform"].unique().tolist() == ["canonical"]
    assert responses.people["person"].tolist() == ["1"]
    assert set(extra) <= set(responses.people)


def test_a_platform_that_was_said_is_believed_and_told(tmp_path):
    path = write(tmp_path / "a.csv")
    responses = read_responses(path, CANTEEN, platform="limesurvey")
    note = responses.ledger.set_index("column").loc["(platform)", "note"]
    assert note == "read as an export of LimeSurvey: as was asked for; nothing in the file shows it"
    assert responses.answers["foodaf"].tolist() == [3]


@pytest.mark.parametrize("platform", [each for each in PLATFORMS if each != "fhir"])
def test_every_platform_that_is_wrongly_said_reads_a_plain_file(tmp_path, platform):
    path = write(tmp_path / "a.csv")
    assert read_responses(path, CANTEEN, platform=platform).answers["foodaf"].tolist() == [3]


def test_two_marks_of_two_platforms(tmp_path):
    marks = {
        "redcap_event_name": "a_arm_1",
        "_id": "1",
        "_uuid": "x",
        "_submission_time": "2026-03-01",
        "__version__": "v",
    }
    (fault,) = faults(write(tmp_path / "a.csv", **marks))
    assert fault.startswith("a.csv: the file can be read as an export of REDCap (columns redcap_event_name) and as ")
    assert "say which it is: platform='redcap' or platform='kobo' (--platform redcap or --platform kobo)" in fault


def test_nothing_known_in_a_file(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    assert faults(tmp_path / "a.csv") == (
        "a.csv:1:x: none of the 2 columns is one of this questionnaire; columns are separated by commas, semicolons or tabs "
        "and bear the ids of the definition (person, form, foodaf, …); name them so, or write down which is which (pwiq map)",
    )
    table = read_table(tmp_path / "a.csv", file="a.csv")
    assert as_canonical(table, CANTEEN).platform == "canonical"


def test_what_the_web_form_posted_is_collected_first(tmp_path):
    document = {"format": 1, "columns": ["response"], "responses": [{"response": "a"}]}
    (tmp_path / "a.json").write_text(json.dumps(document), encoding="utf-8")
    assert faults(tmp_path / "a.json") == (
        "a.json: this JSON is what the web form posted or a shared device saved; make one table of all such files with "
        "`pwiq collect`, and read that",
    )
    (tmp_path / "b.json").write_text('{"answers": []}', encoding="utf-8")
    (fault,) = faults(tmp_path / "b.json")
    assert "this JSON holds no answers that are known here; export FHIR" in fault


def test_platforms_in_words():
    assert title("redcap") == "an export of REDCap"
    assert Evidence(platform="redcap", strength=CERTAIN, reasons=("x",)).strength > LIKELY


def test_columns_that_become_one_name_are_refused_with_both_headings(tmp_path):
    (tmp_path / "a.csv").write_text("x,y\n1,2\n", encoding="utf-8")
    table = read_table(tmp_path / "a.csv", file="a.csv")
    taken = [Taken(name="foodaf", column=column, header=name) for name, column in zip("xy", table.columns, strict=True)]
    made = assembled(table, taken, platform="redcap")
    assert [fault.message for fault in made.faults] == [
        "the columns 'x' and 'y' are both read as foodaf; keep one, or rename the other"
    ]
    assert made.headers == {"foodaf": "x"}


def test_several_answers_in_a_cell():
    names = {"Tea": "drink1", "Tea, iced": "drink2", "Water": "drink3"}
    cells = ["Tea; Water", "tea, iced,Water", "", "Tea; Juice", "water"]
    columns, unknown = several(Column.of(np.array(cells, dtype=object), lambda text: text or None), ";,", names)
    assert {name: [column[at] for at in range(5)] for name, column in columns.items()} == {
        "drink1": ["1", "0", None, None, "0"],
        "drink2": ["0", "1", None, None, "0"],
        "drink3": ["1", "1", None, None, "1"],
    }
    assert unknown == {"Tea; Juice": "juice"}


def test_texts_are_compared_without_what_platforms_add():
    assert plain("<p>It’s&nbsp;<b>fine</b>\n</p>") == plain("it's fine")
    assert plain("a < b and c > d") == "a < b and c > d".casefold()


@pytest.mark.parametrize("platform", [each for each in PLATFORMS if each not in ("fhir", "canonical")])
def test_a_platform_that_cannot_be_is_refused(tmp_path, platform):
    item = {"linkId": "foodaf", "answer": [{"valueInteger": 4}]}
    text = json.dumps({"resourceType": "QuestionnaireResponse", "status": "completed", "item": [item]})
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    assert faults(tmp_path / "a.json", platform=platform) == (
        f"a.json: the file holds JSON resources, which {title(platform)} cannot be; leave platform (--platform) out",
    )


def test_a_table_cannot_be_fhir(tmp_path):
    assert faults(write(tmp_path / "a.csv"), platform="fhir") == (
        "a.csv: the file holds a table, which FHIR QuestionnaireResponses cannot be; leave platform (--platform) out",
    )


@pytest.mark.parametrize("status", ["entered-in-error", "completed"])
def test_resources_without_any_answer(tmp_path, status):
    text = json.dumps({"resourceType": "QuestionnaireResponse", "status": status})
    (tmp_path / "a.json").write_text(text, encoding="utf-8")
    (fault,) = faults(tmp_path / "a.json")
    assert fault.startswith(
        ("a.json: all responses were entered in error;", "a.json: no response has an id, nor an answer")
    )


def test_columns_that_name_people_are_dropped_from_any_file(tmp_path):
    extra = {"E-mail": "jo@example.org", "firstName": "Jo", "net": "10.0.0.1", "team_name": "north", "shoe size": "42"}
    responses = read_responses(write(tmp_path / "a.csv", **extra), CANTEEN)
    assert responses.people[["team_name", "shoe size"]].iloc[0].tolist() == ["north", "42"]
    assert not {"E-mail", "firstName", "net"} & set(responses.people)
    notes = responses.ledger.set_index("column")["note"]
    assert {notes[name] for name in ("E-mail", "firstName", "net")} == {"it may name people; dropped and never read"}
    ids = read_responses(write(tmp_path / "b.csv", person="jo@example.org"), CANTEEN).ledger.set_index("column")["note"]
    assert ids["(person)"].startswith("the ids are e-mail or network addresses")


def test_a_heading_of_thousands_of_parts_and_a_sign_without_end_are_read_at_once(tmp_path):
    path = write(tmp_path / "a.csv", _uuid="1", _submission_time="x", **{"a/" * 9_900: "1", "x - " * 4_900: "2"})
    start = time.process_time()
    assert len(read_responses(path, CANTEEN).answers) == 1
    assert time.process_time() - start < 5
    assert plain("&#" + "9" * 6000 + ";") == "\ufffd"
