"""Which question a column of an export asks, by its id or its text; and several answers brought into columns of 0 and 1.

Shared by the readers of Qualtrics, Kobo, ODK Central, Google Forms and Microsoft Forms.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from instrument.definition import Instrument
from instrument.platforms.answers import KEYS, Taken, choices, headings, known_columns, plain
from instrument.platforms.personal import DROPPED, is_personal
from instrument.tables import Column, Fault, RawTable, shown

_MOST_READINGS = 50  # of one cell; made-up labels could have thousands
_MOST_PARTS = 20  # of a heading; all that lie side by side are compared
_NEAR = 0.8  # of 1; below it two sentences are about different things
WORD_JOINER = "\u2060"  # invisible; stands in labels of an XLSForm where a sign would begin a tag or a link
_ESCAPED = re.compile(r"\\([\\*_#])")
_LAST = re.compile(r"([^A-Za-z0-9])([A-Za-z0-9]+)\Z")
_OF_SEVERAL = re.compile(r"(.*[^A-Za-z0-9])?([A-Za-z][A-Za-z0-9]*)[^A-Za-z0-9]+([0-9]+)")
_DAY = re.compile(r"(\d{4})[-/](\d{1,2})[-/](\d{1,2})(?:\D.*)?", re.DOTALL)


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a column asks: a key, item, question or score; `code`: the one answer of several that it is about."""

    name: str
    code: str | None = None
    how: str = "id"


def bare(text: str) -> str:
    """Return a heading as it is compared: as `plain` makes it, without a colon or an asterisk at its end.

    Signs that keep an XLSForm's text from being read as Markdown are taken out, too.

    Examples
    --------
    >>> bare("I like   my work: *")
    'i like my work'
    """
    return plain(_ESCAPED.sub(r"\1", text.replace(WORD_JOINER, ""))).rstrip(" *:")


def day(text: str) -> str:
    """Return the day of a moment that begins with its year; other texts as they are.

    Examples
    --------
    >>> day("2026-07-18 08:28:09"), day("2026/7/8 8:28:09 AM GMT+2"), day("7/8/2026 8:28")
    ('2026-07-18', '2026-07-08', '7/8/2026 8:28')
    """
    found = _DAY.fullmatch(text.strip())
    return f"{found[1]}-{int(found[2]):02}-{int(found[3]):02}" if found else text


class Names:
    """Finds what a column asks; with a `language`, texts are those of that language only."""

    def __init__(self, instrument: Instrument, language: str | None = None) -> None:
        self.instrument = instrument
        self.severals = tuple(question.id for question in instrument.questions if question.multiple and question.scale)
        codes = {
            each: instrument.response_scales[str(instrument.questions[each].scale)].labels for each in self.severals
        }
        self._ids = {name: Found(name=name) for name in (*known_columns(instrument), *instrument.questions.ids)}
        self._ids |= {
            rule.export: Found(name=rule.export) for rule in instrument.scores if rule.export not in self._ids
        }
        self._ids |= {
            f"{each}{code}": Found(name=each, code=str(code)) for each in self.severals for code in codes[each]
        }
        # Words that other columns end in too: my_team, user_language.
        self._plain_words = {*KEYS, *(each.id for each in instrument.questions if each.role == "system")}
        self._texts: dict[str, tuple[str, ...]] = {}
        asked = [
            (text, tuple(each.name for each in names if language in (None, each.language)))
            for text, names in headings(instrument).items()
        ]
        if "form" not in instrument.questions.ids or instrument.form_question:
            # A survey without a question for the form asks it under the questionnaire's title.
            which = instrument.form_question or instrument.title
            asked += [(text, ("form",)) for key, text in which.items() if language in (None, key)]
        for text, names in asked:
            before = self._texts.get(bare(text), ())
            if names:
                self._texts[bare(text)] = tuple(dict.fromkeys((*before, *names)))
        self._choices = {
            each: {bare(label): name.removeprefix(each) for label, name in choices(instrument, each).items()}
            for each in self.severals
        }

    def by_id(self, name: str, *, tags: bool = True) -> Found | None:
        """Return what a column name says, with or without groups before it: ``roleaf``, ``pagerole/roleaf``.

        With `tags` an underscore too may stand before the id (``role_roleaf``); else it is part of another name.
        """
        if name.casefold() in self._ids:
            return self._ids[name.casefold()]
        if not name or any(sign.isspace() for sign in name):
            return None  # a sentence, not a name
        last = _LAST.search(name.casefold())
        if last and last[2] in self._ids and (last[1] != "_" or (tags and last[2] not in self._plain_words)):
            return self._ids[last[2]]
        found = _OF_SEVERAL.fullmatch(name.casefold())
        if found and f"{found[2]}{found[3]}" in self._ids and found[2] in self.severals:
            return self._ids[f"{found[2]}{found[3]}"] if tags or not (found[1] or "").endswith("_") else None
        return None

    def by_text(self, text: str) -> tuple[Found, ...]:
        """Return the questions with this text in any language; several where the text is that of several."""
        return tuple(Found(name=name, how="text") for name in self._texts.get(bare(text), ()))

    def by_parts(self, text: str, separator: str) -> tuple[Found, ...]:
        """Return what a text says with more before or behind it: "stem - row", "question - answer"."""
        parts = text.rsplit(separator, _MOST_PARTS)
        for at in range(len(parts)):
            if found := self.by_text(separator.join(parts[at:])):
                return found
        for start in range(len(parts)):
            for end in range(start + 1, len(parts)):
                for each in self.by_text(separator.join(parts[start:end])):
                    if code := self.code(each.name, separator.join(parts[end:])):
                        return (replace(each, code=code),)
        return ()

    def code(self, question: str, label: str) -> str | None:
        """Return the code of an answer to a question with several, by its label."""
        return self._choices.get(question, {}).get(bare(label))

    def scale(self, name: str) -> str | None:
        """Return the response scale of an item or of a question with one answer; None for everything else."""
        if name in self.instrument.items.ids:
            return self.instrument.items[name].scale
        if name in self.instrument.questions.ids and name not in self.severals:
            return self.instrument.questions[name].scale
        return None

    def nearest(self, text: str) -> tuple[tuple[str, ...], str] | None:
        """Return the questions whose text is nearest, and that text; None if none is near."""
        close = difflib.get_close_matches(bare(text), self._texts, n=1, cutoff=_NEAR)
        return (self._texts[close[0]], close[0]) if close else None


