"""The ledger of answers in a few plain sentences a file, what matters most first."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from instrument.responses import FORM_RECORD, SECONDS

_NEVER_READ = "dropped and never read"  # how the note of every column with personal data ends
# What readers call rows that they leave out.
_ROWS = ("(rows without answers)", "(previews)", "(rejected)", "(entered in error)", "(empty rows)")
_TOLD_FIRST = ("(platform)", "(wave)")
_COUNTED = re.compile(r"[a-z][a-z0-9_]* \d+")  # "dont_know 4"
_RECODED = re.compile(r"(?P<old>'(?:[^'\\]|\\.)*'|\"[^\"]*\") as (?P<new>.+?) \((?P<count>\d+)\)(?:, |\Z)")
_SHORT = 20  # letters of a heading that is named beside what it became
_NAMED = 6  # columns that a line names


def ledger_summary(ledger: pd.DataFrame) -> str:
    """Return what became of the files in a few lines each.

    Parameters
    ----------
    ledger : pandas.DataFrame
        Of `Responses`.

    Returns
    -------
    str
        For each file: what it was read as, its wave and rows; personal data that was dropped; how the form is known;
        columns that were not recognised; what the others became; answers off the scale; then whatever else was decided.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> print(ledger_summary(read_responses("sample_data/baseline.csv", read_instrument("pwiq")).ledger)[:52])
    baseline.csv: read as a plain table; 900 answers rea
    """
    return "\n".join(line for file, lines in ledger.groupby("file", sort=False) for line in _of_file(str(file), lines))


def _of_file(file: str, lines: pd.DataFrame) -> Iterator[str]:
    yield _head(file, lines)
    ignored = lines[lines["became"] == "ignored"]
    personal = ignored["note"].str.endswith(_NEVER_READ)
    if personal.any():
        cells = [f"{row.column} ({row.cells} cells)" for row in ignored[personal].itertuples()]
        yield f"  Personal data, {_NEVER_READ}: {', '.join(cells)}"
    yield from _form(lines)
    unknown = _unknown(lines)
    if len(unknown):
        yield f"  Not recognised, kept as text: {', '.join(unknown['header'])}"
    record = lines[_of_our_form(lines) & (lines["became"] == "kept")]
    if len(record):
        yield "  How the form was filled in (order of pages, time on each), kept as text: do not show it of single people"
    yield from _became(lines)
    yield from _off_scale(lines)
    rows = ignored["column"].isin(_ROWS)
    yield from _each_note_once(ignored[~personal & ~rows], "Not used: ")
    yield from _each_note_once(_notes(lines.drop([*unknown.index, *record.index])), "")


def _head(file: str, lines: pd.DataFrame) -> str:
    columns = lines[~lines["became"].isin(["ignored", "remark"])]
    size = int(columns["cells"].max()) if len(columns) else 0
    notes = lines.set_index("column")["note"]
    read_as = notes.get("(platform)", "read as a plain table")
    dropped = lines[(lines["became"] == "ignored") & lines["column"].isin(_ROWS)]
    count = int(dropped["cells"].sum())
    left = (
        f"{count} row{'s' if count > 1 else ''} left out ({'; '.join(dropped['note'])})" if count else "no row left out"
    )
    wave = lines.loc[lines["column"].isin(["(wave)", "wave"]), "note"]
    return (
        f"{file}: {read_as}; {size} answers read, {left}; {'; '.join(filter(None, wave)) or 'wave: as the file says'}"
    )


def _form(lines: pd.DataFrame) -> Iterator[str]:
    form = lines[(lines["column"] == "form") & (lines["became"] == "key")]
    for row in form.itertuples():
        yield f"  Form: {row.note or f'as the column {row.header!r} of the file says'}"


def _unknown(lines: pd.DataFrame) -> pd.DataFrame:
    kept = lines[(lines["became"] == "kept") & lines["note"].str.startswith("not a column of this questionnaire")]
    return kept[~_of_our_form(kept)]


def _of_our_form(lines: pd.DataFrame) -> pd.Series:
    return lines["column"].isin(FORM_RECORD) | lines["column"].str.startswith(SECONDS)


def _became(lines: pd.DataFrame) -> Iterator[str]:
    """Yield how many columns became what, which headings those are, and what was recoded."""
    kinds = {
        "item": "items",
        "question": "columns of other questions",
        "key": "columns of who, when and where",
        "score": "scores",
    }
    counts = [f"{number} {words}" for kind, words in kinds.items() if (number := int((lines["became"] == kind).sum()))]
    used = lines[lines["became"].isin(kinds)]
    cells = used[["answered", "blank"]].sum()
    yield f"  Recognised: {', '.join(counts) or 'nothing'}; {cells['answered']} cells answered, {cells['blank']} blank"
    renamed = used[used["header"] != used["column"]]
    renamed = renamed[~renamed["header"].str.startswith("(") & (renamed["column"] != "form")]  # the form is told above
    by_id = np.array([_ends_in_id(row.header, row.column) for row in renamed.itertuples()], dtype=bool)
    if by_id.any():
        first = renamed[by_id].iloc[0]
        yield f"  By the id in the heading: {by_id.sum()} columns ({first['header']} → {first['column']} …)"
    renamed = renamed[~by_id]
    named = renamed[(renamed["header"].str.len() <= _SHORT) | renamed["note"].str.contains("mapped by", regex=False)]
    if len(named):
        pairs = [f"{_cut(row.header)} → {row.column}" for row in named.itertuples()]
        yield f"  Under another name: {', '.join(pairs)}"
    if len(renamed) > len(named):
        yield f"  By their text: {len(renamed) - len(named)} columns, whose headings are in the ledger"
    recoded: Counter[str] = Counter()
    for note in used["note"]:
        for each in _RECODED.finditer(note) if "recoded: " in note else ():
            recoded[f"{each['old']} as {each['new']}"] += int(each["count"])
    if recoded:
        yield f"  Recoded: {', '.join(f'{what} {count}' for what, count in recoded.items())}"
    labels = int(lines["labels_read"].sum())
    if labels:
        yield f"  {labels} cells held the label of an answer, which was read as its code{_languages(lines)}"


def _ends_in_id(header: str, column: str) -> bool:
    """Whether a platform has put groups before the id, or the code of an answer behind it: ``pagerole[roleaf]``."""
    return re.sub(r"[^a-z0-9]", "", header.casefold()).endswith(column.casefold()) and " " not in header


def _cut(header: str) -> str:
    return header if len(header) <= 2 * _SHORT else f"{header[: 2 * _SHORT - 1]}…"


def _off_scale(lines: pd.DataFrame) -> Iterator[str]:
    items = int(lines.loc[lines["became"] == "item", "off_scale"].sum())
    others = int(lines["off_scale"].sum()) - items
    if items or others:
        yield (
            f"  Answered off the scale (don't know, does not apply …), which no score counts: {items} answers to items, "
            f"{others} to other questions"
        )
    if elsewhere := int(lines["off_scale_not_asked"].sum()):
        yield f"  {elsewhere} answers off the scale are to items that the form does not ask; they are left out"


def _notes(lines: pd.DataFrame) -> pd.DataFrame:
    """Return the lines with what their notes say beyond what was told: no counts of reasons, no recoding."""
    told = lines[~lines["became"].isin(["ignored"]) & ~lines["column"].isin([*_TOLD_FIRST, "wave", "form"])].copy()
    told["note"] = ["; ".join(_more(note)) for note in told["note"]]
    return told[told["note"] != ""]


def _more(note: str) -> Sequence[str]:
    parts = [part for part in note.split("; ") if not _COUNTED.fullmatch(part)]
    return [part for part in parts if not part.startswith(("mapped by ", "recoded: ", "one of several answers in"))]


def _languages(lines: pd.DataFrame) -> str:
    """Return how many labels were in which language, out of a ledger's "es 2, en 1"."""
    counts: Counter[str] = Counter()
    for cell in lines["language"]:
        for part in filter(None, cell.split(", ")):
            language, _, count = part.partition(" ")
            counts[language] += int(count)
    return f" ({', '.join(f'{language} {count}' for language, count in counts.items())})" if counts else ""


def _each_note_once(told: pd.DataFrame, before: str) -> Iterator[str]:
    """Yield a line for each note, with the columns that it is about: a platform has many that are alike."""
    for note, rows in told.groupby("note", sort=False):
        names = list(dict.fromkeys(rows["column"].map(_cut)))
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        yield f"  {before}{', '.join(names[:_NAMED])}{more}: {note}"
