"""What a study says of itself on a form: who runs it, who reads the open answers, whom to turn to, where answers go.

`study.toml` holds it, in every language of the form; `study_template` is the file to start from. Texts in
``<<double angle brackets>>`` are placeholders: as long as one is left that a form would show, it says so and is a trial.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from instrument.definition import Instrument

_TEXTS = ("by", "contact", "consent", "readers", "when")
_SUPPORT = ("name", "how")
_PAPER = ("where", "until")
_HEADER = re.compile(r"^\s*\[+\s*([A-Za-z0-9_.-]+)\s*\]+\s*(#.*)?$")
_KEY = re.compile(r"^\s*([A-Za-z0-9_-]+)\s*=")
_LANGUAGE = re.compile(r"[a-z]{2,3}(-[A-Za-z0-9]+)*")
_LOCAL = ("localhost", "127.0.0.1")


class StudyError(ValueError):
    """A study file that breaks a rule. `faults` lists every one, a line each: ``FILE:LINE: what is wrong``."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__("\n".join(faults))


@dataclass(frozen=True, kw_only=True)
class Support:
    """Somebody to turn to, and how to reach them."""

    name: str
    how: str


@dataclass(frozen=True, kw_only=True)
class PaperReturn:
    """Where the envelopes with filled-in sheets go, and until when."""

    where: str
    until: str


@dataclass(frozen=True, kw_only=True)
class StudyText:
    """What a study says in one language.

    Attributes
    ----------
    by, contact : str
        Who runs the study, and how to ask them something.
    consent : str
        What people should know before they take part; a blank line begins a paragraph.
    readers, when : str
        Who reads the open answers, and when.
    support : tuple of Support
        Whom to turn to if answering was hard; at least one.
    paper : PaperReturn, optional
        Of a round on paper; the print has lines to write it by hand where it is missing.
    """

    by: str
    contact: str
    consent: str
    readers: str
    when: str
    support: tuple[Support, ...]
    paper: PaperReturn | None = None


@dataclass(frozen=True, kw_only=True)
class Study:
    """What a study says of itself; made by `read_study`.

    Attributes
    ----------
    texts : tuple of (str, StudyText)
        By language, in the file's order.
    address : str
        Where the web form posts finished answers; empty: nowhere.
    """

    texts: tuple[tuple[str, StudyText], ...]
    address: str = ""

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages that the study has texts in."""
        return tuple(language for language, _ in self.texts)

    def text(self, language: str) -> StudyText:
        """Return what the study says in a language; `ValueError` if it says nothing in it."""
        for each, text in self.texts:
            if each == language:
                return text
        raise ValueError(
            f"the study has no texts in {language!r} (it has {', '.join(self.languages)}): add [{language}] to the study "
            "file, or leave the language out of the form"
        )

    def offered(self, instrument: Instrument) -> tuple[str, ...]:
        """Return the questionnaire's languages in which the study has texts: a form is asked in no other."""
        return tuple(language for language in instrument.languages if language in self.languages)

    @property
    def placeholders(self) -> tuple[str, ...]:
        """Where placeholders are left that every form shows: ``en.by``, ``en.support.1.how``. A form with any is a trial."""
        return tuple(place for language, text in self.texts for place in _left(_said(language, text)))

    def placeholders_on_paper(self, language: str) -> tuple[str, ...]:
        """Return where placeholders are left that a print in a language shows: also ``en.paper.until``."""
        text = self.text(language)
        return tuple(_left((*_said(language, text), *_said_on_paper(language, text))))


def _left(said: Iterable[tuple[str, str]]) -> Iterator[str]:
    return (place for place, text in said if _has_placeholder(text))


def _said(language: str, text: StudyText) -> Iterator[tuple[str, str]]:
    for name in _TEXTS:
        yield f"{language}.{name}", getattr(text, name)
    for number, support in enumerate(text.support, start=1):
        for name in _SUPPORT:
            yield f"{language}.support.{number}.{name}", getattr(support, name)


def _said_on_paper(language: str, text: StudyText) -> Iterator[tuple[str, str]]:
    if text.paper is not None:
        for name in _PAPER:
            yield f"{language}.paper.{name}", getattr(text.paper, name)


def study_template() -> str:
    """Return a study file to fill in, with a placeholder for everything that only the study knows.

    Examples
    --------
    >>> "<<" in study_template()
    True
    """
    return resources.files("instrument.forms").joinpath("study.template.toml").read_text(encoding="utf-8")


def read_study(path: str | Path) -> Study:
    """Read what a study says of itself.

    Parameters
    ----------
    path : str or path
        A TOML file as `study_template` gives it.

    Returns
    -------
    Study

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    StudyError
        If anything in it is wrong; every fault with its line.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     _ = Path(folder, "study.toml").write_text(study_template(), encoding="utf-8")
    ...     study = read_study(Path(folder, "study.toml"))
    >>> study.languages, study.placeholders[:2], study.address
    (('en', 'es'), ('en.by', 'en.contact'), '')
    """
    path = Path(path)
    try:
        source = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise StudyError([f"{path.name}:1: is not UTF-8 text (byte {error.start}); save it as UTF-8"]) from error
    try:
        tables = tomllib.loads(source)
    except RecursionError:
        raise StudyError([f"{path.name}:1: is not TOML that a study needs: lists within lists within lists"]) from None
    except ValueError as error:
        at = re.search(r"line (\d+)", str(error))
        line = at.group(1) if at else str(len(source.splitlines()))
        remedy = "; inside quotation marks write ' for a quotation, and let the outer marks be straight ones"
        raise StudyError([f"{path.name}:{line}: is not TOML: {error}{remedy}"]) from error
    faults = _Faults(path.name, source)
    address = _address(tables.pop("address", ""), faults)
    texts = [
        (language, _study_text(language, table, faults))
        for language, table in tables.items()
        if _is_table(language, table, faults)
    ]
    if not texts and not faults.found:
        faults.add((), "has no texts: it needs a table for each language, such as [en]")
    if faults.found:
        raise StudyError(faults.sorted())
    return Study(texts=tuple(texts), address=address)


