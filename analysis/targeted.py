"""Whether what a team worked on moved more than its having been chosen would move it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.linking import Links
from analysis.means import widest_clusters
from analysis.result import Result
from analysis.sentences import listed
from analysis.viewpoints import FEWEST_CLUSTERS, viewpoint
from analysis.waves import Link, score_waves
from instrument.definition import Instrument
from instrument.responses import Responses
from instrument.scoring import keyed

Numbers = NDArray[Any]

MORE = "moved more than selection alone"
AS_SELECTION = "moved as selection alone would"
CANNOT_TELL = "cannot tell"
ALL = "all targets"

SMALLEST = 6.25
"""Smallest change that matters, in points of 100: a placeholder (0.25 of an answer), to be stated beforehand."""

_FEWEST_ITEMS = 10
"""How far items differ in truth cannot be estimated from fewer; the limit is ours."""
_TAIL = 0.975


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TargetedChange(Result):
    """Change of the targets beside what selection alone would bring; ``table`` has a row a target, then all of them.

    Parameters
    ----------
    verdict : str
        Of all targets together: "moved more than selection alone", "moved as selection alone would", "cannot tell".
    others : pandas.DataFrame
        Index ``items``: the change of the items that were not targeted ("not targeted").
    """

    verdict: str
    others: pd.DataFrame


def targeted_change(
    before: Responses,
    after: Responses,
    targets: Sequence[str],
    *,
    where: Mapping[str, Sequence[object]] | None = None,
    link: Link | Links = "code",
    smallest: float = SMALLEST,
) -> TargetedChange:
    """Judge whether the targets named after the first wave moved more than selection alone would move them.

    Parameters
    ----------
    before, after : Responses
        One wave each, to the same definition.
    targets : sequence of str
        Items (``"supvab"``) or subscales (``"supv"``: all of its items), as the plan named them.
    where : mapping, optional
        Who worked on the targets: a column of the people (``team``, ``organisation``, ``programme``) → its values. All
        others are the comparison: the same items where nobody worked on them. Without it everyone did.
    link : default "code"
        As for `compare_waves`.
    smallest : float, default 6.25
        Smallest change that matters, in points.

    Returns
    -------
    TargetedChange
        ``table``, index ``target``: n_before, n_after, n_linked, before and after (0–100, high is good), estimate (the
        change, in points) with se, df, ci_low, ci_high; expected (the change that selection alone would bring);
        comparison (the change of the same items elsewhere; missing without it); excess (the change beyond both) with
        excess_low, excess_high. Excess is missing where it cannot be had.

    Raises
    ------
    ValueError
        If a target is unknown or was answered in one wave only, ``where`` fits nobody or a wave is too small.

    Notes
    -----
    What is chosen for being worst has in part been unlucky, and will look better next time with no change at all
    (regression to the mean). With item means x, their true spread τ² over the items and error variances σ² (of
    deviations from the mean over items), an item that lies d from the mean of its kind is expected to change by
    −(1 − ρ) σ² / (τ² + σ²) · d, where ρ is the share of the error that comes back because the same people (or
    clusters) answer again. τ² is the excess of the observed over the error variance (empirical Bayes: Efron and Morris,
    1975, *Journal of the American Statistical Association*, 70, 311–319). Error variances come from people's (or, from ten
    on, clusters') deviations, so that answers of one person to several items may be alike. The interval of the excess
    takes τ², σ² and ρ as known, and does not use that selection already explains part of the change: it is
    a little too wide rather than too narrow. Means are means of the forms' means. A comparison alone would not do: the
    items were chosen for what those who worked on them had answered, so that only these regress. (Where all answers
    together chose them, both regress, and the excess is too small rather than too large.)

    Verdict, of all targets together: *more* if the interval of the excess lies above 0; *as selection alone would* if it
    leaves out an excess of the smallest change that matters; otherwise nobody can tell. With fewer than 10 items of the
    kind there is no verdict.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> pwiq = read_instrument("pwiq")
    >>> waves = [read_responses(f"sample_data/null_{name}.csv", pwiq) for name in ("baseline", "followup")]
    >>> targeted_change(*waves, ["indubb", "supvab", "pathab"]).verdict
    'moved as selection alone would'
    """
    if not smallest > 0:
        raise ValueError(f"smallest must be above 0, got {smallest}")
    items = _target_items(targets, before.instrument)
    waves = score_waves(before, after, link=link)
    pool = _pool(items, before.instrument)
    answers = _answers(before, after, pool)
    lost = [name for name in items if name not in answers]
    if lost:
        raise ValueError(f"these targets were not answered in both waves: {listed(lost)}; leave them out")
    rows = _rows(before, after, waves.rows)
    acted = _acted(where, before, after)
    own = _moved(answers[acted], rows[acted], "of those who worked on the targets")
    other, notes = None, [*waves.notes]
    if not acted.all():
        other = _moved(answers[~acted], rows[~acted], "of the comparison")
    enough = answers.shape[1] >= _FEWEST_ITEMS
    if not enough:
        notes.append(
            f"No verdict: what selection alone would bring is estimated from at least {_FEWEST_ITEMS} items of a kind, "
            f"and there are {answers.shape[1]}. Only the change itself is shown."
        )
    table = _table(items, own, other, enough=enough)
    verdict = _verdict(table.loc[ALL], smallest)
    rest = [name for name in answers.columns if name not in items]
    notes += _notes(own, other, smallest)
    return TargetedChange(
        title="Did the targets move more than selection alone would move them?",
        table=table,
        method="Change of the targets' means, each form with the same weight, beside the regression to the mean expected from "
        "their having been chosen (empirical Bayes; Efron & Morris, 1975)"
        + (", and beside the same items elsewhere" if other is not None else "")
        + f"; errors robust to {own.unit}s. Smallest change that matters: {smallest:g} points.",
        notes=tuple(notes),
        verdict=verdict,
        others=_others(own, rest),
    )


# Who and what


def _target_items(targets: Sequence[str], instrument: Instrument) -> list[str]:
    if isinstance(targets, str) or not targets:
        raise ValueError(f"targets must be a list of items or subscales, got {targets!r}")
    known = {*instrument.items.ids, *instrument.subscales.ids}
    unknown = [name for name in targets if name not in known]
    if unknown:
        raise ValueError(f"neither an item nor a subscale of {instrument.id}: {listed(unknown)}")
    chosen = {item.id for item in instrument.items if item.id in targets or item.subscale in targets}
    return [name for name in instrument.items.ids if name in chosen]


def _pool(items: list[str], instrument: Instrument) -> list[str]:
    """Return the items that the targets were chosen from: all of their wording."""
    wordings = {instrument.items[name].wording for name in items}
    return [item.id for item in instrument.items if item.wording in wordings]


def _answers(before: Responses, after: Responses, pool: list[str]) -> pd.DataFrame:
    """Return response × item in points of 100, both waves; items that were answered in both."""
    instrument = before.instrument
    low = pd.Series({name: instrument.response_scales[instrument.items[name].scale].low for name in pool})
    high = pd.Series({name: instrument.response_scales[instrument.items[name].scale].high for name in pool})
    parts = [(keyed(each)[pool].astype("Float64").astype(float) - low) / (high - low) * 100 for each in (before, after)]
    kept = [name for name in pool if all(part[name].notna().any() for part in parts)]
    return pd.concat(parts, ignore_index=True)[kept]


def _rows(before: Responses, after: Responses, rows: pd.DataFrame) -> pd.DataFrame:
    """Return wave, person, form (short forms with their full ones) and cluster of each response."""
    people = pd.concat([before.people, after.people], ignore_index=True)
    form = pd.concat([viewpoint(before).astype(str), viewpoint(after).astype(str)], ignore_index=True)
    cluster = widest_clusters(people)
    return pd.DataFrame(
        {
            "wave": rows["wave"].to_numpy(),
            "person": rows["person"].to_numpy(),
            "form": form.to_numpy(),
            "cluster": pd.NA if cluster is None else cluster.to_numpy(),
        }
    )


def _acted(where: Mapping[str, Sequence[object]] | None, before: Responses, after: Responses) -> Numbers:
    people = pd.concat([before.people, after.people], ignore_index=True)
    acted = np.ones(len(people), dtype=bool)
    for column, values in (where or {}).items():
        if column not in people:
            raise ValueError(f"where names the column {column!r}, which the answers do not have")
        acted &= people[column].isin(list(values)).fillna(False).to_numpy(dtype=bool)
    if not acted.any():
        raise ValueError(f"where fits nobody: {dict(where or {})}")
    return acted


# How far things moved


@dataclass(frozen=True, kw_only=True)
class _Moved:
    """The items' means at both waves, how they moved, and what selection alone would bring."""

    names: list[str]
    means: Numbers  # wave × item
    counts: Numbers  # wave × item
    linked: Numbers  # item
    own: Numbers  # unit × item: what each person or cluster adds to the change
    expected: Numbers  # item
    df: int
    unit: str

    def of(self, items: list[str]) -> tuple[float, float, float]:
        """Return the change of the mean of some items, its variance and the change expected from selection."""
        at = [self.names.index(name) for name in items]
        change = float((self.means[1] - self.means[0])[at].mean())
        return change, float((self.own[:, at].mean(axis=1) ** 2).sum()), float(self.expected[at].mean())


