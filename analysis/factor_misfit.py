"""Where a factor model misfits: residual correlations, and what freeing a fixed element would bring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import least_squares, normal_theory
from analysis.factor_fit import FactorFit, as_correlations
from analysis.factor_model import FactorPlan, pairs_of
from analysis.factor_solution import no_rows
from analysis.normal_likelihood import moment_information, moment_scores, score_products
from analysis.score_tests import Element, ScoreTests, standardised_change
from analysis.structure import implied_covariance, implied_mean, moment_jacobian

Matrix = NDArray[np.floating[Any]]

# A residual with less than this share of its statistic's variance is none but for rounding.
_REPRODUCED = 1e-8


def residual_correlations(plan: FactorPlan, fitted: FactorFit) -> pd.DataFrame:
    """Set observed against implied correlations.

    Parameters
    ----------
    plan : FactorPlan
    fitted : FactorFit

    Returns
    -------
    pandas.DataFrame
        Item × item: observed less implied.
    """
    return _by_item(plan, as_correlations(fitted.observed) - as_correlations(fitted.implied))


def residual_z(plan: FactorPlan, fitted: FactorFit) -> pd.DataFrame:
    """Divide residuals by their standard errors.

    Parameters
    ----------
    plan : FactorPlan
    fitted : FactorFit

    Returns
    -------
    pandas.DataFrame
        Item × item, of residual polychoric correlations or residual covariances; ``nan`` on the diagonal, and where
        the model reproduces what was observed, whatever it is.

    Notes
    -----
    Residuals are r = Q(s − σ) with Q = I − Δ(ΔᵀWΔ)⁻¹ΔᵀW, so that their covariance is QΓQᵀ/n, Γ that of the
    statistics (Ogasawara, 2001). W is the estimator's, for ML the expected information at the solution, with gaps
    the observed information of the saturated moments. As lavaan's ``lavResiduals``, but that MLR takes the W of
    ML (lavaan: of MLM), and with gaps ``h1.information = "unstructured"``.
    """
    items = len(plan.items)
    engine = fitted.engine
    if isinstance(engine, least_squares.LeastSquaresFit):
        rows, columns = np.triu_indices(items, 1)
        variance, own = _least_squares_residual_variance(engine, rows.size)
    else:
        rows, columns = np.triu_indices(items)
        variance, own = _normal_residual_variance(engine, rows.size)
    gap = (fitted.observed - fitted.implied)[rows, columns]
    known = variance > _REPRODUCED * own
    z = np.divide(
        gap, np.sqrt(variance, where=known, out=np.ones_like(gap)), where=known, out=np.full_like(gap, np.nan)
    )
    table = np.full((items, items), np.nan)
    table[rows, columns] = table[columns, rows] = z
    np.fill_diagonal(table, np.nan)
    return _by_item(plan, table)


def _least_squares_residual_variance(engine: least_squares.LeastSquaresFit, pairs: int) -> tuple[Matrix, Matrix]:
    """Variance of residual correlations, and of the correlations themselves."""
    gamma = np.asarray(engine.moments[0].covariance)
    jacobian = engine.jacobians[0]
    weight = 1 / np.diag(gamma) if engine.weights == "diagonal" else np.ones(len(gamma))
    return _residual_variance(gamma, jacobian, (jacobian.T * weight).T, engine.inverse, pairs, engine.n[0])


def _normal_residual_variance(engine: normal_theory.NormalFit, pairs: int) -> tuple[Matrix, Matrix]:
    """Variance of residual covariances, and of the covariances themselves."""
    group, means, complete = engine.groups[0], engine.means, engine.missing == "listwise"
    parts = engine.estimates[0]
    observed = engine.sample_means[0], engine.sample_covariances[0]
    information = moment_information(group, *observed, means=means, expected=complete)
    gamma = np.linalg.inv(information)
    if engine.robust:
        gamma = gamma @ score_products(group, moment_scores(group, *observed, means=means)) @ gamma
    if complete:
        mean = implied_mean(parts) if means else observed[0]
        information = moment_information(group, mean, implied_covariance(parts), means=means, expected=True)
    # With gaps the observed information of a model that misfits may be far from positive: it stays at what was observed.
    jacobian = moment_jacobian(engine.model, 0, parts, means=means)
    informed = information @ jacobian
    inverse = np.linalg.inv(jacobian.T @ informed)
    return _residual_variance(gamma, jacobian, informed, inverse, pairs, engine.n[0])


def _residual_variance(
    gamma: Matrix, jacobian: Matrix, weighted: Matrix, inverse: Matrix, last: int, n: int
) -> tuple[Matrix, Matrix]:
    """Diagonals of QΓQᵀ/n and Γ/n, of the last statistics; Q = I − Δ·inverse·weightedᵀ is never formed."""
    own = np.diag(gamma)[-last:]
    reach = jacobian[-last:] @ inverse
    taken = weighted.T @ gamma
    shared = np.einsum("ij,ji->i", reach, taken[:, -last:])
    explained = np.einsum("ij,ij->i", reach @ (taken @ weighted), reach)
    return (own - 2 * shared + explained) / n, own / n


def _by_item(plan: FactorPlan, values: Matrix) -> pd.DataFrame:
    names = pd.Index(plan.items, name="item")
    return pd.DataFrame(values, index=names, columns=names.rename(None))


def modification_table(plan: FactorPlan, fitted: FactorFit) -> pd.DataFrame:
    """Test what freeing each loading and covariance that is fixed at 0 would bring.

    Parameters
    ----------
    plan : FactorPlan
    fitted : FactorFit

    Returns
    -------
    pandas.DataFrame
        Index ``element, left, right``, the largest first: ``mi``, expected change ``epc``, standardised ``sepc``.
    """
    labels, elements = _candidates(plan, fitted)
    if not elements or not fitted.engine.df:
        index = no_rows("element", "left", "right")
        return pd.DataFrame(columns=["mi", "epc", "sepc"], index=index, dtype=float)
    tests: ScoreTests
    if isinstance(fitted.engine, least_squares.LeastSquaresFit):
        tests = least_squares.modification_indices(fitted.engine, elements)
    else:
        tests = normal_theory.modification_indices(fitted.engine, elements)
    table = pd.DataFrame(
        {
            "mi": tests.statistic,
            "epc": tests.change,
            "sepc": standardised_change([fitted.parts], elements, tests.change),
        },
        index=pd.MultiIndex.from_tuples(labels, names=["element", "left", "right"]),
    )
    # A change that free parameters can take up already has no index.
    return table.dropna(subset="mi").sort_values("mi", ascending=False, kind="stable")


def _candidates(plan: FactorPlan, fitted: FactorFit) -> tuple[list[tuple[str, str, str]], list[Element]]:
    """List loadings and covariances that the model fixes at 0."""
    free = fitted.model.groups[0].free
    labels, elements = [], []
    for factor, name in enumerate(plan.factors):
        if plan.explains[factor]:
            continue
        for item, label in enumerate(plan.items):
            if item not in plan.members[factor]:
                labels.append(("loading", name, label))
                elements.append(Element("loadings", item, factor))
    for first, second in pairs_of(list(range(len(plan.items)))):
        if free.error_covariance[first, second] < 0:
            labels.append(("residual covariance", plan.items[first], plan.items[second]))
            elements.append(Element("error_covariance", second, first))
    for first, second in pairs_of(list(range(len(plan.factors)))):
        if free.factor_covariance[first, second] < 0 and (first, second) not in plan.paths[::-1]:
            labels.append(("factor covariance", plan.factors[first], plan.factors[second]))
            elements.append(Element("factor_covariance", second, first))
    return labels, elements
