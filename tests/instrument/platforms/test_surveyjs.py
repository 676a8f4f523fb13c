"""SurveyJS JSON is read back by the `surveyjs` package; its expressions are worked out here by a reader of their own.

The scores were also compared once with SurveyJS itself (survey-core 3.1.1 in node): of 6320 scores of random answers to
every form the same 2743 were blank, and the others equal to 1e-13.
"""

import functools
import html
import json
import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from surveyjs import SurveyCreator, SurveyForm

from instrument.definition import Text
from instrument.platforms.surveyjs import losses, write
from instrument.reading import read_responses
from instrument.scoring import score
from instrument.survey import build_survey
from tests.instrument.platforms.instruments import CANTEEN, PWIQ, SMALL
from tests.instrument.platforms.surveys import SURVEYS, said


def content(survey):
    (name, text), *others = write(survey).items()
    assert name == f"{survey.name}.surveyjs.json"
    assert not others
    return text


def in_language(text, language):
    """What SurveyJS shows: the text of the language, else the one under "default"; a word joiner is not seen."""
    written = text.get(language, text["default"])
    assert not re.search(r"\{(?!\u2060)[^{}]*\}", written), "braces that SurveyJS would fill in"
    return written.replace("{\u2060", "{")


class Expressions:
    """Calculated values as SurveyJS works them out: nothing is empty, and what is made of nothing is nothing."""

    def __init__(self, file, answers):
        self.values = {each["name"]: each["expression"] for each in file["calculatedValues"]}
        self.answers = answers
        self.known = {}

    def value(self, name):
        """The value of a name, or None; a dot leads into a matrix."""
        if name in self.values and name not in self.known:
            self.known[name] = self._work_out(self.values[name])
        if name in self.values:
            return self.known[name]
        whole, _, part = name.partition(".")
        answer = self.answers.get(whole)
        return answer.get(part) if part and answer else answer

    def _work_out(self, expression):
        names = {
            "iif": lambda condition, yes, no: as_number(yes if condition else no),
            "full": lambda name: self.value(name) is not None,
            "number": lambda name: np.float64("nan") if self.value(name) is None else np.float64(self.value(name)),
            "text": self.value,
            "list_of": lambda name: self.value(name) or [],
        }
        with np.errstate(all="ignore"):
            found = eval(in_python(expression), {"__builtins__": {}}, names)
        missing = found == "" if isinstance(found, str) else np.isnan(found)
        return None if missing else found


def as_number(value):
    """A number that may be divided by 0, as in SurveyJS; a text as it is."""
    return value if isinstance(value, str) else np.float64(value)


