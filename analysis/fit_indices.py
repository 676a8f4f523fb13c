"""How well a model fits: CFI, TLI, RMSEA and SRMR from chi-squares and residuals, plain, scaled and robust."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import optimize, special, stats

Matrix = NDArray[np.floating[Any]]
Scaling = Literal["none", "mean", "mean and variance"]

# RMSEA at which a model fits closely (Browne & Cudeck, 1993).
_CLOSE = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelTest:
    """A chi-square of a model against the saturated one.

    Attributes
    ----------
    statistic : float
    df : int
    scaling : {"none", "mean", "mean and variance"}
        What was corrected: with ``"mean"`` the scaled statistic is ``statistic`` / ``factor``, with ``"mean and
        variance"`` it is ``statistic`` / ``factor`` + ``shift``.
    factor, shift : float
    """

    statistic: float
    df: int
    scaling: Scaling = "none"
    factor: float = 1.0
    shift: float = 0.0

    @property
    def scaled(self) -> float:
        """The scaled statistic."""
        return self.statistic / self.factor + self.shift

    @property
    def mean_factor(self) -> float:
        """What the statistic is times as large as a chi-square on average, where the model holds."""
        return self.factor * (self.df - self.shift) / self.df if self.df else 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class RobustTest:
    """A normal-theory chi-square and what it is times as large as a chi-square on average.

    Attributes
    ----------
    statistic : float
    df : int
    factor : float
    """

    statistic: float
    df: int
    factor: float


def cfi(model: RobustTest, baseline: RobustTest) -> float:
    """Give the comparative fit index (Bentler, 1990).

    Parameters
    ----------
    model, baseline : RobustTest
        With factor 1 for a plain or scaled statistic.

    Returns
    -------
    float
        Between 0 and 1; 1 where the model is no further from the data than chance.
    """
    distance = max(model.statistic - model.factor * model.df, 0.0)
    worst = max(distance, baseline.statistic - baseline.factor * baseline.df)
    return 1.0 - distance / worst if worst > 0 else 1.0


def tli(model: RobustTest, baseline: RobustTest) -> float:
    """Tucker & Lewis's (1973) index.

    Parameters
    ----------
    model, baseline : RobustTest
        With factor 1 for a plain or scaled statistic.

    Returns
    -------
    float
        Can exceed 1; 1 for a model without degrees of freedom.
    """
    own = (model.statistic - model.factor * model.df) * baseline.df
    worst = (baseline.statistic - baseline.factor * baseline.df) * model.df
    return 1.0 - own / worst if model.df and worst else 1.0


def rmsea(statistic: float, df: float, n: int, *, groups: int = 1, factor: float = 1.0) -> float:
    """Root mean square error of approximation (Steiger & Lind, 1980).

    Parameters
    ----------
    statistic, df : float
    n : int
        What the discrepancy was multiplied by to give the statistic: people of all groups for maximum likelihood, less
        one for each group for least squares.
    groups : int
        Steiger's (1998) correction.
    factor : float
        What the statistic is times as large as a chi-square on average.

    Returns
    -------
    float
    """
    if not df:
        return 0.0
    return float(np.sqrt(max(statistic / (n * df) - factor / n, 0.0) * groups))


def rmsea_interval(
    statistic: float, df: float, n: int, *, groups: int = 1, factor: float = 1.0, level: float = 0.90
) -> tuple[float, float]:
    """Confidence interval of the RMSEA, by inverting the noncentral chi-square (Browne & Cudeck, 1993).

    Parameters
    ----------
    statistic : float
        Distributed as a chi-square; a robust one divided by its ``factor``.
    df : float
    n : int
        As `rmsea`.
    groups : int
    factor : float
        By which the population's discrepancy exceeds that of the ``statistic``.
    level : float

    Returns
    -------
    tuple of float
    """
    if not df:
        return 0.0, 0.0
    tail = (1 - level) / 2
    low, high = (_noncentrality(statistic, df, share) for share in (1 - tail, tail))
    scale = factor * groups / (n * df)
    return float(np.sqrt(low * scale)), float(np.sqrt(high * scale))


def rmsea_p_close(statistic: float, df: float, n: int, *, groups: int = 1, factor: float = 1.0) -> float:
    """Test of close fit, RMSEA ≤ .05 (Browne & Cudeck, 1993).

    Parameters
    ----------
    statistic, df, n, groups, factor
        As `rmsea_interval`.

    Returns
    -------
    float
        p.
    """
    if not df:
        return 1.0
    noncentrality = n * df * _CLOSE**2 / (factor * groups)
    return float(stats.ncx2.sf(statistic, df, noncentrality))


def srmr(
    observed: Sequence[Matrix],
    implied: Sequence[Matrix],
    *,
    n: Sequence[int],
    means: Sequence[Matrix] | None = None,
) -> float:
    """Standardised root mean square residual (Bentler, 1995).

    Parameters
    ----------
    observed, implied : sequence of (items, items) arrays
        Covariances of each group; correlations (with ones on both diagonals) where items are ordered.
    n : sequence of int
        People of each group, which its value is weighted by.
    means : sequence of (items,) arrays, optional
        Observed less implied means of each group, where the model has means; they count too.

    Returns
    -------
    float
    """
    values = []
    for group, (own, model) in enumerate(zip(observed, implied, strict=True)):
        sd = np.sqrt(np.diag(own))
        rows, columns = np.tril_indices(sd.size)
        squares = (((own - model) / np.outer(sd, sd))[rows, columns]) ** 2
        if means is not None:
            squares = np.concatenate([squares, (means[group] / sd) ** 2])
        values.append(float(np.sqrt(squares.mean())))
    return float(np.average(values, weights=n))


def incremental_and_absolute(model: ModelTest, baseline: ModelTest, *, n: int, groups: int = 1) -> dict[str, float]:
    """Give chi-square, CFI, TLI and RMSEA, plain and, where the tests are scaled, scaled.

    Parameters
    ----------
    model, baseline : ModelTest
        The model's test, and that of unrelated items.
    n : int
        As `rmsea`.
    groups : int

    Returns
    -------
    dict
        ``chisq df p``, ``cfi tli rmsea rmsea_ci_low rmsea_ci_high rmsea_p_close baseline_chisq baseline_df``, and
        with a scaled test ``chisq_scaled df_scaled p_scaled scaling_factor`` (``shift``),
        ``baseline_chisq_scaled cfi_scaled tli_scaled rmsea_scaled`` and the like.

    Notes
    -----
    Scaled indices put the scaled statistics into the usual formulas. Their population value is not that of the
    plain indices and depends on the answers' distribution (Brosseau-Liard & Savalei, 2014), so that
    cut-offs say little about them. The interval of a mean-scaled RMSEA comes from the unscaled
    statistic on the sum of eigenvalues as degrees of freedom, as in lavaan.

    Examples
    --------
    >>> test, unrelated = ModelTest(statistic=85.3, df=24), ModelTest(statistic=918.9, df=36)
    >>> found = incremental_and_absolute(test, unrelated, n=301)
    >>> {name: round(found[name], 3) for name in ("cfi", "tli", "rmsea")}
    {'cfi': 0.931, 'tli': 0.896, 'rmsea': 0.092}
    """
    found: dict[str, float] = {"chisq": model.statistic, "df": model.df, "p": _p(model.statistic, model.df)}
    is_scaled = model.scaling != "none" and model.df > 0
    if is_scaled:
        found |= {"chisq_scaled": model.scaled, "df_scaled": model.df, "p_scaled": _p(model.scaled, model.df)}
        found["scaling_factor"] = model.factor
        if model.scaling == "mean and variance":
            found["shift"] = model.shift
    found |= _indices(_plain(model), _plain(baseline), model.statistic, model.df, n, groups, "")
    if is_scaled:
        shifted = model.scaling == "mean and variance"
        of_rmsea = (model.scaled, float(model.df)) if shifted else (model.statistic, model.df * model.factor)
        found |= _indices(_scaled(model), _scaled(baseline), *of_rmsea, n, groups, "_scaled")
        found |= {"baseline_chisq_scaled": baseline.scaled, "baseline_scaling_factor": baseline.factor}
    return found | {"baseline_chisq": baseline.statistic, "baseline_df": baseline.df}


def robust_indices(model: RobustTest, baseline: RobustTest, *, n: int, groups: int = 1) -> dict[str, float]:
    """Give CFI, TLI and RMSEA that estimate the same as those of complete normal data.

    Parameters
    ----------
    model, baseline : RobustTest
    n : int
        As `rmsea`.
    groups : int

    Returns
    -------
    dict
        ``cfi_robust tli_robust rmsea_robust rmsea_robust_ci_low rmsea_robust_ci_high rmsea_robust_p_close``.

    Notes
    -----
    Brosseau-Liard, Savalei & Li (2012) and Brosseau-Liard & Savalei (2014) for continuous data, Savalei (2021) for
    ordered, Zhang & Savalei (2022) for missing answers: they differ in the test and its factor.
    """
    scaled = model.statistic / model.factor
    low, high = rmsea_interval(scaled, model.df, n, groups=groups, factor=model.factor)
    return {
        "cfi_robust": cfi(model, baseline),
        "tli_robust": tli(model, baseline),
        "rmsea_robust": rmsea(model.statistic, model.df, n, groups=groups, factor=model.factor),
        "rmsea_robust_ci_low": low,
        "rmsea_robust_ci_high": high,
        "rmsea_robust_p_close": rmsea_p_close(scaled, model.df, n, groups=groups, factor=model.factor),
    }


def robust_test(test: ModelTest) -> RobustTest:
    """Take a robust test of continuous complete data from its scaled test.

    Parameters
    ----------
    test : ModelTest

    Returns
    -------
    RobustTest
    """
    return RobustTest(statistic=test.statistic, df=test.df, factor=test.mean_factor)


def robust_tests_of_correlations(
    correlations: Sequence[Matrix],
    implied: Sequence[Matrix],
    covariance: Sequence[Matrix],
    jacobian: Sequence[Matrix],
    weight: Sequence[Matrix],
    *,
    n: Sequence[int],
    df: int,
) -> tuple[RobustTest, RobustTest]:
    """Give normal-theory tests of polychoric correlations at least-squares estimates.

    Parameters
    ----------
    correlations, implied : sequence of (items, items) arrays
        Of each group, positive definite, with ones on the diagonal.
    covariance : sequence of (pairs, pairs) arrays
        Γ of each group's correlations in the order of ``np.triu_indices(items, 1)``.
    jacobian : sequence of (pairs, q) arrays
        Derivatives of the implied correlations by the parameters that they depend on.
    weight : sequence of (pairs,) arrays
        Diagonal of the weight matrix that the estimates came from.
    n : sequence of int
        People of each group.
    df : int
        Of the model, without what thresholds may contribute.

    Returns
    -------
    tuple of RobustTest
        Of the model and of unrelated items.

    Raises
    ------
    ValueError
        If a matrix is not positive definite.

    Notes
    -----
    Savalei (2021): the maximum-likelihood discrepancy of the correlations from those that the diagonally weighted
    estimates imply, and its mean under the model, tr(MᵀVMΓ) with M = I − J(JᵀWJ)⁻¹JᵀW and V the
    normal-theory weight of correlations.
    """
    total = sum(n)
    share = [each / total for each in n]
    information = sum(
        (f * (j.T * w) @ j for f, j, w in zip(share, jacobian, weight, strict=True)),
        start=np.zeros((jacobian[0].shape[1],) * 2),
    )
    inverse = np.linalg.pinv(information, hermitian=True)
    statistic = trace = unrelated = unrelated_trace = 0.0
    size = information.shape[0]
    curvature, spread, across = (np.zeros((size, size)) for _ in range(3))
    pairs = 0
    for f, own, model, gamma, j, w, people in zip(
        share, correlations, implied, covariance, jacobian, weight, n, strict=True
    ):
        precision = np.linalg.inv(model)
        log_own, log_model = _log_determinant(own, "observed"), _log_determinant(model, "implied")
        statistic += people * (log_model + float(np.sum(own * precision)) - log_own - own.shape[0])
        unrelated -= people * log_own
        rows, columns = np.triu_indices(own.shape[0], 1)
        wide = _normal_weight(precision, rows, columns, j)
        # Γ and V of a group enter as Γ/f and fV, so that the f cancel in their product.
        trace += _normal_weight_product(precision, rows, columns, gamma)
        unrelated_trace += float(np.trace(gamma))
        weighted = gamma @ (w[:, None] * j)
        curvature += f * j.T @ wide
        spread += f * (j.T * w) @ weighted
        across += f * wide.T @ weighted
        pairs += rows.size
    trace += float(np.sum((inverse @ curvature) * (inverse @ spread).T)) - 2 * float(np.sum(inverse * across))
    return (
        RobustTest(statistic=statistic, df=df, factor=trace / df),
        RobustTest(statistic=unrelated, df=pairs, factor=unrelated_trace / pairs),
    )


def _normal_weight(precision: Matrix, rows: Any, columns: Any, right: Matrix) -> Matrix:
    """V times columns of pairs: V of pairs ij and kl is P_ik P_jl + P_il P_jk."""
    items, many = precision.shape[0], right.shape[1]
    table = np.zeros((many, items, items))
    table[:, rows, columns] = right.T
    table[:, columns, rows] = right.T
    return np.asarray((precision @ table @ precision)[:, rows, columns].T)


def _normal_weight_product(precision: Matrix, rows: Any, columns: Any, gamma: Matrix) -> float:
    """tr(VΓ), a row of V at a time: V of 66 items has 4.6 million elements."""
    return sum(
        float(
            (precision[i, rows] * precision[j, columns] + precision[i, columns] * precision[j, rows]) @ gamma[position]
        )
        for position, (i, j) in enumerate(zip(rows, columns, strict=True))
    )


def _log_determinant(matrix: Matrix, which: str) -> float:
    values = np.linalg.eigvalsh(matrix)
    if values[0] <= np.sqrt(np.finfo(float).eps):
        raise ValueError(
            f"the {which} correlations are not positive definite (smallest eigenvalue {values[0]:.2g}), so that "
            "robust CFI, TLI and RMSEA do not exist"
        )
    return float(np.log(values).sum())


def _plain(test: ModelTest) -> RobustTest:
    return RobustTest(statistic=test.statistic, df=test.df, factor=1.0)


def _scaled(test: ModelTest) -> RobustTest:
    return RobustTest(statistic=test.scaled, df=test.df, factor=1.0)


def _indices(
    model: RobustTest, baseline: RobustTest, statistic: float, df: float, n: int, groups: int, suffix: str
) -> dict[str, float]:
    low, high = rmsea_interval(statistic, df, n, groups=groups)
    return {
        f"cfi{suffix}": cfi(model, baseline),
        f"tli{suffix}": tli(model, baseline),
        f"rmsea{suffix}": rmsea(statistic, df, n, groups=groups),
        f"rmsea{suffix}_ci_low": low,
        f"rmsea{suffix}_ci_high": high,
        f"rmsea{suffix}_p_close": rmsea_p_close(statistic, df, n, groups=groups),
    }


def _p(statistic: float, df: float) -> float:
    return float(stats.chi2.sf(statistic, df)) if df else 1.0


def _noncentrality(statistic: float, df: float, share: float) -> float:
    """Find the noncentrality at which that share of chi-squares lies below the statistic; 0 if none does."""
    # scipy.special directly: its distributions check their arguments for longer than they compute.
    if special.chdtr(df, statistic) <= share:
        return 0.0
    above = max(statistic, 1.0)
    while special.chndtr(statistic, df, above) > share:
        above *= 2
    return float(optimize.brentq(lambda x: float(special.chndtr(statistic, df, x)) - share, 0.0, above, xtol=1e-9))
