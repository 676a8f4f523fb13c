"""What may be shown at all: small cells, and whatever would give them back by subtraction.

Three steps, the same for every kind of table. *Primary*: a count of 1 to floor − 1, and all that was
computed from those people, is withheld. *Complementary*: further cells are withheld, as few people's as a
linear programme finds, until no withheld cell can be worked out from what is still shown. *Audit*: a
linear solver that knows the shown numbers, the totals and the rule bounds each withheld cell again.

What is promised for each withheld count, to a reader who knows every shown number, every total, the floor,
and that counts are whole: a count under the floor can still be every number from 1 to floor − 1, even if the
reader knows which withheld cells are empty (a total of k groups that are not empty: from k on); any other
withheld count has at least floor possible values, even if the reader knows that it is not 0. Not promised:
safety against someone who replays the choice of the complementary cells, who knows their own group's answers,
or who holds another release.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, fields, replace
from itertools import combinations
from typing import Any, Literal, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

from analysis.result import Result

Audience = Literal["internal", "external", "researcher"]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

FLOORS: dict[Audience, int] = {"internal": 5, "external": 10, "researcher": 5}
"""The smallest number of people that is shown: 5 within the team and to named researchers, 10 outside."""

TOTALS = frozenset({"all", "total", "overall"})
"""Labels, in any case, that mark a row or column as the sum of the others at its level."""

NOT_PEOPLE = frozenset(
    {"item", "subscale", "facet", "scale", "score", "composite", "measure", "outcome", "question"}
    | {"variable", "coefficient", "statistic", "parameter", "term", "factor", "step", "model"}
    | {"comparison", "contrast", "pair", "threshold", "index", "reason", "quantity"}
)
"""Levels that do not divide people: n is not added up over items or subscales. All others are summed."""

MEAN_WIDTH = 0.20
"""A withheld mean is protected if it may lie anywhere in at least this share of the answer scale."""

_ALL = object()  # stands for any label of TOTALS in a cell's key


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Suppressed(Result):
    """A table fit for its audience.

    Parameters
    ----------
    hidden : pandas.DataFrame of bool
        In the shape of ``table``: True where a value was withheld.
    """

    hidden: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class SafeGroups:
    """Which groups of people may be shown.

    Parameters
    ----------
    shown : frozenset of tuple
        Each group as the tuple of its labels: ``("P",)``, or ``("North", "Team 1")`` for a nested one.
    note : str
        The sentence for the report; it names no group and no number that is withheld.
    """

    shown: frozenset[tuple[Hashable, ...]]
    note: str


# --- Statistics tables -------------------------------------------------------------------------------


def suppress_small_cells(
    table: pd.DataFrame | Result,
    *,
    count: str | Sequence[str] = "n",
    audience: Audience = "internal",
    margins: Sequence[str] | None = None,
    percents: Sequence[str] = ("percent",),
    keep: Sequence[str] = (),
    scale: tuple[float, float] | None = None,
) -> Result:
    """Withhold the rows of a table of statistics that rest on too few people.

    Parameters
    ----------
    table : pandas.DataFrame or Result
        One row a group of people: how many they are (``count``), and statistics of theirs. What a row is
        about is its index; in a table with a plain numbered index, its text columns. A row whose count and
        statistics are all missing has been withheld before.
    count : str or sequence of str
        Column or columns of counts; with several (``("n_before", "n_after")``) a row needs all of them.
    audience : {"internal", "external"}
        Floor of 5 or of 10 people. External withholds at least what internal withholds.
    margins : sequence of str, optional
        Index levels whose totals readers know. Default: every level that divides people (all but those of
        ``NOT_PEOPLE``), whether the totals stand in this table or elsewhere in the report. An empty
        sequence: only levels that have a row labelled "All", "total" or "overall".
    percents : sequence of str
        Columns that give a percentage of the row's (first) count. Times n they are counts, so a percentage
        is shown only if at least floor people are in it and at least floor are not.
    keep : sequence of str
        Columns that describe the row rather than its people; they stay.
    scale : (float, float), optional
        Lowest and highest possible value of the column ``mean``. If given, rows are withheld until the mean
        of each group under the floor may lie anywhere in at least a fifth of the scale, even for a reader
        who has learnt all withheld counts.

    Returns
    -------
    Suppressed or Result
        A ``Suppressed`` for a frame; for a Result the same kind of Result with its tables suppressed and a
        note added. Withheld values are missing. Rows stay, so that it is seen that something is withheld.

    Raises
    ------
    ValueError
        If the count column is absent, a count is missing beside a statistic, negative or not whole, or
        two rows have the same index.

    Notes
    -----
    In a row under the floor n and every statistic are withheld. If the rows add up to a known total, the
    withheld ones are also people that can be described by subtraction (n, mean, percentage and standard
    deviation of "all others"), so further rows are withheld until that remainder has at least floor people
    and each n under the floor could still be any number from 1 to floor − 1. A row of nobody (n = 0) is
    withheld with the withheld rows of its family, or else shown. People in the total but in no row are
    a group as well. The note does not say which rows were the small ones: that would help to find them.
    In a Result, tables without the count column are left as they are and named in the note; words in
    ``notes`` and ``method`` are not read. Complementary cell suppression: Hundepool et al. (2012),
    Statistical Disclosure Control, chapter 4.

    Examples
    --------
    >>> groups = pd.Index(["peers", "colleagues", "managers", "All"], name="form")
    >>> table = pd.DataFrame({"n": [3, 40, 12, 55], "mean": [2.1, 3.5, 4.0, 3.53]}, index=groups)
    >>> suppress_small_cells(table).table
                   n  mean
    form
    peers       <NA>   NaN
    colleagues    40  3.50
    managers    <NA>   NaN
    All           55  3.53
    """
    floor = _floor(audience)
    counts = [count] if isinstance(count, str) else list(count)
    if not counts:
        raise ValueError('`count` names no column. Name the column that holds how many people, e.g. "n".')
    if scale is not None and not scale[0] < scale[1]:
        raise ValueError(f"`scale` must be (lowest, highest) with lowest < highest, got {scale}.")

    def suppressed(frame: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
        return _suppressed_statistics(frame, counts, audience, margins, percents, keep, scale)

    if isinstance(table, pd.DataFrame):
        frame, hidden, notes = suppressed(table)
        return Suppressed(
            title=f"Shown to an {audience} audience",
            table=frame,
            method=_rule(floor),
            notes=tuple(notes),
            hidden=hidden,
        )
    changes: dict[str, Any] = {}
    notes, untouched = list(table.notes), []
    for field in fields(table):
        frame = getattr(table, field.name)
        if not isinstance(frame, pd.DataFrame) or (field.name == "hidden" and isinstance(table, Suppressed)):
            continue
        if field.name != "table" and not set(counts) <= set(frame.columns):
            untouched.append(field.name)
            continue
        changes[field.name], hidden, new = suppressed(frame)
        if field.name == "table" and isinstance(table, Suppressed):
            changes["hidden"] = table.hidden | hidden
        notes += [note for note in new if note not in notes]
    if untouched:
        warning = f"Not looked at for small groups, having no column {_listed(counts)}: {_listed(untouched)}."
        notes += [] if warning in notes else [warning]
    return replace(table, notes=tuple(notes), **changes)


def _suppressed_statistics(
    table: pd.DataFrame,
    counts: list[str],
    audience: Audience,
    margins: Sequence[str] | None,
    percents: Sequence[str],
    keep: Sequence[str],
    scale: tuple[float, float] | None,
) -> tuple[pd.DataFrame, pd.DataFrame, list[str]]:
    nothing = pd.DataFrame(False, index=table.index, columns=table.columns)
    if table.empty:
        return table.copy(), nothing, []
    keys, names, described = _row_keys(table, keep)
    n = _statistics_counts(table, counts, described)
    parts = _partition_levels(keys, names, margins)
    before: Flags = np.asarray(np.isnan(n).any(axis=1))
    rows, shares = before.copy(), {name: before.copy() for name in percents if name in table.columns}
    elsewhere = False
    # External starts from what internal withholds: it can then never show more.
    for floor in _floors_up_to(audience):
        cells = [
            _lattice(keys, column, parts, people=sorted({*parts, *_people_levels(names)}), known=True) for column in n.T
        ]
        settled: dict[int, Flags] = {}
        while True:
            start = rows
            for place, lattice in enumerate(cells):
                if place in settled and (settled[place] == rows).all():
                    continue
                hidden = lattice.protected(rows, floor, empty_with_hidden=True)
                rows = rows | hidden[: len(rows)]
                settled[place] = rows
                elsewhere |= lattice.hides_other_totals(hidden, floor)
            for name, share in shares.items():
                rows_too, share_hidden = _hidden_shares(table[name], n[:, 0], keys, names, parts, rows, floor)
                rows = rows | rows_too
                shares[name] = share | share_hidden | rows
            if scale is not None and "mean" in table.columns and (rows == start).all():
                rows = rows | _further_rows_for_means(cells[0], table["mean"], rows, scale, floor)
            if (rows == start).all():
                break
    hidden = nothing.copy()
    values = [name for name in table.columns if name not in described]
    hidden.loc[rows, values] = True
    for name, share in shares.items():
        hidden.loc[share, name] = True
    frame = _withheld(table, hidden)
    for name in counts:
        frame[name] = frame[name].astype("Int64")
    hidden &= ~table.isna()
    return frame, hidden, _notes(hidden, rows & ~before, _floor(audience), elsewhere)


def _row_keys(table: pd.DataFrame, keep: Sequence[str]) -> tuple[list[tuple[Any, ...]], list[Any], set[Any]]:
    """Return what each row is about, the names of those levels, and the columns that say it."""
    absent = [name for name in keep if name not in table.columns]
    if absent:
        raise ValueError(f"`keep` names {_listed(absent)}, but the columns are {_listed(table.columns)}.")
    if not table.columns.is_unique:
        raise ValueError("Two columns of the table have the same name. Rename one of them.")
    index, described = table.index, set(keep)
    if isinstance(index, pd.RangeIndex) and index.name is None:
        described |= {name for name in table.columns if _is_text(table[name])}
        about = [name for name in table.columns if name in described]
        if about:
            index = pd.MultiIndex.from_frame(table[about])
    _refuse_duplicates(index, "row")
    keys = [key if isinstance(key, tuple) else (key,) for key in index]
    return keys, list(index.names), described


def _statistics_counts(table: pd.DataFrame, counts: list[str], described: set[Any]) -> Floats:
    absent = [name for name in counts if name not in table.columns]
    if absent:
        raise ValueError(
            f"The table has no column {_listed(absent)}; its columns are {_listed(table.columns)}. "
            "Say with `count` which column holds how many people a row rests on."
        )
    n = np.column_stack([_numbers(table[name], f"Column {name!r}") for name in counts])
    missing = np.isnan(n)
    statistics = [name for name in table.columns if name not in described]
    half = missing.any(axis=1) & table[statistics].notna().any(axis=1).to_numpy()
    if half.any():
        raise ValueError(
            f"Column {_listed(counts)} has a missing count beside statistics in row "
            f"{table.index[int(np.flatnonzero(half)[0])]!r}. Give the count, or drop the row."
        )
    return n


def _hidden_shares(
    percent: pd.Series,
    n: Floats,
    keys: list[tuple[Any, ...]],
    names: list[Any],
    parts: list[int],
    rows: Flags,
    floor: int,
) -> tuple[Flags, Flags]:
    """Return the rows to withhold, and those whose percentage to withhold: it is a table of in and not in."""
    share = percent.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    if ((share < 0) | (share > 100)).any():
        raise ValueError(f"Column {percent.name!r} holds percentages, but not all lie between 0 and 100.")
    inside = np.round(n * share / 100)
    wide = np.column_stack([inside, n - inside, np.where(np.isnan(share), np.nan, n)])
    cells = [(*key, part) for key in keys for part in ("in", "out", _ALL)]
    levels, people = [*parts, len(names)], [*_people_levels(names), len(names)]
    lattice = _lattice(cells, wide.ravel(), levels, people=people, known=True)
    start = np.repeat(rows, 3) | np.isnan(wide).ravel()
    hidden = lattice.protected(start, floor, telling={len(names)}, across=1)[: start.size].reshape(-1, 3)
    return hidden[:, 2] & ~np.isnan(share), hidden[:, 0] | hidden[:, 1]


def _further_rows_for_means(
    lattice: _Lattice, mean: pd.Series, rows: Flags, scale: tuple[float, float], floor: int
) -> Flags:
    """Return the smallest shown row beside each withheld mean that is still confined too closely."""
    further = np.zeros(len(rows), dtype=bool)
    n = lattice.people[: len(rows)]
    means = mean.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    known = np.flatnonzero(rows & (n > 0) & (n < floor))
    for cell in known:
        low, high = lattice.mean_range(int(cell), rows, means, scale, n)
        if high - low >= MEAN_WIDTH * (scale[1] - scale[0]) - 1e-9:
            continue
        beside = (lattice.sums[lattice.sums[:, cell] != 0][:, : len(rows)] != 0).any(axis=0) & ~rows & (n > 0)
        if beside.any():
            further[min(np.flatnonzero(beside), key=lambda other: lattice.cost[other])] = True
            return further
    return further


# --- Count tables ------------------------------------------------------------------------------------


def suppress_counts(counts: pd.DataFrame, *, audience: Audience, totals: bool = True) -> pd.DataFrame:
    """Withhold cells of a frequency table so that no small count is shown or can be worked out.

    Parameters
    ----------
    counts : pandas.DataFrame
        Rows × columns of whole numbers of people; rows are groups, columns what they answered or are.
        Rows and columns labelled "All", "total" or "overall" are margins. Missing cells in nullable integer
        columns (``Int64``) have been withheld before.
    audience : {"internal", "external"}
        Floor of 5 or of 10 people.
    totals : bool
        True: readers know the row and column totals even if the table does not show them, as far as this
        rule would show them. False: only margins in the table are known.

    Returns
    -------
    pandas.DataFrame
        The same table in ``Int64``; withheld cells are missing.

    Raises
    ------
    ValueError
        If a count is missing, negative or not whole, or a row or column label occurs twice.

    Notes
    -----
    Zeros are shown unless they tell: where all people of a row sit in one cell, or all of a column while
    other rows have people too, everyone's answer would be known, so every cell of that line is withheld,
    and a reader cannot exclude that at least floor − 1 people sit elsewhere in it. Complementary cells come
    from linear programmes that move the fewest people (Kelly, Golden and Assad 1992, Networks 22).

    Examples
    --------
    >>> forms = pd.Index(["peers", "colleagues", "managers", "All"], name="form")
    >>> answers = {"disagree": [2, 20, 8, 30], "agree": [9, 30, 7, 46], "All": [11, 50, 15, 76]}
    >>> suppress_counts(pd.DataFrame(answers, index=forms), audience="internal")
                disagree  agree  All
    form
    peers           <NA>   <NA>   11
    colleagues        20     30   50
    managers        <NA>   <NA>   15
    All               30     46   76
    """
    _floor(audience)
    if counts.empty:
        return counts.copy()
    lattice, values = _count_lattice(counts, known=totals)
    columns = counts.columns.nlevels
    telling = {*range(len(lattice.keys[0]))}
    hidden = np.isnan(values).ravel()
    for floor in _floors_up_to(audience):
        hidden = lattice.protected(hidden, floor, telling=telling, across=columns)[: hidden.size]
    out = pd.DataFrame(values, index=counts.index, columns=counts.columns).astype("Int64")
    return out.mask(pd.DataFrame(hidden.reshape(values.shape), index=out.index, columns=out.columns))


def suppress_percentages(
    percent: pd.DataFrame, n: pd.Series, *, audience: Audience, totals: bool = True
) -> pd.DataFrame:
    """Withhold cells of a table of percentages: times n it is a table of counts.

    Parameters
    ----------
    percent : pandas.DataFrame
        Rows × answer categories, 0 to 100; each row sums to 100 (within 1, for rounding).
    n : pandas.Series
        People in each row, same index.
    audience : {"internal", "external"}
        Floor of 5 or of 10 people.
    totals : bool
        Whether readers know the totals over rows (``suppress_counts``); n of each row counts as known.

    Returns
    -------
    pandas.DataFrame
        ``percent`` with the withheld cells missing. Rows under the floor are withheld whole; n of the rows
        must then be shown only as ``suppress_small_cells`` would.

    Raises
    ------
    ValueError
        If the indexes differ, n is not a count, or a row does not sum to 100.
    """
    _floor(audience)
    if percent.empty:
        return percent.copy()
    if not percent.index.equals(n.index):
        raise ValueError("`percent` and `n` must have the same index, in the same order.")
    people = _numbers(n, "`n`")
    share = percent.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    before = np.isnan(share)
    off = (~before.any(axis=1)) & (people > 0) & (np.abs(share.sum(axis=1) - 100) > 1)
    if np.isnan(people).any() or off.any():
        row = percent.index[int(np.flatnonzero(np.isnan(people) | off)[0])]
        raise ValueError(
            f"Row {row!r} has no n, or its percentages do not sum to 100. Give the percentages of all "
            "categories (several ticks a person are one table of two columns, yes and no, for each)."
        )
    numbers = np.round(share * people[:, None] / 100)
    # Rounded shares may be a person off; the largest cell takes the difference, so that rows add up to n.
    largest = np.nan_to_num(share).argmax(axis=1)
    numbers[np.arange(len(numbers)), largest] += people - numbers.sum(axis=1)
    counts = pd.DataFrame(numbers, index=percent.index, columns=percent.columns).astype("Int64")
    hidden = suppress_counts(counts, audience=audience, totals=totals).isna()
    for row in np.flatnonzero((people > 0) & (people < _floor(audience))):
        hidden.iloc[row] = True
    return _withheld(percent, hidden)


# --- Distributions of answers ------------------------------------------------------------------------


def suppress_distributions(counts: pd.DataFrame, *, audience: Audience, group: str | None = None) -> pd.DataFrame:
    """Show how answers are spread over the categories, merged as far as small counts need.

    Parameters
    ----------
    counts : pandas.DataFrame
        Rows are items, or items × one grouping level; columns the answer categories in their order
        (1 to 5); values how many people chose each.
    audience : {"internal", "external"}
        Floor of 5 or of 10 people.
    group : str, optional
        The index level whose groups divide the people of an item. A row labelled "All", "total" or
        "overall" at that level is their sum; without one, their sum counts as known.

    Returns
    -------
    pandas.DataFrame
        Tidy, one row a shown (merged) category: index of ``counts`` plus ``categories`` ("1–2"); columns
        ``n`` (people of the row), ``count``, ``percent`` and ``note``. A withheld distribution is one row
        with ``categories`` "withheld" and the reason in ``note``; n is shown if it may be.

    Raises
    ------
    ValueError
        If a count is missing, negative or not whole, an index label is doubled, ``group`` is no level,
        or another level has totals too.

    Notes
    -----
    Neighbouring categories are merged until each shown category has at least floor people: a category of nobody
    tells an answer that no one gave, and one of everybody everyone's answer. Of the merges that do, the one with
    most categories is taken, then the more symmetrical, then the one whose smallest category is largest.
    All groups of an item share one merge, and the people left over when the shown groups are subtracted
    from the total have to pass as well: any difference between shown rows is then a sum of safe rows. If no
    merge suits all groups, the item is shown for everyone together only.

    Examples
    --------
    >>> answers = pd.DataFrame([[2, 4, 9, 20, 11]], columns=[1, 2, 3, 4, 5], index=pd.Index(["Q1"], name="item"))
    >>> suppress_distributions(answers, audience="internal")[["n", "count"]]
                      n  count
    item categories
    Q1   1–2         46      6
         3           46      9
         4           46     20
         5           46     11
    """
    floor = _floor(audience)
    names = [*counts.index.names, "categories"]
    if counts.empty:
        index = pd.MultiIndex.from_arrays([[] for _ in names], names=names)
        return pd.DataFrame({"n": [], "count": [], "percent": [], "note": []}, index=index)
    _refuse_duplicates(counts.index, "row")
    values = np.column_stack([_numbers(counts[name], f"Column {name!r}") for name in counts.columns])
    if np.isnan(values).any():
        raise ValueError("A count is missing. Give 0 where nobody chose the category.")
    keys = [key if isinstance(key, tuple) else (key,) for key in counts.index]
    level = None
    if group is not None:
        if group not in counts.index.names:
            raise ValueError(f"`group` is {group!r}, but the levels are {_listed(counts.index.names)}.")
        level = counts.index.names.index(group)
    for place, name in enumerate(counts.index.names):
        if place != level and any(_is_total(key[place]) for key in keys):
            raise ValueError(
                f"Level {name!r} has a row of totals. Name the one level that divides people as `group`, "
                "and give the totals of other levels in a table of their own."
            )
    families: dict[tuple[Any, ...], list[int]] = {}
    for place, key in enumerate(keys):
        family = key if level is None else (*key[:level], *key[level + 1 :])
        families.setdefault(family, []).append(place)
    labels = [str(name) for name in counts.columns]
    lines: list[tuple[tuple[Any, ...], dict[str, Any]]] = []
    for members in families.values():
        total = [row for row in members if level is not None and _is_total(keys[row][level])]
        _add_family(lines, members, total, keys, values, labels, floor, _floors_up_to(audience))
    index = pd.MultiIndex.from_tuples([key for key, _ in lines], names=names)
    out = pd.DataFrame([line for _, line in lines], index=index, columns=["n", "count", "percent", "note"])
    return out.astype({"n": "Int64", "count": "Int64", "percent": "Float64", "note": "object"})


def _add_family(
    lines: list[tuple[tuple[Any, ...], dict[str, Any]]],
    members: list[int],
    total: list[int],
    keys: list[tuple[Any, ...]],
    values: Floats,
    labels: list[str],
    floor: int,
    floors: list[int],
) -> None:
    """Append the lines of one item: its groups (``members`` without ``total``) and their sum."""
    groups = [row for row in members if row not in total]
    everyone = values[total[0]] if total else values[groups].sum(axis=0)
    outside = everyone - values[groups].sum(axis=0)
    if (outside < 0).any():
        raise ValueError(f"The groups of {keys[total[0]]!r} have more people than their total. Check the rows.")
    n = values[groups].sum(axis=1)
    hidden = _hidden_parts(np.append(n, outside.sum())[None, :], floors, never=[len(groups)])[:-1]
    shown = [row for row, gone in zip(groups, hidden, strict=True) if not gone]
    # What is left after subtracting the shown groups is a row that anyone can make.
    rest = everyone - values[shown].sum(axis=0)
    atoms = [values[row] for row in shown if values[row].any()] + ([rest] if rest.any() else [])
    alone = len(groups) == 1 and not total
    merge = _finest_merge(np.array(atoms), floor, len(labels)) if shown and atoms else None
    everyones = merge
    if merge is None and (total or alone):
        everyones = _finest_merge(everyone[None, :], floor, len(labels))
    # One reason for both: "everybody gave one answer" would tell what each person answered, given the mean.
    alike = f"withheld: no merging of categories gives {floor} people each"
    for row in members:
        size = values[row].sum()
        is_total = row in total
        cuts = everyones if is_total or alone else merge
        gone = 0 < size < floor if is_total or alone else row not in shown
        if size == 0 and not gone:
            reason: str | None = "nobody answered"
        elif gone:
            reason = f"withheld: fewer than {floor} people, or would give such a number back"
        elif np.count_nonzero(values[row]) == 1 or cuts is None:
            reason = alike
        else:
            reason = None
        if reason is not None or cuts is None:
            lines.append(((*keys[row], "withheld"), _line(None if gone else size, None, reason or "")))
            continue
        for first, last in cuts:
            label = labels[first] if last == first else f"{labels[first]}–{labels[last]}"
            lines.append(((*keys[row], label), _line(size, values[row, first : last + 1].sum(), "")))


def _line(n: float | None, count: float | None, note: str) -> dict[str, Any]:
    percent = pd.NA if n is None or count is None else 100 * count / n
    return {
        "n": pd.NA if n is None else int(n),
        "count": pd.NA if count is None else int(count),
        "percent": percent,
        "note": note,
    }


def _finest_merge(rows: Floats, floor: int, categories: int) -> list[tuple[int, int]] | None:
    """Return (first, last) of each merged category that suits all rows, or None if no merge does."""
    best: tuple[tuple[int, bool, float], list[tuple[int, int]]] | None = None
    for cuts_made in range(categories - 1, 0, -1):
        for cuts in combinations(range(1, categories), cuts_made):
            edges = np.array([0, *cuts])
            merged = np.add.reduceat(rows, edges, axis=1)
            if (merged < floor).any():
                continue
            symmetrical = {categories - cut for cut in cuts} == set(cuts)
            merit = (cuts_made, symmetrical, float(merged[merged > 0].min()))
            if best is None or merit > best[0]:
                lasts = [*(np.array(cuts) - 1), categories - 1]
                best = merit, [(int(a), int(b)) for a, b in zip(edges, lasts, strict=True)]
        if best is not None:
            return best[1]
    return None


# --- Groups of people --------------------------------------------------------------------------------


def safe_groups(people: pd.DataFrame, by: Sequence[str], *, audience: Audience, wave: str | None = None) -> SafeGroups:
    """Say which groups may be shown so that nobody is left over in too small a number.

    Parameters
    ----------
    people : pandas.DataFrame
        One row a person (or response).
    by : sequence of str
        One column (``["form"]``), or nested ones from the outside in (``["organisation", "team"]``): groups
        are then judged within each parent, and no child of a withheld parent is shown.
    audience : {"internal", "external"}
        Floor of 5 or of 10 people.
    wave : str, optional
        Column of waves: a group is shown only if it may be shown at every one of them.

    Returns
    -------
    SafeGroups
        ``shown``: tuples of labels, one entry a level; and the sentence for the report.

    Raises
    ------
    ValueError
        If ``by`` is empty, or a column is absent.

    Notes
    -----
    Total minus shown groups is a group too. Groups under the floor are withheld; if together they are
    fewer than floor people (or so few that the size of one of them would follow), the next smallest group is
    withheld with them. People with no label are never shown, and count among those left over.

    Examples
    --------
    >>> people = pd.DataFrame({"form": ["P"] * 3 + ["C"] * 40 + ["M"] * 8})
    >>> safe_groups(people, ["form"], audience="internal").shown
    frozenset({('C',)})
    """
    floor = _floor(audience)
    if isinstance(by, str) or not by:
        raise ValueError(f'`by` must be a list of columns, e.g. ["form"]; got {by!r}.')
    absent = [name for name in [*by, *([wave] if wave else [])] if name not in people.columns]
    if absent:
        raise ValueError(f"`people` has no column {_listed(absent)}; it has {_listed(people.columns)}.")
    shown: set[tuple[Hashable, ...]] = set()
    parents: list[tuple[Hashable, ...]] = [()]
    withheld = False
    for depth, name in enumerate(by):
        next_parents: list[tuple[Hashable, ...]] = []
        for parent in parents:
            inside = people
            for column, label in zip(by[:depth], parent, strict=True):
                inside = inside[inside[column] == label]
            labels, hidden = _groups_hidden(inside, name, wave, _floors_up_to(audience))
            withheld |= bool(hidden.any())
            next_parents += [(*parent, label) for label, gone in zip(labels, hidden, strict=True) if not gone]
        shown |= set(next_parents)
        parents = next_parents
    note = (
        f"Groups of fewer than {floor} people are not shown, nor groups that would give them back by "
        f"subtraction ({', '.join(by)})."
        if withheld
        else ""
    )
    return SafeGroups(shown=frozenset(shown), note=note)


def _groups_hidden(
    people: pd.DataFrame, name: str, wave: str | None, floors: list[int]
) -> tuple[list[Hashable], Flags]:
    labels = [label for label in pd.unique(people[name]) if not pd.isna(label)]
    code = pd.Categorical(people[name], categories=labels).codes
    code = np.where(code < 0, len(labels), code)  # those with no label come last
    waves = np.zeros(len(people), dtype=int) if wave is None else pd.factorize(people[wave])[0]
    use = waves >= 0
    sizes = np.zeros((int(waves.max(initial=0)) + 1, len(labels) + 1))
    np.add.at(sizes, (waves[use], code[use]), 1)
    hidden = _hidden_parts(sizes, floors, never=[len(labels)])
    return labels, hidden[:-1]


def _hidden_parts(sizes: Floats, floors: list[int], *, never: list[int]) -> Flags:
    """Return which parts of a whole to withhold; sizes are wave × part, ``never`` are shown at no price.

    With k non-empty parts withheld that are S people, S must reach the floor, and a part under it can be any
    number from 1 to S − k + 1, which must reach floor − 1; one complementary part always suffices for that.
    """
    hidden = np.zeros(sizes.shape[1], dtype=bool)
    for floor in floors:
        small = (sizes > 0) & (sizes < floor)
        hidden |= small.any(axis=0) | ((sizes == 0).any(axis=0) & (sizes > 0).any(axis=0))
        hidden[never] |= (small[:, never]).any(axis=0)
        while True:
            left = sizes[:, hidden]
            k, people = np.count_nonzero(left, axis=1), left.sum(axis=1)
            need = np.where((left < floor).all(axis=1), np.maximum(k - 2, 0), k - 1) + floor
            open_waves = (k > 0) & (people < need)
            candidates = [part for part in np.flatnonzero(~hidden) if sizes[open_waves, part].any()]
            if not open_waves.any() or not candidates:
                break
            ordinary = [part for part in candidates if part not in never]
            smallest = min(ordinary or candidates, key=lambda part: (sizes[:, part].sum(), part))
            hidden[smallest] = True
    return hidden


def safe_subset(n_subset: int, n_all: int, floor: int) -> bool:
    """Say whether some of the people may be shown beside all of them (linked people beside everyone).

    Parameters
    ----------
    n_subset, n_all : int
        People in the subset, and in the whole that contains it.
    floor : int
        Smallest number that is shown (``FLOORS``).

    Returns
    -------
    bool
        True if the subset has at least ``floor`` people, and those outside it are none or at least ``floor``.

    Raises
    ------
    ValueError
        If the subset is larger than the whole, or a number is negative.

    Examples
    --------
    >>> safe_subset(20, 23, FLOORS["internal"]), safe_subset(20, 30, FLOORS["internal"])
    (False, True)
    """
    if not 0 <= n_subset <= n_all:
        raise ValueError(f"The subset must have between 0 and all {n_all} people, got {n_subset}.")
    return n_subset >= floor and (n_subset == n_all or n_all - n_subset >= floor)


# --- The attacker ------------------------------------------------------------------------------------


def audit(
    published: pd.DataFrame,
    *,
    count: str = "n",
    audience: Audience = "internal",
    margins: Sequence[str] | None = None,
    scale: tuple[float, float] | None = None,
    keep: Sequence[str] = (),
    full: pd.DataFrame | None = None,
) -> pd.DataFrame:
    """Attack a table of statistics: bound each withheld n and mean as closely as readers can.

    Parameters
    ----------
    published : pandas.DataFrame
        As ``suppress_small_cells`` leaves it.
    count, audience, margins, keep
        As there.
    scale : (float, float), optional
        Lowest and highest possible ``mean``. If given, the withheld means are bounded too.
    full : pandas.DataFrame, optional
        The table before suppression. It tells the attacker the totals that do not stand in ``published``,
        and for means all withheld counts too.

    Returns
    -------
    pandas.DataFrame
        Index ``row`` and ``quantity`` ("n" or "mean") of every withheld row; columns ``low``, ``high`` and
        ``protected``: n has at least floor − 1 possible values or is 0 (nobody), a mean at least a fifth of
        the scale (for groups that ``full`` shows to be under the floor; else more than one value).

    Raises
    ------
    ValueError
        As ``suppress_small_cells``.
    """
    floor = _floor(audience)
    keys, names, described = _row_keys(published, keep) if len(published) else ([], [], set())
    lines: list[tuple[Any, str, float, float, bool]] = []
    if keys:
        shown = _statistics_counts(published, [count], described)[:, 0]
        n = shown if full is None else _numbers(full[count], f"Column {count!r}")
        levels = _partition_levels(keys, names, margins)
        lattice = _lattice(keys, n, levels, people=_people_levels(names), known=True)
        hidden = np.isnan(shown)
        for cell in np.flatnonzero(hidden):
            low, high = lattice.count_range(int(cell), lattice.with_extras_hidden(hidden, floor))
            lines.append((published.index[cell], "n", low, high, high - low >= floor - 2 or high == 0))
            if scale is not None and "mean" in published.columns and n[cell] != 0:
                means = published["mean"].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
                known = None if full is None else n
                low, high = lattice.mean_range(int(cell), hidden, means, scale, known)
                small = full is None or n[cell] >= floor
                need = 1e-6 if small else MEAN_WIDTH * (scale[1] - scale[0]) - 1e-9
                lines.append((published.index[cell], "mean", low, high, high - low >= need))
    return _audited(lines, ["row", "quantity"])


def audit_counts(
    published: pd.DataFrame, *, audience: Audience, totals: bool = True, full: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Attack a frequency table: bound each withheld count as closely as readers can.

    Parameters
    ----------
    published : pandas.DataFrame
        As ``suppress_counts`` leaves it.
    audience, totals
        As there.
    full : pandas.DataFrame, optional
        The table before suppression; it supplies the totals that do not stand in ``published``.

    Returns
    -------
    pandas.DataFrame
        Index ``row`` and ``column`` of every withheld cell; columns ``low``, ``high`` and ``protected``
        (at least floor − 1 possible whole numbers, as many as the rule itself leaves; or 0: nobody).

    Raises
    ------
    ValueError
        As ``suppress_counts``.

    Examples
    --------
    >>> table = pd.DataFrame({"yes": [None, 20, 23], "no": [9, 7, 16]}, index=["P", "C", "All"])
    >>> audit_counts(table.astype("Int64"), audience="internal")
                low  high  protected
    row column
    P   yes     3.0   3.0      False
    """
    floor = _floor(audience)
    lines: list[tuple[Any, Any, float, float, bool]] = []
    if not published.empty:
        _, shown = _count_lattice(published, known=totals)
        lattice, _ = _count_lattice(published if full is None else full, known=totals)
        hidden = np.isnan(shown).ravel()
        for cell in np.flatnonzero(hidden):
            low, high = lattice.count_range(int(cell), lattice.with_extras_hidden(hidden, floor))
            row, column = divmod(int(cell), shown.shape[1])
            place = published.index[row], published.columns[column]
            lines.append((*place, low, high, high - low >= floor - 2 or high == 0))
    return _audited(lines, ["row", "column"])


