"""A mapping file: which column of a foreign file is which question, and which value which code.

`propose_mapping` writes one by evidence, to be corrected by hand and kept; ``read_responses(mapping=…)`` applies it.

::

    instrument = "pwiq"

    [columns]                                  # heading in the file = column of the questionnaire, "" leaves it out
    "Q7_roleaf" = "roleaf"
    "Your e-mail" = ""

    [values.agree]                             # by response scale: value in the file = code, "" is a blank
    "Agree completely" = 5
    "-99" = ""
"""

from __future__ import annotations

import difflib
import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from instrument.definition import Instrument
from instrument.meanings import BLANKS, WHOLE, WHOLE_COMMA, Answers, shift_of_codes
from instrument.platforms.answers import Taken, assembled, headings, known_columns, plain
from instrument.platforms.detection import open_table
from instrument.platforms.personal import is_personal, without_personal
from instrument.platforms.recognised import Names
from instrument.responses import ResponseError
from instrument.tables import Column, RawTable, shown

_KEYS = ("instrument", "version", "columns", "values")
_PROPOSED = 0.8  # likeness of two texts (difflib) from which one is proposed
_GUESSED = 0.5  # and from which it is told as a guess
_MANY = 3  # guesses told
_COMPARED = 20  # texts that are compared with a heading letter by letter
_WORD = re.compile(r"[a-z][a-z0-9]{1,14}")
# Words of headings for what is no question of the definition; guesses only.
_USUAL = {
    "person": ("respondent", "participant", "subject", "pid", "uid"),
    "organisation": ("organization", "site", "agency", "service", "employer"),
    "team": ("unit", "ward", "group"),
    "wave": ("timepoint", "time", "round", "phase"),
}


class MappingError(ValueError):
    """A mapping file that breaks a rule. `faults` lists every one, a line each: ``FILE:LINE: what is wrong``."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


@dataclass(frozen=True, kw_only=True)
class AnswerMapping:
    """Which heading is which column, and for each response scale which value is which code.

    Parameters
    ----------
    file : str
        The mapping file, for messages.
    columns : mapping
        Heading → column; "" leaves it out.
    values : mapping
        Column → value in the file → code, "" for a blank.
    known : tuple of str
        All columns of the questionnaire; any other that names people is dropped.
    """

    file: str
    columns: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    known: tuple[str, ...] = ()


# Read and applied


def read_mapping(path: str | Path, instrument: Instrument) -> AnswerMapping:
    """Read a mapping file and refuse it if anything in it is wrong.

    Parameters
    ----------
    path : str or path
    instrument : Instrument

    Returns
    -------
    AnswerMapping

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    MappingError
        If it is no TOML, names another questionnaire, an unknown column, scale or code, or one column twice. All
        faults are named at once, with their lines.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such file; propose one with pwiq map")
    try:
        source = path.read_text(encoding="utf-8-sig")
        table = tomllib.loads(source)
    except UnicodeDecodeError as error:
        raise MappingError([f"{path.name}: byte {error.start} is not UTF-8; save the file as UTF-8"]) from None
    except RecursionError:
        raise MappingError([f"{path.name}: this is nested too deeply for a mapping"]) from None
    except ValueError as error:  # also a number of thousands of digits
        raise MappingError([f"{path.name}: this is not TOML: {error}"]) from None
    lines = _lines(source)
    found = sorted(
        [*_head_faults(table, instrument), *_column_faults(table, instrument), *_value_faults(table, instrument)],
        key=lambda fault: lines.get(fault[0], 1),
    )
    if found:
        raise MappingError([f"{path.name}:{lines.get(place, 1)}: {message}" for place, message in found])
    return AnswerMapping(
        file=path.name,
        columns=table.get("columns", {}),
        values=_by_column(table.get("values", {}), instrument),
        known=(*known_columns(instrument), *(rule.export for rule in instrument.scores)),
    )


_Place = tuple[str, ...]
_Found = Iterator[tuple[_Place, str]]


def _lines(source: str) -> dict[_Place, int]:
    """Return section and key → line. Each key of a mapping stands on a line of its own."""
    lines: dict[_Place, int] = {}
    section: _Place = ()
    for number, text in enumerate(source.splitlines(), start=1):
        try:
            parsed = tomllib.loads(text)
        except (ValueError, RecursionError):
            continue
        if text.lstrip().startswith("["):
            section = tuple(_path(parsed))
            lines.setdefault(section, number)
        else:
            for key in parsed:
                lines.setdefault((*section, key), number)
    return lines


