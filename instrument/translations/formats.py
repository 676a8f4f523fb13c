"""The files of translators: GNU gettext PO and XLIFF 1.2, written and read entry by entry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from instrument.definition_file import DefinitionFile, DefinitionTables, InstrumentError, TranslationTable, every_text
from instrument.translations.status import length_limit, seen_by

_XLIFF = "urn:oasis:names:tc:xliff:document:1.2"
_GUIDE = """\
Plain words of everyday speech, one register for all statements, the same time frame. Keep numbers, line breaks and
anything in braces. A statement that names a problem names it outright: do not turn it into the opposite with a "not".
All answers of a scale read differently. Entries marked as fuzzy (needs review) are not taken over.
Who translated is noted by role, never by name: write no name into Last-Translator."""
_HEAD_TEXTS = {
    "title": "Title of the questionnaire, above its first page.",
    "banner": "Warns that the questionnaire is a draft: on its first page, on everything exported, and in reports.",
    "instructions": "Read by everyone before the first statement.",
    "form_question": "Asked first where one survey serves several groups; the names of the forms are its answers.",
    "code_instructions": "Stands above the questions for single letters: why they are asked, and that the letter is enough.",
    "rule": "Stands above the statements: what to answer where something is not there.",
}


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One entry of a translator's file."""

    line: int
    key: str
    source: str
    target: str
    fuzzy: bool


def write_po(file: DefinitionFile, language: str, entries: Sequence[Entry]) -> str:
    """Return a PO file: `msgctxt` is the place of the text."""
    import polib

    po = polib.POFile(wrapwidth=100)
    po.header = f"{_title(file)}\n{_GUIDE}\n{_order(entries)}"
    head = file.tables.instrument
    record = file.tables.translations.get(language, TranslationTable())
    # The date is that of the record, and people stand there by role: the same definition gives the same file.
    po.metadata = {
        "Project-Id-Version": f"{head.id} {head.version}",
        "PO-Revision-Date": f"{record.translated} 00:00+0000" if record.translated else "YEAR-MO-DA HO:MI+ZONE",
        "Last-Translator": ", ".join(record.translated_by) or "nobody yet",
        "Language-Team": "none",
        "Language": language,
        "MIME-Version": "1.0",
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "X-Source-Language": head.languages[0],
        "X-Definition-Digest": file.digest,
    }
    places = _places(file.tables)
    for entry in entries:
        po.append(
            polib.POEntry(
                msgctxt=entry.key,
                msgid=entry.source,
                msgstr=entry.target,
                flags=["fuzzy"] if entry.fuzzy else [],
                comment="\n".join(_comments(file.tables, places[entry.key], entry)),
            )
        )
    return f"{po}"


def write_xliff(file: DefinitionFile, language: str, entries: Sequence[Entry]) -> str:
    """Return an XLIFF 1.2 file: the `id` of a unit is the place of the text."""
    from lxml import etree

    head = file.tables.instrument
    root = etree.Element(f"{{{_XLIFF}}}xliff", {"version": "1.2"}, nsmap={None: _XLIFF})
    about = {
        "original": f"{head.id} {head.version} {file.digest}",
        "source-language": head.languages[0],
        "target-language": language,
        "datatype": "plaintext",
    }
    part = etree.SubElement(root, f"{{{_XLIFF}}}file", about)
    etree.SubElement(
        etree.SubElement(part, f"{{{_XLIFF}}}header"), f"{{{_XLIFF}}}note"
    ).text = f"{_title(file)}\n{_GUIDE}\n{_order(entries)}"
    body = etree.SubElement(part, f"{{{_XLIFF}}}body")
    places = _places(file.tables)
    for entry in entries:
        unit = etree.SubElement(body, f"{{{_XLIFF}}}trans-unit", {"id": entry.key, "resname": entry.key})
        unit.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
        etree.SubElement(unit, f"{{{_XLIFF}}}source").text = entry.source
        if entry.target:
            state = "needs-review-translation" if entry.fuzzy else "translated"
            etree.SubElement(unit, f"{{{_XLIFF}}}target", {"state": state}).text = entry.target
        for comment in _comments(file.tables, places[entry.key], entry):
            etree.SubElement(unit, f"{{{_XLIFF}}}note").text = comment
    etree.indent(root)
    return f"<?xml version='1.0' encoding='UTF-8'?>\n{etree.tostring(root, encoding='unicode')}\n"


def _title(file: DefinitionFile) -> str:
    head = file.tables.instrument
    title = head.title.get(head.languages[0], head.id)
    draft = head.banner.get(head.languages[0], "") if head.status == "draft" else ""
    return "\n".join(part for part in (f"{title}, {head.id} {head.version}, {file.digest}", draft) if part)


def _order(entries: Sequence[Entry]) -> str:
    first = sum(seen_by(entry.key) == "respondents" for entry in entries)
    return f"The first {first} of {len(entries)} texts are seen by respondents, the others by those who read reports."


def _places(tables: DefinitionTables) -> dict[str, tuple[str, ...]]:
    return {".".join(entry.key): entry.key for entry in every_text(tables)}


