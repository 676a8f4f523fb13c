"""Who answered, what is missing and why, and how the answers are distributed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from analysis.result import Result
from analysis.sentences import some_of

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Places = npt.NDArray[np.intp]

_EXTREME = 15.0  # percent at the floor or ceiling (Terwee et al., 2007)
_FEWEST = 50  # people below whom Terwee et al. (2007) do not judge floor and ceiling
_BLANK = 10.0  # percent of an item left blank, from which it is reviewed
_UNABLE = 20.0  # percent who cannot judge a subscale; our own design rule
_NOT_STATED = "not stated"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Description(Result):
    """A description of the answers: ``table`` has a row an item.

    Parameters
    ----------
    distribution : pandas.DataFrame
        Index ``item``, a column a code: how many answered with it.
    flow : pandas.DataFrame
        Index ``form`` and ``wave``, as far as they are known (else one row, ``answers``: all): responses,
        people, organisations, teams (as far as known), complete (a code for every item asked), no_blank
        (a code or an off-scale answer for every item asked), no_answer (no code at all),
        median_percent_answered.
    off_scale : pandas.DataFrame
        Index as ``flow`` and ``reason``: n, percent of the cells asked.
    off_scale_subscales : pandas.DataFrame
        Index ``subscale`` and, where known, ``form``: cells asked, n and percent that the person could
        not judge, flagged. No rows if no subscales were given.
    """

    distribution: pd.DataFrame
    flow: pd.DataFrame
    off_scale: pd.DataFrame
    off_scale_subscales: pd.DataFrame


def describe(
    answers: pd.DataFrame,
    *,
    off_scale: pd.DataFrame | None = None,
    people: pd.DataFrame | None = None,
    asked: pd.DataFrame | None = None,
    codes: Sequence[int] | None = None,
    subscales: Mapping[str, Sequence[str]] | None = None,
    stage_reasons: Collection[str] = ("not_started", "not started", "not started yet"),
) -> Description:
    """Describe the items, the flow of people and the reasons for answers beside the scale.

    Parameters
    ----------
    answers : pandas.DataFrame
        Response × item: codes on the scale, missing where there is none.
    off_scale : pandas.DataFrame, optional
        Response × item: the reason for an answer beside the scale as text, else missing.
    people : pandas.DataFrame, optional
        Indexed by response, with any of ``person``, ``form``, ``wave``, ``organisation``, ``team``
        (teams are told apart within their organisation). Other columns are not looked at.
    asked : pandas.DataFrame of bool, optional
        Response × item: whether the item was on the form. Without it everything was asked.
    codes : sequence of int, optional
        The codes of the scale. Without it, all whole numbers from the lowest to the highest answer.
    subscales : mapping of str to sequence of str, optional
        The items of each subscale, for ``off_scale_subscales``.
    stage_reasons : collection of str, optional
        Off-scale reasons that speak of the stage of the programme; all others mean that the person
        could not judge.

    Returns
    -------
    Description
        ``table``, index ``item``: asked; n (valid), missing (blank), off_scale, as counts and the latter two
        as percent of asked; mean, sd, skewness, kurtosis, median; percent_floor and percent_ceiling, of n at
        the lowest and highest code. What needs more answers than there are stays missing.

    Raises
    ------
    ValueError
        Answers that are no whole numbers or outside ``codes``; frames whose rows or columns do not match;
        a cell with both an answer and a reason; an answer to an item that was not asked.

    Notes
    -----
    Skewness and excess kurtosis are the estimators G1 and G2 of SAS and SPSS (type 2 in R's psych; Joanes and
    Gill, 1998), which need three and four answers that are not all the same. sd divides by n − 1.

    Items that many leave blank (over 10 %) are to be reviewed. Floor and ceiling are noted over 15 %: Terwee
    et al. (2007) made that rule for scores of 50 people or more, and a single item with few codes exceeds it
    easily.

    References
    ----------
    Joanes, D. N., and Gill, C. A. (1998). Comparing measures of sample skewness and kurtosis.
    *The Statistician*, 47, 183–189.
    Terwee, C. B., et al. (2007). Quality criteria were proposed for measurement properties of health
    status questionnaires. *Journal of Clinical Epidemiology*, 60, 34–42.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"a1": [1, 4, 5, None], "a2": [2, 2, None, 3]}, dtype="Int64")
    >>> off_scale = pd.DataFrame({"a1": [None] * 4, "a2": [None, None, "dont_know", None]}, dtype="str")
    >>> description = describe(answers, off_scale=off_scale, codes=range(1, 6))
    >>> description.table.loc["a2", ["n", "missing", "off_scale"]].astype(int).tolist()
    [3, 0, 1]
    """
    values = _numbers(answers)
    was_asked = _asked(answers, asked)
    reasons, names = _reasons(answers, off_scale)
    scale = _codes(values, codes)
    known = ~np.isnan(values)
    notes: list[str] = []
    _refuse_contradictions(answers, known, reasons >= 0, was_asked)
    beside = (reasons >= 0) & was_asked
    stray = int(((reasons >= 0) & ~was_asked).sum())
    if stray:
        notes.append(f"{stray} off-scale answers to items that were not asked are not counted.")
    if codes is None and scale:
        notes.append(
            f"The codes were taken from the answers ({scale[0]} to {scale[-1]}): give `codes` where the "
            "scale is longer."
        )

    background = _background(answers, people)
    table = _item_table(answers.columns, values, known, beside, was_asked, scale)
    flow, overall = _flow(background, known, beside, was_asked)
    stage = [place for place, name in enumerate(names) if name in stage_reasons]
    could_not_judge = beside & ~np.isin(reasons, stage)
    per_subscale = _off_scale_subscales(answers.columns, background, could_not_judge, was_asked, subscales)
    return Description(
        title="Answers and missing answers",
        table=table,
        distribution=_distribution(answers.columns, values, scale),
        flow=flow,
        off_scale=_off_scale(background, reasons, names, was_asked),
        off_scale_subscales=per_subscale,
        method=(
            "Valid, blank and off-scale answers are counted among the items asked. Skewness and excess "
            "kurtosis are G1 and G2 (Joanes and Gill, 1998), as in SAS and SPSS."
        ),
        notes=(overall, *notes, *_item_notes(table), *_subscale_notes(per_subscale)),
    )


def floor_ceiling(
    scores: pd.DataFrame,
    *,
    low: float | Mapping[str, float],
    high: float | Mapping[str, float],
    groups: pd.Series | pd.DataFrame | None = None,
) -> Result:
    """Count who has the lowest and who has the highest possible score.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score.
    low, high : float or mapping of str to float
        The lowest and highest value a score can take, the same for all scores or by score.
    groups : pandas.Series or pandas.DataFrame, optional
        Indexed by response: a row of the result for each of its groups (form, wave …).

    Returns
    -------
    Result
        Index ``score`` and then the groups: n, percent_floor, percent_ceiling (of n), and floor_flagged,
        ceiling_flagged (over 15 %). Without any score the percentages are missing.

    Raises
    ------
    ValueError
        A score outside its range, a score without one, groups that do not match the scores.

    Notes
    -----
    The 15 % limit is that of Terwee et al. (2007), who ask for at least 50 people.

    Examples
    --------
    >>> import pandas as pd
    >>> result = floor_ceiling(pd.DataFrame({"role": [0.0, 50.0, 100.0, 100.0]}), low=0, high=100)
    >>> result.table.loc["role", ["percent_floor", "percent_ceiling"]].tolist()
    [25.0, 50.0]
    """
    values = _numbers(scores, whole=False)
    lowest, highest = (_bounds(scores, bound, name) for bound, name in ((low, "low"), (high, "high")))
    # Means of codes carry rounding of the last digits; no score lies that near to its limit otherwise.
    slack = 1e-9 * (highest - lowest)
    outside = (values < lowest - slack) | (values > highest + slack)
    if outside.any():
        raise ValueError(
            f"Scores outside `low` to `high`: {some_of(scores.columns[outside.any(axis=0)])}. Give the range "
            "of the metric that was scored (1–5 or 0–100)."
        )
    by = _matched_groups(scores, groups)
    at_floor = values <= lowest + slack
    at_ceiling = values >= highest - slack
    levels, row_of = _levels(by, len(scores))
    counts = [_summed(hits, row_of, len(levels)) for hits in (~np.isnan(values), at_floor, at_ceiling)]
    n, floor, ceiling = (count.T.ravel() for count in counts)
    index = [(name, *level) for name in scores.columns for level in levels]
    table = pd.DataFrame(
        {"n": n.astype(np.int64), "percent_floor": _percent(floor, n), "percent_ceiling": _percent(ceiling, n)},
        index=_index(index, ["score", *by.columns]),
    )
    table["floor_flagged"] = table["percent_floor"] > _EXTREME
    table["ceiling_flagged"] = table["percent_ceiling"] > _EXTREME
    notes = [
        f"Over {_EXTREME:g} % at the {name} value (Terwee et al., 2007): "
        f"{some_of(_labels(table.index[table[column]]))}."
        for name, column in (("lowest", "floor_flagged"), ("highest", "ceiling_flagged"))
        if table[column].any()
    ]
    if not notes and table["n"].any():
        notes.append(f"No score has over {_EXTREME:g} % at its lowest or highest value (Terwee et al., 2007).")
    few = table["n"] < _FEWEST
    if few.any():
        notes.append(
            f"{int(few.sum())} of {len(table)} rows rest on fewer than {_FEWEST} people, the least that "
            "Terwee et al. (2007) ask for: read them with care."
        )
    return Result(
        title="Floor and ceiling",
        table=table,
        method="Percentages at the lowest and the highest possible value, flagged over 15 % (Terwee et al., 2007).",
        notes=tuple(notes),
    )


# --- Checking what comes in ------------------------------------------------------------------------


def _numbers(frame: pd.DataFrame, *, whole: bool = True) -> Floats:
    if frame.index.has_duplicates or frame.columns.has_duplicates:
        doubled = [*frame.index[frame.index.duplicated()], *frame.columns[frame.columns.duplicated()]]
        raise ValueError(
            f"Each row and each column must be there once; doubled: {some_of(doubled)}. Rename or remove them."
        )
    text = [
        name
        for name in frame.columns
        if not pd.api.types.is_numeric_dtype(frame[name].dtype) and frame[name].notna().any()
    ]
    if text:
        raise ValueError(
            f"Values must be numbers or missing; text was found in: {some_of(text)}. Turn it into codes first."
        )
    values: Floats = frame.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    broken = (~np.isnan(values) & (values != np.round(values))).any(axis=0) if whole else np.isinf(values).any(axis=0)
    if broken.any():
        kind = "whole numbers" if whole else "finite"
        raise ValueError(
            f"Values must be {kind}; others were found in: {some_of(frame.columns[broken])}. Correct them first."
        )
    return values


def _same_shape(frame: pd.DataFrame, answers: pd.DataFrame, name: str) -> pd.DataFrame:
    for axis, kind in ((0, "responses"), (1, "items")):
        want, got = answers.axes[axis], frame.axes[axis]
        strange = want.symmetric_difference(got)
        if len(strange) or got.has_duplicates:
            raise ValueError(
                f"`{name}` must have the {kind} of `answers`, each once; they differ in: "
                f"{some_of(strange) or 'doubled ones'}. It has {len(got)}, `answers` has {len(want)}."
            )
    return frame.reindex(index=answers.index, columns=answers.columns)


def _asked(answers: pd.DataFrame, asked: pd.DataFrame | None) -> Flags:
    if asked is None:
        return np.ones(answers.shape, dtype=bool)
    matched = _same_shape(asked, answers, "asked")
    if matched.isna().to_numpy().any():
        raise ValueError("`asked` must say true or false in every cell; some are missing. Fill them.")
    flags: Flags = matched.to_numpy(dtype=bool)
    return flags


def _reasons(answers: pd.DataFrame, off_scale: pd.DataFrame | None) -> tuple[Places, list[str]]:
    """Return the place of each cell's reason in the list of reasons (−1: none), and that list, in order."""
    if off_scale is None:
        return np.full(answers.shape, -1, dtype=np.intp), []
    cells = _same_shape(off_scale, answers, "off_scale").to_numpy(dtype=object).ravel()
    places, names = pd.factorize(cells)
    order = np.argsort(names.astype(str), kind="stable")
    # Place −1 finds the last entry of `position`: none stays none.
    position = np.append(np.argsort(order), -1)
    return position[places].reshape(answers.shape), [str(names[place]) for place in order]