def _path(parsed: Mapping[str, Any]) -> Iterator[str]:
    for key, inner in parsed.items():
        yield key
        if isinstance(inner, dict):
            yield from _path(inner)


def _head_faults(table: Mapping[str, Any], instrument: Instrument) -> _Found:
    for key in table:
        if key not in _KEYS:
            yield (key,), f"{key!r} is not known here; allowed are {', '.join(_KEYS)}"
    if table.get("instrument", instrument.id) != instrument.id:
        yield (
            ("instrument",),
            f"this maps a file to {table['instrument']!r}, not to {instrument.id!r}; take the other definition",
        )
    for key in ("columns", "values"):
        if not isinstance(table.get(key, {}), dict):
            yield (key,), f"{key} must be a table; write [{key}]"
    if not table.get("columns"):
        yield ("columns",), 'no column is named; write [columns] and lines such as "heading in the file" = "person"'


def _column_faults(table: Mapping[str, Any], instrument: Instrument) -> _Found:
    known = known_columns(instrument)
    first: dict[str, str] = {}
    bare: set[str] = set()
    columns = table.get("columns", {})
    for header, name in columns.items() if isinstance(columns, dict) else ():
        place = ("columns", header)
        if header.strip() in bare:
            yield place, f"{shown(header)} stands here twice, but for blanks around it; keep one"
        bare.add(header.strip())
        if not isinstance(name, str) or (name and name not in known):
            near = difflib.get_close_matches(str(name), known, n=_MANY)
            hint = f"; perhaps {' or '.join(near)}" if near else ""
            yield place, f'{name!r} is no column of {instrument.id}{hint}; name one, or "" to leave {shown(header)} out'
        elif name in first:
            yield place, f"{name} is {shown(first[name])} already; each column has one heading"
        elif name:
            first[name] = header


def _value_faults(table: Mapping[str, Any], instrument: Instrument) -> _Found:
    values = table.get("values", {})
    for name, codes in values.items() if isinstance(values, dict) else ():
        if name not in instrument.response_scales.ids or not isinstance(codes, dict):
            yield (
                ("values", name),
                f"{name!r} is no response scale; allowed are {', '.join(instrument.response_scales.ids)}",
            )
            continue
        allowed = instrument.response_scales[name].labels
        for value, code in codes.items():
            if code != "" and (not isinstance(code, int) or isinstance(code, bool) or code not in allowed):
                yield (
                    ("values", name, value),
                    f'{code!r} is no code of {name}; allowed are {", ".join(map(str, allowed))}, and "" for a blank',
                )


def _by_column(values: Mapping[str, Mapping[str, int | str]], instrument: Instrument) -> dict[str, dict[str, str]]:
    """Return column → value, stripped and in small letters → code."""
    return {
        name: {_key(value): str(code) for value, code in values[scale].items()}
        for name, scale in _scales(instrument).items()
        if scale in values
    }


def _scales(instrument: Instrument) -> dict[str, str]:
    """Return each closed column that holds one answer → its response scale."""
    return {item.id: item.scale for item in instrument.items} | {
        question.id: question.scale
        for question in instrument.questions
        if question.scale is not None and not question.multiple
    }


def _key(value: str) -> str:
    return value.strip().casefold()


def apply_mapping(table: RawTable, mapping: AnswerMapping) -> RawTable:
    """Return the table with the columns and codes that a mapping says; other columns stay as they are.

    Raises
    ------
    ResponseError
        If a heading of the mapping does not stand in the file, or stands there twice.
    """
    faults = []
    for header in mapping.columns:
        count = table.names.count(header.strip())
        if count != 1:
            what = "has no such column" if not count else f"has {count} columns of this name"
            faults.append(
                f"{table.file}: {mapping.file} maps {shown(header)}, but the file {what}; correct the mapping"
            )
    if faults:
        raise ResponseError(faults)
    columns = {header.strip(): name for header, name in mapping.columns.items()}
    taken: list[Taken] = []
    left_out = []
    for header, column in zip(table.names, table.columns, strict=True):
        name = columns.get(header, header)
        if not name:
            left_out.append((header, int((column.position >= 0).sum()), f"left out, as {mapping.file} says"))
        else:
            changed, notes = _recoded(column, mapping.values.get(name, {}))
            notes = (f"mapped by {mapping.file}", *notes) if name != header else notes
            taken.append(Taken(name=name, column=changed, header=header, notes=notes))
    remarks = (*table.remarks, ("(mapping)", f"columns and values were read as {mapping.file} says"))
    mapped = assembled(replace(table, remarks=remarks), taken, platform="canonical", left_out=left_out)
    return without_personal(mapped, {*mapping.columns.values(), *mapping.known})