def _audited(lines: list[tuple[Any, Any, float, float, bool]], names: list[str]) -> pd.DataFrame:
    places = pd.MultiIndex.from_arrays(
        [pd.Index([line[0] for line in lines], tupleize_cols=False), [line[1] for line in lines]], names=names
    )
    return pd.DataFrame(
        {
            "low": np.array([line[2] for line in lines], dtype=float),
            "high": np.array([line[3] for line in lines], dtype=float),
            "protected": np.array([line[4] for line in lines], dtype=bool),
        },
        index=places,
    )


# --- Cells and the sums that bind them ---------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class _Lattice:
    """Counts and the sums that bind them: first the table's own cells, then what it leaves out.

    ``sums @ people == 0`` (+1 for each part, −1 for their total). ``extra`` marks cells that do not stand in
    the table: totals that readers know from elsewhere (``free`` if they do not), and people in a total but
    in no part (``outside``). ``lines`` are the sums' levels. Numbers are missing where they are not known.
    """

    keys: list[tuple[Any, ...]]
    people: Floats
    sums: Floats
    lines: list[int]
    cost: Floats
    extra: Flags
    free: Flags
    outside: Flags
    whole: bool  # two-way or simpler: the programmes' corners are whole numbers

    def protected(
        self,
        hidden: Flags,
        floor: int,
        *,
        empty_with_hidden: bool = False,
        telling: Iterable[int] = (),
        across: int = 0,
    ) -> Flags:
        """Return the cells to withhold, given those of the table that already are."""
        gone = self.with_extras_hidden(hidden, floor)
        gone |= (self.people > 0) & (self.people < floor)
        spread: list[tuple[NDArray[np.intp], Flags]] = []
        for line, level in zip(self.sums, self.lines, strict=True):
            parts = np.flatnonzero((line > 0) & ~self.outside)
            if level in telling and self._tells(parts, level, across):
                gone[parts] = True
                spread.append((parts, self.people[parts] == 0))
        for members in self._components():
            if gone[members].any():
                gone[members] = self._component_protected(members, gone[members], floor, spread)
        if empty_with_hidden:
            while True:
                touched = (self.sums[:, gone & ~self.extra] != 0).any(axis=1)
                empty = (self.sums[touched] > 0).any(axis=0) & (self.people == 0) & ~gone
                if not empty.any():
                    break
                gone |= empty
        return gone

    def with_extras_hidden(self, hidden: Flags, floor: int) -> Flags:
        gone = self.free | np.isnan(self.people)
        gone[: len(hidden)] |= hidden
        small = (self.people > 0) & (self.people < floor)
        return gone | (self.extra & small)

    def hides_other_totals(self, gone: Flags, floor: int) -> bool:
        """Whether totals that do not stand in the table had to be taken as withheld."""
        return bool((gone & self.extra & ~self.free & ~self.outside & (self.people >= floor)).any())

    def _tells(self, parts: NDArray[np.intp], level: int, across: int) -> bool:
        values = self.people[parts]
        if len(parts) < 2 or np.isnan(values).any() or np.count_nonzero(values) != 1:
            return False
        if level >= len(self.keys[0]) - across:
            return True
        # Down a column: who gave this answer tells only if the table has more than one group of people.
        kept = [place for place in range(len(self.keys[0])) if place != level]
        others = {self.keys[part][level] for part in parts}
        here = self.keys[parts[0]]
        sizes = dict.fromkeys(others, 0.0)
        for cell, key in enumerate(self.keys):
            same = all(key[p] == here[p] for p in kept if p < len(here) - across)
            if not self.outside[cell] and key[level] in sizes and same:
                sizes[key[level]] += np.nan_to_num(self.people[cell])
        return sum(size > 0 for size in sizes.values()) > 1

    def _components(self) -> list[NDArray[np.intp]]:
        touching = csr_array(self.sums != 0).astype(float)
        label = connected_components(touching.T @ touching, directed=False)[1]
        order = np.argsort(label, kind="stable")
        return np.split(order, np.flatnonzero(np.diff(label[order])) + 1)

    def _component_protected(
        self, members: NDArray[np.intp], gone: Flags, floor: int, spread: list[tuple[NDArray[np.intp], Flags]]
    ) -> Flags:
        family = self._family(members)
        if np.isnan(family.people[~self.extra[members]]).any():
            return family.protected_as_far_as_known(gone, self.extra[members], floor)
        place = {int(member): position for position, member in enumerate(members)}
        empty = [
            np.array([place[int(part)] for part in parts[zero]]) for parts, zero in spread if int(parts[0]) in place
        ]
        return family.protected(gone, self.free[members], self.outside[members], empty, floor)

    def _family(self, members: NDArray[np.intp]) -> _Family:
        sums = self.sums[:, members]
        return _Family(self.people[members], sums[(sums != 0).any(axis=1)], self.cost[members], self.whole)

    def count_range(self, cell: int, gone: Flags) -> tuple[float, float]:
        """Return the smallest and largest number that the withheld cell can be, as readers can tell.

        Readers do not know which withheld cells are empty here: every one of them may be 0.
        """
        members = next(members for members in self._components() if cell in members)
        position = int(np.flatnonzero(members == cell)[0])
        return self._family(members).confined(position, gone[members])

    def mean_range(
        self, cell: int, rows: Flags, means: Floats, scale: tuple[float, float], n: Floats | None
    ) -> tuple[float, float]:
        """Return the range of a withheld mean, from n × mean of the shown rows and totals.

        A ratio of two unknowns, made linear by dividing all of them by the cell's own n (Charnes and Cooper
        1962). With ``n`` the withheld counts are known; else each is 1 or more.
        """
        m = len(rows)
        shown = ~rows & ~np.isnan(means)
        # A sum of means can be made only where every shown part has one, and the total stands in the table.
        usable = [
            line[:m]
            for line in self.sums
            if not line[m:].any() and not (line[:m][~rows & ~shown & (self.people[:m] != 0)]).any()
        ]
        unknown = np.flatnonzero(~shown & ~(self.people[:m] == 0))
        if n is not None:
            unknown = unknown[n[unknown] > 0]
        if not usable or cell not in unknown:
            return scale
        lines = np.array(usable)
        k = len(unknown)
        filled = np.where(shown, self.people[:m], 0.0)
        sizes, totals = lines @ filled, lines @ np.where(shown, filled * np.nan_to_num(means), 0.0)
        # Unknowns: size and sum of each withheld row over the cell's size, then 1 over the cell's size.
        equal = np.zeros((2 * len(lines) + 1, 2 * k + 1))
        equal[: len(lines), :k], equal[: len(lines), -1] = lines[:, unknown], sizes
        equal[len(lines) : -1, k : 2 * k], equal[len(lines) : -1, -1] = lines[:, unknown], totals
        own = int(np.flatnonzero(unknown == cell)[0])
        equal[-1, own] = 1
        right = np.zeros(len(equal))
        right[-1] = 1
        if n is not None:
            known = np.zeros((k, 2 * k + 1))
            known[:, :k], known[:, -1] = np.eye(k), -n[unknown]
            equal, right = np.vstack([equal, known]), np.append(right, np.zeros(k))
        within = np.zeros((3 * k, 2 * k + 1))
        within[:k, :k], within[:k, k : 2 * k] = scale[0] * np.eye(k), -np.eye(k)
        within[k : 2 * k, :k], within[k : 2 * k, k : 2 * k] = -scale[1] * np.eye(k), np.eye(k)
        within[2 * k :, :k], within[2 * k :, -1] = -np.eye(k), 1.0
        bounds = [(0.0, None)] * k + [(None, None)] * k + [(0.0, 1.0)]
        target = np.zeros(2 * k + 1)
        target[k + own] = 1
        ends = []
        for sign in (1.0, -1.0):
            solved: Any = linprog(sign * target, within, np.zeros(3 * k), equal, right, bounds, method="highs")
            if solved.status != 0:
                return scale  # rounded means or people in no row: the sums bind nothing
            ends.append(float(solved.x[k + own]))
        return ends[0], ends[1]


