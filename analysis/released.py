"""What a report has released, as its documents read it: tables as text, sentences, figures, methods.

A table is looked up by the name under which it was filed (`06_change`). What was not released is not there, and
the documents say "not assessed". Nothing is computed here: a document shows what went through the gate.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.document import Align, Figure, Paragraph, Table
from analysis.release import Shown
from analysis.result import LABELS
from instrument.files import unmasked

NOT_ASSESSED = "not assessed"
TOO_FEW = "may not be shown: too few people"
DASH = "–"
WITHHELD = f"{DASH} stands for a number that may not be shown or is not there."
_WHOLE = ("percent", "before", "after", "score", "mean", "sd")  # released in whole points or per cent
_NUMBER = re.compile(r"[-−+]?(\d+(\.\d+)?|\.\d+)([eE][-+]?\d+)?")


@dataclass(frozen=True)
class Released:
    """What was released: found by name.

    Parameters
    ----------
    shown : sequence of Shown
        As `release.read_shown` gives it.
    tables : mapping
        Name → table as text, as its CSV file has it.
    figures : mapping
        Name → SVG.
    titles : mapping
        What to write for names of scores, forms and the like.

    Examples
    --------
    >>> table = pd.DataFrame({"score": ["role"], "estimate": ["2.5"]})
    >>> Released([], {"06_change": table}).number("06_change", "role", "estimate")
    2.5
    """

    shown: Sequence[Shown]
    tables: Mapping[str, pd.DataFrame] = field(default_factory=dict)
    figures: Mapping[str, bytes] = field(default_factory=dict)
    titles: Mapping[str, str] = field(default_factory=dict)

    def table(self, name: str) -> pd.DataFrame | None:
        """Return a released table, or None: empty tables count as not released."""
        found = self.tables.get(name)
        return None if found is None or found.empty else found

    def rows(self, name: str) -> list[dict[str, str]]:
        """Return the rows of a released table as text by column; none if it was not released."""
        found = self.table(name)
        if found is None:
            return []
        heads = [str(column) for column in found.columns]
        rows = [
            {head: _text(cell) for head, cell in zip(heads, cells, strict=True)}
            for cells in found.itertuples(index=False)
        ]
        return [_with_interval(row) for row in rows]

    def row(self, name: str, label: str) -> dict[str, str]:
        """Return the row about ``label``; empty if there is none."""
        return next((row for row in self.rows(name) if about(row) == label), {})

    def number(self, name: str, label: str, column: str) -> float | None:
        """Return a number out of a released table, or None if it was withheld or is not there."""
        return number(self.row(name, label).get(column, ""))

    def only_wave(self) -> str:
        """Return the wave if answers of one alone were released, so that there is no change to tell of; else "".

        Examples
        --------
        >>> Released([], {"02_flow": pd.DataFrame({"wave": ["1"], "responses": ["32"]})}).only_wave()
        '1'
        """
        if any(self.rows(name) for name in ("06_flow", "06_means", "06_change")):
            return ""
        waves = {row["wave"] for name in ("02_flow", "02_means") for row in self.rows(name) if row.get("wave")}
        return waves.pop() if len(waves) == 1 else ""

    def entry(self, name: str, kind: str = "table") -> Shown | None:
        """Return what was said of a table or figure: its title, method and notes."""
        return next((entry for entry in self.shown if entry.name == name and entry.kind == kind), None)

    def sentences(self, notebooks: tuple[str, ...] = (), *, headline: bool = False) -> list[str]:
        """Return the sentences of these notebooks (``"06"``), in order, each once."""
        said = (
            entry.text
            for entry in self.shown
            if entry.kind == "sentence"
            and (entry.headline or not headline)
            and (not notebooks or entry.notebook[:2] in notebooks)
        )
        return list(dict.fromkeys(said))

    def methods(self, notebooks: tuple[str, ...] = (), *, without: tuple[str, ...] = ()) -> list[str]:
        """Return each method's sentence once, but for those of some tables; with other numbers it counts as the same."""
        found: dict[str, str] = {}
        for entry in self.shown:
            wanted = entry.kind == "table" and entry.name not in without
            if wanted and entry.method and (not notebooks or entry.notebook[:2] in notebooks):
                found.setdefault(re.sub(r"\d+", "#", entry.method), entry.method)
        return list(found.values())

    def title(self, name: str) -> str:
        """Return what to write for the name of a score, a form or the like."""
        return self.titles.get(name, name.replace("_", " "))

    def block(
        self,
        name: str,
        columns: Mapping[str, str] | None = None,
        *,
        caption: str = "",
        decimals: int = 1,
        missing: str = "",
        only: Sequence[str] = (),
        note: str | None = None,
    ) -> Table | Paragraph:
        """Return a released table as a block of a document, or the words that it was not assessed.

        Parameters
        ----------
        columns : mapping, optional
            Column → its head, in order; those that the table lacks are left out. Default: all.
        caption : str
            Default: the title under which it was released.
        decimals : int
            Of numbers that are not whole; means and per cent have none.
        missing : str
            What is said where it was not released; default: "not assessed".
        only : sequence of str, optional
            What the rows are about that are wanted, in order (`about`). Default: all.
        note : str, optional
            Default: the notes under which it was released.
        """
        entry, rows = self.entry(name), self.rows(name)
        if only:
            found = {about(row): row for row in rows}
            rows = [found[label] for label in only if label in found]
        caption = caption or (entry.title if entry else name)
        heads = columns or {head: _head(head) for head in (rows[0] if rows else {}) if head != "interval"}
        told = " ".join(entry.notes) if entry else ""
        return self.of_rows(
            rows, heads, caption, decimals=decimals, missing=missing, note=told if note is None else note
        )

    def of_rows(
        self,
        rows: Sequence[Mapping[str, str]],
        columns: Mapping[str, str],
        caption: str,
        *,
        decimals: int | Mapping[str, int] = 1,
        missing: str = "",
        note: str = "",
    ) -> Table | Paragraph:
        """Return rows of released text as a table; columns that the rows lack are left out.

        A column may carry more words behind its name, as ``se 2``; ``decimals`` may be given by name, else 1.
        """
        there = {column: head for column, head in columns.items() if rows and column in rows[0]}
        if not there:
            return Paragraph(
                f"{caption} {missing}." if missing == TOO_FEW else f"{caption}: {missing or NOT_ASSESSED}."
            )
        first = next(iter(there))
        numeric = {column: all(_is_number(row[column]) for row in rows) for column in there}
        cells = tuple(
            tuple(
                self.title(_as_words(row[column]))
                if column == first or not numeric[column]
                else readable(row[column], decimals=_places(column, decimals), column=column)
                for column in there
            )
            for row in rows
        )
        align: tuple[Align, ...] = tuple("right" if numeric[column] and column != first else "left" for column in there)
        if any(DASH in row[1:] for row in cells) and WITHHELD not in note:
            note = f"{note} {WITHHELD}".strip()
        return Table(caption, tuple(there.values()), cells, align=align, note=note)

    def figure(self, name: str, *, width: float = 1.0) -> Figure | None:
        """Return a released figure as a block of a document, as wide as that share of the page; or None."""
        entry = self.entry(name, "figure")
        if entry is None or name not in self.figures or not entry.alt.strip():
            return None
        return Figure(self.figures[name], alt=entry.alt, caption=entry.title, width=width)