def answers_of(names: Names, question: str) -> dict[str, str]:
    """Return what stands for the answers to a question with several: codes and labels → column of 0 and 1."""
    scale = names.instrument.response_scales[str(names.instrument.questions[question].scale)]
    return {str(code): f"{question}{code}" for code in scale.labels} | choices(names.instrument, question)


def form_ids(column: Column, instrument: Instrument) -> Column:
    """Return a column of forms with the titles of forms, in any language, turned into their ids."""
    ids = {plain(title): form.id for form in instrument.forms for title in form.title.values()}
    ids |= {plain(form.id): form.id for form in instrument.forms}
    return column.change(lambda text: ids.get(plain(text), text))


def cut(table: RawTable, keep: npt.NDArray[np.bool_]) -> RawTable:
    """Return the table with these rows only; texts that no row bears any more are gone."""
    columns = []
    for column in table.columns:
        position = column.position[keep]
        used = np.flatnonzero(np.bincount(position[position >= 0], minlength=len(column.texts)))
        place = np.full(len(column.texts) + 1, -1, dtype=np.int64)
        place[used] = np.arange(len(used))
        columns.append(Column(texts=tuple(column.texts[at] for at in used.tolist()), position=place[position]))
    return replace(table, columns=tuple(columns), rows=table.rows[keep])


def filled(column: Column) -> npt.NDArray[np.bool_]:
    """Return which rows have a cell that is not empty."""
    there = np.array([bool(text.strip()) for text in column.texts] + [False], dtype=bool)
    return there[column.position]


