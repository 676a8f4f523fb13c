"""A questionnaire as a survey platform asks it: pages of questions in their order, in every language.

Every writer of a platform takes this and nothing else, so that all platforms ask the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import numpy as np

from instrument.definition import Instrument, Item, Question, ResponseScale, ScoreRule, Text

Aspect = Literal[
    "texts",
    "codes",
    "languages",
    "required",
    "off_scale",
    "branching",
    "layout",
    "order",
    "scores",
    "stamp",
    "banner",
]
ASPECTS: tuple[Aspect, ...] = get_args(Aspect)
# Keys that somebody types or a link fills in; all other system questions are known to the platform or fixed.
_ASKED_KEYS = ("organisation", "team")


@dataclass(frozen=True, kw_only=True)
class Loss:
    """What a platform's file cannot hold of a survey, in a sentence.

    ``where`` names what it is about: ids of questions, pages or scores, or "title" and "banner"; there the file may hold
    something else. Empty: it is about the whole aspect, which is then absent or partly so, but never wrong.
    """

    aspect: Aspect
    what: str
    where: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Choice:
    """An answer to choose; `reason` says why it stands beside the scale ("dont_know" …), else None."""

    code: str
    label: Text
    reason: str | None = None


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One question. `forms` are those of the survey's forms that ask it (all of them: it is always asked).

    ``kind``: "single" (one of `choices`), "several" (any of them) or "text". ``role`` is "item", "form" or the role of
    a question; ``scale`` the id of its response scale.
    """

    id: str
    text: Text
    kind: Literal["single", "several", "text"]
    choices: tuple[Choice, ...]
    required: bool
    forms: tuple[str, ...]
    role: str
    scale: str | None


@dataclass(frozen=True, kw_only=True)
class Page:
    """Questions that stand together. `matrix`: they share their answers and may be shown as one grid.

    ``id`` obeys the naming rule and is no id of a question. ``kind`` is "about" (form, organisation, team), "before",
    "items", or the role of the questions. ``number`` is its place among the pages of items ("3/11"), else "".
    """

    id: str
    kind: str
    number: str
    questions: tuple[Asked, ...]

    @property
    def matrix(self) -> bool:
        """Whether the questions can stand in one grid: at least two, one answer each, from the same choices."""
        first = self.questions[0]
        return len(self.questions) > 1 and all(
            question.kind == "single" and question.scale == first.scale and question.choices == first.choices
            for question in self.questions
        )


@dataclass(frozen=True, kw_only=True)
class Survey:
    """One or several forms of a questionnaire, ready to be asked; made by `build_survey`.

    Attributes
    ----------
    instrument : Instrument
    forms : tuple of str
        Ids of the forms; empty where the definition has none. With several, the first page asks `form`.
    languages : tuple of str
        The first is the one that the survey opens in.
    pages : tuple of Page
    scores : tuple of ScoreRule
        The scores that at least one of the forms gets, in the definition's order.
    constants : mapping
        Column → value, the same for everyone: `version`, `form` (of a survey with one), `wave` where it was given.
    planning : bool
        Whether the programme is still being planned: only then are answers such as "not started yet" offered.
    seed : int or None
        Of the order of the pages of items; None is the definition's order.
    """

    instrument: Instrument
    forms: tuple[str, ...]
    languages: tuple[str, ...]
    pages: tuple[Page, ...]
    scores: tuple[ScoreRule, ...]
    constants: Mapping[str, str]
    planning: bool
    seed: int | None

    @property
    def name(self) -> str:
        """A short name for files and forms: `pwiq_p`, `pwiq_p_c_m`."""
        return "_".join([self.instrument.id, *(form.lower() for form in self.forms)]).replace("-", "_")

    @property
    def stamp(self) -> str:
        """What the file was made from: `pwiq 0.2.0 form P order definition sha256:0123456789abcdef`."""
        parts = [self.instrument.id, self.instrument.version]
        if self.forms:
            parts += ["form", "+".join(self.forms)]
        parts += ["order", "definition" if self.seed is None else f"seed-{self.seed}"]
        return " ".join([*parts, f"sha256:{self.instrument.digest[:16]}"])

    @property
    def banner(self) -> Text:
        """The sentence that says the questionnaire is a draft; empty for a validated one."""
        return self.instrument.banner if self.instrument.status == "draft" else Text()

    def statements(self) -> dict[str, Text]:
        """Return what is only read, by its name in the definition; what is empty or not needed is left out."""
        asked = self.instrument
        said = {"banner": self.banner, "instructions": asked.instructions, "rule": asked.rule}
        if any(page.kind == "code" for page in self.pages):
            said["code_instructions"] = asked.code_instructions
        return {name: text for name, text in said.items() if text}

    def questions(self) -> Iterator[Asked]:
        """Yield every question in the order in which it is asked."""
        for page in self.pages:
            yield from page.questions

    def forms_of(self, page: Page) -> tuple[str, ...]:
        """Return the forms that ask at least one question of a page, in the survey's order."""
        return tuple(form for form in self.forms if any(form in question.forms for question in page.questions))

    @property
    def has_off_scale(self) -> bool:
        """Whether a question with one answer offers answers beside its scale."""
        return any(
            choice.reason for question in self.questions() if question.kind == "single" for choice in question.choices
        )

    @property
    def required_among_others(self) -> tuple[str, ...]:
        """Required questions in grids where others are not: most platforms require a grid as a whole or not at all."""
        grids = [page.questions for page in self.pages if page.matrix]
        mixed = [questions for questions in grids if not all(question.required for question in questions)]
        return tuple(question.id for questions in mixed for question in questions if question.required)

    def title(self) -> Text:
        """Return the title of the questionnaire, with that of the form where there is one."""
        whole = self.instrument.title
        form = self.instrument.forms[self.forms[0]].title if len(self.forms) == 1 else None
        return Text(
            tuple(
                (language, whole[language] if form is None else f"{whole[language]}: {form[language]}")
                for language in self.languages
            )
        )


