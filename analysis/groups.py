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

from analysis.alignment import same_responses
from analysis.mixed import contrast, fit_mixed, intraclass, joint_test
from analysis.multiplicity import holm
from analysis.proportional_odds import cumulative_logit
from analysis.result import Result
from analysis.sentences import listed

Method = Literal["welch", "rank", "ordinal"]
_Numbers = NDArray[np.float64]

MOST_ORDERED_VALUES = 60
_TAIL = 0.025
_CEILING_PERCENT = 15.0
_SMALL_GROUP = 30
_MARKED_SKEWNESS = 1.0

_DIFFERENCE = ["estimate", "se", "ci_low", "ci_high", "statistic", "df", "p"]
_PAIR = ["score", "group_1", "group_2"]
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
        than 60 different values, or groups that overlap in no score.

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
    >>> float(comparison.table.loc["role", "estimate"])
    23.75
    >>> int(comparison.means.loc[("role", "M"), "n"])
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
            notes.append(f"{without.sum()} responses without {listed(nested.columns)} were left out.")
        keep &= ~without
        nested = nested[keep]
    values, members = values[keep], members[keep].cat.remove_unused_categories()
    _check_sizes(members)
    notes.insert(0, _sizes(members, method))

    means = _means(values, members)
    reasons = _too_little(values, members, method, clustered=nested is not None)
    if len(reasons) == values.shape[1]:
        raise ValueError(f"No score can be compared. {_sentences(reasons)} Collect more, or merge groups.")
    if reasons:
        notes.append(f"Left without numbers: {_sentences(reasons)}")
    _note_thin_groups(means, reasons, notes)
    by_score = means["n"].groupby(level="score", sort=False)
    if by_score.sum().min() < len(values):
        least, most = by_score.sum().min(), by_score.sum().max()
        notes.append(f"Scores have gaps: from {least} to {most} of {len(values)} responses each.")
    counts = means["n"].where(means["n"] > 1, 0).groupby(level="score", sort=False).sum()

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
    pairs = _after_p(pairs, p_adjusted=pairs.groupby(level="score")["p"].transform(holm))
    table = found.table.reindex(pd.Index(values.columns, name="score"))
    table = _after_p(table, p_adjusted=holm(table["p"]), n=counts)
    _note_missing_pairs(pairs, means, reasons, notes)
    if nested is None and method == "welch" and len(members.cat.categories) > 2:
        _note_closed_intervals(table, notes)
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
            raise ValueError(f"The {what} repeat: {listed(axis[axis.duplicated()].unique())}. Each must be unique.")
    texts = [name for name in scores.columns if not pd.api.types.is_numeric_dtype(scores[name].dtype)]
    if texts:
        raise ValueError(f"Scores must be numbers; these columns are not: {listed(texts)}. Convert or leave them out.")
    values = pd.DataFrame(
        {name: scores[name].to_numpy(dtype=float, na_value=np.nan) for name in scores.columns},
        index=scores.index,
    )
    infinite = [name for name in values.columns if np.isinf(values[name]).any()]
    if infinite:
        raise ValueError(f"Scores must be finite; infinite values are in {listed(infinite)}.")
    return values.rename_axis(columns="score")


def _members(groups: pd.Series, index: pd.Index, notes: list[str]) -> pd.Series:
    groups = same_responses(groups, index, "groups", one_column=True)
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
    """Give each cluster a number: team 1 of one organisation is not team 1 of another."""
    if isinstance(cluster, pd.Series):
        cluster = cluster.to_frame("cluster" if cluster.name is None else cluster.name)
    cluster = same_responses(cluster, index, "cluster")
    return pd.DataFrame(
        {
            name: cluster.groupby([cluster.iloc[:, outer] for outer in range(level + 1)], observed=True).ngroup()
            for level, name in enumerate(cluster.columns)
        },
        index=index,
    ).where(cluster.notna())


def _check_sizes(members: pd.Series) -> None:
    sizes = members.value_counts(sort=False)
    if len(sizes) < 2:
        found = f"only {sizes.index[0]!r}" if len(sizes) else "none"
        raise ValueError(f"A comparison needs two groups or more; found {found}.")
    if sizes.min() < 2:
        small = listed(f"{group} ({size})" for group, size in sizes.items() if size < 2)
        raise ValueError(
            f"Each group needs at least two responses; too small: {small}. Merge groups or leave them out."
        )


