"""Priorities against numbers worked out by hand, and chances against a slow loop over the same draws."""

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import plots
from analysis.gaps import perception_gaps
from analysis.priorities import _ingredients, _samples, priorities, resampled_means
from analysis.viewpoints import viewpoint
from instrument import read_instrument, read_responses
from instrument.responses import Responses, select

ROOT = Path(__file__).parents[2]
SUBSCALES = ["tea", "bun", "soup", "pie"]


def definition():
    """Four subscales of a facilitator and a barrier, forms of peers, colleagues and managers."""
    text = """[instrument]
id = "canteen"
version = "1.0.0"
status = "draft"
languages = ["en"]
item_scale = "agree"
title.en = "Canteen"
banner.en = "Made up"
[response_scales.agree]
codes = [1, 2, 3, 4, 5]
off_scale = [{ code = 97, reason = "dont_know" }]
labels.en = { 1 = "a", 2 = "b", 3 = "c", 4 = "d", 5 = "e", 97 = "dk" }
[forms.P]
title.en = "Peers"
who = "peers"
[forms.C]
title.en = "Colleagues"
who = "colleagues"
[forms.M]
title.en = "Managers"
who = "managers"
"""
    for name in SUBSCALES:
        text += f"""[subscales.{name}]
title.en = "The {name}"
construct.en = "x"
[items.{name}f]
text.en = "{name} is good."
subscale = "{name}"
wording = "facilitator"
[items.{name}b]
text.en = "{name} is cold."
subscale = "{name}"
wording = "barrier"
reverse = true
[questions.imp{name}]
text.en = "?"
role = "importance"
scale = "agree"
subscale = "{name}"
[questions.dif{name}]
text.en = "?"
role = "difficulty"
scale = "agree"
subscale = "{name}"
forms = ["M"]
[scores.{name}]
title.en = "The {name}"
kind = "subscale"
rule = "balanced_mean"
subscales = ["{name}"]
minimum = 2
minimum_each_wording = 1
"""
    return text + '[actions.tea]\ntitle.en = "Boil water"\nsteps.en = ["Boil.", "Pour."]\n'


# form; facilitator, barrier, importance, difficulty of each subscale in turn.
ANSWERS = [
    ("P", "2 4 5 ,  4 2 3 ,  3 3 3 ,  5 1 1 ", None),
    ("P", "1 5 5 ,  4 2 5 ,  3 3 1 ,  5 1 1 ", None),
    ("C", "4 3 3 ,  4 2 3 ,  3 3 3 ,  5 1 1 ", None),
    ("C", "4 3 3 ,  4 4 3 ,  3 3 3 ,  5 1 1 ", None),
    ("C", "4 3 3 ,  4 3 3 ,  3 3 3 ,  5 1 1 ", None),
    ("M", "4 2 1 ,  4 2 5 ,  2 4 5 ,  5 1 1 ", "2 4 5 1"),
    ("M", "4 2 1 ,  4 2 5 ,  2 4 5 ,  5 1 1 ", "3 4 97 1"),
]


@pytest.fixture
def read(tmp_path):
    def make(rows, **more):
        (tmp_path / "canteen.toml").write_text(definition(), encoding="utf-8")
        records = []
        for number, (form, answers, difficulty) in enumerate(rows):
            record = {"person": f"p{number}", "form": form, "wave": 1}
            for name, part in zip(SUBSCALES, answers.split(","), strict=True):
                f, b, importance = part.split()
                record |= {f"{name}f": f, f"{name}b": b, f"imp{name}": importance}
            for name, rated in zip(SUBSCALES, (difficulty or "").split(), strict=False):
                record[f"dif{name}"] = rated
            records.append({key: value for key, value in record.items() if value != "-"} | more)
        pd.DataFrame(records).to_csv(tmp_path / "answers.csv", index=False)
        return read_responses(tmp_path / "answers.csv", read_instrument(tmp_path / "canteen.toml"))

    return make


