"""A document as PDF: A4, tagged for screen readers (PDF/UA-1)."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from analysis.document import Document, Figure, Run, Words, runs
from instrument.look.style import LIGHT
from instrument.look.typesetting import TypesettingError, typeset

_TEMPLATE = Path(__file__).parent / "templates" / "document.typ"


def pdf(document: Document) -> bytes:
    """Return a document as PDF. The same document gives the same bytes.

    Parameters
    ----------
    document : Document

    Raises
    ------
    ValueError
        If the document has to fit on one page and does not, or a picture cannot be read.

    Notes
    -----
    Fonts are those of ``instrument/look/fonts`` only, so that it looks the same on every machine: they cover Latin,
    Greek and Cyrillic. A character that they lack is written by its number, ``[U+4E2D]``; a language that
    needs others needs a font in that folder.

    Examples
    --------
    >>> pdf(Document(title="Report", banner="Draft"))[:8]
    b'%PDF-1.7'
    """
    figures = [block for block in document.blocks if isinstance(block, Figure)]
    names = {id(block): f"figure-{number}.{block.kind}" for number, block in enumerate(figures, start=1)}
    data = {
        **_data(document),
        "blocks": [
            {"block": type(block).__name__, **_data(block), "file": names.get(id(block), "")}
            for block in document.blocks
        ],
        "colours": LIGHT,
    }
    try:
        return typeset(_TEMPLATE.read_bytes(), data, files={names[id(block)]: block.content for block in figures})
    except TypesettingError as error:
        raise ValueError(f"{document.title!r} cannot be made a PDF: {error}") from None


def _data(part: Any) -> dict[str, Any]:
    """Return a part as data: texts, numbers, lists; running text as its pieces."""
    found = {}
    for each in fields(part):
        value = getattr(part, each.name)
        if each.name == "content" or (isinstance(part, Document) and each.name in ("blocks", "terms")):
            continue
        found[each.name] = _pieces(value) if each.name == "words" and _is_running(part) else _plain(value)
        if each.name == "items":
            found[each.name] = [_pieces(item) for item in value]
    if isinstance(part, Document):
        found["terms"] = dict(part.terms)
    return found


def _is_running(part: Any) -> bool:
    return type(part).__name__ in ("Paragraph", "Callout")


def _pieces(words: Words) -> list[dict[str, Any]]:
    return [{"text": run.text, "bold": run.bold} for run in runs(words)]


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, str | bool | int | float | Run) or value is None else _data(value)
