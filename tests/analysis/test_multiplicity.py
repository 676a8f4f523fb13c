"""P values of several tests at once."""

import numpy as np
import pandas as pd
from statsmodels.stats.multitest import multipletests

from analysis.multiplicity import holm


def test_holm_is_that_of_statsmodels():
    rng = np.random.default_rng(1)
    for tests in range(1, 30):
        # Rounded, so that some are tied, 0 or 1.
        p = np.round(rng.uniform(size=tests) ** 2, 1)
        np.testing.assert_allclose(holm(pd.Series(p)), multipletests(p, method="holm")[1], atol=1e-12)


def test_missing_values_are_no_tests():
    p = pd.Series({"first": np.nan, "second": 0.04, "third": 0.01}, name="p")
    adjusted = holm(p)
    assert adjusted.index.tolist() == ["first", "second", "third"]
    assert adjusted.name == "p"
    np.testing.assert_allclose(adjusted, [np.nan, 0.04, 0.02])
    assert holm(pd.Series([np.nan, np.nan])).isna().all()


def test_an_adjusted_p_is_never_smaller_than_one_before_it():
    np.testing.assert_allclose(holm(pd.Series([0.03, 0.02, 0.9])), [0.06, 0.06, 0.9])
    assert holm(pd.Series([0.6, 0.7])).max() == 1.0
