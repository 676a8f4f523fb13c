"""The Python libraries that users of this package have beside it must say the same, where they are right.

A second opinion next to R's. What they get wrong (`factor_analyzer` after an oblique rotation, rounded intervals
of `pingouin`) is not compared.
"""

from __future__ import annotations

import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from analysis import cronbach_alpha, exploratory, retest, suitability


@pytest.fixture(scope="module")
def bfi(root: Path) -> pd.DataFrame:
    return pd.read_csv(root / "tests" / "oracles" / "data" / "bfi.csv").dropna()


def test_alpha_is_pingouins(bfi: pd.DataFrame, agrees: Any) -> None:
    import pingouin

    for letter in "ACENO":
        items = bfi.filter(like=letter)
        agrees(
            "Cronbach's alpha",
            cronbach_alpha(items),
            pingouin.cronbach_alpha(items)[0],
            oracle=f"pingouin {version('pingouin')}",
            absolute=1e-12,
        )


def test_intraclass_correlations_are_pingouins(bfi: pd.DataFrame, agrees: Any) -> None:
    import pingouin

    scores = bfi[["N1", "N2"]].head(200).set_axis(["first", "second"], axis=1).rename_axis("person")
    long = scores.reset_index().melt(id_vars="person", var_name="time", value_name="score")
    with warnings.catch_warnings():
        # pingouin builds its table in a way that pandas 4 will not know.
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", category=FutureWarning)
        theirs = pingouin.intraclass_corr(data=long, targets="person", raters="time", ratings="score")
    theirs = theirs.set_index("Type")
    ours = retest(scores).table["estimate"]
    agrees(
        "intraclass correlations",
        ours[["icc_one_way", "icc_agreement", "icc_consistency"]],
        theirs.iloc[:3]["ICC"],
        oracle=f"pingouin {version('pingouin')}",
        absolute=1e-12,
    )


def test_suitability_is_factor_analyzers(bfi: pd.DataFrame, agrees: Any) -> None:
    from factor_analyzer import calculate_bartlett_sphericity, calculate_kmo

    ours = suitability(bfi)
    oracle = f"factor-analyzer {version('factor-analyzer')}"
    by_item, overall = calculate_kmo(bfi)
    agrees("KMO", ours.table.loc["kmo", "estimate"], overall, oracle=oracle, absolute=1e-10)
    agrees("measure of sampling adequacy", ours.items["estimate"], by_item, oracle=oracle, absolute=1e-10)
    statistic, _ = calculate_bartlett_sphericity(bfi)
    agrees("Bartlett's chi-square", ours.table.loc["bartlett", "statistic"], statistic, oracle=oracle, relative=1e-10)


@pytest.mark.parametrize("method", ["minres", "ml"])
def test_unrotated_loadings_are_factor_analyzers(bfi: pd.DataFrame, method: Any, agrees: Any) -> None:
    from factor_analyzer import FactorAnalyzer

    model = FactorAnalyzer(5, rotation=None, method=method)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="'force_all_finite' was renamed")
        model.fit(bfi)
    ours = exploratory(bfi, n_factors=5, method=method, rotation="none").loadings
    # Its optimiser (L-BFGS-B, default tolerance) stops early: communalities are compared, which no rotation or sign
    # within the five factors can change.
    agrees(
        f"communalities, {method}",
        (ours**2).sum(axis=1),
        np.sum(model.loadings_**2, axis=1),
        oracle=f"factor-analyzer {version('factor-analyzer')}",
        absolute=2e-4,
    )


def test_principal_axes_are_statsmodels(bfi: pd.DataFrame, agrees: Any) -> None:
    from statsmodels.multivariate.factor import Factor

    theirs = Factor(bfi, n_factor=5, method="pa").fit(maxiter=5000, tol=1e-12)
    ours = exploratory(bfi, n_factors=5, method="principal_axis", rotation="none").communalities
    agrees(
        "communalities, principal axes",
        ours,
        theirs.communality,
        oracle=f"statsmodels {version('statsmodels')}",
        absolute=1e-6,
    )