def _moved(answers: pd.DataFrame, rows: pd.DataFrame, whose: str) -> _Moved:
    wave = rows["wave"].to_numpy(dtype=int)
    if min((wave == 0).sum(), (wave == 1).sum()) < 2:
        raise ValueError(f"a wave {whose} has fewer than two responses")
    clustered = rows["cluster"].nunique() >= FEWEST_CLUSTERS
    units = pd.factorize(rows["cluster" if clustered else "person"], use_na_sentinel=False)[0]
    values = answers.to_numpy(dtype=float)
    form = pd.factorize(rows["form"])[0]
    # A form counts for an item where it answered at both waves.
    cells = [(values[wave == t], form[wave == t], units[wave == t]) for t in (0, 1)]
    found = np.array([[(~np.isnan(v[f == g])).sum(axis=0) for g in range(form.max() + 1)] for v, f, _ in cells])
    both: Numbers = np.all(found > 0, axis=0)
    somewhere: Numbers = np.any(both, axis=0)
    if not somewhere.all():
        missing = [str(name) for name, there in zip(answers.columns, somewhere, strict=True) if not there]
        raise ValueError(f"no form {whose} answered these items at both waves: {listed(missing)}")
    means, parts = [], []
    for t, (v, f, u) in enumerate(cells):
        mean, influence = _equal_mean(v, f, found[t], both, people=not clustered)
        means.append(mean)
        summed = np.zeros((units.max() + 1, v.shape[1]))
        np.add.at(summed, u, influence)
        parts.append(summed)
    if clustered:
        count = len(np.unique(units))
        parts = [part * np.sqrt(count / (count - 1)) for part in parts]
        df = count - 1
    else:
        df = max(min((wave == 0).sum(), (wave == 1).sum()) - int(both.any(axis=1).sum()), 1)
    person = pd.factorize(rows["person"])[0]
    known = [np.zeros((person.max() + 1, values.shape[1]), dtype=bool) for _ in (0, 1)]
    for t in (0, 1):
        np.logical_or.at(known[t], person[wave == t], ~np.isnan(values[wave == t]))
    return _Moved(
        names=[str(name) for name in answers.columns],
        means=np.array(means),
        counts=np.array([np.where(both, found[t], 0).sum(axis=0) for t in (0, 1)]),
        linked=(known[0] & known[1]).sum(axis=0),
        own=parts[1] - parts[0],
        expected=expected_by_selection(means[0], parts[0], parts[1]),
        df=int(df),
        unit="cluster" if clustered else "person",
    )


