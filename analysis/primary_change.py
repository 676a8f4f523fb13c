"""Which test is the primary one: settled by the design, before any score is looked at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import pandas as pd

from analysis.change_contrasts import ChangeModel
from analysis.change_model import change_model
from analysis.cluster_changes import cluster_changes
from analysis.overlapping import overlapping_change

Test = Literal["mixed model", "cluster means", "partially overlapping samples"]
MIXED: Test = "mixed model"
CLUSTERS: Test = "cluster means"
OVERLAPPING: Test = "partially overlapping samples"
# Below so many clusters their changes are tested by themselves (Hayes and Moulton, 2017: fewer than 15 an arm).
MANY_CLUSTERS = 30
# On three clusters the interval is 4.3 standard errors to either side, on four 3.2.
_FEWEST_TESTED = 4
THESE_PEOPLE = (
    "The interval says how sure we are about these people's views on these two dates; "
    "drift that happens without any programme is not in it."
)


@dataclass(frozen=True, kw_only=True)
class PrimaryTest:
    """The primary test of a comparison.

    Parameters
    ----------
    test : {"mixed model", "cluster means", "partially overlapping samples"}
    unit : str or None
        "organisation" or "team", the cluster; None where people stand for themselves.
    clusters : int
        Units with answers at both waves.
    note : str
        Why this test, and what its interval is about.
    """

    test: Test
    unit: str | None
    clusters: int
    note: str


def primary_test(rows: pd.DataFrame) -> PrimaryTest:
    """Choose the primary test from the design alone.

    Parameters
    ----------
    rows : pandas.DataFrame
        As of `analysis.waves.ScoredWaves`: wave, person, and organisation, team, programme where there are several.

    Returns
    -------
    PrimaryTest

    Notes
    -----
    The cluster is the widest unit of which at least four answered at both waves (organisation, else team): teams of one
    organisation drift together. Where arms are compared it is the widest unit there is, since the programme was
    given to organisations. From 30 clusters on the mixed model, below that the t test on cluster changes. With fewer
    than four clusters and no second arm, the partially overlapping samples test of people: a t test on one or
    two degrees of freedom would be about drift too, and say nothing in practice. Its interval is about these
    people only, and it is said so.

    Examples
    --------
    >>> rows = pd.DataFrame({"wave": [0, 1] * 6, "person": range(12), "team": list("aabbccddeeff")})
    >>> primary_test(rows).test, primary_test(rows[rows["team"] < "c"]).test
    ('cluster means', 'partially overlapping samples')
    """
    has_arms = "programme" in rows
    known = rows[rows["programme"].notna()] if has_arms else rows
    counts = {
        name: int((known.groupby(name)["wave"].nunique() == 2).sum())
        for name in ("organisation", "team")
        if name in known
    }
    enough = [name for name, count in counts.items() if has_arms or count >= _FEWEST_TESTED]
    if not enough:
        return PrimaryTest(test=OVERLAPPING, unit=None, clusters=max(counts.values(), default=0), note=THESE_PEOPLE)
    unit, count = enough[0], counts[enough[0]]
    note = f"The unit of the primary test is the {unit}; {count} of them answered at both waves"
    if count >= MANY_CLUSTERS:
        return PrimaryTest(test=MIXED, unit=unit, clusters=count, note=f"{note}, enough for the mixed model.")
    note += f", fewer than {MANY_CLUSTERS}: their changes are tested by themselves, the mixed model stands beside."
    passed_over = [name for name in counts if name not in enough]
    if passed_over:
        note += f" There are fewer than four {passed_over[0]}s: drift that all teams of one share is not in it."
    return PrimaryTest(test=CLUSTERS, unit=unit, clusters=count, note=note)


def primary_change(
    values: pd.Series, rows: pd.DataFrame, *, chosen: PrimaryTest, model: ChangeModel | None = None
) -> tuple[ChangeModel, Test]:
    """Estimate the change of one score by the primary test.

    Parameters
    ----------
    values, rows : pandas.Series, pandas.DataFrame
        As for `change_model`.
    chosen : PrimaryTest
        From `primary_test`, the same for all scores.
    model : ChangeModel, optional
        The mixed model's answer for these values, if there is one already.

    Returns
    -------
    ChangeModel
        With a note where the test is another than the one chosen.
    str
        The test it is from: where too few clusters have a form at both waves (as when all peer workers are in one
        organisation), cluster changes cannot weigh the forms alike and the mixed model stands in.

    Raises
    ------
    ValueError
        If no test can be had.

    Examples
    --------
    >>> rows = pd.DataFrame({"wave": [0, 0, 0, 1, 1, 1], "person": list("abcabd")})
    >>> found, test = primary_change(pd.Series([50.0, 60, 55, 58, 63, 61]), rows, chosen=primary_test(rows))
    >>> test, found.contrasts["estimate"].round(2).to_dict()
    ('partially overlapping samples', {'change': 5.67})
    """
    if chosen.test == OVERLAPPING:
        return overlapping_change(values, rows), OVERLAPPING
    reason = None
    if chosen.test == CLUSTERS and chosen.unit is not None:
        try:
            return cluster_changes(values, rows, unit=chosen.unit), CLUSTERS
        except ValueError as refusal:
            reason = str(refusal)
    found = model or change_model(values, rows)
    if reason is None:
        return found, MIXED
    notes = (f"{reason}: the mixed model stands in", *found.notes)
    return ChangeModel(contrasts=found.contrasts, notes=notes), MIXED
