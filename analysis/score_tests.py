"""What would change if an element were freed or an equality released: score tests, without fitting again.

The algebra alone, whatever the estimator: it wants the score and the information of the present parameters
and of those that would come on top.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from analysis.structure import GroupModel, Model, Part, Parts, factor_moments, implied_covariance

Matrix = NDArray[np.floating[Any]]

# An element whose information is all but explained by the free parameters cannot be told from them.
_ALIASED = 1e-8


@dataclass(frozen=True, slots=True)
class Element:
    """An element of a group's matrices.

    Attributes
    ----------
    part : str
        The matrix, as a field of `analysis.structure.Parts`.
    row : int
    column : int or None
        None in vectors.
    group : int
        Position of the group.
    """

    part: Part
    row: int
    column: int | None = None
    group: int = 0


@dataclass(frozen=True, slots=True)
class ScoreTests:
    """Univariate score tests, each with 1 degree of freedom.

    Attributes
    ----------
    statistic : (tests,) array
        By how much chi-square would fall; ``nan`` where the change cannot be told from the free parameters.
    change : (tests,) array
        Expected parameter change.
    """

    statistic: Matrix
    change: Matrix


def score_tests(score: Matrix, free: Matrix, cross: Matrix, own: Matrix, *, n: int) -> ScoreTests:
    """Test additional parameters, one at a time.

    Parameters
    ----------
    score : (tests,) array
        Derivatives of the mean log-likelihood (or of minus half the fit function) by the additional parameters.
    free : (q, q) array
        Information of one person on the parameters that are free already.
    cross : (tests, q) array
        Information between additional and free parameters.
    own : (tests,) array
        Information of each additional parameter on itself.
    n : int
        People.

    Returns
    -------
    ScoreTests

    Notes
    -----
    statistic = n s² / V and change = s / V with V the additional parameter's information that the free ones do
    not take up (Sörbom, 1989; Saris, Satorra & Sörbom, 1987), as ``lavaan::modindices`` and ``lavTestScore``.

    Examples
    --------
    >>> import numpy as np
    >>> tests = score_tests(np.array([0.1]), np.eye(1), np.zeros((1, 1)), np.array([0.5]), n=100)
    >>> tests.statistic, tests.change
    (array([2.]), array([0.2]))
    """
    left = own - np.sum(cross * np.linalg.solve(free, cross.T).T, axis=1)
    left = np.where(left > _ALIASED * np.maximum(own, np.finfo(float).tiny), left, np.nan)
    return ScoreTests(statistic=n * score**2 / left, change=score / left)


def with_free(model: Model, elements: Sequence[Element]) -> Model:
    """Return the model that has only these elements free, each a parameter of its own in this order.

    Its parameters' derivatives are those that `score_tests` wants of additional parameters.

    Parameters
    ----------
    model : Model
    elements : sequence of Element

    Returns
    -------
    Model
        With parameters named ``part[row, column] group``.

    Examples
    --------
    >>> from analysis.structure import ModelDraft
    >>> draft = ModelDraft(items=2, factors=1)
    >>> with_free(draft.finished(), [Element("loadings", 1, 0)]).groups[0].free.loadings.ravel()
    array([-1,  0])
    """
    numbers = [
        {part: np.full_like(getattr(group.free, part), -1) for part in Parts.__slots__} for group in model.groups
    ]
    for number, element in enumerate(elements):
        own = numbers[element.group][element.part]
        if element.column is None:
            own[element.row] = number
            continue
        own[element.row, element.column] = number
        if element.part in ("factor_covariance", "error_covariance"):
            own[element.column, element.row] = number
    groups = tuple(
        GroupModel(fixed=group.fixed, free=Parts(**free), threshold_item=group.threshold_item)
        for group, free in zip(model.groups, numbers, strict=True)
    )
    return replace(model, groups=groups, names=tuple(_name(element) for element in elements))


def standardised_change(estimates: Sequence[Parts[Matrix]], elements: Sequence[Element], change: Matrix) -> Matrix:
    """Put expected changes into units of standard deviations.

    Parameters
    ----------
    estimates : sequence of Parts
        The fitted matrices, one a group.
    elements : sequence of Element
    change : (tests,) array
        Expected changes of these elements.

    Returns
    -------
    (tests,) array
        Loadings and paths as completely standardised, covariances of residuals (or factors) as correlations,
        means in standard deviations: lavaan's ``sepc.all``. ``nan`` for a variance that is not positive.
    """
    item = [np.diag(implied_covariance(parts)) for parts in estimates]
    factor = [np.diag(factor_moments(parts)[1]) for parts in estimates]
    ratio = np.empty(len(elements))
    for position, element in enumerate(elements):
        parts, row = estimates[element.group], element.row
        column = row if element.column is None else element.column
        items, factors = item[element.group], factor[element.group]
        match element.part:
            case "loadings":
                ratio[position] = factors[column] / items[row]
            case "paths":
                ratio[position] = factors[column] / factors[row]
            case "intercepts":
                ratio[position] = 1 / items[row]
            case "factor_means":
                ratio[position] = 1 / factors[row]
            case "thresholds":
                ratio[position] = 1.0
            case _:
                variances = np.diag(getattr(parts, element.part))
                # As lavaan, the size of a negative variance: only a variance of 0 has no correlation.
                ratio[position] = (
                    1 / abs(variances[row] * variances[column]) if variances[row] * variances[column] else -1
                )
    return np.asarray(change * np.sqrt(np.where(ratio > 0, ratio, np.nan)))


def _name(element: Element) -> str:
    place = f"{element.row}" if element.column is None else f"{element.row}, {element.column}"
    return f"{element.part}[{place}] {element.group}"
