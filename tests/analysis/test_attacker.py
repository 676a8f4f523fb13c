"""An attacker who knows the rules reads whole reports: random small ones, through the gate that notebooks use.

The attacker shares no code with the gate. Of counts they know that they are whole; of means they know every count, those
withheld too, which is more than any reader does; and they may be a member who knows their own answer. What they
want is how many are in a group that is not shown, and its mean.

Reports: 30, or as many as PWIQ_ATTACKS says (``PWIQ_ATTACKS=1000``: some minutes).
"""

import os
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import LinearConstraint, linprog, milp

import analysis.release as gate
from analysis.means import mean_scores
from analysis.release import admit, attempt, open_release, shown_forms, shown_groups, table
from analysis.result import Result
from instrument import read_instrument
from instrument.responses import Responses

REPORTS = int(os.environ.get("PWIQ_ATTACKS", "30"))
ONCE_LEAKED = (89, 128, 232, 271, 274, 658, 2000, 2041)  # reports that gave something away before the gate knew of it
FLOOR = 5  # below it nothing is shown
WIDTH = 20  # points of 100 within which no mean of such a group may be confined
SCORE = "role"
DEFINITION = read_instrument("pwiq")


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setattr(gate, "_display", lambda thing: None)


@dataclass(frozen=True, kw_only=True)
class Fact:
    """What a reader sees: weights over people, and between what their sum lies."""

    weights: np.ndarray
    least: float
    most: float


def population(rng):
    """Return people × wave, form, team and one score; few in many groups, and often all of one mind."""
    people = []
    teams = rng.integers(1, 4)
    lean = rng.choice([1, 1, 3, 12])  # how far answers lie towards an end
    for wave in (1, 2):
        for form in "PCM":
            top = {"P": 9, "C": 28, "M": 9}[form]
            size = rng.integers(0, top) if rng.random() < 0.8 else rng.integers(0, 40)
            end = rng.choice(["low", "high", "middle"])
            a, b = {"low": (1, lean), "high": (lean, 1), "middle": (2, 2)}[end]
            values = np.round(rng.beta(a, b, size) * 24) / 24 * 100
            if rng.random() < 0.15:
                values[:] = rng.choice([0.0, 100.0])
            people += [(wave, form, f"t{rng.integers(teams)}", value) for value in values]
    frame = pd.DataFrame(people, columns=["wave", "form", "team", SCORE])
    frame["person"] = np.arange(len(frame))
    if rng.random() < 0.3 and len(frame):
        frame.loc[rng.random(len(frame)) < 0.05, SCORE] = np.nan
    return frame


def answers(frame):
    definition = DEFINITION
    nothing = pd.DataFrame(index=frame.index)
    return Responses(
        instrument=definition,
        answers=nothing,
        people=frame[["person", "wave", "form", "team"]],
        off_scale=nothing,
        ledger=nothing,
    )


def change_table(frame, by):
    """Return the change of each group as the package's tables have it: difference of means with Welch's interval."""
    rows = {}
    for label, part in frame.groupby(by):
        before, after = (part.loc[part["wave"] == wave, SCORE].dropna() for wave in (1, 2))
        if min(len(before), len(after)) < 2:
            continue
        se = float(np.sqrt(before.var() / len(before) + after.var() / len(after)))
        estimate = after.mean() - before.mean()
        rows[(SCORE, label)] = (len(before), len(after), estimate, se, estimate - 2 * se, estimate + 2 * se, 0.04)
    index = (
        pd.MultiIndex.from_tuples(list(rows), names=["score", by])
        if rows
        else pd.MultiIndex.from_arrays([[], []], names=["score", by])
    )
    columns = ["n_before", "n_after", "estimate", "se", "ci_low", "ci_high", "p"]
    return pd.DataFrame(list(rows.values()), index=index, columns=columns)


