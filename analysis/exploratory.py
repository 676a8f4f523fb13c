"""Are the items fit for factor analysis, how many factors, and which: exploratory factor analysis."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats

from analysis.missing import expected_answers
from analysis.result import Result
from analysis.sample import Missing, Sample, sample_moments

Matrix = NDArray[np.floating[Any]]
Method = Literal["minres", "ml", "principal_axis"]
Rotation = Literal["oblimin", "promax", "geomin", "varimax", "none"]
Scores = Literal["regression", "ten_berge"]

_METHODS = {
    "minres": "minimum residuals (Harman & Jones, 1966)",
    "ml": "maximum likelihood (Jöreskog, 1967)",
    "principal_axis": "iterated principal axes",
}
_ROTATIONS = {
    "oblimin": "oblimin rotation (γ = 0, no normalisation; Jennrich & Sampson, 1966)",
    "promax": "promax rotation (power 4, Kaiser normalisation; Hendrickson & White, 1964)",
    "geomin": "geomin rotation (ε = .01, no normalisation; Yates, 1987)",
    "varimax": "varimax rotation (Kaiser normalisation; Kaiser, 1958)",
    "none": "no rotation",
}
_SCORES = {
    "regression": "factor scores by regression (Thurstone, 1935)",
    "ten_berge": "factor scores that keep the factors' correlations (ten Berge et al., 1999)",
}
# Kaiser & Rice (1974): lower bound and word, from the top.
_KAISER_RICE = (
    (0.9, "marvellous"),
    (0.8, "meritorious"),
    (0.7, "middling"),
    (0.6, "mediocre"),
    (0.5, "miserable"),
    (-np.inf, "unacceptable"),
)
# Communality from which a solution counts as a Heywood case: the extraction keeps uniqueness at .005 or more.
_HEYWOOD = 0.995 - 1e-6
# Smallest eigenvalue of a correlation matrix below which it is singular but for rounding.
_SINGULAR = 1e-10


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Suitability(Result):
    """Whether items share enough for factor analysis.

    Parameters
    ----------
    items : pandas.DataFrame
        Index ``item``; ``estimate`` (measure of sampling adequacy) and ``verdict``.
    """

    items: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ParallelAnalysis(Result):
    """Observed eigenvalues beside those of unrelated items.

    Parameters
    ----------
    suggested : pandas.DataFrame
        Index ``rule`` (``parallel_factors``, ``parallel_components``, ``map``); column ``n_factors``.
    """

    suggested: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Exploratory(Result):
    """An exploratory solution; every part has the factors in the same order and direction.

    Parameters
    ----------
    loadings : pandas.DataFrame
        Pattern: item × factor (``F1`` …).
    structure : pandas.DataFrame
        Correlations of items with factors: loadings times ``phi``.
    phi : pandas.DataFrame
        Correlations of the factors.
    communalities, uniquenesses : pandas.Series
        By item; they add up to 1.
    variance : pandas.DataFrame
        Index ``factor``: sum of squared loadings, share of all variance, running total.
    fit : pandas.DataFrame
        Index ``measure``: ``chi2``, ``tli``, ``rmsea`` (with its usual 90 % interval), ``bic``, ``rmsr``.
    weights : pandas.DataFrame
        Item × factor: what standardised answers are multiplied by to give scores.
    scores : pandas.DataFrame
        Response × factor: of complete responses, or with ``missing="ml"`` of all who answered anything, from
        the items that they answered.
    """

    loadings: pd.DataFrame
    structure: pd.DataFrame
    phi: pd.DataFrame
    communalities: pd.Series
    uniquenesses: pd.Series
    variance: pd.DataFrame
    fit: pd.DataFrame
    weights: pd.DataFrame
    scores: pd.DataFrame


def suitability(items: pd.DataFrame, *, missing: Missing = "listwise") -> Suitability:
    """Judge whether items share enough for factor analysis.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, at least 3 items, all keyed in one direction or not.
    missing : {"listwise", "ml"}
        Whether responses with a gap are left out, with a note, or every answer is used: `sample_moments`.

    Returns
    -------
    Suitability
        ``table`` has the index ``coefficient``: ``kmo`` (``estimate``, ``verdict``) and ``bartlett``
        (``statistic``, ``df``, ``p``); ``items`` has the measure of sampling adequacy by item.

    Raises
    ------
    ValueError
        As `complete_items`; also if an item repeats others or there are not more people than items.

    Notes
    -----
    KMO: Kaiser (1970), Kaiser & Rice (1974). Sphericity: Bartlett (1951).

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> answers = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 4)), columns=list("abcd"))
    >>> suitability(answers).table.loc["kmo", "verdict"]
    'middling'
    """
    sample = sample_moments(items, missing=missing, at_least=3)
    correlations = _correlations(sample)
    by_item, overall = _sampling_adequacy(correlations)
    n, columns = sample.n, len(correlations)
    df = columns * (columns - 1) / 2
    statistic = -float(np.linalg.slogdet(correlations)[1]) * (n - 1 - (2 * columns + 5) / 6)
    table = pd.DataFrame(
        {
            "estimate": [overall, np.nan],
            "verdict": [_verdict(overall), None],
            "statistic": [np.nan, statistic],
            "df": [np.nan, df],
            "p": [np.nan, float(stats.chi2.sf(statistic, df))],
            "n": [n, n],
        },
        index=pd.Index(["kmo", "bartlett"], name="coefficient"),
    )
    adequacy = pd.DataFrame(
        {"estimate": by_item, "verdict": [_verdict(float(each)) for each in by_item]},
        index=pd.Index(sample.answers.columns, name="item"),
    )
    return Suitability(
        title="Suitability for factor analysis",
        table=table,
        method="Kaiser–Meyer–Olkin measure of sampling adequacy (Kaiser & Rice, 1974) and Bartlett's (1951) "
        f"test of sphericity on Pearson correlations of {sample.people} people.{sample.method}",
        notes=(*sample.notes, "Words for the KMO are those of Kaiser & Rice (1974)."),
        items=adequacy,
    )


def parallel_analysis(
    items: pd.DataFrame,
    *,
    draws: int = 100,
    seed: int = 0,
    quantile: float = 0.95,
    missing: Missing = "listwise",
) -> ParallelAnalysis:
    """Suggest a number of factors and components by comparison with unrelated items.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, at least 3 items.
    draws : int
        Random data sets.
    seed : int
        Of the random numbers.
    quantile : float
        Of the random eigenvalues that an observed one must exceed, between 0 and 1.
    missing : {"listwise", "ml"}
        Whether responses with a gap are left out, with a note, or every answer is used: `sample_moments`.

    Returns
    -------
    ParallelAnalysis
        ``table`` has the index ``position``: observed, mean random and quantile random eigenvalue, of
        factors and of components, and ``map``, the mean squared partial correlation once that many
        components are taken out; ``suggested`` the number by each rule.

    Raises
    ------
    ValueError
        As `complete_items`; also for an item that repeats others, not more people than items, ``draws``
        under 1 or ``quantile`` outside 0 to 1.

    Notes
    -----
    Horn (1965) with the quantile of Glorfeld (1995). Factors: eigenvalues of the correlation matrix with
    squared multiple correlations on its diagonal (Humphreys & Ilgen, 1969), as ``psych::fa.parallel(SMC =
    TRUE)``. Random correlations are drawn as a Wishart matrix, which is exactly what normal data of this
    many people and items would give. MAP: Velicer (1976), no component included.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> answers = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 6)), columns=list("abcdef"))
    >>> parallel_analysis(answers).suggested["n_factors"].to_dict()
    {'parallel_factors': 1, 'parallel_components': 1, 'map': 1}
    """
    if draws < 1:
        raise ValueError(f"draws must be at least 1, got {draws}")
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile}")
    sample = sample_moments(items, missing=missing, at_least=3)
    observed = _correlations(sample)
    n, columns = sample.n, len(observed)
    random = _random_correlations(n, columns, draws, seed)
    values: dict[str, Matrix] = {}
    suggested: dict[str, int] = {}
    for kind, reduce in (("factor", _reduced), ("component", np.asarray)):
        found = np.linalg.eigvalsh(reduce(observed))[::-1]
        chance = np.linalg.eigvalsh(reduce(random))[:, ::-1]
        threshold = np.quantile(chance, quantile, axis=0)
        values |= {
            f"{kind}_observed": found,
            f"{kind}_mean": chance.mean(axis=0),
            f"{kind}_quantile": threshold,
        }
        suggested[f"parallel_{kind}s"] = int(np.argmin(np.append(found > threshold, False)))
    partial = _partial_squares(observed)
    suggested["map"] = int(np.argmin(partial))
    table = pd.DataFrame(
        values | {"map": np.append(partial[1:], np.nan)},
        index=pd.RangeIndex(1, columns + 1, name="position"),
    )
    return ParallelAnalysis(
        title="Number of factors",
        table=table,
        method=f"Parallel analysis (Horn, 1965) against the {quantile:.0%} quantile (Glorfeld, 1995) of "
        f"{draws} random normal data sets of {n} people and {columns} items (seed {seed}); factors from the "
        "Pearson correlation matrix with squared multiple correlations on the diagonal; minimum average "
        f"partial (MAP; Velicer, 1976).{sample.method}",
        notes=(
            *sample.notes,
            "Rules often differ, and factors found by parallel analysis grow with n; weigh meaning too.",
        ),
        suggested=pd.DataFrame({"n_factors": list(suggested.values())}, index=pd.Index(list(suggested), name="rule")),
    )


def exploratory(
    items: pd.DataFrame,
    *,
    n_factors: int,
    method: Method = "minres",
    rotation: Rotation = "oblimin",
    scores: Scores = "regression",
    starts: int = 10,
    seed: int = 0,
    missing: Missing = "listwise",
) -> Exploratory:
    """Find the factors behind items.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item.
    n_factors : int
        How many, see `parallel_analysis`.
    method : {"minres", "ml", "principal_axis"}
        Extraction.
    rotation : {"oblimin", "promax", "geomin", "varimax", "none"}
        The first three let factors correlate.
    scores : {"regression", "ten_berge"}
        How people's factor scores are made.
    starts : int
        Starting positions of oblimin and geomin: the first unrotated, the others random.
    seed : int
        Of those random starts.
    missing : {"listwise", "ml"}
        Whether responses with a gap are left out, with a note, or every answer is used: `sample_moments`.

    Returns
    -------
    Exploratory
        ``table`` has the index ``item``: loadings, ``communality``, ``uniqueness`` and ``complexity``
        (Hofmann, 1977). Factors stand in falling order of explained variance; each points the way in
        which its loadings sum to a positive number.

    Raises
    ------
    ValueError
        As `complete_items`; also for more factors than the items can bear, not more people than items, an
        item that repeats others, or a solution that does not converge.

    Notes
    -----
    Chi-square with Bartlett's (1951) correction, n − 1 − (2p + 5)/6 − 2m/3; Tucker & Lewis (1973); RMSEA
    (Steiger & Lind, 1980) from chi-square / (n − 1), with its usual 90 % interval; BIC = chi-square
    − df ln n; RMSR over the correlations off the diagonal. With ``missing="ml"`` n is that of all people in
    these, since the smaller n of other tests would make every model seem to fit.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> factors = np.repeat(rng.normal(size=(300, 2)), 3, axis=1)
    >>> answers = pd.DataFrame(factors + rng.normal(size=(300, 6)), columns=list("abcdef"))
    >>> found = exploratory(answers, n_factors=2)
    >>> (found.loadings.abs() > 0.4).sum().to_dict()
    {'F1': 3, 'F2': 3}
    """
    for name, value, allowed in (
        ("method", method, _METHODS),
        ("rotation", rotation, _ROTATIONS),
        ("scores", scores, _SCORES),
    ):
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")
    if starts < 1:
        raise ValueError(f"starts must be at least 1, got {starts}")
    sample = sample_moments(items, missing=missing, at_least=3)
    notes = sample.notes
    correlations = _correlations(sample)
    df = _degrees_of_freedom(len(correlations), n_factors)
    pattern = _extract(correlations, n_factors, method)
    phi: Matrix = np.eye(n_factors)
    if n_factors > 1 and rotation != "none":
        pattern, phi, rotation_notes = _rotate(pattern, rotation, starts, seed)
        notes += rotation_notes
    pattern, phi = _arranged(pattern, phi)
    names = pd.Index([f"F{position}" for position in range(1, n_factors + 1)], name="factor")
    index = pd.Index(sample.answers.columns, name="item")
    structure = pattern @ phi
    communality = pd.Series(np.sum(pattern * structure, axis=1), index=index, name="communality")
    loadings = pd.DataFrame(pattern, index=index, columns=names)
    weights = _score_weights(correlations, pattern, phi, scores)
    answers = sample.answers
    if sample.moments is not None and sample.moments.share_missing:
        answers = expected_answers(answers, sample.moments)
        notes += ("Scores of responses with a gap rest on the answered items, by regression; they vary less.",)
    standardised = (answers - sample.mean) / np.sqrt(np.diag(sample.covariance))
    squares = pattern**2
    table = loadings.rename_axis(columns=None).assign(
        communality=communality,
        uniqueness=1 - communality,
        complexity=squares.sum(axis=1) ** 2 / (squares**2).sum(axis=1),
    )
    explained = np.sum(pattern * structure, axis=0)
    share = explained / len(index)
    rotated = _ROTATIONS[rotation] if n_factors > 1 else _ROTATIONS["none"]
    factors = f"{n_factors} factor{'s' if n_factors > 1 else ''}"
    return Exploratory(
        title=f"Exploratory factor analysis, {factors}",
        table=table,
        method=f"Exploratory factor analysis of Pearson correlations of {sample.people} people: {factors} "
        f"by {_METHODS[method]}, {rotated}; {_SCORES[scores]}.{sample.method}",
        notes=notes + _heywood_notes(communality) + _fit_notes(sample, df),
        loadings=loadings,
        structure=pd.DataFrame(structure, index=index, columns=names),
        phi=pd.DataFrame(phi, index=names, columns=names.rename(None)),
        communalities=communality,
        uniquenesses=(1 - communality).rename("uniqueness"),
        variance=pd.DataFrame(
            {"ss_loadings": explained, "proportion": share, "cumulative": share.cumsum()}, index=names
        ),
        # A test of fit is cautious with too many people, where an interval is with too few.
        fit=_fit(correlations, pattern @ structure.T, sample.people, n_factors, df),
        weights=pd.DataFrame(weights, index=index, columns=names),
        scores=pd.DataFrame(standardised.to_numpy() @ weights, index=answers.index, columns=names),
    )


def _names(names: object) -> str:
    return ", ".join(str(name) for name in names)  # type: ignore[attr-defined]


def _verdict(kmo: float) -> str:
    return next(word for bound, word in _KAISER_RICE if kmo >= bound)


def _correlations(sample: Sample) -> Matrix:
    """Pearson correlations, refused where they are singular."""
    n, columns = sample.n, len(sample.covariance)
    if n <= columns:
        who = "complete responses" if sample.moments is None else "people who answered both of the rarest pair"
        raise ValueError(
            f"factor analysis needs more people than items, got {n} {who} for {columns} "
            "items: use more people or fewer items"
        )
    sd = np.sqrt(np.diag(sample.covariance))
    correlations = np.asarray(sample.covariance / np.outer(sd, sd))
    np.fill_diagonal(correlations, 1.0)
    values, vectors = np.linalg.eigh(correlations)
    if values[0] < _SINGULAR:
        alike = sample.answers.columns[np.abs(vectors[:, 0]) > 1e-3]
        raise ValueError(
            f"the correlation matrix is singular: {_names(alike)} repeat each other (one is doubled, or is "
            "the sum of others); leave one of them out"
        )
    return correlations


def _sampling_adequacy(correlations: Matrix) -> tuple[Matrix, float]:
    """Kaiser's measure by item and overall: squared correlations beside squared partial correlations."""
    inverse = np.linalg.inv(correlations)
    off_diagonal = 1 - np.eye(len(correlations))
    whole = correlations**2 * off_diagonal
    partial = inverse**2 / np.outer(np.diag(inverse), np.diag(inverse)) * off_diagonal
    by_item = whole.sum(axis=0) / (whole + partial).sum(axis=0)
    return np.asarray(by_item), float(whole.sum() / (whole + partial).sum())


