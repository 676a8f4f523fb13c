"""People who could not judge an item before and can now: how many, and the change on what was judged both times."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

import numpy as np
import pandas as pd
from scipy import stats

from analysis.alignment import same_responses
from analysis.linearisation import Units, error_of, units_of
from analysis.result import Result

ALL = "all"
_TAIL = 0.975
_CELLS = ["cells", "both", "to_number", "to_number_dont_know", "to_number_not_started", "to_number_other"]
_CELLS += ["from_number", "neither"]
_COLUMNS = [
    *_CELLS,
    *("people_to_number", "people_from_number", "mean_newly", "mean_both_after"),
    *("n", "estimate", "se", "df", "ci_low", "ci_high"),
]


def newly_judged(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    off_scale_before: pd.DataFrame,
    off_scale_after: pd.DataFrame,
    subscales: Mapping[str, Sequence[str]],
    unable_reasons: Collection[str] = ("dont_know", "don't know"),
    stage_reasons: Collection[str] = ("not_started", "not started", "not started yet"),
    people: pd.DataFrame | None = None,
) -> Result:
    """Count moves between a reason beside the scale and a number, and the change on items judged both times.

    Parameters
    ----------
    before, after : pandas.DataFrame
        Linked people × item, the same people and items: keyed answers (high is better conditions), in any unit;
        (code − 1) · 25 gives points of 100. Missing where there is no number.
    off_scale_before, off_scale_after : pandas.DataFrame
        Same shape: the reason for an answer beside the scale as text (``"dont_know"``, ``"not_started"``), else
        missing. An item without number and reason was left blank or not asked, and counts nowhere.
    subscales : mapping of str to sequence of str
        The items of each subscale; a last row ``"all"`` takes every item named.
    unable_reasons, stage_reasons : collection of str
        Reasons that mean "don't know", and those that speak of the stage of the programme ("not started yet"); any
        other ("does not apply") is counted as such.
    people : pandas.DataFrame, optional
        By person, with ``organisation``, ``team`` or both: the intervals then allow for people of one place being
        alike, where there are at least 10. Default: people are independent.

    Returns
    -------
    Result
        Index ``subscale``: cells (person × item, with a number or a reason at both waves), of which both (numbers),
        to_number (from a reason; of these to_number_dont_know, to_number_not_started, to_number_other), from_number (to
        a reason), neither; people_to_number and people_from_number (people with at least one such cell); mean_newly (answers
        after in the cells that moved to a number) beside mean_both_after; then the change on the same items among n
        people with a number at both waves: estimate, se, df, ci_low, ci_high.

    Raises
    ------
    ValueError
        If frames do not match, there are no people, an item is unknown, or no cell was judged at both waves.

    Notes
    -----
    A subscale's score may rise only because people who could not judge it before can now. The change here takes the
    items that the same person answered with a number both times: the mean over people of their mean difference, with
    Student's t interval.

    Examples
    --------
    >>> before = pd.DataFrame({"i1": [3.0, None], "i2": [2.0, 4.0]})
    >>> after = pd.DataFrame({"i1": [4.0, 5.0], "i2": [2.0, 5.0]})
    >>> reasons = pd.DataFrame({"i1": [None, "dont_know"], "i2": [None, None]}, dtype="object")
    >>> nothing = reasons.where(reasons.isna())
    >>> found = newly_judged(
    ...     before, after, off_scale_before=reasons, off_scale_after=nothing, subscales={"indu": ["i1", "i2"]}
    ... ).table
    >>> found.loc["indu", ["to_number", "both", "people_to_number", "n", "estimate"]].astype(float).tolist()
    [1.0, 3.0, 1.0, 2.0, 0.75]
    """
    if not len(before):
        raise ValueError("there are no linked people: who moved to a number can be seen only in people linked")
    items = list(before.columns)
    frames = {"after": after, "off_scale_before": off_scale_before, "off_scale_after": off_scale_after}
    matched = {}
    for name, frame in frames.items():
        lacking = [item for item in items if item not in frame]
        if lacking:
            raise ValueError(f"{name} lacks the items {', '.join(map(str, lacking[:10]))} of before")
        matched[name] = same_responses(frame[items], before.index, name)
    unknown = sorted({item for group in subscales.values() for item in group} - set(items), key=str)
    if unknown:
        raise ValueError(f"subscales names items that are not there: {', '.join(map(str, unknown[:10]))}")
    first, second = (frame.to_numpy(dtype=float, na_value=np.nan) for frame in (before, matched["after"]))
    reasons = {name: matched[name].astype(object) for name in ("off_scale_before", "off_scale_after")}
    beside = {name: frame.notna().to_numpy() for name, frame in reasons.items()}
    unable, stage = (
        reasons["off_scale_before"].isin(list(which)).to_numpy() for which in (unable_reasons, stage_reasons)
    )
    number = {"before": ~np.isnan(first), "after": ~np.isnan(second)}
    if (number["before"] & beside["off_scale_before"]).any() or (number["after"] & beside["off_scale_after"]).any():
        raise ValueError("a cell has both a number and a reason beside the scale: hand in one of the two")
    cells = {
        "both": number["before"] & number["after"],
        "to_number": beside["off_scale_before"] & number["after"],
        "from_number": number["before"] & beside["off_scale_after"],
        "neither": beside["off_scale_before"] & beside["off_scale_after"],
    }
    cells["to_number_dont_know"] = cells["to_number"] & unable
    cells["to_number_not_started"] = cells["to_number"] & stage
    cells["to_number_other"] = cells["to_number"] & ~unable & ~stage
    cells["cells"] = cells["both"] | cells["to_number"] | cells["from_number"] | cells["neither"]
    if not cells["cells"].any():
        raise ValueError("no item has a number or a reason from the same person at both waves")
    known = pd.DataFrame(index=before.index) if people is None else same_responses(people, before.index, "people")
    units = units_of(known.assign(person=before.index))
    everything = list(dict.fromkeys(item for group in subscales.values() for item in group))
    groups = {**{str(name): list(group) for name, group in subscales.items()}, ALL: everything}
    rows = {
        name: _row(
            {key: each[:, [items.index(item) for item in group]] for key, each in cells.items()},
            *(each[:, [items.index(item) for item in group]] for each in (first, second)),
            units=units,
        )
        for name, group in groups.items()
    }
    table = pd.DataFrame(list(rows.values()), index=pd.Index(rows, name="subscale"), columns=_COLUMNS)
    counts = [*_CELLS, "people_to_number", "people_from_number", "n"]
    moved, total = int(table.loc[ALL, "to_number"]), int(table.loc[ALL, "cells"])
    return Result(
        title="Answers that moved from «cannot judge» or «not started» to a number",
        table=table.astype(dict.fromkeys(counts, "int64")),
        method=(
            "Linked people: moves between a reason beside the scale and a number, by person and item; the change is the "
            "mean over people of their mean difference on items with a number at both waves, with Student's t interval."
        ),
        notes=(
            f"{moved} of {total} cells moved from a reason to a number, {int(table.loc[ALL, 'from_number'])} the other way. "
            "These answers are in the score after, not in the score before.",
            "Items left blank, or not on the form, at either wave count nowhere.",
            "The intervals take people as independent."
            if units.name == "person"
            else f"The intervals allow for clustering by {units.name} (CR1; Cameron and Miller, 2015).",
        ),
    )


def _row(
    cells: Mapping[str, np.ndarray[tuple[int, ...], np.dtype[np.bool_]]],
    first: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    second: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    *,
    units: Units,
) -> dict[str, float]:
    row: dict[str, float] = {name: int(cells[name].sum()) for name in _CELLS}
    row["people_to_number"] = int(cells["to_number"].any(axis=1).sum())
    row["people_from_number"] = int(cells["from_number"].any(axis=1).sum())
    for name, chosen in (("mean_newly", cells["to_number"]), ("mean_both_after", cells["both"])):
        row[name] = float(second[chosen].mean()) if chosen.any() else float("nan")
    judged = cells["both"].sum(axis=1)
    there = judged > 0
    difference = np.where(cells["both"], second - first, 0.0).sum(axis=1)[there] / judged[there]
    n = int(there.sum())
    row["n"] = n
    if not n:
        return row
    row["estimate"] = float(difference.mean())
    if n > 1:
        influence = pd.Series((difference - difference.mean()) / n, index=units.unit.index[there])
        row["se"], row["df"] = error_of(influence, pd.Series("all", index=influence.index), units)
        half = float(stats.t.ppf(_TAIL, row["df"])) * row["se"]
        row["ci_low"], row["ci_high"] = row["estimate"] - half, row["estimate"] + half
    return row
