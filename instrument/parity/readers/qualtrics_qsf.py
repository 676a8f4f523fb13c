"""Reads a Qualtrics QSF by the structure that survey files of the platform have."""

from __future__ import annotations

import html
import json
import re
from typing import Any

READ_BY = "the structure of QSF files (the tests also read it with the qualtrics package)"
_FORM_CHOICE = re.compile(r'"LeftOperand": "q://(QID[0-9]+)/SelectableChoice/([0-9]+)"')


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the survey asks, in the order of its blocks."""
    (content,) = files.values()
    survey = json.loads(content)
    elements: dict[str, list[dict[str, Any]]] = {}
    for element in survey["SurveyElements"]:
        elements.setdefault(element["Element"], []).append(element)
    first = survey["SurveyEntry"]["SurveyLanguage"].lower()
    questions = {each["PrimaryAttribute"]: each["Payload"] for each in elements["SQ"]}
    options = elements["SO"][0]["Payload"]
    titles = options.get("MetaDataTranslations") or {}  # empty objects are written as empty lists
    found: dict[str, Any] = {
        "title": {first: options["SurveyTitle"]}
        | {language.lower(): each["SurveyTitle"] for language, each in titles.items()},
        "stamp": survey["SurveyEntry"]["SurveyDescription"],
        "shown": {},
        "questions": [],
        "constants": {},
    }
    form = next((each for each in questions.values() if each["DataExportTag"] == "form"), None)
    for block in _blocks_in_flow(elements, found["constants"]):
        for entry in block["BlockElements"]:
            if entry["Type"] == "Question":
                _question(questions[entry["QuestionID"]], first, form, found)
    return found


def _blocks_in_flow(elements: dict[str, list[dict[str, Any]]], constants: dict[str, str]) -> list[dict[str, Any]]:
    blocks = {block["ID"]: block for block in elements["BL"][0]["Payload"]}
    found = []
    for step in elements["FL"][0]["Payload"]["Flow"]:
        if step["Type"] == "EmbeddedData":
            constants.update({each["Field"]: each["Value"] for each in step["EmbeddedData"] if "Value" in each})
        else:
            found.append(blocks[step["ID"]])
    return found


def _question(raw: dict[str, Any], first: str, form: dict[str, Any] | None, found: dict[str, Any]) -> None:
    kind = raw["QuestionType"]
    if kind == "DB":
        for language, text in _texts(raw, first, lambda each: each["QuestionText"]).items():
            found["shown"].setdefault(language, []).append(text)
        return
    common = {
        "required": raw["Validation"]["Settings"].get("ForceResponse") == "ON",
        "beside": [
            raw["RecodeValues"][at] for at, counts in (raw.get("AnalyzeChoices") or {}).items() if counts == "No"
        ],
    }
    if kind == "Matrix":
        for place in raw["ChoiceOrder"]:
            found["questions"].append(
                {
                    "id": raw["ChoiceDataExportTags"][place],
                    "kind": "single",
                    "text": _texts(raw, first, lambda each, place=place: each["Choices"][place]["Display"]),
                    "choices": _answers(raw, first, "Answers", raw["AnswerOrder"]),
                    "grid": raw["DataExportTag"],
                    **common,
                    **_forms(form, raw, raw["Choices"][place]),
                }
            )
        return
    found["questions"].append(
        {
            "id": raw["DataExportTag"],
            "kind": "text" if kind == "TE" else "several" if raw["Selector"].startswith("MA") else "single",
            "text": _texts(raw, first, lambda each: each["QuestionText"]),
            "choices": _answers(raw, first, "Choices", raw.get("ChoiceOrder", [])) if kind == "MC" else [],
            **common,
            **_forms(form, raw),
        }
    )


def _answers(raw: dict[str, Any], first: str, key: str, order: list[str]) -> list[dict[str, Any]]:
    return [
        {
            "code": raw["RecodeValues"][place],
            "label": _texts(raw, first, lambda each, place=place: each[key][place]["Display"]),
        }
        for place in order
    ]


def _texts(raw: dict[str, Any], first: str, of: Any) -> dict[str, str]:
    versions = {first: raw} | {language.lower(): each for language, each in (raw.get("Language") or {}).items()}
    return {language: html.unescape(re.sub(r"<[^>]+>", " ", of(each))) for language, each in versions.items() if each}


def _forms(form: dict[str, Any] | None, *logics: dict[str, Any]) -> dict[str, list[str]]:
    """Return the forms for which a question is shown: those whose choice its display logic names."""
    sets = []
    for logic in logics:
        if form is not None and "DisplayLogic" in logic:
            chosen = _FORM_CHOICE.findall(json.dumps(logic["DisplayLogic"]))
            sets.append({form["VariableNaming"][choice] for name, choice in chosen if name == form["QuestionID"]})
    return {"forms": sorted(set.intersection(*sets))} if sets else {}