def report(frame, division, release):
    """Give out a report by forms or by teams as the notebooks do; return what a reader sees."""
    responses = admit(release, answers(frame))
    frame = frame.loc[responses.people.index]
    if frame.empty:
        return frame, {}
    if division == "form":
        groups = shown_forms(release, responses)
        frame = frame.assign(group=groups.of(frame["form"]))
        shown = list(groups.labels) if groups.apart else []
    else:
        shown = shown_groups(release, responses, "team")
        frame = frame.assign(group=frame["team"])
    complete = set(shown) == set(frame["group"])
    visible = frame[frame["group"].isin(shown)]
    seen = {}
    sizes = frame["wave"].value_counts().to_dict()
    counts = frame.groupby("wave").size().rename("responses").to_frame()
    seen["waves"] = table(release, Result(title="c", table=counts, method=""), "waves", count="responses").table
    if len(visible):
        counts = visible.groupby(["group", "wave"]).size().rename("responses").to_frame()
        seen["flow"] = table(release, Result(title="c", table=counts, method=""), "flow", count="responses").table
    scores = frame[[SCORE]]
    with attempt(release, "means"):
        overall = mean_scores(
            scores, by=frame[["wave"]], strata=frame["group"] if complete and len(shown) > 1 else None
        )
        seen["means"] = table(release, overall, "means", whole=sizes, decimals=0).table
        seen["equal"] = complete and len(shown) > 1
    if len(visible) and visible[SCORE].notna().any():
        by_group = mean_scores(visible[[SCORE]], by=visible[["wave", "group"]])
        whole = frame.groupby(["wave", "group"]).size().to_dict()
        seen["groups"] = table(release, by_group, "by_group", whole=whole, parts="group", decimals=0).table
    for name, part, by in (("change", frame.assign(all="all"), "all"), ("changes", visible, "group")):
        rows = change_table(part, by)
        if by == "all":
            rows = rows.droplevel("all")
            if len(rows) and seen.get("equal"):  # as in `compare_waves`: each form weighs the same, as in the means
                of_each = part.groupby(["wave", "group"])[SCORE].mean().unstack("wave").dropna()
                rows["estimate"] = (of_each[2] - of_each[1]).mean()
        if len(rows):
            found = Result(title="change", table=rows, method="")
            seen[name] = table(release, found, name, count=["n_before", "n_after"]).table
    other_pages(frame, division, seen)
    return frame, seen


def other_pages(frame, division, seen):
    """Give out what the pages of change and of priorities show of the same people, each with a release of its own."""
    if division != "form":
        return
    release = open_release("98_priorities")
    responses = admit(release, answers(frame))
    groups = shown_forms(release, responses)
    frame = frame.assign(group=groups.of(frame["form"]))
    last = frame[frame["wave"] == frame["wave"].max()]
    strata = last["group"] if groups.apart else None
    has = last[SCORE].notna()
    if not has.any():
        return
    parts = last[has].groupby("group")[SCORE]
    n, means = parts.size(), parts.mean()
    if groups.apart:
        views = pd.DataFrame({"n": n, "mean": means, "sd": parts.std()}).rename_axis("group")
        views = pd.concat({SCORE: views}, names=["score"])
        whole = last["group"].value_counts().to_dict()
        seen["views"] = table(
            release, Result(title="v", table=views, method=""), "views", whole=whole, parts="group"
        ).table
        rows = {
            (SCORE, "peers", other): (n["peers"], n[other], means["peers"] - means[other], -1.0, 1.0)
            for other in n.index
            if "peers" in n and other != "peers"
        }
        if rows:
            gaps = pd.DataFrame(rows, index=["n_1", "n_2", "estimate", "ci_low", "ci_high"]).T
            gaps = gaps.rename_axis(["score", "group_1", "group_2"]).astype({"n_1": int, "n_2": int})
            seen["gaps"] = table(release, Result(title="g", table=gaps, method=""), "gaps", count=["n_1", "n_2"]).table
    level = means.mean() if strata is not None else last.loc[has, SCORE].mean()
    area = pd.DataFrame(
        {"rank": 1, "n": int(has.sum()), "score": level, "gap": 1 - level / 100, "importance": 0.5}, index=[SCORE]
    ).rename_axis("subscale")
    area["priority"] = area["gap"] * area["importance"]
    found = table(release, Result(title="p", table=area, method=""), "priorities", whole=len(last))
    seen["priorities"] = found.table
    if groups.shows("peers") and "peers" in n:
        own = area.assign(n=int(n["peers"]), score=means["peers"], gap=1 - means["peers"] / 100)
        own["priority"] = own["gap"] * own["importance"]
        whole = int((last["group"] == "peers").sum())
        of = {"group": "peers"}
        seen["peers"] = table(release, Result(title="p", table=own, method=""), "peers", whole=whole, of=of).table
    # The change gate: the same change as on the page of change, without a count.
    gate_rows = change_table(frame.assign(all="all"), "all").droplevel("all")
    if len(gate_rows) and groups.apart:
        of_each = frame.groupby(["wave", "group"])[SCORE].mean().unstack("wave").dropna()
        gate_rows["estimate"] = (of_each[2] - of_each[1]).mean()
    if len(gate_rows):
        shown = gate_rows[["estimate"]].rename(columns={"estimate": "change_all"})
        fewest = min(frame["wave"].value_counts())
        found = table(release, Result(title="c", table=shown, method=""), "gate", count=None, fewest=fewest)
        seen["gate"] = found.table


