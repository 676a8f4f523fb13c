"""The words of a change: each at its limits, in the stated order."""

import numpy as np
import pandas as pd
import pytest

from analysis.verdicts import control_verdicts, detectable, sizes, verdicts


def table(low, high, *, p=0.5, df=1000.0):
    """Return one row with an interval of about four standard errors."""
    return pd.DataFrame(
        {
            "estimate": [(low + high) / 2],
            "se": [(high - low) / 3.92],
            "df": df,
            "ci_low": [low],
            "ci_high": [high],
            "p_adjusted": p,
        },
        index=["a"],
    )


@pytest.mark.parametrize(
    ("low", "high", "p", "word"),
    [
        (1.0, 9.0, 0.01, "better"),
        (-9.0, -1.0, 0.01, "worse"),
        # Claimed though small: the order of the words; `sizes` says that it is small.
        (1.0, 4.0, 0.01, "better"),
        # The interval leaves out 0, Holm does not.
        (1.0, 9.0, 0.06, "too close to call"),
        (0.5, 5.0, 0.06, "no change that matters"),
        # Adjusted p below .05 cannot claim what the interval does not.
        (-0.1, 9.0, 0.01, "too close to call"),
        (-6.2, 6.2, 0.9, "no change that matters"),
        (-6.3, 6.2, 0.9, "too close to call"),
        (-6.2, 6.3, 0.9, "too close to call"),
        # Half-width 8.7 is a detectable change of 12.4, 8.8 one of 12.6.
        (-7.7, 9.7, 0.9, "too close to call"),
        (-7.8, 9.8, 0.9, "not enough answers"),
        # Wide, but clear.
        (2.0, 40.0, 0.03, "better"),
    ],
)
def test_words(low, high, p, word):
    assert verdicts(table(low, high, p=p)).tolist() == [word]


def test_less_is_better_and_neither_is():
    up, down = table(1.0, 9.0, p=0.01), table(-9.0, -1.0, p=0.01)
    assert verdicts(up, lower_is_better=["a"]).tolist() == ["worse"]
    assert verdicts(down, lower_is_better=["a"]).tolist() == ["better"]
    assert verdicts(up, without_direction=["a"]).tolist() == ["higher"]
    assert verdicts(down, without_direction=["a"]).tolist() == ["lower"]
    assert verdicts(table(-1.0, 1.0), without_direction=["a"]).tolist() == ["no change that matters"]


def test_a_score_without_numbers_has_not_enough_answers():
    assert verdicts(table(np.nan, np.nan, p=np.nan)).tolist() == ["not enough answers"]
    assert sizes(table(np.nan, np.nan)).isna().all()


def test_limits_may_differ_by_score():
    three = pd.concat([table(-1.0, 1.0)] * 2).set_axis(["a", "b"])
    limits = pd.Series({"b": 0.5, "a": 2.0})
    assert verdicts(three, smallest=limits).tolist() == ["no change that matters", "too close to call"]
    with pytest.raises(ValueError, match="smallest must be a number above 0"):
        verdicts(three, smallest=limits[["a"]])


def test_sizes_and_the_negative_control():
    rows = pd.DataFrame({"ci_low": [6.3, -9.0, -6.2, 1.0, 6.2], "ci_high": [9.0, -6.3, 6.2, 6.2, 9.0]})
    expected = ["matters", "matters", "too small to matter", "too small to matter", "may matter"]
    assert sizes(rows).tolist() == expected
    assert control_verdicts(rows).tolist() == ["moved", "moved", *["as expected: no change that matters"] * 2, "moved"]
    wide = pd.DataFrame({"ci_low": [-7.0], "ci_high": [9.0]})
    assert control_verdicts(wide).tolist() == ["cannot tell"]


def test_detectable_change_is_found_with_80_percent_power():
    # By simulation: estimates around the detectable change, tested with a chi-distributed standard error.
    rng = np.random.default_rng(7)
    df, se, draws = 12.0, 2.0, 200_000
    change = float(detectable(pd.DataFrame({"se": [se], "df": [df]})).iloc[0])
    estimate = rng.normal(change, se, draws)
    shown = se * np.sqrt(rng.chisquare(df, draws) / df)
    power = np.mean(np.abs(estimate / shown) > 2.1788)
    # (t + t) × se is an approximation, on the safe side of .80 by little.
    assert 0.79 < power < 0.82


@pytest.mark.parametrize("value", [0, -1.0, float("nan")])
def test_limits_must_be_above_zero(value):
    for option in ("smallest", "widest"):
        with pytest.raises(ValueError, match=f"{option} must be a number above 0"):
            verdicts(table(1.0, 2.0), **{option: value})


def test_missing_columns_are_named():
    with pytest.raises(ValueError, match="lacks the columns p_adjusted"):
        verdicts(table(1.0, 2.0).drop(columns="p_adjusted"))
