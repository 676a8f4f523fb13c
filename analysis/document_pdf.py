"""A document as PDF: A4, tagged for screen readers (PDF/UA-1), set by Typst.

The template is code and never changes; what it shows comes beside it as data, so that no text can become code.
"""

from __future__ import annotations

import functools
import json
import tempfile
from dataclasses import fields
from pathlib import Path
from typing import Any

from analysis.document import Document, Figure, Run, Words, runs

TEMPLATES = Path(__file__).parent / "templates"
FONTS = TEMPLATES / "fonts"


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
    Fonts are those of ``templates/fonts`` only, so that it looks the same on every machine: they cover Latin,
    Greek and Cyrillic. A character that they lack is written by its number, ``[U+4E2D]``; a language that
    needs others needs a font in that folder.

    Examples
    --------
    >>> pdf(Document(title="Report", banner="Draft"))[:8]
    b'%PDF-1.7'
    """
    import typst

    with tempfile.TemporaryDirectory(prefix="pwiq-") as work:
        folder = Path(work)
        figures = [block for block in document.blocks if isinstance(block, Figure)]
        names = {id(block): f"figure-{number}.{block.kind}" for number, block in enumerate(figures, start=1)}
        for block in figures:
            (folder / names[id(block)]).write_bytes(block.content)
        data = {
            **_data(document),
            "blocks": [
                {"block": type(block).__name__, **_data(block), "file": names.get(id(block), "")}
                for block in document.blocks
            ],
            "fonts": _families(),
        }
        (folder / "document.json").write_text(json.dumps(data, ensure_ascii=False), encoding="utf-8")
        (folder / "document.typ").write_bytes((TEMPLATES / "document.typ").read_bytes())
        try:
            made = typst.compile(
                str(folder / "document.typ"),
                root=work,
                font_paths=_fonts(),
                format="pdf",
                pdf_standards="ua-1",
                timestamp=0,
            )
        except typst.TypstError as error:
            raise ValueError(
                f"{document.title!r} cannot be made a PDF: {error.message.removeprefix('panicked with: ')}"
            ) from None
    if not isinstance(made, bytes):
        raise TypeError(f"Typst gave {type(made).__name__} instead of one file")
    return made


def picture_as_png(svg: bytes, *, width_cm: float = 17.0, ppi: float = 200.0) -> bytes:
    """Return an SVG picture as PNG, for files that cannot hold the former.

    Raises
    ------
    ValueError
        If it is not a picture.
    """
    import typst

    with tempfile.TemporaryDirectory(prefix="pwiq-") as work:
        (Path(work) / "figure.svg").write_bytes(svg)
        source = f'#set page(width: {width_cm}cm, height: auto, margin: 0pt)\n#image("figure.svg", width: 100%)'
        (Path(work) / "figure.typ").write_text(source, encoding="utf-8")
        try:
            made = typst.compile(
                str(Path(work) / "figure.typ"), root=work, font_paths=_fonts(), format="png", ppi=ppi, timestamp=0
            )
        except typst.TypstError as error:
            raise ValueError(f"a figure is no SVG picture: {error.message}") from None
    if not isinstance(made, bytes):
        raise TypeError(f"Typst gave {type(made).__name__} instead of one picture")
    return made


@functools.cache
def _fonts() -> Any:
    import typst

    return typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])


def _families() -> list[str]:
    """Return the fonts that are there, the first in the alphabet first."""
    return sorted(_fonts().families())


@functools.cache
def _covered() -> frozenset[int]:
    """Return the characters that the fonts have, in every cut that is used."""
    from matplotlib.ft2font import FT2Font

    cuts: dict[str, set[int]] = {}
    for file in sorted(FONTS.iterdir()):
        if file.suffix in (".otf", ".ttf"):
            font = FT2Font(str(file))
            have = set(font.get_charmap())
            cuts[font.family_name] = cuts.get(font.family_name, have) & have
    return frozenset().union(*cuts.values())


def _typeset(text: str) -> str:
    return "".join(sign if ord(sign) in _covered() else f"[U+{ord(sign):04X}]" for sign in text)


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
        found["terms"] = {name: _typeset(term) for name, term in part.terms}
    return found


def _is_running(part: Any) -> bool:
    return type(part).__name__ in ("Paragraph", "Callout")


def _pieces(words: Words) -> list[dict[str, Any]]:
    return [{"text": _typeset(run.text), "bold": run.bold} for run in runs(words)]


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return _typeset(value)
    if isinstance(value, tuple):
        return [_plain(each) for each in value]
    return value if isinstance(value, bool | int | float | Run) or value is None else _data(value)
