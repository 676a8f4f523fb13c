"""A document as its parts: headings, paragraphs, tables, figures. Pure data, which HTML, PDF and Word are made from.

Text stands in a block as text and is never markup, a field code or a formula in any of the three. Characters that
nobody can see but that change what is read (control characters, marks that turn the direction of writing) are
replaced as soon as a block is made.
"""

from __future__ import annotations

import base64
import math
import unicodedata
from dataclasses import dataclass, fields
from typing import Any, Literal, TypeAlias

Align: TypeAlias = Literal["left", "right", "centre"]
Words: TypeAlias = "str | Run | tuple[str | Run, ...]"
"""What may be given where running text stands: text, or pieces of which some are bold."""

REPLACEMENT = "\N{WHITE SQUARE}"
# Marks that reorder what is read: a file name or a number could be made to look like another one.
_TURNING = {*range(0x202A, 0x202F), *range(0x2066, 0x206A), 0x200E, 0x200F, 0x061C}
_LETTERS = 112  # in a line of a table
_HEAD_LINES = 3  # a head may be broken into
_BOLD = 1.2  # how much wider bold letters are
_BLANKS = {"\t", "\n", "\r", "\v", "\f", "\x85", "\u2028", "\u2029"}


def plain_text(text: str) -> str:
    r"""Return text on one line, with every character that cannot be shown as itself replaced.

    Examples
    --------
    >>> plain_text("<b>1\n2\x00")
    '<b>1 2□'
    """
    return "".join(_visible(character) for character in text)


def _visible(character: str) -> str:
    if character in _BLANKS:
        return " "
    code = ord(character)
    hidden = code in _TURNING or (code & 0xFFFE) == 0xFFFE or 0xFDD0 <= code <= 0xFDEF
    return REPLACEMENT if hidden or unicodedata.category(character) in ("Cc", "Cs") else character


@dataclass(frozen=True)
class _Part:
    """Every text of a part is made plain when the part is made."""

    def __post_init__(self) -> None:
        for each in fields(self):
            object.__setattr__(self, each.name, _plain(getattr(self, each.name)))


def _plain(value: Any) -> Any:
    if isinstance(value, str):
        return plain_text(value)
    if isinstance(value, list | tuple):
        return tuple(_plain(each) for each in value)
    return value


@dataclass(frozen=True)
class Run(_Part):
    """A piece of running text."""

    text: str
    bold: bool = False


def bold(text: str) -> Run:
    """Return a piece of running text in bold."""
    return Run(text, bold=True)


def runs(words: Words) -> tuple[Run, ...]:
    """Return running text as its pieces.

    Examples
    --------
    >>> [run.text for run in runs(("Changed: ", bold("yes")))]
    ['Changed: ', 'yes']
    """
    pieces = words if isinstance(words, tuple) else (words,)
    return tuple(piece if isinstance(piece, Run) else Run(piece) for piece in pieces)


@dataclass(frozen=True)
class Heading(_Part):
    """A heading; level 1 stands below the title, and no level is left out."""

    text: str
    level: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.level not in (1, 2, 3):
            raise ValueError(f"a heading has level 1, 2 or 3; got {self.level!r}")


@dataclass(frozen=True)
class Paragraph(_Part):
    """Running text; a ``soft`` one is set smaller: a note, a method."""

    words: Words
    soft: bool = False


@dataclass(frozen=True)
class Bullets(_Part):
    """A list; a ``soft`` one is set smaller."""

    items: tuple[Words, ...]
    soft: bool = False


@dataclass(frozen=True)
class Callout(_Part):
    """A plain box with a few words that must not be missed."""

    words: Words
    title: str = ""


