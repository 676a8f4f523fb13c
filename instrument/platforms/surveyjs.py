"""A survey as SurveyJS JSON: pages with matrices, all languages, conditions, and the scores as calculated values.

SurveyJS stores the answers of a matrix inside an object (``{"pagerole": {"roleaf": 4}}``). The matrix is kept, for its
layout, and calculated values repeat each answer at the top under the item's id, so that a result turned into a row of
a table has the columns that the package reads.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import Any

from instrument.definition import Text
from instrument.platforms.statements import STAMP, opening_statements, page_statements
from instrument.platforms.surveyjs_scores import calculated, literal, score_values
from instrument.survey import Asked, Choice, Loss, Page, Survey

Json = dict[str, Any]
_OWN_LANGUAGE = "en"
# SurveyJS puts an answer where the name of a question stands in braces (and never ends where it is the question's own).
# An invisible sign behind the brace makes it no name; there is no other way to write such braces.
_PIPED = re.compile(r"\{(?=[^{}]*\})")
_NO_NAME = "{\u2060"


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as SurveyJS JSON with all languages.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to str
        ``NAME.surveyjs.json``. A result holds each answer under its question's id, and the scores.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> file = json.loads(write(build_survey(read_instrument("pwiq")))["pwiq_p.surveyjs.json"])
    >>> matrix = file["pages"][1]["elements"][-1]
    >>> matrix["type"], matrix["name"], [row["value"] for row in matrix["rows"]][:2]
    ('matrix', 'pagerole', ['roleaf', 'roleab'])
    """
    return {f"{survey.name}.surveyjs.json": json.dumps(_file(survey), ensure_ascii=False, indent=1) + "\n"}


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what SurveyJS JSON cannot hold of this survey."""
    return tuple(_losses(survey))


def _file(survey: Survey) -> Json:
    pages = [_page(page, survey) for page in survey.pages]
    opening = [_html(name, text, survey) for name, text in opening_statements(survey)]
    if opening:
        pages[0]["elements"] = [*opening, *pages[0]["elements"]]
    return {
        "title": _text(survey.title(), survey),
        "locale": survey.languages[0],
        "showQuestionNumbers": "off",
        "pages": pages,
        "calculatedValues": list(_calculated_values(survey)),
    }


def _page(page: Page, survey: Survey) -> Json:
    said = [_html(name, text, survey) for name, text in page_statements(survey, page)]
    asked = [_matrix(page, survey)] if page.matrix else [_question(question, survey) for question in page.questions]
    heading = {"title": page.number} if page.number else {}
    return {"name": _page_name(page), **heading, "elements": [*said, *asked]}


def _page_name(page: Page) -> str:
    """Return a name that the matrix on the page, which bears the page's id, does not have."""
    return f"{page.id}_page"


def _html(name: str, text: Text, survey: Survey) -> Json:
    def escaped(plain: str) -> str:
        # A brace would start a piece of text that SurveyJS fills in.
        safe = html.escape(plain, quote=False).replace("{", "&#123;")
        return "<p>" + "<br>".join(safe.splitlines()) + "</p>"

    shown = Text(tuple((language, escaped(text[language])) for language in survey.languages))
    return {"type": "html", "name": name, "html": _text(shown, survey)}


def _matrix(page: Page, survey: Survey) -> Json:
    first = page.questions[0]
    asking = survey.forms_of(page)
    matrix: Json = {"type": "matrix", "name": page.id, "titleLocation": "hidden", **_visible(asking, survey.forms)}
    if all(question.required for question in page.questions):
        matrix |= {"isRequired": True, "isAllRowRequired": True}
    matrix["columns"] = [_choice(choice, survey) for choice in first.choices]
    matrix["rows"] = [
        {"value": question.id, "text": _text(question.text, survey), **_visible(question.forms, asking)}
        for question in page.questions
    ]
    return matrix