class _Faults:
    """Gathers what is wrong, with the line it stands on."""

    def __init__(self, file: str, source: str) -> None:
        self.file = file
        self.lines = _lines(source)
        self.found: list[tuple[int, str]] = []

    def add(self, key: tuple[str, ...], message: str) -> None:
        line = next((self.lines[key[:end]] for end in range(len(key), 0, -1) if key[:end] in self.lines), 1)
        self.found.append((line, f"{self.file}:{line}: {message}"))

    def sorted(self) -> list[str]:
        return [message for _, message in sorted(self.found, key=lambda each: each[0])]


def _lines(source: str) -> dict[tuple[str, ...], int]:
    """Return the line of every table and key; the tables of a list are numbered from 1. tomllib keeps none."""
    lines: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    counts: dict[tuple[str, ...], int] = {}
    for number, line in enumerate(source.splitlines(), start=1):
        if header := _HEADER.match(line):
            table = tuple(header.group(1).split("."))
            lines.setdefault(table, number)
            if line.lstrip().startswith("[["):
                counts[table] = counts.get(table, 0) + 1
                table = (*table, str(counts[table]))
                lines[table] = number
        elif key := _KEY.match(line):
            lines.setdefault((*table, key.group(1)), number)
    return lines


def _has_placeholder(text: str) -> bool:
    start = text.find("<<")
    return start >= 0 and text.find(">>", start + 2) >= 0


# What a content-security policy takes as a source: names of hosts and digits of a port, no dots as folders.
_SOURCE = re.compile(r"https?://[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)*(:[0-9]+)?(/[^?#;,]*)?")


def _address(value: Any, faults: _Faults) -> str:
    if not isinstance(value, str):
        faults.add(("address",), f"address must be a text, not {value!r}")
        return ""
    address = value.strip()
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        host, port = parts.hostname, parts.port  # noqa: F841 a port that is no number is refused here
    except ValueError:
        host, parts = None, urlsplit("")
    safe = parts.scheme == "https" or (parts.scheme == "http" and host in _LOCAL)
    plain = host and not (parts.username or parts.query or parts.fragment) and re.fullmatch(r"[!-~]+", address)
    source = _SOURCE.fullmatch(address) and not {".", ".."} & set(parts.path.split("/"))
    if not safe or not plain or not source or re.search(r"""[\s;,'"<>*\\]""", address):
        faults.add(
            ("address",),
            f"address {value!r} cannot be posted to: give https://HOST/PATH without user name, ?, #, ;, commas or quotation "
            "marks, or leave it empty",
        )
        return ""
    return address


def _is_table(language: str, table: Any, faults: _Faults) -> bool:
    if isinstance(table, Mapping) and _LANGUAGE.fullmatch(language):
        return True
    faults.add(
        (language,), f"{language} is not a key of a study; it has address and a table for each language, such as [en]"
    )
    return False


def _study_text(language: str, table: Mapping[str, Any], faults: _Faults) -> StudyText:
    for key in table:
        if key not in (*_TEXTS, "support", "paper"):
            faults.add((language, key), f"{key} is not a key of a language; use {', '.join(_TEXTS)}, support and paper")
    texts = {name: _text(table, name, (language,), faults) for name in _TEXTS}
    support = _support(language, table.get("support"), faults)
    return StudyText(support=support, paper=_paper(language, table.get("paper"), faults), **texts)


def _text(table: Mapping[str, Any], name: str, place: tuple[str, ...], faults: _Faults) -> str:
    text = table.get(name)
    if isinstance(text, str) and text.strip():
        return text.strip()
    wrong = (
        "is missing" if name not in table else "is empty" if isinstance(text, str) else f"must be a text, not {text!r}"
    )
    faults.add((*place, name), f"{'.'.join((*place, name))} {wrong}")
    return ""


def _support(language: str, tables: Any, faults: _Faults) -> tuple[Support, ...]:
    if not isinstance(tables, list) or not tables or not all(isinstance(each, Mapping) for each in tables):
        faults.add(
            (language, "support"), f"{language} needs somebody to turn to: [[{language}.support]] with name and how"
        )
        return ()
    found = []
    for number, table in enumerate(tables, start=1):
        place = (language, "support", str(number))
        for key in table:
            if key not in _SUPPORT:
                faults.add((*place, key), f"{key} is not a key of support; use name and how")
        found.append(Support(**{name: _text(table, name, place, faults) for name in _SUPPORT}))
    return tuple(found)


def _paper(language: str, table: Any, faults: _Faults) -> PaperReturn | None:
    if table is None:
        return None
    place = (language, "paper")
    if not isinstance(table, Mapping):
        faults.add(place, f"{language}.paper must be a table: [{language}.paper] with where and until")
        return None
    for key in table:
        if key not in _PAPER:
            faults.add((*place, key), f"{key} is not a key of paper; use where and until")
    return PaperReturn(**{name: _text(table, name, place, faults) for name in _PAPER})
