"""Means and covariances of answers with gaps, by maximum likelihood, and the sampling error of what is made of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import linalg

from analysis.options import whole_number
from analysis.sentences import listed, some_of

Matrix = NDArray[np.floating[Any]]
Flags = NDArray[np.bool_]
Positions = NDArray[np.intp]

# Smallest eigenvalue of the correlation matrix below which it counts as singular: where the likelihood has no
# maximum, EM drives it towards 0 without end.
_SINGULAR = 1e-8
# Numbers held at once for a stack of small matrices (32 MB).
_STACK = 4_000_000
# Step of the central differences in units of standard deviations: truncation and rounding are both near 1e-8.
_DIFFERENCE = 1e-4
# Squares of larger numbers, and of smaller ones, leave what a computer can hold.
_LARGEST, _SMALLEST = 1e100, 1e-100


@dataclass(frozen=True, kw_only=True, eq=False)
class Moments:
    """Mean and covariance of items by maximum likelihood (divisor n, not n − 1).

    Parameters
    ----------
    mean : pandas.Series
        By item.
    covariance : pandas.DataFrame
        Item × item, positive definite.
    n : int
        People with at least one answer.
    pairwise_n : int
        People who answered both items of the pair that fewest answered.
    share_missing : float
        Of the answers of those people, between 0 and 1.
    iterations : int
        EM steps that it took.
    converged : bool
        Whether the last step moved nothing by more than the tolerance.
    """

    mean: pd.Series
    covariance: pd.DataFrame
    n: int
    pairwise_n: int
    share_missing: float
    iterations: int
    converged: bool


@dataclass(frozen=True, slots=True)
class _Block:
    """People whose patterns have equally many gaps (or, where fewer, equally many answers).

    Attributes
    ----------
    rows : (people,) array
        Who they are.
    columns : (patterns, size) array
        The missing items of each pattern, or the answered ones.
    pattern : (people,) array
        Row of ``columns`` that each has.
    counts : (patterns,) array
        People of each pattern.
    of_gaps : bool
        Whether ``columns`` are the missing items.
    """

    rows: Positions
    columns: Positions
    pattern: Positions
    counts: Positions
    of_gaps: bool


@dataclass(frozen=True, slots=True)
class _Answers:
    """Standardised answers (0 where missing), who answered what, and the blocks of patterns."""

    standardised: Matrix
    known: Flags
    blocks: tuple[_Block, ...]


def numeric_answers(items: pd.DataFrame, *, at_least: int = 2) -> pd.DataFrame:
    """Check that answers are numbers under names of their own.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, numbers, missing where blank.
    at_least : int
        Fewest items that will do.

    Returns
    -------
    pandas.DataFrame
        The same as floats, ``nan`` where blank.

    Raises
    ------
    ValueError
        Naming the item and the remedy: what is no DataFrame; a doubled or missing name, names of several levels; too
        few items; an item that nobody answered; text, or numbers kept as objects, text or categories; complex or
        infinite values, values beyond 1e100, an item whose values are all closer to 0 than 1e-100.

    Examples
    --------
    >>> import pandas as pd
    >>> numeric_answers(pd.DataFrame({"a": [1, 2], "b": [2, None]}))
         a    b
    0  1.0  2.0
    1  2.0  NaN
    """
    _refuse_table(items)
    if items.shape[1] < at_least:
        needed = "1 item is" if at_least == 1 else f"{at_least} items are"
        raise ValueError(f"at least {needed} needed, got {items.shape[1]}: give more columns")
    doubled = items.columns[items.columns.duplicated()].unique()
    if len(doubled):
        raise ValueError(f"item names occur twice: {listed(doubled)}; give each column its own name")
    if not len(items):
        return items.astype(float)
    numeric = [pd.api.types.is_numeric_dtype(kind) and kind.kind != "c" for kind in items.dtypes]
    silent = items.columns[items.isna().all()]
    if len(silent):
        raise ValueError(f"nobody answered {listed(silent)}: leave such items out (`items.drop(columns=…)`)")
    if not all(numeric):
        raise _no_numbers(items.loc[:, [not each for each in numeric]])
    numbers = items.astype("Float64").astype(float)
    _refuse_range(numbers)
    return numbers


def normal_moments(items: pd.DataFrame, *, tolerance: float = 1e-8, max_iterations: int = 5000) -> Moments:
    """Estimate mean and covariance from answers with gaps by maximum likelihood.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, numbers, missing where blank. Responses without any answer are not counted.
    tolerance : float
        Largest change of any mean or covariance in one EM step at which it stops, in units of the items'
        standard deviations; above 0.
    max_iterations : int
        Most EM steps.

    Returns
    -------
    Moments

    Raises
    ------
    ValueError
        As `numeric_answers`; also for an item on which all who answered agree, two items that nobody
        answered both of, not more people than items, or items of which one repeats others: then the
        likelihood has no maximum.

    Notes
    -----
    EM of the multivariate normal distribution (Dempster, Laird & Rubin, 1977; Little & Rubin, 2020, chapter
    11), with the extrapolation of Varadhan & Roland (2008, SQUAREM, scheme S3), taken back wherever it does
    not raise the likelihood. It uses every answer, and is consistent where being missing depends on
    given answers alone (missing at random). With the precision K, the missing items of a pattern have the
    covariance inverse(K_mm) given the others, so that a pattern costs an inverse of its missing items
    or, where those are fewer, of its answered ones.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"a": [1.0, 2, 3, 4, 5, 6], "b": [2.0, 1, 4, 3, None, None]})
    >>> normal_moments(answers).mean.round(4).to_dict()
    {'a': 3.5, 'b': 3.1}
    """
    if not tolerance > 0:
        raise ValueError(f"tolerance must be above 0, got {tolerance}")
    max_iterations = whole_number("max_iterations", max_iterations, at_least=1)
    numbers = numeric_answers(items).dropna(how="all")
    n, columns = numbers.shape
    if n <= columns:
        raise ValueError(
            f"covariances by maximum likelihood need more people than items, got {n} people with an answer "
            f"for {columns} items: use more people or fewer items"
        )
    known = numbers.notna().to_numpy()
    pairwise = _pairwise(known, numbers.columns)
    spread = numbers.max() - numbers.min()
    same = numbers.columns[(spread == 0).to_numpy()]
    if len(same):
        raise ValueError(
            f"all who answered {listed(same)} gave the same answer: an item without variance has no "
            "correlation; leave it out (`items.drop(columns=…)`)"
        )
    centre, scale = numbers.mean().to_numpy(), numbers.std(ddof=0).to_numpy()
    answers = _answers(numbers, centre, scale)
    mean, covariance, iterations, converged = _em(answers, tolerance, max_iterations, numbers.columns)
    return Moments(
        mean=pd.Series(centre + scale * mean, index=numbers.columns, name="mean"),
        covariance=pd.DataFrame(covariance * np.outer(scale, scale), index=numbers.columns, columns=numbers.columns),
        n=n,
        pairwise_n=pairwise,
        share_missing=float(1 - known.mean()),
        iterations=iterations,
        converged=converged,
    )


def expected_answers(items: pd.DataFrame, moments: Moments) -> pd.DataFrame:
    """Fill each gap with what the person's other answers let expect.

    Parameters
    ----------
    items : pandas.DataFrame
        The answers that ``moments`` were made from.
    moments : Moments
        From `normal_moments`.

    Returns
    -------
    pandas.DataFrame
        Response × item, without the responses that hold no answer. For weighted sums such as regression
        factor scores alone: what is filled in varies less than answers do, so that neither variances nor
        tests should be computed from it.

    Notes
    -----
    The regression of the missing items on the answered ones. Thurstone's factor scores are linear in the
    answers, so with it they become exactly the regression of the factors on the available items.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"a": [1.0, 2, 3, 4, 5, 6], "b": [2.0, 1, 4, 3, None, None]})
    >>> expected_answers(answers, normal_moments(answers)).loc[5].round(4).to_dict()
    {'a': 6.0, 'b': 4.6}
    """
    numbers = numeric_answers(items).dropna(how="all")
    centre, scale = moments.mean.to_numpy(), np.sqrt(np.diag(moments.covariance))
    covariance = moments.covariance.to_numpy() / np.outer(scale, scale)
    filled, _, _ = _expectation(_answers(numbers, centre, scale), np.zeros(len(scale)), covariance)
    return pd.DataFrame(centre + scale * filled, index=numbers.index, columns=numbers.columns)


def moments_error(items: pd.DataFrame, moments: Moments, gradient: Matrix) -> float:
    """Give the standard error of a quantity that is computed from maximum-likelihood covariances.

    Parameters
    ----------
    items : pandas.DataFrame
        The answers that ``moments`` were made from.
    moments : Moments
        From `normal_moments`.
    gradient : (items, items) array
        Derivatives G of the quantity by the covariances Σ, symmetric: a small change dΣ of the matrix
        changes the quantity by tr(G dΣ).

    Returns
    -------
    float

    Raises
    ------
    ValueError
        If ``moments`` did not converge, or are those of other answers, so that the system cannot be solved.

    Notes
    -----
    Two-stage standard error that does not suppose normal answers (Savalei & Bentler, 2009; Savalei &
    Falk, 2014): the delta method on the sandwich H⁻¹(Σᵢ sᵢsᵢᵀ)H⁻¹ with H the observed information of all
    means and covariances and sᵢ a person's score. Only H⁻¹ times the gradient is needed; it is found by
    conjugate gradients, with the complete-data information as preconditioner: then the matrix to be inverted
    is I − D with D the derivative of an EM step (Louis, 1982; Meng & Rubin, 1991), whose eigenvalues lie
    between 0 and 1.

    Examples
    --------
    The standard error of a variance in complete data.

    >>> import numpy as np, pandas as pd
    >>> answers = pd.DataFrame(np.random.default_rng(1).normal(size=(500, 2)), columns=list("ab"))
    >>> error = moments_error(answers, normal_moments(answers), np.array([[1.0, 0], [0, 0]]))
    >>> squares = (answers["a"] - answers["a"].mean()) ** 2
    >>> bool(np.isclose(error, squares.std(ddof=0) / np.sqrt(500)))
    True
    """
    if not moments.converged:
        raise ValueError("the moments did not converge: allow more iterations (`max_iterations`)")
    numbers = numeric_answers(items).dropna(how="all")
    scale = np.sqrt(np.diag(moments.covariance))
    answers = _answers(numbers, moments.mean.to_numpy(), scale)
    n, columns = answers.standardised.shape
    covariance = moments.covariance.to_numpy() / np.outer(scale, scale)
    root = np.linalg.cholesky(covariance)

    def information(direction: Matrix) -> Matrix:
        """I − D applied to a direction in units in which Σ is I: the mean first, then the covariance."""
        shift = root @ direction[:columns] / np.sqrt(2)
        turn = root @ direction[columns:].reshape(columns, columns) @ root.T
        step = _DIFFERENCE / np.linalg.norm(direction)
        ahead = _em_step(answers, step * shift, covariance + step * turn)
        behind = _em_step(answers, -step * shift, covariance - step * turn)
        mean_change = (ahead[0] - behind[0]) / (2 * step) - shift
        covariance_change = (ahead[1] - behind[1]) / (2 * step) - turn
        within = linalg.solve_triangular(root, covariance_change, lower=True)
        within = linalg.solve_triangular(root, within.T, lower=True)
        whitened = linalg.solve_triangular(root, mean_change, lower=True) * np.sqrt(2)
        return -np.concatenate([whitened, ((within + within.T) / 2).ravel()])

    target = np.concatenate([np.zeros(columns), (root.T @ (gradient * np.outer(scale, scale)) @ root).ravel()])
    if not np.any(target):
        return 0.0
    solution = _conjugate_gradients(information, target) * 2 / n
    shift = root @ solution[:columns] / np.sqrt(2)
    turn = root @ solution[columns:].reshape(columns, columns) @ root.T
    return float(np.linalg.norm(_scores_along(answers, covariance, shift, turn)))


def _refuse_table(items: object) -> None:
    """Refuse what is no table with one name for each column."""
    if not isinstance(items, pd.DataFrame):
        remedy = "`series.to_frame()`" if isinstance(items, pd.Series) else "`pandas.DataFrame(…, columns=[…])`"
        raise ValueError(f"items must be a DataFrame, response × item, got {type(items).__name__}: make one ({remedy})")
    if items.columns.nlevels > 1:
        raise ValueError(
            f"item names have {items.columns.nlevels} levels: give each column one name "
            "(`items.columns = items.columns.map('_'.join)`)"
        )
    if unnamed := int(items.columns.isna().sum()):
        raise ValueError(
            f"{unnamed} of {items.shape[1]} columns {'has' if unnamed == 1 else 'have'} no name: name each item "
            "(`items.columns = […]`)"
        )


def _hold(names: Sequence[object]) -> str:
    return f"{some_of(names)} {'holds' if len(names) == 1 else 'hold'}"


def _no_numbers(items: pd.DataFrame) -> ValueError:
    """Say what columns hold that are no numbers, and how to make them so."""
    kinds = {name: str(items[name].dtype) for name in items.columns}
    convertible = [name for name in items.columns if _reads_as_numbers(items[name])]
    others = [name for name in items.columns if name not in convertible]
    if others:
        moments = [name for name in others if items[name].dtype.kind in "mM"]
        complexes = [name for name in others if items[name].dtype.kind == "c"]
        if moments:
            named, what, remedy = moments, "dates or times", "turn them into numbers, such as years or days, first"
        elif complexes:
            named, what, remedy = complexes, "complex numbers", "take the real part or leave them out"
        else:
            named, what, remedy = others, "text", "code them as numbers first"
    else:
        named, what, remedy = convertible, "text or objects that read as numbers", "convert them (`.astype(float)`)"
    dtypes = listed(dict.fromkeys(kinds[name] for name in named))
    return ValueError(f"answers must be numbers, but {_hold(named)} {what} (dtype {dtypes}): {remedy}")


def _reads_as_numbers(values: pd.Series) -> bool:
    if values.dtype.kind in "mMc":
        return False
    try:
        return bool(np.isreal(values.dropna().astype(float)).all())
    except (TypeError, ValueError):
        return False


def _refuse_range(numbers: pd.DataFrame) -> None:
    values = numbers.to_numpy()
    size = np.where(np.isnan(values), 0.0, np.abs(values)).max(axis=0)
    infinite = list(numbers.columns[np.isinf(size)])
    if infinite:
        raise ValueError(f"answers must be finite, but {_hold(infinite)} infinite values: blank them")
    outside = (size > _LARGEST) | ((size > 0) & (size < _SMALLEST))
    if outside.any():
        raise ValueError(
            f"answers must not lie beyond {_LARGEST:g}, nor all closer to 0 than {_SMALLEST:g}, but "
            f"{_hold(list(numbers.columns[outside]))} such values (the largest is {size[outside][0]:.3g}): they cannot be "
            "squared; use other units"
        )


def _pairwise(known: Flags, names: pd.Index) -> int:
    together = known.T.astype(float) @ known.astype(float)
    first, second = np.nonzero(np.triu(together == 0, 1))
    if first.size:
        pairs = [f"{names[a]} with {names[b]}" for a, b in zip(first[:5], second[:5], strict=True)]
        more = f" and {first.size - 5} more pairs" if first.size > 5 else ""
        raise ValueError(
            f"nobody answered both of {', '.join(pairs)}{more}: their covariance is not identified; leave one "
            "of each pair out, or analyse the forms that ask them apart"
        )
    return int(together[np.triu_indices(len(names), 1)].min()) if len(names) > 1 else int(together[0, 0])


def _answers(numbers: pd.DataFrame, centre: Matrix, scale: Matrix) -> _Answers:
    known = numbers.notna().to_numpy()
    values = np.where(known, (numbers.to_numpy() - centre) / scale, 0.0)
    return _Answers(standardised=values, known=known, blocks=tuple(_blocks(known)))


def _blocks(known: Flags) -> Iterator[_Block]:
    columns = known.shape[1]
    packed, pattern_of = np.unique(np.packbits(known, axis=1), axis=0, return_inverse=True)
    patterns = np.unpackbits(packed, axis=1, count=columns).astype(bool)
    gaps = columns - patterns.sum(axis=1)
    of_gaps = 2 * gaps <= columns
    size = np.where(of_gaps, gaps, columns - gaps)
    for side, length in sorted({(bool(a), int(b)) for a, b in zip(of_gaps, size, strict=True)}):
        if not length:  # no gaps, so that nothing is to be filled in
            continue
        people = np.flatnonzero(((of_gaps == side) & (size == length))[pattern_of])
        people = people[np.argsort(pattern_of[people], kind="stable")]
        most = max(_STACK // length**2, 1)
        for start in range(0, people.size, most):
            rows = people[start : start + most]
            here, pattern, counts = np.unique(pattern_of[rows], return_inverse=True, return_counts=True)
            marked = patterns[here] != side
            yield _Block(
                rows=rows,
                columns=np.nonzero(marked)[1].reshape(here.size, length),
                pattern=pattern,
                counts=counts,
                of_gaps=side,
            )


def _inverses(block: _Block, covariance: Matrix, precision: Matrix) -> tuple[Matrix, float]:
    """Inverse of each pattern's part of precision or covariance, and the sum of their log-determinants."""
    whole = precision if block.of_gaps else covariance
    part = whole[block.columns[:, :, None], block.columns[:, None, :]]
    roots = np.linalg.cholesky(part)
    logs = 2 * np.log(np.diagonal(roots, axis1=1, axis2=2)).sum(axis=1)
    return np.asarray(np.linalg.inv(part)), float(block.counts @ logs)


