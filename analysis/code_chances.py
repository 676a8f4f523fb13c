"""How often two different people have the same code by chance, and how many false links follow from that."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

from analysis.code_pairs import Codes, ExactPairs, Flags, Floats, NearPairs, Whole, groups_of, per_wave

# Chance agreement is counted in pairs of one wave and pool; with fewer pairs, in all pairs of a wave.
_FEWEST_PAIRS = 1000
# With fewer codes in both waves together, chance agreement is not known well: an upper bound is given.
_FEW_CODES = 100
# More pairs share a code within a wave than this probability allows: then they are counted, not computed.
_EXCESS = 0.01


@dataclass(frozen=True, kw_only=True, eq=False)
class ChanceAgreement:
    """How often codes of two different people are alike, and how often they differ in one element."""

    elements: Floats  # agreement of each element
    alike: float
    one_differs: float
    differs: Floats  # of the pairs that differ in one element, the share that differs in each
    is_bound: bool


def chance_agreement(codes: Codes, exact: ExactPairs, notes: list[str]) -> ChanceAgreement:
    """Count how often two different people agree.

    Parameters
    ----------
    codes : Codes
    exact : ExactPairs
    notes : list of str
        What must be known of the numbers is added.

    Returns
    -------
    ChanceAgreement
    """
    rows: Flags = np.any(codes.known, axis=1)
    is_bound = int(rows.sum()) < _FEW_CODES
    # A code is compared as a whole in its organisation, element by element in its team.
    alike = _agreement(codes, codes.pool, codes.complete, is_bound)
    agreement = _agreement(codes, groups_of([codes.pool, codes.team]), rows, is_bound)
    if is_bound and rows.any():
        notes.append(
            f"Under {_FEW_CODES} codes in all: how often letters agree by chance is not known well, so that the share of "
            "false links is no more than a bound from above."
        )
    u = float(np.prod(alike))
    pairs = pair_count(groups_of([codes.pool, codes.after.astype(np.int64)]), codes.complete)
    if stats.poisson.sf(exact.pairs_within - 1, pairs * u) < _EXCESS:
        u = exact.pairs_within / pairs
        notes.append(
            "More people of one wave share a code than letters agree by chance (twice the same person, copied codes, or "
            "letters that go together): the share of false links is estimated from how many do."
        )
    one = _all_but_one(agreement)
    return ChanceAgreement(
        elements=agreement,
        alike=u,
        one_differs=float(one.sum()),
        differs=one / one.sum() if one.sum() else np.full(len(one), 1 / len(one)),
        is_bound=is_bound,
    )


def _agreement(codes: Codes, pool: Whole, rows: Flags, is_bound: bool) -> Floats:
    """Return for each element how often two different people have both answered it, and alike.

    Pairs of one wave are never one person. The bound takes the raw sum of squared frequencies of both waves
    together, which is too high by about 1 / n: more than chance makes the unbiased one too low.
    """
    if is_bound:
        everyone = np.zeros(len(pool), dtype=np.int64)
        counts = [_counts(everyone, codes.letters[:, k], rows) for k in range(codes.letters.shape[1])]
        return np.array([float((each**2).sum()) for each in counts]) / max(int(rows.sum()), 1) ** 2
    group = groups_of([pool, codes.after.astype(np.int64)])
    if pair_count(group, rows) < _FEWEST_PAIRS:
        group = codes.after.astype(np.int64)
    alike = [_counts(group, codes.letters[:, k], rows) for k in range(codes.letters.shape[1])]
    return np.array([float((each * (each - 1)).sum()) / 2 for each in alike]) / max(pair_count(group, rows), 1.0)


def _counts(group: Whole, letters: Whole, rows: Flags) -> Whole:
    both = groups_of([group, letters])
    return np.bincount(both[rows & (letters >= 0)]).astype(np.int64)


def pair_count(group: Whole, rows: Flags) -> float:
    """Count the pairs of rows within groups."""
    sizes = np.bincount(group[rows]).astype(float)
    return float((sizes * (sizes - 1)).sum()) / 2


def _all_but_one(agreement: Floats) -> Floats:
    """Return for each element the probability that it alone differs."""
    others = np.array([np.prod(np.delete(agreement, k)) for k in range(len(agreement))])
    one: Floats = (1 - agreement) * others
    return one


def expected_false(u: float, sizes: tuple[Floats, Floats], links: Floats) -> Floats:
    """Return how many false links each pool is expected to have; `analysis.linking.link_codes` has the formula.

    Parameters
    ----------
    u : float
        How often two different people would be linked if nobody else were there.
    sizes : tuple of numpy.ndarray
        Codes of each pool, before and after.
    links : numpy.ndarray
        Links found in each pool.

    Returns
    -------
    numpy.ndarray
        By pool; no more in all than were found.
    """
    total = float(links.sum())
    first, second = sizes
    false = np.zeros(len(links))
    if not total:
        return false
    alone = np.exp(-u * np.maximum(first + second - 2, 0))
    for _ in range(100):
        before = float(false.sum())
        true = links * (1 - before / total)
        false = u * np.maximum(first - true, 0) * np.maximum(second - true, 0) * alone
        if false.sum() > total:
            false *= total / float(false.sum())
            break
        if abs(float(false.sum()) - before) < 1e-9:
            break
    return false


def expected_false_exact(codes: Codes, exact: ExactPairs, chance: ChanceAgreement) -> float:
    """Return how many exact links are expected to be false, over all organisations."""
    pools = int(codes.pool.max(initial=-1)) + 1
    sizes = per_wave(codes.pool, codes.after, codes.complete, pools)
    links = np.bincount(codes.pool[exact.first], minlength=pools).astype(float)
    return float(expected_false(chance.alike, sizes, links).sum())


def one_differs(codes: Codes, chance: ChanceAgreement, found: NearPairs, notes: list[str]) -> float:
    """Return how often two people of a team differ in one element: computed, or counted where that is more."""
    rows = (codes.team >= 0) & (codes.known.sum(axis=1) >= codes.letters.shape[1] - 1)
    pairs = pair_count(groups_of([codes.team, codes.after.astype(np.int64)]), rows)
    if stats.poisson.sf(found.pairs_within - 1, pairs * chance.one_differs) >= _EXCESS:
        return chance.one_differs
    notes.append(
        "More people of a team have almost the same code than letters agree by chance: the share of false links with one "
        "differing element is estimated from how many do."
    )
    return found.pairs_within / pairs
