"""The expressions for one platform as a text to copy from, one score after the other."""

from __future__ import annotations

from collections.abc import Sequence

from instrument.definition import Instrument
from instrument.formulas import CALCULATIONS, language
from instrument.formulas.heading import heading, plain

_WHERE = {
    "redcap": "REDCap: a field of type calc for each score, in this order; the expression is its calculation",
    "xlsform": "XLSForm: a row of type calculate for each score; the expression goes into the column calculation",
    "limesurvey": "LimeSurvey: a question of type Equation for each score; its text is the expression in braces {}. "
    "An item that is a subquestion of an array is called ARRAY_ITEM there",
    "fhirpath": "FHIR: a decimal item for each score, linkId = its name, with the SDC extension calculatedExpression",
}


def listing(instrument: Instrument, name: str, forms: Sequence[str | None]) -> str:
    """List the expressions of a platform: a head comment, then name, title and expression of each score.

    Parameters
    ----------
    instrument : Instrument
    name : str
        One of `instrument.formulas.CALCULATIONS`.
    forms : sequence of str or None
        Ids of the forms that the survey holds; empty where the definition has none.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there is no such language or form.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> print(listing(read_instrument("pwiq"), "redcap", ["PS"]).splitlines()[-1])
    if([facindex] <> '' and [barindex] <> '', 0.02 * [facindex] + 0.02 * [barindex] - 2, '')
    """
    if name not in CALCULATIONS:
        raise ValueError(f"language must be one of {', '.join(CALCULATIONS)}; got {name!r}")
    module = language(name)
    calculations = module.calculations(instrument, forms)
    titles = {rule.export: rule.title[instrument.languages[0]] for rule in instrument.scores}
    held = f"Forms: {', '.join(map(str, forms))}" if forms else "All answers"
    notes = (held, _WHERE[name], module.RUN_BY, "Scores are percentages of the maximum possible")
    head = "".join(f"# {line}\n" for line in heading(instrument, notes))
    scores = "".join(f"\n# {export}: {plain(titles[export])}\n{text}\n" for export, text in calculations.items())
    return f"{head}{scores}"
