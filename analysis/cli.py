"""The command `pwiq`: a thin skin over the functions of both packages.

Imports stand inside the commands, so that `pwiq --help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

_EPILOG = """\
examples:
  pwiq check-instrument                     is the questionnaire's definition sound?
  pwiq codebook --out codebook.csv          what does each column of a file mean?
  pwiq score answers.csv --out scores.csv   score a file of answers
  pwiq plan before.csv --out plan.toml      what will be looked at, before the second wave
  pwiq link before.csv after.csv --out links.csv
                                            who is who, by the codes that people made
  pwiq report before.csv after.csv --plan plan.toml --out report
                                            the whole report, suppressed for those who read it
  pwiq lab                                  open the notebooks in JupyterLab

PWIQ is a draft instrument and has not been validated.
"""


class UsageError(Exception):
    """The command was called in a way that it cannot be; exit status 2."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; return its exit status: 0 done, 1 refused, 130 stopped. Wrong usage exits with 2."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        options.run(options)
        sys.stdout.flush()
    except UsageError as error:
        parser.error(str(error))
    except BrokenPipeError:
        # Whoever reads has left (`pwiq codebook | head`). Python flushes once more as it ends: into nothing.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except KeyboardInterrupt:
        # How `pwiq lab` is stopped; 128 + the signal's number, as shells have it.
        return 130
    except (ValueError, OSError) as error:
        # Both packages refuse with a ValueError whose text says what to do; OSError is a missing
        # file, one that exists already, a folder that cannot be written to.
        print(f"pwiq: {_sentence(error)}", file=sys.stderr)
        return 1
    return 0


def _sentence(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror and error.filename:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="pwiq",
        description="The Peer Workforce Integration Questionnaire: define, score, report.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    command = _add(
        commands,
        "check-instrument",
        _check_instrument,
        "check a definition, or write its JSON Schema",
        "pwiq check-instrument my.toml",
    )
    command.add_argument("definition", nargs="?", help="a name or a path (default: --instrument)")
    command.add_argument("--schema", action="store_true", help="write the JSON Schema of a definition instead")
    _add_out(command, "where to write the schema (default: standard output)", required=False)

    command = _add(
        commands,
        "codebook",
        _codebook,
        "what each column of a file of answers means",
        "pwiq codebook --out codebook.csv",
    )
    command.add_argument("--language", default=None, help="language of the texts (default: the definition's first)")
    _add_out(command, "CSV file to write (default: standard output)", required=False)

    command = _add(commands, "score", _score, "score a file of answers", "pwiq score answers.csv --out scores.csv")
    command.add_argument(
        "file", nargs="+", type=Path, help="file of answers: CSV, XLSX, SAV or Parquet; several are waves"
    )
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
    _add_out(command, "CSV file to write")

    command = _add(
        commands,
        "simulate",
        _simulate,
        "rewrite the sample data from its population",
        "pwiq simulate sample_data/population.toml --out sample_data --force",
        instrument=None,
    )
    command.add_argument("population", type=Path, help="the population's TOML file")
    command.add_argument("--seed", type=int, default=1, help="seed of the random draws (default: %(default)s)")
    _add_out(command, "folder to write to")

    command = _add(
        commands,
        "report",
        _report,
        "run the notebooks on files of answers and write a report",
        "pwiq report before.csv after.csv --out report",
    )
    command.add_argument(
        "file", nargs="+", type=Path, help="files of answers; without a wave column, their order is the waves'"
    )
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
    _add_out(command, "folder to write to")

    _add_plan(commands)
    _add_link(commands)

    command = _add(
        commands,
        "versions",
        _versions,
        "what changed between two versions of a definition, and which scores stay comparable",
        "pwiq versions old.toml new.toml",
        instrument=None,
    )
    command.add_argument("old", help="a name or a path")
    command.add_argument("new", help="a name or a path")

    command = _add(commands, "lab", _lab, "open the notebooks in JupyterLab", "pwiq lab --folder my_study")
    command.add_argument(
        "--folder",
        type=Path,
        default=Path("pwiq_notebooks"),
        help="where your copies of the notebooks are (made if missing; default: %(default)s)",
    )
    command.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return parser


