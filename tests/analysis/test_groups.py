"""Group comparisons against R, and what they refuse, leave out and say."""

import json
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.groups import ClusteredGroupComparison, GroupComparison, compare_groups
from analysis.result import LABELS

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "groups.json").read_text(encoding="utf-8"))
VERSIONS = ORACLE["versions"]
R = f"R {VERSIONS['R'].removeprefix('R version ').split()[0]}"
DATA = pd.read_csv(ORACLES / "data" / "groups_scores.csv", index_col="id")
SCORES = DATA[["integration", "culture", "item", "sparse", "process"]]
FORM = DATA["form"].astype(pd.CategoricalDtype(["P", "C", "M"]))
TWO_FORMS = FORM.where(FORM != "M")
FEW_VALUES = ["culture", "item", "sparse"]
TEAM = (DATA["organisation"] + DATA["team"]).rename("team")
NESTED = DATA[["organisation", "team"]]
PAIR = ["score", "group_1", "group_2"]

# Closed formulas differ by rounding, inverted distributions by the root finders' 1e-13.
CLOSED = 1e-8
# Two optimisers of one likelihood; R's multinom, behind proportional_odds_p, stops soonest.
ORDINAL = 1e-6
# lme4 stops where the deviance is flat: its variances carry six digits, the inferences five.
MIXED = 1e-4


@pytest.fixture
def agree(agrees):
    """Compare every column of R's rows, and make sure that they are all there."""

    def compare(what: str, found: pd.DataFrame, rows: list[dict], keys: list[str], oracle: str, rtol: float) -> None:
        wanted = pd.DataFrame(rows).set_index(keys)
        assert set(wanted.columns) <= set(found.columns)
        both = found.loc[wanted.index, wanted.columns].astype(float)
        for column, theirs in wanted.astype(float).items():
            statistic = f"{what}: {LABELS.get(column, column.replace('_', ' '))}"
            agrees(statistic, both[column], theirs, oracle=oracle, relative=rtol)
        no_others(found, wanted)

    return compare


def no_others(found: pd.DataFrame, wanted: pd.DataFrame) -> None:
    """Rows that R does not have hold no numbers."""
    left_over = found.drop(index=wanted.index)[[name for name in wanted.columns if name != "n"]]
    assert left_over.isna().to_numpy().all()


def notes_of(comparison: GroupComparison) -> str:
    return "\n".join(comparison.notes)


def by_method(method: str, groups: pd.Series) -> GroupComparison:
    return compare_groups(SCORES[FEW_VALUES] if method == "ordinal" else SCORES, groups, method=method)


@pytest.mark.parametrize(
    ("method", "what", "oracle", "rtol"),
    [
        ("welch", "Welch tests", R, CLOSED),
        ("rank", "rank tests", R, CLOSED),
        ("ordinal", "proportional odds", f"ordinal {VERSIONS['ordinal']} clm", ORDINAL),
    ],
)
def test_omnibus_tests_and_pairs_agree_with_r(method, what, oracle, rtol, agree):
    two, three = by_method(method, TWO_FORMS), by_method(method, FORM)
    for comparison, name in ((two, "two"), (three, "three")):
        table = comparison.table.join(comparison.assumptions.filter(["proportional_odds_p"]))
        agree(what, table, ORACLE[f"{method}_{name}"], ["score"], oracle, rtol)
    agree(f"{what}, pairs", three.pairwise, ORACLE[f"{method}_pairs"], PAIR, oracle, rtol)


def test_the_oracle_covers_every_column_of_the_tables():
    for method, names in (("welch", ("two", "three")), ("rank", ("two", "three")), ("ordinal", ("two", "three"))):
        for name, groups in zip(names, (TWO_FORMS, FORM), strict=True):
            comparison = by_method(method, groups)
            assert set(comparison.table.columns) <= set(ORACLE[f"{method}_{name}"][0])
            assert set(comparison.pairwise.columns) <= set(ORACLE[f"{method}_pairs"][0])


def test_means_and_assumptions_agree_with_r(agree):
    comparison = compare_groups(SCORES, FORM)
    agree("groups", comparison.means, ORACLE["means"], ["score", "group"], R, CLOSED)
    agree("assumptions", comparison.assumptions, ORACLE["assumptions"], ["score"], R, CLOSED)
    assert set(comparison.means.columns) == {*ORACLE["means"][0]} - {"score", "group"}