def _reduced(correlations: Matrix) -> Matrix:
    """Put squared multiple correlations on the diagonal, of one matrix or of a stack."""
    reduced = np.array(correlations)
    diagonal = np.arange(reduced.shape[-1])
    reduced[..., diagonal, diagonal] = 1 - 1 / np.linalg.inv(correlations)[..., diagonal, diagonal]
    return reduced


def _random_correlations(n: int, columns: int, draws: int, seed: int) -> Matrix:
    """Correlation matrices of normal, unrelated items, by Bartlett's decomposition of a Wishart matrix."""
    rng = np.random.default_rng(seed)
    root = np.tril(rng.normal(size=(draws, columns, columns)), -1)
    diagonal = np.arange(columns)
    root[:, diagonal, diagonal] = np.sqrt(rng.chisquare(n - 1 - diagonal, size=(draws, columns)))
    root /= np.linalg.norm(root, axis=2, keepdims=True)
    return np.asarray(root @ root.transpose(0, 2, 1))


def _partial_squares(correlations: Matrix) -> Matrix:
    """Velicer's mean squared partial correlation after 0 … p − 1 components."""
    values, vectors = np.linalg.eigh(correlations)
    columns = len(values)
    components = (vectors * np.sqrt(values))[:, ::-1]
    out = np.full(columns, np.inf)
    left = correlations.copy()
    for taken in range(columns):
        variances = np.diag(left)
        # An item that the components explain wholly leaves nothing to correlate: MAP stops there.
        if np.any(variances < _SINGULAR):
            break
        partial = left / np.sqrt(np.outer(variances, variances))
        out[taken] = (np.sum(partial**2) - columns) / (columns * (columns - 1))
        left = left - np.outer(components[:, taken], components[:, taken])
    return out


