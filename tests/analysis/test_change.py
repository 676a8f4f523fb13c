"""Change between waves: against R, against the stated population, on null data, and on hard files."""

import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import change as module
from analysis.change import (
    CHANGE,
    PROGRAMME,
    ControlledWaveComparison,
    ScoredWaves,
    WaveComparison,
    change_model,
    compare_waves,
    score_waves,
)
from analysis.linking import code_keys, link_exactly
from analysis.multiplicity import holm
from analysis.result import LABELS
from instrument import read_instrument
from instrument.definition import Catalogue
from instrument.responses import Responses, select
from instrument.simulate import Careless, expected_answers, read_population, simulate, without_effect

TESTS = Path(__file__).parents[1]
ORACLE = json.loads((TESTS / "oracles" / "change.json").read_text(encoding="utf-8"))
VERSIONS = ORACLE["versions"]
SCORES = ["total", "part", "sparse"]
NUMBERS = ["estimate", "se", "df", "ci_low", "ci_high", "statistic", "p"]
POPULATION = read_population(TESTS.parent / "sample_data" / "population.toml")
PWIQ = read_instrument("pwiq")
# For hard files three scores say as much as twenty; the total is then the mean of all items, as on short forms.
TOTAL = PWIQ.scores["integration"].short
BRIEF = replace(PWIQ, scores=Catalogue([PWIQ.scores["role"], PWIQ.scores["supv"], replace(TOTAL, short=TOTAL)]))


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


@pytest.mark.parametrize("unit", ["team", "organisation", "person"])
def test_linked_people_agree_with_the_t_tests_of_r(data, unit, agrees):
    # The widest clusters are taken: teams of one organisation are not independent of each other.
    places = {"organisation": [], "team": ["organisation"], "person": ["team", "organisation"]}[unit]
    waves = ScoredWaves(
        scores=data[SCORES], rows=data.drop(columns=[*SCORES, *places]), rules=(), flow=pd.DataFrame(), notes=()
    )
    changes, cluster, known = module._cluster_changes(waves)
    assert cluster == unit
    tables = {"change": module._one_sample(changes, known), "programme": module._two_samples(changes, known)}
    for name, table in tables.items():
        for score in SCORES:
            for column, expected in ORACLE["linked"][unit][score][name].items():
                # The same arithmetic in double precision.
                agrees(
                    f"change of linked people: {LABELS.get(column, column)}",
                    table.loc[score, column],
                    expected,
                    oracle=f"R {VERSIONS['R']} t.test",
                    relative=1e-8,
                )


def test_holm_agrees_with_r(agrees):
    adjusted = holm(pd.Series([*ORACLE["holm"]["p"], np.nan]))
    theirs = ORACLE["holm"]["adjusted"]
    agrees("p adjusted by Holm", adjusted[:-1], theirs, oracle=f"R {VERSIONS['R']} p.adjust", relative=1e-12)
    assert np.isnan(adjusted.iloc[-1])


# Against the population


def smaller(population, **design):
    """Return the shipped population with fewer people, without careless ones and side questions."""
    size = {"people_first": 200, "people_second": 160, "people_both": 110, "organisations": 16, "teams": 32}
    return population.model_copy(
        update={
            "design": population.design.model_copy(update=size | design),
            # A careless answer holds no effect: 6 % of them dilute every effect by 6 %.
            "careless": Careless(straight_line=0, random=0, middle=0),
            "ratings": None,
            "background": {},
            "open_texts": None,
        }
    )


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
    return [simulate(smaller(POPULATION), seed=seed, instrument=PWIQ).values() for seed in range(20)]


@cache
def estimates():
    found = []
    for pair in drawn():
        waves = score_waves(*pair)
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
    for pair in drawn():
        waves = score_waves(*(replace(wave, instrument=flipped) for wave in pair))
        found.append(change_model(waves.scores["educ"], waves.rows).contrasts.loc[PROGRAMME, "estimate"])
    assert not recovered(found, truth)


