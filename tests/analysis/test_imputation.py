"""Imputation by what it must leave alone and by simulation with known truth; pooling against semTools, mi and fractions."""

import json
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.groups import compare_groups
from analysis.imputation import Imputed, _drawn_coefficients, _lenders, impute, pool, pooled
from analysis.missing import normal_moments
from analysis.reliability import cronbach_alpha, reliability
from analysis.result import Result

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "imputation.json").read_text())
CUTS = np.array([-1.2, -0.4, 0.4, 1.2])
LOADING = 0.75


def five_points(n: int, seed: int, columns: int = 4) -> pd.DataFrame:
    """Answers on five symmetric points (mean 3) from one factor."""
    rng = np.random.default_rng(seed)
    behind = LOADING * rng.normal(size=(n, 1)) + np.sqrt(1 - LOADING**2) * rng.normal(size=(n, columns))
    return pd.DataFrame(1.0 + np.searchsorted(CUTS, behind), columns=list("abcdefgh")[:columns])


def with_gaps(data: pd.DataFrame, seed: int, low: float = 0.1, high: float = 0.5) -> pd.DataFrame:
    """Leave out all but the first two items more often where the first has a high answer: missing at random."""
    chance = np.where(data[["a"]] >= 4, high, low)
    gone = np.random.default_rng(seed).random(data.shape) < chance
    gone[:, :2] = False
    return data.mask(gone)


def some_gaps(n: int = 120, seed: int = 1) -> pd.DataFrame:
    data = five_points(n, seed)
    return data.mask(np.random.default_rng(seed).random(data.shape) < 0.1)


def means(frame: pd.DataFrame) -> Result:
    table = pd.DataFrame({"estimate": frame.mean(), "se": frame.std() / np.sqrt(len(frame)), "n": len(frame)})
    return Result(title="Means", table=table.rename_axis("item"), method="Means.")


# Imputation: what is filled in


def test_gaps_take_answers_that_someone_gave_to_the_item_and_answers_stay() -> None:
    data = some_gaps().assign(d=lambda d: d["d"] * 10)
    found = impute(data, draws=5)
    assert len(found.sets) == 5
    for filled in found.sets:
        assert filled.index.equals(data.index)
        assert filled.columns.equals(data.columns)
        assert not filled.isna().to_numpy().any()
        pd.testing.assert_frame_equal(filled.where(data.notna()), data)
        for name in data:
            assert set(filled[name]) <= set(data[name].dropna())


def test_the_seed_alone_decides() -> None:
    data = some_gaps()
    np.random.seed(3)  # noqa: NPY002 - the global state must neither matter nor change
    first = impute(data, draws=4, seed=7)
    after = np.random.random()  # noqa: NPY002
    again, other = impute(data, draws=4, seed=7), impute(data, draws=4, seed=8)
    for one, two in zip(first.sets, again.sets, strict=True):
        pd.testing.assert_frame_equal(one, two)
    assert not first.sets[0].equals(other.sets[0])
    assert not first.sets[0].equals(first.sets[1])
    np.random.seed(3)  # noqa: NPY002
    assert np.random.random() == after  # noqa: NPY002


def test_types_are_kept_attributes_are_not_and_input_is_left_as_it_is() -> None:
    data = some_gaps().astype("Int64")
    data.attrs["source"] = "a file"
    before = data.copy()
    filled = impute(data, draws=2).sets[0]
    assert (filled.dtypes == "Int64").all()
    assert filled.attrs == {}
    pd.testing.assert_frame_equal(data, before)


def test_people_without_an_answer_are_left_out_and_said() -> None:
    data = some_gaps()
    data.iloc[[3, 10]] = np.nan
    found = impute(data, draws=2)
    assert found.sets[0].index.equals(data.index.drop([3, 10]))
    assert any(note.endswith("are left out: 2.") for note in found.notes)


