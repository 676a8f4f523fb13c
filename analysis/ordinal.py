"""Thresholds, polychoric and polyserial correlations of ordered answers, and their sampling covariance."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special

from analysis.missing import numeric_answers
from analysis.sentences import listed, some_of

Matrix = NDArray[np.floating[Any]]
Positions = NDArray[np.intp]
Flags = NDArray[np.bool_]
MissingAnswers = Literal["listwise", "pairwise"]
Information = Literal["scores", "expected"]

# More distinct answers than this are taken for a continuous variable.
_MOST_CATEGORIES = 12
# How many times its usual distance a code may lie from the item's others.
_FAR = 4
# A correlation beyond this is perfect for all that the answers can tell; lavaan's bound is the same.
_BOUND = 0.999
# Newton steps smaller than this end the search: it converges quadratically, so that the error left is near 1e-12.
_STEP = 1e-6
# Cell probabilities come from differences of numbers near 1: below this there is nothing but rounding.
_RARE = 1e-12
# Eigenvalues under the first are not positive but for rounding; smoothing raises them to the second.
_ZERO_EIGENVALUE, _RAISED_EIGENVALUE = 1e-12, 1e-10
# Numbers held at once while people's contributions are added up (200 MB).
_BLOCK = 25_000_000
_NAMED = 5
# Fewer clusters tell almost nothing of their own variance; fewer than the second, little.
_FEWEST_CLUSTERS, _FEW_CLUSTERS = 5, 30


class NotPositiveDefiniteWarning(UserWarning):
    """A correlation matrix is not positive definite, so that no people could have these correlations together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class OrdinalMoments:
    """What an analysis of ordered answers needs to know of them.

    Parameters
    ----------
    items : tuple of str
        In the order of everything below.
    categories : tuple of arrays
        By item: the codes in use, ascending.
    thresholds : tuple of arrays
        By item: where the normal variable behind it is cut; one fewer than categories.
    correlations : (items, items) array
        Polychoric, as estimated: never smoothed.
    n : int
        People.
    pair_n : (items, items) array
        People who answered both; on the diagonal, the item.
    covariance : (statistics, statistics) array or None
        Asymptotic covariance of √n times ``statistics``, Γ; with clusters, robust to them.
    notes : tuple of str
        What was left out, and what was done about empty cells.
    """

    items: tuple[str, ...]
    categories: tuple[Matrix, ...]
    thresholds: tuple[Matrix, ...]
    correlations: Matrix
    n: int
    pair_n: Positions
    covariance: Matrix | None
    notes: tuple[str, ...]

    @property
    def statistics(self) -> Matrix:
        """All thresholds, item by item, then correlations by rows of the upper triangle."""
        upper = self.correlations[np.triu_indices(len(self.items), 1)]
        return np.concatenate([*self.thresholds, upper])

    @property
    def standard_errors(self) -> Matrix:
        """Of ``statistics``, in their order.

        An interval of a correlation is best made on Fisher's z scale, with se / (1 − r²): with 150 skewed answers
        ±1.96 se around the correlation itself holds the truth in 92 % of samples (docs/simulations.md).

        Raises
        ------
        ValueError
            If the moments were computed without their covariance.
        """
        if self.covariance is None:
            raise ValueError("the moments were computed without their covariance: ask for `covariance=True`")
        return np.asarray(np.sqrt(np.diag(self.covariance) / self.n))


def polychoric(items: pd.DataFrame, *, missing: MissingAnswers = "listwise") -> pd.DataFrame:
    """Estimate the correlations of the normal variables behind ordered answers.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item: whole numbers for ordered categories, missing where blank; items may have different
        numbers of categories. Two categories give the tetrachoric correlation.
    missing : {"listwise", "pairwise"}
        Whether responses with a gap are left out, or each correlation uses all who answered both items.

    Returns
    -------
    pandas.DataFrame
        Item × item, as estimated: never smoothed, and never Pearson correlations in disguise.

    Warns
    -----
    NotPositiveDefiniteWarning
        If the matrix is not positive definite; see `smoothed`.

    Raises
    ------
    ValueError
        As `ordinal_moments`.

    Notes
    -----
    As `ordinal_moments`, which also gives thresholds, standard errors and notes.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> behind = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=2000)
    >>> answers = pd.DataFrame(np.digitize(behind, [-1, 0, 0.5, 1]) + 1, columns=["a", "b"])
    >>> float(polychoric(answers).loc["a", "b"].round(3))
    0.59
    """
    moments = ordinal_moments(items, missing=missing, covariance=False)
    weakest = _smallest_eigenvalue(moments.correlations)
    if weakest < _ZERO_EIGENVALUE:
        warnings.warn(
            f"the polychoric correlations are not positive definite (smallest eigenvalue {weakest:.2g}) and are given "
            "as estimated: where a method needs a positive definite matrix, use `smoothed(…)` and report it, or use "
            "more people, fewer items, or answers joined where few gave them"
            + ("; `missing='listwise'` may help too" if missing == "pairwise" else ""),
            NotPositiveDefiniteWarning,
            stacklevel=2,
        )
    names = pd.Index(moments.items, name=None)
    return pd.DataFrame(moments.correlations, index=names, columns=names)


