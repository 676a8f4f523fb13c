"""Self-made codes: brought to one spelling, and hidden behind a key that somebody outside the service holds."""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import json
import os
import secrets
import tomllib
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

UNKNOWN = "X"
"""The answer that stands for "unknown" in an element of a code."""

# Characters of a hidden element. The first is always a letter, as spreadsheets turn 12e45 into a number.
_LENGTH = 20
_SECRET_BYTES = 32
_SEPARATOR = "\x1f"


@dataclass(frozen=True, kw_only=True)
class CodeKey:
    """The key that codes are hidden with.

    Parameters
    ----------
    secret : bytes
        Random; never shown.
    holder : str
        Who keeps the file: a named person outside the service.
    destroy_on, made : datetime.date
        The day by which the file is destroyed, after which nobody can try letters out; the day it was made.
    """

    secret: bytes = field(repr=False)
    holder: str
    destroy_on: dt.date
    made: dt.date


def clean_elements(people: pd.DataFrame, elements: Sequence[str]) -> pd.DataFrame:
    """Bring the elements of codes to one spelling.

    Capital and small letters, spaces, and the ways to encode a character do not count (Unicode NFKC); accents
    do: É is not E.

    Parameters
    ----------
    people : pandas.DataFrame
        Response × column.
    elements : sequence of str
        Columns of the code, in order.

    Returns
    -------
    pandas.DataFrame
        Response × element, ``string``: ``"X"`` where the answer is "unknown", missing where there is none.

    Examples
    --------
    >>> people = pd.DataFrame({"code1": [" a", "É", "x", ""], "code2": ["ﬀ", "7", None, "B "]})
    >>> clean_elements(people, ["code1", "code2"]).fillna("–").values.tolist()
    [['A', 'FF'], ['É', '7'], ['X', '–'], ['–', 'B']]
    """
    return pd.DataFrame({name: _cleaned(people[name]) for name in elements}, index=people.index)


def _cleaned(answers: pd.Series) -> pd.Series:
    # Each different answer once: there are few.
    at, different = pd.factorize(answers.astype("string"))
    clean = pd.array([_clean(str(each)) or pd.NA for each in different], dtype="string")
    return pd.Series(clean.take(at, allow_fill=True), index=answers.index)


def _clean(answer: str) -> str:
    # Folding case may undo the composition of characters, so that it stands between.
    folded = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", answer).casefold().upper())
    return "".join(folded.split())


def hide_elements(people: pd.DataFrame, elements: Sequence[str], *, key: CodeKey) -> pd.DataFrame:
    """Replace each element of a code by its keyed hash, so that codes can still be linked across one difference.

    Parameters
    ----------
    people : pandas.DataFrame
        Response × column.
    elements : sequence of str
        Columns of the code, in order. An element's position enters its hash: the same letter in two places
        gives two different hashes.
    key : CodeKey

    Returns
    -------
    pandas.DataFrame
        Response × element, ``string``: 20 characters 0–9 and a–f, the first a letter. "X" (unknown) stays "X",
        what is missing stays missing.

    Notes
    -----
    HMAC with SHA-256 (Krawczyk, Bellare & Canetti, 1997, RFC 2104), shortened to 76 bits.

    What this does not do: an element has some 26 values, so that **whoever has the key tries them out in no
    time**; the letters are hidden only while the key is secret, and for good once it is destroyed. And **how often
    each value occurs still shows**: the most frequent hash of an element is probably its most frequent letter, and
    somebody who knows a colleague's letters may recognise the pattern. Codes are pseudonymous, not anonymous.
    Where nothing but exact links is wanted, `hide_whole` gives less away.

    Examples
    --------
    >>> import datetime as dt
    >>> key = CodeKey(secret=bytes(32), holder="A. Person", destroy_on=dt.date(2030, 1, 1), made=dt.date(2029, 1, 1))
    >>> people = pd.DataFrame({"code1": ["a", "X", None], "code2": ["A", "B", "B"]})
    >>> hidden = hide_elements(people, ["code1", "code2"], key=key)
    >>> hidden["code2"].str.len().tolist(), hidden["code1"].fillna("–").tolist()[1:]
    ([20, 20, 20], ['X', '–'])
    >>> hidden.loc[0, "code1"] == hidden.loc[0, "code2"]
    False
    """
    clean = clean_elements(people, elements)
    return pd.DataFrame(
        {name: _hidden(clean[name], f"element {place}", key) for place, name in enumerate(elements, start=1)},
        index=people.index,
    )


