"""How long two waves of 100,000 people in 3,000 teams take: ``python tests/large_waves.py [people] [teams]``.

Not a test: it takes minutes. The answers are those of the sample data, drawn with replacement, so that only the time tells
something.
"""

from __future__ import annotations

import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis import compare_waves, link_waves, priorities
from analysis.comparability import comparability
from instrument import read_instrument, read_responses
from instrument.responses import split_waves

SAMPLE = Path(__file__).parent.parent / "sample_data"
CODES = [f"code{number}" for number in range(1, 7)]


def waves(people: int, teams: int, rng: np.random.Generator) -> list[pd.DataFrame]:
    """Return two waves; half of the people answer twice, with the same code, form and team."""
    frames = []
    team = rng.integers(teams, size=people)
    letters = np.array(list("ABCDEFGHIJKLMNOPRSTUVW"))
    codes = pd.DataFrame(rng.choice(letters, (people + people // 2, len(CODES))), columns=CODES)
    form = rng.choice(["P", "C", "M"], size=people + people // 2, p=[0.25, 0.6, 0.15])
    for wave, name in enumerate(("baseline", "followup")):
        rows = np.arange(people) + wave * (people // 2)
        source = pd.read_csv(SAMPLE / f"{name}.csv", dtype=str, keep_default_na=False)
        drawn = np.empty(people, dtype=int)
        for each in ("P", "C", "M"):
            mine = form[rows] == each
            drawn[mine] = rng.choice(source.index[source["form"] == each], mine.sum())
        frame = source.loc[drawn].reset_index(drop=True).drop(columns=["person", *CODES])
        places = team[rows % people]
        frame["team"] = [f"team{place}" for place in places]
        frame["organisation"] = [f"place{place // 8}" for place in places]
        frame["programme"] = ((places // 8) % 2).astype(str)
        frames.append(frame.join(codes.iloc[rows].reset_index(drop=True)))
    return frames


def timed(what: str, step: Callable[[], Any]) -> Any:
    start = time.perf_counter()
    found = step()
    print(f"{what}: {time.perf_counter() - start:.0f} s", flush=True)
    return found


def main(people: int = 100_000, teams: int = 3_000) -> None:
    print(f"{people} people a wave in {teams} teams")
    definition = read_instrument("pwiq")
    with tempfile.TemporaryDirectory() as folder:
        files = []
        for number, frame in enumerate(waves(people, teams, np.random.default_rng(1))):
            files.append(Path(folder) / f"wave{number}.csv")
            frame.to_csv(files[-1], index=False)
        responses = timed("read", lambda: read_responses(files, definition))
    before, after = split_waves(responses).values()
    links = timed("link_waves", lambda: link_waves(before, after))
    print(f"{len(links.pairs)} linked", flush=True)
    timed("compare_waves", lambda: compare_waves(before, after, link=links))
    timed("comparability", lambda: comparability(before, after, links=links))
    timed("priorities", lambda: priorities(after))


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
