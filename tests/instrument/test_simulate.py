"""The simulation draws what its population states: means, spreads, correlations, effects.

Oracles: exact moments of cut normal variables, worked out here from the population's numbers alone, and
checked against scipy's bivariate normal distribution. Samples are compared with them in standard errors
that respect the organisations; seeds are fixed, so that each test gives the same answer every time.
"""

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import special, stats

from analysis.mixed import fit_mixed
from analysis.reliability import cronbach_alpha
from instrument import read_instrument, read_responses, score, simulate
from instrument.definition import Catalogue
from instrument.responses import asked, canonical_table
from instrument.simulate import (
    _draw_deviations,
    _draw_people,
    expected_answers,
    item_model,
    read_population,
    without_effect,
)

# Numbers compared at once stay below 900: the largest of 900 normal deviates is above 4 once in 20 samples.
STANDARD_ERRORS = 4
SUBSCALES = ("role", "indu", "educ", "path", "supv", "reso", "devp", "lead", "voic", "cult", "prac")
WAVES = ("baseline", "followup")


@pytest.fixture(scope="module")
def pwiq():
    return read_instrument("pwiq")


@pytest.fixture(scope="module")
def population():
    return read_population("sample_data/population.toml")


def changed(population, **tables):
    """The population with single keys of its tables changed."""
    return population.model_copy(
        update={
            name: getattr(population, name).model_copy(update=keys)
            if hasattr(getattr(population, name), "model_copy")
            else keys
            for name, keys in tables.items()
        }
    )


def items_only(population):
    """The population without the other questions, which are drawn after the items: faster."""
    return population.model_copy(update={"codes": None, "ratings": None, "background": {}, "open_texts": None})


def attentive(population, **design):
    """The population without gaps, careless people, promoted people and other questions, and of another size."""
    return changed(
        items_only(population).model_copy(update={"promoted": None}),
        design=design,
        missing={"blank": 0, "stops_early": 0, "does_not_apply": {}, "dont_know": {}},
        careless={"straight_line": 0, "random": 0, "middle": 0},
    )


@pytest.fixture(scope="module")
def large_population(population):
    return attentive(population, organisations=600, teams=1500, people_first=9000, people_second=9000, people_both=9000)


@pytest.fixture(scope="module")
def large(large_population, pwiq):
    return simulate(large_population, seed=5, instrument=pwiq)


def clustered_mean(values, cluster):
    """Means of the columns, and their standard errors by linearisation over clusters."""
    mean = values.mean(axis=0)
    sums = pd.DataFrame(values - mean).groupby(np.asarray(cluster)).sum().to_numpy()
    return mean, np.sqrt((sums**2).sum(axis=0) * len(sums) / (len(sums) - 1)) / len(values)


# ---- what the population file states, worked out without the simulation ----------------------------------


def eta_mean(stated, item, form, treated):
    """Mean of η, straight from the file's tables."""
    gap = stated["gap"].get(form, {})
    mean = stated["mean"][item.subscale] + gap.get(item.subscale, gap.get("default", 0.0))
    effect = stated["effect_by_facet"].get(item.subscale + item.facet, stated["effect"][item.subscale])
    return mean + treated * effect


@pytest.fixture(scope="module")
def stated():
    return tomllib.loads(Path("sample_data/population.toml").read_text(encoding="utf-8"))


def answer_moments(stated, model, instrument, form, *, treated=False):
    """Exact means and covariances of the raw answers of attentive people.

    An answer is 1 plus the number of thresholds below a normal variable z, so its Hermite coefficients are
    Σ He(m−1)(τ) φ(τ) over its thresholds τ, and two answers whose z correlate ρ have the covariance
    Σ ρ^m / m! a_m b_m (Mehler). Forty terms leave nothing at |ρ| < .7.
    """
    eta = np.array([eta_mean(stated, item, form, treated) for item in instrument.items])
    thresholds = np.array(stated["measurement"]["thresholds"])
    tau = thresholds[None, :] - (model.location + model.loading * eta)[:, None]
    terms = 40
    hermite = np.array([special.eval_hermitenorm(m, tau) for m in range(terms)])
    coefficients = (hermite * stats.norm.pdf(tau)).sum(axis=2)
    position = [SUBSCALES.index(item.subscale) for item in instrument.items]
    phase = {"role": 1, "indu": 1, "educ": 1, "path": 2, "supv": 2, "reso": 2, "devp": 2}
    phases = np.array([phase.get(name, 3) for name in SUBSCALES])
    between = np.where(
        phases[:, None] == phases, stated["correlation"]["within_phase"], stated["correlation"]["between"]
    )
    np.fill_diagonal(between, 1.0)
    rho = (
        np.outer(model.loading, model.loading) * between[np.ix_(position, position)]
        + stated["measurement"]["wording"] ** 2
    )
    covariance = sum(
        rho ** (m + 1) / special.factorial(m + 1) * np.outer(coefficients[m], coefficients[m]) for m in range(terms)
    )
    above = stats.norm.sf(tau)
    steps = np.arange(1, 2 * len(thresholds), 2)
    np.fill_diagonal(covariance, (above * steps).sum(axis=1) - above.sum(axis=1) ** 2)
    return 1 + above.sum(axis=1), covariance


