"""Factors of correlation matrices, of one or of many at once: extraction, rotation, a general factor above them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize

Matrix = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Extraction = Literal["minres", "ml", "principal_axis"]
Rotation = Literal["oblimin", "promax", "geomin", "varimax", "none"]

# Condition of the curvature in the uniquenesses from which its inverse is rounding.
_UNDETERMINED = 1e12
# Uniquenesses are kept at this or more (as psych and SPSS do): a solution that reaches it is a Heywood case.
LEAST_UNIQUENESS = 0.005
# Largest derivative at which an extraction has arrived; loadings are then right to about 1e-8.
_ARRIVED = 1e-9
# Near the minimum Newton's method squares the slope: one that is under this and no longer falls is rounding.
_SMALL_SLOPE = 1e-6
# Rounding error of a discrepancy: a step that raises it by less has not raised it.
_ROUNDING = 1e-13
_NEWTON_STEPS = 100
# A communality from which a solution counts as a Heywood case.
_HEYWOOD = 1 - LEAST_UNIQUENESS - 1e-6
# A proper minimum is taken in place of an improper one if its discrepancy is larger by no more than this share.
PROPER_SLACK = 0.10
# Uniquenesses of all items from which an extraction starts too.
_LEVELS = (0.5, 0.9)
_AXES_STEPS = 10_000
_ROTATION_STEPS = 5_000
_GEOMIN = 0.01
_COMPLEX_STEP = 1e-100
# A stack is extracted so many matrices at a time: more would leave the processor's cache.
_CHUNK = 128


@dataclass(frozen=True, kw_only=True, eq=False)
class Rotated:
    """Patterns after rotation.

    Parameters
    ----------
    pattern : (…, items, factors) array
    phi : (…, factors, factors) array
        Correlations of the factors.
    criterion : (…) array
        What the rotation made small; 0 where there is no criterion.
    converged : (…) array of bool
    """

    pattern: Matrix
    phi: Matrix
    criterion: Matrix
    converged: Flags


def most_factors(columns: int) -> int:
    """Return the largest number of factors that leaves no negative degrees of freedom.

    Examples
    --------
    >>> most_factors(6)
    3
    """
    return max(factors for factors in range(columns) if degrees_of_freedom(columns, factors) >= 0)


def degrees_of_freedom(columns: int, n_factors: int) -> int:
    """Correlations less parameters of an exploratory model.

    Examples
    --------
    >>> degrees_of_freedom(6, 2)
    4
    """
    return ((columns - n_factors) ** 2 - columns - n_factors) // 2


def reduced(correlations: Matrix) -> Matrix:
    """Put squared multiple correlations on the diagonal, of one matrix or of a stack."""
    out = np.array(correlations)
    diagonal = np.arange(out.shape[-1])
    out[..., diagonal, diagonal] = 1 - 1 / np.linalg.inv(correlations)[..., diagonal, diagonal]
    return out


def likelihood_discrepancy(correlations: Matrix, model: Matrix) -> float:
    """Return how far correlations are from a model's in likelihood: what maximum likelihood makes small.

    Parameters
    ----------
    correlations, model : (items, items) arrays
        The diagonal of the model is taken to be 1.

    Examples
    --------
    >>> round(likelihood_discrepancy(np.array([[1, 0.6], [0.6, 1]]), np.eye(2)), 4)
    0.4463
    """
    implied = model.copy()
    np.fill_diagonal(implied, 1.0)
    ratio = np.linalg.solve(implied, correlations)
    return float(np.trace(ratio) - np.linalg.slogdet(ratio)[1]) - len(correlations)


def extract(
    correlations: Matrix, n_factors: int, method: Extraction, *, near: Matrix | None = None
) -> tuple[Matrix, Flags]:
    """Extract unrotated factors.

    Parameters
    ----------
    correlations : (…, items, items) array
        Positive definite.
    n_factors : int
        From 1 to `most_factors`.
    method : {"minres", "ml", "principal_axis"}
    near : (items,) array, optional
        Uniquenesses near which the minimum is looked for, such as those of the sample whose resamples these are; from
        the usual starts only where that does not arrive. Principal axes do not use them.

    Returns
    -------
    tuple
        Loadings, (…, items, factors), each factor with a positive sum, in falling order of the variance
        that they explain; and whether each extraction arrived, (…).

    Notes
    -----
    Minres (Harman & Jones, 1966) and maximum likelihood (Jöreskog, 1967) as functions of the uniquenesses
    alone, by Newton's method with exact second derivatives (Jöreskog, 1977), uniquenesses from .005 to 1, the lowest of
    the minima reached from three starts.
    Principal axes: iterated from squared multiple correlations; where they settle they are the minres solution.

    Examples
    --------
    >>> pattern, arrived = extract(0.5 + 0.5 * np.eye(4), 1, "minres")
    >>> pattern.round(4).ravel().tolist(), bool(arrived)
    ([0.7071, 0.7071, 0.7071, 0.7071], True)
    """
    found, arrived, _ = _extracted(correlations, n_factors, method, near, proper=False)
    return found, arrived


def extract_proper(correlations: Matrix, n_factors: int, method: Extraction) -> tuple[Matrix, Flags, Flags]:
    """Extract unrotated factors, with a proper solution in place of a Heywood case that fits hardly better.

    Parameters
    ----------
    correlations : (…, items, items) array
        Positive definite.
    n_factors : int
    method : {"minres", "ml", "principal_axis"}
        Principal axes have one solution, which is given.

    Returns
    -------
    tuple
        Loadings and whether each extraction arrived, as `extract`; and where a Heywood case, whose discrepancy is
        lower, was passed over, (…).

    Notes
    -----
    Two factors of five items, say, often have several minima that fit almost alike. One at which the factors explain
    all of an item is at the bound of what uniquenesses may be and says nothing new of the population (van Driel, 1978);
    it is left for the lowest proper minimum whose discrepancy is at most 10 % larger: root mean square residuals are
    then within 5 %. Where the usual starts lead to a Heywood case, minima are looked for from more: the share of each item
    that the others do not predict, and the same with each item in turn explained.

    Examples
    --------
    >>> pattern, arrived, passed_over = extract_proper(0.5 + 0.5 * np.eye(4), 1, "minres")
    >>> pattern.round(4).ravel().tolist(), bool(passed_over)
    ([0.7071, 0.7071, 0.7071, 0.7071], False)
    """
    return _extracted(correlations, n_factors, method, None, proper=True)


def _extracted(
    correlations: Matrix, n_factors: int, method: Extraction, near: Matrix | None, *, proper: bool
) -> tuple[Matrix, Flags, Flags]:
    stack = np.asarray(correlations, dtype=float)
    shape, columns = stack.shape[:-2], stack.shape[-1]
    stack = stack.reshape(-1, columns, columns)

    def solve(part: Matrix) -> tuple[Matrix, Flags, Flags]:
        if method == "principal_axis":
            return *_principal_axes(part, n_factors), np.zeros(len(part), dtype=bool)
        if near is not None:
            return *_nearest(part, n_factors, method, near), np.zeros(len(part), dtype=bool)
        if proper:
            return _lowest_proper(part, n_factors, method)
        return *_lowest(part, n_factors, method), np.zeros(len(part), dtype=bool)

    parts = [solve(stack[start : start + _CHUNK]) for start in range(0, len(stack), _CHUNK)]
    pattern, arrived, passed_over = (np.concatenate(each) for each in zip(*parts, strict=True))
    pattern *= np.where(pattern.sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    return pattern.reshape(*shape, columns, n_factors), arrived.reshape(shape), passed_over.reshape(shape)


@dataclass(frozen=True, slots=True)
class _Discrepancy:
    """What an extraction makes small, by matrix, with its derivatives in the uniquenesses.

    ``convex`` is the part of ``hessian`` that is never negative: where the model holds, the whole.
    """

    value: Matrix
    gradient: Matrix
    hessian: Matrix
    convex: Matrix


def _eigen(stack: Matrix, position: Matrix, method: str) -> tuple[Matrix, Matrix]:
    if method == "minres":
        left = np.array(stack)
        diagonal = np.arange(stack.shape[-1])
        left[:, diagonal, diagonal] -= position
        values, vectors = np.linalg.eigh(left)
    else:
        root = np.exp(-position / 2)
        values, vectors = np.linalg.eigh(stack * root[:, :, None] * root[:, None, :])
    return values, vectors


def _value(values: Matrix, n_factors: int, method: str) -> Matrix:
    left = values[:, :-n_factors]
    if method == "minres":
        return np.asarray(np.sum(left**2, axis=1) / 2)
    return np.asarray(np.sum(left - np.log(left) - 1, axis=1))


def _discrepancy(values: Matrix, vectors: Matrix, n_factors: int, method: str) -> _Discrepancy:
    left, taken = values[:, :-n_factors], values[:, -n_factors:]
    ours, theirs = vectors[:, :, :-n_factors], vectors[:, :, -n_factors:]
    apart = taken[:, None, :] - left[:, :, None]
    projection = ours @ ours.transpose(0, 2, 1)
    if method == "minres":
        slope = -left
        convex = projection**2
        cross = -2 * left[:, :, None] / np.maximum(apart, 1e-12)
    else:
        slope = 1 - left
        convex = projection * ((ours * left[:, None, :]) @ ours.transpose(0, 2, 1))
        cross = (1 - left[:, :, None]) * (taken[:, None, :] + left[:, :, None]) / np.maximum(apart, 1e-12)
    gradient = np.einsum("bim,bm->bi", ours**2, slope)
    pairs = (ours[:, :, :, None] * theirs[:, :, None, :]).reshape(len(values), ours.shape[1], -1)
    hessian = convex + (pairs * cross.reshape(len(values), 1, -1)) @ pairs.transpose(0, 2, 1)
    return _Discrepancy(value=_value(values, n_factors, method), gradient=gradient, hessian=hessian, convex=convex)


def _lowest(stack: Matrix, n_factors: int, method: str) -> tuple[Matrix, Flags]:
    """Search from several uniquenesses and keep the lowest minimum of each matrix: there may be more than one."""
    pattern, values = _minima(stack, n_factors, method, _usual_starts(stack, n_factors))
    best = values.argmin(axis=0), np.arange(len(stack))
    return pattern[best], np.isfinite(values[best])


def _lowest_proper(stack: Matrix, n_factors: int, method: str) -> tuple[Matrix, Flags, Flags]:
    """Search as `_lowest`, and where that leads to a Heywood case from more starts, for a proper minimum as good.

    Returns patterns, where the search arrived, and where a Heywood case was passed over.
    """
    pattern, arrived = _lowest(stack, n_factors, method)
    passed_over = np.zeros(len(stack), dtype=bool)
    again = np.flatnonzero(arrived & _improper(pattern))
    if not len(again):
        return pattern, arrived, passed_over
    some = stack[again]
    alone = 1 / np.diagonal(np.linalg.inv(some), axis1=1, axis2=2)
    # What the other items do not predict; and the same with one item after the other explained.
    explained = [np.where(item, LEAST_UNIQUENESS, alone) for item in np.eye(some.shape[-1], dtype=bool)]
    found, values = _minima(some, n_factors, method, [*_usual_starts(some, n_factors), alone, *explained])
    every = np.arange(len(again))
    lowest = values.argmin(axis=0)
    proper_values = np.where(_improper(found), np.inf, values)
    proper = proper_values.argmin(axis=0)
    enough = proper_values[proper, every] <= (1 + PROPER_SLACK) * values[lowest, every] + _ROUNDING
    passed_over[again] = _improper(found[lowest, every]) & enough
    pattern[again] = found[np.where(enough, proper, lowest), every]
    return pattern, arrived, passed_over


def _usual_starts(stack: Matrix, n_factors: int) -> list[Matrix]:
    """Jöreskog's (1963) start, and two that know nothing of the items."""
    alone = 1 / np.diagonal(np.linalg.inv(stack), axis1=1, axis2=2)
    return [(1 - n_factors / (2 * stack.shape[-1])) * alone, *(np.full_like(alone, level) for level in _LEVELS)]


