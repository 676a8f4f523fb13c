"""How long the statistics take, side by side in one run with R where R is there: `make bench`.

No test: times depend on the machine. Both sides compute with one thread on the same data, each is called once
to warm up, and the best of three calls counts; what takes R a minute or more is called once on either side. Without
R, its column is empty. The table is printed and written to docs/speed.md.
"""

from __future__ import annotations

import os

# Before numpy is loaded, which reads it once.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import json
import platform
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from analysis import confirmatory, invariance, parallel_analysis, polychoric, reliability
from analysis.ladder import Ladder
from analysis.least_squares import fit_independence, fit_least_squares
from analysis.mixed import contrast, fit_mixed
from analysis.ordinal import ordinal_moments
from instrument import read_instrument, read_responses, score

ROOT = Path(__file__).parent.parent
DATA = ROOT / "tests" / "oracles" / "data"
PEOPLE = 100_000
CALLS = 3

TARGET = ROOT / "docs" / "speed.md"

# Name of the row → the R expression timed for it, and how often it is called. R_SCRIPT makes the data.
IN_R = {
    "mixed model, five intercepts": ("lme4::lmer(mixed_model, mixed)", CALLS),
    "  with Satterthwaite's df": ("summary(lmerTest::lmer(mixed_model, mixed))", CALLS),
    "parallel analysis, 100 draws": ('psych::fa.parallel(bfi1000, fa = "both", n.iter = 100, plot = FALSE)', CALLS),
    "polychorics, 25 items, n = 2,436": ("lavaan::lavCor(bfi, ordered = names(bfi))", CALLS),
    "polychorics, 40 items, n = 2,800": ("lavaan::lavCor(forty, ordered = names(forty))", CALLS),
    "ML, 5 factors, 25 items": ("lavaan::cfa(five, bfi, std.lv = TRUE)", CALLS),
    "MLR, 5 factors, 25 items": ('lavaan::cfa(five, bfi, std.lv = TRUE, estimator = "MLR")', CALLS),
    "FIML, 5 factors, 25 items, gaps": ('lavaan::cfa(five, gaps, std.lv = TRUE, missing = "fiml")', CALLS),
    "WLSMV, 5 factors, 25 items": ("lavaan::cfa(five, bfi, std.lv = TRUE, ordered = TRUE)", CALLS),
    "  the fit and its tests alone": ("lavaan::cfa(five, bfi, std.lv = TRUE, ordered = TRUE)", CALLS),
    "WLSMV, 11 factors, 66 items, n = 2,000": ("lavaan::cfa(eleven, large, std.lv = TRUE, ordered = TRUE)", 1),
    "ordinal invariance, 5 models with tests": ("ladder()", 1),
    "omega, 1,000 bootstrap samples": ("boot_omega()", 1),
}
R_SCRIPT = """
suppressMessages({{library(lavaan); library(semTools); library(lme4); library(lmerTest); library(psych); library(jsonlite)}})
arguments <- commandArgs(trailingOnly = TRUE)
read <- function(name, folder = arguments[1]) read.csv(file.path(folder, name))
mixed <- na.omit(read("mixed_waves.csv"))
mixed_model <- score ~ wave * programme + form + (1 | organisation) + (1 | organisation_wave) + (1 | team) +
  (1 | team_wave) + (1 | person)
bfi1000 <- na.omit(read("bfi.csv"))
people <- read("bfi_people.csv")
gaps <- people[, 1:25]
grouped <- na.omit(people)
bfi <- na.omit(gaps)
forty <- read("forty.csv", arguments[2])
large <- read("large.csv", arguments[2])
model <- function(letters, size) paste(sapply(letters, function(f) paste(f, "=~", paste0(f, seq_len(size),
  collapse = " + "))), collapse = "\\n")
five <- model(c("A", "C", "E", "N", "O"), 5)
eleven <- model(paste0("f", letters[1:11]), 6)
ladder <- function() {{
  equal <- c("thresholds", "loadings", "intercepts", "residuals")
  fits <- lapply(0:4, function(step) {{
    syntax <- as.character(measEq.syntax(configural.model = five, data = grouped, ordered = names(bfi),
      parameterization = "theta", ID.fac = "std.lv", ID.cat = "Wu.Estabrook.2016", group = "gender",
      group.equal = if (step) equal[seq_len(step)] else ""))
    cfa(syntax, grouped, group = "gender", ordered = names(bfi), parameterization = "theta")
  }})
  for (step in 2:5) lavTestLRT(fits[[step - 1]], fits[[step]], method = "satorra.2000", A.method = "delta")
}}
boot_omega <- function() for (draw in 1:1000) {{
  rows <- sample(nrow(bfi), replace = TRUE)
  f <- cfa("f =~ N1 + N2 + N3 + N4 + N5", bfi[rows, ], std.lv = TRUE, se = "none", test = "none")
  e <- lavInspect(f, "est")
  sum(e$lambda)^2 / (sum(e$lambda)^2 + sum(e$theta))
}}
best <- function(call, calls) {{
  sink(nullfile()); on.exit(sink())
  suppressMessages(suppressWarnings({{
    set.seed(1); if (calls > 1) eval(call)
    min(replicate(calls, system.time(eval(call))[["elapsed"]]))
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


def in_r(folder: Path) -> dict[str, float]:
    """Time R on the same data; nothing without R or one of its packages."""
    rscript = shutil.which("Rscript")
    if rscript is None:
        return {}
    expressions = ", ".join(
        f"{json.dumps(name)} = best(quote({call}), {calls})" for name, (call, calls) in IN_R.items()
    )
    script = folder / "bench.R"
    script.write_text(R_SCRIPT.format(expressions=expressions), encoding="utf-8")
    done = subprocess.run(
        [rscript, "--vanilla", str(script), str(DATA), str(folder)], capture_output=True, text=True, check=False
    )
    if done.returncode:
        print(f"R left out: {done.stderr.strip().splitlines()[-1]}")
        return {}
    return dict(json.loads(done.stdout[done.stdout.index("{") :]))


def forty_items() -> pd.DataFrame:
    """Forty six-point items of 2,800 people: bfi's, and fifteen of them once more with some answers drawn anew."""
    rng = np.random.default_rng(1)
    bfi = pd.read_csv(DATA / "bfi_people.csv").drop(columns="gender").dropna()
    sample = bfi.iloc[rng.integers(len(bfi), size=2800)].reset_index(drop=True)
    again = sample.iloc[:, :15].where(rng.random((2800, 15)) < 0.65, rng.integers(1, 7, size=(2800, 15)))
    return pd.concat([sample, again.add_suffix("x")], axis=1).astype(int)


