"""The scoring rules as expressions of SurveyJS: calculated values that are stored with the answers.

The grammar: SurveyJS, "Expressions" (``iif``, ``anyof``, ``notempty``, arithmetic). A score is worked out on the
scale of the answers first (``role_mean``), as others are made of it, and then as percentage of the maximum (``role``).
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from typing import Any

from instrument.definition import Instrument
from instrument.formulas.arithmetic import percent, weighted_sum
from instrument.formulas.terms import ItemMean, Score, ScoreMean, form_scores
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
    scored = {
        form: {each.id: each for each in form_scores(survey.instrument, form)} for form in survey.forms or (None,)
    }
    yield from _counted_items(survey.instrument, scored)
    for rule in survey.scores:
        expression = _NOTHING
        for place, (score, forms) in enumerate(_variants(rule.id, scored)):
            made = yield from _value(score, scored[forms[0]], f"{rule.export}_{place}")
            if len(survey.forms) < 2:
                expression = made
            else:
                chosen = " or ".join(f"{{form}} = {literal(str(form))}" for form in forms)
                expression = f"iif({chosen}, {made}, {expression})"
        yield calculated(f"{rule.export}_mean", expression)
        scales = [scores[rule.id] for scores in scored.values() if rule.id in scores]
        if scales:
            mean = _mean(scales[0])
            value = percent(mean, scales[0].origin, scales[0].span)
            yield calculated(rule.export, f"iif({mean} notempty, {value}, {_NOTHING})", kept=True)


def _counted_items(instrument: Instrument, scored: Mapping[str | None, Mapping[str, Score]]) -> Iterator[Json]:
    values = [score.value for scores in scored.values() for score in scores.values()]
    used = {item for value in values if isinstance(value, ItemMean) for item in value.items}
    for item in instrument.items:
        if item.id in used:
            codes = ", ".join(map(str, instrument.response_scales[item.scale].codes))
            yield calculated(f"{item.id}_n", f"iif({{{item.id}}} anyof [{codes}], 1, 0)")
            yield calculated(f"{item.id}_code", f"iif({{{item.id}_n}} = 1, {{{item.id}}}, 0)")


def _variants(name: str, scored: Mapping[str | None, Mapping[str, Score]]) -> Iterator[tuple[Score, list[str | None]]]:
    """Yield what a score is, and the forms for which it is that."""
    with_it = {form: scores[name] for form, scores in scored.items() if name in scores}
    for value in dict.fromkeys(score.value for score in with_it.values()):
        forms = [form for form, score in with_it.items() if score.value == value]
        yield with_it[forms[0]], forms


def _value(score: Score, scores: Mapping[str, Score], name: str) -> Generator[Json, None, str]:
    """Yield the sums and counts that a score needs; return its expression on the scale of the answers."""
    value = score.value
    if isinstance(value, ItemMean):
        return (yield from _item_mean(value, name))
    if isinstance(value, ScoreMean):
        means = [_mean(scores[each]) for each in value.of]
        count = " + ".join(f"iif({mean} notempty, 1, 0)" for mean in means)
        total = " + ".join(f"iif({mean} notempty, {mean}, 0)" for mean in means)
        return f"iif({count} >= {value.minimum}, ({total}) / ({count}), {_NOTHING})"
    there = " and ".join(f"{_mean(scores[each])} notempty" for each, _ in value.weights)
    total = weighted_sum([(_mean(scores[each]), weight) for each, weight in value.weights], value.constant)
    return f"iif({there}, {total}, {_NOTHING})"


def _item_mean(mean: ItemMean, name: str) -> Generator[Json, None, str]:
    means, enough, counts = [], [], []
    for place, part in enumerate(mean.parts, start=1):
        count, total = f"{name}_{place}_n", f"{name}_{place}_sum"
        turned = {item: f"({mean.turning} * {{{item}_n}} - {{{item}_code}})" for item in part.turned}
        yield calculated(count, " + ".join(f"{{{item}_n}}" for item in part.items))
        yield calculated(total, " + ".join(turned.get(item, f"{{{item}_code}}") for item in part.items))
        enough.append(f"{{{count}}} >= {mean.minimum_each}")
        counts.append(f"{{{count}}}")
        means.append(f"{{{total}}} / {{{count}}}")
    enough.append(f"{' + '.join(counts)} >= {mean.minimum}")
    value = means[0] if len(means) == 1 else f"({' + '.join(means)}) / {len(means)}"
    return f"iif({' and '.join(enough)}, {value}, {_NOTHING})"


def _mean(score: Score) -> str:
    return f"{{{score.export}_mean}}"
