"""Maximum likelihood against lavaan 0.6.14 (tests/oracles/normal_theory.R)."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.normal_theory import (
    FitError,
    NormalFit,
    covariance_gradient,
    difference_test,
    fiml_corrected,
    fit_covariances,
    fit_independence,
    fit_normal,
    improper,
    modification_indices,
    one_factor,
    second_order,
)
from analysis.score_tests import Element, standardised_change
from analysis.structure import Model, ModelDraft, filled, implied_covariance, implied_mean

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "normal_theory.json").read_text())
LAVAAN = f"lavaan {ORACLE['versions']['lavaan']}"

TESTS = [f"x{number}" for number in range(1, 10)]
THREE = {"visual": TESTS[:3], "textual": TESTS[3:6], "speed": TESTS[6:]}
FIVE = {letter: [f"{letter}{number}" for number in range(1, 6)] for letter in "ACENO"}
LADDER = ("configural", "metric", "scalar", "strict")


@cache
def holzinger() -> pd.DataFrame:
    data = pd.read_csv(ORACLES / "data" / "holzinger.csv")
    return data.assign(team=np.arange(len(data)) // 7)


@cache
def gaps() -> pd.DataFrame:
    data = holzinger().copy()
    i = np.arange(1, len(data) + 1)
    for j in range(1, 10):
        data.loc[(i * i + 3 * i * j + 5 * j * j) % 17 < 2, f"x{j}"] = np.nan
    return data


@cache
def people() -> pd.DataFrame:
    return pd.read_csv(ORACLES / "data" / "bfi_people.csv").drop(columns="gender")


def cfa(
    factors: Mapping[str, Sequence[str]],
    *,
    groups: int = 1,
    means: bool = False,
    step: str = "configural",
    general: str | None = None,
    unit: bool = False,
) -> Model:
    """Write a confirmatory model as lavaan's `cfa` does, with its names; ``step`` is what groups have equal."""
    items = [item for members in factors.values() for item in members]
    named = [*factors, *([general] if general else [])]
    level = LADDER.index(step)
    draft = ModelDraft(items=len(items), factors=len(named), groups=groups)
    for group in range(groups):

        def name(label: str, equal_from: int, group: int = group) -> str:
            return label if level >= equal_from else f"{label}.g{group + 1}"

        for factor, (label, members) in enumerate(factors.items()):
            for item in members:
                row = items.index(item)
                if item == members[0] and not unit:
                    draft.fix("loadings", row, factor, value=1.0, group=group)
                else:
                    draft.free("loadings", row, factor, name=name(f"{label}=~{item}", 1), group=group)
        if general:
            draft.fix("paths", 0, len(factors), value=1.0, group=group)
            for factor, label in list(enumerate(factors))[1:]:
                draft.free("paths", factor, len(factors), name=name(f"{general}=~{label}", 9), group=group)
        for factor, label in enumerate(named):
            for other in range(factor + 1):
                if unit:
                    draft.fix("factor_covariance", factor, other, value=float(factor == other), group=group)
                elif factor == other or not general:
                    pair = name(f"{named[other]}~~{label}", 9)
                    draft.free("factor_covariance", factor, other, name=pair, group=group)
            if level >= 2 and group:
                draft.free("factor_means", factor, name=name(f"{label}~1", 9), group=group)
        for row, item in enumerate(items):
            draft.free("error_covariance", row, row, name=name(f"{item}~~{item}", 3), group=group)
            if means:
                draft.free("intercepts", row, name=name(f"{item}~1", 2), group=group)
    return draft.finished()


def frames(data: pd.DataFrame, *, by: str | None = None) -> list[pd.DataFrame]:
    if by is None:
        return [data]
    return [data[data[by] == group] for group in data[by].unique()]


def element(factors: Sequence[str], items: Sequence[str], lhs: str, op: str, rhs: str, group: int) -> Element:
    """Find where lavaan's parameter stands."""
    items, factors = list(items), list(factors)
    if op == "=~":
        if rhs in factors:
            return Element("paths", factors.index(rhs), factors.index(lhs), group)
        return Element("loadings", items.index(rhs), factors.index(lhs), group)
    if op == "~~":
        if lhs in factors:
            return Element("factor_covariance", factors.index(lhs), factors.index(rhs), group)
        return Element("error_covariance", items.index(lhs), items.index(rhs), group)
    if lhs in factors:
        return Element("factor_means", factors.index(lhs), None, group)
    return Element("intercepts", items.index(lhs), None, group)


