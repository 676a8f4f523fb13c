"""Standard errors from influence values: of any statistic, for people who answered once, twice, or sit in clusters."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.means import widest_clusters

FEWEST_CLUSTERS = 10
"""With fewer clusters a cluster-robust standard error is too small (Cameron and Miller, 2015); the limit is ours."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Units:
    """Who counts as one in a standard error: clusters where there are enough, otherwise people.

    Parameters
    ----------
    unit : pandas.Series
        By response.
    name : str
        ``"organisation"``, ``"team"`` or ``"person"``.
    """

    unit: pd.Series
    name: str


def units_of(rows: pd.DataFrame) -> Units:
    """Return the widest clusters of which there are at least 10, otherwise the people.

    Parameters
    ----------
    rows : pandas.DataFrame
        By response: ``person``, and ``organisation``, ``team``, both or neither.

    Examples
    --------
    >>> units_of(pd.DataFrame({"person": ["a", "b"], "team": ["x", "x"]})).name
    'person'
    """
    cluster = widest_clusters(rows)
    if cluster is None or cluster.nunique() < FEWEST_CLUSTERS:
        return Units(unit=rows["person"], name="person")
    alone = "person " + rows["person"].astype("string")
    unit = cluster.astype("string")
    return Units(unit=unit.where(unit.notna(), alone), name=str(cluster.name))


def error_of(influence: pd.Series, part: pd.Series, units: Units) -> tuple[float, float]:
    """Return the standard error and the degrees of freedom of a statistic from its influence values.

    Parameters
    ----------
    influence : pandas.Series
        By response: by how much it moves the statistic; sums to about 0 within each part.
    part : pandas.Series
        Same index: the sample that a response belongs to, such as its wave (and form).
    units : Units
        Of these responses or more.

    Returns
    -------
    tuple of float
        Missing where there is a part of one response or one unit alone.

    Notes
    -----
    People: the squares of their summed influence, each part with its factor n/(n − 1), so that two independent
    samples give Welch's (1947) standard error and linked people that of their differences. The degrees of freedom
    are Satterthwaite's over the people of each pattern of parts (before only, after only, both).
    Clusters: G/(G − 1) times the squares of their sums, G − 1 degrees of freedom (CR1; Cameron and Miller, 2015).

    Examples
    --------
    >>> values = pd.Series([1.0, 2.0, 3.0, 6.0])
    >>> rows = pd.DataFrame({"person": list("abcd")})
    >>> se, df = error_of((values - values.mean()) / 4, pd.Series("all", index=values.index), units_of(rows))
    >>> round(se, 3), df
    (1.08, 3.0)
    """
    values = influence.to_numpy(dtype=float)
    unit = pd.factorize(units.unit.loc[influence.index])[0]
    if units.name != "person":
        summed = np.bincount(unit, values)
        number = len(summed)
        if number < 2:
            return float("nan"), float("nan")
        return float(np.sqrt(number / (number - 1) * (summed**2).sum())), float(number - 1)
    parts = pd.factorize(part)[0]
    sizes = np.bincount(parts)[parts]
    if (sizes < 2).any():
        return float("nan"), float("nan")
    summed = np.bincount(unit, values * np.sqrt(sizes / (sizes - 1)))
    # Few parts: forms by waves. A person's pattern is the set of parts with an answer of theirs.
    pattern = np.unique(np.bincount(unit, 2.0**parts), return_inverse=True)[1]
    shares, people = np.bincount(pattern, summed**2), np.bincount(pattern)
    variance, spread = float(shares.sum()), float((shares**2 / np.maximum(people - 1, 1)).sum())
    return float(np.sqrt(variance)), variance**2 / spread if spread > 0 else float("nan")
