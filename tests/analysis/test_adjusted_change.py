"""Analysis of covariance against lm and lmerTest, and what it calls itself."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.adjusted_change import adjusted_change
from analysis.linked_people import linked_people

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "adjusted_change.json").read_text(encoding="utf-8"))
VERSIONS = ORACLE["versions"]
DATA = pd.read_csv(ORACLES / "data" / "change.csv")
LINKED = linked_people(DATA[["total", "part"]], DATA.drop(columns=["total", "part", "sparse"]))
KNOWN = LINKED.people
GIVEN = {"arm": KNOWN["programme"], "form": KNOWN["form"]}


def test_without_clusters_it_is_lm(agrees):
    table = adjusted_change(LINKED.before, LINKED.after, randomised=True, **GIVEN).table
    columns = ["estimate", "se", "df", "ci_low", "ci_high", "statistic", "p", "slope"]
    for score in ("total", "part"):
        assert table.loc[score, "n"] == ORACLE[score]["n"]
        agrees(
            f"{score}, lm",
            table.loc[score, columns],
            ORACLE[score]["lm"],
            oracle=f"R {VERSIONS['R']} lm",
            absolute=1e-8,
        )


def test_with_clusters_it_is_lmertest(agrees):
    clusters = KNOWN[["organisation", "team"]]
    table = adjusted_change(LINKED.before, LINKED.after, randomised=True, clusters=clusters, **GIVEN).table
    oracle = f"lmerTest {VERSIONS['lmerTest']}"
    for score in ("total", "part"):
        theirs = ORACLE[score]["mixed"]
        assert min(ORACLE[score]["variances"]) > 0  # not singular, so that no cap applies
        ours = table.loc[score, ["estimate", "slope"]]
        agrees(f"{score}, fixed effects", ours, [theirs[0], theirs[5]], oracle=oracle, absolute=1e-5)
        agrees(f"{score}, se", table.loc[score, "se"], theirs[1], oracle=oracle, absolute=1e-4)
        agrees(f"{score}, df", table.loc[score, "df"], theirs[2], oracle=oracle, relative=1e-2)
        agrees(f"{score}, p", table.loc[score, "p"], theirs[4], oracle=oracle, absolute=1e-3)
    assert (table["clusters"] == 10).all()


def test_randomised_changes_words_and_no_number():
    yes, no = (adjusted_change(LINKED.before, LINKED.after, randomised=each, **GIVEN) for each in (True, False))
    pd.testing.assert_frame_equal(yes.table, no.table)
    assert "sensitivity" not in yes.title
    assert "sensitivity" in no.title
    assert any("estimates the effect of the programme" in note for note in yes.notes)
    assert any("Lord, 1967" in note for note in no.notes)
    assert not any("estimates the effect" in note for note in no.notes)


def test_a_cluster_variance_of_zero_gives_no_more_than_clusters_minus_arms():
    rng = np.random.default_rng(4)
    people = pd.RangeIndex(120)
    before = pd.DataFrame({"x": rng.normal(50, 10, 120)}, index=people)
    cluster = pd.Series(people % 8, index=people)
    # Clusters more alike than chance allows: each has the same mean of what is left.
    left = pd.Series(rng.normal(0, 5, 120))
    left -= left.groupby(cluster).transform("mean")
    after = pd.DataFrame({"x": before["x"] * 0.5 + left}, index=people)
    found = adjusted_change(
        before, after, arm=(cluster < 4).astype(int), randomised=True, clusters=cluster.to_frame("organisation")
    )
    assert any("estimated at zero" in note for note in found.notes)
    assert found.table.loc["x", "df"] == 6


def test_the_truth_is_found_where_arms_are_randomised():
    rng = np.random.default_rng(6)
    n = 4000
    before = pd.DataFrame({"x": rng.normal(50, 12, n)})
    arm = pd.Series(rng.permutation(np.repeat([0, 1], n // 2)))
    after = pd.DataFrame({"x": 20 + 0.6 * before["x"] + 4 * arm + rng.normal(0, 8, n)})
    row = adjusted_change(before, after, arm=arm, randomised=True).table.loc["x"]
    assert row["ci_low"] < 4 < row["ci_high"]
    assert row["estimate"] == pytest.approx(4, abs=3 * 8 * 2 / np.sqrt(n))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"arm": pd.Series(1, index=KNOWN.index)}, "compares two arms"),
        ({"arm": pd.Series(np.nan, index=KNOWN.index)}, "got none"),
        ({"arm": pd.Series(np.arange(len(KNOWN)) == 0, index=KNOWN.index).astype(int)}, "at least two linked people"),
        ({"clusters": KNOWN[["programme"]]}, "at least two clusters"),
        ({"after": LINKED.after * np.nan}, "at least two linked people"),
        ({"after": LINKED.after[["part", "total"]]}, "the same scores"),
        ({"after": LINKED.after.iloc[:5]}, "index of the scores"),
        ({"after": LINKED.after * 0 + 50}, "an outcome that varies"),
    ],
)
def test_what_allows_no_answer_is_refused(change, said):
    given = {"before": LINKED.before, "after": LINKED.after, "randomised": True, **GIVEN} | change
    with pytest.raises(ValueError, match=said):
        adjusted_change(given.pop("before"), given.pop("after"), **given)
