"""Which platform a file of answers comes from, found by evidence; where two readings fit, both are said."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Protocol

import numpy as np

from instrument.definition import Instrument
from instrument.files import unmasked
from instrument.platforms import (
    fhir_answers,
    forms_answers,
    limesurvey_answers,
    qualtrics_answers,
    redcap_answers,
    spss_answers,
    sqlite_answers,
    xforms_answers,
)
from instrument.platforms.answers import CERTAIN, LIKELY, Evidence, known_columns
from instrument.platforms.personal import without_personal
from instrument.responses import ResponseError
from instrument.tables import RawTable, read_table

CANONICAL = "canonical"
_TITLES: Mapping[str, str] = {
    CANONICAL: "a file with the ids of the definition as column names",
    "redcap": "an export of REDCap",
    "qualtrics": "an export of Qualtrics",
    "limesurvey": "an export of LimeSurvey",
    "kobo": "an export of KoboToolbox",
    "odk": "an export of ODK Central",
    "google-forms": "answers of Google Forms",
    "microsoft-forms": "answers of Microsoft Forms",
    "fhir": "FHIR QuestionnaireResponses",
    "spss": "an SPSS file",
    "stata": "a Stata file",
}
PLATFORMS = tuple(_TITLES)


class _Reader(Protocol):
    """What a module of a platform offers."""

    def evidence(self, table: RawTable, instrument: Instrument) -> Evidence | None:
        """Return why the table looks like an export of the platform."""

    def canonical(self, table: RawTable, instrument: Instrument, *, language: str | None = None) -> RawTable:
        """Return the answers under canonical column names."""


_READERS: Mapping[tuple[str, ...], _Reader] = {
    ("redcap",): redcap_answers,
    ("qualtrics",): qualtrics_answers,
    ("limesurvey",): limesurvey_answers,
    ("kobo", "odk"): xforms_answers,
    ("google-forms", "microsoft-forms"): forms_answers,
    ("fhir",): fhir_answers,
    ("spss", "stata"): spss_answers,
}


def title(platform: str) -> str:
    """Return a platform in words: "an export of REDCap"."""
    return _TITLES[platform]


def open_table(path: Path, instrument: Instrument, *, file: str) -> RawTable:
    """Return the table of answers in a file of any format, or in a zip archive, as it is.

    Parameters
    ----------
    path : Path
    instrument : Instrument
        Its items tell the sheet with answers from the others of a workbook.
    file : str
        How messages call the file.
    """
    known = {*instrument.items.ids, *(text for item in instrument.items for text in item.text.values())}
    if path.suffix.lower() == ".zip":
        return xforms_answers.table_of_zip(path, file=file, known=known)
    if path.suffix.lower() in sqlite_answers.ENDINGS:
        return sqlite_answers.read_table(path, file=file)
    return read_table(path, file=file, known=known)


def as_canonical(
    table: RawTable,
    instrument: Instrument,
    *,
    platform: str = "auto",
    language: str | None = None,
    marks: RawTable | None = None,
) -> RawTable:
    """Return the answers of a file under canonical column names, whatever platform it comes from.

    Parameters
    ----------
    table : RawTable
    instrument : Instrument
    platform : str, default "auto"
        One of `PLATFORMS`, or "auto": by evidence. Only the strongest evidence counts.
    language : str, optional
        The language of headings and labels. Default: any of the definition.
    marks : RawTable, optional
        The file as it is, where `table` has other headings (a mapping): the platform is found by its marks.

    Raises
    ------
    ResponseError
        If the strongest evidence speaks for two platforms; if `platform` is one of which the file shows nothing, and
        another is certain.
    """
    seen = table if marks is None else marks
    found = [each for reader in _READERS.values() if (each := reader.evidence(seen, instrument))]
    if platform == "auto":
        chosen = _strongest([*found, *_canonical_evidence(seen, instrument)], table)
    else:
        chosen = next((each for each in found if each.platform == platform), _told(platform))
    if chosen is None or chosen.platform == CANONICAL:
        if table.documents:
            raise ResponseError([f"{table.file}: {_unknown_documents(table)}"])
        return without_personal(_unmasked(replace(table, platform=CANONICAL)), _known(instrument))
    _require_kind(table, chosen.platform)
    _require_no_other(table, chosen.platform, found)
    reader = next(reader for names, reader in _READERS.items() if chosen.platform in names)
    read = reader.canonical(table, instrument, language=language)
    why = "; ".join(chosen.reasons)
    remark = ("(platform)", f"read as {title(chosen.platform)}: {why}")
    told = replace(read, platform=chosen.platform, remarks=(*read.remarks, remark))
    return without_personal(told, _known(instrument))


def _unknown_documents(table: RawTable) -> str:
    if all(isinstance(each, dict) and {"format", "columns", "responses"} <= set(each) for each in table.documents):
        return (
            "this JSON is what the web form posted or a shared device saved; make one table of all such files with "
            "`pwiq collect`, and read that"
        )
    return "this JSON holds no answers that are known here; export FHIR QuestionnaireResponses, or CSV"


def _known(instrument: Instrument) -> set[str]:
    """Return the names of all columns that the definition has, scores too."""
    return {*known_columns(instrument), *(name for rule in instrument.scores for name in (rule.id, rule.export))}


def _require_kind(table: RawTable, platform: str) -> None:
    """Refuse a table where documents are needed, and the other way round: only a platform that was said can be so."""
    if bool(table.documents) == (platform == "fhir"):
        return
    holds = "JSON resources" if table.documents else "a table"
    raise ResponseError(
        [f"{table.file}: the file holds {holds}, which {title(platform)} cannot be; leave platform (--platform) out"]
    )


def _require_no_other(table: RawTable, platform: str, found: Sequence[Evidence]) -> None:
    """Refuse a platform that was said where nothing speaks for it and another is certain; ids as names are always read."""
    reader = next((names for names in _READERS if platform in names), ())
    if platform == CANONICAL or any(each.platform in reader for each in found):
        return
    for each in found:
        if each.strength == CERTAIN:
            raise ResponseError(
                [
                    f"{table.file}: {title(platform)} was said, but the file is {title(each.platform)} "
                    f"({'; '.join(each.reasons)}) and nothing in it shows the other; leave platform (--platform) out"
                ]
            )


def _told(platform: str) -> Evidence:
    return Evidence(platform=platform, strength=1, reasons=("as was asked for; nothing in the file shows it",))


def _canonical_evidence(table: RawTable, instrument: Instrument) -> list[Evidence]:
    """Return that the file has ids of items as column names; SPSS and Stata files have a reader of their own."""
    present = {name.casefold() for name in table.names}
    items = [name for name in instrument.items.ids if name in present]
    if not items or table.kind in (".sav", ".dta"):
        return []
    reason = f"ids of items as column names ({items[0]}{', …' if len(items) > 1 else ''})"
    return [Evidence(platform=CANONICAL, strength=LIKELY, reasons=(reason,))]


def _unmasked(table: RawTable) -> RawTable:
    """Return a table as it was before a file for spreadsheets was made of it; other files mask nothing."""
    if not table.file.lower().endswith((".csv", ".tsv", ".txt", ".xlsx")):
        return table
    # The False is for empty cells, whose position is -1.
    masked = [np.array([*(unmasked(text) != text for text in column.texts), False]) for column in table.columns]
    count = sum(int(of[column.position].sum()) for of, column in zip(masked, table.columns, strict=True) if of.any())
    if not count:
        return table
    columns = [column.change(unmasked) for column in table.columns]
    said = (
        f"{count} cells began with an apostrophe that keeps a spreadsheet from running them; they were read without it"
    )
    return replace(table, columns=tuple(columns), remarks=(*table.remarks, ("(masked cells)", said)))


def _strongest(found: Sequence[Evidence], table: RawTable) -> Evidence | None:
    if not found:
        return None
    most = max(each.strength for each in found)
    best = [each for each in found if each.strength == most]
    if len(best) == 1:
        return best[0]
    readings = " and as ".join(f"{title(each.platform)} ({'; '.join(each.reasons)})" for each in best)
    ways = " or ".join(f"platform={each.platform!r}" for each in best)
    raise ResponseError(
        [
            f"{table.file}: the file can be read as {readings}; say which it is: {ways} "
            f"(--platform {' or --platform '.join(each.platform for each in best)})"
        ]
    )