def _minima(stack: Matrix, n_factors: int, method: str, starts: list[Matrix]) -> tuple[Matrix, Matrix]:
    """Patterns, (starts, matrices, items, factors), and discrepancies, infinite where a search did not arrive."""
    many, columns = len(starts), stack.shape[-1]
    pattern, value, arrived = _newton(
        np.tile(stack, (many, 1, 1)), n_factors, method, np.array(starts).reshape(-1, columns)
    )
    values = np.where(arrived, value, np.inf).reshape(many, -1)
    return pattern.reshape(many, len(stack), columns, n_factors), values


def _improper(pattern: Matrix) -> Flags:
    """Tell where the factors explain all of an item."""
    return np.asarray(np.sum(pattern**2, axis=-1).max(axis=-1) >= _HEYWOOD)


def _nearest(stack: Matrix, n_factors: int, method: str, near: Matrix) -> tuple[Matrix, Flags]:
    """Search from given uniquenesses; where that does not arrive, from the usual ones."""
    start = np.broadcast_to(np.clip(near, LEAST_UNIQUENESS, 1.0), stack.shape[:2])
    pattern, _, arrived = _newton(stack, n_factors, method, start)
    lost = ~arrived
    if lost.any():
        pattern[lost], arrived[lost] = _lowest(stack[lost], n_factors, method)
    return pattern, arrived


