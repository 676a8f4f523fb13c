"""Does a model of factors fit the answers: confirmatory factor analysis of ordered or continuous items.

The model is read by `analysis.factor_model`, fitted by `analysis.factor_fit` and standardised by
`analysis.factor_solution`; `analysis.factor_misfit` and `analysis.factor_scores` make the rest.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from analysis.factor_fit import Estimator, FactorFit, MissingAnswers, as_correlations, fitted_normal, fitted_ordinal
from analysis.factor_misfit import modification_table, residual_correlations, residual_z
from analysis.factor_model import FactorPlan, Identification, model_items, pairs_of, planned
from analysis.factor_scores import factor_scores
from analysis.factor_solution import (
    STANDARDISED,
    Parameters,
    discriminant_table,
    factor_index,
    intercept_table,
    interval_frame,
    loading_table,
    pair_index,
    residual_variance_table,
    standardised_solution,
    threshold_table,
)
from analysis.result import Result
from analysis.sentences import listed
from analysis.structure import factor_moments

_ORDINAL = ("WLSMV", "ULSMV", "DWLS")
_ESTIMATORS: dict[str, str] = {
    "WLSMV": "diagonally weighted least squares on thresholds and polychoric correlations (in two steps; Olsson, 1979), with "
    "robust standard errors and a scaled and shifted test (WLSMV; Muthén, du Toit & Spisic, 1997; Asparouhov & Muthén, 2010)",
    "ULSMV": "unweighted least squares on thresholds and polychoric correlations (in two steps; Olsson, 1979), with robust "
    "standard errors and a scaled and shifted test (ULSMV; Muthén, 1993; Asparouhov & Muthén, 2010)",
    "DWLS": "diagonally weighted least squares on thresholds and polychoric correlations (Jöreskog & Sörbom, 1996)",
    "ML": "maximum likelihood on the items' covariances (Jöreskog, 1969)",
    "MLR": "maximum likelihood on the items' covariances with robust standard errors (Huber, 1967; White, 1982) and the "
    "scaled test of Yuan & Bentler (2000; Asparouhov & Muthén, 2005)",
}
_MISSING: dict[str, tuple[str, ...]] = {"ordinal": ("listwise", "pairwise"), "normal": ("listwise", "fiml")}
# Fewest people that a factor analysis is trusted with: 7 an item and 100 (Terwee et al., 2007).
_PEOPLE_AN_ITEM, _PEOPLE = 7, 100
# Fewer clusters than this make cluster-robust errors too small.
_FEW_CLUSTERS = 30


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Confirmatory(Result):
    """A fitted factor model. `table` has the standardised loadings, ready for a paper.

    Parameters
    ----------
    fit : pandas.Series
        Chi-squares and fit indices by name, those that are defined for the estimator.
    cutoffs : pandas.DataFrame
        Index ``measure``: estimates beside the usual cut-offs and what these were made for.
    loadings : pandas.DataFrame
        Index ``factor, item`` (the item is a factor in a second-order model): estimate with error and interval,
        then the same standardised. A loading that is fixed has no error.
    correlations : pandas.DataFrame
        Index ``factor, other``: of the factors, standardised, with error and interval.
    thresholds : pandas.DataFrame
        Index ``item, threshold``; empty for ML and MLR.
    intercepts : pandas.DataFrame
        Index ``item``; empty where means are not part of the model.
    residual_variances : pandas.DataFrame
        Index ``item``: with ``std_estimate`` and ``r_squared``. Of ordered items the part of the variance of 1 that the
        factors leave.
    error_correlations : pandas.DataFrame
        Index ``item, other``: those asked for by ``correlated_errors``.
    residual_correlations, residual_z : pandas.DataFrame
        Item × item: observed less implied correlations; and residuals over their standard errors, of polychoric
        correlations or of covariances.
    modification_indices : pandas.DataFrame
        Index ``element, left, right`` (a loading's factor is at left), the largest first: ``mi``, expected change
        ``epc``, and in standard deviations ``sepc``.
    average_variance, composite_reliability : pandas.DataFrame
        Index ``factor``: with error and interval.
    discriminant : pandas.DataFrame
        Index ``factor, other``: ``correlation``, its square, both average variances (Fornell & Larcker, 1981), ``htmt``
        (Henseler, Ringle & Sarstedt, 2015) and ``htmt2`` (Roemer, Schuberth & Henseler, 2021).
    factor_scores : pandas.DataFrame
        Response × factor.
    """

    fit: pd.Series
    cutoffs: pd.DataFrame
    loadings: pd.DataFrame
    correlations: pd.DataFrame
    thresholds: pd.DataFrame
    intercepts: pd.DataFrame
    residual_variances: pd.DataFrame
    error_correlations: pd.DataFrame
    residual_correlations: pd.DataFrame
    residual_z: pd.DataFrame
    modification_indices: pd.DataFrame
    average_variance: pd.DataFrame
    composite_reliability: pd.DataFrame
    discriminant: pd.DataFrame
    factor_scores: pd.DataFrame


def confirmatory(
    items: pd.DataFrame,
    model: Mapping[str, Sequence[str]],
    *,
    estimator: Estimator = "WLSMV",
    missing: MissingAnswers = "listwise",
    method_factors: Mapping[str, Sequence[str]] | None = None,
    bifactor: bool | str = False,
    second_order: str | Mapping[str, Sequence[str]] | None = None,
    clusters: pd.Series | None = None,
    identification: Identification = "variance",
    correlated_errors: Iterable[tuple[str, str]] = (),
) -> Confirmatory:
    """Fit a model in which each factor is measured by certain items.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item. Columns that no factor names are left out, with a note.
    model : mapping
        Factor → its items. An item may be named by several factors: it then loads on each.
    estimator : {"WLSMV", "ULSMV", "DWLS", "ML", "MLR"}
        The first three take items as ordered, the others as continuous. DWLS has neither robust standard errors
        nor a corrected test: prefer WLSMV.
    missing : {"listwise", "pairwise", "fiml"}
        Whether responses with a gap are left out; each statistic uses all who answered (ordered items); or every
        answer counts by maximum likelihood (continuous items).
    method_factors : mapping, optional
        Name → items of factors beside the others and uncorrelated with all: the wording of reversed items.
    bifactor : bool or str
        Whether a general factor of all items stands beside those of ``model``, all uncorrelated. Text is its
        name, else ``general``.
    second_order : str or mapping, optional
        Name of a factor of all factors, or name → factors.
    clusters : pandas.Series, optional
        The team of each response, on the index of ``items``: standard errors and tests allow for likeness within
        teams. For WLSMV, ULSMV and MLR.
    identification : {"variance", "marker"}
        The unit of a factor: its own standard deviation, or that of its first item (loading 1). Fit and
        standardised results are the same.
    correlated_errors : iterable of pairs, optional
        Items whose residuals correlate.

    Returns
    -------
    Confirmatory
        ``table`` has the index ``factor, item``: standardised loading (``estimate``), its standard error and interval,
        ``p`` of the loading, and the item's ``r_squared``. A factor points the way of its first item; a note says so
        where most of its items point the other way. Further tables are fields: ``.fit`` (chi-squares and indices),
        ``.loadings`` (raw and standardised), ``.correlations`` (of factors), ``.thresholds``,
        ``.modification_indices``, ``.discriminant`` (average variances and HTMT), ``.factor_scores``, and those that
        `Confirmatory` lists.

    Raises
    ------
    FitError
        A ``ValueError``: if the model is not identified or does not converge, naming the parameters, or a matrix is
        singular.
    ValueError
        If options contradict each other, the model names what is not there or names it twice, a factor has too few
        items, there are not more people than items, or answers are not fit (`ordinal_moments`, `complete_items`).

    Notes
    -----
    Every shared number agrees with lavaan 0.6-14, including what it leaves undefined: information criteria for
    ordered items. Robust CFI, TLI and RMSEA: `analysis.fit_indices.robust_indices`. Standard errors of standardised
    results by the delta method, with exact derivatives (complex steps; Squire & Trapp, 1998).
    Modification indices are score tests not corrected for non-normality or ordered answers. Composite
    reliability is the factor's share of the variance of its items' sum (McDonald, 1999, ω), for ordered items of
    the sum of what is behind them. Factor scores: the regression method
    (Thurstone, 1935) for continuous items, from the answered ones; the mode of the posterior (Bayes modal; as
    lavaan's ``EBM``) for ordered ones.

    Means are part of the model with FIML or clusters, and then their residuals count in the SRMR.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> behind = np.repeat(rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=500), 3, axis=1)
    >>> answers = np.digitize(behind + rng.normal(size=(500, 6)), [-2, -0.5, 0.5, 2]) + 1
    >>> answers = pd.DataFrame(answers, columns=["a1", "a2", "a3", "b1", "b2", "b3"])
    >>> found = confirmatory(answers, {"a": ["a1", "a2", "a3"], "b": ["b1", "b2", "b3"]})
    >>> found.correlations["estimate"].round(1).to_dict()
    {('a', 'b'): 0.4}
    >>> int(found.fit["df"]), bool(found.fit["cfi_robust"] > 0.97)
    (8, True)
    """
    ordinal = _checked_options(estimator, missing, identification, clusters)
    plan = planned(model, method_factors, bifactor, second_order, correlated_errors)
    answers, left_out = model_items(items, plan)
    fitted = (
        fitted_ordinal(answers, plan, estimator, missing, identification, clusters)
        if ordinal
        else fitted_normal(answers, plan, estimator, missing, identification, clusters)
    )
    quantities = standardised_solution(plan, fitted)
    fit = _ordered(fitted.fit | {"npar": len(fitted.model.names), "n": fitted.n})
    versions = _versions(plan, fitted)
    loadings = loading_table(plan, fitted, quantities)
    scores, score_notes = factor_scores(plan, fitted)
    parameters = Parameters(fitted)
    residual = residual_variance_table(plan, fitted, quantities, parameters)
    discriminant = discriminant_table(plan, fitted, quantities)
    return Confirmatory(
        title=f"{plan.title}, standardised loadings ({estimator})",
        table=_paper_table(loadings, residual),
        method=_method(plan, estimator, missing, clusters, n=fitted.n, asked=len(items)),
        notes=(
            _fit_line(fit, versions),
            *left_out,
            *_sample_size_notes(fitted.n, len(plan.items)),
            *_cluster_notes(clusters, fitted.answers, parameters=len(fitted.model.names)),
            *plan.notes,
            *_improper(plan, fitted),
            *fitted.notes,
            *_reversed(plan, fitted),
            *_against_first(plan, fitted),
            *_without_htmt(plan, discriminant),
            *score_notes,
            *_fit_notes(fit, versions, ordinal=ordinal),
        ),
        fit=fit,
        cutoffs=_cutoffs(fit, versions),
        loadings=loadings,
        correlations=interval_frame(
            quantities["correlations"], pair_index(plan.factors, plan.reported), correlations=True
        ),
        thresholds=threshold_table(plan, fitted, parameters),
        intercepts=intercept_table(plan, fitted, parameters),
        residual_variances=residual,
        error_correlations=interval_frame(
            quantities["error_correlations"],
            pair_index(plan.items, plan.errors, ("item", "other")),
            correlations=True,
        ),
        residual_correlations=residual_correlations(plan, fitted),
        residual_z=residual_z(plan, fitted),
        modification_indices=modification_table(plan, fitted),
        average_variance=interval_frame(quantities["average_variance"], factor_index(plan), tested=False),
        composite_reliability=interval_frame(quantities["composite_reliability"], factor_index(plan), tested=False),
        discriminant=discriminant,
        factor_scores=scores,
    )


def _checked_options(
    estimator: str, missing: str, identification: str, clusters: pd.Series | None
) -> Literal[True, False]:
    """Return whether items are taken as ordered."""
    if estimator not in _ESTIMATORS:
        raise ValueError(f"estimator must be one of {', '.join(_ESTIMATORS)}; got {estimator!r}")
    if identification not in ("variance", "marker"):
        raise ValueError(f"identification must be 'variance' or 'marker', got {identification!r}")
    ordinal = estimator in _ORDINAL
    allowed = _MISSING["ordinal" if ordinal else "normal"]
    if missing not in ("listwise", "pairwise", "fiml"):
        raise ValueError(f"missing must be 'listwise', 'pairwise' or 'fiml', got {missing!r}")
    if missing not in allowed:
        other = "full information needs ML or MLR" if ordinal else "pairwise statistics need WLSMV, ULSMV or DWLS"
        raise ValueError(
            f"missing={missing!r} does not go with {estimator}, which takes {' or '.join(allowed)}: {other}"
        )
    if clusters is not None and estimator in ("ML", "DWLS"):
        raise ValueError(
            f"{estimator} has no standard errors for clusters: use {'MLR' if estimator == 'ML' else 'WLSMV'}"
        )
    return ordinal


_FIT_ORDER = (
    "npar",
    "n",
    "chisq",
    "df",
    "p",
    "chisq_scaled",
    "df_scaled",
    "p_scaled",
    "scaling_factor",
    "shift",
    "cfi",
    "tli",
    "rmsea",
    "rmsea_ci_low",
    "rmsea_ci_high",
    "rmsea_p_close",
    "srmr",
    "cfi_scaled",
    "tli_scaled",
    "rmsea_scaled",
    "rmsea_scaled_ci_low",
    "rmsea_scaled_ci_high",
    "rmsea_scaled_p_close",
    "cfi_robust",
    "tli_robust",
    "rmsea_robust",
    "rmsea_robust_ci_low",
    "rmsea_robust_ci_high",
    "rmsea_robust_p_close",
    "loglik",
    "aic",
    "bic",
    "baseline_chisq",
    "baseline_df",
    "baseline_chisq_scaled",
    "baseline_scaling_factor",
)


def _ordered(found: Mapping[str, float]) -> pd.Series:
    names = [name for name in _FIT_ORDER if name in found]
    return pd.Series([float(found[name]) for name in names], index=pd.Index(names, name="measure"), name="estimate")


def _versions(plan: FactorPlan, fitted: FactorFit) -> tuple[str, ...]:
    """List the versions of an index, that to report first.

    With fewer people than polychoric correlations the robust ones judge true models badly: of 40 items and 150 people
    CFI averaged .92 and RMSEA .04 over samples from a model that holds.
    """
    items = len(plan.items)
    if fitted.ordinal and fitted.n < items * (items - 1) // 2:
        return "_scaled", ""
    return "_robust", "_scaled", ""


def _best(fit: pd.Series, measure: str, versions: tuple[str, ...]) -> tuple[str, float]:
    """Return the first version of an index that there is."""
    for suffix in versions:
        if f"{measure}{suffix}" in fit:
            return suffix.removeprefix("_"), float(fit[f"{measure}{suffix}"])
    raise KeyError(measure)


def _fit_line(fit: pd.Series, versions: tuple[str, ...]) -> str:
    if not fit["df"]:
        return f"Fit cannot be judged: 0 degrees of freedom, n = {fit['n']:.0f}."
    scaled = "_scaled" if "chisq_scaled" in fit else ""
    words = {"robust": "robust ", "scaled": "scaled ", "": ""}
    kind, closeness = _best(fit, "cfi", versions)
    at = f"rmsea{'_' if kind else ''}{kind}"
    p = fit[f"p{scaled}"]
    also = ""
    if kind == "robust" and "cfi_scaled" in fit:
        also = f" (scaled: CFI = {fit['cfi_scaled']:.3f}, TLI = {fit['tli_scaled']:.3f}, RMSEA = {fit['rmsea_scaled']:.3f})"
    return (
        f"Fit: {'scaled ' if scaled else ''}χ²({fit['df']:.0f}) = {fit[f'chisq{scaled}']:.2f}, "
        f"p {'< .001' if p < 0.001 else f'= {p:.3f}'.replace('0.', '.')}; {words[kind]}CFI = {closeness:.3f}, "
        f"{words[kind]}TLI = {_best(fit, 'tli', versions)[1]:.3f}, {words[kind]}RMSEA = {fit[at]:.3f} (90 % CI "
        f"{fit[f'{at}_ci_low']:.3f} to {fit[f'{at}_ci_high']:.3f}), SRMR = {fit['srmr']:.3f}{also}; n = {fit['n']:.0f}."
    )


def _cutoffs(fit: pd.Series, versions: tuple[str, ...]) -> pd.DataFrame:
    columns = ["estimate", "version", "cutoff", "source"]
    if not fit["df"]:
        return pd.DataFrame(columns=columns, index=pd.Index([], name="measure", dtype=object))
    usual = {"cfi": "≥ .95", "tli": "≥ .95", "rmsea": "≤ .06", "srmr": "≤ .08"}
    source = "Hu & Bentler (1999), made for ML with normal, continuous answers"
    rows = []
    for measure, bound in usual.items():
        version, value = _best(fit, measure, versions)
        rows.append((value, version or "plain", bound, source))
    return pd.DataFrame(rows, index=pd.Index(list(usual), name="measure"), columns=columns)


def _paper_table(loadings: pd.DataFrame, residual: pd.DataFrame) -> pd.DataFrame:
    table = loadings[STANDARDISED].rename(columns=lambda name: name.removeprefix("std_"))
    explained = loadings.index.get_level_values("item").map(residual["r_squared"].to_dict())
    tested = loadings["std_estimate"] / loadings["std_se"]
    return table.assign(p=2 * stats.norm.sf(tested.abs()), r_squared=np.asarray(explained, dtype=float))


def _method(
    plan: FactorPlan,
    estimator: Estimator,
    missing: MissingAnswers,
    clusters: pd.Series | None,
    *,
    n: int,
    asked: int,
) -> str:
    gaps = {
        "listwise": f" of {asked} responses, those without a gap (listwise)" if n < asked else " responses",
        "pairwise": " responses; each threshold and correlation uses all who answered (pairwise)",
        "fiml": " responses; gaps by full information (FIML; Arbuckle, 1996)",
    }[missing]
    shape = ""
    if plan.general and plan.members[plan.general[0]]:
        shape = " The general factor and the others are uncorrelated (bifactor; Holzinger & Swineford, 1937)."
    if plan.method:
        names = listed(plan.factors[each] for each in plan.method)
        shape += (
            f" The method factor {names} is uncorrelated with the others."
            if len(plan.method) == 1
            else f" The method factors {names} are uncorrelated with each other and with the others."
        )
    teams = " Standard errors and tests allow for likeness within clusters." if clusters is not None else ""
    robust = ""
    if estimator in ("WLSMV", "ULSMV"):
        robust = " Robust CFI, TLI and RMSEA after Savalei (2021)."
    elif missing == "fiml":
        robust = " Robust CFI, TLI and RMSEA after Zhang & Savalei (2023)."
    elif estimator == "MLR":
        robust = " Robust CFI and TLI after Brosseau-Liard & Savalei (2014), RMSEA after Brosseau-Liard, Savalei & Li (2012)."
    return (
        f"{plan.title}; {_ESTIMATORS[estimator]}; n = {n}{gaps}.{shape}{teams}{robust} Standard errors of standardised "
        "loadings by the delta method, their intervals and those of correlations on the scale of Fisher's z."
    )


def _sample_size_notes(n: int, items: int) -> tuple[str, ...]:
    wanted = max(_PEOPLE_AN_ITEM * items, _PEOPLE)
    if n >= wanted:
        return ()
    return (
        f"{n} people are few for {items} items: 7 an item and at least 100 are asked for, {wanted} here (Terwee et al., "
        "2007). Take the loadings as rough; tests, standard errors and fit indices are not to be trusted. Fit the "
        "factors one at a time, or gather more answers.",
    )


def _fit_notes(fit: pd.Series, versions: tuple[str, ...], *, ordinal: bool) -> tuple[str, ...]:
    """Say which of the indices to report, and what their cut-offs were made for."""
    if not fit["df"]:
        return ()
    better = (
        "; with ordered answers the uncorrected and the scaled CFI, TLI and RMSEA look better than those of ML for the same "
        "misfit (Xia & Yang, 2019; Savalei, 2021)"
    )
    notes: tuple[str, ...] = (
        f"Cut-offs for fit (`cutoffs`) were made for ML with normal answers (Hu & Bentler, 1999){better if ordinal else ''}.",
    )
    if "cfi_robust" in fit and "_robust" not in versions:
        notes = (
            "There are fewer people than correlations of the items: the robust CFI, TLI and RMSEA in `fit` then look bad for a "
            "model that holds, too; report the scaled ones.",
            *notes,
        )
    if "chisq_scaled" in fit:
        notes = (
            "In `fit`, `chisq` and the indices without a suffix are uncorrected: report the scaled or the robust ones.",
            *notes,
        )
    return notes


def _cluster_notes(clusters: pd.Series | None, answers: pd.DataFrame, *, parameters: int) -> tuple[str, ...]:
    if clusters is None:
        return ()
    count = int(clusters.loc[answers.index].nunique())
    said = f"Standard errors and tests allow for likeness within {count} clusters"
    if count < _FEW_CLUSTERS:
        said += f"; with fewer than about {_FEW_CLUSTERS} they are too optimistic (Cameron, Gelbach & Miller, 2008)"
    if count >= parameters:
        return (f"{said}.",)
    return (
        f"{said}.",
        f"There are fewer clusters ({count}) than parameters ({parameters}): their covariance is singular; read standard "
        "errors and the scaled test with caution. Fit a smaller model (the factors one at a time), or "
        "gather more clusters.",
    )


def _improper(plan: FactorPlan, fitted: FactorFit) -> tuple[str, ...]:
    """Say which variances are negative and which factors correlate beyond 1."""
    theta = np.diag(fitted.parts.error_covariance)
    notes = [
        f"Heywood case: the residual variance of {plan.items[item]} is negative ({theta[item]:.3f}); read the model's "
        "numbers with caution (too few people, or a wrong model)."
        for item in np.flatnonzero(theta < 0)
    ]
    notes += [
        f"Heywood case: the residual variance of the factor {plan.factors[factor]} is negative."
        for factor in np.flatnonzero(np.diag(fitted.parts.factor_covariance) < 0)
    ]
    correlations = as_correlations(factor_moments(fitted.parts)[1])
    beyond = [pair for pair in pairs_of(list(range(len(plan.factors)))) if abs(correlations[pair]) >= 1]
    notes += [
        f"The factors {plan.factors[a]} and {plan.factors[b]} correlate {correlations[a, b]:.3f}, beyond what is possible: "
        "they may be one, or the sample is too small to tell them apart."
        for a, b in beyond
    ]
    if not beyond and np.linalg.eigvalsh(correlations)[0] <= 0:
        notes.append("The factors' correlations are not positive definite: one factor is a mixture of others.")
    return tuple(notes)


def _reversed(plan: FactorPlan, fitted: FactorFit) -> tuple[str, ...]:
    """Say which items composite reliability turns round."""
    turned = []
    for factor in plan.measured:
        own = list(plan.members[factor])
        negative = [plan.items[item] for item in own if fitted.parts.loadings[item, factor] < 0]
        if 0 < len(negative) < len(own):
            turned.append(f"{listed(negative)} on {plan.factors[factor]}")
    if not turned:
        return ()
    return (f"Negative loadings, taken as reversed items in composite reliability: {'; '.join(turned)}.",)


def _against_first(plan: FactorPlan, fitted: FactorFit) -> tuple[str, ...]:
    """Say which factors point away from most of what measures them, since they point the way of the first item."""
    notes = []
    for factor in plan.measured:
        own = plan.members[factor]
        against = [plan.items[item] for item in own if fitted.parts.loadings[item, factor] < 0]
        if 2 * len(against) > len(own):
            first = plan.items[own[0]]
            notes.append(
                f"Most items of {plan.factors[factor]} ({listed(against)}) load against its first item, {first}: a high score on "
                f"the factor, and a positive correlation with it, mean a high {first}. Turn the reversed items, or put another "
                "item first."
            )
    return tuple(notes)


def _without_htmt(plan: FactorPlan, discriminant: pd.DataFrame) -> tuple[str, ...]:
    """Say where HTMT is undefined since a factor's items do not correlate; factors that share items have none anyway."""
    members = {plan.factors[factor]: set(plan.members[factor]) for factor in plan.traits}
    apart = [pair for pair in discriminant.index if not members[pair[0]] & members[pair[1]]]
    notes = []
    for measure in ("htmt", "htmt2"):
        undefined = [f"{a} and {b}" for a, b in apart if np.isnan(discriminant.loc[(a, b), measure])]
        if undefined:
            notes.append(
                f"`{measure}` is undefined for {'; '.join(undefined)}: items of a factor do not correlate, and it divides by "
                "these correlations."
            )
    return tuple(notes)