def build_survey(
    instrument: Instrument,
    *,
    forms: Sequence[str] = (),
    languages: Sequence[str] | None = None,
    follow_up: bool = False,
    switched_on: Sequence[str] = (),
    planning: bool = False,
    seed: int | None = None,
    wave: int | None = None,
) -> Survey:
    """Lay a questionnaire out as a survey.

    Parameters
    ----------
    instrument : Instrument
    forms : sequence of str
        Ids of the forms that it holds; default: the definition's first (none where it has none). With several, the
        first question asks which form is the respondent's, and the others depend on the answer.
    languages : sequence of str, optional
        Default: all of the definition. The survey opens in the first.
    follow_up : bool, default False
        Whether to ask what is asked from the second wave on.
    switched_on : sequence of str
        Ids of questions that are asked only if they are switched on.
    planning : bool, default False
        Whether the programme is still being planned (offers "not started yet").
    seed : int, optional
        Shuffle the pages of items by this seed, the same for everyone; default: the definition's order.
    wave : int, optional
        Number of the measurement occasion, stored with every answer.

    Returns
    -------
    Survey

    Raises
    ------
    ValueError
        If a form, language or question is unknown or named twice, or the wave is not a number from 1 to 999.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> survey = build_survey(read_instrument("pwiq"), forms=["C"])
    >>> survey.name, [page.id for page in survey.pages][:3], survey.pages[2].matrix
    ('pwiq_c', ['pageabout', 'pagebefore', 'pagerole'], True)
    """
    chosen = _chosen(forms or instrument.forms.ids[:1], instrument.forms.ids, "form")
    spoken = _chosen(instrument.languages if languages is None else languages, instrument.languages, "language")
    off = tuple(question.id for question in instrument.questions if question.asked == "off")
    asked_too = _chosen(switched_on, off, "question that can be switched on")
    if not spoken:
        raise ValueError(f"a survey needs a language; {instrument.id} has {', '.join(instrument.languages)}")
    if wave is not None and not 1 <= wave <= 999:
        raise ValueError(f"wave must be a number from 1 to 999; got {wave}")
    layout = _Layout(instrument, chosen, follow_up, asked_too, planning)
    item_pages = layout.item_pages(seed)
    pages = (*layout.opening_pages(), *item_pages, *layout.closing_pages())
    constants = {"version": instrument.version}
    if len(chosen) == 1:
        constants["form"] = chosen[0]
    if wave is not None:
        constants["wave"] = str(wave)
    return Survey(
        instrument=instrument,
        forms=chosen,
        languages=spoken,
        pages=pages,
        scores=tuple(rule for rule in instrument.scores if _is_scored(rule, instrument, chosen)),
        constants=constants,
        planning=planning,
        seed=seed,
    )


def _chosen(wanted: Sequence[str], known: Sequence[str], what: str) -> tuple[str, ...]:
    unknown = [each for each in wanted if each not in known]
    if unknown or len(set(wanted)) < len(wanted):
        wrong = ", ".join(map(repr, unknown)) or "one is named twice"
        raise ValueError(f"{wrong}: not a {what}; choose among {', '.join(known) or 'none'}, each once")
    return tuple(wanted)


