"""What an independent reader found in a platform's file, held against the survey that it was written from.

A reader's finding is plain data::

    {"title": {"en": "…"}, "shown": {"en": ["…"]}, "stamp": "… pwiq 0.2.0 form P … sha256:… …",
     "questions": [{"id": "roleaf", "kind": "single", "text": {"en": "…"}, "required": False,
                    "choices": [{"code": "1", "label": {"en": "…"}}], "beside": ["97"],
                    "forms": ["P", "M"], "grid": "pagerole"}],
     "scores": ["role"], "constants": {"version": "0.2.0"}}

A key that the format cannot hold is left out. ``beside`` are the codes that the file itself marks as no points of the
scale; ``forms`` are the forms that the file shows the question to, left out where
it is always shown; ``grid`` names what stands in one grid. A file that does not say which language it is in has the
language ``""``. ``shown`` are all texts that are only read, in which banner, instructions and rule are looked for.
Of hidden fields only `constants` are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from instrument.definition import Text
from instrument.survey import ASPECTS, Asked, Aspect, Loss, Survey

Finding = Mapping[str, Any]
Verdict = Literal["same", "stated loss", "not asked", "DIFFERENT"]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One thing that the file has otherwise; `absent`: it is not there at all. `id`: as in `Loss.where`."""

    aspect: Aspect
    id: str
    where: str
    asked: str
    found: str
    absent: bool

    def __str__(self) -> str:
        return f"{self.aspect}: {self.where}: " + (
            f"{self.asked!r} is missing" if self.absent else f"{self.asked!r} became {self.found!r}"
        )


@dataclass(frozen=True, kw_only=True)
class AspectVerdict:
    """What became of one aspect in one file."""

    aspect: Aspect
    verdict: Verdict
    stated: tuple[Loss, ...]
    differences: tuple[Difference, ...]


def compare(survey: Survey, finding: Finding, losses: Sequence[Loss]) -> tuple[AspectVerdict, ...]:
    """Hold what was read against the survey, aspect by aspect.

    Parameters
    ----------
    survey : Survey
    finding : mapping
        As readers return it; see the head of this module.
    losses : sequence of Loss
        What the writer says the format cannot hold. A stated loss excuses what is absent, never what is wrong; one that
        was stated though the file holds everything is a difference too.

    Returns
    -------
    tuple of AspectVerdict
        In the order of `ASPECTS`.
    """
    differences = list(_differences(survey, finding))
    verdicts = []
    for aspect in ASPECTS:
        stated = tuple(loss for loss in losses if loss.aspect == aspect)
        found = tuple(difference for difference in differences if difference.aspect == aspect)
        unexcused = tuple(each for each in found if not any(excuses(loss, each) for loss in stated))
        verdict: Verdict = "same"
        if unexcused:
            verdict = "DIFFERENT"
        elif stated:
            verdict = "stated loss"
            idle = [loss for loss in stated if not any(excuses(loss, each) for each in found)]
            if idle and _is_asked(survey, aspect):
                verdict = "DIFFERENT"
                unexcused = tuple(_wrong(aspect, "stated loss", loss.what, "nothing of it is lost") for loss in idle)
        elif not _is_asked(survey, aspect):
            verdict = "not asked"
        verdicts.append(AspectVerdict(aspect=aspect, verdict=verdict, stated=stated, differences=unexcused or found))
    return tuple(verdicts)


def excuses(loss: Loss, difference: Difference) -> bool:
    """Return whether a stated loss is about a difference."""
    return difference.id in loss.where if loss.where else difference.absent


def _is_asked(survey: Survey, aspect: Aspect) -> bool:
    """Whether the survey has anything of this aspect that a platform could lose."""
    return {
        "languages": len(survey.languages) > 1,
        "required": any(question.required for question in survey.questions()),
        "off_scale": survey.has_off_scale,
        "branching": any(question.forms != survey.forms for question in survey.questions()),
        "layout": any(page.matrix for page in survey.pages),
        "scores": bool(survey.scores),
        "banner": bool(survey.banner),
    }.get(aspect, True)


def _differences(survey: Survey, finding: Finding) -> Iterator[Difference]:
    first = survey.languages[0]
    yield from _stamp(survey, finding)
    yield from _text("texts", "title", survey.title(), finding.get("title", {}), first, survey.languages)
    yield from _shown(survey, finding)
    read: dict[str, Mapping[str, Any]] = {}
    for question in finding.get("questions", ()):
        if question["id"] in read:
            yield _wrong("codes", question["id"], "one question", "two of this id")
        read[question["id"]] = question
    asked = {question.id: question for question in survey.questions()}
    for name in read:
        if name not in asked and name not in survey.constants:
            yield _wrong("texts", name, "no such question", "a question of this id")
    for name, question in asked.items():
        if name not in read:
            yield _absent("texts", name, question.text[first])
            continue
        yield from _question(survey, question, read[name])
    order = [name for name in asked if name in read]
    found = [name for name in read if name in asked]
    if order != found:
        at = next(place for place, (one, other) in enumerate(zip(order, found, strict=True)) if one != other)
        yield _absent("order", order[at], order[at], found[at])
    yield from _grids(survey, read)
    scores = set(finding.get("scores", ()))
    yield from (_absent("scores", rule.export, rule.export) for rule in survey.scores if rule.export not in scores)
    for name in sorted(scores - {rule.export for rule in survey.scores}):
        yield _wrong("scores", name, "no such score", "a score of this id")


