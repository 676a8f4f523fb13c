"""What may be compared: simulated answers of which it is known how they were shifted, and brute force."""

from dataclasses import replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.comparability import (
    COMPARABLE,
    IN_PART,
    NOT_CHECKED,
    NOT_CHECKED_BETWEEN,
    NOT_COMPARABLE,
    NOT_TESTED,
    _verdict,
    comparability,
    comparability_of_forms,
)
from analysis.measured_alike import collapsed, used_alike
from instrument import read_instrument, read_responses, score
from instrument.definition import Catalogue, Text
from instrument.evidence import read_evidence
from instrument.responses import Responses, select

ROOT = Path(__file__).parents[2]
DEFINITION = read_instrument(ROOT / "tests/data/compared")
AIR = ("airaf", "airbf", "aircf", "airab", "airbb", "aircb")
CUTS = [-1.4, -0.5, 0.4, 1.3]


def wave(number, n, *, seed, change=0.0, shift=None, mode=1, dont_know=None):
    """Answers of one wave: two traits of each person, `change` in every item's good direction, `shift` in some items'."""
    rng = np.random.default_rng([seed, number])
    columns = {}
    for subscale in ("air", "light"):
        facilitators = rng.normal(size=n)
        barriers = -0.6 * facilitators + 0.8 * rng.normal(size=n)
        for facet in "abc":
            for wording, trait, sign in (("f", facilitators, 1), ("b", barriers, -1)):
                name = f"{subscale}{facet}{wording}"
                behind = 0.8 * trait + 0.6 * rng.normal(size=n) + sign * change + (shift or {}).get(name, 0.0)
                columns[name] = 1 + np.searchsorted(CUTS, behind)
    answers = pd.DataFrame(columns).astype("Int64")[list(DEFINITION.items.ids)]
    off = pd.DataFrame(pd.NA, index=answers.index, columns=answers.columns, dtype=object)
    for name, share in (dont_know or {}).items():
        said = rng.random(n) < share
        off.loc[said, name] = "dont_know"
        answers.loc[said, name] = pd.NA
    people = pd.DataFrame({"person": np.arange(n), "wave": number, "team": np.arange(n) % 40, "mode": mode})
    return Responses(instrument=DEFINITION, answers=answers, people=people, off_scale=off, ledger=pd.DataFrame())


@cache
def gate(seed, n=450, change=0.0, shift=(), **options):
    before, after = wave(1, n, seed=seed), wave(2, n, seed=seed, change=change, shift=dict(shift))
    return comparability(before, after, **options)


@cache
def sample():
    pwiq = read_instrument("pwiq")
    return [read_responses(ROOT / f"sample_data/{name}.csv", pwiq) for name in ("baseline", "followup")]


# The verdicts, where the truth is known


def test_without_a_shift_subscales_are_mostly_comparable():
    # Holm keeps each ladder at 5 %: of 8 ladders more than 2 are rejected in 6 of 1,000 such tests.
    found = [gate(seed, n=300, change=0.25).table.loc[["air", "light"], "verdict"] for seed in range(4)]
    verdicts = pd.concat(found)
    assert (verdicts == COMPARABLE).sum() >= 6
    assert not (verdicts == NOT_COMPARABLE).any()


def test_one_item_that_works_differently_is_freed_and_the_change_holds():
    table = gate(1, change=0.3, shift=(("aircf", 0.9),)).table
    assert table.loc["air", "verdict"] == IN_PART
    assert table.loc["air", "freed"] == "aircf"
    # The shift of one item in six reads as change: without it the change is smaller.
    assert -6.25 < table.loc["air", "change_difference"] < -2
    assert table.loc["house", "verdict"] == IN_PART
    assert "aircf" not in table.loc["air", "reason"]  # a team is told in words, not in ids


def test_a_shift_that_makes_the_change_is_not_comparable():
    # Two items of six say "better" by far more; the people have not changed.
    found = gate(2, shift=(("aircf", 2.0), ("aircb", -2.0)))
    row = found.table.loc["air"]
    assert row["verdict"] == NOT_COMPARABLE
    assert set(row["freed"].split(", ")) == {"aircf", "aircb"}
    # A shifted item gains 25 points for each cut that more people pass, and stands for a third of its wording.
    gain = 25 * sum(stats.norm.cdf(cut) - stats.norm.cdf(cut - 2.0) for cut in CUTS) / 3
    error = 3 * 22 * np.sqrt(2 / 450)  # three standard errors; a score's standard deviation is about 22 points
    assert row["change_all"] == pytest.approx(gain, abs=error)
    assert row["change_invariant"] == pytest.approx(0, abs=error)
    assert "not from how things are" in row["reason"]
    assert found.table.loc["light", "verdict"] in (COMPARABLE, IN_PART)
    # Nobody left a gap, so that the total moves by the mean of what its subscales move by.
    both = found.table.loc[["air", "light"], "change_difference"].mean()
    assert found.table.loc["house", "change_difference"] == pytest.approx(both)
    assert found.table.loc["house", "verdict"] == NOT_COMPARABLE


