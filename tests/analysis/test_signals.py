"""Signals: levels and differences by hand, each finding by its printed rule."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.signals import CANNOT_TELL, NOT_SEEN, SEEN, band, signals
from instrument import read_instrument, read_responses, score
from instrument.responses import select

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def baseline():
    return read_responses(ROOT / "sample_data" / "baseline.csv", read_instrument("pwiq"))


def one_team(responses, number=40, form="C"):
    """Some of one form, all answers in the middle."""
    people = responses.people
    keep = people.index[people["form"] == form][:number]
    chosen = select(responses, people.index.to_series().isin(keep))
    people = chosen.people.drop(columns=["organisation", "team"])
    return replace(chosen, answers=chosen.answers * 0 + 3, people=people)


def answered(responses, **levels):
    """Give facilitators of a subscale (or facet) these answers, and its barriers the turned ones; blanks are filled."""
    answers = responses.answers.copy().astype("Int64").fillna(3)
    for name, given in levels.items():
        for item in responses.instrument.items:
            if f"{item.subscale}{item.facet}".startswith(name):
                answers[item.id] = [6 - value if item.reverse else value for value in np.resize(given, len(answers))]
    return replace(responses, answers=answers.astype("Int64"))


def test_strong_leadership_with_a_weak_voice_is_seen(baseline):
    team = answered(one_team(baseline), lead=[4, 5], voic=[2, 3])
    row = signals(team).table.loc["tokenism"]
    assert row[["high", "low", "estimate", "n"]].tolist() == pytest.approx([87.5, 37.5, 50, 40])
    assert (row["finding"], row["reason"]) == (SEEN, "88 (strong) against 38 (mixed)")


def test_the_interval_is_students_within_the_same_people(baseline, agrees):
    team = answered(one_team(baseline), lead=[4, 5, 2, 3], voic=[2, 3, 3])
    scores = score(team, items="common")
    difference = scores["lead"] - scores["voic"]
    row = signals(team).table.loc["tokenism"]
    low, high = stats.t.interval(0.95, len(difference) - 1, difference.mean(), stats.sem(difference))
    agrees("signal, paired interval", row[["ci_low", "ci_high"]], [low, high], oracle="scipy t.interval", absolute=1e-9)


def test_weak_leadership_far_above_a_weaker_voice_is_no_tokenism(baseline):
    row = signals(answered(one_team(baseline), lead=[2, 3], voic=[1, 1])).table.loc["tokenism"]
    assert row["estimate"] > 12.5
    assert row["high"] == pytest.approx(37.5)
    assert row["finding"] == NOT_SEEN
    assert row["reason"] == "what would be high is 38 (mixed)"


@pytest.mark.parametrize(
    ("lead", "voic", "number", "finding"),
    [
        ([4], [4], 40, NOT_SEEN),
        ([4, 4, 4, 5], [4, 4, 4, 4], 40, NOT_SEEN),  # 6 points, within 13
        ([5, 3], [3, 4], 6, CANNOT_TELL),  # 12.5 points on average, of six people who disagree
        ([2, 2], [4, 4], 40, NOT_SEEN),
    ],
)
def test_a_finding_follows_its_rule(baseline, lead, voic, number, finding):
    row = signals(answered(one_team(baseline, number), lead=lead, voic=voic)).table.loc["tokenism"]
    assert row["finding"] == finding
    seen = row["estimate"] >= 12.5 and row["ci_low"] > 0 and row["high"] >= 50
    assert seen == (finding == SEEN)


def test_managers_far_above_peers(baseline):
    people = baseline.people
    keep = [*people.index[people["form"] == "P"][:12], *people.index[people["form"] == "M"][:10]]
    both = select(baseline, people.index.to_series().isin(keep))
    both = replace(both, people=both.people.drop(columns=["organisation", "team"]))
    above = both.people["form"].to_numpy() == "M"
    answers = both.answers.copy()
    for item in both.instrument.items:
        good, fair = ([1, 2], [3, 4]) if item.reverse else ([5, 4], [3, 2])
        answers[item.id] = np.where(above, np.resize(good, len(above)), np.resize(fair, len(above)))
    row = signals(replace(both, answers=answers.astype("Int64"))).table.loc["viewfromabove"]
    assert row["finding"] == SEEN
    assert row["n"] == 22
    assert row["high"] > 75
    alone = signals(one_team(baseline)).table.loc["viewfromabove"]
    assert (alone["finding"], alone["reason"]) == (CANNOT_TELL, "too few answers of M (0), P (0)")


def test_a_dip_needs_both_its_conditions(baseline):
    thin = answered(one_team(baseline), induc=[1, 2], supvc=[1])
    fell, rose = (
        pd.DataFrame({"estimate": [e], "ci_low": [e - 2], "ci_high": [e + 2]}, index=["integration"])
        for e in (-5.0, 5.0)
    )
    unclear = fell.assign(ci_high=1.0)
    found = {
        name: signals(thin, change=change).table.loc["firstmonths"]
        for name, change in {"fell": fell, "rose": rose, "unclear": unclear, "none": None}.items()
    }
    assert [row["finding"] for row in found.values()] == [SEEN, NOT_SEEN, CANNOT_TELL, CANNOT_TELL]
    assert found["none"]["reason"] == "needs an earlier survey"
    assert found["rose"]["reason"] == "the integration score did not fall"
    assert found["fell"]["low"] < 25 < found["fell"]["high"]
    assert signals(answered(one_team(baseline)), change=fell).table.loc["firstmonths", "finding"] == NOT_SEEN
    gone = signals(thin, change=fell.assign(ci_low=np.nan)).table.loc["firstmonths"]
    assert (gone["finding"], gone["reason"]) == (CANNOT_TELL, "the change of integration is not known")


def test_every_rule_is_printed_with_its_numbers(baseline):
    rules = signals(baseline).table["rule"]
    assert all("12.5 points" in rule and rule.endswith(".") for rule in rules)
    assert rules["firstmonths"].count("“") == 2
    assert "Managers and leaders" in rules["viewfromabove"]


def test_bands_are_those_of_the_anchors():
    assert [band(x) for x in (100, 75, 74.99, 62.5, 62.4, 37.5, 37.4, 0)] == [
        *("strong", "strong", "emerging", "emerging", "mixed", "mixed", "weak", "weak")
    ]
    with pytest.raises(ValueError, match="from 0 to 100"):
        band(101)


def test_nobody_with_both_scores_and_no_signals_named(baseline):
    empty = replace(one_team(baseline), answers=baseline.answers.loc[one_team(baseline).answers.index] * pd.NA)
    found = signals(replace(empty, answers=empty.answers.astype("Int64")))
    assert (found.table["finding"] == CANNOT_TELL).all()
    assert found.table.loc["tokenism", "reason"] == "too few people have both scores (0)"
    bare = replace(baseline, instrument=replace(baseline.instrument, signals=type(baseline.instrument.signals)()))
    with pytest.raises(ValueError, match="names no signals"):
        signals(bare)
