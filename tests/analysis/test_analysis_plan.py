"""Analysis plans: what is written is what is read, an edit is seen, and every deviation is told."""

import hashlib
import json
import re
import tomllib
from dataclasses import fields, replace
from datetime import date, timedelta

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from analysis.analysis_plan import AnalysisPlan, Detectable, answers_hash, plan_text, read_plan, write_plan
from analysis.new_plan import make_plan
from analysis.plan_deviations import Done, days_of, deviations
from analysis.planning import detectable_difference
from analysis.study_design import design_of
from instrument import read_instrument, read_responses, score
from instrument.responses import split_waves

TODAY = date(2026, 11, 22)
PLAN = AnalysisPlan(
    written=TODAY,
    author_role="team lead",
    questionnaire="pwiq",
    version="0.1.0",
    digest="ab12" * 16,
    smallest=5.0,
    smallest_is_placeholder=False,
    negative_control=("resoc", "devpc"),
    targets=("role", "educ"),
    baseline_files=("before.csv",),
    baseline_sha256=("cd" * 32,),
    n_before=30,
    expected_after=26,
    stop=date(2027, 3, 31),
    detectable=(Detectable(person_autocorrelation=0.6, points=11.5),),
)
DONE = Done(
    **{each.name: getattr(PLAN, each.name) for each in fields(Done) if hasattr(PLAN, each.name)}
    | {"wave_2_began": date(2027, 2, 1), "wave_2_on": date(2027, 3, 1), "n_after": 25}
)

# The file


_TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
_TEXTS = st.lists(_TEXT, max_size=3).map(tuple)
_SHARE = st.floats(0, 1, exclude_max=True)
_PLANS = st.builds(
    AnalysisPlan,
    written=st.dates(),
    author_role=_TEXT,
    questionnaire=_TEXT,
    version=_TEXT,
    digest=_TEXT,
    primary=st.just("integration"),
    direction=st.sampled_from(["higher", "lower", "either"]),
    smallest=st.floats(0, 100, exclude_min=True),
    smallest_is_placeholder=st.booleans(),
    negative_control=_TEXTS,
    targets=_TEXTS,
    exclusions=_TEXTS,
    link=st.sampled_from(["code", "person"]),
    mismatch=st.sampled_from(["one", "none"]),
    forms=st.sampled_from(["equal", "together"]),
    comparison=st.just("control arm"),
    randomised=st.booleans(),
    analyses=_TEXTS,
    baseline_files=_TEXTS,
    baseline_sha256=_TEXTS,
    n_before=st.none() | st.integers(5, 10**6),
    clusters=st.none() | st.integers(5, 10**4),
    cluster=_TEXT,
    wave_2_existed=st.booleans(),
    expected_after=st.none() | st.integers(5, 10**6),
    stop=st.none() | st.dates(),
    detectable=st.lists(
        st.builds(
            Detectable,
            person_autocorrelation=_SHARE,
            cluster_autocorrelation=st.none() | _SHARE,
            points=st.floats(0, 100),
        ),
        max_size=3,
    ).map(tuple),
    detectable_assumptions=_TEXTS,
)


@given(plan=_PLANS)
@settings(max_examples=40, deadline=None)
def test_a_plan_that_is_written_is_read_as_it_was(plan, tmp_path_factory):
    path = tmp_path_factory.mktemp("plan") / "plan.toml"
    seal = write_plan(path, plan)
    found = read_plan(path)
    assert replace(found, seal=None) == plan
    assert found.seal == found.sha256 == plan.sha256 == seal
    assert not found.changed_after
    # The same content gives the same file.
    before = path.read_bytes()
    write_plan(path, found, force=True)
    assert path.read_bytes() == before


@given(plan=_PLANS, data=st.data())
@settings(max_examples=40, deadline=None)
def test_plans_that_differ_have_seals_that_differ(plan, data):
    other = data.draw(_PLANS)
    assert (plan == other) == (plan.sha256 == other.sha256)


def test_the_seal_is_the_hash_of_the_content(tmp_path):
    """Worked out from the file alone, by the rule of the documentation."""
    path = tmp_path / "plan.toml"
    write_plan(path, PLAN)
    content = tomllib.loads(path.read_text())
    seal = content.pop("seal")["sha256"]
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    assert seal == hashlib.sha256(text.encode()).hexdigest()