def _recoded(column: Column, codes: Mapping[str, str]) -> tuple[Column, tuple[str, ...]]:
    changed = [text for text in column.texts if _key(text) in codes]
    if not changed:
        return column, ()
    cells = np.bincount(column.position[column.position >= 0], minlength=len(column.texts))
    told = [f"{shown(text)} as {codes[_key(text)] or 'blank'} ({cells[column.texts.index(text)]})" for text in changed]
    return column.change(lambda text: codes.get(_key(text), text)), (f"recoded: {', '.join(told)}",)


# Proposed


@dataclass(frozen=True, kw_only=True)
class _Proposal:
    """What a heading may be, with a likeness of 1 where it was recognised by id or text; and how that was found."""

    header: str
    name: str
    likeness: float
    how: str
    guesses: tuple[tuple[str, float], ...] = ()


def propose_mapping(path: str | Path, instrument: Instrument) -> str:
    """Propose which column of a file is which question, and which value which code.

    Parameters
    ----------
    path : str or path
        A file that `read_responses` can open.
    instrument : Instrument

    Returns
    -------
    str
        A mapping file (TOML): what is recognised by an id inside the heading, by the question's text in any language
        or by a similar text (with the likeness, 0–1, of Python's difflib); all else as comments with the best guesses.

    Raises
    ------
    ResponseError
        If the file cannot be opened.
    """
    path = Path(path)
    table = open_table(path, instrument, file=path.name)
    if table.documents:
        raise ResponseError([f"{path.name}: JSON has no columns to map; export CSV"])
    proposer = _Proposer(instrument)
    proposals = _unique([proposer.proposed(header) for header in dict.fromkeys(table.names) if header])
    parts = [
        f"# Proposed for {json.dumps(path.name, ensure_ascii=False)}. Check every line against the questionnaire, correct it,",
        "# and keep this file. What stands behind # is not read: delete the first # of a line to use it.",
        f"instrument = {_quoted(instrument.id)}",
        f"version = {_quoted(instrument.version)}",
        "",
        '[columns]  # heading in the file = column of the questionnaire; "" leaves a column out',
        *(each for proposal in proposals for each in _column_lines(proposal)),
    ]
    if all(proposal.name == proposal.header for proposal in proposals):
        parts.append("# All columns bear the names of the definition already: no mapping is needed.")
    missing = [name for name in instrument.items.ids if name not in {proposal.name for proposal in proposals}]
    if missing:
        parts += ["", f"# No heading was recognised for {len(missing)} items: {', '.join(missing)}"]
    for scale in instrument.response_scales:
        parts += _value_lines(scale.id, table, {p.name: p.header for p in proposals if p.name}, instrument)
    return "\n".join(parts) + "\n"


class _Proposer:
    """Finds what a heading may be."""

    def __init__(self, instrument: Instrument) -> None:
        self.instrument = instrument
        self.names = Names(instrument)
        self.known = set(known_columns(instrument))
        self.headings = headings(instrument)
        self.texts = {text: found[0].name for text, found in self.headings.items()}

    def proposed(self, header: str) -> _Proposal:
        """Return what a heading may be, by the strongest evidence that there is."""
        if header in self.known:
            return _Proposal(header=header, name=header, likeness=1, how="the name itself")
        inside = self._ids_in(header)
        if len(inside) == 1:
            return _Proposal(header=header, name=inside[0], likeness=1, how="its id stands in the heading")
        found = self.names.by_text(header) or self.names.by_parts(header, " - ")
        if len(found) == 1:
            name = f"{found[0].name}{found[0].code or ''}"
            spoken = {each.language for each in self.headings.get(plain(header), ()) if each.name == found[0].name}
            how = f"its text in {', '.join(sorted(spoken))}" if spoken else "its text stands in the heading"
            return _Proposal(header=header, name=name if name in self.known else "", likeness=1, how=how)
        guesses = [(each.name, 1.0) for each in found] or _alike(header, self.texts)
        if guesses and _PROPOSED <= guesses[0][1] < 1:
            name, likeness = guesses[0]
            return _Proposal(
                header=header, name=name, likeness=likeness, how=f"a similar text, likeness {likeness:.2f}"
            )
        words = plain(header).split()
        usual = [(name, 0.0) for name, synonyms in _USUAL.items() if set(words) & set(synonyms)]
        return _Proposal(header=header, name="", likeness=0, how="", guesses=tuple((guesses or usual)[:_MANY]))

    def _ids_in(self, header: str) -> list[str]:
        """Return the ids that stand in a heading as words; of a sentence, those of items only."""
        words = [word for word in dict.fromkeys(_WORD.findall(header.casefold())) if word in self.known]
        items = [word for word in words if word in self.instrument.items.ids]
        return items or ([] if " " in header.strip() else words)


