"""Scores as one expression each, for platforms that calculate with `if(test, then, otherwise)`.

REDCap, XLSForm and LimeSurvey differ in how they name an answer, test for blanks, divide and add up; the shape of the
expression is the same. There are no fields in between: a score is a mean of items, or is made of other scores by their
export ids. All scores are POMP.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol

from instrument.definition import Instrument
from instrument.formulas.arithmetic import number, percent, weighted_sum
from instrument.formulas.terms import (
    Combination,
    ItemMean,
    Part,
    Score,
    ScoreMean,
    form_scores,
    percent_combination,
    percent_scores,
)

FORM = "form"  # the question whose answer is the id of the respondent's form


class Dialect(Protocol):
    """How one platform writes the pieces of an expression; names are those of items, scores or the form question."""

    divide: str
    at_least: str
    blank: str

    def answer(self, name: str) -> str:
        """Write the answer to a question or the value of a score."""

    def answered(self, name: str) -> str:
        """Write the test whether there is one."""

    def on_scale(self, name: str, codes: Sequence[int]) -> str:
        """Write the test whether an answer is one of the codes, which a blank is not."""

    def is_text(self, name: str, text: str) -> str:
        """Write the test whether an answer is this text."""

    def total(self, terms: Sequence[str]) -> str:
        """Write the sum of two or more numbers, none of them blank."""


@dataclass(frozen=True)
class _Writer:
    dialect: Dialect
    scores: Mapping[str, Score]

    def score(self, score: Score) -> str:
        value = score.value
        if isinstance(value, ItemMean):
            return self._item_mean(value, score)
        if isinstance(value, ScoreMean):
            return self._score_mean(value, score)
        return self._combination(value, score)

    def _item_mean(self, mean: ItemMean, score: Score) -> str:
        enough = [self._at_least(self._count(items, mean), minimum) for items, minimum in mean.tests]
        means = [self._part_mean(part, mean) for part in mean.parts]
        value = means[0] if len(means) == 1 else f"{self._total(means)} {self.dialect.divide} {len(means)}"
        return self._if_all(enough, percent(value, score.origin, score.span, divide=self.dialect.divide))

    def _part_mean(self, part: Part, mean: ItemMean) -> str:
        terms = [self._if_valid(item, mean, self.dialect.answer(item)) for item in part.as_answered]
        terms += [self._if_valid(i, mean, f"{mean.turning} - {self.dialect.answer(i)}") for i in part.turned]
        return f"{self._total(terms)} {self.dialect.divide} {self._count(part.items, mean)}"

    def _count(self, items: Sequence[str], mean: ItemMean) -> str:
        return self._total([self._if_valid(item, mean, "1") for item in items])

    def _score_mean(self, mean: ScoreMean, score: Score) -> str:
        names = [self.scores[name].export for name in mean.of]
        count = self._total([f"if({self.dialect.answered(name)}, 1, 0)" for name in names])
        terms = []
        for each in percent_scores(mean, score, self.scores):
            value = weighted_sum(
                [(self.dialect.answer(each.export), each.slope)], Fraction(0), divide=self.dialect.divide
            )
            if each.offset:
                value = self._total([value, number(each.offset, divide=self.dialect.divide)])
            terms.append(f"if({self.dialect.answered(each.export)}, {value}, 0)")
        value = f"{self._total(terms)} {self.dialect.divide} {count}"
        return self._if_all([self._at_least(count, mean.minimum)], value)

    def _combination(self, combination: Combination, score: Score) -> str:
        weights, constant = percent_combination(combination, score, self.scores)
        there = [self.dialect.answered(name) for name, _ in weights]
        value = weighted_sum(
            [(self.dialect.answer(name), weight) for name, weight in weights], constant, divide=self.dialect.divide
        )
        return self._if_all(there, value)

    def _if_valid(self, item: str, mean: ItemMean, then: str) -> str:
        return f"if({self.dialect.on_scale(item, mean.codes)}, {then}, 0)"

    def _if_all(self, tests: Sequence[str], then: str) -> str:
        return f"if({' and '.join(tests)}, {then}, {self.dialect.blank})"

    def _at_least(self, count: str, minimum: int) -> str:
        return f"{count} {self.dialect.at_least} {number(minimum)}"

    def _total(self, terms: Sequence[str]) -> str:
        return terms[0] if len(terms) == 1 else self.dialect.total(terms)


def expressions(instrument: Instrument, forms: Sequence[str | None], dialect: Dialect) -> dict[str, str]:
    """Return export id → expression, in the definition's order, for the scores that at least one of the forms gets."""
    return by_form(
        instrument,
        forms,
        write=lambda score, scores: _Writer(dialect, scores).score(score),
        choose=lambda chosen, then, otherwise: (
            f"if({' or '.join(dialect.is_text(FORM, form) for form in chosen)}, {then}, {otherwise})"
        ),
        blank=dialect.blank,
    )


def by_form(
    instrument: Instrument,
    forms: Sequence[str | None],
    *,
    write: Callable[[Score, Mapping[str, Score]], str],
    choose: Callable[[Sequence[str], str, str], str],
    blank: str,
) -> dict[str, str]:
    """Return export id → expression; where forms differ, it depends on the answer to the form question.

    Parameters
    ----------
    instrument : Instrument
    forms : sequence of str or None
        Ids of the forms that one survey holds; empty or ``[None]`` where the definition has none.
    write : callable
        Score and all scores of its form → expression.
    choose : callable
        Forms, expression for these forms, expression otherwise → expression.
    blank : str
        What a score is that the respondent's form does not get.

    Raises
    ------
    ValueError
        If a form is unknown or named twice.
    """
    chosen = tuple(forms) or (None,)
    if len(set(chosen)) < len(chosen):
        raise ValueError(f"a form is named twice: {', '.join(map(str, chosen))}; name each once")
    written: dict[str, dict[str, list[str | None]]] = {rule.export: {} for rule in instrument.scores}
    for form in chosen:
        scores = {score.id: score for score in form_scores(instrument, form)}
        for score in scores.values():
            written[score.export].setdefault(write(score, scores), []).append(form)
    result = {}
    for export, alternatives in written.items():
        if len(alternatives) == 1 and sum(map(len, alternatives.values())) == len(chosen):
            result[export] = next(iter(alternatives))
        elif alternatives:
            expression = blank
            for then, its_forms in reversed(alternatives.items()):
                expression = choose([str(form) for form in its_forms], then, expression)
            result[export] = expression
    return result


def consecutive(codes: Sequence[int]) -> bool:
    """Whether codes follow each other, so that a range test finds them."""
    return list(codes) == list(range(codes[0], codes[-1] + 1))