def places(oracle: Mapping[str, Any], factors: Sequence[str], items: Sequence[str]) -> list[Element]:
    group = oracle["group"] if isinstance(oracle["group"], list) else [oracle["group"]] * len(oracle["lhs"])
    rows = zip(oracle["lhs"], oracle["op"], oracle["rhs"], group, strict=True)
    return [element(factors, items, lhs, op, rhs, number - 1) for lhs, op, rhs, number in rows]


def looked_up(fit: NormalFit, where: Sequence[Element]) -> tuple[np.ndarray, np.ndarray]:
    """Estimates and standard errors (0 where fixed) at these elements."""
    estimates, errors = [], []
    for each in where:
        at = each.row if each.column is None else (each.row, each.column)
        estimates.append(getattr(fit.estimates[each.group], each.part)[at])
        number = getattr(fit.model.groups[each.group].free, each.part)[at]
        errors.append(fit.standard_errors[number] if number >= 0 else 0.0)
    return np.array(estimates), np.array(errors)


def number(value: Any) -> float:
    return float(value[0] if isinstance(value, list) else value)


def compare(agrees, what: str, fit: NormalFit, baseline: NormalFit | None, oracle: dict, factors, items) -> None:
    estimates, errors = looked_up(fit, places(oracle["parameters"], factors, items))
    table = oracle["parameters"]
    assert np.count_nonzero(np.asarray(table["se"]) > 0) >= fit.parameters.size
    agrees(f"estimates, {what}", estimates, table["est"], oracle=LAVAAN, absolute=1e-4)
    agrees(f"standard errors, {what}", errors, table["se"], oracle=LAVAAN, absolute=1e-4)
    theirs = {name: number(value) for name, value in oracle["fit"].items()}
    assert fit.df == theirs["df"]
    assert fit.total_n == theirs["ntotal"]
    # lavaan counts a parameter once for each group that shares it.
    assert len(fit.model.names) <= theirs["npar"]
    pairs = {"chisq": fit.chi2, "logl": fit.loglik, "unrestricted.logl": fit.loglik_saturated}
    if fit.robust:
        pairs |= {"chisq.scaled": fit.chi2_scaled, "chisq.scaling.factor": fit.scaling_factor}
        agrees(f"p, scaled, {what}", fit.p_scaled, theirs["pvalue.scaled"], oracle=LAVAAN, absolute=1e-6)
    else:
        assert np.isnan([fit.chi2_scaled, fit.scaling_factor, fit.p_scaled]).all()
    if baseline is not None:
        assert baseline.df == theirs["baseline.df"]
        pairs["baseline.chisq"] = baseline.chi2
        if fit.robust:
            pairs["baseline.chisq.scaled"] = baseline.chi2_scaled
            pairs["baseline.chisq.scaling.factor"] = baseline.scaling_factor
    for name, ours in pairs.items():
        tolerance = 1e-8 if "logl" in name else 1e-5
        agrees(f"{name}, {what}", ours, theirs[name], oracle=LAVAAN, relative=tolerance)
    agrees(f"p, {what}", fit.p, theirs["pvalue"], oracle=LAVAAN, absolute=1e-6)
    if "corrected" in oracle:
        ours = [*fiml_corrected(fit), *(fiml_corrected(baseline) if baseline else [])]
        names = ["XX3", "c.hat3", "XX3.null", "c.hat3.null"][: len(ours)]
        theirs_corrected = [number(oracle["corrected"][name]) for name in names]
        # lavaan's EM iterations stop at 1e-5.
        agrees(f"FIML-corrected chi-squares, {what}", ours, theirs_corrected, oracle=LAVAAN, relative=1e-4)


