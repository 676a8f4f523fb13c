"""Careless responding: several indices a response, flagged where two agree, nothing ever dropped."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from scipy.stats import beta

from analysis.result import Result
from analysis.sentences import some_of

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

# The four indices, in the order of the columns; each has a column `flag_<index>`.
INDICES = ("mahalanobis", "consistency", "longstring", "page_time")

_TAIL = 0.001  # upper tail of the squared distance, the usual limit for multivariate outliers
_CHANCE = 1.645  # normal deviate of 5 %: about one response in twenty given at random gets beyond it
_RUN = 0.5  # share of the answered items in one run; ours
_SECONDS = 2.0  # per item (Huang et al., 2012; Bowling et al., 2023)
_AGREEING = 2  # flags that make a response careless (blueprint C20)
_MINIMUM = 10  # answered items below which nothing is judged; ours
_SINGULAR = 1e-3  # smallest eigenvalue of a correlation matrix below which it is shrunk
_SHRUNK_TO = 0.05  # … to this smallest eigenvalue
_CHUNK = 4096  # rows solved at once: bounds the memory, changes no number


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Screening(Result):
    """Indices of careless responding, a response at a time, and how many each index flags.

    Parameters
    ----------
    summary : pandas.DataFrame
        Index ``index`` (mahalanobis, consistency, longstring, page_time, careless); columns
        ``n`` (responses that the index could judge), ``flagged``, ``percent`` (of n) and ``limit``.
    """

    summary: pd.DataFrame


def screen_responses(
    items: pd.DataFrame,
    *,
    reverse: Collection[str] | Mapping[str, bool] | pd.Series,
    subscales: Mapping[str, Sequence[str]],
    page_seconds: pd.DataFrame | pd.Series | None = None,
    page_items: Mapping[str, int] | None = None,
    codes: Sequence[int] | None = None,
    minimum: int | None = None,
) -> Screening:
    """Flag responses that were probably given without reading, and drop none of them.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item: answers as given (not turned), in the order in which they were asked,
        missing where blank or off-scale.
    reverse : collection of str, or mapping or Series of bool by item
        The items that are reverse-keyed.
    subscales : mapping of str to sequence of str
        The items of each subscale. An item that belongs to none still counts in the Mahalanobis
        distance and in the longest run.
    page_seconds : pandas.DataFrame or pandas.Series, optional
        Seconds spent, indexed by response: a frame with a column a page, or a Series with the
        seconds per item already worked out. Missing is not judged.
    page_items : mapping of str to int, optional
        How many items each page (column of ``page_seconds``) held. Without it each page held one.
    codes : sequence of int, optional
        The codes that an answer can have. Without it the lowest and highest code that occurs.
    minimum : int, optional
        Answered items that a response needs to be judged. Without it 10, or half of the items
        where there are fewer than 20.

    Returns
    -------
    Screening
        ``table``, index ``response``: ``answered``, ``judged``; each index (``mahalanobis`` with
        its ``mahalanobis_p``, ``consistency`` with its ``consistency_limit``, ``longstring``,
        ``seconds_per_item``), missing where it could not be had; ``flag_mahalanobis``,
        ``flag_consistency``, ``flag_longstring``, ``flag_page_time``; ``flags``, their number;
        ``careless``, true from two flags on. ``summary`` counts the flags of each index.

    Raises
    ------
    ValueError
        Answers that are no numbers or outside ``codes``, items that are named but not there,
        an item in two subscales, seconds below 0, or a doubled response id.

    Notes
    -----
    *Mahalanobis.* The squared distance of the answered items from the mean (Meade and Craig, 2012), flagged
    at p < .001 with as many degrees of freedom as items were answered. As the people judged also give the
    mean and the covariance, p is that of n D² / (n − 1)² in the beta distribution with df / 2 and (n − df −
    1) / 2 (Gnanadesikan and Kettenring, 1972), which is exact for normal answers without gaps and becomes
    chi-squared as n grows; chi-squared itself would flag nobody where n is only a few times the number of
    items. Means and covariances are those of all pairs of answers that exist, and a response with gaps uses
    its own block of them: nothing is imputed. Where the correlation matrix is singular or, through the gaps,
    indefinite (smallest eigenvalue below .001), it is shrunk towards independence until the smallest is .05.
    Turning answers by their key would change no distance.

    *Consistency.* The answers are turned by their key and measured from the midpoint of the scale; the index
    is the mean product of two answers to the same subscale over the mean square of all: 1 if both wordings of
    a subscale always say the same, 0 by chance, below 0 if they contradict each other (a straight line of
    fives over three and three items gives −.20; threes throughout count as 0). It is an intraclass
    correlation about the midpoint. Its mean and variance over all orders in which the person could have put
    down the same answers are exact (Mantel, 1967), and the index is flagged unless it lies above chance
    (zero, or that mean if it is higher) by more than 1.645 of those standard deviations. So about 94 % of
    people who answer 66 items of 11 subscales at random are flagged and every straight line is; so are
    careful people whose view is mixed, since wordings of one subscale are no opposites: alone it proves
    nothing. Only subscales with both keys are used: without a reversed item, agreement within a subscale is
    no evidence. Where the median response does not pass it (short forms), the margin is dropped and only
    answers at or below chance are flagged; where the median does not pass that either, the index is left out.
    Other consistency indices would count the same evidence twice.

    *Longstring.* The longest run of one raw answer, blanks skipped; flagged from half of the answered
    items on. A weak aid alone.

    *Page time.* The median over pages of the seconds per item; flagged below 2 (Huang et al., 2012;
    Bowling et al., 2023). With the median, a pause on one page hides no haste on the others.

    In simulations of 11 subscales of three and three items (900 people, 6 % careless, several seeds; the
    tests measure it) all lines of one extreme answer and nine in ten random responses were found, over half
    of those that kept mostly to the middle in long runs, and no more than 1 % of careful ones were flagged.
    Where careful people also used the scale in very different ways, about 3 % of them were (5 % with weak
    items). Below about five responses an item the Mahalanobis distance finds little, and without it or page
    time random answers stay unfound.

    References
    ----------
    Bowling, N. A., Huang, J. L., Brower, C. K., and Bragg, C. B. (2023). The quick and the careless.
    *Organizational Research Methods*, 26, 323–352.
    Gnanadesikan, R., and Kettenring, J. R. (1972). Robust estimates, residuals, and outlier detection with
    multiresponse data. *Biometrics*, 28, 81–124.
    Huang, J. L., Curran, P. G., Keeney, J., Poposki, E. M., and DeShon, R. P. (2012). Detecting and
    deterring insufficient effort responding to surveys. *Journal of Business and Psychology*, 27, 99–114.
    Mantel, N. (1967). The detection of disease clustering and a generalized regression approach.
    *Cancer Research*, 27, 209–220.
    Meade, A. W., and Craig, S. B. (2012). Identifying careless responses in survey data.
    *Psychological Methods*, 17, 437–455.

    Examples
    --------
    >>> import pandas as pd
    >>> items = pd.DataFrame(
    ...     [[4, 2, 5, 1, 4, 1], [5, 5, 5, 5, 5, 5], [2, 4, 1, 5, 2, 4]],
    ...     columns=["a1", "a2", "b1", "b2", "c1", "c2"],
    ...     index=["r1", "r2", "r3"],
    ... )
    >>> screening = screen_responses(
    ...     items,
    ...     reverse=["a2", "b2", "c2"],
    ...     subscales={"a": ["a1", "a2"], "b": ["b1", "b2"], "c": ["c1", "c2"]},
    ... )
    >>> screening.table["careless"].tolist()
    [False, True, False]
    """
    answers = _answers(items)
    low, high, observed = _range(answers, codes)
    keys = _keys(items, reverse)
    membership = _membership(items, subscales)
    needed = _needed(items, minimum)
    known = ~np.isnan(answers)
    answered = known.sum(axis=1)
    judged = answered >= needed
    notes = _judged_notes(judged, answered, needed)
    if observed:
        notes.append(
            f"The lowest and highest code were taken from the answers ({low:g} and {high:g}): give `codes` "
            "where the scale is longer."
        )

    table = pd.DataFrame(index=pd.Index(items.index, name="response"))
    table["answered"] = answered
    table["judged"] = judged

    distance, p = np.full((2, len(items)), np.nan)
    distance[judged], p[judged] = _mahalanobis(answers[judged], list(items.columns), notes)
    table["mahalanobis"] = distance
    table["mahalanobis_p"] = p
    flags = {"mahalanobis": _flag(p < _TAIL, ~np.isnan(p))}

    index, limit = np.full((2, len(items)), np.nan)
    index[judged], limit[judged] = _consistency(
        answers[judged] - (low + high) / 2, keys, membership, list(subscales), notes
    )
    table["consistency"] = index
    table["consistency_limit"] = limit
    # A straight line equals its limit but for rounding.
    flags["consistency"] = _flag(index <= limit + 1e-9, ~np.isnan(index))

    run = _longest_run(answers)
    table["longstring"] = pd.array(np.where(judged, run, 0), dtype="Int64")
    table.loc[~judged, "longstring"] = pd.NA
    flags["longstring"] = _flag(run >= _RUN * answered, judged)

    seconds = _seconds_per_item(items, page_seconds, page_items, notes)
    table["seconds_per_item"] = seconds
    flags["page_time"] = _flag(seconds < _SECONDS, ~np.isnan(seconds))

    for name in INDICES:
        table[f"flag_{name}"] = flags[name]
    together = table[[f"flag_{name}" for name in INDICES]]
    table["flags"] = together.sum(axis=1).astype("int64")
    table["careless"] = (table["flags"] >= _AGREEING).to_numpy(dtype=bool)
    available = [name for name in INDICES if together[f"flag_{name}"].notna().any()]
    if len(available) < _AGREEING and judged.any():
        notes.append(
            f"Only {len(available)} of the indices could be had, and a response is called careless on "
            f"{_AGREEING}: nobody can be."
        )
    return Screening(
        title="Careless responding",
        table=table,
        summary=_summary(table, judged),
        method=(
            "Responses were screened for careless responding with the Mahalanobis distance of the items, "
            "the consistency of each person's answers across the two keys of each subscale compared with "
            "that of the same answers in random order (Mantel, 1967), the longest run of one answer and, "
            "where recorded, page time (Huang et al., 2012; Bowling et al., 2023), and called careless "
            "where two or more agreed (Meade and Craig, 2012)."
        ),
        notes=(
            *notes,
            (
                f"{int(table['careless'].sum())} of {len(table)} responses are flagged by two or more "
                "indices. None is left out: compare results with and without them."
            ),
            (
                "Limits: p < .001 (Mahalanobis); 1.645 standard deviations above the same answers in random "
                "order (consistency, ours, unless noted otherwise); half of the answered items in one run "
                "(longstring, ours); 2 s per item (page time, Huang et al., 2012); two flags (Meade and "
                "Craig, 2012, advise several indices)."
            ),
        ),
    )


def _answers(items: pd.DataFrame) -> Floats:
    if items.index.has_duplicates or items.columns.has_duplicates:
        doubled = [*items.index[items.index.duplicated()], *items.columns[items.columns.duplicated()]]
        raise ValueError(
            f"Each response and each item must be there once; doubled: {some_of(doubled)}. Rename or remove them."
        )
    wrong = [name for name in items.columns if not pd.api.types.is_numeric_dtype(items[name].dtype)]
    wrong = [name for name in wrong if items[name].notna().any()]
    if wrong:
        raise ValueError(
            f"Answers must be numbers or missing; text was found in: {some_of(wrong)}. Read the file with "
            "read_responses, or turn labels into codes first."
        )
    values: Floats = items.astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    return values


def _range(answers: Floats, codes: Sequence[int] | None) -> tuple[float, float, bool]:
    found = answers[~np.isnan(answers)]
    if codes is None:
        return (float(found.min()), float(found.max()), True) if found.size else (np.nan, np.nan, False)
    if len(codes) < 2:
        raise ValueError(f"`codes` needs at least two codes, it has {len(codes)}. Give every code of the scale.")
    strange = np.setdiff1d(found, np.asarray(codes, dtype=np.float64))
    if strange.size:
        raise ValueError(
            f"Answers must be one of {list(codes)}; found {some_of(f'{code:g}' for code in strange)}. Make "
            "off-scale codes missing first."
        )
    return float(min(codes)), float(max(codes)), False


def _keys(items: pd.DataFrame, reverse: Collection[str] | Mapping[str, bool] | pd.Series) -> Floats:
    """Return +1 or −1 for each item."""
    if isinstance(reverse, pd.Series | Mapping):
        reversed_items = {name for name, turned in reverse.items() if turned}
    else:
        reversed_items = set(reverse)
    unknown = sorted(reversed_items - set(items.columns), key=str)
    if unknown:
        raise ValueError(
            f"`reverse` names items that are not there: {some_of(unknown)}. Name columns of `items` alone."
        )
    return np.where(items.columns.isin(list(reversed_items)), -1.0, 1.0)


def _membership(items: pd.DataFrame, subscales: Mapping[str, Sequence[str]]) -> Floats:
    """Return item × subscale, 1 where the item belongs to the subscale."""
    named = [item for members in subscales.values() for item in members]
    unknown = sorted(set(named) - set(items.columns), key=str)
    if unknown:
        raise ValueError(
            f"`subscales` names items that are not there: {some_of(unknown)}. Name columns of `items` alone."
        )
    doubled = sorted({item for item in named if named.count(item) > 1}, key=str)
    if doubled:
        raise ValueError(f"An item can belong to one subscale; in several: {some_of(doubled)}.")
    if not subscales:
        return np.zeros((items.shape[1], 0))
    return np.column_stack([items.columns.isin(list(members)).astype(np.float64) for members in subscales.values()])


def _needed(items: pd.DataFrame, minimum: int | None) -> int:
    if minimum is None:
        half = -(-len(items.columns) // 2)
        return max(1, min(_MINIMUM, half))
    if minimum < 1:
        raise ValueError(f"`minimum` must be 1 or more answered items, it is {minimum}.")
    return minimum


def _judged_notes(judged: Flags, answered: npt.NDArray[np.int64], needed: int) -> list[str]:
    if judged.all():
        return []
    empty = int((answered == 0).sum())
    return [
        (
            f"{int((~judged).sum())} of {len(judged)} responses have fewer than {needed} answered items "
            f"(ours) and are judged by page time alone; {empty} of them answered none."
        )
    ]


def _flag(value: Flags, could_be_had: Flags) -> Any:
    return pd.arrays.BooleanArray(np.asarray(value, dtype=bool), ~np.asarray(could_be_had, dtype=bool))


# --- Mahalanobis -----------------------------------------------------------------------------------


def _mahalanobis(answers: Floats, names: list[str], notes: list[str]) -> tuple[Floats, Floats]:
    """Return each row's squared distance on its answered items, and the upper-tail p."""
    people = len(answers)
    unavailable = np.full(people, np.nan)
    if people == 0:
        return unavailable, unavailable
    known = ~np.isnan(answers)
    counts = known.sum(axis=0)
    means = np.where(known, answers, 0.0).sum(axis=0) / np.maximum(counts, 1)
    deviations = np.where(known, answers - means, 0.0)
    variances = (deviations**2).sum(axis=0) / np.maximum(counts - 1, 1)
    varying = variances > 1e-12
    if not varying.all() and varying.any():
        notes.append(
            "Items with one answer only tell nothing about distance and are left out of it: "
            f"{some_of(name for name, varies in zip(names, varying, strict=True) if not varies)}."
        )
    used = int(varying.sum())
    if people <= used + 1 or used == 0:
        notes.append(
            "The Mahalanobis distance is left out: it needs two more responses than there are items with "
            f"differing answers, and there are {people} for {used}. Random answers can hardly be found "
            "without it."
        )
        return unavailable, unavailable
    if people < 5 * used:
        notes.append(
            f"{people} responses for {used} items: with fewer than five an item (ours) the Mahalanobis "
            "distances are drawn together, and few will be flagged."
        )
    known, deviations = known[:, varying], deviations[:, varying]
    correlations = _pairwise_correlations(deviations, known, notes)
    distance = _squared_distances(deviations / np.sqrt(variances[varying]), known, correlations)
    df = known.sum(axis=1)
    distance[df == 0] = np.nan
    # Exact for the sample's own covariance; `share` is above 1 only where gaps or shrinkage made it so.
    share = np.minimum(people * distance / (people - 1) ** 2, 1.0)
    return distance, beta.sf(share, np.maximum(df, 1) / 2, (people - df - 1) / 2)


