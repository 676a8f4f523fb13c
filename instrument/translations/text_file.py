"""The TOML of texts: one language of a definition (`text.LANG.toml`), and the record of its translations."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import date

from instrument.definition_file import DefinitionTables, TranslationTable, every_text

_WIDEST = 120
_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\b": "\\b", "\t": "\\t", "\n": "\\n", "\f": "\\f", "\r": "\\r"}
_RECORD_HEAD = """\
# How each translation of this definition came about. Described in docs/definition.md ("Translations"). People are named by
# role only. `texts` is written by `pwiq translate import`: a hash of the source and of the translation made from it, so that
# a source edited later marks its translation as stale. A back-translation is added there by hand.
"""


def text_file(tables: DefinitionTables, texts: Mapping[str, str], *, head: str = "") -> str:
    """Return the text file of one language, laid out like the English one.

    Parameters
    ----------
    tables : DefinitionTables
        The definition, for the order of the texts.
    texts : mapping
        Place → text (``items.roleaf.text``); places that it lacks are left out.
    head : str
        Comment lines to begin with, each with ``#``.

    Returns
    -------
    str
        TOML. The same texts always give the same characters.

    Examples
    --------
    >>> from instrument.definition_file import load_definition
    >>> tables = load_definition("pwiq").tables
    >>> print(text_file(tables, {"items.roleaf.text": "Eins", "items.induaf.text": "Zwei"}), end="")
    [items]
    roleaf.text = "Eins"
    <BLANKLINE>
    induaf.text = "Zwei"
    """
    sections: dict[str, list[str]] = {}
    subscale = ""
    for entry in every_text(tables):
        text = texts.get(".".join(entry.key))
        if text is None:
            continue
        section, *inside = entry.key
        table = _table(entry.key)
        lines = sections.setdefault(table, [])
        if section == "items":
            if lines and tables.items[inside[0]].subscale != subscale:
                lines.append("")
            subscale = tables.items[inside[0]].subscale
        if "steps" in inside:
            if "steps = [" not in lines:
                lines += ["steps = [", "]"]
            lines.insert(-1, f"    {_string(text)},")
        else:
            kept = inside if table == f"[{section}]" else inside[1:]
            lines.append(f"{_dotted(kept)} = {_string(text)}")
    return _joined(head, ("\n".join([table, *lines]) for table, lines in sections.items()))


def record_file(translations: Mapping[str, TranslationTable]) -> str:
    r"""Return `translations.toml`: language → how its texts came about.

    Examples
    --------
    >>> print(record_file({"es": TranslationTable(method="One draft.")}).split("\n\n")[1], end="")
    [es]
    status = "draft"
    method = "One draft."
    translated_by = []
    reviewed_by = []
    """
    return _joined(_RECORD_HEAD, (part for each in translations.items() for part in _language(*each)))


def _language(language: str, table: TranslationTable) -> Iterable[str]:
    lines = [f"[{_dotted([language])}]", f"status = {_string(table.status)}", f"method = {_string(table.method)}"]
    lines += _listed("translated_by", table.translated_by) + _dated("translated", table.translated)
    lines += _listed("reviewed_by", table.reviewed_by) + _dated("reviewed", table.reviewed)
    yield "\n".join(lines)
    for term in table.glossary:
        named = {"term": term.term, "translation": term.translation, "reason": term.reason}
        told = [f"{name} = {_string(value)}" for name, value in named.items()]
        yield "\n".join([f"[[{_dotted([language])}.glossary]]", *told])
    if table.texts:
        rows = []
        for key, text in table.texts.items():
            told = [f"source = {_string(text.source)}", f"translation = {_string(text.translation)}"]
            for name, value in (
                ("back_translation", text.back_translation),
                ("by", text.by),
                ("made", text.made),
                ("verdict", text.verdict),
            ):
                if value is not None:
                    told.append(f"{name} = {value.isoformat() if isinstance(value, date) else _string(value)}")
            if text.same_on_purpose:
                told.append("same_on_purpose = true")
            rows.append(f"{_string(key)} = {{ {', '.join(told)} }}")
        yield "\n".join([f"[{_dotted([language])}.texts]", *rows])


def _table(key: tuple[str, ...]) -> str:
    """Return the header under which a text stands: a table of its own only where an entry has many texts."""
    whole = key[0] in ("instrument", "forms", "items", "questions", "scores")
    return f"[{key[0]}]" if whole else f"[{_dotted(key[:2])}]"


def _joined(head: str, parts: Iterable[str]) -> str:
    return "\n\n".join([*([head.rstrip("\n")] if head else []), *parts]) + "\n"


def _listed(name: str, values: list[str]) -> list[str]:
    return [f"{name} = [{', '.join(map(_string, values))}]"]


def _dated(name: str, value: date | None) -> list[str]:
    return [] if value is None else [f"{name} = {value.isoformat()}"]


def _dotted(names: Iterable[str]) -> str:
    return ".".join(name if _BARE.fullmatch(name) else _string(name) for name in names)


def _string(text: str) -> str:
    """Return a TOML string: on one line, or, where the text has several, wrapped in triple quotes."""
    if "\n" not in text:
        return f'"{_escaped(text)}"'
    lines = [wrapped for line in text.split("\n") for wrapped in _wrapped(_escaped(line).replace('\\"', '"'))]
    # Three quotes, or one at the end, would close the string.
    body = re.sub(r'"(?="")|"$', r"\\" + '"', "\n".join(lines))
    return f'"""\n{body}"""'


def _wrapped(line: str) -> list[str]:
    """Break a long line between two words; a backslash at the end of a line joins it to the next in TOML."""
    lines, current = [], ""
    for at, word in enumerate(line.split(" ")):
        grown = word if at == 0 else f"{current} {word}"
        # A line must not begin with a blank: TOML would swallow it.
        if at and word and len(grown) > _WIDEST - 2:
            lines.append(f"{current} \\")
            grown = word
        current = grown
    return [*lines, current]


def _escaped(text: str) -> str:
    return "".join(
        _ESCAPES.get(sign) or (f"\\u{ord(sign):04X}" if ord(sign) < 0x20 or ord(sign) == 0x7F else sign)
        for sign in text
    )
