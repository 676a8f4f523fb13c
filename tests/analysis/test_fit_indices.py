"""Fit indices against lavaan 0.6.14 (tests/oracles/confirmatory.R), a published example and brute force."""

import json
from pathlib import Path

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import block_diag

from analysis.fit_indices import (
    ModelTest,
    RobustTest,
    cfi,
    incremental_and_absolute,
    rmsea,
    rmsea_interval,
    rmsea_p_close,
    robust_indices,
    robust_test,
    robust_tests_of_correlations,
    srmr,
    tli,
)

FITS = json.loads((Path(__file__).parents[1] / "oracles" / "confirmatory.json").read_text())["fits"]
NAMES = [name for name in FITS if FITS[name]["fit"]["df"]]


def chi_squares_of(fit: dict[str, float]) -> tuple[ModelTest, ModelTest]:
    """The model's and the baseline's test as lavaan reports them."""
    found = []
    for chi2, scaled, df in (
        ("chisq", "chisq_scaled", "df"),
        ("baseline_chisq", "baseline_chisq_scaled", "baseline_df"),
    ):
        statistic, own = fit[chi2], int(fit[df])
        if scaled not in fit:
            found.append(ModelTest(statistic=statistic, df=own))
        elif "shift" in fit:
            # lavaan does not print the baseline's shift: any pair of factor and shift that gives its statistic will do.
            factor = fit["scaling_factor"] if df == "df" else 1.0
            shift = fit[scaled] - statistic / factor
            found.append(
                ModelTest(statistic=statistic, df=own, scaling="mean and variance", factor=factor, shift=shift)
            )
        else:
            found.append(ModelTest(statistic=statistic, df=own, scaling="mean", factor=statistic / fit[scaled]))
    return found[0], found[1]


@pytest.mark.parametrize("name", NAMES)
def test_plain_and_scaled_indices_are_lavaans(name, agrees):
    fit = FITS[name]["fit"]
    # lavaan multiplies the discrepancy of least squares by n − 1.
    people = {"bfi": 2436, "bfi_1000": 1000, "bfi_300": 300, "keyed": 300, "bfi_gaps": 300, "sparse": 150}
    n = int(fit["n"]) if "loglik" in fit else people[FITS[name]["set"]] - 1
    model, baseline = chi_squares_of(fit)
    found = incremental_and_absolute(model, baseline, n=n)
    names = [measure for measure in found if measure in fit]
    assert {"cfi", "tli", "rmsea", "rmsea_ci_low", "rmsea_ci_high", "rmsea_p_close"} <= set(names)
    assert ("cfi_scaled" in found) == ("cfi_scaled" in fit)
    values = [[found[measure] for measure in names], [fit[measure] for measure in names]]
    agrees(f"fit indices from lavaan's chi-squares, {name}", *values, oracle="lavaan 0.6.14", absolute=1e-5)


@pytest.mark.parametrize("name", ["mlr", "teams", "holzinger_mlr"])
def test_robust_indices_of_continuous_items_are_lavaans(name, agrees):
    fit = FITS[name]["fit"]
    model, baseline = (robust_test(each) for each in chi_squares_of(fit))
    found = robust_indices(model, baseline, n=int(fit["n"]))
    agrees(
        f"robust fit indices from lavaan's chi-squares, {name}",
        list(found.values()),
        [fit[measure] for measure in found],
        oracle="lavaan 0.6.14",
        absolute=1e-5,
    )


def test_published_example():
    """Holzinger and Swineford's three factors as in Rosseel (2012), table of section 5."""
    found = incremental_and_absolute(ModelTest(statistic=85.306, df=24), ModelTest(statistic=918.852, df=36), n=301)
    for measure, printed in {
        "cfi": 0.931,
        "tli": 0.896,
        "rmsea": 0.092,
        "rmsea_ci_low": 0.071,
        "rmsea_ci_high": 0.114,
        "rmsea_p_close": 0.001,
    }.items():
        assert found[measure] == pytest.approx(printed, abs=5e-4), measure


@pytest.mark.parametrize(
    ("statistic", "df", "n"), [(85.3, 24, 301), (30.0, 24, 301), (10.0, 24, 301), (9000.0, 300, 60)]
)
def test_interval_inverts_the_noncentral_chi_square(statistic, df, n):
    low, high = rmsea_interval(statistic, df, n)
    for bound, share in ((low, 0.95), (high, 0.05)):
        if bound:
            assert stats.ncx2.cdf(statistic, df, bound**2 * n * df) == pytest.approx(share, abs=1e-6)
        else:
            assert stats.chi2.cdf(statistic, df) <= share
    assert low <= rmsea(statistic, df, n) <= high


