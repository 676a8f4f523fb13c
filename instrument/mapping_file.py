"""A mapping file: which column of a foreign file is which question, and which value which code.

`instrument.mapping_proposal` writes one by evidence, to be corrected by hand and kept; `instrument.mapping` applies it.

::

    instrument = "pwiq"

    [columns]                                  # heading in the file = column of the questionnaire, "" leaves it out
    "Q7_roleaf" = "roleaf"
    "Which parts did you take part in?" = "progparts"  # several answers in one cell
    "Your e-mail" = ""

    [values.agree]                             # by response scale: value in the file = code, "" is a blank
    "Agree completely" = 5
    "-99" = ""

    [values.form]
    "I am a peer worker" = "P"
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from instrument.definition import Instrument
from instrument.platforms.answers import known_columns
from instrument.responses import question_columns
from instrument.tables import shown

_KEYS = ("instrument", "version", "columns", "values")
_MANY = 3  # near names told


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
    instrument : Instrument
        What the columns belong to.
    columns : mapping
        Heading → column, or the id of a question with several answers; "" leaves it out.
    values : mapping
        Column or question → value in the file, stripped and in small letters → code, "" for a blank.
    """

    file: str
    instrument: Instrument
    columns: Mapping[str, str]
    values: Mapping[str, Mapping[str, str]] = field(default_factory=dict)


def read_mapping(path: str | Path, instrument: Instrument) -> AnswerMapping:
    r"""Read a mapping file and refuse it if anything in it is wrong.

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

    Examples
    --------
    >>> import tempfile
    >>> from instrument import read_instrument
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = Path(folder, "mapping.toml")
    ...     _ = path.write_text('[columns]\n"Question 1" = "roleaf"\n', encoding="utf-8")
    ...     read_mapping(path, read_instrument("pwiq")).columns
    {'Question 1': 'roleaf'}
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
        twice = [f"{path.name}:{number}: {message}" for number, message in _stated_twice(source)]
        raise MappingError(twice or [f"{path.name}: this is not TOML: {error}"]) from None
    lines = _lines(source)
    found = sorted(
        [*_head_faults(table, instrument), *_column_faults(table, instrument), *_value_faults(table, instrument)],
        key=lambda fault: lines.get(fault[0], 1),
    )
    if found:
        raise MappingError([f"{path.name}:{lines.get(place, 1)}: {message}" for place, message in found])
    return AnswerMapping(
        file=path.name,
        instrument=instrument,
        columns=table.get("columns", {}),
        values=_by_column(table.get("values", {}), instrument),
    )


_Place = tuple[str, ...]
_Found = Iterator[tuple[_Place, str]]


def _places(source: str) -> Iterator[tuple[int, _Place, bool]]:
    """Yield number, section and key of each line, and whether it opens a section. Each key has a line of its own."""
    section: _Place = ()
    for number, text in enumerate(source.split("\n"), start=1):
        try:
            parsed = tomllib.loads(text)
        except (ValueError, RecursionError):
            continue
        if text.lstrip().startswith("["):
            section = tuple(_path(parsed))
            yield number, section, True
        else:
            for key in parsed:
                yield number, (*section, key), False


def _lines(source: str) -> dict[_Place, int]:
    """Return section and key → line."""
    lines: dict[_Place, int] = {}
    for number, place, _ in _places(source):
        lines.setdefault(place, number)
    return lines


def _stated_twice(source: str) -> Iterator[tuple[int, str]]:
    """Yield what a TOML reader refuses because it stands twice: a heading, a value, a section."""
    first: dict[_Place, int] = {}
    for number, place, opens in _places(source):
        if place not in first:
            first[place] = number
        elif opens:
            name = ".".join(place)
            yield number, f"[{name}] stands in line {first[place]} already; put the lines of both together"
        else:
            what = "the heading" if place[:-1] == ("columns",) else "the value" if place[0] == "values" else "the key"
            yield number, f"{what} {shown(place[-1])} stands in line {first[place]} already; keep one of the two lines"


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
    severals = several_answers(instrument)
    known = (*known_columns(instrument), *severals)
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
    for question, own in severals.items():
        if question in first and (both := [name for name in own if name in first]):
            yield (
                ("columns", first[question]),
                f"{question} stands for all its answers in one cell, but {shown(first[both[0]])} is its answer "
                f"{both[0]}; keep one of the two ways",
            )


def _value_faults(table: Mapping[str, Any], instrument: Instrument) -> _Found:
    values, columns = table.get("values", {}), table.get("columns", {})
    mapped = [name for name in columns.values() if isinstance(name, str)] if isinstance(columns, dict) else []
    scale_of = scales(instrument)
    for name, codes in values.items() if isinstance(values, dict) else ():
        if name == "form" and instrument.forms and isinstance(codes, dict):
            yield from _code_faults(name, codes, instrument.forms.ids, "no form")
            continue
        if name not in instrument.response_scales.ids or not isinstance(codes, dict):
            yield (
                ("values", name),
                f"{name!r} is no response scale; allowed are {', '.join(instrument.response_scales.ids)}",
            )
            continue
        yield from _code_faults(name, codes, tuple(instrument.response_scales[name].labels), f"no code of {name}")
        several = [each for each in several_answers(instrument) if scale_of[each] == name]
        others = [each for each, scale in scale_of.items() if scale == name and each not in several]
        if several and not others and not set(several) & set(mapped):
            yield (
                ("values", name),
                f"{name} is the scale of a question with several answers ({', '.join(several)}): its values are read only "
                f"where one column holds all answers; map that column to {several[0]}. Columns of one answer each hold 1 "
                "(chosen) and 0",
            )


def _code_faults(name: str, codes: Mapping[str, Any], allowed: Sequence[int | str], what: str) -> _Found:
    for value, code in codes.items():
        # A code may stand in quotation marks or not.
        is_code = isinstance(code, int | str) and not isinstance(code, bool) and str(code) in map(str, allowed)
        if code != "" and not is_code:
            yield (
                ("values", name, value),
                f'{code!r} is {what}; allowed are {", ".join(map(str, allowed))}, and "" for a blank',
            )


def _by_column(values: Mapping[str, Mapping[str, int | str]], instrument: Instrument) -> dict[str, dict[str, str]]:
    """Return column or question → value, stripped and in small letters → code."""
    return {
        name: {key(value): str(code) for value, code in values[scale].items()}
        for name, scale in (scales(instrument) | {"form": "form"}).items()
        if scale in values
    }


def several_answers(instrument: Instrument) -> dict[str, tuple[str, ...]]:
    """Return each question that takes several answers → its columns."""
    return {
        question.id: question_columns(question, instrument)
        for question in instrument.questions
        if question.multiple and question.scale is not None
    }


def scales(instrument: Instrument) -> dict[str, str]:
    """Return each closed item and question → its response scale."""
    return {item.id: item.scale for item in instrument.items} | {
        question.id: question.scale for question in instrument.questions if question.scale is not None
    }


def key(value: str) -> str:
    """Return a value of a file as it is compared with those of a mapping."""
    return value.strip().casefold()
