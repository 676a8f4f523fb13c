"""Do items share enough for factor analysis, and how many factors do they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from analysis.factoring import degrees_of_freedom, extract, likelihood_discrepancy, most_factors, reduced
from analysis.options import checked_seed, whole_number
from analysis.ordinal import category_positions, position_correlations, smoothed
from analysis.result import Result
from analysis.sample import Gaps, MatrixKind, item_correlations

Matrix = NDArray[np.floating[Any]]

# Kaiser & Rice (1974): lower bound and word, from the top.
_KAISER_RICE = (
    (0.9, "marvellous"),
    (0.8, "meritorious"),
    (0.7, "middling"),
    (0.6, "mediocre"),
    (0.5, "miserable"),
    (-np.inf, "unacceptable"),
)
# An item of which components leave less variance than this is explained wholly.
_NOTHING_LEFT = 1e-10
# The hull method's measures of fit, and the column of how sharply the hull bends.
_FITS = {"caf": "st_caf", "cfi": "st_cfi"}
# Fewest numbers of factors above none that the hull method can choose among.
_FEWEST_ON_HULL = 3


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
    """Observed eigenvalues beside those of unrelated items, and what other rules say.

    Parameters
    ----------
    suggested : pandas.DataFrame
        Index ``rule``: ``parallel_factors`` and ``parallel_components`` (observed above the quantile of random
        eigenvalues), ``parallel_factors_mean`` and ``parallel_components_mean`` (above their mean), ``map``,
        ``map_fourth_power``, ``ekc``, and with six items or more ``hull_caf`` and ``hull_cfi``; column ``n_factors``.
    hull : pandas.DataFrame
        Index ``n_factors``, from 0: ``df``, the measures of fit ``caf`` (common part accounted for) and ``cfi``, and
        ``st_caf`` and ``st_cfi`` where the solution is on that hull and not an end of it; the largest is chosen.
        Empty with fewer than six items.
    """

    suggested: pd.DataFrame
    hull: pd.DataFrame


def suitability(items: pd.DataFrame, *, matrix: MatrixKind = "pearson", missing: Gaps = "listwise") -> Suitability:
    """Judge whether items share enough for factor analysis.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, at least 3 items, all keyed in one direction or not.
    matrix : {"pearson", "polychoric"}
        Correlations of the numbers, or of the normal variables behind ordered answers.
    missing : {"listwise", "ml", "pairwise"}
        Whether responses with a gap are left out, with a note, or every answer is used: by maximum likelihood
        with Pearson, pairwise with polychoric correlations (`analysis.sample.item_correlations`).

    Returns
    -------
    Suitability
        ``table`` has the index ``coefficient``: ``kmo`` (``estimate``, ``verdict``) and ``bartlett``
        (``statistic``, ``df``, ``p``); ``items`` has the measure of sampling adequacy by item.

    Raises
    ------
    ValueError
        As `analysis.sample.item_correlations`.

    Notes
    -----
    KMO: Kaiser (1970), Kaiser & Rice (1974). Sphericity: Bartlett (1951), made for Pearson correlations of
    normal variables.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> answers = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 4)), columns=list("abcd"))
    >>> suitability(answers).table.loc["kmo", "verdict"]
    'middling'
    """
    sample = item_correlations(items, matrix=matrix, missing=missing)
    correlations, n = sample.correlations, sample.n
    by_item, overall = _sampling_adequacy(correlations)
    columns = len(correlations)
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
        index=pd.Index(sample.names, name="item"),
    )
    notes = (*sample.notes, "Words for the KMO are those of Kaiser & Rice (1974).")
    if matrix == "polychoric":
        notes += ("Bartlett's test is made for Pearson correlations: on polychoric ones its p is too small.",)
    if sample.is_smoothed:
        notes += (
            "KMO and Bartlett's test rest on the inverse of a matrix that had to be smoothed: do not trust them.",
        )
    return Suitability(
        title="Suitability for factor analysis",
        table=table,
        method="Kaiser–Meyer–Olkin measure of sampling adequacy (Kaiser & Rice, 1974) and Bartlett's (1951) "
        f"test of sphericity on {sample.words}.{sample.method}",
        notes=notes,
        items=adequacy,
    )


def parallel_analysis(
    items: pd.DataFrame,
    *,
    matrix: MatrixKind = "pearson",
    draws: int = 100,
    seed: int = 0,
    quantile: float = 0.95,
    missing: Gaps = "listwise",
    progress: bool = False,
) -> ParallelAnalysis:
    """Suggest a number of factors and components by comparison with unrelated items, and by other rules.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, at least 3 items.
    matrix : {"pearson", "polychoric"}
        Correlations of the numbers, or of the normal variables behind ordered answers.
    draws : int
        Random data sets.
    seed : int
        Of the random numbers.
    quantile : float
        Of the random eigenvalues that an observed one must exceed, between 0 and 1.
    missing : {"listwise", "ml", "pairwise"}
        Whether responses with a gap are left out, with a note, or every answer is used: by maximum likelihood
        with Pearson, pairwise with polychoric correlations (`analysis.sample.item_correlations`).
    progress : bool
        Whether to show a bar while polychoric correlations of random data are estimated.

    Returns
    -------
    ParallelAnalysis
        ``table`` has the index ``position``: observed, mean random and quantile random eigenvalue, of
        factors and of components; ``map`` and ``map_fourth_power``, the mean squared partial correlation (and its
        fourth power) once that many components are taken out; ``ekc``, the reference of the empirical Kaiser
        criterion. ``suggested`` has the number by each rule, ``hull`` the hull method's solutions.

    Raises
    ------
    ValueError
        As `analysis.sample.item_correlations`; also for ``draws`` under 1 or ``quantile`` outside 0 to 1, or if
        random data of so few people have no polychoric correlations.

    Notes
    -----
    Horn (1965) with the quantile of Glorfeld (1995). Factors: eigenvalues of the correlation matrix with
    squared multiple correlations on its diagonal (Humphreys & Ilgen, 1969), as ``psych::fa.parallel(SMC =
    TRUE)``. Random Pearson correlations are drawn as a Wishart matrix, which is exactly what normal data of this
    many people and items would give. Random polychoric correlations are those of the answers with each item's
    shuffled among the people who gave it, so that its distribution and its gaps stay.

    MAP: Velicer (1976), and with fourth powers, Velicer, Eaton & Fava (2000); no component included. EKC: Braeken
    & van Assen (2017), whose references are made of the observed eigenvalues before each; several programs put
    reference values in their place, which is another criterion.

    Hull: Lorenzo-Seva, Timmerman & Kiers (2011), from no factor up to one more than parallel analysis (of factors or
    components, whichever finds more) and at least to three; it is not made to find none. Two measures of fit: the common
    part accounted for by minres, one minus the KMO of the residuals with 1 on their diagonal, which needs no
    distribution; and the CFI of maximum likelihood, made for Pearson correlations of normal variables. CAF tends to
    find minor factors too, CFI to join factors that correlate highly.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> answers = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 6)), columns=list("abcdef"))
    >>> parallel_analysis(answers).suggested["n_factors"].loc[["parallel_factors", "map", "ekc", "hull_caf"]].to_dict()
    {'parallel_factors': 1, 'map': 1, 'ekc': 1, 'hull_caf': 1}
    """
    draws, seed = whole_number("draws", draws, at_least=1), checked_seed(seed)
    if not 0 < quantile < 1:
        raise ValueError(f"quantile must lie between 0 and 1, got {quantile}")
    sample = item_correlations(items, matrix=matrix, missing=missing)
    observed = sample.correlations
    n, columns = sample.n, len(observed)
    notes = sample.notes
    if matrix == "pearson":
        random = _random_correlations(n, columns, draws, seed)
        against = f"random normal data sets of {n} people and {columns} items"
    else:
        random, random_notes = _shuffled_polychorics(sample.answers, draws, seed, progress=progress)
        notes += random_notes
        against = f"data sets with each item's {sample.people} answers shuffled"
    values: dict[str, Matrix] = {}
    suggested: dict[str, int] = {}
    for kind, reduce in (("factor", reduced), ("component", np.asarray)):
        found = np.linalg.eigvalsh(reduce(observed))[::-1]
        chance = np.linalg.eigvalsh(reduce(random))[:, ::-1]
        mean, threshold = chance.mean(axis=0), np.quantile(chance, quantile, axis=0)
        values |= {f"{kind}_observed": found, f"{kind}_mean": mean, f"{kind}_quantile": threshold}
        suggested[f"parallel_{kind}s"] = _leading(found > threshold)
        suggested[f"parallel_{kind}s_mean"] = _leading(found > mean)
    for name, power in (("map", 2), ("map_fourth_power", 4)):
        partial = _partial_correlations(observed, power)
        values[name] = np.append(partial[1:], np.nan)
        suggested[name] = int(np.argmin(partial))
    values["ekc"] = _kaiser_references(values["component_observed"], n)
    suggested["ekc"] = _leading(values["component_observed"] > values["ekc"])
    hull = _hull(observed, n, max(suggested["parallel_factors"], suggested["parallel_components"]) + 1)
    if len(hull):
        # With nothing but its ends on the hull, the better end.
        for fit, bend in _FITS.items():
            chosen = hull[bend] if hull[bend].notna().any() else hull[fit]
            suggested[f"hull_{fit}"] = int(chosen.idxmax())
        at_work = (
            " Hull method (Lorenzo-Seva et al., 2011) with the common part accounted for (CAF) by minres and with the CFI "
            "of maximum likelihood."
        )
    else:
        at_work = ""
        notes += ("The hull method needs six items or more and is left out.",)
    if matrix == "polychoric":
        notes += (
            "The EKC's references and the CFI of the hull method are made for Pearson correlations; polychoric ones "
            "vary more.",
        )
    if sample.is_smoothed:
        notes += ("Factors rest on the inverse of a matrix that had to be smoothed: trust the components alone.",)
    return ParallelAnalysis(
        title="Number of factors",
        table=pd.DataFrame(values, index=pd.RangeIndex(1, columns + 1, name="position")),
        method=f"Parallel analysis (Horn, 1965) of {sample.words} against the mean and the {quantile:.0%} quantile "
        f"(Glorfeld, 1995) of {draws} {against} (seed {seed}); factors from the matrix with squared multiple "
        "correlations on the diagonal. Minimum average partial (MAP; Velicer, 1976; fourth power: Velicer et al., "
        f"2000). Empirical Kaiser criterion (EKC; Braeken & van Assen, 2017; n = {n}).{at_work}{sample.method}",
        notes=(
            *notes,
            "Rules often differ, and factors found by parallel analysis grow with n; weigh meaning too.",
        ),
        suggested=pd.DataFrame({"n_factors": list(suggested.values())}, index=pd.Index(list(suggested), name="rule")),
        hull=hull,
    )


def _leading(above: NDArray[np.bool_]) -> int:
    """How many are true before the first that is not."""
    return int(np.argmin(np.append(above, False)))


def _verdict(kmo: float) -> str:
    return next(word for bound, word in _KAISER_RICE if kmo >= bound)


def _sampling_adequacy(correlations: Matrix) -> tuple[Matrix, float]:
    """Kaiser's measure by item and overall: squared correlations beside squared partial correlations."""
    inverse = np.linalg.inv(correlations)
    off_diagonal = 1 - np.eye(len(correlations))
    whole = correlations**2 * off_diagonal
    partial = inverse**2 / np.outer(np.diag(inverse), np.diag(inverse)) * off_diagonal
    by_item = whole.sum(axis=0) / (whole + partial).sum(axis=0)
    return np.asarray(by_item), float(whole.sum() / (whole + partial).sum())


