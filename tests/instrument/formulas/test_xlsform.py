"""XLSForm calculations: compiled by pyxform, checked by ODK Validate, evaluated on answers by libxml2's XPath."""

from __future__ import annotations

import re

import pytest
from lxml import etree
from pyxform.validators.odk_validate import ODKValidateError
from pyxform.xls2xform import convert

from instrument.formulas import xlsform

DEFINITIONS = ("pwiq", "forms", "small", "compared", "odd")
XFORMS = "{http://www.w3.org/2002/xforms}"


def survey_rows(definition, forms) -> dict:
    """A form as a person would type it: one choice list a scale, the questions, the calculations."""
    survey = []
    choices = []
    for scale in definition.response_scales:
        choices += [{"list_name": scale.id, "name": str(code), "label": str(code)} for code in scale.labels]
    if len(forms) > 1:
        survey.append({"type": "select_one forms", "name": "form", "label": "Form"})
        choices += [{"list_name": "forms", "name": form, "label": form} for form in forms]
    survey += [{"type": f"select_one {item.scale}", "name": item.id, "label": item.id} for item in definition.items]
    for name, expression in xlsform.calculations(definition, forms).items():
        survey.append({"type": "calculate", "name": name, "calculation": expression})
    settings = [{"form_title": "Test", "form_id": "test", "version": "1"}]
    return {"survey": survey, "choices": choices, "settings": settings}


def compiled(definition, forms) -> tuple[list[tuple[str, etree.XPath]], list[str]]:
    """(name, XPath) of each calculation as pyxform wrote it into the form, and the names of all questions."""
    result = convert(survey_rows(definition, forms), validate=False, pretty_print=False)
    assert not result.warnings
    form = etree.fromstring(result.xform.encode())
    binds = list(form.iter(f"{XFORMS}bind"))
    calculated = [
        (
            bind.get("nodeset").removeprefix("/data/"),
            etree.XPath(bind.get("calculate"), extensions={(None, "if"): when}),
        )
        for bind in binds
        if bind.get("calculate") and "instanceID" not in bind.get("nodeset")
    ]
    return calculated, [bind.get("nodeset").removeprefix("/data/") for bind in binds]


def when(_, test, then, otherwise):
    """ODK's `if`: the test as XPath's boolean() takes it."""
    return then if test else otherwise


def as_text(value) -> str:
    if isinstance(value, list):
        return "".join(value[0].itertext()) if value else ""
    return repr(float(value)) if isinstance(value, float | int) else str(value)


def evaluate(calculated, names, row) -> dict[str, float]:
    """Recalculate until nothing changes, as a form does."""
    root = etree.Element("data")
    nodes = {name: etree.SubElement(root, name) for name in names if "/" not in name}
    for name, node in nodes.items():
        node.text = row.get(name, "")
    tree = etree.ElementTree(root)
    for _ in range(10):
        before = [nodes[name].text for name, _ in calculated]
        for name, expression in calculated:
            nodes[name].text = as_text(expression(tree))
        if before == [nodes[name].text for name, _ in calculated]:
            break
    else:
        pytest.fail("the calculations never settle")
    return {name: float(nodes[name].text or "nan") for name, _ in calculated}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_form_alone(name, case, disagreements) -> None:
    whole = case(name, per_form=3 if name == "pwiq" else 12)
    for form in whole.instrument.forms.ids or (None,):
        this = whole.of_form(form)
        calculated, names = compiled(this.instrument, [form])
        assert not disagreements(this, [evaluate(calculated, names, row) for row in this.rows], "pomp")


@pytest.mark.parametrize("name", ["pwiq", "forms"])
def test_all_forms_in_one_survey(name, case, disagreements) -> None:
    this = case(name, per_form=1 if name == "pwiq" else 12)
    calculated, names = compiled(this.instrument, this.instrument.forms.ids)
    assert not disagreements(this, [evaluate(calculated, names, row) for row in this.rows], "pomp")


def test_odk_validate_accepts_them(case, needs_tool) -> None:
    """JavaRosa, which ODK Collect runs, parses every expression and finds no circle and no unknown name."""
    needs_tool("java")
    definition = case("pwiq").instrument
    assert not convert(survey_rows(definition, definition.forms.ids), validate=True, pretty_print=False).warnings
    rows = survey_rows(case("odd").instrument, [])
    spoilt = next(row for row in rows["survey"] if row["type"] == "calculate")
    spoilt["calculation"] = spoilt["calculation"].replace("if(", "whether(", 1)
    with pytest.raises(ODKValidateError, match="whether"):
        convert(rows, validate=True, pretty_print=False)


def test_a_cell_of_a_spreadsheet_holds_each(case) -> None:
    definition = case("pwiq").instrument
    for expression in xlsform.calculations(definition, definition.forms.ids).values():
        assert len(expression) < 32_767
        assert re.sub(r"\$\{[a-z][a-z0-9]*\}", "", expression).isascii()


def test_forms_are_named_once_and_known(case) -> None:
    definition = case("pwiq").instrument
    with pytest.raises(ValueError, match="named twice"):
        xlsform.calculations(definition, ["P", "P"])
    with pytest.raises(ValueError, match="'X' is not one of pwiq"):
        xlsform.calculations(definition, ["P", "X"])
    assert "role" not in xlsform.calculations(definition, ["PS", "CS"])
