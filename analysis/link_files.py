"""Files of codes: hidden behind a key, and linked across two waves, so that nobody has to open them."""

from __future__ import annotations

import csv
import datetime as dt
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import pandas as pd

from analysis import codes
from analysis.codes import UNKNOWN, CodeKey, clean_elements, hide_elements, hide_whole, is_hidden, read_key, write_key
from analysis.linking import MOST_FALSE, By, Links, Mismatch, link_waves
from instrument.definition import Instrument, read_instrument
from instrument.files import csv_text, write_whole
from instrument.reading import read_responses
from instrument.responses import Responses, split_waves

Keep = Literal["elements", "whole"]

WORKING_DATA = "working data: do not share"
_BLANKS = ("", "NA", ".")


def make_key(path: str | Path, *, holder: str, destroy_on: dt.date | str) -> str:
    """Make the key that codes are hidden with, in a file of its own.

    Parameters
    ----------
    path : str or path
        A new ``.toml`` file, readable by its owner alone. It belongs to its holder, not beside the answers.
    holder : str
        Who keeps it: a named person outside the service.
    destroy_on : datetime.date or str
        The day by which it is destroyed, as people were told (``"2027-06-30"``).

    Returns
    -------
    str
        What was done, and what to do with the file.

    Raises
    ------
    FileExistsError
        If the file exists.
    ValueError
        If nobody is named or the day is not to come.
    """
    key = codes.make_key(holder=holder, destroy_on=destroy_on)
    write_key(key, path)
    return (
        f"{path}: a new key. Give it to {key.holder}, keep no copy in the service, and destroy every copy by "
        f"{key.destroy_on.isoformat()}. Without it, codes of a later wave cannot be linked with those hidden now."
    )


def protect_codes(
    file: str | Path,
    out: str | Path,
    *,
    key: str | Path | CodeKey,
    instrument: Instrument | str | Path = "pwiq",
    keep: Keep = "elements",
    force: bool = False,
) -> str:
    """Write a copy of a file of answers in which the codes are hidden; every other byte stays as it is.

    Parameters
    ----------
    file : str or path
        A CSV or TSV file that `read_responses` accepts. All waves need the same key.
    out : str or path
        The copy: never the file itself.
    key : str, path or CodeKey
        Of `make_key`.
    instrument : Instrument, str or path, default "pwiq"
        Its questions of role ``code`` are the elements.
    keep : {"elements", "whole"}, default "elements"
        ``"elements"``: each element is hidden by itself, so that one may differ between waves. ``"whole"``: the first
        element's column has the hidden code as a whole and the others are taken away; then codes are linked exactly
        only, and how often each letter occurs no longer shows.
    force : bool, default False
        Whether ``out`` is replaced if it exists.

    Returns
    -------
    str
        What was done, and what it does not protect from.

    Raises
    ------
    ValueError
        If the file is no CSV, has no codes or hidden ones, is refused by `read_responses`, or the key is past its day.
    FileExistsError
        If ``out`` is the file itself, or exists.

    Notes
    -----
    `analysis.codes.hide_elements` says how, and how little that is: codes are pseudonymous, not anonymous.
    """
    file, out = Path(file), Path(out)
    if keep not in ("elements", "whole"):
        raise ValueError(f"keep must be 'elements' or 'whole', got {keep!r}")
    _require_new(out, [file], force=force)
    known = key if isinstance(key, CodeKey) else read_key(key)
    if file.suffix.lower() not in (".csv", ".tsv"):
        raise ValueError(f"{file.name}: codes are hidden in CSV files only; save it as CSV in UTF-8 first")
    definition = instrument if isinstance(instrument, Instrument) else read_instrument(instrument)
    people = read_responses(file, definition).people
    elements = [name for name in _elements(definition) if name in people]
    if not elements:
        raise ValueError(
            f"{file.name}: there are no codes in it; {definition.id} has {', '.join(_elements(definition)) or 'none'}"
        )
    if is_hidden(people, elements):
        raise ValueError(f"{file.name}: its codes are hidden already; hide those of the original file")
    if keep == "elements":
        hidden = hide_elements(people, elements, key=known)
    else:
        hidden = hide_whole(people, elements, key=known).to_frame()
    drop = [name for name in elements if name not in hidden]
    write_whole(out, _replaced(file.read_bytes().decode("utf-8"), hidden, drop))
    with_code = int(hidden.notna().any(axis=1).sum())
    return (
        f"{out}: {with_code} of {len(hidden)} codes hidden with the key that {known.holder} keeps until "
        f"{known.destroy_on.isoformat()}.\n"
        "Codes are pseudonymous, not anonymous: whoever has the key can find the letters out"
        + (", and how often each letter occurs still shows.\n" if keep == "elements" else ".\n")
        + f"Delete {file.name} once the copy has been checked, and share neither."
    )