def step_of(n):
    return 5.0 if n < 10 else 1.0


def facts(frame, seen):
    """Return what the numbers shown say about the sums of single people's scores."""
    has = frame[SCORE].notna().to_numpy()
    known = []

    def mean_weights(mask):
        mask = mask & has
        return mask / max(mask.sum(), 1)

    def equal_weights(mask):
        parts = [mean_weights(mask & (frame["group"] == group).to_numpy()) for group in strata]
        return np.mean(parts, axis=0)

    wave = {number: (frame["wave"] == number).to_numpy() for number in (1, 2)}
    # The strata of an equally weighted mean are those with answers at both waves.
    strata = [
        g
        for g in frame["group"].unique()
        if all((w & has & (frame["group"] == g).to_numpy()).any() for w in wave.values() if w.any())
    ]
    for (number, _), row in seen.get("means", pd.DataFrame()).iterrows():
        if pd.notna(row["mean"]):
            weights = equal_weights(wave[number]) if seen["equal"] else mean_weights(wave[number])
            half = step_of((weights > 0).sum()) / 2
            known.append(Fact(weights=weights, least=row["mean"] - half, most=row["mean"] + half))
    for (number, group, _), row in seen.get("groups", pd.DataFrame()).iterrows():
        if pd.notna(row["mean"]):
            mask = wave[number] & (frame["group"] == group).to_numpy()
            half = step_of((mask & has).sum()) / 2
            known.append(Fact(weights=mean_weights(mask), least=row["mean"] - half, most=row["mean"] + half))
    for name in ("change", "changes"):
        for key, row in seen.get(name, pd.DataFrame()).iterrows():
            if pd.notna(row["estimate"]):
                mask = np.ones(len(frame), dtype=bool) if name == "change" else (frame["group"] == key[1]).to_numpy()
                few = min((mask & has & wave[number]).sum() for number in (1, 2))
                half = {True: 2.5, False: 0.5}[few < 10] if few < 20 else 0.05
                weights = mean_weights(mask & wave[2]) - mean_weights(mask & wave[1])
                if name == "change" and seen["equal"]:
                    weights = equal_weights(wave[2]) - equal_weights(wave[1])
                known.append(Fact(weights=weights, least=row["estimate"] - half, most=row["estimate"] + half))
    last = frame["wave"].max()
    for (_, group), row in seen.get("views", pd.DataFrame()).iterrows():
        if pd.notna(row["mean"]):
            mask = wave[last] & (frame["group"] == group).to_numpy()
            half = step_of((mask & has).sum()) / 2
            known.append(Fact(weights=mean_weights(mask), least=row["mean"] - half, most=row["mean"] + half))
    for (_, one, two), row in seen.get("gaps", pd.DataFrame()).iterrows():
        if pd.notna(row["estimate"]):
            masks = [wave[last] & (frame["group"] == group).to_numpy() for group in (one, two)]
            few = min((mask & has).sum() for mask in masks)
            half = {True: 2.5, False: 0.5}[few < 10] if few < 20 else 0.05
            weights = mean_weights(masks[0]) - mean_weights(masks[1])
            known.append(Fact(weights=weights, least=row["estimate"] - half, most=row["estimate"] + half))
    for name in ("priorities", "peers"):
        for _, row in seen.get(name, pd.DataFrame()).iterrows():
            of_peers = wave[last] & (frame["group"] == "peers").to_numpy()
            shown = list(frame.loc[wave[last] & has, "group"].unique())
            if name == "peers":
                weights, few = mean_weights(of_peers), (of_peers & has).sum()
            else:
                masks = [wave[last] & (frame["group"] == group).to_numpy() for group in shown]
                weights, few = np.mean([mean_weights(mask) for mask in masks], axis=0), (wave[last] & has).sum()
            if pd.notna(row["score"]):
                half = step_of(few) / 2
                known.append(Fact(weights=weights, least=row["score"] - half, most=row["score"] + half))
            if pd.notna(row["gap"]):
                half = (0.05 if few < 20 else 0.01) / 2
                level = 100 * (1 - row["gap"])
                known.append(Fact(weights=weights, least=level - 100 * half, most=level + 100 * half))
    for _, row in seen.get("gate", pd.DataFrame()).iterrows():
        if pd.notna(row["change_all"]):
            few = min(frame["wave"].value_counts())
            half = {True: 2.5, False: 0.5}[few < 10] if few < 20 else 0.05
            of = equal_weights if seen.get("equal") else mean_weights
            weights = of(wave[2]) - of(wave[1])
            known.append(Fact(weights=weights, least=row["change_all"] - half, most=row["change_all"] + half))
    return known