def polyserial(
    items: pd.DataFrame, continuous: pd.Series | pd.DataFrame, *, missing: MissingAnswers = "listwise"
) -> pd.DataFrame:
    """Estimate the correlations of the normal variables behind ordered answers with continuous variables.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item: whole numbers for ordered categories, missing where blank.
    continuous : pandas.Series or DataFrame
        Such as scores or ages, on the index of ``items``.
    missing : {"listwise", "pairwise"}
        Whether responses with any gap are left out, or each correlation uses all who have both values.

    Returns
    -------
    pandas.DataFrame
        Index ``item``, ``variable``; columns ``estimate``, ``se``, ``n``. ``table["estimate"].unstack()`` is a matrix.

    Raises
    ------
    ValueError
        As `ordinal_moments`; also if ``continuous`` has another index, or shares a name with an item.

    Notes
    -----
    Two steps (Olsson, Drasgow & Dorans, 1982): thresholds from the shares, mean and variance (divisor n) from the
    variable, then the correlation by maximum likelihood. Standard errors as Muthén (1984), as lavaan's. The
    continuous variable is taken as normal: a skewed one is better cut into categories.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> behind = rng.multivariate_normal([0, 0], [[1, 0.6], [0.6, 1]], size=2000)
    >>> items = pd.DataFrame({"a": np.digitize(behind[:, 0], [-1, 0, 0.5, 1])})
    >>> polyserial(items, pd.Series(behind[:, 1], name="age")).round(3).reset_index()
      item variable  estimate     se     n
    0    a      age     0.593  0.015  2000
    """
    if not isinstance(items, pd.DataFrame) or not isinstance(continuous, pd.Series | pd.DataFrame):
        raise ValueError(
            "items must be a DataFrame, response × item, and continuous a Series or DataFrame; got "
            f"{type(items).__name__} and {type(continuous).__name__}"
        )
    variables = continuous.to_frame(continuous.name or "variable") if isinstance(continuous, pd.Series) else continuous
    if not variables.index.equals(items.index):
        raise ValueError(
            "continuous must have the index of the items, one value for each response: take both of one frame"
        )
    numbers = numeric_answers(pd.concat([items, variables], axis=1))
    ordered_answers(numbers[items.columns], at_least=1)
    kept, _, _ = _kept(numbers, missing)
    coded = _coded(kept[items.columns])
    thresholds = _thresholds(coded)
    parts = [_serial(kept[name], list(items.columns), coded, thresholds) for name in variables.columns]
    return pd.concat(parts).reindex(
        pd.MultiIndex.from_product([items.columns, variables.columns], names=["item", "variable"])
    )


def ordered_answers(items: pd.DataFrame, *, at_least: int = 2) -> pd.DataFrame:
    """Check that answers are codes of ordered categories.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item: whole numbers for ordered categories, missing where blank.
    at_least : int
        Fewest items that will do.

    Returns
    -------
    pandas.DataFrame
        The same as floats, ``nan`` where blank.

    Raises
    ------
    ValueError
        As `numeric_answers`; also for fractions, more than 12 different answers to an item, or a code far from
        the item's others (a 99 for "no answer") to which those of no other item lead up.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"a": [1, 2, 3, 2], "b": [2, 1, 3, 99]})
    >>> ordered_answers(answers)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: b has the code 99 (given by 1 of 4) far from its other codes 1 to 3: ...
    >>> ordered_answers(answers.replace(99, float("nan"))).loc[3].tolist()
    [2.0, nan]
    """
    numbers = numeric_answers(items, at_least=at_least)
    values = numbers.to_numpy()
    if not values.size:
        return numbers
    rounded = np.round(values)
    for place in np.flatnonzero(((values != rounded) & np.isfinite(values)).any(axis=0)):
        codes = np.sort(pd.unique(values[np.isfinite(values[:, place]), place]))
        if len(codes) > _MOST_CATEGORIES:
            raise _too_many(numbers.columns[place], len(codes))
        fractions = [f"{code:g}" for code in codes[codes != np.round(codes)]]
        raise ValueError(
            f"{numbers.columns[place]} has answers that are not whole numbers ({some_of(fractions, most=_NAMED)}): "
            "categories need whole numbers; undo averaging or imputation, or leave the item out"
        )
    # Where there are more codes than that, some item has too many, and a table of all by item might not fit.
    if len(pd.unique(values[np.isfinite(values)])) > _MOST_CATEGORIES * values.shape[1]:
        different = np.array([len(pd.unique(column[np.isfinite(column)])) for column in values.T])
        raise _too_many(numbers.columns[np.argmax(different)], int(different.max()))
    codes, _, counts = _code_counts(values)
    for name, given in zip(numbers.columns, counts, strict=True):
        if (many := int(np.count_nonzero(given))) > _MOST_CATEGORIES:
            raise _too_many(name, many)
        _refuse_stray(name, codes, given)
    return numbers


def refuse_stray_codes(numbers: pd.DataFrame) -> None:
    """Refuse a code such as 99 for "no answer" among items that are answered with a few whole numbers.

    Parameters
    ----------
    numbers : pandas.DataFrame
        Response × item, checked (`numeric_answers`). Items with fractions or more than 12 different answers are taken
        as continuous and not looked at.

    Raises
    ------
    ValueError
        Naming the item, the code and the remedy, as `ordered_answers`.

    Examples
    --------
    >>> import pandas as pd
    >>> refuse_stray_codes(pd.DataFrame({"a": [1, 2, 3, 2], "b": [2, 1, 3, 99]}))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
    ValueError: b has the code 99 (given by 1 of 4) far from its other codes 1 to 3: ...
    """
    values = numbers.to_numpy(dtype=float)
    whole = ~((values != np.round(values)) & np.isfinite(values)).any(axis=0)
    few = [
        at for at in np.flatnonzero(whole) if len(pd.unique(values[np.isfinite(values[:, at]), at])) <= _MOST_CATEGORIES
    ]
    if not few or not len(values):
        return
    codes, _, counts = _code_counts(values[:, few])
    for name, given in zip(numbers.columns[few], counts, strict=True):
        _refuse_stray(name, codes, given)


