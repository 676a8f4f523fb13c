"""Perception gaps: counts and means by hand, errors by clubSandwich (see test_group_means), words by rule."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.gaps import perception_gaps
from analysis.group_means import weighted_group_means
from analysis.multiplicity import holm
from instrument import read_instrument, read_responses, score
from instrument.responses import select

ROOT = Path(__file__).parents[2]
SUBSCALES = ["role", "indu", "educ", "path", "supv", "reso", "devp", "lead", "voic", "cult", "prac"]


@pytest.fixture(scope="module")
def baseline():
    return read_responses(ROOT / "sample_data" / "baseline.csv", read_instrument("pwiq"))


@pytest.fixture(scope="module")
def gaps(baseline):
    return perception_gaps(baseline)


def chosen(responses, number):
    keep = pd.Series(np.arange(len(responses.people)) < number, index=responses.people.index)
    return select(responses, keep)


def test_a_gap_is_the_difference_of_means_on_the_items_of_all_forms(gaps, baseline):
    common = score(baseline, items="common")
    form = baseline.people["form"]
    for name in [*SUBSCALES, "integration", "facilitator_index", "barrier_index"]:
        mean = common[name].groupby(form).mean()
        for other in "CM":
            row = gaps.table.loc[(name, "P", other)]
            assert row["estimate"] == pytest.approx(mean["P"] - mean[other])
            assert row[["n_1", "n_2"]].tolist() == common[name].groupby(form).count()[["P", other]].tolist()
            assert gaps.means.loc[(name, other), "mean"] == pytest.approx(mean[other])
    assert set(gaps.table.index.get_level_values("score")) == {
        *SUBSCALES,
        "integration",
        "facilitator_index",
        "barrier_index",
    }


def test_errors_know_of_organisations(gaps, baseline):
    values = score(baseline, items="common")["lead"].dropna()
    people = baseline.people.loc[values.index]
    held = values[people["form"] != "C"]
    weights = pd.DataFrame([[1.0, -1.0]], columns=["P", "M"])
    row = weighted_group_means(
        held, people.loc[held.index, "form"].astype(object), weights, cluster=people["organisation"][held.index]
    ).iloc[0]
    found = gaps.table.loc[("lead", "P", "M")]
    assert found[["se", "df", "p"]].tolist() == pytest.approx(row[["se", "df", "p"]].tolist())


def test_holm_is_over_the_subscales_of_each_pair(gaps):
    for other in "CM":
        part = gaps.table.xs(("P", other), level=("group_1", "group_2"))
        assert part.loc[SUBSCALES, "p_adjusted"].tolist() == pytest.approx(holm(part.loc[SUBSCALES, "p"]).tolist())
        assert part.loc["integration", "p_adjusted"] == part.loc["integration", "p"]
    clear = gaps.table["p_adjusted"] < 0.05
    assert (gaps.table["view"] != "no clear gap").equals(clear)
    assert (np.sign(gaps.table["estimate"][clear]) == gaps.table["view"][clear].map({"lower": -1, "higher": 1})).all()


def test_the_verdict_of_the_gate_stands_beside_each_gap(baseline):
    baseline = chosen(baseline, 60)
    verdicts = pd.DataFrame({"verdict": ["comparable", "not comparable"]}, index=["role", "lead"])
    for given in (verdicts, verdicts["verdict"]):
        said = perception_gaps(baseline, comparable=given).table["comparable"].groupby(level="score").first()
        assert (said["role"], said["lead"], said["indu"]) == ("comparable", "not comparable", "not tested here")
    with pytest.raises(ValueError, match="must have the column 'verdict'"):
        perception_gaps(baseline, comparable=verdicts.rename(columns={"verdict": "x"}))


def test_without_peers_the_next_form_is_compared(baseline):
    found = perception_gaps(select(baseline, baseline.people["form"] != "P"))
    assert set(found.table.index.droplevel("score")) == {("C", "M")}
    assert any("their view is missing" in note for note in found.notes)


def test_all_peers_in_one_organisation(baseline):
    people = baseline.people
    home = people.loc[people["form"] == "P", "organisation"].mode()[0]
    responses = select(baseline, (people["form"] != "P") | (people["organisation"] == home))
    found = perception_gaps(responses)
    assert found.table["ci_low"].notna().all()
    assert any("come from one organisation" in note for note in found.notes)


def test_a_lone_manager_has_no_gap(baseline):
    managers = baseline.people.index[baseline.people["form"] == "M"][1:]
    found = perception_gaps(select(baseline, ~baseline.people.index.to_series().isin(managers)))
    row = found.table.xs("M", level="group_2")
    assert (row["view"] == "not enough answers").all()
    assert row["p_adjusted"].isna().all()
    assert (row["n_2"] <= 1).all()


def test_one_form_is_refused(baseline):
    with pytest.raises(ValueError, match="two forms or more; found only C"):
        perception_gaps(select(baseline, baseline.people["form"] == "C"))
    with pytest.raises(ValueError, match="two forms or more"):
        perception_gaps(
            chosen(baseline, 0).__class__(
                **{**vars(baseline), "instrument": read_instrument(ROOT / "tests" / "data" / "small.toml")}
            )
        )


def test_four_people_get_a_useful_answer(baseline):
    people = baseline.people
    index = [*people.index[people["form"] == "P"][:2], *people.index[people["form"] == "C"][:2]]
    found = perception_gaps(select(baseline, people.index.to_series().isin(index)))
    assert len(found.table) > 0
    assert any("people as independent" in note for note in found.notes)


def test_the_gate_gives_its_verdict_by_pair_of_forms(baseline):
    keys = pd.MultiIndex.from_tuples([("C − P", "role"), ("M − P", "role")], names=["gap", "score"])
    gate = pd.DataFrame({"verdict": ["comparable", "comparable in part"]}, index=keys)
    said = perception_gaps(chosen(baseline, 60), comparable=gate).table["comparable"]
    assert said.loc["role"].to_dict() == {("P", "C"): "comparable", ("P", "M"): "comparable in part"}
    assert (said.drop("role", level="score") == "not tested here").all()


def test_merged_groups_are_compared_as_given(baseline):
    few = chosen(baseline, 80)
    groups = few.people["form"].astype(object).map({"P": "peers", "C": "non-peer staff", "M": "non-peer staff"})
    found = perception_gaps(few, strata=groups)
    assert set(found.table.index.droplevel("score")) == {("peers", "non-peer staff")}
    mean = score(few, items="common")["role"].groupby(groups).mean()
    row = found.table.loc[("role", "peers", "non-peer staff")]
    assert row["estimate"] == pytest.approx(mean["peers"] - mean["non-peer staff"])
    assert not any("missing here" in note for note in found.notes)
