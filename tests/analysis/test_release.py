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
    as_shown,
    attempt,
    figure,
    may_show_without,
    need_answers,
    open_release,
    read_shown,
    say,
    shares_agreeing,
    shares_without_n,
    shown_forms,
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
    with pytest.raises(ValueError, match="internal, external, researcher; got 'public'"):
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
    scores = result({"n": [19, 20], "mean": [50.0, 50.0], "sd": [11.0, 11.0], "skewness": [0.1, 0.1]}, ["a", "b"])
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
    table(release, result({"n": [3, 30], "mean": [41.0, 42.0]}, ["P", "C"], "arm"), "dropped", margins=(), drop=["n"])
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


# --- The policy for numbers, through the gate ---------------------------------------------------------


def change_of(**columns: list[float]) -> Result:
    return result(
        {"n_before": [30, 30, 30], "n_after": [30, 12, 7], "estimate": [6.34, 6.34, 6.34], "se": [2.0, 2.0, 2.0]}
        | {"ci_low": [1.2, 1.2, 1.2], "ci_high": [11.4, 11.4, 11.4], "p": [0.01, 0.01, 0.01]}
        | columns,
        ["role", "indu", "educ"],
    )


def test_a_change_is_as_exact_as_its_smaller_wave_allows(release: Release, tmp_path: Path) -> None:
    shown = table(release, change_of(), "change", count=("n_before", "n_after"))
    filed = released(tmp_path, "change").set_index("score")
    assert filed["estimate"].tolist() == [6.3, 6, 5]
    assert filed["ci_low"].tolist() == [1.2, 0, 0]
    assert filed["ci_high"].tolist() == [11.4, 15, 15]
    assert filed["se"].isna().tolist() == filed["p"].isna().tolist() == [False, True, True]
    assert any("rounded outward to multiples of 5" in note for note in shown.notes)


def test_a_mean_of_nine_is_rounded_to_five_points(release: Release, tmp_path: Path) -> None:
    scores = result(
        {"n": [9, 10, 40], "mean": [52.4] * 3, "ci_low": [48.2] * 3, "ci_high": [56.6] * 3}, ["a", "b", "c"]
    )
    table(release, scores, "means")
    filed = released(tmp_path, "means")
    assert filed["mean"].tolist() == [50, 52, 52]
    assert filed["ci_low"].isna().tolist() == [True, True, False]
    assert filed["ci_high"].iloc[2] == 57


def test_a_mean_near_the_top_is_withheld_with_the_change_that_gives_it_back(release: Release, tmp_path: Path) -> None:
    index = pd.MultiIndex.from_tuples([(1, "role"), (2, "role"), (1, "indu"), (2, "indu")], names=["wave", "score"])
    frame = pd.DataFrame({"n": [12, 12, 12, 12], "mean": [97.0, 60.0, 50.0, 60.0]}, index=index)
    shown = table(release, Result(title="T", table=frame, method=""), "means")
    assert released(tmp_path, "means")["mean"].isna().tolist() == [True, False, False, False]
    assert "would give such a one back" in shown.notes[-1]
    changes = result({"n_before": [12, 12], "n_after": [12, 12], "estimate": [-37.0, 10.0]}, ["role", "indu"])
    table(release, changes, "change", count=("n_before", "n_after"))
    assert released(tmp_path, "change")["estimate"].isna().tolist() == [True, False]


def test_a_table_of_groups_must_say_how_many_they_are(release: Release) -> None:
    with pytest.raises(ValueError, match="columns n_before, n_after: name the columns of people with `count`"):
        table(release, change_of(), "change", count=None)
    pairs = pd.DataFrame(
        {"estimate": [1.0]},
        index=pd.MultiIndex.from_tuples([("role", "P", "C")], names=["score", "group_1", "group_2"]),
    )
    with pytest.raises(ValueError, match=r"groups of people \(group_1, group_2\)"):
        table(release, Result(title="T", table=pairs, method=""), "pairs", count=None)


def test_without_counts_the_smallest_wave_or_the_fewest_people_rule(
    release: Release, root: Path, tmp_path: Path
) -> None:
    tests = result({"statistic": [3.1], "p": [0.02]}, ["role"])
    admit(release, some(root, tmp_path, {(1, "C"): 30, (2, "C"): 12}))
    table(release, tests, "default", count=None)
    assert released(tmp_path, "default")[["statistic", "p"]].isna().all(axis=None)
    table(release, tests, "said", count=None, fewest=30)
    assert released(tmp_path, "said")[["statistic", "p"]].notna().all(axis=None)


