"""What was decided about each item, kept with the definition: `decisions.toml` beside its main file."""

from __future__ import annotations

import datetime as dt
import json
import re
import tomllib
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, NonNegativeInt, PositiveInt, ValidationError, model_validator

from instrument.definition import Instrument, InstrumentError

FILE = "decisions.toml"
Share = Annotated[float, Field(ge=0, le=1)]


class Evidence(BaseModel):
    """What the panel gave: I-CVI of relevance and clarity, and how many rated each."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    relevance: Share
    relevance_n: PositiveInt
    clarity: Share
    clarity_n: PositiveInt


class Decision(BaseModel):
    """One entry of the log.

    Parameters
    ----------
    item : str
        Id of the item; of a new one for "add".
    version : str
        Version of the definition that was rated.
    round : int
        Round after which it was decided; 0 where no panel was asked.
    decision : {"keep", "revise", "drop", "add"}
    reason : str
        Why, in a sentence.
    date : datetime.date
    evidence : Evidence, optional
        Needed for "keep", "revise" and "drop" after a round of a panel.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    item: Annotated[str, Field(pattern=r"^[a-z][a-z0-9]{1,14}$")]
    version: Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
    round: NonNegativeInt
    decision: Literal["keep", "revise", "drop", "add"]
    reason: Annotated[str, Field(pattern=r"\S")]
    date: dt.date
    evidence: Evidence | None = None

    @model_validator(mode="after")
    def _has_evidence(self) -> Decision:
        if self.round and self.decision != "add" and self.evidence is None:
            raise ValueError("evidence is missing: give relevance, relevance_n, clarity, clarity_n of the round")
        return self


def read_decisions(definition: str | Path, instrument: Instrument) -> pd.DataFrame:
    """Read the log of decisions that is kept with a definition.

    Parameters
    ----------
    definition : str or path
        As for `read_instrument` (the log is ``decisions.toml`` beside the main file), or the path of a log.
    instrument : Instrument
        Its definition: decisions must speak of its items.

    Returns
    -------
    pandas.DataFrame
        One row a decision, in the order of the file; entries whose ``decision`` is empty are open, and left out. Columns:
        ``item``, ``version``, ``round``, ``decision``, ``reason``, ``date``, ``relevance``, ``relevance_n``, ``clarity``,
        ``clarity_n`` (missing where there is none). Empty where nothing was decided.

    Raises
    ------
    FileNotFoundError
        If there is no such definition.
    InstrumentError
        If the log is not as docs/content-validity.md says; every fault is named.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> len(read_decisions("pwiq", read_instrument("pwiq")))
    0
    """
    path = decisions_path(definition)
    return read_log(path, instrument) if path.exists() else _table([])


def read_log(path: Path, instrument: Instrument) -> pd.DataFrame:
    """Read a log of decisions, whatever its name; else as `read_decisions`.

    Raises
    ------
    InstrumentError
        As `read_decisions`.
    """
    source, of, decided = _parsed(path)
    lines = _lines(source)
    faults = [] if of == instrument.id else [f"it is of {of!r}, not of {instrument.id}"]
    last: dict[str, str] = {}
    for number, entry in decided.items():
        place = f"{entry.item} (line {lines.of(number, 'decision')})"
        if last.get(entry.item) == "drop" and entry.decision != "add":
            faults.append(f'{place}: it was dropped before; decide about it anew with "add"')
        last[entry.item] = entry.decision
    faults += [
        f"{name}: the last decision is {decision!r}, but {instrument.id} {instrument.version} does not have it; "
        "correct the id, or log that it was dropped"
        for name, decision in last.items()
        if decision in ("keep", "revise") and name not in instrument.items.ids
    ]
    if faults:
        raise InstrumentError([f"{path.name}: {fault}" for fault in faults])
    return _table(list(decided.values()))


def _table(decisions: Sequence[Decision]) -> pd.DataFrame:
    rows = [
        entry.model_dump(exclude={"evidence"})
        | (entry.evidence.model_dump() if entry.evidence else dict.fromkeys(Evidence.model_fields, None))
        for entry in decisions
    ]
    columns = [name for name in Decision.model_fields if name != "evidence"] + list(Evidence.model_fields)
    counts = dict.fromkeys(("round", "relevance_n", "clarity_n"), "Int64")
    return pd.DataFrame(rows, columns=columns).astype(counts | {"relevance": "Float64", "clarity": "Float64"})


