"""Reliability against psych 2.2.9, lavaan 0.6.14 and semTools 0.5.6 (tests/oracles/reliability.R, …_ordinal.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import coefficients
from analysis.factoring import extract, extract_proper, schmid_leiman_parts
from analysis.influence import (
    by_covariances,
    gradient_of,
    on_logit_scale,
)
from analysis.ordinal import category_positions, ordinal_moments, position_correlations
from analysis.reliability import composite_reliability, cronbach_alpha, reliability

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "reliability.json").read_text())
ORDINAL = json.loads((ORACLES / "reliability_ordinal.json").read_text())

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
    assert set(table["n"]) == {expected["n"]}
    for column, key in (("estimate", "alpha"), ("ci_low", "alpha_low"), ("ci_high", "alpha_high")):
        np.testing.assert_allclose(table.loc["alpha", column], expected[key], **EXACT)
    np.testing.assert_allclose(table.loc["alpha_standardised", "estimate"], expected["alpha_standardised"], **EXACT)
    np.testing.assert_allclose(table.loc["omega", "estimate"], expected["omega"], **FITTED)
    np.testing.assert_allclose(table.loc["omega", "se"], expected["omega_se"], **ERROR)
    # lavaan's interval takes the standard error as known; ours is that by Student's t, a little wider.
    known = on_logit_scale(*table.loc["omega", ["estimate", "se"]])
    np.testing.assert_allclose(known.ci_low, expected["omega_low"], **ERROR)
    np.testing.assert_allclose(known.ci_high, expected["omega_high"], **ERROR)
    assert table.loc["omega", "ci_low"] < known.ci_low
    width = table.loc["omega", "ci_high"] - table.loc["omega", "ci_low"]
    assert 1 < width / (known.ci_high - known.ci_low) < 1.1
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


def skewed(rng: np.random.Generator, n: int) -> pd.DataFrame:
    """One factor, five-point answers of which most are at the upper end."""
    loadings = np.array([0.8, 0.7, 0.7, 0.6, 0.6, 0.5])
    behind = rng.normal(size=(n, 1)) * loadings + rng.normal(size=(n, 6)) * np.sqrt(1 - loadings**2)
    return pd.DataFrame(np.digitize(behind, [-2.2, -1.6, -1.0, 0.0]) + 1, columns=list("abcdef"))


def test_default_intervals_hold_the_truth_of_skewed_answers():
    """150 people, 120 times: about 95 % of the intervals hold the truth; Feldt's does so less often.

    The truth is that of 400,000 people. Two thousand replications are for the simulations; a share of 120 has a
    standard error of 2 %.
    """
    rng = np.random.default_rng(5)
    population = np.cov(skewed(rng, 400_000).to_numpy(), rowvar=False)
    truth = {
        "alpha_robust": float(coefficients.alpha(population)),
        "lambda_2": float(coefficients.lambda_2(coefficients.correlations_of(population))),
        "omega": float(coefficients.one_factor_omega(population)),
    }
    held = dict.fromkeys(truth, 0)
    widths = dict.fromkeys(truth, 0.0)
    for _ in range(120):
        table = reliability(skewed(rng, 150), coefficients=list(truth)).table
        for name, row in table.iterrows():
            held[name] += row["ci_low"] < truth[name] < row["ci_high"]
            widths[name] += (row["ci_high"] - row["ci_low"]) / 120
    for name in truth:
        # 93 to 97 % and two standard errors.
        assert held[name] / 120 >= 0.885, (name, held[name])
        assert widths[name] < 0.2


def test_bootstrap_repeats_with_its_seed_alone():
    items = answers("sparse").iloc[:, :4]
    kind = {"interval": "bootstrap", "draws": 150}
    first, again, other = (reliability(items, seed=seed, **kind).table for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(first, again)
    assert first.loc["omega", "ci_low"] != other.loc["omega", "ci_low"]
    analytic = reliability(items).table
    resampled = ["alpha_robust", "alpha_standardised", "omega", "lambda_2", "lambda_6", "split_half_mean"]
    np.testing.assert_allclose(first["estimate"], analytic["estimate"])
    # 150 resamples give a standard error to 6 %, and the delta method's first order some more.
    np.testing.assert_allclose(first.loc[resampled, "se"], analytic.loc[resampled, "se"], rtol=0.25)
    kept = ["alpha", "alpha_ordinal", "omega_categorical"]
    pd.testing.assert_frame_equal(first.loc[kept], analytic.loc[kept])
    with pytest.raises(ValueError, match="bootstrap' goes with missing='listwise' or 'pairwise'"):
        reliability(items, interval="bootstrap", missing="ml")


def test_two_items_have_alpha_but_no_omega():
    items = answers("three_items").iloc[:, :2]
    found = reliability(items)
    assert list(found.table.index) == ["alpha", "alpha_robust", "alpha_standardised", "alpha_ordinal"]
    assert any("Omega and loadings are not given" in note and "3 items" in note for note in found.notes)
    assert found.items["alpha_if_dropped"].isna().all()
    sd = items.astype(float).mean(axis=1).std()
    sem = sd * np.sqrt(1 - found.table.loc["alpha", "estimate"])
    assert found.measurement_error.loc["sem", "estimate"] == pytest.approx(sem)
    assert "from alpha" in found.method


def test_left_out_responses_are_counted():
    note, *_ = reliability(answers("neuroticism_gaps")).notes
    rows = answers("neuroticism_gaps")
    assert note.startswith(f"{int(rows.isna().any(axis=1).sum())} of {len(rows)} responses have a gap")
    assert not any("left out" in note for note in reliability(answers("three_items")).notes)


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
        (GOOD.assign(c=list("vwxyz")), "but c holds text"),
        (GOOD.assign(c=[1, 2, 3, 4, np.inf]), "but c holds infinite values"),
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
    for wrong, message in (
        ({"missing": "none"}, "missing must be 'listwise', 'pairwise' or 'ml', got 'none'"),
        ({"interval": "exact"}, "interval must be 'analytic' or 'bootstrap'"),
        ({"draws": 10}, "draws must be at least 100"),
        ({"group_factors": 1}, "group_factors must be at least 2"),
        ({"wording": "ab"}, "put them in a list"),
        ({"wording": ["a", "x"]}, "no columns x"),
        ({"wording": ["a"]}, "at least 2 items, and not all 3, got 1"),
        ({"clusters": pd.Series(1, index=GOOD.index)}, "at least 2 clusters are needed, got 1"),
        ({"clusters": pd.Series([1, 2])}, "must have the index of the items"),
        ({"clusters": pd.Series([1, 1, 2, 2, None])}, "1 responses have no cluster"),
        ({"clusters": pd.Series([1, 1, 2, 2, 3]), "missing": "ml"}, "clusters go with"),
    ):
        with pytest.raises(ValueError, match=message):
            reliability(GOOD, **wrong)
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


TURNED = ["A1", "C4", "C5", "E1", "E2", "O2", "O5", "N1", "N2", "N3", "N4", "N5"]
PSYCH, LAVAAN, SEMTOOLS = "psych 2.2.9", "lavaan 0.6.14", "semTools 0.5.6"


def people() -> pd.DataFrame:
    data = pd.read_csv(ORACLES / "data" / "bfi_people.csv")
    items = [name for name in data.columns if name[0] in "ACENO" and name[1:].isdigit()]
    return data[items].assign(**{item: 7 - data[item] for item in TURNED})


def teams() -> pd.DataFrame:
    return pd.read_csv(ORACLES / "data" / "reliability_teams.csv")


def scale(name: str) -> pd.DataFrame:
    items = ORDINAL["scales"][name]["item"]
    if name == "teams":
        return teams()[items]
    if name == "sparse":
        return pd.read_csv(ORACLES / "data" / "sparse.csv")[items]
    return people().dropna()[items]


# Five items bear two factors only just; here psych stops at a minimum that is not the lowest.
NOT_LOWEST = ("sparse", "O")


@pytest.mark.parametrize("name", NOT_LOWEST)
def test_where_minres_has_several_minima_ours_is_no_worse_than_psychs(name):
    (expected,) = ORDINAL["scales"][name]["schmid_leiman"]
    correlations = scale(name).corr().to_numpy()
    parts = schmid_leiman_parts(correlations, 2)
    common = parts.pattern @ parts.phi @ parts.pattern.T
    residual = (correlations - common)[np.tril_indices(5, -1)]
    assert parts.converged
    assert residual @ residual < 0.9 * expected["residual"]


def own_complete(letter: str) -> pd.DataFrame:
    """Answers to the five items of one scale without a gap on these."""
    return people()[[f"{letter}{number}" for number in range(1, 6)]].dropna()


@pytest.mark.parametrize("letter", list("ACENO"))
def test_omegas_of_five_items_are_psychs_whose_heywood_cases_are_named(letter, agrees):
    expected = ORDINAL["own_complete"][letter]
    table_and_notes = reliability(own_complete(letter), coefficients=["omega_total_sl", "omega_hierarchical"])
    ours = table_and_notes.table["estimate"].to_numpy()
    theirs = [expected["total"], expected["hierarchical"]]
    agrees("omega total and hierarchical", ours, theirs, oracle=f"{PSYCH} omega", absolute=1e-4)
    explained = [name for name, share in zip(expected["item"], expected["communality"], strict=True) if share > 0.99]
    named = [note for note in table_and_notes.notes if note.startswith("Heywood case")]
    assert len(named) == bool(explained)
    assert all(f"all variance of {', '.join(explained)};" in note for note in named)
    # Agreeableness has a Heywood case beside, whose residual is smaller by 2 % (and omegas of .78 and .59).
    assert any("Another solution" in note for note in table_and_notes.notes) == (letter == "A")


def test_a_proper_solution_is_taken_if_it_fits_about_as_well_and_only_then():
    def solutions(letter):
        correlations = own_complete(letter).corr().to_numpy()
        lowest, _ = extract(correlations, 2, "minres")
        proper, arrived, passed_over = extract_proper(correlations, 2, "minres")
        assert arrived
        residuals = [np.sum(np.tril(correlations - each @ each.T, -1) ** 2) for each in (lowest, proper)]
        return [np.sum(each**2, axis=1).max() for each in (lowest, proper)], residuals, passed_over

    (improper, proper), (less, more), passed_over = solutions("A")
    assert improper >= 0.995 - 1e-6 > proper
    assert less < more < 1.1 * less
    assert passed_over
    # The only proper minimum of extraversion has six times the residual.
    (improper, kept), _, passed_over = solutions("E")
    assert min(improper, kept) >= 0.995 - 1e-6
    assert not passed_over
    stack = np.stack([own_complete(letter).corr().to_numpy() for letter in "ACE"])
    assert extract_proper(stack, 2, "minres")[2].tolist() == [True, False, False]
    assert not extract_proper(stack, 2, "principal_axis")[2].any()


def test_group_factors_that_use_up_all_degrees_of_freedom_are_not_taken():
    items = scale("teams").iloc[:, :6]
    rows = ["omega_total_sl", "omega_hierarchical"]
    found = reliability(items, coefficients=rows)
    pd.testing.assert_frame_equal(found.table, reliability(items, coefficients=rows, group_factors=2).table)
    assert any("2 group factors, which load alike" in note and "6 items cannot tell 3" in note for note in found.notes)


def test_an_interval_that_says_nothing_is_said_to():
    rng = np.random.default_rng(1)
    items = pd.DataFrame(0.6 * rng.normal(size=(40, 1)) + rng.normal(size=(40, 6)), columns=list("abcdef"))
    rows = ["omega_total_sl", "omega_hierarchical"]
    found = reliability(items, coefficients=rows)
    row = found.table.loc["omega_hierarchical"]
    assert row["ci_high"] - row["ci_low"] > 0.5
    (note,) = (note for note in found.notes if "do not determine" in note)
    assert f"omega_hierarchical ({row['ci_low']:.2f} to {row['ci_high']:.2f})" in note
    assert "omega_total_sl" not in note
    assert not any("do not determine" in note for note in reliability(scale("C"), coefficients=rows).notes)


@pytest.mark.parametrize("name", ORDINAL["scales"])
def test_every_coefficient_is_the_oracles(name, agrees):
    expected = ORDINAL["scales"][name]
    items = scale(name)
    table = reliability(items, group_factors=2).table
    estimate = table["estimate"]
    assert set(table["n"]) == {expected["n"]}
    agrees("alpha", estimate["alpha"], expected["alpha"], oracle=f"{PSYCH} alpha", absolute=1e-8)
    ours = [*table.loc["alpha", ["ci_low", "ci_high"]]]
    theirs = [expected["alpha_low"], expected["alpha_high"]]
    agrees("alpha, Feldt's interval", ours, theirs, oracle=f"{PSYCH} alpha.ci", absolute=1e-8)
    ours, theirs = estimate["alpha_standardised"], expected["alpha_standardised"]
    agrees("alpha, standardised", ours, theirs, oracle=f"{PSYCH} alpha", absolute=1e-8)
    numbers = [1, 2, 3, 5, 6]
    ours = [estimate[f"lambda_{number}"] for number in numbers]
    theirs = [expected["lambda"][number - 1] for number in numbers]
    agrees("Guttman's lambdas", ours, theirs, oracle=f"{PSYCH} guttman", absolute=1e-8)
    halves = ["best", "worst", "mean"]
    ours = [estimate[f"split_half_{which}"] for which in halves]
    theirs = [expected["halves"][which] for which in halves]
    agrees("split halves, all splits", ours, theirs, oracle="all splits in R", absolute=1e-8)
    if "psych_halves" in expected:
        theirs = [expected["psych_halves"][which] for which in halves]
        agrees("split halves, even number of items", ours, theirs, oracle=f"{PSYCH} splitHalf", absolute=1e-8)
    assert estimate["lambda_4"] == estimate["split_half_best"]
    for solution in expected["schmid_leiman"]:
        if name in NOT_LOWEST:
            continue
        own = reliability(items, group_factors=solution["factors"]).table["estimate"]
        ours = [own["omega_total_sl"], own["omega_hierarchical"]]
        theirs = [solution["total"], solution["hierarchical"]]
        agrees("omega total and hierarchical", ours, theirs, oracle=f"{PSYCH} omega", absolute=1e-4)
    ordinal = expected["ordinal"]
    ours, theirs = estimate["alpha_ordinal"], ordinal["alpha"]
    agrees("alpha, ordinal", ours, theirs, oracle=f"{SEMTOOLS} compRelSEM", absolute=1e-5)
    ours, theirs = estimate["omega_categorical"], ordinal["omega"]
    agrees("omega, categorical", ours, theirs, oracle=f"{SEMTOOLS} compRelSEM, obs.var = FALSE", absolute=1e-4)
    se = table["se"]
    ours = [se["alpha_robust"], se["alpha_standardised"], se["lambda_2"]]
    theirs = [expected["se"][key] for key in ("alpha", "standardised", "lambda_2")]
    agrees("alpha and lambda 2, robust standard errors", ours, theirs, oracle=f"{LAVAAN} :=", relative=1e-4)
    # lavaan's standard error rests on products of scores; ours on the expected information (see below).
    moments = ordinal_moments(items)
    upper = np.triu_indices(items.shape[1], 1)
    slope = 2 * gradient_of(coefficients.alpha, moments.correlations)[upper]
    gamma = moments.covariance[-len(slope) :, -len(slope) :]
    ours, theirs = np.sqrt(slope @ gamma @ slope / (moments.n - 1)), ordinal["alpha_se"]
    agrees("alpha, ordinal, standard error", ours, theirs, oracle=f"{LAVAAN} WLSMV :=", relative=1e-3)


def test_the_schmid_leiman_solution_of_25_items_is_psychs(agrees):
    correlations = people().dropna().corr().to_numpy()
    ours = coefficients.schmid_leiman_omegas(correlations, 5)
    theirs = [ORDINAL["all_items"]["total"], ORDINAL["all_items"]["hierarchical"]]
    agrees("omega total and hierarchical, 25 items", ours, theirs, oracle=f"{PSYCH} omega", absolute=1e-4)


@pytest.mark.parametrize("name", ORDINAL["pairwise"])
def test_pairwise_coefficients_are_psychs(name, agrees):
    expected = ORDINAL["pairwise"][name]
    found = reliability(people()[expected["item"]], missing="pairwise")
    estimate = found.table["estimate"]
    ours = [estimate["alpha"], estimate["alpha_standardised"]]
    theirs = [expected["alpha"], expected["alpha_standardised"]]
    agrees("alpha, pairwise", ours, theirs, oracle=f"{PSYCH} alpha", absolute=1e-8)
    numbers = [1, 2, 3, 5, 6]
    ours = [estimate[f"lambda_{number}"] for number in numbers]
    theirs = [expected["lambda"][number - 1] for number in numbers]
    agrees("Guttman's lambdas, pairwise", ours, theirs, oracle=f"{PSYCH} guttman", absolute=1e-8)
    assert set(found.table["n"]) == {expected["n"]}
    assert any(f"(pairwise, {expected['n']} to 2800 people)" in note for note in found.notes)


@pytest.mark.parametrize("name", ORDINAL["balanced"])
def test_omega_of_the_balanced_score_is_lavaans(name, agrees):
    expected = ORDINAL["balanced"][name]
    items = {"teams": scale("teams"), "three": scale("teams").iloc[:, :7], "two": scale("C")}[name]
    found = reliability(items, wording=expected["other"])
    row = found.table.loc["omega_balanced"]
    agrees("omega, balanced score", row["estimate"], expected["omega"], oracle=f"{LAVAAN} :=", absolute=1e-4)
    agrees("omega, balanced score, standard error", row["se"], expected["se"], oracle=f"{LAVAAN} :=", absolute=1e-3)
    assert any(f"chi-square = {expected['chi2']:.1f}, df = {expected['df']}" in note for note in found.notes)
    # What the wording shares is not the trait's.
    assert row["estimate"] < found.table.loc["omega", "estimate"]


def test_clusters_widen_intervals_as_in_lavaan(agrees):
    data = teams()
    items = data.drop(columns="team")
    found = reliability(items, clusters=data["team"], group_factors=2)
    plain = reliability(items, group_factors=2)
    expected = ORDINAL["clustered"]
    ours = [found.table.loc[row, "se"] for row in ("alpha_robust", "alpha_standardised", "lambda_2", "omega")]
    theirs = [expected[key] for key in ("alpha", "standardised", "lambda_2", "omega")]
    agrees("alpha, lambda 2, omega: standard errors, clusters", ours, theirs, oracle=f"{LAVAAN} MLR", relative=5e-3)
    pd.testing.assert_series_equal(found.table["estimate"], plain.table["estimate"])
    ordinal = ["alpha_ordinal", "omega_categorical"]
    assert (found.table.loc[ordinal, "se"] != plain.table.loc[ordinal, "se"]).all()
    assert "60 clusters" in found.method
    # Resampling whole clusters says the same, roughly.
    resampled = reliability(items, clusters=data["team"], interval="bootstrap", draws=150, group_factors=2).table["se"]
    rows = ["alpha_robust", "omega", "lambda_6"]
    np.testing.assert_allclose(resampled[rows], found.table.loc[rows, "se"], rtol=0.2)


def test_people_that_repeat_as_clusters_do_not_count_twice():
    items = scale("teams")
    twice = pd.concat([items, items], ignore_index=True)
    clusters = pd.Series(np.tile(np.arange(len(items)), 2))
    once = reliability(items, group_factors=2).table["se"]
    again = reliability(twice, clusters=clusters, group_factors=2).table["se"]
    n = len(items)
    rows = ["alpha_robust", "omega", "lambda_6", "split_half_best"]
    np.testing.assert_allclose(again[rows], once[rows] * np.sqrt(n / (n - 1)), rtol=1e-5)
    ordinal = ["alpha_ordinal", "omega_categorical"]
    # Variances of ordinal statistics are divided by n - 1, as lavaan's are.
    np.testing.assert_allclose(again[ordinal], once[ordinal] * np.sqrt((2 * n - 2) / (2 * n - 1)), rtol=1e-6)


def test_pairwise_standard_errors_are_those_of_resamples():
    items = scale("teams").astype(float).iloc[:, :4]
    rng = np.random.default_rng(3)
    items = items.mask(rng.random(items.shape) < 0.15)
    analytic = reliability(items, missing="pairwise").table["se"]
    resampled = reliability(items, missing="pairwise", interval="bootstrap", draws=400).table["se"]
    rows = ["alpha_robust", "alpha_standardised", "omega", "lambda_2", "lambda_6"]
    # 400 resamples give a standard error to 3.5 %; what the delta method leaves out adds some.
    np.testing.assert_allclose(analytic[rows], resampled[rows], rtol=0.15)


def test_without_gaps_pairwise_is_listwise():
    items = scale("sparse")
    pd.testing.assert_frame_equal(reliability(items, missing="pairwise").table, reliability(items).table, rtol=1e-8)


def test_categorical_omega_is_the_correlation_of_two_answers_of_the_same_people():
    """Its definition: parallel forms share the trait and nothing else (400,000 people)."""
    rng = np.random.default_rng(2)
    loadings = np.array([0.8, 0.6, 0.5])
    cuts = [np.array([-1.0, 0.0, 1.0]), np.array([0.5]), np.array([-2.0, -1.0, 0.3, 0.9])]
    trait = rng.normal(size=(400_000, 1))

    def form() -> np.ndarray:
        behind = trait * loadings + rng.normal(size=(400_000, 3)) * np.sqrt(1 - loadings**2)
        return sum(np.digitize(behind[:, item], cuts[item]) for item in range(3))

    found, by_cut, by_loading = coefficients.categorical_omega(cuts, loadings)
    assert found == pytest.approx(np.corrcoef(form(), form())[0, 1], abs=0.004)
    step = 1e-6
    for item in range(3):
        change = step * (np.arange(3) == item)
        ahead, behind = (coefficients.categorical_omega(cuts, loadings + side * change)[0] for side in (1, -1))
        assert by_loading[item] == pytest.approx((ahead - behind) / (2 * step), abs=1e-6)
    flat = np.concatenate(cuts)
    for place in range(len(flat)):
        change = step * (np.arange(len(flat)) == place)
        ahead, behind = (
            coefficients.categorical_omega(np.split(flat + side * change, [3, 4]), loadings)[0] for side in (1, -1)
        )
        assert by_cut[place] == pytest.approx((ahead - behind) / (2 * step), abs=1e-6)


def test_ordinal_standard_errors_are_those_of_the_population_in_small_skewed_samples():
    """On the scale of log(1 − coefficient), 150 people; what many people tell, scaled to 150, is the truth.

    With products of scores in place of the expected information they are about 9 % too small.
    """
    rng = np.random.default_rng(4)
    rows = ["alpha_ordinal", "omega_categorical"]

    def error(n: int) -> pd.Series:
        table = reliability(skewed(rng, n), coefficients=rows).table
        return table["se"] / (1 - table["estimate"])

    truth = error(40_000) * np.sqrt(40_000 / 150)
    found = pd.DataFrame([error(150) for _ in range(40)])
    # A single one varies by about 12 %, the mean of 40 by under 2 %.
    np.testing.assert_allclose(np.sqrt((found**2).mean()), truth, rtol=0.05)


def test_ordinal_standard_error_is_the_spread_of_resamples_of_real_answers():
    """Agreeableness, whose answers no normal variables can quite explain: products of scores are 14 % too small."""
    items = scale("A")
    found = reliability(items, coefficients=["alpha_ordinal"]).table.loc["alpha_ordinal", "se"]
    positions = category_positions(items)
    rng = np.random.default_rng(3)
    drawn = np.array([position_correlations(positions[rng.integers(len(items), size=len(items))]) for _ in range(300)])
    # The spread of 300 resamples is known to 4 %.
    assert found == pytest.approx(coefficients.alpha(drawn).std(ddof=1), rel=0.09)


def test_rows_are_those_asked_for_in_their_order():
    items = scale("C")
    whole = reliability(items, wording=["C4", "C5"])
    for names in (
        ["omega_categorical", "alpha"],
        ["omega_balanced", "lambda_4", "split_half_mean", "lambda_6"],
        ["omega_hierarchical"],
    ):
        some = reliability(items, wording=["C4", "C5"], coefficients=names)
        pd.testing.assert_frame_equal(some.table, whole.table.loc[names])
        pd.testing.assert_frame_equal(some.items, whole.items)
        pd.testing.assert_frame_equal(some.measurement_error, whole.measurement_error)
    assert len(whole.table) == len(reliability(items).table) + 1
    some = reliability(items, coefficients=["omega"])
    assert not any("polychoric" in text or "Schmid" in text or "split" in text for text in (some.method, *some.notes))
    resampled = reliability(items, coefficients=["lambda_2", "omega_total_sl"], interval="bootstrap", draws=100)
    assert list(resampled.table.index) == ["lambda_2", "omega_total_sl"]
    for names, message in (
        (["alpha", "beta", "gamma"], "coefficients must be among alpha, alpha_robust,.*; got beta, gamma"),
        ([], "coefficients must be among .*; got none"),
        ("alpha", "put it in a list"),
        (["omega_balanced"], "omega_balanced needs `wording`"),
    ):
        with pytest.raises(ValueError, match=message):
            reliability(items, coefficients=names)
    with pytest.raises(ValueError, match=r"none of the coefficients.*5 items are needed, got 4"):
        reliability(items.iloc[:, :4], coefficients=["omega_total_sl"])


@pytest.mark.parametrize(("items", "factors"), [(6, 2), (9, 3), (16, 4)])
def test_derivatives_of_schmid_leiman_omegas_are_those_of_differences(items, factors):
    rng = np.random.default_rng(8)
    loadings = rng.normal(size=(items, factors)) / 8 + 0.6 * (np.arange(items)[:, None] % factors == np.arange(factors))
    behind = rng.normal(size=(500, factors)) + 0.7 * rng.normal(size=(500, 1))
    answers = (behind @ loadings.T + rng.normal(size=(500, items)) * 0.7) * rng.uniform(0.5, 2, size=items)
    covariance = np.cov(answers, rowvar=False)

    def omegas(several):
        return coefficients.schmid_leiman_omegas(coefficients.correlations_of(several), factors)

    correlations = coefficients.correlations_of(covariance)
    parts = schmid_leiman_parts(correlations, factors)
    found = by_covariances(coefficients.schmid_leiman_gradients(correlations, parts), covariance)
    sd = np.sqrt(np.diag(covariance))
    changes = rng.normal(size=(3, items, items)) * np.outer(sd, sd)
    changes += changes.transpose(0, 2, 1)
    step = 1e-3 / np.sqrt(items)
    near, far = (
        (omegas(covariance + h * changes) - omegas(covariance - h * changes)) / (2 * h) for h in (step, 2 * step)
    )
    # Differences of two lengths, extrapolated; rotations stop at a slope of 1e-8, which they divide by the step.
    differences = (4 * near - far) / 3
    np.testing.assert_allclose(np.einsum("kij,cij->ck", found, changes), differences, rtol=2e-3, atol=2e-4)


def test_a_search_near_the_solution_finds_it():
    rng = np.random.default_rng(9)
    covariance = np.cov(scale("teams").to_numpy(float), rowvar=False)
    correlations = coefficients.correlations_of(covariance)
    noise = rng.normal(size=(20, *covariance.shape)) * 0.01
    stack = correlations + noise + noise.transpose(0, 2, 1)
    stack[:, np.arange(len(correlations)), np.arange(len(correlations))] = 1
    parts = schmid_leiman_parts(correlations, 2)
    near = coefficients.schmid_leiman_omegas(stack, 2, near=parts)
    np.testing.assert_allclose(near, coefficients.schmid_leiman_omegas(stack, 2), atol=1e-5)
    loadings, _ = extract(correlations, 1, "ml")
    near = coefficients.one_factor_omega(stack, near=1 - loadings[:, 0] ** 2)
    np.testing.assert_allclose(near, coefficients.one_factor_omega(stack), atol=1e-9)


def test_splits_are_all_there_or_said_to_be_drawn():
    rng = np.random.default_rng(6)
    covariance = np.cov(rng.normal(size=(200, 7)) + rng.normal(size=(200, 1)), rowvar=False)
    signs, every = coefficients.splits(7, seed=0)
    assert every
    assert len(np.unique(signs, axis=0)) == 35
    values = coefficients.split_halves(covariance, signs)
    np.testing.assert_allclose(values.mean(), coefficients.mean_split_half(covariance))
    np.testing.assert_allclose(values[3], coefficients.split_half(covariance, signs[3]))
    # With an even number of items the mean is alpha (Cronbach, 1951).
    np.testing.assert_allclose(coefficients.mean_split_half(covariance[:6, :6]), coefficients.alpha(covariance[:6, :6]))
    drawn, every = coefficients.splits(20, seed=0)
    assert not every
    assert drawn.shape == (coefficients.MOST_SPLITS, 20)
    assert (drawn.sum(axis=1) == 0).all()


def test_what_cannot_be_had_is_left_out_with_a_reason():
    rng = np.random.default_rng(7)
    measures = pd.DataFrame(rng.normal(size=(80, 1)) + rng.normal(size=(80, 4)), columns=list("abcd"))
    found = reliability(measures)
    assert "alpha_ordinal" not in found.table.index
    assert any(note.startswith("alpha_ordinal and omega_categorical are not given: ") for note in found.notes)
    assert any("at least 5 items are needed, got 4" in note for note in found.notes)
    (note,) = (note for note in reliability(scale("C")).notes if "group factors" in note)
    assert note.endswith(
        "from 2 group factors, which load alike on the general one, since 5 items cannot tell 3 apart."
    )
    # Every row that is there has an interval around it.
    table = reliability(scale("teams"), wording=["y5", "y6", "y7", "y8"]).table
    assert (table["ci_low"] < table["estimate"]).all()
    assert (table["estimate"] < table["ci_high"]).all()
    assert table["se"].drop("alpha").gt(0).all()


def test_many_gaps_pairwise_are_refused_with_the_pair():
    items = pd.DataFrame({"a": [1, 2, 3, 4, 2, 1], "b": [1, 3, 3, 4, None, None], "c": [None, None, 2, 1, 3, 3]})
    with pytest.raises(ValueError, match="answered both of any two items are needed, got 2 for b and c"):
        reliability(items, missing="pairwise")
