"""Confirmatory factor analysis against lavaan 0.6.14 and semTools 0.5.6 (tests/oracles/confirmatory.R)."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.confirmatory import Confirmatory, confirmatory
from analysis.structure import FitError

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "confirmatory.json").read_text())
FITS = ORACLE["fits"]
LAVAAN = "lavaan 0.6.14"

ITEMS = [f"{letter}{number}" for letter in "ACENO" for number in range(1, 6)]
PEOPLE = pd.read_csv(ORACLES / "data" / "bfi_people.csv")[ITEMS]
COMPLETE = PEOPLE.dropna().reset_index(drop=True)
FIVE = dict(
    zip(
        ("agree", "conscientious", "extravert", "neurotic", "open"),
        (ITEMS[start : start + 5] for start in range(0, 25, 5)),
        strict=True,
    )
)
TWO = {name: FIVE[name] for name in ("extravert", "neurotic")}
THREE = {"visual": ["x1", "x2", "x3"], "textual": ["x4", "x5", "x6"], "speed": ["x7", "x8", "x9"]}
SPARSE = pd.read_csv(ORACLES / "data" / "sparse.csv")
WORDING = ["A1", "C4", "C5", "E1", "E2", "O2", "O5"]
KEYED = COMPLETE[:300].assign(E1=7 - COMPLETE["E1"][:300], E2=7 - COMPLETE["E2"][:300])
DATA = {
    "bfi": COMPLETE,
    "bfi_people": PEOPLE,
    "bfi_gaps": pd.read_csv(ORACLES / "data" / "bfi_gaps.csv"),
    "bfi_1000": pd.read_csv(ORACLES / "data" / "bfi.csv"),
    "bfi_300": COMPLETE[:300],
    "keyed": KEYED,
    "teams": COMPLETE,
    "sparse": SPARSE,
    "holzinger": pd.read_csv(ORACLES / "data" / "holzinger.csv")[[f"x{number}" for number in range(1, 10)]],
}
MODELS = {
    **dict.fromkeys(("wlsmv", "ml", "mlr"), (FIVE, {})),
    **dict.fromkeys(("pairwise", "ulsmv", "dwls", "fiml", "fiml_mlr", "keyed"), (TWO, {})),
    "teams": (TWO, {"clusters": pd.Series(np.floor(np.sqrt(np.arange(len(COMPLETE))) * 2))}),
    "marker": (TWO, {"identification": "marker"}),
    "wording": (FIVE, {"method_factors": {"wording": WORDING}}),
    "bifactor": (TWO, {"bifactor": True}),
    "second_order": (FIVE, {"second_order": "general"}),
    "errors": (TWO, {"correlated_errors": [("N2", "N1"), ("E1", "N5")]}),
    **dict.fromkeys(("sparse", "sparse_ml"), ({"f": list(SPARSE.columns)}, {})),
    **dict.fromkeys(("holzinger_ml", "holzinger_mlr"), (THREE, {"identification": "marker"})),
    "holzinger_second": (THREE, {"second_order": "ability"}),
    "holzinger_second_marker": (THREE, {"second_order": "ability", "identification": "marker"}),
    "holzinger_cross": (THREE | {"visual": ["x1", "x2", "x3", "x9"]}, {}),
}
CHI_SQUARES = ("chisq", "chisq_scaled", "baseline_chisq", "baseline_chisq_scaled", "scaling_factor", "shift")
COUNTS = ("npar", "df", "df_scaled", "baseline_df")


@pytest.fixture(scope="module")
def found():
    """Each model of the oracle, fitted once."""
    kept: dict[str, Confirmatory] = {}

    def fitted(name: str) -> Confirmatory:
        if name not in kept:
            expected = FITS[name]
            model, options = MODELS[name]
            kept[name] = confirmatory(
                DATA[expected["set"]], model, estimator=expected["estimator"], missing=expected["missing"], **options
            )
        return kept[name]

    return fitted


def rows(table, op):
    """The rows of one kind of a lavaan table, as tuples."""
    columns = [table[name] for name in table]
    return [row for row in zip(*columns, strict=True) if row[1] == op]


@pytest.mark.parametrize("name", FITS)
def test_fit_is_lavaans(name, found, agrees):
    expected, fit = FITS[name]["fit"], found(name).fit
    assert set(expected) - {"n"} <= set(fit.index)
    for measure, value in expected.items():
        ours = fit[measure]
        if measure in COUNTS or measure == "n":
            assert ours == value, measure
        elif measure in CHI_SQUARES:
            agrees(f"{measure}, {name}", ours, value, oracle=LAVAAN, relative=1e-4)
        elif measure in ("loglik", "aic", "bic"):
            agrees(f"{measure}, {name}", ours, value, oracle=LAVAAN, relative=1e-6)
        else:
            agrees(f"{measure}, {name}", ours, value, oracle=LAVAAN, absolute=1e-4)


@pytest.mark.parametrize("name", FITS)
def test_what_lavaan_leaves_undefined_is_left_out(name, found):
    extra = set(found(name).fit.index) - set(FITS[name]["fit"]) - {"n", "baseline_scaling_factor"}
    assert not extra


@pytest.mark.parametrize("name", FITS)
def test_standardised_solution_is_lavaans(name, found, agrees):
    result, table = found(name), FITS[name]["standardised"]
    factors, items = set(FITS[name]["factors"]), set(result.residual_variances.index)
    pairs: list[tuple[float, float, float, float]] = []
    for left, _, right, value, error in rows(table, "=~"):
        row = result.loadings.loc[(left, right)]
        pairs.append((row["std_estimate"], value, row["std_se"], error))
    assert len(pairs) == len(result.loadings)
    correlations = {tuple(sorted(key)): row for key, row in result.correlations.iterrows()}
    for left, _, right, value, error in rows(table, "~~"):
        key = tuple(sorted((left, right)))
        if left in factors and left != right and error is not None and error > 0:
            pairs.append((correlations[key]["estimate"], value, correlations[key]["se"], error))
        elif left in items and left == right:
            row = result.residual_variances.loc[left]
            pairs.append((row["std_estimate"], value, row["std_se"], error))
        elif left in items:
            ours = {tuple(sorted(at)): row for at, row in result.error_correlations.iterrows()}[key]
            pairs.append((ours["estimate"], value, ours["se"], error))
    ours, theirs, our_errors, their_errors = np.asarray(pairs, dtype=float).T
    agrees(f"standardised solution, {name}", ours, theirs, oracle=LAVAAN, absolute=1e-4)
    agrees(
        f"standard errors of the standardised solution, {name}", our_errors, their_errors, oracle=LAVAAN, absolute=1e-3
    )
    implied = np.asarray(FITS[name]["correlations"], dtype=float).reshape(len(factors), len(factors))
    order = FITS[name]["factors"]
    if len(result.correlations):
        ours = [row["estimate"] for row in correlations.values()]
        theirs = [implied[order.index(a), order.index(b)] for a, b in correlations]
        agrees(f"factor correlations, {name}", ours, theirs, oracle=LAVAAN, absolute=1e-4)


@pytest.mark.parametrize("name", FITS)
def test_unstandardised_solution_is_lavaans(name, found, agrees):
    result, table = found(name), FITS[name]["parameters"]
    pairs = []
    for left, _, right, value, error in rows(table, "=~"):
        row = result.loadings.loc[(left, right)]
        pairs.append((row["estimate"], value, 0.0 if np.isnan(row["se"]) else row["se"], error))
    items = set(result.residual_variances.index)
    for left, _, right, value, error in rows(table, "~~"):
        if left in items and left == right:
            row = result.residual_variances.loc[left]
            pairs.append((row["estimate"], value, row["se"], error))
    intercepts = [row for row in rows(table, "~1") if row[0] in items]
    assert len(intercepts) == len(result.intercepts)
    for left, _, _, value, error in intercepts:
        row = result.intercepts.loc[left]
        pairs.append((row["estimate"], value, row["se"], error))
    ours, theirs, our_errors, their_errors = np.asarray(pairs, dtype=float).T
    agrees(f"estimates, {name}", ours, theirs, oracle=LAVAAN, absolute=1e-4)
    agrees(f"standard errors, {name}", our_errors, their_errors, oracle=LAVAAN, absolute=1e-3)


@pytest.mark.parametrize("name", [name for name, expected in FITS.items() if "thresholds" in expected])
def test_thresholds_are_lavaans(name, found, agrees):
    table, ours = FITS[name]["thresholds"], found(name).thresholds
    keys = [(item, int(cut[1:])) for item, cut in zip(table["lhs"], table["rhs"], strict=True)]
    assert sorted(keys) == sorted(ours.index)
    agrees(f"thresholds, {name}", ours.loc[keys, "estimate"], table["est"], oracle=LAVAAN, absolute=1e-5)
    agrees(f"standard errors of thresholds, {name}", ours.loc[keys, "se"], table["se"], oracle=LAVAAN, absolute=1e-3)
    assert found(name).intercepts.empty


@pytest.mark.parametrize("name", [name for name, expected in FITS.items() if "residuals" in expected])
def test_residual_correlations_are_lavaans(name, found, agrees):
    expected = FITS[name]["residuals"]
    ours = found(name).residual_correlations.loc[expected["items"], expected["items"]].to_numpy()
    # R's lower triangle goes down the columns.
    lower = ours.T[np.triu_indices(len(ours), 1)]
    agrees(f"residual correlations, {name}", lower, expected["values"], oracle=LAVAAN, absolute=1e-4)


@pytest.mark.parametrize("name", [name for name, expected in FITS.items() if "residual_z" in expected])
def test_residuals_over_their_errors_are_lavaans(name, found, agrees):
    expected = FITS[name]["residual_z"]
    ours = found(name).residual_z.loc[expected["items"], expected["items"]].to_numpy()
    lower = ours.T[np.triu_indices(len(ours), 1)]
    # A residual is divided by an error near .003: lavaan's search, which stops at 1e-6, shows in the third digit.
    agrees(
        f"residuals over their errors, {name}",
        lower,
        expected["values"],
        oracle=f"{LAVAAN} lavResiduals",
        absolute=5e-3,
    )
    assert np.isnan(np.diag(ours)).all()


@pytest.mark.parametrize("name", [name for name, expected in FITS.items() if "modindices" in expected])
def test_modification_indices_are_lavaans(name, found, agrees):
    table, ours = FITS[name]["modindices"], found(name).modification_indices
    places = {}
    for (element, left, right), row in ours.iterrows():
        key = (left, right) if element == "loading" else tuple(sorted((left, right)))
        places[("=~" if element == "loading" else "~~", *key)] = row
    pairs = []
    for left, op, right, index, change, standardised in zip(*(table[column] for column in table), strict=True):
        key = (left, right) if op == "=~" else tuple(sorted((left, right)))
        row = places[(op, *key)]
        pairs.append((row["mi"], index, row["epc"], change, row["sepc"], standardised))
    values = np.asarray(pairs, dtype=float).T
    assert len(ours) == FITS[name]["modindices_count"]
    assert ours["mi"].is_monotonic_decreasing
    agrees(f"modification indices, {name}", values[0], values[1], oracle=LAVAAN, absolute=1e-4 * values[1].max())
    agrees(f"expected changes, {name}", values[2], values[3], oracle=LAVAAN, absolute=1e-4)
    agrees(f"standardised expected changes, {name}", values[4], values[5], oracle=LAVAAN, absolute=1e-3)


@pytest.mark.parametrize("name", [name for name, expected in FITS.items() if "scores" in expected])
def test_factor_scores_are_lavaans(name, found, agrees):
    expected, result = FITS[name]["scores"], found(name)
    positions = np.asarray(expected["rows"]) - 1
    ours = result.factor_scores.loc[DATA[FITS[name]["set"]].index[positions], expected["factors"]]
    # lavaan stops its search for the mode early: at 1e-8 of a logarithm, near 1e-4 of the score.
    tolerance = 1e-3 if FITS[name]["estimator"] == "WLSMV" else 1e-4
    theirs = np.asarray(expected["values"]).reshape(ours.shape)
    agrees(f"factor scores, {name}", ours, theirs, oracle=f"{LAVAAN} lavPredict", absolute=tolerance)


@pytest.mark.parametrize("name", [name for name, expected in FITS.items() if "ave" in expected])
def test_average_variance_and_composite_reliability_are_semtools(name, found, agrees):
    result, expected = found(name), FITS[name]
    names = list(expected["ave"])
    oracle = "semTools 0.5.6"
    if expected["estimator"] == "WLSMV":  # semTools averages unstandardised variances
        theirs = [expected["ave"][factor] for factor in names]
        agrees(
            f"average variance extracted, {name}",
            result.average_variance.loc[names, "estimate"],
            theirs,
            oracle=oracle,
            absolute=1e-4,
        )
    if name != "wlsmv":  # where no item is reversed
        theirs = [expected["composite"][factor] for factor in names]
        agrees(
            f"composite reliability, {name}",
            result.composite_reliability.loc[names, "estimate"],
            theirs,
            oracle=oracle,
            absolute=1e-4,
        )


def test_htmt_is_semtools(found, agrees):
    for kind, name, column in (
        ("pearson", "ml", "htmt"),
        ("pearson_2", "ml", "htmt2"),
        ("polychoric", "wlsmv", "htmt"),
    ):
        theirs = np.asarray(ORACLE["htmt"][kind])[np.triu_indices(5, 1)]
        agrees(
            f"{column}, {kind}", found(name).discriminant[column], theirs, oracle="semTools 0.5.6 htmt", absolute=1e-5
        )


# --- What no oracle tells ------------------------------------------------------------------------------------------


def simulated(n: int, correlation: float, *, loading: float = 0.7, seed: int = 1) -> pd.DataFrame:
    """Two factors of three five-point items each."""
    rng = np.random.default_rng(seed)
    factors = rng.multivariate_normal([0, 0], [[1, correlation], [correlation, 1]], size=n)
    behind = loading * np.repeat(factors, 3, axis=1) + np.sqrt(1 - loading**2) * rng.normal(size=(n, 6))
    answers = np.digitize(behind, [-1.5, -0.5, 0.5, 1.5]) + 1
    return pd.DataFrame(answers, columns=["a1", "a2", "a3", "b1", "b2", "b3"])


PAIR = {"a": ["a1", "a2", "a3"], "b": ["b1", "b2", "b3"]}


def test_three_lines_give_a_table_to_paste(found):
    text = repr(found("wlsmv"))
    assert text.startswith("Confirmatory factor analysis: 5 correlated factors, standardised loadings (WLSMV)")
    lines = text.splitlines()
    assert lines[lines.index(next(line for line in lines if line.startswith("Note"))) - 1].startswith("Method: ")
    assert next(line for line in lines if line.startswith("Note")) == (
        "Note: Fit: scaled χ²(265) = 6049.28, p < .001; robust CFI = 0.751, robust TLI = 0.719, robust RMSEA = 0.094 (90 % CI "
        "0.092 to 0.097), SRMR = 0.083 (scaled: CFI = 0.824, TLI = 0.801, RMSEA = 0.095); n = 2436."
    )
    assert "polychoric correlations" in text
    assert "WLSMV; Muthén, du Toit & Spisic, 1997" in text
    assert "n = 2436 responses." in text
    table = found("wlsmv").table
    assert list(table.columns) == ["estimate", "se", "ci_low", "ci_high", "p", "r_squared"]
    assert table.index.names == ["factor", "item"]
    row = table.loc[("neurotic", "N1")]
    assert row["r_squared"] == pytest.approx(row["estimate"] ** 2)
    # On the scale of Fisher's z the interval is even.
    reach = 1.959964 * row["se"] / (1 - row["estimate"] ** 2)
    assert np.arctanh(row[["ci_low", "ci_high"]].to_numpy(dtype=float)) - np.arctanh(row["estimate"]) == pytest.approx(
        [-reach, reach], rel=1e-6
    )


def test_the_truth_is_recovered():
    result = confirmatory(simulated(20_000, 0.5), PAIR)
    assert result.loadings["std_estimate"].to_numpy() == pytest.approx(np.full(6, 0.7), abs=0.02)
    assert result.correlations.loc[("a", "b"), "estimate"] == pytest.approx(0.5, abs=0.03)
    assert result.thresholds.loc["a1", "estimate"].to_numpy() == pytest.approx([-1.5, -0.5, 0.5, 1.5], abs=0.05)
    assert result.average_variance["estimate"].to_numpy() == pytest.approx(np.full(2, 0.49), abs=0.02)
    # Of three items with loadings .7: (3 × .7)² / ((3 × .7)² + 3 × .51).
    assert result.composite_reliability["estimate"].to_numpy() == pytest.approx(np.full(2, 4.41 / 5.94), abs=0.02)
    assert result.fit["p_scaled"] > 0.001
    scores = result.factor_scores.corr().loc["a", "b"]
    assert 0.5 < scores < 0.8


def test_standard_errors_are_those_of_repeated_samples():
    """Standardised loadings, factor correlation and composite reliability over 30 samples."""
    results = [confirmatory(simulated(400, 0.5, seed=seed), PAIR) for seed in range(30)]
    for take in (
        lambda each: each.table.loc[("a", "a1")],
        lambda each: each.correlations.loc[("a", "b")],
        lambda each: each.composite_reliability.loc["b"],
    ):
        rows = pd.DataFrame([take(each)[["estimate", "se"]] for each in results])
        assert rows["se"].mean() == pytest.approx(rows["estimate"].std(), rel=0.3)
    assert np.mean([each.fit["p_scaled"] < 0.05 for each in results]) < 0.15


def test_people_as_their_own_clusters_change_nothing_and_teams_do():
    answers = simulated(400, 0.5)
    alone = confirmatory(answers, PAIR)
    own = confirmatory(answers, PAIR, clusters=pd.Series(answers.index, index=answers.index))
    assert own.loadings["se"].to_numpy() == pytest.approx(alone.loadings["se"].to_numpy(), rel=1e-9)
    assert own.fit["chisq_scaled"] == pytest.approx(alone.fit["chisq_scaled"], rel=1e-9)
    # Everyone twice, as a team of two: estimates stay, and so do errors if the teams are known.
    twice = pd.concat([answers, answers], ignore_index=True)
    teams = confirmatory(twice, PAIR, clusters=pd.Series(np.tile(answers.index, 2)))
    assert teams.loadings["estimate"].to_numpy() == pytest.approx(alone.loadings["estimate"].to_numpy(), abs=1e-6)
    assert teams.loadings["se"].to_numpy() == pytest.approx(alone.loadings["se"].to_numpy(), rel=5e-3)
    assert "likeness within clusters" in teams.method


def test_modal_scores_are_where_the_posterior_is_highest(found):
    from scipy import optimize, stats

    result, person = found("marker"), 7
    loadings = result.loadings["estimate"].unstack("factor").fillna(0).loc[result.residual_variances.index]
    sd = np.sqrt(result.residual_variances["estimate"].to_numpy())
    variance = [result.loadings.loc[(name, TWO[name][0]), "std_estimate"] ** 2 for name in TWO]
    spread = np.diag(np.sqrt(variance))
    correlation = result.correlations["estimate"].iloc[0]
    precision = np.linalg.inv(spread @ np.array([[1, correlation], [correlation, 1]]) @ spread)
    cuts = {item: [-np.inf, *rows.to_numpy(), np.inf] for item, rows in result.thresholds["estimate"].groupby("item")}

    def against(scores):
        linear = loadings.to_numpy() @ scores
        total = scores @ precision @ scores / 2
        for item, answer, at, unit in zip(
            loadings.index, COMPLETE.loc[person, loadings.index], linear, sd, strict=True
        ):
            rank = int(answer) - 1
            high, low = (stats.norm.cdf((cuts[item][rank + step] - at) / unit) for step in (1, 0))
            total -= np.log(high - low)
        return total

    best = optimize.minimize(against, np.zeros(2), method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12})
    assert result.factor_scores.loc[person, list(TWO)].to_numpy() == pytest.approx(best.x, abs=1e-6)


def test_an_extreme_person_has_scores(found):
    """Far out in the tail, probabilities of answers are as small as rounding."""
    answers = simulated(2000, 0.5, loading=0.97)
    answers.loc[0] = [1, 5, 1, 5, 1, 5]
    scores = confirmatory(answers, PAIR).factor_scores
    assert np.isfinite(scores.to_numpy()).all()
    assert np.abs(scores.to_numpy()).max() < 5


def test_second_order_and_marker_tell_the_same_story(found):
    expected = found("second_order")
    other = confirmatory(DATA["bfi_1000"], FIVE, second_order={"general": list(FIVE)}, identification="marker")
    assert other.table["estimate"].to_numpy() == pytest.approx(expected.table["estimate"].to_numpy(), abs=1e-5)
    assert other.fit["chisq_scaled"] == pytest.approx(expected.fit["chisq_scaled"], rel=1e-6)
    assert np.isnan(other.loadings.loc[("general", "agree"), "se"])
    assert "general" not in expected.average_variance.index


def test_some_factors_under_one_above_and_one_beside():
    result = confirmatory(COMPLETE, FIVE, second_order={"social": ["agree", "extravert", "open"]}, estimator="ML")
    assert ("conscientious", "social") in result.correlations.index
    assert result.fit["df"] == 25 * 26 / 2 - (25 + 25 + 3 + 3)


def test_bifactor_names_its_general_factor_and_its_reliability_is_less(found):
    result = confirmatory(DATA["bfi_1000"], TWO, bifactor="distress")
    assert set(result.composite_reliability.index) == {"distress", *TWO}
    assert result.correlations.empty
    assert (result.discriminant["correlation"] == 0).all()
    assert result.loadings["std_estimate"].loc["distress"].to_numpy() == pytest.approx(
        found("bifactor").loadings["std_estimate"].loc["general"].to_numpy()
    )


def test_reversing_items_turns_their_loadings_alone(found):
    keyed, plain = found("keyed"), found("marker")
    assert keyed.fit["chisq_scaled"] == pytest.approx(plain.fit["chisq_scaled"], rel=1e-6)
    ours, theirs = keyed.table["estimate"].abs(), plain.table["estimate"].abs()
    assert ours.to_numpy() == pytest.approx(theirs.to_numpy(), abs=1e-6)
    # Reversed or not, the items that a sum is made of are keyed one way.
    same = plain.composite_reliability["estimate"].to_numpy()
    assert keyed.composite_reliability["estimate"].to_numpy() == pytest.approx(same, abs=1e-6)
    assert any("E3, E4, E5 on extravert" in note for note in plain.notes)


def test_cut_offs_come_with_what_they_were_made_for(found):
    table = found("wlsmv").cutoffs
    assert list(table.index) == ["cfi", "tli", "rmsea", "srmr"]
    assert table["source"].str.contains("Hu & Bentler").all()
    assert table.loc["cfi", "estimate"] == found("wlsmv").fit["cfi_robust"]
    assert any("Xia & Yang" in note for note in found("wlsmv").notes)


def test_the_fit_has_the_names_that_people_know(found):
    plain = [
        "npar",
        "chisq",
        "df",
        "p",
        "cfi",
        "tli",
        "rmsea",
        "rmsea_ci_low",
        "rmsea_ci_high",
        "rmsea_p_close",
        "srmr",
    ]
    scaled = [
        "chisq_scaled",
        "df_scaled",
        "p_scaled",
        "scaling_factor",
        "shift",
        "cfi_scaled",
        "tli_scaled",
        "rmsea_scaled",
    ]
    names = [*plain, *scaled, "cfi_robust", "tli_robust", "rmsea_robust"]
    assert set(names) <= set(found("wlsmv").fit.index)
    assert set(names) - {"shift"} | {"aic", "bic", "loglik"} <= set(found("mlr").fit.index)
    columns = ["estimate", "se", "statistic", "p", "ci_low", "ci_high", "std_estimate"]
    assert set(columns) <= set(found("wlsmv").loadings.columns)


def test_the_method_says_what_was_done_about_gaps(found):
    assert "responses; gaps by full information" in found("fiml").method
    assert "uses all who answered (pairwise)" in found("pairwise").method
    gaps = confirmatory(PEOPLE[:300], TWO)
    assert f"n = {gaps.fit['n']:.0f} of 300 responses, those without a gap (listwise)" in gaps.method


def test_robust_indices_are_not_led_with_where_people_are_fewer_than_correlations():
    """A model that holds, 25 items with 300 correlations, 150 people."""
    rng = np.random.default_rng(1)
    behind = np.repeat(rng.multivariate_normal(np.zeros(5), 0.4 + 0.6 * np.eye(5), size=300), 5, axis=1)
    answers = np.digitize(0.65 * behind + 0.76 * rng.normal(size=behind.shape), [-1.6, -0.8, 0.1, 0.9])
    answers = pd.DataFrame(answers, columns=ITEMS)
    few, enough = confirmatory(answers[:150], FIVE), confirmatory(answers, FIVE)
    assert "; scaled CFI = " in few.notes[0]
    assert few.fit["cfi_robust"] < few.fit["cfi_scaled"] == few.cutoffs.loc["cfi", "estimate"]
    assert any("fewer people than correlations" in note for note in few.notes)
    assert "; robust CFI = " in enough.notes[0]


def test_what_is_left_out_is_said(found):
    notes = " ".join(found("wlsmv").notes)
    assert "Information criteria are left out" in notes
    assert not {"aic", "bic", "loglik"} & set(found("wlsmv").fit.index)
    assert {"aic", "bic", "loglik"} <= set(found("ml").fit.index)
    assert "DWLS supposes" in " ".join(found("dwls").notes)
    assert found("ml").thresholds.empty
    assert list(found("ml").thresholds.columns) == list(found("wlsmv").thresholds.columns)
    assert found("ml").intercepts.empty
    assert any("% of the answers were missing" in note for note in found("fiml").notes)


# --- Bad and hard input --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ({}, {}, "model must map each factor to its items"),
        ({"f": "N1"}, {}, "the factor f needs a list of items, got 'N1'"),
        ({"f": []}, {}, "the factor f has no items"),
        ({"f": ["N1", "N1", "N2"]}, {}, "the factor f names N1 twice"),
        ({"f": ["N1", "N2", "n3"]}, {}, "the model names items that the answers do not have: n3"),
        ({"f": ["N1", "N2", "N33"]}, {}, r"N33 \(did you mean N3"),
        ({"N1": ["N2", "N3", "N4"], "f": ["N1", "N5", "A1"]}, {}, "each factor needs a name of its own.*N1"),
        (TWO, {"method_factors": {"extravert": ["E1", "E2", "N1"]}}, "each factor needs a name of its own"),
        (TWO, {"method_factors": {"w": ["E1", "E2", "A1"]}}, "method factor w names A1, which no factor"),
        (TWO, {"second_order": {"h": ["extravert", "agree"]}}, "second_order names agree"),
        (FIVE, {"second_order": {"h": list(FIVE)[:3], "i": list(FIVE)[2:]}}, "second_order names extravert twice"),
        (FIVE, {"second_order": "h", "bifactor": True}, "either bifactor or second-order"),
        ({"f": FIVE["open"]}, {"bifactor": True}, "at least two factors beside the general one"),
        (TWO, {"correlated_errors": [("E1", "E1")]}, "correlated_errors needs pairs of two items"),
        (TWO, {"correlated_errors": ["E1"]}, "correlated_errors needs pairs of two items"),
        (TWO, {"correlated_errors": [("E1", "A1")]}, "correlated_errors names A1"),
        (TWO, {"correlated_errors": [("E1", "E2"), ("E2", "E1")]}, "names the pair E2, E1 twice"),
        (TWO, {"estimator": "WLS"}, "estimator must be one of WLSMV, ULSMV, DWLS, ML, MLR; got 'WLS'"),
        (TWO, {"missing": "fiml"}, "full information needs ML or MLR"),
        (TWO, {"missing": "pairwise", "estimator": "ML"}, "pairwise statistics need WLSMV"),
        (TWO, {"missing": "ml"}, "missing must be 'listwise', 'pairwise' or 'fiml', got 'ml'"),
        (TWO, {"identification": "first"}, "identification must be 'variance' or 'marker'"),
        (TWO, {"clusters": COMPLETE["A1"], "estimator": "ML"}, "ML has no standard errors for clusters: use MLR"),
        (TWO, {"clusters": COMPLETE["A1"][:9], "estimator": "MLR"}, "clusters must stand on the index"),
        (TWO, {"clusters": list(COMPLETE["A1"]), "estimator": "MLR"}, "clusters must be a Series.*got list"),
        (TWO, {"clusters": list(COMPLETE["A1"])}, "clusters must be a Series"),
        (
            TWO,
            {"clusters": COMPLETE["A1"].set_axis([0] * len(COMPLETE)), "estimator": "MLR"},
            "labels repeat in the index of clusters",
        ),
        (TWO, {"method_factors": "x1"}, "method_factors must map each factor to its items.*got 'x1'"),
        (TWO, {"correlated_errors": 3}, "correlated_errors needs pairs of two items in a list.*got 3"),
        (TWO, {"correlated_errors": None}, "correlated_errors needs pairs of two items in a list.*got None"),
        (TWO, {"correlated_errors": [3]}, "correlated_errors needs pairs of two items.*got 3 in it"),
        (TWO, {"correlated_errors": [{"E1", "E2"}]}, "correlated_errors needs pairs of two items"),
        (TWO, {"correlated_errors": {("E1", "E2")}}, "correlated_errors needs pairs of two items"),
        (TWO, {"bifactor": ""}, "bifactor must be True, False or the name of the general factor, got ''"),
        (TWO, {"bifactor": 3}, "bifactor must be True, False or the name of the general factor, got 3"),
        (FIVE, {"second_order": ""}, "a factor's name must be text, got ''"),
        (FIVE, {"second_order": 3}, "second_order must be the name of a factor.*got 3"),
        ({"": FIVE["open"]}, {}, "a factor's name must be text, got ''"),
        ({None: FIVE["open"]}, {}, "a factor's name must be text, got None"),
        ({1: FIVE["open"], "1": FIVE["agree"]}, {}, "each factor needs a name of its own, got 1 twice"),
        ({"f": set(FIVE["open"])}, {}, "the factor f needs a list of items, got a set, which has no order"),
        ({"f": dict.fromkeys(FIVE["open"], 1)}, {}, "the factor f needs a list of items, got a dict"),
        ({"f": [["O1"], "O2", "O3"]}, {}, r"the factor f needs a list of items, each a name; got \['O1'\] in it"),
    ],
)
def test_a_model_that_contradicts_itself_or_the_answers(model, options, words):
    with pytest.raises(ValueError, match=words):
        confirmatory(COMPLETE, model, **options)


@pytest.mark.parametrize(
    ("model", "options", "words"),
    [
        ({"f": ["N1"], **TWO}, {}, r"the factor f has one item \(N1\)"),
        ({"f": ["N1", "N2"]}, {}, r"the factor f has two items \(N1, N2\) and correlates with no other"),
        ({"f": ["N1", "N2"], "g": ["E1", "E2", "E3"]}, {"bifactor": True}, r"the factor f has two items \(N1, N2\)"),
        (TWO, {"method_factors": {"w": ["E1", "N1"]}}, r"the factor w has two items \(E1, N1\)"),
        (TWO, {"second_order": "h"}, r"the factor h has two factors \(extravert, neurotic\)"),
        ({"f": FIVE["neurotic"]}, {"method_factors": {"w": FIVE["neurotic"]}}, "not identified.*loading of N. on f"),
        ({"f": ["N1", "N2", "N3"], "g": ["N1", "N2", "N3"]}, {}, "more items or fewer factors"),
    ],
)
@pytest.mark.parametrize("estimator", ["WLSMV", "ML"])
def test_what_is_not_identified_is_refused_by_name(model, options, words, estimator):
    with pytest.raises(FitError, match=words):
        confirmatory(COMPLETE, model, estimator=estimator, **options)


def blanked(answers, first, second):
    """Nobody answers both of two items."""
    half = len(answers) // 2
    upper = np.arange(len(answers)) < half
    return answers.assign(**{first: answers[first].where(upper), second: answers[second].where(~upper)})


def doubled_up(answers):
    """One item is another but for one answer: their polychoric correlation is perfect, Pearson's is not."""
    other = answers["E2"].to_numpy().copy()
    other[0] = other[0] % 6 + 1
    return answers.assign(E1=other)


