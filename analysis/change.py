"""What changed between two waves: the primary test, the mixed model and linked people beside it, the programme apart."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from analysis.change_contrasts import (
    ARMS,
    CHANGE,
    COUNTS,
    EFFECT,
    FEWEST,
    FEWEST_CLUSTERS,
    LEVEL,
    PROGRAMME,
    TEST,
    ChangeModel,
    counts_of,
)
from analysis.change_model import change_model
from analysis.linking import Links
from analysis.multiplicity import holm
from analysis.primary_change import CLUSTERS, MIXED, OVERLAPPING, PrimaryTest, primary_change, primary_test
from analysis.result import Result
from analysis.verdicts import SMALLEST, WIDEST, control_verdicts, sizes, verdicts
from analysis.waves import NEGATIVE_CONTROL, Forms, Items, Link, ScoredWaves, score_waves
from instrument.definition import Catalogue, Instrument, ScoreRule
from instrument.responses import Responses
from instrument.scoring import Metric, score_scale

# Composites and indexes are one family; the primary outcome stands alone.
_FAMILY = {"subscale": "subscale", "composite": "composite", "index": "composite", "total": "composite"}
_PRIMARY = "primary"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class WaveComparison(Result):
    """Change between two waves; ``table`` has everyone's change by score, from the primary test.

    ``table`` says in ``test`` which test each row is from: "mixed model", "cluster means" or "partially overlapping
    samples" (`analysis.primary_change.primary_test`).

    Parameters
    ----------
    model : pandas.DataFrame
        The same columns from the mixed model, whichever test is the primary one.
    linked : pandas.DataFrame
        Index ``score``: the paired change of linked people alone, by a t test on the mean changes of
        their clusters: n (people), clusters, estimate, se, df, ci_low, ci_high, statistic, p.
    flow : pandas.DataFrame
        Index ``step``, columns ``before`` and ``after``: answers, and what became of their codes.
    verdicts : pandas.DataFrame
        Index ``score``; ``change``: "better", "worse", "no change that matters", "too close to call" or "not enough
        answers" (`analysis.verdicts.verdicts`; "higher" and "lower" for scores of which neither is better; the
        negative control has words of its own, `control_verdicts`); ``size``: "matters", "may matter" or "too
        small to matter".
    primary : str or None
        The one score that is not adjusted for the others.
    smallest : float
        The smallest change that would matter, in points of 100.
    """

    model: pd.DataFrame
    linked: pd.DataFrame
    flow: pd.DataFrame
    verdicts: pd.DataFrame
    primary: str | None
    smallest: float


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ControlledWaveComparison(WaveComparison):
    """The same where some take part in a programme between the waves and others do not.

    ``verdicts`` then has two more columns, ``programme`` and ``programme_size``: the same words for how much more it
    changed with the programme than without.

    Parameters
    ----------
    programme : pandas.DataFrame
        Index ``score``: the difference in differences, programme × wave, with effect size, by the primary test.
    programme_model : pandas.DataFrame
        The same from the mixed model.
    arms : pandas.DataFrame
        Index ``score, arm``: the change within each arm, by the primary test.
    linked_programme : pandas.DataFrame
        Index ``score``: difference between the arms in the clusters' mean changes of linked people, by
        Welch's t test.
    """

    programme: pd.DataFrame
    programme_model: pd.DataFrame
    arms: pd.DataFrame
    linked_programme: pd.DataFrame


def compare_waves(
    before: Responses,
    after: Responses,
    *,
    link: Link | Links = "code",
    items: Items | None = None,
    metric: Metric = "pomp",
    forms: Forms = "equal",
    negative_control: Sequence[str] = (),
    primary: str | None = None,
    smallest: float = SMALLEST,
    widest: float = WIDEST,
) -> WaveComparison:
    """Compare two waves of answers: what changed, and where there is a control arm, by how much more.

    Parameters
    ----------
    before, after : Responses
        One wave each, to the same version of a questionnaire (or another, with ``items`` that are the same in
        both). They may have forms, and the columns ``organisation``, ``team`` (nested in organisation) and
        ``programme`` (0/1: the organisation takes part), or none of these.
    link : {"code", "exact", "person"} or Links, default "code"
        What makes two responses one person's: the self-made code (`link_waves`: exact, then one differing element in
        the team); "exact", only the whole code, for a sensitivity analysis; the column ``person``; or links made
        before. Two files numbered 1 … n are not the same people: give "person" only if it is so.
    items : {"own", "common", "short"} or list of item ids, optional
        As for `score`. Default: "short" where the waves mix long and short forms, "common" where there are
        several full forms, else "own". For two versions of the definition: a list from
        `instrument.versions.unchanged_items`.
    metric : {"pomp", "mean"}, default "pomp"
    forms : {"equal", "together"} or mapping of form to group, default "equal"
        "equal": the change is the mean of the forms' changes, each with the same weight. "together": forms
        are not told apart, for where a form has too few people to be shown; a changed mix of forms may then
        read as change. A mapping merges forms, such as managers with colleagues: its groups count as forms.
    negative_control : sequence of str, optional
        Facets (subscale and facet, as ``"resoc"``) on which no change is expected, named before the data
        were seen; their items together become one more score, judged by its interval.
    primary : str, optional
        The score that is the one primary outcome, named before the data were seen. Default: the total.
    smallest : float, default 6.25
        The smallest change that would matter, in points of 100, stated before the data were seen. The default is a
        placeholder.
    widest : float, default 12.5
        In points of 100: "not enough answers" where only a larger change would have been found.

    Returns
    -------
    WaveComparison
        ``table``, index ``score``: the change with its interval, test and size. A
        `ControlledWaveComparison` where organisations with and without the programme answered.

    Raises
    ------
    ValueError
        If there are fewer than two answers in a wave, several waves in one, different definitions,
        waves in the wrong order, or no score that can be compared; for an unknown primary score or facet.

    Notes
    -----
    The primary test is settled by the design (`analysis.primary_change.primary_test`): with 30 clusters or more the
    mixed model, with fewer the t test on the changes of clusters (`cluster_changes`), with fewer than four and no
    second arm the partially overlapping samples test of these people (`overlapping_change`).

    Mixed model: ``score ~ wave × programme + form + form × wave`` with random intercepts for organisation,
    organisation × wave, team, team × wave and person, restricted maximum likelihood, Satterthwaite degrees
    of freedom (Kuznetsova, Brockhoff and Christensen, 2017, *Journal of Statistical Software*, 82(13)).
    Linked and unlinked people enter alike in all of them. The change is the mean over forms, and over arms, with
    equal weights, so that a changed mix of people does not read as change. Where the variance of a cluster × wave
    is estimated at zero the degrees of freedom are at most clusters − arms: a variance that few clusters
    failed to show is not known to be zero.

    p values are adjusted by Holm (1979): over the subscales, and over composites and indexes; the primary
    outcome is unadjusted.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> pwiq = read_instrument("pwiq")
    >>> waves = [read_responses(f"sample_data/{name}.csv", pwiq) for name in ("baseline", "followup")]
    >>> comparison = compare_waves(*waves, negative_control=["resoc", "devpc"])
    >>> comparison.table.loc["integration", "test"], comparison.verdicts.loc["integration", "programme"]
    ('cluster means', 'better')
    """
    for name, value in (("smallest", smallest), ("widest", widest)):
        if not value > 0:
            raise ValueError(f"{name} must be a number of points above 0; got {value!r}")
    waves = score_waves(
        before, after, link=link, items=items, metric=metric, forms=forms, negative_control=negative_control
    )
    families = _families(waves.rules, primary)
    alone = families.index[families == _PRIMARY]
    chosen = primary_test(waves.rows)
    found = _tested(waves, chosen)
    changes, cluster, clusters = _linked_changes(waves)
    controlled = "programme" in waves.rows
    judged = {
        "points": _points(before.instrument, waves.rules, metric),
        "rules": waves.rules,
        "smallest": smallest,
        "widest": widest,
    }
    table = _table(found, found.primary, CHANGE, families, waves)
    words = _in_words(table, **judged)
    common: dict[str, Any] = {
        "title": "Change between the two waves",
        "table": table,
        "model": _table(found, found.model, CHANGE, families, waves).drop(columns="test"),
        "linked": _one_sample(changes, clusters),
        "flow": waves.flow,
        "primary": str(alone[0]) if len(alone) else None,
        "smallest": float(smallest),
        "method": _method(waves, metric, cluster, chosen, controlled=controlled),
        "notes": (*waves.notes, chosen.note, *found.notes, _smallest_note(smallest), _linked_note(cluster)),
    }
    if not controlled:
        return WaveComparison(**common, verdicts=words)
    programme = _table(found, found.primary, PROGRAMME, families, waves)
    arms = pd.concat({arm: _rows_of(found.primary, arm, families.index) for arm in ARMS}, names=["arm", "score"])
    arms = arms.swaplevel().loc[[(name, arm) for name in families.index for arm in ARMS]]
    more = _in_words(programme, **judged).set_axis(["programme", "programme_size"], axis=1)
    return ControlledWaveComparison(
        **common,
        verdicts=words.join(more),
        programme=programme,
        programme_model=_table(found, found.model, PROGRAMME, families, waves).drop(columns="test"),
        arms=arms.astype(dict.fromkeys(COUNTS, "Int64")),
        linked_programme=_two_samples(changes, clusters),
    )


# Every score by both tests


@dataclass(frozen=True)
class _Tested:
    """Contrasts by score, which test they are from, and what is to be said."""

    primary: Mapping[str, pd.DataFrame]
    model: Mapping[str, pd.DataFrame]
    tests: Mapping[str, str]
    notes: tuple[str, ...]


def _tested(waves: ScoredWaves, chosen: PrimaryTest) -> _Tested:
    primary: dict[str, pd.DataFrame] = {}
    models: dict[str, pd.DataFrame] = {}
    tests: dict[str, str] = {}
    refused: dict[str, str] = {}
    notes: dict[str, list[str]] = {}
    for name in waves.scores.columns:
        values = waves.scores[name]
        model, no_model = _or_reason(values, waves.rows)
        if model is not None:
            models[name] = model.contrasts
        try:
            if chosen.test == MIXED and model is None:
                raise ValueError(no_model)
            found, tests[name] = primary_change(values, waves.rows, chosen=chosen, model=model)
        except ValueError as reason:
            refused[name] = str(reason)
            continue
        primary[name] = found.contrasts
        beside = [note for note in (model.notes if model else (no_model,)) if note not in found.notes]
        for note in (*found.notes, *(f"in the mixed model, {note}" for note in beside)):
            notes.setdefault(note, []).append(name)
    if not primary:
        raise ValueError(f"no score can be compared: {_reasons(refused)}")
    told = [_said(note, names, list(primary)) for note, names in notes.items()]
    if refused:
        told.append(f"Left without numbers: {_reasons(refused)}.")
    return _Tested(primary, models, tests, tuple(told))


def _or_reason(values: pd.Series, rows: pd.DataFrame) -> tuple[ChangeModel | None, str]:
    try:
        return change_model(values, rows), ""
    except ValueError as reason:
        return None, str(reason)


# Linked people


def _linked_changes(waves: ScoredWaves) -> tuple[pd.DataFrame, str, pd.DataFrame]:
    """Return linked people's changes by score, the unit of the test, and each person's cluster and arm."""
    first = waves.rows[waves.rows["wave"] == 0].set_index("person", drop=False)
    second = waves.rows[waves.rows["wave"] == 1].set_index("person", drop=False)
    both = first.index.intersection(second.index)
    if "form" in waves.rows:
        both = both[(first.loc[both, "form"] == second.loc[both, "form"]).to_numpy()]
    before = waves.scores[waves.rows["wave"] == 0].set_axis(first.index).loc[both]
    after = waves.scores[waves.rows["wave"] == 1].set_axis(second.index).loc[both]
    members = first.loc[both]
    fewest = FEWEST if "programme" in members else FEWEST_CLUSTERS
    # The widest clusters: teams of one organisation change alike, so that tests on their means said "change" in 6.8 %
    # of 300 sets of null data, those on organisations in 4.7 % (standard error .8).
    cluster = next(
        (name for name in ("organisation", "team") if name in members and members[name].nunique() >= fewest), "person"
    )
    known = pd.DataFrame({"cluster": members[cluster]}, index=both)
    if "programme" in members:
        known["programme"] = members["programme"]
    return after - before, cluster, known


def _one_sample(changes: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    means = changes.groupby(known["cluster"]).mean()
    clusters = means.notna().sum()
    clusters = clusters.where(clusters > 1)
    table = _t_test(means.mean(), means.std() / np.sqrt(clusters), clusters - 1)
    counts = pd.DataFrame({"n": changes.notna().sum(), "clusters": means.notna().sum()})
    return counts.join(table).rename_axis(index="score")


def _two_samples(changes: pd.DataFrame, known: pd.DataFrame) -> pd.DataFrame:
    """Compare the clusters' mean changes between the arms (Welch, 1947)."""
    by = changes.groupby([known["programme"], known["cluster"]]).mean().groupby(level=0)
    means, spread, clusters = (part.reindex([1.0, 0.0]) for part in (by.mean(), by.var(), by.count()))
    share = spread / clusters.where(clusters > 1)
    variance = share.sum(skipna=False)
    df = variance**2 / (share**2 / (clusters - 1).where(clusters > 1)).sum(skipna=False)
    counts = pd.DataFrame({"n": changes.notna().sum(), "clusters": clusters.sum().astype(int)})
    table = _t_test(means.loc[1.0] - means.loc[0.0], np.sqrt(variance), df)
    return counts.join(table).rename_axis(index="score")


