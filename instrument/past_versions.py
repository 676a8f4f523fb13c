"""Answers to an earlier version of a definition: which version they were given to, and what stays comparable."""

from __future__ import annotations

import re
from pathlib import Path

from instrument.definition import Instrument, read_instrument
from instrument.definition_file import find_definition
from instrument.versions import NOT_COMPARABLE, SAME, comparable_scores

_VERSION = re.compile(r"\d+\.\d+\.\d+")
_STAMP = re.compile(r"([a-z][a-z0-9-]*) (\d+\.\d+\.\d+)( .*)?")
_DIGEST = re.compile(r"sha256:([0-9a-f]{8,64})\b")
# Columns in which surveys written by us store what they were made from.
STAMPED = ("version", "definition", "text_stamp")


def stamped(text: str) -> tuple[str, str]:
    """Return the questionnaire's id ("" if it is not told) and the version of a stamp or a bare version.

    Examples
    --------
    >>> stamped("pwiq 0.1.0 form P order definition sha256:0123456789abcdef"), stamped("0.1.0"), stamped("v1")
    (('pwiq', '0.1.0'), ('', '0.1.0'), ('', ''))
    """
    if stamp := _STAMP.fullmatch(text.strip()):
        return stamp[1], stamp[2]
    return ("", text.strip()) if _VERSION.fullmatch(text.strip()) else ("", "")


def other_digest(text: str, instrument: Instrument) -> str:
    """Return in a sentence that a stamp is of this version of the definition, but of other files; "" if it is not.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> other_digest("pwiq 0.3.0 sha256:0123456789abcdef", read_instrument("pwiq"))[:57]
    'answers to pwiq 0.3.0 of another digest (01234567…, here '
    """
    digest = _DIGEST.search(text)
    name, version = stamped(text)
    if digest is None or (name, version) != (instrument.id, instrument.version):
        return ""
    if instrument.digest.removeprefix("sha256:").startswith(digest[1]):
        return ""
    return (
        f"answers to {name} {version} of another digest ({digest[1][:8]}…, here "
        f"{instrument.digest.removeprefix('sha256:')[:8]}…): the texts may differ; if they do, give the definition that was "
        "asked with --instrument"
    )


def read_past(instrument: Instrument, version: str, *, definition: str | Path | None = None) -> Instrument | None:
    """Return an earlier version of a questionnaire, kept in a folder `past/VERSION` beside its definition.

    Parameters
    ----------
    instrument : Instrument
    version : str
    definition : str or path, optional
        What the present one was read from. Default: what ships with the package under its id.

    Returns
    -------
    Instrument or None
        None if it is not kept there.
    """
    try:
        main, _ = find_definition(instrument.id if definition is None else definition)
    except FileNotFoundError:
        return None
    folder = main.parent / "past" / version
    if not _VERSION.fullmatch(version) or not folder.is_dir():
        return None
    past = read_instrument(folder)
    return past if (past.id, past.version) == (instrument.id, version) else None


def comparability(instrument: Instrument, version: str, *, definition: str | Path | None = None) -> str:
    """Return in a sentence what of answers to another version can be compared.

    Parameters
    ----------
    instrument : Instrument
    version : str
        The version that the answers were given to.
    definition : str or path, optional
        As for `read_past`.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> comparability(read_instrument("pwiq"), "0.0.1")[:76]
    'answers to version 0.0.1, read by 0.3.0: no definition 0.0.1 is kept beside '
    """
    head = f"answers to version {version}, read by {instrument.version}"
    past = read_past(instrument, version, definition=definition)
    if past is None:
        return (
            f"{head}: no definition {version} is kept beside this one (past/{version}/), so what stays comparable cannot "
            "be said; read them by their own definition"
        )
    scores = comparable_scores(past, instrument)
    parts = []
    same = scores.index[scores["verdict"] == SAME].tolist()
    lost = scores.index[scores["verdict"] == NOT_COMPARABLE].tolist()
    partly = scores.index[~scores["verdict"].isin([SAME, NOT_COMPARABLE])].tolist()
    if len(same) == len(scores):
        return f"{head}: all {len(scores)} scores stay comparable"
    if same:
        parts.append(f"{len(same)} scores stay comparable")
    if partly:
        parts.append(f"comparable on their unchanged items: {', '.join(partly)}")
    if lost:
        parts.append(f"not comparable: {', '.join(lost)}")
    return f"{head}: {'; '.join(parts)}"
