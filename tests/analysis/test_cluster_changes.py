"""Changes of clusters: against clubSandwich and R's t tests, and on designs that are hard."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.change_contrasts import CHANGE, PROGRAMME
from analysis.cluster_changes import cluster_changes
from analysis.result import LABELS

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "cluster_changes.json").read_text(encoding="utf-8"))
SANDWICH = f"clubSandwich {ORACLE['versions']['clubSandwich']}"
R = f"R {ORACLE['versions']['R']} t.test"
SCORES = ["total", "part", "sparse"]


@pytest.fixture(scope="module")
def data():
    return pd.read_csv(ORACLES / "data" / "change.csv")


@pytest.mark.parametrize("unit", ["organisation", "team"])
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("weights", ["precision", "equal"])
def test_agrees_with_clubsandwich(data, unit, score, weights, agrees):
    for design in ("one_group", "controlled"):
        rows = data if design == "controlled" else data.drop(columns="programme")
        contrasts = cluster_changes(data[score], rows, unit=unit, weights=weights).contrasts
        expected = ORACLE[design][unit][score][weights]
        assert list(contrasts.index) == list(expected)
        for name, numbers in expected.items():
            for column, theirs in numbers.items():
                # Both are linear algebra in double precision.
                what = f"changes of clusters, {design.replace('_', ' ')}: {LABELS[column]}"
                agrees(what, contrasts.loc[name, column], theirs, oracle=SANDWICH, relative=1e-8)


@pytest.mark.parametrize("unit", ["organisation", "team"])
@pytest.mark.parametrize("score", SCORES)
def test_where_all_count_alike_it_is_the_t_test(data, unit, score, agrees):
    expected = ORACLE["t_test"][unit][score]
    one = data.drop(columns=["form", "programme"])
    change = cluster_changes(data[score], one, unit=unit, weights="equal").contrasts.loc[CHANGE]
    for column, theirs in expected["change"].items():
        agrees(f"changes of clusters: {LABELS[column]}", change[column], theirs, oracle=R, relative=1e-8)
    two = data.drop(columns="form")
    programme = cluster_changes(data[score], two, unit=unit, weights="equal").contrasts.loc[PROGRAMME]
    for column in ("estimate", "se"):
        theirs = expected["programme"][column]
        agrees(f"changes of clusters, arms: {LABELS[column]}", programme[column], theirs, oracle=R, relative=1e-8)
    # The degrees of freedom are those expected of Welch's where the variances are equal, not estimated ones.
    counts = {name: data.loc[data["programme"] == arm, unit].nunique() for name, arm in (("in", 1), ("out", 0))}
    assert programme["df"] <= counts["in"] + counts["out"] - 2 + 1e-9


def balanced(clusters=8, *, forms=("C", "M"), seed=0):
    """Every cluster has every form, three answers each, at both waves."""
    rng = np.random.default_rng(seed)
    cells = pd.MultiIndex.from_product([range(clusters), forms, [0, 1], range(3)], names=["team", "form", "wave", "n"])
    rows = cells.to_frame(index=False)
    rows["person"] = np.arange(len(rows))
    drift = rng.normal(0, 3, (clusters, 2))
    values = pd.Series(50 + drift[rows["team"], rows["wave"]] + rng.normal(0, 5, len(rows)))
    return values, rows.drop(columns="n")


def test_balanced_forms_give_the_t_test_of_equal_weight_means():
    values, rows = balanced()
    cell = values.groupby([rows["team"], rows["form"], rows["wave"]]).mean().unstack("wave")
    changes = (cell[1] - cell[0]).groupby("team").mean()
    row = cluster_changes(values, rows, unit="team").contrasts.loc[CHANGE]
    assert row["estimate"] == pytest.approx(changes.mean(), rel=1e-12)
    assert row["se"] == pytest.approx(changes.std() / np.sqrt(8), rel=1e-12)
    assert row["df"] == pytest.approx(7, rel=1e-12)


def test_how_much_noise_a_single_cell_has_is_not_forgotten():
    # The rarer form decides the precision of an equal-weight mean: with one manager a team the error must grow.
    values, rows = balanced(clusters=20, seed=3)
    one = rows.groupby(["team", "form", "wave"]).cumcount().eq(0) | (rows["form"] == "C")
    full = cluster_changes(values, rows, unit="team").contrasts.loc[CHANGE, "se"]
    assert cluster_changes(values[one], rows[one], unit="team").contrasts.loc[CHANGE, "se"] > 1.1 * full


def test_labels_and_order_do_not_matter():
    values, rows = balanced(seed=4)
    shuffled = rows.sample(frac=1, random_state=1)
    renamed = shuffled.assign(team=shuffled["team"].map(lambda team: f"team {(team * 5) % 8}"))
    found = [cluster_changes(values.loc[r.index], r, unit="team").contrasts for r in (rows, renamed)]
    pd.testing.assert_frame_equal(*found)


def test_answers_that_say_nothing_of_change_are_left_out_with_a_note():
    values, rows = balanced(clusters=5)
    late = (rows["team"] == 0) & (rows["wave"] == 0)
    found = cluster_changes(values[~late], rows[~late], unit="team")
    assert any("answered in one wave only" in note for note in found.notes)
    assert found.contrasts.loc[CHANGE, "n_after"] == 24
    without = rows["team"] != 0
    alone = cluster_changes(values[without], rows[without], unit="team")
    pd.testing.assert_frame_equal(found.contrasts, alone.contrasts)


def test_all_peer_workers_in_one_organisation_is_refused_with_a_sentence():
    values, rows = balanced(forms=("C", "P"))
    kept = (rows["form"] == "C") | (rows["team"] == 3)
    with pytest.raises(
        ValueError, match="needs at least two teams with form P that answered at both waves, there is 1"
    ):
        cluster_changes(values[kept], rows[kept], unit="team")


def test_thousands_of_clusters_take_no_clusters_by_clusters_matrix():
    rng = np.random.default_rng(0)
    n = 60_000
    rows = pd.DataFrame(
        {
            "wave": np.tile([0, 1], n // 2),
            "person": np.arange(n),
            "team": rng.integers(0, 3000, n),
            "form": rng.choice(["C", "M", "P"], n),
        }
    )
    row = cluster_changes(pd.Series(rng.normal(50, 15, n)), rows, unit="team").contrasts.loc[CHANGE]
    assert abs(row["statistic"]) < 4
    assert row["df"] > 1000


def test_refuses_with_a_sentence():
    values, rows = balanced(clusters=4)
    with pytest.raises(ValueError, match="weights must be 'precision' or 'equal'; got 'size'"):
        cluster_changes(values, rows, unit="team", weights="size")
    with pytest.raises(ValueError, match="unit must be a column of the rows; got 'ward'"):
        cluster_changes(values, rows, unit="ward")
    alone = rows["team"] == 0
    with pytest.raises(ValueError, match="needs at least two teams"):
        cluster_changes(values[alone], rows[alone], unit="team")
    arms = rows.assign(programme=(rows["team"] == 0).astype(float))
    with pytest.raises(ValueError, match="at least two teams of each arm"):
        cluster_changes(values, arms, unit="team")
    with pytest.raises(ValueError, match="all clusters change alike"):
        cluster_changes(values * 0 + 5 + rows["wave"], rows, unit="team")
    nothing = rows[rows["wave"] == 0]
    with pytest.raises(ValueError, match="two scored answers are needed in each wave"):
        cluster_changes(values.loc[nothing.index], nothing, unit="team")
