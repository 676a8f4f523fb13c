"""The models of a ladder: how many parameters each step leaves, and what a release lets go."""

import numpy as np
import pytest

from analysis.ladder import CONTINUOUS, ORDERED, Ladder, Released, degrees

ITEMS = tuple("uvwxyz")
FACTORS = {"f": (0, 1, 2), "g": (3, 4, 5)}


def ladder(thresholds=(), *, blocks=("one", "two"), waves=False):
    return Ladder(items=ITEMS, factors=FACTORS, blocks=blocks, thresholds=thresholds, waves=waves)


def steps(own):
    return np.diff([degrees(own, equal) for equal in own.steps.values()]).tolist()


@pytest.mark.parametrize("blocks", [("one", "two"), ("one", "two", "three")])
def test_continuous_steps(blocks):
    """Loadings less a variance per factor, intercepts less a mean, residuals."""
    more = len(blocks) - 1
    own = ladder(blocks=blocks)
    assert list(own.steps) == list(CONTINUOUS)
    assert degrees(own, ()) == len(blocks) * 8
    assert steps(own) == [more * 4, more * 4, more * 6]


@pytest.mark.parametrize("waves", [False, True])
@pytest.mark.parametrize(
    ("thresholds", "expected"),
    [
        # Of four thresholds two are needed for unit and origin; then as above.
        ((4,) * 6, [12, 4, 4, 6]),
        ((2,) * 6, [0, 4, 4, 6]),
        # One threshold: nothing before intercepts, there one of an item's two (threshold, loading) less mean and
        # variance of the factors.
        ((1,) * 6, [0, 0, 2, 6]),
        ((1, 2, 4) * 2, [4, 2, 4, 6]),
        # A factor of two-answer items beside another.
        ((1, 1, 1, 4, 4, 4), [6, 2, 3, 6]),
    ],
)
def test_ordered_steps(thresholds, expected, waves):
    own = ladder(thresholds, waves=waves)
    assert list(own.steps) == list(ORDERED)
    assert steps(own) == expected


def test_waves_go_together_over_time():
    own = ladder((4,) * 6, waves=True)
    names = own.model(()).names
    assert "u ~~ u [two, one]" in names
    assert {"f ~~ f [two, one]", "f ~~ g [two, one]", "g ~~ f [two, one]"} <= set(names)
    assert degrees(own, ()) == 12 * 11 // 2 - 2 * (6 + 1) - 6 - 4


def test_thresholds_take_an_items_other_parameters_along():
    own = ladder((4,) * 6)
    equal = ORDERED["residuals"]
    whole, without = own.model(equal), own.model(equal, frozenset({Released("thresholds", 1)}))
    assert set(without.names) - set(whole.names) == {
        f"v|t{cut} [{block}]" for cut in range(1, 5) for block in own.blocks
    } | {f"f =~ v [{block}]" for block in own.blocks}
    # Four thresholds and a loading of its own; residual 1 and intercept 0 as in the first block.
    assert degrees(own, equal) - degrees(own, equal, frozenset({Released("thresholds", 1)})) == 5


def test_a_loading_takes_its_intercept_along():
    for own, equal in ((ladder(), CONTINUOUS["scalar"]), (ladder((4,) * 6), ORDERED["intercepts"])):
        released = frozenset({Released("loadings", 2, 0)})
        assert degrees(own, equal) - degrees(own, equal, released) == 2
        assert degrees(own, equal) - degrees(own, equal, frozenset({Released("intercepts", 2)})) == 1


def test_two_items_of_each_factor_stay_equal():
    own = ladder((4,) * 6)
    assert len(own.releasable("loadings")) == 6
    gone = frozenset({Released("loadings", 0, 0)})
    assert [each.item for each in own.releasable("loadings", gone)] == [3, 4, 5]
    # An intercept that went with its loading counts.
    assert [each.item for each in own.releasable("intercepts", gone)] == [3, 4, 5]
    assert [each.item for each in own.releasable("residuals", gone)] == list(range(6))


def test_what_restricts_nothing_is_not_released():
    own = ladder((1, 2, 4) * 2)
    assert [each.item for each in own.releasable("thresholds")] == [2, 5]
    assert [each.item for each in own.releasable("loadings")] == [1, 2, 4, 5]
    assert len(own.releasable("intercepts")) == 6


def test_names_are_lavaans():
    own = ladder((4,) * 6, blocks=("one", "two", "three"))
    assert own.words(Released("loadings", 4, 1)) == "g =~ y"
    assert own.words(Released("thresholds", 4)) == "y | t"
    assert own.words(Released("intercepts", 4)) == "y ~ 1"
    assert own.words(Released("residuals", 4)) == "y ~~ y"
    found = own.elements(Released("thresholds", 1))
    assert [(each.group, each.row) for each in found] == [(block, row) for block in (1, 2) for row in range(4, 8)]
    waves = ladder((4,) * 6, waves=True)
    (element,) = waves.elements(Released("loadings", 4, 1))
    assert (element.group, element.row, element.column) == (0, 10, 3)


def test_what_becomes_equal_starts_at_the_first_blocks_value():
    own = ladder()
    known = own.known(["f =~ u [one]", "f =~ u [two]"], [0.7, 0.5])
    assert known == {"f =~ u [one]": 0.7, "f =~ u [two]": 0.5, "f =~ u": 0.7}


def test_what_is_let_go_starts_at_the_value_in_common():
    known = ladder(blocks=("one", "two")).known(["f =~ u", "f ~ 1 [two]"], [0.7, 0.5])
    assert known == {"f =~ u [one]": 0.7, "f =~ u [two]": 0.7, "f =~ u": 0.7, "f ~ 1 [two]": 0.5}
