"""Coefficients of reliability as functions of covariances: pure numbers, for one matrix or a whole stack of them.

Every function takes arrays of shape (…, items, items), so that the resamples of a bootstrap, or the neighbours
of a matrix whose derivative is wanted, are computed at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from math import comb
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from analysis.factoring import (
    SchmidLeimanParts,
    extract,
    minres_gradient,
    oblique_gradient,
    schmid_leiman_parts,
)

Matrix = NDArray[np.floating[Any]]

# As many splits as psych tries; up to 16 items have no more, so that all of theirs are looked at.
MOST_SPLITS = 10_000


def correlations_of(covariance: Matrix) -> Matrix:
    """Turn covariances into correlations.

    Parameters
    ----------
    covariance : (…, items, items) array

    Returns
    -------
    (…, items, items) array
    """
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    return np.asarray(covariance / (sd[..., :, None] * sd[..., None, :]))


def sum_varies(covariance: Matrix) -> Any:
    """Tell whether the sum of the items varies beyond rounding.

    Parameters
    ----------
    covariance : (…, items, items) array

    Returns
    -------
    (…) array of bool
    """
    return covariance.sum(axis=(-2, -1)) > 1e-12 * np.trace(covariance, axis1=-2, axis2=-1)


def alpha(covariance: Matrix) -> Matrix:
    """Give alpha (Cronbach, 1951), ``nan`` where the sum of the items does not vary.

    Parameters
    ----------
    covariance : (…, items, items) array

    Returns
    -------
    (…) array

    Examples
    --------
    >>> float(alpha(np.array([[1, 0.5], [0.5, 1]])).round(4))
    0.6667
    """
    items = covariance.shape[-1]
    return np.asarray(items / (items - 1) * lambda_1(covariance))


def stratified_alpha(covariance: Matrix, strata: Matrix) -> Matrix:
    """Give alpha of a composite of subscales (Cronbach, Schönemann & McKie, 1965).

    Parameters
    ----------
    covariance : (…, items, items) array
    strata : (items, subscales) array
        1 where the item belongs to the subscale, else 0.

    Returns
    -------
    (…) array
    """
    sizes = strata.sum(axis=0)
    subscale = np.einsum("...ij,is,js->...s", covariance, strata, strata, optimize=True)
    own = np.diagonal(covariance, axis1=-2, axis2=-1) @ strata
    error = subscale - sizes / (sizes - 1) * (subscale - own)
    return np.asarray(1 - error.sum(axis=-1) / covariance.sum(axis=(-2, -1)))


def lambda_1(covariance: Matrix) -> Matrix:
    """Give Guttman's (1945) λ₁, the share of the sum's variance that are covariances of items.

    Parameters
    ----------
    covariance : (…, items, items) array

    Returns
    -------
    (…) array
    """
    return np.asarray(1 - np.trace(covariance, axis1=-2, axis2=-1) / _total(covariance))


def lambda_2(covariance: Matrix) -> Matrix:
    """Give Guttman's (1945) λ₂, at least as large as alpha.

    Parameters
    ----------
    covariance : (…, items, items) array

    Returns
    -------
    (…) array
    """
    items = covariance.shape[-1]
    squares = (covariance**2).sum(axis=(-2, -1)) - (np.diagonal(covariance, axis1=-2, axis2=-1) ** 2).sum(axis=-1)
    return np.asarray(lambda_1(covariance) + np.sqrt(items / (items - 1) * squares) / _total(covariance))


def lambda_5(covariance: Matrix) -> Matrix:
    """Give Guttman's (1945) λ₅, for one item that is related to all others.

    Parameters
    ----------
    covariance : (…, items, items) array

    Returns
    -------
    (…) array
    """
    squares = (covariance**2).sum(axis=-1) - np.diagonal(covariance, axis1=-2, axis2=-1) ** 2
    return np.asarray(lambda_1(covariance) + 2 * np.sqrt(squares.max(axis=-1)) / _total(covariance))


def lambda_6(covariance: Matrix) -> Matrix:
    """Give Guttman's (1945) λ₆, whose error variances are what the other items do not predict.

    Parameters
    ----------
    covariance : (…, items, items) array
        Positive definite.

    Returns
    -------
    (…) array
    """
    error = 1 / np.diagonal(np.linalg.inv(covariance), axis1=-2, axis2=-1)
    return np.asarray(1 - error.sum(axis=-1) / _total(covariance))


def splits(items: int, *, seed: int) -> tuple[Matrix, bool]:
    """List the ways to split items into halves (of sizes that differ by one if their number is odd).

    Parameters
    ----------
    items : int
    seed : int
        Of the random splits.

    Returns
    -------
    tuple
        (splits, items) array with 1 for one half and −1 for the other, and whether these are all splits: up to
        `MOST_SPLITS` all are listed, beyond that so many are drawn at random.

    Examples
    --------
    >>> splits(4, seed=0)[0].astype(int).tolist()
    [[1, 1, -1, -1], [1, -1, 1, -1], [1, -1, -1, 1]]
    """
    half = items // 2
    count = comb(items, half) // (1 if items % 2 else 2)
    if count > MOST_SPLITS:
        order = np.random.default_rng(seed).permuted(np.tile(np.arange(items), (MOST_SPLITS, 1)), axis=1)
        return np.where(order < half, 1.0, -1.0), False
    # With an even number of items each split would come twice: once for either half that holds the first item.
    chosen = np.array(list(combinations(range(items), half)))[:count]
    sign = np.full((count, items), -1.0)
    np.put_along_axis(sign, chosen, 1.0, axis=1)
    return sign, True


def split_half(covariance: Matrix, sign: Matrix) -> Matrix:
    """Give the reliability of the sum from two halves, 4 × their covariance / variance of the sum.

    Parameters
    ----------
    covariance : (…, items, items) array
    sign : (items,) array
        1 for one half, −1 for the other.

    Returns
    -------
    (…) array

    Notes
    -----
    Rulon (1939); Guttman's (1945) λ₄. Of the sum's variance s's, that of the difference is what the halves do
    not share.
    """
    difference = np.einsum("...ij,i,j->...", covariance, sign, sign)
    return np.asarray(1 - difference / _total(covariance))


def split_halves(covariance: Matrix, signs: Matrix) -> Matrix:
    """Give `split_half` of one matrix for each of many splits.

    Parameters
    ----------
    covariance : (items, items) array
    signs : (splits, items) array

    Returns
    -------
    (splits,) array
    """
    return np.asarray(1 - np.einsum("si,si->s", signs @ covariance, signs) / covariance.sum())


def mean_split_half(covariance: Matrix) -> Matrix:
    """Give the mean of `split_half` over all splits, without making them.

    Parameters
    ----------
    covariance : (…, items, items) array

    Returns
    -------
    (…) array

    Notes
    -----
    Two items fall into different halves in a share of the splits that their number tells. With an even number
    the mean is alpha (Cronbach, 1951). ``psych::splitHalf`` (2.2.9) looks at only half of the splits of an odd number
    of items, so that its mean differs.
    """
    items = covariance.shape[-1]
    half = items // 2
    apart = 2 * half * (items - half) / (items * (items - 1))
    return np.asarray(2 * apart * lambda_1(covariance))


def one_factor_omega(covariance: Matrix, *, near: Matrix | None = None) -> Matrix:
    """Give omega of the one-factor model by maximum likelihood (McDonald, 1999), for many matrices at once.

    Parameters
    ----------
    covariance : (…, items, items) array
    near : (items,) array, optional
        Uniquenesses from which the search starts, see `analysis.factoring.extract`.

    Returns
    -------
    (…) array
        ``nan`` where the iterations do not converge. Error variances are kept at 0.5 % of the item's variance or
        more, where `analysis.normal_theory.fit_covariances` lets them be negative.

    Examples
    --------
    >>> covariance = np.array([[1, 0.56, 0.48], [0.56, 1, 0.42], [0.48, 0.42, 1]])
    >>> float(one_factor_omega(covariance).round(4))
    0.7449
    """
    stack = covariance.reshape(-1, *covariance.shape[-2:])
    sd = np.sqrt(np.diagonal(stack, axis1=1, axis2=2))
    loadings, converged = extract(correlations_of(stack), 1, "ml", near=near)
    loadings = loadings[:, :, 0]
    common = np.sum(sd * loadings, axis=1) ** 2
    omega = common / (common + np.sum(sd**2 * (1 - loadings**2), axis=1))
    return np.asarray(np.where(converged, omega, np.nan).reshape(covariance.shape[:-2]))


def schmid_leiman_omegas(correlations: Matrix, n_factors: int, *, near: SchmidLeimanParts | None = None) -> Matrix:
    """Give omega total and hierarchical omega by a Schmid–Leiman solution, for many matrices at once.

    Parameters
    ----------
    correlations : (…, items, items) array
        Positive definite.
    n_factors : int
        Group factors, at least 2.
    near : SchmidLeimanParts, optional
        Solution from which the search starts, see `analysis.factoring.schmid_leiman_parts`.

    Returns
    -------
    (…, 2) array
        Omega total, hierarchical omega; ``nan`` where an iteration does not converge.

    Notes
    -----
    Schmid & Leiman (1957); Zinbarg, Revelle, Yovel & Li (2005), as ``psych::omega``: minres, oblimin, one factor
    of the factors' correlations. Items are not turned.

    Examples
    --------
    >>> factors = np.repeat(np.eye(3), 3, axis=0) * 0.8
    >>> whole = factors @ (0.36 + 0.64 * np.eye(3)) @ factors.T
    >>> np.fill_diagonal(whole, 1)
    >>> schmid_leiman_omegas(whole, 3).round(4).tolist()
    [0.9017, 0.5662]
    """
    stack = correlations.reshape(-1, *correlations.shape[-2:])
    parts = schmid_leiman_parts(stack, n_factors, near=near)
    both = np.where(parts.converged[:, None], omegas_of_parts(stack, parts), np.nan)
    return np.asarray(both.reshape(*correlations.shape[:-2], 2))


def omegas_of_parts(correlations: Matrix, parts: SchmidLeimanParts) -> Matrix:
    """Give omega total and hierarchical omega of Schmid–Leiman solutions that there are.

    Parameters
    ----------
    correlations : (…, items, items) array
    parts : SchmidLeimanParts
        Theirs.

    Returns
    -------
    (…, 2) array
    """
    total = correlations.sum(axis=(-2, -1))
    omega_total = 1 - np.sum(1 - parts.communalities, axis=-1) / total
    hierarchical = parts.loadings[..., 0].sum(axis=-1) ** 2 / total
    return np.stack([omega_total, hierarchical], axis=-1)


def schmid_leiman_gradients(correlations: Matrix, parts: SchmidLeimanParts) -> Matrix:
    """Give the derivatives of `omegas_of_parts` by the correlations.

    Parameters
    ----------
    correlations : (items, items) array
    parts : SchmidLeimanParts
        Theirs, by minres and oblimin.

    Returns
    -------
    (2, items, items) array
        Symmetric G of either: a small change dR changes the coefficient by tr(G dR). Not finite where the two factors
        of a solution do not correlate.
    """
    total = correlations.sum()
    pattern, above = parts.pattern, parts.above
    unrotated, _ = extract(correlations, pattern.shape[1], "minres", near=1 - parts.communalities)
    by_total = minres_gradient(correlations, unrotated, 2 * unrotated / total)
    by_total += np.sum(1 - parts.communalities) / total**2
    general = float((pattern @ above).sum())
    by_pattern = np.broadcast_to(2 * general / total * above, pattern.shape)
    by_above = 2 * general / total * pattern.sum(axis=0)
    if len(above) == 2:
        # Both load by the root of their correlation, which stands in two places.
        with np.errstate(divide="ignore"):
            by_phi = (1 - np.eye(2)) * by_above.sum() / (4 * above[0])
    else:
        by_phi = minres_gradient(parts.phi, above[:, None], by_above[:, None])
    before = oblique_gradient(unrotated, pattern, by_pattern, by_phi, "oblimin")
    by_general = minres_gradient(correlations, unrotated, before) - general**2 / total**2
    return np.stack([by_total, by_general])


def categorical_omega(thresholds: Sequence[Matrix], loadings: Matrix) -> tuple[float, Matrix, Matrix]:
    """Give omega of the sum of ordered answers with one factor behind them (Green & Yang, 2009), and its derivatives.

    Parameters
    ----------
    thresholds : sequence of (categories − 1,) arrays
        By item, ascending: where the normal variable behind it is cut.
    loadings : (items,) array
        Of these variables, standardised; strictly between −1 and 1.

    Returns
    -------
    tuple
        Omega, its derivatives by all thresholds, item by item, and by the loadings.

    Notes
    -----
    Covariance of the sum with that of a parallel form / variance of the sum, both as the model implies: a
    covariance of two answers, counted 0, 1, 2 …, is Σ Φ₂(τ, τ′, ρ) − Φ(τ) Φ(τ′) over the thresholds of both (equation
    21); ρ is the product of the loadings, and 1 between an item and itself in the variance of the sum.

    Examples
    --------
    >>> round(categorical_omega([np.array([-1.0, 0, 1])] * 4, np.full(4, 0.7))[0], 4)
    0.7551
    """
    item = np.repeat(np.arange(len(thresholds)), [len(cuts) for cuts in thresholds])
    cuts = np.concatenate(list(thresholds))
    own = item[:, None] == item
    of_item = (item[:, None] == np.arange(len(thresholds))).astype(float)
    rho = np.outer(loadings[item], loadings[item])
    rest = np.sqrt((1 - rho) * (1 + rho))
    below, density = special.ndtr(cuts), np.exp(-(cuts**2) / 2) / np.sqrt(2 * np.pi)
    both = binormal(cuts[:, None], cuts, rho)
    beyond = (cuts - rho * cuts[:, None]) / rest
    joint = density[:, None] * np.exp(-(beyond**2) / 2) / np.sqrt(2 * np.pi) / rest
    # An answer and itself: the lower of two thresholds decides, so that each counts for those above it, twice.
    counted = 2 * np.sum(own & (cuts > cuts[:, None]), axis=1) + 1
    shared = float(both.sum() - below.sum() ** 2)
    total = shared - float(both[own].sum()) + float(counted @ below)
    given = special.ndtr(beyond)
    by_cut = 2 * density * np.sum(given - below, axis=1)
    total_by_cut = by_cut - 2 * density * np.sum(given * own, axis=1) + counted * density
    pairs = of_item.T @ joint @ of_item
    by_loading = 2 * pairs @ loadings
    total_by_loading = by_loading - 2 * np.diag(pairs) * loadings
    omega = shared / total
    return omega, (by_cut - omega * total_by_cut) / total, (by_loading - omega * total_by_loading) / total


def binormal(low: Matrix, high: Matrix, correlation: Matrix) -> Matrix:
    """Give P(X ≤ low, Y ≤ high) of two standard normal variables.

    Parameters
    ----------
    low, high, correlation : arrays
        Finite, and correlations strictly between −1 and 1.

    Returns
    -------
    array

    Notes
    -----
    By Owen's (1956) T function.

    Examples
    --------
    >>> round(float(binormal(np.array(0.0), np.array(0.0), np.array(0.5))), 6)
    0.333333
    """
    # The formula divides by both; moving a 0 this little changes no digit of the result.
    x, y = np.where(low == 0, 1e-20, low), np.where(high == 0, 1e-20, high)
    rest = np.sqrt((1 - correlation) * (1 + correlation))
    tails = special.owens_t(x, (y / x - correlation) / rest) + special.owens_t(y, (x / y - correlation) / rest)
    return np.asarray((special.ndtr(x) + special.ndtr(y)) / 2 - tails - np.where((x < 0) != (y < 0), 0.5, 0.0))


def _total(covariance: Matrix) -> Matrix:
    return np.asarray(np.where(sum_varies(covariance), covariance.sum(axis=(-2, -1)), np.nan))