def _newton(stack: Matrix, n_factors: int, method: str, start: Matrix) -> tuple[Matrix, Matrix, Flags]:
    """Newton's method on uniquenesses (minres) or their logarithms (ml), within their bounds, for a stack.

    Returns patterns, discrepancies, and where the search arrived.
    """
    low, high = (LEAST_UNIQUENESS, 1.0) if method == "minres" else (np.log(LEAST_UNIQUENESS), 0.0)
    position = np.clip(start if method == "minres" else np.log(start), low, high)
    arrived = np.zeros(len(stack), dtype=bool)
    before = np.full(len(stack), np.inf)
    todo = np.arange(len(stack))
    values, vectors = _eigen(stack, position, method)
    for _ in range(_NEWTON_STEPS):
        here = _discrepancy(values[todo], vectors[todo], n_factors, method)
        now = position[todo]
        held = ((now <= low) & (here.gradient > 0)) | ((now >= high) & (here.gradient < 0))
        gradient = np.where(held, 0.0, here.gradient)
        steep = np.abs(gradient).max(axis=1)
        done = (steep < _ARRIVED) | ((steep < _SMALL_SLOPE) & (steep > before[todo] / 4))
        arrived[todo[done]] = True
        before[todo] = steep
        todo, now, held, gradient, steep = todo[~done], now[~done], held[~done], gradient[~done], steep[~done]
        if not len(todo):
            break
        step = _descent(here.hessian[~done], here.convex[~done], gradient, held)
        moved = _line_search(stack[todo], now, step, gradient, here.value[~done], (low, high), n_factors, method)
        position[todo], values[todo], vectors[todo], stuck = moved
        # No shorter step gains: the minimum, if the slope is small.
        arrived[todo[stuck]] = steep[stuck] < _SMALL_SLOPE
        todo = todo[~stuck]
        if not len(todo):
            break
    taken = values[:, -n_factors:][:, ::-1] - (0 if method == "minres" else 1)
    pattern = vectors[:, :, -n_factors:][:, :, ::-1] * np.sqrt(np.maximum(taken, 0))[:, None, :]
    if method == "ml":
        pattern = pattern * np.exp(position / 2)[:, :, None]
    return pattern, _value(values, n_factors, method), arrived