def _check_apart(members: pd.Series, nested: pd.DataFrame) -> None:
    for name in nested.columns:
        clusters = nested[name].nunique()
        if clusters < 2:
            raise ValueError(f"cluster {name!r} has one value only; a mixed model needs two or more. Leave it out.")
        if clusters == len(members):
            raise ValueError(f"Each response is its own {name!r}: nothing is clustered. Leave cluster out.")
        together = pd.DataFrame({"cluster": nested[name], "group": members}).drop_duplicates()
        if len(together) == clusters <= members.nunique():
            raise ValueError(
                f"Each group is one {name!r}, so groups and clusters cannot be told apart. "
                "Compare groups of several clusters, or leave cluster out and say what that means."
            )


def _sizes(members: pd.Series, method: Method) -> str:
    sizes = [f"{group} (n = {size})" for group, size in members.value_counts(sort=False).items()]
    first, second = members.cat.categories[:2]
    higher = {
        "welch": "a positive difference",
        "rank": "a probability above .5",
        "ordinal": "an odds ratio above 1",
    }[method]
    return (
        f"Groups: {listed(sizes)}. The first is compared with the second, so {first} with {second}: {higher} "
        f"means that {first} scored higher."
    )


def _too_little(values: pd.DataFrame, members: pd.Series, method: Method, *, clustered: bool) -> dict[Any, str]:
    """Say for each score that cannot be tested why not."""
    reasons: dict[Any, str] = {}
    each_must_vary = method == "welch" and not clustered and len(members.cat.categories) > 2
    for score in values.columns:
        column, group = _present(values[score], members)
        present = list(group.cat.categories)
        grouped = column.groupby(group, observed=True)
        constant = grouped.max() == grouped.min()
        still = list(constant.index[constant])
        if values[score].isna().all():
            reasons[score] = "nobody has a value"
        elif len(present) < 2:
            thin = [name for name in members.cat.categories if name not in present]
            reasons[score] = f"fewer than two values in {listed(thin)}"
        elif column.min() == column.max():
            reasons[score] = "everyone has the same value"
        elif method == "welch" and len(still) == len(present):
            reasons[score] = "the values do not vary within the groups"
        elif each_must_vary and still:
            reasons[score] = f"the values do not vary in {listed(still)} (method='rank' can compare them)"
    return reasons


def _note_thin_groups(means: pd.DataFrame, reasons: dict[Any, str], notes: list[str]) -> None:
    thin = means.index[means["n"] < 2].to_frame(index=False)
    thin = thin[~thin["score"].isin(list(reasons))]
    if len(thin):
        named = [f"{group} ({listed(rows['score'])})" for group, rows in thin.groupby("group", observed=True)]
        notes.append(f"With fewer than two values, left out of the tests of some scores: {'; '.join(named)}.")


# Description


def _means(values: pd.DataFrame, members: pd.Series) -> pd.DataFrame:
    grouped = values.groupby(members, observed=True)
    n, sd = grouped.count(), grouped.std()
    # A constant such as 0.1 can leave rounding noise in the standard deviation.
    sd = sd.mask((grouped.max() == grouped.min()) & (n > 1), 0.0)
    columns = {"n": n, "mean": grouped.mean(), "sd": sd}
    index = pd.MultiIndex.from_product([values.columns, members.cat.categories], names=["score", "group"])
    table = pd.DataFrame(
        {name: frame.loc[list(members.cat.categories)].to_numpy().T.ravel() for name, frame in columns.items()},
        index=index,
    )
    table["se"] = table["sd"] / np.sqrt(table["n"])
    half = stats.t.isf(_TAIL, (table["n"] - 1).clip(lower=1).to_numpy()) * table["se"]
    return table.assign(ci_low=table["mean"] - half, ci_high=table["mean"] + half)


