"""Commands about answers: `pwiq read`, `map`, `score`, `plan`, `link`, `report`, `simulate`.

Imports stand inside the commands, so that `pwiq --help` answers at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.command_line import UsageError, add_command, add_out, check_out, write_both, write_text

if TYPE_CHECKING:
    import pandas as pd

    from instrument.responses import Responses

# What `read_responses` takes as `platform`, here so that `pwiq --help` need not import it; a test compares them.
EXPORTS = (
    "auto",
    "canonical",
    "redcap",
    "qualtrics",
    "limesurvey",
    "kobo",
    "odk",
    "google-forms",
    "microsoft-forms",
    "fhir",
    "spss",
    "stata",
)


def add_answer_commands(commands: object) -> None:
    """Add the commands to the parser's list."""
    command = add_command(
        commands,
        "read",
        _read,
        "check an export of a survey platform and write it as a plain table",
        "pwiq read export.csv --out answers.csv",
    )
    _add_files(command)
    add_out(command, "CSV file to write: one row an answer, the columns of `pwiq codebook`")

    command = add_command(
        commands,
        "map",
        _map,
        "propose which column of a foreign file is which question, to be corrected by hand",
        "pwiq map export.xlsx --out mapping.toml",
    )
    command.add_argument("file", type=Path, help="file of answers")
    command.add_argument(
        "--platform", choices=EXPORTS, default="auto", metavar="PLATFORM", help="whose export it is, as for `pwiq read`"
    )
    command.add_argument(
        "--form", help="the form that everybody in the file answered: only its questions are looked for"
    )
    add_out(command, "TOML file to write (default: standard output)", required=False)

    command = add_command(
        commands, "score", _score, "score a file of answers", "pwiq score answers.csv --out scores.csv"
    )
    _add_files(command)
    command.add_argument(
        "--metric",
        choices=["pomp", "mean"],
        default="pomp",
        help="0–100 (pomp, default) or the scale of the answers (mean)",
    )
    command.add_argument(
        "--items",
        choices=["own", "common", "short"],
        default="own",
        help="items that count: the form's own (default), those common to all forms, the short form's",
    )
    add_out(command, "CSV file to write")

    command = add_command(
        commands,
        "simulate",
        _simulate,
        "rewrite the sample data from its population",
        "pwiq simulate sample_data/population.toml --out sample_data --force",
        instrument=None,
    )
    command.add_argument("population", type=Path, help="the population's TOML file")
    command.add_argument("--seed", type=int, default=1, help="seed of the random draws (default: %(default)s)")
    add_out(command, "folder to write to")

    command = add_command(
        commands,
        "report",
        _report,
        "run the notebooks on files of answers and write a report",
        "pwiq report before.csv after.csv --out report",
    )
    _add_files(command)
    command.add_argument(
        "--audience",
        choices=["internal", "external", "researcher"],
        default="internal",
        help="who reads it: nothing is shown of fewer than 5 (internal, default) or 10 people (external); "
        "researcher adds the researcher's document, not to be passed on",
    )
    command.add_argument("--organisation", metavar="NAME", help="report on this organisation alone")
    command.add_argument("--team", metavar="NAME", help="report on this team alone")
    command.add_argument("--plan", type=Path, help="the analysis plan, which deviations are told from")
    command.add_argument(
        "--record",
        type=Path,
        help="the record of earlier reports, which this one must not give away (default: beside the report's folder)",
    )
    command.add_argument("--withdraw", type=int, metavar="NUMBER", help="an earlier report that was called back")
    command.add_argument(
        "--open-answers",
        type=Path,
        metavar="FILE",
        help="also write what people wrote in their own words, shuffled and unlinked; it may name people",
    )
    add_out(command, "folder to write to")

    _add_plan(commands)
    _add_link(commands)


def _add_files(command: argparse.ArgumentParser) -> None:
    """Add files of answers, and how they are read where they do not say it themselves."""
    command.add_argument(
        "file",
        nargs="+",
        type=Path,
        help="files of answers, from any platform (CSV, XLSX, SAV, DTA, JSON, ZIP, Parquet); without a wave column, their "
        "order is the waves'",
    )
    command.add_argument(
        "--platform",
        choices=EXPORTS,
        default="auto",
        metavar="PLATFORM",
        help=f"whose export it is: {', '.join(EXPORTS)} (default: found by evidence)",
    )
    command.add_argument("--form", help="the form that everybody in the files answered, where they do not say it")
    command.add_argument("--language", help="language of headings and labels (default: any of the definition)")
    command.add_argument("--mapping", type=Path, help="which column is which question, as `pwiq map` proposes it")