def test_null_data_are_said_to_change_in_about_five_percent():
    size = {"people_first": 140, "people_second": 110, "people_both": 70, "organisations": 12, "teams": 24}
    population, runs = smaller(without_effect(POPULATION), **size), 60
    p = []
    for seed in range(runs):
        waves = score_waves(*simulate(population, seed=900 + seed, instrument=BRIEF).values())
        p.append(change_model(waves.scores["integration"], waves.rows).contrasts.loc[[CHANGE, PROGRAMME], "p"])
    claims = (np.array(p) < 0.05).sum(axis=0)
    # The upper 99.9 % limit of a binomial count at 5 %; a rate of 19 %, as without the × wave terms, passes seldom.
    assert (claims <= stats.binom.ppf(0.999, runs, 0.05)).all(), claims
    # And p are not all large: a test that never rejects would be no test.
    assert np.quantile(p, 0.25) < 0.5


# The whole comparison


def answers_of(instrument):
    size = {"people_first": 130, "people_second": 110, "people_both": 80, "organisations": 8, "teams": 16}
    return tuple(simulate(smaller(POPULATION, **size), seed=3, instrument=instrument).values())


@pytest.fixture(scope="module")
def pair():
    return answers_of(BRIEF)


@pytest.fixture(scope="module")
def comparison():
    return compare_waves(*answers_of(PWIQ), negative_control=["resoc", "devpc"])


def test_tables_have_every_score_in_order_and_one_vocabulary(comparison):
    assert isinstance(comparison, ControlledWaveComparison)
    order = [*PWIQ.scores.ids, "negative_control"]
    columns = ["n_before", "n_after", "n_linked", "estimate", "se", "df", "ci_low", "ci_high", "statistic", "p"]
    columns += ["p_adjusted", "effect_size", "effect_low", "effect_high"]
    for table in (comparison.table, comparison.programme):
        assert list(table.index) == order
        assert table.index.name == "score"
        assert list(table.columns) == columns
        assert table.notna().all(axis=None)
    assert list(comparison.arms.loc["role"].index) == ["programme", "control"]
    assert list(comparison.linked.index) == list(comparison.linked_programme.index) == order
    assert list(comparison.verdicts.columns) == ["change", "programme"]
    assert "form × wave" in comparison.method
    assert "Holm" in comparison.method
    assert "58 items" in comparison.notes[0]


def test_change_is_the_mean_of_the_arms_and_the_programme_their_difference(comparison):
    arms = comparison.arms["estimate"].unstack()
    np.testing.assert_allclose(comparison.table["estimate"], arms.mean(axis=1)[comparison.table.index], atol=1e-9)
    difference = (arms["programme"] - arms["control"])[comparison.programme.index]
    np.testing.assert_allclose(comparison.programme["estimate"], difference, atol=1e-9)
    assert (
        comparison.arms["n_before"].groupby("score").sum()[comparison.table.index] == comparison.table["n_before"]
    ).all()


def test_total_is_unadjusted_and_each_family_is_adjusted_by_itself(comparison):
    for table in (comparison.table, comparison.programme):
        subscales = [rule.id for rule in PWIQ.scores if rule.kind == "subscale"]
        others = [rule.id for rule in PWIQ.scores if rule.kind in ("composite", "index")]
        for family in (subscales, others, ["integration"], ["negative_control"]):
            np.testing.assert_allclose(table.loc[family, "p_adjusted"], holm(table.loc[family, "p"]))
        assert table.loc["integration", "p_adjusted"] == table.loc["integration", "p"]
        assert (table.loc[subscales, "p_adjusted"] > table.loc[subscales, "p"]).any()


def test_verdicts_claim_only_what_interval_and_adjusted_p_both_say():
    table = pd.DataFrame(
        {
            "estimate": [2.0, -2.0, 2.0, 2.0, np.nan],
            "ci_low": [1.0, -3.0, 0.5, -1.0, np.nan],
            "ci_high": [3.0, -1.0, 3.5, 5.0, np.nan],
            "p_adjusted": [0.01, 0.01, 0.2, 0.3, np.nan],
        }
    )
    said = module._verdicts(table, "higher after", "lower after", "no clear change")
    assert said.tolist() == [
        "higher after",
        "lower after",
        "no clear change",
        "no clear change",
        "not enough answers",
    ]


