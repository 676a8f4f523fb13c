"""The command `pwiq`: a thin skin over the functions of both packages.

Imports stand inside the commands, so that `pwiq --help` answers at once.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from analysis.answer_commands import add_answer_commands
from analysis.command_line import UsageError, add_command
from analysis.form_commands import add_form_commands
from analysis.questionnaire_commands import add_questionnaire_commands

_EPILOG = """\
examples:
  pwiq check-instrument                     is the questionnaire's definition sound?
  pwiq codebook --out codebook.csv          what does each column of a file mean?
  pwiq export redcap --form P --out p.csv   the questionnaire on a survey platform
  pwiq parity                               is it the same on all of them?
  pwiq read export.csv --out answers.csv    what became of each column of a platform's export?
  pwiq map export.csv --out mapping.toml    which column is which question, where headings are foreign
  pwiq score answers.csv --out scores.csv   score a file of answers
  pwiq plan before.csv --out plan.toml      what will be looked at, before the second wave
  pwiq link before.csv after.csv --out links.csv
                                            who is who, by the codes that people made
  pwiq report before.csv after.csv --plan plan.toml --out report
                                            the whole report, suppressed for those who read it
  pwiq translate status                     how far is a translation?
  pwiq panel form --out form.xlsx           a rating form for experts
  pwiq lab                                  open the notebooks in JupyterLab

PWIQ is a draft instrument and has not been validated.
"""


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
        description="The Peer Workforce Integration Questionnaire: define, ask, score, report.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    add_questionnaire_commands(commands)
    add_form_commands(commands)
    add_answer_commands(commands)
    command = add_command(commands, "lab", _lab, "open the notebooks in JupyterLab", "pwiq lab --folder my_study")
    command.add_argument(
        "--folder",
        type=Path,
        help="where your copies of the notebooks are (made if missing; default: this folder if `pwiq init` made it, else "
        "pwiq_notebooks)",
    )
    command.add_argument("--no-browser", action="store_true", help="do not open a browser")
    return parser


def _lab(options: argparse.Namespace) -> None:
    from analysis.lab import STUDY, open_lab
    from instrument.definition_file import lasting

    folder = options.folder or Path("." if Path(STUDY).is_file() else "pwiq_notebooks")
    open_lab(folder, instrument=lasting(options.instrument), browser=not options.no_browser)