def _stamp(survey: Survey, finding: Finding) -> Iterator[Difference]:
    stamp = finding.get("stamp")
    if not stamp:
        yield _absent("stamp", "stamp", survey.stamp)
    elif survey.stamp not in stamp:
        yield _wrong("stamp", "stamp", survey.stamp, str(stamp))
    constants = finding.get("constants", dict(survey.constants))  # a codebook holds no answers: the stamp says it all
    for name, value in survey.constants.items():
        if name not in constants:
            yield _absent("stamp", name, value)
        elif str(constants[name]) != value:
            yield _wrong("stamp", name, value, str(constants[name]))


def _shown(survey: Survey, finding: Finding) -> Iterator[Difference]:
    """Look for what is only read (banner, instructions, rule …) among the texts that are shown, in each language."""
    shown = finding.get("shown", {})
    nowhere: set[str] = set()  # not even in the first language: lost once, not once a language
    for language in survey.languages:
        first = language == survey.languages[0]
        found = [_plain(text) for text in shown.get(language, shown.get("", ()) if first else ())]
        for name, text in survey.statements().items():
            if language in text and name not in nowhere and not any(_plain(text[language]) in each for each in found):
                nowhere |= {name} if first else set()
                aspect: Aspect = "languages" if not first else "banner" if name == "banner" else "texts"
                yield _absent(aspect, name if first else f"{name} in {language}", text[language])


def _question(survey: Survey, asked: Asked, read: Mapping[str, Any]) -> Iterator[Difference]:
    first = survey.languages[0]
    yield from _text("texts", asked.id, asked.text, read.get("text", {}), first, survey.languages)
    if read.get("kind", asked.kind) != asked.kind:
        yield _wrong("codes", asked.id, asked.kind, str(read["kind"]))
    yield from _choices(survey, asked, read.get("choices", ()))
    if asked.kind == "single":  # where several may be ticked, each has a column of its own, and there is no scale
        yield from _beside(asked, read.get("beside"))
    if asked.required and not read.get("required"):
        yield _absent("required", asked.id, "an answer is required")
    elif read.get("required") and not asked.required:
        yield _wrong("required", asked.id, "an answer is not required", "required")
    forms = read.get("forms")
    if forms is None:
        if asked.forms != survey.forms:
            yield _absent("branching", asked.id, f"shown to {', '.join(asked.forms)} only")
    elif set(forms) != set(asked.forms):
        yield _wrong("branching", asked.id, ", ".join(asked.forms), ", ".join(forms))


def _beside(asked: Asked, marked: Sequence[str] | None) -> Iterator[Difference]:
    beside = [choice.code for choice in asked.choices if choice.reason]
    if beside and not marked:
        yield _absent("off_scale", asked.id, f"{', '.join(beside)} marked as no points of the scale")
    elif marked and set(marked) != set(beside):
        yield _wrong("off_scale", asked.id, f"{', '.join(beside)} beside the scale", ", ".join(marked))


def _choices(survey: Survey, asked: Asked, read: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    first = survey.languages[0]
    found = {str(choice["code"]): choice.get("label", {}) for choice in read}
    aspects: dict[str, Aspect] = {choice.code: "off_scale" if choice.reason else "codes" for choice in asked.choices}
    for choice in asked.choices:
        where = f"{asked.id}, answer {choice.code}"
        if choice.code not in found:
            yield _absent(aspects[choice.code], where, choice.label[first])
        else:
            yield from _text("texts", where, choice.label, found[choice.code], first, survey.languages)
    for code in found:
        if code not in aspects:
            yield _wrong("codes", f"{asked.id}, answer {code}", "no such answer", "an answer of this code")
    order = [code for code in aspects if code in found]
    if order != [code for code in found if code in aspects]:
        yield _wrong("order", f"{asked.id}, answers", " ".join(order), " ".join(found))


def _grids(survey: Survey, read: Mapping[str, Mapping[str, Any]]) -> Iterator[Difference]:
    for page in survey.pages:
        grids = {str(read[question.id].get("grid") or "") for question in page.questions if question.id in read}
        if page.matrix and grids and (len(grids) > 1 or "" in grids):
            yield _absent("layout", page.id, "one grid", "questions of their own")
        elif not page.matrix and grids - {""}:
            yield _wrong("layout", page.id, "questions of their own", "a grid")


def _text(
    aspect: Aspect, where: str, asked: Text, read: Mapping[str, str], first: str, languages: Sequence[str]
) -> Iterator[Difference]:
    """Compare a text in its languages; those after the first count as the aspect "languages"."""
    for language in languages:
        if language not in asked:
            continue
        found = read.get(language, read.get("") if language == first else None)
        kind: Aspect = aspect if language == first else "languages"
        place = where if language == first else f"{where} in {language}"
        if not found:
            yield _absent(kind, place, asked[language])
        elif _plain(found) != _plain(asked[language]):
            yield _wrong(kind, place, asked[language], found)


def _plain(text: str) -> str:
    """Return a text without what platforms do to blanks and line ends; every other character counts."""
    return " ".join(text.split())


def _absent(aspect: Aspect, where: str, asked: str, found: str = "") -> Difference:
    return Difference(aspect=aspect, id=_id(where), where=where, asked=asked, found=found, absent=True)


def _wrong(aspect: Aspect, where: str, asked: str, found: str) -> Difference:
    return Difference(aspect=aspect, id=_id(where), where=where, asked=asked, found=found, absent=False)


def _id(where: str) -> str:
    """Return the id at the beginning of a place ("roleaf, answer 3", "title in es")."""
    return where.replace(",", " ").split()[0]
