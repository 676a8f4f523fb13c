"""The mixed model of change: against lmerTest and emmeans, and against the stated population."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.change_contrasts import CHANGE, PROGRAMME
from analysis.change_model import change_model
from analysis.linking import link_waves
from analysis.result import LABELS
from analysis.waves import score_waves
from instrument import read_instrument
from instrument.definition import Catalogue
from instrument.simulate import expected_answers, simulate
from tests.analysis.small_waves import POPULATION, smaller

TESTS = Path(__file__).parents[1]
ORACLE = json.loads((TESTS / "oracles" / "change.json").read_text(encoding="utf-8"))
VERSIONS = ORACLE["versions"]
SCORES = ["total", "part", "sparse"]
NUMBERS = ["estimate", "se", "df", "ci_low", "ci_high", "statistic", "p"]
PWIQ = read_instrument("pwiq")


# Against R


@pytest.fixture(scope="module")
def data():
    return pd.read_csv(TESTS / "oracles" / "data" / "change.csv")


# Estimates 1e-5 and standard errors 1e-4 (lme4 stops about 1e-7 off the minimum), degrees of freedom 1e-2
# relative (numerical derivatives in lmerTest); the others follow from these three.
TOLERANCES = {
    "estimate": {"absolute": 1e-5},
    "se": {"absolute": 1e-4},
    "df": {"relative": 1e-2},
    "ci_low": {"absolute": 1e-3},
    "ci_high": {"absolute": 1e-3},
    "statistic": {"relative": 1e-4},
    "p": {"relative": 2e-2},
}


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("design", ["controlled", "one_group"])
def test_everyone_agrees_with_lmertest_and_emmeans(data, score, design, agrees):
    rows = data if design == "controlled" else data.drop(columns="programme")
    oracle = ORACLE[design][score]
    contrasts = change_model(data[score], rows).contrasts
    names = [CHANGE] if design == "one_group" else [CHANGE, PROGRAMME, "programme", "control"]
    assert list(contrasts.index) == names
    for name in names:
        row, expected = contrasts.loc[name], oracle[name]
        # Where a variance is at zero the degrees of freedom are bounded, on purpose, and not lmerTest's.
        compared = ["estimate", "se", "statistic"] if oracle["singular"] else NUMBERS
        for column in compared:
            agrees(
                f"change of everyone, {design.replace('_', ' ')}: {LABELS[column]}",
                row[column],
                expected[column],
                oracle=f"lmerTest {VERSIONS['lmerTest']} with emmeans {VERSIONS['emmeans']}",
                **TOLERANCES[column],
            )
    row = contrasts.loc[CHANGE]
    assert [row["n_before"], row["n_after"], row["n_linked"]] == [
        oracle["n_before"],
        oracle["n_after"],
        oracle["n_linked"],
    ]
    assert row["effect_size"] == pytest.approx(row["estimate"] / oracle["sd_before"], rel=1e-12)
    assert row["effect_low"] == pytest.approx(row["ci_low"] / oracle["sd_before"], rel=1e-12)


def test_degrees_of_freedom_of_a_singular_fit_are_at_most_clusters_minus_arms(data):
    assert ORACLE["controlled"]["total"]["singular"]
    model = change_model(data["total"], data)
    assert any("estimated at zero" in note for note in model.notes)
    organisations = data["organisation"].nunique()
    df = model.contrasts["df"]
    assert df[CHANGE] == df[PROGRAMME] == organisations - 2
    assert df["programme"] == df["control"] == organisations / 2 - 1
    assert df[CHANGE] < ORACLE["controlled"]["total"]["change"]["df"]


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("design", ["controlled", "one_group"])
def test_beside_kenward_and_roger_where_no_variance_is_at_zero(data, score, design, agrees):
    oracle = ORACLE[design][score]
    if oracle["singular"]:
        return
    rows = data if design == "controlled" else data.drop(columns="programme")
    row = change_model(data[score], rows).contrasts.loc[CHANGE]
    # Another method, reported beside ours: its error allows for the estimation of the variances.
    oracle_name = f"pbkrtest {VERSIONS['pbkrtest']}"
    theirs = oracle["kenward_roger"]
    agrees(
        "change of everyone, error beside Kenward and Roger's",
        row["se"],
        theirs["se"],
        oracle=oracle_name,
        relative=0.1,
    )
    agrees(
        "change of everyone, df beside Kenward and Roger's", row["df"], theirs["df"], oracle=oracle_name, relative=0.25
    )


# Against the population


def stated_effect(population, name):
    """Return the programme's effect on a score in POMP, the mean over forms, from the expected answers."""
    rule, effects = PWIQ.scores[name], []
    subscales = [PWIQ.scores[part] for part in rule.of] or [rule]
    for form in PWIQ.full_forms:
        after, before = (expected_answers(population, PWIQ, form=form, treated=arm) for arm in (True, False))
        gain = (after - before)[list(PWIQ.common_items)]
        gain = gain * [-1 if PWIQ.items[item].reverse else 1 for item in gain.index]
        wordings = pd.Series({item: PWIQ.items[item].wording for item in gain.index})
        of_subscales = [gain[gain.index.isin(part.items)] for part in subscales]
        effects.append(np.mean([part.groupby(wordings[part.index]).mean().mean() for part in of_subscales]) * 25)
    return float(np.mean(effects))


