"""FHIR Questionnaires are read by fhir.resources, walked item by item, held against the invariants; a score is run."""

import copy
import dataclasses
import functools
import json
from decimal import Decimal

import fhirpathpy
import pandas as pd
import pytest
from fhir.resources.questionnaire import Questionnaire as QuestionnaireR5
from fhir.resources.R4B.questionnaire import Questionnaire as QuestionnaireR4
from fhirpathpy.models import models

from instrument.platforms.fhir import code_system, losses, questionnaire_url, write
from instrument.platforms.fhir_rules import check_questionnaire
from instrument.survey import build_survey
from tests.instrument.platforms.instruments import CANTEEN, DATA, HOSTILE, PWIQ
from tests.instrument.platforms.surveys import SURVEYS, above_pages

GOLDEN = DATA.parents[1] / "instrument" / "pwiq" / "golden.csv"
MODELS = {"R4": QuestionnaireR4, "R5": QuestionnaireR5}
HL7 = "http://hl7.org/fhir/StructureDefinition/"
CALCULATED = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression"

BOTH = pytest.mark.parametrize("release", MODELS)
EACH = pytest.mark.parametrize("name", SURVEYS)


@functools.cache
def written(name, release):
    survey = SURVEYS[name]
    files = write(survey)
    assert list(files) == [f"{survey.name}.r4.json", f"{survey.name}.r5.json"]
    return json.loads(files[f"{survey.name}.{release.lower()}.json"])


def walk(items, above=()):
    """Yield every item and the conditions on it, its own and those of the groups that it stands in."""
    for item in items:
        conditions = (*above, *([item["enableWhen"]] if "enableWhen" in item else []))
        yield item, conditions
        yield from walk(item.get("item", []), conditions)


def by_link(resource):
    return {item["linkId"]: item for item, _ in walk(resource["item"])}


def said(element, name):
    """Return language → text of an element with its translations."""
    texts = {}
    for extension in element.get(f"_{name}", {}).get("extension", []):
        assert extension["url"] == HL7 + "translation"
        parts = {part["url"]: part for part in extension["extension"]}
        texts[parts["lang"]["valueCode"]] = parts["content"]["valueString"]
    return texts, element[name]


def extended(element, url):
    found = [extension for extension in element.get("extension", []) if extension["url"] == url]
    assert len(found) < 2
    return found[0] if found else None


@BOTH
@EACH
def test_fhir_resources_and_the_invariants_find_nothing(name, release):
    resource = written(name, release)
    assert check_questionnaire(resource, release) == ()
    if name == "PWIQ P":
        return  # fhir.resources takes a second each, and reads the same items in the survey of all forms
    read = MODELS[release].model_validate(resource)
    if name == "PWIQ all":
        return  # writing a megabyte anew takes a second; the others show that nothing is lost
    assert json.loads(read.model_dump_json(), parse_float=Decimal) == json.loads(json.dumps(resource))


@BOTH
@EACH
def test_every_question_text_code_and_language(name, release):
    survey, resource = SURVEYS[name], written(name, release)
    first, *others = survey.languages
    assert resource["language"] == first

    def speaks(element, key, text):
        translations, main = said(element, key)
        assert (main, translations) == (text[first], {language: text[language] for language in others})

    speaks(resource, "title", survey.title())
    items = [item for item, _ in walk(resource["item"])]
    questions = {question.id: question for question in survey.questions()}
    kinds = {"choice", "coding", "text", "string"}
    asked = [item for item in items if item["type"] in kinds and not extended(item, HL7 + "questionnaire-hidden")]
    assert [item["linkId"] for item in asked] == list(questions)
    for item in asked:
        question = questions[item["linkId"]]
        speaks(item, "text", question.text)
        assert item.get("required", False) == question.required
        assert item.get("repeats", False) == (question.kind == "several")
        assert ("answerOption" in item) == bool(question.choices)
        if question.choices:
            assert item["type"] == {"R4": "choice", "R5": "coding"}[release]
            assert item.get("answerConstraint") == {"R4": None, "R5": "optionsOnly"}[release]
        for option, choice in zip(item.get("answerOption", []), question.choices, strict=True):
            coding = option["valueCoding"]
            assert coding["code"] == choice.code
            speaks(coding, "display", choice.label)
            assert coding["system"] == code_system(survey, question.scale or "form")
    shown = {"text-banner": survey.banner, "text-instructions": survey.instrument.instructions}
    shown |= {f"text-{page}": text for page, text in above_pages(survey).items()}
    shown = {link: text for link, text in shown.items() if text}
    displayed = [item for item in items if item["type"] == "display"]
    assert [item["linkId"] for item in displayed] == list(shown)
    for item in displayed:
        speaks(item, "text", shown[item["linkId"]])