def ordinal_moments(
    items: pd.DataFrame,
    *,
    missing: MissingAnswers = "listwise",
    clusters: pd.Series | None = None,
    covariance: bool = True,
    information: Information = "scores",
) -> OrdinalMoments:
    """Estimate thresholds and polychoric correlations, and how far chance moves them together.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item: whole numbers for ordered categories, missing where blank.
    missing : {"listwise", "pairwise"}
        Whether responses with a gap are left out, or thresholds use all who answered the item and
        correlations all who answered both (which supposes that gaps have nothing to do with the answers).
    clusters : pandas.Series, optional
        Which team each response belongs to, on the index of ``items``: makes ``covariance`` robust to
        likeness within teams.
    covariance : bool
        Whether to compute Γ.
    information : {"scores", "expected"}
        Of the correlations, inside Γ: from products of the people's scores, as lavaan, or what the correlation and the
        thresholds lead one to expect.

    Returns
    -------
    OrdinalMoments

    Raises
    ------
    ValueError
        Naming the items and the remedy: text, infinite values or fractions; a doubled name; fewer than 2
        items; an item that nobody answered or all answered alike; more than 12 distinct answers; a stray code;
        fewer than 3 people; a pair that nobody answered, or that correlates ±.999 or more; clusters on
        another index, with gaps, or fewer than 5.

    Notes
    -----
    Categories are the codes in use in this sample, whatever their distance; unused codes in between are noted.
    A code is refused as stray (99 for "no answer") if there is a gap before it that is 4 or more times as wide as
    those between the item's other codes (their median; 1 where there are only two codes). Codes that other
    items use count as steps inside the gap.

    Two steps (Olsson, 1979): thresholds are normal quantiles of the cumulated shares, then each
    correlation maximises the likelihood of its two-way table, by Newton's method for all pairs at once.
    Bivariate probabilities by Owen's (1956) T function.

    An empty cell of a 2 × 2 table gets 0.5, taken from and given to the others such that the margins stay (Brown &
    Benedetti, 1977), as lavaan does; in larger tables nothing is added. Each is a note.

    Γ: sandwich of the scores of both steps (Muthén, 1984; Muthén, du Toit & Spisic, 1997), with cross products of
    scores as bread, as lavaan's, or the expected information (Olsson, 1979). Cross products make standard errors too
    small where rare cells are few (of ordinal alpha by 9 % with 150 people and skewed answers) or no normal variables
    explain the answers (by 14 % in ``psychTools::bfi``'s agreeableness, against the bootstrap); the expected
    information does not. The contribution of a person depends on the person's cell alone, so it is
    computed once per cell and looked up. With gaps, people contribute to what they answered. With
    clusters, contributions are added up within each and no correction for few clusters is made: fewer than 5 are
    refused, fewer than 30 are noted.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"a": [1, 1, 2, 2, 3, 3, 1, 2], "b": [0, 0, 0, 1, 1, 1, 1, 0]})
    >>> moments = ordinal_moments(answers)
    >>> moments.statistics.round(3).tolist(), moments.standard_errors.round(3).tolist()
    ([-0.319, 0.674, 0.0, 0.643], [0.451, 0.482, 0.443, 0.311])
    """
    if information not in ("scores", "expected"):
        raise ValueError(f"information must be 'scores' or 'expected', got {information!r}")
    numbers = ordered_answers(items)
    answers, stays, notes = _kept(numbers, missing)
    names = list(answers.columns)
    coded = _coded(answers)
    first, second = np.triu_indices(len(names), 1)
    tables = _tables(coded)
    pair_n = tables.sum(axis=(2, 3)).astype(np.intp)
    counts = tables[first, second]
    _refuse_empty_pairs(names, first, second, counts)
    notes += _pairwise_note(coded, pair_n) + _unused_codes(names, coded.categories)
    thresholds = _thresholds(coded)
    adjusted, empty_notes = _empty_cells(names, first, second, counts, coded)
    correlations = _pair_correlations(names, first, second, adjusted, thresholds)
    matrix = np.eye(len(names))
    matrix[first, second] = matrix[second, first] = correlations
    gamma = None
    if covariance:
        weights = (
            counts if information == "scores" else _expected_counts(first, second, counts, thresholds, correlations)
        )
        teams = _cluster_codes(clusters, items, stays)
        gamma = _Contributions(coded, thresholds, weights, correlations).covariance(teams)
        notes += _few_clusters(teams)
    elif clusters is not None:
        raise ValueError("clusters change the covariance alone: ask for `covariance=True`, or leave `clusters` out")
    return OrdinalMoments(
        items=tuple(names),
        categories=coded.categories,
        thresholds=tuple(cuts[np.isfinite(cuts)] for cuts in thresholds),
        correlations=matrix,
        n=len(answers),
        pair_n=pair_n,
        covariance=gamma,
        notes=(*notes, *empty_notes),
    )


def category_positions(items: pd.DataFrame) -> Positions:
    """Say for each answer which of its item's categories it is, for `position_correlations`.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, checked (`ordered_answers`).

    Returns
    -------
    (responses, items) array of int
        Counted from 0 among the codes in use; −1 where there is no answer.

    Examples
    --------
    >>> import pandas as pd
    >>> category_positions(pd.DataFrame({"a": [1, 3, 5], "b": [2, None, 4]})).tolist()
    [[0, 0], [1, -1], [2, 1]]
    """
    coded = _coded(items)
    return np.where(coded.positions == coded.width, -1, coded.positions)


def position_correlations(positions: Positions) -> Matrix:
    """Estimate polychoric correlations of answers that are coded and checked: for many data sets of the same people.

    Parameters
    ----------
    positions : (people, items) array of int
        As `category_positions` gives them: no category of an item is unused.

    Returns
    -------
    (items, items) array
        As `ordinal_moments`, pairwise where there are gaps; never smoothed.

    Raises
    ------
    ValueError
        For a pair that nobody answered or that correlates ±.999 or more.
    """
    categories = tuple(np.arange(size, dtype=float) for size in positions.max(axis=0) + 1)
    width = max(len(codes) for codes in categories)
    coded = _Coded(np.where(positions < 0, width, positions), categories, width)
    names = list(range(1, positions.shape[1] + 1))
    first, second = np.triu_indices(len(names), 1)
    counts = _tables(coded)[first, second]
    _refuse_empty_pairs(names, first, second, counts)
    adjusted, _ = _empty_cells(names, first, second, counts, coded)
    matrix = np.eye(len(names))
    matrix[first, second] = _pair_correlations(names, first, second, adjusted, _thresholds(coded))
    matrix[second, first] = matrix[first, second]
    return matrix


