"""Suitability and number of factors against psych 2.2.9, and against the formulas of the papers written out in R.

Oracles: tests/oracles/exploratory.R (Pearson) and exploratory_ordinal.R (polychoric correlations of lavaan 0.6.14).
"""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.dimensionality import parallel_analysis, suitability
from analysis.ordinal import category_positions, ordinal_moments, position_correlations

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "exploratory.json").read_text())
ORDINAL = json.loads((ORACLES / "exploratory_ordinal.json").read_text())
DATA = {name: pd.read_csv(ORACLES / "data" / f"{name}.csv") for name in ("bfi", "bfi_gaps", "sparse")}
PEOPLE = pd.read_csv(ORACLES / "data" / "bfi_people.csv").iloc[:, :25]
COMPLETE = PEOPLE.dropna()
ITEMS = DATA["sparse"].iloc[:, :5]
PSYCH = "psych 2.2.9 on lavaan 0.6.14 lavCor"
# Set of the oracle → our options.
SETS = {
    "pearson": {},
    "listwise": {"matrix": "polychoric"},
    "pairwise": {"matrix": "polychoric", "missing": "pairwise"},
}

EXACT = {"rtol": 1e-6, "atol": 1e-9}


@pytest.mark.parametrize("name", DATA)
def test_suitability_is_psychs(name):
    found, expected = suitability(DATA[name]), ORACLE["suitability"][name]
    np.testing.assert_allclose(found.table.loc["kmo", "estimate"], expected["kmo"], **EXACT)
    np.testing.assert_allclose(found.items["estimate"], expected["msa"], **EXACT)
    np.testing.assert_allclose(found.table.loc["bartlett", "statistic"], expected["statistic"], **EXACT)
    assert found.table.loc["bartlett", "df"] == expected["df"]
    np.testing.assert_allclose(found.table.loc["bartlett", "p"], expected["p"], rtol=1e-6, atol=1e-300)
    assert any("Kaiser & Rice (1974)" in note for note in found.notes)


def test_words_are_those_of_kaiser_and_rice():
    from analysis.dimensionality import _verdict

    values = (0.9, 0.89, 0.8, 0.7, 0.6, 0.5, 0.49)
    assert [_verdict(value) for value in values] == [
        "marvellous",
        "meritorious",
        "meritorious",
        "middling",
        "mediocre",
        "miserable",
        "unacceptable",
    ]


