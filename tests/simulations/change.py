"""Change between waves: what is said where nothing changed, and how often intervals hold the truth.

What is called better or worse is what `compare_waves` calls so: its primary test, chosen by its rule. The test of clusters
is run on arrays, without tables; tests/simulations/test_simulations.py holds the two ways together.

Scores are drawn directly, in points of 100. Variances (share of the total): organisation .07, organisation × wave
.015, team .06, team × wave .02, person .56, occasion .275, and measurement error of a tenth on top. Those who are
not linked are other people, which is the hard case for a test: the same people unlinked make it cautious.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats

from analysis.change_contrasts import CHANGE, PROGRAMME
from analysis.change_model import change_model
from analysis.cluster_changes import cells_of, cluster_robust
from analysis.mixed import contrast, fit_mixed
from analysis.multiplicity import holm
from analysis.overlapping import overlapping_change
from analysis.primary_change import CLUSTERS, PrimaryTest, primary_change, primary_test
from analysis.verdicts import SMALLEST
from tests.simulations.counting import COVERAGE, Condition, Draw, Measure, Promise, covered

Numbers = NDArray[np.floating[Any]]
Whole = NDArray[np.integer[Any]]

SD = 15.0
ORGANISATION, ORGANISATION_WAVE, TEAM, TEAM_WAVE, PERSON, OCCASION, ERROR = 0.07, 0.015, 0.06, 0.02, 0.56, 0.275, 0.1
FORMS, SHARES, LEVELS = np.array(["C", "M", "P"]), (0.7, 0.15, 0.15), {"C": 0.0, "M": 0.4, "P": -0.2}
TEAM_SIZE = 15
SUBSCALES = 11
RELIABILITY = 0.8
# The share of a subscale's variance, in each component, that all subscales have in common.
COMMON = 0.5

AT_MOST_5 = Promise(0.0, 0.05, "at most 5 %")
WITHOUT_TEAM_WAVE = Promise(0.08, 0.13, "8 to 13 %, as the issue states")


@dataclass(frozen=True)
class Design:
    """How many teams, in how many organisations, and how many of those who answer after answered before."""

    teams: int
    organisations: int | None
    linked: float
    arms: bool = False
    forms: bool = True
    size: int = TEAM_SIZE
    effect: float = 0.0
    uneven: bool = False


@dataclass(frozen=True)
class Answers:
    """Scores, responses × scores, and what is known of each response, as numbers."""

    scores: Numbers
    known: dict[str, Whole]

    def rows(self) -> pd.DataFrame:
        """Return what is known as `score_waves` gives it."""
        rows = pd.DataFrame({name: self.known[name] for name in ("wave", "person")})
        for name in ("organisation", "team"):
            if name in self.known:
                rows[name] = self.known[name].astype(str)
        if "form" in self.known:
            rows["form"] = FORMS[self.known["form"]]
        if "programme" in self.known:
            rows["programme"] = self.known["programme"].astype(float)
        return rows


def drawn(rng: np.random.Generator, design: Design, *, scores: int = 1) -> Answers:
    """Draw answers; ``effect`` is what the programme adds, nothing unless stated."""
    # Teams are of unequal size, as teams are.
    sizes = np.maximum(rng.poisson(design.size, (2, design.teams)), 2)
    team = [np.repeat(np.arange(design.teams), counts) for counts in sizes]
    first, second = (len(part) for part in team)
    place = [_position(part) for part in team]
    # The first members of a team are those who are linked.
    both = np.floor(design.linked * sizes.min(axis=0) + rng.uniform(size=design.teams)).astype(int)
    both = np.minimum(both, sizes.min(axis=0))
    start = np.concatenate([[0], np.cumsum(sizes[0])[:-1]])
    person_after = np.arange(first, first + second)
    is_linked = place[1] < both[team[1]]
    person_after[is_linked] = (start[team[1]] + place[1])[is_linked]
    teams = np.concatenate(team)
    wave = np.repeat([0, 1], [first, second])
    person = np.concatenate([np.arange(first), person_after])
    form = rng.choice(len(FORMS), first + second, p=SHARES)[person]

    def component(share: float, level: Whole) -> Numbers:
        common = rng.normal(size=(level.max() + 1, 1))
        own = rng.normal(size=(level.max() + 1, scores))
        mixed = own if scores == 1 else np.sqrt(COMMON) * common + np.sqrt(1 - COMMON) * own
        scaled: Numbers = np.sqrt(share) * mixed[level]
        return scaled

    values = component(TEAM, teams) + component(TEAM_WAVE, 2 * teams + wave) + component(PERSON, person)
    values = values + component(OCCASION + ERROR, np.arange(len(wave)))
    known = {"wave": wave, "person": person}
    unit: Whole = teams
    if design.organisations is not None:
        unit = organisation_of(design)[teams]
        values = values + component(ORGANISATION, unit)
        values = values + component(ORGANISATION_WAVE, 2 * unit + wave)
        if design.organisations > 1:
            known["organisation"] = unit
    if design.forms:
        known["form"] = form
        values = values + np.array([LEVELS[name] for name in FORMS])[form][:, None]
    if design.teams > 1:
        known["team"] = teams
    treated: Numbers = np.ones(len(wave))
    if design.arms:
        known["programme"] = unit % 2
        treated = known["programme"].astype(float)
    values = 50 + SD * values + design.effect * (treated * wave)[:, None]
    return Answers(values, known)


def organisation_of(design: Design) -> Whole:
    """Return each team's organisation: as even as can be, or some with many teams and most with one."""
    organisations = design.organisations or 1
    if not design.uneven:
        return np.arange(design.teams) % organisations
    # One team each, and three tenths of those left over to one after the other.
    sizes, left = np.ones(organisations, dtype=int), design.teams - organisations
    for place in range(organisations):
        sizes[place] += (share := -(-left * 3 // 10))
        left -= share
    return np.repeat(np.arange(organisations), sizes)


def _position(team: Whole) -> Whole:
    """Return each member's number within the team, where teams stand one after the other."""
    begins = np.flatnonzero(np.r_[True, team[1:] != team[:-1]])
    return np.arange(len(team)) - np.repeat(begins, np.diff(np.r_[begins, len(team)]))


def primary_tests(answers: Answers, chosen: PrimaryTest) -> list[dict[str, tuple[float, float, float]]]:
    """Return p, ci_low and ci_high of each contrast, score by score, by the primary test."""
    known = answers.known
    if chosen.test != CLUSTERS or chosen.unit is None:
        rows = answers.rows()
        found = [primary_change(pd.Series(one), rows, chosen=chosen)[0].contrasts for one in answers.scores.T]
        return [{str(name): (row["p"], row["ci_low"], row["ci_high"]) for name, row in t.iterrows()} for t in found]
    form = known.get("form", np.zeros(len(answers.scores), dtype=int))
    programme = known["programme"].astype(float) if "programme" in known else None
    results = []
    for one in answers.scores.T:
        cells = cells_of(one, cluster=known[chosen.unit], form=form, wave=known["wave"], programme=programme)
        # The full path changes to the mixed model here; a draw is taken as refused, and counted as such.
        if (cells.whole.sum(axis=0) < 2).any():
            raise ValueError("a form is in fewer than two clusters")
        (estimate, se, df), names = cluster_robust(cells, weights="precision")
        half = stats.t.ppf(0.975, df) * se
        p = 2 * stats.t.sf(np.abs(estimate / se), df)
        results.append(dict(zip(names, zip(p, estimate - half, estimate + half, strict=True), strict=True)))
    return results


def chosen_test(design: Design) -> PrimaryTest:
    """Return the primary test of a design: the same in all draws, as every cluster answers at both waves."""
    return primary_test(drawn(np.random.default_rng(0), design).rows())


def draw_primary(rng: np.random.Generator, *, design: Design, chosen: PrimaryTest) -> Draw:
    """What is claimed of one score by the primary test, and whether its interval holds the truth."""
    (found,) = primary_tests(drawn(rng, design), chosen)
    # The change is the mean of both arms.
    truth = {CHANGE: design.effect / (1 + design.arms), PROGRAMME: design.effect}
    result: Draw = {}
    for name in [CHANGE, PROGRAMME][: 1 + design.arms]:
        p, low, high = found[name]
        result[f"{name} claimed"] = float(p < 0.05)
        result[f"{name} covered"] = float(covered(low, high, truth[name]))
    return result


def draw_family(rng: np.random.Generator, *, design: Design, chosen: PrimaryTest) -> Draw:
    """Whether any of eleven subscales is called better or worse, adjusted by Holm."""
    name = PROGRAMME if design.arms else CHANGE
    p = [found[name][0] for found in primary_tests(drawn(rng, design, scores=SUBSCALES), chosen)]
    return {"any claimed": float((holm(pd.Series(p)) < 0.05).any())}


def draw_overlapping(rng: np.random.Generator, *, before: int, after: int, linked: int, forms: bool) -> Draw:
    """One team on two dates, by the partially overlapping samples test, and by a threshold that is no test."""
    rho = PERSON / (PERSON + OCCASION + ERROR)
    person = rng.normal(size=before + after - linked)
    who = [np.arange(before), np.arange(before - linked, before - linked + after)]
    spread = SD * np.sqrt(PERSON + OCCASION + ERROR)
    waves = [50 + spread * (np.sqrt(rho) * person[w] + np.sqrt(1 - rho) * rng.normal(size=len(w))) for w in who]
    rows = pd.DataFrame({"wave": np.repeat([0, 1], [before, after]), "person": np.concatenate(who)})
    if forms:
        rows["form"] = rng.choice(FORMS, len(person), p=SHARES)[rows["person"]]
    row = overlapping_change(pd.Series(np.concatenate(waves)), rows).contrasts.loc[CHANGE]
    # Blueprint C11, a threshold for one person's change, put to the difference of two means and scaled to it.
    threshold = 1.96 * np.std(waves[0], ddof=1) * np.sqrt(2 * (1 - RELIABILITY)) / np.sqrt(min(before, after))
    return {
        "claimed": float(row["p"] < 0.05),
        "covered": float(covered(row["ci_low"], row["ci_high"], 0.0)),
        "threshold": float(abs(row["estimate"]) > threshold),
    }


def draw_without_team_wave(rng: np.random.Generator, *, design: Design) -> Draw:
    """The mixed model with and without team × wave."""
    answers = drawn(rng, design)
    rows = answers.rows()
    y, wave = pd.Series(answers.scores[:, 0]), rows["wave"].astype(float)
    X = pd.DataFrame({"intercept": 1.0, "wave": wave})
    short = fit_mixed(y, X, rows[["team", "person"]])
    full = change_model(y, rows).contrasts.loc[CHANGE]
    weight = pd.DataFrame({"wave": [1.0]}, index=[CHANGE])
    return {
        "without": float(contrast(short, weight).loc[CHANGE, "p"] < 0.05),
        "with": float(full["p"] < 0.05),
    }


def _words(design: Design) -> str:
    places = f" in {design.organisations} {'very uneven ' * design.uneven}organisations" if design.organisations else ""
    arms = ", half of them with the programme" if design.arms else ""
    return f"{design.teams} teams of about {design.size}{places}, {100 * design.linked:.0f} % linked{arms}"


def _primary(design: Design) -> Condition:
    chosen = chosen_test(design)
    measures = {}
    claim = "found" if design.effect else "called better or worse"
    for name, which in ((CHANGE, "change"), (PROGRAMME, "programme − control"))[: 1 + design.arms]:
        measures[f"{name} claimed"] = Measure(f"{which}: {claim}", "rate", None if design.effect else AT_MOST_5)
        measures[f"{name} covered"] = Measure(f"{which}: 95 % interval", "coverage", COVERAGE)
    return Condition(
        name=f"change-{_label(design)}",
        family="change",
        words=f"{_truth(design)}: {_words(design)}; {chosen.test}",
        n=str(design.teams),
        # Clusters cost next to nothing.
        draws=5000 if chosen.test == CLUSTERS else 2000,
        measures=measures,
        draw=partial(draw_primary, design=design, chosen=chosen),
    )


def _truth(design: Design) -> str:
    return f"a true change of {design.effect:g} points" if design.effect else "no change"


def _family(design: Design) -> Condition:
    chosen = chosen_test(design)
    return Condition(
        name=f"change-holm-{_label(design)}",
        family="change",
        words=f"no change, eleven correlated subscales: {_words(design)}; {chosen.test}",
        n=str(design.teams),
        draws=2000,
        measures={"any claimed": Measure("any subscale called better or worse (Holm)", "rate", AT_MOST_5)},
        draw=partial(draw_family, design=design, chosen=chosen),
    )


def _one_team(before: int, after: int, linked: int, *, forms: bool) -> Condition:
    return Condition(
        name=f"change-one-team-{before}-{after}-{linked}{'-forms' * forms}",
        family="change",
        words=f"no change, no drift: one team, {before} answers before and {after} after, {linked} linked"
        + (", forms told apart" if forms else ""),
        n=f"{before}/{after}",
        draws=2000,
        measures={
            "claimed": Measure("partially overlapping samples: called better or worse", "rate", AT_MOST_5),
            "covered": Measure("95 % interval", "coverage", COVERAGE),
            "threshold": Measure("a threshold for measurement error (C11) used as a test", "rate", None),
        },
        draw=partial(draw_overlapping, before=before, after=after, linked=linked, forms=forms),
    )


def _without_team_wave(design: Design) -> Condition:
    return Condition(
        name=f"change-without-team-wave-{_label(design)}",
        family="change",
        words=f"no change, why team × wave is in the model: {_words(design)}",
        n=str(design.teams),
        draws=2000,
        measures={
            "without": Measure("model without team × wave: said to have changed", "rate", WITHOUT_TEAM_WAVE),
            "with": Measure("model with it: said to have changed", "rate", None),
        },
        draw=partial(draw_without_team_wave, design=design),
    )


def _label(design: Design) -> str:
    parts = [str(design.teams), str(design.organisations or "teams"), f"{100 * design.linked:.0f}"]
    parts += ["arms"] * design.arms + ["uneven"] * design.uneven + [f"effect{design.effect:g}"] * bool(design.effect)
    return "-".join(parts)


def conditions() -> list[Condition]:
    found = []
    for linked in (0.3, 0.6, 1.0):
        for teams, organisations in ((8, None), (8, 4), (24, None), (24, 8), (60, 20), (60, 24), (60, None)):
            found.append(_primary(Design(teams, organisations, linked)))
        for teams, organisations in ((24, 8), (60, 24)):
            found.append(_primary(Design(teams, organisations, linked, arms=True)))
    found.append(_primary(Design(60, 24, 0.6, uneven=True)))
    # The smallest interesting change: intervals hold it, and how often it is found is published.
    for teams, organisations, arms in ((8, None, False), (24, 8, False), (60, 24, False), (60, 24, True)):
        found.append(_primary(Design(teams, organisations, 0.6, arms=arms, effect=SMALLEST)))
    families = ((8, None), (24, None), (24, 8), (60, 24), (60, None))
    found += [_family(Design(teams, places, 0.6)) for teams, places in families]
    for before, after, linked in ((30, 26, 15), (30, 26, 0), (10, 9, 5), (10, 9, 9)):
        found.append(_one_team(before, after, linked, forms=False))
    found.append(_one_team(30, 26, 15, forms=True))
    for teams, linked in ((24, 0.6), (24, 1.0), (60, 0.6)):
        found.append(_without_team_wave(Design(teams, None, linked, forms=False)))
    return found