HARD = {
    "a constant item": (lambda d: d.assign(E1=3), "alike on E1.*leave it out"),
    "an item nobody answered": (lambda d: d.assign(E1=np.nan), "nobody answered E1"),
    "a doubled item": (lambda d: d.assign(E1=d["E2"]), "E[12].* E[12].*leave one of"),
    "a doubled name": (lambda d: pd.concat([d, d[["E1"]]], axis=1), "item names occur twice: E1"),
    "fewer people than items": (lambda d: d[:8], "got 8 people for 10 items: use more"),
    "nobody": (lambda d: d[:0], "got 0 people for 10 items"),
    "a stray 99": (lambda d: d.assign(E1=d["E1"].where(d.index != 5, 99)), "E1 has the code 99.*blank it"),
    "a stray −9": (lambda d: d.assign(N3=d["N3"].where(d.index > 20, -9)), "N3 has the code -9.*blank it"),
    "text": (lambda d: d.assign(E1=d["E1"].astype(str)), "E1 holds text"),
    "infinite": (lambda d: d.assign(E1=d["E1"].where(d.index != 5, np.inf)), "E1"),
    "no response without a gap": (lambda d: blanked(d, "E1", "E2"), "got 0 people for 10 items"),
}


@pytest.mark.parametrize("estimator", ["WLSMV", "ML"])
@pytest.mark.parametrize("what", HARD)
def test_answers_that_cannot_be_analysed(estimator, what):
    change, words = HARD[what]
    with pytest.raises(ValueError, match=words):
        confirmatory(change(COMPLETE[:300]), TWO, estimator=estimator)


