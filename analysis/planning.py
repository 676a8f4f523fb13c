"""What can be seen with so many answers: the detectable difference and the power of a before–after comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from analysis.options import checked_seed, whole_number
from analysis.power_numbers import Analysis, Design, Setting, by_formula, by_simulation, simulated
from analysis.result import Result
from analysis.sentences import correlation_words, listed
from analysis.verdicts import WIDEST

Method = Literal["auto", "formula", "simulation"]

AUTOCORRELATIONS = (0.6, 0.8, 0.9)
"""Shown where nothing is known of them, as is the custom since Hooper et al. (2016)."""

ONE_TEAM = (
    "The interval says how sure we are about these people's views on these two dates; drift that happens without any "
    "programme is not in it."
)
_FEWEST = 2
# In smaller teams that are partly linked the formula is too hopeful.
_FORMULA_FROM = 20
_DESIGNS: tuple[Design, ...] = ("one team", "one group", "two arms")


def detectable_difference(
    *,
    n_before: int,
    n_after: int | None = None,
    sd: float,
    design: Design = "one team",
    linked: float | None = None,
    n_linked: int | None = None,
    attrition: float = 0.0,
    clusters: int | tuple[int, int] | None = None,
    icc: float | None = None,
    person_autocorrelation: float | Sequence[float] = AUTOCORRELATIONS,
    cluster_autocorrelation: float | Sequence[float] = AUTOCORRELATIONS,
    forms: Mapping[str, float] | None = None,
    size_cv: float = 0.0,
    analysis: Analysis = "change",
    power: float = 0.80,
    confidence: float = 0.95,
    method: Method = "auto",
    draws: int = 10_000,
    seed: int = 0,
    n_jobs: int = 1,
    progress: bool = False,
) -> Result:
    """Return the smallest true change that a comparison of two waves would see with a given power.

    Parameters
    ----------
    n_before, n_after : int
        Answers of each wave, over all clusters and arms. ``n_after`` by default: those of ``n_before`` who are
        not lost by ``attrition``.
    sd : float
        Standard deviation of the score at one wave, in the unit in which the answer is wanted (POMP points).
        In "one team" that of the team's people, else of everyone, clusters included; with ``forms`` within
        forms. There is no default: take it from data (`analysis.study_design.design_of`) or from a study that is named.
    design : {"one team", "one group", "two arms"}
        "one team": these people on these two dates. "one group": the change of several clusters (teams,
        organisations) that stand for others. "two arms": the difference between the changes of clusters with
        and without the programme.
    linked : float, optional
        Share, 0 to 1, linked of those people who answer at both waves: of n_before × (1 − attrition), or of
        n_after if that is fewer. Default 0.
    n_linked : int, optional
        Instead of ``linked``: how many people are linked.
    attrition : float, default 0
        Share of those who answered before who will not answer again.
    clusters : int or (int, int), optional
        How many; with two arms the total (halved) or the numbers of programme and control.
    icc : float, optional
        Intraclass correlation: share of the variance at one wave that lies between clusters. Needed with
        clusters.
    person_autocorrelation, cluster_autocorrelation : float or sequence of float
        Correlation of one person's two scores (within the cluster), and of a cluster's two true means. Every
        combination is a row.
    forms : mapping, optional
        Form → its share of the answers, for a change that is the mean of the forms' changes with equal weights.
    size_cv : float, default 0
        Standard deviation of cluster sizes over their mean.
    analysis : {"change", "ancova"}, default "change"
        With two arms: of changes, or (randomised arms only) of the clusters' means after, adjusted for before.
    power, confidence : float
        Chance to see the change; 1 − the two-sided level of the test.
    method : {"auto", "formula", "simulation"}, default "auto"
        "auto": by simulation of the test where no formula is good enough, that is for clusters of unequal size and
        for a partly linked team with fewer than 20 answers in a wave; else by formula.
    draws, seed, n_jobs, progress
        Of the simulation. Work is handed out by joblib: ``joblib.parallel_config(backend=…)`` around the call
        sends it elsewhere. The result depends on ``seed`` and ``draws`` alone.

    Returns
    -------
    Result
        Index ``person_autocorrelation`` (and ``cluster_autocorrelation``). Columns: ``estimate``, the detectable
        difference in the unit of ``sd``; ``effect_size``, over ``sd``; ``se`` and ``df`` of the test;
        ``n_before, n_after, n_linked`` (and ``clusters``); by simulation ``simulated_low, simulated_high``, the
        95 % Monte Carlo interval, in place of ``df``.

    Raises
    ------
    ValueError
        If an option is missing, out of its range, or contradicts another.

    Notes
    -----
    A cluster's mean has the variance σ² [ρ + (1 − ρ)/m], and its means at the two waves the covariance
    σ² [ρπ + (1 − ρ) τ l/(m₀ m₁)]: ρ the intraclass correlation, π and τ the cluster and person autocorrelation, m the
    cluster's answers, l those linked. With everyone linked (a closed cohort) or nobody (repeated
    cross-sections) this is Hooper and Bourke (2015), *BMJ*, 350, h2925, and Hooper, Teerenstra, de Hoop and
    Eldridge (2016), *Statistics in Medicine*, 35, 4718–4728; in between it is an open cohort. The test is t on
    the clusters' changes (`analysis.cluster_changes`) with clusters − arms degrees of freedom, fewer where the
    arms differ in size, and one fewer for the covariate of "ancova" (Teerenstra et al., 2012, *Statistics in
    Medicine*, 31, 2169–2178). One team: the partially overlapping samples t
    test with unequal variances (Derrick, Russ, Toher and White, 2017, *Journal of Modern Applied Statistical
    Methods*, 16, 137–157), which is the paired t test with everyone linked and Welch's with nobody. Power is by the
    noncentral t distribution, and counts only tests that are right about the direction. Equal weights of k forms
    multiply the person's part of the variance by Σ 1/(k² share).

    Simulation: normal scores; cluster sizes from a gamma distribution (at least one answer each); the tests of
    `analysis.overlapping` and, with its weights, of `analysis.cluster_changes`. Every cluster has all forms.

    Examples
    --------
    >>> found = detectable_difference(n_before=30, n_after=26, linked=0.6, sd=18)
    >>> found.table["estimate"].round(1).tolist()
    [11.5, 10.5, 10.0]
    """
    return _planned(
        None,
        n_before=n_before,
        n_after=n_after,
        sd=sd,
        design=design,
        linked=linked,
        n_linked=n_linked,
        attrition=attrition,
        clusters=clusters,
        icc=icc,
        person_autocorrelation=person_autocorrelation,
        cluster_autocorrelation=cluster_autocorrelation,
        forms=forms,
        size_cv=size_cv,
        analysis=analysis,
        power=power,
        confidence=confidence,
        method=method,
        draws=draws,
        seed=seed,
        n_jobs=n_jobs,
        progress=progress,
    )


def power(
    effect: float | Sequence[float],
    *,
    n_before: int,
    n_after: int | None = None,
    sd: float,
    design: Design = "one team",
    linked: float | None = None,
    n_linked: int | None = None,
    attrition: float = 0.0,
    clusters: int | tuple[int, int] | None = None,
    icc: float | None = None,
    person_autocorrelation: float | Sequence[float] = AUTOCORRELATIONS,
    cluster_autocorrelation: float | Sequence[float] = AUTOCORRELATIONS,
    forms: Mapping[str, float] | None = None,
    size_cv: float = 0.0,
    analysis: Analysis = "change",
    confidence: float = 0.95,
    method: Method = "auto",
    draws: int = 10_000,
    seed: int = 0,
    n_jobs: int = 1,
    progress: bool = False,
) -> Result:
    """Return the chance that a comparison of two waves sees a change of a given size.

    Parameters
    ----------
    effect : float or sequence of float
        True change (with two arms: true difference between the changes) in the unit of ``sd``; its sign does not
        matter. Several make a power curve.
    n_before, n_after, sd, design, linked, n_linked, attrition, clusters, icc, person_autocorrelation
        As for `detectable_difference`, and so are the options that follow.

    Returns
    -------
    Result
        Index ``effect, person_autocorrelation`` (and ``cluster_autocorrelation``). Columns ``power`` (0 to 1),
        ``effect_size``, then as `detectable_difference`.

    Raises
    ------
    ValueError
        As `detectable_difference`, and if an effect is 0 or not a number.

    Notes
    -----
    As `detectable_difference`; one test of one outcome, without Holm's correction.

    Examples
    --------
    >>> power(6.25, n_before=60, linked=1.0, sd=18, person_autocorrelation=0.6).table["power"].round(3).tolist()
    [0.841]
    """
    effects = _numbers("effect", effect)
    if not all(np.isfinite(effects)) or not all(effects):
        raise ValueError(f"effect must be a change other than 0 in the unit of sd, got {effect!r}")
    return _planned(
        [abs(each) for each in effects],
        n_before=n_before,
        n_after=n_after,
        sd=sd,
        design=design,
        linked=linked,
        n_linked=n_linked,
        attrition=attrition,
        clusters=clusters,
        icc=icc,
        person_autocorrelation=person_autocorrelation,
        cluster_autocorrelation=cluster_autocorrelation,
        forms=forms,
        size_cv=size_cv,
        analysis=analysis,
        power=None,
        confidence=confidence,
        method=method,
        draws=draws,
        seed=seed,
        n_jobs=n_jobs,
        progress=progress,
    )


# What is asked for


def _planned(
    effects: list[float] | None,
    *,
    power: float | None,
    confidence: float,
    method: Method,
    draws: int,
    seed: int,
    n_jobs: int,
    progress: bool,
    person_autocorrelation: float | Sequence[float],
    cluster_autocorrelation: float | Sequence[float],
    **assumed: Any,
) -> Result:
    """Answer either question: of the effects without ``power``, of the power without ``effects``."""
    if method not in ("auto", "formula", "simulation"):
        raise ValueError(f"method must be 'auto', 'formula' or 'simulation', got {method!r}")
    _between("confidence", confidence, 0.5, 1)
    if power is not None:
        _between("power", power, (1 - confidence) / 2, 1)
    setting, notes = _setting(**assumed)
    persons = _autocorrelations("person_autocorrelation", person_autocorrelation)
    clusters = _autocorrelations("cluster_autocorrelation", cluster_autocorrelation) if setting.arms else [0.0]
    settings = [replace(setting, person=p, cluster=c) for p, c in product(persons, clusters)]
    is_simulated = method == "simulation" or (method == "auto" and not _has_formula(setting))
    if is_simulated:
        _simulable(setting)
        draws = whole_number("draws", draws, at_least=100)
        found = simulated(settings, confidence, draws=draws, seed=checked_seed(seed), n_jobs=n_jobs, progress=progress)
        parts = [by_simulation(each, power, effects) for each in found]
    else:
        if setting.size_cv > 0:
            raise ValueError(
                "there is no formula for clusters of unequal size; leave size_cv out, or give method='simulation'"
            )
        parts = [by_formula(each, power, effects, confidence) for each in settings]
    counts = {"n_before": int(setting.before), "n_after": int(setting.after), "n_linked": int(setting.linked)}
    if setting.arms:
        counts["clusters"] = sum(setting.arms)
    rows = []
    for each, part in zip(settings, parts, strict=True):
        for line in part:
            size = line.get("estimate", line.get("effect", 0.0)) / each.sd
            levels = {"person_autocorrelation": each.person}
            if setting.arms:
                levels["cluster_autocorrelation"] = each.cluster
            rows.append(levels | line | {"effect_size": size} | counts)
    names = [*(["effect"] if effects is not None else []), "person_autocorrelation"]
    names += ["cluster_autocorrelation"] if setting.arms else []
    first = "power" if effects is not None else "estimate"
    table = pd.DataFrame(rows).set_index(names)
    order = [first, "effect_size", *(name for name in table if name not in (first, "effect_size"))]
    table = table[order].sort_index()
    return Result(
        title=_title(setting, power),
        table=table,
        method=_method(setting, power, confidence, draws=draws if is_simulated else 0),
        notes=(*_sentences(setting, table, power), *notes),
    )


def _setting(
    *,
    n_before: int,
    n_after: int | None,
    sd: float,
    design: Design,
    linked: float | None,
    n_linked: int | None,
    attrition: float,
    clusters: int | tuple[int, int] | None,
    icc: float | None,
    forms: Mapping[str, float] | None,
    size_cv: float,
    analysis: Analysis,
) -> tuple[Setting, list[str]]:
    """Check what is assumed, and say it in words."""
    if design not in _DESIGNS:
        raise ValueError(f"design must be 'one team', 'one group' or 'two arms', got {design!r}")
    if analysis not in ("change", "ancova"):
        raise ValueError(f"analysis must be 'change' or 'ancova', got {analysis!r}")
    if analysis == "ancova" and design != "two arms":
        raise ValueError(f"analysis='ancova' compares two randomised arms; design is {design!r}")
    if sd is None or isinstance(sd, bool) or not np.isfinite(sd) or sd <= 0:
        raise ValueError(
            f"sd must be a number above 0, got {sd!r}: how much people's scores differ has no default; take it from "
            "baseline answers (design_of) or from a study that you name"
        )
    _between("attrition", attrition, 0, 1, low_included=True)
    before = whole_number("n_before", n_before, at_least=_FEWEST)
    stay = int(before * (1 - attrition) + 1e-9)
    if n_after is None and stay < _FEWEST:
        raise ValueError(f"with attrition {attrition:g} {stay} of {before} answer again; at least two are needed")
    after = stay if n_after is None else whole_number("n_after", n_after, at_least=_FEWEST)
    both = min(stay, after)
    if linked is not None and n_linked is not None:
        raise ValueError("give either linked (a share) or n_linked (a number of people), not both")
    if linked is not None:
        _between("linked", linked, 0, 1, low_included=True, high_included=True)
    pairs = int((linked or 0) * both + 1e-9) if n_linked is None else whole_number("n_linked", n_linked, at_least=0)
    if pairs > both:
        raise ValueError(f"n_linked is {pairs}, but only {both} people can have answered at both waves")
    arms = _arms(design, clusters)
    _between("size_cv", size_cv, 0, 5, low_included=True)
    if not arms and (icc is not None or size_cv):
        raise ValueError(
            "icc and size_cv are of clusters: give design='one group' or 'two arms' and clusters, or neither"
        )
    if arms and icc is None:
        raise ValueError(
            "icc is needed with clusters: the share of the variance between them; design_of estimates it from answers"
        )
    if arms:
        _between("icc", icc, 0, 1, low_included=True)
        if min(before, after) < sum(arms):
            raise ValueError(
                f"{sum(arms)} clusters need at least one answer each at each wave, got {min(before, after)}"
            )
    shares = _shares(forms)
    setting = Setting(
        design=design,
        before=before,
        after=after,
        linked=pairs,
        arms=arms,
        sd=float(sd),
        icc=float(icc or 0),
        person=0.0,
        cluster=0.0,
        shares=shares,
        size_cv=float(size_cv),
        analysis=analysis,
    )
    fewest = min(shares) * min(before, after)
    if len(shares) > 1 and fewest < _FEWEST:
        raise ValueError(
            f"a form with {fewest:.1f} answers cannot be averaged: each form needs at least two at each wave"
        )
    lost = f"; {_percent(attrition)} of those before do not answer again" if attrition else ""
    source = "as before" if n_after is None and not attrition else "as stated"
    notes = [
        f"Assumed: standard deviation {sd:g}; {before} answers before and {after} after ({source}{lost}); {pairs} people linked"
        + (" (an answer without a link counts as another person's)" if pairs < both else "")
        + "."
    ]
    if arms:
        spread = f", sizes vary by {_percent(size_cv)} of their mean" if size_cv else " of equal size"
        notes.append(
            f"Assumed: {' and '.join(map(str, arms))} clusters{spread}; {correlation_words(setting.icc)} of the variance "
            "lies between clusters."
        )
    if len(shares) > 1:
        mix = listed(f"{name} {_percent(share)}" for name, share in zip(forms or {}, shares, strict=True))
        notes.append(
            f"Assumed: forms {mix}, alike in variance and linking at both waves; the change is the mean of the forms' "
            "changes with equal weights, so that the smallest form limits what can be seen."
        )
    return setting, notes


def _arms(design: Design, clusters: int | tuple[int, int] | None) -> tuple[int, ...]:
    if design == "one team":
        if clusters is not None:
            raise ValueError("design='one team' has no clusters; leave clusters out, or give design='one group'")
        return ()
    if clusters is None:
        raise ValueError(f"design={design!r} needs clusters: how many teams or organisations take part")
    if design == "one group":
        if isinstance(clusters, tuple):
            raise ValueError("clusters is one number with design='one group'; two are for design='two arms'")
        return (whole_number("clusters", clusters, at_least=2),)
    if isinstance(clusters, tuple):
        if len(clusters) != 2:
            raise ValueError(f"clusters are two numbers with two arms: programme and control; got {clusters!r}")
        return tuple(whole_number("clusters of an arm", each, at_least=2) for each in clusters)
    total = whole_number("clusters", clusters, at_least=4)
    return (total - total // 2, total // 2)


def _shares(forms: Mapping[str, float] | None) -> tuple[float, ...]:
    if not forms:
        return (1.0,)
    given = np.array([float(share) for share in forms.values()])
    if not (np.isfinite(given).all() and (given > 0).all() and abs(given.sum() - 1) < 0.01):
        raise ValueError(f"forms are shares above 0 that add up to 1, got {dict(forms)!r}")
    return tuple((given / given.sum()).tolist())


def _numbers(name: str, given: float | Sequence[float]) -> list[float]:
    several = list(given) if isinstance(given, Sequence | np.ndarray) and not isinstance(given, str) else [given]
    if not several or any(isinstance(each, str | bool) or each is None for each in several):
        raise ValueError(f"{name} must be a number or several, got {given!r}")
    return sorted({float(each) for each in several})


def _autocorrelations(name: str, given: float | Sequence[float]) -> list[float]:
    several = _numbers(name, given)
    for each in several:
        _between(name, each, 0, 1, low_included=True)
    return several


def _between(
    name: str, value: Any, low: float, high: float, *, low_included: bool = False, high_included: bool = False
) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise ValueError(f"{name} must be a number between {low:g} and {high:g}, got {value!r}")
    if not (low < value < high or (low_included and value == low) or (high_included and value == high)):
        raise ValueError(f"{name} must lie between {low:g} and {high:g}, got {value:g}")


def _has_formula(setting: Setting) -> bool:
    """Tell whether the formula is exact, or nearly: at 10 and 9 answers it promises 1.4 % too much, at 6 and 6 4 %."""
    if setting.arms:
        return setting.size_cv == 0
    fewer = min(setting.before, setting.after)
    return setting.linked in (0, fewer) or fewer >= _FORMULA_FROM or len(setting.shares) > 1


def _simulable(setting: Setting) -> None:
    if setting.analysis == "ancova":
        raise ValueError("method='simulation' tests changes; analysis='ancova' goes with method='formula' (size_cv 0)")
    if not setting.arms and len(setting.shares) > 1:
        raise ValueError("method='simulation' of one team knows no forms; leave forms out, or give method='formula'")


# In words


def _title(setting: Setting, power: float | None) -> str:
    what = {"one team": "change of one team", "one group": "change of one group of clusters"}
    of = what.get(setting.design, "difference between two arms' changes")
    return f"Chance to see a {of}" if power is None else f"Smallest {of} seen with a chance of {_percent(power)}"


def _method(setting: Setting, power: float | None, confidence: float, *, draws: int) -> str:
    level = f"two-sided level {1 - confidence:.2g}"
    if setting.arms:
        test = (
            "analysis of covariance of the clusters' means (Teerenstra et al., 2012)"
            if setting.analysis == "ancova"
            else "t test on the clusters' changes"
        )
        variance = (
            "variance of cluster means with intraclass correlation, cluster and person autocorrelation after Hooper and "
            "Bourke (2015) and Hooper et al. (2016), for a mixture of linked and unlinked answers"
        )
    else:
        test = "partially overlapping samples t test, unequal variances (Derrick et al., 2017)"
        variance = "variance for partly linked samples"
    asked = "power" if power is None else f"detectable difference at a power of {_percent(power)}"
    how = (
        f"by simulation of {draws:,} normal samples"
        if draws
        else "by the noncentral t distribution" + (", clusters − arms degrees of freedom" if setting.arms else "")
    )
    return f"{asked[0].upper()}{asked[1:]} of the {test}, {level}, {how}; {variance}."


def _sentences(setting: Setting, table: pd.DataFrame, power: float | None) -> list[str]:
    told = []
    if power is not None:
        low, high = table["estimate"].min(), table["estimate"].max()
        span = f"{low:.1f}" if f"{low:.1f}" == f"{high:.1f}" else f"{low:.1f} to {high:.1f}, by row"
        told.append(
            f"With these numbers a comparison would see a change of at least {span} in {_percent(power)} of "
            "studies; smaller ones may be there and be missed."
        )
        if high > WIDEST:
            told.append(
                f"Beyond {WIDEST:g} points of 100 (our limit) the report says “not enough answers” where it finds nothing."
            )
    if setting.linked == 0:
        told.append(
            "Nobody is linked: how much a person stays where they were then does not count, and the rows agree."
        )
    elif len(table.index.get_level_values("person_autocorrelation").unique()) > 1:
        told.append(
            "How much people (and clusters) stay where they were is not known before the second wave: the rows show a "
            "range of it, and the truth may lie outside."
        )
    if setting.design == "one team":
        told.append(ONE_TEAM)
    if setting.design == "one group":
        told.append("A change in one group is not an effect of anything in particular.")
    if 0 < setting.linked < min(setting.before, setting.after):
        told.append(
            "The test uses the difference of all answers' means; a model that gives linked people's changes more weight "
            "can see a little less than this."
        )
    return told


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"