def test_the_exact_moments_agree_with_the_bivariate_normal_distribution(pwiq, population, stated):
    model = item_model(population, pwiq)
    mean, covariance = answer_moments(stated, model, pwiq, "C")
    thresholds = np.array(stated["measurement"]["thresholds"])
    for one, other in ((0, 1), (0, 2), (1, 65), (10, 40)):
        items = pwiq.items[one], pwiq.items[other]
        centre = [
            model.location[i] + model.loading[i] * eta_mean(stated, item, "C", False)
            for i, item in zip((one, other), items, strict=True)
        ]
        same = 1.0 if items[0].subscale == items[1].subscale else 0.45
        rho = model.loading[one] * model.loading[other] * same + 0.25**2
        normal = stats.multivariate_normal(mean=[0, 0], cov=[[1, rho], [rho, 1]])
        product = sum(normal.cdf([centre[0] - low, centre[1] - high]) for low in thresholds for high in thresholds)
        expected = product - (mean[one] - 1) * (mean[other] - 1)
        # scipy integrates to 1e-5 a probability by default, and sixteen are added up.
        assert covariance[one, other] == pytest.approx(expected, abs=1e-4)


# ---- the same every time ---------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_answers_and_another_seed_others(population, pwiq):
    first, again, other = (simulate(population, seed=seed, instrument=pwiq) for seed in (7, 7, 8))
    for wave in WAVES:
        for frame in ("answers", "people", "off_scale"):
            pd.testing.assert_frame_equal(getattr(first[wave], frame), getattr(again[wave], frame))
        assert not first[wave].answers.equals(other[wave].answers)
        assert canonical_table(first[wave]).to_csv() == canonical_table(again[wave]).to_csv()


def test_a_path_a_mapping_and_a_population_are_the_same(population, stated, pwiq):
    draws = [
        simulate(given, seed=1, instrument=pwiq)["baseline"].answers
        for given in ("sample_data/population.toml", stated, population)
    ]
    assert draws[0].equals(draws[1])
    assert draws[0].equals(draws[2])


def test_frames_are_as_read_responses_makes_them(population, pwiq):
    waves = simulate(population, seed=3)
    for wave, name in enumerate(WAVES, start=1):
        responses = waves[name]
        assert responses.answers.columns.tolist() == list(pwiq.items.ids)
        assert set(responses.answers.dtypes.astype(str)) == {"Int64"}
        assert responses.answers.index.is_unique
        assert responses.people.index.equals(responses.answers.index)
        assert responses.off_scale.index.equals(responses.answers.index)
        assert responses.people["wave"].eq(wave).all()
        assert not (responses.answers.notna() & responses.off_scale.notna()).to_numpy().any()
        unasked = ~asked(responses).to_numpy()
        assert unasked.any()
        assert not responses.answers.notna().to_numpy()[unasked].any()
        assert not responses.off_scale.notna().to_numpy()[unasked].any()


# ---- design ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_design_is_as_stated(population, pwiq, seed):
    waves = simulate(population, seed=seed, instrument=pwiq)
    people = {name: responses.people for name, responses in waves.items()}
    assert [len(people[name]) for name in WAVES] == [900, 700]
    assert len(set(people["baseline"]["person"]) & set(people["followup"]["person"])) == 490
    everyone = pd.concat(people.values()).drop_duplicates("person")
    assert len(everyone) == 900 + 700 - 490
    assert everyone["organisation"].nunique() == 24
    assert everyone["team"].nunique() == 60
    assert len(everyone[["team", "organisation"]].drop_duplicates()) == 60
    arms = everyone.groupby("organisation")["programme"].agg(["nunique", "first"])
    assert (arms["nunique"] == 1).all()
    assert arms["first"].sum() == 12
    sizes = everyone["team"].value_counts()
    # log-normal with a standard deviation of .35 about 18.5 people.
    assert sizes.between(3, 60).all()
    assert 0.25 < np.log(sizes).std() < 0.6
    shares = everyone["form"].value_counts(normalize=True)
    for form, share in (("P", 0.24), ("C", 0.61), ("M", 0.15)):
        assert abs(shares[form] - share) < STANDARD_ERRORS * np.sqrt(share * (1 - share) / len(everyone))


