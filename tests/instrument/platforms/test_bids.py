"""BIDS phenotype files are held against the specification's rules and compared text by text."""

import json

import pytest

from instrument.platforms.bids import losses, write
from instrument.platforms.variables import derivation
from tests.instrument.platforms.surveys import SURVEYS, answer_columns

each_survey = pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
# "Tabular files" and "Phenotypic and assessment data".
COLUMN_KEYS = {"LongName", "Description", "Levels", "Units", "TermURL", "Derivative"}


def read(survey):
    files = write(survey)
    assert list(files) == [f"phenotype/{survey.name}.json", f"phenotype/{survey.name}.tsv"]
    described, table = files.values()
    assert table.endswith("\n")
    assert table.count("\n") == 1
    return json.loads(described), table.strip("\n").split("\t")


@each_survey
def test_the_files_keep_to_the_specification(survey):
    described, header = read(survey)
    assert header[0] == "participant_id"
    assert len(set(header)) == len(header)
    tool, *columns = described.items()
    assert tool[0] == "MeasurementToolMetadata"
    assert set(tool[1]) <= {"Description", "TermURL"}
    assert [name for name, _ in columns] == header
    for name, column in columns:
        assert set(column) <= COLUMN_KEYS, name
        assert all(isinstance(column[key], str) and column[key] for key in set(column) - {"Levels", "Derivative"})
        assert all(isinstance(label, str) for label in column.get("Levels", {}).values())
        assert column.get("Derivative", True) is True
    assert write(survey) == write(survey)


@each_survey
def test_every_text_and_code_stands_in_its_order(survey):
    described, header = read(survey)
    language = survey.languages[0]
    columns = answer_columns(survey)
    scores = [rule.export for rule in survey.scores]
    keys = [name for name in header if name not in {*columns, *scores}]
    assert set(keys) <= {"participant_id", "response", "form", "wave", "version"}
    assert header == [*keys, *columns, *scores]
    for name, (question, choice) in columns.items():
        text = question.text[language] + ("" if choice is None else f" – {choice.label[language]}")
        assert described[name]["Description"] == text
        labels = {each.code: each.label[language] for each in question.choices}
        several = {"0": "no", "1": "yes"}
        assert described[name].get("Levels", {}) == (labels if choice is None else several)
        assert list(described[name].get("Levels", {})) == list(labels if choice is None else several)
        assert "Derivative" not in described[name]
    for rule in survey.scores:
        assert described[rule.export]["Derivative"] is True
        assert described[rule.export]["LongName"] == rule.title[language]
        assert described[rule.export]["Description"] == derivation(rule, survey)


@each_survey
def test_the_tool_is_named_with_banner_and_stamp(survey):
    tool = read(survey)[0]["MeasurementToolMetadata"]["Description"]
    language = survey.languages[0]
    assert tool.startswith(survey.title()[language])
    assert tool.endswith(survey.stamp)
    assert not survey.banner or survey.banner[language] in tool


def test_units_are_those_of_the_score():
    described, _ = read(SURVEYS["PWIQ P"])
    assert described["acquiescence"]["Units"] == "points of the answer scale"
    assert {described[name]["Units"] for name in ("role", "balance", "integration")} == {
        "percent of the maximum possible score"
    }


def test_losses():
    aspects = {loss.aspect for loss in losses(SURVEYS["PWIQ all"])}
    assert aspects == {"texts", "languages", "off_scale", "required", "branching", "layout"}
    languages = next(loss for loss in losses(SURVEYS["canteen all"]) if loss.aspect == "languages")
    assert languages.what == "BIDS describes a column in one language, here es; en is left out."
