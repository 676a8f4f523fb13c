"""The one table of answers, once every difference between two keyed tables is settled.

Nothing here knows who keyed what: rates of disagreement are those of questions, not of people.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from instrument.checking import check_table
from instrument.definition import Instrument
from instrument.files import csv_text, unmasked, write_whole
from instrument.forms.double_entry import COLUMNS, EntryComparison, question_texts
from instrument.forms.keyed import meanings_of
from instrument.forms.keying_sheet import SHEET
from instrument.meanings import BLANKS
from instrument.responses import ResponseError, question_columns
from instrument.tables import Fault, RawTable, line, read_table, shown

NO_ANSWER = "."  # what is written to settle that a sheet has no answer there
_TO_SETTLE = (*COLUMNS, "settled")


@dataclass(frozen=True, kw_only=True, eq=False)
class SettledEntries:
    """The one table on which all differences are settled, and a record of how many there were.

    Attributes
    ----------
    table : pandas.DataFrame
        One row a sheet, canonical columns.
    record : pandas.DataFrame
        One row a column: ``column``, ``question``, ``compared``, ``differed``, ``not_allowed`` (both keyed the same,
        which is no answer to it), ``rate`` (differed / compared). The last row, without a column, is about all of them.
    """

    table: pd.DataFrame
    record: pd.DataFrame

    @property
    def summary(self) -> str:
        """How often the two differed in all, in words."""
        everything = self.record.iloc[-1]
        rate = f" ({100 * everything['rate']:.2f} %)" if everything["compared"] else ""
        return f"in all in {everything['differed']} of {everything['compared']} cells{rate}"


def write_settling(comparison: EntryComparison, path: str | Path) -> None:
    """Write the cells to settle into a ``.csv`` file, with an empty column `settled`.

    Into it goes what stands on the sheet; a full stop (.) where it has no answer. Not who settled it.

    Raises
    ------
    ResponseError
        If sheets are missing or doubled: nothing can be settled before that is corrected.
    ValueError
        If the name does not end with .csv, or the file exists (somebody may have begun to settle).
    """
    target = Path(path)
    if comparison.faults:
        raise ResponseError(comparison.faults)
    if target.suffix.lower() != ".csv":
        raise ValueError(f"the settling file is .csv; give such a name, not {target.name}")
    if target.exists():
        raise ValueError(f"{target} exists, and somebody may have begun to settle in it; give another name")
    write_whole(target, "\ufeff" + csv_text(comparison.disagreements[list(COLUMNS)].assign(settled="")))


def settle(comparison: EntryComparison, settled: str | Path | None = None) -> SettledEntries:
    """Return the one table, once every disagreement is settled.

    Parameters
    ----------
    comparison : EntryComparison
    settled : str or path, optional
        The file of `write_settling`, with its column `settled` filled in; not needed where nothing differed.

    Raises
    ------
    FileNotFoundError
        If the file does not exist.
    ResponseError
        If a sheet is missing or doubled, a cell is not settled, settled twice or by what is no answer, the tables
        were changed since, or the result would not be read as answers. All faults are named at once.
    """
    faults = list(comparison.faults)
    values: dict[tuple[str, str], str] = {}
    if settled is not None:
        path = Path(settled)
        if not path.exists():
            raise FileNotFoundError(f"no such file: {path}")
        values, found = _settled_values(path, comparison)
        faults += found
    elif len(comparison.disagreements):
        cells = [f"sheet {row.sheet}, {row.column}" for row in comparison.disagreements.itertuples()]
        faults += [f"{cell}: not settled; write the settling file, and fill it in" for cell in cells]
    if faults:
        raise ResponseError(faults)
    table = comparison.keyed.copy()
    for (sheet, column), value in values.items():
        table.loc[sheet, column] = value
    if "wave" in table and table["wave"].eq("").all():
        table = table.drop(columns="wave")  # nobody said it: whoever reads the file does
    table = _ticked(table, comparison.instrument).rename_axis(SHEET).reset_index()
    _refuse_unreadable(table, comparison.instrument)
    return SettledEntries(table=table, record=_record(comparison))


def _settled_values(path: Path, comparison: EntryComparison) -> tuple[dict[tuple[str, str], str], list[str]]:
    """Return (sheet, column) → settled value, and the faults of the file."""
    table = read_table(path, file=path.name, known=_TO_SETTLE)
    lacking = [name for name in ("sheet", "column", "a", "b", "settled") if name not in table.names]
    if lacking:
        return {}, [f"{path.name}:1:{name}: there is no such column; settle in the file as written" for name in lacking]
    faults = [line(path.name, fault) for fault in table.faults]
    cells = {
        name: [unmasked((cell or "").strip()) for cell in _cells_of(table, name)]
        for name in _TO_SETTLE
        if name in table.names
    }
    meanings = meanings_of(comparison.instrument)
    wanted = {(row.sheet, row.column): (row.a, row.b) for row in comparison.disagreements.itertuples()}
    values: dict[tuple[str, str], str] = {}
    for at, row in enumerate(table.rows.tolist()):
        sheet, column = meanings[SHEET].read(cells["sheet"][at])[0], cells["column"][at]
        place = f"{path.name}:{row}: sheet {shown(sheet)}, {shown(column)}"
        if (sheet, column) not in wanted:
            faults.append(f"{place}: the two tables do not differ there (any more); remove the row, or settle anew")
            continue
        meaning = meanings[column]
        kept = [cells[name][at] for name in ("a", "b")]
        if [meaning.read(each)[0] for each in kept] != [meaning.read(each)[0] for each in wanted[sheet, column]]:
            faults.append(f"{place}: the two tables were changed since this file was written; write it anew")
            continue
        text = cells["settled"][at]
        value, wrong = ("", "") if text in BLANKS else meaning.read(text)
        if not text:
            faults.append(f"{place}: not settled; write what stands on the sheet, or {NO_ANSWER!r} for no answer")
        elif wrong:
            faults.append(f"{place}: {wrong}")
        elif (sheet, column) in values:
            faults.append(f"{place}: settled twice; keep one of the rows")
        else:
            values[sheet, column] = value
    named = Counter(zip(cells["sheet"], cells["column"], strict=True))
    told = {(meanings[SHEET].read(sheet)[0], column) for sheet, column in named}
    faults += [
        f"{path.name}: sheet {shown(str(sheet))}, {shown(str(column))}: not in the file; write the settling file anew"
        for sheet, column in wanted
        if (sheet, column) not in told
    ]
    return values, faults


def _cells_of(table: RawTable, name: str) -> Iterator[str | None]:
    column = table.columns[table.names.index(name)]
    return (column[row] for row in range(len(table.rows)))


def _ticked(table: pd.DataFrame, instrument: Instrument) -> pd.DataFrame:
    """Return the table with 0 for boxes without a cross, where another box of the question has one."""
    filled = table.copy()
    for question in instrument.questions:
        names = [name for name in question_columns(question, instrument) if name in filled]
        if not question.multiple or not names:
            continue
        boxes = filled[names]
        some = boxes.eq("1").any(axis=1)
        filled[names] = boxes.mask(boxes.eq("") & some.to_numpy()[:, None], "0")
    return filled


def _refuse_unreadable(table: pd.DataFrame, instrument: Instrument) -> None:
    """Hold the table against the definition, as `read_responses` will."""
    with tempfile.TemporaryDirectory(prefix="pwiq-") as folder:
        path = Path(folder) / "settled.csv"
        write_whole(path, csv_text(table))
        raw = read_table(path, file="the settled table")
    check = check_table(raw, instrument, wave=1, stem="sheet")
    if check.faults:
        sheets = {row: str(sheet) for row, sheet in zip(raw.rows.tolist(), table[SHEET], strict=True)}
        raise ResponseError([_by_sheet(fault, sheets) for fault in check.faults])


def _by_sheet(fault: Fault, sheets: Mapping[int, str]) -> str:
    place = f"sheet {shown(sheets[fault.row])}, " if fault.row in sheets else ""
    return f"the settled table: {place}{fault.column}: {fault.message}"


def _record(comparison: EntryComparison) -> pd.DataFrame:
    cells = comparison.disagreements
    same = cells["a"].eq(cells["b"])
    differed = cells.loc[~same, "column"].value_counts()
    not_allowed = cells.loc[same, "column"].value_counts()
    texts = question_texts(comparison.instrument)
    compared = comparison.cells
    table = pd.DataFrame(
        {
            "column": compared.index,
            "question": [texts.get(name, "") for name in compared.index],
            "compared": compared.to_numpy(),
            "differed": differed.reindex(compared.index, fill_value=0).to_numpy(dtype="int64"),
            "not_allowed": not_allowed.reindex(compared.index, fill_value=0).to_numpy(dtype="int64"),
        }
    )
    everything = {"column": "", "question": "all columns", **table[["compared", "differed", "not_allowed"]].sum()}
    table = pd.concat([table, pd.DataFrame([everything])], ignore_index=True)
    return table.assign(rate=(table["differed"] / table["compared"].where(table["compared"] > 0)).round(6))


def write_settled(entries: SettledEntries, path: str | Path, *, record: str | Path) -> None:
    """Write the one file that `read_responses` reads, and the record of how many cells differed, each whole.

    Parameters
    ----------
    entries : SettledEntries
    path, record : str or path
        Names of two ``.csv`` files; what exists is not replaced.

    Raises
    ------
    ValueError
        If a name does not end with .csv, a file exists, or both are the same.
    """
    targets = [Path(path), Path(record)]
    wrong = [str(each) for each in targets if each.suffix.lower() != ".csv"]
    if wrong or targets[0].resolve() == targets[1].resolve():
        raise ValueError(f"give two names that end with .csv; got {', '.join(map(str, targets))}")
    if there := [str(each) for each in targets if each.exists()]:
        raise ValueError(f"{', '.join(there)} exists; give another name, or move it away")
    write_whole(targets[1], csv_text(entries.record))
    try:
        write_whole(targets[0], csv_text(entries.table))
    except BaseException:
        targets[1].unlink(missing_ok=True)
        raise
