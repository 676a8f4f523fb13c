"""Hypotheses, known groups and measurement properties against R (tests/oracles/hypotheses.R) and known truth."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis.confirmatory import confirmatory
from analysis.groups import compare_groups
from analysis.hypotheses import (
    PWIQ_GROUP_HYPOTHESES,
    PWIQ_HYPOTHESES,
    GroupHypothesis,
    Hypothesis,
    hypothesis_tests,
    known_groups,
)
from analysis.invariance import invariance
from analysis.measurement_properties import Finding, measurement_properties
from analysis.reliability import reliability
from analysis.responsiveness import responsiveness
from analysis.retest import retest
from instrument import read_instrument

ORACLE = json.loads((Path(__file__).parents[1] / "oracles" / "hypotheses.json").read_text())
BASE = f"R {ORACLE['versions']['R']}"
SCORES = pd.DataFrame(ORACLE["scores"])
CLUSTER = pd.Series(ORACLE["cluster"])


def expect(first="a", second="b", expected="at_least", threshold=0.5, name="h", family=""):
    return Hypothesis(
        name=name, first=first, second=second, expected=expected, threshold=threshold, source="test", family=family
    )


def correlated(r, n=100):
    """Two columns whose sample correlation is exactly r."""
    rng = np.random.default_rng(n)
    x, e = rng.normal(size=(2, n))
    x = (x - x.mean()) / x.std()
    e -= e.mean()
    e -= x * (e @ x) / n
    return pd.DataFrame({"a": x, "b": r * x + np.sqrt(1 - r**2) * e / e.std()})


# Correlations

PAIRS = [expect(*each["pair"], name=" ".join(each["pair"])) for each in ORACLE["correlations"]]


@pytest.mark.parametrize(
    ("expected", "keywords"),
    [
        ("pearson", {}),
        ("spearman", {"correlation": "spearman"}),
        ("jackknife", {"clusters": CLUSTER}),
        ("jackknife_ranks", {"correlation": "spearman", "clusters": CLUSTER}),
    ],
)
def test_correlations_and_intervals_are_those_of_r(expected, keywords, agrees):
    found = hypothesis_tests(SCORES, PAIRS, **keywords).table
    ours = found[["estimate", "ci_low", "ci_high"]]
    theirs = [[each[expected]["r"], *each[expected]["ci"]] for each in ORACLE["correlations"]]
    agrees(f"correlation and interval, {expected}", ours, theirs, oracle=BASE, absolute=1e-10)
    assert (found["n"] == 400).all()


def test_disattenuated_correlations_are_those_of_psych(agrees):
    known = ORACLE["reliability"]
    found = hypothesis_tests(SCORES, PAIRS, reliabilities=known)
    oracle = f"psych {ORACLE['versions']['psych']} correct.cor"
    theirs = [each["disattenuated"] for each in ORACLE["correlations"]]
    agrees("disattenuated correlation", found.table["disattenuated"], theirs, oracle=oracle, absolute=1e-10)
    ratio = found.table["disattenuated_low"] / found.table["ci_low"]
    np.testing.assert_allclose(ratio, found.table["disattenuated"] / found.table["estimate"])
    some = hypothesis_tests(SCORES, PAIRS, reliabilities={"agree": 0.7, "extra": 0.65})
    assert some.table["disattenuated"].notna().tolist() == [True, False, False]
    assert any("reliability is not given: nervous" in note for note in some.notes)
    beyond = hypothesis_tests(SCORES, PAIRS, reliabilities={"agree": 0.4, "extra": 0.5, "nervous": 1})
    assert beyond.table["disattenuated"].max() > 1
    assert any("beyond 1 (agree extra)" in note for note in beyond.notes)


@pytest.mark.parametrize(
    ("r", "expected", "threshold", "by_estimate", "by_interval"),
    [
        (0.80, "at_least", 0.5, "met", "met"),
        (0.55, "at_least", 0.5, "met", "too close to call"),
        (0.45, "at_least", 0.5, "not met", "too close to call"),
        (0.20, "at_least", 0.5, "not met", "not met"),
        (-0.80, "at_most", -0.5, "met", "met"),
        (-0.20, "at_most", -0.5, "not met", "not met"),
        (0.80, "at_most", -0.5, "not met", "not met"),
        (0.00, "between", (-0.3, 0.3), "met", "met"),
        (0.25, "between", (-0.3, 0.3), "met", "too close to call"),
        (0.60, "between", (-0.3, 0.3), "not met", "not met"),
    ],
)
def test_verdicts_go_by_estimate_and_by_interval(r, expected, threshold, by_estimate, by_interval):
    found = hypothesis_tests(correlated(r), [expect(expected=expected, threshold=threshold)])
    assert found.table.loc["h", "estimate"] == pytest.approx(r, abs=1e-12)
    assert found.table.loc["h", ["by_estimate", "by_interval"]].tolist() == [by_estimate, by_interval]


def test_share_counts_a_family_once_and_leaves_out_what_was_not_assessed():
    scores = correlated(0.9).assign(c=correlated(0.9)["a"] + 3 * np.random.default_rng(0).normal(size=100))
    hypotheses = [
        expect(name="1"),
        expect(name="2", threshold=0.95),
        expect(name="3", second="nowhere"),
        expect(name="4", expected="at_most", threshold=0.85, family="apart"),
        expect(name="5", second="c", expected="at_most", threshold=0.85, family="apart"),
        expect(name="6", first="b", second="c", expected="at_most", threshold=0.85),
    ]
    found = hypothesis_tests(scores, hypotheses)
    share = found.share.loc["by_estimate"]
    assert share[["met", "not_met", "too_close", "not_assessed", "n"]].tolist() == [2, 2, 0, 1, 4]
    assert share["percent"] == 50
    assert found.table.loc["3", "by_estimate"] == "not assessed"
    assert any("Not assessed, since there is no column nowhere: 3." in note for note in found.notes)
    assert any(
        "2 of 4 assessed" in note and "1 of 5 stated" in note and "is not reached" in note for note in found.notes
    )


@pytest.mark.parametrize(
    ("met", "not_met", "absent", "rating"),
    [(3, 1, 0, "+"), (2, 2, 0, "−"), (3, 0, 1, "+"), (1, 0, 3, "?"), (1, 2, 1, "−")],
)
def test_a_share_that_the_untested_could_decide_is_open(met, not_met, absent, rating):
    kinds = [{}] * met + [{"threshold": 0.95}] * not_met + [{"second": "nowhere"}] * absent
    hypotheses = [expect(name=str(at), **each) for at, each in enumerate(kinds)]
    found = hypothesis_tests(correlated(0.9), hypotheses)
    table = measurement_properties(hypotheses_testing=found).table
    assert table.loc["hypotheses testing for construct validity", "rating"] == rating
    words = {"+": "is reached", "−": "is not reached", "?": "is open"}
    assert any(words[rating] in note for note in found.notes)


def test_clusters_widen_the_interval_where_people_of_a_team_are_alike():
    rng = np.random.default_rng(4)
    team = pd.Series(np.repeat(np.arange(30), 10))
    shared = rng.normal(size=(30, 2))[team]
    scores = pd.DataFrame(shared + 0.5 * rng.normal(size=(300, 2)), columns=["a", "b"])
    alone, together = (hypothesis_tests(scores, [expect()], clusters=each).table.loc["h"] for each in (None, team))
    assert alone["estimate"] == together["estimate"]
    assert together["ci_high"] - together["ci_low"] > 2 * (alone["ci_high"] - alone["ci_low"])


def test_interval_of_clustered_correlations_covers_the_truth():
    rng = np.random.default_rng(6)
    team = pd.Series(np.repeat(np.arange(40), 5))
    covered = {"alone": 0, "together": 0}
    for _ in range(60):
        latent = np.sqrt(0.5) * rng.normal(size=(40, 2))[team] + np.sqrt(0.5) * rng.normal(size=(200, 2))
        scores = pd.DataFrame({"a": latent[:, 0], "b": 0.6 * latent[:, 0] + 0.8 * latent[:, 1]})
        for name, clusters in (("alone", None), ("together", team)):
            row = hypothesis_tests(scores, [expect()], clusters=clusters).table.loc["h"]
            covered[name] += row["ci_low"] <= 0.6 <= row["ci_high"]
    # 60 draws: three standard errors below 95 %.
    assert covered["together"] >= 52
    assert covered["alone"] < covered["together"]


def test_hypotheses_of_the_draft_name_scores_of_the_instrument():
    subscales = {each.id for each in read_instrument("pwiq").subscales}
    outside = {"role_ambiguity", "psychological_safety", "oric", "fidelity"}
    named = {name for each in PWIQ_HYPOTHESES for name in (each.first, each.second)}
    assert named == subscales | outside
    assert len(PWIQ_HYPOTHESES) == 6 + 55
    assert {each.threshold for each in PWIQ_HYPOTHESES if each.family} == {0.85}
    assert {each.score for each in PWIQ_GROUP_HYPOTHESES} <= subscales
    rng = np.random.default_rng(1)
    scores = pd.DataFrame(rng.normal(size=(80, 11)), columns=sorted(subscales))
    found = hypothesis_tests(scores, PWIQ_HYPOTHESES)
    assert found.share.loc["by_estimate", ["met", "n", "not_assessed"]].tolist() == [1, 1, 6]
    assert (found.table.loc[found.table["second"].isin(outside), "by_interval"] == "not assessed").all()


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"hypotheses": []}, "at least one hypothesis"),
        ({"hypotheses": [expect(), expect()]}, "same name: h"),
        ({"hypotheses": [expect(second="c")]}, "no hypothesis can be assessed. h: there is no column c"),
        ({"hypotheses": [expect(first="x", second="y")]}, "no column x, y"),
        ({"correlation": "kendall"}, "'pearson' or 'spearman', got 'kendall'"),
        ({"reliabilities": {"a": 1.2}}, r"out of range: a \(1.2\)"),
        ({"reliabilities": {"a": np.nan}}, r"out of range: a \(nan\)"),
        ({"reliabilities": {"a": "x"}}, r"out of range: a \(x\)"),
        ({"reliabilities": 0.5}, "reliabilities must map scores to numbers.*got 0.5"),
        ({"reliabilities": {"a": 0.8, "bb": 0.8}}, "reliabilities of unknown scores: bb"),
        ({"reliabilities": pd.Series([0.8, 0.9], index=["a", "a"])}, "name a score twice"),
        ({"hypotheses": expect()}, r"a single Hypothesis: put it in brackets"),
        ({"hypotheses": "h"}, "must be a list of Hypothesis, got str"),
        ({"hypotheses": None}, "must be a list of Hypothesis, got NoneType"),
        ({"hypotheses": [expect(), "h"]}, "got 'h' in it"),
        ({"hypotheses": list(PWIQ_GROUP_HYPOTHESES)}, r"list of Hypothesis, got GroupHypothesis\("),
        ({"scores": correlated(0.5).to_numpy()}, "scores must be a DataFrame"),
        ({"clusters": [1] * 100}, "clusters must be a Series with the same index as the scores.*got list"),
        ({"clusters": correlated(0.5)}, "clusters must be a Series.*got DataFrame"),
        ({"clusters": pd.Series(1, index=[0] * 100)}, r"labels repeat in the index of clusters \(0\)"),
        (
            {"scores": pd.concat([correlated(0.5)] * 2), "clusters": CLUSTER},
            r"labels repeat.*of the scores \(0, 1, .*…",
        ),
        ({"scores": correlated(0.5).assign(b=3.0)}, "have the same b"),
        ({"scores": correlated(0.5).assign(b=lambda d: 2 * d["a"])}, "copies of each other"),
        ({"scores": correlated(0.5).iloc[:9]}, "9 people have both a and b; at least 10"),
        ({"scores": correlated(0.5).assign(b="x")}, "b holds text"),
        ({"clusters": pd.Series(1, index=range(50))}, "clusters must have the index of the scores"),
        ({"clusters": pd.Series(np.arange(100) % 3)}, "at least 5 clusters are needed, got 3"),
        (
            {
                "scores": pd.DataFrame({"a": [1.0, 2, 3, 4] + [0] * 16, "b": [2.0, 1, 4, 3] + [0] * 16}),
                "clusters": pd.Series(np.arange(20) // 4),
            },
            "rests on one cluster",
        ),
    ],
)
def test_hypotheses_that_cannot_be_tested_are_refused(keywords, said):
    given = {"scores": correlated(0.5), "hypotheses": [expect()]} | keywords
    with pytest.raises(ValueError, match=said):
        hypothesis_tests(given.pop("scores"), given.pop("hypotheses"), **given)


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"expected": "about"}, "got 'about'"),
        ({"expected": "between"}, "'between' takes two thresholds"),
        ({"threshold": (0.1, 0.2)}, "'between' takes two thresholds"),
        ({"threshold": 1.5}, "between −1 and 1"),
        ({"expected": "between", "threshold": (0.5, 0.1)}, "in order"),
        ({"expected": "between", "threshold": (0.1, 0.2, 0.3)}, "'between' takes two thresholds"),
        ({"expected": "between", "threshold": (0.1, "x")}, "must be numbers between −1 and 1"),
        ({"threshold": "x"}, "must be numbers between −1 and 1, got 'x'"),
        ({"threshold": np.nan}, "must be numbers between −1 and 1, got nan"),
        ({"threshold": None}, "must be numbers between −1 and 1, got None"),
        ({"threshold": True}, "must be numbers between −1 and 1, got True"),
    ],
)
def test_contradictory_hypotheses_are_refused(keywords, said):
    with pytest.raises(ValueError, match=said):
        expect(**keywords)


# Known groups


def groups_and_scores():
    rng = np.random.default_rng(2)
    group = pd.Series(np.repeat(["x", "y"], 80))
    return group, pd.DataFrame({"supv": rng.normal(size=160) + 0.6 * (group == "x"), "role": rng.normal(size=160)})


def group_expectation(**keywords):
    return GroupHypothesis(**({"name": "g", "score": "supv", "higher": "x", "lower": "y", "source": "test"} | keywords))


def test_known_groups_are_those_of_the_comparison_in_either_direction():
    group, scores = groups_and_scores()
    pair = compare_groups(scores, group).pairwise.loc[("supv", "x", "y")]
    hypotheses = [
        group_expectation(),
        group_expectation(name="turned", higher="y", lower="x"),
        group_expectation(name="much", at_least=0.3),
        group_expectation(name="none", score="role", at_least=0.8),
        group_expectation(name="absent", higher="z"),
    ]
    found = known_groups(scores, group, hypotheses)
    table = found.table
    assert (
        table.loc["g", ["estimate", "ci_low", "ci_high"]].tolist()
        == pair[["effect_size", "effect_low", "effect_high"]].tolist()
    )
    assert table.loc["turned", "estimate"] == -table.loc["g", "estimate"]
    assert table.loc["turned", "ci_low"] == -table.loc["g", "ci_high"]
    assert table["by_estimate"].tolist() == ["met", "not met", "met", "not met", "not assessed"]
    assert table.loc[["g", "turned", "none"], "by_interval"].tolist() == ["met", "not met", "not met"]
    assert table.loc["g", "n"] == 160
    assert found.share.loc["by_estimate", ["met", "n"]].tolist() == [2, 4]
    assert any("no supv of the groups z and y" in note for note in found.notes)
    assert found.comparison.pairwise.loc[("supv", "x", "y"), "p"] == table.loc["g", "p"]


def test_known_groups_by_ranks_and_in_clusters():
    group, scores = groups_and_scores()
    by_rank = known_groups(scores, group, [group_expectation()], method="rank").table.loc["g"]
    x, y = (scores.loc[group == name, "supv"].to_numpy() for name in "xy")
    assert by_rank["estimate"] == pytest.approx(np.sign(x[:, None] - y).mean())
    assert by_rank["expected"] == "delta > 0"
    team = pd.Series(np.arange(160) % 20)
    clustered = known_groups(scores, group, [group_expectation()], cluster=team)
    assert clustered.table.loc["g", "by_estimate"] == "met"
    assert "mixed model" in clustered.method.lower()


def test_known_groups_that_cannot_be_tested_are_refused():
    group, scores = groups_and_scores()
    with pytest.raises(ValueError, match="none of the columns other"):
        known_groups(scores, group, [group_expectation(score="other")])
    with pytest.raises(ValueError, match="no hypothesis can be assessed"):
        known_groups(scores, group, [group_expectation(higher="z")])
    with pytest.raises(ValueError, match="swap higher and lower"):
        group_expectation(at_least=-0.2)
    with pytest.raises(ValueError, match="'welch' or 'rank'"):
        known_groups(scores, group, [group_expectation()], method="ordinal")


@pytest.mark.parametrize(
    ("keywords", "said"),
    [
        ({"at_least": np.nan}, "at_least must be an effect size, a number of 0 or more; got nan"),
        ({"at_least": "x"}, "at_least must be an effect size.*got 'x'"),
        ({"at_least": np.inf}, "at_least must be an effect size.*got inf"),
        ({"lower": "x"}, "higher and lower must be two groups, got 'x' for both"),
    ],
)
def test_contradictory_group_hypotheses_are_refused(keywords, said):
    with pytest.raises(ValueError, match=said):
        group_expectation(**keywords)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda scores, group: (scores, group, group_expectation()), "a single GroupHypothesis: put it in brackets"),
        (lambda scores, group: (scores, group, [expect()]), r"list of GroupHypothesis, got Hypothesis\("),
        (lambda scores, group: (scores, list(group), [group_expectation()]), "groups must be a Series.*got list"),
        (lambda scores, group: (scores, None, [group_expectation()]), "groups must be a Series.*got NoneType"),
        (lambda scores, group: (scores, group.to_frame(), [group_expectation()]), "groups must be a Series.*got DataF"),
        (lambda scores, group: (scores.to_numpy(), group, [group_expectation()]), "scores must be a DataFrame"),
    ],
)
def test_known_groups_of_the_wrong_kind_are_refused(change, said):
    group, scores = groups_and_scores()
    with pytest.raises(ValueError, match=said):
        known_groups(*change(scores, group))


# Properties


def test_what_was_not_given_was_not_assessed():
    found = measurement_properties()
    assert (found.table["rating"] == "not assessed").all()
    assert found.table.index.tolist()[:9] == [
        "content validity",
        "structural validity",
        "internal consistency",
        "cross-cultural validity / measurement invariance",
        "reliability",
        "measurement error",
        "criterion validity",
        "hypotheses testing for construct validity",
        "responsiveness",
    ]
    assert "10 of 10 rows were not assessed" in found.notes[0]
    assert "validated" not in repr(found)


def test_results_are_rated_by_the_criteria():
    change, anchor = (pd.Series(ORACLE[name], dtype=float) for name in ("change", "anchor"))
    changed = responsiveness(change, anchor, draws=100)
    rng = np.random.default_rng(3)
    people = rng.normal(size=100)
    twice = pd.DataFrame({"t1": people, "t2": people}) + rng.normal(scale=0.3, size=(100, 2))
    items = pd.DataFrame(people[:, None] + rng.normal(size=(100, 6)), columns=list("abcdef"))
    hypotheses = hypothesis_tests(correlated(0.9), [expect(), expect(name="2", threshold=0.95)])
    fit = pd.Series({"cfi": 0.93, "tli": 0.92, "rmsea": 0.05, "srmr": 0.09})
    given = {
        "structural_validity": fit,
        "internal_consistency": reliability(items),
        "reliability": retest(twice),
        "hypotheses_testing": hypotheses,
        "responsiveness": changed,
        "criterion_validity": Finding(
            rating="?", finding="No gold standard exists.", criterion="Prinsen et al. (2018)"
        ),
    }
    found = measurement_properties(**given).table["rating"]
    assert found.to_dict() == {
        "content validity": "not assessed",
        "structural validity": "+",
        "internal consistency": "+",
        "cross-cultural validity / measurement invariance": "not assessed",
        "reliability": "+",
        "measurement error": "+",
        "criterion validity": "?",
        "hypotheses testing for construct validity": "−",
        "responsiveness": "+",
        "interpretability (beside: no measurement property)": "not assessed",
    }
    poor = measurement_properties(
        **given | {"structural_validity": fit.drop("rmsea"), "reliability": retest(twice * 40)}
    )
    assert poor.table["rating"].iloc[[1, 2, 5]].tolist() == ["−", "?", "−"]
    scaled = measurement_properties(structural_validity=fit.drop("rmsea").add_suffix("_scaled") + 0.03).table.iloc[1]
    assert scaled["rating"] == "+"
    assert "scaled CFI 0.960" in scaled["finding"]
    saturated = pd.Series({"cfi": 1.0, "rmsea": 0.0, "df": 0.0})
    assert measurement_properties(structural_validity=saturated).table["rating"].iloc[1] == "?"
    without = measurement_properties(reliability=retest(twice), internal_consistency=reliability(items)).table
    assert without["rating"].iloc[[2, 5]].tolist() == ["?", "?"]
    assert "no minimal important change is known" in without.loc["measurement error", "finding"]


def test_confirmatory_and_invariance_results_are_rated():
    rng = np.random.default_rng(5)
    items = pd.DataFrame(rng.normal(size=(400, 1)) + rng.normal(size=(400, 4)), columns=list("abcd"))
    group = pd.Series(np.repeat(["east", "west"], 200))
    model = {"trust": list("abcd")}
    fitted = confirmatory(items, model, estimator="ML")
    given = {"structural_validity": fitted, "internal_consistency": reliability(items)}
    found = measurement_properties(
        **given, cross_cultural_validity=invariance(items, group, model, estimator="ML")
    ).table
    by_fit = measurement_properties(structural_validity=fitted.fit).table
    pd.testing.assert_series_equal(found.loc["structural validity"], by_fit.loc["structural validity"])
    # A confirmatory result is what makes alpha readable.
    assert found["rating"].iloc[[1, 2, 3]].tolist() == ["+", "+", "+"]
    row = "cross-cultural validity / measurement invariance"
    assert "equality of not rejected: metric, scalar, strict. A difference" in found.loc[row, "finding"]
    shifted = items.assign(a=items["a"] + (group == "west"))
    for partial in (False, True):
        unequal = invariance(shifted, group, model, estimator="ML", partial=partial)
        found = measurement_properties(cross_cultural_validity=unequal).table.loc[row]
        assert found["rating"] == "−"
        assert "rejected: scalar" in found["finding"]


def test_results_of_another_property_are_refused():
    fitted = reliability(pd.DataFrame(np.random.default_rng(1).normal(size=(50, 3)), columns=list("abc")) + 1)
    with pytest.raises(
        ValueError, match="from a Reliability: give a Finding, the result of `confirmatory`, or its `fit`"
    ):
        measurement_properties(structural_validity=fitted)
    with pytest.raises(ValueError, match="give a Finding or the result of `invariance`"):
        measurement_properties(cross_cultural_validity=fitted)
    with pytest.raises(ValueError, match="responsiveness cannot be rated from a HypothesisTests: give a Finding"):
        measurement_properties(responsiveness=hypothesis_tests(correlated(0.5), [expect()]))
    with pytest.raises(ValueError, match="needs a Series with cfi"):
        measurement_properties(structural_validity=pd.Series({"chisq": 3.0}))
    with pytest.raises(ValueError, match="rating must be"):
        Finding(rating="good", finding="", criterion="")