def test_negative_control_is_scored_by_the_subscale_rule_on_its_facets(pair):
    scored = score_waves(*pair, negative_control=["resoc", "devpc"])
    before = pair[0]
    raw = before.answers[["resocf", "resocb", "devpcf", "devpcb"]].astype(float)
    turned = raw.assign(resocb=6 - raw["resocb"], devpcb=6 - raw["devpcb"])
    means = (turned[["resocf", "devpcf"]].mean(axis=1) + turned[["resocb", "devpcb"]].mean(axis=1)) / 2
    expected = ((means - 1) * 25).where(raw.notna().sum(axis=1) >= 3)
    np.testing.assert_allclose(scored.scores["negative_control"][: len(raw)], expected)
    with pytest.raises(ValueError, match="does not have: resox"):
        score_waves(*pair, negative_control=["resox"])


def test_a_changed_mix_of_forms_does_not_read_as_change():
    # Managers score 20 higher and are many more after; nobody changes.
    rng = np.random.default_rng(2)
    form = np.repeat(["C", "M", "C", "M"], [90, 10, 50, 50])
    rows = pd.DataFrame({"wave": np.repeat([0, 1], 100), "person": np.arange(200), "form": form})
    values = pd.Series(50 + 20.0 * (form == "M") + rng.normal(0, 5, 200))
    change = change_model(values, rows).contrasts.loc[CHANGE]
    assert abs(change["estimate"]) < 3 * change["se"] < 6
    assert change_model(values, rows.drop(columns="form")).contrasts.loc[CHANGE, "estimate"] > 6


def test_a_form_of_one_wave_is_left_out_with_a_note(pair):
    before, after = pair
    without = select(after, after.people["form"] != "M")
    result = compare_waves(before, without)
    assert any("form M was left out" in note for note in result.notes)
    kept = compare_waves(select(before, before.people["form"] != "M"), without)
    pd.testing.assert_series_equal(result.table["estimate"], kept.table["estimate"])


def test_forms_together_shows_no_form(pair):
    result = compare_waves(*pair, forms="together")
    waves = score_waves(*pair, forms="together")
    assert "form" not in waves.rows
    assert "form × wave" not in result.method
    assert any("taken together" in note for note in result.notes)


def test_long_and_short_forms_are_scored_on_the_short_items(pair):
    before, after = pair
    to_short = {"P": "PS", "C": "CS", "M": "MS"}
    short = after.answers.copy()
    long_only = [item.id for item in PWIQ.items if not item.short_form]
    short[long_only] = short[long_only].mask(short[long_only].notna())
    after = replace(after, answers=short, people=after.people.assign(form=after.people["form"].map(to_short)))
    result = compare_waves(before, after)
    assert any("mix long and short forms" in note for note in result.notes)
    assert any(note.startswith("Not scored for anyone") and "role" in note for note in result.notes)
    assert "role" not in result.table.index
    assert result.verdicts.loc["integration", "programme"] != "not enough answers"
    # The forms meet under the full form's name.
    assert set(score_waves(before, after).rows["form"]) == {"P", "C", "M"}


def test_no_control_gives_no_programme_and_says_so(pair):
    arm = [select(wave, wave.people["programme"] == 1) for wave in pair]
    result = compare_waves(*arm)
    assert type(result) is WaveComparison
    assert not hasattr(result, "programme")
    assert any("no second arm" in note for note in result.notes)
    assert "a change in one group is not an effect" in result.method.lower()


def test_programme_that_changes_within_an_organisation_is_refused_as_an_arm(pair):
    before, after = pair
    before = replace(before, people=before.people.assign(programme=pd.array([0] * len(before.people), dtype="Int64")))
    result = compare_waves(before, after)
    assert type(result) is WaveComparison
    assert any("both 0 and 1 within" in note for note in result.notes)


def test_few_teams_stay_in_the_model_where_arms_are_compared(data):
    few = data[data["organisation"].isin(["o1", "o2", "o3", "o4"])]
    controlled = change_model(few["total"], few)
    assert not any("fewer than five" in note for note in controlled.notes)
    assert controlled.contrasts.loc[PROGRAMME, "df"] < 15
    alone = change_model(few["total"], few.drop(columns="programme"))
    assert any("fewer than five organisations" in note for note in alone.notes)


