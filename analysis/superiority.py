"""How large a change is, in two ways that need no unit: by the spread before, and as the chance of a higher answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from analysis.linearisation import Units, error_of, units_of
from analysis.linked_people import checked_rows
from analysis.proportional_odds import cumulative_logit
from analysis.result import Result

_Numbers = NDArray[np.float64]

EVERYONE, LINKED = "everyone", "linked"
# A form enters where at least so many of its answers were scored at both waves, as in the model of change.
_FEWEST = 2
# A threshold is estimated for each step of a score; beyond this its values are taken in groups of equal size.
_MOST_STEPS = 60
_TAIL = 0.975
_SUPERIORITY = ["estimate", "se", "df", "ci_low", "ci_high"]
_EFFECT = ["effect_size", "effect_se", "effect_df", "effect_low", "effect_high"]


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Superiority(Result):
    """Change without a unit; ``table``, index ``score, people`` ("everyone", "linked").

    ``estimate`` with its interval is the probability of superiority, ``effect_size`` with its own the
    standardised change.

    Parameters
    ----------
    ordinal : pandas.DataFrame
        Index ``score``: log_odds_ratio and odds_ratio of a higher answer after, and same_direction: whether it
        points where the change of the mean points.
    """

    ordinal: pd.DataFrame


def superiority(scores: pd.DataFrame, rows: pd.DataFrame) -> Superiority:
    """Say of each score how large its change is: by the spread before, and as the chance of a higher answer.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score, both waves; gaps are left out, score by score.
    rows : pandas.DataFrame
        Same index: ``wave`` (0 before, 1 after), ``person``; ``form``, ``organisation``, ``team`` where known, as in
        `analysis.waves.ScoredWaves`.

    Returns
    -------
    Superiority
        Everyone: the chance that somebody after scores higher than somebody before, ties counting half. Linked: the
        chance that a person scores higher after than before. .5 is no change. The standardised change is the mean
        change over the standard deviation before. Columns: n_before, n_after, n_linked, units (people or clusters
        that the intervals count), estimate, se, df, ci_low, ci_high, effect_size, effect_se, effect_df, effect_low,
        effect_high.

    Raises
    ------
    ValueError
        As `analysis.linked_people.checked_rows`; or if no score has two values in each wave.

    Notes
    -----
    Forms present at both waves weigh equally, so that a changed mix of people does not read as change.

    Probability of superiority: Brunner and Munzel's (2000, *Biometrical Journal*, 42, 17–25) estimate and, for people
    who are not linked, their standard error and degrees of freedom; clusters and people who answered twice are summed
    (Obuchowski, 1997, *Biometrics*, 53, 567–578). Its interval is symmetric on the logit, so that it stays within
    0 and 1; it has none where nobody overlaps. Linked: Grissom and Kim's (2012) measure for dependent samples.

    Standardised change: over the standard deviation before, since the programme may change the spread after (Becker,
    1988, *British Journal of Mathematical and Statistical Psychology*, 41, 257–278), without a correction for few
    people. Its interval is linearised like everything here, with the error of the standard deviation in it: one rule
    for linked and unlinked people and clusters, which assumes neither normal scores (as Bonett, 2008, *Psychological
    Methods*, 13, 99–109, does) nor a bootstrap's luck with few clusters.

    Examples
    --------
    >>> scores = pd.DataFrame({"role": [50.0, 60, 70, 55, 65, 75, 80]})
    >>> rows = pd.DataFrame({"wave": [0, 0, 0, 1, 1, 1, 1], "person": list("abcabcd")})
    >>> found = superiority(scores, rows).table
    >>> found["estimate"].round(3).to_dict()
    {('role', 'everyone'): 0.75, ('role', 'linked'): 1.0}
    >>> found["effect_size"].round(3).to_dict()
    {('role', 'everyone'): 0.875, ('role', 'linked'): 0.5}
    """
    rows = checked_rows(scores, rows)
    scores = scores.rename(columns=str)
    units = units_of(rows)
    found: dict[tuple[str, str], dict[str, float]] = {}
    ordinal: dict[str, dict[str, Any]] = {}
    said: dict[str, list[str]] = {}
    for name in scores.columns:
        values = scores[name].dropna().astype(float)
        part = _comparable(rows.loc[values.index], name, said)
        values = values.loc[part.index]
        known = rows.loc[values.index]
        if part.empty:
            found[name, EVERYONE] = found[name, LINKED] = {}
            ordinal[name] = {}
            said.setdefault("fewer than two values in a wave, left without numbers", []).append(name)
            continue
        found[name, EVERYONE] = _everyone(values, known, part, units)
        found[name, LINKED] = _linked(values, known, part, units)
        ordinal[name] = _ordinal(values, known, part, found[name, EVERYONE].get("effect_size"), name, said)
        for people in (EVERYONE, LINKED):
            if found[name, people].get("estimate") in (0.0, 1.0):
                said.setdefault(
                    f"no interval of the probability for {people}: it is 0 or 1, nobody overlaps", []
                ).append(name)
    if not any(found.values()):
        raise ValueError("no score has two values in each wave: there is no change whose size could be said")
    index = pd.MultiIndex.from_tuples(found, names=["score", "people"])
    columns = ["n_before", "n_after", "n_linked", "units", *_SUPERIORITY, *_EFFECT]
    table = pd.DataFrame(list(found.values()), index=index, columns=columns)
    table[columns[:4]] = table[columns[:4]].astype("Int64")
    notes = [f"{', '.join(names)}: {text}." for text, names in said.items()]
    if units.name == "person":
        notes.insert(
            0, "The intervals count people as independent (fewer than 10 clusters): they are about these people."
        )
    return Superiority(
        title="Size of the change: probability of superiority and standardised change",
        table=table,
        method=_method(units),
        notes=tuple(notes),
        ordinal=pd.DataFrame(
            list(ordinal.values()),
            index=pd.Index(ordinal, name="score"),
            columns=["log_odds_ratio", "odds_ratio", "same_direction"],
        ),
    )


def _comparable(known: pd.DataFrame, name: str, said: dict[str, list[str]]) -> pd.Series:
    """Return the stratum (form, or everyone) of the responses that count: two in each wave, or none."""
    stratum = known["form"].astype(object) if "form" in known else pd.Series("all", index=known.index)
    counts = known.groupby([stratum.rename("stratum"), "wave"]).size().unstack(fill_value=0)
    counts = counts.reindex(columns=[0, 1], fill_value=0)
    kept = counts.index[(counts >= _FEWEST).all(axis=1)]
    if len(kept):
        if len(kept) < len(counts):
            rest = ", ".join(map(str, counts.index.difference(kept)))
            said.setdefault(f"form {rest} left out, with fewer than two values in a wave", []).append(name)
        return stratum[stratum.isin(kept)]
    if len(counts) > 1 and (counts.sum() >= _FEWEST).all():
        said.setdefault(
            "forms taken together, as none has two values in both waves: a changed mix may read as change", []
        ).append(name)
        return pd.Series("all", index=known.index)
    return stratum.iloc[:0]


def _everyone(values: pd.Series, known: pd.DataFrame, stratum: pd.Series, units: Units) -> dict[str, float]:
    strata = stratum.unique()
    chances, changes = [], []
    on_chance, on_change = (pd.Series(0.0, index=values.index) for _ in range(2))
    for each in strata:
        mine = stratum == each
        x, y = (values[mine & (known["wave"] == wave)] for wave in (0, 1))
        above = _midranks(y, x) / len(x)
        below = 1 - _midranks(x, y) / len(y)
        chance = float(above.mean())
        chances.append(chance)
        changes.append(float(y.mean() - x.mean()))
        on_chance.loc[y.index] = (above - chance) / len(y) / len(strata)
        on_chance.loc[x.index] = (below - chance) / len(x) / len(strata)
        on_change.loc[y.index] = (y - y.mean()) / len(y) / len(strata)
        on_change.loc[x.index] = -(x - x.mean()) / len(x) / len(strata)
    before = values[known["wave"] == 0]
    part = stratum.astype(str) + known["wave"].astype(str)
    return _counts(known, units) | _described(
        float(np.mean(chances)), on_chance, float(np.mean(changes)), on_change, before, part, units
    )


def _linked(values: pd.Series, known: pd.DataFrame, stratum: pd.Series, units: Units) -> dict[str, float]:
    """Describe the same within people who answered on the same form at both waves."""
    person = known["person"]
    first, second = (
        pd.DataFrame({"row": part.index, "stratum": stratum.loc[part.index]}).set_index(person.loc[part.index])
        for part in (values[known["wave"] == wave] for wave in (0, 1))
    )
    pairs = first.join(second.add_suffix("_after"), how="inner")
    pairs = pairs[pairs["stratum"] == pairs["stratum_after"]]
    size = pairs["stratum"].map(pairs["stratum"].value_counts()).astype(float)
    pairs, size = pairs[size >= _FEWEST], size[size >= _FEWEST]
    if pairs.empty:
        return {"n_linked": 0}
    rows = pd.Index(pairs["row"])
    before = values.loc[rows]
    change = pd.Series(values.loc[pairs["row_after"]].to_numpy() - before.to_numpy(), index=rows)
    higher = pd.Series(np.where(change > 0, 1.0, np.where(change < 0, 0.0, 0.5)), index=rows)
    part = pd.Series(pairs["stratum"].to_numpy(), index=rows)
    weight = 1 / size.to_numpy() / part.nunique()

    def centred(each: pd.Series) -> pd.Series:
        return (each - each.groupby(part).transform("mean")) * weight

    counts = _counts(known.loc[[*rows, *pairs["row_after"]]], units)
    return counts | _described(
        float((higher * weight).sum()),
        centred(higher),
        float((change * weight).sum()),
        centred(change),
        before,
        part.astype(str),
        units,
    )


def _described(
    chance: float,
    on_chance: pd.Series,
    change: float,
    on_change: pd.Series,
    before: pd.Series,
    part: pd.Series,
    units: Units,
) -> dict[str, float]:
    """Return both sizes with their intervals, from what each response contributes."""
    se, df = error_of(on_chance, part, units)
    row = {"estimate": chance, "se": se, "df": df}
    if 0 < chance < 1 and se > 0:
        half = float(stats.t.ppf(_TAIL, df)) * se / (chance * (1 - chance))
        row["ci_low"], row["ci_high"] = (float(special.expit(special.logit(chance) + side * half)) for side in (-1, 1))
    sd = float(before.std())
    if not (len(before) > 1 and np.ptp(before) > 0):
        return row
    size = change / sd
    squares = (before - before.mean()) ** 2
    on_sd = ((squares - squares.mean()) / (2 * sd * (len(before) - 1))).reindex(on_change.index, fill_value=0.0)
    effect_se, effect_df = error_of((on_change - size * on_sd) / sd, part, units)
    reach = float(stats.t.ppf(_TAIL, effect_df)) * effect_se
    return row | dict(zip(_EFFECT, [size, effect_se, effect_df, size - reach, size + reach], strict=True))


def _midranks(of: pd.Series, among: pd.Series) -> _Numbers:
    """Return how many of the others each value exceeds, ties counting half."""
    others = np.sort(among.to_numpy())
    places = [np.searchsorted(others, of.to_numpy(), side=side) for side in ("left", "right")]
    ranks: _Numbers = np.asarray(places, dtype=float).mean(axis=0)
    return ranks


def _counts(known: pd.DataFrame, units: Units) -> dict[str, float]:
    return {
        "n_before": int((known["wave"] == 0).sum()),
        "n_after": int((known["wave"] == 1).sum()),
        "n_linked": int(known["person"].duplicated().sum()),
        "units": int(units.unit.loc[known.index].nunique()),
    }


def _ordinal(
    values: pd.Series,
    known: pd.DataFrame,
    stratum: pd.Series,
    change: float | None,
    name: str,
    said: dict[str, list[str]],
) -> dict[str, Any]:
    """Fit proportional odds to form × wave; the change is the mean of the forms' log odds ratios."""
    if values.nunique() > _MOST_STEPS:
        values = pd.qcut(values, _MOST_STEPS, labels=False, duplicates="drop")
        said.setdefault(f"for the ordinal check values were taken in {_MOST_STEPS} groups of equal size", []).append(
            name
        )
    if values.nunique() < 2:
        return {}
    step, place = np.unique(values, return_inverse=True)
    column = pd.factorize(stratum, sort=True)[0] * 2 + known["wave"].to_numpy(dtype=int)
    counts = np.zeros((len(step), 2 * stratum.nunique()))
    np.add.at(counts, (place, column), 1.0)
    try:
        effects = np.concatenate([[0.0], cumulative_logit(counts)[1]])
    except (ValueError, np.linalg.LinAlgError):
        said.setdefault("no odds ratio, as the answers of the waves or forms hardly overlap", []).append(name)
        return {}
    log_odds = float((effects[1::2] - effects[0::2]).mean())
    same = change is not None and np.sign(round(log_odds, 9)) == np.sign(round(change, 9))
    return {
        "log_odds_ratio": log_odds,
        "odds_ratio": float(np.exp(log_odds)),
        "same_direction": "yes" if same else "no",
    }


def _method(units: Units) -> str:
    counted = "people" if units.name == "person" else f"clusters ({units.name})"
    return (
        "Probability of superiority: the chance that an answer after is higher than one before, ties counting half "
        "(Brunner and Munzel, 2000; linked people: within the person, Grissom and Kim, 2012), with an interval on the "
        "logit. Standardised change: mean change over the standard deviation before (Becker, 1988), whose error is in "
        f"the interval. Forms weigh equally; standard errors are linearised and count {counted}, people who answered "
        "twice as one (Obuchowski, 1997). Ordinal check: proportional-odds model (McCullagh, 1980), direction only."
    )
