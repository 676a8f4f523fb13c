"""How far chance moves a coefficient: what each person's answers do to it, standard errors, intervals, resamples."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from analysis.missing import moments_error, numeric_answers
from analysis.ordinal import refuse_stray_codes
from analysis.sample import Gaps, Sample, sample_moments

Matrix = NDArray[np.floating[Any]]
Positions = NDArray[np.intp]
Coefficient = Callable[[Matrix], Matrix]

# Resamples held at once.
_CHUNK = 100


@dataclass(frozen=True, kw_only=True, eq=False)
class Interval:
    """A coefficient, its standard error and its 95 % interval."""

    estimate: float
    se: float
    ci_low: float
    ci_high: float


def reliability_sample(items: pd.DataFrame, *, missing: Gaps) -> Sample:
    """Check answers to items and estimate means and covariances; as `sample_moments`, and pairwise too.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item.
    missing : {"listwise", "pairwise", "ml"}

    Returns
    -------
    Sample
        With ``"pairwise"`` each covariance is of those who answered both items, and ``n`` is the smallest number
        who did.

    Raises
    ------
    ValueError
        As `sample_moments`; also where fewer than 3 people answered both of some two items, or all agree on one.
    """
    if missing not in ("listwise", "pairwise", "ml"):
        raise ValueError(f"missing must be 'listwise', 'pairwise' or 'ml', got {missing!r}")
    if missing != "pairwise":
        return sample_moments(items, missing=missing)
    numbers = numeric_answers(items)
    refuse_stray_codes(numbers)
    answers = numbers.dropna(how="all")
    known = answers.notna().to_numpy().astype(float)
    together = known.T @ known
    fewest = int(together.min()) if len(answers) else 0
    if fewest < 3:
        first, second = np.unravel_index(int(np.argmin(together)), together.shape)
        pair = f"{answers.columns[first]} and {answers.columns[second]}"
        raise ValueError(
            f"at least 3 people who answered both of any two items are needed, got {fewest} for {pair}: use more "
            "people, or leave out the items with most gaps"
        )
    same = answers.columns[(answers.max() - answers.min() == 0).to_numpy()]
    if len(same):
        raise ValueError(
            f"all who answered are alike on {', '.join(str(each) for each in same)}: an item without variance has no "
            "correlation; leave it out (`items.drop(columns=…)`)"
        )
    gaps = float(1 - known.mean())
    notes: tuple[str, ...] = ()
    if gaps:
        notes = (
            f"{100 * gaps:.0f} % of the answers were missing; each covariance is of those who answered both items "
            f"(pairwise, {fewest} to {len(answers)} people), which supposes that gaps have nothing to do with answers.",
        )
    if len(answers) < len(items):
        notes += ("Responses without an answer to any of these items are left out.",)
    return Sample(
        answers=answers,
        mean=answers.mean(),
        covariance=answers.cov().to_numpy(),
        n=fewest,
        moments=None,
        notes=notes,
    )


def cluster_codes(clusters: pd.Series | None, items: pd.DataFrame, *, missing: Gaps) -> Positions | None:
    """Give each person in a sample the number of the cluster.

    Parameters
    ----------
    clusters : pandas.Series or None
        Of each response, on the index of ``items``.
    items : pandas.DataFrame
        What the sample was made from.
    missing : {"listwise", "pairwise", "ml"}

    Returns
    -------
    (people,) array or None

    Raises
    ------
    ValueError
        If the index differs, a person has no cluster, there are fewer than 2, or ``missing`` is ``"ml"``.
    """
    if clusters is None:
        return None
    if missing == "ml":
        raise ValueError(
            "clusters go with missing='listwise' or 'pairwise', got 'ml': its standard errors take people as independent"
        )
    if not clusters.index.equals(items.index):
        raise ValueError(
            "clusters must have the index of the items, one value for each response: take both of one frame"
        )
    blank = items.isna()
    stays = ~(blank.any(axis=1) if missing == "listwise" else blank.all(axis=1)).to_numpy()
    own = clusters[stays]
    if own.isna().any():
        raise ValueError(f"{int(own.isna().sum())} responses have no cluster: fill it in or leave them out")
    codes, names = pd.factorize(own)
    if len(names) < 2:
        raise ValueError("at least 2 clusters are needed, got 1: leave `clusters` out")
    return np.asarray(codes, dtype=np.intp)


def gradient_of(coefficient: Coefficient, covariance: Matrix, *, step: float = 1e-5) -> Matrix:
    """Give the derivatives of a coefficient by the covariances, by central differences in units of the items.

    Parameters
    ----------
    coefficient : callable
        Takes (…, items, items) covariances, returns (…) or (…, several) numbers.
    covariance : (items, items) array
    step : float
        In units of the product of two items' standard deviations.

    Returns
    -------
    (items, items) or (several, items, items) array
        Symmetric G: a small change dS changes the coefficient by tr(G dS).
    """
    sd = np.sqrt(np.diag(covariance))
    items = len(sd)
    row, column = np.tril_indices(items)
    count = np.arange(len(row))
    unit = sd[row] * sd[column]
    # Off the diagonal one covariance stands in two places: each gets half of its derivative.
    change = np.zeros((len(row), items, items))
    change[count, row, column] += step / 2 * unit
    change[count, column, row] += step / 2 * unit
    slopes = np.moveaxis(coefficient(covariance + change) - coefficient(covariance - change), 0, -1) / (2 * step * unit)
    gradient = np.empty((*slopes.shape[:-1], items, items))
    gradient[..., row, column] = gradient[..., column, row] = slopes
    return gradient


def by_covariances(gradient: Matrix, covariance: Matrix) -> Matrix:
    """Turn derivatives by correlations into derivatives by the covariances that these are made of.

    Parameters
    ----------
    gradient : (…, items, items) array
        Symmetric, see `gradient_of`.
    covariance : (items, items) array

    Returns
    -------
    (…, items, items) array
    """
    sd = np.sqrt(np.diag(covariance))
    out = gradient / np.outer(sd, sd)
    # A larger variance makes all correlations of its item smaller.
    diagonal = np.arange(len(sd))
    out[..., diagonal, diagonal] -= np.sum(out * covariance, axis=-1) / sd**2
    return np.asarray(out)


def influences(sample: Sample, gradient: Matrix) -> Matrix:
    """Give what each person's answers do to a coefficient: n times the change by leaving the person out, reversed.

    Parameters
    ----------
    sample : Sample
        Without maximum-likelihood moments.
    gradient : (items, items) array
        Of the coefficient by the covariances.

    Returns
    -------
    (people,) array

    Notes
    -----
    The derivative at the person's products of deviations (Browne, 1984; for alpha, Maydeu-Olivares, Coffman &
    Hartmann, 2007). With gaps a person counts towards the covariances of the items answered, each in proportion to
    how few others do.
    """
    data = sample.answers.to_numpy(dtype=float)
    known = np.isfinite(data)
    centred = np.where(known, data - np.nanmean(data, axis=0), 0.0)
    if known.all():
        scores = np.einsum("ni,ni->n", centred @ gradient, centred)
        return np.asarray(scores - scores.mean())
    answered = known.astype(float)
    together = answered.T @ answered
    mean = centred.T @ answered / together  # of the row's item, among those who answered the column's
    covariance = centred.T @ centred / together - mean * mean.T
    weight = gradient * len(data) / together
    products = np.einsum("ni,ni->n", centred @ weight, centred)
    products -= 2 * np.einsum("ni,ni->n", answered @ (weight * mean).T, centred)
    return np.asarray(products + np.einsum("ni,ni->n", answered @ (weight * (mean * mean.T - covariance)), answered))


@dataclass(frozen=True, kw_only=True, eq=False)
class Error:
    """A standard error, and of how many degrees of freedom its square is worth."""

    se: float
    df: float


def sampling_error(sample: Sample, gradient: Matrix, clusters: Positions | None = None) -> Error:
    """Give the standard error of a coefficient of covariances, which does not suppose normal answers.

    Parameters
    ----------
    sample : Sample
    gradient : (items, items) array
        Of the coefficient by the covariances.
    clusters : (people,) array, optional
        Numbers of the clusters within which people may be alike.

    Returns
    -------
    Error

    Notes
    -----
    Root of the sum of squared `influences` / n; within clusters they are summed first, and the squares multiplied by
    clusters / (clusters − 1). The squares vary themselves, the more the longer the tails of the influences: as
    Satterthwaite (1946), 2n / (kurtosis − 1) degrees of freedom, at most n − 1 (n counts clusters where there are any).
    With gaps bridged by maximum likelihood, `analysis.missing.moments_error` and no limit.
    """
    if sample.moments is not None and sample.moments.share_missing:
        return Error(se=moments_error(sample.answers, sample.moments, gradient), df=np.inf)
    each = influences(sample, gradient)
    people = len(each)
    inflation = 1.0
    if clusters is not None:
        each = np.asarray(np.bincount(clusters, weights=each), dtype=float)
        inflation = len(each) / (len(each) - 1)
    squares = each**2
    spread = float(squares.var())
    most = len(each) - 1
    df = min(2 * len(each) * float(squares.mean()) ** 2 / spread, most) if spread else most
    return Error(se=float(np.sqrt(squares.sum() * inflation) / people), df=df)


def _quantile(df: float) -> float:
    return float(stats.t.ppf(0.975, df))


def on_logit_scale(estimate: float, se: float, df: float = np.inf) -> Interval:
    """Give the 95 % interval of a share by the delta method on the logit scale (Raykov & Marcoulides, 2011).

    Parameters
    ----------
    estimate, se : float
    df : float
        Of the standard error, for Student's t.

    Returns
    -------
    Interval
        Where the estimate is not between 0 and 1 (a Heywood case), on its own scale.
    """
    wide = _quantile(df)
    if not 0 < estimate < 1:
        return Interval(estimate=estimate, se=se, ci_low=estimate - wide * se, ci_high=estimate + wide * se)
    half = wide * se / (estimate * (1 - estimate))
    middle = special.logit(estimate)
    low, high = special.expit([middle - half, middle + half])
    return Interval(estimate=estimate, se=se, ci_low=float(low), ci_high=float(high))


def on_log_scale(estimate: float, se: float, df: float = np.inf) -> Interval:
    """Give the 95 % interval of a coefficient by the delta method on the scale of log(1 − coefficient).

    Parameters
    ----------
    estimate, se : float
    df : float
        Of the standard error, for Student's t.

    Returns
    -------
    Interval
        Where the estimate is 1 or more, on its own scale.

    Notes
    -----
    Bonett (2002): a coefficient of reliability can be negative but not above 1.
    """
    wide = _quantile(df)
    if estimate >= 1:
        return Interval(estimate=estimate, se=se, ci_low=estimate - wide * se, ci_high=estimate + wide * se)
    half = wide * se / (1 - estimate)
    low, high = (1 - (1 - estimate) * np.exp(side * half) for side in (1, -1))
    return Interval(estimate=estimate, se=se, ci_low=float(low), ci_high=float(high))


def percentile_interval(estimate: float, values: Matrix) -> Interval:
    """Give the standard deviation of resampled values and the interval that holds the middle 95 % of them.

    Parameters
    ----------
    estimate : float
    values : (draws,) array
        ``nan`` where a resample had no coefficient: the interval is that of the others.

    Returns
    -------
    Interval
    """
    found = values[np.isfinite(values)]
    low, high = np.quantile(found, [0.025, 0.975])
    return Interval(estimate=estimate, se=float(found.std(ddof=1)), ci_low=float(low), ci_high=float(high))


def resampled_covariances(
    sample: Sample, *, draws: int, seed: int, clusters: Positions | None = None, progress: bool = False
) -> Iterator[Matrix]:
    """Give covariances of resamples of people (of whole clusters, where there are any), a chunk at a time.

    Parameters
    ----------
    sample : Sample
        Without maximum-likelihood moments.
    draws, seed : int
    clusters : (people,) array, optional
    progress : bool
        Whether to show a bar.

    Yields
    ------
    (chunk, items, items) array
        With divisor n. In a small sample a resample can hold one answer alone to an item: such are left out.
    """
    from tqdm import tqdm

    rng = np.random.default_rng(seed)
    data = sample.answers.to_numpy(dtype=float)
    known = np.isfinite(data)
    answered = None if known.all() else known.astype(float)
    centred = np.where(known, data - np.nanmean(data, axis=0), 0.0)
    units = len(data) if clusters is None else int(clusters.max()) + 1
    least = 1e-12 * np.nanvar(data, axis=0).max()
    with tqdm(total=draws, disable=not progress, desc="resamples") as bar:
        for start in range(0, draws, _CHUNK):
            size = min(_CHUNK, draws - start)
            chunk = np.empty((size, data.shape[1], data.shape[1]))
            for draw in range(size):
                times = np.bincount(rng.integers(units, size=units), minlength=units).astype(float)
                chunk[draw] = _covariance(centred, answered, times if clusters is None else times[clusters])
            yield chunk[np.diagonal(chunk, axis1=1, axis2=2).min(axis=1) > least]
            bar.update(size)


def _covariance(centred: Matrix, answered: Matrix | None, times: Matrix) -> Matrix:
    weighted = centred * times[:, None]
    if answered is None:
        mean = weighted.sum(axis=0) / times.sum()
        return np.asarray(weighted.T @ centred / times.sum() - np.outer(mean, mean))
    together = (answered * times[:, None]).T @ answered
    # A pair that no one in the resample answered has no covariance, and the resample no coefficient.
    together = np.where(together > 0, together, np.nan)
    mean = weighted.T @ answered / together
    return np.asarray(weighted.T @ centred / together - mean * mean.T)
