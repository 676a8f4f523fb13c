"""What each answer says of the trait behind it: graded response model, and items that work differently in groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from analysis.missing import numeric_answers
from analysis.result import Result

Matrix = NDArray[np.floating[Any]]
Codes = NDArray[np.intp]
Gaps = Literal["fiml", "listwise"]

# More different answers than this are no longer a rating scale.
_MOST_CATEGORIES = 11
# Codes further from the next smaller one than this are strays (99 for "not answered").
_WIDEST_STEP = 2
# The trait's range for quadrature: beyond it lies less than 1e-9 of a standard normal trait.
_RANGE = 6.0
# The bounds within which mirt 1.2.0 silently keeps slopes (upper) and locations.
_MIRT_SLOPE, _MIRT_LOCATION = 5.0, 6.0
# Enough for a start.
_MIRT_POINTS, _MIRT_TOLERANCE = 31, 0.1
# A slope beyond this is on its way to infinity: the item (nearly) repeats others.
_STEEPEST = 25.0
# Change of the log-likelihood with twice as many points beyond which the quadrature is too coarse.
_COARSE = 0.01
_MOST_STEPS = 200
# A trait that nobody has with this probability adds nothing to the information.
_NEGLIGIBLE = 1e-10
# Expected answers that a cell of S-X² must have (Orlando & Thissen, 2000).
_CELL = 1.0
_Z = float(stats.norm.ppf(0.975))
# Jodoin & Gierl (2001): change of Nagelkerke's R² from which a difference is moderate, and large.
_MODERATE, _LARGE = 0.035, 0.070
# A coefficient of a logistic model beyond this is on its way to infinity.
_SEPARATED = 50.0


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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ItemFunctioning(Result):
    """Items on which people of equal trait answer differently in different groups.

    Parameters
    ----------
    tests : pandas.DataFrame
        Index ``item, test`` (``uniform``, ``non_uniform``, ``total``): likelihood-ratio ``statistic``, ``df``,
        ``p``, ``p_adjusted`` (Holm over items), and the change of ``mcfadden`` and ``nagelkerke`` R².
    coefficients : pandas.DataFrame
        Index ``item, group``: log odds of a higher answer against the reference group at equal trait
        (``estimate``, from the uniform model), ``se``, interval, ``odds_ratio``; ``slope_difference`` (with
        ``slope_se``) from the non-uniform model.
    score_differences : pandas.DataFrame
        Index ``item, group``: what the difference does to the item's score, see `item_functioning`.
    scale_differences : pandas.DataFrame
        Index ``items, group``: the same summed over items (``flagged``, ``all``).
    anchors : tuple
        Items that were not flagged, or the given ones.
    purification : pandas.DataFrame
        Index ``round``: ``n_flagged``, ``flagged`` and the items that were kept ``apart`` from the matching score.
    matching : pandas.Series
        By response: the score on which people were matched.
    """

    tests: pd.DataFrame
    coefficients: pd.DataFrame
    score_differences: pd.DataFrame
    scale_differences: pd.DataFrame
    anchors: tuple[Any, ...]
    purification: pd.DataFrame
    matching: pd.Series


# --- answers as categories -------------------------------------------------------------------------------------------


def _ordered_codes(items: pd.DataFrame, *, at_least: int) -> pd.DataFrame:
    """Return the answers as floats once they are seen to be codes of ordered categories."""
    answers = numeric_answers(items, at_least=at_least)
    values = answers.to_numpy()
    fractions = answers.columns[(np.nan_to_num(values) % 1 != 0).any(axis=0)]
    if len(fractions):
        raise ValueError(
            f"answers must be whole numbers that stand for ordered categories, but {_names(fractions)} hold fractions: "
            "give the answers to single items, not their means"
        )
    used = np.unique(values[~np.isnan(values)])
    steps = np.flatnonzero(np.diff(used) > _WIDEST_STEP)
    if len(steps) and (len(used) > 2):
        stray = used[steps[-1] + 1 :] if steps[-1] + 1 > len(used) / 2 else used[: steps[0] + 1]
        where = answers.columns[np.isin(values, stray).any(axis=0)]
        raise ValueError(
            f"{_numbers(stray)} stands apart from the other answers ({_numbers(np.setdiff1d(used, stray))}) on "
            f"{_names(where)}: if it means no answer, make it missing; otherwise number the categories one by one"
        )
    many = answers.columns[answers.nunique() > _MOST_CATEGORIES]
    if len(many):
        raise ValueError(
            f"at most {_MOST_CATEGORIES} categories an item can be told apart, but {_names(many)} have more: join some"
        )
    same = answers.columns[answers.nunique() < 2]
    if len(same):
        raise ValueError(
            f"everyone who answered {_names(same)} chose the same category: such an item says nothing of the trait; "
            "leave it out (`items.drop(columns=…)`)"
        )
    return answers


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
    lines = [f"{name}: {_numbers(unused)}" for name, unused in without.items() if len(unused)]
    if not lines:
        return ()
    return (
        f"Answers that nobody gave have no location and are left out of the item's categories ({'; '.join(lines)}).",
    )


def _names(names: object) -> str:
    return ", ".join(str(name) for name in names)  # type: ignore[attr-defined]


def _numbers(values: Matrix) -> str:
    return ", ".join(f"{value:g}" for value in values)


# --- the model -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Layout:
    """Where each item's parameters and categories stand.

    Parameters are one vector: of each item its slope, then its intercepts from the lowest step to the highest.
    Categories are rows: of each item from the lowest to the highest. ``above`` and ``below`` are the parameters
    of a category's lower and upper step; ``size`` (one beyond the last) where it has none.
    """

    counts: tuple[int, ...]
    item: Codes
    slope: Codes
    above: Codes
    below: Codes
    first: Codes
    size: int

    @property
    def slopes(self) -> Codes:
        """Positions of the slopes among the parameters."""
        return np.cumsum((0, *self.counts[:-1]))


def _layout(counts: Sequence[int]) -> _Layout:
    sizes = np.asarray(counts)
    start = np.cumsum(np.append(0, sizes[:-1]))  # an item of k categories has k parameters
    item = np.repeat(np.arange(len(sizes)), sizes)
    category = np.arange(len(item)) - start[item]
    size = int(sizes.sum())
    above = np.where(category > 0, start[item] + category, size)
    below = np.where(category < sizes[item] - 1, start[item] + category + 1, size)
    return _Layout(tuple(int(k) for k in counts), item, start[item], above, below, start, size)


@dataclass(frozen=True, slots=True)
class _Patterns:
    """The different rows of answers: one-hot over all categories, how often each occurs, and where each response is."""

    codes: Codes
    chosen: Matrix
    frequency: Matrix
    of_response: Codes


def _patterns(codes: Codes, layout: _Layout) -> _Patterns:
    different, where, frequency = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    chosen = np.zeros((len(different), layout.size))
    rows, columns = np.nonzero(different >= 0)
    chosen[rows, layout.first[columns] + different[rows, columns]] = 1
    return _Patterns(different, chosen, frequency.astype(float), where.reshape(-1))


@dataclass(frozen=True, slots=True)
class _Curves:
    """Log probability of each category (rows) at given traits, and its derivatives by its two steps' logits."""

    log: Matrix
    by_above: Matrix
    by_below: Matrix
    above_above: Matrix
    below_below: Matrix
    above_below: Matrix


