"""Truth by simulation: bias, coverage of intervals and error rates of tests, in populations with known values.

`make simulations` calls it; what is there already counts, so that an interrupted run goes on where it stopped::

    python tests/simulations/run.py                    # every condition up to its own number of replications
    python tests/simulations/run.py --draws 300        # at most 300 replications of each
    python tests/simulations/run.py --only ladders     # conditions whose name or family contains this
    python tests/simulations/run.py --only retest --again   # forget what is there, as after a change of the method
    python tests/simulations/run.py --list             # conditions and how far each is
    python tests/simulations/run.py --page             # nothing but docs/simulations.md
    python tests/simulations/run.py --lavaan 300       # the model test beside lavaan's on the same draws (needs R)
"""

from __future__ import annotations

import os

# Before numpy is loaded, which reads it once: replications run side by side, not matrices.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import json
import multiprocessing
import time
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any

from tqdm import tqdm

from tests.simulations import (
    beside_lavaan,
    change,
    consistency,
    exploration,
    gaps,
    ladders,
    linking,
    models,
    moments,
    occasions,
    page,
    planning,
    responses,
)
from tests.simulations.counting import SEED, Condition, Draw, Tally, replicate

HERE = Path(__file__).parent
RESULTS = HERE / "results.json"
PAGE = HERE.parent.parent / "docs" / "simulations.md"
# So many replications at once, and so many seconds at least between two savings: a saving writes the whole page.
BATCH = 100
SECONDS = 20.0
CONDITIONS: dict[str, Condition] = {
    condition.name: condition
    for module in (
        moments,
        models,
        ladders,
        consistency,
        occasions,
        responses,
        gaps,
        exploration,
        planning,
        linking,
        change,
    )
    for condition in module.conditions()
}


def read(path: Path = RESULTS) -> dict[str, Any]:
    """Read what is stored."""
    if not path.exists():
        return {"seed": SEED, "conditions": {}}
    stored: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    if stored["seed"] != SEED:
        raise ValueError(f"{path.name} was made with the seed {stored['seed']}, not {SEED}: delete it first")
    return stored


def write(stored: dict[str, Any], path: Path = RESULTS) -> None:
    """Write to a temporary name first, then rename: an interrupted run leaves a whole file, and its page."""
    ordered = {name: stored["conditions"][name] for name in CONDITIONS if name in stored["conditions"]}
    stored = stored | {"conditions": ordered}
    # One line a condition: what has changed can be seen.
    lines = ",\n".join(f"{json.dumps(name)}: {json.dumps(known)}" for name, known in ordered.items())
    rest = json.dumps({key: value for key, value in stored.items() if key != "conditions"})
    temporary = path.with_suffix(".part")
    temporary.write_text(f'{rest[:-1]}, "conditions": {{\n{lines}\n}}}}\n', encoding="utf-8")
    temporary.replace(path)
    if path == RESULTS:
        PAGE.write_text(page.page(CONDITIONS, stored), encoding="utf-8")


def tally_of(condition: Condition, stored: dict[str, Any]) -> Tally:
    """Return what is known of a condition; nothing if it measures other things than before."""
    known = stored["conditions"].get(condition.name)
    fresh = Tally.empty(condition)
    if known is None:
        return fresh
    same = {name: len(sums["n"]) for name, sums in known["measures"].items()} == {
        name: len(sums["n"]) for name, sums in fresh.measures.items()
    }
    return Tally(**known) if same else fresh


def one(name: str, replication: int) -> Draw | str:
    """Run one replication of a condition, by name: what a process is told."""
    return replicate(CONDITIONS[name], replication)


def _short(sums: dict[str, list[float]]) -> dict[str, list[float]]:
    return {key: [float(f"{value:.9g}") for value in values] for key, values in sums.items()}


def simulate(condition: Condition, *, draws: int, pool: Any, path: Path = RESULTS) -> None:
    """Add replications up to ``draws``, saving now and then."""
    tally = tally_of(condition, read(path))
    if tally.draws >= draws:
        return
    saved = time.monotonic()
    with tqdm(total=draws, initial=tally.draws, desc=condition.name, mininterval=5) as bar:
        while tally.draws < draws:
            batch = range(tally.draws, min(tally.draws + BATCH, draws))
            for found in pool.imap(partial(one, condition.name), batch, chunksize=5):
                tally.add(found)
                bar.update()
            if tally.draws < draws and time.monotonic() - saved < SECONDS:
                continue
            saved = time.monotonic()
            # Read anew: another run may have saved other conditions meanwhile.
            stored = read(path)
            stored["conditions"][condition.name] = {
                "draws": tally.draws,
                "refused": tally.refused,
                "measures": {name: _short(sums) for name, sums in tally.measures.items()},
            }
            write(stored, path)


def chosen(only: Iterable[str]) -> list[Condition]:
    """Return the conditions whose name or family contains one of these words; all without any."""
    wanted = list(only)
    found = [
        each
        for each in CONDITIONS.values()
        if not wanted or any(word in each.name or word in each.family for word in wanted)
    ]
    if not found:
        raise SystemExit(f"no condition is called like {', '.join(wanted)}; --list shows all")
    return found


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Simulate, and write docs/simulations.md.")
    parser.add_argument("--draws", type=int, default=None, help="at most so many replications of each condition")
    parser.add_argument("--only", action="append", default=[], help="part of the name or family of conditions")
    parser.add_argument("--again", action="store_true", help="forget stored replications of these conditions")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--list", action="store_true", help="show the conditions and how far each is")
    parser.add_argument("--page", action="store_true", help="write the page from what is stored, and do no more")
    parser.add_argument("--lavaan", type=int, default=0, metavar="DRAWS", help="compare the model test with lavaan's")
    options = parser.parse_args()
    stored = read()
    if options.list:
        for each in chosen(options.only):
            print(f"{each.name:36} {tally_of(each, stored).draws:5} of {each.draws}  {each.words}")
        return
    if options.lavaan:
        compared = beside_lavaan.compare(options.lavaan)
        write(read() | {"lavaan": compared})
    elif options.page:
        write(stored)
    else:
        if options.again:
            for each in chosen(options.only):
                stored["conditions"].pop(each.name, None)
            write(stored)
        with multiprocessing.Pool(options.processes) as pool:
            for each in chosen(options.only):
                simulate(each, draws=min(each.draws, options.draws or each.draws), pool=pool)


if __name__ == "__main__":
    main()
