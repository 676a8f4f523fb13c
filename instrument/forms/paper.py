"""One form of a questionnaire on paper: a PDF to print, fill in with a pen, and key.

Set by Typst. The template is code and never changes; what it shows comes beside it as data, so that no text becomes code.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib import resources
from itertools import groupby
from pathlib import Path
from typing import Any, Literal, get_args

from instrument.forms.study import Study
from instrument.forms.words import words
from instrument.look.style import PRINT
from instrument.look.typesetting import lacking, typeset
from instrument.platforms.statements import BANNER, INSTRUCTIONS, opening_statements, page_statements
from instrument.survey import Asked, Choice, Page, Survey

Paper = Literal["a4", "letter"]
_TYPST_PAPER: Mapping[str, str] = {"a4": "a4", "letter": "us-letter"}
_MOST_COLUMNS = 9  # of answers in a grid, so that the statement beside them keeps half a line
_LONGEST_WORD = 14  # of an answer at the head of a column
_LONGEST_HEAD = 48
_OPEN_LINES = 5
# The words that the template itself puts somewhere.
_SHOWN = (
    *(
        "page_of",
        "sheet",
        "office",
        "required",
        "one_each_row",
        "several",
        "how_head",
        "how_mark",
        "how_change",
        "how_skip",
    ),
    *("consent_title", "agree", "end_head", "hand_in", "support_title", "support_text", "thanks"),
)
_ROOM_FOR_GRID = 50  # mm: its head and some rows
_RULER = 8  # from so many answers on, numbers alone stand in a row


def write_paper(
    survey: Survey,
    *,
    paper: Paper = "a4",
    study: Study | None = None,
    language: str | None = None,
    fonts: str | Path | None = None,
) -> bytes:
    """Return one form of a questionnaire as a PDF to print. The same survey gives the same bytes.

    Parameters
    ----------
    survey : Survey
        Of one form: who fills in a sheet should not have to look for what is theirs.
    paper : {"a4", "letter"}
    study : Study, optional
        What the study says of itself. Without one the sheet has lines for it and is marked as a trial.
    language : str, optional
        Default: the survey's first.
    fonts : str or path, optional
        A folder with further fonts, for a script that ours lack (they have Latin, Greek and Cyrillic).

    Returns
    -------
    bytes
        Tagged for screen readers (PDF/UA-1). Beside each question stands its id and below each box its code, for
        whoever keys the answers (`instrument.forms.keying_sheet`).

    Raises
    ------
    ValueError
        If the survey has several forms, paper, language or fonts are not there, or no font has a character.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> write_paper(build_survey(read_instrument("pwiq"), forms=["CS"]))[:8]
    b'%PDF-1.7'
    """
    if paper not in _TYPST_PAPER:
        raise ValueError(f"paper {paper!r} is not known; use {' or '.join(map(repr, get_args(Paper)))}")
    if len(survey.forms) > 1:
        raise ValueError(
            f"a sheet holds one form, so that nobody reads what is not theirs; got {', '.join(survey.forms)}: print each"
        )
    chosen = survey.languages[0] if language is None else language
    if chosen not in survey.languages:
        raise ValueError(f"language {chosen!r} is not in this survey; use one of {', '.join(survey.languages)}")
    spoken = words("common", "paper")
    if chosen not in spoken:
        raise ValueError(
            f"what the sheet says around the questions exists in {', '.join(spoken)}, not in {chosen!r}: add a file "
            f"words.{chosen}.toml beside words.en.toml"
        )
    template = resources.files("instrument.forms").joinpath("assets", "paper.typ").read_bytes()
    data = _Sheet(survey, chosen, study, spoken[chosen]).data() | {"paper": _TYPST_PAPER[paper], "colours": PRINT}
    further = None if fonts is None else Path(fonts)
    if missing := lacking(data, further_fonts=further):
        told = ", ".join(f"{sign!r} (U+{ord(sign):04X})" for sign in missing[:10]) + (" …" if missing[10:] else "")
        raise ValueError(f"no font has {told}: take it out of the texts, or name a folder with a font that has it")
    return typeset(template, data, further_fonts=further)


# What stands on the sheets


class _Sheet:
    """Puts a survey's questions, in one language, as the template shows them."""

    def __init__(self, survey: Survey, language: str, study: Study | None, around: Mapping[str, str]) -> None:
        self.survey = survey
        self.language = language
        self.said = None if study is None else study.text(language)
        self.trial = study is None or bool(study.placeholders_on_paper(language))
        self.words = around
        self.number = 0

    def data(self) -> dict[str, Any]:
        survey, language, around = self.survey, self.language, self.words
        instrument = survey.instrument
        opening = dict(opening_statements(survey))
        office = [(around["office_sheet"], ""), (around["office_wave"], survey.constants.get("wave", ""))]
        return {
            "title": instrument.title[language],
            "form": instrument.forms[survey.forms[0]].title[language] if survey.forms else "",
            "language": language,
            "banner": opening[BANNER][language] if BANNER in opening else "",
            "stamp": f"{survey.stamp} {language}",
            "words": {name: text for name, text in around.items() if name in _SHOWN},
            "office": _labelled(office),
            "instructions": _paragraphs(opening[INSTRUCTIONS][language] if INSTRUCTIONS in opening else ""),
            **self._of_the_study(),
            "parts": [
                part
                for kind, pages in groupby(survey.pages, key=lambda page: page.kind)
                for part in self._section(kind, tuple(pages))
            ],
        }

    def _of_the_study(self) -> dict[str, Any]:
        """Return what the study says of itself; where nothing is known, lines to write it by hand."""
        around, said = self.words, self.said
        by, contact = ("", "") if said is None else (said.by, said.contact)
        support = [("", "")] * 2 if said is None else [(each.name, each.how) for each in said.support]
        where, until = ("", "") if said is None or said.paper is None else (said.paper.where, said.paper.until)
        return {
            "trial": around["trial"] if self.trial else "",
            "about": _labelled([(f"{around['study_by']}:", by), (f"{around['study_contact']}:", contact)]),
            "consent": [] if said is None else _paragraphs(said.consent),
            "hand_in": _labelled([(around["hand_in_where"], where), (around["hand_in_until"], until)]),
            "support": _labelled((f"{name}:" if name else around["support"], how) for name, how in support),
        }

    def _section(self, kind: str, pages: Sequence[Page]) -> Iterator[dict[str, Any]]:
        """Yield a heading and the questions of pages of one kind that follow each other."""
        statements = [text[self.language] for page in pages for _, text in page_statements(self.survey, page)]
        room = _ROOM_FOR_GRID if _grid_of(pages[0].questions[0], pages, self.language) else 0
        yield {"kind": "section", "title": self._title(kind), "statements": statements, "room": room}
        if kind == "code":
            yield {"kind": "note", "text": self.words["code_notice"]}
            yield {"kind": "letters", "rows": [self._asked(question) for page in pages for question in page.questions]}
            return
        # Blocks of items with the same answers go on in one grid; a bolder line shows where a block ends.
        rows = [(question, question is page.questions[-1]) for page in pages for question in page.questions]
        for in_grid, group in groupby(rows, key=lambda row: _grid_of(row[0], pages, self.language)):
            if in_grid:
                asked = list(group)
                yield {
                    "kind": "grid",
                    "choices": self._choices(asked[0][0]),
                    "rows": [self._asked(question) | {"last": last} for question, last in asked],
                }
            else:
                for question, _ in group:
                    yield self._question(question)

    def _title(self, kind: str) -> str:
        return self.words["code_title" if kind == "code" else f"page_{kind}"]

    def _open_notice(self) -> str:
        """Return what stands above the lines: that nobody watches the answers, who reads them, and when."""
        around = self.words
        if self.said is None:
            read = around["open_readers_unknown"]
        else:
            # One after the other would fill in braces that stand in what the study says.
            said = {"{readers}": self.said.readers, "{when}": self.said.when}
            read = re.sub(r"\{(readers|when)\}", lambda found: said[found.group()], around["open_readers"])
        return " ".join((around["open_notice"], around["open_support"], read))

    def _question(self, question: Asked) -> dict[str, Any]:
        asked = self._asked(question)
        if question.kind == "text":
            return asked | (
                {"kind": "open", "lines": _OPEN_LINES, "notice": self._open_notice()}
                if question.role == "open"
                else {"kind": "line"}
            )
        choices = self._choices(question)
        on = [choice for choice in choices if not choice["aside"]]
        if question.kind == "single" and _is_ruler(on):
            return asked | {"kind": "ruler", "choices": choices}
        longest = max((len(choice["label"]) for choice in on), default=0)
        columns = 1 if longest > 60 or len(on) < 2 else 3 if longest <= 17 and len(on) > 2 else 2
        return asked | {
            "kind": "list",
            "several": question.kind == "several",
            "columns": columns,
            "choices": choices,
        }

    def _asked(self, question: Asked) -> dict[str, Any]:
        self.number += 1
        return {
            "number": str(self.number),
            "id": question.id,
            "text": question.text[self.language],
            "required": question.required,
        }

    def _choices(self, question: Asked) -> list[dict[str, Any]]:
        return [
            {"code": choice.code, "label": choice.label[self.language], "aside": choice.reason is not None}
            for choice in question.choices
        ]


def _labelled(pairs: Iterable[tuple[str, str]]) -> list[dict[str, str]]:
    return [{"label": label, "text": text} for label, text in pairs]


def _grid_of(question: Asked, pages: Sequence[Page], language: str) -> tuple[Choice, ...]:
    """Return the answers of the grid in which a question stands; none where it stands alone."""
    page = next(page for page in pages if question in page.questions)
    alike = page.matrix or (
        page.kind == "items" and all(q.kind == "single" and q.choices == question.choices for q in page.questions)
    )
    labels = [choice.label[language] for choice in question.choices]
    fits = (
        len(labels) <= _MOST_COLUMNS
        and max(map(len, labels), default=0) <= _LONGEST_HEAD
        and max((len(word) for label in labels for word in label.split()), default=0) <= _LONGEST_WORD
    )
    return question.choices if alike and fits else ()


def _is_ruler(on: Sequence[Mapping[str, Any]]) -> bool:
    """Whether the answers are many numbers of which the first and the last alone have words."""
    return len(on) >= _RULER and all(choice["label"] == choice["code"] for choice in on[1:-1])


def _paragraphs(text: str) -> list[str]:
    return [part.strip() for part in text.split("\n\n") if part.strip()]
