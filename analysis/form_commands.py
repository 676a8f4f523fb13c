"""Commands about the questionnaire as people meet it: on the web, on paper, and what comes back from there.

Imports stand inside the commands, so that `pwiq --help` answers at once.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from analysis.command_line import UsageError, add_command, add_out, check_out, write_text

if TYPE_CHECKING:
    from instrument.forms.study import Study
    from instrument.survey import Survey

# What `pwiq export` writes that is no survey platform's.
FORMS = ("web", "paper", "keying")


def add_form_commands(commands: object) -> None:
    """Add the commands to the parser's list."""
    command = add_command(
        commands,
        "init",
        _init,
        "make the folder of a study: data in, notebooks, what the study says of itself",
        "pwiq init my_study",
    )
    command.add_argument(
        "folder", type=Path, help="folder to make; run again after an upgrade, nothing of yours changes"
    )

    command = add_command(
        commands,
        "collect",
        _collect,
        "make one table of the answers that the web form posted or a tablet kept",
        "pwiq collect answers/* --out answers.csv",
    )
    command.add_argument("file", nargs="+", type=Path, help="JSON or CSV files that the web form posted or saved")
    add_out(command, "CSV file to write")

    command = add_command(
        commands,
        "compare-entries",
        _compare_entries,
        "compare two tables that were keyed from the same paper forms, and settle what differs",
        "pwiq compare-entries first.xlsx second.xlsx --settle settle.csv\n"
        "  pwiq compare-entries first.xlsx second.xlsx --settled settle.csv --record agreement.csv --out answers.csv",
    )
    command.add_argument("first", type=Path, help="what the first person keyed")
    command.add_argument("second", type=Path, help="what the second person keyed")
    command.add_argument("--settle", type=Path, metavar="FILE", help="CSV file to write: what differs, to be filled in")
    command.add_argument("--settled", type=Path, metavar="FILE", help="that file, filled in")
    command.add_argument("--record", type=Path, metavar="FILE", help="with --out: how often the two differed, by item")
    # No --force: somebody may have begun to settle, and final answers are written once.
    command.add_argument("--out", type=Path, help="CSV file of the answers, once everything is settled")
    command.set_defaults(force=False)


def add_form_options(command: argparse.ArgumentParser) -> None:
    """Add to `pwiq export` what only web, paper and keying take."""
    group = command.add_argument_group("of web, paper and keying")
    group.add_argument("--study", type=Path, help="what the study says of itself (study.toml; `pwiq init` makes one)")
    group.add_argument("--kiosk", action="store_true", help="web: many people on one device")
    group.add_argument(
        "--shuffle", action="store_true", help="web: every respondent gets the pages of items in an own order"
    )
    group.add_argument("--paper", choices=["a4", "letter"], default="a4", help="paper: size (default: a4)")
    group.add_argument("--fonts", type=Path, metavar="FOLDER", help="paper: fonts for a script that ours lack")
    group.add_argument("--sheets", type=int, default=200, help="keying: number of rows (default: %(default)s)")


def export_form(options: argparse.Namespace, survey: Survey) -> str:
    """Write the web form, the print or the keying sheet; return what to do with it."""
    check_out(options)
    _refuse_ending(options.platform, options.out)
    study = _study(options.study)
    if options.platform == "keying":
        from instrument.forms.keying_sheet import write_keying_sheet

        write_keying_sheet(survey, options.out, sheets=options.sheets)
        return "Next: two people key the same sheets, each into a copy; then `pwiq compare-entries`."
    language = survey.languages[0]
    on_paper = options.platform == "paper"
    left = () if study is None else study.placeholders_on_paper(language) if on_paper else study.placeholders
    trial = "It calls itself a trial until --study names a study.toml without placeholders (`pwiq init` makes one). "
    if study is not None:
        trial = f"It calls itself a trial: << >> is left at {', '.join(left)}. " if left else ""
    if options.platform == "web":
        from instrument.files import write_whole
        from instrument.forms.web import write_web

        write_whole(options.out, write_web(survey, study=study, kiosk=options.kiosk, shuffle=options.shuffle))
        return (
            f"{trial}Next: open it, answer once yourself, and read that answer with `pwiq read` (docs/administer.md)."
        )
    from instrument.files import write_whole
    from instrument.forms.paper import write_paper

    write_whole(options.out, write_paper(survey, paper=options.paper, study=study, fonts=options.fonts))
    return (
        f"{trial}The print is in {language}. Next: print one, fill it in and key it; `pwiq export keying` with the same options "
        "writes the sheet for it."
    )


def _refuse_ending(what: str, out: Path) -> None:
    endings = {"web": (".html",), "paper": (".pdf",), "keying": (".xlsx", ".csv")}[what]
    if out.suffix.lower() not in endings:
        raise ValueError(f"{out}: export {what} writes {' or '.join(endings)}; let the name end so")


def _study(path: Path | None) -> Study | None:
    from instrument.forms.study import read_study

    return None if path is None else read_study(path)


def _init(options: argparse.Namespace) -> None:
    from analysis.study_folder import make_study

    written = make_study(options.folder, instrument=options.instrument)
    print(f"{options.folder}: {len(written)} files written." if written else f"{options.folder}: nothing new.")
    if any(path.name == "NEW_VERSIONS.md" for path in written):
        print(f"{options.folder / 'NEW_VERSIONS.md'} lists what was laid beside your own files.")
    print(f"Next: read {options.folder / 'README.md'}, fill in study.toml, and `pwiq lab --folder {options.folder}`.")


def _collect(options: argparse.Namespace) -> None:
    from instrument.files import csv_text
    from instrument.forms.collected import collected

    check_out(options, reads=options.file)
    table = collected(options.file)
    write_text(csv_text(table), options)
    for remark in table.attrs["remarks"]:
        print(remark)
    print(
        f"{options.out}: {len(table)} answers of single people; keep them safe. Next: `pwiq read {options.out} --out …`."
    )


def _compare_entries(options: argparse.Namespace) -> None:
    from instrument.definition import read_instrument
    from instrument.forms.double_entry import compare_entries
    from instrument.forms.settling import settle, write_settled, write_settling

    if (options.out is None) != (options.record is None):
        raise UsageError("--out and --record go together: the answers, and how often the two tables differed")
    if options.settle and options.out:
        raise UsageError("--settle writes what is to be filled in; --out comes after that, with --settled")
    if options.settled and not options.out:
        raise UsageError("--settled goes with --out and --record, the files to write")
    check_out(options, reads=[options.first, options.second], can_force=False)
    comparison = compare_entries(options.first, options.second, read_instrument(options.instrument))
    if options.out:
        entries = settle(comparison, options.settled)
        write_settled(entries, options.out, record=options.record)
        print(f"{options.out}: {len(entries.table)} answers of single people; keep them safe.")
        print(f"{options.record}: how often the two differed, by item; {entries.summary}.")
        if comparison.left_out:
            print(f"Not of this questionnaire, and not taken over: {', '.join(comparison.left_out)}")
        print(f"Next: `pwiq read {options.out} --out …`.")
        return
    print(comparison)
    if options.settle:
        write_settling(comparison, options.settle)
        print(
            f"{options.settle}: look at each sheet, fill in the column `settled` (. for no answer), then use --settled."
        )
    elif comparison.faults or len(comparison.disagreements):
        raise ValueError("the two tables do not agree; see above, and use --settle FILE")