@functools.cache
def in_python(expression):
    """An expression of SurveyJS as one of Python."""
    translated = re.sub(r"\{([\w.]+)\} notempty", r"full('\1')", expression)
    translated = re.sub(r"\{([\w.]+)\} anyof", r"number('\1') in", translated)
    translated = re.sub(r"\{([\w.]+)\} contains (\d+)", r"(\2 in list_of('\1'))", translated)
    translated = re.sub(r"\{([\w.]+)\} = '", r"text('\1') == '", translated)
    translated = re.sub(r"(\{[\w.]+\}) = (\d)", r"\1 == \2", translated)
    translated = re.sub(r"\{([\w.]+)\}", r"number('\1')", translated)
    return compile(translated, "an expression", "eval")


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
def test_every_text_id_code_and_required_answer_is_there_in_order(survey):
    text = content(survey)
    creator = SurveyCreator(text)
    assert not creator.ambiguous_names
    file = json.loads(text)
    assert file["locale"] == survey.languages[0]
    kinds = {"radiogroup": "single", "checkbox": "several", "text": "text", "comment": "text"}
    for page, found in zip(survey.pages, creator.pages, strict=True):
        assert found.raw.get("title", "") == page.number
        asked = [element for element in found.elements.values() if element.type != "html"]
        if page.matrix:
            (matrix,) = asked
            assert (matrix.type, matrix.name) == ("matrix", page.id)
            assert [row["value"] for row in matrix.rows] == [question.id for question in page.questions]
            forced = all(question.required for question in page.questions)
            assert matrix.is_all_row_required == forced
            rows = [(row["text"], question.text) for row, question in zip(matrix.rows, page.questions, strict=True)]
            columns = [(matrix.columns, page.questions[0].choices)]
        else:
            assert [(each.name, kinds[each.type], bool(each.is_required)) for each in asked] == [
                (question.id, question.kind, question.required) for question in page.questions
            ]
            rows = [(each.raw["title"], question.text) for each, question in zip(asked, page.questions, strict=True)]
            columns = [
                (each.raw.get("choices", []), question.choices)
                for each, question in zip(asked, page.questions, strict=True)
            ]
        for written, choices in columns:
            assert [str(each["value"]) for each in written] == [choice.code for choice in choices]
            rows += [(each["text"], choice.label) for each, choice in zip(written, choices, strict=True)]
        for written, meant in rows:
            assert {each: in_language(written, each) for each in survey.languages} == {
                each: meant[each] for each in survey.languages
            }


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
def test_what_is_only_said_is_there_and_escaped(survey):
    elements = [element for page in json.loads(content(survey))["pages"] for element in page["elements"]]
    shown = [element["html"] for element in elements if element["type"] == "html"]
    for language in survey.languages:
        written = [in_language(each, language) for each in shown]
        assert all(set(re.findall(r"<[^>]*>", each)) <= {"<p>", "</p>", "<br>"} for each in written)
        assert not any("{" in each for each in written)
        plain = [html.unescape(re.sub(r"</?p>", "", each).replace("<br>", "\n")) for each in written]
        assert plain == ["\n".join(text.splitlines()) for text in said(survey, language)]
        title = json.loads(content(survey))["title"]
        assert in_language(title, language) == survey.title()[language]


@pytest.mark.parametrize("name", ["PWIQ all", "PWIQ short", "canteen all", "canteen P"])
def test_each_form_sees_its_own_questions(name):
    survey = SURVEYS[name]
    for form in survey.forms:

        def is_shown(thing, form=form):
            condition = thing.get("visibleIf")
            return condition is None or form in re.findall(r"(?:^| or )\{form\} = '(\w+)'(?= or |$)", condition)

        seen = []
        for page in json.loads(content(survey))["pages"]:
            for element in filter(is_shown, page["elements"]):
                rows = element.get("rows")
                seen += [element["name"]] if rows is None else [row["value"] for row in filter(is_shown, rows)]
        asked = [question.id for question in survey.questions() if form in question.forms]
        assert [each for each in seen if "_" not in each] == asked