@dataclass(frozen=True, eq=False)
class _Family:
    """Cells that hang together by their sums."""

    people: Floats
    sums: Floats
    cost: Floats
    whole: bool

    def protected(self, gone: Flags, free: Flags, outside: Flags, empty: list[NDArray[np.intp]], floor: int) -> Flags:
        """Return the cells to withhold; ``empty`` are the zeros that tell, line by line."""
        gone, people = gone.copy(), self.people
        # Every programme solved is also a table that readers cannot exclude: whatever lies between is proved.
        low, high = people.copy(), people.copy()
        for zeros in empty:
            unit = np.isin(np.arange(len(people)), zeros).astype(float)
            gone |= self._cheapest(unit, floor - 1, gone, np.ones(len(people), dtype=bool))[1] != 0
        done = free.copy()
        while True:
            start = gone.copy()
            # The smallest first: what hides them hides others too.
            for cell in sorted(np.flatnonzero(gone & (people > 0) & ~done), key=lambda c: (people[c], c)):
                done[cell] = True
                if people[cell] >= floor:
                    if not (self.whole and high[cell] - low[cell] >= floor - 1):
                        gone |= self._widened(int(cell), gone, floor)
                    continue
                for value in self._open_numbers(int(cell), floor):
                    if self.whole and low[cell] <= value <= high[cell]:
                        continue
                    unit = (np.arange(len(people)) == cell).astype(float)
                    change = self._cheapest(unit, value - people[cell], gone, people > 0)[1]
                    gone |= change != 0
                    low, high = np.minimum(low, people + change), np.maximum(high, people + change)
            # People in no part are not seen as a cell: they cannot be the only company of a withheld row.
            for line in self.sums[(self.sums[:, outside] != 0).any(axis=1)]:
                seen = (line != 0) & ~free & ~outside & (people > 0)
                others = np.flatnonzero(seen & ~gone & (line > 0))
                if np.count_nonzero(seen & gone) == 1 and len(others):
                    gone[min(others, key=lambda c: self.cost[c])] = True
            if (gone == start).all():
                return gone

    def protected_as_far_as_known(self, gone: Flags, extra: Flags, floor: int) -> Flags:
        """Return the cells to withhold where some were withheld before, so that their numbers are not known."""
        gone, people = gone.copy(), self.people
        while True:
            confined = []
            for cell in np.flatnonzero(gone & ~extra & (people != 0)):
                low, high = self.confined(int(cell), gone)
                if high - low < floor - 2 - 1e-6 and high > 0:
                    confined.append(cell)
            beside = (self.sums[(self.sums[:, confined] != 0).any(axis=1)] != 0).any(axis=0) & ~gone & ~extra
            beside = beside & (people > 0) if (beside & (people > 0)).any() else beside
            if not beside.any():
                return gone
            gone[min(np.flatnonzero(beside), key=lambda c: self.cost[c])] = True

    def _open_numbers(self, cell: int, floor: int) -> list[float]:
        """Return the numbers that a cell under the floor must be able to be."""
        least = 1
        if (self.sums[:, cell] < 0).any():  # a total of k groups that are not empty is at least k
            least = round(self._reach(cell, self.people > 0)[0])
        if self.whole:
            return [float(least), floor - 1.0]
        return [float(value) for value in range(least, floor) if value != self.people[cell]]

    def _widened(self, cell: int, gone: Flags, floor: int) -> Flags:
        """Return the cells to withhold for a cell of floor or more people to have floor possible values."""
        unit = (np.arange(len(gone)) == cell).astype(float)
        movable = (self.people > 0) | gone
        if not self.whole:
            steps = [self._cheapest(unit, step, gone, movable)[1] != 0 for step in range(1, floor)]
            return np.asarray(np.any(steps, axis=0))
        low, high = self._reach(cell, gone)
        if high - low > floor - 1 - 1e-6:
            return np.zeros(len(gone), dtype=bool)
        ends = (low + floor - 1, high - floor + 1)
        either = [self._cheapest(unit, end - self.people[cell], gone, movable) for end in ends]
        return np.asarray(min(either, key=lambda found: found[0])[1] != 0)

    def _cheapest(self, unit: Floats, amount: float, gone: Flags, movable: Flags) -> tuple[float, Floats]:
        """Return price and change of all cells that changes ``unit @ people`` by ``amount`` and hides fewest people.

        All sums are kept, so every cell that changes has to be withheld. A cell that is not empty keeps one
        person at least; which empty ones may change is in ``movable``.
        """
        m, people = len(self.people), self.people
        down = np.maximum(people - 1, 0)
        up = np.where(movable, np.inf, 0.0)
        price = np.tile(np.where(gone, 0.0, self.cost), 2)
        lines = np.vstack([np.hstack([self.sums, -self.sums]), np.hstack([unit, -unit])])
        right = np.append(np.zeros(len(self.sums)), amount)
        bounds = np.column_stack([np.zeros(2 * m), np.concatenate([up, down])])
        solved = _solved(price, lines, right, bounds, whole=self.whole)
        if solved.status != 0:  # downwards there may be no way; upwards there is one, through all totals
            return np.inf, np.zeros(m)
        return float(solved.fun), np.round(solved.x[:m] - solved.x[m:], 6)

    def _reach(self, cell: int, gone: Flags) -> tuple[float, float]:
        """Return the range of a withheld cell for a reader who knows that it, like others, is not empty."""
        use = np.flatnonzero(gone)
        known = np.where(gone, 0.0, self.people)
        bounds = np.column_stack([self.people[use] > 0, np.full(len(use), 2 * self.people.sum() + 100)]).astype(float)
        return self._ends(cell, use, -self.sums @ known, self.sums, bounds)

    def confined(self, cell: int, gone: Flags) -> tuple[float, float]:
        """Return the range of a withheld cell from the shown numbers alone: each withheld one is 0 or more."""
        use = np.flatnonzero(gone)
        # A sum of which nothing is withheld tells nothing (nor need it hold, if people are in no part).
        lines = self.sums[(self.sums[:, use] != 0).any(axis=1)]
        bounds = np.column_stack([np.zeros(len(use)), np.full(len(use), np.inf)])
        return self._ends(cell, use, -lines @ np.where(gone, 0.0, self.people), lines, bounds)

    def _ends(
        self, cell: int, use: NDArray[np.intp], right: Floats, lines: Floats, bounds: Floats
    ) -> tuple[float, float]:
        target = (use == cell).astype(float)
        ends = []
        for sign in (1.0, -1.0):
            solved = _solved(sign * target, lines[:, use], right, bounds, whole=self.whole)
            if solved.status == 2:  # the parts do not fill the total: people in no part
                solved = _solved(sign * target, lines[:, use], right, bounds, whole=self.whole, at_most=True)
            # Unbounded only upwards, as no cell is negative.
            ends.append(sign * float(solved.fun) if solved.status == 0 else np.inf)
        return ends[0], ends[1]