def _pairwise_correlations(deviations: Floats, known: Flags, notes: list[str]) -> Floats:
    """Correlate the items over the pairs of answers that exist; shrink the matrix if it cannot be inverted.

    Covariances are those of R's ``cov(use = "pairwise.complete.obs")``, each divided by the standard
    deviations of all answers to its two items.
    """
    present = known.astype(np.float64)
    pairs = present.T @ present
    sums = deviations.T @ present
    covariances = (deviations.T @ deviations - sums * sums.T / np.maximum(pairs, 1)) / np.maximum(pairs - 1, 1)
    never = pairs < 2
    if never.any():
        notes.append(
            f"{int(np.triu(never).sum())} pairs of items were never answered together and are taken as "
            "unrelated in the Mahalanobis distance."
        )
        covariances[never] = 0.0
    scale = np.sqrt(np.diag(covariances))
    correlations: Floats = covariances / np.outer(scale, scale)
    smallest = float(np.linalg.eigvalsh(correlations)[0])
    if smallest < _SINGULAR:
        weight = (_SHRUNK_TO - smallest) / (1 - smallest)
        correlations = (1 - weight) * correlations + weight * np.eye(len(correlations))
        notes.append(
            f"The correlations of the items could not be inverted (smallest eigenvalue {smallest:.3g}): for "
            f"the Mahalanobis distance they were shrunk by {100 * weight:.1f} % towards independence."
        )
    return correlations


