"""The TOML of a definition: its shape, its texts in several languages, and where each key stands.

Shape only. What the keys mean together is checked in `contradictions`; what the rest of the
package uses are the plain objects of `definition`.
"""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError

RECORD = "translations.toml"  # beside the main file of a folder: how each translation came about
_BESIDE = (RECORD, "decisions.toml")  # what a folder may hold beside the definition and its texts
TextTable = dict[str, str]  # language → text
Reason = Literal["dont_know", "does_not_apply", "not_started", "prefer_not"]
Rule = Literal["mean", "balanced_mean", "raw_mean", "mean_of_scores", "difference", "acquiescence"]
Wording = Literal["facilitator", "barrier"]
Who = Literal["peers", "colleagues", "managers"]
Minimum = PositiveInt | Annotated[list[PositiveInt], Field(min_length=2, max_length=2)]


class InstrumentError(ValueError):
    """A definition that cannot be used. `faults` lists everything that is wrong, a line each."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        return "\n".join(self.faults)


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class InstrumentTable(_Table):
    """`[instrument]`."""

    id: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,40}$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    status: Literal["draft", "validated"]
    languages: Annotated[list[Annotated[str, Field(pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]+)*$")]], Field(min_length=1)]
    licence: str = ""
    item_scale: str | None = None
    negative_control: list[str] = []
    title: TextTable = {}
    banner: TextTable = {}
    instructions: TextTable = {}
    rule: TextTable = {}
    form_question: TextTable = {}
    code_instructions: TextTable = {}


class OffScaleTable(_Table):
    """One answer beside the scale."""

    code: Annotated[int, Field(ge=0, le=999)]
    reason: Reason
    only_while: Literal["planning"] | None = None


class ScaleTable(_Table):
    """`[response_scales.ID]`."""

    codes: Annotated[list[Annotated[int, Field(ge=0, le=999)]], Field(min_length=2)]
    off_scale: list[OffScaleTable] = []
    ordered: bool = True
    labels: dict[str, dict[str, str]] = {}


class FacetTable(_Table):
    """`[subscales.ID.facets.ID]`."""

    title: TextTable = {}
    both_true: str = ""


class SubscaleTable(_Table):
    """`[subscales.ID]`."""

    title: TextTable = {}
    meaning: Annotated[TextTable, Field(alias="construct")] = {}  # `construct` is a method of pydantic's
    phase: Literal["preparation", "process", "culture"] | None = None
    level: list[Literal["micro", "meso", "macro"]] = []
    themes: list[str] = []
    facets: dict[str, FacetTable] = {}


class FormTable(_Table):
    """`[forms.ID]`."""

    title: TextTable = {}
    who: Who | None = None
    without: list[str] = []
    short_of: str | None = None


class SourceTable(_Table):
    """Where an item comes from."""

    theme: str
    phrase: str
    via: str = ""


class ItemTable(_Table):
    """`[items.ID]`."""

    text: TextTable = {}
    subscale: str
    facet: str | None = None
    wording: Wording | None = None
    reverse: bool = False
    short: bool = False
    scale: str | None = None
    required: bool = False
    sources: Annotated[list[SourceTable], Field(max_length=4)] = []


class QuestionTable(_Table):
    """`[questions.ID]`."""

    text: TextTable = {}
    role: Literal["importance", "difficulty", "global", "anchor", "open", "code", "background", "exposure", "system"]
    scale: str | None = None
    multiple: bool = False
    subscale: str | None = None
    forms: list[str] = []
    asked: Literal["always", "follow-up", "off"] = "always"
    before_items: bool = False
    required: bool = False
    risk: Literal["high", "medium", "low"] | None = None
    note: str = ""


class ShortScoreTable(_Table):
    """`[scores.ID.short]`: what it leaves out is taken from the score itself."""

    rule: Rule | None = None
    subscales: list[str] | None = None
    facets: list[str] | None = None
    items: list[str] | None = None
    common: bool | None = None
    wording: Wording | None = None
    of: list[str] | None = None
    minimum: Minimum | None = None
    minimum_each_wording: NonNegativeInt | None = None


class ScoreTable(_Table):
    """`[scores.ID]`."""

    title: TextTable = {}
    kind: Literal["subscale", "composite", "index", "total"]
    rule: Rule
    export: str | None = None
    subscales: list[str] = []
    facets: list[str] = []
    items: list[str] = []
    common: bool = False
    wording: Wording | None = None
    of: list[str] = []
    minimum: Minimum = 1
    minimum_each_wording: NonNegativeInt = 0
    higher: Literal["better", "worse", "neither"] = "better"
    short: ShortScoreTable | None = None


class ThemeTable(_Table):
    """`[themes."CODE"]`."""

    source: str
    theme: str
    question: str | None = None
    note: str = ""


class ActionTable(_Table):
    """`[actions.SUBSCALE]`: what a team can do about a subscale."""

    title: TextTable = {}
    steps: dict[str, list[str]] = {}  # language → texts
    themes: list[str] = []


class SignalTable(_Table):
    """`[signals.ID]`: a pattern of scores that is worth a talk."""

    title: TextTable = {}
    meaning: TextTable = {}
    kind: Literal["subscales", "forms", "dip"]
    score: str | None = None
    high: str | None = None
    low: list[str] = []
    points: Annotated[float, Field(gt=0, le=100)]


class TermTable(_Table):
    """One term of a translation's glossary, and why it was chosen."""

    term: str
    translation: str
    reason: str


