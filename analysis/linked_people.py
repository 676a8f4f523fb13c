"""Linked people: their scores before and after side by side, one row a person."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from analysis.alignment import same_responses


@dataclass(frozen=True, kw_only=True, eq=False)
class LinkedPeople:
    """People who answered at both waves.

    Parameters
    ----------
    before, after : pandas.DataFrame
        Person × score.
    people : pandas.DataFrame
        By person, what was known at the first wave (``organisation``, ``team``, ``programme`` …); ``form`` is
        the one before, ``form_after`` the one after.
    """

    before: pd.DataFrame
    after: pd.DataFrame
    people: pd.DataFrame


def linked_people(scores: pd.DataFrame, rows: pd.DataFrame) -> LinkedPeople:
    """Put the answers of each linked person side by side.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score (or item), both waves.
    rows : pandas.DataFrame
        Same index: ``wave`` (0 before, 1 after) and ``person``, the same for linked responses; other columns
        are handed on. As in `analysis.waves.ScoredWaves`.

    Returns
    -------
    LinkedPeople

    Raises
    ------
    ValueError
        If a column is missing, a wave is neither 0 nor 1, somebody answered twice in one wave, or nobody
        answered in both.

    Examples
    --------
    >>> scores = pd.DataFrame({"role": [50.0, 60.0, 55.0]})
    >>> rows = pd.DataFrame({"wave": [0, 0, 1], "person": ["a", "b", "a"]})
    >>> linked = linked_people(scores, rows)
    >>> (linked.after - linked.before)["role"].to_dict()
    {'a': 5.0}
    """
    rows = checked_rows(scores, rows)
    first, second = (scores[rows["wave"] == wave].set_axis(rows.loc[rows["wave"] == wave, "person"]) for wave in (0, 1))
    both = first.index.intersection(second.index, sort=False).rename("person")
    if not len(both):
        raise ValueError(
            f"nobody is linked: {len(first)} answers before and {len(second)} after share no person. What needs "
            "the same people twice cannot be said; look at everyone's change instead"
        )
    people = rows[rows["wave"] == 0].set_index("person").drop(columns="wave").loc[both]
    if "form" in rows:
        people["form_after"] = rows[rows["wave"] == 1].set_index("person")["form"].loc[both]
    return LinkedPeople(before=first.loc[both], after=second.loc[both], people=people)


def checked_rows(scores: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    """Check that rows say of each response its wave (0 or 1) and its person, once a wave; in the scores' order.

    Raises
    ------
    ValueError
        As `linked_people`, but that nobody is linked.

    Examples
    --------
    >>> rows = pd.DataFrame({"wave": [0, 1], "person": ["a", "b"]})
    >>> checked_rows(pd.DataFrame({"role": [50.0, 55.0]}), rows)["person"].tolist()
    ['a', 'b']
    """
    lacking = [name for name in ("wave", "person") if name not in rows]
    if lacking:
        raise ValueError(f"rows needs the columns wave and person; {', '.join(lacking)} is missing")
    rows = same_responses(rows, scores.index, "rows")
    waves = set(rows["wave"].unique())
    if not waves <= {0, 1}:
        raise ValueError(f"wave must be 0 (before) or 1 (after), got {sorted(map(str, waves))}")
    if len(waves) < 2:
        raise ValueError("there is one wave only; a change needs answers before (wave 0) and after (wave 1)")
    if rows["person"].isna().any():
        raise ValueError("person is missing in some rows: give each response without a link a person of its own")
    twice = rows.duplicated(["wave", "person"])
    if twice.any():
        raise ValueError(f"{int(twice.sum())} people have two answers in one wave; keep one a person and wave")
    return rows
