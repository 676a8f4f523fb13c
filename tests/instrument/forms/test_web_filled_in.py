"""Every form of the questionnaire, in every language, filled in on the web by keyboard alone, and read back."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from playwright.sync_api import Page

from instrument import build_survey, read_instrument, read_responses, score
from instrument.files import csv_text, unmasked
from instrument.forms.collected import collected
from instrument.forms.web import write_web
from instrument.responses import Responses
from instrument.survey import Asked
from tests.instrument.forms.keyboard import Met, fill_in
from tests.instrument.forms.made_up_study import STUDY
from tests.instrument.forms.web_form import ADDRESS, POSTING, saved

PWIQ = read_instrument("pwiq")
SURVEYS = {
    "P": build_survey(PWIQ, forms=["P"], follow_up=True, wave=2),
    "C": build_survey(PWIQ, forms=["C"]),
    "M": build_survey(PWIQ, forms=["M"], planning=True, wave=1),
    "PS": build_survey(PWIQ, forms=["PS"]),
    "CS": build_survey(PWIQ, forms=["CS"], wave=1),
    "MS": build_survey(PWIQ, forms=PWIQ.forms.ids, planning=True),  # the form is asked first
}


SCORED = "PS"  # whose scores are held against those of the same answers, typed as a table


def left_blank(form: str, language: str) -> Callable[[int], bool]:
    """Return which questions to leave blank: half of them, the others in the other language; few where scores are wanted."""
    if form == SCORED:
        return lambda number: number % 5 == 0
    return lambda number: (number % 4 < 2) == (language == "en")


def answered_in_english(page: Page, form: str, tmp_path: Path, **options: Any) -> tuple[Path, dict[str, str]]:
    """Answer a form that saves a file."""
    path = tmp_path / "form.html"
    path.write_text(write_web(SURVEYS[form], study=STUDY), encoding="utf-8")
    page.goto(path.as_uri())
    with page.expect_download(timeout=60_000) as waiting:
        answers = fill_in(page, form=form, leave=left_blank(form, "en"), **options)
    return saved(waiting.value), answers


def answered_in_spanish(page: Page, form: str, tmp_path: Path, **options: Any) -> tuple[Path, dict[str, str]]:
    """Answer a form that opens in English, has its pages shuffled and posts what is answered; collect that."""
    path = tmp_path / "form.html"
    path.write_text(write_web(SURVEYS[form], study=POSTING, shuffle=True), encoding="utf-8")
    posted = tmp_path / "posted.json"

    def keep(route: Any) -> None:
        posted.write_text(route.request.post_data or "", encoding="utf-8")
        route.fulfill(status=200, headers={"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"})

    page.route(ADDRESS, keep)
    page.goto(path.as_uri())
    answers = fill_in(page, form=form, language="es", leave=left_blank(form, "es"), **options)
    page.unroute(ADDRESS)
    table = tmp_path / "collected.csv"
    table.write_text(csv_text(collected([posted])), encoding="utf-8")
    return table, answers


@pytest.mark.parametrize("answered", [answered_in_english, answered_in_spanish], ids=["en", "es"])
@pytest.mark.parametrize("form", PWIQ.forms.ids)
def test_filled_in_by_keyboard_alone_the_answers_arrive(page: Page, tmp_path: Path, form: str, answered: Any) -> None:
    language = "en" if answered is answered_in_english else "es"
    survey = SURVEYS[form]
    asked = {question.id: question for question in survey.questions() if form in question.forms}
    met = Met(asked, language)
    page.set_viewport_size({"width": 320, "height": 100})  # what is drawn costs much of the time
    path, answers = answered(page, form, tmp_path, meet=met)
    assert sorted(met.ids) == sorted(asked)
    assert 0.4 * len(asked) < len(answers)
    raw = pd.read_csv(path, dtype=str, keep_default_na=False).iloc[0].map(unmasked)
    columns = list(dict.fromkeys(["form", *(column for question in asked.values() for column in _columns(question))]))
    assert raw[columns].to_dict() == dict.fromkeys(columns, "") | answers | {"form": form}
    responses = read_responses(path, PWIQ)
    _read_unchanged(responses, {column: raw[column] for column in columns}, asked)
    row = responses.people.iloc[0]
    assert row[["form", "language", "version"]].tolist() == [form, language, PWIQ.version]
    assert row["wave"] == int(survey.constants.get("wave", 1))
    assert pd.isna(row["trial"])
    pages = [page for page in survey.pages if page.kind == "items" and form in survey.forms_of(page)]
    blocks = [page.id.removeprefix("page") for page in pages]
    assert row["blocks"].split() == (blocks if language == "en" else shuffled(blocks, int(row["seed"])))
    assert all(float(raw[f"seconds_{block}"]) >= 0 for block in blocks)
    if form == SCORED:
        typed = tmp_path / "typed.csv"
        pd.DataFrame([dict.fromkeys(columns, "") | answers | {"form": form}]).to_csv(typed, index=False)
        scores = score(responses).reset_index(drop=True)
        assert scores.notna().to_numpy().sum() > 1
        pd.testing.assert_frame_equal(scores, score(read_responses(typed, PWIQ)).reset_index(drop=True))


def _columns(question: Asked) -> list[str]:
    if question.kind == "several":
        return [f"{question.id}{choice.code}" for choice in question.choices]
    return [question.id]


def _read_unchanged(responses: Responses, raw: dict[str, str], asked: dict[str, Asked]) -> None:
    """Assert that what was read are the answers as they came: on a scale, beside it with the reason, in words, or blank."""
    items = {name: question for name, question in asked.items() if question.role == "item"}
    reasons = {(name, choice.code): choice.reason for name, each in items.items() for choice in each.choices}
    on_scale = responses.answers.iloc[0].dropna().astype(int).astype(str).to_dict()
    beside = responses.off_scale.iloc[0].dropna().to_dict()
    given = {name: raw[name] for name in items if raw[name]}
    assert on_scale == {name: code for name, code in given.items() if not reasons[name, code]}
    assert beside == {name: reasons[name, code] for name, code in given.items() if reasons[name, code]}
    for name, question in asked.items():
        if name in items:
            continue
        off = {choice.code for choice in question.choices if choice.reason and question.kind == "single"}
        for column in _columns(question):
            told = responses.people[column].iloc[0] if column in responses.people else pd.NA
            assert ("" if pd.isna(told) else str(told)) == ("" if raw[column] in off else raw[column]), column


def shuffled(blocks: list[str], seed: int) -> list[str]:
    """Fisher and Yates' shuffle with the generator mulberry32, written down once more."""
    state, order, whole = seed, list(blocks), 2**32 - 1

    def draw() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) & whole
        mixed = ((state ^ (state >> 15)) * (state | 1)) & whole
        mixed ^= mixed + (((mixed ^ (mixed >> 7)) * (mixed | 61)) & whole) & whole
        return ((mixed ^ (mixed >> 14)) & whole) / 2**32

    for last in range(len(order) - 1, 0, -1):
        at = int(draw() * (last + 1))
        order[last], order[at] = order[at], order[last]
    return order
