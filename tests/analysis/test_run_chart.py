"""Run-chart rules: by enumeration, by a published series, and rule by rule."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from analysis.run_chart import run_chart_rules, runs_p


@pytest.mark.parametrize(("above", "below"), [(5, 5), (4, 6), (1, 9), (6, 5)])
def test_p_of_runs_is_that_of_all_arrangements(above, below, agrees):
    n = above + below
    counted = []
    for places in combinations(range(n), above):
        sides = np.isin(np.arange(n), places)
        counted.append(1 + int((sides[1:] != sides[:-1]).sum()))
    counted = np.array(counted)
    for runs in np.unique(counted):
        expected = min(1, 2 * min((counted <= runs).mean(), (counted >= runs).mean()))
        agrees(
            f"p of runs, {above} and {below}",
            runs_p(int(runs), above, below),
            expected,
            oracle="all arrangements",
            absolute=1e-12,
        )


def test_a_published_series():
    # Quality Digest (Oct 2008, "An underrated test for run charts"): 16 points, runs of 7, 7, 1 and 1: too few runs.
    sides = np.repeat([1, -1, 1, -1], [7, 7, 1, 1])
    found = run_chart_rules(pd.Series(50 + sides * np.linspace(1, 2, 16)))
    assert (found.points, found.runs, found.longest_run) == (16, 4, 7)
    assert "too few runs: 4" in found.verdict
    assert found.p_runs < 0.05


def test_a_shift_needs_six_and_points_on_the_median_do_not_interrupt():
    values = [60, 61, 62, 55, 63, 60, 64, 50, 48, 49, 47, 50, 46]
    found = run_chart_rules(pd.Series(values, dtype=float))
    assert found.median == 55
    assert found.longest_run == 6
    assert "shift: 6 points" in found.verdict
    mixed = pd.Series([60.0, 61, 62, 63, 64, 48, 49, 47, 50, 46])
    assert run_chart_rules(mixed).longest_run == 5
    assert "shift" not in run_chart_rules(mixed).verdict


def test_a_trend_needs_five_points_and_equal_neighbours_count_once():
    rising = pd.Series([50.0, 45, 46, 46, 47, 48, 49, 44, 51, 43, 52])
    found = run_chart_rules(rising)
    assert found.longest_trend == 5
    assert "trend: 5 points in a row upwards" in found.verdict
    four = pd.Series([50.0, 45, 46, 46, 47, 48, 43, 51, 44, 52, 42])
    assert run_chart_rules(four).longest_trend == 4
    assert "trend" not in run_chart_rules(four).verdict
    assert "downwards" in run_chart_rules(100 - rising).verdict


def test_zigzag_has_too_many_runs():
    assert "too many runs: 12" in run_chart_rules(pd.Series([1.0, 2] * 6)).verdict


def test_nine_points_are_too_few_whatever_they_show():
    found = run_chart_rules(pd.Series(np.arange(9.0)))
    assert found.verdict == "too few points for run-chart rules"
    assert np.isnan(found.p_runs)
    assert run_chart_rules(pd.Series(np.arange(10.0))).verdict != found.verdict


def test_a_constant_series_has_no_signal_and_none_is_refused():
    found = run_chart_rules(pd.Series([50.0] * 12))
    assert (found.verdict, found.runs, found.longest_run) == ("no signal", 0, 0)
    with pytest.raises(ValueError, match="at least one number"):
        run_chart_rules(pd.Series([np.nan, np.nan]))
    with pytest.raises(ValueError, match="have 2 to 10 runs, got 11"):
        runs_p(11, 5, 5)


def test_chance_rarely_signals_by_runs():
    rng = np.random.default_rng(0)
    p = np.array([run_chart_rules(pd.Series(rng.normal(size=14))).p_runs for _ in range(1000)])
    # Exact tests stay at or under their level; three standard errors (.007) above it.
    assert (p < 0.05).mean() <= 0.071
