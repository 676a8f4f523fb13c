"""A survey as a DDI-Codebook 2.5: every column of the file of answers with its question, codes and derivation.

Written by the content models of the schema ``codebook.xsd`` (namespace ``ddi:codebook:2_5``), which the tests repeat for
the elements used here. The schema itself is not shipped and the file was not validated against it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from xml.etree import ElementTree

from instrument.definition import Text
from instrument.platforms.variables import TICKED, Variable, answer_variables, derivation, score_variables, sources
from instrument.survey import Loss, Survey

_NAMESPACE = "ddi:codebook:2_5"
_LANGUAGE = "{http://www.w3.org/XML/1998/namespace}lang"
# Signs that no XML document can hold (XML 1.0, "Char").
_FORBIDDEN = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as a DDI-Codebook.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to bytes
        ``NAME.ddi.xml``: title, version, licence, banner, instructions, rule and stamp; a group of variables for each
        page and each score; a variable for each column, in every language of the survey.

    Raises
    ------
    ValueError
        If a text holds a sign that XML cannot hold.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> files = write(build_survey(read_instrument("pwiq"), forms=["C"]))
    >>> list(files), b'<var ID="roleaf" name="roleaf"' in files["pwiq_c.ddi.xml"]
    (['pwiq_c.ddi.xml'], True)
    """
    root = ElementTree.Element("codeBook", {"xmlns": _NAMESPACE, "version": "2.5", _LANGUAGE: survey.languages[0]})
    _study(root, survey)
    described = _add(root, "dataDscr")
    variables = answer_variables(survey)
    _groups(described, survey, variables)
    for place, variable in enumerate(variables, start=1):
        _variable(described, variable, survey, place)
    for variable in score_variables(survey):
        _score(described, variable, survey)
    ElementTree.indent(root)
    return {f"{survey.name}.ddi.xml": ElementTree.tostring(root, xml_declaration=True, encoding="UTF-8") + b"\n"}


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what a DDI-Codebook cannot hold of a survey."""
    return tuple(_losses(survey))


def _losses(survey: Survey) -> Iterator[Loss]:
    if any(asked.required for asked in survey.questions()):
        yield Loss(aspect="required", what="A DDI-Codebook does not say which answers are required.")
    if len(survey.forms) > 1:
        yield Loss(
            aspect="branching",
            what="Which form asks a question stands as a sentence (`universe`), not as a condition.",
        )


def _study(root: ElementTree.Element, survey: Survey) -> None:
    instrument = survey.instrument
    study = _add(root, "stdyDscr")
    citation = _add(study, "citation")
    titles = _add(citation, "titlStmt")
    first, *others = survey.languages
    _add(titles, "titl", survey.title()[first], language=first)
    for language in others:
        _add(titles, "parTitl", survey.title()[language], language=language)
    _add(titles, "IDNo", instrument.id)
    if instrument.licence:
        _add(_add(citation, "prodStmt"), "copyright", instrument.licence)
    _add(_add(citation, "verStmt"), "version", instrument.version)
    _add(citation, "notes", survey.stamp, subject="stamp")
    for subject, text in survey.statements().items():
        _add_all(study, "notes", text, survey, subject=subject)


def _groups(described: ElementTree.Element, survey: Survey, variables: Iterable[Variable]) -> None:
    columns: dict[str, list[str]] = {}
    for variable in variables:
        if variable.asked is not None:
            columns.setdefault(variable.asked.id, []).append(variable.name)
    for page in survey.pages:
        names = [name for asked in page.questions for name in columns[asked.id]]
        kind = "grid" if page.matrix else "section"
        group = _add(described, "varGrp", ID=page.id, type=kind, name=page.id, var=" ".join(names))
        if page.kind == "items":
            subscale = survey.instrument.subscales[survey.instrument.items[page.questions[0].id].subscale]
            _add_all(group, "labl", subscale.title, survey)
            _add_all(group, "concept", subscale.construct, survey)
    for asked in survey.questions():
        if asked.kind == "several":
            # An underscore, as no id of a question has one.
            group = _add(
                described,
                "varGrp",
                ID=f"several_{asked.id}",
                type="multipleResp",
                name=asked.id,
                var=" ".join(columns[asked.id]),
            )
            _add_all(group, "labl", asked.text, survey)


def _variable(described: ElementTree.Element, variable: Variable, survey: Survey, place: int) -> None:
    asked = variable.asked
    kind = "numeric" if variable.measure == "interval" else "code" if variable.choices else "text"
    var = _add(described, "var", ID=variable.name, name=variable.name, intrvl="discrete")
    if variable.choices:
        var.set("nature", variable.measure)
    var.set("representationType", kind)
    for language in survey.languages:
        if label := variable.label(language):
            _add(var, "labl", label, language=language)
    if asked is not None:
        domain = "multiple" if variable.choice is not None else "category" if variable.choices else "text"
        question = _add(var, "qstn", seqNo=str(place), responseDomainType=domain)
        _add_all(question, "qstnLit", asked.text, survey)
    for name, choices in (("valrng", variable.on_scale), ("invalrng", variable.beside)):
        if choices and kind == "code":
            codes = _add(var, name)
            for choice in choices:
                _add(codes, "item", VALUE=choice.code)
    if asked is not None and len(survey.forms) > 1 and set(asked.forms) != set(survey.forms):
        for language in survey.languages:
            who = "; ".join(survey.instrument.forms[form].title[language] for form in asked.forms)
            _add(var, "universe", f"{who} ({', '.join(asked.forms)})", language=language, clusion="I")
    for choice in variable.choices:
        catgry = _add(var, "catgry")
        if choice.reason is not None:
            catgry.set("missing", "Y")
            catgry.set("missType", choice.reason)
        _add(catgry, "catValu", choice.code)
        if choice in TICKED:
            _add(catgry, "labl", choice.label["en"], language="en")
        else:
            _add_all(catgry, "labl", choice.label, survey)
    _add(var, "varFormat", type="character" if variable.name == "form" or kind == "text" else "numeric")


def _score(described: ElementTree.Element, variable: Variable, survey: Survey) -> None:
    if variable.rule is None:
        return
    var = _add(
        described,
        "var",
        ID=variable.name,
        name=variable.name,
        intrvl="contin",
        nature="interval",
        representationType="numeric",
    )
    _add_all(var, "labl", variable.text, survey)
    made = _add(var, "derivation", var=" ".join(sources(variable.rule, survey)))
    _add(made, "drvdesc", derivation(variable.rule, survey), language="en")
    _add(var, "varFormat", type="numeric")


def _add_all(parent: ElementTree.Element, tag: str, text: Text, survey: Survey, **attributes: str) -> None:
    for language in survey.languages:
        if text.get(language):
            _add(parent, tag, text[language], language=language, **attributes)


def _add(
    parent: ElementTree.Element, tag: str, text: str | None = None, *, language: str | None = None, **attributes: str
) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, tag, _checked(attributes))
    if language is not None:
        element.set(_LANGUAGE, language)
    if text is not None:
        element.text = _checked({tag: text})[tag]
    return element


def _checked(texts: Mapping[str, str]) -> dict[str, str]:
    for text in texts.values():
        if found := _FORBIDDEN.search(text):
            raise ValueError(f"XML cannot hold the sign {found[0]!r}, in {text!r}; take it out of the definition")
    return dict(texts)