def _solved(price: Floats, lines: Floats, right: Floats, bounds: Floats, *, whole: bool, at_most: bool = False) -> Any:
    """Solve one programme; in whole numbers where its corners are not whole by themselves."""
    programme: dict[str, Any] = {"A_ub": lines, "b_ub": right} if at_most else {"A_eq": lines, "b_eq": right}
    programme |= {"bounds": bounds, "method": "highs"}
    if not whole:
        programme["integrality"] = np.ones(len(price), dtype=int)
    return linprog(price, **programme)


def _lattice(
    keys: list[tuple[Any, ...]], values: Floats, parts: list[int], *, people: list[int], known: bool
) -> _Lattice:
    """Bind cells by the sums over each level in ``parts``; add totals that the table does not have."""
    keys = [tuple(_ALL if _is_total(label) else label for label in key) for key in keys]
    if len(set(keys)) < len(keys):
        raise ValueError('Two rows or columns are totals of the same level. Keep one of "All", "total", "overall".')
    at = {key: place for place, key in enumerate(keys)}
    numbers, own = list(values), len(keys)
    for level in parts:
        added: dict[tuple[Any, ...], list[int]] = {}
        for key, place in at.items():
            if key[level] is not _ALL:
                added.setdefault((*key[:level], _ALL, *key[level + 1 :]), []).append(place)
        for key, places in added.items():
            if key not in at and len(places) > 1:
                at[key] = len(numbers)
                numbers.append(sum(numbers[place] for place in places))
    names = list(at)
    sums, levels, outside = [], [], []
    for level in parts:
        lines: dict[tuple[Any, ...], list[int]] = {}
        for key, place in at.items():
            if key[level] is not _ALL:
                lines.setdefault((*key[:level], _ALL, *key[level + 1 :]), []).append(place)
        for key, places in lines.items():
            if key not in at:
                continue
            rest = numbers[at[key]] - sum(numbers[place] for place in places)
            if rest < 0:
                continue  # groups overlap: their sum is not the total
            sums.append((places, at[key]))
            levels.append(level)
            outside.append(rest if rest > 0 else 0)
    slack = [place for place, rest in enumerate(outside) if rest]
    m = len(numbers) + len(slack)
    matrix = np.zeros((len(sums), m))
    for row, (places, total) in enumerate(sums):
        matrix[row, places], matrix[row, total] = 1, -1
    for column, row in enumerate(slack):
        matrix[row, len(numbers) + column] = 1
        names.append(tuple("(in no part)" for _ in names[0]))
    count = np.array([*numbers, *(outside[row] for row in slack)], dtype=float)
    extra = np.arange(m) >= own
    missing_slack = np.arange(m) >= len(numbers)
    return _Lattice(
        keys=names,
        people=count,
        sums=matrix,
        lines=levels,
        cost=_costs(names, count, extra, missing_slack, people),
        extra=extra,
        free=extra & ~missing_slack & (not known),
        outside=missing_slack,
        whole=len(set(levels)) <= 2,
    )


