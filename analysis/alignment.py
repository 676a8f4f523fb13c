"""Are two tables about the same responses: values put in the order of an index, or refused."""

from __future__ import annotations

from typing import TypeVar

import pandas as pd

Values = TypeVar("Values", pd.Series, pd.DataFrame)


def same_responses(given: Values, index: pd.Index, what: str, *, one_column: bool = False) -> Values:
    """Put values in the order of an index of responses.

    Parameters
    ----------
    given : pandas.Series or DataFrame
        By response, in any order.
    index : pandas.Index
        Of the scores that they belong to.
    what : str
        What the values are, for the message.
    one_column : bool
        Whether a DataFrame is refused.

    Returns
    -------
    pandas.Series or DataFrame
        The same values on ``index``.

    Raises
    ------
    ValueError
        If values are not in a Series (or DataFrame), labels repeat, or not each response of the scores is there,
        and no other.

    Examples
    --------
    >>> import pandas as pd
    >>> teams = pd.Series({"r2": "north", "r1": "south"})
    >>> same_responses(teams, pd.Index(["r1", "r2"]), "teams").tolist()
    ['south', 'north']
    """
    if not isinstance(given, pd.Series if one_column else pd.Series | pd.DataFrame):
        raise ValueError(
            f"{what} must be a Series with the same index as the scores, one value for each response; got "
            f"{type(given).__name__}: take it from the frame of the scores, or give it their index"
        )
    for whose, labels in (("the scores", index), (what, given.index)):
        if not labels.is_unique:
            repeated = labels[labels.duplicated()].unique()
            raise ValueError(
                f"labels repeat in the index of {whose} ({', '.join(map(str, repeated[:5]))}"
                f"{', …' if len(repeated) > 5 else ''}): give each response a label of its own"
            )
    if set(given.index) != set(index):
        raise ValueError(
            f"{what} must have the index of the scores, each response once: {len(index)} responses in the scores, "
            f"{len(given)} in {what}, {int(index.isin(given.index).sum())} of them shared"
        )
    return given.reindex(index)
