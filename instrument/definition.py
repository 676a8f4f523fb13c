"""A questionnaire: what it asks, of whom, and how it is scored. Frozen, and free of contradictions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from pathlib import Path
from typing import Generic, Protocol, TypeVar, overload

from instrument.contradictions import contradictions
from instrument.definition_file import (
    DefinitionFile,
    DefinitionTables,
    InstrumentError,
    ItemTable,
    ScaleTable,
    ScoreTable,
    TranslationTable,
    load_definition,
)

__all__ = [
    "ActionFamily",
    "Catalogue",
    "Facet",
    "Form",
    "Instrument",
    "InstrumentError",
    "Item",
    "Labels",
    "OffScale",
    "Question",
    "ResponseScale",
    "ScoreRule",
    "Signal",
    "Source",
    "Subscale",
    "Text",
    "Translation",
    "read_instrument",
]


class _HasId(Protocol):
    @property
    def id(self) -> str: ...


Entry = TypeVar("Entry", bound=_HasId)


class Catalogue(tuple[Entry, ...], Generic[Entry]):
    """A tuple of things with ids, which also finds them by id.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> items = read_instrument("pwiq").items
    >>> "roleaf" in items, items["roleaf"].subscale, len(items)
    (True, 'role', 66)
    """

    __slots__ = ()

    @overload  # type: ignore[override]
    def __getitem__(self, key: str | int) -> Entry: ...
    @overload
    def __getitem__(self, key: slice) -> tuple[Entry, ...]: ...
    def __getitem__(self, key: str | int | slice) -> Entry | tuple[Entry, ...]:
        """Return the entry at a position or with an id, or a slice."""
        if not isinstance(key, str):
            return super().__getitem__(key)
        for entry in self:
            if entry.id == key:
                return entry
        raise KeyError(f"{key!r} is not one of {', '.join(self.ids)}")

    def __contains__(self, key: object) -> bool:
        return key in self.ids if isinstance(key, str) else super().__contains__(key)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids, in order."""
        return tuple(entry.id for entry in self)


@dataclass(frozen=True)
class Text(Mapping[str, str]):
    """A text in each language: language → text. Hashable, and cannot be changed."""

    pairs: tuple[tuple[str, str], ...] = ()

    def __getitem__(self, language: str) -> str:
        return dict(self.pairs)[language]

    def __iter__(self) -> Iterator[str]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True)
class Labels(Mapping[int, Text]):
    """The label of each code: code → text. Hashable, and cannot be changed."""

    pairs: tuple[tuple[int, Text], ...]

    def __getitem__(self, code: int) -> Text:
        return dict(self.pairs)[code]

    def __iter__(self) -> Iterator[int]:
        return iter(dict(self.pairs))

    def __len__(self) -> int:
        return len(self.pairs)


@dataclass(frozen=True, kw_only=True)
class OffScale:
    """An answer beside the scale, such as "don't know"; kept apart from blanks."""

    code: int
    reason: str
    label: Text
    only_while: str | None


@dataclass(frozen=True, kw_only=True)
class ResponseScale:
    """The answers to choose from: `codes` on the scale, `off_scale` beside it."""

    id: str
    codes: tuple[int, ...]
    off_scale: tuple[OffScale, ...]
    ordered: bool
    labels: Labels

    @property
    def low(self) -> int:
        """The lowest code."""
        return self.codes[0]

    @property
    def high(self) -> int:
        """The highest code."""
        return self.codes[-1]


@dataclass(frozen=True, kw_only=True)
class Facet:
    """One aspect of a subscale; asked once as a facilitator and once as a barrier."""

    id: str
    title: Text
    both_true: str


@dataclass(frozen=True, kw_only=True)
class Subscale:
    """A construct and its facets."""

    id: str
    title: Text
    construct: Text
    phase: str | None
    level: tuple[str, ...]
    themes: tuple[str, ...]
    facets: Catalogue[Facet]


@dataclass(frozen=True, kw_only=True)
class Form:
    """The questionnaire as one kind of respondent gets it; `who` is "peers", "colleagues", "managers" or not said."""

    id: str
    title: Text
    who: str | None
    without: tuple[str, ...]
    short_of: str | None

    @property
    def is_short(self) -> bool:
        """Whether this form asks only the items marked short."""
        return self.short_of is not None


