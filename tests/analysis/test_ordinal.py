"""Polychoric and polyserial correlations against lavaan 0.6.14 and psych 2.2.9 (tests/oracles/ordinal.R), and truth."""

import json
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from analysis import ordinal
from analysis.ordinal import (
    NotPositiveDefiniteWarning,
    ordinal_moments,
    polychoric,
    polyserial,
    refuse_stray_codes,
    smoothed,
)

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "ordinal.json").read_text())
LAVAAN = f"lavaan {ORACLE['versions']['lavaan'].replace('.14', '-14')}"
PSYCH = f"psych {ORACLE['versions']['psych']}"


def data(name: str) -> pd.DataFrame:
    files = {"bfi": "bfi_people", "gaps": "bfi_gaps"}
    frame = pd.read_csv(ORACLES / "data" / f"{files.get(name, f'ordinal_{name}')}.csv")
    return frame.iloc[:, :25]


def cut(behind: np.ndarray, at: list[float]) -> pd.DataFrame:
    names = list("abcdefghijkl")[: behind.shape[1]]
    return pd.DataFrame(np.digitize(behind, at) + 1, columns=names)


def drawn(n: int, correlation: float, *, items: int = 3, seed: int = 1) -> np.ndarray:
    matrix = np.full((items, items), correlation) + (1 - correlation) * np.eye(items)
    return np.random.default_rng(seed).multivariate_normal(np.zeros(items), matrix, size=n)


@pytest.mark.parametrize("expected", ORACLE["moments"], ids=lambda each: f"{each['set']}-{each['missing']}")
def test_thresholds_correlations_and_their_covariance_are_the_oracles(expected, agrees):
    found = ordinal_moments(data(expected["set"]), missing=expected["missing"])
    label = f"{expected['set']}, {expected['missing']}"
    assert found.n == expected["n"]
    cuts = len(expected["thresholds"])
    agrees(f"thresholds, {label}", found.statistics[:cuts], expected["thresholds"], oracle=LAVAAN, absolute=1e-5)
    agrees(
        f"polychoric correlations, {label}",
        found.statistics[cuts:],
        expected["correlations"],
        oracle=f"{LAVAAN} lavCor",
        absolute=1e-5,
    )
    theirs = np.asarray(expected["gamma_diagonal"])
    agrees(f"Γ, diagonal, {label}", np.diag(found.covariance), theirs, oracle=LAVAAN, relative=1e-5)
    rows = np.asarray(expected["gamma_rows"]) - 1
    scale = np.sqrt(np.outer(theirs[rows], theirs[rows]))
    agrees(
        f"Γ over its scale, {label}",
        found.covariance[np.ix_(rows, rows)] / scale,
        np.asarray(expected["gamma"]) / scale,
        oracle=LAVAAN,
        absolute=1e-5,
    )


@pytest.mark.parametrize("missing", ["listwise", "pairwise"])
def test_polyserial_correlations_and_their_errors_are_the_oracles(missing, agrees):
    items = data("unequal")[["x1", "x5", "x6", "x8"]].set_axis(list("abcd"), axis=1).astype(float)
    tests = pd.read_csv(ORACLES / "data" / "holzinger.csv")[["x2", "x4", "x9"]].set_axis(list("uvw"), axis=1)
    if missing == "pairwise":
        items.loc[0::7, "a"] = np.nan
        tests.loc[2::11, "u"] = np.nan
    found = polyserial(items, tests, missing=missing)
    expected = pd.DataFrame(ORACLE["polyserial"][missing]).set_index(["item", "variable"])
    assert found.index.tolist() == expected.index.tolist()
    for column, name in (("estimate", "polyserial correlations"), ("se", "  standard errors")):
        agrees(f"{name}, {missing}", found[column], expected[column], oracle=LAVAAN, absolute=1e-5)
    assert found.loc[("b", "w"), "n"] == 301
    assert found.loc[("a", "u"), "n"] == (
        301 if missing == "listwise" else (items["a"].notna() & tests["u"].notna()).sum()
    )


