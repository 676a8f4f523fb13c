"""Standard errors from influence values: Welch's, the paired, and the clustered t test are its cases."""

import numpy as np
import pandas as pd
from scipy import stats

from analysis.linearisation import error_of, units_of

RNG = np.random.default_rng(4)
VALUES = pd.Series(RNG.normal(50, 10, 56))
WAVE = pd.Series(np.repeat([0, 1], [30, 26]))
# Closed formulas: rounding alone.
ROUNDING = 1e-12


def influence(values, wave):
    sizes, means = wave.map(wave.value_counts()), values.groupby(wave).transform("mean")
    return (values - means) / sizes * np.where(wave == 1, 1, -1)


def test_other_people_make_it_welchs(agrees):
    rows = pd.DataFrame({"person": np.arange(56)})
    se, df = error_of(influence(VALUES, WAVE), WAVE, units_of(rows))
    test = stats.ttest_ind(VALUES[WAVE == 1], VALUES[WAVE == 0], equal_var=False)
    difference = VALUES[WAVE == 1].mean() - VALUES[WAVE == 0].mean()
    agrees("Welch, se and df", [se, df], [difference / test.statistic, test.df], oracle="scipy", relative=ROUNDING)


def test_the_same_people_make_it_paired(agrees):
    values, wave = VALUES[:52], pd.Series(np.repeat([0, 1], 26))
    se, df = error_of(influence(values, wave), wave, units_of(pd.DataFrame({"person": np.tile(np.arange(26), 2)})))
    test = stats.ttest_rel(values[wave == 1], values[wave == 0])
    difference = values[wave == 1].mean() - values[wave == 0].mean()
    agrees("paired, se and df", [se, df], [difference / test.statistic, test.df], oracle="scipy", relative=ROUNDING)


def test_equal_clusters_make_it_the_t_test_of_their_means(agrees):
    values, team = VALUES[:48], pd.Series(np.arange(48) % 12)
    units = units_of(pd.DataFrame({"person": np.arange(48), "team": team}))
    assert units.name == "team"
    se, df = error_of((values - values.mean()) / 48, pd.Series("all", index=values.index), units)
    means = values.groupby(team).mean()
    agrees("clusters, se and df", [se, df], [stats.sem(means), 11], oracle="scipy sem", relative=ROUNDING)


def test_nine_clusters_are_too_few_and_no_cluster_is_one_alone():
    people = pd.DataFrame({"person": np.arange(40), "team": np.arange(40) % 9})
    assert units_of(people).name == "person"
    people["team"] = pd.Series(np.arange(40) % 12).where(np.arange(40) > 3)
    units = units_of(people)
    assert units.name == "team"
    assert units.unit.notna().all()
    assert units.unit.nunique() == 12 + 4


def test_a_part_of_one_has_no_error():
    rows = pd.DataFrame({"person": [0, 1, 2]})
    se, df = error_of(pd.Series([0.1, -0.1, 0.0]), pd.Series(["a", "a", "b"]), units_of(rows))
    assert np.isnan([se, df]).all()