def _costs(keys: list[tuple[Any, ...]], values: Floats, extra: Flags, slack: Flags, people: list[int]) -> Floats:
    """Return what withholding each cell costs: its people; totals more, most those of the whole.

    Cells of the same people in other families (items, subscales) cost the same, so that each family
    withholds the same groups where it can: else one family would give back what another withholds.
    """
    groups = [tuple(key[level] for level in people) for key in keys]
    label = pd.factorize(pd.Series([hash(group) for group in groups]))[0]
    known = np.nan_to_num(values)
    size = (np.bincount(label, known) / np.bincount(label))[label]
    depth = np.array([sum(part is _ALL for part in group) for group in groups])
    everyone = known.max(initial=0.0) + 1
    cost = 1 + size + everyone * (4.0**depth - 1) + np.where(extra, 16 * everyone, 0.0)
    cost = cost + np.arange(len(keys)) * 1e-6 * (1 + size)
    return cast("Floats", np.where(slack, 0.0, cost))


def _count_lattice(counts: pd.DataFrame, *, known: bool) -> tuple[_Lattice, Floats]:
    _refuse_duplicates(counts.index, "row")
    _refuse_duplicates(counts.columns, "column")
    for name in counts.columns:
        if counts[name].isna().any() and not isinstance(counts[name].dtype, pd.Int64Dtype):
            raise ValueError(
                f"Column {name!r} has a missing count. Give 0 where nobody is (only Int64 columns may have "
                "missing cells: those were withheld before)."
            )
    values = np.column_stack([_numbers(counts[name], f"Column {name!r}") for name in counts.columns])
    rows = [key if isinstance(key, tuple) else (key,) for key in counts.index]
    columns = [key if isinstance(key, tuple) else (key,) for key in counts.columns]
    names = [*counts.index.names, *(["answer"] * counts.columns.nlevels)]
    keys = [(*row, *column) for row in rows for column in columns]
    if counts.index.nlevels == 1:
        names[0] = "group"  # the rows of a plain table are groups of people, whatever they are called
    parts = _partition_levels(keys, names, None)
    return _lattice(keys, values.ravel(), parts, people=_people_levels(names), known=known), values


