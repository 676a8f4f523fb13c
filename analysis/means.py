"""Means of scores with intervals that know that people sit in teams, and that forms weigh equally."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from analysis.result import Result

_FEWEST_CLUSTERS = 10
"""With few clusters a cluster-robust standard error is too small (Cameron and Miller 2015, section VI); the limit is ours."""


def mean_scores(
    scores: pd.DataFrame,
    *,
    by: pd.DataFrame | None = None,
    strata: pd.Series | None = None,
    cluster: pd.Series | None = None,
    confidence: float = 0.95,
) -> Result:
    """Return the mean of every score in every group, with its interval.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score; gaps are left out, score by score.
    by : pandas.DataFrame, optional
        Response × grouping variable (``wave``, ``form`` …); default: everyone is one group.
    strata : pandas.Series, optional
        Such as the form: the mean is then the mean of the strata's means with equal weights, so that
        a changed mix of forms does not read as change. The strata of a score are those with answers to
        it in *every* group.
    cluster : pandas.Series, optional
        Such as the organisation: the standard error is then robust to people of a cluster being alike; who has
        none is one alone. A group with fewer than 10 clusters gets the ordinary standard error, with a note.
        Its name is what the clusters are called. Clusters must not be alike among themselves: see
        ``widest_clusters``.
    confidence : float

    Raises
    ------
    ValueError
        If there are no answers at all.

    Returns
    -------
    Result
        Index: the columns of ``by``, then ``score``. Columns ``n, mean, sd, se, df, ci_low, ci_high``.
        Where no more people answered than there are strata, there is a mean and no interval.

    Notes
    -----
    Linearisation: the estimate's influence values are summed by cluster, and G/(G−1) times their sum
    of squares is the variance (CR1; Cameron and Miller 2015, *Journal of Human Resources*, 50,
    317–372), with G − 1 degrees of freedom. Without clusters: Student's t, and with H strata the variance
    within them is pooled, (1/H²) Σ s²/n_h with n − H degrees of freedom (the equally weighted mean of a
    one-way analysis of variance; Searle, Speed and Milliken 1980, *American Statistician*, 34, 216–221).

    Examples
    --------
    >>> scores = pd.DataFrame({"role": [50.0, 60.0, 70.0]})
    >>> mean_scores(scores).table[["n", "mean", "se"]].round(3).values.tolist()
    [[3.0, 60.0, 5.774]]
    """
    groups = pd.DataFrame({"all": "all"}, index=scores.index) if by is None else by
    notes: tuple[str, ...] = ()
    valid = {str(name): scores[name].dropna().astype(float) for name in scores}
    if strata is not None:
        kept = common_strata(strata, groups)
        if len(kept) < strata.nunique():
            notes = (
                f"Only forms present in every group count towards the means: {', '.join(map(str, kept)) or 'none'}.",
            )
        scores = scores.loc[strata.isin(kept)]
        for name, values in valid.items():
            answered = common_strata(strata.loc[values.index], groups.loc[values.index])
            valid[name] = values[strata.loc[values.index].isin(answered)]
            if set(kept) - set(answered) and answered:
                notes += (
                    f"{name}: only forms with answers in every group count, here {', '.join(map(str, answered))}.",
                )
    rows, keys, few_clusters = [], [], False
    unit = "cluster" if cluster is None or cluster.name is None else str(cluster.name)
    for label, members in groups.loc[scores.index].groupby(list(groups.columns), observed=True):
        for name, of_everyone in valid.items():
            values = of_everyone.loc[of_everyone.index.intersection(members.index)]
            keys.append((*label, name))
            of_cluster = None if cluster is None else cluster.loc[values.index]
            if of_cluster is not None and of_cluster.nunique() < _FEWEST_CLUSTERS:
                of_cluster, few_clusters = None, few_clusters or len(values) > 1
            of_stratum = None if strata is None else strata.loc[values.index]
            rows.append(_mean(values, strata=of_stratum, cluster=of_cluster, confidence=confidence))
    if not rows:
        raise ValueError("there are no answers from which a mean could be had")
    if few_clusters:
        notes += (
            f"Where there were fewer than {_FEWEST_CLUSTERS} {unit}s, the interval takes people as independent: it is about "
            f"these {unit}s on this date, not about {unit}s like them.",
        )
    table = pd.DataFrame(rows, index=pd.MultiIndex.from_tuples(keys, names=[*groups.columns, "score"]))
    table["n"] = table["n"].astype(int)
    if by is None:
        table = table.droplevel(0)
    method = "Means" + (" of the means of the forms, equally weighted," if strata is not None else "")
    method += f" with {confidence:.0%} intervals from "
    method += (
        f"standard errors robust to clustering by {unit} (CR1, t with clusters − 1 degrees of freedom; Cameron and Miller 2015)."
        if cluster is not None
        else "Student's t; people were taken as independent."
    )
    return Result(title="Mean scores", table=table, method=method, notes=notes)


def widest_clusters(people: pd.DataFrame) -> pd.Series | None:
    """Return the clusters that an interval should allow for: organisations, or teams where those are too few.

    Parameters
    ----------
    people : pandas.DataFrame
        Response × what is known of it, with ``organisation``, ``team`` (named within it), both or neither.

    Returns
    -------
    pandas.Series or None
        The organisation where there are at least 10, otherwise the team within it, named so; None where neither
        is known.

    Notes
    -----
    Teams of one organisation are alike, so that clustering by team alone leaves intervals too narrow: clusters
    should be as wide as likeness reaches, as long as there are enough (Cameron and Miller 2015, section IV).

    Examples
    --------
    >>> widest_clusters(pd.DataFrame({"organisation": ["a", "a", "b"], "team": ["1", "2", "1"]})).tolist()
    ['a / 1', 'a / 2', 'b / 1']
    """
    if "organisation" not in people:
        return people.get("team")
    organisation = people["organisation"]
    if "team" not in people or organisation.nunique() >= _FEWEST_CLUSTERS:
        return organisation
    return (organisation.astype("string") + " / " + people["team"].astype("string")).rename("team")


def common_strata(strata: pd.Series, groups: pd.DataFrame) -> list[object]:
    """Return the strata that occur in every group, such as the forms present at both waves."""
    number = groups.groupby(list(groups.columns), observed=True).ngroup()
    number = number[number >= 0]  # no group: a grouping variable is missing
    occurs_in = number.groupby(strata).nunique()
    return list(occurs_in.index[occurs_in == number.nunique()])


def _mean(
    values: pd.Series, *, strata: pd.Series | None, cluster: pd.Series | None, confidence: float
) -> dict[str, float]:
    n = len(values)
    row = {"n": n, "mean": np.nan, "sd": np.nan, "se": np.nan, "df": np.nan, "ci_low": np.nan, "ci_high": np.nan}
    if n == 0:
        return row
    stratum = pd.Series(0, index=values.index) if strata is None else strata
    means = values.groupby(stratum).mean()
    sizes = values.groupby(stratum).size()
    row["mean"] = float(means.mean())
    row["sd"] = float(values.std()) if n > 1 else np.nan
    if cluster is None:
        df = n - len(means)
        within = ((values - stratum.map(means)) ** 2).sum()
        variance = within / max(df, 1) * (1 / sizes).sum() / len(means) ** 2
    else:
        influence = (values - stratum.map(means)) / (stratum.map(sizes) * len(means))
        summed = influence.groupby(_each_in_one(cluster)).sum()
        df = len(summed) - 1
        variance = len(summed) / df * (summed**2).sum()
    if df > 0:
        row["se"] = float(np.sqrt(variance))
        half = float(stats.t.ppf((1 + confidence) / 2, df)) * row["se"]
        row |= {"df": df, "ci_low": row["mean"] - half, "ci_high": row["mean"] + half}
    return row


def _each_in_one(cluster: pd.Series) -> pd.Series:
    """Return the clusters as numbers; whoever has none is one alone, so that nobody drops out of the variance."""
    numbers = pd.Series(pd.factorize(cluster)[0], index=cluster.index)
    return numbers.where(numbers >= 0, -1 - np.arange(len(numbers)))
