"""Differences between groups of people in clusters against clubSandwich (tests/oracles/group_means.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.group_means import weighted_group_means

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "group_means.json").read_text())
CLUB = f"clubSandwich {ORACLE['versions']['clubSandwich']}"
WEIGHTS = pd.DataFrame([[1, -1, 0], [1, 0, -1], [1 / 3] * 3], columns=["P", "C", "M"], index=["P − C", "P − M", "all"])


@pytest.mark.parametrize("name", ORACLE["sets"])
@pytest.mark.parametrize("kind", ["clustered", "alone"])
def test_estimates_errors_and_degrees_of_freedom_are_those_of_clubsandwich(name, kind, agrees):
    data = ORACLE["sets"][name]
    cluster = pd.Series(data["cluster"]) if kind == "clustered" else None
    found = weighted_group_means(pd.Series(data["y"]), pd.Series(data["form"]), WEIGHTS, cluster=cluster)
    # Both are closed forms of the same quantities: only rounding lies between them.
    agrees(f"group means, {name}, {kind}", found[ORACLE["columns"]], data[kind], oracle=CLUB, absolute=1e-8)


@pytest.mark.parametrize("name", ORACLE["sets"])
def test_without_clusters_the_standard_error_is_welchs(name, agrees):
    data = ORACLE["sets"][name]
    found = weighted_group_means(pd.Series(data["y"]), pd.Series(data["form"]), WEIGHTS)
    agrees(f"Welch's standard error, {name}", found.loc["P − C", "se"], data["welch"], oracle="R t.test", absolute=1e-9)


def test_who_has_no_cluster_is_one_alone():
    data = ORACLE["sets"]["many"]
    values, form = pd.Series(data["y"]), pd.Series(data["form"])
    cluster = pd.Series(data["cluster"], dtype=object)
    cluster[:3] = None
    named = cluster.copy()
    named[:3] = ["x", "y", "z"]
    pd.testing.assert_frame_equal(
        weighted_group_means(values, form, WEIGHTS, cluster=cluster),
        weighted_group_means(values, form, WEIGHTS, cluster=named),
    )


def test_a_group_in_one_cluster_is_refused():
    values, form = pd.Series([1.0, 2, 3, 4]), pd.Series(list("PPCC"))
    weights = pd.DataFrame([[1.0, -1.0]], columns=["P", "C"], index=["P − C"])
    with pytest.raises(ValueError, match=r"at least two clusters; too few: P \(1\)"):
        weighted_group_means(values, form, weights, cluster=pd.Series([1, 1, 1, 2]))
    with pytest.raises(ValueError, match=r"at least two answers; too few: P \(1\)"):
        weighted_group_means(values[1:], form[1:], weights)


def test_intervals_hold_where_groups_differ_more_in_some_clusters_than_in_others():
    """The differences vary between clusters by SD 6: 95 % intervals cover the mean difference."""
    rng = np.random.default_rng(2)
    weights = pd.DataFrame([[1.0, -1.0]], columns=["P", "C"], index=["P − C"])
    cluster = np.repeat(np.arange(14), 8)
    form = np.tile(["P", "P", "C", "C", "C", "C", "C", "C"], 14)
    held = 0
    for _ in range(250):
        shift = rng.normal(0, 6, (14, 2))[cluster, (form == "C").astype(int)]
        values = pd.Series(shift + rng.normal(0, 12, len(form)))
        row = weighted_group_means(values, pd.Series(form), weights, cluster=pd.Series(cluster)).iloc[0]
        held += row["ci_low"] <= 0 <= row["ci_high"]
    assert 0.92 <= held / 250 <= 0.98
