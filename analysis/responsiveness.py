"""Whether a score changes when people say that things changed, and how much change matters."""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite
from numbers import Real
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from analysis.alignment import same_responses
from analysis.correlations import correlate
from analysis.missing import numeric_answers
from analysis.options import checked_seed, whole_number
from analysis.result import Result

Matrix = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]

_QUANTILE = float(stats.norm.ppf(0.975))
# Revicki, Hays, Cella and Sloan (2008): an anchor that correlates less says nothing about the score.
_WEAKEST_ANCHOR = 0.30
_FEWEST_OF_EACH = 10
_NEWTON_STEPS = 30
# Numbers held at once for bootstrap draws × people (32 MB).
_BLOCK = 4_000_000


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Responsiveness(Result):
    """Whether the score changes when people say that things changed, and by how much that matters.

    Parameters
    ----------
    groups : pandas.DataFrame
        Index ``anchor``, each answer to the global rating: ``n``, ``mean`` and ``sd`` of the change, and
        ``srm``. Small groups can be recognised in it: not for publication.
    """

    groups: pd.DataFrame


def responsiveness(
    change: pd.Series,
    anchor: pd.Series,
    *,
    unchanged: float | None = None,
    before: pd.Series | None = None,
    anchor_reliability: float | None = None,
    sdc: float | None = None,
    clusters: pd.Series | None = None,
    draws: int = 1000,
    seed: int = 0,
) -> Responsiveness:
    """Compare change of a score with people's own rating of change, and estimate how much change matters.

    Parameters
    ----------
    change : pandas.Series
        Score after minus before, of each person; higher is better.
    anchor : pandas.Series
        Global rating of change, same index: seven points, −3 to 3 or 1 to 7, higher is better.
    unchanged : float, optional
        The rating that means "no change"; people above it count as improved, all others as not. Found from
        the ratings where they leave no doubt (0 or 4).
    before : pandas.Series, optional
        Score at the start: adds the effect size (mean change / SD at the start) and how the rating goes
        with the score before and after, which shows a rating of the present state.
    anchor_reliability : float, optional
        Reliability of the rating, above 0 up to 1: adds the improved adjustment.
    sdc : float, optional
        Smallest detectable change of one person, in the unit of the score (`retest`), to stand beside.
    clusters : pandas.Series, optional
        The team of each person, same index: whole teams are drawn in the bootstrap.
    draws : int
        Bootstrap samples for intervals.
    seed : int
        Of the bootstrap.

    Returns
    -------
    Responsiveness
        ``table`` has the index ``statistic``; the first row is the headline: ``mic_adjusted`` (or
        ``mic_improved_adjusted``), then ``mic_predicted``, ``mic_roc``, ``anchor_correlation``, ``auc``, ``srm``
        and, where asked for, ``effect_size``, ``anchor_with_before``, ``anchor_with_after``, ``sdc``.

    Raises
    ------
    ValueError
        If the anchor correlates less than .30 with change (no important change can be had from it), fewer than
        10 people improved or did not, the two do not overlap in change, ratings are not on one of the scales,
        indexes differ, or options are out of range.

    Notes
    -----
    Anchor: Spearman correlation of at least .30 (Revicki et al., 2008). Minimal important change by predictive
    modelling (Terluin, Eekhout, Terwee and De Vet, 2015): the change at which the odds of having improved, by logistic
    regression, equal those of the whole sample. It is biased unless half improved: adjusted = predicted − (.090 +
    .103 r) SD ln(odds) with r the point-biserial correlation of change and improvement and SD that of the change
    (Terluin, Eekhout and Terwee, 2017); improved adjustment = predicted − (.8 / reliability − .5) SD r ln(odds)
    (Terluin, Eekhout and Terwee, 2022). Beside it the cut-off of the highest Youden index (1950), the mean of them where
    several are equally high. AUC: DeLong, DeLong and Clarke-Pearson (1988). Other intervals: percentile bootstrap.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> felt = rng.normal(size=400)
    >>> change = pd.Series(10 * felt + rng.normal(scale=5, size=400))
    >>> anchor = pd.Series(np.clip(np.round(felt), -3, 3))
    >>> responsiveness(change, anchor, draws=200).table.index[:3].tolist()
    ['mic_adjusted', 'mic_predicted', 'mic_roc']
    """
    _check_options(unchanged, anchor_reliability, sdc, draws, seed)
    people, notes = _changes(change, anchor, before, clusters)
    centre = _unchanged(people["anchor"], unchanged)
    improved = (people["anchor"] > centre).to_numpy()
    teams = people["clusters"] if clusters is not None else None
    link = correlate(people["change"], people["anchor"], kind="spearman", clusters=teams)
    _check_anchor(link, improved)
    if before is not None and people["before"].nunique() == 1:
        raise ValueError(f"all {len(people)} people have the same score before: leave `before` out")
    values = people["change"].to_numpy(dtype=float)
    start = people["before"].to_numpy(dtype=float) if before is not None else None
    _check_overlap(values, improved)
    point, settled = _statistics(values, improved, start, np.ones((1, len(values))), anchor_reliability)
    if not settled.all():
        raise ValueError(
            "the logistic regression of improvement on change has no solution: those who improved and those who did not "
            "hardly overlap in change; collect more follow-ups"
        )
    drawn, failed = _bootstrap(values, improved, start, anchor_reliability, teams, draws, seed)
    bounds = np.nanquantile(drawn, [0.025, 0.975], axis=0)
    names = _statistic_names(start is not None, anchor_reliability is not None)
    rows = {
        name: {"estimate": point[0, at], "ci_low": bounds[0, at], "ci_high": bounds[1, at]}
        for at, name in enumerate(names)
    }
    if clusters is None:
        rows["auc"] = _delong(values, improved)
    rows["anchor_correlation"] = link
    if start is not None:
        rows["anchor_with_before"] = correlate(people["before"], people["anchor"], kind="spearman", clusters=teams)
        rows["anchor_with_after"] = correlate(
            people["before"] + people["change"], people["anchor"], kind="spearman", clusters=teams
        )
    if sdc is not None:
        rows["sdc"] = {"estimate": float(sdc)}
    order = ["mic_improved_adjusted", "mic_adjusted", "mic_predicted", "mic_roc", "anchor_correlation", "auc", "srm"]
    order += ["effect_size", "anchor_with_before", "anchor_with_after", "sdc"]
    table = pd.DataFrame.from_dict({name: rows[name] for name in order if name in rows}, orient="index")
    table = table[["estimate", "ci_low", "ci_high"]].assign(n=len(people)).rename_axis("statistic")
    if failed:
        notes.append(
            f"In {failed} of {draws} bootstrap samples the regression had no solution, since those who improved and those "
            "who did not hardly overlapped"
            + (", or all had the same score before" if before is not None else "")
            + "; intervals rest on the others."
        )
    notes += _change_notes(table, improved, centre)
    resampled = "bootstrap samples" if clusters is None else "bootstrap samples of clusters"
    return Responsiveness(
        title="Responsiveness and minimal important change",
        table=table,
        method="Spearman correlation of change with a global rating of change; minimal important change by predictive "
        "modelling (Terluin et al., 2015), adjusted for the proportion improved (Terluin et al., 2017"
        + ("; with the reliability of the rating: Terluin et al., 2022" if anchor_reliability is not None else "")
        + f"), beside the Youden cut-off; intervals from {draws} {resampled} "
        f"(seed {seed}), that of the AUC by {'the same' if clusters is not None else 'DeLong et al. (1988)'}. "
        f"{len(people)} people, {int(improved.sum())} improved.",
        notes=tuple(notes),
        groups=_by_anchor(people),
    )


