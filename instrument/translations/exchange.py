"""Texts out to translators and back: taken in only faultless, and whole unless told otherwise."""

from __future__ import annotations

import re
import tempfile
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from instrument.contradictions import contradictions, scale_faults
from instrument.definition_file import (
    RECORD,
    DefinitionFile,
    DefinitionTables,
    InstrumentError,
    TextRecordTable,
    TranslationTable,
    find_definition,
    load_definition,
)
from instrument.translations.formats import Entry, read_po, read_xliff, write_po, write_xliff
from instrument.translations.status import (
    check_language,
    same_as_source,
    seen_by,
    state_of,
    text_hash,
    translated_texts,
)
from instrument.translations.text_file import record_file, text_file

__all__ = ["TakenIn", "export_translation", "import_translation"]

_MARKUP = re.compile(r"</?[A-Za-z!?][^>]*>|&(?:[A-Za-z]+|#\d+|#x[0-9A-Fa-f]+);")
_PLACEHOLDER = re.compile(r"\{[^{}]*\}|%[sd]|\[\[.*?\]\]")
# Turn the direction of writing for what follows: they can make a text look unlike what it says.
_DIRECTION = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


@dataclass(frozen=True, kw_only=True)
class TakenIn:
    """A translation that was read back.

    Attributes
    ----------
    files : dict
        File name → content, to be written into the folder of the definition: ``text.LANG.toml`` and
        ``translations.toml``.
    changed : mapping of str to (str, str)
        Place of each text that is new or differs → what was there (empty if nothing was) and what is there now.
    kept : tuple of str
        Places of fuzzy entries (of a partial file also of empty and missing ones): the translation that was there stays.
    missing : tuple of str
        Places that have no translation yet; always empty for a file that was taken in whole.
    notes : tuple of str
        What to do or know, in sentences.
    """

    files: dict[str, str]
    changed: Mapping[str, tuple[str, str]]
    kept: tuple[str, ...]
    missing: tuple[str, ...]
    notes: tuple[str, ...]


def export_translation(definition: str | Path, *, language: str, file_format: Literal["po", "xliff"] = "po") -> str:
    r"""Return a file for translators: every text with its source, its translation so far, and what it means.

    Parameters
    ----------
    definition : str or path
        What `read_instrument` finds it by.
    language : str
        Language to translate into; new ones too.
    file_format : {"po", "xliff"}, default "po"
        GNU gettext PO, or XLIFF 1.2.

    Returns
    -------
    str
        The same definition always gives the same characters. What respondents see stands first. A translation whose source
        was edited since is marked as fuzzy (PO) or ``needs-review-translation`` (XLIFF).

    Raises
    ------
    ValueError
        If language or format are not known.
    InstrumentError
        If the definition cannot be read.

    Examples
    --------
    >>> from instrument.translations import export_translation
    >>> po = export_translation("pwiq", language="es")
    >>> print(po[po.index('msgctxt "response_scales.agree.1"'):].split("\n\n")[0])
    msgctxt "response_scales.agree.1"
    msgid "Strongly disagree"
    msgstr "Muy en desacuerdo"
    """
    if file_format not in ("po", "xliff"):
        raise ValueError(f"file_format {file_format!r} is not known; use 'po' or 'xliff'")
    file = load_definition(definition)
    check_language(file, language)
    records = file.tables.translations.get(language, TranslationTable()).texts
    entries = []
    texts = sorted(translated_texts(file.tables, language).items(), key=lambda text: seen_by(text[0]) != "respondents")
    for line, (key, (source, target)) in enumerate(texts):
        stale = state_of(source, target, records.get(key)) == "stale"
        entries.append(Entry(line=line, key=key, source=source, target=target, fuzzy=stale))
    write = write_po if file_format == "po" else write_xliff
    return write(file, language, entries)


