"""Variance, power and detectable difference of a before–after comparison: by formula, and by simulation of the test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, stats

Design = Literal["one team", "one group", "two arms"]
Analysis = Literal["change", "ancova"]
_Array: TypeAlias = NDArray[np.float64]

# Each chunk of draws has its own stream of random numbers, so that results do not depend on who draws them.
_CHUNK = 500
_ROUNDS = 20
# Variance of a cluster × wave for the weights of clusters, as `analysis.cluster_changes` has it.
_CLUSTER_WAVE = 0.04


@dataclass(frozen=True, kw_only=True)
class Setting:
    """One row of a table: all that is assumed."""

    design: Design
    before: float
    after: float
    linked: float
    arms: tuple[int, ...]  # clusters by arm; empty without clusters
    sd: float
    icc: float
    person: float
    cluster: float
    shares: tuple[float, ...]
    size_cv: float
    analysis: Analysis


# By formula


def by_formula(
    setting: Setting, power: float | None, effects: list[float] | None, confidence: float
) -> list[dict[str, float]]:
    """Return the power for each effect, or without effects the one that is seen with this power."""
    variance, df = _variance(setting)
    se = float(np.sqrt(variance))
    limit = float(stats.t.ppf((1 + confidence) / 2, df))
    if effects is not None:
        return [{"effect": each, "power": _chance(each / se, limit, df), "se": se, "df": df} for each in effects]
    wanted = float(power or 0)
    high = limit + 4.0
    while _chance(high, limit, df) < wanted:
        high *= 2
    distance = optimize.brentq(lambda shift: _chance(shift, limit, df) - wanted, 0.0, high, xtol=1e-12, rtol=1e-13)
    return [{"estimate": float(distance) * se, "se": se, "df": df}]


def _chance(shift: float, limit: float, df: float) -> float:
    """Return the chance that t exceeds its limit when its mean is ``shift`` standard errors."""
    return float(stats.nct.sf(limit, df, shift))


def _variance(setting: Setting) -> tuple[float, float]:
    """Return the variance of the estimated change, or difference of changes, and its degrees of freedom."""
    if not setting.arms:
        parts = [
            _overlapping(setting.before * share, setting.after * share, setting.linked * share, setting.person)
            for share in setting.shares
        ]
        weight = 1 / len(parts) ** 2
        # Of several forms: Satterthwaite (1946).
        total = sum(weight * part for part, _ in parts)
        return setting.sd**2 * total, total**2 / sum((weight * part) ** 2 / df for part, df in parts)
    before, after, both = _cluster_moments(setting, np.ones(1))
    change = before + after - 2 * both
    own = after - both**2 / before if setting.analysis == "ancova" else change
    variance = setting.sd**2 * float(own[0]) * sum(1 / arm for arm in setting.arms)
    # Clusters − arms where the arms are of one size, fewer where they are not (as the test of changes has it).
    inverse = np.array([1 / arm for arm in setting.arms])
    df = float(inverse.sum() ** 2 / sum(1 / (arm**2 * (arm - 1)) for arm in setting.arms))
    return variance, sum(setting.arms) - 3.0 if setting.analysis == "ancova" else df


def _overlapping(before: float, after: float, linked: float, correlation: float) -> tuple[float, float]:
    """Return variance (for unit variance) and degrees of freedom of T_new2 of Derrick et al. (2017)."""
    linked = linked if linked > 1 else 0.0  # one pair shows no correlation: the test counts it as two people
    variance = 1 / before + 1 / after - 2 * correlation * linked / (before * after)
    welch = (1 / before + 1 / after) ** 2 / (1 / before**2 / (before - 1) + 1 / after**2 / (after - 1))
    alone = before + after - 2 * linked
    df = linked - 1 + (welch - linked + 1) / (before + after) * alone
    return variance, df


def _sizes(setting: Setting, relative: _Array) -> tuple[_Array, _Array, _Array]:
    """Return answers before, after, and linked, by cluster."""
    k = sum(setting.arms)
    before = np.maximum(setting.before / k * relative, 1.0)
    after = np.maximum(setting.after / k * relative, 1.0)
    return before, after, np.minimum(setting.linked / k * relative, np.minimum(before, after))


def _mixed_forms(setting: Setting) -> float:
    """Return by how much the mean of forms with equal weights varies more than the mean of everyone."""
    return sum(1 / share for share in setting.shares) / len(setting.shares) ** 2


def _answers_part(setting: Setting, relative: _Array) -> _Array:
    """Return 1 / n before + 1 / n after of each cluster, in which the forms' numbers count."""
    before, after, _ = _sizes(setting, relative)
    return _mixed_forms(setting) * (1 / before + 1 / after)


