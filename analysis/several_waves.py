"""Three waves or more in one frame: scored on the same items, and each person known wherever a link says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Literal

import numpy as np
import pandas as pd
from scipy import sparse
from scipy.sparse import csgraph

from analysis.linking import link_waves
from instrument.responses import Responses
from instrument.scoring import Metric, comparable_items, score

_FEWEST = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class SeveralWaves:
    """Scores of several waves, and what is known of each response: what `analysis.trends.trends` takes.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score, wave after wave. The index counts 0, 1, …
    rows : pandas.DataFrame
        Same index: ``wave`` (0, 1, 2 …, in the order given), ``person``; ``form``, ``organisation``, ``team`` where
        there are several.
    notes : tuple of str
    """

    scores: pd.DataFrame
    rows: pd.DataFrame
    notes: tuple[str, ...]


def score_several_waves(
    waves: Sequence[Responses],
    *,
    by: Literal["code", "person"] = "code",
    mismatch: Literal["one", "none"] = "one",
    items: Literal["own", "common", "short"] | Sequence[str] | None = None,
    metric: Metric = "pomp",
) -> SeveralWaves:
    """Score three waves or more on the same items and link each with each.

    Parameters
    ----------
    waves : sequence of Responses
        One wave each, in the order of time, read with one definition.
    by, mismatch
        As for `analysis.linking.link_waves`, which links each wave with each other.
    items : {"own", "common", "short"} or list of item ids, optional
        As for `instrument.scoring.score`; default: what all of these responses can be compared on.
    metric : {"pomp", "mean"}

    Returns
    -------
    SeveralWaves
        Somebody whom links would give two answers in one wave is not linked at all, with a note.

    Raises
    ------
    ValueError
        If there are fewer than three waves, a wave has no answers, or the definitions differ.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> pwiq = read_instrument("pwiq")
    >>> files = ("baseline", "followup", "null_followup")  # the last stands for a third wave
    >>> waves = score_several_waves([read_responses(f"sample_data/{name}.csv", pwiq) for name in files])
    >>> waves.rows["wave"].value_counts(sort=False).to_dict()
    {0: 900, 1: 700, 2: 700}
    """
    if len(waves) < _FEWEST:
        raise ValueError(f"at least {_FEWEST} waves are needed, got {len(waves)}; two are compared with compare_waves")
    empty = [number for number, wave in enumerate(waves) if not len(wave.answers)]
    if empty:
        raise ValueError(f"wave {empty[0]} (counted from 0) has no answers; leave it out")
    first = waves[0].instrument
    other = [number for number, wave in enumerate(waves) if wave.instrument.digest != first.digest]
    if other:
        raise ValueError(
            f"wave {other[0]} (counted from 0) was read with another definition than the first; read all with one"
        )
    scores = pd.concat(
        [score(wave, metric=metric, items=comparable_items(*waves) if items is None else items) for wave in waves],
        ignore_index=True,
    )
    absent = [name for name in scores if scores[name].isna().all()]
    notes = [f"Not scored for anyone, so left out: {', '.join(absent)}."] if absent else []
    people = pd.concat([wave.people for wave in waves], ignore_index=True)
    rows = pd.DataFrame({"wave": np.repeat(range(len(waves)), [len(wave.answers) for wave in waves])})
    rows["person"] = _people(waves, rows["wave"].to_numpy(), notes, by=by, mismatch=mismatch)
    if first.forms:
        full = {form.id: form.short_of or form.id for form in first.forms}
        rows["form"] = people["form"].map(full).astype(object)
    for name in ("organisation", "team"):
        if name in people and people[name].nunique() > 1:
            rows[name] = people[name].astype(object)
    return SeveralWaves(scores=scores.drop(columns=absent), rows=rows, notes=tuple(notes))


def _people(
    waves: Sequence[Responses],
    wave: np.ndarray[tuple[int, ...], np.dtype[np.int64]],
    notes: list[str],
    *,
    by: Literal["code", "person"],
    mismatch: Literal["one", "none"],
) -> np.ndarray[tuple[int, ...], np.dtype[np.int64]]:
    """Return a number for each person: responses joined by links, over any number of waves."""
    start = np.concatenate([[0], np.cumsum([len(each.answers) for each in waves])])
    ends: list[list[int]] = [[], []]
    for early, late in combinations(range(len(waves)), 2):
        pairs = link_waves(waves[early], waves[late], by=by, mismatch=mismatch).pairs
        for side, (number, name) in enumerate(((early, "before"), (late, "after"))):
            ends[side] += (start[number] + waves[number].people.index.get_indexer(pairs[name])).tolist()
    total = int(start[-1])
    joined = sparse.coo_array((np.ones(len(ends[0])), (ends[0], ends[1])), shape=(total, total))
    person = np.asarray(csgraph.connected_components(joined, directed=False)[1], dtype=np.int64)
    counts = pd.DataFrame({"person": person, "wave": wave}).duplicated(keep=False).to_numpy()
    torn = np.isin(person, np.unique(person[counts]))
    if torn.any():
        notes.append(
            f"{len(np.unique(person[torn]))} people were left unlinked: links between pairs of waves would give them two "
            "answers in one wave."
        )
        person[torn] = person.max() + 1 + np.arange(int(torn.sum()))
    if not ends[0]:
        notes.append("Nobody is linked: the answers of the waves count as those of different people.")
    return person