def _t_test(estimate: pd.Series, se: pd.Series, df: pd.Series) -> pd.DataFrame:
    se = se.where(se > 0)
    statistic = estimate / se
    half = stats.t.ppf(1 - LEVEL / 2, df) * se
    p = pd.Series(2 * stats.t.sf(statistic.abs(), df), index=estimate.index)
    columns = [estimate, se, df, estimate - half, estimate + half, statistic, p]
    return pd.DataFrame(dict(zip(TEST, columns, strict=True)))


# Tables and words


def _families(rules: Sequence[ScoreRule], primary: str | None) -> pd.Series:
    """Return by score the family whose tests are adjusted together."""
    families = pd.Series({rule.id: _FAMILY.get(rule.kind, rule.kind) for rule in rules}, dtype=object)
    if primary is None:
        alone = [rule.id for rule in rules if rule.kind == "total"][:1]
    elif primary in families.index:
        alone = [primary]
    else:
        raise ValueError(f"primary must be one of the scores {', '.join(families.index)}; got {primary!r}")
    families[alone] = _PRIMARY
    return families


def _points(instrument: Instrument, rules: Sequence[ScoreRule], metric: Metric) -> pd.Series:
    """Return what one point of 100 is in the unit of each score."""
    points = {}
    for rule in rules:
        known = rule.id in instrument.scores.ids
        scored = instrument if known else replace(instrument, scores=Catalogue([*instrument.scores, rule]))
        low, high = score_scale(scored, rule.id, metric=metric)
        points[rule.id] = (high - low) / (200 if rule.rule == "difference" else 100)
    return pd.Series(points, dtype=float)


