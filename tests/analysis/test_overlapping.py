"""Partially overlapping samples: against a published example, R at both ends, the formulas, and hard samples."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.change_contrasts import CHANGE, PROGRAMME
from analysis.overlapping import overlapping_change, overlapping_samples
from analysis.result import LABELS

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "overlapping.json").read_text(encoding="utf-8"))
R = f"R {ORACLE['versions']['R']}"
SCORES = ["total", "part", "sparse"]


@pytest.fixture(scope="module")
def data():
    return pd.read_csv(ORACLES / "data" / "change.csv")


def waves_of(data, score):
    return [data[data["wave"] == wave].set_index("person")[score] for wave in (0, 1)]


def agree(agrees, found, expected, oracle):
    for column, theirs in expected.items():
        # The same arithmetic in double precision.
        what = f"partially overlapping samples: {LABELS[column]}"
        agrees(what, found[column], theirs, oracle=oracle, relative=1e-8)


def test_published_example(agrees):
    known = ORACLE["published"]
    before = pd.Series([*known["before_linked"], *known["before_alone"]], index=range(16))
    after = pd.Series([*known["after_linked"], *known["after_alone"]], index=[*range(8), *range(100, 108)])
    found = overlapping_samples(before, after, variances="equal")
    # Printed with three decimals.
    oracle = "Derrick, Toher & White (2017), worked example"
    agrees("partially overlapping samples: p", found["p"], known["p"], oracle=oracle, absolute=5e-4)
    assert found["n_linked"] == 8
    assert found["estimate"] == np.mean(after) - np.mean(before)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("variances", ["unequal", "equal"])
def test_partly_linked_agrees_with_the_formulas_in_r(data, score, variances, agrees):
    found = overlapping_samples(*waves_of(data, score), variances=variances)
    agree(agrees, found, ORACLE["partly"][score][variances], f"{R}, formulas of Derrick et al. (2017)")


@pytest.mark.parametrize("score", SCORES)
def test_nobody_linked_is_welch_and_everybody_linked_is_the_paired_test(data, score, agrees):
    before, after = waves_of(data, score)
    strangers = after.rename(lambda person: f"new {person}")
    for variances, expected in ORACLE["nobody"][score].items():
        agree(agrees, overlapping_samples(before, strangers, variances=variances), expected, f"{R} t.test")
    both = before.dropna().index.intersection(after.dropna().index)
    found = overlapping_samples(before.loc[both], after.loc[both])
    agree(agrees, found, ORACLE["everybody"][score]["unequal"], f"{R} t.test, paired")


def test_linked_people_narrow_the_interval_and_their_order_does_not_matter(data):
    before, after = waves_of(data, "total")
    found = overlapping_samples(before, after)
    assert found["se"] < overlapping_samples(before, after.rename(lambda person: f"new {person}"))["se"]
    shuffled = overlapping_samples(before.sample(frac=1, random_state=1), after.sample(frac=1, random_state=2))
    np.testing.assert_allclose(shuffled, found, rtol=1e-12)


def test_one_linked_person_counts_as_two():
    before = pd.Series([1.0, 2, 3, 4], index=list("abcd"))
    after = pd.Series([2.0, 3, 5], index=list("axy"))
    strangers = overlapping_samples(before, after.set_axis(list("wxy")))
    np.testing.assert_allclose(overlapping_samples(before, after).drop("n_linked"), strangers.drop("n_linked"))


def test_a_team_of_four_has_an_interval():
    rows = pd.DataFrame({"wave": [0] * 4 + [1] * 4, "person": [*"abcd", *"abce"]})
    row = overlapping_change(pd.Series([50.0, 60, 55, 58, 58, 63, 61, 40]), rows).contrasts.loc[CHANGE]
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert 1 < row["df"] < 6
    assert [row["n_before"], row["n_after"], row["n_linked"]] == [4, 4, 3]


def test_forms_weigh_alike_with_satterthwaites_degrees_of_freedom():
    rng = np.random.default_rng(5)
    form = np.repeat(["C", "M", "C", "M"], [30, 6, 20, 9])
    rows = pd.DataFrame({"wave": np.repeat([0, 1], [36, 29]), "person": [*range(36), *range(10, 39)], "form": form})
    values = pd.Series(50 + 60.0 * (form == "M") + rng.normal(0, 5, len(rows)))
    row = overlapping_change(values, rows).contrasts.loc[CHANGE]
    parts = []
    for name in "CM":
        of_form = [rows[(rows["form"] == name) & (rows["wave"] == wave)] for wave in (0, 1)]
        parts.append(overlapping_samples(*(values[who.index].set_axis(who["person"]) for who in of_form)))
    first, second = parts
    variance = np.array([first["se"], second["se"]]) ** 2
    assert row["estimate"] == pytest.approx((first["estimate"] + second["estimate"]) / 2, rel=1e-12)
    assert row["se"] == pytest.approx(np.sqrt(variance.sum()) / 2, rel=1e-12)
    df = variance.sum() ** 2 / (variance**2 / [first["df"], second["df"]]).sum()
    assert row["df"] == pytest.approx(df, rel=1e-12)
    # A changed mix alone moves the plain mean: three more managers would read as change.
    together = overlapping_change(values, rows.drop(columns="form")).contrasts.loc[CHANGE, "estimate"]
    assert together > row["estimate"] + 5


def test_arms_are_compared_person_by_person_without_places():
    rng = np.random.default_rng(1)
    rows = pd.DataFrame({"wave": np.repeat([0, 1], 40), "person": range(80), "programme": np.tile([0.0, 1.0], 40)})
    values = pd.Series(50 + 6 * rows["wave"] * rows["programme"] + rng.normal(0, 4, 80))
    found = overlapping_change(values, rows).contrasts
    apart = {}
    for name, arm in (("programme", 1.0), ("control", 0.0)):
        chosen = rows["programme"] == arm
        apart[name] = overlapping_change(values[chosen], rows[chosen].drop(columns="programme")).contrasts.loc[CHANGE]
        assert found.loc[name, "p"] == pytest.approx(apart[name]["p"], rel=1e-10)
    difference = apart["programme"]["estimate"] - apart["control"]["estimate"]
    assert found.loc[PROGRAMME, "estimate"] == pytest.approx(difference)
    assert found.loc[PROGRAMME, "se"] == pytest.approx(np.hypot(apart["programme"]["se"], apart["control"]["se"]))


def test_a_form_of_one_wave_is_left_out_with_a_note():
    rows = pd.DataFrame({"wave": [0] * 4 + [1] * 6, "person": range(10), "form": [*"CCMM", *"CCMMPP"]})
    found = overlapping_change(pd.Series([5.0, 4, 6, 8, 7, 6, 9, 9, 1, 2]), rows)
    assert found.contrasts.loc[CHANGE, "n_after"] == 4
    assert any("form P was left out" in note for note in found.notes)


@pytest.mark.parametrize(
    ("before", "after", "options", "message"),
    [
        ([1.0, 2.0], [3.0], {}, "after has 1"),
        ([2.0, 2.0, 2.0], [2.0, 2.0], {}, "do not vary"),
        # Everyone one point higher: no spread of changes.
        ([0.1, 0.2, 0.4], [1.1, 1.2, 1.4], {}, "all linked people change alike"),
        ([1.0, 2.0], [3.0, 4.0], {"variances": "welch"}, "variances must be 'unequal' or 'equal'"),
        ([1.0, 2.0], [3.0, 4.0], {"confidence": 95}, "confidence must lie between 0 and 1"),
    ],
)
def test_refuses_with_a_sentence(before, after, options, message):
    with pytest.raises(ValueError, match=message):
        overlapping_samples(pd.Series(before), pd.Series(after), **options)


def test_a_person_twice_in_a_wave_is_refused():
    with pytest.raises(ValueError, match="before has a person more than once: a"):
        overlapping_samples(pd.Series([1.0, 2], index=["a", "a"]), pd.Series([1.0, 2]))
