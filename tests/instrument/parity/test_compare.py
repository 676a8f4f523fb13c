"""The comparison must see every difference that a reader can report, and excuse only what is stated and absent."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from instrument import read_instrument
from instrument.parity.compare import compare
from instrument.survey import ASPECTS, Loss, Survey, build_survey


@pytest.fixture(scope="module")
def survey() -> Survey:
    return build_survey(read_instrument("pwiq"), forms=["P", "C"], follow_up=True)


@pytest.fixture
def finding(survey: Survey) -> dict[str, Any]:
    """What a reader of a perfect file would say."""
    return deepcopy(
        {
            "title": dict(survey.title()),
            "shown": {
                language: [text[language] for text in survey.statements().values()] for language in survey.languages
            },
            "stamp": f"made from {survey.stamp}",
            "constants": dict(survey.constants),
            "scores": [rule.export for rule in survey.scores],
            "questions": [
                {
                    "id": question.id,
                    "kind": question.kind,
                    "text": dict(question.text),
                    "required": question.required,
                    "choices": [{"code": choice.code, "label": dict(choice.label)} for choice in question.choices],
                    "beside": [
                        choice.code for choice in question.choices if choice.reason and question.kind == "single"
                    ],
                    "forms": list(question.forms),
                    "grid": page.id if page.matrix else "",
                }
                for page in survey.pages
                for question in page.questions
            ],
        }
    )


def verdicts(survey: Survey, finding: dict[str, Any], *losses: Loss) -> dict[str, str]:
    return {each.aspect: each.verdict for each in compare(survey, finding, losses)}


def test_a_perfect_file_is_the_same(survey, finding):
    assert set(verdicts(survey, finding).values()) <= {"same", "not asked"}


def at(finding: dict[str, Any], name: str) -> dict[str, Any]:
    return next(question for question in finding["questions"] if question["id"] == name)


def _drop(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda finding: finding["questions"].remove(at(finding, name))


MUTATIONS: dict[str, tuple[str, Callable[[dict[str, Any]], None]]] = {
    "one text": (
        "texts",
        lambda f: at(f, "roleaf")["text"].update(en="What peer workers are here to do is set in stone."),
    ),
    "one character": ("texts", lambda f: at(f, "roleaf")["text"].update(en=at(f, "roleaf")["text"]["en"][:-1])),
    "one label": ("texts", lambda f: at(f, "roleab")["choices"][0]["label"].update(en="Disagree strongly")),
    "two labels swapped": (
        "texts",
        lambda f: at(f, "roleab")["choices"][0].update(code="2") or at(f, "roleab")["choices"][1].update(code="1"),
    ),
    "one code": ("codes", lambda f: at(f, "roleab")["choices"][4].update(code="6")),
    "answers beside the scale": ("off_scale", lambda f: at(f, "roleab")["choices"].pop()),
    "answers beside the scale no longer marked": ("off_scale", lambda f: at(f, "roleab").pop("beside")),
    "a point of the scale marked as beside it": ("off_scale", lambda f: at(f, "roleab")["beside"].append("5")),
    "one question gone": ("texts", _drop("supvcb")),
    "one question more": ("texts", lambda f: f["questions"].append({"id": "extra", "text": {}})),
    "one question twice": ("codes", lambda f: f["questions"].append(at(f, "roleaf"))),
    "several answers became one": ("codes", lambda f: at(f, "progparts").update(kind="single")),
    "required": ("required", lambda f: at(f, "form").update(required=False)),
    "required too much": ("required", lambda f: at(f, "roleaf").update(required=True)),
    "shown to all": ("branching", lambda f: at(f, "induaf").pop("forms")),
    "shown to others": ("branching", lambda f: at(f, "induaf").update(forms=["C"])),
    "order": ("order", lambda f: f["questions"].reverse()),
    "order of answers": ("order", lambda f: at(f, "roleaf")["choices"].reverse()),
    "grid": ("layout", lambda f: at(f, "roleaf").update(grid="")),
    "grid where none is asked": ("layout", lambda f: at(f, "global10").update(grid="g")),
    "score": ("scores", lambda f: f["scores"].pop()),
    "score too much": ("scores", lambda f: f["scores"].append("iq")),
    "stamp": ("stamp", lambda f: f.update(stamp="pwiq 0.0.9")),
    "no stamp": ("stamp", lambda f: f.pop("stamp")),
    "version": ("stamp", lambda f: f["constants"].update(version="9.9.9")),
    "banner": ("banner", lambda f: f["shown"]["en"].pop(0)),
    "instructions": ("texts", lambda f: f["shown"]["en"].pop(1)),
    "rule": ("texts", lambda f: f["shown"]["en"].pop()),
    "title": ("texts", lambda f: f["title"].update(en="Another questionnaire")),
}


@pytest.mark.parametrize("what", MUTATIONS)
def test_every_difference_is_seen(survey, finding, what):
    aspect, mutate = MUTATIONS[what]
    mutate(finding)
    assert verdicts(survey, finding)[aspect] == "DIFFERENT"


def test_another_language_is_compared_text_by_text(survey, finding):
    other = survey.languages[1]
    at(finding, "roleaf")["text"][other] = "otra cosa"
    assert verdicts(survey, finding)["languages"] == "DIFFERENT"
    at(finding, "roleaf")["text"].pop(other)
    assert verdicts(survey, finding)["languages"] == "DIFFERENT"


def test_a_stated_loss_excuses_what_is_absent_and_nothing_else(survey, finding):
    loss = Loss(aspect="branching", what="everyone sees all questions")
    for question in finding["questions"]:
        question.pop("forms")
    assert verdicts(survey, finding, loss)["branching"] == "stated loss"
    at(finding, "induaf")["forms"] = ["C"]
    assert verdicts(survey, finding, loss)["branching"] == "DIFFERENT"


@pytest.mark.parametrize("aspect", [aspect for aspect in ASPECTS if aspect != "languages"])
def test_a_loss_that_was_stated_for_nothing_is_a_fault(survey, finding, aspect):
    assert verdicts(survey, finding, Loss(aspect=aspect, what="all is lost"))[aspect] == "DIFFERENT"


def test_blanks_and_line_ends_are_no_difference(survey, finding):
    at(finding, "roleaf")["text"]["en"] = "  " + at(finding, "roleaf")["text"]["en"].replace(" ", "\r\n", 1)
    assert verdicts(survey, finding)["texts"] == "same"