def _in_words(
    table: pd.DataFrame, *, points: pd.Series, rules: Sequence[ScoreRule], smallest: float, widest: float
) -> pd.DataFrame:
    words = verdicts(
        table,
        smallest=smallest * points,
        widest=widest * points,
        lower_is_better=[rule.id for rule in rules if rule.higher == "worse"],
        without_direction=[rule.id for rule in rules if rule.higher == "neither"],
    )
    control = table.index == NEGATIVE_CONTROL
    if control.any():
        judged = control_verdicts(table, smallest=smallest * points)
        words = words.mask(control & table["estimate"].notna(), judged)
    return pd.DataFrame({"change": words, "size": sizes(table, smallest=smallest * points)})


def _table(
    found: _Tested, fitted: Mapping[str, pd.DataFrame], name: str, families: pd.Series, waves: ScoredWaves
) -> pd.DataFrame:
    table = _with_counts(_adjusted(_rows_of(fitted, name, families.index), families), waves)
    return table.assign(test=pd.Series(found.tests, dtype=object).reindex(table.index))


def _rows_of(fitted: Mapping[str, pd.DataFrame], name: str, scores: Iterable[str]) -> pd.DataFrame:
    columns = [*COUNTS, *TEST, *EFFECT]
    found = {score: contrasts.loc[name] for score, contrasts in fitted.items() if name in contrasts.index}
    table = pd.DataFrame(found, index=columns).T
    return table.reindex(pd.Index(scores, name="score"))


