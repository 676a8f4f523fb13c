"""Exploratory factor analysis against psych 2.2.9 and GPArotation 2022.10-2.

Oracles: tests/oracles/exploratory.R, missing.R and, on polychoric correlations of lavaan, exploratory_ordinal.R.
"""

import itertools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.dimensionality import parallel_analysis, suitability
from analysis.exploratory import exploratory, loading_intervals, schmid_leiman
from analysis.factoring import extract, rotate, rotate_like
from analysis.sample import sample_moments

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "exploratory.json").read_text())
ORDINAL = json.loads((ORACLES / "exploratory_ordinal.json").read_text())
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
        (ITEMS.assign(s2="agree"), "s2 holds text"),
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
        ({"n_factors": 1, "starts": "many"}, "starts must be a whole number, got 'many'"),
        ({"n_factors": 1.0}, "n_factors must be a whole number, got 1.0"),
        ({"n_factors": 1, "seed": -1}, "seed must be at least 0, got -1"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        exploratory(ITEMS, **options)


@pytest.mark.parametrize("find", [exploratory, schmid_leiman, loading_intervals])
def test_items_that_share_nothing_and_stray_codes_are_refused(find):
    design = pd.DataFrame(list(itertools.product([1, 2], repeat=6)), columns=list("abcdef"))
    with pytest.raises(ValueError, match="no two items correlate"):
        find(design, n_factors=2)
    with pytest.raises(ValueError, match="b has the code 99"):
        find(design.assign(b=[99, *design["b"][1:]]), n_factors=2)


def heywood() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    items = np.repeat(rng.normal(size=(60, 2)), 3, axis=1) + rng.normal(size=(60, 6))
    frame = pd.DataFrame(items, columns=list("abcdef"))
    return frame.assign(b=frame["a"] + rng.normal(size=60) * 0.02)


def test_a_heywood_case_on_polychoric_correlations_is_named():
    found = exploratory(not_positive_definite(), n_factors=3, matrix="polychoric", starts=2)
    assert any(note.startswith("Heywood case: the factors explain all variance of x") for note in found.notes)


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


PEOPLE = pd.read_csv(ORACLES / "data" / "bfi_people.csv").iloc[:, :25]
COMPLETE = PEOPLE.dropna()
PSYCH = "psych 2.2.9 on lavaan 0.6.14 lavCor"


def lined_up(found: pd.DataFrame, expected: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Order and sign of the oracle's factors that make them ours."""
    agreement = expected.T @ found.to_numpy()
    order = list(np.abs(agreement).argmax(axis=0))
    assert sorted(order) == list(range(expected.shape[1]))
    return order, np.sign(agreement[order, range(len(order))])


@pytest.mark.parametrize(
    "expected", ORDINAL["solutions"], ids=lambda each: f"{each['set']}-{each['method']}-{each['rotation']}"
)
def test_solutions_on_polychoric_correlations_are_psychs(expected, agrees):
    found = exploratory(
        PEOPLE,
        n_factors=expected["n_factors"],
        method=METHODS[expected["method"]],
        rotation=ROTATIONS[expected["rotation"]],
        matrix="polychoric",
        missing=expected["set"],
        starts=3,
    )
    theirs = np.array(expected["loadings"])
    order, sign = lined_up(found.loadings, theirs)
    what = f"{expected['method']}, {expected['rotation']}, polychoric, {expected['set']}"
    agrees(f"EFA loadings, {what}", found.loadings, theirs[:, order] * sign, oracle=PSYCH, absolute=1e-4)
    phi = np.array(expected["phi"])[np.ix_(order, order)] * np.outer(sign, sign)
    agrees(f"EFA phi, {what}", found.phi, phi, oracle=PSYCH, absolute=1e-4)
    agrees(f"EFA communalities, {what}", found.communalities, expected["communality"], oracle=PSYCH, absolute=1e-4)
    for measure, tolerance in (("chi2", 1e-4), ("tli", 1e-4), ("bic", 1e-3), ("rmsr", 1e-4)):
        agrees(
            f"EFA {measure}, {what}",
            found.fit.loc[measure, "estimate"],
            expected[measure],
            oracle=PSYCH,
            relative=tolerance,
        )
    assert found.fit.loc["chi2", "df"] == expected["df"]
    assert "polychoric correlations of" in found.method
    assert any("suppose Pearson correlations of normal variables" in note for note in found.notes)
    assert len(found.scores) == len(COMPLETE)


def test_scores_on_polychoric_correlations_weigh_the_standardised_answers():
    found = exploratory(COMPLETE, n_factors=2, matrix="polychoric", starts=1)
    standardised = (COMPLETE - COMPLETE.mean()) / COMPLETE.std()
    np.testing.assert_allclose(found.scores, standardised.to_numpy() @ found.weights, atol=1e-10)
    pearson = exploratory(COMPLETE, n_factors=2, starts=1)
    assert np.corrcoef(found.scores["F1"], pearson.scores["F1"])[0, 1] > 0.98


@pytest.mark.parametrize(
    "expected", ORDINAL["general"], ids=lambda each: f"{each['set']}-{each['n_factors']}-{each['method']}"
)
def test_schmid_leiman_solutions_are_psychs(expected, agrees):
    factors = expected["n_factors"]
    found = schmid_leiman(
        COMPLETE,
        n_factors=factors,
        method=expected["method"],
        matrix="pearson" if expected["set"] == "pearson" else "polychoric",
    )
    what = f"{factors} factors, {expected['method']}, {'Pearson' if expected['set'] == 'pearson' else 'polychoric'}"
    general = np.array(expected["general"])
    sign = np.sign(general @ found.loadings["general"])
    agrees(f"Schmid-Leiman general, {what}", found.loadings["general"], general * sign, oracle=PSYCH, absolute=1e-4)
    groups = np.array(expected["groups"])
    order, signs = lined_up(found.loadings.iloc[:, 1:], groups)
    agrees(
        f"Schmid-Leiman groups, {what}",
        found.loadings.iloc[:, 1:],
        groups[:, order] * signs,
        oracle=PSYCH,
        absolute=1e-4,
    )
    agrees(f"Schmid-Leiman h2, {what}", found.communalities, expected["communality"], oracle=PSYCH, absolute=1e-4)
    for name in ("omega_total", "omega_hierarchical", "ecv"):
        agrees(f"{name}, {what}", found.coefficients.loc[name, "estimate"], expected[name], oracle=PSYCH, absolute=1e-4)
    np.testing.assert_allclose(np.diag(found.phi), 1, atol=1e-12)
    assert len(found.above) == factors
    assert any("do not identify" in note for note in found.notes) == (factors == 2)


def bifactor(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Items of a hierarchical population: factors load .8 on the general one, items .7 on factors."""
    rng = np.random.default_rng(seed)
    factors = 0.8 * rng.normal(size=(n, 1)) + 0.6 * rng.normal(size=(n, 4))
    items = 0.7 * np.repeat(factors, 4, axis=1) + np.sqrt(0.51) * rng.normal(size=(n, 16))
    return pd.DataFrame(items).add_prefix("x"), np.repeat(np.eye(4), 4, axis=0)


def test_schmid_leiman_finds_the_general_factor_of_the_population():
    items, groups = bifactor(20_000, 1)
    found = schmid_leiman(items, n_factors=4)
    np.testing.assert_allclose(found.loadings["general"], 0.56, atol=0.03)
    order, sign = lined_up(found.loadings.iloc[:, 1:], groups)
    np.testing.assert_allclose(found.loadings.iloc[:, 1:], 0.42 * groups[:, order] * sign, atol=0.04)
    total = 16**2 * 0.56**2 + 4 * 4**2 * 0.42**2 + 16 * 0.51
    assert found.coefficients.loc["omega_hierarchical", "estimate"] == pytest.approx(16**2 * 0.56**2 / total, abs=0.01)


def test_schmid_leiman_refuses_what_has_no_general_factor():
    with pytest.raises(ValueError, match="n_factors must be between 2 and"):
        schmid_leiman(COMPLETE, n_factors=1)
    with pytest.raises(ValueError, match="rotation must be one of oblimin, promax, geomin"):
        schmid_leiman(COMPLETE, rotation="varimax")


def two_factors(n: int, rng: np.random.Generator) -> np.ndarray:
    """Answers on five points to eight items of two factors that correlate .4."""
    factors = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], size=n)
    behind = 0.7 * np.repeat(factors, 4, axis=1) + np.sqrt(0.51) * rng.normal(size=(n, 8))
    return np.digitize(behind, [-1.2, -0.4, 0.4, 1.2]) + 1.0


@pytest.mark.parametrize(
    ("method", "rotation"),
    [("minres", "oblimin"), ("ml", "geomin"), ("principal_axis", "promax"), ("minres", "varimax")],
)
def test_standard_errors_of_loadings_are_those_of_new_samples(method, rotation):
    """The bootstrap against truth: how loadings vary over 400 samples of the population itself."""
    rng = np.random.default_rng(7)
    people = 400
    correlations = np.array([np.corrcoef(two_factors(people, rng).T) for _ in range(400)])
    large, _ = extract(np.corrcoef(two_factors(100_000, rng).T), 2, method)
    target = rotate(large, rotation).pattern
    unrotated, _ = extract(correlations, 2, method)
    truth = rotate_like(unrotated, rotation, target).pattern.std(axis=0, ddof=1)
    items = pd.DataFrame(two_factors(people, rng)).add_prefix("x")
    found = loading_intervals(items, n_factors=2, method=method, rotation=rotation, draws=400, starts=2)
    se = found.table["se"].unstack("factor").loc[items.columns].to_numpy()
    # One sample's standard errors vary from item to item; their mean is that of the population.
    assert np.sqrt((se**2).mean() / (truth**2).mean()) == pytest.approx(1, abs=0.12)
    assert (
        (found.table["ci_low"] < found.table["estimate"]) & (found.table["estimate"] < found.table["ci_high"])
    ).all()
    assert len(found.correlations) == (0 if rotation == "varimax" else 1)


def test_intervals_hold_the_estimates_of_exploratory_and_repeat_with_the_seed():
    items = pd.DataFrame(two_factors(300, np.random.default_rng(1))).add_prefix("x")
    found = loading_intervals(items, n_factors=2, draws=100, starts=3)
    whole = exploratory(items, n_factors=2, starts=3)
    np.testing.assert_allclose(
        found.table["estimate"].to_numpy().reshape(8, 2), whole.loadings.to_numpy(), rtol=0, atol=1e-12
    )
    assert found.correlations.loc[("F1", "F2"), "estimate"] == pytest.approx(whole.phi.loc["F1", "F2"])
    pd.testing.assert_frame_equal(found.table, loading_intervals(items, n_factors=2, draws=100, starts=3).table)
    other = loading_intervals(items, n_factors=2, draws=100, starts=3, seed=1).table
    assert not np.allclose(other["ci_low"], found.table["ci_low"])


def test_resampling_by_counts_is_resampling_of_rows():
    from analysis.exploratory import _resampled_pearson

    answers = two_factors(60, np.random.default_rng(2))
    units = np.repeat(np.arange(20), 3)
    found = _resampled_pearson(answers, units, 5, np.random.default_rng(3))
    drawn = np.random.default_rng(3).multinomial(20, np.full(20, 1 / 20), size=5)
    expected = [np.corrcoef(np.repeat(answers, counts[units], axis=0).T) for counts in drawn]
    np.testing.assert_allclose(found, expected, atol=1e-12)


def test_singular_resamples_are_left_out_and_the_others_are_as_alone():
    from analysis.exploratory import _like

    whole = np.full((5, 5), 0.5) + 0.5 * np.eye(5)
    pattern = np.full((5, 1), np.sqrt(0.5))
    # All ones: no matrix that can be inverted.
    patterns, phis = _like(np.array([whole, np.ones((5, 5)), whole]), "minres", "none", pattern)
    np.testing.assert_allclose(patterns, [pattern, pattern], atol=1e-6)
    assert phis.shape == (2, 1, 1)
    nothing = _like(np.ones((2, 5, 5)), "minres", "none", pattern)
    assert [len(part) for part in nothing] == [0, 0]


def test_resamples_without_a_solution_are_counted():
    rng = np.random.default_rng(1)
    items = pd.DataFrame(np.repeat(rng.normal(size=(200, 2)), 3, axis=1) + rng.normal(size=(200, 6))).add_prefix("x")
    # Six people far from all others on all items leave hardly anything but one direction.
    items.iloc[3:9] = 300.0
    with pytest.raises(ValueError, match="of 100 resampled data sets gave a solution of 2 factors"):
        loading_intervals(items, n_factors=2, draws=100)


def test_teams_that_think_alike_widen_the_intervals():
    rng = np.random.default_rng(5)
    teams = np.repeat(np.arange(40), 10)
    factor = rng.normal(size=(400, 1)) + 1.5 * rng.normal(size=(40, 1))[teams]
    items = pd.DataFrame(factor + rng.normal(size=(400, 5)) + 0.8 * rng.normal(size=(40, 5))[teams]).add_prefix("x")
    alone = loading_intervals(items, n_factors=1, draws=200)
    together = loading_intervals(items, n_factors=1, draws=200, clusters=pd.Series(teams))
    assert (together.table["se"] > 1.3 * alone.table["se"]).all()
    assert "200 bootstrap samples of 40 teams" in together.method


def test_polychoric_intervals_resample_the_answers():
    items = pd.DataFrame(two_factors(200, np.random.default_rng(1))).add_prefix("x").iloc[:, [0, 1, 2, 4, 5, 6]]
    gaps = items.mask(np.random.default_rng(2).random(items.shape) < 0.03)
    found = loading_intervals(gaps, n_factors=2, draws=100, matrix="polychoric", missing="pairwise", starts=2)
    assert "polychoric correlations of 200 people" in found.method
    assert (found.table["se"].between(0.01, 0.2)).all()
    ml = loading_intervals(gaps, n_factors=2, draws=100, missing="ml", starts=2)
    np.testing.assert_allclose(ml.table["se"].mean(), found.table["se"].mean(), rtol=0.25)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"draws": 10}, "draws must be at least 100, got 10"),
        ({"n_factors": 9}, "n_factors must be between 1 and"),
        ({"starts": 0}, "starts must be at least 1"),
        ({"matrix": "spearman"}, "matrix must be 'pearson' or 'polychoric', got 'spearman'"),
        ({"clusters": pd.Series([1, 2])}, "clusters must be a Series on the index of the items"),
        ({"clusters": pd.Series(1, index=range(150))}, "at least 2 clusters are needed, got 1"),
        ({"clusters": pd.Series([1.0, None] * 75)}, "75 of 150 responses have no cluster"),
        ({"missing": "pairwise"}, "goes with matrix='polychoric'"),
        ({"missing": "ml", "matrix": "polychoric"}, "'listwise' or 'pairwise' with matrix='polychoric', got 'ml'"),
    ],
)
def test_impossible_intervals_are_refused(options, message):
    items = DATA["sparse"].dropna().reset_index(drop=True)
    assert len(items) == 150
    with pytest.raises(ValueError, match=message):
        loading_intervals(items, **({"n_factors": 2} | options))


def not_positive_definite() -> pd.DataFrame:
    """Thirty people's answers in three grades, whose polychoric correlations no people can have together."""
    rng = np.random.default_rng(2)
    behind = rng.normal(size=(30, 1)) * 1.5 + rng.normal(size=(30, 8))
    return pd.DataFrame(np.digitize(behind, [-0.8, 0.8])).add_prefix("x")


def test_smoothed_polychoric_correlations_are_said_to_be():
    found = exploratory(not_positive_definite(), n_factors=1, matrix="polychoric")
    assert "smoothed polychoric correlations of 30 people" in found.method
    assert any("not positive definite" in note for note in found.notes)
    assert any(
        "prefer minres" in note
        for note in exploratory(not_positive_definite(), n_factors=1, matrix="polychoric", method="ml").notes
    )
    suited = suitability(not_positive_definite(), matrix="polychoric")
    assert any("do not trust them" in note for note in suited.notes)
    number = parallel_analysis(not_positive_definite(), matrix="polychoric", draws=20)
    assert any("trust the components alone" in note for note in number.notes)


@pytest.mark.parametrize("analysis", [suitability, parallel_analysis, lambda x, **k: exploratory(x, n_factors=1, **k)])
@pytest.mark.parametrize(
    ("items", "message"),
    [
        (ITEMS[["s1", "s2"]], "at least 3 items are needed, got 2"),
        (ITEMS.iloc[[0, 1, 2, 4, 7]], "more people than items, got 5 complete responses for 5 items"),
        (ITEMS.assign(s2=4), "alike on s2: an item without variance"),
        (ITEMS.assign(s6=ITEMS["s1"]), "s1 and s6.* is perfect"),
        (ITEMS.assign(s2="agree"), "s2 holds text"),
        (ITEMS.assign(s2=ITEMS["s2"].replace(1, 99)), "s2 has the code 99"),
        (ITEMS.assign(s2=ITEMS["s2"] + 0.5), "s2 has answers that are not whole numbers"),
    ],
)
def test_polychoric_refusals_name_the_item(analysis, items, message):
    with pytest.raises(ValueError, match=message):
        analysis(items, matrix="polychoric")
