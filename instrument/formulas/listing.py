"""The expressions for one platform as a text to copy from, one score after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from instrument.definition import Instrument
from instrument.formulas import CALCULATIONS, language
from instrument.formulas.heading import heading, plain

_WHERE = {
    "redcap": "REDCap: a field of type calc for each score, in this order; the expression is its calculation",
    "xlsform": "XLSForm: a row of type calculate for each score; the expression goes into the column calculation",
    "limesurvey": "LimeSurvey: a question of type Equation for each score; its text is the expression in braces {}. "
    "{named}",
    "fhirpath": "FHIR: a decimal item for each score, linkId = its name, with the SDC extension calculatedExpression",
}


# How LimeSurvey's expressions name the items.
_ARRAYS = "Items are named as in the file that pwiq export limesurvey writes: ARRAY_ITEM"
_ALONE = "Each item is named as a question of its own; as a subquestion of an array it is called ARRAY_ITEM"


def listing(
    instrument: Instrument, name: str, forms: Sequence[str | None], *, names: Mapping[str, str] | None = None
) -> str:
    """List the expressions of a platform: a head comment, then name, title and expression of each score.

    Parameters
    ----------
    instrument : Instrument
    name : str
        One of `instrument.formulas.CALCULATIONS`.
    forms : sequence of str or None
        Ids of the forms that the survey holds; empty where the definition has none.
    names : mapping, optional
        For LimeSurvey: item → its name in expressions, where that is another; of our export:
        `instrument.platforms.limesurvey.names_in_expressions`.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If there is no such language or form, or if `names` are given for another platform than LimeSurvey.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> print(listing(read_instrument("pwiq"), "redcap", ["PS"]).splitlines()[-1])
    if([facindex] <> '' and [barindex] <> '', 0.02 * [facindex] + 0.02 * [barindex] - 2, '')
    """
    if name not in CALCULATIONS:
        raise ValueError(f"language must be one of {', '.join(CALCULATIONS)}; got {name!r}")
    module = language(name)
    if names is not None and name != "limesurvey":
        raise ValueError(f"only LimeSurvey has other names for items; got names for {name}")
    calculations = module.calculations(instrument, forms, **({"names": names} if names is not None else {}))
    titles = {rule.export: rule.title[instrument.languages[0]] for rule in instrument.scores}
    held = f"Forms: {', '.join(map(str, forms))}" if forms else "All answers"
    where = _WHERE[name].replace("{named}", _ALONE if names is None else _ARRAYS)
    notes = (held, where, module.RUN_BY, "Scores are percentages of the maximum possible")
    head = "".join(f"# {line}\n" for line in heading(instrument, notes))
    scores = "".join(f"\n# {export}: {plain(titles[export])}\n{text}\n" for export, text in calculations.items())
    return f"{head}{scores}"