SCENARIOS = {
    "holzinger_ml": {},
    "holzinger_means": {"means": True},
    "holzinger_mlr": {"robust": True},
    "holzinger_cluster": {"robust": True, "means": True, "cluster": "team"},
    "second_ml": {"general": "ability"},
    "second_mlr": {"general": "ability", "robust": True},
    "gaps_ml": {"missing": "fiml"},
    "gaps_mlr": {"missing": "fiml", "robust": True},
    "gaps_cluster": {"missing": "fiml", "robust": True, "cluster": "team"},
    "bfi_ml": {},
    "bfi_mlr": {"robust": True},
    "bfi_people_mlr": {"missing": "fiml", "robust": True},
}


@cache
def scenario(name: str) -> tuple[NormalFit, NormalFit, dict, list[str]]:
    options = dict(SCENARIOS[name])
    general, cluster = options.pop("general", None), options.pop("cluster", None)
    factors = FIVE if name.startswith("bfi") else THREE
    if name == "bfi_people_mlr":
        factors = {factor: FIVE[factor] for factor in "AC"}
    items = [item for members in factors.values() for item in members]
    data = people() if name.startswith("bfi") else gaps() if name.startswith("gaps") else holzinger()
    missing = options.pop("missing", "listwise")
    settings = {
        "robust": options.pop("robust", False),
        "missing": missing,
        "means": options.pop("means", missing == "fiml"),
        "clusters": None if cluster is None else [data[cluster]],
    }
    fit = fit_normal([data[items]], cfa(factors, means=settings["means"], general=general), **settings)
    named = [*factors, *([general] if general else [])]
    return fit, fit_independence([data[items]], **settings), named, items


@pytest.mark.parametrize("name", SCENARIOS)
def test_one_group_is_lavaans(agrees, name):
    fit, baseline, factors, items = scenario(name)
    compare(agrees, name.replace("_", " "), fit, baseline, ORACLE[name], factors, items)


@cache
def ladder(name: str) -> dict[str, NormalFit]:
    data = gaps() if name == "ladder_gaps" else holzinger()
    settings = {"robust": name != "ladder_ml", "missing": "fiml" if name == "ladder_gaps" else "listwise"}
    return {
        step: fit_normal(
            [frame[TESTS] for frame in frames(data, by="school")],
            cfa(THREE, groups=2, means=True, step=step),
            means=True,
            **settings,
        )
        for step in LADDER
    }


@pytest.mark.parametrize("name", ["ladder_ml", "ladder_mlr", "ladder_gaps"])
def test_several_groups_are_lavaans(agrees, name):
    fits, oracle = ladder(name), ORACLE[name]
    for step, fit in fits.items():
        compare(agrees, f"{name.replace('_', ' ')}, {step}", fit, None, oracle["fits"][step], list(THREE), TESTS)
    for before, after, expected in zip(LADDER[:-1], LADDER[1:], oracle["steps"], strict=True):
        test = difference_test(fits[before], fits[after])
        assert test.df == expected["df"]
        agrees(
            f"difference test, {name.replace('_', ' ')}, {after}",
            [test.statistic, test.p],
            [expected["statistic"], expected["p"]],
            oracle=LAVAAN,
            absolute=1e-3,
        )


def test_baseline_of_several_groups_is_lavaans(agrees):
    for name, robust, missing in (("ladder_mlr", True, "listwise"), ("ladder_gaps", True, "fiml")):
        data = gaps() if name == "ladder_gaps" else holzinger()
        split = [frame[TESTS] for frame in frames(data, by="school")]
        baseline = fit_independence(split, robust=robust, missing=missing, means=True)
        expected = ORACLE[name]["fits"]["configural"]["fit"]
        theirs = [number(expected[f"baseline.{each}"]) for each in ("chisq", "chisq.scaled", "df")]
        ours = [baseline.chi2, baseline.chi2_scaled, baseline.df]
        agrees(f"baseline, {name.replace('_', ' ')}", ours, theirs, oracle=LAVAAN, relative=1e-5)


@pytest.mark.parametrize("name", ["holzinger_ml", "gaps_ml", "bfi_ml"])
def test_modification_indices_are_lavaans(agrees, name):
    fit, _, factors, items = scenario(name)
    compare_indices(agrees, name, fit, ORACLE[name]["modification"], factors, items)