def _add_plan(commands: object) -> None:
    command = _add(
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
    _add_out(command, "TOML file to write")


def _add_link(commands: object) -> None:
    command = _add(
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
    _add_out(command, "file to write", required=False)


def _add(
    commands: object, name: str, run: object, summary: str, example: str, *, instrument: str | None = "pwiq"
) -> argparse.ArgumentParser:
    command: argparse.ArgumentParser = commands.add_parser(  # type: ignore[attr-defined]
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    command.add_argument(
        "--instrument",
        default=instrument,
        help="the questionnaire: a name that ships with the package, or a path "
        f"(default: {instrument or 'the one that the population names'})",
    )
    command.set_defaults(run=run)
    return command


def _add_out(command: argparse.ArgumentParser, what: str, *, required: bool = True) -> None:
    command.add_argument("--out", type=Path, required=required, help=what)
    command.add_argument("--force", action="store_true", help="overwrite what is there")


def _check_instrument(options: argparse.Namespace) -> None:
    import json

    from instrument.definition import read_instrument
    from instrument.definition_file import definition_schema

    if options.out is not None and not options.schema:
        raise UsageError("--out is for --schema; a check writes no file")
    if options.schema:
        _check_out(options)
        _write_text(json.dumps(definition_schema(), indent=2, ensure_ascii=False) + "\n", options)
        return
    instrument = read_instrument(options.definition or options.instrument)
    forms = ", ".join(f"{form.id} {len(instrument.asked_by(form.id))}" for form in instrument.forms)
    print(
        f"{instrument.id} {instrument.version} ({instrument.status}) is sound: {len(instrument.items)} items in "
        f"{len(instrument.subscales)} subscales, {len(instrument.questions)} other questions, "
        f"{len(instrument.scores)} scores, languages {', '.join(instrument.languages)}."
        + (f" Items by form: {forms}." if forms else "")
    )


def _codebook(options: argparse.Namespace) -> None:
    from instrument.codebook import codebook
    from instrument.definition import read_instrument

    _check_out(options)
    instrument = read_instrument(options.instrument)
    language = options.language or instrument.languages[0]
    if language not in instrument.languages:
        raise UsageError(f"--language {language}: {instrument.id} has {', '.join(instrument.languages)}")
    table = codebook(instrument, language=language)
    _write_text(table.to_csv(lineterminator="\n"), options)


def _score(options: argparse.Namespace) -> None:
    from instrument.definition import read_instrument
    from instrument.files import spreadsheet_safe
    from instrument.reading import read_responses
    from instrument.scoring import score

    _check_out(options, reads=options.file)
    instrument = read_instrument(options.instrument)
    responses = read_responses(options.file, instrument)
    scores = score(responses, metric=options.metric, items=options.items)
    keys = ["person", "form", "wave", "organisation", "team"]
    people = responses.people.reindex(columns=keys)
    table = spreadsheet_safe(people).join(scores)
    _write_text(table.to_csv(index=False, lineterminator="\n"), options)
    total = next((rule.id for rule in instrument.scores if rule.kind == "total"), scores.columns[-1])
    print(_score_summary(options.out, total, scores, responses.ledger))


def _score_summary(out: Path, total: str, scores: pd.DataFrame, ledger: pd.DataFrame) -> str:
    lines = [
        f"{out}: {len(scores)} responses; {scores[total].notna().sum()} of them have a score for {total}.",
        "This is working data about single people: do not share it. `pwiq report` makes what may be shared.",
        "What became of the columns of the file:",
    ]
    for became, rows in ledger.groupby("became", sort=False):
        counts = rows[["answered", "blank", "off_scale"]].sum()
        lines.append(
            f"  {became}: {len(rows)} columns, {counts['answered']} cells answered, {counts['blank']} blank, "
            f"{counts['off_scale']} beside the scale"
        )
    for column, said in (
        ("labels_read", "cells held the label of an answer, which was read as its code"),
        ("off_scale_not_asked", "cells hold an answer beside the scale to an item that the form does not ask"),
    ):
        if ledger[column].sum():
            lines.append(f"  {ledger[column].sum()} {said}")
    # What an item's note counts (reasons beside the scale) stands in the sums above.
    lines += [f"  {row.column}: {row.note}" for row in ledger.itertuples() if row.note and row.became != "item"]
    return "\n".join(lines)


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


def _versions(options: argparse.Namespace) -> None:
    from instrument.definition import read_instrument
    from instrument.versions import versions_text

    print(versions_text(read_instrument(options.old), read_instrument(options.new)))


def _lab(options: argparse.Namespace) -> None:
    from analysis.lab import open_lab

    path = Path(options.instrument)
    instrument = str(path.resolve()) if path.exists() else options.instrument
    open_lab(options.folder, instrument=instrument, browser=not options.no_browser)


def _write_text(text: str, options: argparse.Namespace) -> None:
    from instrument.files import write_whole

    if options.out is None:
        sys.stdout.write(text)
        return
    try:
        write_whole(options.out, text)
    except OSError as error:
        # The error names the temporary file, of which the user knows nothing.
        raise OSError(f"{options.out} cannot be written: {error.strerror}; nothing was written") from error


def _check_out(options: argparse.Namespace, *, reads: Sequence[Path] = ()) -> None:
    """Refuse, before any work is done, an output that could not be written or would destroy something."""
    out: Path | None = options.out
    if out is None:
        return
    if out.is_dir():
        raise IsADirectoryError(f"{out} is a folder; --out names a file")
    if out.exists() and not out.is_file():  # it would be replaced by a file of that name
        raise FileExistsError(f"{out} is a pipe or a device; --out names a file")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"{out}: there is no folder {out.parent}; make it first, or choose another")
    # realpath, as Path.resolve stops with an error of its own at links that go round in a circle.
    if os.path.realpath(out) in [os.path.realpath(path) for path in reads]:
        raise FileExistsError(f"{out} is the file of answers itself, which is never overwritten; choose another name")
    if out.exists() and not options.force:
        raise FileExistsError(f"{out} exists; choose another name or add --force")
