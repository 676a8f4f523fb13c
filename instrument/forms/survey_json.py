"""A survey as the plain data that the form in a page takes; its format is told at the head of assets/questionnaire.js."""

from __future__ import annotations

from importlib import resources
from typing import Any

from instrument.definition import Text
from instrument.forms.study import Study, StudyText
from instrument.forms.words import words
from instrument.responses import FORM_RECORD, SECONDS
from instrument.survey import Asked, Page, Survey

FORMAT = 1
# The languages' own names, for the switch; a language that is not here is called by its code.
_NAMES = {"en": "English", "es": "Español", "fr": "Français", "de": "Deutsch", "pt": "Português", "ar": "العربية"}
_RIGHT_TO_LEFT = frozenset({"ar", "fa", "he", "ur"})
_KEYS = ("response", "form", "wave", "organisation", "team", "version", "definition", "language")


def asset(name: str) -> str:
    """Return a file of the form in a page, such as "questionnaire.js"."""
    return resources.files("instrument.forms").joinpath("assets", name).read_text(encoding="utf-8")


def form_data(
    survey: Survey, *, study: Study | None = None, shuffle: bool = False, section: str = "web"
) -> dict[str, Any]:
    """Return a survey as the data of a form in a page.

    Parameters
    ----------
    survey : Survey
    study : Study, optional
        What the study says of itself. Without it, or with placeholders left in it, the form calls itself a trial and
        answers have 1 in the column `trial`.
    shuffle : bool, default False
        Whether every respondent gets the pages of items in an order of their own.
    section : str, default "web"
        Section of the words file that is added to [common].

    Returns
    -------
    dict
        Nothing but dicts, lists, texts, numbers, booleans and None: it goes through JSON unchanged.

    Raises
    ------
    ValueError
        If the study or the words of the form lack a language of the survey, or pages are shuffled twice.

    Examples
    --------
    >>> from instrument import build_survey, read_instrument
    >>> data = form_data(build_survey(read_instrument("pwiq"), forms=["C"]))
    >>> data["name"], len(data["pages"]), data["columns"][:4]
    ('pwiq_c', 19, ['response', 'form', 'organisation', 'team'])
    """
    known = words("common", section)
    if unknown := [language for language in survey.languages if language not in known]:
        raise ValueError(
            f"the form has no words in {', '.join(unknown)}; it has {', '.join(known)}: build the survey with languages=…"
        )
    if shuffle and survey.seed is not None:
        raise ValueError("pages are shuffled for everyone (seed) or for each respondent (shuffle=True), not both")
    return {
        "format": FORMAT,
        "name": survey.name,
        "stamp": survey.stamp,
        "languages": [_language(language) for language in survey.languages],
        "title": _in(survey.title(), survey),
        "banner": _in(survey.banner, survey),
        "instructions": _in(survey.instrument.instructions, survey),
        "rule": _in(survey.instrument.rule, survey),
        "code_instructions": _in(survey.instrument.code_instructions, survey),
        "forms": list(survey.forms),
        "constants": dict(survey.constants) | {"definition": survey.stamp},
        "columns": _columns(survey),
        "shuffle": shuffle,
        "pages": [_page(page, survey) for page in survey.pages],
        "trial": study is None or bool(study.placeholders),
        "study": None if study is None else {language: _study(study.text(language)) for language in survey.languages},
        "words": {language: dict(known[language]) for language in survey.languages},
    }


def _language(language: str) -> dict[str, str]:
    base = language.split("-")[0]
    return {"id": language, "name": _NAMES.get(base, language), "dir": "rtl" if base in _RIGHT_TO_LEFT else "ltr"}


def _in(text: Text, survey: Survey) -> dict[str, str]:
    return {language: text[language] for language in survey.languages if language in text}


def _page(page: Page, survey: Survey) -> dict[str, Any]:
    return {
        "id": page.id,
        "kind": page.kind,
        "matrix": page.matrix,
        "seconds": _seconds(page),
        "questions": [_question(question, survey) for question in page.questions],
    }


def _seconds(page: Page) -> str:
    return f"{SECONDS}{page.id.removeprefix('page')}"


def _question(question: Asked, survey: Survey) -> dict[str, Any]:
    return {
        "id": question.id,
        "text": _in(question.text, survey),
        "kind": question.kind,
        "ordered": _ordered(question, survey),
        "role": question.role,
        "required": question.required,
        "forms": list(question.forms),
        "choices": [
            {
                "code": choice.code,
                "label": _in(choice.label, survey),
                "reason": choice.reason,
                "column": f"{question.id}{choice.code}" if question.kind == "several" else question.id,
            }
            for choice in question.choices
        ],
    }


def _ordered(question: Asked, survey: Survey) -> bool:
    """Whether the answers go from less to more, and should stand in one row."""
    return (
        question.kind == "single"
        and question.scale is not None
        and survey.instrument.response_scales[question.scale].ordered
    )


def _columns(survey: Survey) -> list[str]:
    asked = []
    for question in survey.questions():
        if question.kind == "several":
            asked += [f"{question.id}{choice.code}" for choice in question.choices]
        else:
            asked.append(question.id)
    columns = [*_KEYS, *asked, *FORM_RECORD, *map(_seconds, survey.pages)]
    left_out = {"form"} - {*asked, *survey.constants} | {"wave"} - set(survey.constants)
    left_out |= {"organisation", "team"} - set(asked)
    return [column for column in dict.fromkeys(columns) if column not in left_out]


def _study(text: StudyText) -> dict[str, Any]:
    return {
        "by": text.by,
        "contact": text.contact,
        "consent": text.consent,
        "readers": text.readers,
        "when": text.when,
        "support": [{"name": support.name, "how": support.how} for support in text.support],
    }