def test_table_compares_what_was_given_and_what_was_filled_in() -> None:
    data = with_gaps(five_points(400, 2), 2)
    found = impute(data, draws=20)
    table = found.table
    assert table["missing"].tolist() == data.isna().sum().tolist()
    assert table["percent"].tolist() == pytest.approx((100 * data.isna().mean()).tolist())
    assert table["mean"].tolist() == pytest.approx(data.mean().tolist())
    gone = data["c"].isna().to_numpy()
    drawn = np.concatenate([filled["c"].to_numpy()[gone] for filled in found.sets])
    assert table.loc["c", ["mean_imputed", "sd_imputed"]].tolist() == pytest.approx([drawn.mean(), drawn.std(ddof=1)])
    # Gaps are with people who answer high.
    assert table.loc["c", "mean_imputed"] > table.loc["c", "mean"] + 0.3
    assert table.loc[["a", "b"], ["mean_imputed", "sd_imputed", "rhat"]].isna().all(axis=None)
    assert table.loc[["c", "d"], "rhat"].between(0.8, 1.2).all()


def test_number_of_sets_follows_the_share_of_people_with_a_gap() -> None:
    data = five_points(200, 3)
    data.iloc[:90, 0] = np.nan
    assert len(impute(data).sets) == 45
    data.iloc[:, 0] = five_points(200, 3)["a"].mask(np.arange(200) < 10)
    assert len(impute(data).sets) == 20
    data.iloc[:90, 1] = np.nan
    found = impute(data, draws=10)
    assert any("10 sets are fewer than the percentage of people with a gap (45;" in note for note in found.notes)
    assert not any("fewer than the percentage" in note for note in impute(data, draws=45).notes)


def test_chains_that_do_not_mix_are_named() -> None:
    """Two items that say the same, missing together: each is filled in from the other and stays where it began."""
    data = five_points(200, 4)
    data["copy"] = data["b"]
    data.loc[:60, ["b", "copy"]] = np.nan
    found = impute(data, draws=10)
    assert any("chains of b, copy may not have mixed" in note for note in found.notes)
    assert not any("mixed" in note for note in impute(data.drop(columns="copy"), draws=10).notes)


def test_an_item_that_repeats_another_is_filled_in_from_it() -> None:
    data = five_points(150, 5)
    data["copy"] = data["b"].mask(np.arange(150) < 30)
    for filled in impute(data, draws=3).sets:
        pd.testing.assert_series_equal(filled["copy"], data["b"], check_names=False)


# Imputation: its parts against brute force


def test_regression_is_that_of_the_people_who_answered() -> None:
    rng = np.random.default_rng(6)
    design = np.column_stack([rng.normal(size=(500, 3)) @ rng.normal(size=(3, 3)), np.ones(500)])
    products = np.repeat((design.T @ design)[None], 20_000, axis=0)
    estimated, drawn = _drawn_coefficients(products, 1, 500, rng)
    predictors, outcome = design[:, [0, 2, 3]], design[:, 1]
    slopes, residual, _, _ = np.linalg.lstsq(predictors, outcome)
    # The ridge of 1e-5 moves them by as little.
    np.testing.assert_allclose(estimated[0, [0, 2, 3]], slopes, atol=1e-4)
    covariance = residual[0] / (497 - 2) * np.linalg.inv(predictors.T @ predictors)  # mean of an inverse chi-square
    found = np.cov(drawn[:, [0, 2, 3]], rowvar=False)
    assert (drawn[:, 1] == 0).all()
    np.testing.assert_allclose(found, covariance, rtol=0.06, atol=0.03 * np.abs(covariance).max())
    np.testing.assert_allclose(drawn[:, [0, 2, 3]].mean(axis=0), slopes, atol=5 * np.sqrt(covariance.max() / 20_000))


def test_lenders_are_the_nearest_each_as_often_and_ties_all_count() -> None:
    rng = np.random.default_rng(7)
    offered = np.round(rng.normal(size=(3, 40)), 1)  # with ties
    wanted = np.append(rng.normal(size=(3, 6)), [[9.0], [-9.0], [0.0]], axis=1)
    picked = np.stack([_lenders(offered, wanted, 4, rng) for _ in range(4000)])
    for one in range(3):
        for place in range(7):
            distance = np.abs(offered[one] - wanted[one, place])
            allowed = np.flatnonzero(distance <= np.sort(distance)[3] + 1e-9)
            times = np.bincount(picked[:, one, place], minlength=40)
            assert set(np.flatnonzero(times)) == set(allowed)
            assert stats.chisquare(times[allowed]).pvalue > 1e-6


