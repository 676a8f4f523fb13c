"""Who counts in an analysis of covariances: what is refused before anything is computed."""

import numpy as np
import pandas as pd
import pytest

from analysis.sample import complete_items, item_correlations, sample_moments


def answers() -> pd.DataFrame:
    rng = np.random.default_rng(1)
    trait = rng.normal(size=(60, 1))
    return pd.DataFrame(np.digitize(trait + rng.normal(size=(60, 4)), [-1, 0, 1]) + 1.0, columns=list("abcd"))


CHECKS = {
    "complete items": complete_items,
    "moments, listwise": lambda items: sample_moments(items, missing="listwise"),
    "moments, ml": lambda items: sample_moments(items, missing="ml"),
    "Pearson": item_correlations,
    "polychoric": lambda items: item_correlations(items, matrix="polychoric"),
}


@pytest.mark.parametrize("check", CHECKS)
def test_a_99_for_no_answer_is_refused(check):
    items = answers()
    CHECKS[check](items)
    items.loc[3, "b"] = 99
    with pytest.raises(ValueError, match=r"b has the code 99 \(given by 1 of 60\)"):
        CHECKS[check](items)


def test_scores_may_lie_far_from_the_others():
    scores = pd.DataFrame({"then": [3.0, 11, 12, 13, 14], "now": [4.0, 11, 13, 12, 15]})
    with pytest.raises(ValueError, match="then has the code 3"):
        complete_items(scores)
    assert complete_items(scores, coded=False)[0].equals(scores)


def test_continuous_answers_are_left_alone():
    items = answers() + np.random.default_rng(2).normal(size=(60, 4))
    items.loc[3, "b"] = 99
    assert sample_moments(items, missing="listwise").answers.equals(items)


def test_an_item_that_shares_nothing_is_named():
    # e is as often high as low at each value of all others.
    items = pd.concat([answers().assign(e=1), answers().assign(e=2)], ignore_index=True)
    with pytest.raises(ValueError, match="e correlates with no other item"):
        item_correlations(items)
