"""Options that are whole numbers: counts of draws, starts and points, and the seed of random numbers."""

from __future__ import annotations

from numbers import Integral


def whole_number(name: str, value: object, *, at_least: int | None = None, at_most: int | None = None) -> int:
    """Check an option that counts something.

    Parameters
    ----------
    name : str
        Of the option, for the message.
    value : object
        What was given.
    at_least, at_most : int, optional
        Smallest and largest value that will do.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        For anything but a whole number in that range: text, None, True, 2.0 are none.

    Examples
    --------
    >>> whole_number("draws", 100, at_least=1)
    100
    >>> whole_number("draws", 0.5, at_least=1)
    Traceback (most recent call last):
    ValueError: draws must be a whole number, got 0.5
    """
    if not isinstance(value, Integral) or isinstance(value, bool):
        hint = f": write {name}={value:.0f}" if isinstance(value, float) and value.is_integer() else ""
        raise ValueError(f"{name} must be a whole number, got {value!r}{hint}")
    number = int(value)
    if at_least is not None and number < at_least:
        raise ValueError(f"{name} must be at least {at_least}, got {number}")
    if at_most is not None and number > at_most:
        raise ValueError(f"{name} must be at most {at_most}, got {number}")
    return number


def checked_seed(seed: object) -> int:
    """Check the seed of random numbers.

    Parameters
    ----------
    seed : object
        What was given.

    Returns
    -------
    int

    Raises
    ------
    ValueError
        For anything but a whole number from 0 up. None too: results could then not be had again.

    Examples
    --------
    >>> checked_seed(7)
    7
    >>> checked_seed(None)
    Traceback (most recent call last):
    ValueError: seed must be a whole number, so that results can be had again; got None
    """
    if seed is None:
        raise ValueError("seed must be a whole number, so that results can be had again; got None")
    return whole_number("seed", seed, at_least=0)
