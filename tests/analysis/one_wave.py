"""A report of one wave of answers: what notebooks 02 and 07 release, and the one sentence of 06."""

import pandas as pd

from analysis.release import Shown

KEPT = ("07_priorities", "07_keep", "07_act", "07_signals", "07_gaps")


def with_one_wave(report, *, counts=("16", "16")):
    """Take from a report of two waves what needs both, and give it what is told of one."""
    means = report.tables["06_means"].query("wave == '1'")[["wave", "score", "n", "mean", "ci_low", "ci_high"]]
    report.tables = {name: table for name, table in report.tables.items() if name in KEPT}
    report.tables["02_means"] = means.reset_index(drop=True)
    report.tables["02_means_by_form"] = pd.concat(
        [means.assign(form=form, mean=mean, ci_low="") for form, mean in (("peers", "51"), ("colleagues", "57"))]
    )
    report.tables["02_flow"] = pd.DataFrame({"form": ["peers", "colleagues"], "wave": "1", "responses": counts})
    report.shown = [entry for entry in report.shown if entry.name in KEPT] + [
        Shown(kind="table", notebook="02_answers_and_scores", name="02_means", method="A method (Holm, 1979)."),
        Shown(kind="sentence", notebook="02", name="", text="Wave 1: 32 people answered.", headline=True),
        Shown(kind="sentence", notebook="06", name="", text="There is one wave of answers, so …", headline=True),
    ]
    return report