def decisions_path(definition: str | Path) -> Path:
    """Return where the log of a definition stands, or would stand.

    Raises
    ------
    FileNotFoundError
        If there is no such definition.
    """
    path = Path(definition)
    if path.name == FILE:
        return path
    if not path.exists():
        path = Path(str(resources.files("instrument"))) / str(definition)
        if not path.is_dir() or path.name != str(definition):
            raise FileNotFoundError(
                f"{definition}: no such file or folder, nor a questionnaire that ships with the package (pwiq)"
            )
    return (path if path.is_dir() else path.parent) / FILE


def decision_entry(item: str, version: str, round_number: int, evidence: Evidence | None, hint: str) -> str:
    """Return an entry to be filled in, as TOML; until its `decision` is given it is open."""
    comment = " ".join(hint.split())
    lines = [
        f"# {''.join(c if c.isprintable() else ' ' for c in comment)}",
        "[[decision]]",
        f"item = {json.dumps(item)}",
        f"version = {json.dumps(version)}",
        f"round = {round_number}",
        'decision = ""  # keep, revise, drop or add',
        'reason = ""',
        "# date = 2030-01-31",
    ]
    if evidence is not None:
        shares = ", ".join(f"{name} = {value!r}" for name, value in evidence.model_dump().items())
        lines.append(f"evidence = {{ {shares} }}")
    return "\n".join(lines)


def _parsed(path: Path) -> tuple[str, str, dict[int, Decision]]:
    """Return the text of a log, what it is of, and its entries by number, without those that are open."""
    try:
        source = path.read_text(encoding="utf-8-sig")
        log = tomllib.loads(source)
    except UnicodeDecodeError as error:
        raise InstrumentError([f"{path.name}:1: byte {error.start} is not UTF-8; save the file as UTF-8"]) from None
    except tomllib.TOMLDecodeError as error:
        raise InstrumentError([f"{path.name}: this is not TOML: {error}"]) from None
    lines = _lines(source)
    entries = log.get("decision", [])
    faults = [
        f"{key} is no key of a log; it has instrument and [[decision]]"
        for key in log.keys() - {"instrument", "decision"}
    ]
    if not isinstance(log.get("instrument"), str):
        faults.append('instrument is missing; begin with instrument = "ID"')
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise InstrumentError([f"{path.name}: each entry begins with [[decision]]"])
    decided = {}
    for number, entry in enumerate(entries):
        if entry.get("decision", "") == "":
            continue  # open: half a day's work can be saved and checked
        try:
            decided[number] = Decision.model_validate(entry)
        except ValidationError as error:
            faults += [_in_words(fault, entry, number, lines) for fault in error.errors()]
    if faults:
        raise InstrumentError([f"{path.name}: {fault}" for fault in faults])
    return source, log["instrument"], decided


class _Lines:
    """Finds the line of a key in an entry of a log."""

    def __init__(self, entries: list[dict[str, int]]) -> None:
        self._entries = entries

    def of(self, number: int, key: str) -> int:
        """Return the line of a key, or that on which its entry begins."""
        found = self._entries[number] if number < len(self._entries) else {}
        return found.get(key, found.get("", 1))


def _lines(source: str) -> _Lines:
    entries: list[dict[str, int]] = []
    for number, line in enumerate(source.splitlines(), start=1):
        if re.match(r"\s*\[\[\s*decision\s*\]\]", line):
            entries.append({"": number})
        elif entries and (key := re.match(r"\s*([A-Za-z_]+)\s*=", line)):
            entries[-1].setdefault(key[1], number)
    return _Lines(entries)


_MEANT = {
    "item": "give the id of the item",
    "version": 'give the version that was rated, as "0.2.0"',
    "round": "give the round after which it was decided, 0 without a panel",
    "decision": "write keep, revise, drop or add",
    "reason": "write a sentence",
    "date": "write it without quotation marks: date = 2030-01-31",
    "evidence": "give relevance and clarity (shares from 0 to 1), relevance_n and clarity_n (how many rated)",
}


def _in_words(fault: Any, entry: dict[str, Any], number: int, lines: _Lines) -> str:
    """Return a fault of an entry with its item and line, what is wrong and what to do."""
    location = [str(part) for part in fault["loc"]] or ["evidence"]
    key = location[0]
    place = f"{entry.get('item') or f'entry {number + 1}'} (line {lines.of(number, key)})"
    name = ".".join(location)
    if fault["type"] == "extra_forbidden":
        known = Evidence.model_fields if len(location) > 1 else Decision.model_fields
        return f"{place}: {name} is no key; they are {', '.join(known)}"
    if fault["type"] == "missing" or not fault["loc"]:
        return f"{place}: {name} is missing; {_MEANT[key]}"
    given = fault["input"]
    wrong = "is empty" if isinstance(given, str) and not given.strip() else f"is {given!r}"
    return f"{place}: {name} {wrong}; {_MEANT[key]}"