def _codes(values: Floats, codes: Sequence[int] | None) -> list[int]:
    found = np.unique(values[~np.isnan(values)])
    if codes is None:
        return list(range(int(found[0]), int(found[-1]) + 1)) if found.size else []
    strange = np.setdiff1d(found, np.asarray(codes, dtype=np.float64))
    if strange.size:
        raise ValueError(
            f"Answers must be one of {list(codes)}; found {some_of(f'{code:g}' for code in strange)}. "
            "Off-scale codes belong in `off_scale`, and are missing in `answers`."
        )
    return sorted(codes)


def _refuse_contradictions(answers: pd.DataFrame, known: Flags, beside: Flags, was_asked: Flags) -> None:
    for faulty, what in (
        (known & beside, "both an answer and an off-scale reason"),
        (known & ~was_asked, "an answer to an item that was not asked"),
    ):
        if faulty.any():
            rows, columns = np.nonzero(faulty)
            cells = (f"{answers.index[r]}/{answers.columns[c]}" for r, c in zip(rows[:11], columns[:11], strict=True))
            raise ValueError(f"{int(faulty.sum())} cells have {what}: {some_of(cells)}. Keep one of the two.")


def _background(answers: pd.DataFrame, people: pd.DataFrame | None) -> pd.DataFrame:
    """Return what is known of person, form, wave, organisation and team, in the order of the answers."""
    if people is None:
        return pd.DataFrame(index=answers.index)
    without = answers.index.difference(people.index)
    if len(without) or people.index.has_duplicates:
        raise ValueError(
            f"`people` needs one row for each response; {len(without)} have none"
            + (f" ({some_of(without)})" if len(without) else " and some have two")
            + ". Index it by the response."
        )
    known = [name for name in ("person", "form", "wave", "organisation", "team") if name in people.columns]
    background = people.loc[answers.index, known].copy()
    for name in ("form", "wave"):
        if name in background and background[name].isna().any():
            background[name] = background[name].astype(object).where(background[name].notna(), _NOT_STATED)
    return background