def smoothed(correlations: pd.DataFrame | Matrix) -> tuple[Any, str]:
    """Make correlations positive definite, if they are not, and say by how much that moved them.

    Parameters
    ----------
    correlations : (items, items) DataFrame or array
        Symmetric, with 1 on the diagonal.

    Returns
    -------
    tuple
        The matrix in the type it came in (itself, if it was positive definite), and a note: empty if nothing was done.

    Raises
    ------
    ValueError
        If the matrix is not square, holds gaps, is not symmetric, or has other than 1 on its diagonal.

    Notes
    -----
    Eigenvalues under 1e-12 are raised to 1e-10, all are rescaled to their sum, and the matrix to a diagonal of 1
    (Wothke, 1993), as ``psych::cor.smooth``: chosen because it is what most published polychoric analyses
    used, and it changes little when little is wrong. The result is almost singular: what needs its inverse
    (KMO, maximum likelihood) should not be trusted.

    Examples
    --------
    >>> import numpy as np
    >>> matrix, note = smoothed(np.array([[1, 0.9, 0.1], [0.9, 1, 0.9], [0.1, 0.9, 1]]))
    >>> matrix.round(3).tolist()
    [[1.0, 0.757, 0.146], [0.757, 1.0, 0.757], [0.146, 0.757, 1.0]]
    >>> note
    'The correlations were not positive definite (smallest eigenvalue -0.224) and were smoothed by raising
    eigenvalues (Wothke, 1993); the largest change of a correlation was 0.143.'
    """
    values = np.asarray(correlations, dtype=float)
    if values.ndim != 2 or values.shape[0] != values.shape[1]:
        raise ValueError(f"correlations must be a square matrix, got shape {values.shape}")
    if not np.isfinite(values).all():
        raise ValueError("correlations hold gaps or infinite values: leave out the items that they belong to")
    if not np.allclose(values, values.T, rtol=0, atol=1e-8) or not np.allclose(np.diag(values), 1, rtol=0, atol=1e-8):
        raise ValueError("correlations must be symmetric with 1 on the diagonal: give correlations, not covariances")
    roots, vectors = np.linalg.eigh(values)
    if roots[0] >= _ZERO_EIGENVALUE:
        return correlations, ""
    raised = np.where(roots < _ZERO_EIGENVALUE, _RAISED_EIGENVALUE, roots)
    raised *= len(values) / raised.sum()
    matrix = (vectors * raised) @ vectors.T
    spread = np.sqrt(np.diag(matrix))
    matrix /= np.outer(spread, spread)
    np.fill_diagonal(matrix, 1.0)
    matrix = (matrix + matrix.T) / 2
    note = (
        f"The correlations were not positive definite (smallest eigenvalue {roots[0]:.3g}) and were smoothed by raising "
        f"eigenvalues (Wothke, 1993); the largest change of a correlation was {np.abs(matrix - values).max():.3f}."
    )
    if isinstance(correlations, pd.DataFrame):
        return pd.DataFrame(matrix, index=correlations.index, columns=correlations.columns), note
    return matrix, note


@dataclass(frozen=True)
class _Coded:
    """Answers as positions among the categories in use, 0 …; ``width`` where missing.

    ``width`` is the largest number of categories of any item; all tables are padded to it.
    """

    positions: Positions
    categories: tuple[Matrix, ...]
    width: int


def _kept(numbers: pd.DataFrame, missing: MissingAnswers) -> tuple[pd.DataFrame, Flags, tuple[str, ...]]:
    """Leave out who does not count, say which rows stay, and note it."""
    if missing not in ("listwise", "pairwise"):
        raise ValueError(f"missing must be 'listwise' or 'pairwise', got {missing!r}")
    known = numbers.notna().to_numpy()
    stays = known.all(axis=1) if missing == "listwise" else known.any(axis=1)
    kept = numbers[stays]
    if len(kept) < 3:
        remedy = " or use `missing='pairwise'`" if missing == "listwise" and known.any(axis=1).sum() >= 3 else ""
        raise ValueError(
            f"at least 3 responses {'without a gap' if missing == 'listwise' else 'with an answer'} are needed, got "
            f"{len(kept)} of {len(numbers)}: use more people, leave out the items with most gaps{remedy}"
        )
    values = kept.to_numpy()
    alike = kept.columns[np.nanmin(values, axis=0) == np.nanmax(values, axis=0)]
    if len(alike):
        raise ValueError(
            f"all {len(kept)} responses are alike on {listed(alike)}: an item without variance has no correlation; "
            "leave it out (`items.drop(columns=…)`)"
        )
    left_out = len(numbers) - len(kept)
    if not left_out:
        notes: tuple[str, ...] = ()
    elif missing == "listwise":
        words = "has a gap and is" if left_out == 1 else "have a gap and are"
        notes = (f"{left_out} of {len(numbers)} responses {words} left out (listwise).",)
    else:
        words = "holds no answer and is" if left_out == 1 else "hold no answer and are"
        notes = (f"{left_out} of {len(numbers)} responses {words} left out.",)
    return kept, stays, notes


def _pairwise_note(coded: _Coded, pair_n: Positions) -> tuple[str, ...]:
    if not (coded.positions == coded.width).any():
        return ()
    together = pair_n[np.triu_indices(len(pair_n), 1)]
    return (
        f"Pairwise: each correlation is of those who answered both items, {together.min()} to {together.max()} of "
        f"{len(coded.positions)} people.",
    )


def _code_counts(values: Matrix) -> tuple[Matrix, Positions, Positions]:
    """Give the codes in use by any item, each answer's place among them, and how many gave each, item × code.

    The place after the last code is for no answer.
    """
    known = np.isfinite(values)
    codes = np.sort(pd.unique(values[known]))
    places = np.searchsorted(codes, values)
    places[~known] = codes.size
    items = values.shape[1]
    size = codes.size + 1
    counts = np.bincount((places + np.arange(items) * size).ravel(), minlength=items * size).reshape(items, size)
    return codes, places, counts[:, :-1]


def _too_many(name: object, different: int) -> ValueError:
    return ValueError(
        f"{name} has {different} different answers, more than {_MOST_CATEGORIES}: that is a continuous variable (see "
        "`polyserial`), or stray codes; leave it out, or join categories (`pandas.cut`)"
    )