def _degrees_of_freedom(columns: int, n_factors: int) -> int:
    def df(factors: int) -> int:
        return ((columns - factors) ** 2 - columns - factors) // 2

    most = max(factors for factors in range(columns) if df(factors) >= 0)
    if not 1 <= n_factors <= most:
        raise ValueError(
            f"n_factors must be between 1 and {most} for {columns} items (more have negative degrees of "
            f"freedom), got {n_factors}"
        )
    return df(n_factors)


def _extract(correlations: Matrix, n_factors: int, method: Method) -> Matrix:
    if method == "principal_axis":
        return _principal_axes(correlations, n_factors)
    from factor_analyzer import FactorAnalyzer

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*force_all_finite.*", category=FutureWarning)
        warnings.filterwarnings("error", message="Failed to converge")
        try:
            fitted = FactorAnalyzer(n_factors, rotation=None, method=method, is_corr_matrix=True).fit(
                correlations.copy()
            )
        except UserWarning as trouble:
            raise ValueError(_not_converged(n_factors, method)) from trouble
    return np.asarray(fitted.loadings_, dtype=float)


def _principal_axes(correlations: Matrix, n_factors: int) -> Matrix:
    from statsmodels.multivariate.factor import Factor

    fitted = Factor(corr=correlations.copy(), n_factor=n_factors, method="pa").fit(maxiter=10_000, tol=1e-10)
    pattern = np.asarray(fitted.loadings, dtype=float)
    # statsmodels does not say whether it arrived: at the solution one more step changes nothing.
    reduced = correlations.copy()
    np.fill_diagonal(reduced, np.sum(pattern**2, axis=1))
    values, vectors = np.linalg.eigh(reduced)
    again = np.sum(vectors[:, -n_factors:] ** 2 * values[-n_factors:], axis=1)
    if pattern.shape[1] < n_factors or np.max(np.abs(again - np.diag(reduced))) > 1e-7:
        raise ValueError(_not_converged(n_factors, "principal_axis"))
    return pattern