def _assumptions(values: pd.DataFrame, members: pd.Series, means: pd.DataFrame) -> pd.DataFrame:
    skewness = values.groupby(members, observed=True).skew()
    by_score = means.groupby(level="score", sort=False)
    smallest_sd = by_score["sd"].min()
    there = values.notna().sum().replace(0, np.nan)
    return pd.DataFrame(
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


def _brown_forsythe(column: pd.Series, members: pd.Series) -> float:
    column, group = _present(column, members)
    samples = _samples(column, group)
    spreads = [np.ptp(np.abs(sample - np.median(sample))) for sample in samples]
    if len(samples) < 2 or max(spreads) == 0:
        return float("nan")
    return float(stats.levene(*samples, center="median").pvalue)


def _note_distributions(assumptions: pd.DataFrame, method: Method, notes: list[str]) -> None:
    unequal = assumptions.index[assumptions["sd_ratio"] > 2]
    if method == "welch" and len(unequal):
        notes.append(
            f"The largest standard deviation is more than twice the smallest in {listed(unequal)}. "
            "Welch's test and its interval do not assume equal variances; a mixed model does."
        )
    extremes = assumptions[["lowest_percent", "highest_percent"]].max(axis=1)
    piled = assumptions.index[(extremes > _CEILING_PERCENT) & (extremes < 100)]
    if len(piled):
        notes.append(
            f"More than {_CEILING_PERCENT:g} % of the values are the lowest or the highest seen in "
            f"{listed(piled)} (15 %: McHorney and Tarlov, 1995): differences beyond it do not show."
        )
    skewed = assumptions.index[
        (assumptions["skewness"].abs() > _MARKED_SKEWNESS) & (assumptions["smallest_n"] < _SMALL_GROUP)
    ]
    if method == "welch" and len(skewed):
        notes.append(
            f"Skewness beyond ±1 with a group under {_SMALL_GROUP} (our rule of thumb) in {listed(skewed)}: "
            "see whether method='rank' agrees."
        )


def _note_closed_intervals(table: pd.DataFrame, notes: list[str]) -> None:
    if len(closed := table.index[table["effect_high"] == 0]):
        notes.append(
            f"An interval of omega squared from 0 to 0 ({listed(closed)}) says that the groups are more alike "
            "than chance makes them, not that the effect is known to be 0."
        )


def _note_missing_pairs(pairs: pd.DataFrame, means: pd.DataFrame, reasons: dict[Any, str], notes: list[str]) -> None:
    enough = means["n"] > 1
    missing = [
        f"{score}: {first} and {second}"
        for score, first, second in pairs.index[pairs["p"].isna()]
        if score not in reasons and enough[score, first] and enough[score, second]
    ]
    without_effect = pairs.index[pairs["p"].notna() & pairs["effect_size"].isna()].unique("score")
    if len(without_effect):
        notes.append(f"Too few values for an unbiased effect size in some pairs of {listed(without_effect)}.")
    if missing:
        notes.append(f"Pairs without numbers, since their values do not vary: {'; '.join(missing)}.")


# Means


def _welch(values: pd.DataFrame, members: pd.Series, means: pd.DataFrame) -> _Found:
    names = list(members.cat.categories)
    mean, variance, n = (
        column.to_numpy(dtype=float).reshape(-1, len(names)) for column in (means["mean"], means["sd"] ** 2, means["n"])
    )
    firsts, seconds = _pair_positions(len(names))
    numbers = [moment[:, side].ravel() for side in (firsts, seconds) for moment in (mean, variance, n)]
    pairs = _welch_pairs(*numbers)
    pairs.index = _pair_index(means.index.unique("score"), names)
    if len(names) == 2:
        table = pairs.droplevel(["group_1", "group_2"]).loc[values.columns]
        method = f"Welch's (1947) t test; {_HEDGES}"
    else:
        table = _welch_anova(values, members)
        method = (
            "Welch's (1951) analysis of variance; omega squared, its interval from the noncentral F "
            f"distribution (Steiger, 2004); pairs by Welch's (1947) t test, with {_HEDGES}"
        )
    return _found(table, pairs, method)


def _welch_pairs(
    mean_1: _Numbers,
    variance_1: _Numbers,
    n_1: _Numbers,
    mean_2: _Numbers,
    variance_2: _Numbers,
    n_2: _Numbers,
) -> pd.DataFrame:
    """Compare many pairs of means at once; no numbers where neither varies or one has under two values."""
    usable = (np.minimum(n_1, n_2) > 1) & (variance_1 + variance_2 > 0)
    table = pd.DataFrame(np.nan, index=range(len(n_1)), columns=_DIFFERENCE + _EFFECT)
    mean_1, variance_1, n_1 = mean_1[usable], variance_1[usable], n_1[usable]
    mean_2, variance_2, n_2 = mean_2[usable], variance_2[usable], n_2[usable]
    part_1, part_2 = variance_1 / n_1, variance_2 / n_2
    estimate = mean_1 - mean_2
    se = np.sqrt(part_1 + part_2)
    df = se**4 / (part_1**2 / (n_1 - 1) + part_2**2 / (n_2 - 1))
    t = estimate / se
    half = stats.t.isf(_TAIL, df) * se
    average = (variance_1 + variance_2) / 2
    df_average = 4 * average**2 / (variance_1**2 / (n_1 - 1) + variance_2**2 / (n_2 - 1))
    g = estimate / np.sqrt(average) * _bias_correction(df_average)
    scale = se / np.sqrt(average)
    low, high = _noncentral_t(t, df)
    difference = [estimate, se, estimate - half, estimate + half, t, df, 2 * stats.t.sf(np.abs(t), df)]
    table.loc[usable] = np.column_stack([*difference, g, low * scale, high * scale])
    return table


def _bias_correction(df: _Numbers) -> _Numbers:
    """Return J of Hedges (1981); with one degree of freedom or fewer no unbiased g exists."""
    df = np.where(df > 1 + 1e-9, df, np.nan)
    return np.asarray(np.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / np.sqrt(df / 2))


def _welch_anova(values: pd.DataFrame, members: pd.Series) -> pd.DataFrame:
    from statsmodels.stats.oneway import anova_oneway

    rows, sizes = [], []
    for score in values.columns:
        column, group = _present(values[score], members)
        test = anova_oneway(_samples(column, group), use_var="unequal", welch_correction=True)
        sizes.append(len(column))
        rows.append((float(test.statistic), float(test.df_num), float(test.df_denom), float(test.pvalue)))
    table = pd.DataFrame(rows, index=values.columns, columns=["statistic", "df", "df_error", "p"])
    f, df, df_error = (table[name].to_numpy() for name in ("statistic", "df", "df_error"))
    n = np.array(sizes, dtype=float)
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

    def below(nc: _Numbers, t: _Numbers, df: _Numbers, target: float) -> _Numbers:
        share = special.nctdtr(df, nc, t)
        # Far out, where the share is 0 or 1 to fifteen digits, nctdtr gives no number.
        return np.asarray(np.where(np.isnan(share), nc < t, share) - target, dtype=float)

    low, high = (_root(below, bracket, t, df, target) for target in (1 - _TAIL, _TAIL))
    return low, high


def _noncentral_f(f: _Numbers, df: _Numbers, df_error: _Numbers) -> tuple[_Numbers, _Numbers]:
    """Return the noncentralities under which F is the upper or lower 2.5 % point, 0 if none."""

    def below(nc: _Numbers, f: _Numbers, df: _Numbers, df_error: _Numbers, target: float) -> _Numbers:
        return np.asarray(special.ncfdtr(df, df_error, nc, f) - target, dtype=float)

    def bound(target: float) -> _Numbers:
        positive = special.fdtr(df, df_error, f) > target
        bracket = np.where(positive, 0.0, np.nan), np.where(positive, 6 * df * f + 100, np.nan)
        return np.asarray(np.where(positive, _root(below, bracket, f, df, df_error, target), 0.0))

    return bound(1 - _TAIL), bound(_TAIL)


def _root(function: Callable[..., _Numbers], bracket: tuple[_Numbers, _Numbers], *numbers: Any) -> _Numbers:
    tolerances = {"xatol": 1e-13, "xrtol": 1e-14, "fatol": 0.0, "frtol": 0.0}
    find_root: Any = elementwise.find_root
    return np.asarray(find_root(function, bracket, args=numbers, tolerances=tolerances).x)


# Ranks


def _ranks(values: pd.DataFrame, members: pd.Series) -> _Found:
    names = list(members.cat.categories)
    rows: dict[tuple[Any, ...], dict[str, float]] = {}
    omnibus: dict[Any, dict[str, float]] = {}
    for score in values.columns:
        column, group = _present(values[score], members)
        samples = dict(zip(group.cat.categories, _samples(column, group), strict=True))
        for first, second in combinations(samples, 2):
            rows[score, first, second] = _mann_whitney(samples[first], samples[second])
        if len(names) > 2:
            test = stats.kruskal(*samples.values())
            h, df = float(test.statistic), len(samples) - 1
            omnibus[score] = {
                "statistic": h,
                "df": df,
                "p": float(test.pvalue),
                "effect_size": h / (len(column) - 1),
            }
    pairs = pd.DataFrame(list(rows.values()), index=pd.MultiIndex.from_tuples(rows, names=_PAIR))
    if len(names) == 2:
        return _found(
            pairs.droplevel(["group_1", "group_2"]),
            pairs,
            f"Mann-Whitney test (1947), statistic U; {_SUPERIORITY}",
        )
    table = pd.DataFrame(list(omnibus.values()), index=list(omnibus))
    method = (
        "Kruskal-Wallis test (1952), effect size epsilon squared, H / (N − 1) (Tomczak and Tomczak, 2014), "
        f"for which no sound interval is known to us; pairs by the Mann-Whitney test (1947), where {_SUPERIORITY}"
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

    # At 0 and 1 the equation has a root that bounds nothing: the search starts beside it.
    start = np.clip(np.array([superiority]), 1e-9, 1 - 1e-9)

    def bound(end: float) -> float:
        return end if superiority == end else float(_root(excess, (np.array([end]), start))[0])

    return bound(0.0), bound(1.0)


# Proportional odds


def _ordinal(values: pd.DataFrame, members: pd.Series, notes: list[str]) -> _Found:
    distinct = values.nunique()
    many = distinct.index[distinct > MOST_ORDERED_VALUES]
    if len(many):
        named = listed(f"{score} ({distinct[score]})" for score in many)
        raise ValueError(
            f"method='ordinal' estimates a threshold for each step and takes at most "
            f"{MOST_ORDERED_VALUES} different values; more have {named}. Use method='rank' for them."
        )
    pieces, tests, apart = [], {}, []
    for score in values.columns:
        column, group = _present(values[score], members)
        if _separated(column, group):
            apart.append(score)
            continue
        fitted = _proportional_odds(column, group)
        tests[score] = {**fitted.likelihood_ratio, "proportional_odds_p": fitted.proportional_odds_p}
        pieces.append(fitted.pairs.set_axis(_pair_index([score], group.cat.categories)))
    if not pieces:
        raise ValueError(
            f"The groups do not overlap in {listed(apart)}: no finite odds ratio exists. Use method='rank'."
        )
    if apart:
        notes.append(
            f"Left without numbers: the groups do not overlap in {listed(apart)}, so their odds ratio is not "
            "finite. method='rank' can compare them."
        )
    pairs = pd.concat(pieces)
    omnibus = pd.DataFrame(tests).T
    table = omnibus[["statistic", "df", "p"]]
    if members.cat.categories.size == 2:
        single = pairs.droplevel(["group_1", "group_2"])
        table = single[["estimate", "se", "ci_low", "ci_high"]].join(table).join(single[_EFFECT])
    notes.append(
        "The ordinal model takes the odds ratio as the same at every step of a score; assumptions give the "
        "likelihood ratio test of that (rough where few people share a value)."
    )
    method = (
        "Proportional-odds model (McCullagh, 1980), likelihood ratio test of the groups; estimate: log odds "
        "ratio of a higher score with its Wald interval, effect size: the odds ratio; pairs by Wald tests, statistic z"
    )
    return _found(table, pairs, method, extra=omnibus[["proportional_odds_p"]])


def _separated(column: pd.Series, group: pd.Series) -> bool:
    """Tell whether some cut leaves whole groups on either side, so that the odds ratio is infinite."""
    grouped = column.groupby(group, observed=True)
    lowest, highest = grouped.min().to_numpy()[:, None], grouped.max().to_numpy()[:, None]
    cuts = np.unique(column)[None, :]
    below, above = highest <= cuts, lowest >= cuts
    return bool(((below | above).all(axis=0) & below.any(axis=0) & above.any(axis=0)).any())


@dataclass(frozen=True, kw_only=True)
class _OddsFit:
    likelihood_ratio: dict[str, float]
    proportional_odds_p: float
    pairs: pd.DataFrame


def _proportional_odds(column: pd.Series, group: pd.Series) -> _OddsFit:
    names = list(group.cat.categories)
    counts = pd.crosstab(column, group)[names].to_numpy(dtype=float)
    df = len(names) - 1
    loglik, odds, odds_covariance = cumulative_logit(counts)
    ratio = 2 * (loglik - _multinomial(counts.sum(axis=1)))
    beyond = 2 * (sum(_multinomial(counts[:, k]) for k in range(len(names))) - loglik)
    df_beyond = (counts.shape[0] - 2) * df
    # The first group is the reference: its coefficient is 0 and has no variance.
    effects = np.concatenate([[0.0], odds])
    covariance = np.zeros((df + 1, df + 1))
    covariance[1:, 1:] = odds_covariance
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
        likelihood_ratio={"statistic": ratio, "df": df, "p": float(special.chdtrc(df, ratio))},
        proportional_odds_p=float(special.chdtrc(df_beyond, beyond)) if df_beyond else float("nan"),
        pairs=pairs,
    )


def _multinomial(counts: _Numbers) -> float:
    return float((special.xlogy(counts, counts) - counts * np.log(counts.sum())).sum())


# People in teams


def _clustered(values: pd.DataFrame, members: pd.Series, nested: pd.DataFrame, notes: list[str]) -> _Found:
    pairs: list[pd.DataFrame] = []
    table, estimates, icc = {}, {}, {}
    refused: dict[Any, str] = {}
    said: dict[str, list[Any]] = {}
    several = len(members.cat.categories) > 2
    for score in values.columns:
        column, group = _present(values[score], members)
        names = list(group.cat.categories)
        weights = _pair_weights(names)
        design = pd.get_dummies(group, dtype=float).set_axis(names, axis=1)
        try:
            fit = fit_mixed(column, design, nested.loc[column.index])
        except ValueError as error:
            refused[score] = str(error)
            continue
        for note in fit.notes:
            said.setdefault(note, []).append(score)
        sd = float(np.sqrt(fit.variances.sum()))
        differences = contrast(fit, weights)[_DIFFERENCE]
        differences[_EFFECT] = differences[["estimate", "ci_low", "ci_high"]] / sd
        pairs.append(differences.set_axis(_pair_index([score], names)))
        each = pd.DataFrame(np.eye(len(names)), index=pd.Index(names), columns=pd.Index(names))
        estimates[score] = contrast(fit, each)[["estimate", "se", "ci_low", "ci_high"]]
        icc[score] = intraclass(fit)
        table[score] = joint_test(fit, weights.iloc[: len(names) - 1]) if several else differences.iloc[0]
    if not table:
        raise ValueError(f"No score can be compared. {_sentences(refused)}")
    if refused:
        notes.append(f"Left without numbers: {_sentences(refused)}")
    notes.extend(f"{listed(scores)}: {note}." for note, scores in said.items())
    notes.append(
        f"The model takes the differences between the groups as the same in every {nested.columns[-1]}: where they are "
        "not, its intervals are too narrow for the differences elsewhere."
    )
    method = (
        f"Mixed model with an intercept for each {listed(nested.columns)}, restricted maximum likelihood, "
        "Satterthwaite degrees of freedom (Kuznetsova et al., 2017); effect size: the difference over the "
        "root of the summed variances (Hedges, 2007), its interval taking that root as known"
    )
    return _found(
        pd.DataFrame(table).T,
        pd.concat(pairs),
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


def _present(column: pd.Series, members: pd.Series) -> tuple[pd.Series, pd.Series]:
    """Return the values there are and their groups, without groups of fewer than two values."""
    column = column.dropna()
    group = members[column.index]
    group = group[group.map(group.value_counts()).astype(float) > 1].cat.remove_unused_categories()
    return column[group.index], group


def _samples(column: pd.Series, group: pd.Series) -> list[_Numbers]:
    return [column[group == name].to_numpy(dtype=float) for name in group.cat.categories]


def _pair_positions(count: int) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    first, second = np.triu_indices(count, k=1)
    return first, second


def _pair_index(scores: Any, names: Any) -> pd.MultiIndex:
    return pd.MultiIndex.from_tuples(
        [(score, first, second) for score in scores for first, second in combinations(names, 2)],
        names=_PAIR,
    )


def _after_p(table: pd.DataFrame, **columns: pd.Series) -> pd.DataFrame:
    before = list(table.columns[: list(table.columns).index("p") + 1])
    after = [name for name in table.columns if name not in before]
    return table.assign(**columns)[[*before, *columns, *after]]


def _sentences(reasons: dict[Any, str]) -> str:
    return "; ".join(f"{score}: {reason}" for score, reason in reasons.items()) + "."
