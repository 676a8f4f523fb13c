"""The scores of one form as a small tree that names no language: what every formula is written from.

Derived from the `ScoreRule`s of a definition alone; nothing here knows a questionnaire.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from instrument.definition import Instrument, ScoreRule, Text
from instrument.scoring import score_scale


@dataclass(frozen=True, kw_only=True)
class Part:
    """Items that are averaged together; those in `turned` count as lowest + highest − answer."""

    items: tuple[str, ...]
    turned: tuple[str, ...]

    @property
    def as_answered(self) -> tuple[str, ...]:
        """The items that are not turned."""
        return tuple(item for item in self.items if item not in self.turned)


@dataclass(frozen=True, kw_only=True)
class ItemMean:
    """The mean of the means of its parts, if enough answers are valid.

    An answer is valid if it is one of `codes`; `off_scale` are the codes beside the scale. At least `minimum` answers
    of all parts together must be valid, and `minimum_each` in each part (never fewer than 1: there is no mean of none).
    """

    parts: tuple[Part, ...]
    minimum: int
    minimum_each: int
    codes: tuple[int, ...]
    off_scale: tuple[int, ...]

    @property
    def turning(self) -> int:
        """Lowest + highest code: what a turned answer is taken from."""
        return self.codes[0] + self.codes[-1]

    @property
    def items(self) -> tuple[str, ...]:
        """The items of all parts."""
        return tuple(item for part in self.parts for item in part.items)

    @property
    def tests(self) -> tuple[tuple[tuple[str, ...], int], ...]:
        """What an expression has to test: items, and how many of them must be valid.

        A test that follows from the others is left out: 4 valid answers of 3 + 3 leave no part without one.
        """
        if self.minimum <= len(self.parts) * self.minimum_each:
            return tuple((part.items, self.minimum_each) for part in self.parts)
        # So many of a part must be valid, even if all other items are.
        implied = {part: self.minimum - len(self.items) + len(part.items) for part in self.parts}
        each = [(part.items, self.minimum_each) for part in self.parts if implied[part] < self.minimum_each]
        return ((self.items, self.minimum), *each)


@dataclass(frozen=True, kw_only=True)
class ScoreMean:
    """The mean of those scores that are there, if at least `minimum` are."""

    of: tuple[str, ...]
    minimum: int


@dataclass(frozen=True, kw_only=True)
class Combination:
    """A weighted sum of scores, all of which must be there, plus a constant."""

    weights: tuple[tuple[str, Fraction], ...]
    constant: Fraction


Value = ItemMean | ScoreMean | Combination


@dataclass(frozen=True, kw_only=True)
class Score:
    """A score of one form. `value` is on the scale of the answers; POMP is (value − origin) / span × 100.

    ``export`` names it in files and other formulas. What has no POMP (acquiescence) has origin 0 and span 100.
    """

    id: str
    export: str
    title: Text
    value: Value
    origin: int
    span: int


@dataclass(frozen=True, kw_only=True)
class PercentScore:
    """One score in the formula of another, both in POMP: it enters as offset + slope × POMP."""

    export: str
    offset: Fraction
    slope: Fraction


def form_scores(instrument: Instrument, form: str | None) -> tuple[Score, ...]:
    """Return the scores that a form gets, in the definition's order; a score it never gets is left out.

    Parameters
    ----------
    instrument : Instrument
    form : str or None
        Id of a form; None where the definition has none.

    Returns
    -------
    tuple of Score

    Raises
    ------
    ValueError
        If the form is not one of the definition's.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> role = form_scores(read_instrument("pwiq"), "P")[0]
    >>> role.value.parts[1].turned, role.value.minimum, role.value.minimum_each
    (('roleab', 'rolebb', 'rolecb'), 4, 1)
    >>> len(form_scores(read_instrument("pwiq"), "PS"))
    8
    """
    if form not in (instrument.forms.ids or (None,)):
        known = ", ".join(instrument.forms.ids) or "None: it has no forms"
        raise ValueError(f"form {form!r} is not one of {instrument.id}; use {known}")
    short = form is not None and instrument.forms[form].is_short
    scores: dict[str, Score] = {}
    for full_rule in instrument.scores:
        rule = full_rule.short if short else full_rule
        value = None if rule is None else _value(instrument, form, rule, scores)
        if value is not None:
            origin, span = _percent(instrument, full_rule)
            scores[full_rule.id] = Score(
                id=full_rule.id,
                export=full_rule.export,
                title=full_rule.title,
                value=value,
                origin=origin,
                span=span,
            )
    return tuple(scores.values())


def percent_scores(value: ScoreMean, of: Score, scores: Mapping[str, Score]) -> tuple[PercentScore, ...]:
    """Return what each score contributes to a mean of scores where all of them are POMP.

    Where all stand on the same scale, every offset is 0 and every slope 1.
    """
    return tuple(
        PercentScore(
            export=scores[name].export,
            offset=Fraction((scores[name].origin - of.origin) * 100, of.span),
            slope=Fraction(scores[name].span, of.span),
        )
        for name in value.of
    )


def percent_combination(
    value: Combination, of: Score, scores: Mapping[str, Score]
) -> tuple[tuple[tuple[str, Fraction], ...], Fraction]:
    """Return the weights (export id, weight) and the constant of a combination where all scores are POMP."""
    on_scale = value.constant + sum(weight * scores[name].origin for name, weight in value.weights) - of.origin
    weights = tuple(
        (scores[name].export, weight * Fraction(scores[name].span, of.span)) for name, weight in value.weights
    )
    return weights, on_scale * Fraction(100, of.span)


def _value(instrument: Instrument, form: str | None, rule: ScoreRule, scores: Mapping[str, Score]) -> Value | None:
    if rule.rule == "mean_of_scores":
        there = tuple(name for name in rule.of if name in scores)
        minimum = max(1, rule.required(len(rule.of)))
        return ScoreMean(of=there, minimum=minimum) if minimum <= len(there) else None
    if rule.rule in ("difference", "acquiescence"):
        if not all(name in scores for name in rule.of):
            return None
        first, second = rule.of
        if rule.rule == "difference":
            return Combination(weights=((first, Fraction(1)), (second, Fraction(-1))), constant=Fraction(0))
        low, high = map(int, score_scale(instrument, first, metric="mean"))
        half = Fraction(1, 2)
        return Combination(weights=((first, half), (second, half)), constant=-Fraction(low + high, 2))
    return _item_mean(instrument, form, rule)


def _item_mean(instrument: Instrument, form: str | None, rule: ScoreRule) -> ItemMean | None:
    asked = [instrument.items[name] for name in instrument.asked_by(form) if name in rule.items]
    if not asked:
        return None
    balanced = rule.rule == "balanced_mean"
    wordings = ("facilitator", "barrier") if balanced else (None,)
    parts = tuple(
        Part(
            items=tuple(item.id for item in asked if wording is None or item.wording == wording),
            turned=tuple(
                item.id
                for item in asked
                if item.reverse and rule.rule != "raw_mean" and (wording is None or item.wording == wording)
            ),
        )
        for wording in wordings
    )
    scale = instrument.response_scales[asked[0].scale]
    mean = ItemMean(
        parts=parts,
        minimum=max(1, rule.required(len(asked))),
        minimum_each=max(1, rule.minimum_each_wording) if balanced else 1,
        codes=scale.codes,
        off_scale=tuple(off.code for off in scale.off_scale),
    )
    reachable = mean.minimum <= len(asked) and all(len(part.items) >= mean.minimum_each for part in parts)
    return mean if reachable else None


def _percent(instrument: Instrument, rule: ScoreRule) -> tuple[int, int]:
    if rule.rule == "acquiescence":
        return 0, 100
    low, high = map(int, score_scale(instrument, rule.id, metric="mean"))
    if rule.rule == "difference":  # from lowest − highest to highest − lowest, and 0 stays 0
        return 0, (high - low) // 2
    return low, high - low
