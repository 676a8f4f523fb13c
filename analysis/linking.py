"""Which answers before and after come from one person: exact links, never a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

# The answer that stands for "unknown" in an element of a self-made code.
UNKNOWN = "X"


@dataclass(frozen=True, kw_only=True, eq=False)
class ExactLinks:
    """Pairs of responses with the same key, and what became of every other response.

    Parameters
    ----------
    pairs : pandas.DataFrame
        Columns ``before`` and ``after``: the two response ids of each linked person.
    before, after : pandas.Series
        By response: ``"linked"``; ``"unmatched"``; ``"blank"`` (no usable key); ``"duplicate"`` (others of
        the same wave have the key too); ``"collision"`` (unique in its wave, but several in the other).
    """

    pairs: pd.DataFrame
    before: pd.Series
    after: pd.Series


def code_keys(people: pd.DataFrame, elements: Sequence[str], *, within: str | None = None) -> pd.Series:
    """Join the elements of a self-made code to one key, missing where the code cannot be used.

    Parameters
    ----------
    people : pandas.DataFrame
        Response × column; inner and outer spaces and capital letters do not count.
    elements : sequence of str
        Columns of the code, in order. All must be answered, none with "X" (unknown).
    within : str, optional
        A column, such as the organisation, in which codes are compared: it becomes part of the key, and
        a response without a value there has no usable code.

    Returns
    -------
    pandas.Series
        String, by response.

    Examples
    --------
    >>> people = pd.DataFrame({"code1": ["a", "B", "X", None], "code2": ["c ", "D", "E", "F"]})
    >>> code_keys(people, ["code1", "code2"]).fillna("cannot be used").str.replace("|", "").tolist()
    ['AC', 'BD', 'cannot be used', 'cannot be used']
    """
    nothing = pd.Series(pd.NA, index=people.index, dtype="string")
    if not elements or any(name not in people.columns for name in elements):
        return nothing
    parts = [people[name].astype("string").str.replace(r"\s+", "", regex=True).str.upper() for name in elements]
    parts = [part.mask(part.isin(["", UNKNOWN])) for part in parts]
    if within is not None:
        parts.insert(0, people[within].astype("string"))
    return parts[0].str.cat(parts[1:], sep="|") if len(parts) > 1 else parts[0]


def link_exactly(before: pd.Series, after: pd.Series) -> ExactLinks:
    """Link the responses whose key is the same, where it is the only one of its kind in both waves.

    Parameters
    ----------
    before, after : pandas.Series
        Key by response, missing where there is none; such as ``code_keys`` returns.

    Returns
    -------
    ExactLinks
        Duplicates, collisions and blanks are reported there and never linked.

    Notes
    -----
    Only step one of the usual rule (Yurek, Vasey and Sullivan Havens, 2008, *Evaluation Review*, 32,
    435–452): no link is made across a differing element.

    Examples
    --------
    >>> before = pd.Series(["AC", "BD", "BD", None], index=["b1", "b2", "b3", "b4"])
    >>> after = pd.Series(["AC", "BD", "EF"], index=["a1", "a2", "a3"])
    >>> links = link_exactly(before, after)
    >>> links.pairs.values.tolist(), links.before.tolist(), links.after.tolist()
    ([['b1', 'a1']], ['linked', 'duplicate', 'duplicate', 'blank'], ['linked', 'collision', 'unmatched'])
    """
    known = before.dropna(), after.dropna()
    once = [keys[~keys.duplicated(keep=False)] for keys in known]
    shared = once[0][once[0].isin(once[1])]
    partner = pd.Series(once[1].index, index=pd.Index(once[1]))
    pairs = pd.DataFrame({"before": shared.index, "after": partner.reindex(pd.Index(shared)).to_numpy()})
    return ExactLinks(
        pairs=pairs,
        before=_status(before, once[0], known[1], pairs["before"]),
        after=_status(after, once[1], known[0], pairs["after"]),
    )


def _status(keys: pd.Series, once: pd.Series, other: pd.Series, linked: pd.Series) -> pd.Series:
    is_once = keys.index.isin(once.index)
    cases = [keys.isna().to_numpy(), ~is_once, keys.index.isin(linked), keys.isin(other).to_numpy()]
    status = np.select(cases, ["blank", "duplicate", "linked", "collision"], default="unmatched")
    return pd.Series(status, index=keys.index, name="link")
