"""Maximum-likelihood fit of a covariance-structure model: pure numbers, no frames and no words but errors.

A model is four matrices, Σ = Λ (I − Β)⁻¹ Ψ (I − Β)⁻ᵀ Λᵀ + Θ. Any model written so can be fitted; the two
that reliability needs, one factor and a second-order factor, have a function that writes them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Matrix = NDArray[np.floating[Any]]
Positions = NDArray[np.intp]

_MAXIMUM_STEPS = 500
# The improvement in F that one more step would bring (half of it, strictly). F itself is of order 1.
_CONVERGED = 1e-13
# Smallest eigenvalue, relative to unit diagonal, of the information matrix of an identified model.
_IDENTIFIED = 1e-9


class FitError(ValueError):
    """A model that cannot be fitted to these data: not identified, not converged, or a singular matrix."""


@dataclass(frozen=True, slots=True)
class CovarianceModel:
    """Which elements of Λ, Β, Ψ and Θ are estimated: ``nan`` is free, a number is fixed at it.

    Attributes
    ----------
    loadings : (items, factors) array
        Λ, items on factors.
    paths : (factors, factors) array
        Β, row factor regressed on column factor.
    factor_covariance : (factors, factors) array
        Ψ, of the factors or of what is left of them after Β; only its lower triangle is read.
    error_covariance : (items, items) array
        Θ; only its lower triangle is read.
    """

    loadings: Matrix
    paths: Matrix
    factor_covariance: Matrix
    error_covariance: Matrix


@dataclass(frozen=True, slots=True)
class MLFit:
    """A fitted model.

    Attributes
    ----------
    model : CovarianceModel
        The specification with its free elements still ``nan``.
    estimates : CovarianceModel
        The same four matrices, filled.
    parameters : (q,) array
        The free elements: those of Λ row by row, then of Β, Ψ and Θ (lower triangles).
    covariance : (q, q) array
        Of the parameters, from the expected information.
    implied : (items, items) array
        Σ at the estimates.
    loglik : float
        Log-likelihood of normal data with these covariances and free means.
    chi2 : float
        n times the discrepancy F.
    df : int
        Degrees of freedom.
    p : float
        Of the test of exact fit; 1 where the model has no degrees of freedom.
    n : int
        People.
    steps : int
        Scoring steps that it took.
    """

    model: CovarianceModel
    estimates: CovarianceModel
    parameters: Matrix
    covariance: Matrix
    implied: Matrix
    loglik: float
    chi2: float
    df: int
    p: float
    n: int
    steps: int

    @property
    def standard_errors(self) -> Matrix:
        """Standard errors of ``parameters``, (q,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


@dataclass(frozen=True, slots=True)
class _Free:
    """Row and column of each free element, by matrix."""

    loadings: tuple[Positions, Positions]
    paths: tuple[Positions, Positions]
    factor_covariance: tuple[Positions, Positions]
    error_covariance: tuple[Positions, Positions]

    @property
    def sizes(self) -> list[int]:
        return [each[0].size for each in (self.loadings, self.paths, self.factor_covariance, self.error_covariance)]


def one_factor(items: int) -> CovarianceModel:
    """Write the model of one factor with variance 1.

    Parameters
    ----------
    items : int
        Number of items.

    Returns
    -------
    CovarianceModel

    Examples
    --------
    >>> one_factor(3).loadings.ravel()
    array([nan, nan, nan])
    """
    return CovarianceModel(
        loadings=np.full((items, 1), np.nan),
        paths=np.zeros((1, 1)),
        factor_covariance=np.ones((1, 1)),
        error_covariance=_diagonal_free(items),
    )


def second_order(sizes: Sequence[int]) -> CovarianceModel:
    """Write the model in which one general factor (the last, variance 1) explains the subscales' factors.

    Parameters
    ----------
    sizes : sequence of int
        Number of items of each subscale; the items stand in this order. The first item of each
        subscale has its loading fixed at 1, which gives the factor its unit.

    Returns
    -------
    CovarianceModel

    Examples
    --------
    >>> second_order([2, 2, 2]).loadings.shape
    (6, 4)
    """
    subscales, items = len(sizes), sum(sizes)
    loadings = np.zeros((items, subscales + 1))
    first = np.cumsum([0, *sizes[:-1]])
    for subscale, (start, size) in enumerate(zip(first, sizes, strict=True)):
        loadings[start, subscale] = 1.0
        loadings[start + 1 : start + size, subscale] = np.nan
    paths = np.zeros((subscales + 1, subscales + 1))
    paths[:subscales, subscales] = np.nan
    factor_covariance = _diagonal_free(subscales + 1)
    factor_covariance[subscales, subscales] = 1.0
    return CovarianceModel(
        loadings=loadings,
        paths=paths,
        factor_covariance=factor_covariance,
        error_covariance=_diagonal_free(items),
    )


def fit_ml(covariance: Matrix, n: int, model: CovarianceModel) -> MLFit:
    """Fit a covariance structure by maximum likelihood.

    Parameters
    ----------
    covariance : (items, items) array
        Sample covariances with divisor n (not n − 1).
    n : int
        People.
    model : CovarianceModel
        What is free and what is fixed.

    Returns
    -------
    MLFit
        Negative variances are allowed (`improper` words them).

    Raises
    ------
    FitError
        If the covariance matrix is not positive definite, the model has more parameters than there are
        variances and covariances, it is not identified, or the iterations do not converge.

    Notes
    -----
    Minimises F = log|Σ| + tr(SΣ⁻¹) − log|S| − p (Jöreskog, 1969) by Fisher scoring with a
    Levenberg–Marquardt damping, which no rescaling of an item can upset. Every derivative has the form
    ∂Σ/∂θ = uvᵀ + vuᵀ, so gradient and information need q × q products alone.

    Examples
    --------
    Three items with covariances .56, .48 and .42 have loadings .8, .7 and .6.

    >>> import numpy as np
    >>> covariance = np.array([[1, 0.56, 0.48], [0.56, 1, 0.42], [0.48, 0.42, 1]])
    >>> fit_ml(covariance, 100, one_factor(3)).estimates.loadings.ravel().round(6)
    array([0.8, 0.7, 0.6])
    """
    free = _free(model)
    items, parameters = covariance.shape[0], sum(free.sizes)
    df = items * (items + 1) // 2 - parameters
    if df < 0:
        raise FitError(
            f"the model has {parameters} parameters but {items} items give only "
            f"{items * (items + 1) // 2} variances and covariances: it needs more items or fewer factors"
        )
    log_determinant = _log_determinant(covariance)
    if log_determinant is None:
        raise FitError(
            "the items' covariance matrix is not positive definite (an item repeats others, or there are "
            f"not more people than items: {n} people, {items} items): leave an item out or use more people"
        )
    theta, steps = _scoring(covariance, model, free, _start(covariance, model, free))
    estimates = _filled(model, free, theta)
    implied = _implied(estimates)
    implied_log_determinant = _log_determinant(implied)
    if implied_log_determinant is None:  # never accepted by a step; said for the type checker and for us
        raise FitError("the model's covariance matrix is not positive definite")
    inverse = np.linalg.inv(implied)
    parameter_covariance = _inverse_information(*_derivatives(estimates, free), inverse) * (2 / n)
    trace = float(np.sum(covariance * inverse))
    chi2 = max(n * (implied_log_determinant + trace - log_determinant - items), 0.0)
    return MLFit(
        model=model,
        estimates=estimates,
        parameters=theta,
        covariance=parameter_covariance,
        implied=implied,
        loglik=-n / 2 * (items * np.log(2 * np.pi) + implied_log_determinant + trace),
        chi2=chi2,
        df=df,
        p=float(stats.chi2.sf(chi2, df)) if df else 1.0,
        n=n,
        steps=steps,
    )


def robust_covariance(fit: MLFit, data: Matrix) -> Matrix:
    """Give the parameters' sampling covariance without supposing normal answers (sandwich).

    Parameters
    ----------
    fit : MLFit
        A model fitted to these data.
    data : (people, items) array
        The complete answers.

    Returns
    -------
    (q, q) array

    Notes
    -----
    A⁻¹BA⁻¹ with A the expected information and B the sum of the outer products of each person's score
    (Browne, 1984; Satorra & Bentler, 1994). It is lavaan's ``se = "robust.sem"``.
    """
    u, v = _derivatives(fit.estimates, _free(fit.model))
    weighted = (data - data.mean(axis=0)) @ np.linalg.inv(fit.implied)
    scores = (weighted @ u.T) * (weighted @ v.T)
    scores = scores - scores.mean(axis=0)
    return np.asarray(fit.covariance @ (scores.T @ scores) @ fit.covariance)


def delta_method(quantity: Callable[[CovarianceModel], float], fit: MLFit, covariance: Matrix) -> tuple[float, float]:
    """Estimate a quantity of the fitted matrices and its standard error.

    Parameters
    ----------
    quantity : callable
        Takes the filled matrices, returns a number.
    fit : MLFit
        The fitted model.
    covariance : (q, q) array
        Sampling covariance of ``fit.parameters``.

    Returns
    -------
    tuple of float
        Estimate and standard error.

    Notes
    -----
    Central differences, each step a thousandth of the parameter's standard error.
    """
    free = _free(fit.model)
    steps = 1e-3 * np.sqrt(np.diag(covariance))
    gradient = np.zeros(steps.size)
    for position in np.flatnonzero(steps > 0):
        shift = np.zeros(steps.size)
        shift[position] = steps[position]
        above = quantity(_filled(fit.model, free, fit.parameters + shift))
        below = quantity(_filled(fit.model, free, fit.parameters - shift))
        gradient[position] = (above - below) / (2 * steps[position])
    return quantity(fit.estimates), float(np.sqrt(gradient @ covariance @ gradient))


def improper(fit: MLFit, *, items: Sequence[str], factors: Sequence[str]) -> tuple[str, ...]:
    """Say which estimated variances are negative (Heywood cases).

    Parameters
    ----------
    fit : MLFit
        The fitted model.
    items, factors : sequence of str
        Names in the model's order.

    Returns
    -------
    tuple of str
        A note for each kind; empty if the solution is proper.
    """
    notes = []
    for names, variances, of_what in (
        (items, np.diag(fit.estimates.error_covariance), "error variance of"),
        (factors, np.diag(fit.estimates.factor_covariance), "residual factor variance of"),
    ):
        negative = [name for name, variance in zip(names, variances, strict=True) if variance < 0]
        if negative:
            notes.append(
                f"Heywood case: the estimated {of_what} {', '.join(negative)} is negative; "
                "read the model's numbers with caution (too few people, or a wrong model)."
            )
    return tuple(notes)


def _diagonal_free(size: int) -> Matrix:
    matrix = np.zeros((size, size))
    np.fill_diagonal(matrix, np.nan)
    return matrix


def _free(model: CovarianceModel) -> _Free:
    def lower(matrix: Matrix) -> tuple[Positions, Positions]:
        rows, columns = np.nonzero(np.isnan(matrix) & np.tri(matrix.shape[0], dtype=bool))
        return rows, columns

    loadings, paths = np.nonzero(np.isnan(model.loadings)), np.nonzero(np.isnan(model.paths))
    return _Free(
        loadings=(loadings[0], loadings[1]),
        paths=(paths[0], paths[1]),
        factor_covariance=lower(model.factor_covariance),
        error_covariance=lower(model.error_covariance),
    )


def _filled(model: CovarianceModel, free: _Free, theta: Matrix) -> CovarianceModel:
    loadings, paths, factor, error = np.split(theta, np.cumsum(free.sizes)[:-1])
    return CovarianceModel(
        loadings=_put(model.loadings, free.loadings, loadings),
        paths=_put(model.paths, free.paths, paths),
        factor_covariance=_put(model.factor_covariance, free.factor_covariance, factor, symmetric=True),
        error_covariance=_put(model.error_covariance, free.error_covariance, error, symmetric=True),
    )


def _put(matrix: Matrix, at: tuple[Positions, Positions], values: Matrix, *, symmetric: bool = False) -> Matrix:
    filled = matrix.copy()
    filled[at] = values
    return np.tril(filled) + np.tril(filled, -1).T if symmetric else filled


def _total_effects(estimates: CovarianceModel) -> Matrix:
    """(I − Β)⁻¹."""
    return np.asarray(np.linalg.inv(np.eye(estimates.paths.shape[0]) - estimates.paths))


def _implied(estimates: CovarianceModel) -> Matrix:
    reach = estimates.loadings @ _total_effects(estimates)
    return np.asarray(reach @ estimates.factor_covariance @ reach.T + estimates.error_covariance)


def _derivatives(estimates: CovarianceModel, free: _Free) -> tuple[Matrix, Matrix]:
    """Return u and v, (q, items) each, with ∂Σ/∂θ = uvᵀ + vuᵀ."""
    items = np.eye(estimates.loadings.shape[0])
    effects = _total_effects(estimates)
    reach = (estimates.loadings @ effects).T
    factor_item = effects @ estimates.factor_covariance @ reach

    def half_on_diagonal(at: tuple[Positions, Positions]) -> Matrix:
        return np.where(at[0] == at[1], 0.5, 1.0)[:, None]

    u = [
        items[free.loadings[0]],
        reach[free.paths[0]],
        reach[free.factor_covariance[0]] * half_on_diagonal(free.factor_covariance),
        items[free.error_covariance[0]] * half_on_diagonal(free.error_covariance),
    ]
    v = [
        factor_item[free.loadings[1]],
        factor_item[free.paths[1]],
        reach[free.factor_covariance[1]],
        items[free.error_covariance[1]],
    ]
    return np.vstack(u), np.vstack(v)


def _curvature(u: Matrix, v: Matrix, inverse: Matrix) -> Matrix:
    """Give the expected second derivatives of F: tr(Σ⁻¹ ∂Σ Σ⁻¹ ∂Σ)."""
    cross = u @ inverse @ v.T
    return np.asarray(2 * ((u @ inverse @ u.T) * (v @ inverse @ v.T) + cross * cross.T))


def _inverse_information(u: Matrix, v: Matrix, inverse: Matrix) -> Matrix:
    curvature = _curvature(u, v, inverse)
    scale = np.sqrt(np.diag(curvature))
    if not np.all(scale > 0) or np.linalg.eigvalsh(curvature / np.outer(scale, scale))[0] < _IDENTIFIED:
        raise FitError(
            "the model is not identified by these data (some loading or variance can take any value): "
            "it needs more items for a factor, or items that are related to each other"
        )
    return np.asarray(np.linalg.inv(curvature / np.outer(scale, scale)) / np.outer(scale, scale))


def _scoring(covariance: Matrix, model: CovarianceModel, free: _Free, theta: Matrix) -> tuple[Matrix, int]:
    damping = 1e-3
    value = _discrepancy(covariance, _implied(_filled(model, free, theta)))
    for step in range(_MAXIMUM_STEPS):
        estimates = _filled(model, free, theta)
        implied = _implied(estimates)
        inverse = np.linalg.inv(implied)
        u, v = _derivatives(estimates, free)
        residual = inverse @ (implied - covariance) @ inverse
        gradient = 2 * np.sum((u @ residual) * v, axis=1)
        curvature = _curvature(u, v, inverse)
        # A parameter that moves nothing would make the step endless: the identification check names it.
        scale = np.sqrt(np.maximum(np.diag(curvature), np.finfo(float).tiny))
        values, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
        values = np.maximum(values, 0)
        slope = vectors.T @ (gradient / scale)
        decrement = np.sum(slope**2 / np.maximum(values, _IDENTIFIED))
        if decrement < _CONVERGED:
            return theta, step
        while True:
            lengths = slope / (values + damping)
            moved = theta - vectors @ lengths / scale
            new_value = _discrepancy(covariance, _implied(_filled(model, free, moved)))
            gain = (value - new_value) / np.sum(lengths * (slope - values * lengths / 2))
            # Steps that bring far less than they promise overshoot, since F bends more than its expectation:
            # without damping they would swing to and fro for ever (small samples).
            damping = max(damping / 5, 1e-12) if gain > 0.7 else damping * (1 if gain > 0.3 else 4) + 1e-6
            if new_value < value:
                break
            if damping > 1e12:
                # No step improves F any more. That is convergence only up to rounding.
                if decrement < 1e-9:
                    return theta, step
                raise FitError(_NOT_CONVERGED)
        theta, value = moved, new_value
    raise FitError(_NOT_CONVERGED)


_NOT_CONVERGED = (
    "the model did not converge: the items may share too little, or be too few or too alike, for it; "
    "look at their correlations, or use more people"
)


def _discrepancy(covariance: Matrix, implied: Matrix) -> float:
    """F without log|S| and p; infinite where Σ is not positive definite."""
    log_determinant = _log_determinant(implied)
    if log_determinant is None:
        return np.inf
    return log_determinant + float(np.sum(covariance * np.linalg.inv(implied)))


def _log_determinant(matrix: Matrix) -> float | None:
    """Log-determinant; None unless the matrix is positive definite beyond rounding."""
    scale = np.diag(matrix)
    if not (np.all(np.isfinite(matrix)) and np.all(scale > 0)):
        return None
    eigenvalues = np.linalg.eigvalsh(matrix / np.sqrt(np.outer(scale, scale)))
    if eigenvalues[0] < 1e-10:
        return None
    return float(np.sum(np.log(eigenvalues)) + np.sum(np.log(scale)))


def _start(covariance: Matrix, model: CovarianceModel, free: _Free) -> Matrix:
    """Half of each item's variance is the factor's; a general factor holds a third of each factor."""
    sd = np.sqrt(np.diag(covariance))
    loadings = model.loadings.copy()
    variance = np.ones(model.paths.shape[0])
    for factor in range(loadings.shape[1]):
        estimated = np.isnan(loadings[:, factor])
        markers = np.flatnonzero(~estimated & (loadings[:, factor] != 0))
        members = np.flatnonzero(estimated)
        if markers.size:
            marker = markers[0]
            sign = np.where(covariance[members, marker] < 0, -1.0, 1.0)
            loadings[members, factor] = loadings[marker, factor] * sign * sd[members] / sd[marker]
            variance[factor] = 0.5 * (sd[marker] / loadings[marker, factor]) ** 2
        elif members.size:
            correlations = covariance[np.ix_(members, members)] / np.outer(sd[members], sd[members])
            first = np.linalg.eigh(correlations)[1][:, -1]
            sign = np.where(first * np.sign(first.sum() or 1.0) < 0, -1.0, 1.0)
            loadings[members, factor] = np.sqrt(0.5) * sign * sd[members]
    on_general = np.isin(np.arange(variance.size), free.paths[0])
    factor_rows, factor_columns = free.factor_covariance
    item_rows, item_columns = free.error_covariance
    left = np.where(on_general, 2 / 3, 1.0) * variance
    return np.concatenate(
        [
            loadings[free.loadings],
            np.sqrt(variance[free.paths[0]] / 3),
            np.where(factor_rows == factor_columns, left[factor_rows], 0.0),
            np.where(item_rows == item_columns, 0.5 * sd[item_rows] ** 2, 0.0),
        ]
    )
