"""Rating forms that experts filled in, read back and checked: every bad cell of every file at once."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from instrument.definition import Instrument
from instrument.panel.form import STAMP, frame_texts
from instrument.panel.ratings import WHOLE, PanelRatings
from instrument.panel.words import ASPECTS, Words, form_words
from instrument.responses import ResponseError
from instrument.tables import RawTable, read_table, shown

_CODE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,19}")
_RATINGS = {str(code): code for code in (1, 2, 3, 4)}
_PART_ROW = re.compile(r"\[.+\]")  # what stands above the statements of a part
_TOLD = 12  # names that a message tells


@dataclass(kw_only=True)
class _Form:
    """One file as it is read."""

    file: str
    words: Words = field(default_factory=lambda: form_words()["en"])
    stamp: dict[str, str] = field(default_factory=dict)
    expert: str = ""
    code_row: int = 2
    perspective: str = ""
    lived: bool | None = None
    asked: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    ratings: dict[str, dict[str, int]] = field(
        default_factory=lambda: {name: {} for name in (*ASPECTS, "coverage", "frame")}
    )
    texts: dict[str, list[tuple[str, str]]] = field(default_factory=lambda: {"comment": [], "missing": []})
    faults: list[str] = field(default_factory=list)

    def fault(self, sheet: str, row: int, column: str, message: str) -> None:
        """Note what is wrong with a cell."""
        self.faults.append(f"{self.file}:{self.words.sheets[sheet]}:{row}:{column}: {message}")


def read_rating_forms(paths: Sequence[str | Path], instrument: Instrument) -> PanelRatings:
    """Read the rating forms of one round.

    Parameters
    ----------
    paths : sequence of str or path
        One ``.xlsx`` an expert.
    instrument : Instrument
        The definition that was rated. A form of another version of it is read too: items whose text changed since are
        named and their ratings left out.

    Returns
    -------
    PanelRatings

    See Also
    --------
    read_rating_rounds : Reads the forms of several rounds.

    Raises
    ------
    ResponseError
        With every fault of every file, as ``FILE:SHEET:ROW:COLUMN: what is wrong; what to do``: a rating that is not 1–4,
        a code that is missing or used twice, an item or a text that was not asked, a file of another questionnaire or
        round, a workbook that is none or would fill the memory.
    FileNotFoundError
        If a file does not exist.
    """
    forms, faults = _forms(paths, instrument)
    rounds = sorted({form.stamp["round"] for form in forms if form.stamp.get("round")})
    if len(rounds) > 1:
        listed = "; ".join(
            f"round {n}: {', '.join(f.file for f in forms if f.stamp.get('round') == n)}" for n in rounds
        )
        faults.append(f"the files are of several rounds ({listed}); read each round by itself")
    faults += _across([form for form in forms if form.stamp])
    if faults:
        raise ResponseError(faults)
    return _ratings(forms, instrument)


def read_rating_rounds(paths: Sequence[str | Path], instrument: Instrument) -> tuple[PanelRatings, ...]:
    """Read the rating forms of one round or more; the round stands in each file.

    Parameters
    ----------
    paths, instrument
        As for `read_rating_forms`; an expert keeps one code over all rounds.

    Returns
    -------
    tuple of PanelRatings
        One a round, the earliest first.

    Raises
    ------
    ResponseError, FileNotFoundError
        As `read_rating_forms`.
    """
    forms, faults = _forms(paths, instrument)
    rounds: dict[str, list[_Form]] = {}
    for form in forms:
        if form.stamp:
            rounds.setdefault(form.stamp.get("round", ""), []).append(form)
    faults += [fault for each in rounds.values() for fault in _across(each)]
    if faults:
        raise ResponseError(faults)
    return tuple(_ratings(rounds[number], instrument) for number in sorted(rounds, key=int))


def _forms(paths: Sequence[str | Path], instrument: Instrument) -> tuple[list[_Form], list[str]]:
    """Return the files as they were read, and what is wrong with each."""
    if not paths:
        raise ValueError("no rating form was given; name the files that the experts sent back")
    forms = [_read(Path(path), instrument) for path in paths]
    return forms, [fault for form in forms for fault in form.faults]


def _read(path: Path, instrument: Instrument) -> _Form:
    if not path.exists():
        raise FileNotFoundError(f"{path}: there is no such file")
    form = _Form(file=path.name)
    if path.name.startswith("~$"):
        form.faults.append(
            f"{path.name}: Excel keeps this beside a file that is open, and removes it; close the file and run again"
        )
        return form
    if path.suffix.lower() != ".xlsx":
        form.faults.append(f"{path.name}: a rating form is an Excel workbook (.xlsx); ask the expert to save it as one")
        return form
    _read_stamp(path, form, instrument)
    if form.faults:
        return form
    _read_you(path, form)
    _read_frame(path, form, instrument)
    _read_items(path, form, instrument)
    _read_coverage(path, form, instrument)
    if not form.faults and not any(form.ratings[name] for name in ASPECTS):
        form.faults.append(
            f"{form.file}: no statement was rated; ask the expert for the filled-in form, or leave it out"
        )
    return form


def _sheet(
    path: Path, form: _Form, sheet: str, key: str, names: Sequence[str]
) -> tuple[RawTable, dict[str, int]] | None:
    """Return the sheet with the header `key`, and where each of the columns `names` stands, in whatever language."""
    headers = {name: {words.columns[name] for words in form_words().values()} for name in names}
    try:
        # The file and its other sheets are guarded by `read_table`: zip bombs, passwords, lone far cells.
        table = read_table(path, file=form.file, known=headers[key])
    except ResponseError as error:
        form.faults.extend(fault for fault in error.faults if fault not in form.faults)
        return None
    places = {name: [n for n, each in enumerate(table.names) if each in headers[name]] for name in names}
    if not places[key]:
        form.faults.append(
            f"{form.file}: the sheet {form.words.sheets[sheet]!r} is missing, or its header was changed; take a fresh form"
        )
        return None
    if wrong := [sorted(headers[name])[0] for name in names if len(places[name]) != 1]:
        form.faults.append(
            f"{form.file}:{form.words.sheets[sheet]}:1: each of these columns must stand there once: {', '.join(wrong)}"
        )
        return None
    return table, {name: place[0] for name, place in places.items()}


def _read_stamp(path: Path, form: _Form, instrument: Instrument) -> None:
    titles = {words.about["title"] for words in form_words().values()}
    try:
        table = read_table(path, file=form.file, known=titles)
    except ResponseError as error:
        form.faults.extend(error.faults)
        return
    if len(table.columns) >= 2 and table.names[0] in titles:
        rows = [(table.columns[0][n], table.columns[1][n]) for n in range(len(table.rows))]
        form.words = next(words for words in form_words().values() if words.about["title"] == table.names[0])
        form.stamp = {name: (text or "").strip() for name, text in rows if name in STAMP}
    if lacking := [name for name in STAMP if not form.stamp.get(name)]:
        form.faults.append(
            f"{form.file}: this is no rating form: the lines {', '.join(lacking)} of its first sheet are missing; "
            "take a form as `pwiq panel form` writes it"
        )
        return
    if form.stamp["instrument"] != instrument.id:
        form.faults.append(
            f"{form.file}: it rates {shown(form.stamp['instrument'])}, not {instrument.id}; read it with that definition"
        )
    if form.stamp["language"] not in instrument.languages:
        form.faults.append(
            f"{form.file}: its items are in {shown(form.stamp['language'])}, which the definition lacks; it has "
            f"{', '.join(instrument.languages)}"
        )
    if not re.fullmatch(r"[1-9][0-9]?", form.stamp["round"]):
        form.faults.append(f"{form.file}: its round is {shown(form.stamp['round'])}; it must be a number from 1 on")


def _read_you(path: Path, form: _Form) -> None:
    found = _sheet(path, form, "you", "answer", ("question", "answer"))
    if found is None:
        return
    table, at = found
    label = _unlabelled(lambda words: words.you)
    given: dict[str, tuple[int, str]] = {}
    for n, row in enumerate(table.rows):
        key = label.get(_tidy(table.columns[at["question"]][n]))
        if key is not None:
            given[key] = int(row), _tidy(table.columns[at["answer"]][n])
    form.code_row, form.expert = given.get("code", (2, ""))
    where = ("you", form.code_row, table.names[at["answer"]])
    if not form.expert:
        form.fault(*where, "the expert's code is missing; write the code that the organiser gave, not a name")
    elif not _CODE.fullmatch(form.expert):
        form.fault(
            *where,
            f"{shown(form.expert)} is no code: up to 20 letters, digits, '.', '-' and '_', no name and no address; write the "
            "code that the organiser gave",
        )
    form.perspective = str(_choice(form, given.get("perspective"), lambda words: words.perspectives, table, at) or "")
    lived = _choice(form, given.get("lived"), lambda words: words.answers, table, at)
    form.lived = None if lived is None else lived == "yes"


def _choice(
    form: _Form,
    given: tuple[int, str] | None,
    of: Callable[[Words], dict[str, str]],
    table: RawTable,
    at: dict[str, int],
) -> str | None:
    if given is None or not given[1]:
        return None
    row, text = given
    labels = _unlabelled(of)
    if text not in labels:
        allowed = ", ".join(of(form.words).values())
        form.fault("you", row, table.names[at["answer"]], f"{shown(text)} is not in the list; choose one of {allowed}")
    return labels.get(text)


def _unlabelled(of: Callable[[Words], dict[str, str]]) -> dict[str, str]:
    """Return label → key, of every language."""
    return {label: key for words in form_words().values() for key, label in of(words).items()}


def _read_items(path: Path, form: _Form, instrument: Instrument) -> None:
    found = _sheet(path, form, "items", "relevance", ("id", "item", "relevance", "clarity", "comment"))
    if found is None:
        return
    table, at = found
    same = form.stamp["digest"] == instrument.digest
    language, seen = form.stamp["language"], set[str]()
    for n, number in enumerate(table.rows):
        row, name = int(number), _tidy(table.columns[at["id"]][n])
        if _PART_ROW.fullmatch(name):
            continue
        if not name:
            form.fault(
                "items", row, table.names[at["id"]], "the id is missing; take a fresh form, its cells are locked"
            )
            continue
        if name in seen:
            form.fault("items", row, table.names[at["id"]], f"{shown(name)} stands twice; delete one of the rows")
            continue
        seen.add(name)
        if name not in instrument.items.ids:
            if same:
                allowed = ", ".join(instrument.items.ids[:_TOLD])
                form.fault("items", row, table.names[at["id"]], f"{shown(name)} is no item; items are {allowed} …")
            form.gone.append(name)
            continue
        text = instrument.items[name].text[language]
        if _tidy(table.columns[at["item"]][n]) != _tidy(text):
            if same:
                form.fault(
                    "items",
                    row,
                    table.names[at["item"]],
                    f"the text of {name} is not that of the definition, so something else was rated; take a fresh form",
                )
            form.changed.append(name)
            continue
        form.asked.append(name)
        for aspect in ASPECTS:
            _rating(form, "items", row, table.names[at[aspect]], table.columns[at[aspect]][n], aspect, name)
        if comment := _tidy(table.columns[at["comment"]][n], lines=True):
            form.texts["comment"].append((name, comment))


def _read_frame(path: Path, form: _Form, instrument: Instrument) -> None:
    found = _sheet(path, form, "frame", "frame", ("id", "frame", "frame_text", "clarity", "missing"))
    if found is None:
        return
    table, at = found
    known, seen = frame_texts(instrument, form.stamp["language"]), set[str]()
    for n, number in enumerate(table.rows):
        row, name = int(number), _tidy(table.columns[at["id"]][n])
        same = _tidy(table.columns[at["frame_text"]][n]) == _tidy(known.get(name, ""))
        if name in seen or (not same and form.stamp["digest"] == instrument.digest):
            form.fault(
                "frame",
                row,
                table.names[at["frame_text"]],
                f"{shown(name)} stands twice, or its text is not that of the definition; take a fresh form",
            )
            continue
        seen.add(name)
        if not same:
            form.gone.append(name)
            continue
        _rating(form, "frame", row, table.names[at["clarity"]], table.columns[at["clarity"]][n], "frame", name)
        if text := _tidy(table.columns[at["missing"]][n], lines=True):
            form.texts["missing"].append((name, text))


def _read_coverage(path: Path, form: _Form, instrument: Instrument) -> None:
    found = _sheet(path, form, "coverage", "coverage", ("id", "coverage", "missing"))
    if found is None:
        return
    table, at = found
    same, seen = form.stamp["digest"] == instrument.digest, set[str]()
    for n, number in enumerate(table.rows):
        row, name = int(number), _tidy(table.columns[at["id"]][n])
        if name in seen or (same and name not in (*instrument.subscales.ids, WHOLE)):
            form.fault(
                "coverage", row, table.names[at["id"]], f"{shown(name)} is no part, or stands twice; take a fresh form"
            )
            continue
        seen.add(name)
        if name not in (*instrument.subscales.ids, WHOLE):
            form.gone.append(name)
            continue
        _rating(form, "coverage", row, table.names[at["coverage"]], table.columns[at["coverage"]][n], "coverage", name)
        if text := _tidy(table.columns[at["missing"]][n], lines=True):
            form.texts["missing"].append((name, text))


def _rating(form: _Form, sheet: str, row: int, column: str, cell: str | None, aspect: str, name: str) -> None:
    text = _tidy(cell)
    if text in _RATINGS:
        form.ratings[aspect][name] = _RATINGS[text]
    elif text:
        form.fault(sheet, row, column, f"{shown(text)} is no rating; give 1, 2, 3 or 4, or leave the cell empty")


def _tidy(text: str | None, *, lines: bool = False) -> str:
    """Return a text without the blanks that spreadsheets and people add."""
    if lines:
        return "\n".join(" ".join(line.split()) for line in (text or "").splitlines()).strip()
    return " ".join((text or "").split())


def _across(forms: Sequence[_Form]) -> list[str]:
    """Return what is wrong between the files of a round: codes used twice, different items asked."""
    faults = []
    first: dict[str, _Form] = {}
    for form in forms:
        if not form.expert:
            continue
        # Not even by case may codes agree: "p1" and "P1" are one expert who typed it twice.
        other = first.setdefault(form.expert.casefold(), form)
        if other is not form:
            faults.append(
                f"{form.file}:{form.words.sheets['you']}:{form.code_row}: the code {shown(form.expert)} is that of "
                f"{other.file} too; if both are of the same expert, keep the later file; if not, correct the code"
            )
    by_digest: dict[str, _Form] = {}
    for form in (each for each in forms if not each.faults):
        alike = by_digest.setdefault(form.stamp["digest"], form)
        if differing := sorted(set(form.asked) ^ set(alike.asked)):
            faults.append(
                f"{form.file}: it does not ask the same statements as {alike.file} ({_some(differing)}); read forms that ask "
                "others by themselves"
            )
    return faults


def _ratings(forms: Sequence[_Form], instrument: Instrument) -> PanelRatings:
    forms = sorted(forms, key=lambda each: each.expert)
    asked = {name for form in forms for name in form.asked}
    items = [name for name in instrument.items.ids if name in asked]
    changed = tuple(name for name in instrument.items.ids if any(name in form.changed for form in forms))
    parts = {instrument.items[name].subscale for name in items}
    coverage = [*(name for name in instrument.subscales.ids if name in parts), WHOLE]
    index = pd.Index([form.expert for form in forms], name="expert", dtype="object")

    def table(aspect: str, columns: Collection[str]) -> pd.DataFrame:
        rows = [[form.ratings[aspect].get(name, pd.NA) for name in columns] for form in forms]
        return pd.DataFrame(rows, index=index, columns=list(columns)).astype("Int64")

    experts = pd.DataFrame(
        {
            "perspective": [form.perspective for form in forms],
            "lived": pd.array([form.lived for form in forms], dtype="boolean"),
        },
        index=index,
    )
    return PanelRatings(
        instrument=instrument,
        round=int(forms[0].stamp["round"]),
        experts=experts,
        relevance=table("relevance", items),
        clarity=table("clarity", items),
        coverage=table("coverage", coverage),
        frame=table("frame", list(frame_texts(instrument, instrument.languages[0]))),
        comments=_unlinked(forms, "comment", ("item", "comment"), instrument),
        suggestions=_unlinked(forms, "missing", ("part", "suggestion"), instrument),
        changed=changed,
        notes=_notes(forms, instrument, changed),
    )


def _unlinked(forms: Sequence[_Form], what: str, columns: tuple[str, str], instrument: Instrument) -> pd.DataFrame:
    """Return what experts wrote, without the expert, each item's texts in an order that hangs on nothing but themselves."""
    frame = frame_texts(instrument, instrument.languages[0])
    order = {name: n for n, name in enumerate((*frame, *instrument.items.ids, *instrument.subscales.ids, WHOLE))}
    texts = [pair for form in forms for pair in form.texts[what]]
    texts.sort(key=lambda pair: (order[pair[0]], hashlib.sha256("\0".join(pair).encode()).hexdigest()))
    return pd.DataFrame(texts, columns=list(columns), dtype="object")


def _notes(forms: Sequence[_Form], instrument: Instrument, changed: Sequence[str]) -> tuple[str, ...]:
    notes = []
    other = [form for form in forms if form.stamp["digest"] != instrument.digest]
    if other:
        versions = ", ".join(sorted({form.stamp["version"] for form in other}))
        notes.append(
            f"{len(other)} of {len(forms)} forms rate another edition of the definition (version {versions}; this is "
            f"{instrument.version})."
        )
    if changed:
        notes.append(f"Their text changed since, so those ratings are left out: {', '.join(changed)}.")
    if gone := sorted({name for form in other for name in form.gone}):
        notes.append(f"No longer in the definition, and left out: {', '.join(gone)}.")
    return tuple(notes)


def _some(names: Sequence[str]) -> str:
    more = len(names) - _TOLD
    return ", ".join(names[:_TOLD]) + (f" and {more} more" if more > 0 else "")
