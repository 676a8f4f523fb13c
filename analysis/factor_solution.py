"""The standardised solution of a factor model with its standard errors, and the tables made of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.factor_fit import FactorFit, as_correlations, with_residual_variances
from analysis.factor_model import FactorPlan, Pair, pairs_of
from analysis.structure import FitError, Part, Parts, factor_moments, filled, implied_covariance

Matrix = NDArray[np.floating[Any]]

STANDARDISED = ["std_estimate", "std_se", "std_ci_low", "std_ci_high"]
_COLUMNS = ["estimate", "se", "statistic", "p", "ci_low", "ci_high"]
_NORMAL_QUANTILE = float(stats.norm.ppf(0.975))
# Length of a complex step: its square vanishes beside 1.
_IMAGINARY = 1e-30
# A correlation within so little of 0 is none: what is left of it is rounding.
_NO_CORRELATION = 1e-8


@dataclass(frozen=True, slots=True)
class Quantity:
    """Estimates and standard errors."""

    estimate: Matrix
    se: Matrix


def standardised_solution(plan: FactorPlan, fitted: FactorFit) -> dict[str, Quantity]:
    """Standardise the solution, with standard errors by the delta method.

    Parameters
    ----------
    plan : FactorPlan
    fitted : FactorFit

    Returns
    -------
    dict
        By name: ``loadings`` (in the order of ``plan.cells``), ``paths``, ``correlations`` (``plan.reported``),
        ``residuals``, ``error_correlations``, ``average_variance`` and ``composite_reliability`` (``plan.measured``).

    Raises
    ------
    FitError
        If a factor has no variance, naming it.
    """
    variance = np.diag(factor_moments(fitted.parts)[1])
    for factor in np.flatnonzero(variance <= 0):
        raise FitError(
            f"the variance of the factor {plan.factors[factor]} is estimated as {variance[factor]:.3f}, so that nothing can be "
            "standardised: its items may share too little; use identification='variance', or leave the factor out"
        )
    present = _quantities(plan, fitted.parts)
    moving = np.unique(
        np.concatenate(
            [
                getattr(fitted.model.groups[0].free, part).ravel()
                for part in ("loadings", "paths", "factor_covariance", "error_covariance")
            ]
        )
    )
    moving = moving[moving >= 0]
    slopes = []
    for number in moving:
        # The derivative is the imaginary part of a step along i: no differences, hence no rounding.
        shifted = fitted.parameters.astype(complex)
        shifted[number] += 1j * _IMAGINARY
        parts = filled(fitted.model, shifted)[0]
        if fitted.ordinal:
            parts = with_residual_variances(parts)
        slopes.append(np.concatenate([each.imag / _IMAGINARY for each in _quantities(plan, parts).values()]))
    jacobian = np.asarray(slopes).T
    covariance = fitted.covariance[np.ix_(moving, moving)]
    errors = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", jacobian, covariance, jacobian, optimize=True), 0))
    ends = np.cumsum([each.size for each in present.values()])[:-1]
    return {
        name: Quantity(estimate, se)
        for (name, estimate), se in zip(present.items(), np.split(errors, ends), strict=True)
    }


def _quantities(plan: FactorPlan, parts: Parts[Any]) -> dict[str, NDArray[Any]]:
    """Standardised loadings, correlations and the like; of complex numbers too."""
    factors = factor_moments(parts)[1]
    sigma = implied_covariance(parts)
    sd, factor_sd = np.sqrt(np.diag(sigma)), np.sqrt(np.diag(factors))
    cells, paths, pairs, errors = (
        np.asarray(each, dtype=np.intp).reshape(-1, 2) for each in (plan.cells, plan.paths, plan.reported, plan.errors)
    )
    loadings = parts.loadings * factor_sd / sd[:, None]
    theta = np.diag(parts.error_covariance)
    products = theta[errors[:, 0]] * theta[errors[:, 1]]
    # Beside a negative variance there is no correlation.
    products = np.where(products.real > 0, products, np.nan)
    variances, composites = [], []
    for factor in plan.measured:
        own = list(plan.members[factor])
        variances.append(np.mean(loadings[own, factor] ** 2))
        # An item with a negative loading is reversed before a sum is formed.
        keyed = np.where(parts.loadings[own, factor].real < 0, -1.0, 1.0)
        common = (keyed @ parts.loadings[own, factor]) ** 2 * factors[factor, factor]
        composites.append(common / (keyed @ sigma[np.ix_(own, own)] @ keyed))
    return {
        "loadings": loadings[cells[:, 1], cells[:, 0]],
        "paths": parts.paths[paths[:, 1], paths[:, 0]] * factor_sd[paths[:, 0]] / factor_sd[paths[:, 1]],
        "correlations": factors[pairs[:, 0], pairs[:, 1]] / (factor_sd[pairs[:, 0]] * factor_sd[pairs[:, 1]]),
        "residuals": theta / sd**2,
        "error_correlations": parts.error_covariance[errors[:, 0], errors[:, 1]] / np.sqrt(products),
        "average_variance": np.asarray(variances),
        "composite_reliability": np.asarray(composites),
    }


class Parameters:
    """Estimates and standard errors of free elements; a fixed element has no standard error."""

    def __init__(self, fitted: FactorFit) -> None:
        self._errors = np.sqrt(np.maximum(np.diag(fitted.covariance), 0))
        self._free = fitted.model.groups[0].free
        self._parts = fitted.parts

    def of(self, part: Part, places: Sequence[tuple[int, ...]]) -> Quantity:
        """Look up elements of a matrix or vector."""
        numbers, values = getattr(self._free, part), getattr(self._parts, part)
        estimate = np.asarray([values[place] for place in places], dtype=float)
        se = [self._errors[numbers[place]] if numbers[place] >= 0 else np.nan for place in places]
        return Quantity(estimate, np.asarray(se, dtype=float))


def interval_frame(
    quantity: Quantity, index: pd.Index, *, tested: bool = True, correlations: bool = False
) -> pd.DataFrame:
    """Put estimates into a table with tests and 95 % intervals.

    Parameters
    ----------
    quantity : Quantity
    index : pandas.Index
    tested : bool
        Whether 0 is a value to be tested.
    correlations : bool
        Whether the intervals are those of correlations: of Fisher's z (±1.96 se / (1 − r²)), turned back. In small
        samples they hold the truth more often, and they never leave −1 to 1. Beyond these there is no z.

    Returns
    -------
    pandas.DataFrame
    """
    estimate, se = quantity.estimate, quantity.se
    z = np.divide(estimate, se, out=np.full(estimate.shape, np.nan), where=se > 0)
    frame = pd.DataFrame(
        {
            "estimate": estimate,
            "se": se,
            "statistic": z,
            "p": 2 * stats.norm.sf(np.abs(z)),
            "ci_low": estimate - _NORMAL_QUANTILE * se,
            "ci_high": estimate + _NORMAL_QUANTILE * se,
        },
        index=index,
        columns=_COLUMNS,
    )
    if correlations:
        frame["ci_low"], frame["ci_high"] = _correlation_interval(quantity)
    return frame if tested else frame.drop(columns=["statistic", "p"])


def _correlation_interval(quantity: Quantity) -> tuple[Matrix, Matrix]:
    """Give 95 % intervals on the scale of Fisher's z, where there is one: inside −1 to 1."""
    estimate, se = quantity.estimate, quantity.se
    within = np.abs(estimate) < 1
    inside = np.where(within, estimate, 0.0)
    fisher, reach = np.arctanh(inside), _NORMAL_QUANTILE * se / (1 - inside**2)
    raw = _NORMAL_QUANTILE * se
    return (
        np.where(within, np.tanh(fisher - reach), estimate - raw),
        np.where(within, np.tanh(fisher + reach), estimate + raw),
    )


