"""A survey as a FHIR Questionnaire, in R4 and in R5, with SDC's extensions for weights, tables and calculated scores.

Not import-tested, and HL7's own validator was not run: the files are read by `fhir.resources` and held against the
invariants and bindings in `fhir_rules`.

What stands where: a group for each page (linkId: the page's id; a grid is a group of its own in it, `PAGE-table`), an
item for each question (linkId: its id), a display item for what is only read (`text-banner`, `text-instructions`,
`text-PAGE`), hidden items for what is the same for everyone (`version`, `form`, `wave`) and for scores (linkId: the
export id). No id of a question has a hyphen, so none can clash.

The questionnaire is named by a `urn:uuid` that is worked out from the definition's id and from what was asked for (forms,
languages, order …): the same in every version of the definition, another for another form. Each response scale is a code
system named the same way.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

from instrument.definition import Text
from instrument.formulas.fhirpath import calculations
from instrument.platforms.statements import page_statements
from instrument.survey import Asked, Choice, Loss, Page, Survey

__all__ = ["losses", "write"]

Release = Literal["R4", "R5"]
Json = dict[str, Any]

_CORE = "http://hl7.org/fhir/StructureDefinition"
_SDC = "http://hl7.org/fhir/uv/sdc/StructureDefinition"
_SEMVER = {"system": "http://hl7.org/fhir/version-algorithm", "code": "semver"}
# The number of an answer; it stands on the option, not on its code (SDC 4.0, profile sdc-questionnaire-behave).
_WEIGHTS = {"R4": f"{_CORE}/ordinalValue", "R5": f"{_CORE}/itemWeight"}
_NAMESPACE = uuid.UUID("6b0e2f0e-6a35-5b0c-8a57-7c1f3d7f2b11")  # ours, made once; every urn comes from it
_LICENCES = {"CC-BY-4.0": "Creative Commons Attribution 4.0 International (CC BY 4.0)"}
_NOT_RUN = (
    "Percentage of the maximum possible. This form, with weight(), was not run; its twin over the answers' codes was, "
    "against scored answers."
)


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as two FHIR Questionnaires.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to str
        ``NAME.r4.json`` and ``NAME.r5.json``. ``version`` is the definition's; ``identifier`` holds the whole stamp.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> files = write(build_survey(read_instrument("pwiq"), forms=["P"]))
    >>> list(files), json.loads(files["pwiq_p.r5.json"])["name"]
    (['pwiq_p.r4.json', 'pwiq_p.r5.json'], 'PWIQ_P')
    """
    releases: tuple[Release, ...] = ("R4", "R5")
    return {
        f"{survey.name}.{release.lower()}.json": json.dumps(
            _questionnaire(survey, release), indent=2, ensure_ascii=False
        )
        + "\n"
        for release in releases
    }


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what a FHIR Questionnaire cannot hold of a survey."""
    return tuple(_losses(survey))


def _losses(survey: Survey) -> Iterator[Loss]:
    scales = survey.instrument.response_scales
    unmarked = tuple(
        question.id
        for question in survey.questions()
        if question.kind == "single" and question.scale is not None and not scales[question.scale].ordered
        if any(choice.reason for choice in question.choices)
    )
    if unmarked:
        yield Loss(
            aspect="off_scale",
            what="Answers beside a scale (don't know, prefer not to say …) are those without a weight; where the answers are "
            "categories none has a weight, and only the label tells.",
            where=unmarked,
        )


def questionnaire_url(survey: Survey, *, forms: Iterable[str] | None = None) -> str:
    """Return the canonical url: the same for every version of a definition, another for other forms or options.

    Parameters
    ----------
    survey : Survey
    forms : iterable of str, optional
        Other forms than those of the survey, all else alike.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> survey = build_survey(read_instrument("pwiq"), forms=["PS"])
    >>> questionnaire_url(survey) == questionnaire_url(survey, forms=["P"])
    False
    """
    instrument = survey.instrument
    optional = [
        question.id
        for question in survey.questions()
        if question.id in instrument.questions.ids and instrument.questions[question.id].asked != "always"
    ]
    wave = survey.constants.get("wave")
    chosen = tuple(survey.forms if forms is None else forms)
    return _urn("questionnaire", instrument.id, chosen, survey.languages, optional, survey.planning, survey.seed, wave)


def code_system(survey: Survey, scale: str) -> str:
    """Return the name of the code system of a response scale (`form` for the forms).

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> code_system(build_survey(read_instrument("pwiq")), "agree")[:9]
    'urn:uuid:'
    """
    return _urn("codes", survey.instrument.id, scale)


def _urn(*parts: object) -> str:
    return uuid.uuid5(_NAMESPACE, json.dumps(parts)).urn


def _questionnaire(survey: Survey, release: Release) -> Json:
    instrument = survey.instrument
    draft = instrument.status == "draft"
    semver = _extension(f"{_CORE}/artifact-versionAlgorithm", valueCoding=_SEMVER)
    return {
        "resourceType": "Questionnaire",
        "meta": {"profile": [f"{_SDC}/sdc-questionnaire"]},
        "language": survey.languages[0],
        **({"extension": [semver]} if release == "R4" else {}),
        "url": questionnaire_url(survey),
        "identifier": [{"type": {"text": "definition"}, "value": survey.stamp}],
        "version": instrument.version,
        **({"versionAlgorithmCoding": _SEMVER} if release == "R5" else {}),
        "name": survey.name.upper(),
        **_translated("title", survey.title(), survey),
        **_derived_from(survey),
        "status": "draft" if draft else "active",
        "experimental": draft,
        **(_translated("description", _markdown(survey.banner), survey) if survey.banner else {}),
        **_copyright(instrument.licence),
        "item": list(_items(survey, release)),
    }


def _derived_from(survey: Survey) -> Json:
    """Name the full form that a short form is taken from."""
    if len(survey.forms) != 1:
        return {}
    full = survey.instrument.forms[survey.forms[0]].short_of
    if full is None:
        return {}
    return {"derivedFrom": [f"{questionnaire_url(survey, forms=[full])}|{survey.instrument.version}"]}


def _copyright(licence: str) -> Json:
    return {"copyright": f"Licence of the texts: {_LICENCES.get(licence, licence)}"} if licence else {}


def _items(survey: Survey, release: Release) -> Iterator[Json]:
    for name, value in survey.constants.items():
        yield _constant(name, value)
    instrument = survey.instrument
    for name, text in {"text-banner": survey.banner, "text-instructions": instrument.instructions}.items():
        if text:
            yield _display(name, text, survey)
    for page in survey.pages:
        yield _page(page, survey, release)
    yield from _scores(survey)


def _constant(name: str, value: str) -> Json:
    return {
        "extension": [_extension(f"{_CORE}/questionnaire-hidden", valueBoolean=True)],
        "linkId": name,
        "text": name,
        "type": "string",
        "readOnly": True,
        "initial": [{"valueString": value}],
    }


def _display(name: str, text: Text, survey: Survey) -> Json:
    return {"linkId": name, **_translated("text", text, survey), "type": "display"}


def _page(page: Page, survey: Survey, release: Release) -> Json:
    forms = set(survey.forms_of(page))
    items = [_question(question, forms, survey, release) for question in page.questions]
    if page.matrix:
        items = [_table(f"{page.id}-table", items)]
    for _, text in page_statements(survey, page):
        items.insert(0, _display(f"text-{page.id}", text, survey))
    return {
        "linkId": page.id,
        **({"prefix": page.number} if page.number else {}),
        "type": "group",
        **(_enabled(forms, survey) if forms < set(survey.forms) else {}),
        "item": items,
    }


def _table(name: str, items: list[Json]) -> Json:
    """Return a group whose questions are the rows and whose answers are the columns of a table."""
    control = {"coding": [{"system": "http://hl7.org/fhir/questionnaire-item-control", "code": "table"}]}
    extension = _extension(f"{_CORE}/questionnaire-itemControl", valueCodeableConcept=control)
    return {"extension": [extension], "linkId": name, "type": "group", "item": items}


def _question(question: Asked, page_forms: set[str], survey: Survey, release: Release) -> Json:
    item = {"linkId": question.id, **_translated("text", question.text, survey), "type": _type(question, release)}
    if set(question.forms) < page_forms:
        item |= _enabled(question.forms, survey)
    if question.required:
        item["required"] = True
    if question.kind == "several":
        item["repeats"] = True
    if question.choices:
        if release == "R5":
            item["answerConstraint"] = "optionsOnly"
        item["answerOption"] = [_option(choice, question, survey, release) for choice in question.choices]
    return item


def _type(question: Asked, release: Release) -> str:
    if question.kind == "text":
        return "text" if question.role == "open" else "string"
    return "choice" if release == "R4" else "coding"


def _enabled(forms: Iterable[str], survey: Survey) -> Json:
    asking = [form for form in survey.forms if form in set(forms)]
    system = code_system(survey, "form")
    return {
        "enableWhen": [
            {"question": "form", "operator": "=", "answerCoding": {"system": system, "code": form}} for form in asking
        ],
        "enableBehavior": "any",
    }


def _option(choice: Choice, question: Asked, survey: Survey, release: Release) -> Json:
    coding = {
        "system": code_system(survey, question.scale or question.id),
        "code": choice.code,
        **_translated("display", choice.label, survey),
    }
    if not _is_weighed(choice, question, survey):
        return {"valueCoding": coding}
    weight = _extension(_WEIGHTS[release], valueDecimal=int(choice.code))
    return {"extension": [weight], "valueCoding": coding}


def _is_weighed(choice: Choice, question: Asked, survey: Survey) -> bool:
    """Whether the code is a number on a scale, not the name of a category or an answer beside the scale."""
    if question.scale is None or choice.reason is not None:
        return False
    return question.role == "item" or survey.instrument.response_scales[question.scale].ordered


def _scores(survey: Survey) -> Iterator[Json]:
    found = calculations(survey.instrument, survey.forms, numbers="weight")
    for rule in survey.scores:
        if rule.export not in found:
            continue
        expression = {"description": _NOT_RUN, "language": "text/fhirpath", "expression": found[rule.export]}
        yield {
            "extension": [
                _extension(f"{_CORE}/questionnaire-hidden", valueBoolean=True),
                _extension(f"{_SDC}/sdc-questionnaire-calculatedExpression", valueExpression=expression),
            ],
            "linkId": rule.export,
            **_translated("text", rule.title, survey),
            "type": "decimal",
            "readOnly": True,
        }


def _translated(name: str, text: Mapping[str, str], survey: Survey) -> Json:
    """Return an element in the first language, the others in the translation extension."""
    first, *others = survey.languages
    extensions = [
        {
            "extension": [
                {"url": "lang", "valueCode": language},
                {"url": "content", "valueString": text[language]},
            ],
            "url": f"{_CORE}/translation",
        }
        for language in others
    ]
    return {name: text[first], **({f"_{name}": {"extension": extensions}} if extensions else {})}


def _markdown(text: Text) -> Text:
    """Return a text so that Markdown shows it as it is."""
    return Text(
        tuple((language, re.sub(r"([\\`*_\[\]<>#&~|])", r"\\\1", written)) for language, written in text.items())
    )


def _extension(url: str, **value: object) -> Json:
    return {"url": url, **value}
