"""Patterns of scores that are worth a talk, such as strong leadership with a weak voice; the rules stand in the definition."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from analysis.group_means import weighted_group_means
from analysis.result import Result
from analysis.sentences import listed
from analysis.viewpoints import check_one_wave, clusters_of, independence_note, viewpoint
from instrument.definition import Catalogue, Instrument, ScoreRule, Signal
from instrument.responses import Responses
from instrument.scoring import comparable_items, score

SEEN, NOT_SEEN, CANNOT_TELL = "seen", "not seen", "cannot tell"
BANDS = {75.0: "strong", 62.5: "emerging", 37.5: "mixed", 0.0: "weak"}
"""From which score (0–100) a band begins: by the anchors of the answers, no norms."""

_HALF = 50.0
_FEWEST = 2
_COLUMNS = ["rule", "high", "low", "estimate", "ci_low", "ci_high", "n", "finding", "reason"]


@dataclass(frozen=True, kw_only=True)
class _Sides:
    """What one comparison found: the two levels, their difference with its interval, and of how many people."""

    high: float = np.nan
    low: float = np.nan
    estimate: float = np.nan
    ci_low: float = np.nan
    ci_high: float = np.nan
    n: int = 0


def band(score_value: float) -> str:
    """Return the band of a score from 0 to 100: strong, emerging, mixed or weak.

    Examples
    --------
    >>> band(75), band(62.5), band(62.4), band(37.4)
    ('strong', 'emerging', 'mixed', 'weak')
    """
    if not 0 <= score_value <= 100:
        raise ValueError(f"a score from 0 to 100 has a band, got {score_value}")
    return next(word for start, word in BANDS.items() if score_value >= start)


def signals(responses: Responses, *, change: pd.DataFrame | None = None) -> Result:
    """Look for the patterns that the definition names.

    Parameters
    ----------
    responses : Responses
        One wave; the later one where there are two.
    change : pandas.DataFrame, optional
        The change since the earlier wave by score, with ``estimate, ci_low, ci_high`` (the ``table`` of
        `compare_waves`); needed for a signal of kind ``dip``.

    Returns
    -------
    Result
        Index ``signal``; columns rule (in words), high and low (levels, 0 to 100), estimate (high minus low, in
        points), ci_low, ci_high, n, finding ("seen", "not seen", "cannot tell") and reason.

    Raises
    ------
    ValueError
        If there are several waves, or the definition names no signals.

    Notes
    -----
    Subscales are compared within the same people, forms (each with the same weight) between people; intervals know
    of clusters where there are ten, by CR2 (Pustejovsky and Tipton, 2018). A signal is *seen* where the difference
    reaches the definition's points, its interval leaves out 0, and what is called high lies at 50 or above; *not seen*
    where the interval leaves out that many points, or what is called high lies below 50; otherwise nobody can tell. The
    rules are ours, not norms; intervals are not adjusted for looking at several patterns.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> found = signals(read_responses("sample_data/baseline.csv", read_instrument("pwiq")))
    >>> found.table.loc["tokenism", "finding"]
    'not seen'
    """
    check_one_wave(responses)
    instrument = responses.instrument
    if not instrument.signals:
        raise ValueError(f"{instrument.id} names no signals: add [signals.…] to its definition")
    scores = _scores(responses)
    form, cluster = viewpoint(responses), clusters_of(responses)
    rows: dict[str, list[object]] = {}
    alone: list[str] = []
    for signal in instrument.signals:
        rule = rule_in_words(signal, instrument)
        sides, reason = _compared(signal, scores, form, cluster, alone)
        finding = CANNOT_TELL if reason else _finding(signal, sides)
        if signal.kind == "dip" and finding != NOT_SEEN:
            fell, why = _fell(signal, change)
            finding, reason = _both(finding, fell), reason or why
        rows[signal.id] = [rule, *vars(sides).values(), finding, reason or _reason(signal, sides, finding)]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=_COLUMNS).rename_axis("signal").astype({"n": int})
    unit = "people taken as independent" if cluster is None else f"people in {cluster.nunique()} {cluster.name}s"
    return Result(
        title="Patterns worth a talk",
        table=table,
        method="Differences within the same people (subscales) or between forms, each form with the same weight, on the items "
        f"that all forms ask, {unit}; 95 % intervals from CR2 standard errors (Pustejovsky & Tipton, 2018). The rules "
        f"stand in the definition of {instrument.id} {instrument.version}.",
        notes=(
            "A signal is a reason to talk, not a finding about anyone. The rules are ours; there are no norms.",
            "Several patterns are looked at, each with its own 95 % interval: one in forty may be seen by chance alone.",
            *([independence_note(responses)] if cluster is None else []),
            *(
                [
                    f"All answers of a form come from one {cluster.name}; people are taken as independent in: {listed(alone)}."
                ]
                if alone and cluster is not None
                else []
            ),
        ),
    )


def rule_in_words(signal: Signal, instrument: Instrument) -> str:
    """Return the rule of a signal as a sentence.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> pwiq = read_instrument("pwiq")
    >>> rule_in_words(pwiq.signals["tokenism"], pwiq)
    '“Leadership commitment and championing” is 50 or above and lies at least 12.5 points above “Involvement in
    decisions and change” in the same people, beyond chance.'
    """
    points, language = f"{signal.points:g} points", instrument.languages[0]
    if signal.kind == "subscales":
        high, *low = (f"“{instrument.scores[name].title[language]}”" for name in (str(signal.high), *signal.low))
        mean = " (their mean)" if len(low) > 1 else ""
        return (
            f"{high} is 50 or above and lies at least {points} above {' and '.join(low)}{mean} in the same people, "
            "beyond chance."
        )
    title = instrument.scores[str(signal.score)].title[language].lower()
    if signal.kind == "forms":
        names = [instrument.forms[name].title[language] for name in (str(signal.high), *signal.low)]
        others = " and ".join(name.lower() for name in names[1:])
        return f"{names[0]} give the {title} 50 or above and at least {points} more than {others}, beyond chance."
    facets = " and ".join(f"“{_facet_title(name, instrument)}”" for name in signal.low)
    return (
        f"The {title} fell since the earlier survey, and the answers on {facets} together lie at least {points} below it in "
        "the same people, both beyond chance."
    )


def _scores(responses: Responses) -> pd.DataFrame:
    """Score on the items that all forms ask, with one more score for the facets of each dip."""
    instrument = responses.instrument
    rules: list[ScoreRule] = [*instrument.scores]
    subscale = next((rule for rule in rules if rule.kind == "subscale"), None)
    for signal in instrument.signals:
        if signal.kind == "dip" and subscale is not None:
            items = tuple(i.id for i in instrument.items if f"{i.subscale}{i.facet or ''}" in signal.low)
            rules.append(replace(subscale, id=f"low_{signal.id}", export=f"low{signal.id}", items=items, short=None))
    scored = replace(responses, instrument=replace(instrument, scores=Catalogue(rules)))
    return score(scored, items=comparable_items(responses))


def _compared(
    signal: Signal, scores: pd.DataFrame, form: pd.Series, cluster: pd.Series | None, alone: list[str]
) -> tuple[_Sides, str]:
    """Return both sides of a signal, and why they cannot be had where that is so."""
    if signal.kind == "forms":
        held = scores.loc[form.isin([str(signal.high), *signal.low]), str(signal.score)].dropna()
        usable = _usable(held.index, form, cluster, signal, alone)
        return _between(held, form, str(signal.high), signal.low, usable)
    if signal.kind == "subscales":
        high, low = scores[str(signal.high)], scores[list(signal.low)].mean(axis=1, skipna=False)
    else:
        high, low = scores[str(signal.score)], scores[f"low_{signal.id}"]
    # A form with one answer has no spread of its own; the others speak.
    both = (high - low).dropna().index
    sizes = form[both].value_counts(sort=False)
    spoken = both[form[both].isin(sizes.index[sizes >= _FEWEST])]
    if spoken.empty:
        return _Sides(n=len(both)), f"too few people have both scores ({len(both)})"
    return _within(high[spoken], low[spoken], form, _usable(spoken, form, cluster, signal, alone)), ""


def _usable(
    held: pd.Index, form: pd.Series, cluster: pd.Series | None, signal: Signal, alone: list[str]
) -> pd.Series | None:
    """Return the clusters, or None where all of a form lie in one: the two cannot then be told apart."""
    if cluster is not None and cluster[held].groupby(form[held].astype(str)).nunique().min() < _FEWEST:
        alone.append(signal.id)
        return None
    return cluster


def _within(high: pd.Series, low: pd.Series, form: pd.Series, cluster: pd.Series | None) -> _Sides:
    """Compare two scores of the same people: the mean of the forms' means."""
    member = form[high.index].astype(str)
    forms = sorted(set(member))
    weights = pd.DataFrame([[1 / len(forms)] * len(forms)], columns=pd.Index(forms))
    levels = [float(values.groupby(member).mean().mean()) for values in (high, low)]
    return _Sides(high=levels[0], low=levels[1], n=len(high), **_interval(high - low, member, weights, cluster))