def test_smoothing_is_the_oracles(agrees):
    frame = pd.DataFrame(ORACLE["indefinite"], index=list("abcd"), columns=list("abcd"))
    found, note = smoothed(frame)
    agrees("smoothed correlations", found, ORACLE["smoothed"], oracle=f"{PSYCH} cor.smooth", absolute=1e-8)
    assert found.columns.tolist() == list("abcd")
    assert np.linalg.eigvalsh(found)[0] > 0
    assert f"{np.linalg.eigvalsh(frame)[0]:.3g}" in note
    assert f"{np.abs(found - frame).to_numpy().max():.3f}" in note


def test_smoothing_leaves_a_positive_definite_matrix_alone():
    matrix = np.array([[1, 0.5], [0.5, 1]])
    found, note = smoothed(matrix)
    assert found is matrix
    assert note == ""


@pytest.mark.parametrize(
    ("matrix", "words"),
    [
        (np.ones((2, 3)), "square"),
        (np.array([[1, np.nan], [np.nan, 1]]), "gaps"),
        (np.array([[1, 0.5], [0.4, 1]]), "symmetric"),
        (np.array([[2, 0.5], [0.5, 2]]), "not covariances"),
    ],
)
def test_smoothing_refuses_what_is_no_correlation_matrix(matrix, words):
    with pytest.raises(ValueError, match=words):
        smoothed(matrix)


@pytest.mark.parametrize(("first", "second"), [("a", "b"), ("a", "e"), ("c", "f")])
def test_a_correlation_maximises_the_likelihood(first, second):
    """By brute force: scipy's bivariate normal distribution function, and a search without derivatives."""
    items = data("sparse")
    table = pd.crosstab(items[first], items[second]).to_numpy()
    edges = [
        np.concatenate([[-9], stats.norm.ppf(np.cumsum(margin)[:-1] / margin.sum()), [9]])
        for margin in (table.sum(axis=1), table.sum(axis=0))
    ]
    corners = np.stack(np.meshgrid(*edges, indexing="ij"), axis=-1)

    def minus_loglik(rho: float) -> float:
        below = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf(corners)
        cells = np.diff(np.diff(below, axis=0), axis=1)
        return -float(np.sum(table * np.log(np.maximum(cells, 1e-300)), where=table > 0))

    best = optimize.minimize_scalar(minus_loglik, bounds=(-0.99, 0.99), method="bounded", options={"xatol": 1e-9})
    assert polychoric(items).loc[first, second] == pytest.approx(best.x, abs=1e-5)


@pytest.mark.parametrize("both", [10, 20, 29, 35])
def test_halves_have_the_correlation_that_sheppard_gave(both):
    """Both items cut at their medians: ρ = sin(2π (p₁₁ − ¼)) (Sheppard, 1899)."""
    counts = [both, 40 - both, 40 - both, both]
    answers = pd.DataFrame([[0, 0], [0, 1], [1, 0], [1, 1]], columns=["a", "b"]).loc[np.repeat(range(4), counts)]
    assert polychoric(answers).loc["a", "b"] == pytest.approx(np.sin(2 * np.pi * (both / 80 - 0.25)), abs=1e-12)


@pytest.mark.parametrize("rho", [-0.99, -0.6, 0.0, 0.3, 0.985])
@pytest.mark.parametrize("x", [-3.0, -0.5, 0.0, 1.2])
def test_the_bivariate_normal_distribution_is_scipys(x, rho):
    y = np.array([-2.5, -0.5, 0.0, 0.4, 1.2, 3.5])
    both = stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]])
    expected = both.cdf(np.column_stack([np.full(y.shape, x), y]))
    np.testing.assert_allclose(ordinal._binormal(np.full(y.shape, x), y, np.full(y.shape, rho)), expected, atol=1e-8)


def test_derivatives_of_cell_probabilities():
    cells = ordinal._Cells(
        np.array([[-1.0, 0.0, 0.7], [-0.2, 1.0, np.inf]]), np.array([[-0.5, 0.5, 2], [0, np.inf, np.inf]])
    )
    rho, step = np.array([0.6, -0.8]), 1e-5
    first, second = cells.derivatives(rho)
    ahead, behind = cells.probabilities(rho + step), cells.probabilities(rho - step)
    np.testing.assert_allclose(first, (ahead - behind) / (2 * step), atol=1e-8)
    change = cells.derivatives(rho + step)[0] - cells.derivatives(rho - step)[0]
    np.testing.assert_allclose(second, change / (2 * step), atol=1e-7)


