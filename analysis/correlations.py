"""A correlation with its interval, of people on their own or of people in clusters."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

Matrix = NDArray[np.floating[Any]]
Correlation = Literal["pearson", "spearman"]

_QUANTILE = float(stats.norm.ppf(0.975))
_FEWEST_PEOPLE = 10
_FEWEST_CLUSTERS = 5


def correlate(
    first: pd.Series, second: pd.Series, *, kind: Correlation = "pearson", clusters: pd.Series | None = None
) -> dict[str, float]:
    """Correlate two variables, with a 95 % interval.

    Parameters
    ----------
    first, second : pandas.Series
        Numbers by response, same index; who lacks one does not count.
    kind : {"pearson", "spearman"}
        Of the values, or of their ranks.
    clusters : pandas.Series, optional
        The team of each response, same index; who has none does not count.

    Returns
    -------
    dict
        ``estimate``, ``ci_low``, ``ci_high``, ``n``.

    Raises
    ------
    ValueError
        For fewer than 10 people, a variable on which all are alike, variables that are copies of each other, or
        fewer than 5 clusters.

    Notes
    -----
    Interval by Fisher's (1921) z, with variance 1 / (n − 3), for ranks (1 + r²/2) / (n − 3) (Bonett and Wright, 2000);
    with clusters the variance of z is that of the jackknife that leaves out one cluster at a time, with t of
    (clusters − 1) degrees of freedom (Efron and Stein, 1981; Bell and McCaffrey, 2002).

    Examples
    --------
    >>> import pandas as pd
    >>> first = pd.Series([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], name="first")
    >>> second = pd.Series([2, 1, 4, 3, 6, 5, 8, 7, 10, 9], name="second")
    >>> {name: round(value, 2) for name, value in correlate(first, second).items()}
    {'estimate': 0.94, 'ci_low': 0.76, 'ci_high': 0.99, 'n': 10}
    """
    both = first.notna() & second.notna()
    if clusters is not None:
        both &= clusters.notna()
    x, y = first[both].to_numpy(dtype=float), second[both].to_numpy(dtype=float)
    n = len(x)
    if n < _FEWEST_PEOPLE:
        raise ValueError(f"{n} people have both {first.name} and {second.name}; at least {_FEWEST_PEOPLE} are needed")
    for name, values in ((first.name, x), (second.name, y)):
        if np.ptp(values) == 0:
            raise ValueError(f"all {n} people have the same {name}")
    r = _coefficient(x, y, kind)
    if abs(r) > 1 - 1e-12:
        raise ValueError(f"{first.name} and {second.name} are copies of each other")
    if clusters is None:
        spread = np.sqrt((1 + r**2 / 2 if kind == "spearman" else 1.0) / (n - 3))
        reach = _QUANTILE * spread
    else:
        reach = _jackknife_reach(x, y, kind, pd.factorize(clusters[both])[0])
    low, high = np.tanh(np.arctanh(r) + np.array([-reach, reach]))
    return {"estimate": r, "ci_low": float(low), "ci_high": float(high), "n": n}


def _coefficient(x: Matrix, y: Matrix, kind: Correlation) -> float:
    if kind == "spearman":
        x, y = stats.rankdata(x), stats.rankdata(y)
    return float(np.corrcoef(x, y)[0, 1])


def _jackknife_reach(x: Matrix, y: Matrix, kind: Correlation, codes: NDArray[np.integer[Any]]) -> float:
    """Half the interval of z, from leaving out one cluster at a time."""
    count = int(codes.max()) + 1
    if count < _FEWEST_CLUSTERS:
        raise ValueError(f"at least {_FEWEST_CLUSTERS} clusters are needed, got {count}: leave clusters out and say so")
    with np.errstate(invalid="ignore", divide="ignore"):
        z = np.arctanh([_coefficient(x[codes != each], y[codes != each], kind) for each in range(count)])
    if not np.isfinite(z).all():
        raise ValueError(
            "the correlation rests on one cluster: without it scores are all alike or copies of each other"
        )
    se = np.sqrt((count - 1) / count * np.sum((z - z.mean()) ** 2))
    return float(stats.t.ppf(0.975, count - 1) * se)