def import_translation(
    path: str | Path,
    definition: str | Path,
    *,
    language: str,
    partial: bool = False,
    translated_by: Sequence[str] = (),
    translated: date | None = None,
    same_on_purpose: Collection[str] = (),
) -> TakenIn:
    """Read a translators' file back: all of it, or nothing and every fault of it.

    Parameters
    ----------
    path : str or path
        ``.po``, or ``.xlf``, ``.xliff``, as `export_translation` writes it (UTF-8).
    definition : str or path
        The folder of the definition, or the name of one that ships with the package.
    language : str
        The language of the translation.
    partial : bool, default False
        Take in what is translated so far: texts without a translation are no fault, and stay untranslated. For a language
        that the definition does not yet list in `languages`, or of which every text has a translation already.
    translated_by : sequence of str
        Roles of those who translated ("a translator", "two peer workers"), never their names; noted in the record.
    translated : date, optional
        When; needed with `translated_by`.
    same_on_purpose : collection of str
        Places whose translation is meant to be the same as the source ("No", names of states): `translation_status` warns of
        them no more until either text changes.

    Returns
    -------
    TakenIn
        The files to write; nothing is written. Texts are put into Unicode's composed form (NFC). The record notes of
        each text from which source it was made. A translation that was marked as reviewed is a draft again if a
        text of it has changed.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the language is unknown, or the definition is one file: its texts stand in it. If roles are given without a date
        or the other way round, or a text is said to be the same as its source and is not.
    InstrumentError
        Names every fault with its place: an entry that the definition lacks, twice or missing; a source that was
        edited since the file was written; no translation; HTML, control characters or signs that turn the direction
        of writing; lost placeholders or line breaks; and what the definition would then break, as two answers with
        the same label.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from instrument.translations import export_translation, import_translation
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder) / "es.po"
    ...     _ = path.write_text(export_translation("pwiq", language="es"), encoding="utf-8")
    ...     taken = import_translation(path, "pwiq", language="es")
    >>> list(taken.files), taken.changed
    (['text.es.toml', 'translations.toml'], {})
    """
    path = Path(path)
    roles = [role.strip() for role in translated_by if role.strip()]
    if bool(roles) != (translated is not None):
        raise ValueError("who translated (by role) and when belong together: give a role and a date, or neither")
    main, text_paths = find_definition(definition)
    if not text_paths:
        raise ValueError(
            f"{main.name} holds its texts itself; move them into a folder {main.stem}/ with {main.name} and text.LANG.toml "
            "to have translators' files taken in"
        )
    file = load_definition(definition)
    check_language(file, language)
    entries = _read(path, file, language)
    texts = translated_texts(file.tables, language)
    found = [*_faults(entries, texts, partial=partial), *_label_faults(entries, file.tables, language)]
    if found:
        raise InstrumentError([f"{path.name}:{line}: {key}: {message}" for line, key, message in found])
    new = {entry.key: _composed(entry.target) for entry in entries if not entry.fuzzy and entry.target.strip()}
    taken = {key: new.get(key, old) for key, (_, old) in texts.items()}
    missing = _missing(taken)
    taken = {key: text for key, text in taken.items() if key not in missing}
    _check_listed(file, main, language, missing)
    _check_same(same_on_purpose, texts, taken)
    records, notes = _records(file.tables, language, texts, {key: text for key, text in new.items() if key in taken})
    changed = {key: (texts[key][1], text) for key, text in taken.items() if text != texts[key][1]}
    if roles:
        records[language] = _by(records[language], roles, translated)
    elif changed:
        notes.append("who translated is not noted: give roles (never names) and the date")
    records[language] = _same(records[language], same_on_purpose)
    name = f"text.{language}.toml"
    files = {name: text_file(file.tables, taken, head=_head(file, language, text_paths.get(language)))}
    _refuse_contradictions(main, [*text_paths.values()], files)
    files[RECORD] = record_file(records)
    if missing:
        seen = sum(seen_by(key) == "respondents" for key in missing)
        notes.append(
            f"{len(missing)} of {len(texts)} texts have no translation yet ({seen} of them are seen by respondents); the texts "
            f"are not in use: do not add {language!r} to `languages` in {main.name} before all are there"
        )
    elif language not in file.tables.instrument.languages:
        notes.append(f"add {language!r} to `languages` in {main.name}: until then the texts are not in use")
    return TakenIn(
        files=files,
        changed=changed,
        kept=tuple(key for key, text in taken.items() if key not in new and text),
        missing=missing,
        notes=tuple(notes),
    )


