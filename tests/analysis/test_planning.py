"""Power and detectable differences against R's power.t.test, brute force and simulation (tests/oracles/planning.R)."""

import json
from pathlib import Path

import joblib
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot

from analysis import plots
from analysis.cluster_changes import cluster_changes
from analysis.overlapping import overlapping_samples
from analysis.planning import ONE_TEAM, detectable_difference, power
from analysis.power_numbers import Setting, _draw_clusters, _draw_team, simulated
from analysis.study_design import design_of

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "planning.json").read_text())
R = f"R {ORACLE['versions']['R']}"
# power.t.test solves by uniroot to 1e-12 and both use the noncentral t distribution: 1e-6 leaves room for
# the two implementations of it.
EXACT = 1e-6


def _first(result, column="estimate"):
    return float(result.table[column].iloc[0])


# Exact cases


def test_unlinked_answers_are_the_two_sample_case_of_r(agrees):
    cases = pd.DataFrame(ORACLE["two_sample"])
    ours = [_first(detectable_difference(n_before=c.n, sd=c.sd, power=c.power)) for c in cases.itertuples()]
    agrees("detectable difference, nobody linked", ours, cases["delta"], oracle=f"{R} power.t.test", relative=EXACT)
    ours = [_first(power(0.35 * c.sd, n_before=c.n, sd=c.sd), "power") for c in cases.itertuples()]
    agrees("power, nobody linked", ours, cases["chance"], oracle=f"{R} power.t.test", absolute=EXACT)


def test_linked_answers_are_the_paired_case_of_r(agrees):
    cases = pd.DataFrame(ORACLE["paired"])
    known = [{"n_before": c.n, "linked": 1, "sd": c.sd, "person_autocorrelation": c.r} for c in cases.itertuples()]
    ours = [_first(detectable_difference(**each)) for each in known]
    agrees("detectable difference, all linked", ours, cases["delta"], oracle=f"{R} power.t.test", relative=EXACT)
    ours = [_first(power(6.25, **each), "power") for each in known]
    agrees("power, all linked", ours, cases["chance"], oracle=f"{R} power.t.test", absolute=EXACT)


def test_the_guide_holds():
    """66 linked pairs at r = .5, 53 at r = .6 and 129 answers a wave without links show d = .35 with 80 %."""
    for n, linked, r, exact in ((66, 1, 0.5, "pairs_5"), (53, 1, 0.6, "pairs_6"), (129, 0, 0.5, "each_wave")):
        assert round(ORACLE["guide"][exact]) == n
        # A whole person more or less is 0.3 points of power at these sizes.
        found = _first(power(0.35, n_before=n, linked=linked, sd=1, person_autocorrelation=r), "power")
        assert found == pytest.approx(0.80, abs=0.003)


@pytest.mark.parametrize("name", ORACLE["clusters"])
def test_clusters_are_those_of_brute_force(name, agrees):
    case = ORACLE["clusters"][name]
    arms = np.atleast_1d(case["arms"])
    counts = {each: np.atleast_1d(case[each]) for each in ("before", "after", "linked")}
    shares = counts["before"] / counts["before"].sum()
    known = {
        "n_before": int(counts["before"].sum() * arms.sum()),
        "n_after": int(counts["after"].sum() * arms.sum()),
        "n_linked": int(counts["linked"].sum() * arms.sum()),
        "design": "one group" if len(arms) == 1 else "two arms",
        "clusters": int(arms[0]) if len(arms) == 1 else tuple(int(each) for each in arms),
        "forms": dict(zip("PCM", shares, strict=True)) if len(shares) == 3 else None,
        "sd": case["sd"],
        "icc": case["icc"],
        "cluster_autocorrelation": case["cac"],
        "person_autocorrelation": case["tau"],
        "analysis": "ancova" if case["ancova"] else "change",
    }
    found = detectable_difference(**known).table.iloc[0]
    oracle = f"{R}, covariance of every answer"
    agrees(f"standard error, {name}", found["se"], case["se"], oracle=oracle, relative=1e-10)
    agrees(
        f"degrees of freedom, {name}",
        found["df"],
        case["df"],
        oracle=f"clubSandwich {ORACLE['versions']['clubSandwich']} CR2",
        absolute=1e-8,
    )
    agrees(f"detectable difference, {name}", found["estimate"], case["delta"], oracle=oracle, relative=EXACT)
    agrees(f"power, {name}", _first(power(8, **known), "power"), case["chance"], oracle=oracle, absolute=EXACT)


