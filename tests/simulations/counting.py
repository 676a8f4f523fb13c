"""Counting over replications: means with their Monte Carlo interval, and whether these keep what is promised."""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Matrix = NDArray[np.floating[Any]]
Kind = Literal["coverage", "rate", "error"]
Draw = dict[str, Any]

SEED = 20261122
# So much of a refusal is kept.
_REASON = 90


@dataclass(frozen=True)
class Promise:
    """What a measure is held to: its long-run mean lies in ``low`` to ``high``; without a promise it is published."""

    low: float
    high: float
    words: str


COVERAGE = Promise(0.93, 0.97, "93 to 97 %")
STEP_TEST = Promise(0.03, 0.07, "3 to 7 %")
# Holm's correction is an upper bound: a family-wise rate below 5 % is no failure.
FAMILY = Promise(0.0, 0.07, "at most 7 %")
MODEL_TEST = Promise(0.03, 0.06, "3 to 6 %")


@dataclass(frozen=True)
class Measure:
    """What is counted of each replication: one number, or one for each of ``parts`` parameters.

    ``kind``: a share of replications (``coverage`` of intervals, ``rate`` of decisions), or an ``error`` (estimate
    less truth).
    """

    words: str
    kind: Kind
    promise: Promise | None = None
    parts: Sequence[str] = ("",)


@dataclass(frozen=True)
class Condition:
    """One population and sample size, and what is done with each sample.

    ``draw`` takes a random generator and returns a value (or several) for each measure; nan does not count. It raises
    ValueError where an analysis refuses the sample, which is counted.
    """

    name: str
    family: str
    words: str
    n: str
    draws: int
    measures: Mapping[str, Measure]
    draw: Callable[[np.random.Generator], Draw]
    fixed: str = ""


def generator(condition: str, replication: int, *, seed: int = SEED) -> np.random.Generator:
    """Give each replication of each condition its own stream, whatever ran before it or beside it."""
    # The same as the replication-th child of SeedSequence.spawn, without spawning those before it.
    parent = np.random.SeedSequence([seed, zlib.crc32(condition.encode())])
    return np.random.default_rng(np.random.SeedSequence(parent.entropy, spawn_key=(replication,)))


@dataclass
class Tally:
    """Sums over replications, which more replications are added to."""

    measures: dict[str, dict[str, list[float]]]
    draws: int = 0
    refused: dict[str, int] = field(default_factory=dict)

    @classmethod
    def empty(cls, condition: Condition) -> Tally:
        return cls(
            {
                name: {key: [0.0] * len(measure.parts) for key in ("n", "sum", "squares")}
                | {key: [0.0] for key in ("mean_n", "mean_sum", "mean_squares")}
                for name, measure in condition.measures.items()
            }
        )

    def add(self, found: Draw | str) -> None:
        """Add a replication; text says why the analysis refused."""
        self.draws += 1
        if isinstance(found, str):
            self.refused[found] = self.refused.get(found, 0) + 1
            return
        for name, sums in self.measures.items():
            values = np.atleast_1d(np.asarray(found[name], dtype=float)).ravel()
            if len(values) != len(sums["n"]):
                raise TypeError(f"{name}: {len(values)} values for {len(sums['n'])} parts")
            known = ~np.isnan(values)
            filled = np.where(known, values, 0.0)
            for key, more in (("n", known), ("sum", filled), ("squares", filled**2)):
                sums[key] = (np.asarray(sums[key]) + more).tolist()
            if known.any():
                mean = float(values[known].mean())
                for key, one in (("mean_n", 1.0), ("mean_sum", mean), ("mean_squares", mean**2)):
                    sums[key] = [sums[key][0] + one]


@dataclass(frozen=True)
class Estimate:
    """A mean over replications with its Monte Carlo interval."""

    value: float
    low: float
    high: float
    n: int


def share(n: float, total: float, squares: float, *, level: float = 0.95) -> Estimate:
    """Give a share with Wilson's (1927) interval.

    Shares averaged over several parameters of a replication go together; they get as many independent observations
    as the variance of the average is worth.
    """
    value = total / n
    variance = max(squares / n - value**2, 0.0) / n
    effective = value * (1 - value) / variance if variance > 0 else n
    z = float(stats.norm.ppf((1 + level) / 2))
    middle = (value + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z * np.sqrt(value * (1 - value) / effective + z**2 / (4 * effective**2)) / (1 + z**2 / effective)
    return Estimate(value, float(max(middle - half, 0.0)), float(min(middle + half, 1.0)), int(n))


def mean(n: float, total: float, squares: float, *, level: float = 0.95) -> Estimate:
    """Give a mean with its normal interval."""
    value = total / n
    error = np.sqrt(max(squares / n - value**2, 0.0) / max(n - 1, 1))
    z = float(stats.norm.ppf((1 + level) / 2))
    return Estimate(value, float(value - z * error), float(value + z * error), int(n))


def overall(measure: Measure, sums: Mapping[str, Sequence[float]]) -> Estimate:
    """Average over all parameters."""
    of = mean if measure.kind == "error" else share
    return of(sums["mean_n"][0], sums["mean_sum"][0], sums["mean_squares"][0])


def by_part(measure: Measure, sums: Mapping[str, Sequence[float]], *, level: float = 0.95) -> list[Estimate]:
    """Estimate each parameter by itself; those that never counted are left out."""
    of = mean if measure.kind == "error" else share
    three = zip(sums["n"], sums["sum"], sums["squares"], strict=True)
    return [of(*each, level=level) for each in three if each[0]]


def verdict(measure: Measure, sums: Mapping[str, Sequence[float]]) -> str:
    """Say whether a promise holds.

    It does not where the 95 % Monte Carlo interval of the average over parameters lies wholly outside the promised
    range, or that of a single parameter (Bonferroni's correction over parameters). As long as the interval of the
    average is wider than the promised range, draws are too few to say that it holds.
    """
    if measure.promise is None:
        return "published only"
    parts = by_part(measure, sums, level=1 - 0.05 / len(measure.parts))
    average = overall(measure, sums)
    for found in (average, *parts):
        if found.low > measure.promise.high or found.high < measure.promise.low:
            return "does not hold"
    wide = average.high - average.low > measure.promise.high - measure.promise.low
    return "too few draws" if wide else "holds"


def replicate(condition: Condition, replication: int) -> Draw | str:
    """Run one replication; if the analysis refuses the sample, return why, without the numbers that vary."""
    try:
        return condition.draw(generator(condition.name, replication))
    except ValueError as refusal:
        return re.sub(r"[\d.]*\d", "#", str(refusal))[:_REASON]


def covered(low: Any, high: Any, truth: Any) -> Matrix:
    """Whether intervals hold the truth, as 0 and 1; nan where there is no interval."""
    low, high, truth = (np.asarray(each, dtype=float) for each in (low, high, truth))
    inside = ((low <= truth) & (truth <= high)).astype(float)
    return np.asarray(np.where(np.isnan(low) | np.isnan(high), np.nan, inside))
