"""Ladders of invariance against semTools 0.5.6 and lavaan 0.6.14 (tests/oracles/invariance.R), and known truths."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.invariance import Invariance, invariance
from analysis.structure import FitError

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "invariance.json").read_text())
SEMTOOLS = "semTools 0.5.6 with lavaan 0.6.14"

HOLZINGER = pd.read_csv(ORACLES / "data" / "holzinger.csv")
THREE = {"visual": ["x1", "x2", "x3"], "textual": ["x4", "x5", "x6"], "speed": ["x7", "x8", "x9"]}
TEN = [f"{letter}{number}" for letter in "AC" for number in range(1, 6)]
TWO = {"A": TEN[:5], "C": TEN[5:]}
BFI = pd.read_csv(ORACLES / "data" / "bfi_people.csv").dropna(subset=TEN).reset_index(drop=True)
WAVE = [f"w{number}" for number in range(1, 6)]


def coded(data, cuts):
    """Join the answers of some items: the first category ends with the first of its numbers."""
    return data.assign(**{item: np.searchsorted(ends, data[item]) for item, ends in cuts.items()})


def long(name, waves=(1, 2), items=WAVE):
    """Response × item of a file with a column for every item and wave."""
    wide = pd.read_csv(ORACLES / "data" / f"{name}.csv")
    frames = [
        wide[[f"{item}_{wave}" for item in items]]
        .set_axis(items, axis=1)
        .assign(wave=f"wave {wave}", person=np.arange(len(wide)))
        for wave in waves
    ]
    return pd.concat(frames, ignore_index=True)


def over_time(data, items=WAVE, **options):
    return invariance(data[items], data["wave"], {"f": items}, longitudinal=True, people=data["person"], **options)


def three_groups():
    position = np.arange(1, len(BFI) + 1)
    data = BFI.assign(set=pd.Series(["first", "second", "third"])[position % 3].to_numpy())
    easier = (data["set"] == "third") & (position % 4 == 0)
    return data.assign(C3=data["C3"].where(~easier, np.minimum(data["C3"] + 1, 6)))


MIXED = {"A1": [3], "C2": [3], "A2": [2, 4], "C1": [2, 4], "A5": [1, 2, 4, 5]}
THIRD = BFI.iloc[::3].reset_index(drop=True)
LADDERS = {
    "ml": lambda: invariance(HOLZINGER.filter(regex="^x"), HOLZINGER["school"], THREE, estimator="ML"),
    "mlr": lambda: invariance(HOLZINGER.filter(regex="^x"), HOLZINGER["school"], THREE, estimator="MLR"),
    "wlsmv": lambda: invariance(BFI[TEN], BFI["gender"], TWO),
    "three": lambda: invariance(coded(THIRD, {item: [2, 4] for item in TEN})[TEN], THIRD["gender"], TWO),
    "binary": lambda: invariance(coded(BFI, {item: [3] for item in TEN})[TEN], BFI["gender"], TWO),
    "mixed": lambda: invariance(coded(THIRD, MIXED)[TEN], THIRD["gender"], TWO),
    "mixed_five": lambda: invariance(
        coded(THIRD, {item: MIXED[item] for item in ("A2", "A5")})[TEN], THIRD["gender"], {"A": TEN[:5]}
    ),
    "groups": lambda: invariance(three_groups()[TEN], three_groups()["set"], {"C": TEN[5:]}),
    "waves": lambda: over_time(long("invariance_waves")),
    "three_waves": lambda: over_time(long("invariance_three_waves", (1, 2, 3)), WAVE[:4]),
    "fiml": lambda: over_time(long("invariance_gaps"), estimator="MLR", missing="fiml"),
}


@pytest.fixture(scope="module")
def ladders():
    kept: dict[str, Invariance] = {}

    def found(name):
        if name not in kept:
            kept[name] = LADDERS[name]()
        return kept[name]

    return found


@pytest.mark.parametrize("name", LADDERS)
def test_ladder_is_semtools(name, ladders, agrees):
    expected = ORACLE[name]["fit"]
    table = ladders(name).table.loc[list(expected)]
    for column, theirs in (("df", "df"), ("npar", "npar")):
        assert table[column].tolist() == [fit[theirs] for fit in expected.values()], column
    scaled = [column for column in ("chisq_scaled",) if column in table]
    for column in ("chisq", *scaled):
        values = [fit[column.replace("_", ".")] for fit in expected.values()]
        # lavaan stops when its criterion falls by less than 1e-10 of itself.
        agrees(f"{column}, invariance {name}", table[column], values, oracle=SEMTOOLS, relative=2e-6)
    indices = ["cfi", "tli", "rmsea", "srmr", *(["cfi_scaled", "tli_scaled", "rmsea_scaled"] if scaled else [])]
    values = [[fit[column.replace("_", ".")] for column in indices] for fit in expected.values()]
    agrees(f"CFI, TLI, RMSEA, SRMR, invariance {name}", table[indices], values, oracle=SEMTOOLS, absolute=1e-6)


@pytest.mark.parametrize("name", LADDERS)
def test_step_tests_are_lavaans(name, ladders, agrees):
    """Where semTools' ladder has the same steps one after the other: not after a step that it writes otherwise."""
    expected = dict(zip(list(ORACLE[name]["fit"])[1:], ORACLE[name]["difference"], strict=True))
    table = ladders(name).table
    compared = [step for step, test in expected.items() if test]
    # Two answers: semTools fixes residuals in the step loadings, which is no step of ours (Wu & Estabrook, 2016), and
    # the oracle's three waves leave out thresholds: what follows there is compared with another step.
    compared = [step for step in compared if (name, step) not in {("mixed", "intercepts"), ("three_waves", "loadings")}]
    assert compared
    ours = table.loc[compared, ["difference", "difference_df"]].astype(float)
    theirs = [[expected[step]["statistic"], expected[step]["df"]] for step in compared]
    agrees(f"step tests, invariance {name}", ours, theirs, oracle=SEMTOOLS, relative=1e-5)
    p = [expected[step]["p"] for step in compared]
    agrees(
        f"p of step tests, invariance {name}", table.loc[compared, "difference_p"], p, oracle=SEMTOOLS, absolute=1e-5
    )