def confined(frame, known, target, own=None):
    """Return the lowest and highest mean that the target can have; ``own``: a member's place, whose answer is known."""
    has = frame[SCORE].notna().to_numpy()
    bounds = np.column_stack([np.zeros(len(frame)), np.full(len(frame), 100.0)])
    if own is not None:
        bounds[own] = frame[SCORE].iloc[own]
    target = target & has
    # People who look the same to the attacker are one unknown: their sum.
    rows = np.array([fact.weights for fact in known]) if known else np.zeros((1, len(frame)))
    signs = np.vstack([rows, target, np.isin(np.arange(len(frame)), [own])])
    _, first, member = np.unique(signs, axis=1, return_index=True, return_inverse=True)
    member = np.ravel(member)
    sizes = np.bincount(member)
    low, high = np.bincount(member, bounds[:, 0]), np.bincount(member, bounds[:, 1])
    matrix = rows[:, first]
    if known:
        limits = np.array([fact.most for fact in known] + [-fact.least for fact in known]) + 1e-7
        within = {"A_ub": np.vstack([matrix, -matrix]), "b_ub": limits}
    else:
        within = {}
    price = target[first] / target.sum()
    assert sizes.sum() == len(frame)
    ends = []
    for sign in (1, -1):
        solved = linprog(sign * price, bounds=np.column_stack([low, high]), method="highs", **within)
        assert solved.status == 0, solved.message  # the true answers are always possible
        ends.append(sign * solved.fun)
    return ends[0], ends[1]


def small_groups(frame, levels):
    """Return the groups of 1 to 4 people with the score, as masks."""
    found = []
    for level in levels:
        for _, part in frame[frame[SCORE].notna()].groupby(level):
            if 0 < len(part) < FLOOR:
                found.append(frame.index.isin(part.index))
    return found


@pytest.fixture(scope="module")
def reports():
    """Random reports by forms and by teams, with what each shows."""
    made = []
    patch = pytest.MonkeyPatch()
    patch.setattr(gate, "_display", lambda thing: None)
    for seed in sorted({*range(REPORTS), *ONCE_LEAKED}):
        rng = np.random.default_rng(seed)
        division = "form" if seed % 3 else "team"
        people = population(rng)
        patch.setattr(gate, "_scores_of_pages", lambda responses, of=people: of.loc[responses.people.index, [SCORE]])
        made.append((seed, division, *report(people, division, open_release("99_attack"))))
    patch.undo()
    return made


def test_the_reports_show_something_and_hide_something(reports):
    # Otherwise the attacks below could not fail.
    shown = sum(seen["means"]["mean"].notna().any() for *_, seen in reports if "means" in seen)
    apart = sum("groups" in seen and seen["groups"]["mean"].notna().any() for *_, seen in reports)
    changes = sum("changes" in seen and seen["changes"]["estimate"].notna().any() for *_, seen in reports)
    hiding = sum(bool(small_groups(frame, [["wave", division]])) for _, division, frame, _ in reports if len(frame))
    assert min(shown, hiding) > 0.3 * REPORTS
    assert min(apart, changes) > 0.1 * REPORTS


def test_no_mean_of_a_few_people_is_confined(reports):
    found = []
    for seed, division, frame, seen in reports:
        if frame.empty:
            continue
        known = facts(frame, seen)
        for target in small_groups(frame, [["wave", "form"], ["wave", "team"], ["wave", "form", "team"]]):
            low, high = confined(frame, known, target)
            if high - low < WIDTH - 1e-6:
                found.append((seed, division, frame.loc[target, ["wave", "form", "team"]].iloc[0].tolist(), low, high))
    assert not found, found[:5]