@pytest.mark.parametrize(
    ("was", "now"),
    [
        ("smallest_interesting_change = 5.0", "smallest_interesting_change = 3.0"),
        ("written = 2026-11-22", "written = 2026-10-01"),
        ('    "role",\n', ""),
        ("randomised = false", "randomised = true"),
        ("stop = 2027-03-31\n", ""),
        ("answers = 30", "answers = 31"),
        ("points = 11.5", "points = 3.0"),
        ('sha256 = "', 'sha256 = "0'),
    ],
)
def test_an_edited_plan_is_read_and_reported(tmp_path, was, now):
    path = tmp_path / "plan.toml"
    write_plan(path, replace(PLAN, comparison="control arm"))
    text = path.read_text()
    # The last occurrence: of sha256 it is the seal.
    at = text.rindex(was)
    path.write_text(text[:at] + now + text[at + len(was) :])
    found = read_plan(path)
    assert found.changed_after
    row = deviations(found, DONE).table.loc["plan file"]
    assert row["deviation"] == "yes"
    assert "changed after it was written" in row["words"]
    assert "**This plan was changed after it was written.**" in plan_text(found)
    with pytest.raises(ValueError, match="cannot be sealed again"):
        write_plan(tmp_path / "other.toml", found)


def test_comments_spaces_and_line_ends_are_no_change(tmp_path):
    path = tmp_path / "plan.toml"
    write_plan(path, PLAN)
    lines = [line for line in path.read_text().splitlines() if not line.startswith("#")]
    path.write_bytes("\r\n".join(["# mine", *lines, ""]).replace(" = ", "  =  ").encode())
    assert not read_plan(path).changed_after


def test_a_plan_without_a_seal_counts_as_changed(tmp_path):
    path = tmp_path / "plan.toml"
    write_plan(path, PLAN)
    path.write_text(path.read_text().split("[seal]")[0])
    assert read_plan(path).changed_after


def test_a_plan_is_not_overwritten_unasked(tmp_path):
    path = tmp_path / "plan.toml"
    write_plan(path, PLAN)
    with pytest.raises(FileExistsError, match="a plan is kept"):
        write_plan(path, PLAN)
    write_plan(path, replace(PLAN, smallest=4.0), force=True)
    assert read_plan(path).smallest == 4.0


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: "person,form\n1,C\n", "is not a plan, or was damaged"),
        (lambda text: text.replace("[rules]", "[ruler]"), "ruler is no part of a plan.*rules.exclusions is missing"),
        (lambda text: text.replace("exclusions =", "exclusion ="), "rules.exclusion is no entry of a plan"),
        (lambda text: text.replace("= 5.0", '= "five"'), "smallest_interesting_change: must be a number, got 'five'"),
        (lambda text: text.replace("= 5.0", "= nan"), "above 0 and at most 100"),
        (lambda text: text.replace("2027-03-31", '"soon"'), "stop: must be a date such as"),
        (lambda text: text.replace("2027-03-31", "2027-03-31T10:00:00"), "stop: must be a date such as"),
        (lambda text: text.replace("answers = 30", "answers = true"), "must be a whole number, got True"),
        (lambda text: text.replace("answers = 30", "answers = 4"), "no count of people under 5"),
        (lambda text: text.replace("format = 1", "format = 2"), "plan.format must be 1"),
        (lambda text: text.replace('link = "code"', 'link = "name"'), "link must be 'code' or 'person', got 'name'"),
        (lambda text: text.replace("points =", "point ="), "must be tables with the numbers"),
        (lambda text: "outcomes = 3\n" + text.replace("[outcomes]", "[other]"), "outcomes must be a table"),
        (lambda text: "\ufffd\x00" + text, "is not a plan, or was damaged"),
    ],
)
def test_what_is_no_plan_is_refused(tmp_path, change, said):
    path = tmp_path / "plan.toml"
    write_plan(path, PLAN)
    path.write_text(change(path.read_text()))
    with pytest.raises(ValueError, match=said):
        read_plan(path)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"smallest": 0}, "above 0"),
        ({"randomised": True}, "without a control arm"),
        ({"targets": ("integration",)}, "primary outcome already"),
        ({"direction": "up"}, "direction must be"),
        ({"expected_after": 3}, "no count of people under 5"),
    ],
)
def test_a_plan_that_contradicts_itself_is_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        replace(PLAN, **changed)


# Deviations


def test_what_went_as_planned_has_no_deviation():
    found = deviations(PLAN, DONE)
    assert set(found.table["deviation"]) == {"no"}
    assert "Nothing is known to deviate from the plan." in found.notes
    assert "Answers expected of the second wave: 26; there are 25." in found.notes
    assert PLAN.sha256[:12] in found.method


