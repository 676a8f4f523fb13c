"""Answers exported by REDCap as CSV: raw or labelled values, raw or labelled headings.

The first column is the record: who answered. Columns of the questionnaire are recognised by the field name (checkbox
fields by ``field___code``), in labelled headings by the question text (``text (choice=label)``). Events become waves
in the order in which records pass through them; where there are no events, repeat instances do. A data access group
becomes the organisation where the file has none. Rows in which nobody opened the questionnaire are left out and
counted; incomplete ones are kept and counted.

The layout follows REDCap's own documentation of exports and the sample files of the R packages for REDCap; no export
of a live server was at hand.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from instrument.definition import Instrument
from instrument.platforms.answers import CERTAIN, KEYS, LIKELY, Evidence, Taken, assembled, plain
from instrument.platforms.recognised import Found, Gathered, Names, cut, day, filled
from instrument.tables import Column, Fault, RawTable

PLATFORM = "redcap"

# Heading, raw or labelled → what REDCap's own column is.
_OWN = {
    "redcap_event_name": "event",
    "Event Name": "event",
    "redcap_repeat_instrument": "repeats of",
    "Repeat Instrument": "repeats of",
    "redcap_repeat_instance": "instance",
    "Repeat Instance": "instance",
    "redcap_data_access_group": "group",
    "Data Access Group": "group",
    "redcap_survey_identifier": "identifier",
    "Survey Identifier": "identifier",
    "Survey Timestamp": "timestamp",
    "Complete?": "status",
}
_DEFAULT_RECORD = ("record_id", "Record ID")
_RECORD = (*_DEFAULT_RECORD, "study_id", "Study ID", "participant_id", "Participant ID")
_STATUS = {"0": 0, "incomplete": 0, "1": 1, "unverified": 1, "2": 2, "complete": 2}
_STATUS_WORDS = ("Incomplete", "Unverified", "Complete")
_ARM = re.compile(r"(.+?)(_arm_\d+[a-z]?| \(Arm \d+: .*\))")
_CHOICE = re.compile(r"(.*) \(choice=(.*)\)", re.DOTALL)


def evidence(table: RawTable, instrument: Instrument) -> Evidence | None:
    """Return why the table looks like an export of REDCap; None if it does not."""
    raw = [name for name in table.names if name.startswith("redcap_") and name in _OWN]
    if raw:
        return Evidence(platform=PLATFORM, strength=CERTAIN, reasons=(f"columns {', '.join(raw)}",))
    statuses = [
        name
        for name, column in zip(table.names, table.columns, strict=True)
        if _kind(name) == "status" and _all_statuses(column)
    ]
    first = table.names[0] if table.names else ""
    boxes = [name for name in table.names if _is_box(name, instrument)]
    if boxes:
        return Evidence(platform=PLATFORM, strength=CERTAIN, reasons=(f"columns such as {boxes[0]}",))
    if not statuses and first in _DEFAULT_RECORD:
        return Evidence(platform=PLATFORM, strength=LIKELY, reasons=(f"a first column {first}",))
    if not statuses:
        return None
    if "Complete?" in statuses or first in _RECORD or _forms_named(statuses, instrument):
        return Evidence(platform=PLATFORM, strength=CERTAIN, reasons=(f"columns {first}, …, {', '.join(statuses)}",))
    return Evidence(platform=PLATFORM, strength=LIKELY, reasons=(f"a column {statuses[0]}",))


def canonical(table: RawTable, instrument: Instrument, *, language: str | None = None) -> RawTable:
    """Return the answers of a REDCap export under canonical column names.

    Parameters
    ----------
    table : RawTable
    instrument : Instrument
    language : str, optional
        Recognise question texts in this language only; default: in any.

    Returns
    -------
    RawTable
        Faults: events whose order cannot be told; a record with several instances in one event; two columns that are
        the same question.
    """
    return _Export(table, Names(instrument, language)).read()


def _kind(name: str) -> str:
    """Return what a column of REDCap itself is, "" for a field."""
    if name in _OWN:
        return _OWN[name]
    # pandas and R number headings that occur twice: "Complete?.1", "Complete?...7".
    if re.match(r"(Complete\?|Survey Timestamp)[._]+\d+\Z", name):
        return _kind(re.split(r"[._]+\d+\Z", name)[0])
    if name.endswith("_complete"):
        return "status"
    return "timestamp" if name.endswith("_timestamp") else ""


def _is_box(name: str, instrument: Instrument) -> bool:
    """Return whether a column is an answer to a question with several, as REDCap alone names it: ``meal___1``."""
    question, _, code = name.casefold().partition("___")
    return code.isalnum() and question in instrument.questions.ids and instrument.questions[question].multiple


def _all_statuses(column: Column) -> bool:
    return all(plain(text) in _STATUS for text in column.texts)


def _forms_named(statuses: Sequence[str], instrument: Instrument) -> list[str]:
    """Return the forms of the questionnaire that REDCap's instruments are named after: ``pwiq_p_complete``."""
    names = {f"{instrument.id}_{form.lower()}_complete".replace("-", "_"): form for form in instrument.forms.ids}
    return [names[status] for status in statuses if status in names]


