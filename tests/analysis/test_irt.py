"""Graded responses and differential item functioning, against R (tests/oracles/irt.R), published results and truth."""

import itertools
import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, special, stats

from analysis.graded import Model, layout_of
from analysis.irt import _person_fit, _residual_correlations, _sum_probabilities, graded_response
from analysis.item_functioning import _ordered_logit, item_functioning

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "irt.json").read_text())
PEOPLE = pd.read_csv(ORACLES / "data" / "bfi_people.csv")
NEUROTICISM = [f"N{k}" for k in range(1, 6)]
GRADED = {
    "neuroticism": pd.read_csv(ORACLES / "data" / "bfi.csv").loc[:499, NEUROTICISM],
    "agreeableness": pd.read_csv(ORACLES / "data" / "bfi.csv").loc[:499, [f"A{k}" for k in range(1, 6)]],
    "gaps": pd.read_csv(ORACLES / "data" / "bfi_gaps.csv")[[f"E{k}" for k in range(1, 6)]],
}

# Section 6 of the Law School Admission Test: how many of 1000 people gave each pattern 00000, 00001, … 11111
# (Bock & Lieberman, 1970).
_LSAT6 = (
    3,
    6,
    2,
    11,
    1,
    1,
    3,
    4,
    1,
    8,
    0,
    16,
    0,
    3,
    2,
    15,
    10,
    29,
    14,
    81,
    3,
    28,
    15,
    80,
    16,
    56,
    21,
    173,
    11,
    61,
    28,
    298,
)
_BITS = np.array(list(itertools.product((0, 1), repeat=5)))
LSAT6 = pd.DataFrame(np.repeat(_BITS, _LSAT6, axis=0), columns=[f"q{k}" for k in range(1, 6)])


