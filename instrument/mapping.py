"""A mapping applied: the columns of a foreign file named as it says, then read as the platform's export that it is.

The mapping only names columns and values: rows that are no answers, dates and columns that name people are dealt with by
the platform's own reading, as without a mapping. `instrument.mapping_file` says what stands in such a file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np

from instrument.mapping_file import AnswerMapping, key, scales, several_answers
from instrument.mapping_file import MappingError as MappingError
from instrument.mapping_file import read_mapping as read_mapping
from instrument.mapping_proposal import propose_mapping as propose_mapping
from instrument.platforms.answers import plain
from instrument.platforms.detection import CANONICAL, as_canonical, title
from instrument.platforms.personal import DROPPED
from instrument.platforms.recognised import Names, answers_of, day, form_ids, readings
from instrument.responses import ResponseError
from instrument.tables import Column, Fault, RawTable, shown

_BETWEEN = ",;|"  # signs between several answers in one cell
_CODES = re.compile(r"[0-9]+( +[0-9]+)+", re.ASCII)


def apply_mapping(
    table: RawTable, mapping: AnswerMapping, *, platform: str = "auto", language: str | None = None
) -> RawTable:
    """Return the answers of a file under canonical column names, with the columns and codes that a mapping says.

    The platform is found by the marks of the file as it is, and its own reading goes on: rows without answers, dates,
    columns that name people, headings that it recognises itself.

    Parameters
    ----------
    table : RawTable
    mapping : AnswerMapping
    platform, language : str, optional
        As for `as_canonical`.

    Raises
    ------
    ResponseError
        If a heading of the mapping does not stand in the file, or stands there twice; if the platform's reading leaves
        out a column that the mapping names.
    """
    _require_headings(table, mapping)
    named = _Named(table, mapping)
    read = as_canonical(named.table, mapping.instrument, platform=platform, language=language, marks=table)
    return named.told(read)


def _require_headings(table: RawTable, mapping: AnswerMapping) -> None:
    faults = []
    for header, name in mapping.columns.items():
        count = table.names.count(header.strip())
        if count != 1:
            what = "has no such column" if not count else f"has {count} columns of this name"
            faults.append(
                f"{table.file}: {mapping.file} maps {shown(header)}, but the file {what}; correct the mapping"
            )
        elif name and name in table.names and name != header.strip() and name not in mapping.columns:
            faults.append(
                f"{table.file}: {mapping.file} maps {shown(header)} to {name}, but the file has a column {name} too; leave "
                f'one of them out ({name} = "")'
            )
    if faults:
        raise ResponseError(faults)


class _Named:
    """A file whose headings are those that a mapping says, and what has to be told of that."""

    def __init__(self, table: RawTable, mapping: AnswerMapping) -> None:
        self.mapping = mapping
        self.instrument = mapping.instrument
        self.names = Names(mapping.instrument)
        self.headers: dict[str, str] = {}  # the name given here → the heading in the file
        self.left_out: dict[str, int] = {}  # heading → its filled cells
        self.blanked: set[str] = set()
        self.unread: dict[str, str] = {}  # the name given here to a column that is left out → its heading
        self.notes: dict[str, tuple[str, ...]] = {}
        self.recoded = 0  # cells
        self.bad: list[Fault] = []
        self.table = self._renamed(table)

    def _renamed(self, table: RawTable) -> RawTable:
        columns = {header.strip(): name for header, name in self.mapping.columns.items()}
        severals = several_answers(self.instrument)
        parts: list[tuple[str, str, Column]] = []  # heading, name, cells
        for header, column in zip(table.names, table.columns, strict=True):
            name = columns.get(header, header)
            if not name:
                cells = self._left_out(header, column)
                unread = f"(left out {len(parts) + 1})"  # a heading that no platform's reading recognises
                parts.append((header, unread if header in self.blanked else header, cells))
            elif header in columns and name in severals:
                parts += [(header, own, cells) for own, cells in self._split(table, header, name, column)]
            else:
                if header in columns and name != header:
                    self.notes[name] = (f"mapped by {self.mapping.file}",)
                parts.append((header, name, self._recoded(name, column, mapped=header in columns)))
        self.unread = {name: header for header, name, _ in parts if header in self.blanked}
        self.headers = {name: header for header, name, _ in parts if name not in (header, *self.unread)}
        new = {header: name for name, header in self.headers.items()}
        return replace(
            table,
            names=tuple(name for _, name, _ in parts),
            columns=tuple(column for _, _, column in parts),
            value_labels={new.get(name, name): labels for name, labels in table.value_labels.items()},
            declared_missing={new.get(name, name): ranges for name, ranges in table.declared_missing.items()},
        )

    def _left_out(self, header: str, column: Column) -> Column:
        """Return the cells of a column that is left out: none where it would be read as a question.

        A column of the platform itself keeps its cells, since they may tell which rows are answers.
        """
        self.left_out[header] = int((column.position >= 0).sum())
        row = header.rpartition("[")[2].rstrip("] ")
        if not (self.names.by_id(header) or self.names.by_text(header) or self.names.nearest(row)):
            return column
        self.blanked.add(header)
        return Column(texts=(), position=np.full_like(column.position, -1))

    def _recoded(self, name: str, column: Column, *, mapped: bool) -> Column:
        """Return the cells under a name with the values that the mapping says, dates as days, forms as ids."""
        codes = self.mapping.values.get(name, {})
        if changed := [text for text in column.texts if key(text) in codes]:
            cells = np.bincount(column.position[column.position >= 0], minlength=len(column.texts))
            counts = {text: int(cells[column.texts.index(text)]) for text in changed}
            told = [f"{shown(text)} as {codes[key(text)] or 'blank'} ({count})" for text, count in counts.items()]
            self.recoded += sum(counts.values())
            self.notes[name] = (*self.notes.get(name, ()), f"recoded: {', '.join(told)}")
            column = column.change(lambda text: codes.get(key(text), text))
        if mapped and name == "date":
            return column.change(day)
        return form_ids(column, self.instrument) if mapped and name == "form" else column

    def _split(self, table: RawTable, header: str, question: str, column: Column) -> Iterator[tuple[str, Column]]:
        """Yield columns of 0 and 1 from one that holds several answers in a cell."""
        answers = answers_of(self.names, question)
        codes = self.mapping.values.get(question, {})
        known = {plain(answer): name for answer, name in answers.items()}
        known |= {plain(value): f"{question}{code}" for value, code in codes.items() if code}
        blanks = {plain(value) for value, code in codes.items() if not code}
        chosen: dict[str, frozenset[str]] = {}
        for at, text in enumerate(column.texts):
            if plain(text) in blanks:
                continue
            # A line break parts answers, too; `plain` would make a blank of it. Codes may have blanks between them.
            found, rest = readings(plain(text.replace("\n", ";")), _BETWEEN, known)
            if not found and _CODES.fullmatch(text.strip()):
                found, rest = readings(text.strip(), " ", known)
            if len(found) == 1:
                (chosen[text],) = found
                continue
            labels = " / ".join(each for each in answers if not each.isdigit())
            said = (
                f"{shown(text)} can be read as several sets of answers to {question}; separate them otherwise"
                if found
                else f"{shown(rest or text)} is no answer to {question}; allowed are its codes and labels ({labels}): "
                f"correct it, or say in [values.{scales(self.instrument)[question]}] of {self.mapping.file} what it is"
            )
            rows = table.rows[np.flatnonzero(column.position == at)].tolist()
            self.bad += [Fault(row, header, said) for row in rows]
        for name in dict.fromkeys(answers.values()):
            self.notes[name] = (f"mapped by {self.mapping.file}: one of several answers in the column {header!r}",)
            yield name, column.change(lambda text, own=name: _mark(own, chosen.get(text)))  # type: ignore[misc]

    def told(self, read: RawTable) -> RawTable:
        """Return what was read with the headings of the file, and the ledger's sentences about the mapping."""
        headers = {name: self._heading(read.headers.get(name, name)) for name in read.names}
        answers = set(read.rows.tolist())
        read = replace(
            read,
            headers={name: header for name, header in headers.items() if header != name},
            faults=tuple(self._as_in_file(fault, read) for fault in read.faults)
            + tuple(fault for fault in self.bad if fault.row in answers),
            left_out=tuple((self._heading(what), count, note) for what, count, note in read.left_out),
        )
        self._require_taken(read)
        return self._with_notes(self._without_left_out(self._late_values(read)))

    def _heading(self, name: str) -> str:
        return self.headers.get(name, self.unread.get(name, name))

    def _as_in_file(self, fault: Fault, read: RawTable) -> Fault:
        return fault if fault.column in read.names else fault._replace(column=self._heading(fault.column))

    def _require_taken(self, read: RawTable) -> None:
        """Refuse a mapping that the platform's reading would not follow: nothing that was said is passed over."""
        dropped = {header: (count, note) for header, count, note in read.left_out}
        faults = []
        for name, header in self.headers.items():
            count, note = dropped.get(header, (1, "it is used otherwise"))
            if name not in read.names and count:
                faults.append(
                    f"{read.file}: {self.mapping.file} maps {shown(header)} to {name}, but this is {title(read.platform)}, "
                    f"which is read otherwise: {note}; take the line out of the mapping, or say --platform {CANONICAL}"
                )
        if faults:
            raise ResponseError(faults)

    def _late_values(self, read: RawTable) -> RawTable:
        """Return the table with the values of those columns, too, that the platform's reading alone recognised."""
        done = {*self.headers, *self.table.names} & set(read.names)
        columns = [
            column if name in done else self._recoded(name, column, mapped=False)
            for name, column in zip(read.names, read.columns, strict=True)
        ]
        return replace(read, columns=tuple(columns))

    def _without_left_out(self, read: RawTable) -> RawTable:
        theirs = {header: note for header, _, note in read.left_out if header in self.left_out and note != DROPPED}
        said = f"left out, as {self.mapping.file} says"
        ours = [
            (header, count, "; ".join(filter(None, (said, "" if header in self.blanked else theirs.get(header, "")))))
            for header, count in self.left_out.items()
        ]
        kept = [
            (name, column)
            for name, column in zip(read.names, read.columns, strict=True)
            if read.headers.get(name, name) not in self.left_out
        ]
        return replace(
            read,
            names=tuple(name for name, _ in kept),
            columns=tuple(column for _, column in kept),
            faults=tuple(fault for fault in read.faults if fault.column not in self.left_out),
            left_out=(*(each for each in read.left_out if each[0] not in self.left_out), *ours),
        )

    def _with_notes(self, read: RawTable) -> RawTable:
        notes = {name: (*read.notes.get(name, ()), *self.notes.get(name, ())) for name in read.names}
        return replace(
            read,
            notes={name: said for name, said in notes.items() if said},
            remarks=(*read.remarks, ("(mapping)", self._summary())),
        )

    def _summary(self) -> str:
        """Return what the mapping did, in a sentence: which headings became items, and how many cells were recoded."""
        items = [(header, name) for name, header in self.headers.items() if name in self.instrument.items.ids]
        others = [(header, name) for name, header in self.headers.items() if name not in self.instrument.items.ids]
        said = [f"{len(items)} items are named as {self.mapping.file} says{_pairs(items)}"]
        if others:
            said.append(f"{len(others)} other columns{_pairs(others)}")
        if self.recoded:
            said.append(f"{self.recoded} cells were recoded")
        return "; ".join(said)


def _pairs(columns: Sequence[tuple[str, str]]) -> str:
    """Return the first and the last heading with what they became."""
    told = [f"{header} → {name}" for header, name in columns]
    return f" ({told[0] if len(told) == 1 else f'{told[0]} … {told[-1]}'})" if told else ""


def _mark(name: str, chosen: frozenset[str] | None) -> str | None:
    return None if chosen is None else str(int(name in chosen))
