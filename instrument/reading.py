"""The one gate through which answers come in, whatever the file."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from instrument.checking import CheckedTable, check_table
from instrument.definition import Instrument, read_instrument
from instrument.responses import ResponseError, Responses
from instrument.tables import Fault, line, read_table, shown


def read_responses(
    path: str | Path | Sequence[str | Path],
    instrument: Instrument | str | Path,
    *,
    platform: Literal["auto", "canonical"] = "auto",
) -> Responses:
    """Read answers from one file or several, and refuse them if any cell is wrong.

    Parameters
    ----------
    path : str, path, or a sequence of them
        ``.csv`` or ``.tsv`` (UTF-8; commas, semicolons or tabs), ``.xlsx``, ``.sav`` or ``.parquet``.
        The first file is wave 1, the second wave 2 and so on, unless a file has a column `wave`.
    instrument : Instrument, str or path
        The questionnaire, or what `read_instrument` finds it by.
    platform : {"auto", "canonical"}, default "auto"
        Both read the columns described below.

    Returns
    -------
    Responses

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ResponseError
        If anything in the files is refused. All faults are named at once, a line each:
        ``FILE:ROW:COLUMN: value, what is allowed, remedy``. Nothing is returned in part.

    Notes
    -----
    Columns, in any order: ``response`` (a unique id; default ``<file>:<row>``), ``person`` (default: the
    response), ``form`` (needed where the definition has several), ``wave`` (1, 2, …), ``organisation``,
    ``team``, ``programme`` (0 or 1: the organisation takes part), the ids of the items and of the other
    questions. A question with several answers has a column of 0 and 1 for each code, named id + code.
    All items that the forms in the file ask must have a column. Other columns are kept as text.

    An answer is a code (``3``, ``3.0``; ``3,0`` too in a file with semicolons) or its label in any language
    of the definition, in small or capital letters. An empty cell, ``NA`` and ``.`` are blanks. Answers beside
    the scale (don't know) are kept apart from blanks in ``off_scale``; for questions other than the items they
    are counted in the ledger only. Nothing else is turned into an answer.

    Rows are those of the file; the header is row 1. In a text file with line breaks inside cells, a row is
    the line on which its record begins. In .sav and Parquet files the first case is row 2. The value labels
    and declared missing values of a .sav file must not contradict the definition.

    The same team name in two organisations means two teams: then every team is called ``organisation/team``.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> responses = read_responses("sample_data/baseline.csv", read_instrument("pwiq"))
    >>> responses.answers.shape[1]
    66
    """
    if platform not in ("auto", "canonical"):
        raise ValueError(f"platform {platform!r} is not known; use 'auto' or 'canonical'")
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(each) for each in path]
    if not paths:
        raise ValueError("no file was given; name at least one file of answers")
    _require_files(paths)
    if not isinstance(instrument, Instrument):
        instrument = read_instrument(instrument)
    labels = _labels(paths)
    checked: list[CheckedTable] = []
    faults: list[str] = []
    for wave, (each, (file, stem)) in enumerate(zip(paths, labels, strict=True), start=1):
        try:
            table = read_table(each, file=file, known=instrument.items.ids)
            checked.append(check_table(table, instrument, wave=wave, stem=stem))
        except ResponseError as error:
            faults += error.faults
    repeated = [*_repeated_responses(checked), *_repeated_people(checked)]
    for check in checked:
        found = sorted(check.faults + tuple(fault for owner, fault in repeated if owner is check), key=_by_row)
        faults += [line(check.table.file, fault) for fault in found]
    if faults:
        raise ResponseError(faults)
    return _joined(checked, instrument)


def _by_row(fault: Fault) -> int:
    return fault.row


def _require_files(paths: Sequence[Path]) -> None:
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)}: no such file; check the name and the folder")
    # Reading a pipe or a device may never end.
    if odd := [str(path) for path in paths if not path.is_file() and not path.is_dir()]:
        raise ResponseError(
            [f"{each}: this is a pipe or a device, not a file; save the answers as a file" for each in odd]
        )


def _labels(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Return for each file its name in messages, and its name in the ids of responses; both differ by file."""
    if len({path.resolve() for path in paths}) < len(paths):
        twice = next(path for at, path in enumerate(paths) if path.resolve() in [p.resolve() for p in paths[:at]])
        raise ResponseError([f"{twice.name}: the same file is given twice; name each file once"])
    parts = [path.resolve().parts for path in paths]
    length = next(n for n in range(1, max(map(len, parts)) + 1) if len({each[-n:] for each in parts}) == len(parts))
    names = ["/".join(each[-length:]) for each in parts]
    stems = [name.removesuffix(path.suffix) for name, path in zip(names, paths, strict=True)]
    return list(zip(names, stems if len(set(stems)) == len(stems) else names, strict=True))


def _repeated_responses(checked: Sequence[CheckedTable]) -> Iterator[tuple[CheckedTable, Fault]]:
    keys = [(check.index.to_numpy(dtype=object),) for check in checked]
    for check, at, first in _repeats(checked, keys):
        value = shown(str(check.index[at]))
        yield (
            check,
            Fault(
                int(check.table.rows[at]),
                "response",
                f"{value} is also the response of {first}; each response needs its own id",
            ),
        )


def _repeated_people(checked: Sequence[CheckedTable]) -> Iterator[tuple[CheckedTable, Fault]]:
    keys = [tuple(check.people[name].to_numpy(dtype=object) for name in ("person", "wave")) for check in checked]
    for check, at, first in _repeats(checked, keys):
        person, wave = check.people["person"].iloc[at], check.people["wave"].iloc[at]
        yield (
            check,
            Fault(
                int(check.table.rows[at]),
                "person",
                f"{shown(person)} has answered wave {wave} in {first} already; allowed is one response a person and "
                "wave; remove one, or correct person or wave",
            ),
        )


def _repeats(
    checked: Sequence[CheckedTable], keys: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[CheckedTable, int, str]]:
    """Yield each row whose key has come before: its table, its position, and the place of the first."""
    if not checked:
        return
    columns = [np.concatenate(parts) for parts in zip(*keys, strict=True)]
    frame = pd.DataFrame(dict(enumerate(columns)), dtype=object)
    table = np.repeat(np.arange(len(checked)), [len(check.table.rows) for check in checked])
    position = np.concatenate([np.arange(len(check.table.rows)) for check in checked])
    usable = frame.notna().all(axis=1).to_numpy()
    first: dict[tuple[Any, ...], int] = {}
    for at in np.flatnonzero(frame.duplicated(keep=False).to_numpy() & usable).tolist():
        key = tuple(frame.iloc[at])
        if key not in first:
            first[key] = at
            continue
        before = first[key]
        origin = checked[table[before]].table
        yield checked[table[at]], int(position[at]), f"{origin.file}:{origin.rows[position[before]]}"


def _joined(checked: Sequence[CheckedTable], instrument: Instrument) -> Responses:
    people = _join_people(checked, instrument)
    people, note = _nest_teams(people)
    ledger = pd.concat([check.ledger for check in checked], ignore_index=True)
    if note:
        team = ledger["column"].eq("team") & ledger["became"].eq("key")
        ledger.loc[team, "note"] = note
    return Responses(
        instrument=instrument,
        answers=pd.concat([check.answers for check in checked]),
        people=people.astype({"wave": "int64"}),
        off_scale=pd.concat([check.off_scale for check in checked]),
        ledger=ledger,
    )


def _join_people(checked: Sequence[CheckedTable], instrument: Instrument) -> pd.DataFrame:
    """Return the rows of all files; a column that a file lacks is missing there."""
    types: dict[str, Any] = {}
    for check in checked:
        types |= check.people.dtypes.to_dict()
    known = ["person", "wave", "form", "organisation", "team", "programme"]
    order = [name for name in known if name in types]
    for question in instrument.questions:
        order += [name for name in types if name == question.id and name not in order]
        if question.multiple:
            scale = instrument.response_scales[str(question.scale)]
            order += [name for code in scale.labels if (name := f"{question.id}{code}") in types]
    order += [name for name in types if name not in order]
    parts = []
    for check in checked:
        part = check.people.copy()
        for name in set(types) - set(part.columns):
            part[name] = pd.array([pd.NA] * len(part), dtype=types[name])
        parts.append(part[order])
    return pd.concat(parts)


def _nest_teams(people: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return people whose teams are told apart by organisation, and what was done."""
    if "team" not in people or "organisation" not in people:
        return people, ""
    pairs = people[["organisation", "team"]].dropna(subset="team").drop_duplicates()
    if not pairs["team"].duplicated().any():
        return people, ""
    both = people["team"].notna() & people["organisation"].notna()
    named = people["organisation"] + "/" + people["team"]
    return people.assign(team=people["team"].where(~both, named)), (
        "the same name occurs in several organisations: every team is called organisation/team"
    )