def test_people_keep_their_place_and_some_peer_workers_become_managers(population, pwiq):
    waves = simulate(changed(population, promoted={"share": 0.1}), seed=4, instrument=pwiq)
    columns = ["form", "organisation", "team", "programme"]
    both = (
        waves["baseline"]
        .people.set_index("person")[columns]
        .join(waves["followup"].people.set_index("person")[columns], suffixes=("", "_later"), how="inner")
    )
    for place in columns[1:]:
        assert both[place].equals(both[f"{place}_later"].rename(place))
    moved = both[both["form"] != both["form_later"]]
    assert set(zip(moved["form"], moved["form_later"], strict=True)) == {("P", "M")}
    at_risk = both["form"].eq("P").sum()
    assert abs(len(moved) / at_risk - 0.1) < STANDARD_ERRORS * np.sqrt(0.1 * 0.9 / at_risk)


LEVELS = {
    # level: (what shares a deviation, whether it lasts)
    "organisation": ("organisation", True),
    "organisation_wave": ("organisation", False),
    "team": ("team", True),
    "team_wave": ("team", False),
    "person": ("person", True),
    "occasion": ("person", False),
}


@pytest.mark.parametrize("level", LEVELS)
def test_each_level_has_its_own_deviations_with_the_stated_correlations(population, pwiq, level):
    unit, lasts = LEVELS[level]
    only = attentive(
        population.model_copy(update={"variance": {level: 1.0}}),
        organisations=2000,
        teams=3000,
        people_first=9000,
        people_second=9000,
        people_both=9000,
    )
    rng = np.random.default_rng(9)
    people = _draw_people(only, rng)
    deviations = _draw_deviations(only, pwiq, people, rng)
    labels = people[unit].to_numpy() if unit in people else np.arange(len(people))
    _, first = np.unique(labels, return_index=True)
    before = deviations[1][first]
    n = len(before)
    assert np.array_equal(deviations[1], before[np.searchsorted(labels[first], labels)])
    assert len(np.unique(before[:, 0])) == n
    if lasts:
        assert np.array_equal(deviations[1], deviations[2])
    else:
        across = (before * deviations[2][first]).mean(axis=0) * np.sqrt(n)
        assert (np.abs(across) < STANDARD_ERRORS).all()
    assert (np.abs(before.var(axis=0) - 1) < STANDARD_ERRORS * np.sqrt(2 / n)).all()
    correlations = np.corrcoef(before.T)
    for one, other, rho in ((0, 1, 0.60), (3, 6, 0.60), (7, 10, 0.60), (0, 3, 0.45), (2, 10, 0.45), (6, 7, 0.45)):
        assert abs(correlations[one, other] - rho) < STANDARD_ERRORS * (1 - rho**2) / np.sqrt(n)


def test_a_mixed_model_finds_the_stated_variances(population, pwiq):
    """Eleven independent subscales are eleven samples of each variance."""
    independent = attentive(
        changed(population, correlation={"between": 0.0, "within_phase": 0.0}),
        organisations=40,
        teams=100,
        people_first=500,
        people_second=500,
        people_both=500,
    )
    rng = np.random.default_rng(10)
    people = _draw_people(independent, rng)
    deviations = _draw_deviations(independent, pwiq, people, rng)
    rows = pd.concat([people.assign(wave=wave, person=people.index) for wave in (1, 2)], ignore_index=True)
    groups = pd.DataFrame(
        {
            "organisation": rows["organisation"],
            "organisation_wave": rows["organisation"].astype(str) + "/" + rows["wave"].astype(str),
            "team": rows["team"],
            "team_wave": rows["team"].astype(str) + "/" + rows["wave"].astype(str),
            "person": rows["person"],
        }
    )
    eta = np.vstack([deviations[1], deviations[2]])
    design = pd.DataFrame({"intercept": np.ones(len(rows))})
    found = np.array([fit_mixed(pd.Series(column), design, groups).variances.to_numpy() for column in eta.T])
    expected = np.array([0.07, 0.015, 0.06, 0.02, 0.56, 0.275])
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found))
    assert (np.abs(found.mean(axis=0) - expected) < STANDARD_ERRORS * error).all()
    # The test can tell: a variance that is not there would be missed by far.
    assert (error < expected / STANDARD_ERRORS).all()


# ---- answers ---------------------------------------------------------------------------------------------


def cells(waves):
    """Each form × arm × wave with its answers and organisations."""
    for name, responses in waves.items():
        people = responses.people
        for (form, arm), rows in people.groupby(["form", "programme"]):
            yield name, form, int(arm), responses.answers.loc[rows.index], rows["organisation"]


def distances_from_expected(waves, population, instrument, stated):
    """Observed minus stated item means, in standard errors, over all cells."""
    found = []
    for wave, form, arm, answers, organisation in cells(waves):
        model = item_model(population, instrument)
        expected, _ = answer_moments(stated, model, instrument, form, treated=bool(arm) and wave == "followup")
        of_form = [form in item.forms for item in instrument.items]
        mean, error = clustered_mean(answers.loc[:, of_form].to_numpy(dtype=float), organisation)
        found.append((mean - expected[of_form]) / error)
    return np.concatenate(found)


