"""From answers to scores, by the rules that the definition states. No rule stands here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
import pandas as pd

from instrument.definition import Instrument, ScoreRule
from instrument.responses import Responses, asked

Metric = Literal["pomp", "mean"]
Floats = npt.NDArray[np.float64]
Booleans = npt.NDArray[np.bool_]


def keyed(responses: Responses) -> pd.DataFrame:
    """Turn the reversed items, so that a high answer is good everywhere.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    pandas.DataFrame
        Response × item, ``Int64``. A reversed item becomes lowest + highest − answer.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> responses = read_responses("sample_data/baseline.csv", read_instrument("pwiq"))
    >>> bool((keyed(responses)["roleab"] == 6 - responses.answers["roleab"]).all())
    True
    """
    instrument = responses.instrument
    turned = responses.answers.copy()
    for item in instrument.items:
        if item.reverse:
            scale = instrument.response_scales[item.scale]
            turned[item.id] = scale.low + scale.high - turned[item.id]
    return turned


def score(
    responses: Responses,
    *,
    metric: Metric = "pomp",
    items: Literal["own", "common", "short"] | Sequence[str] = "own",
) -> pd.DataFrame:
    """Score every response by the rules of its definition.

    Parameters
    ----------
    responses : Responses
    metric : {"pomp", "mean"}
        ``"mean"`` is the scale of the answers; ``"pomp"`` is the percentage of the maximum possible,
        (mean − lowest) / (highest − lowest) × 100. A difference of two scores is in the same units;
        acquiescence is on the scale of the answers in both.
    items : {"own", "common", "short"} or list of item ids
        ``"own"``: what the respondent's form asks. ``"common"``: only what all full forms ask, for
        comparing forms. ``"short"``: everyone on the short form's items and rules. A list: exactly
        those items. Short forms are always scored by their own rules. Minima that are fractions are
        counted on the items chosen.

    Returns
    -------
    pandas.DataFrame
        Response × score, in the definition's order; NaN where too few answers are valid.

    Raises
    ------
    ValueError
        If ``metric`` or ``items`` is none of these, an id is unknown, or there is no short form.

    Notes
    -----
    POMP: Cohen, Cohen, Aiken and West (1999), *Multivariate Behavioral Research*, 34, 315–346.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> responses = read_responses("sample_data/baseline.csv", read_instrument("pwiq"))
    >>> score(responses).columns[:3].tolist()
    ['role', 'indu', 'educ']
    """
    instrument = responses.instrument
    if metric not in ("pomp", "mean"):
        raise ValueError(f"metric must be 'pomp' or 'mean'; got {metric!r}")
    table = _table(responses, _chosen_items(instrument, items))
    by_short_rules = _uses_short_rules(responses, items)
    scores = {rule.id: np.full(len(table.raw), np.nan) for rule in instrument.scores}
    for short, rows in ((False, ~by_short_rules), (True, by_short_rules)):
        if rows.any():
            for name, values in _apply_rules(instrument, table.rows(rows), short=short).items():
                scores[name][rows] = values
    if metric == "pomp":
        for rule in instrument.scores:
            scores[rule.id] = _pomp(instrument, rule, scores[rule.id])
    return pd.DataFrame(scores, index=responses.answers.index)


def comparable_items(*several: Responses) -> Literal["own", "common", "short"]:
    """Return the items on which all of these responses can be compared: what `score` takes as ``items``.

    ``"short"`` where long and short forms are mixed, ``"common"`` where the definition has several
    full forms, else ``"own"``.
    """
    instrument = several[0].instrument
    if instrument.forms:
        short = {form.id for form in instrument.forms if form.is_short}
        present = set().union(*(responses.people["form"] for responses in several))
        if present & short and present - short:
            return "short"
    return "common" if len(instrument.full_forms) > 1 else "own"


def score_scale(instrument: Instrument, name: str, *, metric: Metric = "pomp") -> tuple[float, float]:
    """Return the lowest and the highest value that a score can take.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> score_scale(read_instrument("pwiq"), "balance", metric="mean")
    (-4.0, 4.0)
    """
    rule = instrument.scores[name]
    low, high = _answer_range(instrument, rule)
    if rule.rule == "acquiescence":
        return (low - high) / 2, (high - low) / 2
    ends = (low - high, high - low) if rule.rule == "difference" else (low, high)
    scaled = _pomp(instrument, rule, np.array(ends, dtype=float)) if metric == "pomp" else np.array(ends, dtype=float)
    return float(scaled[0]), float(scaled[1])


@dataclass(frozen=True)
class _Table:
    """Answers as numbers, NaN where there is none; `used`: the item counts for this response."""

    columns: dict[str, int]
    raw: Floats
    turned: Floats
    used: Booleans

    def rows(self, rows: Booleans) -> _Table:
        return _Table(self.columns, self.raw[rows], self.turned[rows], self.used[rows])


def _table(responses: Responses, chosen: set[str]) -> _Table:
    raw = responses.answers.to_numpy(dtype=float, na_value=np.nan)
    turned = keyed(responses).to_numpy(dtype=float, na_value=np.nan)
    columns = {name: position for position, name in enumerate(responses.answers.columns)}
    used = asked(responses).to_numpy() & np.array([name in chosen for name in columns])
    return _Table(columns, raw, turned, used)


def _chosen_items(instrument: Instrument, items: str | Sequence[str]) -> set[str]:
    if items == "own":
        return set(instrument.items.ids)
    if items == "common":
        return set(instrument.common_items)
    if items == "short":
        if not instrument.short_items:
            raise ValueError(f"items='short' needs items marked short, and {instrument.id} has none; use 'own'")
        return set(instrument.short_items)
    if isinstance(items, str):
        raise ValueError(f"items must be 'own', 'common', 'short' or a list of item ids; got {items!r}")
    unknown = [name for name in items if name not in instrument.items.ids]
    if unknown or not items:
        raise ValueError(f"items must be ids of {instrument.id}; unknown: {', '.join(unknown) or 'none given'}")
    return set(items)


def _uses_short_rules(responses: Responses, items: str | Sequence[str]) -> Booleans:
    if items == "short":
        return np.ones(len(responses.answers), dtype=bool)
    short = [form.id for form in responses.instrument.forms if form.is_short]
    if not short:
        return np.zeros(len(responses.answers), dtype=bool)
    return np.asarray(responses.people["form"].isin(short), dtype=bool)


def _apply_rules(instrument: Instrument, table: _Table, *, short: bool) -> dict[str, Floats]:
    """Return every score on the scale of the answers."""
    scores: dict[str, Floats] = {}
    for full_rule in instrument.scores:
        rule = full_rule.short if short else full_rule
        if rule is None:
            scores[full_rule.id] = np.full(len(table.raw), np.nan)
        elif rule.rule == "mean_of_scores":
            scores[rule.id] = _mean_of_scores(rule, scores)
        elif rule.rule == "difference":
            scores[rule.id] = scores[rule.of[0]] - scores[rule.of[1]]
        elif rule.rule == "acquiescence":
            low, high = _answer_range(instrument, rule)
            scores[rule.id] = (scores[rule.of[0]] + scores[rule.of[1]]) / 2 - (low + high) / 2
        else:
            scores[rule.id] = _mean_of_items(instrument, rule, table)
    return scores


def _mean_of_items(instrument: Instrument, rule: ScoreRule, table: _Table) -> Floats:
    columns = [table.columns[name] for name in rule.items]
    values = (table.raw if rule.rule == "raw_mean" else table.turned)[:, columns]
    used = table.used[:, columns]
    valid = used & ~np.isnan(values)
    enough = valid.sum(axis=1) >= _required(rule, used.sum(axis=1))
    if rule.rule != "balanced_mean":
        return np.where(enough, _mean(values, valid), np.nan)
    means = []
    for wording in ("facilitator", "barrier"):
        of_wording = np.array([instrument.items[name].wording == wording for name in rule.items])
        enough &= (valid & of_wording).sum(axis=1) >= rule.minimum_each_wording
        means.append(_mean(values, valid & of_wording))
    return np.where(enough, (means[0] + means[1]) / 2, np.nan)


def _mean_of_scores(rule: ScoreRule, scores: dict[str, Floats]) -> Floats:
    values = np.column_stack([scores[name] for name in rule.of])
    valid = ~np.isnan(values)
    return np.where(valid.sum(axis=1) >= rule.required(len(rule.of)), _mean(values, valid), np.nan)


def _required(rule: ScoreRule, asked_counts: npt.NDArray[np.int_]) -> npt.NDArray[np.int_]:
    return np.array([rule.required(count) for count in range(asked_counts.max(initial=0) + 1)])[asked_counts]


def _mean(values: Floats, valid: Booleans) -> Floats:
    """Return row means of the valid values; NaN in a row that has none."""
    count = valid.sum(axis=1)
    total = np.where(valid, values, 0.0).sum(axis=1)
    means: Floats = np.full(len(values), np.nan)
    np.divide(total, count, out=means, where=count > 0)
    return means


def _answer_range(instrument: Instrument, rule: ScoreRule) -> tuple[int, int]:
    """Return the lowest and highest answer on the scale that a score is made of."""
    while not rule.items:
        rule = instrument.scores[rule.of[0]]
    scale = instrument.response_scales[instrument.items[rule.items[0]].scale]
    return scale.low, scale.high


def _pomp(instrument: Instrument, rule: ScoreRule, values: Floats) -> Floats:
    low, high = _answer_range(instrument, rule)
    if rule.rule == "acquiescence":
        return values
    start = 0 if rule.rule == "difference" else low
    return np.asarray((values - start) / (high - low) * 100, dtype=float)
