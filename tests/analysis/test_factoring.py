"""Extraction and rotation, of one matrix and of many at once, against other ways to the same numbers.

That solutions are psych's is tested in test_exploratory.py.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from analysis.factoring import (
    LEAST_UNIQUENESS,
    degrees_of_freedom,
    extract,
    matching,
    most_factors,
    rotate,
    rotate_like,
    schmid_leiman_loadings,
    schmid_leiman_parts,
)

BFI = pd.read_csv(Path(__file__).parents[1] / "oracles" / "data" / "bfi.csv").dropna()
WHOLE = np.corrcoef(BFI.to_numpy().T)


def resampled(draws: int, people: int = 300) -> np.ndarray:
    rng = np.random.default_rng(1)
    answers = BFI.to_numpy()
    return np.array([np.corrcoef(answers[rng.integers(0, len(answers), people)].T) for _ in range(draws)])


@pytest.mark.parametrize("method", ["minres", "ml"])
def test_derivatives_are_those_of_differences(method):
    from analysis.factoring import _discrepancy, _eigen

    rng = np.random.default_rng(0)
    at = rng.uniform(0.4, 0.7, size=25)
    at = at if method == "minres" else np.log(at)
    step = 1e-5 * np.eye(25)

    def there(position: np.ndarray):
        return _discrepancy(*_eigen(WHOLE[None], position[None], method), 5, method)

    here = there(at)
    slope = [(there(at + each).value[0] - there(at - each).value[0]) / 2e-5 for each in step]
    np.testing.assert_allclose(here.gradient[0], slope, atol=1e-8)
    bend = [(there(at + each).gradient[0] - there(at - each).gradient[0]) / 2e-5 for each in step]
    np.testing.assert_allclose(here.hessian[0], bend, atol=1e-7)
    assert np.linalg.eigvalsh(here.convex[0])[0] > 0


def test_minres_leaves_the_smallest_residuals():
    """Harman and Jones's own definition: loadings that make squared residuals off the diagonal small."""
    some = WHOLE[:8, :8]
    pattern, arrived = extract(some, 2, "minres")
    off = ~np.eye(8, dtype=bool)

    def left(loadings: np.ndarray) -> float:
        whole = loadings.reshape(8, 2)
        return float(np.sum((some - whole @ whole.T)[off] ** 2))

    rng = np.random.default_rng(0)
    best = min(optimize.minimize(left, rng.normal(size=16) * 0.4, method="BFGS").fun for _ in range(3))
    assert arrived
    assert left(pattern) == pytest.approx(best, rel=1e-8)


def test_maximum_likelihood_is_the_highest():
    some = WHOLE[:8, :8]
    pattern, arrived = extract(some, 2, "ml")

    def discrepancy(parameters: np.ndarray) -> float:
        implied = parameters[:16].reshape(8, 2) @ parameters[:16].reshape(8, 2).T + np.diag(np.exp(parameters[16:]))
        return float(np.linalg.slogdet(implied)[1] + np.trace(np.linalg.solve(implied, some)))

    found = np.append(pattern.ravel(), np.log(1 - np.sum(pattern**2, axis=1)))
    best = optimize.minimize(discrepancy, found + 0.01, method="BFGS").fun
    assert arrived
    assert discrepancy(found) == pytest.approx(best, rel=1e-9)


def test_principal_axes_settle_at_the_minres_solution():
    np.testing.assert_allclose(extract(WHOLE, 5, "principal_axis")[0], extract(WHOLE, 5, "minres")[0], atol=1e-7)


@pytest.mark.parametrize("method", ["minres", "ml", "principal_axis"])
def test_a_stack_is_each_matrix_by_itself(method):
    stack = resampled(6)
    together, arrived = extract(stack.reshape(2, 3, 25, 25), 4, method)
    assert together.shape == (2, 3, 25, 4)
    assert arrived.all()
    for place in range(6):
        alone, _ = extract(stack[place], 4, method)
        np.testing.assert_allclose(together.reshape(6, 25, 4)[place], alone, atol=1e-6)


def test_uniquenesses_keep_their_bound():
    rng = np.random.default_rng(3)
    items = np.repeat(rng.normal(size=(60, 2)), 3, axis=1) + rng.normal(size=(60, 6))
    items[:, 1] = items[:, 0] + rng.normal(size=60) * 0.02
    for method in ("minres", "ml"):
        pattern, arrived = extract(np.corrcoef(items.T), 2, method)
        assert arrived
        assert np.sum(pattern**2, axis=1).max() >= 1 - LEAST_UNIQUENESS - 1e-9


def test_degrees_of_freedom_bound_the_factors():
    assert [degrees_of_freedom(9, factors) for factors in range(4)] == [36, 27, 19, 12]
    assert [most_factors(columns) for columns in (3, 4, 5, 6, 9)] == [1, 1, 2, 3, 5]


@pytest.mark.parametrize("rotation", ["oblimin", "geomin", "varimax", "promax"])
def test_rotations_keep_the_model_and_stand_at_a_minimum(rotation):
    unrotated, _ = extract(WHOLE, 5, "minres")
    found = rotate(unrotated, rotation)
    assert found.converged
    np.testing.assert_allclose(found.pattern @ found.phi @ found.pattern.T, unrotated @ unrotated.T, atol=1e-10)
    np.testing.assert_allclose(np.diag(found.phi), 1, atol=1e-12)
    again = rotate(unrotated, rotation, start=np.linalg.qr(np.random.default_rng(0).normal(size=(5, 5)))[0])
    order, sign = matching(again.pattern[None], found.pattern)
    np.testing.assert_allclose(again.pattern[:, order[0]] * sign[0], found.pattern, atol=1e-5)


@pytest.mark.parametrize("rotation", ["oblimin", "geomin", "varimax", "promax", "none"])
def test_resampled_rotations_line_up_with_the_sample(rotation):
    unrotated, _ = extract(WHOLE, 3, "minres")
    target = rotate(unrotated, rotation).pattern
    # Turned, swapped and reflected copies all come back to the target.
    swap = np.array([[0, 1, 0], [0, 0, -1], [-1, 0, 0]])
    turn = swap if rotation == "none" else np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    found = rotate_like(np.array([unrotated @ turn, unrotated @ swap, -unrotated]), rotation, target)
    assert found.converged.all()
    np.testing.assert_allclose(found.pattern, np.broadcast_to(target, (3, 25, 3)), atol=1e-4)
    model = found.pattern @ found.phi @ found.pattern.transpose(0, 2, 1)
    np.testing.assert_allclose(model, np.broadcast_to(unrotated @ unrotated.T, model.shape), atol=1e-10)


def test_a_stack_of_general_factors_is_each_by_itself():
    stack = resampled(3, people=800)
    together = schmid_leiman_loadings(stack, 3)
    assert together.shape == (3, 25, 4)
    for place in range(3):
        np.testing.assert_allclose(together[place], schmid_leiman_loadings(stack[place], 3), atol=1e-6)
    parts = schmid_leiman_parts(stack, 3)
    # One factor explains three correlations wholly, so that squares add up to communalities.
    proper = parts.above.max(axis=1) < 0.99
    assert proper.any()
    np.testing.assert_allclose(np.sum(parts.loadings**2, axis=2)[proper], parts.communalities[proper], atol=1e-6)
    with pytest.raises(ValueError, match="n_factors must be between 2 and"):
        schmid_leiman_loadings(stack, 1)
