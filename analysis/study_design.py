"""The design that answers have, as far as planning needs it: how many, in which clusters, and how they vary before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from analysis.mixed import fit_mixed
from analysis.power_numbers import Design

_FEWEST = 2
# With fewer clusters their variance cannot be judged (Gelman and Hill, 2007, section 12.9).
_FEWEST_CLUSTERS = 5


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyDesign:
    """The design that a set of answers has: what `detectable_difference` and `power` are to be given.

    Parameters
    ----------
    design : {"one team", "one group", "two arms"}
    n_before, n_after, n_linked : int or None
        Answers with a score, and people with one at both waves; None: not known yet.
    clusters : int, (int, int) or None
        Clusters with answers before: of the one group, or of programme and control.
    cluster : str
        What they are called (``"organisation"``); empty without.
    size_cv : float
        Standard deviation of the clusters' sizes over their mean.
    sd : float
        Of the score before, in its unit: within forms where there are several.
    icc : float or None
        Share of the variance before that lies between clusters.
    forms : mapping
        Form → share of the answers before; empty where forms are not told apart.
    person_autocorrelation : float or None
        Correlation of linked people's two scores, where there are at least 30.
    notes : tuple of str
    """

    design: Design
    n_before: int
    n_after: int | None
    n_linked: int | None
    clusters: int | tuple[int, int] | None
    cluster: str
    size_cv: float
    sd: float
    icc: float | None
    forms: Mapping[str, float]
    person_autocorrelation: float | None
    notes: tuple[str, ...]

    @property
    def keywords(self) -> dict[str, Any]:
        """What is known, as keywords of `detectable_difference` and `power`."""
        names = ("design", "n_before", "n_after", "n_linked", "clusters", "size_cv", "sd", "icc")
        known = {name: getattr(self, name) for name in names}
        known["forms"] = dict(self.forms) or None
        return {name: value for name, value in known.items() if value is not None}


def design_of(values: pd.Series, rows: pd.DataFrame) -> StudyDesign:
    """Return the design that answers have: how many, in which clusters, and how they vary before.

    Parameters
    ----------
    values : pandas.Series
        A score by response; missing ones are left out.
    rows : pandas.DataFrame
        Same index, the columns of ``ScoredWaves.rows``: ``wave`` (0 before, 1 after; without it all are before),
        ``person``, ``form``, ``organisation``, ``team``, ``programme``, as far as there are any.

    Returns
    -------
    StudyDesign
        ``detectable_difference(**found.keywords)`` says what can be seen with these numbers.

    Raises
    ------
    ValueError
        If fewer than two responses before have a score, or all have the same.

    Notes
    -----
    Clusters are organisations, else teams, of which there are at least five (in two arms, two in each). The
    intraclass correlation is from a mixed model by restricted maximum likelihood with the forms as fixed effects
    and random intercepts for organisation and team. Teams within organisations count towards it by Σ(mₜ/m)², the
    weight that their variance has in an organisation's mean. It is of one wave, and with few clusters it is
    a rough figure: look at other values beside it.

    Examples
    --------
    >>> rows = pd.DataFrame({"team": np.repeat(list("abcdef"), 4)})
    >>> score = pd.Series(np.tile([40.0, 55, 65, 80], 6) + np.repeat([-20.0, -10, 0, 0, 10, 20], 4))
    >>> found = design_of(score, rows)
    >>> found.design, found.clusters, found.n_before, round(found.sd), round(found.icc, 2)
    ('one group', 6, 24, 20, 0.31)
    """
    if not values.index.equals(rows.index):
        raise ValueError(f"values and rows need the same index, got {len(values)} and {len(rows)} rows")
    known = values.dropna().astype(float)
    rows = rows.loc[known.index]
    is_after = (rows["wave"] == 1) if "wave" in rows else pd.Series(False, index=rows.index)
    before = known[~is_after]
    if len(before) < _FEWEST or before.nunique() < _FEWEST:
        raise ValueError(
            f"at least two different scores before are needed to see how much people differ, got {before.nunique()} "
            "different; give sd= from a larger study instead"
        )
    first = rows.loc[before.index]
    notes: list[str] = []
    shares = _form_shares(first, notes)
    cluster, clusters = _clusters(first)
    groups = pd.DataFrame(index=first.index)
    if cluster:
        inner = ["team"] if cluster == "organisation" and "team" in first and first["team"].notna().all() else []
        groups = first[[cluster, *inner]].astype(str)
    spread, between = _variances(before, first["form"] if shares else None, groups, notes)
    sizes = first.groupby(cluster).size() if cluster else pd.Series([len(first)])
    people = rows["person"] if "person" in rows else pd.Series(rows.index, index=rows.index)
    pairs = _pairs(known, people, is_after)
    return StudyDesign(
        design="one team" if clusters is None else "two arms" if isinstance(clusters, tuple) else "one group",
        n_before=len(before),
        n_after=int(is_after.sum()) or None,
        n_linked=len(pairs) if is_after.any() else None,
        clusters=clusters,
        cluster=cluster,
        size_cv=float(sizes.std() / sizes.mean()) if cluster else 0.0,
        sd=float(np.sqrt(spread)),
        icc=between / spread if cluster else None,
        forms=shares,
        person_autocorrelation=float(pairs.corr().iloc[0, 1]) if len(pairs) >= 30 else None,
        notes=tuple(notes),
    )


def _form_shares(first: pd.DataFrame, notes: list[str]) -> dict[str, float]:
    if "form" not in first or first["form"].nunique() < 2:
        return {}
    counts = first["form"].value_counts().sort_index()
    if counts.min() < _FEWEST:
        notes.append("A form has fewer than two answers before: forms were taken together.")
        return {}
    return {str(form): float(share) for form, share in (counts / counts.sum()).items()}


def _clusters(first: pd.DataFrame) -> tuple[str, int | tuple[int, int] | None]:
    """Return the widest clusters that there are enough of, and how many."""
    arms = "programme" in first and first["programme"].dropna().nunique() == 2
    for name in ("organisation", "team"):
        if name not in first or first[name].isna().any():
            continue
        if arms:
            counts = first.groupby("programme")[name].nunique()
            if counts.min() >= _FEWEST:
                return name, (int(counts.loc[1]), int(counts.loc[0]))
        elif first[name].nunique() >= _FEWEST_CLUSTERS:
            return name, int(first[name].nunique())
    return "", None


def _variances(
    values: pd.Series, form: pd.Series | None, groups: pd.DataFrame, notes: list[str]
) -> tuple[float, float]:
    """Return the variance of scores within forms, and how much of it lies between clusters."""
    design = pd.DataFrame({"intercept": 1.0}, index=values.index)
    if form is not None:
        for name in sorted(form.unique())[1:]:
            design[f"form {name}"] = (form == name).astype(float)
    if groups.empty or not groups.shape[1]:
        residual = values - design @ np.linalg.lstsq(design.to_numpy(), values.to_numpy())[0]
        return float(residual @ residual / (len(values) - design.shape[1])), 0.0
    fit = fit_mixed(values, design, groups)
    total, between = float(fit.variances.sum()), 0.0
    outer = groups.columns[0]
    for name in fit.variances.index[:-1]:
        weight = 1.0
        if name != outer:
            by_team = groups.groupby([outer, name]).size()
            shares = by_team / by_team.groupby(level=0).transform("sum")
            weight = float((shares**2).groupby(level=0).sum().mean())
        between += weight * float(fit.variances[name])
    if between == 0:
        notes.append(
            f"No variance between {outer}s was found; few of them cannot show that there is none: look at icc=.05 beside it."
        )
    return total, between


def _pairs(values: pd.Series, people: pd.Series, is_after: pd.Series) -> pd.DataFrame:
    """Return the two scores of everyone who has both."""
    waves = [pd.Series(values[part].to_numpy(), index=people[part].to_numpy()) for part in (~is_after, is_after)]
    return pd.concat(waves, axis=1, join="inner")