def test_a_perfect_correlation_is_refused_where_there_is_one():
    with pytest.raises(ValueError, match=r"polychoric correlation of E1 (and|with) E2 \(\+\) is perfect.*leave one"):
        confirmatory(doubled_up(COMPLETE[:300]), TWO)


def test_codes_of_rating_scales_are_checked_and_continuous_answers_are_not():
    skewed = DATA["holzinger"].copy()
    skewed.loc[0, "x1"] = 99.0
    assert confirmatory(skewed, THREE, estimator="ML").fit["n"] == len(skewed)
    counts = np.round(DATA["holzinger"] * 10)
    counts.loc[0, "x1"] = 999
    assert confirmatory(counts, THREE, estimator="ML").fit["n"] == len(counts)
    with pytest.raises(ValueError, match="x1 has the code 99"):
        confirmatory(
            np.round(DATA["holzinger"]).assign(x1=lambda d: d["x1"].where(d.index != 0, 99)), THREE, estimator="MLR"
        )


@pytest.mark.parametrize(("estimator", "missing"), [("WLSMV", "pairwise"), ("MLR", "fiml")])
def test_a_pair_that_nobody_answered_is_refused(estimator, missing):
    with pytest.raises(ValueError, match=r"nobody answered both of E1 (and|with) E2.*leave one of"):
        confirmatory(blanked(COMPLETE, "E1", "E2"), TWO, estimator=estimator, missing=missing)