def recovered(estimates, truth):
    """Tell whether the mean of the estimates lies within three Monte Carlo standard errors of the truth."""
    return abs(np.mean(estimates) - truth) < 3 * np.std(estimates, ddof=1) / np.sqrt(len(estimates))


@cache
def drawn():
    """Return pairs of waves, linked once."""
    pairs = [simulate(smaller(POPULATION), seed=seed, instrument=PWIQ).values() for seed in range(12)]
    return [(*pair, link_waves(*pair)) for pair in pairs]


@cache
def estimates():
    # No more is scored than is asked for, in the order in which scores are made of others.
    parts = PWIQ.scores["integration"].of
    wanted = replace(PWIQ, scores=Catalogue([PWIQ.scores[name] for name in (*parts, "integration")]))
    found = []
    for before, after, links in drawn():
        waves = score_waves(*(replace(wave, instrument=wanted) for wave in (before, after)), link=links)
        found.append(
            {
                name: change_model(waves.scores[name], waves.rows).contrasts.loc[PROGRAMME, "estimate"]
                for name in ("integration", "educ")
            }
        )
    return pd.DataFrame(found)


def test_the_programmes_effect_is_recovered_and_a_wrong_one_is_not():
    truth = stated_effect(POPULATION, "integration")
    assert 4 < truth < 9
    assert recovered(estimates()["integration"], truth)
    halved = POPULATION.model_copy(update={"effect": {name: effect / 2 for name, effect in POPULATION.effect.items()}})
    assert not recovered(estimates()["integration"], stated_effect(halved, "integration"))


def test_a_flipped_key_is_noticed():
    truth = stated_effect(POPULATION, "educ")
    assert recovered(estimates()["educ"], truth)
    items = Catalogue(replace(item, reverse=not item.reverse) if item.id == "educaf" else item for item in PWIQ.items)
    flipped = replace(PWIQ, items=items, scores=Catalogue([PWIQ.scores["educ"]]))
    found = []
    for before, after, links in drawn():
        waves = score_waves(*(replace(wave, instrument=flipped) for wave in (before, after)), link=links)
        found.append(change_model(waves.scores["educ"], waves.rows).contrasts.loc[PROGRAMME, "estimate"])
    assert not recovered(found, truth)


def test_a_changed_mix_of_forms_does_not_read_as_change():
    # Managers score 20 higher and are many more after; nobody changes.
    rng = np.random.default_rng(2)
    form = np.repeat(["C", "M", "C", "M"], [90, 10, 50, 50])
    rows = pd.DataFrame({"wave": np.repeat([0, 1], 100), "person": np.arange(200), "form": form})
    values = pd.Series(50 + 20.0 * (form == "M") + rng.normal(0, 5, 200))
    change = change_model(values, rows).contrasts.loc[CHANGE]
    assert abs(change["estimate"]) < 3 * change["se"] < 6
    assert change_model(values, rows.drop(columns="form")).contrasts.loc[CHANGE, "estimate"] > 6


def test_few_teams_stay_in_the_model_where_arms_are_compared(data):
    few = data[data["organisation"].isin(["o1", "o2", "o3", "o4"])]
    controlled = change_model(few["total"], few)
    assert not any("fewer than five" in note for note in controlled.notes)
    assert controlled.contrasts.loc[PROGRAMME, "df"] < 15
    alone = change_model(few["total"], few.drop(columns="programme"))
    assert any("fewer than five organisations" in note for note in alone.notes)
