"""Patterns of missing answers by hand; Little's test against lavaan's moments, naniar's documented number, simulation."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.missing import normal_moments
from analysis.patterns import littles_test, missing_patterns

ORACLES = Path(__file__).parents[1] / "oracles"
ORACLE = json.loads((ORACLES / "imputation.json").read_text())["little"]
FILES = {"airquality": "airquality.csv", "bfi": "bfi_gaps.csv", "unequal": "missing.csv"}


def answers(name: str) -> pd.DataFrame:
    return pd.read_csv(ORACLES / "data" / FILES[name])[ORACLE[name]["item"]]


def correlated(n: int, seed: int, columns: int = 4) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n, 1)) + rng.normal(size=(n, columns))
    return pd.DataFrame(values, columns=[f"x{position}" for position in range(columns)])


def by_hand() -> pd.DataFrame:
    nan = np.nan
    rows = [(1, 2, 3), (2, 3, 1), (3, nan, 2), (1, nan, 2), (2, nan, 3), (nan, nan, 1), (nan, nan, nan), (4, 1, nan)]
    return pd.DataFrame(rows, columns=["a", "b", "c"])


# Patterns


def test_patterns_are_counted_sorted_and_named() -> None:
    found = missing_patterns(by_hand())
    assert found.table.index.tolist() == [1, 2, 3, 4, 5]
    assert found.table["n"].tolist() == [3, 2, 1, 1, 1]
    assert found.table["percent"].tolist() == [37.5, 25.0, 12.5, 12.5, 12.5]
    assert found.table["missing"].tolist() == ["b", "none", "c", "a, b", "all"]
    assert found.table["gaps"].tolist() == [1, 0, 1, 2, 3]
    assert found.answered.loc[1].tolist() == [True, False, True]


def test_items_and_pairs_are_counted() -> None:
    found = missing_patterns(by_hand())
    assert found.items["n"].tolist() == [6, 3, 6]
    assert found.items["missing"].tolist() == [2, 5, 2]
    assert found.items["percent"].tolist() == [25.0, 62.5, 25.0]
    expected = [[6, 3, 5], [3, 3, 2], [5, 2, 6]]
    assert found.pairs.to_numpy().tolist() == expected
    assert found.pairs.index.equals(found.pairs.columns)


def test_rare_patterns_share_a_row_and_nobody_is_lost() -> None:
    found = missing_patterns(by_hand(), most=2)
    assert found.table.index.tolist() == [1, 2, "other"]
    assert found.table.loc["other", ["n", "missing"]].tolist() == [3, "3 rarer patterns"]
    assert found.table["n"].sum() == 8
    assert found.table["percent"].sum() == 100
    assert found.answered.index.tolist() == [1, 2]
    assert "5 patterns" in found.notes[0]


def test_notes_say_how_many_are_complete_and_which_pair_is_thinnest() -> None:
    notes = " ".join(missing_patterns(by_hand()).notes)
    assert "2 of 8 responses (25 %) are complete" in notes
    assert "37.5 % of all answers are missing" in notes
    assert "hold no answer to any of these items: 1." in notes
    assert "Fewest people answered both of b with c: 2." in notes


def test_a_long_list_of_missing_items_is_cut() -> None:
    data = correlated(10, 1, 12)
    data.iloc[0, 1:] = np.nan
    assert missing_patterns(data).table.loc[2, "missing"].endswith("x8 and 3 more")


def test_complete_answers_have_one_pattern() -> None:
    table = missing_patterns(correlated(5, 1)).table
    assert table.to_dict("records") == [{"n": 5, "percent": 100.0, "gaps": 0, "missing": "none"}]


# Little's test


@pytest.mark.parametrize("name", FILES)
def test_littles_test_is_that_of_lavaans_moments(name: str, agrees: Any) -> None:
    expected, found = ORACLE[name], littles_test(answers(name)).table.loc["little"]
    oracle = "Little (1988) on moments of lavaan 0.6.14"
    # Both stop EM when means move by less than 1e-8 SD or so; hundreds of people add that up.
    agrees(f"Little's d², {name}", found["statistic"], expected["statistic"], oracle=oracle, relative=1e-6)
    agrees(f"Little's test, p, {name}", found["p"], expected["p"], oracle=oracle, absolute=1e-7)
    assert (found["df"], found["n"], found["patterns"]) == (expected["df"], expected["n"], expected["patterns"])


def test_littles_test_is_naniars(agrees: Any) -> None:
    """naniar's tests and documentation give these for R's airquality; its EM stops at a coarser change."""
    found = littles_test(answers("airquality")).table.loc["little"]
    numbers = [found["statistic"], found["p"]]
    agrees(
        "Little's d² and p, airquality",
        numbers,
        [35.1061288689702, 0.00141778113856683],
        oracle="naniar",
        absolute=1e-4,
    )
    assert (found["df"], found["patterns"]) == (14, 4)


def test_littles_test_is_its_formula() -> None:
    data = correlated(300, 3)
    data = data.mask(np.random.default_rng(4).random(data.shape) < 0.2).dropna(how="all")
    moments = normal_moments(data)
    mean, covariance, known = moments.mean.to_numpy(), moments.covariance.to_numpy(), data.notna()
    statistic, cells = 0.0, 0
    for pattern, rows in data.groupby([known[name] for name in data]):
        here = np.array(pattern)
        away = rows.to_numpy()[:, here].mean(axis=0) - mean[here]
        statistic += len(rows) * away @ np.linalg.inv(covariance[np.ix_(here, here)]) @ away
        cells += here.sum()
    found = littles_test(data).table.loc["little"]
    assert found["statistic"] == pytest.approx(statistic, rel=1e-10)
    assert found["df"] == cells - 4


def test_units_and_order_do_not_matter() -> None:
    data = answers("unequal")
    first = littles_test(data).table.loc["little", "statistic"]
    other = littles_test((data * [1, 10, 100, 1e-3, 1, 1] + 7).iloc[::-1, ::-1]).table.loc["little", "statistic"]
    assert other == pytest.approx(first, rel=1e-6)


def test_p_is_uniform_under_mcar_and_small_under_mar() -> None:
    null, bent = [], []
    for seed in range(100):
        data = correlated(200, 100 + seed, 3)
        rng = np.random.default_rng(seed)
        gone = np.zeros(data.shape, bool)
        gone[:, 1:] = rng.random((200, 2)) < 0.2
        null.append(littles_test(data.mask(gone)).table.loc["little", "p"])
        if seed < 10:
            gone[:, 1:] = rng.random((200, 2)) < np.where(data[["x0"]] > 0, 0.4, 0.1)
            bent.append(littles_test(data.mask(gone)).table.loc["little", "p"])
    assert stats.kstest(null, "uniform").pvalue > 0.001
    assert stats.binomtest(int(np.sum(np.array(null) < 0.05)), 100).proportion_ci(0.99).low < 0.05
    assert np.mean(np.array(bent) < 0.05) >= 0.9


def test_people_without_an_answer_are_left_out_and_said() -> None:
    data = answers("airquality")
    more = pd.concat([data, pd.DataFrame(np.nan, index=[998, 999], columns=data.columns)])
    found = littles_test(more)
    assert found.table.loc["little", "statistic"] == littles_test(data).table.loc["little", "statistic"]
    assert any("without an answer" in note for note in found.notes)
    assert not any("without an answer" in note for note in littles_test(data).notes)


def test_limits_are_said() -> None:
    notes = " ".join(littles_test(answers("bfi")).notes)
    for words in ("little power", "cannot be tested", "normal variables", "fewer than 5 people"):
        assert words in notes


# Refusals


def with_gap(data: pd.DataFrame) -> pd.DataFrame:
    return data.mask((np.arange(len(data))[:, None] == 0) & (np.arange(data.shape[1]) == 0))


REFUSED = {
    "complete": (correlated(30, 1), "no answer is missing"),
    "few people": (by_hand().head(3), "more people than items"),
    "nobody": (by_hand().assign(b=np.nan), "nobody answered b"),
    "text": (by_hand().assign(a="yes"), "a holds text"),
    "constant": (with_gap(correlated(30, 1).assign(x3=2.0)), "x3 gave the same answer"),
    "doubled": (with_gap(correlated(30, 1).assign(x3=lambda d: d["x2"])), "x2, x3 repeat each other"),
    "one item": (by_hand()[["a"]], "at least 2 items"),
    "stray code": (pd.DataFrame({"a": [1, 2, 3, 99] * 3, "b": [2, 1, np.nan, 3] * 3}), "a has the code 99"),
    "no rows": (by_hand().iloc[:0], "more people than items, got 0"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_littles_test_refuses(case: str) -> None:
    data, words = REFUSED[case]
    with pytest.raises(ValueError, match=words):
        littles_test(data)


def test_patterns_refuse_what_they_cannot_count() -> None:
    with pytest.raises(ValueError, match="most must be at least 1, got 0"):
        missing_patterns(by_hand(), most=0)
    with pytest.raises(ValueError, match="most must be a whole number, got None"):
        missing_patterns(by_hand(), most=None)
    with pytest.raises(ValueError, match="there are no responses"):
        missing_patterns(by_hand().iloc[:0])
    with pytest.raises(ValueError, match="nobody answered b"):
        missing_patterns(by_hand().assign(b=np.nan))


def test_input_is_left_as_it_is() -> None:
    data = by_hand().astype("Int64")
    before = data.copy()
    missing_patterns(data)
    pd.testing.assert_frame_equal(data, before)
