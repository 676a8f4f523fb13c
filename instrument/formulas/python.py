"""Scores as a Python script that needs nothing but Python."""

from __future__ import annotations

from instrument.definition import Instrument
from instrument.formulas.heading import NOT_OVER, TWICE, heading, stamp
from instrument.formulas.terms import Combination, ItemMean, Score, ScoreMean, form_scores

RUN_BY = "Run in the tests by Python itself, standard library alone (python -I)."

_HOW_TO_RUN = (
    "Run: python THIS_FILE answers.csv scores.csv   (comma-separated, UTF-8, item ids as headings)",
    NOT_OVER,
    "Or import it: score(row) takes one answered form as a dict, item id to code, and returns a dict of scores",
    "A code that the definition does not know is refused, with the row and the item",
    TWICE,
)

_PROGRAM = '''
import csv
import os
import sys

KEYS = ("response", "person", "form", "wave", "organisation", "team", "programme")


def mean_of_items(parts, turned, minimum, minimum_each, codes, off_scale):
    """The mean of the means of the parts; turned items count as lowest + highest - answer."""

    def value(row, scores):
        valid = []
        for part in parts:
            answers = [(item, answer(row, item, codes, off_scale)) for item in part]
            there = [(item, code) for item, code in answers if code is not None]
            valid.append([codes[0] + codes[-1] - code if item in turned else code for item, code in there])
        if sum(map(len, valid)) < minimum or min(map(len, valid)) < minimum_each:
            return None
        return sum(sum(part) / len(part) for part in valid) / len(valid)

    return value


def mean_of_scores(names, minimum):
    def value(row, scores):
        there = [scores[name] for name in names if scores[name] is not None]
        return sum(there) / len(there) if len(there) >= minimum else None

    return value


def combination(weights, constant):
    """A weighted sum of scores, all of which must be there."""

    def value(row, scores):
        if any(scores[name] is None for name, _ in weights):
            return None
        return sum(weight * scores[name] for name, weight in weights) + constant

    return value


def answer(row, item, codes, off_scale):
    """The answer if it is on the scale; None for a blank and for an answer beside the scale."""
    if item not in row:
        raise ValueError(f"there is no {item}: every item of the form must be there, if only blank")
    text = "" if row[item] is None else str(row[item]).strip()
    if text == "":
        return None
    try:
        code = float(text)
    except ValueError:
        code = None
    if code in codes:
        return code
    if code in off_scale:
        return None
    allowed = ", ".join(map(str, [*codes, *off_scale]))
    raise ValueError(f"{item} is {text!r}; allowed: {allowed} or blank")


# For each form: name, rule, and where 0 percent lies and how wide the scale is.
SCORES = {
@SCORES@
}


def score(row):
    """Score one answered form.

    row: item id -> code (number or text; None or "" is blank)@FORM_NOTE@.
    Returns name -> score, None where too few answers are valid.
    """
    form = @FORM@
    if form not in SCORES:
        raise ValueError(f"form is {form!r}; it must be one of {', '.join(map(str, SCORES))}")
    values = {}
    for name, rule, _, _ in SCORES[form]:
        values[name] = rule(row, values)
    result = dict.fromkeys(NAMES)
    for name, _, origin, span in SCORES[form]:
        value = values[name]
        result[name + "_m"] = value
        result[name] = None if value is None else (value - origin) / span * 100
    return result


def score_file(answers, scores):
    """Score a CSV file of answers, one answered form a row, and write a CSV file of scores."""
    with open(answers, encoding="utf-8-sig", newline="") as file:
        reader = csv.DictReader(file)
        heading = reader.fieldnames or []
        if len(heading) == 1 and any(sign in heading[0] for sign in ";\\t|"):
            raise SystemExit(f"{answers}: one column only, {heading[0][:40]!r}: separate the cells by commas")
@FORM_CHECK@        twice = sorted({name for name in heading if heading.count(name) > 1})
        if twice:
            raise SystemExit(f"{answers}: two columns are named {', '.join(twice)}")
        keys = [key for key in KEYS if key in heading]
        rows = []
        for number, row in enumerate(reader, start=1):
            if None in row or None in row.values():
                raise SystemExit(f"{answers}, answers in row {number}: not as many cells as the heading")
            try:
                values = score(row)
            except ValueError as error:
                raise SystemExit(f"{answers}, answers in row {number}: {error}") from None
            rows.append([*(plain(row[key]) for key in keys), *("" if v is None else repr(v) for v in values.values())])
    with open(scores, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow([*keys, *NAMES])
        writer.writerows(rows)


def plain(text):
    """A text that a spreadsheet would run as a formula, made plain by an apostrophe."""
    return "'" + text if text and text[0] in "=+-@\\t\\r\\n" else text


if __name__ == "__main__":
    paths = [each for each in sys.argv[1:] if each != "--force"]
    if len(paths) != 2:
        raise SystemExit("how to run: python THIS_FILE answers.csv scores.csv [--force]")
    if os.path.lexists(paths[1]) and "--force" not in sys.argv:
        raise SystemExit(f"{paths[1]} exists; choose another name or add --force")
    score_file(*paths)
'''

