"""Means and their intervals against R, against the formula written out, and against a known population."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import means as module
from analysis.means import common_strata, mean_scores, widest_clusters

ORACLES = Path(__file__).parents[1] / "oracles"
STORED = json.loads((ORACLES / "means.json").read_text(encoding="utf-8"))
ORACLE = STORED["rows"]
R = STORED["versions"]["R"].removeprefix("R version ").split()[0]
COLUMNS = ["n", "mean", "sd", "se", "df", "ci_low", "ci_high"]
WAYS = {
    "clustered": "robust to teams (CR1)",
    "plain": "of people on their own",
    "strata": "over forms, robust to teams (CR1)",
    "plain_strata": "over forms",
}


@pytest.fixture(scope="module")
def data() -> pd.DataFrame:
    """Unequal teams, gaps, a score that few have (`sparse`), and a form (M) that is missing at wave 2."""
    return pd.read_csv(ORACLES / "data" / "means.csv")


@pytest.fixture(scope="module")
def tables(data: pd.DataFrame) -> dict[str, pd.DataFrame]:
    scores, by = data[["role", "sparse"]], data[["wave"]]
    return {
        "clustered": mean_scores(scores, by=by, cluster=data["team"]).table,
        "plain": mean_scores(scores, by=by).table,
        "strata": mean_scores(scores, by=by, strata=data["form"], cluster=data["team"]).table,
        "plain_strata": mean_scores(scores, by=by, strata=data["form"]).table,
    }


def test_the_oracle_covers_every_way_and_its_data_are_awkward(data: pd.DataFrame) -> None:
    assert {row["method"] for row in ORACLE} == {"clustered", "plain", "strata", "plain_strata"}
    assert len(ORACLE) == 16
    sizes = data["team"].value_counts()
    assert sizes.max() >= 10 * sizes.min()
    assert data["role"].isna().any()
    assert data["sparse"].notna().sum() == 40


@pytest.mark.parametrize("row", ORACLE, ids=lambda row: f"{row['method']}-{row['wave']}-{row['score']}")
def test_every_number_is_that_of_r(row: dict[str, float], tables: dict[str, pd.DataFrame], agrees: Any) -> None:
    ours = tables[str(row["method"])].loc[(row["wave"], row["score"])]
    # Both compute closed formulas in double precision; R wrote 15 digits.
    theirs = [row[name] for name in COLUMNS]
    agrees(f"means and intervals, {WAYS[str(row['method'])]}", ours[COLUMNS], theirs, oracle=f"R {R}", relative=1e-11)


def test_clustering_matters_in_these_data(tables: dict[str, pd.DataFrame]) -> None:
    assert tables["clustered"].loc[(1, "role"), "se"] > 1.2 * tables["plain"].loc[(1, "role"), "se"]


def test_columns_index_and_text_are_as_documented(data: pd.DataFrame) -> None:
    result = mean_scores(data[["role", "sparse"]], by=data[["wave", "form"]], cluster=data["team"])
    assert result.table.columns.tolist() == COLUMNS
    assert result.table.index.names == ["wave", "form", "score"]
    assert result.table["n"].dtype == "int64"
    assert "CR1" in result.method
    overall = mean_scores(data[["role"]])
    assert overall.table.index.names == ["score"]
    assert overall.table.index.tolist() == ["role"]
    assert "Student's t" in overall.method
    assert overall.notes == ()


def test_the_sandwich_written_out() -> None:
    """Three forms with equal weights in twelve teams: every sum in plain Python."""
    random = np.random.default_rng(4)
    teams = [f"t{number}" for number in random.integers(0, 12, 90)]
    forms = [("P", "C", "M")[number] for number in random.integers(0, 3, 90)]
    values = random.normal(50, 10, 90).tolist()
    mean_of = {}
    for form in set(forms):
        of_form = [value for value, its in zip(values, forms, strict=True) if its == form]
        mean_of[form] = sum(of_form) / len(of_form)
    total = dict.fromkeys(set(teams), 0.0)
    for value, form, team in zip(values, forms, teams, strict=True):
        total[team] += (value - mean_of[form]) / (3 * forms.count(form))
    clusters = len(total)
    assert clusters >= 10
    variance = clusters / (clusters - 1) * sum(part**2 for part in total.values())
    result = mean_scores(pd.DataFrame({"role": values}), strata=pd.Series(forms), cluster=pd.Series(teams)).table.loc[
        "role"
    ]
    assert result["mean"] == pytest.approx(sum(mean_of.values()) / 3, rel=1e-12)
    assert result["se"] == pytest.approx(variance**0.5, rel=1e-12)
    assert result["df"] == clusters - 1


def test_one_person_a_team_is_no_clustering_at_all(data: pd.DataFrame) -> None:
    everyone = pd.Series(data.index.astype(str), index=data.index)
    clustered = mean_scores(data[["role"]], cluster=everyone).table
    # Sums of the same squares in another order: rounding alone.
    pd.testing.assert_frame_equal(clustered, mean_scores(data[["role"]]).table, rtol=1e-12)


def test_forms_weigh_equally_whatever_their_numbers() -> None:
    scores = pd.DataFrame({"role": [10.0] * 9 + [50.0] * 1 + [10.0] * 2 + [50.0] * 8})
    form = pd.Series((["P"] * 9 + ["C"]) + (["P"] * 2 + ["C"] * 8))
    wave = pd.DataFrame({"wave": [1] * 10 + [2] * 10})
    table = mean_scores(scores, by=wave, strata=form).table
    assert table["mean"].tolist() == [30.0, 30.0]
    assert mean_scores(scores, by=wave).table["mean"].tolist() == [14.0, 42.0]


def test_a_form_of_one_wave_does_not_count_and_is_named(data: pd.DataFrame) -> None:
    result = mean_scores(data[["role"]], by=data[["wave"]], strata=data["form"])
    assert result.notes == ("Only forms present in every group count towards the means: C, P.",)
    expected = data[(data["wave"] == 1) & (data["form"] != "M")].groupby("form")["role"].mean().mean()
    assert result.table.loc[(1, "role"), "mean"] == pytest.approx(expected, rel=1e-12)
    assert common_strata(data["form"], data[["wave"]]) == ["C", "P"]


def test_a_score_that_a_form_has_in_one_wave_only_is_compared_without_that_form() -> None:
    """Both forms are there at both waves, but nobody of C answered this subscale at wave 2."""
    scores = pd.DataFrame(
        {"role": [10.0, 20.0, 80.0, 90.0] * 2, "indu": [10.0, 20.0, 80.0, 90.0, 11.0, 21.0, np.nan, np.nan]}
    )
    form, wave = pd.Series(["P", "P", "C", "C"] * 2), pd.DataFrame({"wave": [1] * 4 + [2] * 4})
    result = mean_scores(scores, by=wave, strata=form)
    assert result.table["mean"].unstack("wave").loc["indu"].tolist() == [15.0, 16.0]
    assert result.table["mean"].unstack("wave").loc["role"].tolist() == [50.0, 50.0]
    assert result.notes == ("indu: only forms with answers in every group count, here P.",)


@pytest.mark.parametrize("labels", [["P", "C"], [1, 2]])
def test_strata_may_be_numbers(labels: list[object]) -> None:
    scores = pd.DataFrame({"role": [1.0, 2.0, 3.0, 5.0]})
    table = mean_scores(scores, strata=pd.Series([labels[0], labels[0], labels[1], labels[1]])).table
    assert table.loc["role", "mean"] == 2.75
    assert table.loc["role", "df"] == 2


def few_teams(count: int) -> tuple[pd.DataFrame, pd.Series]:
    random = np.random.default_rng(count)
    team = pd.Series(np.repeat([f"t{number}" for number in range(count)], 6), name="team")
    effect = np.repeat(random.normal(0, 8, count), 6)
    return pd.DataFrame({"role": 50 + effect + random.normal(0, 5, len(team))}), team


def test_fewer_than_ten_teams_get_the_ordinary_interval_and_a_note() -> None:
    assert module._FEWEST_CLUSTERS == 10
    nine, ten = few_teams(9), few_teams(10)
    result = mean_scores(nine[0], cluster=nine[1])
    plain = mean_scores(nine[0])
    pd.testing.assert_frame_equal(result.table, plain.table)
    assert len(result.notes) == 1
    assert "fewer than 10 teams" in result.notes[0]
    enough = mean_scores(ten[0], cluster=ten[1])
    assert enough.table.loc["role", "df"] == 9
    assert enough.table.loc["role", "se"] > 1.5 * mean_scores(ten[0]).table.loc["role", "se"]
    assert enough.notes == ()


def test_teams_are_counted_among_those_who_answered_the_score() -> None:
    scores, team = few_teams(12)
    scores["indu"] = scores["role"].where(team.isin(["t0", "t1", "t2"]))
    result = mean_scores(scores, cluster=team)
    assert result.table["df"].tolist() == [11, 17]
    assert len(result.notes) == 1


def test_a_score_that_nobody_answered_makes_no_note_about_teams() -> None:
    scores, team = few_teams(12)
    result = mean_scores(scores.assign(indu=np.nan), cluster=team)
    assert result.notes == ()
    assert result.table.loc["indu", "n"] == 0
    assert result.table.loc["indu", "mean":].isna().all()  # type: ignore[misc]


def test_people_without_a_team_stay_in_the_variance() -> None:
    """Someone whose team is not known is one alone: dropping them would make the interval too short."""
    scores, team = few_teams(14)
    some = team.where(np.arange(len(team)) % 3 > 0)
    alone = some.fillna(pd.Series([f"alone{number}" for number in range(len(team))]))
    ours, expected = mean_scores(scores, cluster=some).table, mean_scores(scores, cluster=alone).table
    pd.testing.assert_frame_equal(ours, expected, rtol=1e-12)
    assert ours.loc["role", "df"] == alone.nunique() - 1


def test_one_person_has_a_mean_and_no_interval() -> None:
    table = mean_scores(pd.DataFrame({"role": [40.0, np.nan]})).table
    assert table.loc["role", ["n", "mean"]].tolist() == [1, 40.0]
    assert table.loc["role", "sd":].isna().all()  # type: ignore[misc]
    two = mean_scores(pd.DataFrame({"role": [40.0, 60.0]}), strata=pd.Series(["P", "C"])).table
    assert two.loc["role", "mean"] == 50.0
    assert two.loc["role", "se":].isna().all()  # type: ignore[misc]


def test_no_answers_at_all_are_refused() -> None:
    with pytest.raises(ValueError, match="no answers from which a mean could be had"):
        mean_scores(pd.DataFrame({"role": pd.Series(dtype=float)}))
    with pytest.raises(ValueError, match="no answers"):
        mean_scores(pd.DataFrame({"role": [1.0, 2.0]}), by=pd.DataFrame({"wave": [1, 2]}), strata=pd.Series(["P", "C"]))


def test_nullable_scores_are_taken_and_inputs_stay_as_they_were(data: pd.DataFrame) -> None:
    scores = data[["role", "sparse"]].astype("Float64")
    before = (scores.copy(), data.copy())
    table = mean_scores(scores, by=data[["wave"]], strata=data["form"], cluster=data["team"]).table
    pd.testing.assert_frame_equal(
        table,
        mean_scores(data[["role", "sparse"]], by=data[["wave"]], strata=data["form"], cluster=data["team"]).table,
    )
    pd.testing.assert_frame_equal(scores, before[0])
    pd.testing.assert_frame_equal(data, before[1])


def test_the_order_of_rows_changes_nothing(data: pd.DataFrame) -> None:
    mixed = data.sample(frac=1, random_state=1)
    a, b = (
        mean_scores(each[["role"]], by=each[["wave"]], strata=each["form"], cluster=each["team"]).table
        for each in (data, mixed)
    )
    pd.testing.assert_frame_equal(a, b, rtol=1e-12)


def test_confidence_sets_the_width_alone(data: pd.DataFrame) -> None:
    wide, narrow = (mean_scores(data[["role"]], confidence=c).table.loc["role"] for c in (0.99, 0.9))
    assert wide["se"] == narrow["se"]
    ratio = stats.t.ppf(0.995, wide["df"]) / stats.t.ppf(0.95, wide["df"])
    assert (wide["ci_high"] - wide["mean"]) / (narrow["ci_high"] - narrow["mean"]) == pytest.approx(ratio, rel=1e-9)
    assert "99% intervals" in mean_scores(data[["role"]], confidence=0.99).method


RUNS = 250


def covered(*, clustered: bool, seed: int) -> float:
    """Return how often the interval holds the mean of the population: unequal teams that differ."""
    random = np.random.default_rng(seed)
    team = np.repeat(np.arange(30), random.integers(2, 11, 30))
    runs = 50 + random.normal(0, 6, (30, RUNS))[team] + random.normal(0, 10, (len(team), RUNS))
    scores = pd.DataFrame(runs, columns=[f"run{number}" for number in range(RUNS)])
    cluster = pd.Series(team).astype(str) if clustered else None
    table = mean_scores(scores, cluster=cluster).table
    return float(table["ci_low"].lt(50).mul(table["ci_high"].gt(50)).mean())


def test_intervals_that_know_the_teams_hold_the_truth_as_often_as_they_say() -> None:
    # 250 runs have a Monte Carlo error of 1.4 points at 95 %; CR1 with 30 unequal teams is known to cover
    # a little less than 95 % (Cameron and Miller 2015, section VI), so 90–98.5 is asked for.
    assert 0.90 <= covered(clustered=True, seed=1) <= 0.985
    # The same bounds catch an interval that takes the people as independent.
    assert covered(clustered=False, seed=1) < 0.88


def test_intervals_of_small_unequal_forms_hold_the_truth_too() -> None:
    """Nine, four and one: with the form of one person adding nothing to the variance, this covered 66 %."""
    random = np.random.default_rng(2)
    form = pd.Series(["P"] * 9 + ["C"] * 4 + ["M"])
    level = form.map({"P": 40.0, "C": 50.0, "M": 60.0}).to_numpy()[:, None]
    scores = pd.DataFrame(level + random.normal(0, 10, (14, RUNS)), columns=[f"run{n}" for n in range(RUNS)])
    table = mean_scores(scores, strata=form).table
    # Exact under equal variances: four Monte Carlo errors.
    assert abs(table["ci_low"].lt(50).mul(table["ci_high"].gt(50)).mean() - 0.95) < 4 * (0.95 * 0.05 / RUNS) ** 0.5


def test_clusters_are_organisations_where_there_are_enough_of_them() -> None:
    ten = pd.DataFrame({"organisation": [f"o{number}" for number in range(10)] * 2, "team": ["1", "2"] * 10})
    found = widest_clusters(ten)
    assert found is not None
    assert (found.name, found.nunique()) == ("organisation", 10)
    nine = widest_clusters(ten[ten["organisation"] != "o9"].assign(team=["1", "2"] * 9))
    assert nine is not None
    assert nine.name == "team"
    assert set(nine) == {f"o{number} / {team}" for number in range(9) for team in ("1", "2")}
    only_team = widest_clusters(ten[["team"]])
    assert only_team is not None
    assert only_team.name == "team"
    assert widest_clusters(ten[[]]) is None


def test_intervals_by_organisation_hold_the_truth_where_those_by_team_do_not() -> None:
    random = np.random.default_rng(3)
    people = pd.DataFrame({"team": np.repeat([f"t{number:03}" for number in range(96)], 5)})
    people["organisation"] = "o" + (np.arange(480) // 20).astype(str).astype(object)
    effects = [random.normal(0, 5, (480 // size, RUNS)).repeat(size, axis=0) for size in (20, 5)]
    scores = pd.DataFrame(50 + effects[0] + effects[1] + random.normal(0, 12, (480, RUNS))).add_prefix("run")

    def coverage(cluster: pd.Series | None) -> float:
        table = mean_scores(scores, cluster=cluster).table
        return float(table["ci_low"].lt(50).mul(table["ci_high"].gt(50)).mean())

    # 24 equal clusters: CR1 is exact here but for four Monte Carlo errors of 1.4 points.
    assert abs(coverage(widest_clusters(people)) - 0.95) < 4 * (0.95 * 0.05 / RUNS) ** 0.5
    assert coverage(people["team"]) < 0.89