@dataclass(kw_only=True)
class Gathered:
    """Columns as they are recognised, brought together at the end.

    Parameters
    ----------
    table : RawTable
        Only the rows with answers.
    names : Names
    separators : str
        The signs between several answers in one cell.
    several_versions : bool
        Whether two columns may hold the same question, each for other rows.
    """

    table: RawTable
    names: Names
    separators: str
    several_versions: bool = False
    taken: list[Taken] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    left_out: list[tuple[str, int, str]] = field(default_factory=list)
    _single: dict[str, list[tuple[str, Column]]] = field(default_factory=dict)
    _split: dict[str, dict[str, list[tuple[str, Column]]]] = field(default_factory=dict)

    def add(self, found: Found, header: str, column: Column) -> None:
        """Take a column as what it was found to be."""
        if found.code is None:
            self._single.setdefault(found.name, []).append((header, column))
        else:
            self._split.setdefault(found.name, {}).setdefault(found.code, []).append((header, column))

    def keep(self, header: str, column: Column) -> None:
        """Keep a column that is no question of this questionnaire as text; a heading of persons is dropped."""
        if is_personal(header):
            self.drop(header, column, DROPPED)
        else:
            self.taken.append(Taken(name=header, column=column, header=header))

    def drop(self, header: str, column: Column, why: str) -> None:
        """Leave a column out, and say so with the number of its filled cells."""
        self.left_out.append((header, int(filled(column).sum()), why))

    def has(self, name: str) -> bool:
        """Return whether a column was taken as this question."""
        return name in self._single or name in self._split

    def columns(self) -> Iterator[tuple[str, str, Column]]:
        """Yield what each column with one answer was taken as, its heading and its cells."""
        for name, columns in self._single.items():
            for header, column in columns:
                yield name, header, column

    def finish(self) -> list[Taken]:
        """Return all columns to take, with those of several answers as columns of 0 and 1."""
        found: list[Taken] = []
        for name, columns in self._single.items():
            header, column, notes = self._one(name, columns)
            if name in self.names.severals:
                found += self._joined(name, header, column)
            elif name == "form":
                found.append(
                    Taken(name=name, header=header, column=form_ids(column, self.names.instrument), notes=notes)
                )
            else:
                found.append(Taken(name=name, header=header, column=column, notes=notes))
        for question, split in self._split.items():
            if question not in self._single:
                found += self._marked(question, split)
        return [*found, *self.taken]

    def _fault(self, row: int, header: str, message: str) -> None:
        self.faults.append(Fault(row, header, message))

    def _one(self, name: str, columns: Sequence[tuple[str, Column]]) -> tuple[str, Column, tuple[str, ...]]:
        """Return the one column of a question; two are merged if they hold several versions and never both an answer."""
        (header, column), *others = columns
        heads = [header, *(other for other, _ in others)]
        for other, more in others:
            both = np.flatnonzero(filled(column) & filled(more))
            if not self.several_versions:
                self._fault(
                    1,
                    other,
                    f"the columns {header!r} and {other!r} are both read as {name}; keep one, or rename the other",
                )
            elif len(both):
                row = int(self.table.rows[both[0]])
                self._fault(
                    row,
                    other,
                    f"{shown(str(more[both[0]]))}, but the column {header!r} holds {shown(str(column[both[0]]))} for {name} "
                    f"in the same row (in {len(both)} rows both are filled); keep one of the two columns",
                )
            else:
                column = _merged(column, more)
        same = "of this heading, " if len(set(heads)) == 1 else ""
        named = "" if same else f": {', '.join(heads)}"
        notes = () if len(columns) == 1 else (f"from {len(columns)} columns {same}never both filled{named}",)
        return header, column, tuple(note.replace("columns never", "columns, never") for note in notes)

    def _joined(self, question: str, header: str, column: Column) -> list[Taken]:
        """Return the columns of a question whose answers stand in one cell."""
        answers = answers_of(self.names, question)
        known = {plain(answer): name for answer, name in answers.items()}
        chosen: dict[str, frozenset[str]] = {}
        bad: dict[int, str] = {}  # position of a text → what is wrong with it
        for at, text in enumerate(column.texts):
            found, rest = readings(plain(text), self.separators, known)
            if len(found) == 1:
                (chosen[text],) = found
                continue
            labels = " / ".join(each for each in answers if not each.isdigit())
            bad[at] = (
                f"{shown(text)} can be read as several sets of answers to {question}; write codes, separated by "
                f"{shown(self.separators[0])}"
                if found
                else f"{shown(rest)} is no answer to {question}; allowed are its codes and labels ({labels}); correct it"
            )
        for at in np.flatnonzero(np.isin(column.position, list(bad))).tolist():
            self._fault(int(self.table.rows[at]), header, bad[int(column.position[at])])
        columns = {name: column.change(_Chosen(name, chosen)) for name in dict.fromkeys(answers.values())}
        if split := self._split.get(question):
            self._compare(question, header, columns, split)
        notes = (f"one of several answers in the column {header!r}",)
        return [Taken(name=name, header=header, column=each, notes=notes) for name, each in columns.items()]

    def _compare(
        self,
        question: str,
        header: str,
        joined: Mapping[str, Column],
        split: Mapping[str, Sequence[tuple[str, Column]]],
    ) -> None:
        """Refuse a file whose columns of single answers contradict the column with all of them."""
        for each in self._marked(question, split):
            ours = np.array([text == "1" for text in joined[each.name].texts] + [False])[joined[each.name].position]
            theirs = np.array([text == "1" for text in each.column.texts] + [False])[each.column.position]
            for at in np.flatnonzero(ours != theirs)[:1].tolist():
                self._fault(
                    int(self.table.rows[at]),
                    each.header,
                    f"says {'yes' if theirs[at] else 'no'}, but the column {header!r} says "
                    f"{'yes' if ours[at] else 'no'}; the export is shifted or was edited: export it again",
                )

    def _marked(self, question: str, split: Mapping[str, Sequence[tuple[str, Column]]]) -> list[Taken]:
        """Return columns of 0 and 1 from one column an answer; a row in which nothing is chosen is not answered."""
        scale = self.names.instrument.response_scales[str(self.names.instrument.questions[question].scale)]
        taken = []
        chosen = np.zeros(len(self.table.rows), dtype=bool)
        for code in (str(each) for each in scale.labels):
            if code not in split:
                continue
            header, column, notes = self._one(f"{question}{code}", split[code])
            column = column.change(_mark(code, [plain(label) for label in scale.labels[int(code)].values()]))
            chosen |= np.array([text == "1" for text in column.texts] + [False])[column.position]
            taken.append(Taken(name=f"{question}{code}", header=header, column=column, notes=notes))
        return [replace(each, column=_completed(each.column, chosen)) for each in taken]


