"""Least-squares fit of a model to thresholds and polychoric correlations, with tests from their full covariance.

Diagonally weighted (WLSMV, DWLS) or unweighted (ULSMV): the estimates need the diagonal of the weight matrix at
most, the standard errors and tests the whole sampling covariance of the statistics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import linalg, stats

from analysis.ordinal import OrdinalMoments
from analysis.score_tests import Element, ScoreTests, score_tests, with_free
from analysis.structure import (
    FitError,
    Model,
    ModelDraft,
    Parts,
    filled,
    implied_covariance,
    implied_mean,
    not_identified,
    ordinal_jacobian,
    ordinal_statistics,
    start_values,
)

Matrix = NDArray[np.floating[Any]]
Positions = NDArray[np.intp]
Weights = Literal["diagonal", "identity"]

_MAXIMUM_STEPS = 500
# What one more step would take off n times the discrepancy, a chi-square, at which the iterations stop.
_CONVERGED = 1e-9
# The same, where no step improves the discrepancy any more: rounding.
_NEARLY = 1e-6
# A parameter so many times its start away from it has run away.
_RAN_AWAY = 10
# Smallest eigenvalue, relative to unit diagonal, of the information matrix of an identified model.
_IDENTIFIED = 1e-9
# Keeps a matrix of unit diagonal positive definite where rounding would not.
_LEAST_DAMPING = 1e-10
_NO_TEST = "the models are not nested, or one of them is not identified: their difference has no test"


@dataclass(frozen=True, slots=True)
class LeastSquaresFit:
    """A model fitted to thresholds and correlations.

    Attributes
    ----------
    model : Model
    parameters : (q,) array
    estimates : tuple of Parts
        The filled matrices, one a group.
    covariance : (q, q) array
        Of the parameters, robust: from the full sampling covariance of the statistics.
    chi2, df, p
        (n − 1) times the discrepancy, added up over groups. It has no chi-square distribution.
    chi2_scaled, p_scaled, scaling_factor, shift : float
        Scaled and shifted to the mean and variance of a chi-square with ``df``: chi2 / factor + shift.
    chi2_mean, mean_factor : float
        Scaled to its mean alone (Satorra & Bentler, 1994).
    n : tuple of int
        People in each group.
    moments : tuple of OrdinalMoments
    weights : {"diagonal", "identity"}
    steps : int
    jacobians : tuple of (statistics, q) arrays
        Δ, of the implied statistics by the parameters, one a group.
    information, inverse, meat : (q, q) arrays
        ΔᵀWΔ, its inverse, and ΔᵀWΓWΔ, averages over people: the difference test needs them.
    """

    model: Model
    parameters: Matrix
    estimates: tuple[Any, ...]
    covariance: Matrix
    chi2: float
    df: int
    p: float
    chi2_scaled: float
    p_scaled: float
    scaling_factor: float
    shift: float
    chi2_mean: float
    mean_factor: float
    n: tuple[int, ...]
    moments: tuple[OrdinalMoments, ...]
    weights: Weights
    steps: int
    jacobians: tuple[Matrix, ...]
    information: Matrix
    inverse: Matrix
    meat: Matrix

    @property
    def standard_errors(self) -> Matrix:
        """Standard errors of ``parameters``, (q,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))


