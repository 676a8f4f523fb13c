"""Paper sheets keyed by two people, and where the two tables differ. `instrument.forms.settling` makes one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from instrument.definition import Instrument
from instrument.forms.keyed import Entries, doubled_fault, loosely, meanings_of, read_entries
from instrument.forms.keying_sheet import SHEET
from instrument.responses import ResponseError, question_columns
from instrument.tables import Fault, line, shown

DIFFER = "differ"
COLUMNS = ("sheet", "column", "question", "a", "b", "why")
_ROWS = ("row_a", "row_b")


@dataclass(frozen=True, kw_only=True, eq=False)
class EntryComparison:
    """What two people keyed from the same sheets, side by side; made by `compare_entries`.

    Attributes
    ----------
    instrument : Instrument
    files : tuple of str
        Names of the two tables.
    rows : tuple of mapping
        Of each table: sheet → the rows in which it stands.
    disagreements : pandas.DataFrame
        One row a cell to settle: ``sheet``, ``column``, ``question`` (its text in the definition's first language),
        ``a``, ``b`` (what was keyed; "" is a blank), ``why`` ("differ", or what is wrong with it), ``row_a``, ``row_b``.
    only_in_a, only_in_b : tuple of str
        Sheets that one of the two tables lacks.
    doubled_in_a, doubled_in_b : tuple of str
        Sheets that stand in a table more than once; they are not compared.
    sheets : int
        How many sheets were compared.
    cells : pandas.Series
        Column → how many cells were compared: of sheets whose form asks it.
    left_out : tuple of str
        Columns that are none of the questionnaire; they are not taken over.
    keyed : pandas.DataFrame
        Sheet × column: what was keyed first, for the sheets that were compared.
    """

    instrument: Instrument
    files: tuple[str, str]
    rows: tuple[Mapping[str, tuple[int, ...]], Mapping[str, tuple[int, ...]]]
    disagreements: pd.DataFrame
    only_in_a: tuple[str, ...]
    only_in_b: tuple[str, ...]
    doubled_in_a: tuple[str, ...]
    doubled_in_b: tuple[str, ...]
    sheets: int
    cells: pd.Series
    left_out: tuple[str, ...]
    keyed: pd.DataFrame

    @property
    def faults(self) -> tuple[str, ...]:
        """What has to be corrected in the two tables before anything can be settled, a line each."""
        told = []
        for at, (only, doubled) in enumerate(
            ((self.only_in_a, self.doubled_in_a), (self.only_in_b, self.doubled_in_b))
        ):
            mine, other, rows = self.files[at], self.files[1 - at], self.rows[at]
            for sheet in only:
                lacking = f"sheet {shown(sheet)} is not in {other}; key it there too, or correct the number"
                told.append(line(mine, Fault(rows[sheet][0], SHEET, lacking)))
            told += [line(mine, doubled_fault(sheet, rows[sheet])) for sheet in doubled]
        return tuple(told)

    def __str__(self) -> str:
        compared = int(self.cells.sum())
        differ = len(self.disagreements)
        rate = f" ({100 * differ / compared:.2f} %)" if compared else ""
        sheets = "1 sheet" if self.sheets == 1 else f"{self.sheets} sheets"
        parts = [f"{sheets} compared, {compared} cells; to settle: {differ}{rate}", *self.faults]
        if self.left_out:
            parts.append(
                f"not of this questionnaire, and not taken over: {', '.join(shown(name) for name in self.left_out)}"
            )
        first, second = self.files
        parts += [
            f"sheet {shown(str(row.sheet))}, {row.column}: {_told(str(row.a))} in {first} (row {row.row_a}), "
            f"{_told(str(row.b))} in {second} (row {row.row_b})" + ("" if row.why == DIFFER else f" – {row.why}")
            for row in self.disagreements.itertuples()
        ]
        return "\n".join(parts)


def _told(value: str) -> str:
    return shown(value) if value else "blank"


def compare_entries(a: str | Path, b: str | Path, instrument: Instrument) -> EntryComparison:
    r"""Compare what two people keyed from the same paper sheets.

    Parameters
    ----------
    a, b : str or path
        ``.csv``, ``.tsv`` or ``.xlsx`` with canonical columns (`write_keying_sheet` makes empty ones). ``response`` is
        the sheet's number; 007 and 7 are the same sheet. Rows in which nothing was keyed are passed over.
    instrument : Instrument

    Returns
    -------
    EntryComparison

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ResponseError
        If the tables cannot be compared: unknown spelling of a column, a column that one of them lacks, answers
        without a sheet's number. All faults of both are named at once.

    Notes
    -----
    Codes, their labels, ``3`` and ``3.0`` are the same answer. Of the boxes of a question with several answers a 0 and
    a blank are the same: no cross. Letters of a code are compared without regard to small and capital letters, open
    answers without regard to these, punctuation and spaces; the first table's spelling is kept.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from instrument import read_instrument
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     for name, answer in (("a", 4), ("b", 5)):
    ...         _ = Path(folder, f"{name}.csv").write_text(f"response,form,roleaf\n1,P,{answer}\n")
    ...     print(compare_entries(f"{folder}/a.csv", f"{folder}/b.csv", read_instrument("pwiq")))
    1 sheet compared, 2 cells; to settle: 1 (50.00 %)
    sheet '1', roleaf: '4' in a.csv (row 2), '5' in b.csv (row 2)
    """
    files = _names(Path(a), Path(b))
    first, second = _read_both((Path(a), Path(b)), files, instrument)
    both = [sheet for sheet in first.sheets if sheet in second.table.index and sheet in first.table.index]
    rows = list(_disagreements(first, second, both, instrument))
    keyed = first.table.loc[both]
    return EntryComparison(
        instrument=instrument,
        files=files,
        rows=(first.rows, second.rows),
        disagreements=pd.DataFrame(rows, columns=[*COLUMNS, *_ROWS], dtype="object"),
        only_in_a=tuple(sheet for sheet in first.sheets if sheet not in second.sheets),
        only_in_b=tuple(sheet for sheet in second.sheets if sheet not in first.sheets),
        doubled_in_a=first.doubled,
        doubled_in_b=second.doubled,
        sheets=len(both),
        cells=_cells(first, second, both, instrument),
        left_out=tuple(dict.fromkeys((*first.left_out, *second.left_out))),
        keyed=keyed,
    )


def _names(a: Path, b: Path) -> tuple[str, str]:
    return (a.name, b.name) if a.name != b.name else (str(a), str(b))


def _read_both(paths: tuple[Path, Path], names: tuple[str, str], instrument: Instrument) -> tuple[Entries, Entries]:
    a, b = paths
    missing = [str(path) for path in (a, b) if not path.exists()]
    if missing:
        raise FileNotFoundError(f"no such file: {', '.join(missing)}")
    if a.resolve() == b.resolve():
        raise ResponseError([f"{a}: the same file was given twice; two people key the sheets, each into a file"])
    read: list[Entries] = []
    faults: list[str] = []
    for path, name in zip((a, b), names, strict=True):
        try:
            read.append(read_entries(path, instrument, file=name))
        except ResponseError as error:
            faults += error.faults
    if not faults:
        first, second = read
        faults += _other_forms(first, second, names) or _lacking_columns(first, second, names)
    if faults:
        raise ResponseError(faults)
    return read[0], read[1]


def _lacking_columns(first: Entries, second: Entries, names: tuple[str, str]) -> list[str]:
    return [
        f"{name}:1:{column}: there is no such column, which the other table has; add it"
        for mine, other, name in ((first, second, names[1]), (second, first, names[0]))
        for column in mine.table.columns
        if column not in other.table.columns
    ]


def _other_forms(first: Entries, second: Entries, names: tuple[str, str]) -> list[str]:
    """Return that the two tables hold different forms, which explains all columns that one of them lacks."""
    mine, other = (set(each.table["form"]) - {""} if "form" in each.table else set() for each in (first, second))
    if not mine or not other or mine & other:
        return []
    forms = [", ".join(sorted(each)) for each in (mine, other)]
    return [f"{names[0]} holds form {forms[0]}, {names[1]} form {forms[1]}; compare two tables of the same form"]


def _disagreements(
    first: Entries, second: Entries, both: Sequence[str], instrument: Instrument
) -> Iterator[tuple[str, str, str, str, str, str, int, int]]:
    """Yield what has to be settled, sheet by sheet in the order of the first table."""
    meanings = meanings_of(instrument)
    texts = question_texts(instrument)
    asked = _forms_asking(instrument)
    columns = list(first.table.columns)
    mine = first.table.loc[both, columns].to_numpy(dtype=object)
    other = second.table.loc[both, columns].to_numpy(dtype=object)
    place = {name: at for at, name in enumerate(columns)}
    for row, sheet in enumerate(both):
        form = str(mine[row, place["form"]]) if "form" in place else ""
        agreed = "form" not in place or mine[row, place["form"]] == other[row, place["form"]]
        for column, at in place.items():
            a, b = str(mine[row, at]), str(other[row, at])
            wrong = first.bad.get((sheet, column)) or second.bad.get((sheet, column)) or ""
            same = loosely(a, meanings[column]) == loosely(b, meanings[column])
            if same and not wrong and a and agreed and form and form not in asked.get(column, (form,)):
                wrong = f"form {form} does not ask this; check the form, or leave it blank"
            if wrong or not same:
                at_rows = first.rows[sheet][0], second.rows[sheet][0]
                yield sheet, column, texts.get(column, ""), a, b, wrong or DIFFER, *at_rows


def _cells(first: Entries, second: Entries, both: Sequence[str], instrument: Instrument) -> pd.Series:
    """Return column → cells compared: those whose form asks the question, and any in which something was keyed."""
    asked = _forms_asking(instrument)
    mine, other = first.table.loc[both], second.table.loc[both]
    counts = {}
    for column in first.table.columns:
        meant = np.ones(len(both), dtype=bool)
        if "form" in mine and column in asked:
            meant = (mine["form"].isin(asked[column]) | mine[column].ne("") | other[column].ne("")).to_numpy(bool)
        counts[column] = int(meant.sum())
    return pd.Series(counts, dtype="int64")


def question_texts(instrument: Instrument) -> dict[str, str]:
    """Return column → the text of its question in the definition's first language, with the box's label."""
    language = instrument.languages[0]
    texts = {item.id: item.text[language] for item in instrument.items}
    for question in instrument.questions:
        if question.multiple and question.scale is not None:
            labels = instrument.response_scales[question.scale].labels
            names = question_columns(question, instrument)
            texts |= {
                name: f"{question.text[language]} – {labels[code][language]}"
                for name, code in zip(names, labels, strict=True)
            }
        else:
            texts[question.id] = question.text[language]
    return texts


def _forms_asking(instrument: Instrument) -> dict[str, tuple[str, ...]]:
    if not instrument.forms:
        return {}
    asked = {item.id: item.forms for item in instrument.items}
    for question in instrument.questions:
        if question.role != "system":
            asked |= dict.fromkeys(question_columns(question, instrument), question.forms)
    return asked