@pytest.mark.parametrize("audience", ["internal", "external", "researcher"])
@pytest.mark.parametrize("question", ["stay", "satisfied", "peersinteam", "perspective1"])
def test_what_tells_of_single_people_is_never_shown_by_team(
    audience: str, question: str, root: Path, tmp_path: Path
) -> None:
    release = open_release("09_test", audience=audience)
    admit(release, some(root, tmp_path, {(1, "C"): 40}))
    by_team = pd.DataFrame({"n": [40, 40], "mean": [50.0, 50.0]}, index=pd.Index(["A", "B"], name="team"))
    for frame in (
        by_team.rename(columns={"mean": question}),
        pd.DataFrame(
            {"n": [40], "percent": [50.0]},
            index=pd.MultiIndex.from_tuples([("A", question)], names=["organisation", "question"]),
        ),
    ):
        with pytest.raises(ValueError, match="must not be shown by team or organisation"):
            table(release, Result(title="T", table=frame, method=""), "by_team")
    table(release, Result(title="T", table=by_team, method=""), "scores_by_team")
    everyone = pd.DataFrame({"n": [40], "percent": [50.0]}, index=pd.Index([question], name="question"))
    table(release, Result(title="T", table=everyone, method=""), "everyone", percents=["percent"])


def test_a_cluster_factor_is_no_table_by_team(release: Release, root: Path, tmp_path: Path) -> None:
    admit(release, some(root, tmp_path, {(1, "C"): 40}))
    table(release, result({"organisation": [0.1], "team": [0.05]}, ["role"]), "icc", count=None)
    assert released(tmp_path, "icc")["team"].tolist() == [0.05]


def test_what_only_researchers_see(tmp_path: Path) -> None:
    found = result({"n": [40], "mean": [50.0]}, ["role"])
    for audience, seen in (("internal", False), ("external", False), ("researcher", True)):
        release = open_release(f"09_{audience}", audience=audience, folder=str(tmp_path))
        table(release, found, f"{audience}_only", only_for_researchers=True)
        assert (tmp_path / f"09_{audience}_only.csv").exists() is seen
        assert release.for_researchers is seen
    assert open_release("09_test", audience="researcher").floor == 5


def test_forms_are_shown_in_the_same_groups_at_every_wave(release: Release, root: Path, tmp_path: Path) -> None:
    sizes = {(1, "P"): 8, (1, "C"): 20, (1, "M"): 9, (2, "P"): 8, (2, "C"): 20, (2, "M"): 3}
    groups = shown_forms(release, some(root, tmp_path, sizes))
    assert groups.group == {"P": "peers", "C": "non-peer staff", "M": "non-peer staff"}
    assert not groups.shows("managers")
    assert "non-peer staff, in every wave" in read_shown(tmp_path, "09_test")[0].text


def test_a_score_of_another_range_has_points_of_its_own(release: Release, root: Path, tmp_path: Path) -> None:
    # Acquiescence goes from −2 to 2, so that a point is 0.04, and a change is rounded to a tenth of it.
    admit(release, some(root, tmp_path, {(1, "C"): 40}))
    frame = {"n_before": [40, 15], "n_after": [40, 15], "estimate": [0.1234, 0.1234]}
    changes = result(frame, ["acquiescence", "role"])
    shown = table(release, changes, "change", count=("n_before", "n_after")).table
    assert shown["estimate"].tolist() == [pytest.approx(0.124), 0.0]


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ("100 % of the peer workers agreed.", "most of the peer workers agreed."),
        ("0 % of managers disagreed.", "few of the managers disagreed."),
        ("All 12? all 12 peer workers agreed.", "All 12? most peer workers agreed."),
        ("none of the managers agreed.", "few managers agreed."),
        ("10 % of the peer workers agreed.", "10 % of the peer workers agreed."),
        ("0.0 % of the colleagues said so, 40 % of managers.", "few of the colleagues said so, 40 % of managers."),
    ],
)
def test_all_and_none_become_most_and_few(told: str, said: str) -> None:
    assert fit_to_say(told, 5) == said


def test_forms_that_may_not_be_shown_weigh_nothing_of_their_own(release: Release, root: Path, tmp_path: Path) -> None:
    responses = admit(release, some(root, tmp_path, {(1, "P"): 6, (1, "C"): 9, (1, "M"): 3}))
    groups = shown_forms(release, responses)
    shown = as_shown(responses, groups)
    assert shown.people["form"].value_counts().to_dict() == {"P": 6, "C": 12}
    # What colleagues are not asked is blank in the answers of the managers who now stand among them.
    managers = responses.people["form"] == "M"
    not_asked = sorted(set(responses.instrument.asked_by("M")) - set(responses.instrument.asked_by("C")))
    assert responses.answers.loc[managers, not_asked].notna().any(axis=None)
    assert shown.answers.loc[managers, not_asked].isna().all(axis=None)
    assert shown.answers.loc[~managers].equals(responses.answers.loc[~managers])