def test_expected_answers_are_those_that_the_file_implies(population, pwiq, stated):
    for form in ("P", "C", "M"):
        for treated in (False, True):
            expected, _ = answer_moments(stated, item_model(population, pwiq), pwiq, form, treated=treated)
            got = expected_answers(population, pwiq, form=form, treated=treated)
            assert got.index.tolist() == list(pwiq.items.ids)
            np.testing.assert_allclose(got, expected, rtol=0, atol=1e-12)  # the same sum, in another order


def test_item_means_are_as_stated(large, population, pwiq, stated):
    distance = distances_from_expected(large, population, pwiq, stated)
    assert len(distance) == 2 * 2 * (66 + 58 + 66)
    assert np.abs(distance).max() < STANDARD_ERRORS
    # The standard errors are neither too wide nor too narrow.
    assert 0.8 < (distance**2).mean() < 1.2


@pytest.mark.parametrize("wrong", ["effects halved", "a gap left out", "one threshold moved"])
def test_item_means_would_show_a_wrong_population(large, population, pwiq, stated, wrong):
    other = {
        "effects halved": {"effect": {name: value / 2 for name, value in stated["effect"].items()}},
        "a gap left out": {"gap": {"C": stated["gap"]["C"]}},
        "one threshold moved": {"measurement": stated["measurement"] | {"thresholds": [-1.65, -0.80, 0.30, 1.05]}},
    }[wrong]
    distance = distances_from_expected(large, population, pwiq, stated | other)
    assert np.abs(distance).max() > STANDARD_ERRORS
    assert (distance**2).mean() > 1.4


def test_item_locations_and_loadings_scatter_as_stated(population, pwiq):
    model = item_model(population, pwiq)
    reverse = np.array([item.reverse for item in pwiq.items])
    assert (np.abs(model.loading[~reverse] - 0.70) <= 0.05).all()
    assert (np.abs(model.loading[reverse] + 0.62) <= 0.05).all()
    assert np.ptp(model.loading[reverse]) > 0.05
    for rows, centre in ((~reverse, 0.0), (reverse, -0.15)):
        assert abs(model.location[rows].mean() - centre) < STANDARD_ERRORS * 0.25 / np.sqrt(33)
        assert 0.15 < model.location[rows].std() < 0.35
    np.testing.assert_allclose(model.loading**2 + model.wording**2 + model.residual_sd**2, 1.0, atol=1e-12)


def batches(responses, form, count=30):
    """The answers of a form in independent parts: organisations dealt out in turn."""
    rows = responses.people[responses.people["form"] == form]
    part = rows["organisation"].str.removeprefix("org").astype(int) % count
    return [responses.answers.loc[rows.index[part == number]].astype(float) for number in range(count)]


def keyed_correlations(correlation, instrument):
    """Mean correlation of keyed items: within and between subscales, same and opposite wording."""
    reverse = np.array([item.reverse for item in instrument.items])
    subscale = np.array([item.subscale for item in instrument.items])
    turned = correlation * np.outer(np.where(reverse, -1, 1), np.where(reverse, -1, 1))
    pairs = np.triu(np.ones_like(turned, dtype=bool), 1)
    same_subscale, same_wording = subscale[:, None] == subscale, reverse[:, None] == reverse
    return {
        (within, alike): turned[pairs & (same_subscale == within) & (same_wording == alike)].mean()
        for within in (True, False)
        for alike in (True, False)
    }


def test_correlations_of_items_are_as_stated_and_show_the_wording_factor(large, population, pwiq, stated):
    _, covariance = answer_moments(stated, item_model(population, pwiq), pwiq, "M")
    expected = keyed_correlations(covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance))), pwiq)
    parts = [keyed_correlations(np.corrcoef(part.to_numpy().T), pwiq) for part in batches(large["baseline"], "M", 20)]
    for kind, value in expected.items():
        found = np.array([part[kind] for part in parts])
        error = found.std(ddof=1) / np.sqrt(len(found))
        assert abs(found.mean() - value) < STANDARD_ERRORS * error, kind
        assert error < 0.02
    # A tendency to agree draws equally worded items together and keyed opposites apart.
    assert expected[True, True] > expected[True, False] + 0.05
    assert expected[False, True] > expected[False, False] + 0.05
    without = stated | {"measurement": stated["measurement"] | {"wording": 0.0}}
    _, covariance = answer_moments(without, item_model(population, pwiq), pwiq, "M")
    unworded = keyed_correlations(covariance / np.sqrt(np.outer(np.diag(covariance), np.diag(covariance))), pwiq)
    found = np.array([part[False, False] for part in parts])
    assert abs(found.mean() - unworded[False, False]) > STANDARD_ERRORS * found.std(ddof=1) / np.sqrt(len(found))


