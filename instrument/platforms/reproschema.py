"""A survey as a ReproSchema protocol: JSON-LD files, one for the protocol, each page (activity) and each question (item).

Not import-tested in reproschema-ui; its own Python package reads and validates the files. The format:
https://www.repronim.org/reproschema. What reproschema-ui makes of a file was read in its source (`Survey.vue`,
`InputSelector.vue`): it shows the text of a question as HTML, so that text is escaped, and nothing else is; and it looks
up the answers that a condition names on the same page only, so that where questions depend on the form, a file for each
form is the safe choice.

What stands where, for a survey called NAME: `NAME/NAME_schema` (protocol), `activities/PAGE/PAGE_schema`,
`activities/PAGE/items/QUESTION`. Every file carries its context, so that it can be read without a network.
"""

from __future__ import annotations

import html
import json
from collections.abc import Iterable, Iterator
from typing import Any

from instrument.definition import Text
from instrument.platforms.statements import page_statements
from instrument.survey import Asked, Choice, Loss, Page, Survey

__all__ = ["losses", "write"]

Json = dict[str, Any]

_SCHEMA_VERSION = "1.0.0"
# The terms that these files use, as ReproSchema 1.0.0 defines them.
_BY_LANGUAGE = {"@container": "@language"}
_LINK = {"@type": "@id"}
_SET = {"@container": "@set"}
_NEST = {"@nest": "ui"}
_BOOLEAN = {"@type": "xsd:boolean"}
_CONTEXT: Json = {
    "@version": 1.1,
    "@vocab": "http://schema.repronim.org/",
    "@language": "en",
    "reproschema": "http://schema.repronim.org/",
    "schema": "http://schema.org/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    "id": "@id",
    "category": "@type",
    "ui": "@nest",
    "addProperties": _SET | _NEST,
    "choices": _SET,
    "citation": {"@id": "schema:citation"} | _BY_LANGUAGE,
    "compute": {"@id": "reproschema:compute"} | _SET,
    "description": {"@id": "schema:description"} | _BY_LANGUAGE,
    "inputType": {"@type": "xsd:string"} | _NEST,
    "isAbout": _LINK,
    "multipleChoice": _BOOLEAN,
    "name": {"@id": "schema:name"} | _BY_LANGUAGE,
    "order": {"@container": "@list"} | _LINK | _NEST,
    "preamble": {"@id": "reproschema:preamble"} | _BY_LANGUAGE,
    "prefLabel": {"@id": "skos:prefLabel"} | _BY_LANGUAGE,
    "question": {"@id": "schema:question"} | _BY_LANGUAGE,
    "readonlyValue": {"@id": "schema:readonlyValue"} | _BOOLEAN | _NEST,
    "responseOptions": _LINK,
    "schemaVersion": {"@id": "schema:schemaVersion", "@language": None},
    "shuffle": _BOOLEAN | _NEST,
    "valueRequired": {"@id": "schema:valueRequired"} | _BOOLEAN,
    "valueType": _LINK | _SET,
    "version": {"@id": "schema:version", "@language": None},
}


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as the files of a ReproSchema protocol.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to str
        Path of a file in the protocol's folder → its JSON-LD.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> files = write(build_survey(read_instrument("pwiq"), forms=["P"]))
    >>> next(iter(files)), "activities/pagerole/items/roleaf" in files
    ('pwiq_p/pwiq_p_schema', True)
    """
    files = {f"{survey.name}/{survey.name}_schema": _protocol(survey)}
    for position, page in enumerate(survey.pages):
        folder = f"activities/{page.id}"
        files[f"{folder}/{page.id}_schema"] = _activity(page, position, survey)
        constants = survey.constants if position == 0 else {}
        files |= {f"{folder}/items/{name}": _constant(name, survey) for name in constants}
        files |= {f"{folder}/items/{question.id}": _item(question, survey) for question in page.questions}
    return {name: json.dumps(content, indent=2, ensure_ascii=False) + "\n" for name, content in files.items()}


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what a ReproSchema protocol cannot hold of a survey."""
    return tuple(_losses(survey))


def _losses(survey: Survey) -> Iterator[Loss]:
    if survey.scores:
        yield Loss(
            aspect="scores",
            what="Scores are left out: the format holds a formula as a piece of JavaScript that reproschema-ui evaluates by "
            "putting an answer in the place of a name's first occurrence, and from one page's answers only.",
        )
    if any(page.matrix for page in survey.pages):
        yield Loss(
            aspect="layout", what="Questions with the same answers are shown one after the other: there are no grids."
        )
    if survey.has_off_scale:
        yield Loss(
            aspect="off_scale",
            what="Answers beside the scale (don't know, does not apply …) are told from the others by code and label alone.",
        )