def test_derivatives_and_tails_of_the_polyserial_likelihood():
    threshold, z, rho, step = np.array([-np.inf, -1.0, 0.4, 2.0, np.inf]), 0.7, np.array(0.6), 1e-5
    edges = [ordinal._edge(threshold, np.array(z), rho + shift) for shift in (-step, 0, step)]
    np.testing.assert_allclose(
        edges[1].slope, np.subtract(*stats.norm.cdf([edges[2].at, edges[0].at])) / (2 * step), atol=1e-8
    )
    np.testing.assert_allclose(edges[1].bend, (edges[2].slope - edges[0].slope) / (2 * step), atol=1e-8)
    far = ordinal._between(np.array([9.0, -10.0]), np.array([10.0, -9.0]))
    np.testing.assert_allclose(far, stats.norm.sf(9) - stats.norm.sf(10), rtol=1e-10)


def test_items_may_come_in_any_order_numbering_and_direction():
    items = data("unequal")
    plain = ordinal_moments(items)
    turned = ordinal_moments(items[items.columns[::-1]])
    np.testing.assert_allclose(turned.correlations[::-1, ::-1], plain.correlations, atol=1e-10)
    numbered = ordinal_moments(items * 2 - 7)
    np.testing.assert_allclose(numbered.covariance, plain.covariance, rtol=0, atol=1e-9)
    assert [each.tolist() for each in numbered.categories] == [(each * 2 - 7).tolist() for each in plain.categories]
    against = ordinal_moments(items.assign(x5=7 - items["x5"]))
    np.testing.assert_allclose(against.correlations[4, :4], -plain.correlations[4, :4], atol=1e-10)
    np.testing.assert_allclose(against.thresholds[4], -plain.thresholds[4][::-1], atol=1e-12)
    errors = against.standard_errors[-36:]
    np.testing.assert_allclose(errors, plain.standard_errors[-36:], atol=1e-10)


def test_statistics_and_errors_stand_in_one_order():
    items = data("unequal")[["x1", "x2", "x3"]]
    moments = ordinal_moments(items)
    assert moments.items == ("x1", "x2", "x3")
    assert [len(cuts) for cuts in moments.thresholds] == [1, 2, 3]
    upper = [moments.correlations[0, 1], moments.correlations[0, 2], moments.correlations[1, 2]]
    np.testing.assert_array_equal(moments.statistics, np.concatenate([*moments.thresholds, upper]))
    assert moments.covariance.shape == (9, 9)
    np.testing.assert_allclose(moments.covariance, moments.covariance.T, atol=1e-12)
    frame = polychoric(items)
    np.testing.assert_array_equal(frame.to_numpy(), moments.correlations)
    assert frame.index.tolist() == frame.columns.tolist() == ["x1", "x2", "x3"]


def test_without_the_covariance_there_are_no_errors():
    moments = ordinal_moments(data("unequal"), covariance=False)
    assert moments.covariance is None
    with pytest.raises(ValueError, match="covariance=True"):
        moments.standard_errors  # noqa: B018


# Gaps -----------------------------------------------------------------------------------------------------------------


def test_gaps_are_left_out_or_bridged_and_counted():
    items = data("gaps")
    whole = ordinal_moments(items)
    assert whole.n == len(items.dropna())
    assert whole.notes[0] == f"{len(items) - whole.n} of {len(items)} responses have a gap and are left out (listwise)."
    np.testing.assert_array_equal(whole.correlations, ordinal_moments(items.dropna()).correlations)
    pairs = ordinal_moments(items, missing="pairwise", covariance=False)
    known = items.notna().astype(int)
    np.testing.assert_array_equal(pairs.pair_n, known.T @ known)
    assert any(note.startswith("Pairwise") and f"{pairs.pair_n.min()} to" in note for note in pairs.notes)


def test_who_answered_nothing_does_not_count():
    items = data("unequal").astype(float)
    with_nobody = pd.concat([items, items.iloc[:2] * np.nan], ignore_index=True)
    found = ordinal_moments(with_nobody, missing="pairwise")
    assert found.n == len(items)
    assert found.notes[0] == "2 of 303 responses hold no answer and are left out."
    np.testing.assert_allclose(found.covariance, ordinal_moments(items).covariance, atol=1e-10)


