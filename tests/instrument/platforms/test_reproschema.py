"""ReproSchema files: each is read as JSON-LD by pyld and held against the models of the `reproschema` package."""

import dataclasses
import functools
import html
import importlib.util
import json
import subprocess
import sys
from pathlib import Path, PurePosixPath

import pytest
from pyld import jsonld

from instrument.platforms.reproschema import losses, write
from instrument.survey import build_survey
from tests.instrument.platforms.instruments import CANTEEN
from tests.instrument.platforms.surveys import SURVEYS, above_pages

EACH = pytest.mark.parametrize("name", SURVEYS)
RS, SCHEMA, SKOS = "http://schema.repronim.org/", "http://schema.org/", "http://www.w3.org/2004/02/skos/core#"


@functools.cache
def expanded(name):
    """Return file → what it says as JSON-LD, without any context: full names, every value with its type or language."""
    files = write(SURVEYS[name])
    return {
        path: jsonld.expand(json.loads(text), options={"base": f"http://localhost/{path}"})[0]
        for path, text in files.items()
    }


def values(node, term):
    return [value["@value"] for value in node.get(term, [])]


def one(node, term):
    (found,) = node[term]
    return found["@value"]


def spoken(node, term):
    return {value["@language"]: value["@value"] for value in node.get(term, [])}


def files_of(node):
    """Return the files that a protocol or activity puts in order, from the folder of the survey."""
    return [entry["@id"].removeprefix("http://localhost/") for entry in node[RS + "order"][0]["@list"]]


def properties(node):
    return {one(each, RS + "variableName"): each for each in node[RS + "addProperties"]}


def protocol(name):
    survey = SURVEYS[name]
    return expanded(name)[f"{survey.name}/{survey.name}_schema"]


def activities(name):
    return [expanded(name)[path] for path in files_of(protocol(name))]


@EACH
def test_pages_and_questions_in_order_and_no_other_file(name):
    survey, files = SURVEYS[name], expanded(name)
    pages = [f"activities/{page.id}/{page.id}_schema" for page in survey.pages]
    assert files_of(protocol(name)) == pages
    listed = [f"{survey.name}/{survey.name}_schema", *pages]
    for position, (page, activity) in enumerate(zip(survey.pages, activities(name), strict=True)):
        constants = survey.constants if position == 0 else {}
        ids = [*constants, *(question.id for question in page.questions)]
        assert files_of(activity) == [f"activities/{page.id}/items/{each}" for each in ids]
        assert list(properties(activity)) == ids
        computed = {
            one(each, RS + "variableName"): one(each, RS + "jsExpression") for each in activity.get(RS + "compute", [])
        }
        assert {column: json.loads(written) for column, written in computed.items()} == dict(constants)
        assert set(spoken(activity, SKOS + "prefLabel").values()) == {page.number or str(position + 1)}
        listed += files_of(activity)
    assert sorted(listed) == sorted(files)
    for path, content in files.items():
        assert PurePosixPath(content["@id"]).name == PurePosixPath(path).name


@EACH
def test_every_question_text_code_and_language(name):
    survey, files = SURVEYS[name], expanded(name)
    for page in survey.pages:
        for question in page.questions:
            item = files[f"activities/{page.id}/items/{question.id}"]
            assert item["@type"] == [RS + "Item"]
            shown = {language: html.unescape(text) for language, text in spoken(item, SCHEMA + "question").items()}
            assert shown == {language: question.text[language] for language in survey.languages}
            assert not any("<" in text for text in spoken(item, SCHEMA + "question").values())
            inputs = {"text": ["textarea" if question.role == "open" else "text"]}
            assert values(item, RS + "inputType") == inputs.get(question.kind, ["radio"])
            (options,) = item[RS + "responseOptions"]
            read = [
                (one(each, RS + "value"), spoken(each, SCHEMA + "name")) for each in options.get(RS + "choices", [])
            ]
            assert read == [
                (
                    choice.code if question.role == "form" else int(choice.code),
                    {language: choice.label[language] for language in survey.languages},
                )
                for choice in question.choices
            ]
            assert values(options, RS + "multipleChoice") == ([question.kind == "several"] if question.choices else [])


@EACH
def test_head_and_texts_to_read(name):
    survey = SURVEYS[name]
    head = protocol(name)
    assert head["@type"] == [RS + "Protocol"]
    assert spoken(head, SKOS + "prefLabel") == {each: survey.title()[each] for each in survey.languages}
    for language in survey.languages:
        texts = [survey.banner, survey.instrument.instructions]
        opening = [text[language] for text in texts if text]
        assert spoken(head, RS + "preamble").get(language, "") == "\n\n".join(opening)
        for position, (page, activity) in enumerate(zip(survey.pages, activities(name), strict=True)):
            said = list(opening) if position == 0 else []
            if page.id in above_pages(survey):
                said.append(above_pages(survey)[page.id][language])
            assert spoken(activity, RS + "preamble").get(language, "") == "\n\n".join(said)
            assert survey.instrument.version in spoken(activity, SCHEMA + "citation")[language]
            assert survey.instrument.licence in spoken(activity, SCHEMA + "citation")[language]
    for content in expanded(name).values():
        assert one(content, SCHEMA + "version") == survey.instrument.version
        assert one(content, SCHEMA + "schemaVersion") == "1.0.0"
        assert set(spoken(content, SCHEMA + "description").values()) == {survey.stamp}