def _between(
    values: pd.Series, form: pd.Series, high: str, low: tuple[str, ...], cluster: pd.Series | None
) -> tuple[_Sides, str]:
    """Compare forms on a score; each of the low ones has the same weight."""
    member = form[values.index].astype(str)
    sizes = {name: int((member == name).sum()) for name in (high, *low)}
    few = [f"{name} ({size})" for name, size in sizes.items() if size < _FEWEST]
    if few:
        return _Sides(n=len(values)), f"too few answers of {listed(few)}"
    weights = pd.DataFrame([[1.0, *[-1 / len(low)] * len(low)]], columns=pd.Index([high, *low]))
    means = values.groupby(member).mean()
    numbers = _interval(values, member, weights, cluster)
    return _Sides(high=float(means[high]), low=float(means[list(low)].mean()), n=len(values), **numbers), ""


def _interval(
    values: pd.Series, member: pd.Series, weights: pd.DataFrame, cluster: pd.Series | None
) -> dict[str, float]:
    of_cluster = None if cluster is None else cluster[values.index]
    row = weighted_group_means(values, member, weights, cluster=of_cluster).iloc[0]
    return {name: float(row[name]) for name in ("estimate", "ci_low", "ci_high")}


def _finding(signal: Signal, sides: _Sides) -> str:
    high_enough = signal.kind == "dip" or sides.high >= _HALF
    if sides.estimate >= signal.points and sides.ci_low > 0 and high_enough:
        return SEEN
    return NOT_SEEN if sides.ci_high < signal.points or not high_enough else CANNOT_TELL


