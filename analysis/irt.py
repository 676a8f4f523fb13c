"""What each answer says of the trait behind it: the graded response model, its curves and its fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from scipy import stats

from analysis.graded import (
    Codes,
    Curves,
    Matrix,
    Model,
    Patterns,
    curves_at,
    expected_scores,
    fit_graded,
    log_likelihood,
    patterns_of,
    quadrature_nodes,
    recoded,
)
from analysis.multiplicity import holm
from analysis.options import whole_number
from analysis.ordinal import ordered_answers
from analysis.result import Result
from analysis.sentences import listed

Gaps = Literal["fiml", "listwise"]

# Change of the log-likelihood with twice as many points beyond which the quadrature is too coarse.
_COARSE = 0.01
# Expected answers that a cell of S-X² must have (Orlando & Thissen, 2000).
_CELL = 1.0
# A slope beyond this is nearly all of the test.
_STEEP = 5.0
_Z = float(stats.norm.ppf(0.975))


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GradedResponse(Result):
    """A graded response model: the logit of answering category k or higher is slope × (trait − location k).

    Parameters
    ----------
    thresholds : pandas.DataFrame
        Index ``item, threshold`` (the answer that is reached): ``estimate`` (the location: the trait at which
        this or a higher answer is as likely as not), ``se``, interval and ``intercept`` (−slope × location).
    fit : pandas.Series
        ``npar``, ``loglik``, ``aic``, ``bic``, ``n``.
    categories : pandas.DataFrame
        Index ``item, theta, category``: ``probability``.
    information : pandas.DataFrame
        Index ``theta``: of each item, of all (``test``), and the standard error of a score without prior,
        1 / √information (``se``).
    scores : pandas.DataFrame
        Index as the answers': expected trait given what was answered (``estimate``), posterior standard
        deviation (``se``) and ``answered`` items.
    item_fit : pandas.DataFrame
        Index ``item``: S-X² (``statistic``), ``df``, ``p``, ``p_adjusted`` (Holm), ``rmsea``, ``n``.
    person_fit : pandas.DataFrame
        Index as the answers': the most likely trait (``theta``), ``lz``, its corrected form (``statistic``,
        lz*) and the chance of one as low (``p``).
    reliability : pandas.DataFrame
        Index ``coefficient``: ``marginal`` and ``empirical``.
    residual_correlations : pandas.DataFrame
        Item × item: Yen's Q3, diagonal 1.
    """

    thresholds: pd.DataFrame
    fit: pd.Series
    categories: pd.DataFrame
    information: pd.DataFrame
    scores: pd.DataFrame
    item_fit: pd.DataFrame
    person_fit: pd.DataFrame
    reliability: pd.DataFrame
    residual_correlations: pd.DataFrame


def graded_response(
    items: pd.DataFrame,
    *,
    missing: Gaps = "fiml",
    quadrature: int = 61,
    tolerance: float = 1e-6,
) -> GradedResponse:
    """Fit the graded response model: how steeply, and where on the trait, the answers to each item rise.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item: whole numbers that stand for ordered categories, at least 3 items of one trait.
    missing : {"fiml", "listwise"}
        Whether every given answer is used (full information), or responses with a gap are left out.
    quadrature : int
        Equally spaced points from −6 to 6 on which the trait is integrated; from 31 to 501.
    tolerance : float
        Largest change of any slope or intercept in the last step.

    Returns
    -------
    GradedResponse
        ``table`` has the index ``item``: ``slope`` with ``se``, ``ci_low`` and ``ci_high`` (95 %, normal),
        locations ``b1`` …, and ``n`` answers. The trait has mean 0 and variance 1 and points the way of most
        items.

    Raises
    ------
    ValueError
        As `numeric_answers`; also for fractions, a stray code, an item that all answered alike, fewer people
        than parameters, items that repeat each other, or a model that does not converge.

    Notes
    -----
    Samejima (1969), marginal maximum likelihood (Bock & Aitkin, 1981). The EM of the package mirt finds the
    neighbourhood; Newton's steps with exact derivatives (Louis, 1982) go on to the maximum, since mirt keeps
    slopes below 5, above 0 and locations within ±6 without a word. Standard errors from the observed information,
    of locations by the delta method. Item fit: S-X² (Orlando & Thissen, 2000; Kang & Chen, 2008) of responses
    without gaps, cells joined until each expects 1. Person fit: lz (Drasgow, Levine & Williams, 1985) and lz*
    (Snijders, 2001; Sinharay, 2016) at the most likely trait, whose ``p`` is a little too large in short scales
    (6 items: 4 % below .05). Marginal reliability: mean of I / (I + 1) over
    the trait (Green et al., 1984); empirical: variance of the scores over itself plus the mean squared standard
    error.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> trait = rng.normal(size=(500, 1))
    >>> answers = pd.DataFrame(np.digitize(1.5 * trait + rng.logistic(size=(500, 4)), [-1, 1]), columns=list("abcd"))
    >>> graded_response(answers).table[["slope", "b1", "b2"]].round(1).loc["a"].to_dict()
    {'slope': 1.4, 'b1': -0.8, 'b2': 0.7}
    """
    # Fewer points bias slopes and fit; more cost time and tell nothing.
    quadrature = whole_number("quadrature", quadrature, at_least=31, at_most=501)
    if not 0 < tolerance <= 1e-3:
        raise ValueError(f"tolerance must lie above 0 and not above 0.001, got {tolerance}")
    answers, notes = _kept(ordered_answers(items, at_least=3), missing)
    _refuse_constant(answers)
    npar = int(answers.nunique().sum())
    if len(answers) < npar:
        raise ValueError(
            f"the model has {npar} slopes and locations and needs at least as many people, got {len(answers)}: use "
            "more people, fewer items, or join categories"
        )
    model, patterns = fit_graded(answers, points=quadrature, tolerance=tolerance)
    names = pd.Index(answers.columns, name="item")
    theta, weight = quadrature_nodes(quadrature)
    curves = curves_at(model.parameters, model.layout, theta)
    scores = expected_scores(model, patterns, answers)
    thresholds = _thresholds(model, answers)
    information = _information(model, curves, theta, names)
    item_fit, left_over = _item_fit(model, answers, quadrature)
    residuals = _residual_correlations(model, answers, scores["estimate"].to_numpy())
    test = information["test"].to_numpy()
    variance = float(scores["estimate"].var(ddof=0))
    reliability = pd.DataFrame(
        {
            "estimate": [
                float(weight @ (test / (test + 1))),
                variance / (variance + float((scores["se"] ** 2).mean())),
            ],
            "n": len(answers),
        },
        index=pd.Index(["marginal", "empirical"], name="coefficient"),
    )
    fit = pd.Series(
        {
            "npar": npar,
            "loglik": model.loglik,
            "aic": 2 * npar - 2 * model.loglik,
            "bic": npar * np.log(len(answers)) - 2 * model.loglik,
            "n": len(answers),
        },
        name="estimate",
    )
    return GradedResponse(
        title="Graded response model",
        table=_slopes(model, answers, thresholds),
        method=f"Graded response model (Samejima, 1969) of {len(answers)} people by marginal maximum likelihood (Bock & "
        f"Aitkin, 1981) with a standard normal trait and {quadrature} quadrature points: EM (mirt), then Newton steps "
        f"with the exact observed information (Louis, 1982) until none exceeded {tolerance:g}. Item fit: S-X² (Orlando & "
        "Thissen, 2000; Kang & Chen, 2008), Holm-adjusted. Person fit: lz* (Snijders, 2001; Sinharay, 2016). Local "
        "dependence: Q3 (Yen, 1984). Scores: expected a posteriori.",
        notes=(
            *notes,
            *_unused_notes(answers),
            *_model_notes(model, answers, patterns, quadrature),
            *left_over,
            *_dependence_notes(residuals),
        ),
        thresholds=thresholds,
        fit=fit,
        categories=_category_curves(curves, answers, theta),
        information=information,
        scores=scores,
        item_fit=item_fit,
        person_fit=_person_fit(model, answers, scores["estimate"].to_numpy()),
        reliability=reliability,
        residual_correlations=residuals,
    )


# --- who and what counts ---------------------------------------------------------------------------------------------


def _kept(answers: pd.DataFrame, missing: Gaps) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the responses that count and what to say of the others."""
    if missing not in ("fiml", "listwise"):
        raise ValueError(f"missing must be 'fiml' or 'listwise', got {missing!r}")
    kept = answers.dropna(how="all" if missing == "fiml" else "any")
    notes: list[str] = []
    if count := len(answers) - len(kept):
        why = "without an answer to any of these items" if missing == "fiml" else "with a gap (listwise)"
        notes.append(f"{count} of {len(answers)} responses {why} {'is' if count == 1 else 'are'} left out.")
    if not len(kept):
        raise ValueError(f"no response is without a gap, of {len(answers)}: use missing='fiml'")
    share = float(kept.isna().to_numpy().mean())
    if share:
        percent = f"{share:.0%}".replace("%", " %") if share >= 0.01 else "Under 1 %"
        notes.append(
            f"{percent} of the answers were missing; every given answer is used, which supposes that gaps depend on "
            "given answers alone (missing at random)."
        )
    return kept, tuple(notes)