def node(path, program):
    done = subprocess.run([path, "-e", program], capture_output=True, text=True, check=True, timeout=60)
    return json.loads(done.stdout)


def test_who_is_asked_what(needs_tool):
    """Run by node: each condition with the name `form`, and as reproschema-ui does it, the answer put for its first."""
    asked, conditions = [], []
    for name, survey in SURVEYS.items():
        for page, activity in zip(survey.pages, activities(name), strict=True):
            page_visible = one(properties(protocol(name))[page.id], RS + "isVis")
            for question in page.questions:
                own = properties(activity)[question.id]
                assert one(own, SCHEMA + "valueRequired") == question.required
                for form in survey.forms:
                    asked.append(form in question.forms)
                    conditions.append((form, page_visible, one(own, RS + "isVis")))
            for hidden in survey.constants if page is survey.pages[0] else ():
                assert one(properties(activity)[hidden], RS + "isVis") is False
    program = """
    const met = (form, test) => test === true || Boolean(new Function("form", `return ${test}`)(form));
    const put = (form, test) => test === true || Boolean(eval(test.replace("form", JSON.stringify(form))));
    console.log(JSON.stringify(CONDITIONS.map(([form, ...tests]) =>
        [met, put].map(way => tests.every(test => way(form, test))))));
    """.replace("CONDITIONS", json.dumps(conditions))
    seen = node(needs_tool("node"), program)
    assert seen == [[each, each] for each in asked]
    assert set(asked) == {True, False}


# `reproschema validate` fetches its context from the network; the files' own is put in its place.
VALIDATE = """
import sys
import reproschema.jsonldutils
from reproschema.validate import validate
reproschema.jsonldutils.CONTEXTFILE_URL = sys.argv[2]
validate(sys.argv[1])
"""


def test_the_validator_of_reproschema_passes_the_whole_folder(tmp_path):
    files = write(SURVEYS["canteen all"])
    for path, text in files.items():
        file = tmp_path / "survey" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
    context = tmp_path / "context"
    context.write_text(json.dumps({"@context": json.loads(next(iter(files.values())))["@context"]}), encoding="utf-8")
    command = [sys.executable, "-c", VALIDATE, "survey", str(context)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr[-2000:]


@pytest.fixture
def models(monkeypatch, tmp_path):
    """The check of one file by the package's models, without a network."""
    from reproschema import jsonldutils

    context = json.loads(next(iter(write(SURVEYS["no forms"]).values())))["@context"]
    (tmp_path / "context").write_text(json.dumps({"@context": context}), encoding="utf-8")
    monkeypatch.setattr(jsonldutils, "CONTEXTFILE_URL", str(tmp_path / "context"))
    return jsonldutils.validate_data


@pytest.mark.parametrize("name", [name for name in SURVEYS if name != "PWIQ P"])
def test_every_file_fits_the_models(name, models):
    for path, content in expanded(name).items():
        assert models(content, PurePosixPath(path).name) == (True, "")


def misspelt(content):
    content["questions"] = content.pop("question")


def wrong_type(content):
    content["responseOptions"]["multipleChoice"] = "perhaps"


@pytest.mark.parametrize(("damage", "message"), [(misspelt, "questions"), (wrong_type, "multipleChoice")])
def test_the_models_find_what_is_wrong(damage, message, models):
    content = json.loads(write(SURVEYS["canteen short"])["activities/pagefood/items/foodab"])
    damage(content)
    (node,) = jsonld.expand(content, options={"base": "http://localhost/"})
    fits, why = models(node, "foodab")
    assert not fits
    assert message in why


def test_the_models_know_the_name_of_a_file(models):
    with pytest.raises(Exception, match="does not match the schema name foodaf"):
        models(expanded("canteen short")["activities/pagefood/items/foodab"], "foodaf")


def test_the_terms_are_those_of_reproschema():
    """The package brings a context of an earlier release; the terms that both have stand for the same."""
    folder = Path(importlib.util.find_spec("reproschema").origin).parent / "tests" / "contexts"
    base = json.loads((folder / "base").read_text(encoding="utf-8"))["@context"]
    theirs = json.loads((folder / "generic").read_text(encoding="utf-8"))["@context"][1]
    ours = json.loads(next(iter(write(SURVEYS["no forms"]).values())))["@context"]
    shared = [term for term in ours if term in theirs and not term.startswith("@") and term != "ui"]
    assert len(shared) >= 15

    def meaning(context, term):
        value = {"en": "x"} if ours[term].get("@container") == "@language" else "urn:x"
        (found,) = jsonld.expand({"@context": context, "ui": {term: value}})
        return list(found)

    for term in shared:
        assert meaning(ours, term) == meaning([base, theirs], term), term
    assert meaning(ours, "question") == [SCHEMA + "question"]


def test_losses():
    assert [loss.aspect for loss in losses(SURVEYS["canteen all"])] == ["scores", "layout", "off_scale"]
    plain = build_survey(CANTEEN, forms=["CS"], languages=["en"])
    alone = dataclasses.replace(plain, pages=plain.pages[-2:], scores=())
    assert losses(alone) == ()


def test_the_same_bytes_each_time():
    assert write(SURVEYS["hostile all"]) == write(SURVEYS["hostile all"])
