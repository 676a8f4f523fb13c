"""Answers as FHIR QuestionnaireResponse resources: one, a Bundle, a list, or one a line (NDJSON); R4, R4B and R5.

Questions are found by linkId wherever they stand, in groups or under an answer. A coded answer is read by its code, a
number as a number, true and false as 1 and 0. Responses entered in error are dropped and counted; those that are
in progress or stopped are kept and counted. The person is the reference or identifier of the subject as it stands (no
resource that it points to is read, nor any name beside it).

A resource leaves unanswered questions out, so that an item nobody answered cannot be told from one nobody was asked:
both are blank. The form is that of the item `form`, else the last part of the questionnaire's canonical URL (``pwiq-p``).
XML is not read.

The layout follows the specification's examples; `fhir.resources` reads what the tests write. No export of a live
server was at hand.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from instrument.definition import Instrument
from instrument.platforms.answers import CERTAIN, Evidence, Taken, assembled, plain
from instrument.platforms.recognised import Found, Names, answers_of, day, form_ids
from instrument.responses import ResponseError
from instrument.tables import Column, Fault, RawTable, shown

PLATFORM = "fhir"

_DEEPEST = 60  # levels of groups; questionnaires have two or three
_VALUES = (
    *("valueCoding", "valueInteger", "valueDecimal", "valueString", "valueBoolean", "valueDate", "valueDateTime"),
    *("valueTime", "valueUri", "valueQuantity"),
)
_OPEN = ("in-progress", "stopped")


def evidence(table: RawTable, instrument: Instrument) -> Evidence | None:  # noqa: ARG001 every platform is asked so
    """Return why the documents look like FHIR; None if they do not."""
    kinds = Counter(str(each.get("resourceType", "")) for each in _resources(table.documents))
    if not kinds["QuestionnaireResponse"]:
        return None
    return Evidence(
        platform=PLATFORM,
        strength=CERTAIN,
        reasons=(f"{kinds['QuestionnaireResponse']} QuestionnaireResponse resources",),
    )


def canonical(table: RawTable, instrument: Instrument, *, language: str | None = None) -> RawTable:
    """Return the answers of QuestionnaireResponse resources under canonical column names.

    Parameters
    ----------
    table : RawTable
        With `documents`. Its rows are the responses in their order, the first as row 2.
    instrument : Instrument
    language : str, optional
        Where a linkId is unknown, recognise question texts in this language only; default: in any.

    Returns
    -------
    RawTable
        Faults: several answers to a question that takes one, answers that are none of a question with several,
        resources that are broken or nested too deeply.
    """
    return _Reading(table, Names(instrument, language)).read()


def _resources(documents: tuple[Any, ...]) -> Iterator[Mapping[str, Any]]:
    """Yield every resource, those of bundles and lists one by one; what is none is an empty one."""
    for document in documents:
        listed = document if isinstance(document, list) else [document]
        for each in listed:
            if isinstance(each, dict) and each.get("resourceType") == "Bundle":
                entries = each.get("entry")
                for entry in entries if isinstance(entries, list) else []:
                    resource = entry.get("resource") if isinstance(entry, dict) else None
                    yield resource if isinstance(resource, dict) else {}
            else:
                yield each if isinstance(each, dict) else {}


@dataclass(kw_only=True)
class _Response:
    """What one resource says: column → answers, and linkId of unknown questions → how many answers."""

    row: int
    answers: dict[Found, list[str]] = field(default_factory=dict)
    link: dict[Found, str] = field(default_factory=dict)
    unknown: Counter[str] = field(default_factory=Counter)
    meta: dict[str, str] = field(default_factory=dict)


class _Reading:
    """All resources of a file, as they are read."""

    def __init__(self, table: RawTable, names: Names) -> None:
        self.table = table
        self.names = names
        self.instrument = names.instrument
        self.found: dict[tuple[str, str], Found | None] = {}  # linkId, text → what it asks
        self.faults: list[Fault] = []
        self.left_out: list[tuple[str, int, str]] = []

    def read(self) -> RawTable:
        responses = self._responses()
        ids = [each.meta.get("response", "") for each in responses]
        table = replace(
            self.table,
            counted=("response",) if all(each.isdigit() for each in ids) else (),  # as some servers count
            rows=np.array([each.row for each in responses], dtype=np.int64),
            documents=(),
            names=(),
            columns=(),
        )
        taken = [*self._meta(responses), *self._answers(responses)]
        if not taken:
            raise ResponseError(
                [
                    f"{self.table.file}: no response has an id, nor an answer to a question of this questionnaire; export again"
                ]
            )
        unknown = sum((each.unknown for each in responses), Counter[str]())
        for link, count in unknown.items():
            self.left_out.append((link, count, "no question of this questionnaire has this linkId; not read"))
        return assembled(table, taken, platform=PLATFORM, left_out=self.left_out, faults=self.faults)

    def _responses(self) -> list[_Response]:
        found: list[_Response] = []
        other: Counter[str] = Counter()
        wrong: list[int] = []
        for number, resource in enumerate(_resources(self.table.documents), start=2):
            if resource.get("resourceType") != "QuestionnaireResponse":
                other[str(resource.get("resourceType") or "(no resource)")] += 1
            elif resource.get("status") == "entered-in-error":
                wrong.append(number)
            else:
                found.append(self._response(resource, number))
        for kind, count in other.items():
            self.left_out.append((f"({shown(kind)})", count, "resources that are no responses; not read"))
        if wrong:
            rows = ", ".join(map(str, wrong[:10]))
            self.left_out.append(
                ("(entered in error)", len(wrong), f"responses that were entered in error; dropped: rows {rows}")
            )
        if not found:
            why = "all responses were entered in error" if wrong else "the file holds no QuestionnaireResponse"
            raise ResponseError([f"{self.table.file}: {why}; there are no answers"])
        return found

    def _response(self, resource: Mapping[str, Any], row: int) -> _Response:
        response = _Response(row=row)
        meta = {
            "response": _text(resource.get("id")) or _identifier(resource.get("identifier")),
            "person": _subject(resource.get("subject")),
            "date": day(_text(resource.get("authored"))),
            "language": _text(resource.get("language")).casefold(),
            "status": _text(resource.get("status")),
            **self._questionnaire(resource.get("questionnaire")),
        }
        response.meta = {name: text for name, text in meta.items() if text}
        open_: list[tuple[Any, int]] = [(resource.get("item"), 1)]
        while open_:
            items, depth = open_.pop()
            if depth > _DEEPEST:
                self.faults.append(
                    Fault(row, "item", f"the items are nested over {_DEEPEST} levels deep; export again")
                )
                return response
            for item in self._list(items, row, "item"):
                open_.append((item.get("item"), depth + 1))
                for answer in self._list(item.get("answer"), row, _text(item.get("linkId"))):
                    open_.append((answer.get("item"), depth + 1))
                    self._answer(item, answer, response)
        return response

    def _list(self, value: object, row: int, where: str) -> list[Mapping[str, Any]]:
        """Return a list of objects; anything else is a broken resource."""
        if value is None:
            return []
        if isinstance(value, list) and all(isinstance(each, dict) for each in value):
            return value
        self.faults.append(
            Fault(row, where, "the resource is broken: a list of objects should stand here; export again")
        )
        return []

    def _questionnaire(self, canonical_url: object) -> dict[str, str]:
        """Return version and form that the canonical URL of the questionnaire tells: ``…/pwiq-p|0.2.0``."""
        url, _, version = _text(canonical_url).partition("|")
        words = url.rpartition("/")[2].casefold().replace("_", "-")
        own = self.instrument.id.casefold().replace("_", "-")
        if words != own and not words.startswith(f"{own}-"):
            return {}
        rest = words.removeprefix(own).strip("-").split("-")
        forms = [form for form in self.instrument.forms.ids if form.casefold() in rest]
        return {"version": version, "form": forms[0] if len(forms) == 1 else ""}

    def _answer(self, item: Mapping[str, Any], answer: Mapping[str, Any], response: _Response) -> None:
        link, text = _text(item.get("linkId")), _text(item.get("text"))
        if (link, text) not in self.found:
            said = self.names.by_text(text)
            self.found[link, text] = self.names.by_id(link, tags=False) or (said[0] if len(said) == 1 else None)
        found = self.found[link, text]
        if found is None:
            response.unknown[link or "(no linkId)"] += 1
            return
        kind = next((each for each in answer if each in _VALUES), None)
        if kind is None:
            held = next((each for each in answer if each.startswith("value")), None)
            if held is not None:
                self.faults.append(
                    Fault(response.row, link, f"{shown(held)} is no answer that can be read; export again")
                )
            return
        given = _value(kind, answer[kind])
        if not _is_text(given):
            self.faults.append(Fault(response.row, link, "the answer holds half a character; export again"))
            return
        response.answers.setdefault(found, []).append(given)
        response.link.setdefault(found, link)

    def _meta(self, responses: list[_Response]) -> Iterator[Taken]:
        """Yield the columns about a response as a whole."""
        asked = {found.name for each in responses for found in each.answers}
        known = {"response", "person", "form", "version", *self.instrument.questions.ids}
        for name in ("response", "person", "form", "date", "language", "version"):
            cells = [each.meta.get(name) for each in responses]
            if name in asked or name not in known or not any(cells):
                continue
            notes: list[str] = []
            if name in ("response", "person") and not all(cells):
                bare = sum(cell is None for cell in cells)
                cells = [each.meta.get(name) or each.meta.get("response") or f"row {each.row}" for each in responses]
                notes.append(f"{bare} responses have none; they stand for themselves")
            if name == "response":
                notes += self._statuses(responses)
            header = {"response": "id", "person": "subject", "date": "authored"}.get(name, name)
            header = "questionnaire" if name in ("form", "version") else header
            yield Taken(name=name, column=_column(cells), header=header, notes=tuple(notes))

    @staticmethod
    def _statuses(responses: list[_Response]) -> Iterator[str]:
        counts = Counter(each.meta.get("status", "") for each in responses)
        for status in _OPEN:
            if counts[status]:
                yield f"{counts[status]} responses are {status}; kept"

    def _answers(self, responses: list[_Response]) -> Iterator[Taken]:
        """Yield a column for each question that was answered, and for each item."""
        found = dict.fromkeys(each for response in responses for each in response.answers)
        if any(each.name in self.instrument.items.ids for each in found):
            found |= dict.fromkeys(Found(name=item) for item in self._asked(responses))
        by_name: dict[str, list[Found]] = {}
        for each in found:
            by_name.setdefault(each.name, []).append(each)
        for name, ways in by_name.items():
            if name in self.names.severals:
                yield from self._several(name, ways, responses)
            else:
                cells = [self._one(response, ways) for response in responses]
                column = _column(cells)
                yield Taken(
                    name=name,
                    column=form_ids(column, self.instrument) if name == "form" else column,
                    header=next((r.link[way] for r in responses for way in ways if way in r.link), name),
                )

    def _asked(self, responses: list[_Response]) -> list[str]:
        """Return the items that the forms in the file ask, answered or not; none if it does not say all forms."""
        if not self.instrument.forms:
            return [*self.instrument.items.ids]
        forms = {plain(text) for each in responses for text in each.answers.get(Found(name="form"), [])}
        forms |= {plain(each.meta["form"]) for each in responses if "form" in each.meta}
        told = [Found(name="form") in each.answers or "form" in each.meta for each in responses]
        named = [
            form
            for form in self.instrument.forms
            if forms & {plain(form.id), *(plain(text) for text in form.title.values())}
        ]
        asked = {item for form in named for item in self.instrument.asked_by(form.id)}
        return [item for item in self.instrument.items.ids if item in asked] if all(told) else []

    def _one(self, response: _Response, ways: list[Found]) -> str | None:
        given = [text for way in ways for text in response.answers.get(way, [])]
        if len(given) > 1:
            link = next(response.link[way] for way in ways if way in response.link)
            self.faults.append(
                Fault(
                    response.row, link, f"{len(given)} answers to a question that takes one; keep the one that is meant"
                )
            )
        return given[0] if given else None

    def _several(self, name: str, ways: list[Found], responses: list[_Response]) -> Iterator[Taken]:
        """Yield the columns of 0 and 1 of a question with several answers."""
        known = {plain(answer): column for answer, column in answers_of(self.names, name).items()}
        columns = tuple(dict.fromkeys(known.values()))
        cells: dict[str, list[str | None]] = {column: [] for column in columns}
        for response in responses:
            chosen: set[str] = set()
            for way in ways:
                for text in response.answers.get(way, []):
                    if way.code is not None:  # one question a choice, answered with yes or no
                        chosen |= {f"{name}{way.code}"} if plain(text) in ("1", "true") else set()
                    elif plain(text) in known:
                        chosen.add(known[plain(text)])
                    else:
                        labels = " / ".join(each for each in answers_of(self.names, name) if not each.isdigit())
                        self.faults.append(
                            Fault(
                                response.row,
                                response.link[way],
                                f"{shown(text)} is no answer to {name}; allowed are its codes and labels ({labels}); "
                                "correct it",
                            )
                        )
            for column in columns:
                cells[column].append(str(int(column in chosen)) if chosen else None)
        for column in columns:
            yield Taken(name=column, column=_column(cells[column]), header=name)


def _column(cells: list[str | None]) -> Column:
    return Column.of(np.array(cells, dtype=object), str)


def _is_text(text: str) -> bool:
    """Whether a text has whole characters only: JSON can hold half of a surrogate pair."""
    return text.isascii() or not any("\ud800" <= sign <= "\udfff" for sign in text)


def _text(value: object) -> str:
    """Return a text of a resource as a whole; what is none, or is broken, is empty."""
    return value.strip() if isinstance(value, str) and _is_text(value) else ""


def _value(kind: str, value: object) -> str:
    """Return an answer as a person would have typed it."""
    if kind == "valueCoding" and isinstance(value, dict):
        return _text(value.get("code")) or _text(value.get("display"))
    if kind == "valueQuantity" and isinstance(value, dict):
        value = value.get("value")
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value) if isinstance(value, str | int | float) else ""


def _identifier(value: object) -> str:
    """Return the value of an identifier: one in R4, a list of them in R5."""
    first = value[0] if isinstance(value, list) and value else value
    return _text(first.get("value")) if isinstance(first, dict) else ""


def _subject(value: object) -> str:
    """Return the reference or identifier of whom the answers are about; never the name beside it."""
    if not isinstance(value, dict):
        return ""
    return _text(value.get("reference")) or _identifier(value.get("identifier"))
