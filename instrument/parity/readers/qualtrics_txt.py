"""Reads Qualtrics' advanced-format text by its published tags, one file a language."""

from __future__ import annotations

import html
import re
from typing import Any

READ_BY = "the published tags of the advanced format"
_TAG = re.compile(r"\[\[([A-Za-z]+)(?::(.*))?\]\]$")
_KINDS = {"SingleAnswer": "single", "MultipleAnswer": "several"}


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the files ask; `NAME.LANG.txt` holds the texts of one language."""
    found: dict[str, Any] = {"title": {}, "shown": {}, "constants": {}}
    questions: dict[str, dict[str, Any]] = {}
    for name, content in files.items():
        language = name.split(".")[-2]
        for question in _blocks(content.decode("utf-8-sig"), found["constants"]):
            _merge(question, language, questions, found)
    found["questions"] = list(questions.values())
    return found


def _blocks(text: str, constants: dict[str, str]) -> list[dict[str, Any]]:
    """Return the questions of one file: kind, id, text, and answers with their codes."""
    questions: list[dict[str, Any]] = []
    field = ""
    for line in text.splitlines():
        tag = _TAG.match(line.strip())
        if tag is None:
            if line.strip() and questions:
                current = questions[-1]
                if field == "choice":
                    current["choices"][-1][1] += _plain(line)
                else:
                    current["text"] += _plain(line)
            continue
        name, value = tag.group(1), tag.group(2) or ""
        field = name.lower()
        if name == "Question":
            parts = value.split(":")
            kind = "shown" if parts[0] == "DB" else "text" if parts[0] == "TE" else _KINDS[parts[1]]
            questions.append({"id": "", "kind": kind, "text": "", "choices": []})
        elif name == "ID":
            questions[-1]["id"] = value
        elif name == "MultipleAnswer":
            questions[-1]["kind"] = "several"
        elif name == "Choice":
            questions[-1]["choices"].append([value, ""])
        elif name == "ED":
            key, _, constant = value.partition(":")
            constants[key] = constant
    return questions


def _merge(raw: dict[str, Any], language: str, questions: dict[str, dict[str, Any]], found: dict[str, Any]) -> None:
    if raw["kind"] == "shown":
        found["shown"].setdefault(language, []).append(raw["text"])
        if match := re.search(r"\S+ [0-9.]+ .*sha256:[0-9a-f]+", raw["text"]):
            found["stamp"] = match.group()
        return
    question = questions.setdefault(
        raw["id"],
        {
            "id": raw["id"],
            "kind": raw["kind"],
            "text": {},
            "choices": [{"code": code, "label": {}} for code, _ in raw["choices"]],
        },
    )
    question["text"][language] = raw["text"]
    for choice, (code, label) in zip(question["choices"], raw["choices"], strict=True):
        if choice["code"] != code:
            raise ValueError(f"{raw['id']}: the files of the languages have other answers")
        choice["label"][language] = label


def _plain(line: str) -> str:
    return html.unescape(re.sub(r"<[^>]+>", " ", line))
