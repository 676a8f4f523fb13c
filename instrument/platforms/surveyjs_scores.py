"""The scoring rules as expressions of SurveyJS: calculated values that are stored with the answers.

The grammar: SurveyJS, "Expressions" (``iif``, ``anyof``, ``notempty``, arithmetic). A score is worked out on the
scale of the answers first (``role_mean``), as others are made of it, and then as percentage of the maximum (``role``).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

from instrument.definition import Instrument, ScoreRule
from instrument.scoring import score_scale
from instrument.survey import Survey

Json = dict[str, Any]
_NOTHING = "''"


def calculated(name: str, expression: str, *, kept: bool = False) -> Json:
    """Return a calculated value; `kept` with the answers, or only there for other expressions."""
    value: Json = {"name": name, "expression": expression}
    return value | {"includeIntoResult": True} if kept else value


def literal(text: str) -> str:
    """Return a text as a literal of SurveyJS' expressions.

    Examples
    --------
    >>> literal("P")
    "'P'"
    """
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def score_values(survey: Survey) -> Iterator[Json]:
    """Yield the calculated values of the scores and of what they need, in the order in which they build on each other.

    An item's answer counts (``roleaf_n``) and has its code (``roleaf_code``) only if it is on the scale. A value that
    cannot be worked out is empty and stays out of the result.
    """
    instrument = survey.instrument
    asked = {question.id for question in survey.questions() if question.role == "item"}
    used = {name for rule in survey.scores for name in (*rule.items, *(rule.short.items if rule.short else ()))}
    for item in instrument.items:
        if item.id in asked & used:
            codes = ", ".join(map(str, instrument.response_scales[item.scale].codes))
            yield calculated(f"{item.id}_n", f"iif({{{item.id}}} anyof [{codes}], 1, 0)")
            yield calculated(f"{item.id}_code", f"iif({{{item.id}_n}} = 1, {{{item.id}}}, 0)")
    for rule in survey.scores:
        yield from _score(survey, rule)


def _score(survey: Survey, rule: ScoreRule) -> Iterator[Json]:
    expression = _NOTHING
    for place, (variant, forms) in enumerate(_variants(survey, rule)):
        made = yield from _variant(survey.instrument, variant, f"{rule.export}_{place}")
        if len(survey.forms) < 2:
            expression = made
        else:
            chosen = " or ".join(f"{{form}} = {literal(form)}" for form in forms)
            expression = f"iif({chosen}, {made}, {expression})"
    mean = f"{{{rule.export}_mean}}"
    yield calculated(f"{rule.export}_mean", expression)
    yield calculated(
        rule.export, f"iif({mean} notempty, {_pomp(survey.instrument, rule, mean)}, {_NOTHING})", kept=True
    )


def _variants(survey: Survey, rule: ScoreRule) -> list[tuple[_Variant, list[str]]]:
    """Return what the rule is for each of the forms, and the forms that have it."""
    found: dict[_Variant, list[str]] = {}
    for form in survey.forms or (None,):
        short = form is not None and survey.instrument.forms[form].is_short
        its_rule = rule.short if short else rule
        if its_rule is not None:
            items = tuple(name for name in its_rule.items if name in survey.instrument.asked_by(form))
            found.setdefault((its_rule, items), []).append(form or "")
    return list(found.items())


_Variant = tuple[ScoreRule, tuple[str, ...]]


def _variant(instrument: Instrument, variant: _Variant, name: str) -> Generator[Json, None, str]:
    """Yield the sums and counts that a score needs; return its expression on the scale of the answers."""
    rule, items = variant
    if rule.rule == "mean_of_scores":
        return _mean_of_scores(instrument, rule)
    if rule.rule in ("difference", "acquiescence"):
        return _of_two(instrument, rule)
    halves = ("facilitator", "barrier") if rule.rule == "balanced_mean" else (None,)
    means, enough, counts = [], [], []
    for half in halves:
        of_half = [item for item in items if half is None or instrument.items[item].wording == half]
        if not of_half:
            return _NOTHING
        part = name if half is None else f"{name}_{half}"
        yield calculated(f"{part}_n", " + ".join(f"{{{item}_n}}" for item in of_half))
        yield calculated(f"{part}_sum", " + ".join(_counted(instrument, item, rule) for item in of_half))
        fewest = 1 if half is None else max(rule.minimum_each_wording, 1)
        enough.append(f"{{{part}_n}} >= {fewest}")
        counts.append(f"{{{part}_n}}")
        means.append(f"{{{part}_sum}} / {{{part}_n}}")
    enough.append(f"{' + '.join(counts)} >= {rule.required(len(items))}")
    mean = means[0] if len(means) == 1 else f"({' + '.join(means)}) / {len(means)}"
    return f"iif({' and '.join(enough)}, {mean}, {_NOTHING})"


def _counted(instrument: Instrument, item: str, rule: ScoreRule) -> str:
    """Return the term of an item in a sum: its answer, turned where the rule turns it, and 0 without an answer."""
    if rule.rule == "raw_mean" or not instrument.items[item].reverse:
        return f"{{{item}_code}}"
    scale = instrument.response_scales[instrument.items[item].scale]
    return f"({scale.low + scale.high} * {{{item}_n}} - {{{item}_code}})"


def _mean_of_scores(instrument: Instrument, rule: ScoreRule) -> str:
    parts = [f"{{{instrument.scores[name].export}_mean}}" for name in rule.of]
    count = " + ".join(f"iif({part} notempty, 1, 0)" for part in parts)
    total = " + ".join(f"iif({part} notempty, {part}, 0)" for part in parts)
    return f"iif({count} >= {max(rule.required(len(parts)), 1)}, ({total}) / ({count}), {_NOTHING})"


def _of_two(instrument: Instrument, rule: ScoreRule) -> str:
    first, second = (f"{{{instrument.scores[name].export}_mean}}" for name in rule.of)
    if rule.rule == "difference":
        value = f"{first} - {second}"
    else:
        low, high = score_scale(instrument, rule.of[0], metric="mean")
        value = f"({first} + {second}) / 2 - {_number((low + high) / 2)}"
    return f"iif({first} notempty and {second} notempty, {value}, {_NOTHING})"


def _pomp(instrument: Instrument, rule: ScoreRule, mean: str) -> str:
    low, high = score_scale(instrument, rule.id, metric="mean")
    if rule.rule == "acquiescence":
        return mean
    if rule.rule == "difference":
        return f"{mean} / {_number(high)} * 100"
    return f"({mean} - {_number(low)}) / {_number(high - low)} * 100"


def _number(value: float) -> str:
    return f"{value:g}"