def _squared_distances(z: Floats, known: Flags, correlations: Floats) -> Floats:
    """Return z' R⁻¹ z over the known items of each row.

    With P = R⁻¹, the inverse of the block of the known items o is P_oo − P_om P_mm⁻¹ P_mo, so a row
    needs a solution of the size of its gaps m alone. Rows with equally many gaps are solved together;
    where most is missing, the block of the known items is the smaller one.
    """
    items = z.shape[1]
    precision = np.linalg.inv(correlations)
    projected = z @ precision
    distance: Floats = (z * projected).sum(axis=1)
    gaps = items - known.sum(axis=1)
    for size in np.unique(gaps[gaps > 0]):
        rows = np.flatnonzero(gaps == size)
        for start in range(0, len(rows), _CHUNK):
            chunk = rows[start : start + _CHUNK]
            # A stable sort puts the gaps (False) first.
            order = np.argsort(known[chunk], axis=1, kind="stable")
            by_gaps = size <= items // 2
            where = order[:, :size] if by_gaps else order[:, size:]
            matrix, source = (precision, projected) if by_gaps else (correlations, z)
            vectors = np.take_along_axis(source[chunk], where, axis=1)
            blocks = matrix[where[:, :, None], where[:, None, :]]
            products = (vectors * np.linalg.solve(blocks, vectors[:, :, None])[:, :, 0]).sum(axis=1)
            distance[chunk] = distance[chunk] - products if by_gaps else products
    return np.maximum(distance, 0.0)


