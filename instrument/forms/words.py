"""What a form says around the questions, by language: `words.LANGUAGE.toml` beside this file.

Sections: ``[common]`` for all forms, ``[web]``, ``[notebook]`` and ``[paper]`` for one.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from types import MappingProxyType


@cache
def words(*sections: str) -> Mapping[str, Mapping[str, str]]:
    """Return language → key → text of the named sections, English first; a later section overrules an earlier one.

    Examples
    --------
    >>> words("common")["es"]["next"]
    'Siguiente'
    """
    files = sorted(
        resources.files("instrument.forms").iterdir(), key=lambda file: (file.name != "words.en.toml", file.name)
    )
    return MappingProxyType(
        {
            file.name.split(".")[1]: MappingProxyType(_texts(file.read_text(encoding="utf-8"), sections))
            for file in files
            if file.name.startswith("words.") and file.name.endswith(".toml")
        }
    )


def _texts(source: str, sections: tuple[str, ...]) -> dict[str, str]:
    tables = tomllib.loads(source)
    return {key: text for section in sections for key, text in tables.get(section, {}).items()}
