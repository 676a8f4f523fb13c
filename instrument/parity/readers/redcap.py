"""Reads a REDCap data dictionary by its 18 columns."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

READ_BY = "the published columns of the data dictionary (the tests also read it with reproschema's REDCap reader)"
_KINDS = {"radio": "single", "dropdown": "single", "checkbox": "several", "text": "text", "notes": "text"}
_FORM_IS = re.compile(r"\[form\]\s*=\s*'([^']+)'")
_DEFAULT = re.compile(r"@DEFAULT\s*=\s*'([^']*)'")


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the dictionary asks; it holds one language."""
    content = next(content for name, content in files.items() if name.endswith(".csv"))
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))
    found: dict[str, Any] = {"title": {}, "shown": {"": []}, "questions": [], "scores": [], "constants": {}}
    for at, row in enumerate(rows):
        name, kind, note = row["Variable / Field Name"], row["Field Type"], row["Field Annotation"]
        if at == 0:
            continue  # the record's id
        if header := row["Section Header"]:
            found["shown"][""].append(_plain(header))
        if kind == "descriptive":
            found["shown"][""].append(_plain(row["Field Label"]))
        elif kind == "calc":
            found["scores"].append(name)
        elif "@HIDDEN" in note and (default := _DEFAULT.search(note)):
            found["constants"][name] = default.group(1)
        else:
            found["questions"].append(_question(name, kind, row))
        if stamp := re.search(r"\S+ [0-9.]+ .*?sha256:[0-9a-f]+", note + " " + row["Field Label"]):
            found["stamp"] = stamp.group()
    return found


def _question(name: str, kind: str, row: dict[str, str]) -> dict[str, Any]:
    choices = row["Choices, Calculations, OR Slider Labels"]
    question: dict[str, Any] = {
        "id": name,
        "kind": _KINDS[kind],
        "text": {"": _plain(row["Field Label"])},
        "required": row["Required Field?"] == "y",
        "choices": [
            {"code": code.strip(), "label": {"": _plain(label.strip())}}
            for code, _, label in (choice.partition(",") for choice in choices.split("|") if choice.strip())
        ],
    }
    if row["Matrix Group Name"]:
        question["grid"] = row["Matrix Group Name"]
    if condition := row["Branching Logic (Show field only if...)"]:
        question["forms"] = _FORM_IS.findall(condition)
    return question


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", text))
