"""Linear mixed models with nested or crossed random intercepts, and tests with Satterthwaite degrees of freedom.

Restricted maximum likelihood on cross-products alone: the factor with most levels (usually the person)
is eliminated in closed form, since its cross-product is diagonal, and the other factors remain as a
penalised least-squares problem: one small block for each set of levels that share people, such as an
organisation with its teams. First and second derivatives are exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg, optimize, sparse, stats
from scipy.sparse import csgraph
from scipy.sparse.linalg import splu
from threadpoolctl import threadpool_limits

from analysis.sentences import listed

_Array: TypeAlias = NDArray[np.float64]

# Above this number of levels that share people, the factorisation is sparse instead of by block.
_DENSE_LEVELS = 4000
# Numbers in the cross-products by cluster size (64 MB) up to which they are kept dense.
_DENSE_NUMBERS = 8_000_000
# Numbers in some columns of the whole inverse (64 MB): bounds the memory, whatever the number of levels.
_BLOCK_NUMBERS = 8_000_000
_NARROWEST_BLOCK = 64
# lme4's isSingular: a standard deviation under 1e-4 of the residual's counts as zero.
_ZERO_RATIO = 1e-4**2
# Variance ratios beyond the last end the search; where it does not settle, those beyond the first say
# that the residual variance runs to zero.
_LARGE_RATIO, _LARGEST_RATIO = 1e4, 1e9
_RELATIVE_ZERO = 1e-9
_STEPS = 200
_SHORTEST_STEP = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False)
class MixedFit:
    """A linear mixed model fitted by restricted maximum likelihood.

    Parameters
    ----------
    coefficients : pandas.Series, shape (terms,)
        Fixed effects, by term, in the outcome's unit.
    covariance : pandas.DataFrame, shape (terms, terms)
        Sampling covariance of the fixed effects.
    variances : pandas.Series
        Variance by grouping factor, in the order given, then ``"residual"``; squared units.
    loglik : float
        Restricted log-likelihood, with its constant, as lme4 gives it.
    n : int
        Number of rows.
    n_groups : pandas.Series
        Number of levels by grouping factor.
    singular : tuple of str
        Factors whose variance is estimated at zero.
    notes : tuple of str
        What must be known before a number is trusted: factors dropped, variances at zero.
    parameter_covariance : pandas.DataFrame
        Asymptotic covariance of the variance parameters: for each factor whose variance is not zero
        the ratio of its standard deviation to the residual's, then the residual standard deviation.
    covariance_gradient : numpy.ndarray, shape (parameters, terms, terms)
        Derivative of ``covariance`` by each of those parameters.
    """

    coefficients: pd.Series
    covariance: pd.DataFrame
    variances: pd.Series
    loglik: float
    n: int
    n_groups: pd.Series
    singular: tuple[str, ...]
    notes: tuple[str, ...]
    parameter_covariance: pd.DataFrame
    covariance_gradient: _Array


def fit_mixed(outcome: pd.Series, design: pd.DataFrame, groups: pd.DataFrame) -> MixedFit:
    """Fit a linear mixed model with a random intercept for each grouping factor.

    Parameters
    ----------
    outcome : pandas.Series, shape (n,)
        Numbers without gaps.
    design : pandas.DataFrame, shape (n, terms)
        Fixed effects as numbers, the intercept's column of ones included; index as the outcome's.
    groups : pandas.DataFrame, shape (n, factors)
        One column a grouping factor, nested or crossed, in any order; index as the outcome's. A label
        means the same level wherever it stands: team 1 of organisation A and team 1 of B need two labels.

    Returns
    -------
    MixedFit
        Numbers for ``contrast``, ``joint_test`` and ``intraclass``.

    Raises
    ------
    ValueError
        If there are no rows, gaps, values that are not finite numbers, indexes that differ, terms that
        depend on each other, too few rows, an outcome without variation, or no residual variation.

    Notes
    -----
    Profiled restricted likelihood of Bates, Mächler, Bolker and Walker (2015), *Journal of Statistical
    Software*, 67(1), maximised over variance ratios of zero or more by Newton steps, with average
    information (Gilmour, Thompson and Cullis, 1995, *Biometrics*, 51, 1440–1450) where the likelihood
    is not concave, from two starts. The information on the variance parameters is the observed one, as
    in lmerTest (Kuznetsova, Brockhoff and Christensen, 2017, *Journal of Statistical Software*, 82(13)).

    A factor that says nothing of its own is dropped with a note: one level, one level per row, the same
    grouping as an earlier factor, or fully described by the fixed effects. Without a factor the fit is
    ordinary least squares. A factor whose variance is estimated at zero stays in ``variances`` and is
    named in ``singular``; degrees of freedom are then those of the model without it.

    Examples
    --------
    >>> teams = pd.DataFrame({"team": ["a", "a", "b", "b", "c", "c"]})
    >>> score = pd.Series([1.0, 2.0, 4.0, 5.0, 9.0, 9.0])
    >>> fit = fit_mixed(score, pd.DataFrame({"intercept": np.ones(6)}), teams)
    >>> fit.variances.round(3).to_dict()
    {'team': 14.083, 'residual': 0.333}
    >>> contrast(fit, pd.DataFrame({"intercept": [1.0]}, index=["mean"]))[["estimate", "df"]].round(3)
          estimate   df
    mean       5.0  2.0
    """
    y, X = _checked(outcome, design, groups)
    n, p = X.shape
    factors, notes = _distinct_factors(groups)
    # An orthonormal design and a residual outcome of unit spread: the same fit, without cancellation.
    basis: _Array
    basis, triangle = (np.asarray(part, dtype=float) for part in linalg.qr(X, mode="economic"))
    ordinary = basis.T @ y
    residual: _Array = np.asarray(y - basis @ ordinary, dtype=float)
    spread = float(np.sqrt(residual @ residual / (n - p)))
    if spread <= _RELATIVE_ZERO * float(np.abs(y).max()):
        raise ValueError(
            "a mixed model needs an outcome that the fixed effects do not describe exactly; "
            "check that the outcome is not itself one of the terms"
        )
    # The matrices are small: several threads only wait for each other, tens of times longer on a busy machine.
    with threadpool_limits(limits=1, user_api="blas"):
        problem, point = _estimated(basis, residual / spread, factors, notes)

    names = list(factors)
    zero = point.ratios == 0
    singular = tuple(name for name, is_zero in zip(names, zero, strict=True) if is_zero)
    if not names:
        notes.append("no grouping factor is left: ordinary least squares, degrees of freedom n − terms")
    if singular:
        notes.append(
            f"the variance of {', '.join(singular)} is estimated at zero (singular fit): "
            "degrees of freedom are those of the model without it"
        )
    inverse = linalg.solve_triangular(triangle, np.eye(p))
    parameters, parameter_covariance, gradient = _satterthwaite_parts(problem, point, names)
    # The residual standard deviation is the last parameter and carries the outcome's unit.
    unit = np.ones(len(parameters))
    unit[-1] = spread
    gradient = spread**2 * (inverse @ gradient @ inverse.T) / unit[:, None, None]
    variances = spread**2 * point.scale * np.append(point.ratios, 1.0)
    terms = pd.Index(design.columns, name="term")
    log_volume = 2 * np.log(np.abs(np.diag(triangle))).sum()
    return MixedFit(
        coefficients=pd.Series(inverse @ (ordinary + spread * point.coefficients), index=terms, name="estimate"),
        covariance=pd.DataFrame(
            spread**2 * point.scale * (inverse @ point.unscaled @ inverse.T), index=terms, columns=terms
        ),
        variances=pd.Series(variances, index=pd.Index([*names, "residual"], name="factor"), name="variance"),
        loglik=float(-(point.deviance + 2 * (n - p) * np.log(spread) + log_volume) / 2),
        n=n,
        n_groups=pd.Series(
            [int(codes.max()) + 1 for codes in factors.values()],
            index=pd.Index(names, name="factor"),
            name="n_groups",
            dtype="int64",
        ),
        singular=singular,
        notes=tuple(notes),
        parameter_covariance=pd.DataFrame(
            parameter_covariance * np.outer(unit, unit), index=parameters, columns=parameters
        ),
        covariance_gradient=gradient,
    )


def contrast(fit: MixedFit, weights: pd.DataFrame, *, confidence: float = 0.95) -> pd.DataFrame:
    """Estimate and test linear combinations of the fixed effects, each by itself.

    Parameters
    ----------
    fit : MixedFit
        From ``fit_mixed``.
    weights : pandas.DataFrame, shape (contrasts, terms)
        One row a contrast, one column a term; a term without a column has weight 0.
    confidence : float, default 0.95
        Coverage of the interval, between 0 and 1.

    Returns
    -------
    pandas.DataFrame
        ``estimate, se, df, statistic, p, ci_low, ci_high`` by contrast; the statistic is t.

    Raises
    ------
    ValueError
        If a column is no term of the fit, a weight is missing, or a row has no weight.

    Notes
    -----
    Degrees of freedom are 2 v² / (g'Ag): v the variance of the contrast, g its derivative by the
    variance parameters, A their covariance (Satterthwaite, 1946, *Biometrics Bulletin*, 2, 110–114,
    as in lmerTest, Kuznetsova et al., 2017).

    Examples
    --------
    >>> data = pd.DataFrame({"intercept": 1.0, "wave": [0.0, 1.0] * 4})
    >>> person = pd.DataFrame({"person": np.repeat(["a", "b", "c", "d"], 2)})
    >>> fit = fit_mixed(pd.Series([3.0, 4, 5, 5, 2, 4, 6, 7]), data, person)
    >>> contrast(fit, pd.DataFrame({"wave": [1.0]}, index=["change"])).round(3).T
                 change
    estimate      1.000
    se            0.408
    df            3.000
    statistic     2.449
    p             0.092
    ci_low       -0.299
    ci_high       2.299
    """
    if not 0 < confidence < 1:
        raise ValueError(f"confidence must lie between 0 and 1, got {confidence}")
    L = _weights(fit, weights)
    estimate = L @ fit.coefficients.to_numpy()
    variance = np.einsum("ci,ij,cj->c", L, fit.covariance.to_numpy(), L)
    df = _degrees_of_freedom(fit, L, variance)
    se = np.sqrt(variance)
    statistic = estimate / se
    half_width = stats.t.ppf((1 + confidence) / 2, df) * se
    return pd.DataFrame(
        {
            "estimate": estimate,
            "se": se,
            "df": df,
            "statistic": statistic,
            "p": 2 * stats.t.sf(np.abs(statistic), df),
            "ci_low": estimate - half_width,
            "ci_high": estimate + half_width,
        },
        index=weights.index,
    )


def joint_test(fit: MixedFit, weights: pd.DataFrame) -> pd.Series:
    """Test several linear combinations of the fixed effects at once.

    Parameters
    ----------
    fit : MixedFit
        From ``fit_mixed``.
    weights : pandas.DataFrame, shape (contrasts, terms)
        As for ``contrast``; rows that depend on others count once.

    Returns
    -------
    pandas.Series
        ``statistic`` (F), ``df``, ``df_error``, ``p``.

    Raises
    ------
    ValueError
        As for ``contrast``.

    Notes
    -----
    The contrasts are turned into independent ones, each with its own Satterthwaite degrees of freedom,
    which are combined so that the expected F agrees (Fai and Cornelius, 1996, *Journal of Statistical
    Computation and Simulation*, 54, 363–378, as in lmerTest). F does not depend on how the hypothesis is
    written, its error degrees of freedom do, as in lmerTest: state the contrasts once and keep them.

    Examples
    --------
    >>> data = pd.DataFrame({"intercept": 1.0, "wave": [0.0, 1.0] * 4})
    >>> person = pd.DataFrame({"person": np.repeat(["a", "b", "c", "d"], 2)})
    >>> fit = fit_mixed(pd.Series([3.0, 4, 5, 5, 2, 4, 6, 7]), data, person)
    >>> joint_test(fit, pd.DataFrame({"wave": [1.0]}, index=["change"])).round(3).to_dict()
    {'statistic': 6.0, 'df': 1.0, 'df_error': 3.0, 'p': 0.092}
    """
    L = _weights(fit, weights)
    variances, vectors = linalg.eigh(L @ fit.covariance.to_numpy() @ L.T)
    kept = variances > np.sqrt(np.finfo(float).eps) * variances.max()
    independent = vectors[:, kept].T @ L
    squares = (independent @ fit.coefficients.to_numpy()) ** 2 / variances[kept]
    df = int(kept.sum())
    df_error = _combined_df(_degrees_of_freedom(fit, independent, variances[kept]))
    statistic = float(squares.sum() / df)
    p = float(stats.f.sf(statistic, df, df_error))
    return pd.Series({"statistic": statistic, "df": float(df), "df_error": df_error, "p": p}, name="joint test")


def intraclass(fit: MixedFit) -> pd.Series:
    """Return each factor's share of the variance that the fixed effects leave.

    Parameters
    ----------
    fit : MixedFit
        From ``fit_mixed``.

    Returns
    -------
    pandas.Series
        Share between 0 and 1 by factor, the residual left out. With nested factors, the correlation of
        two answers is the sum of the shares of all factors in which they agree.

    Notes
    -----
    Variance of the factor over the sum of all variances (Snijders and Bosker, 2012, *Multilevel
    Analysis*, 2nd ed., chapter 3).

    Examples
    --------
    >>> teams = pd.DataFrame({"team": ["a", "a", "b", "b", "c", "c"]})
    >>> score = pd.Series([1.0, 2.0, 4.0, 5.0, 9.0, 9.0])
    >>> fit = fit_mixed(score, pd.DataFrame({"intercept": np.ones(6)}), teams)
    >>> intraclass(fit).round(3).to_dict()
    {'team': 0.977}
    """
    return (fit.variances.iloc[:-1] / fit.variances.sum()).rename("intraclass correlation")


def _checked(outcome: pd.Series, design: pd.DataFrame, groups: pd.DataFrame) -> tuple[_Array, _Array]:
    if not (outcome.index.equals(design.index) and outcome.index.equals(groups.index)):
        raise ValueError(
            "outcome, design and groups need the same index in the same order, got "
            f"{len(outcome)}, {len(design)} and {len(groups)} rows; align them with .loc first"
        )
    for what, names in (("design", design.columns), ("groups", groups.columns)):
        if repeated := [str(name) for name in names[names.duplicated()].unique()]:
            raise ValueError(f"each column of {what} needs a name of its own, repeated: {', '.join(repeated)}")
    if "residual" in groups.columns:
        raise ValueError("a grouping factor cannot be called 'residual'; rename the column")
    if missing := [str(name) for name in groups.columns if groups[name].isna().any()]:
        raise ValueError(
            f"grouping factors need a level in every row, missing in: {', '.join(missing)}; "
            "leave those rows out or give each its own level"
        )
    y = _finite(outcome.to_frame("outcome"), "the outcome")[:, 0]
    X = _finite(design, "the design")
    n, p = X.shape
    if p == 0:
        raise ValueError("the design needs at least one term, got none; add a column of ones")
    if n <= p:
        raise ValueError(f"a mixed model with {p} terms needs at least {p + 1} rows, got {n}")
    if np.ptp(y) == 0:
        raise ValueError(f"a mixed model needs an outcome that varies, got {y[0]} in all {n} rows")
    lengths = np.sqrt((X**2).sum(axis=0))
    if empty := [str(name) for name in design.columns[lengths == 0]]:
        raise ValueError(f"terms of the design are zero in every row: {', '.join(empty)}; leave them out")
    _, triangle, order = linalg.qr(X / lengths, mode="economic", pivoting=True)
    dependent = np.abs(np.diag(triangle)) < _RELATIVE_ZERO * np.sqrt(n)
    if dependent.any():
        named = listed(design.columns[np.sort(order[dependent])])
        raise ValueError(
            f"the terms of the design depend on each other (rank {p - dependent.sum()} of {p}); leave out: {named}"
        )
    return y, X


def _finite(frame: pd.DataFrame, what: str) -> _Array:
    wrong = [str(name) for name in frame.columns if not pd.api.types.is_numeric_dtype(frame[name].dtype)]
    if wrong:
        raise ValueError(f"{what} must be numbers, got text or another type in: {', '.join(wrong)}")
    values: _Array = frame.to_numpy(dtype=float, na_value=np.nan)
    bad = ~np.isfinite(values)
    if bad.any():
        named = listed(frame.columns[bad.any(axis=0)])
        raise ValueError(
            f"{what} must be finite numbers without gaps, got {int(bad.any(axis=1).sum())} rows with "
            f"missing or infinite values in: {named}; leave those rows out first"
        )
    return values


def _distinct_factors(groups: pd.DataFrame) -> tuple[dict[str, NDArray[np.intp]], list[str]]:
    """Return each factor's level numbers by row, without the factors that say nothing of their own."""
    factors: dict[str, NDArray[np.intp]] = {}
    notes: list[str] = []
    for name in groups.columns:
        codes = pd.factorize(groups[name])[0]
        # Level numbers go by first appearance, so that equal groupings have equal numbers.
        twin = next((other for other, known in factors.items() if np.array_equal(known, codes)), None)
        if codes.max() == 0:
            notes.append(f"{name} was dropped: it has a single level")
        elif codes.max() + 1 == len(codes):
            notes.append(f"{name} was dropped: it has as many levels as rows, as the residual has")
        elif twin is not None:
            notes.append(f"{name} was dropped: it groups the rows exactly as {twin} does")
        else:
            factors[str(name)] = codes
    return factors, notes


@dataclass(frozen=True, kw_only=True, eq=False)
class _Problem:
    """What the likelihood needs of the data; columns are the kept factors' levels, the terms, the outcome."""

    n: int
    p: int
    eliminated: int  # position of the factor with most levels, -1 without any
    sizes: _Array  # the different numbers of rows that its levels have
    frequencies: _Array  # levels of each size
    size_of: NDArray[np.intp]  # position in sizes, by level
    crossproducts: Any  # columns × columns
    # Cross-products of the columns' sums within each of its levels, by size of the level: dense (sizes ×
    # columns × columns) or sparse; where there are too many sizes, the sums (sparse, levels × columns).
    within: Any
    membership: _Array  # level columns × factors, one 1 a row
    # Level columns that share people, directly or through others; blocks × size, an array for each size.
    blocks: tuple[NDArray[np.intp], ...]

    @property
    def levels(self) -> int:
        return len(self.membership)


@dataclass(frozen=True, kw_only=True, eq=False)
class _SparseBySize:
    """Sparse cross-products by size of the level, all with their numbers in the same places."""

    numbers: _Array  # sizes × places
    places: Any  # sparse, columns × columns: the place of each number, from 1

    @classmethod
    def of(cls, sums: list[Any], crossproducts: Any) -> _SparseBySize:
        """Multiply out the sums of the columns, levels × columns, one matrix a size."""
        parts = [part.T @ part for part in sums]
        places = sum((abs(part) for part in parts), abs(crossproducts)).tocsr()
        places.data = np.arange(1.0, places.nnz + 1)
        numbers = np.zeros((len(parts), places.nnz))
        for row, part in zip(numbers, (part.tocoo() for part in parts), strict=True):
            at = np.asarray(places[part.coords[0], part.coords[1]], dtype=float).astype(int) - 1
            row[at[at >= 0]] = part.data[at >= 0]  # a zero that happens to be stored has no place
        return cls(numbers=numbers, places=places)

    def weighted(self, weights: _Array) -> Any:
        """Add up the cross-products with a weight for each size."""
        return sparse.csr_array((weights @ self.numbers, self.places.indices, self.places.indptr), self.places.shape)


def _crossproducts(basis: _Array, y: _Array, factors: dict[str, NDArray[np.intp]]) -> _Problem:
    n, p = basis.shape
    indicators = [
        sparse.csr_array((np.ones(n), (np.arange(n), codes)), shape=(n, int(codes.max()) + 1))
        for codes in factors.values()
    ]
    sizes = [indicator.shape[1] for indicator in indicators]
    eliminated = int(np.argmax(sizes)) if sizes else -1
    rest = [position for position in range(len(sizes)) if position != eliminated]
    dense = sparse.csr_array(np.column_stack([basis, y]))
    columns = sparse.hstack([*(indicators[position] for position in rest), dense], format="csr")
    largest = indicators[eliminated] if sizes else sparse.csr_array((n, 0))
    membership = np.zeros((sum(sizes[position] for position in rest), len(sizes)))
    membership[np.arange(len(membership)), np.repeat(rest, [sizes[k] for k in rest]).astype(int)] = 1.0
    crossproducts = (columns.T @ columns).tocsr()
    within = (largest.T @ columns).tocsr()
    blocks = _sets_that_share(within[:, : len(membership)])
    level_sizes = np.asarray(largest.sum(axis=0), dtype=float)
    distinct, size_of, frequencies = np.unique(level_sizes, return_inverse=True, return_counts=True)
    if len(distinct) * crossproducts.shape[0] ** 2 <= _DENSE_NUMBERS:
        crossproducts = crossproducts.toarray()
        of_size = [within[size_of == position] for position in range(len(distinct))]
        within = np.zeros((len(distinct), *crossproducts.shape))
        for position, part in enumerate(of_size):
            within[position] = (part.T @ part).toarray()
    elif len(distinct) * crossproducts.nnz <= _DENSE_NUMBERS:
        within = _SparseBySize.of([within[size_of == position] for position in range(len(distinct))], crossproducts)
    return _Problem(
        n=n,
        p=p,
        eliminated=eliminated,
        sizes=distinct,
        frequencies=frequencies.astype(float),
        size_of=size_of,
        crossproducts=crossproducts,
        within=within,
        membership=membership,
        blocks=blocks,
    )


def _sets_that_share(levels: Any) -> tuple[NDArray[np.intp], ...]:
    """Group the columns that are connected by a row, however indirectly, sets of equal size together."""
    count, label = csgraph.connected_components(levels.T @ levels, directed=False)
    sizes = np.bincount(label, minlength=count)
    order = np.argsort(label, kind="stable")
    start = np.cumsum(sizes) - sizes
    return tuple(order[start[sizes == size][:, None] + np.arange(size)] for size in np.unique(sizes))


def _weighted(problem: _Problem, weights: _Array) -> Any:
    """Return the cross-products of sums within levels, with a weight by size of the level."""
    if isinstance(problem.within, np.ndarray):
        return np.tensordot(weights, problem.within, axes=1)
    if isinstance(problem.within, _SparseBySize):
        return problem.within.weighted(weights)
    scaled = problem.within.copy()
    scaled.data = scaled.data * np.repeat(weights[problem.size_of], np.diff(scaled.indptr))
    return (problem.within.T @ scaled).tocsr()


def _gathered(matrix: Any, block: NDArray[np.intp]) -> _Array:
    """Return the square part of each set of columns, sets × size × size."""
    rows, columns = np.broadcast_arrays(block[:, :, None], block[:, None, :])
    if isinstance(matrix, np.ndarray):
        return np.asarray(matrix[rows, columns], dtype=float)
    return np.asarray(matrix[rows.ravel(), columns.ravel()], dtype=float).reshape(rows.shape)


def _dense(matrix: Any) -> _Array:
    dense: _Array = matrix if isinstance(matrix, np.ndarray) else matrix.toarray()
    return dense


@dataclass(frozen=True, kw_only=True, eq=False)
class _Point:
    """The profiled deviance at given variance ratios, with its derivatives by them.

    With V the covariance over the residual variance, V_k its derivative by the k-th ratio and P the
    residual projection (V⁻¹ less its fixed part): ``traces`` are tr(P V_k), ``products`` are
    tr(P V_j P V_k), ``quadratics`` are y'P V_k P y and ``cubics`` are y'P V_j P V_k P y.
    """

    ratios: _Array
    deviance: float
    scale: float  # residual variance
    coefficients: _Array
    unscaled: _Array  # covariance of the coefficients over the residual variance
    traces: _Array
    products: _Array
    quadratics: _Array
    cubics: _Array
    unscaled_gradient: _Array  # factors × terms × terms

    @property
    def gradient(self) -> _Array:
        return self.traces - self.quadratics / self.scale


class _Solved:
    """The penalised least-squares problem at given variance ratios, factorised."""

    def __init__(self, problem: _Problem, ratios: _Array) -> None:
        self.ratios = ratios
        n, p, r = problem.n, problem.p, problem.levels
        ratio = ratios[problem.eliminated] if len(ratios) else 0.0
        self.shrink = 1 / (1 + ratio * problem.sizes)
        cross = problem.crossproducts - _weighted(problem, ratio * self.shrink)
        self.cross = cross[: r + p, : r + p]
        self.scaled = np.sqrt(problem.membership @ ratios)[:, None]
        levels = cross[:r, :r]
        with_terms = _dense(cross[:r, r:])
        self.inverses = self._inverted(problem, levels)
        if self.inverses is None:
            self._factorise(levels)
        self._blocks = problem.blocks
        solved = self._levels_solve(with_terms)
        reduced = _dense(cross[r:, r:]) - with_terms.T @ solved
        self.terms_factor = linalg.cho_factor(reduced[:p, :p], lower=True)
        self.solved_terms = solved[:, :p]
        self.coefficients = linalg.cho_solve(self.terms_factor, reduced[:p, p])
        # The whole solution over the level columns and terms: the outcome's projection needs it.
        self.solution = np.append(solved[:, p] - self.solved_terms @ self.coefficients, self.coefficients)
        self.residual_squares = float(reduced[p, p] - reduced[:p, p] @ self.coefficients)
        self.scale = self.residual_squares / (n - p)
        determinant = (
            -(problem.frequencies * np.log(self.shrink)).sum()
            + self.levels_log_determinant
            + 2 * np.log(np.diag(self.terms_factor[0])).sum()
        )
        self.with_outcome = _dense(cross[: r + p, r + p :])[:, 0]
        self.levels = levels
        if self.scale > 0:
            self.deviance = float(determinant + (n - p) * (1 + np.log(2 * np.pi * self.scale)))
        else:  # all variation is within reach of the factors; the search steps back from here
            self.deviance = np.inf

    def _inverted(self, problem: _Problem, levels: Any) -> list[_Array] | None:
        """Invert the levels' part block by block, unless a block is too large for that."""
        if max((each.shape[1] for each in problem.blocks), default=0) > _DENSE_LEVELS:
            return None
        inverses = []
        self.levels_log_determinant = 0.0
        for block in problem.blocks:
            scaled = self.scaled[block]
            penalised = scaled * _gathered(levels, block) * scaled.transpose(0, 2, 1)
            diagonal = np.arange(block.shape[1])
            penalised[:, diagonal, diagonal] += 1
            self.levels_log_determinant += float(np.linalg.slogdet(penalised)[1].sum())
            inverses.append(scaled * np.linalg.inv(penalised) * scaled.transpose(0, 2, 1))
        return inverses

    def _factorise(self, levels: Any) -> None:
        diagonal = sparse.diags_array(self.scaled[:, 0])
        penalised = (diagonal @ levels @ diagonal + sparse.eye_array(levels.shape[0])).tocsc()
        lu = splu(penalised, permc_spec="MMD_AT_PLUS_A", diag_pivot_thresh=0.0, options={"SymmetricMode": True})
        self.levels_log_determinant = float(np.log(np.abs(lu.U.diagonal())).sum())
        self._solve: Callable[[_Array], _Array] = lu.solve

    def _levels_solve(self, right: _Array) -> _Array:
        solution = np.zeros_like(right)
        if not right.size:
            return solution
        if self.inverses is None:
            return np.asarray(self.scaled * self._solve(self.scaled * right), dtype=float)
        for block, inverse in zip(self._blocks, self.inverses, strict=True):
            solution[block] = inverse @ right[block]
        return solution

    def solve(self, right: _Array) -> _Array:
        """Solve the mixed-model equations for right-hand sides over level columns and terms."""
        r = len(self.solved_terms)
        terms = linalg.cho_solve(self.terms_factor, right[r:] - self.solved_terms.T @ right[:r])
        return np.vstack([self._levels_solve(right[:r]) - self.solved_terms @ terms, terms])


@dataclass(frozen=True, kw_only=True, eq=False)
class _Traced:
    """Traces over the factors that are left, and those with the eliminated one."""

    traces: _Array
    products: _Array
    with_big: _Array
    trace_first: float
    trace_second: float
    square_first: float


def _traced_by_block(problem: _Problem, at: _Solved, first: Any, second: Any) -> _Traced:
    """Trace with the levels' inverse block by block and the terms as a border to it.

    The inverse of the mixed-model equations is that of the blocks plus f C f', with C the covariance of
    the terms and f = (−solved terms, identity).
    """
    r, p, k = problem.levels, problem.p, len(at.ratios)
    terms = linalg.cho_solve(at.terms_factor, np.eye(p))
    on_terms = _dense(at.cross[:r, r:]) - at.levels @ at.solved_terms
    first_terms, second_terms = (_dense(each[:r, r:]) - each[:r, :r] @ at.solved_terms for each in (first, second))
    bordered, bordered_second = (
        _dense(each[r:, r:]) - _dense(each[r:, :r]) @ at.solved_terms - at.solved_terms.T @ moved
        for each, moved in ((first, first_terms), (second, second_terms))
    )
    shares = np.einsum("ai,ak,aj->kij", on_terms, problem.membership, on_terms, optimize=True) @ terms
    moved = bordered @ terms
    traces = -np.trace(shares, axis1=1, axis2=2)
    products = np.einsum("kij,lji->kl", shares, shares)
    with_big = np.einsum("ij,kji->k", moved, shares)
    trace_first, trace_second = float(np.trace(moved)), float((bordered_second * terms).sum())
    square_first = float((moved * moved.T).sum())
    for block, inverse in zip(problem.blocks, at.inverses or [], strict=True):
        member, across, along = problem.membership[block], on_terms[block], first_terms[block]
        own, own_first = _gathered(at.levels, block), _gathered(first, block)
        left = np.eye(block.shape[1]) - inverse @ own
        projected = own @ left
        weighted = across @ terms
        traces += np.einsum("baa,bak->k", projected, member)
        both = projected * (projected - 2 * weighted @ across.transpose(0, 2, 1))
        products += np.einsum("bak,bal->kl", member, both @ member)
        reached = (left * (own_first @ left)).sum(axis=1)
        reached -= 2 * ((left.transpose(0, 2, 1) @ along) * weighted).sum(axis=2)
        with_big += np.einsum("ba,bak->k", reached, member)
        solved_first = own_first @ inverse
        trace_first += float(np.einsum("baa->", solved_first))
        trace_second += float((_gathered(second, block) * inverse).sum())
        square_first += float((solved_first * solved_first.transpose(0, 2, 1)).sum())
        square_first += 2 * float(((along @ terms) * (inverse @ along)).sum())
    return _Traced(
        traces=traces,
        products=products if k else np.zeros((0, 0)),
        with_big=with_big,
        trace_first=trace_first,
        trace_second=trace_second,
        square_first=square_first,
    )


def _traced_by_column(problem: _Problem, at: _Solved, first: Any, second: Any) -> _Traced:
    """Trace some columns of the whole inverse at a time: for crossed factors of very many levels."""
    r, k, member, cross = problem.levels, len(at.ratios), problem.membership, at.cross
    u = r + problem.p
    traces, products = np.zeros(k), np.zeros((k, k))
    with_big, trace_first, trace_second, square_first = np.zeros(k), 0.0, 0.0, 0.0
    width = max(_NARROWEST_BLOCK, _BLOCK_NUMBERS // u)
    for start in range(0, u if k else 0, width):
        block = np.arange(start, min(start + width, u))
        unit = np.zeros((u, len(block)))
        unit[block, np.arange(len(block))] = 1.0
        inverse = at.solve(unit)
        solved_first, solved_cross = (at.solve(_dense(each[:, block])) for each in (first, cross))
        trace_first += solved_first[block, np.arange(len(block))].sum()
        trace_second += float((_dense(second[:, block]) * inverse).sum())
        square_first += float(((first @ inverse) * solved_first).sum())
        inside = block < r
        if inside.any():
            own = member[block[inside]]
            left = (unit - solved_cross)[:, inside]
            projected = (cross @ left)[:r]
            traces += projected[block[inside], np.arange(inside.sum())] @ own
            products += member.T @ projected**2 @ own
            with_big += (left * (first @ left)).sum(axis=0) @ own
    return _Traced(
        traces=traces,
        products=products,
        with_big=with_big,
        trace_first=trace_first,
        trace_second=trace_second,
        square_first=square_first,
    )


def _evaluated(problem: _Problem, at: _Solved) -> _Point:
    p, r, k = problem.p, problem.levels, len(at.ratios)
    u = r + p
    member = problem.membership
    big = problem.eliminated
    # Derivatives of the eliminated factor's share in the cross-products, first and second.
    first_all = _weighted(problem, at.shrink**2)
    second_all = _weighted(problem, problem.sizes * at.shrink**3)
    first, second = first_all[:u, :u], second_all[:u, :u]

    traced = _traced_by_block if at.inverses is not None else _traced_by_column
    found = traced(problem, at, first, second)
    traces, products = found.traces, found.products

    # The outcome's part: what is left of it, summed within the levels of each factor.
    left_over = np.append(-at.solution, 1.0)
    level_sums = (at.with_outcome - at.cross @ at.solution)[:r]
    directions = np.vstack([member * level_sums[:, None], np.zeros((p, k))])
    left_directions = directions - at.solve(at.cross @ directions)
    projected_directions = at.cross @ left_directions
    quadratics = (member * level_sums[:, None] ** 2).sum(axis=0)
    cubics = directions.T @ projected_directions
    # X'V⁻¹Z for the other factors gives the derivative of the coefficients' covariance.
    across = _dense(at.cross[r:, :r]) - (at.levels @ at.solved_terms).T
    regressed = linalg.cho_solve(at.terms_factor, across)
    unscaled_gradient = np.einsum("ia,ak,ja->kij", regressed, member, regressed, optimize=True)
    unscaled = linalg.cho_solve(at.terms_factor, np.eye(p))
    if big >= 0:
        sizes, frequencies = problem.sizes, problem.frequencies
        moved = (first_all @ left_over)[:u]
        traces[big] = (frequencies * sizes * at.shrink).sum() - found.trace_first
        products[big] = products[:, big] = found.with_big
        products[big, big] = (
            (frequencies * (sizes * at.shrink) ** 2).sum() - 2 * found.trace_second + found.square_first
        )
        quadratics[big] = left_over @ (first_all @ left_over)
        cubics[big] = cubics[:, big] = moved @ left_directions
        cubics[big, big] = left_over @ (second_all @ left_over) - moved @ at.solve(moved[:, None])[:, 0]
        unit = np.vstack([np.zeros((r, p)), np.eye(p)])
        inverse = at.solve(unit)
        unscaled_gradient[big] = inverse.T @ (first @ inverse)
    return _Point(
        ratios=at.ratios,
        deviance=at.deviance,
        scale=at.scale,
        coefficients=at.coefficients,
        unscaled=unscaled,
        traces=traces,
        products=(products + products.T) / 2,
        quadratics=quadratics,
        cubics=(cubics + cubics.T) / 2,
        unscaled_gradient=unscaled_gradient,
    )


def _unidentified(origin: _Point, problem: _Problem, names: list[str]) -> str | None:
    """Return the last factor without information of its own beside the residual and the factors before it."""
    k = len(names)
    information = np.empty((k + 1, k + 1))
    information[0, 0] = problem.n - problem.p
    information[0, 1:] = information[1:, 0] = origin.traces
    information[1:, 1:] = origin.products
    for last in range(k, 0, -1):
        if origin.traces[last - 1] <= _RELATIVE_ZERO * problem.n:
            return names[last - 1]
        before, row = information[:last, :last], information[last, :last]
        own = information[last, last] - row @ np.linalg.lstsq(before, row)[0]
        if own <= _RELATIVE_ZERO * information[last, last]:
            return names[last - 1]
    return None


def _estimated(
    basis: _Array, y: _Array, factors: dict[str, NDArray[np.intp]], notes: list[str]
) -> tuple[_Problem, _Point]:
    """Find the best variance ratios; factors without information are taken out of ``factors``, with a note."""
    problem = _crossproducts(basis, y, factors)
    origin = _evaluated(problem, _Solved(problem, np.zeros(len(factors))))
    while unidentified := _unidentified(origin, problem, list(factors)):
        notes.append(
            f"{unidentified} was dropped: its variance cannot be told apart from the fixed effects, "
            "the other factors and the residual"
        )
        del factors[unidentified]
        problem = _crossproducts(basis, y, factors)
        origin = _evaluated(problem, _Solved(problem, np.zeros(len(factors))))
    return problem, _minimised(problem, origin, list(factors))


def _minimised(problem: _Problem, origin: _Point, names: list[str]) -> _Point:
    """Minimise the deviance from two starts and return the better end."""
    if not names:
        return origin
    # Moment estimates from the quadratic forms at zero (MINQUE(0), Rao, 1971), kept off the edge.
    n_free = problem.n - problem.p
    profile = origin.products - np.outer(origin.traces, origin.traces) / n_free
    moments = np.linalg.solve(profile, origin.quadratics - origin.traces * origin.scale)
    residual = max(origin.scale - float(origin.traces @ moments) / n_free, 0.1 * origin.scale)
    best = _descended(problem, np.clip(moments / residual, 0.01, 10.0), names)
    second = _descended(problem, np.ones(len(names)), names, known=best.deviance)
    if second.deviance < best.deviance:
        best = second
    small = best.ratios < _ZERO_RATIO
    if (small & (best.ratios > 0)).any():
        best = _evaluated(problem, _Solved(problem, np.where(small, 0.0, best.ratios)))
    return best


def _descended(problem: _Problem, start: _Array, names: list[str], *, known: float | None = None) -> _Point:
    """Follow Newton steps within ratios of zero or more down to a stationary point.

    With a known minimum, stops early, above it, once the next step promises to end no lower.
    """
    point = _evaluated(problem, _Solved(problem, start))
    for _ in range(_STEPS):
        curvature = _curvature(problem, point)
        # The quadratic model, minimised over ratios ≥ 0 exactly, is non-negative least squares.
        target = curvature.T @ point.ratios - linalg.solve_triangular(curvature, point.gradient, lower=True)
        step = optimize.nnls(curvature.T, target)[0] - point.ratios
        gain = -float(point.gradient @ step + ((curvature.T @ step) ** 2).sum() / 2)
        if gain < 1e-13 * problem.n:
            return point
        if known is not None and gain < 0.1 and 0 < point.deviance - known < 1.5 * gain:
            return point
        part, rounding = 1.0, 1e-12 * abs(point.deviance)
        trial = _Solved(problem, np.maximum(point.ratios + step, 0.0))
        while trial.deviance > point.deviance - 1e-4 * part * gain + rounding:
            part /= 2
            if part < _SHORTEST_STEP:
                return point
            trial = _Solved(problem, np.maximum(point.ratios + part * step, 0.0))
        point = _evaluated(problem, trial)
        if point.ratios.max() > _LARGEST_RATIO or point.scale < 1 / _LARGEST_RATIO:
            break
    finest = names[problem.eliminated]
    if point.ratios.max() > _LARGE_RATIO:
        raise ValueError(
            "the residual variance is estimated at zero: a mixed model needs answers that differ within the "
            f"levels of {finest}, got {int(problem.frequencies[problem.sizes > 1].sum())} levels with more "
            f"than one row; leave {finest} out"
        )
    raise ValueError(
        f"the variances of {', '.join(names)} did not settle in {_STEPS} steps: there is too little "
        f"information for so many grouping factors; leave out {finest} or another"
    )


def _hessian(problem: _Problem, point: _Point) -> _Array:
    """Return the second derivatives of the profiled deviance by the variance ratios."""
    n_free = problem.n - problem.p
    profile = np.outer(point.quadratics, point.quadratics) / (point.scale**2 * n_free)
    hessian: _Array = 2 * point.cubics / point.scale - point.products - profile
    return hessian


def _curvature(problem: _Problem, point: _Point) -> _Array:
    """Return a lower triangular root of the Hessian or, where it bends down, of the average information."""
    hessian = _hessian(problem, point)
    average = hessian + point.products - point.cubics / point.scale
    for matrix, ridge in ((hessian, 0.0), (average, 0.0), (average, 1e-3)):
        if (np.diag(matrix) > 0).all():
            size = np.sqrt(np.diag(matrix))
            relative = matrix / np.outer(size, size) + ridge * np.eye(len(size))
            if np.linalg.eigvalsh(relative)[0] > 1e-8:
                root: _Array = size[:, None] * np.linalg.cholesky(relative)
                return root
    raise ValueError(
        "the variances of the grouping factors cannot be estimated: "
        "the outcome does not vary between the levels of at least one; leave that factor out"
    )


def _satterthwaite_parts(problem: _Problem, point: _Point, names: list[str]) -> tuple[pd.Index, _Array, _Array]:
    """Return the variance parameters, their covariance, and the derivative of the coefficients' covariance.

    The parameters are lme4's: standard deviations over the residual's, then the residual's.
    """
    used = np.flatnonzero(point.ratios > 0)
    theta, sigma, n_free = np.sqrt(point.ratios[used]), np.sqrt(point.scale), problem.n - problem.p
    by_ratio = 2 * point.cubics / point.scale - point.products
    hessian = np.empty((len(used) + 1, len(used) + 1))
    hessian[:-1, :-1] = 4 * np.outer(theta, theta) * by_ratio[np.ix_(used, used)]
    hessian[:-1, :-1] += np.diag(2 * point.gradient[used])
    hessian[-1, :-1] = hessian[:-1, -1] = 4 * theta * sigma * point.quadratics[used] / point.scale**2
    hessian[-1, -1] = 4 * n_free / point.scale
    values, vectors = np.linalg.eigh(hessian)
    # As lmerTest does: directions in which the deviance is flat or bends down carry nothing.
    kept = values > 1e-8
    covariance = 2 * (vectors[:, kept] / values[kept]) @ vectors[:, kept].T
    gradient = np.concatenate(
        [
            point.scale * 2 * theta[:, None, None] * point.unscaled_gradient[used],
            2 * sigma * point.unscaled[None],
        ]
    )
    parameters = pd.Index([*(names[position] for position in used), "residual"], name="parameter")
    return parameters, covariance, gradient


def _weights(fit: MixedFit, weights: pd.DataFrame) -> _Array:
    unknown = [str(name) for name in weights.columns if name not in fit.coefficients.index]
    if unknown:
        raise ValueError(
            f"weights name terms that the model does not have: {', '.join(unknown)}; "
            f"its terms are {', '.join(map(str, fit.coefficients.index))}"
        )
    if weights.empty or weights.columns.has_duplicates:
        raise ValueError("weights need at least one row and one column, and each term once")
    L = _finite(weights, "weights")[:, weights.columns.get_indexer(fit.coefficients.index)]
    L = np.where(np.isin(fit.coefficients.index, weights.columns), L, 0.0)
    if (L == 0).all(axis=1).any():
        named = listed(weights.index[(L == 0).all(axis=1)])
        raise ValueError(f"a contrast needs a weight other than zero, none in: {named}")
    return L


def _degrees_of_freedom(fit: MixedFit, L: _Array, variance: _Array) -> _Array:
    slope = np.einsum("ci,kij,cj->ck", L, fit.covariance_gradient, L, optimize=True)
    spread = np.einsum("ck,kl,cl->c", slope, fit.parameter_covariance.to_numpy(), slope)
    df: _Array = 2 * variance**2 / spread
    return df


def _combined_df(df: _Array) -> float:
    """Return one number of error degrees of freedom for several independent contrasts."""
    if np.ptp(df) < 1e-8:
        return float(df.mean())
    if (df <= 2).any():
        return 2.0
    expected = (df / (df - 2)).sum()
    return float(2 * expected / (expected - len(df)))