@BOTH
@EACH
def test_who_is_asked_what_and_what_stands_together(name, release):
    survey, resource = SURVEYS[name], written(name, release)
    questions = {question.id: question for question in survey.questions()}
    for item, conditions in walk(resource["item"]):
        if "enableWhen" in item:
            assert item["enableBehavior"] == "any"
        if item["linkId"] not in questions:
            continue
        seen = set(survey.forms)
        for condition in conditions:
            assert {(each["question"], each["operator"]) for each in condition} == {("form", "=")}
            assert {each["answerCoding"]["system"] for each in condition} == {code_system(survey, "form")}
            seen &= {each["answerCoding"]["code"] for each in condition}
        assert seen == set(questions[item["linkId"]].forms)
    groups = by_link(resource)
    for page in survey.pages:
        group = groups[page.id]
        assert group.get("prefix", "") == page.number
        table = groups.get(f"{page.id}-table")
        assert (table is not None) == page.matrix
        if table:
            control = extended(table, HL7 + "questionnaire-itemControl")["valueCodeableConcept"]["coding"]
            assert control == [{"system": "http://hl7.org/fhir/questionnaire-item-control", "code": "table"}]
        inside = [item["linkId"] for item in (table or group)["item"] if item["type"] != "display"]
        assert inside == [question.id for question in page.questions]


