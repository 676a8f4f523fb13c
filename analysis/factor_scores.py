"""Scores of people on the factors of a fitted model."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from analysis import least_squares, normal_theory
from analysis.factor_fit import FactorFit, as_correlations
from analysis.factor_model import FactorPlan
from analysis.missing import Moments, expected_answers
from analysis.sentences import listed
from analysis.structure import factor_moments, implied_mean

Matrix = NDArray[np.floating[Any]]

# Newton steps towards a person's most likely scores, in standard deviations, at which they stop.
_SETTLED, _MOST_STEPS = 1e-9, 100


def factor_scores(plan: FactorPlan, fitted: FactorFit) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Estimate each person's scores.

    Parameters
    ----------
    plan : FactorPlan
    fitted : FactorFit

    Returns
    -------
    tuple
        Response × factor, without rows where the solution allows no scores; and a note that says why.

    Notes
    -----
    Continuous items: the regression method (Thurstone, 1935), from the answered ones. Ordered items: the mode of the
    posterior, factors normal and answers independent given them (Bayes modal; lavaan's ``EBM``).
    """
    factors = factor_moments(fitted.parts)[1]
    theta = np.diag(fitted.parts.error_covariance)
    reason = None
    if fitted.ordinal and theta.min() <= 0:
        reason = f"the residual variance of {listed(plan.items[item] for item in np.flatnonzero(theta <= 0))} is not positive"
    elif np.linalg.eigvalsh(as_correlations(factors))[0] <= 1e-10:
        reason = "the factors' correlations are not positive definite"
    elif np.linalg.eigvalsh(fitted.implied)[0] <= 0:
        reason = "the implied covariances are not positive definite"
    if reason:
        empty = pd.DataFrame(columns=list(plan.factors), index=fitted.answers.index[:0], dtype=float)
        return empty, (f"Factor scores are left out, since {reason}.",)
    scores = _modal_scores(fitted, factors, theta) if fitted.ordinal else _regression_scores(fitted, factors)
    return pd.DataFrame(scores, index=fitted.answers.index, columns=list(plan.factors)), ()


def _regression_scores(fitted: FactorFit, factors: Matrix) -> Matrix:
    names = fitted.answers.columns
    engine = fitted.engine
    assert isinstance(engine, normal_theory.NormalFit)  # noqa: S101 - for the type checker
    mean = implied_mean(fitted.parts) if engine.means else engine.sample_means[0]
    answers = fitted.answers
    if answers.isna().to_numpy().any():
        answers = expected_answers(
            answers,
            Moments(
                mean=pd.Series(mean, index=names),
                covariance=pd.DataFrame(fitted.implied, index=names, columns=names),
                n=fitted.n,
                pairwise_n=fitted.n,
                share_missing=0.0,
                iterations=0,
                converged=True,
            ),
        )
    weights = np.linalg.solve(fitted.implied, fitted.parts.loadings @ factors)
    return np.asarray((answers.to_numpy() - mean) @ weights)


def _modal_scores(fitted: FactorFit, factors: Matrix, theta: Matrix) -> Matrix:
    """Mode of each person's posterior: normal factors, and ordered answers independent given them.

    Newton's method for all people at once; the logarithm of the posterior is concave.
    """
    engine = fitted.engine
    assert isinstance(engine, least_squares.LeastSquaresFit)  # noqa: S101 - for the type checker
    moments = engine.moments[0]
    sd = np.sqrt(theta)
    loadings = fitted.parts.loadings / sd[:, None]
    below, above = _bounds(fitted, moments, sd)
    answered = fitted.answers.notna().to_numpy()
    precision = np.linalg.inv(factors)
    scores = np.zeros((len(answered), loadings.shape[1]))

    def likelihood(at: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """Logarithm of the posterior of each person, and slope and curvature of each answer's."""
        linear = at @ loadings.T
        low, high = below - linear, above - linear
        # In the upper tail the difference of two numbers near 1 would be rounding: turn it round.
        turned = low > 0
        share = special.ndtr(np.where(turned, -low, high)) - special.ndtr(np.where(turned, -high, low))
        share = np.maximum(share, np.finfo(float).tiny)
        density_low, density_high = _density(low), _density(high)
        slope = np.where(answered, (density_low - density_high) / share, 0.0)
        bend = _finite(high) * density_high - _finite(low) * density_low
        curvature = np.where(answered, slope**2 + bend / share, 0.0)
        value = np.where(answered, np.log(share), 0.0).sum(axis=1) - np.einsum("ij,jk,ik->i", at, precision, at) / 2
        return value, slope, curvature

    value, slope, curvature = likelihood(scores)
    for _ in range(_MOST_STEPS):
        gradient = slope @ loadings - scores @ precision
        hessian = np.einsum("ni,ij,ik->njk", np.maximum(curvature, 0.0), loadings, loadings, optimize=True) + precision
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        if np.abs(step).max() < _SETTLED:
            break
        moved = scores + step
        new_value, new_slope, new_curvature = likelihood(moved)
        worse = new_value < value - 1e-12 * np.abs(value)
        while worse.any() and np.abs(step[worse]).max() > _SETTLED:
            step = np.where(worse[:, None], step / 2, step)
            moved = scores + step
            new_value, new_slope, new_curvature = likelihood(moved)
            worse = new_value < value - 1e-12 * np.abs(value)
        scores, value, slope, curvature = moved, new_value, new_slope, new_curvature
    return scores


def _bounds(fitted: FactorFit, moments: Any, sd: Matrix) -> tuple[Matrix, Matrix]:
    """Thresholds below and above each answer, in residual standard deviations."""
    item = fitted.model.groups[0].threshold_item
    below, above = np.zeros(fitted.answers.shape), np.zeros(fitted.answers.shape)
    for position, codes in enumerate(moments.categories):
        cuts = np.concatenate([[-np.inf], fitted.parts.thresholds[item == position] / sd[position], [np.inf]])
        rank = np.searchsorted(codes, fitted.answers.iloc[:, position].fillna(codes[0]).to_numpy())
        below[:, position], above[:, position] = cuts[rank], cuts[rank + 1]
    return below, above


def _density(z: Matrix) -> Matrix:
    return np.asarray(np.exp(-(_finite(z) ** 2) / 2) / np.sqrt(2 * np.pi) * np.isfinite(z))


def _finite(z: Matrix) -> Matrix:
    return np.where(np.isfinite(z), z, 0.0)
