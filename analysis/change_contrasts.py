"""What is asked of one score's change, whichever test answers it: of whom, which contrasts, with what columns."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from scipy import stats

CHANGE, PROGRAMME = "change", "programme − control"
ARMS = {"programme": 1.0, "control": 0.0}
COUNTS = ["n_before", "n_after", "n_linked"]
TEST = ["estimate", "se", "df", "ci_low", "ci_high", "statistic", "p"]
EFFECT = ["effect_size", "effect_low", "effect_high"]
# A form or an arm enters where at least so many of its answers were scored at both waves.
FEWEST = 2
# With fewer clusters their variance cannot be judged (Gelman and Hill, 2007, section 12.9).
FEWEST_CLUSTERS = 5
LEVEL = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class ChangeModel:
    """The change of one score by one of the tests.

    Parameters
    ----------
    contrasts : pandas.DataFrame
        ``"change"`` and, where there are two arms, ``"programme − control"``, ``"programme"``, ``"control"``:
        n_before, n_after, n_linked, estimate, se, df, ci_low, ci_high, statistic, p, effect_size,
        effect_low, effect_high.
    notes : tuple of str
    """

    contrasts: pd.DataFrame
    notes: tuple[str, ...]


def scored_rows(values: pd.Series, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that have a value, the wave as a number; without those whose arm is unknown."""
    used = rows.loc[values.notna().to_numpy()].copy()
    used["wave"] = used["wave"].astype(float)
    return used[used["programme"].notna()] if "programme" in used else used


def with_common_forms(used: pd.DataFrame, notes: list[str], *, each_arm: bool = False) -> tuple[pd.DataFrame, bool]:
    """Keep the forms that both waves have (in each arm); without any, keep everyone and leave the form out."""
    if "form" not in used or used["form"].nunique() < 2:
        return used, False
    within = ["wave", "programme"] if each_arm else ["wave"]
    cells = pd.MultiIndex.from_product([[0.0, 1.0], [0.0, 1.0]][: len(within)], names=within)
    counts = used.groupby(["form", *within]).size().unstack(within, fill_value=0)
    counts = counts.reindex(columns=cells if each_arm else [0.0, 1.0], fill_value=0)
    common = counts.index[(counts >= FEWEST).all(axis=1)]
    where = "both waves of both arms" if each_arm else "both waves"
    if not len(common):
        notes.append(
            f"no form has two answers in {where}, so that the forms were taken together: "
            "a changed mix of people may read as change"
        )
        return used, False
    kept = used[used["form"].isin(common)]
    if len(kept) < len(used):
        rest = ", ".join(str(form) for form in counts.index.difference(common))
        notes.append(f"form {rest} was left out: at least two of its answers are needed in {where}")
    return kept, len(common) > 1


def require_two(wave: pd.Series) -> None:
    """Refuse a wave without two scored answers."""
    if min((wave == 0).sum(), (wave == 1).sum()) < FEWEST:
        raise ValueError("at least two scored answers are needed in each wave, there are fewer")


def arms_have_clusters(used: pd.DataFrame, notes: list[str]) -> bool:
    """Tell whether each arm has two clusters (organisation, else team, else person) at both waves."""
    cluster = next(name for name in ("organisation", "team", "person") if name in used)
    clusters = used.groupby(["wave", "programme"])[cluster].nunique()
    enough = len(clusters) == 4 and bool((clusters >= FEWEST).all())
    if not enough:
        notes.append(
            f"the arms were not compared: each needs at least two clusters ({cluster}) in both waves, as one "
            "that changes by itself cannot be told from the programme"
        )
    return enough


def of_arm(used: pd.DataFrame, name: str) -> pd.DataFrame:
    """Return the rows of an arm, all of them for the other contrasts."""
    return used[used["programme"] == ARMS[name]] if name in ARMS else used


def counts_of(used: pd.DataFrame) -> dict[str, int]:
    """Return how many answers there are before and after, and how many people gave both."""
    return {
        "n_before": int((used["wave"] == 0).sum()),
        "n_after": int((used["wave"] == 1).sum()),
        "n_linked": int(used["person"].duplicated().sum()),
    }


def t_tests(estimate: pd.Series, se: pd.Series, df: pd.Series) -> pd.DataFrame:
    """Return the t tests and their 95 % intervals."""
    statistic = estimate / se
    half = stats.t.ppf(1 - LEVEL / 2, df) * se
    p = pd.Series(2 * stats.t.sf(statistic.abs(), df), index=estimate.index)
    columns = [estimate, se, df, estimate - half, estimate + half, statistic, p]
    return pd.DataFrame(dict(zip(TEST, columns, strict=True)))


def change_of(values: pd.Series, used: pd.DataFrame, table: pd.DataFrame, notes: list[str]) -> ChangeModel:
    """Put the counts before the tests of the contrasts and the effect sizes after them."""
    counts = pd.DataFrame({name: counts_of(of_arm(used, name)) for name in table.index}).T
    sd = float(values.loc[used.index[used["wave"] == 0]].std())
    effect = table[["estimate", "ci_low", "ci_high"]].set_axis(EFFECT, axis=1) / (sd if sd > 0 else np.nan)
    return ChangeModel(contrasts=pd.concat([counts, table[TEST], effect], axis=1), notes=tuple(notes))