def _question(question: Asked, survey: Survey) -> Json:
    kinds = {"single": "radiogroup", "several": "checkbox", "text": "comment" if question.role == "open" else "text"}
    element: Json = {
        "type": kinds[question.kind],
        "name": question.id,
        "title": _text(question.text, survey),
        **_visible(question.forms, survey.forms),
    }
    if question.required:
        element["isRequired"] = True
    if question.choices:
        element["choices"] = [_choice(choice, survey) for choice in question.choices]
    if question.kind == "several":
        for choice, written in zip(question.choices, element["choices"], strict=True):
            if choice.reason:
                written["isExclusive"] = True
    return element


def _choice(choice: Choice, survey: Survey) -> Json:
    return {"value": _value(choice), "text": _text(choice.label, survey)}


def _value(choice: Choice) -> int | str:
    return int(choice.code) if choice.code.isdecimal() else choice.code


def _visible(forms: Sequence[str], out_of: Sequence[str]) -> Json:
    if set(forms) >= set(out_of):
        return {}
    return {"visibleIf": " or ".join(f"{{form}} = {literal(form)}" for form in forms)}


def _text(text: Text, survey: Survey) -> Json:
    """Return a text in all languages; the one under "default" is English where there is one: SurveyJS' own language."""
    first, *others = survey.languages
    if _OWN_LANGUAGE not in others:
        return {"default": _plain(text[first]), **{language: _plain(text[language]) for language in others}}
    return {
        "default": _plain(text[_OWN_LANGUAGE]),
        **{language: _plain(text[language]) for language in survey.languages},
    }


def _plain(text: str) -> str:
    return _PIPED.sub(_NO_NAME, text)


def _calculated_values(survey: Survey) -> Iterator[Json]:
    yield calculated(STAMP, literal(survey.stamp))
    for name, value in survey.constants.items():
        yield calculated(name, literal(value), kept=True)
    for page in survey.pages:
        for question in page.questions:
            if page.matrix:
                yield calculated(question.id, f"{{{page.id}.{question.id}}}", kept=True)
            elif question.kind == "several":
                for choice in question.choices:
                    ticked = f"iif({{{question.id}}} contains {choice.code}, 1, 0)"
                    expression = f"iif({{{question.id}}} notempty, {ticked}, '')"
                    yield calculated(f"{question.id}{choice.code}", expression, kept=True)
    yield from score_values(survey)


def _losses(survey: Survey) -> Iterator[Loss]:
    first, *others = survey.languages
    if braces := _with_braces(survey, [first]):
        yield Loss(aspect="texts", what=_BRACES.format(places=", ".join(braces)), where=braces)
    if braces := _with_braces(survey, others):
        yield Loss(aspect="languages", what=_BRACES.format(places=", ".join(braces)), where=braces)
    if survey.has_off_scale:
        yield Loss(aspect="off_scale", what=_OFF_SCALE)
    if required := survey.required_among_others:
        yield Loss(aspect="required", what=_REQUIRED.format(required=", ".join(required)), where=required)


def _with_braces(survey: Survey, languages: Sequence[str]) -> tuple[str, ...]:
    """Return the ids of the questions with braces in a text, and "title" if it has some."""
    texts = {"title": [survey.title()]}
    texts |= {q.id: [q.text, *(choice.label for choice in q.choices)] for q in survey.questions()}
    return tuple(
        name
        for name, versions in texts.items()
        if any(_PIPED.search(text[language]) for text in versions for language in languages)
    )


_BRACES = (
    "SurveyJS would put an answer where the name of a question stands in braces; an invisible sign (U+2060) behind the "
    "brace prevents it in the texts of {places}."
)
_OFF_SCALE = (
    "Answers beside the scale keep their codes, but are answers like the others in SurveyJS' own charts; "
    "the scores leave them out."
)
_REQUIRED = "A matrix requires all of its rows or none, so these rows are not required: {required}."