# Clusters -------------------------------------------------------------------------------------------------------------


def test_people_as_their_own_clusters_change_nothing():
    items = data("unequal")
    own = pd.Series(np.random.default_rng(1).permutation(len(items)), index=items.index)
    found = ordinal_moments(items, clusters=own).covariance
    np.testing.assert_allclose(found, ordinal_moments(items).covariance, atol=1e-9)


def test_answering_twice_in_one_cluster_adds_no_information(monkeypatch):
    items = data("unequal")
    twice = pd.concat([items, items], ignore_index=True)
    clusters = pd.Series([f"team {each}" for each in range(len(items))] * 2)
    found = ordinal_moments(twice, clusters=clusters)
    expected = ordinal_moments(items)
    np.testing.assert_allclose(found.standard_errors, expected.standard_errors, rtol=1e-8)
    np.testing.assert_allclose(found.covariance / found.n, expected.covariance / expected.n, atol=1e-10)
    # The same when people are added up in many small blocks.
    monkeypatch.setattr(ordinal, "_BLOCK", 700)
    for blocked, whole in (
        (ordinal_moments(twice, clusters=clusters), found),
        (ordinal_moments(items), expected),
    ):
        np.testing.assert_allclose(blocked.covariance, whole.covariance, atol=1e-8)


def test_clusters_follow_the_people_who_stay():
    items = data("unequal").astype(float)
    items.iloc[::5, 2] = np.nan
    teams = pd.Series(np.arange(len(items)) % 40, index=items.index, dtype=float)
    teams.iloc[0] = np.nan  # left out with the gap
    found = ordinal_moments(items, clusters=teams)
    stays = items.notna().all(axis=1)
    expected = ordinal_moments(items[stays], clusters=teams[stays])
    np.testing.assert_array_equal(found.covariance, expected.covariance)


@pytest.mark.parametrize(
    ("clusters", "words"),
    [
        (pd.Series([1, 2]), "on the index of the items"),
        (pd.Series(1, index=range(301)), "at least 5 clusters are needed, got 1"),
        (pd.Series(np.arange(301) % 4), "at least 5 clusters are needed, got 4"),
        (pd.Series([np.nan, *range(300)]), "1 of 301 responses have no cluster"),
    ],
)
def test_clusters_that_do_not_fit_are_refused(clusters, words):
    with pytest.raises(ValueError, match=words):
        ordinal_moments(data("unequal"), clusters=clusters)


@pytest.mark.parametrize(("many", "noted"), [(5, True), (29, True), (30, False)])
def test_few_clusters_are_noted(many, noted):
    notes = ordinal_moments(data("unequal"), clusters=pd.Series(np.arange(301) % many)).notes
    assert any(f"{many} clusters are few" in note for note in notes) == noted


@pytest.mark.parametrize("unit", [1e12, 1e90])
def test_codes_far_apart_give_the_same_correlations(unit):
    items = data("unequal")
    items = items.loc[:, items.nunique() > 2]  # of two codes far apart either may be a stray one
    np.testing.assert_array_equal(polychoric(items * unit), polychoric(items))


def test_more_unused_codes_than_can_be_listed_are_counted():
    codes = np.array([0, 1e12, 1e12 + 1, 2e12])
    items = pd.DataFrame({"a": np.tile(codes, 30), "b": np.tile(np.roll(codes, 1), 30)})
    items["b"] = items["b"].where(np.arange(120) % 3 > 0, items["a"])
    assert any("a (1999999999997 codes)" in note for note in ordinal_moments(items).notes)


def test_stray_codes_are_sought_among_a_few_whole_numbers_alone():
    items = pd.DataFrame({"age": [18.5, 99, 20, 30], "count": range(4), "answer": [1, 2, 3, np.nan]})
    refuse_stray_codes(items)
    refuse_stray_codes(items.iloc[:0])
    with pytest.raises(ValueError, match="answer has the code 99"):
        refuse_stray_codes(items.assign(answer=[1, 2, 3, 99]))