def _is_scored(rule: ScoreRule, instrument: Instrument, forms: Sequence[str]) -> bool:
    if not forms:
        return True
    return any(not instrument.forms[form].is_short or rule.short is not None for form in forms)


class _Layout:
    """Puts questions on pages."""

    def __init__(
        self,
        instrument: Instrument,
        forms: tuple[str, ...],
        follow_up: bool,
        switched_on: tuple[str, ...],
        planning: bool,
    ) -> None:
        self.instrument = instrument
        self.forms = forms
        self.follow_up = follow_up
        self.switched_on = switched_on
        self.planning = planning
        self.taken = {*instrument.items.ids, *instrument.questions.ids, *(rule.export for rule in instrument.scores)}

    def opening_pages(self) -> Iterator[Page]:
        about = [self._form()] if len(self.forms) > 1 else []
        about += [self._question(question) for question in self._questions() if question.id in _ASKED_KEYS]
        before = [question for question in self._questions() if question.before_items]
        yield from self._page("about", "about", about)
        yield from self._page("before", "before", [self._question(question) for question in before])

    def item_pages(self, seed: int | None) -> Iterator[Page]:
        instrument = self.instrument
        blocks = [
            [self._item(item) for item in instrument.items if item.subscale == subscale.id and self._asks(item.forms)]
            for subscale in instrument.subscales
        ]
        named = [(s.id, block) for s, block in zip(instrument.subscales, blocks, strict=True) if block]
        if seed is not None:
            order = np.random.default_rng(seed).permutation(len(named))
            named = [named[at] for at in order]
        for place, (subscale, block) in enumerate(named, start=1):
            yield from self._page(subscale, "items", block, number=f"{place}/{len(named)}")

    def closing_pages(self) -> Iterator[Page]:
        roles = ("importance", "difficulty", "global", "anchor", "exposure", "background", "open", "code")
        for role in roles:
            questions = [q for q in self._questions() if q.role == role and not q.before_items]
            yield from self._page(role, role, [self._question(question) for question in questions])

    def _page(self, name: str, kind: str, questions: Sequence[Asked], *, number: str = "") -> Iterator[Page]:
        if questions:
            yield Page(id=self._free(f"page{name}"[:15]), kind=kind, number=number, questions=tuple(questions))

    def _free(self, name: str) -> str:
        """Return the name, or the first like it that is no id."""
        tries = (name, *(f"{name[: 15 - len(str(n))]}{n}" for n in range(2, 1000)))
        free = next(each for each in tries if each not in self.taken)
        self.taken.add(free)
        return free

    def _questions(self) -> Iterator[Question]:
        for question in self.instrument.questions:
            wanted = {
                "always": True,
                "follow-up": self.follow_up or question.id in self.switched_on,
                "off": question.id in self.switched_on,
            }[question.asked]
            if wanted and self._asks(question.forms) and (question.role != "system" or question.id in _ASKED_KEYS):
                yield question

    def _asks(self, forms: Sequence[str]) -> bool:
        return not self.forms or bool(set(forms) & set(self.forms))

    def _asking(self, forms: Sequence[str]) -> tuple[str, ...]:
        return tuple(form for form in self.forms if form in forms)

    def _item(self, item: Item) -> Asked:
        return Asked(
            id=item.id,
            text=item.text,
            kind="single",
            choices=self._choices(self.instrument.response_scales[item.scale]),
            required=item.required,
            forms=self._asking(item.forms),
            role="item",
            scale=item.scale,
        )

    def _question(self, question: Question) -> Asked:
        scale = None if question.scale is None else self.instrument.response_scales[question.scale]
        return Asked(
            id=question.id,
            text=question.text,
            kind="text" if scale is None else "several" if question.multiple else "single",
            choices=() if scale is None else self._choices(scale),
            required=question.required,
            forms=self._asking(question.forms),
            role=question.role,
            scale=question.scale,
        )

    def _form(self) -> Asked:
        instrument = self.instrument
        text = instrument.form_question
        if not text:
            text = instrument.questions["form"].text if "form" in instrument.questions.ids else instrument.title
        return Asked(
            id="form",
            text=text,
            kind="single",
            choices=tuple(Choice(code=form, label=instrument.forms[form].title) for form in self.forms),
            required=True,  # which questions are asked depends on it
            forms=self.forms,
            role="form",
            scale=None,
        )

    def _choices(self, scale: ResponseScale) -> tuple[Choice, ...]:
        off = {each.code: each for each in scale.off_scale}
        return tuple(
            Choice(code=str(code), label=label, reason=off[code].reason if code in off else None)
            for code, label in scale.labels.items()
            if code not in off or off[code].only_while is None or self.planning
        )
