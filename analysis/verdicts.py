"""What a change is called: five words, by its interval and the smallest change that would matter."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
import pandas as pd
from scipy import stats

SMALLEST, WIDEST = 6.25, 12.5
BETTER, WORSE, NO_CHANGE = "better", "worse", "no change that matters"
TOO_CLOSE, NOT_ENOUGH = "too close to call", "not enough answers"
HIGHER, LOWER = "higher", "lower"
MATTERS, MAY_MATTER, TOO_SMALL = "matters", "may matter", "too small to matter"
AS_EXPECTED, MOVED, CANNOT_TELL = "as expected: no change that matters", "moved", "cannot tell"

_LEVEL, _POWER = 0.05, 0.80


def verdicts(
    table: pd.DataFrame,
    *,
    smallest: float | pd.Series = SMALLEST,
    widest: float | pd.Series = WIDEST,
    lower_is_better: Collection[str] = (),
    without_direction: Collection[str] = (),
) -> pd.Series:
    """Say in words what the interval of each change says.

    Parameters
    ----------
    table : pandas.DataFrame
        By score: estimate, se, df, ci_low, ci_high, p_adjusted. Missing numbers are allowed.
    smallest : float or pandas.Series, default 6.25
        The smallest change that would matter, in the unit of the table, stated beforehand; or one by score. The
        default is a placeholder (half a standard deviation of 12.5 points of 100), and no study of this
        questionnaire stands behind it.
    widest : float or pandas.Series, default 12.5
        Where only a larger change could have been detected, there are not enough answers.
    lower_is_better : collection of str, optional
        Scores of which less is better, such as barriers.
    without_direction : collection of str, optional
        Scores of which neither more nor less is better: "higher" and "lower" instead of "better" and "worse".

    Returns
    -------
    pandas.Series
        By score. In this order: "better" or "worse" if the interval leaves out 0 and the adjusted p is under .05; "no
        change that matters" if the interval lies inside ± ``smallest``; "not enough answers" if the change that
        would be found with 80 % power exceeds ``widest``, or there is no estimate; else "too close to call".

    Raises
    ------
    ValueError
        If a column is missing, or the two limits are not above 0.

    Notes
    -----
    The detectable change is (t.₉₇₅ + t.₈₀) × se (Bloom, 1995, *Evaluation Review*, 19, 547–556). That an interval
    lies inside limits stated beforehand, at 95 %, is stricter than the test of equivalence at 5 % (Schuirmann, 1987).

    Examples
    --------
    >>> table = pd.DataFrame(
    ...     {"estimate": [8.0, 1.0, 5.0, 9.0], "se": [2.0, 1.5, 4.0, 9.0], "df": 40.0, "p_adjusted": [0.001, 0.5, 0.2, 0.3]},
    ...     index=["a", "b", "c", "d"],
    ... )
    >>> half = 2.02 * table["se"]
    >>> table = table.assign(ci_low=table["estimate"] - half, ci_high=table["estimate"] + half)
    >>> verdicts(table).tolist()
    ['better', 'no change that matters', 'too close to call', 'not enough answers']
    """
    _require(table, ["estimate", "se", "df", "ci_low", "ci_high", "p_adjusted"])
    small, wide = _limit(table, smallest, "smallest"), _limit(table, widest, "widest")
    unknown = table[["estimate", "ci_low", "ci_high", "p_adjusted"]].isna().any(axis=1)
    claimed = (table["p_adjusted"] < _LEVEL) & ((table["ci_low"] > 0) | (table["ci_high"] < 0))
    neither = table.index.isin(list(without_direction))
    is_better = (table["estimate"] > 0) != table.index.isin(list(lower_is_better))
    words = np.select(
        [
            unknown,
            claimed & neither & (table["estimate"] > 0),
            claimed & neither,
            claimed & is_better,
            claimed,
            _inside(table, small),
            detectable(table) > wide,
        ],
        [NOT_ENOUGH, HIGHER, LOWER, BETTER, WORSE, NO_CHANGE, NOT_ENOUGH],
        default=TOO_CLOSE,
    )
    return pd.Series(words, index=table.index, name="verdict")


def sizes(table: pd.DataFrame, *, smallest: float | pd.Series = SMALLEST) -> pd.Series:
    """Say whether each change is large enough to matter, whatever its sign.

    Parameters
    ----------
    table : pandas.DataFrame
        By score: ci_low and ci_high.
    smallest : float or pandas.Series, default 6.25
        As for `verdicts`.

    Returns
    -------
    pandas.Series
        "matters" if the whole interval lies beyond ``smallest``, "too small to matter" if it lies inside
        ± ``smallest``, else "may matter"; missing without an interval.

    Examples
    --------
    >>> sizes(pd.DataFrame({"ci_low": [7.0, -1.0, -2.0], "ci_high": [12.0, 4.0, 9.0]})).tolist()
    ['matters', 'too small to matter', 'may matter']
    """
    _require(table, ["ci_low", "ci_high"])
    small = _limit(table, smallest, "smallest")
    beyond = (table["ci_low"] > small) | (table["ci_high"] < -small)
    words = pd.Series(
        np.select([beyond, _inside(table, small)], [MATTERS, TOO_SMALL], default=MAY_MATTER), index=table.index
    )
    return words.where(table[["ci_low", "ci_high"]].notna().all(axis=1)).rename("size")


def control_verdicts(table: pd.DataFrame, *, smallest: float | pd.Series = SMALLEST) -> pd.Series:
    """Judge scores on which no change was expected, by their intervals and not by a test.

    Parameters
    ----------
    table : pandas.DataFrame
        By score: ci_low and ci_high.
    smallest : float or pandas.Series, default 6.25
        As for `verdicts`.

    Returns
    -------
    pandas.Series
        "as expected: no change that matters" if the interval lies inside ± ``smallest``; else "moved" if it
        leaves out 0; else "cannot tell", as that a test found nothing is no evidence of nothing.

    Examples
    --------
    >>> control_verdicts(pd.DataFrame({"ci_low": [-1.0, 1.0, -5.0], "ci_high": [4.0, 9.0, 9.0]})).tolist()
    ['as expected: no change that matters', 'moved', 'cannot tell']
    """
    _require(table, ["ci_low", "ci_high"])
    small = _limit(table, smallest, "smallest")
    leaves_out = (table["ci_low"] > 0) | (table["ci_high"] < 0)
    words = np.select([_inside(table, small), leaves_out], [AS_EXPECTED, MOVED], default=CANNOT_TELL)
    return pd.Series(words, index=table.index, name="verdict")


def detectable(table: pd.DataFrame) -> pd.Series:
    """Return the change that a two-sided test at 5 % would find with 80 % power, from its standard error.

    Parameters
    ----------
    table : pandas.DataFrame
        By score: se and df.

    Returns
    -------
    pandas.Series
        In the unit of the standard error.

    Examples
    --------
    >>> detectable(pd.DataFrame({"se": [2.0], "df": [30.0]})).round(2).tolist()
    [5.79]
    """
    _require(table, ["se", "df"])
    df = table["df"].astype(float)
    return (stats.t.ppf(1 - _LEVEL / 2, df) + stats.t.ppf(_POWER, df)) * table["se"]


def _inside(table: pd.DataFrame, small: pd.Series) -> pd.Series:
    return (table["ci_low"] > -small) & (table["ci_high"] < small)


def _limit(table: pd.DataFrame, limit: float | pd.Series, name: str) -> pd.Series:
    by_score = limit.reindex(table.index) if isinstance(limit, pd.Series) else pd.Series(limit, index=table.index)
    by_score = by_score.astype(float)
    if not (by_score > 0).all():
        raise ValueError(f"{name} must be a number above 0 (for every score); got {limit!r}")
    return by_score


def _require(table: pd.DataFrame, columns: list[str]) -> None:
    missing = [name for name in columns if name not in table]
    if missing:
        raise ValueError(f"the table lacks the columns {', '.join(missing)}")