def _scattered(block: _Block, inverses: Matrix, columns: int) -> Matrix:
    """Add up the patterns' matrices at the places of their items, once for each person."""
    places = block.columns[:, :, None] * columns + block.columns[:, None, :]
    weights = inverses * block.counts[:, None, None]
    total = np.bincount(places.ravel(), weights=weights.ravel(), minlength=columns * columns)
    return np.asarray(total.reshape(columns, columns))


def _expectation(answers: _Answers, mean: Matrix, covariance: Matrix) -> tuple[Matrix, Matrix, float]:
    """Deviations from the mean with gaps filled in, added covariance of what was filled in, log-likelihood.

    The log-likelihood leaves out its constant.
    """
    n, columns = answers.standardised.shape
    root = np.linalg.cholesky(covariance)
    log_determinant = 2 * float(np.log(np.diag(root)).sum())
    precision = np.asarray(linalg.cho_solve((root, True), np.eye(columns)))
    filled = np.where(answers.known, answers.standardised - mean, 0.0)
    slopes = filled @ precision
    added = np.zeros((columns, columns))
    logs = n * log_determinant
    for block in answers.blocks:
        inverses, block_logs = _inverses(block, covariance, precision)
        at = (block.rows[:, None], block.columns[block.pattern])
        of_each = inverses[block.pattern]
        if block.of_gaps:
            filled[at] = -(of_each @ slopes[at][:, :, None])[:, :, 0]
            added += _scattered(block, inverses, columns)
            logs += block_logs
        else:
            weights = np.zeros((block.rows.size, columns))
            weights[np.arange(block.rows.size)[:, None], at[1]] = (of_each @ filled[at][:, :, None])[:, :, 0]
            filled[block.rows] = weights @ covariance
            inside = _scattered(block, inverses, columns)
            added += block.rows.size * covariance - covariance @ inside @ covariance
            logs += block_logs - block.rows.size * log_determinant
    return filled, added, -0.5 * (logs + float(np.sum(filled @ precision * filled)))