def _bounds(scores: pd.DataFrame, bound: float | Mapping[str, float], name: str) -> Floats:
    if not isinstance(bound, Mapping):
        return np.full(scores.shape[1], float(bound))
    without = [score for score in scores.columns if score not in bound]
    if without:
        raise ValueError(f"`{name}` has no value for: {some_of(without)}. Give one for each score.")
    return np.array([bound[score] for score in scores.columns], dtype=np.float64)


def _matched_groups(scores: pd.DataFrame, groups: pd.Series | pd.DataFrame | None) -> pd.DataFrame:
    if groups is None:
        return pd.DataFrame(index=scores.index)
    frame = groups.to_frame(groups.name or "group") if isinstance(groups, pd.Series) else groups
    without = scores.index.difference(frame.index)
    if len(without) or frame.index.has_duplicates:
        raise ValueError(
            "`groups` needs one row for each response; missing or doubled: "
            f"{some_of(without) or 'doubled ones'}. Index it by the response."
        )
    matched = frame.loc[scores.index].astype(object)
    return matched.where(matched.notna(), _NOT_STATED)


# --- Counting --------------------------------------------------------------------------------------


def _percent(part: Any, whole: Any) -> Floats:
    """Return percentages, missing where there is nothing to count."""
    part, whole = np.asarray(part, dtype=np.float64), np.asarray(whole, dtype=np.float64)
    return np.where(whole > 0, 100 * part / np.where(whole > 0, whole, 1), np.nan)


