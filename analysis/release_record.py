"""The record of releases: two reports that together tell what a few people said are not both given out.

The evaluator keeps the record beside the data, not in a report. It holds, for each group of people that was
shown, one keyed fingerprint a response: enough to see whether groups of two reports overlap, and nothing
of what was answered.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.disclosure import FLOORS, Audience
from instrument.files import write_whole
from instrument.responses import Responses

FILE = "pwiq-releases.jsonl"
"""How the record is called: in the folder in which the report's folder lies."""

_MOST_LEFT_OVER = 60
"""Small remainders up to which every combination of them is tried; beyond, single ones and pairs."""

Groups = Mapping[str, Sequence[str]]
"""What is shown of whom: a label such as "wave 1, P" → one text a response (`released_groups`)."""


class ReleaseRefusedError(ValueError):
    """A report that, with an earlier one, would tell of fewer people than are ever shown."""


@dataclass(frozen=True, kw_only=True)
class EarlierRelease:
    """One report that was given out: its number, date and audience, and the fingerprints of each group."""

    number: int
    made: str
    audience: Audience
    groups: Mapping[str, frozenset[str]]


def released_groups(responses: Responses, shown: Mapping[str, str] | None = None) -> dict[str, list[str]]:
    """Return the groups of people that a report shows: each wave, and in it each group of forms.

    Parameters
    ----------
    responses : Responses
        As admitted to the report.
    shown : mapping, optional
        Form → the group it is shown in (`release.shown_forms`); default: everyone together only.

    Returns
    -------
    dict
        Label → one text a response, made of all that was answered and nothing of who answered (no person, no
        wave, no order): the same answers give the same texts in whatever file they come.
    """
    given = [responses.answers, responses.off_scale.add_suffix(" beside the scale")]
    codes = {question.id for question in responses.instrument.questions if question.role in ("code", "system")}
    people = responses.people.drop(columns=[*codes, "person", "wave"], errors="ignore")
    whole = pd.concat([*given, people], axis=1)
    whole = whole[sorted(whole.columns)].astype("string").fillna("")
    texts = pd.Series(
        ["\x1f".join(row) for row in whole.to_numpy(dtype=object).tolist()], index=whole.index, dtype=object
    )
    # Two people may have given the very same answers: they are still two.
    again = texts.groupby(texts).cumcount().astype(str)
    texts = texts + "\x1e" + again
    groups: dict[str, list[str]] = {}
    waves = responses.people["wave"]
    for wave in sorted(waves.unique()):
        groups[f"wave {wave}"] = texts[waves == wave].tolist()
        if shown is not None and "form" in responses.people:
            of = responses.people["form"].map(dict(shown))
            for group in sorted(of[waves == wave].dropna().unique()):
                groups[f"wave {wave}, {group}"] = texts[(waves == wave) & (of == group)].tolist()
    return {label: rows for label, rows in groups.items() if rows}


def check_releases(record: str | Path, groups: Groups, audience: Audience, withdraw: int | None = None) -> None:
    """Refuse a report that would, with an earlier one, tell of a few people.

    Parameters
    ----------
    record : str or path
        The record of releases; no file yet means no earlier report.
    groups : mapping
        As `released_groups` returns them.
    audience : {"internal", "external", "researcher"}
        Who may read it. The same wave may not come back with a few answers more or less, counted by the stricter floor
        of both reports. Groups within groups are counted by reader: outside, the reports for outside (floor 10);
        inside, all of them (floor 5).
    withdraw : int, optional
        Number of an earlier report that has been called back; it no longer counts.

    Raises
    ------
    ReleaseRefusedError
        If two groups differ in 1 to floor − 1 people, or so few people are left over when groups that were shown
        are subtracted from one another. The text says which report it is about and what to do.
    ValueError
        If the record cannot be read, or ``withdraw`` is no report of it.

    Notes
    -----
    People who are in exactly the same groups are one atom. A set of fewer than floor people is told if its indicator
    lies in the row space of the matrix groups × atoms: then sums over it follow from those shown, by adding
    and subtracting. The same answers again are no difference, and new ones of at least floor people are none either.
    """
    if audience not in FLOORS:
        raise ValueError(f"audience must be one of {', '.join(FLOORS)}; got {audience!r}")
    _require_usable(Path(record))
    earlier, salt = _read(Path(record))
    if withdraw is not None:
        if withdraw not in {release.number for release in earlier}:
            raise ValueError(_no_such_report(withdraw, earlier))
        earlier = [release for release in earlier if release.number != withdraw]
    now = _fingerprints(groups, salt)
    for release in earlier:  # the same wave with a few more answers: the stricter floor of the two reports
        for label in set(now) & set(release.groups):
            floor = max(FLOORS[audience], FLOORS[release.audience])
            _refuse_small_difference(release, label, now[label], label, release.groups[label], floor)
    # Groups within groups: readers outside hold reports for outside alone, people inside may hold all of them. A group of 7
    # that people inside were shown is no secret from them, and one for outside shows it to nobody.
    for floor in sorted({floor for floor in FLOORS.values() if floor <= FLOORS[audience]}):
        held = [release for release in earlier if FLOORS[release.audience] >= floor]
        _refuse_what_readers_could_tell(held, now, floor)


