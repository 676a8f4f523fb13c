"""Which numbers of few people are shown, and how exactly: rounding and withholding.

The policy, in one place (docs/disclosure.md says why, in plain words):

====================================  ==========================  ==========================  ====================
Number                                20 people or more           10 to 19 people             fewer than 10
====================================  ==========================  ==========================  ====================
mean                                  to 1 POMP                   to 1 POMP                   to 5 POMP
interval of a mean                    to 1 POMP                   withheld                    withheld
change, difference                    to 0.1 POMP                 to 1 POMP                   to 5 POMP
interval of a change or difference    to 0.1 POMP                 outward to 5 POMP           outward to 5 POMP
gap, importance, priority (0 to 1)    to 0.01                     to 0.05                     to 0.05
rating of difficulty                  to 0.1                      to half a step              to half a step
SD, SE, minimum, maximum, median      shown                       withheld                    withheld
test statistic, df, p, effect size    shown                       withheld                    withheld
SEM, smallest detectable change       shown                       withheld                    withheld
bootstrap chance, probability         shown                       withheld                    withheld
====================================  ==========================  ==========================  ====================

"People" are those of the smaller group, where two are compared. Under the floor of the audience nothing is shown at
all (`disclosure`). A mean so near an end of its scale that four of the people are confined to less than a
fifth of the scale is withheld (``near_an_end``), and so is what would give it back (`known_means`).

POMP is the percentage of the maximum possible: 1 POMP of answers from 1 to 5 is 0.04.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

Floats = NDArray[np.float64]

SPREAD_FEWEST = 20
"""People, below whom no number is shown that gives back how far they lie apart."""

MEAN_FEWEST = 10
"""People, below whom means are shown in steps of 5 POMP."""

CONFINED_PEOPLE, CONFINED_WIDTH = 4, 0.20
"""The mean of so few people, not shown, can lie anywhere in so much of the scale at least."""

SPREAD = (
    *("sd", "se", "variance", "min", "max", "minimum", "maximum", "lowest", "highest", "range", "median", "iqr"),
    *("skewness", "kurtosis", "statistic", "t", "z", "f", "df", "df_error", "p", "p_adjusted"),
    *("sem", "sdc", "loa_low", "loa_high", "detectable", "sd_ratio", "q1", "q3"),
    *("chance", "expected"),  # of a bootstrap, and of regression to the mean: both are made of error variances
)
"""Columns that give a spread, or from which one follows (a mean with its t, an SE with its n)."""

_SPREAD_STARTS = (
    *("sd_", "se_", "df_", "p_", "statistic_", "effect_", "min_", "max_", "median_", "std_se", "variance_"),
    "probability",  # of superiority: how far two groups overlap
)
_ROWS_OF_SPREAD = frozenset({"sd", "sem", "sdc", "se", "minimum", "maximum", "variance", "sdc_group", "loa"})
_COEFFICIENT_LEVELS = frozenset(
    {
        "coefficient",
        "statistic",
        "parameter",
        "term",
        "factor",
        "threshold",
        "step",
        "model",
        "index",
        "quantity",
        "measure",
    }
)
_RATINGS = ("gap", "importance", "priority")
_LEVELS, _TWO_LEVELS = ("mean", "score"), ("before", "after")
_DIFFERENCES = (
    *("estimate", "change", "gap", "difference_in_means", "change_all", "change_invariant"),
    *("expected", "comparison", "excess"),
)


def is_in_points(index_names: Iterable[object], columns: Iterable[object], *, counted: bool) -> bool:
    """Say whether ``estimate`` is in points of a scale (a change, a gap), not a coefficient such as alpha.

    Parameters
    ----------
    index_names, columns : iterable
        Of the table.
    counted : bool
        Whether the table has a column of people.

    Examples
    --------
    >>> is_in_points(["score"], ["n_before", "n_after", "estimate"], counted=True)
    True
    >>> is_in_points(["subscale", "coefficient"], ["estimate", "n"], counted=True)
    False
    """
    columns = list(columns)
    levels, names = set(index_names), set(columns)
    if levels_among(list(columns)):
        return True
    if levels & _COEFFICIENT_LEVELS:
        return False
    return bool(names & set(_DIFFERENCES)) and (counted or bool(levels & {"score", "outcome", "subscale"}))


def coarsened(
    frame: pd.DataFrame, people: ArrayLike, *, points: bool, unit: ArrayLike = 1.0
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return a table of numbers as exact as their people allow, and what was done to it in sentences.

    Parameters
    ----------
    frame : pandas.DataFrame
        Columns by the package's vocabulary: ``mean``, ``estimate``, ``ci_low``, ``sd`` …
    people : array_like, shape (rows,)
        How many people each row's numbers come from: of several groups the smallest.
    points : bool
        Whether ``estimate`` is in points of a scale (`is_in_points`); coefficients are not rounded here.
    unit : array_like
        One POMP in the unit of the row.

    Returns
    -------
    tuple of DataFrame and notes

    Raises
    ------
    ValueError
        If there are not as many numbers of people as rows, or one is missing.

    Notes
    -----
    A mean and standard deviation of five whole answers give all five back in most cases, and an interval of a mean
    with its n is its standard deviation. The interval of a difference holds the spreads of two groups, of which
    neither follows; rounded outward to 5 POMP it still covers at least as often as it says. The limits of 20 and
    10 people and the steps of 1 and 5 POMP are this project's own.

    Examples
    --------
    >>> frame = pd.DataFrame({"estimate": [6.3, 6.3], "ci_low": [1.2, 1.2], "ci_high": [11.4, 11.4], "p": [0.02, 0.02]})
    >>> coarsened(frame, [12, 40], points=True)[0].values.tolist()
    [[6.0, 0.0, 15.0, nan], [6.3, 1.2, 11.4, 0.02]]
    """
    n = np.asarray(people, dtype=float)
    one = np.broadcast_to(np.asarray(unit, dtype=float), n.shape)
    if n.shape != (len(frame),) or np.isnan(n).any():
        raise ValueError(f"`people` must give a number for each of the {len(frame)} rows, got {n.tolist()}")
    few, very_few = n < SPREAD_FEWEST, n < MEAN_FEWEST
    out = frame.copy()
    for name in [name for name in frame if _tells_spread(str(name))]:
        out[name] = _masked(frame[name], few)
    numbers = [name for name in frame if pd.api.types.is_numeric_dtype(frame[name])]
    levels = [name for name in levels_among(list(frame.columns)) if name in numbers]
    ratings = [name for name in numbers if name in _RATINGS and "priority" in frame]
    for name in ratings:
        out[name] = _to_step(frame[name], np.where(few, 0.05, 0.01))
    bounds = [
        name for name in numbers if str(name).startswith(("ci", "excess_")) and str(name).endswith(("_low", "_high"))
    ]
    if not points:
        for name in bounds:
            out[name] = _masked(frame[name], few)
        spread_rows = few & np.array([_is_row_of_spread(key) for key in frame.index], dtype=bool)
        if "estimate" in frame:
            out["estimate"] = _masked(frame["estimate"], spread_rows)
        return out, _notes(frame, out, outward=False)
    for name in levels:
        out[name] = _to_step(frame[name], np.where(very_few, 5 * one, one))
    differences = [name for name in numbers if str(name) in _DIFFERENCES and name not in ratings]
    if set(levels) - set(_TWO_LEVELS):  # `estimate` beside a mean is a mean too: of a model
        for name in differences:
            out[name] = _to_step(frame[name], np.where(very_few, 5 * one, one))
        for name in bounds:
            out[name] = _masked(_to_step(frame[name], one), few)
        return out, _notes(frame, out, outward=False)
    for name in differences:
        out[name] = _to_step(frame[name], np.where(very_few, 5 * one, np.where(few, one, 0.1 * one)))
    for name in bounds:
        away = np.floor if str(name).endswith("_low") else np.ceil
        step = np.where(few, 5 * one, 0.1 * one)
        values = frame[name].astype("Float64").to_numpy(dtype=float, na_value=np.nan)
        outward = away(np.round(values / step, 9)) * step + 0.0
        out[name] = np.where(few, outward, _to_step(frame[name], step).to_numpy(dtype=float))
    return out, _notes(frame, out, outward=bool(bounds) and bool(few.any()))