# Who counts, and whether the rating is an anchor


def _check_options(
    unchanged: float | None, anchor_reliability: float | None, sdc: float | None, draws: int, seed: int
) -> None:
    whole_number("draws", draws, at_least=100)
    checked_seed(seed)
    if unchanged is not None and not _is_number(unchanged):
        raise ValueError(f"unchanged must be the rating that means no change, a number; got {unchanged!r}")
    if anchor_reliability is not None and not (_is_number(anchor_reliability) and 0 < anchor_reliability <= 1):
        raise ValueError(f"anchor_reliability must lie above 0, up to 1; got {anchor_reliability!r}")
    if sdc is not None and not (_is_number(sdc) and sdc > 0):
        raise ValueError(f"sdc must be positive, a finite number in the unit of the score; got {sdc!r}")


def _is_number(given: object) -> bool:
    return isinstance(given, Real) and not isinstance(given, bool) and isfinite(given)


def _changes(
    change: pd.Series, anchor: pd.Series, before: pd.Series | None, clusters: pd.Series | None
) -> tuple[pd.DataFrame, list[str]]:
    if not isinstance(change, pd.Series):
        raise ValueError(f"change must be a Series, one number for each person; got {type(change).__name__}")
    parts = {"change": change, "anchor": same_responses(anchor, change.index, "anchor", one_column=True)}
    if before is not None:
        parts["before"] = same_responses(before, change.index, "before", one_column=True)
    people = numeric_answers(pd.DataFrame(parts), at_least=2)
    if clusters is not None:
        people["clusters"] = pd.factorize(same_responses(clusters, change.index, "clusters", one_column=True))[0]
        people["clusters"] = people["clusters"].where(people["clusters"] >= 0)
    complete = people.dropna()
    left_out = len(people) - len(complete)
    return complete, [f"{left_out} of {len(people)} people lack a part and are left out."] if left_out else []


