"""Means of groups and differences between them, with errors that know that people sit in clusters."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.alignment import same_responses

Numbers = NDArray[Any]

_TAIL = 0.975
COLUMNS = ["estimate", "se", "df", "ci_low", "ci_high", "statistic", "p"]


def weighted_group_means(
    values: pd.Series, groups: pd.Series, weights: pd.DataFrame, *, cluster: pd.Series | None = None
) -> pd.DataFrame:
    """Estimate weighted sums of the groups' means, such as a difference or an equally weighted mean.

    Parameters
    ----------
    values : pandas.Series
        One number a response, none missing.
    groups : pandas.Series
        The group of each response, same index, such as the form.
    weights : pandas.DataFrame
        What is wanted × group: the weight of each group's mean, as 1 and −1.
    cluster : pandas.Series, optional
        The cluster of each response, same index; who has none is one alone. People of a cluster may be alike
        in any way: groups may differ by more in one cluster than in another.

    Returns
    -------
    pandas.DataFrame
        Index that of ``weights``; columns estimate, se, df, ci_low, ci_high, statistic, p.

    Raises
    ------
    ValueError
        If a weighted group is not found in two clusters or, without clusters, has fewer than two values.

    Notes
    -----
    Least squares with a mean a group and the bias-reduced cluster-robust covariance CR2 with Satterthwaite
    degrees of freedom (Bell and McCaffrey, 2002, *Survey Methodology*, 28, 169–181; Pustejovsky and Tipton, 2018,
    *Journal of Business & Economic Statistics*, 36, 672–683). With one mean a group the matrices of the general
    formula come down to sums: with N values in a group, n of them in a cluster, the sum of the residuals of the
    group in the cluster is divided by N √(1 − n/N). Without clusters (each response its own) the standard error of
    a difference is Welch's.

    Examples
    --------
    >>> values = pd.Series([70.0, 60, 80, 75, 40, 50, 45, 55])
    >>> form = pd.Series(list("PPPPMMMM"))
    >>> wanted = pd.DataFrame({"P": [1.0], "M": [-1.0]}, index=["P − M"])
    >>> weighted_group_means(values, form, wanted).round(2).loc["P − M", ["estimate", "se", "df"]].tolist()
    [23.75, 5.35, 6.0]
    """
    names = list(weights.columns)
    groups = same_responses(groups, values.index, "groups", one_column=True)
    codes = pd.Index(names).get_indexer(pd.Index(groups.astype(object)))
    used = codes >= 0
    code, y = codes[used].astype(int), values.to_numpy(dtype=float)[used]
    members = np.arange(len(y)) if cluster is None else _numbered(cluster[used])
    clusters = int(members.max(initial=-1)) + 1
    counts = np.zeros((clusters, len(names)))
    np.add.at(counts, (members, code), 1)
    sizes = counts.sum(axis=0)
    _check(names, counts, weights, clustered=cluster is not None)
    held = np.maximum(sizes, 1)
    means = np.bincount(code, weights=y, minlength=len(names)) / held
    residuals = np.zeros((clusters, len(names)))
    np.add.at(residuals, (members, code), y - means[code])
    rest = 1 - counts / held
    # A group without weight may sit in one cluster; its column is multiplied by 0 below.
    share = 1 / (held * np.sqrt(np.where(rest > 0, rest, 1.0)))
    rows = []
    for weight in weights.to_numpy(dtype=float):
        scaled = share * weight
        variance = float(((residuals * scaled).sum(axis=1) ** 2).sum())
        rows.append([float(means @ weight), np.sqrt(variance), _satterthwaite(counts, scaled, held)])
    table = pd.DataFrame(rows, index=weights.index, columns=COLUMNS[:3])
    half = stats.t.ppf(_TAIL, table["df"]) * table["se"]
    table["ci_low"], table["ci_high"] = table["estimate"] - half, table["estimate"] + half
    table["statistic"] = (table["estimate"] / table["se"]).where(table["se"] > 0)
    table["p"] = 2 * stats.t.sf(table["statistic"].abs(), table["df"])
    return table


def _satterthwaite(counts: Numbers, scaled: Numbers, sizes: Numbers) -> float:
    """Degrees of freedom of the variance, people taken as alike and independent: (tr B)² / tr B²."""
    own = (counts * scaled**2).sum(axis=1)
    summed = counts * scaled / np.sqrt(sizes)
    trace = own.sum() - (summed**2).sum()
    squares = (own**2).sum() - 2 * (own[:, None] * summed**2).sum() + ((summed.T @ summed) ** 2).sum()
    return float(trace**2 / squares)


def _numbered(cluster: pd.Series) -> Numbers:
    numbers = pd.factorize(cluster)[0]
    alone = numbers < 0
    return np.asarray(np.where(alone, numbers.max(initial=-1) + np.cumsum(alone), numbers))


def _check(names: list[object], counts: Numbers, weights: pd.DataFrame, *, clustered: bool) -> None:
    needed = (weights.to_numpy(dtype=float) != 0).any(axis=0)
    found = (counts > 0).sum(axis=0)
    few = [f"{name} ({number})" for name, number, need in zip(names, found, needed, strict=True) if need and number < 2]
    if few:
        what = "clusters" if clustered else "answers"
        raise ValueError(
            f"a difference needs each group in at least two {what}; too few: {', '.join(few)}. Leave the group out"
            + (" or leave cluster out and say so" if clustered else "")
        )
