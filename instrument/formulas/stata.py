"""Scores as a Stata do-file."""

from __future__ import annotations

import textwrap

from instrument.definition import Instrument
from instrument.formulas.arithmetic import percent, weighted_sum
from instrument.formulas.heading import TWICE, dataset_needed, heading
from instrument.formulas.terms import ItemMean, Score, ScoreMean, form_scores

RUN_BY = "Not run: there was no Stata. The commands follow Stata's manuals; compare some scores before you rely on it."

_HOW_TO_RUN = (
    "NOT RUN BY STATA before it was published: compare some scores before you rely on it",
    "Run: use the answers, one answered form a row, then: do THIS_FILE",
    "It stops at a code that the definition does not know. Stata's own missing values count as blank",
    TWICE,
)
_WIDTH = 100
_LABEL = 80


def script(instrument: Instrument) -> str:
    """Write a do-file that adds the scores of all forms to the dataset in memory.

    Parameters
    ----------
    instrument : Instrument

    Returns
    -------
    str
        Commands for Stata 14 or later. They add, under its export id, every score: NAME (POMP) and NAME_m (scale of
        the answers).

    Examples
    --------
    >>> from instrument import read_instrument
    >>> "generate double balance = ." in script(read_instrument("pwiq"))
    True
    """
    lines = [f"* {_safe(line)}" for line in heading(instrument, [dataset_needed(instrument), *_HOW_TO_RUN])]
    lines += ["version 14", ""]
    if instrument.forms:
        known = " | ".join(f"form == {_quoted(form)}" for form in instrument.forms.ids)
        lines += [*_command(f"assert {known}"), ""]
    lines += _valid_answers(instrument)
    for rule in instrument.scores:
        lines += ["", f"generate double {rule.export}_m = .", f"generate double {rule.export} = ."]
        lines += _labels(rule.export, rule.title[instrument.languages[0]])
    for form in instrument.forms.ids or (None,):
        lines += ["", f"* Form {_safe(form)}" if form else "* All answers"]
        lines += _form(instrument, form)
    return "\n".join(lines) + "\n"


def _valid_answers(instrument: Instrument) -> list[str]:
    """Temporary variables: `v_ITEM' is an answer on the scale, `t_ITEM' the same turned."""
    lines = []
    for item in instrument.items:
        scale = instrument.response_scales[item.scale]
        on = ", ".join(map(str, scale.codes))
        known = ", ".join(map(str, [*scale.codes, *(off.code for off in scale.off_scale)]))
        lines += [
            f"assert missing({item.id}) | inlist({item.id}, {known})",
            f"tempvar v_{item.id}",
            f"generate double `v_{item.id}' = {item.id} if inlist({item.id}, {on})",
        ]
        if item.reverse:
            lines.append(f"tempvar t_{item.id}")
            lines.append(f"generate double `t_{item.id}' = {scale.low + scale.high} - `v_{item.id}'")
    return lines


def _form(instrument: Instrument, form: str | None) -> list[str]:
    scores = form_scores(instrument, form)
    exports = {score.id: score.export for score in scores}
    here = "" if form is None else f" & form == {_quoted(form)}"
    lines = [line for score in scores for line in _score(score, exports, here)]
    for score in scores:
        value = percent(f"{score.export}_m", score.origin, score.span)
        lines += _command(f"replace {score.export} = {value} if !missing({score.export}_m){here}")
    return lines


def _score(score: Score, exports: dict[str, str], here: str) -> list[str]:
    value, name = score.value, f"{score.export}_m"
    if isinstance(value, ItemMean):
        numbers = range(1, len(value.parts) + 1)
        lines = []
        for number, part in zip(numbers, value.parts, strict=True):
            variables = " ".join(f"`{'t' if item in part.turned else 'v'}_{item}'" for item in part.items)
            lines.append(f"tempvar n{number} m{number}")
            lines += _command(f"egen double `n{number}' = rownonmiss({variables})")
            lines += _command(f"egen double `m{number}' = rowmean({variables})")
        enough = " + ".join(f"`n{n}'" for n in numbers) + f" >= {value.minimum}"
        enough += "".join(f" & `n{n}' >= {value.minimum_each}" for n in numbers)
        mean = (
            "`m1'"
            if len(value.parts) == 1
            else f"({' + '.join(f'`m{n}{chr(39)}' for n in numbers)}) / {len(value.parts)}"
        )
        used = " ".join(f"`n{n}' `m{n}'" for n in numbers)
        return [*lines, *_command(f"replace {name} = {mean} if {enough}{here}"), f"drop {used}"]
    if isinstance(value, ScoreMean):
        of = " ".join(f"{exports[each]}_m" for each in value.of)
        return [
            "tempvar n1 m1",
            *_command(f"egen double `n1' = rownonmiss({of})"),
            *_command(f"egen double `m1' = rowmean({of})"),
            *_command(f"replace {name} = `m1' if `n1' >= {value.minimum}{here}"),
            "drop `n1' `m1'",
        ]
    total = weighted_sum([(f"{exports[each]}_m", weight) for each, weight in value.weights], value.constant)
    there = " & ".join(f"!missing({exports[each]}_m)" for each, _ in value.weights)
    return _command(f"replace {name} = {total} if {there}{here}")


def _labels(export: str, title: str) -> list[str]:
    lines = []
    for name, scale in ((export, "0-100"), (f"{export}_m", "scale of the answers")):
        ending = f" ({scale})"
        lines.append(f'label variable {name} "{_safe(title)[: _LABEL - len(ending)]}{ending}"')
    return lines


def _quoted(text: str) -> str:
    if _safe(text) != text:
        raise ValueError(f"Stata has no way to write the text {text!r}; use a form id of letters and digits")
    return f'"{text}"'


def _safe(text: str) -> str:
    """Return a text without what Stata reads in strings and comments: quotes, macros, line ends, comment signs."""
    for sign, plain in (('"', "'"), ("`", "'"), ("$", "S"), ("\\", "|")):
        text = text.replace(sign, plain)
    words = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return words.replace("//", "/ /").replace("//", "/ /").replace("/*", "/ *").replace("*/", "* /")


def _command(command: str) -> list[str]:
    """Return a command, broken over lines with `///` where it is long."""
    parts = textwrap.wrap(command, _WIDTH, break_long_words=False, break_on_hyphens=False)
    return [
        f"{'' if at == 0 else '    '}{part}{' ///' if at < len(parts) - 1 else ''}" for at, part in enumerate(parts)
    ]
