"""Least-squares fits against lavaan 0.6.14 (tests/oracles/least_squares.R), and what must hold of any of them."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import least_squares
from analysis.least_squares import difference_test, fit_independence, fit_least_squares, modification_indices
from analysis.ordinal import ordinal_moments
from analysis.score_tests import Element
from analysis.structure import FitError, ModelDraft, ordinal_statistics

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "least_squares.json").read_text())
LAVAAN = "lavaan 0.6.14"

ITEMS = [f"{letter}{number}" for letter in "ACENO" for number in range(1, 6)]
PEOPLE = pd.read_csv(ORACLES / "data" / "bfi_people.csv").dropna(subset=ITEMS)
SPARSE = pd.read_csv(ORACLES / "data" / "sparse.csv")
FIVE = {letter: [f"{letter}{number}" for number in range(1, 6)] for letter in "ACENO"}
# lavaan's operators, in our parameters' names: loadings, thresholds, covariances.
WEIGHTS = {"wlsmv": "diagonal", "ulsmv": "identity", "groups": "diagonal", "equal": "diagonal", "sparse": "diagonal"}


def written(moments, factors, *, scale="unit", equal=None):
    """Uncorrelated residuals, factor variances of 1, everything free that lavaan frees, named as lavaan names it."""
    first, names = moments[0], list(factors)
    draft = ModelDraft(
        items=len(first.items),
        factors=len(names),
        groups=len(moments),
        threshold_item=np.repeat(np.arange(len(first.items)), [len(cuts) for cuts in first.thresholds]),
        scale=scale,
    )
    for group in range(len(moments)):
        for at, (factor, members) in enumerate(factors.items()):
            draft.fix("factor_covariance", at, at, value=1.0, group=group)
            for item in members:
                label = (equal or {}).get(item, f"{factor} =~ {item} {group + 1}")
                draft.free("loadings", first.items.index(item), at, name=label, group=group)
            for before in names[:at]:
                label = f"{before} ~~ {factor} {group + 1}"
                draft.free("factor_covariance", at, names.index(before), name=label, group=group)
        threshold = 0
        for row, item in enumerate(first.items):
            if scale == "residual":
                draft.fix("error_covariance", row, row, value=1.0, group=group)
            for cut in range(len(first.thresholds[row])):
                draft.free("thresholds", threshold, name=f"{item} | t{cut + 1} {group + 1}", group=group)
                threshold += 1
    return draft.finished()


@pytest.fixture(scope="module")
def fits():
    bfi = [ordinal_moments(PEOPLE[ITEMS])]
    ten = ITEMS[:10]
    genders = [ordinal_moments(PEOPLE.loc[PEOPLE["gender"] == gender, ten]) for gender in ORACLE["gender"]]
    extraversion = [ordinal_moments(PEOPLE[FIVE["E"]])]
    equal = dict(zip(FIVE["E"], "aabbb", strict=True))
    sparse = [ordinal_moments(SPARSE)]
    return {
        "wlsmv": fit_least_squares(bfi, written(bfi, FIVE)),
        "ulsmv": fit_least_squares(bfi, written(bfi, FIVE), weights="identity"),
        "groups": fit_least_squares(
            genders, written(genders, {name: FIVE[name] for name in "AC"}, scale="residual"), weights="diagonal"
        ),
        "free": fit_least_squares(extraversion, written(extraversion, {"E": FIVE["E"]})),
        "equal": fit_least_squares(extraversion, written(extraversion, {"E": FIVE["E"]}, equal=equal)),
        "sparse": fit_least_squares(sparse, written(sparse, {"f": list(SPARSE.columns)})),
    }


def as_lavaan(name, fit):
    """Our estimates and standard errors in the order of lavaan's table, factors turned as lavaan's are."""
    rows = ORACLE[name]["parameters"]
    labels = [f"{row['lhs']} {row['op']} {row['rhs']} {row['group']}" for row in rows]
    if name == "equal":
        labels = [
            label if row["op"] != "=~" else "aabbb"[int(row["rhs"][1]) - 1]
            for label, row in zip(labels, rows, strict=True)
        ]
    at = [fit.model.names.index(label) for label in labels]
    ours, theirs = fit.parameters[at], np.array([row["est"] for row in rows])
    turned = {}
    for mine, row in zip(ours, rows, strict=True):
        if row["op"] == "=~":
            turned.setdefault((row["lhs"], row["group"]), np.sign(mine * row["est"]))
    sign = [
        turned[row["lhs"], row["group"]] * (turned[row["rhs"], row["group"]] if row["op"] == "~~" else 1)
        if row["op"] != "|"
        else 1
        for row in rows
    ]
    return ours * sign, theirs, fit.standard_errors[at], np.array([row["se"] for row in rows])


@pytest.mark.parametrize("name", WEIGHTS)
def test_estimates_and_standard_errors_are_lavaans(name, fits, agrees):
    ours, theirs, se, their_se = as_lavaan(name, fits[name])
    # lavaan stops where its criterion falls by less than 1e-11 of itself, in groups 1e-10: estimates in the residual
    # scale, thresholds up to 3 and standard errors near .05, are then right to some 1e-5.
    agrees(f"least-squares estimates, {name}", ours, theirs, oracle=LAVAAN, absolute=1e-5 if name != "groups" else 5e-5)
    agrees(f"robust standard errors of least squares, {name}", se, their_se, oracle=LAVAAN, absolute=1e-5)


@pytest.mark.parametrize("name", WEIGHTS)
def test_chi_squares_are_lavaans(name, fits, agrees):
    fit, expected = fits[name], ORACLE[name]["fit"]
    baseline = fit_independence(fit.moments, weights=WEIGHTS[name])
    assert len(fit.model.names) == expected["npar"]
    assert fit.df == expected["df"]
    assert baseline.df == expected["baseline.df"]
    agrees(
        f"chi-square, scaled and baseline, {name}",
        [fit.chi2, fit.chi2_scaled, fit.scaling_factor, fit.shift, baseline.chi2, baseline.chi2_scaled],
        [
            *(expected[key] for key in ("chisq", "chisq.scaled", "chisq.scaling.factor")),
            ORACLE[name]["shift"],
            *(expected[key] for key in ("baseline.chisq", "baseline.chisq.scaled")),
        ],
        oracle=LAVAAN,
        relative=1e-5,
    )
    agrees(f"p of the scaled test, {name}", fit.p_scaled, expected["pvalue.scaled"], oracle=LAVAAN, absolute=1e-6)


def test_mean_scaled_test_is_lavaans_wlsm(fits, agrees):
    ours = [fits["wlsmv"].chi2_mean, fits["wlsmv"].mean_factor]
    theirs = [ORACLE["wlsm"]["statistic"], ORACLE["wlsm"]["factor"]]
    agrees("mean-scaled chi-square (WLSM) and factor", ours, theirs, oracle=LAVAAN, relative=1e-5)


@pytest.mark.parametrize("name", ["wlsmv", "ulsmv"])
def test_modification_indices_are_lavaans(name, fits, agrees):
    fit, rows = fits[name], ORACLE[name]["indices"]
    place = {item: row for row, item in enumerate(ITEMS)}
    elements = [
        Element("loadings", place[row["rhs"]], list(FIVE).index(row["lhs"]))
        if row["op"] == "=~"
        else Element("error_covariance", place[row["rhs"]], place[row["lhs"]])
        for row in rows
    ]
    found = modification_indices(fit, elements)
    agrees(f"modification indices, {name}", found.statistic, [row["mi"] for row in rows], oracle=LAVAAN, relative=1e-4)
    # A factor may point the other way.
    changes = np.abs([row["epc"] for row in rows])
    agrees(f"expected parameter changes, {name}", np.abs(found.change), changes, oracle=LAVAAN, relative=1e-4)


def test_difference_test_is_lavaans(fits, agrees):
    found, expected = difference_test(fits["free"], fits["equal"]), ORACLE["difference"]
    assert found.df == expected["df"]
    agrees("Satorra (2000), equal loadings", found.statistic, expected["statistic"], oracle=LAVAAN, relative=1e-5)


def test_a_freed_element_brings_what_its_index_promised(fits):
    """The index is the fall of chi-square to first order, the change what the parameter becomes."""
    element = Element("error_covariance", 1, 0)
    free = fits["free"]
    promised = modification_indices(free, [element])
    draft = ModelDraft(items=5, factors=1, threshold_item=np.repeat(np.arange(5), 5))
    draft.fix("factor_covariance", 0, 0, value=1.0)
    for item in range(5):
        draft.free("loadings", item, 0, name=f"l{item}")
    for threshold in range(25):
        draft.free("thresholds", threshold, name=f"t{threshold}")
    draft.free("error_covariance", 1, 0, name="added")
    freed = fit_least_squares(free.moments, draft.finished())
    assert freed.parameters[freed.model.names.index("added")] == pytest.approx(promised.change[0], rel=0.15)
    assert free.chi2 - freed.chi2 == pytest.approx(promised.statistic[0], rel=0.15)


def test_the_solution_is_a_minimum(fits):
    """Any other parameters nearby fit worse."""
    fit = fits["groups"]
    rng = np.random.default_rng(5)

    def discrepancy(parameters):
        from analysis.structure import filled

        parts = filled(fit.model, parameters)
        return sum(
            (each.n - 1)
            * np.sum(
                (each.statistics - ordinal_statistics(fit.model, group, parts[group])) ** 2 / np.diag(each.covariance)
            )
            for group, each in enumerate(fit.moments)
        )

    assert discrepancy(fit.parameters) == pytest.approx(fit.chi2, rel=1e-12)
    for _ in range(20):
        nudge = rng.normal(size=fit.parameters.size) * 1e-3
        assert discrepancy(fit.parameters + nudge) > fit.chi2


def test_a_better_start_leads_to_the_same_place_sooner(fits):
    fit = fits["wlsmv"]
    again = fit_least_squares(
        fit.moments, fit.model, start=dict(zip(fit.model.names, fit.parameters.tolist(), strict=True))
    )
    assert again.steps < fit.steps
    np.testing.assert_allclose(again.parameters, fit.parameters, atol=1e-6)


def test_a_saturated_model_fits_exactly():
    moments = [ordinal_moments(PEOPLE[["E1", "E2", "E4"]])]
    fit = fit_least_squares(moments, written(moments, {"E": ["E1", "E2", "E4"]}))
    assert fit.df == 0
    assert fit.chi2 == pytest.approx(0, abs=1e-8)
    assert fit.p == 1
    assert np.isnan(fit.scaling_factor)
    # With three items the loadings follow from the correlations.
    (a, b, c), loading = moments[0].correlations[[0, 0, 1], [1, 2, 2]], fit.estimates[0].loadings[0, 0]
    assert loading**2 == pytest.approx(a * b / c, rel=1e-6)


def test_estimates_are_unbiased_and_standard_errors_true():
    """Loadings of 60 samples of 400 (five skewed answers) average to the truth; their spread is the standard error."""
    rng = np.random.default_rng(8)
    loadings = np.array([0.8, 0.7, 0.6, 0.7, 0.5, 0.65])
    found, errors, rejected = [], [], 0
    for _ in range(60):
        factor = rng.normal(size=(400, 1))
        behind = factor * loadings + rng.normal(size=(400, 6)) * np.sqrt(1 - loadings**2)
        moments = [ordinal_moments(pd.DataFrame(np.digitize(behind, [-0.4, 0.3, 0.9, 1.5]), columns=list("abcdef")))]
        fit = fit_least_squares(moments, written(moments, {"f": list("abcdef")}))
        found.append(fit.parameters[:6] * np.sign(fit.parameters[0]))
        errors.append(fit.standard_errors[:6])
        rejected += fit.p_scaled < 0.05
    spread = np.std(found, axis=0)
    np.testing.assert_allclose(np.mean(found, axis=0), loadings, atol=4 * spread.max() / np.sqrt(60))
    np.testing.assert_allclose(np.mean(errors) / np.mean(spread), 1.0, atol=0.12)
    # 60 draws at 5 %: more than 9 rejections happen once in 500 times.
    assert rejected <= 9


def refused(*args, says, error=FitError, **options):
    with pytest.raises(error) as raised:
        fit_least_squares(*args, **options)
    for words in says:
        assert words in str(raised.value)


def test_a_loading_that_ran_away_is_named():
    """Weak items and few people: one item is the factor, at any size, and the others have nothing to tell."""
    rng = np.random.default_rng(1)
    behind = rng.normal(size=(80, 1)) * 0.4 + rng.normal(size=(80, 5))
    moments = [ordinal_moments(pd.DataFrame(np.digitize(behind, [0.2, 0.9]), columns=list("abcde")))]
    refused(moments, written(moments, {"f": list("abcde")}), says=["did not converge (ran away: f =~ e 1 is at 3"])


def test_a_search_that_runs_away_starts_again_from_the_other_weights(monkeypatch, fits):
    """Where the first search fails, the second one finds the same place; where both fail, the first failure is told."""
    fit, calls = fits["free"], []
    search = least_squares._minimised

    def first_fails(problem, parameters):
        calls.append(float(problem.weight[0][0]))
        if len(calls) == 1:
            raise FitError("ran away")
        return search(problem, parameters)

    monkeypatch.setattr(least_squares, "_minimised", first_fails)
    again = fit_least_squares(fit.moments, fit.model)
    assert len(calls) == 3
    assert calls[0] == calls[2] != calls[1] == 1
    np.testing.assert_allclose(again.parameters, fit.parameters, atol=1e-6)


def test_what_cannot_be_fitted_is_said(fits):
    pair = [ordinal_moments(PEOPLE[["E1", "E2"]])]
    refused(pair, written(pair, {"E": ["E1", "E2"]}), says=["12 parameters", "11 thresholds and correlations"])
    four = [ordinal_moments(PEOPLE[["E1", "E2", "E4", "E5"]])]
    twice = {"E": ["E1", "E2"], "F": ["E4", "E5"]}
    draft_free = written(four, twice)
    fit = fit_least_squares(four, draft_free)
    assert fit.df == 1
    refused(
        [ordinal_moments(PEOPLE[["E1", "E2", "E4", "E5", "E3"]])],
        written([ordinal_moments(PEOPLE[["E1", "E2", "E4", "E5", "E3"]])], {"E": ["E1", "E2", "E4"], "G": ["E3"]}),
        says=["not identified", "G =~ E3"],
    )
    refused(four * 2, draft_free, says=["the model has 1 groups", "2"], error=ValueError)
    refused(four, draft_free, weights="full", says=["'diagonal' or 'identity'", "'full'"], error=ValueError)
    bare = [ordinal_moments(PEOPLE[["E1", "E2", "E4", "E5"]], covariance=False)]
    refused(bare, draft_free, says=["covariance=True"], error=ValueError)
    with pytest.raises(ValueError, match="more degrees of freedom"):
        difference_test(fits["equal"], fits["free"])