def _em_step(answers: _Answers, mean: Matrix, covariance: Matrix) -> tuple[Matrix, Matrix, float]:
    """Return the new mean and covariance, and the log-likelihood of the old ones."""
    filled, added, loglik = _expectation(answers, mean, covariance)
    n = len(filled)
    shift = filled.mean(axis=0)
    new = (filled.T @ filled + added) / n - np.outer(shift, shift)
    return mean + shift, (new + new.T) / 2, loglik


def _em(answers: _Answers, tolerance: float, max_iterations: int, names: pd.Index) -> tuple[Matrix, Matrix, int, bool]:
    columns = len(names)

    def covariance_in(theta: Matrix) -> Matrix:
        return theta[columns:].reshape(columns, columns)

    def step(theta: Matrix) -> tuple[Matrix, float]:
        _refuse_singular(covariance_in(theta), names)
        mean, covariance, loglik = _em_step(answers, theta[:columns], covariance_in(theta))
        return np.concatenate([mean, covariance.ravel()]), loglik

    theta = np.concatenate([np.zeros(columns), np.eye(columns).ravel()])
    taken = 0
    converged = False
    while taken < max_iterations and not converged:
        first, _ = step(theta)
        taken += 1
        moved = first - theta
        converged = bool(np.max(np.abs(moved)) < tolerance)
        if converged:
            theta = first
            continue
        second, level = step(first)
        taken += 1
        bend = second - first - moved
        length = max(float(np.linalg.norm(moved)) / max(float(np.linalg.norm(bend)), tolerance), 1.0)
        leap = theta + 2 * length * moved + length**2 * bend
        theta = second
        if length > 1 and _weakest(covariance_in(leap))[0] > _SINGULAR:
            landed, leap_level = step(leap)
            taken += 1
            if leap_level >= level:
                theta = landed
    _refuse_singular(covariance_in(theta), names)
    return theta[:columns], covariance_in(theta), taken, converged


