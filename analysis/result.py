"""What every analysis returns: one tidy table, the sentence for a paper, and what to know before trusting it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
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
    "ci90_low": "90 % CI low",
    "ci90_high": "90 % CI high",
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
    "r_squared": "R²",
    "npar": "Parameters",
    "chisq": "χ²",
    "chisq_scaled": "χ² (scaled)",
    "p_scaled": "p (scaled)",
    "cfi": "CFI",
    "tli": "TLI",
    "rmsea": "RMSEA",
    "srmr": "SRMR",
    "cfi_scaled": "CFI (scaled)",
    "tli_scaled": "TLI (scaled)",
    "rmsea_scaled": "RMSEA (scaled)",
    "cfi_robust": "CFI (robust)",
    "tli_robust": "TLI (robust)",
    "rmsea_robust": "RMSEA (robust)",
    "difference": "Δχ²",
    "difference_df": "Δdf",
    "difference_p": "p of Δ",
    "delta_cfi": "ΔCFI",
    "delta_rmsea": "ΔRMSEA",
    "delta_srmr": "ΔSRMR",
    "std_estimate": "Standardised",
    "std_se": "SE (std.)",
    "std_ci_low": "95 % CI low (std.)",
    "std_ci_high": "95 % CI high (std.)",
    "step_p_after": "p of the step after",
    "dmacs": "dMACS",
    "riv": "RIV",
    "fmi": "FMI",
    "rhat": "R-hat",
}
_P_VALUES = {"p", "p_adjusted", "p_scaled", "difference_p", "step_p_after", "rmsea_p_close"}
_MISSING = "–"
_LARGE, _SMALL = 1e6, 5e-7  # beyond these a number is written with an exponent


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
        lines += [f"Note: {note}" for note in self.notes]
        more = self._further()
        return "\n".join(lines + ([f"Also: {', '.join(more)}"] if more else []))

    def _further(self) -> list[str]:
        """Name the further tables of a subclass, which nobody would look for otherwise."""
        own = {each.name for each in fields(Result)}
        return [f".{each.name}" for each in fields(self) if each.name not in own]

    def _repr_html_(self) -> str:
        notes = "".join(f"<p class='note'>{escape(note)}</p>" for note in self.notes)
        further = ", ".join(self._further())
        more = f"<p class='note'>Also: {escape(further)}</p>" if further else ""
        return (
            f"<figure class='result'><figcaption>{escape(self.title)}</figcaption>"
            f"<div class='table' tabindex='0'>{_html_table(formatted(self.table), _text_columns(self.table))}</div>"
            f"{notes}<details><summary>Method</summary><p class='method'>{escape(self.method)}</p></details>{more}</figure>"
        )


@dataclass(frozen=True, kw_only=True)
class Analysed:
    """Results of one analysis by part, and the reasons for the parts that it refused."""

    results: Mapping[str, Result]
    refused: Mapping[str, str]


def analyse_each(parts: Mapping[str, pd.DataFrame], analyse: Callable[[pd.DataFrame], Result]) -> Analysed:
    """Run one analysis on several frames, such as the items of each subscale.

    Parameters
    ----------
    parts : mapping
        Label → frame.
    analyse : callable
        Frame → `Result`.

    Returns
    -------
    Analysed
        The results by label, and why the analysis refused the others (``ValueError``).
    """
    results, refused = {}, {}
    for label, frame in parts.items():
        try:
            results[label] = analyse(frame)
        except ValueError as refusal:
            refused[label] = str(refusal)
    return Analysed(results=results, refused=refused)


def stacked(analysed: Analysed, *, name: str, title: str, field: str = "table") -> Result:
    """Put one table of several results into one, labelled by a new first level of the index.

    Parameters
    ----------
    analysed : Analysed
    name : str
        Name of the new level (``subscale``).
    title : str
    field : str
        Which table of the results.

    Raises
    ------
    ValueError
        If no part could be analysed; the text gives each reason.
    """
    refused = [f"{label}: {reason}" for label, reason in analysed.refused.items()]
    if not analysed.results:
        raise ValueError("; ".join(dict.fromkeys(analysed.refused.values())) or "there is nothing to analyse")
    tables = {label: getattr(result, field) for label, result in analysed.results.items()}
    notes = [(label, note) for label, result in analysed.results.items() for note in result.notes]
    method = next(iter(analysed.results.values())).method
    return Result(
        title=title, table=pd.concat(tables, names=[name]), method=method, notes=(*refused, *_gathered(notes))
    )


def _gathered(notes: list[tuple[str, str]]) -> list[str]:
    """Join equal notes of several parts: ``role, indu: the same words``."""
    labels: dict[str, list[str]] = {}
    for label, text in notes:
        labels.setdefault(text, []).append(label)
    return [f"{', '.join(names)}: {text}" for text, names in labels.items()]


def formatted(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table as text for reading: rounded, labelled, – where there is no value.

    Counts and other whole numbers stay whole; p is given to three digits and never as 0. Other numbers
    of a column share their decimals: three if all are below 2 in size, two below 100, else one, and
    fewer, or none, where the values have no more.
    """
    columns = []
    for position, name in enumerate(table.columns):
        values = table.iloc[:, position].tolist()
        decimals = _decimals(values)
        columns.append([_cell(value, is_p=name in _P_VALUES, decimals=decimals) for value in values])
    text = pd.DataFrame(dict(enumerate(columns)), index=table.index)
    return text.set_axis([LABELS.get(str(name), str(name).replace("_", " ")) for name in table.columns], axis=1)


