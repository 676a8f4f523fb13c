"""Change between waves: linked people against R, the whole comparison, and hard files."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis import change as module
from analysis.change import ControlledWaveComparison, WaveComparison, compare_waves
from analysis.multiplicity import holm
from analysis.result import LABELS
from analysis.waves import ScoredWaves, score_waves
from instrument import read_instrument
from instrument.definition import Catalogue
from instrument.responses import Responses, select
from tests.analysis.small_waves import answers_of

TESTS = Path(__file__).parents[1]
ORACLE = json.loads((TESTS / "oracles" / "change.json").read_text(encoding="utf-8"))
VERSIONS = ORACLE["versions"]
SCORES = ["total", "part", "sparse"]
WORDS = ["better", "worse", "no change that matters", "too close to call", "not enough answers"]
PWIQ = read_instrument("pwiq")
# For hard files three scores say as much as twenty; the total is then the mean of all items, as on short forms.
TOTAL = PWIQ.scores["integration"].short
BRIEF = replace(PWIQ, scores=Catalogue([PWIQ.scores["role"], PWIQ.scores["supv"], replace(TOTAL, short=TOTAL)]))


# Against R


@pytest.fixture(scope="module")
def data():
    return pd.read_csv(TESTS / "oracles" / "data" / "change.csv")


@pytest.mark.parametrize("unit", ["team", "organisation", "person"])
def test_linked_people_agree_with_the_t_tests_of_r(data, unit, agrees):
    # The widest clusters are taken: teams of one organisation are not independent of each other.
    places = {"organisation": [], "team": ["organisation"], "person": ["team", "organisation"]}[unit]
    waves = ScoredWaves(
        scores=data[SCORES], rows=data.drop(columns=[*SCORES, *places]), rules=(), flow=pd.DataFrame(), notes=()
    )
    changes, cluster, known = module._linked_changes(waves)
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


@pytest.fixture(scope="module")
def pair():
    return answers_of(BRIEF)


@pytest.fixture(scope="module")
def comparison():
    return compare_waves(*answers_of(PWIQ), negative_control=["resoc", "devpc"])


@pytest.fixture(scope="module")
def brief_comparison(pair):
    return compare_waves(*pair)


def test_tables_have_every_score_in_order_and_one_vocabulary(comparison):
    assert isinstance(comparison, ControlledWaveComparison)
    order = [*PWIQ.scores.ids, "negative_control"]
    columns = ["n_before", "n_after", "n_linked", "estimate", "se", "df", "ci_low", "ci_high", "statistic", "p"]
    columns += ["p_adjusted", "effect_size", "effect_low", "effect_high"]
    for table in (comparison.table, comparison.programme):
        assert list(table.columns) == [*columns, "test"]
        # Eight organisations are too few for the mixed model to stand first.
        assert (table["test"] == "cluster means").all()
    for table in (comparison.model, comparison.programme_model):
        assert list(table.columns) == columns
    for table in (comparison.table, comparison.programme, comparison.model, comparison.programme_model):
        assert list(table.index) == order
        assert table.index.name == "score"
        assert table.notna().all(axis=None)
    assert list(comparison.arms.loc["role"].index) == ["programme", "control"]
    assert list(comparison.linked.index) == list(comparison.linked_programme.index) == order
    assert list(comparison.verdicts.columns) == ["change", "size", "programme", "programme_size"]
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


# Which test, and in what words


def test_one_team_is_about_these_people_and_says_so(pair):
    team = pair[0].people["team"].value_counts().index[0]
    one = [select(wave, wave.people["team"] == team) for wave in pair]
    result = compare_waves(*one)
    assert (result.table["test"].dropna() == "partially overlapping samples").all()
    assert (
        "The interval says how sure we are about these people's views on these two dates; "
        "drift that happens without any programme is not in it." in result.notes
    )
    assert "Derrick et al., 2017" in result.method


def test_thirty_clusters_let_the_mixed_model_stand_first(pair):
    # Each person's own team: as many clusters as people.
    many = [
        replace(wave, people=wave.people.drop(columns=["organisation", "programme"]).assign(team=wave.people["person"]))
        for wave in pair
    ]
    result = compare_waves(*many, link="person")
    assert (result.table["test"] == "mixed model").all()
    pd.testing.assert_frame_equal(result.table.drop(columns="test"), result.model)
    assert any("enough for the mixed model" in note for note in result.notes)


def test_all_peer_workers_in_one_organisation_fall_back_on_the_mixed_model(pair):
    place = pair[0].people["organisation"].iloc[0]
    kept = [select(wave, (wave.people["form"] != "P") | (wave.people["organisation"] == place)) for wave in pair]
    result = compare_waves(*kept)
    assert result.table.loc["integration", "test"] == "mixed model"
    assert any("organisations with form P" in note and "the mixed model stands in" in note for note in result.notes)
    assert np.isfinite(result.table.loc["integration", "estimate"])


def test_no_peer_workers_before_the_start_compares_the_others(pair):
    before, after = pair
    without = select(before, before.people["form"] != "P")
    result = compare_waves(without, after)
    assert any("form P was left out" in note for note in result.notes)
    kept = compare_waves(without, select(after, after.people["form"] != "P"))
    pd.testing.assert_series_equal(result.table["estimate"], kept.table["estimate"])


def test_everyone_lost_is_two_samples_of_different_people(pair):
    before, after = pair
    stayed = set(before.people["person"])
    result = compare_waves(before, select(after, ~after.people["person"].isin(stayed)), link="person")
    assert (result.table["n_linked"] == 0).all()
    assert np.isfinite(result.table.loc["integration", "estimate"])
    assert any(note.startswith("Nobody is linked") for note in result.notes)


@pytest.mark.parametrize("link", ["code", "person"])
def test_a_team_of_four(pair, link):
    both = set(pair[0].people["person"]) & set(pair[1].people["person"])
    places = pair[0].people.loc[pair[0].people["person"].isin(both), "organisation"]
    chosen = pair[0].people.loc[places.index[places == places.iloc[0]], "person"].iloc[:4].tolist()
    assert len(chosen) == 4
    four = [select(wave, wave.people["person"].isin(chosen)) for wave in pair]
    result = compare_waves(*four, forms="together", link=link)
    row = result.table.loc["integration"]
    assert row["n_before"] == 4
    assert row["ci_low"] < row["estimate"] < row["ci_high"]
    assert result.verdicts.loc["integration", "change"] in WORDS


def test_words_follow_the_direction_of_each_score():
    names = ["integration", "barrier_index", "acquiescence", "negative_control"]
    rises = pd.DataFrame(
        {"estimate": 8.0, "se": 1.0, "df": 50.0, "ci_low": 6.0, "ci_high": 10.0, "p_adjusted": 0.001},
        index=pd.Index(names, name="score"),
    )
    falls = rises.assign(estimate=-8.0, ci_low=-10.0, ci_high=-6.0)
    points = pd.Series(1.0, index=names)

    def words(table):
        said = module._in_words(table, points=points, rules=[*PWIQ.scores], smallest=6.25, widest=12.5)
        return said["change"].tolist()

    assert words(rises) == ["better", "worse", "higher", "moved"]
    assert words(falls) == ["worse", "better", "lower", "moved"]


def test_the_sample_of_a_real_effect_is_called_better(comparison):
    assert comparison.verdicts.loc["integration", "programme"] == "better"
    expected = ("as expected: no change that matters", "moved", "cannot tell")
    assert comparison.verdicts.loc["negative_control", "programme"] in expected


def test_a_point_of_100_in_the_unit_of_each_score():
    pomp, mean = (module._points(PWIQ, [*PWIQ.scores], metric) for metric in ("pomp", "mean"))
    assert (pomp[["role", "integration", "balance"]] == 1).all()
    # Answers run from 1 to 5: four steps are 100 points.
    np.testing.assert_allclose(mean[["role", "integration", "balance", "acquiescence"]], 0.04)
    assert pomp["acquiescence"] == mean["acquiescence"]


def test_metric_does_not_change_the_words(pair, brief_comparison):
    # Estimates are a twenty-fifth, and so is what would matter.
    result = compare_waves(*pair, metric="mean")
    pd.testing.assert_frame_equal(result.verdicts, brief_comparison.verdicts)
    np.testing.assert_allclose(result.table["estimate"] * 25, brief_comparison.table["estimate"])


def test_primary_may_be_another_score(pair, brief_comparison):
    result = compare_waves(*pair, primary="role")
    assert result.primary == "role"
    assert brief_comparison.primary == "integration"
    assert result.table.loc["role", "p_adjusted"] == result.table.loc["role", "p"]
    # One subscale is left, and the total joins the composites.
    np.testing.assert_allclose(result.table["p_adjusted"], result.table["p"])
    np.testing.assert_allclose(
        brief_comparison.table.loc["role", "p_adjusted"],
        holm(brief_comparison.table.loc[["role", "supv"], "p"])["role"],
    )


def test_smallest_is_said_and_decides(pair):
    result = compare_waves(*pair, smallest=40.0)
    assert any("taken as 40 points of 100." in note for note in result.notes)
    assert (result.verdicts["size"] == "too small to matter").all()


# Who is who


def codes(*rows, organisation="a"):
    frame = pd.DataFrame(rows, columns=["code1", "code2"], dtype="string")
    return frame.assign(organisation=organisation)


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
    assert result.verdicts["change"].isin(WORDS).all()
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
    assert only_after.verdicts.loc["supv", ["change", "programme"]].tolist() == ["not enough answers"] * 2
    assert any(note.startswith("Left without numbers: supv") for note in only_after.notes)


def test_nobody_linked_is_said_and_everyone_is_compared(pair):
    before, after = pair
    after = replace(after, people=after.people.assign(code1="X"))
    result = compare_waves(before, after, link="exact")
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
    assert (result.verdicts["change"] == "better").all()
    assert result.flow.loc["linked", "before"] == 25
    unlinked = compare_waves(small_wave(1, 30), small_wave(2, 25, shift=1, seed=1))
    assert any("no self-made code" in note for note in unlinked.notes)
    # Two means of different people: Welch's test, and beside it Student's.
    scores = score_waves(small_wave(1, 30), small_wave(2, 25, shift=1, seed=1)).scores["wellbeing"]
    for table, equal in ((unlinked.table, False), (unlinked.model, True)):
        expected = stats.ttest_ind(scores[30:], scores[:30], equal_var=equal)
        assert table.loc["wellbeing", "p"] == pytest.approx(expected.pvalue, rel=1e-9)
        assert table.loc["wellbeing", "df"] == pytest.approx(expected.df)


def test_everyone_answering_twice_alike_is_the_paired_t_test():
    before, after = small_wave(1, 20), small_wave(2, 20, seed=4)
    result = compare_waves(before, after, link="person")
    scores = score_waves(before, after, link="person").scores["rest"].to_numpy()
    expected = stats.ttest_rel(scores[20:], scores[:20])
    assert result.linked.loc["rest", "statistic"] == pytest.approx(expected.statistic, rel=1e-10)
    assert result.linked.loc["rest", "p"] == pytest.approx(expected.pvalue, rel=1e-10)


def test_scores_without_any_variation_are_refused_with_a_reason():
    constant = [replace(wave, answers=wave.answers * 0 + 1) for wave in (small_wave(1, 9), small_wave(2, 8))]
    with pytest.raises(ValueError, match=r"no score can be compared.*do not vary"):
        compare_waves(*constant)


def refusals():
    one, two = small_wave(1, 9), small_wave(2, 8, seed=1)
    other = replace(two, instrument=replace(two.instrument, version="1.1.0", digest="other"))
    both = replace(two, people=two.people.assign(wave=[1, 1, 1, 1, 2, 2, 2, 2]))
    yield "version", (one, other), {}, r"different definitions: wellteam 1\.0\.0 before and wellteam 1\.1\.0 after"
    yield "waves", (one, both), {}, "after holds the waves 1, 2"
    yield "order", (two, one), {}, "before is wave 2 and after is wave 1; swap"
    yield "same", (one, one), {}, "the same answers"
    yield "link", (one, two), {"link": "name"}, "link must be 'code', 'exact', 'person' or Links; got 'name'"
    yield "primary", (one, two), {"primary": "joy"}, "primary must be one of the scores"
    yield "smallest", (one, two), {"smallest": 0}, "smallest must be a number of points above 0; got 0"
    yield "forms", (one, two), {"forms": "apart"}, "forms must be"
    yield "items", (one, two), {"items": "long"}, "items must be"
    yield "metric", (one, two), {"metric": "z"}, "metric must be"


@pytest.mark.parametrize(("waves", "options", "message"), [pytest.param(w, o, m, id=i) for i, w, o, m in refusals()])
def test_refuses_what_cannot_be_compared(waves, options, message):
    with pytest.raises(ValueError, match=message):
        compare_waves(*waves, **options)