def test_columns_of_no_factor_are_left_out_and_do_not_cost_people():
    answers = COMPLETE.loc[:299, [*FIVE["extravert"], *FIVE["neurotic"]]].assign(A1=np.nan, comment="text")
    result = confirmatory(answers, TWO)
    assert result.fit["n"] == 300
    assert any("in no factor are left out: A1" in note and note.endswith("comment.") for note in result.notes)


@pytest.mark.parametrize("estimator", ["WLSMV", "ML"])
def test_few_people_are_analysed_and_warned_about(estimator):
    result = confirmatory(COMPLETE[:60], FIVE, estimator=estimator)
    assert any("60 people are few for 25 items" in note and "175 here" in note for note in result.notes)
    assert not any("are few" in note for note in confirmatory(COMPLETE[:300], TWO, estimator=estimator).notes)


def test_where_one_search_runs_away_another_arrives(agrees):
    """From the usual start a loading of the wording factor grows without end; lavaan has a solution."""
    expected = ORACLE["few"]
    answers = COMPLETE.iloc[np.asarray(expected["rows"]) - 1]
    result = confirmatory(answers, FIVE, method_factors={"wording": WORDING})
    agrees(
        "chi-square, wording factor, 100 people", result.fit["chisq"], expected["chisq"], oracle=LAVAAN, relative=1e-4
    )


