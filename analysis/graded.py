"""The graded response model as numbers: its likelihood, the maximum of that, and what a person's answers say of the trait."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from analysis.sentences import listed

Matrix = NDArray[np.floating[Any]]
Codes = NDArray[np.intp]

# The trait's range for quadrature: beyond it lies less than 1e-9 of a standard normal trait.
_RANGE = 6.0
# The bounds within which mirt 1.2.0 silently keeps slopes (upper) and locations.
_MIRT_SLOPE, _MIRT_LOCATION = 5.0, 6.0
# Enough for a start.
_MIRT_POINTS, _MIRT_TOLERANCE = 31, 0.1
# A slope beyond this is on its way to infinity: the item (nearly) repeats others.
_STEEPEST = 25.0
_MOST_STEPS = 200
# A trait that nobody has with this probability adds nothing to the information.
_NEGLIGIBLE = 1e-10


# --- answers and parameters, and where they stand --------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Layout:
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


def layout_of(counts: Sequence[int]) -> Layout:
    """Return where the parameters stand of items with these numbers of categories."""
    sizes = np.asarray(counts)
    start = np.cumsum(np.append(0, sizes[:-1]))  # an item of k categories has k parameters
    item = np.repeat(np.arange(len(sizes)), sizes)
    category = np.arange(len(item)) - start[item]
    size = int(sizes.sum())
    above = np.where(category > 0, start[item] + category, size)
    below = np.where(category < sizes[item] - 1, start[item] + category + 1, size)
    return Layout(tuple(int(k) for k in counts), item, start[item], above, below, start, size)


def recoded(answers: pd.DataFrame) -> tuple[Codes, tuple[int, ...]]:
    """Return the answers as 0, 1, … by item, −1 where missing, and how many categories each item has."""
    columns, counts = [], []
    for name in answers.columns:
        codes, categories = pd.factorize(answers[name], sort=True)
        columns.append(codes)
        counts.append(len(categories))
    return np.column_stack(columns).astype(np.intp), tuple(counts)


@dataclass(frozen=True, slots=True)
class Patterns:
    """The different rows of answers: one-hot over all categories, how often each occurs, and where each response is."""

    codes: Codes
    chosen: Matrix
    frequency: Matrix
    of_response: Codes


def patterns_of(codes: Codes, layout: Layout) -> Patterns:
    """Return the different rows of answers (0, 1, … by item, −1 where missing)."""
    different, where, frequency = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    chosen = np.zeros((len(different), layout.size))
    rows, columns = np.nonzero(different >= 0)
    chosen[rows, layout.first[columns] + different[rows, columns]] = 1
    return Patterns(different, chosen, frequency.astype(float), where.reshape(-1))


# --- the likelihood and its derivatives ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Curves:
    """Log probability of each category (rows) at given traits, and its derivatives by its two steps' logits."""

    log: Matrix
    by_above: Matrix
    by_below: Matrix
    above_above: Matrix
    below_below: Matrix
    above_below: Matrix


def log_difference(upper: Matrix, lower: Matrix) -> Curves:
    """Return log(σ(upper) − σ(lower)), with σ the logistic function, and its derivatives, without cancellation.

    σ(x) − σ(y) = σ(x) σ(−y) (1 − exp(y − x)), so that x = ∞ and y = −∞ need no case of their own.
    """
    gap = lower - upper
    with np.errstate(over="ignore"):  # a very wide gap has the odds 0
        odds = 1 / np.expm1(-gap)  # exp(gap) / (1 − exp(gap))
    bend = odds * (1 + odds)
    high, low = special.expit(-upper), special.expit(lower)
    return Curves(
        log=special.log_expit(upper) + special.log_expit(-lower) + np.log(-np.expm1(gap)),
        by_above=high + odds,
        by_below=-low - odds,
        above_above=-high * (1 - high) - bend,
        below_below=-low * (1 - low) - bend,
        above_below=bend,
    )


def curves_at(parameters: Matrix, layout: Layout, theta: Matrix) -> Curves:
    """Return the log probability of every category, and its derivatives, at given traits."""
    slope = np.outer(parameters[layout.slope], theta)
    intercepts = np.append(parameters, np.inf)
    upper = slope + intercepts[layout.above][:, None]
    intercepts[-1] = -np.inf
    lower = slope + intercepts[layout.below][:, None]
    return log_difference(upper, lower)


def quadrature_nodes(points: int) -> tuple[Matrix, Matrix]:
    """Return equally spaced traits and the standard normal weight of each."""
    theta = np.linspace(-_RANGE, _RANGE, points)
    weight = stats.norm.pdf(theta)
    return theta, weight / weight.sum()


def posterior_of(log: Matrix, patterns: Patterns, weight: Matrix) -> tuple[Matrix, Matrix]:
    """Return each pattern's posterior over the nodes, and its log probability."""
    joint = patterns.chosen @ log + np.log(weight)
    total = special.logsumexp(joint, axis=1)
    return np.exp(joint - total[:, None]), total