def test_modification_indices_of_several_groups_are_lavaans(agrees):
    fit = ladder("ladder_ml")["metric"]
    compare_indices(agrees, "ladder ml", fit, ORACLE["ladder_ml"]["metric_modification"], list(THREE), TESTS)


def test_what_cannot_be_told_from_the_free_parameters_has_no_index():
    """The loading that gives a factor its unit says nothing that the factor's variance does not."""
    tests = modification_indices(
        scenario("holzinger_ml")[0], [Element("loadings", 0, 0), Element("loadings", 0, 1), Element("paths", 1, 0)]
    )
    assert np.isnan(tests.statistic).tolist() == [True, False, True]
    assert np.isnan(tests.change).tolist() == [True, False, True]


def compare_indices(agrees, name, fit, oracle, factors, items):
    where = places(oracle, factors, items)
    tests = modification_indices(fit, where)
    what = name.replace("_", " ")
    assert len(where) >= 20
    # Of the smallest lavaan has no digits left to compare: its gradient is not quite 0.
    large = np.asarray(oracle["mi"]) > 1
    ours, theirs = tests.statistic[large], np.asarray(oracle["mi"])[large]
    agrees(f"modification indices, {what}", ours, theirs, oracle=LAVAAN, relative=1e-3)
    agrees(f"expected changes, {what}", tests.change, oracle["epc"], oracle=LAVAAN, absolute=1e-4)
    # Of a variance lavaan gives something else: see its argument `cov.std`.
    apart = np.array([each.row != each.column or each.part == "loadings" for each in where])
    standardised = standardised_change(fit.estimates, where, tests.change)
    theirs = np.asarray(oracle["sepc.all"])
    agrees(f"standardised expected changes, {what}", standardised[apart], theirs[apart], oracle=LAVAAN, absolute=1e-4)


@pytest.mark.parametrize("name", ["ladder_ml", "ladder_mlr", "ladder_gaps"])
@pytest.mark.parametrize("step", ["metric", "scalar"])
def test_tests_of_equalities_are_lavaans(agrees, name, step):
    oracle = ORACLE[name]["released"][step]
    where = places({**oracle, "group": 2}, list(THREE), TESTS)
    assert len(where) == {"metric": 6, "scalar": 15}[step]
    ours = modification_indices(ladder(name)[step], where).statistic
    agrees(f"score tests of equalities, {name}, {step}", ours, oracle["statistic"], oracle=LAVAAN, absolute=1e-2)


def test_test_of_an_equality_foretells_the_fit_without_it():
    fits = ladder("ladder_ml")
    where = [Element("intercepts", row, None, 1) for row in range(9)]
    tests = modification_indices(fits["scalar"], where)
    row = int(np.argmax(tests.statistic))
    model = cfa(THREE, groups=2, means=True, step="scalar")
    own = model.groups[1].free.intercepts.copy()
    own[row] = len(model.names)
    second = replace(model.groups[1], free=replace(model.groups[1].free, intercepts=own))
    freed = replace(model, groups=(model.groups[0], second), names=(*model.names, "own"))
    data = [frame[TESTS] for frame in frames(holzinger(), by="school")]
    fit = fit_normal(data, freed, robust=False, missing="listwise", means=True)
    assert fits["scalar"].chi2 - fit.chi2 == pytest.approx(tests.statistic[row], rel=0.1)
    difference = fit.parameters[-1] - fit.estimates[0].intercepts[row]
    assert difference == pytest.approx(tests.change[row], rel=0.1)


def few() -> pd.DataFrame:
    return people()[FIVE["N"]].dropna().iloc[14::30]


