"""How consistently items measure: alpha, omega, item analysis, measurement error, composites of subscales."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from analysis.missing import moments_error, numeric_answers
from analysis.normal_theory import (
    CovarianceModel,
    FitError,
    MLFit,
    _derivatives,
    _filled,
    _free,
    delta_method,
    fit_ml,
    improper,
    one_factor,
    robust_covariance,
    second_order,
)
from analysis.result import Result
from analysis.sample import Missing, Sample, complete_items, sample_moments

Matrix = NDArray[np.floating[Any]]

_DRAWS = 1000
_COLUMNS = ["estimate", "se", "ci_low", "ci_high", "n"]
_OMEGA_INTERVAL = (
    "interval by the delta method on the logit scale (Raykov & Marcoulides, 2011) with standard errors that "
    "do not suppose normal answers"
)

_INDEPENDENT = (
    " Intervals take people as independent; people of one team are not, so that they are somewhat too narrow."
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Reliability(Result):
    """Reliability of a scale, its items, and the measurement error of its mean score.

    Parameters
    ----------
    items : pandas.DataFrame
        Index ``item``: ``n``, ``mean``, ``sd``, ``item_rest`` (correlation with the sum of the others),
        ``alpha_if_dropped`` and ``loading`` (standardised, one factor by ML).
    measurement_error : pandas.DataFrame
        Index ``statistic``: ``sem`` and ``sdc_individual``, in the unit of an item.
    """

    items: pd.DataFrame
    measurement_error: pd.DataFrame


def cronbach_alpha(items: pd.DataFrame) -> float:
    """Give Cronbach's alpha, from the responses without gaps.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, keyed so that all items point one way.

    Returns
    -------
    float

    Raises
    ------
    ValueError
        For fewer than 2 items or 3 complete responses, text, infinite answers, or an item that nobody
        answered or on which all agree.

    Notes
    -----
    k / (k − 1) × (1 − sum of the items' variances / variance of their sum) (Cronbach, 1951).

    Examples
    --------
    >>> import pandas as pd
    >>> round(cronbach_alpha(pd.DataFrame({"a": [1, 2, 3, 4], "b": [1, 3, 2, 4]})), 4)
    0.8889
    """
    complete, _ = complete_items(items)
    return float(_alpha(_checked(np.cov(complete.to_numpy(), rowvar=False))))


def reliability(items: pd.DataFrame, *, missing: Missing = "listwise", seed: int = 0) -> Reliability:
    """Estimate the reliability of a scale and analyse its items.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, keyed so that all items point one way (`instrument.keyed`).
    missing : {"listwise", "ml"}
        Whether responses with a gap are left out, with a note, or every answer is used by maximum
        likelihood (`analysis.sample.sample_moments`).
    seed : int
        Of the bootstrap behind the interval of ``alpha_standardised`` (``missing="listwise"`` alone).

    Returns
    -------
    Reliability
        ``table`` has the index ``coefficient``: ``alpha``, ``alpha_standardised`` and ``omega``
        (left out, with a note, where the one-factor model cannot be fitted).

    Raises
    ------
    ValueError
        As `cronbach_alpha`.

    Notes
    -----
    Alpha: Cronbach (1951), interval of Feldt, Woodruff & Salih (1987). Standardised alpha: from
    correlations, percentile bootstrap of 1000 resamples of people. Omega: share of the variance of the sum
    that one factor explains, (Σλ)² / ((Σλ)² + Σθ) by maximum likelihood (McDonald, 1999).
    SEM = SD × √(1 − reliability) and smallest detectable change of one person 1.96 × √2 × SEM (de Vet et
    al., 2006), of the mean of the items; reliability is omega, or alpha where there is no omega.

    With ``missing="ml"`` Feldt's interval takes n as the smallest number who answered both of any two items, and the
    other intervals are those of the delta method on the logit scale with two-stage standard errors
    (`analysis.missing.moments_error`), since a bootstrap would have to repeat the EM iterations.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> answers = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 4)), columns=list("abcd"))
    >>> reliability(answers).table["estimate"].round(2).to_dict()
    {'alpha': 0.78, 'alpha_standardised': 0.78, 'omega': 0.78}
    """
    sample = sample_moments(items, missing=missing)
    notes = sample.notes
    covariance = _checked(sample.covariance)
    columns = len(covariance)
    alpha = float(_alpha(covariance))
    rows = {
        "alpha": (alpha, np.nan, *_feldt(alpha, sample.n, columns)),
        "alpha_standardised": _interval(sample, _alpha_of_correlations, seed),
    }
    loadings: Matrix = np.full(columns, np.nan)
    try:
        if columns < 3:
            raise FitError(f"a factor needs at least 3 items, got {columns}")
        fit = _fit(sample, one_factor(columns))
    except FitError as trouble:
        notes += (f"Omega is not given: {trouble}.",)
    else:
        rows["omega"] = _omega_of(sample, fit, _omega)
        loadings = fit.estimates.loadings[:, 0] / np.sqrt(np.diag(fit.implied))
        notes += improper(fit, items=[str(name) for name in sample.answers.columns], factors=["the factor"])
    notes += _direction_notes(sample.answers, alpha, loadings)
    # Omega above 1 (a Heywood case) leaves no error variance to speak of.
    used = "omega" if "omega" in rows and rows["omega"][0] < 1 else "alpha"
    omega = f" Omega from one factor by maximum likelihood (McDonald, 1999), {_OMEGA_INTERVAL}."
    return Reliability(
        title="Reliability",
        table=_table(rows, sample.n),
        method=f"Cronbach's (1951) alpha of {columns} items and {sample.people} people, interval of Feldt et al. "
        f"(1987); standardised alpha from correlations, {_interval_method(sample, seed)}."
        + (omega if "omega" in rows else "")
        + f" Standard error of measurement of the mean of the items from {used}.{sample.method}{_INDEPENDENT}",
        notes=notes,
        items=_item_table(sample, covariance, loadings),
        measurement_error=_measurement_error(covariance, rows[used][0], sample.n),
    )


def composite_reliability(
    items: pd.DataFrame,
    subscales: Mapping[str, Sequence[str]],
    *,
    weights: Literal["subscales", "items"] = "subscales",
    missing: Missing = "listwise",
    seed: int = 0,
) -> Result:
    """Estimate the reliability of a composite of subscales, such as the mean of subscale scores.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, keyed so that all items point one way; other columns are not looked at.
    subscales : mapping of str to sequence of str
        Items of each subscale, at least 2 each.
    weights : {"subscales", "items"}
        Whether the composite is the mean of the subscales' means or the mean of all items. They differ
        where subscales differ in length.
    missing : {"listwise", "ml"}
        Whether responses with a gap are left out, with a note, or every answer is used by maximum
        likelihood (`analysis.sample.sample_moments`).
    seed : int
        Of the bootstrap behind the interval of ``alpha_stratified`` (``missing="listwise"`` alone).

    Returns
    -------
    Result
        Index ``coefficient``: ``alpha_stratified``; ``omega_second_order``, the share of the composite's
        variance that the general factor explains; ``omega_total_second_order``, the share that the
        general factor and what is particular to subscales explain together. The omegas need at
        least 3 subscales and are left out, with a note, where the model cannot be fitted.

    Raises
    ------
    ValueError
        As `cronbach_alpha`; also for fewer than 2 subscales, a subscale of fewer than 2 items, an item
        in two subscales or one that is not there.

    Notes
    -----
    Stratified alpha: 1 − Σ variance of subscale × (1 − its alpha) / variance of the composite (Cronbach,
    Schönemann & McKie, 1965), percentile bootstrap of 1000 resamples of people. Omegas: second-order model
    by maximum likelihood (Raykov & Zinbarg, 2011; ``semTools::reliabilityL2`` calls the first
    ``omegaL1``). With ``missing="ml"`` all intervals are those of the delta method, see `reliability`.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> factors = rng.normal(size=(400, 1)) + rng.normal(size=(400, 3))
    >>> items = np.repeat(factors, 2, axis=1) + rng.normal(size=(400, 6))
    >>> answers = pd.DataFrame(items, columns=list("abcdef"))
    >>> composite_reliability(answers, {"x": "ab", "y": "cd", "z": "ef"}).table["estimate"].round(2).to_dict()
    {'alpha_stratified': 0.88, 'omega_second_order': 0.66, 'omega_total_second_order': 0.88}
    """
    if weights not in {"subscales", "items"}:
        raise ValueError(f"weights must be 'subscales' or 'items', got {weights!r}")
    members = _checked_subscales(items, subscales)
    sizes = [len(names) for names in members.values()]
    answers = numeric_answers(items[[name for names in members.values() for name in names]])
    # With each item multiplied by its weight the composite is a plain sum, and every formula that of a sum.
    weight = np.repeat([1 / size if weights == "subscales" else 1.0 for size in sizes], sizes)
    sample = sample_moments(answers * weight, missing=missing)
    notes = sample.notes
    _checked(sample.covariance)
    strata = np.repeat(np.eye(len(sizes)), sizes, axis=0)

    def stratified(covariance: Matrix) -> Matrix:
        return _stratified_alpha(covariance, strata)

    rows = {"alpha_stratified": _interval(sample, stratified, seed)}
    try:
        if len(sizes) < 3:
            raise FitError(f"a second-order factor needs at least 3 subscales, got {len(sizes)}")
        fit = _fit(sample, second_order(sizes))
    except FitError as trouble:
        notes += (f"Second-order omega is not given: {trouble}.",)
    else:
        rows["omega_second_order"] = _omega_of(sample, fit, _omega_second_order)
        rows["omega_total_second_order"] = _omega_of(sample, fit, _omega)
        notes += improper(fit, items=[str(each) for each in answers.columns], factors=[*members, "general"])
        chi2 = f"chi-square = {fit.chi2:.1f}, df = {fit.df}"
        notes += (f"Omegas are only as true as the second-order model ({chi2}).",)
    kind = "the subscales' means" if weights == "subscales" else "all items"
    model = "a second-order model by maximum likelihood (Raykov & Zinbarg, 2011)"
    omegas = f"; omegas from {model}, {_OMEGA_INTERVAL}"
    return Result(
        title="Reliability of the composite",
        table=_table(rows, sample.n),
        method=f"Mean of {kind} ({len(sizes)} subscales, {len(weight)} items, {sample.people} people): stratified "
        f"alpha (Cronbach, Schönemann & McKie, 1965), {_interval_method(sample, seed)}"
        + (omegas if len(rows) > 1 else "")
        + f".{sample.method}{_INDEPENDENT}",
        notes=notes,
    )


def _checked_subscales(items: pd.DataFrame, subscales: Mapping[str, Sequence[str]]) -> dict[str, list[str]]:
    members = {name: list(names) for name, names in subscales.items()}
    if len(members) < 2:
        raise ValueError(f"a composite needs at least 2 subscales, got {len(members)}: use `reliability`")
    short = [name for name, names in members.items() if len(names) < 2]
    if short:
        raise ValueError(f"each subscale needs at least 2 items; too short: {', '.join(short)}")
    every = [name for names in members.values() for name in names]
    twice = sorted({name for name in every if every.count(name) > 1})
    if twice:
        raise ValueError(f"an item can stand in one subscale only; in two: {', '.join(twice)}")
    absent = [name for name in every if name not in items.columns]
    if absent:
        raise ValueError(f"the answers have no columns {', '.join(absent)}: add them or change `subscales`")
    return members


def _checked(covariance: Matrix) -> Matrix:
    """Covariances of items, refused if their sum does not vary."""
    if not _sum_varies(covariance):
        raise ValueError("the items cancel out, so that their sum does not vary: turn the reversed items first")
    return covariance


def _sum_varies(covariance: Matrix) -> Any:
    return covariance.sum(axis=(-2, -1)) > 1e-12 * np.trace(covariance, axis1=-2, axis2=-1)


def _alpha(covariance: Matrix) -> Matrix:
    """Alpha of one covariance matrix or of each in a stack."""
    items = covariance.shape[-1]
    total = np.where(_sum_varies(covariance), covariance.sum(axis=(-2, -1)), np.nan)
    return np.asarray(items / (items - 1) * (1 - np.trace(covariance, axis1=-2, axis2=-1) / total))


def _alpha_of_correlations(covariance: Matrix) -> Matrix:
    sd = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    return _alpha(covariance / (sd[..., :, None] * sd[..., None, :]))


def _stratified_alpha(covariance: Matrix, strata: Matrix) -> Matrix:
    """Stratified alpha; ``strata`` is item × subscale, 1 where the item belongs."""
    sizes = strata.sum(axis=0)
    subscale = np.einsum("...ij,is,js->...s", covariance, strata, strata, optimize=True)
    own = np.diagonal(covariance, axis1=-2, axis2=-1) @ strata
    error = subscale - sizes / (sizes - 1) * (subscale - own)
    return np.asarray(1 - error.sum(axis=-1) / covariance.sum(axis=(-2, -1)))


def _feldt(alpha: float, n: int, items: int) -> tuple[float, float]:
    low, high = (float(stats.f.ppf(at, n - 1, (n - 1) * (items - 1))) for at in (0.975, 0.025))
    return 1 - (1 - alpha) * low, 1 - (1 - alpha) * high


def _with_bootstrap(data: Matrix, coefficient: Any, seed: int) -> tuple[float, float, float, float]:
    """Estimate, standard error and percentile interval over resamples of people."""
    rng = np.random.default_rng(seed)
    n, items = data.shape
    centred = data - data.mean(axis=0)
    draws = np.empty((_DRAWS, items, items))
    for draw in range(_DRAWS):
        times = np.bincount(rng.integers(n, size=n), minlength=n).astype(float)
        mean = times @ centred / n
        draws[draw] = (centred * times[:, None]).T @ centred / n - np.outer(mean, mean)
    # In a small sample a resample can hold one answer alone to an item, or items that cancel out: then there
    # is no coefficient, and the interval is that of the other resamples.
    varied = np.diagonal(draws, axis1=1, axis2=2).min(axis=1) > 1e-12 * centred.var(axis=0).max()
    values = coefficient(draws[varied & _sum_varies(draws)])
    values = values[np.isfinite(values)]
    low, high = np.quantile(values, [0.025, 0.975])
    estimate = coefficient(np.asarray(np.cov(data, rowvar=False)))
    return float(estimate), float(values.std(ddof=1)), float(low), float(high)


def _interval(sample: Sample, coefficient: Any, seed: int) -> tuple[float, float, float, float]:
    """Estimate, standard error and interval of a coefficient of the covariances."""
    if sample.moments is None:
        return _with_bootstrap(sample.answers.to_numpy(), coefficient, seed)
    covariance = sample.moments.covariance.to_numpy()
    se = moments_error(sample.answers, sample.moments, _gradient(coefficient, covariance))
    return _on_logit_scale(float(coefficient(covariance)), se)


def _interval_method(sample: Sample, seed: int) -> str:
    if sample.moments is None:
        return f"percentile bootstrap ({_DRAWS} resamples, seed {seed})"
    return "interval by the delta method on the logit scale with two-stage standard errors"


def _gradient(coefficient: Any, covariance: Matrix) -> Matrix:
    """Give the derivatives of a coefficient by the covariances, by central differences in units of the items."""
    sd = np.sqrt(np.diag(covariance))
    items = len(sd)
    step = 1e-5
    gradient = np.empty((items, items))
    for row in range(items):
        columns = np.arange(row + 1)
        # Off the diagonal one covariance stands in two places: each gets half of its derivative.
        change = np.zeros((row + 1, items, items))
        change[columns, row, columns] += step / 2 * sd[row] * sd[columns]
        change[columns, columns, row] += step / 2 * sd[row] * sd[columns]
        slopes = (coefficient(covariance + change) - coefficient(covariance - change)) / (2 * step)
        gradient[row, columns] = gradient[columns, row] = slopes / (sd[row] * sd[columns])
    return gradient


def _fit(sample: Sample, model: CovarianceModel) -> MLFit:
    """Fit a model to the covariances with divisor n; its chi-square counts all people, which is cautious about fit."""
    covariance = sample.covariance * (sample.people - 1) / sample.people
    return fit_ml(covariance, sample.people, model)


def _composite_parts(estimates: CovarianceModel) -> tuple[float, Matrix, float]:
    """Error variance of the sum, its loading on each factor, and its total variance."""
    load: Matrix = np.asarray(estimates.loadings.sum(axis=0))
    effects = np.linalg.inv(np.eye(load.size) - estimates.paths)
    reach = load @ effects
    error = float(estimates.error_covariance.sum())
    return error, load, float(reach @ estimates.factor_covariance @ reach) + error


def _omega(estimates: CovarianceModel) -> float:
    error, _, total = _composite_parts(estimates)
    return 1 - error / total


def _omega_second_order(estimates: CovarianceModel) -> float:
    """Share of the last factor, which explains the others."""
    error, load, total = _composite_parts(estimates)
    particular = float(load[:-1] @ estimates.factor_covariance[:-1, :-1] @ load[:-1])
    return 1 - (error + particular) / total


def _omega_of(sample: Sample, fit: MLFit, omega: Any) -> tuple[float, float, float, float]:
    if sample.moments is None:
        return _omega_row(fit, sample.answers.to_numpy(), omega)
    se = moments_error(sample.answers, sample.moments, _gradient_through(fit, omega))
    return _on_logit_scale(float(omega(fit.estimates)), se)


def _omega_row(fit: MLFit, data: Matrix, omega: Any) -> tuple[float, float, float, float]:
    return _on_logit_scale(*delta_method(omega, fit, robust_covariance(fit, data)))


def _gradient_through(fit: MLFit, omega: Any) -> Matrix:
    """Give the derivatives of a quantity of a fitted model by the covariances that it was fitted to.

    At the fit the scores Σ⁻¹ ∂Σ Σ⁻¹ of the parameters give their derivatives by the covariances once they
    are multiplied by the inverse of the information; ∂Σ is uvᵀ + vuᵀ.
    """
    free = _free(fit.model)
    steps = 1e-3 * fit.standard_errors
    shifts = np.diag(steps)
    above, below = (
        [omega(_filled(fit.model, free, fit.parameters + sign * shift)) for shift in shifts] for sign in (1, -1)
    )
    slopes = (np.array(above) - np.array(below)) / (2 * steps)
    u, v = _derivatives(fit.estimates, free)
    half = u.T @ (v * (fit.n * fit.covariance @ slopes)[:, None])
    inverse = np.linalg.inv(fit.implied)
    return np.asarray(inverse @ (half + half.T) / 2 @ inverse)


def _on_logit_scale(estimate: float, se: float) -> tuple[float, float, float, float]:
    if not 0 < estimate < 1:  # a Heywood case, or items that do not point one way: the logit does not exist
        return estimate, se, estimate - stats.norm.ppf(0.975) * se, estimate + stats.norm.ppf(0.975) * se
    half = stats.norm.ppf(0.975) * se / (estimate * (1 - estimate))
    middle = special.logit(estimate)
    return estimate, se, float(special.expit(middle - half)), float(special.expit(middle + half))


def _table(rows: Mapping[str, tuple[float, ...]], n: int) -> pd.DataFrame:
    table = pd.DataFrame.from_dict(dict(rows), orient="index", columns=_COLUMNS[:-1])
    return table.assign(n=n).rename_axis("coefficient")


def _item_table(sample: Sample, covariance: Matrix, loadings: Matrix) -> pd.DataFrame:
    items = len(covariance)
    variance = np.diag(covariance)
    with_total = covariance.sum(axis=0)
    rest_variance = covariance.sum() - 2 * with_total + variance
    with np.errstate(invalid="ignore", divide="ignore"):
        item_rest = (with_total - variance) / np.sqrt(variance * rest_variance)
        dropped = 1 - (variance.sum() - variance) / rest_variance
    # What is left after dropping one of two items has no alpha.
    factor = (items - 1) / (items - 2) if items > 2 else np.nan
    return pd.DataFrame(
        {
            "n": sample.answers.notna().sum().to_numpy(),
            "mean": sample.mean.to_numpy(),
            "sd": np.sqrt(variance),
            "item_rest": item_rest,
            "alpha_if_dropped": factor * dropped,
            "loading": loadings,
        },
        index=pd.Index(sample.answers.columns, name="item"),
    )


def _direction_notes(answers: pd.DataFrame, alpha: float, loadings: Matrix) -> tuple[str, ...]:
    against = answers.columns[loadings < 0]
    notes = []
    if alpha < 0:
        notes.append("Alpha is negative: the items do not point one way; are the reversed ones turned?")
    if len(against):
        names = ", ".join(str(name) for name in against)
        notes.append(f"Against the direction of the others: {names}; is the item turned as it should be?")
    return tuple(notes)


def _measurement_error(covariance: Matrix, coefficient: float, n: int) -> pd.DataFrame:
    sd = np.sqrt(covariance.sum()) / len(covariance)
    sem = float(sd * np.sqrt(1 - coefficient))
    return pd.DataFrame(
        {"estimate": [sem, float(1.96 * np.sqrt(2) * sem)], "n": [n, n]},
        index=pd.Index(["sem", "sdc_individual"], name="statistic"),
    )