# Imputation: truth by simulation


def true_alpha() -> float:
    """Of four five-point items of one factor, from the bivariate normal distribution."""
    edges = np.concatenate([[-np.inf], CUTS, [np.inf]])
    share = np.diff(stats.norm.cdf(edges))
    codes = np.arange(1, 6)
    variance = share @ (codes - 3.0) ** 2
    grid = np.clip(edges, -9, 9)
    upper = stats.multivariate_normal(cov=[[1, LOADING**2], [LOADING**2, 1]])
    below = np.array([[upper.cdf([x, y]) for y in grid] for x in grid])
    cells = np.diff(np.diff(below, axis=0), axis=1)
    covariance = (codes - 3.0) @ cells @ (codes - 3.0)
    return float(4 / 3 * (1 - 4 * variance / (4 * variance + 12 * covariance)))


def test_imputation_mends_what_listwise_deletion_bends_and_its_intervals_hold() -> None:
    """Gaps in two of four items depend on the first: bias and coverage of a mean and of alpha.

    Pooled as `pooled` does, but for all replications at once.
    """
    n, replications, sets = 200, 200, 8
    truth = np.array([3.0, true_alpha()])
    estimates, errors, listwise = [], [], []
    width = np.log(stats.f.ppf(0.975, n - 1, 3 * (n - 1)) / stats.f.ppf(0.025, n - 1, 3 * (n - 1))) / (2 * 1.96)
    for seed in range(replications):
        data = with_gaps(five_points(n, 1000 + seed), seed)
        filled = np.stack([each.to_numpy() for each in impute(data, draws=sets, iterations=4, seed=seed).sets])
        last, total = filled[:, :, 3], filled.sum(axis=2).var(axis=1, ddof=1)
        alpha = 4 / 3 * (1 - filled.var(axis=1, ddof=1).sum(axis=1) / total)
        estimates.append(np.column_stack([last.mean(axis=1), -np.log1p(-alpha)]))
        errors.append(np.column_stack([last.std(axis=1, ddof=1) / np.sqrt(n), np.full(sets, width)]))
        complete = data.dropna()
        listwise.append([complete["d"].mean(), cronbach_alpha(complete)])
    flat = [pd.DataFrame(np.concatenate(part, axis=1)) for part in (estimates, errors)]
    table = pool(*flat, complete_df=n - 1).table
    on_scale = np.tile([truth[0], -np.log1p(-truth[1])], replications)
    hit = ((table["ci_low"] <= on_scale) & (on_scale <= table["ci_high"])).to_numpy().reshape(-1, 2).copy()
    found = table["estimate"].to_numpy().reshape(-1, 2).copy()
    found[:, 1] = -np.expm1(-found[:, 1])
    bias, chance = found.mean(axis=0) - truth, found.std(axis=0, ddof=1) / np.sqrt(replications)
    bent = np.mean(listwise, axis=0) - truth
    assert (bent < [-0.15, -0.02]).all()
    # Predictive mean matching pulls in the tails a little, where donors are few.
    assert (np.abs(bias) < 0.1 * np.abs(bent) + 3 * chance).all()
    assert (np.abs(bias) < 0.25 * np.abs(bent)).all()
    for hits in hit.T:
        interval = stats.binomtest(int(hits.sum()), replications).proportion_ci(0.99)
        assert interval.low < 0.97
        assert interval.high > 0.93


def test_real_answers_give_what_maximum_likelihood_gives() -> None:
    """psychTools' bfi: two roads under one assumption, so that alpha and the means must be near one another."""
    data = pd.read_csv(ORACLES / "data" / "bfi_gaps.csv")[[f"N{place}" for place in range(1, 6)]]
    found = impute(data, draws=10, iterations=4)
    alpha = pooled(reliability, replace(found, sets=found.sets[:5]), scale="reliability").table
    expected = reliability(data, missing="ml").table
    assert alpha.loc["alpha", "estimate"] == pytest.approx(expected.loc["alpha", "estimate"], abs=0.005)
    assert alpha.loc["omega", "se"] == pytest.approx(expected.loc["omega", "se"], rel=0.1)
    moments = normal_moments(data)
    se = data.std() / np.sqrt(len(data))
    assert ((pooled(means, found).table["estimate"] - moments.mean).abs() < 0.5 * se).all()