def _read_files(options: argparse.Namespace) -> Responses:
    from instrument.reading import read_responses

    return read_responses(
        options.file,
        options.instrument,
        platform=options.platform,
        form=options.form,
        language=options.language,
        mapping=options.mapping,
    )


def _add_plan(commands: object) -> None:
    command = add_command(
        commands,
        "plan",
        _plan,
        "write down, before the second wave, what will be looked at",
        "pwiq plan before.csv --targets role,educ --smallest 6.25 --stop 2027-06-30 --out plan.toml",
    )
    command.add_argument(
        "file", nargs="*", type=Path, help="file of the first wave; without one, a plan for later answers"
    )
    command.add_argument("--targets", default="", help="subscales and items that the programme aims at, with commas")
    command.add_argument(
        "--smallest",
        type=float,
        help="smallest change that would matter, in points of 100 (default: 6.25, a placeholder)",
    )
    command.add_argument("--stop", metavar="DATE", help="until when answers of the second wave count, as 2027-06-30")
    command.add_argument("--expected-after", type=int, metavar="N", help="how many answers the second wave may have")
    command.add_argument(
        "--direction",
        choices=["higher", "lower", "either"],
        default="higher",
        help="where the programme is to move the total",
    )
    command.add_argument(
        "--exclude", action="append", default=[], metavar="RULE", help="a rule by which answers are left out"
    )
    command.add_argument("--randomised", action="store_true", help="chance decided which organisations take part")
    command.add_argument(
        "--linked", type=float, help="share of those who answer twice whom codes will link (default: .6)"
    )
    command.add_argument("--sd", type=float, help="standard deviation of the total from elsewhere, for few answers")
    command.add_argument("--role", default="not stated", help="who writes it, as a role")
    add_out(command, "TOML file to write")


def _add_link(commands: object) -> None:
    command = add_command(
        commands,
        "link",
        _link,
        "who is who before and after, by the codes that people made; or hide the codes",
        "pwiq link before.csv after.csv --out links.csv\n"
        "  pwiq link --make-key key.toml --holder 'Name, outside the service' --destroy-on 2027-12-31\n"
        "  pwiq link --protect before.csv --key key.toml --out before_protected.csv",
    )
    command.add_argument("file", nargs="*", type=Path, help="the two files of answers")
    command.add_argument("--by", choices=["code", "person"], default="code", help="what links people (default: code)")
    command.add_argument("--exact", action="store_true", help="link whole codes only, none with a differing element")
    command.add_argument("--make-key", type=Path, metavar="FILE", help="make a key with which codes are hidden")
    command.add_argument("--holder", help="who keeps the key: a person outside the service")
    command.add_argument("--destroy-on", metavar="DATE", help="when the key is destroyed, as 2027-12-31")
    command.add_argument("--protect", type=Path, metavar="FILE", help="write a copy of this file with hidden codes")
    command.add_argument("--key", type=Path, metavar="FILE", help="the key for --protect")
    command.add_argument(
        "--whole", action="store_true", help="with --protect: hide each code as a whole (exact links only)"
    )
    add_out(command, "file to write", required=False)


def _read(options: argparse.Namespace) -> None:
    from instrument.files import csv_text, spreadsheet_safe
    from instrument.ledger_summary import ledger_summary
    from instrument.responses import canonical_table

    check_out(options, reads=options.file)
    beside = argparse.Namespace(out=options.out.with_suffix(".ledger.csv"), force=options.force)
    check_out(beside, reads=options.file)
    responses = _read_files(options)
    table = canonical_table(responses).reset_index()
    safe = spreadsheet_safe(table).set_axis(table.columns, axis="columns")  # only to count: csv_text makes it safe
    changed = safe.astype("string") != table.astype("string")
    masked = int(changed.to_numpy(dtype=bool, na_value=False).sum())
    write_both({options.out: csv_text(table), beside.out: csv_text(responses.ledger)})
    print(f"{options.out}: {responses!r}")
    _print_people(responses)
    print("These are answers of single people: keep the file as safe as the export that it was made from.")
    if masked:
        print(f"{masked} cells begin like a formula: each got an apostrophe before it, so that no spreadsheet runs it.")
    print(ledger_summary(responses.ledger))
    print(f"Every column of every file, with counts: {beside.out}")
    _print_banner(responses)


def _print_people(responses: Responses) -> None:
    from instrument.responses import knows_people

    if not knows_people(responses):
        print("People: not known (no column `person`); `pwiq link` can find who is who by the codes that people made.")


def _print_banner(responses: Responses) -> None:
    """Say that the questionnaire is a draft, where it is one."""
    banner = responses.instrument.banner
    if banner:
        print(banner[responses.instrument.languages[0]])


