"""A model of factors, fitted to ordered or continuous answers: estimates and indices of fit."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis import least_squares, normal_theory
from analysis.factor_model import FactorPlan, Identification, written
from analysis.fit_indices import (
    ModelTest,
    RobustTest,
    incremental_and_absolute,
    robust_indices,
    robust_test,
    robust_tests_of_correlations,
    srmr,
)
from analysis.missing import numeric_answers
from analysis.ordinal import ordinal_moments, refuse_stray_codes
from analysis.sample import complete_items
from analysis.structure import Model, Parts, filled, implied_covariance, implied_mean, ordinal_jacobian

Matrix = NDArray[np.floating[Any]]
Estimator = Literal["WLSMV", "ULSMV", "DWLS", "ML", "MLR"]
MissingAnswers = Literal["listwise", "pairwise", "fiml"]

_JUST_IDENTIFIED = (
    "The model has as many parameters as the items have statistics (0 degrees of freedom): it fits whatever the answers "
    "are, so that fit cannot be judged."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorFit:
    """A fitted factor model, the same for ordered and continuous items.

    Attributes
    ----------
    answers : DataFrame
        Of the people who count.
    model : Model
    parameters, covariance : arrays
    parts : Parts
        Filled, with the residual variances of ordered items put in.
    ordinal : bool
    observed, implied : (items, items) arrays
    n : int
    fit : dict
    engine : LeastSquaresFit or NormalFit
    notes : tuple of str
    """

    answers: pd.DataFrame
    model: Model
    parameters: Matrix
    covariance: Matrix
    parts: Parts[Matrix]
    ordinal: bool
    observed: Matrix
    implied: Matrix
    n: int
    fit: dict[str, float]
    engine: least_squares.LeastSquaresFit | normal_theory.NormalFit
    notes: tuple[str, ...]


def fitted_ordinal(
    answers: pd.DataFrame,
    plan: FactorPlan,
    estimator: Estimator,
    missing: MissingAnswers,
    identification: Identification,
    clusters: pd.Series | None,
) -> FactorFit:
    """Fit a model to the thresholds and polychoric correlations of ordered items.

    Parameters
    ----------
    answers : pandas.DataFrame
        Response × item, the items of the plan.
    plan : FactorPlan
    estimator : {"WLSMV", "ULSMV", "DWLS"}
    missing : {"listwise", "pairwise"}
    identification : {"variance", "marker"}
    clusters : pandas.Series or None

    Returns
    -------
    FactorFit
    """
    way: Literal["listwise", "pairwise"] = "pairwise" if missing == "pairwise" else "listwise"
    numbers = numeric_answers(answers)
    kept = numbers.dropna() if way == "listwise" else numbers.dropna(how="all")
    _more_people_than_items(len(kept), len(plan.items))
    moments = ordinal_moments(answers, missing=way, clusters=clusters)
    weights: Literal["diagonal", "identity"] = "identity" if estimator == "ULSMV" else "diagonal"
    model = written(plan, identification, cuts=[len(each) for each in moments.thresholds], means=False)
    engine = least_squares.fit_least_squares([moments], model, weights=weights)
    baseline = least_squares.fit_independence([moments], weights=weights)
    engine = replace(engine, **_towards_first(plan, engine))
    parts = with_residual_variances(engine.estimates[0])
    implied = implied_covariance(parts)
    naive = estimator == "DWLS"
    fit, notes = _ordinal_indices(engine, baseline, implied, naive=naive)
    return FactorFit(
        answers=kept,
        model=model,
        parameters=engine.parameters,
        covariance=_naive_covariance(engine) if naive else engine.covariance,
        parts=parts,
        ordinal=True,
        observed=moments.correlations,
        implied=implied,
        n=moments.n,
        fit=fit | {"srmr": srmr([moments.correlations], [implied], n=[moments.n])},
        engine=engine,
        notes=(
            *moments.notes,
            *notes,
            "Information criteria are left out: least squares has no likelihood.",
        ),
    )


def _ordinal_indices(
    engine: least_squares.LeastSquaresFit, baseline: least_squares.LeastSquaresFit, implied: Matrix, *, naive: bool
) -> tuple[dict[str, float], tuple[str, ...]]:
    if not engine.df:
        return {"chisq": engine.chi2, "df": 0}, (_JUST_IDENTIFIED,)
    # Least squares multiplies its discrepancy by n − 1, and RMSEA divides by what the chi-square was multiplied by.
    n = sum(engine.n) - len(engine.n)
    if naive:
        tests = [ModelTest(statistic=each.chi2, df=each.df) for each in (engine, baseline)]
        return incremental_and_absolute(tests[0], tests[1], n=n), (
            "DWLS supposes that its weights are the whole truth: its chi-square, its standard errors and all that "
            "follows from them are too good or too bad; WLSMV gives the same estimates and corrects these.",
        )
    tests = [
        ModelTest(
            statistic=each.chi2,
            df=each.df,
            scaling="mean and variance",
            factor=each.scaling_factor,
            shift=each.shift,
        )
        for each in (engine, baseline)
    ]
    found = incremental_and_absolute(tests[0], tests[1], n=n)
    if engine.weights == "identity":
        # Without weights the discrepancy is nothing like a chi-square; lavaan gives no p either.
        del found["p"]
    moments = engine.moments[0]
    smallest = [float(np.linalg.eigvalsh(matrix)[0]) for matrix in (moments.correlations, implied)]
    if min(smallest) <= np.sqrt(np.finfo(float).eps):
        which = "observed" if smallest[0] <= smallest[1] else "implied"
        return found, (
            f"The {which} correlations are not positive definite (smallest eigenvalue {min(smallest):.2g}); they are used "
            "as they are, and robust CFI, TLI and RMSEA, which need the contrary, are left out. Use more people, fewer "
            "items, or answers joined where few gave them.",
        )
    jacobian = ordinal_jacobian(engine.model, 0, engine.estimates[0])
    cuts = sum(len(each) for each in moments.thresholds)
    moving = np.any(jacobian[cuts:] != 0, axis=0)
    gamma = np.asarray(moments.covariance)[cuts:, cuts:]
    weight = 1 / np.diag(gamma) if engine.weights == "diagonal" else np.ones(len(gamma))
    robust = robust_tests_of_correlations(
        [moments.correlations],
        [implied],
        [gamma],
        [jacobian[cuts:, moving]],
        [weight],
        n=engine.n,
        df=engine.df,
    )
    return found | robust_indices(robust[0], robust[1], n=n), ()


def _naive_covariance(engine: least_squares.LeastSquaresFit) -> Matrix:
    """Covariance of parameters if the weights were the inverse of the statistics' covariance."""
    jacobian = ordinal_jacobian(engine.model, 0, engine.estimates[0])
    weight = 1 / np.diag(np.asarray(engine.moments[0].covariance))
    return np.asarray(np.linalg.inv((jacobian.T * weight) @ jacobian) / (sum(engine.n) - 1))