def test_what_has_no_solution_is_refused_by_name():
    """Items with little in common and few people: a loading grows without end, as it does in lavaan."""
    answers = COMPLETE.sample(60, random_state=26)
    with pytest.raises(FitError, match=r"did not converge.*(loading|correlation) of.*use more people"):
        confirmatory(answers, {"f": ["C1", "N5", "O2", "A4"], "g": ["E3", "O5", "A1", "C3"]}, bifactor=True)


def test_three_items_cannot_be_judged():
    result = confirmatory(COMPLETE, {"f": ["N1", "N2", "N3"]})
    assert result.fit["df"] == 0
    assert result.cutoffs.empty
    assert result.modification_indices.empty
    assert result.notes[0].startswith("Fit cannot be judged: 0 degrees of freedom")
    assert not {"cfi", "rmsea", "p"} & set(result.fit.index)


def test_two_items_hang_on_other_factors_and_it_is_said():
    result = confirmatory(COMPLETE, {"f": ["N1", "N2"], "g": ["E1", "E2", "E4"]})
    assert any("The factor f has two items (N1, N2): its loadings" in note for note in result.notes)


@pytest.mark.parametrize("estimator", ["WLSMV", "ML"])
def test_factors_that_correlate_beyond_one_are_named(estimator):
    """One factor, modelled as two: half of all samples have a correlation above 1."""
    for seed in range(20):
        result = confirmatory(simulated(150, 0.999, seed=seed), PAIR, estimator=estimator)
        if result.correlations["estimate"].iloc[0] > 1:
            break
    assert any("The factors a and b correlate 1." in note for note in result.notes)
    assert result.factor_scores.empty
    assert any(note.startswith("Factor scores are left out") for note in result.notes)


