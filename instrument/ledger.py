"""The ledger of a file: what became of each of its columns, and of how many cells."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from instrument.tables import RawTable

LEDGER = (
    "file",
    "column",
    "became",
    "cells",
    "answered",
    "blank",
    "off_scale",
    "labels_read",
    "off_scale_not_asked",
    "header",
    "platform",
    "language",
    "note",
)


@dataclass(kw_only=True)
class LedgerLine:
    """A line of the ledger."""

    column: str
    became: str
    cells: int
    answered: int = 0
    blank: int = 0
    off_scale: int = 0
    labels_read: int = 0
    off_scale_not_asked: int = 0
    header: str = ""
    language: str = ""
    notes: list[str] = field(default_factory=list)


def with_remarks(ledger: pd.DataFrame, table: RawTable, remarks: Sequence[tuple[str, str]]) -> pd.DataFrame:
    """Return the ledger of a table with more remarks: what each is about, and a sentence."""
    told = [LedgerLine(column=what, became="remark", cells=0, header=what, notes=[note]) for what, note in remarks]
    bare = replace(table, left_out=(), remarks=(), headers={}, notes={})
    return pd.concat([ledger, ledger_table(told, bare)], ignore_index=True) if told else ledger


def ledger_table(lines: Sequence[LedgerLine], table: RawTable) -> pd.DataFrame:
    """Return the ledger of a table: the lines of its columns, then what was left out and what was decided.

    Parameters
    ----------
    lines : sequence of LedgerLine
        In the order of the columns. Their headers and the table's notes are filled in here.
    table : RawTable
    """
    for each in lines:
        each.notes += table.notes.get(each.column, ())
        each.header = table.headers.get(each.column, each.column)
    left_out = [
        LedgerLine(column=what, became="ignored", cells=count, header=what, notes=[note])
        for what, count, note in table.left_out
    ]
    remarks = [
        LedgerLine(column=what, became="remark", cells=0, header=what, notes=[note]) for what, note in table.remarks
    ]
    rows = [
        {
            **{name: getattr(each, name) for name in LEDGER if name not in ("file", "platform", "note")},
            "file": table.file,
            "platform": table.platform or "canonical",
            "note": "; ".join(each.notes),
        }
        for each in (*lines, *left_out, *remarks)
    ]
    return pd.DataFrame(rows, columns=list(LEDGER))