def _not_converged(n_factors: int, method: str) -> str:
    return f"{n_factors} factors by {method} did not converge: ask for fewer factors or another method"


def _oblimin(pattern: Matrix) -> tuple[float, Matrix]:
    others = np.sum(pattern**2, axis=1, keepdims=True) - pattern**2
    return float(np.sum(pattern**2 * others) / 4), pattern * others


def _geomin(pattern: Matrix) -> tuple[float, Matrix]:
    squares = pattern**2 + 0.01
    means = np.exp(np.log(squares).mean(axis=1, keepdims=True))
    return float(means.sum()), 2 / pattern.shape[1] * pattern / squares * means


_CRITERIA: dict[str, tuple[str, Callable[[Matrix], tuple[float, Matrix]]]] = {
    "oblimin": ("oblimin", _oblimin),
    "geomin": ("geomin_obl", _geomin),
}


def _rotate(unrotated: Matrix, rotation: Rotation, starts: int, seed: int) -> tuple[Matrix, Matrix, tuple[str, ...]]:
    from factor_analyzer import Rotator

    factors = unrotated.shape[1]
    if rotation in {"varimax", "promax"}:
        rotator = Rotator(method=rotation, normalize=True, max_iter=5000, tol=1e-12)
        pattern = np.asarray(rotator.fit_transform(unrotated))
        return pattern, np.eye(factors) if rotator.phi_ is None else np.asarray(rotator.phi_), ()
    name, criterion = _CRITERIA[rotation]
    rng = np.random.default_rng(seed)
    found: list[tuple[float, Matrix, Matrix]] = []
    for start in range(starts):
        turn = np.linalg.qr(rng.normal(size=(factors, factors)))[0] if start else np.eye(factors)
        rotator = Rotator(method=name, max_iter=5000, tol=1e-7)
        pattern, phi = np.asarray(rotator.fit_transform(unrotated @ turn)), np.asarray(rotator.phi_)
        value, slope = criterion(pattern)
        # The rotator does not say whether it arrived. At a minimum this matrix is diagonal (Jennrich, 2002).
        balance = pattern.T @ slope @ np.linalg.inv(phi)
        if np.max(np.abs(balance - np.diag(np.diag(balance)))) < 1e-5:
            found.append((value, pattern, phi))
    if not found:
        raise ValueError(
            f"the {rotation} rotation did not converge from any of {starts} starts: ask for fewer factors or "
            "another rotation"
        )
    best = min(value for value, _, _ in found)
    reached = [each for each in found if each[0] < best + 1e-7]
    if len(reached) == starts:
        return reached[0][1], reached[0][2], ()
    note = f"{len(reached)} of {starts} starts reached the best {rotation} solution; the others a worse one."
    return reached[0][1], reached[0][2], (note,)