@dataclass(frozen=True)
class Table(_Part):
    """A table of text; the first column names its rows.

    Parameters
    ----------
    caption : str
    columns : tuple of str
    rows : tuple of tuples of str
    align : tuple of {"left", "right", "centre"}, optional
        One a column; default: all to the left.
    widths : tuple of float, optional
        Shares of the width; default: as the content needs, so that no word is broken.
    note : str
    """

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    align: tuple[Align, ...] = ()
    widths: tuple[float, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.columns or not self.rows:
            raise ValueError(
                f"the table {self.caption!r} has no columns or no rows; say in words that there is nothing"
            )
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {self.caption!r} has {len(row)} cells, its head has {len(self.columns)}")
        for name, given in (("align", self.align), ("widths", self.widths)):
            if given and len(given) != len(self.columns):
                raise ValueError(
                    f"{name} of {self.caption!r} needs one entry a column ({len(self.columns)}); got {len(given)}"
                )
        object.__setattr__(self, "align", self.align or ("left",) * len(self.columns))
        object.__setattr__(self, "widths", self.widths or _widths([self.columns, *self.rows]))


def _widths(rows: list[tuple[str, ...]]) -> tuple[float, ...]:
    """Return the width of each column in letters: of its longest text, or less, where not all have room in a line."""
    texts = [[row[position] for row in rows] for position in range(len(rows[0]))]
    longest = [max(map(len, column[1:])) for column in texts]
    words = [max(len(word) for text in column for word in text.split(" ")) for column in texts]
    bold_words = [math.ceil(_BOLD * max(map(len, column[0].split(" ")))) for column in texts]
    heads = [max(word, math.ceil(len(column[0]) / _HEAD_LINES)) for word, column in zip(bold_words, texts, strict=True)]
    for most in range(_LETTERS, 0, -1):
        widths = [max(min(text, most), word, head) + 3 for text, word, head in zip(longest, words, heads, strict=True)]
        if sum(widths) <= _LETTERS:
            break
    return tuple(widths)


@dataclass(frozen=True)
class FillIn(_Part):
    """A table to write into by hand: a head, and empty rows."""

    caption: str
    columns: tuple[str, ...]
    rows: int = 3
    widths: tuple[float, ...] = ()
    first: tuple[str, ...] = ()
    """What stands already in the first column of the first rows."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rows < 1 or len(self.first) > self.rows or not self.columns:
            raise ValueError(f"{self.caption!r} needs columns and at least as many rows as are begun; got {self.rows}")


@dataclass(frozen=True)
class Figure(_Part):
    """A picture with what it shows in words, for those who do not see it.

    Parameters
    ----------
    content : bytes
    alt, caption : str
    kind : {"svg", "png"}
    width : float
        Share of the width of a page, on paper; narrow screens give it all they have.
    """

    content: bytes
    alt: str
    caption: str
    kind: Literal["svg", "png"] = "svg"
    width: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.alt.strip():
            raise ValueError(f"the figure {self.caption!r} needs its text alternative")
        if self.kind not in ("svg", "png"):
            raise ValueError(f"a figure is svg or png; got {self.kind!r}")
        if not 0 < self.width <= 1:
            raise ValueError(f"the width of a figure is a share of the page, above 0 and up to 1; got {self.width!r}")

    @property
    def address(self) -> str:
        """The picture as a data address."""
        kind = "image/svg+xml" if self.kind == "svg" else "image/png"
        return f"data:{kind};base64,{base64.b64encode(self.content).decode()}"


@dataclass(frozen=True)
class KeyFigure(_Part):
    """A big number with its name and what it means."""

    label: str
    value: str
    words: str = ""
    detail: str = ""


@dataclass(frozen=True)
class KeyFigures(_Part):
    """A few big numbers side by side."""

    figures: tuple[KeyFigure, ...]


@dataclass(frozen=True)
class ChangeBar(_Part):
    """One row of `ChangeBars`: two values of 0 to 100, and in words and by a symbol what became of it."""

    label: str
    before: float | None
    after: float | None
    word: str
    symbol: str


@dataclass(frozen=True)
class ChangeBars(_Part):
    """Rows of two values each, which read without colour and without the picture."""

    caption: str
    columns: tuple[str, str, str, str]
    """Heads: what a row is, the first value, the second, what became of it."""
    rows: tuple[ChangeBar, ...]
    note: str = ""


@dataclass(frozen=True)
class FlowStep(_Part):
    """A step of a flow: its counts (one a column), or one count for all columns together.

    ``aside`` steps are those that went another way: they stand in a dashed box and no arrow leads on from them.
    """

    label: str
    counts: tuple[str, ...]
    aside: bool = False


@dataclass(frozen=True)
class FlowDiagram(_Part):
    """Boxes and arrows: how many went which way."""

    caption: str
    columns: tuple[str, ...]
    steps: tuple[FlowStep, ...]
    note: str = ""

    def __post_init__(self) -> None:
        super().__post_init__()
        for step in self.steps:
            if len(step.counts) not in (1, len(self.columns)):
                raise ValueError(
                    f"the step {step.label!r} needs 1 or {len(self.columns)} counts; got {len(step.counts)}"
                )


@dataclass(frozen=True)
class PageBreak(_Part):
    """What follows begins on a new page."""


Block: TypeAlias = (
    "Heading | Paragraph | Bullets | Callout | Table | FillIn | Figure | KeyFigures | ChangeBars | FlowDiagram"
    " | PageBreak"
)


@dataclass(frozen=True, kw_only=True)
class Document(_Part):
    """A document, before it is HTML, PDF or Word.

    Parameters
    ----------
    title, subtitle : str
    banner : str
        Stands at the head of every page.
    footer : str
        Stands at the foot of every page, beside the page number.
    language : str
        As in ``lang`` of HTML: ``"en"``.
    blocks : tuple of blocks
    one_page : bool
        The document has to fit on one page of A4: it is set smaller, down to 8.5 pt.

    Examples
    --------
    >>> document = Document(title="Report", banner="Draft", blocks=(Heading("In short"), Paragraph("Nothing yet.")))
    >>> document.blocks[1].words
    'Nothing yet.'
    """

    title: str
    banner: str
    subtitle: str = ""
    footer: str = ""
    language: str = "en"
    blocks: tuple[Block, ...] = ()
    one_page: bool = False
    terms: tuple[tuple[str, str], ...] = (("page", "Page"), ("of", "of"), ("note", "Note"))
    """The few words that a page needs of its own, in the language of the document."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.title.strip():
            raise ValueError("a document needs a title")
        level = 0
        for block in self.blocks:
            if isinstance(block, Heading):
                if block.level > level + 1:
                    raise ValueError(f"heading {block.text!r} leaves out a level: {block.level} after {level}")
                level = block.level

    def term(self, name: str) -> str:
        """Return one of the words that a page needs of its own."""
        return dict(self.terms)[name]