def test_a_negative_residual_variance_is_named():
    for seed in range(20, 60):
        answers = simulated(60, 0.3, seed=seed, loading=0.9)
        result = confirmatory(answers, PAIR)
        negative = result.residual_variances.index[result.residual_variances["estimate"] < 0]
        if len(negative):
            break
    assert any(f"the residual variance of {negative[0]} is negative" in note for note in result.notes)
    assert result.factor_scores.empty


def test_correlations_that_are_not_positive_definite_are_used_and_said():
    rng = np.random.default_rng(2)
    answers = simulated(200, 0.5, loading=0.9, seed=2).astype(float)
    for item in answers:
        answers.loc[rng.random(200) < 0.7, item] = np.nan
    answers = answers.dropna(how="all")
    result = confirmatory(answers, PAIR, missing="pairwise")
    assert any("correlations are not positive definite" in note and "robust CFI" in note for note in result.notes)
    assert "cfi_robust" not in result.fit
    assert "cfi_scaled" in result.fit


def test_shared_items_have_no_htmt():
    result = confirmatory(DATA["holzinger"], MODELS["holzinger_cross"][0], estimator="ML")
    assert np.isnan(result.discriminant.loc[("visual", "speed"), "htmt"])
    assert np.isfinite(result.discriminant.loc[("visual", "textual"), "htmt"])


