"""Populations with known truth: normal variables behind five answers, and what the numbers 1 to 5 then have in common."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

Matrix = NDArray[np.floating[Any]]

# How many people in a hundred give each of the five answers.
ANSWERS = {"symmetric": (7, 24, 38, 24, 7), "skewed": (2, 5, 13, 30, 50)}
# Where the normal variable behind an item is cut, for either kind of answers.
CUTS = {kind: stats.norm.ppf(np.cumsum(shares)[:-1] / 100) for kind, shares in ANSWERS.items()}
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(64)


def factor_correlations(loadings: Matrix, phi: Matrix) -> Matrix:
    """Give the correlations of the variables behind the items."""
    found = loadings @ phi @ loadings.T
    np.fill_diagonal(found, 1.0)
    return np.asarray(found)


def clusters_of_items(loadings: Sequence[float], factors: int) -> Matrix:
    """Give loadings of the same size on each factor, each item on one."""
    return np.kron(np.eye(factors), np.asarray(loadings)[:, None])


def names(items: int) -> list[str]:
    return [f"i{number}" for number in range(1, items + 1)]


def answers(rng: np.random.Generator, n: int, correlations: Matrix, cuts: Matrix, mean: float = 0.0) -> pd.DataFrame:
    """Draw answers 1 to 5 of n people; ``cuts`` for all items alike, or item × cut."""
    behind = mean + rng.standard_normal((n, len(correlations))) @ np.linalg.cholesky(correlations).T
    several = np.broadcast_to(cuts, (len(correlations), np.shape(cuts)[-1]))
    return pd.DataFrame((behind[:, :, None] > several).sum(axis=2) + 1, columns=names(len(correlations)))


def answer_covariance(correlation: Any, cuts: Matrix) -> Matrix:
    """Give the covariance of two five-point answers whose normal variables correlate so.

    Hoeffding's formula, Σ over cuts of both of Φ₂(a, b; ρ) − Φ(a) Φ(b), each by Plackett's (1954) integral of the
    bivariate normal density over the correlation from 0 to ρ: no sample, accurate to about 10 digits.
    """
    rho = np.asarray(correlation, dtype=float)[..., None, None, None]
    r = rho * (_NODES + 1) / 2
    a, b = cuts[:, None, None], cuts[None, :, None]
    density = np.exp(-(a * a - 2 * r * a * b + b * b) / (2 * (1 - r * r))) / (2 * np.pi * np.sqrt(1 - r * r))
    return np.asarray((density @ _WEIGHTS * rho[..., 0] / 2).sum(axis=(-2, -1)))


def answer_variance(cuts: Matrix) -> float:
    shares = np.diff(stats.norm.cdf(np.concatenate([[-np.inf], cuts, [np.inf]])))
    codes = np.arange(len(shares))
    return float(shares @ codes**2 - (shares @ codes) ** 2)


def answers_covariance(correlations: Matrix, cuts: Matrix) -> Matrix:
    """Give the population covariances of the answers 1 to 5."""
    off = correlations - np.eye(len(correlations))
    return np.asarray(answer_covariance(off, cuts) + answer_variance(cuts) * np.eye(len(correlations)))


def exact_sample(covariance: Matrix, n: int = 500) -> pd.DataFrame:
    """Give numbers with exactly this covariance (divisor n − 1): an analysis of them returns its population value."""
    raw = np.random.default_rng(0).standard_normal((n, len(covariance)))
    raw -= raw.mean(axis=0)
    white = raw @ np.linalg.inv(np.linalg.cholesky(np.cov(raw, rowvar=False))).T
    return pd.DataFrame(white @ np.linalg.cholesky(covariance).T, columns=names(len(covariance)))


def fitted_factors(covariance: Matrix, model: Mapping[str, Sequence[str]]) -> tuple[Matrix, Matrix]:
    """Give standardised loadings and factor correlations that maximum likelihood has in this population.

    A general optimiser on the discrepancy, independent of the code that is tested. Where answers 1 to 5 are taken for
    continuous no factor model holds exactly; these are the values that estimates converge to.
    """
    items, factors = names(len(covariance)), list(model)
    sd = np.sqrt(np.diag(covariance))
    wanted = covariance / np.outer(sd, sd)
    places = [(items.index(item), at) for at, factor in enumerate(factors) for item in model[factor]]
    rows, columns = np.array(places).T
    pairs = np.triu_indices(len(factors), 1)

    def parts(free: Matrix) -> tuple[Matrix, Matrix]:
        loadings = np.zeros((len(items), len(factors)))
        loadings[rows, columns] = free[: len(rows)]
        phi = np.eye(len(factors))
        phi[pairs] = free[len(rows) :]
        return loadings, phi + np.triu(phi, 1).T

    def discrepancy(free: Matrix) -> float:
        loadings, phi = parts(free)
        # Correlations have 1 on the diagonal whatever the loadings: the residual variances see to it.
        implied = factor_correlations(loadings, phi)
        sign, log_determinant = np.linalg.slogdet(implied)
        if sign <= 0:
            return 1e6
        return float(log_determinant + np.trace(np.linalg.solve(implied, wanted)))

    start = np.concatenate([np.full(len(rows), 0.6), np.full(len(pairs[0]), 0.3)])
    found = optimize.minimize(discrepancy, start, method="BFGS", options={"gtol": 1e-9}).x
    return parts(found)
