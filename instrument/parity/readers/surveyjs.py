"""Reads a SurveyJS survey with the surveyjs package (its elements, and the texts that they hold)."""

from __future__ import annotations

import html
import json
import re
from typing import Any

READ_BY = "the surveyjs package"
_KINDS = {"radiogroup": "single", "dropdown": "single", "checkbox": "several", "text": "text", "comment": "text"}
_FORM_IS = re.compile(r"\{form\}\s*=\s*'([^']+)'")


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the survey asks."""
    from surveyjs import SurveyCreator

    (content,) = files.values()
    raw = json.loads(content)
    creator = SurveyCreator(content.decode())
    first = raw["locale"]
    values = {each["name"]: each for each in raw.get("calculatedValues", [])}
    found: dict[str, Any] = {
        "title": _texts(raw["title"], first),
        "shown": {},
        "questions": [],
        "scores": [],
        "constants": {},
    }
    for page in creator.pages:
        for element in page.elements.values():
            _element(element, first, found)
    asked = {question["id"] for question in found["questions"]}
    for question in found["questions"]:
        if question["kind"] == "several":  # each of its answers is handed out as 0 or 1
            asked |= {question["id"] + choice["code"] for choice in question["choices"]}
    for name, value in values.items():
        if literal := re.fullmatch(r"'([^']*)'", value["expression"]):
            if "stamp" in name:
                found["stamp"] = literal.group(1)
            else:
                found["constants"][name] = literal.group(1)
        elif (
            value.get("includeIntoResult") and name not in asked
        ):  # a row of a grid is handed out under its own name too
            found["scores"].append(name)
    return found


def _element(element: Any, first: str, found: dict[str, Any]) -> None:
    raw = element.raw
    if element.type == "html":
        for language, text in _texts(raw["html"], first).items():
            found["shown"].setdefault(language, []).append(_without_tags(text))
    elif element.type == "matrix":
        for row in element.rows:
            found["questions"].append(
                {
                    "id": row["value"],
                    "kind": "single",
                    "text": _texts(row["text"], first),
                    "required": bool(element.is_all_row_required or element.is_required),
                    "choices": [_choice(column, first) for column in element.columns],
                    "grid": element.name,
                    **_forms(element.visible_if, row.get("visibleIf")),
                }
            )
    else:
        found["questions"].append(
            {
                "id": element.name,
                "kind": _KINDS[element.type],
                "text": _texts(raw["title"], first),
                "required": bool(element.is_required),
                "choices": [_choice(choice, first) for choice in raw.get("choices", [])],
                **_forms(element.visible_if),
            }
        )


def _choice(raw: dict[str, Any], first: str) -> dict[str, Any]:
    return {"code": str(raw["value"]), "label": _texts(raw["text"], first)}


def _texts(text: str | dict[str, str], first: str) -> dict[str, str]:
    texts = {"default": text} if isinstance(text, str) else text
    return {first if language == "default" else language: each for language, each in texts.items()}


def _forms(*conditions: str | None) -> dict[str, list[str]]:
    several = [set(_FORM_IS.findall(condition)) for condition in conditions if condition]
    return {"forms": sorted(set.intersection(*several))} if several else {}


def _without_tags(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", text))
