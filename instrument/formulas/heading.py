"""What stands at the head of every file of formulas: what it was made from, that it is a draft, and how to use it."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from instrument.definition import Instrument

WIDTH = 100
TWICE = (
    "Every score comes twice: NAME as percentage of the maximum possible (0-100; -100 to 100 for a difference), "
    "NAME_m on the scale of the answers. Missing where too few answers are valid"
)
NOT_OVER = "A file of scores that exists is not overwritten, unless --force stands behind the names"
_DRAFT = "Draft instrument: not yet validated."


def stamp(instrument: Instrument) -> str:
    """Return id, version and the start of the digest of a definition.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> stamp(read_instrument("pwiq")).split()[0]
    'pwiq'
    """
    return plain(f"{instrument.id} {instrument.version} sha256:{instrument.digest[:16]}")


def heading(instrument: Instrument, how_to_run: Sequence[str]) -> list[str]:
    """Return the lines of a head comment, without comment signs; every text on one line or wrapped.

    Parameters
    ----------
    instrument : Instrument
    how_to_run : sequence of str
        Sentences about this language.

    Returns
    -------
    list of str
        No line holds a control character or the sign that opens or closes a comment.
    """
    return [line for text in heading_texts(instrument, how_to_run) for line in textwrap.wrap(text, WIDTH)]


def heading_texts(instrument: Instrument, how_to_run: Sequence[str]) -> list[str]:
    """Return what a head comment says: sentences without control characters and comment signs."""
    language = instrument.languages[0]
    texts = [f"Scores of: {instrument.title[language]}", f"Made from {stamp(instrument)}"]
    if instrument.status == "draft":
        texts.append(instrument.banner[language] or _DRAFT)
    return [f"{plain(text).rstrip(' .')}." for text in (*texts, *how_to_run)]


def dataset_needed(instrument: Instrument) -> str:
    """Return what the dataset must hold that a script of a statistics program adds the scores to."""
    form = "form, a string variable, with the id of the form" if instrument.forms else "no form variable"
    return f"The dataset needs every item as a numeric variable under its id, and {form}"


def plain(text: str) -> str:
    r"""Return a text without control characters and comment signs, on one line.

    Examples
    --------
    >>> plain("a\nb */ c // d.")
    'a b * / c / / d.'
    """
    printable = "".join(char if char.isprintable() else " " for char in text)
    words = " ".join(printable.split())
    for sign in ("//", "/*", "*/", "//"):  # a second time: what was between two signs
        words = words.replace(sign, f"{sign[0]} {sign[1]}")
    return words