def _adjusted(table: pd.DataFrame, families: pd.Series) -> pd.DataFrame:
    adjusted = table["p"].groupby(families).transform(holm)
    position = list(table.columns).index("p") + 1
    table.insert(position, "p_adjusted", adjusted)
    return table


def _with_counts(table: pd.DataFrame, waves: ScoredWaves) -> pd.DataFrame:
    """Give scores without a model their numbers of answers."""
    for name in table.index[table["n_before"].isna()]:
        scored = waves.rows[waves.scores[name].notna()]
        table.loc[name, COUNTS] = list(counts_of(scored).values())
    return table.astype(dict.fromkeys(COUNTS, "int64"))


def _said(note: str, names: list[str], fitted: list[str]) -> str:
    who = "All scores" if len(names) == len(fitted) else ", ".join(names)
    return f"{who}: {note}."


def _reasons(refused: Mapping[str, str]) -> str:
    grouped: dict[str, list[str]] = {}
    for name, reason in refused.items():
        grouped.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in grouped.items())


def _linked_note(cluster: str) -> str:
    unit = "each person counts by themselves" if cluster == "person" else f"the unit is the {cluster}"
    return (
        f"In the t test of linked people {unit}. Someone who answered twice without a link counts as two people "
        "in the model."
    )


def _smallest_note(smallest: float) -> str:
    placeholder = ", a placeholder: no study has shown what matters to people" if smallest == SMALLEST else ""
    return f"The smallest change that would matter was taken as {smallest:g} points of 100{placeholder}."


