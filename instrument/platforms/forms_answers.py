"""Answers exported by Google Forms (CSV, or its sheet as CSV or XLSX) and Microsoft Forms (XLSX).

Both head their columns with the question texts. A heading is a question if its text is exactly that of the
definition in one of its languages, apart from blanks, kinds of quotation marks, case and a colon or asterisk at the
end; a row of a grid stands as ``Title [Row]``. A question that stands in several sections has several columns: they are
one if no row fills two, else the file is refused. A heading that is almost a question's text is refused with the
question that it resembles: it is for people to say whether it means the same. Any other column is kept as text.

Names, e-mail addresses and user names are dropped unread. The day of the answer is kept, not its time.

The headings of Microsoft Forms were checked against public scripts and a Spanish export that read them; those of
Google Forms follow public descriptions. No export of a live account was at hand: import-tested with these only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from instrument.definition import Instrument
from instrument.platforms.answers import CERTAIN, LIKELY, POSSIBLE, Evidence, assembled
from instrument.platforms.recognised import Found, Gathered, Names, bare, day, filled
from instrument.tables import Column, Fault, RawTable, shown

PLATFORMS = ("google-forms", "microsoft-forms")

# Headings of the platforms themselves, as `bare` makes them: English, Spanish, French, German, Portuguese, Italian.
_TIMESTAMP = (
    "timestamp",
    "marca temporal",
    "horodateur",
    "zeitstempel",
    "carimbo de data/hora",
    "informazioni cronologiche",
)
_STARTED = ("start time", "hora de inicio", "heure de début", "startzeit", "hora de início", "ora di inizio")
_ENDED = (
    *("completion time", "hora de finalización", "heure de fin", "fertigstellungszeit", "hora de conclusão"),
    "ora di completamento",
)
_NUMBER = ("id",)
_OF_THE_PLATFORM = (
    *("last modified time", "hora de la última modificación", "heure de la dernière modification"),
    *("language", "idioma", "score", "puntuación", "total points", "quiz feedback", "grade posted time"),
    *("total de puntos", "comentarios sobre el cuestionario", "hora de publicación de la calificación"),
)
_GRID = re.compile(r"(?s)(.*)\[(.*)\]\s*")
_OF_A_QUIZ = re.compile(r"(points|feedback|puntos|comentarios) [-–:] .*")
_FEW = 0.25  # of the items: fewer headings than that may be there by chance


def evidence(table: RawTable, instrument: Instrument) -> Evidence | None:
    """Return why the table looks like an export of Google or Microsoft Forms; None if it looks like neither."""
    heads = [bare(name) for name in table.names]
    started = [name for name, head in zip(table.names, heads, strict=True) if head in (*_STARTED, *_ENDED)]
    if len(started) >= 2:
        reason = f"columns {', '.join(map(shown, started))}"
        return Evidence(
            platform="microsoft-forms", strength=CERTAIN if heads[0] in _NUMBER else LIKELY, reasons=(reason,)
        )
    names = Names(instrument)
    asked = {found.name for name in table.names for found in _found(name, names)}
    share = len(asked & set(instrument.items.ids)) / max(1, len(instrument.items))
    if heads and heads[0] in _TIMESTAMP:
        reason = f"the first column is {shown(table.names[0])}"
        return Evidence(platform="google-forms", strength=CERTAIN if share > 0 else LIKELY, reasons=(reason,))
    if share > _FEW:
        return Evidence(platform="google-forms", strength=POSSIBLE, reasons=("question texts as headings",))
    return None


def canonical(table: RawTable, instrument: Instrument, *, language: str | None = None) -> RawTable:
    """Return the answers of Google or Microsoft Forms under canonical column names.

    Parameters
    ----------
    table : RawTable
    instrument : Instrument
    language : str, optional
        Recognise question texts in this language only; default: in any.

    Returns
    -------
    RawTable
        Faults: headings that are almost the text of a question, or that of several; answers that are none of a
        question with several.
    """
    found = evidence(table, instrument)
    platform = found.platform if found else "google-forms"
    names = Names(instrument, language)
    separators = ";" if platform == "microsoft-forms" else ",;"
    # A form with a section for each kind of respondent has a column a section for the same question.
    gathered = Gathered(table=table, names=names, separators=separators, several_versions=True)
    unknown: list[tuple[str, Column]] = []
    for at, (header, column) in enumerate(zip(table.names, table.columns, strict=True)):
        if not _own(at, header, column, platform, gathered):
            said = _found(header, names)
            if len(said) > 1:
                options = " and ".join(each.name for each in said)
                gathered.faults.append(Fault(1, header, f"this text is that of {options}; head the column with the id"))
            elif said:
                gathered.add(said[0], header, column)
            else:
                unknown.append((header, column))
    _keep(unknown, gathered)
    taken = gathered.finish()
    return assembled(table, taken, platform=platform, left_out=gathered.left_out, faults=gathered.faults)


def _found(header: str, names: Names) -> Sequence[Found]:
    """Return what a heading asks: an id, a question's text, or the text of a row of a grid."""
    if by_id := names.by_id(header, tags=False):
        return (by_id,)
    if said := names.by_text(header):
        return said
    if not header.rstrip().endswith("]"):
        return ()
    rows = (header[at + 1 : header.rindex("]")] for at, sign in enumerate(header) if sign == "[")
    return next((said for row in rows if (said := names.by_text(row))), ())


def _own(at: int, header: str, column: Column, platform: str, gathered: Gathered) -> bool:
    """Deal with a column of the platform itself; return whether it was one."""
    head = bare(header)
    if head in (_TIMESTAMP if platform == "google-forms" else _ENDED):
        if "date" in gathered.names.instrument.questions.ids:
            gathered.add(Found(name="date"), header, column.change(day))
        else:
            gathered.drop(header, column, "of the platform itself; not an answer")
    elif platform == "microsoft-forms" and head in _NUMBER and at == 0:
        gathered.drop(header, column, "numbers the answers of this file only; responses are called by file and row")
    elif head in (*_STARTED, *_OF_THE_PLATFORM) or _OF_A_QUIZ.fullmatch(head):
        if gathered.names.by_text(header):
            return False  # the questionnaire has a question of this text
        gathered.drop(header, column, "of the platform itself; not an answer")
    else:
        return False
    return True


def _keep(unknown: Sequence[tuple[str, Column]], gathered: Gathered) -> None:
    """Keep columns that are no questions as text; refuse those that almost are."""
    for number, (header, column) in enumerate(unknown, start=1):
        near = gathered.names.nearest(_row_of_grid(header)) if header else None
        if near and not all(gathered.has(name) for name in near[0]):
            options = " or ".join(near[0])
            gathered.faults.append(
                Fault(
                    1,
                    header,
                    f"the heading is not the text of a question, but near that of {options}: {shown(near[1])}; if it "
                    "means the same, correct the heading or map it (pwiq map FILE); if it does not, head it otherwise",
                )
            )
        elif header:
            gathered.keep(header, column)
        elif filled(column).any():
            row = int(gathered.table.rows[np.flatnonzero(filled(column))[0]])
            gathered.faults.append(
                Fault(1, f"(no name {number})", f"a column has no name but is filled in row {row}; name it or empty it")
            )


def _row_of_grid(header: str) -> str:
    grid = _GRID.fullmatch(header)
    return grid[2] if grid else header
