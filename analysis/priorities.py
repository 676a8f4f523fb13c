"""What to act on first: gap × importance beside difficulty, and at item level what to keep and what to act on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.options import checked_seed, whole_number
from analysis.result import Result
from analysis.sentences import listed
from analysis.viewpoints import check_one_wave, clusters_of, form_of, independence_note, merged_groups, viewpoint
from instrument.definition import Instrument, ScoreRule
from instrument.responses import Responses, asked
from instrument.scoring import keyed, score

Numbers = NDArray[Any]

PRIORITY_CUT = 0.25
"""Gap and importance both at their midpoints; never the mean of the sample, so that a team can move between waves."""

TOP = 3
_GAP_CUT = 0.5
_ANSWERED = 0.5  # an item that fewer of those asked could answer is not ranked
_CELLS = 4_000_000  # of one block of draws
_FEW_CLUSTERS = 5
_CLOSE = 1e-9
_INTERVAL = [0.025, 0.975]
_SCORE, _IMPORTANCE, _DIFFICULTY, _AGREE, _GAP = "score", "importance", "difficulty", "agree", "gap"
_COLUMNS = [
    *("rank", "joint", "n", "score", "gap", "n_importance", "importance", "priority", "ci_low", "ci_high", "chance"),
    *("n_difficulty", "difficulty", "quadrant"),
]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Priorities(Result):
    """What to act on first; ``table`` has a row a subscale, the most pressing first.

    Parameters
    ----------
    keep : pandas.DataFrame
        Index ``item``: the three facilitators with the highest agreement, more where they tie: rank, joint (it ties
        with another), subscale, percent (who agree), n, chance (of being among the first three).
    act : pandas.DataFrame
        Index ``item``: the three barriers with the largest gap × importance of their subscale: rank, joint, subscale,
        percent (who agree with the barrier), gap, priority, n, chance, action (title of the subscale's family).
    peers : pandas.DataFrame
        Index ``subscale``: n, score, gap, n_importance, importance, priority of peer workers alone; empty without them.
    cuts : mapping
        ``priority`` and ``difficulty``: where the matrix is cut.
    """

    keep: pd.DataFrame
    act: pd.DataFrame
    peers: pd.DataFrame
    cuts: dict[str, float]


def priorities(
    responses: Responses,
    *,
    seed: int = 0,
    draws: int = 2000,
    strata: pd.Series | None = None,
    progress: bool = False,
) -> Priorities:
    """Rank subscales and items by how much there is to gain and how much it matters.

    Parameters
    ----------
    responses : Responses
        One wave.
    seed : int, default 0
    draws : int, default 2000
        Of the bootstrap.
    strata : pandas.Series, optional
        By response, the groups whose means count alike, whatever their sizes. Default: the form, short forms with
        their full ones. Give merged groups where a form is too small to be told apart; a missing group leaves out.
    progress : bool, default False
        Show a bar.

    Returns
    -------
    Priorities
        ``table``, index ``subscale``: rank and joint (on the priority rounded to .01), n, score (0–100), gap (0–1),
        n_importance, importance (0–1), priority, ci_low and ci_high (of the priority), chance (of being among the first
        three), n_difficulty, difficulty (as answered) and quadrant.

    Raises
    ------
    ValueError
        If there are several waves, no subscale has a score, ``strata`` does not fit, or an option is no whole number.

    Notes
    -----
    priority = gap × importance with gap = (100 − score) / 100 and importance the mean rating from 0 to 1, after the
    importance–performance grid (Martilla and James, 1977, *Journal of Marketing*, 41(1), 77–79), cut at fixed points. Each
    mean is the mean of the strata's means. Where nobody rated importance, subscales are ordered by gap; where nobody
    rated difficulty, there is none.

    Chances and intervals: bootstrap samples of the clusters (organisations or teams) where there are ten, else of
    the people within each stratum; of n units n − 1 are drawn, which gives the right variance in small strata (Rao and
    Wu, 1988, *Journal of the American Statistical Association*, 83, 231–241). A stratum of one has no spread: then no
    chance is given. Items that fewer than half of those asked could answer are not ranked.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> found = priorities(read_responses("sample_data/baseline.csv", read_instrument("pwiq")), draws=200)
    >>> found.table["priority"].round(2).head(2).to_dict()
    {'devp': 0.34, 'path': 0.32}
    """
    seed = checked_seed(seed)
    draws = whole_number("draws", draws, at_least=1)
    check_one_wave(responses)
    instrument = responses.instrument
    group = viewpoint(responses) if strata is None else merged_groups(strata, responses)
    values = _ingredients(responses)
    if _SCORE not in values.columns.get_level_values(0):
        raise ValueError(
            "no subscale has a score, so nothing can be ranked: there are too few answers, or short forms alone, which "
            "have no subscale scores"
        )
    notes: list[str] = []
    means = _equal_means(values, group)
    counts = values[group.notna()].notna().sum()
    rated = means.reindex([_IMPORTANCE], level=0).notna().any()
    samples = _samples(responses, values, group, seed=seed, draws=draws, notes=notes, progress=progress)

    table = _subscales(means, counts, samples, instrument, rated=bool(rated))
    keep = _keep(means, counts, samples, instrument)
    act = _act(means, counts, samples, instrument, rated=bool(rated))
    peers = _peers(responses, values, instrument)
    if not rated:
        notes.append("Nobody rated importance: subscales and barriers are ordered by their gap alone.")
    if table["difficulty"].isna().all():
        notes.append("Difficulty was not rated: it is to be entered by the team in its meeting.")
    if few := _unanswered(responses):
        notes.append(f"Not ranked, since fewer than half of those asked answered: {listed(few)}.")
    notes.append(
        f"Cuts: {PRIORITY_CUT:g} for the priority (gap and importance both at their midpoints)"
        f"{_difficulty_words(instrument)}; they are fixed and ours. The importance question asks what improving something "
        "would change, so that part of the gap is in it already: read the two apart as well."
    )
    strata_names = listed(group.cat.categories)
    return Priorities(
        title="What to act on first",
        table=table,
        method="Priority = gap × importance (importance–performance analysis; Martilla & James, 1977), each mean the mean of the "
        f"means of {strata_names}, equally weighted; chances of being among the first {TOP} and 95 % intervals from "
        f"{draws} bootstrap samples (n − 1 of n units: Rao & Wu, 1988), seed {seed}.",
        notes=tuple(notes),
        keep=keep,
        act=act,
        peers=peers,
        cuts={"priority": PRIORITY_CUT, "difficulty": _difficulty_cut(instrument)},
    )


# What is ranked


def _ingredients(responses: Responses) -> pd.DataFrame:
    """Return response × (kind, id): scores, ratings and items as numbers; what has no answer is left out."""
    instrument = responses.instrument
    scores = score(responses, items="common" if len(instrument.full_forms) > 1 else "own")
    columns: dict[tuple[str, str], pd.Series] = {}
    for subscale, rule in _rules(instrument).items():
        columns[_SCORE, subscale] = 100 - scores[rule.id] if rule.higher == "worse" else scores[rule.id]
    for role in (_IMPORTANCE, _DIFFICULTY):
        for question in instrument.questions:
            if question.role == role and question.id in responses.people and question.scale and question.subscale:
                scale = instrument.response_scales[question.scale]
                answers = responses.people[question.id].astype("Float64")
                rating = answers.where(answers.isin(scale.codes)).astype(float)
                if role == _IMPORTANCE:
                    rating = (rating - scale.low) / (scale.high - scale.low)
                columns[role, question.subscale] = rating
    turned = keyed(responses).where(asked(responses)).astype("Float64").astype(float)
    few = _unanswered(responses)
    for item in (each for each in instrument.items if each.id not in few):
        scale = instrument.response_scales[item.scale]
        answers, middle = turned[item.id], (scale.low + scale.high) / 2
        good = answers > middle if item.wording != "barrier" else answers < middle
        columns[_AGREE, item.id] = 100 * good.astype(float).where(answers.notna())
        columns[_GAP, item.id] = (scale.high - answers) / (scale.high - scale.low)
    values = pd.DataFrame(columns)
    values.columns = pd.MultiIndex.from_tuples(values.columns, names=["kind", "id"])
    return values.dropna(axis=1, how="all")


def _rules(instrument: Instrument) -> dict[str, ScoreRule]:
    """Return subscale → the rule of its score."""
    found = {}
    for rule in instrument.scores:
        subscales = {instrument.items[item].subscale for item in rule.items}
        if rule.kind == "subscale" and len(subscales) == 1:
            found[subscales.pop()] = rule
    return found


def _equal_means(values: pd.DataFrame, group: pd.Series) -> pd.Series:
    """Return the mean of the strata's means, over the strata with an answer."""
    return values.groupby(group, observed=True).mean().mean()


# Chances


def _samples(
    responses: Responses,
    values: pd.DataFrame,
    group: pd.Series,
    *,
    seed: int,
    draws: int,
    notes: list[str],
    progress: bool,
) -> pd.DataFrame | None:
    """Return draw × ingredient, or None with a note where the answers have no spread to draw from."""
    kept = group.notna()
    cluster = clusters_of(responses)
    units = None if cluster is None else pd.factorize(cluster[kept], use_na_sentinel=False)[0]
    if cluster is not None:
        spread = cluster[kept].groupby(group[kept], observed=True).nunique()
        thin = [f"{name} ({found})" for name, found in spread.items() if found < _FEW_CLUSTERS]
        if thin:
            notes.append(f"Chances are rough: groups found in few {cluster.name}s: {listed(thin)}.")
    else:
        notes.append(independence_note(responses))
        small = [f"{name} ({size})" for name, size in group[kept].value_counts(sort=False).items() if size < 2]
        if small:
            notes.append(f"No chances are given: of some groups there is one answer only ({listed(small)}).")
            return None
    drawn = resampled_means(
        values[kept].to_numpy(dtype=float),
        group[kept].cat.codes.to_numpy(),
        units,
        seed=seed,
        draws=draws,
        progress=progress,
    )
    return pd.DataFrame(drawn, columns=values.columns)


def resampled_means(
    values: Numbers, strata: Numbers, clusters: Numbers | None, *, seed: int, draws: int, progress: bool = False
) -> Numbers:
    """Return the mean of the strata's means in bootstrap samples of clusters, or of people within strata.

    Parameters
    ----------
    values : array, response × column
        With gaps (NaN).
    strata : array of int
        0, 1, … of each response.
    clusters : array of int or None
        0, 1, … of each response; whole clusters are drawn, n − 1 of n. None: responses are drawn, within strata.
    seed, draws : int
    progress : bool

    Returns
    -------
    array, draw × column
        NaN where no stratum has an answer in a sample.

    Examples
    --------
    >>> values = np.array([[0.0], [10.0], [4.0], [4.0]])
    >>> resampled_means(values, np.array([0, 0, 1, 1]), None, seed=0, draws=4).ravel().tolist()
    [2.0, 7.0, 7.0, 7.0]
    """
    from tqdm import tqdm

    known = ~np.isnan(values)
    filled = np.where(known, values, 0.0)
    total, spoken = np.zeros((draws, values.shape[1])), np.zeros((draws, values.shape[1]))
    for stratum in tqdm(range(int(strata.max()) + 1), disable=not progress, desc="bootstrap"):
        members = np.flatnonzero(strata == stratum)
        if clusters is None:
            units, stream = np.arange(len(members)), [seed, stratum]
            count = len(members)
        else:  # the same clusters in every stratum
            units, stream, count = clusters[members], [seed], int(clusters.max()) + 1
        sums, answers = np.zeros((count, values.shape[1])), np.zeros((count, values.shape[1]))
        np.add.at(sums, units, filled[members])
        np.add.at(answers, units, known[members])
        for rows, weights in _weights(count, np.random.default_rng(stream), draws):
            held = weights @ answers
            there = held > 0
            total[rows] += np.divide(weights @ sums, held, out=np.zeros_like(held), where=there)
            spoken[rows] += there
    return np.divide(total, spoken, out=np.full_like(total, np.nan), where=spoken > 0)


def _weights(count: int, rng: np.random.Generator, draws: int) -> Iterator[tuple[slice, Numbers]]:
    """Yield how often each of `count` units is drawn, count − 1 in all, for blocks of draws."""
    block = max(1, _CELLS // count)
    for start in range(0, draws, block):
        size = min(block, draws - start)
        yield (
            slice(start, start + size),
            rng.multinomial(max(count - 1, 1), np.full(count, 1 / count), size=size).astype(float),
        )


def _chances(samples: pd.DataFrame | None, names: pd.Index) -> pd.Series:
    """Return how often each value is among the largest three of its sample, ties included."""
    if samples is None or len(names) <= TOP:
        return pd.Series(np.nan, index=names)
    values = samples[names].to_numpy(dtype=float)
    known = np.where(np.isnan(values), -np.inf, values)
    third = np.partition(known, -TOP, axis=1)[:, [-TOP]]
    return pd.Series((known >= third - _CLOSE).mean(axis=0), index=names)


# The tables


def _subscales(
    means: pd.Series, counts: pd.Series, samples: pd.DataFrame | None, instrument: Instrument, *, rated: bool
) -> pd.DataFrame:
    names = pd.Index([name for name in _rules(instrument) if (_SCORE, name) in means.index], name="subscale")
    table = _parts(means, counts, names)
    drawn = (
        None if samples is None else _value(_kind(samples, _SCORE, names), _kind(samples, _IMPORTANCE, names), rated)
    )
    ordered_by = table["priority"] if rated else table["gap"]
    table["rank"], table["joint"] = _ranked(ordered_by.round(2))
    ends = np.full((2, len(names)), np.nan) if drawn is None else np.nanquantile(_whole(drawn), _INTERVAL, axis=0)
    table["ci_low"], table["ci_high"] = np.where(ordered_by.notna(), ends, np.nan) if rated else (np.nan, np.nan)
    table["chance"] = _chances(drawn, names).where(ordered_by.notna())
    table["n_difficulty"] = _of(counts, _DIFFICULTY, names).fillna(0).astype(int)
    table["difficulty"] = _of(means, _DIFFICULTY, names)
    table["quadrant"] = _quadrants(table, _difficulty_cut(instrument), rated=rated)
    order = ordered_by.sort_values(ascending=False, kind="stable", na_position="last").index
    return table.loc[order, _COLUMNS].astype({"rank": "Int64"})


def _parts(means: pd.Series, counts: pd.Series, names: pd.Index) -> pd.DataFrame:
    """Return score, gap, importance and their product, with the counts behind them."""
    table = pd.DataFrame({"n": _of(counts, _SCORE, names).fillna(0).astype(int)}, index=names)
    table["score"] = _of(means, _SCORE, names)
    table["gap"] = (100 - table["score"]) / 100
    table["n_importance"] = _of(counts, _IMPORTANCE, names).fillna(0).astype(int)
    table["importance"] = _of(means, _IMPORTANCE, names)
    table["priority"] = table["gap"] * table["importance"]
    return table


def _value(scores: pd.DataFrame, importance: pd.DataFrame, rated: bool) -> pd.DataFrame:
    """Return draw × subscale: gap × importance, or the gap where nobody rated importance."""
    gap = (100 - scores) / 100
    return gap * importance if rated else gap


def _keep(means: pd.Series, counts: pd.Series, samples: pd.DataFrame | None, instrument: Instrument) -> pd.DataFrame:
    """Return the facilitators (or, without wordings, the items) that most people agree with."""
    names = _items(means, instrument, "facilitator")
    table = _item_table(names, counts, instrument)
    table["percent"] = _of(means, _AGREE, names)
    drawn = None if samples is None else _kind(samples, _AGREE, names)
    table["chance"] = _chances(drawn, names)
    return _first(table, table["percent"].round(0))[["rank", "joint", "subscale", "percent", "n", "chance"]]


def _act(
    means: pd.Series, counts: pd.Series, samples: pd.DataFrame | None, instrument: Instrument, *, rated: bool
) -> pd.DataFrame:
    """Return the barriers (or, without wordings, the items) with the largest gap × importance of their subscale."""
    names = _items(means, instrument, "barrier")
    table = _item_table(names, counts, instrument)
    agree = _of(means, _AGREE, names)
    table["percent"] = agree if instrument.has_wordings else 100 - agree
    table["gap"] = _of(means, _GAP, names)
    table["priority"] = table["gap"] * _of(means, _IMPORTANCE, pd.Index(table["subscale"])).to_numpy()
    drawn = None
    if samples is not None:
        gaps = _kind(samples, _GAP, names)
        weight = _kind(samples, _IMPORTANCE, pd.Index(table["subscale"])).to_numpy(dtype=float) if rated else 1.0
        drawn = gaps * weight
    table["chance"] = _chances(drawn, names)
    titles = {action.id: action.title[instrument.languages[0]] for action in instrument.actions}
    table["action"] = table["subscale"].map(titles).astype(object).where(table["subscale"].isin(list(titles)), "")
    ordered_by = table["priority" if rated else "gap"].round(2)
    columns = ["rank", "joint", "subscale", "percent", "gap", "priority", "n", "chance", "action"]
    return _first(table, ordered_by)[columns]


def _items(means: pd.Series, instrument: Instrument, wording: str) -> pd.Index:
    ranked = [item.id for item in instrument.items if not instrument.has_wordings or item.wording == wording]
    return pd.Index([name for name in ranked if (_GAP, name) in means.index], name="item")


def _item_table(names: pd.Index, counts: pd.Series, instrument: Instrument) -> pd.DataFrame:
    subscales = [instrument.items[name].subscale for name in names]
    return pd.DataFrame({"subscale": subscales, "n": _of(counts, _GAP, names).astype(int)}, index=names)


def _first(table: pd.DataFrame, rounded: pd.Series) -> pd.DataFrame:
    """Return the first three by their rounded value; what ties with the third is listed too, as joint."""
    table["rank"], table["joint"] = _ranked(rounded)
    return table[table["rank"] <= TOP].sort_values("rank", kind="stable").astype({"rank": int})


def _ranked(rounded: pd.Series) -> tuple[pd.Series, pd.Series]:
    return rounded.rank(method="min", ascending=False), rounded.duplicated(keep=False) & rounded.notna()


def _peers(responses: Responses, values: pd.DataFrame, instrument: Instrument) -> pd.DataFrame:
    names = pd.Index([name for name in _rules(instrument) if (_SCORE, name) in values], name="subscale")
    own = values[(viewpoint(responses) == form_of(instrument, "peers")).to_numpy()]
    table = _parts(own.mean(), own.notna().sum(), names)
    return table if len(own) else table.iloc[:0]


def _quadrants(table: pd.DataFrame, cut: float, *, rated: bool) -> pd.Series:
    if not rated:
        return pd.Series(np.where(table["gap"] >= _GAP_CUT, "larger gap", "smaller gap"), index=table.index)
    pressing, hard = table["priority"] >= PRIORITY_CUT, table["difficulty"] >= cut
    words = np.select(
        [table["priority"].isna(), table["difficulty"].isna() & pressing, table["difficulty"].isna()],
        ["importance not rated", "high priority", "lower priority"],
        np.where(pressing, np.where(hard, "plan for", "act first"), np.where(hard, "leave for now", "easy gain")),
    )
    return pd.Series(words, index=table.index)


def _difficulty_cut(instrument: Instrument) -> float:
    """Return the middle of the difficulty scale; NaN where the definition asks for none."""
    for question in instrument.questions:
        if question.role == _DIFFICULTY and question.scale:
            scale = instrument.response_scales[question.scale]
            return (scale.low + scale.high) / 2
    return float("nan")


def _difficulty_words(instrument: Instrument) -> str:
    cut = _difficulty_cut(instrument)
    return "" if np.isnan(cut) else f", {cut:g} for the difficulty"


def _unanswered(responses: Responses) -> list[str]:
    """Return the items that fewer than half of those asked could answer."""
    wanted = asked(responses)
    share = (responses.answers.notna() & wanted).sum() / wanted.sum().where(lambda count: count > 0)
    return [str(name) for name in share.index[share < _ANSWERED]]


def _of(values: pd.Series, kind: str, names: pd.Index) -> pd.Series:
    """Return the values of one kind under the plain names; missing where there is none."""
    keys = pd.MultiIndex.from_product([[kind], names])
    return pd.Series(values.reindex(keys).to_numpy(dtype=float), index=names)


def _kind(samples: pd.DataFrame, kind: str, names: pd.Index) -> pd.DataFrame:
    keys = pd.MultiIndex.from_product([[kind], names])
    return samples.reindex(columns=keys).set_axis(names, axis=1)


def _whole(drawn: pd.DataFrame) -> Numbers:
    """Return the draws, a column without any value filled with 0: its interval is taken out afterwards."""
    values = drawn.to_numpy(dtype=float)
    return np.where(np.isnan(values).all(axis=0), 0.0, values)
