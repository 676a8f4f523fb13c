"""Do those who were lowest before rise by more than they would have anyway? Regression to the mean."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import pandas as pd
from scipy import stats

from analysis.alignment import same_responses
from analysis.linearisation import Units, error_of, units_of
from analysis.result import Result

LOWEST, HIGHEST = "lowest", "highest"
BOTH_ENDS = "both ends moved to the middle"
_MORE = "more than expected"
_FEWEST = 2
_TAIL = 0.975
_COLUMNS = [
    *("n", "mean_before", "estimate", "se", "df", "ci_low", "ci_high"),
    *("regression", "shift", "expected", "beyond", "beyond_low", "beyond_high", "verdict"),
]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class RegressionToTheMean(Result):
    """Change of those lowest and highest before, beside what regression to the mean alone gives.

    Parameters
    ----------
    sentence : str
        What it comes to, for a reader without statistics.
    """

    sentence: str


def expected_regression(mean: float, sd: float, *, reliability: float, cut: float, side: str = HIGHEST) -> float:
    """Return the mean change that regression to the mean alone gives people beyond a cut-off, for normal scores.

    Parameters
    ----------
    mean, sd : float
        Of everyone's first scores.
    reliability : float
        Correlation of two measurements without a change in between, from 0 to 1.
    cut : float
        Those above it are selected (``side="highest"``), or those below (``side="lowest"``).
    side : {"highest", "lowest"}

    Raises
    ------
    ValueError
        If sd is not above 0, reliability not from 0 to 1, or side neither of the two.

    Notes
    -----
    (1 − r) SD φ(z) / (1 − Φ(z)) towards the mean, z the standardised cut-off (Davis, 1976, *American Journal of
    Epidemiology*, 104, 493–498; Barnett, van der Pols and Dobson, 2005, *International Journal of Epidemiology*, 34,
    215–220, equation 1).

    Examples
    --------
    >>> round(expected_regression(60, 15, reliability=0.5, cut=40, side="lowest"), 2)
    13.49
    """
    if not sd > 0:
        raise ValueError(f"sd must be above 0, got {sd}")
    if not 0 <= reliability <= 1:
        raise ValueError(f"reliability must lie from 0 to 1, got {reliability}")
    if side not in (LOWEST, HIGHEST):
        raise ValueError(f"side must be 'highest' or 'lowest', got {side!r}")
    z = (cut - mean) / sd if side == HIGHEST else (mean - cut) / sd
    towards = (1 - reliability) * sd * float(stats.norm.pdf(z) / stats.norm.sf(z))
    return -towards if side == HIGHEST else towards


def regression_to_the_mean(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    reliability: float | Mapping[str, float],
    share: float = 1 / 3,
    people: pd.DataFrame | None = None,
) -> RegressionToTheMean:
    """Compare the change of those lowest and highest before with what regression to the mean alone gives.

    Parameters
    ----------
    before, after : pandas.DataFrame
        Linked people × score, the same people and scores; gaps are left out, score by score.
    reliability : float or mapping of str to float
        From 0 to 1, for all scores or by score: test-retest where it is known, else omega, which is too high for
        this, so that regression is understated.
    share : float, default 1/3
        Which part of the people counts as lowest, and as highest; ties at the cut-off are taken in.
    people : pandas.DataFrame, optional
        By person, with ``organisation``, ``team`` or both: the intervals then allow for people of one place being
        alike, where there are at least 10. Default: people are independent.

    Returns
    -------
    RegressionToTheMean
        ``table``, index ``score, selected``: n, mean_before, estimate (their change in points) with se, df, ci_low,
        ci_high; regression (the change that regression alone gives), shift (the change of those in the middle, their
        own regression taken off), expected (the sum of the two), beyond (estimate − expected) with beyond_low and
        beyond_high, and verdict: "no more than expected", "more than expected", "less than expected"
        (towards the middle), "both ends moved to the middle" (each by more than expected: the reliability is too high
        for the time between the waves, nothing can be said), or "not enough answers".

    Raises
    ------
    ValueError
        If the frames are not of the same people and scores, nobody has both answers, or an option is out of range.

    Notes
    -----
    Regression alone is (1 − r)(mean of all − mean of the selected), which needs no normal scores, only that the
    regression of true on observed scores is a line (Davis, 1976; Barnett et al., 2005). What everybody changed by is
    taken from those in the middle, so that a gain of the lowest does not raise what is expected of them. The verdict
    asks whether the interval of ``beyond`` (Welch, 1947) leaves out 0; the reliability is taken as known.

    Examples
    --------
    >>> before = pd.DataFrame({"role": [30.0, 35, 40, 50, 52, 55, 60, 65, 70]})
    >>> after = pd.DataFrame({"role": [36.0, 38, 47, 51, 50, 56, 57, 60, 63]})
    >>> found = regression_to_the_mean(before, after, reliability=0.8)
    >>> found.table["expected"].round(2).to_dict()
    {('role', 'lowest'): 3.47, ('role', 'highest'): -2.53}
    """
    if not 0 < share <= 0.4:
        raise ValueError(f"share must lie above 0 and be at most 0.4, so that a middle is left; got {share}")
    if list(before.columns) != list(after.columns):
        raise ValueError("before and after must have the same scores, in the same order")
    before, after = (frame.rename(columns=str) for frame in (before, same_responses(after, before.index, "after")))
    names = list(before.columns)
    r = dict(reliability) if isinstance(reliability, Mapping | pd.Series) else dict.fromkeys(names, float(reliability))
    lacking = [name for name in names if name not in r]
    if lacking:
        raise ValueError(f"reliability is missing for {', '.join(lacking)}: give one for each score, or one for all")
    wrong = [name for name in names if not 0 <= r[name] <= 1]
    if wrong:
        raise ValueError(f"reliability must lie from 0 to 1; it does not for {', '.join(wrong)}")
    known = pd.DataFrame(index=before.index) if people is None else same_responses(people, before.index, "people")
    units = units_of(known.assign(person=before.index))
    found: dict[tuple[str, str], dict[str, object]] = {}
    for name in names:
        first, second = before[name].astype(float), after[name].astype(float)
        both = first.notna() & second.notna()
        for side in (LOWEST, HIGHEST):
            found[name, side] = _selected(first[both], (second - first)[both], r[name], share, side, units)
        if all(found[name, side]["verdict"] == _MORE for side in (LOWEST, HIGHEST)):
            for side in (LOWEST, HIGHEST):
                found[name, side]["verdict"] = BOTH_ENDS
    index = pd.MultiIndex.from_tuples(found, names=["score", "selected"])
    table = pd.DataFrame(list(found.values()), index=index, columns=_COLUMNS).astype({"n": "int64"})
    if not table["n"].any():
        raise ValueError(
            f"nobody has a score that varies at both waves ({len(before)} people): regression to the mean is about "
            "linked people"
        )
    notes = [
        f"Lowest and highest: the {share:.0%} with the lowest and the highest scores before, ties at the cut-off taken in. "
        "Whoever is chosen for an extreme score moves towards the middle without any programme.",
        "The reliability is taken as known. Where it holds no error over time (omega), regression is understated.",
    ]
    empty = table.index[table["verdict"] == "not enough answers"]
    if len(empty):
        notes.append(
            f"Not enough answers, or everyone alike before: {', '.join(dict.fromkeys(name for name, _ in empty))}."
        )
    return RegressionToTheMean(
        title="Change of those lowest and highest before, and regression to the mean",
        table=table,
        method=(
            "Regression to the mean: (1 − reliability) times the distance of the selected people's mean before from "
            "everyone's (Davis, 1976; Barnett et al., 2005), plus the change of those in the middle beyond "
            "their own, against their observed change "
            "by Welch's (1947) interval"
            + (
                ", people independent."
                if units.name == "person"
                else f", robust to clustering by {units.name} (CR1; Cameron and Miller, 2015)."
            )
        ),
        notes=tuple(notes),
        sentence=_sentence(table),
    )


def _selected(
    first: pd.Series, change: pd.Series, reliability: float, share: float, side: str, units: Units
) -> dict[str, object]:
    empty: dict[str, object] = {"n": 0, "verdict": "not enough answers"}
    if len(first) < _FEWEST or first.min() == first.max():
        return empty
    low, high = float(first.quantile(share)), float(first.quantile(1 - share))
    chosen = first <= low if side == LOWEST else first >= high
    middle = (first > low) & (first < high)

    def regressed(people: pd.Series) -> float:
        return (1 - reliability) * float(first.mean() - first[people].mean())

    own, rest = change[chosen], change[middle]
    row: dict[str, object] = {
        "n": len(own),
        "mean_before": float(first[chosen].mean()),
        "estimate": float(own.mean()),
        "regression": regressed(chosen),
        "verdict": "not enough answers",
    }
    if min(len(own), len(rest)) < _FEWEST:
        return row
    influence = (own - own.mean()) / len(own)
    se, df = error_of(influence, pd.Series(side, index=own.index), units)
    half = float(stats.t.ppf(_TAIL, df)) * se
    row |= {"se": se, "df": df, "ci_low": float(own.mean()) - half, "ci_high": float(own.mean()) + half}
    shift = float(rest.mean()) - regressed(middle)
    expected = regressed(chosen) + shift
    beyond = float(own.mean()) - expected
    both = pd.concat([influence, -(rest - rest.mean()) / len(rest)])
    part = pd.Series(side, index=both.index).where(chosen.loc[both.index], "middle")
    error, freedom = error_of(both, part, units)
    reach = float(stats.t.ppf(_TAIL, freedom)) * error
    # Towards the middle is up for the lowest, down for the highest.
    towards = beyond if side == LOWEST else -beyond
    verdict = _MORE if towards > reach else "less than expected" if towards < -reach else "no more than expected"
    return row | {
        "shift": shift,
        "expected": expected,
        "beyond": beyond,
        "beyond_low": beyond - reach,
        "beyond_high": beyond + reach,
        "verdict": verdict,
    }


def _sentence(table: pd.DataFrame) -> str:
    judged = table[table["verdict"] != "not enough answers"].xs(LOWEST, level="selected")
    if judged.empty:
        return "There are too few linked people to say how those who were lowest before have changed."
    both = judged.index[judged["verdict"] == BOTH_ENDS]
    unsaid = (
        f" On {len(both)} of them ({', '.join(both)}) both ends moved to the middle by more than the reliability explains, "
        "so that nothing can be said."
        if len(both)
        else ""
    )
    more = judged.index[judged["verdict"] == _MORE]
    if len(more):
        return (
            f"Those who were lowest before rose by more than regression to the mean and the change of those in the "
            f"middle explain on "
            f"{len(more)} of {len(judged)} scores ({', '.join(more)}).{unsaid}"
        )
    return (
        "On no score did those who were lowest before rise by more than regression to the mean and the change of those "
        f"in the middle explain: their rise is not a sign that the programme reached them in particular.{unsaid}"
    )
