"""Agreement of the same people's scores on several occasions, and of the members of a team with each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from analysis.alignment import same_responses
from analysis.missing import numeric_answers
from analysis.result import Result
from analysis.sample import complete_items

Matrix = NDArray[np.floating[Any]]
Model = Literal["agreement", "consistency"]

_TAILS = np.array([0.025, 0.975])
_LIMIT = float(stats.norm.ppf(0.975))
_ICC_COLUMNS = ["estimate", "ci_low", "ci_high", "statistic", "df", "df_error", "p"]
# What most people answer who answer one way: James, Demaree & Wolf (1984), variance 1.34.
_SLIGHT_SKEW = {5: (0.05, 0.15, 0.20, 0.35, 0.25)}
_MODELS = ("agreement", "consistency")
_ENOUGH = 0.70


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Retest(Result):
    """How well scores of the same people agree between occasions: intraclass correlations in ``table``.

    Parameters
    ----------
    measurement_error : pandas.DataFrame
        Index ``statistic``, in the unit of the scores: ``sem_agreement``, ``sem_consistency`` (with
        intervals), ``sdc_individual`` and ``sdc_group``.
    agreement : pandas.DataFrame
        Index ``first, second, statistic``, for each pair of occasions: ``mean_difference`` (the second minus
        the first, with its t test), ``limit_low``, ``limit_high`` (limits of agreement) and
        ``size_and_level`` (rank correlation of the size of the difference with the mean of the two).
    """

    measurement_error: pd.DataFrame
    agreement: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TeamAgreement(Result):
    """How much teams differ and their members agree: ICC(1) and ICC(2) in ``table``.

    Parameters
    ----------
    within : pandas.DataFrame
        Index ``coefficient``: ``r_wg_uniform``, ``r_wg_skewed``, ``average_deviation``; the ``estimate`` is the
        median of the teams, beside their ``minimum`` and ``maximum``, the share of teams that reach
        ``threshold``, and ``n_teams``. Empty unless the number of answer options is given.
    teams : pandas.DataFrame
        The same by team, with ``n`` and ``mean``; empty unless asked for.
    """

    within: pd.DataFrame
    teams: pd.DataFrame


def retest(scores: pd.DataFrame, *, model: Model = "agreement", missing: Literal["listwise"] = "listwise") -> Retest:
    """Compare scores of the same people on two or more occasions.

    Parameters
    ----------
    scores : pandas.DataFrame
        Person × occasion, in any unit, missing where a person took no part.
    model : {"agreement", "consistency"}
        Whether a shift of everyone between the occasions counts as error. It decides which coefficient stands
        first and which standard error of measurement the smallest detectable change comes from; both
        are always given.
    missing : {"listwise"}
        People without all occasions are left out, with a note.

    Returns
    -------
    Retest
        ``table`` has the index ``coefficient``: ``icc_agreement``, ``icc_consistency`` and ``icc_one_way`` of a
        single score, and the same with ``_average`` for the mean over the occasions; columns
        estimate, ci_low, ci_high, statistic (F), df, df_error, p, n.

    Raises
    ------
    ValueError
        For fewer than two occasions or three people with all of them, text, an occasion on which all score
        alike, occasions that are copies of each other (or differ by the same amount for everyone), an
        unknown ``model`` or ``missing``.

    Notes
    -----
    ICC: Shrout and Fleiss (1979), McGraw and Wong (1996): agreement is ICC(2,1) = ICC(A,1), consistency ICC(3,1)
    = ICC(C,1), one-way ICC(1,1). Intervals from F; that of agreement is Satterthwaite's approximation.

    SEM: √(occasion variance + error variance) for agreement, √(error variance) for consistency; a negative
    occasion variance counts as 0. The interval of the second is exact for normal errors; that of the first is
    Satterthwaite's for the shift between these occasions, not for occasions at large, of which two say little
    (94 to 96 % of such intervals held the truth in simulations of 20 to 200 people). SDC of one person =
    1.96 √2 SEM, of the mean of a group of n = SDC / √n (de Vet, Terwee, Knol and Bouter, 2006; Terwee et al., 2007).

    Limits of agreement: mean difference ± 1.96 SD (Bland and Altman, 1986); the interval of each limit is exact
    for normal differences, from the noncentral t distribution (Carkeet, 2015).

    Examples
    --------
    Six people, four occasions (Shrout and Fleiss, 1979).

    >>> import pandas as pd
    >>> scores = pd.DataFrame({"t1": [9, 6, 8, 7, 10, 6], "t2": [2, 1, 4, 1, 5, 2],
    ...                        "t3": [5, 3, 6, 2, 6, 4], "t4": [8, 2, 8, 6, 9, 7]})
    >>> retest(scores).table["estimate"].round(2).to_dict()
    {'icc_agreement': 0.29, 'icc_consistency': 0.71, 'icc_one_way': 0.17,
     'icc_agreement_average': 0.62, 'icc_consistency_average': 0.91, 'icc_one_way_average': 0.44}
    """
    if model not in _MODELS:
        raise ValueError(f"model must be 'agreement' or 'consistency', got {model!r}")
    if missing != "listwise":
        raise ValueError(f"missing must be 'listwise', got {missing!r}: fill gaps before, or compare fewer occasions")
    complete, _ = complete_items(scores, at_least=2, people=3, coded=False)
    squares = _mean_squares(complete)
    table = _icc_table(squares)
    if model == "consistency":
        order = ["icc_consistency", "icc_agreement", "icc_one_way"]
        table = table.loc[[*order, *(f"{name}_average" for name in order)]]
    error, error_notes = _measurement_error(squares, model)
    agreement = _limits_of_agreement(complete)
    headline = table.iloc[0]
    return Retest(
        title=f"Agreement of {squares.occasions} occasions",
        table=table,
        method="Intraclass correlations (Shrout & Fleiss, 1979; McGraw & Wong, 1996) with intervals from F; standard "
        "error of measurement and smallest detectable change (de Vet et al., 2006), the latter from the SEM of "
        f"{model}; limits of agreement (Bland & Altman, 1986) with exact intervals (Carkeet, 2015). n = {squares.n}.",
        notes=(
            *_lacking(len(scores) - len(complete), len(scores)),
            _enough(headline),
            *([_few(squares.n)] if squares.n < 50 else []),
            "That people's situation had not changed between the occasions, that the time between them was "
            "right and the conditions alike is taken for granted: no number here can show it.",
            "Intervals take people as independent, and differences as normal and as large at every level.",
            *error_notes,
            *_level_notes(agreement),
        ),
        measurement_error=error,
        agreement=agreement,
    )


def team_agreement(
    scores: pd.Series | pd.DataFrame,
    teams: pd.Series,
    *,
    options: int | None = None,
    skewed: Sequence[float] | None = None,
    threshold: float = _ENOUGH,
    by_team: bool = False,
) -> TeamAgreement:
    """Judge whether members of a team agree, and teams differ, enough to speak of a team's score.

    Parameters
    ----------
    scores : pandas.Series or pandas.DataFrame
        One score (Series) of each response, or the items of one scale, all keyed in one direction (response
        × item): then their mean is the score. Responses with a gap are left out, with a note.
    teams : pandas.Series
        The team of each response, same index; responses without one are left out, with a note.
    options : int, optional
        Number of answer options, 1 apart. Needed for r_wg and the average deviation, which compare
        answers with those that chance would give; without it there are the intraclass correlations only.
    skewed : sequence of float, optional
        Probability of each option, in their order, if people answered by a slight leaning alone. Known
        for 5 options: .05, .15, .20, .35, .25 (variance 1.34).
    threshold : float
        From which r_wg a team counts in the column ``share``.
    by_team : bool
        Whether ``teams`` lists each team. Small teams can be recognised in it: not for publication.

    Returns
    -------
    TeamAgreement
        ``table`` has the index ``coefficient``: ``icc_1`` (share of variance between teams; reliability of one
        member as a report on the team) and ``icc_2`` (reliability of a team's mean).

    Raises
    ------
    ValueError
        If indexes differ, answers are text or alike for all, fewer than two teams have two members, no team
        has members who differ, or answers do not fit ``options``.

    Notes
    -----
    One-way analysis of variance. ICC(1) = (MSB − MSW) / (MSB + (k − 1) MSW), ICC(2) = (MSB − MSW) / MSB
    (Bliese, 2000). With unequal teams k is the size that makes the variance components unbiased, (N − Σnⱼ²/N)
    / (J − 1) (Donner, 1986), a little below Bliese's average size. The interval is exact for normal scores with
    teams of any sizes: it inverts Wald's (1940) F test of the variance ratio; with equal teams it is that of
    Shrout and Fleiss (1979).

    r_wg = 1 − s² / σ² with s² the variance within the team and σ² that of answers by chance; for a scale of J
    items r_wg(j) = J q / (J q + 1 − q) with q = 1 − mean s² / σ² (James, Demaree and Wolf, 1984); below 0 it
    counts as 0. σ² = (options² − 1) / 12 if every option is as likely, or from ``skewed``: LeBreton and Senter
    (2008) advise to give both, since chance is rarely uniform. Average deviation from the mean: Burke,
    Finkelstein and Dusig (1999); agreement is usable below options / 6 (Burke and Dunlap, 2002).

    Examples
    --------
    >>> import pandas as pd
    >>> score = pd.Series([4, 4, 5, 2, 1, 2, 3, 3, 4])
    >>> team = pd.Series(list("aaabbbccc"))
    >>> found = team_agreement(score, team, options=5)
    >>> found.table["estimate"].round(3).to_dict()
    {'icc_1': 0.836, 'icc_2': 0.939}
    >>> found.within["estimate"].round(3).to_dict()
    {'r_wg_uniform': 0.833, 'r_wg_skewed': 0.751, 'average_deviation': 0.444}
    """
    if not 0 < threshold < 1:
        raise ValueError(f"threshold must lie between 0 and 1, got {threshold}")
    if options is not None and options < 2:
        raise ValueError(f"options must be at least 2, got {options}")
    if skewed is not None and options is None:
        raise ValueError("skewed gives the probability of each answer option: give options too")
    items = (
        scores.to_frame("score" if scores.name is None else scores.name) if isinstance(scores, pd.Series) else scores
    )
    answers, members, notes = _team_members(items, teams)
    variances = _chance_variances(options, skewed)
    if options is not None:
        _check_options(answers, options)
    codes, names = pd.factorize(members, sort=True)
    table, sizes = _team_icc(answers.mean(axis=1).to_numpy(), codes)
    teams_table = _by_team(answers, codes, names, variances)
    return TeamAgreement(
        title="Agreement within teams",
        table=table,
        method="ICC(1) and ICC(2) from one-way analysis of variance (Bliese, 2000) with exact intervals (Wald, 1940)"
        + (
            f"; r_wg{'(j)' if answers.shape[1] > 1 else ''} (James, Demaree & Wolf, 1984) against answers by chance "
            f"({_chance_words(variances)}; LeBreton & Senter, 2008); average deviation from the mean (Burke et al., 1999)"
            if variances
            else ""
        )
        + f". {len(answers)} people in {len(names)} teams.",
        notes=(*notes, *_team_notes(sizes, variances, options, teams_table)),
        within=_within(teams_table, threshold, variances),
        teams=teams_table if by_team else teams_table.iloc[:0],
    )


# The same people on several occasions


@dataclass(frozen=True, kw_only=True)
class _MeanSquares:
    """Of a two-way table, person × occasion."""

    n: int
    occasions: int
    people: float
    between_occasions: float
    error: float

    @property
    def within(self) -> float:
        """Of occasions and error together: all that varies within people."""
        return (self.between_occasions + (self.n - 1) * self.error) / self.n


def _mean_squares(scores: pd.DataFrame) -> _MeanSquares:
    values = scores.to_numpy()
    n, k = values.shape
    person, occasion = values.mean(axis=1), values.mean(axis=0)
    residual = values - person[:, None] - occasion + values.mean()
    error = float(np.sum(residual**2)) / ((n - 1) * (k - 1))
    if error <= 1e-20 * float(np.var(values)):
        raise ValueError(
            f"{', '.join(map(str, scores.columns))} are copies of each other, or differ by the same amount for "
            "everyone, so that nothing varies at random: check that each column holds its own occasion"
        )
    if float(person.var()) <= 1e-20 * float(np.var(values)):
        raise ValueError(
            "people do not differ in their mean over occasions, so that nothing can be told about telling them apart: if "
            "an occasion is coded the other way round, turn it first"
        )
    return _MeanSquares(
        n=n,
        occasions=k,
        people=k * float(person.var(ddof=1)),
        between_occasions=n * float(occasion.var(ddof=1)),
        error=error,
    )


def _icc_table(squares: _MeanSquares) -> pd.DataFrame:
    n, k = squares.n, squares.occasions
    df_error = (n - 1) * (k - 1)
    one_way = _from_f(squares.people / squares.within, n - 1, n * (k - 1), k)
    consistency = _from_f(squares.people / squares.error, n - 1, df_error, k)
    agreement = _agreement(squares)
    rows = {"icc_agreement": agreement, "icc_consistency": consistency, "icc_one_way": one_way}
    rows |= {f"{name}_average": [*_stepped_up(row[:3], k), *row[3:]] for name, row in rows.items()}
    table = pd.DataFrame.from_dict(rows, orient="index", columns=_ICC_COLUMNS).assign(n=n)
    return table.rename_axis("coefficient").astype({"df": int, "df_error": int})


def _from_f(f: float, df: int, df_error: int, k: float) -> list[float]:
    """Intraclass correlation of one score from the F ratio of people (or teams), with its interval and test."""
    low = f / stats.f.ppf(0.975, df, df_error)
    high = f * stats.f.ppf(0.975, df_error, df)
    correlations = [(ratio - 1) / (ratio + k - 1) for ratio in (f, low, high)]
    return [*map(float, correlations), f, df, df_error, float(stats.f.sf(f, df, df_error))]


def _agreement(squares: _MeanSquares) -> list[float]:
    """ICC(A,1): McGraw and Wong (1996), table 7; the degrees of freedom of its interval are Satterthwaite's."""
    n, k, people, occasions, error = (
        squares.n,
        squares.occasions,
        squares.people,
        squares.between_occasions,
        squares.error,
    )
    icc = (people - error) / (people + (k - 1) * error + k * (occasions - error) / n)
    f = people / error
    a = k * icc * occasions / error
    b = n * (1 + (k - 1) * icc) - k * icc
    df = (a + b) ** 2 / (a**2 / (k - 1) + b**2 / ((n - 1) * (k - 1)))
    rest = k * occasions + (k * n - k - n) * error
    upper, lower = stats.f.ppf(0.975, n - 1, df), stats.f.ppf(0.975, df, n - 1)
    low = n * (people - upper * error) / (upper * rest + n * people)
    high = n * (lower * people - error) / (rest + n * lower * people)
    df_error = (n - 1) * (k - 1)
    return [float(icc), float(low), float(high), f, n - 1, df_error, float(stats.f.sf(f, n - 1, df_error))]


def _stepped_up(single: Sequence[float], k: float) -> list[float]:
    """Spearman and Brown: from one score to the mean of k."""
    return [k * value / (1 + (k - 1) * value) for value in single]


def _measurement_error(squares: _MeanSquares, model: Model) -> tuple[pd.DataFrame, tuple[str, ...]]:
    n, k = squares.n, squares.occasions
    df = (n - 1) * (k - 1)
    rows = {"sem_consistency": _sem(squares.error, df)}
    notes: tuple[str, ...] = ()
    if squares.between_occasions > squares.error:
        # Satterthwaite with the occasions as they were: their mean square is noncentral chi-square.
        beyond = (k - 1) * (squares.between_occasions / squares.error - 1)
        of_shift = (2 * (k - 1) + 4 * beyond) / ((k - 1) * n) ** 2
        of_noise = 2 / df * ((n - 1) / n) ** 2
        spread = squares.error**2 * (of_shift + of_noise)
        rows["sem_agreement"] = _sem(squares.within, 2 * squares.within**2 / spread)
    else:
        rows["sem_agreement"] = rows["sem_consistency"]
        notes = (
            "The means of the occasions differ by less than chance would let them: the occasion variance counts as 0, "
            "so that the two standard errors of measurement are the same.",
        )
    detectable = _LIMIT * np.sqrt(2) * np.array(rows[f"sem_{model}"])
    rows |= {"sdc_individual": detectable.tolist(), "sdc_group": (detectable / np.sqrt(n)).tolist()}
    order = ["sem_agreement", "sem_consistency", "sdc_individual", "sdc_group"]
    table = pd.DataFrame.from_dict(rows, orient="index", columns=["estimate", "ci_low", "ci_high"]).loc[order]
    return table.rename_axis("statistic").assign(n=n), notes


def _sem(variance: float, df: float) -> list[float]:
    """Root of a variance with df degrees of freedom, and its interval."""
    bounds = df * variance / stats.chi2.ppf(_TAILS[::-1], df)
    return [float(value) for value in np.sqrt([variance, *bounds])]


def _limits_of_agreement(scores: pd.DataFrame) -> pd.DataFrame:
    n = len(scores)
    root = np.sqrt(n)
    quantile = float(stats.t.ppf(0.975, n - 1))
    # Bounds of (limit − mean difference) / SD; that of the lower limit is their mirror image.
    reach = stats.nct.ppf(_TAILS, n - 1, _LIMIT * root) / root
    rows: dict[tuple[Any, Any, str], dict[str, float]] = {}
    for first, second in combinations(scores.columns, 2):
        difference = (scores[second] - scores[first]).to_numpy()
        mean, sd = float(difference.mean()), float(difference.std(ddof=1))
        if sd <= 1e-10 * float(scores[[first, second]].to_numpy().std()):
            raise ValueError(
                f"{first} and {second} are copies of each other, or differ by the same amount for everyone: check "
                "that each column holds its own occasion"
            )
        se = sd / root
        t = mean / se
        rows[first, second, "mean_difference"] = {
            "estimate": mean,
            "se": se,
            "ci_low": mean - quantile * se,
            "ci_high": mean + quantile * se,
            "statistic": t,
            "df": n - 1,
            "p": float(2 * stats.t.sf(abs(t), n - 1)),
        }
        rows[first, second, "limit_low"] = {
            "estimate": mean - _LIMIT * sd,
            "ci_low": mean - reach[1] * sd,
            "ci_high": mean - reach[0] * sd,
        }
        rows[first, second, "limit_high"] = {
            "estimate": mean + _LIMIT * sd,
            "ci_low": mean + reach[0] * sd,
            "ci_high": mean + reach[1] * sd,
        }
        if np.ptp(np.abs(difference)) > 0:
            test = stats.spearmanr(np.abs(difference), scores[[first, second]].mean(axis=1).to_numpy())
            rows[first, second, "size_and_level"] = {"estimate": float(test.statistic), "p": float(test.pvalue)}
    table = pd.DataFrame(
        list(rows.values()), index=pd.MultiIndex.from_tuples(rows, names=["first", "second", "statistic"])
    )
    return table.reindex(columns=["estimate", "se", "ci_low", "ci_high", "statistic", "df", "p"]).assign(n=n)


def _lacking(left_out: int, people: int) -> tuple[str, ...]:
    if not left_out:
        return ()
    words = "lacks an occasion and is" if left_out == 1 else "lack an occasion and are"
    return (f"{left_out} of {people} people {words} left out (listwise).",)


def _enough(icc: pd.Series) -> str:
    """Say whether the interval settles that the coefficient is large enough."""
    low, high = icc["ci_low"], icc["ci_high"]
    if low >= _ENOUGH:
        verdict = "lies above .70 as a whole: the coefficient is shown to reach it"
    elif high < _ENOUGH:
        verdict = "lies below .70 as a whole: the coefficient is shown not to reach it"
    else:
        verdict = "holds .70: whether the coefficient reaches it is not settled"
    return (
        f"{icc.name} is {icc['estimate']:.2f}; .70 is asked for (Terwee et al., 2007). Its interval, {low:.2f} to {high:.2f}, "
        f"{verdict}."
    )


def _level_notes(agreement: pd.DataFrame) -> tuple[str, ...]:
    levels = agreement[agreement.index.get_level_values("statistic") == "size_and_level"]
    related = levels[levels["p"] < 0.05]
    if not len(related):
        return ()
    named = ", ".join(
        f"{first} and {second} (rank correlation {r:.2f})" for (first, second, _), r in related["estimate"].items()
    )
    return (
        f"Differences grow or shrink with the level between {named}: one pair of limits of agreement does not hold at every "
        "level there (Bland & Altman, 1999).",
    )


def _few(n: int) -> str:
    return f"n = {n} is below the 50 people that a study of reliability should have (Terwee et al., 2007)."


# Members of teams


def _team_members(items: pd.DataFrame, teams: pd.Series) -> tuple[pd.DataFrame, pd.Series, tuple[str, ...]]:
    members = same_responses(teams, items.index, "teams", one_column=True)
    answers = numeric_answers(items, at_least=1)
    gaps, teamless = answers.isna().any(axis=1), members.isna()
    kept = ~gaps & ~teamless
    sizes = members[kept].value_counts()
    alone = kept & members.isin(sizes.index[sizes == 1])
    kept &= ~alone
    notes = [
        f"{left} {what} left out."
        for left, what in (
            (int(gaps.sum()), "responses with a gap are"),
            (int((teamless & ~gaps).sum()), "responses without a team are"),
            (int(alone.sum()), "responses that are the only one of their team are"),
        )
        if left
    ]
    answers, members = answers[kept], members[kept]
    count = members.nunique()
    if count < 2:
        raise ValueError(
            f"at least two teams of two or more people are needed, got {count}: join small teams, or use a wider unit "
            "such as the organisation"
        )
    return answers, members, tuple(notes)


def _check_options(answers: pd.DataFrame, options: int) -> None:
    values = answers.to_numpy()
    if np.any(values != np.round(values)) or np.ptp(values) > options - 1:
        raise ValueError(
            f"r_wg compares answers with {options} options that lie 1 apart; got values from {values.min():g} to "
            f"{values.max():g}, or fractions: give the answers to the items, not a score made of them, or leave options out"
        )


def _chance_variances(options: int | None, skewed: Sequence[float] | None) -> dict[str, float]:
    """Variance of answers by chance, by name."""
    if options is None:
        return {}
    variances = {"uniform": (options**2 - 1) / 12}
    shares = _SLIGHT_SKEW.get(options) if skewed is None else skewed
    if shares is not None:
        weights = np.asarray(shares, dtype=float)
        if weights.shape != (options,) or np.any(weights < 0) or abs(weights.sum() - 1) > 1e-6:
            raise ValueError(f"skewed must give {options} probabilities that add up to 1, got {list(shares)}")
        places = np.arange(options)
        variance = float(weights @ (places - weights @ places) ** 2)
        if variance == 0:
            raise ValueError("skewed gives one option all probability: chance needs at least two options")
        variances["skewed"] = variance
    return variances


def _team_icc(score: Matrix, codes: NDArray[np.integer[Any]]) -> tuple[pd.DataFrame, Matrix]:
    """ICC(1) and ICC(2), and the teams' sizes."""
    sizes = np.bincount(codes).astype(float)
    means = np.bincount(codes, weights=score) / sizes
    n, teams = len(score), len(sizes)
    df, df_error = teams - 1, n - teams
    within = float(np.sum((score - means[codes]) ** 2)) / df_error
    if within <= 1e-20 * float(np.var(score)):
        raise ValueError(
            "the members of every team score alike, so that nothing varies within teams: an intraclass correlation "
            "needs members who differ; check that scores are people's own and not their team's"
        )
    between = float(sizes @ (means - score.mean()) ** 2) / df
    if between <= 1e-20 * float(np.var(score)):
        raise ValueError(
            "all teams have the same mean, so that no intraclass correlation can be had: check that `teams` are the teams "
            "that people belong to"
        )
    k = (n - float(np.sum(sizes**2)) / n) / df
    f = between / within

    def pivot(ratio: float) -> float:
        weights = sizes / (1 + sizes * ratio)
        centre = weights @ means / weights.sum()
        return float(weights @ (means - centre) ** 2) / df / within

    ratios = [
        (f - 1) / k,
        *(_ratio_where(pivot, float(stats.f.ppf(tail, df, df_error)), sizes) for tail in (0.975, 0.025)),
    ]
    tests = [f, df, df_error, float(stats.f.sf(f, df, df_error))]
    rows = {
        "icc_1": [*(ratio / (1 + ratio) for ratio in ratios), *tests],
        "icc_2": [*(k * ratio / (1 + k * ratio) for ratio in ratios), *tests],
    }
    table = pd.DataFrame.from_dict(rows, orient="index", columns=_ICC_COLUMNS).assign(n=n, n_teams=teams)
    return table.rename_axis("coefficient").astype({"df": int, "df_error": int}), sizes


def _ratio_where(pivot: Callable[[float], float], value: float, sizes: Matrix) -> float:
    """Ratio of between- to within-team variance at which the falling pivot takes the value of an F quantile."""
    lowest = -(1 - 1e-9) / float(sizes.max())
    if pivot(lowest) <= value:
        return lowest
    highest = 1.0
    while pivot(highest) > value:
        highest *= 2
    return float(optimize.brentq(lambda ratio: pivot(ratio) - value, lowest, highest, xtol=1e-14, rtol=1e-14))


def _by_team(
    answers: pd.DataFrame, codes: NDArray[np.integer[Any]], names: pd.Index, variances: dict[str, float]
) -> pd.DataFrame:
    values, items = answers.to_numpy(), answers.shape[1]
    sizes = np.bincount(codes)

    def team_sums(each: Matrix) -> Matrix:
        return np.stack([np.bincount(codes, weights=each[:, item]) for item in range(items)], axis=1)

    means = team_sums(values) / sizes[:, None]
    deviation = values - means[codes]
    variance = (team_sums(deviation**2) / (sizes[:, None] - 1)).mean(axis=1)
    columns: dict[str, Any] = {"n": sizes, "mean": means.mean(axis=1)}
    for name, chance in variances.items():
        agreed = np.maximum(1 - variance / chance, 0.0)
        columns[f"r_wg_{name}"] = items * agreed / (items * agreed + 1 - agreed)
    if variances:
        columns["average_deviation"] = (team_sums(np.abs(deviation)) / sizes[:, None]).mean(axis=1)
    return pd.DataFrame(columns, index=names.rename("team"))


def _within(teams: pd.DataFrame, threshold: float, variances: dict[str, float]) -> pd.DataFrame:
    agreement = [f"r_wg_{name}" for name in variances]
    of_interest = teams[[name for name in teams.columns if name not in ("n", "mean")]]
    share = pd.Series({name: float((teams[name] >= threshold).mean()) for name in agreement}, dtype=float)
    return pd.DataFrame(
        {
            "estimate": of_interest.median(),
            "minimum": of_interest.min(),
            "maximum": of_interest.max(),
            "share": share.reindex(of_interest.columns),
            "n_teams": len(teams),
        }
    ).rename_axis("coefficient")


def _chance_words(variances: dict[str, float]) -> str:
    return ", ".join(
        f"{'every option as likely' if name == 'uniform' else 'slightly skewed'}: variance {value:.2f}"
        for name, value in variances.items()
    )


def _team_notes(
    sizes: Matrix, variances: dict[str, float], options: int | None, teams: pd.DataFrame
) -> tuple[str, ...]:
    unequal = (
        f"Teams are of {sizes.min():.0f} to {sizes.max():.0f} people (mean {sizes.mean():.1f}); ICC(2) is that of a team of "
        "average size: a small team's mean is less reliable."
    )
    notes = [
        unequal if sizes.min() < sizes.max() else f"All teams have {sizes.min():.0f} people.",
        "Read the two together: members can agree (high r_wg) where everyone everywhere answers alike, and then "
        "teams do not differ (low ICC).",
    ]
    if variances:
        none = int((teams["r_wg_uniform"] == 0).sum())
        if none:
            notes.append(f"In {none} of {len(teams)} teams answers spread more than by chance: their r_wg counts as 0.")
        if "skewed" not in variances:
            notes.append(
                f"No slightly skewed distribution is known to us for {options} options: give skewed=, since r_wg against equally "
                "likely options alone is too favourable (LeBreton & Senter, 2008)."
            )
        notes.append(
            "That r_wg of .70 is enough is a custom (LeBreton & Senter, 2008: .51 to .70 moderate, .71 to .90 strong "
            f"agreement); an average deviation is usable below {options}/6 (Burke & Dunlap, 2002)."
        )
    return tuple(notes)