@BOTH
def test_weights_stand_on_answers_of_a_scale_only(release):
    resource = written("canteen short", release)
    url = HL7 + {"R4": "ordinalValue", "R5": "itemWeight"}[release]
    items = by_link(resource)

    def weights(link):
        options = items[link]["answerOption"]
        return {each["valueCoding"]["code"]: (extended(each, url) or {}).get("valueDecimal") for each in options}

    assert weights("foodab") == {"1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "97": None, "98": None}
    assert weights("global10") == {str(code): code for code in range(11)}
    assert set(weights("meal").values()) == {None}


@BOTH
@EACH
def test_constants_and_scores(name, release):
    survey, resource = SURVEYS[name], written(name, release)
    hidden = [item for item in resource["item"] if extended(item, HL7 + "questionnaire-hidden")]
    assert all(item["readOnly"] for item in hidden)
    constants = {item["linkId"]: item["initial"] for item in hidden if "initial" in item}
    assert constants == {column: [{"valueString": value}] for column, value in survey.constants.items()}
    scores = [item for item in hidden if extended(item, CALCULATED)]
    assert [item["linkId"] for item in scores] == [rule.export for rule in survey.scores]
    assert {item["type"] for item in scores} <= {"decimal"}
    for item in scores:
        expression = extended(item, CALCULATED)["valueExpression"]
        assert expression["language"] == "text/fhirpath"
        assert "not run" in expression["description"]


def answered(items, answers):
    """Return the items of a QuestionnaireResponse, nested as the questionnaire is."""
    response = []
    for item in items:
        entry = {"linkId": item["linkId"]}
        if item["type"] == "group":
            entry["item"] = answered(item["item"], answers)
        elif item["linkId"] in answers:
            options = [option["valueCoding"] for option in item["answerOption"]]
            (coding,) = [each for each in options if each["code"] == str(answers[item["linkId"]])]
            entry["answer"] = [{"valueCoding": {"system": coding["system"], "code": coding["code"]}}]
        else:
            continue
        response.append(entry)
    return response


def test_the_scores_that_the_questionnaire_computes(agrees):
    """The published expressions, with codes for weights, run on answers nested as the questionnaire nests them.

    A short form, since fhirpathpy takes ten seconds for the scores of a full one; tests of the formulas run all.
    """
    person = "g57"
    golden = pd.read_csv(GOLDEN, dtype=str, index_col="person").loc[person]
    survey = build_survey(PWIQ, forms=[golden["form"]], planning=True, languages=["en"])
    resource = json.loads(write(survey)[f"{survey.name}.r4.json"])
    answers = {item: code for item, code in golden[list(PWIQ.items.ids)].dropna().items() if item in by_link(resource)}
    response = {"resourceType": "QuestionnaireResponse", "item": answered(resource["item"], answers)}
    found, weighed = {}, 0
    for item in resource["item"]:
        if calculated := extended(item, CALCULATED):
            expression = calculated["valueExpression"]["expression"]
            weighed += "answer.value.weight()" in expression
            twin = expression.replace("answer.value.weight()", "answer.value.code.select(toInteger())")
            for value in fhirpathpy.evaluate(response, twin, {"resource": response}, models["r4"]):
                found[item["linkId"]] = float(value)
                response["item"].append({"linkId": item["linkId"], "answer": [{"valueDecimal": float(value)}]})
    assert weighed == 6  # the other two are made of these
    ours = [found.get(rule.export, float("nan")) for rule in survey.scores]
    theirs = [float(golden[f"pomp_{rule.id}"]) for rule in survey.scores]
    agrees(f"FHIRPath scores of {person}", ours, theirs, oracle="golden.csv, by hand", absolute=1e-9)


def test_head():
    r4, r5 = written("hostile short", "R4"), written("hostile short", "R5")
    survey = SURVEYS["hostile short"]
    for resource in (r4, r5):
        assert resource["meta"]["profile"] == ["http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire"]
        assert (resource["status"], resource["experimental"], resource["version"]) == ("draft", True, "1.2.3")
        assert resource["identifier"][0]["value"] == survey.stamp
        assert resource["name"] == "HOSTILE_AS"
        assert resource["copyright"].endswith("(CC BY 4.0)")
        assert resource["description"] == r"Draft: \*not\* \_\_tested\_\_ \<b\>yet\</b\>"
    semver = {"system": "http://hl7.org/fhir/version-algorithm", "code": "semver"}
    assert extended(r4, HL7 + "artifact-versionAlgorithm")["valueCoding"] == semver
    assert r5["versionAlgorithmCoding"] == semver


def test_a_short_form_is_derived_from_its_full_form():
    full = build_survey(HOSTILE, forms=["A"])
    assert written("hostile short", "R5")["derivedFrom"] == [f"{questionnaire_url(full)}|1.2.3"]
    assert "derivedFrom" not in written("hostile all", "R5")


def test_the_url_is_the_same_for_each_version_and_another_for_other_options():
    options = [{}, {"forms": ["C"]}, {"languages": ["es"]}, {"planning": True}, {"seed": 1}, {"seed": 2}, {"wave": 1}]
    assert len({questionnaire_url(build_survey(CANTEEN, **each)) for each in options}) == len(options)
    usual, later = (build_survey(PWIQ, forms=["P"], follow_up=each) for each in (False, True))
    assert questionnaire_url(usual) != questionnaire_url(later)
    raised = dataclasses.replace(usual, instrument=dataclasses.replace(PWIQ, version="9.0.0", digest="f" * 64))
    assert questionnaire_url(raised) == questionnaire_url(usual)


def test_the_same_bytes_each_time():
    assert write(SURVEYS["hostile all"]) == write(SURVEYS["hostile all"])


def test_losses():
    assert [(loss.aspect, loss.where) for loss in losses(SURVEYS["canteen all"])] == [("off_scale", ("mainmeal",))]
    assert losses(SURVEYS["no forms"]) == ()


BROKEN = {
    "status": (lambda q, i: q.update(status="bogus"), "status 'bogus' is not one of"),
    "name": (lambda q, i: q.update(name="1st"), "name '1st'"),
    "url": (lambda q, i: q.update(url="urn:a|b"), "url 'urn:a|b'"),
    "resource": (lambda q, i: q.update(resourceType="Patient"), "is not Questionnaire"),
    "twice": (lambda q, i: i["tags"].update(linkId="marks"), "linkId occurs 2 times (que-2)"),
    "no link": (lambda q, i: i["tags"].pop("linkId"), "an item has the linkId None"),
    "long link": (lambda q, i: i["say"].update(linkId="x" * 256), "que-15"),
    "type": (lambda q, i: i["tags"].update(type="foo"), "type 'foo' is not one of"),
    "empty group": (lambda q, i: i["pagesign"].update(item=[]), "a group without items (que-1)"),
    "display": (lambda q, i: i["text-banner"].update(required=True), "a display item has 'required'"),
    "initial of a group": (lambda q, i: i["pagesign"].update(initial=[{"valueString": "a"}]), "que-8"),
    "two sources": (lambda q, i: i["tags"].update(answerValueSet="urn:a"), "que-4"),
    "options of a text": (lambda q, i: i["say"].update(answerOption=[{"valueString": "a"}]), "que-5"),
    "length": (lambda q, i: i["tags"].update(maxLength=3), "que-10"),
    "initial beside options": (lambda q, i: i["tags"].update(initial=[{"valueString": "a"}]), "que-11"),
    "several initial": (lambda q, i: i["say"].update(initial=[{"valueString": "a"}] * 2), "que-13"),
    "constraint": (lambda q, i: i["tags"].update(answerConstraint="none"), "answerConstraint"),
    "code twice": (lambda q, i: i["tags"]["answerOption"].append(i["tags"]["answerOption"][0]), "offered 2 times"),
    "code": (lambda q, i: i["tags"]["answerOption"][0]["valueCoding"].update(code=" 1"), "the code ' 1' begins"),
    "no behaviour": (
        lambda q, i: (
            i["tags"].update(enableWhen=i["pageopen"]["enableWhen"] * 2, enableBehavior=None)
            or i["tags"].pop("enableBehavior")
        ),
        "que-12",
    ),
    "behaviour": (lambda q, i: i["tags"].update(enableBehavior="some"), "neither any nor all"),
    "operator": (lambda q, i: i["pageopen"]["enableWhen"][0].update(operator="~"), "operator '~'"),
    "unknown": (lambda q, i: i["pageopen"]["enableWhen"][0].update(question="nobody"), "no earlier item"),
    "later": (lambda q, i: i["pageopen"]["enableWhen"][0].update(question="say"), "no earlier item"),
    "answer": (
        lambda q, i: i["pageopen"]["enableWhen"][0].update(
            answerString=i["pageopen"]["enableWhen"][0].pop("answerCoding")
        ),
        "needs answerCoding, has answerString (que-7)",
    ),
}


@BOTH
@pytest.mark.parametrize("fault", BROKEN)
def test_the_rules_find_each_fault(fault, release):
    resource = copy.deepcopy(written("hostile all", release))
    damage, message = BROKEN[fault]
    damage(resource, by_link(resource))
    found = check_questionnaire(resource, release)
    assert any(message in each for each in found), found


def test_the_rules_know_the_releases():
    assert any("'coding'" in fault for fault in check_questionnaire(written("hostile short", "R5"), "R4"))
    assert any("'choice'" in fault for fault in check_questionnaire(written("hostile short", "R4"), "R5"))
    with pytest.raises(ValueError, match="release must be 'R4' or 'R5'; got 'R3'"):
        check_questionnaire({}, "R3")
