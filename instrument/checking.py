"""A raw table held against the definition: codes, keys and questions, or every fault with its place."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from instrument.contradictions import FILE_COLUMNS
from instrument.definition import Instrument, Item, Question, ResponseScale
from instrument.responses import ResponseError, question_columns
from instrument.tables import Column, Fault, RawTable, line, shown

Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

LEDGER = (
    "file",
    "column",
    "became",
    "cells",
    "answered",
    "blank",
    "off_scale",
    "labels_read",
    "off_scale_not_asked",
    "note",
)
BLANKS = ("", "NA", ".")
NOTHING = -1  # in an array of codes: no code here

_WHOLE = re.compile(r"(0|[1-9][0-9]*)(\.0+)?", re.ASCII)
_WHOLE_COMMA = re.compile(r"(0|[1-9][0-9]*)([.,]0+)?", re.ASCII)
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]*)?([eE][+-]?[0-9]+)?", re.ASCII)
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?", re.ASCII)


@dataclass(frozen=True, kw_only=True, eq=False)
class CheckedTable:
    """One file's answers. Where there are `faults` the frames hold what could be read, and are not used."""

    table: RawTable
    index: pd.Index
    answers: pd.DataFrame
    off_scale: pd.DataFrame
    people: pd.DataFrame
    ledger: pd.DataFrame
    faults: tuple[Fault, ...]


def known_columns(instrument: Instrument) -> tuple[str, ...]:
    """Return the names of all columns that a file may have: keys, items, questions.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> known_columns(read_instrument("pwiq"))[:4]
    ('response', 'person', 'form', 'wave')
    """
    questions = [name for question in instrument.questions for name in question_columns(question, instrument)]
    return tuple(dict.fromkeys((*FILE_COLUMNS, *instrument.items.ids, *questions)))


def check_table(table: RawTable, instrument: Instrument, *, wave: int, stem: str) -> CheckedTable:
    """Hold a table against the definition.

    Parameters
    ----------
    table : RawTable
    instrument : Instrument
    wave : int
        The wave of a file that has no column `wave`.
    stem : str
        What responses without an id are called: `<stem>:<row>`.

    Raises
    ------
    ResponseError
        If no column is one of the questionnaire. Every other fault is in the result.
    """
    return _Check(table, instrument, wave, stem).run()


# One column


class _Outcome(NamedTuple):
    """What one text means in a closed column."""

    code: int = NOTHING
    label: bool = False
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class _ClosedColumn:
    """The cells of a closed column. Arrays are by row."""

    codes: Codes
    blank: Flags
    label: Flags
    bad: dict[int, str]  # position → message

    def among(self, codes: Collection[int]) -> Flags:
        return np.isin(self.codes, list(codes))


class _Answers:
    """The texts that stand for answers on one scale."""

    def __init__(
        self, codes: Sequence[int], off_scale: Mapping[int, str], labels: Iterable[tuple[str, int]], allowed: str
    ) -> None:
        self.codes = frozenset(codes)
        self.off_scale = dict(off_scale)
        self.allowed = allowed
        self.labels: dict[str, set[int]] = {}
        for label, code in labels:
            # A number is always a code: '1' must not turn into 2 because a label says so.
            if not _WHOLE.fullmatch(label.strip()):
                self.labels.setdefault(_plain(label), set()).add(code)

    @classmethod
    def of_scale(cls, scale: ResponseScale) -> _Answers:
        off = {each.code: each.reason for each in scale.off_scale}
        beside = [f"{each.code} ({next(iter(each.label.values()), each.reason)})" for each in scale.off_scale]
        return cls(
            scale.codes,
            off,
            [(label, code) for code, text in scale.labels.items() for label in text.values()],
            ", ".join([_range(scale.codes), *beside]) + " and the labels of these",
        )

    def meaning(self, text: str, whole: re.Pattern[str]) -> _Outcome:
        if number := whole.fullmatch(text):
            code = int(number.group(1))
            if code in self.codes or code in self.off_scale:
                return _Outcome(code)
            return _Outcome(fault="is not an answer")
        found = self.labels.get(_plain(text), set())
        if len(found) == 1:
            return _Outcome(next(iter(found)), label=True)
        if found:
            return _Outcome(fault="is the label of several codes, depending on the language")
        if _DATE.fullmatch(text):
            return _Outcome(fault="is a date, not an answer (a spreadsheet may have turned an answer into it)")
        if _NUMBER.fullmatch(text):
            return _Outcome(fault="is not an answer: it is not a plain whole number")
        return _Outcome(fault="is not an answer: it is neither a number nor a label of this scale")

    def read(self, column: Column, whole: re.Pattern[str]) -> _ClosedColumn:
        stripped = [text.strip() for text in column.texts]
        outcomes = [_Outcome() if text in BLANKS else self.meaning(text, whole) for text in stripped]
        # The last entry of each is for an empty cell, whose position is -1.
        blank = np.array([text in BLANKS for text in stripped] + [True], dtype=bool)
        codes = np.array([outcome.code for outcome in outcomes] + [NOTHING], dtype=np.int64)
        label = np.array([outcome.label for outcome in outcomes] + [False], dtype=bool)
        wrong = np.array([bool(outcome.fault) for outcome in outcomes] + [False], dtype=bool)
        messages = [
            f"{shown(text)} {outcome.fault}; allowed are {self.allowed}; correct the cell or leave it empty"
            for text, outcome in zip(column.texts, outcomes, strict=True)
        ]
        bad = {row: messages[column.position[row]] for row in np.flatnonzero(wrong[column.position]).tolist()}
        return _ClosedColumn(
            codes=codes[column.position], blank=blank[column.position], label=label[column.position], bad=bad
        )