def test_a_partly_linked_team_is_that_of_brute_force(agrees):
    cases = ORACLE["teams"]
    found = [
        detectable_difference(
            n_before=c["before"],
            n_after=c["after"],
            n_linked=c["linked"],
            sd=c["sd"],
            person_autocorrelation=c["tau"],
            method="formula",
        ).table.iloc[0]
        for c in cases
    ]
    for column, tolerance in (("se", 1e-10), ("df", 1e-10), ("estimate", EXACT)):
        theirs = [case["delta" if column == "estimate" else column] for case in cases]
        ours = [each[column] for each in found]
        agrees(f"{column}, partly linked team", ours, theirs, oracle=f"{R}, brute force", relative=tolerance)


def test_with_closed_and_repeated_samples_it_is_the_design_effect_of_hooper():
    """Var(change) = 2 (1 − r) σ²/(k m) [1 + (m − 1) ρ], r the correlation of cluster means (Hooper et al., 2016)."""
    m, k, rho, pi, tau = 12, 10, 0.08, 0.8, 0.7
    for linked, own in ((0, 0.0), (1, tau)):
        inflation = 1 + (m - 1) * rho
        r = (m * rho * pi + (1 - rho) * own) / inflation
        found = detectable_difference(
            n_before=m * k,
            linked=linked,
            sd=1,
            design="one group",
            clusters=k,
            icc=rho,
            cluster_autocorrelation=pi,
            person_autocorrelation=tau,
        )
        assert _first(found, "se") ** 2 == pytest.approx(2 * (1 - r) / (m * k) * inflation, rel=1e-12)


def test_forms_of_one_team_are_tested_one_by_one():
    mix = {"P": 0.25, "C": 0.5, "M": 0.25}
    found = detectable_difference(n_before=40, linked=1, sd=18, forms=mix, person_autocorrelation=0.6).table.iloc[0]
    parts = [
        detectable_difference(n_before=n, linked=1, sd=18, person_autocorrelation=0.6).table.iloc[0]
        for n in (10, 20, 10)
    ]
    variance = np.array([part["se"] ** 2 for part in parts])
    df = np.array([part["df"] for part in parts])
    assert found["se"] == pytest.approx(np.sqrt(variance.sum()) / 3)
    assert found["df"] == pytest.approx(variance.sum() ** 2 / (variance**2 / df).sum())
    together = detectable_difference(n_before=40, linked=1, sd=18, person_autocorrelation=0.6)
    assert found["estimate"] > _first(together)


# By simulation


def _setting(**changed):
    usual = {
        "design": "one team",
        "before": 30,
        "after": 26,
        "linked": 15,
        "arms": (),
        "sd": 18.0,
        "icc": 0.0,
        "person": 0.7,
        "cluster": 0.0,
        "shares": (1.0,),
        "size_cv": 0.0,
        "analysis": "change",
    }
    return Setting(**(usual | changed))


class _Recorded:
    """Hands out numbers that are known, so that the same samples can be tested one by one."""

    def __init__(self, *arrays):
        self.arrays = list(arrays)

    def normal(self, size):
        array = self.arrays.pop(0)
        assert array.shape == size
        return array.copy()


@pytest.mark.parametrize("linked", [0, 1, 2, 9])
def test_simulated_teams_are_tested_as_real_ones(linked):
    rng = np.random.default_rng(4)
    before, after = rng.normal(size=(5, 12)), rng.normal(size=(5, 9))
    setting = _setting(before=12, after=9, linked=linked)
    error, se, df = _draw_team(setting, 5, _Recorded(before, after))
    people = (
        [f"p{number}" for number in range(12)],
        [f"p{number}" for number in [*range(linked), *range(50, 59 - linked)]],
    )
    for draw in range(5):
        second = after[draw].copy()
        second[:linked] = 0.7 * before[draw, :linked] + np.sqrt(1 - 0.49) * second[:linked]
        found = overlapping_samples(
            pd.Series(18 * before[draw], index=people[0]), pd.Series(18 * second, index=people[1])
        )
        assert (error[draw], se[draw], df[draw]) == pytest.approx(tuple(found[["estimate", "se", "df"]]), rel=1e-9)


