"""Reads a ReproSchema protocol with the models of the reproschema package."""

from __future__ import annotations

import html
import json
import posixpath
import re
from typing import Any

READ_BY = "the models of the reproschema package (the tests also validate every file with it)"


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the protocol asks, activity by activity."""
    from reproschema.models import Activity, Item, Protocol

    def load(path: str, model: Any) -> dict[str, Any]:
        raw = json.loads(files[path])
        raw.pop("@context", None)
        checked: dict[str, Any] = json.loads(model.model_validate(raw).model_dump_json())
        return checked

    first = next(path for path in files if b'"reproschema:Protocol"' in files[path])
    protocol = load(first, Protocol)
    found: dict[str, Any] = {
        "title": _texts(protocol["prefLabel"]),
        "stamp": next(iter(_texts(protocol["description"]).values())),
        "shown": {},
        "questions": [],
        "scores": [],
        "constants": {},
    }
    _show(protocol.get("preamble"), found)
    visible = {each["isAbout"]: each["isVis"] for each in protocol["ui"]["addProperties"]}
    for place in protocol["ui"]["order"]:
        path = _beside(first, place)
        activity = load(path, Activity)
        _show(activity.get("preamble"), found)
        computed = {each["variableName"]: each["jsExpression"] for each in activity.get("compute") or []}
        for name, expression in computed.items():
            if literal := re.fullmatch(r"""["']([^"']*)["']""", expression):
                found["constants"][name] = literal.group(1)
            else:
                found["scores"].append(name)
        for added in activity["ui"]["addProperties"]:
            item = load(_beside(path, added["isAbout"]), Item)
            if item["id"] not in computed:
                found["questions"].append(_question(item, added, visible[place]))
    return found


def _question(item: dict[str, Any], added: dict[str, Any], page_visible: Any) -> dict[str, Any]:
    options = item.get("responseOptions") or {}
    choices = options.get("choices") or []
    question = {
        "id": item["id"],
        "kind": "text" if not choices else "several" if options.get("multipleChoice") else "single",
        "text": {language: html.unescape(text) for language, text in _texts(item["question"]).items()},
        "required": bool(added.get("valueRequired")),
        "choices": [{"code": str(_value(choice["value"])), "label": _texts(choice["name"])} for choice in choices],
    }
    forms = [set(re.findall(r'"(\w+)"', str(each))) for each in (page_visible, added["isVis"]) if "form" in str(each)]
    return {**question, "forms": sorted(set.intersection(*forms))} if forms else question


def _show(texts: Any, found: dict[str, Any]) -> None:
    for language, text in _texts(texts or {}).items():
        found["shown"].setdefault(language, []).append(text)


def _texts(raw: dict[str, Any]) -> dict[str, str]:
    return {language: str(_value(text)) for language, text in raw.items()}


def _value(raw: Any) -> Any:
    return raw["root"] if isinstance(raw, dict) and "root" in raw else raw


def _beside(path: str, place: str) -> str:
    return posixpath.normpath(posixpath.join(posixpath.dirname(path), place))