def _levels(by: pd.DataFrame, rows: int) -> tuple[list[tuple[Any, ...]], Places]:
    """Return the groups that occur, in order, and which of them each row belongs to."""
    if by.shape[1] == 0:
        return [()], np.zeros(rows, dtype=np.intp)
    # "not stated" goes last; else numbers in their order, text in its own.
    levels = sorted(
        by.drop_duplicates().itertuples(index=False, name=None),
        key=lambda level: [(part == _NOT_STATED, isinstance(part, str), part) for part in level],
    )
    row_of = np.zeros(rows, dtype=np.intp)
    for position, level in enumerate(levels):
        row_of[
            np.logical_and.reduce([(by[n] == part).to_numpy(dtype=bool) for n, part in zip(by, level, strict=True)])
        ] = position
    return levels, row_of


def _summed(hits: Flags, row_of: Places, groups: int) -> npt.NDArray[np.int64]:
    """Return group × column: how many rows are true."""
    counts = np.zeros((groups, hits.shape[1]), dtype=np.int64)
    for group in range(groups):
        counts[group] = hits[row_of == group].sum(axis=0)
    return counts


def _index(keys: list[tuple[Any, ...]], names: list[str]) -> pd.Index:
    if len(names) == 1:
        return pd.Index([key[0] for key in keys], name=names[0])
    if not keys:
        return pd.MultiIndex.from_arrays([[] for _ in names], names=names)
    return pd.MultiIndex.from_tuples(keys, names=names)


