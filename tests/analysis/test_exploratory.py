"""Exploratory factor analysis against psych 2.2.9 and GPArotation 2022.10-2 (tests/oracles/exploratory.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.exploratory import exploratory, parallel_analysis, suitability
from analysis.sample import sample_moments

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "exploratory.json").read_text())
DATA = {name: pd.read_csv(ORACLES / "data" / f"{name}.csv") for name in ("bfi", "bfi_gaps", "sparse")}
METHODS = {"minres": "minres", "ml": "ml", "pa": "principal_axis"}
ROTATIONS = {name: name for name in ("oblimin", "promax", "varimax", "none")} | {"geominQ": "geomin"}

EXACT = {"rtol": 1e-6, "atol": 1e-9}
# psych and factor-analyzer both stop L-BFGS-B early: the same minimum of residuals is met to about 1e-5, and
# in the sparse data, whose minimum is flat, to 1e-4.
SOLUTION = {"rtol": 0, "atol": 1e-4}
# Sums and ratios of squared loadings magnify that.
SQUARES = {"rtol": 5e-4, "atol": 1e-4}


@pytest.mark.parametrize(
    "expected",
    ORACLE["solutions"],
    ids=lambda each: f"{each['set']}-{each['n_factors']}-{each['method']}-{each['rotation']}",
)
def test_every_part_of_a_solution_is_the_oracles(expected):
    factors = expected["n_factors"]
    found = exploratory(
        DATA[expected["set"]],
        n_factors=factors,
        method=METHODS[expected["method"]],
        rotation=ROTATIONS[expected["rotation"]],
        starts=3,
    )

    def matrix(name: str) -> np.ndarray:
        return np.asarray(expected[name], dtype=float).reshape(-1, factors)

    np.testing.assert_allclose(found.loadings, matrix("loadings"), **SOLUTION)
    np.testing.assert_allclose(found.structure, matrix("structure"), **SOLUTION)
    np.testing.assert_allclose(found.phi, matrix("phi"), **SOLUTION)
    np.testing.assert_allclose(found.weights, matrix("regression"), **SOLUTION)
    np.testing.assert_allclose(found.communalities, expected["communality"], **SOLUTION)
    np.testing.assert_allclose(found.uniquenesses, expected["uniqueness"], **SOLUTION)
    np.testing.assert_allclose(found.table["complexity"], expected["complexity"], **SQUARES)
    np.testing.assert_allclose(found.variance["ss_loadings"], np.atleast_1d(expected["ss_loadings"]), **SQUARES)
    fit = found.fit
    np.testing.assert_allclose(fit.loc["chi2", "estimate"], expected["chi2"], rtol=1e-4)
    assert fit.loc["chi2", "df"] == expected["df"]
    np.testing.assert_allclose(fit.loc["chi2", "p"], expected["p"], rtol=1e-2, atol=1e-12)
    np.testing.assert_allclose(fit.loc["tli", "estimate"], expected["tli"], atol=1e-4)
    np.testing.assert_allclose(fit.loc["rmsea", "estimate"], expected["rmsea"], atol=1e-4)
    np.testing.assert_allclose(fit.loc["bic", "estimate"], expected["bic"], atol=1e-4 * expected["chi2"])
    np.testing.assert_allclose(fit.loc["rmsr", "estimate"], expected["rmsr"], atol=1e-6)
    for side in ("ci90_low", "ci90_high"):
        np.testing.assert_allclose(fit.loc["rmsea", side], expected[side], atol=1e-4)
    # psych's own RMSEA divides by n where its interval divides by n - 1: they part by 1 / n.
    np.testing.assert_allclose(fit.loc["rmsea", "estimate"], expected["rmsea_psych"], atol=1e-3)


@pytest.mark.parametrize(
    "expected", [each for each in ORACLE["solutions"] if each["n_factors"] > 1], ids=lambda each: each["rotation"]
)
def test_ten_berge_weights_are_psychs(expected):
    found = exploratory(
        DATA[expected["set"]],
        n_factors=expected["n_factors"],
        method=METHODS[expected["method"]],
        rotation=ROTATIONS[expected["rotation"]],
        scores="ten_berge",
        starts=1,
    )
    np.testing.assert_allclose(found.weights, expected["ten_berge"], **SOLUTION)
    np.testing.assert_allclose(np.corrcoef(found.scores.T), found.phi, atol=1e-10)


@pytest.mark.parametrize("rotation", ["oblimin", "promax", "geomin", "varimax", "none"])
def test_all_parts_agree_with_each_other(rotation):
    """What factor-analyzer gets wrong after an oblique rotation: order of phi, communalities without phi."""
    items = DATA["bfi"]
    found = exploratory(items, n_factors=5, rotation=rotation, starts=2)
    pattern, phi = found.loadings.to_numpy(), found.phi.to_numpy()
    np.testing.assert_allclose(found.structure, pattern @ phi, atol=1e-12)
    np.testing.assert_allclose(found.communalities, np.diag(pattern @ phi @ pattern.T), atol=1e-12)
    np.testing.assert_allclose(found.communalities + found.uniquenesses, 1, atol=1e-12)
    unrotated = exploratory(items, n_factors=5, rotation="none")
    model = unrotated.loadings.to_numpy() @ unrotated.loadings.to_numpy().T
    np.testing.assert_allclose(pattern @ phi @ pattern.T, model, atol=1e-8)
    assert (found.loadings.sum() > 0).all()
    assert found.variance["ss_loadings"].is_monotonic_decreasing
    assert found.variance["ss_loadings"].sum() == pytest.approx(found.communalities.sum())
    assert list(found.table.columns) == [f"F{k}" for k in range(1, 6)] + [
        "communality",
        "uniqueness",
        "complexity",
    ]
    assert found.table.index.name == "item"
    pd.testing.assert_index_equal(found.scores.index, items.index)
    # Regression scores correlate with the factors as the multiple correlation says: their variance is R².
    np.testing.assert_allclose(found.scores.var(), np.diag(found.weights.T.to_numpy() @ found.structure), atol=1e-10)


def test_order_of_items_and_direction_of_one_change_nothing_else():
    items = DATA["bfi"].iloc[:, :15]
    found = exploratory(items, n_factors=3, starts=2)
    changed = exploratory(items.iloc[:, ::-1].assign(C1=7 - items["C1"]), n_factors=3, starts=2)
    # Both runs stop within the optimiser's tolerance.
    np.testing.assert_allclose(changed.communalities.loc[found.communalities.index], found.communalities, atol=1e-4)
    assert changed.fit.loc["chi2", "estimate"] == pytest.approx(found.fit.loc["chi2", "estimate"], rel=1e-4)


def test_random_starts_find_the_better_of_two_geomin_solutions():
    items = pd.DataFrame(np.random.default_rng(2).normal(size=(20, 6)), columns=list("abcdef"))
    many = exploratory(items, n_factors=3, rotation="geomin", starts=10, seed=0)
    assert any("starts reached the best geomin solution" in note for note in many.notes)

    def criterion(found) -> float:
        return float(np.exp(np.log(found.loadings**2 + 0.01).mean(axis=1)).sum())

    alone = [criterion(exploratory(items, n_factors=3, rotation="geomin", starts=k, seed=0)) for k in (1, 3, 10)]
    assert alone == sorted(alone, reverse=True)
    assert alone[0] > alone[-1] + 1e-4
    pd.testing.assert_frame_equal(
        many.loadings, exploratory(items, n_factors=3, rotation="geomin", starts=10, seed=0).loadings
    )


def test_scores_of_one_factor_by_ten_berge_have_variance_one():
    found = exploratory(DATA["sparse"], n_factors=1, scores="ten_berge")
    assert found.scores["F1"].var() == pytest.approx(1, abs=1e-10)


def test_gaps_are_left_out_and_counted_never_filled():
    items = DATA["bfi_gaps"]
    found = exploratory(items, n_factors=5, starts=1)
    complete = items.dropna()
    assert found.notes[0] == (
        f"{len(items) - len(complete)} of {len(items)} responses have a gap and are left out (listwise)."
    )
    pd.testing.assert_frame_equal(found.loadings, exploratory(complete, n_factors=5, starts=1).loadings)
    pd.testing.assert_index_equal(found.scores.index, complete.index)


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
    from analysis.exploratory import _verdict

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
    from analysis.exploratory import _random_correlations

    drawn = _random_correlations(30, 4, 20_000, 1)[:, *np.tril_indices(4, -1)]
    # r² of unrelated normal variables has mean 1 / (n - 1); the mean of 20,000 is good to 1 %.
    np.testing.assert_allclose((drawn**2).mean(axis=0), 1 / 29, rtol=0.04)
    np.testing.assert_allclose(drawn.mean(axis=0), 0, atol=0.006)


def test_parallel_analysis_finds_none_in_noise_and_the_planted_number():
    rng = np.random.default_rng(4)
    noise = pd.DataFrame(rng.normal(size=(400, 12)))
    assert parallel_analysis(noise).suggested["n_factors"].to_dict() == {
        "parallel_factors": 0,
        "parallel_components": 0,
        "map": 0,
    }
    three = pd.DataFrame(np.repeat(rng.normal(size=(400, 3)), 4, axis=1) + rng.normal(size=(400, 12)))
    assert set(parallel_analysis(three).suggested["n_factors"]) == {3}


ITEMS = DATA["sparse"].iloc[:, :5]


@pytest.mark.parametrize("analysis", [suitability, parallel_analysis, lambda x: exploratory(x, n_factors=1)])
@pytest.mark.parametrize(
    ("items", "message"),
    [
        (ITEMS[["s1", "s2"]], "at least 3 items are needed, got 2"),
        (ITEMS.iloc[[0, 1, 2, 4, 7]], "more people than items, got 5 complete responses for 5 items"),
        (ITEMS.assign(s2=4), "alike on s2: an item without variance"),
        (ITEMS.assign(s6=ITEMS["s1"]), "singular: s1, s6 repeat each other"),
        (ITEMS.assign(s6=ITEMS["s1"] + ITEMS["s2"]), "singular: s1, s2, s6 repeat each other"),
        (ITEMS.assign(s2="agree"), "s2 hold text"),
        (ITEMS.assign(s2=np.nan), "nobody answered s2"),
    ],
)
def test_refusals_name_the_item_and_the_remedy(analysis, items, message):
    with pytest.raises(ValueError, match=message):
        analysis(items)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_factors": 0}, "n_factors must be between 1 and 2 for 5 items"),
        ({"n_factors": 3}, "n_factors must be between 1 and 2 for 5 items.*got 3"),
        ({"n_factors": 1, "method": "principal"}, "method must be one of minres, ml, principal_axis"),
        ({"n_factors": 1, "rotation": "quartimin"}, "rotation must be one of"),
        ({"n_factors": 1, "scores": "bartlett"}, "scores must be one of"),
        ({"n_factors": 1, "starts": 0}, "starts must be at least 1"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        exploratory(ITEMS, **options)


def test_impossible_comparisons_are_refused():
    with pytest.raises(ValueError, match="draws must be at least 1"):
        parallel_analysis(ITEMS, draws=0)
    with pytest.raises(ValueError, match="quantile must lie between 0 and 1"):
        parallel_analysis(ITEMS, quantile=95)


def heywood() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    items = np.repeat(rng.normal(size=(60, 2)), 3, axis=1) + rng.normal(size=(60, 6))
    frame = pd.DataFrame(items, columns=list("abcdef"))
    return frame.assign(b=frame["a"] + rng.normal(size=60) * 0.02)


def test_a_heywood_case_is_named():
    found = exploratory(heywood(), n_factors=2, method="ml")
    assert any(note.startswith("Heywood case: the factors explain all variance of a") for note in found.notes)
    assert not any("Heywood" in note for note in exploratory(DATA["bfi"], n_factors=5, starts=1).notes)


def test_principal_axes_that_do_not_settle_are_refused():
    items = pd.DataFrame(np.random.default_rng(0).normal(size=(20, 6)), columns=list("abcdef"))
    with pytest.raises(ValueError, match="3 factors by principal_axis did not converge: ask for fewer"):
        exploratory(items, n_factors=3, method="principal_axis")


def test_a_model_without_degrees_of_freedom_has_no_fit():
    found = exploratory(ITEMS.iloc[:, :3], n_factors=1)
    assert list(found.fit.index) == ["rmsr"]
    assert any("no degrees of freedom" in note for note in found.notes)


ML = json.loads((ORACLES / "missing.json").read_text())["factors"]
ML_FILES = {"bfi": "bfi_gaps.csv", "unequal": "missing.csv"}
# The moments agree to 1e-9; psych's optimiser and rotation stop at 1e-5 of the loadings.
ML_LOADING = {"rtol": 0, "atol": 1e-4}
ML_EXACT = {"rtol": 1e-6, "atol": 1e-8}
# Chi-square inherits the optimiser's tolerance, times n.
ML_FIT = {"rtol": 1e-4, "atol": 1e-6}


def with_gaps(name: str) -> pd.DataFrame:
    return pd.read_csv(ORACLES / "data" / ML_FILES[name])


def without_gaps() -> pd.DataFrame:
    return pd.read_csv(ORACLES / "data" / "bfi.csv").iloc[:, :10]


@pytest.mark.parametrize("name", ML_FILES)
def test_ml_solution_is_psychs_on_lavaans_correlations(name: str) -> None:
    expected = ML[name]
    found = exploratory(
        with_gaps(name),
        n_factors=expected["n_factors"],
        method=expected["method"],
        rotation=expected["rotation"],
        missing="ml",
    )
    loadings = np.array(expected["loadings"])
    # psych's factors stand in another order and direction.
    agreement = loadings.T @ found.loadings.to_numpy()
    order = np.abs(agreement).argmax(axis=0)
    sign = np.sign(agreement[order, range(len(order))])
    assert sorted(order) == list(range(expected["n_factors"]))
    np.testing.assert_allclose(found.loadings, loadings[:, order] * sign, **ML_LOADING)
    phi = np.array(expected["phi"])[np.ix_(order, order)] * np.outer(sign, sign)
    np.testing.assert_allclose(found.phi, phi, **ML_LOADING)
    np.testing.assert_allclose(found.communalities, expected["communality"], **ML_LOADING)
    np.testing.assert_allclose(found.weights, np.array(expected["weights"])[:, order] * sign, **ML_LOADING)
    for measure in ("chi2", "tli", "bic", "rmsr"):
        np.testing.assert_allclose(found.fit.loc[measure, "estimate"], expected[measure], **ML_FIT)
    assert found.fit.loc["chi2", "df"] == expected["df"]
    # The smaller n of the intervals would make the model seem to fit better than it does.
    assert any("count all" in note for note in found.notes)


@pytest.mark.parametrize("name", ML_FILES)
def test_ml_suitability_and_eigenvalues_are_psychs_on_lavaans_correlations(name: str) -> None:
    expected = ML[name]
    found = suitability(with_gaps(name), missing="ml")
    np.testing.assert_allclose(found.table.loc["kmo", "estimate"], expected["kmo"], **ML_EXACT)
    np.testing.assert_allclose(found.items["estimate"], expected["msa"], **ML_EXACT)
    bartlett = found.table.loc["bartlett"]
    np.testing.assert_allclose(bartlett["statistic"], expected["bartlett"], **ML_EXACT)
    assert (bartlett["df"], bartlett["n"]) == (expected["bartlett_df"], expected["n"])
    factors = parallel_analysis(with_gaps(name), draws=5, missing="ml")
    np.testing.assert_allclose(factors.table["component_observed"], expected["eigenvalues"], **ML_EXACT)
    rows = len(expected["map"]) - (name == "unequal")  # psych's last one is 0 / 0 there
    np.testing.assert_allclose(factors.table["map"].to_numpy()[:rows], expected["map"][:rows], **ML_EXACT)


def test_ml_without_gaps_changes_nothing() -> None:
    data = without_gaps()
    close = {"rtol": 1e-6, "atol": 1e-8}
    listwise, ml = (suitability(data, missing=way) for way in ("listwise", "ml"))
    pd.testing.assert_frame_equal(ml.table, listwise.table, **close)
    pd.testing.assert_frame_equal(ml.items, listwise.items, **close)
    listwise, ml = (parallel_analysis(data, draws=5, missing=way) for way in ("listwise", "ml"))
    pd.testing.assert_frame_equal(ml.table, listwise.table, **close)
    listwise, ml = (exploratory(data, n_factors=2, missing=way) for way in ("listwise", "ml"))
    for part in ("table", "phi", "fit", "scores"):
        # The rotation of a matrix that differs by 1e-16 stops elsewhere by its own tolerance (1e-7).
        pd.testing.assert_frame_equal(getattr(ml, part), getattr(listwise, part), rtol=1e-6, atol=1e-6)
    assert not any("missing" in note for note in ml.notes)


def test_ml_scores_are_the_regression_on_the_answered_items() -> None:
    data = with_gaps("unequal")
    found = exploratory(data, n_factors=1, rotation="none", missing="ml")
    moments = sample_moments(data, missing="ml")
    sd = np.sqrt(np.diag(moments.covariance))
    row = 0
    here = data.iloc[row].notna().to_numpy()
    assert 0 < here.sum() < 6
    z = (data.iloc[row].to_numpy() - moments.mean.to_numpy())[here] / sd[here]
    correlations = (moments.covariance / np.outer(sd, sd))[np.ix_(here, here)]
    expected = found.structure["F1"].to_numpy()[here] @ np.linalg.solve(correlations, z)
    assert found.scores.iloc[row, 0] == pytest.approx(expected, rel=1e-6)
    assert len(found.scores) == data.notna().any(axis=1).sum()
    assert any("rest on the answered items" in note for note in found.notes)


def test_ml_says_how_much_was_missing_and_gives_no_small_counts() -> None:
    data = with_gaps("unequal")
    found = suitability(data, missing="ml")
    assert found.notes[0].startswith("14 % of the answers were missing; moments by maximum likelihood (EM)")
    assert found.notes[1] == "Responses without an answer to any of these items are left out."
    assert "Dempster, Laird & Rubin, 1977" in found.method
    assert "Savalei & Bentler, 2009" in found.method
    nearly = without_gaps().astype(float)
    nearly.iloc[0, 0] = np.nan
    assert suitability(nearly, missing="ml").notes[0].startswith("Under 1 % of the answers")


def test_ml_finds_factors_where_hardly_anyone_answered_everything() -> None:
    rng = np.random.default_rng(4)
    items = np.repeat(rng.normal(size=(300, 2)), 6, axis=1) + rng.normal(size=(300, 12))
    data = pd.DataFrame(items).add_prefix("x").mask(rng.random(items.shape) < 0.25)
    with pytest.raises(ValueError, match="more people than items"):
        exploratory(data, n_factors=2)
    found = exploratory(data, n_factors=2, missing="ml")
    assert (found.loadings.abs() > 0.4).to_numpy().sum() == 12


def test_ml_refusals() -> None:
    data = with_gaps("unequal")
    with pytest.raises(ValueError, match="missing must be 'listwise' or 'ml', got 'pairwise'"):
        suitability(data, missing="pairwise")  # type: ignore[arg-type]
    rng = np.random.default_rng(5)
    two_forms = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 6))).add_prefix("x")
    for overlap, words in (
        (5, "got 5 people who answered both of the rarest pair for 6 items"),
        (2, "got 2: use more"),
    ):
        data = two_forms.assign(
            x0=two_forms["x0"].where(two_forms.index < 100 + overlap), x1=two_forms["x1"].where(two_forms.index >= 100)
        )
        with pytest.raises(ValueError, match=words):
            exploratory(data, n_factors=1, missing="ml")