@pytest.mark.parametrize("arms", [(9,), (4, 7)])
def test_simulated_clusters_are_tested_as_real_ones(arms):
    """Clusters of unequal size, each with its change: the same estimate, error and df as from answers."""
    setting = _setting(before=110, after=110, linked=0, arms=arms, icc=0.1, cluster=0.8, size_cv=0.6)
    sizes = [np.array([[6.0, 14, 10, 2, 8, 12, 20, 4, 10][:arm]]) for arm in arms]
    changes = [np.random.default_rng(arm).normal(size=(1, arm)) for arm in arms]

    class Given:
        def __init__(self):
            self.sizes = [each / (110 / sum(arms)) for each in sizes]
            self.changes = changes.copy()

        def gamma(self, shape, scale, size):
            return self.sizes.pop(0)

        def normal(self, size):
            return self.changes.pop(0)

    error, se, df = _draw_clusters(setting, 1, Given())
    parts = []
    for arm, (size, change) in enumerate(zip(sizes, changes, strict=True)):
        for number, (n, noise) in enumerate(zip(size[0], change[0], strict=True)):
            spread = np.sqrt(2 * (0.1 * 0.2 + 0.9 / n))
            score = np.append(np.zeros(int(n)), np.full(int(n), 18 * spread * noise))
            parts.append(
                pd.DataFrame({"wave": np.repeat([0, 1], int(n)), "score": score, "team": f"{arm}-{number}"}).assign(
                    programme=float(arm == 0)
                )
            )
    rows = pd.concat(parts, ignore_index=True).reset_index(names="person")
    if len(arms) == 1:
        rows = rows.drop(columns="programme")
    found = cluster_changes(rows["score"], rows, unit="team").contrasts
    found = found.loc["change" if len(arms) == 1 else "programme − control"]
    assert (error[0], se[0], df[0]) == pytest.approx(tuple(found[["estimate", "se", "df"]]), rel=1e-9)


@pytest.mark.parametrize(
    "known",
    [
        {"n_before": 30, "n_after": 26, "linked": 0.6},
        {"n_before": 10, "n_after": 9, "linked": 1.0},
        {"n_before": 80, "linked": 0.5, "design": "one group", "clusters": 8, "icc": 0.1},
        {"n_before": 240, "linked": 0.5, "design": "two arms", "clusters": (4, 16), "icc": 0.05},
    ],
)
def test_simulation_and_formula_agree(known):
    known = known | {"sd": 18, "person_autocorrelation": 0.7, "cluster_autocorrelation": 0.8}
    by_formula = detectable_difference(**known, method="formula")
    by_draws = detectable_difference(**known, method="simulation", draws=20_000, seed=3).table.iloc[0]
    # 20,000 draws: a chance of 80 % has the standard error .0028, and as the power curve climbs .28 a standard error
    # there, the difference seen with it (2.85 standard errors) has .35 %; 4 of these.
    assert by_draws["estimate"] == pytest.approx(_first(by_formula), rel=0.014)
    assert by_draws["simulated_low"] < by_draws["estimate"] < by_draws["simulated_high"]
    assert by_draws["se"] == pytest.approx(_first(by_formula, "se"), rel=0.02)
    chance = power(_first(by_formula), **known, method="simulation", draws=20_000, seed=4).table.iloc[0]
    assert chance["power"] == pytest.approx(0.80, abs=0.0113)
    assert chance["simulated_low"] < chance["power"] < chance["simulated_high"]


def test_a_small_team_that_is_partly_linked_is_simulated():
    """The formula takes the correlation of five pairs as known, and promises too much."""
    known = {"n_before": 10, "n_after": 9, "n_linked": 4, "sd": 18, "person_autocorrelation": 0.7}
    usual = detectable_difference(**known)
    assert "by simulation of 10,000" in usual.method
    assert _first(usual) > _first(detectable_difference(**known, method="formula"))
    for linked in (0, 9):
        assert "noncentral t" in detectable_difference(**known | {"n_linked": linked}).method


def test_clusters_of_unequal_size_are_simulated_and_cost_power():
    known = {
        "n_before": 160,
        "linked": 0.5,
        "design": "one group",
        "clusters": 16,
        "icc": 0.02,
        "sd": 18,
        "person_autocorrelation": 0.7,
        "cluster_autocorrelation": 0.8,
    }
    equal = detectable_difference(**known)
    unequal = detectable_difference(**known, size_cv=0.7, draws=4000)
    assert "noncentral t" in equal.method
    assert "by simulation of 4,000 normal samples" in unequal.method
    assert _first(unequal, "simulated_low") > _first(equal)
    with pytest.raises(ValueError, match="no formula for clusters of unequal size"):
        detectable_difference(**known, size_cv=0.7, method="formula")