def test_a_group_left_out_of_the_imputation_loses_its_difference() -> None:
    data = five_points(3000, 8)
    group = pd.Series(np.where(np.arange(3000) % 2, "x", "y"), name="group")
    data["d"] = np.where(group == "x", np.minimum(data["d"] + 1, 5), data["d"])
    truth = data["d"][group == "x"].mean() - data["d"][group == "y"].mean()
    data["d"] = data["d"].mask(np.random.default_rng(8).random(3000) < 0.6)

    def difference(frame: pd.DataFrame) -> Result:
        return compare_groups(frame[["d"]], group)

    aware = pooled(difference, impute(data, auxiliary=group.to_frame(), draws=10, iterations=3)).table.loc["d"]
    blind = pooled(difference, impute(data, draws=10, iterations=3)).table.loc["d"]
    assert abs(aware["estimate"] - truth) < 3 * aware["se"]
    assert aware["estimate"] == pytest.approx(truth, abs=0.12)
    assert blind["estimate"] < 0.6 * truth


def test_auxiliary_variables_may_be_labels_and_numbers_with_gaps() -> None:
    data = some_gaps(200, 9)
    rng = np.random.default_rng(9)
    beside = pd.DataFrame(
        {
            "age": pd.Series(rng.normal(40, 9, 200)).mask(rng.random(200) < 0.2),
            "team": rng.choice(["t1", "t2", "t3"], 200),
            "peer": rng.random(200) < 0.5,
            "form": pd.Categorical(rng.choice(["P", "M"], 200)),
        }
    )
    found = impute(data, auxiliary=beside, draws=2)
    assert found.sets[0].columns.equals(data.columns)
    assert found.table.index.tolist() == list("abcd")
    assert "auxiliary variables age, team, peer, form" in found.method


# Pooling


def test_pooling_is_semtools(agrees: Any) -> None:
    expected = ORACLE["semtools"]
    table = pool(pd.DataFrame(expected["estimates"]), pd.DataFrame(expected["standard_errors"])).table
    oracle = "semTools 0.5-6"
    df = np.array(expected["df"], dtype=float)
    known = np.isfinite(df)  # semTools takes those above 9,999 for endless, in p and interval too
    assert (table["df"][~known] > 9999).all()
    for column in ("estimate", "se", "statistic"):
        agrees(f"Rubin's rules, {column}", table[column], expected[column], oracle=oracle, relative=1e-8)
    for column in ("df", "ci_low", "ci_high"):
        theirs = np.array(expected[column], dtype=float)[known]
        agrees(f"Rubin's rules, {column}", table[column][known], theirs, oracle=oracle, relative=1e-8)
    for column in ("p", "riv"):
        agrees(f"Rubin's rules, {column}", table[column], expected[column], oracle=oracle, absolute=1e-8)


def test_pooling_of_small_samples_is_that_of_mi(agrees: Any) -> None:
    expected = ORACLE["mi"]
    frames = [pd.DataFrame(expected[part]) for part in ("estimates", "standard_errors")]
    table = pool(*frames, complete_df=expected["complete_df"]).table
    for column in ("estimate", "se", "statistic", "p"):
        agrees(f"Barnard and Rubin, {column}", table[column], expected[column], oracle="mi 1.1", relative=1e-8)
    assert (table["p"] > pool(*frames).table["p"]).all()


