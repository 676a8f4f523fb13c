"""Planning: is a change as large as the detectable difference found as often as was promised."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from analysis.cluster_changes import cluster_changes
from analysis.overlapping import overlapping_samples
from analysis.planning import detectable_difference
from tests.simulations.counting import Condition, Draw, Measure, Promise

POWER = Promise(0.77, 0.83, "77 to 83 %")
SD, PERSON, CLUSTER = 18.0, 0.7, 0.8
_TEAMS = {"30-26": (30, 26, 15), "10-9": (10, 9, 4)}
_GROUPS = {"8": (8, 10, 0.0), "24": (24, 8, 0.0), "16-unequal": (16, 10, 0.6)}


def detectable(**known: Any) -> float:
    """Return the detectable difference as planning states it."""
    found = detectable_difference(sd=SD, person_autocorrelation=PERSON, cluster_autocorrelation=CLUSTER, **known)
    return float(found.table["estimate"].iloc[0])


def draw_team(rng: np.random.Generator, *, before: int, after: int, linked: int, effect: float) -> Draw:
    """One team, partly linked, everyone's score drawn; the test of one team."""
    first, second = rng.normal(size=before), rng.normal(size=after)
    second[:linked] = PERSON * first[:linked] + np.sqrt(1 - PERSON**2) * second[:linked]
    people = np.arange(before), np.append(np.arange(linked), np.arange(before, before + after - linked))
    found = overlapping_samples(
        pd.Series(SD * first, index=people[0]), pd.Series(SD * second + effect, index=people[1])
    )
    return {"power": float(found["ci_low"] > 0)}


def draw_group(
    rng: np.random.Generator, *, clusters: int, people: int, size_cv: float, icc: float, effect: float
) -> Draw:
    """Clusters with a drift of their own, half of the people linked; the test of clusters' changes."""
    relative = rng.gamma(1 / size_cv**2, size_cv**2, size=clusters) if size_cv else np.ones(clusters)
    sizes = np.maximum(np.rint(people * relative), 1).astype(int)
    team = np.repeat(np.arange(clusters), sizes)
    n = len(team)
    place = rng.normal(size=clusters)
    later = CLUSTER * place + np.sqrt(1 - CLUSTER**2) * rng.normal(size=clusters)
    own, new = rng.normal(size=(2, n))
    # Every other person is the same at both waves.
    same = np.arange(n) % 2 == 0
    new = np.where(same, PERSON * own + np.sqrt(1 - PERSON**2) * new, new)
    between, within = SD * np.sqrt(icc), SD * np.sqrt(1 - icc)
    scores = np.append(between * place[team] + within * own, between * later[team] + within * new + effect)
    person = np.append(np.arange(n), np.where(same, np.arange(n), n + np.arange(n)))
    rows = pd.DataFrame({"wave": np.repeat([0, 1], n), "person": person, "team": np.append(team, team)})
    found = cluster_changes(pd.Series(scores), rows, unit="team").contrasts.iloc[0]
    return {"power": float(found["ci_low"] > 0)}


def conditions() -> list[Condition]:
    measures = {"power": Measure("change found that is as large as the detectable difference at 80 %", "rate", POWER)}
    found = []
    for name, (before, after, linked) in _TEAMS.items():
        effect = detectable(n_before=before, n_after=after, n_linked=linked)
        found.append(
            Condition(
                name=f"planning-team-{name}",
                family="planning",
                words=f"one team, {linked} people linked, a true change of {effect:.1f} points",
                n=f"{before} and {after}",
                draws=2000,
                measures=measures,
                draw=partial(draw_team, before=before, after=after, linked=linked, effect=effect),
            )
        )
    for name, (clusters, people, size_cv) in _GROUPS.items():
        effect = detectable(
            n_before=clusters * people,
            linked=0.5,
            design="one group",
            clusters=clusters,
            icc=0.08,
            size_cv=size_cv,
        )
        found.append(
            Condition(
                name=f"planning-group-{name}",
                family="planning",
                words=f"{clusters} teams{' of unequal size' if size_cv else ''}, half of the people linked, "
                f"a true change of {effect:.1f} points",
                n=f"{clusters * people} a wave",
                draws=2000,
                measures=measures,
                draw=partial(draw_group, clusters=clusters, people=people, size_cv=size_cv, icc=0.08, effect=effect),
            )
        )
    return found
