"""The columns of the file of answers that a survey leads to: what the writers of codebooks describe."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from instrument.codebook import codebook
from instrument.definition import Instrument, ScoreRule, Text
from instrument.survey import Asked, Choice, Survey

# Of a question with several answers, each answer has a column of these. The definition has no words for them.
TICKED = (
    Choice(code="0", label=Text((("en", "no"),))),
    Choice(code="1", label=Text((("en", "yes"),))),
)
_RULES = {
    "mean": "mean of the valid answers, reversed items turned",
    "balanced_mean": "mean of the mean of the facilitators and the mean of the barriers, these turned",
    "raw_mean": "mean of the valid answers, not turned",
    "mean_of_scores": "mean of the scores",
    "difference": "the first score minus the second",
    "acquiescence": "mean of the two raw means minus the midpoint of the scale",
}
_METRIC = {
    "difference": "percent of the maximum possible score, -100 to 100",
    "acquiescence": "on the scale of the answers",
}
_OF_SCORES = ("mean_of_scores", "difference", "acquiescence")


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One column of the file of answers.

    Parameters
    ----------
    name : str
        Its canonical name; of a score, the export id.
    text : Text
        The question; of a score, its title; of a key, what it is.
    choices : tuple of Choice
        The codes with labels; empty for text and numbers.
    measure : "nominal", "ordinal", "interval" or "text"
    asked : Asked or None
        The question that fills it; None for keys and scores.
    choice : Choice or None
        Of a question with several answers: the answer that this column is about.
    rule : ScoreRule or None
        Of a score.
    """

    name: str
    text: Text
    choices: tuple[Choice, ...]
    measure: Literal["nominal", "ordinal", "interval", "text"]
    asked: Asked | None = None
    choice: Choice | None = None
    rule: ScoreRule | None = None

    def label(self, language: str) -> str:
        """Return the text in a language, with the answer where the column is about one of several.

        Empty for a key that the definition has no words for in this language.
        """
        words = self.text.get(language, "")
        return words if self.choice is None else f"{words} – {self.choice.label[language]}"

    @property
    def on_scale(self) -> tuple[Choice, ...]:
        """The choices on the scale."""
        return tuple(choice for choice in self.choices if choice.reason is None)

    @property
    def beside(self) -> tuple[Choice, ...]:
        """The choices beside the scale, such as "don't know"."""
        return tuple(choice for choice in self.choices if choice.reason is not None)


def answer_variables(survey: Survey) -> tuple[Variable, ...]:
    """Return the columns that hold keys and answers, in the order in which they are asked.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> [each.name for each in answer_variables(build_survey(read_instrument("pwiq")))][:8]
    ['response', 'person', 'form', 'wave', 'version', 'organisation', 'team', 'roleaf']
    """
    asked = tuple(_asked_variables(survey))
    taken = {each.name for each in asked}
    return (*(each for each in _keys(survey) if each.name not in taken), *asked)


def score_variables(survey: Survey) -> tuple[Variable, ...]:
    """Return the columns of the scores, under their export ids.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> [each.name for each in score_variables(build_survey(read_instrument("pwiq")))][-2:]
    ['balance', 'acquiescence']
    """
    return tuple(
        Variable(name=rule.export, text=rule.title, choices=(), measure="interval", rule=rule) for rule in survey.scores
    )


def derivation(rule: ScoreRule, survey: Survey) -> str:
    """Return in words how a score is made, as `instrument.scoring.score` makes it.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> survey = build_survey(read_instrument("pwiq"))
    >>> derivation(survey.instrument.scores["balance"], survey)
    'difference: the first score minus the second (facindex, barindex); percent of the maximum possible score, -100 to 100'
    """
    instrument = survey.instrument
    forms = [instrument.forms[form] for form in survey.forms]
    full = [form.id for form in forms if not form.is_short]
    short = [form.id for form in forms if form.is_short]
    told = {}
    if full or not forms:
        told[""] = _rule_in_words(rule, instrument, full)
    if short and rule.short is not None:
        told["short forms: "] = _rule_in_words(rule.short, instrument, short)
    if len(set(told.values())) == 1:
        return next(iter(told.values()))
    return ". ".join(f"{who}{words}" for who, words in told.items())


