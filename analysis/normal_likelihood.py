"""The likelihood of normal answers at any means and covariances: its value, slopes, information and scores.

A group is a stack of patterns of answered items; complete answers are one pattern, and what follows is the same
for both. Moments stand in one order: means (if wanted), then variances and covariances as ``np.triu_indices``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg

from analysis.missing import normal_moments, numeric_answers
from analysis.sentences import listed
from analysis.structure import FitError, gathered

Matrix = NDArray[np.floating[Any]]
Positions = NDArray[np.intp]

# Numbers held at once for a stack of small matrices (32 MB).
_STACK = 4_000_000
# Smallest eigenvalue of a correlation matrix that counts as positive definite.
_SINGULAR = 1e-10


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Patterned:
    """One group's answers by patterns of answered items; complete answers are one pattern.

    Attributes
    ----------
    answers : (people, items) array
        0 where not answered; empty if only moments were given.
    pattern : (people,) array
        The pattern of each.
    known : (patterns, items) array
        1 where answered, else 0.
    counts : (patterns,) array
        People of each pattern.
    mean, scatter : (patterns, items), (patterns, items, items) arrays
        Means and covariances (divisor n) within patterns, 0 where not answered.
    cluster : (people,) array or None
        Numbers of the clusters, if any.
    saturated_mean, saturated_covariance : (items,), (items, items) arrays
        By maximum likelihood without a model.
    """

    answers: Matrix
    pattern: Positions
    known: Matrix
    counts: Matrix
    mean: Matrix
    scatter: Matrix
    cluster: Positions | None
    saturated_mean: Matrix
    saturated_covariance: Matrix

    @property
    def n(self) -> int:
        """How many people."""
        return int(self.counts.sum())

    @property
    def clusters(self) -> int:
        """How many clusters; 0 if people count as independent."""
        return 0 if self.cluster is None else int(self.cluster.max()) + 1


def by_pattern(
    frame: pd.DataFrame, *, missing: Literal["listwise", "fiml"], items: int, cluster: pd.Series | None = None
) -> Patterned:
    """Check answers and sort them by pattern.

    Parameters
    ----------
    frame : pandas.DataFrame
        Response × item.
    missing : {"listwise", "fiml"}
        Whether responses with a gap are left out, or those without any answer alone.
    items : int
        How many there must be.
    cluster : pandas.Series, optional
        The cluster of each response, on the frame's index.

    Returns
    -------
    Patterned
        It holds patterns × items² numbers.

    Raises
    ------
    FitError
        If there are not more people than items, an item is constant or repeats others (naming them), or the
        saturated moments do not converge.
    ValueError
        For clusters on another index or missing, and as `analysis.missing.numeric_answers`.
    """
    if frame.shape[1] != items:
        raise ValueError(f"the model has {items} items, the data have {frame.shape[1]}: give the items of the model")
    numbers = numeric_answers(frame, at_least=1)
    present = numbers.notna().to_numpy()
    kept = present.all(axis=1) if missing == "listwise" else present.any(axis=1)
    values, known = numbers.to_numpy()[kept], present[kept]
    numbered = None if cluster is None else _numbered(cluster, frame, kept)
    n = len(values)
    if n <= items:
        raise FitError(
            f"the items' covariance matrix is not positive definite, since there are not more people than items: "
            f"{n} people{'' if missing == 'fiml' else ' without a gap'}, {items} items; leave items out or use more people"
        )
    filled_in = np.where(known, values, 0.0)
    packed, pattern, counts = np.unique(known, axis=0, return_inverse=True, return_counts=True)
    order = np.argsort(pattern, kind="stable")
    filled_in, pattern = filled_in[order], pattern[order]
    starts = np.concatenate([[0], np.cumsum(counts)])
    # The answers are centred before they are squared, so that no digits are lost.
    centre = filled_in.sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    shifted = np.where(known[order], filled_in - centre, 0.0)
    mean = np.add.reduceat(shifted, starts[:-1], axis=0) / counts[:, None]
    within = shifted - mean[pattern]
    scatter = np.stack([within[a:b].T @ within[a:b] / (b - a) for a, b in pairwise(starts)])
    complete = len(packed) == 1 and bool(packed.all())
    if complete:
        _refuse_repeats(frame.columns, scatter[0])
        saturated_mean, saturated_covariance = centre + mean[0], scatter[0]
    else:
        moments = normal_moments(numbers.loc[kept])
        if not moments.converged:
            raise FitError(
                f"means and covariances did not converge in {moments.iterations} EM steps: too few answers in "
                "common; leave out the items with most gaps or use more people"
            )
        saturated_mean, saturated_covariance = moments.mean.to_numpy(), moments.covariance.to_numpy()
    return Patterned(
        answers=filled_in,
        pattern=pattern,
        known=packed.astype(float),
        counts=counts.astype(float),
        mean=np.where(packed, mean + centre, 0.0),
        scatter=scatter,
        cluster=None if numbered is None else numbered[order],
        saturated_mean=saturated_mean,
        saturated_covariance=saturated_covariance,
    )


def complete_moments(covariance: Matrix, n: int, mean: Matrix | None = None) -> Patterned:
    """Take covariances (divisor n) and means for the answers of n people; there are no scores then.

    Parameters
    ----------
    covariance : (items, items) array
    n : int
    mean : (items,) array, optional
        0 if not given.

    Returns
    -------
    Patterned
    """
    items = len(covariance)
    centre = np.zeros(items) if mean is None else mean
    return Patterned(
        answers=np.zeros((0, items)),
        pattern=np.zeros(0, dtype=np.intp),
        known=np.ones((1, items)),
        counts=np.array([float(n)]),
        mean=centre[None, :],
        scatter=covariance[None, :, :],
        cluster=None,
        saturated_mean=centre,
        saturated_covariance=covariance,
    )


def discrepancy(group: Patterned, mean: Matrix, covariance: Matrix) -> float:
    """Give −2 log-likelihood of one person (the mean over people), without its constant.

    Parameters
    ----------
    group : Patterned
    mean, covariance : (items,), (items, items) arrays

    Returns
    -------
    float
        Infinite where the covariances are not positive definite.
    """
    if log_determinant(covariance) is None:
        return np.inf
    inverses, logs = _inverses(group, covariance)
    about = _deviations(group, mean)[1]
    return float(group.counts @ (logs + np.sum(inverses * about, axis=(1, 2)))) / group.n


def discrepancy_slopes(group: Patterned, mean: Matrix, covariance: Matrix) -> tuple[Matrix, Matrix]:
    """Differentiate `discrepancy`.

    Parameters
    ----------
    group : Patterned
    mean, covariance : (items,), (items, items) arrays

    Returns
    -------
    tuple
        By Σ, (items, items), as if its elements were all apart, and by μ, (items,).
    """
    inverses = _inverses(group, covariance)[0]
    shift, about = _deviations(group, mean)
    share = group.counts / group.n
    by_covariance = np.tensordot(share, inverses - inverses @ about @ inverses, axes=1)
    by_mean = -2 * share @ np.einsum("pij,pj->pi", inverses, shift)
    return np.asarray(by_covariance), np.asarray(by_mean)


def moment_slope(group: Patterned, mean: Matrix, covariance: Matrix, *, means: bool) -> Matrix:
    """Give the mean of the people's `moment_scores`, which takes no answers.

    Parameters
    ----------
    group : Patterned
    mean, covariance : (items,), (items, items) arrays
    means : bool
        Whether means are among the moments.

    Returns
    -------
    (moments,) array
    """
    by_covariance, by_mean = discrepancy_slopes(group, mean, covariance)
    rows, columns, halves = _pairs(len(mean))
    slope = -by_covariance[rows, columns] * halves
    return np.concatenate([-by_mean / 2, slope]) if means else np.asarray(slope)


def moment_information(
    group: Patterned, mean: Matrix, covariance: Matrix, *, means: bool, expected: bool = False
) -> Matrix:
    """Give the information of one person on the moments.

    Parameters
    ----------
    group : Patterned
    mean, covariance : (items,), (items, items) arrays
    means : bool
        Whether means are among the moments.
    expected : bool
        Whether to take the expected information rather than the observed one.

    Returns
    -------
    (moments, moments) array

    Notes
    -----
    The observed one is half of d²F[d₁, d₂] = tr(d₁Ad₂K) with A a pattern's inverse and K = 2ATA − A, T the pattern's second
    moments about μ; the expected one has A for K. Sums over patterns of products of their elements are one product
    of matrices.
    """
    items = len(mean)
    inverses = _inverses(group, covariance)[0]
    shift, about = _deviations(group, mean)
    bends = inverses if expected else 2 * inverses @ about @ inverses - inverses
    weighted = (inverses * (group.counts / group.n)[:, None, None]).reshape(-1, items * items)
    products = weighted.T @ bends.reshape(-1, items * items)
    rows, columns, halves = _pairs(items)

    def product(a: Positions, b: Positions, c: Positions, d: Positions) -> Matrix:
        """Σ A_ac K_db for pairs (·a, ·b) down and (c·, d·) across."""
        return np.asarray(products[a[:, None] * items + c, d * items + b[:, None]])

    table = product(columns, rows, rows, columns) + product(columns, rows, columns, rows)
    table += product(rows, columns, rows, columns) + product(rows, columns, columns, rows)
    table *= halves[:, None] * halves / 2
    if not means:
        return np.asarray((table + table.T) / 2)
    pull = np.zeros_like(shift) if expected else np.einsum("pij,pj->pi", inverses, shift)
    mixed = (weighted.T @ pull).reshape(items, items, items)
    cross = (mixed[:, rows, columns] + mixed[:, columns, rows]) * halves
    return np.block([[weighted.sum(axis=0).reshape(items, items), cross], [cross.T, (table + table.T) / 2]])


def moment_scores(group: Patterned, mean: Matrix, covariance: Matrix, *, means: bool) -> Matrix:
    """Give each person's derivatives of the log-likelihood by the moments.

    Parameters
    ----------
    group : Patterned
    mean, covariance : (items,), (items, items) arrays
    means : bool
        Whether means are among the moments.

    Returns
    -------
    (people, moments) array

    Raises
    ------
    ValueError
        If the group has moments alone.
    """
    if not len(group.answers):
        raise ValueError("scores need the answers of people, not their covariances alone: use `fit_normal`")
    items = len(mean)
    inverses = _inverses(group, covariance)[0]
    shift = (group.answers - mean) * group.known[group.pattern]
    pull = np.empty_like(shift)
    most = max(_STACK // items**2, 1)
    if len(inverses) == 1:
        pull = shift @ inverses[0]
    else:
        for start in range(0, len(shift), most):
            here = slice(start, start + most)
            pull[here] = np.einsum("pij,pj->pi", inverses[group.pattern[here]], shift[here])
    rows, columns, halves = _pairs(items)
    scores = (pull[:, rows] * pull[:, columns] - inverses[:, rows, columns][group.pattern]) * halves
    return np.hstack([pull, scores]) if means else np.asarray(scores)


def score_products(group: Patterned, scores: Matrix) -> Matrix:
    """Average the outer products of people's scores, these summed within clusters if there are any.

    Parameters
    ----------
    group : Patterned
    scores : (people, parameters) array

    Returns
    -------
    (parameters, parameters) array
        Multiplied by clusters / (clusters − 1) if there are clusters.
    """
    summed = _summed(group, scores)
    return np.asarray(summed.T @ summed / group.n)


def saturated_trace(group: Patterned, *, means: bool) -> float:
    """Give tr(A⁻¹B) of the saturated model: A the observed information, B the products of scores.

    Parameters
    ----------
    group : Patterned
    means : bool
        Whether means are among the moments.

    Returns
    -------
    float
        The number of moments, if the answers are normal.
    """
    mean, covariance = group.saturated_mean, group.saturated_covariance
    if len(group.counts) > 1 or not group.known.all():
        meat = score_products(group, moment_scores(group, mean, covariance, means=means))
        return float(np.trace(np.linalg.solve(moment_information(group, mean, covariance, means=means), meat)))
    # No change of units changes the trace, and in those in which complete answers have the covariance I, A is diagonal.
    root = np.linalg.cholesky(covariance)
    white = linalg.solve_triangular(root, (group.answers - mean).T, lower=True).T
    items = len(mean)
    scores = moment_scores(replace(group, answers=white), np.zeros(items), np.eye(items), means=means)
    information = np.concatenate([np.ones(items if means else 0), _pairs(items)[2]])
    return float(np.sum(_summed(group, scores) ** 2 / information)) / group.n


def log_determinant(matrix: Matrix) -> float | None:
    """Give the log-determinant of a covariance matrix.

    Parameters
    ----------
    matrix : (items, items) array

    Returns
    -------
    float or None
        None unless the matrix is positive definite beyond rounding.
    """
    scale = np.diag(matrix)
    if not (np.all(np.isfinite(matrix)) and np.all(scale > 0)):
        return None
    eigenvalues = np.linalg.eigvalsh(matrix / np.sqrt(np.outer(scale, scale)))
    if eigenvalues[0] < _SINGULAR:
        return None
    return float(np.sum(np.log(eigenvalues)) + np.sum(np.log(scale)))


def _refuse_repeats(names: pd.Index, covariance: Matrix) -> None:
    """Name the items that make covariances singular."""
    if log_determinant(covariance) is not None:
        return
    alike = np.diag(covariance) <= 0
    if alike.any():
        raise FitError(
            f"everybody answered {listed(names[alike])} alike: an item without variance cannot be modelled; leave it out"
        )
    sd = np.sqrt(np.diag(covariance))
    least = np.linalg.eigh(covariance / np.outer(sd, sd))[1][:, 0]
    raise FitError(
        f"the items' covariance matrix is not positive definite: {listed(names[np.abs(least) > 1e-3])} repeat each other "
        "(one is doubled, or is the sum of others); leave one of them out"
    )


def _inverses(group: Patterned, covariance: Matrix) -> tuple[Matrix, Matrix]:
    """Inverses of each pattern's part of Σ, 0 at items not answered, and the log-determinants."""
    mask = group.known[:, :, None] * group.known[:, None, :]
    padded = covariance * mask
    position = np.arange(len(covariance))
    padded[:, position, position] += 1 - group.known
    return np.asarray(np.linalg.inv(padded) * mask), np.asarray(np.linalg.slogdet(padded)[1])


