"""Targeted barriers: the regression to the mean by simulation with known truth, numbers by hand."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from analysis.targeted import (
    ALL,
    AS_SELECTION,
    CANNOT_TELL,
    MORE,
    _moved,
    _table,
    _verdict,
    expected_by_selection,
    targeted_change,
)
from instrument import read_instrument, read_responses
from instrument.responses import Responses, select

ROOT = Path(__file__).parents[2]
BEFORE, AFTER, ITEMS = 30, 26, 33


def simulated(rng, *, linked=0, effect=0.0, places=1):
    """One team of 30 and 26, 33 items that differ by SD 10, the three worst chosen; answers are 0, 25 … 100.

    Returns answers and rows of that team, the targets, and (places=2) of another where nobody worked on them.
    """
    truth = 55 + rng.normal(0, 10, ITEMS)
    columns = [f"i{j}" for j in range(ITEMS)]
    parts, targets = [], None
    for place in range(places):
        count = BEFORE + AFTER - linked
        people = rng.normal(0, 12, (count, 1)) + rng.normal(0, 12, (count, ITEMS))
        ids = [np.arange(BEFORE), np.arange(BEFORE - linked, count)]
        waves = []
        for wave in (0, 1):
            gain = np.zeros(ITEMS)
            if wave and place == 0:
                gain[targets] = effect
            answers = truth + gain + people[ids[wave]] + rng.normal(0, 18, (len(ids[wave]), ITEMS))
            waves.append(np.clip(np.round(answers / 25), 0, 4) * 25)
            if not wave and place == 0:
                targets = np.argsort(waves[0].mean(axis=0))[:3]
        rows = pd.DataFrame(
            {"wave": [0] * BEFORE + [1] * AFTER, "person": np.concatenate(ids), "form": "P", "cluster": pd.NA}
        )
        parts.append((pd.DataFrame(np.vstack(waves), columns=columns), rows))
    return parts, [columns[j] for j in targets]


def judged(parts, targets):
    moved = [_moved(answers, rows, "here") for answers, rows in parts]
    return _table(targets, moved[0], moved[1] if len(moved) > 1 else None, enough=True).loc[ALL]


@pytest.mark.parametrize("linked", [0, 20])
def test_the_three_worst_improve_with_no_change_and_nothing_is_claimed(linked):
    rng = np.random.default_rng(7)
    runs = [judged(*simulated(rng, linked=linked)) for _ in range(160)]
    raw, expected = (np.array([run[name] for run in runs]) for name in ("estimate", "expected"))
    # 2.5 points by selection alone (2.2 where most answer again); Monte Carlo error of the mean is 0.35.
    assert raw.mean() == pytest.approx(2.5 if linked == 0 else 2.2, abs=0.8)
    assert expected.mean() == pytest.approx(raw.mean(), abs=0.8)
    claimed = sum(_verdict(run, 6.25) == MORE for run in runs)
    # At most 5 %; what chance adds to that in so few runs is allowed.
    assert claimed <= stats.binom.ppf(0.975, 160, 0.05)
    held = np.mean([run["excess_low"] <= 0 <= run["excess_high"] for run in runs])
    assert held >= 0.92


def test_selection_does_not_pass_as_movement_beside_another_team():
    rng = np.random.default_rng(8)
    runs = [judged(*simulated(rng, places=2)) for _ in range(90)]
    assert np.mean([run["excess"] for run in runs]) == pytest.approx(0, abs=1.6)  # Monte Carlo error 0.6
    assert sum(_verdict(run, 6.25) == MORE for run in runs) <= stats.binom.ppf(0.975, 90, 0.05)


def test_a_real_move_is_seen():
    rng = np.random.default_rng(9)
    runs = [judged(*simulated(rng, linked=20, effect=20)) for _ in range(40)]
    assert np.mean([_verdict(run, 6.25) == MORE for run in runs]) > 0.9
    assert np.mean([run["excess"] for run in runs]) == pytest.approx(19, abs=2.5)  # some answers stop at the ceiling


def test_the_expected_change_by_hand():
    # Errors of variance 100 in every item; means 30, 50, 70 differ by 800, of which 3 × 100 (2/3 after centring) is chance.
    first = np.diag([10.0, 10.0, 10.0])
    centred = first - first.mean(axis=1, keepdims=True)
    error = (centred**2).sum(axis=0)
    spread = (800 - error.sum()) / 2
    expected = error / (spread + error) * np.array([20.0, 0, -20])
    assert expected_by_selection(np.array([30.0, 50, 70]), first, 0 * first) == pytest.approx(expected)
    # Where the same people answer in the same way again, nothing regresses.
    assert expected_by_selection(np.array([30.0, 50, 70]), first, first) == pytest.approx(0)
    assert expected_by_selection(np.array([30.0, 50, 70]), first, first / 2) == pytest.approx(expected / 2)
    # All of the spread is chance: everything goes back to the mean.
    assert expected_by_selection(np.array([49.0, 50, 51]), first, 0 * first) == pytest.approx([1, 0, -1])


def test_the_change_of_one_form_is_welchs_or_the_paired_difference(agrees):
    rng = np.random.default_rng(3)
    for linked in (0, 26):
        parts, targets = simulated(rng, linked=linked)
        row = judged(parts, targets)
        answers, rows = parts[0]
        mean = answers[targets].mean(axis=1)
        one, two = (mean[rows["wave"] == wave] for wave in (0, 1))
        assert row["estimate"] == pytest.approx(two.mean() - one.mean())
        if linked == 0:
            se = np.sqrt(one.var(ddof=1) / len(one) + two.var(ddof=1) / len(two))
            agrees("targets, unlinked standard error", row["se"], se, oracle="Welch by hand", absolute=1e-9)
        else:
            cov = np.cov(one.to_numpy()[-26:] - one.mean(), two)[0, 1]
            product = float(((one.to_numpy()[-26:] - one.mean()) * (two.to_numpy() - two.mean())).sum())
            variance = (
                one.var(ddof=1) / 30 + two.var(ddof=1) / 26 - 2 * product / (30 * 26) * np.sqrt(30 / 29 * 26 / 25)
            )
            assert cov != 0
            agrees("targets, linked standard error", row["se"], np.sqrt(variance), oracle="by hand", absolute=1e-9)


def test_forms_weigh_equally_and_short_of_both_waves_do_not_count():
    answers = pd.DataFrame({"a": [0.0, 20, 60, 80, 50, 10, 30, 80, 100]})
    rows = pd.DataFrame(
        {"wave": [0] * 5 + [1] * 4, "person": range(9), "form": list("PPCCM" + "PPCC"), "cluster": pd.NA}
    )
    moved = _moved(answers, rows, "here")
    assert moved.means.ravel().tolist() == [(10 + 70) / 2, (20 + 90) / 2]
    assert moved.counts.ravel().tolist() == [4, 4]


@pytest.fixture(scope="module")
def null():
    pwiq = read_instrument("pwiq")
    return [read_responses(ROOT / "sample_data" / f"null_{name}.csv", pwiq) for name in ("baseline", "followup")]


def test_on_the_null_data_the_worst_moved_as_selection_would(null):
    from analysis.priorities import priorities

    worst = priorities(null[0], draws=10).act.index[:3]
    found = targeted_change(*null, list(worst))
    assert found.verdict in (AS_SELECTION, CANNOT_TELL)
    assert list(found.table.index) == [name for name in null[0].instrument.items.ids if name in worst] + [ALL]
    assert found.table.loc[ALL, "estimate"] == pytest.approx(found.table["estimate"].iloc[:-1].mean())
    assert found.others.loc["not targeted", "n_items"] == 33 - 3
    assert any("There is no comparison" in note for note in found.notes)


def test_a_comparison_stands_beside_and_subscales_are_targets_too(null):
    found = targeted_change(*null, ["voic"], where={"programme": [1]})
    assert len(found.table) == 6 + 1
    assert found.table["comparison"].notna().all()
    last = found.table.loc[ALL]
    assert last["excess"] == pytest.approx(last["estimate"] - last["expected"] - last["comparison"])
    assert found.verdict in (AS_SELECTION, CANNOT_TELL)
    assert not any("There is no comparison" in note for note in found.notes)


def test_too_few_items_show_the_change_and_no_verdict():
    small = read_instrument(ROOT / "tests" / "data" / "small.toml")
    few = replace(small, items=type(small.items)(small.items[:5]), scores=type(small.scores)(small.scores[:1]))
    rng = np.random.default_rng(1)
    waves = []
    for wave in (1, 2):
        answers = pd.DataFrame(rng.integers(0, 4, (8, 5)), columns=list(few.items.ids)).astype("Int64")
        people = pd.DataFrame({"person": [f"p{n}" for n in range(8)], "wave": wave})
        blank = pd.DataFrame(pd.NA, index=answers.index, columns=answers.columns, dtype="string")
        waves.append(Responses(instrument=few, answers=answers, people=people, off_scale=blank, ledger=pd.DataFrame()))
    found = targeted_change(*waves, ["rest2"], link="person")
    assert found.verdict == CANNOT_TELL
    assert found.table["estimate"].notna().all()
    assert found.table[["expected", "excess", "excess_low", "excess_high"]].isna().all(axis=None)
    assert found.table["n_linked"].tolist() == [8, 8]
    assert any(note.startswith("No verdict") for note in found.notes)


def test_what_cannot_be_judged_is_said(null):
    with pytest.raises(ValueError, match="neither an item nor a subscale of pwiq: tea"):
        targeted_change(*null, ["tea"])
    with pytest.raises(ValueError, match="targets must be a list"):
        targeted_change(*null, "voic")
    with pytest.raises(ValueError, match="where names the column 'town'"):
        targeted_change(*null, ["voic"], where={"town": ["x"]})
    with pytest.raises(ValueError, match="where fits nobody"):
        targeted_change(*null, ["voic"], where={"organisation": ["x"]})
    with pytest.raises(ValueError, match="smallest must be above 0"):
        targeted_change(*null, ["voic"], smallest=0)
    empty = replace(
        null[1], answers=null[1].answers.assign(voicab=pd.array([pd.NA] * len(null[1].answers), dtype="Int64"))
    )
    with pytest.raises(ValueError, match="not answered in both waves: voicab"):
        targeted_change(null[0], empty, ["voicab"])
    one = select(null[0], null[0].people["organisation"] == null[0].people["organisation"].iloc[0])
    assert len(one.people) > 1