def test_steps_without_degrees_of_freedom_are_not_testable(ladders):
    three = ladders("three")
    assert three.table.loc["thresholds", "verdict"] == "not testable"
    assert np.isnan(three.table.loc["thresholds", "difference_p"])
    assert any(note.startswith("With three answers (A1, A2") for note in three.notes)
    binary = ladders("binary")
    assert binary.table["verdict"].tolist()[:3] == ["reference", "not testable", "not testable"]
    assert binary.table.loc[["thresholds", "loadings"], "df"].tolist() == [68, 68]
    np.testing.assert_allclose(binary.table["chisq"].iloc[:3], binary.table["chisq"].iloc[0], rtol=1e-7)
    # Per item one threshold and one loading, less a mean and a variance of each factor and a free residual per item.
    assert binary.table.loc["intercepts", "difference_df"] == 2 * 10 - 10 - 4
    assert any("first restrict something in the step intercepts" in note for note in binary.notes)
    assert "passed" not in repr(binary)


def test_items_with_two_answers_leave_the_other_items_testable(ladders):
    """Thresholds: those of six answers restrict 3, of five 2, of three 0; loadings: one each, less two variances."""
    table = ladders("mixed").table
    cuts = [len(MIXED.get(item, range(5))) for item in TEN]
    assert table.loc["thresholds", "difference_df"] == sum(max(each - 2, 0) for each in cuts)
    assert table.loc["loadings", "difference_df"] == sum(each > 1 for each in cuts) - 2
    assert table.loc["intercepts", "difference_df"] == len(TEN) - 2
    assert table.loc["residuals", "difference_df"] == len(TEN)


