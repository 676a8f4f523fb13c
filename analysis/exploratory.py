"""Which factors stand behind items: exploratory factor analysis, a general factor, intervals for loadings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import optimize, stats
from tqdm import tqdm

from analysis.factoring import (
    LEAST_UNIQUENESS,
    Extraction,
    Rotated,
    Rotation,
    arranged,
    degrees_of_freedom,
    extract,
    likelihood_discrepancy,
    most_factors,
    rotate,
    rotate_like,
    schmid_leiman_parts,
)
from analysis.missing import expected_answers
from analysis.options import checked_seed, whole_number
from analysis.result import Result
from analysis.sample import Gaps, ItemCorrelations, MatrixKind, item_correlations
from analysis.sentences import listed

Matrix = NDArray[np.floating[Any]]
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
# Communality from which a solution counts as a Heywood case.
_HEYWOOD = 1 - LEAST_UNIQUENESS - 1e-6
# Fewest draws of which percentiles are worth having.
_FEWEST_DRAWS = 100
# Products of answers held at once (32 MB).
_BLOCK = 4_000_000


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


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class SchmidLeiman(Result):
    """A general factor and group factors, all uncorrelated.

    Parameters
    ----------
    loadings : pandas.DataFrame
        Item × factor: ``general``, then ``G1`` …, group factors.
    communalities : pandas.Series
        By item, of the first-order solution.
    phi : pandas.DataFrame
        Correlations of the first-order factors, from which the general one is made.
    above : pandas.Series
        By group factor: loading of its first-order factor on the general one.
    coefficients : pandas.DataFrame
        Index ``coefficient``: ``omega_total``, ``omega_hierarchical`` and ``ecv``, the general factor's share of
        the common variance.
    """

    loadings: pd.DataFrame
    communalities: pd.Series
    phi: pd.DataFrame
    above: pd.Series
    coefficients: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LoadingIntervals(Result):
    """Loadings with their sampling error.

    Parameters
    ----------
    correlations : pandas.DataFrame
        Index ``factor``, ``with_factor``: ``estimate``, ``se``, ``ci_low``, ``ci_high`` of the factors' correlations;
        empty where they are 0 by the rotation.
    """

    correlations: pd.DataFrame


def exploratory(
    items: pd.DataFrame,
    *,
    n_factors: int,
    method: Extraction = "minres",
    rotation: Rotation = "oblimin",
    matrix: MatrixKind = "pearson",
    scores: Scores = "regression",
    starts: int = 10,
    seed: int = 0,
    missing: Gaps = "listwise",
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
    matrix : {"pearson", "polychoric"}
        Correlations of the numbers, or of the normal variables behind ordered answers.
    scores : {"regression", "ten_berge"}
        How people's factor scores are made.
    starts : int
        Starting positions of oblimin and geomin: the first unrotated, the others random.
    seed : int
        Of those random starts.
    missing : {"listwise", "ml", "pairwise"}
        Whether responses with a gap are left out, with a note, or every answer is used: by maximum likelihood
        with Pearson, pairwise with polychoric correlations (`analysis.sample.item_correlations`).

    Returns
    -------
    Exploratory
        ``table`` has the index ``item``: loadings, ``communality``, ``uniqueness`` and ``complexity``
        (Hofmann, 1977). Factors stand in falling order of explained variance; each points the way in
        which its loadings sum to a positive number.

    Raises
    ------
    ValueError
        As `analysis.sample.item_correlations`; also for more factors than the items can bear, or a solution that
        does not converge.

    Notes
    -----
    Chi-square with Bartlett's (1951) correction, n − 1 − (2p + 5)/6 − 2m/3; Tucker & Lewis (1973); RMSEA
    (Steiger & Lind, 1980) from chi-square / (n − 1), with its usual 90 % interval; BIC = chi-square
    − df ln n; RMSR over the correlations off the diagonal. With gaps bridged, n is that of all people in these,
    since the smaller n of other tests would make every model seem to fit. All but the RMSR suppose Pearson correlations
    of normal variables. Scores on polychoric correlations weigh the standardised answers themselves.

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
    _refuse_options(method=(method, _METHODS), rotation=(rotation, _ROTATIONS), scores=(scores, _SCORES))
    starts, seed = whole_number("starts", starts, at_least=1), checked_seed(seed)
    n_factors = whole_number("n_factors", n_factors)
    sample = item_correlations(items, matrix=matrix, missing=missing)
    correlations = sample.correlations
    _refuse_number(len(correlations), n_factors)
    df = degrees_of_freedom(len(correlations), n_factors)
    pattern, phi, notes = _solution(correlations, n_factors, method, rotation, starts, seed)
    notes = sample.notes + notes
    names = pd.Index([f"F{position}" for position in range(1, n_factors + 1)], name="factor")
    index = pd.Index(sample.names, name="item")
    structure = pattern @ phi
    communality = pd.Series(np.sum(pattern * structure, axis=1), index=index, name="communality")
    loadings = pd.DataFrame(pattern, index=index, columns=names)
    weights = _score_weights(correlations, pattern, phi, scores)
    answers = sample.answers
    if sample.moments is not None and sample.moments.share_missing:
        answers = expected_answers(answers, sample.moments)
        notes += ("Scores of responses with a gap rest on the answered items, by regression; they vary less.",)
    elif missing == "pairwise":
        answers = answers.dropna()
        notes += (f"Scores are of the {len(answers)} responses without a gap.",)
    if matrix == "polychoric":
        notes += (
            "Scores weigh the standardised answers, not the variables behind them: their variance differs a little.",
        )
    standardised = (answers - sample.mean) / sample.sd
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
        method=f"Exploratory factor analysis of {sample.words}: {factors} "
        f"by {_METHODS[method]}, {rotated}; {_SCORES[scores]}.{sample.method}",
        notes=notes + _heywood_notes(communality) + _fit_notes(sample, df, method),
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


def schmid_leiman(
    items: pd.DataFrame,
    *,
    n_factors: int = 3,
    method: Extraction = "minres",
    rotation: Rotation = "oblimin",
    matrix: MatrixKind = "pearson",
    missing: Gaps = "listwise",
) -> SchmidLeiman:
    """Split what items share into a general factor and group factors.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item.
    n_factors : int
        Group factors, at least 2; at least 3 for a general factor that the data identify.
    method : {"minres", "ml", "principal_axis"}
        Extraction of the first-order factors.
    rotation : {"oblimin", "promax", "geomin"}
        Of the first-order factors, from the varimax position.
    matrix : {"pearson", "polychoric"}
        Correlations of the numbers, or of the normal variables behind ordered answers.
    missing : {"listwise", "ml", "pairwise"}
        Whether responses with a gap are left out, with a note, or every answer is used: by maximum likelihood
        with Pearson, pairwise with polychoric correlations (`analysis.sample.item_correlations`).

    Returns
    -------
    SchmidLeiman
        ``table`` has the index ``item``: loadings on ``general`` and ``G1`` …, ``communality``, ``uniqueness`` and
        ``general_share``, the general factor's part of the communality.

    Raises
    ------
    ValueError
        As `analysis.sample.item_correlations`; also for fewer than two factors, more than the items bear, a rotation
        that keeps factors uncorrelated, or a solution that does not converge.

    Notes
    -----
    Schmid & Leiman (1957), as ``psych::schmid``: the correlations of the first-order factors are explained by one
    factor (minres), or with two factors by equal loadings. Omega total = 1 − Σ uniquenesses / Σ correlations and
    hierarchical omega = (Σ general loadings)² / Σ correlations (Zinbarg, Revelle, Yovel & Li, 2005), both of
    standardised items, turned where they load negatively on the general factor.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> groups = rng.normal(size=(500, 1)) + rng.normal(size=(500, 3))
    >>> answers = pd.DataFrame(np.repeat(groups, 3, axis=1) + rng.normal(size=(500, 9))).add_prefix("x")
    >>> schmid_leiman(answers).coefficients["estimate"].round(2).to_dict()
    {'omega_total': 0.92, 'omega_hierarchical': 0.68, 'ecv': 0.48}
    """
    oblique = {name: _ROTATIONS[name] for name in ("oblimin", "promax", "geomin")}
    _refuse_options(method=(method, _METHODS), rotation=(rotation, oblique))
    n_factors = whole_number("n_factors", n_factors)
    sample = item_correlations(items, matrix=matrix, missing=missing)
    correlations = sample.correlations
    parts = schmid_leiman_parts(correlations, n_factors, method=method, rotation=rotation)
    if not parts.converged:
        raise ValueError(f"{n_factors} group factors did not converge: ask for fewer factors or another method")
    index = pd.Index(sample.names, name="item")
    order = 1 + np.argsort(-np.sum(parts.loadings[:, 1:] ** 2, axis=0), kind="stable")
    values = parts.loadings[:, [0, *order]]
    groups = pd.Index([f"G{position}" for position in range(1, n_factors + 1)], name="factor")
    loadings = pd.DataFrame(values, index=index, columns=pd.Index(["general", *groups], name="factor"))
    communality = pd.Series(parts.communalities, index=index, name="communality")
    turned = np.where(values[:, 0] < 0, -1.0, 1.0)
    total = turned @ correlations @ turned
    squares = np.sum(values**2, axis=0)
    notes = sample.notes
    if (turned < 0).any():
        notes += (f"Coefficients turn {listed(index[turned < 0])}, which load negatively on the general factor.",)
    if n_factors == 2:
        notes += ("Two factors do not identify a general one: both are taken to load alike on it.",)
    above = parts.above[order - 1]
    if (above**2 >= _HEYWOOD).any():
        notes += (f"Heywood case: the general factor explains all of {listed(groups[above**2 >= _HEYWOOD])}.",)
    return SchmidLeiman(
        title=f"General factor and {n_factors} group factors",
        table=loadings.rename_axis(columns=None).assign(
            communality=communality, uniqueness=1 - communality, general_share=values[:, 0] ** 2 / communality
        ),
        method=f"Schmid–Leiman (1957) transformation of {n_factors} factors of {sample.words} by {_METHODS[method]}, "
        f"{_ROTATIONS[rotation]}. Omega total and hierarchical: Zinbarg et al. (2005).{sample.method}",
        notes=notes + _heywood_notes(communality),
        loadings=loadings,
        communalities=communality,
        phi=pd.DataFrame(parts.phi[np.ix_(order - 1, order - 1)], index=groups, columns=groups.rename(None)),
        above=pd.Series(above, index=groups, name="general"),
        coefficients=pd.DataFrame(
            {
                "estimate": [
                    1 - float((1 - communality).sum()) / total,
                    float(turned @ values[:, 0]) ** 2 / total,
                    squares[0] / squares.sum(),
                ]
            },
            index=pd.Index(["omega_total", "omega_hierarchical", "ecv"], name="coefficient"),
        ),
    )


def loading_intervals(
    items: pd.DataFrame,
    *,
    n_factors: int,
    method: Extraction = "minres",
    rotation: Rotation = "oblimin",
    matrix: MatrixKind = "pearson",
    missing: Gaps = "listwise",
    clusters: pd.Series | None = None,
    draws: int = 1000,
    starts: int = 10,
    seed: int = 0,
    progress: bool = False,
) -> LoadingIntervals:
    """Give rotated loadings with 95 % intervals, by resampling people, or teams of people.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item.
    n_factors : int
        How many, see `analysis.dimensionality.parallel_analysis`.
    method : {"minres", "ml", "principal_axis"}
        Extraction. Principal axes are found by minres in resampled data: where both settle they are the same.
    rotation : {"oblimin", "promax", "geomin", "varimax", "none"}
    matrix : {"pearson", "polychoric"}
        Correlations of the numbers, or of the normal variables behind ordered answers (slower: each draw is
        estimated anew).
    missing : {"listwise", "ml", "pairwise"}
        As `exploratory`.
    clusters : pandas.Series, optional
        Team of each response, on the index of ``items``: whole teams are then resampled.
    draws : int
        Resampled data sets, at least 100.
    starts : int
        Of the rotation in the whole sample, as `exploratory`.
    seed : int
        Of the resampling and the random starts.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    LoadingIntervals
        ``table`` has the index ``item``, ``factor``: ``estimate``, ``se``, ``ci_low``, ``ci_high``; factors in the
        order of `exploratory`.

    Raises
    ------
    ValueError
        As `exploratory`; also for fewer than 100 draws, clusters that do not fit the items, or if fewer than half the
        draws give a solution.

    Notes
    -----
    Percentile bootstrap (Efron & Tibshirani, 1993; for loadings Ichikawa & Konishi, 1995; Zhang, Preacher &
    Jennrich, 2012). A resampled solution may come out in another order, direction or local minimum: each is rotated
    from the position closest to the sample's solution (Procrustes), then its factors are matched with the sample's by
    congruence (Tucker, 1951) and turned. Intervals are therefore those of this solution, given that it is the one meant.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> factors = np.repeat(rng.normal(size=(300, 2)), 3, axis=1)
    >>> answers = pd.DataFrame(factors + rng.normal(size=(300, 6)), columns=list("abcdef"))
    >>> found = loading_intervals(answers, n_factors=2, draws=200)
    >>> int((found.table["ci_low"] > 0.4).sum())
    6
    """
    _refuse_options(method=(method, _METHODS), rotation=(rotation, _ROTATIONS))
    draws = whole_number("draws", draws, at_least=_FEWEST_DRAWS)
    starts, seed = whole_number("starts", starts, at_least=1), checked_seed(seed)
    n_factors = whole_number("n_factors", n_factors)
    sample = item_correlations(items, matrix=matrix, missing=missing)
    _refuse_number(len(sample.correlations), n_factors)
    pattern, phi, notes = _solution(sample.correlations, n_factors, method, rotation, starts, seed)
    units = _units(items, missing, clusters)
    rng = np.random.default_rng(seed)
    if matrix == "pearson" and missing == "listwise":
        resampled = _resampled_pearson(sample.answers.to_numpy(), units, draws, rng)
    else:
        resampled = _resampled(sample, units, draws, rng, missing, progress=progress)
    patterns, phis = _like(resampled, "minres" if method == "principal_axis" else method, rotation, pattern)
    if len(patterns) < draws / 2:
        raise ValueError(
            f"only {len(patterns)} of {draws} resampled data sets gave a solution of {n_factors} factors: use fewer "
            "factors, fewer items or more people"
        )
    if len(patterns) < draws:
        notes += (f"{draws - len(patterns)} of {draws} resampled data sets gave no solution and are left out.",)
    communality = np.einsum("bik,bkl,bil->bi", patterns, phis, patterns)
    heywood = float((communality >= _HEYWOOD).any(axis=1).mean())
    if heywood:
        notes += (f"{heywood:.1%} of the resampled solutions are Heywood cases.".replace("%", " %", 1),)
    names = [f"F{position}" for position in range(1, n_factors + 1)]
    pairs = np.triu_indices(n_factors, 1)
    correlated = rotation in ("oblimin", "promax", "geomin")
    index = pd.MultiIndex.from_product([sample.names, names], names=["item", "factor"])
    table = _interval_table(pattern.ravel(), patterns.reshape(len(patterns), -1), index)
    between = pd.MultiIndex.from_arrays(
        [np.array(names)[side][: len(side) if correlated else 0] for side in pairs], names=["factor", "with_factor"]
    )
    chosen = (slice(None), *pairs) if correlated else (slice(None), pairs[0][:0], pairs[1][:0])
    correlations = _interval_table(phi[chosen[1:]], phis[chosen], between)
    who = "people" if clusters is None else f"{int(units.max()) + 1} teams"
    rotated = _ROTATIONS[rotation] if n_factors > 1 else _ROTATIONS["none"]
    return LoadingIntervals(
        title=f"Loadings on {n_factors} factor{'s' if n_factors > 1 else ''} with 95 % intervals",
        table=table,
        method=f"Loadings by {_METHODS[method]}, {rotated}, on {sample.words}; 95 % percentile intervals from "
        f"{len(patterns)} bootstrap samples of {who} (seed {seed}), each solution rotated from the position closest to the "
        f"sample's and matched with it (Ichikawa & Konishi, 1995; Zhang, Preacher & Jennrich, 2012).{sample.method}",
        notes=sample.notes + notes + _heywood_notes(pd.Series(np.sum(pattern @ phi * pattern, axis=1), sample.names)),
        correlations=correlations,
    )


def _interval_table(estimate: Matrix, drawn: Matrix, index: pd.MultiIndex) -> pd.DataFrame:
    low, high = np.quantile(drawn, [0.025, 0.975], axis=0)
    return pd.DataFrame(
        {"estimate": estimate, "se": drawn.std(axis=0, ddof=1), "ci_low": low, "ci_high": high}, index=index
    )


def _units(items: pd.DataFrame, missing: Gaps, clusters: pd.Series | None) -> NDArray[np.intp]:
    """Say for each person who counts what is resampled: the person, or the person's team."""
    stays = items.notna().all(axis=1) if missing == "listwise" else items.notna().any(axis=1)
    if clusters is None:
        return np.arange(int(stays.sum()))
    if not isinstance(clusters, pd.Series) or not clusters.index.equals(items.index):
        raise ValueError(
            "clusters must be a Series on the index of the items, one for each response: take both from one frame"
        )
    here = clusters[stays.to_numpy()]
    if here.isna().any():
        raise ValueError(
            f"{int(here.isna().sum())} of {len(here)} responses have no cluster: leave them out, or give each a "
            "cluster of its own"
        )
    codes, teams = pd.factorize(here)
    if len(teams) < 2:
        raise ValueError(f"at least 2 clusters are needed, got {len(teams)}: leave `clusters` out")
    return np.asarray(codes, dtype=np.intp)