@pytest.mark.parametrize(
    ("changed", "point", "words"),
    [
        ({"digest": "ff" * 32}, "questionnaire", "the same version number with another content"),
        ({"digest": "ff" * 32, "version": "0.2.0"}, "questionnaire", "another version"),
        ({"baseline_sha256": ("ee" * 32,)}, "first wave", "not the one that the plan was made with"),
        ({"primary": "role"}, "primary outcome", "Planned was integration; role was used."),
        ({"smallest": 6.25}, "smallest interesting change", "Planned was 5 points; 6.25 points was used."),
        ({"targets": ("role", "path")}, "targets", "Not in the plan: path. Planned, not done: educ."),
        ({"negative_control": ("resoc",)}, "negative control", "Planned, not done: devpc."),
        ({"exclusions": ("careless",)}, "exclusions", "Not in the plan: careless."),
        ({"mismatch": "none"}, "linking", "by codes, exact only was used"),
        ({"link": "person"}, "linking", "by person ids was used"),
        ({"forms": "together"}, "forms", "forms not told apart was used"),
        ({"comparison": "control arm"}, "comparison", "control arm, not randomised was used"),
        ({"wave_2_on": date(2027, 4, 1)}, "stop date", "Answers came after the planned stop."),
        ({"wave_2_began": TODAY}, "plan before the second wave", "after answers of wave 2 existed"),
    ],
)
def test_each_deviation_is_told(changed, point, words):
    found = deviations(PLAN, replace(DONE, **changed))
    row = found.table.loc[point]
    assert row["deviation"] == "yes"
    assert words in row["words"]
    assert (found.table["deviation"] == "yes").sum() == 1
    assert f"1 of {len(found.table)} points deviate from the plan: {point}. Say why in the report." in found.notes


def test_a_control_arm_that_is_missing_is_a_deviation():
    row = deviations(replace(PLAN, comparison="control arm"), DONE).table.loc["comparison"]
    assert row["deviation"] == "yes"
    assert row["planned"] == "control arm, not randomised"
    assert row["done"].startswith("none")


def test_a_plan_made_late_says_so():
    row = deviations(replace(PLAN, wave_2_existed=True), DONE).table.loc["plan before the second wave"]
    assert row["deviation"] == "yes"
    assert row["words"].startswith("Plan written on 2026-11-22, after answers of wave 2 existed")


def test_what_is_not_known_is_not_called_kept():
    unknown = replace(DONE, wave_2_on=None, wave_2_began=None, baseline_sha256=None, n_after=3)
    found = deviations(PLAN, unknown)
    points = ["plan before the second wave", "first wave", "stop date"]
    assert found.table.index[found.table["deviation"] == "not known"].tolist() == points
    assert any(
        "Not known, so not compared: plan before the second wave, first wave, stop date." in n for n in found.notes
    )
    assert "Answers expected of the second wave: 26; there are fewer than 5." in found.notes


@pytest.mark.parametrize(
    ("dated", "told"),
    [
        (18, ", as far as that is known: 18 of 25 answers are dated."),
        (23, ", as far as that is known: nearly all of 25 answers are dated."),
        (25, "."),
    ],
)
def test_the_dates_that_there_are_are_used_and_counted(dated, told):
    table = deviations(PLAN, replace(DONE, n_dated=dated)).table
    began, ended = table.loc["plan before the second wave"], table.loc["stop date"]
    assert (began["deviation"], ended["deviation"]) == ("no", "no")
    assert began["words"] == f"Plan written on 2026-11-22, before the second wave began{told}"
    assert ended["words"] == f"The second wave ended in time{told}"


def test_days_are_those_of_the_answers_that_bear_one(baseline, pwiq, tmp_path):
    few = baseline.head(4).assign(date=["2027-02-03", "", "2027-02-01T08:00", "3 May"])
    few.to_csv(tmp_path / "few.csv", index=False)
    found = days_of(read_responses([str(tmp_path / "few.csv")], pwiq))
    assert found == {"wave_2_began": date(2027, 2, 1), "wave_2_on": date(2027, 2, 3), "n_dated": 2}


def test_the_order_of_names_is_no_deviation():
    found = deviations(PLAN, replace(DONE, targets=("educ", "role"), negative_control=("devpc", "resoc")))
    assert set(found.table["deviation"]) == {"no"}


# From the first wave


@pytest.fixture(scope="module")
def pwiq():
    return read_instrument("pwiq")


@pytest.fixture(scope="module")
def baseline(root):
    return pd.read_csv(root / "sample_data" / "baseline.csv", dtype=str, keep_default_na=False)