@pytest.mark.parametrize(
    ("name", "groups", "cluster"),
    [
        ("mixed_team_two", TWO_FORMS, TEAM),
        ("mixed_team_three", FORM, TEAM),
        ("mixed_nested_three", FORM, NESTED),
    ],
)
def test_mixed_models_agree_with_lmer_test(name, groups, cluster, agree):
    comparison = compare_groups(SCORES, groups, cluster=cluster)
    wanted = ORACLE[name]
    assert isinstance(comparison, ClusteredGroupComparison)
    oracle = f"lmerTest {VERSIONS['lmerTest']}"
    agree("mixed models", comparison.table, wanted["table"], ["score"], oracle, MIXED)
    agree("mixed models, pairs", comparison.pairwise, wanted["pairwise"], PAIR, oracle, MIXED)
    agree("mixed models, groups", comparison.means, wanted["means"], ["score", "group"], oracle, MIXED)
    agree("mixed models, intraclass correlation", comparison.icc, wanted["icc"], ["score"], oracle, MIXED)
    assert list(comparison.icc.columns) == (["team"] if cluster is TEAM else ["organisation", "team"])


def test_means_of_a_mixed_model_show_the_plain_mean_beside_the_estimate():
    plain, mixed = compare_groups(SCORES, FORM).means, compare_groups(SCORES, FORM, cluster=TEAM).means
    pd.testing.assert_frame_equal(mixed[["n", "mean", "sd"]], plain[["n", "mean", "sd"]])
    assert list(mixed.columns) == ["n", "mean", "sd", "estimate", "se", "ci_low", "ci_high"]


def test_a_team_label_counts_within_its_organisation():
    numbered = compare_groups(SCORES, FORM, cluster=NESTED)
    named = compare_groups(SCORES, FORM, cluster=pd.DataFrame({"organisation": NESTED["organisation"], "team": TEAM}))
    pd.testing.assert_frame_equal(numbered.table, named.table)
    crossed = compare_groups(SCORES, FORM, cluster=NESTED[["team"]])
    assert not np.allclose(crossed.icc["team"], named.icc["team"])


def test_an_interval_of_g_leaves_out_zero_exactly_where_p_is_below_five_percent():
    rng = np.random.default_rng(4)
    groups = pd.Series(["a"] * 12 + ["b"] * 31)
    # One column moved to just beside p = .05, on either side.
    base = rng.normal(size=(43, 60)) * np.where(groups == "a", 3.0, 1.0)[:, None]
    scores = pd.DataFrame(base + np.outer(groups == "a", np.linspace(-3, 3, 60)))
    pairs = compare_groups(scores, groups).pairwise
    leaves_out = (pairs["effect_low"] > 0) | (pairs["effect_high"] < 0)
    assert 5 < leaves_out.sum() < 55
    assert (leaves_out == (pairs["p"] < 0.05)).all()
    assert (leaves_out == ((pairs["ci_low"] > 0) | (pairs["ci_high"] < 0))).all()


def test_welch_for_three_groups_of_which_two_have_the_score_is_the_square_of_t():
    three = compare_groups(SCORES, FORM)
    two = compare_groups(SCORES, TWO_FORMS)
    assert three.table.loc["process", "statistic"] == pytest.approx(two.table.loc["process", "statistic"] ** 2)
    assert three.table.loc["process", "p"] == pytest.approx(two.table.loc["process", "p"])
    assert "M (process)" in notes_of(three)


def test_noncentral_bounds_give_back_their_tail():
    t = compare_groups(SCORES, TWO_FORMS).table
    means = compare_groups(SCORES, TWO_FORMS).means
    for score, row in t.iterrows():
        average = (means.loc[score, "sd"] ** 2).mean() ** 0.5
        for bound, tail in (("effect_low", 0.975), ("effect_high", 0.025)):
            noncentrality = row[bound] * average / row["se"]
            assert stats.nct.cdf(row["statistic"], row["df"], noncentrality) == pytest.approx(tail, abs=1e-10)


