"""Indices of content validity of one item, from counts: exact where exactness is possible, each with its source."""

from __future__ import annotations

import math
from statistics import NormalDist

LOW, HIGH = 1, 4
FEWEST_EXPERTS = 3
CRITERION = 0.78
ALPHA = 0.05


def modified_kappa(agreeing: int, raters: int) -> float:
    """Return Polit, Beck and Owen's modified kappa of an item.

    Parameters
    ----------
    agreeing : int
        Experts who rated the item relevant.
    raters : int
        Experts who rated it.

    Examples
    --------
    >>> round(modified_kappa(4, 5), 2), round(modified_kappa(7, 8), 2), round(modified_kappa(8, 10), 2)
    (0.76, 0.87, 0.79)
    """
    _check_counts(agreeing, raters)
    chance: float = math.comb(raters, agreeing) * 0.5**raters
    return float((agreeing / raters - chance) / (1 - chance)) if chance < 1 else math.nan


def kappa_band(kappa: float) -> str:
    """Return what Polit, Beck and Owen (2007) call a modified kappa: excellent, good, fair, or else poor.

    Examples
    --------
    >>> kappa_band(0.76), kappa_band(0.74), kappa_band(0.40), kappa_band(0.39)
    ('excellent', 'good', 'fair', 'poor')
    """
    if math.isnan(kappa):
        return ""
    return "excellent" if kappa > 0.74 else "good" if kappa >= 0.60 else "fair" if kappa >= 0.40 else "poor"


def content_validity_ratio(agreeing: int, raters: int) -> float:
    """Return Lawshe's (1975) CVR, from −1 (nobody) over 0 (half) to 1 (all).

    Examples
    --------
    >>> content_validity_ratio(9, 10)
    0.8
    """
    _check_counts(agreeing, raters)
    return (2 * agreeing - raters) / raters


def experts_needed(raters: int, *, alpha: float = ALPHA) -> int | None:
    """Return the smallest number of agreeing experts that is more than chance by the exact one-sided binomial test.

    Parameters
    ----------
    raters : int
        Experts who rated the item.
    alpha : float
        Chance of so many or more agreeing if each tossed a coin, at most.

    Returns
    -------
    int or None
        None where not even all of them would be enough (fewer than 5 experts at .05).

    Notes
    -----
    Ayre and Scally (2014). The CVR that belongs to it does not fall steadily as panels grow: compute, do not
    interpolate.

    Examples
    --------
    >>> [experts_needed(n) for n in (4, 5, 8, 12, 13)]
    [None, 5, 7, 10, 10]
    """
    _check_counts(0, raters)
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1; got {alpha}")
    tail, needed = 0, None
    for agreeing in range(raters, -1, -1):
        tail += math.comb(raters, agreeing)
        if tail > alpha * 2**raters:
            break
        needed = agreeing
    return needed


def aiken_v(
    total: float, raters: int, *, low: float = LOW, high: float = HIGH, confidence: float = 0.95
) -> tuple[float, float, float]:
    """Return Aiken's V of an item with Penfield and Giacobbi's (2004) score interval.

    Parameters
    ----------
    total : float
        Sum of the ratings.
    raters : int
        Experts who rated it.
    low, high : float
        Ends of the rating scale.
    confidence : float

    Returns
    -------
    tuple of float
        V, lower limit, upper limit; V is 0 where all gave `low` and 1 where all gave `high`.

    Examples
    --------
    >>> [round(x, 2) for x in aiken_v(23, 6)]
    [0.94, 0.74, 0.99]
    """
    _check_counts(0, raters)
    _check_confidence(confidence)
    if not high > low:
        raise ValueError(f"the scale must rise: low={low} is not below high={high}")
    if not raters * low <= total <= raters * high:
        raise ValueError(f"{raters} ratings from {low} to {high} cannot sum to {total}")
    trials = raters * (high - low)
    v = (total - raters * low) / trials
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    middle = 2 * trials * v + z * z
    half = z * math.sqrt(4 * trials * v * (1 - v) + z * z)
    # A limit at an end of the scale is that end: rounding must not carry it past.
    lower, upper = ((middle + side * half) / (2 * (trials + z * z)) for side in (-1, 1))
    return v, max(0.0, lower), min(1.0, upper)


def proportion_interval(agreeing: float, raters: int, *, confidence: float = 0.95) -> tuple[float, float]:
    """Return Clopper and Pearson's (1934) exact interval of a proportion.

    Parameters
    ----------
    agreeing : float
        Need not be whole: an average share times the number of experts (Korn & Graubard, 1998).
    raters : int
    confidence : float

    Examples
    --------
    >>> [round(x, 3) for x in proportion_interval(4, 5)]
    [0.284, 0.995]
    """
    from scipy.special import betaincinv

    _check_counts(agreeing, raters)
    _check_confidence(confidence)
    tail = (1 - confidence) / 2
    lower = 0.0 if agreeing <= 0 else float(betaincinv(agreeing, raters - agreeing + 1, tail))
    upper = 1.0 if agreeing >= raters else float(betaincinv(agreeing + 1, raters - agreeing, 1 - tail))
    return lower, upper


def difference_interval(
    first: tuple[int, int], second: tuple[int, int], *, confidence: float = 0.95
) -> tuple[float, float]:
    """Return an interval of the difference of two proportions (first − second) that holds for very small groups.

    Parameters
    ----------
    first, second : tuple of (int, int)
        Agreeing experts and raters of each group.
    confidence : float

    Examples
    --------
    >>> [round(x, 2) for x in difference_interval((4, 4), (1, 4))]
    [-0.07, 0.99]
    """
    shares = [agreeing / raters for agreeing, raters in (first, second)]
    (low_1, high_1), (low_2, high_2) = (proportion_interval(*each, confidence=confidence) for each in (first, second))
    difference = shares[0] - shares[1]
    lower = difference - math.hypot(shares[0] - low_1, high_2 - shares[1])
    upper = difference + math.hypot(high_1 - shares[0], shares[1] - low_2)
    return lower, upper


def meets_criterion(agreeing: int, raters: int) -> bool:
    """Whether an I-CVI is .78 or more, read to two decimals as published (7 of 9 is .78), with three or more experts.

    Examples
    --------
    >>> meets_criterion(7, 9), meets_criterion(3, 4), meets_criterion(2, 2)
    (True, False, False)
    """
    _check_counts(agreeing, raters)
    return raters >= FEWEST_EXPERTS and reaches(agreeing, raters, CRITERION)


def reaches(agreeing: int, raters: int, share: float) -> bool:
    """Whether `agreeing` of `raters`, rounded half up to two decimals, is at least `share`.

    Examples
    --------
    >>> reaches(7, 9, 0.78), reaches(31, 40, 0.79)
    (True, False)
    """
    # Whole numbers: no float just below .78.
    return (200 * agreeing + raters) // (2 * raters) >= round(100 * share)


def _check_counts(agreeing: float, raters: int) -> None:
    if raters < 1 or not 0 <= agreeing <= raters:
        raise ValueError(
            f"agreeing experts must be 0 to the number of raters, and raters 1 or more; got {agreeing} of {raters}"
        )


def _check_confidence(confidence: float) -> None:
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, as 0.95; got {confidence}")
