"""What HL7 asks of a Questionnaire beyond its shape: invariants, bindings and references.

A part of what HL7's validator checks, for where that is not at hand; passing here is no proof of passing there.
Rules: https://hl7.org/fhir/R4/questionnaire.html and https://hl7.org/fhir/R5/questionnaire.html, by their names there.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args

__all__ = ["check_questionnaire"]

Release = Literal["R4", "R5"]
Item = Mapping[str, Any]

_STATUS = ("draft", "active", "retired", "unknown")
_PLAIN = ("group", "display", "boolean", "decimal", "integer", "date", "dateTime", "time", "string", "text", "url")
_OTHER = ("attachment", "reference", "quantity")
_TYPES = {
    "R4": (*_PLAIN, "choice", "open-choice", *_OTHER),
    "R5": (*_PLAIN, "question", "coding", *_OTHER),
}
_OPTION_TYPES = {
    "R4": ("choice", "open-choice", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"),
    "R5": ("coding", "decimal", "integer", "date", "dateTime", "time", "string", "quantity"),
}
_LENGTH_TYPES = {
    "R4": ("boolean", "decimal", "integer", "string", "text", "url", "open-choice"),
    "R5": ("boolean", "decimal", "integer", "string", "text", "url"),
}
_OPERATORS = ("exists", "=", "!=", ">", "<", ">=", "<=")
_CONSTRAINTS = ("optionsOnly", "optionsOrType", "optionsOrString")
# The type of an answer that an enableWhen may compare with an item of this type.
_ANSWERS = {
    "boolean": "answerBoolean",
    "decimal": "answerDecimal",
    "integer": "answerInteger",
    "date": "answerDate",
    "dateTime": "answerDateTime",
    "time": "answerTime",
    "string": "answerString",
    "text": "answerString",
    "url": "answerString",
    "choice": "answerCoding",
    "open-choice": "answerCoding",
    "coding": "answerCoding",
    "reference": "answerReference",
    "quantity": "answerQuantity",
}


def check_questionnaire(resource: Mapping[str, Any], release: Release) -> tuple[str, ...]:
    """Return what is wrong with a Questionnaire, each with the linkId where it is; nothing where all is well.

    Parameters
    ----------
    resource : mapping
        The resource as read from its JSON.
    release : {"R4", "R5"}

    Returns
    -------
    tuple of str

    Raises
    ------
    ValueError
        If ``release`` is none of these.

    Examples
    --------
    >>> check_questionnaire({"resourceType": "Questionnaire", "status": "finished"}, "R5")
    ("status 'finished' is not one of draft, active, retired, unknown",)
    """
    if release not in get_args(Release):
        raise ValueError(f"release must be 'R4' or 'R5'; got {release!r}")
    return tuple(_faults(resource, release))


def _faults(resource: Mapping[str, Any], release: Release) -> Iterator[str]:
    if resource.get("resourceType") != "Questionnaire":
        yield f"resourceType {resource.get('resourceType')!r} is not Questionnaire"
    if resource.get("status") not in _STATUS:
        yield f"status {resource.get('status')!r} is not one of {', '.join(_STATUS)}"
    if "name" in resource and not re.fullmatch("[A-Z][A-Za-z0-9_]{0,254}", resource["name"]):
        yield f"name {resource['name']!r}: a capital letter, then letters, digits and _ (que-0, cnl-0)"
    if re.search(r"[|#\s]", resource.get("url", "")):
        yield f"url {resource['url']!r} has a blank, | or # (cnl-1)"
    items = list(_nested(resource.get("item", [])))
    for link, count in Counter(item.get("linkId") for item in items).items():
        if count > 1:
            yield f"{link}: linkId occurs {count} times (que-2)"
    earlier: dict[str, str] = {}
    for item in items:
        if not item.get("linkId") or len(item["linkId"]) > 255:
            yield f"an item has the linkId {item.get('linkId')!r}: 1 to 255 characters (que-15)"
            continue
        for fault in (*_item_faults(item, release), *_condition_faults(item, earlier)):
            yield f"{item['linkId']}: {fault}"
        earlier[item["linkId"]] = str(item.get("type"))


def _nested(items: list[Item]) -> Iterator[Item]:
    for item in items:
        yield item
        yield from _nested(item.get("item", []))


def _item_faults(item: Item, release: Release) -> Iterator[str]:
    kind = item.get("type")
    if kind not in _TYPES[release]:
        yield f"type {kind!r} is not one of {release}"
        return
    if kind == "group" and not item.get("item"):
        yield "a group without items (que-1)"
    if kind == "display":
        forbidden = ("item", "code", "required", "repeats", "readOnly", "initial")
        yield from (
            f"a display item has {key!r} (que-1, que-3, que-6, que-8, que-9)" for key in forbidden if key in item
        )
    if kind == "group" and "initial" in item:
        yield "a group has an initial value (que-8)"
    if "answerOption" in item and "answerValueSet" in item:
        yield "both answerOption and answerValueSet (que-4)"
    if ("answerOption" in item or "answerValueSet" in item) and kind not in _OPTION_TYPES[release]:
        yield f"an item of type {kind!r} offers answers (que-5)"
    if "maxLength" in item and kind not in _LENGTH_TYPES[release]:
        yield f"an item of type {kind!r} has maxLength (que-10)"
    if "answerOption" in item and "initial" in item:
        yield "both answerOption and initial (que-11)"
    if len(item.get("initial", [])) > 1 and not item.get("repeats"):
        yield "several initial values, but it does not repeat (que-13)"
    yield from _option_faults(item)
    if release == "R4" and "answerConstraint" in item:
        yield "answerConstraint came with R5"
    if "answerConstraint" in item and item["answerConstraint"] not in _CONSTRAINTS:
        yield f"answerConstraint {item['answerConstraint']!r} is not one of {', '.join(_CONSTRAINTS)}"
    if "answerConstraint" in item and not ("answerOption" in item or "answerValueSet" in item):
        yield "answerConstraint without answers to choose from (que-14)"


def _option_faults(item: Item) -> Iterator[str]:
    codings = [option["valueCoding"] for option in item.get("answerOption", []) if "valueCoding" in option]
    for (system, code), count in Counter((each.get("system"), each.get("code")) for each in codings).items():
        if count > 1:
            yield f"the code {code!r} of {system} is offered {count} times"
    for coding in codings:
        if re.search(r"^\s|\s$|\s\s", coding.get("code", "")):
            yield f"the code {coding['code']!r} begins, ends or goes on with blanks"


def _condition_faults(item: Item, earlier: Mapping[str, str]) -> Iterator[str]:
    conditions = item.get("enableWhen", [])
    if len(conditions) > 1 and "enableBehavior" not in item:
        yield "several enableWhen, but no enableBehavior (que-12)"
    if item.get("enableBehavior", "any") not in ("any", "all"):
        yield f"enableBehavior {item['enableBehavior']!r} is neither any nor all"
    for condition in conditions:
        operator, question = condition.get("operator"), condition.get("question")
        if operator not in _OPERATORS:
            yield f"operator {operator!r} is not one of {', '.join(_OPERATORS)}"
        if question not in earlier:
            yield f"enableWhen asks {question!r}, which is no earlier item"
            continue
        answers = [key for key in condition if key.startswith("answer")]
        expected = "answerBoolean" if operator == "exists" else _ANSWERS.get(earlier[question])
        if answers != [expected]:
            yield f"enableWhen on {question!r} needs {expected}, has {', '.join(answers) or 'none'} (que-7)"
