"""Scores as calculated fields of REDCap."""

from __future__ import annotations

from collections.abc import Sequence

from instrument.definition import Instrument
from instrument.formulas.conditional import consecutive, expressions

RUN_BY = (
    "Not run by REDCap: the tests run these calculations with a small evaluator of their own, "
    "written from REDCap's published rules for calculated fields."
)


class _RedcapDialect:
    """Fields in brackets, `<>` for unequal; a blank is '' and is tested for before every comparison.

    Sums are written with `sum()`, whose terms may be `if()`; a field made of text is no number, so blanks never enter
    arithmetic. Single quotes only: spreadsheets spoil double ones in a data dictionary.
    """

    divide = "/"
    at_least = ">="
    blank = "''"

    def answer(self, name: str) -> str:
        return f"[{name}]"

    def answered(self, name: str) -> str:
        return f"[{name}] <> ''"

    def on_scale(self, name: str, codes: Sequence[int]) -> str:
        if consecutive(codes):
            return f"[{name}] <> '' and [{name}] >= {codes[0]} and [{name}] <= {codes[-1]}"
        return " or ".join(f"[{name}] = '{code}'" for code in codes)

    def is_text(self, name: str, text: str) -> str:
        if "'" in text or "[" in text:
            raise ValueError(f"REDCap has no way to write the text {text!r}; use a form id without quotes and brackets")
        return f"[{name}] = '{text}'"

    def total(self, terms: Sequence[str]) -> str:
        return f"sum({', '.join(terms)})"


def calculations(instrument: Instrument, forms: Sequence[str | None]) -> dict[str, str]:
    """Write every score as a calculation for the column "Choices, Calculations, OR Slider Labels".

    Parameters
    ----------
    instrument : Instrument
    forms : sequence of str or None
        Ids of the forms that the project holds; empty where the definition has none. With several, the field ``form``
        must hold the form's id.

    Returns
    -------
    dict
        Export id of a score → expression, POMP, blank where too few answers are valid. A field whose expression names
        another score must stand below it; they do in this order.

    Raises
    ------
    ValueError
        If a form is unknown or named twice.

    Notes
    -----
    Field, operators and functions: REDCap's help on calculated fields and special functions.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> calculations(read_instrument("pwiq"), ["P"])["balance"]
    "if([facindex] <> '' and [barindex] <> '', [facindex] - [barindex], '')"
    """
    return expressions(instrument, forms, _RedcapDialect())