def hide_whole(people: pd.DataFrame, elements: Sequence[str], *, key: CodeKey) -> pd.Series:
    """Replace a code by one keyed hash of all of it: for exact links only.

    Parameters
    ----------
    people : pandas.DataFrame
        Response × column.
    elements : sequence of str
        Columns of the code, in order.
    key : CodeKey

    Returns
    -------
    pandas.Series
        ``string``, named after the first element: a hash as `hide_elements` makes; "X" where an element is unknown
        (such a code cannot be linked exactly), missing where no element was answered.

    Notes
    -----
    As `hide_elements`, but the letters' frequencies do not show: only who shares a code with whom does.

    Examples
    --------
    >>> import datetime as dt
    >>> key = CodeKey(secret=bytes(32), holder="A. Person", destroy_on=dt.date(2030, 1, 1), made=dt.date(2029, 1, 1))
    >>> people = pd.DataFrame({"code1": ["a", "A", "A", None], "code2": ["B", "b", "X", None]})
    >>> whole = hide_whole(people, ["code1", "code2"], key=key)
    >>> whole[0] == whole[1], whole.fillna("–").tolist()[2:]
    (True, ['X', '–'])
    """
    clean = clean_elements(people, elements)
    joined = pd.Series([_SEPARATOR.join(each) for each in clean.fillna(UNKNOWN).to_numpy(dtype=object)], clean.index)
    unknown = (clean.isna() | (clean == UNKNOWN)).any(axis=1).to_numpy(dtype=bool)
    joined = joined.astype("string").mask(unknown, UNKNOWN).mask(clean.isna().all(axis=1).to_numpy(dtype=bool))
    return _hidden(joined, "whole code", key).rename(elements[0])


def _hidden(answers: pd.Series, place: str, key: CodeKey) -> pd.Series:
    at, different = pd.factorize(answers)
    hashes = pd.array([_hash(str(each), place, key) for each in different], dtype="string")
    return pd.Series(hashes.take(at, allow_fill=True), index=answers.index)


def _hash(answer: str, place: str, key: CodeKey) -> str:
    if answer == UNKNOWN:
        return UNKNOWN
    message = _SEPARATOR.join((place, answer)).encode()
    return "c" + hmac.new(key.secret, message, hashlib.sha256).hexdigest()[: _LENGTH - 1]


def is_hidden(people: pd.DataFrame, elements: Sequence[str]) -> bool:
    """Tell whether codes look as if they were hidden already.

    Examples
    --------
    >>> is_hidden(pd.DataFrame({"code1": ["A", None]}), ["code1"])
    False
    >>> is_hidden(pd.DataFrame({"code1": ["c0123456789abcdef012", "X"]}), ["code1"])
    True
    """
    given = clean_elements(people, elements).stack()
    given = given[given != UNKNOWN]
    return bool(len(given)) and bool(given.str.fullmatch(rf"C[0-9A-F]{{{_LENGTH - 1}}}").any())


# The key's file


