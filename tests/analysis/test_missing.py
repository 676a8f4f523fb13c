"""Moments of incomplete data against lavaan 0.6.14 (tests/oracles/missing.R), closed forms and simulation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from analysis.missing import Moments, expected_answers, moments_error, normal_moments, numeric_answers

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "missing.json").read_text())
LAVAAN = f"lavaan {ORACLE['versions']['lavaan']}"
R = f"R {ORACLE['versions']['R']}"
FILES = {"bfi": "bfi_gaps.csv", "neuroticism": "bfi_gaps.csv", "unequal": "missing.csv"}

# Both sides stop EM when hardly anything moves (ours: 1e-8 SD a step, lavaan: 1e-12 of log-likelihood): 1e-5 SD.
IN_SD = 1e-5
# Standard errors: ours from central differences, lavaan's from moments and a fit that stop as said.
ERROR = 1e-5


def answers(name: str) -> pd.DataFrame:
    return pd.read_csv(ORACLES / "data" / FILES[name])[ORACLE["moments"][name]["item"]]


def alpha_gradient(covariance: np.ndarray) -> np.ndarray:
    items, total = len(covariance), covariance.sum()
    return items / (items - 1) * (np.trace(covariance) / total**2 - np.eye(items) / total)


def correlated(n: int, seed: int, columns: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 1)) + rng.normal(size=(n, columns))
    return pd.DataFrame(values, columns=[f"x{position}" for position in range(columns)])


@pytest.mark.parametrize("name", FILES)
def test_moments_are_lavaans(name: str, agrees: Any) -> None:
    expected = ORACLE["moments"][name]
    found = normal_moments(answers(name))
    covariance = np.array(expected["covariance"])
    sd = np.sqrt(np.diag(covariance))
    assert list(found.mean.index) == expected["item"]
    theirs = expected["mean"] / sd
    agrees(f"means with gaps, in SD, {name}", found.mean / sd, theirs, oracle=LAVAAN, absolute=IN_SD)
    scale = np.outer(sd, sd)
    ours, theirs = found.covariance / scale, covariance / scale
    agrees(f"covariances with gaps, in SD, {name}", ours, theirs, oracle=LAVAAN, absolute=IN_SD)
    assert (found.n, found.pairwise_n) == (expected["n"], expected["pairwise_n"])
    agrees("share of missing answers", found.share_missing, expected["share_missing"], oracle=R, absolute=1e-12)
    assert found.converged


@pytest.mark.parametrize("name", ["neuroticism", "unequal"])
def test_error_of_alpha_is_lavaans_two_stage_error(name: str, agrees: Any) -> None:
    data = answers(name)
    found = normal_moments(data)
    error = moments_error(data, found, alpha_gradient(found.covariance.to_numpy()))
    theirs = ORACLE["scales"][name]["alpha_se"]
    agrees(f"standard error of alpha with gaps (two-stage), {name}", error, theirs, oracle=LAVAAN, relative=ERROR)


def test_error_of_each_covariance_sums_up_the_scores_of_people() -> None:
    """The same sandwich, with the information matrix written out by differences of the log-likelihood."""
    data = correlated(60, 3, 2)
    data.iloc[:15, 1] = np.nan
    data.iloc[15:22, 0] = np.nan
    found = normal_moments(data)

    def logliks(theta: np.ndarray) -> np.ndarray:
        mean, covariance = theta[:2], np.array([[theta[2], theta[3]], [theta[3], theta[4]]])
        out = []
        for row in data.to_numpy():
            here = ~np.isnan(row)
            out.append(stats.multivariate_normal.logpdf(row[here], mean[here], covariance[np.ix_(here, here)]))
        return np.array(out)

    theta = np.concatenate([found.mean, found.covariance.to_numpy()[[0, 0, 1], [0, 1, 1]]])
    step = 1e-4
    shifts = step * np.eye(5)
    scores = np.column_stack([(logliks(theta + shift) - logliks(theta - shift)) / (2 * step) for shift in shifts])

    def slope(at: np.ndarray) -> np.ndarray:
        return np.array([(logliks(at + s) - logliks(at - s)).sum() for s in shifts]) / (2 * step)

    information = -np.array([(slope(theta + s) - slope(theta - s)) / (2 * step) for s in shifts])
    inverse = np.linalg.inv(information)
    errors = np.sqrt(np.diag(inverse @ scores.T @ scores @ inverse))
    for position, gradient in zip([2, 3, 4], [[[1, 0], [0, 0]], [[0, 0.5], [0.5, 0]], [[0, 0], [0, 1]]], strict=True):
        # Second differences of step 1e-4 are good to six digits.
        assert moments_error(data, found, np.array(gradient)) == pytest.approx(errors[position], rel=1e-5)


def test_complete_data_give_the_ordinary_moments_with_divisor_n() -> None:
    data = correlated(50, 1)
    found = normal_moments(data)
    np.testing.assert_allclose(found.mean, data.mean(), rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.covariance, data.cov(ddof=0), rtol=1e-12)
    assert (found.n, found.pairwise_n, found.share_missing) == (50, 50, 0)


def test_monotone_gaps_have_a_closed_form() -> None:
    """Anderson (1957): regress the second on the first among the complete, and give the first all its people."""
    data = correlated(80, 2, 2)
    data.loc[data["x0"] < -0.2, "x1"] = np.nan
    whole = data.dropna()
    slope = whole.cov(ddof=0).loc["x0", "x1"] / whole["x0"].var(ddof=0)
    residual = whole["x1"].var(ddof=0) - slope**2 * whole["x0"].var(ddof=0)
    variance = data["x0"].var(ddof=0)
    found = normal_moments(data)
    # At rate r of convergence the last step of 1e-8 leaves 1e-8 r / (1 - r): with half the answers gone about 1e-7.
    close = {"rtol": 0, "atol": 1e-6}
    mean = [data["x0"].mean(), whole["x1"].mean() + slope * (data["x0"].mean() - whole["x0"].mean())]
    np.testing.assert_allclose(found.mean, mean, **close)
    expected = [[variance, slope * variance], [slope * variance, residual + slope**2 * variance]]
    np.testing.assert_allclose(found.covariance, expected, **close)


def test_moments_are_at_the_maximum_of_the_likelihood() -> None:
    data = correlated(40, 5, 3)
    data = data.mask(np.random.default_rng(6).random(data.shape) < 0.25)

    def negative(theta: np.ndarray) -> float:
        root = np.zeros((3, 3))
        root[np.tril_indices(3)] = theta[3:]
        covariance = root @ root.T
        total = 0.0
        for row in data.dropna(how="all").to_numpy():
            here = ~np.isnan(row)
            total -= stats.multivariate_normal.logpdf(row[here], theta[:3][here], covariance[np.ix_(here, here)])
        return total

    found = normal_moments(data)
    root = np.linalg.cholesky(found.covariance)
    theta = np.concatenate([found.mean, root[np.tril_indices(3)]])
    best = optimize.minimize(negative, theta, method="BFGS", options={"gtol": 1e-3})
    assert negative(theta) <= best.fun + 1e-6


def test_beats_listwise_deletion_where_gaps_depend_on_answers() -> None:
    ours, listwise = [], []
    for seed in range(20):
        data = correlated(300, 100 + seed)
        gone = np.random.default_rng(seed).random((300, 3)) < (0.1 + 0.7 * (data[["x0"]].to_numpy() > 0))
        data.iloc[:, 1:] = data.iloc[:, 1:].mask(gone)
        ours.append(normal_moments(data).mean["x3"])
        listwise.append(data.dropna()["x3"].mean())
    error = np.std(ours, ddof=1) / np.sqrt(len(ours))
    assert abs(np.mean(ours)) < 4 * error  # the population's mean is 0
    assert np.mean(listwise) < -0.25


def test_order_and_unit_do_not_matter() -> None:
    data = answers("unequal")
    found = normal_moments(data)
    turned = normal_moments((data * 1000 - 7).iloc[::-1, ::-1])
    names = data.columns
    np.testing.assert_allclose(turned.mean[names], found.mean * 1000 - 7, rtol=1e-6)
    np.testing.assert_allclose(turned.covariance.loc[names, names], found.covariance * 1e6, rtol=0, atol=3)


def test_few_answers_each_take_the_way_over_the_observed_items() -> None:
    """Half of the people answered 3 of 12 items: fewer answers than gaps."""
    data = correlated(400, 8, 12)
    shown = np.random.default_rng(9).permuted(np.tile(np.arange(12) < 3, (200, 1)), axis=1)
    data.iloc[:200] = data.iloc[:200].where(shown)
    found = normal_moments(data)
    np.testing.assert_allclose(np.diag(found.covariance), 2, atol=0.5)
    off = found.covariance.to_numpy()[np.triu_indices(12, 1)]
    assert abs(off.mean() - 1) < 0.2
    half = data.mask(np.random.default_rng(10).random(data.shape) < 0.1)
    error = moments_error(half, normal_moments(half), np.eye(12))
    assert error > moments_error(data, found, np.eye(12))


def test_expected_answers_are_the_regression_on_the_answered_items() -> None:
    data = answers("unequal")
    found = normal_moments(data)
    filled = expected_answers(data, found)
    given = data.dropna(how="all")
    pd.testing.assert_frame_equal(filled.where(given.notna()), given.astype(float), rtol=1e-12)
    covariance, mean = found.covariance.to_numpy(), found.mean.to_numpy()
    for row in range(20):
        here = given.iloc[row].notna().to_numpy()
        slopes = np.linalg.solve(covariance[np.ix_(here, here)], covariance[np.ix_(here, ~here)])
        expected = mean[~here] + (given.iloc[row].to_numpy()[here] - mean[here]) @ slopes
        np.testing.assert_allclose(filled.iloc[row].to_numpy()[~here], expected, rtol=1e-9)
    assert list(filled.index) == list(given.index)


def test_iterations_run_out_is_said() -> None:
    found = normal_moments(answers("unequal"), max_iterations=2)
    assert not found.converged
    with pytest.raises(ValueError, match="did not converge"):
        moments_error(answers("unequal"), found, np.eye(6))


def test_people_without_any_answer_do_not_count() -> None:
    data = correlated(30, 4)
    empty = pd.DataFrame(np.nan, index=range(100, 105), columns=data.columns)
    with_empty = pd.concat([data, empty])
    assert normal_moments(with_empty).n == 30
    np.testing.assert_array_equal(normal_moments(with_empty).covariance, normal_moments(data).covariance)


def test_nullable_integers_are_read_and_nothing_is_changed() -> None:
    data = pd.DataFrame({"a": [1, 2, 3, 4, None], "b": [2, 1, 4, 4, 3]}).astype("Int64")
    before = data.copy()
    assert isinstance(normal_moments(data), Moments)
    pd.testing.assert_frame_equal(data, before)


def refused() -> dict[str, tuple[pd.DataFrame, str]]:
    data = correlated(30, 4)
    return {
        "nobody": (data.assign(x1=np.nan), "nobody answered x1"),
        "constant": (data.assign(x1=data["x1"].where(data["x1"] > 0) * 0 + 3), "x1 gave the same answer"),
        "never together": (
            data.assign(x0=data["x0"].where(np.arange(30) < 15), x1=data["x1"].where(np.arange(30) >= 15)),
            "nobody answered both of x0 with x1",
        ),
        "few people": (data.iloc[:4], "more people than items, got 4 people with an answer for 4 items"),
        "doubled": (data.assign(x1=data["x0"]), "x0, x1 repeat each other"),
        "doubled with gaps": (
            data.assign(x0=data["x0"].where(np.arange(30) > 4), x1=data["x0"].where(np.arange(30) < 25)),
            "x0, x1 repeat each other|singular",
        ),
        "sum": (data.assign(x1=data["x0"] + data["x2"]), "x0, x1, x2 repeat each other"),
        "text": (data.assign(x1="yes"), "x1 holds text"),
        "infinite": (data.assign(x1=np.inf), "x1 holds infinite"),
        "one item": (data[["x0"]], "at least 2 items"),
        "huge": (data.assign(x1=data["x1"] * 1e200), "x1 holds such values.*other units"),
        "tiny": (data.assign(x1=data["x1"] * 1e-200), "x1 holds such values.*other units"),
        "digits as text": (
            data.astype({"x1": str}),
            r"x1 holds text or objects that read as numbers .*astype\(float\)",
        ),
        "numbers as objects": (
            data.astype({"x0": object, "x1": object}),
            r"x0, x1 hold .*dtype object.*astype\(float\)",
        ),
        "categories of numbers": (data.astype({"x1": "category"}), r"x1 holds .*dtype category.*astype\(float\)"),
        "dates": (data.assign(x1=pd.Timestamp("2024-01-01")), "x1 holds dates or times"),
        "complex": (data.assign(x1=data["x1"] * 1j), "x1 holds complex numbers"),
        "two levels": (data.set_axis(pd.MultiIndex.from_product([["a"], list("wxyz")]), axis=1), "2 levels"),
        "no name": (data.rename(columns={"x1": None}), "1 of 4 columns has no name"),
        "same name": (data.set_axis(["a", "a", "b", "c"], axis=1), "occur twice: a"),
    }


@pytest.mark.parametrize("case", refused())
def test_refusals_name_the_item_and_the_remedy(case: str) -> None:
    data, words = refused()[case]
    with pytest.raises(ValueError, match=words):
        normal_moments(data)


@pytest.mark.parametrize("data", [np.ones((9, 2)), {"a": [1, 2]}, pd.Series([1, 2]), None])
def test_what_is_no_table_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=f"items must be a DataFrame, response × item, got {type(data).__name__}"):
        numeric_answers(data)  # type: ignore[arg-type]


def test_one_item_is_one_item() -> None:
    with pytest.raises(ValueError, match="at least 1 item is needed, got 0"):
        numeric_answers(pd.DataFrame(index=range(3)), at_least=1)


@pytest.mark.parametrize("unit", [1e98, 1e-98])
def test_units_within_the_range_change_nothing(unit: float) -> None:
    data = correlated(30, 4).mask(np.arange(120).reshape(30, 4) % 17 == 0)
    expected = normal_moments(data).mean
    np.testing.assert_allclose(normal_moments(data * unit).mean / unit, expected, rtol=1e-7)


def test_options_are_checked() -> None:
    with pytest.raises(ValueError, match="tolerance must be above 0, got 0"):
        normal_moments(correlated(30, 4), tolerance=0)
    with pytest.raises(ValueError, match="max_iterations must be at least 1, got 0"):
        normal_moments(correlated(30, 4), max_iterations=0)


def test_an_empty_frame_is_refused() -> None:
    with pytest.raises(ValueError, match="more people than items, got 0"):
        normal_moments(pd.DataFrame({"a": [], "b": []}))
    assert numeric_answers(pd.DataFrame({"a": [], "b": []})).shape == (0, 2)
