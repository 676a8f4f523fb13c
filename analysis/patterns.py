"""Which answers are missing together, and does that depend on the answers given: patterns and Little's test."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.missing import normal_moments, numeric_answers
from analysis.options import whole_number
from analysis.ordinal import refuse_stray_codes
from analysis.result import Result
from analysis.sentences import some_of

Flags = NDArray[np.bool_]

# A chi-square approximation of a pattern's mean rests on more than a handful of people (our rule of thumb).
_FEW = 5


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class MissingPatterns(Result):
    """Patterns of missing answers, most frequent first.

    Parameters
    ----------
    answered : pandas.DataFrame
        Index ``pattern`` as in ``table``, column for each item: whether people of the pattern answered it.
    items : pandas.DataFrame
        Index ``item``: ``n`` who answered, ``missing``, ``percent`` missing.
    pairs : pandas.DataFrame
        Item × item: how many people answered both; on the diagonal how many answered the item.
    """

    answered: pd.DataFrame
    items: pd.DataFrame
    pairs: pd.DataFrame


def missing_patterns(items: pd.DataFrame, *, most: int = 20) -> MissingPatterns:
    """Tabulate which items are missing together.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, numbers, missing where blank.
    most : int
        Rows of the table; the rarest patterns beyond them share one row, ``other``.

    Returns
    -------
    MissingPatterns
        ``table`` has the index ``pattern`` (1 is the most frequent; at equal frequency fewer gaps come first):
        ``n``, ``percent`` of people, ``gaps`` (number of missing items) and ``missing`` (their names).

    Raises
    ------
    ValueError
        For text or infinite answers, an item that nobody answered, a doubled name, no responses, or ``most``
        under 1.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"a": [1, 2, 4, 3], "b": [2, None, 4, None], "c": [1, 3, 3, 2]})
    >>> missing_patterns(answers).table[["n", "percent", "missing"]]
             n  percent missing
    pattern
    1        2     50.0    none
    2        2     50.0       b
    """
    most = whole_number("most", most, at_least=1)
    numbers = numeric_answers(items, at_least=1)
    if not len(numbers):
        raise ValueError("there are no responses: give at least one row")
    known = numbers.notna().to_numpy()
    patterns, _, counts = _patterns(known)
    gaps = (~patterns).sum(axis=1)
    order = np.lexsort((gaps, -counts))
    patterns, counts, gaps = patterns[order], counts[order], gaps[order]
    people, names = len(known), [str(name) for name in numbers.columns]
    shown = min(most, len(counts))
    labels: list[int | str] = list(range(1, shown + 1))
    rows = {
        "n": counts[:shown].tolist(),
        "gaps": gaps[:shown].tolist(),
        "missing": [_missing_names(pattern, names) for pattern in patterns[:shown]],
    }
    if shown < len(counts):
        labels.append("other")
        rows["n"].append(int(counts[shown:].sum()))
        rows["gaps"].append(np.nan)
        rows["missing"].append(f"{len(counts) - shown} rarer patterns")
    table = pd.DataFrame(rows, index=pd.Index(labels, name="pattern"))
    table.insert(1, "percent", 100 * table["n"] / people)
    together = known.T.astype(np.int64) @ known.astype(np.int64)
    answered = np.diag(together)
    by_item = pd.DataFrame(
        {"n": answered, "missing": people - answered, "percent": 100 * (people - answered) / people},
        index=pd.Index(numbers.columns, name="item"),
    )
    return MissingPatterns(
        title="Patterns of missing answers",
        table=table,
        method=f"Patterns of missing answers of {people} people to {len(names)} items.",
        notes=_pattern_notes(known, together, names, patterns=len(counts)),
        answered=pd.DataFrame(
            patterns[:shown], index=pd.Index(labels[:shown], name="pattern"), columns=numbers.columns
        ),
        items=by_item,
        pairs=pd.DataFrame(together, index=numbers.columns, columns=numbers.columns),
    )


def littles_test(items: pd.DataFrame) -> Result:
    """Test whether answers are missing completely at random.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, at least 2 items, numbers, missing where blank. Background that might go with missing
        answers belongs among the columns.

    Returns
    -------
    Result
        Index ``test``: ``statistic`` (d²), ``df``, ``p``, ``n`` (people with an answer), ``patterns``.

    Raises
    ------
    ValueError
        As `analysis.missing.normal_moments`; also for a stray code (a 99 for "no answer") among answers that are a few
        whole numbers, if no answer is missing, all share one pattern, or the covariances do not converge.

    Notes
    -----
    d² = Σⱼ nⱼ (ȳⱼ − μ̂ⱼ)ᵀ Σ̂ⱼ⁻¹ (ȳⱼ − μ̂ⱼ) over the patterns j, with the means and covariances of the items that
    pattern j answered, by maximum likelihood (EM); chi-square with Σⱼ pⱼ − p degrees of freedom (Little, 1988).
    Σ̂ has the divisor n, as in ``naniar::mcar_test``; with n − 1, d² is smaller by the factor (n − 1)/n.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> answers = pd.DataFrame(rng.normal(size=(200, 1)) + rng.normal(size=(200, 3)), columns=list("abc"))
    >>> answers.loc[answers["a"] > 1, "b"] = np.nan  # whoever scores high on a leaves b out
    >>> bool(littles_test(answers).table.loc["little", "p"] < 0.001)
    True
    """
    numbers = numeric_answers(items).dropna(how="all")
    refuse_stray_codes(numbers)
    known = numbers.notna().to_numpy()
    if len(known) and known.all():
        raise ValueError("no answer is missing among these people and items: there is nothing to test")
    moments = normal_moments(numbers)
    if not moments.converged:
        raise ValueError(
            f"the means and covariances did not converge in {moments.iterations} EM steps: too few answers in "
            "common; leave out the items with most gaps or use more people"
        )
    patterns, pattern_of, counts = _patterns(known)
    # In units of the items' standard deviations, so that no unit makes a matrix ill-conditioned.
    scale = np.sqrt(np.diag(moments.covariance))
    centred = np.where(known, (numbers.to_numpy() - moments.mean.to_numpy()) / scale, 0.0)
    correlations = moments.covariance.to_numpy() / np.outer(scale, scale)
    sums = np.zeros(patterns.shape)
    np.add.at(sums, pattern_of, centred)
    statistic = 0.0
    for pattern, total, count in zip(patterns, sums, counts, strict=True):
        here = total[pattern]
        statistic += float(here @ np.linalg.solve(correlations[np.ix_(pattern, pattern)], here)) / int(count)
    df = int(patterns.sum()) - len(scale)
    table = pd.DataFrame(
        {
            "statistic": [statistic],
            "df": [df],
            "p": [float(stats.chi2.sf(statistic, df))],
            "n": [len(known)],
            "patterns": [len(counts)],
        },
        index=pd.Index(["little"], name="test"),
    )
    return Result(
        title="Are answers missing completely at random?",
        table=table,
        method=f"Little's (1988) test of {len(scale)} items and {len(known)} people in {len(counts)} patterns; means and "
        "covariances by maximum likelihood (EM; Dempster, Laird & Rubin, 1977), divisor n.",
        notes=_little_notes(len(numbers) < len(items), counts),
    )


def _patterns(known: Flags) -> tuple[Flags, NDArray[np.intp], NDArray[np.intp]]:
    """Distinct rows, the row that each person has, and how many people have each."""
    packed, pattern_of, counts = np.unique(np.packbits(known, axis=1), axis=0, return_inverse=True, return_counts=True)
    return np.unpackbits(packed, axis=1, count=known.shape[1]).astype(bool), pattern_of, counts


def _missing_names(pattern: Flags, names: list[str]) -> str:
    absent = [name for name, there in zip(names, pattern, strict=True) if not there]
    if not absent:
        return "none"
    if len(absent) == len(names):
        return "all"
    return some_of(absent, most=8)


def _pattern_notes(known: Flags, together: NDArray[Any], names: list[str], *, patterns: int) -> tuple[str, ...]:
    people, complete = len(known), int(known.all(axis=1).sum())
    notes = [
        f"{complete} of {people} responses ({complete / people:.0%}) are complete; "
        f"{1 - known.mean():.1%} of all answers are missing; {patterns} patterns.".replace("%", " %")
    ]
    if nobody := int((~known.any(axis=1)).sum()):
        notes.append(f"Responses that hold no answer to any of these items: {nobody}.")
    if len(names) > 1:
        above = np.triu_indices(len(names), 1)
        least = int(together[above].min())
        pairs = [f"{names[a]} with {names[b]}" for a, b in zip(*above, strict=True) if together[a, b] == least]
        more = f" and {len(pairs) - 3} more pairs" if len(pairs) > 3 else ""
        notes.append(f"Fewest people answered both of {', '.join(pairs[:3])}{more}: {least}.")
    return tuple(notes)


def _little_notes(nobody: bool, counts: NDArray[Any]) -> tuple[str, ...]:
    notes = [
        "A small p speaks against answers missing completely at random. A large one does not show that they are: "
        "the test compares means only and has little power with few people in each pattern.",
        "Whether answers are missing at random, given the answers that are there, or depend on what was not "
        "answered cannot be tested from the answers; full-information estimates and imputation suppose the first.",
        "The test supposes normal variables with one covariance matrix; with a few ordered answers, and skewed "
        "ones above all, its p is approximate.",
    ]
    if nobody:
        notes.append("Responses without an answer to any of these items are left out.")
    if few := int((counts < _FEW).sum()):
        notes.append(
            f"{few} of {len(counts)} patterns hold fewer than {_FEW} people, so that the chi-square distribution "
            "is a rough approximation."
        )
    return tuple(notes)