def _refuse_stray(name: object, codes: Matrix, given: Positions) -> None:
    """Refuse a code far from the item's others and from those of other items in between."""
    used = np.flatnonzero(given)
    gaps = np.diff(codes[used])
    if not gaps.size:
        return
    at = int(np.argmax(gaps))
    others = np.delete(gaps, at)
    usual = float(np.median(others)) if others.size else 1.0
    # Codes of other items may lead up to it.
    if np.diff(codes[used[at] : used[at + 1] + 1]).max() < _FAR * usual:
        return
    low, high = used[: at + 1], used[at + 1 :]
    stray, near = (low, high) if given[low].sum() < given[high].sum() else (high, low)
    raise ValueError(
        f"{name} has the code {listed(f'{codes[code]:g}' for code in stray)} (given by {given[stray].sum()} of "
        f"{given.sum()}) far from its other codes {_span(codes[near])}: if it stands for no answer, blank it "
        f"(`items.replace({codes[stray[0]]:g}, float('nan'))`); if it is an answer, number the categories one after the "
        "other (`items.rank(method='dense')`)"
    )


def _span(codes: Matrix) -> str:
    return f"{codes[0]:g}" if len(codes) == 1 else f"{codes[0]:g} to {codes[-1]:g}"


def _coded(answers: pd.DataFrame) -> _Coded:
    codes, places, counts = _code_counts(answers.to_numpy(dtype=float))
    used = counts > 0
    width = int(used.sum(axis=1).max())
    ranks = np.concatenate([np.cumsum(used, axis=1) - 1, np.full((len(used), 1), width)], axis=1)
    positions = ranks[np.arange(len(used)), places]
    return _Coded(positions, tuple(codes[each] for each in used), width)


def _unused_codes(names: list[Any], categories: tuple[Matrix, ...]) -> tuple[str, ...]:
    """Note codes that nobody gave between those in use, where the items have whole steps of 1."""
    unused = []
    for name, codes in zip(names, categories, strict=True):
        if np.diff(codes).min() != 1:
            continue
        # Codes may lie so far apart that those in between could not be listed.
        if (between := codes[-1] - codes[0] + 1 - len(codes)) > _MOST_CATEGORIES:
            unused.append(f"{name} ({between:.0f} codes)")
        elif between:
            gaps = np.setdiff1d(np.arange(codes[0], codes[-1] + 1), codes)
            unused.append(f"{name} ({listed(f'{code:g}' for code in gaps)})")
    if not unused:
        return ()
    return (f"Categories are those in use; nobody gave these in between: {some_of(unused, most=_NAMED)}.",)


def _tables(coded: _Coded) -> Matrix:
    """Two-way tables of all items, (items, items, width, width)."""
    people, items = coded.positions.shape
    total = np.zeros((items * coded.width,) * 2)
    for start in range(0, people, 20_000):
        # Single precision counts exactly up to 16 million.
        part = coded.positions[start : start + 20_000, :, None] == np.arange(coded.width)
        marks = part.reshape(len(part), -1).astype(np.float32)
        total += marks.T @ marks
    return total.reshape(items, coded.width, items, coded.width).transpose(0, 2, 1, 3)


def _refuse_empty_pairs(names: list[Any], first: Positions, second: Positions, counts: Matrix) -> None:
    together = counts.sum(axis=(1, 2))
    if np.any(together == 0):
        pairs = [f"{names[first[at]]} with {names[second[at]]}" for at in np.flatnonzero(together == 0)]
        raise ValueError(
            f"nobody answered both of {some_of(pairs, most=_NAMED)}: their correlation is not identified; leave one of each "
            "pair out, or analyse the forms that ask them apart"
        )
    for axis, side in ((2, first), (1, second)):
        alone = np.flatnonzero((counts.sum(axis=axis) > 0).sum(axis=1) == 1)
        if alone.size:
            at = alone[0]
            raise ValueError(
                f"all {together[at]:.0f} people who answered both {names[first[at]]} and {names[second[at]]} are alike "
                f"on {names[side[at]]}: their correlation is not identified; leave one of them out"
            )


def _thresholds(coded: _Coded) -> Matrix:
    """Item × (width − 1): normal quantiles of the cumulated shares, +∞ where an item has fewer categories."""
    cuts = np.full((len(coded.categories), coded.width - 1), np.inf)
    for place, codes in enumerate(coded.categories):
        counts = np.bincount(coded.positions[:, place], minlength=coded.width + 1)[: len(codes)]
        cuts[place, : len(codes) - 1] = special.ndtri(np.cumsum(counts)[:-1] / counts.sum())
    return cuts


def _empty_cells(
    names: list[Any], first: Positions, second: Positions, counts: Matrix, coded: _Coded
) -> tuple[Matrix, tuple[str, ...]]:
    """Put 0.5 in the one empty cell of 2 × 2 tables, margins kept, and say what cells were empty."""
    sizes = np.array([len(codes) for codes in coded.categories])
    cells = sizes[first] * sizes[second]
    empty = cells - np.count_nonzero(counts, axis=(1, 2))
    fourfold = (sizes[first] == 2) & (sizes[second] == 2)
    mended = np.flatnonzero(fourfold & (empty == 1))
    notes: tuple[str, ...] = ()
    if mended.size:
        counts = counts.copy()
        small = counts[mended, :2, :2]
        on_diagonal = (small[:, 0, 0] == 0) | (small[:, 1, 1] == 0)
        sign = np.where(on_diagonal, 0.5, -0.5)[:, None, None] * np.array([[1, -1], [-1, 1]])
        counts[mended, :2, :2] = small + sign
        pairs = [f"{names[first[at]]} with {names[second[at]]}" for at in mended]
        notes += (f"An empty cell got 0.5 with the margins kept in the 2 × 2 table of {some_of(pairs, most=_NAMED)}.",)
    sparse = int(np.count_nonzero((empty > 0) & ~fourfold))
    if sparse:
        notes += (f"{sparse} of {len(first)} two-way tables have empty cells; nothing was added to them.",)
    return counts, notes