def random_answers(survey, count, seed):
    """Forms and answers to the items, with blanks and answers beside the scale, as SurveyJS stores them and flat."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        form = survey.forms[number % len(survey.forms)] if survey.forms else None
        blank = rng.choice([0, 0, 0.1, 0.3, 0.6, 1])
        stored, flat = {}, {"person": f"p{number}"}
        if form:
            flat["form"] = form
        if len(survey.forms) > 1:
            stored["form"] = form
        for page in survey.pages:
            for question in page.questions:
                if question.role != "item" or (form and form not in question.forms) or rng.random() < blank:
                    continue
                on = [choice for choice in question.choices if not choice.reason]
                choices = on if rng.random() < 0.93 else question.choices
                code = int(choices[rng.integers(len(choices))].code)
                flat[question.id] = code
                if page.matrix:
                    stored.setdefault(page.id, {})[question.id] = code
                else:
                    stored[question.id] = code
        yield stored, flat


CASES = [
    *((CANTEEN, (form,)) for form in CANTEEN.forms.ids),
    *((CANTEEN, CANTEEN.forms.ids), (SMALL, ())),
    *((PWIQ, ("M",)), (PWIQ, ("CS",)), (PWIQ, ("P", "C", "PS"))),
]


@pytest.mark.parametrize(("instrument", "forms"), CASES, ids=[f"{each.id} {'+'.join(forms)}" for each, forms in CASES])
def test_scores_and_flat_answers_are_worked_out_as_ours(instrument, forms, tmp_path):
    survey = build_survey(instrument, forms=forms, planning=True)
    file = json.loads(content(survey))
    kept = [each["name"] for each in file["calculatedValues"] if each.get("includeIntoResult")]
    answers = list(random_answers(survey, 18, seed=3))
    columns = ["person", *(["form"] if forms else []), *instrument.items.ids]
    table = pd.DataFrame([flat for _, flat in answers]).reindex(columns=columns).astype(object)
    table.to_csv(tmp_path / "answers.csv", index=False)
    ours = score(read_responses(tmp_path / "answers.csv", instrument))
    compared = 0
    for row, (stored, flat) in enumerate(answers):
        expressions = Expressions(file, stored)
        for item in instrument.items.ids:
            assert expressions.value(item) == flat.get(item)
        for rule in survey.scores:
            assert rule.export in kept
            theirs = expressions.value(rule.export)
            assert (theirs is None) == np.isnan(ours[rule.id].iloc[row]), (rule.id, row)
            if theirs is not None:
                assert theirs == pytest.approx(ours[rule.id].iloc[row], abs=1e-9)
                compared += 1
    assert len(answers) / 3 < compared < len(answers) * len(survey.scores)


def test_a_result_holds_answers_and_constants_under_the_columns_that_are_read():
    survey = SURVEYS["canteen P"]
    file = json.loads(content(survey))
    kept = {each["name"]: each["expression"] for each in file["calculatedValues"] if each.get("includeIntoResult")}
    assert {name: kept[name] for name in survey.constants} == {"version": "'0.2.0'", "form": "'P'", "wave": "'3'"}
    expressions = Expressions(file, {"pagefood": {"foodaf": 4}, "meal": [1, 98]})
    assert {name: expressions.value(name) for name in ("foodaf", "foodab")} == {"foodaf": 4, "foodab": None}
    assert [expressions.value(f"meal{code}") for code in (1, 2, 3, 98)] == [1, 0, 0, 1]
    assert Expressions(file, {}).value("meal1") is None
    not_kept = [each for each in file["calculatedValues"] if "includeIntoResult" not in each]
    assert {"name": "text_stamp", "expression": f"'{survey.stamp}'"} in not_kept
    # No name twice, and none of a question that is asked under its own name.
    names = [each["name"] for each in file["calculatedValues"]]
    asked = [element["name"] for page in file["pages"] for element in page["elements"]]
    assert len({*names, *asked}) == len([*names, *asked])


def test_the_package_finds_the_faults_of_an_answer():
    creator = SurveyCreator(content(SURVEYS["canteen required"]))
    full = {row["value"]: 5 for row in creator.pages[1].elements["pagefood"].rows}
    answers = {"form": "P", "pagefood": full, "meal": [1], "mainmeal": 2}
    form = SurveyForm(answers, creator=creator)
    assert form.questions["pagefood"].get_row_value("foodab") == 5
    assert "pagefood" not in form.validation_errors()
    assert "satisfied" in form.validation_errors()


def test_answers_beside_the_scale_exclude_the_others():
    elements = [element for page in json.loads(content(SURVEYS["canteen P"]))["pages"] for element in page["elements"]]
    (meal,) = [element for element in elements if element["name"] == "meal"]
    assert [choice["value"] for choice in meal["choices"] if choice.get("isExclusive")] == [98]


def test_what_is_lost():
    survey = SURVEYS["canteen P"]
    assert [loss.aspect for loss in losses(survey)] == ["off_scale"]
    off_scale, loss = losses(SURVEYS["canteen some required"])
    assert off_scale.where == ()
    assert (loss.aspect, loss.where) == ("required", ("foodaf",))
    text = Text((("en", "Why {roleaf}, { foodaf.x }, {{form}}, {} and {{?"), ("es", "¿Por qué?")))
    braces = replace(survey.pages[0], questions=(replace(survey.pages[0].questions[0], text=text),))
    loss, _ = losses(replace(survey, pages=(braces, *survey.pages[1:])))
    assert (loss.aspect, loss.where) == ("texts", (braces.questions[0].id,))
    written = content(replace(survey, pages=(braces, *survey.pages[1:])))
    assert "Why {\u2060roleaf}, {\u2060 foodaf.x }, {{\u2060form}}, {\u2060} and {{?" in written


def test_the_same_survey_gives_the_same_bytes():
    assert write(SURVEYS["PWIQ all"]) == write(SURVEYS["PWIQ all"])