def simulated(seed: int, people: int, slopes, intercepts, *, shift: float = 0.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Answers 1, 2, … of people whose trait is normal around a shift, and that trait."""
    rng = np.random.default_rng(seed)
    trait = rng.normal(shift, 1, people)
    columns = {}
    for number, (a, d) in enumerate(zip(slopes, intercepts, strict=True)):
        reached = special.expit(np.outer(trait, [a]) + np.asarray(d))
        columns[f"i{number}"] = 1 + (rng.uniform(size=(people, 1)) < reached).sum(axis=1)
    return pd.DataFrame(columns), trait


SLOPES = np.array([1.0, 1.2, 1.5, 1.8, 2.1, 0.8])
INTERCEPTS = np.array([[2.5, 0.8, -0.6, -2.0]]) + np.linspace(-0.8, 0.8, 6)[:, None]


@pytest.fixture(scope="module")
def known() -> tuple[pd.DataFrame, np.ndarray]:
    return simulated(3, 4000, SLOPES, INTERCEPTS)


@pytest.fixture(scope="module")
def fitted(known):
    return graded_response(known[0])


# --- estimates -------------------------------------------------------------------------------------------------------


def packed(found) -> tuple[np.ndarray, np.ndarray]:
    """Slope, then locations, item by item."""
    estimate, se = [], []
    for item in found.table.index:
        estimate += [found.table.loc[item, "slope"], *found.thresholds.loc[item, "estimate"]]
        se += [found.table.loc[item, "se"], *found.thresholds.loc[item, "se"]]
    return np.array(estimate), np.array(se)


@pytest.mark.parametrize("name", GRADED)
def test_slopes_locations_and_their_errors_are_the_brute_force_maximum(name, agrees):
    theirs = ORACLE["graded"][name]
    found = graded_response(GRADED[name])
    estimate, se = packed(found)
    reference = np.array(theirs["estimate"])
    # The trait has no direction of its own.
    if np.sign(reference[0]) != np.sign(estimate[0]):
        pytest.fail("the oracle's trait points the other way")
    # A location far outside the answers (slope near 0) is known to no one to 1e-3: compare what has an error below 1.
    sure = np.array(theirs["se"]) < 1
    oracle = "brute force in R (optim)"
    agrees(f"GRM slopes and locations, bfi {name}", estimate[sure], reference[sure], oracle=oracle, absolute=1e-3)
    agrees(f"GRM standard errors, bfi {name}", se[sure], np.array(theirs["se"])[sure], oracle=oracle, absolute=1e-3)
    agrees(f"GRM log-likelihood, bfi {name}", found.fit["loglik"], theirs["loglik"], oracle=oracle, absolute=1e-3)
    assert found.fit["npar"] == theirs["npar"]
    assert found.fit["aic"] == pytest.approx(2 * theirs["npar"] - 2 * theirs["loglik"], abs=2e-3)
    assert found.fit["bic"] == pytest.approx(np.log(found.fit["n"]) * theirs["npar"] - 2 * theirs["loglik"], abs=2e-3)


def test_two_categories_give_the_published_two_parameter_model(agrees):
    """The law school test as ltm reports it (Rizopoulos, 2006); its optimiser stops at a gradient of .024."""
    found = graded_response(LSAT6)
    table, errors, fit = found.table, found.thresholds["se"], found.fit
    for statistic, ours, published, tolerance in (
        ("slopes", table["slope"], [0.8254, 0.7229, 0.8905, 0.6886, 0.6575], 1e-3),
        ("slopes' errors", table["se"], [0.2581, 0.1867, 0.2326, 0.1852, 0.2100], 1e-3),
        ("locations", table["b1"], [-3.3597, -1.3696, -0.2799, -1.8659, -3.1236], 3e-3),
        ("locations' errors", errors, [0.8669, 0.3073, 0.0997, 0.4341, 0.8700], 2e-3),
        ("log-likelihood", fit["loglik"], -2466.653, 1e-3),
        ("AIC and BIC", fit[["aic", "bic"]], [4953.307, 5002.384], 1e-3),
    ):
        agrees(f"2PL {statistic}, LSAT6", ours, published, oracle="ltm 1.0 (LSAT, published)", absolute=tolerance)


def test_what_mirt_keeps_within_bounds_is_found_outside_them():
    """A slope of 7, and a location beyond 6: mirt 1.2.0 would stop at 5 and at 6."""
    items, _ = simulated(1, 1500, [7.0, 1.0, 1.2, 0.4], [[3.0, -4.0], [1.0, -1.0], [0.5, -1.5], [3.0, 0.2]])
    found = graded_response(items, quadrature=121)
    assert found.table["slope"].max() > 5
    assert found.thresholds["estimate"].abs().max() > 6
    assert any("slope of i0 is above 5" in note for note in found.notes)

    codes = items.to_numpy() - 1
    theta = np.linspace(-6, 6, 401)
    weight = stats.norm.pdf(theta) / stats.norm.pdf(theta).sum()

    def minus_log_likelihood(p: np.ndarray) -> float:
        total = np.zeros((len(codes), len(theta)))
        for item, (a, top, drop) in enumerate(p.reshape(4, 3)):
            steps = np.array([[np.inf], [top], [top - np.exp(drop)], [-np.inf]])
            reached = special.expit(a * theta + steps)
            total += np.log(reached[:-1] - reached[1:])[codes[:, item]]
        return -float(np.log(np.exp(total) @ weight).sum())

    start = np.column_stack([found.table["slope"], found.thresholds["intercept"].to_numpy().reshape(4, 2)])
    start[:, 2] = np.log(start[:, 1] - start[:, 2])
    best = optimize.minimize(minus_log_likelihood, start.ravel(), method="BFGS", options={"gtol": 1e-4})
    assert -found.fit["loglik"] == pytest.approx(best.fun, abs=1e-3)
    np.testing.assert_allclose(start[:, 0], best.x.reshape(4, 3)[:, 0], rtol=2e-3)


def test_known_slopes_and_locations_are_recovered(fitted):
    assert (np.abs(fitted.table["slope"] - SLOPES) < 4 * fitted.table["se"]).all()
    locations = (-INTERCEPTS / SLOPES[:, None]).ravel()
    z = (fitted.thresholds["estimate"].to_numpy() - locations) / fitted.thresholds["se"].to_numpy()
    assert 0.4 < np.sqrt((z**2).mean()) < 1.6
    inside = (fitted.thresholds["ci_low"] < locations) & (locations < fitted.thresholds["ci_high"])
    assert inside.mean() > 0.8
    assert fitted.thresholds.index.names == ["item", "threshold"]
    assert list(fitted.thresholds.loc["i0"].index) == [2, 3, 4, 5]
    np.testing.assert_allclose(fitted.table["b2"], fitted.thresholds.xs(3, level="threshold")["estimate"])


def test_an_item_turned_round_has_the_opposite_slope_and_nothing_else_changes(known):
    items = known[0].iloc[:800]
    straight = graded_response(items)
    turned = graded_response(items.assign(i2=6 - items["i2"]))
    assert turned.table.loc["i2", "slope"] == pytest.approx(-straight.table.loc["i2", "slope"], abs=1e-5)
    np.testing.assert_allclose(
        turned.thresholds.loc["i2", "estimate"], straight.thresholds.loc["i2", "estimate"][::-1], atol=1e-4
    )
    assert turned.fit["loglik"] == pytest.approx(straight.fit["loglik"], abs=1e-6)
    np.testing.assert_allclose(turned.scores["estimate"], straight.scores["estimate"], atol=1e-5)
    assert any(note.startswith("i2 points against the other items") for note in turned.notes)


def test_codes_that_start_elsewhere_or_leave_one_out_are_the_same_model(known):
    items = known[0].iloc[:800]
    shifted = graded_response(items + 3)
    plain = graded_response(items)
    np.testing.assert_allclose(shifted.table["slope"], plain.table["slope"], atol=1e-6)
    assert list(shifted.thresholds.loc["i0"].index) == [5, 6, 7, 8]
    joined = graded_response(items.assign(i0=items["i0"].replace(3, 2)))
    assert list(joined.thresholds.loc["i0"].index) == [2, 4, 5]
    assert any("Answers that nobody gave" in note and "i0: 3" in note for note in joined.notes)
    assert np.isnan(joined.table.loc["i0", "b4"])


# --- what follows from the estimates ---------------------------------------------------------------------------------


def test_curves_are_probabilities_and_information_is_their_fisher_information(fitted):
    curves = fitted.categories["probability"].unstack("category")
    assert fitted.categories.index.names == ["item", "theta", "category"]
    np.testing.assert_allclose(curves.sum(axis=1), 1, atol=1e-12)
    theta = fitted.information.index.to_numpy()
    a = fitted.table.loc["i3", "slope"]
    d = fitted.thresholds.loc["i3", "intercept"].to_numpy()

    def probability(at: np.ndarray) -> np.ndarray:
        reached = special.expit(a * at[:, None] + d)
        return -np.diff(np.column_stack([np.ones(len(at)), reached, np.zeros(len(at))]), axis=1)

    np.testing.assert_allclose(curves.loc["i3"], probability(theta), atol=1e-12)
    slope = (probability(theta + 1e-5) - probability(theta - 1e-5)) / 2e-5
    np.testing.assert_allclose(fitted.information["i3"], (slope**2 / probability(theta)).sum(axis=1), rtol=1e-5)
    items = fitted.table.index
    np.testing.assert_allclose(fitted.information["test"], fitted.information[items].sum(axis=1))
    np.testing.assert_allclose(fitted.information["se"] ** -2, fitted.information["test"])


def test_scores_are_posterior_means_and_tell_the_true_trait_as_well_as_the_reliability_says(known, fitted):
    items, trait = known
    squared = np.corrcoef(fitted.scores["estimate"], trait)[0, 1] ** 2
    for kind in ("marginal", "empirical"):
        assert fitted.reliability.loc[kind, "estimate"] == pytest.approx(squared, abs=0.025)
    z = (fitted.scores["estimate"] - trait) / fitted.scores["se"]
    assert z.std() == pytest.approx(1, abs=0.04)
    pd.testing.assert_index_equal(fitted.scores.index, items.index)
    # One person, integrated anew.
    theta = np.linspace(-8, 8, 2001)
    density = stats.norm.pdf(theta)
    for name, answer in items.iloc[5].items():
        steps = np.concatenate([[np.inf], fitted.thresholds.loc[name, "intercept"], [-np.inf]])
        reached = special.expit(fitted.table.loc[name, "slope"] * theta[:, None] + steps)
        density = density * (reached[:, answer - 1] - reached[:, answer])
    density /= density.sum()
    mean = density @ theta
    assert fitted.scores["estimate"].iloc[5] == pytest.approx(mean, abs=1e-6)
    assert fitted.scores["se"].iloc[5] == pytest.approx(np.sqrt(density @ theta**2 - mean**2), abs=1e-6)
    assert fitted.person_fit["theta"].iloc[5] == pytest.approx(theta[np.argmax(density)], abs=0.005)


def test_gaps_cost_precision_not_people(known):
    items = known[0].iloc[:1000].astype(float)
    gappy = items.mask(np.random.default_rng(5).uniform(size=items.shape) < 0.2)
    gappy.iloc[7] = np.nan
    found = graded_response(gappy)
    complete = graded_response(items)
    assert found.fit["n"] == 999
    assert found.notes[0] == "1 of 1000 responses without an answer to any of these items is left out."
    assert "every given answer is used" in found.notes[1]
    assert any("without a gap" in note for note in found.notes)
    assert (np.abs(found.table["slope"] - complete.table["slope"]) < 3 * found.table["se"]).all()
    assert (found.table["se"] > complete.table["se"]).all()
    few = found.scores["answered"] <= 3
    assert found.scores.loc[few, "se"].mean() > found.scores.loc[~few, "se"].mean()
    left = graded_response(gappy, missing="listwise")
    assert left.fit["n"] == len(gappy.dropna())
    assert "with a gap (listwise) are left out" in left.notes[0]


def test_item_fit_is_the_statistic_counted_over_all_patterns():
    """S-X² of two-category items with expected counts from the probabilities of all 32 patterns."""
    found = graded_response(LSAT6)
    theta = np.linspace(-6, 6, 61)
    weight = stats.norm.pdf(theta) / stats.norm.pdf(theta).sum()
    right = special.expit(found.table["slope"].to_numpy() * theta[:, None] + found.thresholds["intercept"].to_numpy())
    pattern = np.array([weight @ np.where(row, right, 1 - right).prod(axis=1) for row in _BITS])
    total, scored = _BITS.sum(axis=1), LSAT6.sum(axis=1)
    for item, name in enumerate(LSAT6):
        cells = []
        for score in range(1, 5):
            here = total == score
            share = pattern[here & (_BITS[:, item] == 1)].sum() / pattern[here].sum()
            people = LSAT6.loc[scored == score, name]
            cells.append((people.sum(), len(people), share * len(people)))
        # Where a cell expects under 1, cells are joined: not compared here.
        if any(min(expected, n - expected) < 1 for _, n, expected in cells):
            assert found.item_fit.loc[name, "df"] < 2
            continue
        statistic = sum((seen - e) ** 2 / e + (seen - e) ** 2 / (n - e) for seen, n, e in cells)
        assert found.item_fit.loc[name, "statistic"] == pytest.approx(statistic, abs=1e-8)
        assert found.item_fit.loc[name, "df"] == 2
        assert found.item_fit.loc[name, "p"] == pytest.approx(stats.chi2.sf(statistic, 2), abs=1e-10)


def test_sum_scores_have_the_probabilities_of_all_their_patterns():
    rng = np.random.default_rng(0)
    items = [rng.dirichlet(np.ones(k), size=3).T for k in (2, 4, 3)]
    found = _sum_probabilities(items)
    brute = np.zeros((7, 3))
    for pattern in itertools.product(range(2), range(4), range(3)):
        brute[sum(pattern)] += np.prod([item[answer] for item, answer in zip(items, pattern, strict=True)], axis=0)
    np.testing.assert_allclose(found, brute, atol=1e-15)


def test_residuals_at_the_true_trait_and_model_are_unrelated(known):
    items, trait = known
    layout = layout_of([5] * 6)
    model = Model(layout, np.column_stack([SLOPES, INTERCEPTS]).ravel(), np.eye(layout.size), 0.0)
    found = _residual_correlations(model, items, trait).to_numpy()
    assert np.abs(found[np.triu_indices(6, 1)]).max() < 4 / np.sqrt(len(items))


def test_fit_of_items_and_people_under_the_true_model(fitted):
    assert (fitted.item_fit["p"] > 0.001).all()
    assert ((fitted.item_fit["statistic"] / fitted.item_fit["df"]) < 1.6).all()
    assert (fitted.item_fit["p_adjusted"] >= fitted.item_fit["p"]).all()
    star = fitted.person_fit["statistic"]
    # lz at an estimated trait is too narrow and too high, the reason for lz*; with six items lz* still is, a little.
    assert abs(star.mean()) < 0.25 < fitted.person_fit["lz"].mean()
    assert fitted.person_fit["lz"].std() < star.std() < 1.05
    for level in (0.01, 0.05):
        assert 0.4 * level < (fitted.person_fit["p"] < level).mean() < 1.6 * level
    above = np.triu_indices(6, 1)
    # Q3 is around −1 / (items − 1) where the trait is estimated from the items themselves (Yen, 1993), and 0 at the truth.
    assert -0.25 < fitted.residual_correlations.to_numpy()[above].mean() < -0.05
    assert not any("dependent" in note for note in fitted.notes)


def test_person_fit_nears_a_standard_normal_as_items_grow():
    """30 items at their true parameters."""
    slopes, intercepts = np.tile(SLOPES, 5), np.tile(INTERCEPTS, (5, 1))
    items, trait = simulated(8, 2000, slopes, intercepts)
    layout = layout_of([5] * 30)
    model = Model(layout, np.column_stack([slopes, intercepts]).ravel(), np.eye(layout.size), 0.0)
    star = _person_fit(model, items, trait)["statistic"]
    assert abs(star.mean()) < 0.15
    assert star.std() == pytest.approx(1, abs=0.05)


def test_misfit_of_items_people_and_pairs_is_seen(known):
    items, _ = known
    rng = np.random.default_rng(9)
    broken = items.iloc[:1500].copy()
    broken["i5"] = np.where(rng.uniform(size=1500) < 0.6, broken["i1"], broken["i5"])
    broken.iloc[:40] = rng.choice([1, 5], size=(40, 6))
    found = graded_response(broken)
    assert any("Locally dependent pairs" in note and "i1 and i5" in note for note in found.notes)
    assert (found.person_fit["p"].iloc[:40] < 0.05).mean() > 0.5
    folded = items.iloc[:1500].assign(i5=1 + (items["i3"].iloc[:1500] - 3).abs())
    assert graded_response(folded).item_fit.loc["i5", "p_adjusted"] < 0.01


# --- hard and bad input ----------------------------------------------------------------------------------------------


def test_bad_answers_are_refused_in_words(known):
    items = known[0].iloc[:400]
    cases = {
        "at least 3 items": items[["i0", "i1"]],
        "i1 holds text": items.assign(i1="often"),
        "i1 has the code 99 .* far from its other codes 1 to 5": items.assign(i1=items["i1"].mask(items.index < 3, 99)),
        "i1 has answers that are not whole numbers": items.assign(i1=items["i1"] + 0.5),
        "everyone who answered i1 chose the same": items.assign(i1=3),
        "nobody answered i1": items.assign(i1=np.nan),
        "needs at least as many people, got 20": items.iloc[:20],
        "names occur twice": pd.concat([items, items["i0"]], axis=1),
        "i1 has 20 different answers": items.assign(i1=np.arange(400) % 20),
    }
    for words, bad in cases.items():
        with pytest.raises(ValueError, match=words):
            graded_response(bad)
    with pytest.raises(ValueError, match="i0, twin"):
        graded_response(items.assign(twin=items["i0"]))
    for options, words in (
        ({"quadrature": 11}, "quadrature must be at least 31, got 11"),
        ({"quadrature": 10**6}, "quadrature must be at most 501, got 1000000"),
        ({"quadrature": 61.0}, "quadrature must be a whole number"),
        ({"tolerance": 1.0}, "tolerance must lie"),
        ({"missing": "mean"}, "'fiml' or 'listwise'"),
    ):
        with pytest.raises(ValueError, match=words):
            graded_response(items, **options)


def test_the_input_is_left_as_it_was_and_a_result_reads_well(known):
    items = known[0].iloc[:400]
    before = items.copy()
    found = graded_response(items)
    pd.testing.assert_frame_equal(items, before)
    assert "Samejima" in found.method
    assert "Newton" in found.method
    assert "Fewer than 500 people" in " ".join(found.notes)
    assert repr(found).startswith("Graded response model")
    again = graded_response(items)
    pd.testing.assert_frame_equal(found.table, again.table)


# --- differential item functioning -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["gender", "three"])
def test_tests_and_effects_are_those_of_clm(name, agrees):
    kept = PEOPLE[[*NEUROTICISM, "gender"]].dropna()
    group = (
        kept["gender"]
        if name == "gender"
        else pd.Series(np.array(["x", "y", "z"])[(1 + np.arange(len(kept))) % 3], index=kept.index)
    )
    found = item_functioning(kept[NEUROTICISM], group, matching="total", anchors="all")
    theirs = ORACLE["functioning"][name]
    oracle = "ordinal 2022.11.16 clm"
    for test in ("uniform", "non_uniform", "total"):
        agrees(
            f"DIF likelihood-ratio test, {test}, bfi by {name}",
            found.tests.xs(test, level="test")["statistic"],
            [theirs[item]["statistic"][test] for item in NEUROTICISM],
            oracle=oracle,
            absolute=1e-5,
        )
    total = found.tests.xs("total", level="test")
    for size in ("mcfadden", "nagelkerke"):
        agrees(
            f"DIF change of R² ({size}), bfi by {name}",
            total[size],
            [theirs[k][size] for k in NEUROTICISM],
            oracle=oracle,
            absolute=1e-8,
        )
    for columns, part in ((["estimate", "se"], "group"), (["slope_difference", "slope_se"], "product")):
        agrees(
            f"DIF coefficients, {part}, bfi by {name}",
            found.coefficients[columns].to_numpy(),
            np.concatenate([theirs[item][part] for item in NEUROTICISM]),
            oracle=oracle,
            absolute=1e-5,
        )
    assert total["df"].iloc[0] == 2 * (group.nunique() - 1)


def test_proportional_odds_are_those_of_statsmodels(agrees):
    from statsmodels.miscmodels.ordinal_model import OrderedModel

    rng = np.random.default_rng(4)
    design = np.column_stack([rng.normal(size=300), rng.integers(0, 2, 300)])
    codes = np.digitize(design @ [1.2, -0.5] + rng.logistic(size=300), [-1.5, 0, 2.0])
    found = _ordered_logit(codes, design)
    theirs = OrderedModel(codes, design, distr="logit").fit(method="bfgs", disp=False, gtol=1e-9, maxiter=500)
    cuts = theirs.model.transform_threshold_params(theirs.params)[1:-1]
    for statistic, ours, other in (
        ("log-likelihood", found.loglik, theirs.llf),
        ("coefficients", found.coefficients, theirs.params[:2]),
        ("intercepts", -found.intercepts, cuts),
    ):
        agrees(f"proportional odds, {statistic}", ours, other, oracle="statsmodels OrderedModel", absolute=1e-6)


def two_groups(seed: int, people: int, *, impact: float = 0.0, shift: float = 0.0, steeper: float = 0.0):
    """Eight items in two groups that may differ in trait (impact) and, on the first item, in what it takes."""
    slopes = np.linspace(1.0, 2.0, 8)
    intercepts = np.array([[2.2, 0.7, -0.7, -2.2]]) + np.linspace(-0.7, 0.7, 8)[:, None]
    ours, _ = simulated(seed, people, slopes, intercepts)
    changed, other = slopes.copy(), intercepts.copy()
    other[0] += shift
    changed[0] += steeper
    theirs, _ = simulated(seed + 10_000, people, changed, other, shift=-impact)
    items = pd.concat([ours, theirs], ignore_index=True)
    return items, pd.Series(np.repeat(["ours", "theirs"], people))


def test_one_item_of_eight_that_differs_is_found_and_what_it_does_to_the_score():
    items, group = two_groups(1, 500, impact=0.5, shift=1.0)
    found = item_functioning(items, group)
    assert found.table.index[found.table["flagged"]].tolist() == ["i0"]
    assert found.table.loc["i0", "verdict"].startswith("uniform")
    assert found.anchors == tuple(f"i{k}" for k in range(1, 8))
    difference = found.score_differences.loc[("i0", "theirs")]
    assert difference["unsigned"] >= abs(difference["signed"]) - 1e-12
    assert difference["essd"] > 0.3
    flagged = found.scale_differences.loc[("flagged", "theirs")]
    assert flagged["signed"] == pytest.approx(difference["signed"])
    everything = found.scale_differences.loc[("all", "theirs")]
    assert everything["without_cancelling"] >= everything["unsigned"] >= abs(everything["signed"])
    assert found.purification["apart"].tolist()[0] == "none"
    assert found.purification["apart"].iloc[-1] == "i0"
    assert "Jodoin" in " ".join(found.notes)


def test_negligible_differences_of_many_people_leave_the_items_among_the_anchors():
    """Agreeableness of 2,800 men and women: every item differs significantly, none by more than 1 % of R²."""
    data = pd.read_csv(ORACLES / "data" / "bfi_people.csv")
    items = data[["A1", "A2", "A3", "A4", "A5"]].assign(A1=7 - data["A1"])
    found = item_functioning(items, data["gender"])
    assert found.table["flagged"].all()
    assert found.table["effect_size"].max() < 0.01
    assert found.table["verdict"].str.endswith("negligible").all()
    assert found.anchors == tuple(items.columns)
    assert any("Flagged but kept among the anchors" in note and "0.035" in note for note in found.notes)
    pd.testing.assert_frame_equal(found.table, item_functioning(items, data["gender"], anchors="all").table)
    # By significance alone all are set apart but the one that differs least.
    strict = item_functioning(items, data["gender"], least_effect=0)
    assert len(strict.anchors) == 1
    (note,) = (note for note in strict.notes if note.startswith("All 5 items differ"))
    assert f"{strict.anchors[0]}, which differs least" in note
    assert not any("kept among the anchors" in note for note in strict.notes)


def test_an_item_is_set_apart_only_if_its_difference_has_the_size():
    items, group = two_groups(1, 500, impact=0.5, shift=1.0)
    apart = item_functioning(items, group)
    effect = apart.table.loc["i0", "effect_size"]
    assert effect > 0.035
    assert "i0" not in apart.anchors
    kept = item_functioning(items, group, least_effect=effect + 0.05)
    assert kept.anchors == tuple(items.columns)
    assert any("kept among the anchors" in note and "i0" in note for note in kept.notes)


def test_the_difference_in_score_is_that_of_the_true_curves():
    """Over five draws, whose mean has a standard error of .06 (log odds) and .035 (score)."""
    odds, signed = [], []
    for seed in range(20, 25):
        items, group = two_groups(seed, 500, impact=0.5, shift=1.0)
        found = item_functioning(items, group, anchors=[f"i{k}" for k in range(1, 8)])
        own = found.coefficients.loc[("i0", "theirs")]
        assert own["odds_ratio"] == pytest.approx(np.exp(own["estimate"]))
        odds.append(own["estimate"])
        signed.append(found.score_differences.loc[("i0", "theirs"), "signed"])
    # At equal score, of which the item is a part, log odds are about a tenth larger than the 1 at equal trait.
    assert np.mean(odds) == pytest.approx(1.1, abs=0.18)
    # At equal trait the true curves are this far apart for people of the second group.
    trait = np.random.default_rng(0).normal(-0.5, 1, 20_000)
    intercepts = np.array([2.2, 0.7, -0.7, -2.2]) - 0.7
    apart = (special.expit(trait[:, None] + intercepts + 1) - special.expit(trait[:, None] + intercepts)).sum(axis=1)
    assert np.mean(signed) == pytest.approx(apart.mean(), abs=0.11)


def test_a_steeper_item_is_called_non_uniform():
    items, group = two_groups(2, 800, steeper=1.5)
    found = item_functioning(items, group)
    assert found.table.loc["i0", "flagged"]
    assert found.table.loc["i0", "verdict"].startswith("non-uniform")
    assert found.coefficients.loc[("i0", "theirs"), "slope_difference"] > 0


def test_items_that_work_alike_are_flagged_no_more_often_than_by_chance():
    """Also where the groups differ by a whole standard deviation in the trait."""
    p = []
    for impact in (0.0, 1.0):
        for seed in range(6):
            items, group = two_groups(100 + seed, 250, impact=impact)
            p.append(item_functioning(items, group, anchors="all").tests.xs("total", level="test")["p"].to_numpy())
    rate = float((np.concatenate(p) < 0.05).mean())
    # 96 tests: .05 + 3 standard errors of .022.
    assert rate < 0.12


def test_matching_on_the_sum_and_on_given_anchors_agree():
    items, group = two_groups(1, 500, shift=1.0)
    for options in ({"matching": "total"}, {"anchors": ["i4", "i5", "i6", "i7"]}):
        found = item_functioning(items, group, **options)
        assert found.table["flagged"].idxmax() == "i0"
        assert found.table.loc["i0", "flagged"]
    assert list(found.table.index) == ["i0", "i1", "i2", "i3"]
    assert found.anchors == ("i4", "i5", "i6", "i7")


def test_the_reference_group_can_be_chosen_and_turns_the_sign():
    items, group = two_groups(1, 300, shift=1.0)
    plain = item_functioning(items, group, anchors="all")
    other = item_functioning(items, group, anchors="all", reference="theirs")
    np.testing.assert_allclose(other.tests["statistic"], plain.tests["statistic"], atol=1e-6)
    np.testing.assert_allclose(
        other.coefficients["estimate"].to_numpy(), -plain.coefficients["estimate"].to_numpy(), atol=1e-6
    )
    assert "reference group theirs" in other.method


def test_rare_categories_are_joined_alike_in_all_groups_and_said():
    items, group = two_groups(3, 250)
    items = items.astype(float)
    items.loc[group.eq("ours") & items["i0"].eq(5), "i0"] = 4
    found = item_functioning(items, group, anchors="all")
    note = next(note for note in found.notes if "are joined with a neighbour" in note)
    assert "i0: 4+5" in note
    with pytest.raises(ValueError, match="i0 cannot be compared"):
        item_functioning(items.assign(i0=items["i0"].where(group.eq("theirs"), 3)), group)


def test_gaps_and_people_without_a_group():
    items, group = two_groups(4, 300)
    items = items.astype(float)
    items.iloc[::7, 2] = np.nan
    group.iloc[:5] = np.nan
    found = item_functioning(items, group, anchors="all")
    assert found.notes[0] == "5 of 600 responses without a group or any answer are left out."
    assert found.table.loc["i2", "n"] < found.table.loc["i1", "n"] == 595
    summed = item_functioning(items, group, anchors="all", matching="total", people_per_group=100)
    assert summed.table["n"].eq(items.iloc[5:].dropna().shape[0]).all()


def test_bad_groups_and_options_are_refused_in_words():
    items, group = two_groups(5, 210)
    cases = [
        ({"groups": group.iloc[:50]}, "same index"),
        ({"groups": pd.Series("a", index=items.index)}, "at least 2 groups are needed, got 1"),
        ({"people_per_group": 250}, "each group needs 250 people or more, too few in ours \\(210\\)"),
        ({"people_per_group": 10}, "at least 30"),
        ({"anchors": ["zz"]}, "no items: zz"),
        ({"anchors": list(items.columns)}, "leave at least one item to test"),
        ({"anchors": "some"}, "'purified', 'all' or items"),
        ({"matching": "rest"}, "'trait' or 'total'"),
        ({"method": "mantel"}, "'logistic'"),
        ({"alpha": 0}, "between 0 and 1"),
        ({"least_effect": 1}, "least_effect must be a change of R² from 0 to below 1"),
        ({"reference": "them"}, "is no group"),
    ]
    for change, words in cases:
        options = {"groups": group} | change
        with pytest.raises(ValueError, match=words):
            item_functioning(items, **options)


def test_nothing_warns(known):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        graded_response(known[0].iloc[:300])