def _unused_notes(answers: pd.DataFrame) -> tuple[str, ...]:
    """Say which answers nobody gave to an item, though they were given to others."""
    used = np.unique(answers.to_numpy()[~np.isnan(answers.to_numpy())])
    without = {name: np.setdiff1d(used, answers[name].dropna().unique()) for name in answers.columns}
    lines = [f"{name}: {listed(f'{code:g}' for code in unused)}" for name, unused in without.items() if len(unused)]
    if not lines:
        return ()
    return (
        f"Answers that nobody gave have no location and are left out of the item's categories ({'; '.join(lines)}).",
    )


def _refuse_constant(answers: pd.DataFrame) -> None:
    same = answers.columns[answers.nunique() < 2]
    if len(same):
        raise ValueError(
            f"everyone who answered {listed(same)} chose the same category: such an item says nothing of the trait; "
            "leave it out (`items.drop(columns=…)`)"
        )


# --- what follows from the estimates ---------------------------------------------------------------------------------


def _interval(estimate: Matrix, se: Matrix) -> dict[str, Matrix]:
    return {"estimate": estimate, "se": se, "ci_low": estimate - _Z * se, "ci_high": estimate + _Z * se}


def _thresholds(model: Model, answers: pd.DataFrame) -> pd.DataFrame:
    """Return the locations −intercept / slope with standard errors by the delta method."""
    layout = model.layout
    steps = np.flatnonzero(layout.above < layout.size)
    slope, intercept = layout.slope[steps], layout.above[steps]
    a, d = model.parameters[slope], model.parameters[intercept]
    c = model.covariance
    variance = (c[intercept, intercept] - 2 * d / a * c[slope, intercept] + (d / a) ** 2 * c[slope, slope]) / a**2
    reached = [(name, code) for name in answers.columns for code in np.sort(answers[name].dropna().unique())[1:]]
    index = pd.MultiIndex.from_tuples(reached, names=["item", "threshold"])
    return pd.DataFrame(_interval(-d / a, np.sqrt(variance)) | {"intercept": d}, index=index)