def sources(rule: ScoreRule, survey: Survey) -> tuple[str, ...]:
    """Return the columns that a score is made from: items that are asked, and scores under their export ids.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> survey = build_survey(read_instrument("pwiq"))
    >>> sources(survey.instrument.scores["preparation"], survey)
    ('role', 'indu', 'educ')
    """
    instrument = survey.instrument
    forms = [instrument.forms[form] for form in survey.forms]
    named: list[str] = []
    if not forms or any(not form.is_short for form in forms):
        named += _of(rule, instrument, [form.id for form in forms if not form.is_short])
    if rule.short is not None and any(form.is_short for form in forms):
        named += _of(rule.short, instrument, [form.id for form in forms if form.is_short])
    return tuple(dict.fromkeys(named))


def _of(rule: ScoreRule, instrument: Instrument, forms: Sequence[str]) -> list[str]:
    """Return what a rule is made of on these forms; all items where there are none."""
    if rule.rule in _OF_SCORES:
        return [instrument.scores[each].export for each in rule.of]
    return [item for item in rule.items if not forms or set(instrument.items[item].forms) & set(forms)]


def _rule_in_words(rule: ScoreRule, instrument: Instrument, forms: Sequence[str]) -> str:
    of = _of(rule, instrument, forms)
    told = [f"{rule.rule}: {_RULES[rule.rule]} ({', '.join(of)})"]
    turned = [each for each in of if each in instrument.items.ids and instrument.items[each].reverse]
    if turned and rule.rule != "raw_mean" and rule.rule not in _OF_SCORES:
        told.append(f"turned: {', '.join(turned)}")
    if rule.rule not in ("difference", "acquiescence"):
        numbers = rule.minimum
        least = numbers if isinstance(numbers, int) else f"{numbers[0]}/{numbers[1]} of those asked"
        told.append(f"at least {least} must be valid")
    if rule.minimum_each_wording and rule.rule not in _OF_SCORES:
        told.append(f"and {rule.minimum_each_wording} of each wording")
    return "; ".join([*told, _METRIC.get(rule.rule, "percent of the maximum possible score, 0 to 100")])


def _keys(survey: Survey) -> Iterator[Variable]:
    english = codebook(survey.instrument)["text"]
    names = ("response", "person", *(["form"] if survey.forms else []), "wave", "version")
    for name in names:
        if name in survey.instrument.questions.ids:
            text = survey.instrument.questions[name].text
        else:  # the codebook has words in English only
            text = Text((("en", str(english.get(name, "Version of the definition"))),))
        forms = survey.forms if name == "form" else ()
        choices = tuple(Choice(code=form, label=survey.instrument.forms[form].title) for form in forms)
        measure: Literal["nominal", "interval", "text"] = "nominal" if forms else "text"
        yield Variable(name=name, text=text, choices=choices, measure="interval" if name == "wave" else measure)


def _asked_variables(survey: Survey) -> Iterator[Variable]:
    for asked in survey.questions():
        if asked.kind == "several":
            for choice in asked.choices:
                name = f"{asked.id}{choice.code}"
                yield Variable(
                    name=name, text=asked.text, choices=TICKED, measure="nominal", asked=asked, choice=choice
                )
        elif asked.kind == "text":
            yield Variable(name=asked.id, text=asked.text, choices=(), measure="text", asked=asked)
        else:
            ordered = asked.scale is not None and survey.instrument.response_scales[asked.scale].ordered
            yield Variable(
                name=asked.id,
                text=asked.text,
                choices=asked.choices,
                measure="ordinal" if ordered else "nominal",
                asked=asked,
            )