def _fell(signal: Signal, change: pd.DataFrame | None) -> tuple[str, str]:
    """Say whether the score fell since the earlier wave; the reason where that cannot be told."""
    if change is None:
        return CANNOT_TELL, "needs an earlier survey"
    if signal.score not in change.index or change.loc[signal.score, ["estimate", "ci_low", "ci_high"]].isna().any():
        return CANNOT_TELL, f"the change of {signal.score} is not known"
    low, high = (float(change.loc[signal.score, end]) for end in ("ci_low", "ci_high"))
    if high < 0:
        return SEEN, ""
    return (
        (NOT_SEEN, f"the {signal.score} score did not fall")
        if low > 0
        else (CANNOT_TELL, "the change is too close to call")
    )


def _both(first: str, second: str) -> str:
    """Two conditions: not seen where either is not, seen where both are."""
    if NOT_SEEN in (first, second):
        return NOT_SEEN
    return SEEN if first == second == SEEN else CANNOT_TELL


def _reason(signal: Signal, sides: _Sides, finding: str) -> str:
    if finding == SEEN:
        return f"{sides.high:.0f} ({band(sides.high)}) against {sides.low:.0f} ({band(sides.low)})"
    if finding == CANNOT_TELL:
        return f"the interval holds both less and more than {signal.points:g} points, or 0"
    if signal.kind != "dip" and sides.high < _HALF:
        return f"what would be high is {sides.high:.0f} ({band(sides.high)})"
    return f"the difference is under {signal.points:g} points"


def _facet_title(facet: str, instrument: Instrument) -> str:
    titles = {f"{subscale.id}{each.id}": each.title for subscale in instrument.subscales for each in subscale.facets}
    return titles[facet][instrument.languages[0]]
