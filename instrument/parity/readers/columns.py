"""Columns of a codebook as questions: a question with several answers has a column of 0 and 1 for each."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any


def questions_of(columns: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return questions in the form that readers hand on; columns `progparts1`, `progparts2` … of 0 and 1 become one.

    A column has `id`, `text` (language → text), `choices`, and may have `grid`. The text of one of several columns is
    "question – answer".
    """
    questions: list[dict[str, Any]] = []
    for column in columns:
        codes = [choice["code"] for choice in column["choices"]]
        parts = re.fullmatch(r"([a-z][a-z0-9]*?)([0-9]+)", column["id"])
        several = codes == ["0", "1"] and parts and all(" – " in text for text in column["text"].values())
        if not several or not parts:
            questions.append({**column, "kind": "single" if codes else "text"})
            continue
        texts = {language: text.rpartition(" – ") for language, text in column["text"].items()}
        answer = {"code": parts.group(2), "label": {language: text[2] for language, text in texts.items()}}
        if questions and questions[-1]["id"] == parts.group(1):
            questions[-1]["choices"].append(answer)
        else:
            stem = {language: text[0] for language, text in texts.items()}
            questions.append({"id": parts.group(1), "kind": "several", "text": stem, "choices": [answer]})
    return questions
