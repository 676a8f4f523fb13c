"""Responsiveness and important change against R (tests/oracles/hypotheses.R) and known truth."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.responsiveness import _statistics, responsiveness

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "hypotheses.json").read_text())
BASE = f"R {ORACLE['versions']['R']}"
CHANGE, ANCHOR, BEFORE = (pd.Series(ORACLE[name], dtype=float) for name in ("change", "anchor", "before"))


@pytest.fixture(scope="module")
def changed():
    return responsiveness(CHANGE, ANCHOR, before=BEFORE, anchor_reliability=0.75, sdc=12, draws=1500)


def test_important_change_is_that_of_glm_and_the_formulas(changed, agrees):
    for name, theirs in ORACLE["point"].items():
        agrees(
            f"responsiveness, {name}", changed.table.loc[name, "estimate"], theirs, oracle=f"{BASE} glm", absolute=1e-8
        )
    ours = changed.table.loc["auc", ["ci_low", "ci_high"]]
    agrees("AUC, DeLong interval", ours, ORACLE["delong"], oracle=f"{BASE}, by definition (= pROC)", absolute=1e-10)
    for name, theirs in (("correlation", "correlation"), ("with_before", "before"), ("with_after", "after")):
        expected = ORACLE[f"anchor_{theirs}"]
        ours = changed.table.loc[f"anchor_{name}", ["estimate", "ci_low", "ci_high"]]
        agrees(f"anchor, {theirs}", ours, [expected["r"], *expected["ci"]], oracle=f"{BASE} cor", absolute=1e-10)
    assert changed.table.index[0] == "mic_improved_adjusted"
    assert changed.table.loc["sdc", "estimate"] == 12


@pytest.mark.parametrize("name", [name for name in ORACLE["bootstrap"] if name not in ("auc", "mic_roc")])
def test_bootstrap_intervals_are_rs_but_for_the_draws(changed, name, agrees):
    """Quantiles of 1500 draws have a standard error of about .07 standard deviations; two of them .1."""
    expected = ORACLE["bootstrap"][name]
    ours = changed.table.loc[name, ["ci_low", "ci_high"]].to_numpy(dtype=float) / expected["sd"]
    theirs = np.array([expected["low"], expected["high"]]) / expected["sd"]
    agrees(f"bootstrap interval in SD, {name}", ours, theirs, oracle=f"{BASE}, other draws", absolute=0.3)


def test_bootstrap_depends_on_the_seed_alone():
    first, again, other = (responsiveness(CHANGE, ANCHOR, draws=100, seed=seed).table for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert not first.equals(other)
    assert first["estimate"].equals(other["estimate"])


def test_weights_of_the_bootstrap_are_people_drawn_several_times():
    rng = np.random.default_rng(8)
    times = rng.integers(1, 4, size=len(CHANGE))
    improved = (ANCHOR > 4).to_numpy()
    change, before = CHANGE.to_numpy(), BEFORE.to_numpy()
    weighted, _ = _statistics(change, improved, before, times[None, :].astype(float), 0.8)
    people = np.repeat(np.arange(len(change)), times)
    repeated, _ = _statistics(change[people], improved[people], before[people], np.ones((1, len(people))), 0.8)
    np.testing.assert_allclose(weighted, repeated, rtol=1e-10)


def people_with_thresholds(n, mean, seed):
    """People whose true change matters to them above a threshold of their own, on average 5."""
    rng = np.random.default_rng(seed)
    true = rng.normal(mean, 8, size=n)
    felt = true - rng.normal(5, 2, size=n)
    anchor = pd.Series(np.digitize(felt, [-15, -8, -4, 0, 4, 10]) + 1.0)
    # Cut points about the middle: 4 means less than what matters, 5 and above more.
    return pd.Series(true + rng.normal(scale=4, size=n)), anchor


def test_predicted_important_change_is_the_truth_when_half_improved():
    change, anchor = people_with_thresholds(4000, 5.0, 1)
    found = responsiveness(change, anchor, unchanged=4, draws=100).table
    for name in ("mic_predicted", "mic_adjusted"):
        assert found.loc[name, "estimate"] == pytest.approx(5, abs=0.5)


@pytest.mark.parametrize("mean", [1.0, 9.0])
def test_adjustment_brings_it_nearer_the_truth_when_few_or_most_improved(mean):
    change, anchor = people_with_thresholds(4000, mean, 2)
    found = responsiveness(change, anchor, unchanged=4, draws=100).table["estimate"]
    assert abs(found["mic_adjusted"] - 5) < abs(found["mic_predicted"] - 5)
    assert abs(found["mic_adjusted"] - 5) < 1


def test_both_scales_of_the_rating_are_understood():
    by_seven = responsiveness(CHANGE, ANCHOR, draws=100)
    about_zero = responsiveness(CHANGE, ANCHOR - 4, draws=100)
    pd.testing.assert_frame_equal(by_seven.table, about_zero.table)
    assert about_zero.groups.index.min() == -3
    assert by_seven.groups["n"].sum() == 240
    with pytest.raises(ValueError, match="say with unchanged="):
        responsiveness(CHANGE, ANCHOR + 10)
    few = ANCHOR.clip(upper=3)
    with pytest.raises(ValueError, match="ratings from 1 to 3 do not tell"):
        responsiveness(CHANGE, few)


def test_whole_teams_are_drawn_where_they_are_given():
    rng = np.random.default_rng(9)
    team = pd.Series(np.repeat(np.arange(24), 10))
    felt = 1.5 * rng.normal(size=24)[team] + 0.3 * rng.normal(size=240)
    change = pd.Series(5 * felt + rng.normal(scale=4, size=240))
    anchor = pd.Series(np.clip(np.round(felt), -3, 3))
    alone, together = (responsiveness(change, anchor, clusters=each, draws=400).table for each in (None, team))
    np.testing.assert_allclose(together["estimate"], alone["estimate"], rtol=1e-12)
    width = (together["ci_high"] - together["ci_low"]) / (alone["ci_high"] - alone["ci_low"])
    assert width["srm"] > 1.5
    assert width["anchor_correlation"] > 1


def test_notes_say_what_the_important_change_rests_on(changed):
    said = " ".join(changed.notes)
    assert "Ratings above 4 count as improved" in said
    assert "smallest detectable change (12) is not below" in said
    assert "cannot be told from measurement error" in said
    assert "rates the present" in said
    gappy = CHANGE.copy()
    gappy.iloc[:3] = np.nan
    assert responsiveness(gappy, ANCHOR, draws=100).notes[0] == "3 of 240 people lack a part and are left out."


def refused(**keywords):
    given = {"change": CHANGE, "anchor": ANCHOR, "draws": 100} | keywords
    return given.pop("change"), given.pop("anchor"), given


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"anchor": pd.Series(np.random.default_rng(0).permutation(ANCHOR))}, "no important change can be had"),
        ({"anchor": 8 - ANCHOR}, "turn the rating or the score"),
        ({"unchanged": 7}, "10 people who improved and as many who did not are needed, got 0 and 240"),
        ({"change": ANCHOR - 4.0}, "copies of each other"),
        ({"change": (ANCHOR - 4) + 0.1 * np.sin(np.arange(240))}, "where between them the border lies"),
        ({"change": CHANGE * 0}, "have the same change"),
        ({"anchor": ANCHOR.iloc[:100]}, "anchor must have the index of the scores"),
        ({"draws": 50}, "at least 100"),
        ({"anchor_reliability": 0}, "anchor_reliability"),
        ({"sdc": -1}, "sdc must be positive"),
        ({"clusters": pd.Series(np.arange(240) % 3)}, "at least 5 clusters"),
        ({"sdc": np.inf}, "sdc must be positive, a finite number.*got inf"),
        ({"sdc": "x"}, "sdc must be positive.*got 'x'"),
        ({"unchanged": np.nan}, "unchanged must be the rating.*got nan"),
        ({"unchanged": "4"}, "unchanged must be the rating.*got '4'"),
        ({"anchor_reliability": "x"}, "anchor_reliability must lie above 0, up to 1; got 'x'"),
        ({"draws": 150.5}, "draws must be a whole number.*got 150.5"),
        ({"draws": "many"}, "draws must be a whole number.*got 'many'"),
        ({"seed": None}, "seed must be a whole number.*got None"),
        ({"seed": -1}, "seed must be at least 0, got -1"),
        ({"seed": 1.5}, "seed must be a whole number, got 1.5"),
        ({"before": CHANGE * 0}, "all 240 people have the same score before: leave `before` out"),
        ({"before": list(CHANGE)}, "before must be a Series.*got list"),
        ({"anchor": None}, "anchor must be a Series.*got NoneType"),
        ({"clusters": ANCHOR.to_frame()}, "clusters must be a Series.*got DataFrame"),
        ({"anchor": ANCHOR.set_axis([0] * 240)}, r"labels repeat in the index of anchor \(0\)"),
    ],
)
def test_changes_that_allow_no_answer_are_refused(keywords, said):
    change, anchor, given = refused(**keywords)
    with pytest.raises(ValueError, match=said):
        responsiveness(change.rename("change"), anchor, **given)


def test_change_that_is_no_series_is_refused():
    with pytest.raises(ValueError, match="change must be a Series, one number for each person; got list"):
        responsiveness(list(CHANGE), ANCHOR)


def test_samples_in_which_all_began_alike_are_left_out_and_said():
    """All but one began alike: about e⁻¹ of the bootstrap samples have no spread at the start."""
    before = pd.Series(np.where(np.arange(240) == 3, 5.3, 20.1))
    result = responsiveness(CHANGE, ANCHOR, before=before, draws=400)
    assert np.isfinite(result.table.loc["effect_size"]).all()
    assert result.table.loc["effect_size", "ci_high"] < 100
    said = next(note for note in result.notes if "bootstrap samples the regression" in note)
    assert "or all had the same score before" in said
    assert 0.28 < int(said.split()[1]) / 400 < 0.46