def link_report(
    before: str | Path,
    after: str | Path,
    out: str | Path,
    *,
    instrument: Instrument | str | Path = "pwiq",
    by: By = "code",
    mismatch: Mismatch = "one",
    most_false: float = MOST_FALSE,
    force: bool = False,
) -> str:
    """Write who is who in two files, as pairs of response ids, and say how sure that is.

    Parameters
    ----------
    before, after : str or path
        One wave each, as `read_responses` takes them; codes may be hidden, with the same key.
    out : str or path
        CSV file: ``before``, ``after`` (response ids), ``step``, ``form_changed``, ``team_changed`` and a ``note`` that
        these are working data. No code stands in it.
    instrument : Instrument, str or path, default "pwiq"
    by, mismatch, most_false
        As in `link_waves`.
    force : bool, default False
        Whether ``out`` is replaced if it exists.

    Returns
    -------
    str
        A summary for whoever evaluates, with counts of any size.

    Raises
    ------
    ValueError
        If the files are refused or do not hold one wave each, or if the codes of one are hidden and of the other not.
    FileExistsError
        If ``out`` is one of the files, or exists.
    """
    out = Path(out)
    _require_new(out, [Path(before), Path(after)], force=force)
    definition = instrument if isinstance(instrument, Instrument) else read_instrument(instrument)
    waves = _two_waves(before, after, definition)
    if by == "code":
        _require_alike(waves, definition)
    links = link_waves(*waves, by=by, mismatch=mismatch, most_false=most_false)
    write_whole(out, csv_text(links.pairs.assign(note=WORKING_DATA)))
    return f"{out}: {len(links.pairs)} pairs\n{_summary(links)}"


# Pieces


def _elements(instrument: Instrument) -> list[str]:
    return [question.id for question in instrument.questions if question.role == "code"]


def _require_new(out: Path, reads: Sequence[Path], *, force: bool) -> None:
    if out.resolve() in [path.resolve() for path in reads]:
        raise FileExistsError(f"{out} is a file of answers itself, which is never overwritten; choose another name")
    if out.exists() and not force:
        raise FileExistsError(f"{out} exists; choose another name, or allow it to be replaced (force)")


def _two_waves(before: str | Path, after: str | Path, instrument: Instrument) -> tuple[Responses, Responses]:
    found = split_waves(read_responses([before, after], instrument))
    if len(found) != 2:
        raise ValueError(
            f"two waves are linked, the files hold {len(found)} (wave {', '.join(map(str, found))}): name one file of each "
            "wave, and correct or remove the column wave"
        )
    first, second = found.values()
    return first, second


def _require_alike(waves: Sequence[Responses], instrument: Instrument) -> None:
    elements = _elements(instrument)
    hidden = [is_hidden(wave.people, [name for name in elements if name in wave.people]) for wave in waves]
    if hidden[0] != hidden[1]:
        which = "before" if hidden[0] else "after"
        raise ValueError(
            f"the codes of the wave {which} are hidden, those of the other are not: hide both with the same key "
            "(pwiq link --protect), or link the two original files"
        )
    if all(hidden) and not set.intersection(*(_values(wave, elements) for wave in waves)):
        raise ValueError(
            "the hidden codes of the two waves have not one element in common: they were hidden with two keys; hide both "
            "original files with the same key"
        )