def fitted_normal(
    answers: pd.DataFrame,
    plan: FactorPlan,
    estimator: Estimator,
    missing: MissingAnswers,
    identification: Identification,
    clusters: pd.Series | None,
) -> FactorFit:
    """Fit a model to the covariances, and with gaps or clusters the means, of continuous items.

    Parameters
    ----------
    answers : pandas.DataFrame
        Response × item, the items of the plan.
    plan : FactorPlan
    estimator : {"ML", "MLR"}
    missing : {"listwise", "fiml"}
    identification : {"variance", "marker"}
    clusters : pandas.Series or None

    Returns
    -------
    FactorFit
    """
    way: Literal["listwise", "fiml"] = "fiml" if missing == "fiml" else "listwise"
    robust = estimator == "MLR"
    means = way == "fiml" or clusters is not None
    numbers = numeric_answers(answers)
    refuse_stray_codes(numbers)
    used = numbers.dropna() if way == "listwise" else numbers.dropna(how="all")
    _more_people_than_items(len(used), len(plan.items))
    notes = complete_items(answers)[1] if way == "listwise" else _gap_notes(numbers, used)
    teams = None if clusters is None else [_teams(clusters, answers).loc[used.index]]
    model = written(plan, identification, cuts=None, means=means)
    groups = normal_theory.sorted_groups([used], items=len(plan.items), missing=way, clusters=teams)
    engine = normal_theory.fit_normal(groups, model, robust=robust, missing=way, means=means)
    baseline = normal_theory.fit_independence(groups, robust=robust, missing=way, means=means)
    engine = replace(engine, **_towards_first(plan, engine))
    implied = implied_covariance(engine.estimates[0])
    fit, index_notes = _normal_indices(engine, baseline)
    off_mean = engine.sample_means[0] - implied_mean(engine.estimates[0])
    fit["srmr"] = srmr([engine.sample_covariances[0]], [implied], n=[len(used)], means=[off_mean] if means else None)
    size = len(model.names)
    fit |= {
        "loglik": engine.loglik,
        "aic": 2 * size - 2 * engine.loglik,
        "bic": size * float(np.log(len(used))) - 2 * engine.loglik,
    }
    if not means:
        index_notes += ("Means are not part of this model: they would fit perfectly.",)
    return FactorFit(
        answers=used,
        model=model,
        parameters=engine.parameters,
        covariance=engine.covariance,
        parts=engine.estimates[0],
        ordinal=False,
        observed=engine.sample_covariances[0],
        implied=implied,
        n=len(used),
        fit=fit,
        engine=engine,
        notes=(*notes, *index_notes),
    )


