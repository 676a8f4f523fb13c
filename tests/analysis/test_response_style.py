"""The rule of the way of answering, case by case, and the rotation that it rests on."""

import numpy as np
import pandas as pd
import pytest

from analysis.response_style import response_style

NAMES = ["facilitator_index", "barrier_index", "acquiescence"]
UP, DOWN, UNCLEAR = (3.0, 1.0, 5.0), (-3.0, -5.0, -1.0), (0.5, -1.0, 2.0)


def changes(*rows):
    return pd.DataFrame(rows, index=NAMES, columns=["estimate", "ci_low", "ci_high"])


@pytest.mark.parametrize(
    ("rows", "verdict", "word"),
    [
        ((UP, UP, UP), "moved the same way", "both rose"),
        ((DOWN, DOWN, DOWN), "moved the same way", "both fell"),
        ((UP, DOWN, UNCLEAR), "moved in opposite ways", "opposite ways"),
        ((UP, DOWN, UP), "way of answering may have changed", "agree with more"),
        ((UP, UNCLEAR, UP), "way of answering may have changed", "agree with more"),
        ((UNCLEAR, UNCLEAR, DOWN), "way of answering may have changed", "agree with fewer"),
        ((UP, UNCLEAR, UNCLEAR), "no sign of a changed way of answering", "no clear sign"),
        ((UNCLEAR, UNCLEAR, UNCLEAR), "no sign of a changed way of answering", "no clear sign"),
        ((UP, (np.nan,) * 3, UP), "not enough answers", "not enough answers"),
    ],
)
def test_the_rule(rows, verdict, word):
    found = response_style(changes(*rows))
    assert found.verdict == verdict
    assert word in found.sentence
    assert "{" not in found.sentence
    assert found.table.index.tolist() == NAMES


def test_a_touching_interval_is_not_clear():
    assert response_style(changes((2.0, 0.0, 4.0), UP, UNCLEAR)).table["direction"].tolist() == [
        "not clear",
        "up",
        "not clear",
    ]


def test_people_who_agree_more_with_everything_are_found_and_others_not():
    """Simulated answers: acquiescence is the mean of both raw means, so a pure shift moves both indexes by 25 points a step."""
    rng = np.random.default_rng(1)
    n = 400

    def change(style, content):
        f, b = style + content + rng.normal(0, 0.4, n), style - content + rng.normal(0, 0.4, n)
        series = pd.DataFrame({"facilitator_index": 25 * f, "barrier_index": 25 * b, "acquiescence": (f + b) / 2})
        half = 1.96 * series.std() / np.sqrt(n)
        table = pd.DataFrame(
            {"estimate": series.mean(), "ci_low": series.mean() - half, "ci_high": series.mean() + half}
        )
        return response_style(table)

    assert change(0.2, 0).verdict == "moved the same way"
    assert change(0, 0.2).verdict == "moved in opposite ways"


def test_what_is_missing_is_named():
    with pytest.raises(ValueError, match="no row for acquiescence"):
        response_style(changes(UP, UP, UP).iloc[:2])
    with pytest.raises(ValueError, match="missing: ci_high"):
        response_style(changes(UP, UP, UP)[["estimate", "ci_low"]])