def _labels(index: pd.Index) -> list[str]:
    return [" ".join(map(str, key)) if isinstance(key, tuple) else str(key) for key in index]


def _item_table(
    items: pd.Index, values: Floats, known: Flags, beside: Flags, was_asked: Flags, scale: list[int]
) -> pd.DataFrame:
    n = known.sum(axis=0)
    asked = was_asked.sum(axis=0)
    off = beside.sum(axis=0)
    blank = asked - n - off
    mean, sd, skewness, kurtosis = _moments(values, known)
    median = np.full(len(items), np.nan)
    median[n > 0] = np.nanmedian(values[:, n > 0], axis=0) if len(values) else np.nan
    low, high = (scale[0], scale[-1]) if scale else (np.nan, np.nan)
    return pd.DataFrame(
        {
            "asked": asked,
            "n": n,
            "missing": blank,
            "off_scale": off,
            "percent_missing": _percent(blank, asked),
            "percent_off_scale": _percent(off, asked),
            "mean": mean,
            "sd": sd,
            "skewness": skewness,
            "kurtosis": kurtosis,
            "median": median,
            "percent_floor": _percent((values == low).sum(axis=0), n),
            "percent_ceiling": _percent((values == high).sum(axis=0), n),
        },
        index=pd.Index(items, name="item"),
    )


def _moments(values: Floats, known: Flags) -> tuple[Floats, Floats, Floats, Floats]:
    """Return mean, sd, G1 and G2 of each column (Joanes and Gill, 1998), missing where not defined."""
    n = known.sum(axis=0).astype(np.float64)
    mean = np.where(known, values, 0.0).sum(axis=0) / np.maximum(n, 1)
    deviations = np.where(known, values - mean, 0.0)
    m2, m3, m4 = ((deviations**power).sum(axis=0) / np.maximum(n, 1) for power in (2, 3, 4))
    varies = m2 > 1e-12
    spread = np.where(varies, m2, 1.0)
    g1, g2 = m3 / spread**1.5, m4 / spread**2 - 3
    sd = np.sqrt(m2 * n / np.maximum(n - 1, 1))
    skewness = g1 * np.sqrt(n * np.maximum(n - 1, 0)) / np.maximum(n - 2, 1)
    kurtosis = ((n + 1) * g2 + 6) * (n - 1) / np.maximum((n - 2) * (n - 3), 1)
    return (
        np.where(n > 0, mean, np.nan),
        np.where(n > 1, sd, np.nan),
        np.where((n > 2) & varies, skewness, np.nan),
        np.where((n > 3) & varies, kurtosis, np.nan),
    )


def _distribution(items: pd.Index, values: Floats, scale: list[int]) -> pd.DataFrame:
    return pd.DataFrame(
        {code: (values == code).sum(axis=0) for code in scale},
        index=pd.Index(items, name="item"),
        columns=pd.Index(scale, name="code"),
    )


def _flow(background: pd.DataFrame, known: Flags, beside: Flags, was_asked: Flags) -> tuple[pd.DataFrame, str]:
    """Return the flow by form and wave, and the sentence about everyone together."""
    asks = was_asked.sum(axis=1)
    rows = background.assign(
        _complete=(known | ~was_asked).all(axis=1) & (asks > 0),
        _no_blank=(known | beside | ~was_asked).all(axis=1) & (asks > 0),
        _no_answer=~known.any(axis=1),
        _percent=_percent(known.sum(axis=1), asks),
    )
    by = _form_and_wave(background)
    levels, row_of = _levels(by, len(rows))
    parts = [rows.iloc[np.flatnonzero(row_of == position)] for position in range(len(levels))]
    names = list(by.columns) or ["answers"]
    keys = levels if by.shape[1] else [("all",)]
    flow = pd.DataFrame([_flow_row(part) for part in parts], index=_index(keys, names))
    everyone = _flow_row(rows)
    counted = [f"{everyone[name]} {name}" for name in ("people", "organisations", "teams") if name in everyone]
    sentence = f"In all {everyone['responses']} responses" + (f" from {', '.join(counted)}" if counted else "")
    return (
        flow,
        sentence + f"; {everyone['complete']} complete, {everyone['no_answer']} without any answer on the scale.",
    )


