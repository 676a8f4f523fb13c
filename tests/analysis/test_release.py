"""What a notebook gives out: attacks with the numbers that a reader of the report would have."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from analysis import Result
from analysis.disclosure import suppress_distributions
from analysis.release import (
    Release,
    admit,
    attempt,
    figure,
    may_show_without,
    need_answers,
    open_release,
    read_shown,
    say,
    shares_without_n,
    shown_groups,
    table,
)
from analysis.wording import fit_to_say
from instrument import Responses, read_instrument, read_responses


@pytest.fixture
def release(tmp_path: Path) -> Release:
    return open_release("09_test", folder=str(tmp_path))


def released(tmp_path: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(tmp_path / f"09_{name}.csv")


def result(columns: dict[str, list[float]], index: list[str], level: str = "score", **more: object) -> Result:
    return Result(title="T", table=pd.DataFrame(columns, index=pd.Index(index, name=level)), method="M", **more)


def some(root: Path, tmp_path: Path, sizes: dict[tuple[int, str], int]) -> Responses:
    """Return answers of the sample data: so many of each wave and form."""
    sample = pd.read_csv(root / "sample_data/baseline.csv", dtype=str, keep_default_na=False)
    parts, used = [], dict.fromkeys("PCM", 0)
    for (wave, form), size in sizes.items():
        rows = sample[sample["form"] == form].iloc[used[form] : used[form] + size]
        used[form] += size
        parts.append(rows.assign(wave=str(wave)))
    pd.concat(parts).to_csv(tmp_path / "answers.csv", index=False)
    return read_responses(tmp_path / "answers.csv", read_instrument("pwiq"))


def test_open_release_refuses_an_unknown_audience() -> None:
    with pytest.raises(ValueError, match="internal, external; got 'public'"):
        open_release("09_test", audience="public")
    assert open_release("09_test", audience="external").floor == 10


def test_a_wave_of_too_few_is_not_admitted_and_its_number_not_told(
    release: Release, root: Path, tmp_path: Path
) -> None:
    admitted = admit(release, some(root, tmp_path, {(1, "C"): 6, (2, "C"): 4}))
    assert set(admitted.people["wave"]) == {1}
    (said,) = read_shown(tmp_path, "09_test")
    assert said.headline
    assert said.text.startswith("Fewer than 5 people answered in wave 2")


def test_where_no_wave_is_admitted_the_parts_keep_silent(release: Release, root: Path, tmp_path: Path) -> None:
    admitted = admit(release, some(root, tmp_path, {(1, "C"): 4}))
    with attempt(release, "Something"):
        need_answers(admitted)
    assert len(read_shown(tmp_path, "09_test")) == 1


def test_shown_groups_are_the_same_in_every_wave(release: Release, root: Path, tmp_path: Path) -> None:
    sizes = {(1, "P"): 12, (1, "C"): 20, (1, "M"): 12, (2, "P"): 12, (2, "C"): 20, (2, "M"): 3}
    shown = shown_groups(release, some(root, tmp_path, sizes), "form")
    # M is small in wave 2, so P or C goes with it: all less the shown ones must not be M alone.
    assert "M" not in shown
    assert len(shown) == 1
    assert "would give them back" in read_shown(tmp_path, "09_test")[0].text


def test_shown_groups_of_a_column_that_is_not_there(release: Release, root: Path, tmp_path: Path) -> None:
    assert shown_groups(release, some(root, tmp_path, {(1, "C"): 6}), "ward") == []


@pytest.mark.parametrize(("part", "shown"), [(30, True), (29, False), (26, False), (25, True), (5, True), (4, False)])
def test_some_beside_all(release: Release, part: int, shown: bool) -> None:
    assert may_show_without(release, part, 30) is shown


def test_a_table_hides_small_counts_and_what_gives_them_back(release: Release, tmp_path: Path) -> None:
    groups = result({"n": [3, 40, 12], "mean": [2.0, 3.0, 4.0]}, ["P", "C", "M"], "form")
    table(release, groups, "forms")
    filed = released(tmp_path, "forms").set_index("form")
    assert filed["n"].dropna().to_dict() == {"C": 40}
    assert filed["mean"].dropna().to_dict() == {"C": 3}


def test_a_count_just_short_of_all_is_left_out_with_the_df_that_tells_it(release: Release, tmp_path: Path) -> None:
    scores = result({"n": [30, 28, 25], "mean": [50.0, 51.0, 52.0], "df": [29, 27, 24]}, ["a", "b", "c"])
    table(release, scores, "near", whole=30)
    filed = released(tmp_path, "near").set_index("score")
    assert filed["n"].dropna().to_dict() == {"a": 30, "c": 25}
    assert filed["df"].dropna().to_dict() == {"a": 29, "c": 24}
    assert filed["mean"].notna().all()


def test_a_df_of_clusters_tells_no_count_and_stays(release: Release, tmp_path: Path) -> None:
    table(release, result({"n": [98], "mean": [50.0], "df": [23]}, ["a"]), "clusters", whole=100)
    assert released(tmp_path, "clusters")["df"].tolist() == [23]


def test_one_forms_missing_scores_are_not_the_difference_of_the_others(release: Release, tmp_path: Path) -> None:
    # 20, 20 and 20 were asked, 53 have the score, which another table tells: 53 − 15 − 20 = 18, two are missing.
    index = pd.MultiIndex.from_product([["role", "indu"], ["P", "C", "M"]], names=["score", "form"])
    frame = pd.DataFrame({"n": [18, 15, 20, 20, 20, 15], "mean": 50.0}, index=index)
    sizes = {("P",): 20, "P": 20, "C": 20, "M": 20}
    table(release, Result(title="T", table=frame, method=""), "parts", whole=sizes, parts="form")
    filed = released(tmp_path, "parts").set_index(["score", "form"])["n"]
    assert filed.loc["role"].isna().all()
    assert filed.loc["indu"].tolist() == [20, 20, 15]


def test_flags_go_with_their_percentages(release: Release, tmp_path: Path) -> None:
    # 3 of 12 at the floor are withheld; "flagged: yes" (over 15 %) would leave 2 to 4, "no" would leave 1.
    scores = result({"n": [12, 12], "percent_floor": [25.0, 50.0]}, ["a", "b"])
    scores = Result(title="T", table=scores.table.assign(floor_flagged=[True, True]), method="")
    table(release, scores, "flags", percents=["percent_floor"])
    filed = released(tmp_path, "flags").set_index("score")
    assert filed["percent_floor"].isna().tolist() == [True, False]
    assert filed["floor_flagged"].isna().tolist() == [True, False]


def test_the_spread_of_few_people_is_withheld(release: Release, tmp_path: Path) -> None:
    scores = result({"n": [19, 20], "mean": [3.0, 3.0], "sd": [1.0, 1.0], "skewness": [0.1, 0.1]}, ["a", "b"])
    table(release, scores, "spread")
    filed = released(tmp_path, "spread")
    assert filed[["sd", "skewness"]].isna().all(axis=1).tolist() == [True, False]
    assert filed["mean"].notna().all()


def test_what_everybody_answered_is_not_told(release: Release, tmp_path: Path) -> None:
    answers = {"all five": [5] * 12, "one four": [5] * 11 + [4], "all three": [3] * 30, "mixed": [1, 2, 3, 4, 5] * 6}
    frame = pd.DataFrame(
        {"n": [len(a) for a in answers.values()], "mean": [np.mean(a) for a in answers.values()]}
        | {"sd": [np.std(a, ddof=1) for a in answers.values()]},
        index=pd.Index(list(answers), name="item"),
    )
    shown = table(release, Result(title="T", table=frame, method=""), "alike", scale=(1, 5), decimals=1)
    assert released(tmp_path, "alike").set_index("item")["mean"].dropna().to_dict() == {"mixed": 3.0}
    assert "nearly everybody" in shown.notes[-1]


def test_digits_that_tell_how_many_answered_are_rounded_away(release: Release, tmp_path: Path) -> None:
    columns = {"n": [28], "estimate": [3.6071428], "statistic": [1.926014], "p": [0.064563], "effect_size": [0.56588]}
    table(release, result(columns, ["a"]), "digits", whole=30, decimals=1)
    filed = released(tmp_path, "digits").iloc[0]
    assert [filed[name] for name in ("estimate", "statistic", "p", "effect_size")] == [3.6, 1.93, 0.065, 0.57]
    # The attack: which n fits a mean of whole answers? With all digits only 28 does, now all do.
    fits = [n for n in range(26, 31) if any(round(total / n, 1) == 3.6 for total in range(n, 5 * n + 1))]
    assert fits == [26, 27, 28, 29, 30]


def test_columns_that_served_to_suppress_can_be_dropped(release: Release, tmp_path: Path) -> None:
    table(release, result({"n": [3, 30], "mean": [1.0, 2.0]}, ["P", "C"], "arm"), "dropped", margins=(), drop=["n"])
    filed = released(tmp_path, "dropped")
    assert list(filed.columns) == ["arm", "mean"]
    assert filed["mean"].isna().tolist() == [True, False]


def test_a_table_without_people_is_left_as_it_is(release: Release, tmp_path: Path) -> None:
    table(release, result({"value": [0.123456789]}, ["a"]), "plain", count=None)
    assert released(tmp_path, "plain")["value"].tolist() == [0.123456789]


def test_an_empty_table_is_said_and_not_filed(release: Release, tmp_path: Path) -> None:
    table(release, result({"n": []}, []), "empty")
    assert not list(tmp_path.glob("*.csv"))
    assert "nothing of this may be shown" in read_shown(tmp_path, "09_test")[0].text


def test_no_cell_becomes_a_formula_and_no_label_markup(release: Release, tmp_path: Path) -> None:
    shown = table(release, result({"n": [30]}, ["=1+1<script>"], "team"), "hostile")
    assert (tmp_path / "09_hostile.csv").read_text().splitlines()[1].startswith("'=1+1")
    assert "<script>" not in shown._repr_html_()


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("3 responses were left out.", "fewer than 5 responses were left out."),
        ("5 responses were left out.", "5 responses were left out."),
        ("28 of 30 responses are complete.", "nearly all of 30 responses are complete."),
        ("2 of 30 responses have gaps; 1 of them answered none.", None),
        ("Scores have gaps: from 27 to 30 of 30 responses each.", "Scores have gaps: from some to all of 30 responses each."),
        ("Scores have gaps: from 20 to 25 of 30 responses each.", "Scores have gaps: from 20 to 25 of 30 responses each."),
        ("at least 8 people are needed, got 3 of 30", "at least 8 people are needed, got fewer than 5 of 30"),
        ("a model needs at least 3 people", "a model needs at least 3 people"),
        ("Each group needs at least two responses; too small: P (1). Merge groups.", None),
        ("all who answered roleaf gave the same answer: leave it out", None),
        ("a mixed model needs an outcome that varies, got 100.0 in all 24 rows", None),
        ("Items with one answer only tell nothing about distance and are left out of it: roleaf.", None),
        ("form M was left out: at least two of its answers are needed in both waves", None),
    ],
)  # fmt: skip
def test_sentences_tell_no_small_number_and_nobodys_answer(told: str, said: str | None) -> None:
    fit = fit_to_say(told, 5)
    if said is not None:
        assert fit == said
    for secret in ("1 of them", "(1)", "100.0", "roleaf.", "at least two of its", "2 of 30"):
        assert secret not in fit
    assert not fit.startswith("all who answered")


@pytest.mark.parametrize(("got", "said"), [(26, "nearly 30"), (29, "nearly 30"), (30, "30"), (25, "25"), (31, "31")])
def test_sentences_tell_no_number_just_short_of_all(got: int, said: str) -> None:
    told = f"covariances need more people than items, got {got} people with an answer for 16 items"
    assert f"got {said} people" in fit_to_say(told, 5, [30])


def test_a_sentence_is_said_once_and_its_numbers_hidden(release: Release, tmp_path: Path) -> None:
    for _ in range(2):
        say(release, "4 people did.", headline=True)
    (said,) = read_shown(tmp_path, "09_test")
    assert (said.text, said.headline) == ("fewer than 5 people did.", True)


def test_a_refusal_becomes_a_sentence_and_a_fault_does_not(release: Release, tmp_path: Path) -> None:
    with attempt(release, "Alpha"):
        raise ValueError("needs at least 3 items, got 2")
    assert read_shown(tmp_path, "09_test")[0].text == "Alpha: not available. needs at least 3 items, got fewer than 5"
    with pytest.raises(KeyError), attempt(release, "Alpha"):
        raise KeyError("fault")


def test_notes_and_methods_are_made_fit_too(release: Release, tmp_path: Path) -> None:
    with_notes = Result(
        title="T",
        table=pd.DataFrame({"n": [30]}, index=pd.Index(["a"], name="score")),
        method="2 people were left out.",
        notes=("28 of 30 people",),
    )
    table(release, with_notes, "notes")
    (entry,) = read_shown(tmp_path, "09_test")
    assert entry.method == "fewer than 5 people were left out."
    assert entry.notes == ("nearly all of 30 people",)


def test_a_figure_is_filed_without_dates_or_machine(release: Release, tmp_path: Path) -> None:
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.plot([1, 2])
    figure(release, axes, "line", title="Title", alt="A line from 1 to 2.", headline=True)
    (entry,) = read_shown(tmp_path, "09_test")
    assert entry.source.startswith("data:image/svg+xml;base64,")
    svg = (tmp_path / "09_line.svg").read_text()
    assert "<dc:date>" not in svg
    assert str(tmp_path) not in svg


def test_nothing_is_filed_by_hand(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    by_hand = open_release("09_test")
    table(by_hand, result({"n": [30]}, ["a"]), "t")
    say(by_hand, "Said.")
    assert read_shown(tmp_path, "09_test") == []
    assert "Said." in capsys.readouterr().out


def test_each_line_of_the_list_is_json(release: Release, tmp_path: Path) -> None:
    say(release, 'Quotes " and \u2028 lines\nbreak nothing: é.')
    (line,) = (tmp_path / "09_test.jsonl").read_text(encoding="utf-8").strip("\n").split("\n")
    assert json.loads(line)["kind"] == "sentence"
    assert read_shown(tmp_path, "09_test")[0].text.endswith("é.")


@pytest.mark.parametrize("missing", [0, 1, 2, 4, 5])
def test_percentages_do_not_tell_how_many_did_not_answer(missing: int) -> None:
    rng = np.random.default_rng(missing)
    asked = [12, 14, 20, 25, 30, 40, 60]
    answers = np.array([rng.multinomial(n - missing, [0.1, 0.2, 0.3, 0.2, 0.2]) for n in asked])
    items = pd.Index([f"i{n}" for n in asked], name="item")
    counts = pd.DataFrame(answers, index=items, columns=range(1, 6))
    spread = suppress_distributions(counts, audience="internal")
    shown = shares_without_n(spread, dict(zip(items, asked, strict=True)), floor=5)
    assert shown["percent"].notna().any()
    for item, lines in shown.groupby(level="item"):
        shares = [float(percent) for percent in lines["percent"].dropna() if percent > 0]
        n = asked[items.get_loc(item)]
        if missing in (0, 5) or not shares:
            continue
        # An attacker who counts: from how many people can these shares come, each share at least five of them?
        unit = next(unit for unit in (20, 10, 5, 2, 1) if all(share % unit == 0 for share in shares))
        possible = {people for people in range(n - 4, n) if _fits(shares, people, unit)}
        assert possible == {people for people in range(n - 4, n) if people >= 5 * len(shares)}


def _fits(shares: list[float], people: int, unit: int) -> bool:
    sums = {0}
    for share in shares:
        near = [c for c in range(5, people + 1) if abs(100 * c / people - share) < unit / 2]
        sums = {total + c for total in sums for c in near if total + c <= people}
    return people in sums


def test_five_and_six_of_eleven_do_not_tell_the_twelfth() -> None:
    counts = pd.DataFrame([[5, 0, 0, 0, 6]], columns=range(1, 6), index=pd.Index(["a"], name="item"))
    spread = suppress_distributions(counts, audience="internal")
    assert [round(share) for share in spread["percent"] if share > 0] == [45, 55]
    shown = shares_without_n(spread, {"a": 12}, floor=5)
    assert 45 not in shown["percent"].tolist()
    # Nobody is missing: nothing to hide.
    assert 45 in shares_without_n(spread, {"a": 11}, floor=5)["percent"].tolist()


def test_a_percentage_goes_with_its_count(release: Release, tmp_path: Path) -> None:
    table(release, result({"n": [11], "percent": [45.45]}, ["a"]), "share", whole=12, percents=["percent"])
    assert released(tmp_path, "share")[["n", "percent"]].isna().all(axis=None)