def _missing(taken: Mapping[str, str]) -> tuple[str, ...]:
    """Return the places without a translation; the steps of an action are counted, so one that lacks takes all with it."""
    empty = [key for key, text in taken.items() if not text.strip()]
    lists = {key.rpartition(".")[0] for key in empty if ".steps." in key}
    return tuple(key for key in taken if key in empty or key.rpartition(".")[0] in lists)


def _check_listed(file: DefinitionFile, main: Path, language: str, missing: Sequence[str]) -> None:
    if missing and language in file.tables.instrument.languages:
        raise InstrumentError(
            [
                f"{key}: has no translation, and {main.name} lists {language!r} in `languages`; take it out until all are there"
                for key in missing
            ]
        )


def _check_same(said: Collection[str], texts: Mapping[str, tuple[str, str]], taken: Mapping[str, str]) -> None:
    wrong = [key for key in said if key not in texts or not same_as_source(texts[key][0], taken.get(key, ""))]
    if wrong:
        raise ValueError(
            f"said to be the same as the source on purpose, but no text of the definition, or not the same: {', '.join(wrong)}"
        )


def _by(record: TranslationTable, roles: Sequence[str], when: date | None) -> TranslationTable:
    """Return the record with who translated; those who did before stay."""
    by = list(dict.fromkeys([*record.translated_by, *roles]))
    return record.model_copy(update={"translated_by": by, "translated": when})


def _same(record: TranslationTable, said: Collection[str]) -> TranslationTable:
    texts = {
        key: text.model_copy(update={"same_on_purpose": True}) if key in said else text
        for key, text in record.texts.items()
    }
    return record.model_copy(update={"texts": texts})


def _head(file: DefinitionFile, language: str, path: Path | None) -> str:
    """Return the comment with which the text file begins; the one it has is kept."""
    if path is not None:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
        return "\n".join(lines[: next((n for n, line in enumerate(lines) if not line.startswith("#")), len(lines))])
    return f"# The texts of {file.tables.instrument.id} in {language!r}. How they came about: {RECORD}."


def _read(path: Path, file: DefinitionFile, language: str) -> list[Entry]:
    """Return the entries of a translators' file; raise InstrumentError if it is none, or of something else."""
    readers = {".po": read_po, ".xlf": read_xliff, ".xliff": read_xliff}
    if path.suffix.lower() not in readers:
        raise ValueError(f"{path.name}: a translators' file ends in {', '.join(readers)}")
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; check the name and the folder")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InstrumentError([f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8"]) from error
    entries, about = readers[path.suffix.lower()](path.name, text)
    head = file.tables.instrument
    faults = []
    if about["language"] != language:
        faults.append(f"{path.name}: it is in {about['language']!r}, not {language!r}")
    if about["of"].split(" ")[0] != head.id:
        faults.append(f"{path.name}: it is of {about['of']!r}, not of {head.id!r}")
    if faults:
        raise InstrumentError(faults)
    return entries


def _faults(
    entries: list[Entry], texts: dict[str, tuple[str, str]], *, partial: bool
) -> Iterator[tuple[int, str, str]]:
    """Yield line, place and fault of everything that keeps a translators' file from being taken in."""
    counts = Counter(entry.key for entry in entries)
    for entry in entries:
        at = (entry.line, entry.key or "(an entry without a place)")
        if entry.key not in texts:
            yield *at, "no text of this definition stands there"
            continue
        if counts[entry.key] > 1:
            yield *at, f"stands {counts[entry.key]} times in the file; keep one"
        source, old = texts[entry.key]
        if entry.source != source:
            yield *at, f"its source was edited since the file was written: it is now {source!r}; export again"
        elif partial and (entry.fuzzy or not entry.target.strip()):
            continue
        elif entry.fuzzy:
            if not old:
                yield *at, "is marked as fuzzy (needs review), and there is no earlier translation to keep"
        else:
            yield from ((*at, message) for message in _refused(source, entry.target))
    last = max((entry.line for entry in entries), default=1)
    if not partial:
        yield from ((last, key, "is missing in the file") for key in texts if key not in counts)