def test_difference_with_a_negative_scaling_factor_is_that_of_satorra_2000(agrees):
    restricted, free = one_factor(5), one_factor(5)
    draft = ModelDraft(items=5, factors=1)
    draft.fix("factor_covariance", 0, 0, value=1.0)
    for item in range(5):
        draft.free("loadings", item, 0, name=f"l{item}")
        draft.free("error_covariance", item, item, name=f"e{item}")
    draft.free("error_covariance", 2, 0, name="N1~~N3")
    free = draft.finished()
    fits = [fit_normal([few()], each, robust=True, missing="listwise", means=False) for each in (free, restricted)]
    for fit, expected in zip(fits, reversed(ORACLE["few"]), strict=True):
        theirs = number(expected["fit"]["chisq.scaled"])
        agrees("chisq.scaled, few people", fit.chi2_scaled, theirs, oracle=LAVAAN, relative=1e-4)
    negative = fits[1].df * fits[1].scaling_factor - fits[0].df * fits[0].scaling_factor
    assert negative < 0
    test = difference_test(*fits)
    assert "Satorra, 2000" in test.method
    expected = ORACLE["difference_2000"]
    agrees("difference test of Satorra (2000)", test.statistic, expected["statistic"], oracle=LAVAAN, absolute=1e-3)
    with pytest.raises(ValueError, match="give the freer model first"):
        difference_test(fits[1], fits[0])


def casewise(data: pd.DataFrame, fit: NormalFit, theta: np.ndarray) -> float:
    """Log-likelihood, person by person, by scipy."""
    parts = filled(fit.model, theta)[0]
    mean, covariance = implied_mean(parts), implied_covariance(parts)
    total = 0.0
    for row in data.to_numpy():
        seen = ~np.isnan(row)
        total += stats.multivariate_normal.logpdf(row[seen], mean[seen], covariance[np.ix_(seen, seen)])
    return total


def test_likelihood_with_gaps_is_the_people_s_and_flat_at_the_estimates():
    """Without any oracle: the likelihood is the sum over people, its slope 0, its curvature the information."""
    data = gaps()[TESTS]
    fit = scenario("gaps_ml")[0]
    assert casewise(data, fit, fit.parameters) == pytest.approx(fit.loglik, rel=1e-10)
    step = 0.05 * fit.standard_errors
    for number_ in (0, 7, 20, 29):
        shift = np.zeros(fit.parameters.size)
        shift[number_] = step[number_]
        above, below = (casewise(data, fit, fit.parameters + sign * shift) for sign in (1, -1))
        assert abs(above - below) < 1e-4
        bend = -(above - 2 * fit.loglik + below) / step[number_] ** 2
        assert bend == pytest.approx(np.linalg.inv(fit.covariance)[number_, number_], rel=1e-3)


def test_fiml_of_complete_answers_is_ml():
    data = [holzinger()[TESTS]]
    fits = [
        fit_normal(data, cfa(THREE, means=True), robust=True, missing=missing, means=True)
        for missing in ("listwise", "fiml")
    ]
    np.testing.assert_allclose(fits[0].parameters, fits[1].parameters, rtol=1e-12)
    assert fits[0].chi2_scaled == pytest.approx(fits[1].chi2_scaled, rel=1e-12)
    means = scenario("holzinger_mlr")[0]
    assert fits[0].chi2_scaled == pytest.approx(means.chi2_scaled, rel=1e-8)


def test_responses_with_gaps_are_left_out_listwise():
    data = gaps()[TESTS]
    settings = {"robust": True, "missing": "listwise", "means": False}
    fits = [
        fit_normal([each], cfa(THREE), clusters=[holzinger()["team"].loc[each.index]], **settings)
        for each in (data, data.dropna())
    ]
    assert fits[0].n == (len(data.dropna()),)
    np.testing.assert_array_equal(fits[0].standard_errors, fits[1].standard_errors)
    assert fits[0].clusters == fits[1].clusters


def test_people_alone_in_their_clusters_are_people():
    data = holzinger()[TESTS]
    settings = {"robust": True, "missing": "listwise", "means": False}
    plain = fit_normal([data], cfa(THREE), **settings)
    alone = fit_normal([data], cfa(THREE), clusters=[pd.Series(range(len(data)))], **settings)
    np.testing.assert_allclose(alone.covariance, plain.covariance * len(data) / (len(data) - 1), rtol=1e-8)


