"""Content validity: what experts' ratings of items say, with intervals that know how few experts there are.

Plain frames in (expert × item), frozen results out. Nothing here knows how the ratings were collected.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from instrument.content_indices import (
    FEWEST_EXPERTS,
    HIGH,
    LOW,
    aiken_v,
    content_validity_ratio,
    difference_interval,
    experts_needed,
    kappa_band,
    meets_criterion,
    modified_kappa,
    proportion_interval,
)

RELEVANT = 3  # and above, of 4
CRITERION_AVERAGE = 0.90

ITEM_METHOD = (
    "I-CVI: share of the experts who rated the item 3 or 4 of 4 (Lynn, 1986), with Clopper and Pearson's (1934) exact "
    "interval; .78 or more (to two decimals) with three or more experts speaks for an item (Polit, Beck & Owen, 2007). "
    "Modified kappa takes chance agreement out: (I-CVI − pc)/(1 − pc), pc = C(N, A)·0.5^N; fair from .40, good from .60, "
    "excellent above .74 (Polit, Beck & Owen, 2007). CVR = (A − N/2)/(N/2) (Lawshe, 1975); the number needed is that of "
    "the exact one-sided binomial test at .05 (Ayre & Scally, 2014), and no number is enough with fewer than 5 experts. "
    "Aiken's (1980, 1985) V with the score interval of Penfield and Giacobbi (2004)."
)
SCALE_METHOD = (
    "S-CVI/Ave: mean of the I-CVIs, .90 or more is asked for; S-CVI/UA: share of the items that every expert who rated "
    "them rated 3 or 4 (Polit & Beck, 2006). The interval of S-CVI/Ave counts experts, not ratings, as the sample: an "
    "exact interval at the number of experts (after Korn & Graubard, 1998), which is cautious."
)
GROUP_METHOD = (
    "Difference of two I-CVIs: experts with lived experience minus other experts. Interval: square-and-add (Newcombe, "
    "1998; Zou & Donner, 2008) on Clopper–Pearson limits; for groups of 3 to 12 experts it holds the truth in at least "
    "92 of 100 panels whatever the truth is (enumerated), where Wilson limits fall to 83. No test: groups are too small."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class ContentValidity:
    """What the ratings of one aspect (relevance or clarity) say.

    Parameters
    ----------
    items : pandas.DataFrame
        One row an item; see `content_validity`.
    scales : pandas.DataFrame
        One row a subscale and one for the whole.
    method : tuple of str
        One sentence or more a table, with what they follow.
    notes : tuple of str
        What to know before reading: small panels, missing ratings.
    """

    items: pd.DataFrame
    scales: pd.DataFrame
    method: tuple[str, ...]
    notes: tuple[str, ...]


def content_validity(
    ratings: pd.DataFrame, *, subscales: Mapping[str, Sequence[str]] | None = None, confidence: float = 0.95
) -> ContentValidity:
    """Compute every index of content validity of one aspect, per item, per subscale and of the whole.

    Parameters
    ----------
    ratings : pandas.DataFrame
        Expert × item, whole numbers 1–4, missing where an expert gave none. A missing rating is counted, never guessed.
    subscales : mapping, optional
        Subscale → its items; items that were not rated are passed over.
    confidence : float

    Returns
    -------
    ContentValidity
        ``items`` has the index ``item`` and ``raters``, ``missing``, ``agreeing`` (rated 3 or 4), ``icvi``,
        ``icvi_low``, ``icvi_high``, ``meets`` (.78 by three or more), ``kappa``, ``band``, ``cvr``, ``needed`` (by the
        exact test), ``beyond_chance``, ``v``, ``v_low``, ``v_high``, ``median``, ``q1``, ``q3``. ``scales`` has the
        index ``subscale`` (the last is ``whole``) and ``items``, ``rated``, ``fewest_raters``, ``missing``, ``average``
        with ``average_low`` and ``average_high``, ``universal``, ``below`` (items under .78), ``meets`` (.90).

    Raises
    ------
    ValueError
        If a rating is none of 1, 2, 3, 4 (each is named), or there is no expert or no item.

    Examples
    --------
    >>> ratings = pd.DataFrame({"a": [4, 4, 3, 2, 4], "b": [4, 3, 4, 4, None]})
    >>> found = content_validity(ratings)
    >>> found.items[["raters", "missing", "icvi", "band"]].values.tolist()
    [[5, 0, 0.8, 'excellent'], [4, 1, 1.0, 'excellent']]
    >>> found.scales.loc["whole", ["average", "universal"]].tolist()
    [0.9, 0.5]
    """
    checked = checked_ratings(ratings)
    items = pd.DataFrame(
        [_item(checked[name].dropna(), len(checked), confidence) for name in checked.columns],
        index=pd.Index(checked.columns, name="item"),
    ).astype({"needed": "Int64"})
    chosen = {
        name: [each for each in members if each in items.index] for name, members in (subscales or {}).items()
    } | {"whole": list(items.index)}
    scales = pd.DataFrame(
        [scale_indices(items.loc[members], confidence) for members in chosen.values()],
        index=pd.Index(list(chosen), name="subscale"),
    )
    return ContentValidity(
        items=items, scales=scales, method=(ITEM_METHOD, SCALE_METHOD), notes=_panel_notes(items, len(checked))
    )


def checked_ratings(ratings: pd.DataFrame) -> pd.DataFrame:
    """Return ratings as floats after checking that each is 1, 2, 3, 4 or missing.

    Raises
    ------
    ValueError
        As `content_validity`.
    """
    if not len(ratings) or not ratings.shape[1]:
        raise ValueError(f"ratings must have experts and items; got {len(ratings)} × {ratings.shape[1]}")
    if ratings.columns.has_duplicates or ratings.index.has_duplicates:
        raise ValueError("ratings must have each expert and each item once; merge or rename the doubles")
    numbers = ratings.apply(pd.to_numeric, errors="coerce").astype(float)
    allowed = [float(code) for code in range(LOW, HIGH + 1)]
    wrong = ratings.notna() & ~numbers.isin(allowed)
    if wrong.to_numpy().any():
        places = [f"{ratings.iloc[r, c]!r} for {ratings.columns[c]}" for r, c in np.argwhere(wrong.to_numpy())]
        raise ValueError(f"ratings are 1, 2, 3 or 4, or missing; got {', '.join(places[:20])}")
    return numbers


def _item(rated: pd.Series, experts: int, confidence: float) -> dict[str, Any]:
    raters, agreeing = len(rated), int((rated >= RELEVANT).sum())
    if not raters:
        blank = dict.fromkeys(("icvi", "icvi_low", "icvi_high", "kappa", "cvr", "v", "v_low", "v_high"), math.nan)
        quartiles = dict.fromkeys(("median", "q1", "q3"), math.nan)
        return {"raters": 0, "missing": experts, "agreeing": 0, "meets": False, "band": "", "needed": pd.NA} | {
            "beyond_chance": False,
            **blank,
            **quartiles,
        }
    lower, upper = proportion_interval(agreeing, raters, confidence=confidence)
    kappa, needed = modified_kappa(agreeing, raters), experts_needed(raters)
    v, v_low, v_high = aiken_v(float(rated.sum()), raters, confidence=confidence)
    q1, median, q3 = np.percentile(rated, [25, 50, 75])
    return {
        "raters": raters,
        "missing": experts - raters,
        "agreeing": agreeing,
        "icvi": agreeing / raters,
        "icvi_low": lower,
        "icvi_high": upper,
        "meets": meets_criterion(agreeing, raters),
        "kappa": kappa,
        "band": kappa_band(kappa),
        "cvr": content_validity_ratio(agreeing, raters),
        "needed": pd.NA if needed is None else needed,
        "beyond_chance": needed is not None and agreeing >= needed,
        "v": v,
        "v_low": v_low,
        "v_high": v_high,
        "median": float(median),
        "q1": float(q1),
        "q3": float(q3),
    }


def scale_indices(items: pd.DataFrame, confidence: float) -> dict[str, Any]:
    """Return a row of `ContentValidity.scales` from rows of `ContentValidity.items`, which may be of several rounds."""
    rated = items[items["raters"] > 0]
    row: dict[str, Any] = {"items": len(items), "rated": len(rated), "missing": int(items["missing"].sum())}
    if rated.empty:
        blank = dict.fromkeys(("average", "average_low", "average_high", "universal"), math.nan)
        return row | {"fewest_raters": 0, "below": 0, "meets": False, **blank}
    average, fewest = float(rated["icvi"].mean()), int(rated["raters"].min())
    lower, upper = proportion_interval(average * fewest, fewest, confidence=confidence)
    return row | {
        "fewest_raters": fewest,
        "average": average,
        "average_low": lower,
        "average_high": upper,
        "universal": float((rated["agreeing"] == rated["raters"]).mean()),
        "below": int((~rated["meets"]).sum()),
        # 1e-9: a mean that is .90 on paper may be stored just below it.
        "meets": fewest >= FEWEST_EXPERTS and average >= CRITERION_AVERAGE - 1e-9,
    }


def _panel_notes(items: pd.DataFrame, experts: int) -> tuple[str, ...]:
    notes = []
    if experts < FEWEST_EXPERTS:
        notes.append(
            f"{experts} expert{'s' * (experts != 1)}: at least three are needed before an I-CVI says anything (Lynn, 1986)."
        )
    elif experts < 5:
        notes.append(
            f"{experts} experts: with fewer than five no agreement is beyond chance at .05, and Lynn (1986) asks that all agree."
        )
    if gaps := int(items["missing"].sum()):
        notes.append(
            f"Missing ratings: {gaps}, in items: {int((items['missing'] > 0).sum())}; each item counts its own raters."
        )
    if unrated := items.index[items["raters"] == 0].tolist():
        notes.append(f"Nobody rated {', '.join(map(str, unrated))}; they enter no average.")
    return tuple(notes)


@dataclass(frozen=True, kw_only=True, eq=False)
class Perspectives:
    """Experts with lived experience beside the others: `items` (empty where not shown), `method`, `notes`."""

    items: pd.DataFrame
    method: str
    notes: tuple[str, ...]


def compare_perspectives(
    ratings: pd.DataFrame, lived: pd.Series, *, fewest: int = FEWEST_EXPERTS, confidence: float = 0.95
) -> Perspectives:
    """Set the I-CVIs of experts with lived experience beside those of other experts.

    Parameters
    ----------
    ratings : pandas.DataFrame
        As for `content_validity`.
    lived : pandas.Series
        Expert → True or False; missing where not said (in neither group).
    fewest : int
        A group of fewer raters is not shown, nor then is the other: the whole would give it back.
    confidence : float

    Returns
    -------
    Perspectives
        ``items`` has the index ``item``, and ``lived_raters``, ``lived_icvi``, ``other_raters``, ``other_icvi``,
        ``difference``, ``low``, ``high`` and ``decide_differently`` (one group reaches .78, the other does not).

    Raises
    ------
    ValueError
        As `content_validity`; or if `lived` does not cover the experts.
    """
    checked = checked_ratings(ratings)
    if not checked.index.isin(lived.index).all():
        raise ValueError("lived must say True, False or missing for every expert of the ratings")
    side = lived.reindex(checked.index).astype("boolean")
    unsaid = int(side.isna().sum())
    with_, without = (side.fillna(False), (~side).fillna(False))
    rows, kept, small = [], [], []
    for name in checked.columns:
        groups = [checked.loc[group.to_numpy(bool), name].dropna() for group in (with_, without)]
        (a, n), (b, m) = ((int((each >= RELEVANT).sum()), len(each)) for each in groups)
        if min(n, m) < max(fewest, 1):
            small.append(str(name))
            continue
        low, high = difference_interval((a, n), (b, m), confidence=confidence)
        kept.append(name)
        rows.append((n, a / n, m, b / m, a / n - b / m, low, high, meets_criterion(a, n) != meets_criterion(b, m)))
    columns = ["lived_raters", "lived_icvi", "other_raters", "other_icvi", "difference", "low", "high"]
    items = pd.DataFrame(rows, columns=[*columns, "decide_differently"], index=pd.Index(kept, name="item"))
    notes = []
    if small and not kept:
        notes.append(f"Not shown apart: fewer than {fewest} experts with or without lived experience rated each item.")
    elif small:
        notes.append(f"Not shown apart, fewer than {fewest} raters in a group: {', '.join(small)}.")
    if unsaid:
        notes.append("Experts who did not say whether they have lived experience are in neither group.")
    return Perspectives(items=items, method=GROUP_METHOD, notes=tuple(notes))