def _alike(text: str, names: Mapping[str, str]) -> list[tuple[str, float]]:
    """Return the columns whose texts are most like a text, with the likeness."""
    words = plain(text)
    # Those that share most words are compared letter by letter; all of them would take a minute.
    own = set(words.split())
    likely = sorted(names, key=lambda each: -len(own & set(each.split())))[:_COMPARED]
    near = difflib.get_close_matches(words, likely, n=_MANY, cutoff=_GUESSED)
    found = [(names[each], difflib.SequenceMatcher(None, each, words).ratio()) for each in near]
    return list({name: (name, likeness) for name, likeness in reversed(found)}.values())[::-1]


def _unique(proposals: Sequence[_Proposal]) -> list[_Proposal]:
    """Return the proposals with each column proposed once: for the heading with the best evidence."""
    best: dict[str, _Proposal] = {}
    for each in proposals:
        if each.name and (each.name not in best or each.likeness > best[each.name].likeness):
            best[each.name] = each
    return [
        each
        if not each.name or best[each.name] is each
        else replace(
            each, name="", how=f"{best[each.name].header!r} fits better", guesses=((each.name, each.likeness),)
        )
        for each in proposals
    ]


def _column_lines(proposal: _Proposal) -> Iterator[str]:
    header = _quoted(proposal.header)
    if proposal.name == proposal.header:
        return
    if proposal.name:
        yield f"{header} = {_quoted(proposal.name)}  # {proposal.how}"
    elif is_personal(proposal.header):
        yield f'{header} = ""  # it may name people'
    elif proposal.guesses:
        for name, likeness in proposal.guesses:
            why = proposal.how or (f"a guess, likeness {likeness:.2f}" if likeness else "a guess by the heading")
            yield f"# {header} = {_quoted(name)}  # {why}"
    else:
        yield f'# {header} = ""  # not recognised; kept as text unless it is mapped'


def _value_lines(name: str, table: RawTable, headers: Mapping[str, str], instrument: Instrument) -> Iterator[str]:
    """Yield the section of a response scale: the values of its columns that are no answers yet."""
    scale = instrument.response_scales[name]
    columns = [
        table.columns[table.names.index(headers[column])]
        for column, of in _scales(instrument).items()
        if of == name and column in headers
    ]
    if not columns:
        return
    whole = WHOLE_COMMA if table.decimal_comma else WHOLE
    answers = Answers.of_scale(scale)
    texts = dict.fromkeys(text.strip() for column in columns for text in column.texts)
    unread = [text for text in texts if text not in BLANKS and answers.meaning(text, whole).fault]
    shift = shift_of_codes(columns, scale, whole)
    if not unread and not shift:
        return
    yield ""
    yield f'[values.{name}]  # value in the file = code ({", ".join(map(str, scale.labels))}); "" is a blank'
    if shift:
        yield f"# The file counts from {scale.low + shift}, the definition from {scale.low}."
        yield from (f'"{code + shift}" = {code}' for code in scale.codes)
        unread = [text for text in unread if text not in {str(code + shift) for code in scale.codes}]
    labels = {plain(label): str(code) for code, text in scale.labels.items() for label in text.values()}
    for text in unread:
        alike = _alike(text, labels)
        if alike and alike[0][1] >= _PROPOSED:
            yield f"{_quoted(text)} = {alike[0][0]}  # a similar label, likeness {alike[0][1]:.2f}"
        elif alike:
            told = ", ".join(f"{code} ({likeness:.2f})" for code, likeness in alike)
            yield f'# {_quoted(text)} = ""  # guesses by likeness: {told}'
        else:
            yield f'# {_quoted(text)} = ""  # not recognised'


def _quoted(text: str) -> str:
    """Return a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
