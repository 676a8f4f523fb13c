"""A raw table held against the definition: codes, keys and questions, or every fault with its place."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from instrument.contradictions import FILE_COLUMNS
from instrument.definition import Instrument, Item, Question
from instrument.ledger import LedgerLine, ledger_table
from instrument.meanings import (
    NOTHING,
    WHOLE,
    WHOLE_COMMA,
    YES_NO,
    Answers,
    ClosedColumn,
    Codes,
    Flags,
    filled,
    shift_of_codes,
    spelt_range,
    spoilt_texts,
)
from instrument.missing_columns import like_form, missing_items, not_asked
from instrument.past_versions import STAMPED, stamped
from instrument.platforms.answers import known_columns, plain
from instrument.responses import ResponseError, question_columns
from instrument.tables import Column, Fault, RawTable, line, shown

_ODD_ROWS = 3  # that answer what their form does not ask: these are told one by one


@dataclass(frozen=True, kw_only=True, eq=False)
class CheckedTable:
    """One file's answers. Where there are `faults` the frames hold what could be read, and are not used.

    `stem` is what responses of this file are called by where their own ids are not enough.
    `scores` are the columns that hold a score of the definition which the platform computed: column → its score and
    the numbers, NaN where empty.
    """

    table: RawTable
    stem: str
    index: pd.Index
    answers: pd.DataFrame
    off_scale: pd.DataFrame
    people: pd.DataFrame
    ledger: pd.DataFrame
    scores: dict[str, tuple[str, npt.NDArray[np.float64]]]
    faults: tuple[Fault, ...]


def check_table(
    table: RawTable, instrument: Instrument, *, wave: int, stem: str, language: str | None = None
) -> CheckedTable:
    """Hold a table against the definition.

    Parameters
    ----------
    table : RawTable
    instrument : Instrument
    wave : int
        The wave of a file that has no column `wave`.
    stem : str
        What responses without an id are called: `<stem>:<row>`.
    language : str, optional
        The language whose labels are read. Default: all of the definition.

    Raises
    ------
    ResponseError
        If no column is one of the questionnaire. Every other fault is in the result.
    """
    return _Check(table, instrument, wave, stem, language).run()


def _integers(codes: Codes, present: Flags) -> pd.arrays.IntegerArray:
    return pd.arrays.IntegerArray(np.where(present, codes, 1), ~present)


# One file


class _Check:
    """The check of one file: gathers the faults and the ledger while columns are read."""

    def __init__(
        self, table: RawTable, instrument: Instrument, wave: int, stem: str, language: str | None = None
    ) -> None:
        self.table = table
        self.instrument = instrument
        self.wave = wave
        self.stem = stem
        self.size = len(table.rows)
        self.whole = WHOLE_COMMA if table.decimal_comma else WHOLE
        self.faults: list[Fault] = list(table.faults)
        self.lines: dict[str, LedgerLine] = {}
        self.scores: dict[str, tuple[str, npt.NDArray[np.float64]]] = {}
        self.scales = {scale.id: Answers.of_scale(scale, language=language) for scale in instrument.response_scales}
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
            stem=self.stem,
            index=index,
            answers=pd.DataFrame(answers, index=index),
            off_scale=pd.DataFrame(off_scale, index=index),
            people=pd.DataFrame(
                {name: values.strings() if isinstance(values, Column) else values for name, values in people.items()},
                index=index,
            ),
            ledger=self._ledger(),
            scores=self.scores,
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
                f"semicolons or tabs and bear the ids of the definition ({ids}, …); name them so, or write down which "
                "is which (pwiq map)"
            )
            raise ResponseError([line(self.table.file, Fault(1, next(iter(columns), "(no columns)"), message))])
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
        cells = column.change(filled)
        places = np.flatnonzero(cells.position >= 0)
        if len(places):
            row = int(self.table.rows[places[0]])
            self._fault(
                1,
                f"column {number}",
                f"the column has no name but holds {shown(str(cells[places[0]]))} in row {row}; name it or empty it",
            )
        else:
            name = f"(column {number})"
            self.lines[name] = LedgerLine(
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
        if name not in ("form", "wave"):
            self._spoilt(name, column)
        return column

    def _spoilt(self, name: str, column: Column) -> None:
        """Refuse names and codes that a spreadsheet has turned into a date or a number."""
        spoilt = spoilt_texts(column.texts)
        if any(spoilt):
            became = np.array([*spoilt, ""], dtype=object)[column.position]
            self._cell_faults(
                name,
                {
                    at: f"{shown(str(column[at]))} is a {became[at]}: a spreadsheet has probably turned a code such as "
                    f"{'MAR05' if became[at] == 'date' else '1E05'} into it; format the column as text and enter the "
                    "code again"
                    for at in np.flatnonzero(became != "").tolist()
                },
            )

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
                like = like_form(self.instrument, self.columns)
                self._fault(1, "form", f"there is no such column; add it: allowed in it are {', '.join(forms)}{like}")
            return Column(texts=(), position=np.full(self.size, NOTHING, dtype=np.int64))
        found = self._key("form", needed=False)
        titles = {plain(title): form.id for form in self.instrument.forms for title in form.title.values()}
        names = [text if text in forms else titles.get(plain(text)) for text in found.texts]
        by_title = np.array([text != name and name is not None for text, name in zip(found.texts, names, strict=True)])
        self.lines["form"].labels_read = int(np.append(by_title, False)[found.position].sum())
        column = _merged(found.change(dict(zip(found.texts, names, strict=True)).get))
        allowed = f"allowed are {', '.join(forms)}; correct the cell"
        self._cell_faults(
            "form",
            {row: f"{_found(found[row], 'a form')}; {allowed}" for row in np.flatnonzero(column.position < 0).tolist()},
        )
        return column

    def _yes_no(self, name: str, became: str) -> Any:
        read = YES_NO.read(self.columns[name], self.whole)
        self._cell_faults(name, read.bad)
        answered = read.codes != NOTHING
        self.lines[name] = self._line(name, became, read, answered, answered & False)
        return _integers(read.codes, answered)

    def _line(self, name: str, became: str, read: ClosedColumn, answered: Flags, off: Flags) -> LedgerLine:
        return LedgerLine(
            column=name,
            became=became,
            cells=self.size,
            answered=int(answered.sum()),
            blank=int(read.blank.sum()),
            off_scale=int(off.sum()),
            labels_read=int(read.label.sum()),
            language=", ".join(
                f"{language or 'several'} {count}" for language, count in sorted(read.languages.items(), reverse=True)
            ),
        )

    def _misspelt(self, name: str) -> bool:
        """Whether the column stands in the file with other capitals, which is a fault already."""
        return any(column.casefold() == name.casefold() for column in self.columns)

    # Items

    def _items(self) -> tuple[dict[str, Any], dict[str, Any]]:
        self._missing_items()
        self._shifted_codes()
        answers: dict[str, Any] = {}
        reasons: dict[str, Any] = {}
        self.on: dict[str, Flags] = {}
        for item in self.instrument.items:
            if item.id in self.columns:
                answers[item.id], reasons[item.id] = self._item(item)
            else:
                answers[item.id] = pd.array([pd.NA] * self.size, dtype="Int64")
                reasons[item.id] = pd.array([pd.NA] * self.size, dtype="string")
        if self.form is not None:
            for at, form in enumerate(self.form.texts):
                self._not_asked(form, self.form.position == at)
        return answers, reasons

    def _not_asked(self, form: str, of_form: Flags) -> None:
        """Refuse answers to items that a form does not ask: one by one, or once where most responses have some."""
        asked = self.instrument.asked_by(form)
        strange = {name: on & of_form for name, on in self.on.items() if name not in asked and (on & of_form).any()}
        rows = np.any(list(strange.values()), axis=0) if strange else of_form & False
        if int(rows.sum()) > max(_ODD_ROWS, int(of_form.sum()) / 2):
            answered = [name for name, on in self.on.items() if (on & of_form).any()]
            self._fault(1, "form", not_asked(self.instrument, form, answered, int(rows.sum())))
            return
        for name, found in strange.items():
            self._cell_faults(
                name,
                {
                    at: f"{shown(str(self.columns[name][at]))} answers an item that form {form} does not ask; correct the "
                    "form; only if nobody answered this, empty the cell"
                    for at in np.flatnonzero(found).tolist()
                },
            )

    def _misspelt_item(self, name: str) -> bool:
        """Whether the column is an item with other capitals, which is a fault already."""
        return name.casefold() in {item.casefold() for item in self.instrument.items.ids}

    def _missing_items(self) -> None:
        forms: list[str] = []
        if self.form is not None:
            present = {self.form.texts[at] for at in np.unique(self.form.position) if at >= 0}
            forms = [form for form in self.instrument.forms.ids if form in present]
        named = [name for name in self.instrument.items.ids if name in self.columns or self._misspelt(name)]
        if self.form is not None and not forms:
            return  # every form was refused
        known = known_columns(self.instrument)
        scores = {name for rule in self.instrument.scores for name in (rule.export, rule.id)}
        unknown = [name for name in self.columns if name not in known and name not in scores and name not in STAMPED]
        headers = [self.table.headers.get(name, name) for name in unknown if not self._misspelt_item(name)]
        if found := missing_items(self.instrument, named, forms, unknown=headers, file=self.table.file):
            self._fault(1, found[0], found[1])

    def _shifted_codes(self) -> None:
        """Name columns that all count from another number than the definition, once for all."""
        self.told: dict[str, str] = {}
        for scale in self.instrument.response_scales:
            names = [item.id for item in self.instrument.items if item.scale == scale.id and item.id in self.columns]
            shift = shift_of_codes([self.columns[name] for name in names], scale, self.whole)
            if not shift:
                continue
            found = spelt_range([code + shift for code in scale.codes])
            first = scale.low + shift
            many = f"{len(names)} columns ({names[0]} to {names[-1]})" if len(names) > 1 else "the column"
            remedy = "add 1 to" if shift < 0 else "take 1 from"
            empty = " (where 0 was meant as no answer, empty the cell)" if first == 0 else ""
            self._fault(
                1,
                names[0],
                f"{many} hold {found} where the definition has {spelt_range(scale.codes)}: the file counts from {first}; "
                f"{remedy} every answer, or export the codes of the definition{empty}",
            )
            beyond = str(first if shift < 0 else scale.high + shift)
            self.told |= dict.fromkeys(names, beyond)

    def _asks(self, forms: Sequence[str]) -> Flags:
        """Return which rows have one of these forms; a row whose form was refused counts as having it."""
        if self.form is None:
            return np.ones(self.size, dtype=bool)
        chosen = [at for at, form in enumerate(self.form.texts) if form in forms]
        return np.isin(self.form.position, [*chosen, NOTHING])

    def _item(self, item: Item) -> tuple[Any, Any]:
        name, answers, asks = item.id, self.scales[item.scale], self._asks(item.forms)
        told = self._told_texts(name)
        read = answers.read(self.columns[name], self.whole, told=told)
        on = read.among(answers.codes)
        off = read.among(answers.off_scale)
        self._cell_faults(name, read.bad)
        self.on[name] = on
        counted = self._line(name, "item", read, on & asks, off & asks)
        counted.off_scale_not_asked = int((off & ~asks).sum())
        counted.notes += self._reasons(answers, read, off & asks)
        self._file_labels(name, answers, counted)
        self.lines[name] = counted
        return _integers(read.codes, on & asks), _reasons_of(read.codes, off & asks, answers.off_scale)

    def _told_texts(self, name: str) -> tuple[str, ...]:
        """Return the texts of a column that count from another number, as was said already."""
        if name not in self.told:
            return ()
        whole = [(text.strip(), self.whole.fullmatch(text.strip())) for text in self.columns[name].texts]
        return tuple(text for text, number in whole if number and number.group(1) == self.told[name])

    def _reasons(self, answers: Answers, read: ClosedColumn, off: Flags) -> list[str]:
        counts = {reason: int((off & (read.codes == code)).sum()) for code, reason in answers.off_scale.items()}
        return [f"{reason} {count}" for reason, count in counts.items() if count]

    def _file_labels(self, name: str, answers: Answers, counted: LedgerLine) -> None:
        """Refuse a file whose own labels (.sav) say that its codes mean something else."""
        own = []
        for value, label in self.table.value_labels.get(name, {}).items():
            number = WHOLE.fullmatch(value)
            code = int(number.group(1)) if number else NOTHING
            meant = answers.labelled(label)
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
                    f"the file declares {spelt_range(lost)} as missing, which the definition has as an answer; "
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
            column = self._text(name, "question")
            if question.role == "code":
                self._spoilt(name, column)
            return column.strings()
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
        column = self.columns[name].change(filled)
        answered = int((column.position >= 0).sum())
        self.lines[name] = LedgerLine(
            column=name, became=became, cells=self.size, answered=answered, blank=self.size - answered
        )
        return column

    def _unknown(self) -> dict[str, Any]:
        people: dict[str, Any] = {}
        rules = {name: rule.id for rule in self.instrument.scores for name in (rule.export, rule.id)}
        for name in self.columns:
            if name in self.lines:
                continue
            numbers = self._numbers(name) if name in rules else None
            if numbers is not None:
                self._text(name, "score")
                self.scores[name] = (rules[name], numbers)
            else:
                people[name] = self._text(name, "kept").strings()
                self.lines[name].notes.append(
                    self._stamp_note(name) or "not a column of this questionnaire; kept as text"
                )
        return people

    def _stamp_note(self, name: str) -> str:
        """Return what a column for the survey's stamp says; "" if it is another column."""
        if name not in STAMPED:
            return ""
        there = self.columns[name].change(filled).texts
        if not there:
            return "what the survey was made from: empty"
        stamps = [_whole(text) for text in there if stamped(text)[1]]
        return f"what the survey was made from: {', '.join(stamps)}" if stamps else ""

    def _numbers(self, name: str) -> npt.NDArray[np.float64] | None:
        """Return a column as numbers, NaN where empty; None if a cell is no number."""
        column = self.columns[name].change(filled)
        numbers = []
        for text in column.texts:
            try:
                numbers.append(float(text.strip().replace(",", ".") if self.table.decimal_comma else text))
            except ValueError:
                return None
        return np.array([*numbers, np.nan])[column.position]

    def _ledger(self) -> pd.DataFrame:
        named = [name or f"(column {number})" for number, name in enumerate(self.table.names, start=1)]
        return ledger_table([self.lines[name] for name in dict.fromkeys(named) if name in self.lines], self.table)


def _merged(column: Column) -> Column:
    """Return the column with each different text once, after several texts became the same."""
    at = {text: number for number, text in enumerate(dict.fromkeys(column.texts))}
    places = np.array([*(at[text] for text in column.texts), -1], dtype=np.int64)
    return Column(texts=tuple(at), position=places[column.position])


def _whole(text: str) -> str:
    """Return a stamp, which is longer than what `shown` shows, without signs that could hide something."""
    return "".join(sign for sign in text if sign.isprintable())[:120]


def _found(cell: str | None, what: str) -> str:
    return "the cell is empty" if cell is None else f"{shown(cell)} is not {what}"


def _reasons_of(codes: Codes, off: Flags, reasons: Mapping[int, str]) -> Any:
    """Return the reason for each off-scale code, missing elsewhere."""
    known = pd.array([*reasons.values()], dtype="string")
    position = np.full(len(codes), -1)
    for at, code in enumerate(reasons):
        position[off & (codes == code)] = at
    return known.take(position, allow_fill=True)
