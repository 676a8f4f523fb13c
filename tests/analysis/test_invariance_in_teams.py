"""Ladders that allow for teams, against lavaan (tests/oracles/invariance_clusters.R) and identities."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.invariance import invariance

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "invariance_clusters.json").read_text())
LAVAAN = "lavaan 0.6.14"
TEAMS = pd.read_csv(ORACLES / "data" / "invariance_clusters.csv")
ITEMS = [f"y{number}" for number in range(1, 7)]
TWO = {"a": ITEMS[:3], "b": ITEMS[3:]}
# Five ordered answers of the same people.
ORDERED = TEAMS.assign(**{item: np.digitize(TEAMS[item], [-1.4, -0.5, 0.5, 1.4]) for item in ITEMS})


def ladder(data, clusters=True, **options):
    return invariance(data[ITEMS], data["group"], TWO, clusters=data["team"] if clusters else None, **options)


def test_cluster_robust_ladders_are_lavaans(agrees):
    found = ladder(TEAMS, estimator="MLR")
    names = {"chisq": "chisq", "chisq.scaled": "chisq_scaled", "cfi.scaled": "cfi_scaled", "srmr": "srmr"}
    names |= {"rmsea.scaled": "rmsea_scaled"}
    assert found.table["df"].tolist() == [row["df"] for row in ORACLE["fit"].values()]
    for theirs, ours in names.items():
        # lavaan stops its search at a relative change of 1e-10.
        agrees(
            f"ladder in teams, {theirs}",
            found.table[ours],
            [row[theirs] for row in ORACLE["fit"].values()],
            oracle=LAVAAN,
            **({"relative": 2e-6} if theirs.startswith("chisq") else {"absolute": 1e-6}),
        )
    tests = found.table.iloc[1:]
    agrees(
        "ladder in teams, scaled difference tests",
        tests["difference"],
        [step["statistic"] for step in ORACLE["difference"]],
        oracle=LAVAAN,
        relative=1e-4,
    )
    assert tests["difference_df"].tolist() == [step["df"] for step in ORACLE["difference"]]
    assert "alike within teams" in found.method


@pytest.mark.parametrize("estimator", ["WLSMV", "ULSMV"])
def test_people_in_teams_of_their_own_change_nothing(estimator):
    data = ORDERED.assign(team=np.arange(len(ORDERED)))
    alone, plain = (ladder(data, clusters, estimator=estimator).table for clusters in (True, False))
    pd.testing.assert_frame_equal(alone, plain, rtol=1e-9)


def test_everyone_twice_in_teams_of_two_is_everyone_once():
    """Copies tell nothing new: step tests that allow for the pairs stay, those that do not double."""
    twice = pd.concat([ORDERED, ORDERED], ignore_index=True).assign(team=np.tile(np.arange(len(ORDERED)), 2))
    once = ladder(ORDERED, clusters=False).table["difference"].dropna()
    paired = ladder(twice).table["difference"].dropna()
    naive = ladder(twice, clusters=False).table["difference"].dropna()
    # The discrepancy counts n − 1 people of each group: 399 of 400 pairs, against 199 of 200 people.
    assert paired.to_numpy() == pytest.approx(once.to_numpy(), rel=0.01)
    assert (naive > 1.05 * once).all()


def test_teams_that_are_alike_make_parameters_less_certain():
    apart, teams = (ladder(TEAMS, clusters, estimator="MLR").parameters["se"] for clusters in (False, True))
    means = [name for name in teams.index if name.endswith("~ 1") and name in apart.index]
    assert (teams[means] > 1.1 * apart[means]).all()


def test_waves_take_a_persons_first_team():
    rng = np.random.default_rng(3)
    behind = rng.normal(size=(300, 1)) + rng.normal(size=(300, 4))
    waves = [np.digitize(0.7 * behind + rng.normal(size=behind.shape), [-1.5, 0, 1.5]) for _ in range(2)]
    data = pd.DataFrame(np.vstack(waves), columns=list("pqrs")).assign(
        wave=np.repeat(["before", "after"], 300), person=np.tile(np.arange(300), 2)
    )
    first = pd.Series(np.repeat(np.arange(60), 5)).reindex(data["person"]).set_axis(data.index)
    moved = first.where(data["wave"] == "before", 99)
    options = {"longitudinal": True, "people": data["person"]}
    found = [
        invariance(data[list("pqrs")], data["wave"], {"f": list("pqrs")}, clusters=teams, **options).table
        for teams in (first, moved)
    ]
    pd.testing.assert_frame_equal(*found)
    plain = invariance(data[list("pqrs")], data["wave"], {"f": list("pqrs")}, **options).table
    assert not np.allclose(plain["chisq_scaled"], found[0]["chisq_scaled"], rtol=1e-4)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"estimator": "ML"}, "takes people as independent"),
        ({"clusters": TEAMS["team"].where(TEAMS.index > 2)}, "3 people have no team"),
        ({"clusters": TEAMS["team"].to_numpy()}, "clusters must be a Series"),
        ({"clusters": TEAMS["team"] % 2}, "clusters"),
    ],
)
def test_teams_that_cannot_be_used_are_refused(change, words):
    options = {"clusters": TEAMS["team"], "estimator": "WLSMV"} | change
    with pytest.raises(ValueError, match=words):
        invariance(ORDERED[ITEMS], ORDERED["group"], TWO, **options)
