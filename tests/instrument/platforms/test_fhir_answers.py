import json

import pytest

from instrument.checking import check_table
from instrument.platforms.fhir_answers import canonical, evidence
from instrument.reading import read_responses
from instrument.responses import ResponseError
from instrument.tables import line, read_table
from tests.instrument.platforms.answered import answers_to, assert_same, checked, ledger, survey_of, truth
from tests.instrument.platforms.instruments import CANTEEN, CASES, IDS, PWIQ
from tests.instrument.platforms.simulated_fhir import bundle, resource

# Names that these resources bear, but which the canonical file lacks or bears otherwise.
NAMES = ("person",)


def write(folder, *documents, name="answers.json"):
    path = folder / name
    if path.suffix == ".ndjson":
        path.write_text("".join(f"{json.dumps(each)}\n\n" for each in documents), encoding="utf-8")
    else:
        path.write_text(json.dumps(documents[0], ensure_ascii=False, indent=1), encoding="utf-8")
    return path


def read(path, instrument=CANTEEN):
    return checked(canonical(read_table(path, file=path.name), instrument), instrument)


def faults(path, instrument=CANTEEN):
    table = canonical(read_table(path, file=path.name), instrument)
    return [line(path.name, fault) for fault in check_table(table, instrument, wave=1, stem="x").faults]


def answered(instrument, *forms, count=6):
    """A survey and rows of answers whose ids obey FHIR's rule."""
    survey = survey_of(instrument, *forms)
    rows = answers_to(survey, count=count)
    return survey, [row | {"response": row["response"].replace("_", "-")} for row in rows]


def canteen(count=3, **options):
    survey, rows = answered(CANTEEN, "P", count=count)
    return survey, rows, [resource(survey, row, "en", **options) for row in rows]


def put(resource_, link, answers):
    """Give a question these answers, wherever it stands."""
    for page in resource_["item"]:
        page["item"] = [each for each in page.get("item", []) if each["linkId"] != link]
    resource_["item"][-1]["item"].append({"linkId": link, "answer": answers})


WAYS = (
    {"release": "R4"},
    {"release": "R5", "values": "number", "order": -1},
    {"release": "R4", "nested": True},
    {"release": "R5", "values": "string"},
)


@pytest.mark.parametrize(("instrument", "form", "language"), CASES, ids=IDS)
def test_what_people_answered_comes_back(instrument, form, language, tmp_path):
    survey, rows = answered(instrument, form)
    expected = truth(rows, instrument, tmp_path)
    number = CASES.index((instrument, form, language))
    for at, way in enumerate(WAYS if (instrument, form) == (CANTEEN, "P") else [WAYS[number % 4]]):
        resources = [resource(survey, row, language, **way) for row in rows]
        kinds = {
            0: lambda found: write(tmp_path, bundle(*found)),
            1: lambda found: write(tmp_path, bundle(*found, kind="searchset")),
            2: lambda found: write(tmp_path, *found, name="answers.ndjson"),
            3: lambda found: write(tmp_path, found),
        }
        path = kinds[(number + at) % 4](resources)
        assert evidence(read_table(path, file=path.name), instrument).strength == 3
        found = read(path, instrument)
        assert_same(found, expected, instrument, without=NAMES)
        assert found.people["person"].tolist() == [f"Patient/{row['response']}" for row in rows]
        assert set(found.people["date"]) == {"2026-03-01"}
        assert "Doe" not in found.people.to_csv()


def test_all_forms_in_one_questionnaire(tmp_path):
    survey, rows = answered(PWIQ, *PWIQ.forms.ids, count=2)
    path = write(tmp_path, bundle(*(resource(survey, row, "en") for row in rows)))
    assert_same(read_responses(path, PWIQ), truth(rows, PWIQ, tmp_path), PWIQ, without=NAMES)


@pytest.mark.parametrize("release", ["R4B", "R5"])
def test_the_simulated_resources_are_fhir(release):
    from fhir.resources import questionnaireresponse as r5
    from fhir.resources.R4B import questionnaireresponse as r4b

    reader = {"R4B": r4b, "R5": r5}[release].QuestionnaireResponse
    survey, rows = answered(CANTEEN, "P", count=3)
    for way in WAYS:
        if way["release"][:2] == release[:2]:
            for row in rows:
                made = resource(survey, row, "en", **way)
                assert reader.model_validate(made).status == "completed"


def test_what_was_entered_in_error_is_dropped_and_what_is_open_kept(tmp_path):
    _, rows, resources = canteen(count=5)
    for at, status in ((0, "entered-in-error"), (1, "in-progress"), (2, "amended"), (3, "in-progress")):
        resources[at]["status"] = status
    found = read(write(tmp_path, bundle(*resources, kind="searchset")))
    assert list(found.answers.index) == [row["response"] for row in rows[1:]]
    assert ledger(found, "(entered in error)")["note"] == "responses that were entered in error; dropped: rows 2"
    assert "2 responses are in-progress; kept" in ledger(found, "id")["note"]
    assert ledger(found, "('Patient')")["note"] == "resources that are no responses; not read"


def test_short_answers_without_a_form_are_not_taken_for_a_full_form(tmp_path):
    survey, rows = answered(PWIQ, "PS", count=8)
    resources = [resource(survey, row, "en", questionnaire="urn:uuid:0") for row in rows]
    for each in resources:
        put(each, "roleaf", [])
    path = write(tmp_path, bundle(*resources))
    told = faults(path, PWIQ)
    assert any("add it: allowed in it are P, C, M, PS, CS, MS" in each for each in told), told
    for each in resources:
        put(each, "roleaf", [{"valueInteger": 3}])
    assert set(read_responses(write(tmp_path, bundle(*resources)), PWIQ).people["form"]) == {"PS"}


