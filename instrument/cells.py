"""Single cells: as the text that a person would have typed, and as messages show them."""

from __future__ import annotations

import datetime as dt
import math


def shown(value: str) -> str:
    """Return a value as messages show it: quoted, control characters escaped, at most 40 characters."""
    return repr(value) if len(repr(value)) <= 40 else f"{repr(value)[:39]}…"


def cell_text(value: object) -> str | None:
    """Return a cell as the text that a person would have typed: 3.0 is "3", 2.5 is "2.5"."""
    if isinstance(value, str):
        return value or None
    if value is None:
        return None
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float):
        if math.isnan(value):
            return None
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, dt.datetime) and value.time() == dt.time():
        return value.date().isoformat()
    if isinstance(value, dt.date | dt.time):
        return value.isoformat()
    return str(value)
