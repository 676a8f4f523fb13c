"""The change of one score for everyone, linked or not, by a mixed model."""

from __future__ import annotations

import numpy as np
import pandas as pd
from scipy import stats

from analysis.change_contrasts import (
    ARMS,
    CHANGE,
    FEWEST_CLUSTERS,
    LEVEL,
    PROGRAMME,
    ChangeModel,
    arms_have_clusters,
    change_of,
    of_arm,
    require_two,
    scored_rows,
    with_common_forms,
)
from analysis.mixed import MixedFit, contrast, fit_mixed


def change_model(values: pd.Series, rows: pd.DataFrame) -> ChangeModel:
    """Estimate the change of one score for everyone, by the model of `compare_waves`.

    Parameters
    ----------
    values : pandas.Series
        The score by response, both waves; missing ones are left out.
    rows : pandas.DataFrame
        Same index, the columns of `ScoredWaves.rows`; only ``wave`` and ``person`` are needed. A team name
        means one team wherever it stands.

    Returns
    -------
    ChangeModel

    Raises
    ------
    ValueError
        If a wave has fewer than two values, or no model can be estimated.

    Notes
    -----
    What the data cannot carry is left out with a note, in this order: forms with fewer than two values in
    a wave; arms without two clusters in each wave; without arms, organisations and teams of which there are
    fewer than five (Gelman and Hill, 2007, *Data Analysis Using Regression and Multilevel/Hierarchical
    Models*, section 12.9); the person, when the variances cannot be estimated with
    it; all random intercepts (ordinary least squares); the arms; the forms. The effect size is the estimate
    over the standard deviation of the values before; its interval takes that as known.

    Examples
    --------
    >>> rows = pd.DataFrame({"wave": [0, 0, 0, 1, 1, 1], "person": list("abcabd")})
    >>> change_model(pd.Series([50.0, 60, 55, 58, 63, 61]), rows).contrasts["estimate"].round(2).to_dict()
    {'change': 5.57}
    """
    notes: list[str] = []
    used = scored_rows(values, rows)
    used, has_forms = with_common_forms(used, notes)
    require_two(used["wave"])
    has_arms = "programme" in used and arms_have_clusters(used, notes)
    if not has_arms:
        used = _without_few_clusters(used, notes)
    fit, design, arms = _fitted(values.loc[used.index].astype(float), used, has_forms, has_arms, notes)
    weights = _weights(design, arms=arms)
    table = _capped(contrast(fit, weights), fit, used, arms=arms)
    return change_of(values, used, table, notes)


def _without_few_clusters(used: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    for name in ("organisation", "team"):
        if name in used and used[name].nunique() < FEWEST_CLUSTERS:
            used = used.drop(columns=name)
            notes.append(
                f"there are fewer than five {name}s, too few to see how much {name}s vary (Gelman and Hill, 2007): "
                "the interval says how sure one can be about these people on these two dates, not about others"
            )
    return used


def _fitted(
    values: pd.Series, used: pd.DataFrame, has_forms: bool, has_arms: bool, notes: list[str]
) -> tuple[MixedFit, pd.DataFrame, bool]:
    """Fit the fullest model that the data carry; note what was left out of it."""
    groups = _groups(used)
    reasons: list[str] = []
    for arms, forms in dict.fromkeys([(has_arms, has_forms), (False, has_forms), (False, False)]):
        design = _design(used, forms=forms, arms=arms)
        if len(design) <= design.shape[1] or np.linalg.matrix_rank(design) < design.shape[1]:
            continue
        without_person = groups.drop(columns="person")
        for factors in (groups, without_person, groups[[]]):
            try:
                fit = fit_mixed(values, design, factors)
            except ValueError as reason:
                reasons.append(str(reason))
                continue
            if has_arms and not arms:
                notes.append("the arms could not be told apart from the other terms and were left out")
            if has_forms and not forms:
                notes.append("there are too few answers to keep the forms apart: a changed mix may read as change")
            left_out = [name for name in groups if name not in factors]
            if left_out:
                notes.append(
                    f"the variances could not be estimated with {', '.join(left_out)}, left out: {reasons[-1]}"
                )
            notes.extend(fit.notes)
            return fit, design, arms
    raise ValueError(reasons[0] if reasons else f"{len(used)} answers are too few for any model")


def _groups(used: pd.DataFrame) -> pd.DataFrame:
    groups = pd.DataFrame(index=used.index)
    wave = used["wave"].astype(int).astype(str)
    for name in ("organisation", "team"):
        if name in used:
            groups[name] = used[name]
            groups[f"{name} × wave"] = used[name].astype(str) + " wave " + wave
    return groups.assign(person=used["person"])


def _design(used: pd.DataFrame, *, forms: bool, arms: bool) -> pd.DataFrame:
    design = pd.DataFrame({"intercept": 1.0, "wave": used["wave"]}, index=used.index)
    if arms:
        design["programme"] = used["programme"]
        design["wave × programme"] = used["wave"] * used["programme"]
    if forms:
        for form in sorted(used["form"].unique())[1:]:
            design[f"form {form}"] = (used["form"] == form).astype(float)
            design[f"form {form} × wave"] = design[f"form {form}"] * used["wave"]
    return design


def _weights(design: pd.DataFrame, *, arms: bool) -> pd.DataFrame:
    """Return the contrasts as weights of the terms, each form with the same weight."""
    by_form = [name for name in design if name.startswith("form ") and name.endswith(" × wave")]
    change = pd.Series(0.0, index=design.columns)
    change["wave"] = 1.0
    change[by_form] = 1 / (len(by_form) + 1)
    rows = {CHANGE: change}
    if arms:
        slope = pd.Series(0.0, index=design.columns)
        slope["wave × programme"] = 1.0
        rows = {CHANGE: change + slope / 2, PROGRAMME: slope} | {a: change + slope * part for a, part in ARMS.items()}
    return pd.DataFrame(rows).T


def _capped(table: pd.DataFrame, fit: MixedFit, used: pd.DataFrame, *, arms: bool) -> pd.DataFrame:
    """Bound the degrees of freedom by clusters − arms where no cluster × wave variance backs them."""
    cluster = next((name for name in ("organisation", "team") if name in used), None)
    if cluster is None:
        return table
    varies = [name for name in fit.variances.index[:-1] if name.endswith(" × wave") and name not in fit.singular]
    if f"{cluster} × wave" in varies:
        return table
    both = used.groupby(cluster)["wave"].nunique() == 2
    limits = []
    for name in table.index:
        in_arm = both.index.isin(of_arm(used, name)[cluster]) if name in ARMS else True
        limits.append(max(1, int((both & in_arm).sum()) - (2 if arms and name not in ARMS else 1)))
    df = np.minimum(table["df"], limits)
    half = stats.t.ppf(1 - LEVEL / 2, df) * table["se"]
    return table.assign(
        df=df,
        p=2 * stats.t.sf(table["statistic"].abs(), df),
        ci_low=table["estimate"] - half,
        ci_high=table["estimate"] + half,
    )
