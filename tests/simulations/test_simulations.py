"""A small part of the simulations with fixed seeds, what they are counted with, and the page that tells of them.

Few draws see only large errors: each measure is also made wrong on purpose, and must then fail.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.change_contrasts import CHANGE
from analysis.confirmatory import confirmatory
from analysis.invariance import invariance
from analysis.ordinal import ordinal_moments
from analysis.primary_change import primary_change, primary_test
from analysis.reliability import reliability
from tests.simulations import change, consistency, counting, ladders, models, moments, page, population, run
from tests.simulations.counting import COVERAGE, Condition, Measure, Promise, Tally


class OneAfterTheOther:
    """A pool without processes."""

    @staticmethod
    def imap(function: Callable[[int], Any], over: range, chunksize: int = 1) -> Iterator[Any]:
        return map(function, over)


def tallied(name: str, draws: list[counting.Draw]) -> dict[str, Any]:
    """Add up what the draws of a condition found."""
    tally = Tally.empty(run.CONDITIONS[name])
    for each in draws:
        tally.add(each)
    return tally.measures


def generators(name: str, draws: int) -> Iterator[np.random.Generator]:
    """Give the first replications of the full run."""
    return (counting.generator(name, replication) for replication in range(draws))


def average(name: str, measure: str, sums: dict[str, Any]) -> float:
    return counting.overall(run.CONDITIONS[name].measures[measure], sums[measure]).value


# Populations


@pytest.mark.parametrize("kind", population.CUTS)
@pytest.mark.parametrize("rho", [0.1, 0.6, 0.9])
def test_covariance_of_answers_is_that_of_the_bivariate_normal_distribution(kind: str, rho: float) -> None:
    cuts = population.CUTS[kind]
    edges = np.concatenate([[-9.0], cuts, [9.0]])
    joint = np.array(
        [[stats.multivariate_normal([0, 0], [[1, rho], [rho, 1]]).cdf([a, b]) for b in edges] for a in edges]
    )
    cells = np.diff(np.diff(joint, axis=0), axis=1)
    codes = np.arange(1, 6)
    shares = cells.sum(axis=1)
    assert shares * 100 == pytest.approx(population.ANSWERS[kind], abs=1e-5)
    wanted = codes @ cells @ codes - (codes @ shares) ** 2
    assert float(population.answer_covariance(rho, cuts)) == pytest.approx(wanted, abs=1e-6)
    assert population.answer_variance(cuts) == pytest.approx(codes**2 @ shares - (codes @ shares) ** 2, abs=1e-6)


@pytest.mark.parametrize("kind", population.CUTS)
def test_true_reliabilities_are_those_of_a_sample_with_the_same_covariances(kind: str) -> None:
    behind = population.factor_correlations(consistency.ONE, np.eye(1))
    exact = population.exact_sample(population.answers_covariance(behind, population.CUTS[kind]))
    found = reliability(exact, group_factors=2).table["estimate"]
    truth = consistency.truth_of_one(kind)
    same = [name for name in consistency.OF_ONE if name in found.index]
    assert len(same) >= 11
    assert found[same].to_numpy() == pytest.approx([truth[name] for name in same], abs=1e-6)
    # The sum of a hundred thousand people's answers agrees as well with a second set of answers.
    rng = np.random.default_rng(1)
    trait = rng.normal(size=(100_000, 1)) * consistency.ONE.T
    error = np.sqrt(1 - consistency.ONE.T**2)
    sums = [np.digitize(trait + rng.normal(size=trait.shape) * error, population.CUTS[kind]).sum(axis=1) for _ in "ab"]
    assert truth["omega_categorical"] == pytest.approx(np.corrcoef(*sums)[0, 1], abs=0.005)


def test_true_loadings_of_ordered_answers_are_the_populations() -> None:
    loadings, phi = models.truth("three", "skewed", "WLSMV")
    assert loadings.tolist() == [0.8, 0.7, 0.6] * 3
    assert phi.tolist() == [0.3, 0.4, 0.5]
    lower, _ = models.truth("three", "skewed", "ML")
    assert (lower < loadings - 0.04).all()


# A small part of the simulations


@pytest.mark.parametrize("kind", population.CUTS)
def test_thresholds_and_polychorics(kind: str) -> None:
    name = f"moments-{kind}-300"
    behind, cuts = moments.CORRELATIONS, population.CUTS[kind]
    found = [ordinal_moments(population.answers(rng, 300, behind, cuts)) for rng in generators(name, 150)]
    sums = tallied(name, [moments.measured(each, kind) for each in found])
    # Standard errors that are a fifth too small.
    wrong = tallied(name, [moments.measured(each, kind, shrink=0.8) for each in found])
    for measure in ("correlation_z", "threshold_coverage"):
        assert counting.verdict(run.CONDITIONS[name].measures[measure], sums[measure]) == "holds"
        assert 0.93 < average(name, measure, sums) < 0.97
        assert counting.verdict(run.CONDITIONS[name].measures[measure], wrong[measure]) == "does not hold"
        assert average(name, measure, wrong) < 0.91
    assert abs(average(name, "correlation_bias", sums)) < 0.006
    assert abs(average(name, "threshold_bias", sums)) < 0.03


def test_three_factors_by_wlsmv() -> None:
    name = "model-three-WLSMV-symmetric-300"
    samples = (models.sample(rng, n=300, kind="symmetric") for rng in generators(name, 40))
    found = [confirmatory(each, models.MODEL) for each in samples]
    sums = tallied(name, [models.measured(each, "symmetric", "WLSMV") for each in found])
    wrong = tallied(name, [models.measured(each, "symmetric", "WLSMV", shrink=0.8) for each in found])
    measure = run.CONDITIONS[name].measures["loading_coverage"]
    assert counting.verdict(measure, sums["loading_coverage"]) == "holds"
    assert 0.925 < average(name, "loading_coverage", sums) < 0.975
    assert average(name, "loading_coverage", wrong) < 0.91
    assert counting.verdict(measure, wrong["loading_coverage"]) == "does not hold"
    assert abs(average(name, "loading_bias", sums)) < 0.01
    assert abs(average(name, "correlation_bias", sums)) < 0.03
    assert average(name, "rejected", sums) <= 0.12


def test_a_ladder_over_equal_groups() -> None:
    name = "ladder-WLSMV-symmetric-150"

    def table(rng: np.random.Generator, shift: float = 0.0) -> pd.DataFrame:
        together, groups = ladders.two_groups(rng, n=150, kind="symmetric", shift=shift)
        return invariance(together, groups, {"f": ladders.ITEMS}).table

    equal = [table(rng) for rng in generators(name, 24)]
    sums = tallied(name, [ladders.measured(each, "WLSMV") for each in equal])
    assert average(name, "step", sums) <= 0.10
    assert average(name, "verdict", sums) <= 0.14
    # p values that are a fifth of what they should be.
    wrong = tallied(name, [ladders.measured(each, "WLSMV", deflate=5) for each in equal])
    assert average(name, "step", wrong) > 0.14
    planted = tallied(name, [ladders.measured(table(rng, shift=0.6), "WLSMV") for rng in generators(name, 5)])
    assert average(name, "verdict", planted) >= 0.8


@pytest.mark.parametrize(
    "design",
    [
        change.Design(8, None, 0.3),
        change.Design(24, 8, 1.0, effect=3.0),
        change.Design(60, 24, 0.6, arms=True),
        change.Design(60, 24, 0.6, uneven=True),
    ],
)
def test_the_test_on_arrays_is_that_of_compare_waves(design: change.Design) -> None:
    chosen = change.chosen_test(design)
    assert chosen.test == "cluster means"
    for rng in generators(f"change {design}", 3):
        answers = change.drawn(rng, design, scores=2)
        rows = answers.rows()
        assert primary_test(rows) == chosen
        for score, found in zip(answers.scores.T, change.primary_tests(answers, chosen), strict=True):
            whole, test = primary_change(pd.Series(score), rows, chosen=primary_test(rows))
            assert test == chosen.test
            names = ["p", "ci_low", "ci_high"]
            expected = {name: row[names].tolist() for name, row in whole.contrasts.iterrows()}
            assert {name: list(each) for name, each in found.items()} == {
                name: pytest.approx(each, rel=1e-9, abs=1e-9) for name, each in expected.items()
            }


def test_organisations_are_said_to_change_in_about_five_percent() -> None:
    name, design = "change-24-8-60", change.Design(24, 8, 0.6)
    chosen = change.chosen_test(design)
    sums = tallied(name, [change.draw_primary(rng, design=design, chosen=chosen) for rng in generators(name, 400)])
    assert average(name, f"{CHANGE} claimed", sums) <= 0.085
    assert 0.92 < average(name, f"{CHANGE} covered", sums) < 0.98
    # Intervals that are a third too short.
    draws = []
    for rng in generators(name, 400):
        (found,) = change.primary_tests(change.drawn(rng, design), chosen)
        _, low, high = found[CHANGE]
        inside = float(abs(low + high) / 2 <= (high - low) / 3)
        draws.append({f"{CHANGE} claimed": 1 - inside, f"{CHANGE} covered": inside})
    wrong = tallied(name, draws)
    assert average(name, f"{CHANGE} claimed", wrong) > 0.11
    assert counting.verdict(run.CONDITIONS[name].measures[f"{CHANGE} claimed"], wrong[f"{CHANGE} claimed"]) == (
        "does not hold"
    )


# Counting


def test_a_replication_does_not_depend_on_what_ran_before() -> None:
    parent = np.random.SeedSequence([counting.SEED, counting.zlib.crc32(b"moments-skewed-150")])
    wanted = np.random.default_rng(parent.spawn(4)[3]).random(3)
    assert counting.generator("moments-skewed-150", 3).random(3).tolist() == wanted.tolist()


def _coin(chance: float, rng: np.random.Generator) -> dict[str, Any]:
    if rng.random() < 0.01:
        raise ValueError("3.5 of 20 people are too few")
    return {"heads": (rng.random(4) < chance).astype(float), "distance": rng.normal(loc=2.0)}


def coin(chance: float, *, promise: Promise | None = COVERAGE) -> Condition:
    measures = {"heads": Measure("heads", "coverage", promise, "abcd"), "distance": Measure("distance", "error")}
    return Condition("coin", "coins", "four coins", "1", 1000, measures, partial(_coin, chance))


def test_counting_finds_the_mean_its_interval_and_the_verdict() -> None:
    condition = coin(0.95)
    tally = Tally.empty(condition)
    for replication in range(1000):
        tally.add(counting.replicate(condition, replication))
    assert tally.draws == 1000
    refused = tally.refused.pop("# of # people are too few")
    assert not tally.refused
    assert 2 <= refused <= 25
    known = 1000 - refused
    heads = counting.overall(condition.measures["heads"], tally.measures["heads"])
    # Four coins that fall apart from each other are worth four times as many.
    assert heads.high - heads.low == pytest.approx(2 * 1.96 * np.sqrt(0.95 * 0.05 / (4 * known)), rel=0.1)
    assert heads.low < 0.95 < heads.high
    assert counting.verdict(condition.measures["heads"], tally.measures["heads"]) == "holds"
    distance = counting.overall(condition.measures["distance"], tally.measures["distance"])
    assert distance.low < 2.0 < distance.high
    assert distance.high - distance.low == pytest.approx(2 * 1.96 / np.sqrt(known), rel=0.1)
    assert counting.verdict(condition.measures["distance"], tally.measures["distance"]) == "published only"


def test_a_share_has_wilsons_interval() -> None:
    # Newcombe (1998), method 3: 81 of 263.
    found = counting.share(263, 81, 81)
    assert (found.value, found.low, found.high) == pytest.approx((0.3080, 0.2553, 0.3662), abs=1e-4)
    none = counting.share(20, 0, 0)
    assert (none.low, none.high) == pytest.approx((0.0, 0.1611), abs=1e-4)


def test_estimated_and_realised_false_links_are_compared() -> None:
    name = "linking-1x300-0.5-always"

    def known(estimated: float, draws: int) -> dict[str, Any]:
        realised = [0.0, 0.04]
        found = [
            {"false": realised[k % 2], "false_estimated": estimated, "missed": 0.1, "missed_estimated": 0.1}
            for k in range(draws)
        ]
        return {"measures": tallied(name, found)}

    condition = run.CONDITIONS[name]
    said = [page.rows(condition, known(*each))[-1] for each in ((0.03, 1000), (0.03, 4), (0.1, 1000), (0.005, 1000))]
    assert [each[3] for each in said] == ["holds", "too few draws", "does not hold", "does not hold"]
    assert said[0][1] == "1.50"


def test_few_draws_are_no_proof() -> None:
    measure = Measure("", "rate", COVERAGE)
    few = {"n": [20.0], "sum": [19.0], "squares": [19.0], "mean_n": [20.0], "mean_sum": [19.0], "mean_squares": [19.0]}
    assert counting.verdict(measure, few) == "too few draws"
    many = {key: [100 * value for value in values] for key, values in few.items()}
    assert counting.verdict(measure, many) == "holds"


def test_one_parameter_that_fails_is_not_hidden_by_the_mean() -> None:
    measure = Measure("", "coverage", COVERAGE, "abcd")
    sums = {
        "n": [1000.0] * 4,
        "sum": [1000.0, 960.0, 960.0, 880.0],
        "squares": [1000.0, 960.0, 960.0, 880.0],
        "mean_n": [1000.0],
        "mean_sum": [950.0],
        "mean_squares": [913.0],
    }
    assert 0.93 < counting.overall(measure, sums).value < 0.97
    assert counting.verdict(measure, sums) == "does not hold"


def test_an_interrupted_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    condition = coin(0.9, promise=None)
    monkeypatch.setattr(run, "CONDITIONS", {"coin": condition})
    once, twice = tmp_path / "once.json", tmp_path / "twice.json"
    run.simulate(condition, draws=250, pool=OneAfterTheOther, path=once)
    for draws in (70, 250, 250):
        run.simulate(condition, draws=draws, pool=OneAfterTheOther, path=twice)
    first, second = (json.loads(path.read_text(encoding="utf-8"))["conditions"]["coin"] for path in (once, twice))
    assert first["draws"] == second["draws"] == 250
    assert first["refused"] == second["refused"] != {}
    for name, sums in first["measures"].items():
        for key, values in sums.items():
            assert second["measures"][name][key] == pytest.approx(values, rel=1e-7)


# What is stored


def test_the_page_tells_what_is_stored(root: Path) -> None:
    stored = run.read()
    assert set(stored["conditions"]) <= set(run.CONDITIONS)
    for name, known in stored["conditions"].items():
        assert run.tally_of(run.CONDITIONS[name], stored).draws == known["draws"], f"{name} is stored in another form"
    written = (root / "docs" / "simulations.md").read_text(encoding="utf-8")
    assert written == page.page(run.CONDITIONS, stored), "write it anew: tests/simulations/run.py --page"


def test_the_page_names_what_does_not_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    condition = coin(0.5)
    monkeypatch.setitem(page.FAMILIES, "coins", ("Coins", "Fair."))
    tally = Tally.empty(condition)
    for replication in range(100):
        tally.add(counting.replicate(condition, replication))
    stored = {"conditions": {"coin": {"draws": 100, "refused": tally.refused, "measures": tally.measures}}}
    text = page.page({"coin": condition}, stored)
    assert "0 promises hold, 1 do not, 0 cannot be judged yet (too few draws); 1 numbers are published" in text
    assert "- four coins, n = 1: heads, " in text
    assert text.count("| does not hold |") == 1
    assert "## Coins" in text
