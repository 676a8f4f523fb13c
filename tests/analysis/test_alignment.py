"""Values of the same responses are put in their order, and all else is refused in a sentence."""

import numpy as np
import pandas as pd
import pytest

from analysis.alignment import same_responses

INDEX = pd.Index(["r1", "r2", "r3"])
TEAMS = pd.Series(["north", "south", "north"], index=["r3", "r1", "r2"])


def test_values_are_put_in_order():
    assert same_responses(TEAMS, INDEX, "teams").tolist() == ["south", "north", "north"]
    frame = same_responses(TEAMS.to_frame("team"), INDEX, "teams")
    assert frame["team"].tolist() == ["south", "north", "north"]


@pytest.mark.parametrize("given", [["a", "b", "c"], np.array(["a", "b", "c"]), None, {"r1": "a"}, "team"])
def test_what_has_no_index_is_refused(given):
    with pytest.raises(ValueError, match=f"teams must be a Series with the same index.*got {type(given).__name__}"):
        same_responses(given, INDEX, "teams")


def test_a_frame_is_refused_where_one_column_is_wanted():
    with pytest.raises(ValueError, match=r"groups must be a Series with the same index.*got DataFrame"):
        same_responses(TEAMS.to_frame(), INDEX, "groups", one_column=True)


@pytest.mark.parametrize(
    ("given", "index", "words"),
    [
        (TEAMS.set_axis(["r1", "r1", "r2"]), INDEX, r"labels repeat in the index of teams \(r1\)"),
        (TEAMS, pd.Index(["r1", "r2", "r2"]), r"labels repeat in the index of the scores \(r2\)"),
        (TEAMS[:2], INDEX, "3 responses in the scores, 2 in teams, 2 of them shared"),
        (TEAMS.set_axis(["r1", "r2", "r4"]), INDEX, "3 in teams, 2 of them shared"),
    ],
)
def test_other_responses_are_refused(given, index, words):
    with pytest.raises(ValueError, match=words):
        same_responses(given, index, "teams")
