"""What a rating form says around the items, by language: `words.LANG.toml` beside this file."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from functools import cache
from importlib import resources

ASPECTS = ("relevance", "clarity")


@dataclass(frozen=True, kw_only=True)
class Words:
    """The texts of one language."""

    sheets: dict[str, str]
    about: dict[str, str]
    anchors: dict[str, dict[str, str]]
    columns: dict[str, str]
    you: dict[str, str]
    perspectives: dict[str, str]
    answers: dict[str, str]
    frame: dict[str, str]
    whole: dict[str, str]
    entry: dict[str, str]


@cache
def form_words() -> dict[str, Words]:
    """Return language → the texts of a rating form, English first."""
    files = resources.files("instrument.panel").iterdir()
    found = {
        file.name.split(".")[1]: Words(**tomllib.loads(file.read_text(encoding="utf-8")))
        for file in files
        if file.name.startswith("words.") and file.name.endswith(".toml")
    }
    return {language: found[language] for language in sorted(found, key=lambda each: (each != "en", each))}