def _with_standardised(frame: pd.DataFrame, standardised: Quantity, *, loadings: bool = False) -> pd.DataFrame:
    reach = _NORMAL_QUANTILE * standardised.se
    bounds = standardised.estimate - reach, standardised.estimate + reach
    if loadings:  # in small samples these intervals hold the truth more often (docs/simulations.md)
        bounds = _correlation_interval(standardised)
    values = [standardised.estimate, standardised.se, *bounds]
    return frame.assign(**dict(zip(STANDARDISED, values, strict=True)))


def loading_table(plan: FactorPlan, fitted: FactorFit, quantities: Mapping[str, Quantity]) -> pd.DataFrame:
    """Give loadings of items and of factors on factors of factors, raw and standardised; index ``factor, item``."""
    parameters = Parameters(fitted)
    pairs = [(plan.factors[factor], plan.items[item]) for factor, item in plan.cells]
    pairs += [(plan.factors[above], plan.factors[below]) for above, below in plan.paths]
    raw = [
        parameters.of("loadings", [(item, factor) for factor, item in plan.cells]),
        parameters.of("paths", [(below, above) for above, below in plan.paths]),
    ]
    standardised = [quantities["loadings"], quantities["paths"]]
    joined = [
        Quantity(np.concatenate([each.estimate for each in kind]), np.concatenate([each.se for each in kind]))
        for kind in (raw, standardised)
    ]
    index = pd.MultiIndex.from_tuples(pairs, names=["factor", "item"])
    return _with_standardised(interval_frame(joined[0], index), joined[1], loadings=True)


