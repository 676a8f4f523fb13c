"""Numbers of few people: what is shown of them, and that what is shown does not give them back."""

from itertools import product

import numpy as np
import pandas as pd
import pytest

from analysis.coarsening import CONFINED_WIDTH, coarsened, is_in_points, near_an_end, steps_of_means
from analysis.known_means import KnownMean, KnownMeans

LEVEL = pd.DataFrame({"mean": [52.4], "sd": [11.2], "se": [3.1], "ci_low": [46.2], "ci_high": [58.6], "df": [11.0]})
CHANGE = pd.DataFrame(
    {"estimate": [-6.37], "se": [2.9], "ci_low": [-12.31], "ci_high": [-0.43], "statistic": [-2.1], "df": [21.4]}
    | {"p": [0.041], "p_adjusted": [0.2], "effect_size": [-0.4], "effect_low": [-0.8], "effect_high": [0.0]}
)


def shown(frame, people, **options):
    return coarsened(frame, [people], points=True, **options)[0].iloc[0].dropna().to_dict()


@pytest.mark.parametrize(
    ("people", "left"),
    [
        (5, {"mean": 50}),
        (9, {"mean": 50}),
        (10, {"mean": 52}),
        (19, {"mean": 52}),
        (20, {"mean": 52, "sd": 11.2, "se": 3.1, "ci_low": 46, "ci_high": 59, "df": 11}),
    ],
)
def test_a_mean_by_how_many_people_it_is_of(people, left):
    assert shown(LEVEL, people) == left


@pytest.mark.parametrize(
    ("people", "left"),
    [
        (5, {"estimate": -5, "ci_low": -15, "ci_high": 0}),
        (9, {"estimate": -5, "ci_low": -15, "ci_high": 0}),
        (10, {"estimate": -6, "ci_low": -15, "ci_high": 0}),
        (19, {"estimate": -6, "ci_low": -15, "ci_high": 0}),
    ],
)
def test_a_change_by_the_smaller_of_its_groups(people, left):
    assert shown(CHANGE, people) == left


def test_a_change_of_enough_people_keeps_its_test():
    left = shown(CHANGE, 20)
    assert [left["estimate"], left["ci_low"], left["ci_high"]] == [-6.4, -12.3, -0.4]
    assert set(left) == set(CHANGE)


def test_an_interval_rounded_outward_holds_the_interval_and_bounds_that_are_round_stay():
    rng = np.random.default_rng(1)
    low = rng.uniform(-60, 40, 500)
    frame = pd.DataFrame({"estimate": low + 5, "ci_low": low, "ci_high": low + rng.uniform(0, 30, 500)})
    told = coarsened(frame, np.full(500, 12), points=True)[0]
    assert (told["ci_low"] <= frame["ci_low"]).all()
    assert (told["ci_high"] >= frame["ci_high"]).all()
    assert (told["ci_low"] > frame["ci_low"] - 5).all()
    assert (told[["ci_low", "ci_high"]] % 5 == 0).all(axis=None)
    round_one = pd.DataFrame({"estimate": [0.1 + 0.2], "ci_low": [-5.0], "ci_high": [10.0]})
    assert coarsened(round_one, [12], points=True)[0].to_numpy().tolist() == [[0.0, -5.0, 10.0]]


def test_one_pomp_of_answers_from_one_to_five():
    frame = pd.DataFrame({"mean": [3.333, 3.333]})
    assert coarsened(frame, [9, 12], points=True, unit=0.04)[0]["mean"].tolist() == [3.4, 3.32]


def test_coefficients_are_not_rounded_but_their_spread_goes():
    index = pd.Index(["alpha", "sem"], name="coefficient")
    frame = pd.DataFrame(
        {"estimate": [0.8123, 6.2], "se": [0.02, 0.1], "ci_low": [0.7, 5.0], "ci_high": [0.9, 8.0]}, index=index
    )
    told, notes = coarsened(frame, [12, 12], points=False)
    assert told.loc["alpha"].dropna().to_dict() == {"estimate": 0.8123}
    assert told.loc["sem"].isna().all()
    assert len(notes) == 1
    assert coarsened(frame, [20, 20], points=False)[0].equals(frame)


@pytest.mark.parametrize(
    ("levels", "columns", "counted", "points"),
    [
        (["wave", "score"], ["n", "mean"], True, True),
        (["score"], ["n_before", "n_after", "estimate"], True, True),
        (["answers", "score"], ["estimate", "ci_low"], False, True),
        (["subscale", "coefficient"], ["estimate", "n"], True, False),
        (["item", "factor"], ["estimate", "se"], False, False),
        (["item"], ["loading", "se"], False, False),
    ],
)
def test_which_tables_are_in_points(levels, columns, counted, points):
    assert is_in_points(levels, columns, counted=counted) is points


def test_people_must_be_known():
    with pytest.raises(ValueError, match="a number for each of the 1 rows"):
        coarsened(LEVEL, [np.nan], points=True)
    with pytest.raises(ValueError, match="a number for each of the 1 rows"):
        coarsened(LEVEL, [3, 4], points=True)


def test_the_input_stays_as_it_is():
    before = LEVEL.copy()
    coarsened(LEVEL, [5], points=True)
    pd.testing.assert_frame_equal(LEVEL, before)