def test_under_no_change_the_simulated_tests_keep_their_level():
    for setting in (
        _setting(before=10, after=9, linked=4),
        _setting(design="one group", arms=(6,), icc=0.1, size_cv=0.8),
    ):
        ((threshold, _),) = simulated([setting], 0.95, draws=10_000, seed=0, n_jobs=1, progress=False)
        # An effect of 0 is "seen" where the threshold is below it: 2.5 % on this side, 4 standard errors wide.
        assert np.mean(threshold < 0) == pytest.approx(0.025, abs=0.0075)


def test_the_result_depends_on_the_seed_alone():
    known = {
        "n_before": 30,
        "linked": 0.6,
        "sd": 18,
        "method": "simulation",
        "draws": 1200,
        "person_autocorrelation": 0.7,
    }
    one = detectable_difference(**known, seed=1).table
    pd.testing.assert_frame_equal(one, detectable_difference(**known, seed=1, n_jobs=2).table)
    with joblib.parallel_config(backend="threading", n_jobs=2):
        pd.testing.assert_frame_equal(one, detectable_difference(**known, seed=1).table)
    assert not one.equals(detectable_difference(**known, seed=2).table)


def test_a_backend_that_joblib_is_told_of_does_the_work():
    """No backend is named in the code: one that is registered from outside takes over by configuration alone."""
    from joblib._parallel_backends import SequentialBackend

    asked = []

    class Counting(SequentialBackend):
        def submit(self, func, callback=None):
            asked.append(1)
            return super().submit(func, callback)

        def configure(self, n_jobs=1, parallel=None, **options):
            asked.append(1)
            return super().configure(n_jobs, parallel, **options)

    joblib.register_parallel_backend("counting", Counting)
    with joblib.parallel_config(backend="counting"):
        detectable_difference(n_before=10, sd=18, method="simulation", draws=600)
    assert asked


# What is shown


def test_all_autocorrelations_are_shown():
    team = detectable_difference(n_before=30, linked=1, sd=18)
    assert team.table.index.tolist() == [0.6, 0.8, 0.9]
    assert team.table["estimate"].is_monotonic_decreasing
    group = detectable_difference(n_before=240, linked=1, sd=18, design="one group", clusters=24, icc=0.05)
    assert group.table.index.names == ["person_autocorrelation", "cluster_autocorrelation"]
    assert len(group.table) == 9
    assert (group.table["df"] == 23).all()
    assert (group.table["effect_size"] * 18).tolist() == pytest.approx(group.table["estimate"].tolist())


def test_assumptions_stand_in_words():
    notes = detectable_difference(n_before=30, n_after=26, linked=0.5, attrition=0.2, sd=18).notes
    assert ONE_TEAM in notes
    assert any("standard deviation 18; 30 answers before and 26 after" in note for note in notes)
    assert any("20 % of those before do not answer again); 12 people linked" in note for note in notes)
    assert any("at least" in note and "80 % of studies" in note for note in notes)
    group = detectable_difference(n_before=80, sd=20, design="one group", clusters=8, icc=0.05)
    assert any("8 clusters of equal size; .05 of the variance" in note for note in group.notes)
    assert any("not an effect of anything in particular" in note for note in group.notes)
    assert any(note.startswith("Nobody is linked") for note in group.notes)
    assert ONE_TEAM not in group.notes
    assert any("not enough answers" in note for note in detectable_difference(n_before=5, sd=18).notes)


def test_attrition_takes_answers_and_links():
    found = detectable_difference(n_before=40, linked=0.75, attrition=0.3, sd=18).table.iloc[0]
    assert found[["n_before", "n_after", "n_linked"]].tolist() == [40, 28, 21]
    # New people may come: those who stay can still be linked.
    found = detectable_difference(n_before=40, n_after=40, linked=0.75, attrition=0.3, sd=18).table.iloc[0]
    assert found[["n_before", "n_after", "n_linked"]].tolist() == [40, 40, 21]


