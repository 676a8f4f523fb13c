"""Who could be linked and who could not: the two compared at each wave, so that selective loss is seen."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

from analysis.alignment import same_responses
from analysis.linearisation import Units, error_of, units_of
from analysis.linked_people import checked_rows
from analysis.result import Result

WAVES = {0: "before", 1: "after"}
_FEWEST = 2
_TAIL = 0.975
# A standardised difference of this size between groups is commonly taken as imbalance (Austin, 2009).
_IMBALANCE = 0.1
_COLUMNS = [
    *("n_linked", "n_unlinked", "mean_linked", "mean_unlinked", "estimate", "se", "df", "ci_low", "ci_high"),
    *("effect_size", "effect_low", "effect_high"),
]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Attrition(Result):
    """Linked against unlinked people; ``table``, index ``wave, score``: linked minus unlinked.

    Parameters
    ----------
    composition : pandas.DataFrame
        Index ``wave, variable, value``: n_linked, n_unlinked, and percent_linked of those with the value.
    sentence : str
        What it comes to, for a reader without statistics.
    """

    composition: pd.DataFrame
    sentence: str


def attrition(scores: pd.DataFrame, rows: pd.DataFrame, *, background: pd.DataFrame | None = None) -> Attrition:
    """Compare the people who could be linked with those who could not, before and after.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score, both waves; gaps are left out, score by score.
    rows : pandas.DataFrame
        Same index: ``wave`` (0 before, 1 after), ``person`` (the same for linked responses); ``form``,
        ``organisation``, ``team``, ``programme`` where known, as in `analysis.waves.ScoredWaves`.
    background : pandas.DataFrame, optional
        Same index, a column a question with few answers (years in the team …), for ``composition``.

    Returns
    -------
    Attrition
        ``table``: n_linked, n_unlinked, mean_linked, mean_unlinked, estimate (linked − unlinked, in points), se,
        df, ci_low, ci_high, and effect_size, the standardised difference, with effect_low and effect_high. A row
        where one of the two has fewer than two values has no numbers but its counts and means.

    Raises
    ------
    ValueError
        As `analysis.linked_people.checked_rows`; or if everybody or nobody is linked at both waves.

    Notes
    -----
    Those unlinked before left, did not answer or wrote another code; those unlinked after may also be new. The
    standardised difference divides by the root of the mean of the two variances (Austin, 2009, *Statistics in
    Medicine*, 28, 3083–3107). Standard errors are linearised: Welch's (1947) for people, robust where there are
    at least 10 clusters (Cameron and Miller, 2015). Intervals are not adjusted for the number of scores: this is
    a look for trouble, not a test.

    Examples
    --------
    >>> scores = pd.DataFrame({"role": [50.0, 60, 40, 30, 65, 70]})
    >>> rows = pd.DataFrame({"wave": [0, 0, 0, 0, 1, 1], "person": list("abcdab")})
    >>> found = attrition(scores, rows)
    >>> float(found.table.loc[("before", "role"), "estimate"])
    20.0
    >>> found.sentence.split(".")[0]
    '2 of 4 people who answered before and 2 of 2 who answered after could be linked'
    """
    rows = checked_rows(scores, rows)
    linked = rows["person"].duplicated(keep=False).rename("linked")
    if linked.all() or not linked.any():
        who = "everybody is" if linked.all() else "nobody is"
        raise ValueError(
            f"{who} linked ({len(rows)} answers): linked and unlinked people can be compared only where there are both"
        )
    units = units_of(rows)
    found = {
        (word, str(name)): _compared(scores.loc[rows["wave"] == wave, name], linked, units)
        for wave, word in WAVES.items()
        for name in scores.columns
    }
    table = pd.DataFrame(
        list(found.values()), index=pd.MultiIndex.from_tuples(found, names=["wave", "score"]), columns=_COLUMNS
    ).astype({"n_linked": "int64", "n_unlinked": "int64"})
    notes = [
        "Who is not linked before left, did not answer again or wrote another code; who is not linked after may also "
        "be new. Intervals are not adjusted for the number of scores: this looks for trouble."
    ]
    thin = table.index[table["estimate"].isna()]
    if len(thin):
        notes.append(
            f"Without a comparison, as fewer than two values are linked or unlinked: {', '.join(map(' '.join, thin))}."
        )
    return Attrition(
        title="Linked and unlinked people",
        table=table,
        method=(
            "Linked minus unlinked people at each wave; standardised by the root of the mean of their variances (Austin, "
            "2009); standard errors linearised"
            + (
                " as Welch's (1947), people independent."
                if units.name == "person"
                else f", robust to clustering by {units.name} (CR1; Cameron and Miller, 2015)."
            )
        ),
        notes=tuple(notes),
        composition=_composition(rows, linked, background),
        sentence=_sentence(table, rows, linked),
    )


def _compared(given: pd.Series, is_linked: pd.Series, units: Units) -> dict[str, float]:
    values = given.dropna().astype(float)
    linked = is_linked.loc[values.index]
    samples = {"linked": values[linked], "unlinked": values[~linked]}
    row: dict[str, float] = {f"n_{name}": len(sample) for name, sample in samples.items()}
    row |= {f"mean_{name}": float(sample.mean()) for name, sample in samples.items() if len(sample)}
    if min(map(len, samples.values())) < _FEWEST or values.min() == values.max():
        return row
    estimate = row["mean_linked"] - row["mean_unlinked"]
    variances = {name: float(sample.var()) for name, sample in samples.items()}
    sd = float(np.sqrt(sum(variances.values()) / 2))
    influence, on_sd = (pd.Series(0.0, index=values.index) for _ in range(2))
    for (name, sample), side in zip(samples.items(), (1.0, -1.0), strict=True):
        away = sample - row[f"mean_{name}"]
        influence.loc[sample.index] = side * away / len(sample)
        on_sd.loc[sample.index] = (away**2 - (away**2).mean()) / (len(sample) - 1) / (4 * sd if sd > 0 else np.nan)
    se, df = error_of(influence, linked, units)
    half = float(stats.t.ppf(_TAIL, df)) * se
    row |= {"estimate": estimate, "se": se, "df": df, "ci_low": estimate - half, "ci_high": estimate + half}
    if sd > 0:
        size = estimate / sd
        effect_se, effect_df = error_of((influence - size * on_sd) / sd, linked, units)
        reach = float(stats.t.ppf(_TAIL, effect_df)) * effect_se
        row |= {"effect_size": size, "effect_low": size - reach, "effect_high": size + reach}
    return row


def _composition(rows: pd.DataFrame, linked: pd.Series, background: pd.DataFrame | None) -> pd.DataFrame:
    known = rows[[name for name in ("form", "programme") if name in rows]]
    if background is not None:
        given = same_responses(background, rows.index, "background")
        known = known.join(given.drop(columns=[name for name in given if name in known]))
    pieces = {}
    for wave, word in WAVES.items():
        here = rows["wave"] == wave
        for name in known.columns:
            values = known.loc[here, name].astype(object)
            values = values.where(values.notna(), "(not stated)")
            pieces[word, str(name)] = pd.crosstab(values, linked[here]).reindex(columns=[True, False], fill_value=0)
    names = ["wave", "variable", "value"]
    if not pieces:
        nothing = pd.MultiIndex.from_arrays([[], [], []], names=names)
        return pd.DataFrame(columns=["n_linked", "n_unlinked", "percent_linked"], index=nothing)
    counts = pd.concat(pieces, names=names[:2]).set_axis(["n_linked", "n_unlinked"], axis=1).rename_axis(index=names)
    return counts.assign(percent_linked=100 * counts["n_linked"] / counts.sum(axis=1))


def _sentence(table: pd.DataFrame, rows: pd.DataFrame, linked: pd.Series) -> str:
    here = {word: linked[rows["wave"] == wave] for wave, word in WAVES.items()}
    said = [
        f"{here['before'].sum()} of {len(here['before'])} people who answered before and {here['after'].sum()} of "
        f"{len(here['after'])} who answered after could be linked."
    ]
    for word, before in (("before", "At the start"), ("after", "At the second survey")):
        part = table.loc[word]
        part = part[part["estimate"].notna()]
        if part.empty:
            said.append(f"{before} there are too few to compare them.")
            continue
        apart = part[(part["ci_low"] > 0) | (part["ci_high"] < 0)]
        if len(apart):
            named = [
                f"{name} ({abs(row['estimate']):.0f} points {'higher' if row['estimate'] > 0 else 'lower'})"
                for name, row in apart.iterrows()
            ]
            said.append(
                f"{before} those who could be linked answered differently from those who could not on "
                f"{len(apart)} of {len(part)} scores: {', '.join(named)}."
            )
            continue
        apart = part[part["effect_size"].abs() > _IMBALANCE]
        said.append(
            f"{before} no score shows a clear difference between those who could be linked and those who could not"
            + (
                f", though on {len(apart)} of {len(part)} the two are more than a tenth of a standard deviation apart."
                if len(apart)
                else "."
            )
        )
    return " ".join(said)
