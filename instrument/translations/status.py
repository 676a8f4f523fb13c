"""How far each translation of a definition is: what is missing, stale, unreviewed, translated back."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

import pandas as pd

from instrument.definition_file import (
    DefinitionFile,
    DefinitionTables,
    TextRecordTable,
    TranslationTable,
    every_text,
    load_definition,
)

LANGUAGE = re.compile(r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")
# What SPSS keeps of a label, in bytes of UTF-8; other platforms keep more.
LABEL_BYTES, TEXT_BYTES = 120, 256

_COLUMNS = ["source", "translation", "state", "back_translation", "warning"]
_STATES = {
    "missing": "no translation",
    "stale": "the source was edited since it was translated",
    "edited": "the translation was edited since it was noted which source it is of",
    "unrecorded": "not noted which source it is of",
    "current": "a translation of the source as it stands",
}


def text_hash(text: str) -> str:
    """Return the 16 hexadecimal digits by which the record of a translation knows a text.

    Examples
    --------
    >>> text_hash("Agree")
    'da288642c92f72d0'
    """
    return hashlib.sha256(unicodedata.normalize("NFC", text).encode()).hexdigest()[:16]


def translation_status(definition: str | Path, *, language: str) -> pd.DataFrame:
    """Say of every text how its translation stands to the source.

    Parameters
    ----------
    definition : str or path
        What `read_instrument` finds it by. Texts may be missing: the definition need not be complete.
    language : str
        Code of the translation (``"es"``). The source is the first language of the definition.

    Returns
    -------
    pandas.DataFrame
        One row a text; index ``text`` (its place, ``items.roleaf.text``). Columns: ``source``, ``translation``;
        ``state``: "missing", "stale" (the source was edited since), "edited" (the translation was edited by hand
        since the record), "unrecorded" (nobody noted which source it is of) or "current"; ``back_translation``:
        empty, "same meaning", "other meaning", or "of an earlier text"; and ``warning``, if it is the same as the
        source (unless the record accepts that), has other numbers than the source, or is longer than SPSS keeps.

    Raises
    ------
    ValueError
        If the language is no code of a language, or is the source itself.
    InstrumentError
        If the files cannot be read.

    Examples
    --------
    >>> from instrument.translations import translation_status
    >>> status = translation_status("pwiq", language="es")
    >>> status.loc["response_scales.agree.1", "translation"]
    'Muy en desacuerdo'
    """
    file = load_definition(definition)
    check_language(file, language)
    records = file.tables.translations.get(language, TranslationTable()).texts
    rows = {
        key: _row(key, source, translation, records.get(key))
        for key, (source, translation) in translated_texts(file.tables, language).items()
    }
    index = pd.Index(list(rows), name="text", dtype="str")
    return pd.DataFrame(list(rows.values()), columns=_COLUMNS, index=index, dtype="str")


def translations_text(definition: str | Path, *, language: str | None = None) -> str:
    """Return the status of one translation, or of all, as text to print.

    Parameters
    ----------
    definition : str or path
        As for `translation_status`.
    language : str, optional
        Default: every language of the definition but the first, and those that have a text file.

    Returns
    -------
    str

    Raises
    ------
    ValueError, InstrumentError
        As `translation_status`.

    Examples
    --------
    >>> from instrument.translations import translations_text
    >>> print(translations_text("pwiq", language="es").splitlines()[2])
    es: draft; 440 of 440 texts are translated
    """
    file = load_definition(definition)
    if language is not None:
        check_language(file, language)
    head = file.tables.instrument
    languages = [language] if language else _translated_languages(file.tables)
    told = [f"{head.id} {head.version}, texts of {head.languages[0]!r}"]
    if not languages:
        told.append("There is no translation.")
    for each in languages:
        told += ["", *_told(file, each, translation_status(definition, language=each))]
    return "\n".join(told)


def check_language(file: DefinitionFile, language: str) -> None:
    """Raise ValueError if texts cannot be translated into this language."""
    source = file.tables.instrument.languages[0]
    if not LANGUAGE.match(language):
        raise ValueError(f"language {language!r} must be the code of a language, as 'es' or 'pt-BR'")
    if language == source:
        raise ValueError(f"{language!r} is the language that is translated from; name another, as 'es'")


def translated_texts(tables: DefinitionTables, language: str) -> dict[str, tuple[str, str]]:
    """Return the place of every text → the source and the translation, which is empty where there is none.

    The places stand in the order of a text file; only texts that the source has are there.
    """
    source = tables.instrument.languages[0]
    return {
        ".".join(entry.key): (entry.texts[source], entry.texts.get(language, ""))
        for entry in every_text(tables)
        if entry.texts.get(source, "").strip()
    }


def state_of(source: str, translation: str, record: TextRecordTable | None) -> str:
    """Return the state of one text: see `translation_status`."""
    if not translation.strip():
        return "missing"
    if record is None:
        return "unrecorded"
    if record.source != text_hash(source):
        return "stale"
    return "current" if record.translation == text_hash(translation) else "edited"


def _row(key: str, source: str, translation: str, record: TextRecordTable | None) -> tuple[str, ...]:
    state = state_of(source, translation, record)
    back: str = "" if record is None or record.verdict is None else record.verdict
    if back and state != "current":
        back = "of an earlier text"
    accepted = state == "current" and record is not None and record.same_on_purpose
    return source, translation, state, back, "; ".join(_warnings(key, source, translation, accepted=accepted))


def _warnings(key: str, source: str, translation: str, *, accepted: bool) -> list[str]:
    if not translation:
        return []
    found = []
    if same_as_source(source, translation) and not accepted:
        found.append("same as the source")
    if sorted(re.findall(r"\d+", source)) != sorted(re.findall(r"\d+", translation)):
        found.append("other numbers than the source")
    limit = length_limit(key)
    if limit and len(translation.encode()) > limit:
        found.append(f"{len(translation.encode())} bytes; SPSS keeps {limit}")
    return found


def seen_by(key: str) -> Literal["respondents", "readers of reports"]:
    """Say who sees the text at a place.

    Examples
    --------
    >>> seen_by("items.roleaf.text"), seen_by("actions.role.title")
    ('respondents', 'readers of reports')
    """
    asked = ("instrument", "response_scales", "forms", "items", "questions")
    return "respondents" if key.split(".")[0] in asked else "readers of reports"


def same_as_source(source: str, translation: str) -> bool:
    """Whether a translation is its source, letter by letter; numbers are so in every language.

    Examples
    --------
    >>> same_as_source("No", "No"), same_as_source("7", "7")
    (True, False)
    """
    return translation == source and any(sign.isalpha() for sign in source)


def length_limit(key: str) -> int | None:
    """Return how many bytes SPSS keeps of the text at a place; None for texts that it never holds."""
    return {"response_scales": LABEL_BYTES, "items": TEXT_BYTES, "questions": TEXT_BYTES}.get(key.split(".")[0])


def _translated_languages(tables: DefinitionTables) -> list[str]:
    first, *others = tables.instrument.languages
    with_texts = [each for each in tables.instrument.title if each != first]
    return list(dict.fromkeys([*others, *with_texts]))


def _told(file: DefinitionFile, language: str, status: pd.DataFrame) -> list[str]:
    tables = file.tables
    record = tables.translations.get(language, TranslationTable())
    counts = status["state"].value_counts()
    back = status["back_translation"].value_counts()
    lines = [
        f"{language}: {record.status}; {len(status) - counts.get('missing', 0)} of {len(status)} texts are translated",
        *_who("translated", record.translated_by, record.translated),
        *_who("reviewed", record.reviewed_by, record.reviewed),
        f"  translated back: {back.get('same meaning', 0) + back.get('other meaning', 0)} of {len(status)}"
        f" (other meaning: {back.get('other meaning', 0)}; of an earlier text: {back.get('of an earlier text', 0)})",
    ]
    if language not in tables.instrument.languages:
        lines.append(f"  not in use: add {language!r} to `languages` in the definition once it is complete")
    if record.status == "reviewed" and (later := len(status) - counts.get("current", 0)):
        lines.append(f"  marked as reviewed, but {later} texts are not those that were reviewed; see below")
    for state, meaning in _STATES.items():
        if state != "current":
            lines += _listed(f"{state} ({meaning})", dict.fromkeys(status.index[status["state"] == state], ""))
    warned = status["warning"][status["warning"] != ""]
    lines += _listed("look at", warned.to_dict())
    if accepted := sum(each.same_on_purpose for each in record.texts.values()):
        lines.append(f"  the same as the source on purpose: {accepted}")
    return lines + _listed("noted, but no text of the definition", dict.fromkeys(_obsolete(record, status), ""))


def _obsolete(record: TranslationTable, status: pd.DataFrame) -> list[str]:
    return [key for key in record.texts if key not in status.index]


def _who(done: str, roles: list[str], when: object) -> list[str]:
    by = ", ".join(roles) if roles else "nobody"
    return [f"  {done} by: {by}" + (f" ({when})" if when else "")]


def _listed(title: str, notes: Mapping[str, str]) -> list[str]:
    if not notes:
        return []
    return [f"  {title}: {len(notes)}", *(f"    {key}{': ' if note else ''}{note}" for key, note in notes.items())]
