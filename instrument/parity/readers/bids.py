"""Reads a BIDS phenotype file: JSON beside the header of a TSV, as the specification has them."""

from __future__ import annotations

import json
from typing import Any

from instrument.parity.readers.columns import questions_of

READ_BY = "the BIDS specification's own grammar (JSON and TSV)"
_KEYS = {"participant_id", "response", "person", "wave", "version"}


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the columns are said to hold."""
    described = json.loads(next(content for name, content in files.items() if name.endswith(".json")))
    header = next(content for name, content in files.items() if name.endswith(".tsv")).decode().splitlines()[0]
    tool = described.pop("MeasurementToolMetadata")["Description"]
    names = header.split("\t")
    if names != list(described):
        raise ValueError("the columns of the TSV are not those that the JSON describes")
    columns = [
        {
            "id": name,
            "text": {"": described[name]["Description"]},
            "choices": [
                {"code": code, "label": {"": label}} for code, label in described[name].get("Levels", {}).items()
            ],
        }
        for name in names
        if name not in _KEYS and not described[name].get("Derivative")
    ]
    return {
        "title": {"": tool.split(" | ")[0]},
        "stamp": tool,
        "shown": {"": [tool]},
        "questions": questions_of(columns),
        "scores": [name for name in names if described[name].get("Derivative")],
    }