@pytest.mark.parametrize("continuous", [np.arange(301.0), None])
def test_polyserial_refuses_what_is_no_table(continuous):
    with pytest.raises(ValueError, match="continuous a Series or DataFrame"):
        polyserial(data("unequal"), continuous)


def test_clusters_without_covariance_are_refused():
    items = data("unequal")
    with pytest.raises(ValueError, match="covariance=True"):
        ordinal_moments(items, clusters=pd.Series(items.index, index=items.index), covariance=False)


# Empty cells ----------------------------------------------------------------------------------------------------------


def test_empty_cells_are_noted():
    four = ordinal_moments(data("binary"), covariance=False)
    assert four.notes[0].startswith("An empty cell got 0.5 with the margins kept in the 2 × 2 table of ")
    many = ordinal_moments(data("sparse"), covariance=False)
    assert many.notes[-1] == "15 of 15 two-way tables have empty cells; nothing was added to them."


def test_unused_codes_are_noted():
    items = data("unequal")
    items["x5"] = items["x5"].replace(3, 4)
    moments = ordinal_moments(items, covariance=False)
    assert "Categories are those in use; nobody gave these in between: x5 (3)." in moments.notes
    assert moments.categories[4].tolist() == [1, 2, 4, 5, 6]


# Matrices that are not positive definite --------------------------------------------------------------------------------


def test_a_matrix_that_is_not_positive_definite_is_a_warning_and_stays_as_estimated():
    items = cut(drawn(40, 0.6, items=12, seed=2), [-0.8, 0.5])
    with pytest.warns(NotPositiveDefiniteWarning, match=r"smallest eigenvalue -0\.\d+.*smoothed"):
        found = polychoric(items)
    assert np.linalg.eigvalsh(found)[0] < 0
    np.testing.assert_array_equal(found, ordinal_moments(items, covariance=False).correlations)
    assert np.linalg.eigvalsh(smoothed(found)[0])[0] > 0


# Bad input ------------------------------------------------------------------------------------------------------------


def with_column(**columns: object) -> pd.DataFrame:
    return data("unequal").assign(**columns)


BAD = {
    "text": (lambda: with_column(bad=["x"] * 301), "bad holds text"),
    "infinite": (lambda: with_column(bad=[np.inf, *[1.0] * 300]), "bad holds infinite"),
    "constant": (lambda: with_column(bad=3), "all 301 responses are alike on bad.*leave it out"),
    "constant in the complete": (
        lambda: with_column(bad=[1.0, *[2.0] * 300], x1=[np.nan, *data("unequal")["x1"][1:]]),
        "all 300 responses are alike on bad",
    ),
    "silent": (lambda: with_column(bad=np.nan), "nobody answered bad"),
    "doubled name": (lambda: data("unequal")[["x1", "x2", "x1"]], "occur twice: x1"),
    "one item": (lambda: data("unequal")[["x1"]], "at least 2 items"),
    "no people": (lambda: data("unequal").iloc[:0], "at least 3 responses without a gap are needed, got 0"),
    "continuous": (lambda: with_column(bad=np.linspace(0, 1, 301)), "bad has 301 different answers.*polyserial"),
    "many whole numbers": (lambda: with_column(bad=range(301)), "bad has 301 different answers"),
    "thirteen answers": (lambda: with_column(bad=np.arange(301) % 13), "bad has 13 different answers"),
    "fractions": (lambda: with_column(bad=[1.5, *[1, 2, 3] * 100]), r"bad .*not whole numbers \(1\.5\)"),
    "stray 99": (
        lambda: with_column(bad=[99, 99, *[1, 2, 3, 4, 5] * 59, 1, 2, 3, 4]),
        r"bad has the code 99 \(given by 2 of 301\) far from its other codes 1 to 5.*replace\(99, float\('nan'\)\)",
    ),
    "stray 98 and 99": (lambda: with_column(bad=[99, 98, *[1, 2, 3] * 99, 1, 1]), "the code 98, 99 .*far from"),
    "stray 99 of two": (lambda: with_column(bad=[99, *[0, 1] * 150]), "the code 99 "),
    "stray -9": (lambda: with_column(bad=[-9, *[1, 2, 3, 4, 5] * 60]), "the code -9 .*1 to 5"),
    "stray 99 that others lead up to": (
        lambda: with_column(bad=[99, *[1, 2, 3, 4] * 75], x4=np.arange(301) % 10),
        "the code 99 .*1 to 4",
    ),
    "stray 9": (
        lambda: with_column(x6=[9, *data("unequal")["x6"][1:]], x5=1 + np.arange(301) % 3),
        "x6 has the code 9 ",
    ),
    "doubled item": (lambda: with_column(bad=data("unequal")["x5"]), r"of x5 and bad \(\+\) is perfect"),
    "reversed item": (lambda: with_column(bad=-data("unequal")["x5"]), r"of x5 and bad \(−\) is perfect"),
    "doubled binary item": (lambda: with_column(bad=data("unequal")["x1"]), "of x1 and bad .*leave one of each pair"),
    "coarser item": (lambda: with_column(bad=(data("unequal")["x5"] > 3) * 1), r"of x5 and bad \(\+\) is perfect"),
}


