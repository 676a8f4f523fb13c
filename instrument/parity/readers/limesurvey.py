"""Reads a LimeSurvey survey structure (TSV) by its row classes."""

from __future__ import annotations

import csv
import html
import io
import re
from typing import Any

READ_BY = "the published row classes of the survey structure"
_KINDS = {"L": "single", "!": "single", "O": "single", "M": "several", "S": "text", "T": "text", "U": "text"}
_FORM_IS = re.compile(r"\bform(?:\.NAOK)?\s*(?:==|eq)\s*[\"']([^\"']+)[\"']")


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the survey asks."""
    (content,) = files.values()
    rows = list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""), delimiter="\t"))
    first = next(row["text"] for row in rows if row["class"] == "S" and row["name"] == "language")
    found: dict[str, Any] = {"title": {}, "shown": {}, "questions": [], "scores": [], "constants": {}}
    questions: dict[str, dict[str, Any]] = {}
    current: dict[str, Any] = {}
    group = ""
    for row in rows:
        language, kind = row.get("language") or first, row["class"]
        if kind == "SL":
            _setting(row, language, found)
        elif kind == "G":
            group = row.get("relevance") or ""
        elif kind == "Q":
            current = _begin(row, language, group, questions, found)
        elif kind == "SQ" and current.get("type") == "F":
            question = _entry(questions, row["name"], "single")
            question["text"][language] = _plain(row["text"])
            question["grid"] = current["name"]
            question["required"] = current["required"]
            _limit(question, current["group"], current["relevance"], row.get("relevance") or "")
            current["rows"].append(question)
        elif kind == "SQ" and current.get("type") == "M":
            _answer(questions[current["name"]], row, language)
        elif kind == "A":
            for question in current["rows"] or [questions[current["name"]]]:
                _answer(question, row, language)
    found["questions"] = list(questions.values())
    return found


def _setting(row: dict[str, str], language: str, found: dict[str, Any]) -> None:
    text = _plain(row["text"])
    if row["name"] == "surveyls_title":
        found["title"][language] = text
    elif row["name"] in ("surveyls_welcometext", "surveyls_description"):
        found["shown"].setdefault(language, []).append(text)


def _begin(
    row: dict[str, str], language: str, group: str, questions: dict[str, dict[str, Any]], found: dict[str, Any]
) -> dict[str, Any]:
    """Return what belongs to the question whose rows follow."""
    kind, name, text = row["type/scale"], row["name"], row["text"]
    current: dict[str, Any] = {
        "type": kind,
        "name": name,
        "group": group,
        "relevance": row.get("relevance") or "",
        "required": row.get("mandatory") == "Y",
        "rows": [],
    }
    if kind == "X":
        found["shown"].setdefault(language, []).append(_plain(text))
    elif kind == "*":
        if literal := re.fullmatch(r"\{\s*[\"']([^\"']*)[\"']\s*\}|([^{}]*)", text.strip()):
            constant = literal.group(1) or literal.group(2)
            if "sha256:" in constant:
                found["stamp"] = constant
            else:
                found["constants"][name] = constant
        elif name not in found["scores"]:
            found["scores"].append(name)
    elif kind != "F":
        question = _entry(questions, name, _KINDS[kind])
        question["text"][language] = _plain(text)
        question["required"] = current["required"]
        _limit(question, group, current["relevance"])
    return current


def _entry(questions: dict[str, dict[str, Any]], name: str, kind: str) -> dict[str, Any]:
    return questions.setdefault(name, {"id": name, "kind": kind, "text": {}, "choices": []})


def _answer(question: dict[str, Any], row: dict[str, str], language: str) -> None:
    choice = next((each for each in question["choices"] if each["code"] == row["name"]), None)
    if choice is None:
        choice = {"code": row["name"], "label": {}}
        question["choices"].append(choice)
    choice["label"][language] = _plain(row["text"])


def _limit(question: dict[str, Any], *conditions: str) -> None:
    several = [set(_FORM_IS.findall(condition)) for condition in conditions]
    if any(several):
        question["forms"] = sorted(set.intersection(*(each for each in several if each)))


def _plain(text: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", text))