def test_priority_by_hand(read):
    found = priorities(read(ANSWERS), draws=50)
    table = found.table
    # Tea. Peers: (1.0 and 0.0 of 4 steps twice) facilitator 25 and 0, barrier turned 25 and 0: 12.5. Colleagues: 75 and 50:
    # 62.5. Managers: 75 and 75: 75. Mean of the three: 50.
    assert table.loc["tea", "score"] == pytest.approx(50)
    assert table.loc["tea", "gap"] == pytest.approx(0.5)
    # Importance: peers 1, colleagues 0.5, managers 0.
    assert table.loc["tea", "importance"] == pytest.approx(0.5)
    assert table.loc["tea", "priority"] == pytest.approx(0.25)
    assert table.loc["tea", ["n", "n_importance", "n_difficulty", "difficulty"]].tolist() == [7, 7, 2, 2.5]
    assert table.loc["tea", "quadrant"] == "act first"  # .25 belongs to the upper half
    # Soup. 50, 50 and 25: gap 7/12; importance (0.25 + 0.5 + 1) / 3; one manager could not say how hard it is.
    assert table.loc["soup", "gap"] == pytest.approx(7 / 12)
    assert table.loc["soup", "priority"] == pytest.approx(7 / 12 * 1.75 / 3)
    assert table.loc["soup", ["n_difficulty", "difficulty", "quadrant"]].tolist() == [1, 5, "plan for"]
    # Buns. Peers and managers 75; colleagues 75 and 75, 75 and 25, 75 and 50: 62.5.
    assert table.loc["bun", "gap"] == pytest.approx(1 - 212.5 / 300)
    assert table.loc["bun", ["quadrant"]].tolist() == ["leave for now"]
    assert table.loc["pie", ["priority", "quadrant"]].tolist() == [0, "easy gain"]
    assert list(table.index) == ["soup", "tea", "bun", "pie"]
    assert table["rank"].tolist() == [1, 2, 3, 4]
    assert found.cuts == {"priority": 0.25, "difficulty": 3.0}
    peers = found.peers.loc["tea"]
    assert peers.tolist() == pytest.approx([2, 12.5, 0.875, 2, 1, 0.875])


def test_items_to_keep_and_to_act_on_by_hand(read):
    found = priorities(read(ANSWERS), draws=50)
    # Agreement with the facilitators: pie and bun 100 % everywhere, tea 0 + 100 + 100, soup 0.
    assert found.keep["percent"].round(6).to_dict() == {"bunf": 100, "pief": 100, "teaf": pytest.approx(200 / 3)}
    assert found.keep["rank"].tolist() == [1, 1, 3]
    assert found.keep["joint"].tolist() == [True, True, False]
    # Barriers: gap of the tea barrier (7/8 + 1/2 + 1/4) / 3 times importance .5; soup (.5 + .5 + .75) / 3 × 1.75/3.
    act = found.act
    assert act.loc["teab", "priority"] == pytest.approx(0.8125 / 1.5 * 0.5)
    assert act.loc["soupb", "priority"] == pytest.approx(1.75 / 3 * 1.75 / 3)
    assert list(act.index) == ["soupb", "teab", "bunb"]
    assert act["percent"].round(4).tolist() == pytest.approx([100 / 3, 100 / 3, 100 / 9], abs=1e-3)
    assert act["action"].tolist() == ["", "Boil water", ""]


def test_ties_are_listed_together(read):
    rows = [(form, "4 2 3 ,  4 2 3 ,  4 2 3 ,  4 2 3 ", None) for form in "PPCCMM"]
    found = priorities(read(rows), draws=20)
    assert len(found.act) == len(found.keep) == 4
    assert found.act["joint"].all()
    assert set(found.act["rank"]) == set(found.table["rank"]) == {1}
    assert (found.table["chance"] == 1).all()


@pytest.fixture(scope="module")
def baseline():
    return read_responses(ROOT / "sample_data" / "baseline.csv", read_instrument("pwiq"))