def _refuse_what_readers_could_tell(held: Sequence[EarlierRelease], now: dict[str, frozenset[str]], floor: int) -> None:
    """Refuse if readers who hold these reports and the new one could tell of fewer than floor people."""
    for release in held:
        # Only groups that share somebody are compared: with thousands of teams, few pairs of them do.
        groups_of: dict[str, list[str]] = {}
        for name, before in release.groups.items():
            for person in before:
                groups_of.setdefault(person, []).append(name)
        for label, people in now.items():
            for name in dict.fromkeys(name for person in people for name in groups_of.get(person, ())):
                _refuse_small_difference(release, label, people, name, release.groups[name], floor)
    if held:
        _refuse_small_remainders(held, now, floor)


def note_release(
    record: str | Path, groups: Groups, audience: Audience, withdraw: int | None = None, made: date | None = None
) -> int:
    """Write down that a report was made; return its number.

    Parameters
    ----------
    record, groups, audience, withdraw
        As for `check_releases`, which is called first: what it refuses is not noted.
    made : datetime.date, optional
        Default: today.

    Returns
    -------
    int
        The report's number in the record, by which it can be withdrawn.

    Raises
    ------
    ReleaseRefusedError, ValueError
        As `check_releases`.
    """
    path = Path(record)
    check_releases(path, groups, audience, withdraw)
    on = (made or date.today()).isoformat()
    if path.exists():
        text = path.read_text(encoding="utf-8")
        earlier, salt = _read(path, withdrawn_too=True)
    else:
        earlier, salt = [], secrets.token_hex(32)
        text = _line({"record": "releases", "version": 1, "salt": salt})
    if withdraw is not None:
        text += _line({"withdrawn": withdraw, "on": on})
    number = max((release.number for release in earlier), default=0) + 1
    prints = {label: sorted(people) for label, people in _fingerprints(groups, salt).items()}
    text += _line({"report": number, "made": on, "audience": audience, "groups": prints})
    write_whole(path, text)
    path.chmod(0o600)
    return number


def read_releases(record: str | Path) -> list[EarlierRelease]:
    """Return the reports of a record that have not been withdrawn; an empty list if there is no record."""
    return _read(Path(record))[0]


def _require_usable(path: Path) -> None:
    """Refuse, before a report is made, a record that could not be written when it is finished."""
    if path.is_symlink() or (path.exists() and not path.is_file()):
        raise ValueError(f"the record {path} is a link, a folder or a device: name a file (--record)")
    if path.exists() and not os.access(path, os.W_OK):
        raise ValueError(f"the record {path} cannot be written to: allow it, or name the one that is kept (--record)")


def _line(entry: dict[str, Any]) -> str:
    return json.dumps(entry, ensure_ascii=False) + "\n"


def _read(path: Path, *, withdrawn_too: bool = False) -> tuple[list[EarlierRelease], str]:
    if not path.exists():
        return [], secrets.token_hex(32)
    try:
        entries = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]
        salt = entries[0]["salt"]
        bytes.fromhex(salt)
        if not all(isinstance(entry, dict) for entry in entries):
            raise TypeError("each line is a table")
        withdrawn = {entry["withdrawn"] for entry in entries[1:] if "withdrawn" in entry}
        releases = [
            EarlierRelease(
                number=entry["report"],
                made=entry["made"],
                audience=entry["audience"],
                groups={label: frozenset(people) for label, people in entry["groups"].items()},
            )
            for entry in entries[1:]
            if "report" in entry
        ]
    except (KeyError, IndexError, TypeError, ValueError, AttributeError) as fault:
        raise ValueError(
            f"{path.name} is no record of releases, or was changed by hand: put back the copy that the last report wrote. "
            "Without it nobody can say whether a new report gives single people away."
        ) from fault
    unknown = [release for release in releases if release.audience not in FLOORS]
    if unknown:
        raise ValueError(f"{path.name}: report {unknown[0].number} is for an unknown audience {unknown[0].audience!r}")
    return [release for release in releases if withdrawn_too or release.number not in withdrawn], salt