def _partition_levels(keys: list[tuple[Any, ...]], names: list[Any], margins: Sequence[str] | None) -> list[int]:
    """Return the places of the levels whose totals are known."""
    if margins is not None:
        absent = [name for name in margins if name not in names]
        if absent:
            raise ValueError(f"`margins` names {_listed(absent)}, but the levels are {_listed(names)}.")
    return [
        place
        for place, name in enumerate(names)
        if any(_is_total(key[place]) for key in keys)
        or (name in margins if margins is not None else place in _people_levels(names))
    ]


def _people_levels(names: list[Any]) -> list[int]:
    return [place for place, name in enumerate(names) if str(name).lower() not in NOT_PEOPLE]


# --- Small matters -----------------------------------------------------------------------------------


def _floor(audience: Audience) -> int:
    if audience not in FLOORS:
        raise ValueError(f'`audience` must be "internal", "external" or "researcher", got {audience!r}.')
    return FLOORS[audience]


def _floors_up_to(audience: Audience) -> list[int]:
    return sorted({floor for floor in FLOORS.values() if floor <= FLOORS[audience]})


def _rule(floor: int) -> str:
    return (
        f"Numbers that rest on 1 to {floor - 1} people are withheld, and further numbers until those cannot be "
        "worked out from totals, means or percentages (complementary suppression; Hundepool et al. 2012)."
    )