def test_pooling_by_hand() -> None:
    """In exact fractions: Rubin (1987, chapter 3) and Barnard & Rubin (1999)."""
    q, u = (
        [Fraction(10), Fraction(12), Fraction(14), Fraction(11)],
        [Fraction(4), Fraction(9), Fraction(4), Fraction(1)],
    )
    m, mean, within = 4, sum(q) / 4, sum(u) / 4
    between = sum((each - mean) ** 2 for each in q) / 3
    total = within + (1 + Fraction(1, m)) * between
    r = (1 + Fraction(1, m)) * between / within
    old = (m - 1) * (1 + 1 / r) ** 2
    observed = Fraction(31, 33) * 30 * within / total
    df = 1 / (1 / old + 1 / observed)
    fmi = (r + 2 / (old + 3)) / (r + 1)
    found = pool([float(each) for each in q], [2, 3, 2, 1], complete_df=30).table.loc["estimate"]
    assert (mean, within, between) == (Fraction(47, 4), Fraction(9, 2), Fraction(35, 12))
    expected = {"estimate": mean, "within": within, "between": between, "riv": r, "df": df, "fmi": fmi}
    for column, value in expected.items():
        assert found[column] == pytest.approx(float(value), rel=1e-14)
    assert found["se"] ** 2 == pytest.approx(float(total), rel=1e-14)
    assert found["relative_efficiency"] == pytest.approx(float(1 / (1 + fmi / m)), rel=1e-14)
    half = stats.t.ppf(0.975, float(df)) * float(total) ** 0.5
    assert found["ci_high"] - found["estimate"] == pytest.approx(half, rel=1e-12)


def test_published_degrees_of_freedom() -> None:
    """SAS/STAT's documentation of MIANALYZE: five sets and a relative increase of 10 % give 484."""
    spread = np.sqrt(0.1 / 1.2)  # variance 0.1 / 1.2 between sets, 1 within
    values = spread * np.array([-1, 1, -1, 1, 0]) / np.std([-1, 1, -1, 1, 0], ddof=1)
    found = pool(values, np.ones(5)).table.loc["estimate"]
    assert found["riv"] == pytest.approx(0.1)
    assert found["df"] == pytest.approx(484)


def test_without_disagreement_nothing_is_missing() -> None:
    found = pool([0.1 + 0.2] * 4, [0.5] * 4, complete_df=20).table.loc["estimate"]
    assert found[["between", "riv", "fmi"]].tolist() == [0, 0, 0]
    assert (found["se"], found["relative_efficiency"]) == (0.5, 1)
    assert found["df"] == pytest.approx(21 / 23 * 20)
    assert pool([1.0, 1.0], [1.0, 1.0]).table.loc["estimate", "df"] == np.inf


