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

from analysis.confirmatory import confirmatory
from tests.simulations.counting import generator
from tests.simulations.models import MODEL, sample
from tests.simulations.population import CUTS

N = 150
SCRIPT = Path(__file__).parent / "lavaan_rate.R"


def compare(draws: int) -> dict[str, Any]:
    """Fit both to the same samples of 150 people and return how often each rejects the true model."""
    found: dict[str, Any] = {}
    for kind in CUTS:
        frames, ours = [], []
        for replication in range(draws):
            answers = sample(generator(f"model-three-WLSMV-{kind}-{N}", replication), n=N, kind=kind)
            frames.append(answers.assign(draw=replication))
            try:
                ours.append(float(confirmatory(answers, MODEL).fit["p_scaled"]))
            except ValueError:
                ours.append(np.nan)
        p, versions = in_lavaan(pd.concat(frames))
        both = np.isfinite(ours) & np.isfinite(p)
        mine, theirs = np.asarray(ours)[both], np.asarray(p)[both]
        found[kind] = {
            "n": N,
            "draws": draws,
            "compared": int(both.sum()),
            "refused": int((~np.isfinite(ours)).sum()),
            "refused_lavaan": int((~np.isfinite(p)).sum()),
            "rejected": int((mine < 0.05).sum()),
            "rejected_lavaan": int((theirs < 0.05).sum()),
            "decided_alike": int(((mine < 0.05) == (theirs < 0.05)).sum()),
            "largest_difference_of_p": float(np.abs(mine - theirs).max()),
        } | versions
    return found


def in_lavaan(answers: pd.DataFrame) -> tuple[list[float], dict[str, str]]:
    """Return lavaan's p of each draw, nan where it gives none, and the versions of R and lavaan."""
    program = shutil.which("Rscript")
    if program is None:
        raise SystemExit("Rscript is not installed: this comparison needs R with lavaan")
    with tempfile.TemporaryDirectory() as folder:
        answers.to_csv(Path(folder) / "answers.csv", index=False)
        subprocess.run([program, "--vanilla", str(SCRIPT), folder], check=True)
        told = json.loads((Path(folder) / "p.json").read_text(encoding="utf-8"))
    p = [np.nan if value is None else float(value) for value in told["p"]]
    return p, {"R": told["R"], "lavaan": told["lavaan"]}
