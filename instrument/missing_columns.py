"""Columns of items that a file lacks, and which form it may have been."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from instrument.definition import Instrument

_NAMED = 12  # columns that a message names


def missing_items(
    instrument: Instrument,
    columns: Collection[str],
    forms: Sequence[str],
    *,
    unknown: Sequence[str] = (),
    file: str = "FILE",
) -> tuple[str, str] | None:
    """Return the first item without a column and a sentence about all of them; None if none is missing.

    Parameters
    ----------
    instrument : Instrument
    columns : collection of str
        The file's.
    forms : sequence of str
        The forms in the file; none where the definition has none.
    unknown : sequence of str
        Headings of the file that were not recognised: the answers may stand there.
    file : str
        How messages call the file.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> pwiq = read_instrument("pwiq")
    >>> item, message = missing_items(pwiq, pwiq.items.ids[1:], ["P"], unknown=["Role_AF"], file="a.csv")
    >>> item, message[:75]
    ('roleaf', 'there is no such column; form P asks it. Not recognised: Role_AF; if the an')
    >>> message[75:]
    'swers stand there, rename it or say which is which (pwiq map a.csv). Only if it was never asked: add an empty column'
    """
    needed = {item for form in forms or [""] for item in instrument.asked_by(form if forms else None)}
    missing = [item for item in instrument.items.ids if item in needed and item not in columns]
    if not missing:
        return None
    asks = f"form {forms[0]} asks" if len(forms) == 1 else f"forms {' and '.join(forms)} ask"
    asks = asks if forms else "the questionnaire asks"
    found, what, add = "there is no such column", "it", "it was never asked: add an empty column"
    if len(missing) > 1:
        found, what = f"{len(missing)} items have no column: {', '.join(missing)}", "them"
        add = "they were never asked: add empty columns"
    hint = _short_form(instrument, columns, forms)
    return missing[0], f"{found}; {asks} {what}{hint}. {_elsewhere(unknown, file)} Only if {add}"


def _elsewhere(unknown: Sequence[str], file: str) -> str:
    """Return where the answers may stand instead."""
    if not unknown:
        return "Every other column of the file was recognised."
    named = f"{', '.join(unknown[:_NAMED])}{f' and {len(unknown) - _NAMED} more' if len(unknown) > _NAMED else ''}"
    many = "them" if len(unknown) > 1 else "it"
    return (
        f"Not recognised: {named}; if the answers stand there, rename {many} or say which is which (pwiq map {file})."
    )


def not_asked(instrument: Instrument, form: str, answered: Collection[str], rows: int) -> str:
    """Return in a sentence that the answers of a form are to items that it does not ask, and whose they seem.

    Parameters
    ----------
    instrument : Instrument
    form : str
        The form that the file says, or that was said for it.
    answered : collection of str
        The items that were answered under it.
    rows : int
        How many responses answer items that the form does not ask.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> pwiq = read_instrument("pwiq")
    >>> not_asked(pwiq, "C", pwiq.asked_by("P"), 30)[-77:]
    ', and all of form P: is it form P? Then say so (--form P, or the column form)'
    """
    asks = set(instrument.asked_by(form))
    strange = [item for item in instrument.items.ids if item in answered and item not in asks]
    like = [
        other for other in instrument.forms.ids if other != form and set(instrument.asked_by(other)) <= set(answered)
    ]
    like = [other for other in like if set(strange) <= set(instrument.asked_by(other))]
    ids = f"{', '.join(strange[:_NAMED])}{', …' if len(strange) > _NAMED else ''}"
    head = f"{rows} responses answer {len(strange)} items that form {form} does not ask ({ids})"
    if not like:
        return (
            f"{head}; correct the form (form, --form), or leave these columns out if they are answers to something else"
        )
    whole = max(like, key=lambda other: len(instrument.asked_by(other)))
    return f"{head}, and all of form {whole}: is it form {whole}? Then say so (--form {whole}, or the column form)"


def like_form(instrument: Instrument, columns: Collection[str]) -> str:
    """Return in words which forms ask exactly the items that have a column; "" if none does.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> pwiq = read_instrument("pwiq")
    >>> like_form(pwiq, pwiq.asked_by("C"))
    ' (the items of the file are those of C), or say the form of the file (--form C)'
    """
    present = _items(instrument, columns)
    like = [form for form in instrument.forms.ids if set(instrument.asked_by(form)) == present]
    if not like or not present:
        return ""
    return f" (the items of the file are those of {' or '.join(like)}), or say the form of the file (--form {like[0]})"


def _items(instrument: Instrument, columns: Collection[str]) -> set[str]:
    return {name for name in instrument.items.ids if name in columns}


def _short_form(instrument: Instrument, columns: Collection[str], forms: Sequence[str]) -> str:
    """Return that the file's columns are those of the short form of its form, if they are."""
    present = _items(instrument, columns)
    short = [
        form.id
        for form in instrument.forms
        if form.is_short and form.short_of in forms and set(instrument.asked_by(form.id)) == present
    ]
    if not short:
        return ""
    return f"; the columns are exactly those of the short form {' or '.join(short)}: if it was asked, say so (--form, `form`)"