def _cluster_moments(setting: Setting, relative: _Array) -> tuple[_Array, _Array, _Array]:
    """Return variances of cluster means before and after and their covariance, for unit variance, by relative size."""
    before, after, linked = _sizes(setting, relative)
    person = (1 - setting.icc) * _mixed_forms(setting)
    both = setting.icc * setting.cluster + person * setting.person * linked / (before * after)
    return setting.icc + person / before, setting.icc + person / after, both


# By simulation


def simulated(
    settings: list[Setting], confidence: float, *, draws: int, seed: int, n_jobs: int, progress: bool
) -> list[tuple[_Array, _Array]]:
    """Return for each setting, by draw, the effect from which on it would be seen, and the error of the estimate."""
    from joblib import Parallel, delayed  # type: ignore[import-untyped]
    from tqdm import tqdm

    sizes = [min(_CHUNK, draws - start) for start in range(0, draws, _CHUNK)]
    # The same streams for every setting: rows of a table then differ by what is assumed, not by chance.
    streams = np.random.SeedSequence(seed).spawn(len(sizes))
    tasks = [
        delayed(_drawn)(setting, size, stream, confidence)
        for setting in settings
        for size, stream in zip(sizes, streams, strict=True)
    ]
    found: list[tuple[_Array, _Array]] = []
    # No backend is named: `joblib.parallel_config` decides. Rounds let progress be shown with any of them.
    step = max(1, -(-len(tasks) // _ROUNDS))
    with (
        Parallel(n_jobs=n_jobs) as parallel,
        tqdm(total=len(tasks), desc="simulation", disable=not progress) as bar,
    ):
        for start in range(0, len(tasks), step):
            found += parallel(tasks[start : start + step])
            bar.update(min(step, len(tasks) - start))
    each = len(sizes)
    grouped = [found[start : start + each] for start in range(0, len(found), each)]
    return [
        (np.concatenate([threshold for threshold, _ in part]), np.concatenate([error for _, error in part]))
        for part in grouped
    ]


def _drawn(setting: Setting, draws: int, stream: np.random.SeedSequence, confidence: float) -> tuple[_Array, _Array]:
    """Draw samples without a change, and test each.

    Another true change only shifts the estimate: it is seen where change + estimate exceeds limit × standard error.
    """
    rng = np.random.default_rng(stream)
    error, se, df = _draw_team(setting, draws, rng) if not setting.arms else _draw_clusters(setting, draws, rng)
    return stats.t.ppf((1 + confidence) / 2, df) * se - error, error


def _draw_team(setting: Setting, draws: int, rng: np.random.Generator) -> tuple[_Array, _Array, _Array]:
    """Draw everyone's scores and apply the test of `analysis.overlapping.overlapping_samples`, all draws at once."""
    before, after, linked = int(setting.before), int(setting.after), int(setting.linked)
    first = rng.normal(size=(draws, before))
    second = rng.normal(size=(draws, after))
    second[:, :linked] = setting.person * first[:, :linked] + np.sqrt(1 - setting.person**2) * second[:, :linked]
    v0, v1 = first.var(axis=1, ddof=1) / before, second.var(axis=1, ddof=1) / after
    covariance = np.zeros(draws)
    linked = linked if linked > 1 else 0  # as `overlapping_samples` does
    if linked:
        centred = [part[:, :linked] - part[:, :linked].mean(axis=1, keepdims=True) for part in (first, second)]
        squares = [(part**2).sum(axis=1) for part in centred]
        r = (centred[0] * centred[1]).sum(axis=1) / np.sqrt(squares[0] * squares[1])
        covariance = r * np.sqrt(v0 * v1) * linked / np.sqrt(before * after)
    welch = (v0 + v1) ** 2 / (v0**2 / (before - 1) + v1**2 / (after - 1))
    df = linked - 1 + (welch - linked + 1) / (before + after) * (before + after - 2 * linked)
    error = second.mean(axis=1) - first.mean(axis=1)
    return setting.sd * error, setting.sd * np.sqrt(v0 + v1 - 2 * covariance), np.asarray(df)


def _draw_clusters(setting: Setting, draws: int, rng: np.random.Generator) -> tuple[_Array, _Array, _Array]:
    """Draw the clusters' changes from their exact distribution, and apply the test of `analysis.cluster_changes`."""
    estimates, variances, traces, norms = [], [], [], []
    for arm in setting.arms:
        shape = 1 / setting.size_cv**2 if setting.size_cv else np.inf
        relative = rng.gamma(shape, 1 / shape, size=(draws, arm)) if setting.size_cv else np.ones((draws, arm))
        before, after, both = _cluster_moments(setting, relative)
        change = rng.normal(size=(draws, arm)) * np.sqrt(before + after - 2 * both)
        weight = 1 / (_answers_part(setting, relative) + 2 * _CLUSTER_WAVE)
        total = weight.sum(axis=1, keepdims=True)
        share = weight / total
        estimate = (share * change).sum(axis=1, keepdims=True)
        # CR2 and its degrees of freedom (Bell and McCaffrey, 2002) where each cluster is one weighted change.
        pull = weight / (total**2 * (1 - share))  # squared
        through = pull * weight
        estimates.append(estimate[:, 0])
        variances.append((pull * weight * (change - estimate) ** 2).sum(axis=1))
        traces.append((pull * (1 - share)).sum(axis=1))
        norms.append((pull**2 * (1 - 2 * share)).sum(axis=1) + (through.sum(axis=1) / total[:, 0]) ** 2)
    df = np.sum(traces, axis=0) ** 2 / np.sum(norms, axis=0)
    error = estimates[0] - estimates[1] if len(estimates) == 2 else estimates[0]
    return setting.sd * error, setting.sd * np.sqrt(np.sum(variances, axis=0)), df


def by_simulation(
    drawn: tuple[_Array, _Array], power: float | None, effects: list[float] | None
) -> list[dict[str, float]]:
    """Return the same from what `simulated` drew, with Monte Carlo intervals."""
    threshold, error = np.sort(drawn[0]), drawn[1]
    n, se = len(threshold), float(drawn[1].std(ddof=1))
    if effects is not None:
        lines = []
        for each in effects:
            seen = int(np.searchsorted(threshold, each))
            low, high = _wilson(seen, n)
            lines.append({"effect": each, "power": seen / n, "simulated_low": low, "simulated_high": high, "se": se})
        return lines
    wanted = float(power or 0)
    # Order statistics whose ranks bound the quantile in 95 % of simulations.
    ranks = np.asarray(stats.binom.ppf([0.025, 0.975], n, wanted)).astype(int)
    low, high = threshold[np.clip(ranks, 0, n - 1)]
    return [
        {
            "estimate": float(np.quantile(threshold, wanted)),
            "simulated_low": float(low),
            "simulated_high": float(high),
            "se": float(error.std(ddof=1)),
        }
    ]


def _wilson(seen: int, n: int) -> tuple[float, float]:
    """Return Wilson's (1927) interval of a share."""
    found = stats.binomtest(seen, n).proportion_ci(0.95, method="wilson")
    return float(found.low), float(found.high)
