"""Answers exported by LimeSurvey as CSV: headings as codes, texts or both; answers as codes or texts.

Columns are recognised by the code (``pagerole[roleaf]``, ``pagerole_roleaf``, ``stay``), else by the question text:
of a row of an array by the text in square brackets behind it. Texts that LimeSurvey has cut ("How often do you.. ")
are recognised if one question alone begins so. `id` is the response, `token` the person, `startlanguage` the language.
Answers that were begun and not submitted have no `submitdate`: they are kept and counted. Names, e-mail and network
addresses are dropped unread.

The layout follows LimeSurvey's source (`Writer.php`, `SurveyObj.php`, `CsvWriter.php`); no export of a live server was at hand.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np

from instrument.definition import Instrument
from instrument.past_versions import stamped
from instrument.platforms.answers import CERTAIN, LIKELY, Evidence, assembled, headings, plain
from instrument.platforms.recognised import Found, Gathered, Names, bare, day, filled, form_ids
from instrument.tables import Column, Fault, RawTable, shown

PLATFORM = "limesurvey"

# Heading of a column of LimeSurvey itself, as code or as English text → what it is.
_OWN = {
    **dict.fromkeys(("id", "response id"), "response"),
    **dict.fromkeys(("submitdate", "date submitted"), "submitted"),
    **dict.fromkeys(("lastpage", "last page"), "page"),
    **dict.fromkeys(("startlanguage", "start language"), "language"),
    "seed": "seed",
    **dict.fromkeys(("token", "access code"), "person"),
    **dict.fromkeys(("startdate", "date started", "datestamp", "date last action"), "time"),
    **dict.fromkeys(("ipaddr", "ip address", "refurl", "referrer url"), "address"),
    **dict.fromkeys(("firstname", "first name", "lastname", "last name", "email", "email address"), "name"),
}
_MARKS = ("submitted", "page", "language", "seed")
_YES = {"y": "1", "yes": "1", "sí": "1", "si": "1", "oui": "1", "ja": "1"}
_NO = {"n": "0", "no": "0", "non": "0", "nein": "0", "n/a": ""}
_IN_BRACKETS = re.compile(r"(.*?)\[([^\[\]]+)\]", re.DOTALL)
_SUBQUESTION = re.compile(r"(.*?) ?\[(.*)\]", re.DOTALL)
_PLACE = re.compile(r"A(?:O0*)?([1-9][0-9]*)")
_CONSTANTS = ("version", "definition")  # hidden equations of our surveys
_WAVE = re.compile(r"[1-9][0-9]{0,2}")
_CUT = ".."
_SHORTEST = 3  # letters of a text before it was cut


def evidence(table: RawTable, instrument: Instrument) -> Evidence | None:
    """Return why the table looks like an export of LimeSurvey; None if it does not."""
    own = {_own(name): name for name in table.names}
    marks = [own[mark] for mark in _MARKS if mark in own]
    known = {*instrument.items.ids, *instrument.questions.ids}
    arrays = [
        name
        for name in table.names
        if (found := _IN_BRACKETS.match(name)) and found[2] in known and " " not in found[1]
    ]
    # Which columns an export has is chosen there: not even the id is always among them.
    if ("submitted" in own or "page" in own) and len(marks) > 1:
        return Evidence(platform=PLATFORM, strength=CERTAIN, reasons=(f"columns {', '.join(marks)}",))
    if arrays:
        return Evidence(
            platform=PLATFORM, strength=CERTAIN if marks else LIKELY, reasons=(f"columns such as {arrays[0]}",)
        )
    return None


def canonical(table: RawTable, instrument: Instrument, *, language: str | None = None) -> RawTable:
    """Return the answers of a LimeSurvey export under canonical column names.

    Parameters
    ----------
    table : RawTable
    instrument : Instrument
    language : str, optional
        Recognise question texts in this language only; default: in any.

    Returns
    -------
    RawTable
        Faults: a heading that fits several questions, answer codes that are places (A6) and no codes of the definition.
    """
    return _Export(table, Names(instrument, language)).read()


def _own(header: str) -> str:
    """Return what a column of LimeSurvey itself is, "" for a question; with both, the code stands before the text."""
    name = bare(header).replace("_", " ")
    for sign in (". ", " - ", ": ", " "):
        code, _, text = name.partition(sign)
        if text and code in _OWN and _OWN.get(text) == _OWN[code]:
            return _OWN[code]
    return _OWN.get(name, "")


class _Export:
    """One file, as it is read."""

    def __init__(self, table: RawTable, names: Names) -> None:
        self.table = table
        self.names = names
        self.instrument = names.instrument
        self.remarks: list[tuple[str, str]] = []
        self.masked = 0
        self.gathered = Gathered(table=table, names=names, separators=",;")
        self.texts = {
            text: tuple(dict.fromkeys(each.name for each in asked))
            for text, asked in headings(names.instrument).items()
            if any(names.by_text(text))
        }

    def read(self) -> RawTable:
        columns = list(zip(self.table.names, self.table.columns, strict=True))
        self.asked = [
            () if _own(name) else self._constant(name, column) or self._asks(name) for name, column in columns
        ]
        self._decide()
        for found, (header, column) in zip(self.asked, columns, strict=True):
            self._take(found, header, column)
        if self.masked:
            self.remarks.append(
                (
                    "(masked cells)",
                    f"{self.masked} cells began with '= as LimeSurvey masks formulas; they were read without the apostrophe",
                )
            )
        return assembled(
            replace(
                self.table,
                remarks=(*self.table.remarks, *self.remarks),
                counted=("response",) if self.gathered.has("response") else (),
            ),
            self.gathered.finish(),
            platform=PLATFORM,
            left_out=self.gathered.left_out,
            faults=self.gathered.faults,
        )

    # Columns

    def _decide(self) -> None:
        """Decide between questions that begin as a cut heading does, where one alone can be meant.

        It is asked by the forms of the file, no other column is it, and, where the certain columns stand in the
        order of the questionnaire, it lies between its neighbours.
        """
        order = [*self.instrument.questions.ids, *self.instrument.items.ids]
        forms = self._forms()
        place = {name: at for at, name in enumerate(self.instrument.items.ids)}
        certain = {found[0].name for found in self.asked if len(found) == 1}
        places = [place.get(found[0].name, -1) if len(found) == 1 else -1 for found in self.asked]
        known = [at for at in places if at >= 0]
        for at, found in enumerate(self.asked):
            if len(found) < 2 or not _is_cut(self.table.names[at]):
                continue
            left = [each for each in found if each.name in order and each.name not in certain]
            left = [each for each in left if forms & set(self._forms_of(each.name))]
            if known == sorted(known):
                before = max((each for each in places[:at] if each >= 0), default=-1)
                after = min((each for each in places[at + 1 :] if each >= 0), default=len(place))
                left = [each for each in left if before < place.get(each.name, before + 1) < max(after, before + 2)]
            if len(left) == 1:
                self.asked[at] = (left[0],)

    def _forms(self) -> set[str]:
        """Return the forms of the file: those that it says, else those that ask every question it certainly has."""
        for found, column in zip(self.asked, self.table.columns, strict=True):
            if [each.name for each in found] == ["form"]:
                said = set(form_ids(column, self.instrument).texts) & set(self.instrument.forms.ids)
                if said:
                    return said
        certain = {found[0].name for found in self.asked if len(found) == 1} & set(self.instrument.items.ids)
        return {form for form in self.instrument.forms.ids if certain <= set(self.instrument.asked_by(form))}

    def _forms_of(self, name: str) -> tuple[str, ...]:
        if name in self.instrument.items.ids:
            return self.instrument.items[name].forms
        return self.instrument.questions[name].forms

    def _take(self, found: Sequence[Found], header: str, column: Column) -> None:
        if kind := _own(header):
            self._of_limesurvey(kind, header, column)
            return
        if self._is_equation(header):
            why = "an equation (perhaps a score) whose name full headings do not tell; export question codes to compare it"
            self.gathered.drop(header, column, why)
            return
        if len(found) > 1:
            names = ", ".join(each.name for each in found)
            self.gathered.faults.append(
                Fault(
                    1,
                    header,
                    f"this heading fits {names}; take 'question code' as headings when exporting, or rename it",
                )
            )
        elif not found:
            self._unknown(header, column)
        elif found[0].code:
            self.gathered.add(found[0], header, column.change(_yes_no))
        else:
            self.gathered.add(found[0], header, self._answers(found[0], header, column))

    @staticmethod
    def _is_equation(header: str) -> bool:
        return header.startswith(("{", "if(")) and ".NAOK" in header

    def _constant(self, header: str, column: Column) -> tuple[Found, ...]:
        """Return what a hidden equation holds whose full heading is its own value: the form, the version, the stamp."""
        if len(column.texts) != 1 or not _begins_so(column.texts[0], header):
            return ()
        text = column.texts[0]
        if text in self.instrument.forms.ids:
            return (Found(name="form", how="text"),)
        questionnaire, version = stamped(text)
        if not version and _WAVE.fullmatch(text) and any(stamped(name)[1] for name in self.table.names):
            return (Found(name="wave", how="text"),)
        return (Found(name="definition" if questionnaire else "version", how="text"),) if version else ()

    def _unknown(self, header: str, column: Column) -> None:
        if header and not filled(column).any():
            self.gathered.drop(header, column, "not a question of this questionnaire, and empty")
        elif header:
            self.gathered.keep(header, self._unmasked(column))
        elif filled(column).any():
            at = self.table.columns.index(column) + 1
            self.gathered.faults.append(Fault(1, f"column {at}", "the column has no name; name it or empty it"))

    def _of_limesurvey(self, kind: str, header: str, column: Column) -> None:
        gathered = self.gathered
        if kind == "submitted":
            self._submitted(header, column)
        elif kind == "response":
            gathered.add(Found(name="response"), header, column)
        elif kind == "person" and filled(column).all():
            gathered.add(Found(name="person"), header, column)
        elif kind == "person":
            empty = int((~filled(column)).sum())
            gathered.drop(
                header, column, f"the token is empty in {empty} rows: each response is taken as a person of its own"
            )
        elif kind == "language" and "language" not in self._coded:
            gathered.add(Found(name="language"), header, column)
        elif (
            kind == "time"
            and plain(header).replace("_", " ").startswith(("startdate", "date started"))
            and "date" not in self._coded
        ):
            gathered.add(Found(name="date"), header, column.change(day))
        elif kind in ("address", "name"):
            gathered.drop(header, column, "it may name people; dropped and never read")
        else:
            gathered.drop(header, column, "LimeSurvey's own record; not an answer")

    @cached_property
    def _coded(self) -> set[str]:
        """Return the ids of questions that stand in the file as columns of their own."""
        return {each.name for name in self.table.names if not _own(name) for each in self._asks(name)}

    def _submitted(self, header: str, column: Column) -> None:
        done = filled(column)
        self.remarks.append(
            (header, f"submitted {int(done.sum())}, begun and not submitted {int((~done).sum())}; both are kept")
        )
        times = {_own(name) for name in self.table.names} & {"time"}
        if not times and "date" not in self._coded:
            self.gathered.add(Found(name="date"), header, column.change(day))

    # What a heading asks

    def _asks(self, header: str) -> tuple[Found, ...]:
        found = self._by_code(header)
        if found:
            return (found,)
        for sign in (". ", " - ", ": ", " "):  # code and text
            code, _, text = header.partition(sign)
            if text and (found := self._by_code(code)):
                return (found,)
        return self._by_text(header.replace("_", " ") if " " not in header else header)

    def _by_code(self, code: str) -> Found | None:
        if array := _IN_BRACKETS.fullmatch(code):
            if array[1] in self.names.severals and f"{array[1]}{array[2]}" in self._several_columns(array[1]):
                return Found(name=array[1], code=array[2])
            known = {*self.instrument.items.ids, *self.instrument.questions.ids}
            return Found(name=array[2]) if array[2] in known else None
        return Found(name=code) if code in _CONSTANTS else self.names.by_id(code)

    def _several_columns(self, question: str) -> set[str]:
        scale = self.instrument.response_scales[str(self.instrument.questions[question].scale)]
        return {f"{question}{code}" for code in scale.labels}

    def _by_text(self, header: str) -> tuple[Found, ...]:
        parts = _SUBQUESTION.fullmatch(header.strip())
        if not parts:
            return tuple(Found(name=name, how="text") for name in self._begins(header))
        stem, row = parts[1], parts[2]
        rows = tuple(Found(name=name, how="text") for name in self._begins(row))
        if rows:
            return rows
        several = [
            Found(name=question, code=code, how="text")
            for question in self._begins(stem)
            if question in self.names.severals and (code := self.names.code(question, row))
        ]
        return tuple(several) or tuple(Found(name=name, how="text") for name in self._begins(header))

    def _begins(self, text: str) -> Sequence[str]:
        """Return the questions with this text, or that begin with it where LimeSurvey has cut it."""
        words = plain(text)
        if whole := self.texts.get(words) or tuple(each.name for each in self.names.by_text(text)):
            return whole
        if not words.endswith(_CUT) or len(words) < len(_CUT) + _SHORTEST:
            return ()
        start = words.removesuffix(_CUT).rstrip()
        return tuple(
            dict.fromkeys(name for full, names in self.texts.items() if full.startswith(start) for name in names)
        )

    # Cells

    def _answers(self, found: Found, header: str, column: Column) -> Column:
        scale_id = self.names.scale(found.name)
        if scale_id is None:
            return self._unmasked(column)
        scale = self.instrument.response_scales[scale_id]
        yes_no = {"Y": "1", "N": "0"} if set(scale.codes) == {0, 1} else {}
        codes: dict[str, str] = {}
        beyond = []
        for text in column.texts:
            place = _PLACE.fullmatch(text.strip())
            if place and scale.codes[: int(place[1])] == tuple(range(1, int(place[1]) + 1)):
                codes[text] = place[1]
            elif place:
                beyond.append(text)
            elif text.strip() in yes_no:
                codes[text] = yes_no[text.strip()]
        if beyond:
            self.gathered.faults.append(
                Fault(
                    1,
                    header,
                    f"{', '.join(map(shown, beyond))}: these are codes that LimeSurvey made up by place, and no codes of the "
                    "definition; export answers as full texts, or give the answers the codes of the definition",
                )
            )
        return column.change(lambda text: None if text in beyond else codes.get(text, text))

    def _unmasked(self, column: Column) -> Column:
        masked = np.array([text.startswith("'=") for text in column.texts] + [False])
        self.masked += int(masked[column.position].sum())
        return column.change(lambda text: text[1:] if text.startswith("'=") else text)


def _is_cut(header: str) -> bool:
    """Whether LimeSurvey has cut the heading, or the text in its square brackets: ``[How new peer workers are .. ]``."""
    return header.strip().removesuffix("]").rstrip().endswith(_CUT)


def _begins_so(text: str, header: str) -> bool:
    """Whether a heading is this text, whole or as LimeSurvey cuts it."""
    return header == text or (_is_cut(header) and text.startswith(header.strip().removesuffix(_CUT).rstrip()))


def _yes_no(text: str) -> str | None:
    word = plain(text)
    if word in _NO:
        return _NO[word] or None
    return _YES.get(word, text)
