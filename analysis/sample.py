"""What an analysis of covariances needs to know of the answers: who counts, their means and covariances."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from analysis.missing import Moments, normal_moments, numeric_answers
from analysis.ordinal import MissingAnswers, ordinal_moments, refuse_stray_codes, smoothed
from analysis.sentences import listed

Matrix = NDArray[np.floating[Any]]
Missing = Literal["listwise", "ml"]
# What an analysis of correlations may do about gaps: ml with Pearson, pairwise with polychoric correlations only.
Gaps = Literal["listwise", "ml", "pairwise"]
MatrixKind = Literal["pearson", "polychoric"]

# Smallest eigenvalue of a correlation matrix below which it is singular but for rounding.
_SINGULAR = 1e-10
# Correlations smaller than this are zero but for rounding.
_NOTHING = 1e-10


def complete_items(
    items: pd.DataFrame, *, at_least: int = 2, people: int = 3, coded: bool = True
) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Check answers to items and keep the responses without gaps.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, numbers, missing where blank.
    at_least, people : int
        Fewest items and fewest complete responses that will do.
    coded : bool
        Whether a few whole numbers are codes of answers, among which a stray one is refused; not so with scores.

    Returns
    -------
    tuple
        The complete responses as floats, and a note with their count if any were left out.

    Raises
    ------
    ValueError
        Naming the item and the remedy: text, infinite values, an item that nobody answered or that
        everyone answered alike, a doubled name, too few items, too few complete responses; a stray code (a 99 for "no
        answer") among answers that are a few whole numbers.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"a": [1, 2, 4, 3], "b": [2, 1, 4, None]})
    >>> complete_items(answers)[1]
    ('1 of 4 responses has a gap and is left out (listwise).',)
    """
    numbers = numeric_answers(items, at_least=at_least)
    if coded:
        refuse_stray_codes(numbers)
    complete = numbers.dropna()
    if len(complete) < people:
        raise ValueError(
            f"at least {people} responses without a gap are needed, got {len(complete)} "
            f"of {len(items)}: use more people, or leave out the items with most gaps"
        )
    same = complete.columns[np.ptp(complete.to_numpy(), axis=0) == 0]
    if len(same):
        raise ValueError(
            f"all {len(complete)} complete responses are alike on {listed(same)}: an item without "
            "variance has no correlation; leave it out (`items.drop(columns=…)`)"
        )
    left_out = len(items) - len(complete)
    if not left_out:
        return complete, ()
    words = "has a gap and is" if left_out == 1 else "have a gap and are"
    return complete, (f"{left_out} of {len(items)} responses {words} left out (listwise).",)


@dataclass(frozen=True, kw_only=True, eq=False)
class Sample:
    """What an analysis of covariances needs to know of the answers.

    Parameters
    ----------
    answers : pandas.DataFrame
        Of the people who count, as floats: without gaps, or with them where ``moments`` bridges them.
    mean : pandas.Series
        By item.
    covariance : (items, items) array
        With divisor n − 1.
    n : int
        People that tests and intervals may count on.
    moments : Moments or None
        By maximum likelihood; None where responses with gaps are left out.
    notes : tuple of str
        What was left out or bridged.
    """

    answers: pd.DataFrame
    mean: pd.Series
    covariance: Matrix
    n: int
    moments: Moments | None
    notes: tuple[str, ...]

    @property
    def people(self) -> int:
        """How many people the moments come from."""
        return self.n if self.moments is None else self.moments.n

    @property
    def method(self) -> str:
        """How gaps were bridged, as a sentence that follows others; empty where they were not."""
        if self.moments is None:
            return ""
        return (
            " Means and covariances by maximum likelihood from all answers (EM; Dempster, Laird & Rubin, 1977), then "
            "analysed as if complete (two-stage; Savalei & Bentler, 2009); n for intervals and tests other than "
            f"those of fit is the smallest number of people who answered both of any two items ({self.n})."
        )