_YES_NO = _Answers((0, 1), {}, (), "0 (no) and 1 (yes)")


def _plain(label: str) -> str:
    # Word processors turn an apostrophe into a quotation mark; it is the same answer.
    return unicodedata.normalize("NFC", label).replace("’", "'").strip().casefold()


def _range(codes: Sequence[int]) -> str:
    if len(codes) > 2 and list(codes) == list(range(codes[0], codes[-1] + 1)):
        return f"{codes[0]}–{codes[-1]}"
    return ", ".join(map(str, codes))


def _integers(codes: Codes, present: Flags) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(np.where(present, codes, 1), ~present)


# One file


@dataclass(kw_only=True)
class _Line:
    """A line of the ledger."""

    column: str
    became: str
    cells: int
    answered: int = 0
    blank: int = 0
    off_scale: int = 0
    labels_read: int = 0
    off_scale_not_asked: int = 0
    notes: list[str] = field(default_factory=list)


class _Check:
    """The check of one file: gathers the faults and the ledger while columns are read."""

    def __init__(self, table: RawTable, instrument: Instrument, wave: int, stem: str) -> None:
        self.table = table
        self.instrument = instrument
        self.wave = wave
        self.stem = stem
        self.size = len(table.rows)
        self.whole = _WHOLE_COMMA if table.decimal_comma else _WHOLE
        self.faults: list[Fault] = list(table.faults)
        self.lines: dict[str, _Line] = {}
        self.scales = {scale.id: _Answers.of_scale(scale) for scale in instrument.response_scales}
        self.columns = self._columns()
        self.form = self._form()

    def run(self) -> CheckedTable:
        people: dict[str, Any] = {}
        response = self._response()
        index = pd.Index(response, name="response")
        people["person"] = self._key("person", needed=True) if "person" in self.columns else response
        people["wave"] = self._wave()
        if self.form is not None:
            people["form"] = self.form
        for name in ("organisation", "team"):
            if name in self.columns:
                people[name] = self._key(name, needed=False)
        if "programme" in self.columns:
            people["programme"] = self._yes_no("programme", "key")
        answers, off_scale = self._items()
        people |= self._questions()
        people |= self._unknown()
        return CheckedTable(
            table=self.table,
            index=index,
            answers=pd.DataFrame(answers, index=index),
            off_scale=pd.DataFrame(off_scale, index=index),
            people=pd.DataFrame(
                {name: values.strings() if isinstance(values, Column) else values for name, values in people.items()},
                index=index,
            ),
            ledger=self._ledger(),
            faults=tuple(sorted(self.faults, key=self._order)),
        )

    def _order(self, fault: Fault) -> tuple[int, int]:
        names = self._positions
        return fault.row, names.get(fault.column, len(names))

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {name: at for at, name in enumerate(self.table.names)}

    # Columns

    def _columns(self) -> dict[str, Column]:
        """Return name → column; doubled, nameless and wrongly cased names are faults."""
        known = known_columns(self.instrument)
        by_case = {name.casefold(): name for name in known}
        first: dict[str, int] = {}
        columns: dict[str, Column] = {}
        for number, (name, column) in enumerate(zip(self.table.names, self.table.columns, strict=True), start=1):
            if not name:
                self._nameless(number, column)
            elif name in first:
                self._fault(
                    1, name, f"columns {first[name]} and {number} have the same name; keep one, or rename the other"
                )
            else:
                first[name] = number
                columns[name] = column
        if not by_case.keys() & {name.casefold() for name in columns}:
            ids = ", ".join((*FILE_COLUMNS[1:3], self.instrument.items.ids[0]))
            message = (
                f"none of the {len(columns)} columns is one of this questionnaire; columns are separated by commas, "
                f"semicolons or tabs and bear the ids of the definition ({ids}, …); name them so"
            )
            raise ResponseError([line(self.table.file, Fault(1, next(iter(columns)), message))])
        for name in columns:
            right = by_case.get(name.casefold())
            if right is not None and name not in known and right not in columns:
                self._fault(
                    1, name, f"no column of this name is known; rename it {right!r} (small and capital letters count)"
                )
            elif right is not None and name not in known:
                self._fault(
                    1, name, f"the name differs from {right!r} only in small and capital letters; remove or rename it"
                )
        return columns

    def _nameless(self, number: int, column: Column) -> None:
        cells = column.change(_filled)
        filled = np.flatnonzero(cells.position >= 0)
        if len(filled):
            row = int(self.table.rows[filled[0]])
            self._fault(
                1,
                f"column {number}",
                f"the column has no name but holds {shown(str(cells[filled[0]]))} in row {row}; name it or empty it",
            )
        else:
            name = f"(column {number})"
            self.lines[name] = _Line(
                column=name, became="ignored", cells=self.size, blank=self.size, notes=["no name, and nothing in it"]
            )

    def _fault(self, row: int, column: str, message: str) -> None:
        self.faults.append(Fault(row, column, message))

    def _cell_faults(self, column: str, bad: Mapping[int, str]) -> None:
        self.faults += [Fault(int(self.table.rows[at]), column, message) for at, message in bad.items()]

    # Keys

    def _response(self) -> Any:
        if "response" in self.columns:
            return self._key("response", needed=True).strings()
        return pd.array([f"{self.stem}:{row}" for row in self.table.rows.tolist()], dtype="string")

    def _key(self, name: str, *, needed: bool) -> Column:
        """Return a column of names: text without spaces around it."""
        column = self._text(name, "key").change(str.strip)
        if needed:
            message = f"the cell is empty; allowed is any name or number; fill it, or leave the column {name!r} out"
            self._cell_faults(name, dict.fromkeys(np.flatnonzero(column.position < 0).tolist(), message))
        return column

    def _wave(self) -> Any:
        every = np.ones(self.size, dtype=bool)
        if "wave" not in self.columns:
            return _integers(np.full(self.size, self.wave, dtype=np.int64), every)
        column = self._key("wave", needed=False)
        numbers = [self.whole.fullmatch(text) for text in column.texts]
        waves = [int(number.group(1)) if number and len(number.group(1)) < 4 else 0 for number in numbers]
        wave = np.array([*waves, 0], dtype=np.int64)[column.position]
        allowed = "allowed are whole numbers from 1 to 999; correct the cell"
        self._cell_faults(
            "wave",
            {row: f"{_found(column[row], 'a wave')}; {allowed}" for row in np.flatnonzero(wave == 0).tolist()},
        )
        return _integers(wave, every)

    def _form(self) -> Column | None:
        """Return the form of each row, empty where it was refused; None where there are no forms."""
        forms = self.instrument.forms.ids
        if not forms:
            return None
        if "form" not in self.columns:
            if len(forms) == 1:
                return Column(texts=forms, position=np.zeros(self.size, dtype=np.int64))
            if not self._misspelt("form"):
                self._fault(1, "form", f"there is no such column; add it: allowed in it are {', '.join(forms)}")
            return Column(texts=(), position=np.full(self.size, NOTHING, dtype=np.int64))
        found = self._key("form", needed=False)
        column = found.change(lambda text: text if text in forms else None)
        allowed = f"allowed are {', '.join(forms)}; correct the cell"
        self._cell_faults(
            "form",
            {row: f"{_found(found[row], 'a form')}; {allowed}" for row in np.flatnonzero(column.position < 0).tolist()},
        )
        return column

    def _yes_no(self, name: str, became: str) -> Any:
        read = _YES_NO.read(self.columns[name], self.whole)
        self._cell_faults(name, read.bad)
        answered = read.codes != NOTHING
        self.lines[name] = self._line(name, became, read, answered, answered & False)
        return _integers(read.codes, answered)

    def _line(self, name: str, became: str, read: _ClosedColumn, answered: Flags, off: Flags) -> _Line:
        return _Line(
            column=name,
            became=became,
            cells=self.size,
            answered=int(answered.sum()),
            blank=int(read.blank.sum()),
            off_scale=int(off.sum()),
            labels_read=int(read.label.sum()),
        )

    def _misspelt(self, name: str) -> bool:
        """Whether the column stands in the file with other capitals, which is a fault already."""
        return any(column.casefold() == name.casefold() for column in self.columns)

    # Items

    def _items(self) -> tuple[dict[str, Any], dict[str, Any]]:
        self._missing_items()
        answers: dict[str, Any] = {}
        reasons: dict[str, Any] = {}
        for item in self.instrument.items:
            if item.id in self.columns:
                answers[item.id], reasons[item.id] = self._item(item)
            else:
                answers[item.id] = pd.array([pd.NA] * self.size, dtype="Int64")
                reasons[item.id] = pd.array([pd.NA] * self.size, dtype="string")
        return answers, reasons

    def _missing_items(self) -> None:
        forms = [""]
        if self.form is not None:
            present = {self.form.texts[at] for at in np.unique(self.form.position) if at >= 0}
            forms = [form for form in self.instrument.forms.ids if form in present]
        needed = {item for form in forms for item in self.instrument.asked_by(form)}
        missing = [
            item
            for item in self.instrument.items.ids
            if item in needed and item not in self.columns and not self._misspelt(item)
        ]
        if not missing:
            return
        asks = f"form {forms[0]} asks" if len(forms) == 1 else f"forms {' and '.join(forms)} ask"
        asks = "the questionnaire asks" if self.form is None else asks
        found, what = "there is no such column", "it"
        if len(missing) > 1:
            found, what = f"{len(missing)} items have no column: {', '.join(missing)}", "them"
        self._fault(1, missing[0], f"{found}; {asks} {what}; add {what} (with empty cells where nobody answered)")

    def _asks(self, forms: Sequence[str]) -> Flags:
        """Return which rows have one of these forms; a row whose form was refused counts as having it."""
        if self.form is None:
            return np.ones(self.size, dtype=bool)
        chosen = [at for at, form in enumerate(self.form.texts) if form in forms]
        return np.isin(self.form.position, [*chosen, NOTHING])

    def _item(self, item: Item) -> tuple[Any, Any]:
        name, answers, asks = item.id, self.scales[item.scale], self._asks(item.forms)
        read = answers.read(self.columns[name], self.whole)
        on = read.among(answers.codes)
        off = read.among(answers.off_scale)
        self._cell_faults(name, read.bad)
        if self.form is not None:
            self._cell_faults(
                name,
                {
                    at: f"{shown(str(self.columns[name][at]))} answers an item that form {self.form[at]} does not ask; "
                    "allowed is an empty cell; correct the form or empty the cell"
                    for at in np.flatnonzero(on & ~asks).tolist()
                },
            )
        counted = self._line(name, "item", read, on & asks, off & asks)
        counted.off_scale_not_asked = int((off & ~asks).sum())
        counted.notes += self._reasons(answers, read, off & asks)
        self._file_labels(name, answers, counted)
        self.lines[name] = counted
        return _integers(read.codes, on & asks), _reasons_of(read.codes, off & asks, answers.off_scale)

    def _reasons(self, answers: _Answers, read: _ClosedColumn, off: Flags) -> list[str]:
        counts = {reason: int((off & (read.codes == code)).sum()) for code, reason in answers.off_scale.items()}
        return [f"{reason} {count}" for reason, count in counts.items() if count]

    def _file_labels(self, name: str, answers: _Answers, counted: _Line) -> None:
        """Refuse a file whose own labels (.sav) say that its codes mean something else."""
        own = []
        for value, label in self.table.value_labels.get(name, {}).items():
            number = _WHOLE.fullmatch(value)
            code = int(number.group(1)) if number else NOTHING
            meant = answers.labels.get(_plain(label), set())
            if meant and code not in meant:
                self._fault(
                    1,
                    name,
                    f"the file labels {value} as {shown(label)}, which is {' or '.join(map(str, sorted(meant)))} in the "
                    "definition; recode the column (it may be reversed or count from 0)",
                )
            elif not meant and label.strip():
                own.append(f"{value} = {shown(label)}")
        if own:
            counted.notes.append(f"the file's own labels: {', '.join(own)}")
        for low, high in self.table.declared_missing.get(name, ()):
            lost = [code for code in sorted(answers.codes) if low <= code <= high]
            if lost:
                self._fault(
                    1,
                    name,
                    f"the file declares {_range(lost)} as missing, which the definition has as an answer; "
                    "correct the column's missing values",
                )

    # Questions and the rest

    def _questions(self) -> dict[str, Any]:
        people: dict[str, Any] = {}
        for question in self.instrument.questions:
            if question.id in FILE_COLUMNS:
                continue
            columns = question_columns(question, self.instrument)
            if question.id in self.columns and question.id not in columns:
                self._fault(
                    1,
                    question.id,
                    f"the question takes several answers; give it one column of 0 and 1 for each: {', '.join(columns)}",
                )
            for name in columns:
                if name in self.columns:
                    people[name] = self._question(name, question)
                    elsewhere = int((~pd.isna(people[name]) & ~self._asks(question.forms)).sum())
                    if elsewhere:
                        self.lines[name].notes.append(f"{elsewhere} from forms that do not ask it, kept")
        return people

    def _question(self, name: str, question: Question) -> Any:
        if question.multiple:
            return self._yes_no(name, "question")
        if question.scale is None:
            return self._text(name, "question").strings()
        answers = self.scales[question.scale]
        read = answers.read(self.columns[name], self.whole)
        self._cell_faults(name, read.bad)
        on = read.among(answers.codes)
        off = read.among(answers.off_scale)
        counted = self._line(name, "question", read, on, off)
        counted.notes += self._reasons(answers, read, off)
        self._file_labels(name, answers, counted)
        self.lines[name] = counted
        return _integers(read.codes, on)

    def _text(self, name: str, became: str) -> Column:
        column = self.columns[name].change(_filled)
        answered = int((column.position >= 0).sum())
        self.lines[name] = _Line(
            column=name, became=became, cells=self.size, answered=answered, blank=self.size - answered
        )
        return column

    def _unknown(self) -> dict[str, Any]:
        people: dict[str, Any] = {}
        for name in self.columns:
            if name not in self.lines:
                people[name] = self._text(name, "kept")
                self.lines[name].notes.append("not a column of this questionnaire; kept as text")
        return people

    def _ledger(self) -> pd.DataFrame:
        named = [name or f"(column {number})" for number, name in enumerate(self.table.names, start=1)]
        lines = [self.lines[name] for name in dict.fromkeys(named) if name in self.lines]
        lines += [
            _Line(column=what, became="ignored", cells=count, notes=[note]) for what, count, note in self.table.left_out
        ]
        rows = [
            {
                **{name: getattr(each, name) for name in LEDGER if name not in ("file", "note")},
                "file": self.table.file,
                "note": "; ".join(each.notes),
            }
            for each in lines
        ]
        return pd.DataFrame(rows, columns=list(LEDGER))


def _filled(text: str) -> str | None:
    """Return a text as it is, or None if it is a blank."""
    return None if text.strip() in BLANKS else text


def _found(cell: str | None, what: str) -> str:
    return "the cell is empty" if cell is None else f"{shown(cell)} is not {what}"


def _reasons_of(codes: Codes, off: Flags, reasons: Mapping[int, str]) -> Any:
    """Return the reason for each off-scale code, missing elsewhere."""
    known = pd.array([*reasons.values()], dtype="string")
    position = np.full(len(codes), -1)
    for at, code in enumerate(reasons):
        position[off & (codes == code)] = at
    return known.take(position, allow_fill=True)
