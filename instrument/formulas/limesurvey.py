"""Scores as equation questions of LimeSurvey (ExpressionScript, formerly Expression Manager)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from instrument.definition import Instrument
from instrument.formulas.conditional import consecutive, expressions

RUN_BY = (
    "Not run by LimeSurvey: the tests run these equations with a small evaluator of their own, "
    "written from the rules of LimeSurvey's ExpressionScript."
)


@dataclass(frozen=True)
class _LimesurveyDialect:
    """Names with `.NAOK`, else one question that is not shown empties the whole equation.

    Comparisons are words (`ge`, `le`): the equation is the question's text, where `<` would start a tag. `+` joins
    what is not a number, so sums are `sum()`. `is_numeric()` is true of 0 and false of blanks, in PHP and in the
    browser alike; a bare `ge 0` takes a blank for 0. Both branches of `if` are worked out: 0 / 0 gives no error there.
    """

    names: Mapping[str, str] = field(default_factory=dict)
    divide = "/"
    at_least = "ge"
    blank = '""'

    def answer(self, name: str) -> str:
        return f"{self.names.get(name, name)}.NAOK"

    def answered(self, name: str) -> str:
        return f"is_numeric({self.answer(name)})"

    def on_scale(self, name: str, codes: Sequence[int]) -> str:
        answer = self.answer(name)
        if not consecutive(codes):
            return " or ".join(f'{answer} == "{code}"' for code in codes)
        there = f"is_numeric({answer}) and " if codes[0] <= 0 else ""
        return f"{there}{answer} ge {codes[0]} and {answer} le {codes[-1]}"

    def is_text(self, name: str, text: str) -> str:
        if not text.isalnum():
            raise ValueError(f"LimeSurvey's answer codes are letters and digits; {text!r} is not: rename the form")
        return f'{self.answer(name)} == "{text}"'

    def total(self, terms: Sequence[str]) -> str:
        return f"sum({', '.join(terms)})"


def calculations(
    instrument: Instrument, forms: Sequence[str | None], *, names: Mapping[str, str] | None = None
) -> dict[str, str]:
    """Write every score as the equation of a question of type "Equation", without its outer braces.

    Parameters
    ----------
    instrument : Instrument
    forms : sequence of str or None
        Ids of the forms that the survey holds; empty where the definition has none. With several, the question
        ``form`` must hold the form's id.
    names : mapping, optional
        Item id (or ``"form"``, or export id of a score) → its name in expressions, where that is another: the
        subquestion ``roleaf`` of the array ``pagerole`` is ``pagerole_roleaf``.

    Returns
    -------
    dict
        Export id of a score → equation, POMP, empty where too few answers are valid. Put it between braces as the
        text of the question: ``"{" + equation + "}"``.

    Raises
    ------
    ValueError
        If a form is unknown, named twice, or no code that LimeSurvey allows.

    Notes
    -----
    LimeSurvey manual, "ExpressionScript – Presentation"; how blanks compare: its `em_core_helper.php`.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> calculations(read_instrument("pwiq"), ["P"])["balance"]
    'if(is_numeric(facindex.NAOK) and is_numeric(barindex.NAOK), facindex.NAOK - barindex.NAOK, "")'
    """
    return expressions(instrument, forms, _LimesurveyDialect(dict(names or {})))
