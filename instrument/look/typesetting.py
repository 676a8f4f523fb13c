"""PDFs by Typst: tagged for screen readers (PDF/UA-1), with our fonts alone, so that they look the same on every machine.

A template is code and never changes; what it shows comes beside it as data, so that no text can become code.
"""

from __future__ import annotations

import functools
import json
import tempfile
import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from instrument.look.style import FAMILIES, FONTS


class TypesettingError(ValueError):
    """What Typst says of a template that it could not set, in its words."""


def typeset(
    template: bytes,
    data: Mapping[str, Any],
    *,
    files: Mapping[str, bytes] | None = None,
    further_fonts: Path | None = None,
) -> bytes:
    r"""Return a PDF. The same input gives the same bytes.

    Parameters
    ----------
    template : bytes
        Typst, which reads ``data.json``.
    data : mapping
        Plain JSON. A character that the fonts lack is written by its number, ``[U+4E2D]``. The template also finds
        ``fonts``, the families in order of preference.
    files : mapping of str to bytes, optional
        Pictures by their names.
    further_fonts : path, optional
        A folder with ``.otf`` or ``.ttf`` files for scripts that ours lack.

    Raises
    ------
    TypesettingError
        If the template panics, a picture cannot be read, or the folder has no font.

    Examples
    --------
    >>> typeset(b'#set document(title: "A")\n#set text(font: json("data.json").fonts)\nA', {})[:8]
    b'%PDF-1.7'
    """
    folders = _folders(further_fonts)
    content = json.dumps(_shown(data, folders) | {"fonts": _families(folders)}, ensure_ascii=False)
    everything = {"template.typ": template, "data.json": content.encode("utf-8"), **(files or {})}
    return _compiled(everything, folders, format="pdf", pdf_standards="ua-1")


def lacking(data: Any, *, further_fonts: Path | None = None) -> str:
    """Return the characters of data that no font has, each once: `typeset` writes them by their number.

    Examples
    --------
    >>> lacking({"title": "Años \u4e2d"}) == "\u4e2d"
    True
    """
    folders = _folders(further_fonts)
    signs = set("".join(_texts(data))) - _covered(folders) - {"\n"}
    return "".join(sorted(sign for sign in signs if _instead(sign).startswith("[")))


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, Mapping | list | tuple):
        for each in part.values() if isinstance(part, Mapping) else part:
            yield from _texts(each)


def picture_as_png(svg: bytes, *, width_cm: float = 17.0, ppi: float = 200.0) -> bytes:
    """Return an SVG picture as PNG, for files that cannot hold the former.

    Raises
    ------
    TypesettingError
        If it is not a picture.
    """
    source = f'#set page(width: {width_cm}cm, height: auto, margin: 0pt)\n#image("figure.svg", width: 100%)'
    files = {"template.typ": source.encode(), "figure.svg": svg}
    try:
        return _compiled(files, _folders(None), format="png", ppi=ppi)
    except TypesettingError as error:
        raise TypesettingError(f"a figure is no SVG picture: {error}") from None


def _compiled(files: Mapping[str, bytes], fonts: tuple[Path, ...], **options: Any) -> bytes:
    import typst

    with tempfile.TemporaryDirectory(prefix="pwiq-") as work:
        for name, content in files.items():
            (Path(work) / name).write_bytes(content)
        try:
            made = typst.compile(
                str(Path(work) / "template.typ"), root=work, font_paths=_fonts(fonts), timestamp=0, **options
            )
        except typst.TypstError as error:
            raise TypesettingError(error.message.removeprefix("panicked with: ")) from None
    if not isinstance(made, bytes):
        raise TypeError(f"Typst gave {type(made).__name__} instead of one file")
    return made


def _folders(further: Path | None) -> tuple[Path, ...]:
    if further is None:
        return (FONTS,)
    if not _font_files((further,)):
        raise TypesettingError(f"no font is in {further}; name a folder with .otf or .ttf files")
    return (FONTS, further)


def _font_files(folders: tuple[Path, ...]) -> list[Path]:
    return [file for folder in folders for file in sorted(folder.glob("*")) if file.suffix in (".otf", ".ttf")]


@functools.cache
def _fonts(folders: tuple[Path, ...]) -> Any:
    import typst

    return typst.Fonts(
        include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder) for folder in folders]
    )


def _families(folders: tuple[Path, ...]) -> list[str]:
    """Return the fonts in order of preference: ours first."""
    return sorted(_fonts(folders).families(), key=lambda family: (family != FAMILIES[0], family))


@functools.cache
def _covered(folders: tuple[Path, ...]) -> frozenset[str]:
    """Return the characters that the fonts have, in every cut that is used."""
    from matplotlib.ft2font import FT2Font

    cuts: dict[str, set[int]] = {}
    for file in _font_files(folders):
        font = FT2Font(str(file))
        have = set(font.get_charmap())
        cuts[font.family_name] = cuts.get(font.family_name, have) & have
    return frozenset(chr(number) for number in frozenset().union(*cuts.values()))


def _shown(part: Any, folders: tuple[Path, ...]) -> Any:
    """Return data in which every character that the fonts lack is written by its number: PDF/UA has no empty boxes."""
    if isinstance(part, str):
        covered = _covered(folders)
        return "".join(sign if sign in covered or sign == "\n" else _instead(sign) for sign in part)
    if isinstance(part, Mapping):
        return {name: _shown(each, folders) for name, each in part.items()}
    return [_shown(each, folders) for each in part] if isinstance(part, list | tuple) else part


def _instead(sign: str) -> str:
    if sign == "\t":
        return " "
    # What joins or directs other characters is not seen itself.
    invisible = unicodedata.category(sign) == "Cf" or sign in "\ufe0e\ufe0f"
    return "" if invisible else f"[U+{ord(sign):04X}]"