class TextRecordTable(_Table):
    """Which source text a translation was made from (both as hashes), and its translation back, if one was made."""

    source: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    translation: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    back_translation: Annotated[str, Field(min_length=1)] | None = None
    by: Annotated[str, Field(min_length=1)] | None = None
    made: date | None = None
    verdict: Literal["same meaning", "other meaning"] | None = None
    same_on_purpose: bool = False


class TranslationTable(_Table):
    """`[translations.LANG]`, or `[LANG]` in `translations.toml`: how a translation came about. People are named by role."""

    status: Literal["draft", "reviewed"] = "draft"
    method: str = ""
    translated_by: list[str] = []
    translated: date | None = None
    reviewed_by: list[str] = []
    reviewed: date | None = None
    glossary: list[TermTable] = []
    texts: dict[str, TextRecordTable] = {}


class DefinitionTables(_Table):
    """A whole definition, as its file has it."""

    instrument: InstrumentTable
    response_scales: Annotated[dict[str, ScaleTable], Field(min_length=1)]
    subscales: Annotated[dict[str, SubscaleTable], Field(min_length=1)]
    forms: dict[str, FormTable] = {}
    items: Annotated[dict[str, ItemTable], Field(min_length=1)]
    questions: dict[str, QuestionTable] = {}
    scores: Annotated[dict[str, ScoreTable], Field(min_length=1)]
    themes: dict[str, ThemeTable] = {}
    actions: dict[str, ActionTable] = {}
    signals: dict[str, SignalTable] = {}
    translations: dict[str, TranslationTable] = {}


@dataclass(frozen=True, kw_only=True)
class EveryLanguage:
    """One text of a definition: where it stands, whether it must exist, and the text in each language that has it."""

    key: tuple[str, ...]
    needed: bool
    texts: Mapping[str, str]


def every_text(tables: DefinitionTables) -> Iterator[EveryLanguage]:
    """Yield everything that can be translated, in the order of a text file."""

    def text(key: tuple[str, ...], texts: Mapping[str, str], *, needed: bool = True) -> EveryLanguage:
        return EveryLanguage(key=key, needed=needed, texts=texts)

    head = tables.instrument
    needed = {"title": True, "banner": head.status == "draft"}
    for what in ("title", "banner", "instructions", "form_question", "rule", "code_instructions"):
        yield text(("instrument", what), getattr(head, what), needed=needed.get(what, False))
    for name, scale in tables.response_scales.items():
        for code in [*scale.codes, *(off.code for off in scale.off_scale)]:
            labels = {each: of[str(code)] for each, of in scale.labels.items() if str(code) in of}
            yield text(("response_scales", name, str(code)), labels)
    for name, subscale in tables.subscales.items():
        yield text(("subscales", name, "title"), subscale.title)
        yield text(("subscales", name, "construct"), subscale.meaning, needed=False)
        for facet, entry in subscale.facets.items():
            yield text(("subscales", name, "facets", facet, "title"), entry.title)
    for section, what in (("forms", "title"), ("items", "text"), ("questions", "text"), ("scores", "title")):
        for name, table in getattr(tables, section).items():
            yield text((section, name, what), getattr(table, what))
    for name, action in tables.actions.items():
        yield text(("actions", name, "title"), action.title)
        for at in range(max([1, *map(len, action.steps.values())])):
            steps = {each: of[at] for each, of in action.steps.items() if at < len(of)}
            yield text(("actions", name, "steps", str(at + 1)), steps)
    for name, signal in tables.signals.items():
        yield text(("signals", name, "title"), signal.title)
        yield text(("signals", name, "meaning"), signal.meaning)