def _fingerprints(groups: Groups, salt: str) -> dict[str, frozenset[str]]:
    key = bytes.fromhex(salt)
    known: dict[str, str] = {}

    def fingerprint(text: str) -> str:
        if text not in known:
            known[text] = hmac.new(key, text.encode("utf-8"), hashlib.sha256).hexdigest()
        return known[text]

    return {label: frozenset(map(fingerprint, rows)) for label, rows in groups.items()}


def _refuse_small_difference(
    release: EarlierRelease, label: str, people: frozenset[str], name: str, before: frozenset[str], floor: int
) -> None:
    if not people & before:
        return
    lost, new = len(before - people), len(people - before)
    if not 0 < lost + new < floor:
        return
    if lost and new:
        what = f"shares all but {lost + new} answers with what this report shows of {label}"
    elif new:
        what = f"was made of all but {new} of the answers of {label}"
    else:
        what = f"was made of {lost} more answers than this one has of {label}"
    raise ReleaseRefusedError(
        f"The report of {release.made} (number {release.number}: {name}) {what}: both together would tell what "
        f"{'this one' if lost + new == 1 else f'these {lost + new}'} said. {_remedy(release, floor - lost - new)}"
    )


def _refuse_small_remainders(earlier: Sequence[EarlierRelease], now: dict[str, frozenset[str]], floor: int) -> None:
    """Refuse if adding and subtracting groups of several reports leaves a few people over."""
    groups = [*now.values()]
    others = [people for release in earlier for people in release.groups.values()]
    # Whatever hangs together with this report, even through a third one: all teams link one team to another.
    reached: frozenset[str] = frozenset().union(*groups)
    while True:
        near = [people for people in others if people & reached]
        if not near:
            break
        others = [people for people in others if not people & reached]
        groups += near
        reached = reached.union(*near)
    groups = list(dict.fromkeys(groups))
    members: dict[str, list[int]] = {}
    for place, group in enumerate(groups):
        for person in group:
            members.setdefault(person, []).append(place)
    atoms: dict[tuple[int, ...], int] = {}
    for places in members.values():
        atoms[tuple(places)] = atoms.get(tuple(places), 0) + 1
    sizes = np.array(list(atoms.values()))
    if (sizes >= floor).all():  # whatever is left over is enough
        return
    matrix = np.zeros((len(groups), len(atoms)))
    for column, within in enumerate(atoms):
        matrix[list(within), column] = 1
    onto = np.linalg.pinv(matrix) @ matrix
    small = np.flatnonzero(sizes < floor)
    most = floor - 1 if len(small) <= _MOST_LEFT_OVER else 2
    for k in range(1, most + 1):
        for some in combinations(small, k):
            left = int(sizes[list(some)].sum())
            if left >= floor:
                continue
            indicator = np.zeros(len(sizes))
            indicator[list(some)] = 1
            if np.allclose(onto @ indicator, indicator, atol=1e-7):
                last = max((release for release in earlier), key=lambda release: release.number)
                raise ReleaseRefusedError(
                    f"This report and the earlier ones (the last of {last.made}, number {last.number}) show groups of which, "
                    f"added and subtracted, {left} {'person is' if left == 1 else 'people are'} left over: together they "
                    f"would tell what {'this one' if left == 1 else f'these {left}'} said. {_remedy(last, floor - left)}"
                )


def _remedy(release: EarlierRelease, missing: int) -> str:
    return (
        f"Give out the earlier report instead, wait for at least {missing} more answers, or withdraw the earlier "
        f"report (number {release.number}) and make sure that nobody still has it."
    )


def _no_such_report(withdraw: int, earlier: Sequence[EarlierRelease]) -> str:
    numbers = ", ".join(f"{release.number} ({release.made})" for release in earlier)
    return f"there is no report number {withdraw} to withdraw; the record has {numbers or 'none'}"
