"""Answers after, compared between arms among people with the same answers before (analysis of covariance)."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from scipy import stats

from analysis.alignment import same_responses
from analysis.mixed import MixedFit, contrast, fit_mixed
from analysis.multiplicity import holm
from analysis.result import Result

_TEST = ["estimate", "se", "df", "ci_low", "ci_high", "statistic", "p"]
_COLUMNS = ["n", "n_programme", "n_control", "clusters", *_TEST, "slope"]
_FEWEST = 2


def adjusted_change(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    arm: pd.Series,
    randomised: bool,
    form: pd.Series | None = None,
    clusters: pd.DataFrame | None = None,
    families: Mapping[str, str] | None = None,
) -> Result:
    """Compare the arms after the programme among linked people, adjusted for their scores before.

    Parameters
    ----------
    before, after : pandas.DataFrame
        Person × score, the same people and scores (`analysis.linked_people.linked_people`); gaps are left out,
        score by score.
    arm : pandas.Series
        By person: 1 programme, 0 control; missing leaves the person out.
    randomised : bool
        Whether chance alone decided who took part. It changes no number, but what the result may be called.
    form : pandas.Series, optional
        By person; enters as a fixed effect.
    clusters : pandas.DataFrame, optional
        By person, nested, the outermost first (organisation, team): a random intercept each. A level that names
        the same label under two outer ones is told apart.
    families : mapping of str to str, optional
        Score → the family in which its p is adjusted by Holm; default: all scores are one family.

    Returns
    -------
    Result
        Index ``score``: n, n_programme, n_control, clusters (of the outermost), estimate (programme − control, in
        points), se, df, ci_low, ci_high, statistic, p, p_adjusted (Holm over the scores of a family), and slope,
        of the score before.

    Raises
    ------
    ValueError
        If the frames are not of the same people and scores, there is one arm or none, or no score can be compared.

    Notes
    -----
    after ~ before + arm + form with random intercepts for the clusters, restricted maximum likelihood,
    Satterthwaite degrees of freedom (Kuznetsova, Brockhoff and Christensen, 2017); without clusters, ordinary
    least squares. With randomised arms this has more power than the difference of changes (Vickers and Altman,
    2001, *BMJ*, 323, 1123–1124). Where the arms differed beforehand it answers another question than the difference
    of changes, and the two may disagree (Lord, 1967, *Psychological Bulletin*, 68, 304–305); error of measurement
    in the score before leaves part of that difference in.

    Where the variance of clusters is estimated at zero, degrees of freedom are at most clusters − arms.

    Examples
    --------
    >>> people = pd.Index(range(8))
    >>> before = pd.DataFrame({"role": [40.0, 50, 60, 70, 42, 52, 62, 72]}, index=people)
    >>> after = pd.DataFrame({"role": [55.0, 61, 64, 70, 51, 57, 62, 66]}, index=people)
    >>> found = adjusted_change(before, after, arm=pd.Series([1, 1, 1, 1, 0, 0, 0, 0]), randomised=True)
    >>> round(float(found.table.loc["role", "estimate"]), 2)
    4.48
    """
    if list(before.columns) != list(after.columns):
        raise ValueError("before and after must have the same scores, in the same order")
    people = before.index
    before, after = (frame.rename(columns=str) for frame in (before, same_responses(after, people, "after")))
    arms = same_responses(arm, people, "arm", one_column=True).astype("Float64")
    present = sorted(arms.dropna().unique().tolist())
    if present != [0.0, 1.0]:
        raise ValueError(
            f"analysis of covariance compares two arms, 1 (programme) and 0 (control); got {present or 'none'}. "
            "Without a control arm the change of linked people is all there is"
        )
    known = pd.DataFrame({"arm": arms.astype(float)})
    if form is not None:
        known["form"] = same_responses(form, people, "form", one_column=True).astype(object)
    groups = (
        pd.DataFrame(index=people) if clusters is None else _told_apart(same_responses(clusters, people, "clusters"))
    )
    rows: dict[str, dict[str, float]] = {}
    refused: dict[str, str] = {}
    notes: dict[str, list[str]] = {}
    for name in before.columns:
        data = known.assign(before=before[name].astype(float), after=after[name].astype(float)).dropna()
        counts = data["arm"].value_counts()
        rows[name] = {
            "n": len(data),
            "n_programme": int(counts.get(1.0, 0)),
            "n_control": int(counts.get(0.0, 0)),
        }
        if groups.shape[1]:
            rows[name]["clusters"] = groups.iloc[:, 0].loc[data.index].nunique()
        try:
            fit, design = _fitted(data, groups.loc[data.index])
        except ValueError as reason:
            refused[name] = str(reason)
            continue
        rows[name] |= _estimates(fit, design, data, groups.loc[data.index])
        for note in fit.notes:
            notes.setdefault(note, []).append(name)
    if len(refused) == len(rows):
        raise ValueError(f"no score can be compared: {_reasons(refused)}")
    table = pd.DataFrame(list(rows.values()), index=pd.Index(rows, name="score"), columns=_COLUMNS)
    table = table.astype(dict.fromkeys(_COLUMNS[:4], "Int64"))
    family = pd.Series({name: (families or {}).get(name, "all") for name in table.index})
    table.insert(list(table.columns).index("p") + 1, "p_adjusted", table["p"].groupby(family).transform(holm))
    told = [
        "Arms were randomised: the adjusted difference estimates the effect of the programme on people who answered twice."
        if randomised
        else "Arms were not randomised: a sensitivity analysis beside the difference of changes. Where the arms differed "
        "beforehand the two may disagree (Lord, 1967), and neither is an effect of the programme by itself.",
        "Linked people only: see how they differ from those who could not be linked.",
    ]
    told += [f"{', '.join(names)}: {note}." for note, names in notes.items()]
    if refused:
        told.append(f"Left without numbers: {_reasons(refused)}.")
    places = ", ".join(map(str, groups.columns))
    return Result(
        title="Difference between the arms after, adjusted for before"
        + ("" if randomised else " (sensitivity analysis)"),
        table=table,
        method=(
            f"Analysis of covariance of linked people: score after ~ score before + arm{'' if form is None else ' + form'}"
            + (
                f", random intercepts for {places}, restricted maximum likelihood, Satterthwaite degrees of freedom "
                "(Kuznetsova et al., 2017), at most clusters − arms where the variance of clusters is estimated at zero"
                if places
                else ", ordinary least squares"
            )
            + " (Vickers and Altman, 2001). p_adjusted: Holm (1979) over the scores of a family."
        ),
        notes=tuple(told),
    )


def _told_apart(clusters: pd.DataFrame) -> pd.DataFrame:
    """Give each cluster a number within the outer ones; a blank is a cluster of its own level."""
    filled = clusters.astype(object).where(clusters.notna(), "(blank)")
    return pd.DataFrame(
        {name: filled.groupby(list(filled.columns[: level + 1])).ngroup() for level, name in enumerate(filled.columns)},
        index=clusters.index,
    )


def _fitted(data: pd.DataFrame, groups: pd.DataFrame) -> tuple[MixedFit, pd.DataFrame]:
    counts = data["arm"].value_counts()
    if len(counts) < 2 or counts.min() < _FEWEST:
        raise ValueError("each arm needs at least two linked people with the score at both waves")
    if groups.shape[1]:
        outer = groups.iloc[:, 0]
        by_arm = outer.groupby(data["arm"]).nunique()
        if by_arm.min() < _FEWEST:
            raise ValueError(
                f"each arm needs at least two clusters ({groups.columns[0]}): one that changes by itself cannot be "
                "told from the programme"
            )
    design = pd.DataFrame({"intercept": 1.0, "arm": data["arm"]}, index=data.index)
    if data["before"].min() < data["before"].max():
        design["before"] = data["before"] - data["before"].mean()
    if "form" in data:
        for form in sorted(data["form"].unique(), key=str)[1:]:
            design[f"form {form}"] = (data["form"] == form).astype(float)
    return fit_mixed(data["after"], design, groups), design


def _estimates(fit: MixedFit, design: pd.DataFrame, data: pd.DataFrame, groups: pd.DataFrame) -> dict[str, float]:
    row = contrast(fit, pd.DataFrame({"arm": [1.0]}, index=["arm"])).iloc[0]
    found = {name: float(row[name]) for name in _TEST}
    cluster = None if groups.empty or not groups.shape[1] else groups.columns[0]
    if cluster is not None and (cluster in fit.singular or cluster not in fit.variances.index):
        # A variance that few clusters failed to show is not known to be zero.
        df = min(found["df"], max(1, groups[cluster].nunique() - data["arm"].nunique()))
        half = float(stats.t.ppf(0.975, df)) * found["se"]
        found |= {
            "df": df,
            "p": float(2 * stats.t.sf(abs(found["statistic"]), df)),
            "ci_low": found["estimate"] - half,
            "ci_high": found["estimate"] + half,
        }
    found["slope"] = float(fit.coefficients["before"]) if "before" in design else float("nan")
    return found


def _reasons(refused: Mapping[str, str]) -> str:
    grouped: dict[str, list[str]] = {}
    for name, reason in refused.items():
        grouped.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in grouped.items())
