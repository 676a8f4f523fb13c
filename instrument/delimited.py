"""Text with separators: how it is encoded, what separates its columns, and its records with their lines."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from itertools import islice

from instrument.responses import ResponseError

_HEADER_LIMIT = 200_000  # characters in which the separator is looked for
_ROWS_LOOKED_AT = 20


def likely_separator(text: str) -> str:
    """Return the comma, semicolon or tab with which the rows have as many cells as the header, and most of them.

    Examples
    --------
    >>> likely_separator('"a, b, c";"d"')
    ';'
    >>> likely_separator("id;Which meals, if any, do you eat?;x" + chr(10) + "1;2;3")
    ';'
    """
    start = text[:_HEADER_LIMIT]
    return max(",;\t", key=lambda each: _fit(start, each, whole=start == text))  # the first of those that tie


# Letters beyond ASCII as UTF-8 writes them: in a text of Windows-1252 these pairs hardly occur.
_UTF8_LETTER = re.compile(rb"[\xc2-\xdf][\x80-\xbf]|[\xe0-\xef][\x80-\xbf]{2}|[\xf0-\xf4][\x80-\xbf]{3}")


def decoded(data: bytes, file: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return the text of a file, and how it was encoded where that is not UTF-8."""
    if data.startswith((b"\xff\xfe\0\0", b"\0\0\xfe\xff")):
        raise ResponseError([f"{file}: the text is UTF-32; save it as CSV in UTF-8 (in Excel: 'CSV UTF-8')"])
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        try:
            return data.decode("utf-16"), (("(encoding)", "the text is UTF-16, as its first bytes say"),)
        except UnicodeDecodeError:
            raise ResponseError(
                [f"{file}: the text is UTF-16 and broken; save it as CSV in UTF-8 (in Excel: 'CSV UTF-8')"]
            ) from None
    if b"\0" in data:
        row = data[: data.index(b"\0")].count(b"\n") + 1
        raise ResponseError(
            [
                f"{file}:{row}: a NUL byte: this is no text in UTF-8; save the file as CSV in UTF-8 (in Excel: 'CSV UTF-8')"
            ]
        )
    try:
        return data.decode("utf-8-sig"), ()
    except UnicodeDecodeError as error:
        return _as_windows(data, file, error)


def _as_windows(data: bytes, file: str, error: UnicodeDecodeError) -> tuple[str, tuple[tuple[str, str], ...]]:
    """Return text that is not UTF-8 as Windows-1252, what spreadsheets write; not where UTF-8 is mixed in."""
    row = data[: error.start].count(b"\n") + 1
    bad = f"{file}:{row}: the byte 0x{data[error.start]:02x} is not UTF-8"
    remedy = "save it as CSV in UTF-8 (in Excel: 'CSV UTF-8')"
    if data.startswith(b"\xef\xbb\xbf") or _UTF8_LETTER.search(data):
        raise ResponseError([f"{bad}, though the file has letters in UTF-8 elsewhere; {remedy}"]) from None
    try:
        text = data.decode("cp1252")
    except UnicodeDecodeError:
        raise ResponseError([f"{bad}, and the file is not in Windows-1252 either; {remedy}"]) from None
    return text, (
        (
            "(encoding)",
            f"the text is not UTF-8 (first in row {row}) and was read as Windows-1252; if letters with accents look "
            f"wrong, {remedy}",
        ),
    )


class Records:
    """The records of a text file, each with the line on which it begins."""

    def __init__(self, text: str, delimiter: str, file: str, *, lines_before: int = 0) -> None:
        # newline="" keeps \r\n, \r and \n as they are: the csv module tells them from those in quotes.
        self._reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
        self._file = file
        self._before = lines_before
        self.line = 0

    def __iter__(self) -> Iterator[list[str]]:
        try:
            while True:
                self.line = self._before + self._reader.line_num + 1
                record = next(self._reader, None)
                if record is None:
                    return
                yield record
        except csv.Error:
            raise ResponseError(
                [
                    f"{self._file}:{self.line}: the quotation marks are broken in the record that begins here: "
                    'one is not closed, or stands inside a quoted cell without being doubled (""); or a cell is longer than '
                    "131,072 characters; correct the record"
                ]
            ) from None


def _fit(text: str, delimiter: str, *, whole: bool) -> tuple[bool, bool, float, int]:
    """Return how well a delimiter fits: quotation marks right, several columns, share of rows that fit, columns."""
    # Strictly: of "a, b";"c" the comma, which stands in quotes, would else make two columns.
    for strict in (True, False):
        reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)
        try:
            columns = len(next(reader, []))
            rows = [len(row) for row in islice(reader, _ROWS_LOOKED_AT) if row]
        except csv.Error:
            continue
        if not whole and len(rows) < _ROWS_LOOKED_AT:
            rows = rows[:-1]  # cut off
        fitting = sum(row == columns for row in rows) / len(rows) if rows else 1.0
        return strict, columns > 1, fitting, columns
    return False, False, 0.0, 0