def _gathered(layout: Layout, by_slope: Matrix, by_above: Matrix, by_below: Matrix) -> Matrix:
    """Add up what categories (rows) give to the parameters; more columns are kept."""
    total = np.zeros((layout.size + 1, *by_slope.shape[1:]))
    for where, values in ((layout.slope, by_slope), (layout.above, by_above), (layout.below, by_below)):
        np.add.at(total, where, values)
    return total[: layout.size]


def _complete_information(layout: Layout, curves: Curves, theta: Matrix, expected: Matrix) -> Matrix:
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


def _lost_information(layout: Layout, curves: Curves, theta: Matrix, patterns: Patterns, posterior: Matrix) -> Matrix:
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


def _person_scores(layout: Layout, curves: Curves, theta: Matrix, patterns: Patterns, posterior: Matrix) -> Matrix:
    """Return the derivatives of each pattern's log probability: pattern × parameter."""
    up, low = posterior @ curves.by_above.T, posterior @ curves.by_below.T
    tilt = posterior @ (theta * (curves.by_above + curves.by_below)).T
    return _gathered(layout, *((patterns.chosen * each).T for each in (tilt, up, low))).T


# --- its maximum -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Model:
    """An estimated model: parameters, their covariance, and the likelihood."""

    layout: Layout
    parameters: Matrix
    covariance: Matrix
    loglik: float


def log_likelihood(parameters: Matrix, layout: Layout, patterns: Patterns, points: int) -> float:
    """Return the log-likelihood, the trait integrated over a number of points."""
    theta, weight = quadrature_nodes(points)
    return float(patterns.frequency @ posterior_of(curves_at(parameters, layout, theta).log, patterns, weight)[1])


def _ordered(parameters: Matrix, layout: Layout) -> bool:
    """Return whether the intercepts of each item fall."""
    inner = (layout.above < layout.size) & (layout.below < layout.size)
    return bool((parameters[layout.above[inner]] > parameters[layout.below[inner]]).all())


def _maximise(
    start: Matrix, layout: Layout, patterns: Patterns, *, points: int, tolerance: float, names: Sequence[object]
) -> Model:
    """Climb from a start to the maximum of the marginal likelihood by Newton's steps with exact derivatives."""
    theta, weight = quadrature_nodes(points)
    parameters = start
    curves = curves_at(parameters, layout, theta)
    posterior, total = posterior_of(curves.log, patterns, weight)
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
                return Model(layout, parameters, np.linalg.inv(information), reached)
        last = float(np.abs(step).max()) if fresh else 0.0
        length = 1.0
        while True:
            proposal = parameters + length * step
            if _ordered(proposal, layout):
                curves = curves_at(proposal, layout, theta)
                posterior, total = posterior_of(curves.log, patterns, weight)
                found = float(patterns.frequency @ total)
                if found >= reached - 1e-9 * abs(reached):
                    break
            length /= 2
            if length < 1e-8:
                raise ValueError(
                    f"the graded response model of {listed(names)} did not converge: join rare categories, or leave out "
                    "the items with the fewest answers"
                )
        parameters, reached = proposal, found
        slopes = np.abs(parameters[layout.slopes])
        if slopes.max() > _STEEPEST:
            steep = [names[k] for k in np.flatnonzero(slopes > _STEEPEST / 2).tolist()]
            raise ValueError(
                f"the slope of {listed(steep)} grows without end: it nearly repeats another item or decides the trait "
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


def _turned(parameters: Matrix, layout: Layout, which: NDArray[np.bool_]) -> Matrix:
    """Return the parameters of the same model with the categories of some items counted from the other end."""
    turned = parameters.copy()
    for item in np.flatnonzero(which):
        first, last = layout.first[item], layout.first[item] + layout.counts[item]
        turned[first] = -parameters[first]
        turned[first + 1 : last] = -parameters[first + 1 : last][::-1]
    return turned


def _rough(codes: Codes, layout: Layout, slopes: Matrix) -> Matrix:
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


def _started_by_mirt(codes: Codes, layout: Layout, against: NDArray[np.bool_]) -> Matrix:
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


def fit_graded(
    answers: pd.DataFrame, *, points: int, tolerance: float, start: Matrix | None = None
) -> tuple[Model, Patterns]:
    """Return the model of answers that have been checked, the trait pointing the way of most items."""
    codes, counts = recoded(answers)
    layout = layout_of(counts)
    patterns = patterns_of(codes, layout)
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


# --- what answers say of the trait -----------------------------------------------------------------------------------


def expected_scores(model: Model, patterns: Patterns, answers: pd.DataFrame, points: int = 121) -> pd.DataFrame:
    """Return each response's posterior mean and standard deviation of the trait."""
    theta, weight = quadrature_nodes(points)
    posterior, _ = posterior_of(curves_at(model.parameters, model.layout, theta).log, patterns, weight)
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
