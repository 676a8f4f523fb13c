"""The change of a mean where some people answered twice and others once: partially overlapping samples."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.change_contrasts import (
    ARMS,
    CHANGE,
    COUNTS,
    PROGRAMME,
    TEST,
    ChangeModel,
    arms_have_clusters,
    change_of,
    require_two,
    scored_rows,
    t_tests,
    with_common_forms,
)

Variances = Literal["unequal", "equal"]
_VARIANCES = ("unequal", "equal")
_Array = NDArray[np.floating[Any]]


def overlapping_samples(
    before: pd.Series, after: pd.Series, *, variances: Variances = "unequal", confidence: float = 0.95
) -> pd.Series:
    """Test the change of a mean between two samples that share some of their people.

    Parameters
    ----------
    before, after : pandas.Series
        A score by person; someone who is in the index of both is linked. Missing values are left out.
    variances : {"unequal", "equal"}, default "unequal"
        "unequal" is T_new2 of Derrick et al., "equal" T_new1 with the pooled variance.
    confidence : float, default 0.95
        Of the interval.

    Returns
    -------
    pandas.Series
        n_before, n_after, n_linked, estimate (mean after − mean before, of all answers), se, df, ci_low,
        ci_high, statistic (t), p.

    Raises
    ------
    ValueError
        For a person twice in a wave, fewer than two answers in a wave, answers without any variation, or an
        option that is none of these.

    Notes
    -----
    Derrick, Russ, Toher and White (2017), *Journal of Modern Applied Statistical Methods*, 16(1), 137–157.
    The variance is that of two independent means less twice their covariance, r S₁S₂ n_c / (n₁n₂), where r is
    the correlation in the n_c linked people; the degrees of freedom lie between Welch's and those of the paired
    test. Without linked people it is Welch's test (Student's with equal variances), with linked people alone
    the paired test. One linked person shows no correlation and counts as two people. It is no
    remedy where the people who left thought differently from those who stayed.

    Examples
    --------
    >>> before = pd.Series([14.0, 15, 18, 20, 11], index=list("abcde"))
    >>> after = pd.Series([15.0, 17, 21, 19, 18], index=list("abcfg"))
    >>> overlapping_samples(before, after)[["n_linked", "estimate", "df"]].round(2).to_dict()
    {'n_linked': 3.0, 'estimate': 2.4, 'df': 3.92}
    """
    if variances not in _VARIANCES:
        raise ValueError(f"variances must be 'unequal' or 'equal'; got {variances!r}")
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    first, second = before.dropna().astype(float), after.dropna().astype(float)
    for name, wave in (("before", first), ("after", second)):
        if wave.index.has_duplicates:
            raise ValueError(f"{name} has a person more than once: {wave.index[wave.index.duplicated()][0]}")
        if len(wave) < 2:
            raise ValueError(f"at least two answers are needed in each wave, {name} has {len(wave)}")
    both = first.index.intersection(second.index)
    pairs = np.column_stack([first.loc[both], second.loc[both]])
    estimate, se, df = _test(first.to_numpy(), second.to_numpy(), pairs, variances=variances)
    half = float(stats.t.ppf((1 + confidence) / 2, df)) * se
    statistic = estimate / se
    test = [estimate, se, df, estimate - half, estimate + half, statistic, float(2 * stats.t.sf(abs(statistic), df))]
    return pd.Series(
        dict(zip([*COUNTS, *TEST], [float(len(first)), float(len(second)), float(len(both)), *test], strict=True)),
        name="partially overlapping samples",
    )


def overlapping_change(values: pd.Series, rows: pd.DataFrame) -> ChangeModel:
    """Estimate the change of one score for these people: for one team, or wherever clusters are too few.

    Parameters
    ----------
    values : pandas.Series
        The score by response, both waves; missing ones are left out.
    rows : pandas.DataFrame
        Same index: ``wave`` (0, 1) and ``person``; ``form`` and ``programme`` where there are several. Places
        are not looked at.

    Returns
    -------
    ChangeModel

    Raises
    ------
    ValueError
        If a wave has fewer than two values, or the values do not vary.

    Notes
    -----
    One `overlapping_samples` test a form (and arm), then the mean of the forms' changes with equal weights,
    its degrees of freedom after Satterthwaite (1946). Someone who answered on one form before and on another
    after counts as two people, which widens the interval if it does anything.

    Examples
    --------
    >>> rows = pd.DataFrame({"wave": [0, 0, 0, 1, 1, 1], "person": list("abcabd")})
    >>> overlapping_change(pd.Series([50.0, 60, 55, 58, 63, 61]), rows).contrasts["estimate"].round(2).to_dict()
    {'change': 5.67}
    """
    notes: list[str] = []
    used = scored_rows(values, rows)
    has_arms = "programme" in used and arms_have_clusters(used[["wave", "programme", "person"]], notes)
    used, has_forms = with_common_forms(used, notes, each_arm=has_arms)
    require_two(used["wave"])
    scored = values.loc[used.index].astype(float)
    if has_forms and _constant_form(scored, used):
        notes.append("in one form nobody differs from anybody, so that the forms were taken together")
        has_forms = False
    by = [name for name, has in (("programme", has_arms), ("form", has_forms)) if has]
    groups = used.groupby(by if len(by) > 1 else by[0]).groups if by else {None: used.index}
    parts = {}
    for stratum, member in groups.items():
        answers, who = scored.loc[member], used.loc[member]
        waves = [answers[who["wave"] == wave].set_axis(who.loc[who["wave"] == wave, "person"]) for wave in (0.0, 1.0)]
        parts[stratum] = overlapping_samples(*waves)[["estimate", "se", "df"]]
    arm = [used.loc[member[0], "programme"] if has_arms else None for member in groups.values()]
    return change_of(values, used, _combined(pd.DataFrame(parts).T, arm), notes)


def _test(first: _Array, second: _Array, pairs: _Array, *, variances: Variances) -> tuple[float, float, float]:
    """Return the change of the mean, its standard error and degrees of freedom."""
    n1, n2, linked = len(first), len(second), len(pairs)
    # One pair shows no correlation, nor do answers that do not vary.
    r = 0.0
    if linked > 1 and (np.ptp(pairs, axis=0) > 0).all():
        r = float(np.asarray(np.corrcoef(pairs.T))[0, 1])
    linked = linked if linked > 1 else 0
    alone = n1 + n2 - 2 * linked
    v1, v2 = float(first.var(ddof=1)), float(second.var(ddof=1))
    if variances == "equal":
        v1 = v2 = ((n1 - 1) * v1 + (n2 - 1) * v2) / (n1 + n2 - 2)
        independent = float(n1 + n2 - 2)
    else:
        shares = np.array([v1 / n1, v2 / n2])
        total = shares.sum()
        independent = float(total**2 / (shares**2 / [n1 - 1, n2 - 1]).sum()) if total > 0 else 0.0
    variance = v1 / n1 + v2 / n2 - 2 * r * np.sqrt(v1 * v2) * linked / (n1 * n2)
    # What rounding leaves of a variance is none.
    if variance <= 1e-12 * max(v1 / n1 + v2 / n2, float(np.abs(first).max()) ** 2 * 1e-12):
        raise ValueError("the answers do not vary, or all linked people change alike: no interval can be given")
    df = independent if not linked else linked - 1 + (independent - linked + 1) / (alone + 2 * linked) * alone
    return float(second.mean() - first.mean()), float(np.sqrt(variance)), df


def _constant_form(scored: pd.Series, used: pd.DataFrame) -> bool:
    spread = scored.groupby([used["form"], used["wave"]]).agg(lambda part: part.max() - part.min()).unstack()
    return bool((spread == 0).all(axis=1).any())


def _combined(parts: pd.DataFrame, arm: list[float | None]) -> pd.DataFrame:
    """Weight the strata: forms alike, and arms alike."""
    weights = {CHANGE: np.full(len(parts), 1 / len(parts))}
    if arm[0] is not None:
        arms = np.array(arm, dtype=float)
        each = {name: (arms == number) / (arms == number).sum() for name, number in ARMS.items()}
        weights |= {PROGRAMME: each["programme"] - each["control"]} | each
    L = pd.DataFrame(weights).T.to_numpy(dtype=float)
    estimate, variance, df = parts["estimate"].to_numpy(), parts["se"].to_numpy() ** 2, parts["df"].to_numpy()
    se = np.sqrt(L**2 @ variance)
    names = pd.Index(weights)
    satterthwaite = se**4 / (L**4 @ (variance**2 / df))
    return t_tests(*(pd.Series(column, index=names) for column in (L @ estimate, se, satterthwaite)))