def test_several_effects_make_a_curve():
    found = power([9, 3, -6], n_before=30, linked=1, sd=18, person_autocorrelation=0.6).table
    assert found.index.names == ["effect", "person_autocorrelation"]
    assert found.index.get_level_values("effect").tolist() == [3, 6, 9]
    assert found["power"].is_monotonic_increasing


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"sd": None}, "has no default"),
        ({"sd": 0}, "has no default"),
        ({"sd": float("nan")}, "has no default"),
        ({"n_before": 1}, "n_before must be at least 2, got 1"),
        ({"n_before": 30.5}, "whole number"),
        ({"n_after": 1}, "n_after must be at least 2"),
        ({"attrition": 1}, "attrition must lie between 0 and 1, got 1"),
        ({"attrition": 0.99}, "at least two are needed"),
        ({"linked": 1.2}, "linked must lie between 0 and 1"),
        ({"linked": 0.5, "n_linked": 4}, "not both"),
        ({"n_linked": 31}, "only 30 people can have answered at both waves"),
        ({"design": "team"}, "design must be"),
        ({"clusters": 4}, "has no clusters"),
        ({"icc": 0.1}, "icc and size_cv are of clusters"),
        ({"design": "one group"}, "needs clusters"),
        ({"design": "one group", "clusters": 5}, "icc is needed"),
        ({"design": "one group", "clusters": 1, "icc": 0.1}, "at least 2, got 1"),
        ({"design": "one group", "clusters": (3, 3), "icc": 0.1}, "one number"),
        ({"design": "one group", "clusters": 31, "icc": 0.1}, "31 clusters need at least one answer"),
        ({"design": "two arms", "clusters": 3, "icc": 0.1}, "at least 4, got 3"),
        ({"design": "two arms", "clusters": (1, 3), "icc": 0.1}, "at least 2, got 1"),
        ({"design": "one group", "clusters": 5, "icc": 1}, "icc must lie between 0 and 1, got 1"),
        ({"person_autocorrelation": 1}, "person_autocorrelation must lie between"),
        ({"person_autocorrelation": []}, "must be a number or several"),
        ({"analysis": "ancova"}, "two randomised arms"),
        ({"forms": {"P": 0.5, "C": 0.2}}, "add up to 1"),
        ({"forms": {"P": 0.02, "C": 0.98}}, "each form needs at least two"),
        ({"power": 0.01}, "power must lie between"),
        ({"confidence": 95}, "confidence must lie between"),
        ({"method": "exact"}, "method must be"),
        ({"method": "simulation", "draws": 10}, "draws must be at least 100"),
        ({"method": "simulation", "seed": None}, "seed must be a whole number"),
        ({"method": "simulation", "forms": {"P": 0.5, "C": 0.5}}, "knows no forms"),
    ],
)
def test_what_cannot_be_planned_is_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        detectable_difference(**({"n_before": 30, "sd": 18} | changed))


@pytest.mark.parametrize("effect", [0, [], "6", None, float("nan")])
def test_an_effect_is_a_number_other_than_0(effect):
    with pytest.raises(ValueError, match="effect must be"):
        power(effect, n_before=30, sd=18)


# As a figure


@pytest.fixture(name="curve")
def curve_fixture():
    return power([3, 6, 9], n_before=240, sd=18, design="one group", clusters=24, icc=0.08, linked=0.6).table


def test_the_power_curve_draws_every_number_of_the_table(curve):
    axes = plots.power_curve(curve, unit="points", smallest=6)
    panels = axes.get_figure().axes
    assert [panel.get_title() for panel in panels] == [f"clusters stay alike {r:.2f}" for r in (0.6, 0.8, 0.9)]
    for panel, cluster in zip(panels, (0.6, 0.8, 0.9), strict=True):
        lines = [line for line in panel.get_lines() if line.get_marker() != "None"]
        # Told apart by marker and line as well as by colour.
        assert len({(line.get_marker(), line.get_linestyle(), line.get_color()) for line in lines}) == 3
        assert len({line.get_linestyle() for line in lines}) == 3
        for line, person in zip(lines, (0.6, 0.8, 0.9), strict=True):
            expected = curve.xs((person, cluster), level=["person_autocorrelation", "cluster_autocorrelation"])
            assert line.get_xdata().tolist() == [3, 6, 9]
            assert line.get_ydata() == pytest.approx(expected["power"].to_numpy())
    pyplot.close("all")