def test_one_organisation_an_arm_is_no_comparison(pair):
    organisations = pair[0].people.groupby("programme")["organisation"].first()
    waves = [select(wave, wave.people["organisation"].isin(organisations)) for wave in pair]
    result = compare_waves(*waves)
    assert type(result) is WaveComparison
    assert any("at least two clusters (organisation)" in note for note in result.notes)


def test_a_subset_may_be_compared(pair):
    before, after = pair
    attentive = compare_waves(select(before, before.people["careless"].isna()), after)
    pd.testing.assert_frame_equal(attentive.table, compare_waves(before, after).table)


# Who is who


def codes(*rows, organisation="a"):
    frame = pd.DataFrame(rows, columns=["code1", "code2"], dtype="string")
    return frame.assign(organisation=organisation)


def test_codes_link_only_where_they_are_whole_and_alone():
    before = codes(("A", "B"), ("C", "D"), ("C", "D"), ("E", "X"), ("F", None), ("G", "H"), ("I", "J"))
    after = codes(("a ", "b"), ("C", "D"), ("E", "X"), ("F", None), ("G", "H"), ("G", "H"), ("K", "L"))
    links = link_exactly(*(code_keys(frame, ["code1", "code2"], within="organisation") for frame in (before, after)))
    assert links.pairs.to_numpy().tolist() == [[0, 0]]
    assert links.before.tolist() == ["linked", "duplicate", "duplicate", "blank", "blank", "collision", "unmatched"]
    assert links.after.tolist() == ["linked", "collision", "blank", "blank", "duplicate", "duplicate", "unmatched"]


def test_codes_do_not_link_across_organisations_nor_join_up_by_accident():
    one, other = codes(("A", "B")), codes(("A", "B"), organisation="b")
    keys = [code_keys(frame, ["code1", "code2"], within="organisation") for frame in (one, other)]
    assert link_exactly(*keys).pairs.empty
    assert not link_exactly(*(code_keys(frame, ["code1", "code2"]) for frame in (one, other))).pairs.empty
    joined = [code_keys(codes(row), ["code1", "code2"]) for row in (("AB", "C"), ("A", "BC"))]
    assert link_exactly(*joined).pairs.empty


def test_flow_adds_up_and_links_are_true(pair, comparison):
    flow = comparison.flow
    parts = ["blank or incomplete code", "duplicate code", "collision with duplicates", "no partner", "linked"]
    assert (flow.loc[parts].sum() == flow.loc["answers"]).all()
    assert (flow.loc["usable code"] == flow.loc["answers"] - flow.loc["blank or incomplete code"]).all()
    assert flow.loc["linked", "before"] == flow.loc["linked", "after"] > 30
    assert flow.loc["answers"].tolist() == [len(wave.answers) for wave in pair]
    rows = score_waves(*pair).rows
    true = pd.concat([wave.people["person"] for wave in pair], ignore_index=True)
    assert true.groupby(rows["person"]).nunique().max() == 1


def test_link_by_person_uses_the_column(pair):
    result = compare_waves(*pair, link="person")
    assert result.flow.loc["linked", "before"] == 80
    moved = result.flow.loc["linked, form changed", "before"]
    assert result.linked.loc["integration", "n"] <= 80 - moved


def test_without_organisations_codes_are_compared_over_everyone(pair):
    alone = [replace(wave, people=wave.people.drop(columns=["organisation", "team", "programme"])) for wave in pair]
    result = compare_waves(*alone)
    assert type(result) is WaveComparison
    assert result.flow.loc["linked", "before"] > 0
    assert "each person counts by themselves" in result.notes[-1]


def test_same_response_ids_in_both_files_do_no_harm(pair):
    before, after = pair

    def renamed(wave):
        index = pd.RangeIndex(len(wave.answers))
        frames = {name: getattr(wave, name).set_axis(index) for name in ("answers", "people", "off_scale")}
        return replace(wave, **frames)

    pd.testing.assert_frame_equal(
        compare_waves(renamed(before), renamed(after)).table, compare_waves(before, after).table
    )