def _arranged(pattern: Matrix, phi: Matrix) -> tuple[Matrix, Matrix]:
    """Turn each factor to a positive sum of loadings and order factors by the variance they explain."""
    sign = np.where(pattern.sum(axis=0) < 0, -1.0, 1.0)
    pattern, phi = pattern * sign, phi * np.outer(sign, sign)
    order = np.argsort(-np.sum(pattern * (pattern @ phi), axis=0), kind="stable")
    return pattern[:, order], phi[np.ix_(order, order)]


def _symmetric_power(matrix: Matrix, power: float) -> Matrix:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**power) @ vectors.T)


def _score_weights(correlations: Matrix, pattern: Matrix, phi: Matrix, scores: Scores) -> Matrix:
    if scores == "regression":
        return np.asarray(np.linalg.solve(correlations, pattern @ phi))
    root = _symmetric_power(correlations, -0.5)
    whitened = root @ pattern @ _symmetric_power(phi, 0.5)
    middle = whitened @ _symmetric_power(whitened.T @ whitened, -0.5)
    return np.asarray(root @ middle @ _symmetric_power(phi, 0.5))


def _heywood_notes(communality: pd.Series) -> tuple[str, ...]:
    heywood = communality.index[communality >= _HEYWOOD]
    if not len(heywood):
        return ()
    return (f"Heywood case: the factors explain all variance of {_names(heywood)}; try fewer factors.",)