@pytest.mark.parametrize("method", ["welch", "rank", "ordinal"])
def test_the_order_of_rows_and_columns_changes_nothing_and_inputs_stay(method):
    scores = SCORES[FEW_VALUES]
    before, groups_before = scores.copy(), FORM.copy()
    straight = compare_groups(scores, FORM, method=method)
    turned = compare_groups(scores.iloc[::-1, ::-1], FORM.sample(frac=1, random_state=1), method=method)
    pd.testing.assert_frame_equal(turned.table.loc[straight.table.index], straight.table)
    pd.testing.assert_frame_equal(turned.pairwise.loc[straight.pairwise.index], straight.pairwise)
    pd.testing.assert_frame_equal(scores, before)
    pd.testing.assert_series_equal(FORM, groups_before)


@pytest.mark.parametrize("method", ["welch", "rank", "ordinal"])
def test_swapping_two_groups_swaps_the_sign(method):
    scores = SCORES[FEW_VALUES]
    swapped = TWO_FORMS.cat.remove_unused_categories().cat.reorder_categories(["C", "P"])
    one, other = (compare_groups(scores, groups, method=method).table for groups in (TWO_FORMS, swapped))
    np.testing.assert_allclose(one["p"], other["p"])
    whole = 1.0 if method == "rank" else 0.0
    np.testing.assert_allclose(one["estimate"], whole - other["estimate"], rtol=1e-7)
    np.testing.assert_allclose(one["ci_low"], whole - other["ci_high"], rtol=1e-7)
    low = 1 / other["effect_high"] if method == "ordinal" else -other["effect_high"]
    np.testing.assert_allclose(one["effect_low"], low, rtol=1e-7)


def test_columns_are_the_vocabulary():
    two, three = compare_groups(SCORES, TWO_FORMS), compare_groups(SCORES, FORM)
    difference = ["estimate", "se", "ci_low", "ci_high", "statistic", "df", "p", "p_adjusted"]
    effect = ["effect_size", "effect_low", "effect_high"]
    assert list(two.table.columns) == [*difference, "n", *effect]
    assert list(three.table.columns) == ["statistic", "df", "df_error", "p", "p_adjusted", "n", *effect]
    assert list(three.pairwise.columns) == difference + effect
    assert list(three.pairwise.index.names) == PAIR
    assert three.table.index.name == "score"
    assert list(three.means.index.names) == ["score", "group"]
    assert three.pairwise.loc["item"].index.tolist() == [("P", "C"), ("P", "M"), ("C", "M")]


def test_groups_sort_without_categories_and_empty_categories_vanish():
    plain = compare_groups(SCORES, DATA["form"])
    assert plain.pairwise.loc["item"].index.tolist() == [("C", "M"), ("C", "P"), ("M", "P")]
    assert compare_groups(SCORES, TWO_FORMS).means.loc["item"].index.tolist() == ["P", "C"]


def test_notes_count_what_was_left_out_and_say_what_is_assumed():
    comparison = compare_groups(SCORES, FORM)
    notes = notes_of(comparison)
    assert f"{FORM.isna().sum()} responses without a group were left out" in notes
    assert "P (n = 50)" in notes
    assert "M (process)" in notes
    assert "Every response counts as independent" in notes
    assert "more than twice" not in notes
    assert re.search(r"lowest or the highest seen in .*sparse", notes)
    assert "Every response counts" not in notes_of(compare_groups(SCORES, FORM, cluster=TEAM))


def test_unequal_spread_and_skewness_are_notes():
    rng = np.random.default_rng(0)
    groups = pd.Series(["a", "b"] * 15)
    scores = pd.DataFrame(
        {"wide": rng.normal(size=30) * np.where(groups == "a", 9.0, 1.0), "bent": rng.exponential(size=30) ** 2}
    )
    notes = notes_of(compare_groups(scores, groups))
    assert re.search(r"more than twice the smallest in wide.*do not assume equal variances", notes)
    assert re.search(r"Skewness beyond ±1 .* in bent", notes)


def test_responses_without_a_team_are_left_out_with_a_note():
    cluster = TEAM.where(np.arange(len(TEAM)) >= 4)
    here = cluster.notna()
    some, rest = (
        compare_groups(SCORES, FORM, cluster=cluster),
        compare_groups(SCORES[here], FORM[here], cluster=TEAM[here]),
    )
    pd.testing.assert_frame_equal(some.table, rest.table)
    left_out = (~here & FORM.notna()).sum()
    assert f"{left_out} responses without team were left out" in notes_of(some)