def test_the_limit_decides_and_a_change_of_sign_does_too():
    shift = (("aircf", 0.9),)
    assert gate(1, change=0.3, shift=shift, smallest=1.0).table.loc["air", "verdict"] == NOT_COMPARABLE
    turned = gate(5, n=600, change=-0.15, shift=(("aircf", 1.6),)).table.loc["air"]
    assert turned["change_all"] > 1
    assert turned["change_invariant"] < -1
    loose = gate(5, n=600, change=-0.15, shift=(("aircf", 1.6),), smallest=50.0).table.loc["air"]
    assert loose["verdict"] == NOT_COMPARABLE


def test_changes_within_one_point_of_none_have_no_sign():
    assert _verdict(["a"], 3.0, -0.9, 6.25) == IN_PART
    assert _verdict(["a"], 3.0, -1.1, 6.25) == NOT_COMPARABLE
    assert _verdict([], 3.0, -1.1, 6.25) == COMPARABLE
    assert _verdict(["a"], 1.0, 7.26, 6.25) == NOT_COMPARABLE


def test_too_few_answers_are_not_tested_and_say_so_in_the_fixed_words():
    found = gate(3, n=60)
    assert (found.table["verdict"] == NOT_TESTED).all()
    assert (found.table["reason"] == "We could not check that the questions meant the same both times.").all()
    assert NOT_CHECKED == "we could not check that the questions meant the same both times"
    assert found.table.loc["air", "detail"].endswith("there are 60 before, 60 after")
    assert found.table["change_invariant"].isna().all()
    assert found.table["change_all"].notna().all()
    assert found.steps.empty
    assert len(found.screens) == 2


def test_answers_to_all_items_count_not_all_answers():
    before, after = wave(1, 260, seed=4), wave(2, 260, seed=4, dont_know={"airaf": 0.5})
    table = comparability(before, after).table
    assert table.loc["air", "verdict"] == NOT_TESTED
    assert table.loc["air", "n_after"] == after.answers[list(AIR)].notna().all(axis=1).sum() < 200
    assert table.loc["light", "verdict"] in (COMPARABLE, IN_PART)
    assert table.loc["house", "verdict"] == NOT_TESTED
    assert table.loc["house", "detail"] == "not tested: air"


def test_items_that_everyone_answers_alike_are_not_tested():
    before, after = wave(1, 300, seed=6), wave(2, 300, seed=6)
    answers = after.answers.assign(airaf=5)
    table = comparability(before, replace(after, answers=answers.astype("Int64"))).table
    assert table.loc["air", "verdict"] == NOT_TESTED
    assert "airaf" in table.loc["air", "detail"]


def test_where_too_few_items_are_left_nothing_is_computed_anew():
    # Two facilitators of three work differently: one is left.
    row = gate(8, n=300, shift=(("aircf", 0.9), ("airbf", -0.9))).table.loc["air"]
    assert row["verdict"] == NOT_TESTED
    assert "too few are left" in row["detail"] or "could not be fitted" in row["detail"]
    assert row["reason"].startswith("We could not check that the questions meant the same both times. Some of them")
    assert np.isnan(row["change_invariant"])


# The numbers


def mean_change(before, after, items, name):
    scores = [score(each, items=items)[name] for each in (before, after)]
    return scores[1].mean() - scores[0].mean()


def test_both_changes_agree_with_scores_of_exactly_those_items(agrees):
    before, after = wave(1, 450, seed=1), wave(2, 450, seed=1, change=0.3, shift={"aircf": 0.9})
    table = gate(1, change=0.3, shift=(("aircf", 0.9),)).table
    everything = list(DEFINITION.items.ids)
    freed = {item for each in ("air", "light") for item in table.loc[each, "freed"].split(", ")}
    kept = [name for name in everything if name not in freed]
    for name in ("air", "helps", "house"):
        agrees(f"{name}: change", table.loc[name, "change_all"], mean_change(before, after, everything, name),
               oracle="scored apart", absolute=1e-9)  # fmt: skip
        agrees(f"{name}: change, invariant items", table.loc[name, "change_invariant"],
               mean_change(before, after, kept, name), oracle="scored apart", absolute=1e-9)  # fmt: skip


