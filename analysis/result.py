"""What every analysis returns: one tidy table, the sentence for a paper, and what to know before trusting it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from html import escape
from typing import Any

import numpy as np
import pandas as pd

# The one vocabulary of columns, with the label each has on a page. A column that is not
# listed here is shown under its own name with underscores turned into spaces.
LABELS: dict[str, str] = {
    "estimate": "Estimate",
    "se": "SE",
    "ci_low": "95 % CI low",
    "ci_high": "95 % CI high",
    "statistic": "Statistic",
    "df": "df",
    "df_error": "df (error)",
    "p": "p",
    "p_adjusted": "p (adjusted)",
    "n": "n",
    "mean": "Mean",
    "sd": "SD",
    "effect_size": "Effect size",
    "effect_low": "ES 95 % CI low",
    "effect_high": "ES 95 % CI high",
    "percent": "%",
}
_P_VALUES = {"p", "p_adjusted"}
_MISSING = "–"


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Result:
    """A finding: its table at full precision, how it was made, and what limits it.

    Parameters
    ----------
    title : str
        What the table shows, as a caption.
    table : pandas.DataFrame
        Tidy, at full precision, with the columns of ``LABELS`` where they apply. What a row is
        about is its named index (``item``, ``subscale``, ``coefficient`` …, or several levels).
    method : str
        The sentence for a paper: estimator, options, citation.
    notes : tuple of str
        What must be known before a number is trusted: rows left out, assumptions that failed,
        whose cut-off. A dropped row is always a note.

    Examples
    --------
    >>> import pandas as pd
    >>> table = pd.DataFrame({"estimate": [0.81234]}, index=pd.Index(["alpha"], name="coefficient"))
    >>> Result(title="Reliability", table=table, method="Cronbach (1951).", notes=("n = 30",))
    Reliability
                 Estimate
    coefficient
    alpha           0.812
    Method: Cronbach (1951).
    Note: n = 30
    """

    title: str
    table: pd.DataFrame
    method: str
    notes: tuple[str, ...] = field(default=())

    def __repr__(self) -> str:
        lines = [self.title, formatted(self.table).to_string(), f"Method: {self.method}"]
        return "\n".join(lines + [f"Note: {note}" for note in self.notes])

    def _repr_html_(self) -> str:
        notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in self.notes)
        return (
            f"<figure class='result'><figcaption>{escape(self.title)}</figcaption>"
            f"<div class='table'>{formatted(self.table).to_html(escape=True, border=0)}</div>"
            f"<p class='method'>{escape(self.method)}</p>{notes}</figure>"
        )


def for_each(
    parts: Mapping[str, pd.DataFrame],
    analyse: Callable[[pd.DataFrame], Result],
    *,
    name: str,
    title: str,
) -> Result:
    """Run one analysis on several frames and stack the tables.

    Parameters
    ----------
    parts : mapping
        Label → frame, such as subscale → its items.
    analyse : callable
        Frame → `Result`. A ``ValueError`` leaves the part out; its text becomes a note.
    name : str
        Name of the new first level of the index.
    title : str

    Returns
    -------
    Result
        With the notes of each part, labelled.

    Raises
    ------
    ValueError
        If no part could be analysed; the text is the reason for each.
    """
    tables, notes, methods = {}, [], []
    for label, frame in parts.items():
        try:
            result = analyse(frame)
        except ValueError as refusal:
            notes.append(f"{label}: {refusal}")
            continue
        tables[label] = result.table
        methods.append(result.method)
        notes += [f"{label}: {note}" for note in result.notes]
    if not tables:
        raise ValueError("; ".join(notes) or "there is nothing to analyse")
    return Result(title=title, table=pd.concat(tables, names=[name]), method=methods[0], notes=tuple(notes))


def formatted(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text for reading: rounded, labelled, – where there is no value.

    Counts and other whole numbers stay whole; p is given to three digits and never as 0;
    everything else gets three decimals below 10 in size, two below 100, one above.
    """
    text = pd.DataFrame(index=table.index)
    for position, name in enumerate(table.columns):
        column = table.iloc[:, position]
        label = LABELS.get(str(name), str(name).replace("_", " "))
        text[label] = [_cell(value, is_p=name in _P_VALUES) for value in column.tolist()]
    return text


def _cell(value: Any, *, is_p: bool) -> str:
    if value is None or value is pd.NA or (isinstance(value, float) and np.isnan(value)):
        return _MISSING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return _p_value(float(value)) if is_p else _number(float(value))
    return str(value)


def _p_value(p: float) -> str:
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _number(value: float) -> str:
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    size = abs(value)
    if size >= 1e6 or 0 < size < 5e-4:
        return f"{value:.2e}"
    decimals = 3 if size < 10 else 2 if size < 100 else 1
    return f"{value:.{decimals}f}"
