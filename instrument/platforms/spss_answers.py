"""Answers in SPSS files (.sav) and Stata files (.dta) whose variables bear the ids of the definition.

Names may be in capital letters. Values are codes; the file's own value labels must not contradict the definition, in
any of its languages. Declared missing values keep their meaning: a code beside the scale stays that, any other declared
value (-99) is a blank, and counted; Stata's extended missing values (.a to .z) are read by their value labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from instrument.definition import Instrument, ResponseScale
from instrument.platforms.answers import LIKELY, Evidence, Taken, assembled, known_columns, plain
from instrument.tables import Column, Fault, RawTable, shown

PLATFORMS = ("spss", "stata")

_OF_KIND = {".sav": "spss", ".dta": "stata"}


def evidence(table: RawTable, instrument: Instrument) -> Evidence | None:
    """Return why the table looks like a file of SPSS or Stata with this questionnaire; None if it does not."""
    if table.kind not in _OF_KIND:
        return None
    known = set(known_columns(instrument))
    named = [name for name in table.names if name.casefold() in known]
    if not named:
        return None
    reason = (
        f"a {table.kind} file with {len(named)} variables of the questionnaire ({named[0]}{', …' if named[1:] else ''})"
    )
    return Evidence(platform=_OF_KIND[table.kind], strength=LIKELY, reasons=(reason,))


def canonical(
    table: RawTable,
    instrument: Instrument,
    *,
    language: str | None = None,  # noqa: ARG001 labels are read by `checking`
) -> RawTable:
    """Return the answers under canonical column names.

    Parameters
    ----------
    table : RawTable
    instrument : Instrument
    language : str, optional
        Not used here.

    Returns
    -------
    RawTable
        Faults: an extended missing value of Stata whose label is none of the definition.
    """
    known = {name.casefold(): name for name in known_columns(instrument)}
    taken, faults = [], []
    for name, column in zip(table.names, table.columns, strict=True):
        right = known.get(name.casefold(), name)
        # Both spellings in one file are two columns: then none is renamed, and `checking` says so.
        right = name if right != name and right in table.names else right
        extended = [text for text in column.texts if _is_extended(text)] if table.kind == ".dta" else []
        if extended and right in known.values():
            column, unread = _by_label(column, extended, table.value_labels.get(name, {}), _labels(instrument, right))
            faults += [Fault(1, name, message) for message in unread]
        column, notes = _without_declared(column, table.declared_missing.get(name, ()), _codes(instrument, right))
        taken.append(Taken(name=right, column=column, header=name, notes=notes))
    # The labels of extended missing values were read here; `checking` compares those of codes.
    labels = {
        name: {value: label for value, label in own.items() if not _is_extended(value)}
        for name, own in table.value_labels.items()
    }
    plain_table = replace(table, value_labels=labels)
    return assembled(plain_table, taken, platform=_OF_KIND.get(table.kind, "spss"), faults=faults)


def _codes(instrument: Instrument, name: str) -> frozenset[str] | None:
    """Return the codes of a closed column; None for any other."""
    scale = _scale(instrument, name)
    return None if scale is None else frozenset(map(str, scale.labels))


def _scale(instrument: Instrument, name: str) -> ResponseScale | None:
    if name in instrument.items.ids:
        return instrument.response_scales[instrument.items[name].scale]
    if name in instrument.questions.ids and instrument.questions[name].scale:
        return instrument.response_scales[str(instrument.questions[name].scale)]
    return None


def _without_declared(
    column: Column, declared: Sequence[tuple[float, float]], codes: frozenset[str] | None
) -> tuple[Column, tuple[str, ...]]:
    """Return a closed column with values that the file declares as missing, and the definition does not know, as blanks."""
    if codes is None or not declared:
        return column, ()
    lost = [text for text in column.texts if text not in codes and _declared(text, declared)]
    if not lost:
        return column, ()
    counts = [int((column.position == column.texts.index(text)).sum()) for text in lost]
    told = ", ".join(f"{text} ({count})" for text, count in zip(lost, counts, strict=True))
    return column.change(lambda text: None if text in lost else text), (
        f"declared as missing in the file, blank: {told}",
    )


def _declared(text: str, declared: Sequence[tuple[float, float]]) -> bool:
    try:
        number = float(text)
    except ValueError:
        return False
    return any(low <= number <= high for low, high in declared)


def _is_extended(text: str) -> bool:
    return len(text) == 2 and text[0] == "." and text[1].isalpha()


def _labels(instrument: Instrument, name: str) -> dict[str, str]:
    """Return label, as `plain` makes it → code of the answers beside the scale of an item or question."""
    scale = _scale(instrument, name)
    off = () if scale is None else scale.off_scale
    codes = {plain(label): str(each.code) for each in off for label in each.label.values()}
    return codes | {plain(each.reason.replace("_", " ")): str(each.code) for each in off}


def _by_label(
    column: Column, extended: list[str], own: Mapping[str, str], codes: Mapping[str, str]
) -> tuple[Column, list[str]]:
    """Return the column with extended missing values read by the file's labels for them; and what is not read."""
    meant = {text: codes.get(plain(own.get(text, ""))) for text in extended}
    unread = [
        f"the missing value {text} {f'is labelled {shown(own[text])}' if text in own else 'has no label'}, which is no "
        "answer beside the scale in the definition; recode it to one, or to . where nothing was answered"
        for text, code in meant.items()
        if code is None
    ]
    return column.change(lambda text: meant.get(text, text)), unread
