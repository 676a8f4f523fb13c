"""Several tests at once: p values adjusted so that the chance of any false alarm stays what was agreed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd


def holm(p: pd.Series) -> pd.Series:
    """Adjust p values by Holm's (1979) step-down method.

    Parameters
    ----------
    p : pandas.Series
        Of one family of tests; missing values are no tests.

    Returns
    -------
    pandas.Series
        On the same index, at most 1, missing where ``p`` is.

    Examples
    --------
    >>> import pandas as pd
    >>> holm(pd.Series({"a": 0.01, "b": 0.04, "c": 0.03})).to_dict()
    {'a': 0.03, 'b': 0.06, 'c': 0.06}
    """
    adjusted: Any = np.full(len(p), np.nan)
    values = p.to_numpy(dtype=float, na_value=np.nan)
    tests = np.flatnonzero(~np.isnan(values))
    order = tests[np.argsort(values[tests], kind="stable")]
    steps = np.arange(order.size, 0, -1)
    adjusted[order] = np.minimum(np.maximum.accumulate(values[order] * steps), 1.0)
    return pd.Series(adjusted, index=p.index, name=p.name)