def alphas(waves, instrument, form="P"):
    """Subscale → alpha of the keyed answers before, in independent parts of the sample."""
    turn = {item.id: item.reverse for item in instrument.items}
    parts = [part.assign(**{n: 6 - part[n] for n in part if turn[n]}) for part in batches(waves["baseline"], form, 20)]
    return pd.DataFrame(
        [{name: cronbach_alpha(part[ids]) for name, ids in instrument.subscale_items().items()} for part in parts]
    )


def implied_alphas(covariance, instrument):
    sign = np.array([-1 if item.reverse else 1 for item in instrument.items])
    turned = covariance * np.outer(sign, sign)
    found = {}
    for name in SUBSCALES:
        rows = [i for i, item in enumerate(instrument.items) if item.subscale == name]
        part = turned[np.ix_(rows, rows)]
        found[name] = len(rows) / (len(rows) - 1) * (1 - np.trace(part) / part.sum())
    return pd.Series(found)


def flipped(instrument, *names):
    """The questionnaire with the keys of some items wrong."""
    return replace(
        instrument,
        items=Catalogue(
            replace(item, reverse=not item.reverse) if item.id in names else item for item in instrument.items
        ),
    )


def test_reliability_finds_the_population_and_not_with_a_flipped_key(large, population, pwiq, stated):
    _, covariance = answer_moments(stated, item_model(population, pwiq), pwiq, "P")
    expected = implied_alphas(covariance, pwiq)
    assert expected.between(0.70, 0.85).all()  # what real subscales of six items have
    # Alpha of a few dozen people is biased by less than 1/n; parts of a hundred keep it below the error.
    found = alphas(large, pwiq)
    error = found.std(ddof=1) / np.sqrt(len(found))
    distance = (found.mean() - expected) / error
    assert distance.abs().max() < STANDARD_ERRORS
    assert error.max() < 0.015
    wrong = alphas(large, flipped(pwiq, "roleaf"))
    distance = (wrong.mean() - expected) / error
    assert distance["role"] < -2 * STANDARD_ERRORS
    assert distance.drop("role").abs().max() < STANDARD_ERRORS


# ---- the programme's effect ------------------------------------------------------------------------------


def test_the_stated_change_is_zero_on_the_negative_control_and_positive_elsewhere(population, pwiq):
    for form in ("P", "C", "M"):
        change = expected_answers(population, pwiq, form=form, treated=True) - expected_answers(
            population, pwiq, form=form, treated=False
        )
        for item in pwiq.items:
            if f"{item.subscale}{item.facet}" in ("resoc", "devpc"):
                assert change[item.id] == 0.0
            else:
                assert change[item.id] < 0 if item.reverse else change[item.id] > 0
    nothing = without_effect(population)
    assert nothing.variance == population.variance
    assert nothing.model_copy(update={"effect": population.effect, "effect_by_facet": population.effect_by_facet}) == (
        population
    )
    for form in ("P", "C", "M"):
        same = [expected_answers(nothing, pwiq, form=form, treated=treated) for treated in (False, True)]
        assert same[0].equals(same[1])


NEGATIVE_CONTROL = "control"  # our name for the score over reso-c and devp-c
SEEDS = range(1, 21)


def with_negative_control(instrument):
    rule = replace(
        instrument.scores["macro"],
        id=NEGATIVE_CONTROL,
        items=tuple(i.id for i in instrument.items if f"{i.subscale}{i.facet}" in ("resoc", "devpc")),
    )
    return replace(instrument, scores=Catalogue([*instrument.scores, rule]))


def difference_in_differences(waves, instrument):
    """Score → treated minus untreated change, each form weighing the same."""
    means = []
    for name in WAVES:
        responses = replace(waves[name], instrument=with_negative_control(instrument))
        people = responses.people
        scores = score(responses)[[*SUBSCALES, NEGATIVE_CONTROL]]
        by_form = scores.groupby([people["programme"].astype(int), people["form"]]).mean()
        means.append(by_form.groupby(level=0).mean())
    change = means[1] - means[0]
    return change.loc[1] - change.loc[0]


def stated_differences(stated, population, instrument):
    """The same, from the file: careless people (a fixed share) do not change with the programme."""
    model = item_model(population, instrument)
    by_form = []
    for form in stated["forms"]:
        before, after = (answer_moments(stated, model, instrument, form, treated=t)[0] for t in (False, True))
        change = pd.Series(after - before, index=instrument.items.ids)
        rules = {s: [i for i in instrument.items if i.subscale == s and form in i.forms] for s in SUBSCALES}
        rules[NEGATIVE_CONTROL] = [
            i for i in instrument.items if f"{i.subscale}{i.facet}" in ("resoc", "devpc") and form in i.forms
        ]
        by_form.append(
            pd.Series(
                {
                    name: np.mean(
                        [
                            np.mean([change[i.id] for i in items if not i.reverse]),
                            -np.mean([change[i.id] for i in items if i.reverse]),
                        ]
                    )
                    for name, items in rules.items()
                }
            )
        )
    attentive_share = 1 - sum(stated["careless"].values())
    return attentive_share * sum(by_form) / len(by_form) / 4 * 100