def large_model() -> pd.DataFrame:
    """Sixty-six five-point items of eleven factors, 2,000 people."""
    rng = np.random.default_rng(2)
    factors = rng.multivariate_normal(np.zeros(11), 0.5 * np.eye(11) + 0.5, size=2000)
    behind = 0.7 * np.repeat(factors, 6, axis=1) + np.sqrt(0.51) * rng.normal(size=(2000, 66))
    names = [f"f{letter}{item}" for letter in "abcdefghijk" for item in range(1, 7)]
    return pd.DataFrame(np.digitize(behind, [-1.5, -0.6, 0.3, 1.2]) + 1, columns=names)


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


def ours(folder: Path) -> dict[str, float]:
    """Time our side; the large model last, so that the memory that it needs can be told."""
    outcome, design, groups = mixed_problem()
    terms = pd.DataFrame(np.eye(design.shape[1]), index=design.columns, columns=design.columns)
    bfi1000 = pd.read_csv(DATA / "bfi.csv").dropna()
    people = pd.read_csv(DATA / "bfi_people.csv")
    gaps, grouped = people.drop(columns="gender"), people.dropna().reset_index(drop=True)
    bfi = gaps.dropna()
    forty, large = (pd.read_csv(folder / name) for name in ("forty.csv", "large.csv"))
    five = {factor: [f"{factor}{item}" for item in range(1, 6)] for factor in "ACENO"}
    eleven = {f"f{letter}": [f"f{letter}{item}" for item in range(1, 7)] for letter in "abcdefghijk"}
    instrument = read_instrument("pwiq")
    times = {
        "mixed model, five intercepts": best(lambda: fit_mixed(outcome, design, groups)),
        "  with Satterthwaite's df": best(lambda: contrast(fit_mixed(outcome, design, groups), terms)),
        "parallel analysis, 100 draws": best(lambda: parallel_analysis(bfi1000, draws=100)),
        "polychorics, 25 items, n = 2,436": best(lambda: polychoric(bfi)),
        "polychorics, 40 items, n = 2,800": best(lambda: polychoric(forty)),
        "ML, 5 factors, 25 items": best(lambda: confirmatory(bfi, five, estimator="ML")),
        "MLR, 5 factors, 25 items": best(lambda: confirmatory(bfi, five, estimator="MLR")),
        "FIML, 5 factors, 25 items, gaps": best(lambda: confirmatory(gaps, five, estimator="ML", missing="fiml")),
        "WLSMV, 5 factors, 25 items": best(lambda: confirmatory(bfi, five)),
        "  the fit and its tests alone": best(lambda: fit_alone(bfi, five)),
        "ordinal invariance, 5 models with tests": best(
            lambda: invariance(grouped[bfi.columns], grouped["gender"], five), calls=1
        ),
        "omega, 1,000 bootstrap samples": best(
            lambda: reliability(bfi[five["N"]], coefficients=["omega"], interval="bootstrap", draws=1000), calls=1
        ),
    }
    path = many_people(folder)
    times[f"read {PEOPLE:,} people, CSV"] = best(lambda: read_responses(path, instrument), calls=1)
    responses = read_responses(path, instrument)
    times[f"score {PEOPLE:,} people"] = best(lambda: score(responses))
    times["WLSMV, 11 factors, 66 items, n = 2,000"] = best(lambda: confirmatory(large, eleven), calls=1)
    return times