def _slopes(model: Model, answers: pd.DataFrame, thresholds: pd.DataFrame) -> pd.DataFrame:
    where = model.layout.slopes
    slope, se = model.parameters[where], np.sqrt(np.diag(model.covariance)[where])
    table = pd.DataFrame(_interval(slope, se), index=pd.Index(answers.columns, name="item")).rename(
        columns={"estimate": "slope"}
    )
    step = thresholds.groupby(level="item", sort=False).cumcount() + 1
    wide = (
        thresholds["estimate"].groupby([thresholds.index.get_level_values("item"), step.to_numpy()]).first().unstack()
    )
    for number in wide.columns:
        table[f"b{number}"] = wide[number].reindex(table.index)
    table["n"] = answers.notna().sum().to_numpy()
    return table


def _category_curves(curves: Curves, answers: pd.DataFrame, theta: Matrix) -> pd.DataFrame:
    rows = [(name, code) for name in answers.columns for code in np.sort(answers[name].dropna().unique())]
    wide = pd.DataFrame(
        np.exp(curves.log),
        index=pd.MultiIndex.from_tuples(rows, names=["item", "category"]),
        columns=pd.Index(theta, name="theta"),
    )
    return wide.stack().rename("probability").to_frame().reorder_levels(["item", "theta", "category"])


def _information(model: Model, curves: Curves, theta: Matrix, names: pd.Index) -> pd.DataFrame:
    """Return the expected information of each item, of all, and the standard error that follows (Samejima, 1969)."""
    layout = model.layout
    by_category = np.exp(curves.log) * (curves.by_above + curves.by_below) ** 2
    by_item = np.add.reduceat(by_category, layout.first) * model.parameters[layout.slopes, None] ** 2
    table = pd.DataFrame(by_item.T, index=pd.Index(theta, name="theta"), columns=names.rename(None))
    test = by_item.sum(axis=0)
    return table.assign(test=test, se=1 / np.sqrt(test))


# --- does the model fit: items, people, pairs ------------------------------------------------------------------------


def _sum_probabilities(probabilities: Sequence[Matrix]) -> Matrix:
    """Return the probability of each sum score (rows) at each trait (Lord & Wingersky, 1984)."""
    found = np.ones((1, probabilities[0].shape[1]))
    for item in probabilities:
        longer = np.zeros((len(found) + len(item) - 1, found.shape[1]))
        for category, probability in enumerate(item):
            longer[category : category + len(found)] += found * probability
        found = longer
    return found


