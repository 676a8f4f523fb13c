"""FHIRPath: the twin that reads codes is run by fhirpathpy; the form with weight() differs from it in nothing else."""

from __future__ import annotations

import re
from decimal import Decimal
from functools import cache

import fhirpathpy
import pytest
from fhirpathpy.models import models

from instrument.formulas import fhirpath


def response(definition, row) -> dict:
    """A QuestionnaireResponse (R4): groups of coded answers; what was not answered has no item."""
    groups = []
    for subscale in definition.subscales:
        items = [
            {"linkId": item.id, "answer": [{"valueCoding": {"system": "urn:x", "code": row[item.id]}}]}
            for item in definition.items
            if item.subscale == subscale.id and row[item.id]
        ]
        groups.append({"linkId": f"page{subscale.id}", "item": items})
    if "form" in row:
        groups.append({"linkId": "form", "answer": [{"valueCoding": {"code": row["form"]}}]})
    return {"resourceType": "QuestionnaireResponse", "status": "completed", "item": groups}


def evaluate(compiled, definition, rows) -> list[dict[str, float | None]]:
    """Scores one after the other; each becomes a decimal item that later ones can read."""
    scored = []
    for row in rows:
        answers = response(definition, row)
        scores: dict[str, float | None] = {}
        for name, expression in compiled.items():
            found = expression(answers, {"resource": answers})
            assert len(found) <= 1
            scores[name] = float(found[0]) if found else None
            if found:
                answers["item"].append({"linkId": name, "answer": [{"valueDecimal": Decimal(str(found[0]))}]})
        scored.append(scores)
    return scored


def compiled(definition, forms):
    twin = fhirpath.calculations(definition, forms, numbers="code")
    return {name: engine(expression) for name, expression in twin.items()}


@cache
def engine(expression: str):
    """An expression, parsed once: parsing takes longer than evaluating, and forms share most expressions."""
    return fhirpathpy.compile(expression, models["r4"])


@pytest.mark.parametrize("name", ["forms", "small", "compared", "odd"])
def test_the_twin(name, case, disagreements) -> None:
    whole = case(name, per_form=4)
    for form in whole.instrument.forms.ids or (None,):
        this = whole.of_form(form)
        got = evaluate(compiled(this.instrument, [form]), this.instrument, this.rows)
        assert not disagreements(this, got, "pomp")


def test_the_twin_with_all_forms_in_one_questionnaire(case, disagreements) -> None:
    """The expression depends on the answer to `form`."""
    this = case("forms", per_form=4)
    got = evaluate(compiled(this.instrument, this.instrument.forms.ids), this.instrument, this.rows)
    assert not disagreements(this, got, "pomp")


def test_the_twin_on_a_whole_response(case, disagreements) -> None:
    whole = case("pwiq", per_form=1)
    for place, form in ((-6, "P"), (-3, "PS")):
        this = whole.at([len(whole.rows) + place])
        assert this.rows[0]["form"] == form
        got = evaluate(compiled(this.instrument, [form]), this.instrument, this.rows)
        assert not disagreements(this, got, "pomp")


@pytest.mark.parametrize("form", ["P", "C", "M", "PS", "CS", "MS"])
def test_the_twin_on_the_golden_respondents(form, case, disagreements) -> None:
    """fhirpathpy takes a tenth of a second for a whole response, so each score gets the answers that it names alone."""
    whole = case("pwiq", per_form=1)
    this = whole.at(range(len(whole.rows) - 6)).of_form(form)
    definition = whole.instrument
    named = {
        name: set("|".join("|".join(pair) for pair in re.findall(r"'\^\((.*?)\)\$'|linkId = '(.*?)'", text)).split("|"))
        for name, text in fhirpath.calculations(definition, [form], numbers="code").items()
    }
    expressions = compiled(definition, [form])
    got = []
    known: dict[tuple, float | None] = {}  # many respondents gave the same answers to the items of a score
    for row in this.rows:
        scores: dict[str, float | None] = {}
        for name, expression in expressions.items():
            given = (name, *((each, row.get(each), scores.get(each)) for each in sorted(named[name])))
            if given in known:
                scores[name] = known[given]
                continue
            answers = response(definition, row | {item: "" for item in definition.items.ids if item not in named[name]})
            answers["item"] += [
                {"linkId": other, "answer": [{"valueDecimal": Decimal(str(value))}]}
                for other, value in scores.items()
                if value is not None and other in named[name]
            ]
            found = expression(answers, {"resource": answers})
            known[given] = scores[name] = float(found[0]) if found else None
        got.append(scores)
    assert not disagreements(this, got, "pomp")


def test_the_published_form_differs_in_how_it_reads_an_answer_only(case) -> None:
    definition = case("pwiq").instrument
    published = fhirpath.calculations(definition, definition.forms.ids)
    twin = fhirpath.calculations(definition, definition.forms.ids, numbers="code")
    assert "weight()" in published["role"]
    for name, expression in published.items():
        assert expression.replace("answer.value.weight()", "answer.value.code.select(toInteger())") == twin[name]
    with pytest.raises(ValueError, match="numbers must be"):
        fhirpath.calculations(definition, [], numbers="label")


def test_no_engine_here_runs_weight(case) -> None:
    """If this fails, there is one now: run the published form too, and say so in RUN_BY."""
    definition = case("small").instrument
    row = case("small").rows[0]
    published = fhirpath.calculations(definition, [])["rest"]
    with pytest.raises(Exception, match="weight"):
        fhirpathpy.evaluate(response(definition, row), published, {"resource": response(definition, row)}, models["r4"])