def test_verdicts_follow_holm(ladders):
    table = ladders("wlsmv").table
    p = table["difference_p"].iloc[1:]
    order = p.sort_values()
    adjusted = np.minimum(np.maximum.accumulate(order * [4, 3, 2, 1]), 1)
    np.testing.assert_allclose(table["p_adjusted"].iloc[1:], adjusted[p.index])
    assert table["verdict"].tolist() == ["reference", "not rejected", "rejected", "not judged", "not judged"]
    np.testing.assert_allclose(table["delta_cfi"].iloc[1:], np.diff(table["cfi_scaled"]))
    np.testing.assert_allclose(table["delta_rmsea"].iloc[1:], np.diff(table["rmsea_scaled"]))
    np.testing.assert_allclose(table["delta_srmr"].iloc[1:], np.diff(table["srmr"]), atol=1e-8)


def test_cut_offs_stand_beside_and_say_whose_they_are(ladders):
    result = ladders("ml")
    assert result.cutoffs.index.is_unique
    assert result.cutoffs.index.names == ["step", "rule"]
    scalar = result.cutoffs.loc["scalar"]
    change = result.table.loc["scalar", "delta_cfi"]
    assert scalar.loc["ΔCFI, Cheung & Rensvold (2002)", "value"] == change
    assert bool(scalar.loc["ΔCFI, Cheung & Rensvold (2002)", "exceeded"]) == (change < -0.01)
    assert bool(scalar.loc["ΔRMSEA, Chen (2007), n ≤ 300", "exceeded"]) == (scalar["value"].iloc[-1] > 0.010)
    assert result.cutoffs["error_rate"].isna().all()


@pytest.fixture(scope="module")
def partial():
    return over_time(long("invariance_waves"), partial=True, effect_sizes=True)


def test_partial_invariance_lets_go_what_was_moved(partial):
    """In the simulated waves one item alone, w3, became easier."""
    assert partial.released.index.tolist() == [("intercepts (partial)", "w3 ~ 1")]
    assert partial.released.columns.tolist() == ["block", "statistic", "change", "step_p_after"]
    row = partial.released.iloc[0]
    assert row["block"] == "wave 2"
    assert row["statistic"] > stats.chi2.isf(0.001, 1)
    # .4 standard deviations of the answers behind the item, in units of its residual.
    assert row["change"] == pytest.approx(0.4 / np.sqrt(1 - 0.7**2), rel=0.35)
    table = partial.table
    assert table.loc["intercepts", "verdict"] == "rejected"
    assert table.loc["intercepts (partial)", "verdict"] == "not rejected"
    assert table.loc["intercepts (partial)", "difference_p"] == row["step_p_after"]
    assert np.isnan(table.loc["intercepts (partial)", "p_adjusted"])
    # What follows is compared with the partial model and keeps what it let go.
    assert table.loc["residuals", "verdict"] == "not rejected"
    assert table.loc["residuals", "df"] - table.loc["intercepts (partial)", "df"] == 5
    assert table.loc["residuals", "delta_srmr"] == pytest.approx(
        table.loc["residuals", "srmr"] - table.loc["intercepts (partial)", "srmr"]
    )
    assert "w3 ~ 1 [wave 2]" in partial.parameters.index
    assert any("second sample" in note for note in partial.notes)
    assert not any("not judged" in note for note in partial.notes)


def test_what_has_lost_its_unit_is_released_with_it():
    """Thresholds that were let go take the item's other parameters along; a decision once made stands."""
    rng = np.random.default_rng(4)
    behind = rng.normal(size=(1200, 1)) + rng.normal(size=(1200, 5))
    group = np.repeat(["a", "b"], 600)
    answers = np.digitize(behind, [-1.5, -0.5, 0.5, 1.5])
    # The same answers, other distances: no linear change makes these cuts those of the first group.
    answers[group == "b", 2] = np.digitize(behind[group == "b", 2], [-2.5, -2.0, -0.2, 2.5])
    result = invariance(
        pd.DataFrame(answers, columns=list("vwxyz")), pd.Series(group), {"f": list("vwxyz")}, partial=True
    )
    assert result.released.index.tolist() == [("thresholds (partial)", "x | t")]
    table = result.table
    assert table.loc["thresholds", "verdict"] == "rejected"
    assert table.loc["thresholds (partial)", "difference_df"] == 4 * 2
    assert table.loc["loadings", "difference_df"] == 4 - 1
    assert table.loc["intercepts", "difference_df"] == 4 - 1
    assert table.loc["residuals", "difference_df"] == 4
    own = [name for name in result.parameters.index if name.endswith("[b]")]
    assert {"f =~ x [b]", "x|t1 [b]", "x|t4 [b]"} <= set(own)
    assert not any("not judged" in note for note in result.notes)
    assert "x ~ 1 [b]" not in own