@dataclass(frozen=True, slots=True)
class DifferenceTest:
    """Test of the restrictions that one model adds to another.

    Attributes
    ----------
    statistic : float
        Difference of the chi-squares, scaled and shifted.
    df : int
    p : float
    scaling_factor, shift : float
    """

    statistic: float
    df: int
    p: float
    scaling_factor: float
    shift: float


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is fitted, by group: statistics, the weight of each, and how many people."""

    model: Model
    observed: tuple[Matrix, ...]
    weight: tuple[Matrix, ...]
    n: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class _Search:
    """What has to be searched for: a threshold with a parameter of its own fits exactly, whatever the others are.

    Attributes
    ----------
    moving : (searched,) array
        Numbers of the other parameters.
    exact : tuple of (own thresholds,) arrays
        By group: positions of the thresholds with parameters of their own.
    """

    moving: Positions
    exact: tuple[Positions, ...]


def fit_least_squares(
    moments: Sequence[OrdinalMoments],
    model: Model,
    *,
    weights: Weights = "diagonal",
    start: Mapping[str, float] | None = None,
) -> LeastSquaresFit:
    """Fit a model to the thresholds and polychoric correlations of one group or several.

    Parameters
    ----------
    moments : sequence of OrdinalMoments
        One a group, with the covariance of the statistics.
    model : Model
        As many groups; thresholds in the order of the moments'.
    weights : {"diagonal", "identity"}
        One over each statistic's sampling variance (WLSMV, DWLS), or all equal (ULSMV).
    start : mapping, optional
        Parameter name → value to start from, such as those of a less restricted model.

    Returns
    -------
    LeastSquaresFit
        Negative residual variances are allowed.

    Raises
    ------
    FitError
        If the model has more parameters than there are statistics, is not identified, or does not converge.

    Notes
    -----
    Minimises Σ (n − 1)(s − σ)ᵀW(s − σ) over groups (Muthén, du Toit & Spisic, 1997) by Gauss–Newton steps with
    Levenberg–Marquardt damping; where they run away, once more from the solution with the other weights. Standard
    errors: Satorra & Bentler (1994). Scaled and shifted test: Asparouhov & Muthén (2010).
    """
    if len(moments) != len(model.groups):
        raise ValueError(f"the model has {len(model.groups)} groups, but moments of {len(moments)} were given")
    problem = _problem(moments, model, weights)
    size, count = len(model.names), sum(each.size for each in problem.observed)
    if size > count:
        raise FitError(
            f"the model has {size} parameters but the items give only {count} thresholds and correlations: "
            "it needs more items or fewer factors"
        )
    parameters, steps = _searched(problem, moments, weights, start)
    jacobians = _jacobians(problem, parameters)
    total = sum(problem.n)
    share = [n / total for n in problem.n]
    information, inverse = _information(problem, jacobians, share)
    gammas = [_gamma(each) for each in moments]
    weighted = [g @ (w[:, None] * j) for g, w, j in zip(gammas, problem.weight, jacobians, strict=True)]
    meats = [(j.T * w) @ x for j, w, x in zip(jacobians, problem.weight, weighted, strict=True)]
    meat = sum((f * m for f, m in zip(share, meats, strict=True)), start=np.zeros((size, size)))
    chi2, df = _discrepancy(problem, filled(model, parameters)), count - size
    first, second = _traces(problem, gammas, weighted, meats, inverse, share)
    return LeastSquaresFit(
        model=model,
        parameters=parameters,
        estimates=filled(model, parameters),
        # As lavaan: the statistics of each group have n − 1, as its discrepancy has.
        covariance=inverse @ meat @ inverse / (total - len(problem.n)),
        chi2=chi2,
        df=df,
        p=_p(chi2, df),
        n=problem.n,
        moments=tuple(moments),
        weights=weights,
        steps=steps,
        jacobians=tuple(jacobians),
        information=information,
        inverse=inverse,
        meat=meat,
        **_tests(chi2, df, first, second),
    )


def fit_independence(moments: Sequence[OrdinalMoments], *, weights: Weights = "diagonal") -> LeastSquaresFit:
    """Fit the model of unrelated items with free thresholds, the baseline of CFI and TLI.

    Parameters
    ----------
    moments : sequence of OrdinalMoments
        One a group.
    weights : {"diagonal", "identity"}

    Returns
    -------
    LeastSquaresFit
        Its parameters are the thresholds, all as observed.
    """
    threshold_item = _threshold_item(moments[0])
    draft = ModelDraft(items=len(moments[0].items), factors=0, groups=len(moments), threshold_item=list(threshold_item))
    for group in range(len(moments)):
        for threshold in range(len(threshold_item)):
            draft.free("thresholds", threshold, name=f"threshold {threshold}, group {group + 1}", group=group)
    model = draft.finished()
    problem = _problem(moments, model, weights)
    count = threshold_item.size
    parameters = np.concatenate([each[:count] for each in problem.observed])
    chi2 = sum(
        (n - 1) * float(np.sum(w[count:] * s[count:] ** 2))
        for n, w, s in zip(problem.n, problem.weight, problem.observed, strict=True)
    )
    df = sum(each.size - count for each in problem.observed)
    first = second = 0.0
    for each, weight in zip(moments, problem.weight, strict=True):
        gamma, own = _gamma(each)[count:, count:], weight[count:]
        first += float(np.sum(own * np.diag(gamma)))
        second += float(own @ gamma**2 @ own)
    size = parameters.size
    covariance, information, inverse, meat = (np.zeros((size, size)) for _ in range(4))
    jacobians = []
    for group, (each, weight) in enumerate(zip(moments, problem.weight, strict=True)):
        at, share = slice(group * count, (group + 1) * count), problem.n[group] / sum(problem.n)
        gamma, own = _gamma(each)[:count, :count], weight[:count]
        covariance[at, at] = gamma / problem.n[group]
        information[at, at] = share * np.diag(own)
        inverse[at, at] = np.diag(1 / (share * own))
        meat[at, at] = share * own[:, None] * gamma * own
        jacobians.append(np.eye(problem.observed[group].size, size, group * count))
        jacobians[-1][count:] = 0.0
    return LeastSquaresFit(
        model=model,
        parameters=parameters,
        estimates=filled(model, parameters),
        covariance=covariance,
        chi2=chi2,
        df=df,
        p=_p(chi2, df),
        n=problem.n,
        moments=tuple(moments),
        weights=weights,
        steps=0,
        jacobians=tuple(jacobians),
        information=information,
        inverse=inverse,
        meat=meat,
        **_tests(chi2, df, first, second),
    )


def difference_test(free: LeastSquaresFit, restricted: LeastSquaresFit) -> DifferenceTest:
    """Test whether a restricted model fits worse than a freer one in which it is nested.

    Parameters
    ----------
    free, restricted : LeastSquaresFit
        Fitted to the same moments.

    Returns
    -------
    DifferenceTest

    Raises
    ------
    ValueError
        If the second model does not have more degrees of freedom than the first.

    Notes
    -----
    Satorra (2000), scaled and shifted as Asparouhov & Muthén (2010): the restrictions are found from the two
    Jacobians of the implied statistics at the two solutions (lavaan's ``A.method = "delta"``).
    """
    df = restricted.df - free.df
    if df <= 0:
        raise ValueError(f"the restricted model needs more degrees of freedom than the free one, got {df} more")
    above, below = np.vstack(free.jacobians), np.vstack(restricted.jacobians)
    # The restricted model's directions in the parameters of the free one; no matrix of restrictions is needed.
    within = _regressed(above, below)
    held = within.T @ free.information @ within
    scale = np.sqrt(np.diag(held))
    try:
        factor = linalg.cho_factor(held / np.outer(scale, scale))
    except linalg.LinAlgError as trouble:
        raise FitError(_NO_TEST) from trouble
    within = within / scale
    projection = free.inverse - within @ linalg.cho_solve(factor, within.T)
    product = projection @ free.meat
    first, second = float(np.trace(product)), float(np.sum(product * product.T))
    tests = _tests(restricted.chi2 - free.chi2, df, first, second)
    return DifferenceTest(
        statistic=tests["chi2_scaled"],
        df=df,
        p=tests["p_scaled"],
        scaling_factor=tests["scaling_factor"],
        shift=tests["shift"],
    )


def modification_indices(fit: LeastSquaresFit, elements: Sequence[Element]) -> ScoreTests:
    """Test what freeing each of some elements would bring.

    Parameters
    ----------
    fit : LeastSquaresFit
    elements : sequence of Element
        Fixed elements, or elements that are equal to others.

    Returns
    -------
    ScoreTests
        Not corrected for the statistics' full covariance, as in lavaan: for ranking, not for testing.
    """
    problem = _problem(fit.moments, fit.model, fit.weights)
    more = with_free(fit.model, elements)
    size = len(fit.model.names)
    total = sum(problem.n)
    score, own = np.zeros(len(elements)), np.zeros(len(elements))
    free, cross = np.zeros((size, size)), np.zeros((len(elements), size))
    for group, (n, residual, jacobian, weight) in enumerate(
        zip(
            problem.n,
            _residuals(problem, fit.estimates),
            fit.jacobians,
            problem.weight,
            strict=True,
        )
    ):
        added = ordinal_jacobian(more, group, fit.estimates[group])
        wide = (n / total * weight)[:, None] * added
        score += (n - 1) / n * (residual @ wide)
        own += np.sum(wide * added, axis=0)
        cross += wide.T @ jacobian
        free += n / total * (jacobian.T * weight) @ jacobian
    return score_tests(score, free, cross, own, n=total)


def _threshold_item(moments: OrdinalMoments) -> Positions:
    return np.repeat(np.arange(len(moments.items)), [len(each) for each in moments.thresholds])


def _gamma(moments: OrdinalMoments) -> Matrix:
    if moments.covariance is None:
        raise ValueError("the moments lack the covariance of their statistics: `ordinal_moments(…, covariance=True)`")
    return moments.covariance


def _problem(moments: Sequence[OrdinalMoments], model: Model, weights: Weights) -> _Problem:
    if weights not in ("diagonal", "identity"):
        raise ValueError(f"weights must be 'diagonal' or 'identity', got {weights!r}")
    observed = tuple(each.statistics for each in moments)
    if weights == "diagonal":
        weight: tuple[Matrix, ...] = tuple(1 / np.diag(_gamma(each)) for each in moments)
    else:
        weight = tuple(np.ones(each.size) for each in observed)
    return _Problem(model=model, observed=observed, weight=weight, n=tuple(each.n for each in moments))


def _started(moments: Sequence[OrdinalMoments], model: Model, known: Mapping[str, float] | None) -> Matrix:
    return start_values(
        model,
        [each.correlations for each in moments],
        thresholds=[np.concatenate(each.thresholds) for each in moments],
        known=known,
    )


def _residuals(problem: _Problem, estimates: Sequence[Parts[Matrix]]) -> list[Matrix]:
    return [
        observed - ordinal_statistics(problem.model, group, estimates[group])
        for group, observed in enumerate(problem.observed)
    ]


def _jacobians(problem: _Problem, parameters: Matrix) -> list[Matrix]:
    parts = filled(problem.model, parameters)
    return [ordinal_jacobian(problem.model, group, parts[group]) for group in range(len(parts))]


def _discrepancy(problem: _Problem, estimates: Sequence[Parts[Matrix]]) -> float:
    """Σ (n − 1)(s − σ)ᵀW(s − σ)."""
    return sum(
        (n - 1) * float(residual**2 @ weight)
        for n, residual, weight in zip(problem.n, _residuals(problem, estimates), problem.weight, strict=True)
    )


def _information(problem: _Problem, jacobians: Sequence[Matrix], share: Sequence[float]) -> tuple[Matrix, Matrix]:
    """ΔᵀWΔ and its inverse, refused where a parameter can take any value."""
    size = len(problem.model.names)
    information: Matrix = np.zeros((size, size))
    for part, jacobian, weight in zip(share, jacobians, problem.weight, strict=True):
        wide = np.sqrt(part * weight)[:, None] * jacobian
        information += wide.T @ wide
    # A parameter that moves nothing would divide by 0; the identification check names it.
    scale = np.sqrt(np.maximum(np.diag(information), np.finfo(float).tiny))
    unit = information / np.outer(scale, scale)
    try:
        inverse = _inverted(unit)
        # Its norm is 1 over the smallest eigenvalue at least: the eigenvalues are not needed where it is small.
        doubtful = float(np.linalg.norm(inverse)) > 1 / _IDENTIFIED
    except linalg.LinAlgError:
        doubtful = True
    if doubtful:
        not_identified(scale, unit, problem.model.names, _IDENTIFIED)
        inverse = _inverted(unit)
    return information, inverse / np.outer(scale, scale)


def _inverted(matrix: Matrix) -> Matrix:
    """Of a symmetric, positive definite matrix."""
    lower, failed = linalg.lapack.dpotrf(matrix, lower=1, clean=1)
    if failed:
        raise linalg.LinAlgError("not positive definite")
    half = np.asarray(linalg.lapack.dpotri(lower, lower=1)[0])
    return np.asarray(half + np.tril(half, -1).T)


def _regressed(above: Matrix, below: Matrix) -> Matrix:
    """Least-squares coefficients of the columns of ``below`` on those of ``above``, which have full rank."""
    scale = np.sqrt(np.sum(above**2, axis=0))
    above = above / scale
    return np.asarray(linalg.cho_solve(linalg.cho_factor(above.T @ above), above.T @ below) / scale[:, None])


def _search(problem: _Problem) -> _Search:
    groups = problem.model.groups
    numbers, times = np.unique(np.concatenate([group.free.thresholds for group in groups]), return_counts=True)
    single = numbers[(times == 1) & (numbers >= 0)]
    exact = tuple(np.flatnonzero(np.isin(group.free.thresholds, single)) for group in groups)
    moving = np.setdiff1d(np.arange(len(problem.model.names)), single)
    return _Search(moving=moving, exact=exact)


def _met(problem: _Problem, search: _Search, parameters: Matrix) -> tuple[Matrix, tuple[Parts[Matrix], ...] | None]:
    """Put the thresholds with parameters of their own where they fit exactly, and fill the matrices.

    No matrices where the model implies no correlations: with free residual variances an answer may be left
    without variance.
    """
    estimates = filled(problem.model, parameters)
    met = parameters.copy()
    for group, parts, observed, exact in zip(
        problem.model.groups, estimates, problem.observed, search.exact, strict=True
    ):
        item = group.threshold_item[exact]
        spread: Any = 1.0
        if problem.model.scale == "residual":
            variance = np.diag(implied_covariance(parts))
            if variance.min() <= 0:
                return parameters, None
            spread = np.sqrt(variance[item])
        values = observed[exact] * spread + implied_mean(parts)[item]
        met[group.free.thresholds[exact]] = values
        parts.thresholds[exact] = values
    return met, estimates


def _equations(problem: _Problem, search: _Search, estimates: Sequence[Parts[Matrix]]) -> tuple[Matrix, Matrix]:
    """ΔᵀWΔ and ΔᵀW(s − σ) of the parameters that move, n − 1 times."""
    size = search.moving.size
    information, slope = np.zeros((size, size)), np.zeros(size)
    residuals = _residuals(problem, estimates)
    for group, exact in enumerate(search.exact):
        root = np.sqrt((problem.n[group] - 1) * problem.weight[group])
        # A statistic that is met exactly tells nothing.
        root[exact] = 0.0
        wide = ordinal_jacobian(problem.model, group, estimates[group]).T[search.moving]
        wide *= root
        information += wide @ wide.T
        slope += wide @ (residuals[group] * root)
    return information, slope


def _searched(
    problem: _Problem, moments: Sequence[OrdinalMoments], weights: Weights, known: Mapping[str, float] | None
) -> tuple[Matrix, int]:
    """Minimise; where the search runs away, search once more from the solution with the other weights."""
    start = _started(moments, problem.model, known)
    try:
        return _minimised(problem, start)
    except FitError as failure:
        other = _problem(moments, problem.model, "identity" if weights == "diagonal" else "diagonal")
        try:
            return _minimised(problem, _minimised(other, start)[0])
        except FitError:
            raise failure from None


def _minimised(problem: _Problem, parameters: Matrix) -> tuple[Matrix, int]:
    search, start = _search(problem), parameters
    parameters, estimates = _met(problem, search, parameters)
    if estimates is None:
        raise FitError("the model cannot be started: a residual variance that is fixed leaves an item without variance")
    value = _discrepancy(problem, estimates)
    damping = 1e-3
    length: Matrix = np.zeros(search.moving.size)
    for step in range(_MAXIMUM_STEPS):
        information, slope = _equations(problem, search, estimates)
        scale = np.sqrt(np.maximum(np.diag(information), np.finfo(float).tiny))
        information, slope = information / np.outer(scale, scale), slope / scale
        length = _solved(information, slope, damping)
        # A damped step promises less than a free one.
        if slope @ length < _CONVERGED and slope @ _solved(information, slope, _IDENTIFIED) < _CONVERGED:
            return parameters, step
        while True:
            moved = parameters.copy()
            moved[search.moving] += length / scale
            moved, tried = _met(problem, search, moved)
            new_value = np.inf if tried is None else _discrepancy(problem, tried)
            promised = float(length @ (2 * slope - information @ length))
            gain = (value - new_value) / promised if promised else 0.0
            damping = max(damping / 10, _LEAST_DAMPING) if gain > 0.5 else damping * (1 if gain > 0.2 else 5) + 1e-9
            if tried is not None and new_value < value:
                break
            if damping > 1e10 or promised < 1e-15 * value:
                if float(slope @ _solved(information, slope, _IDENTIFIED)) < _NEARLY:
                    return parameters, step
                raise FitError(_not_converged(problem.model, search.moving, start, parameters, length / scale))
            length = _solved(information, slope, damping)
        parameters, estimates, value = moved, tried, new_value
    raise FitError(_not_converged(problem.model, search.moving, start, parameters, length / scale))


def _solved(information: Matrix, slope: Matrix, damping: float) -> Matrix:
    if not slope.size:
        return slope
    factor = linalg.cho_factor(information + damping * np.eye(slope.size), overwrite_a=True, check_finite=False)
    return np.asarray(linalg.cho_solve(factor, slope, check_finite=False))


def _not_converged(model: Model, moving: Positions, start: Matrix, parameters: Matrix, step: Matrix) -> str:
    """Name the parameters that ran away; if none did, those that the last step would have moved most."""
    usual = np.maximum(np.abs(start[moving]), 0.1 * np.median(np.abs(start[moving])))
    far = np.abs(parameters - start)[moving] / usual
    ran = moving[[int(at) for at in np.argsort(-far)[:3] if far[at] > _RAN_AWAY]]
    if ran.size:
        what = "ran away: " + ", ".join(f"{model.names[number]} is at {parameters[number]:.1f}" for number in ran)
    else:
        names = (model.names[number] for number in moving[np.argsort(-np.abs(step))][:3])
        what = "still moving: " + ", ".join(names)
    return (
        f"the model did not converge ({what}): the items may share too little, or be too few or too "
        "alike, for it; look at their correlations, fit a smaller model, or use more people"
    )


def _traces(
    problem: _Problem,
    gammas: Sequence[Matrix],
    weighted: Sequence[Matrix],
    meats: Sequence[Matrix],
    inverse: Matrix,
    share: Sequence[float],
) -> tuple[float, float]:
    """Traces of UΓ and of its square, U = W − WJ(JᵀWJ)⁻¹JᵀW, without forming U.

    ``weighted`` is ΓWJ and ``meats`` JᵀWΓWJ of each group.
    """
    size = inverse.shape[0]
    first = second = 0.0
    meat, twice = np.zeros((size, size)), np.zeros((size, size))
    for part, gamma, weight, wide, own in zip(share, gammas, problem.weight, weighted, meats, strict=True):
        first += float(weight @ np.diag(gamma))
        second += float(weight @ gamma**2 @ weight)
        meat += part * own
        twice += part * (wide.T * weight) @ wide
    product = inverse @ meat
    first -= float(np.trace(product))
    second += float(np.sum(product * product.T)) - 2 * float(np.sum(inverse * twice))
    return first, second


def _tests(chi2: float, df: int, first: float, second: float) -> dict[str, float]:
    """Scaled statistics from the traces of UΓ and of its square."""
    if not df:
        nothing = dict.fromkeys(("p_scaled", "scaling_factor", "shift", "mean_factor"), np.nan)
        return {"chi2_scaled": chi2, "chi2_mean": chi2} | nothing
    factor = float(np.sqrt(second / df))
    shift = df - first / factor
    scaled = chi2 / factor + shift
    mean_factor = first / df
    return {
        "chi2_scaled": scaled,
        "p_scaled": float(stats.chi2.sf(scaled, df)),
        "scaling_factor": factor,
        "shift": shift,
        "chi2_mean": chi2 / mean_factor,
        "mean_factor": mean_factor,
    }


def _p(chi2: float, df: int) -> float:
    return float(stats.chi2.sf(chi2, df)) if df else 1.0