def _log_difference(upper: Matrix, lower: Matrix) -> _Curves:
    """Return log(σ(upper) − σ(lower)), with σ the logistic function, and its derivatives, without cancellation.

    σ(x) − σ(y) = σ(x) σ(−y) (1 − exp(y − x)), so that x = ∞ and y = −∞ need no case of their own.
    """
    gap = lower - upper
    with np.errstate(over="ignore"):  # a very wide gap has the odds 0
        odds = 1 / np.expm1(-gap)  # exp(gap) / (1 − exp(gap))
    bend = odds * (1 + odds)
    high, low = special.expit(-upper), special.expit(lower)
    return _Curves(
        log=special.log_expit(upper) + special.log_expit(-lower) + np.log(-np.expm1(gap)),
        by_above=high + odds,
        by_below=-low - odds,
        above_above=-high * (1 - high) - bend,
        below_below=-low * (1 - low) - bend,
        above_below=bend,
    )


def _curves(parameters: Matrix, layout: _Layout, theta: Matrix) -> _Curves:
    slope = np.outer(parameters[layout.slope], theta)
    intercepts = np.append(parameters, np.inf)
    upper = slope + intercepts[layout.above][:, None]
    intercepts[-1] = -np.inf
    lower = slope + intercepts[layout.below][:, None]
    return _log_difference(upper, lower)


def _nodes(points: int) -> tuple[Matrix, Matrix]:
    """Return equally spaced traits and the standard normal weight of each."""
    theta = np.linspace(-_RANGE, _RANGE, points)
    weight = stats.norm.pdf(theta)
    return theta, weight / weight.sum()


def _posterior(log: Matrix, patterns: _Patterns, weight: Matrix) -> tuple[Matrix, Matrix]:
    """Return each pattern's posterior over the nodes, and its log probability."""
    joint = patterns.chosen @ log + np.log(weight)
    total = special.logsumexp(joint, axis=1)
    return np.exp(joint - total[:, None]), total


def _gathered(layout: _Layout, by_slope: Matrix, by_above: Matrix, by_below: Matrix) -> Matrix:
    """Add up what categories (rows) give to the parameters; more columns are kept."""
    total = np.zeros((layout.size + 1, *by_slope.shape[1:]))
    for where, values in ((layout.slope, by_slope), (layout.above, by_above), (layout.below, by_below)):
        np.add.at(total, where, values)
    return total[: layout.size]


def _complete_information(layout: _Layout, curves: _Curves, theta: Matrix, expected: Matrix) -> Matrix:
    """Return minus the second derivatives that would be if the traits were known (block-diagonal)."""
    information = np.zeros((layout.size + 1, layout.size + 1))

    def add(rows: Codes, columns: Codes, values: Matrix) -> None:
        found = -(expected * values).sum(axis=1)
        np.add.at(information, (rows, columns), found)
        if rows is not columns:
            np.add.at(information, (columns, rows), found)

    up, low, both = curves.above_above, curves.below_below, curves.above_below
    add(layout.slope, layout.slope, theta**2 * (up + low + 2 * both))
    add(layout.slope, layout.above, theta * (up + both))
    add(layout.slope, layout.below, theta * (low + both))
    add(layout.above, layout.above, up)
    add(layout.below, layout.below, low)
    add(layout.above, layout.below, both)
    return information[:-1, :-1]


def _lost_information(
    layout: _Layout, curves: _Curves, theta: Matrix, patterns: _Patterns, posterior: Matrix
) -> Matrix:
    """Return what is lost because the traits are not known: the posterior covariance of the scores (Louis, 1982)."""
    up, low = curves.by_above, curves.by_below
    mean = _person_scores(layout, curves, theta, patterns, posterior)
    lost = -mean.T @ (patterns.frequency[:, None] * mean)
    category = np.arange(len(layout.item))
    scores = np.zeros((layout.size + 1, len(category)))
    for node, trait in enumerate(theta):
        if posterior[:, node].max() < _NEGLIGIBLE:
            continue
        scores[layout.above, category] = up[:, node]
        scores[layout.below, category] = low[:, node]
        scores[layout.slope, category] = trait * (up[:, node] + low[:, node])
        together = patterns.chosen.T @ ((patterns.frequency * posterior[:, node])[:, None] * patterns.chosen)
        lost += scores[:-1] @ together @ scores[:-1].T
    return lost


def _person_scores(layout: _Layout, curves: _Curves, theta: Matrix, patterns: _Patterns, posterior: Matrix) -> Matrix:
    """Return the derivatives of each pattern's log probability: pattern × parameter."""
    up, low = posterior @ curves.by_above.T, posterior @ curves.by_below.T
    tilt = posterior @ (theta * (curves.by_above + curves.by_below)).T
    return _gathered(layout, *((patterns.chosen * each).T for each in (tilt, up, low))).T


@dataclass(frozen=True, slots=True)
class _Model:
    """An estimated model: parameters, their covariance, and the likelihood."""

    layout: _Layout
    parameters: Matrix
    covariance: Matrix
    loglik: float


def _log_likelihood(parameters: Matrix, layout: _Layout, patterns: _Patterns, points: int) -> float:
    theta, weight = _nodes(points)
    return float(patterns.frequency @ _posterior(_curves(parameters, layout, theta).log, patterns, weight)[1])