def _descent(hessian: Matrix, convex: Matrix, gradient: Matrix, held: Flags) -> Matrix:
    """Newton's step among the uniquenesses that are not held at a bound; where that leads up, a convex one."""
    free = ~held
    diagonal = np.arange(hessian.shape[-1])

    def step(curvature: Matrix, ridge: float) -> Matrix:
        system = np.where(free[:, :, None] & free[:, None, :], curvature, 0.0)
        system[:, diagonal, diagonal] += np.where(free, ridge, 1.0)
        return np.asarray(-np.linalg.solve(system, gradient[:, :, None])[:, :, 0])

    out = step(hessian, 1e-12)
    up = np.einsum("bi,bi->b", out, gradient) > -1e-4 * np.linalg.norm(out, axis=1) * np.linalg.norm(gradient, axis=1)
    if up.any():
        out[up] = step(convex, 1e-4)[up]
    return out


def _line_search(
    stack: Matrix,
    position: Matrix,
    step: Matrix,
    gradient: Matrix,
    value: Matrix,
    bounds: tuple[float, float],
    n_factors: int,
    method: str,
) -> tuple[Matrix, Matrix, Matrix, Flags]:
    """Halve each step until the discrepancy falls; say where it never did."""
    length = np.ones(len(stack))
    reached = np.clip(position + step, *bounds)
    values, vectors = _eigen(stack, reached, method)
    stuck = np.zeros(len(stack), dtype=bool)
    for _ in range(40):
        gain = np.einsum("bi,bi->b", gradient, reached - position)
        high = np.flatnonzero(_value(values, n_factors, method) > value + 1e-4 * gain + _ROUNDING)
        if not len(high):
            return reached, values, vectors, stuck
        length[high] /= 2
        reached[high] = np.clip(position[high] + length[high, None] * step[high], *bounds)
        values[high], vectors[high] = _eigen(stack[high], reached[high], method)
    stuck[high] = True
    return reached, values, vectors, stuck


def _principal_axes(stack: Matrix, n_factors: int) -> tuple[Matrix, Flags]:
    left = reduced(stack)
    diagonal = np.arange(stack.shape[-1])
    pattern = np.zeros((*stack.shape[:2], n_factors))
    arrived = np.zeros(len(stack), dtype=bool)
    todo = np.arange(len(stack))
    for _ in range(_AXES_STEPS):
        values, vectors = np.linalg.eigh(left[todo])
        taken = values[:, -n_factors:]
        found = vectors[:, :, -n_factors:] * np.sqrt(np.maximum(taken, 0))[:, None, :]
        pattern[todo] = found[:, :, ::-1]
        communality = np.sum(found**2, axis=2)
        moved = np.abs(communality - left[todo][:, diagonal, diagonal]).max(axis=1)
        left[todo[:, None], diagonal, diagonal] = communality
        # A factor without variance, or more of an item explained than there is: no solution.
        lost = (taken[:, 0] <= 0) | (communality.max(axis=1) > 2)
        arrived[todo] = (moved < 1e-10) & ~lost
        todo = todo[(moved >= 1e-10) & ~lost]
        if not len(todo):
            break
    return pattern, arrived


def _oblimin(pattern: Matrix) -> tuple[Matrix, Matrix]:
    others = np.sum(pattern**2, axis=-1, keepdims=True) - pattern**2
    return np.sum(pattern**2 * others, axis=(-2, -1)) / 4, pattern * others


def _geomin(pattern: Matrix) -> tuple[Matrix, Matrix]:
    squares = pattern**2 + _GEOMIN
    means = np.exp(np.log(squares).mean(axis=-1, keepdims=True))
    return means.sum(axis=(-2, -1)), 2 / pattern.shape[-1] * pattern / squares * means


def _varimax(pattern: Matrix) -> tuple[Matrix, Matrix]:
    centred = pattern**2 - np.mean(pattern**2, axis=-2, keepdims=True)
    return -np.sum(centred**2, axis=(-2, -1)) / 4, -pattern * centred


_Criterion = Callable[[Matrix], tuple[Matrix, Matrix]]
_OBLIQUE: dict[str, _Criterion] = {"oblimin": _oblimin, "geomin": _geomin}


