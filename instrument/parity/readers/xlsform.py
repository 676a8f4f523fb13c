"""Reads an XLSForm as servers do: pyxform compiles it, and what is read is the XForm that comes out."""

from __future__ import annotations

import io
import re
from typing import Any

READ_BY = "pyxform (the compiled XForm; the tests also run ODK Validate)"
_XF = "{http://www.w3.org/2002/xforms}"
_H = "{http://www.w3.org/1999/xhtml}"
_KINDS = {"select1": "single", "select": "several", "input": "text"}
_FORM_IS = re.compile(r"/form\s*=\s*'([^']+)'")
_ESCAPED = re.compile(r"\\([\\*_#])")  # signs of Markdown, which labels may hold


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the compiled form asks."""
    from lxml import etree
    from pyxform.xls2xform import convert

    (workbook,) = files.values()
    compiled = convert(io.BytesIO(workbook), file_type=".xlsx", validate=False)
    root = etree.fromstring(compiled.xform.encode(), etree.XMLParser(resolve_entities=False, no_network=True))
    model = root.find(f"{_H}head/{_XF}model")
    texts = _texts(model)
    first = next(language for language, chosen in _languages(model).items() if chosen)
    found: dict[str, Any] = {
        "title": {first: root.findtext(f"{_H}head/{_H}title")},
        "stamp": _stamp(workbook),
        "shown": {},
        "questions": [],
        "scores": [],
        "constants": {},
    }
    binds = {bind.get("nodeset"): bind for bind in model.findall(f"{_XF}bind")}
    lists = _lists(model, texts)
    _walk(root.find(f"{_H}body"), [], found, binds, texts, lists)
    for path, bind in binds.items():
        calculated = bind.get("calculate")
        name = path.rsplit("/", 1)[-1]
        if calculated is None or "/meta/" in path:
            continue
        if literal := re.fullmatch(r"\s*'([^']*)'\s*", calculated):
            found["constants"][name] = literal.group(1)
        else:
            found["scores"].append(name)
    return found


def _stamp(workbook: bytes) -> str:
    """Return what the sheet `settings` says of its making; servers keep the workbook, not this cell."""
    from openpyxl import load_workbook

    rows = list(load_workbook(io.BytesIO(workbook), read_only=True)["settings"].iter_rows(values_only=True))
    return str(dict(zip(rows[0], rows[1], strict=True)).get("stamp", ""))


def _languages(model: Any) -> dict[str, bool]:
    """Return language code → whether the form opens in it, from names such as `English (en)`."""
    found = {}
    for translation in model.iter(f"{_XF}translation"):
        code = re.search(r"\(([\w-]+)\)$", translation.get("lang"))
        found[code.group(1) if code else translation.get("lang")] = translation.get("default") == "true()"
    return found


def _texts(model: Any) -> dict[str, dict[str, str]]:
    """Return id of a text → language → text."""
    texts: dict[str, dict[str, str]] = {}
    for language, translation in zip(_languages(model), model.iter(f"{_XF}translation"), strict=True):
        for text in translation:
            value = "".join(text.find(f"{_XF}value").itertext())
            texts.setdefault(text.get("id"), {})[language] = _ESCAPED.sub(r"\1", value)
    return texts


def _lists(model: Any, texts: dict[str, dict[str, str]]) -> dict[str, list[dict[str, Any]]]:
    """Return id of a list → its answers."""
    lists = {}
    for instance in model.findall(f"{_XF}instance"):
        items = instance.findall(f"{_XF}root/{_XF}item")
        if instance.get("id") and items:
            lists[instance.get("id")] = [
                {
                    "code": item.findtext(f"{_XF}name"),
                    "label": texts[item.findtext(f"{_XF}itextId")],
                    "beside": bool(item.findtext(f"{_XF}off_scale")),
                }
                for item in items
            ]
    return lists


def _walk(
    element: Any,
    conditions: list[str],
    found: dict[str, Any],
    binds: dict[str, Any],
    texts: dict[str, dict[str, str]],
    lists: dict[str, list[dict[str, Any]]],
) -> None:
    for control in element:
        kind = control.tag.removeprefix(_XF)
        bind = binds.get(control.get("ref"), {})
        relevant = bind.get("relevant")
        shown_when = [*conditions, relevant] if relevant else conditions
        if kind == "group":
            _walk(control, shown_when, found, binds, texts, lists)
        elif kind in _KINDS and bind.get("readonly") == "true()":
            for language, text in _label(control, texts).items():
                found["shown"].setdefault(language, []).append(text)
        elif kind in _KINDS:
            itemset = control.find(f"{_XF}itemset")
            which = re.search(r"instance\('([^']+)'\)", itemset.get("nodeset")) if itemset is not None else None
            question = {
                "id": control.get("ref").rsplit("/", 1)[-1],
                "kind": _KINDS[kind],
                "text": _label(control, texts),
                "required": bind.get("required") == "true()",
                "choices": lists[which.group(1)] if which else [],
                "beside": [each["code"] for each in lists[which.group(1)] if each["beside"]] if which else [],
            }
            forms = [set(_FORM_IS.findall(condition)) for condition in shown_when]
            if forms:
                question["forms"] = sorted(set.intersection(*forms))
            found["questions"].append(question)


def _label(control: Any, texts: dict[str, dict[str, str]]) -> dict[str, str]:
    reference: str = control.find(f"{_XF}label").get("ref")
    return texts[reference.removeprefix("jr:itext('").removesuffix("')")]