def _normal_indices(
    engine: normal_theory.NormalFit, baseline: normal_theory.NormalFit
) -> tuple[dict[str, float], tuple[str, ...]]:
    if not engine.df:
        return {"chisq": engine.chi2, "df": 0}, (_JUST_IDENTIFIED,)
    n = engine.total_n
    model, unrelated = (
        ModelTest(statistic=each.chi2, df=each.df, scaling="mean", factor=each.scaling_factor)
        if each.robust
        else ModelTest(statistic=each.chi2, df=each.df)
        for each in (engine, baseline)
    )
    found = incremental_and_absolute(model, unrelated, n=n)
    if engine.missing == "fiml":
        corrected = []
        for each in (engine, baseline):
            statistic, factor = normal_theory.fiml_corrected(each)
            corrected.append(RobustTest(statistic=statistic, df=each.df, factor=factor))
        return found | robust_indices(corrected[0], corrected[1], n=n), ()
    if engine.robust:
        return found | robust_indices(robust_test(model), robust_test(unrelated), n=n), ()
    return found, ()


def _towards_first(plan: FactorPlan, engine: least_squares.LeastSquaresFit | normal_theory.NormalFit) -> dict[str, Any]:
    """Turn factors that point away from their first item: what changes of a fit, all else is the same."""
    parts, free = engine.estimates[0], engine.model.groups[0].free
    sign = np.ones(len(plan.factors))
    for factor, members in enumerate(plan.members):
        if members and parts.loadings[members[0], factor] < 0:
            sign[factor] = -1.0
    for factor, below in enumerate(plan.explains):
        if below and parts.paths[below[0], factor] * sign[below[0]] < 0:
            sign[factor] = -1.0
    turns = np.ones(len(engine.parameters))
    for numbers, signs in (
        (free.loadings, np.broadcast_to(sign, free.loadings.shape)),
        (free.paths, np.outer(sign, sign)),
        (free.factor_covariance, np.outer(sign, sign)),
    ):
        turns[numbers[numbers >= 0]] = signs[numbers >= 0]
    parameters = engine.parameters * turns
    return {
        "parameters": parameters,
        "estimates": filled(engine.model, parameters),
        "covariance": engine.covariance * np.outer(turns, turns),
    }


def _more_people_than_items(n: int, items: int) -> None:
    if n <= items:
        raise ValueError(
            f"more people than items are needed, got {n} people for {items} items: use more, or fewer items"
        )


def _teams(clusters: pd.Series, answers: pd.DataFrame) -> pd.Series:
    if not isinstance(clusters, pd.Series):
        raise ValueError(
            f"clusters must be a Series on the index of the answers, one team for each response; got {type(clusters).__name__}"
        )
    if not clusters.index.is_unique or not answers.index.is_unique:
        raise ValueError("labels repeat in the index of clusters or answers: give each response a label of its own")
    if not answers.index.isin(clusters.index).all():
        raise ValueError("clusters must stand on the index of the answers, one team for each response")
    teams = clusters.loc[answers.index]
    if teams.isna().any():
        raise ValueError(f"{int(teams.isna().sum())} responses have no cluster: fill it in, or leave them out")
    return teams


def _gap_notes(numbers: pd.DataFrame, used: pd.DataFrame) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if len(used) < len(numbers):
        notes += (f"{len(numbers) - len(used)} of {len(numbers)} responses hold no answer and are left out.",)
    share = float(used.isna().to_numpy().mean())
    if share:
        notes += (
            f"{share:.1%} of the answers were missing; full-information maximum likelihood supposes that gaps depend on "
            "given answers alone (missing at random).".replace("%", " %", 1),
        )
    return notes


def with_residual_variances(parts: Parts[Matrix]) -> Parts[Matrix]:
    """Put in what the factors leave of the variance of 1 of each ordered item.

    Parameters
    ----------
    parts : Parts
        Without residual variances, real or complex.

    Returns
    -------
    Parts
    """
    errors = parts.error_covariance.copy()
    np.fill_diagonal(errors, 0.0)
    common = np.diag(implied_covariance(replace(parts, error_covariance=errors)))
    errors = errors + np.diag(1 - common)
    return replace(parts, error_covariance=errors)


def as_correlations(matrix: Matrix) -> Matrix:
    """Divide covariances by the standard deviations.

    Parameters
    ----------
    matrix : (n, n) array

    Returns
    -------
    (n, n) array
    """
    sd = np.sqrt(np.diag(matrix))
    return np.asarray(matrix / np.outer(sd, sd))
