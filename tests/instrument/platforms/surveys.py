"""Surveys that the writers are tried on: every form, all forms, short forms, both languages, hostile texts, limits."""

from dataclasses import replace

from instrument.definition import Text
from instrument.survey import Asked, Choice, Page, Survey, build_survey
from tests.instrument.platforms.instruments import CANTEEN, PWIQ

HOSTILE = (
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
            (language, f"{plain} {number} {HOSTILE[(number + at) % len(HOSTILE)]}")
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
    **{f"PWIQ {form}": build_survey(PWIQ, forms=[form]) for form in PWIQ.forms.ids},
    "PWIQ all": _everything(PWIQ, forms=PWIQ.forms.ids, planning=True, seed=7, wave=2),
    "PWIQ short": build_survey(PWIQ, forms=["PS", "CS", "MS"], languages=PWIQ.languages[-1:]),
    "canteen P": _everything(CANTEEN, forms=["P"], wave=3),
    "canteen all": _everything(CANTEEN, forms=CANTEEN.forms.ids, languages=["es", "en"], planning=True),
    "canteen hostile": hostile(_everything(CANTEEN, forms=["P", "CS"])),
    "PWIQ hostile": hostile(build_survey(PWIQ, forms=["C"])),
    "canteen required": required(_everything(CANTEEN, forms=["P", "C"])),
    "canteen some required": required(_everything(CANTEEN, forms=["P", "C"]), "foodaf", "mainmeal", "open1"),
}


def said(survey: Survey, language: str) -> list[str]:
    """The texts that are shown but not asked, in their order."""
    instrument = survey.instrument
    texts = (instrument.banner if instrument.status == "draft" else {}, instrument.instructions, instrument.rule)
    return [text[language] for text in texts if text]