def levels_among(columns: Sequence[object]) -> list[object]:
    """Return the columns that hold means of people: so do scores, and before and after beside their difference.

    Examples
    --------
    >>> levels_among(["before", "after", "estimate"]), levels_among(["before", "after"])
    (['before', 'after'], [])
    """
    found = [name for name in columns if str(name) in _LEVELS or str(name).startswith("mean_")]
    return found + [name for name in columns if name in _TWO_LEVELS and "estimate" in columns]


def steps_of_means(people: ArrayLike, unit: ArrayLike = 1.0) -> Floats:
    """Return the step to which ``coarsened`` rounds a mean of so many people.

    Examples
    --------
    >>> steps_of_means([9, 10]).tolist()
    [5.0, 1.0]
    """
    return np.asarray(np.where(np.asarray(people) < MEAN_FEWEST, 5.0, 1.0) * np.asarray(unit, dtype=float))


def near_an_end(
    people: ArrayLike,
    least: ArrayLike,
    most: ArrayLike,
    low: ArrayLike,
    high: ArrayLike,
    *,
    to_a_member: bool = False,
) -> NDArray[np.bool_]:
    """Say whether a mean tells too much of some of its people, being so near an end of its scale.

    Parameters
    ----------
    people : array_like
        How many the mean is of.
    least, most : array_like
        Between which numbers the mean lies, as readers see it (a rounded mean ± half a step).
    low, high : array_like
        The ends of the scale.
    to_a_member : bool
        Whether some of the people are a group that is not shown, which one of the others, who knows their own
        answers, must not learn of either.

    Notes
    -----
    Of n people with a mean of at least ``least``, the mean of any k is at least high − n (high − least)/k. That leaves a
    fifth of the scale open if n (high − least) is at least k/5 of the scale; likewise at the lower end. Here k is 4,
    the most people who are never shown. A member takes their own answer off, which can be the whole scale away from the
    end: the others then need as much room by themselves, and have to be more than k.

    Examples
    --------
    >>> near_an_end([5, 5, 20], [82.5, 87.5, 95.5], [87.5, 92.5, 96.5], 0, 100).tolist()
    [False, True, False]
    """
    n, bottom, top = (np.asarray(value, dtype=float) for value in (people, low, high))
    need = (CONFINED_PEOPLE * CONFINED_WIDTH + to_a_member) * (top - bottom) - 1e-9
    too_few = to_a_member & (n <= CONFINED_PEOPLE + 1)
    return np.asarray(too_few | (n * (top - np.asarray(least)) < need) | (n * (np.asarray(most) - bottom) < need))


