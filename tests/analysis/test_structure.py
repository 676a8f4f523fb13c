"""Models of means and covariances: their derivatives against differences, and what the draft makes of names."""

from __future__ import annotations

import numpy as np
import pytest

from analysis.structure import (
    Model,
    ModelDraft,
    ResponseScale,
    filled,
    implied_covariance,
    implied_mean,
    moment_jacobian,
    ordinal_jacobian,
    ordinal_statistics,
    start_values,
)


def everything(scale: ResponseScale) -> Model:
    """Two groups, five items, two factors and a general one above them; every kind of element is free somewhere."""
    draft = ModelDraft(items=5, factors=3, groups=2, threshold_item=[0, 0, 1, 2, 3, 4, 4], scale=scale)
    for group in range(2):
        tag = f".{group}"
        for item in range(5):
            draft.free("loadings", item, int(item > 2), name=f"l{item}", group=group)
            draft.free("error_covariance", item, item, name=f"e{item}{tag}", group=group)
            draft.free("intercepts", item, name=f"i{item}" if item else f"i{item}{tag}", group=group)
        draft.free("loadings", 2, 1, name="cross", group=group)
        draft.free("error_covariance", 3, 1, name="e31", group=group)
        for factor in range(2):
            draft.free("paths", factor, 2, name=f"b{factor}", group=group)
            draft.free("factor_covariance", factor, factor, name=f"f{factor}{tag}", group=group)
            draft.free("factor_means", factor, name=f"m{factor}{tag}", group=group)
        draft.free("factor_covariance", 1, 0, name=f"f10{tag}", group=group)
        draft.fix("factor_covariance", 2, 2, value=1.0, group=group)
        for threshold in range(7):
            draft.free("thresholds", threshold, name=f"t{threshold}", group=group)
    return draft.finished()


def somewhere(model: Model) -> np.ndarray:
    rng = np.random.default_rng(3)
    at = rng.uniform(0.2, 0.9, len(model.names))
    for number, name in enumerate(model.names):
        if name.startswith(("e31", "f10")):
            at[number] = 0.1
        elif name.startswith(("e", "f")):
            at[number] += 0.5
    return at


def differenced(function, at: np.ndarray) -> np.ndarray:  # type: ignore[no-untyped-def]
    steps = 1e-6 * np.eye(at.size)
    return np.column_stack([(function(at + step) - function(at - step)) / 2e-6 for step in steps])


@pytest.mark.parametrize("group", [0, 1])
def test_moment_jacobian_is_that_of_the_implied_moments(group: int) -> None:
    model = everything("unit")
    rows, columns = np.triu_indices(5)

    def moments(at: np.ndarray) -> np.ndarray:
        parts = filled(model, at)[group]
        return np.concatenate([implied_mean(parts), implied_covariance(parts)[rows, columns]])

    at = somewhere(model)
    jacobian = moment_jacobian(model, group, filled(model, at)[group], means=True)
    np.testing.assert_allclose(jacobian, differenced(moments, at), atol=1e-8)
    np.testing.assert_array_equal(moment_jacobian(model, group, filled(model, at)[group], means=False), jacobian[5:])


@pytest.mark.parametrize("scale", ["unit", "residual"])
@pytest.mark.parametrize("group", [0, 1])
def test_ordinal_jacobian_is_that_of_the_implied_statistics(scale: ResponseScale, group: int) -> None:
    model = everything(scale)
    at = somewhere(model)
    jacobian = ordinal_jacobian(model, group, filled(model, at)[group])
    expected = differenced(lambda where: ordinal_statistics(model, group, filled(model, where)[group]), at)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(jacobian, expected, atol=1e-8)


def test_residual_scale_standardises() -> None:
    model = everything("residual")
    parts = filled(model, somewhere(model))[0]
    covariance = implied_covariance(parts)
    sd = np.sqrt(np.diag(covariance))
    statistics = ordinal_statistics(model, 0, parts)
    np.testing.assert_allclose(statistics[7:], (covariance / np.outer(sd, sd))[np.triu_indices(5, 1)], rtol=1e-12)
    np.testing.assert_allclose(statistics[0], (parts.thresholds[0] - implied_mean(parts)[0]) / sd[0], rtol=1e-12)


def test_draft_drops_parameters_that_nothing_bears_and_keeps_equal_names_equal() -> None:
    draft = ModelDraft(items=2, factors=1)
    draft.free("loadings", 0, 0, name="a")
    draft.free("loadings", 1, 0, name="b")
    draft.fix("loadings", 0, 0, value=1.0)
    draft.free("error_covariance", 0, 0, name="e")
    draft.free("error_covariance", 1, 1, name="e")
    model = draft.finished()
    assert model.names == ("b", "e")
    parts = filled(model, np.array([0.7, 0.3]))[0]
    assert parts.loadings.ravel().tolist() == [1.0, 0.7]
    assert np.diag(parts.error_covariance).tolist() == [0.3, 0.3]


def test_start_turns_towards_items_that_point_the_other_way() -> None:
    loadings = np.array([0.8, -0.7, 0.6, 0.7])
    correlations = np.outer(loadings, loadings) + np.diag(1 - loadings**2)
    draft = ModelDraft(items=4, factors=1)
    draft.fix("factor_covariance", 0, 0, value=1.0)
    for item in range(4):
        draft.free("loadings", item, 0, name=f"l{item}")
        draft.free("error_covariance", item, item, name=f"e{item}")
    model = draft.finished()
    start = start_values(model, [correlations], known={"e2": 0.123})
    assert np.sign(filled(model, start)[0].loadings[:, 0]).tolist() == [1, -1, 1, 1]
    assert start[model.names.index("e2")] == 0.123
