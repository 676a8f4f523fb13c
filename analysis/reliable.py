"""Reliable change: how many people's answers moved by more than measurement error, counted and nothing more."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from analysis.alignment import same_responses
from analysis.options import whole_number
from analysis.result import Result

Kind = Literal["retest", "omega", "alpha"]
Denominator = Literal["baseline", "differences"]
Numbers = float | Mapping[str, float]

COUNTS = ("improved", "stable", "worse")
# Jacobson and Truax's own number, not its exact value 1.959964.
_CRITICAL = 1.96
_KINDS = {"retest": "test-retest reliability", "omega": "omega", "alpha": "alpha"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ReliableChange(Result):
    """People counted by reliable change; ``table``, index ``score``, has the counts and the threshold.

    Parameters
    ----------
    indices : pandas.DataFrame
        Person × score: change over its standard error, signed so that above 0 is better. About single people:
        for a researcher's check alone, never shown.
    """

    indices: pd.DataFrame


def reliable_change(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    reliability: Numbers | None = None,
    sd: Numbers | None = None,
    kind: Kind = "retest",
    denominator: Denominator = "baseline",
    sd_differences: Numbers | None = None,
    lower_is_better: Collection[str] = (),
) -> ReliableChange:
    """Count the linked people whose score moved by more than measurement error explains.

    Parameters
    ----------
    before, after : pandas.DataFrame
        Person × score, the same people and scores; gaps are left out, score by score.
    reliability : float or mapping of str to float, optional
        Between 0 and 1, for all scores or by score. Needed for ``denominator="baseline"``.
    sd : float or mapping, optional
        Standard deviation before; default: that of the people at hand.
    kind : {"retest", "omega", "alpha"}
        What the reliability is: test-retest is right for change, omega or alpha understate the error over time.
    denominator : {"baseline", "differences"}
        "baseline": SD before · √2 · √(1 − reliability). "differences": the standard deviation of differences
        between two occasions without a change, from a retest study.
    sd_differences : float or mapping, optional
        Needed for ``denominator="differences"``.
    lower_is_better : collection of str
        Scores of which a fall is an improvement (the barrier index).

    Returns
    -------
    ReliableChange
        ``table``: n, improved, stable, worse, threshold (in the score's unit), sd, reliability.

    Raises
    ------
    ValueError
        If the frames are not of the same people and scores, nobody has both answers, an option is not allowed,
        a reliability is not between 0 and 1, or a needed number is missing.

    Notes
    -----
    A change counts where its size exceeds 1.96 · SD · √2 · √(1 − r) (Jacobson and Truax, 1991, *Journal of
    Consulting and Clinical Psychology*, 59, 12–19, with the √2 of Christensen and Mendoza, 1986, *Behavior
    Therapy*, 17, 305–308). The standard deviation of differences in the denominator is Temkin, Heaton, Grant
    and Dikmen's (1999); which of the two is right is disputed (Maassen, 2004, *Journal of the International
    Neuropsychological Society*, 10, 888–893).

    Examples
    --------
    Jacobson and Truax (1991): from 32.5 to 47.5 with SD 7.5 and reliability .80 the index is 3.16.

    >>> before, after = pd.DataFrame({"couple": [32.5]}), pd.DataFrame({"couple": [47.5]})
    >>> found = reliable_change(before, after, reliability=0.80, sd=7.5)
    >>> round(float(found.indices.loc[0, "couple"]), 2), int(found.table.loc["couple", "improved"])
    (3.16, 1)
    """
    if kind not in _KINDS:
        raise ValueError(f"kind must be 'retest', 'omega' or 'alpha', got {kind!r}")
    if denominator not in ("baseline", "differences"):
        raise ValueError(f"denominator must be 'baseline' or 'differences', got {denominator!r}")
    change, first = _changes(before, after)
    names = list(change.columns)
    unknown = sorted(set(lower_is_better) - set(names))
    if unknown:
        raise ValueError(f"lower_is_better names scores that are not there: {', '.join(unknown)}")
    table = pd.DataFrame({"n": change.notna().sum()}).rename_axis(index="score")
    if denominator == "baseline":
        if reliability is None:
            raise ValueError("denominator='baseline' needs reliability, between 0 and 1; got none")
        table["reliability"] = _by_score(reliability, names, "reliability")
        outside = ~((table["reliability"] > 0) & (table["reliability"] < 1))
        if outside.any():
            raise ValueError(
                f"reliability must lie between 0 and 1; it does not for {', '.join(table.index[outside])}. "
                "Use an estimate above 0, or leave the score out"
            )
        table["sd"] = first.std() if sd is None else _by_score(sd, names, "sd")
        error = table["sd"] * np.sqrt(2) * np.sqrt(1 - table["reliability"])
    else:
        if sd_differences is None:
            raise ValueError("denominator='differences' needs sd_differences, from a retest study; got none")
        table["sd"] = _by_score(sd_differences, names, "sd_differences")
        error = table["sd"]
    error = error.where(error > 0)
    if error.isna().all():
        raise ValueError(
            "no score has a standard deviation above 0 before (one person, or everyone alike): give sd= from a "
            "larger group, or leave reliable change out"
        )
    sign = pd.Series([-1.0 if name in lower_is_better else 1.0 for name in names], index=names)
    indices = change * sign / error
    known = indices.notna()
    counts = {
        "improved": (indices > _CRITICAL).sum(),
        "stable": ((indices.abs() <= _CRITICAL) & known).sum(),
        "worse": (indices < -_CRITICAL).sum(),
    }
    judged = error.notna() & (table["n"] > 0)
    for position, (name, count) in enumerate(counts.items(), start=1):
        table.insert(position, name, count.astype("Int64").where(judged))
    table.insert(4, "threshold", _CRITICAL * error)
    return ReliableChange(
        title="Reliable change of linked people",
        table=table,
        method=_method(kind, denominator),
        notes=_notes(table, judged, len(change), given=sd is not None, denominator=denominator, kind=kind),
        indices=indices,
    )


def showable(counts: pd.DataFrame, *, floor: int = 5) -> pd.Series:
    """Return which rows of counts may be shown: all three counts at least the floor, or none of them.

    Parameters
    ----------
    counts : pandas.DataFrame
        Columns ``improved``, ``stable`` and ``worse``, as the table of `reliable_change`.
    floor : int

    Raises
    ------
    ValueError
        If a column is missing or the floor is under 1.

    Examples
    --------
    A count of 0 tells of everyone, so it hides the row as well.

    >>> counts = pd.DataFrame({"improved": [9, 12], "stable": [20, 25], "worse": [6, 0]}, index=["role", "cult"])
    >>> showable(counts).to_dict()
    {'role': True, 'cult': False}
    """
    lacking = [name for name in COUNTS if name not in counts]
    if lacking:
        raise ValueError(f"counts needs the columns improved, stable and worse; missing: {', '.join(lacking)}")
    floor = whole_number("floor", floor, at_least=1)
    return (counts[list(COUNTS)].fillna(0) >= floor).all(axis=1).astype(bool).rename("showable")


def _changes(before: pd.DataFrame, after: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    if list(before.columns) != list(after.columns):
        raise ValueError("before and after must have the same scores, in the same order")
    after = same_responses(after, before.index, "after")
    change = after.astype(float) - before.astype(float)
    if not change.notna().any(axis=None):
        raise ValueError(
            f"nobody has a score at both waves ({len(before)} people): reliable change is about linked people; "
            "link the waves, or leave it out"
        )
    return change, before.astype(float).where(change.notna())


def _by_score(given: Numbers, names: list[str], what: str) -> pd.Series:
    if not isinstance(given, Mapping | pd.Series):
        return pd.Series(float(given), index=names)
    lacking = [name for name in names if name not in given]
    if lacking:
        raise ValueError(f"{what} is missing for {', '.join(lacking)}: give one for each score, or one for all")
    return pd.Series({name: float(given[name]) for name in names})


def _method(kind: Kind, denominator: Denominator) -> str:
    error = (
        f"SD before · √2 · √(1 − r), r being {_KINDS[kind]} (Jacobson and Truax, 1991; Christensen and Mendoza, 1986)"
        if denominator == "baseline"
        else "the standard deviation of differences between two occasions of a retest study (Temkin et al., 1999)"
    )
    return (
        f"Linked people counted as improved, stable or worse where their change is beyond 1.96 times its standard "
        f"error, {error}; the choice of that error is disputed (Maassen, 2004)."
    )


def _notes(
    table: pd.DataFrame, judged: pd.Series, people: int, *, given: bool, denominator: Denominator, kind: Kind
) -> tuple[str, ...]:
    notes = [
        "This counts changes of opinion about a team, not changes of the people who answered. It is never shown to an "
        "employer, and it is never a test of the group's change: used as one, it says 'changed' in 19–36 % of runs "
        "in which nothing changed.",
        "Counts are shown only where all three are at least 5 (`showable`).",
    ]
    if table["n"].min() < people:
        notes.append(
            f"People without the score at both waves are left out: from {people - int(table['n'].max())} to "
            f"{people - int(table['n'].min())} of {people}."
        )
    if denominator == "baseline" and kind != "retest":
        notes.append(
            f"The reliability is {_KINDS[kind]}, which holds no error over time: the threshold is too small and "
            "more people count as changed than with a test-retest reliability."
        )
    if denominator == "baseline" and not given:
        notes.append("The SD before is that of the linked people.")
    if not judged.all():
        notes.append(
            f"Left without counts, as nobody has both scores or all scored alike before: {', '.join(table.index[~judged])}."
        )
    return tuple(notes)
