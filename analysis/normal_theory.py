"""Maximum likelihood for models of means and covariances: ML, robust ML (MLR), and FIML where answers have gaps.

One or several groups, equalities by parameter number, people in clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, stats

from analysis.normal_likelihood import (
    Patterned,
    by_pattern,
    complete_moments,
    discrepancy,
    discrepancy_slopes,
    log_determinant,
    moment_information,
    moment_scores,
    moment_slope,
    saturated_trace,
    score_products,
)
from analysis.score_tests import (
    Element,
    ScoreTests,
    score_tests,
    with_free,
)
from analysis.structure import (
    FitError,
    GroupModel,
    Model,
    ModelDraft,
    Parts,
    derivatives,
    factor_moments,
    filled,
    gathered,
    implied_covariance,
    implied_mean,
    moment_jacobian,
    not_identified,
    start_values,
)

__all__ = [
    "Difference",
    "FitError",
    "NormalFit",
    "Patterned",
    "covariance_gradient",
    "difference_test",
    "fiml_corrected",
    "fit_covariances",
    "fit_independence",
    "fit_normal",
    "improper",
    "modification_indices",
    "one_factor",
    "second_order",
    "sorted_groups",
]

Matrix = NDArray[np.floating[Any]]
Positions = NDArray[np.intp]

_MAXIMUM_STEPS = 500
# The improvement in F that one more step would bring (half of it, strictly). F itself is of order 1.
_CONVERGED = 1e-13
# With gaps, complete-data curvature leads near the optimum, and one observed curvature from there to it.
_NEAR = 1e-5
# Smallest eigenvalue, relative to unit diagonal, of the information matrix of an identified model.
_IDENTIFIED = 1e-9
# Step of central differences, in units in which the information of one person is 1.
_DIFFERENCE = 1e-4


@dataclass(frozen=True, kw_only=True, eq=False)
class NormalFit:
    """A fitted model.

    Attributes
    ----------
    model : Model
    parameters : (q,) array
        In the order of ``model.names``.
    estimates : tuple of Parts
        The filled matrices, one a group.
    covariance : (q, q) array
        Of the parameters; the sandwich if ``robust``.
    chi2, df, p
        Test of exact fit: total n times (F − F of the saturated model); p is 1 where df is 0.
    scaling_factor : float
        Yuan and Bentler's; ``nan`` unless ``robust``, 1 where df is 0.
    chi2_scaled, p_scaled : float
        ``chi2 / scaling_factor`` and its p; ``nan`` unless ``robust``.
    loglik, loglik_saturated : float
        Normal log-likelihoods of this and of the saturated model.
    n : tuple of int
        People, one number a group.
    sample_means, sample_covariances : tuple of arrays
        Saturated moments by maximum likelihood (divisor n), one a group.
    robust, means : bool
        As asked for.
    missing : {"listwise", "fiml"}
    clusters : int or None
        Number of clusters, if the covariance allows for them.
    steps : int
        Scoring steps that it took.
    """

    model: Model
    parameters: Matrix
    estimates: tuple[Parts[Matrix], ...]
    covariance: Matrix
    chi2: float
    df: int
    p: float
    scaling_factor: float
    chi2_scaled: float
    p_scaled: float
    loglik: float
    loglik_saturated: float
    n: tuple[int, ...]
    sample_means: tuple[Matrix, ...]
    sample_covariances: tuple[Matrix, ...]
    robust: bool
    means: bool
    missing: Literal["listwise", "fiml"]
    clusters: int | None
    steps: int
    groups: tuple[Patterned, ...] = field(repr=False)

    @property
    def standard_errors(self) -> Matrix:
        """Standard errors of ``parameters``, (q,)."""
        return np.asarray(np.sqrt(np.diag(self.covariance)))

    @property
    def total_n(self) -> int:
        """People of all groups."""
        return sum(self.n)

    @property
    def implied(self) -> tuple[Matrix, ...]:
        """Σ at the estimates, one a group."""
        return tuple(implied_covariance(parts) for parts in self.estimates)


@dataclass(frozen=True, slots=True)
class Difference:
    """Test of a restricted model against a freer one.

    Attributes
    ----------
    statistic, df, p
        The test; p is 1 where df is 0.
    scaling_factor : float
        Of the difference; ``nan`` without scaling.
    method : str
        Which test it is, as a phrase for a paper.
    """

    statistic: float
    df: int
    p: float
    scaling_factor: float
    method: str


def one_factor(items: int) -> Model:
    """Write the model of one factor with variance 1.

    Parameters
    ----------
    items : int
        Number of items.

    Returns
    -------
    Model

    Examples
    --------
    >>> one_factor(2).names
    ('factor =~ item 1', 'factor =~ item 2', 'item 1 ~~ item 1', 'item 2 ~~ item 2')
    """
    draft = ModelDraft(items=items, factors=1)
    draft.fix("factor_covariance", 0, 0, value=1.0)
    for item in range(items):
        draft.free("loadings", item, 0, name=f"factor =~ item {item + 1}")
    _free_errors(draft, items)
    return draft.finished()


def second_order(sizes: Sequence[int]) -> Model:
    """Write the model in which one general factor (the last, variance 1) explains the subscales' factors.

    Parameters
    ----------
    sizes : sequence of int
        Number of items of each subscale; the items stand in this order. The first item of each
        subscale has its loading fixed at 1, which gives the factor its unit.

    Returns
    -------
    Model

    Examples
    --------
    >>> second_order([2, 2, 2]).groups[0].fixed.loadings.shape
    (6, 4)
    """
    subscales, items = len(sizes), sum(sizes)
    draft = ModelDraft(items=items, factors=subscales + 1)
    first = np.cumsum([0, *sizes[:-1]])
    for subscale, (start, size) in enumerate(zip(first.tolist(), sizes, strict=True)):
        draft.fix("loadings", start, subscale, value=1.0)
        for item in range(start + 1, start + size):
            draft.free("loadings", item, subscale, name=f"factor {subscale + 1} =~ item {item + 1}")
    for subscale in range(subscales):
        draft.free("paths", subscale, subscales, name=f"general =~ factor {subscale + 1}")
    for subscale in range(subscales):
        name = f"factor {subscale + 1}"
        draft.free("factor_covariance", subscale, subscale, name=f"{name} ~~ {name}")
    draft.fix("factor_covariance", subscales, subscales, value=1.0)
    _free_errors(draft, items)
    return draft.finished()


def sorted_groups(
    data: Sequence[pd.DataFrame | Patterned],
    *,
    items: int,
    missing: Literal["listwise", "fiml"],
    clusters: Sequence[pd.Series] | None = None,
) -> tuple[Patterned, ...]:
    """Sort every group's answers by pattern, once for all models that are fitted to them.

    Parameters
    ----------
    data, missing, clusters
        As `fit_normal`; groups that are sorted already stay as they are, with their clusters.
    items : int
        How many there must be.

    Returns
    -------
    tuple of Patterned
        To be given to `fit_normal` and `fit_independence` instead of frames: gaps cost EM iterations.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> answers = pd.DataFrame(np.random.default_rng(1).normal(size=(90, 3)), columns=list("abc"))
    >>> sorted_groups([answers], items=3, missing="listwise")[0].n
    90
    """
    return tuple(
        each
        if isinstance(each, Patterned)
        else by_pattern(each, missing=missing, items=items, cluster=None if clusters is None else clusters[position])
        for position, each in enumerate(data)
    )


def fit_normal(
    data: Sequence[pd.DataFrame | Patterned],
    model: Model,
    *,
    robust: bool,
    missing: Literal["listwise", "fiml"],
    means: bool,
    clusters: Sequence[pd.Series] | None = None,
    start: Mapping[str, float] | None = None,
) -> NormalFit:
    """Fit a model of means and covariances by maximum likelihood.

    Parameters
    ----------
    data : sequence of pandas.DataFrame or Patterned
        Response × item, one frame a group, the items in the model's order; or what `sorted_groups` made of them.
    model : Model
        Of as many groups.
    robust : bool
        Whether standard errors and the test allow for answers that are not normal (MLR).
    missing : {"listwise", "fiml"}
        Whether responses with a gap are left out, or every answer is used.
    means : bool
        Whether the model is one of means, too; needed for ``"fiml"``.
    clusters : sequence of pandas.Series, optional
        The cluster of each response, one series a group, on the frame's index. Only with ``robust``. Clusters of two
        groups are never the same, whatever their names.
    start : mapping, optional
        Values to start from, by name of parameter.

    Returns
    -------
    NormalFit
        Negative variances are allowed (`improper` words them).

    Raises
    ------
    FitError
        If a covariance matrix is not positive definite or there are not more people than items, the model has
        more parameters than there are moments, it is not identified, or the iterations do not converge.
    ValueError
        If options contradict each other, or the answers are not what `analysis.missing.numeric_answers` wants.

    Notes
    -----
    Minimises Σ_g n_g/n (log|Σ| + tr(TΣ⁻¹)), T the second moments about μ (Jöreskog, 1969), by Fisher scoring with
    a Levenberg–Marquardt damping, which no rescaling of an item can upset. With gaps the sum is over patterns of
    answered items (Arbuckle, 1996), and the saturated model is fitted by EM. As in lavaan, chi-square counts n
    (not n − 1); standard errors are from the expected information for complete answers, from the observed one
    with gaps, and with ``robust`` from the sandwich of the observed information and the people's scores (Huber,
    1967; White, 1982), summed within clusters and multiplied by clusters / (clusters − 1), where there are any. The
    scaling factor is that of Yuan and Bentler (2000) in the form of Asparouhov and Muthén (2005), lavaan's
    ``yuan.bentler.mplus``. The observed information is analytic but for the second derivatives of Σ and μ, which
    are central differences: exact up to rounding without Β, and good to about 1e-8 with it.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> answers = pd.DataFrame(rng.normal(size=(2000, 1)) + rng.normal(size=(2000, 4)), columns=list("abcd"))
    >>> fit = fit_normal([answers], one_factor(4), robust=True, missing="listwise", means=False)
    >>> fit.estimates[0].loadings.ravel().round(1), fit.df
    (array([1., 1., 1., 1.]), 2)
    """
    if missing not in ("listwise", "fiml"):
        raise ValueError(f"missing must be 'listwise' or 'fiml', got {missing!r}")
    if missing == "fiml" and not means:
        raise ValueError("with missing='fiml' the model is one of means, too: give means=True and free intercepts")
    if clusters is not None and not robust:
        raise ValueError("clusters change standard errors and test alone: ask for robust=True, or leave them out")
    if not len(data) == len(model.groups) == (len(data) if clusters is None else len(clusters)):
        raise ValueError(
            f"data, clusters and model must have equally many groups, got {len(data)} frames, "
            f"{'no' if clusters is None else len(clusters)} clusters and {len(model.groups)} groups in the model"
        )
    groups = sorted_groups(data, items=_items(model), missing=missing, clusters=clusters)
    return _fit(groups, model, robust=robust, missing=missing, means=means, start=start)


def fit_covariances(covariances: Sequence[Matrix], n: Sequence[int], model: Model) -> NormalFit:
    """Fit a covariance structure by maximum likelihood to covariances alone.

    Parameters
    ----------
    covariances : sequence of (items, items) arrays
        Sample covariances with divisor n (not n − 1), one matrix a group.
    n : sequence of int
        People, one number a group.
    model : Model

    Returns
    -------
    NormalFit
        As `fit_normal` with complete answers and without means; `robust_covariance` adds what needs answers.

    Raises
    ------
    FitError
        As `fit_normal`.

    Examples
    --------
    Three items with covariances .56, .48 and .42 have loadings .8, .7 and .6.

    >>> import numpy as np
    >>> covariance = np.array([[1, 0.56, 0.48], [0.56, 1, 0.42], [0.48, 0.42, 1]])
    >>> fit_covariances([covariance], [100], one_factor(3)).estimates[0].loadings.ravel().round(6)
    array([0.8, 0.7, 0.6])
    """
    groups = tuple(complete_moments(covariance, size) for covariance, size in zip(covariances, n, strict=True))
    return _fit(groups, model, robust=False, missing="listwise", means=False, start=None)


def fit_independence(
    data: Sequence[pd.DataFrame | Patterned],
    *,
    robust: bool,
    missing: Literal["listwise", "fiml"],
    means: bool,
    clusters: Sequence[pd.Series] | None = None,
) -> NormalFit:
    """Fit the baseline model of CFI and TLI: variances (and means) alone, nothing related.

    Parameters
    ----------
    data, robust, missing, means, clusters
        As `fit_normal`.

    Returns
    -------
    NormalFit

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> answers = pd.DataFrame(np.random.default_rng(1).normal(size=(90, 3)), columns=list("abc"))
    >>> fit_independence([answers], robust=False, missing="listwise", means=False).df
    3
    """
    first = data[0]
    items = first.known.shape[1] if isinstance(first, Patterned) else first.shape[1]
    groups = sorted_groups(data, items=items, missing=missing, clusters=clusters)
    draft = ModelDraft(items=items, factors=1, groups=len(groups))
    start = {}
    for group, answers in enumerate(groups):
        for item, variance in enumerate(np.diag(answers.saturated_covariance)):
            name = f"item {item + 1} ~~ item {item + 1}, group {group + 1}"
            draft.free("error_covariance", item, item, name=name, group=group)
            start[name] = float(variance)
            if means:
                draft.free("intercepts", item, name=f"item {item + 1} ~ 1, group {group + 1}", group=group)
    return fit_normal(groups, draft.finished(), robust=robust, missing=missing, means=means, start=start)


def difference_test(free: NormalFit, restricted: NormalFit) -> Difference:
    """Test a restricted model against a freer one that it is nested in.

    Parameters
    ----------
    free, restricted : NormalFit
        Both fitted to the same data, both robust or neither.

    Returns
    -------
    Difference
        The likelihood ratio; of robust fits the scaled difference of Satorra and Bentler (2001) and, where its
        scaling factor is not positive, that of Satorra (2000), as ``method`` says.

    Raises
    ------
    ValueError
        If the fits are not of the same people, are not of one kind, or the restricted one is not the restricted one.

    Notes
    -----
    c = (d₀c₀ − d₁c₁) / (d₀ − d₁) with d the degrees of freedom and c the scaling factors of the restricted (0) and the
    free (1) model. Satorra (2000): what the sandwich of the free model, at its estimates, holds beyond the restricted
    model's directions (lavaan's ``A.method = "delta"``); it cannot be negative.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> answers = pd.DataFrame(rng.normal(size=(300, 1)) + rng.normal(size=(300, 4)), columns=list("abcd"))
    >>> free = fit_normal([answers], one_factor(4), robust=True, missing="listwise", means=False)
    >>> restricted = fit_independence([answers], robust=True, missing="listwise", means=False)
    >>> difference_test(free, restricted).df
    4
    """
    if free.n != restricted.n or free.robust != restricted.robust or free.missing != restricted.missing:
        raise ValueError("both models must be fitted to the same people in the same way (robust, missing)")
    df = restricted.df - free.df
    chi2 = restricted.chi2 - free.chi2
    if df < 0 or abs(restricted.loglik_saturated - free.loglik_saturated) > 1e-6 * abs(free.loglik_saturated):
        raise ValueError(
            f"the restricted model must have more degrees of freedom and the same data, got df {restricted.df} "
            f"against {free.df}: give the freer model first"
        )
    if not free.robust:
        return _difference(chi2, df, np.nan, "likelihood-ratio test")
    if not df:
        return _difference(chi2, df, np.nan, "no test, since the models have equally many parameters")
    scaling = (restricted.df * restricted.scaling_factor - free.df * free.scaling_factor) / df
    if scaling > 0:
        return _difference(chi2, df, scaling, "scaled chi-square difference (Satorra & Bentler, 2001)")
    return _difference(
        chi2,
        df,
        _satorra_2000(free, restricted),
        "scaled chi-square difference (Satorra, 2000, since the scaling factor of Satorra & Bentler, 2001, is not "
        "positive)",
    )


def modification_indices(fit: NormalFit, candidates: Sequence[Element]) -> ScoreTests:
    """Test by how much chi-square would fall if an element alone were freed, or let go of those it is equal to.

    Parameters
    ----------
    fit : NormalFit
    candidates : sequence of Element
        Elements that are fixed now, or equal to others.

    Returns
    -------
    ScoreTests
        In the order of the candidates. The change is from the fixed value, or from what the others have;
        `analysis.score_tests.standardised_change` puts it into standard deviations.

    Notes
    -----
    Score tests with the expected information (Sörbom, 1989), as ``lavaan::modindices`` and, of equalities,
    ``lavTestScore`` (univariate), also where standard errors are robust.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> answers = rng.normal(size=(300, 1)) + rng.normal(size=(300, 5))
    >>> answers[:, 1] += answers[:, 0]
    >>> answers = pd.DataFrame(answers, columns=list("abcde"))
    >>> fit = fit_normal([answers], one_factor(5), robust=False, missing="listwise", means=False)
    >>> tests = modification_indices(fit, [Element("error_covariance", 1, 0)])
    >>> bool(tests.statistic[0] > 30)
    True
    """
    extension = with_free(fit.model, candidates)
    size, tests = len(fit.model.names), len(candidates)
    score, cross, own = np.zeros(tests), np.zeros((tests, size)), np.zeros(tests)
    free = np.zeros((size, size))
    for position, (group, parts) in enumerate(zip(fit.groups, fit.estimates, strict=True)):
        share = group.n / fit.total_n
        mean, covariance = _mean(group, parts, means=fit.means), implied_covariance(parts)
        slope = moment_slope(group, mean, covariance, means=fit.means)
        information = moment_information(group, mean, covariance, means=fit.means, expected=True)
        present = moment_jacobian(fit.model, position, parts, means=fit.means)
        added = moment_jacobian(extension, position, parts, means=fit.means)
        informed = information @ present
        score += share * (added.T @ slope)
        cross += share * (added.T @ informed)
        free += share * (present.T @ informed)
        own += share * np.einsum("ij,ij->j", added, information @ added)
    return score_tests(score, free, cross, own, n=fit.total_n)


def covariance_gradient(quantity: Callable[[Parts[Matrix]], float], fit: NormalFit) -> Matrix:
    """Give the derivatives of a quantity of a fitted model by the covariances that it was fitted to.

    Parameters
    ----------
    quantity : callable
        Takes the filled matrices, returns a number.
    fit : NormalFit
        Of one group, from `fit_covariances`.

    Returns
    -------
    (items, items) array
        Symmetric G: a small change dS of the covariances changes the quantity by tr(G dS), as
        `analysis.missing.moments_error` wants it.

    Notes
    -----
    At the fit the scores Σ⁻¹ ∂Σ Σ⁻¹ of the parameters give their derivatives by the covariances once they
    are multiplied by the inverse of the expected information; ∂Σ is uvᵀ + vuᵀ. Exact where the model fits.
    """
    slope = _quantity_gradient(quantity, fit, 1e-3 * fit.standard_errors, 0)
    slopes = derivatives(fit.model.groups[0], fit.estimates[0])
    weights = (fit.total_n * fit.covariance @ slope)[slopes.number]
    half = slopes.u.T @ (slopes.v * weights[:, None])
    inverse = np.linalg.inv(fit.implied[0])
    return np.asarray(inverse @ (half + half.T) / 2 @ inverse)


def improper(
    fit: NormalFit, *, items: Sequence[str], factors: Sequence[str], groups: Sequence[str] = ()
) -> tuple[str, ...]:
    """Say which estimated variances are negative (Heywood cases), and where factors correlate beyond 1.

    Parameters
    ----------
    fit : NormalFit
        The fitted model.
    items, factors : sequence of str
        Names in the model's order.
    groups : sequence of str
        Names of the groups, if there are several.

    Returns
    -------
    tuple of str
        A note for each kind; empty if the solution is proper.
    """
    notes = []
    for position, parts in enumerate(fit.estimates):
        where = f" in group {groups[position]}" if len(groups) > 1 else ""
        negative = False
        for names, variances, of_what in (
            (items, np.diag(parts.error_covariance), "error variance of"),
            (factors, np.diag(parts.factor_covariance), "residual factor variance of"),
        ):
            found = [name for name, variance in zip(names, variances, strict=True) if variance < 0]
            if found:
                negative = True
                notes.append(
                    f"Heywood case{where}: the estimated {of_what} {', '.join(found)} is negative; "
                    "read the model's numbers with caution (too few people, or a wrong model)."
                )
        if not negative:
            notes.extend(_beyond_one(factor_moments(parts)[1], factors, where))
    return tuple(notes)


def fiml_corrected(fit: NormalFit) -> tuple[float, float]:
    """Give chi-square and scaling factor behind the robust fit indices of a FIML fit.

    Parameters
    ----------
    fit : NormalFit
        With ``missing="fiml"``; the baseline model, too, is such a fit.

    Returns
    -------
    tuple of float
        Complete-data chi-square of the estimates at the saturated moments, and its scaling factor: to be put
        for chi-square and scaling factor into the formulas of robust RMSEA, CFI and TLI.

    Raises
    ------
    ValueError
        If the fit is not by FIML, or has no degrees of freedom.

    Notes
    -----
    Zhang and Savalei (2023): the components of FIML-corrected indices, their version V3 if the fit is robust, else V6, as lavaan.
    """
    if fit.missing != "fiml" or not fit.df:
        raise ValueError("corrected indices are for fits with missing='fiml' and at least 1 degree of freedom")
    chi2 = 0.0
    jacobians, observed, complete, gammas = [], [], [], []
    for position, (group, parts) in enumerate(zip(fit.groups, fit.estimates, strict=True)):
        share = group.n / fit.total_n
        mean, covariance = group.saturated_mean, group.saturated_covariance
        own = complete_moments(covariance, group.n, mean)
        excess = discrepancy(own, implied_mean(parts), implied_covariance(parts)) - discrepancy(own, mean, covariance)
        chi2 += group.n * excess
        weight = moment_information(group, mean, covariance, means=True)
        spread = np.linalg.inv(weight)
        meat = score_products(group, moment_scores(group, mean, covariance, means=True)) if fit.robust else weight
        jacobians.append(moment_jacobian(fit.model, position, parts, means=True))
        observed.append(share * weight)
        complete.append(share * moment_information(own, mean, covariance, means=True))
        gammas.append(spread @ meat @ spread / share)
    weights, complete_weights, gamma = (linalg.block_diag(*each) for each in (observed, complete, gammas))
    slopes = np.vstack(jacobians)
    informed = weights @ slopes
    residual = np.eye(len(weights)) - informed @ np.linalg.solve(slopes.T @ informed, slopes.T)
    if fit.robust:
        trace = float(np.sum((residual @ complete_weights @ residual.T) * gamma))
    else:
        trace = float(np.sum((np.linalg.solve(weights, residual)) * complete_weights))
    return max(chi2, 0.0), trace / fit.df


def _free_errors(draft: ModelDraft, items: int) -> None:
    for item in range(items):
        draft.free("error_covariance", item, item, name=f"item {item + 1} ~~ item {item + 1}")


def _items(model: Model) -> int:
    return int(model.groups[0].fixed.loadings.shape[0])


def _fit(
    groups: tuple[Patterned, ...],
    model: Model,
    *,
    robust: bool,
    missing: Literal["listwise", "fiml"],
    means: bool,
    start: Mapping[str, float] | None,
) -> NormalFit:
    n = tuple(group.n for group in groups)
    total, items = sum(n), _items(model)
    moments = len(groups) * (items * (items + 1) // 2 + (items if means else 0))
    df = moments - len(model.names)
    if df < 0:
        raise FitError(
            f"the model has {len(model.names)} parameters but {items} items give only {moments} "
            f"{'means, ' if means else ''}variances and covariances: it needs more items or fewer factors"
        )
    for position, group in enumerate(groups):
        if log_determinant(group.saturated_covariance) is None:
            where = f" in group {position + 1}" if len(groups) > 1 else ""
            raise FitError(
                f"the items' covariance matrix is not positive definite{where} (an item repeats others, or there are "
                f"not more people than items: {group.n} people, {items} items): leave an item out or use more people"
            )
    saturated = sum(
        group.n / total * discrepancy(group, group.saturated_mean, group.saturated_covariance) for group in groups
    )
    theta = start_values(
        model,
        [group.saturated_covariance for group in groups],
        means=[group.saturated_mean for group in groups] if means else None,
        known=start,
    )
    theta, steps = _scoring(groups, model, theta, means=means)
    value = _total_discrepancy(groups, model, theta, means=means)
    estimates = filled(model, theta)
    chi2 = max(total * (value - saturated), 0.0)
    constant = sum(float(group.counts @ group.known.sum(axis=1)) for group in groups) * np.log(2 * np.pi)
    scaling, scaled = np.nan, np.nan
    if robust:
        bread = _inverse(_observed(groups, model, theta, means=means), model.names)
        meat = _model_meat(groups, model, estimates, means=means)
        covariance = bread @ meat @ bread / total
        trace = sum(saturated_trace(group, means=means) for group in groups) - float(np.sum(bread * meat))
        scaling = trace / df if df else 1.0
        scaled = chi2 / scaling
    else:
        information = (
            _observed(groups, model, theta, means=means)
            if missing == "fiml"
            else _gradient_and_curvature(groups, model, theta, means=means)[1] / 2
        )
        covariance = _inverse(information, model.names) / total
    return NormalFit(
        model=model,
        parameters=theta,
        estimates=estimates,
        covariance=covariance,
        chi2=chi2,
        df=df,
        p=_tail(chi2, df),
        scaling_factor=scaling,
        chi2_scaled=scaled,
        p_scaled=_tail(scaled, df) if robust else np.nan,
        loglik=-(constant + total * value) / 2,
        loglik_saturated=-(constant + total * saturated) / 2,
        n=n,
        sample_means=tuple(group.saturated_mean for group in groups),
        sample_covariances=tuple(group.saturated_covariance for group in groups),
        robust=robust,
        means=means,
        missing=missing,
        clusters=sum(group.clusters for group in groups) or None,
        steps=steps,
        groups=groups,
    )


def _tail(chi2: float, df: int) -> float:
    return float(stats.chi2.sf(chi2, df)) if df else 1.0


def _mean(group: Patterned, parts: Parts[Matrix], *, means: bool) -> Matrix:
    return implied_mean(parts) if means else group.saturated_mean


def _total_discrepancy(groups: Sequence[Patterned], model: Model, theta: Matrix, *, means: bool) -> float:
    total = sum(group.n for group in groups)
    value = 0.0
    for group, parts in zip(groups, filled(model, theta), strict=True):
        value += group.n / total * discrepancy(group, _mean(group, parts, means=means), implied_covariance(parts))
    return value


def _gradient_and_curvature(
    groups: Sequence[Patterned], model: Model, theta: Matrix, *, means: bool
) -> tuple[Matrix, Matrix]:
    """Gradient of F and its expected second derivatives, these as if there were no gaps.

    Every derivative has the form ∂Σ = uvᵀ + vuᵀ, so that q × q products are enough.
    """
    size, total = len(model.names), sum(group.n for group in groups)
    gradient, curvature = np.zeros(size), np.zeros((size, size))
    for position, (group, parts) in enumerate(zip(groups, filled(model, theta), strict=True)):
        share = group.n / total
        covariance = implied_covariance(parts)
        by_covariance, by_mean = discrepancy_slopes(group, _mean(group, parts, means=means), covariance)
        slopes = derivatives(model.groups[position], parts)
        shift = slopes.mean if means else np.zeros_like(slopes.mean)
        own = 2 * np.sum((slopes.u @ by_covariance) * slopes.v, axis=1) + shift @ by_mean
        gradient += gathered(share * own, slopes.number, size)
        inverse = np.linalg.inv(covariance)
        cross = slopes.u @ inverse @ slopes.v.T
        bend = 2 * ((slopes.u @ inverse @ slopes.u.T) * (slopes.v @ inverse @ slopes.v.T) + cross * cross.T)
        bend += 2 * shift @ inverse @ shift.T
        curvature += share * gathered(gathered(bend, slopes.number, size).T, slopes.number, size)
    return gradient, curvature


def _model_meat(
    groups: Sequence[Patterned],
    model: Model,
    estimates: Sequence[Parts[Matrix]],
    *,
    means: bool,
    centred: bool = False,
) -> Matrix:
    total = sum(group.n for group in groups)
    meat = np.zeros((len(model.names), len(model.names)))
    for position, (group, parts) in enumerate(zip(groups, estimates, strict=True)):
        scores = moment_scores(group, _mean(group, parts, means=means), implied_covariance(parts), means=means)
        scores = scores - scores.mean(axis=0) if centred else scores
        meat += group.n / total * score_products(group, scores @ moment_jacobian(model, position, parts, means=means))
    return meat


def _satorra_2000(free: NormalFit, restricted: NormalFit) -> float:
    """Give the scaling factor of the difference of two nested models."""
    information = _observed(free.groups, free.model, free.parameters, means=free.means)
    meat = _model_meat(free.groups, free.model, free.estimates, means=free.means, centred=True)
    own, other = (
        np.vstack(
            [moment_jacobian(fit.model, group, parts, means=fit.means) for group, parts in enumerate(fit.estimates)]
        )
        for fit in (free, restricted)
    )
    directions = np.linalg.lstsq(own, other, rcond=None)[0]
    held = directions @ np.linalg.solve(directions.T @ information @ directions, directions.T)
    return float(np.sum((np.linalg.inv(information) - held) * meat)) / (restricted.df - free.df)


def _observed(groups: Sequence[Patterned], model: Model, theta: Matrix, *, means: bool) -> Matrix:
    """Observed information of one person on the parameters."""
    size, total = len(model.names), sum(group.n for group in groups)
    information = np.zeros((size, size))
    slopes = []
    for position, (group, parts) in enumerate(zip(groups, filled(model, theta), strict=True)):
        mean, covariance = _mean(group, parts, means=means), implied_covariance(parts)
        share = group.n / total
        jacobian = moment_jacobian(model, position, parts, means=means)
        information += share * (jacobian.T @ moment_information(group, mean, covariance, means=means) @ jacobian)
        by_covariance, by_mean = discrepancy_slopes(group, mean, covariance)
        slopes.append((share * by_covariance, share * by_mean * means))

    def gradient(at: Matrix) -> Matrix:
        """Half the gradient that these slopes by moments would give elsewhere."""
        found = np.zeros(size)
        for group, parts, (by_covariance, by_mean) in zip(model.groups, filled(model, at), slopes, strict=True):
            slope = derivatives(group, parts)
            own = np.sum((slope.u @ by_covariance) * slope.v, axis=1) + slope.mean @ by_mean / 2
            found += gathered(own, slope.number, size)
        return found

    # Second derivatives of Σ and μ are 0 unless one of the two parameters is a loading or a path.
    unit = _DIFFERENCE / np.sqrt(np.maximum(np.diag(information), np.finfo(float).tiny))
    bent = np.zeros((size, size))
    moving = _loadings_and_paths(model.groups)
    for number in moving:
        step = np.zeros(size)
        step[number] = unit[number]
        bent[:, number] = (gradient(theta + step) - gradient(theta - step)) / (2 * unit[number])
    both = np.ix_(moving, moving)
    bent[both] = (bent[both] + bent[both].T) / 2
    bent[moving, :] = bent[:, moving].T
    return information + bent


def _loadings_and_paths(groups: Sequence[GroupModel]) -> Positions:
    numbers = [part.ravel() for group in groups for part in (group.free.loadings, group.free.paths)]
    found = np.unique(np.concatenate(numbers))
    return np.asarray(found[found >= 0], dtype=np.intp)


def _scoring(groups: Sequence[Patterned], model: Model, theta: Matrix, *, means: bool) -> tuple[Matrix, int]:
    gaps = any(len(group.counts) > 1 for group in groups)
    start = theta
    observed: Matrix | None = None
    damping = 1e-3
    value = _total_discrepancy(groups, model, theta, means=means)
    if not np.isfinite(value):
        raise FitError(
            "the covariance matrix at the starting values is not positive definite: give other `start` values"
        )
    for step in range(_MAXIMUM_STEPS):
        gradient, curvature = _gradient_and_curvature(groups, model, theta, means=means)
        curvature = curvature if observed is None else observed
        # A parameter that moves nothing would make the step endless: the identification check names it.
        scale = np.sqrt(np.maximum(np.diag(curvature), np.finfo(float).tiny))
        values, vectors = np.linalg.eigh(curvature / np.outer(scale, scale))
        values = np.maximum(values, 0)
        slope = vectors.T @ (gradient / scale)
        decrement = np.sum(slope**2 / np.maximum(values, _IDENTIFIED))
        if decrement < _CONVERGED:
            return theta, step
        if gaps and observed is None and decrement < _NEAR:
            seen = 2 * _observed(groups, model, theta, means=means)
            diagonal = np.diag(seen)
            if np.all(diagonal > 0) and np.linalg.eigvalsh(seen / np.sqrt(np.outer(diagonal, diagonal)))[0] > 1e-6:
                observed = seen
                continue
            gaps = False
        while True:
            lengths = slope / (values + damping)
            moved = theta - vectors @ lengths / scale
            new_value = _total_discrepancy(groups, model, moved, means=means)
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
                raise FitError(_not_converged(model, start, theta))
        theta, value = moved, new_value
    raise FitError(_not_converged(model, start, theta))


def _not_converged(model: Model, start: Matrix, theta: Matrix) -> str:
    far = np.abs(theta - start) / np.maximum(np.abs(start), 0.1 * np.median(np.abs(start)))
    worst = [int(number) for number in np.argsort(-far)[:3] if far[number] > 10]
    ran = f" ({', '.join(model.names[number] for number in worst)} ran away)" if worst else ""
    return (
        f"the model did not converge{ran}: the items may share too little, or be too few or too alike, for it; "
        "look at their correlations, or use more people"
    )


def _inverse(information: Matrix, names: Sequence[str]) -> Matrix:
    # A parameter that moves nothing would divide by 0; the identification check names it.
    scale = np.sqrt(np.maximum(np.diag(information), np.finfo(float).tiny))
    scaled = information / np.outer(scale, scale)
    not_identified(scale, scaled, names, _IDENTIFIED)
    return np.asarray(np.linalg.inv(scaled) / np.outer(scale, scale))


def _difference(chi2: float, df: int, scaling: float, method: str) -> Difference:
    statistic = chi2 if np.isnan(scaling) else chi2 / scaling
    return Difference(statistic=statistic, df=df, p=_tail(statistic, df), scaling_factor=scaling, method=method)


def _quantity_gradient(quantity: Callable[[Parts[Matrix]], float], fit: NormalFit, steps: Matrix, group: int) -> Matrix:
    gradient = np.zeros(steps.size)
    for position in np.flatnonzero(steps > 0):
        shift = np.zeros(steps.size)
        shift[position] = steps[position]
        above = quantity(filled(fit.model, fit.parameters + shift)[group])
        below = quantity(filled(fit.model, fit.parameters - shift)[group])
        gradient[position] = (above - below) / (2 * steps[position])
    return gradient


def _beyond_one(covariance: Matrix, factors: Sequence[str], where: str) -> list[str]:
    variances = np.diag(covariance)
    if not np.all(variances > 0) or len(factors) < 2:
        return []
    correlation = covariance / np.sqrt(np.outer(variances, variances))
    rows, columns = np.nonzero(np.triu(np.abs(correlation) > 1, 1))
    if rows.size:
        pairs = ", ".join(
            f"{factors[row]} with {factors[column]}"
            for row, column in zip(rows.tolist(), columns.tolist(), strict=True)
        )
        return [f"Improper solution{where}: factors correlate beyond 1 ({pairs}); they may be one factor."]
    if np.linalg.eigvalsh(correlation)[0] < -1e-10:
        return [f"Improper solution{where}: the factors' covariance matrix is not positive definite."]
    return []
