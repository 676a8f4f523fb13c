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
_Whole = NDArray[np.integer[Any]]

# Variance of a cluster × wave over that of one answer, for the weights and the degrees of freedom: a planning value.
# The standard error holds whatever the truth is; a wrong value costs precision.
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
        where the drift that the cluster's forms share outweighs them; or all alike.

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
    As small clusters lack a form here and there, the second stage is generalised least squares with the
    cluster-robust variance CR2 and its degrees of freedom (Bell and McCaffrey, 2002; Pustejovsky and Tipton, 2018,
    *Journal of Business & Economic Statistics*, 36, 672–683). The working covariance within a cluster is, in units of
    the variance of one answer, 1/n_before + 1/n_after of each form and .08 shared by all: 4 % of the variance for
    each cluster × wave. Where every cluster has every form and counts alike this is the one-sample t test on the
    clusters' mean changes, clusters − 1 degrees of freedom; between arms the standard error is Welch's, with degrees
    of freedom that depend on the numbers of clusters and not on their estimated variances, which few clusters tell
    badly.

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
    cluster, _ = pd.factorize(used[unit].astype(str), sort=True)
    form, forms = pd.factorize(used["form"].astype(str), sort=True) if has_forms else (np.zeros(len(used), int), [""])
    wave = used["wave"].to_numpy(dtype=int)
    programme = used["programme"].to_numpy(dtype=float) if has_arms else None
    scored = values.loc[used.index].to_numpy(dtype=float)
    cells = cells_of(scored, cluster=cluster, form=form, wave=wave, programme=programme)
    kept = cells.whole[cluster, form]
    if not kept.all():
        notes.append(
            f"answers of {unit}s (or of a form in {unit}s) that answered in one wave only say nothing of change within "
            f"{unit}s: their test leaves them out"
        )
    _require_clusters(cells, unit, [str(name) for name in forms])
    columns, names = cluster_robust(cells, weights=weights)
    table = t_tests(*(pd.Series(column, index=names, dtype=float) for column in columns))
    return change_of(values, used[kept], table, notes)


@dataclass(frozen=True)
class Cells:
    """Each form's change in each cluster, clusters × forms."""

    change: _Array
    n: _Array  # clusters × forms × waves
    programme: _Array | None  # by cluster, the arm

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Where a cluster has a form at both waves."""
        return np.asarray((self.n > 0).all(axis=2))


def cells_of(values: _Array, *, cluster: _Whole, form: _Whole, wave: _Whole, programme: _Array | None) -> Cells:
    """Return the changes of each form's mean in each cluster, from numbered clusters, forms and waves (0, 1)."""
    shape = (int(cluster.max()) + 1, int(form.max()) + 1, 2)
    cell = np.ravel_multi_index((cluster, form, wave), shape)
    n = np.bincount(cell, minlength=int(np.prod(shape))).reshape(shape).astype(float)
    # About the overall mean, so that sums of many answers lose no digits.
    centred = values - values.mean()
    mean = np.bincount(cell, weights=centred, minlength=n.size).reshape(shape) / np.maximum(n, 1)
    arm = None
    if programme is not None:
        arm = np.zeros(shape[0])
        arm[cluster] = programme
    return Cells(mean[:, :, 1] - mean[:, :, 0], n, arm)


def _require_clusters(cells: Cells, unit: str, forms: list[str]) -> None:
    by_form = cells.whole.sum(axis=0)
    if (by_form < FEWEST).any():
        fewest = int(by_form.argmin())
        which = f" with form {forms[fewest]}" if len(forms) > 1 else ""
        raise ValueError(
            f"the test of {unit}s needs at least two {unit}s{which} that answered at both waves, "
            f"there {'is' if by_form[fewest] == 1 else 'are'} {by_form[fewest]}"
        )
    if cells.programme is not None:
        arm = cells.programme[cells.whole.any(axis=1)]
        if min((arm == 0).sum(), (arm == 1).sum()) < FEWEST:
            raise ValueError(f"the test of {unit}s needs at least two {unit}s of each arm with answers at both waves")


def _whitened(cells: Cells, weights: Weights) -> tuple[_Array, _Array]:
    """Return the design, clusters × forms × terms, and the changes, of unit working variance and uncorrelated.

    Zero where a cluster lacks a form.
    """
    whole = cells.whole
    forms = np.eye(whole.shape[1])
    design = whole[:, :, None] * forms
    if cells.programme is not None:
        design = np.concatenate([design, (whole * cells.programme[:, None])[:, :, None]], axis=2)
    change = np.where(whole, cells.change, 0.0)
    # A cluster without any change says nothing.
    some = whole.any(axis=1)
    design, change, whole = design[some], change[some], whole[some]
    if weights == "equal":
        return design, change
    sampling = (1 / np.where(whole[:, :, None], cells.n[some], 1.0)).sum(axis=2)
    shared = 2 * _CLUSTER_WAVE * (whole[:, :, None] & whole[:, None, :])
    root = np.linalg.cholesky(sampling[:, :, None] * forms + shared)
    return np.linalg.solve(root, design), np.linalg.solve(root, change[:, :, None])[:, :, 0]


def cluster_robust(cells: Cells, *, weights: Weights) -> tuple[_Array, list[str]]:
    """Generalised least squares with CR2 standard errors and Bell–McCaffrey degrees of freedom, for all contrasts.

    Returns the estimates, standard errors and degrees of freedom, a row each, and the contrasts' names.
    """
    X, y = _whitened(cells, weights)
    terms = X.shape[2]
    cross = np.einsum("cfp,cfq->pq", X, X)
    if np.linalg.matrix_rank(cross) < terms:
        raise ValueError("the forms and arms cannot be told apart in the clusters that answered at both waves")
    inverse = np.linalg.inv(cross)
    coefficients = inverse @ np.einsum("cfp,cf->p", X, y)
    residual = y - X @ coefficients
    # A cluster's residuals have the variance I − H; (I − H)^−½ undoes that, within what the cluster tells. Of all roots it
    # is the symmetric one in whitened units.
    values, vectors = np.linalg.eigh(np.eye(X.shape[1]) - np.einsum("cfp,pq,cgq->cfg", X, inverse, X))
    root = np.where(values > _NOTHING, 1 / np.sqrt(np.maximum(values, _NOTHING)), 0.0)
    adjustment = np.einsum("cfk,ck,cgk->cfg", vectors, root, vectors)
    has_arms = cells.programme is not None
    contrasts = _contrasts(terms - has_arms, has_arms=has_arms)
    estimate, se, df = [], [], []
    for weight in contrasts.values():
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
    return np.array([estimate, se, df]), list(contrasts)


def _contrasts(forms: int, *, has_arms: bool) -> dict[str, _Array]:
    """Return the contrasts as weights of the forms' changes (in the control arm) and of the programme."""
    change = np.append(np.full(forms, 1 / forms), [0.0] * has_arms)
    if not has_arms:
        return {CHANGE: change}
    slope = np.append(np.zeros(forms), 1.0)
    return {CHANGE: change + slope / 2, PROGRAMME: slope} | {arm: change + slope * part for arm, part in ARMS.items()}
