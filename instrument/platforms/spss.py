"""A survey as an empty SPSS data file: all columns with their labels, codes, missing codes and measures, and no row.

Answers can be typed or pasted into it, or added to it (`ADD FILES`). Format: PSPP developer's guide, "System File Format".
"""

from __future__ import annotations

import struct
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from instrument.platforms.variables import Variable, answer_variables
from instrument.survey import Choice, Loss, Survey

# What an SPSS file can hold, in bytes of UTF-8 (readstat cuts longer ones without a word).
_VARIABLE_LABEL, _VALUE_LABEL, _FILE_LABEL, _NOTE_LINE = 255, 120, 64, 80
_MISSING = 3  # separate missing codes of a variable
_WIDTHS = {"open": 2000, "code": 8}
_WIDTH = 64
# Places in the header of a system file.
_CASE_SIZE, _CASES, _CREATED = 68, 80, slice(92, 109)
_NO_TIME = b"01 Jan 7000:00:00"


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as empty SPSS data files, one for each language.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to bytes
        ``NAME.LANGUAGE.sav``. A column for every key, item and question, in the order in which they are asked, with
        variable and value labels, missing codes and measure; title, banner and stamp in the file's notes.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> files = write(build_survey(read_instrument("pwiq"), forms=["C"], languages=["en"]))
    >>> list(files), files["pwiq_c.en.sav"][:4]
    (['pwiq_c.en.sav'], b'$FL2')
    """
    return {f"{survey.name}.{language}.sav": _data_file(survey, language) for language in survey.languages}


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what an SPSS data file cannot hold of a survey."""
    return tuple(_losses(survey))


def _losses(survey: Survey) -> Iterator[Loss]:
    variables = answer_variables(survey)
    if set(survey.statements()) - {"banner"}:
        yield Loss(aspect="texts", what="Texts that are only read are not in a data file.")
    cut = {
        variable.name: variable.name if variable.asked is None else variable.asked.id
        for variable in variables
        for language in survey.languages
        if _too_long(variable.label(language), _VARIABLE_LABEL)
        or any(_too_long(label, _VALUE_LABEL) for label in _labels(variable.choices, language).values())
    }
    if cut:
        yield Loss(
            aspect="texts",
            what=f"Labels longer than {_VARIABLE_LABEL} bytes (of answers: {_VALUE_LABEL}) are cut: {', '.join(cut)}.",
            where=tuple(dict.fromkeys(cut.values())),
        )
    more = [variable.name for variable in variables if len(variable.beside) > _MISSING]
    if more:
        yield Loss(
            aspect="off_scale",
            what=f"SPSS takes {_MISSING} missing codes; the further ones count as answers: {', '.join(more)}.",
        )
    if any(asked.required for asked in survey.questions()):
        yield Loss(aspect="required", what="A data file does not know which answers are required.")
    if len(survey.forms) > 1:
        yield Loss(aspect="branching", what="A data file does not know which form asks which question.")
    yield Loss(aspect="layout", what="Pages and grids are not in a data file; the columns stand in their order.")
    if survey.scores:
        yield Loss(aspect="scores", what="The file holds answers; the SPSS syntax of the scores adds the scores.")


def _data_file(survey: Survey, language: str) -> bytes:
    import pandas as pd
    import pyreadstat

    variables = answer_variables(survey)
    row = {each.name: " " * _width(each, survey) if _is_text(each) else 0.0 for each in variables}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "shell.sav"
        pyreadstat.write_sav(
            pd.DataFrame([row]),
            path,
            file_label=f"{survey.instrument.id} {survey.instrument.version} sha256:{survey.instrument.digest[:16]}",
            note=list(_notes(survey, language)),
            column_labels={each.name: _cut(each.label(language), _VARIABLE_LABEL) for each in variables},
            variable_value_labels={each.name: _value_labels(each, language) for each in variables if each.choices},
            missing_ranges={
                each.name: [float(choice.code) for choice in each.beside[:_MISSING]]
                for each in variables
                if each.beside
            },
            variable_measure={each.name: _measure(each) for each in variables},
            variable_format={each.name: "F3.0" for each in variables if not _is_text(each)},
        )
        return _without_row(path.read_bytes())


def _without_row(file: bytes) -> bytes:
    """Return the file without its one row and without the time at which it was made.

    A file that has no row from the start has text columns of one byte: their width is that of the widest cell.
    """
    (size,) = struct.unpack_from("<i", file, _CASE_SIZE)
    (cases,) = struct.unpack_from("<i", file, _CASES)
    dictionary_end = struct.pack("<ii", 999, 0)
    cut = len(file) - 8 * size
    if cases != 1 or file[cut - 8 : cut] != dictionary_end:
        raise ValueError("this pyreadstat lays out SPSS files otherwise; use version 1.3")
    empty = bytearray(file[:cut])
    struct.pack_into("<i", empty, _CASES, 0)
    empty[_CREATED] = _NO_TIME
    return bytes(empty)


def _is_text(variable: Variable) -> bool:
    return variable.measure == "text" or variable.name == "form"


def _width(variable: Variable, survey: Survey) -> int:
    if variable.name == "form":
        return max(8, *(len(form) for form in survey.forms))
    return _WIDTH if variable.asked is None else _WIDTHS.get(variable.asked.role, _WIDTH)


def _measure(variable: Variable) -> str:
    return {"text": "nominal", "interval": "scale"}.get(variable.measure, variable.measure)


def _value_labels(variable: Variable, language: str) -> dict[Any, str]:
    labels = {code: _cut(label, _VALUE_LABEL) for code, label in _labels(variable.choices, language).items()}
    return labels if _is_text(variable) else {float(code): label for code, label in labels.items()}


def _labels(choices: Iterable[Choice], language: str) -> dict[str, str]:
    return {each.code: each.label[language] if language in each.label else each.label["en"] for each in choices}


def _notes(survey: Survey, language: str) -> Iterator[str]:
    """Yield title, banner and stamp in lines that fit, a blank line between them."""
    for place, text in enumerate(filter(None, (survey.title()[language], survey.banner.get(language), survey.stamp))):
        if place:
            yield ""
        yield from _lines(text, _NOTE_LINE)


def _lines(text: str, most: int) -> Iterator[str]:
    """Yield lines of at most so many bytes, broken between words where that can be."""
    line = ""
    for word in text.split():
        joined = f"{line} {word}".strip()
        if not _too_long(joined, most):
            line = joined
            continue
        if line:
            yield line
        while _too_long(word, most):
            yield _cut(word, most)
            word = word[len(_cut(word, most)) :]
        line = word
    if line:
        yield line


def _too_long(text: str, most: int) -> bool:
    return len(text.encode()) > most


def _cut(text: str, most: int) -> str:
    """Return as much of the text as fits, never half a letter."""
    return text.encode()[:most].decode(errors="ignore")