def test_inputs_stay_as_they_were(pair):
    copies = [(wave.answers.copy(), wave.people.copy()) for wave in pair]
    compare_waves(*pair)
    for wave, (answers, people) in zip(pair, copies, strict=True):
        pd.testing.assert_frame_equal(wave.answers, answers)
        pd.testing.assert_frame_equal(wave.people, people)


# Hard but ordinary files


def few(pair, people):
    """Return the waves of so many people of two organisations, who answer both times."""
    both = [name for name in pair[0].people["person"] if name in set(pair[1].people["person"])][:people]
    return [select(wave, wave.people["person"].isin(both)) for wave in pair]


@pytest.mark.parametrize("people", [12, 6, 3, 2])
@pytest.mark.parametrize("link", ["code", "person"])
def test_a_few_people_get_a_table(pair, people, link):
    result = compare_waves(*few(pair, people), link=link)
    row = result.table.loc["integration"]
    assert row["n_before"] <= people
    assert (
        result.verdicts["change"].isin(["higher after", "lower after", "no clear change", "not enough answers"]).all()
    )
    assert np.isfinite(result.table[["estimate", "se", "df", "ci_low"]].dropna()).all(axis=None)
    assert type(result) is WaveComparison
    if people == 12:
        # Two organisations are no sample of organisations: the interval is about these people.
        assert any("fewer than five organisations" in note for note in result.notes)
        assert row["ci_high"] - row["ci_low"] < 40
        assert row["ci_low"] < row["estimate"] < row["ci_high"]
        assert result.verdicts.loc["integration", "change"] != "not enough answers"


def test_one_person_is_refused_with_a_sentence(pair):
    before, after = few(pair, 1)
    with pytest.raises(ValueError, match="before has 1 answers; a comparison needs at least two in each wave"):
        compare_waves(before, after)


def test_a_subscale_nobody_answered_is_left_out_and_the_rest_stands(pair):
    items = [item.id for item in PWIQ.items if item.subscale == "supv"]
    blank = pd.array([pd.NA], dtype="Int64")
    emptied = [
        replace(wave, answers=wave.answers.assign(**{item: blank.repeat(len(wave.answers)) for item in items}))
        for wave in pair
    ]
    result = compare_waves(*emptied)
    assert "supv" not in result.table.index
    assert "Not scored for anyone, so left out: supv." in result.notes
    assert np.isfinite(result.table.loc["integration", "estimate"])
    only_after = compare_waves(emptied[0], pair[1])
    assert only_after.table.loc["supv", "n_before"] == 0
    assert np.isnan(only_after.table.loc["supv", "estimate"])
    assert only_after.verdicts.loc["supv"].tolist() == ["not enough answers"] * 2
    assert any(note.startswith("Left without numbers: supv") for note in only_after.notes)


def test_nobody_linked_is_said_and_everyone_is_compared(pair):
    before, after = pair
    after = replace(after, people=after.people.assign(code1="X"))
    result = compare_waves(before, after)
    assert result.flow.loc["linked"].tolist() == [0, 0]
    assert any(note.startswith("Nobody is linked") for note in result.notes)
    assert (result.linked["n"] == 0).all()
    assert result.linked["estimate"].isna().all()
    assert np.isfinite(result.table.loc["integration", "estimate"])


def test_one_team_and_one_organisation_are_compared_person_by_person(pair):
    team = pair[0].people["team"].value_counts().index[0]
    one = [select(wave, wave.people["team"] == team) for wave in pair]
    result = compare_waves(*one, link="person")
    assert type(result) is WaveComparison
    assert any("one organisation" in note for note in result.notes)
    assert any("one team" in note for note in result.notes)
    assert "random intercepts for person" in result.method
    assert "paired t test on people" in result.method
    row = result.linked.loc["integration"]
    assert row["clusters"] == row["n"]


def test_blank_teams_and_organisations_are_no_obstacle(pair):
    gaps = [
        replace(wave, people=wave.people.assign(team=wave.people["team"].where(wave.people["form"] != "M")))
        for wave in pair
    ]
    result = compare_waves(*gaps)
    assert any("team is blank in some answers" in note for note in result.notes)
    assert np.isfinite(result.table["estimate"]).all()