def test_the_readme_tells_these_effects(population, pwiq, stated):
    readme = Path("sample_data/README.md").read_text(encoding="utf-8")
    expected = stated_differences(stated, population, pwiq)
    for name in SUBSCALES:
        assert f"| {name} | {stated['effect'][name]:.2f} | {expected[name]:.1f} |" in readme, name
    assert stated["effect_by_facet"] == {"resoc": 0.0, "devpc": 0.0}


def draws(population, instrument):
    return [simulate(items_only(population), seed=seed, instrument=instrument) for seed in SEEDS]


def misses(samples, instrument, expected):
    """Scores whose mean difference over the samples is not what was stated, within the Monte Carlo error."""
    found = pd.DataFrame([difference_in_differences(waves, instrument) for waves in samples])
    error = found.std(ddof=1) / np.sqrt(len(found))
    distance = (found.mean() - expected) / error
    return distance[distance.abs() >= STANDARD_ERRORS].index.tolist()


@pytest.fixture(scope="module")
def samples(population, pwiq):
    return draws(population, pwiq)


def test_the_programme_effect_is_recovered(samples, population, pwiq, stated):
    """In POMP, from the sample data's own population: gaps, careless people, don't knows and all."""
    expected = stated_differences(stated, population, pwiq)
    assert expected[NEGATIVE_CONTROL] == 0.0
    assert expected["educ"] > 8
    assert misses(samples, pwiq, expected) == []


def test_the_same_test_fails_when_the_effect_is_halved(population, pwiq, stated):
    halved = {
        table: {name: value / 2 for name, value in stated[table].items()} for table in ("effect", "effect_by_facet")
    }
    missed = misses(
        draws(population.model_copy(update=halved), pwiq), pwiq, stated_differences(stated, population, pwiq)
    )
    assert {"role", "indu", "educ"} <= set(missed)
    assert NEGATIVE_CONTROL not in missed


def test_the_same_test_fails_when_keys_are_flipped(samples, population, pwiq, stated):
    names = [item.id for item in pwiq.items if item.subscale == "educ" and item.facet == "a"]
    wrong = flipped(pwiq, *names)
    assert misses(samples, wrong, stated_differences(stated, population, pwiq)) == ["educ"]


def test_without_effect_nothing_is_found(population, pwiq, stated):
    nothing = stated | {"effect": dict.fromkeys(stated["effect"], 0.0), "effect_by_facet": {}}
    expected = stated_differences(nothing, population, pwiq)
    assert (expected == 0).all()
    assert misses(draws(without_effect(population), pwiq), pwiq, expected) == []


# ---- gaps, careless answers, ratings ---------------------------------------------------------------------


def test_answers_beside_the_scale_and_blanks_come_as_often_as_stated(population, pwiq, stated):
    big = changed(
        items_only(population),
        design={"people_first": 20000, "people_second": 100, "people_both": 0},
        missing={"stops_early": 0.0},
    )
    responses = simulate(big, seed=12, instrument=pwiq)["baseline"]
    form = responses.people["form"]
    for name in ("P", "C", "M"):
        rows = form == name
        off_scale = responses.off_scale[rows]
        for subscale in SUBSCALES:
            ids = [i.id for i in pwiq.items if i.subscale == subscale and name in i.forms]
            rates = stated["missing"]["dont_know"][name]
            seen = 1 - 0.015  # a blank hides it
            expected = {
                "dont_know": rates.get(subscale, rates["default"]) * seen,
                "does_not_apply": stated["missing"]["does_not_apply"][name] * seen,
            }
            n = rows.sum() * len(ids)
            for reason, rate in expected.items():
                found = off_scale[ids].eq(reason).fillna(False).to_numpy().mean()
                assert abs(found - rate) < STANDARD_ERRORS * np.sqrt(rate * (1 - rate) / n), (name, subscale, reason)
            blank = (responses.answers[rows][ids].isna() & off_scale[ids].isna()).to_numpy().mean()
            assert abs(blank - 0.015) < STANDARD_ERRORS * np.sqrt(0.015 * 0.985 / n)


def test_people_who_stop_early_leave_the_rest_blank(population, pwiq):
    stopping = changed(attentive(population), missing={"stops_early": 0.5})
    blank = simulate(stopping, seed=2, instrument=pwiq)["baseline"].answers.loc[lambda a: a["roleaf"].notna()].isna()
    common = blank[list(pwiq.common_items)]
    stops = common.iloc[:, -1]
    assert abs(stops.mean() - 0.5) < STANDARD_ERRORS * 0.5 / np.sqrt(len(common)) + 1 / 50  # few stop at the end
    assert (common.astype(int).diff(axis=1).iloc[:, 1:] >= 0).to_numpy().all()  # never starts again
    assert common[stops].sum(axis=1).between(1, 58 * 0.8).all()