@pytest.mark.parametrize(("items", "words"), BAD.values(), ids=BAD)
def test_bad_answers_are_refused_by_name(items, words):
    with pytest.raises(ValueError, match=words):
        ordinal_moments(items())


def test_a_pair_that_nobody_answered_is_refused():
    first, second = data("unequal")["x3"].astype(float), data("unequal")["x4"].astype(float)
    items = with_column(left=first.where(first.index % 2 == 0), right=second.where(second.index % 2 == 1))
    with pytest.raises(ValueError, match=r"nobody answered both of left with right: .*leave one of each"):
        ordinal_moments(items, missing="pairwise")
    with pytest.raises(ValueError, match=r"at least 3 responses without a gap.*missing='pairwise'"):
        ordinal_moments(items)


def test_a_pair_whose_common_people_are_alike_is_refused():
    items = data("unequal").astype(float)
    items.loc[items["x1"] == 1, "x2"] = np.nan
    with pytest.raises(ValueError, match="who answered both x1 and x2 are alike on x1"):
        ordinal_moments(items, missing="pairwise")


@pytest.mark.parametrize("code", [(1, 2, 5), (1, 3, 5), (0, 50, 100), (0, 1), (1, 2, 3, 6)])
def test_codes_that_are_far_apart_without_being_stray_are_used(code):
    behind = drawn(200, 0.5, items=2)
    cuts = np.linspace(-0.8, 0.8, len(code) - 1)
    answers = pd.DataFrame(np.asarray(code)[np.digitize(behind, cuts)], columns=["a", "b"])
    plain = pd.DataFrame(np.digitize(behind, cuts), columns=["a", "b"])
    assert polychoric(answers).equals(polychoric(plain))


def test_an_answer_that_others_lead_up_to_is_no_stray():
    items = with_column(x6=[9, *data("unequal")["x6"][1:]], x4=3 + np.arange(301) % 5)
    assert ordinal_moments(items, covariance=False).categories[5].tolist() == [1, 2, 9]


def test_an_unknown_way_with_gaps_is_refused():
    with pytest.raises(ValueError, match="'listwise' or 'pairwise', got 'fiml'"):
        polychoric(data("unequal"), missing="fiml")


@pytest.mark.parametrize(
    ("continuous", "words"),
    [
        (pd.Series(range(5)), "index of the items"),
        (pd.Series(1.0, index=range(301), name="age"), "alike on age"),
        (pd.Series(["x"] * 301, name="age"), "age holds text"),
        (pd.Series(range(301), name="x1"), "occur twice: x1"),
    ],
)
def test_polyserial_refuses_by_name(continuous, words):
    with pytest.raises(ValueError, match=words):
        polyserial(data("unequal"), continuous)


def test_polyserial_refuses_a_variable_that_nobody_has_beside_an_item():
    items = data("unequal").astype(float)
    items.loc[:150, "x1"] = np.nan
    age = pd.Series(np.random.default_rng(1).normal(size=301), name="age").where(items.index <= 150)
    with pytest.raises(ValueError, match="the 0 people who have both x1 and age"):
        polyserial(items, age, missing="pairwise")


