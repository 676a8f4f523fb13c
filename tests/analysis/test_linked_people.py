"""Linked people side by side."""

import pandas as pd
import pytest

from analysis.linked_people import linked_people

SCORES = pd.DataFrame({"x": [1.0, 2, 3, 4, 5]}, index=list("vwxyz"))
ROWS = pd.DataFrame(
    {
        "wave": [0, 0, 1, 1, 0],
        "person": ["a", "b", "b", "c", "d"],
        "form": ["P", "P", "M", "C", "C"],
        "team": list("ttuuu"),
    },
    index=list("vwxyz"),
)


def test_each_person_has_one_row_and_what_was_known_before():
    found = linked_people(SCORES, ROWS.iloc[::-1])  # in any order
    assert found.before["x"].to_dict() == {"b": 2.0}
    assert found.after["x"].to_dict() == {"b": 3.0}
    assert found.people.loc["b"].to_dict() == {"form": "P", "team": "t", "form_after": "M"}


@pytest.mark.parametrize(
    ("rows", "said"),
    [
        (ROWS.assign(person=list("abcde")), "nobody is linked: 3 answers before and 2 after"),
        (ROWS.assign(wave=0), "one wave only"),
        (ROWS.assign(person=None), "person is missing"),
        (ROWS.assign(person="a"), "two answers in one wave"),
        (ROWS.drop(index="v"), "index of the scores"),
    ],
)
def test_what_allows_no_link_is_refused(rows, said):
    with pytest.raises(ValueError, match=said):
        linked_people(SCORES, rows)
