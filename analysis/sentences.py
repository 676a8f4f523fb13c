"""How names and numbers stand in a sentence: in notes, methods and messages."""

from __future__ import annotations

from collections.abc import Iterable


def listed(names: Iterable[object]) -> str:
    """Return names as they stand in a sentence, all of them.

    Examples
    --------
    >>> listed(["role", "cult", "prac"])
    'role, cult, prac'
    """
    return ", ".join(str(name) for name in names)


def some_of(names: Iterable[object], most: int = 10) -> str:
    """Return the first names as they stand in a sentence, and how many more there are.

    Examples
    --------
    >>> some_of(["role", "cult", "prac"]), some_of(["role", "cult", "prac"], most=2)
    ('role, cult, prac', 'role, cult and 1 more')
    """
    words = [str(name) for name in names]
    more = f" and {len(words) - most} more" if len(words) > most else ""
    return listed(words[:most]) + more


def correlation_words(r: float) -> str:
    """Return a correlation, or another number that cannot exceed 1, with two digits and no zero before the point.

    Examples
    --------
    >>> correlation_words(-0.5), correlation_words(0.704)
    ('−.50', '.70')
    """
    return f"{r:.2f}".replace("0.", ".", 1).replace("-", "−")
