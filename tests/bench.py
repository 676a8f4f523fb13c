"""How long the statistics take, side by side in one run with R where R is there: `make bench`.

No test: times depend on the machine. Both sides compute with one thread on the same data, each is called once
to warm up, and the best of three calls counts. Without R, its column is empty.
"""

from __future__ import annotations

import os

# Before numpy is loaded, which reads it once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.exploratory import parallel_analysis
from analysis.mixed import contrast, fit_mixed
from instrument import read_instrument, read_responses, score

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "oracles" / "data"
PEOPLE = 100_000
CALLS = 3

# Name of the row → the R expression timed for it; `mixed` and `bfi` are read first.
IN_R = {
    "mixed model, five intercepts": "lme4::lmer(model, mixed)",
    "  with Satterthwaite's df": "summary(lmerTest::lmer(model, mixed))",
    "parallel analysis, 100 draws": 'psych::fa.parallel(bfi, fa = "both", n.iter = 100, plot = FALSE)',
}
R_SCRIPT = """
suppressMessages({{library(lme4); library(lmerTest); library(psych); library(jsonlite)}})
arguments <- commandArgs(trailingOnly = TRUE)
mixed <- na.omit(read.csv(file.path(arguments[1], "mixed_waves.csv")))
bfi <- na.omit(read.csv(file.path(arguments[1], "bfi.csv")))
model <- score ~ wave * programme + form + (1 | organisation) + (1 | organisation_wave) + (1 | team) +
  (1 | team_wave) + (1 | person)
best <- function(call) {{
  sink(nullfile()); on.exit(sink())
  suppressMessages(suppressWarnings({{
    set.seed(1); eval(call)
    min(replicate({calls}, system.time(eval(call))[["elapsed"]]))
  }}))
}}
cat(toJSON(list({expressions}), auto_unbox = TRUE, digits = NA))
"""


def best(call: Callable[[], object], *, calls: int = CALLS) -> float:
    """Return the shortest of several calls in seconds, after one that warms up."""
    call()
    times = []
    for _ in range(calls):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def in_r() -> dict[str, float]:
    """Time R on the same data; nothing without R or one of its packages."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return {}
    expressions = ", ".join(f"{json.dumps(name)} = best(quote({call}))" for name, call in IN_R.items())
    script = R_SCRIPT.format(calls=CALLS, expressions=expressions)
    done = subprocess.run([rscript, "--vanilla", "-e", script, str(DATA)], capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"R left out: {done.stderr.strip().splitlines()[-1]}")
        return {}
    return dict(json.loads(done.stdout[done.stdout.index("{") :]))


def mixed_problem() -> tuple[pd.Series, pd.DataFrame, pd.DataFrame]:
    data = pd.read_csv(DATA / "mixed_waves.csv").dropna()
    design = data[["wave", "programme", "form"]].astype(float)
    design.insert(0, "intercept", 1.0)
    design["wave:programme"] = design["wave"] * design["programme"]
    return data["score"], design, data[["organisation", "organisation_wave", "team", "team_wave", "person"]]


def many_people(folder: Path) -> Path:
    """Write a file of 100,000 responses: the sample data over and over, each person with a new number."""
    sample = pd.read_csv(ROOT / "sample_data" / "baseline.csv", dtype=str, keep_default_na=False)
    table = pd.concat([sample] * -(-PEOPLE // len(sample)), ignore_index=True).iloc[:PEOPLE]
    path = folder / "many.csv"
    table.assign(person=np.arange(1, PEOPLE + 1)).to_csv(path, index=False)
    return path


def ours() -> dict[str, float]:
    """Time our side."""
    outcome, design, groups = mixed_problem()
    terms = pd.DataFrame(np.eye(design.shape[1]), index=design.columns, columns=design.columns)
    bfi = pd.read_csv(DATA / "bfi.csv").dropna()
    instrument = read_instrument("pwiq")
    times = {
        "mixed model, five intercepts": best(lambda: fit_mixed(outcome, design, groups)),
        "  with Satterthwaite's df": best(lambda: contrast(fit_mixed(outcome, design, groups), terms)),
        "parallel analysis, 100 draws": best(lambda: parallel_analysis(bfi, draws=100)),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = many_people(Path(folder))
        times[f"read {PEOPLE:,} people, CSV"] = best(lambda: read_responses(path, instrument), calls=1)
        responses = read_responses(path, instrument)
        times[f"score {PEOPLE:,} people"] = best(lambda: score(responses))
    return times


def main() -> None:
    """Print the table."""
    theirs = in_r()
    print(f"{'':34}{'ours, s':>10}{'R, s':>10}{'R ÷ ours':>10}")
    for name, seconds in ours().items():
        other = theirs.get(name)
        compared = f"{other:10.3f}{other / seconds:10.1f}" if other is not None else f"{'–':>10}{'–':>10}"
        print(f"{name:34}{seconds:10.3f}{compared}")


if __name__ == "__main__":
    main()