@pytest.mark.parametrize(
    ("values", "errors", "df", "words"),
    [
        ([1.0], [1.0], None, "at least 2 imputed sets"),
        ([1.0, 2.0], [1.0], None, "same sets and parameters"),
        ([1.0, np.nan], [1.0, 1.0], None, "must be finite"),
        ([1.0, 2.0], [1.0, 0.0], None, "above 0 in every set"),
        ([1.0, 2.0], [1.0, 1.0], 0, "complete_df must be above 0"),
    ],
)
def test_pooling_refuses(values: list[float], errors: list[float], df: float | None, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        pool(values, errors, complete_df=df)


def test_much_missing_information_is_said() -> None:
    assert "the model of imputation decides" in pool([0.0, 5.0], [1.0, 1.0]).notes[0]


# An analysis of every set


@pytest.fixture(scope="module")
def filled() -> Imputed:
    return impute(with_gaps(five_points(200, 11), 11), draws=6, iterations=4)


def test_means_are_pooled_with_the_degrees_of_freedom_of_a_mean(filled: Imputed) -> None:
    found = pooled(means, filled)
    values, errors = (pd.DataFrame([means(each).table[part] for each in filled.sets]) for part in ("estimate", "se"))
    expected = pool(values, errors, complete_df=199).table
    shared = ["estimate", "se", "ci_low", "ci_high", "df", "within", "between", "riv", "fmi", "relative_efficiency"]
    pd.testing.assert_frame_equal(found.table[shared], expected[shared], check_names=False)
    assert found.table.index.name == "item"
    assert found.table["n"].tolist() == [200] * 4
    assert "p" not in found.table  # against 0 it would mean nothing, and the analysis gives none
    assert found.table.loc["a", ["between", "fmi"]].tolist() == [0, 0]
    assert found.table.loc["c", "fmi"] > 0.02


def test_reliability_is_pooled_on_the_scale_of_its_interval(filled: Imputed) -> None:
    found = pooled(reliability, filled, scale="reliability").table
    each = [reliability(frame).table for frame in filled.sets]
    alpha = np.array([table.loc["alpha", "estimate"] for table in each])
    bounds = np.array([table.loc["alpha", ["ci_low", "ci_high"]].to_numpy(dtype=float) for table in each])
    errors = (np.log1p(-bounds[:, 0]) - np.log1p(-bounds[:, 1])) / (2 * stats.norm.ppf(0.975))
    expected = pool(-np.log1p(-alpha), errors, complete_df=199).table.loc["estimate"]
    row = found.loc["alpha"]
    assert row["estimate"] == pytest.approx(1 - np.exp(-expected["estimate"]))
    assert row["ci_low"] == pytest.approx(1 - np.exp(-expected["ci_low"]))
    assert row["ci_high"] == pytest.approx(1 - np.exp(-expected["ci_high"]))
    assert row["se"] == pytest.approx(expected["se"] * (1 - row["estimate"]))
    # Bonett (2002): the variance of ln(1 - alpha) is 2k / ((k - 1)(n - 2)), which Feldt's interval comes near.
    assert row["within"] == pytest.approx(2 * 4 / (3 * 198), rel=0.02)
    omega = np.array([table.loc["omega", ["estimate", "se"]].to_numpy(dtype=float) for table in each])
    expected = pool(-np.log1p(-omega[:, 0]), omega[:, 1] / (1 - omega[:, 0]), complete_df=199).table.loc["estimate"]
    assert found.loc["omega", "estimate"] == pytest.approx(1 - np.exp(-expected["estimate"]))
    assert found.loc["omega", "within"] == pytest.approx(expected["within"])


def test_a_comparison_of_scores_is_pooled(filled: Imputed) -> None:
    group = pd.Series(np.repeat(["one", "two"], 100), name="group")

    def compare(frame: pd.DataFrame) -> Result:
        return compare_groups(frame.mean(axis=1).to_frame("score"), group)

    each = pd.concat([compare(frame).table.loc[["score"]] for frame in filled.sets])
    found = pooled(compare, filled)
    expected = pool(each["estimate"].tolist(), each["se"].tolist(), complete_df=each["df"].mean()).table.iloc[0]
    for column in ("estimate", "se", "ci_low", "ci_high", "statistic", "df", "p"):
        assert found.table.loc["score", column] == pytest.approx(expected[column], rel=1e-12)
    assert "Welch" in found.method
    assert "Rubin's (1987) rules, degrees of freedom of Barnard & Rubin (1999)" in found.method
    assert "p is not adjusted for several tests." in found.notes
    assert any("Every response counts as independent" in note for note in found.notes)
    effect = pooled(compare, filled, quantity="effect_size").table.loc["score"]
    assert effect["estimate"] == pytest.approx(each["effect_size"].mean())
    averages = pooled(compare, filled, table="means", quantity="mean").table
    assert averages.loc[("score", "one"), "df"] < 99
    assert averages.index.names == ["score", "group"]


def test_correlations_and_ratios_are_pooled_on_their_scales(filled: Imputed) -> None:
    def correlation(frame: pd.DataFrame) -> Result:
        r = frame["a"].corr(frame["d"])
        table = pd.DataFrame(
            {"estimate": [r], "se": [(1 - r**2) / np.sqrt(197)]}, index=pd.Index(["a, d"], name="pair")
        )
        return Result(title="Correlation", table=table, method="Pearson.")

    z = [np.arctanh(frame["a"].corr(frame["d"])) for frame in filled.sets]
    expected = pool(z, np.full(6, 1 / np.sqrt(197))).table.loc["estimate"]
    found = pooled(correlation, filled, scale="correlation").table.loc["a, d"]
    assert found["estimate"] == pytest.approx(np.tanh(expected["estimate"]))
    assert found["ci_high"] == pytest.approx(np.tanh(expected["ci_high"]))
    assert found["df"] == pytest.approx(expected["df"])
    small = pooled(correlation, filled, scale="correlation", complete_df=20).table.loc["a, d"]
    assert small["df"] < 20
    ratio = pooled(correlation, filled, scale="ratio").table.loc["a, d"]
    assert np.log(ratio["estimate"]) == pytest.approx(np.mean(np.log(np.tanh(z))))


def test_rows_that_some_set_lacks_are_named_not_lost_in_silence(filled: Imputed) -> None:
    number = iter(range(6))

    def sometimes(frame: pd.DataFrame) -> Result:
        result = means(frame)
        at = next(number)
        table = result.table.assign(estimate=0.3)
        table.loc["c", "estimate"] = 1.0 if at == 2 else 0.5
        table = table.drop(index="b") if at == 1 else table
        return Result(title="x", table=table, method="x.")

    found = pooled(sometimes, filled, scale="reliability")
    assert found.table.index.tolist() == ["a", "d"]
    assert any("Not pooled" in note and "b (5 of 6 sets), c (5 of 6 sets)" in note for note in found.notes)


def test_pooling_an_analysis_refuses_what_cannot_be_pooled(filled: Imputed) -> None:
    groups = pd.Series(np.resize(["x", "y", "z"], 200), name="group")
    with pytest.raises(ValueError, match=r"no column 'estimate'.*pool their pairs"):
        pooled(lambda frame: compare_groups(frame, groups), filled)
    pairs = pooled(lambda frame: compare_groups(frame, groups), filled, table="pairwise")
    assert len(pairs.table) == 12
    with pytest.raises(ValueError, match=r"fit indices and tests of fit cannot be pooled by Rubin's rules.*'loadings'"):
        pooled(means, filled, table="fit")
    with pytest.raises(ValueError, match=r"must return a Result, got DataFrame: pool numbers of your own with `pool"):
        pooled(lambda frame: frame.describe(), filled)  # type: ignore[arg-type,return-value]
    with pytest.raises(ValueError, match="returns no table 'other'"):
        pooled(means, filled, table="other")
    with pytest.raises(ValueError, match="scale must be one of identity"):
        pooled(means, filled, scale="log")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="complete_df must be above 0"):
        pooled(means, filled, complete_df=0)
    with pytest.raises(ValueError, match="no row of the table has its estimate inside the scale"):
        pooled(means, filled, scale="correlation")
    with pytest.raises(ValueError, match=r"refused imputed set 1 of 6: at least 2 items"):
        pooled(lambda frame: reliability(frame[["a"]]), filled)


