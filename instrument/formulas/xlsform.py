"""Scores as `calculate` questions of an XLSForm (ODK, Kobo, Enketo)."""

from __future__ import annotations

from collections.abc import Sequence

from instrument.definition import Instrument
from instrument.formulas.conditional import consecutive, expressions

RUN_BY = (
    "Run in the tests as pyxform compiles them: checked by ODK Validate, and evaluated by libxml2's XPath 1.0 "
    "with `if` added; not run on a phone or server."
)


class _XlsformDialect:
    """XPath 1.0 with `${name}`: a blank is the empty string, NaN as a number, and no comparison with NaN is true.

    XPath's `sum` takes nodes, not numbers, so sums are written with `+`.
    """

    divide = "div"
    at_least = ">="
    blank = "''"

    def answer(self, name: str) -> str:
        return f"${{{name}}}"

    def answered(self, name: str) -> str:
        return f"${{{name}}} != ''"

    def on_scale(self, name: str, codes: Sequence[int]) -> str:
        if consecutive(codes):
            return f"${{{name}}} >= {codes[0]} and ${{{name}}} <= {codes[-1]}"
        return " or ".join(f"${{{name}}} = {code}" for code in codes)

    def is_text(self, name: str, text: str) -> str:
        return f"${{{name}}} = {literal(text)}"

    def total(self, terms: Sequence[str]) -> str:
        return f"({' + '.join(terms)})"


def literal(text: str) -> str:
    r"""Return a string of XPath 1.0, which has no escapes.

    Examples
    --------
    >>> print(literal("P"), literal("it's"), literal("it's \"odd\""))
    'P' "it's" concat('it', "'", 's "odd"')
    """
    if "'" not in text:
        return f"'{text}'"
    if '"' not in text:
        return f'"{text}"'
    parts = ', "\'", '.join(f"'{part}'" for part in text.split("'"))
    return f"concat({parts})"


def calculations(instrument: Instrument, forms: Sequence[str | None]) -> dict[str, str]:
    """Write every score as the expression of a row of type `calculate`.

    Parameters
    ----------
    instrument : Instrument
    forms : sequence of str or None
        Ids of the forms that the survey holds; empty where the definition has none. With several, the question
        ``form`` must hold the form's id.

    Returns
    -------
    dict
        Export id of a score → expression with ``${name}`` references, POMP, empty where too few answers are valid.

    Raises
    ------
    ValueError
        If a form is unknown or named twice.

    Notes
    -----
    XPath 1.0 (W3C, 1999) and the ODK XForms specification (`if`).

    Examples
    --------
    >>> from instrument import read_instrument
    >>> calculations(read_instrument("pwiq"), ["P"])["balance"]
    "if(${facindex} != '' and ${barindex} != '', ${facindex} - ${barindex}, '')"
    """
    return expressions(instrument, forms, _XlsformDialect())