def _random_correlations(n: int, columns: int, draws: int, seed: int) -> Matrix:
    """Correlation matrices of normal, unrelated items, by Bartlett's decomposition of a Wishart matrix."""
    rng = np.random.default_rng(seed)
    root = np.tril(rng.normal(size=(draws, columns, columns)), -1)
    diagonal = np.arange(columns)
    root[:, diagonal, diagonal] = np.sqrt(rng.chisquare(n - 1 - diagonal, size=(draws, columns)))
    root /= np.linalg.norm(root, axis=2, keepdims=True)
    return np.asarray(root @ root.transpose(0, 2, 1))


def _shuffled_polychorics(
    answers: pd.DataFrame, draws: int, seed: int, *, progress: bool
) -> tuple[Matrix, tuple[str, ...]]:
    """Polychoric correlations of the answers, each item's shuffled among those who answered it."""
    rng = np.random.default_rng(seed)
    positions = category_positions(answers)
    known = positions >= 0
    found: list[Matrix] = []
    refused = smooth = 0
    with tqdm(total=draws, desc="parallel analysis", disable=not progress) as bar:
        while len(found) < draws:
            shuffled = positions.copy()
            for column, here in enumerate(known.T):
                shuffled[here, column] = rng.permutation(positions[here, column])
            try:
                estimated = position_correlations(shuffled)
            # Among few people a shuffle can, by chance, make two items tell all of each other.
            except ValueError as trouble:
                refused += 1
                if refused > draws:
                    raise ValueError(
                        f"{refused} of {refused + len(found)} random data sets of {len(positions)} people have no polychoric "
                        f"correlations (the last: {trouble}): use more people, fewer items, joined categories, or "
                        "matrix='pearson'"
                    ) from trouble
                continue
            correlations, note = smoothed(estimated)
            smooth += bool(note)
            found.append(correlations)
            bar.update()
    notes: tuple[str, ...] = ()
    if refused:
        notes += (f"{refused} random data sets without polychoric correlations were drawn anew.",)
    if smooth:
        notes += (f"{smooth} of {draws} random matrices were not positive definite and were smoothed.",)
    return np.array(found), notes