def _map(options: argparse.Namespace) -> None:
    from instrument.definition import read_instrument
    from instrument.mapping_proposal import propose_mapping

    check_out(options, reads=[options.file])
    instrument = read_instrument(options.instrument)
    proposal = propose_mapping(options.file, instrument, platform=options.platform, form=options.form)
    write_text(proposal.text, options)
    if options.out is not None:
        said = f" --form {options.form}" if options.form else "" if proposal.form_known else " --form FORM"
        print(f"{options.out}: {proposal.summary}.")
        print("Check and correct it by hand, and keep it. Then:")
        print(f"  pwiq read {options.file} --mapping {options.out}{said} --out answers.csv")
        if not options.form and not proposal.form_known:
            print(f"The file does not say who answered which form; FORM is one of {', '.join(instrument.forms.ids)}.")


def _score(options: argparse.Namespace) -> None:
    from instrument.files import csv_text
    from instrument.scoring import score

    check_out(options, reads=options.file)
    responses = _read_files(options)
    instrument = responses.instrument
    scores = score(responses, metric=options.metric, items=options.items)
    keys = ["person", "form", "wave", "organisation", "team"]
    people = responses.people.reindex(columns=keys)
    write_text(csv_text(people.join(scores.round(10))), options)  # 32, and not 31.999999999999996
    total = next((rule.id for rule in instrument.scores if rule.kind == "total"), scores.columns[-1])
    _print_score(options.out, total, scores, responses)


def _print_score(out: Path, total: str, scores: pd.DataFrame, responses: Responses) -> None:
    from instrument.ledger_summary import ledger_summary

    print(f"{out}: {len(scores)} responses; {scores[total].notna().sum()} of them have a score for {total}.")
    print("This is working data about single people: do not share it. `pwiq report` makes what may be shared.")
    print(ledger_summary(responses.ledger))
    print("`pwiq read` writes the ledger of every column.")
    _print_banner(responses)


def _simulate(options: argparse.Namespace) -> None:
    from instrument.sample_data import write_sample_data

    written = write_sample_data(
        options.population, options.out, seed=options.seed, force=options.force, instrument=options.instrument
    )
    for path in written:
        print(path)


def _report(options: argparse.Namespace) -> None:
    from analysis.report import run_report

    path = run_report(
        options.file,
        options.out,
        instrument=options.instrument,
        audience=options.audience,
        organisation=options.organisation,
        team=options.team,
        plan=options.plan,
        record=options.record,
        withdraw=options.withdraw,
        open_answers=options.open_answers,
        platform=options.platform,
        form=options.form,
        language=options.language,
        mapping=options.mapping,
        force=options.force,
        progress=True,
    )
    print(f"The report is at {path}")
    print(f"The team's page is at {path.parent / 'team.pdf'}")


def _plan(options: argparse.Namespace) -> None:
    from analysis.new_plan import make_plan

    said = make_plan(
        options.file,
        options.out,
        instrument=options.instrument,
        targets=[name.strip() for name in options.targets.split(",") if name.strip()],
        smallest=options.smallest,
        stop=options.stop,
        expected_after=options.expected_after,
        direction=options.direction,
        exclusions=options.exclude,
        randomised=options.randomised,
        linked=options.linked,
        sd=options.sd,
        author_role=options.role,
        force=options.force,
    )
    print(said)


def _link(options: argparse.Namespace) -> None:
    from analysis.link_files import link_report, make_key, protect_codes

    wanted = [name for name in ("make_key", "protect") if getattr(options, name)] + ["link"] * bool(options.file)
    if len(wanted) != 1:
        raise UsageError("give two files of answers, or --make-key, or --protect")
    if options.make_key:
        if not options.holder or not options.destroy_on:
            raise UsageError("--make-key needs --holder and --destroy-on")
        print(make_key(options.make_key, holder=options.holder, destroy_on=options.destroy_on))
        return
    if options.out is None:
        raise UsageError("--out is needed: the file to write")
    if options.protect:
        if not options.key:
            raise UsageError("--protect needs --key")
        said = protect_codes(
            options.protect,
            options.out,
            key=options.key,
            instrument=options.instrument,
            keep="whole" if options.whole else "elements",
            force=options.force,
        )
    else:
        if len(options.file) != 2:
            raise UsageError(f"two files of answers are linked, before and after; got {len(options.file)}")
        before, after = options.file
        said = link_report(
            before,
            after,
            options.out,
            instrument=options.instrument,
            by=options.by,
            mismatch="none" if options.exact else "one",
            force=options.force,
        )
    print(said)
