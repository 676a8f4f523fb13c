"""Indices of content validity against published tables, other software and enumeration."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

from instrument.content_indices import (
    aiken_v,
    content_validity_ratio,
    difference_interval,
    experts_needed,
    kappa_band,
    meets_criterion,
    modified_kappa,
    proportion_interval,
)
from instrument.delphi import AGAIN, AGREED, ENDED, STABLE, DelphiRule, judge_round
from instrument.validity import compare_perspectives, content_validity

# Ratings of 12 items by 6 experts, relevance: PMC7253559, Table 4 (S-CVI/Ave 0.97, S-CVI/UA 0.83).
PUBLISHED = {
    1: "444444",
    2: "434434",
    3: "444444",
    4: "444444",
    5: "344444",
    6: "234334",
    7: "444444",
    8: "444444",
    9: "334234",
    10: "444344",
    11: "444344",
    12: "444344",
}


def panel(rows):
    """Items as strings, a digit an expert, "." for missing."""
    return pd.DataFrame(
        {name: [None if c == "." else int(c) for c in text] for name, text in rows.items()}, dtype="Int64"
    )


@pytest.mark.parametrize(
    ("agreeing", "raters", "kappa", "band"),
    [
        # Blueprint B8, and PMC5557472 (BMC Health Services Research 17:385), Table 10.
        (4, 5, 0.76, "excellent"),
        (7, 8, 0.87, "excellent"),
        (8, 10, 0.79, "excellent"),
        (10, 10, 1.00, "excellent"),
        (9, 10, 0.90, "excellent"),
        (7, 10, 0.66, "good"),
        (7, 9, 0.76, "excellent"),
        (6, 9, 0.60, "good"),
        (8, 9, 0.89, "excellent"),
        # Polit, Beck & Owen (2007): evaluation of I-CVIs by number of experts.
        (3, 3, 1.00, "excellent"),
        (2, 3, 0.47, "fair"),
        (3, 4, 0.67, "good"),
        (6, 7, 0.85, "excellent"),
        (6, 8, 0.72, "good"),
    ],
)
def test_modified_kappa_as_published(agreeing, raters, kappa, band):
    assert round(modified_kappa(agreeing, raters), 2) == kappa
    assert kappa_band(modified_kappa(agreeing, raters)) == band


@pytest.mark.parametrize(("agreeing", "raters", "kappa"), [(5, 6, 0.81), (4, 6, 0.57), (5, 7, 0.65)])
def test_modified_kappas_that_were_published_from_rounded_shares(agreeing, raters, kappa):
    # Polit, Beck and Owen's (2007) table starts from I-CVI and pc as printed; from the counts it is .01 off.
    share, chance = round(agreeing / raters, 2), round(stats.binom.pmf(agreeing, raters, 0.5), 3)
    assert round((share - chance) / (1 - chance), 2) == kappa
    assert modified_kappa(agreeing, raters) == pytest.approx(kappa, abs=0.0101)


def test_chance_agreement_is_that_of_coins():
    for raters in range(1, 9):
        tosses = list(itertools.product((0, 1), repeat=raters))
        for agreeing in range(raters + 1):
            chance = Fraction(sum(sum(toss) == agreeing for toss in tosses), len(tosses))
            share = Fraction(agreeing, raters)
            assert modified_kappa(agreeing, raters) == pytest.approx(float((share - chance) / (1 - chance)), abs=1e-12)


def test_critical_values_of_the_cvr_as_computed_in_the_blueprint():
    counts = [5, 6, 7, 7, 8, 9, 9, 10, 10, 11, 12, 12, 13, 13, 14, 15]
    ratios = [1, 1, 1, 0.75, 0.778, 0.8, 0.636, 0.667, 0.538, 0.571, 0.6, 0.5, 0.529, 0.444, 0.474, 0.5]
    assert [experts_needed(n) for n in range(5, 21)] == counts
    found = [round(content_validity_ratio(experts_needed(n), n), 3) for n in range(5, 21)]
    assert found == ratios
    assert any(later > sooner for sooner, later in itertools.pairwise(found))  # not monotone: no table to interpolate
    assert [experts_needed(n) for n in range(1, 5)] == [None] * 4


def test_experts_needed_by_enumeration_of_all_panels():
    for raters in range(1, 13):
        tosses = [sum(toss) for toss in itertools.product((0, 1), repeat=raters)]
        for alpha in (0.01, 0.05, 0.5):
            enough = [a for a in range(raters + 1) if Fraction(sum(t >= a for t in tosses), len(tosses)) <= alpha]
            assert experts_needed(raters, alpha=alpha) == (min(enough) if enough else None)


@pytest.mark.parametrize(
    ("total", "raters", "high", "expected"),
    [
        # As the R package contentvalidR prints them (its vignette): score intervals of Penfield and Giacobbi.
        (24, 6, 4, (1.00, 0.82, 1.00)),
        (23, 6, 4, (0.94, 0.74, 0.99)),
        (22, 6, 4, (0.89, 0.67, 0.97)),
        (17, 5, 5, (0.60, 0.39, 0.78)),
        (11, 5, 5, (0.30, 0.15, 0.52)),
        (19, 5, 5, (0.70, 0.48, 0.85)),
        (12, 5, 5, (0.35, 0.18, 0.57)),
        (18, 5, 5, (0.65, 0.43, 0.82)),
    ],
)
def test_aiken_v_as_other_software_prints_it(total, raters, high, expected):
    assert tuple(round(x, 2) for x in aiken_v(total, raters, high=high)) == expected


def test_aiken_v_is_a_wilson_interval_of_the_steps_and_moves_with_the_scale():
    for ratings in itertools.product(range(1, 5), repeat=3):
        v, low, high = aiken_v(sum(ratings), 3)
        assert v == pytest.approx((np.mean(ratings) - 1) / 3)
        expected = proportion_confint(sum(ratings) - 3, 9, method="wilson")
        assert (low, high) == pytest.approx(expected, abs=1e-12)
        shifted = aiken_v(sum(ratings) + 3 * 4, 3, low=5, high=8)
        assert shifted == pytest.approx((v, low, high))
        mirrored = aiken_v(15 - sum(ratings), 3)
        assert mirrored == pytest.approx((1 - v, 1 - high, 1 - low))


def test_exact_interval_of_a_proportion():
    # Newcombe (1998), Table I: 15 of 148, 0 of 20, 1 of 29.
    assert [round(x, 4) for x in proportion_interval(15, 148)] == [0.0578, 0.1617]
    assert [round(x, 4) for x in proportion_interval(0, 20)] == [0, 0.1684]
    assert [round(x, 4) for x in proportion_interval(1, 29)] == [0.0009, 0.1776]
    for raters in range(1, 13):
        for agreeing in range(raters + 1):
            low, high = proportion_interval(agreeing, raters, confidence=0.9)
            # What defines it: at a limit, so many or more (fewer) have a chance of 5 %.
            assert low == 0 or stats.binom.sf(agreeing - 1, raters, low) == pytest.approx(0.05)
            assert high == 1 or stats.binom.cdf(agreeing, raters, high) == pytest.approx(0.05)


def test_interval_of_a_difference_covers_what_its_method_sentence_says():
    grid = np.linspace(0, 1, 41)
    worst = 1.0
    for n, m in [(3, 3), (3, 5), (4, 4), (5, 5), (6, 6), (4, 8), (10, 10)]:
        covered = np.zeros((41, 41))
        for a, b in itertools.product(range(n + 1), range(m + 1)):
            low, high = difference_interval((a, n), (b, m))
            truth = grid[:, None] - grid[None, :]
            inside = (truth >= low - 1e-12) & (truth <= high + 1e-12)
            covered += inside * np.outer(stats.binom.pmf(a, n, grid), stats.binom.pmf(b, m, grid))
            assert -1 <= low <= a / n - b / m <= high <= 1
            mirrored = difference_interval((b, m), (a, n))
            assert (low, high) == pytest.approx((-mirrored[1], -mirrored[0]))
        worst = min(worst, covered.min())
    assert 0.92 <= worst < 0.95


def test_why_wilson_limits_were_not_taken():
    grid = np.linspace(0, 1, 101)
    covered = np.zeros((101, 101))
    for a, b in itertools.product(range(4), repeat=2):
        low, high = confint_proportions_2indep(a, 3, b, 3, method="newcomb")
        truth = grid[:, None] - grid[None, :]
        inside = (truth >= low - 1e-12) & (truth <= high + 1e-12)
        covered += inside * np.outer(stats.binom.pmf(a, 3, grid), stats.binom.pmf(b, 3, grid))
    assert covered.min() < 0.84


def test_square_and_add_by_hand():
    # 6 of 7 against 2 of 7, with Clopper and Pearson's limits (R's binom.test): .4213–.9964 and .0367–.7096.
    low, high = difference_interval((6, 7), (2, 7))
    p, q = 6 / 7, 2 / 7
    assert low == pytest.approx(p - q - math.hypot(p - 0.421277, 0.709579 - q), abs=1e-5)
    assert high == pytest.approx(p - q + math.hypot(0.996390 - p, q - 0.036692), abs=1e-5)


def test_published_panel():
    found = content_validity(panel(PUBLISHED))
    assert found.items["icvi"].round(2).tolist() == [1, 1, 1, 1, 1, 0.83, 1, 1, 0.83, 1, 1, 1]
    assert found.scales.loc["whole", ["average", "universal"]].astype(float).round(2).tolist() == [0.97, 0.83]
    assert found.items.loc[6, "needed"] == 6
    assert not found.items.loc[6, "beyond_chance"]
    assert found.items.loc[1, "beyond_chance"]
    assert found.notes == ()


def test_criterion_is_read_to_two_decimals():
    assert meets_criterion(7, 9)  # .7778 is published as .78
    assert not meets_criterion(10, 13)  # .769
    assert [n for n in range(3, 11) if meets_criterion(n - 1, n)] == [5, 6, 7, 8, 9, 10]


def test_missing_ratings_are_counted_and_never_guessed():
    ratings = panel({"a": "44.4", "b": "....", "c": "1234"})
    found = content_validity(ratings, subscales={"x": ["a", "b"], "y": ["c", "unasked"], "z": ["b"]})
    assert found.items[["raters", "missing", "agreeing"]].to_numpy().tolist() == [[3, 1, 3], [0, 4, 0], [4, 0, 2]]
    assert math.isnan(found.items.loc["b", "icvi"])
    assert found.items["needed"].isna().all()  # fewer than five: no number is enough
    assert found.items.loc["c", ["median", "q1", "q3"]].tolist() == [2.5, 1.75, 3.25]
    assert found.scales.loc["x", ["items", "rated", "missing", "average"]].tolist() == [2, 1, 5, 1.0]
    assert found.scales.loc["y", "items"] == 1
    assert math.isnan(found.scales.loc["z", "average"])
    assert found.scales.loc["whole", "average"] == pytest.approx(0.75)
    assert [note.split(":")[0].split("(")[0].strip() for note in found.notes] == [
        "4 experts",
        "Missing ratings",
        "Nobody rated b; they enter no average.",
    ]


def test_interval_of_the_average_counts_experts():
    found = content_validity(panel({"a": "4444", "b": "4441"}))
    low, high = found.scales.loc["whole", ["average_low", "average_high"]]
    # 3.5 of 4 experts, after Korn and Graubard: quantiles of beta distributions.
    assert low == pytest.approx(stats.beta.ppf(0.025, 3.5, 1.5))
    assert high == pytest.approx(stats.beta.ppf(0.975, 4.5, 0.5))


@pytest.mark.parametrize("wrong", [0, 5, 2.5, "x"])
def test_a_rating_that_is_none_is_named(wrong):
    with pytest.raises(ValueError, match=f"ratings are 1, 2, 3 or 4, or missing; got {wrong!r} for b"):
        content_validity(pd.DataFrame({"a": [1, 2], "b": [3, wrong]}, dtype=object))


def test_options_are_refused():
    with pytest.raises(ValueError, match="agreeing experts must be 0 to the number of raters"):
        modified_kappa(3, 2)
    with pytest.raises(ValueError, match="4 ratings from 1 to 4 cannot sum to 3"):
        aiken_v(3, 4)
    with pytest.raises(ValueError, match="confidence must lie between 0 and 1"):
        proportion_interval(1, 2, confidence=95)
    with pytest.raises(ValueError, match="alpha must lie"):
        experts_needed(5, alpha=0)
    with pytest.raises(ValueError, match="each expert and each item once"):
        content_validity(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(ValueError, match="must have experts and items"):
        content_validity(pd.DataFrame())


def test_two_views():
    ratings = panel({"a": "444111", "b": "444444", "c": "44.444", "d": "344421"})
    lived = pd.Series([True, True, True, False, False, False], index=ratings.index)
    found = compare_perspectives(ratings, lived)
    assert list(found.items.index) == ["a", "b", "d"]  # c: two raters with lived experience
    assert found.items["difference"].tolist() == pytest.approx([1, 0, 2 / 3])
    assert found.items["decide_differently"].tolist() == [True, False, True]
    assert -0.01 < found.items.loc["a", "low"] < 0  # even 3 of 3 against none of 3 may be chance
    assert found.notes == ("Not shown apart, fewer than 3 raters in a group: c.",)
    flipped = compare_perspectives(ratings, ~lived)
    assert flipped.items["difference"].tolist() == pytest.approx([-1, 0, -2 / 3])


def test_small_groups_are_not_shown_apart():
    ratings = panel({"a": "444111"})
    lived = pd.Series([True, True, None, False, False, False], index=ratings.index, dtype="boolean")
    found = compare_perspectives(ratings, lived)
    assert found.items.empty
    assert found.notes[0].startswith("Not shown apart: fewer than 3 experts")
    assert found.notes[1].startswith("Experts who did not say whether")
    with pytest.raises(ValueError, match="for every expert"):
        compare_perspectives(ratings, lived.iloc[:3])


def judged(now, before=None, *, rule=None, number=2, **options):
    earlier = None if before is None else panel(before)
    return judge_round(panel(now), rule=rule or DelphiRule(), number=number, earlier=earlier, **options)


def test_first_round():
    found = judged({"yes": "44443", "no": "44221", "few": "44..."}, number=1)
    assert found.items["verdict"].to_dict() == {"yes": AGREED, "no": AGAIN, "few": AGAIN}
    assert found.again == ("no", "few")
    assert found.items["stable"].isna().all()
    strict = judged({"yes": "44443"}, number=1, rule=DelphiRule(needs_stability=True))
    assert strict.again == ("yes",)


def test_rounds_compared():
    before = {"stuck": "2222244444", "moving": "1111144444", "agreed": "4444444442", "revised": "1111111111"}
    now = {"stuck": "2222244443", "moving": "2222244444", "agreed": "4444444444", "revised": "1111111111"}
    found = judged(now, before, revised=["revised"])
    assert found.items["moved"].round(2).tolist()[:3] == [0.1, 0.5, 0.1]
    assert found.items["verdict"].to_dict() == {"stuck": STABLE, "moving": AGAIN, "agreed": AGREED, "revised": AGAIN}
    assert found.items.loc["moving", ["median_before", "iqr_before", "median", "iqr"]].tolist() == [2.5, 3, 3, 2]
    assert found.items.loc["revised", "both"] == 0
    assert pd.isna(found.items.loc["revised", "stable"])
    assert "revised" in found.notes[-1]
    last = judged(now, before, number=3)
    assert last.items["verdict"].to_dict() | {"stuck": 0} == {
        "stuck": 0,
        "moving": ENDED,
        "agreed": AGREED,
        "revised": STABLE,
    }
    assert last.again == ()


def test_a_shift_of_the_median_is_not_stable():
    # One in seven moved (14 %), but the middle went from 1 to 3.
    rule = DelphiRule(moved=0.15, shift=0.5)
    found = judged({"a": "1113334"}, {"a": "1111334"}, rule=rule)
    assert found.items.loc["a", "moved"] == pytest.approx(1 / 7)
    assert not found.items.loc["a", "stable"]
    assert found.again == ("a",)


def test_who_moved_is_seen_in_those_who_rated_twice():
    now = pd.DataFrame({"a": [4, 1, 1, 1, 1, 3]}, index=list("abcdef"))
    before = pd.DataFrame({"a": [1, 1, 1, 1, 1, 4]}, index=list("bcdefg"))
    found = judge_round(now, rule=DelphiRule(), number=2, earlier=before)
    assert found.items.loc["a", ["both", "moved"]].tolist() == [5, 0.2]
    assert found.notes[0].startswith("Experts of the round before who did not take part: 1; new ones: 1.")


def test_agreement_is_read_as_the_i_cvi_is():
    nine = {"a": "444444411"}
    assert judged(nine, number=1).items.loc["a", "verdict"] == AGREED  # 7 of 9
    assert judged(nine, number=1, rule=DelphiRule(agreement=0.8)).again == ("a",)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"agreement": 0.5}, "agreement must be above 0.5"),
        ({"moved": 1}, "moved must be"),
        ({"shift": -1}, "shift must be"),
        ({"rounds": 0}, "rounds and fewest"),
        ({"rounds": 1, "needs_stability": True}, "2 rounds or more"),
    ],
)
def test_a_rule_that_cannot_work_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        DelphiRule(**options)


def test_rounds_are_numbered():
    with pytest.raises(ValueError, match="round 1 has no earlier one"):
        judged({"a": "44444"}, {"a": "44444"}, number=1)
    assert "at least 80 %" in DelphiRule(agreement=0.8).sentence
    assert "after round 4" in DelphiRule(rounds=4).sentence