SPOILT = SCORES.assign(
    nobody=np.nan,
    same=0.1,
    thin=SCORES["item"].where(FORM == "P"),
    still=np.where(FORM == "P", 1.0, 2.0),
    half=np.where(FORM == "P", 3.0, SCORES["sparse"]),
)


@pytest.mark.parametrize(
    ("options", "groups", "missing"),
    [
        ({}, TWO_FORMS, ["nobody", "same", "thin", "still"]),
        ({}, FORM, ["nobody", "same", "thin", "still", "half"]),
        ({"method": "rank"}, TWO_FORMS, ["nobody", "same", "thin"]),
        ({"method": "rank"}, FORM, ["nobody", "same", "thin"]),
        ({"cluster": TEAM}, TWO_FORMS, ["nobody", "same", "thin", "still"]),
    ],
)
def test_a_score_without_enough_data_keeps_a_row_without_numbers_and_a_note(options, groups, missing):
    comparison = compare_groups(SPOILT, groups, **options)
    assert list(comparison.table.index) == list(SPOILT.columns)
    assert list(comparison.table.index[comparison.table["p"].isna()]) == missing
    note = next(note for note in comparison.notes if note.startswith("Left without numbers"))
    assert all(f"{score}: " in note for score in missing)
    # The family of Holm's adjustment is the scores that were tested.
    p = comparison.table["p"].dropna()
    assert comparison.table["p_adjusted"].min() == pytest.approx(len(p) * p.min())


def test_pairs_that_can_be_compared_are_compared_although_a_group_does_not_vary():
    pairs = compare_groups(SPOILT[["half", "item"]], FORM).pairwise
    assert pairs.loc[("half", "P", "C"), "p"] > 0
    comparison = compare_groups(
        pd.DataFrame({"y": [1.0, 1, 1, 1, 1, 2], "z": [1.0, 2, 3, 4, 5, 6]}), pd.Series(list("aabbcc")), method="rank"
    )
    assert np.isnan(comparison.pairwise.loc[("y", "a", "b"), "p"])
    assert "y: a and b" in notes_of(comparison)


def test_groups_that_do_not_overlap_have_no_odds_ratio():
    apart = pd.Series(np.where(FORM == "P", 5, np.where(FORM == "C", 3, 1)), index=FORM.index)
    touching = apart.where(FORM != "C", SCORES["item"].clip(upper=3))
    scores = pd.DataFrame({"item": SCORES["item"], "apart": apart, "touching": touching})
    comparison = compare_groups(scores, FORM, method="ordinal")
    assert list(comparison.table.index[comparison.table["p"].isna()]) == ["apart", "touching"]
    assert "do not overlap in apart, touching" in notes_of(comparison)
    with pytest.raises(ValueError, match=r"do not overlap in apart.*method='rank'"):
        compare_groups(scores[["apart"]], FORM, method="ordinal")


def test_ordinal_of_two_values_is_the_odds_ratio_of_the_table():
    yes = (SCORES["item"] > 3).astype(float)
    row = compare_groups(yes.to_frame("yes"), TWO_FORMS, method="ordinal").table.loc["yes"]
    (p_no, p_yes), (c_no, c_yes) = pd.crosstab(TWO_FORMS, yes).to_numpy()
    assert row["effect_size"] == pytest.approx(p_yes * c_no / (p_no * c_yes), rel=1e-9)
    assert row["se"] == pytest.approx(np.sqrt(1 / p_yes + 1 / c_no + 1 / p_no + 1 / c_yes), rel=1e-9)


def test_sixty_different_values_are_ordinal_and_sixty_one_are_not():
    rng = np.random.default_rng(2)
    groups = pd.Series(rng.choice(["a", "b"], size=400))
    many = pd.DataFrame({"y": np.concatenate([np.arange(60.0), rng.integers(0, 60, size=340)])})
    assert compare_groups(many, groups, method="ordinal").table.loc["y", "p"] > 0
    many.loc[399, "y"] = 60.0
    with pytest.raises(ValueError, match=r"at most 60 different values; more have y \(61\).*method='rank'"):
        compare_groups(many, groups, method="ordinal")


