"""Scores as FHIRPath for SDC calculated expressions of a Questionnaire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from instrument.definition import Instrument
from instrument.formulas.arithmetic import percent, weighted_sum
from instrument.formulas.conditional import FORM, by_form, consecutive
from instrument.formulas.terms import (
    Combination,
    ItemMean,
    Part,
    Score,
    ScoreMean,
    percent_combination,
    percent_scores,
)

RUN_BY = (
    "The form with weight() was not run: no engine here knows it. Its twin, alike but for reading codes as numbers, "
    "was run in the tests by fhirpathpy on FHIR R4 answers."
)

# How the number of an answer is had: by its item weight (SDC), or as its code.
_NUMBERS = {"weight": "answer.value.weight()", "code": "answer.value.code.select(toInteger())"}


def calculations(
    instrument: Instrument, forms: Sequence[str | None], *, numbers: Literal["weight", "code"] = "weight"
) -> dict[str, str]:
    """Write every score as a FHIRPath expression over ``%resource``, the QuestionnaireResponse.

    Parameters
    ----------
    instrument : Instrument
    forms : sequence of str or None
        Ids of the forms that the questionnaire holds; empty where the definition has none. With several, the item
        ``form`` must hold the form's id as its code.
    numbers : {"weight", "code"}
        ``"weight"``: SDC's ``weight()``, for publishing. ``"code"``: the answer's code read as a number, which any
        engine of FHIRPath can run. Items are found by linkId, at any depth of groups.

    Returns
    -------
    dict
        Export id of a score → expression, POMP, empty where too few answers are valid. Scores that enter others are
        decimal items with their export id as linkId.

    Raises
    ------
    ValueError
        If ``numbers`` is none of these, or a form is unknown or named twice.

    Notes
    -----
    FHIRPath (HL7), and HL7 FHIR Structured Data Capture 4.0, "Expressions".

    Examples
    --------
    >>> from instrument import read_instrument
    >>> role = calculations(read_instrument("pwiq"), ["P"])["role"]
    >>> role[:60]
    "iif(%resource.repeat(item).where(linkId.matches('^(roleaf|ro"
    """
    if numbers not in _NUMBERS:
        raise ValueError(f"numbers must be 'weight' or 'code'; got {numbers!r}")
    number_of = _NUMBERS[numbers]
    return by_form(
        instrument,
        forms,
        write=lambda score, scores: _score(score, scores, number_of),
        choose=lambda chosen, then, otherwise: f"iif({_form_is(chosen)}, {then}, {otherwise})",
        blank="{}",
    )


def _score(score: Score, scores: Mapping[str, Score], number_of: str) -> str:
    value = score.value
    if isinstance(value, ItemMean):
        return _item_mean(value, score, number_of)
    if isinstance(value, ScoreMean):
        return _score_mean(value, score, scores)
    return _combination(value, score, scores)


def _item_mean(mean: ItemMean, score: Score, number_of: str) -> str:
    enough = [f"{_valid(items, mean, number_of)}.count() >= {minimum}" for items, minimum in mean.tests]
    means = [_part_mean(part, mean, number_of) for part in mean.parts]
    value = means[0] if len(means) == 1 else f"({' + '.join(means)}) / {len(means)}"
    return _if_all(enough, percent(value, score.origin, score.span))


def _part_mean(part: Part, mean: ItemMean, number_of: str) -> str:
    """Write the mean of a part; turned answers are taken together: (lowest + highest) × their number − their sum."""
    count = f"{_valid(part.items, mean, number_of)}.count()"
    if not part.as_answered:
        return f"({mean.turning} - {_total(_valid(part.turned, mean, number_of))} / {count})"
    total = _total(_valid(part.as_answered, mean, number_of))
    if part.turned:
        turned = _valid(part.turned, mean, number_of)
        total = f"({total} + {mean.turning} * {turned}.count() - {_total(turned)})"
    return f"{total} / {count}"


def _valid(items: Sequence[str], mean: ItemMean, number_of: str) -> str:
    if consecutive(mean.codes):
        test = f"$this >= {mean.codes[0]} and $this <= {mean.codes[-1]}"
    else:
        test = f"$this in ({' | '.join(map(str, mean.codes))})"
    return f"{_items(items)}.{number_of}.where({test})"


def _score_mean(mean: ScoreMean, score: Score, scores: Mapping[str, Score]) -> str:
    if len(set(mean.of)) < len(mean.of):
        raise ValueError(
            f"score {score.id!r} counts a score twice ({', '.join(mean.of)}); FHIRPath cannot: name each once"
        )
    parts = percent_scores(mean, score, scores)
    count = f"{_items([part.export for part in parts])}.answer.value.count()"
    if all(part.offset == 0 and part.slope == 1 for part in parts):
        total = _total(f"{_items([part.export for part in parts])}.answer.value")
    else:
        scaled = [(_value(part.export), weighted_sum([("$this", part.slope)], part.offset)) for part in parts]
        total = " + ".join(_total(f"{value}.select({text})") for value, text in scaled)
    return _if_all([f"{count} >= {mean.minimum}"], f"({total}) / {count}")


def _combination(combination: Combination, score: Score, scores: Mapping[str, Score]) -> str:
    weights, constant = percent_combination(combination, score, scores)
    there = [f"{_value(name)}.exists()" for name, _ in weights]
    return _if_all(there, weighted_sum([(_value(name), weight) for name, weight in weights], constant))


def _items(names: Sequence[str]) -> str:
    """Find items by linkId: ids of items and exports are small letters and digits, so they stand in a pattern."""
    if len(names) == 1:
        return f"%resource.repeat(item).where(linkId = {_quoted(names[0])})"
    return f"%resource.repeat(item).where(linkId.matches('^({'|'.join(names)})$'))"


def _value(name: str) -> str:
    return f"{_items([name])}.answer.value"


def _total(numbers: str) -> str:
    return f"{numbers}.aggregate($this + $total, 0)"


def _if_all(tests: Sequence[str], then: str) -> str:
    return f"iif({' and '.join(tests)}, {then}, {{}})"


def _form_is(forms: Sequence[str]) -> str:
    return " or ".join(f"{_value(FORM)}.code = {_quoted(form)}" for form in forms)


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"
