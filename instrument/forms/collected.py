"""The answers that web forms posted or a shared device saved as JSON, as one table that `read_responses` reads.

A document is what the form writes: ``{"format": 1, "stamp": …, "columns": […], "responses": [{column: text}]}``, one a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from instrument.cells import shown
from instrument.forms.survey_json import FORMAT
from instrument.responses import SECONDS, ResponseError

_RESPONSE = "response"
# What may differ between two tries to send the same answers: the time that has gone by.
_OF_THE_TRY = ("date", SECONDS)


def collected(paths: Sequence[str | Path]) -> pd.DataFrame:
    """Return the answers of JSON files as one table, each response once.

    Parameters
    ----------
    paths : sequence of str or path
        Files of posted answers, or of a shared device; files of several devices and rounds together.

    Returns
    -------
    pandas.DataFrame
        Response × column, text, blanks empty. A response that came more than once (sent again because the reply was
        lost, or saved twice) stands once, as it came first.

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ResponseError
        If a file is no such document, or the same response came with different answers; every fault, a line each.

    Examples
    --------
    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     document = '{"format": 1, "columns": ["response", "roleaf"], "responses": [{"response": "a", "roleaf": "5"}]}'
    ...     for name in ("one.json", "two.json"):
    ...         _ = Path(folder, name).write_text(document)
    ...     collected([f"{folder}/one.json", f"{folder}/two.json"]).values.tolist()
    [['a', '5']]
    """
    faults: list[str] = []
    columns: dict[str, None] = {}
    rows: dict[str, tuple[str, dict[str, str]]] = {}
    for path in map(Path, paths):
        try:
            document = _document(path)
        except ResponseError as error:
            faults += error.faults
            continue
        columns |= dict.fromkeys(document["columns"])
        for number, row in enumerate(document["responses"], start=1):
            first = rows.setdefault(row[_RESPONSE], (f"{path.name}: response {number}", row))
            columns |= dict.fromkeys(row)
            if apart := _apart(first[1], row):
                faults.append(
                    f"{path.name}: response {number}: {shown(row[_RESPONSE])} came in {first[0]} with other answers to "
                    f"{', '.join(apart[:5])}; ask how both came about, and take one out"
                )
    if faults:
        raise ResponseError(faults)
    table = [[row.get(column, "") for column in columns] for _, row in rows.values()]
    return pd.DataFrame(table, columns=list(columns), dtype=str)


def _document(path: Path) -> Mapping[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise ResponseError(
            [f"{path.name}: is not JSON: {error}; give the files as they were posted or saved"]
        ) from error
    return found if (wrong := next(_wrong(found), None)) is None else _refuse(path, wrong)


def _refuse(path: Path, wrong: str) -> Mapping[str, Any]:
    raise ResponseError([f"{path.name}: {wrong}; give the files as the web form posted or saved them"])


def _wrong(found: Any) -> Iterator[str]:
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        yield f"is no document of answers (format {FORMAT})"
        return
    columns, responses = found.get("columns"), found.get("responses")
    if not isinstance(columns, list) or not all(isinstance(each, str) for each in columns):
        yield "columns is not a list of texts"
    if not isinstance(responses, list):
        yield "responses is not a list"
        return
    for number, row in enumerate(responses, start=1):
        if not isinstance(row, dict) or not all(isinstance(value, str) for value in row.values()):
            yield f"response {number} is not a table of texts"
        elif not row.get(_RESPONSE):
            yield f"response {number} has no id"


def _apart(first: Mapping[str, str], again: Mapping[str, str]) -> list[str]:
    """Return the columns in which two rows differ, but for the time."""
    return [
        column
        for column in {**first, **again}
        if first.get(column, "") != again.get(column, "") and not column.startswith(_OF_THE_TRY)
    ]
