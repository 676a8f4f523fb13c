"""Three waves or more: the mean at each, the trend over time, each wave against the first, and run-chart rules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.alignment import same_responses
from analysis.means import common_strata, mean_scores, widest_clusters
from analysis.mixed import MixedFit, contrast, fit_mixed
from analysis.multiplicity import holm
from analysis.result import Result
from analysis.run_chart import FEWEST_POINTS, run_chart_rules

FEWEST_WAVES = 3
_FEWEST = 2
# With fewer clusters their variance cannot be judged (Gelman and Hill, 2007, section 12.9).
_FEWEST_CLUSTERS = 5
_TEST = ["estimate", "se", "df", "ci_low", "ci_high", "statistic", "p"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Trends(Result):
    """Change per unit of time over three waves or more; ``table`` has index ``score``.

    Parameters
    ----------
    means : pandas.DataFrame
        Index ``wave, score``: n, mean, sd, se, df, ci_low, ci_high, as `analysis.means.mean_scores` gives it, and
        ``time``.
    against_first : pandas.DataFrame
        Index ``score, wave``: each later wave minus the first: n, estimate, se, df, ci_low, ci_high, statistic, p,
        p_adjusted (Holm over the waves of a score).
    run_chart : pandas.DataFrame
        Index ``score``: points, median, longest_run, longest_trend, runs, p_runs, verdict.
    """

    means: pd.DataFrame
    against_first: pd.DataFrame
    run_chart: pd.DataFrame


def trends(
    scores: pd.DataFrame,
    rows: pd.DataFrame,
    *,
    times: Mapping[int, float] | None = None,
    families: Mapping[str, str] | None = None,
) -> Trends:
    """Describe and test how scores went over three waves or more.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score, all waves, scored on the same items; gaps are left out, score by score.
    rows : pandas.DataFrame
        Same index: ``wave`` (whole numbers, in the order of time) and ``person``; ``form``, ``organisation``, ``team``
        where known.
    times : mapping of int to float, optional
        Wave → when it was (months, years); default: the number of the wave.
    families : mapping of str to str, optional
        Score → the family in which its trend's p is adjusted by Holm; default: all scores are one family.

    Returns
    -------
    Trends
        ``table``: n, waves, n_people, estimate (change per unit of time), se, df, ci_low, ci_high, statistic, p,
        p_adjusted.

    Raises
    ------
    ValueError
        If there are fewer than three waves, columns or times are missing, somebody answered twice in a wave, or no
        score has two values in three waves.

    Notes
    -----
    score ~ time + form + form × time with random intercepts for organisation, organisation × wave, team, team × wave
    and person, restricted maximum likelihood, Satterthwaite degrees of freedom (Kuznetsova, Brockhoff and Christensen,
    2017, *Journal of Statistical Software*, 82(13)); the trend is the mean over the forms present at every wave. For
    each wave against the first, time is replaced by the waves. Where the variance of the widest cluster × wave is
    estimated at zero or absent, degrees of freedom are at most clusters − 1.

    A line is a summary, not a claim that the change was even: a first year may dip. Run-chart rules: Perla, Provost
    and Murray (2011); with fewer than 10 waves there are too few points for them.

    Examples
    --------
    >>> rng = np.random.default_rng(1)
    >>> rows = pd.DataFrame({"wave": np.repeat([0, 1, 2], 40), "person": np.tile(np.arange(40), 3)})
    >>> score = 50 + 3 * rows["wave"] + rng.normal(0, 5, 40)[rows["person"]] + rng.normal(0, 5, 120)
    >>> found = trends(score.to_frame("role"), rows)
    >>> found.run_chart.loc["role", "verdict"]
    'too few points for run-chart rules'
    >>> bool(found.table.loc["role", "ci_low"] < 3 < found.table.loc["role", "ci_high"])
    True
    """
    rows = _checked(scores, rows)
    scores = scores.rename(columns=str)
    waves = sorted(int(wave) for wave in rows["wave"].unique())
    when = _times(waves, times)
    found: dict[str, dict[str, float]] = {}
    later: dict[tuple[str, int], dict[str, float]] = {}
    refused: dict[str, str] = {}
    notes: dict[str, list[str]] = {}
    for name in scores.columns:
        values = scores[name].dropna().astype(float)
        known, said = _common_forms(rows.loc[values.index])
        known = _without_few_clusters(known, said)
        enough = known["wave"].value_counts()
        enough = enough[enough >= _FEWEST]
        known = known[known["wave"].isin(enough.index)]
        if len(enough) < FEWEST_WAVES:
            refused[name] = f"fewer than {FEWEST_WAVES} waves with two values"
            continue
        if len(enough) < len(waves):
            said.append("a wave with fewer than two values is left out")
        values = values.loc[known.index]
        try:
            found[name], fit = _trend(values, known, when)
            for wave, row in _against_first(values, known).items():
                later[name, wave] = row
        except ValueError as reason:
            refused[name] = str(reason)
            found.pop(name, None)
            continue
        for note in dict.fromkeys([*said, *fit.notes]):
            notes.setdefault(note, []).append(name)
    if not found:
        raise ValueError(f"no score has a trend: {_reasons(refused)}")
    columns = ["n", "waves", "n_people", *_TEST]
    table = pd.DataFrame(found, index=columns).T.reindex(pd.Index(scores.columns, name="score"))
    table[columns[:3]] = table[columns[:3]].astype("Int64")
    family = pd.Series({name: (families or {}).get(name, "all") for name in table.index})
    table.insert(len(columns), "p_adjusted", table["p"].groupby(family).transform(holm))
    against = pd.DataFrame(
        list(later.values()), index=pd.MultiIndex.from_tuples(later, names=["score", "wave"]), columns=["n", *_TEST]
    ).astype({"n": "int64"})
    against["p_adjusted"] = against["p"].groupby(level="score").transform(holm)
    means = _means(scores, rows)
    series = means.table["mean"].unstack("score")[list(scores.columns)]
    charts = {name: asdict(run_chart_rules(series[name])) for name in series if series[name].notna().any()}
    told = [*means.notes, *(f"{', '.join(names)}: {note}." for note, names in notes.items())]
    if refused:
        told.append(f"Left without numbers: {_reasons(refused)}.")
    told.append(
        "A trend without a control arm is not an effect of anything in particular, and a line does not say that the "
        "change was even."
    )
    if len(waves) < FEWEST_POINTS:
        told.append(f"{len(waves)} waves are too few points for run-chart rules, which need {FEWEST_POINTS}.")
    return Trends(
        title=f"Trends over {len(waves)} waves",
        table=table,
        method=(
            "Trend: linear mixed model, score ~ time, with form and form × time where there are forms (weighted equally), "
            "random intercepts for organisation, team, each × wave, and person as far as the answers carry them, "
            "restricted maximum likelihood, Satterthwaite degrees of freedom (Kuznetsova et al., 2017); the same with the "
            "waves in place of time for each wave against the first. p_adjusted: Holm (1979). Run-chart rules: Perla et "
            "al. (2011), with the exact distribution of runs (Swed and Eisenhart, 1943)."
        ),
        notes=tuple(told),
        means=means.table.assign(time=means.table.index.get_level_values("wave").map(when)),
        against_first=against,
        run_chart=pd.DataFrame(charts).T.rename_axis(index="score").infer_objects(),
    )


def _checked(scores: pd.DataFrame, rows: pd.DataFrame) -> pd.DataFrame:
    lacking = [name for name in ("wave", "person") if name not in rows]
    if lacking:
        raise ValueError(f"rows needs the columns wave and person; {', '.join(lacking)} is missing")
    rows = same_responses(rows, scores.index, "rows")
    number = rows["wave"].nunique()
    if number < FEWEST_WAVES:
        raise ValueError(
            f"a trend needs at least {FEWEST_WAVES} waves, got {number}; two waves are compared with compare_waves"
        )
    if rows[["wave", "person"]].isna().any(axis=None):
        raise ValueError("wave or person is missing in some rows: give each response both")
    twice = rows.duplicated(["wave", "person"])
    if twice.any():
        raise ValueError(f"{int(twice.sum())} people have two answers in one wave; keep one a person and wave")
    return rows


def _times(waves: list[int], times: Mapping[int, float] | None) -> dict[int, float]:
    if times is None:
        return {wave: float(wave) for wave in waves}
    lacking = [wave for wave in waves if wave not in times]
    if lacking:
        raise ValueError(f"times lacks the waves {', '.join(map(str, lacking))}")
    when = {wave: float(times[wave]) for wave in waves}
    if not (np.diff(list(when.values())) > 0).all():
        raise ValueError("times must rise from wave to wave: number the waves in the order of time")
    return when


def _common_forms(known: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    if "form" not in known or known["form"].nunique() < 2:
        return known.drop(columns="form", errors="ignore"), []
    counts = pd.crosstab(known["form"], known["wave"])
    common = counts.index[(counts >= _FEWEST).all(axis=1)]
    if not len(common):
        return known.drop(columns="form"), [
            "forms taken together, as none has two values in every wave: a changed mix of people may read as change"
        ]
    kept = known[known["form"].isin(common)]
    rest = ", ".join(map(str, counts.index.difference(common)))
    said = [f"form {rest} left out, with fewer than two values in a wave"] if rest else []
    return (kept if len(common) > 1 else kept.drop(columns="form")), said


def _without_few_clusters(known: pd.DataFrame, said: list[str]) -> pd.DataFrame:
    for name in ("organisation", "team"):
        if name in known and known[name].nunique() < _FEWEST_CLUSTERS:
            known = known.drop(columns=name)
            said.append(f"fewer than five {name}s: the interval is about these people on these dates")
    return known


def _groups(known: pd.DataFrame) -> pd.DataFrame:
    """Return the grouping factors; a team is told apart by its organisation."""
    groups = pd.DataFrame(index=known.index)
    wave = " wave " + known["wave"].astype(int).astype(str)
    outer = pd.Series("", index=known.index)
    for name in ("organisation", "team"):
        if name in known:
            label = known[name].astype(object)
            outer = outer + "/" + label.where(label.notna(), "(blank)").astype(str)
            groups[name] = outer
            groups[f"{name} × wave"] = outer + wave
    return groups.assign(person=known["person"])


def _fitted(values: pd.Series, design: pd.DataFrame, groups: pd.DataFrame) -> MixedFit:
    """Fit the fullest model that the data carry."""
    reasons: list[str] = []
    for factors in (groups, groups.drop(columns="person"), groups[[]]):
        try:
            return fit_mixed(values, design, factors)
        except ValueError as reason:
            reasons.append(str(reason))
    raise ValueError(reasons[0])


def _design(known: pd.DataFrame, columns: Mapping[str, pd.Series]) -> tuple[pd.DataFrame, list[str]]:
    """Return the design and the forms after the first; each column of time also by form."""
    design = pd.DataFrame({"intercept": 1.0, **columns}, index=known.index)
    forms = [] if "form" not in known else sorted(known["form"].unique(), key=str)[1:]
    for form in forms:
        member = (known["form"] == form).astype(float)
        design[f"form {form}"] = member
        for name, column in columns.items():
            design[f"form {form} × {name}"] = member * column
    return design, [str(form) for form in forms]


def _weights(names: list[str], forms: list[str]) -> pd.DataFrame:
    """Weigh the forms equally: half the interaction with two forms, a third with three."""
    share = 1 / (len(forms) + 1)
    rows = {name: {name: 1.0} | {f"form {form} × {name}": share for form in forms} for name in names}
    return pd.DataFrame(rows).T.fillna(0.0)


def _trend(values: pd.Series, known: pd.DataFrame, when: Mapping[int, float]) -> tuple[dict[str, float], MixedFit]:
    time = known["wave"].map(when).astype(float)
    design, forms = _design(known, {"time": time - time.mean()})
    groups = _groups(known)
    fit = _fitted(values, design, groups)
    tested = _capped(contrast(fit, _weights(["time"], forms)), fit, groups).iloc[0]
    counts = {"n": len(values), "waves": known["wave"].nunique(), "n_people": known["person"].nunique()}
    return counts | {name: float(tested[name]) for name in _TEST}, fit


def _against_first(values: pd.Series, known: pd.DataFrame) -> dict[int, dict[str, float]]:
    waves = sorted(int(wave) for wave in known["wave"].unique())[1:]
    columns = {f"wave {wave}": (known["wave"] == wave).astype(float) for wave in waves}
    design, forms = _design(known, columns)
    groups = _groups(known)
    fit = _fitted(values, design, groups)
    tested = _capped(contrast(fit, _weights(list(columns), forms)), fit, groups)
    return {
        wave: {"n": int(column.sum())} | {name: float(tested.loc[label, name]) for name in _TEST}
        for wave, (label, column) in zip(waves, columns.items(), strict=True)
    }


def _capped(table: pd.DataFrame, fit: MixedFit, groups: pd.DataFrame) -> pd.DataFrame:
    """Bound the degrees of freedom by clusters − 1 where no cluster × wave variance backs them."""
    cluster = next((name for name in ("organisation", "team") if name in groups), None)
    if cluster is None:
        return table
    varies = [name for name in fit.variances.index[:-1] if name not in fit.singular]
    if f"{cluster} × wave" in varies:
        return table
    df = np.minimum(table["df"], groups[cluster].nunique() - 1)
    half = stats.t.ppf(0.975, df) * table["se"]
    return table.assign(
        df=df,
        p=2 * stats.t.sf(table["statistic"].abs(), df),
        ci_low=table["estimate"] - half,
        ci_high=table["estimate"] + half,
    )


def _means(scores: pd.DataFrame, rows: pd.DataFrame) -> Result:
    by = rows[["wave"]]
    strata = rows["form"] if "form" in rows and common_strata(rows["form"], by) else None
    return mean_scores(scores, by=by, strata=strata, cluster=widest_clusters(rows))


def _reasons(refused: Mapping[str, str]) -> str:
    grouped: dict[str, list[str]] = {}
    for name, reason in refused.items():
        grouped.setdefault(reason, []).append(name)
    return "; ".join(f"{', '.join(names)}: {reason}" for reason, names in grouped.items())
