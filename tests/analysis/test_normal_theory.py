"""Maximum likelihood against lavaan 0.6-14 (tests/oracles/reliability.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.normal_theory import (
    CovarianceModel,
    FitError,
    MLFit,
    delta_method,
    fit_ml,
    improper,
    one_factor,
    robust_covariance,
    second_order,
)

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "reliability.json").read_text())

# lavaan stops its optimiser at a relative change of 1e-10 in F: estimates are good to about 1e-5.
ESTIMATE = {"rtol": 1e-4, "atol": 1e-4}
# Standard errors inherit that, magnified by the curvature.
ERROR = {"rtol": 1e-3, "atol": 0}
CHI2 = {"rtol": 1e-4, "atol": 1e-6}

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
    data = pd.read_csv(ORACLES / "data" / file)[items]
    return data.assign(**{item: 7 - data[item] for item in reversed_items}).dropna()


def subscale_answers(file: str, *, weighted: bool) -> pd.DataFrame:
    data = pd.read_csv(ORACLES / "data" / file)
    data = data.assign(**{item: 7 - data[item] for item in REVERSED})
    parts = [data[items] / (len(items) if weighted else 1) for items in SUBSCALES.values()]
    return pd.concat(parts, axis=1).dropna()


def fitted(data: pd.DataFrame, model: CovarianceModel) -> MLFit:
    return fit_ml(np.cov(data.to_numpy(), rowvar=False, ddof=0), len(data), model)


def compare(fit: MLFit, data: pd.DataFrame, expected: dict) -> None:
    # A one-factor solution may come out mirrored, with every loading's sign turned.
    sign = np.sign(fit.parameters[0] * expected["estimates"][0])
    mirrored = np.ones(fit.parameters.size)
    mirrored[: len(data.columns) if fit.estimates.loadings.shape[1] == 1 else 0] = sign
    np.testing.assert_allclose(fit.parameters * mirrored, expected["estimates"], **ESTIMATE)
    np.testing.assert_allclose(fit.standard_errors, expected["se"], **ERROR)
    robust = np.sqrt(np.diag(robust_covariance(fit, data.to_numpy())))
    np.testing.assert_allclose(robust, expected["se_robust"], **ERROR)
    np.testing.assert_allclose(fit.chi2, expected["chi2"], **CHI2)
    np.testing.assert_allclose(fit.loglik, expected["loglik"], rtol=1e-9)
    assert fit.df == expected["df"]
    assert fit.n == len(data) == expected["n"]


@pytest.mark.parametrize("name", SCALES)
def test_one_factor_is_lavaans(name):
    data = answers(name)
    fit = fitted(data, one_factor(len(data.columns)))
    compare(fit, data, ORACLE["scales"][name])
    if fit.df:
        np.testing.assert_allclose(fit.p, ORACLE["scales"][name]["p"], rtol=1e-3, atol=1e-15)


@pytest.mark.parametrize(
    ("name", "file", "weighted"),
    [
        ("bfi_subscales", "bfi.csv", True),
        ("bfi_items", "bfi.csv", False),
        ("gaps_subscales", "bfi_gaps.csv", True),
    ],
)
def test_second_order_is_lavaans(name, file, weighted):
    data = subscale_answers(file, weighted=weighted)
    fit = fitted(data, second_order([len(items) for items in SUBSCALES.values()]))
    compare(fit, data, ORACLE["composites"][name])


def test_gradient_vanishes_and_information_is_the_curvature():
    """Without any oracle: F, differenced, is flat at the estimates and bends as the information says."""
    data = answers("conscientiousness")
    covariance = np.cov(data.to_numpy(), rowvar=False, ddof=0)
    fit = fitted(data, one_factor(5))
    population = fit_ml(fit.implied, 1000, one_factor(5))  # where model and data agree, both curvatures do
    step = 1e-3

    def discrepancy(theta: np.ndarray, of: np.ndarray) -> float:
        implied = np.outer(theta[:5], theta[:5]) + np.diag(theta[5:])
        return np.linalg.slogdet(implied)[1] + np.trace(of @ np.linalg.inv(implied))

    shifts = np.eye(10) * step
    slopes = [
        (discrepancy(fit.parameters + s, covariance) - discrepancy(fit.parameters - s, covariance)) / (2 * step)
        for s in shifts
    ]
    np.testing.assert_allclose(slopes, 0, atol=1e-5)
    information = np.linalg.inv(population.covariance) * 2 / 1000
    at = population.parameters
    bend = [
        (discrepancy(at + s, fit.implied) - 2 * discrepancy(at, fit.implied) + discrepancy(at - s, fit.implied))
        / step**2
        for s in shifts
    ]
    np.testing.assert_allclose(bend, np.diag(information), rtol=1e-4)


def test_recovers_a_second_order_population_exactly():
    loadings = np.kron(np.eye(3), np.ones((3, 1))) * np.tile([1.0, 0.8, 1.2], 3)[:, None]
    general = np.array([0.9, 0.5, -0.4])
    factors = np.outer(general, general) + np.diag([0.3, 0.6, 0.5])
    implied = loadings @ factors @ loadings.T + np.diag(np.linspace(0.3, 0.9, 9))
    fit = fit_ml(implied, 500, second_order([3, 3, 3]))
    found = fit.estimates.paths[:3, 3]
    np.testing.assert_allclose(found * np.sign(found[0]), general, atol=1e-6)
    np.testing.assert_allclose(fit.estimates.loadings[:, :3], loadings, atol=1e-6)
    assert fit.chi2 == pytest.approx(0, abs=1e-6)
    assert fit.df == 24


def test_units_do_not_matter():
    data = answers("conscientiousness")
    units = np.array([1e-4, 1.0, 1e5, 3.0, 0.2])
    plain, scaled = fitted(data, one_factor(5)), fitted(data * units, one_factor(5))
    np.testing.assert_allclose(scaled.estimates.loadings[:, 0] / units, plain.estimates.loadings[:, 0], rtol=1e-5)
    assert scaled.chi2 == pytest.approx(plain.chi2, rel=1e-6)


def test_delta_method_of_a_parameter_is_its_standard_error():
    fit = fitted(answers("conscientiousness"), one_factor(5))
    estimate, se = delta_method(lambda filled: float(filled.loadings[2, 0]), fit, fit.covariance)
    assert estimate == fit.parameters[2]
    assert se == pytest.approx(fit.standard_errors[2], rel=1e-8)


def test_too_few_items_are_refused():
    with pytest.raises(FitError, match="4 parameters but 2 items give only 3"):
        fit_ml(np.array([[1, 0.5], [0.5, 1]]), 100, one_factor(2))


def test_singular_covariances_are_refused():
    with pytest.raises(FitError, match="not positive definite"):
        fit_ml(np.ones((3, 3)), 100, one_factor(3))


def test_an_unidentified_model_is_refused():
    free = one_factor(4)
    scaleless = CovarianceModel(free.loadings, free.paths, np.array([[np.nan]]), free.error_covariance)
    data = answers("conscientiousness").iloc[:, :4]
    with pytest.raises(FitError, match="not identified"):
        fitted(data, scaleless)


def test_a_heywood_case_is_named():
    covariance = np.array([[1, 0.9, 0.8], [0.9, 1, 0.5], [0.8, 0.5, 1]])
    fit = fit_ml(covariance, 100, one_factor(3))
    (note,) = improper(fit, items=["a", "b", "c"], factors=["f"])
    assert "error variance of a is negative" in note
    np.testing.assert_allclose(fit.implied, covariance, atol=1e-8)
    assert improper(fitted(answers("sparse"), one_factor(6)), items=list("abcdef"), factors=["f"]) == ()