def rotate(unrotated: Matrix, rotation: Rotation, *, start: Matrix | None = None, tolerance: float = 1e-8) -> Rotated:
    """Rotate a stack of patterns, each from its own position.

    Parameters
    ----------
    unrotated : (…, items, factors) array
    rotation : {"oblimin", "promax", "geomin", "varimax", "none"}
        Oblimin (γ = 0) and geomin (ε = .01) without, varimax and promax (power 4) with Kaiser's normalisation.
    start : (…, factors, factors) array, optional
        Axes to begin with, columns of length 1 (orthogonal for varimax and promax); else the unrotated.
    tolerance : float
        Length of the slope at which a rotation has arrived.

    Returns
    -------
    Rotated

    Notes
    -----
    Gradient projection (Jennrich, 2001, 2002; Bernaards & Jennrich, 2005). Promax: Hendrickson & White (1964).

    Examples
    --------
    >>> pattern = np.repeat(np.eye(2), 3, axis=0) @ np.array([[0.8, 0.6], [-0.6, 0.8]])
    >>> np.abs(rotate(pattern, "varimax").pattern.round(6)).tolist()[0]
    [1.0, 0.0]
    """
    shape, (columns, factors) = unrotated.shape[:-2], unrotated.shape[-2:]
    stack = np.asarray(unrotated, dtype=float).reshape(-1, columns, factors)
    if factors == 1 or rotation == "none":
        eye = np.broadcast_to(np.eye(factors), (*shape, factors, factors)).copy()
        return Rotated(
            pattern=unrotated.copy(), phi=eye, criterion=np.zeros(shape), converged=np.ones(shape, dtype=bool)
        )
    axes: Matrix = np.broadcast_to(np.eye(factors), (len(stack), factors, factors)).copy()
    phi: Matrix
    if start is not None:
        axes = np.array(start, dtype=float).reshape(-1, factors, factors)
    if rotation in _OBLIQUE:
        axes, value, converged = _project(stack, axes, _OBLIQUE[rotation], oblique=True, tolerance=tolerance)
        pattern = stack @ np.linalg.inv(axes).transpose(0, 2, 1)
        phi = axes.transpose(0, 2, 1) @ axes
    else:
        length = np.maximum(np.linalg.norm(stack, axis=2, keepdims=True), 1e-12)
        normal = stack / length
        axes, value, converged = _project(normal, axes, _varimax, oblique=False, tolerance=tolerance)
        pattern = normal @ axes
        phi = np.broadcast_to(np.eye(factors), axes.shape).copy()
        if rotation == "promax":
            pattern, phi = _promax(pattern)
        pattern = pattern * length
    return Rotated(
        pattern=pattern.reshape(*shape, columns, factors),
        phi=phi.reshape(*shape, factors, factors),
        criterion=value.reshape(shape),
        converged=converged.reshape(shape),
    )


def _project(
    stack: Matrix, axes: Matrix, criterion: _Criterion, *, oblique: bool, tolerance: float
) -> tuple[Matrix, Matrix, Flags]:
    """Gradient projection: axes of length 1 (oblique) or at right angles that make the criterion small."""
    axes = axes.copy()
    value = np.zeros(len(stack))
    converged = np.zeros(len(stack), dtype=bool)
    stride = np.ones(len(stack))

    def turned(patterns: Matrix, at: Matrix) -> tuple[Matrix, Matrix]:
        """Criterion there, and its slope in the axes."""
        if not oblique:
            found, slope = criterion(patterns @ at)
            return found, patterns.transpose(0, 2, 1) @ slope
        inverse = np.linalg.inv(at)
        pattern = patterns @ inverse.transpose(0, 2, 1)
        found, slope = criterion(pattern)
        return found, -(pattern.transpose(0, 2, 1) @ slope @ inverse).transpose(0, 2, 1)

    def projected(at: Matrix, slope: Matrix) -> Matrix:
        if oblique:
            return np.asarray(slope - at * np.sum(at * slope, axis=1, keepdims=True))
        inner = at.transpose(0, 2, 1) @ slope
        return np.asarray(slope - at @ (inner + inner.transpose(0, 2, 1)) / 2)

    def retracted(at: Matrix) -> Matrix:
        if oblique:
            return np.asarray(at / np.linalg.norm(at, axis=1, keepdims=True))
        left, _, right = np.linalg.svd(at)
        return np.asarray(left @ right)

    todo = np.arange(len(stack))
    value[:], slope = turned(stack, axes)
    for _ in range(_ROTATION_STEPS):
        direction = projected(axes[todo], slope)
        steep = np.linalg.norm(direction, axis=(1, 2))
        done = steep < tolerance
        converged[todo[done]] = True
        todo, direction, steep, slope = todo[~done], direction[~done], steep[~done], slope[~done]
        if not len(todo):
            break
        stride[todo] *= 2
        trying = np.arange(len(todo))
        for _halving in range(12):
            at = todo[trying]
            moved = retracted(axes[at] - stride[at, None, None] * direction[trying])
            found, new_slope = turned(stack[at], moved)
            better = value[at] - found > 0.5 * steep[trying] ** 2 * stride[at]
            axes[at[better]], value[at[better]] = moved[better], found[better]
            slope[trying[better]] = new_slope[better]
            trying = trying[~better]
            if not len(trying):
                break
            stride[todo[trying]] /= 2
        # Rounding hides any further gain: the rotation stands where it can.
        stopped = np.zeros(len(todo), dtype=bool)
        stopped[trying] = steep[trying] < 1e-5
        converged[todo[stopped]] = True
        todo, slope = todo[~stopped], slope[~stopped]
        if not len(todo):
            break
    return axes, value, converged