def test_leaving_one_item_out_agrees_with_brute_force(agrees):
    """With forms of equal weight, in the answers that can be scored both ways."""
    before, after = sample()
    found = comparability(before, after, min_answers=100_000)
    items = before.instrument.common_items
    whole = [score(each, items="common")["role"] for each in (before, after)]
    ours, theirs = [], []
    for item in [name for name in before.instrument.scores["role"].items if name in items]:
        without = [name for name in items if name != item]
        means = []
        for each, everything in zip((before, after), whole, strict=True):
            values = pd.DataFrame({"all": everything, "one": score(each, items=without)["role"]}).dropna()
            means.append(values.groupby(each.people["form"]).mean().mean())
        change = means[1] - means[0]
        ours.append(found.leave_one_out.loc[("role", item)].tolist())
        theirs.append([change["one"], change["one"] - change["all"]])
    agrees("leave one item out", ours, theirs, oracle="brute force", absolute=1e-9)
    screen = found.screens.loc["role"]
    shifts = found.leave_one_out.loc["role", "shift"]
    assert screen["leading_item"] == shifts.abs().idxmax()
    assert screen["shift"] == shifts[screen["leading_item"]]


def test_a_changed_mix_of_forms_is_no_change():
    before, _ = sample()
    form = before.people["form"]
    copies = pd.concat([before.answers, before.answers[form == "M"], before.answers[form == "M"]])
    index = pd.RangeIndex(len(copies))
    after = replace(
        before,
        answers=copies.set_axis(index),
        people=before.people.loc[copies.index].set_axis(index),
        off_scale=before.off_scale.loc[copies.index].set_axis(index),
    )
    table = comparability(before, after, min_answers=100_000).table
    assert table["change_all"].abs().max() < 1e-9


# Collapsing


def test_rare_answers_are_joined_towards_the_middle_in_both_waves_alike():
    before = pd.DataFrame({"a": [1] * 4 + [2] * 10 + [3] * 10 + [4] * 10 + [5] * 10}).astype("Int64")
    after = pd.DataFrame({"a": [1] * 9 + [2] * 9 + [3] * 9 + [4] * 2 + [5] * 2}).astype("Int64")
    frames, told, lacking = collapsed([before, after], 5)
    assert [frame["a"].value_counts().to_dict() for frame in frames] == [{2: 14, 3: 30}, {2: 18, 3: 13}]
    assert told == ("a: 1 with 2, 4 with 3, 5 with 3",)
    assert lacking == ()
    assert before["a"].min() == 1  # inputs are not changed
    same, told, _ = collapsed([before, after], 2)
    assert told == ()
    assert all(ours.equals(theirs) for ours, theirs in zip(same, [before, after], strict=True))


def test_an_item_that_lets_the_models_run_away_is_set_aside():
    """A shift so large that no model with all items equal can be fitted is found all the same."""
    before, after = wave(1, 300, seed=2), wave(2, 300, seed=2, shift={"aircf": 3.0})
    factors = {"F": ["airaf", "airbf", "aircf"], "B": ["airab", "airbb", "aircb"]}
    found = used_alike(
        before.answers[list(AIR)],
        after.answers[list(AIR)],
        factors=factors,
        names=("before", "after"),
        enough=lambda left: all(sum(name in left for name in own) >= 2 for own in factors.values()),
    )
    assert "aircf" in found.freed
    assert found.untested == ""


# Screens


def test_a_wave_that_resembles_the_other_passes_every_screen():
    screens = gate(3, n=60).screens
    assert (screens["same_version"] == "ok").all()
    assert (screens[["same_form", "same_mode", "dont_know"]] == "ok").all(axis=None)
    assert gate(8, n=900).screens["screen"].tolist() == ["ok", "ok"]


def test_each_screen_sees_what_it_is_for():
    before = wave(1, 120, seed=9)
    # Everyone agrees more with everything: facilitators and barriers rise together.
    yes = dict.fromkeys(AIR, 0.6)
    after = wave(2, 120, seed=9, shift=yes | {"lightaf": 3.0}, mode=2, dont_know={"lightbf": 0.4})
    screens = comparability(before, after).screens
    assert screens.loc["air", ["same_mode", "same_direction", "dont_know", "one_item"]].tolist() == [
        "look", "look", "ok", "ok",
    ]  # fmt: skip
    assert screens.loc["light", ["dont_know", "dont_know_item"]].tolist() == ["look", "lightbf"]
    said = after.off_scale["lightbf"].eq("dont_know").fillna(False).mean()
    assert screens.loc["light", "dont_know_change"] == pytest.approx(100 * said)
    assert screens.loc["light", ["one_item", "leading_item"]].tolist() == ["look", "lightaf"]
    assert (screens["screen"] == "look").all()