def small_wave(wave, n, *, shift=0, seed=0):
    """Return answers to the small example questionnaire: no forms, no codes, no places."""
    small = read_instrument(TESTS / "data" / "small.toml")
    rng = np.random.default_rng(seed)
    index = pd.Index([f"w{wave}:{row}" for row in range(n)], name="response")
    answers = pd.DataFrame(index=index)
    for item in small.items:
        drawn = np.clip(rng.integers(0, 3, n) + shift, 0, 3)
        answers[item.id] = pd.array(3 - drawn if item.reverse else drawn, dtype="Int64")
    people = pd.DataFrame({"person": [f"p{row}" for row in range(n)], "wave": wave}, index=index)
    off_scale = pd.DataFrame(pd.NA, index=index, columns=answers.columns, dtype="string")
    return Responses(instrument=small, answers=answers, people=people, off_scale=off_scale, ledger=pd.DataFrame())


def test_another_questionnaire_without_forms_codes_or_places():
    result = compare_waves(small_wave(1, 30), small_wave(2, 25, shift=1, seed=1), link="person")
    assert list(result.table.index) == ["rest", "trust", "wellbeing"]
    assert (result.verdicts["change"] == "higher after").all()
    assert result.flow.loc["linked", "before"] == 25
    unlinked = compare_waves(small_wave(1, 30), small_wave(2, 25, shift=1, seed=1))
    assert any("no self-made code" in note for note in unlinked.notes)
    # Two means of different people: the equal-variance t test.
    scores = score_waves(small_wave(1, 30), small_wave(2, 25, shift=1, seed=1)).scores["wellbeing"]
    expected = stats.ttest_ind(scores[30:], scores[:30])
    assert unlinked.table.loc["wellbeing", "p"] == pytest.approx(expected.pvalue, rel=1e-9)
    assert unlinked.table.loc["wellbeing", "df"] == pytest.approx(53)


def test_everyone_answering_twice_alike_is_the_paired_t_test():
    before, after = small_wave(1, 20), small_wave(2, 20, seed=4)
    result = compare_waves(before, after, link="person")
    scores = score_waves(before, after, link="person").scores["rest"].to_numpy()
    expected = stats.ttest_rel(scores[20:], scores[:20])
    assert result.linked.loc["rest", "statistic"] == pytest.approx(expected.statistic, rel=1e-10)
    assert result.linked.loc["rest", "p"] == pytest.approx(expected.pvalue, rel=1e-10)


def test_scores_without_any_variation_are_refused_with_a_reason():
    constant = [replace(wave, answers=wave.answers * 0 + 1) for wave in (small_wave(1, 9), small_wave(2, 8))]
    with pytest.raises(ValueError, match=r"no score can be compared.*varies"):
        compare_waves(*constant)


def refusals():
    one, two = small_wave(1, 9), small_wave(2, 8, seed=1)
    other = replace(two, instrument=replace(two.instrument, version="1.1.0", digest="other"))
    both = replace(two, people=two.people.assign(wave=[1, 1, 1, 1, 2, 2, 2, 2]))
    yield "version", (one, other), {}, r"different definitions: wellteam 1\.0\.0 before and wellteam 1\.1\.0 after"
    yield "waves", (one, both), {}, "after holds the waves 1, 2"
    yield "order", (two, one), {}, "before is wave 2 and after is wave 1; swap"
    yield "same", (one, one), {}, "the same answers"
    yield "link", (one, two), {"link": "name"}, "link must be 'code' or 'person'; got 'name'"
    yield "forms", (one, two), {"forms": "apart"}, "forms must be"
    yield "items", (one, two), {"items": "long"}, "items must be"
    yield "metric", (one, two), {"metric": "z"}, "metric must be"


@pytest.mark.parametrize(("waves", "options", "message"), [pytest.param(w, o, m, id=i) for i, w, o, m in refusals()])
def test_refuses_what_cannot_be_compared(waves, options, message):
    with pytest.raises(ValueError, match=message):
        compare_waves(*waves, **options)