def _binormal(low: Matrix, high: Matrix, correlation: Matrix) -> Matrix:
    """P(X ≤ low, Y ≤ high) of standard normal variables, by Owen's T; all finite."""
    # The formula divides by both; moving a 0 this little changes no digit of the result.
    x = np.where(low == 0, 1e-20, low)
    y = np.where(high == 0, 1e-20, high)
    rest = np.sqrt((1 - correlation) * (1 + correlation))
    return np.asarray(
        (special.ndtr(x) + special.ndtr(y)) / 2
        - special.owens_t(x, (y / x - correlation) / rest)
        - special.owens_t(y, (x / y - correlation) / rest)
        - np.where((x < 0) != (y < 0), 0.5, 0.0)
    )


class _Cells:
    """Cell probabilities of many pairs of items and their derivatives, given thresholds.

    Parameters
    ----------
    across, down : (pairs, width − 1) arrays
        Thresholds of the first and second item of each pair, padded by +∞.
    """

    def __init__(self, across: Matrix, down: Matrix) -> None:
        pairs, cuts = across.shape
        x = np.broadcast_to(across[:, :, None], (pairs, cuts, cuts))
        y = np.broadcast_to(down[:, None, :], (pairs, cuts, cuts))
        self._at = np.nonzero(np.isfinite(x) & np.isfinite(y))
        self._x, self._y = x[self._at], y[self._at]
        # Corners: −∞, the thresholds, +∞; those at infinity hold the margins and never change.
        below = np.concatenate([np.zeros((pairs, 1)), special.ndtr(across), np.ones((pairs, 1))], axis=1)
        left = np.concatenate([np.zeros((pairs, 1)), special.ndtr(down), np.ones((pairs, 1))], axis=1)
        self._corners = np.minimum(below[:, :, None], left[:, None, :])

    def probabilities(self, correlations: Matrix) -> Matrix:
        """Pair × category × category."""
        corners = self._corners.copy()
        corners[:, 1:-1, 1:-1][self._at] = _binormal(self._x, self._y, correlations[self._at[0]])
        return np.maximum(_boxes(corners), _RARE)

    def derivatives(self, correlations: Matrix) -> tuple[Matrix, Matrix]:
        """First and second derivative of the probabilities by the correlation."""
        rho = correlations[self._at[0]]
        rest = (1 - rho) * (1 + rho)
        x, y = self._x, self._y
        density = np.exp(-(x * x - 2 * rho * x * y + y * y) / (2 * rest)) / (2 * np.pi * np.sqrt(rest))
        change = rho / rest + ((1 + rho * rho) * x * y - rho * (x * x + y * y)) / rest**2
        first, second = np.zeros_like(self._corners), np.zeros_like(self._corners)
        first[:, 1:-1, 1:-1][self._at] = density
        second[:, 1:-1, 1:-1][self._at] = density * change
        return _boxes(first), _boxes(second)


def _boxes(corners: Matrix) -> Matrix:
    """Differences of a distribution function between neighbouring corners, over the last two axes."""
    rows = corners[:, 1:] - corners[:, :-1]
    return rows[:, :, 1:] - rows[:, :, :-1]


def _pair_correlations(
    names: list[Any], first: Positions, second: Positions, counts: Matrix, thresholds: Matrix
) -> Matrix:
    def slopes(rho: Matrix, active: Positions) -> tuple[Matrix, Matrix]:
        cells = _Cells(thresholds[first[active]], thresholds[second[active]])
        probabilities = cells.probabilities(rho)
        by_rho, twice = cells.derivatives(rho)
        score = by_rho / probabilities
        weights = counts[active]
        slope = np.einsum("pij,pij->p", weights, score)
        return slope, np.einsum("pij,pij->p", weights, twice / probabilities - score * score)

    rho = _maximised(slopes, _first_guess(counts, thresholds[first], thresholds[second]))
    _refuse_perfect(rho, [f"{names[a]} and {names[b]}" for a, b in zip(first, second, strict=True)], "polychoric")
    return rho


def _expected_counts(
    first: Positions, second: Positions, counts: Matrix, thresholds: Matrix, correlations: Matrix
) -> Matrix:
    """Two-way tables of as many people, as thresholds and correlations lead one to expect."""
    expected = _Cells(thresholds[first], thresholds[second]).probabilities(correlations)
    return np.asarray(expected * counts.sum(axis=(1, 2))[:, None, None])


def _first_guess(counts: Matrix, across: Matrix, down: Matrix) -> Matrix:
    """Guess correlations from the covariances of the categories' positions.

    To first order, such a covariance is the correlation times the summed densities at each item's thresholds.
    """
    place = np.arange(counts.shape[1], dtype=float)
    total = counts.sum(axis=(1, 2))
    rows, columns = counts.sum(axis=2) @ place / total, counts.sum(axis=1) @ place / total
    covariance = np.einsum("pij,i,j->p", counts, place, place, optimize=True) / total - rows * columns
    return np.asarray(covariance / (_density(across).sum(axis=1) * _density(down).sum(axis=1)))


def _maximised(slopes: Callable[[Matrix, Positions], tuple[Matrix, Matrix]], start: Matrix) -> Matrix:
    """Find the correlations at which many likelihoods are highest, by Newton's method inside brackets.

    ``slopes(rho, active)`` gives first and second derivatives for those still searched.
    """
    rho = np.clip(start, -0.95, 0.95)
    low, high = np.full(rho.shape, -_BOUND), np.full(rho.shape, _BOUND)
    active: Positions = np.arange(rho.size)
    while active.size:
        here = rho[active]
        slope, bend = slopes(here, active)
        low[active] = np.where(slope > 0, here, low[active])
        high[active] = np.where(slope > 0, high[active], here)
        newton = here - slope / np.where(bend < 0, bend, -1.0)
        inside = (bend < 0) & (newton >= low[active]) & (newton <= high[active])
        after = np.where(inside, newton, (low[active] + high[active]) / 2)
        rho[active] = after
        active = active[np.abs(after - here) > _STEP]
    return rho


