"""Reads a DDI-Codebook 2.5 with lxml, by the element names of the standard."""

from __future__ import annotations

from typing import Any

from instrument.parity.readers.columns import questions_of

READ_BY = "lxml, by the elements of DDI-Codebook 2.5"
_DDI = "{ddi:codebook:2_5}"
_LANG = "{http://www.w3.org/XML/1998/namespace}lang"
_KEYS = {"response", "person", "wave", "version"}


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the variables say."""
    from lxml import etree

    (content,) = files.values()
    root = etree.fromstring(content, etree.XMLParser(resolve_entities=False, no_network=True))
    first = root.get(_LANG)
    notes = list(root.iter(f"{_DDI}notes"))
    shown: dict[str, list[str]] = {}
    for note in notes:
        if note.get("subject") != "stamp":
            shown.setdefault(note.get(_LANG, first), []).append(note.text)
    grids = {
        name: group.get("name")
        for group in root.iter(f"{_DDI}varGrp")
        if group.get("type") == "grid"
        for name in group.get("var").split()
    }
    columns, scores = [], []
    for variable in root.iter(f"{_DDI}var"):
        name = variable.get("name")
        if variable.find(f"{_DDI}derivation") is not None:
            scores.append(name)
        elif name not in _KEYS:
            column = {
                "id": name,
                "text": _texts(variable, f"{_DDI}labl"),
                "beside": [each.get("VALUE") for each in variable.findall(f"{_DDI}invalrng/{_DDI}item")],
                "choices": [
                    {"code": category.findtext(f"{_DDI}catValu"), "label": _texts(category, f"{_DDI}labl")}
                    for category in variable.findall(f"{_DDI}catgry")
                ],
            }
            columns.append({**column, "grid": grids[name]} if name in grids else column)
    title = f"{_DDI}stdyDscr/{_DDI}citation/{_DDI}titlStmt"
    return {
        "title": {each.get(_LANG): each.text for each in root.find(title) if each.get(_LANG)},
        "stamp": " ".join(note.text for note in notes if note.get("subject") == "stamp"),
        "shown": shown,
        "questions": questions_of(columns),
        "scores": scores,
    }


def _texts(element: Any, tag: str) -> dict[str, str]:
    return {each.get(_LANG): each.text for each in element.findall(tag)}
