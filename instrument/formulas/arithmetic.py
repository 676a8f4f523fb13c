"""Numbers and weighted sums as text: decimals where they are exact, else fractions."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction


def number(value: Fraction | int, *, divide: str = "/") -> str:
    """Write a number; one that no short decimal is equal to is written as a fraction in brackets.

    Examples
    --------
    >>> number(Fraction(1, 50)), number(Fraction(-3)), number(Fraction(1, 3), divide="div")
    ('0.02', '-3', '(1 div 3)')
    """
    exact = Fraction(value)
    if exact.denominator == 1:
        return str(exact.numerator)
    decimal = f"{float(exact):.6f}".rstrip("0")
    return decimal if Fraction(decimal) == exact else f"({exact.numerator} {divide} {exact.denominator})"


def weighted_sum(weights: Sequence[tuple[str, Fraction]], constant: Fraction, *, divide: str = "/") -> str:
    """Write weight × name + … + constant, without weights of 1 and a constant of 0.

    Examples
    --------
    >>> weighted_sum([("a", Fraction(1)), ("b", Fraction(-1))], Fraction(0))
    'a - b'
    >>> weighted_sum([("a", Fraction(1, 2)), ("b", Fraction(1, 2))], Fraction(-3))
    '0.5 * a + 0.5 * b - 3'
    """
    terms = [(weight, name) for name, weight in weights if weight] + ([(constant, "")] if constant else [])
    text = ""
    for weight, name in terms:
        size = number(abs(weight), divide=divide)
        term = (name if size == "1" else f"{size} * {name}") if name else size
        sign = "-" if weight < 0 else "+"
        text += f" {sign} {term}" if text else (f"0 - {term}" if weight < 0 else term)
    return text or "0"


def percent(value: str, origin: int, span: int, *, divide: str = "/") -> str:
    """Write the percentage of the maximum possible of a value: (value − origin) / span × 100.

    Examples
    --------
    >>> percent("m", 1, 4), percent("a + b", 0, 3), percent("m", 0, 100)
    ('(m - 1) / 4 * 100', '(a + b) / 3 * 100', 'm')
    """
    if (origin, span) == (0, 100):
        return value
    if origin:
        return f"({value} - {origin}) {divide} {span} * 100"
    return f"{value if value.isidentifier() else f'({value})'} {divide} {span} * 100"
