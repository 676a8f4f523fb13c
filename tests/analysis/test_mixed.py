"""Mixed models against lme4 and lmerTest, against the likelihood written out, and against a known population."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize

from analysis import mixed
from analysis.mixed import MixedFit, contrast, fit_mixed, intraclass, joint_test
from analysis.result import LABELS

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "mixed.json").read_text(encoding="utf-8"))
LME4 = f"lme4 {ORACLE['versions']['lme4']}"
LMERTEST = f"lmerTest {ORACLE['versions']['lmerTest']}"

FACTORS = {
    "nested": ["organisation", "team"],
    "waves": ["organisation", "organisation_wave", "team", "team_wave", "person"],
    "singular": ["organisation", "team"],
    "singular_reduced": ["team"],
    "simple": ["organisation"],
}
REGULAR = ["nested", "waves", "singular_reduced", "simple"]


def model(name: str) -> tuple[pd.Series, pd.DataFrame, pd.DataFrame]:
    data = pd.read_csv(ORACLES / "data" / f"mixed_{name.removesuffix('_reduced')}.csv").dropna()
    design = pd.DataFrame({"(Intercept)": 1.0}, index=data.index)
    if name == "simple":
        for level in (1, 2):
            design[f"factor(programme){level}"] = (data["programme"] == level).astype(float)
    for term in ORACLE[name]["terms"][1:]:
        if term not in design:
            design[term] = data[term.split(":")].prod(axis=1).astype(float)
    return data["score"], design[ORACLE[name]["terms"]], data[FACTORS[name]]


@pytest.fixture(scope="module")
def fits() -> dict[str, MixedFit]:
    return {name: fit_mixed(*model(name)) for name in FACTORS}


def each_term(fit: MixedFit) -> pd.DataFrame:
    terms = fit.coefficients.index
    return pd.DataFrame(np.eye(len(terms)), index=terms, columns=terms)


def teams(seed: int, n_teams: int = 12, *, spread: float = 2.0) -> tuple[pd.Series, pd.DataFrame, pd.DataFrame]:
    """Simulate answers in unequal teams with a term that varies within them."""
    random = np.random.default_rng(seed)
    team = np.repeat(np.arange(n_teams), random.integers(2, 9, n_teams))
    wave = random.integers(0, 2, len(team)).astype(float)
    y = 5 + wave + random.normal(0, spread, n_teams)[team] + random.normal(0, 1, len(team))
    design = pd.DataFrame({"intercept": 1.0, "wave": wave})
    return pd.Series(y), design, pd.DataFrame({"team": team})


def crossed(seed: int) -> tuple[pd.Series, pd.DataFrame, pd.DataFrame]:
    """Simulate people in teams, in organisations, some people twice and in another team."""
    random = np.random.default_rng(seed)
    person = np.concatenate([np.arange(60), random.choice(60, 30, replace=False)])
    team = np.concatenate([np.arange(60) % 10, random.integers(0, 10, 30)])
    wave = np.repeat([0.0, 1.0], [60, 30])
    y = (
        random.normal(0, 1.5, 5)[team // 2]
        + random.normal(0, 1.5, 10)[team]
        + random.normal(0, 1.5, 60)[person]
        + random.normal(0, 1, 90)
    )
    groups = pd.DataFrame({"organisation": team // 2, "team": team, "person": person})
    return pd.Series(y), pd.DataFrame({"intercept": 1.0, "wave": wave}), groups


def dense_deviance(variances, y, X, groups) -> float:
    """Return −2 restricted log-likelihood from the whole n × n covariance, residual variance last."""
    V = variances[-1] * np.eye(len(y))
    for variance, name in zip(variances, groups.columns, strict=False):
        codes = groups[name].to_numpy()
        V += variance * (codes[:, None] == codes[None, :])
    inverse = np.linalg.inv(V)
    information = X.T @ inverse @ X
    left = y - X @ np.linalg.solve(information, X.T @ inverse @ y)
    return float(
        np.linalg.slogdet(V)[1]
        + np.linalg.slogdet(information)[1]
        + left @ inverse @ left
        + (len(y) - X.shape[1]) * np.log(2 * np.pi)
    )


@pytest.mark.parametrize("name", FACTORS)
def test_fixed_effects_and_variances_agree_with_lme4(name, fits, agrees):
    fit, oracle = fits[name], ORACLE[name]
    # Tolerances: lme4 stops where a step changes theta by 1e-12, which leaves it about 1e-7 off the
    # minimum; coefficients move by less, variances by about that.
    agrees("fixed effects", fit.coefficients, oracle["estimate"], oracle=LME4, absolute=1e-5)
    agrees("covariance of fixed effects", fit.covariance, oracle["covariance"], oracle=LME4, absolute=1e-5)
    se = np.sqrt(np.diag(fit.covariance))
    agrees("standard errors of fixed effects", se, oracle["se"], oracle=LME4, absolute=1e-4)
    variances = dict(zip(oracle["factors"], oracle["variances"], strict=True))
    expected = np.array([variances[factor] for factor in [*FACTORS[name], "Residual"]])
    above = expected > 1e-9
    agrees("variances of groups and residual", fit.variances[above], expected[above], oracle=LME4, relative=1e-4)
    if oracle["singular"]:
        agrees("variances at zero", fit.variances[~above], expected[~above], oracle=LME4, absolute=1e-10)
    assert list(fit.variances.index) == [*FACTORS[name], "residual"]
    agrees("restricted log-likelihood", fit.loglik, oracle["loglik"], oracle=LME4, relative=1e-8)
    assert fit.n == oracle["n"]
    assert fit.n_groups.to_dict() == oracle["n_groups"]
    assert bool(fit.singular) == oracle["singular"]


@pytest.mark.parametrize("name", REGULAR)
def test_contrasts_agree_with_lmertest(name, fits, agrees):
    fit, oracle = fits[name], ORACLE[name]
    table = contrast(fit, each_term(fit))
    # lmerTest differentiates numerically: df agree to about 1e-5; the limit leaves room for other builds.
    limits = {"df": 1e-3, "p": 2e-3}
    for column in ("df", "statistic", "p"):
        limit = limits.get(column, 1e-4)
        agrees(
            f"tests of fixed effects: {LABELS[column]}", table[column], oracle[column], oracle=LMERTEST, relative=limit
        )
    p = len(fit.coefficients)
    weights = pd.DataFrame(
        [[1.0] * p, [0.0, 1.0] + [-1.0] * (p - 2)], index=["sum", "difference"], columns=fit.coefficients.index
    )
    table = contrast(fit, weights)
    assert list(table.index) == ["sum", "difference"]
    for column, expected in oracle["contrasts"].items():
        agrees(
            f"contrasts: {LABELS[column]}", table[column], expected, oracle=LMERTEST, relative=limits.get(column, 1e-4)
        )


@pytest.mark.parametrize("name", REGULAR)
def test_joint_test_agrees_with_lmertest(name, fits, agrees):
    fit, oracle = fits[name], ORACLE[name]["joint"]
    weights = each_term(fit).iloc[1:]
    test = joint_test(fit, weights)
    assert list(test.index) == list(oracle)
    for statistic, expected in oracle.items():
        agrees(f"joint test: {LABELS[statistic]}", test[statistic], expected, oracle=LMERTEST, relative=1e-3)
    # A contrast that follows from the others is not counted. (F stays; the error df depend on how the
    # contrasts are written, here as in lmerTest.)
    again = joint_test(fit, pd.concat([weights, weights.sum().to_frame("sum").T]))
    theirs = list(ORACLE[name]["joint_redundant"].values())
    agrees("joint test with a redundant contrast", again, theirs, oracle=LMERTEST, relative=1e-3)
    np.testing.assert_allclose(again.iloc[:2], test.iloc[:2], rtol=1e-9)


def test_singular_fit_has_the_degrees_of_freedom_of_the_model_without_the_factor(fits, agrees):
    fit, oracle = fits["singular"], ORACLE["singular_reduced"]
    assert fit.singular == ("organisation",)
    assert fit.variances["organisation"] == 0
    assert any("organisation" in note and "zero" in note for note in fit.notes)
    df = contrast(fit, each_term(fit))["df"]
    agrees("df of a singular fit (without the factor at zero)", df, oracle["df"], oracle=LMERTEST, relative=1e-3)
    assert list(fit.parameter_covariance.index) == ["team", "residual"]


def test_simple_contrast_of_one_term_is_its_joint_test(fits):
    fit = fits["waves"]
    weights = each_term(fit).loc[["wave"]]
    single, joint = contrast(fit, weights).loc["wave"], joint_test(fit, weights)
    assert joint["statistic"] == pytest.approx(single["statistic"] ** 2)
    assert joint["df_error"] == pytest.approx(single["df"])
    assert joint["p"] == pytest.approx(single["p"])


def test_intraclass_correlation_is_the_share_of_variance(fits, agrees):
    fit = fits["nested"]
    variances = dict(zip(ORACLE["nested"]["factors"], ORACLE["nested"]["variances"], strict=True))
    shares = intraclass(fit)
    assert list(shares.index) == FACTORS["nested"]
    theirs = [variances[factor] / sum(variances.values()) for factor in FACTORS["nested"]]
    agrees("intraclass correlations", shares, theirs, oracle=LME4, relative=1e-4)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_fit_is_the_minimum_of_the_likelihood_written_out(seed):
    outcome, design, groups = crossed(seed)
    fit = fit_mixed(outcome, design, groups)
    y, X = outcome.to_numpy(), design.to_numpy()
    assert -2 * fit.loglik == pytest.approx(dense_deviance(fit.variances.to_numpy(), y, X, groups), rel=1e-10)
    found = optimize.minimize(dense_deviance, [1.0] * 4, args=(y, X, groups), bounds=[(0, None)] * 3 + [(1e-3, None)])
    # The general optimiser stops at about 1e-6 of the deviance; ours must never be higher.
    assert -2 * fit.loglik <= found.fun + 1e-8
    np.testing.assert_allclose(fit.variances, found.x, rtol=2e-2, atol=2e-3)


def test_derivatives_are_those_of_the_likelihood_written_out():
    outcome, design, groups = crossed(1)
    fit = fit_mixed(outcome, design, groups)
    assert fit.singular == ()
    y, X = outcome.to_numpy(), design.to_numpy()
    start = np.sqrt(fit.variances.to_numpy() / fit.variances["residual"])
    start[-1] = np.sqrt(fit.variances["residual"])

    def deviance(parameters):
        return dense_deviance(variances_of(parameters), y, X, groups)

    def variances_of(parameters):
        return np.append(parameters[:-1], 1.0) ** 2 * parameters[-1] ** 2

    def covariance(parameters):
        variances = variances_of(parameters)
        V = variances[-1] * np.eye(len(y))
        for variance, name in zip(variances, groups.columns, strict=False):
            V += variance * np.equal.outer(groups[name].to_numpy(), groups[name].to_numpy())
        return np.linalg.inv(X.T @ np.linalg.solve(V, X))

    steps = 1e-3 * np.eye(len(start))
    hessian = np.array(
        [
            [
                (deviance(start + a + b) - deviance(start + a - b) - deviance(start - a + b) + deviance(start - a - b))
                / 4e-6
                for b in steps
            ]
            for a in steps
        ]
    )
    slopes = np.array([(covariance(start + a) - covariance(start - a)) / 2e-3 for a in steps])
    # Central differences with steps of 1e-3 carry an error of about 1e-6 of the value's scale.
    np.testing.assert_allclose(fit.covariance_gradient, slopes, rtol=1e-4, atol=1e-6)
    np.testing.assert_allclose(fit.parameter_covariance, 2 * np.linalg.inv(hessian), rtol=1e-3, atol=1e-6)


def test_balanced_one_way_design_is_the_analysis_of_variance():
    random = np.random.default_rng(4)
    scores = random.normal(0, 2, (7, 1)) + random.normal(0, 1, (7, 5))
    groups = pd.DataFrame({"team": np.repeat(np.arange(7), 5)})
    fit = fit_mixed(pd.Series(scores.ravel()), pd.DataFrame({"mean": np.ones(35)}), groups)
    within = scores.var(axis=1, ddof=1).mean()
    between = 5 * scores.mean(axis=1).var(ddof=1)
    np.testing.assert_allclose(fit.variances, [(between - within) / 5, within], rtol=1e-7)
    row = contrast(fit, each_term(fit)).loc["mean"]
    assert row["estimate"] == pytest.approx(scores.mean())
    assert row["se"] == pytest.approx(np.sqrt(between / 35))
    assert row["df"] == pytest.approx(6, rel=1e-6)


def test_result_does_not_depend_on_unit_origin_coding_or_order():
    outcome, design, groups = crossed(2)
    fit = fit_mixed(outcome, design, groups)
    recoded = design.assign(wave=design["wave"] * 10 - 3)
    order = np.random.default_rng(0).permutation(len(outcome))
    labels = groups.map(lambda level: f"level {level}")[["person", "organisation", "team"]]
    other = fit_mixed(1e5 + 100 * outcome.iloc[order], recoded.iloc[order], labels.iloc[order])
    np.testing.assert_allclose(other.variances[fit.variances.index], 1e4 * fit.variances, rtol=1e-5)
    assert other.coefficients["wave"] == pytest.approx(10 * fit.coefficients["wave"], rel=1e-6)
    before, after = contrast(fit, each_term(fit)), contrast(other, each_term(other))
    for column in ("statistic", "df", "p"):
        assert after.loc["wave", column] == pytest.approx(before.loc["wave", column], rel=1e-5)


@pytest.mark.parametrize("seed", [1, 2])
def test_sparse_and_blocked_arithmetic_gives_the_same(monkeypatch, seed):
    outcome, design, groups = crossed(seed)
    dense = fit_mixed(outcome, design, groups)
    for name in ("_DENSE_LEVELS", "_DENSE_NUMBERS", "_BLOCK_NUMBERS"):
        monkeypatch.setattr(mixed, name, 1)
    monkeypatch.setattr(mixed, "_NARROWEST_BLOCK", 4)
    other = fit_mixed(outcome, design, groups)
    np.testing.assert_allclose(other.variances, dense.variances, rtol=1e-6)
    assert other.loglik == pytest.approx(dense.loglik, rel=1e-10)
    np.testing.assert_allclose(other.parameter_covariance, dense.parameter_covariance, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(other.covariance_gradient, dense.covariance_gradient, rtol=1e-5, atol=1e-9)


def nested() -> tuple[pd.Series, pd.DataFrame, pd.DataFrame]:
    """Simulate people, some of them twice, in teams of organisations of different size."""
    random = np.random.default_rng(5)
    team_of = np.repeat(np.arange(40), random.integers(3, 9, 40))
    person = np.concatenate([np.arange(len(team_of)), random.choice(len(team_of), 90, replace=False)])
    team = team_of[person]
    organisation = np.minimum(team // 3, 11)
    wave = np.repeat([0, 1], [len(team_of), 90])
    y = random.normal(0, 1, len(person)) + random.normal(0, 1, len(team_of))[person]
    for effect, codes in ((0.7, organisation), (0.5, 2 * organisation + wave), (0.7, team), (0.6, 2 * team + wave)):
        y += random.normal(0, effect, 90)[codes]
    groups = {"organisation": organisation, "organisation × wave": 2 * organisation + wave, "team": team}
    groups |= {"team × wave": 2 * team + wave, "person": person}
    return pd.Series(y), pd.DataFrame({"intercept": 1.0, "wave": wave * 1.0}), pd.DataFrame(groups)


@pytest.mark.parametrize("way", ["crossproducts by size", "sums of levels", "columns", "one block"])
def test_nested_factors_are_solved_by_organisation_however_they_are_kept(monkeypatch, way):
    outcome, design, groups = nested()
    blocks = []
    inverted = mixed._Solved._inverted

    def watched(self, problem, levels):
        blocks.extend(problem.blocks)
        return inverted(self, problem, levels)

    monkeypatch.setattr(mixed._Solved, "_inverted", watched)
    usual = fit_mixed(outcome, design, groups)
    assert sum(len(block) for block in {each.shape: each for each in blocks}.values()) == 12
    if way == "one block":
        monkeypatch.setattr(mixed, "_sets_that_share", lambda levels: (np.arange(levels.shape[1])[None, :],))
    else:
        monkeypatch.setattr(mixed, "_DENSE_NUMBERS", 12_000 if way == "crossproducts by size" else 1)
    if way == "columns":
        for name, number in (("_DENSE_LEVELS", 1), ("_BLOCK_NUMBERS", 1), ("_NARROWEST_BLOCK", 16)):
            monkeypatch.setattr(mixed, name, number)
    kept = []
    made = mixed._crossproducts
    monkeypatch.setattr(mixed, "_crossproducts", lambda *args: kept.append(made(*args)) or kept[-1])
    other = fit_mixed(outcome, design, groups)
    assert isinstance(kept[0].within, mixed._SparseBySize) == (way == "crossproducts by size")
    assert isinstance(kept[0].within, np.ndarray) == (way == "one block")
    # The same likelihood by other arithmetic: rounding alone, as far as the search for its top carries it.
    np.testing.assert_allclose(other.variances, usual.variances, rtol=1e-6)
    assert other.loglik == pytest.approx(usual.loglik, rel=1e-10)
    np.testing.assert_allclose(other.parameter_covariance, usual.parameter_covariance, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(other.covariance_gradient, usual.covariance_gradient, rtol=1e-5, atol=1e-9)


def test_many_organisations_are_solved_each_on_its_own():
    """Twenty thousand answers in 600 teams: nested factors fall apart into blocks, whose variances come out right."""
    random = np.random.default_rng(6)
    team_of = random.integers(0, 600, 14_000)
    person = np.concatenate([np.arange(14_000), np.arange(6_000)])
    wave = np.repeat([0, 1], [14_000, 6_000])
    team = team_of[person]
    groups = pd.DataFrame({"organisation": team // 3, "team": team, "team × wave": 2 * team + wave, "person": person})
    y = sum(random.normal(0, 1, 20_000)[groups[name]] for name in groups) + random.normal(0, 1, 20_000)
    fit = fit_mixed(pd.Series(y), pd.DataFrame({"intercept": 1.0, "wave": wave * 1.0}), groups)
    np.testing.assert_allclose(fit.variances, 1, atol=0.35)


def test_variances_of_the_population_are_recovered():
    variances = np.array([fit_mixed(*teams(seed, 25, spread=1.5)).variances.to_numpy() for seed in range(40)])
    # Four standard errors of a mean over 40 samples.
    error = 4 * variances.std(axis=0, ddof=1) / np.sqrt(40)
    assert (np.abs(variances.mean(axis=0) - [1.5**2, 1.0]) < error).all()
    assert (error < [0.7, 0.15]).all()


def test_without_a_factor_it_is_ordinary_least_squares():
    outcome, design, _ = teams(3)
    fit = fit_mixed(outcome, design, pd.DataFrame(index=outcome.index))
    coefficients, squares, *_ = np.linalg.lstsq(design, outcome)
    n = len(outcome)
    np.testing.assert_allclose(fit.coefficients, coefficients)
    assert fit.variances.to_dict() == pytest.approx({"residual": squares[0] / (n - 2)})
    np.testing.assert_allclose(contrast(fit, each_term(fit))["df"], n - 2)
    assert "ordinary least squares" in fit.notes[0]
    assert intraclass(fit).empty


def test_every_variance_at_zero_gives_the_usual_degrees_of_freedom():
    # Teams made equal: no spread between them at all.
    outcome, design, groups = teams(5)
    outcome = outcome - outcome.groupby(groups["team"]).transform("mean")
    fit = fit_mixed(outcome, design, groups)
    assert fit.singular == ("team",)
    np.testing.assert_allclose(contrast(fit, each_term(fit))["df"], len(outcome) - 2)


def test_factors_that_say_nothing_of_their_own_are_dropped_with_a_note():
    outcome, design, groups = teams(6)
    fit = fit_mixed(outcome, design, groups)
    rows = np.arange(len(outcome))
    more = groups.assign(one="a", copy=groups["team"].map("team {}".format), row=rows)
    other = fit_mixed(outcome, design, more)
    pd.testing.assert_series_equal(other.variances, fit.variances)
    assert [note.split(":")[0] for note in other.notes] == [f"{name} was dropped" for name in ("one", "copy", "row")]
    # Each team's own column in the design leaves the team nothing to vary by.
    dummies = pd.get_dummies(groups["team"], prefix="team", drop_first=True, dtype=float)
    fixed = fit_mixed(outcome, design.join(dummies), groups)
    assert list(fixed.variances.index) == ["residual"]
    assert fixed.notes[0].startswith("team was dropped")


def test_inputs_stay_as_they_were():
    outcome, design, groups = crossed(1)
    copies = outcome.copy(), design.copy(), groups.copy()
    fit = fit_mixed(outcome, design, groups)
    weights = each_term(fit)
    contrast(fit, weights)
    joint_test(fit, weights)
    pd.testing.assert_series_equal(outcome, copies[0])
    pd.testing.assert_frame_equal(design, copies[1])
    pd.testing.assert_frame_equal(groups, copies[2])
    pd.testing.assert_frame_equal(weights, each_term(fit))


def refusals():
    y, X, g = teams(7)
    empty = y.iloc[:0], X.iloc[:0], g.iloc[:0]
    yield "empty", empty, "at least 3 rows, got 0"
    yield "few rows", (y.iloc[:2], X.iloc[:2], g.iloc[:2]), "at least 3 rows, got 2"
    yield "gap", (y.where(y.index > 1), X, g), "got 2 rows with missing or infinite values in: outcome"
    yield "infinite", (y, X.assign(wave=np.inf), g), "infinite values in: wave"
    yield "nullable gap", (y.round().astype("Int64").where(y.index > 0), X, g), "got 1 rows"
    yield "text", (y, X.assign(wave="a"), g), "must be numbers.*wave"
    yield "constant", (y * 0 + 3, X, g), "outcome that varies, got 3.0"
    yield "explained", (2 * X["wave"], X, g), "do not describe exactly"
    yield "dependent", (y, X.assign(double=2 * X["wave"]), g), r"rank 2 of 3"
    yield "zero term", (y, X.assign(none=0.0), g), "zero in every row: none"
    yield "no term", (y, X[[]], g), "at least one term"
    yield "no level", (y, X, g.astype(object).where(g["team"] > 2)), "missing in: team"
    yield "index", (y, X.iloc[::-1], g), "the same index"
    yield "names", (y, X.set_axis(["a", "a"], axis=1), g), "repeated: a"
    yield "residual", (y, X, g.set_axis(["residual"], axis=1)), "cannot be called 'residual'"
    team_mean = y.groupby(g["team"]).transform("mean")
    yield "no residual", (team_mean, X[["intercept"]], g), "residual variance is estimated at zero"


@pytest.mark.parametrize(("arguments", "message"), [pytest.param(a, m, id=i) for i, a, m in refusals()])
def test_fit_refuses_what_it_cannot_use(arguments, message):
    with pytest.raises(ValueError, match=message):
        fit_mixed(*arguments)


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (pd.DataFrame({"waev": [1.0]}), "does not have: waev"),
        (pd.DataFrame({"wave": [np.nan]}), "weights must be finite"),
        (pd.DataFrame({"wave": [1.0, 0.0]}, index=["a", "b"]), "none in: b"),
        (pd.DataFrame(), "at least one row"),
    ],
)
def test_contrasts_refuse_what_they_cannot_use(weights, message):
    fit = fit_mixed(*teams(8))
    for test in (contrast, joint_test):
        with pytest.raises(ValueError, match=message):
            test(fit, weights)
    with pytest.raises(ValueError, match="between 0 and 1, got 95"):
        contrast(fit, each_term(fit), confidence=95)