def test_careless_answers_are_of_the_three_kinds(population, pwiq):
    all_careless = changed(
        attentive(population, people_first=3000), careless={"straight_line": 0.3, "random": 0.3, "middle": 0.3}
    )
    responses = simulate(all_careless, seed=3, instrument=pwiq)["baseline"]
    answers = responses.answers.astype(float)
    kind = responses.people["careless"]
    for name in ("straight_line", "random", "middle"):
        assert abs(kind.eq(name).fillna(False).mean() - 0.3) < STANDARD_ERRORS * np.sqrt(0.21 / 3000)
    assert kind.isna().any()
    straight = answers[kind.eq("straight_line").fillna(False)]
    assert straight.nunique(axis=1).eq(1).all()
    assert straight["roleaf"].nunique() == 5
    random = answers[kind.eq("random").fillna(False)].to_numpy()
    random = random[~np.isnan(random)]
    for code in range(1, 6):
        assert abs((random == code).mean() - 0.2) < STANDARD_ERRORS * np.sqrt(0.16 / len(random))
    middle = answers[kind.eq("middle").fillna(False)].to_numpy()
    middle = middle[~np.isnan(middle)]
    assert abs((middle == 3).mean() - (0.85 + 0.15 / 5)) < STANDARD_ERRORS * np.sqrt(0.88 * 0.12 / len(middle))


def test_ratings_follow_what_they_should(population, pwiq):
    big = changed(
        attentive(population, people_first=4000, people_second=4000, people_both=4000).model_copy(
            update={"ratings": population.ratings}
        )
    )
    waves = simulate(big, seed=4, instrument=pwiq)
    followup = waves["followup"]
    integration = score(followup)["integration"]
    people = followup.people
    assert 0.4 < people["global10"].astype(float).corr(integration) < 0.7
    peers = people["form"] == "P"
    assert 0.3 < people.loc[peers, "satisfied"].astype(float).corr(integration[peers]) < 0.55
    assert people.loc[~peers, ["stay", "satisfied"]].isna().all(axis=None)
    managers = people["form"] == "M"
    assert people.loc[managers, "difrole"].notna().all()
    assert people.loc[~managers, "difrole"].isna().all()
    by_person = score(waves["baseline"])["integration"].set_axis(waves["baseline"].people["person"])
    change = integration.to_numpy() - by_person.reindex(people["person"]).to_numpy()
    assert 0.25 < np.corrcoef(change, people["change7"].astype(float))[0, 1] < 0.5
    assert "change7" not in waves["baseline"].people
    gaps = -score(followup)["role"]
    assert 0.15 < people["improle"].astype(float).corr(gaps) < 0.4


# ---- any questionnaire, and what is refused --------------------------------------------------------------


def test_another_questionnaire_without_forms_and_wordings(tmp_path):
    population = read_population("tests/data/small_population.toml")
    small = read_instrument("tests/data/small.toml")
    waves = simulate(population, seed=1)
    paths = []
    for name, responses in waves.items():
        assert responses.answers.columns.tolist() == list(small.items.ids)
        assert set(responses.answers.to_numpy().ravel()) - {pd.NA} == {0, 1, 2, 3}
        assert responses.off_scale[[f"trust{k}" for k in range(1, 6)]].eq("dont_know").fillna(False).to_numpy().any()
        assert responses.off_scale[[f"rest{k}" for k in range(1, 6)]].isna().all(axis=None)
        assert "form" not in responses.people
        paths.append(tmp_path / f"{name}.csv")
        table = canonical_table(responses).drop(columns="careless")
        assert (table["trust1"] == 9).any()
        table.to_csv(paths[-1], index=False)
    again = read_responses(paths, small)
    assert len(again.answers) == 160 + 120
    np.testing.assert_array_equal(
        again.answers.astype(float), pd.concat([waves[name].answers for name in WAVES]).astype(float)
    )
    assert score(again).notna().mean().min() > 0.9


def test_expected_answers_of_another_questionnaire():
    population = read_population("tests/data/small_population.toml")
    small = read_instrument(population.instrument)
    many = attentive(population, organisations=400, teams=400, people_first=8000, people_second=100, people_both=0)
    responses = simulate(many, seed=6)["baseline"]
    mean, error = clustered_mean(responses.answers.to_numpy(dtype=float), responses.people["organisation"])
    expected = expected_answers(population, small, form=None, treated=False)
    assert (np.abs(mean - expected) < STANDARD_ERRORS * error).all()
    treated = expected_answers(population, small, form=None, treated=True) - expected
    assert (treated[[f"trust{k}" for k in range(1, 6)]] == 0).all()
    assert treated["rest1"] > 0 > treated["rest2"]