def _equal_mean(
    values: Numbers, form: Numbers, found: Numbers, both: Numbers, *, people: bool
) -> tuple[Numbers, Numbers]:
    """Return the mean of the forms' means by item, and what each response adds to its error."""
    forms = both.sum(axis=0)
    mean = np.zeros(values.shape[1])
    influence = np.zeros(values.shape)
    for g in range(len(both)):
        members = form == g
        known = ~np.isnan(values[members])
        held = np.maximum(found[g], 1)
        of_form = np.where(known, values[members], 0.0).sum(axis=0) / held
        share = both[g] / forms
        mean += share * of_form
        # Residuals are smaller than errors by (n − 1) / n: one answer alone has none to show.
        larger = np.sqrt(held / np.maximum(held - 1, 1)) if people else 1.0
        influence[members] = np.where(known, values[members] - of_form, 0.0) * share / held * larger
    return mean, influence


def expected_by_selection(means: Numbers, first: Numbers, second: Numbers) -> Numbers:
    """Return the change of each item's mean that is expected with no true change, given the first means.

    Parameters
    ----------
    means : array, item
        At the first wave.
    first, second : array, unit × item
        What each unit (person, cluster) adds to the error of the means at either wave; 0 where it took no part.

    Returns
    -------
    array, item

    Notes
    -----
    See `targeted_change`. An item above the mean is expected to fall, one below it to rise.

    Examples
    --------
    Errors of variance 100 and a spread of 800 / 2 between the means of the first two items and the third.

    >>> first = np.array([[10.0, -10.0, 0.0], [-10.0, 10.0, 0.0]]) / np.sqrt(2)
    >>> expected_by_selection(np.array([30.0, 50.0, 70.0]), first, np.zeros((2, 3))).round(2).tolist()
    [5.0, 0.0, 0.0]
    """
    if len(means) < 2:
        return np.zeros(len(means))
    one, two = (part - part.mean(axis=1, keepdims=True) for part in (first, second))
    away = means - means.mean()
    error = (one**2).sum(axis=0)
    spread = max(0.0, float((away**2).sum() - error.sum()) / (len(means) - 1))
    again = float((one * two).sum() / error.sum()) if error.sum() > 0 else 0.0
    share = np.divide(error, spread + error, out=np.zeros_like(error), where=error > 0)
    return np.asarray((1 - min(max(again, 0.0), 1.0)) * share * -away + 0.0)