def _notes(hidden: pd.DataFrame, rows: Flags, floor: int, elsewhere: bool) -> list[str]:
    notes = []
    if rows.any():
        notes.append(
            f"{np.count_nonzero(rows)} of {len(hidden)} rows are withheld: they rest on fewer than {floor} "
            "people, or would give such a number back by subtraction."
        )
    some = hidden.any(axis=1).to_numpy() & ~rows
    if some.any():
        notes.append(
            f"Percentages of {np.count_nonzero(some)} rows are withheld: fewer than {floor} people are in "
            "them or are not, or they would give such a number back."
        )
    if notes and elsewhere:
        notes.append("Totals of these groups that are not in this table must not be shown elsewhere either.")
    return notes


def _withheld(table: pd.DataFrame, hidden: pd.DataFrame) -> pd.DataFrame:
    out = table.copy()
    for name in table.columns:
        gone = hidden[name].to_numpy()
        if not gone.any():
            continue
        column = out[name]
        if pd.api.types.is_bool_dtype(column):
            column = column.astype("boolean")
        elif pd.api.types.is_integer_dtype(column):
            column = column.astype("Int64")
        out[name] = column.mask(gone)
    return out


def _numbers(column: pd.Series, what: str) -> Floats:
    """Return counts as floats, missing where withheld; refuse what cannot be a count."""
    if not pd.api.types.is_numeric_dtype(column) or pd.api.types.is_bool_dtype(column):
        raise ValueError(f"{what} must hold counts of people, but its values are {column.dtype}.")
    numbers = column.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    bad = ~np.isnan(numbers) & ((numbers < 0) | (numbers != np.floor(numbers)) | np.isinf(numbers))
    if bad.any():
        place = int(np.flatnonzero(bad)[0])
        raise ValueError(
            f"{what} must hold whole numbers of people, 0 or more; row {column.index[place]!r} has "
            f"{numbers[place]:g}. Give counts, not weights or shares."
        )
    return cast("Floats", numbers)


def _refuse_duplicates(index: pd.Index, what: str) -> None:
    twice = index[index.duplicated()]
    if len(twice):
        raise ValueError(f"{what.capitalize()} {twice[0]!r} occurs more than once. Give each {what} its own label.")


def _is_total(label: Any) -> bool:
    return label is _ALL or (isinstance(label, str) and label.strip().lower() in TOTALS)


def _is_text(column: pd.Series) -> bool:
    return isinstance(column.dtype, pd.CategoricalDtype) or (
        pd.api.types.is_string_dtype(column) or pd.api.types.is_object_dtype(column)
    )


def _listed(names: Iterable[Any]) -> str:
    return ", ".join(repr(name) for name in names)
