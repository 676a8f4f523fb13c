"""What readers know of means from everything released so far, and which further ones would tell too much.

A mean that is withheld can come back three ways: as the rest of a total when its parts are shown, as the other part
of a change whose second wave is shown, and from the equal weights of forms. `KnownMeans` is the release's memory
against these.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.coarsening import near_an_end

WAVE, SCORE = "wave", "score"
Group = frozenset[tuple[str, Any]]
"""Whom a mean is of: its labels, level by level, such as {("wave", 1), ("form", "P")}."""


@dataclass(frozen=True, kw_only=True)
class KnownMean:
    """A mean as readers see it.

    Parameters
    ----------
    of : str
        The score or item.
    group : frozenset of (level, label)
    n : float
        People.
    least, most : float
        Between which numbers it lies.
    low, high : float
        The ends of its scale.
    amounts_to : float
        Of a mean in which forms weigh the same: forms × people of the smallest form.
    hides : bool
        Whether a group that is too small to be shown is among the people.
    """

    of: str
    group: Group
    n: float
    least: float
    most: float
    low: float
    high: float
    amounts_to: float = np.inf
    hides: bool = False

    @property
    def near_an_end(self) -> bool:
        """Whether it confines some of its own people too closely."""
        people = min(self.n, self.amounts_to)
        return bool(near_an_end(people, self.least, self.most, self.low, self.high, to_a_member=self.hides))


@dataclass(frozen=True, eq=False)
class KnownMeans:
    """The means that one release has shown, those it withheld, and the changes it has shown."""

    shown: dict[tuple[str, Group], KnownMean] = field(default_factory=dict)
    withheld: set[tuple[str, Group]] = field(default_factory=set)
    too_few: set[tuple[str, Group]] = field(default_factory=set)  # withheld for their number of people
    changed: set[tuple[str, Group]] = field(default_factory=set)

    def to_withhold(self, means: list[KnownMean]) -> NDArray[np.bool_]:
        """Return which of these means must not be shown, and remember the others.

        Examples
        --------
        The rest of 20 people, 5 of them, would have a mean of 98:

        >>> whole = KnownMean(of="role", group=frozenset({("wave", 1)}), n=20, least=61.5, most=62.5, low=0, high=100)
        >>> part = KnownMean(of="role", group=whole.group | {("form", "C")}, n=15, least=49.5, most=50.5, low=0, high=100)
        >>> known = KnownMeans()
        >>> known.to_withhold([whole]).tolist(), known.to_withhold([part]).tolist()
        ([False], [True])
        """
        hidden = np.array(
            [(mean.of, mean.group) in self.withheld or mean.near_an_end for mean in means],
            dtype=bool,
        )
        while True:
            start = hidden.copy()
            hidden |= self._of_shown_changes(means, hidden)
            hidden |= self._of_rests(means, hidden)
            hidden |= self._of_second_totals(means, hidden)
            if (hidden == start).all():
                break
        for mean, gone in zip(means, hidden, strict=True):
            first = self.shown.get((mean.of, mean.group))
            if not gone:
                self.shown[mean.of, mean.group] = mean
            elif first is None or first.n == mean.n:
                self.withheld.add((mean.of, mean.group))
        return hidden

    def changes_to_withhold(self, changes: list[tuple[str, Group]]) -> NDArray[np.bool_]:
        """Return which changes (score, group without its wave) give a withheld mean back; remember the others."""
        kept_back = {(of, without_wave(group)) for of, group in self.withheld | self.too_few}
        # The change of everyone may weigh its parts otherwise than the means do: two such totals give two parts back. Forms
        # weigh the same in both; then the change is the difference of two means that are shown, and tells nothing new.
        lost = [(of, without_wave(group)) for of, group in self.withheld if not _levels(group) <= {WAVE, "form"}]
        hidden = np.array(
            [
                change in kept_back or any(of == change[0] and change[1] <= group for of, group in lost)
                for change in changes
            ],
            dtype=bool,
        )
        self.changed.update(change for change, gone in zip(changes, hidden, strict=True) if not gone)
        return hidden

    def is_withheld(self, of: str, within: Group | set[tuple[str, Any]]) -> bool:
        """Say whether a mean of this score, of a group with these labels, was withheld at any wave."""
        return any(name == of and within <= group for name, group in self.withheld | self.too_few)

    def withholds_of_everyone(self, wave: Any) -> bool:
        """Say whether the mean of everyone in a wave was withheld for any score."""
        return any(group == {(WAVE, wave)} for _, group in self.withheld | self.too_few)

    def _of_shown_changes(self, means: list[KnownMean], hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Where the change of a group was shown, one wave's mean gives the other's back: both or none."""
        gone = {(mean.of, without_wave(mean.group)) for mean, out in zip(means, hidden, strict=True) if out}
        gone |= {(of, without_wave(group)) for of, group in self.withheld | self.too_few}
        # Likewise the parts, where the change of their total was shown.
        told = {(of, whole) for of, part in gone for name, whole in self.changed if name == of and whole < part}
        gone &= self.changed
        return np.array(
            [
                (mean.of, without_wave(mean.group)) in gone
                or any(of == mean.of and whole < without_wave(mean.group) for of, whole in told)
                for mean in means
            ],
            dtype=bool,
        )

    def _of_second_totals(self, means: list[KnownMean], hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the means of a group of which another page shows the mean of other people, so that parts follow from the two.

        Before and after are compared over the forms of both waves; priorities are those of all who answered last.
        """
        lost = self.withheld | self.too_few | {(m.of, m.group) for m, out in zip(means, hidden, strict=True) if out}
        return np.array(
            [
                (first := self.shown.get((mean.of, mean.group))) is not None
                and first.n != mean.n
                and any(of == mean.of and mean.group < group for of, group in lost)
                for mean in means
            ],
            dtype=bool,
        )

    def _of_rests(self, means: list[KnownMean], hidden: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return the means that, with a total, tell the mean of the people in no part that is shown."""
        now = self.shown | {(mean.of, mean.group): mean for mean, out in zip(means, hidden, strict=True) if not out}
        lost = self.withheld | {(mean.of, mean.group) for mean, out in zip(means, hidden, strict=True) if out}
        families: dict[tuple[str, Group, str], list[KnownMean]] = {}
        for (of, group), mean in now.items():
            for label in group:
                if label[0] != WAVE:
                    families.setdefault((of, group - {label}, label[0]), []).append(mean)
        bad: set[tuple[str, Group]] = set()
        for (of, parent, level), parts in families.items():
            whole = now.get((of, parent))
            if whole is None:
                continue
            # Parts may weigh the same in the total: then a withheld part follows, whatever the rest of people is.
            sister_lost = any(
                name == of
                and parent < group
                and len(group) == len(parent) + 1
                and {name_of for name_of, _ in group - parent} == {level}
                for name, group in lost
            )
            if sister_lost or _rest_is_told(whole, parts):
                bad |= {(of, part.group) for part in parts} | {(of, parent)}
        mine = np.array([(mean.of, mean.group) in bad for mean in means], dtype=bool)
        # Parts go before their total: one figure for all is worth more than some of its parts.
        parts_too = np.array([bool(_levels(mean.group) - {WAVE}) for mean in means], dtype=bool)
        return mine & parts_too if (mine & parts_too & ~hidden).any() else mine


def without_wave(group: Group) -> Group:
    """Return a group's labels without its wave.

    Examples
    --------
    >>> sorted(without_wave(frozenset({("wave", 1), ("form", "P")})))
    [('form', 'P')]
    """
    return frozenset(label for label in group if label[0] != WAVE)


def group_of(levels: Mapping[str, Any]) -> Group:
    """Return the labels of a row, without those of what was asked.

    Examples
    --------
    >>> sorted(group_of({"wave": 1, "form": "P", "score": "role"}))
    [('form', 'P'), ('wave', 1)]
    """
    return frozenset((name, label) for name, label in levels.items() if name not in (SCORE, "item", "subscale"))


def _levels(group: Group) -> set[str]:
    return {name for name, _ in group}


def _rest_is_told(whole: KnownMean, parts: list[KnownMean]) -> bool:
    people = whole.n - sum(part.n for part in parts)
    if people <= 0:
        return False
    least = (whole.n * whole.least - sum(part.n * part.most for part in parts)) / people
    most = (whole.n * whole.most - sum(part.n * part.least for part in parts)) / people
    ends = (max(least, whole.low), min(most, whole.high), whole.low, whole.high)
    return bool(near_an_end(people, *ends, to_a_member=True))
