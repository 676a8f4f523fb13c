"""Options that are whole numbers."""

import numpy as np
import pytest

from analysis.options import checked_seed, whole_number


def test_whole_numbers_of_any_kind_are_taken_as_int():
    for value in (3, np.int64(3), np.uint8(3)):
        found = whole_number("draws", value, at_least=3, at_most=3)
        assert found == 3
        assert type(found) is int
    assert checked_seed(0) == 0


@pytest.mark.parametrize("value", [None, True, np.True_, 2.5, "3", [3], np.array([3]), float("nan"), float("inf")])
def test_what_is_no_whole_number_is_refused(value):
    with pytest.raises(ValueError, match="draws must be a whole number, got"):
        whole_number("draws", value, at_least=1)
    with pytest.raises(ValueError, match="seed must be a whole number"):
        checked_seed(value)


def test_a_whole_float_is_refused_with_the_remedy():
    with pytest.raises(ValueError, match=r"draws must be a whole number, got 3\.0: write draws=3"):
        whole_number("draws", 3.0, at_least=1)


@pytest.mark.parametrize(("value", "words"), [(1, "at least 2, got 1"), (8, "at most 7, got 8")])
def test_the_range_is_kept(value, words):
    with pytest.raises(ValueError, match=f"starts must be {words}"):
        whole_number("starts", value, at_least=2, at_most=7)


def test_negative_seeds_are_refused():
    with pytest.raises(ValueError, match="seed must be at least 0, got -1"):
        checked_seed(-1)
