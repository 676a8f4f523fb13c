"""Regression to the mean: the published formula, R, and simulated people among whom nothing changed."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.linked_people import linked_people
from analysis.regression_to_the_mean import expected_regression, regression_to_the_mean

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "regression_to_the_mean.json").read_text(encoding="utf-8"))
R = f"R {ORACLE['versions']['R']}"
DATA = pd.read_csv(ORACLES / "data" / "change.csv")
LINKED = linked_people(DATA[["total", "part"]], DATA[["wave", "person"]])


def test_the_example_of_barnett_and_others(agrees):
    for side, sign in (("lowest", 1), ("highest", -1)):
        ours = [sign * expected_regression(60, 15, reliability=r, cut=40, side=side) for r in ORACLE["rho"]]
        agrees(
            f"regression, {side}",
            ours,
            ORACLE["published"][side],
            oracle="Barnett et al. (2005), R code",
            absolute=1e-10,
        )


def test_linked_people_are_as_in_r(agrees):
    table = regression_to_the_mean(LINKED.before, LINKED.after, reliability={"total": 0.8, "part": 0.6}).table
    for score in ("total", "part"):
        for side in ("lowest", "highest"):
            row, theirs = table.loc[(score, side)], ORACLE[score][side]
            columns = ["n", "mean_before", "estimate", "se", "df", "regression", "shift"]
            columns += ["beyond", "beyond_low", "beyond_high"]
            agrees(
                f"{score}, {side}",
                row[columns],
                [theirs[name] for name in columns],
                oracle=f"{R} t.test",
                absolute=1e-8,
            )
            agrees(f"{score}, {side}, interval", row[["ci_low", "ci_high"]], theirs["ci"], oracle=R, absolute=1e-8)
            assert row["expected"] == row["regression"] + row["shift"]


def people(rng, n, *, gain_of_the_lowest=0.0, skewed=False):
    true = rng.gamma(2, 10, n) if skewed else rng.normal(50, 12, n)
    error = rng.normal(0, 6, (n, 2))
    before = true + error[:, 0]
    after = true + error[:, 1] + 3 + gain_of_the_lowest * (before <= np.quantile(before, 1 / 3))
    return pd.DataFrame({"x": before}), pd.DataFrame({"x": after}), true.var() / (true.var() + 36)


def test_without_a_change_of_their_own_the_selected_move_as_expected():
    before, after, reliability = people(np.random.default_rng(2), 20_000)
    found = regression_to_the_mean(before, after, reliability=reliability).table
    # Standard error of the mean change of a third: 8.5/√6667 = .1.
    np.testing.assert_allclose(found["estimate"], found["expected"].astype(float), atol=0.35)
    lowest = expected_regression(before["x"].mean(), before["x"].std(), reliability=reliability,
                                 cut=before["x"].quantile(1 / 3), side="lowest")  # fmt: skip
    # For normal scores the published formula and ours agree but for sampling.
    assert found.loc[("x", "lowest"), "regression"] == pytest.approx(lowest, abs=0.1)
    assert found.loc[("x", "lowest"), "estimate"] > 3 + 1  # a rise of 3 for all, and more for them
    assert found.loc[("x", "highest"), "estimate"] < 3 - 1


def test_verdicts_claim_in_one_of_twenty_null_runs_and_see_a_gain():
    rng = np.random.default_rng(5)
    true = rng.normal(50, 12, (90, 60))
    waves = [pd.DataFrame(true + rng.normal(0, 6, true.shape)) for _ in range(2)]
    verdicts = regression_to_the_mean(*waves, reliability=144 / 180).table["verdict"].xs("lowest", level="selected")
    said = verdicts != "no more than expected"
    # 60 runs: more than 8 happens three times in 1,000 at 5 %.
    assert sum(said) <= 8
    before, after, reliability = people(rng, 600, gain_of_the_lowest=6)
    found = regression_to_the_mean(before, after, reliability=reliability)
    assert found.table.loc[("x", "lowest"), "verdict"] == "more than expected"
    assert "1 of 1 scores (x)" in found.sentence


def test_a_reliability_that_is_too_high_is_found_out():
    before, after, reliability = people(np.random.default_rng(3), 2000)
    found = regression_to_the_mean(before, after, reliability=(1 + reliability) / 2)
    assert (found.table["verdict"] == "both ends moved to the middle").all()
    assert "nothing can be said" in found.sentence
    assert "rose by more than regression" not in found.sentence


def test_teams_that_move_together_make_the_interval_wider():
    rng = np.random.default_rng(2)
    team = pd.Series(np.arange(240) % 12)
    before = pd.DataFrame({"x": rng.normal(50, 10, 240)})
    after = before + rng.normal(0, 8, 12)[team][:, None]
    alone = regression_to_the_mean(before, after, reliability=0.9).table
    together = regression_to_the_mean(before, after, reliability=0.9, people=team.to_frame("team"))
    assert (together.table["se"] > 1.5 * alone["se"]).all()
    assert (together.table["df"] == 11).all()
    assert "clustering by team" in together.method


def test_constant_or_few_are_said():
    before, after = LINKED.before.assign(flat=5.0), LINKED.after.assign(flat=6.0)
    found = regression_to_the_mean(before, after, reliability=0.8)
    assert (found.table.loc["flat", "verdict"] == "not enough answers").all()
    assert any("flat" in note for note in found.notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"reliability": 1.2}, "from 0 to 1"),
        ({"reliability": {"total": 0.8}}, "missing for part"),
        ({"share": 0.7}, "at most 0.4"),
        ({"after": LINKED.after * np.nan}, "nobody has a score"),
        ({"before": LINKED.before * 0}, "nobody has a score that varies"),
        ({"before": LINKED.before.iloc[:1], "after": LINKED.after.iloc[:1]}, "nobody has a score that varies"),
        ({"after": LINKED.after[["part", "total"]]}, "same scores"),
    ],
)
def test_what_allows_no_answer_is_refused(change, said):
    given = {"before": LINKED.before, "after": LINKED.after, "reliability": 0.8} | change
    with pytest.raises(ValueError, match=said):
        regression_to_the_mean(given.pop("before"), given.pop("after"), **given)


@pytest.mark.parametrize(("sd", "reliability", "side"), [(0, 0.5, "lowest"), (1, 2, "lowest"), (1, 0.5, "middle")])
def test_the_formula_refuses_what_it_cannot_use(sd, reliability, side):
    with pytest.raises(ValueError, match="must"):
        expected_regression(50, sd, reliability=reliability, cut=40, side=side)