@pytest.mark.parametrize("estimator", ["ML", "MLR"])
def test_partial_invariance_of_continuous_answers(estimator):
    """Byrne et al.'s example of schools: x3 and x7 are known to differ in level (lavaan's tutorial data)."""
    result = invariance(HOLZINGER.filter(regex="^x"), HOLZINGER["school"], THREE, estimator=estimator, partial=True)
    scalar = result.released.loc["scalar (partial)"]
    assert set(scalar.index) == {"x3 ~ 1", "x7 ~ 1"}


def test_effect_sizes_of_continuous_answers_are_the_closed_form(agrees):
    result = invariance(HOLZINGER.filter(regex="^x"), HOLZINGER["school"], THREE, estimator="ML", effect_sizes=True)
    expected = ORACLE["dmacs_ml"]
    assert result.effect_sizes.index.names == ["item", "block"]
    ours = result.effect_sizes["dmacs"].droplevel("block")[list(expected)]
    agrees(
        "dMACS (Nye & Drasgow), ML", ours, list(expected.values()), oracle="lavaan 0.6.14, closed form", absolute=1e-5
    )


def test_effect_sizes_of_ordered_answers_are_the_integral(agrees):
    result = invariance(BFI[TEN], BFI["gender"], {"A": TEN[:5]}, effect_sizes=True)
    expected = pd.DataFrame(ORACLE["dmacs_ordered"]).T
    ours = result.effect_sizes.droplevel("block").loc[expected.index, ["dmacs", "difference"]]
    agrees(
        "dMACS (Nye & Drasgow), WLSMV", ours, expected[ours.columns], oracle="lavaan 0.6.14, integrate", absolute=1e-5
    )


def test_effect_sizes_follow_what_was_moved(partial):
    sizes = partial.effect_sizes.droplevel("block")
    assert sizes["dmacs"].idxmax() == "w3"
    assert sizes.loc["w3", "difference"] == pytest.approx(0.34, abs=0.1)


def test_an_item_of_two_factors_has_an_effect_size_over_both():
    """Brute force over the two factors, at the item's own parameters."""
    rng = np.random.default_rng(6)
    factors = rng.multivariate_normal([0, 0], [[1, 0.4], [0.4, 1]], size=1000)
    loadings = np.array([[0.8, 0], [0.7, 0], [0.7, 0], [0.5, 0.5], [0, 0.8], [0, 0.7], [0, 0.7]])
    answers = factors @ loadings.T + rng.normal(size=(1000, 7)) * 0.6
    group = pd.Series(np.repeat(["a", "b"], 500))
    answers[500:, 3] += 0.5 + 0.4 * factors[500:, 1]
    data = pd.DataFrame(answers, columns=list("pqrstuv"))
    result = invariance(data, group, {"f": list("pqrs"), "g": list("stuv")}, estimator="ML", effect_sizes=True)
    found = result.effect_sizes.loc[("s", "b")]
    # The truth: .5 + .4 g, whose mean square is .25 + .16; loadings are on factors of variance 1.
    assert found["dmacs"] * found["sd"] == pytest.approx(np.sqrt(0.25 + 0.16), abs=0.08)
    assert found["difference"] == pytest.approx(0.5, abs=0.08)