def test_two_people_who_do_not_know_are_no_sign_in_a_small_team():
    before, after = wave(1, 10, seed=1), wave(2, 10, seed=1)
    off = after.off_scale.copy()
    off.loc[[0, 1], "airaf"] = "dont_know"
    found = comparability(before, replace(after, off_scale=off)).screens
    assert found.loc["air", ["dont_know", "dont_know_change"]].tolist() == ["ok", 20.0]
    off.loc[2, "airaf"] = "dont_know"
    found = comparability(before, replace(after, off_scale=off)).screens
    assert found.loc["air", "dont_know"] == "look"


def test_where_nothing_is_recorded_nothing_is_said():
    waves = [wave(number, 60, seed=1) for number in (1, 2)]
    waves = [replace(each, people=each.people.drop(columns=["mode", "team"])) for each in waves]
    assert (comparability(*waves).screens["same_mode"] == "not known").all()


def test_every_screen_has_its_rule():
    found = gate(3, n=60)
    assert set(found.rules.index) < set(found.screens.columns)
    words = found.screens.isin(["ok", "look", "not known"]).all()
    assert set(words.index[words]) == set(found.rules.index) | {"screen"}


# Evidence from elsewhere


def test_evidence_of_the_definition_is_named_and_changes_no_verdict():
    waves = wave(1, 60, seed=3), wave(2, 60, seed=3)
    table = comparability(*waves, evidence=read_evidence(ROOT / "tests/data/compared")).table
    assert (table["verdict"] == NOT_TESTED).all()
    assert "A pretended study of two waves" in table.loc["air", "evidence"]
    assert NOT_CHECKED in table.loc["air", "reason"]
    assert "A pretended study" in table.loc["air", "reason"]
    assert table.loc["light", "evidence"] == ""
    assert table.loc["house", "evidence"] == ""  # light has none


def test_pooled_data_are_tested_and_named_where_these_answers_are_too_few():
    waves = wave(1, 60, seed=3), wave(2, 60, seed=3)
    pool = {
        "a small pool": (wave(1, 100, seed=10), wave(2, 100, seed=10)),
        "the programme": (wave(1, 450, seed=1), wave(2, 450, seed=1, change=0.3, shift={"aircf": 0.9})),
    }
    table = comparability(*waves, pooled=pool).table
    assert (
        table.loc["air", "evidence"] == "comparable in part in the pooled data “the programme” (450 before, 450 after)"
    )
    assert (table["verdict"] == NOT_TESTED).all()
    assert table.loc["house", "evidence"] == ""  # what was found of its subscales stands beside them
    enough = comparability(wave(1, 450, seed=1), wave(2, 450, seed=1), pooled=pool).table
    assert (enough["evidence"] == "").all()


def test_pooled_answers_to_another_version_are_refused():
    other = replace(DEFINITION, version="0.9.0", digest="another")
    pool = {"old": tuple(replace(wave(number, 300, seed=1), instrument=other) for number in (1, 2))}
    with pytest.raises(ValueError, match=r"pooled data 'old' answer another definition \(0\.9\.0"):
        comparability(wave(1, 60, seed=3), wave(2, 60, seed=3), pooled=pool)


# Other forms, other versions


def test_long_beside_short_forms_are_not_tested():
    before, after = sample()
    short = replace(after, people=after.people.assign(form="CS"))
    found = comparability(before, short)
    assert (found.table["verdict"] == NOT_TESTED).all()
    assert found.table.loc["role", "detail"].startswith("2 of its 6 questions")
    assert (found.screens["same_form"] == "look").all()
    assert found.table.loc["integration", "change_all"] == pytest.approx(
        score(short, items="short")["integration"].mean()
        - score(select(before, before.people["form"] == "C"), items="short")["integration"].mean()
    )


def edited(name, text):
    items = [replace(each, text=Text((("en", text),))) if each.id == name else each for each in DEFINITION.items]
    return replace(DEFINITION, items=Catalogue(items), version="1.1.0", digest="edited")


