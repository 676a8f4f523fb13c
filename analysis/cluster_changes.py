"""The change of one score as a t test on the changes of clusters: for teams or organisations that are not many."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.change_contrasts import (
    ARMS,
    CHANGE,
    FEWEST,
    PROGRAMME,
    ChangeModel,
    change_of,
    require_two,
    scored_rows,
    t_tests,
    with_common_forms,
)

Weights = Literal["precision", "equal"]
_WEIGHTS = ("precision", "equal")
_Array = NDArray[np.floating[Any]]

# Variance of a cluster × wave over that of one answer, for the weights alone: a planning value. The test holds
# whatever the truth is; a wrong value costs precision.
_CLUSTER_WAVE = 0.04
# Eigenvalues of I − H under it belong to directions of which a cluster says nothing.
_NOTHING = 1e-8


def cluster_changes(values: pd.Series, rows: pd.DataFrame, *, unit: str, weights: Weights = "precision") -> ChangeModel:
    """Test the change of one score by the changes of clusters, of everyone, linked or not.

    Parameters
    ----------
    values : pandas.Series
        The score by response, both waves; missing ones are left out.
    rows : pandas.DataFrame
        Same index: ``wave`` (0, 1), ``person`` and the column ``unit``; ``form`` and ``programme`` (0 or 1, the
        same throughout a cluster) where there are several.
    unit : str
        Column of the clusters: the widest unit of which there are enough, or that was assigned to the programme.
    weights : {"precision", "equal"}, default "precision"
        How much each form's change within a cluster counts: by the number of answers behind it, levelling off
        where the cluster's own drift outweighs them; or all alike.

    Returns
    -------
    ChangeModel

    Raises
    ------
    ValueError
        If fewer than two clusters (of each arm, and with each form) have answers at both waves, all change
        alike, or an option is none of these.

    Notes
    -----
    Two stages (Hayes and Moulton, 2017, *Cluster Randomised Trials*, 2nd ed., chapter 10): within each cluster
    the change of the mean of each form that answered at both waves; then these changes by form, and by
    arm, tested with the cluster as the unit. The change is the mean over forms (and arms) with equal weights.
    As small clusters lack a form here and there, the second stage is least squares with the cluster-robust
    variance CR2 and its degrees of freedom (Bell and McCaffrey, 2002; Pustejovsky and Tipton, 2018, *Journal of
    Business & Economic Statistics*, 36, 672–683). Where every cluster has every form and counts alike this is the
    one-sample t test on the clusters' mean changes, clusters − 1 degrees of freedom; between arms the standard
    error is Welch's, with degrees of freedom that depend on the numbers of clusters and not on their estimated
    variances, which few clusters tell badly. Weights: 1 / (1/n_before + 1/n_after + .08), that is 4 % of the
    variance of an answer for each cluster × wave.

    Answers of a form that a cluster has in one wave only say nothing of change within clusters and are left out.

    Examples
    --------
    >>> rows = pd.DataFrame({"wave": [0, 1] * 4, "person": range(8), "team": list("aabbccdd")})
    >>> model = cluster_changes(pd.Series([50.0, 54, 60, 61, 55, 60, 48, 54]), rows, unit="team")
    >>> model.contrasts[["estimate", "df"]].round(2).to_dict("list")
    {'estimate': [4.0], 'df': [3.0]}
    """
    if weights not in _WEIGHTS:
        raise ValueError(f"weights must be 'precision' or 'equal'; got {weights!r}")
    if unit not in rows:
        raise ValueError(f"unit must be a column of the rows; got {unit!r}, they have {', '.join(map(str, rows))}")
    notes: list[str] = []
    used = scored_rows(values, rows)
    used, has_forms = with_common_forms(used, notes)
    require_two(used["wave"])
    has_arms = "programme" in used
    cells, kept = _cells(values.loc[used.index].to_numpy(dtype=float), used, unit, has_forms=has_forms)
    if not kept.all():
        notes.append(
            f"answers of {unit}s (or of a form in {unit}s) that answered in one wave only say nothing of change within "
            f"{unit}s: their test leaves them out"
        )
    used = used[kept]
    _require_clusters(cells, unit, has_arms=has_arms)
    table = _cluster_robust(cells, weights, has_arms=has_arms)
    return change_of(values, used, table, notes)


@dataclass(frozen=True)
class _Cells:
    """Each form's change in each cluster, clusters × forms."""

    change: _Array
    n: _Array  # clusters × forms × waves
    forms: list[str]
    programme: _Array  # by cluster, the arm

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Where a cluster has a form at both waves."""
        return np.asarray((self.n > 0).all(axis=2))


def _cells(values: _Array, used: pd.DataFrame, unit: str, *, has_forms: bool) -> tuple[_Cells, NDArray[np.bool_]]:
    """Return the changes, and which rows are behind them."""
    cluster, clusters = pd.factorize(used[unit].astype(str), sort=True)
    form, forms = pd.factorize(used["form"].astype(str) if has_forms else pd.Series([""] * len(used)), sort=True)
    shape = (len(clusters), len(forms), 2)
    cell = np.ravel_multi_index((cluster, form, used["wave"].to_numpy(dtype=int)), shape)
    n = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape).astype(float)
    # About the overall mean, so that sums of many answers lose no digits.
    centred = values - values.mean()
    mean = np.bincount(cell, weights=centred, minlength=n.size).reshape(shape) / np.maximum(n, 1)
    programme = np.zeros(len(clusters))
    if "programme" in used:
        programme[cluster] = used["programme"].to_numpy(dtype=float)
    cells = _Cells(mean[:, :, 1] - mean[:, :, 0], n, [str(name) for name in forms], programme)
    return cells, cells.whole[cluster, form]


def _require_clusters(cells: _Cells, unit: str, *, has_arms: bool) -> None:
    by_form = cells.whole.sum(axis=0)
    if (by_form < FEWEST).any():
        fewest = int(by_form.argmin())
        which = f" with form {cells.forms[fewest]}" if len(cells.forms) > 1 else ""
        raise ValueError(
            f"the test of {unit}s needs at least two {unit}s{which} that answered at both waves, "
            f"there {'is' if by_form[fewest] == 1 else 'are'} {by_form[fewest]}"
        )
    if has_arms:
        arm = cells.programme[cells.whole.any(axis=1)]
        if min((arm == 0).sum(), (arm == 1).sum()) < FEWEST:
            raise ValueError(f"the test of {unit}s needs at least two {unit}s of each arm with answers at both waves")


def _weighted(cells: _Cells, weights: Weights, *, has_arms: bool) -> tuple[_Array, _Array]:
    """Return the weighted design, clusters × forms × terms, and changes: zero where a cluster lacks a form."""
    n = np.where(cells.whole[:, :, None], cells.n, 1.0)
    root = np.ones(cells.change.shape)
    if weights == "precision":
        root = 1 / np.sqrt((1 / n).sum(axis=2) + 2 * _CLUSTER_WAVE)
    root = np.where(cells.whole, root, 0.0)
    design = root[:, :, None] * np.eye(len(cells.forms))
    if has_arms:
        design = np.concatenate([design, (root * cells.programme[:, None])[:, :, None]], axis=2)
    # A cluster without any change says nothing.
    some = cells.whole.any(axis=1)
    return design[some], (root * cells.change)[some]


def _cluster_robust(cells: _Cells, weights: Weights, *, has_arms: bool) -> pd.DataFrame:
    """Least squares with CR2 standard errors and Bell–McCaffrey degrees of freedom, for all contrasts."""
    X, y = _weighted(cells, weights, has_arms=has_arms)
    terms = X.shape[2]
    cross = np.einsum("cfp,cfq->pq", X, X)
    if np.linalg.matrix_rank(cross) < terms:
        raise ValueError("the forms and arms cannot be told apart in the clusters that answered at both waves")
    inverse = np.linalg.inv(cross)
    coefficients = inverse @ np.einsum("cfp,cf->p", X, y)
    residual = y - X @ coefficients
    # A cluster's residuals have the variance I − H; (I − H)^−½ undoes that, within what the cluster tells.
    values, vectors = np.linalg.eigh(np.eye(X.shape[1]) - np.einsum("cfp,pq,cgq->cfg", X, inverse, X))
    root = np.where(values > _NOTHING, 1 / np.sqrt(np.maximum(values, _NOTHING)), 0.0)
    adjustment = np.einsum("cfk,ck,cgk->cfg", vectors, root, vectors)
    L = _weights(terms - has_arms, has_arms=has_arms)
    estimate, se, df = [], [], []
    for weight in L.to_numpy():
        pull = np.einsum("cfg,cgp,p->cf", adjustment, X, inverse @ weight)
        estimate.append(weight @ coefficients)
        se.append(np.sqrt(((pull * residual).sum(axis=1) ** 2).sum()))
        own = (pull**2).sum(axis=1)
        through = np.einsum("cfp,cf->cp", X, pull)
        shared = np.einsum("cp,pq,cq->c", through, inverse, through)
        products = inverse @ (through.T @ through)
        # Trace and squared norm of the quadratic form, without the clusters × clusters matrix.
        trace = own.sum() - shared.sum()
        df.append(trace**2 / ((own**2).sum() - 2 * (own * shared).sum() + np.trace(products @ products)))
    if min(se) <= 1e-12 * max(1.0, float(np.abs(y).max())):
        raise ValueError("all clusters change alike: no interval can be given")
    return t_tests(*(pd.Series(column, index=L.index, dtype=float) for column in (estimate, se, df)))


def _weights(forms: int, *, has_arms: bool) -> pd.DataFrame:
    """Return the contrasts as weights of the forms' changes (in the control arm) and of the programme."""
    change = np.append(np.full(forms, 1 / forms), [0.0] * has_arms)
    if not has_arms:
        return pd.DataFrame([change], index=[CHANGE])
    slope = np.append(np.zeros(forms), 1.0)
    rows = {CHANGE: change + slope / 2, PROGRAMME: slope} | {arm: change + slope * part for arm, part in ARMS.items()}
    return pd.DataFrame(rows).T