def _ordered(parameters: Matrix, layout: _Layout) -> bool:
    """Return whether the intercepts of each item fall."""
    inner = (layout.above < layout.size) & (layout.below < layout.size)
    return bool((parameters[layout.above[inner]] > parameters[layout.below[inner]]).all())


def _maximise(
    start: Matrix, layout: _Layout, patterns: _Patterns, *, points: int, tolerance: float, names: Sequence[object]
) -> _Model:
    """Climb from a start to the maximum of the marginal likelihood by Newton's steps with exact derivatives."""
    theta, weight = _nodes(points)
    parameters = start
    curves = _curves(parameters, layout, theta)
    posterior, total = _posterior(curves.log, patterns, weight)
    reached = float(patterns.frequency @ total)
    information: Matrix | None = None
    fresh, last = False, np.inf
    for _ in range(_MOST_STEPS):
        expected = patterns.chosen.T @ (patterns.frequency[:, None] * posterior)
        up, low = expected * curves.by_above, expected * curves.by_below
        gradient = _gathered(layout, ((up + low) @ theta), up.sum(axis=1), low.sum(axis=1))
        # The information is dear: it is kept while steps made with it still shrink fast.
        step = None if information is None else np.linalg.solve(information, gradient)
        if information is None or step is None or np.abs(step).max() > last / 2.5 or np.abs(step).max() <= tolerance:
            complete = _complete_information(layout, curves, theta, expected)
            information = complete - _lost_information(layout, curves, theta, patterns, posterior)
            fresh = float(np.linalg.eigvalsh(information)[0]) > 0
            # Far from the maximum the likelihood may be hollow; the complete information never is (a step of EM).
            information = information if fresh else complete
            step = np.linalg.solve(information, gradient)
            if fresh and np.abs(step).max() <= tolerance:
                return _Model(layout, parameters, np.linalg.inv(information), reached)
        last = float(np.abs(step).max()) if fresh else 0.0
        length = 1.0
        while True:
            proposal = parameters + length * step
            if _ordered(proposal, layout):
                curves = _curves(proposal, layout, theta)
                posterior, total = _posterior(curves.log, patterns, weight)
                found = float(patterns.frequency @ total)
                if found >= reached - 1e-9 * abs(reached):
                    break
            length /= 2
            if length < 1e-8:
                raise ValueError(
                    f"the graded response model of {_names(names)} did not converge: join rare categories, or leave out "
                    "the items with the fewest answers"
                )
        parameters, reached = proposal, found
        slopes = np.abs(parameters[layout.slopes])
        if slopes.max() > _STEEPEST:
            steep = [names[k] for k in np.flatnonzero(slopes > _STEEPEST / 2).tolist()]
            raise ValueError(
                f"the slope of {_names(steep)} grows without end: it nearly repeats another item or decides the trait "
                "alone (with few people, by chance); leave out one of the items that repeat each other, or use more people"
            )
    raise ValueError(
        f"the graded response model did not converge in {_MOST_STEPS} steps: too few people for these categories; "
        "join rare categories or leave out the items with the fewest answers"
    )