# --- Consistency -----------------------------------------------------------------------------------


def _consistency(
    from_middle: Floats, keys: Floats, membership: Floats, names: list[str], notes: list[str]
) -> tuple[Floats, Floats]:
    """Return each row's consistency across keys and the limit that it must exceed."""
    unavailable = np.full(len(from_middle), np.nan)
    forward = membership * (keys > 0)[:, None]
    backward = membership * (keys < 0)[:, None]
    both = (forward.sum(axis=0) > 0) & (backward.sum(axis=0) > 0)
    if not both.any():
        notes.append(
            "Consistency is left out: it needs a subscale with both reversed and other items, and there is none."
        )
        return unavailable, unavailable
    if not both.all():
        notes.append(
            "Consistency uses subscales with both keys; left out: "
            f"{some_of(name for name, used in zip(names, both, strict=True) if not used)}."
        )
    in_use = membership[:, both].sum(axis=1) > 0
    index, chance, spread = _keyed_agreement(
        from_middle[:, in_use], keys[in_use], forward[np.ix_(in_use, both)], backward[np.ix_(in_use, both)]
    )
    could = ~np.isnan(index)
    flat = int((~could & ~np.isnan(from_middle).all(axis=1)).sum())
    if flat:
        notes.append(
            f"{flat} responses have no consistency: it needs four answers, two of them to one subscale with both keys."
        )
    if not could.any():
        return unavailable, unavailable
    floor = np.maximum(chance, 0.0)
    limit = floor + _CHANCE * spread
    if int(could.sum()) < _MINIMUM or _passed_by_most(index, limit):
        return index, limit
    if _passed_by_most(index, floor):
        notes.append(
            "Consistency is judged leniently: these items are too few or too unlike for most people's "
            "answers to be told from chance, so that only answers no more consistent than chance are "
            "flagged, without a margin. About half of the random answers pass."
        )
        return index, floor
    notes.append(
        "Consistency is left out: most people's answers within subscales are no more alike than chance, so "
        "that it cannot tell who is careless. Check the keys, and whether the subscales belong together."
    )
    return unavailable, unavailable