def slow_means(values, strata, clusters, draws, seed):
    """The mean of the strata's means in each sample, person by person, over the same draws."""
    found = []
    kinds = sorted(set(strata))
    streams = {s: np.random.default_rng([seed, s] if clusters is None else [seed]) for s in kinds}
    for _ in range(draws):
        means = []
        drawn = None
        for s in kinds:
            members = [i for i in range(len(strata)) if strata[i] == s]
            if clusters is None:
                weight = dict(zip(members, _drawn(streams[s], len(members)), strict=True))
            else:
                drawn = _drawn(streams[kinds[0]], max(clusters) + 1) if drawn is None else drawn
                weight = {i: drawn[clusters[i]] for i in members}
            held = [(values[i], weight[i]) for i in members if weight[i] and not np.isnan(values[i])]
            if held:
                means.append(sum(v * w for v, w in held) / sum(w for _, w in held))
        found.append(np.mean(means) if means else np.nan)
    return found


def _drawn(rng, count):
    return rng.multinomial(count - 1, np.full(count, 1 / count))


@pytest.mark.parametrize("kind", ["people", "clusters"])
def test_bootstrap_means_are_those_of_a_slow_loop(kind, agrees):
    rng = np.random.default_rng(4)
    values = rng.normal(50, 20, (40, 2))
    values[rng.random((40, 2)) < 0.2] = np.nan
    strata = rng.integers(0, 3, 40)
    clusters = None if kind == "people" else rng.integers(0, 11, 40)
    found = resampled_means(values, strata, clusters, seed=9, draws=60)
    for column in range(2):
        slow = slow_means(values[:, column], strata, clusters, 60, 9)
        agrees(f"bootstrap means, {kind} {column}", found[:, column], slow, oracle="a loop in Python", absolute=1e-10)


def test_bootstrap_spread_is_the_standard_error_of_the_mean_of_means():
    """n − 1 of n: right even with three in a stratum, where n of n would give two thirds of the variance."""
    values = np.array([40.0, 55, 70, 20, 30, 25, 45, 60])[:, None]
    strata = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    found = resampled_means(values, strata, None, seed=1, draws=40_000)
    variance = sum(values[strata == s].var(ddof=1) / (strata == s).sum() for s in (0, 1)) / 4
    assert found.std() ** 2 == pytest.approx(variance, rel=0.03)


def test_chances_count_how_often_a_subscale_is_among_three(baseline):
    one = select(baseline, baseline.people["organisation"].isin(["org01", "org02", "org03"]))
    if one.people.empty:
        one = select(baseline, pd.Series(np.arange(len(baseline.people)) < 60, index=baseline.people.index))
    found = priorities(one, draws=80, seed=3)
    notes = []
    samples = _samples(one, _ingredients(one), viewpoint(one), seed=3, draws=80, notes=notes, progress=False)
    times = dict.fromkeys(found.table.index, 0)
    for _, row in samples.iterrows():
        priority = {name: (100 - row["score", name]) / 100 * row["importance", name] for name in times}
        for name in sorted(priority, key=priority.get, reverse=True)[:3]:
            times[name] += 1
    assert {name: count / 80 for name, count in times.items()} == pytest.approx(found.table["chance"].to_dict())
    assert found.table["chance"].sum() == pytest.approx(3)
    low, high = found.table["ci_low"].astype(float), found.table["ci_high"].astype(float)
    assert ((low <= found.table["priority"]) & (found.table["priority"] <= high)).all()


def test_the_same_seed_gives_the_same_chances(baseline):
    first, again, other = (priorities(baseline, draws=60, seed=seed).table["chance"] for seed in (1, 1, 2))
    assert first.equals(again)
    assert not first.equals(other)


def test_without_importance_the_gap_alone_orders(read):
    rows = [
        (form, " , ".join(" ".join([*part.split()[:2], "-"]) for part in a.split(",")), d) for form, a, d in ANSWERS
    ]
    found = priorities(read(rows), draws=50)
    assert found.table["priority"].isna().all()
    assert found.table["gap"].is_monotonic_decreasing
    assert set(found.table["quadrant"]) == {"larger gap", "smaller gap"}
    assert any("Nobody rated importance" in note for note in found.notes)
    assert found.act["gap"].is_monotonic_decreasing
    assert found.table["chance"].notna().all()