def test_no_member_confines_the_mean_of_a_group_that_is_not_shown(reports):
    found = []
    for seed, division, frame, seen in reports:
        if frame.empty:
            continue
        known = facts(frame, seen)
        values = frame[SCORE]
        for target in small_groups(frame, [["wave", division]]):
            # The members who learn most: those with the lowest and the highest answer, in the group and beside it.
            same_wave = (frame["wave"] == frame.loc[target, "wave"].iloc[0]).to_numpy() & values.notna().to_numpy()
            for place in (same_wave & target, same_wave & ~target):
                if not place.any() or (place[target].any() and target.sum() == 1):
                    continue
                there = values.where(place)
                for own in {frame.index.get_loc(there.idxmin()), frame.index.get_loc(there.idxmax())}:
                    low, high = confined(frame, known, target, own)
                    if high - low < WIDTH - 1e-6:
                        found.append((seed, division, low, high, int(target.sum()), bool(target[own])))
    assert not found, found[:5]


def test_no_count_of_a_few_people_ends_smaller_than_the_rule_leaves_it(reports):
    found = []
    for seed, division, frame, seen in reports:
        if frame.empty:
            continue
        # The attacker knows which teams there are, so that none is empty; whether anybody filled in a form they do not.
        fewest = 0 if division == "form" else 1
        cells = sorted(set(zip(frame["wave"], frame[division], frame["group"], strict=True)))
        rows, sums = [], []
        for wave, row in seen["waves"].iterrows():
            if pd.notna(row["responses"]):
                rows.append([float(cell[0] == wave) for cell in cells])
                sums.append(int(row["responses"]))
        for (group, wave), row in seen.get("flow", pd.DataFrame()).iterrows():
            if pd.notna(row["responses"]):
                rows.append([float(cell[0] == wave and cell[2] == group) for cell in cells])
                sums.append(int(row["responses"]))
        true = frame.groupby(["wave", division]).size()
        for place, cell in enumerate(cells):
            size = true[cell[0], cell[1]]
            if size >= FLOOR:
                continue
            price = np.eye(len(cells))[place]
            limits = LinearConstraint(np.array(rows), sums, sums)
            ends = [
                sign
                * milp(sign * price, constraints=limits, integrality=np.ones(len(cells)), bounds=(fewest, np.inf)).fun
                for sign in (1, -1)
            ]
            if ends[0] > 1 or ends[1] < FLOOR - 1:
                found.append((seed, division, cell, size, ends))
    assert not found, found[:5]


def test_no_number_shown_tells_how_many_did_not_answer(reports):
    for seed, _, frame, seen in reports:
        for name, keys in (("means", ["wave"]), ("groups", ["wave", "group"])):
            if name not in seen:
                continue
            asked = frame.groupby(keys).size()
            for key, row in seen[name].iterrows():
                missing = asked[key[0] if name == "means" else key[:2]] - row["n"]
                assert pd.isna(missing) or missing == 0 or missing >= FLOOR, seed


def test_nothing_that_gives_the_spread_of_few_people_is_shown(reports):
    for _, _, frame, seen in reports:
        for (wave, *_), row in seen.get("means", pd.DataFrame()).iterrows():
            if (frame.loc[frame["wave"] == wave, SCORE].count()) < 20:
                assert row.drop(["n", "mean"]).isna().all()
        for name in ("change", "changes"):
            for key, row in seen.get(name, pd.DataFrame()).iterrows():
                part = frame if name == "change" else frame[frame["group"] == key[1]]
                if part.groupby("wave")[SCORE].count().min() < 20:
                    assert row[["se", "p"]].isna().all()
                    assert all(bound % 5 == 0 for bound in row[["ci_low", "ci_high"]].dropna())


def test_the_attacker_finds_what_a_careless_report_gives_away():
    # 25 colleagues, 4 managers: both means beside that of all, to one point.
    frame = pd.DataFrame(
        {"wave": 1, "form": ["C"] * 25 + ["M"] * 4, "group": ["C"] * 25 + ["M"] * 4, SCORE: [60.0] * 25 + [90.0] * 4}
    )
    weights = np.ones(29) / 29
    colleagues = (frame["form"] == "C").to_numpy() / 25
    careless = [Fact(weights=weights, least=63.6, most=64.6), Fact(weights=colleagues, least=59.5, most=60.5)]
    low, high = confined(frame, careless, (frame["form"] == "M").to_numpy())
    assert high - low < WIDTH
    assert low <= 90 <= high
    low, high = confined(frame, careless[:1], (frame["form"] == "M").to_numpy())
    assert high - low > 99
    # Five people, one of them the reader: the other four.
    five = pd.DataFrame({"wave": 1, SCORE: [0.0, 80.0, 80.0, 80.0, 80.0]})
    shown = [Fact(weights=np.ones(5) / 5, least=62.5, most=67.5)]
    low, high = confined(five, shown, np.arange(5) > 0, own=0)
    assert high - low < WIDTH