def about(row: Mapping[str, str]) -> str:
    """Return what a row is about: its score or subscale, else its first cell.

    Examples
    --------
    >>> about({"wave": "1", "score": "role"}), about({"check": "Ceiling", "finding": "none"})
    ('role', 'Ceiling')
    """
    return row.get("score" if "wave" in row else "", "") or next(iter(row.values()), "")


def number(text: str) -> float | None:
    """Return the number that a cell holds, or None.

    Examples
    --------
    >>> number("-2.5"), number("–"), number("")
    (-2.5, None, None)
    """
    text = text.strip()
    return float(text.replace("−", "-")) if _NUMBER.fullmatch(text) else None


def readable(text: str, *, decimals: int = 1, column: str = "") -> str:
    """Return a cell as it stands in a document: rounded, with a true minus; – where there is none.

    Examples
    --------
    >>> readable("-2.5432"), readable("30"), readable(""), readable("0.0002", column="p")
    ('−2.5', '30', '–', '< .001')
    """
    value = number(text)
    if value is None:
        return text or DASH
    if column.split(" ")[0] in ("p", "p_adjusted"):
        return "< .001" if value < 0.001 else f"{value:.3f}".removeprefix("0")
    rounded = f"{value:.0f}" if value == int(value) and "." not in text else f"{value:.{decimals}f}"
    return (rounded.removeprefix("-") if float(rounded) == 0 else rounded).replace("-", "−")