def simulated(rng, people, *, groups=2, items=6, cuts=(-0.8, -0.1, 0.6, 1.3)):
    """Equal groups, one factor, skewed answers."""
    behind = 0.7 * rng.normal(size=(people * groups, 1)) + np.sqrt(0.51) * rng.normal(size=(people * groups, items))
    names = [f"i{number}" for number in range(items)]
    return pd.DataFrame(np.digitize(behind, cuts), columns=names), pd.Series(np.repeat(np.arange(groups), people))


def test_step_tests_reject_equal_groups_as_often_as_they_say():
    """30 pairs of equal groups of 200: each step's test at 5 %, the verdict at most so."""
    rng = np.random.default_rng(21)
    steps, verdicts = [], 0
    for _ in range(30):
        answers, group = simulated(rng, 200)
        table = invariance(answers, group, {"f": list(answers)}).table
        steps.append(table["difference_p"].iloc[1:].to_numpy())
        verdicts += bool((table["verdict"] == "rejected").any())
    shares = (np.array(steps) < 0.05).mean(axis=0)
    # 120 tests at 5 %: more than 14 rejections happen once in 700 times; the four steps are nearly independent.
    assert 0 < shares.mean() <= 14 / 120
    # 30 verdicts at 5 %: more than 6 happen once in 1,000 times.
    assert verdicts <= 6


def test_error_rates_of_cut_offs_are_those_of_equal_groups():
    """Small groups: ΔCFI beyond .01 is common in equal groups, and far rarer in groups of 1,000."""
    rng = np.random.default_rng(3)
    answers, group = simulated(rng, 75)
    few = invariance(answers, group, {"f": list(answers)}, estimator="ML", draws=8, seed=1)
    rule = "ΔCFI, Cheung & Rensvold (2002)"
    rates = few.cutoffs["error_rate"].unstack()[rule]
    assert rates.max() > 0.1
    assert "8 of 8 simulated data sets of equal blocks (seed 1" in few.method
    first, again = (invariance(answers, group, {"f": list(answers)}, estimator="ML", draws=2, seed=1) for _ in range(2))
    pd.testing.assert_frame_equal(first.cutoffs, again.cutoffs)
    answers, group = simulated(rng, 1000)
    many = invariance(answers, group, {"f": list(answers)}, estimator="ML", draws=3)
    assert many.cutoffs["error_rate"].unstack()[rule].max() <= 0.1


def test_error_rates_of_waves_and_ordered_answers():
    result = over_time(long("invariance_waves"), draws=3)
    rates = result.cutoffs["error_rate"].unstack()
    assert rates.loc[["thresholds", "loadings", "intercepts", "residuals"]].notna().all(axis=None)
    assert rates.isin([0, 1 / 3, 2 / 3, 1]).all(axis=None)


def test_an_answer_unused_in_one_group_is_joined_in_all():
    answers, group = simulated(np.random.default_rng(5), 300)
    thinned = answers.copy()
    thinned.loc[(group == 1) & (answers["i2"] == 4), "i2"] = 3
    thinned.loc[(group == 0) & (answers["i3"] == 0), "i3"] = 1
    result = invariance(thinned, group, {"f": list(answers)})
    note = next(each for each in result.notes if "joined" in each)
    assert note == ("Answers that some group never gave are joined in all (i2: answer 4 with 3; i3: answer 0 with 1).")
    by_hand = thinned.assign(i2=thinned["i2"].clip(upper=3), i3=thinned["i3"].clip(lower=1))
    pd.testing.assert_frame_equal(invariance(by_hand, group, {"f": list(answers)}).table, result.table)
    # What is joined can be joined again.
    thinned.loc[(group == 1) & (answers["i2"] == 3), "i2"] = 2
    thinned.loc[(group == 1) & (answers["i2"] == 4), "i2"] = 2
    again = invariance(thinned, group, {"f": list(answers)})
    assert any("i2: answer 4 with 3, 3 with 2" in each for each in again.notes)