def _passed_by_most(index: Floats, limit: Floats) -> bool:
    return float(np.nanmedian(index - limit)) > 0


def _keyed_agreement(u: Floats, keys: Floats, forward: Floats, backward: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the index of each row, and its mean and standard deviation over all orders of the row's answers.

    With w_ij = key_i key_j for two answered items of a subscale, Γ = Σ w_ij u_i u_j over i ≠ j. Its
    moments over all permutations of u need only sums (Mantel, 1967), and these only each
    subscale's numbers of forward and backward answers and the first four power sums of u.
    """
    known = ~np.isnan(u)
    u = np.where(known, u, 0.0)
    present = known.astype(np.float64)
    turned = u * keys
    n = present.sum(axis=1)
    ahead, back = present @ forward, present @ backward
    size, net = ahead + back, ahead - back

    w1 = (net**2 - size).sum(axis=1)
    w2 = (size * (size - 1)).sum(axis=1)
    w3 = (ahead * (net - 1) ** 2 + back * (net + 1) ** 2).sum(axis=1)
    s1, s2, s3, s4 = (u.sum(axis=1), (u**2).sum(axis=1), (u**3).sum(axis=1), (u**4).sum(axis=1))
    u1 = s1**2 - s2
    u2 = s2**2 - s4
    u3 = s1**2 * s2 - 2 * s1 * s3 + s4

    totals = turned @ (forward + backward)
    squares = (turned**2) @ (forward + backward)
    gamma = (totals**2 - squares).sum(axis=1)

    could = (n >= 4) & (w2 > 0)
    n = np.where(could, n, 4.0)
    mean = w1 * u1 / (n * (n - 1))
    second = (
        2 * w2 * u2 / (n * (n - 1))
        + 4 * (w3 - w2) * (u3 - u2) / (n * (n - 1) * (n - 2))
        + (w1**2 + 2 * w2 - 4 * w3) * (u1**2 + 2 * u2 - 4 * u3) / (n * (n - 1) * (n - 2) * (n - 3))
    )
    spread = np.sqrt(np.maximum(second - mean**2, 0.0))
    # All answers at the midpoint agree on nothing: 0, at its limit, as any other straight line.
    unit = np.where(could, n, np.nan) / np.where(could & (s2 > 0), w2 * s2, 1.0)
    return gamma * unit, mean * unit, spread * unit


# --- Longstring and page time ----------------------------------------------------------------------


def _longest_run(answers: Floats) -> npt.NDArray[np.int64]:
    """Return the longest run of one answer in each row; blanks neither count nor break it."""
    people = len(answers)
    run, longest = np.zeros((2, people), dtype=np.int64)
    last = np.full(people, np.nan)
    for answer in answers.T:
        known = ~np.isnan(answer)
        run = np.where(known, np.where(answer == last, run + 1, 1), run)
        last = np.where(known, answer, last)
        longest = np.maximum(longest, run)
    return longest


def _seconds_per_item(
    items: pd.DataFrame,
    page_seconds: pd.DataFrame | pd.Series | None,
    page_items: Mapping[str, int] | None,
    notes: list[str],
) -> Floats:
    if page_seconds is None:
        notes.append("Page time is left out: no times were given.")
        return np.full(len(items), np.nan)
    pages = page_seconds.to_frame("page") if isinstance(page_seconds, pd.Series) else page_seconds
    unknown = pages.index.difference(items.index)
    if len(unknown):
        raise ValueError(
            f"`page_seconds` has responses that `items` has not: {some_of(unknown)}. Index both by the response."
        )
    if pages.index.has_duplicates:
        raise ValueError(
            f"`page_seconds` has a response twice: {some_of(pages.index[pages.index.duplicated()])}. Keep one row each."
        )
    if page_items is None:
        counts = np.ones(pages.shape[1])
    else:
        without = [page for page in pages.columns if page_items.get(page, 0) < 1]
        if without:
            raise ValueError(
                "`page_items` must give each page of `page_seconds` 1 item or more; it does not for: "
                f"{some_of(without)}. Leave out pages without items."
            )
        counts = np.array([page_items[page] for page in pages.columns], dtype=np.float64)
    seconds: Floats = pages.reindex(items.index).astype("Float64").to_numpy(dtype=np.float64, na_value=np.nan)
    if (seconds < 0).any():
        raise ValueError(f"Seconds cannot be below 0; the lowest is {np.nanmin(seconds):g}. Make them missing first.")
    per_item = seconds / counts
    some = ~np.isnan(per_item).all(axis=1)
    result = np.full(len(items), np.nan)
    if some.any():
        result[some] = np.nanmedian(per_item[some], axis=1)
    if not some.all():
        notes.append(f"{int((~some).sum())} responses have no page time.")
    return result


def _summary(table: pd.DataFrame, judged: Flags) -> pd.DataFrame:
    rows = {name: table[f"flag_{name}"] for name in INDICES}
    n = [int(flag.notna().sum()) for flag in rows.values()]
    flagged = [int(flag.sum()) for flag in rows.values()]
    anything = judged | table[[f"flag_{name}" for name in INDICES]].notna().any(axis=1).to_numpy()
    n.append(int(anything.sum()))
    flagged.append(int(table["careless"].sum()))
    summary = pd.DataFrame({"n": n, "flagged": flagged}, index=pd.Index([*INDICES, "careless"], name="index"))
    summary["percent"] = 100 * summary["flagged"] / summary["n"].where(summary["n"] > 0)
    summary["limit"] = [
        "p < .001",
        "at or below consistency_limit",
        "at least half of the answered items",
        "below 2 s per item",
        "at least two flags",
    ]
    return summary
