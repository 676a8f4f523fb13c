"""Who speaks: peer workers, colleagues or managers, by the form that they filled in."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from analysis.alignment import same_responses
from analysis.means import widest_clusters
from instrument.definition import Instrument
from instrument.responses import Responses

Who = Literal["peers", "colleagues", "managers"]

FEWEST_CLUSTERS = 10
"""With fewer an interval that allows for clusters says next to nothing; as in `analysis.means`."""


def viewpoint(responses: Responses) -> pd.Series:
    """Return the full form of each response: who filled in a short form counts with those of the full one.

    Parameters
    ----------
    responses : Responses

    Returns
    -------
    pandas.Series
        By response, categories in the order of the definition; only forms that occur. One category, "all",
        where the definition has no forms.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> viewpoint(read_responses("sample_data/baseline.csv", read_instrument("pwiq"))).cat.categories.tolist()
    ['P', 'C', 'M']
    """
    instrument, people = responses.instrument, responses.people
    if not instrument.forms:
        return pd.Series("all", index=people.index, name="form", dtype="category")
    full = {form.id: form.short_of or form.id for form in instrument.forms}
    of_each = people["form"].astype(object).map(full)
    present = set(of_each)
    kinds = pd.CategoricalDtype([name for name in instrument.full_forms if name in present])
    return of_each.astype(kinds).rename("form")


def merged_groups(strata: pd.Series, responses: Responses) -> pd.Series:
    """Check groups of responses that were given instead of the forms.

    Raises
    ------
    ValueError
        If ``strata`` is not about these responses, or has no group at all.
    """
    strata = same_responses(strata, responses.people.index, "strata", one_column=True)
    if strata.isna().all():
        raise ValueError("strata has no group at all: give one for each response")
    return strata.astype(object).astype("category")


def form_of(instrument: Instrument, who: Who) -> str | None:
    """Return the full form that they fill in, or None where the definition does not say."""
    forms = [name for name in instrument.forms_of(who) if name in instrument.full_forms]
    return forms[0] if forms else None


def clusters_of(responses: Responses) -> pd.Series | None:
    """Return the clusters that an interval can allow for: the widest of which there are ten, else None."""
    cluster = widest_clusters(responses.people)
    return cluster if cluster is not None and cluster.nunique() >= FEWEST_CLUSTERS else None


def independence_note(responses: Responses) -> str:
    """Return what to know of intervals that take people as independent."""
    cluster = widest_clusters(responses.people)
    if cluster is None:
        return "Teams are not known: intervals take people as independent."
    return (
        f"There are fewer than {FEWEST_CLUSTERS} {cluster.name}s, so intervals take people as independent: they are about "
        f"these {cluster.name}s on this date, not about {cluster.name}s like them."
    )


def check_one_wave(responses: Responses) -> None:
    """Refuse answers of several waves at once: the same people would count twice."""
    waves = sorted(responses.people["wave"].unique().tolist())
    if len(waves) != 1:
        raise ValueError(
            f"one wave is needed, got {', '.join(map(str, waves)) or 'none'}: take one of split_waves(responses)"
        )
