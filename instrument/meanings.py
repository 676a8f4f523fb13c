"""What a text in a closed column means on a response scale: a code, a label in some language, or a fault."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from instrument.definition import ResponseScale
from instrument.platforms.answers import plain
from instrument.tables import Column, shown

Codes = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

BLANKS = ("", "NA", ".")
NOTHING = -1  # in an array of codes: no code here
# No code has as many digits: a longer number is no code, and Python converts none of thousands of digits.
WHOLE = re.compile(r"(0|[1-9][0-9]{0,14})(\.0+)?", re.ASCII)
WHOLE_COMMA = re.compile(r"(0|[1-9][0-9]{0,14})([.,]0+)?", re.ASCII)

_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]*)?([eE][+-]?[0-9]+)?", re.ASCII)
# What other programs write for "no answer"; codes of a definition have no sign.
_MISSING_CODE = re.compile(r"-(7|8|9|66|77|88|9[6-9]|666|777|888|99[6-9]|9999)(\.0+)?", re.ASCII)
_ISO_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}([T ].*)?"
_MONTHS = (
    "jan feb mar apr may jun jul aug sep sept oct nov dec ene abr ago dic janv févr fév mars avr mai juin juil août "
    "déc mär mrz okt dez"
)
_MONTH = "|".join(_MONTHS.split())
_DATE = re.compile(_ISO_DATE, re.ASCII)
# As spreadsheets show a date: 5-Mar, Mar-05, 05-Mar-2026, 5/03/2026.
_ANY_DATE = (
    rf"{_ISO_DATE}|[0-9]{{1,2}}[-. ]({_MONTH})\.?([-. ][0-9]{{2,4}})?|({_MONTH})\.?[-. ][0-9]{{2,4}}"
    r"|[0-9]{1,2}[/.][0-9]{1,2}[/.][0-9]{2,4}"
)
_SHOWN_DATE = re.compile(_ANY_DATE, re.IGNORECASE)
_POWER = re.compile(r"[0-9]([.,][0-9]+)?E\+?[0-9]+", re.ASCII)
_SPOILT_LINE = re.compile(rf"^[^\S\n]*({_ANY_DATE}|{_POWER.pattern})[^\S\n]*$", re.IGNORECASE | re.MULTILINE)


def spoilt_by_a_spreadsheet(text: str) -> str:
    """Return what a spreadsheet made of a code ("date", "number"), or "" if it looks untouched.

    Examples
    --------
    >>> [spoilt_by_a_spreadsheet(text) for text in ("MAR05", "05-Mar", "Mar-05", "2005-03-01", "1.00E+05")]
    ['', 'date', 'date', 'date', 'number']
    """
    if _SHOWN_DATE.fullmatch(text.strip()):
        return "date"
    return "number" if _POWER.fullmatch(text.strip()) else ""


def spoilt_texts(texts: Sequence[str]) -> list[str]:
    """Return for each text what `spoilt_by_a_spreadsheet` says; quick where none is spoilt."""
    if not _SPOILT_LINE.search("\n".join(texts)):
        return [""] * len(texts)
    return [spoilt_by_a_spreadsheet(text) for text in texts]


class _Outcome(NamedTuple):
    """What one text means in a closed column."""

    code: int = NOTHING
    languages: frozenset[str] = frozenset()
    fault: str = ""


@dataclass(frozen=True, kw_only=True)
class ClosedColumn:
    """The cells of a closed column. Arrays are by row.

    Parameters
    ----------
    codes : numpy.ndarray
        `NOTHING` where there is none.
    blank, label : numpy.ndarray
        Whether the cell is blank; whether it was read by its label.
    bad : dict
        Position → message.
    languages : Counter
        Language → cells whose label is one of that language only; "" → of several.
    """

    codes: Codes
    blank: Flags
    label: Flags
    bad: dict[int, str]
    languages: Counter[str] = field(default_factory=Counter)

    def among(self, codes: Collection[int]) -> Flags:
        """Return which cells hold one of these codes."""
        return np.isin(self.codes, list(codes))


class Answers:
    """The texts that stand for answers on one scale.

    Parameters
    ----------
    codes : sequence of int
    off_scale : mapping
        Code → reason.
    labels : iterable of (str, int, str)
        Label, its code and language.
    allowed : str
        For messages.
    """

    def __init__(
        self, codes: Sequence[int], off_scale: Mapping[int, str], labels: Iterable[tuple[str, int, str]], allowed: str
    ) -> None:
        self.codes = frozenset(codes)
        self.off_scale = dict(off_scale)
        self.allowed = allowed
        self._languages: dict[str, dict[int, set[str]]] = {}
        for label, code, language in labels:
            # A number is always a code: '1' must not turn into 2 because a label says so.
            if not WHOLE.fullmatch(label.strip()):
                self._languages.setdefault(plain(label), {}).setdefault(code, set()).add(language)

    @classmethod
    def of_scale(cls, scale: ResponseScale, *, language: str | None = None) -> Answers:
        """Return the answers of a scale; `language`: only its labels are read."""
        off = {each.code: each.reason for each in scale.off_scale}
        beside = [f"{each.code} ({next(iter(each.label.values()), each.reason)})" for each in scale.off_scale]
        return cls(
            scale.codes,
            off,
            [
                (label, code, spoken)
                for code, text in scale.labels.items()
                for spoken, label in text.items()
                if language in (None, spoken)
            ],
            ", ".join([spelt_range(scale.codes), *beside]) + " and the labels of these",
        )

    def labelled(self, label: str) -> set[int]:
        """Return the codes that have this label in some language."""
        return set(self._languages.get(plain(label), {}))

    def meaning(self, text: str, whole: re.Pattern[str]) -> _Outcome:
        """Return what one text means."""
        if number := whole.fullmatch(text):
            code = int(number.group(1))
            if code in self.codes or code in self.off_scale:
                return _Outcome(code)
            return _Outcome(fault="is not an answer")
        found = self._languages.get(plain(text), {})
        if len(found) == 1:
            ((code, languages),) = found.items()
            return _Outcome(code, frozenset(languages))
        if found:
            return _Outcome(
                fault="is the label of several codes, depending on the language (say which language the labels have)"
            )
        if _MISSING_CODE.fullmatch(text):
            return _Outcome(
                fault="looks like another program's code for a missing answer; codes have no sign here: recode it (empty "
                "where nothing was answered, else one of the codes beside the scale)"
            )
        if _DATE.fullmatch(text) or _SHOWN_DATE.fullmatch(text):
            return _Outcome(fault="is a date, not an answer (a spreadsheet may have turned an answer into it)")
        if text.isascii() and text.isdigit() and not text.startswith("0"):
            return _Outcome(fault="is not an answer")
        if _NUMBER.fullmatch(text):
            return _Outcome(fault="is not an answer: it is not a plain whole number")
        return _Outcome(fault="is not an answer: it is neither a number nor a label of this scale")

    def read(self, column: Column, whole: re.Pattern[str], *, told: Collection[str] = ()) -> ClosedColumn:
        """Read the cells of a column; texts in `told` are wrong, which was said already."""
        stripped = [text.strip() for text in column.texts]
        outcomes = [_Outcome() if text in BLANKS else self.meaning(text, whole) for text in stripped]
        # The last entry of each is for an empty cell, whose position is -1.
        blank = np.array([text in BLANKS for text in stripped] + [True], dtype=bool)
        codes = np.array([outcome.code for outcome in outcomes] + [NOTHING], dtype=np.int64)
        label = np.array([bool(outcome.languages) for outcome in outcomes] + [False], dtype=bool)
        wrong = [bool(outcome.fault) and text not in told for text, outcome in zip(stripped, outcomes, strict=True)]
        messages = [
            f"{shown(text)} {outcome.fault}; allowed are {self.allowed}; correct the cell or leave it empty"
            for text, outcome in zip(column.texts, outcomes, strict=True)
        ]
        flagged = np.array([*wrong, False], dtype=bool)[column.position]
        bad = {row: messages[column.position[row]] for row in np.flatnonzero(flagged).tolist()}
        return ClosedColumn(
            codes=codes[column.position],
            blank=blank[column.position],
            label=label[column.position],
            bad=bad,
            languages=_languages(column, outcomes) if label.any() else Counter(),
        )


YES_NO = Answers((0, 1), {}, (), "0 (no) and 1 (yes)")


def _languages(column: Column, outcomes: Sequence[_Outcome]) -> Counter[str]:
    cells = np.bincount(column.position[column.position >= 0], minlength=len(column.texts))
    counted: Counter[str] = Counter()
    for outcome, count in zip(outcomes, cells.tolist(), strict=True):
        if outcome.languages:
            counted[next(iter(outcome.languages)) if len(outcome.languages) == 1 else ""] += count
    return counted


def shift_of_codes(columns: Iterable[Column], scale: ResponseScale, whole: re.Pattern[str]) -> int:
    """Return by how much the codes of columns are off as a whole: -1 (0–4 for 1–5), 1 (1–5 for 0–4), else 0.

    It is an error of all columns only if the code beyond one end occurs (twice at least) and that at the other end
    does not.
    """
    counts: Counter[int] = Counter()
    for column in columns:
        cells = np.bincount(column.position[column.position >= 0], minlength=len(column.texts))
        for text, count in zip(column.texts, cells.tolist(), strict=True):
            if number := whole.fullmatch(text.strip()):
                counts[int(number.group(1))] += count
    for off in scale.off_scale:
        counts.pop(off.code, None)
    for shift, beyond, missing in ((-1, scale.low - 1, scale.high), (1, scale.high + 1, scale.low)):
        expected = {code + shift for code in scale.codes}
        if counts[beyond] > 1 and not counts[missing] and {code for code in counts if counts[code]} <= expected:
            return shift
    return 0


def spelt_range(codes: Sequence[int]) -> str:
    """Return codes as messages tell them: `1–5` or `1, 2, 4`."""
    if len(codes) > 2 and list(codes) == list(range(codes[0], codes[-1] + 1)):
        return f"{codes[0]}–{codes[-1]}"
    return ", ".join(map(str, codes))


def filled(text: str) -> str | None:
    """Return a text as it is, or None if it is a blank."""
    return None if text.strip() in BLANKS else text
