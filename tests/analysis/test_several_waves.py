"""Several waves in one frame: whose answers are whose, on waves made of the sample data."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from analysis.linking import link_waves
from analysis.several_waves import score_several_waves
from analysis.trends import trends
from instrument import read_instrument, read_responses
from instrument.responses import select
from instrument.scoring import score

PWIQ = read_instrument("pwiq")


@pytest.fixture(scope="module")
def waves(root):
    before, after = (read_responses(root / "sample_data" / f"{name}.csv", PWIQ) for name in ("baseline", "followup"))
    # A third wave: half of those of the second, with a step more on every facilitator.
    third = select(after, pd.Series(np.arange(len(after.answers)) % 2 == 0, index=after.answers.index))
    raised = [item.id for item in PWIQ.items if item.wording == "facilitator"]
    answers = third.answers.copy()
    answers[raised] = (answers[raised] + 1).clip(upper=5)
    return before, after, replace(third, answers=answers)


def test_people_are_those_of_the_pairwise_links(waves):
    found = score_several_waves(waves)
    person = [found.rows.loc[found.rows["wave"] == number, "person"].to_numpy() for number in range(3)]
    assert all(len(set(each)) == len(each) for each in person)
    # The third wave has the second's codes: each of its linked people is the second wave's.
    pairs = link_waves(waves[1], waves[2]).pairs
    second, third = (pd.Series(each, index=wave.people.index) for each, wave in zip(person[1:], waves[1:], strict=True))
    linked = second.loc[pairs["before"]].to_numpy() == third.loc[pairs["after"]].to_numpy()
    torn = next((int(note.split()[0]) for note in found.notes if "left unlinked" in note), 0)
    assert len(pairs) > 250
    assert (~linked).sum() <= torn
    in_both = np.intersect1d(person[0], person[1])
    assert abs(len(in_both) - len(link_waves(*waves[:2]).pairs)) <= torn


def test_scores_are_those_of_each_wave_alone(waves):
    found = score_several_waves(waves)
    alone = score(waves[2], items="common")["integration"].to_numpy()
    np.testing.assert_array_equal(found.scores.loc[found.rows["wave"] == 2, "integration"], alone)


def test_a_rise_at_the_third_wave_is_found(waves):
    found = score_several_waves(waves)
    result = trends(found.scores[["facilitator_index", "barrier_index"]], found.rows)
    against = result.against_first.xs(2, level="wave")["estimate"]
    assert against["facilitator_index"] > 15
    assert abs(against["barrier_index"]) < 8
    assert result.table.loc["facilitator_index", "ci_low"] > 0


def test_what_allows_no_answer_is_refused(waves):
    with pytest.raises(ValueError, match="at least 3 waves are needed, got 2"):
        score_several_waves(waves[:2])
    nobody = select(waves[2], pd.Series(False, index=waves[2].answers.index))
    with pytest.raises(ValueError, match=r"wave 2 \(counted from 0\) has no answers"):
        score_several_waves([*waves[:2], nobody])