def _joined(expected: Matrix) -> Codes:
    """Return where cells start once neighbours of a row are joined until each expects enough."""
    starts, so_far = [0], 0.0
    for category, count in enumerate(expected):
        if so_far >= _CELL:
            starts.append(category)
            so_far = 0.0
        so_far += count
    if so_far < _CELL and len(starts) > 1:
        starts.pop()
    return np.asarray(starts, dtype=np.intp)


def _filled_rows(observed: Matrix, expected: Matrix) -> list[tuple[Matrix, Matrix]]:
    """Join sum scores from both ends inwards until each row has two cells that expect enough, and join its cells."""
    rows: list[tuple[Matrix, Matrix]] = []
    rest = np.zeros((2, observed.shape[1]))
    middle = len(observed) // 2
    for part in (range(middle), range(len(observed) - 1, middle - 1, -1)):
        open_row = np.zeros_like(rest)
        for score in part:
            open_row += (observed[score], expected[score])
            if len(_joined(open_row[1])) > 1:
                rows.append((open_row[0], open_row[1]))
                open_row = np.zeros_like(rest)
        rest += open_row
    if rest[1].sum() > 0 and (len(_joined(rest[1])) > 1 or not rows):
        rows.append((rest[0], rest[1]))
    elif rows:
        rows[-1] = (rows[-1][0] + rest[0], rows[-1][1] + rest[1])
    cells = []
    for seen, awaited in rows:
        starts = _joined(awaited)
        cells.append((np.add.reduceat(seen, starts), np.add.reduceat(awaited, starts)))
    return cells