@pytest.mark.parametrize("name", DATA)
def test_parallel_analysis_is_psychs(name):
    found, expected = parallel_analysis(DATA[name]), ORACLE["parallel"][name]
    np.testing.assert_allclose(found.table["factor_observed"], expected["factor"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.table["component_observed"], expected["component"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(found.table["map"].dropna(), expected["map"], rtol=0, atol=1e-6)
    assert found.suggested.loc["parallel_factors", "n_factors"] == expected["n_factors"]
    assert found.suggested.loc["parallel_components", "n_factors"] == expected["n_components"]
    # Random means of two times 100 draws: three standard errors, with the largest spread of an eigenvalue
    # (.06 at 150 people) give .025.
    np.testing.assert_allclose(found.table["factor_mean"], expected["factor_random"], atol=0.025)
    np.testing.assert_allclose(found.table["component_mean"], expected["component_random"], atol=0.025)


def test_random_correlations_are_those_of_normal_data():
    from analysis.dimensionality import _random_correlations

    drawn = _random_correlations(30, 4, 20_000, 1)[:, *np.tril_indices(4, -1)]
    # r² of unrelated normal variables has mean 1 / (n - 1); the mean of 20,000 is good to 1 %.
    np.testing.assert_allclose((drawn**2).mean(axis=0), 1 / 29, rtol=0.04)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.006)


def test_rules_find_none_in_noise_and_the_planted_number():
    rng = np.random.default_rng(4)
    noise = parallel_analysis(pd.DataFrame(rng.normal(size=(400, 12)))).suggested["n_factors"]
    # The hull method is not made to find none.
    assert not noise[[rule for rule in noise.index if not rule.startswith("hull")]].any()
    three = pd.DataFrame(np.repeat(rng.normal(size=(400, 3)), 4, axis=1) + rng.normal(size=(400, 12)))
    suggested = parallel_analysis(three).suggested["n_factors"]
    assert list(suggested.index) == [
        "parallel_factors",
        "parallel_factors_mean",
        "parallel_components",
        "parallel_components_mean",
        "map",
        "map_fourth_power",
        "ekc",
        "hull_caf",
        "hull_cfi",
    ]
    assert set(suggested) == {3}


def test_impossible_comparisons_are_refused():
    with pytest.raises(ValueError, match="draws must be at least 1"):
        parallel_analysis(ITEMS, draws=0)
    with pytest.raises(ValueError, match="quantile must lie between 0 and 1"):
        parallel_analysis(ITEMS, quantile=95)


def items_of(name: str) -> pd.DataFrame:
    return PEOPLE if name == "pairwise" else COMPLETE


@pytest.mark.parametrize("name", SETS)
def test_suitability_of_every_matrix_is_psychs(name, agrees):
    found, expected = suitability(items_of(name), **SETS[name]), ORDINAL["suitability"][name]
    agrees(f"KMO, {name}", found.table.loc["kmo", "estimate"], expected["kmo"], oracle=PSYCH, absolute=1e-6)
    agrees(f"MSA by item, {name}", found.items["estimate"], expected["msa"], oracle=PSYCH, absolute=1e-6)
    bartlett = found.table.loc["bartlett"]
    agrees(f"Bartlett's chi-square, {name}", bartlett["statistic"], expected["statistic"], oracle=PSYCH, relative=1e-6)
    assert (bartlett["df"], bartlett["n"]) == (expected["df"], expected["n"])
    assert any("Bartlett's test is made for Pearson" in note for note in found.notes) == (name != "pearson")


@pytest.mark.parametrize("name", SETS)
def test_eigenvalues_map_and_ekc_of_every_matrix(name, agrees):
    found, expected = parallel_analysis(items_of(name), draws=2, **SETS[name]), ORDINAL["number"][name]
    for kind in ("factor", "component"):
        agrees(
            f"eigenvalues ({kind}s), {name}",
            found.table[f"{kind}_observed"],
            expected[kind],
            oracle=PSYCH,
            absolute=1e-6,
        )
    agrees(f"MAP, {name}", found.table["map"].dropna(), expected["map"], oracle=PSYCH, absolute=1e-6)
    agrees(f"EKC references, {name}", found.table["ekc"], expected["ekc"], oracle="equation 2 in R", absolute=1e-6)
    above = np.array(expected["component"]) > expected["ekc"]
    assert found.suggested.loc["ekc", "n_factors"] == np.argmin(above)
    words = {"pearson": "Pearson correlations of 2436", "listwise": "polychoric correlations of 2436"}
    assert words.get(name, "polychoric correlations of 2800") in found.method


def test_fourth_power_map_is_that_of_residuals(agrees):
    found = parallel_analysis(COMPLETE, draws=2).table["map_fourth_power"]
    # The oracle begins with no component taken out and ends before the last two.
    agrees(
        "MAP, fourth power, bfi",
        found.to_numpy()[: len(ORDINAL["fourth_power"]) - 1],
        ORDINAL["fourth_power"][1:],
        oracle="residuals of lm() in R",
        absolute=1e-6,
    )


@pytest.mark.parametrize("name", ORDINAL["hull"])
def test_hull_is_that_of_psychs_fits(name, agrees):
    found, expected = (
        parallel_analysis(COMPLETE, draws=100 if name == "pearson" else 10, **SETS[name]),
        ORDINAL["hull"][name],
    )
    hull = found.hull
    assert hull["df"].tolist() == expected["df"][: len(hull)]
    oracle = f"{PSYCH}; chull()"
    agrees(f"CAF, {name}", hull["caf"], expected["caf"][: len(hull)], oracle=oracle, absolute=1e-4)
    agrees(f"CFI of EFA, {name}", hull["cfi"], expected["cfi"][: len(hull)], oracle=oracle, absolute=1e-4)
    # psych's solutions stop early, and a bend is a ratio of small differences of their fit.
    assert len(hull) == len(expected["df"])
    for bend in ("st_caf", "st_cfi"):
        theirs = np.array(expected[bend], dtype=float)
        agrees(f"hull {bend}, {name}", hull[bend], theirs, oracle=oracle, relative=0.01)
        assert found.suggested.loc[f"hull_{bend[3:]}", "n_factors"] == np.nanargmax(theirs)


def test_bends_are_those_of_a_hull_drawn_by_hand():
    from analysis.dimensionality import _bends

    # Factors 0 … 5: 2 lies under the line from 1 to 3, 4 fits worse than 3.
    fit, df = np.array([0.0, 0.4, 0.45, 0.9, 0.85, 1.0]), np.array([50, 40, 30, 20, 10, 0])
    # 1: (.4 / 10) / (.5 / 20) = 1.6; 3: (.5 / 20) / (.1 / 20) = 5.
    np.testing.assert_allclose(_bends(fit, df), [np.nan, 1.6, np.nan, 5.0, np.nan, np.nan])


def test_kaiser_references_by_hand():
    from analysis.dimensionality import _kaiser_references

    # p = 4, n = 16: (1 + 1 / 2)² = 2.25, of what is left per item: 4 / 4, 2 / 3, .9 / 2, .4 / 1.
    found = _kaiser_references(np.array([2.0, 1.1, 0.5, 0.4]), 16)
    np.testing.assert_allclose(found, [2.25, 1.5, 1.0125, 1.0])


def test_random_polychoric_eigenvalues_are_psychs():
    expected = ORDINAL["parallel"]
    found = parallel_analysis(COMPLETE.iloc[:, :10], matrix="polychoric", draws=40)
    # Means of 20 and of 40 draws, each eigenvalue of standard deviation .02 at most: four standard errors. psych
    # resamples with replacement, which changes nothing that could be seen here.
    np.testing.assert_allclose(found.table["factor_mean"], expected["factor"], atol=0.02)
    np.testing.assert_allclose(found.table["component_mean"], expected["component"], atol=0.02)
    # psych decides by normal data, of which polychoric correlations vary more than they should.
    assert found.suggested.loc["parallel_components", "n_factors"] == expected["n_components"]
    assert "each item's 2436 answers shuffled" in found.method


def test_shuffled_answers_keep_distributions_and_gaps():
    from analysis.dimensionality import _shuffled_polychorics
    from analysis.ordinal import ordinal_moments

    items = PEOPLE.iloc[:300, :4].mask(np.random.default_rng(1).random((300, 4)) < 0.1)
    found, notes = _shuffled_polychorics(items, 30, 0, progress=False)
    off = found[:, *np.triu_indices(4, 1)]
    assert found.shape == (30, 4, 4)
    assert np.abs(off.mean(axis=0)).max() < 0.06
    # The standard error of a polychoric correlation of 240 people of whom none correlates: about 1.1 / √240.
    assert off.std() == pytest.approx(1.1 / np.sqrt(240), rel=0.2)
    assert notes == ()
    first = np.random.default_rng(0)
    values = items.to_numpy(dtype=float)
    for column in range(4):
        here = ~np.isnan(values[:, column])
        values[here, column] = first.permutation(values[here, column])
    again = ordinal_moments(pd.DataFrame(values), missing="pairwise", covariance=False)
    np.testing.assert_allclose(found[0], again.correlations, atol=1e-12)


def skewed(n: int, seed: int) -> pd.DataFrame:
    """Fifteen items of three factors, answers skewed one way or the other."""
    rng = np.random.default_rng(seed)
    factors = rng.multivariate_normal(np.zeros(3), 0.3 + 0.7 * np.eye(3), size=n)
    behind = 0.7 * np.repeat(factors, 5, axis=1) + np.sqrt(0.51) * rng.normal(size=(n, 15))
    cuts = np.array([0.3, 0.9, 1.5, 2.0])
    return pd.DataFrame(
        {f"x{item}": np.digitize(behind[:, item] * (-1) ** item, cuts) * (-1) ** item for item in range(15)}
    )


def test_polychoric_rules_find_the_planted_number_where_answers_are_skewed():
    suggested = parallel_analysis(skewed(500, 3), matrix="polychoric", draws=20).suggested["n_factors"]
    assert set(suggested.drop("parallel_factors_mean")) == {3}


def test_hull_is_left_out_with_few_items_and_that_is_said():
    found = parallel_analysis(ITEMS)
    assert not any(rule.startswith("hull") for rule in found.suggested.index)
    assert not len(found.hull)
    assert any("needs six items" in note for note in found.notes)


def test_random_data_without_polychoric_correlations_are_said_to_be_too_few():
    # Seven shuffles in nine make two items tell all of each other.
    items = pd.DataFrame({"a": [1, 1, 0, 0], "b": [1, 0, 1, 0], "c": [1, 3, 3, 2]})
    with pytest.raises(ValueError, match="random data sets of 4 people have no polychoric"):
        parallel_analysis(items, matrix="polychoric", draws=5)


@pytest.mark.parametrize("matrix", ["pearson", "polychoric"])
@pytest.mark.parametrize("analysis", [suitability, parallel_analysis])
def test_items_of_a_balanced_design_share_nothing_and_are_refused(analysis, matrix):
    design = pd.DataFrame(list(itertools.product([1, 2, 3], repeat=4)), columns=list("abcd"))
    with pytest.raises(ValueError, match="no two items correlate"):
        analysis(design, matrix=matrix)
    # Two items beside c that correlate: c and d still share nothing.
    with pytest.raises(ValueError, match="c, d correlate with no other item"):
        analysis(design.assign(b=design["a"] + design["b"]), matrix=matrix)


@pytest.mark.parametrize("analysis", [suitability, parallel_analysis])
@pytest.mark.parametrize("missing", ["listwise", "ml"])
def test_a_stray_code_is_refused_and_a_continuous_outlier_is_not(analysis, missing):
    items = COMPLETE.iloc[:, :5].astype(float)
    items.iloc[0, 0] = 99
    with pytest.raises(ValueError, match=r"A1 has the code 99 \(given by 1 of"):
        analysis(items, missing=missing)
    analysis(items + np.random.default_rng(1).normal(size=items.shape), missing=missing)


@pytest.mark.parametrize(
    ("options", "words"),
    [({"draws": 2.5}, "draws must be a whole number, got 2.5"), ({"seed": None}, "seed must be a whole number")],
)
def test_counts_and_seeds_are_whole_numbers(options, words):
    with pytest.raises(ValueError, match=words):
        parallel_analysis(ITEMS, **options)


@pytest.mark.parametrize("missing", ["listwise", "pairwise"])
def test_correlations_of_coded_answers_are_those_of_the_answers(missing):
    items = PEOPLE.iloc[:, :8] if missing == "pairwise" else COMPLETE.iloc[:, :8]
    # Codes that are not used, and an item of two categories.
    items = items.assign(A1=items["A1"] * 2, A2=(items["A2"] > 4).astype(float).where(items["A2"].notna()))
    found = position_correlations(category_positions(items.astype(float)))
    expected = ordinal_moments(items, missing=missing, covariance=False).correlations
    np.testing.assert_array_equal(found, expected)