def residual_variance_table(
    plan: FactorPlan, fitted: FactorFit, quantities: Mapping[str, Quantity], parameters: Parameters
) -> pd.DataFrame:
    """Give residual variances, raw and standardised, and what the factors explain; index ``item``."""
    standardised = quantities["residuals"]
    diagonal = [(item, item) for item in range(len(plan.items))]
    raw = standardised if fitted.ordinal else parameters.of("error_covariance", diagonal)
    frame = interval_frame(raw, pd.Index(plan.items, name="item"), tested=False)
    return _with_standardised(frame, standardised).assign(r_squared=1 - standardised.estimate)


def threshold_table(plan: FactorPlan, fitted: FactorFit, parameters: Parameters) -> pd.DataFrame:
    """Give thresholds of ordered items; index ``item, threshold``."""
    item = fitted.model.groups[0].threshold_item
    rank = [int(np.sum(item[:place] == own)) + 1 for place, own in enumerate(item)]
    names = [(plan.items[own], position) for own, position in zip(item, rank, strict=True)]
    index = pd.MultiIndex.from_tuples(names, names=["item", "threshold"]) if names else no_rows("item", "threshold")
    return interval_frame(parameters.of("thresholds", [(place,) for place in range(item.size)]), index)


def intercept_table(plan: FactorPlan, fitted: FactorFit, parameters: Parameters) -> pd.DataFrame:
    """Give intercepts where means are part of the model; index ``item``."""
    free = np.flatnonzero(fitted.model.groups[0].free.intercepts >= 0)
    index = pd.Index([plan.items[item] for item in free], name="item", dtype="object" if not free.size else None)
    return interval_frame(parameters.of("intercepts", [(int(item),) for item in free]), index)


def discriminant_table(plan: FactorPlan, fitted: FactorFit, quantities: Mapping[str, Quantity]) -> pd.DataFrame:
    """Set each two factors' correlation beside what should exceed it.

    Parameters
    ----------
    plan : FactorPlan
    fitted : FactorFit
    quantities : mapping
        Of `standardised_solution`.

    Returns
    -------
    pandas.DataFrame
        Index ``factor, other``. HTMT is not a number for factors that share items, and where it would divide by 0:
        a factor's items do not correlate.
    """
    observed = np.abs(as_correlations(fitted.observed))
    average = dict(zip(plan.measured, quantities["average_variance"].estimate, strict=True))
    correlation = dict(zip(plan.reported, quantities["correlations"].estimate, strict=True))
    pairs = list(pairs_of(list(plan.traits)))
    within = {factor: _within(observed, plan.members[factor]) for factor in plan.traits}
    rows = []
    for first, second in pairs:
        shared = set(plan.members[first]) & set(plan.members[second])
        between = observed[np.ix_(plan.members[first], plan.members[second])].ravel()
        means = float(between.mean()), _geometric(between)
        lengths = [np.sqrt(one * other) for one, other in zip(within[first], within[second], strict=True)]
        ratios = [np.nan if shared or not lengths[kind] else mean / lengths[kind] for kind, mean in enumerate(means)]
        # In a bifactor model factors are uncorrelated by construction.
        own = correlation.get((first, second), 0.0)
        rows.append((own, own**2, average[first], average[second], *ratios))
    columns = ["correlation", "correlation_squared", "average_variance", "average_variance_other", "htmt", "htmt2"]
    return pd.DataFrame(rows, index=pair_index(plan.factors, pairs), columns=columns, dtype=float)


def _within(observed: Matrix, members: Sequence[int]) -> tuple[float, float]:
    """Arithmetic and geometric mean of the sizes of correlations among a factor's items."""
    rows, columns = np.triu_indices(len(members), 1)
    values = observed[np.ix_(members, members)][rows, columns]
    mean = float(values.mean())
    return mean if mean > _NO_CORRELATION else 0.0, _geometric(values)


def _geometric(sizes: Matrix) -> float:
    """Geometric mean; 0 if one of them is."""
    return float(np.exp(np.log(sizes).mean())) if sizes.min() > _NO_CORRELATION else 0.0


def pair_index(
    names: Sequence[str], pairs: Sequence[Pair], levels: tuple[str, str] = ("factor", "other")
) -> pd.MultiIndex:
    """Name the rows of a table of pairs."""
    if not pairs:
        return no_rows(*levels)
    return pd.MultiIndex.from_tuples([(names[a], names[b]) for a, b in pairs], names=levels)


def no_rows(*levels: str) -> pd.MultiIndex:
    """Name the levels of a table without rows."""
    return pd.MultiIndex.from_arrays([[] for _ in levels], names=levels)


def factor_index(plan: FactorPlan) -> pd.Index:
    """Name the rows of a table of the factors that are measured."""
    return pd.Index([plan.factors[factor] for factor in plan.measured], name="factor")
