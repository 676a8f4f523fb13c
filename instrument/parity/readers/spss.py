"""Reads .sav files with pyreadstat, one a language."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from instrument.parity.readers.columns import questions_of

READ_BY = "pyreadstat (the tests also read it with R's haven)"
_KEYS = {"response", "person", "wave", "version"}


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the variables say; `NAME.LANG.sav` holds the texts of one language."""
    found: dict[str, Any] = {"title": {}, "shown": {}, "scores": []}
    columns: dict[str, dict[str, Any]] = {}
    for name, content in files.items():
        language = name.split(".")[-2]
        _read_one(content, language, found, columns)
    found["questions"] = questions_of(columns.values())
    return found


def _read_one(content: bytes, language: str, found: dict[str, Any], columns: dict[str, dict[str, Any]]) -> None:
    import pyreadstat

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "one.sav"
        path.write_bytes(content)
        _, meta = pyreadstat.read_sav(str(path), user_missing=True)
    # A note is a line of 80 bytes: paragraphs are parted by an empty one.
    found["title"][language] = " ".join("\n".join(meta.notes).split("\n\n")[0].splitlines())
    found["stamp"] = " ".join(meta.notes)
    found["shown"][language] = [" ".join(meta.notes)]
    for name in meta.column_names:
        if name in _KEYS:
            continue
        column = columns.setdefault(name, {"id": name, "text": {}, "choices": []})
        column["beside"] = [str(int(each["lo"])) for each in meta.missing_ranges.get(name, [])]
        column["text"][language] = meta.column_names_to_labels[name]
        for position, (code, label) in enumerate(meta.variable_value_labels.get(name, {}).items()):
            if position == len(column["choices"]):
                column["choices"].append({"code": str(int(code) if isinstance(code, float) else code), "label": {}})
            column["choices"][position]["label"][language] = label
