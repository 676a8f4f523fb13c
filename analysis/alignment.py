"""Are two tables about the same responses: values put in the order of an index, or refused."""

from __future__ import annotations

from typing import TypeVar

import pandas as pd

Values = TypeVar("Values", pd.Series, pd.DataFrame)


def same_responses(given: Values, index: pd.Index, what: str) -> Values:
    """Put values in the order of an index of responses.

    Parameters
    ----------
    given : pandas.Series or DataFrame
        By response, in any order.
    index : pandas.Index
        Of the scores that they belong to.
    what : str
        What the values are, for the message.

    Returns
    -------
    pandas.Series or DataFrame
        The same values on ``index``.

    Raises
    ------
    ValueError
        If not each response of the scores is there once, and no other.

    Examples
    --------
    >>> import pandas as pd
    >>> teams = pd.Series({"r2": "north", "r1": "south"})
    >>> same_responses(teams, pd.Index(["r1", "r2"]), "teams").tolist()
    ['south', 'north']
    """
    if not index.is_unique or not given.index.is_unique or set(given.index) != set(index):
        raise ValueError(
            f"{what} must have the index of the scores, each response once: {len(index)} responses in the scores, "
            f"{len(given)} in {what}, {int(index.isin(given.index).sum())} of them shared"
        )
    return given.reindex(index)