def _promax(pattern: Matrix) -> tuple[Matrix, Matrix]:
    target = pattern * np.abs(pattern) ** 3
    cross = pattern.transpose(0, 2, 1)
    turn = np.linalg.solve(cross @ pattern, cross @ target)
    inverse = np.linalg.inv(turn.transpose(0, 2, 1) @ turn)
    turn = turn * np.sqrt(np.diagonal(inverse, axis1=1, axis2=2))[:, None, :]
    return pattern @ turn, np.linalg.inv(turn.transpose(0, 2, 1) @ turn)


def rotate_like(unrotated: Matrix, rotation: Rotation, target: Matrix) -> Rotated:
    """Rotate a stack of patterns from the position closest to one rotated pattern, then line its factors up with it.

    Parameters
    ----------
    unrotated : (draws, items, factors) array
    rotation : Rotation
    target : (items, factors) array
        Where each rotation starts: the oblique (orthogonal for varimax and promax) Procrustes position. Its order
        and directions of factors are given to all.

    Returns
    -------
    Rotated
    """
    if unrotated.shape[-1] == 1 or rotation == "none":
        start = None
    else:
        cross = unrotated.transpose(0, 2, 1)
        if rotation in _OBLIQUE:
            fitted = np.linalg.solve(cross @ unrotated, cross @ target)
            start = np.linalg.inv(fitted).transpose(0, 2, 1)
            start = start / np.linalg.norm(start, axis=1, keepdims=True)
        else:
            left, _, right = np.linalg.svd(cross @ target)
            start = left @ right
    # Resampled solutions vary by far more than this.
    found = rotate(unrotated, rotation, start=start, tolerance=1e-5)
    order, sign = matching(found.pattern, target)
    pattern = np.take_along_axis(found.pattern, order[:, None, :], axis=2) * sign[:, None, :]
    phi = np.take_along_axis(np.take_along_axis(found.phi, order[:, None, :], axis=2), order[:, :, None], axis=1)
    return Rotated(
        pattern=pattern,
        phi=phi * sign[:, :, None] * sign[:, None, :],
        criterion=found.criterion,
        converged=found.converged,
    )


def matching(patterns: Matrix, target: Matrix) -> tuple[NDArray[np.intp], Matrix]:
    """Say in which order and direction each pattern's factors are most like a target's.

    Parameters
    ----------
    patterns : (draws, items, factors) array
    target : (items, factors) array

    Returns
    -------
    tuple
        Column of the pattern for each of the target's, and 1 or −1 for its direction, each (draws, factors).

    Notes
    -----
    The order with the largest sum of absolute coefficients of congruence (Tucker, 1951).
    """
    length = np.linalg.norm(patterns, axis=1)[:, :, None] * np.linalg.norm(target, axis=0)
    congruence = patterns.transpose(0, 2, 1) @ target / np.maximum(length, 1e-12)
    order = np.array([optimize.linear_sum_assignment(-np.abs(each).T)[1] for each in congruence])
    chosen = np.take_along_axis(congruence, order[:, None, :], axis=1)[:, 0]
    return order, np.where(chosen < 0, -1.0, 1.0)


def arranged(pattern: Matrix, phi: Matrix) -> tuple[Matrix, Matrix]:
    """Turn each factor to a positive sum of loadings and order factors by the variance they explain."""
    sign = np.where(pattern.sum(axis=0) < 0, -1.0, 1.0)
    pattern, phi = pattern * sign, phi * np.outer(sign, sign)
    order = np.argsort(-np.sum(pattern * (pattern @ phi), axis=0), kind="stable")
    return pattern[:, order], phi[np.ix_(order, order)]


@dataclass(frozen=True, kw_only=True, eq=False)
class SchmidLeimanParts:
    """A general factor and group factors, all uncorrelated.

    Parameters
    ----------
    loadings : (…, items, 1 + factors) array
        The general factor first.
    communalities : (…, items) array
        Of the first-order solution. With more than three factors the squared loadings add up to less or more, as far
        as one factor does not explain the correlations of the first-order factors.
    pattern : (…, items, factors) array
        Of the first-order solution.
    phi : (…, factors, factors) array
        Correlations of the first-order factors.
    above : (…, factors) array
        Loadings of the first-order factors on the general one.
    converged : (…) array of bool
    passed_over : (…) array of bool
        Where a Heywood case that fits a little better was left for this solution, see `extract_proper`.
    """

    loadings: Matrix
    communalities: Matrix
    pattern: Matrix
    phi: Matrix
    above: Matrix
    converged: Flags
    passed_over: Flags

    @property
    def heywood(self) -> Flags:
        """Items of which the factors explain all, (…, items)."""
        return np.asarray(self.communalities >= _HEYWOOD)