def _unchanged(anchor: pd.Series, given: float | None) -> float:
    if given is not None:
        return given
    low, high = anchor.min(), anchor.max()
    if low <= 0 and low >= -3 and high <= 3:
        return 0.0
    if low >= 1 and 3 < high <= 7:
        return 4.0
    raise ValueError(
        f"ratings from {low:g} to {high:g} do not tell which scale they are on (−3 to 3, or 1 to 7): say with unchanged= which "
        "rating means no change"
    )


def _check_anchor(link: dict[str, float], improved: Flags) -> None:
    r = link["estimate"]
    if r <= -_WEAKEST_ANCHOR:
        raise ValueError(
            f"people who say that things got better have lower change scores (Spearman r = {r:.2f}): turn the rating or the "
            "score so that higher is better in both"
        )
    if r < _WEAKEST_ANCHOR:
        raise ValueError(
            f"the rating of change correlates {r:.2f} (95 % interval {link['ci_low']:.2f} to {link['ci_high']:.2f}, "
            f"n = {link['n']:.0f}) with change of the score; under .30 no important change can be had from it "
            "(Revicki et al., 2008): report the correlation, and find a better anchor"
        )
    counts = int(improved.sum()), int((~improved).sum())
    if min(counts) < _FEWEST_OF_EACH:
        raise ValueError(
            f"at least {_FEWEST_OF_EACH} people who improved and as many who did not are needed, got "
            f"{counts[0]} and {counts[1]}: collect more follow-ups"
        )


def _check_overlap(change: Matrix, improved: Flags) -> None:
    if change[improved].min() >= change[~improved].max():
        raise ValueError(
            "nobody who improved has a lower change score than anyone who did not, so that no model can say where between "
            f"them the border lies: it is between {change[~improved].max():g} and {change[improved].min():g}; "
            "collect more follow-ups"
        )


# Estimates, of the people and of each bootstrap sample


def _statistic_names(with_before: bool, with_reliability: bool) -> list[str]:
    names = ["mic_predicted", "mic_adjusted", "mic_roc", "auc", "srm"]
    return names + ["effect_size"] * with_before + ["mic_improved_adjusted"] * with_reliability