def _text_columns(table: pd.DataFrame) -> list[bool]:
    """Return which columns hold words rather than numbers: they are set to the left."""
    return [
        any(isinstance(value, str) for value in table.iloc[:, position].tolist()) for position in range(table.shape[1])
    ]


def _html_table(text: pd.DataFrame, is_text: list[bool]) -> str:
    """Return a table with one row of headings and row headings that screen readers can read out."""
    names = [str(name).replace("_", " ") if name is not None else "" for name in text.index.names]
    classes = ["" if not words else " class='words'" for words in is_text]
    head = "".join(f"<th scope='col'>{escape(name)}</th>" for name in names)
    head += "".join(
        f"<th scope='col'{kind}>{escape(str(name))}</th>" for name, kind in zip(text.columns, classes, strict=True)
    )
    rows: list[str] = []
    before: tuple[Any, ...] = ()
    for key, cells in zip(text.index, text.to_numpy(dtype=object), strict=True):
        labels = key if isinstance(key, tuple) else (key,)
        ths = ""
        for depth, label in enumerate(labels, start=1):
            # A label that stands above already is hidden from the eye, not from a screen reader.
            again = bool(before) and depth < len(labels) and before[:depth] == labels[:depth]
            shown = f"<span class='again'>{escape(str(label))}</span>" if again else escape(str(label))
            ths += f"<th scope='row'>{shown}</th>"
        tds = "".join(f"<td{kind}>{escape(str(cell))}</td>" for cell, kind in zip(cells, classes, strict=True))
        rows.append(f"<tr>{ths}{tds}</tr>")
        before = labels
    return f"<table><thead><tr>{head}</tr></thead><tbody>{''.join(rows)}</tbody></table>"


def _decimals(values: list[Any]) -> int | None:
    """Return how many decimals the numbers of a column are shown with; None: each as its size needs.

    A column whose sizes lie far apart (a chi-square above an RMSEA) has no common number of decimals.
    """
    numbers = (float(value) for value in values if isinstance(value, float | np.floating))
    sizes = [abs(number) for number in numbers if abs(number) < _LARGE]
    largest = max(sizes, default=0.0)
    if largest >= 100 and any(0 < size < 1 for size in sizes):
        return None
    if all(size == round(size) for size in sizes):
        return 0
    most = _most(largest)
    # What is not 0 but rounds to it is no round number.
    if any(size and not round(size, most) for size in sizes):
        return most
    return max([1, *(len(f"{size:.{most}f}".rstrip("0").split(".")[1]) for size in sizes)])


def _most(size: float) -> int:
    return 3 if size < 2 else 2 if size < 100 else 1


def _cell(value: Any, *, is_p: bool, decimals: int | None) -> str:
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, float) and np.isnan(value)):
        return _MISSING
    if isinstance(value, bool | np.bool_):
        return "yes" if value else "no"
    if isinstance(value, int | np.integer):
        return str(value)
    if isinstance(value, float | np.floating):
        return _p_value(float(value)) if is_p else _number(float(value), decimals)
    return str(value)


def _p_value(p: float) -> str:
    return "< .001" if p < 0.001 else f"{p:.3f}".removeprefix("0")


def _number(value: float, decimals: int | None) -> str:
    if np.isinf(value):
        return "∞" if value > 0 else "−∞"
    if abs(value) >= _LARGE or 0 < abs(value) < _SMALL:
        return f"{value:.2e}"
    text = f"{value:.{_most(abs(value)) if decimals is None else decimals}f}"
    return text.removeprefix("-") if float(text) == 0 else text