def _item_fit(model: Model, answers: pd.DataFrame, points: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return S-X² of each item from the responses without gaps, and what to know of it."""
    codes, counts = recoded(answers)
    complete = codes[(codes >= 0).all(axis=1)]
    theta, weight = quadrature_nodes(points)
    probability = np.split(np.exp(curves_at(model.parameters, model.layout, theta).log), model.layout.first[1:])
    total = complete.sum(axis=1)
    highest = sum(counts) - len(counts)
    rows = []
    for item, count in enumerate(counts):
        others = _sum_probabilities([each for k, each in enumerate(probability) if k != item])
        joint = np.zeros((highest + 1, count))
        for category in range(count):
            joint[category : category + len(others), category] = (others * probability[item][category]) @ weight
        observed = np.zeros_like(joint)
        np.add.at(observed, (total, complete[:, item]), 1)
        share = joint / joint.sum(axis=1, keepdims=True)
        # The lowest and the highest sum leave an item no choice.
        inner = slice(1, highest)
        cells = _filled_rows(observed[inner], (share * observed.sum(axis=1, keepdims=True))[inner])
        df = sum(len(seen) - 1 for seen, _ in cells) - count
        statistic = float(sum(((seen - awaited) ** 2 / awaited).sum() for seen, awaited in cells if awaited.sum() > 0))
        rows.append((statistic, df, float(stats.chi2.sf(statistic, df))) if df > 0 else (np.nan, df, np.nan))
    table = pd.DataFrame(rows, columns=["statistic", "df", "p"], index=pd.Index(answers.columns, name="item"))
    table["p_adjusted"] = holm(table["p"])
    n = len(complete)
    table["rmsea"] = np.sqrt(
        np.maximum(table["statistic"] - table["df"], 0) / (table["df"].clip(lower=1) * max(n - 1, 1))
    )
    table["n"] = n
    notes: list[str] = []
    if n < len(answers):
        notes.append(f"Item fit is of the {n} responses without a gap.")
    if len(untested := table.index[table["p"].isna()]):
        notes.append(f"Item fit of {listed(untested)} is not testable: too few people for its cells.")
    return table, tuple(notes)


def _expected_codes(model: Model, theta: Matrix) -> Matrix:
    """Return the expected category (0, 1, …) of each item at each person's trait: person × item."""
    layout = model.layout
    category = np.arange(layout.size) - layout.first[layout.item]
    probability = np.exp(curves_at(model.parameters, layout, theta).log)
    return np.add.reduceat(category[:, None] * probability, layout.first).T


def _residual_correlations(model: Model, answers: pd.DataFrame, theta: Matrix) -> pd.DataFrame:
    codes, _ = recoded(answers)
    residuals = np.where(codes >= 0, codes - _expected_codes(model, theta), np.nan)
    return pd.DataFrame(residuals, columns=answers.columns).corr(min_periods=3)


def _likeliest(model: Model, chosen: Matrix, start: Matrix) -> Matrix:
    """Return each person's mode of the posterior, by Newton's method (the posterior has one peak)."""
    theta = start.copy()
    slope = model.parameters[model.layout.slope][:, None]
    for _ in range(50):
        curves = curves_at(model.parameters, model.layout, theta)
        rise = (chosen.T * slope * (curves.by_above + curves.by_below)).sum(axis=0) - theta
        bend = (chosen.T * slope**2 * (curves.above_above + curves.below_below + 2 * curves.above_below)).sum(
            axis=0
        ) - 1
        step = np.clip(-rise / bend, -1, 1)
        theta = theta + step
        if np.abs(step).max() < 1e-10:
            break
    return theta


def _person_fit(model: Model, answers: pd.DataFrame, start: Matrix) -> pd.DataFrame:
    """Return lz and lz* of each response at its most likely trait."""
    layout = model.layout
    codes, _ = recoded(answers)
    chosen = patterns_of(codes, layout)
    picked = chosen.chosen[chosen.of_response]
    answered = codes >= 0
    theta = _likeliest(model, picked, start)
    curves = curves_at(model.parameters, layout, theta)
    log, probability = curves.log, np.exp(curves.log)
    relative = model.parameters[layout.slope][:, None] * (curves.by_above + curves.by_below)  # P′ / P

    def over_items(values: Matrix) -> Matrix:
        """Sum over the categories of the items that a person answered."""
        return np.asarray(np.where(answered.T, np.add.reduceat(values, layout.first), 0).sum(axis=0))

    def variance(weights: Matrix) -> Matrix:
        mean = np.add.reduceat(probability * weights, layout.first)
        each = np.add.reduceat(probability * weights**2, layout.first) - mean**2
        return np.asarray(np.where(answered.T, each, 0).sum(axis=0))

    surplus = (picked.T * log).sum(axis=0) - over_items(probability * log)
    bend = over_items(probability * relative * log) / over_items(probability * relative**2)
    corrected = variance(log - bend * relative)
    enough = corrected > 1e-8  # one item with two answers has no spread once the trait is estimated from it
    lz = surplus / np.sqrt(variance(log))
    # Snijders' r0 of the mode under a standard normal prior is −theta.
    star = np.where(enough, (surplus - bend * theta) / np.sqrt(np.where(enough, corrected, 1)), np.nan)
    return pd.DataFrame(
        {"theta": theta, "lz": lz, "statistic": star, "p": stats.norm.cdf(star), "answered": answered.sum(axis=1)},
        index=answers.index,
    )


def _model_notes(model: Model, answers: pd.DataFrame, patterns: Patterns, points: int) -> tuple[str, ...]:
    notes = []
    slopes = pd.Series(model.parameters[model.layout.slopes], index=answers.columns)
    if len(against := slopes.index[slopes < 0]):
        notes.append(
            f"{listed(against)} {'points' if len(against) == 1 else 'point'} against the other items (slope below 0): "
            "turn such an item round before scoring, or read it again."
        )
    doubtful = slopes.abs() < _Z * np.sqrt(np.diag(model.covariance)[model.layout.slopes])
    if len(flat := slopes.index[doubtful]):
        notes.append(
            f"The slope of {listed(flat)} is not told apart from 0: these answers may say nothing of the trait, and "
            "their locations mean little."
        )
    if len(steep := slopes.index[slopes.abs() > _STEEP]):
        notes.append(
            f"The slope of {listed(steep)} is above {_STEEP:g}: nearly all of the trait's information comes from "
            "there; look for items that repeat each other."
        )
    finer = log_likelihood(model.parameters, model.layout, patterns, 2 * points - 1)
    if abs(finer - model.loglik) > _COARSE:
        notes.append(
            f"With {2 * points - 1} quadrature points the log-likelihood is {finer - model.loglik:+.2g} away: "
            f"{points} are too few here; use more (`quadrature={2 * points - 1}`)."
        )
    if len(answers) < 500:
        notes.append("Fewer than 500 people: slopes and outer locations are imprecise (Reise & Yu, 1990).")
    return tuple(notes)


def _dependence_notes(residuals: pd.DataFrame) -> tuple[str, ...]:
    values = residuals.to_numpy()
    above = np.triu_indices(len(values), 1)
    mean = float(np.nanmean(values[above]))
    pairs = [
        f"{residuals.index[i]} and {residuals.index[j]} ({values[i, j]:.2f})"
        for i, j in zip(*above, strict=True)
        if values[i, j] > mean + 0.2
    ]
    if not pairs:
        return ()
    return (
        f"Locally dependent pairs, Q3 more than .2 above its mean of {mean:.2f} (Christensen, Makransky & Horton, "
        f"2017): {'; '.join(pairs)}.",
    )