def _tells_spread(name: str) -> bool:
    return name in SPREAD or name.startswith(_SPREAD_STARTS)


def _is_row_of_spread(key: object) -> bool:
    labels = key if isinstance(key, tuple) else (key,)
    return any(str(label).lower() in _ROWS_OF_SPREAD for label in labels)


def _masked(column: pd.Series, gone: NDArray[np.bool_]) -> pd.Series:
    if not gone.any():
        return column
    if pd.api.types.is_bool_dtype(column):
        return column.astype("boolean").mask(gone)
    return (column.astype("Int64") if pd.api.types.is_integer_dtype(column) else column).mask(gone)


def _to_step(column: pd.Series, step: Floats) -> pd.Series:
    values = column.astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    # Nine decimals: 35 steps of 0.1 are 3.5 then, not 3.5000000000000004.
    return pd.Series(np.round(np.round(values / step) * step, 9) + 0.0, index=column.index)  # no −0


def _notes(before: pd.DataFrame, after: pd.DataFrame, *, outward: bool) -> tuple[str, ...]:
    notes: list[str] = []
    columns: Sequence[object] = list(before.columns)
    if any((before[name].notna() & after[name].isna()).any() for name in columns):
        notes.append(
            f"Where fewer than {SPREAD_FEWEST} people answered, spreads, tests and intervals of means are withheld: they "
            "would give single answers back."
        )
    if outward:
        notes.append(
            f"Intervals of differences that involve fewer than {SPREAD_FEWEST} people are rounded outward to multiples of 5."
        )
    return tuple(notes)