def test_without_managers_difficulty_is_for_the_meeting(read):
    found = priorities(read([row for row in ANSWERS if row[0] != "M"]), draws=50)
    assert found.table["difficulty"].isna().all()
    assert set(found.table["quadrant"]) <= {"high priority", "lower priority"}
    assert any("to be entered by the team in its meeting" in note for note in found.notes)
    assert found.table["priority"].is_monotonic_decreasing


def test_without_peers_their_view_is_empty(read):
    found = priorities(read([row for row in ANSWERS if row[0] != "P"]), draws=50)
    assert found.peers.empty
    assert list(found.peers.columns) == ["n", "score", "gap", "n_importance", "importance", "priority"]


def test_one_manager_leaves_no_chances(read):
    found = priorities(read(ANSWERS[:-1]), draws=50)
    assert found.table[["chance", "ci_low", "ci_high"]].isna().all(axis=None)
    assert found.act["chance"].isna().all()
    assert any(note.startswith("No chances are given") for note in found.notes)


def test_four_people_get_a_table(baseline):
    four = select(baseline, pd.Series(np.arange(len(baseline.people)) < 4, index=baseline.people.index))
    found = priorities(four, draws=20)
    assert len(found.table) >= 8
    assert len(found.act) >= 3


def test_merged_groups_have_the_weights_that_are_given(read):
    responses = read(ANSWERS)
    together = pd.Series("all", index=responses.people.index)
    found = priorities(responses, draws=20, strata=together).table
    assert found.loc["tea", "importance"] == pytest.approx((1 + 1 + 0.5 * 3 + 0) / 7)
    merged = responses.people["form"].astype(object).replace({"M": "other", "C": "other"})
    found = priorities(responses, draws=20, strata=merged).table
    assert found.loc["tea", "importance"] == pytest.approx((1 + (0.5 * 3 + 0) / 5) / 2)


def test_an_item_that_few_could_answer_is_not_ranked(read):
    rows = [(form, answers.replace("5 1 1 ", "97 1 1 ") if form != "P" else answers, d) for form, answers, d in ANSWERS]
    found = priorities(read(rows), draws=20)
    assert "pief" not in found.keep.index
    assert any("fewer than half of those asked answered: pief" in note for note in found.notes)


def test_a_questionnaire_without_forms_wordings_or_ratings():
    small = read_instrument(ROOT / "tests" / "data" / "small.toml")
    rng = np.random.default_rng(1)
    answers = pd.DataFrame(rng.integers(0, 4, (12, 10)), columns=list(small.items.ids)).astype("Int64")
    people = pd.DataFrame({"person": [f"p{n}" for n in range(12)], "wave": 1})
    responses = Responses(
        instrument=small,
        answers=answers,
        people=people,
        off_scale=pd.DataFrame(pd.NA, index=answers.index, columns=answers.columns, dtype="string"),
        ledger=pd.DataFrame(),
    )
    found = priorities(responses, draws=50)
    assert set(found.table.index) == {"rest", "trust"}
    assert found.table["chance"].isna().all()  # two subscales are always among the first three
    assert found.peers.empty
    keyed_good = {
        name: answers[name] >= 2 if name not in ("rest2", "rest4", "trust2", "trust4") else answers[name] <= 1
        for name in answers
    }
    assert found.keep["percent"].iloc[0] == pytest.approx(100 * max(good.mean() for good in keyed_good.values()))
    assert found.act["percent"].iloc[0] <= 100


