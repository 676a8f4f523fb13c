"""Where a factor model misfits: residual correlations, and what freeing a fixed element would bring."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import least_squares, normal_theory
from analysis.factor_fit import FactorFit, as_correlations
from analysis.factor_model import FactorPlan, pairs_of
from analysis.score_tests import Element, ScoreTests, standardised_change

Matrix = NDArray[np.floating[Any]]


def residual_correlations(plan: FactorPlan, fitted: FactorFit) -> pd.DataFrame:
    gap = as_correlations(fitted.observed) - as_correlations(fitted.implied)
    names = pd.Index(plan.items, name="item")
    return pd.DataFrame(gap, index=names, columns=names.rename(None))


def modification_table(plan: FactorPlan, fitted: FactorFit) -> pd.DataFrame:
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