def test_forms_that_may_be_shown_stay(release: Release, root: Path, tmp_path: Path) -> None:
    responses = admit(release, some(root, tmp_path, {(1, "P"): 6, (1, "C"): 9, (1, "M"): 6}))
    assert as_shown(responses, shown_forms(release, responses)) is responses


def test_a_second_percentage_is_the_one_of_the_page_of_answers(release: Release, root: Path, tmp_path: Path) -> None:
    responses = admit(release, some(root, tmp_path, {(1, "P"): 8, (1, "C"): 20, (1, "M"): 8}))
    agree = shares_agreeing(release, responses)
    known = responses.answers.astype("Float64")
    true = 100 * (known > 3).sum() / known.notna().sum()
    assert agree.notna().any()
    off = (agree - true.reindex(agree.index)).abs().dropna()
    assert (off <= 10).all()  # rounded to multiples of up to 20
    # Where fewer than five agree or do not, the page merges across the middle, and there is no percentage.
    few = pd.concat([(known > 3).sum(), (known <= 3).sum()], axis=1).min(axis=1) < 5
    assert agree[few.reindex(agree.index)].isna().all()
    assert few.any()


def test_a_gap_does_not_give_a_withheld_mean_back(release: Release, root: Path, tmp_path: Path) -> None:
    admit(release, some(root, tmp_path, {(1, "P"): 8, (1, "C"): 20, (1, "M"): 8}))
    release._unread.clear()  # the page of scores is not looked at
    views = pd.DataFrame(
        {"n": [8, 20, 8], "mean": [99.0, 50.0, 60.0]},
        index=pd.MultiIndex.from_product([["role"], ["P", "C", "M"]], names=["score", "form"]),
    )
    shown = table(release, Result(title="V", table=views, method="M"), "views").table
    assert shown["mean"].isna().tolist() == [True, False, False]
    pairs = pd.MultiIndex.from_tuples(
        [("role", "peers", "colleagues"), ("role", "colleagues", "managers")], names=["score", "group_1", "group_2"]
    )
    gaps = pd.DataFrame({"n_1": [8, 20], "n_2": [20, 8], "estimate": [49.0, -10.0]}, index=pairs)
    found = table(release, Result(title="G", table=gaps, method="M"), "gaps", count=["n_1", "n_2"]).table
    assert found["estimate"].isna().tolist() == [True, False]


def test_a_comparison_is_as_exact_as_its_smaller_arm_allows(release: Release) -> None:
    more = result({"n_before": [36.0], "n_after": [31.0], "estimate": [7.34], "p": [0.021]}, ["role"])
    counts = ["n_before", "n_after"]
    assert table(release, more, "whole", count=counts).table["estimate"].tolist() == [7.3]
    arm = pd.Series({"role": 6})
    shown = table(release, more, "arms", count=counts, fewest=arm).table
    assert shown["estimate"].tolist() == [5.0]
    assert shown["p"].isna().all()


def test_priorities_are_as_exact_as_their_people_allow(release: Release) -> None:
    rows = {
        "n": [12.0, 12.0],
        "score": [98.2, 51.6],
        "gap": [0.018, 0.484],
        "importance": [0.62, 0.99],
        "priority": [0.011, 0.479],
        "chance": [0.01, 0.9],
        "n_difficulty": [5.0, 5.0],
        "difficulty": [3.2, 4.9],
    }
    shown = table(release, result(rows, ["role", "voic"], level="subscale"), "priorities", drop=["n_difficulty"]).table
    assert shown.loc["role", ["score", "gap", "priority", "chance"]].isna().all()  # each of them nearly at the top
    assert shown.loc["voic", ["importance", "priority", "difficulty"]].isna().all()
    assert shown.loc["voic", "score"] == 52.0
    assert shown.loc["role", "difficulty"] == 3.0
    assert "n_difficulty" not in shown


def test_what_is_said_in_a_table_tells_no_small_number(release: Release, root: Path, tmp_path: Path) -> None:
    admit(release, some(root, tmp_path, {(1, "C"): 26}))
    frame = pd.DataFrame(
        {"reason": ["needs 200 answers, got 23"], "text": ["I know 3 people"]}, index=pd.Index(["role"], name="score")
    )
    shown = table(release, Result(title="T", table=frame, method="M"), "gate", count=None).table
    assert "23" not in shown.loc["role", "reason"]
    assert shown.loc["role", "text"] == "I know 3 people"
