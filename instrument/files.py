"""Files are written whole or not at all, workbooks bear no time, and no cell of a table becomes a formula."""

from __future__ import annotations

import io
import os
import re
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import pandas as pd

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold
_TIMES = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*")


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

    See OWASP, "CSV Injection". Numbers are left alone; headings are made plain too.

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
    if any(_plain(name) != name for name in safe.columns):
        safe.columns = safe.columns.map(_plain)
    return safe


def unmasked(text: str) -> str:
    """Return a text without the apostrophe that `spreadsheet_safe` put before it.

    Examples
    --------
    >>> unmasked("'=1+1"), unmasked("'tis")
    ('=1+1', "'tis")
    """
    return text[1:] if text.startswith("'") and text[1:].startswith(_FORMULA_STARTS) else text


def workbook_bytes(workbook: Any) -> bytes:
    """Return the file of an openpyxl workbook without the times at which it was made: same content, same bytes.

    Examples
    --------
    >>> from openpyxl import Workbook
    >>> workbook_bytes(Workbook()) == workbook_bytes(Workbook())
    True
    """
    made, timeless = io.BytesIO(), io.BytesIO()
    workbook.save(made)
    with zipfile.ZipFile(made) as old, zipfile.ZipFile(timeless, "w") as new:
        for name in old.namelist():
            content = old.read(name)
            if name == "docProps/core.xml":
                content = _TIMES.sub(rb"\g<1>1980-01-01T00:00:00Z", content)
            new.writestr(zipfile.ZipInfo(name, _EPOCH), content, compress_type=zipfile.ZIP_DEFLATED)
    return timeless.getvalue()


def _plain(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and value.startswith(_FORMULA_STARTS) else value
