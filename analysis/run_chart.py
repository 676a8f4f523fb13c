"""Run-chart rules: whether a series of points over time looks like chance around its median."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

TOO_FEW = "too few points for run-chart rules"
NO_SIGNAL = "no signal"
FEWEST_POINTS = 10
SHIFT = 6
TREND = 5
_LEVEL = 0.05


@dataclass(frozen=True, kw_only=True)
class RunChart:
    """A series judged by run-chart rules.

    Parameters
    ----------
    points : int
        Values there are.
    median : float
    longest_run : int
        Most points in a row on one side of the median; points on it neither count nor interrupt.
    longest_trend : int
        Most points in a row that all rise or all fall; equal neighbours count as one point.
    runs : int
        Runs of points on one side of the median.
    p_runs : float
        Two-sided exact p of so few or so many runs; missing with fewer than 10 points.
    verdict : str
        "too few points for run-chart rules", "no signal", or the signals found.
    """

    points: int
    median: float
    longest_run: int
    longest_trend: int
    runs: int
    p_runs: float
    verdict: str


def run_chart_rules(values: pd.Series) -> RunChart:
    """Judge a series, in the order of time, by the rules of run charts.

    Parameters
    ----------
    values : pandas.Series
        One number a point; missing ones are left out.

    Returns
    -------
    RunChart
        Signals: a shift (6 or more points in a row on one side of the median), a trend (5 or more in a row that rise
        or fall), too few or too many runs (p < .05). Judged only with 10 points or more.

    Raises
    ------
    ValueError
        If there is no number.

    Notes
    -----
    Perla, Provost and Murray (2011), *BMJ Quality and Safety*, 20, 46–51. Their table of runs is replaced by the exact
    distribution for the points above and below the median (Swed and Eisenhart, 1943, *Annals of Mathematical
    Statistics*, 14, 66–87), both tails.

    Examples
    --------
    >>> run_chart_rules(pd.Series([50.0, 52, 51])).verdict
    'too few points for run-chart rules'
    >>> run_chart_rules(pd.Series([48.0, 47, 49, 46, 48, 47, 58, 57, 59, 56, 58, 57])).verdict
    'shift: 6 points in a row on one side of the median; too few runs: 2'
    """
    numbers = values.dropna().to_numpy(dtype=float)
    if not numbers.size:
        raise ValueError("a run chart needs at least one number, got none")
    median = float(np.median(numbers))
    sides = np.sign(numbers - median)
    sides = sides[sides != 0]
    runs = int((np.diff(sides) != 0).sum()) + 1 if sides.size else 0
    steps = np.sign(np.diff(numbers))
    steps = steps[steps != 0]
    longest_run, longest_trend = _longest(sides), _longest(steps) + 1
    p, signals = float("nan"), []
    if numbers.size >= FEWEST_POINTS:
        above, below = int((sides > 0).sum()), int((sides < 0).sum())
        p = runs_p(runs, above, below)
        expected = 1 + 2 * above * below / max(above + below, 1)
        if longest_run >= SHIFT:
            signals.append(f"shift: {longest_run} points in a row on one side of the median")
        if longest_trend >= TREND:
            signals.append(f"trend: {longest_trend} points in a row {' or '.join(_ways(steps, longest_trend - 1))}")
        if p < _LEVEL:
            signals.append(f"too {'few' if runs < expected else 'many'} runs: {runs}")
    verdict = "; ".join(signals) or NO_SIGNAL
    return RunChart(
        points=int(numbers.size),
        median=median,
        longest_run=longest_run,
        longest_trend=longest_trend,
        runs=runs,
        p_runs=p,
        verdict=verdict if numbers.size >= FEWEST_POINTS else TOO_FEW,
    )


def runs_p(runs: int, above: int, below: int) -> float:
    """Return the two-sided exact p of a number of runs, given how many points lie above and below.

    Parameters
    ----------
    runs, above, below : int

    Returns
    -------
    float
        Twice the smaller tail, at most 1; missing where all points lie on one side.

    Raises
    ------
    ValueError
        If so many points cannot have so many runs.

    Examples
    --------
    Four runs of eight points above and eight below:

    >>> round(runs_p(4, 8, 8), 4)
    0.0177
    """
    if not above or not below:
        return float("nan")
    possible = np.arange(2, 2 * min(above, below) + 1 + (above != below))
    if runs not in possible:
        raise ValueError(
            f"{above} points above and {below} below have {possible[0]} to {possible[-1]} runs, got {runs}"
        )
    half = possible // 2
    even = 2 * special.comb(above - 1, half - 1) * special.comb(below - 1, half - 1)
    odd = special.comb(above - 1, half) * special.comb(below - 1, half - 1)
    odd += special.comb(above - 1, half - 1) * special.comb(below - 1, half)
    probability = np.where(possible % 2 == 0, even, odd) / special.comb(above + below, above)
    few, many = (float(probability[chosen].sum()) for chosen in (possible <= runs, possible >= runs))
    return min(1.0, 2 * min(few, many))


def _longest(signs: NDArray[np.float64]) -> int:
    """Return the length of the longest stretch of equal values."""
    if not signs.size:
        return 0
    starts = np.flatnonzero(np.concatenate([[True], np.diff(signs) != 0]))
    return int(np.diff(np.append(starts, signs.size)).max())


def _ways(steps: NDArray[np.float64], length: int) -> list[str]:
    starts = np.flatnonzero(np.concatenate([[True], np.diff(steps) != 0]))
    lengths = np.diff(np.append(starts, steps.size))
    directions = set(steps[starts[lengths == length]])
    return [word for sign, word in ((1.0, "upwards"), (-1.0, "downwards")) if sign in directions]
