"""Columns of items that a file lacks, and which form it may have been."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from instrument.definition import Instrument


def missing_items(instrument: Instrument, columns: Collection[str], forms: Sequence[str]) -> tuple[str, str] | None:
    """Return the first item without a column and a sentence about all of them; None if none is missing.

    Parameters
    ----------
    instrument : Instrument
    columns : collection of str
        The file's.
    forms : sequence of str
        The forms in the file; none where the definition has none.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> pwiq = read_instrument("pwiq")
    >>> missing_items(pwiq, pwiq.items.ids[1:], ["P"])
    ('roleaf', 'there is no such column; form P asks it; add it (with empty cells where nobody answered)')
    """
    needed = {item for form in forms or [""] for item in instrument.asked_by(form if forms else None)}
    missing = [item for item in instrument.items.ids if item in needed and item not in columns]
    if not missing:
        return None
    asks = f"form {forms[0]} asks" if len(forms) == 1 else f"forms {' and '.join(forms)} ask"
    asks = asks if forms else "the questionnaire asks"
    found, what = "there is no such column", "it"
    if len(missing) > 1:
        found, what = f"{len(missing)} items have no column: {', '.join(missing)}", "them"
    hint = _short_form(instrument, columns, forms)
    return missing[0], f"{found}; {asks} {what}; add {what} (with empty cells where nobody answered){hint}"


def like_form(instrument: Instrument, columns: Collection[str]) -> str:
    """Return in words which forms ask exactly the items that have a column; "" if none does.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> pwiq = read_instrument("pwiq")
    >>> like_form(pwiq, pwiq.asked_by("C"))
    ' (the items of the file are those of C), or say the form of the file (form=, --form)'
    """
    present = _items(instrument, columns)
    like = [form for form in instrument.forms.ids if set(instrument.asked_by(form)) == present]
    if not like or not present:
        return ""
    return f" (the items of the file are those of {' or '.join(like)}), or say the form of the file (form=, --form)"


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
    return f"; the columns are exactly those of the short form {' or '.join(short)}: if it was asked, say so in `form`"
