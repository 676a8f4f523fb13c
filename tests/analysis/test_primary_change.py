"""Which test is primary: by the design alone, at its limits; and that it does not cry change where there is none."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.change_contrasts import CHANGE
from analysis.change_model import change_model
from analysis.cluster_changes import cluster_changes
from analysis.primary_change import THESE_PEOPLE, primary_change, primary_test


def rows_of(teams, *, organisations=None, arms=False):
    """Two answers a team and wave."""
    team = np.repeat(np.arange(teams), 4)
    rows = pd.DataFrame({"wave": np.tile([0, 0, 1, 1], teams), "person": range(4 * teams), "team": team})
    if organisations:
        rows["organisation"] = team % organisations
    if arms:
        rows["programme"] = (rows["organisation" if organisations else "team"] % 2).astype(float)
    return rows


@pytest.mark.parametrize(
    ("teams", "organisations", "arms", "test", "unit", "clusters"),
    [
        (3, None, False, "partially overlapping samples", None, 3),
        (4, None, False, "cluster means", "team", 4),
        (29, None, False, "cluster means", "team", 29),
        (30, None, False, "mixed model", "team", 30),
        (60, 24, False, "cluster means", "organisation", 24),
        # Three organisations are too few: their teams are taken, and what this leaves out is said.
        (40, 3, False, "mixed model", "team", 40),
        (12, 3, False, "cluster means", "team", 12),
        # The programme was given to organisations, so that these are the unit whatever their number.
        (40, 4, True, "cluster means", "organisation", 4),
        (40, 30, True, "mixed model", "organisation", 30),
    ],
)
def test_the_design_decides(teams, organisations, arms, test, unit, clusters):
    chosen = primary_test(rows_of(teams, organisations=organisations, arms=arms))
    assert (chosen.test, chosen.unit, chosen.clusters) == (test, unit, clusters)
    assert (chosen.note == THESE_PEOPLE) == (unit is None)
    if (teams, organisations) == (12, 3):
        assert "fewer than four organisations" in chosen.note


def test_clusters_of_one_wave_do_not_count():
    rows = rows_of(30)
    late = rows[(rows["team"] > 2) | (rows["wave"] == 1)]
    assert primary_test(late).clusters == 27
    assert primary_test(late).test == "cluster means"


def test_no_places_are_people_who_stand_for_themselves():
    rows = rows_of(40).drop(columns="team")
    assert primary_test(rows).test == "partially overlapping samples"


def test_the_mixed_model_stands_in_where_clusters_lack_a_form():
    rng = np.random.default_rng(0)
    rows = rows_of(8)
    rows = pd.concat([rows.assign(form="C")] * 2, ignore_index=True)
    rows.loc[:3, "form"] = "P"
    rows["person"] = range(len(rows))
    values = pd.Series(rng.normal(50, 10, len(rows)))
    found, test = primary_change(values, rows, chosen=primary_test(rows))
    assert test == "mixed model"
    assert "teams with form P" in found.notes[0]
    pd.testing.assert_frame_equal(found.contrasts, change_model(values, rows).contrasts)


def test_null_teams_that_drift_are_said_to_change_in_about_five_percent():
    # Eight teams of ten, team × wave variance a third of a person's: a test of people cries change far too often.
    rng = np.random.default_rng(11)
    team, wave = np.repeat(np.arange(8), 20), np.tile(np.repeat([0, 1], 10), 8)
    rows = pd.DataFrame({"wave": wave, "person": np.arange(160), "team": team})
    runs, claims, naive = 100, 0, 0
    for _ in range(runs):
        values = pd.Series(rng.normal(size=160) + rng.normal(0, np.sqrt(0.3), (8, 2))[team, wave])
        claims += cluster_changes(values, rows, unit="team").contrasts.loc[CHANGE, "p"] < 0.05
        naive += stats.ttest_ind(values[wave == 1], values[wave == 0]).pvalue < 0.05
    low, high = stats.binom.ppf([0.001, 0.999], runs, 0.05)
    assert low <= claims <= high
    assert naive > high