@dataclass(frozen=True, kw_only=True)
class Source:
    """The theme that an item answers, and the phrase of the source document."""

    theme: str
    phrase: str
    via: str = ""


@dataclass(frozen=True, kw_only=True)
class Item:
    """One scored item."""

    id: str
    text: Text
    subscale: str
    facet: str | None
    wording: str | None
    reverse: bool
    forms: tuple[str, ...]
    short_form: bool
    scale: str
    required: bool
    sources: tuple[Source, ...]


@dataclass(frozen=True, kw_only=True)
class Question:
    """A question that is asked or recorded but enters no score."""

    id: str
    text: Text
    role: str
    scale: str | None
    multiple: bool
    subscale: str | None
    forms: tuple[str, ...]
    asked: str
    before_items: bool
    required: bool
    risk: str | None
    note: str


@dataclass(frozen=True, kw_only=True)
class ScoreRule:
    """How one score is made. `items` are the ids that enter; `short` is the rule on short forms, if any."""

    id: str
    title: Text
    kind: str
    export: str
    rule: str
    items: tuple[str, ...]
    wording: str | None
    of: tuple[str, ...]
    minimum: int | tuple[int, int]
    minimum_each_wording: int
    higher: str
    short: ScoreRule | None = None

    def required(self, asked: int) -> int:
        """Return how many of `asked` must be valid; a fraction is rounded up in whole numbers.

        Examples
        --------
        >>> from instrument import read_instrument
        >>> rule = read_instrument("pwiq").scores["role"]
        >>> rule.required(6), rule.required(4)
        (4, 3)
        """
        if isinstance(self.minimum, int):
            return self.minimum
        numerator, denominator = self.minimum
        return -(-numerator * asked // denominator)


@dataclass(frozen=True, kw_only=True)
class ActionFamily:
    """What a team can do about the subscale of the same id; `themes` are those of the sources that it takes up."""

    id: str
    title: Text
    steps: tuple[Text, ...]
    themes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Signal:
    """A pattern of scores that is worth a talk, with its rule (see ``docs/definition.md``)."""

    id: str
    title: Text
    meaning: Text
    kind: str
    score: str | None
    high: str | None
    low: tuple[str, ...]
    points: float


@dataclass(frozen=True, kw_only=True)
class Translation:
    """How the texts of a language came about; `id` is the language. People are named by role.

    ``status`` is "draft" until somebody who is named by role has reviewed it; without a record it is "draft".
    """

    id: str
    status: str
    method: str
    translated_by: tuple[str, ...]
    translated: date | None
    reviewed_by: tuple[str, ...]
    reviewed: date | None


@dataclass(frozen=True, kw_only=True)
class Instrument:
    """A whole questionnaire; made by `read_instrument`.

    Attributes
    ----------
    id, version, status, licence : str
        ``status`` is "draft" or "validated".
    title, banner, instructions, rule, form_question, code_instructions : Text
        Language → text; ``form_question`` asks which form is the respondent's, where one survey holds several;
        ``code_instructions`` says why the letters of a code are asked.
    languages : tuple of str
    negative_control : tuple of str
        Facets on which no change is expected, named before there were data.
    response_scales, subscales, forms, items, questions, scores : Catalogue
        Tuples that also find an entry by its id. ``items`` are the scored items only.
    actions, signals : Catalogue
        What to do about a subscale, under its id, and patterns of scores worth a talk; often empty.
    digest : str
        SHA-256 of the definition's files, without the record of its translations.
    translations : Catalogue
        One `Translation` for each language but the first, which the others are made from.
    """

    id: str
    version: str
    status: str
    licence: str
    title: Text
    banner: Text
    instructions: Text
    rule: Text
    form_question: Text
    code_instructions: Text
    languages: tuple[str, ...]
    negative_control: tuple[str, ...]
    response_scales: Catalogue[ResponseScale]
    subscales: Catalogue[Subscale]
    forms: Catalogue[Form]
    items: Catalogue[Item]
    questions: Catalogue[Question]
    scores: Catalogue[ScoreRule]
    actions: Catalogue[ActionFamily]
    signals: Catalogue[Signal]
    digest: str = field(repr=False)
    translations: Catalogue[Translation] = field(default_factory=Catalogue)

    @property
    def full_forms(self) -> tuple[str, ...]:
        """The ids of the forms that are not short forms."""
        return tuple(form.id for form in self.forms if not form.is_short)

    def forms_of(self, who: str) -> tuple[str, ...]:
        """Return the ids of the forms, short ones too, that "peers", "colleagues" or "managers" fill in.

        Examples
        --------
        >>> from instrument import read_instrument
        >>> read_instrument("pwiq").forms_of("peers")
        ('P', 'PS')
        """
        return tuple(form.id for form in self.forms if form.who == who)

    @property
    def common_items(self) -> tuple[str, ...]:
        """The ids of the items that every full form asks."""
        return tuple(item.id for item in self.items if set(self.full_forms) <= set(item.forms))

    @property
    def short_items(self) -> tuple[str, ...]:
        """The ids of the items of the short forms."""
        return tuple(item.id for item in self.items if item.short_form)

    @property
    def has_wordings(self) -> bool:
        """Whether items are worded as facilitators and barriers."""
        return any(item.wording for item in self.items)

    def asked_by(self, form: str | None) -> tuple[str, ...]:
        """Return the ids of the items that a form asks; all of them where there are no forms."""
        return tuple(item.id for item in self.items if not self.forms or form in item.forms)

    def subscale_items(self, items: tuple[str, ...] | None = None) -> dict[str, list[str]]:
        """Return subscale → ids of its items, out of `items` (default: all)."""
        chosen = set(self.items.ids if items is None else items)
        return {s.id: [i.id for i in self.items if i.subscale == s.id and i.id in chosen] for s in self.subscales}


def read_instrument(definition: str | Path) -> Instrument:
    """Read a definition and refuse it if it contradicts itself.

    Parameters
    ----------
    definition : str or path
        ``"pwiq"``, the path of a TOML file, or of a folder with ``NAME.toml`` and ``text.LANG.toml``.
        The format is specified in ``docs/definition.md``.

    Returns
    -------
    Instrument

    Raises
    ------
    FileNotFoundError
        If there is no such definition.
    InstrumentError
        If it breaks a rule; the message names every fault with file, line and key.

    Examples
    --------
    >>> instrument = read_instrument("pwiq")
    >>> len(instrument.items), len(instrument.asked_by("C")), len(instrument.short_items)
    (66, 58, 22)
    """
    file = load_definition(definition)
    faults = contradictions(file)
    if faults:
        raise InstrumentError(faults)
    return _build(file)


def _build(file: DefinitionFile) -> Instrument:
    tables = file.tables
    head = tables.instrument
    items = Catalogue(_item(name, table, tables) for name, table in tables.items.items())
    full = [name for name, form in tables.forms.items() if form.short_of is None]
    common = tuple(item.id for item in items if set(full) <= set(item.forms))
    return Instrument(
        id=head.id,
        version=head.version,
        status=head.status,
        licence=head.licence,
        title=_text(head.title),
        banner=_text(head.banner),
        instructions=_text(head.instructions),
        rule=_text(head.rule),
        form_question=_text(head.form_question),
        code_instructions=_text(head.code_instructions),
        languages=tuple(head.languages),
        negative_control=tuple(head.negative_control),
        response_scales=Catalogue(_scale(name, table) for name, table in tables.response_scales.items()),
        subscales=Catalogue(
            Subscale(
                id=name,
                title=_text(table.title),
                construct=_text(table.meaning),
                phase=table.phase,
                level=tuple(table.level),
                themes=tuple(table.themes),
                facets=Catalogue(
                    Facet(id=facet, title=_text(entry.title), both_true=entry.both_true)
                    for facet, entry in table.facets.items()
                ),
            )
            for name, table in tables.subscales.items()
        ),
        forms=Catalogue(
            Form(
                id=name,
                title=_text(table.title),
                who=tables.forms[table.short_of or name].who,
                without=tuple(table.without),
                short_of=table.short_of,
            )
            for name, table in tables.forms.items()
        ),
        items=items,
        questions=Catalogue(
            Question(
                id=name,
                text=_text(table.text),
                role=table.role,
                scale=table.scale,
                multiple=table.multiple,
                subscale=table.subscale,
                forms=tuple(table.forms) or tuple(tables.forms),
                asked=table.asked,
                before_items=table.before_items,
                required=table.required,
                risk=table.risk,
                note=table.note,
            )
            for name, table in tables.questions.items()
        ),
        scores=Catalogue(_score(name, table, items, common) for name, table in tables.scores.items()),
        actions=Catalogue(
            ActionFamily(id=name, title=_text(table.title), steps=_steps(table.steps), themes=tuple(table.themes))
            for name, table in tables.actions.items()
        ),
        signals=Catalogue(
            Signal(
                id=name,
                title=_text(table.title),
                meaning=_text(table.meaning),
                kind=table.kind,
                score=table.score,
                high=table.high,
                low=tuple(table.low),
                points=table.points,
            )
            for name, table in tables.signals.items()
        ),
        digest=file.digest,
        translations=Catalogue(
            _translation(language, tables.translations.get(language, TranslationTable()))
            for language in head.languages[1:]
        ),
    )


def _translation(language: str, table: TranslationTable) -> Translation:
    return Translation(
        id=language,
        status=table.status,
        method=table.method,
        translated_by=tuple(table.translated_by),
        translated=table.translated,
        reviewed_by=tuple(table.reviewed_by),
        reviewed=table.reviewed,
    )


def _text(table: Mapping[str, str]) -> Text:
    return Text(tuple(table.items()))


def _steps(table: Mapping[str, list[str]]) -> tuple[Text, ...]:
    """Return the first step in every language, then the second, and so on."""
    return tuple(Text(tuple(zip(table, texts, strict=True))) for texts in zip(*table.values(), strict=True))


def _item(name: str, table: ItemTable, tables: DefinitionTables) -> Item:
    facet = f"{table.subscale}{table.facet or ''}"
    forms = []
    for form_name, form in tables.forms.items():
        without = form.without if form.short_of is None else tables.forms[form.short_of].without
        if facet not in without and (form.short_of is None or table.short):
            forms.append(form_name)
    return Item(
        id=name,
        text=_text(table.text),
        subscale=table.subscale,
        facet=table.facet,
        wording=table.wording,
        reverse=table.reverse,
        forms=tuple(forms),
        short_form=table.short,
        scale=table.scale or str(tables.instrument.item_scale),
        required=table.required,
        sources=tuple(Source(theme=source.theme, phrase=source.phrase, via=source.via) for source in table.sources),
    )


def _scale(name: str, table: ScaleTable) -> ResponseScale:
    def label(code: int) -> Text:
        # A language that is not in use yet may lack a label.
        found = ((language, labels.get(str(code))) for language, labels in table.labels.items())
        return Text(tuple((language, text) for language, text in found if text is not None))

    return ResponseScale(
        id=name,
        codes=tuple(table.codes),
        off_scale=tuple(
            OffScale(code=off.code, reason=off.reason, label=label(off.code), only_while=off.only_while)
            for off in table.off_scale
        ),
        ordered=table.ordered,
        labels=Labels(tuple((code, label(code)) for code in [*table.codes, *(off.code for off in table.off_scale)])),
    )


def _score(name: str, table: ScoreTable, items: Catalogue[Item], common: tuple[str, ...]) -> ScoreRule:
    rule = ScoreRule(
        id=name,
        title=_text(table.title),
        kind=table.kind,
        export=table.export or name,
        rule=table.rule,
        items=_score_items(table, items, common),
        wording=table.wording,
        of=tuple(table.of),
        minimum=_minimum(table.minimum),
        minimum_each_wording=table.minimum_each_wording,
        higher=table.higher,
    )
    if table.short is None:
        return rule
    merged = table.model_copy(update=table.short.model_dump(exclude_none=True) | {"short": None})
    return replace(rule, short=_score(name, merged, items, common))


def _minimum(minimum: int | list[int]) -> int | tuple[int, int]:
    return minimum if isinstance(minimum, int) else (minimum[0], minimum[1])


def _score_items(table: ScoreTable, items: Catalogue[Item], common: tuple[str, ...]) -> tuple[str, ...]:
    if table.rule in ("mean_of_scores", "difference", "acquiescence"):
        return ()
    everything = not (table.subscales or table.facets or table.items)
    return tuple(
        item.id
        for item in items
        if (
            everything
            or item.subscale in table.subscales
            or f"{item.subscale}{item.facet}" in table.facets
            or item.id in table.items
        )
        and (not table.common or item.id in common)
        and (table.wording is None or item.wording == table.wording)
    )