def test_the_power_curve_in_words_says_where_it_is_enough(curve):
    said = plots.power_curve_in_words(curve, unit="points", smallest=6)
    row = curve.loc[(6, 0.8, 0.8), "power"]
    assert row > 0.8
    assert f"clusters stay alike 0.80, people stay alike 0.80: from 6 on, at 6 the chance is {100 * row:.0f} %" in said
    weak = power([1, 2], n_before=30, sd=18).table
    assert "people stay alike 0.60: at none of these sizes" in plots.power_curve_in_words(weak, unit="points")


def test_a_power_curve_of_nothing_is_said_to_be_not_shown(curve):
    for empty in (curve.iloc[:0], curve.assign(power=float("nan"))):
        axes = plots.power_curve(empty, unit="points")
        assert [text.get_text() for text in axes.texts] == ["not shown"]
        assert plots.power_curve_in_words(empty, unit="points").endswith("not shown.")
    pyplot.close("all")


# From data


def _answers(rng, *, organisations=12, teams=3, people=8, between=6.0, team=4.0, within=16.0):
    n = organisations * teams * people
    organisation = np.repeat(np.arange(organisations), teams * people)
    unit = np.repeat(np.arange(organisations * teams), people)
    values = 60 + between * rng.normal(size=organisations)[organisation] + team * rng.normal(size=unit[-1] + 1)[unit]
    rows = pd.DataFrame({"organisation": organisation.astype(str), "team": unit.astype(str), "person": np.arange(n)})
    return pd.Series(values + within * rng.normal(size=n)), rows


def test_the_design_is_taken_from_data():
    values, rows = _answers(np.random.default_rng(3), organisations=200)
    found = design_of(values, rows)
    assert (found.design, found.clusters, found.cluster) == ("one group", 200, "organisation")
    assert (found.n_before, found.n_after, found.n_linked, found.size_cv) == (4800, None, None, 0.0)
    # Truth: σ² = 36 + 16 + 256, and a third of the teams' variance is left in an organisation's mean.
    assert found.sd == pytest.approx(np.sqrt(308), rel=0.03)
    assert found.icc == pytest.approx((36 + 16 / 3) / 308, abs=0.02)
    # The intraclass correlation describes the variance of the clusters' means, which is what counts.
    means = values.groupby(rows["organisation"]).mean().var()
    assert found.sd**2 * (found.icc + (1 - found.icc) / 24) == pytest.approx(means, rel=0.05)
    assert detectable_difference(**found.keywords).table["clusters"].iloc[0] == 200


def test_what_both_waves_show_is_counted():
    values, rows = _answers(np.random.default_rng(5), organisations=4, teams=2)
    rng = np.random.default_rng(6)
    again = pd.concat([rows.assign(wave=0), rows.iloc[:40].assign(wave=1)], ignore_index=True)
    both = pd.concat([values, 0.8 * values.iloc[:40] + 5 * rng.normal(size=40)], ignore_index=True)
    again["form"] = np.where(again["person"] % 4 == 0, "P", "C")
    again["programme"] = np.where(again["organisation"].isin(["0", "1"]), 1.0, 0.0)
    both.iloc[-1] = np.nan
    found = design_of(both, again)
    assert (found.design, found.clusters, found.forms) == ("two arms", (2, 2), {"C": 0.75, "P": 0.25})
    assert (found.n_before, found.n_after, found.n_linked) == (64, 39, 39)
    expected = np.corrcoef(values.iloc[:39], both.iloc[64:103])[0, 1]
    assert found.person_autocorrelation == pytest.approx(expected)
    assert detectable_difference(**found.keywords).table["n_linked"].iloc[0] == 39


def test_few_clusters_are_one_team():
    values, rows = _answers(np.random.default_rng(5), organisations=2, teams=2)
    found = design_of(values, rows)
    assert (found.design, found.clusters, found.icc, found.cluster) == ("one team", None, None, "")
    assert found.sd == pytest.approx(values.std())
    assert "clusters" not in found.keywords


def test_a_design_needs_scores_that_differ():
    rows = pd.DataFrame({"wave": [0, 0, 1, 1]})
    with pytest.raises(ValueError, match="at least two different scores before"):
        design_of(pd.Series([5.0, 5, 3, 4]), rows)
    with pytest.raises(ValueError, match="same index"):
        design_of(pd.Series([5.0, 5, 3]), rows)