@dataclass(frozen=True, kw_only=True)
class DefinitionFile:
    """A definition as read: its tables, and the place of every key for messages."""

    tables: DefinitionTables
    places: Places
    digest: str  # SHA-256 of the files, for provenance


class Places:
    """Finds the line of a key in the file that it came from."""

    def __init__(self, files: dict[str, str], texts: dict[str, str]) -> None:
        self._name = next(iter(files))
        self._text_names = texts  # language → file name
        self._lines = {name: _lines_of_keys(source) for name, source in files.items()}

    def fault(self, key: tuple[str | int, ...], message: str, *, language: str | None = None) -> str:
        """Return `FILE:LINE: key: message` for the nearest key that stands in the file."""
        name = self._text_names.get(language or "", self._name)
        names = tuple(str(part) for part in key)
        if names[0] == "translations" and RECORD in self._lines:
            name, names = RECORD, names[1:] or names
        line = next(
            (self._lines[name][names[:n]] for n in range(len(names), 0, -1) if names[:n] in self._lines[name]),
            1,
        )
        return f"{name}:{line}: {'.'.join(names)}: {message}"


def load_definition(definition: str | Path) -> DefinitionFile:
    """Read a definition: a name that ships with the package, a TOML file, or a folder."""
    main, text_paths = find_definition(definition)
    record = main.parent / RECORD
    records = [record] if text_paths and record.exists() else []
    sources: dict[str, str] = {}
    parsed: dict[str, dict[str, Any]] = {}
    faults: list[str] = []
    for path in (main, *text_paths.values(), *records):
        try:
            sources[path.name] = path.read_text(encoding="utf-8-sig")
            parsed[path.name] = tomllib.loads(sources[path.name])
        except UnicodeDecodeError as error:
            faults.append(f"{path.name}:1: byte {error.start} is not UTF-8; save the file as UTF-8")
        except tomllib.TOMLDecodeError as error:
            faults.append(f"{path.name}: this is not TOML: {error}")
    if faults:
        raise InstrumentError(faults)
    places = Places(sources, {language: path.name for language, path in text_paths.items()})
    tables = parsed[main.name]
    for language, path in text_paths.items():
        faults += _add_texts(tables, parsed[path.name], language, places)
    if records and "translations" in tables:
        faults.append(places.fault(("translations",), f"stands in {RECORD} too; keep one of them"))
    elif records:
        tables["translations"] = parsed[RECORD]
    try:
        checked = DefinitionTables.model_validate(tables)
    except ValidationError as error:
        faults += [places.fault(fault["loc"], _in_words(fault)) for fault in error.errors()]
    if faults:
        raise InstrumentError(faults)
    # How a translation came about is no part of what is asked: a review noted later makes no other questionnaire.
    asked = sorted(sources.keys() - {RECORD})
    digest = hashlib.sha256("\0".join(sources[name] for name in asked).encode()).hexdigest()
    return DefinitionFile(tables=checked, places=places, digest=digest)


def definition_schema() -> dict[str, Any]:
    """Return the JSON Schema of a definition whose texts are inline."""
    schema = DefinitionTables.model_json_schema()
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Questionnaire definition",
        **schema,
    }


def lasting(definition: str | Path) -> str:
    """Return what finds a definition from any folder: the name of one that ships with the package, or a whole path.

    Examples
    --------
    >>> lasting("pwiq"), Path(lasting("./analysis")).is_absolute()
    ('pwiq', True)
    """
    own = _own(definition)
    return str(definition) if own is None else str(own.resolve())


def _own(definition: str | Path) -> Path | None:
    """Return the file or folder that is meant; None where it is a name that ships with the package, or nothing."""
    path = Path(definition)
    return path if path.exists() and not (isinstance(definition, str) and _ships(definition)) else None


def _shipped(name: str | Path) -> Path:
    return Path(str(resources.files("instrument"))) / str(name)


def _ships(name: str | Path) -> bool:
    return str(name).isidentifier() and (_shipped(name) / f"{name}.toml").exists()


