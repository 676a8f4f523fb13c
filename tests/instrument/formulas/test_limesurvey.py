"""LimeSurvey equations, run by an evaluator written here from the rules of ExpressionScript; LimeSurvey did not run them.

Two sets of rules, because LimeSurvey works an equation out twice. On the server (`em_core_helper.php`,
RDP_EvaluateBinary): two operands are numbers if both read as numbers; a comparison of a number with a text is false; two
texts are compared letter by letter; `+` joins unless both are numbers; other arithmetic with a text is NAN. In the browser
(JavaScript): a blank compares as 0, `sum` returns a text, and `+` joins as soon as one operand is a text. In both, all
arguments of `if` are worked out first.
"""

from __future__ import annotations

import math
import re
from functools import cache

import pytest

from instrument.formulas import limesurvey

TOKEN = re.compile(r'\s*([A-Za-z][A-Za-z0-9_]*(?:\.NAOK)?|\d+\.?\d*|"[^"]*"|==|[+\-*/(),])')
NUMBER = re.compile(r"-?\d+(\.\d+)?(e-?\d+)?")


def tokens(text: str) -> list[str]:
    found, at = [], 0
    while at < len(text):
        match = TOKEN.match(text, at)
        assert match, f"LimeSurvey cannot read {text[at : at + 20]!r}"
        found.append(match[1])
        at = match.end()
    return found


class Equation:
    """An equation, parsed once: or < and < equality < relation < sum < product < sign."""

    def __init__(self, text: str) -> None:
        self.tokens = tokens(text)
        self.at = 0
        self.tree = self.level(0)
        assert self.at == len(self.tokens), f"left over: {self.tokens[self.at :][:5]}"

    LEVELS = (("or",), ("and",), ("==",), ("lt", "le", "gt", "ge"), ("+", "-"), ("*", "/"))

    def level(self, depth: int):
        if depth == len(self.LEVELS):
            return self.primary()
        left = self.level(depth + 1)
        while self.at < len(self.tokens) and self.tokens[self.at] in self.LEVELS[depth]:
            operator = self.next()
            left = (operator, left, self.level(depth + 1))
        return left

    def next(self) -> str:
        self.at += 1
        return self.tokens[self.at - 1]

    def primary(self):
        token = self.next()
        if token == "(":
            inner = self.level(0)
            assert self.next() == ")"
            return inner
        if token == "-":
            return ("-", ("value", 0.0), self.primary())
        if token[0] == '"':
            return ("value", token[1:-1])
        if token[0].isdigit():
            return ("value", float(token))
        if self.at < len(self.tokens) and self.tokens[self.at] == "(":
            assert token in ("if", "sum", "is_numeric"), f"no function that is used here: {token}"
            self.next()
            arguments = [self.level(0)]
            while (after := self.next()) == ",":
                arguments.append(self.level(0))
            assert after == ")"
            assert len(arguments) == {"if": 3, "is_numeric": 1}.get(token, len(arguments))
            return (token, *arguments)
        assert token.endswith(".NAOK"), f"{token}: one question that is not shown would empty the equation"
        return ("answer", token.removesuffix(".NAOK"))


@cache
def parse(text: str):
    return Equation(text).tree


def number(value):
    """The value as a number, None if it is none (blank, null or other text)."""
    if isinstance(value, bool | float):
        return float(value)
    return float(value) if value is not None and NUMBER.fullmatch(value) else None


class Server:
    """PHP. A blank is "", or null where the question was not relevant; null reads as a number there (0)."""

    def numeric(self, value) -> bool:
        return value is None or number(value) is not None

    def compare(self, operator, left, right):
        if left is None or right is None:  # PHP compares null with a number as booleans
            left, right = bool(left), bool(number(right))
        elif self.numeric(left) and self.numeric(right):
            left, right = number(left), number(right)
        elif self.stringy(left) and self.stringy(right):
            left, right = str(left), str(right)
        else:
            return False
        return {"lt": left < right, "le": left <= right, "gt": left > right, "ge": left >= right}[operator]

    def stringy(self, value) -> bool:
        """`!$arg || !numeric`: zero counts as a text too."""
        return not self.numeric(value) or number(value) == 0

    def equal(self, left, right):
        if number(left) is not None and number(right) is not None:
            return number(left) == number(right)
        return (left or "") == (right or "")

    def arithmetic(self, operator, left, right):
        if number(left) is None or number(right) is None:
            return f"{left}{right}" if operator == "+" else math.nan
        left, right = number(left), number(right)
        if operator == "/":
            return left / right if right else math.nan
        return {"+": left + right, "-": left - right, "*": left * right}[operator]

    def sum(self, values):
        return math.fsum(number(value) or 0.0 for value in values)

    def is_numeric(self, value):
        return number(value) is not None

    def truth(self, value):
        return bool(value) and value != "0"