def _fit_notes(sample: Sample, df: int) -> tuple[str, ...]:
    if not df:
        return ("The model has no degrees of freedom, so its fit cannot be judged.",)
    if sample.moments is not None and sample.moments.share_missing:
        return (
            f"Chi-square and what is made of it (TLI, RMSEA, BIC) count all {sample.people} people, although gaps tell "
            "less than answers: fit is then rather too bad than too good.",
        )
    return ()


def _fit(correlations: Matrix, model: Matrix, n: int, n_factors: int, df: int) -> pd.DataFrame:
    columns = len(correlations)
    residual = correlations - model
    rmsr = np.sqrt((np.sum(residual**2) - np.sum(np.diag(residual) ** 2)) / (columns * (columns - 1)))
    rows: dict[str, dict[str, float]] = {"rmsr": {"estimate": float(rmsr)}}
    if df:
        implied = model.copy()
        np.fill_diagonal(implied, 1.0)
        ratio = np.linalg.solve(implied, correlations)
        discrepancy = float(np.trace(ratio) - np.linalg.slogdet(ratio)[1] - columns)
        correction = n - 1 - (2 * columns + 5) / 6 - 2 * n_factors / 3
        chi2 = max(discrepancy * correction, 0.0)
        null_df = columns * (columns - 1) / 2
        null = -float(np.linalg.slogdet(correlations)[1]) / null_df
        low, high = _noncentrality(chi2, df, 0.90)
        per_person = df * (n - 1)
        rows = {
            "chi2": {"estimate": chi2, "df": df, "p": float(stats.chi2.sf(chi2, df))},
            "tli": {"estimate": (null - discrepancy / df) / (null - 1 / correction)},
            "rmsea": {
                "estimate": np.sqrt(max(chi2 - df, 0) / per_person),
                "ci90_low": np.sqrt(low / per_person),
                "ci90_high": np.sqrt(high / per_person),
            },
            "bic": {"estimate": chi2 - df * np.log(n)},
        } | rows
    table = pd.DataFrame.from_dict(rows, orient="index", dtype=float)
    return table.reindex(columns=["estimate", "df", "p", "ci90_low", "ci90_high"]).rename_axis("measure")


def _noncentrality(chi2: float, df: int, level: float) -> tuple[float, float]:
    """Interval for the noncentrality of an observed chi-square; 0 where the data allow none."""

    def solve(tail: float) -> float:
        if stats.chi2.cdf(chi2, df) <= tail:
            return 0.0
        above = chi2 + 10 * np.sqrt(chi2 + 10) + 10
        return float(optimize.brentq(lambda nc: stats.ncx2.cdf(chi2, df, nc) - tail, 0, above, xtol=1e-10))

    return solve((1 + level) / 2), solve((1 - level) / 2)
