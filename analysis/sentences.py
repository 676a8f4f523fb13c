"""How names and numbers stand in a sentence: in notes, methods and messages."""

from __future__ import annotations

from collections.abc import Iterable


def listed(names: Iterable[object], most: int | None = None) -> str:
    """Return names as they stand in a sentence, the first ``most`` of them.

    Examples
    --------
    >>> listed(["role", "cult", "prac"]), listed(["role", "cult", "prac"], most=2)
    ('role, cult, prac', 'role, cult and 1 more')
    """
    words = [str(name) for name in names]
    if most is None or len(words) <= most:
        return ", ".join(words)
    return f"{', '.join(words[:most])} and {len(words) - most} more"


def correlation_words(r: float) -> str:
    """Return a correlation, or another number that cannot exceed 1, with two digits and no zero before the point.

    Examples
    --------
    >>> correlation_words(-0.5), correlation_words(0.704)
    ('−.50', '.70')
    """
    return f"{r:.2f}".replace("0.", ".", 1).replace("-", "−")