def test_another_version_is_compared_on_its_unchanged_items():
    before, after = wave(1, 450, seed=1), replace(wave(2, 450, seed=1), instrument=edited("airaf", "Something else."))
    found = comparability(before, after)
    assert found.table.loc["air", "verdict"] in (COMPARABLE, IN_PART)
    assert not found.steps.loc["air"].empty
    assert (found.screens["same_version"] == "look").all()
    assert any("the 11 unchanged items" in note for note in found.notes)
    assert ("air", "airaf") not in found.leave_one_out.index
    kept = [name for name in DEFINITION.items.ids if name != "airaf"]
    expected = mean_change(before, replace(after, instrument=DEFINITION), kept, "air")
    assert found.table.loc["air", "change_all"] == pytest.approx(expected)


def test_too_few_unchanged_items_are_not_tested():
    two = edited("airaf", "Something else.")
    two = replace(two, items=Catalogue(
        replace(each, text=Text((("en", "And another."),))) if each.id == "airbf" else each for each in two.items
    ))  # fmt: skip
    table = comparability(wave(1, 450, seed=1), replace(wave(2, 450, seed=1), instrument=two)).table
    assert table.loc["air", "verdict"] == NOT_TESTED
    assert table.loc["air", "detail"].startswith("4 of its 6 questions")


def test_what_cannot_be_compared_is_refused_with_the_reason():
    one, other = wave(1, 60, seed=1), wave(2, 60, seed=1)
    with pytest.raises(ValueError, match="same answers"):
        comparability(one, one)
    with pytest.raises(ValueError, match="before is wave 2 and after is wave 1; swap"):
        comparability(other, one)
    with pytest.raises(ValueError, match="two questionnaires"):
        comparability(one, replace(other, instrument=replace(DEFINITION, id="another")))
    with pytest.raises(ValueError, match="no answers"):
        comparability(one, select(other, other.people["wave"] == 9))
    with pytest.raises(ValueError, match="holds the waves 1, 2"):
        comparability(one, replace(other, people=other.people.assign(wave=np.arange(60) % 2 + 1)))
    with pytest.raises(ValueError, match="smallest"):
        comparability(one, other, smallest=0)
    with pytest.raises(ValueError, match="min_answers must be at least 30"):
        comparability(one, other, min_answers=5)
    before, after = sample()
    with pytest.raises(ValueError, match="no form was given at both waves"):
        comparability(select(before, before.people["form"] == "P"), select(after, after.people["form"] == "C"))


def test_a_form_that_only_one_wave_has_is_left_out():
    before, after = sample()
    found = comparability(select(before, before.people["form"] != "P"), after, min_answers=100_000)
    peers = int((after.people["form"] == "P").sum())
    assert any(f"{peers} answers on forms that only one wave has" in note for note in found.notes)
    assert (found.screens["same_form"] == "look").all()


# Between forms


def test_gaps_between_forms_are_judged_by_the_same_gate():
    before, _ = sample()
    found = comparability_of_forms(select(before, before.people["form"] != "M"))
    assert found.table.index.get_level_values("gap").unique().tolist() == ["C − P"]
    assert found.table.loc["C − P", "verdict"].isin([COMPARABLE, IN_PART]).any()
    assert "same_form" not in found.screens


def test_gaps_are_those_of_the_common_items_and_say_the_fixed_words_where_untested():
    before, _ = sample()
    table = comparability_of_forms(before, min_answers=10_000).table
    assert table.index.get_level_values("gap").unique().tolist() == ["C − P", "M − P", "M − C"]
    means = score(before, items="common").groupby(before.people["form"]).mean()
    for gap, one, other in (("C − P", "P", "C"), ("M − P", "P", "M"), ("M − C", "C", "M")):
        for name in ("role", "integration"):
            assert table.loc[(gap, name), "gap_all"] == pytest.approx(means.loc[other, name] - means.loc[one, name])
    assert set(table["reason"]) == {f"{NOT_CHECKED_BETWEEN[0].upper()}{NOT_CHECKED_BETWEEN[1:]}."}
    with pytest.raises(ValueError, match="two forms"):
        comparability_of_forms(select(before, before.people["form"] == "M"))


# People in both waves


def test_linked_people_check_the_ladder_over_time():
    before, after = wave(1, 450, seed=1), wave(2, 450, seed=1, change=0.3, shift={"aircf": 0.9})
    links = SimpleNamespace(pairs=pd.DataFrame({"before": np.arange(300), "after": np.arange(300)}))
    found = comparability(before, after, links=links)
    assert found.linked.loc["air", ["n_linked", "freed"]].tolist() == [300, "aircf"]
    assert found.linked.loc["air", "agrees"] == "yes"
    few = comparability(before, after, links=SimpleNamespace(pairs=links.pairs.head(50)))
    assert few.linked.loc["air", "detail"].endswith("there are 50 before, 50 after")