def _deviations(group: Patterned, mean: Matrix) -> tuple[Matrix, Matrix]:
    """Mean deviation of each pattern from μ, and its second moments about μ."""
    shift = (group.mean - mean) * group.known
    return shift, group.scatter + shift[:, :, None] * shift[:, None, :]


def _pairs(items: int) -> tuple[Positions, Positions, Matrix]:
    rows, columns = np.triu_indices(items)
    return rows, columns, np.where(rows == columns, 0.5, 1.0)


def _numbered(cluster: pd.Series, frame: pd.DataFrame, kept: NDArray[np.bool_]) -> Positions:
    if len(cluster) != len(frame) or not cluster.index.equals(frame.index):
        raise ValueError("the clusters must have the answers' index: one cluster for each response, in their order")
    chosen = cluster[kept]
    if chosen.isna().any():
        raise ValueError(
            f"{int(chosen.isna().sum())} responses have no cluster: leave them out, or give each a cluster of its own"
        )
    codes, names = pd.factorize(chosen)
    if len(names) < 2:
        raise ValueError("all people are in one cluster: robust standard errors need several in each group")
    return np.asarray(codes, dtype=np.intp)


def _summed(group: Patterned, scores: Matrix) -> Matrix:
    """Scores of people, or their sums by cluster with the correction for few clusters."""
    if group.cluster is None:
        return scores
    return np.asarray(gathered(scores, group.cluster, group.clusters) * np.sqrt(group.clusters / (group.clusters - 1)))