def schmid_leiman_parts(
    correlations: Matrix,
    n_factors: int = 3,
    *,
    method: Extraction = "minres",
    rotation: Rotation = "oblimin",
    near: SchmidLeimanParts | None = None,
) -> SchmidLeimanParts:
    """Split loadings into a general factor and group factors, all uncorrelated, for one matrix or a stack.

    Parameters
    ----------
    correlations : (…, items, items) array
        Positive definite.
    n_factors : int
        Group factors, 2 or more; with 2 the second order is not identified and both load alike on the general
        factor.
    method, rotation
        Of the first order; an oblique rotation starts from the varimax position.
    near : SchmidLeimanParts, optional
        Of one matrix: extraction and rotation start from it. For resamples, whose solutions are to be like that of the
        sample; also several times faster.

    Returns
    -------
    SchmidLeimanParts

    Raises
    ------
    ValueError
        For fewer than two factors, or more than the items bear.

    Notes
    -----
    Schmid & Leiman (1957): the general factor's loadings are pattern × g, those of the group factors pattern ×
    √(1 − g²), with g the loadings of the first-order factors on the one behind their correlations, by minres.
    As ``psych::schmid``. The first order is that of `extract_proper`; near another solution the minimum there.

    Examples
    --------
    >>> factors = np.repeat(np.eye(3), 3, axis=0) * 0.8
    >>> whole = factors @ (0.36 + 0.64 * np.eye(3)) @ factors.T
    >>> np.fill_diagonal(whole, 1)
    >>> schmid_leiman_parts(whole, 3).above.round(2).tolist()
    [0.6, 0.6, 0.6]
    """
    columns, shape = correlations.shape[-1], correlations.shape[:-2]
    if not 2 <= n_factors <= most_factors(columns):
        raise ValueError(
            f"n_factors must be between 2 and {most_factors(columns)} for a general factor above group factors of "
            f"{columns} items, got {n_factors}"
        )
    stack = np.asarray(correlations).reshape(-1, columns, columns)
    if near is not None:
        unrotated, arrived = extract(stack, n_factors, method, near=1 - near.communalities)
        passed_over = np.zeros(len(stack), dtype=bool)
        found = rotate_like(unrotated, rotation, near.pattern)
    else:
        unrotated, arrived, passed_over = extract_proper(stack, n_factors, method)
        first = rotate(unrotated, "varimax").pattern if rotation in _OBLIQUE else unrotated
        found = rotate(first, rotation)
    pattern, phi = found.pattern, found.phi
    if n_factors == 2:
        between = phi[:, 0, 1]
        above = np.sqrt(np.abs(between))[:, None] * np.column_stack([np.ones(len(phi)), np.sign(between)])
        arrived_above = np.ones(len(phi), dtype=bool)
    else:
        general, arrived_above = extract(phi, 1, "minres")
        above = general[:, :, 0]
    # A factor below 0 on the general one is turned.
    sign = np.where(above < 0, -1.0, 1.0)
    pattern, above, phi = pattern * sign[:, None, :], above * sign, phi * sign[:, :, None] * sign[:, None, :]
    first_order = np.einsum("bik,bkl,bil->bi", pattern, phi, pattern)
    # At a Heywood case the general factor takes all of a group factor.
    groups = pattern * np.sqrt(np.maximum(1 - above**2, 0))[:, None, :]
    loadings = np.concatenate([np.einsum("bik,bk->bi", pattern, above)[:, :, None], groups], axis=2)
    # The general factor points the way in which its loadings sum to a positive number, the groups with it.
    loadings = loadings * np.where(loadings[:, :, :1].sum(axis=1, keepdims=True) < 0, -1.0, 1.0)
    return SchmidLeimanParts(
        loadings=loadings.reshape(*shape, columns, 1 + n_factors),
        communalities=first_order.reshape(*shape, columns),
        pattern=pattern.reshape(*shape, columns, n_factors),
        phi=phi.reshape(*shape, n_factors, n_factors),
        above=above.reshape(*shape, n_factors),
        converged=(arrived & arrived_above & found.converged).reshape(shape),
        passed_over=passed_over.reshape(shape),
    )


def schmid_leiman_loadings(
    correlations: Matrix, n_factors: int = 3, *, method: Extraction = "minres", rotation: Rotation = "oblimin"
) -> Matrix:
    """Give the loadings of `schmid_leiman_parts` alone, the general factor's first.

    Parameters
    ----------
    correlations : (…, items, items) array
    n_factors : int
    method, rotation
        As `schmid_leiman_parts`.

    Returns
    -------
    (…, items, 1 + factors) array
        In a stack, ``nan`` for a matrix whose solution did not converge.

    Raises
    ------
    ValueError
        As `schmid_leiman_parts`; also if one matrix is given and its solution does not converge.

    Examples
    --------
    >>> factors = np.repeat(np.eye(3), 3, axis=0) * 0.8
    >>> whole = factors @ (0.36 + 0.64 * np.eye(3)) @ factors.T
    >>> np.fill_diagonal(whole, 1)
    >>> schmid_leiman_loadings(whole, 3).round(2).max(axis=0).tolist()
    [0.48, 0.64, 0.64, 0.64]
    """
    parts = schmid_leiman_parts(correlations, n_factors, method=method, rotation=rotation)
    if correlations.ndim == 2 and not parts.converged:
        raise ValueError(f"{n_factors} group factors did not converge: ask for fewer factors or another method")
    return np.where(parts.converged[..., None, None], parts.loadings, np.nan)