def test_what_cannot_be_ranked_is_said(read, baseline):
    responses = read(ANSWERS)
    with pytest.raises(ValueError, match="one wave is needed, got 1, 2"):
        priorities(replace(responses, people=responses.people.assign(wave=[1] * 6 + [2])))
    with pytest.raises(ValueError, match="no subscale has a score"):
        priorities(read([(form, "97 97 3 , 97 97 3 , 97 97 3 , 97 97 3", d) for form, _, d in ANSWERS]))
    with pytest.raises(ValueError, match="draws must be at least 1"):
        priorities(responses, draws=0)
    with pytest.raises(ValueError, match="seed must be a whole number"):
        priorities(responses, seed=None)
    with pytest.raises(ValueError, match="strata has no group"):
        priorities(responses, strata=pd.Series(np.nan, index=responses.people.index, dtype=object))


# Figures


@pytest.fixture(autouse=True)
def _close():
    yield
    plots.plt.close("all")


NAMES = {name: f"The {name}" for name in SUBSCALES}


def test_labels_of_the_matrix_do_not_overlap():
    names = {f"s{n}": f"A subscale with rather a long title {n}" for n in range(11)}
    table = pd.DataFrame({"priority": 0.3, "difficulty": 3.0, "quadrant": "plan for"}, index=pd.Index(list(names)))
    for priority in (0.3, 0.0, 1.0):
        axes = plots.priority_matrix(
            table.assign(priority=priority), cuts={"priority": 0.25, "difficulty": 3.0}, names=names
        )
        axes.figure.canvas.draw()
        labels = [text for text in axes.texts if text.get_text() in names.values()]
        assert len(labels) == 11
        boxes = sorted((text.get_window_extent() for text in labels), key=lambda box: box.y0)
        assert all(low.y1 <= high.y0 + 1 for low, high in itertools.pairwise(boxes))
        assert min(box.y0 for box in boxes) >= 0
        assert max(box.x1 for box in boxes) <= axes.figure.bbox.x1


def test_the_matrix_cuts_where_it_is_told(read):
    found = priorities(read(ANSWERS), draws=20)
    axes = plots.priority_matrix(found.table, cuts=found.cuts, names=NAMES)
    lines = [line for line in axes.lines if len(set(line.get_xdata())) == 1 or len(set(line.get_ydata())) == 1]
    assert any(set(line.get_ydata()) == {0.25} for line in lines)
    assert any(set(line.get_xdata()) == {3.0} for line in lines)
    words = plots.priority_matrix_in_words(found.table, cuts=found.cuts, names=NAMES)
    assert "The tea: priority 0.25, difficulty 2.5: act first" in words
    without = plots.priority_matrix_in_words(found.table.assign(difficulty=np.nan), cuts=found.cuts, names=NAMES)
    assert without.count("not shown") == 4
    assert "not shown" in [
        t.get_text()
        for t in plots.priority_matrix(found.table.assign(difficulty=np.nan), cuts=found.cuts, names=NAMES).texts
    ]


def test_gap_and_importance_stand_apart(read):
    found = priorities(read(ANSWERS), draws=20)
    axes = plots.gap_and_importance(found.table, names=NAMES)
    gap, importance = (each.lines[0].get_xdata() for each in axes.figure.axes)
    assert list(gap) == found.table["gap"].tolist()
    assert list(importance) == found.table["importance"].tolist()
    assert "The tea: gap 0.50, importance 0.50" in plots.gap_and_importance_in_words(found.table, names=NAMES)


def test_views_lie_on_one_line_a_score(read):
    means = perception_gaps(read(ANSWERS)).means.reset_index()
    forms = {"P": "Peers", "C": "Colleagues", "M": "Managers"}
    axes = plots.perception_gaps(means, names=NAMES, form_names=forms)
    assert [line.get_label() for line in axes.lines] == list(forms.values())
    assert list(axes.lines[0].get_xdata()) == [means.set_index(["score", "form"])["mean"][name, "P"] for name in NAMES]
    assert len({line.get_marker() for line in axes.lines}) == 3
    words = plots.perception_gaps_in_words(means, names=NAMES, form_names=forms)
    assert "The tea: Peers 12, Colleagues 62, Managers 75" in words
    means.loc[means["score"] == "tea", "mean"] = np.nan
    assert "The tea: Peers not shown" in plots.perception_gaps_in_words(means, names=NAMES, form_names=forms)
