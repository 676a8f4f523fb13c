"""REDCap calculations, run by an evaluator written here from REDCap's published rules; REDCap itself did not run them.

What is known of REDCap: `[field]`, `= <> < <= > >=`, `and`, `or`, `+ - * /`, `if(test, then, otherwise)`, `sum(...)`;
a blank equals '' and nothing else; arithmetic with a blank is blank; `sum` leaves blanks out. What is not known for sure
is whether a comparison such as blank >= 1 is true on the server and in every browser, so it is run both ways.
"""

from __future__ import annotations

import math
import re
from functools import cache

import pytest

from instrument.formulas import redcap

TOKEN = re.compile(r"\s*(\[[a-z][a-z0-9_]*\]|\d+\.?\d*|'[^']*'|<>|<=|>=|[=<>+\-*/(),]|[a-z]+)")


def tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        assert match, f"REDCap cannot read {text[at : at + 20]!r}"
        found.append(match[1])
        at = match.end()
    return found


class Calculation:
    """A calculation, parsed once: or < and < comparison < sum < product < sign."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.at = 0
        self.tree = self.either()
        assert self.at == len(self.tokens), f"left over: {self.tokens[self.at :][:5]}"

    def take(self, *wanted: str) -> str | None:
        if self.at < len(self.tokens) and self.tokens[self.at] in wanted:
            self.at += 1
            return self.tokens[self.at - 1]
        return None

    def chain(self, below, *operators):
        left = below()
        while operator := self.take(*operators):
            left = (operator, left, below())
        return left

    def either(self):
        return self.chain(self.both, "or")

    def both(self):
        return self.chain(self.comparison, "and")

    def comparison(self):
        left = self.addition()
        if operator := self.take("=", "<>", "<", "<=", ">", ">="):
            return (operator, left, self.addition())
        return left

    def addition(self):
        return self.chain(self.product, "+", "-")

    def product(self):
        return self.chain(self.primary, "*", "/")

    def primary(self):
        if self.take("("):
            inner = self.either()
            assert self.take(")")
            return inner
        if self.take("-"):
            return ("-", ("number", 0.0), self.primary())
        token = self.tokens[self.at]
        self.at += 1
        if token[0] == "[":
            return ("field", token[1:-1])
        if token[0] == "'":
            return ("text", token[1:-1])
        if token[0].isdigit():
            return ("number", float(token))
        assert token in ("if", "sum"), f"no function of REDCap's that is used here: {token}"
        assert self.take("(")
        arguments = [self.either()]
        while self.take(","):
            arguments.append(self.either())
        assert self.take(")")
        assert token == "sum" or len(arguments) == 3
        return (token, *arguments)

    def value(self, record, *, blank_compares: bool):
        return value(self.tree, record, blank_compares)


@cache
def parse(text: str) -> Calculation:
    return Calculation(text)


def value(tree, record, blank_compares):
    """Numbers are floats, blanks and texts are str."""
    kind, *rest = tree
    if kind == "field":
        raw = record[rest[0]]
        return float(raw) if re.fullmatch(r"-?\d+(\.\d+)?(e-?\d+)?", str(raw)) else raw
    if kind in ("text", "number"):
        return rest[0]
    if kind == "if":
        return value(rest[1] if value(rest[0], record, blank_compares) else rest[2], record, blank_compares)
    if kind == "sum":
        return math.fsum(v for v in (value(each, record, blank_compares) for each in rest) if v != "")
    left, right = (value(each, record, blank_compares) for each in rest)
    if kind in ("and", "or"):
        assert isinstance(left, bool)
        assert isinstance(right, bool)
        return (left and right) if kind == "and" else (left or right)
    if kind in ("=", "<>"):
        left, right = (str(int(v)) if isinstance(v, float) and v == int(v) else str(v) for v in (left, right))
        return (left == right) == (kind == "=")
    if "" in (left, right):
        return blank_compares if kind in ("<", "<=", ">", ">=") else ""
    if kind == "/":
        return left / right
    return {
        "<": left < right, "<=": left <= right, ">": left > right, ">=": left >= right,
        "+": left + right, "-": left - right, "*": left * right,
    }[kind]  # fmt: skip


def evaluate(calculations, rows, *, blank_compares: bool) -> list[dict[str, float]]:
    parsed = {name: parse(text) for name, text in calculations.items()}
    scored = []
    for row in rows:
        record = dict(row)
        for name, calculation in parsed.items():
            found = calculation.value(record, blank_compares=blank_compares)
            assert found == "" or isinstance(found, float)
            record[name] = "" if found == "" else repr(found)
        scored.append({name: float(record[name] or "nan") for name in parsed})
    return scored


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("[a]+[b]", ""),
        ("sum([a],[b])", 3.0),
        ("if([b]='',1,2)", 1.0),
        ("if([b]<>'' and [b]>=1,1,2)", 2.0),
        ("([a]-1)/4*100", 50.0),
        ("2+3*4-6/2", 11.0),
        ("if([a]='3' or [a]='4',if([c]='P',7,8),9)", 7.0),
    ],
)
def test_the_evaluator_on_rules_that_redcap_publishes(text, wanted) -> None:
    for blank_compares in (True, False):
        assert Calculation(text).value({"a": "3", "b": "", "c": "P"}, blank_compares=blank_compares) == wanted


@pytest.mark.parametrize("blank_compares", [True, False])
@pytest.mark.parametrize("name", ["pwiq", "forms", "small", "compared", "odd"])
def test_every_form_alone(name, blank_compares, case, disagreements) -> None:
    whole = case(name, per_form=3 if name == "pwiq" else 12)
    for form in whole.instrument.forms.ids or (None,):
        this = whole.of_form(form)
        calculations = redcap.calculations(this.instrument, [form])
        assert not disagreements(this, evaluate(calculations, this.rows, blank_compares=blank_compares), "pomp")


@pytest.mark.parametrize("blank_compares", [True, False])
@pytest.mark.parametrize("name", ["pwiq", "forms"])
def test_all_forms_in_one_project(name, blank_compares, case, disagreements) -> None:
    this = case(name, per_form=1 if name == "pwiq" else 12)
    calculations = redcap.calculations(this.instrument, this.instrument.forms.ids)
    assert not disagreements(this, evaluate(calculations, this.rows, blank_compares=blank_compares), "pomp")


def test_a_minimum_that_was_changed_is_caught(case, disagreements) -> None:
    this = case("pwiq", per_form=6).of_form("P")
    calculations = redcap.calculations(this.instrument, ["P"])
    assert calculations["role"].count(" >= 4, ") == 1
    changed = calculations | {"role": calculations["role"].replace(" >= 4, ", " >= 5, ")}
    assert disagreements(this, evaluate(changed, this.rows, blank_compares=False), "pomp")


def test_calculations_stay_within_a_cell_and_have_no_double_quotes(case) -> None:
    definition = case("pwiq").instrument
    for text in redcap.calculations(definition, definition.forms.ids).values():
        assert len(text) < 32_767
        assert '"' not in text
        assert text.isascii()