def _flow_row(rows: pd.DataFrame) -> dict[str, Any]:
    row: dict[str, Any] = {"responses": len(rows)}
    if "person" in rows:
        row["people"] = int(rows["person"].nunique())
    if "organisation" in rows:
        row["organisations"] = int(rows["organisation"].nunique())
    if "team" in rows:
        stated = rows[rows["team"].notna()]
        # Teams of two organisations may share a name.
        within = [name for name in ("organisation", "team") if name in rows]
        row["teams"] = len(stated[within].drop_duplicates())
    row |= {name: int(rows[f"_{name}"].sum()) for name in ("complete", "no_blank", "no_answer")}
    percent = rows["_percent"].dropna()
    row["median_percent_answered"] = float(percent.median()) if len(percent) else np.nan
    return row


def _form_and_wave(background: pd.DataFrame) -> pd.DataFrame:
    return background[[name for name in ("form", "wave") if name in background]]


def _off_scale(background: pd.DataFrame, reasons: Places, names: list[str], was_asked: Flags) -> pd.DataFrame:
    by = _form_and_wave(background)
    levels, row_of = _levels(by, len(reasons))
    cells = _summed(was_asked, row_of, len(levels)).sum(axis=1)
    found = [(place, name) for place, name in enumerate(names) if ((reasons == place) & was_asked).any()]
    counts = [_summed((reasons == place) & was_asked, row_of, len(levels)).sum(axis=1) for place, _ in found]
    keys = [(*level, name) for level in levels for _, name in found]
    n = np.column_stack(counts).ravel() if counts else np.zeros(0, dtype=np.int64)
    return pd.DataFrame(
        {"n": n, "percent": _percent(n, np.repeat(cells, len(found)))}, index=_index(keys, [*by.columns, "reason"])
    )


def _off_scale_subscales(
    items: pd.Index,
    background: pd.DataFrame,
    could_not_judge: Flags,
    was_asked: Flags,
    subscales: Mapping[str, Sequence[str]] | None,
) -> pd.DataFrame:
    named = subscales or {}
    unknown = sorted(set(chain.from_iterable(named.values())) - set(items), key=str)
    if unknown:
        raise ValueError(
            f"`subscales` names items that are not there: {some_of(unknown)}. Name columns of `answers` alone."
        )
    by = background[[name for name in ("form",) if name in background]]
    levels, row_of = _levels(by, len(was_asked))
    unable = _summed(could_not_judge, row_of, len(levels))
    cells = _summed(was_asked, row_of, len(levels))
    members = [items.isin(list(group)) for group in named.values()]
    keys = [(name, *level) for name in named for level in levels]
    asked, n = (
        np.concatenate([count[:, mine].sum(axis=1) for mine in members]) if members else np.zeros(0, dtype=np.int64)
        for count in (cells, unable)
    )
    table = pd.DataFrame(
        {"asked": asked, "n": n, "percent": _percent(n, asked)}, index=_index(keys, ["subscale", *by.columns])
    )
    table["flagged"] = table["percent"] > _UNABLE
    return table


# --- Saying what stands out ------------------------------------------------------------------------


def _item_notes(table: pd.DataFrame) -> list[str]:
    notes = []
    blank = table["percent_missing"] > _BLANK
    if blank.any():
        notes.append(f"Left blank by over {_BLANK:g} % and to be reviewed: {some_of(table.index[blank])}.")
    extremes = [
        f"{int((table[column] > _EXTREME).sum())} of {len(table)} items have over {_EXTREME:g} % at the "
        f"{name} ({some_of(table.index[table[column] > _EXTREME])})"
        for name, column in (("lowest code", "percent_floor"), ("highest code", "percent_ceiling"))
        if (table[column] > _EXTREME).any()
    ]
    if extremes:
        notes.append(
            "; ".join(extremes)
            + ". The 15 % of Terwee et al. (2007) is meant for scores; single items exceed it easily."
        )
    empty = table.index[table["n"] == 0]
    if len(empty):
        notes.append(f"Items without any answer: {some_of(empty)}.")
    return notes


def _subscale_notes(table: pd.DataFrame) -> list[str]:
    if not table["flagged"].any():
        return []
    return [
        f"Over {_UNABLE:g} % could not judge (our own design rule): {some_of(_labels(table.index[table['flagged']]))}."
    ]
