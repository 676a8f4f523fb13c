"""Files are written whole or not at all, workbooks bear no time, and no cell of a table becomes a formula."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd

_FORMULA = re.compile(r"'*[=+\-@\t\r\n]")  # apostrophes too, so that taking one off gives back what was there
_MASKED = re.compile(r"'+[=+\-@\t\r\n]")
_LEFT_BEHIND = 3600  # seconds; a file is written in far fewer
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip file can hold
_TIMES = re.compile(rb"(<dcterms:(created|modified)[^>]*>)[^<]*")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write to a temporary name beside the file, then rename: a reader sees all of it or nothing.

    Text is written as UTF-8, line ends as they are. A file that exists is replaced.

    Raises
    ------
    OSError
        If it cannot be written; the error names the file, not the temporary one.
    """
    data = content.encode("utf-8") if isinstance(content, str) else content
    prefix = f".{path.name}.pwiq-"
    _remove_left_behind(path.parent, prefix)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=prefix)
        temporary = Path(name)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask)
            temporary.replace(path)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        remedy = "make room on the disk" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "choose another place"
        told = type(error)(f"{path} cannot be written: {error.strerror}; nothing was written: {remedy}")
        told.errno = error.errno
        raise told from error


def _remove_left_behind(folder: Path, prefix: str) -> None:
    """Remove temporary files of this target that a killed program left: there may be answers in them.

    Another program may be writing the same target at this moment, so only what nobody has touched for an hour goes.
    One that slept for so long cannot rename its file any more, and says so; what stands there is not harmed.
    """
    own = re.compile(re.escape(prefix) + "[a-z0-9_]{8}")  # as mkstemp makes names
    with contextlib.suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            if own.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
                with contextlib.suppress(OSError):
                    if entry.stat(follow_symlinks=False).st_mtime < time.time() - _LEFT_BEHIND:
                        Path(entry.path).unlink()


def csv_text(table: pd.DataFrame) -> str:
    r"""Return the table as a CSV file that spreadsheets and `read_responses` take, without its index.

    Text is made plain as by `spreadsheet_safe`. Line ends inside cells become ``\n``: a lone ``\r`` would end the row.

    Examples
    --------
    >>> csv_text(pd.DataFrame({"open1": ["one\rtwo", "=1+1"]}))
    'open1\n"one\ntwo"\n\'=1+1\n'
    """
    safe = _with_text(table, lambda value: _masked(_one_line_end(value)))
    return str(safe.to_csv(index=False, lineterminator="\n"))


def spreadsheet_safe(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with text that a spreadsheet would run as a formula made plain by an apostrophe.

    See OWASP, "CSV Injection". Numbers are left alone; headings are made plain too. Text that begins so after
    apostrophes of its own gets one more, so that `unmasked` gives every text back: a table is made safe once.

    Examples
    --------
    >>> spreadsheet_safe(pd.DataFrame({"team": ["=1+1", "'=1+1", "north"], "n": [-1, 2, 3]})).values.tolist()
    [["'=1+1", -1], ["''=1+1", 2], ['north', 3]]
    """
    return _with_text(table, _masked)


def unmasked(text: str) -> str:
    """Return a text without the apostrophe that `spreadsheet_safe` put before it.

    Examples
    --------
    >>> unmasked("'=1+1"), unmasked("''=1+1"), unmasked("'tis")
    ('=1+1', "'=1+1", "'tis")
    """
    return text[1:] if _MASKED.match(text) else text


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


def _with_text(table: pd.DataFrame, change: Callable[[object], object]) -> pd.DataFrame:
    """Return the table with every cell and heading that may be text changed."""
    changed = table.copy()
    for position in range(changed.shape[1]):
        column = changed.iloc[:, position]
        if not pd.api.types.is_numeric_dtype(column.dtype):
            changed.isetitem(position, column.map(change))
    if any(change(name) != name for name in changed.columns):
        changed.columns = changed.columns.map(change)
    return changed


def _masked(value: object) -> object:
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _one_line_end(value: object) -> object:
    return value.replace("\r\n", "\n").replace("\r", "\n") if isinstance(value, str) else value
