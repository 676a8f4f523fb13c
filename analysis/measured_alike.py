"""Were questions used alike in two blocks of answers? One ladder of invariance, and which items stand in its way."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.invariance import Invariance, invariance
from analysis.sentences import listed
from analysis.structure import FitError

# Fewer teams than this in a block cannot carry standard errors of their own: people then count as independent.
FEWEST_CLUSTERS = 20
# So many items at most are set aside where partial models do not settle it.
_MOST_SET_ASIDE = 2
_LOST = ("rejected", "not judged")


@dataclass(frozen=True, kw_only=True, eq=False)
class Alike:
    """What the ladder said of one set of items.

    Parameters
    ----------
    n : tuple of int
        Complete answers of the two blocks.
    freed : tuple of str
        Items that do not work alike.
    untested : str
        Why nothing can be said; empty where something can.
    unresolved : bool
        Whether items do not all work alike, but it could not be found which, or too few would be left.
    ladder : Invariance or None
        The ladder that decided.
    notes : tuple of str
        What was done to the answers.
    """

    n: tuple[int, int] = (0, 0)
    freed: tuple[str, ...] = ()
    untested: str = ""
    unresolved: bool = False
    ladder: Invariance | None = None
    notes: tuple[str, ...] = ()


def used_alike(
    first: pd.DataFrame,
    second: pd.DataFrame,
    *,
    factors: Mapping[str, Sequence[str]],
    names: tuple[str, str],
    enough: Callable[[Sequence[str]], bool],
    teams: tuple[pd.Series, pd.Series] | None = None,
    min_answers: int = 200,
    min_category: int = 5,
    same_people: bool = False,
) -> Alike:
    """Climb the ladder on two blocks of answers and find the items that do not work alike.

    Parameters
    ----------
    first, second : pandas.DataFrame
        Response × item, codes; rows with a gap are left out.
    factors : mapping
        Factor → its items. No factor may bear the name of an item.
    names : tuple of str
        Of the blocks.
    enough : callable
        Whether a list of items is enough to stand for all.
    teams : tuple of pandas.Series, optional
        The team of each response, on the index of each frame.
    min_answers, min_category : int
        Complete answers a block, and answers in every category once rare ones are joined.
    same_people : bool
        Whether the rows of both are the same people in the same order: then the blocks are one model over time.

    Returns
    -------
    Alike

    Notes
    -----
    Partial invariance by score tests (`analysis.invariance`) names the items. Where its models cannot be fitted with all
    items equal (an item that is far off lets them run away), or no release makes a step hold, the item whose mean moved
    least like those of its factor is set aside, then a second, as long as ``enough`` are left, and the ladder is climbed
    anew. What was set aside counts as freed.

    Examples
    --------
    >>> rng = np.random.default_rng(2)
    >>> behind = rng.normal(size=(600, 1)) + rng.normal(size=(600, 4))
    >>> behind[300:, 3] += 2
    >>> answers = pd.DataFrame(np.digitize(behind, [-2, -0.5, 0.5, 2]), columns=list("abcd"))
    >>> used_alike(
    ...     answers[:300], answers[300:], factors={"TRUST": list("abcd")}, names=("before", "after"),
    ...     enough=lambda items: len(items) >= 3,
    ... ).freed
    ('d',)
    """
    complete = [frame.notna().all(axis=1) for frame in (first, second)]
    if same_people:
        both = complete[0].to_numpy() & complete[1].to_numpy()
        complete = [pd.Series(both, index=frame.index) for frame in (first, second)]
    frames = [frame[rows] for frame, rows in zip((first, second), complete, strict=True)]
    n = (len(frames[0]), len(frames[1]))
    if min(n) < min_answers:
        few = listed(f"{many} {name}" for many, name in zip(n, names, strict=True))
        return Alike(
            n=n, untested=f"a test needs {min_answers} answers to all its questions each time; there are {few}"
        )
    frames, notes, lacking = collapsed(frames, min_category)
    if lacking:
        return Alike(n=n, untested=f"nearly everyone gave one answer to {listed(lacking)}, so that nothing varies")
    clusters = None
    if teams is not None:
        own = [each[rows] for each, rows in zip(teams, complete, strict=True)]
        if all(each.nunique() >= FEWEST_CLUSTERS for each in own):
            clusters = pd.concat(own, ignore_index=True)
        else:
            notes = (*notes, f"fewer than {FEWEST_CLUSTERS} teams: people count as independent")
    answers = pd.concat(frames, ignore_index=True)
    climb = _Climb(answers=answers, names=names, n=n, factors=factors, clusters=clusters, same_people=same_people)
    return _decided(climb, enough, notes)


@dataclass(frozen=True, kw_only=True, eq=False)
class _Climb:
    """One set of answers and how its ladder is climbed."""

    answers: pd.DataFrame
    names: tuple[str, str]
    n: tuple[int, int]
    factors: Mapping[str, Sequence[str]]
    clusters: pd.Series | None
    same_people: bool

    def ladder(self, items: Sequence[str], *, partial: bool) -> Invariance:
        factors = {name: [item for item in own if item in items] for name, own in self.factors.items()}
        blocks = pd.Categorical(np.repeat(self.names, self.n), categories=list(self.names))
        people = pd.Series(np.tile(np.arange(self.n[0]), 2)) if self.same_people else None
        return invariance(
            self.answers[list(items)],
            pd.Series(blocks),
            factors,
            longitudinal=self.same_people,
            people=people,
            partial=partial,
            clusters=self.clusters,
        )


def _decided(climb: _Climb, enough: Callable[[Sequence[str]], bool], notes: tuple[str, ...]) -> Alike:
    items = [item for own in climb.factors.values() for item in own]
    trouble, ladder = "", None
    try:
        ladder = climb.ladder(items, partial=True)
    except FitError as error:
        trouble = f"the models of the test could not be fitted ({error})"
        if str(error).startswith("step configural"):
            return Alike(n=climb.n, untested=trouble, notes=notes)
    except ValueError as error:
        return Alike(n=climb.n, untested=f"the test is not possible ({error})", notes=notes)
    else:
        freed = _freed(ladder, items)
        left = [name for name in items if name not in freed]
        if _holds(ladder) and (not freed or enough(left)):
            return Alike(n=climb.n, freed=freed, ladder=ladder, notes=notes)
    found = _without_the_odd_ones(climb, items, enough)
    if found is not None:
        out, holding = found
        more = f"the ladder holds without {listed(out)} (with all items no model of it held, or none could be fitted)"
        return Alike(n=climb.n, freed=out, ladder=holding, notes=(*notes, more))
    why = trouble or (
        "the questions were not all used alike, and without those that were not, too few are left to compute it anew"
    )
    return Alike(n=climb.n, untested=why, unresolved=True, ladder=ladder, notes=notes)


def _without_the_odd_ones(
    climb: _Climb, items: Sequence[str], enough: Callable[[Sequence[str]], bool]
) -> tuple[tuple[str, ...], Invariance] | None:
    """Set aside the item that moved least like the others, then a second, until the ladder holds; None if it never does."""
    oddness = _oddness(climb)
    kept = list(items)
    for _ in range(_MOST_SET_ASIDE):
        candidates = [item for item in kept if enough([other for other in kept if other != item])]
        if not candidates:
            return None
        odd = max(candidates, key=lambda item: oddness[item])
        kept.remove(odd)
        try:
            ladder = climb.ladder(kept, partial=True)
        except ValueError:  # a set on which no model can be fitted does not hold
            continue
        freed = _freed(ladder, kept)
        left = [item for item in kept if item not in freed]
        if _holds(ladder) and enough(left):
            return tuple(item for item in items if item not in left), ladder
    return None


def _oddness(climb: _Climb) -> pd.Series:
    """Return by item how far its mean's change lies from the median of its factor's items, in standard deviations."""
    answers = climb.answers.astype(float)
    first, second = answers.iloc[: climb.n[0]], answers.iloc[climb.n[0] :]
    change = (second.mean() - first.mean()) / np.sqrt((first.var() + second.var()) / 2)
    return pd.concat([(change[list(own)] - change[list(own)].median()).abs() for own in climb.factors.values()])


def _holds(ladder: Invariance) -> bool:
    """Whether every step holds, or a partial model stands in for it."""
    verdicts = ladder.table["verdict"]
    names = set(verdicts.index)
    return all(f"{name} (partial)" in names for name in verdicts.index[verdicts.isin(_LOST)])


def _freed(ladder: Invariance, items: Sequence[str]) -> tuple[str, ...]:
    """Return the items of which any parameter was let go."""
    parameters = ladder.released.index.get_level_values("parameter")
    named = {word for parameter in parameters for word in re.findall(r"\w+", parameter)}
    return tuple(name for name in items if name in named)


def collapsed(
    frames: Sequence[pd.DataFrame], fewest: int
) -> tuple[list[pd.DataFrame], tuple[str, ...], tuple[str, ...]]:
    """Join answers that too few people gave with the neighbour towards the middle, in both blocks alike.

    Parameters
    ----------
    frames : sequence of pandas.DataFrame
        Response × item, codes, of each block.
    fewest : int
        Answers that every category must have in every block.

    Returns
    -------
    frames, joined, lacking
        The frames, what was joined in words, and the items of which only one answer is left.

    Notes
    -----
    From the ends inwards, so that what was joined can be joined again.

    Examples
    --------
    >>> before = pd.DataFrame({"a": [1] * 2 + [2] * 8 + [3] * 8}, dtype="Int64")
    >>> after = pd.DataFrame({"a": [1] * 9 + [2] * 9 + [3] * 9}, dtype="Int64")
    >>> collapsed([before, after], 5)[1]
    ('a: 1 with 2',)
    """
    joined = [frame.copy() for frame in frames]
    told, lacking = [], []
    for item in frames[0].columns:
        counts = pd.DataFrame([frame[item].value_counts() for frame in frames]).fillna(0).astype(int)
        least = {int(code): int(many) for code, many in counts.min().items()}
        target = _targets({code: counts[code].to_numpy() for code in sorted(least)}, fewest)
        if len(set(target.values())) < 2:
            lacking.append(str(item))
        moved = [f"{code} with {to}" for code, to in target.items() if code != to]
        if moved:
            told.append(f"{item}: {listed(moved)}")
            for frame in joined:
                frame[item] = frame[item].map(target).astype("Int64")
    return joined, tuple(told), tuple(lacking)


def _targets(counts: Mapping[int, Any], fewest: int) -> dict[int, int]:
    """Return code → the code that it counts as, so that each is given often enough in every block."""
    target = {code: code for code in counts}
    totals = dict(counts)
    middle = (min(counts) + max(counts)) / 2
    while len(totals) > 1 and (rare := [code for code, many in totals.items() if many.min() < fewest]):
        code = max(rare, key=lambda each: abs(each - middle))
        codes = sorted(totals)
        at = codes.index(code)
        inwards = at + 1 if (code < middle and at + 1 < len(codes)) or at == 0 else at - 1
        to = codes[inwards]
        totals[to] = totals[to] + totals.pop(code)
        target = {own: to if now == code else now for own, now in target.items()}
    return target