def two_rows_of_names(answers):
    return answers.set_axis(pd.MultiIndex.from_product([["wave 1"], answers.columns]), axis=1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: d.to_numpy(), "items must be a DataFrame.*got ndarray"),
        (lambda d: d.to_dict("list"), "items must be a DataFrame.*got dict"),
        (lambda d: d["E1"], "items must be a DataFrame.*got Series"),
        (lambda d: None, "items must be a DataFrame.*got NoneType"),
        (two_rows_of_names, "items must have one row of column names, got 2: join them"),
    ],
)
def test_answers_that_are_no_table_of_items_are_refused(change, words):
    with pytest.raises(ValueError, match=words):
        confirmatory(change(COMPLETE[:300]), TWO)


def test_a_factor_that_points_away_from_most_of_its_items_is_named(found):
    """A1 and E1 are reversed: agree and extravert of bfi point away from what their names say, neurotic does not."""
    notes = [note for note in found("wlsmv").notes if "load against its first item" in note]
    assert notes[0].startswith("Most items of agree (A2, A3, A4, A5) load against its first item, A1: a high score on")
    assert notes[0].endswith("mean a high A1. Turn the reversed items, or put another item first.")
    assert not any("neurotic" in note for note in notes)
    turned = confirmatory(COMPLETE[:300], {"agree": ["A2", "A1", "A3", "A4", "A5"]})
    assert not any("load against its first item" in note for note in turned.notes)


