"""What a heading of a foreign file may be: by an id or a text in it, a similar text, the values that stand under it."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from instrument.definition import Instrument
from instrument.meanings import BLANKS
from instrument.platforms.answers import headings, known_columns, plain
from instrument.platforms.detection import CANONICAL, title
from instrument.platforms.personal import holds_addresses, is_personal
from instrument.platforms.recognised import Names, day
from instrument.responses import question_columns
from instrument.tables import Column, RawTable

PROPOSED: Final = 0.8  # likeness of two texts (difflib) from which one is proposed
_GUESSED = 0.5  # and from which it is told as a guess
_CLEAR = 0.1  # by which the likeness of a proposal exceeds that of the next; else it is a guess
MANY: Final = 3  # guesses, and values of a column, told
_COMPARED = 20  # texts that are compared with a heading letter by letter
_STAMPED = ("version", "definition")  # columns in which our surveys store what they were made from
_NUMBERED = 3  # rows that tell a column of numbers of records
_WORD = re.compile(r"[a-z][a-z0-9]{1,14}")
# Words of headings for what is no question of the definition; guesses only.
_USUAL = {
    "person": ("respondent", "participant", "subject", "pid", "uid"),
    "organisation": ("organization", "site", "agency", "service", "employer", "organización"),
    "team": ("unit", "ward", "group", "equipo"),
    "wave": ("timepoint", "time", "round", "phase"),
}
# Two texts may be alike by all letters but these, and mean the opposite.
_NEGATIONS = frozenset(
    ("not", "no", "never", "without", "nobody", "none", "hardly", "nunca", "sin", "ni", "nadie", "ningún")
)
_RECORD = frozenset(
    ("nr", "no", "number", "id", "record", "response", "case", "row", "respondent", "participant", "número", "nº")
)


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """What a heading may be: `use` is "ready", "guess" (behind #), "note" (behind ##) or "same" (no line needed)."""

    header: str
    name: str
    use: str
    why: str
    likeness: float = 1.0


class HeadingEvidence:
    """Finds what the headings of a file may be.

    Parameters
    ----------
    instrument : Instrument
    read : RawTable
        The file as its platform's own reading makes it.
    headers : sequence of str
        All headings of the file.
    texts : mapping
        Heading → the question's text that stands below it (Qualtrics).
    """

    def __init__(
        self, instrument: Instrument, read: RawTable, headers: Sequence[str], *, texts: Mapping[str, str]
    ) -> None:
        self.instrument = instrument
        self.read = read
        self.names = Names(instrument)
        self.severals = {each: question_columns(instrument.questions[each], instrument) for each in self.names.severals}
        self.known = {*known_columns(instrument), *self.severals}
        self.headings = headings(instrument)
        self.texts = {text: found[0].name for text, found in self.headings.items()}
        self.below = texts
        scores = {name for rule in instrument.scores for name in (rule.id, rule.export)}
        self.theirs: dict[str, list[str]] = {}  # heading → columns that the platform's own reading makes of it
        for name in self.read.names:
            if name in self.known | scores:
                self.theirs.setdefault(self.read.headers.get(name, name), []).append(name)
        # Questions with several answers that have a column for each.
        self.split = {found.name for header in headers if (found := self.names.by_id(header)) and found.code}
        self.dropped = {header: note for header, _, note in self.read.left_out}

    def proposed(self, header: str, column: Column) -> Proposal:
        """Return what a heading may be, by the strongest evidence that there is."""
        own = self._by_itself(header)
        theirs = self.theirs.get(header, [])
        platform = self.read.platform != CANONICAL
        both = own is not None and own.name in self.split  # all answers in one cell, and each in a column
        if own and not both and (not theirs or set(theirs) <= {own.name, *self.severals.get(own.name, ())}):
            return own if not (platform and header in self.dropped) else self.note(header, self.dropped[header])
        if platform and theirs:
            some = theirs[0] if len(theirs) == 1 else f"{theirs[0]} … {theirs[-1]}"
            return self.note(header, f"read as {some} without a mapping ({title(self.read.platform)})")
        if platform and header in self.dropped:
            return self.note(header, self.dropped[header])
        if header in _STAMPED:
            return self.note(header, "tells what the survey was made from; read without a mapping")
        if is_personal(header) or holds_addresses(column):
            return Proposal(header=header, name="", use="ready", why="it may name people")
        return self._by_likeness(header) or self._by_values(header, column) or self._unknown(header)

    def note(self, header: str, why: str) -> Proposal:
        """Return a heading that needs no line, with what there is to say about it."""
        return Proposal(header=header, name="", use="note", why=why)

    def _unknown(self, header: str) -> Proposal:
        return Proposal(
            header=header, name="", use="guess", why="not recognised; kept as text unless it is mapped", likeness=0
        )

    def _by_itself(self, header: str) -> Proposal | None:
        """Return what a heading says exactly: a name, a text, an id inside it."""
        if header in self.known:
            return Proposal(header=header, name=header, use="same", why="the name itself")
        for text in (header, *_in_brackets(header)):
            if len(found := self.names.by_text(text)) == 1:
                spoken = {each.language for each in self.headings.get(plain(text), ()) if each.name == found[0].name}
                how = f"its text in {', '.join(sorted(spoken))}" if spoken else "its text stands in the heading"
                return Proposal(header=header, name=found[0].name, use="ready", why=how)
        if len(parts := self.names.by_parts(header, " - ")) == 1:
            name = f"{parts[0].name}{parts[0].code or ''}"
            if name in self.known:
                return Proposal(header=header, name=name, use="ready", why="its text stands in the heading")
        if (named := self.names.by_id(header)) and named.code:
            said = f"its id stands in the heading: {self.text(f'{named.name}{named.code}')}"
            return Proposal(header=header, name=f"{named.name}{named.code}", use="ready", why=said)
        if len(inside := self._ids_in(header)) == 1:
            said = f"its id stands in the heading: {self.text(inside[0])}"
            return Proposal(header=header, name=inside[0], use="ready", why=said)
        return None

    def _ids_in(self, header: str) -> list[str]:
        """Return the ids that stand in a heading as words; of a sentence, those of items only."""
        words = [word for word in dict.fromkeys(_WORD.findall(header.casefold())) if word in self.known]
        items = [word for word in words if word in self.instrument.items.ids]
        return items or ([] if " " in header.strip() else words)

    def _by_likeness(self, header: str) -> Proposal | None:
        """Return what a heading resembles; a guess where two questions are nearly as like, or none is very like."""
        below = self.below.get(header, "")
        inner = next(iter(_in_brackets(header)), below.rpartition(" - ")[2] or header)
        same = [(each.name, 1.0) for each in self.names.by_text(inner)]  # a text of several questions
        found = same or alike(inner, self.texts)
        if not found:
            return None
        (name, likeness), *others = found
        next_best = others[0][1] if others else 0.0
        opposed = _negated(inner) != _negated(self.text(name, like=inner))
        if PROPOSED <= likeness < 1 and likeness - next_best >= _CLEAR and not opposed:
            why = f"a similar text: {self.text(name, like=inner)}"
            return Proposal(header=header, name=name, use="ready", why=why, likeness=likeness)
        told = [f"a guess by its text: {self.text(name, like=inner)}{', but only one of the two is negated' * opposed}"]
        told += [f"or {other}: {self.text(other, like=inner)}" for other, _ in others[: MANY - 1]]
        return Proposal(header=header, name=name, use="guess", why="; ".join(told), likeness=min(likeness, PROPOSED))

    def _by_values(self, header: str, column: Column) -> Proposal | None:
        """Return what a heading may be by what stands under it, or by a usual word in it."""
        words = set(re.findall(r"[^\W_]+", plain(header)))
        filled = [text.strip() for text in column.texts if text.strip() not in BLANKS]
        forms = {plain(form.id) for form in self.instrument.forms}
        forms |= {plain(said) for form in self.instrument.forms for said in form.title.values()}
        if filled and all(plain(text) in forms for text in filled):
            why = "a guess by its values, which are forms"
            return Proposal(header=header, name="form", use="guess", why=why, likeness=0)
        if "date" in self.known and filled and all(re.match(r"\d{4}-", day(text)) for text in filled):
            why = "a guess by its values, which are dates; the day alone is kept"
            return Proposal(header=header, name="date", use="guess", why=why, likeness=0)
        usual = [name for name, synonyms in _USUAL.items() if words & set(synonyms)]
        if "person" not in usual[:1] and self._numbers_records(words, column):
            why = (
                'a guess: each row has its own value. "response" if it numbers the answers; "person" if it says who '
                "answered, the same in every wave"
            )
            return Proposal(header=header, name="response", use="guess", why=why, likeness=0)
        if usual:
            return Proposal(header=header, name=usual[0], use="guess", why="a guess by the heading", likeness=0)
        return None

    @staticmethod
    def _numbers_records(words: set[str], column: Column) -> bool:
        rows = len(column.position)
        return bool(
            words & _RECORD
            and rows >= _NUMBERED
            and len(column.texts) == rows
            and not any(" " in text.strip() for text in column.texts)
        )

    def text(self, name: str, *, like: str = "") -> str:
        """Return the text of a question in quotation marks, in the language that is most like a heading."""
        if name in self.instrument.items.ids:
            texts = list(self.instrument.items[name].text.values())
        elif (question := self._question(name)) in self.instrument.questions.ids:
            texts = list(self.instrument.questions[question].text.values())
        else:
            return name
        wanted = max(texts, key=lambda each: difflib.SequenceMatcher(None, plain(each), plain(like)).ratio())
        code = name.removeprefix(question) if name not in self.instrument.items.ids else ""
        if code:
            scale = self.instrument.response_scales[str(self.instrument.questions[question].scale)]
            wanted = f"{wanted} [{next(iter(scale.labels[int(code)].values()))}]"
        return quoted(wanted)

    def _question(self, name: str) -> str:
        return next((question for question, own in self.severals.items() if name in own), name)


def _negated(text: str) -> bool:
    """Return whether a text says not an even number of times but an odd one."""
    words: list[str] = re.findall(r"n't\b|[^\W_]+", plain(text).replace("n't", " n't"))
    return sum(word in _NEGATIONS or word == "n't" for word in words) % 2 == 1


def _in_brackets(header: str) -> list[str]:
    """Return what stands in the brackets at the end of a heading, as in a grid: ``How far do you agree? [Row]``."""
    if not header.rstrip().endswith("]"):
        return []
    end = header.rindex("]")
    return [header[at + 1 : end] for at, sign in enumerate(header) if sign == "["]


def alike(text: str, names: Mapping[str, str]) -> list[tuple[str, float]]:
    """Return the columns whose texts are most like a text, with the likeness."""
    words = plain(text)
    # Those that share most words are compared letter by letter; all of them would take a minute.
    own = set(words.split())
    likely = sorted(names, key=lambda each: -len(own & set(each.split())))[:_COMPARED]
    near = difflib.get_close_matches(words, likely, n=MANY, cutoff=_GUESSED)
    found = [(names[each], difflib.SequenceMatcher(None, each, words).ratio()) for each in near]
    return list({name: (name, likeness) for name, likeness in reversed(found)}.values())[::-1]


def one_line(text: str) -> str:
    """Return a text as it may stand behind the sign of a comment."""
    return " ".join("".join(sign if sign.isprintable() else " " for sign in text).split())


def quoted(text: str) -> str:
    """Return a TOML string."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