def test_group_order_is_the_categories():
    """The first category gives the unit: its factor has variance 1 and mean 0, whichever comes first in the data."""
    answers, group = simulated(np.random.default_rng(7), 250)
    named = group.map({0: "east", 1: "west"})
    west = pd.Series(pd.Categorical(named, categories=["west", "north", "east"]))
    result = invariance(answers, west, {"f": list(answers)})
    assert result.title == "Measurement invariance over groups (west, east)"
    assert "f ~ 1 [east]" in result.parameters.index
    plain = invariance(answers, named, {"f": list(answers)})
    assert "f ~ 1 [west]" in plain.parameters.index
    columns = ["chisq", "chisq_scaled", "df"]
    np.testing.assert_allclose(plain.table[columns].astype(float), result.table[columns].astype(float), rtol=1e-6)


def test_who_is_left_out_is_noted():
    answers, group = simulated(np.random.default_rng(9), 250)
    answers = answers.astype(float)
    answers.iloc[:7, 0] = np.nan
    group = group.astype("Int64")
    group.iloc[10:13] = pd.NA
    result = invariance(answers, group, {"f": list(answers)})
    assert "3 of 500 responses have no group and are left out." in result.notes
    assert "7 of 497 responses have a gap and are left out (listwise)." in result.notes
    assert "group 0: n = 240, group 1: n = 250;" in result.method
    everyone = invariance(answers, group, {"f": list(answers)}, estimator="MLR", missing="fiml")
    assert "group 0: n = 247, group 1: n = 250;" in everyone.method
    assert not any("missing at random" in note for note in result.notes)
    assert any(note.startswith("0.2 % of the answers were missing; full-inf") for note in everyone.notes)
    answers.iloc[3] = np.nan
    fewer = invariance(answers, group, {"f": list(answers)}, estimator="ML", missing="fiml")
    assert "1 of 497 responses have no answer at all and are left out." in fewer.notes


def test_waves_use_linked_people_or_everyone():
    data = long("invariance_waves")
    dropped = data[~((data["wave"] == "wave 2") & (data["person"] < 100))]
    linked = over_time(dropped)
    assert any(note.startswith("100 of 400 people did not answer in full in every wave") for note in linked.notes)
    assert "300 people in 2 waves" in linked.method
    # Who answered in full in no wave counts among the people, too.
    gaps = dropped.copy()
    gaps.loc[gaps["person"].isin([7, 200, 201]), "w2"] = np.nan
    partly = over_time(gaps)
    assert any(note.startswith("102 of 400 people did not answer in full in every wave") for note in partly.notes)
    gaps.loc[gaps["person"] == 200, WAVE] = np.nan
    silent = over_time(gaps, estimator="MLR", missing="fiml")
    assert "1 of 400 people gave no answer at all and are left out." in silent.notes
    assert "299 of 399 people answered in every wave; all 399 are used." in silent.notes
    everyone = over_time(dropped, estimator="MLR", missing="fiml")
    assert "300 of 400 people answered in every wave; all 400 are used." in everyone.notes
    # The order of the responses is of no matter: people are matched by name.
    mixed = dropped.sample(frac=1, random_state=1).sort_values("wave", kind="stable")
    np.testing.assert_allclose(over_time(mixed).table["chisq"], linked.table["chisq"], rtol=1e-9)


@pytest.mark.parametrize("options", [{}, {"estimator": "MLR"}])
def test_waves_of_strangers_are_asked_about(options):
    data = long("invariance_waves")
    assert not any("same people" in note for note in over_time(data, **options).notes)
    mixed = np.random.default_rng(1).permutation(400)
    strangers = data.assign(person=np.where(data["wave"] == "wave 2", mixed[data["person"]], data["person"]))
    (note,) = [note for note in over_time(strangers, **options).notes if "same people" in note]
    assert "(f, wave 1 and wave 2) between waves: are these the same people? `people` must be ids" in note
    # Turned answers turn the factor of a wave, not the people.
    turned = data.copy()
    turned.loc[turned["wave"] == "wave 2", WAVE] = 4 - turned.loc[turned["wave"] == "wave 2", WAVE]
    assert not any("same people" in note for note in over_time(turned, **options).notes)


