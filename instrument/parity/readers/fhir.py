"""Reads a FHIR Questionnaire with fhir.resources (R4B and R5 classes)."""

from __future__ import annotations

import json
import re
from typing import Any

READ_BY = "fhir.resources (R4 as R4B, R5)"
_TRANSLATION = "http://hl7.org/fhir/StructureDefinition/translation"
_HIDDEN = "http://hl7.org/fhir/StructureDefinition/questionnaire-hidden"
_CALCULATED = "http://hl7.org/fhir/uv/sdc/StructureDefinition/sdc-questionnaire-calculatedExpression"
_CONTROL = "http://hl7.org/fhir/StructureDefinition/questionnaire-itemControl"
_WEIGHTS = (
    "http://hl7.org/fhir/StructureDefinition/ordinalValue",
    "http://hl7.org/fhir/StructureDefinition/itemWeight",
)
_GRIDS = {"gtable", "table", "htable", "atable", "grid"}
_KINDS = {"choice": "single", "coding": "single", "string": "text", "text": "text"}


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the Questionnaire asks."""
    name, content = next(iter(files.items()))
    if ".r4." in name:
        from fhir.resources.R4B.questionnaire import Questionnaire
    else:
        from fhir.resources.questionnaire import Questionnaire
    resource = json.loads(Questionnaire.model_validate(json.loads(content)).model_dump_json())
    first = resource["language"]
    found: dict[str, Any] = {
        "title": _texts(resource, "title", first),
        "stamp": " ".join(str(each.get("value", "")) for each in resource.get("identifier", [])),
        "questions": [],
        "scores": [],
        "constants": {},
        "shown": {},
    }
    _walk(resource["item"], first, "", [], found)
    return found


def _walk(
    items: list[dict[str, Any]], first: str, grid: str, conditions: list[list[str]], found: dict[str, Any]
) -> None:
    for item in items:
        kind = item["type"]
        shown_for = [*conditions, *_forms(item)]
        if kind == "group":
            control = _extension(item, _CONTROL)
            codes = {each["code"] for each in control["valueCodeableConcept"]["coding"]} if control else set()
            _walk(item["item"], first, item["linkId"] if codes & _GRIDS else "", shown_for, found)
        elif kind == "display":
            for language, text in _texts(item, "text", first).items():
                found["shown"].setdefault(language, []).append(text)
        elif _extension(item, _CALCULATED):
            found["scores"].append(item["linkId"])
        elif _extension(item, _HIDDEN):
            found["constants"][item["linkId"]] = _initial(item)
        else:
            question = _question(item, kind, first, grid)
            if shown_for:
                question["forms"] = sorted(set.intersection(*map(set, shown_for)))
            found["questions"].append(question)


def _question(item: dict[str, Any], kind: str, first: str, grid: str) -> dict[str, Any]:
    options = [option["valueCoding"] for option in item.get("answerOption", [])]
    weighed = [
        option["valueCoding"]["code"]
        for option in item.get("answerOption", [])
        if any(_extension(element, url) for element in (option, option["valueCoding"]) for url in _WEIGHTS)
    ]
    return {
        "id": item["linkId"],
        "kind": "several" if item.get("repeats") else _KINDS[kind],
        "text": _texts(item, "text", first),
        "required": bool(item.get("required")),
        "choices": [{"code": option["code"], "label": _texts(option, "display", first)} for option in options],
        "beside": [option["code"] for option in options if option["code"] not in weighed] if weighed else [],
        "grid": grid,
    }


def _forms(item: dict[str, Any]) -> list[list[str]]:
    """Return the forms that an item is enabled for, as a list of one list; an empty one where it always is."""
    conditions = item.get("enableWhen", [])
    codes = [
        each["answerCoding"]["code"] for each in conditions if each["question"] == "form" and each["operator"] == "="
    ]
    return [codes] if conditions else []


def _texts(element: dict[str, Any], key: str, first: str) -> dict[str, str]:
    texts = {first: element[key]}
    for extension in element.get(f"_{key}", {}).get("extension", []):
        if extension["url"] == _TRANSLATION:
            parts = {part["url"]: part for part in extension["extension"]}
            content = parts["content"]
            texts[parts["lang"]["valueCode"]] = str(
                next(value for name, value in content.items() if re.match("value", name))
            )
    return texts


def _extension(element: dict[str, Any], url: str) -> dict[str, Any] | None:
    return next((each for each in element.get("extension", []) if each["url"] == url), None)


def _initial(item: dict[str, Any]) -> str:
    value = item["initial"][0]
    coding = value.get("valueCoding")
    return str(coding["code"] if coding else next(each for name, each in value.items() if name.startswith("value")))