def test_order_and_units_of_the_data_do_not_matter():
    data = gaps()[TESTS]
    plain = scenario("gaps_mlr")[0]
    units = np.array([1e-4, 1.0, 1e5, 3.0, 0.2, 1.0, 50.0, 1e-3, 1.0])
    scaled = fit_normal(
        [data.sample(frac=1, random_state=1) * units], cfa(THREE, means=True), robust=True, missing="fiml", means=True
    )
    assert scaled.chi2_scaled == pytest.approx(plain.chi2_scaled, rel=1e-6)
    found, expected = (looked_up(fit, [Element("loadings", 5, 1)]) for fit in (scaled, plain))
    np.testing.assert_allclose(np.array(found) * units[3] / units[5], expected, rtol=1e-5)


def test_recovers_a_second_order_population_exactly():
    loadings = np.kron(np.eye(3), np.ones((3, 1))) * np.tile([1.0, 0.8, 1.2], 3)[:, None]
    general = np.array([0.9, 0.5, -0.4])
    factors = np.outer(general, general) + np.diag([0.3, 0.6, 0.5])
    implied = loadings @ factors @ loadings.T + np.diag(np.linspace(0.3, 0.9, 9))
    fit = fit_covariances([implied], [500], second_order([3, 3, 3]))
    found = fit.estimates[0].paths[:3, 3]
    np.testing.assert_allclose(found * np.sign(found[0]), general, atol=1e-6)
    np.testing.assert_allclose(fit.estimates[0].loadings[:, :3], loadings, atol=1e-6)
    assert fit.chi2 == pytest.approx(0, abs=1e-6)
    assert fit.df == 24


def test_covariance_gradient_is_that_of_fitting_again():
    loadings = np.array([[0.8], [0.7], [0.6], [0.5]])
    covariance = loadings @ loadings.T + np.diag([0.4, 0.5, 0.6, 0.7])

    def quantity(parts: Any) -> float:
        return float(np.abs(parts.loadings.sum()) * parts.error_covariance[0, 0])

    gradient = covariance_gradient(quantity, fit_covariances([covariance], [301], one_factor(4)))
    for row, column in ((2, 1), (0, 0), (1, 0)):
        change = np.zeros((4, 4))
        change[row, column] = change[column, row] = 1e-3
        above, below = (
            quantity(fit_covariances([covariance + sign * change], [301], one_factor(4)).estimates[0])
            for sign in (1, -1)
        )
        assert (above - below) / 2 == pytest.approx(np.sum(gradient * change), rel=1e-3)


def test_hard_small_samples_converge():
    """Heywood cases included; a step that is not damped swings to and fro in some of these."""
    rng = np.random.default_rng(5)
    outcomes = []
    for _ in range(40):
        answers = np.clip(np.round(rng.normal(size=(40, 1)) * 0.7 + rng.normal(size=(40, 5)) + 3), 1, 5)
        frame = pd.DataFrame(answers, columns=list("abcde"))
        fit = fit_normal([frame], one_factor(5), robust=False, missing="listwise", means=False)
        outcomes.append(bool(improper(fit, items=list("abcde"), factors=["f"])))
    assert 0 < sum(outcomes) < 30


def test_a_model_that_does_not_converge_names_what_ran_away():
    noise = pd.DataFrame(np.random.default_rng(5).normal(size=(60, 9)), columns=TESTS)
    with pytest.raises(FitError, match=r"did not converge \(speed=~x8.g1, x8~~x8.g1 ran away\)"):
        fit_normal([noise], cfa(THREE), robust=False, missing="listwise", means=False)


def test_start_at_the_solution_takes_no_steps():
    fit = scenario("holzinger_ml")[0]
    start = dict(zip(fit.model.names, fit.parameters, strict=True))
    again = fit_normal([holzinger()[TESTS]], fit.model, robust=False, missing="listwise", means=False, start=start)
    assert fit.steps > 3
    assert again.steps == 0
    np.testing.assert_array_equal(again.parameters, fit.parameters)


def test_a_heywood_case_is_named():
    covariance = np.array([[1, 0.9, 0.8], [0.9, 1, 0.5], [0.8, 0.5, 1]])
    fit = fit_covariances([covariance], [100], one_factor(3))
    (note,) = improper(fit, items=["a", "b", "c"], factors=["f"])
    assert "error variance of a is negative" in note
    np.testing.assert_allclose(fit.implied[0], covariance, atol=1e-8)
    assert improper(scenario("holzinger_ml")[0], items=TESTS, factors=list(THREE)) == ()


