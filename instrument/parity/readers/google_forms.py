"""Runs a Google Apps Script in Node against an imitation of FormApp, and reads the form that it builds.

The form itself holds texts alone; ids and codes are looked up in the data of the script by these texts.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterable
from typing import Any

READ_BY = "Node, which runs the script against an imitation of FormApp"

_FORM_APP = """
const items = [];
const place = (value) => (value && value.index !== undefined ? value.index : value);
function recorder(kind) {
  const item = { kind, index: items.length };
  items.push(item);
  const proxy = new Proxy(item, { get: (target, name) => {
    if (name in target) return target[name];
    if (name === 'createChoice') return (label, page) => ({ label, page: place(page) });
    return (value) => { target[String(name).replace(/^set/, '').toLowerCase()] = place(value); return proxy; };
  } });
  return proxy;
}
const form = { title: '', description: '' };
const FormApp = {
  PageNavigationType: { SUBMIT: 'SUBMIT' },
  create: (title) => {
    form.title = title;
    return new Proxy({}, { get: (target, name) => {
      const called = String(name);
      if (called === 'setDescription') return (text) => { form.description = text; };
      if (called.startsWith('add')) return () => recorder(called.slice(3, -4));
      return () => '';
    } });
  },
};
const Logger = { log: () => {} };
"""
_KINDS = {"MultipleChoice": "single", "Checkbox": "several", "ParagraphText": "text", "Text": "text"}


def read(files: dict[str, bytes]) -> dict[str, Any]:
    """Return what the forms ask; `NAME.LANG.gs` builds the form of one language."""
    found: dict[str, Any] = {"title": {}, "shown": {}, "constants": {}}
    questions: dict[str, dict[str, Any]] = {}
    paths: dict[str, dict[str, None]] = {}
    for name, content in files.items():
        language = name.split(".")[-2]
        built = _build(content.decode())
        found["title"][language] = built["form"]["title"]
        shown = [built["form"]["description"]]
        found["stamp"] = built["form"]["description"]
        _read_items(built, language, questions, shown, paths)
        found["shown"][language] = shown
    first = list(paths.get("", ()))  # before the paths of the forms part
    order = _merged([[*first, *path] for path in paths.values()])
    found["questions"] = [questions[name] for name in order]
    return found


def _merged(paths: list[Iterable[str]]) -> list[str]:
    """Return the questions of several paths in one order; what one path adds stands where it stands there."""
    merged: list[str] = []
    for path in paths:
        at = 0
        for name in path:
            if name not in merged:
                merged.insert(at, name)
            at = merged.index(name) + 1
    return merged


def _build(script: str) -> dict[str, Any]:
    program = f"{_FORM_APP}\n{script}\ncreateForm();\nconsole.log(JSON.stringify({{form, items, SURVEY}}));"
    done = subprocess.run(["node", "-"], input=program, capture_output=True, text=True, check=True, timeout=60)  # noqa: S607
    built: dict[str, Any] = json.loads(done.stdout)
    return built


def _read_items(
    built: dict[str, Any],
    language: str,
    questions: dict[str, dict[str, Any]],
    shown: list[str],
    paths: dict[str, dict[str, None]],
) -> None:
    data = {each["text"]: each for page in built["SURVEY"]["pages"] for each in page["questions"]}
    shown_for = _paths(built)
    for item in built["items"]:
        kind = item["kind"]
        path = paths.setdefault(shown_for.get(item["index"], ""), {})
        if kind == "SectionHeader":
            shown.append(item["helptext"])
        elif kind == "Grid":
            for row in item["rows"]:
                _add(questions, data[row], row, item["columns"], "single", item, language, shown_for)
                questions[data[row]["id"]]["grid"] = item["title"]
                path[data[row]["id"]] = None
        elif kind in _KINDS:
            text = item["title"]
            labels = [each["label"] for each in item.get("choices", [])] or item.get("choicevalues", [])
            _add(questions, data[text], text, labels, _KINDS[kind], item, language, shown_for)
            path[data[text]["id"]] = None


def _paths(built: dict[str, Any]) -> dict[int, str]:
    """Return item → form on whose path it lies; none where there is one path."""
    asks = next((item for item in built["items"] if item.get("choices")), None)
    if asks is None:
        return {}
    codes = {
        each["label"]: each["code"]
        for page in built["SURVEY"]["pages"]
        for q in page["questions"]
        for each in q["choices"]
        if q["id"] == "form"
    }
    starts = {each["page"]: codes[each["label"]] for each in asks["choices"]}
    paths, form = {}, ""
    for item in built["items"]:
        form = starts.get(item["index"], form)
        if form:
            paths[item["index"]] = form
    return paths


def _add(
    questions: dict[str, dict[str, Any]],
    data: dict[str, Any],
    text: str,
    labels: list[str],
    kind: str,
    item: dict[str, Any],
    language: str,
    shown_for: dict[int, str],
) -> None:
    codes = {each["label"]: each["code"] for each in data["choices"]}
    question = questions.setdefault(
        data["id"],
        {
            "id": data["id"],
            "kind": kind,
            "text": {},
            "required": bool(item["required"]),
            "choices": [{"code": codes[label], "label": {}} for label in labels],
        },
    )
    question["text"][language] = text
    for choice, label in zip(question["choices"], labels, strict=True):
        choice["label"][language] = label
    if item["index"] in shown_for:
        question["forms"] = sorted({*question.get("forms", ()), shown_for[item["index"]]})