def _partial_correlations(correlations: Matrix, power: int) -> Matrix:
    """Velicer's mean squared (or fourth power of the) partial correlation after 0 … p − 1 components."""
    values, vectors = np.linalg.eigh(correlations)
    columns = len(values)
    components = (vectors * np.sqrt(np.maximum(values, 0)))[:, ::-1]
    out = np.full(columns, np.inf)
    left = correlations.copy()
    for taken in range(columns):
        variances = np.diag(left)
        # An item that the components explain wholly leaves nothing to correlate: MAP stops there.
        if np.any(variances < _NOTHING_LEFT):
            break
        partial = left / np.sqrt(np.outer(variances, variances))
        out[taken] = (np.sum(partial**power) - columns) / (columns * (columns - 1))
        left = left - np.outer(components[:, taken], components[:, taken])
    return out


def _kaiser_references(eigenvalues: Matrix, n: int) -> Matrix:
    """Braeken and van Assen's references: the variance that earlier components leave, spread evenly, at its largest.

    The factor (1 + √(p / n))² is the limit of the largest eigenvalue of unrelated items (Marčenko & Pastur, 1967).
    """
    columns = len(eigenvalues)
    left = columns - np.append(0, np.cumsum(eigenvalues)[:-1])
    per_item = left / np.arange(columns, 0, -1)
    return np.asarray(np.maximum(per_item * (1 + np.sqrt(columns / n)) ** 2, 1))


