"""Pairs of codes that are alike, or all but alike, each the only one of its kind: the rule, on whole numbers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Whole = NDArray[np.int64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Codes:
    """Both waves' codes, before first. -1 stands for what is not known."""

    letters: Whole  # response × element
    after: Flags
    pool: Whole  # organisation, or 0 for everyone
    team: Whole  # within the organisation
    form: Whole
    form_known: bool

    @property
    def known(self) -> Flags:
        """Which elements can be compared: response × element."""
        return (self.letters >= 0) & (self.pool >= 0)[:, None]

    @property
    def complete(self) -> Flags:
        """Which codes have all elements."""
        complete: Flags = np.all(self.known, axis=1)
        return complete


def groups_of(columns: Sequence[Whole]) -> Whole:
    """Return for each row the number of its values among the different rows of several columns."""
    group = np.zeros(len(columns[0]), dtype=np.int64)
    for column in columns:
        group = group * (int(column.max(initial=0)) + 2) + column + 1
        group = np.unique(group, return_inverse=True)[1].astype(np.int64)
    return group


def group_sizes(group: Whole, after: Flags, rows: Flags) -> tuple[Whole, Whole]:
    """Count a group's rows of either wave, for each row: those of its own wave, those of the other."""
    groups = int(group.max(initial=-1)) + 1
    counts = np.stack([np.bincount(group[rows & (after == wave)], minlength=groups) for wave in (False, True)])
    mine = after.astype(np.int64)
    return np.where(rows, counts[mine, group], 0), np.where(rows, counts[1 - mine, group], 0)


def per_wave(group: Whole, after: Flags, rows: Flags, groups: int) -> tuple[Floats, Floats]:
    """Count the rows of each group, before and after."""
    first, second = (np.bincount(group[rows & (after == wave)], minlength=groups) for wave in (False, True))
    return first.astype(float), second.astype(float)


def partners(group: Whole, after: Flags, chosen: Flags) -> tuple[Whole, Whole]:
    """Pair the two chosen rows of each group, one of either wave: positions before, and after."""
    first, second = (np.flatnonzero(chosen & (after == wave)) for wave in (False, True))
    return first[np.argsort(group[first])], second[np.argsort(group[second])]


# First step: all elements alike


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactPairs:
    """Codes that are alike in all elements.

    Parameters
    ----------
    first, second : numpy.ndarray
        Positions of the two rows of each link.
    linked, duplicate, collision : numpy.ndarray
        By row: part of a link; others of its wave and organisation have the code; only several of the other wave do.
    pairs_within : float
        How many pairs of one wave and organisation have one and the same code.
    """

    first: Whole
    second: Whole
    linked: Flags
    duplicate: Flags
    collision: Flags
    pairs_within: float


def exact_pairs(codes: Codes) -> ExactPairs:
    """Find the codes that one person of either wave, and nobody else of the organisation, has.

    Parameters
    ----------
    codes : Codes

    Returns
    -------
    ExactPairs
    """
    complete = codes.complete
    group = groups_of([codes.pool, *codes.letters.T])
    mine, other = group_sizes(group, codes.after, complete)
    linked = (mine == 1) & (other == 1)
    first, second = partners(group, codes.after, linked)
    return ExactPairs(
        first=first,
        second=second,
        linked=linked,
        duplicate=mine > 1,
        collision=(mine == 1) & (other > 1),
        pairs_within=float((mine[complete] - 1).sum()) / 2,
    )


# Second step: one element differs


@dataclass(frozen=True, kw_only=True, eq=False)
class NearPairs:
    """Who is left over in a team, and the pairs that differ in one element and have no rival.

    Parameters
    ----------
    left : numpy.ndarray
        By row: not linked, its team known, and no more than one element unknown.
    first, second, element : numpy.ndarray
        Positions of the two rows of each pair, and of the element that differs or is unknown.
    pairs_within : float
        How many pairs of one wave and team differ in one element.
    """

    left: Flags
    first: Whole
    second: Whole
    element: Whole
    pairs_within: float


def near_pairs(codes: Codes, exact: ExactPairs) -> NearPairs:
    """Find the pairs by what is left of a code when one element is left out.

    Two codes that differ in element k alone share the rest, and are found under k only; two equal codes are found
    under every element, so that they count as more than one rival.

    Parameters
    ----------
    codes : Codes
    exact : ExactPairs

    Returns
    -------
    NearPairs
    """
    usable = (codes.team >= 0) & (codes.known.sum(axis=1) >= codes.letters.shape[1] - 1)
    left = usable & ~exact.linked
    rests = []
    rivals = np.zeros(len(left), dtype=np.int64)
    within = 0.0
    for k in range(codes.letters.shape[1]):
        others = np.delete(codes.letters, k, axis=1)
        rest_known = (others >= 0).all(axis=1)
        group = groups_of([codes.team, *others.T])
        _, other = group_sizes(group, codes.after, left & rest_known)
        rivals += other
        rests.append((group, left & rest_known, other))
        mine, _ = group_sizes(group, codes.after, usable & rest_known)
        within += float(np.maximum(mine - 1, 0).sum()) / 2
    equal, _ = group_sizes(groups_of([codes.team, *codes.letters.T]), codes.after, usable & codes.complete)
    within -= codes.letters.shape[1] * float(np.maximum(equal - 1, 0).sum()) / 2
    alone = left & (rivals == 1) & ~exact.duplicate & ~exact.collision
    found = []
    for k, (group, rows, other) in enumerate(rests):
        mine_alone, other_alone = group_sizes(group, codes.after, rows & alone)
        first, second = partners(
            group, codes.after, rows & alone & (other == 1) & (mine_alone == 1) & (other_alone == 1)
        )
        found.append((first, second, np.full(len(first), k)))
    first, second, element = (np.concatenate(each).astype(np.int64) for each in zip(*found, strict=True))
    if codes.form_known:
        same = (codes.form[first] == codes.form[second]) & (codes.form[first] >= 0)
        first, second, element = first[same], second[same], element[same]
    return NearPairs(left=left, first=first, second=second, element=element, pairs_within=within)