# What is said


def _table(items: list[str], own: _Moved, other: _Moved | None, *, enough: bool) -> pd.DataFrame:
    rows: dict[str, dict[str, float]] = {}
    for label, chosen in {**{name: [name] for name in items}, ALL: items}.items():
        at = [own.names.index(name) for name in chosen]
        change, variance, expected = own.of(chosen)
        half = float(stats.t.ppf(_TAIL, own.df)) * np.sqrt(variance)
        row: dict[str, float] = {
            "n_before": float(own.counts[0, at].max()),
            "n_after": float(own.counts[1, at].max()),
            "n_linked": float(own.linked[at].max()),
            "before": float(own.means[0, at].mean()),
            "after": float(own.means[1, at].mean()),
            "estimate": change,
            "se": float(np.sqrt(variance)),
            "df": float(own.df),
            "ci_low": change - half,
            "ci_high": change + half,
        }
        row |= dict.fromkeys(["expected", "comparison", "excess", "excess_low", "excess_high"], np.nan)
        if enough:
            row |= _excess(change - expected, variance, own.df, other, chosen) | {"expected": expected}
        rows[label] = row
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("target")
    return table.astype({"n_before": int, "n_after": int, "n_linked": int})


def _excess(beyond: float, variance: float, df: float, other: _Moved | None, items: list[str]) -> dict[str, float]:
    comparison = np.nan
    if other is not None:
        # Nobody chose the items there, so that nothing is expected of them: their errors are others' errors.
        comparison, variance_there, _ = other.of(items)
        beyond -= comparison
        together = variance + variance_there
        # Welch and Satterthwaite: two variances, each with its own degrees of freedom.
        df = together**2 / (variance**2 / df + variance_there**2 / other.df) if together > 0 else df
        variance = together
    half = float(stats.t.ppf(_TAIL, df)) * np.sqrt(variance)
    return {"comparison": comparison, "excess": beyond, "excess_low": beyond - half, "excess_high": beyond + half}


def _verdict(row: pd.Series, smallest: float) -> str:
    if row["excess_low"] > 0:
        return MORE
    return AS_SELECTION if row["excess_high"] < smallest else CANNOT_TELL


def _others(own: _Moved, rest: list[str]) -> pd.DataFrame:
    columns = ["n_items", "estimate", "se", "df", "ci_low", "ci_high"]
    if not rest:
        return pd.DataFrame(columns=columns, index=pd.Index([], name="items"))
    change, variance, _ = own.of(rest)
    half = float(stats.t.ppf(_TAIL, own.df)) * np.sqrt(variance)
    row = [len(rest), change, np.sqrt(variance), own.df, change - half, change + half]
    return pd.DataFrame([row], columns=columns, index=pd.Index(["not targeted"], name="items"))


def _notes(own: _Moved, other: _Moved | None, smallest: float) -> list[str]:
    notes = [
        f"The smallest change that matters, {smallest:g} points, is a placeholder unless the plan stated it beforehand."
    ]
    if other is None:
        notes.append(
            "There is no comparison: a change that came to all questions, with or without the work on the targets, counts "
            "as moved. See the change of what was not targeted."
        )
    else:
        notes.append("The comparison was not drawn by lot: those who worked on the targets may differ from the others.")
    if own.unit == "person":
        notes.append("People are taken as independent: the interval is about these people on these two dates.")
    return notes