def fit_alone(bfi: pd.DataFrame, five: dict[str, list[str]]) -> None:
    """Do what lavaan's `cfa` does, and no more: moments, model, baseline and their tests."""
    moments = ordinal_moments(bfi)
    place = {item: position for position, item in enumerate(bfi.columns)}
    ladder = Ladder(
        items=tuple(bfi.columns),
        factors={factor: tuple(place[item] for item in items) for factor, items in five.items()},
        blocks=("everyone",),
        thresholds=tuple(len(each) for each in moments.thresholds),
    )
    fit_least_squares([moments], ladder.model(()))
    fit_independence([moments])


def page(seconds: dict[str, float], theirs: dict[str, float]) -> str:
    """Return the table as a page."""
    rows = []
    for name, own in seconds.items():
        other = f"{theirs[name]:.2f} | {_ratio(theirs[name] / own)} ×" if name in theirs else "– | –"
        rows.append(f"| {name.strip()} | {own:.3f} | {other} |")
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return "\n".join(
        [
            "# Speed",
            "",
            "Written by `make bench`: both sides in one run, one thread, the same data, the best of three calls (one call of "
            "what takes R a minute). In R: lavaan, semTools, psych, lmerTest. Ours includes all tables that `confirmatory` "
            "and `invariance` return (modification indices, scores, notes). Times depend on the machine, ratios less so.",
            "",
            "| What | Ours, s | R, s | R ÷ ours |",
            "|---|--:|--:|--:|",
            *rows,
            "",
            f"Python {platform.python_version()}, numpy {np.__version__}. Most memory at any time: {memory:.1f} GB. "
            "In R, omega is bootstrapped with lavaan, without its standard errors.",
            "",
        ]
    )


def _ratio(value: float) -> str:
    return f"{value:.0f}" if value >= 10 else f"{value:.1f}"


def main() -> None:
    """Print the table and write it down."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        forty_items().to_csv(folder / "forty.csv", index=False)
        large_model().to_csv(folder / "large.csv", index=False)
        theirs = in_r(folder)
        seconds = ours(folder)
    print(f"{'':42}{'ours, s':>10}{'R, s':>10}{'R ÷ ours':>10}")
    for row, own in seconds.items():
        other = theirs.get(row)
        compared = f"{other:10.3f}{other / own:10.1f}" if other is not None else f"{'–':>10}{'–':>10}"
        print(f"{row:42}{own:10.3f}{compared}")
    if theirs:
        TARGET.write_text(page(seconds, theirs), encoding="utf-8")
        print(f"written to {TARGET.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
