"""The one gate through which answers come in, whatever the file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd

from instrument.checking import CheckedTable, check_table
from instrument.definition import Instrument, read_instrument
from instrument.mapping import apply_mapping, read_mapping
from instrument.past_versions import STAMPED, comparability, other_digest, stamped
from instrument.platforms.detection import CANONICAL, PLATFORMS, as_canonical, open_table
from instrument.platforms.recognised import filled
from instrument.responses import ResponseError, Responses
from instrument.scoring import score
from instrument.several_files import (
    backward_waves,
    repeated_people,
    repeated_responses,
    with_own_ids,
    with_waves_told,
)
from instrument.tables import Column, Fault, RawTable, line, shown

Platform = Literal[
    "auto",
    "canonical",
    "redcap",
    "qualtrics",
    "limesurvey",
    "kobo",
    "odk",
    "google-forms",
    "microsoft-forms",
    "fhir",
    "spss",
    "stata",
]
_AGREE = 1e-6  # of a score that a platform computed and ours


def read_responses(
    path: str | Path | Sequence[str | Path],
    instrument: Instrument | str | Path,
    *,
    platform: Platform = "auto",
    form: str | None = None,
    language: str | None = None,
    mapping: str | Path | None = None,
) -> Responses:
    """Read answers from one file or several, of any survey platform, and refuse them if any cell is wrong.

    Parameters
    ----------
    path : str, path, or a sequence of them
        ``.csv`` or ``.tsv`` (commas, semicolons or tabs), ``.xlsx``, ``.sav``, ``.dta``, ``.parquet``, ``.json`` and
        ``.ndjson`` (FHIR), ``.zip`` (Kobo, ODK), ``.sqlite`` and ``.db`` (what `Form` stores in a notebook). The first
        file is wave 1, the second wave 2 and so on, unless a file says the waves. Dates that contradict this are refused.
    instrument : Instrument, str or path
        The questionnaire, or what `read_instrument` finds it by.
    platform : str, default "auto"
        Whose export the files are: "canonical" (columns as described below), "redcap", "qualtrics", "limesurvey",
        "kobo", "odk", "google-forms", "microsoft-forms", "fhir", "spss" or "stata". "auto" finds it by evidence, for
        each file; where two readings fit equally well, it stops and says both.
    form : str, optional
        The form that everybody in these files answered, for files that do not say it.
    language : str, optional
        The language of headings and labels. Default: any of the definition.
    mapping : str or path, optional
        A file that says which column is which question (`instrument.mapping`, ``pwiq map``).

    Returns
    -------
    Responses

    Raises
    ------
    FileNotFoundError
        If a file does not exist.
    ResponseError
        If anything in the files is refused. All faults are named at once, a line each:
        ``FILE:ROW:COLUMN: value, what is allowed, remedy``; COLUMN is what the file calls it, with the canonical name
        in brackets where that is another. Nothing is returned in part.
    ValueError
        If `platform`, `form` or `language` is not known, or the mapping file is wrong.

    Notes
    -----
    Canonical columns, in any order: ``response`` (a unique id; default ``<file>:<row>``), ``person`` (default: the
    response), ``form`` (needed where the definition has several), ``wave`` (1, 2, …), ``organisation``,
    ``team``, ``programme`` (0 or 1: the organisation takes part), the ids of the items and of the other
    questions. A question with several answers has a column of 0 and 1 for each code, named id + code.
    All items that the forms in the file ask must have a column. Other columns are kept as text, except those that name
    people (e-mail, names, telephone, birth date, network address, place, device), which are dropped. Each platform's
    module (``instrument/platforms/*_answers.py``) says how its export becomes these columns: which rows and columns
    are dropped, what becomes the person and the wave. Where a platform's file has the items of one form alone, and
    does not say the form, that form is taken and the ledger says so.

    An answer is a code (``3``, ``3.0``; ``3,0`` too in a file with semicolons) or its label in any language
    of the definition, in small or capital letters. An empty cell, ``NA`` and ``.`` are blanks. Answers beside
    the scale (don't know) are kept apart from blanks in ``off_scale``; for questions other than the items they
    are counted in the ledger only. Nothing else is turned into an answer: codes of other programs (-99), dates that a
    spreadsheet made, 0–4 for 1–5 are refused.

    Text is UTF-8, UTF-16 with its mark, or else Windows-1252 (the ledger says so). A line ``sep=;`` is obeyed. Cells
    that begin with ``=`` are text. Workbooks that would fill the memory, and XML with entities, are refused.

    Columns named as a score of the definition (its id or `export` id) that hold numbers are scores that the platform
    computed. They do not enter `people`: they are compared with the scores computed here, and the ledger says how
    many agree to 1e-6. A difference is no fault: the answers are right, and the platform's rule may be another.

    A column `version`, or the stamp of a file, that names another version of the definition is told in the ledger,
    with what stays comparable if that version is kept (``past/VERSION/`` beside the definition). Answers to another
    questionnaire are refused.

    Ids that a platform counts by itself (REDCap's records, LimeSurvey's ids) belong to their file: where another file has
    one of them too, responses are called ``<file>:<id>``, and so are people, unless the files are events of one REDCap
    project. People of two files are the same only by a column `person`, a token or an external reference.

    The ledger has a row for every column of every file: what it is called there (`header`), what it became, how many
    cells were answers, blanks, labels and in which language; and rows for what was left out or decided.

    Rows are those of the file; the header is row 1. In a text file with line breaks inside cells, a row is
    the line on which its record begins. In .sav, .dta and Parquet files the first case is row 2. The value labels
    and declared missing values of a .sav or .dta file must not contradict the definition.

    The same team name in two organisations means two teams: then every team is called ``organisation/team``.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> responses = read_responses("sample_data/baseline.csv", read_instrument("pwiq"))
    >>> responses.answers.shape[1]
    66
    """
    if platform not in ("auto", *PLATFORMS):
        raise ValueError(f"platform {platform!r} is not known; use 'auto', {', '.join(map(repr, PLATFORMS))}")
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(each) for each in path]
    if not paths:
        raise ValueError("no file was given; name at least one file of answers")
    _require_files(paths)
    definition = None if isinstance(instrument, Instrument) else instrument
    if not isinstance(instrument, Instrument):
        instrument = read_instrument(instrument)
    _require_option("form", form, instrument.forms.ids)
    _require_option("language", language, instrument.languages)
    mapped = None if mapping is None else read_mapping(mapping, instrument)
    labels = _labels(paths)
    checked: list[CheckedTable] = []
    faults: list[str] = []
    for wave, (each, (file, stem)) in enumerate(zip(paths, labels, strict=True), start=1):
        try:
            raw = open_table(each, instrument, file=file)
            if mapped is not None:
                table = apply_mapping(raw, mapped, platform=platform, language=language)
            else:
                table = as_canonical(raw, instrument, platform=platform, language=language)
            table = _with_form(_of_this_questionnaire(table, instrument), instrument, form)
            checked.append(check_table(table, instrument, wave=wave, stem=stem, language=language))
        except ResponseError as error:
            faults += error.faults
    checked = with_own_ids(checked)
    repeated = [*repeated_responses(checked), *repeated_people(checked)]
    for check in checked:
        found = sorted(check.faults + tuple(fault for owner, fault in repeated if owner is check), key=_by_row)
        faults += [line(check.table.file, _as_in_file(fault, check.table)) for fault in found]
    faults += backward_waves(checked)
    if faults:
        raise ResponseError(faults)
    checked = with_waves_told(checked, instrument)
    return _told(_joined(checked, instrument), checked, definition)


def _require_option(name: str, value: str | None, allowed: Sequence[str]) -> None:
    if value is not None and value not in allowed:
        raise ValueError(f"{name} {value!r} is not known; this questionnaire has {', '.join(allowed) or 'none'}")


_LONGEST = 60  # characters of a heading in a message


def _as_in_file(fault: Fault, table: RawTable) -> Fault:
    """Return a fault whose column is called as the file calls it."""
    header = table.headers.get(fault.column)
    if header is None or header == f"({fault.column})":
        return fault
    short = header if len(header) <= _LONGEST else f"{header[: _LONGEST - 1]}…"
    return Fault(fault.row, f"{short} ({fault.column})", fault.message)


# The form, the version


def _constant(text: str, size: int) -> Column:
    return Column(texts=(text,), position=np.zeros(size, dtype=np.int64))


def _with_form(table: RawTable, instrument: Instrument, form: str | None) -> RawTable:
    """Return the table with its form: the one that was said, or that of a platform's file with the items of one form."""
    stated = dict(zip(table.names, table.columns, strict=True)).get("form")
    if not instrument.forms or (stated is not None and filled(stated).any()):
        if stated is not None and form is not None and set(stated.texts) - {form}:
            others = ", ".join(shown(text) for text in stated.texts if text != form)
            found = Fault(
                1, "form", f"form {form} was said, but the column holds {others}; leave form out, or correct it"
            )
            raise ResponseError([line(table.file, _as_in_file(found, table))])
        return table
    note = f"form {form}, said for the whole file"
    if form is None and table.platform != CANONICAL:
        form = _only_form(table, instrument)
        note = f"the questions of the file are those of form {form} and of no other"
    if form is None:
        return table
    kept = [(name, column) for name, column in zip(table.names, table.columns, strict=True) if name != "form"]
    return replace(
        table,
        names=(*(name for name, _ in kept), "form"),
        columns=(*(column for _, column in kept), _constant(form, len(table.rows))),
        headers=dict(table.headers) | {"form": "(form)"},
        notes=dict(table.notes) | {"form": (note,)},
    )


def _only_form(table: RawTable, instrument: Instrument) -> str | None:
    """Return the one form with exactly the file's items that asks all its questions; None if there is no such form."""
    items = {name for name in table.names if name in instrument.items.ids}
    questions = [question for question in instrument.questions if question.id in table.names]
    fitting = [
        form
        for form in instrument.forms.ids
        if set(instrument.asked_by(form)) == items and all(form in question.forms for question in questions)
    ]
    return fitting[0] if len(fitting) == 1 else None


def _of_this_questionnaire(table: RawTable, instrument: Instrument) -> RawTable:
    """Refuse answers to another questionnaire; a stamp of the file becomes a remark."""
    columns = dict(zip(table.names, table.columns, strict=True))
    stamps = [table.stamp] if table.stamp else []
    stamps += [text for name in STAMPED if name in columns for text in columns[name].texts]
    for text in stamps:
        name, version = stamped(text)
        if name and name != instrument.id:
            raise ResponseError(
                [
                    f"{table.file}: the file says that it holds answers to {name} {version}; this is {instrument.id}: read it "
                    "with its own definition"
                ]
            )
    remarks = [("(stamp)", f"made from {table.stamp}")] if table.stamp else []
    if "trial" in columns and "1" in columns["trial"].texts:
        trials = int((columns["trial"].position == columns["trial"].texts.index("1")).sum())
        remarks.append(
            ("(trial)", f"{trials} of {len(table.rows)} rows come from a trial form: take them out before you score")
        )
    return replace(table, remarks=(*table.remarks, *remarks))


def _told(responses: Responses, checked: Sequence[CheckedTable], definition: str | Path | None) -> Responses:
    """Return the responses with what the ledger says of scores and versions."""
    ledger = responses.ledger.copy()
    scores = score(responses) if any(check.scores for check in checked) else None
    first = 0
    for check in checked:
        of_file = ledger["file"] == check.table.file
        if scores is not None:
            ours = scores.iloc[first : first + len(check.index)]
            for column, (name, theirs) in check.scores.items():
                row = of_file & (ledger["column"] == column)
                ledger.loc[row, "note"] = _agreement(ours[name].to_numpy(dtype=float), theirs, check.table.rows)
        for column, note in _other_versions(check, responses.instrument, definition).items():
            row = of_file & (ledger["column"] == column)
            ledger.loc[row, "note"] = ledger.loc[row, "note"].map(
                lambda text, note=note: "; ".join(filter(None, (text, note)))
            )
        first += len(check.index)
    return replace(responses, ledger=ledger)


def _agreement(ours: Any, theirs: Any, rows: Any) -> str:
    """Return how many scores that the platform computed agree with ours, and which differ first."""
    if np.isnan(theirs).all():
        return "a score that the platform did not calculate (all cells are empty); the scores computed here count"
    both = ~np.isnan(ours) & ~np.isnan(theirs)
    differ = both & (np.abs(np.where(both, ours - theirs, 0)) > _AGREE)
    one_sided = [
        f"{count} {words}"
        for count, words in (
            (int((np.isnan(theirs) & ~np.isnan(ours)).sum()), "computed here only"),
            (int((np.isnan(ours) & ~np.isnan(theirs)).sum()), "computed there only"),
        )
        if count
    ]
    alone = "".join(f"; {each}" for each in one_sided)
    head = "computed by the platform:"
    if not differ.any():
        return f"{head} all {int(both.sum())} that both have agree with the scores computed here{alone}"
    places = np.flatnonzero(differ)[:3].tolist()
    first = ", ".join(f"row {rows[at]}: {theirs[at]:.6g} there, {ours[at]:.6g} here" for at in places)
    return (
        f"{head} {int(differ.sum())} of {int(both.sum())} that both have differ from the scores computed here "
        f"({first}{', …' if differ.sum() > len(places) else ''}){alone}; the scores computed here count"
    )


def _other_versions(check: CheckedTable, instrument: Instrument, definition: str | Path | None) -> dict[str, str]:
    """Return line of the ledger → what stays comparable of answers to other versions."""
    stated = {"(stamp)": [check.table.stamp] if check.table.stamp else []}
    for name in STAMPED:
        if name in check.people:
            stated[name] = check.people[name].dropna().astype(str).unique().tolist()
    notes: dict[str, str] = {}
    said: set[str] = set()
    for column, texts in stated.items():
        versions = sorted({stamped(text)[1] for text in texts} - {"", instrument.version} - said)
        said.update(versions)
        told = [comparability(instrument, version, definition=definition) for version in versions]
        told += list(dict.fromkeys(filter(None, (other_digest(text, instrument) for text in texts))))
        if told:
            notes[column] = "; ".join(told)
    return notes


def _by_row(fault: Fault) -> int:
    return fault.row


def _require_files(paths: Sequence[Path]) -> None:
    missing = [str(path) for path in paths if not path.exists()]
    if missing:
        raise FileNotFoundError(f"{', '.join(missing)}: no such file; check the name and the folder")
    # Reading a pipe or a device may never end.
    if odd := [str(path) for path in paths if not path.is_file() and not path.is_dir()]:
        raise ResponseError(
            [f"{each}: this is a pipe or a device, not a file; save the answers as a file" for each in odd]
        )


def _labels(paths: Sequence[Path]) -> list[tuple[str, str]]:
    """Return for each file its name in messages, and its name in the ids of responses; both differ by file."""
    if len({path.resolve() for path in paths}) < len(paths):
        twice = next(path for at, path in enumerate(paths) if path.resolve() in [p.resolve() for p in paths[:at]])
        raise ResponseError([f"{twice.name}: the same file is given twice; name each file once"])
    parts = [path.resolve().parts for path in paths]
    length = next(n for n in range(1, max(map(len, parts)) + 1) if len({each[-n:] for each in parts}) == len(parts))
    names = ["/".join(each[-length:]) for each in parts]
    stems = [name.removesuffix(path.suffix) for name, path in zip(names, paths, strict=True)]
    return list(zip(names, stems if len(set(stems)) == len(stems) else names, strict=True))


def _joined(checked: Sequence[CheckedTable], instrument: Instrument) -> Responses:
    people = _join_people(checked, instrument)
    people, note = _nest_teams(people)
    ledger = pd.concat([check.ledger for check in checked], ignore_index=True)
    told = {
        "organisation": _alike(people, "organisation"),
        "team": [*([note] if note else []), *_alike(people, "team")],
    }
    for column, notes in told.items():
        key = ledger["column"].eq(column) & ledger["became"].eq("key")
        if notes:
            ledger.loc[key, "note"] = "; ".join(notes)
    return Responses(
        instrument=instrument,
        answers=pd.concat([check.answers for check in checked]),
        people=people.astype({"wave": "int64"}),
        off_scale=pd.concat([check.off_scale for check in checked]),
        ledger=ledger,
    )


def _join_people(checked: Sequence[CheckedTable], instrument: Instrument) -> pd.DataFrame:
    """Return the rows of all files; a column that a file lacks is missing there."""
    types: dict[str, Any] = {}
    for check in checked:
        types |= check.people.dtypes.to_dict()
    known = ["person", "wave", "form", "organisation", "team", "programme"]
    order = [name for name in known if name in types]
    for question in instrument.questions:
        order += [name for name in types if name == question.id and name not in order]
        if question.multiple:
            scale = instrument.response_scales[str(question.scale)]
            order += [name for code in scale.labels if (name := f"{question.id}{code}") in types]
    order += [name for name in types if name not in order]
    parts = []
    for check in checked:
        part = check.people.copy()
        for name in set(types) - set(part.columns):
            part[name] = pd.array([pd.NA] * len(part), dtype=types[name])
        parts.append(part[order])
    return pd.concat(parts)


def _alike(people: pd.DataFrame, column: str) -> list[str]:
    """Return what may be one name written in two ways: such a slip makes another team, and hides both."""
    if column not in people:
        return []
    counts = people[column].value_counts()
    spelled = pd.Series(counts.index, index=counts.index.str.casefold().str.split().str.join(" "))
    told = [
        " and ".join(f"{name!r} ({counts[name]})" for name in names)
        for _, names in spelled.groupby(level=0, sort=True)
        if len(names) > 1
    ]
    return [
        f"written in two ways, and taken as different: {each}; correct the file if they are the same" for each in told
    ]


def _nest_teams(people: pd.DataFrame) -> tuple[pd.DataFrame, str]:
    """Return people whose teams are told apart by organisation, and what was done."""
    if "team" not in people or "organisation" not in people:
        return people, ""
    pairs = people[["organisation", "team"]].dropna(subset="team").drop_duplicates()
    if not pairs["team"].duplicated().any():
        return people, ""
    both = people["team"].notna() & people["organisation"].notna()
    named = people["organisation"] + "/" + people["team"]
    return people.assign(team=people["team"].where(~both, named)), (
        "the same name occurs in several organisations: every team is called organisation/team"
    )