def sample_moments(items: pd.DataFrame, *, missing: Missing, at_least: int = 2) -> Sample:
    """Check answers to items and estimate their means and covariances.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, numbers, missing where blank.
    missing : {"listwise", "ml"}
        Whether responses with a gap are left out, or every answer is used by maximum likelihood.
    at_least : int
        Fewest items that will do.

    Returns
    -------
    Sample

    Raises
    ------
    ValueError
        As `complete_items` or `analysis.missing.normal_moments`; also if its iterations do not
        converge, or fewer than 3 people answered both of some two items.

    Notes
    -----
    With ``"ml"`` the number of people for tests and intervals is the smallest number that answered both
    of any two items: no covariance rests on fewer, so tests and intervals err on the cautious side (no
    single number is right for all; Enders & Peugh, 2004). A test of fit is the other way about: its n is ``people``.

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"a": [1, 2, 4, 3, 5, 6], "b": [2, 1, 4, 3, None, None]})
    >>> [sample_moments(answers, missing=way).mean.round(2).to_dict() for way in ("listwise", "ml")]
    [{'a': 2.5, 'b': 2.5}, {'a': 3.5, 'b': 3.3}]
    """
    if missing not in ("listwise", "ml"):
        raise ValueError(f"missing must be 'listwise' or 'ml', got {missing!r}")
    if missing == "listwise":
        complete, notes = complete_items(items, at_least=at_least)
        return Sample(
            answers=complete,
            mean=complete.mean(),
            covariance=np.asarray(np.cov(complete.to_numpy(), rowvar=False)),
            n=len(complete),
            moments=None,
            notes=notes,
        )
    answers = numeric_answers(items, at_least=at_least).dropna(how="all")
    refuse_stray_codes(answers)
    moments = normal_moments(answers)
    if not moments.converged:
        raise ValueError(
            f"the means and covariances did not converge in {moments.iterations} EM steps: too few answers in "
            "common; leave out the items with most gaps or use more people"
        )
    if moments.pairwise_n < 3:
        raise ValueError(
            f"at least 3 people who answered both of any two items are needed, got {moments.pairwise_n}: use more "
            "people, or leave out the items with most gaps"
        )
    return Sample(
        answers=answers,
        mean=moments.mean,
        covariance=moments.covariance.to_numpy() * moments.n / (moments.n - 1),
        n=moments.pairwise_n,
        moments=moments,
        notes=_gap_notes(moments, nobody=len(answers) < len(items)),
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class ItemCorrelations:
    """Correlations of items, fit for factor analysis, and where they come from.

    Parameters
    ----------
    matrix : {"pearson", "polychoric"}
        Which correlations.
    names : pandas.Index
        Of the items, in their order.
    correlations : (items, items) array
        Positive definite.
    is_smoothed : bool
        Whether they had to be made so: they are then all but singular.
    n : int
        People that tests and intervals may count on: with gaps the fewest who answered both of any two items.
    people : int
        People whose answers went in.
    answers : pandas.DataFrame
        Of those people, as floats, with gaps where ``missing`` is not ``"listwise"``.
    mean, sd : (items) arrays
        Of the answers.
    moments : Moments or None
        By maximum likelihood, where gaps were bridged so.
    method : str
        Sentences that follow others: how gaps were bridged, how correlations were estimated.
    notes : tuple of str
        What was left out, bridged or smoothed.
    """

    matrix: MatrixKind
    names: pd.Index
    correlations: Matrix
    is_smoothed: bool
    n: int
    people: int
    answers: pd.DataFrame
    mean: Matrix
    sd: Matrix
    moments: Moments | None
    method: str
    notes: tuple[str, ...]

    @property
    def words(self) -> str:
        """Which correlations of how many people: "Pearson correlations of 120 people"."""
        smooth = "smoothed " if self.is_smoothed else ""
        kind = "Pearson" if self.matrix == "pearson" else "polychoric"
        return f"{smooth}{kind} correlations of {self.people} people"


def item_correlations(
    items: pd.DataFrame, *, matrix: MatrixKind = "pearson", missing: Gaps = "listwise", at_least: int = 3
) -> ItemCorrelations:
    """Check answers to items and estimate their correlations.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item, numbers, missing where blank; ordered categories if ``matrix="polychoric"``.
    matrix : {"pearson", "polychoric"}
        Correlations of the numbers, or of the normal variables behind ordered answers.
    missing : {"listwise", "ml", "pairwise"}
        Responses with a gap are left out; or every answer is used: by maximum likelihood (Pearson), or each
        correlation from all who answered both items (polychoric).
    at_least : int
        Fewest items that will do.

    Returns
    -------
    ItemCorrelations

    Raises
    ------
    ValueError
        As `sample_moments` or `analysis.ordinal.ordinal_moments`; also for an option that does not go with the
        matrix, not more people than items, items of which one repeats others, or an item that correlates with no other.

    Notes
    -----
    Pearson correlations that are singular are refused, since an item then repeats others. Polychoric ones are
    estimated pair by pair and may not be positive definite though no item repeats another: they are smoothed,
    with a note (`analysis.ordinal.smoothed`).

    Examples
    --------
    >>> import pandas as pd
    >>> answers = pd.DataFrame({"a": [1, 2, 4, 3, 3], "b": [2, 1, 4, 3, 4], "c": [1, 2, 2, 4, 1]})
    >>> item_correlations(answers).words
    'Pearson correlations of 5 people'
    """
    if matrix not in ("pearson", "polychoric"):
        raise ValueError(f"matrix must be 'pearson' or 'polychoric', got {matrix!r}")
    if matrix == "polychoric":
        return _polychoric(items, missing=missing, at_least=at_least)
    if missing == "pairwise":
        raise ValueError(
            "missing must be 'listwise' or 'ml', got 'pairwise', which goes with matrix='polychoric': 'ml' uses all "
            "answers for Pearson correlations"
        )
    sample = sample_moments(items, missing=missing, at_least=at_least)
    names, columns = sample.answers.columns, sample.answers.shape[1]
    who = "complete responses" if sample.moments is None else "people who answered both of the rarest pair"
    _refuse_few_people(sample.n, columns, who)
    sd = np.sqrt(np.diag(sample.covariance))
    correlations = np.asarray(sample.covariance / np.outer(sd, sd))
    np.fill_diagonal(correlations, 1.0)
    values, vectors = np.linalg.eigh(correlations)
    if values[0] < _SINGULAR:
        alike = names[np.abs(vectors[:, 0]) > 1e-3]
        raise ValueError(
            f"the correlation matrix is singular: {listed(alike)} repeat each other (one is doubled, or is "
            "the sum of others); leave one of them out"
        )
    _refuse_uncorrelated(correlations, names)
    return ItemCorrelations(
        matrix="pearson",
        names=names,
        correlations=correlations,
        is_smoothed=False,
        n=sample.n,
        people=sample.people,
        answers=sample.answers,
        mean=sample.mean.to_numpy(),
        sd=sd,
        moments=sample.moments,
        method=sample.method,
        notes=sample.notes,
    )


def _polychoric(items: pd.DataFrame, *, missing: Gaps, at_least: int) -> ItemCorrelations:
    if missing == "ml":
        raise ValueError(
            "missing must be 'listwise' or 'pairwise' with matrix='polychoric', got 'ml': 'pairwise' uses all answers"
        )
    way: MissingAnswers = missing
    numbers = numeric_answers(items, at_least=at_least)
    known = numbers.notna().to_numpy()
    if missing == "listwise":
        n, who = int(known.all(axis=1).sum()), "complete responses"
    else:
        together = known.T.astype(float) @ known
        n, who = int(together.min()), "people who answered both of the rarest pair"
    # Of a pair that nobody answered the estimation says which it is.
    if n or missing == "listwise":
        _refuse_few_people(n, numbers.shape[1], who)
    moments = ordinal_moments(numbers, missing=way, covariance=False)
    _refuse_uncorrelated(moments.correlations, numbers.columns)
    correlations, note = smoothed(moments.correlations)
    answers = numbers.dropna() if missing == "listwise" else numbers.dropna(how="all")
    pairs = (
        ""
        if n == moments.n
        else f" Each is of those who answered both items; n for tests is that of the rarest pair ({n})."
    )
    return ItemCorrelations(
        matrix="polychoric",
        names=answers.columns,
        correlations=correlations,
        is_smoothed=bool(note),
        n=n,
        people=moments.n,
        answers=answers,
        mean=answers.mean().to_numpy(),
        sd=answers.std().to_numpy(),
        moments=None,
        method=f" Polychoric correlations in two steps (Olsson, 1979).{pairs}",
        notes=(*moments.notes, note) if note else moments.notes,
    )


def _refuse_few_people(n: int, columns: int, who: str) -> None:
    if n <= columns:
        raise ValueError(
            f"factor analysis needs more people than items, got {n} {who} for {columns} "
            "items: use more people or fewer items"
        )


def _refuse_uncorrelated(correlations: Matrix, names: pd.Index) -> None:
    """Refuse correlations that are exactly zero, as of a balanced design: there is nothing for factors to explain."""
    linked = (np.abs(correlations) > _NOTHING).sum(axis=0) > 1
    if not linked.any():
        raise ValueError(
            "no two items correlate (all correlations are exactly 0, as in a balanced design): there is nothing that "
            "factors could explain; use answers of people"
        )
    if not linked.all():
        raise ValueError(
            f"{listed(names[~linked])} correlate{'s' if (~linked).sum() == 1 else ''} with no other item (exactly 0): "
            "leave out what shares nothing with the others (`items.drop(columns=…)`)"
        )


def _gap_notes(moments: Moments, *, nobody: bool) -> tuple[str, ...]:
    if not moments.share_missing:
        notes: tuple[str, ...] = ()
    else:
        percent = f"{moments.share_missing:.0%}" if moments.share_missing >= 0.01 else "Under 1%"
        notes = (
            f"{percent.replace('%', ' %')} of the answers were missing; moments by maximum likelihood (EM), which "
            "supposes that gaps depend on given answers alone (missing at random).",
        )
    if nobody:
        notes += ("Responses without an answer to any of these items are left out.",)
    return notes