def test_a_factor_of_two_items_beside_others_and_small_groups():
    answers, group = simulated(np.random.default_rng(14), 60, items=5, cuts=(-0.6, 0.4))
    result = invariance(answers, group, {"f": ["i0", "i1", "i2"], "g": ["i3", "i4"]})
    assert result.table.loc["configural", "df"] == 2 * 4
    assert any("Fewer than 100 people in group 0, group 1" in note for note in result.notes)
    assert not any("Fewer people than parameters" in note for note in result.notes)


def test_fewer_people_than_parameters_is_noted():
    """Twelve items of one factor have 3 × 12 means, loadings and residuals in each group."""
    answers, group = simulated(np.random.default_rng(15), 40, items=12)
    answers, group = answers.iloc[:75], group.iloc[:75]
    result = invariance(answers, group, {"f": list(answers)}, estimator="ML")
    note = next(note for note in result.notes if note.startswith("Fewer people than parameters"))
    assert "(36 in the configural model) in group 1 (n = 35):" in note


def test_groups_that_are_numbers_are_called_by_their_kind():
    answers, group = simulated(np.random.default_rng(16), 120, items=3)
    model = {"f": list(answers)}
    named = invariance(answers, (group + 1).astype(float).rename("gender"), model, estimator="ML")
    assert named.title == "Measurement invariance over groups (gender 1, gender 2)"
    assert "gender 1: n = 120, gender 2: n = 120;" in named.method
    assert "f ~ 1 [gender 2]" in named.parameters.index
    words = invariance(answers, group.map({0: "peers", 1: "2"}).rename("role"), model, estimator="ML")
    assert words.title == "Measurement invariance over groups (peers, 2)"


def test_differences_that_are_rounding_are_nought(ladders):
    """Without degrees of freedom a step has no differences; equal thresholds leave the correlations' SRMR as it was."""
    deltas = ["delta_cfi", "delta_rmsea", "delta_srmr"]
    assert ladders("three").table.loc["thresholds", deltas].isna().all()
    assert ladders("wlsmv").table.loc["thresholds", "delta_srmr"] == 0
    changes = pd.concat([ladders(name).table[deltas].stack() for name in ("ml", "wlsmv", "three", "binary")])
    assert not ((changes != 0) & (changes.abs() < 1e-8)).any()


def test_a_scaled_chi_square_that_falls_is_explained(ladders):
    for name in ("ml", "mlr", "wlsmv", "groups", "waves"):
        table = ladders(name).table
        falls = "chisq_scaled" in table and bool((table["chisq_scaled"].diff() < 0).any())
        assert falls == any("need not rise" in note for note in ladders(name).notes), name
    assert (ladders("wlsmv").table["chisq_scaled"].diff() < 0).any()


def test_later_steps_that_are_not_judged_are_named(ladders):
    assert any(note.startswith("After loadings was rejected, later steps are not") for note in ladders("wlsmv").notes)
    assert not any("not judged" in note for note in ladders("waves").notes) or "not judged" in set(
        ladders("waves").table["verdict"]
    )


def refused(says, items, group, model, error=ValueError, **options):
    with pytest.raises(error) as raised:
        invariance(items, group, model, **options)
    for words in says:
        assert words in str(raised.value)