class _Export:
    """One file, as it is read."""

    def __init__(self, table: RawTable, names: Names) -> None:
        self.whole = table
        self.names = names
        self.instrument = names.instrument
        self.left_out: list[tuple[str, int, str]] = []
        self.remarks: list[tuple[str, str]] = []
        self.counted: tuple[str, ...] = ()
        self.kinds = [_kind(name) for name in table.names]
        self.found = [() if kind else self._asks(name) for name, kind in zip(table.names, self.kinds, strict=True)]
        if not self.found[0] and not self.kinds[0]:
            self.kinds[0] = "record"
        for at, column in enumerate(table.columns):
            if self.kinds[at] == "status" and not _all_statuses(column):
                self.kinds[at] = ""
        self.table = cut(table, self._opened())
        self.gathered = Gathered(table=self.table, names=names, separators=",")

    def _asks(self, header: str) -> tuple[Found, ...]:
        if found := self.names.by_id(header):
            return (found,)
        if choice := _CHOICE.fullmatch(header):
            return tuple(
                replace(each, code=code)
                for each in self.names.by_text(choice[1])
                if (code := self.names.code(each.name, choice[2]))
            )
        return self.names.by_text(header) or self._score(header)

    def _score(self, header: str) -> tuple[Found, ...]:
        """Return the score that a calculated field is labelled with."""
        return tuple(
            Found(name=rule.export, how="text")
            for rule in self.instrument.scores
            if plain(header) in {plain(title) for title in rule.title.values()}
        )

    # Rows

    def _opened(self) -> npt.NDArray[np.bool_]:
        """Return in which rows the questionnaire was opened; REDCap has rows for every event and instrument."""
        table = self.whole
        opened = np.zeros(len(table.rows), dtype=bool)
        for found, kind, column in zip(self.found, self.kinds, table.columns, strict=True):
            if kind == "status":
                opened |= _is(column, lambda text: _STATUS[plain(text)] > 0)
            elif found and self._is_answer(found[0]):
                opened |= (
                    _is(column, lambda text: plain(text) not in ("", "0", "unchecked"))
                    if found[0].code
                    else filled(column)
                )
        if not opened.all():
            rows = ", ".join(map(str, table.rows[~opened].tolist()[:10]))
            self.left_out.append(
                (
                    "(rows without answers)",
                    int((~opened).sum()),
                    "nobody answered this questionnaire in them (another event or instrument, or it was never opened): "
                    f"rows {rows}{', …' if int((~opened).sum()) > 10 else ''}",
                )
            )
        return opened

    def _is_answer(self, found: Found) -> bool:
        instrument = self.instrument
        if found.name in instrument.items.ids:
            return True
        return found.name in instrument.questions.ids and instrument.questions[found.name].role != "system"

    def read(self) -> RawTable:
        for at, column in enumerate(self.table.columns):
            self._take(at, column)
        if not self.gathered.has("form"):
            self._form_by_name()
        keys = self._keys()
        taken = [*keys, *self.gathered.finish()]
        return assembled(
            replace(self.table, remarks=(*self.table.remarks, *self.remarks), counted=self.counted),
            taken,
            platform=PLATFORM,
            left_out=[*self.left_out, *self.gathered.left_out],
            faults=self.gathered.faults,
        )

    # Columns

    def _take(self, at: int, column: Column) -> None:
        header, kind, found = self.table.names[at], self.kinds[at], self.found[at]
        if kind == "status":
            self._status(header, column)
        elif kind == "identifier":
            self.gathered.drop(header, column, "it may name people; dropped and never read")
        elif kind == "repeats of":
            self.gathered.drop(header, column, "which instrument repeats; not an answer")
        elif kind:
            return
        elif len(found) > 1:
            names = ", ".join(each.name for each in found)
            self.gathered.faults.append(
                Fault(1, header, f"this heading is that of {names}; export with raw headings, or rename the columns")
            )
        elif found and self._is_empty_key(found[0], column):
            self.gathered.drop(header, column, "empty")
        elif found:
            self.gathered.add(found[0], header, column.change(_unchecked) if found[0].code else column)
        elif header:
            self.gathered.keep(header, column)
        elif filled(column).any():
            row = int(self.table.rows[np.flatnonzero(filled(column))[0]])
            self.gathered.faults.append(
                Fault(1, f"column {at + 1}", f"the column has no name but is filled in row {row}; name it or empty it")
            )

    def _is_empty_key(self, found: Found, column: Column) -> bool:
        """Whether the column is a field for what the platform knows otherwise (wave, organisation …), never filled."""
        return found.name in (*KEYS, "date") and not filled(column).any()

    def _status(self, header: str, column: Column) -> None:
        """Say how many records are complete; all are kept."""
        numbers = np.array([_STATUS[plain(text)] for text in column.texts] + [-1])[column.position]
        counts = [f"{_STATUS_WORDS[code]} {int((numbers == code).sum())}" for code in (2, 1, 0)]
        none = f", no status {int((numbers < 0).sum())}" if (numbers < 0).any() else ""
        self.remarks.append((header, f"{', '.join(counts)}{none}; incomplete records are kept, with blanks"))

    def _form_by_name(self) -> None:
        statuses = [name for name, kind in zip(self.table.names, self.kinds, strict=True) if kind == "status"]
        named = _forms_named(statuses, self.instrument)
        if len(named) == 1:
            header = statuses[0]
            self.gathered.taken.append(
                Taken(
                    name="form",
                    header=header,
                    column=_constant(named[0], len(self.table.rows)),
                    notes=(f"form {named[0]}, after the name of the instrument in REDCap ({header})",),
                )
            )

    def _own(self, kind: str) -> tuple[str, Column] | None:
        """Return REDCap's own column of a kind, if it is there and not empty."""
        for name, each, column in zip(self.table.names, self.kinds, self.table.columns, strict=True):
            if each == kind and filled(column).any():
                return name, column
        return None

    # Who and when

    def _keys(self) -> list[Taken]:
        keys = []
        record, event, instance = self._own("record"), self._own("event"), self._own("instance")
        parts = [part for part in (record, event, instance) if part]
        if record and not self.gathered.has("response"):
            ids = [part[1].strings().fillna("") for part in parts]
            joined = ids[0]
            for more in ids[1:]:
                joined = joined + np.where(more == "", "", "/") + more
            note = f"made of {', '.join(part[0] for part in parts)}"
            keys.append(
                Taken(
                    name="response", header=record[0], column=Column.of(joined, str), notes=(note,) if parts[1:] else ()
                )
            )
            self.counted = ("response", "event") if event else ("response",)
            if not self.gathered.has("person"):
                note = f"the record number ({record[0]})"
                keys.append(Taken(name="person", header=record[0], column=record[1], notes=(note,)))
                self.counted += ("person",)
        keys += self._group()
        keys += self._date()
        return keys + self._wave(record, event, instance)

    def _group(self) -> list[Taken]:
        group = self._own("group")
        if not group:
            return []
        if self.gathered.has("organisation"):
            self.gathered.drop(*group, "the data access group; the organisation stands in a column of its own")
            return []
        return [Taken(name="organisation", header=group[0], column=group[1], notes=("the data access group",))]

    def _date(self) -> list[Taken]:
        stamps = [
            (name, column)
            for name, kind, column in zip(self.table.names, self.kinds, self.table.columns, strict=True)
            if kind == "timestamp"
        ]
        for at, (name, column) in enumerate(stamps):
            open_still = int(_is(column, lambda text: text.strip() == "[not completed]").sum())
            if open_still:
                self.remarks.append((name, f"{open_still} surveys were begun and not submitted; they are kept"))
            if at or self.gathered.has("date"):
                self.gathered.drop(name, column, "a time; the date stands in another column")
        if not stamps or self.gathered.has("date"):
            return []
        name, column = stamps[0]
        return [Taken(name="date", header=name, column=column.change(_day))]

    def _wave(
        self, record: tuple[str, Column] | None, event: tuple[str, Column] | None, instance: tuple[str, Column] | None
    ) -> list[Taken]:
        """Return the wave: from its own field, else from events, else from repeat instances."""
        if self.gathered.has("wave"):
            for part in (event, instance):
                if part:
                    self.gathered.drop(*part, "the wave stands in a field of its own")
            return []
        names = _events(event[1]) if event else np.array([])
        several = len(set(names.tolist()) - {""}) > 1
        if event and several and record:
            order = _order(record[1].position, names)
            if order is None:
                self.gathered.faults.append(
                    Fault(
                        1,
                        event[0],
                        f"the order of the events {', '.join(dict.fromkeys(names.tolist()))} cannot be told from the file, "
                        "since no record has passed through all of them; add a column wave (1, 2, …)",
                    )
                )
                return []
            if instance:
                self.gathered.drop(*instance, "repeat instances; the wave is that of the event")
            waves = {name: str(number) for number, name in enumerate(order, start=1)}
            told = ", ".join(f"{name} = {number}" for name, number in waves.items())
            column = Column.of(names, lambda name: waves.get(name))
            return [
                Taken(name="wave", header=event[0], column=column, notes=(f"events in the order of records: {told}",))
            ]
        if event:
            self.gathered.drop(
                *event, f"one event ({names[0]}): the wave is that of the file" if len(names) else "no event"
            )
        if instance and _is(instance[1], lambda text: text.strip() not in ("", "1")).any():
            column = instance[1].change(lambda text: text.strip())
            ones = Column(
                texts=(*column.texts, "1"), position=np.where(column.position < 0, len(column.texts), column.position)
            )
            return [Taken(name="wave", header=instance[0], column=ones, notes=("instance n of a record is wave n",))]
        if instance:
            self.gathered.drop(*instance, "one instance of each record; the wave is that of the file")
        return []


