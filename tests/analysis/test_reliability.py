"""Reliability against psych 2.2.9, lavaan 0.6-14 and semTools 0.5-6 (tests/oracles/reliability.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.reliability import composite_reliability, cronbach_alpha, reliability

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "reliability.json").read_text())

EXACT = {"rtol": 1e-9, "atol": 1e-10}  # closed formulas on both sides
FITTED = {"rtol": 1e-4, "atol": 1e-4}  # lavaan's optimiser stops at a relative change of 1e-10 in F
ERROR = {"rtol": 1e-3, "atol": 0}  # a standard error magnifies that

SCALES = {
    "conscientiousness": ("bfi.csv", ["C1", "C2", "C3", "C4", "C5"], ["C4", "C5"]),
    "neuroticism_gaps": ("bfi_gaps.csv", ["N1", "N2", "N3", "N4", "N5"], []),
    "openness_unkeyed": ("bfi.csv", ["O1", "O2", "O3", "O4", "O5"], []),
    "three_items": ("bfi.csv", ["A2", "A3", "A5"], []),
    "sparse": ("sparse.csv", ["s1", "s2", "s3", "s4", "s5", "s6"], []),
}
SUBSCALES = {
    "A": ["A2", "A3", "A5"],
    "C": ["C1", "C2", "C3", "C4", "C5"],
    "E": ["E1", "E2", "E3", "E4"],
    "N": ["N1", "N2", "N3", "N4", "N5"],
}
REVERSED = ["C4", "C5", "E1", "E2", "N1", "N2", "N3", "N4", "N5"]


def answers(name: str) -> pd.DataFrame:
    file, items, reversed_items = SCALES[name]
    data = pd.read_csv(ORACLES / "data" / file, dtype="Int64")[items]
    return data.assign(**{item: 7 - data[item] for item in reversed_items})


def keyed(file: str) -> pd.DataFrame:
    data = pd.read_csv(ORACLES / "data" / file, dtype="Int64")
    return data.assign(**{item: 7 - data[item] for item in REVERSED})


@pytest.mark.parametrize("name", SCALES)
def test_every_number_is_the_oracles(name):
    items, expected = answers(name), ORACLE["scales"][name]
    before = items.copy()
    found = reliability(items)
    table = found.table
    assert list(table.index) == ["alpha", "alpha_standardised", "omega"]
    assert list(table["n"]) == [expected["n"]] * 3
    for column, key in (("estimate", "alpha"), ("ci_low", "alpha_low"), ("ci_high", "alpha_high")):
        np.testing.assert_allclose(table.loc["alpha", column], expected[key], **EXACT)
    np.testing.assert_allclose(table.loc["alpha_standardised", "estimate"], expected["alpha_standardised"], **EXACT)
    np.testing.assert_allclose(table.loc["omega", "estimate"], expected["omega"], **FITTED)
    np.testing.assert_allclose(table.loc["omega", "se"], expected["omega_se"], **ERROR)
    np.testing.assert_allclose(table.loc["omega", "ci_low"], expected["omega_low"], **ERROR)
    np.testing.assert_allclose(table.loc["omega", "ci_high"], expected["omega_high"], **ERROR)
    assert list(found.items.index) == expected["item"]
    assert set(found.items["n"]) == {expected["n"]}
    for column in ("mean", "sd", "item_rest", "alpha_if_dropped"):
        np.testing.assert_allclose(found.items[column], expected[column], **EXACT)
    sign = np.sign(found.items["loading"].iloc[0] * expected["loading"][0])
    np.testing.assert_allclose(sign * found.items["loading"], expected["loading"], **FITTED)
    np.testing.assert_allclose(found.measurement_error.loc["sem", "estimate"], expected["sem"], **FITTED)
    np.testing.assert_allclose(found.measurement_error.loc["sdc_individual", "estimate"], expected["sdc"], **FITTED)
    assert cronbach_alpha(items) == table.loc["alpha", "estimate"]
    pd.testing.assert_frame_equal(items, before)


@pytest.mark.parametrize(
    ("name", "file", "weights"),
    [
        ("bfi_subscales", "bfi.csv", "subscales"),
        ("bfi_items", "bfi.csv", "items"),
        ("gaps_subscales", "bfi_gaps.csv", "subscales"),
    ],
)
def test_composites_are_the_oracles(name, file, weights):
    expected = ORACLE["composites"][name]
    found = composite_reliability(keyed(file), SUBSCALES, weights=weights).table
    np.testing.assert_allclose(found.loc["alpha_stratified", "estimate"], expected["alpha_stratified"], **EXACT)
    for coefficient in ("omega_second_order", "omega_total_second_order"):
        np.testing.assert_allclose(found.loc[coefficient, "estimate"], expected[coefficient], **FITTED)
    # semTools says the same by two of its functions.
    np.testing.assert_allclose(expected["omega_second_order"], expected["omega_second_order_comprel"], rtol=1e-8)
    assert set(found["n"]) == {expected["n"]}
    assert (found["ci_low"] < found["estimate"]).all()
    assert (found["estimate"] < found["ci_high"]).all()


def test_weights_of_subscales_do_not_depend_on_unit_or_order():
    items = keyed("bfi.csv")
    plain = composite_reliability(items, SUBSCALES).table
    turned = composite_reliability(items * 10, dict(reversed(SUBSCALES.items()))).table
    np.testing.assert_allclose(plain["estimate"], turned["estimate"], rtol=1e-6)


def test_intervals_hold_the_truth():
    """One factor, five-point answers of 120 people, 200 times: about 95 % of the intervals hold omega.

    The truth is omega of 200,000 people; 95 % ± 3 standard errors of a proportion of 200 is 90 to 100 %.
    """
    rng = np.random.default_rng(5)
    loadings = np.array([0.8, 0.7, 0.6, 0.6])

    def draw(n: int) -> pd.DataFrame:
        latent = rng.normal(size=(n, 1)) * loadings + rng.normal(size=(n, 4)) * np.sqrt(1 - loadings**2)
        return pd.DataFrame(np.digitize(latent, [-1.5, -0.8, 0.2, 1.0]) + 1, columns=list("abcd"))

    from analysis.normal_theory import fit_ml, one_factor
    from analysis.reliability import _omega, _omega_row

    def row(items: pd.DataFrame) -> tuple[float, float, float, float]:
        data = items.to_numpy().astype(float)
        fit = fit_ml(np.cov(data, rowvar=False, ddof=0), len(data), one_factor(4))
        return _omega_row(fit, data, _omega)

    truth = row(draw(200_000))[0]
    intervals = np.array([row(draw(120))[2:] for _ in range(200)])
    covered = np.mean((intervals[:, 0] < truth) & (truth < intervals[:, 1]))
    assert 0.90 <= covered <= 1.0
    # Neither is the interval so wide that it could not miss.
    assert np.mean(intervals[:, 1] - intervals[:, 0]) < 0.2


def test_bootstrap_repeats_with_its_seed_alone():
    items = answers("sparse")
    first, again, other = (reliability(items, seed=seed).table for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert first.loc["alpha_standardised", "ci_low"] != other.loc["alpha_standardised", "ci_low"]
    assert first.loc["alpha_standardised", "ci_low"] == pytest.approx(
        other.loc["alpha_standardised", "ci_low"], abs=0.02
    )


def test_two_items_have_alpha_but_no_omega():
    items = answers("three_items").iloc[:, :2]
    found = reliability(items)
    assert list(found.table.index) == ["alpha", "alpha_standardised"]
    assert any("Omega is not given" in note and "3 items" in note for note in found.notes)
    assert found.items["alpha_if_dropped"].isna().all()
    sd = items.astype(float).mean(axis=1).std()
    sem = sd * np.sqrt(1 - found.table.loc["alpha", "estimate"])
    assert found.measurement_error.loc["sem", "estimate"] == pytest.approx(sem)
    assert "from alpha" in found.method


def test_left_out_responses_are_counted():
    (note,) = reliability(answers("neuroticism_gaps")).notes
    rows = answers("neuroticism_gaps")
    assert note.startswith(f"{int(rows.isna().any(axis=1).sum())} of {len(rows)} responses have a gap")
    assert reliability(answers("sparse")).notes == ()


def test_an_unturned_item_is_named():
    items = answers("conscientiousness")
    notes = reliability(items.assign(C1=7 - items["C1"])).notes
    assert any("Against the direction of the others: C1;" in note for note in notes)


def test_too_few_people_for_omega_still_have_alpha():
    found = reliability(answers("sparse").iloc[:5, :5])
    assert "omega" not in found.table.index
    assert np.isfinite(found.table.loc["alpha", ["estimate", "ci_low", "ci_high"]].to_numpy(float)).all()
    assert any("not more people than items: 5 people, 5 items" in note for note in found.notes)


GOOD = pd.DataFrame({"a": [1, 2, 4, 3, 5], "b": [2, 1, 4, 4, 5], "c": [1, 3, 3, 4, 4]})


@pytest.mark.parametrize(
    ("items", "message"),
    [
        (GOOD[["a"]], "at least 2 items are needed, got 1"),
        (GOOD.iloc[:2], "at least 3 responses without a gap are needed, got 2 of 2"),
        (GOOD.assign(c=3), "alike on c: an item without variance"),
        (GOOD.assign(c=pd.array([pd.NA] * 5, dtype="Int64")), "nobody answered c"),
        (GOOD.assign(c=list("vwxyz")), "but c hold text"),
        (GOOD.assign(c=[1, 2, 3, 4, np.inf]), "but c hold infinite values"),
        (pd.concat([GOOD, GOOD[["a"]]], axis=1), "item names occur twice: a"),
        (pd.DataFrame({"a": GOOD["a"], "b": 6 - GOOD["a"]}), "items cancel out.*turn the reversed items"),
    ],
)
def test_refusals_name_the_item_and_the_remedy(items, message):
    with pytest.raises(ValueError, match=message):
        reliability(items)
    with pytest.raises(ValueError, match=message):
        cronbach_alpha(items)


def test_unknown_options_are_refused():
    with pytest.raises(ValueError, match="missing must be 'listwise' or 'ml', got 'pairwise'"):
        reliability(GOOD, missing="pairwise")
    with pytest.raises(ValueError, match="weights must be"):
        composite_reliability(GOOD, {"x": ["a", "b"]}, weights="people")


@pytest.mark.parametrize(
    ("subscales", "message"),
    [
        ({"x": ["C1", "C2"]}, "at least 2 subscales, got 1"),
        ({"x": ["C1", "C2"], "y": ["E1"]}, "too short: y"),
        ({"x": ["C1", "C2"], "y": ["C2", "E1"]}, "in two: C2"),
        ({"x": ["C1", "C2"], "y": ["E1", "Q9"]}, "no columns Q9"),
    ],
)
def test_impossible_composites_are_refused(subscales, message):
    with pytest.raises(ValueError, match=message):
        composite_reliability(keyed("bfi.csv"), subscales)


def test_two_subscales_have_stratified_alpha_alone():
    found = composite_reliability(keyed("bfi.csv"), {"C": SUBSCALES["C"], "E": SUBSCALES["E"]})
    assert list(found.table.index) == ["alpha_stratified"]
    assert any("at least 3 subscales, got 2" in note for note in found.notes)


ML = json.loads((ORACLES / "missing.json").read_text())
ML_SCALES = {"neuroticism": "bfi_gaps.csv", "unequal": "missing.csv"}
# Functions of moments that agree to 1e-9.
ML_EXACT = {"rtol": 1e-6, "atol": 1e-8}
# lavaan stops its fit at a relative change of 1e-10 in F: estimates are good to about 1e-5, errors to 1e-4.
ML_FITTED = {"rtol": 1e-4, "atol": 1e-5}


def scale_with_gaps(name: str) -> pd.DataFrame:
    return pd.read_csv(ORACLES / "data" / ML_SCALES[name])[ML["scales"][name]["item"]]


@pytest.mark.parametrize("name", ML_SCALES)
def test_ml_coefficients_are_those_of_lavaans_moments(name: str) -> None:
    expected = ML["scales"][name]
    found = reliability(scale_with_gaps(name), missing="ml")
    table = found.table
    for row, column, key in (
        ("alpha", "estimate", "alpha"),
        ("alpha", "ci_low", "alpha_low"),
        ("alpha", "ci_high", "alpha_high"),
        ("alpha_standardised", "estimate", "alpha_standardised"),
    ):
        np.testing.assert_allclose(table.loc[row, column], expected[key], **ML_EXACT)
    for row, column, key in (
        ("alpha_standardised", "se", "alpha_standardised_se"),
        ("omega", "estimate", "omega"),
        ("omega", "se", "omega_se"),
    ):
        np.testing.assert_allclose(table.loc[row, column], expected[key], **ML_FITTED)
    assert set(table["n"]) == {expected["n"]}
    assert list(found.items.index) == expected["item"]
    people = scale_with_gaps(name).dropna(how="all").shape[0]
    for column in ("mean", "item_rest", "alpha_if_dropped"):
        np.testing.assert_allclose(found.items[column], expected[column], **ML_EXACT)
    # Ours has the divisor n - 1, as without gaps.
    np.testing.assert_allclose(found.items["sd"] * np.sqrt((people - 1) / people), expected["sd"], **ML_EXACT)
    np.testing.assert_allclose(found.items["loading"], expected["loading"], **ML_FITTED)


def test_ml_composite_is_that_of_lavaans_moments() -> None:
    data = pd.read_csv(ORACLES / "data" / "bfi_gaps.csv")
    turned = ["A1", "C4", "C5", "E1", "E2", "O2", "O5", "N1", "N2", "N3", "N4", "N5"]
    data = data.assign(**{item: 7 - data[item] for item in turned})
    subscales = {
        "A": ["A2", "A3", "A5"],
        "C": ["C1", "C2", "C3", "C4", "C5"],
        "E": ["E1", "E2", "E3", "E4"],
        "N": ["N1", "N2", "N3", "N4", "N5"],
    }
    expected = ML["composite"]
    found = composite_reliability(data, subscales, missing="ml")
    table = found.table
    # Chi-square counts all people: with the n of the intervals the model would seem to fit better than it does.
    assert any(f"chi-square = {expected['chi2']:.1f}," in note for note in found.notes)
    np.testing.assert_allclose(table.loc["alpha_stratified", "estimate"], expected["alpha_stratified"], **ML_EXACT)
    for row in ("omega_second_order", "omega_total_second_order"):
        np.testing.assert_allclose(table.loc[row, "estimate"], expected[row], **ML_FITTED)
        np.testing.assert_allclose(table.loc[row, "se"], expected[f"{row}_se"], **ML_FITTED)
    assert set(table["n"]) == {expected["n"]}


def test_ml_without_gaps_changes_nothing_but_the_bootstrap() -> None:
    data = pd.read_csv(ORACLES / "data" / "sparse.csv")
    subscales = {"a": ["s1", "s2"], "b": ["s3", "s4"], "c": ["s5", "s6"]}
    close = {"rtol": 1e-6, "atol": 1e-8}
    listwise, ml = (reliability(data, missing=way) for way in ("listwise", "ml"))
    pd.testing.assert_frame_equal(ml.items, listwise.items, **close)
    pd.testing.assert_frame_equal(ml.measurement_error, listwise.measurement_error, **close)
    exact = ["alpha", "omega"]
    pd.testing.assert_frame_equal(ml.table.loc[exact], listwise.table.loc[exact], **close)
    pairs = [(ml.table, listwise.table, "alpha_standardised")]
    listwise_composite, ml_composite = (
        composite_reliability(data, subscales, missing=way).table for way in ("listwise", "ml")
    )
    omegas = ["omega_second_order", "omega_total_second_order"]
    pd.testing.assert_frame_equal(ml_composite.loc[omegas], listwise_composite.loc[omegas], **close)
    pairs.append((ml_composite, listwise_composite, "alpha_stratified"))
    for with_ml, with_bootstrap, row in pairs:
        assert with_ml.loc[row, "estimate"] == pytest.approx(with_bootstrap.loc[row, "estimate"], rel=1e-6)
        # 1000 resamples give a standard error to 3 %, and the skewness of a bootstrap in 150 people adds some.
        assert with_ml.loc[row, "se"] == pytest.approx(with_bootstrap.loc[row, "se"], rel=0.15)


def test_ml_counts_on_the_rarest_pair_and_says_so() -> None:
    data = scale_with_gaps("unequal")
    found = reliability(data, missing="ml")
    together = data.notna().astype(int)
    rarest = (together.T @ together).to_numpy()[np.triu_indices(6, 1)].min()
    assert set(found.table["n"]) == {rarest}
    assert list(found.items["n"]) == list(data.notna().sum())
    assert any(note.startswith("14 % of the answers were missing") for note in found.notes)
    assert "bootstrap" not in found.method
    assert "Savalei & Bentler, 2009" in found.method
