"""Group comparisons: omnibus tests, pairs, effect sizes with intervals, and what limits them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats
from scipy.optimize import elementwise

from analysis.mixed import contrast, fit_mixed, intraclass, joint_test
from analysis.result import Result

Method = Literal["welch", "rank", "ordinal"]
_Numbers = NDArray[np.float64]

MOST_ORDERED_VALUES = 60
_TAIL = 0.025
_CEILING_PERCENT = 15.0
_SMALL_GROUP = 30
_MARKED_SKEWNESS = 1.0

_DIFFERENCE = ["estimate", "se", "ci_low", "ci_high", "statistic", "df", "p"]
_EFFECT = ["effect_size", "effect_low", "effect_high"]

_HOLM = "p adjusted by Holm (1979), over the scores of the table and, for pairs, over the pairs of each score"
_HEDGES = (
    "Hedges' g with the average of the two variances (Delacre et al., 2021), its interval from the "
    "noncentral t distribution (Steiger and Fouladi, 1997)"
)
_SUPERIORITY = (
    "the estimate is the probability that someone of the first group scores higher than someone of the "
    "second, ties counting half (interval: Newcombe, 2006, method 5); the effect size is Cliff's (1993) "
    "delta, twice that probability minus 1"
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class GroupComparison(Result):
    """Scores compared between groups: the omnibus test of each score in ``table``.

    Parameters
    ----------
    means : pandas.DataFrame
        Index ``score, group``: n, mean, sd, se, ci_low, ci_high.
    pairwise : pandas.DataFrame
        Index ``score, group_1, group_2``: the first group against the second.
    assumptions : pandas.DataFrame
        Index ``score``: smallest_n, skewness (the largest of a group), sd_ratio (largest to
        smallest), equal_variance_p (Brown and Forsythe, 1974), and the percentages of values at the
        lowest and the highest value seen. For reading, not for choosing a test by.
    """

    means: pd.DataFrame
    pairwise: pd.DataFrame
    assumptions: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ClusteredGroupComparison(GroupComparison):
    """The same for people who sit in teams, from mixed models.

    Parameters
    ----------
    icc : pandas.DataFrame
        Score × cluster factor: the intraclass correlation, the share of the variance left after
        the groups that lies between the clusters.
    """

    icc: pd.DataFrame


def compare_groups(
    scores: pd.DataFrame,
    groups: pd.Series,
    *,
    cluster: pd.Series | pd.DataFrame | None = None,
    method: Method = "welch",
) -> GroupComparison:
    """Compare scores between two or more groups of responses.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score, in any unit; gaps are allowed, and each score uses who has it.
    groups : pandas.Series
        The group of each response, same index; two groups or more. A missing group leaves the
        response out, with a note. Groups stand in the order of their categories, otherwise sorted.
    cluster : pandas.Series or pandas.DataFrame, optional
        The team of each response, or nested clusters with the outermost first (organisation,
        team). Only for ``method="welch"``, which then becomes a mixed model.
    method : {"welch", "rank", "ordinal"}
        ``"welch"`` compares means without assuming equal variances; ``"rank"`` compares orders
        (Mann-Whitney, Kruskal-Wallis); ``"ordinal"`` fits a proportional-odds model to scores with
        at most 60 different values.

    Returns
    -------
    GroupComparison
        ``table`` with index ``score``: one omnibus test each. Two groups: estimate, se, ci_low,
        ci_high, statistic, df, p, p_adjusted, n, effect_size, effect_low, effect_high, the first
        group minus the second. More groups: statistic, df, df_error, p, p_adjusted, n, effect_size.
        A score with too little data keeps its row, without numbers, and a note names it.
        With ``cluster`` a `ClusteredGroupComparison`, which adds ``icc``.

    Raises
    ------
    ValueError
        If there are fewer than two groups, a group of fewer than two responses, a score that is
        text, indexes that differ, no score that can be compared, ``cluster`` with a method other
        than ``"welch"``, groups that are each one cluster, or (``"ordinal"``) a score with more
        than 60 different values.

    Notes
    -----
    Means of two groups: Welch (1947); of more: Welch (1951). Equal variances are neither assumed nor
    tested first, since choosing a test by another test spoils its error rate (Delacre, Lakens and
    Leys, 2017, https://doi.org/10.5334/irsp.82).

    Hedges' g divides the difference by the root of the average of the two variances (Delacre et al.,
    2021, https://doi.org/10.31234/osf.io/tu6mp) and is corrected for its small-sample bias by
    J(m) = Γ(m/2) / (√(m/2) Γ((m − 1)/2)). Its interval inverts the noncentral t distribution of
    Welch's t, so it leaves out 0 exactly where p < .05; it is for the standardised difference
    itself, hence without J. For more groups, with F from Welch's test of N people,
    ω² = df (F − 1) / (df (F − 1) + N), 0 where negative, and its interval is λ / (λ + N) over the
    noncentralities λ that F allows (Steiger, 2004).

    Mann-Whitney p is exact without ties and with fewer than 50 in both groups; otherwise normal with
    the corrections for ties and continuity. Kruskal-Wallis comes with ε² = H / (N − 1) (Tomczak and
    Tomczak, 2014). The ordinal model is McCullagh's (1980): the test is the likelihood ratio, the
    estimate the log odds ratio of a higher score with its Wald interval, the effect size the odds
    ratio. With ``cluster``: restricted maximum likelihood, an intercept for each cluster,
    Satterthwaite degrees of freedom (Kuznetsova et al., 2017), and the effect size is the
    difference over the root of the summed variances (Hedges, 2007).

    Examples
    --------
    >>> scores = pd.DataFrame({"role": [70.0, 60, 80, 75, 40, 50, 45, 55]})
    >>> form = pd.Series(["P"] * 4 + ["M"] * 4, name="form").astype(pd.CategoricalDtype(["P", "M"]))
    >>> comparison = compare_groups(scores, form)
    >>> round(comparison.table.loc["role", "estimate"], 2)
    23.75
    >>> comparison.means.loc[("role", "M"), "n"]
    4
    """
    if method not in ("welch", "rank", "ordinal"):
        raise ValueError(f"method is {method!r}; allowed are 'welch', 'rank' and 'ordinal'.")
    if cluster is not None and method != "welch":
        raise ValueError(
            f"method={method!r} takes every response as independent and cannot use cluster. Use "
            "method='welch', which with cluster is a mixed model, or leave cluster out and say so."
        )
    values, notes = _numeric(scores), list[str]()
    members = _members(groups, values.index, notes)
    nested = None if cluster is None else _clusters(cluster, values.index)
    keep = members.notna()
    if nested is not None:
        without = keep & nested.isna().any(axis=1)
        if without.any():
            notes.append(f"{without.sum()} responses without {_listed(nested.columns)} were left out.")
        keep &= ~without
        nested = nested[keep]
    values, members = values[keep], members[keep].cat.remove_unused_categories()
    _check_sizes(members)
    notes.insert(0, _sizes(members))

    means = _means(values, members)
    reasons = _too_little(means, values, method, clustered=nested is not None)
    if len(reasons) == values.shape[1]:
        raise ValueError(f"No score can be compared. {_sentences(reasons)} Collect more, or merge groups.")
    if reasons:
        notes.append(f"Left without numbers: {_sentences(reasons)}")
    counts = values.notna().sum()
    if counts.min() < len(values):
        notes.append(f"Scores have gaps: from {counts.min()} to {counts.max()} of {len(values)} responses each.")

    usable = [score for score in values.columns if score not in reasons]
    name = str(groups.name) if groups.name is not None else "group"
    assumptions = _assumptions(values, members, means)
    if nested is not None:
        _check_apart(members, nested)
        found = _clustered(values[usable], members, nested, notes)
    elif method == "welch":
        found = _welch(values[usable], members, means)
    elif method == "rank":
        found = _ranks(values[usable], members)
    else:
        found = _ordinal(values[usable], members, notes)
    if method == "ordinal":
        assumptions = assumptions.join(found.extra)
    pairs = found.pairwise.reindex(_pair_index(values.columns, members.cat.categories))
    pairs.insert(
        pairs.columns.get_loc("p") + 1, "p_adjusted", pairs.groupby(level="score")["p"].transform(_holm)
    )
    table = found.table.reindex(pd.Index(values.columns, name="score"))
    table.insert(table.columns.get_loc("p") + 1, "p_adjusted", _holm(table["p"]))
    table.insert(table.columns.get_loc("p_adjusted") + 1, "n", counts)
    _note_missing_pairs(pairs, reasons, notes)
    _note_distributions(assumptions, method, notes)

    shared: dict[str, Any] = {
        "title": f"Scores compared by {name}",
        "table": table,
        "method": f"{found.method}; {_HOLM}.",
        "pairwise": pairs,
        "assumptions": assumptions,
    }
    if nested is None:
        notes.append(
            "Every response counts as independent. People of one team answer alike, which makes these p "
            "values too small and intervals too narrow: give cluster= where the team is known."
        )
        return GroupComparison(means=means, notes=tuple(notes), **shared)
    modelled = means[["n", "mean", "sd"]].join(found.estimates)
    icc = found.extra.reindex(pd.Index(values.columns, name="score"))
    return ClusteredGroupComparison(means=modelled, icc=icc, notes=tuple(notes), **shared)


@dataclass(frozen=True, kw_only=True)
class _Found:
    """What one method finds: a row a score, a row a pair, its sentence, and tables of its own."""

    table: pd.DataFrame
    pairwise: pd.DataFrame
    method: str
    estimates: pd.DataFrame
    extra: pd.DataFrame


# What came in


def _numeric(scores: pd.DataFrame) -> pd.DataFrame:
    if not isinstance(scores, pd.DataFrame) or scores.shape[1] == 0:
        raise ValueError("scores must be a frame, response × score, with at least one column.")
    for axis, what in ((scores.index, "response ids"), (scores.columns, "score names")):
        if not axis.is_unique:
            raise ValueError(f"The {what} repeat: {_listed(axis[axis.duplicated()].unique())}. Each must be unique.")
    texts = [name for name in scores.columns if not pd.api.types.is_numeric_dtype(scores[name].dtype)]
    if texts:
        raise ValueError(f"Scores must be numbers; these columns are not: {_listed(texts)}. Convert or leave them out.")
    values = pd.DataFrame(
        {name: scores[name].to_numpy(dtype=float, na_value=np.nan) for name in scores.columns},
        index=scores.index,
    )
    infinite = [name for name in values.columns if np.isinf(values[name]).any()]
    if infinite:
        raise ValueError(f"Scores must be finite; infinite values are in {_listed(infinite)}.")
    return values.rename_axis(columns="score")


def _same_index(given: pd.Series | pd.DataFrame, index: pd.Index, what: str) -> None:
    if not given.index.is_unique or len(given) != len(index) or not index.isin(given.index).all():
        raise ValueError(
            f"{what} must have the index of scores, each response once: {len(index)} responses in scores, "
            f"{len(given)} in {what}, {index.isin(given.index).sum()} of them shared."
        )


def _members(groups: pd.Series, index: pd.Index, notes: list[str]) -> pd.Series:
    _same_index(groups, index, "groups")
    groups = groups.reindex(index)
    if not isinstance(groups.dtype, pd.CategoricalDtype):
        try:
            order = sorted(groups.dropna().unique())
        except TypeError as error:
            raise ValueError("The group labels mix text and numbers: write them all in one kind.") from error
        groups = groups.astype(pd.CategoricalDtype(order))
    if groups.isna().any():
        notes.append(f"{groups.isna().sum()} responses without a group were left out.")
    return groups


def _clusters(cluster: pd.Series | pd.DataFrame, index: pd.Index) -> pd.DataFrame:
    if isinstance(cluster, pd.Series):
        cluster = cluster.to_frame("cluster" if cluster.name is None else cluster.name)
    _same_index(cluster, index, "cluster")
    return cluster.reindex(index)


def _check_sizes(members: pd.Series) -> None:
    sizes = members.value_counts(sort=False)
    if len(sizes) < 2:
        found = f"only {sizes.index[0]!r}" if len(sizes) else "none"
        raise ValueError(f"A comparison needs two groups or more; found {found}.")
    if sizes.min() < 2:
        small = _listed(f"{group} ({size})" for group, size in sizes.items() if size < 2)
        raise ValueError(f"Each group needs at least two responses; too small: {small}. Merge groups or leave them out.")


def _check_apart(members: pd.Series, nested: pd.DataFrame) -> None:
    for level in range(nested.shape[1]):
        name = nested.columns[level]
        identity = nested.iloc[:, : level + 1].apply(tuple, axis=1)
        clusters = identity.nunique()
        if clusters < 2:
            raise ValueError(f"cluster {name!r} has one value only; a mixed model needs two or more. Leave it out.")
        if clusters == len(members):
            raise ValueError(f"Each response is its own {name!r}: nothing is clustered. Leave cluster out.")
        in_one_group = (members.groupby(identity).nunique() == 1).all()
        if in_one_group and clusters <= members.nunique():
            raise ValueError(
                f"Each group is one {name!r}, so groups and clusters cannot be told apart. "
                "Compare groups of several clusters, or leave cluster out and say what that means."
            )


def _sizes(members: pd.Series) -> str:
    sizes = [f"{group} (n = {size})" for group, size in members.value_counts(sort=False).items()]
    first, second = members.cat.categories[:2]
    return (
        f"Groups: {_listed(sizes)}. Differences are the first minus the second, so {first} minus {second}: "
        f"a positive one means that {first} scored higher."
    )


def _too_little(
    means: pd.DataFrame, values: pd.DataFrame, method: Method, *, clustered: bool
) -> dict[Any, str]:
    """Say for each score that cannot be tested why not."""
    reasons: dict[Any, str] = {}
    spread = values.max() - values.min()
    for score, rows in means.groupby(level="score", sort=False):
        rows = rows.droplevel("score")
        few = rows.index[rows["n"] < 2]
        still = rows.index[rows["sd"] == 0]
        needs_spread_everywhere = method == "welch" and not clustered and len(rows) > 2
        if rows["n"].sum() == 0:
            reasons[score] = "nobody has a value"
        elif len(few):
            reasons[score] = f"fewer than two values in {_listed(few)}"
        elif spread[score] == 0:
            reasons[score] = "everyone has the same value"
        elif method == "welch" and len(still) == len(rows):
            reasons[score] = "the values do not vary within the groups"
        elif needs_spread_everywhere and len(still):
            reasons[score] = f"the values do not vary in {_listed(still)} (method='rank' can compare them)"
    return reasons


# Description


def _means(values: pd.DataFrame, members: pd.Series) -> pd.DataFrame:
    grouped = values.groupby(members, observed=True)
    n, sd = grouped.count(), grouped.std()
    # A constant such as 0.1 can leave rounding noise in the standard deviation.
    sd = sd.mask((grouped.max() == grouped.min()) & (n > 1), 0.0)
    columns = {"n": n, "mean": grouped.mean(), "sd": sd}
    table = pd.DataFrame({name: frame.T.stack() for name, frame in columns.items()})
    table.index.names = ["score", "group"]
    table["se"] = table["sd"] / np.sqrt(table["n"])
    half = stats.t.isf(_TAIL, (table["n"] - 1).clip(lower=1).to_numpy()) * table["se"]
    return table.assign(ci_low=table["mean"] - half, ci_high=table["mean"] + half)


def _assumptions(values: pd.DataFrame, members: pd.Series, means: pd.DataFrame) -> pd.DataFrame:
    skewness = values.groupby(members, observed=True).skew()
    by_score = means.groupby(level="score", sort=False)
    smallest_sd = by_score["sd"].min()
    there = values.notna().sum().replace(0, np.nan)
    table = pd.DataFrame(
        {
            "smallest_n": by_score["n"].min(),
            "skewness": skewness.max().where(skewness.max() >= -skewness.min(), skewness.min()),
            "sd_ratio": by_score["sd"].max() / smallest_sd.where(smallest_sd > 0),
            "equal_variance_p": [_brown_forsythe(values[score], members) for score in values.columns],
            "lowest_percent": 100 * (values == values.min()).sum() / there,
            "highest_percent": 100 * (values == values.max()).sum() / there,
        },
        index=pd.Index(values.columns, name="score"),
    )
    return table


def _brown_forsythe(column: pd.Series, members: pd.Series) -> float:
    deviations = (column - column.groupby(members, observed=True).transform("median")).abs()
    present = deviations.dropna()
    sizes = present.groupby(members, observed=True).size()
    within = present.groupby(members, observed=True).agg(np.ptp)
    if len(sizes) < members.nunique() or sizes.min() < 2 or within.max() == 0:
        return float("nan")
    samples = _samples(column, members)
    return float(stats.levene(*samples, center="median").pvalue)


def _note_distributions(assumptions: pd.DataFrame, method: Method, notes: list[str]) -> None:
    unequal = assumptions.index[assumptions["sd_ratio"] > 2]
    if method == "welch" and len(unequal):
        notes.append(
            f"The largest standard deviation is more than twice the smallest in {_listed(unequal)}. Welch's test "
            "and its interval do not assume equal variances; a mixed model does."
        )
    piled = assumptions.index[(assumptions[["lowest_percent", "highest_percent"]] > _CEILING_PERCENT).any(axis=1)]
    if len(piled):
        notes.append(
            f"More than {_CEILING_PERCENT:g} % of the values are the lowest or the highest seen in {_listed(piled)} "
            "(15 %: McHorney and Tarlov, 1995): differences beyond it do not show."
        )
    skewed = assumptions.index[
        (assumptions["skewness"].abs() > _MARKED_SKEWNESS) & (assumptions["smallest_n"] < _SMALL_GROUP)
    ]
    if method == "welch" and len(skewed):
        notes.append(
            f"Skewness beyond ±1 with a group under {_SMALL_GROUP} (our rule of thumb) in {_listed(skewed)}: see "
            "whether method='rank' agrees."
        )


def _note_missing_pairs(pairs: pd.DataFrame, reasons: dict[Any, str], notes: list[str]) -> None:
    missing = pairs.index[pairs["p"].isna()]
    missing = [pair for pair in missing if pair[0] not in reasons]
    if missing:
        named = _listed(f"{score}: {first} and {second}" for score, first, second in missing)
        notes.append(f"Pairs without numbers, since their values do not vary: {named}.")


# Means


def _welch(values: pd.DataFrame, members: pd.Series, means: pd.DataFrame) -> _Found:
    n, mean, variance = (
        frame.unstack("group").loc[values.columns, list(members.cat.categories)]
        for frame in (means["n"], means["mean"], means["sd"] ** 2)
    )
    firsts, seconds = _pair_positions(n.shape[1])
    numbers = [frame.to_numpy(dtype=float)[:, side] for side in (firsts, seconds) for frame in (mean, variance, n)]
    pairs = _welch_pairs(*(block.ravel() for block in numbers))
    pairs.index = _pair_index(values.columns, members.cat.categories)
    if n.shape[1] == 2:
        table = pairs.droplevel(["group_1", "group_2"])
        method = f"Welch's (1947) t test; {_HEDGES}"
    else:
        table = _welch_anova(values, members)
        method = (
            "Welch's (1951) analysis of variance; omega squared, its interval from the noncentral F distribution "
            f"(Steiger, 2004); pairs by Welch's (1947) t test, with {_HEDGES}"
        )
    return _found(table, pairs, method)


def _welch_pairs(
    mean_1: _Numbers, variance_1: _Numbers, n_1: _Numbers, mean_2: _Numbers, variance_2: _Numbers, n_2: _Numbers
) -> pd.DataFrame:
    """Compare many pairs of means at once; no numbers where neither group varies."""
    part_1, part_2 = variance_1 / n_1, variance_2 / n_2
    varies = part_1 + part_2 > 0
    part_1, part_2 = np.where(varies, part_1, np.nan), np.where(varies, part_2, np.nan)
    estimate = mean_1 - mean_2
    se = np.sqrt(part_1 + part_2)
    df = se**4 / (part_1**2 / (n_1 - 1) + part_2**2 / (n_2 - 1))
    t = estimate / se
    half = stats.t.isf(_TAIL, df) * se
    average = (variance_1 + variance_2) / 2
    with np.errstate(invalid="ignore", divide="ignore"):
        d = estimate / np.sqrt(average)
        df_average = 4 * average**2 / (variance_1**2 / (n_1 - 1) + variance_2**2 / (n_2 - 1))
        g = d * _bias_correction(df_average)
        scale = se / np.sqrt(average)
    low, high = _noncentral_t(t, df)
    columns = [estimate, se, estimate - half, estimate + half, t, df, 2 * stats.t.sf(np.abs(t), df)]
    effects = [g, low * scale, high * scale]
    table = pd.DataFrame(dict(zip(_DIFFERENCE + _EFFECT, columns + effects, strict=True)))
    return table.where(varies)


def _bias_correction(df: _Numbers) -> _Numbers:
    return np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2)


def _welch_anova(values: pd.DataFrame, members: pd.Series) -> pd.DataFrame:
    from statsmodels.stats.oneway import anova_oneway

    rows = []
    for score in values.columns:
        test = anova_oneway(_samples(values[score], members), use_var="unequal", welch_correction=True)
        rows.append((float(test.statistic), float(test.df_num), float(test.df_denom), float(test.pvalue)))
    table = pd.DataFrame(rows, index=values.columns, columns=["statistic", "df", "df_error", "p"])
    f, df, df_error = (table[name].to_numpy() for name in ("statistic", "df", "df_error"))
    n = values.notna().sum().to_numpy(dtype=float)
    explained = np.clip(df * (f - 1), 0, None)
    low, high = _noncentral_f(f, df, df_error)
    return table.assign(
        effect_size=explained / (explained + n), effect_low=low / (low + n), effect_high=high / (high + n)
    )


def _noncentral_t(t: _Numbers, df: _Numbers) -> tuple[_Numbers, _Numbers]:
    """Return the noncentralities under which t is the upper or lower 2.5 % point."""
    # scipy's nctdtrinc stops at seven digits, so its inverse is found from nctdtr itself.
    reach = 8 * np.sqrt(1 + t**2 / (2 * df))
    bracket = (t - reach, t + reach)
    low = _root(lambda nc, x, m: special.nctdtr(m, nc, x) - (1 - _TAIL), bracket, t, df)
    high = _root(lambda nc, x, m: special.nctdtr(m, nc, x) - _TAIL, bracket, t, df)
    return low, high


def _noncentral_f(f: _Numbers, df: _Numbers, df_error: _Numbers) -> tuple[_Numbers, _Numbers]:
    """Return the noncentralities under which F is the upper or lower 2.5 % point, 0 if none."""
    ends = []
    for target in (1 - _TAIL, _TAIL):
        beyond = special.fdtr(df, df_error, f) > target
        highest = np.where(beyond, 6 * df * f + 100, np.nan)
        found = _root(
            lambda nc, x, a, b, target=target: special.ncfdtr(a, b, nc, x) - target,  # type: ignore[misc]
            (np.where(beyond, 0.0, np.nan), highest),
            f,
            df,
            df_error,
        )
        ends.append(np.where(beyond, found, 0.0))
    return ends[0], ends[1]


def _root(
    function: Callable[..., _Numbers], bracket: tuple[_Numbers, _Numbers], *numbers: _Numbers
) -> _Numbers:
    tolerances = {"xatol": 1e-13, "xrtol": 1e-14, "fatol": 0.0, "frtol": 0.0}
    return np.asarray(elementwise.find_root(function, bracket, args=numbers, tolerances=tolerances).x)


# Ranks


def _ranks(values: pd.DataFrame, members: pd.Series) -> _Found:
    names = list(members.cat.categories)
    rows: dict[tuple[Any, ...], dict[str, float]] = {}
    omnibus: dict[Any, dict[str, float]] = {}
    for score in values.columns:
        samples = dict(zip(names, _samples(values[score], members), strict=True))
        for first, second in combinations(names, 2):
            rows[score, first, second] = _mann_whitney(samples[first], samples[second])
        if len(names) > 2:
            n = sum(map(len, samples.values()))
            test = stats.kruskal(*samples.values())
            h = float(test.statistic)
            omnibus[score] = {"statistic": h, "df": len(names) - 1, "p": float(test.pvalue), "effect_size": h / (n - 1)}
    pairs = pd.DataFrame.from_dict(rows, orient="index")
    pairs.index = _pair_index(values.columns, names)
    if len(names) == 2:
        return _found(
            pairs.droplevel(["group_1", "group_2"]), pairs, f"Mann-Whitney test (1947), statistic U; {_SUPERIORITY}"
        )
    table = pd.DataFrame.from_dict(omnibus, orient="index")
    method = (
        "Kruskal-Wallis test (1952), effect size epsilon squared, H / (N − 1) (Tomczak and Tomczak, 2014), for "
        f"which no sound interval is known to us; pairs by the Mann-Whitney test (1947), where {_SUPERIORITY}"
    )
    return _found(table, pairs, method)


def _mann_whitney(first: _Numbers, second: _Numbers) -> dict[str, float]:
    columns = ["estimate", "ci_low", "ci_high", "statistic", "p", *_EFFECT]
    together = np.concatenate([first, second])
    if np.ptp(together) == 0:
        return dict.fromkeys(columns, float("nan"))
    tied = len(np.unique(together)) < len(together)
    exact = not tied and max(len(first), len(second)) < 50
    test = stats.mannwhitneyu(first, second, method="exact" if exact else "asymptotic")
    u = float(test.statistic)
    superiority = u / (len(first) * len(second))
    low, high = _newcombe(superiority, len(first), len(second))
    numbers = [superiority, low, high, u, float(test.pvalue)]
    return dict(zip(columns, numbers + [2 * x - 1 for x in (superiority, low, high)], strict=True))


def _newcombe(superiority: float, n_1: int, n_2: int) -> tuple[float, float]:
    """Invert the score test of a probability of superiority (Newcombe, 2006, method 5)."""
    extra = (n_1 + n_2) / 2 - 1
    z2 = special.ndtri(_TAIL) ** 2

    def excess(theta: _Numbers) -> _Numbers:
        spread = 1 + extra * ((1 - theta) / (2 - theta) + theta / (1 + theta))
        return np.asarray((superiority - theta) ** 2 - z2 * theta * (1 - theta) * spread / (n_1 * n_2))

    centre, ends = np.array([superiority]), []
    for end in (0.0, 1.0):
        ends.append(end if superiority == end else float(_root(excess, (np.array([end]), centre))[0]))
    return ends[0], ends[1]


# Proportional odds


def _ordinal(values: pd.DataFrame, members: pd.Series, notes: list[str]) -> _Found:
    distinct = values.nunique()
    many = distinct.index[distinct > MOST_ORDERED_VALUES]
    if len(many):
        named = _listed(f"{score} ({distinct[score]})" for score in many)
        raise ValueError(
            f"method='ordinal' estimates a threshold for each step and takes at most {MOST_ORDERED_VALUES} different "
            f"values; more have {named}. Use method='rank' for them."
        )
    names = list(members.cat.categories)
    pair_index = _pair_index(values.columns, names)
    pairs = pd.DataFrame(np.nan, index=pair_index, columns=[*_DIFFERENCE, *_EFFECT]).drop(columns="df")
    columns = ["statistic", "df", "p"]
    table = pd.DataFrame(np.nan, index=values.columns, columns=columns)
    proportional = pd.DataFrame({"proportional_odds_p": np.nan}, index=pd.Index(values.columns, name="score"))
    apart = []
    for score in values.columns:
        column = values[score].dropna()
        group = members[column.index]
        if _separated(column, group):
            apart.append(score)
            continue
        fitted = _proportional_odds(column, group)
        table.loc[score] = fitted.likelihood_ratio
        proportional.loc[score] = fitted.proportional_odds_p
        pairs.loc[[score]] = fitted.pairs.set_axis(pairs.loc[[score]].index)
    if apart:
        notes.append(
            f"Left without numbers: the groups do not overlap in {_listed(apart)}, so their odds ratio is not finite. "
            "method='rank' can compare them."
        )
    if len(names) == 2:
        single = pairs.droplevel(["group_1", "group_2"])[["estimate", "se", "ci_low", "ci_high"]]
        effects = pairs.droplevel(["group_1", "group_2"])[_EFFECT]
        table = single.join(table).join(effects)
    notes.append(
        "The ordinal model takes the odds ratio as the same at every step of a score; assumptions give the "
        "likelihood ratio test of that (rough where few people share a value)."
    )
    method = (
        "Proportional-odds model (McCullagh, 1980), likelihood ratio test of the groups; estimate: log odds ratio of a "
        "higher score with its Wald interval, effect size: the odds ratio; pairs by Wald tests, statistic z"
    )
    return _found(table, pairs, method, extra=proportional)


def _separated(column: pd.Series, group: pd.Series) -> bool:
    """Tell whether some cut leaves whole groups on either side, so that the odds ratio is infinite."""
    grouped = column.groupby(group, observed=True)
    lowest, highest = grouped.min().to_numpy()[:, None], grouped.max().to_numpy()[:, None]
    cuts = np.unique(column)[None, :]
    below, above = highest <= cuts, lowest >= cuts
    return bool(((below | above).all(axis=0) & below.any(axis=0) & above.any(axis=0)).any())


@dataclass(frozen=True, kw_only=True)
class _OddsFit:
    likelihood_ratio: list[float]
    proportional_odds_p: float
    pairs: pd.DataFrame


def _proportional_odds(column: pd.Series, group: pd.Series) -> _OddsFit:
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    ranks = np.unique(column, return_inverse=True)[1]
    design = pd.get_dummies(group, drop_first=True, dtype=float)
    names = list(group.cat.categories)
    fit = OrderedModel(ranks, design.to_numpy(), distr="logit").fit(
        method="bfgs", disp=False, maxiter=2000, gtol=1e-8
    )
    counts = pd.crosstab(ranks, group.to_numpy()).to_numpy()
    df = len(names) - 1
    ratio = 2 * (fit.llf - _multinomial(counts.sum(axis=1)))
    beyond = 2 * (sum(_multinomial(counts[:, k]) for k in range(len(names))) - fit.llf)
    df_beyond = (counts.shape[0] - 2) * df
    # The first group is the reference: its coefficient is 0 and has no variance.
    effects = np.concatenate([[0.0], np.asarray(fit.params)[:df]])
    covariance = np.zeros((df + 1, df + 1))
    covariance[1:, 1:] = np.asarray(fit.cov_params())[:df, :df]
    first, second = _pair_positions(df + 1)
    estimate = effects[first] - effects[second]
    se = np.sqrt(covariance[first, first] + covariance[second, second] - 2 * covariance[first, second])
    half = -special.ndtri(_TAIL) * se
    z = estimate / se
    pairs = pd.DataFrame(
        {
            "estimate": estimate,
            "se": se,
            "ci_low": estimate - half,
            "ci_high": estimate + half,
            "statistic": z,
            "p": 2 * special.ndtr(-np.abs(z)),
            "effect_size": np.exp(estimate),
            "effect_low": np.exp(estimate - half),
            "effect_high": np.exp(estimate + half),
        }
    )
    return _OddsFit(
        likelihood_ratio=[ratio, df, float(special.chdtrc(df, ratio))],
        proportional_odds_p=float(special.chdtrc(df_beyond, beyond)) if df_beyond else float("nan"),
        pairs=pairs,
    )


def _multinomial(counts: NDArray[np.int64]) -> float:
    return float((special.xlogy(counts, counts) - counts * np.log(counts.sum())).sum())


# People in teams


def _clustered(values: pd.DataFrame, members: pd.Series, nested: pd.DataFrame, notes: list[str]) -> _Found:
    names = list(members.cat.categories)
    design = pd.get_dummies(members, dtype=float)
    design.columns = pd.Index(names)
    pair_weights = _pair_weights(names)
    table, pairs, estimates, icc = {}, {}, {}, {}
    refused: dict[Any, str] = {}
    for score in values.columns:
        column = values[score].dropna()
        here = column.index
        try:
            fit = fit_mixed(column, design.loc[here], nested.loc[here])
        except ValueError as error:
            refused[score] = str(error)
            continue
        notes.extend(f"{score}: {note}" for note in fit.notes)
        sd = float(np.sqrt(fit.variances.sum()))
        differences = contrast(fit, pair_weights)[_DIFFERENCE].assign(
            effect_size=lambda rows, sd=sd: rows["estimate"] / sd,
            effect_low=lambda rows, sd=sd: rows["ci_low"] / sd,
            effect_high=lambda rows, sd=sd: rows["ci_high"] / sd,
        )
        pairs[score] = differences
        each = pd.DataFrame(np.eye(len(names)), index=pd.Index(names), columns=pd.Index(names))
        estimates[score] = contrast(fit, each)[["estimate", "se", "ci_low", "ci_high"]]
        icc[score] = intraclass(fit)
        table[score] = (
            differences.iloc[0] if len(names) == 2 else joint_test(fit, pair_weights.iloc[: len(names) - 1])
        )
    if not table:
        raise ValueError(f"No score can be compared. {_sentences(refused)}")
    if refused:
        notes.append(f"Left without numbers: {_sentences(refused)}")
    all_pairs = pd.concat(pairs, names=["score"])
    all_pairs.index = _pair_index(list(pairs), names)
    method = (
        f"Mixed model with an intercept for each {_listed(nested.columns)}, restricted maximum likelihood, "
        "Satterthwaite degrees of freedom (Kuznetsova et al., 2017); effect size: the difference over the root of the "
        "summed variances (Hedges, 2007), its interval taking that root as known"
    )
    return _found(
        pd.DataFrame(table).T,
        all_pairs,
        method,
        estimates=pd.concat(estimates, names=["score", "group"]),
        extra=pd.DataFrame(icc).T,
    )


def _pair_weights(names: list[Any]) -> pd.DataFrame:
    first, second = _pair_positions(len(names))
    identity = np.eye(len(names))
    index = pd.Index([f"{names[i]} − {names[j]}" for i, j in zip(first, second, strict=True)], name="contrast")
    return pd.DataFrame(identity[first] - identity[second], index=index, columns=pd.Index(names))


# Small things shared above


def _found(
    table: pd.DataFrame,
    pairs: pd.DataFrame,
    method: str,
    *,
    estimates: pd.DataFrame | None = None,
    extra: pd.DataFrame | None = None,
) -> _Found:
    nothing = pd.DataFrame()
    return _Found(
        table=table,
        pairwise=pairs,
        method=method,
        estimates=nothing if estimates is None else estimates,
        extra=nothing if extra is None else extra,
    )


def _samples(column: pd.Series, members: pd.Series) -> list[_Numbers]:
    return [
        column[members == group].dropna().to_numpy(dtype=float) for group in members.cat.categories
    ]


def _pair_positions(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first, second = np.triu_indices(count, k=1)
    return first, second


def _pair_index(scores: Any, names: Any) -> pd.MultiIndex:
    return pd.MultiIndex.from_tuples(
        [(score, first, second) for score in scores for first, second in combinations(names, 2)],
        names=["score", "group_1", "group_2"],
    )


def _holm(p: pd.Series) -> pd.Series:
    """Adjust p step-down (Holm, 1979); missing p stay missing and do not count."""
    ordered = p.dropna().sort_values()
    steps = np.arange(len(ordered), 0, -1)
    adjusted = np.minimum(np.maximum.accumulate(steps * ordered.to_numpy()), 1.0)
    return pd.Series(adjusted, index=ordered.index, dtype=float).reindex(p.index)


def _listed(names: Any) -> str:
    return ", ".join(str(name) for name in names)


def _sentences(reasons: dict[Any, str]) -> str:
    return "; ".join(f"{score}: {reason}" for score, reason in reasons.items()) + "."