def _document(name: str, kind: str, survey: Survey) -> Json:
    return {
        "@context": _CONTEXT,
        "category": f"reproschema:{kind}",
        "id": name,
        "schemaVersion": _SCHEMA_VERSION,
        "version": survey.instrument.version,
    }


def _protocol(survey: Survey) -> Json:
    pages = [
        {
            "variableName": page.id,
            "isAbout": f"../activities/{page.id}/{page.id}_schema",
            "isVis": _visible(survey.forms_of(page), survey),
            "prefLabel": _label(position, page, survey),
        }
        for position, page in enumerate(survey.pages)
    ]
    return {
        **_document(f"{survey.name}_schema", "Protocol", survey),
        "prefLabel": dict(survey.title()),
        "description": _everywhere(survey.stamp, survey),
        **_preamble([survey.banner, survey.instrument.instructions], survey),
        "ui": {"order": [page["isAbout"] for page in pages], "addProperties": pages, "shuffle": False},
    }


def _activity(page: Page, position: int, survey: Survey) -> Json:
    instrument = survey.instrument
    preamble = [survey.banner, instrument.instructions] if position == 0 else []
    preamble += [text for _, text in page_statements(survey, page)]
    constants = survey.constants if position == 0 else {}
    properties = [
        {"variableName": name, "isAbout": f"items/{name}", "isVis": False, "valueRequired": False} for name in constants
    ]
    properties += [
        {
            "variableName": question.id,
            "isAbout": f"items/{question.id}",
            "isVis": _visible(question.forms, survey),
            "valueRequired": question.required,
        }
        for question in page.questions
    ]
    # A string of JSON is a string of JavaScript.
    computed = [{"variableName": name, "jsExpression": json.dumps(value)} for name, value in constants.items()]
    return {
        **_document(f"{page.id}_schema", "Activity", survey),
        "prefLabel": _label(position, page, survey),
        "description": _everywhere(survey.stamp, survey),
        "citation": {language: _citation(language, survey) for language in survey.languages},
        **_preamble(preamble, survey),
        **({"compute": computed} if computed else {}),
        "ui": {"order": [each["isAbout"] for each in properties], "addProperties": properties, "shuffle": False},
    }


def _citation(language: str, survey: Survey) -> str:
    instrument = survey.instrument
    named = f"{survey.title()[language]}, {instrument.version}"
    return f"{named}, {instrument.licence}" if instrument.licence else named


def _label(position: int, page: Page, survey: Survey) -> dict[str, str]:
    """Return the number of the page: respondents are not told what a page measures."""
    return _everywhere(page.number or str(position + 1), survey)


def _constant(name: str, survey: Survey) -> Json:
    """Return an item that is the same for everyone: computed on the first page, never shown."""
    return {
        **_document(name, "Item", survey),
        "prefLabel": _everywhere(name, survey),
        "description": _everywhere(survey.stamp, survey),
        "ui": {"inputType": "text", "readonlyValue": True},
        "responseOptions": {"valueType": ["xsd:string"]},
    }


def _item(question: Asked, survey: Survey) -> Json:
    return {
        **_document(question.id, "Item", survey),
        "prefLabel": _everywhere(question.id, survey),
        "description": _everywhere(survey.stamp, survey),
        "question": {language: html.escape(question.text[language], quote=False) for language in survey.languages},
        "ui": {"inputType": _input_type(question)},
        "responseOptions": _options(question, survey),
    }


def _input_type(question: Asked) -> str:
    if question.choices:
        return "radio"  # with multipleChoice, boxes to tick
    return "textarea" if question.role == "open" else "text"


def _options(question: Asked, survey: Survey) -> Json:
    if not question.choices:
        return {"valueType": ["xsd:string"]}
    return {
        "valueType": ["xsd:string" if question.role == "form" else "xsd:integer"],
        "multipleChoice": question.kind == "several",
        "choices": [_choice(choice, question, survey) for choice in question.choices],
    }


def _choice(choice: Choice, question: Asked, survey: Survey) -> Json:
    return {
        "name": {language: choice.label[language] for language in survey.languages},
        "value": choice.code if question.role == "form" else int(choice.code),
    }


def _visible(forms: Iterable[str], survey: Survey) -> bool | str:
    """Return whether something is shown: always, or a condition in JavaScript that names `form` once."""
    asking = [form for form in survey.forms if form in set(forms)]
    return True if len(asking) == len(survey.forms) else f"{json.dumps(asking)}.includes(form)"


def _preamble(texts: Iterable[Text], survey: Survey) -> Json:
    shown = [text for text in texts if text]
    if not shown:
        return {}
    return {"preamble": {language: "\n\n".join(text[language] for text in shown) for language in survey.languages}}


def _everywhere(text: str, survey: Survey) -> dict[str, str]:
    return dict.fromkeys(survey.languages, text)
