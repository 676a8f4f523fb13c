"""One table keyed from paper sheets: every cell as what it means, so that two tables can be compared."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pandas as pd

from instrument.definition import Instrument
from instrument.forms.keying_sheet import SHEET
from instrument.meanings import BLANKS, WHOLE, WHOLE_COMMA, YES_NO, Answers, spoilt_texts
from instrument.platforms.answers import known_columns
from instrument.responses import ResponseError, question_columns
from instrument.tables import Column, Fault, RawTable, line, read_table, shown

# What all sheets of a keying sheet share: a row with nothing else was not keyed.
_GIVEN = ("form", "wave", "version", "language")


@dataclass(frozen=True, kw_only=True)
class Meaning:
    """How the cells of a column are read: "code" by its `answers`, "tick", "letter", "open", "form", "sheet" or "text"."""

    kind: Literal["code", "tick", "letter", "open", "form", "sheet", "text"]
    answers: Answers | None = None
    forms: tuple[str, ...] = ()

    def read(self, text: str | None, *, comma: bool = False) -> tuple[str, str]:
        """Return what a cell means ("" for a blank), and what is wrong with it ("" for nothing)."""
        kept = " ".join((text or "").split())
        if kept in BLANKS:
            return "", ""
        if self.kind == "sheet":
            return (kept.lstrip("0") or "0") if kept.isascii() and kept.isdigit() else kept, ""
        if self.kind == "form":
            named = next((form for form in self.forms if form.casefold() == kept.casefold()), None)
            return (named, "") if named else (kept, f"{shown(kept)} is no form; allowed are {', '.join(self.forms)}")
        if self.kind == "letter":
            return kept.upper(), ""
        if self.answers is None:
            return kept, ""
        read = self.answers.read(Column(texts=(kept,), position=np.zeros(1, dtype=np.int64)), _whole(comma=comma))
        if 0 in read.bad:
            return kept, read.bad[0]
        code = str(int(read.codes[0]))
        return ("" if self.kind == "tick" and code == "0" else code), ""


def _whole(*, comma: bool) -> re.Pattern[str]:
    return WHOLE_COMMA if comma else WHOLE


@dataclass(frozen=True, kw_only=True, eq=False)
class Entries:
    """What one person keyed.

    Attributes
    ----------
    sheets : tuple of str
        Every sheet's number, once, in the order of the file; doubled ones too.
    table : pandas.DataFrame
        Sheet × column, strings; "" is a blank. Doubled sheets are not in it.
    bad : mapping
        (sheet, column) → what is wrong with the cell.
    doubled : tuple of str
    rows : mapping
        Sheet → the rows of the file in which it stands.
    left_out : tuple of str
        Columns that are none of the questionnaire.
    """

    sheets: tuple[str, ...]
    table: pd.DataFrame
    bad: Mapping[tuple[str, str], str]
    doubled: tuple[str, ...]
    rows: Mapping[str, tuple[int, ...]]
    left_out: tuple[str, ...]


def meanings_of(instrument: Instrument) -> dict[str, Meaning]:
    """Return how each column that may be keyed is read.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> meanings = meanings_of(read_instrument("pwiq"))
    >>> meanings["roleaf"].read("Strongly agree"), meanings["code1"].read("x"), meanings["response"].read("007")
    (('5', ''), ('X', ''), ('7', ''))
    """
    found = {name: Meaning(kind="text") for name in (*known_columns(instrument), "version", "language")}
    scales = {scale.id: Answers.of_scale(scale) for scale in instrument.response_scales}
    for item in instrument.items:
        found[item.id] = Meaning(kind="code", answers=scales[item.scale])
    for question in instrument.questions:
        if question.multiple:
            found |= dict.fromkeys(question_columns(question, instrument), Meaning(kind="tick", answers=YES_NO))
        elif question.scale is not None:
            found[question.id] = Meaning(kind="code", answers=scales[question.scale])
        elif question.role in ("code", "open"):
            found[question.id] = Meaning(kind="letter" if question.role == "code" else "open")
    found["wave"] = Meaning(kind="code", answers=Answers(range(1, 1000), {}, (), "whole numbers from 1 to 999"))
    found["programme"] = Meaning(kind="code", answers=YES_NO)
    found[SHEET] = Meaning(kind="sheet")
    if instrument.forms:
        found["form"] = Meaning(kind="form", forms=instrument.forms.ids)
    return found


def loosely(text: str, meaning: Meaning) -> str:
    """Return a value as it is compared: open answers without small and capital letters, punctuation and spaces."""
    if meaning.kind != "open":
        return text
    folded = unicodedata.normalize("NFKC", text).casefold()
    letters = "".join(sign for sign in folded if unicodedata.category(sign)[0] not in "PZC")
    return letters or text


def read_entries(path: Path, instrument: Instrument, *, file: str) -> Entries:
    """Read one keyed table.

    Raises
    ------
    ResponseError
        If it is no table, a column is named twice or with other capitals, or answers have no sheet's number; all faults
        at once. Cells that are no answers are in `bad`, to be settled like differences; sheets that stand in it twice, in
        `doubled`.
    """
    meanings = meanings_of(instrument)
    raw = read_table(path, file=file, known=tuple(meanings))
    faults = [*raw.faults, *_of_columns(raw, tuple(meanings))]
    columns = {name: column for name, column in zip(raw.names, raw.columns, strict=True) if name in meanings}
    if SHEET not in columns or len(columns) < 2:
        faults.append(
            Fault(
                1, SHEET, "there is no such column beside others of this questionnaire; the sheet's number stands in it"
            )
        )
        raise ResponseError([line(file, fault) for fault in faults])
    values: dict[str, list[str]] = {}
    wrong: dict[tuple[int, str], str] = {}
    for name, column in columns.items():
        read = [meanings[name].read(text, comma=raw.decimal_comma) for text in column.texts]
        values[name] = [read[at][0] if at >= 0 else "" for at in column.position.tolist()]
        wrong |= {
            (row, name): read[at][1] for row, at in enumerate(column.position.tolist()) if at >= 0 and read[at][1]
        }
    keyed = [any(values[name][row] for name in columns if name not in (SHEET, *_GIVEN)) for row in range(len(raw.rows))]
    numbers = values[SHEET]
    places = [row for row in range(len(raw.rows)) if keyed[row] or numbers[row]]
    for row in places:
        at = int(raw.rows[row])
        if not numbers[row]:
            faults.append(
                Fault(at, SHEET, "answers without a sheet's number; write the number that stands on the sheet")
            )
        elif spoilt := spoilt_texts([numbers[row]])[0]:
            faults.append(
                Fault(at, SHEET, f"{shown(numbers[row])} is a {spoilt}, not a sheet's number; write it as text")
            )
    if not places:
        faults.append(Fault(2, SHEET, "nothing was keyed in this table"))
    at_rows: dict[str, list[int]] = {}
    for row in places:
        at_rows.setdefault(numbers[row], []).append(int(raw.rows[row]))
    if faults:
        told = [doubled_fault(sheet, rows) for sheet, rows in at_rows.items() if sheet and len(rows) > 1]
        raise ResponseError([line(file, fault) for fault in (*faults, *told)])
    counted = Counter(numbers[row] for row in places)
    kept = {row for row in places if counted[numbers[row]] == 1}
    once = [row for row in places if row in kept]
    data = {name: [values[name][row] for row in once] for name in columns if name != SHEET}
    return Entries(
        sheets=tuple(counted),
        table=pd.DataFrame(data, index=pd.Index([numbers[row] for row in once], name="sheet"), dtype="object"),
        bad={(numbers[row], name): message for (row, name), message in wrong.items() if row in kept},
        doubled=tuple(sheet for sheet, count in counted.items() if count > 1),
        rows={sheet: tuple(rows) for sheet, rows in at_rows.items()},
        left_out=tuple(name for name in raw.names if name and name not in meanings),
    )


def doubled_fault(sheet: str, rows: Sequence[int]) -> Fault:
    """Return what is told of a sheet that stands in several rows."""
    places = f"{', '.join(map(str, rows[:-1]))} and {rows[-1]}"
    return Fault(
        rows[0],
        SHEET,
        f"sheet {shown(sheet)} stands in rows {places}; give each sheet its own number, or remove what was keyed twice",
    )


def _of_columns(raw: RawTable, known: tuple[str, ...]) -> Iterator[Fault]:
    by_case = {name.casefold(): name for name in known}
    for name, count in Counter(raw.names).items():
        right = by_case.get(name.casefold())
        if right is not None and count > 1:
            yield Fault(1, name, "there are several columns of this name; keep one")
        if right is not None and right != name:
            yield Fault(1, name, f"rename it {right!r} (small and capital letters count)")