def test_one_resource_alone_and_one_without_id_or_subject(tmp_path):
    survey, rows, resources = canteen(count=1)
    for name in ("id", "identifier", "subject"):
        del resources[0][name]
    found = read(write(tmp_path, resources[0]))
    assert len(found.answers) == 1
    assert found.people["form"].tolist() == ["P"]
    assert found.people["version"].tolist() == ["0.2.0"]
    assert survey
    assert rows


def test_unknown_questions_are_counted_and_known_texts_found(tmp_path):
    _, _, resources = canteen()
    for each in resources:
        each["item"].append({"linkId": "9.1", "text": "Where do you sit?", "answer": [{"valueString": "<b>here</b>"}]})
        put(each, "global10", [])
        each["item"].append({"linkId": "7.3", "text": "The canteen, 0 to 10:", "answer": [{"valueInteger": 7}]})
    found = read(write(tmp_path, bundle(*resources)))
    assert found.people["global10"].tolist() == [7, 7, 7]
    assert ledger(found, "9.1")["cells"] == 3
    assert ledger(found, "9.1")["note"] == "no question of this questionnaire has this linkId; not read"


def test_two_answers_to_a_question_that_takes_one_are_refused(tmp_path):
    _, _, resources = canteen()
    put(resources[1], "placeaf", [{"valueInteger": 2}, {"valueInteger": 4}])
    assert faults(write(tmp_path, bundle(*resources))) == [
        "answers.json:3:placeaf: 2 answers to a question that takes one; keep the one that is meant"
    ]


def test_answers_that_cannot_be_read_are_refused(tmp_path):
    _, _, resources = canteen()
    put(resources[0], "placeaf", [{"valueAttachment": {"url": "x"}}])
    put(resources[1], "placeaf", [{"valueDecimal": 2.5}])
    put(resources[2], "placeaf", {"valueInteger": 3})
    told = faults(write(tmp_path, bundle(*resources)))
    assert told[0] == "answers.json:2:placeaf: 'valueAttachment' is no answer that can be read; export again"
    assert told[1].startswith("answers.json:3:placeaf: '2.5' is not an answer")
    assert told[2] == (
        "answers.json:4:placeaf: the resource is broken: a list of objects should stand here; export again"
    )


def test_half_a_character_is_refused(tmp_path):
    _, _, resources = canteen(count=1)
    put(resources[0], "open1", [{"valueString": "x\ud800"}])
    path = tmp_path / "answers.json"
    path.write_text(json.dumps(resources[0]), encoding="ascii")
    assert faults(path) == ["answers.json:2:open1: the answer holds half a character; export again"]


def test_an_answer_that_is_none_of_several_is_refused(tmp_path):
    _, _, resources = canteen(count=4)
    at = next(at for at, each in enumerate(resources) if any("meal" in str(page) for page in each["item"]))
    put(resources[at], "meal", [{"valueCoding": {"code": "7", "display": "Tea"}}])
    told = faults(write(tmp_path, bundle(*resources)))
    assert len(told) == 1
    assert told[0].startswith(
        f"answers.json:{at + 2}:meal: '7' is no answer to meal; allowed are its codes and labels (break"
    )


def test_true_and_false_are_1_and_0(tmp_path):
    _, _, resources = canteen(count=2)
    for each, codes in zip(resources, ("13", "2"), strict=True):
        page = next(page for page in each["item"] if page["linkId"] == "pagebackground")
        page["item"] = [
            {"linkId": f"meal{code}", "answer": [{"valueBoolean": code in codes}]} for code in ("1", "2", "3", "98")
        ]
        put(each, "foodaf", [{"valueBoolean": True}])
    found = read(write(tmp_path, bundle(*resources)))
    assert found.answers["foodaf"].tolist() == [1, 1]
    assert found.people[["meal1", "meal2", "meal3", "meal98"]].to_numpy().tolist() == [[1, 0, 1, 0], [0, 1, 0, 0]]


def test_groups_that_never_end_are_refused(tmp_path):
    _, _, resources = canteen(count=1)
    deep = {"linkId": "g", "item": []}
    for _ in range(100):
        deep = {"linkId": "g", "item": [deep]}
    resources[0]["item"].insert(0, deep)
    told = faults(write(tmp_path, resources[0]))
    assert "answers.json:2:item: the items are nested over 60 levels deep; export again" in told
    path = tmp_path / "deep.json"
    path.write_text('{"resourceType":"QuestionnaireResponse","item":' + "[" * 100_000)
    with pytest.raises(ResponseError, match=r"deep\.json.*(nested too deeply|this is not JSON)"):
        read_table(path, file="deep.json")


def test_xml_is_refused_with_what_to_do(tmp_path):
    path = tmp_path / "answers.xml"
    path.write_text('<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>')
    with pytest.raises(ResponseError, match="this XML file declares entities") as caught:
        read_table(path, file="answers.xml")
    assert "root:" not in str(caught.value)


def test_other_json_is_not_fhir(tmp_path):
    for document in ({"a": 1}, [1, 2], "text", {"resourceType": "Bundle"}, {"resourceType": "Bundle", "entry": [3]}):
        assert evidence(read_table(write(tmp_path, document), file="x"), CANTEEN) is None
