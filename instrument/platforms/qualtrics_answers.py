"""Answers exported by Qualtrics as CSV or TSV.

Two or three rows stand above the answers: column names, question texts and, except in the legacy format, a row of
``{"ImportId": …}``. Columns are recognised by their name (the id of the question, alone or behind another tag as in
``role_roleaf``), else by the question text in any language of the definition ("stem - row" for rows of a matrix).
Answers may be choice texts or recode values; questions with several answers may be split into columns or joined.

Previews and test responses are dropped and counted; unfinished responses are kept and counted. Names, e-mail and
network addresses and places are dropped unread.

The layout was checked against the sample files of the R package qualtRics (one of the present, one of the legacy
format); split and joined answers, numeric statuses and display-order columns follow Qualtrics' documentation. No
export of a live account was at hand: import-tested with these only.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from instrument.definition import Instrument
from instrument.platforms.answers import CERTAIN, LIKELY, Evidence, assembled
from instrument.platforms.personal import DROPPED, is_personal
from instrument.platforms.recognised import Found, Gathered, Names, bare, cut, day, filled
from instrument.tables import Column, Fault, RawTable, shown

PLATFORM = "qualtrics"

_IMPORT = re.compile(r'\s*\{\s*"ImportId"\s*:\s*"([^"]*)"')
# Name of a column of Qualtrics itself, as `bare` makes it → what it is. Names differ by age; ImportIds do not.
_OWN = {
    **dict.fromkeys(("responseid", "_recordid"), "response"),
    **dict.fromkeys(("externalreference", "externaldatareference"), "person"),
    "recordeddate": "date",
    **dict.fromkeys(("userlanguage", "q_language"), "language"),
    **dict.fromkeys(("ipaddress",), "a network address"),
    **dict.fromkeys(("recipientlastname", "recipientfirstname", "recipientname"), "a name"),
    **dict.fromkeys(("recipientemail", "emailaddress"), "an e-mail address"),
    **dict.fromkeys(("locationlatitude", "locationlongitude", "locationaccuracy"), "a place"),
    **dict.fromkeys(("startdate", "enddate", "duration", "duration (in seconds)", "responseset"), "technical"),
    **dict.fromkeys(("status", "distributionchannel", "finished", "progress"), "technical"),
}
_PERSONAL = ("a network address", "a name", "an e-mail address", "a place")
_MARKS = ("responseid", "recordeddate", "distributionchannel", "userlanguage", "externalreference", "progress")
_FEW_MARKS = 2  # of these names: others might use so many
_PREVIEWS = frozenset(
    ("1", "2", "9", "17", "survey preview", "survey test", "survey preview spam", "offline survey preview")
)
_NOT_FINISHED = frozenset(("0", "false"))
_ORDER = re.compile(r"_DO(_|\Z)")
_CLICKS = re.compile(r"_?(First Click|Last Click|Page Submit|Click Count)\Z")
_SELECTED = re.compile(r"( - Selected Choice)(?= - |\Z)")


def evidence(table: RawTable, instrument: Instrument) -> Evidence | None:  # noqa: ARG001 every platform is asked so
    """Return why the table looks like an export of Qualtrics; None if it does not."""
    if _import_row(table) is not None:
        return Evidence(platform=PLATFORM, strength=CERTAIN, reasons=('a row of {"ImportId": …} below the headings',))
    if _is_legacy(table):
        return Evidence(
            platform=PLATFORM, strength=CERTAIN, reasons=("columns V1, V2 … over ResponseID and ResponseSet",)
        )
    names = {bare(name) for name in table.names}
    marks = [mark for mark in _MARKS if mark in names]
    if "responseid" not in marks or len(marks) < 2:
        return None
    written = ", ".join(name for name in table.names if bare(name) in marks)
    return Evidence(
        platform=PLATFORM, strength=CERTAIN if len(marks) > _FEW_MARKS else LIKELY, reasons=(f"columns {written}",)
    )


def canonical(table: RawTable, instrument: Instrument, *, language: str | None = None) -> RawTable:
    """Return the answers of a Qualtrics export under canonical column names.

    Parameters
    ----------
    table : RawTable
        The file with all its header rows: the first as names, the others as rows.
    instrument : Instrument
    language : str, optional
        Recognise question texts in this language only; default: in any.

    Returns
    -------
    RawTable
        Faults: a column whose name and text are two different questions, choice ids instead of recode values,
        blanks recoded as -99.
    """
    return _Export(table, Names(instrument, language)).read()


def _import_row(table: RawTable) -> int | None:
    """Return the row of ImportIds, from 0; None if there is none among the first."""
    for row in range(min(3, len(table.rows))):
        cells = [column[row] for column in table.columns]
        there = [cell for cell in cells if cell]
        if there and sum(bool(_IMPORT.match(cell)) for cell in there) > len(there) / 2:
            return row
    return None


def _is_legacy(table: RawTable) -> bool:
    if not len(table.rows) or "V1" not in table.names:
        return False
    return bare(table.columns[table.names.index("V1")][0] or "") == "responseid"


class _Export:
    """One file, as it is read."""

    def __init__(self, table: RawTable, names: Names) -> None:
        imports = _import_row(table)
        width = range(len(table.names))
        first = int(_is_legacy(table) or self._has_texts(table)) if imports is None else imports + 1
        self.imports = [_import_id(table.columns[at][imports]) if imports is not None else "" for at in width]
        self.texts = [(table.columns[at][0] or "") if first and imports != 0 else "" for at in width]
        legacy = _is_legacy(table)
        # In the legacy format the names of Qualtrics' own columns stand in the second row.
        self.heads = [
            text if legacy and re.fullmatch(r"V\d+", name) else name
            for name, text in zip(table.names, self.texts, strict=True)
        ]
        self.names = names
        self.instrument = names.instrument
        body = cut(table, np.arange(len(table.rows)) >= first)
        self.own = [_OWN.get(bare(self.imports[at]), _OWN.get(bare(self.heads[at]), "")) for at in width]
        self.left_out: list[tuple[str, int, str]] = []
        self.table = cut(body, self._answers(body))
        self.gathered = Gathered(table=self.table, names=self.names, separators=",")

    @staticmethod
    def _has_texts(table: RawTable) -> bool:
        """Whether the first row holds texts rather than a response, whose id begins with R_."""
        ids = [column for name, column in zip(table.names, table.columns, strict=True) if bare(name) == "responseid"]
        return bool(ids and len(table.rows) and not re.match(r"(R|FS|SV)_", ids[0][0] or ""))

    def _column(self, table: RawTable, *names: str) -> Column | None:
        for head, imported, column in zip(self.heads, self.imports, table.columns, strict=True):
            if bare(imported) in names or bare(head) in names:
                return column
        return None

    def _answers(self, body: RawTable) -> npt.NDArray[np.bool_]:
        """Return which rows are answers; previews and tests are none."""
        preview = np.zeros(len(body.rows), dtype=bool)
        for column, signs in (
            (self._column(body, "status"), _PREVIEWS),
            (self._column(body, "distributionchannel"), frozenset(("preview",))),
        ):
            if column is not None:
                preview |= _is_one_of(column, signs)
        if preview.any():
            rows = ", ".join(map(str, body.rows[preview].tolist()[:10]))
            self.left_out.append(
                (
                    "(previews)",
                    int(preview.sum()),
                    f"previews and tests of the survey, not answers; dropped: rows {rows}",
                )
            )
        return ~preview

    def read(self) -> RawTable:
        for at, column in enumerate(self.table.columns):
            self._take(at, column)
        taken = self.gathered.finish()
        if not len(self.table.rows):
            self.gathered.faults.append(Fault(1, self.table.names[0], "the file holds previews only, no answers"))
        return assembled(
            self.table,
            taken,
            platform=PLATFORM,
            left_out=[*self.left_out, *self.gathered.left_out],
            faults=[*self._code_faults(), *self.gathered.faults],
        )

    def _take(self, at: int, column: Column) -> None:
        header, gathered = self.table.names[at], self.gathered
        if self.own[at]:
            self._own(at, column)
        elif _ORDER.search(header):
            gathered.drop(header, column, "the order in which questions or answers were shown; not an answer")
        elif _CLICKS.search(header):
            gathered.drop(header, column, "times of clicks; not an answer")
        elif found := self._found(at):
            gathered.add(found, header, column)
        elif header and any(is_personal(said) for said in (self.heads[at], self.texts[at], self.imports[at])):
            gathered.drop(header, column, DROPPED)
        elif header:
            gathered.keep(header, column)
        elif filled(column).any():
            row = int(self.table.rows[np.flatnonzero(filled(column))[0]])
            gathered.faults.append(
                Fault(1, f"column {at + 1}", f"the column has no name but is filled in row {row}; name it or empty it")
            )

    def _own(self, at: int, column: Column) -> None:
        header, kind = self.table.names[at], self.own[at]
        if kind in _PERSONAL:
            self.gathered.drop(header, column, f"{kind}; dropped and never read")
        elif kind == "technical" and bare(self.heads[at]) == "enddate" and "date" not in self.own:
            self._known("date", header, column.change(day))  # the legacy format has no other
        elif kind == "technical":
            self.gathered.drop(header, column, self._technical(at, column))
        elif kind == "person":
            self._person(header, column)
        elif kind == "date":
            self._known("date", header, column.change(day))
        elif kind == "language":
            self._known("language", header, column.change(str.lower))
        else:
            self.gathered.add(Found(name=kind), header, column)

    def _known(self, name: str, header: str, column: Column) -> None:
        """Take a column as a question of the definition, if there is one of this id and no other column holds it."""
        asked = name in self.instrument.questions.ids and not self.gathered.has(name)
        if asked and not any(self._is_named(each, name) for each in self.table.names):
            self.gathered.add(Found(name=name), header, column)
        else:
            self.gathered.drop(header, column, "of Qualtrics itself; not an answer")

    def _is_named(self, header: str, name: str) -> bool:
        found = self.names.by_id(header)
        return found is not None and found.name == name

    def _person(self, header: str, column: Column) -> None:
        there = filled(column)
        if any(self._is_named(each, "person") for each in self.table.names):
            self.gathered.drop(header, column, "the file has a column person; this one is not used")
        elif there.all() and len(there):
            self.gathered.add(Found(name="person"), header, column)
        elif there.any():
            self.gathered.drop(header, column, "filled for some responses only; not used as the person")
        else:
            self.gathered.drop(header, column, "empty")

    def _technical(self, at: int, column: Column) -> str:
        own, part = "of Qualtrics itself", bare(self.imports[at] or self.heads[at])
        if part == "finished":
            return f"{own}; {int(_is_one_of(column, _NOT_FINISHED).sum())} of the responses kept were not finished"
        if part == "progress":
            below = filled(column) & ~_is_one_of(column, frozenset(("100",)))
            return f"{own}; {int(below.sum())} of the responses kept did not reach the end (100)"
        return f"{own}; not an answer"

    def _found(self, at: int) -> Found | None:
        """Return what a column asks, by its name and its text; a contradiction between the two is a fault."""
        header = self.table.names[at]
        text = _SELECTED.sub("", self.texts[at])
        named = self._named(header)
        said = self.names.by_parts(text, " - ") if text else ()
        if named and not _is_exact(header, named) and text and named.name not in {each.name for each in said}:
            named = None  # my_training: another question, which ends in a word that is an id
        if named is None and len({each.name for each in said}) > 1:
            options = " and ".join(each.name for each in said)
            self._fault(header, f"its text {shown(text)} is that of {options}; name the column by one of these ids")
            return None
        if named is None:
            return self._coded(at, said[0]) if said else None
        if said and named.name not in {each.name for each in said}:
            self._fault(
                header,
                f"the column is named as {named.name}, but its text {shown(text)} is that of {said[0].name}; correct the "
                "export tag in Qualtrics, or the name in the file",
            )
        answer = next((each.code for each in said if each.name == named.name and each.code), None)
        if named.code and answer and named.code != answer:
            # The number behind the name is the choice's place where it was never given a code; the label is certain.
            return Found(name=named.name, code=answer, how="text")
        return named if named.code or not answer else Found(name=named.name, code=answer, how="text")

    def _named(self, header: str) -> Found | None:
        """Return what a column's name says; not where another column has just that name."""
        found = self.names.by_id(header)
        if found is None or _is_exact(header, found):
            return found
        exact = {name.casefold() for name in self.table.names}
        return None if f"{found.name}{found.code or ''}" in exact else found

    def _coded(self, at: int, found: Found) -> Found:
        """Return a column of one answer of several whose text tells the question only: its number is the code."""
        number = re.search(r"_(\d+)\Z", self.table.names[at])
        if found.code or found.name not in self.names.severals or not number:
            return found
        return self.names.by_id(f"{found.name}{number[1]}") or found

    def _fault(self, header: str, message: str) -> None:
        self.gathered.faults.append(Fault(1, header, message))

    def _code_faults(self) -> Iterator[Fault]:
        """Yield what shows that the numbers in the file are no codes of the definition, once for the whole file."""
        yield from self._numbered_forms()
        wrong: list[tuple[str, str, int]] = []
        recoded: list[str] = []
        for name, header, column in self._closed():
            codes = {str(code) for code in self.instrument.response_scales[name].labels}
            used = {text.strip() for text in column.texts}
            if "-99" in used:
                recoded.append(header)
            used -= {"-99"}
            places = {str(place) for place in range(1, len(codes) + 1)}
            if used and used <= places and (strange := sorted(used - codes, key=int)):
                wrong.append((header, strange[0], len(codes)))
        if wrong:
            header, value, count = wrong[0]
            more = f" (and {len(wrong) - 1} more columns)" if len(wrong) > 1 else ""
            yield Fault(
                1,
                header,
                f"{value!r} is no code of its scale but the place of a choice (1 to {count}): the file holds Qualtrics' "
                f"choice ids, not codes{more}; export again with 'Use choice text', or set the recode values first",
            )
        if recoded:
            yield Fault(
                1,
                recoded[0],
                f"-99 stands in {len(recoded)} columns for questions that were seen and not answered; export again "
                "without 'Recode seen but unanswered questions as -99'",
            )

    def _numbered_forms(self) -> Iterator[Fault]:
        for name, header, column in self.gathered.columns():
            numbers = [text.strip() for text in column.texts if text.strip().isdigit()]
            if name == "form" and numbers and not set(numbers) & set(self.instrument.forms.ids):
                yield Fault(
                    1,
                    header,
                    f"{numbers[0]!r} is the place of a form in the survey, which the file does not tell; export again with "
                    f"'Use choice text', or write {', '.join(self.instrument.forms.ids)} into this column",
                )

    def _closed(self) -> Iterator[tuple[str, str, Column]]:
        """Yield scale, heading and cells of every column with one answer."""
        for found, header, column in self.gathered.columns():
            if scale := self.names.scale(found):
                yield scale, header, column


def _is_exact(header: str, found: Found) -> bool:
    return header.casefold() == f"{found.name}{found.code or ''}"


def _import_id(cell: str | None) -> str:
    found = _IMPORT.match(cell or "")
    return found[1] if found else ""


def _is_one_of(column: Column, signs: frozenset[str]) -> npt.NDArray[np.bool_]:
    return np.array([text.strip().casefold() in signs for text in column.texts] + [False], dtype=bool)[column.position]
