"""Trends over several waves against lmerTest, and what they refuse and say."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.means import mean_scores, widest_clusters
from analysis.plots import run_chart, run_chart_in_words
from analysis.run_chart import run_chart_rules
from analysis.trends import trends

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "trends.json").read_text(encoding="utf-8"))
LMERTEST = f"lmerTest {ORACLE['versions']['lmerTest']}"
DATA = pd.read_csv(ORACLES / "data" / "trends.csv")
SCORES = DATA[["total", "part"]]
ROWS = DATA[["wave", "person", "form", "organisation", "team"]]
MONTHS = dict(enumerate(ORACLE["months"]))
FOUND = trends(SCORES, ROWS, times=MONTHS)


def same(agrees, what, row, theirs):
    estimate, se, df, low, high, t, p = theirs
    agrees(f"{what}, estimate", row["estimate"], estimate, oracle=LMERTEST, absolute=1e-5)
    agrees(f"{what}, se", row["se"], se, oracle=LMERTEST, absolute=1e-4)
    agrees(f"{what}, df", row["df"], df, oracle=LMERTEST, relative=1e-2)
    agrees(f"{what}, interval", row[["ci_low", "ci_high"]], [low, high], oracle=LMERTEST, absolute=1e-2)
    agrees(f"{what}, t", row["statistic"], t, oracle=LMERTEST, absolute=1e-3)
    agrees(f"{what}, p", row["p"], p, oracle=LMERTEST, absolute=1e-3)


@pytest.mark.parametrize("score", ["total", "part"])
def test_the_trend_is_lmertests(score, agrees):
    row = FOUND.table.loc[score]
    assert row[["n", "waves"]].tolist() == [ORACLE[score]["n"], 4]
    same(agrees, f"trend, {score}", row, ORACLE[score]["trend"])


@pytest.mark.parametrize("score", ["total", "part"])
def test_each_wave_against_the_first_is_lmertests(score, agrees):
    for wave, theirs in zip((1, 2, 3), ORACLE[score]["later"], strict=True):
        same(agrees, f"wave {wave} − first, {score}", FOUND.against_first.loc[(score, wave)], theirs)
    adjusted = FOUND.against_first.loc[score, "p_adjusted"]
    agrees(f"Holm over waves, {score}", adjusted, ORACLE[score]["holm"], oracle=f"{LMERTEST}, p.adjust", absolute=2e-3)


def test_means_and_run_charts_are_those_of_their_modules():
    alone = mean_scores(SCORES, by=ROWS[["wave"]], strata=ROWS["form"], cluster=widest_clusters(ROWS)).table
    pd.testing.assert_frame_equal(FOUND.means.drop(columns="time"), alone)
    assert FOUND.means["time"].unstack("score")["total"].to_dict() == MONTHS
    chart = run_chart_rules(alone["mean"].xs("total", level="score"))
    assert FOUND.run_chart.loc["total", "median"] == chart.median
    assert FOUND.run_chart["verdict"].unique().tolist() == ["too few points for run-chart rules"]
    assert any("4 waves are too few points" in note for note in FOUND.notes)


def test_time_is_in_the_unit_given():
    years = trends(SCORES, ROWS, times={wave: month / 12 for wave, month in MONTHS.items()}).table
    np.testing.assert_allclose(years["estimate"].astype(float), 12 * FOUND.table["estimate"].astype(float), rtol=1e-6)
    np.testing.assert_allclose(years["p"].astype(float), FOUND.table["p"].astype(float), rtol=1e-4)


def test_families_are_adjusted_apart():
    together, apart = (
        FOUND.table,
        trends(SCORES, ROWS, times=MONTHS, families={"total": "primary", "part": "rest"}).table,
    )
    assert (apart["p_adjusted"] == apart["p"]).all()
    assert together["p_adjusted"].max() > together["p"].max() or together["p_adjusted"].min() > together["p"].min()


def test_few_clusters_and_thin_forms_are_said():
    few = ROWS.assign(organisation=np.where(DATA["organisation"] < "o3", "a", "b"))
    found = trends(SCORES, few.drop(columns="team"))
    assert any("fewer than five organisations" in note for note in found.notes)
    thin = ROWS.assign(form=ROWS["form"].where(ROWS.index != 0, "X"))
    assert any("form X left out" in note for note in trends(SCORES, thin).notes)


def test_a_score_asked_too_late_is_left_without_numbers():
    late = SCORES.assign(late=SCORES["total"].where(ROWS["wave"] > 1))
    found = trends(late, ROWS)
    assert found.table.loc["late", ["estimate", "n"]].isna().all()
    assert any("late: fewer than 3 waves" in note for note in found.notes)
    assert "late" not in found.against_first.index.get_level_values("score")


def test_no_change_is_rarely_called_one():
    """Teams drift by themselves (team × wave); the trend must not take that for one."""
    rng = np.random.default_rng(9)
    runs = 40
    rows = pd.DataFrame({"wave": np.repeat([0, 1, 2], 96), "person": np.tile(np.arange(96), 3)})
    rows["team"] = rows["person"] % 12
    person, team, drift = rng.normal(0, 8, (96, runs)), rng.normal(0, 3, (12, runs)), rng.normal(0, 3, (12, 3, runs))
    scores = 50 + person[rows["person"]] + team[rows["team"]] + drift[rows["team"], rows["wave"]]
    found = trends(pd.DataFrame(scores + rng.normal(0, 8, (288, runs))), rows).table
    # 40 runs: more than 6 happens once in 300 times at 5 %.
    assert (found["p"] < 0.05).sum() <= 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": ROWS[ROWS["wave"] < 2], "scores": SCORES[ROWS["wave"] < 2]}, "at least 3 waves, got 2"),
        ({"rows": ROWS[ROWS["wave"] < 1], "scores": SCORES[ROWS["wave"] < 1]}, "at least 3 waves, got 1"),
        ({"rows": ROWS.drop(columns="person")}, "person is missing"),
        ({"rows": ROWS.assign(person=1)}, "two answers in one wave"),
        ({"times": {0: 0, 1: 5}}, "times lacks the waves 2, 3"),
        ({"times": {0: 0, 1: 5, 2: 4, 3: 6}}, "rise from wave to wave"),
        ({"scores": SCORES * np.nan}, "no score has a trend"),
        ({"scores": SCORES * 0 + 50}, "no score has a trend"),
    ],
)
def test_what_allows_no_answer_is_refused(change, said):
    given = {"scores": SCORES, "rows": ROWS} | change
    with pytest.raises(ValueError, match=said):
        trends(given.pop("scores"), given.pop("rows"), **given)


def test_the_run_chart_draws_each_mean_and_says_it():
    from matplotlib import pyplot as plt

    means = FOUND.means.reset_index()
    names = {"total": "Integration", "part": "Role"}
    axes = run_chart(means, names=names, low=0, high=100, wave_names={0: "start"})
    line = axes.get_lines()[0]
    mine = means[means["score"] == "total"]
    np.testing.assert_allclose(line.get_ydata(), mine["mean"])
    np.testing.assert_allclose(line.get_xdata(), list(MONTHS.values()))
    np.testing.assert_allclose(axes.get_lines()[1].get_ydata()[0], mine["mean"].median())
    assert [text.get_text() for text in axes.get_xticklabels()] == ["start", "wave 1", "wave 2", "wave 3"]
    assert axes.get_title() == "Integration"
    said = run_chart_in_words(means, names=names, wave_names={0: "start"}, verdicts=FOUND.run_chart["verdict"])
    assert f"Integration: start {mine['mean'].iloc[0]:.0f} (" in said
    assert said.count("too few points") == 2
    hidden = means.assign(mean=means["mean"].where(means["wave"] != 1), ci_low=np.nan, ci_high=np.nan)
    assert run_chart(hidden, names=names, low=0, high=100) is not None
    assert "wave 1 not shown" in run_chart_in_words(hidden, names=names)
    assert run_chart(means, names={"other": "Other"}, low=0, high=100).axison is False
    plt.close("all")
