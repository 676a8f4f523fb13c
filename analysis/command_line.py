"""What the commands share: how one is added, where it writes, what wrong usage is."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


class UsageError(Exception):
    """The command was called in a way that it cannot be; exit status 2."""


def add_command(
    commands: object, name: str, run: object, summary: str, example: str, *, instrument: str | None = "pwiq"
) -> argparse.ArgumentParser:
    """Add a command with its help, an example, and --instrument."""
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


def add_out(command: argparse.ArgumentParser, what: str, *, required: bool = True) -> None:
    """Add --out and --force."""
    command.add_argument("--out", type=Path, required=required, help=what)
    command.add_argument("--force", action="store_true", help="overwrite what is there")


def write_text(text: str, options: argparse.Namespace) -> None:
    """Write to --out, or to standard output where none was given."""
    from instrument.files import write_whole

    if options.out is None:
        sys.stdout.write(text)
        return
    write_whole(options.out, text)


def write_both(texts: Mapping[Path, str]) -> None:
    """Write several files, all or none: where one cannot be written, the others are again as they were."""
    from instrument.files import write_whole

    before: dict[Path, bytes | None] = {}
    for path, text in texts.items():
        try:
            old = path.read_bytes() if path.exists() else None
            write_whole(path, text)
        except OSError:
            for each, content in before.items():
                each.unlink() if content is None else write_whole(each, content)
            raise
        before[path] = old


def check_out(options: argparse.Namespace, *, reads: Sequence[Path] = (), can_force: bool = True) -> None:
    """Refuse, before any work is done, an output that could not be written or would destroy something.

    `can_force` says whether the command has --force.
    """
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
    if os.path.lexists(out) and not options.force:  # a link into nowhere is there too
        raise FileExistsError(f"{out} exists; choose another name{' or add --force' if can_force else ''}")
