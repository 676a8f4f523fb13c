"""Surveys that every writer is tried on, and what a file of their answers has as columns.

One full form stands for the three and one short form for the three, as no writer knows them apart; all stand in "PWIQ all".
"""

from dataclasses import replace

from instrument.definition import Text
from instrument.survey import Asked, Choice, Page, Survey, build_survey
from tests.instrument.platforms.instruments import CANTEEN, HOSTILE, PWIQ, SMALL

HOSTILE_TEXTS = (
    "Quotes ' \" ` and back\\slash",
    "<script>alert(1)</script> & </script> &amp;",
    "[[Block:x]] [[Choice:1]] ]]",
    "${e://Field/form} {unknown} %s {{x}}",
    "first line\nsecond line\r\n\r\nafter a blank line",
    "line\u2028separator and paragraph\u2029separator",
    "日本語 ñandú 🙂 − –",
    "// comment */ <!-- x --> ]]>",
)


def _hostile_text(number: int, text: Text) -> Text:
    """The text with a hostile one behind it, another in each language; the number keeps the texts apart."""
    return Text(
        tuple(
            (language, f"{plain} {number} {HOSTILE_TEXTS[(number + at) % len(HOSTILE_TEXTS)]}")
            for at, (language, plain) in enumerate(text.items())
        )
    )


def hostile(survey: Survey) -> Survey:
    """The survey with a hostile text in every question and answer, and in what is only said."""
    labels: dict[tuple[str | None, str], Text] = {}

    def choice(scale: str | None, each: Choice) -> Choice:
        label = labels.setdefault((scale, each.code), _hostile_text(len(labels), each.label))
        return replace(each, label=label)

    def question(number: int, each: Asked) -> Asked:
        return replace(
            each,
            text=_hostile_text(number, each.text),
            choices=tuple(choice(each.scale, answer) for answer in each.choices),
        )

    pages, number = [], 0
    for page in survey.pages:
        asked = [question(number + at, each) for at, each in enumerate(page.questions)]
        number += len(asked)
        pages.append(replace(page, questions=tuple(asked)))
    said = {
        name: _hostile_text(at, getattr(survey.instrument, name))
        for at, name in enumerate(("title", "instructions", "banner", "rule"))
    }
    return replace(survey, pages=tuple(pages), instrument=replace(survey.instrument, **said))


def required(survey: Survey, *ids: str) -> Survey:
    """The survey with these questions required (all of them, where none is named)."""

    def page(each: Page) -> Page:
        return replace(
            each, questions=tuple(replace(q, required=q.required or not ids or q.id in ids) for q in each.questions)
        )

    return replace(survey, pages=tuple(page(each) for each in survey.pages))


def _everything(instrument, **options):
    off = [question.id for question in instrument.questions if question.asked == "off"]
    return build_survey(instrument, follow_up=True, switched_on=off, **options)


SURVEYS = {
    "PWIQ P": build_survey(PWIQ, forms=["P"]),
    "PWIQ CS": build_survey(PWIQ, forms=["CS"], languages=PWIQ.languages[-1:]),
    "PWIQ all": _everything(PWIQ, forms=PWIQ.forms.ids, planning=True, seed=7, wave=2),
    "PWIQ short": build_survey(PWIQ, forms=["PS", "CS", "MS"], languages=PWIQ.languages[-1:]),
    "PWIQ hostile": hostile(build_survey(PWIQ, forms=["M", "CS"])),
    "canteen P": _everything(CANTEEN, forms=["P"], wave=3),
    "canteen short": build_survey(CANTEEN, forms=["CS"]),
    "canteen all": _everything(CANTEEN, forms=CANTEEN.forms.ids, languages=["es", "en"], planning=True),
    "canteen hostile": hostile(_everything(CANTEEN, forms=["P", "CS"])),
    "canteen required": required(_everything(CANTEEN, forms=["P", "C"])),
    "canteen some required": required(_everything(CANTEEN, forms=["P", "C"]), "foodaf", "mainmeal", "open1"),
    "no forms": build_survey(SMALL),
    "hostile all": build_survey(HOSTILE, forms=HOSTILE.forms.ids, planning=True),
    "hostile short": build_survey(HOSTILE, forms=["AS"]),
}


def answer_columns(survey: Survey) -> dict[str, tuple[Asked, Choice | None]]:
    """Column → its question, in the order in which they are asked; one of several answers has a column of its own."""
    found: dict[str, tuple[Asked, Choice | None]] = {}
    for question in survey.questions():
        if question.kind == "several":
            found |= {f"{question.id}{choice.code}": (question, choice) for choice in question.choices}
        else:
            found[question.id] = (question, None)
    return found


def above_pages(survey: Survey) -> dict[str, Text]:
    """Page → what is said above it: for each form the rule on its first page of items, and why letters are asked."""
    texts = {"items": survey.instrument.rule, "code": survey.instrument.code_instructions}
    first: dict[tuple[str, str], str] = {}
    for page in survey.pages:
        for form in {form for question in page.questions for form in question.forms or ("everyone",)}:
            if texts.get(page.kind):
                first.setdefault((page.kind, form), page.id)
    return {page.id: texts[page.kind] for page in survey.pages if page.id in first.values()}


def said(survey: Survey, language: str) -> list[str]:
    """The texts that are shown but not asked, in their order."""
    instrument = survey.instrument
    texts = (instrument.banner if instrument.status == "draft" else {}, instrument.instructions)
    return [text[language] for text in (*texts, *above_pages(survey).values()) if text]