def readings(text: str, separators: str, known: Mapping[str, str]) -> tuple[set[frozenset[str]], str]:
    """Return all sets of columns that a cell with several answers can mean, and the rest that is no answer if none.

    An answer may contain a separator. Case, blanks and quotation marks are those of `plain`.

    Examples
    --------
    >>> known = {"a": "q1", "b": "q2", "b, c": "q3"}
    >>> readings("a, b, c", ",", known) == ({frozenset({"q1", "q3"})}, "")
    True
    >>> readings("a, d", ",", known)
    (set(), 'd')
    """
    between = re.compile(f"[{re.escape(separators)} ]*")
    furthest = len(text) - len(text.lstrip(f"{separators} "))
    # Where an answer may begin → what may have been chosen before.
    ways: dict[int, set[frozenset[str]]] = {furthest: {frozenset()}}
    ends: set[frozenset[str]] = set()
    while ways:
        at = min(ways)
        before = ways.pop(at)
        furthest = at
        if at == len(text):
            ends = before
        for answer, name in known.items():
            end = at + len(answer)
            if not answer or not text.startswith(answer, at) or len(before) > _MOST_READINGS:
                continue
            gap = between.match(text, end)
            after = gap.end() if gap else end
            if end == len(text) or set(text[end:after]) & set(separators):
                ways.setdefault(after, set()).update(chosen | {name} for chosen in before)
    return {each for each in ends if each}, text[furthest:]


@dataclass(frozen=True)
class _Chosen:
    """Turns a cell with several answers into 1 or 0 for one of them; empty where the cell could not be read."""

    name: str
    chosen: Mapping[str, frozenset[str]]

    def __call__(self, text: str) -> str | None:
        return str(int(self.name in self.chosen[text])) if text in self.chosen else None


def _merged(first: Column, second: Column) -> Column:
    """Return the cells of the first, and those of the second where the first is empty."""
    cells = np.where(filled(first), first.position, np.where(filled(second), second.position + len(first.texts), -1))
    return Column(texts=first.texts + second.texts, position=cells)


def _mark(code: str, labels: Iterable[str]) -> Mark:
    return Mark(frozenset({"1", "true", code, *labels}))


@dataclass(frozen=True)
class Mark:
    """Turns the cell of a column for one answer into 1 (chosen) or 0; what is neither stays, to be refused."""

    chosen: frozenset[str]

    def __call__(self, text: str) -> str | None:
        """Return "1", "0", or the text as it is."""
        cell = plain(text)
        if cell in ("0", "false"):
            return "0"
        return "1" if cell in self.chosen else text


def _completed(column: Column, chosen: npt.NDArray[np.bool_]) -> Column:
    """Return a column of marks: 0 where another answer was chosen, empty where none was."""
    texts = (*column.texts, "0")
    zero = np.array([text == "0" for text in texts] + [True], dtype=bool)[column.position]
    position = np.where(zero, np.where(chosen, len(texts) - 1, -1), column.position)
    return Column(texts=texts, position=position.astype(np.int64))