def shortened(text: str, most: int) -> str:
    """Return text of at most so many characters, cut between words, with … where something was left out.

    Examples
    --------
    >>> shortened("Peer workers are heard", 16)
    'Peer workers …'
    """
    text = " ".join(text.split())
    if len(text) <= most:
        return text
    kept = text[: most - 1].rsplit(" ", 1)[0] if " " in text[: most - 1] else text[: most - 2]
    return f"{kept.rstrip(' ,;:')} …"


def interval(low: str, high: str, *, decimals: int = 1) -> str:
    """Return an interval as words that stay on one line; – if it was withheld.

    Examples
    --------
    >>> interval("-2.04", "3").split()
    ['−2.0', 'to', '3.0']
    """
    ends = number(low), number(high)
    if None in ends:
        return DASH
    return "\N{NO-BREAK SPACE}to\N{NO-BREAK SPACE}".join(
        readable(f"{end:.{decimals}f}", decimals=decimals) for end in ends
    )


def references(methods: Iterable[str]) -> list[str]:
    """Return the references that the methods cite: those whose first author stands near their year."""
    file = Path(__file__).parent / "templates" / "references.toml"
    known = tomllib.loads(file.read_text(encoding="utf-8"))["reference"]
    cited = " ".join(methods)
    return [
        str(reference["text"])
        for reference in known
        if re.search(rf"\b{reference['author']}\b(?:[^;.)]|al\.){{0,60}}?\b{reference['year']}\b", cited)
    ]


def _with_interval(row: dict[str, str]) -> dict[str, str]:
    """Return the row with its interval also as words: in a narrow table they stand in one column."""
    return row | {"interval": interval(row["ci_low"], row.get("ci_high", ""))} if "ci_low" in row else row


def _places(column: str, decimals: int | Mapping[str, int]) -> int:
    name = column.split(" ")[0]
    if isinstance(decimals, int):
        return 0 if name in _WHOLE else decimals
    return decimals.get(name, 0 if name in _WHOLE else 1)


def _head(column: str) -> str:
    words = column.replace("_", " ")
    return LABELS.get(column, words[:1].upper() + words[1:])


def _text(cell: object) -> str:
    """Return a cell's text; the apostrophe that kept a spreadsheet from running it is taken off again."""
    text = "" if cell is None or cell is pd.NA or (isinstance(cell, float) and pd.isna(cell)) else str(cell)
    return unmasked(text)


def _as_words(text: str) -> str:
    return {"True": "yes", "False": "no", "": DASH}.get(text, text)


def _is_number(text: str) -> bool:
    return text in ("", DASH) or number(text) is not None


def about_place(provenance: Mapping[str, Any]) -> str:
    """Say which team or organisation a report is of; empty where it is of everyone.

    Examples
    --------
    >>> about_place({"of": {"organisation": None, "team": "north"}})
    ' (team north)'
    """
    places = [f"{kind} {name}" for kind, name in dict(provenance.get("of") or {}).items() if name]
    return f" ({', '.join(places)})" if places else ""