def _directions(answers: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which items point against the others, by the first component of their rank correlations."""
    correlations = answers.rank().corr().fillna(0).to_numpy()
    first = np.linalg.eigh(correlations)[1][:, -1]
    return np.asarray(first * np.sign(first.sum() or 1) < 0)


def _turned(parameters: Matrix, layout: _Layout, which: NDArray[np.bool_]) -> Matrix:
    """Return the parameters of the same model with the categories of some items counted from the other end."""
    turned = parameters.copy()
    for item in np.flatnonzero(which):
        first, last = layout.first[item], layout.first[item] + layout.counts[item]
        turned[first] = -parameters[first]
        turned[first + 1 : last] = -parameters[first + 1 : last][::-1]
    return turned


def _rough(codes: Codes, layout: _Layout, slopes: Matrix) -> Matrix:
    """Return parameters with the given slopes and intercepts that meet each item's share of answers."""
    parameters = np.empty(layout.size)
    for item, count in enumerate(layout.counts):
        given = codes[codes[:, item] >= 0, item]
        reached = np.array([(given >= k).mean() for k in range(1, count)])
        first = layout.first[item]
        parameters[first] = slopes[item]
        # The logistic curve averaged over a normal trait is nearly logistic with a slope flatter by this root.
        parameters[first + 1 : first + count] = special.logit(reached) * np.sqrt(1 + (slopes[item] / 1.702) ** 2)
    return parameters


def _started_by_mirt(codes: Codes, layout: _Layout, against: NDArray[np.bool_]) -> Matrix:
    """Return mirt's estimates, of items turned to point one way since mirt's slopes cannot be negative.

    mirt keeps slopes under 5 and locations within ±6 and says nothing: items that meet a bound start from their
    share of answers instead.
    """
    import mirt

    sizes = np.asarray(layout.counts)
    one_way = np.where(against & (codes >= 0), sizes - 1 - codes, codes)
    fitted = mirt.fit_mirt(
        one_way.astype(int),
        model="GRM",
        n_categories=[int(k) for k in sizes],
        n_quadpts=_MIRT_POINTS,
        tol=_MIRT_TOLERANCE,
        compute_standard_errors=False,
    )
    slopes = np.asarray(fitted.model.parameters["discrimination"], dtype=float).reshape(-1)
    locations = np.asarray(fitted.model.parameters["thresholds"], dtype=float).reshape(len(sizes), -1)
    start = _rough(one_way, layout, slopes)
    for item, count in enumerate(layout.counts):
        found = locations[item, : count - 1]
        inside = np.abs(found).max() < _MIRT_LOCATION - 1e-3 and slopes[item] < _MIRT_SLOPE - 1e-3
        if inside and (np.diff(found) > 0).all():
            first = layout.first[item]
            start[first + 1 : first + count] = -slopes[item] * found
    return _turned(start, layout, against)


def _fitted(
    answers: pd.DataFrame, *, points: int, tolerance: float, start: Matrix | None = None
) -> tuple[_Model, _Patterns]:
    """Return the model of answers that have been checked, the trait pointing the way of most items."""
    codes, counts = _recoded(answers)
    layout = _layout(counts)
    patterns = _patterns(codes, layout)
    if start is None:
        start = _started_by_mirt(codes, layout, _directions(answers))
    model = _maximise(start, layout, patterns, points=points, tolerance=tolerance, names=list(answers.columns))
    if model.parameters[layout.slopes].sum() < 0:
        mirrored = np.where(np.isin(np.arange(layout.size), layout.slopes), -1.0, 1.0)
        model = replace(
            model,
            parameters=model.parameters * mirrored,
            covariance=model.covariance * np.outer(mirrored, mirrored),
        )
    return model, patterns


def _recoded(answers: pd.DataFrame) -> tuple[Codes, tuple[int, ...]]:
    """Return the answers as 0, 1, … by item, −1 where missing, and how many categories each item has."""
    columns, counts = [], []
    for name in answers.columns:
        codes, categories = pd.factorize(answers[name], sort=True)
        columns.append(codes)
        counts.append(len(categories))
    return np.column_stack(columns).astype(np.intp), tuple(counts)


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
        Equally spaced points from −6 to 6 on which the trait is integrated; at least 31.
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
    if quadrature < 31:
        raise ValueError(f"quadrature must be at least 31 points, got {quadrature}: fewer bias slopes and fit")
    if not 0 < tolerance <= 1e-3:
        raise ValueError(f"tolerance must lie above 0 and not above 0.001, got {tolerance}")
    checked = _ordered_codes(items, at_least=3)
    answers, notes = _kept(checked, missing)
    answers = _ordered_codes(answers, at_least=3)
    npar = int(answers.nunique().sum())
    if len(answers) < npar:
        raise ValueError(
            f"the model has {npar} slopes and locations and needs at least as many people, got {len(answers)}: use "
            "more people, fewer items, or join categories"
        )
    model, patterns = _fitted(answers, points=quadrature, tolerance=tolerance)
    names = pd.Index(answers.columns, name="item")
    theta, weight = _nodes(quadrature)
    curves = _curves(model.parameters, model.layout, theta)
    scores = _expected_scores(model, patterns, answers)
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


def _interval(estimate: Matrix, se: Matrix) -> dict[str, Matrix]:
    return {"estimate": estimate, "se": se, "ci_low": estimate - _Z * se, "ci_high": estimate + _Z * se}


def _thresholds(model: _Model, answers: pd.DataFrame) -> pd.DataFrame:
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


def _slopes(model: _Model, answers: pd.DataFrame, thresholds: pd.DataFrame) -> pd.DataFrame:
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


def _category_curves(curves: _Curves, answers: pd.DataFrame, theta: Matrix) -> pd.DataFrame:
    rows = [(name, code) for name in answers.columns for code in np.sort(answers[name].dropna().unique())]
    wide = pd.DataFrame(
        np.exp(curves.log),
        index=pd.MultiIndex.from_tuples(rows, names=["item", "category"]),
        columns=pd.Index(theta, name="theta"),
    )
    return wide.stack().rename("probability").to_frame().reorder_levels(["item", "theta", "category"])


def _information(model: _Model, curves: _Curves, theta: Matrix, names: pd.Index) -> pd.DataFrame:
    """Return the expected information of each item, of all, and the standard error that follows (Samejima, 1969)."""
    layout = model.layout
    by_category = np.exp(curves.log) * (curves.by_above + curves.by_below) ** 2
    by_item = np.add.reduceat(by_category, layout.first) * model.parameters[layout.slopes, None] ** 2
    table = pd.DataFrame(by_item.T, index=pd.Index(theta, name="theta"), columns=names.rename(None))
    test = by_item.sum(axis=0)
    return table.assign(test=test, se=1 / np.sqrt(test))


def _expected_scores(model: _Model, patterns: _Patterns, answers: pd.DataFrame, points: int = 121) -> pd.DataFrame:
    """Return each response's posterior mean and standard deviation of the trait."""
    theta, weight = _nodes(points)
    posterior, _ = _posterior(_curves(model.parameters, model.layout, theta).log, patterns, weight)
    mean = posterior @ theta
    spread = np.sqrt(np.maximum(posterior @ theta**2 - mean**2, 0))
    return pd.DataFrame(
        {
            "estimate": mean[patterns.of_response],
            "se": spread[patterns.of_response],
            "answered": answers.notna().sum(axis=1).to_numpy(),
        },
        index=answers.index,
    )


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


def _item_fit(model: _Model, answers: pd.DataFrame, points: int) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return S-X² of each item from the responses without gaps, and what to know of it."""
    codes, counts = _recoded(answers)
    complete = codes[(codes >= 0).all(axis=1)]
    theta, weight = _nodes(points)
    probability = np.split(np.exp(_curves(model.parameters, model.layout, theta).log), model.layout.first[1:])
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
    table["p_adjusted"] = _holm(table["p"].to_numpy())
    n = len(complete)
    table["rmsea"] = np.sqrt(
        np.maximum(table["statistic"] - table["df"], 0) / (table["df"].clip(lower=1) * max(n - 1, 1))
    )
    table["n"] = n
    notes: list[str] = []
    if n < len(answers):
        notes.append(f"Item fit is of the {n} responses without a gap.")
    if len(untested := table.index[table["p"].isna()]):
        notes.append(f"Item fit of {_names(untested)} is not testable: too few people for its cells.")
    return table, tuple(notes)


def _holm(p: Matrix) -> Matrix:
    """Return p values adjusted by Holm (1979); missing ones stay missing and do not count."""
    adjusted = np.full(len(p), np.nan)
    known = np.flatnonzero(~np.isnan(p))
    order = known[np.argsort(p[known], kind="stable")]
    adjusted[order] = np.minimum(np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)), 1)
    return adjusted


def _expected_codes(model: _Model, theta: Matrix) -> Matrix:
    """Return the expected category (0, 1, …) of each item at each person's trait: person × item."""
    layout = model.layout
    category = np.arange(layout.size) - layout.first[layout.item]
    probability = np.exp(_curves(model.parameters, layout, theta).log)
    return np.add.reduceat(category[:, None] * probability, layout.first).T


def _residual_correlations(model: _Model, answers: pd.DataFrame, theta: Matrix) -> pd.DataFrame:
    codes, _ = _recoded(answers)
    residuals = np.where(codes >= 0, codes - _expected_codes(model, theta), np.nan)
    return pd.DataFrame(residuals, columns=answers.columns).corr(min_periods=3)


def _likeliest(model: _Model, chosen: Matrix, start: Matrix) -> Matrix:
    """Return each person's mode of the posterior, by Newton's method (the posterior has one peak)."""
    theta = start.copy()
    slope = model.parameters[model.layout.slope][:, None]
    for _ in range(50):
        curves = _curves(model.parameters, model.layout, theta)
        rise = (chosen.T * slope * (curves.by_above + curves.by_below)).sum(axis=0) - theta
        bend = (chosen.T * slope**2 * (curves.above_above + curves.below_below + 2 * curves.above_below)).sum(
            axis=0
        ) - 1
        step = np.clip(-rise / bend, -1, 1)
        theta = theta + step
        if np.abs(step).max() < 1e-10:
            break
    return theta


def _person_fit(model: _Model, answers: pd.DataFrame, start: Matrix) -> pd.DataFrame:
    """Return lz and lz* of each response at its most likely trait."""
    layout = model.layout
    codes, _ = _recoded(answers)
    chosen = _patterns(codes, layout)
    picked = chosen.chosen[chosen.of_response]
    answered = codes >= 0
    theta = _likeliest(model, picked, start)
    curves = _curves(model.parameters, layout, theta)
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


def _model_notes(model: _Model, answers: pd.DataFrame, patterns: _Patterns, points: int) -> tuple[str, ...]:
    notes = []
    slopes = pd.Series(model.parameters[model.layout.slopes], index=answers.columns)
    if len(against := slopes.index[slopes < 0]):
        notes.append(
            f"{_names(against)} {'points' if len(against) == 1 else 'point'} against the other items (slope below 0): "
            "turn such an item round before scoring, or read it again."
        )
    doubtful = slopes.abs() < _Z * np.sqrt(np.diag(model.covariance)[model.layout.slopes])
    if len(flat := slopes.index[doubtful]):
        notes.append(
            f"The slope of {_names(flat)} is not told apart from 0: these answers may say nothing of the trait, and "
            "their locations mean little."
        )
    if len(steep := slopes.index[slopes.abs() > _MIRT_SLOPE]):
        notes.append(
            f"The slope of {_names(steep)} is above {_MIRT_SLOPE:g}: nearly all of the trait's information comes from "
            "there; look for items that repeat each other."
        )
    finer = _log_likelihood(model.parameters, model.layout, patterns, 2 * points - 1)
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


# --- items that work differently in groups ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Logit:
    """A proportional-odds model: logit of category k or higher = intercept k + design × coefficients."""

    loglik: float
    intercepts: Matrix
    coefficients: Matrix
    covariance: Matrix


def _ordered_logit(codes: Codes, design: Matrix, start: Matrix | None = None) -> _Logit:
    """Fit a proportional-odds model (McCullagh, 1980) by Newton's method.

    ``codes`` are 0, 1, … with every category in use; ``covariance`` is that of all parameters, intercepts first.
    ``start`` holds intercepts, then coefficients of the first columns of the design.
    """
    steps = int(codes.max())
    people, columns = design.shape
    size = steps + columns
    parameters = np.zeros(size)
    if start is None:
        share = np.bincount(codes, minlength=steps + 1)[::-1].cumsum()[::-1][1:] / people
        parameters[:steps] = special.logit(share)
    else:
        parameters[: len(start)] = start
    marks = np.zeros((steps + 2, steps))
    marks[1:-1] = np.eye(steps)
    above = np.hstack([marks[codes], design])
    below = np.hstack([marks[codes + 1], design])
    lowest, highest = codes == 0, codes == steps

    def curves_at(values: Matrix) -> _Curves:
        return _log_difference(np.where(lowest, np.inf, above @ values), np.where(highest, -np.inf, below @ values))

    curves = curves_at(parameters)
    for _ in range(100):
        gradient = above.T @ curves.by_above + below.T @ curves.by_below
        cross = above.T @ (curves.above_below[:, None] * below)
        information = -(
            above.T @ (curves.above_above[:, None] * above)
            + below.T @ (curves.below_below[:, None] * below)
            + cross
            + cross.T
        )
        step = np.linalg.solve(information, gradient)
        if np.abs(step).max() < 1e-9:
            break
        length, reached = 1.0, curves.log.sum()
        while True:
            proposal = parameters + length * step
            if (np.diff(proposal[:steps]) < 0).all():
                curves = curves_at(proposal)
                if curves.log.sum() >= reached - 1e-9 * abs(reached):
                    break
            length /= 2
            if length < 1e-10:
                raise ValueError("an ordinal logistic model did not converge: use more people or join categories")
        parameters = proposal
        if np.abs(parameters[steps:]).max() > _SEPARATED:
            raise ValueError(
                "an ordinal logistic model has no finite estimate: the score separates the answers; use more people or "
                "join categories"
            )
    return _Logit(float(curves.log.sum()), parameters[:steps], parameters[steps:], np.linalg.inv(information))


def _shared_categories(
    answers: pd.DataFrame, group: Codes, labels: Sequence[object], fewest: int
) -> tuple[pd.DataFrame, dict[object, Matrix], tuple[str, ...]]:
    """Join categories, alike in all groups, until each is used often enough in each group.

    Returns the answers as 0, 1, …, the score that each joined category stands for, and a note. The rarest
    category goes to the neighbour with fewer answers, again and again.
    """
    joined, scores, lines = {}, {}, []
    for name in answers.columns:
        codes, used = pd.factorize(answers[name], sort=True)
        known = codes >= 0
        counts = np.zeros((len(used), len(labels)))
        np.add.at(counts, (codes[known], group[known]), 1)
        parts = [[k] for k in range(len(used))]
        while len(parts) > 1:
            cells = np.array([counts[part].sum(axis=0) for part in parts])
            rare = int(np.argmin(cells.min(axis=1)))
            if cells[rare].min() >= fewest:
                break
            beside = [k for k in (rare - 1, rare + 1) if 0 <= k < len(parts)]
            other = min(beside, key=lambda k: float(cells[k].sum()))
            low = min(rare, other)
            parts[low : low + 2] = [parts[low] + parts[low + 1]]
        if len(parts) < 2:
            thin = [str(labels[k]) for k in np.flatnonzero((counts >= fewest).sum(axis=0) < 2).tolist()] or [
                "some group"
            ]
            raise ValueError(
                f"{name} cannot be compared: no two categories have {fewest} answers or more in every group (too few "
                f"in {', '.join(thin)}); leave it out (`items.drop(columns=…)`) or use more people"
            )
        place = np.empty(len(used))
        for number, part in enumerate(parts):
            place[part] = number
        joined[name] = np.where(known, place[codes], np.nan)
        weights = counts.sum(axis=1)
        scores[name] = np.array([np.average(np.asarray(used)[part], weights=weights[part]) for part in parts])
        together = ["+".join(f"{used[k]:g}" for k in part) for part in parts if len(part) > 1]
        if together:
            lines.append(f"{name}: {', '.join(together)}")
    notes: tuple[str, ...] = ()
    if lines:
        notes = (
            f"Categories with fewer than {fewest} answers in a group are joined with a neighbour, alike in all groups "
            f"({'; '.join(lines)}).",
        )
    return pd.DataFrame(joined, index=answers.index), scores, notes


def _grouped(
    items: pd.DataFrame, groups: pd.Series, people: int, *, complete: bool
) -> tuple[pd.DataFrame, Codes, list[Any], tuple[str, ...]]:
    """Return the checked answers of people with a group, each one's group as a number, and the groups' names."""
    if not isinstance(groups, pd.Series) or not groups.index.equals(items.index):
        raise ValueError("groups must be a Series with the same index as the items: one group for each response")
    answers = _ordered_codes(items, at_least=3)
    known = answers.notna().to_numpy()
    stays = groups.notna().to_numpy() & (known.all(axis=1) if complete else known.any(axis=1))
    notes: tuple[str, ...] = ()
    if not stays.all():
        count = int((~stays).sum())
        why = "a group or without all answers (listwise)" if complete else "a group or any answer"
        notes = (f"{count} of {len(items)} responses without {why} {'is' if count == 1 else 'are'} left out.",)
    answers = answers[stays]
    codes, found = pd.factorize(groups[stays], sort=True)
    labels = list(found)
    sizes = np.bincount(codes, minlength=len(labels))
    if len(labels) < 2:
        raise ValueError(f"at least 2 groups are needed, got {len(labels)}: there is nothing to compare")
    small = [f"{label} ({size})" for label, size in zip(labels, sizes, strict=True) if size < people]
    if small:
        raise ValueError(
            f"each group needs {people} people or more, too few in {', '.join(small)}: with fewer than 200 a group "
            "differences of this kind are mostly missed (Scott et al., 2009); join groups, or lower `people_per_group` and "
            "read 'no difference shown' as 'not known'"
        )
    notes += ("People by group: " + ", ".join(f"{a} {b}" for a, b in zip(labels, sizes, strict=True)) + ".",)
    return answers, np.asarray(codes, dtype=np.intp), labels, notes


def _matched_on_trait(answers: pd.DataFrame, group: Codes, labels: Sequence[object], split: Sequence[object]) -> Matrix:
    """Return expected trait scores from a graded response model in which some items have curves by group."""
    columns: dict[str, Any] = {}
    for name in answers.columns:
        if name not in split:
            columns[str(name)] = answers[name]
            continue
        for number, label in enumerate(labels):
            columns[f"{name} [{label}]"] = answers[name].where(group == number)
    frame = pd.DataFrame(columns, index=answers.index)
    model, patterns = _fitted(frame, points=61, tolerance=1e-5)
    return np.asarray(_expected_scores(model, patterns, frame)["estimate"])


def _matched_on_total(answers: pd.DataFrame, anchors: Sequence[object], item: object) -> Matrix:
    """Return the standardised sum of the anchors and the item itself."""
    total = answers[list(dict.fromkeys([*anchors, item]))].sum(axis=1).to_numpy()
    return np.asarray((total - total.mean()) / total.std())


@dataclass(frozen=True, slots=True)
class _Compared:
    """One item's three nested models: score alone, and groups, and groups × score."""

    null: float
    n: int
    models: tuple[_Logit, _Logit, _Logit]

    def r_squared(self, which: int) -> tuple[float, float]:
        """McFadden's and Nagelkerke's R² of a model."""
        found = self.models[which].loglik
        most = -np.expm1(2 * self.null / self.n)
        return 1 - found / self.null, float(-np.expm1(2 * (self.null - found) / self.n) / most)


def _compared(codes: Codes, score: Matrix, dummies: Matrix) -> _Compared:
    counts = np.bincount(codes)
    columns = np.column_stack([score, dummies, score[:, None] * dummies])
    extra = dummies.shape[1]
    models: list[_Logit] = []
    start = None
    for width in (1, 1 + extra, 1 + 2 * extra):
        models.append(_ordered_logit(codes, columns[:, :width], start))
        start = np.concatenate([models[-1].intercepts, models[-1].coefficients])
    null = float((counts * np.log(counts / counts.sum())).sum())
    return _Compared(null, len(codes), (models[0], models[1], models[2]))


def _tests(compared: dict[object, _Compared], extra: int) -> pd.DataFrame:
    rows = {}
    for name, each in compared.items():
        for test, (small, large, df) in {
            "uniform": (0, 1, extra),
            "non_uniform": (1, 2, extra),
            "total": (0, 2, 2 * extra),
        }.items():
            statistic = max(2 * (each.models[large].loglik - each.models[small].loglik), 0.0)
            change = np.subtract(each.r_squared(large), each.r_squared(small))
            rows[name, test] = (statistic, df, float(stats.chi2.sf(statistic, df)), *change, each.n)
    table = pd.DataFrame.from_dict(
        rows, orient="index", columns=["statistic", "df", "p", "mcfadden", "nagelkerke", "n"]
    )
    table.index = pd.MultiIndex.from_tuples(table.index, names=["item", "test"])
    adjusted = table.groupby(level="test")["p"].transform(lambda p: _holm(p.to_numpy()))
    table.insert(3, "p_adjusted", adjusted)
    return table


def item_functioning(
    items: pd.DataFrame,
    groups: pd.Series,
    *,
    method: Literal["logistic"] = "logistic",
    matching: Literal["trait", "total"] = "trait",
    anchors: Literal["purified", "all"] | Sequence[object] = "purified",
    reference: object = None,
    alpha: float = 0.05,
    people_per_group: int = 200,
    answers_per_category: int = 5,
) -> ItemFunctioning:
    """Find items that people of equal trait answer differently in different groups, and what that does to scores.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item: whole numbers that stand for ordered categories, keyed in one direction.
    groups : pandas.Series
        By response, the same index: two groups or more.
    method : {"logistic"}
        Ordinal logistic regression of each item on the matching score, the group, and both.
    matching : {"trait", "total"}
        Expected trait scores of a graded response model (as lordif: Choi, Gibbons & Crane, 2011), which allow
        gaps, or the sum of the anchors and the tested item, of responses without gaps.
    anchors : {"purified", "all"} or sequence
        Items that link the groups: found by purification, all, or the given ones (which are then not tested).
    reference : label
        Group with which the others are compared; the first in order if None.
    alpha : float
        Of the Holm-adjusted total test, from which an item is flagged.
    people_per_group : int
        Fewest people a group.
    answers_per_category : int
        Categories with fewer answers in any group are joined with a neighbour in all groups.

    Returns
    -------
    ItemFunctioning
        ``table`` has the index ``item``: total test (``statistic``, ``df``, ``p``, ``p_adjusted``),
        ``effect_size`` (change of Nagelkerke's R²), ``flagged`` and ``verdict``.

    Raises
    ------
    ValueError
        As `graded_response`; also for too few people in a group, groups that do not belong to the responses,
        an item without two categories common to all groups, unknown anchors, or no anchor left.

    Notes
    -----
    Three nested proportional-odds models: score; score and groups (uniform); and their products (non-uniform)
    (Swaminathan & Rogers, 1990; French & Miller, 1996; Zumbo, 1999). Purification: all items are tested; of
    those flagged the clearest gets curves by group in the matching model (or leaves the sum), those no longer
    flagged come back, and all are tested again, until the set stays the same (or one comes back that was tried).
    One at a time, since an item that differs makes others seem to differ the other way (Kopf, Zeileis & Strobl,
    2015). The tested item is part of its own matching
    score: without it, groups that differ in trait seem to differ on every item (Zwick, 1990); log odds at equal
    score are therefore a little larger (about a tenth) than at equal trait. Size: Jodoin &
    Gierl (2001). Differences in score: expected item score of each group's people under their own and under the
    reference group's curve (non-uniform model), own minus reference: ``signed`` mean, mean ``unsigned`` size and
    ``largest``, in answer units, and ``essd``, signed over the pooled standard deviation of the expected scores
    (Meade, 2010).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> group = pd.Series(np.repeat(["ours", "theirs"], 300))
    >>> liking = 1.5 * rng.normal(size=(600, 1)) + rng.logistic(size=(600, 6))
    >>> liking[300:, 0] += 1.5  # the first item is easier for the others to agree with
    >>> answers = pd.DataFrame(np.digitize(liking, [-1, 1]), columns=list("abcdef"))
    >>> item_functioning(answers, group).table["flagged"].to_dict()
    {'a': True, 'b': False, 'c': False, 'd': False, 'e': False, 'f': False}
    """
    if method != "logistic":
        raise ValueError(f"method must be 'logistic', got {method!r}")
    if matching not in ("trait", "total"):
        raise ValueError(f"matching must be 'trait' or 'total', got {matching!r}")
    if not 0 < alpha < 1:
        raise ValueError(f"alpha must lie between 0 and 1, got {alpha}")
    if people_per_group < 30 or answers_per_category < 1:
        raise ValueError(
            f"people_per_group must be at least 30 and answers_per_category at least 1, got {people_per_group} and "
            f"{answers_per_category}"
        )
    given = None if isinstance(anchors, str) else list(anchors)
    if given is None and anchors not in ("purified", "all"):
        raise ValueError(f"anchors must be 'purified', 'all' or items, got {anchors!r}")
    if given is not None:
        if unknown := [name for name in given if name not in items.columns]:
            raise ValueError(f"anchors that are no items: {_names(unknown)}; the items are {_names(items.columns)}")
        if not given or len(given) == items.shape[1]:
            raise ValueError(f"give at least one anchor and leave at least one item to test, got {len(given)} anchors")
    answers, group, labels, notes = _grouped(items, groups, people_per_group, complete=matching == "total")
    if reference is not None:
        if reference not in labels:
            raise ValueError(f"reference {reference!r} is no group: {_names(labels)}")
        first = labels.index(reference)
        order = [first, *(k for k in range(len(labels)) if k != first)]
        group = np.argsort(order)[group].astype(np.intp)
        labels = [labels[k] for k in order]
    joined, scores, joined_notes = _shared_categories(answers, group, labels, answers_per_category)
    dummies = np.eye(len(labels))[group][:, 1:]
    tested = [name for name in items.columns if given is None or name not in given]

    def compare(split: Sequence[object]) -> tuple[dict[object, _Compared], dict[object, Matrix]]:
        """Test items, matched on a score in which the groups share all but the split items."""
        links = [name for name in items.columns if name not in split]
        trait = _matched_on_trait(joined, group, labels, split) if matching == "trait" else None
        found, matched = {}, {}
        for name in tested:
            score = _matched_on_total(answers, links, name) if trait is None else trait
            known = joined[name].notna().to_numpy()
            found[name] = _compared(joined[name].to_numpy()[known].astype(np.intp), score[known], dummies[known])
            matched[name] = score
        return found, matched

    split: tuple[object, ...] = () if given is None else tuple(tested)
    tried: list[tuple[object, ...]] = []
    rounds = []
    while True:
        compared, matched = compare(split)
        tests = _tests(compared, dummies.shape[1])
        total = tests.xs("total", level="test").loc[tested]
        flagged = tuple(name for name in tested if total.loc[name, "p_adjusted"] <= alpha)
        rounds.append(
            {"n_flagged": len(flagged), "flagged": _names(flagged) or "none", "apart": _names(split) or "none"}
        )
        if anchors != "purified":
            break
        tried.append(split)
        still = [name for name in split if name in flagged]
        fresh = [name for name in flagged if name not in split]
        # Only the clearest: one differing item in the score makes its neighbours seem to differ the other way.
        worst = [max(fresh, key=lambda name: float(total.loc[name, "statistic"]))] if fresh else []
        following = tuple(name for name in tested if name in still or name in worst)
        if following == split:
            break
        if len(following) == len(tested):
            raise ValueError(
                f"all {len(tested)} items are flagged, so that none links the groups: name `anchors` that mean the same "
                "in all groups by their content"
            )
        if following in tried:
            notes += (f"Purification came back to an earlier set and stopped after {len(rounds)} rounds.",)
            break
        split = following
    if anchors == "purified" and len(split) > len(tested) / 2:
        notes += (
            "Fewer than half of the items link the groups: which items differ and which link is then a choice; name "
            "`anchors` by their content.",
        )
    if min(np.bincount(group)) < 200:
        notes += ("Fewer than 200 people in a group: many differences go unseen (Scott et al., 2009).",)
    differences, scale = _score_differences(compared, matched, scores, group, labels, flagged)
    score = matched[tested[0]] if matching == "trait" else answers.sum(axis=1).to_numpy()
    links = tuple(name for name in items.columns if name not in (flagged if given is None else tested))
    linking = {
        "purified": "anchors purified one item at a time",
        "all": "all items as anchors",
    }.get(str(anchors), f"anchors {_names(given or ())}")
    return ItemFunctioning(
        title="Differential item functioning",
        table=_verdicts(tests, tested, flagged, alpha),
        method="Ordinal logistic regression of each item on the matching score, the group and their product "
        "(Swaminathan & Rogers, 1990; French & Miller, 1996; Zumbo, 1999), likelihood-ratio tests with Holm's correction "
        f"over {len(tested)} items (α = {alpha:g}); matched on "
        + (
            "expected trait scores of a graded response model (Choi, Gibbons & Crane, 2011)"
            if matching == "trait"
            else "the sum of the anchors and the tested item"
        )
        + f"; {linking}; reference group {labels[0]}; {len(answers)} people. Effect size: change of Nagelkerke's R² "
        "between the first and the third model.",
        notes=(
            *notes,
            *joined_notes,
            f"Sizes are those of Jodoin & Gierl (2001): change of R² under {_MODERATE} negligible, from {_LARGE} large.",
            "That no difference is shown is no proof of equality.",
        ),
        tests=tests,
        coefficients=_coefficients(compared, labels),
        score_differences=differences,
        scale_differences=scale,
        anchors=links,
        purification=pd.DataFrame(
            rounds,
            index=pd.RangeIndex(1, len(rounds) + 1, name="round"),
        ),
        matching=pd.Series(score, index=answers.index, name=matching),
    )


def _verdicts(tests: pd.DataFrame, tested: Sequence[object], flagged: Sequence[object], alpha: float) -> pd.DataFrame:
    total = tests.xs("total", level="test").loc[list(tested)]
    bent = tests.xs("non_uniform", level="test").loc[list(tested), "p_adjusted"] <= alpha
    words = []
    for name in tested:
        if name not in flagged:
            words.append("no difference shown")
            continue
        change = total.loc[name, "nagelkerke"]
        size = "negligible" if change < _MODERATE else "moderate" if change < _LARGE else "large"
        words.append(f"{'non-uniform' if bent[name] else 'uniform'}, {size}")
    table = total[["statistic", "df", "p", "p_adjusted"]].assign(effect_size=total["nagelkerke"], n=total["n"])
    table["flagged"] = [name in flagged for name in tested]
    table["verdict"] = words
    return table.rename_axis("item")


def _coefficients(compared: dict[object, _Compared], labels: Sequence[object]) -> pd.DataFrame:
    rows, index = [], []
    extra = len(labels) - 1
    for name, each in compared.items():
        uniform, bent = each.models[1], each.models[2]
        for number, label in enumerate(labels[1:]):
            estimate = uniform.coefficients[1 + number]
            se = np.sqrt(np.diag(uniform.covariance)[len(uniform.intercepts) + 1 + number])
            slope = 1 + extra + number
            slope_se = np.sqrt(np.diag(bent.covariance)[len(bent.intercepts) + slope])
            interval = (estimate, se, estimate - _Z * se, estimate + _Z * se)
            rows.append((*interval, np.exp(estimate), bent.coefficients[slope], slope_se))
            index.append((name, label))
    columns = ["estimate", "se", "ci_low", "ci_high", "odds_ratio", "slope_difference", "slope_se"]
    return pd.DataFrame(rows, columns=columns, index=pd.MultiIndex.from_tuples(index, names=["item", "group"]))


def _score_differences(
    compared: dict[object, _Compared],
    matched: dict[object, Matrix],
    scores: dict[object, Matrix],
    group: Codes,
    labels: Sequence[object],
    flagged: Sequence[object],
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what each item's difference, and that of several together, does to expected scores."""
    extra = len(labels) - 1
    rows, index = [], []
    nothing: tuple[float, Matrix] = (0.0, np.zeros(1))
    sums: dict[tuple[str, object], tuple[float, Matrix]] = {}
    for name, each in compared.items():
        model = each.models[2]
        for number, label in enumerate(labels[1:], start=1):
            trait = matched[name][group == number]
            slope, shift = model.coefficients[0], model.coefficients[number]
            tilt = model.coefficients[extra + number]

            def expected(logit: Matrix, model: _Logit = model, values: Matrix = scores[name]) -> Matrix:
                reached = special.expit(logit[:, None] + model.intercepts)
                return np.asarray(values[0] + reached @ np.diff(values))

            own, other = expected(shift + (slope + tilt) * trait), expected(slope * trait)
            apart = own - other
            pooled = np.sqrt((own.var() + other.var()) / 2)
            rows.append(
                (apart.mean(), np.abs(apart).mean(), apart[np.argmax(np.abs(apart))], apart.mean() / pooled, len(apart))
            )
            index.append((name, label))
            for kind in ("flagged", "all"):
                if kind == "all" or name in flagged:
                    before = sums.get((kind, label), nothing)
                    sums[kind, label] = (before[0] + float(np.abs(apart).mean()), before[1] + apart)
    by_item = pd.DataFrame(
        rows,
        columns=["signed", "unsigned", "largest", "essd", "n"],
        index=pd.MultiIndex.from_tuples(index, names=["item", "group"]),
    )
    lines = {}
    for kind in ("flagged", "all"):
        for label in labels[1:]:
            unsigned, summed = sums.get((kind, label), nothing)
            lines[kind, label] = (
                float(summed.mean()),
                float(np.abs(summed).mean()),
                float(summed[np.argmax(np.abs(summed))]),
                unsigned,
            )
    scale = pd.DataFrame.from_dict(
        lines, orient="index", columns=["signed", "unsigned", "largest", "without_cancelling"]
    )
    scale.index = pd.MultiIndex.from_tuples(scale.index, names=["items", "group"])
    return by_item, scale
