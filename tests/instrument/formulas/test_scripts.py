"""The scripts in Python, R and SPSS score every respondent as the package does; the golden ones as the file says."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path

import pyreadstat
import pytest

from instrument.definition import Catalogue
from instrument.formulas import CALCULATIONS, LANGUAGES, SCRIPTS, language, python, r, spss, stata
from instrument.formulas.listing import listing
from instrument.formulas.terms import ItemMean, Part, form_scores
from instrument.platforms.limesurvey import names_in_expressions, write
from instrument.survey import build_survey

DEFINITIONS = ("pwiq", "forms", "small", "compared", "odd")
METRICS = ("pomp", "mean")


@pytest.mark.parametrize("name", DEFINITIONS)
def test_python_alone(name, case, tmp_path: Path, write_answers, read_scores, disagreements) -> None:
    this = case(name)
    (tmp_path / "scores.py").write_text(python.script(this.instrument), encoding="utf-8")
    write_answers(tmp_path / "answers.csv", this.rows)
    command = [sys.executable, "-I", "-W", "error", "scores.py", "answers.csv", "scores.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    for metric in METRICS:
        assert not disagreements(this, read_scores(tmp_path / "scores.csv", this, metric), metric)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_r(name, case, tmp_path: Path, write_answers, read_scores, disagreements, needs_tool) -> None:
    this = case(name)
    (tmp_path / "scores.R").write_text(r.script(this.instrument), encoding="utf-8")
    write_answers(tmp_path / "answers.csv", this.rows)
    command = [needs_tool("Rscript"), "--vanilla", "scores.R", "answers.csv", "scores.csv"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, env={"LC_ALL": "C"})
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    for metric in METRICS:
        assert not disagreements(this, read_scores(tmp_path / "scores.csv", this, metric), metric)


@pytest.mark.parametrize("name", DEFINITIONS)
def test_spss_syntax_in_pspp(name, case, tmp_path: Path, write_answers, disagreements, needs_tool) -> None:
    """With the codes beside the scale declared as missing in one definition, and not in the others."""
    this = case(name)
    got = run_pspp(needs_tool("pspp"), this, spss.script(this.instrument), tmp_path, write_answers)
    for metric, ending in (("pomp", ""), ("mean", "_m")):
        rows = [{rule.export: row[rule.export + ending] for rule in this.instrument.scores} for row in got]
        assert not disagreements(this, rows, metric)


def run_pspp(pspp, this, syntax: str, folder: Path, write_answers) -> list[dict[str, float]]:
    write_answers(folder / "answers.csv", this.rows)
    (folder / "scores.sps").write_text(syntax, encoding="utf-8")
    items = set(this.instrument.items.ids)
    variables = " ".join(f"{name} {'F4' if name in items else 'A12'}" for name in this.rows[0])
    missing = "MISSING VALUES roleaf TO praccb (97, 98, 99)." if this.instrument.id == "pwiq" else ""
    (folder / "run.sps").write_text(
        "SET DECIMAL=DOT.\nGET DATA /TYPE=TXT /FILE='answers.csv' /ARRANGEMENT=DELIMITED /DELIMITERS=','"
        f" /FIRSTCASE=2\n /VARIABLES={variables}.\n{missing}\nINSERT FILE='scores.sps'.\nSAVE OUTFILE='scores.sav'.\n",
        encoding="utf-8",
    )
    command = [pspp, "--no-output", "-O", "format=txt", "-o", "log.txt", "run.sps"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    frame, meta = pyreadstat.read_sav(str(folder / "scores.sav"))
    assert frame["person"].tolist() == [row["person"] for row in this.rows]
    assert all(meta.column_names_to_labels[rule.export] for rule in this.instrument.scores)
    return frame.to_dict("records")


def test_spss_declares_missing_values_in_the_test_above(case) -> None:
    items = case("pwiq").instrument.items.ids
    assert (items[0], items[-1]) == ("roleaf", "praccb")


# A changed rule is caught


def mutants(definition):
    """The same definition with one rule changed each: minimum, minimum of each wording, an item, a key."""
    rules = {rule.id: rule for rule in definition.scores}

    def with_rule(name, **changes):
        changed = Catalogue(replace(rule, **changes) if rule.id == name else rule for rule in definition.scores)
        return replace(definition, scores=changed)

    short = rules["integration"].short
    items = Catalogue(replace(item, reverse=False) if item.id == "praccb" else item for item in definition.items)
    return {
        "minimum of a subscale": with_rule("role", minimum=5),
        "minimum of the other forms": with_rule("indu", minimum=(3, 4)),
        "minimum of each wording": with_rule("cult", minimum_each_wording=2),
        "minimum of a mean of scores": with_rule("integration", minimum=8),
        "rule of the short forms": with_rule("integration", short=replace(short, minimum_each_wording=8)),
        "one item less": with_rule("macro", items=rules["macro"].items[:-1]),
        "the other way round": with_rule("balance", of=("barrier_index", "facilitator_index")),
        "an item not turned": replace(definition, items=items),
    }


CHANGES = (
    "minimum of a subscale",
    "minimum of the other forms",
    "minimum of each wording",
    "minimum of a mean of scores",
    "rule of the short forms",
    "one item less",
    "the other way round",
    "an item not turned",
)


@pytest.mark.parametrize("change", CHANGES)
def test_a_changed_rule_is_caught(change, case, disagreements) -> None:
    this = case("pwiq")
    changed = mutants(this.instrument)
    assert set(changed) == set(CHANGES)
    mutant = changed[change]
    module: dict = {"__name__": "scores"}
    exec(python.script(mutant), module)
    got = [module["score"](row) for row in this.rows]
    assert disagreements(this, got, "pomp")


# What the scripts refuse


@pytest.fixture(scope="module")
def scored(case):
    module: dict = {"__name__": "scores"}
    exec(python.script(case("pwiq").instrument), module)
    return module


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"roleaf": "7"}, "roleaf is '7'; allowed: 1, 2, 3, 4, 5, 97, 98, 99 or blank"),
        ({"roleaf": "Agree"}, "roleaf is 'Agree'"),
        ({"roleaf": "2.5"}, "roleaf is '2.5'"),
        ({"form": "Z"}, "form is 'Z'; it must be one of P, C, M, PS, CS, MS"),
    ],
)
def test_python_refuses(change, message, scored, case) -> None:
    row = {**case("pwiq").rows[0], **change}
    with pytest.raises(ValueError, match=message):
        scored["score"](row)


def test_python_refuses_a_missing_column_and_takes_numbers(scored, case) -> None:
    row = dict(case("pwiq").rows[0])
    numbers = {name: int(value) if value.isdigit() else value for name, value in row.items()}
    assert scored["score"](numbers) == scored["score"](row)
    assert scored["score"]({**row, "roleaf": None}) == scored["score"]({**row, "roleaf": ""})
    del row["roleaf"]
    with pytest.raises(ValueError, match="there is no roleaf"):
        scored["score"](row)


def test_python_leaves_no_formula_and_refuses_bad_tables(scored, case, tmp_path: Path, write_answers) -> None:
    row = case("pwiq").rows[0]
    write_answers(tmp_path / "a.csv", [{**row, "person": "=1+1"}])
    scored["score_file"](tmp_path / "a.csv", tmp_path / "s.csv")
    assert (tmp_path / "s.csv").read_text(encoding="utf-8").splitlines()[1].startswith("'=1+1,P,")
    for text, message in (("form,form\nP,P\n", "two columns are named form"), ("form,a\nP\n", "not as many cells")):
        (tmp_path / "b.csv").write_text(text, encoding="utf-8")
        with pytest.raises(SystemExit, match=message):
            scored["score_file"](tmp_path / "b.csv", tmp_path / "s.csv")


@pytest.mark.parametrize("name", ["python", "r"])
def test_commands_say_what_is_wrong_with_a_table_and_overwrite_nothing(
    name, case, tmp_path: Path, write_answers, needs_tool
) -> None:
    (tmp_path / "script").write_text(language(name).script(case("pwiq").instrument), encoding="utf-8")
    program = [sys.executable, "-I"] if name == "python" else [needs_tool("Rscript"), "--vanilla"]
    row = case("pwiq").rows[0]

    def run(*arguments: str) -> tuple[int, str]:
        done = subprocess.run(
            [*program, "script", *arguments],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            env={"LC_ALL": "C"},
        )
        return done.returncode, done.stderr

    write_answers(tmp_path / "good.csv", [row])
    write_answers(tmp_path / "none.csv", [{key: value for key, value in row.items() if key != "form"}])
    (tmp_path / "semi.csv").write_text((tmp_path / "good.csv").read_text().replace(",", ";"))
    (tmp_path / "mine.csv").write_text("mine")
    for answers, wanted in (
        ("none.csv", "there is no column form; it says which form a row is: P, C, M, PS, CS, MS"),
        ("semi.csv", "semi.csv: one column only, 'person;form;"),
    ):
        code, said = run(answers, "new.csv")
        assert code != 0
        assert wanted in said
        assert not (tmp_path / "new.csv").exists()
    code, said = run("good.csv", "mine.csv")
    assert code != 0
    assert "mine.csv exists; choose another name or add --force" in said
    assert (tmp_path / "mine.csv").read_text() == "mine"
    assert run("good.csv", "mine.csv", "--force") == (0, "")
    assert "facindex" in (tmp_path / "mine.csv").read_text()


def test_pspp_opens_a_file_by_the_command_in_the_head(case, tmp_path: Path, write_answers, disagreements, needs_tool):
    this = case("pwiq")
    keys = {"response": "a", "person": "b", "form": "", "wave": "1"}
    names = [*keys, *this.instrument.items.ids]
    rows = [{name: row.get(name, keys.get(name, "")) for name in names} for row in this.rows]
    write_answers(tmp_path / "answers.csv", rows)
    text = spss.script(this.instrument)
    assert text.count("* GET DATA") == 1
    (tmp_path / "run.sps").write_text(
        text.replace("* GET DATA", "GET DATA") + "SAVE OUTFILE='scores.sav'.\n", encoding="utf-8"
    )
    command = [needs_tool("pspp"), "--no-output", "-O", "format=txt", "-o", "log.txt", "run.sps"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "")
    frame, _ = pyreadstat.read_sav(str(tmp_path / "scores.sav"))
    got = [{rule.export: row[rule.export] for rule in this.instrument.scores} for row in frame.to_dict("records")]
    assert not disagreements(this, got, "pomp")


def test_r_refuses(case, tmp_path: Path, write_answers, needs_tool) -> None:
    this = case("pwiq")
    (tmp_path / "scores.R").write_text(r.script(this.instrument), encoding="utf-8")
    good = this.rows[0]
    bad = {
        "roleaf is '7' in row 2; allowed: 1, 2, 3, 4, 5, 97, 98, 99 or blank": {"roleaf": "7"},
        "roleaf is 'Agree' in row 2": {"roleaf": "Agree"},
        "form is 'Z'; it must be one of P, C, M, PS, CS, MS": {"form": "Z"},
    }
    for number, change in enumerate(bad.values()):
        write_answers(tmp_path / f"{number}.csv", [good, {**good, **change}])
    write_answers(tmp_path / "3.csv", [{name: code for name, code in good.items() if name != "roleab"}])
    run = (
        "source('scores.R'); for (n in 0:3) tryCatch(score_answers(read.csv(paste0(n, '.csv'))), "
        "error = function(e) cat(conditionMessage(e), '\\n'))"
    )
    command = [needs_tool("Rscript"), "--vanilla", "-e", run]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True, env={"LC_ALL": "C.UTF-8"})
    said = done.stdout.splitlines()
    assert len(said) == 4
    for line, wanted in zip(said, [*bad, "there is no column roleab"], strict=True):
        assert line.startswith(wanted)


# What stands in them


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_script_says_what_it_was_made_from_and_that_it_is_a_draft(name, case) -> None:
    definition = case("pwiq").instrument
    text = language(name).script(definition)
    assert f"{definition.id} {definition.version} sha256:{definition.digest[:16]}" in text
    banner = " ".join(definition.banner["en"].split()).rstrip(".")
    head = " ".join(line.lstrip("#* ") for line in text.splitlines()[:15])
    assert banner in head
    assert "Run: " in head
    assert text == language(name).script(definition)


@pytest.mark.parametrize("name", SCRIPTS)
def test_texts_stay_in_their_comments_and_labels(name, case) -> None:
    """A title and a banner with line ends, quotes and comment signs: that Python, R and PSPP run them is tested above."""
    text = language(name).script(case("odd").instrument)
    assert text.replace("\n", "").isprintable() or name == "r"
    starts = {"python": "#", "r": "#", "spss": "*", "stata": "*"}[name]
    lines = text.splitlines()
    titles = [line for line in lines if "It's" in line or "Draft'" in line or "error 1" in line]
    assert len(titles) >= 2
    for at in map(lines.index, titles):
        while name == "spss" and lines[at].startswith("  ") and not lines[at - 1].endswith("."):
            at -= 1  # an SPSS comment goes on to the first full stop at the end of a line
        assert lines[at].startswith(starts)
    labels = [line for line in text.splitlines() if "QUIT" in line and line not in titles]
    assert len(labels) == (2 if name in ("spss", "stata") else 0)
    assert all(line.startswith(("VARIABLE LABELS one", "label variable one")) for line in labels)


@pytest.mark.parametrize("name", CALCULATIONS)
def test_listings_hold_every_expression(name, case) -> None:
    definition = case("pwiq").instrument
    text = listing(definition, name, ["P", "C"])
    assert f"{definition.id} {definition.version} sha256:{definition.digest[:16]}" in text
    assert " ".join(language(name).RUN_BY.split())[:40] in text
    for expression in language(name).calculations(definition, ["P", "C"]).values():
        assert f"\n{expression}\n" in text
    hostile = listing(case("odd").instrument, name, [])
    assert all(line.startswith("#") for line in hostile.splitlines() if "QUIT" in line or "odd" in line)


def test_a_listing_for_limesurvey_can_name_the_items_as_our_export_does(case) -> None:
    definition = case("pwiq").instrument
    survey = build_survey(definition, forms=["P"])
    rows = csv.DictReader(io.StringIO(write(survey)["pwiq_p.txt"].decode("utf-8-sig")), delimiter="\t")
    exported = {row["text"] for row in rows if row["type/scale"] == "*"}
    text = listing(definition, "limesurvey", ["P"], names=names_in_expressions(survey))
    expressions = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert len(expressions) == len(survey.scores)
    assert {f"{{{expression}}}" for expression in expressions} <= exported
    assert "pagerole_roleaf.NAOK" in text
    assert "ARRAY_ITEM" in text
    with pytest.raises(ValueError, match="only LimeSurvey has other names"):
        listing(definition, "redcap", ["P"], names={})


def test_a_listing_needs_a_platform(case) -> None:
    with pytest.raises(ValueError, match="language must be one of redcap"):
        listing(case("small").instrument, "python", [])


def test_names_fit_every_statistics_program(case) -> None:
    for name in DEFINITIONS:
        definition = case(name).instrument
        for rule in definition.scores:
            assert len(f"{rule.export}_m") <= (15 if name == "pwiq" else 32)


def test_stata_says_that_it_was_not_run(case) -> None:
    assert stata.RUN_BY.startswith("Not run")
    assert "NOT RUN BY STATA" in stata.script(case("pwiq").instrument)


def test_stata_commands_are_whole(case) -> None:
    """No engine: brackets, quotes and macro quotes balance in each command, and every temporary variable was declared."""
    for name in DEFINITIONS:
        text = stata.script(case(name).instrument)
        commands = text.replace(" ///\n", " ").splitlines()
        declared: set[str] = set()
        for command in commands:
            if command.startswith(("*", "label")):
                continue
            assert command.count("(") == command.count(")"), command
            assert command.count('"') % 2 == 0, command
            assert command.count("`") == command.count("'"), command
            if command.startswith("tempvar "):
                declared |= set(command.split()[1:])
            else:
                used = {piece.split("'")[0] for piece in command.split("`")[1:]}
                assert used <= declared, command


def test_every_language_says_what_ran_it() -> None:
    for name in LANGUAGES:
        assert len(language(name).RUN_BY) > 20
    with pytest.raises(ValueError, match="language must be one of"):
        language("cobol")


# The tree itself


def test_the_tree_of_the_full_form_counts_only_what_the_form_asks(case) -> None:
    definition = case("pwiq").instrument
    values = {score.id: score.value for score in form_scores(definition, "C")}
    indu = values["indu"]
    assert isinstance(indu, ItemMean)
    assert indu.items == ("indubf", "inducf", "indubb", "inducb")
    assert (indu.minimum, indu.minimum_each) == (3, 1)
    assert "role" not in {score.id for score in form_scores(definition, "PS")}


def test_an_unknown_form_is_refused(case) -> None:
    for name, form in (("pwiq", "X"), ("pwiq", None), ("small", "P")):
        with pytest.raises(ValueError, match="is not one of"):
            form_scores(case(name).instrument, form)


def test_a_test_that_is_left_out_follows_from_the_others() -> None:
    """Brute force: every minimum of two parts, and every number of valid answers in each."""
    for sizes in ((1, 1), (3, 3), (2, 1), (2, 4), (11, 11)):
        parts = tuple(Part(items=tuple(f"{at}i{n}" for n in range(size)), turned=()) for at, size in enumerate(sizes))
        for minimum in range(1, sum(sizes) + 1):
            for each in range(1, min(sizes) + 1):
                mean = ItemMean(parts=parts, minimum=minimum, minimum_each=each, codes=(1, 2), off_scale=())
                for valid in product(*(range(size + 1) for size in sizes)):
                    counts = {parts[0].items: valid[0], parts[1].items: valid[1], mean.items: sum(valid)}
                    enough = sum(valid) >= minimum and min(valid) >= each
                    assert all(counts[items] >= least for items, least in mean.tests) == enough
