"""Several files read together: which is which wave, whose ids are whose, and what stands in two of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from instrument.checking import CheckedTable
from instrument.definition import Instrument
from instrument.ledger import with_remarks
from instrument.responses import question_columns
from instrument.tables import Fault, shown

_MOST = 3  # repeated ids of one pair of files that are told one by one
_NAMED = 5  # ids that one message names
_DAY = r"\d{4}-\d{2}-\d{2}"


# Waves


def with_waves_told(checked: Sequence[CheckedTable], instrument: Instrument) -> list[CheckedTable]:
    """Return the files with what their ledgers say of waves: which they are, why, and when people answered.

    A question that is asked at the follow-up only, and was answered in the first of several waves, is told too.
    """
    waves = sorted({int(wave) for check in checked for wave in check.people["wave"]})
    told = []
    for check in checked:
        here = sorted({int(wave) for wave in check.people["wave"]})
        span = _span(_days(check))
        days = f" (answers of {span})" if span else ""
        if "wave" in check.table.names:
            ledger = check.ledger.copy()
            row = ledger["column"].eq("wave") & ledger["became"].eq("key")
            note = f"{_waves(here)}, as the file says{days}"
            more = f"answers of {span}" if span else ""
            ledger.loc[row, "note"] = [_and(text, more) if text else note for text in ledger.loc[row, "note"]]
        else:
            why = "by its place among the files" if len(checked) > 1 else "as the file does not say the wave"
            ledger = with_remarks(check.ledger, check.table, [("(wave)", f"{_waves(here)}, {why}{days}")])
        early = _answered_early(check, instrument, waves[0]) if len(waves) > 1 else []
        told.append(replace(check, ledger=with_remarks(ledger, check.table, early)))
    return told


def backward_waves(checked: Sequence[CheckedTable]) -> list[str]:
    """Return a fault for each wave whose answers are all older than those of the wave before it.

    It would look like a finding: what changed would change its sign.
    """
    days: dict[int, list[pd.Series]] = {}
    files: dict[int, list[CheckedTable]] = {}
    for check in checked:
        every = _days(check)
        wave = check.people["wave"]
        for number in sorted({int(each) for each in wave.dropna()}):
            days.setdefault(number, []).append(every[(wave == number).to_numpy(dtype=bool, na_value=False)])
            files.setdefault(number, []).append(check)
    dated = {number: every for number in sorted(days) if len(every := pd.concat(days[number]).dropna())}
    faults = []
    for first, second in pairwise(dated):
        if dated[second].max() >= dated[first].min():
            continue
        early, late = _span(dated[second]), _span(dated[first])
        by_place = [check.table.file for check in files[first] if "wave" not in check.table.names]
        if by_place:
            others = ", ".join(check.table.file for check in files[second])
            faults.append(
                f"{by_place[0]}: read as wave {first} because it was named first, but its answers ({late}) are later than "
                f"those of wave {second} ({others}: {early}); name the earlier file first, or add a column `wave`"
            )
        else:
            faults.append(
                f"{files[second][0].table.file}: wave {second} was answered before wave {first} ({early}; wave {first}: "
                f"{late}); correct the column wave, or the dates"
            )
    return faults


def _days(check: CheckedTable) -> pd.Series:
    """Return the day of each answer, missing where there is none or none that begins with its year."""
    if "date" not in check.people:
        return pd.Series(pd.NaT, index=range(len(check.index)), dtype="datetime64[ns]")
    texts = check.people["date"].astype("string").str.extract(f"^({_DAY})", expand=False)
    return pd.to_datetime(texts, errors="coerce", format="%Y-%m-%d").reset_index(drop=True)


def _span(days: pd.Series) -> str:
    """Return the first and last day in words, "" if there is none."""
    if not days.notna().any():
        return ""
    first, last = f"{days.min():%Y-%m-%d}", f"{days.max():%Y-%m-%d}"
    return first if first == last else f"{first} to {last}"


def _waves(numbers: Sequence[int]) -> str:
    return f"wave{'s' if len(numbers) > 1 else ''} {', '.join(map(str, numbers)) or 'none'}"


def _and(text: str, note: str) -> str:
    return "; ".join(filter(None, (text, note)))


def _answered_early(check: CheckedTable, instrument: Instrument, first: int) -> list[tuple[str, str]]:
    """Return the questions of the follow-up that were answered in the first wave."""
    people = check.people[(check.people["wave"] == first).to_numpy(dtype=bool, na_value=False)]
    found = []
    for question in instrument.questions:
        columns = [name for name in question_columns(question, instrument) if name in people]
        if question.asked == "follow-up" and columns and people[columns].notna().any(axis=None):
            count = int(people[columns].notna().any(axis=1).sum())
            found.append(f"{question.id} {count}")
    if not found:
        return []
    note = (
        f"asked at the follow-up only, but answered in wave {first}, before other waves ({', '.join(found)} answers): are "
        "the files in the right order?"
    )
    return [("(follow-up)", note)]


# Ids


def with_own_ids(checked: Sequence[CheckedTable]) -> list[CheckedTable]:
    """Return the files with ids that a platform counted by itself called by their file, where another file has them.

    LimeSurvey and REDCap number from 1 in every survey: equal numbers in two files are not the same response, nor,
    without a word of the user, the same person. Two files of one REDCap project say so by their events, which
    make the responses differ: there a record is the same person.
    """
    renamed = list(checked)
    for at, check in enumerate(checked):
        others = [other for place, other in enumerate(checked) if place != at]
        if not check.table.counted:
            continue
        response = _shared(check.index, [other.index for other in others])
        person = _shared(check.people["person"], [other.people["person"] for other in others])
        one_project = "event" in check.table.counted and not response.any()
        told: list[tuple[str, str]] = []
        people = check.people
        index = check.index
        if response.any() and "response" in check.table.counted:
            index = pd.Index(f"{check.stem}:" + check.index.to_series().astype("string"), name="response")
            count = int(response.sum())
            note = f"{count} of the platform's own numbers stand in another file too: responses are called {index[0]} …"
            told.append(("(response)", note))
        if "person" not in check.table.names:
            people = people.assign(person=index)
        elif person.any() and "person" in check.table.counted and not one_project:
            names = f"{check.stem}:" + check.people["person"].astype("string")
            people = people.assign(person=names)
            note = (
                f"{check.people['person'][person].nunique()} record numbers stand in another file too, and nothing shows "
                f"that both files are of one project: people are called {names.iloc[0]} …, and nobody is linked. To link "
                "them, give both files a column `person`, or use `pwiq link` with the codes that people made"
            )
            told.append(("(person)", note))
        elif person.any() and one_project:
            count = check.people["person"][person].nunique()
            note = f"{count} record numbers stand in another file too, with other events: taken as the same people of one project"
            told.append(("(person)", note))
        renamed[at] = replace(
            check,
            index=index,
            answers=check.answers.set_axis(index),
            off_scale=check.off_scale.set_axis(index),
            people=people.set_axis(index),
            ledger=with_remarks(check.ledger, check.table, told),
        )
    return renamed


def _shared(values: Any, others: Sequence[Any]) -> npt.NDArray[np.bool_]:
    """Return which values stand in another file too."""
    there: set[Any] = set().union(*(set(other.dropna()) for other in others))
    return np.array([each in there for each in values], dtype=bool)


def repeated_responses(checked: Sequence[CheckedTable]) -> Iterator[tuple[CheckedTable, Fault]]:
    """Yield a fault for each response whose id has come before; many of one pair of files are one fault."""
    # A plain table may have been made of an export, one file at a time; the exports themselves tell such ids apart.
    plain = (
        "each response needs its own id; where a platform counted them in two surveys, read both exports together "
        "(pwiq read FIRST SECOND), which tells them apart"
    )
    same = "each response needs its own id; is one file a copy, or a later export, of the other? Give one of them"
    keys = [(check.index.to_numpy(dtype=object),) for check in checked]
    for check, repeats in _by_files(checked, keys):
        if len(repeats) <= _MOST:
            for at, first in repeats:
                value = shown(str(check.index[at]))
                message = f"{value} is also the response of {first}; each response needs its own id"
                yield check, Fault(int(check.table.rows[at]), "response", message)
            continue
        at, first = repeats[0]
        named = _some([shown(str(check.index[other])) for other, _ in repeats[1:]])
        message = (
            f"{shown(str(check.index[at]))} is also the response of {first}, and so with {len(repeats) - 1} more ({named}); "
            f"{plain if check.table.platform == 'canonical' else same}"
        )
        yield check, Fault(int(check.table.rows[at]), "response", message)


def repeated_people(checked: Sequence[CheckedTable]) -> Iterator[tuple[CheckedTable, Fault]]:
    """Yield a fault for each person who answers a wave again; many of one pair of files are one fault."""
    remedy = "allowed is one response a person and wave; remove one, or correct person or wave"
    keys = [tuple(check.people[name].to_numpy(dtype=object) for name in ("person", "wave")) for check in checked]
    for check, repeats in _by_files(checked, keys):
        person, wave = check.people["person"], check.people["wave"]
        if len(repeats) <= _MOST:
            for at, first in repeats:
                message = f"{shown(person.iloc[at])} has answered wave {wave.iloc[at]} in {first} already; {remedy}"
                yield check, Fault(int(check.table.rows[at]), "person", message)
            continue
        at, first = repeats[0]
        named = _some([shown(person.iloc[other]) for other, _ in repeats[1:]])
        message = (
            f"{shown(person.iloc[at])} has answered wave {wave.iloc[at]} in {first} already, and so with {len(repeats) - 1} "
            f"more ({named}); {remedy}"
        )
        yield check, Fault(int(check.table.rows[at]), "person", message)


def _some(names: Sequence[str]) -> str:
    return f"{', '.join(names[:_NAMED])}{', …' if len(names) > _NAMED else ''}"


def _by_files(
    checked: Sequence[CheckedTable], keys: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[CheckedTable, list[tuple[int, str]]]]:
    """Yield a file and the repeats in it of what stands in one file (itself or an earlier one): position and place."""
    pairs: dict[tuple[int, int], list[tuple[int, str]]] = {}
    for table, at, origin, place in _repeats(checked, keys):
        pairs.setdefault((table, origin), []).append((at, place))
    for (table, _), repeats in pairs.items():
        yield checked[table], repeats


def _repeats(checked: Sequence[CheckedTable], keys: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, int, int, str]]:
    """Yield each row whose key has come before: its table, its position, the table of the first, and its place."""
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
        place = f"{origin.file}:{origin.rows[position[before]]}"
        yield int(table[at]), int(position[at]), int(table[before]), place