class Browser(Server):
    """JavaScript."""

    def coerce(self, value):
        if value in (None, ""):
            return 0.0
        found = number(value)
        return math.nan if found is None else found

    def compare(self, operator, left, right):
        if not (isinstance(left, str) and isinstance(right, str)):
            left, right = self.coerce(left), self.coerce(right)
        return {"lt": left < right, "le": left <= right, "gt": left > right, "ge": left >= right}[operator]

    def equal(self, left, right):
        if isinstance(left, str) and isinstance(right, str):
            return left == right
        return left is not None and right is not None and self.coerce(left) == self.coerce(right)

    def arithmetic(self, operator, left, right):
        if operator == "+" and (isinstance(left, str) or isinstance(right, str)):
            return "".join(f"{v:g}" if isinstance(v, float) else str(v) for v in (left, right))
        left, right = self.coerce(left), self.coerce(right)
        if operator == "/":
            return left / right if right else math.nan
        return {"+": left + right, "-": left - right, "*": left * right}[operator]

    def sum(self, values):
        return repr(super().sum(values))


def work_out(tree, answers, rules):
    kind, *rest = tree
    if kind == "answer":
        return answers[rest[0]]
    if kind == "value":
        return rest[0]
    values = [work_out(each, answers, rules) for each in rest]
    if kind == "if":
        return values[1] if rules.truth(values[0]) else values[2]
    if kind in ("sum", "is_numeric"):
        return rules.sum(values) if kind == "sum" else rules.is_numeric(values[0])
    if kind == "and":
        return rules.truth(values[0]) and rules.truth(values[1])
    if kind == "or":
        return rules.truth(values[0]) or rules.truth(values[1])
    if kind == "==":
        return rules.equal(*values)
    if kind in ("lt", "le", "gt", "ge"):
        return rules.compare(kind, *values)
    return rules.arithmetic(kind, *values)


def evaluate(equations, rows, rules, *, names=None, blank="") -> list[dict[str, float]]:
    parsed = {name: parse(text) for name, text in equations.items()}
    scored = []
    for row in rows:
        answers = {(names or {}).get(name, name): value or blank for name, value in row.items()}
        for name, tree in parsed.items():
            found = work_out(tree, answers, rules)
            answers[name] = found if isinstance(found, str) else repr(found)
        scored.append({name: float(answers[name] or "nan") for name in parsed})
    return scored


@pytest.mark.parametrize(
    ("text", "server", "browser"),
    [
        ("blank.NAOK ge 0", False, True),
        ("blank.NAOK le 5", False, True),
        ("zero.NAOK ge 0 and is_numeric(zero.NAOK)", True, True),
        ("is_numeric(blank.NAOK)", False, False),
        ('three.NAOK == "3"', True, True),
        ("three.NAOK + 1", 4.0, "31"),
        ("6 - three.NAOK", 3.0, 3.0),
        ('if(three.NAOK ge 1, 0 - 1, "")', -1.0, -1.0),
        ("ninety.NAOK le 5", False, False),
    ],
)
def test_the_evaluator_on_rules_of_the_two_sides(text, server, browser) -> None:
    answers = {"blank": "", "zero": "0", "three": "3", "ninety": "97"}
    assert work_out(Equation(text).tree, answers, Server()) == server
    assert work_out(Equation(text).tree, answers, Browser()) == browser


@pytest.mark.parametrize("rules", [Server(), Browser()], ids=["server", "browser"])
@pytest.mark.parametrize(
    ("name", "blank"),
    [
        ("pwiq", ""),
        ("forms", ""),
        ("forms", None),
        ("small", ""),
        ("small", None),
        ("compared", ""),
        ("odd", None),
        ("odd", ""),
    ],
)
def test_every_form_alone(name, rules, blank, case, disagreements) -> None:
    whole = case(name, per_form=3 if name == "pwiq" else 12)
    for form in whole.instrument.forms.ids or (None,):
        this = whole.of_form(form)
        equations = limesurvey.calculations(this.instrument, [form])
        assert not disagreements(this, evaluate(equations, this.rows, rules, blank=blank), "pomp")


@pytest.mark.parametrize("rules", [Server(), Browser()], ids=["server", "browser"])
@pytest.mark.parametrize("name", ["pwiq", "forms"])
def test_all_forms_in_one_survey_of_arrays(name, rules, case, disagreements) -> None:
    """Items are subquestions of an array for each subscale."""
    this = case(name, per_form=1 if name == "pwiq" else 12)
    names = {item.id: f"page{item.subscale}_{item.id}" for item in this.instrument.items}
    equations = limesurvey.calculations(this.instrument, this.instrument.forms.ids, names=names)
    assert not disagreements(this, evaluate(equations, this.rows, rules, names=names), "pomp")


def test_a_minimum_that_was_changed_is_caught(case, disagreements) -> None:
    this = case("pwiq", per_form=6).of_form("P")
    equations = limesurvey.calculations(this.instrument, ["P"])
    assert equations["role"].count(" ge 4, ") == 1
    changed = equations | {"role": equations["role"].replace(" ge 4, ", " ge 5, ")}
    assert disagreements(this, evaluate(changed, this.rows, Server()), "pomp")


def test_nothing_in_them_looks_like_html_or_ends_the_equation(case) -> None:
    definition = case("pwiq").instrument
    for text in limesurvey.calculations(definition, definition.forms.ids).values():
        assert not set(text) & set("<>{}\n&'")
        assert text.isascii()
