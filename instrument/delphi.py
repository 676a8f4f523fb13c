"""Rounds of a Delphi panel compared by a rule that was stated before: which items are settled, which are asked again."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from instrument.content_indices import reaches
from instrument.validity import RELEVANT, checked_ratings

AGREED = "agreed"
STABLE = "stable without agreement"
AGAIN = "next round"
ENDED = "rounds used up"


@dataclass(frozen=True, kw_only=True)
class DelphiRule:
    """When a panel stops asking about an item. State it before the first round and keep it.

    Parameters
    ----------
    agreement : float
        Share of the experts that rates the item 3 or 4, at least, read to two decimals.
    moved : float
        Answers are stable if at most this share of the experts gave another rating than in the round before (15 % in
        Scheibe, Skutsch & Schofer, 1975), and
    shift : float
        the median and the interquartile range changed by at most this much.
    rounds : int
        Most rounds.
    fewest : int
        An item is judged only if so many experts rated it.
    needs_stability : bool
        Whether agreement must also be stable, so that no item is settled in round 1 (Dajani, Sincoff & Talley, 1979).

    Examples
    --------
    >>> DelphiRule(agreement=0.8, rounds=2).sentence[:67]
    'An item is agreed when at least 80 % of the experts rate it 3 or 4.'
    """

    agreement: float = 0.78
    moved: float = 0.15
    shift: float = 0.5
    rounds: int = 3
    fewest: int = 5
    needs_stability: bool = False

    def __post_init__(self) -> None:
        """Refuse a rule that could never or always hold."""
        if not 0.5 < self.agreement <= 1:
            raise ValueError(f"agreement must be above 0.5 and at most 1; got {self.agreement}")
        if not 0 <= self.moved < 1:
            raise ValueError(f"moved must be from 0 to below 1; got {self.moved}")
        if self.shift < 0:
            raise ValueError(f"shift must be 0 or more points of the rating scale; got {self.shift}")
        if self.rounds < 1 or self.fewest < 1:
            raise ValueError(f"rounds and fewest must be 1 or more; got {self.rounds} and {self.fewest}")
        if self.needs_stability and self.rounds < 2:
            raise ValueError("needs_stability asks for 2 rounds or more: stability is seen between rounds")

    @property
    def sentence(self) -> str:
        """The rule in words, as it belongs into the plan of the panel."""
        alone = "and stable" if self.needs_stability else "whether or not answers still move"
        return (
            f"An item is agreed when at least {100 * self.agreement:g} % of the experts rate it 3 or 4. It is stable when "
            f"at most {100 * self.moved:g} % of the experts who rated it in both rounds changed their rating (Scheibe, Skutsch "
            f"& Schofer, 1975) and its median and interquartile range moved by at most {self.shift:g}. It is asked no more "
            f"when it is agreed ({alone}), when it is stable without agreement, or after round {self.rounds}; it is judged "
            f"only when {self.fewest} or more experts rated it."
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class DelphiRound:
    """What a round settled.

    Parameters
    ----------
    items : pandas.DataFrame
        Index ``item``; see `judge_round`.
    again : tuple of str
        Items for the next round, in the order of the ratings.
    method, notes
        The rule in words; what to know before reading.
    """

    items: pd.DataFrame
    again: tuple[str, ...]
    method: str
    notes: tuple[str, ...]


def judge_round(
    ratings: pd.DataFrame,
    *,
    rule: DelphiRule,
    number: int,
    earlier: pd.DataFrame | None = None,
    revised: Collection[str] = (),
) -> DelphiRound:
    """Judge the items of one round and compare it with the round before.

    Parameters
    ----------
    ratings : pandas.DataFrame
        Expert × item of this round; as for `content_validity`.
    rule : DelphiRule
    number : int
        Number of this round.
    earlier : pandas.DataFrame, optional
        The round before: the same experts under the same codes.
    revised : collection of str
        Items whose text changed since: they count as new, and are not compared.

    Returns
    -------
    DelphiRound
        ``items`` has ``raters``, ``agreement``, ``median``, ``iqr``, and against the round before ``agreement_before``,
        ``median_before``, ``iqr_before`` (of all who rated it then), ``both`` (experts who rated it twice), ``moved``
        (share of them that changed) and ``stable`` (missing where there is nothing to compare), and ``verdict``.

    Raises
    ------
    ValueError
        If a rating is not 1–4, or the number of the round and `earlier` do not fit.

    Examples
    --------
    >>> first = pd.DataFrame({"a": [4, 4, 4, 3, 4], "b": [1, 2, 3, 4, 2]})
    >>> judge_round(first, rule=DelphiRule(), number=1).again
    ('b',)
    """
    if number < 1 or (number == 1 and earlier is not None):
        raise ValueError(f"rounds count from 1, and round 1 has no earlier one; got round {number}")
    now = checked_ratings(ratings)
    before = None if earlier is None else checked_ratings(earlier)
    rows = {}
    for name in now.columns:
        comparable = before is not None and name in before.columns and name not in set(revised)
        rows[name] = _judged(now[name], before[name] if before is not None and comparable else None, rule, number)
    items = pd.DataFrame.from_dict(rows, orient="index").rename_axis("item").astype({"stable": "boolean"})
    notes = []
    if before is not None:
        left, new = len(before.index.difference(now.index)), len(now.index.difference(before.index))
        if left or new:
            notes.append(
                f"Experts of the round before who did not take part: {left}; new ones: {new}. Who moved is seen in the others."
            )
    if changed := [name for name in now.columns if name in set(revised)]:
        notes.append(f"Revised since the round before, so rated as new: {', '.join(changed)}.")
    again = tuple(items.index[items["verdict"] == AGAIN])
    return DelphiRound(items=items, again=again, method=rule.sentence, notes=tuple(notes))


def _judged(now: pd.Series, before: pd.Series | None, rule: DelphiRule, number: int) -> dict[str, object]:
    row: dict[str, object] = _summary(now, "")
    stable: bool | None = None
    row |= {"both": 0, "moved": np.nan} | _summary(now.iloc[:0], "_before")
    row.pop("raters_before")
    if before is not None:
        past = _summary(before, "_before")
        pair = pd.concat([now, before], axis=1, join="inner").dropna()
        moved = float((pair.iloc[:, 0] != pair.iloc[:, 1]).mean()) if len(pair) else np.nan
        row |= {key: value for key, value in past.items() if key != "raters_before"}
        row |= {"both": len(pair), "moved": moved}
        if len(pair) >= rule.fewest:
            shifts = [abs(float(row[key]) - float(past[f"{key}_before"])) for key in ("median", "iqr")]  # type: ignore[arg-type]
            stable = moved <= rule.moved + 1e-12 and max(shifts) <= rule.shift + 1e-12
    raters, agreeing = int(now.notna().sum()), int((now >= RELEVANT).sum())
    agreed = raters >= rule.fewest and reaches(agreeing, raters, rule.agreement)
    if agreed and (stable or not rule.needs_stability):
        verdict = AGREED
    elif stable:
        verdict = STABLE
    else:
        verdict = ENDED if number >= rule.rounds else AGAIN
    return row | {"stable": stable, "verdict": verdict}


def _summary(ratings: pd.Series, suffix: str) -> dict[str, object]:
    rated = ratings.dropna()
    q1, median, q3 = np.percentile(rated, [25, 50, 75]) if len(rated) else (np.nan, np.nan, np.nan)
    return {
        f"raters{suffix}": len(rated),
        f"agreement{suffix}": float((rated >= RELEVANT).mean()) if len(rated) else np.nan,
        f"median{suffix}": float(median),
        f"iqr{suffix}": float(q3 - q1),
    }