def _is(column: Column, test: Callable[[str], bool]) -> npt.NDArray[np.bool_]:
    """Return in which rows the cell passes a test; an empty cell does not."""
    passed = np.array([test(text) for text in column.texts] + [False], dtype=bool)
    return passed[column.position]


def _unchecked(text: str) -> str:
    return {"checked": "1", "unchecked": "0"}.get(plain(text), text)


def _day(text: str) -> str | None:
    return None if text.strip() == "[not completed]" else day(text)


def _constant(text: str, size: int) -> Column:
    return Column(texts=(text,), position=np.zeros(size, dtype=np.int64))


def _events(column: Column) -> npt.NDArray[np.object_]:
    """Return the name of each row's event, without its arm."""
    names = []
    for text in column.texts:
        arm = _ARM.fullmatch(text.strip())
        names.append(arm[1] if arm else text.strip())
    return np.array([*names, ""], dtype=object)[column.position]


def _order(record: npt.NDArray[np.int64], events: npt.NDArray[np.object_]) -> list[str] | None:
    """Return the one order of the events in which every record passes through them; None if there are several or none."""
    after: dict[str, set[str]] = {event: set() for event in dict.fromkeys(events.tolist())}
    paths: dict[int, list[str]] = {}
    for who, event in zip(record.tolist(), events.tolist(), strict=True):
        path = paths.setdefault(who, [])
        if event not in path:
            path.append(event)
    for path in paths.values():
        for before, then in pairwise(path):
            after[before].add(then)
    order: list[str] = []
    left = set(after)
    while left:
        first = [event for event in left if not any(event in after[other] for other in left)]
        if len(first) != 1:
            return None
        order.append(first[0])
        left.remove(first[0])
    return order
