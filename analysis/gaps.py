"""How differently peer workers, colleagues and managers see the same service."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.group_means import COLUMNS, weighted_group_means
from analysis.means import mean_scores
from analysis.multiplicity import holm
from analysis.result import Result
from analysis.sentences import listed
from analysis.viewpoints import (
    check_one_wave,
    clusters_of,
    form_of,
    independence_note,
    merged_groups,
    viewpoint,
)
from instrument.definition import Instrument, ScoreRule
from instrument.responses import Responses
from instrument.scoring import comparable_items, score

NOT_TESTED = "not tested here"
_FEWEST = 2
_LEVEL = 0.05
# The total stands alone; subscales are one family, indexes another.
_FAMILY = {"subscale": "subscale", "index": "index", "total": "total"}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class PerceptionGaps(Result):
    """Differences between the forms' views; ``table`` has the index ``score, group_1, group_2``.

    Parameters
    ----------
    means : pandas.DataFrame
        Index ``score, form``: n, mean, sd, se, df, ci_low, ci_high.
    """

    means: pd.DataFrame


def perception_gaps(
    responses: Responses, *, comparable: pd.Series | pd.DataFrame | None = None, strata: pd.Series | None = None
) -> PerceptionGaps:
    """Set the views of peer workers, colleagues and managers side by side, on the items that all are asked.

    Parameters
    ----------
    responses : Responses
        One wave.
    comparable : pandas.Series or pandas.DataFrame, optional
        What the gate says of the forms: the ``table`` of `analysis.comparability.comparability_of_forms` (index ``gap,
        score``), or a verdict by score. What has none is "not tested here".
    strata : pandas.Series, optional
        By response, the groups to compare, where forms had to be merged to be shown; "peers" or the form of peer workers
        comes first. Default: the form, short forms with their full ones.

    Returns
    -------
    PerceptionGaps
        ``table``: peer workers (or, without them, the first form) against each other form; columns
        estimate (points of 100, the first minus the second), se, df, ci_low, ci_high, statistic, p, p_adjusted,
        n_1, n_2, view ("higher", "lower", "no clear gap" or "not enough answers") and comparable.

    Raises
    ------
    ValueError
        If there are several waves, no forms, fewer than two forms with answers, or no score to compare.

    Notes
    -----
    Means of the forms and their differences with errors robust to clustering (CR2) and Satterthwaite degrees of
    freedom (Pustejovsky and Tipton, 2018) where there are ten organisations, or else ten teams; people are taken as
    independent otherwise. Within each pair of forms p is adjusted by Holm (1979): over the subscales and over the
    indexes; the total stands alone. A gap is a difference of views: nobody's is taken to be the true one.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> gaps = perception_gaps(read_responses("sample_data/baseline.csv", read_instrument("pwiq")))
    >>> gaps.table.loc[("integration", "P", "M"), "view"]
    'lower'
    """
    check_one_wave(responses)
    instrument = responses.instrument
    form = viewpoint(responses) if strata is None else merged_groups(strata, responses)
    forms = _reference_first(instrument, list(form.cat.categories))
    if len(forms) < 2:
        found = f"only {forms[0]}" if instrument.forms and forms else "none"
        raise ValueError(f"gaps between views need answers to two forms or more; found {found}")
    items = comparable_items(responses)
    rules = [rule for rule in instrument.scores if rule.kind in ("subscale", "total") or rule.rule == "raw_mean"]
    scores = score(responses, items=items)[[rule.id for rule in rules]].dropna(axis=1, how="all")
    rules = [rule for rule in rules if rule.id in scores]
    if not rules:
        raise ValueError("no score could be had on the items that all forms ask: too few answers, or short forms alone")
    cluster = clusters_of(responses)
    alone: list[str] = []
    numbers = {
        (rule.id, forms[0], other): _gap(scores[rule.id], form, (forms[0], other), cluster, alone)
        for rule in rules
        for other in forms[1:]
    }
    table = pd.DataFrame.from_dict(numbers, orient="index", columns=[*COLUMNS, "n_1", "n_2"])
    pairs = pd.MultiIndex.from_tuples(list(numbers), names=["score", "group_1", "group_2"])
    table.index = pairs
    table = table.astype({"n_1": int, "n_2": int})
    table = _adjusted(table, rules)
    table["view"] = _views(table)
    table["comparable"] = _verdicts(comparable, pairs)
    by_form = mean_scores(scores, by=form.astype(str).to_frame(), cluster=cluster)
    unit = "people taken as independent" if cluster is None else f"people in {cluster.nunique()} {cluster.name}s"
    return PerceptionGaps(
        title="How differently the forms see the same service",
        table=table,
        method=f"Means of the forms and their differences on the items that all forms ask (items='{items}'), 0 to 100, "
        f"{unit}; standard errors CR2 with Satterthwaite degrees of freedom (Pustejovsky & Tipton, 2018); "
        "p adjusted by Holm (1979) over the subscales, and over the indexes, of each pair of forms.",
        notes=_notes(responses, forms, rules, cluster, alone),
        means=by_form.table.swaplevel().loc[[(rule.id, name) for rule in rules for name in forms]],
    )


def _reference_first(instrument: Instrument, forms: list[str]) -> list[str]:
    peers = next((name for name in forms if name in ("peers", form_of(instrument, "peers"))), None)
    return [peers, *(name for name in forms if name != peers)] if peers is not None else forms


def _gap(
    values: pd.Series, form: pd.Series, pair: tuple[str, str], cluster: pd.Series | None, alone: list[str]
) -> list[float]:
    """Return one difference with its counts; without numbers where a form has fewer than two answers."""
    held = values[form.isin(pair)].dropna()
    member = form[held.index].astype(str)
    counts = [int((member == name).sum()) for name in pair]
    if min(counts) < _FEWEST:
        return [*[np.nan] * len(COLUMNS), *counts]
    weights = pd.DataFrame([[1.0, -1.0]], columns=pd.Index(pair))
    of_cluster = None if cluster is None else cluster[held.index]
    if of_cluster is not None and of_cluster.groupby(member).nunique().min() < _FEWEST:
        # All of a form in one cluster: form and cluster cannot be told apart, so nothing can be allowed for.
        alone.append(f"{values.name} {pair[0]} − {pair[1]}")
        of_cluster = None
    row = weighted_group_means(held, member, weights, cluster=of_cluster).iloc[0]
    return [*map(float, row), *counts]


def _adjusted(table: pd.DataFrame, rules: list[ScoreRule]) -> pd.DataFrame:
    family = table.index.get_level_values("score").map({rule.id: _FAMILY[rule.kind] for rule in rules})
    adjusted = table["p"].groupby([family, table.index.get_level_values("group_2")]).transform(holm)
    table = table.copy()
    table.insert(list(table.columns).index("p") + 1, "p_adjusted", adjusted)
    return table


def _views(table: pd.DataFrame) -> pd.Series:
    clear = (table["p_adjusted"] < _LEVEL) & ((table["ci_low"] > 0) | (table["ci_high"] < 0))
    words = np.where(clear, np.where(table["estimate"] > 0, "higher", "lower"), "no clear gap")
    return pd.Series(words, index=table.index, dtype=object).mask(table["ci_low"].isna(), "not enough answers")


def _verdicts(comparable: pd.Series | pd.DataFrame | None, keys: pd.MultiIndex) -> list[str]:
    """Return the verdict of the gate beside each gap, by pair of forms where it gives them."""
    if comparable is None:
        return [NOT_TESTED] * len(keys)
    if isinstance(comparable, pd.DataFrame):
        if "verdict" not in comparable:
            raise ValueError(
                f"comparable must have the column 'verdict'; its columns are {listed(comparable.columns) or 'none'}"
            )
        comparable = comparable["verdict"]
    said: dict[Any, Any] = comparable.to_dict()
    if comparable.index.nlevels == 1:
        return [str(said.get(name, NOT_TESTED)) for name, _, _ in keys]
    # The gate calls a gap by the second form minus the first, in the order of the definition.
    return [
        str(said.get((f"{other} − {first}", name), said.get((f"{first} − {other}", name), NOT_TESTED)))
        for name, first, other in keys
    ]


def _notes(
    responses: Responses, forms: list[str], rules: list[ScoreRule], cluster: pd.Series | None, alone: list[str]
) -> tuple[str, ...]:
    instrument = responses.instrument
    language = instrument.languages[0]
    titles = {form.id: form.title[language] for form in instrument.forms}
    named = [titles.get(form, form) for form in forms]
    notes = [
        f"{named[0]}: compared with {listed(named[1:])}. A positive difference means that {named[0].lower()} scored higher."
    ]
    if not {"peers", form_of(instrument, "peers")} & set(forms):
        notes.append("There are no answers of peer workers: their view is missing here.")
    worse = [rule.title[language] for rule in rules if rule.higher == "worse"]
    if worse:
        notes.append(f"Higher is worse in {listed(worse)}.")
    if cluster is None:
        notes.append(independence_note(responses))
    if alone:
        notes.append(
            f"All answers of a form come from one {cluster.name if cluster is not None else 'cluster'}, which cannot be told "
            f"apart from the form; people are taken as independent in: {listed(alone)}."
        )
    notes.append(
        "A gap may also mean that the forms read the questions differently; whether that was tested is said beside it."
    )
    return tuple(notes)