def test_factors_that_correlate_beyond_one_are_named():
    loadings = np.kron(np.eye(2), np.full((3, 1), 0.7))
    factors = np.array([[1, 1.1], [1.1, 1]])
    covariance = loadings @ factors @ loadings.T + np.diag(np.full(6, 0.6))
    halves = {"one": ["a", "b", "c"], "two": ["d", "e", "f"]}
    fit = fit_covariances([covariance, covariance], [100, 90], cfa(halves, groups=2))
    first, second = improper(fit, items=list("abcdef"), factors=["one", "two"], groups=["staff", "peers"])
    assert "in group staff: factors correlate beyond 1 (one with two)" in first
    assert "in group peers" in second


def test_too_few_items_are_refused():
    with pytest.raises(FitError, match="4 parameters but 2 items give only 3"):
        fit_covariances([np.array([[1, 0.5], [0.5, 1]])], [100], one_factor(2))


def test_singular_covariances_are_refused():
    with pytest.raises(FitError, match="not positive definite"):
        fit_covariances([np.ones((3, 3))], [100], one_factor(3))
    data = holzinger()[TESTS].assign(x9=lambda frame: frame["x1"])
    with pytest.raises(FitError, match="not positive definite: x1, x9 repeat each other"):
        fit_normal([data], cfa(THREE), robust=False, missing="listwise", means=False)
    with pytest.raises(FitError, match="everybody answered x9 alike"):
        fit_normal([data.assign(x9=3)], cfa(THREE), robust=False, missing="listwise", means=False)


def test_fewer_people_than_items_are_refused():
    with pytest.raises(FitError, match="not more people than items: 9 people without a gap, 9 items"):
        fit_normal([holzinger()[TESTS][:9]], cfa(THREE), robust=False, missing="listwise", means=False)


def test_an_unidentified_model_names_its_parameters():
    draft = ModelDraft(items=9, factors=3)
    for factor, members in enumerate(THREE.values()):
        for item in members:
            # The second factor has no unit: neither a loading nor its variance is fixed.
            if item in members[1:] or factor == 1:
                draft.free("loadings", TESTS.index(item), factor, name=f"{factor}=~{item}")
            else:
                draft.fix("loadings", TESTS.index(item), factor, value=1.0)
        for other in range(factor + 1):
            draft.free("factor_covariance", factor, other, name=f"{other}~~{factor}")
    for row, item in enumerate(TESTS):
        draft.free("error_covariance", row, row, name=f"{item}~~{item}")
    with pytest.raises(FitError, match="not identified") as refusal:
        fit_normal([holzinger()[TESTS]], draft.finished(), robust=False, missing="listwise", means=False)
    named = set(re.findall(r"\d=~x\d|\d~~\d", str(refusal.value)))
    assert named & {"1~~1", "1=~x4", "1=~x5", "1=~x6"}
    assert not named & {"0=~x2", "0=~x3", "2=~x8", "2=~x9", "0~~0", "2~~2"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"missing": "pairwise"}, "missing must be 'listwise' or 'fiml'"),
        ({"missing": "fiml", "means": False}, "give means=True"),
        ({"robust": False, "clusters": [pd.Series(0, index=range(301))]}, "ask for robust=True"),
        ({"clusters": []}, "equally many groups"),
        ({"clusters": [pd.Series(0, index=range(301))]}, "all people are in one cluster"),
        ({"clusters": [pd.Series(range(300))]}, "the answers' index"),
        ({"clusters": [pd.Series([1.0, np.nan] + [2.0] * 299)]}, "1 responses have no cluster"),
    ],
)
def test_options_are_checked(change, message):
    options = {"robust": True, "missing": "listwise", "means": True, **change}
    with pytest.raises(ValueError, match=message):
        fit_normal([holzinger()[TESTS]], cfa(THREE, means=True), **options)


def test_data_of_other_items_are_refused():
    with pytest.raises(ValueError, match="the model has 9 items, the data have 8"):
        fit_normal([holzinger()[TESTS[:8]]], cfa(THREE), robust=False, missing="listwise", means=False)