def _label_faults(entries: list[Entry], tables: DefinitionTables, language: str) -> Iterator[tuple[int, str, str]]:
    """Yield line, scale and fault where the labels of a scale could not be told apart, or mean another code elsewhere."""
    labels: dict[str, dict[str, str]] = {}
    lines: dict[str, int] = {}
    for entry in entries:
        section, _, rest = entry.key.partition(".")
        name, _, code = rest.rpartition(".")
        if section == "response_scales" and name in tables.response_scales and entry.target.strip() and not entry.fuzzy:
            labels.setdefault(name, {})[code] = _composed(entry.target)
            lines.setdefault(name, entry.line)
    scales = {
        name: tables.response_scales[name].model_copy(
            update={"labels": {**tables.response_scales[name].labels, language: found}}
        )
        for name, found in labels.items()
    }
    for key, message in scale_faults(tables.model_copy(update={"response_scales": scales})):
        if key[0] == "response_scales" and key[-1] == "labels":
            yield lines[str(key[1])], f"response_scales.{key[1]}", message


def _refused(source: str, target: str) -> Iterator[str]:
    """Yield what is wrong with one translation."""
    if not target.strip():
        yield "no translation"
        return
    if target != target.strip() and source == source.strip():
        yield "begins or ends with a blank; remove it"
    if markup := _MARKUP.search(target):
        yield f"HTML or an entity ({markup.group(0)!r}) is not allowed; write plain text"
    signs = {sign for sign in target if unicodedata.category(sign) in ("Cc", "Cs", "Co", "Cn") and sign != "\n"}
    for sign in sorted(signs | (_DIRECTION & set(target)) | ({"\ufffd"} & set(target))):
        yield f"the character U+{ord(sign):04X} is not allowed; remove it"
    if target.count("\n") != source.count("\n"):
        yield f"has {target.count(chr(10))} line breaks, the source {source.count(chr(10))}; keep them"
    given, needed = (Counter(_PLACEHOLDER.findall(text)) for text in (target, source))
    if given != needed:
        yield f"placeholders differ: {_all(given)} instead of {_all(needed)}"


def _all(found: Iterable[str]) -> str:
    return ", ".join(sorted(found)) or "none"


def _composed(text: str) -> str:
    return unicodedata.normalize("NFC", text)


def _records(
    tables: DefinitionTables, language: str, texts: dict[str, tuple[str, str]], new: dict[str, str]
) -> tuple[dict[str, TranslationTable], list[str]]:
    """Return the record with the new hashes; a back-translation stays only with the texts that it is of."""
    old = tables.translations.get(language, TranslationTable())
    kept = dict(old.texts)
    for key, text in new.items():
        made = TextRecordTable(source=text_hash(texts[key][0]), translation=text_hash(text))
        before = kept.get(key)
        if before is None or (before.source, before.translation) != (made.source, made.translation):
            kept[key] = made
    in_order = {key: kept[key] for key in texts if key in kept}
    notes = []
    update: dict[str, Any] = {"texts": in_order}
    if old.status == "reviewed" and any(in_order.get(key) != old.texts.get(key) for key in texts):
        update |= {"status": "draft"}
        notes.append("texts differ from those that were reviewed: the translation is a draft again")
    return {**tables.translations, language: old.model_copy(update=update)}, notes


def _refuse_contradictions(main: Path, texts: list[Path], files: dict[str, str]) -> None:
    """Raise InstrumentError if the definition would contradict itself with the new texts."""
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / main.stem
        folder.mkdir()
        for path in (main, *texts):
            (folder / path.name).write_bytes(path.read_bytes())
        for name, content in files.items():
            (folder / name).write_text(content, encoding="utf-8", newline="\n")
        if faults := contradictions(load_definition(folder)):
            raise InstrumentError(faults)
