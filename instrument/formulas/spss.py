"""Scores as SPSS syntax, which PSPP runs too."""

from __future__ import annotations

import textwrap

from instrument.definition import Instrument
from instrument.formulas.arithmetic import percent, weighted_sum
from instrument.formulas.heading import TWICE, WIDTH, dataset_needed, heading_texts
from instrument.formulas.terms import ItemMean, Score, ScoreMean, form_scores

RUN_BY = "Run in the tests by PSPP 1.6; not run by IBM SPSS Statistics."

_HOW_TO_RUN = (
    "Run: open the answers as the active dataset, one answered form a row, then INSERT FILE='THIS_FILE'",
    "Answers beside the scale do not count, whether they are declared as missing values or not",
    "A code that the definition does not know counts as no answer, and nothing is said: the scripts for R, Python "
    "and Stata stop at it, SPSS cannot. Look at the FREQUENCIES of the items first, or read the file with pwiq read",
    TWICE,
)
_HOW_TO_READ = (
    "To open a CSV file, take the star away before the next command, put in the name of your file, and put its columns "
    "in their order behind VARIABLES (A: text, F: number)"
)
_WIDTH = 76
_LABEL_BYTES = 200


def script(instrument: Instrument) -> str:
    """Write SPSS syntax that adds the scores of all forms to the active dataset.

    Parameters
    ----------
    instrument : Instrument

    Returns
    -------
    str
        Syntax. It adds, under its export id, every score: NAME (POMP) and NAME_m (scale of the answers). A code that
        the definition does not know is not valid; SPSS cannot refuse it.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> "COMPUTE balance_m = facindex_m - barindex_m." in script(read_instrument("pwiq"))
    True
    """
    said = heading_texts(instrument, [dataset_needed(instrument), *_HOW_TO_RUN, _HOW_TO_READ])
    lines = [line for text in said for line in _comment(text)]
    lines += [*_reading(instrument), "", *_valid_answers(instrument), ""]
    lines += [
        line
        for rule in instrument.scores
        for line in (f"COMPUTE {rule.export} = $SYSMIS.", f"COMPUTE {rule.export}_m = $SYSMIS.")
    ]
    for position, form in enumerate(instrument.forms.ids or (None,)):
        if form is not None:
            lines += ["", f"{'ELSE IF' if position else 'DO IF'} form = {_quoted(form)}."]
        lines += _form(instrument, form)
    if instrument.forms:
        lines.append("END IF.")
    lines += ["", *_labels(instrument), "EXECUTE."]
    return "\n".join(lines) + "\n"


def _comment(text: str) -> list[str]:
    """Return a comment, which ends at the first full stop that ends a line: no line but the last has one there."""
    lines = textwrap.wrap(f"* {text}", WIDTH, subsequent_indent="  ")
    for at, line in enumerate(lines[:-1]):
        if line.endswith("."):
            kept, _, word = line.rpartition(" ")
            lines[at : at + 2] = [kept, f"  {word} {lines[at + 1].lstrip()}"]
    return lines


def _reading(instrument: Instrument) -> list[str]:
    """Return, as a comment, the command that opens a CSV file with the keys and the items as columns."""
    keys = ["response A64", "person A64", *(["form A8"] if instrument.forms else []), "wave F4"]
    variables = [*keys, *(f"{item.id} F4" for item in instrument.items)]
    command = (
        "* GET DATA /TYPE=TXT /FILE='answers.csv' /ENCODING='UTF8' /ARRANGEMENT=DELIMITED /DELIMITERS=',' "
        f"/QUALIFIER='\"' /FIRSTCASE=2 /VARIABLES={' '.join(variables)}."
    )
    return _command(command)


def _valid_answers(instrument: Instrument) -> list[str]:
    """Scratch variables: #v_ITEM is an answer on the scale, #t_ITEM the same turned."""
    lines = []
    for item in instrument.items:
        scale = instrument.response_scales[item.scale]
        codes = " ".join(map(str, scale.codes))
        lines.append(f"RECODE {item.id} ({codes}=COPY)(ELSE=SYSMIS) INTO #v_{item.id}.")
        if item.reverse:
            lines.append(f"COMPUTE #t_{item.id} = {scale.low + scale.high} - #v_{item.id}.")
    return lines


def _form(instrument: Instrument, form: str | None) -> list[str]:
    scores = form_scores(instrument, form)
    exports = {score.id: score.export for score in scores}
    lines = [line for score in scores for line in _score(score, exports)]
    lines += [f"COMPUTE {score.export} = {percent(f'{score.export}_m', score.origin, score.span)}." for score in scores]
    return lines


def _score(score: Score, exports: dict[str, str]) -> list[str]:
    value, name = score.value, f"{score.export}_m"
    if isinstance(value, ItemMean):
        lines: list[str] = []
        for number, part in enumerate(value.parts, start=1):
            variables = [f"#{'t' if item in part.turned else 'v'}_{item}" for item in part.items]
            lines += _command(f"COMPUTE #n{number} = NVALID({', '.join(variables)}).")
            lines += _command(f"COMPUTE #m{number} = MEAN({', '.join(variables)}).")
        numbers = range(1, len(value.parts) + 1)
        enough = " + ".join(f"#n{n}" for n in numbers) + f" >= {value.minimum}"
        enough += "".join(f" AND #n{n} >= {value.minimum_each}" for n in numbers)
        mean = "#m1" if len(value.parts) == 1 else f"({' + '.join(f'#m{n}' for n in numbers)}) / {len(value.parts)}"
        return [*lines, *_command(f"IF ({enough}) {name} = {mean}.")]
    if isinstance(value, ScoreMean):
        of = ", ".join(f"{exports[each]}_m" for each in value.of)
        return _command(f"IF (NVALID({of}) >= {value.minimum}) {name} = MEAN({of}).")
    total = weighted_sum([(f"{exports[each]}_m", weight) for each, weight in value.weights], value.constant)
    return _command(f"COMPUTE {name} = {total}.")


def _labels(instrument: Instrument) -> list[str]:
    language = instrument.languages[0]
    lines = []
    for rule in instrument.scores:
        title = rule.title[language]
        lines.append(f"VARIABLE LABELS {rule.export} {_quoted(_label(title, '0-100'))}.")
        lines.append(f"VARIABLE LABELS {rule.export}_m {_quoted(_label(title, 'scale of the answers'))}.")
    return lines


def _label(title: str, scale: str) -> str:
    """Return a label of at most 200 bytes on one line; SPSS cuts labels at 256 bytes."""
    words = " ".join("".join(char if char.isprintable() else " " for char in title).split())
    short = words.encode()[:_LABEL_BYTES].decode(errors="ignore")
    return f"{short} ({scale})"


def _quoted(text: str) -> str:
    if not text.isprintable():
        raise ValueError(f"SPSS has no way to write the text {text!r}; use a form id of letters and digits")
    return "'" + text.replace("'", "''") + "'"


def _command(command: str) -> list[str]:
    """Return a command on lines that SPSS takes for one: all but the first are indented."""
    return textwrap.wrap(command, _WIDTH, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