def make_key(*, holder: str, destroy_on: dt.date | str, today: dt.date | None = None) -> CodeKey:
    """Make a new random key.

    Parameters
    ----------
    holder : str
        Who keeps the key: a named person outside the service whose staff is asked.
    destroy_on : datetime.date or str
        The day by which the key is destroyed (``"2027-06-30"``): after today.
    today : datetime.date, optional
        The day that counts as today.

    Returns
    -------
    CodeKey

    Raises
    ------
    ValueError
        If nobody is named, or the day is none or not to come.

    Examples
    --------
    >>> make_key(holder="A. Person, University", destroy_on="2999-06-30").destroy_on.year
    2999
    """
    name = " ".join(holder.split())
    if not name or not name.isprintable():
        raise ValueError(
            f"holder must name the person outside the service who keeps the key, got {holder!r}: "
            "write holder='Name, organisation'"
        )
    made = today or dt.date.today()
    last = _date("destroy_on", destroy_on)
    if last <= made:
        raise ValueError(f"destroy_on must be a day after today ({made.isoformat()}), got {last.isoformat()}")
    return CodeKey(secret=secrets.token_bytes(_SECRET_BYTES), holder=name, destroy_on=last, made=made)


def write_key(key: CodeKey, path: str | Path) -> None:
    """Write a key to a file of its own, which only its owner may read. A file that exists is never overwritten.

    Parameters
    ----------
    key : CodeKey
    path : str or path
        A ``.toml`` file. Not in the folder of the answers: its holder keeps it, the service never has it.

    Raises
    ------
    FileExistsError
        If there is a file. Codes that were hidden with a lost key can never be linked with new ones.
    """
    text = (
        "# The key that the codes of a questionnaire are hidden with. Whoever has it can find the letters out.\n"
        "# Its holder keeps it apart from the answers, gives it to nobody in the service, and destroys it in time.\n"
        f'key = "{key.secret.hex()}"\n'
        f"holder = {json.dumps(key.holder, ensure_ascii=False)}\n"
        f"destroy_on = {key.destroy_on.isoformat()}\n"
        f"made = {key.made.isoformat()}\n"
    )
    path = Path(path)
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise FileExistsError(
            f"{path} exists; a key is never overwritten, as codes that it has hidden could not be linked any more: "
            "choose another name"
        ) from None
    with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
        file.write(text)


def read_key(path: str | Path, *, today: dt.date | None = None) -> CodeKey:
    """Read a key.

    Parameters
    ----------
    path : str or path
    today : datetime.date, optional
        The day that counts as today.

    Returns
    -------
    CodeKey

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    ValueError
        If the file is no key, or its day of destruction has passed: people were told that the key would be gone.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such key file; check the name, or ask the key's holder")
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is not a key file: it cannot be read as TOML ({error})") from None
    if missing := [name for name in ("key", "holder", "destroy_on", "made") if name not in table]:
        raise ValueError(f"{path} is not a whole key file: it lacks {', '.join(missing)}; use a copy of the original")
    secret = _secret(table["key"], path)
    holder = table["holder"]
    if not isinstance(holder, str) or not holder.strip():
        raise ValueError(f"{path}: holder must name the person who keeps the key, got {holder!r}; correct the file")
    last = _date(f"{path}: destroy_on", table["destroy_on"])
    made = _date(f"{path}: made", table["made"])
    if (today or dt.date.today()) > last:
        raise ValueError(
            f"{path}: this key was to be destroyed by {last.isoformat()}, as people were told, and is not used any more; "
            f"ask {holder} to destroy every copy"
        )
    return CodeKey(secret=secret, holder=holder, destroy_on=last, made=made)


def _secret(text: object, path: Path) -> bytes:
    wanted = f"{path}: key must be {2 * _SECRET_BYTES} characters 0–9 and a–f"
    if not isinstance(text, str):
        raise ValueError(f"{wanted}, got {type(text).__name__}; use a copy of the original file")
    # The value itself stands in no message: messages are copied into mails.
    try:
        secret = bytes.fromhex(text)
    except ValueError:
        raise ValueError(f"{wanted}, got other characters; use a copy of the original file") from None
    if len(secret) != _SECRET_BYTES:
        raise ValueError(f"{wanted}, got {len(text)}; use a copy of the original file")
    return secret


def _date(name: str, value: object) -> dt.date:
    if isinstance(value, dt.date) and not isinstance(value, dt.datetime):
        return value
    if isinstance(value, str):
        try:
            return dt.date.fromisoformat(value.strip())
        except ValueError:
            pass
    raise ValueError(f"{name} must be a day such as 2027-06-30, got {value!r}")