def test_fewer_clusters_than_parameters_are_said():
    clusters = pd.Series(np.arange(300) % 25)
    fitted = confirmatory(COMPLETE[:300], TWO, estimator="MLR", clusters=clusters)
    assert any("There are fewer clusters (25) than parameters (31)" in note for note in fitted.notes)
    one = confirmatory(COMPLETE[:300], {"f": FIVE["neurotic"]}, estimator="MLR", clusters=clusters)
    assert not any("than parameters" in note for note in one.notes)


def test_htmt_that_divides_by_nothing_is_left_undefined_and_said():
    """Two items of a factor do not correlate at all: their geometric mean with any other correlation is 0."""
    answers = DATA["holzinger"].copy()
    x1, x2 = answers["x1"] - answers["x1"].mean(), answers["x2"] - answers["x2"].mean()
    answers["x2"] = x2 - x1 * (x1 @ x2) / (x1 @ x1)
    result = confirmatory(answers, THREE, estimator="ML")
    table = result.discriminant
    assert np.isnan(table.loc[[("visual", "textual"), ("visual", "speed")], "htmt2"]).all()
    assert np.isfinite(table.loc[("textual", "speed"), "htmt2"])
    assert np.isfinite(table["htmt"]).all()
    notes = [note for note in result.notes if "is undefined for" in note]
    assert notes == [
        "`htmt2` is undefined for visual and textual; visual and speed: items of a factor do not correlate, and it divides "
        "by these correlations."
    ]