def _weakest(covariance: Matrix) -> tuple[float, Matrix]:
    """Smallest eigenvalue of the correlations, and which items make it up; −1 where a variance is not positive."""
    variances = np.diag(covariance)
    if not np.all(variances > 0):
        return -1.0, np.asarray(variances <= 0, dtype=float)
    values, vectors = np.linalg.eigh(covariance / np.sqrt(np.outer(variances, variances)))
    return float(values[0]), np.asarray(vectors[:, 0])


def _refuse_singular(covariance: Matrix, names: pd.Index) -> None:
    value, weights = _weakest(covariance)
    if value < _SINGULAR:
        raise ValueError(
            f"the covariance matrix is singular: {listed(names[np.abs(weights) > 1e-3])} repeat each other (one "
            "is doubled, or is the sum of others) or have too few answers in common; leave one of them out"
        )


def _conjugate_gradients(apply: Any, target: Matrix) -> Matrix:
    """Solve a symmetric positive definite system to a relative residual of 1e-6."""
    solution = np.zeros_like(target)
    residual, direction = target.copy(), target.copy()
    size = float(residual @ residual)
    goal = 1e-12 * size
    for _ in range(500):
        image = apply(direction)
        length = size / float(direction @ image)
        solution += length * direction
        residual -= length * image
        size, before = float(residual @ residual), size
        if size < goal:
            return solution
        direction = residual + size / before * direction
    raise ValueError(
        "the standard errors cannot be computed: the answers hold too little information on some covariance; "
        "leave out the items with most gaps"
    )


def _scores_along(answers: _Answers, covariance: Matrix, shift: Matrix, turn: Matrix) -> Matrix:
    """Give each person's derivative of the log-likelihood along a change of the mean (0) and the covariance."""
    columns = len(covariance)
    precision = np.asarray(np.linalg.inv(covariance))
    zero = np.zeros(columns)
    filled, _, _ = _expectation(answers, zero, covariance)
    inner = precision @ turn @ precision
    outer = covariance @ inner @ covariance
    spread = np.zeros(len(filled))
    for block in answers.blocks:
        inverses, _ = _inverses(block, covariance, precision)
        change = inner if block.of_gaps else outer
        part = change[block.columns[:, :, None], block.columns[:, None, :]]
        traces = np.sum(inverses * part, axis=(1, 2))
        spread[block.rows] = (traces if block.of_gaps else np.sum(inner * covariance) - traces)[block.pattern]
    quadratic = np.sum(filled @ inner * filled, axis=1) + spread - np.sum(precision * turn)
    return np.asarray(filled @ precision @ shift + quadratic / 2)