def _comments(tables: DefinitionTables, place: tuple[str, ...], entry: Entry) -> Iterator[str]:
    """Yield what a translator needs to know of a text, a sentence or two each."""
    source = tables.instrument.languages[0]
    section, name, *inside = place
    if section == "items":
        yield from _about_item(tables, name, source)
    elif section == "response_scales":
        users = [each for each, item in tables.items.items() if (item.scale or tables.instrument.item_scale) == name]
        asked = [each for each, question in tables.questions.items() if question.scale == name]
        used = ([f"{len(users)} items"] if users else []) + asked
        yield f"Answer {inside[0]} of the scale {name!r}, to: {', '.join(used) or 'nothing'}."
        yield "It must differ from the other answers of the scale, and mean no other answer in another language."
    elif section == "questions":
        question = tables.questions[name]
        yield f"Question ({question.role})." + (f" {question.note}" if question.note else "")
    elif section == "subscales":
        yield "Title of an aspect of a subscale." if "facets" in inside else f"{inside[0].capitalize()} of a subscale."
    elif section in ("actions", "signals"):
        kind = "what a team can do" if section == "actions" else "a pattern of scores that is worth a talk"
        yield f"{inside[0].capitalize()} of {kind}."
    elif section == "forms":
        yield "Names a group of people who answer; one of the answers to the question which group one belongs to."
    elif section == "scores":
        yield "Name of a score, in tables and charts."
    else:
        yield _HEAD_TEXTS[name]
    yield f"Seen by {seen_by(entry.key)}."
    if limit := length_limit(entry.key):
        yield f"At most {limit} bytes (an accented letter is 2): SPSS cuts what is longer."
    if entry.fuzzy:
        yield "The source was edited since this was translated."


def _about_item(tables: DefinitionTables, name: str, source: str) -> Iterator[str]:
    item = tables.items[name]
    subscale = tables.subscales[item.subscale]
    facet = subscale.facets.get(item.facet or "")
    about = [subscale.title.get(source, item.subscale), *([facet.title.get(source, "")] if facet else [])]
    yield f"Statement about: {' – '.join(part for part in about if part)}."
    if item.wording == "facilitator":
        yield "It names something that helps."
    elif item.wording == "barrier":
        yield "It names a problem: agreeing means that there is one."
    elif item.reverse:
        yield "Agreeing counts against."
    if facet and facet.both_true and item.wording:
        yield f"It can be true together with its counterpart: {facet.both_true}"


def read_po(name: str, text: str) -> tuple[list[Entry], dict[str, str]]:
    """Return the entries of a PO file, and its language and what it is of."""
    import polib

    try:
        # With a line break at its end, no content can be taken for the name of a file.
        po = polib.pofile(text.replace("\r\n", "\n") + "\n")
    except (OSError, ValueError, UnicodeError) as error:
        # Its message holds the whole text where the file is none.
        where = re.search(r"\(line (\d+)\)", str(error))
        raise InstrumentError([f"{name}:{where.group(1) if where else 1}: this is not PO"]) from error
    entries = [
        Entry(line=entry.linenum, key=entry.msgctxt or "", source=entry.msgid, target=entry.msgstr, fuzzy=entry.fuzzy)
        for entry in po
        if not entry.obsolete
    ]
    return entries, {"language": po.metadata.get("Language", ""), "of": po.metadata.get("Project-Id-Version", "")}


def read_xliff(name: str, text: str) -> tuple[list[Entry], dict[str, str]]:
    """Return the entries of an XLIFF 1.2 file, and its language and what it is of."""
    from lxml import etree

    # Nothing outside the file is read, and no entity is put in.
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False, huge_tree=False)
    try:
        root = etree.fromstring(text.encode(), parser)
    except etree.XMLSyntaxError as error:
        raise InstrumentError([f"{name}:{error.lineno or 1}: this is not XML: {error.msg}"]) from error
    if root.getroottree().docinfo.doctype:
        raise InstrumentError([f"{name}:1: a document type (<!DOCTYPE) is not allowed in a translators' file"])
    part = root.find(f"{{{_XLIFF}}}file")
    if part is None:
        raise InstrumentError([f"{name}:1: this is not XLIFF 1.2"])
    entries, faults = [], []
    for unit in root.iter(f"{{{_XLIFF}}}trans-unit"):
        source, target = (unit.find(f"{{{_XLIFF}}}{each}") for each in ("source", "target"))
        if any(len(each) for each in (source, target) if each is not None):
            faults.append(f"{name}:{unit.sourceline}: {unit.get('id')}: elements inside a text are not allowed")
        state = "" if target is None else target.get("state", "translated")
        entries.append(
            Entry(
                line=unit.sourceline or 1,
                key=unit.get("id", ""),
                source=_content(source),
                target=_content(target),
                fuzzy=state == "new" or state.startswith("needs-"),
            )
        )
    if faults:
        raise InstrumentError(faults)
    return entries, {"language": part.get("target-language", ""), "of": part.get("original", "")}


def _content(element: Any) -> str:
    return "" if element is None else element.text or ""