def test_groups_widen_the_rmsea():
    assert rmsea(80, 24, 300, groups=2) == pytest.approx(np.sqrt(2) * rmsea(80, 24, 300))
    assert rmsea_interval(80, 24, 300, groups=2) == pytest.approx(
        tuple(np.sqrt(2) * np.asarray(rmsea_interval(80, 24, 300)))
    )
    assert rmsea_p_close(80, 24, 300, groups=2) < rmsea_p_close(80, 24, 300) < 0.05


def test_a_model_that_fits_better_than_chance():
    model, baseline = RobustTest(statistic=10, df=24, factor=1), RobustTest(statistic=900, df=36, factor=1)
    assert cfi(model, baseline) == 1
    assert tli(model, baseline) > 1
    assert rmsea(10, 24, 300) == 0
    # Unrelated items: nothing to explain, nothing missed.
    assert cfi(model, RobustTest(statistic=20, df=36, factor=1)) == 1


def test_without_degrees_of_freedom_everything_fits():
    saturated, baseline = ModelTest(statistic=0, df=0, scaling="mean"), ModelTest(statistic=900, df=36)
    found = incremental_and_absolute(saturated, baseline, n=300)
    assert (found["cfi"], found["tli"], found["rmsea"], found["p"], found["rmsea_p_close"]) == (1, 1, 0, 1, 1)
    assert "chisq_scaled" not in found
    assert saturated.mean_factor == 1


def test_srmr_is_the_root_mean_square_of_standardised_residuals():
    observed = np.array([[4.0, 1.0], [1.0, 1.0]])
    implied = np.array([[4.0, 0.6], [0.6, 0.9]])
    # Residuals 0, .4 / (2 × 1) = .2 and .1.
    assert srmr([observed], [implied], n=[10]) == pytest.approx(np.sqrt((0.2**2 + 0.1**2) / 3))
    with_means = srmr([observed], [implied], n=[10], means=[np.array([1.0, 0.0])])
    assert with_means == pytest.approx(np.sqrt((0.2**2 + 0.1**2 + 0.5**2) / 5))
    both = srmr([observed, observed], [implied, observed], n=[30, 10])
    assert both == pytest.approx(0.75 * srmr([observed], [implied], n=[10]))


def test_robust_tests_of_correlations_against_the_dense_formula():
    rng = np.random.default_rng(1)
    items, q, n = 5, 4, (200, 300)
    rows, columns = np.triu_indices(items, 1)
    groups = []
    for _ in n:
        loadings = rng.uniform(0.4, 0.8, items)
        implied = np.outer(loadings, loadings)
        np.fill_diagonal(implied, 1)
        correlations = implied + 0.03 * (1 - np.eye(items))
        root = rng.normal(size=(10, 10))
        groups.append((correlations, implied, root @ root.T, rng.normal(size=(10, q)), rng.uniform(0.5, 2, 10)))
    model, baseline = robust_tests_of_correlations(*zip(*groups, strict=True), n=n, df=16)
    share = np.asarray(n) / sum(n)
    # The normal-theory weight from the duplication matrix of off-diagonal elements.
    duplication = np.zeros((items * items, 10))
    duplication[rows * items + columns, np.arange(10)] = duplication[columns * items + rows, np.arange(10)] = 1
    weights, normal, gammas, jacobian = [], [], [], []
    statistic = 0.0
    for f, count, (correlations, implied, gamma, slopes, weight) in zip(share, n, groups, strict=True):
        precision = np.linalg.inv(implied)
        normal.append(f * 0.5 * duplication.T @ np.kron(precision, precision) @ duplication)
        weights.append(f * np.diag(weight))
        gammas.append(gamma / f)
        jacobian.append(slopes)
        statistic += count * (
            np.linalg.slogdet(implied)[1]
            + np.trace(correlations @ precision)
            - np.linalg.slogdet(correlations)[1]
            - items
        )
    weight, v, gamma, j = block_diag(*weights), block_diag(*normal), block_diag(*gammas), np.vstack(jacobian)
    m = np.eye(20) - j @ np.linalg.solve(j.T @ weight @ j, j.T @ weight)
    assert model.statistic == pytest.approx(statistic)
    assert model.factor == pytest.approx(np.trace(m.T @ v @ m @ gamma) / 16)
    assert (baseline.df, baseline.factor) == (20, pytest.approx(sum(np.trace(each[2]) for each in groups) / 20))


def test_robust_tests_need_positive_definite_correlations():
    broken = np.array([[1, 0.9, -0.9], [0.9, 1, 0.9], [-0.9, 0.9, 1]])
    arguments = [np.eye(3)], [np.ones((3, 1))], [np.ones(3)]
    with pytest.raises(
        ValueError, match=r"observed correlations are not positive definite \(smallest eigenvalue -0\.8\)"
    ):
        robust_tests_of_correlations([broken], [np.eye(3)], *arguments, n=[100], df=2)