def test_polyserial_refuses_a_perfect_correlation():
    age = pd.Series(stats.norm.ppf((np.arange(100) + 0.5) / 100), name="age")
    items = pd.DataFrame({"a": np.arange(100) // 25})
    with pytest.raises(ValueError, match=r"polyserial correlation of a and age .* is perfect"):
        polyserial(items, age)


# Truth by simulation --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gaps", [0.0, 0.2])
def test_estimates_are_unbiased_and_intervals_cover(gaps):
    """Skewed answers of 300 people, true correlations .5; with gaps, each answer is missing with that chance."""
    draws, n, truth, cuts = 120, 300, 0.5, [-1.5, -1, -0.4, 0.6]
    rng = np.random.default_rng(12)
    matrix = np.full((4, 4), truth) + (1 - truth) * np.eye(4)
    values = np.concatenate([np.tile(cuts, 4), np.full(6, truth)])
    estimates, covered = np.empty((draws, 22)), np.empty((draws, 22))
    for draw in range(draws):
        items = cut(rng.multivariate_normal(np.zeros(4), matrix, size=n), cuts).astype(float)
        items = items.mask(rng.random(items.shape) < gaps)
        found = ordinal_moments(items, missing="pairwise")
        estimates[draw] = found.statistics
        covered[draw] = np.abs(found.statistics - values) < stats.norm.ppf(0.975) * found.standard_errors
    # Three standard errors of the mean, and .01 for the bias that maximum likelihood has in small samples.
    error = estimates.std(axis=0) / np.sqrt(draws)
    assert np.all(np.abs(estimates.mean(axis=0) - values) < 3 * error + 0.01)
    # The mean over statistics; the draws' six correlations go together, so the error is taken over draws.
    share = covered[:, 16:].mean(axis=1)
    monte_carlo = 3 * share.std() / np.sqrt(draws)
    assert 0.93 - monte_carlo < share.mean() < 0.97 + monte_carlo
    thresholds = covered[:, :16].mean(axis=1)
    assert 0.93 - monte_carlo < thresholds.mean() < 0.97 + monte_carlo


def test_cluster_errors_are_as_large_as_chance():
    """People in 60 teams of 5 that share 60 % of what is behind their answers."""
    draws, rng = 80, np.random.default_rng(3)
    found, errors, naive = [], [], []
    teams = pd.Series(np.repeat(np.arange(60), 5))
    root = np.linalg.cholesky([[1, 0.5], [0.5, 1]])
    for _ in range(draws):
        behind = np.repeat(rng.normal(size=(60, 2)), 5, axis=0) * np.sqrt(0.6) + rng.normal(size=(300, 2)) * np.sqrt(
            0.4
        )
        items = cut(behind @ root.T, [-1, 0, 1])
        moments = ordinal_moments(items, clusters=teams)
        found.append(moments.statistics[-1])
        errors.append(moments.standard_errors[-1])
        naive.append(ordinal_moments(items).standard_errors[-1])
    spread = np.std(found, ddof=1)
    assert np.mean(errors) == pytest.approx(spread, rel=0.2)
    assert np.mean(naive) < 0.8 * spread


def test_strong_correlations_are_found():
    for rho in (-0.985, 0.97, 0.985):
        behind = np.random.default_rng(2).multivariate_normal([0, 0], [[1, rho], [rho, 1]], size=4000)
        assert polychoric(cut(behind, [-1.5, -0.5, 0.3, 1.1])).iloc[0, 1] == pytest.approx(rho, abs=0.006)


def test_few_people_and_many_items_never_give_anything_but_numbers():
    """Sparse sets of all kinds: a finite matrix, or a refusal that names the pair."""
    outcomes = set()
    for seed in range(25):
        rng = np.random.default_rng(seed)
        items = cut(drawn(int(rng.integers(12, 40)), rng.uniform(0, 0.8), items=8, seed=seed), [-1.6, -0.6, 0.4, 1.5])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", NotPositiveDefiniteWarning)
            refusal = ""
            try:
                found = polychoric(items)
            except ValueError as reason:
                refusal = str(reason)
        outcomes.add(refusal == "")
        if refusal:
            assert "is perfect" in refusal
            assert " and " in refusal
            continue
        assert np.isfinite(found.to_numpy()).all()
        gamma = ordinal_moments(items).covariance
        assert np.isfinite(gamma).all()
        assert (np.diag(gamma) > 0).all()
    assert outcomes == {True, False}
