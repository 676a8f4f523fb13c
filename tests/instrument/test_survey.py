"""What a survey platform is to ask, worked out from the definition."""

from dataclasses import replace
from pathlib import Path

import pytest

from instrument import read_instrument
from instrument.survey import build_survey


@pytest.fixture(scope="module")
def pwiq():
    return read_instrument("pwiq")


@pytest.mark.parametrize("form", ["P", "C", "M", "PS", "CS", "MS"])
def test_a_form_asks_its_items_and_no_others(pwiq, form):
    survey = build_survey(pwiq, forms=[form])
    items = [question.id for question in survey.questions() if question.role == "item"]
    assert items == list(pwiq.asked_by(form))
    assert all(question.forms == (form,) for question in survey.questions())
    assert survey.constants["form"] == form


def test_the_short_forms_get_no_subscale_scores(pwiq):
    scores = [rule.id for rule in build_survey(pwiq, forms=["PS"]).scores]
    assert "role" not in scores
    assert "macro" not in scores
    assert {"integration", "facilitator_index", "balance"} <= set(scores)


def test_several_forms_ask_first_which_it_is(pwiq):
    survey = build_survey(pwiq, forms=["P", "C"])
    first = next(survey.questions())
    assert (first.id, first.required, [choice.code for choice in first.choices]) == ("form", True, ["P", "C"])
    asked = {question.id: question.forms for question in survey.questions()}
    assert asked["induaf"] == ("P",)  # colleagues cannot see it
    assert asked["roleaf"] == ("P", "C")
    assert "difrole" not in asked  # managers alone
    assert "form" not in survey.constants


def test_what_was_already_asked_and_what_is_off_is_left_out(pwiq):
    first = {question.id for question in build_survey(pwiq, forms=["P"]).questions()}
    assert not {"change7", "progparts", "perspective"} & first
    later = {question.id for question in build_survey(pwiq, forms=["P"], follow_up=True).questions()}
    assert later - first == {"change7", "progparts"}
    switched = {question.id for question in build_survey(pwiq, forms=["P"], switched_on=["perspective"]).questions()}
    assert switched - first == {"perspective"}


def test_not_started_is_offered_only_while_planning(pwiq):
    def codes(planning):
        survey = build_survey(pwiq, forms=["P"], planning=planning)
        return {
            choice.code for question in survey.questions() if question.id == "roleaf" for choice in question.choices
        }

    assert codes(False) == {"1", "2", "3", "4", "5", "97", "98"}
    assert codes(True) == codes(False) | {"99"}


def test_the_seed_shuffles_pages_of_items_and_nothing_else(pwiq):
    plain, one, again = (build_survey(pwiq, forms=["C"], seed=seed) for seed in (None, 7, 7))
    assert one.pages == again.pages
    assert one.stamp == again.stamp
    assert "seed-7" in one.stamp
    assert [page.id for page in one.pages] != [page.id for page in plain.pages]
    assert {page.id: page.questions for page in one.pages} == {page.id: page.questions for page in plain.pages}
    assert [page.number for page in one.pages if page.kind == "items"][:2] == ["1/11", "2/11"]


def test_how_well_someone_can_judge_is_asked_before_the_items(pwiq):
    kinds = [page.kind for page in build_survey(pwiq, forms=["C"]).pages]
    assert kinds.index("before") < kinds.index("items")


def test_ids_of_pages_are_free_and_obey_the_naming_rule(pwiq):
    for definition in (pwiq, read_instrument(Path(__file__).parent.parent / "data" / "small.toml")):
        survey = build_survey(definition, follow_up=True)
        pages = [page.id for page in survey.pages]
        ids = [question.id for question in survey.questions()]
        assert len(set(pages + ids)) == len(pages) + len(ids)
        assert all(page.isalnum() and page.islower() and len(page) <= 15 for page in pages)


def test_what_there_is_not_is_refused(pwiq):
    with pytest.raises(ValueError, match="'Q': not a form; choose among P, C, M"):
        build_survey(pwiq, forms=["Q"])
    with pytest.raises(ValueError, match="named twice"):
        build_survey(pwiq, forms=["P", "P"])
    with pytest.raises(ValueError, match="'xx': not a language"):
        build_survey(pwiq, languages=["xx"])
    with pytest.raises(ValueError, match="'stay': not a question that can be switched on"):
        build_survey(pwiq, switched_on=["stay"])
    with pytest.raises(ValueError, match="wave must be a number from 1"):
        build_survey(pwiq, wave=0)
    with pytest.raises(ValueError, match="needs a language"):
        build_survey(pwiq, languages=[])


def test_a_title_is_in_the_languages_of_the_survey_only(pwiq):
    for forms in (["P"], ["P", "C"]):
        assert list(build_survey(pwiq, forms=forms, languages=["es"]).title()) == ["es"]


def test_what_writers_ask_of_a_survey(pwiq):
    survey = build_survey(pwiq, forms=["P", "C", "M"])
    pages = {page.id: page for page in survey.pages}
    assert survey.forms_of(pages["pagedifficulty"]) == ("M",)
    assert survey.forms_of(pages["pageindu"]) == ("P", "C", "M")
    assert survey.has_off_scale
    assert survey.required_among_others == ()
    first, *others = pages["pagerole"].questions
    mixed = replace(pages["pagerole"], questions=(replace(first, required=True), *others))
    assert replace(survey, pages=(mixed,)).required_among_others == (first.id,)
    whole = replace(mixed, questions=tuple(replace(each, required=True) for each in mixed.questions))
    assert replace(survey, pages=(whole,)).required_among_others == ()
    bare = [replace(each, choices=tuple(c for c in each.choices if not c.reason)) for each in mixed.questions]
    assert not replace(survey, pages=(replace(mixed, questions=tuple(bare)),)).has_off_scale
