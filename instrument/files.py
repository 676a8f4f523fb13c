"""Files are written whole or not at all, and no cell of a table becomes a formula."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pandas as pd

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write to a temporary name beside the file, then rename: a reader sees all of it or nothing.

    Text is written as UTF-8, line ends as they are. A file that exists is replaced.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        umask = os.umask(0)
        os.umask(umask)
        Path(temporary).chmod(0o666 & ~umask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


def spreadsheet_safe(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with text that a spreadsheet would run as a formula made plain by an apostrophe.

    See OWASP, "CSV Injection". Numbers are left alone.

    Examples
    --------
    >>> spreadsheet_safe(pd.DataFrame({"team": ["=1+1", "north"], "n": [-1, 2]})).values.tolist()
    [["'=1+1", -1], ['north', 2]]
    """
    safe = table.copy()
    for position in range(safe.shape[1]):
        column = safe.iloc[:, position]
        if not pd.api.types.is_numeric_dtype(column.dtype):
            safe.isetitem(position, column.map(_plain))
    return safe


def _plain(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
