"""Self-made codes with errors: how many links are false, how many are missed, and what is estimated of both."""

from __future__ import annotations

import tomllib
from functools import cache, partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.linking import Links, Mismatch, link_codes
from tests.simulations.counting import Condition, Draw, Measure, Promise

POPULATION = Path(__file__).parents[2] / "sample_data" / "population.toml"
ELEMENTS = [f"code{k}" for k in range(1, 7)]
FEW_FALSE = Promise(0.0, 0.01, "under 1 %")


@cache
def letters() -> tuple[tuple[NDArray[np.str_], NDArray[np.float64]], ...]:
    """Return for each element its letters and how often each occurs, as in the sample data."""
    stated = tomllib.loads(POPULATION.read_text(encoding="utf-8"))["codes"]["letters"]
    shares = [(np.array(list(each)), np.array(list(each.values()), dtype=float)) for each in stated.values()]
    return tuple((names, weights / weights.sum()) for names, weights in shares)


def draw_codes(
    rng: np.random.Generator,
    *,
    pools: int,
    size: int,
    overlap: float,
    error: tuple[float, float] = (0.03, 0.08),
    unknown: float = 0.02,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Draw both waves of several teams of one size; ``person`` tells who is who.

    An element is wrong, with a chance that is drawn anew for each element, when another person's letter stands in its
    place the second time (it may be the same letter). "X" is the person's answer at both waves.
    """
    both = round(overlap * size)
    people = 2 * size - both
    n = pools * people
    true = np.column_stack([rng.choice(names, size=n, p=share) for names, share in letters()])
    anew = np.column_stack([rng.choice(names, size=n, p=share) for names, share in letters()])
    true = np.where(rng.random(true.shape) < unknown, "X", true)
    wrong = rng.random(true.shape) < rng.uniform(*error, size=true.shape[1])
    place = np.tile(np.arange(people), pools)
    frames = []
    for code, chosen in ((true, place < size), (np.where(wrong, anew, true), place >= size - both)):
        frame = pd.DataFrame(code[chosen], columns=ELEMENTS).astype("string")
        frame["team"] = np.repeat(np.arange(pools), people)[chosen]
        frame["person"] = np.flatnonzero(chosen)
        # Rows tell nothing.
        frames.append(frame.iloc[rng.permutation(len(frame))].reset_index(drop=True))
    return frames[0], frames[1]


def link(before: pd.DataFrame, after: pd.DataFrame, *, most_false: float, mismatch: Mismatch = "one") -> Links:
    """Link them, each team being an organisation of its own."""
    return link_codes(
        before, after, elements=ELEMENTS, organisation="team", team="team", mismatch=mismatch, most_false=most_false
    )


def counted(before: pd.DataFrame, after: pd.DataFrame, links: Links) -> dict[str, float]:
    """Count what is true: false links by step, and people in both waves who are not linked."""
    first = before["person"].reindex(links.pairs["before"]).to_numpy()
    second = after["person"].reindex(links.pairs["after"]).to_numpy()
    is_false, one = first != second, (links.pairs["step"] == "one differing").to_numpy(dtype=bool)
    both = np.intersect1d(before["person"], after["person"]).size
    return {
        "links": len(first),
        "links_one": one.sum(),
        "false": is_false.sum(),
        "false_one": (is_false & one).sum(),
        "both": both,
        "missed": both - (~is_false).sum(),
    }


def draw_links(rng: np.random.Generator, *, pools: int, size: int, overlap: float, most_false: float) -> Draw:
    """Link one sample; a sample without links has no share of false ones."""
    before, after = draw_codes(rng, pools=pools, size=size, overlap=overlap)
    links = link(before, after, most_false=most_false)
    count = counted(before, after, links)
    row = links.table.loc["all"]
    some = count["links"] > 0
    realised = count["false"] / count["links"] if some else np.nan
    return {
        "false": realised,
        "false_estimated": float(row["false_share"]) if some else np.nan,
        "missed": count["missed"] / count["both"] if count["both"] else np.nan,
        "missed_estimated": float(row["missed_share"]),
    }


def _linking(pools: int, size: int, overlap: float, most_false: float) -> Condition:
    safe = most_false < 1 or (overlap >= 0.5 and size <= 100)
    return Condition(
        name=f"linking-{pools}x{size}-{overlap:.1f}-{'careful' if most_false < 1 else 'always'}",
        family="linking",
        words=f"codes of six elements, {pools} team{'s' * (pools > 1)} of {size} at each wave, {overlap:.0%} in both, second "
        + ("step where it is safe" if most_false < 1 else "step always"),
        n=str(pools * size),
        draws=2000,
        measures={
            "false": Measure("false links", "rate", FEW_FALSE if safe else None),
            "false_estimated": Measure("estimated share of false links", "rate"),
            "missed": Measure("missed links", "rate"),
            "missed_estimated": Measure("estimated share of missed links", "rate"),
        },
        draw=partial(draw_links, pools=pools, size=size, overlap=overlap, most_false=most_false),
    )


def conditions() -> list[Condition]:
    """Return the conditions: pools of teams and whole organisations, at half and at one tenth overlap."""
    designs = [(20, 15, 0.5), (20, 30, 0.5), (1, 100, 0.5), (1, 300, 0.5), (1, 300, 0.1), (1, 100, 0.1)]
    return [_linking(*design, most_false) for design in designs for most_false in (1.0, 0.01)]