def _resampled_pearson(answers: Matrix, units: NDArray[np.intp], draws: int, rng: np.random.Generator) -> Matrix:
    """Correlations of resampled people (or teams) from how often each was drawn, without drawing any answers."""
    columns = answers.shape[1]
    first, second = np.triu_indices(columns)
    # Standardised first, so that sums of squares lose no digits.
    standard = (answers - answers.mean(axis=0)) / answers.std(axis=0)
    many = int(units.max()) + 1
    sums = np.zeros((draws, 1 + columns + len(first)))
    drawn = rng.multinomial(many, np.full(many, 1 / many), size=draws).astype(float)
    step = max(_BLOCK // (1 + columns + len(first)), 1)
    for start in range(0, len(standard), step):
        part = standard[start : start + step]
        parts = np.hstack([np.ones((len(part), 1)), part, part[:, first] * part[:, second]])
        sums += drawn[:, units[start : start + step]] @ parts
    mean = sums[:, 1 : 1 + columns] / sums[:, :1]
    covariance = np.empty((draws, columns, columns))
    covariance[:, first, second] = sums[:, 1 + columns :] / sums[:, :1] - mean[:, first] * mean[:, second]
    covariance[:, second, first] = covariance[:, first, second]
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    usable = (variance > 1e-10).all(axis=1)
    sd = np.sqrt(variance[usable])
    correlations = covariance[usable] / (sd[:, :, None] * sd[:, None, :])
    return np.asarray(correlations[np.linalg.eigvalsh(correlations)[:, 0] > 1e-10])


def _resampled(
    sample: ItemCorrelations,
    units: NDArray[np.intp],
    draws: int,
    rng: np.random.Generator,
    missing: Gaps,
    *,
    progress: bool,
) -> Matrix:
    """Correlations of resampled people (or teams), each estimated anew; without those that cannot be estimated."""
    many = int(units.max()) + 1
    order = np.argsort(units, kind="stable")
    ends = np.cumsum(np.bincount(units))
    members = np.split(order, ends[:-1])
    found = []
    for _ in tqdm(range(draws), desc="bootstrap", disable=not progress):
        rows = np.concatenate([members[unit] for unit in rng.integers(0, many, many)])
        again = sample.answers.iloc[rows].reset_index(drop=True)
        try:
            found.append(item_correlations(again, matrix=sample.matrix, missing=missing).correlations)
        # By chance an item is alike for all, or two items tell all of each other: the draw is counted as lost.
        except ValueError:
            continue
    return np.array(found).reshape(-1, len(sample.names), len(sample.names))


def _like(stack: Matrix, method: Extraction, rotation: Rotation, pattern: Matrix) -> tuple[Matrix, Matrix]:
    """Solutions of resampled correlations that are rotated like one; without those that cannot be had."""
    if not len(stack):
        return np.empty((0, *pattern.shape)), np.empty((0, pattern.shape[1], pattern.shape[1]))
    try:
        unrotated, arrived = extract(stack, pattern.shape[1], method)
        found = rotate_like(unrotated[arrived], rotation, pattern)
    # One singular matrix ends the work on all: it is sought by halves and left out.
    except np.linalg.LinAlgError:
        if len(stack) == 1:
            return _like(stack[:0], method, rotation, pattern)
        half = len(stack) // 2
        parts = [_like(part, method, rotation, pattern) for part in (stack[:half], stack[half:])]
        return np.concatenate([part[0] for part in parts]), np.concatenate([part[1] for part in parts])
    return found.pattern[found.converged], found.phi[found.converged]


def _refuse_options(**options: tuple[str, dict[str, str]]) -> None:
    for name, (value, allowed) in options.items():
        if value not in allowed:
            raise ValueError(f"{name} must be one of {', '.join(allowed)}; got {value!r}")


def _refuse_number(columns: int, n_factors: int) -> None:
    most = most_factors(columns)
    if not 1 <= n_factors <= most:
        raise ValueError(
            f"n_factors must be between 1 and {most} for {columns} items (more have negative degrees of "
            f"freedom), got {n_factors}"
        )


def _extracted(correlations: Matrix, n_factors: int, method: Extraction) -> Matrix:
    pattern, arrived = extract(correlations, n_factors, method)
    if not arrived:
        raise ValueError(f"{n_factors} factors by {method} did not converge: ask for fewer factors or another method")
    return pattern


def _best_rotation(
    unrotated: Matrix, rotation: Rotation, starts: int, seed: int
) -> tuple[Matrix, Matrix, tuple[str, ...]]:
    """Rotate from several positions (varimax and promax from one) and keep the best."""
    factors = unrotated.shape[1]
    if rotation not in ("oblimin", "geomin") or factors == 1:
        starts = 1
    rng = np.random.default_rng(seed)
    turns = [np.linalg.qr(rng.normal(size=(factors, factors)))[0] for _ in range(starts - 1)]
    found: Rotated = rotate(
        np.broadcast_to(unrotated, (starts, *unrotated.shape)), rotation, start=np.array([np.eye(factors), *turns])
    )
    if not found.converged.any():
        raise ValueError(
            f"the {rotation} rotation did not converge from any of {starts} starts: ask for fewer factors or "
            "another rotation"
        )
    value = np.where(found.converged, found.criterion, np.inf)
    reached = np.flatnonzero(value < value.min() + 1e-7)
    pattern, phi = found.pattern[reached[0]], found.phi[reached[0]]
    if len(reached) == starts:
        return pattern, phi, ()
    note = f"{len(reached)} of {starts} starts reached the best {rotation} solution; the others a worse one."
    return pattern, phi, (note,)


def _solution(
    correlations: Matrix, n_factors: int, method: Extraction, rotation: Rotation, starts: int, seed: int
) -> tuple[Matrix, Matrix, tuple[str, ...]]:
    unrotated = _extracted(correlations, n_factors, method)
    pattern, phi, notes = _best_rotation(unrotated, rotation, starts, seed)
    return *arranged(pattern, phi), notes


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
    return (f"Heywood case: the factors explain all variance of {listed(heywood)}; try fewer factors.",)


def _fit_notes(sample: ItemCorrelations, df: int, method: Extraction) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if sample.is_smoothed and method == "ml":
        notes += ("Maximum likelihood rests on the inverse of a matrix that had to be smoothed: prefer minres.",)
    if not df:
        return (*notes, "The model has no degrees of freedom, so its fit cannot be judged.")
    if sample.matrix == "polychoric":
        notes += (
            "Chi-square and what is made of it (TLI, RMSEA, BIC) suppose Pearson correlations of normal variables: on "
            "polychoric ones chi-square is too large. Judge fit by the RMSR or a confirmatory model (WLSMV).",
        )
    if sample.n < sample.people:
        notes += (
            f"Chi-square and what is made of it (TLI, RMSEA, BIC) count all {sample.people} people, although gaps tell "
            "less than answers: fit is then rather too bad than too good.",
        )
    return notes


def _fit(correlations: Matrix, model: Matrix, n: int, n_factors: int, df: int) -> pd.DataFrame:
    columns = len(correlations)
    residual = correlations - model
    rmsr = np.sqrt((np.sum(residual**2) - np.sum(np.diag(residual) ** 2)) / (columns * (columns - 1)))
    rows: dict[str, dict[str, float]] = {"rmsr": {"estimate": float(rmsr)}}
    if df:
        discrepancy = likelihood_discrepancy(correlations, model)
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
