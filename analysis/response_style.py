"""Did the way of answering change? Facilitators and barriers that move the same way say so."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from analysis.result import Result

SAME_WAY = "moved the same way"
OPPOSITE_WAYS = "moved in opposite ways"
STYLE = "way of answering may have changed"
NO_SIGN = "no sign of a changed way of answering"
NOT_ENOUGH = "not enough answers"

_SENTENCES = {
    SAME_WAY: (
        "Agreement with facilitators and with barriers both {word}. People may have come to agree with more or fewer "
        "statements of any kind, or to feel more or less torn; this is not a change of integration."
    ),
    OPPOSITE_WAYS: "Facilitators and barriers moved in opposite ways, as they do when conditions change.",
    STYLE: (
        "People agree with {word} statements of any kind than before. A change of facilitators or of barriers alone may "
        "come from that; integration, which takes both, does not."
    ),
    NO_SIGN: "There is no clear sign that the way of answering has changed.",
    NOT_ENOUGH: "There are not enough answers to say whether the way of answering has changed.",
}


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ResponseStyle(Result):
    """Change of the indexes; ``table``, index ``score``: facilitators, barriers, acquiescence.

    Parameters
    ----------
    verdict : str
        "moved the same way", "moved in opposite ways", "way of answering may have changed", "no sign of a changed
        way of answering" or "not enough answers".
    sentence : str
        The verdict for a reader without statistics.
    """

    verdict: str
    sentence: str


def response_style(
    changes: pd.DataFrame,
    *,
    facilitators: str = "facilitator_index",
    barriers: str = "barrier_index",
    acquiescence: str = "acquiescence",
) -> ResponseStyle:
    """Judge from three changes whether the way of answering changed.

    Parameters
    ----------
    changes : pandas.DataFrame
        Index ``score``: estimate, ci_low, ci_high, as the table of `analysis.change.compare_waves`. The barrier
        index must be raw: high means more barriers.
    facilitators, barriers, acquiescence : str
        Names of the three scores.

    Returns
    -------
    ResponseStyle
        ``table``: estimate, ci_low, ci_high and direction ("up", "down", "not clear") of each.

    Raises
    ------
    ValueError
        If a score or column is not there.

    Notes
    -----
    The pair (facilitators, barriers) is a rotation of (balance, acquiescence): a person who agrees with every
    statement is high on both (Weijters, Baumgartner and Schillewaert, 2013, *Psychological Methods*, 18, 320–334).
    The rule, ours: both intervals leave out 0 on the same side, "moved the same way"; on opposite sides, "moved in
    opposite ways"; otherwise the interval of acquiescence leaves out 0, "may have changed". No sign is no proof: with
    few answers the intervals are wide.

    Examples
    --------
    >>> changes = pd.DataFrame(
    ...     {"estimate": [5.0, 4.0, 0.18], "ci_low": [2.0, 1.0, 0.08], "ci_high": [8.0, 7.0, 0.28]},
    ...     index=["facilitator_index", "barrier_index", "acquiescence"],
    ... )
    >>> response_style(changes).verdict
    'moved the same way'
    """
    names = [facilitators, barriers, acquiescence]
    lacking = [name for name in names if name not in changes.index]
    if lacking:
        raise ValueError(f"changes has no row for {', '.join(lacking)}: the way of answering is judged from all three")
    columns = ["estimate", "ci_low", "ci_high"]
    absent = [name for name in columns if name not in changes]
    if absent:
        raise ValueError(f"changes needs the columns estimate, ci_low and ci_high; missing: {', '.join(absent)}")
    table = changes.loc[names, columns].astype(float).rename_axis(index="score")
    up, down = table["ci_low"] > 0, table["ci_high"] < 0
    table["direction"] = np.select([up, down], ["up", "down"], default="not clear")
    table.loc[table[columns].isna().any(axis=1), "direction"] = NOT_ENOUGH
    verdict, word = _verdict(*table["direction"])
    return ResponseStyle(
        title="Way of answering",
        table=table,
        method=(
            "Facilitators and barriers are a rotation of balance and acquiescence (Weijters et al., 2013): where both "
            "changes have intervals on the same side of 0, or that of acquiescence leaves out 0, the way of answering may "
            "have changed (our rule)."
        ),
        notes=(
            "Acquiescence is in steps of the answers, the indexes in points of 100: one step is 25 points.",
            "No sign is not a proof of none: with few answers the intervals are wide.",
        ),
        verdict=verdict,
        sentence=_SENTENCES[verdict].format(word=word),
    )


def _verdict(facilitators: str, barriers: str, acquiescence: str) -> tuple[str, str]:
    if NOT_ENOUGH in (facilitators, barriers, acquiescence):
        return NOT_ENOUGH, ""
    clear = {"up", "down"}
    if facilitators in clear and barriers in clear:
        if facilitators == barriers:
            return SAME_WAY, "rose" if facilitators == "up" else "fell"
        if acquiescence not in clear:
            return OPPOSITE_WAYS, ""
    if acquiescence in clear:
        return STYLE, "more" if acquiescence == "up" else "fewer"
    return NO_SIGN, ""