def _method(waves: ScoredWaves, metric: Metric, cluster: str, chosen: PrimaryTest, *, controlled: bool) -> str:
    rows = waves.rows
    fixed = "wave × programme" if controlled else "wave"
    if "form" in rows and len(rows["form"].unique()) > 1:
        fixed += " + form + form × wave"
    fewest = FEWEST if controlled else FEWEST_CLUSTERS
    places = [name for name in ("organisation", "team") if name in rows and rows[name].nunique() >= fewest]
    random = [*(part for name in places for part in (name, f"{name} × wave")), "person"]
    unit = "people" if cluster == "person" else f"the means of {cluster}s"
    over = " and ".join(["forms"] * ("form" in rows) + ["arms"] * controlled)
    weighted = f" The change is the mean over {over} with equal weights." if over else ""
    claim = (
        "an effect of the programme is claimed only from its difference to the control arm, never from a change"
        if controlled
        else "a change in one group is not an effect of anything in particular: nobody shows what would have "
        "happened otherwise"
    )
    model = (
        f"linear mixed model, score ~ {fixed}, random intercepts for {', '.join(random)}, restricted maximum "
        "likelihood, Satterthwaite degrees of freedom (Kuznetsova et al., 2017), at most clusters − arms where the "
        "variance of cluster × wave is estimated at zero"
    )
    first = {
        MIXED: f"Everyone, primary: {model}.",
        CLUSTERS: (
            f"Everyone, primary: t test on the changes of {chosen.unit}s (Hayes and Moulton, 2017), by generalised least squares "
            "with the cluster-robust variance CR2 and Bell–McCaffrey degrees of freedom (Bell and McCaffrey, 2002; "
            f"Pustejovsky and Tipton, 2018). Beside it: {model}."
        ),
        OVERLAPPING: (
            "Everyone, primary: partially overlapping samples t test with unequal variances (Derrick et al., 2017). "
            f"Beside it: {model}."
        ),
    }[chosen.test]
    points = "points of which a score has 100 (balance 200; acquiescence is in steps of the answers)"
    return (
        f"{first}{weighted} Unit: "
        f"{points if metric == 'pomp' else 'that of the answers'}; "
        "effect size: over the "
        "standard deviation before, taken as known. p_adjusted: Holm (1979) over the subscales, and over composites and "
        "indexes together; the primary outcome is unadjusted; intervals are not adjusted. "
        f"Linked people: paired t test on {unit}. {claim[0].upper()}{claim[1:]}."
    )