def _common_part(correlations: Matrix, pattern: Matrix) -> float:
    """Return the common part accounted for: one minus the KMO of the residuals."""
    residual = correlations - pattern @ pattern.T
    np.fill_diagonal(residual, 1.0)
    # Residuals that are nothing but rounding share nothing: as their size falls, the KMO goes to one half.
    if np.max(np.abs(residual - np.eye(len(residual)))) < 1e-7:
        return 0.5
    return 1 - _sampling_adequacy(residual)[1]


def _hull(correlations: Matrix, n: int, most: int) -> pd.DataFrame:
    """Fit and degrees of freedom of 0 … ``most`` factors (at least 3), and how sharply each hull bends there."""
    columns = len(correlations)
    most = min(max(most, _FEWEST_ON_HULL), most_factors(columns))
    if most < _FEWEST_ON_HULL:
        return pd.DataFrame(index=pd.RangeIndex(0, name="n_factors"), columns=["df", *_FITS, *_FITS.values()])
    df = np.array([degrees_of_freedom(columns, factors) for factors in range(most + 1)])
    fit = {name: np.full(most + 1, np.nan) for name in _FITS}
    none = -float(np.linalg.slogdet(correlations)[1]) * (n - 1) - df[0]
    fit["caf"][0], fit["cfi"][0] = 1 - _sampling_adequacy(correlations)[1], 0.0
    for factors in range(1, most + 1):
        pattern, arrived = extract(correlations, factors, "minres")
        if arrived:
            fit["caf"][factors] = _common_part(correlations, pattern)
        pattern, arrived = extract(correlations, factors, "ml")
        if arrived:
            excess = max(likelihood_discrepancy(correlations, pattern @ pattern.T) * (n - 1) - df[factors], 0.0)
            fit["cfi"][factors] = 1 - excess / max(none, excess) if excess else 1.0
    bends = {_FITS[name]: _bends(values, df) for name, values in fit.items()}
    return pd.DataFrame({"df": df} | fit | bends, index=pd.RangeIndex(most + 1, name="n_factors"))


def _bends(fit: Matrix, df: NDArray[np.integer[Any]]) -> Matrix:
    """Scree test values on the upper hull of fit over degrees of freedom; ``nan`` off it and at its ends."""
    # Not found, or no better than a simpler solution: out.
    on = [at for at in range(len(fit)) if at == 0 or fit[at] > np.nanmax(fit[:at])]

    def slope(start: int, end: int) -> float:
        return float((fit[end] - fit[start]) / (df[start] - df[end]))

    dropped = True
    while dropped:
        dropped = False
        for before, here, after in zip(on, on[1:], on[2:], strict=False):
            # On or below the line between its neighbours.
            if slope(before, here) <= slope(here, after):
                on.remove(here)
                dropped = True
                break
    out = np.full(len(fit), np.nan)
    for before, here, after in zip(on, on[1:], on[2:], strict=False):
        out[here] = slope(before, here) / slope(here, after)
    return out