def find_definition(definition: str | Path) -> tuple[Path, dict[str, Path]]:
    """Return the main file and, of a folder, the text file of each language. Folders inside (`past/`) are not read.

    A bare name is first that of a questionnaire that ships with the package: a folder that happens to be called so where
    somebody works must not take its place. Written ``./pwiq``, or as a `Path`, it is the folder.
    """
    path = _own(definition)
    if path is None:
        if not _ships(definition):
            raise FileNotFoundError(
                f"{definition}: no such file or folder, nor a questionnaire that ships with the package (pwiq)"
            )
        path = _shipped(definition)
    if path.is_file():
        return path, {}
    files = [file for file in sorted(path.glob("*.toml")) if file.is_file()]
    mains = [file for file in files if not file.name.startswith("text.") and file.name not in _BESIDE]
    named = [file for file in mains if file.stem == path.resolve().name]
    if not named and len(mains) != 1:
        raise InstrumentError(
            [f"{path}: a folder holds one file {path.resolve().name}.toml; found {len(mains)} candidates"]
        )
    texts = {file.name.split(".")[1]: file for file in files if file.match("text.*.toml")}
    return (named or mains)[0], texts


# The key that a bare string stands for, where a text file gives an entry as `id = "text"`.
_BARE_TEXT = {
    "items": "text",
    "questions": "text",
    "forms": "title",
    "scores": "title",
    "subscales": "title",
    "facets": "title",
}


def _add_texts(tables: dict[str, Any], texts: dict[str, Any], language: str, places: Places) -> list[str]:
    """Merge one text file into the tables, in place; return what has nowhere to go."""
    faults = []
    for section, entries in texts.items():
        if not isinstance(entries, dict) or not isinstance(tables.get(section, {}), dict):
            faults.append(places.fault((section,), "must be a table of texts", language=language))
            continue
        if section == "instrument":
            entries, parent = {"instrument": entries}, tables
        else:
            parent = tables.get(section, {})
        for name, entry in entries.items():
            key = (section,) if section == "instrument" else (section, name)
            if not isinstance(parent.get(name), dict):
                faults.append(
                    places.fault(key, "a text for something that the definition does not have", language=language)
                )
            elif section == "response_scales" and isinstance(entry, dict):
                parent[name].setdefault("labels", {})[language] = {str(code): text for code, text in entry.items()}
            else:
                faults += _add_entry(parent[name], entry, language, key, places)
    return faults


def _add_entry(target: dict[str, Any], entry: Any, language: str, key: tuple[str, ...], places: Places) -> list[str]:
    if isinstance(entry, str):
        entry = {_BARE_TEXT.get(key[-2], "text"): entry}
    if not isinstance(entry, dict):
        return [places.fault(key, f"must be a text or a table of texts (found {entry!r})", language=language)]
    faults = []
    for name, text in entry.items():
        if name == "facets" and isinstance(text, dict):
            for facet, title in text.items():
                facet_key = (*key, "facets", facet)
                if facet in target.get("facets", {}):
                    faults += _add_entry(target["facets"][facet], title, language, facet_key, places)
                else:
                    message = "a text for a facet that the definition does not have"
                    faults.append(places.fault(facet_key, message, language=language))
        elif isinstance(target.setdefault(name, {}), dict):
            target[name][language] = text
        else:
            faults.append(places.fault((*key, name), "is not a text; it belongs in the main file", language=language))
    return faults


def _in_words(fault: Any) -> str:
    value = fault.get("input")
    shown = "" if isinstance(value, dict | list) or fault["type"] == "missing" else f" (found {value!r})"
    known = {"missing": "is missing", "extra_forbidden": "is not a key of a definition"}
    return known.get(fault["type"], str(fault["msg"])) + shown


_HEADER = re.compile(r"^\s*\[+\s*(.+?)\s*\]+\s*(#.*)?$")
_KEY = re.compile(r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*=""")
_PART = re.compile(r"""[A-Za-z0-9_-]+|"[^"]*"|'[^']*'""")


def _lines_of_keys(source: str) -> dict[tuple[str, ...], int]:
    """Return the line number of every table and key. tomllib keeps none."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, line in enumerate(source.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = tuple(part.strip("\"'") for part in _PART.findall(header.group(1)))
            lines.setdefault(table, number)
        elif key := _KEY.match(line):
            lines.setdefault(table + tuple(part.strip("\"'") for part in _PART.findall(key.group(1))), number)
    return lines