@pytest.mark.parametrize(
    ("tables", "message"),
    [
        ({"mean": {"rolle": 0.1}}, "[mean]: rolle unknown; allowed: cult, devp"),
        ({"effect": {"rest": 0.1}}, "[effect]: rest unknown"),
        ({"effect_by_facet": {"roled": 0.1}}, "[effect_by_facet]: roled unknown"),
        ({"forms": {"P": 0.5, "Q": 0.5}}, "[forms]: Q unknown; allowed: C, CS, M, MS, P, PS"),
        ({"forms": {}}, "[forms]: needed; give the share of each of P, C, M"),
        ({"gap": {"Q": {"default": 0.1}}}, "[gap]: Q unknown"),
        ({"gap": {"C": {"rol": 0.1}}}, "[gap.C]: rol unknown"),
        ({"missing": {"dont_know": {"Q": {}}}}, "[missing.dont_know]: Q unknown"),
        ({"missing": {"dont_know": {"C": {"rol": 0.1}}}}, "[missing.dont_know.C]: rol unknown"),
        ({"missing": {"does_not_apply": {"everyone": 0.1}}}, "[missing.does_not_apply]: everyone unknown"),
        ({"background": {"colour": {"1": 1}}}, "[background]: colour unknown"),
        ({"background": {"contact": {"1": 1, "7": 1}}}, "[background.contact]: 7 unknown"),
        ({"promoted": {"to": "Q"}}, "[promoted]: Q unknown; allowed: C, M, P"),
        ({"codes": {"letters": {"code7": {"A": 1}}}}, "[codes.letters]: code7 unknown"),
        ({"codes": {"errors": [0.1, 0.1]}}, "[codes]: 2 errors for 6 elements; give one each"),
        ({"design": {"teams": 20}}, "[design]: 20 teams cannot fill 24 organisations"),
        ({"design": {"people_both": 701}}, "people_both = 701 is more than people_first = 900 or people_second = 700"),
        ({"careless": {"random": 0.99}}, "[careless]: the shares add up to 1.025"),
        ({"variance": {"person": 0.5}}, "[variance]: the parts add up to 0.5"),
        ({"correlation": {"between": 0.9, "within_phase": 0.1}}, "[correlation]: no such correlation matrix exists"),
        (
            {"measurement": {"thresholds": [-1.0, 0.0, 1.0]}},
            "3 thresholds make 4 answers, but the response scale agree has 5; give 4",
        ),
        ({"measurement": {"thresholds": [-1.0, 0.0, 0.0, 1.0]}}, "[measurement]: thresholds must ascend"),
        ({"measurement": {"loading_facilitator": 0.97}}, "loading² + wording² must be below 1"),
    ],
)
def test_a_population_that_contradicts_itself_is_refused(population, pwiq, tables, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        simulate(changed(population, **tables), seed=1, instrument=pwiq)


def test_all_faults_are_named_at_once(population, pwiq):
    with pytest.raises(ValueError, match="this population does not fit pwiq") as refused:
        simulate(
            changed(population, mean={"a": 0, "b": 0}, effect={"c": 0}, design={"teams": 1}), seed=1, instrument=pwiq
        )
    assert str(refused.value).splitlines()[1:] == [
        "[mean]: a, b unknown; allowed: cult, devp, educ, indu, lead, path, prac, reso, role, supv, voic",
        "[effect]: c unknown; allowed: cult, devp, educ, indu, lead, path, prac, reso, role, supv, voic",
        "[design]: 1 teams cannot fill 24 organisations; give each at least one",
    ]


def test_a_population_for_another_questionnaire_is_refused(population):
    with pytest.raises(ValueError, match="does not fit wellteam") as refused:
        simulate(population, seed=1, instrument=read_instrument("tests/data/small.toml"))
    for table in ("[mean]", "[forms]", "[gap]", "[missing.dont_know]", "[background]", "[codes.letters]"):
        assert table in str(refused.value)
    assert "4 thresholds make 5 answers, but the response scale often has 4; give 3" in str(refused.value)


def test_a_key_that_nobody_knows_is_refused_with_its_place(stated):
    with pytest.raises(ValueError, match=r"design\.organizations"):
        simulate(stated | {"design": stated["design"] | {"organizations": 3}}, seed=1)
    with pytest.raises(ValueError, match=r"design\.teams"):
        simulate(stated | {"design": stated["design"] | {"teams": 0}}, seed=1)


def test_a_short_score_is_refused_where_nothing_is_marked_short():
    small = simulate(read_population("tests/data/small_population.toml"), seed=1)["baseline"]
    with pytest.raises(ValueError, match="wellteam has none; use 'own'"):
        score(small, items="short")