def test_complete_separation_closes_the_rank_interval_at_one():
    scores = pd.DataFrame({"y": np.arange(12.0)})
    row = compare_groups(
        scores, pd.Series(["low"] * 6 + ["high"] * 6).astype(pd.CategoricalDtype(["high", "low"])), method="rank"
    ).table.loc["y"]
    assert row["estimate"] == row["ci_high"] == row["effect_size"] == 1.0
    assert 0.5 < row["ci_low"] < 1
    assert row["p"] == pytest.approx(2 / 924)  # exact: one of C(12, 6) orders on either side


def test_groups_more_alike_than_chance_get_a_note():
    scores = pd.DataFrame({"y": [1.0, 2, 3, 4] * 3})
    comparison = compare_groups(scores, pd.Series(np.repeat(["a", "b", "c"], 4)))
    assert comparison.table.loc["y", ["effect_size", "effect_low", "effect_high"]].tolist() == [0, 0, 0]
    assert "more alike than chance" in notes_of(comparison)


def test_no_unbiased_g_with_one_degree_of_freedom():
    comparison = compare_groups(pd.DataFrame({"y": [1.0, 1, 2, 5]}), pd.Series(list("aabb")))
    assert comparison.table.loc["y", "estimate"] == -2.5
    assert np.isnan(comparison.table.loc["y", "effect_size"])
    assert "unbiased effect size" in notes_of(comparison)


def test_integers_with_gaps_and_a_plain_integer_index_are_welcome():
    scores = pd.DataFrame({"y": pd.array([1, 2, None, 4, 5, 7], dtype="Int64")})
    table = compare_groups(scores, pd.Series([0, 0, 0, 1, 1, 1])).table
    assert table.loc["y", "estimate"] == pytest.approx(1.5 - 16 / 3)
    assert table.loc["y", "n"] == 5


TEXT = SCORES.assign(words="often")
REPEATED = pd.concat([SCORES, SCORES.iloc[:1]])


@pytest.mark.parametrize(
    ("scores", "groups", "options", "message"),
    [
        (SCORES, FORM, {"method": "anova"}, "method is 'anova'; allowed are"),
        (SCORES, FORM, {"method": "rank", "cluster": TEAM}, r"method='rank'.*Use method='welch'"),
        (SCORES, FORM, {"method": "ordinal", "cluster": TEAM}, r"method='ordinal'.*Use method='welch'"),
        (SCORES["item"], FORM, {}, "must be a frame"),
        (SCORES[[]], FORM, {}, "at least one column"),
        (TEXT, FORM, {}, "must be numbers; these columns are not: words"),
        (SCORES.assign(item=np.inf), FORM, {}, "infinite values are in item"),
        (REPEATED, FORM, {}, "response ids repeat: r089"),
        (SCORES[["item", "item"]], FORM, {}, "score names repeat: item"),
        (SCORES, FORM.iloc[1:], {}, "104 responses in the scores, 103 in groups, 103 of them shared"),
        (SCORES, FORM.rename(lambda name: name.upper()), {}, "0 of them shared"),
        (SCORES, FORM, {"cluster": TEAM.iloc[1:]}, "cluster must have the index of the scores"),
        (SCORES, FORM.where(FORM == "P"), {}, "two groups or more; found only 'P'"),
        (SCORES, FORM.where(FORM == "no such"), {}, "two groups or more; found none"),
        (SCORES, pd.Series(["x"] + ["y"] * 103, index=FORM.index), {}, r"too small: x \(1\)"),
        (SCORES, pd.Series(["x", 2] * 52, index=FORM.index), {}, "mix text and numbers"),
        (SCORES.assign(item=1)[["item"]], FORM, {}, "No score can be compared. item: everyone has the same value"),
        (SCORES, FORM, {"cluster": FORM.rename("team")}, "Each group is one 'team'"),
        (SCORES, FORM, {"cluster": pd.Series("one", index=FORM.index, name="team")}, "one value only"),
        (SCORES, FORM, {"cluster": pd.Series(range(104), index=FORM.index)}, "Each response is its own 'cluster'"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_in_a_sentence(scores, groups, options, message):
    with pytest.raises(ValueError, match=message):
        compare_groups(scores, groups, **options)


def test_a_comparison_reads_as_a_table_with_its_notes():
    text = repr(compare_groups(SCORES, FORM))
    assert text.startswith("Scores compared by form")
    assert "Method: Welch's (1951) analysis of variance" in text
    assert "Holm (1979)" in text