def _statistics(
    change: Matrix, improved: Flags, before: Matrix | None, weights: Matrix, reliability: float | None
) -> tuple[Matrix, Flags]:
    """All that is bootstrapped, of each row of weights (times that each person counts), and whether it settled."""
    of_change = _weighted_moments(change, weights)
    share = weights @ improved / weights.sum(axis=1)
    odds = special.logit(share)
    intercept, slope, settled = _logistic(change, improved, weights)
    predicted = (odds - intercept) / slope
    n = weights.sum(axis=1)
    covariance = (weights @ (change * improved) / n - of_change.mean * share) * n / (n - 1)
    point_biserial = covariance / (of_change.sd * np.sqrt(share * (1 - share) * n / (n - 1)))
    adjusted = predicted - (0.090 + 0.103 * point_biserial) * of_change.sd * odds
    cut, auc = _roc(change, improved, weights)
    columns = [predicted, adjusted, cut, auc, of_change.mean / of_change.sd]
    if before is not None:
        at_start = _weighted_moments(before, weights).sd
        # A sample of people who all began alike has no effect size; what is left of its spread is rounding.
        spread = at_start > 1e-6 * before.std()
        settled = settled & spread
        columns.append(of_change.mean / np.where(spread, at_start, np.nan))
    if reliability is not None:
        columns.append(predicted - (0.8 / reliability - 0.5) * of_change.sd * point_biserial * odds)
    return np.stack(columns, axis=1), settled


@dataclass(frozen=True, kw_only=True)
class _Moments:
    mean: Matrix
    sd: Matrix


def _weighted_moments(values: Matrix, weights: Matrix) -> _Moments:
    n = weights.sum(axis=1)
    centre = values.mean()
    shifted = values - centre
    mean = weights @ shifted / n
    variance = (weights @ shifted**2 / n - mean**2) * n / (n - 1)
    return _Moments(mean=centre + mean, sd=np.sqrt(np.maximum(variance, 0.0)))


def _logistic(x: Matrix, y: Flags, weights: Matrix) -> tuple[Matrix, Matrix, Flags]:
    """Intercept and slope of logistic regressions with one predictor, one for each row of weights, by Newton's method."""
    centre, scale = x.mean(), x.std()
    standard = (x - centre) / scale
    share = weights @ y / weights.sum(axis=1)
    beta = np.stack([special.logit(share), np.zeros(len(weights))], axis=1)
    settled = np.zeros(len(weights), dtype=bool)
    for _ in range(_NEWTON_STEPS):
        p = special.expit(beta[:, :1] + beta[:, 1:] * standard)
        residual = weights * (y - p)
        curve = weights * p * (1 - p)
        gradient = residual.sum(axis=1), residual @ standard
        a, b, c = curve.sum(axis=1), curve @ standard, curve @ standard**2
        determinant = a * c - b**2
        # Where a sample separates the groups the curve flattens out to 0: that sample has no finite slope.
        usable = determinant > 1e-12 * np.maximum(a, 1) ** 2
        safe = np.where(usable, determinant, 1.0)
        step = np.stack(
            [(c * gradient[0] - b * gradient[1]) / safe, (a * gradient[1] - b * gradient[0]) / safe], axis=1
        )
        step[~usable] = 0
        beta = beta + step
        settled = usable & (np.abs(step).max(axis=1) < 1e-9)
        if np.all(settled | ~usable):
            break
    slope = np.where(settled, beta[:, 1], np.nan) / scale
    return beta[:, 0] - slope * centre, slope, settled


def _roc(change: Matrix, improved: Flags, weights: Matrix) -> tuple[Matrix, Matrix]:
    """Cut-off of the highest Youden index, midway between values, and the area under the curve."""
    values, place = np.unique(change, return_inverse=True)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(values)))
    sorted_weights, sorted_improved = weights[:, order], improved[order]
    better = np.add.reduceat(sorted_weights * sorted_improved, starts, axis=1)
    other = np.add.reduceat(sorted_weights * ~sorted_improved, starts, axis=1)
    better /= better.sum(axis=1, keepdims=True)
    other /= other.sum(axis=1, keepdims=True)
    below_better, below_other = np.cumsum(better, axis=1), np.cumsum(other, axis=1)
    auc = np.sum(better * (below_other - other / 2), axis=1)
    youden = (below_other - below_better)[:, :-1]
    best = youden >= youden.max(axis=1, keepdims=True) - 1e-12
    cuts = (values[1:] + values[:-1]) / 2
    return best @ cuts / best.sum(axis=1), auc


