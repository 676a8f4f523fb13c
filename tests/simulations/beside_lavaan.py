"""The scaled-shifted model test beside lavaan's, on the same draws: a rate may be wrong in the method, not in the code."""

from __future__ import annotations

import json
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from analysis.confirmatory import confirmatory
from tests.simulations.counting import covered, generator
from tests.simulations.models import MODEL, sample, truth
from tests.simulations.population import CUTS

N = 150
SCRIPT = Path(__file__).parent / "lavaan_rate.R"


def compare(draws: int) -> dict[str, Any]:
    """Fit both to the same samples of 150 people.

    Returns, by kind of answers, how often each rejects the true model and how often its default 95 % intervals of
    standardised loadings and factor correlations hold the truth.
    """
    found: dict[str, Any] = {}
    for kind in CUTS:
        samples = [sample(generator(f"model-three-WLSMV-{kind}-{N}", at), n=N, kind=kind) for at in range(draws)]
        ours = [_ours(each) for each in tqdm(samples, desc=f"{kind} answers", mininterval=5)]
        theirs, versions = _theirs(samples)
        both = [at for at in range(draws) if ours[at] is not None and theirs[at] is not None]
        p = np.array([[each[at]["p"] for at in both] for each in (ours, theirs)], dtype=float)
        decisions = p < 0.05
        found[kind] = {
            "n": N,
            "draws": draws,
            "compared": len(both),
            "rejected": int(decisions[0].sum()),
            "rejected_lavaan": int(decisions[1].sum()),
            "decided_alike": int((decisions[0] == decisions[1]).sum()),
            "largest_difference_of_p": float(np.abs(p[0] - p[1]).max()),
        } | versions
        for what, wanted in zip(("loadings", "correlations"), truth("three", kind, "WLSMV"), strict=True):
            for name, each in (("", ours), ("_lavaan", theirs)):
                bounds = np.array([each[at][what] for at in both], dtype=float)
                found[kind][f"{what}_covered{name}"] = float(covered(bounds[..., 0], bounds[..., 1], wanted).mean())
    return found


def _ours(answers: pd.DataFrame) -> dict[str, Any] | None:
    try:
        fit = confirmatory(answers, MODEL)
    except ValueError:
        return None
    return {
        "p": fit.fit["p_scaled"],
        "loadings": fit.loadings[["std_ci_low", "std_ci_high"]].to_numpy(),
        "correlations": fit.correlations[["ci_low", "ci_high"]].to_numpy(),
    }


def _theirs(samples: list[pd.DataFrame]) -> tuple[list[dict[str, Any] | None], dict[str, str]]:
    """Return lavaan's fits, None where there is none, and the versions of R and lavaan."""
    program = shutil.which("Rscript")
    if program is None:
        raise SystemExit("Rscript is not installed: this comparison needs R with lavaan")
    with tempfile.TemporaryDirectory() as folder:
        numbered = pd.concat([each.assign(draw=at) for at, each in enumerate(samples)])
        numbered.to_csv(Path(folder) / "answers.csv", index=False)
        subprocess.run([program, "--vanilla", str(SCRIPT), folder], check=True)
        told = json.loads((Path(folder) / "fits.json").read_text(encoding="utf-8"))
    fits: list[dict[str, Any] | None] = [each or None for each in told["fits"]]
    return fits, {"R": told["R"], "lavaan": told["lavaan"]}