def test_mean_and_sd_of_five_give_all_five_back_and_a_step_of_five_pomp_does_not():
    # The reason for the rule, counted out: how often do mean and SD of five answers from 1 to 5 leave one set only?
    sets = [tuple(sorted(answers)) for answers in product(range(1, 6), repeat=5)]
    exact, coarse = {}, {}
    for answers in set(sets):
        mean = np.mean(answers)
        exact.setdefault((round(mean, 6), round(float(np.std(answers)), 6)), set()).add(answers)
        step = float(steps_of_means(5, 0.04))
        coarse.setdefault(round(mean / step), set()).add(answers)
    alone = {next(iter(found)) for found in exact.values() if len(found) == 1}
    assert np.mean([answers in alone for answers in sets]) > 0.5
    not_alike = [found for found in coarse.values() if len(found) == 1]
    # What is left are the ends (all but one gave 1): these `near_an_end` withholds.
    assert all(
        bool(near_an_end(5, np.mean(next(iter(f))) - 0.1, np.mean(next(iter(f))) + 0.1, 1, 5)) for f in not_alike
    )


def test_near_an_end_is_where_four_people_are_confined():
    # Brute force: the lowest and highest mean that any four of n people can have, given the mean of all.
    for n, least in product(range(5, 40), np.linspace(0, 99, 100)):
        most = least + 1
        low = max(0.0, (n * least - (n - 4) * 100) / 4)
        high = min(100.0, n * most / 4)
        if near_an_end(n, least, most, 0, 100):
            # It does not withhold where nobody is confined.
            assert high < 20 + 1e-6 or low > 80 - 1e-6
        else:
            assert high - low >= 100 * CONFINED_WIDTH - 1e-6


def mean_of(n, mean, **labels):
    return KnownMean(
        of="role", group=frozenset(labels.items()), n=n, least=mean - 0.5, most=mean + 0.5, low=0, high=100
    )


def test_parts_go_where_the_rest_of_the_total_would_be_told():
    known = KnownMeans()
    assert not known.to_withhold([mean_of(30, 60, wave=1)]).any()
    # 30 × 60 − 25 × 52.5 = 97.5 × 5: the five who are left over are nearly all at the top.
    assert known.to_withhold([mean_of(15, 52.5, wave=1, form="C"), mean_of(10, 52.5, wave=1, form="M")]).all()
    assert not known.to_withhold([mean_of(15, 62, wave=2, form="C"), mean_of(10, 58, wave=2, form="M")]).any()


def test_the_total_goes_where_its_parts_were_shown_first():
    known = KnownMeans()
    assert not known.to_withhold([mean_of(15, 52.5, wave=1, form="C"), mean_of(10, 52.5, wave=1, form="M")]).any()
    assert known.to_withhold([mean_of(30, 60, wave=1)]).all()


def test_a_part_near_an_end_takes_the_other_parts_along():
    # With equal weights the withheld form would be three times the total less the other two.
    known = KnownMeans()
    forms = [mean_of(n, mean, wave=1, form=form) for form, n, mean in (("P", 6, 98), ("C", 30, 60), ("M", 10, 55))]
    assert known.to_withhold(forms).tolist() == [True, False, False]
    both = KnownMeans()
    assert not both.to_withhold([mean_of(46, 65, wave=1)]).any()
    assert both.to_withhold(forms).all()


def test_a_change_does_not_give_a_withheld_mean_back_in_either_order():
    first = KnownMeans()
    first.to_withhold([mean_of(6, 98, wave=1, form="P"), mean_of(6, 60, wave=2, form="P")])
    assert first.changes_to_withhold(
        [("role", frozenset({("form", "P")})), ("cult", frozenset({("form", "P")}))]
    ).tolist() == [
        True,
        False,
    ]
    second = KnownMeans()
    assert not second.changes_to_withhold([("role", frozenset({("form", "P")}))]).any()
    assert second.to_withhold([mean_of(6, 98, wave=1, form="P"), mean_of(6, 60, wave=2, form="P")]).all()


def test_the_change_of_everyone_is_a_second_total_with_weights_of_its_own():
    known = KnownMeans()
    known.to_withhold([mean_of(6, 98, wave=1, team="t1"), mean_of(30, 60, wave=1, team="t2")])
    everyone = frozenset()
    # Forms weigh the same in means and changes: their change is a difference of what is shown.
    forms = KnownMeans()
    forms.to_withhold([mean_of(6, 98, wave=1, form="P"), mean_of(30, 60, wave=1, form="C")])
    assert not forms.changes_to_withhold([("role", everyone)]).any()
    assert known.changes_to_withhold([("role", everyone), ("cult", everyone)]).tolist() == [True, False]
    # Shown first, it takes the parts along, at every wave.
    other = KnownMeans()
    other.changes_to_withhold([("role", everyone)])
    parts = [
        mean_of(n, mean, wave=wave, form=form) for wave in (1, 2) for form, n, mean in (("P", 9, 60), ("C", 30, 50))
    ]
    parts[0] = mean_of(9, 98, wave=1, form="P")
    assert other.to_withhold(parts).all()
