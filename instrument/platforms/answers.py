"""What the readers of platforms' exports share: evidence, columns under their canonical names, texts as headings.

Each module ``<platform>_answers.py`` beside this one has

``PLATFORM``
    its name for ``read_responses(platform=…)``;
``evidence(table, instrument) -> Evidence | None``
    why this file looks like that platform's export; None if it does not;
``canonical(table, instrument, *, language=None) -> RawTable``
    the same answers under canonical column names (``response person form wave organisation team``, ids of items
    and questions, id + code where a question takes several answers). Cells stay as they are where `checking` reads
    them: codes, labels in any language, blanks. Rows that are dropped and columns that are not used go to `left_out`
    with a sentence; what cannot be read becomes faults, with the file's own header and row as place.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

import numpy as np
import numpy.typing as npt

from instrument.contradictions import FILE_COLUMNS
from instrument.definition import Instrument
from instrument.responses import question_columns
from instrument.tables import Column, Fault, RawTable

# How sure a mark of a platform makes: it alone writes this; its layout; others write this too.
CERTAIN: Final = 3
LIKELY: Final = 2
POSSIBLE: Final = 1
KEYS = ("response", "person", "form", "wave", "organisation", "team", "programme")


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Why a file looks like the export of a platform.

    Parameters
    ----------
    platform : str
    strength : {3, 2, 1}
        3: only this platform writes this; 2: its layout; 1: others write this too.
    reasons : tuple of str
        In words, each the end of "it looks like a REDCap export: …".
    """

    platform: str
    strength: Literal[3, 2, 1]
    reasons: tuple[str, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Taken:
    """A column that answers are taken from.

    Parameters
    ----------
    name : str
        Its canonical name; or any other name, under which it is kept as text.
    column : Column
    header : str
        What the file calls it.
    notes : tuple of str
        Sentences for the ledger.
    """

    name: str
    column: Column
    header: str
    notes: tuple[str, ...] = ()


def known_columns(instrument: Instrument) -> tuple[str, ...]:
    """Return the names of all columns that a canonical file may have: keys, items, questions.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> known_columns(read_instrument("pwiq"))[:4]
    ('response', 'person', 'form', 'wave')
    """
    questions = [name for question in instrument.questions for name in question_columns(question, instrument)]
    return tuple(dict.fromkeys((*FILE_COLUMNS, *instrument.items.ids, *questions)))


def assembled(
    table: RawTable,
    taken: Sequence[Taken],
    *,
    platform: str,
    keep: npt.NDArray[np.bool_] | None = None,
    left_out: Iterable[tuple[str, int, str]] = (),
    faults: Iterable[Fault] = (),
) -> RawTable:
    """Return the table that a platform's columns make.

    Parameters
    ----------
    table : RawTable
        The file as it is. Its faults and what it left out already are kept.
    taken : sequence of Taken
        Columns as long as `table`. Two of one name become a fault that tells both headers.
    platform : str
    keep : boolean array, optional
        Which rows are answers; the caller says in `left_out` what the others are.
    left_out : iterable of (str, int, str)
        What is not used: column or "(what)", how many cells or rows, a sentence for the ledger.
    faults : iterable of Fault
    """
    keep = np.ones(len(table.rows), dtype=bool) if keep is None else keep
    found = [*table.faults, *faults]
    columns: dict[str, Taken] = {}
    for each in taken:
        if each.name in columns:
            both = f"{columns[each.name].header!r} and {each.header!r}"
            found.append(
                Fault(1, each.header, f"the columns {both} are both read as {each.name}; keep one, or rename the other")
            )
        else:
            columns[each.name] = each
    return replace(
        table,
        names=tuple(columns),
        columns=tuple(
            Column(texts=each.column.texts, position=each.column.position[keep]) for each in columns.values()
        ),
        rows=table.rows[keep],
        value_labels={
            name: table.value_labels[each.header] for name, each in columns.items() if each.header in table.value_labels
        },
        declared_missing={
            name: table.declared_missing[each.header]
            for name, each in columns.items()
            if each.header in table.declared_missing
        },
        faults=tuple(found),
        left_out=(*table.left_out, *left_out),
        headers={name: each.header for name, each in columns.items() if each.header != name},
        notes={name: each.notes for name, each in columns.items() if each.notes},
        platform=platform,
    )


_TAG = re.compile(r"</?[A-Za-z!][^<>]{0,200}>")
_ENDLESS = re.compile(r"&#[0-9]{8,};?")  # no sign has such a number, and Python refuses to read thousands of digits


def plain(text: str) -> str:
    r"""Return a text as it is compared: without HTML, runs of blanks, kinds of quotation marks and case.

    Examples
    --------
    >>> plain("<p>It&rsquo;s   fine.</p>\n")
    "it's fine."
    """
    bare = html.unescape(_ENDLESS.sub("\ufffd", _TAG.sub(" ", text)))
    bare = unicodedata.normalize("NFC", bare).replace("’", "'").replace("‘", "'").replace("“", '"').replace("”", '"')
    return " ".join(bare.split()).casefold()


@dataclass(frozen=True, kw_only=True)
class Heading:
    """What a heading says: a column of the questionnaire, in a language."""

    name: str
    language: str


def headings(instrument: Instrument) -> dict[str, tuple[Heading, ...]]:
    """Return question text, as `plain` makes it → the columns that it may head, with the language.

    A question with several answers stands under its own id; `choices` tells its columns.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> found = headings(read_instrument("pwiq"))
    >>> text = read_instrument("pwiq").items["roleaf"].text["en"]
    >>> found[plain(text)]
    (Heading(name='roleaf', language='en'),)
    """
    found: dict[str, list[Heading]] = {}
    texts = [(item.id, item.text) for item in instrument.items]
    texts += [(question.id, question.text) for question in instrument.questions]
    if instrument.forms and not instrument.form_question and "form" not in instrument.questions.ids:
        texts.append(("form", instrument.title))  # what a survey with several forms then asks for the form by
    for name, text in texts:
        for language, words in text.items():
            if plain(words):
                found.setdefault(plain(words), []).append(Heading(name=name, language=language))
    return {text: tuple(names) for text, names in found.items()}


def choices(instrument: Instrument, question: str) -> dict[str, str]:
    """Return label of a question with several answers, as `plain` makes it → the column of 0 and 1 for it."""
    scale = instrument.response_scales[str(instrument.questions[question].scale)]
    return {plain(label): f"{question}{code}" for code, labels in scale.labels.items() for label in labels.values()}


def several(column: Column, separators: str, names: Mapping[str, str]) -> tuple[dict[str, Column], dict[str, str]]:
    """Split a column that holds several answers a cell into columns of 0 and 1.

    Parameters
    ----------
    column : Column
        Cells such as ``"1;3"`` or ``"Lunch, Dinner"``. An empty cell is empty in every column.
    separators : str
        The signs between answers. A label that contains one is found first.
    names : mapping
        Answer as it stands in the cell (compared as `plain`) → column.

    Returns
    -------
    dict of str to Column, dict of str to str
        The columns; and cell → its part that is no known answer (such a cell is empty in every column).
    """
    known = {plain(answer): name for answer, name in names.items()}
    chosen: dict[str, frozenset[str]] = {}
    unknown: dict[str, str] = {}
    for text in column.texts:
        marks, rest = _marked(plain(text), separators, known)
        if rest:
            unknown[text] = rest
        else:
            chosen[text] = marks
    columns = {}
    for name in dict.fromkeys(names.values()):
        columns[name] = column.change(
            lambda text, name=name: None if text not in chosen else str(int(name in chosen[text]))  # type: ignore[misc]
        )
    return columns, unknown


def _marked(text: str, separators: str, known: Mapping[str, str]) -> tuple[frozenset[str], str]:
    """Return the columns that a cell marks, and what of it is no known answer."""
    marks: set[str] = set()
    left = text.strip(separators + " ")
    longest = sorted(known, key=len, reverse=True)
    while left:
        answer = next(
            (
                each
                for each in longest
                if left == each or (left.startswith(each) and left[len(each) :].lstrip()[:1] in separators)
            ),
            None,
        )
        if answer is None:
            return frozenset(), left
        marks.add(known[answer])
        left = left[len(answer) :].strip(separators + " ")
    return frozenset(marks), ""
