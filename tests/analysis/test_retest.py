"""Retest and team agreement against psych 2.2.9, base R and known truth (tests/oracles/retest.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.retest import _team_icc, retest, team_agreement

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "retest.json").read_text())
SETS = {name: pd.DataFrame(columns) for name, columns in ORACLE["sets"].items()}
PSYCH = f"psych {ORACLE['versions']['psych']} ICC(lmer = FALSE)"
BASE = f"R {ORACLE['versions']['R']}"
COEFFICIENTS = {
    "ICC1": "icc_one_way",
    "ICC2": "icc_agreement",
    "ICC3": "icc_consistency",
    "ICC1k": "icc_one_way_average",
    "ICC2k": "icc_agreement_average",
    "ICC3k": "icc_consistency_average",
}
ANSWERS = pd.DataFrame(ORACLE["answers"])
NULL_SKEW = (0.05, 0.15, 0.20, 0.35, 0.25)


@pytest.mark.parametrize("name", SETS)
def test_intraclass_correlations_are_those_of_psych(name, agrees):
    expected = ORACLE["icc"][name]
    found = retest(SETS[name]).table.loc[[COEFFICIENTS[kind] for kind in expected["type"]]]
    for statistic, column, theirs in (
        ("estimate", "estimate", "estimate"),
        ("interval, lower", "ci_low", "low"),
        ("interval, upper", "ci_high", "high"),
        ("p", "p", "p"),
    ):
        agrees(f"ICC: {statistic}, {name}", found[column], expected[theirs], oracle=PSYCH, absolute=1e-8)
    agrees(f"ICC: F, {name}", found["statistic"], expected["f"], oracle=PSYCH, relative=1e-8)
    assert found["df"].tolist() == expected["df"]
    assert found["df_error"].tolist() == expected["df_error"]


@pytest.mark.parametrize("name", SETS)
def test_measurement_error_is_that_of_the_mean_squares(name, agrees):
    expected = ORACLE["errors"][name]
    found = retest(SETS[name]).measurement_error
    for kind in ("agreement", "consistency"):
        ours = found.loc[f"sem_{kind}", ["estimate", "ci_low", "ci_high"]]
        agrees(f"SEM, {kind}, {name}", ours, expected[kind], oracle=f"{BASE} aov", absolute=1e-8)
    for kind in ("sdc_individual", "sdc_group"):
        agrees(f"{kind}, {name}", found.loc[kind, "estimate"], expected[kind], oracle=f"{BASE} aov", absolute=1e-8)
    of_consistency = retest(SETS[name], model="consistency").measurement_error
    ratio = of_consistency.loc["sdc_individual", "estimate"] / of_consistency.loc["sem_consistency", "estimate"]
    assert ratio == pytest.approx(1.959964 * np.sqrt(2), rel=1e-6)


@pytest.mark.parametrize("name", ORACLE["limits"])
def test_limits_of_agreement_are_exact(name, agrees):
    pairs = retest(SETS[name]).agreement
    numbers = ["estimate", "ci_low", "ci_high"]
    for (_, found), expected in zip(
        pairs.groupby(level=["first", "second"], sort=False), ORACLE["limits"][name], strict=True
    ):
        rows = found.droplevel(["first", "second"])
        mean = [expected["mean"], expected["se"], *expected["ci"], expected["t"], expected["p"]]
        ours = rows.loc["mean_difference", ["estimate", "se", "ci_low", "ci_high", "statistic", "p"]]
        agrees(f"mean difference, {name}", ours, mean, oracle=f"{BASE} t.test", absolute=1e-8)
        for end in ("low", "high"):
            ours = rows.loc[f"limit_{end}", numbers]
            agrees(f"limit of agreement, {end}, {name}", ours, expected[end], oracle=f"{BASE} qt", absolute=1e-8)
        ours = rows.loc["size_and_level", "estimate"]
        agrees(f"size of difference and level, {name}", ours, expected["level"], oracle=f"{BASE} cor", absolute=1e-10)


def test_intervals_of_limits_and_measurement_error_cover_the_truth():
    """Errors of SD 1 about a shift of .8; the limit of agreement is exact (Carkeet, 2015)."""
    rng = np.random.default_rng(3)
    truth = {"limit": 0.8 + 1.959964 * np.sqrt(2), "sem_agreement": np.sqrt(1 + 0.8**2 / 2), "sem_consistency": 1.0}
    covered = dict.fromkeys(truth, 0)
    for _ in range(150):
        scores = pd.DataFrame(rng.normal(size=(15, 1)) + rng.normal(size=(15, 2)) + [0, 0.8], columns=["t1", "t2"])
        found = retest(scores)
        rows = found.measurement_error.T.assign(limit=found.agreement.loc[("t1", "t2", "limit_high")])
        for name, value in truth.items():
            covered[name] += rows.loc["ci_low", name] <= value <= rows.loc["ci_high", name]
    # 150 draws: 3.5 standard errors below 95 %.
    for name, count in covered.items():
        assert 0.888 <= count / 150 < 1, name


def test_a_shift_of_everyone_lowers_agreement_and_not_consistency():
    rng = np.random.default_rng(4)
    people = rng.normal(size=2000)
    scores = pd.DataFrame({"t1": people, "t2": people + 1}) + rng.normal(scale=0.5, size=(2000, 2))
    found = retest(scores)
    # True values: 1 / 1.25 for consistency; occasion variance 0.5 beside it for agreement.
    assert found.table.loc["icc_consistency", "estimate"] == pytest.approx(0.8, abs=0.04)
    assert found.table.loc["icc_agreement", "estimate"] == pytest.approx(1 / 1.75, abs=0.04)
    assert found.measurement_error.loc["sem_consistency", "estimate"] == pytest.approx(0.5, abs=0.03)
    assert found.measurement_error.loc["sem_agreement", "estimate"] == pytest.approx(np.sqrt(0.75), abs=0.05)
    assert found.table.index[0] == "icc_agreement"
    assert retest(scores, model="consistency").table.index[0] == "icc_consistency"
    row = found.agreement.loc[("t1", "t2", "mean_difference")]
    assert row["estimate"] == pytest.approx(1, abs=4 * row["se"])
    assert row["se"] == pytest.approx(0.5 * np.sqrt(2 / 2000), rel=0.1)


def test_occasions_that_differ_by_less_than_chance_have_no_variance_of_their_own():
    first = np.arange(10.0)
    scores = pd.DataFrame({"t1": first, "t2": first + np.tile([1.0, -1.0], 5)})
    found = retest(scores)
    error = found.measurement_error["estimate"]
    assert error["sem_agreement"] == error["sem_consistency"] == pytest.approx(np.sqrt(10 / 9 / 2))
    assert any("counts as 0" in note for note in found.notes)
    # All differences are of one size: there is nothing that could depend on the level.
    assert ("t1", "t2", "size_and_level") not in found.agreement.index


def test_differences_that_grow_with_the_level_are_said():
    rng = np.random.default_rng(2)
    level = rng.uniform(1, 100, size=200)
    growing = pd.DataFrame({"t1": level, "t2": level * (1 + rng.normal(scale=0.2, size=200))})
    steady = pd.DataFrame({"t1": level, "t2": level + rng.normal(scale=5, size=200)})
    assert any("grow or shrink with the level between t1 and t2" in note for note in retest(growing).notes)
    assert not any("grow or shrink" in note for note in retest(steady).notes)


def test_the_note_says_whether_the_interval_settles_that_agreement_is_enough():
    rng = np.random.default_rng(6)
    level = rng.normal(size=100)
    for noise, words in (
        (0.2, "lies above .70 as a whole: the coefficient is shown to reach it."),
        (0.65, "holds .70: whether the coefficient reaches it is not settled."),
        (2.0, "lies below .70 as a whole: the coefficient is shown not to reach it."),
    ):
        found = retest(pd.DataFrame({each: level + rng.normal(scale=noise, size=100) for each in ("t1", "t2")}))
        row = found.table.iloc[0]
        (note,) = (note for note in found.notes if ".70" in note)
        assert note.startswith(f"icc_agreement is {row['estimate']:.2f}")
        assert note.endswith(words)
        assert (row["ci_low"] < 0.7, row["ci_high"] < 0.7) == ("above" not in words, "below" in words)


def test_people_without_all_occasions_are_left_out_and_counted():
    scores = SETS["shrout"].astype(float)
    scores.loc[6] = [7, 2, np.nan, 4]
    found = retest(scores)
    assert found.notes[0] == "1 of 7 people lacks an occasion and is left out (listwise)."
    scores.loc[7] = [7, 2, np.nan, np.nan]
    assert retest(scores).notes[0] == "2 of 8 people lack an occasion and are left out (listwise)."
    pd.testing.assert_frame_equal(found.table, retest(SETS["shrout"]).table)
    assert (found.table["n"] == 6).all()
    assert any("below the 50 people" in note for note in found.notes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d[["t1"]], "at least 2 items are needed, got 1"),
        (lambda d: d.iloc[:2], "at least 3 responses without a gap"),
        (lambda d: d.assign(t2=5), "alike on t2"),
        (lambda d: d[["t1"]].assign(t2=d["t1"]), "copies of each other"),
        (lambda d: d[["t1"]].assign(t2=d["t1"] + 3), "differ by the same amount"),
        (lambda d: d.assign(t4=d["t1"]), "t1 and t4 are copies"),
        (lambda d: d.assign(t2="x"), "t2 holds text"),
    ],
)
def test_scores_that_allow_no_answer_are_refused(change, said):
    with pytest.raises(ValueError, match=said):
        retest(change(SETS["shrout"]))


def test_options_are_checked():
    with pytest.raises(ValueError, match="model must be 'agreement' or 'consistency', got 'absolute'"):
        retest(SETS["shrout"], model="absolute")
    with pytest.raises(ValueError, match="missing must be 'listwise', got 'pairwise'"):
        retest(SETS["shrout"], missing="pairwise")


# Teams


@pytest.mark.parametrize("name", ORACLE["teams"])
def test_team_coefficients_are_those_of_their_formulas(name, agrees):
    expected = ORACLE["teams"][name]
    answers = ANSWERS["N1"] if name == "one_item" else ANSWERS
    found = team_agreement(answers, pd.Series(expected["team"]), options=5, by_team=True)
    numbers = ["estimate", "ci_low", "ci_high"]
    for coefficient in ("icc_1", "icc_2"):
        ours = found.table.loc[coefficient, numbers]
        agrees(
            f"{coefficient} and interval, {name} teams",
            ours,
            expected[coefficient],
            oracle=f"{BASE} aov",
            absolute=1e-8,
        )
    agrees(f"F of teams, {name}", found.table["statistic"], [expected["f"]] * 2, oracle=f"{BASE} aov", relative=1e-10)
    agrees(f"p of teams, {name}", found.table["p"], [expected["p"]] * 2, oracle=f"{BASE} aov", relative=1e-8)
    assert found.table[["df", "df_error"]].iloc[0].tolist() == expected["df"]
    for ours, theirs in (("r_wg_uniform", "rwg_uniform"), ("r_wg_skewed", "rwg_skewed"), ("average_deviation", "ad")):
        agrees(f"{ours}, {name} teams", found.teams[ours], expected[theirs], oracle=f"{BASE}, formula", absolute=1e-10)
        assert found.within.loc[ours, "estimate"] == pytest.approx(np.median(expected[theirs]))
        assert found.within.loc[ours, "minimum"] == pytest.approx(min(expected[theirs]))
        assert found.within.loc[ours, "maximum"] == pytest.approx(max(expected[theirs]))
    share = np.mean(np.asarray(expected["rwg_uniform"]) >= 0.7)
    assert found.within.loc["r_wg_uniform", "share"] == pytest.approx(share)


def test_with_equal_teams_the_interval_is_that_of_shrout_and_fleiss(agrees):
    found = team_agreement(ANSWERS, pd.Series(ORACLE["teams"]["equal"]["team"])).table
    for coefficient in ("icc_1", "icc_2"):
        ours = found.loc[coefficient, ["estimate", "ci_low", "ci_high"]]
        theirs = ORACLE["one_way"][coefficient]
        agrees(f"{coefficient} and interval, equal teams", ours, theirs, oracle=PSYCH, absolute=1e-8)


@pytest.mark.parametrize("icc", [0.0, 0.2])
def test_interval_of_unequal_teams_covers_the_truth(icc):
    sizes = np.array([2, 2, 3, 3, 4, 5, 6, 8, 12, 20, 25])
    team = np.repeat(np.arange(len(sizes)), sizes)
    rng = np.random.default_rng(5)
    inside, estimates = [], []
    for _ in range(200):
        score = np.sqrt(icc) * rng.normal(size=len(sizes))[team] + np.sqrt(1 - icc) * rng.normal(size=len(team))
        row = _team_icc(score, team)[0].loc["icc_1"]
        inside.append(row["ci_low"] <= icc <= row["ci_high"])
        estimates.append(row["estimate"])
    # 200 draws: 3.5 standard errors about 95 %.
    assert 0.896 <= np.mean(inside) < 1
    assert np.mean(estimates) == pytest.approx(icc, abs=0.03)


def test_teams_are_not_singled_out_unless_asked_for():
    team = pd.Series(ORACLE["teams"]["unequal"]["team"])
    found = team_agreement(ANSWERS, team, options=5)
    assert found.teams.empty
    assert "team" not in str(found.within.index.tolist())
    assert len(team_agreement(ANSWERS, team, options=5, by_team=True).teams) == 27
    assert any("2 to 13 people" in note for note in found.notes)


def test_perfect_agreement_is_1_and_more_spread_than_chance_0():
    answers = pd.Series([3, 3, 3, 1, 5, 1, 5, 2, 3])
    found = team_agreement(answers, pd.Series(list("aaabbbbcc")), options=5, by_team=True)
    assert found.teams["r_wg_uniform"].tolist() == [1.0, 0.0, 0.75]
    assert any("In 1 of 3 teams answers spread more than by chance" in note for note in found.notes)


def test_without_options_there_are_intraclass_correlations_only():
    found = team_agreement(ANSWERS.mean(axis=1) * 25, pd.Series(ORACLE["teams"]["equal"]["team"]))
    assert found.within.empty
    assert "r_wg" not in found.method
    # The unit does not matter.
    assert found.table.loc["icc_1", "estimate"] == pytest.approx(ORACLE["one_way"]["icc_1"][0])


def test_chance_that_is_not_known_is_asked_for():
    team = pd.Series(ORACLE["teams"]["equal"]["team"])
    found = team_agreement(ANSWERS, team, options=7)
    assert found.within.index.tolist() == ["r_wg_uniform", "average_deviation"]
    assert any("give skewed=" in note for note in found.notes)
    same = team_agreement(ANSWERS, team, options=5, skewed=NULL_SKEW).within
    pd.testing.assert_frame_equal(same, team_agreement(ANSWERS, team, options=5).within)


def test_who_is_left_out_of_teams_is_counted():
    answers = pd.DataFrame({"a": [1, 2, 4, 5, 3, 2, None], "b": [2, 2, 4, 4, 3, 1, 2]})
    team = pd.Series(["x", "x", "y", "y", "z", None, "x"])
    found = team_agreement(answers, team)
    assert found.notes[:3] == (
        "1 responses with a gap are left out.",
        "1 responses without a team are left out.",
        "1 responses that are the only one of their team are left out.",
    )
    assert found.table.loc["icc_1", ["n", "n_teams"]].tolist() == [4, 2]


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"teams": pd.Series([1, 1, 2, 2], index=[4, 5, 6, 7])}, "index of the scores"),
        ({"teams": pd.Series([1, 1, 1, 2])}, "at least two teams"),
        ({"scores": pd.Series([1, 1, 2, 2])}, "members of every team score alike"),
        ({"options": 3}, "got values from 1 to 5"),
        ({"scores": pd.Series([1.5, 2, 3, 4]), "options": 5}, "fractions"),
        ({"options": 1}, "at least 2, got 1"),
        ({"options": 5, "skewed": [0.5, 0.6]}, "5 probabilities that add up to 1"),
        ({"options": 5, "skewed": [0, 0, 1, 0, 0]}, "one option all probability"),
        ({"skewed": NULL_SKEW}, "give options too"),
        ({"threshold": 70}, "between 0 and 1, got 70"),
    ],
)
def test_teams_that_allow_no_answer_are_refused(keywords, said):
    given = {"scores": pd.Series([1, 3, 5, 4]), "teams": pd.Series([1, 1, 2, 2])} | keywords
    with pytest.raises(ValueError, match=said):
        team_agreement(given.pop("scores"), given.pop("teams"), **given)