def test_bad_input_is_a_clear_sentence():
    answers, group = simulated(np.random.default_rng(2), 100)
    model = {"f": list(answers)}
    refused(["'WLSMV', 'ULSMV', 'ML' or 'MLR'", "'GLS'"], answers, group, model, estimator="GLS")
    refused(["'listwise' or 'fiml'"], answers, group, model, missing="pairwise")
    refused(["missing='fiml' needs"], answers, group, model, missing="fiml")
    refused(["draws must be", "-1"], answers, group, model, draws=-1)
    refused(["i_0 (is i0 meant?)"], answers, group, {"f": ["i_0", "i1", "i2"]})
    refused(["zzz: correct the names"], answers, group, {"f": ["zzz", "i1", "i2"]})
    refused(["map each factor to its items"], answers, group, {})
    refused(["list of items", "f has text"], answers, group, {"f": "abc"})
    refused(["a name that no item has", "i3"], answers, group, {"i3": ["i0", "i1", "i2"], "g": ["i3", "i4", "i5"]})
    refused(["at least 3 items", "too few: f"], answers, group, {"f": ["i0", "i1"]})
    refused(["at least 3 items", "too few: g"], answers, group, {"f": ["i0", "i1"], "g": ["i2"]})
    refused(["at least 2 groups", "got group 0"], answers, group * 0, model)
    refused(["groups must be a Series on the index"], answers, group.iloc[:-1], model)
    refused(["groups must be a Series on the index"], answers, group.to_numpy(), model)
    refused(["people must be a Series on the index"], answers, group, model, people=pd.Series(range(3)))
    refused(["twice", "reset_index"], answers.set_axis([0] * 200), group.set_axis([0] * 200), model)
    refused(["differ in type", "1, '1'"], answers, group.astype(object).where(group == 0, "1").replace(0, 1), model)
    refused(["items must be a DataFrame with one column an item"], answers.to_numpy(), group, model)
    refused(["at least 30 people", "group 1 has 20"], answers.iloc[:120], group.iloc[:120], model)


def test_bad_answers_are_a_clear_sentence():
    answers, group = simulated(np.random.default_rng(2), 100)
    model = {"f": list(answers)}
    stray = answers.copy()
    stray.iloc[150, 1] = 99
    refused(["i1", "99"], stray, group, model)
    text = answers.assign(i2=answers["i2"].astype(object))
    text.iloc[3, 2] = "often"
    refused(["i2 hold", "text", "code them as numbers"], text, group, model)
    refused(["i0", "whole numbers"], answers.assign(i0=answers["i0"] + 0.5), group, model)
    constant = answers.assign(i4=answers["i4"].where(group == 0, 2))
    refused(["share too few answers to i4", "leave the item out"], constant, group, model)
    refused(["without variance", "i4 in group 1"], constant, group, model, estimator="ML")
    refused(["i5"], answers.assign(i5=np.nan), group, model)
    doubled = answers.assign(i5=answers["i0"])
    refused(["i0", "i5"], doubled, group, model)


def test_people_and_waves_are_never_mistaken():
    data = long("invariance_waves")
    model = {"f": WAVE}
    refused(["never compared", "people"], data[WAVE], data["wave"], model, longitudinal=True)
    refused(["more than one group", "longitudinal=True"], data[WAVE], data["wave"], model, people=data["person"])
    twice = data.assign(person=data["person"].where(data["person"] != 5, 6))
    refused(
        ["1 people gave more than one response in wave 1"],
        twice[WAVE],
        twice["wave"],
        model,
        longitudinal=True,
        people=twice["person"],
    )
    apart = data.assign(person=data["person"] + 1000 * (data["wave"] == "wave 2"))
    refused(
        ["at least 30 people", "wave 1 has 0"],
        apart[WAVE],
        apart["wave"],
        model,
        longitudinal=True,
        people=apart["person"],
    )
    unknown = data["person"].astype(float).where(data["person"] > 3)
    found = invariance(data[WAVE], data["wave"], model, longitudinal=True, people=unknown)
    assert "4 responses of wave 1 belong to nobody known and are left out." in found.notes
    again = apart.assign(person=apart["person"].where(apart["person"] != 5, 6))
    refused(["further ones of the same people"], again[WAVE], again["wave"], model, people=again["person"])


def test_a_model_that_does_not_fit_is_named_by_its_step():
    rng = np.random.default_rng(1)
    answers = pd.DataFrame(rng.integers(0, 3, size=(200, 4)), columns=list("abcd"))
    group = pd.Series(np.repeat([0, 1], 100))
    with pytest.raises(FitError, match=r"^step configural: "):
        invariance(answers, group, {"f": list("ab"), "g": list("cd")})


def test_nothing_that_comes_in_is_changed(ladders):
    before = BFI.copy()
    ladders("wlsmv")
    pd.testing.assert_frame_equal(BFI, before)