def _values(wave: Responses, elements: Sequence[str]) -> set[str]:
    given = clean_elements(wave.people, [name for name in elements if name in wave.people]).stack()
    return set(given[given != UNKNOWN])


def _summary(links: Links) -> str:
    flow, table = links.flow, links.table

    def both(step: str) -> str:
        return f"{flow.loc[step, 'before']} before, {flow.loc[step, 'after']} after"

    def share(column: str, step: str) -> str:
        value = table.loc[step, column]
        if pd.isna(value):
            return "not estimated"
        bound = column == "false_share" and bool(table.loc[step, "upper_bound"])
        return f"{'at most ' if bound else ''}{value * 100:.1f} %"

    lines = [
        f"answers: {both('answers')}",
        f"linked exactly: {table.loc['exact', 'links']}",
        f"linked with one element differing: {table.loc['one differing', 'links']}",
        f"no partner: {both('no partner')}",
        f"code that several people have: {both('duplicate code')}; collision with such: {both('collision with duplicates')}",
        f"no code, or not enough of one: {both('blank or incomplete code')}",
        f"linked people whose form changed: {flow.loc['linked, form changed', 'before']}; whose team changed: "
        f"{flow.loc['linked, team changed', 'before']}",
        f"estimated share of false links: {share('false_share', 'all')} (exact ones alone: {share('false_share', 'exact')})",
        f"estimated share of people in both waves who are not linked: {share('missed_share', 'all')} (exact links alone: "
        f"{share('missed_share', 'exact')})",
        *links.notes,
        "This is working data about single people, with counts of any size: do not share it. `pwiq report` makes what "
        "may be shared.",
    ]
    return "\n".join(lines)


# A text file, cell by cell


@dataclass(frozen=True)
class _Cell:
    raw: str
    end: str  # what follows: the separator or a line end


_CELLS = {
    separator: re.compile(rf'("(?:[^"]|"")*"|[^{separator}\r\n]*)({separator}|\r\n|\r|\n|\Z)') for separator in ",;\t"
}


def _records(text: str, separator: str) -> Iterator[list[_Cell]]:
    """Split text into records of raw cells: joined again, they are the text."""
    record: list[_Cell] = []
    position = 0
    while position < len(text) or record:
        match = _CELLS[separator].match(text, position)
        if match is None:  # read_responses has accepted the file: its quotation marks are sound
            raise ValueError(f"the record with {text[position : position + 20]!r} is not a CSV record; correct it")
        record.append(_Cell(match[1], match[2]))
        position = match.end()
        if match[2] != separator:
            yield record
            record = []


def _value(raw: str) -> str:
    return raw[1:-1].replace('""', '"') if raw.startswith('"') else raw


def _replaced(text: str, hidden: pd.DataFrame, drop: Sequence[str]) -> str:
    """Return the text with hidden codes in their columns; blanks stay as they are."""
    mark = "\ufeff" if text.startswith("\ufeff") else ""
    body = text.removeprefix("\ufeff")
    # As read_table has it: the separator that gives the header most columns.
    separator = max(",;\t", key=lambda each: len(next(csv.reader(body.splitlines(keepends=True), delimiter=each))))
    records = _records(body, separator)
    header = next(records)
    names = [_value(cell.raw).strip() for cell in header]
    places = {names.index(name): iter(hidden[name].tolist()) for name in hidden}
    dropped = {names.index(name) for name in drop}
    parts = [mark, _joined(header, dropped)]
    for record in records:
        if any(_value(cell.raw) for cell in record):  # an empty line is no answer
            record = [
                _Cell(_in_place(cell.raw, next(places[at])), cell.end) if at in places else cell
                for at, cell in enumerate(record)
            ]
        parts.append(_joined(record, dropped))
    return "".join(parts)


def _in_place(raw: str, hidden: object) -> str:
    if pd.isna(hidden):
        return raw if _value(raw).strip() in _BLANKS else ""
    return str(hidden)


def _joined(record: Sequence[_Cell], dropped: set[int]) -> str:
    kept = [cell.raw for at, cell in enumerate(record) if at not in dropped]
    separator = record[0].end if len(record) > 1 else ""
    return separator.join(kept) + record[-1].end