_FORM_CHECK = """\
        if "form" not in heading:
            raise SystemExit(f"{answers}: there is no column form; it says which form a row is: {', '.join(SCORES)}")
"""


def script(instrument: Instrument) -> str:
    """Write a Python module, also a command, that scores all forms of a definition.

    Parameters
    ----------
    instrument : Instrument

    Returns
    -------
    str
        Source. ``score(row)`` returns NAME (POMP) and NAME_m (scale of the answers) for every score, under its export
        id; the command reads and writes CSV files.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> module = {"__name__": "scores"}
    >>> exec(script(read_instrument("tests/data/small.toml")), module)
    >>> answers = {f"{part}{n}": 3 for part in ("rest", "trust") for n in range(1, 6)}
    >>> module["score"](answers)["rest"]
    60.0
    """
    comment = "".join(f"# {line}\n" for line in heading(instrument, _HOW_TO_RUN))
    names = [f"{rule.export}{ending}" for rule in instrument.scores for ending in ("", "_m")]
    forms = "\n".join(_form(instrument, form) for form in instrument.forms.ids or (None,))
    program = (
        _PROGRAM.replace("@SCORES@", forms)
        .replace("@FORM_NOTE@", ', and "form" -> id of the form' if instrument.forms else "")
        .replace("@FORM_CHECK@", _FORM_CHECK if instrument.forms else "")
        .replace("@FORM@", 'row.get("form")' if instrument.forms else "None")
    )
    constants = f"STAMP = {stamp(instrument)!a}\nNAMES = {_rows(names, '')}\n"
    head, functions = program.split("KEYS = ", maxsplit=1)
    return f"{comment}{head}{constants}KEYS = {functions}"


def _form(instrument: Instrument, form: str | None) -> str:
    scores = form_scores(instrument, form)
    exports = {score.id: score.export for score in scores}
    rows = "".join(_score(score, exports) for score in scores)
    return f"    {form!a}: [\n{rows}    ],"


def _score(score: Score, exports: dict[str, str]) -> str:
    value = score.value
    if isinstance(value, ItemMean):
        turned = [item for part in value.parts for item in part.turned]
        parts = "".join(f"                    {_rows(part.items, ' ' * 20)},\n" for part in value.parts)
        rule = (
            f"mean_of_items(\n                [\n{parts}                ],\n"
            f"                {_rows(turned, ' ' * 16)},\n"
            f"                {value.minimum}, {value.minimum_each}, {list(value.codes)}, {list(value.off_scale)},\n"
            "            )"
        )
    elif isinstance(value, ScoreMean):
        rule = f"mean_of_scores({_rows([exports[name] for name in value.of], ' ' * 12)}, {value.minimum})"
    else:
        rule = _combination(value, exports)
    inner = f"{score.export!r},\n            {rule},\n            {score.origin}, {score.span}"
    return f"        (\n            {inner},\n        ),\n"


def _combination(value: Combination, exports: dict[str, str]) -> str:
    weights = ", ".join(f"({exports[name]!r}, {float(weight)!r})" for name, weight in value.weights)
    return f"combination([{weights}], {float(value.constant)!r})"


def _rows(names: list[str] | tuple[str, ...], indent: str) -> str:
    """Return a list of names as source, eight to a line."""
    if len(names) <= 8:
        return f"[{', '.join(map(repr, names))}]"
    lines = [", ".join(map(repr, names[at : at + 8])) for at in range(0, len(names), 8)]
    return "[\n" + "".join(f"{indent}    {line},\n" for line in lines) + f"{indent}]"