@pytest.fixture
def written(tmp_path, baseline, pwiq):
    """Make a plan from some rows of the sample baseline."""

    def make(rows, **options):
        path = tmp_path / "before.csv"
        rows(baseline).to_csv(path, index=False)
        out = tmp_path / "plan.toml"
        said = make_plan([path], out, instrument=pwiq, today=TODAY, force=True, **options)
        return read_plan(out), said, out.read_text()

    return make


def test_the_plan_of_the_sample_data(root, tmp_path, pwiq):
    out = tmp_path / "plan.toml"
    source = root / "sample_data" / "baseline.csv"
    said = make_plan(
        [source],
        out,
        instrument=pwiq,
        targets=["role", "educ"],
        smallest=5,
        stop="2027-03-31",
        expected_after=700,
        author_role="evaluator",
        today=TODAY,
    )
    plan = read_plan(out)
    assert not plan.changed_after
    assert (plan.questionnaire, plan.version, plan.digest) == ("pwiq", pwiq.version, pwiq.digest)
    assert (plan.primary, plan.smallest, plan.smallest_is_placeholder) == ("integration", 5.0, False)
    assert plan.negative_control == pwiq.negative_control
    assert plan.targets == ("role", "educ")
    assert plan.exclusions == ()
    assert (plan.comparison, plan.randomised, plan.wave_2_existed) == ("control arm", False, False)
    assert (plan.n_before, plan.clusters, plan.cluster) == (900, 24, "organisation")
    assert (plan.expected_after, plan.stop, plan.written) == (700, date(2027, 3, 31), TODAY)
    assert plan.baseline_sha256 == (answers_hash(read_responses(source, pwiq)),)
    assert plan.baseline_files == ("baseline.csv",)
    # The numbers are those of the two functions that it stands on.
    responses = read_responses(source, pwiq)
    people = responses.people
    design = design_of(
        score(responses, items="common")["integration"], people[["form", "organisation", "team", "programme"]]
    )
    expected = detectable_difference(
        **design.keywords
        | {"sd": round(design.sd), "icc": round(design.icc, 2), "size_cv": round(design.size_cv, 1)}
        | {"n_after": 700, "linked": 0.6, "draws": 4000}
    )
    assert [row.points for row in plan.detectable] == pytest.approx(expected.table["estimate"].tolist(), abs=0.0501)
    assert len(plan.detectable) == 9
    assert "With your numbers you could see a change of at least" in said
    assert plan.sha256[:12] in said
    text = plan_text(plan)
    assert "- What the programme aims at: role, educ." in text
    assert "| 0.8 | 0.8 | " in text


def _one_team(size):
    # One organisation and one form, so that nothing but the number of answers differs.
    return lambda table: table[table["form"] == "C"].head(size).assign(organisation="a", team="t", programme="")


def test_one_team_sees_little_and_is_told(written):
    plan, said, text = written(_one_team(30), expected_after=26)
    assert plan.comparison == "none"
    assert (plan.n_before, plan.clusters) == (30, None)
    assert [row.cluster_autocorrelation for row in plan.detectable] == [None] * 3
    assert "drift that happens without any programme is not in it" in text
    assert "nobody shows what would have happened without it" in text
    assert "| People stay alike | Change that would be seen |" in plan_text(plan)
    assert "6.25 points of 100 is a placeholder" in said
    assert "No targets are named" in said
    assert "No stop date is named" in said


def test_nothing_is_computed_from_the_spread_of_fewer_than_20(written, tmp_path, pwiq):
    plan, said, _ = written(_one_team(19))
    assert plan.n_before == 19
    assert plan.detectable == ()
    assert "Fewer than 20 answers" in said
    # With a standard deviation from elsewhere nothing of the answers counts but how many have the score.
    stated, _, _ = written(_one_team(19), sd=18)
    n = int(score(read_responses(tmp_path / "before.csv", pwiq), items="common")["integration"].notna().sum())
    assert n < 19
    expected = detectable_difference(n_before=n, linked=0.6, sd=18, draws=4000).table["estimate"]
    assert [row.points for row in stated.detectable] == pytest.approx(expected.tolist(), abs=0.0501)


def test_a_first_wave_of_four_is_planned_without_its_number(written):
    plan, said, text = written(_one_team(4), sd=18)
    assert plan.n_before is None
    assert plan.detectable == ()
    assert "Fewer than 5 answers" in said
    assert "or fewer than 5 answers" in plan_text(plan)
    assert not re.search(r"\b[1-4] (answers|people)", text)


