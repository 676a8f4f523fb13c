"""Models of means and covariances, in one group or several: what is free, what is equal, what it implies.

In each group Σ = Λ (I − Β)⁻¹ Ψ (I − Β)⁻ᵀ Λᵀ + Θ and μ = ν + Λ (I − Β)⁻¹ α; an ordered item has thresholds τ on
top. A free element bears the number of its parameter; elements of the same number are equal, within a group
and between groups. Pure numbers: no frames, no estimation.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, Generic, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.floating[Any]]
Numbers = NDArray[np.intp]
Array = TypeVar("Array", Matrix, Numbers)
Part = Literal["loadings", "paths", "factor_covariance", "error_covariance", "intercepts", "factor_means", "thresholds"]
# How the unmeasured answers behind ordered items get their unit: a total variance of 1 (lavaan's "delta") or
# what the residual variance says (lavaan's "theta").
ResponseScale = Literal["unit", "residual"]

_SYMMETRIC = {"factor_covariance", "error_covariance"}
_FIXED = -1


class FitError(ValueError):
    """A model that cannot be fitted to these data: not identified, not converged, or a singular matrix."""


@dataclass(frozen=True, slots=True)
class Parts(Generic[Array]):
    """The matrices of one group.

    Attributes
    ----------
    loadings : (items, factors) array
        Λ, items on factors.
    paths : (factors, factors) array
        Β, row factor regressed on column factor.
    factor_covariance : (factors, factors) array
        Ψ, of the factors or of what is left of them after Β; symmetric.
    error_covariance : (items, items) array
        Θ, symmetric.
    intercepts : (items,) array
        ν.
    factor_means : (factors,) array
        α.
    thresholds : (thresholds,) array
        τ, item by item; empty where items are continuous.
    """

    loadings: Array
    paths: Array
    factor_covariance: Array
    error_covariance: Array
    intercepts: Array
    factor_means: Array
    thresholds: Array


@dataclass(frozen=True, slots=True)
class GroupModel:
    """One group's model.

    Attributes
    ----------
    fixed : Parts of float
        The values of the elements that are not free.
    free : Parts of int
        The number of each free element's parameter, −1 where it is fixed.
    threshold_item : (thresholds,) array
        The item that each threshold belongs to.
    """

    fixed: Parts[Matrix]
    free: Parts[Numbers]
    threshold_item: Numbers


@dataclass(frozen=True, slots=True)
class Model:
    """A model of one group or several.

    Attributes
    ----------
    groups : tuple of GroupModel
    names : tuple of str
        Of the parameters, in the order of their numbers.
    scale : {"unit", "residual"}
        Unit of the answers behind ordered items; of no meaning for continuous items.
    """

    groups: tuple[GroupModel, ...]
    names: tuple[str, ...]
    scale: ResponseScale = "unit"


@dataclass(frozen=True, slots=True)
class Derivatives:
    """First derivatives of one group's moments by its free elements: ∂Σ = uvᵀ + vuᵀ.

    Attributes
    ----------
    number : (elements,) array
        Of the parameter that each element is; several elements can share one.
    u, v, mean : (elements, items) arrays
    """

    number: Numbers
    u: Matrix
    v: Matrix
    mean: Matrix


class ModelDraft:
    """A model in the making: elements are fixed or freed one after the other, then it is `finished`.

    Parameters
    ----------
    items, factors : int
        How many.
    groups : int
        How many.
    threshold_item : sequence of int
        The item that each threshold belongs to, in order; empty for continuous items.
    scale : {"unit", "residual"}
        See `Model`.

    Examples
    --------
    One factor with three items, equal loadings.

    >>> draft = ModelDraft(items=3, factors=1)
    >>> draft.fix("factor_covariance", 0, 0, value=1.0)
    >>> for item in range(3):
    ...     draft.free("loadings", item, 0, name="loading")
    ...     draft.free("error_covariance", item, item, name=f"error {item}")
    >>> draft.finished().names
    ('loading', 'error 0', 'error 1', 'error 2')
    """

    def __init__(
        self,
        *,
        items: int,
        factors: int,
        groups: int = 1,
        threshold_item: Sequence[int] = (),
        scale: ResponseScale = "unit",
    ) -> None:
        shapes = {
            "loadings": (items, factors),
            "paths": (factors, factors),
            "factor_covariance": (factors, factors),
            "error_covariance": (items, items),
            "intercepts": (items,),
            "factor_means": (factors,),
            "thresholds": (len(threshold_item),),
        }
        self._fixed = [{part: np.zeros(shape) for part, shape in shapes.items()} for _ in range(groups)]
        self._free = [
            {part: np.full(shape, _FIXED, dtype=np.intp) for part, shape in shapes.items()} for _ in range(groups)
        ]
        self._threshold_item = np.asarray(threshold_item, dtype=np.intp)
        self._scale: ResponseScale = scale
        self._numbers: dict[str, int] = {}

    def fix(self, part: Part, row: int, column: int | None = None, *, value: float, group: int = 0) -> None:
        """Fix an element at a value."""
        for place in _places(part, row, column):
            self._fixed[group][part][place] = value
            self._free[group][part][place] = _FIXED

    def free(self, part: Part, row: int, column: int | None = None, *, name: str, group: int = 0) -> None:
        """Free an element; elements of the same name are equal."""
        number = self._numbers.setdefault(name, len(self._numbers))
        for place in _places(part, row, column):
            self._free[group][part][place] = number

    def finished(self) -> Model:
        """Return the model; parameters that no element bears any more are dropped."""
        used = sorted({int(n) for group in self._free for part in group.values() for n in part[part != _FIXED]})
        renumbered = np.full(len(self._numbers) + 1, _FIXED, dtype=np.intp)
        renumbered[used] = np.arange(len(used))
        names = list(self._numbers)
        groups = tuple(
            GroupModel(
                fixed=Parts(**fixed),
                # The last entry of `renumbered` is −1, so that −1 stays −1.
                free=Parts(**{part: renumbered[numbers] for part, numbers in free.items()}),
                threshold_item=self._threshold_item,
            )
            for fixed, free in zip(self._fixed, self._free, strict=True)
        )
        return Model(groups=groups, names=tuple(names[number] for number in used), scale=self._scale)


def filled(model: Model, parameters: Matrix) -> tuple[Parts[Matrix], ...]:
    """Put parameters into the matrices.

    Parameters
    ----------
    model : Model
    parameters : (q,) array

    Returns
    -------
    tuple of Parts
        One a group.
    """
    return tuple(
        Parts(
            **{
                part.name: np.where(
                    getattr(group.free, part.name) == _FIXED,
                    getattr(group.fixed, part.name),
                    parameters[getattr(group.free, part.name)] if parameters.size else 0.0,
                )
                for part in fields(Parts)
            }
        )
        for group in model.groups
    )


def total_effects(parts: Parts[Matrix]) -> Matrix:
    """(I − Β)⁻¹."""
    if not parts.paths.any():
        return np.eye(parts.paths.shape[0])
    return np.asarray(np.linalg.inv(np.eye(parts.paths.shape[0]) - parts.paths))


def implied_covariance(parts: Parts[Matrix]) -> Matrix:
    """Σ of the items (of the answers behind them, without a residual variance in the unit scale)."""
    reach = parts.loadings @ total_effects(parts)
    return np.asarray(reach @ parts.factor_covariance @ reach.T + parts.error_covariance)


def implied_mean(parts: Parts[Matrix]) -> Matrix:
    """μ of the items, (items,)."""
    return np.asarray(parts.intercepts + parts.loadings @ (total_effects(parts) @ parts.factor_means))


def factor_moments(parts: Parts[Matrix]) -> tuple[Matrix, Matrix]:
    """Means and covariances of the factors, those explained by other factors included."""
    effects = total_effects(parts)
    return np.asarray(effects @ parts.factor_means), np.asarray(effects @ parts.factor_covariance @ effects.T)


def derivatives(group: GroupModel, parts: Parts[Matrix]) -> Derivatives:
    """Differentiate Σ and μ by the free elements of Λ, Β, Ψ, Θ, ν and α.

    Parameters
    ----------
    group : GroupModel
        What is free.
    parts : Parts
        The filled matrices.

    Returns
    -------
    Derivatives
    """
    count = parts.loadings.shape[0]
    items = np.eye(count)
    effects = total_effects(parts)
    reach = (parts.loadings @ effects).T
    factor_item = effects @ parts.factor_covariance @ reach
    factor_mean = effects @ parts.factor_means
    at = {part: _elements(getattr(group.free, part), part) for part in _PARTS}

    def halved(part: Part) -> Matrix:
        rows, columns = at[part][:2]
        return np.where(rows == columns, 0.5, 1.0)[:, None]

    nothing: Matrix = np.zeros((0, count))
    (loading_rows, loading_columns, _), (path_rows, path_columns, _) = at["loadings"], at["paths"]
    (factor_rows, factor_columns, _), (error_rows, error_columns, _) = at["factor_covariance"], at["error_covariance"]
    pieces: dict[Part, tuple[Matrix | None, Matrix | None, Matrix | None]] = {
        "loadings": (
            items[loading_rows],
            factor_item[loading_columns],
            items[loading_rows] * factor_mean[loading_columns, None],
        ),
        "paths": (reach[path_rows], factor_item[path_columns], reach[path_rows] * factor_mean[path_columns, None]),
        "factor_covariance": (reach[factor_rows] * halved("factor_covariance"), reach[factor_columns], None),
        "error_covariance": (items[error_rows] * halved("error_covariance"), items[error_columns], None),
        "intercepts": (None, None, items[at["intercepts"][0]]),
        "factor_means": (None, None, reach[at["factor_means"][0]]),
    }
    number, u, v, mean = [], [nothing], [nothing], [nothing]
    for part in _PARTS:
        size = at[part][2].size
        zeros = np.zeros((size, count))
        left, right, shift = pieces[part]
        number.append(at[part][2])
        u.append(zeros if left is None else left)
        v.append(zeros if right is None else right)
        mean.append(zeros if shift is None else shift)
    return Derivatives(
        number=np.concatenate(number), u=np.concatenate(u), v=np.concatenate(v), mean=np.concatenate(mean)
    )


def gathered(values: Matrix, number: Numbers, size: int) -> Matrix:
    """Add up rows that belong to one parameter.

    Parameters
    ----------
    values : (elements, …) array
    number : (elements,) array
        Of each row's parameter.
    size : int
        Number of parameters.

    Returns
    -------
    (parameters, …) array
    """
    total = np.zeros((size, *values.shape[1:]))
    if number.size:
        order = np.argsort(number, kind="stable")
        own, first = np.unique(number[order], return_index=True)
        total[own] = np.add.reduceat(values[order], first, axis=0)
    return total


def moment_jacobian(model: Model, group: int, parts: Parts[Matrix], *, means: bool) -> Matrix:
    """Differentiate a group's continuous moments by all parameters.

    Parameters
    ----------
    model : Model
    group : int
        Its position.
    parts : Parts
        Its filled matrices.
    means : bool
        Whether the means stand before the covariances.

    Returns
    -------
    (moments, q) array
        Means (if wanted), then variances and covariances in the order of ``np.triu_indices(items)``.
    """
    slopes = derivatives(model.groups[group], parts)
    rows, columns = np.triu_indices(slopes.u.shape[1])
    table = slopes.u[:, rows] * slopes.v[:, columns] + slopes.v[:, rows] * slopes.u[:, columns]
    if means:
        table = np.hstack([slopes.mean, table])
    return gathered(table, slopes.number, len(model.names)).T


def ordinal_statistics(model: Model, group: int, parts: Parts[Matrix]) -> Matrix:
    """Thresholds and correlations of the standardised answers behind ordered items that a model implies.

    Parameters
    ----------
    model : Model
    group : int
        Its position.
    parts : Parts
        Its filled matrices.

    Returns
    -------
    (thresholds + pairs,) array
        Thresholds item by item, then correlations in the order of ``np.triu_indices(items, 1)``.
    """
    item = model.groups[group].threshold_item
    covariance = implied_covariance(parts)
    distance = parts.thresholds - implied_mean(parts)[item]
    rows, columns = np.triu_indices(covariance.shape[0], 1)
    if model.scale == "unit":
        return np.concatenate([distance, covariance[rows, columns]])
    sd = np.sqrt(np.diag(covariance))
    return np.concatenate([distance / sd[item], covariance[rows, columns] / (sd[rows] * sd[columns])])


def ordinal_jacobian(model: Model, group: int, parts: Parts[Matrix]) -> Matrix:
    """Differentiate `ordinal_statistics` by all parameters.

    Parameters
    ----------
    model : Model
    group : int
    parts : Parts

    Returns
    -------
    (thresholds + pairs, q) array
    """
    own = model.groups[group]
    item, size = own.threshold_item, len(model.names)
    slopes = derivatives(own, parts)
    rows, columns = np.triu_indices(slopes.u.shape[1], 1)
    pairs = slopes.u[:, rows] * slopes.v[:, columns] + slopes.v[:, rows] * slopes.u[:, columns]
    distance = -slopes.mean[:, item]
    scale: Matrix = np.ones(item.size)
    if model.scale == "residual":
        covariance = implied_covariance(parts)
        variance = np.diag(covariance)
        sd = np.sqrt(variance)
        scale = 1 / sd[item]
        growth = slopes.u * slopes.v / variance  # half of ∂σ²/σ²
        correlation = covariance[rows, columns] / (sd[rows] * sd[columns])
        pairs = pairs / (sd[rows] * sd[columns]) - correlation * (growth[:, rows] + growth[:, columns])
        standardised = (parts.thresholds - implied_mean(parts)[item]) * scale
        distance = distance * scale - standardised * growth[:, item]
    table = gathered(np.hstack([distance, pairs]), slopes.number, size).T
    free = np.flatnonzero(own.free.thresholds != _FIXED)
    np.add.at(table, (free, own.free.thresholds[free]), scale[free])
    return np.asarray(table)


def start_values(
    model: Model,
    covariances: Sequence[Matrix],
    *,
    means: Sequence[Matrix] | None = None,
    thresholds: Sequence[Matrix] | None = None,
    known: Mapping[str, float] | None = None,
) -> Matrix:
    """Guess the parameters from which an estimation starts.

    Parameters
    ----------
    model : Model
    covariances : sequence of (items, items) arrays
        One a group; correlations where items are ordered.
    means : sequence of (items,) arrays, optional
        Of continuous items.
    thresholds : sequence of (thresholds,) arrays, optional
        Of ordered items, in standard deviations.
    known : mapping, optional
        Name → value of parameters known from another model; they replace the guess.

    Returns
    -------
    (q,) array
        Half of each item's variance is its factors', a general factor holds a third of each factor it explains.
    """
    start = np.zeros(len(model.names))
    # Groups from last to first: where a parameter is shared, the first group's guess stands.
    for position in reversed(range(len(model.groups))):
        group = model.groups[position]
        guess = _guess(group, covariances[position], residual_scale=model.scale == "residual")
        for part in ("loadings", "paths", "factor_covariance", "error_covariance"):
            numbers = getattr(group.free, part)
            start[numbers[numbers != _FIXED]] = getattr(guess, part)[numbers != _FIXED]
        if means is not None:
            free = group.free.intercepts != _FIXED
            start[group.free.intercepts[free]] = means[position][free]
        if thresholds is not None:
            sd = _threshold_scale(guess, residual_scale=model.scale == "residual")
            free = group.free.thresholds != _FIXED
            start[group.free.thresholds[free]] = (thresholds[position] * sd[group.threshold_item])[free]
    for number, name in enumerate(model.names):
        if known and name in known:
            start[number] = known[name]
    return start


def not_identified(scale: Matrix, information: Matrix, names: Sequence[str], smallest: float) -> None:
    """Refuse a model whose information matrix is singular, naming the parameters that can take any value.

    Parameters
    ----------
    scale : (q,) array
        What ``information`` was divided by, from both sides.
    information : (q, q) array
        With unit diagonal.
    names : sequence of str
        Of the parameters.
    smallest : float
        Eigenvalue from which a model counts as identified.

    Raises
    ------
    FitError
        If it is smaller.
    """
    values, vectors = np.linalg.eigh(information)
    if values[0] >= smallest and np.all(scale > np.sqrt(np.finfo(float).tiny)):
        return
    loose = np.abs(vectors[:, values < max(smallest, values[0] * 1.001)]).max(axis=1)
    still = scale <= np.sqrt(np.finfo(float).tiny)
    named = np.flatnonzero(still) if still.any() else np.flatnonzero(loose > 0.5 * loose.max())
    words = ", ".join(names[number] for number in named[:6]) + (" …" if named.size > 6 else "")
    raise FitError(
        f"the model is not identified by these data: {words} can take any value (one balances the other); "
        "a factor needs three items, or two if it is related to other factors; otherwise fix or drop a parameter"
    )


_PARTS: tuple[Part, ...] = (
    "loadings",
    "paths",
    "factor_covariance",
    "error_covariance",
    "intercepts",
    "factor_means",
)


def _places(part: Part, row: int, column: int | None) -> tuple[Any, ...]:
    if column is None:
        return (row,)
    return ((row, column), (column, row)) if part in _SYMMETRIC else ((row, column),)


def _elements(numbers: Numbers, part: Part) -> tuple[Numbers, Numbers, Numbers]:
    """Row, column and number of each free element; of symmetric matrices those on and below the diagonal."""
    if numbers.ndim == 1:
        rows = np.flatnonzero(numbers != _FIXED)
        return rows, rows, numbers[rows]
    free = numbers != _FIXED
    if part in _SYMMETRIC:
        free &= np.tri(len(numbers), dtype=bool)
    rows, columns = np.nonzero(free)
    return rows, columns, numbers[rows, columns]


def _guess(group: GroupModel, covariance: Matrix, *, residual_scale: bool) -> Parts[Matrix]:
    sd = np.sqrt(np.diag(covariance))
    correlation = covariance / np.outer(sd, sd)
    if residual_scale:
        # Half of the variance is common where the other half, the residual, is 1.
        sd = np.sqrt(2) * np.ones_like(sd)
    free, fixed = group.free, group.fixed
    loadings = np.where(free.loadings == _FIXED, fixed.loadings, 0.0)
    variance = np.where(np.diag(free.factor_covariance) == _FIXED, np.diag(fixed.factor_covariance), np.nan)
    taken = np.zeros(len(sd), dtype=bool)
    by_size = np.argsort(-(free.loadings != _FIXED).sum(axis=0), kind="stable")
    for factor in by_size:
        members = np.flatnonzero(free.loadings[:, factor] != _FIXED)
        markers = np.flatnonzero((free.loadings[:, factor] == _FIXED) & (fixed.loadings[:, factor] != 0))
        both = np.concatenate([markers, members])
        if not both.size:
            continue
        # A factor beside others (a wording factor, or one of a bifactor model) starts with a smaller share.
        share = np.where(taken[both], 0.3, np.sqrt(0.5))
        first = np.linalg.eigh(correlation[np.ix_(both, both)])[1][:, -1]
        towards = first[0] if markers.size else first.sum()
        sign = np.where(first * (np.sign(towards) or 1.0) < 0, -1.0, 1.0)
        standardised = share * sign * sd[both]
        if markers.size:
            marker = fixed.loadings[markers[0], factor]
            variance[factor] = (standardised[0] / marker) ** 2
            standardised = standardised * marker / standardised[0]
        else:
            variance[factor] = 1.0 if np.isnan(variance[factor]) else variance[factor]
            standardised = standardised / np.sqrt(variance[factor] or 1.0)
        loadings[members, factor] = standardised[markers.size :]
        taken[both] = True
    variance = np.where(np.isnan(variance), 1.0, variance)
    explained = np.any(free.paths != _FIXED, axis=1)
    paths = np.where(free.paths == _FIXED, fixed.paths, np.sqrt(variance / 3)[:, None])
    factor_covariance = np.where(free.factor_covariance == _FIXED, fixed.factor_covariance, 0.0)
    diagonal = np.diag(free.factor_covariance) != _FIXED
    left = np.where(explained, 2 / 3, 1.0) * variance
    positions = np.flatnonzero(diagonal)
    factor_covariance[positions, positions] = left[positions]
    error = np.where(free.error_covariance == _FIXED, fixed.error_covariance, 0.0)
    own = np.flatnonzero(np.diag(free.error_covariance) != _FIXED)
    error[own, own] = 0.5 * sd[own] ** 2
    return Parts(
        loadings=loadings,
        paths=paths,
        factor_covariance=factor_covariance,
        error_covariance=error,
        intercepts=fixed.intercepts,
        factor_means=fixed.factor_means,
        thresholds=fixed.thresholds,
    )


def _threshold_scale(guess: Parts[Matrix], *, residual_scale: bool) -> Matrix:
    if not residual_scale:
        return np.ones(guess.loadings.shape[0])
    return np.sqrt(np.maximum(np.diag(implied_covariance(guess)), 0.1))