def _delong(change: Matrix, improved: Flags) -> dict[str, float]:
    """Area under the curve with the interval of DeLong, DeLong and Clarke-Pearson (1988), kept within 0 and 1."""
    better, other = change[improved], change[~improved]
    ranks = stats.rankdata(np.concatenate([better, other]))
    above = (ranks[: len(better)] - stats.rankdata(better)) / len(other)
    below = 1 - (ranks[len(better) :] - stats.rankdata(other)) / len(better)
    auc = float(above.mean())
    se = np.sqrt(above.var(ddof=1) / len(better) + below.var(ddof=1) / len(other))
    low, high = np.clip([auc - _QUANTILE * se, auc + _QUANTILE * se], 0, 1)
    return {"estimate": auc, "ci_low": float(low), "ci_high": float(high)}


def _bootstrap(
    change: Matrix,
    improved: Flags,
    before: Matrix | None,
    reliability: float | None,
    clusters: pd.Series | None,
    draws: int,
    seed: int,
) -> tuple[Matrix, int]:
    """Statistics of each sample, and how many samples gave none."""
    rng = np.random.default_rng(seed)
    units = np.arange(len(change)) if clusters is None else pd.factorize(clusters)[0]
    count = int(units.max()) + 1
    at_once = max(_BLOCK // len(change), 1)
    pieces, done = [], 0
    while done < draws:
        size = min(at_once, draws - done)
        times = rng.multinomial(count, np.full(count, 1 / count), size=size).astype(float)
        weights = times[:, units]
        chosen = weights @ improved
        weights = weights[(chosen > 1) & (chosen < weights.sum(axis=1) - 1)]
        found, settled = _statistics(change, improved, before, weights, reliability)
        pieces.append(found[settled])
        done += size
    drawn = np.concatenate(pieces)
    if len(drawn) < draws / 2:
        raise ValueError(
            f"in {draws - len(drawn)} of {draws} bootstrap samples the people who improved and those who did not do not overlap: "
            "there are too few for an interval; collect more follow-ups"
        )
    return drawn, draws - len(drawn)


# What is said


def _by_anchor(people: pd.DataFrame) -> pd.DataFrame:
    grouped = people.groupby("anchor")["change"]
    table = grouped.agg(["count", "mean", "std"]).set_axis(["n", "mean", "sd"], axis=1)
    return table.assign(srm=table["mean"] / table["sd"].where(table["sd"] > 0))


def _change_notes(table: pd.DataFrame, improved: Flags, centre: float) -> list[str]:
    share = float(improved.mean())
    headline = table.iloc[0]
    notes = [
        f"Ratings above {centre:g} count as improved ({share:.0%}), all others, also worse ones, as not.".replace(
            "%", " %"
        ),
        "A global rating of change is a memory and leans on how things are now; the important change holds for these "
        "people and this anchor, and for the mean of many, not as a bar for one person.",
    ]
    link = table.loc["anchor_correlation"]
    if link["ci_low"] < _WEAKEST_ANCHOR:
        notes.append(
            f"The anchor's correlation of {link['estimate']:.2f} reaches .30 (Revicki et al., 2008), but its interval begins at "
            f"{link['ci_low']:.2f}: the anchor may be too weak."
        )
    if not 0.3 <= share <= 0.7:
        notes.append("Few or nearly all improved: the adjustment for that is least sure here.")
    if "sdc" in table.index:
        detectable, important = table.loc["sdc", "estimate"], headline["estimate"]
        word = "below" if detectable < important else "not below"
        notes.append(
            f"The smallest detectable change ({detectable:.3g}) is {word} the minimal important change "
            f"({important:.3g}, interval {headline['ci_low']:.3g} to {headline['ci_high']:.3g}): one person's "
            f"important change {'can' if detectable < important else 'cannot'} be told from measurement error "
            "(Terwee et al., 2007)."
        )
    if "anchor_with_before" in table.index:
        notes.append(
            "A rating of change should go with the score after and, about as strongly but the other way, with the score before "
            "(Guyatt et al., 2002); one that goes with the score after alone rates the present."
        )
    return notes
