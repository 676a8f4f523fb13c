"""A mapping proposed: what each heading of a foreign file may be, by evidence, for people to check and correct.

A line is ready for use where a heading bears an id or the text of one question, or nearly so. Every weaker guess stands
behind ``#``; notes stand behind ``##``.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from instrument.definition import Instrument
from instrument.mapping_evidence import MANY, PROPOSED, HeadingEvidence, Proposal, alike, one_line, quoted
from instrument.meanings import BLANKS, WHOLE, WHOLE_COMMA, Answers, shift_of_codes
from instrument.platforms.answers import plain
from instrument.platforms.detection import as_canonical, open_table
from instrument.platforms.personal import DROPPED, holds_addresses, is_personal
from instrument.platforms.recognised import cut
from instrument.responses import ResponseError
from instrument.tables import Column, RawTable, shown

_LONGEST = 24  # letters of a value that is shown; longer ones may be what people wrote
_SERIES = re.compile(r"(\D*?)(\d+)(?:\D.*)?", re.DOTALL)
_MISSING = re.compile(r"-[0-9]{1,4}|9{2,4}")


@dataclass(frozen=True, kw_only=True)
class MappingProposal:
    """A proposed mapping.

    Parameters
    ----------
    text : str
        The mapping file (TOML).
    columns, recognised : int
        Headings of the file, and how many of them need nobody's help.
    without : tuple of str
        Items that no heading was recognised for.
    unknown : tuple of str
        Values of closed columns that are no answers.
    form_known : bool
        Whether the file says who answered which form.
    """

    text: str
    columns: int
    recognised: int
    without: tuple[str, ...]
    unknown: tuple[str, ...]
    form_known: bool

    @property
    def summary(self) -> str:
        """Return in a line what was found."""
        said = [f"{self.recognised} of {self.columns} columns recognised"]
        said.append(f"{len(self.without)} {'item has' if len(self.without) == 1 else 'items have'} none")
        values = f" ({', '.join(self.unknown[:MANY])}{', …' if len(self.unknown) > MANY else ''})"
        said.append(
            f"{len(self.unknown)} {'value' if len(self.unknown) == 1 else 'values'} unknown"
            f"{values if self.unknown else ''}"
        )
        return "; ".join(said)


def propose_mapping(
    path: str | Path, instrument: Instrument, *, platform: str = "auto", form: str | None = None
) -> MappingProposal:
    """Propose which column of a file is which question, and which value which code.

    Parameters
    ----------
    path : str or path
        A file that `read_responses` can open.
    instrument : Instrument
    platform : str, default "auto"
        As for `read_responses`.
    form : str, optional
        The form that everybody in the file answered; only its items are looked for.

    Returns
    -------
    MappingProposal
        `text` is the mapping file (TOML): what is recognised by an id inside the heading, by the question's text in any
        language or by a similar text; all else as comments, with what it may be. It shows up to three values of each
        column that does not name people.

    Raises
    ------
    ResponseError
        If the file cannot be opened, or looks like the export of two platforms.
    ValueError
        If the form is not known.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> propose_mapping("sample_data/baseline.csv", read_instrument("pwiq")).without
    ()
    """
    if form is not None and form not in instrument.forms.ids:
        raise ValueError(
            f"form {form!r} is not known; this questionnaire has {', '.join(instrument.forms.ids) or 'none'}"
        )
    path = Path(path)
    table = open_table(path, instrument, file=path.name)
    if table.documents:
        raise ResponseError([f"{path.name}: JSON has no columns to map; export CSV"])
    return _Proposer(instrument, table, platform, form).proposal(path.name)


class _Proposer:
    """Brings together what the headings of a file may be."""

    def __init__(self, instrument: Instrument, table: RawTable, platform: str, form: str | None) -> None:
        self.instrument = instrument
        self.form = form
        self.read = as_canonical(table, instrument, platform=platform)
        # Rows under the headings that hold texts, tests of the survey and so on are no answers.
        self.table = cut(table, np.isin(table.rows, self.read.rows))
        below = (
            table.names
            if self.read.platform == "qualtrics" and not np.isin(table.rows[:1], self.read.rows).all()
            else ()
        )
        texts = {name: column[0] or "" for name, column in zip(below, table.columns, strict=False)}
        self.evidence = HeadingEvidence(instrument, self.read, table.names, texts=texts)
        self.names, self.severals, self.theirs = self.evidence.names, self.evidence.severals, self.evidence.theirs
        scales = (scale.labels.values() for scale in instrument.response_scales)
        self.labels = {plain(label) for texts in scales for text in texts for label in text.values()}

    # All headings

    def proposal(self, file: str) -> MappingProposal:
        """Return the mapping file and what it holds."""
        once = [header for header in dict.fromkeys(self.table.names) if header and self.table.names.count(header) == 1]
        columns = dict(zip(self.table.names, self.table.columns, strict=True))
        proposals = self._each_once([self.evidence.proposed(header, columns[header]) for header in once])
        found = {each.name: each.header for each in proposals if each.name and each.use in ("ready", "same")}
        read = {name for names in self.theirs.values() for name in names}
        forms = self._forms(columns, found)
        asked = [
            item.id
            for item in self.instrument.items
            if not self.instrument.forms or any(item.id in self.instrument.asked_by(each) for each in forms)
        ]
        without = tuple(name for name in asked if name not in found and name not in read)
        blocks = self._by_order(proposals, forms) if without else []
        ordered = {header for block in blocks for header, _ in block[1]}
        parts = [self._line(each, columns[each.header]) for each in proposals if self._has_line(each, ordered)]
        parts += self._repeated()
        if not without and all(each.use in ("same", "note") for each in proposals):
            parts.append("## All columns are read as they are: no mapping is needed.")
        for block in blocks:
            parts += self._block_lines(block, columns)
        covered = {name for _, pairs in blocks for _, name in pairs}
        parts += self._missing_lines([name for name in without if name not in covered], found, read, forms)
        guessed = {each.name: each.header for each in proposals if each.name and each.use == "guess"}
        if blocks:
            guessed |= {name: header for header, name in blocks[0][1]}
        values, unknown = self._values(guessed | found, columns)
        proposal = MappingProposal(
            text="",
            columns=sum(bool(name) for name in self.table.names),
            recognised=sum(each.use != "guess" for each in proposals) + len(self._merged()),
            without=without,
            unknown=tuple(unknown),
            form_known=not self.instrument.forms or self.form is not None or "form" in found or "form" in read,
        )
        return replace(proposal, text="\n".join([*self._head(file, proposal), *parts, *values]) + "\n")

    def _head(self, file: str, proposal: MappingProposal) -> Iterator[str]:
        yield f"# Proposed for {quoted(file)}. Check every line against the questionnaire, correct it, and keep this file."
        yield "# What stands behind # is not read: delete the first # of a line to use it. Lines with ## are notes."
        yield "# The values shown are answers of people: delete them before you pass this file on."
        yield f"## {proposal.summary}"
        yield f"instrument = {quoted(self.instrument.id)}"
        yield f"version = {quoted(self.instrument.version)}"
        yield ""
        yield '[columns]  # heading in the file = column of the questionnaire; "" leaves a column out'

    def _each_once(self, proposals: Sequence[Proposal]) -> list[Proposal]:
        """Return the proposals with each column proposed once: for the heading with the best evidence."""
        best: dict[str, Proposal] = {}
        several: dict[str, list[str]] = {}
        for each in proposals:
            if each.name and each.use != "guess":
                several.setdefault(each.name, []).append(each.header)
                if each.name not in best or each.likeness > best[each.name].likeness:
                    best[each.name] = each
        return [self._or_other(each, best, several) for each in proposals]

    def _or_other(self, each: Proposal, best: Mapping[str, Proposal], several: Mapping[str, Sequence[str]]) -> Proposal:
        if not each.name or each.use == "guess":
            return each
        columns = {each.name, *self.severals.get(each.name, ())}
        merged = any("never both filled" in note for name in columns for note in self.read.notes.get(name, ()))
        if len(several[each.name]) > 1 and merged:
            count = len(several[each.name])
            return self.evidence.note(
                each.header, f"read as {each.name} without a mapping, one of {count} columns that ask it"
            )
        if best[each.name] is each:
            return each
        other = best[each.name].header
        return replace(each, use="guess", why=f"{quoted(other)} fits better: {self.evidence.text(each.name)}")

    @staticmethod
    def _has_line(each: Proposal, ordered: set[str]) -> bool:
        return each.use != "same" and not (each.use == "guess" and each.header in ordered)

    def _line(self, each: Proposal, column: Column) -> str:
        header = quoted(each.header)
        shows = "" if each.why in ("it may name people", DROPPED) else _some_values(each.header, column, self.labels)
        if each.use == "note":
            return f"## {header}: {one_line(each.why)}{shows}"
        return f"{'# ' if each.use == 'guess' else ''}{header} = {quoted(each.name)}  # {one_line(each.why)}{shows}"

    def _merged(self) -> list[str]:
        """Return the headings that stand in the file several times, each as often."""
        return [name for name in self.table.names if name and self.table.names.count(name) > 1 and name in self.theirs]

    def _repeated(self) -> Iterator[str]:
        for header in dict.fromkeys(self.table.names):
            if not header or (count := self.table.names.count(header)) == 1:
                continue
            if names := self.theirs.get(header):
                yield f"## {quoted(header)} stands in the file {count} times: read as {names[0]} without a mapping"
            else:
                yield f"## {quoted(header)} stands in the file {count} times: it cannot be mapped; rename all but one"

    def _forms(self, columns: Mapping[str, Column], found: Mapping[str, str]) -> tuple[str, ...]:
        """Return the forms that people in the file answered, as far as it says so; else all."""
        ids = self.instrument.forms.ids
        if self.form is not None:
            return (self.form,)
        read = dict(zip(self.read.names, self.read.columns, strict=True)).get("form")
        column = read if read is not None else columns[found["form"]] if "form" in found else None
        said = tuple(form for form in ids if column is not None and form in column.texts)
        return said or ids

    # By order

    def _by_order(self, proposals: Sequence[Proposal], forms: Sequence[str]) -> list[tuple[str, list[tuple[str, str]]]]:
        """Return blocks of headings such as Q1 … Q66 that are as many as the items of a form: what they are for, pairs."""
        series: dict[str, list[tuple[int, Proposal]]] = {}
        for each in proposals:
            if (part := _SERIES.fullmatch(each.header)) and each.use != "note":
                series.setdefault(part[1].casefold().strip(), []).append((int(part[2][:9]), each))
        orders: dict[tuple[str, ...], list[str]] = {}
        for form in forms:
            orders.setdefault(tuple(self.instrument.asked_by(form)), []).append(form)
        if not self.instrument.forms:
            orders[tuple(self.instrument.items.ids)] = []
        blocks = []
        for members in series.values():
            numbers = [number for number, _ in members]
            heads = [each for _, each in members]
            for items, named in orders.items():
                fits = len(items) == len(heads) and numbers == sorted(set(numbers))
                pairs = list(zip(heads, items, strict=fits))
                sure = [(each.name, item) for each, item in pairs if each.use != "guess"]
                if fits and len(sure) < len(heads) and all(name == item for name, item in sure):
                    whose = f"form{'s' if len(named) > 1 else ''} {', '.join(named)}" if named else "the questionnaire"
                    note = f"the {len(heads)} headings {shown(heads[0].header)} … {shown(heads[-1].header)}"
                    note += f" are as many as the items of {whose}"
                    note += f"; {len(sure)} of them were recognised and fit that order" if sure else ""
                    blocks.append((note, [(each.header, item) for each, item in pairs if each.use == "guess"]))
        return blocks

    def _block_lines(self, block: tuple[str, list[tuple[str, str]]], columns: Mapping[str, Column]) -> Iterator[str]:
        note, pairs = block
        yield ""
        yield f"## By order only: {note}."
        yield "## The lines below take them in the order of the questionnaire; nothing but the order says that it is so. Check"
        yield "## each against the survey that people filled in, then delete the # before it (of one such block only)."
        for header, item in pairs:
            said = f"{quoted(header)} = {quoted(item)}  # by order: {one_line(self.evidence.text(item))}"
            yield f"# {said}{_some_values(header, columns[header], self.labels)}"

    # What is not there

    def _missing_lines(
        self, items: Sequence[str], found: Mapping[str, str], read: set[str], forms: Sequence[str]
    ) -> Iterator[str]:
        questions = [
            question.id
            for question in self.instrument.questions
            if question.id not in found
            and not {question.id, *self.severals.get(question.id, ())} & {*read, *found}
            and (not question.forms or set(question.forms) & set(forms))
        ]
        for names, what in ((items, "item"), (questions, "other question")):
            if names:
                count = f"{len(names)} {what}{'s' if len(names) > 1 else ''}"
                optional = "" if what == "item" else " Leave those that were not asked."
                yield ""
                yield f"## No heading was recognised for {count}: write it in place of HEADING and delete the #.{optional}"
                yield from (f'# "HEADING" = {quoted(name)}  # {one_line(self.evidence.text(name))}' for name in names)

    # Values

    def _values(self, headers: Mapping[str, str], columns: Mapping[str, Column]) -> tuple[list[str], list[str]]:
        """Return the sections of values, and the values that are no answers."""
        lines: list[str] = []
        unknown: dict[str, None] = {}
        for scale in self.instrument.response_scales:
            own = [
                columns[header]
                for name, header in headers.items()
                if header in columns and self.names.scale(name) == scale.id
            ]
            more, unread = self._of_scale(scale.id, own)
            lines += more
            unknown |= dict.fromkeys(unread)
        return lines, list(unknown)

    def _of_scale(self, name: str, columns: Sequence[Column]) -> tuple[list[str], list[str]]:
        """Return the section of a response scale: the values of its columns that are no answers yet."""
        if not columns:
            return [], []
        scale = self.instrument.response_scales[name]
        whole = WHOLE_COMMA if self.table.decimal_comma else WHOLE
        answers = Answers.of_scale(scale)
        texts = dict.fromkeys(text.strip() for column in columns for text in column.texts)
        unread = [text for text in texts if text not in BLANKS and answers.meaning(text, whole).fault]
        shift = shift_of_codes(columns, scale, whole)
        if not unread and not shift:
            return [], []
        codes = ", ".join(f"{code} {quoted(next(iter(text.values())))}" for code, text in scale.labels.items())
        lines = ["", f'[values.{name}]  # value in the file = code; "" is a blank', f"## codes: {codes}"]
        if shift:
            lines.append(f"## The file counts from {scale.low + shift}, the definition from {scale.low}.")
            lines += [f'"{code + shift}" = {code}' for code in scale.codes]
            unread = [text for text in unread if text not in {str(code + shift) for code in scale.codes}]
        labels = {plain(label): str(code) for code, text in scale.labels.items() for label in text.values()}
        lines += [_value_line(text, alike(text, labels)) for text in unread]
        return lines, unread


def _value_line(text: str, near: Sequence[tuple[str, float]]) -> str:
    if _MISSING.fullmatch(text):
        why = "REDCap, SPSS and Qualtrics often write such a number for no answer: then a blank"
        return f'# {quoted(text)} = ""  # {why}'
    if near and near[0][1] >= PROPOSED:
        return f"{quoted(text)} = {near[0][0]}  # a similar label"
    if near:
        return f"# {quoted(text)} = {near[0][0]}  # a guess{''.join(f', or {code}' for code, _ in near[1:])}"
    return f'# {quoted(text)} = ""  # not recognised'


def _some_values(header: str, column: Column, labels: Collection[str]) -> str:
    """Return the first different values of a column; long ones that are no labels, and who people are, are not shown."""
    if is_personal(header) or holds_addresses(column):
        return ""
    used = np.unique(column.position[column.position >= 0]) if len(column.position) else np.array([], dtype=np.int64)
    texts: Iterable[str] = (column.texts[at].strip() for at in used.tolist())
    first = [text for text in texts if text][:MANY]
    if not first:
        return "; empty"
    told = [
        quoted(text) if len(text) <= _LONGEST or plain(text) in labels else f"a text of {len(text)} letters"
        for text in first
    ]
    return f"; values: {', '.join(told)}"