def _refuse_perfect(rho: Matrix, pairs: list[str], kind: str) -> None:
    perfect = np.flatnonzero(np.abs(rho) > _BOUND - 10 * _STEP)
    if perfect.size:
        named = some_of([f"{pairs[at]} ({'−' if rho[at] < 0 else '+'})" for at in perfect], most=_NAMED)
        raise ValueError(
            f"the {kind} correlation of {named} is perfect ({_BOUND} or more either way): each tells all of the "
            "other, or too few people differ; leave one of each pair out, or use more people"
        )


def _threshold_influences(coded: _Coded, thresholds: Matrix) -> Matrix:
    """Item × category × threshold: (1[answer ≤ threshold] − share) / density / n of the item.

    One more category, the last, is for no answer: it adds nothing.
    """
    width = coded.width
    answered = (coded.positions < width).sum(axis=0)
    reached = np.arange(width)[:, None] <= np.arange(width - 1)
    used = np.isfinite(thresholds)
    scale = np.where(used, _density(thresholds), 1.0) * answered[:, None]
    tables = np.zeros((len(thresholds), width + 1, width - 1))
    tables[:, :width] = (reached - special.ndtr(thresholds)[:, None, :]) / scale[:, None, :] * used[:, None, :]
    return tables


class _Contributions:
    """What each person adds to every threshold and correlation: the influence function, by cell.

    All tables have one more category, the last, for no answer.
    """

    def __init__(self, coded: _Coded, thresholds: Matrix, counts: Matrix, correlations: Matrix) -> None:
        self._coded = coded
        items = len(coded.categories)
        self._sizes = np.array([len(codes) - 1 for codes in coded.categories])
        self._of_thresholds = _threshold_influences(coded, thresholds)
        first, second = np.triu_indices(items, 1)
        self._of_pairs = np.empty((len(first), coded.width + 1, coded.width + 1))
        step = max(int(_BLOCK // (20 * (coded.width + 1) ** 2)), 1)
        for start in range(0, len(first), step):
            part = slice(start, start + step)
            self._of_pairs[part] = self._pair_tables(
                thresholds, first[part], second[part], counts[part], correlations[part]
            )

    def _pair_tables(
        self, thresholds: Matrix, first: Positions, second: Positions, counts: Matrix, rho: Matrix
    ) -> Matrix:
        cells = _Cells(thresholds[first], thresholds[second])
        probabilities = cells.probabilities(rho)
        score = cells.derivatives(rho)[0] / probabilities
        information = np.einsum("pij,pij->p", counts, score * score)
        weighted = counts * score / probabilities
        tables = np.zeros((len(first), counts.shape[1] + 1, counts.shape[2] + 1))
        tables[:, :-1, :-1] = score
        for side, other, weights, axis in (
            (first, second, weighted, 2),
            (second, first, weighted.transpose(0, 2, 1), 1),
        ):
            # How the score of the correlation and that of this item's thresholds go together.
            slope = _threshold_slopes(thresholds[side], thresholds[other], rho)
            both = np.einsum("ptd,ptd->pt", weights[:, :-1] - weights[:, 1:], slope)
            tables -= np.expand_dims(np.einsum("pct,pt->pc", self._of_thresholds[side], both), axis)
        return np.asarray(tables / information[:, None, None])

    def _rows(self, positions: Positions) -> Matrix:
        """Person × statistic."""
        items, width = positions.shape[1], self._coded.width + 1
        cuts = int(self._sizes.sum())
        rows = np.empty((len(positions), cuts + len(self._of_pairs)))
        done = 0
        for item, size in enumerate(self._sizes):
            rows[:, done : done + size] = self._of_thresholds[item, :, :size][positions[:, item]]
            done += size
        pair = 0
        for item in range(items - 1):
            others = items - 1 - item
            tables = self._of_pairs[pair : pair + others].ravel()
            cell = positions[:, [item]] * width + positions[:, item + 1 :] + np.arange(others) * width**2
            rows[:, done : done + others] = tables[cell]
            done, pair = done + others, pair + others
        return rows

    def covariance(self, clusters: Positions | None) -> Matrix:
        """Γ: n times the sum of squared and multiplied contributions, of people or of clusters."""
        positions = self._coded.positions
        statistics = int(self._sizes.sum()) + len(self._of_pairs)
        total = np.zeros((statistics, statistics))
        for part, starts in _blocks(clusters, len(positions), max(_BLOCK // statistics, 1)):
            rows = self._rows(positions[part])
            if starts is not None:
                rows = np.add.reduceat(rows, starts, axis=0)
            total += rows.T @ rows
        total *= len(positions)
        return total


def _blocks(clusters: Positions | None, people: int, most: int) -> Iterator[tuple[slice | Positions, Positions | None]]:
    """People in blocks, with where clusters start inside each; no cluster is split."""
    if clusters is None:
        for start in range(0, people, most):
            yield slice(start, start + most), None
        return
    order = np.argsort(clusters, kind="stable")
    starts = np.flatnonzero(np.diff(clusters[order], prepend=-1))
    block = starts // most
    for number in np.unique(block):
        inside = starts[block == number]
        later = starts[block > number]
        end = int(later[0]) if later.size else people
        yield order[inside[0] : end], inside - inside[0]


def _density(at: Matrix) -> Matrix:
    return np.asarray(np.exp(-at * at / 2) / np.sqrt(2 * np.pi))


def _threshold_slopes(own: Matrix, other: Matrix, rho: Matrix) -> Matrix:
    """Pair × threshold × category of the other item: density at the threshold, and the other in that category."""
    finite = np.where(np.isfinite(own), own, 0.0)
    rest = np.sqrt((1 - rho) * (1 + rho))[:, None, None]
    within = special.ndtr((other[:, None, :] - rho[:, None, None] * finite[:, :, None]) / rest)
    edges = np.concatenate([np.zeros_like(within[:, :, :1]), within, np.ones_like(within[:, :, :1])], axis=2)
    return np.asarray(_density(own)[:, :, None] * np.diff(edges, axis=2))


@dataclass(frozen=True)
class _Edge:
    """One side of the category that each person chose, given the person's value of the continuous variable.

    Parameters
    ----------
    at : array
        The threshold, standardised by what the continuous variable leaves open; ±∞ at the ends.
    density : array
        There; 0 at the ends.
    slope, bend : arrays
        First and second derivative of the normal distribution function there by the correlation.
    """

    at: Matrix
    density: Matrix
    slope: Matrix
    bend: Matrix


def _edge(threshold: Matrix, z: Matrix, rho: Matrix) -> _Edge:
    inside = np.isfinite(threshold)
    cut = np.where(inside, threshold, 0.0)
    rest = (1 - rho) * (1 + rho)
    at = (cut - rho * z) / np.sqrt(rest)
    moved = (rho * cut - z) / rest**1.5
    density = np.where(inside, _density(at), 0.0)
    bend = density * (cut / rest**1.5 + 3 * rho * moved / rest - at * moved * moved)
    return _Edge(np.where(inside, at, threshold), density, density * moved, bend)


def _between(lower: Matrix, upper: Matrix) -> Matrix:
    """Give the normal probability between two bounds, exact in the upper tail too."""
    flip = lower > 0
    low, high = np.where(flip, -upper, lower), np.where(flip, -lower, upper)
    return np.asarray(np.maximum(special.ndtr(high) - special.ndtr(low), np.finfo(float).tiny))


def _serial(variable: pd.Series, names: list[Any], coded: _Coded, thresholds: Matrix) -> pd.DataFrame:
    """Polyserial correlations of all items with one variable."""
    values = variable.to_numpy()
    has = np.isfinite(values)
    z = np.where(has, (values - values[has].mean()) / values[has].std(), 0.0)[:, None]
    known = (coded.positions < coded.width) & has[:, None]
    n = known.sum(axis=0)
    place = np.where(known, coded.positions, 0)
    for item in range(len(names)):
        if n[item] < 3 or np.ptp(place[known[:, item], item]) == 0 or np.ptp(z[known[:, item]]) == 0:
            raise ValueError(
                f"the {n[item]} people who have both {names[item]} and {variable.name} are too few or alike on one: "
                "their correlation is not identified; leave one of them out"
            )
    ends = np.full((len(names), 1), np.inf)
    cuts = np.concatenate([-ends, thresholds, ends], axis=1)
    lower = np.take_along_axis(cuts.T, place, axis=0)
    upper = np.take_along_axis(cuts.T, place + 1, axis=0)

    def slopes(rho: Matrix, active: Positions) -> tuple[Matrix, Matrix]:
        high, low = _edge(upper[:, active], z, rho), _edge(lower[:, active], z, rho)
        probability = _between(low.at, high.at)
        score = (high.slope - low.slope) / probability
        bend = (high.bend - low.bend) / probability - score * score
        return np.sum(score * known[:, active], axis=0), np.sum(bend * known[:, active], axis=0)

    ranks = np.where(known, place, np.nan)
    ranks = np.where(known, ranks - np.nanmean(ranks, axis=0), 0.0)
    start = np.sum(ranks * z, axis=0) / np.sqrt(np.sum(ranks**2, axis=0) * np.sum(z**2 * known, axis=0))
    rho = _maximised(slopes, start)
    _refuse_perfect(rho, [f"{name} and {variable.name}" for name in names], "polyserial")

    high, low = _edge(upper, z, rho), _edge(lower, z, rho)
    weight = known / _between(low.at, high.at)
    score = (high.slope - low.slope) * weight
    information = np.sum(score**2, axis=0)
    rest = np.sqrt((1 - rho) * (1 + rho))
    by_upper, by_lower = high.density * weight / rest, -low.density * weight / rest
    # Mean and variance of the variable: scores of its own density, alone and beside the item.
    own = np.stack([z[:, 0], (z[:, 0] ** 2 - 1) / 2], axis=1) * has[:, None]
    by_z = rho * (by_upper + by_lower)
    influence = own @ np.linalg.inv(own.T @ own)
    both = np.stack([np.sum(score * (z + by_z), axis=0), np.sum(score * (z**2 - 1 + z * by_z) / 2, axis=0)])
    contribution = score - influence @ both
    of_thresholds = _threshold_influences(coded, thresholds)
    for item in range(len(names)):
        size = coded.width + 1
        ahead = np.bincount(place[:, item], (score * by_upper)[:, item], minlength=size)
        behind = np.bincount(place[:, item], (score * by_lower)[:, item], minlength=size)
        together = ahead[: coded.width - 1] + behind[1 : coded.width]
        contribution[:, item] -= (of_thresholds[item] @ together)[coded.positions[:, item]]
    se = np.sqrt(np.sum((contribution / information) ** 2, axis=0))
    index = pd.MultiIndex.from_product([names, [variable.name]], names=["item", "variable"])
    return pd.DataFrame({"estimate": rho, "se": se, "n": n}, index=index)


def _cluster_codes(clusters: pd.Series | None, items: pd.DataFrame, stays: Flags) -> Positions | None:
    if clusters is None:
        return None
    if not isinstance(clusters, pd.Series) or not clusters.index.equals(items.index):
        raise ValueError(
            "clusters must be a Series on the index of the items, one for each response: take both from one frame"
        )
    inside = clusters[stays]
    if inside.isna().any():
        raise ValueError(
            f"{int(inside.isna().sum())} of {len(inside)} responses have no cluster: leave them out, or give each a "
            "cluster of its own"
        )
    codes, names = pd.factorize(inside)
    if len(names) < _FEWEST_CLUSTERS:
        raise ValueError(
            f"at least {_FEWEST_CLUSTERS} clusters are needed, got {len(names)}: so few do not tell how much clusters "
            "differ; leave `clusters` out and say so"
        )
    return np.asarray(codes, dtype=np.intp)


def _few_clusters(clusters: Positions | None) -> tuple[str, ...]:
    many = _FEW_CLUSTERS if clusters is None else int(clusters.max()) + 1
    if many >= _FEW_CLUSTERS:
        return ()
    return (
        f"{many} clusters are few: standard errors and tests that are robust to clusters, and weights made of them, are "
        "rough and rather too sure.",
    )


def _smallest_eigenvalue(correlations: Matrix) -> float:
    return float(np.linalg.eigvalsh(correlations)[0])