def minres_gradient(correlations: Matrix, pattern: Matrix, slope: Matrix) -> Matrix:
    """Carry derivatives of a function of minres loadings back to the correlations.

    Parameters
    ----------
    correlations : (items, items) array
    pattern : (items, factors) array
        Their minres loadings, in any rotation.
    slope : (items, factors) array
        Derivatives by these loadings of a function that no rotation of them changes.

    Returns
    -------
    (items, items) array
        Symmetric G: a small change dR of the correlations changes the function by tr(G dR).

    Notes
    -----
    By the implicit function theorem: a change of the correlations moves the uniquenesses such that the slope of minres
    stays 0, and both move the leading eigenvectors of what is left without them. At a Heywood case the uniqueness stays
    at its bound.

    Examples
    --------
    >>> correlations = np.array([[1, 0.56, 0.48], [0.56, 1, 0.42], [0.48, 0.42, 1]])
    >>> pattern, _ = extract(correlations, 1, "minres")
    >>> (minres_gradient(correlations, pattern, np.eye(3)[:, :1]).round(3) + 0.0).tolist()
    [[0.0, 0.357, 0.417], [0.357, 0.0, -0.476], [0.417, -0.476, 0.0]]
    """
    factors = pattern.shape[1]
    communality = np.sum(pattern**2, axis=1)
    free = 1 - communality > LEAST_UNIQUENESS
    uniqueness = np.clip(1 - communality, LEAST_UNIQUENESS, 1.0)
    values, vectors = _eigen(correlations[None], uniqueness[None], "minres")
    hessian = _discrepancy(values, vectors, factors, "minres").hessian[0]
    ours, theirs, left, taken = (
        vectors[0, :, :-factors],
        vectors[0, :, -factors:],
        values[0, :-factors],
        values[0, -factors:],
    )
    # Loadings by eigenvectors, whatever the rotation of these: theirs' @ pattern turns one into the other.
    turn = np.linalg.pinv(theirs.T @ pattern)
    leading = 0.5 * theirs.T @ slope @ turn
    across = taken / (taken - left[:, None]) * (ours.T @ slope @ turn)
    through = (theirs @ leading + ours @ across) @ theirs.T
    through = (through + through.T) / 2
    # What the uniquenesses pass on; those at a bound pass on nothing.
    passed = np.zeros(len(correlations))
    curvature = hessian[np.ix_(free, free)]
    if np.linalg.cond(curvature) > _UNDETERMINED:
        raise ValueError(
            "the factors are not determined by these items (any small change of a correlation moves them far): use fewer "
            "factors, or items that share more"
        )
    passed[free] = np.linalg.solve(curvature, np.diag(through)[free])
    within = ours.T @ (passed[:, None] * ours)
    between = -left[:, None] / (taken - left[:, None]) * (ours.T @ (passed[:, None] * theirs))
    mixed = ours @ between @ theirs.T
    return np.asarray(through - ours @ within @ ours.T - mixed - mixed.T)


def oblique_gradient(
    unrotated: Matrix, rotated: Matrix, pattern_slope: Matrix, phi_slope: Matrix, rotation: Rotation
) -> Matrix:
    """Carry derivatives of a function of an oblique solution back to the loadings before rotation.

    Parameters
    ----------
    unrotated, rotated : (items, factors) arrays
        The second being what `rotate` made of the first.
    pattern_slope : (items, factors) array
        Derivatives of the function by the rotated pattern.
    phi_slope : (factors, factors) array
        And by the factors' correlations, symmetric: a change dΦ changes it by tr(phi_slope dΦ).
    rotation : {"oblimin", "geomin"}

    Returns
    -------
    (items, factors) array

    Notes
    -----
    By the implicit function theorem: axes move such that the criterion's slope along them stays 0 (Jennrich, 1973).
    Second derivatives of the criterion by a complex step, which is exact to rounding (Squire & Trapp, 1998).
    """
    criterion = _OBLIQUE[rotation]
    factors = unrotated.shape[1]
    inverse = np.linalg.lstsq(unrotated, rotated, rcond=None)[0].T
    axes = np.linalg.inv(inverse)
    axes_slope = 2 * axes @ phi_slope - inverse.T @ pattern_slope.T @ rotated

    def slopes(at: Any) -> tuple[Any, Any]:
        """Slope of the criterion in the loadings and in the axes, at axes that may be complex."""
        back = np.linalg.inv(at)
        pattern = unrotated @ np.swapaxes(back, -1, -2)
        by_pattern = criterion(pattern)[1]
        return by_pattern @ back, -np.swapaxes(np.swapaxes(pattern, -1, -2) @ by_pattern @ back, -1, -2)

    # Axes keep their length: each can move at right angles to itself alone.
    tangents = []
    for factor, axis in enumerate(axes.T):
        for direction in np.linalg.svd(axis[None])[2][1:]:
            tangent = np.zeros((factors, factors))
            tangent[:, factor] = direction
            tangents.append(tangent)
    basis = np.array(tangents)
    length = np.sum(axes * slopes(axes)[1], axis=0)
    bent = slopes(axes + 1j * _COMPLEX_STEP * basis)[1].imag / _COMPLEX_STEP - basis * length
    curvature = np.einsum("aij,bij->ab", basis, bent)
    moved = np.linalg.solve(curvature, np.einsum("aij,ij->a", basis, axes_slope))
    along = np.einsum("a,aij->ij", moved, basis)
    crossed = slopes(axes + 1j * _COMPLEX_STEP * along)[0].imag / _COMPLEX_STEP
    return np.asarray(pattern_slope @ inverse - crossed)