# Refusals of the imputation


def refused() -> dict[str, tuple[pd.DataFrame, dict[str, Any], str]]:
    data = some_gaps(60, 12)
    never = data.assign(a=data["a"].where(np.arange(60) < 30), b=data["b"].where(np.arange(60) >= 30))
    few = data.assign(d=data["d"].where(np.arange(60) < 12))
    team = pd.DataFrame({"team": np.where(np.arange(60) < 5, "new", "old")})
    unseen = data.assign(d=data["d"].where(np.arange(60) >= 5))
    return {
        "nothing missing": (five_points(30, 1), {}, "no answer is missing"),
        "nobody": (data.assign(d=np.nan), {}, "nobody answered d"),
        "constant": (data.assign(d=data["d"] * 0 + 2), {}, "all who answered d gave the same answer"),
        "never together": (never, {}, "nobody answered both of a with b"),
        "too few": (few, {}, r"at least 13 people .* d \(1[0-2]\)"),
        "more items than people": (some_gaps(8, 2), {}, "from 3 predictors, at least 13 people"),
        "text": (data.assign(d="yes"), {}, "d holds text"),
        "no rows": (data.iloc[:0], {}, "no answer is missing|there is nothing to impute"),
        "one draw": (data, {"draws": 1}, "draws must be at least 2"),
        "one round": (data, {"iterations": 1}, "iterations must be at least 2"),
        "no donor": (data, {"donors": 0}, "donors must be at least 1"),
        "other people": (data, {"auxiliary": team.iloc[:9]}, "must have the index of the items"),
        "same name": (data, {"auxiliary": team.set_axis(["a"], axis=1)}, "names of their own; also items: a"),
        "label missing": (
            data,
            {"auxiliary": team.mask(team.index.to_numpy()[:, None] < 2)},
            "label team is missing for 2",
        ),
        "one label": (data, {"auxiliary": team.assign(team="t")}, "everyone has the same team"),
        "label without answers": (unseen, {"auxiliary": team}, "nobody with team = new answered d"),
    }


@pytest.mark.parametrize("case", refused())
def test_refusals_say_what_is_needed(case: str) -> None:
    data, options, words = refused()[case]
    with pytest.raises(ValueError, match=words):
        impute(data, **options)