def test_without_codes_nobody_is_thought_to_be_linked(written):
    def no_codes(table):
        return _one_team(40)(table).drop(columns=[f"code{number}" for number in range(1, 7)])

    plan, _, text = written(no_codes)
    assert "Nobody gave a code: it is assumed that nobody can be linked." in text
    assert len({row.points for row in plan.detectable}) == 1
    with_codes, _, _ = written(_one_team(40))
    assert with_codes.detectable[-1].points < plan.detectable[-1].points


def test_small_forms_are_taken_together(written):
    def three_peers(table):
        return pd.concat([table[table["form"] == "P"].head(3), table[table["form"] == "C"].head(40)]).assign(
            organisation="a", team="t", programme=""
        )

    plan, _, text = written(three_peers)
    assert "A form has fewer than 5 answers: forms were taken together." in text
    assert plan.detectable


def test_an_intraclass_correlation_of_nearly_nothing_is_not_believed(written):
    def shuffled(table):
        places = [f"o{number % 8}" for number in range(160)]
        return table[table["form"] == "C"].head(160).assign(organisation=places, team="", programme="")

    plan, _, text = written(shuffled)
    assert plan.clusters == 8
    assert ".05 lies between clusters" in text


def test_two_waves_make_a_late_plan(root, tmp_path, pwiq):
    out = tmp_path / "plan.toml"
    files = [root / "sample_data" / f"{name}.csv" for name in ("baseline", "followup")]
    said = make_plan(files, out, instrument=pwiq, today=TODAY, stop=TODAY - timedelta(days=100))
    plan = read_plan(out)
    assert plan.wave_2_existed
    assert plan.n_before == 900
    assert "Answers of the second wave were there already" in said
    assert "**Answers of the second wave were there already when this was written.**" in plan_text(plan)
    assert deviations(plan, DONE).table.loc["plan before the second wave", "deviation"] == "yes"


def test_a_plan_before_there_are_answers(tmp_path, pwiq):
    said = make_plan([], tmp_path / "plan.toml", instrument=pwiq, today=TODAY)
    plan = read_plan(tmp_path / "plan.toml")
    assert plan.baseline_sha256 == ()
    assert "There were no answers yet" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"targets": ["role", "leadership"]}, "pwiq does not have: leadership; its subscales are role, indu"),
        ({"targets": "role"}, "give a list"),
        ({"targets": ["role", "role"]}, "names something twice"),
        ({"stop": date(2026, 11, 21)}, "stop date 2026-11-21 has passed"),
        ({"stop": "March"}, "stop must be a date such as 2027-03-31, got 'March'"),
        ({"randomised": True}, "randomised needs a control arm"),
        ({"expected_after": 4}, "expected_after is 4"),
        ({"smallest": -1}, "above 0"),
    ],
)
def test_what_cannot_be_planned_is_refused(written, options, said):
    with pytest.raises(ValueError, match=said):
        written(_one_team(30), **options)


def test_the_output_is_checked_before_any_work(root, tmp_path, pwiq):
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        make_plan([], tmp_path / "none" / "plan.toml", instrument=pwiq)
    with pytest.raises(IsADirectoryError, match="is a folder"):
        make_plan([], tmp_path, instrument=pwiq)
    source = tmp_path / "before.csv"
    source.write_text("person\n")
    with pytest.raises(FileExistsError, match="the file of answers itself"):
        make_plan([source], source, instrument=pwiq, force=True)
    with pytest.raises(FileExistsError, match="a plan is kept"):
        make_plan([root / "sample_data" / "baseline.csv"], source, instrument=pwiq)


def test_words_of_others_cannot_become_markup():
    text = plan_text(replace(PLAN, author_role="<b>lead</b>\n# of | all", analyses=("[x](y)",)))
    assert "Written by: \\<b\\>lead\\</b\\> \\# of \\| all." in text
    assert "- \\[x\\](y)" in text


def test_the_first_wave_is_known_again_beside_the_second_and_with_other_codes(pwiq, root, tmp_path):
    source, after = root / "sample_data/baseline.csv", root / "sample_data/followup.csv"
    alone = answers_hash(read_responses(source, pwiq))
    beside = next(iter(split_waves(read_responses([source, after], pwiq)).values()))
    assert answers_hash(beside) == alone
    frame = pd.read_csv(source, dtype=str, keep_default_na=False)
    hidden = tmp_path / "hidden.csv"
    frame.assign(code1="c0ffee").to_csv(hidden, index=False)
    assert answers_hash(read_responses(hidden, pwiq)) == alone
    frame.loc[0, "roleaf"] = "5" if frame.loc[0, "roleaf"] != "5" else "4"
    frame.to_csv(hidden, index=False)
    assert answers_hash(read_responses(hidden, pwiq)) != alone
