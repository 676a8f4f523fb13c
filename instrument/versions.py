"""What changed between two versions of a definition, and which scores can still be compared."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd

from instrument.definition import Instrument, Item, Question, ResponseScale, ScoreRule

EditKind = Literal["cosmetic", "order", "wording", "scale", "key", "removed", "added"]

SAME, NOT_COMPARABLE = "same", "not comparable"
# Edits after which the question is still the same question.
_HARMLESS = ("cosmetic", "order")
# So many unchanged items of each wording must be left (issue: at least 2 facilitators and 2 barriers); without
# wordings so many in all: what one factor can be told from.
FEWEST_EACH_WORDING, FEWEST_WITHOUT_WORDING = 2, 3
# Punctuation that says something; all other punctuation is cosmetic.
_MEANT = frozenset("%&#@/§")
_DASHES = frozenset("-−–—")
_APOSTROPHES = frozenset("'’‘`´")
_LONGEST = 60  # characters of a text in a printed table


@dataclass(frozen=True, kw_only=True)
class _Edit:
    """One difference; `items` are those of both versions whose answers it touches."""

    part: str
    id: str
    edit: EditKind
    what: str
    before: str = ""
    after: str = ""
    language: str = ""
    items: tuple[str, ...] = ()


def compare_versions(old: Instrument, new: Instrument) -> pd.DataFrame:
    """List every edit between two versions of a questionnaire, each with its kind.

    Parameters
    ----------
    old, new : Instrument

    Returns
    -------
    pandas.DataFrame
        One row an edit; index ``part`` (``item``, ``response scale``, ``score`` …) and ``id``. Columns: ``edit``,
        ``what`` (which property), ``language`` (of a text, else empty), ``before``, ``after``, and ``items``, how
        many items can no longer be compared because of it. ``edit`` is one of

        ``cosmetic``
            case, punctuation, blanks; titles and what respondents do not see.
        ``order``
            the same items in another order: reported, and does not stop a comparison.
        ``wording``
            a text that respondents read: an item, a label, the instructions (these touch every item).
        ``scale``
            codes, number of categories, answers beside the scale.
        ``key``
            how answers count and of whom they are asked: reversal, wording (facilitator or barrier), subscale,
            facet, forms, the rule of a score.
        ``removed``, ``added``

    Raises
    ------
    ValueError
        If they are not two versions of one questionnaire, or have no language in common.

    Examples
    --------
    >>> from dataclasses import replace
    >>> from instrument import read_instrument
    >>> from instrument.definition import Catalogue, Text
    >>> old = read_instrument("pwiq")
    >>> first = replace(old.items[0], text=Text((("en", "Another question."),)))
    >>> new = replace(old, items=Catalogue((first, *old.items[1:])))
    >>> compare_versions(old, new)[["edit", "language", "items"]].reset_index().values.tolist()
    [['item', 'roleaf', 'wording', 'en', 1]]
    """
    _check(old, new)
    rows = [
        (e.part, e.id, e.edit, e.what, e.language, e.before, e.after, 0 if e.edit in _HARMLESS else len(e.items))
        for e in _edits(old, new)
    ]
    names = ["part", "id", "edit", "what", "language", "before", "after", "items"]
    return pd.DataFrame(rows, columns=names).astype({"items": int}).set_index(["part", "id"])


def unchanged_items(old: Instrument, new: Instrument, *, language: str | None = None) -> tuple[str, ...]:
    """Return the ids of the items that both versions ask and count in the same way, in the old one's order.

    Parameters
    ----------
    old, new : Instrument
    language : str, optional
        The language in which people answered. Default: an item must be unchanged in every language that both
        versions have.

    Returns
    -------
    tuple of str
        May be empty. Cosmetic edits and another order leave an item unchanged.

    Raises
    ------
    ValueError
        As `compare_versions`; or if a version lacks the language.
    """
    _check(old, new, language)
    return _unchanged(old, new, list(_edits(old, new)), language)


def comparable_scores(old: Instrument, new: Instrument, *, language: str | None = None) -> pd.DataFrame:
    """Say of each score whether answers to the two versions can be compared.

    Parameters
    ----------
    old, new : Instrument
    language : str, optional
        As for `unchanged_items`.

    Returns
    -------
    pandas.DataFrame
        Index ``score``, those of the old version first. ``verdict``: "same", "comparable on the N unchanged items"
        (both files scored by one definition, on `unchanged_items`) or "not comparable"; ``items`` of either version
        that enter, ``unchanged`` of them, and the ``reason``.

    Raises
    ------
    ValueError
        As `unchanged_items`.

    Notes
    -----
    A score made of items stays comparable if as many unchanged items are left as its own rule asks to be valid, and
    at least 2 facilitators and 2 barriers where it has both (3 items where it has no wordings). A score made of scores
    stays comparable if as many of them do as its rule asks for; a difference or acquiescence needs both.
    """
    _check(old, new, language)
    edits = list(_edits(old, new))
    unchanged = frozenset(_unchanged(old, new, edits, language))
    rekeyed = {e.id for e in edits if e.part == "score" and e.edit == "key"}
    verdicts: dict[str, _Verdict] = {}
    for name in dict.fromkeys((*old.scores.ids, *new.scores.ids)):
        if name not in new.scores.ids or name not in old.scores.ids:
            lacking = "new" if name not in new.scores.ids else "old"
            verdicts[name] = _Verdict(reason=f"the {lacking} version has no such score")
        else:
            rules = (old.scores[name], new.scores[name])
            judge = _of_items if rules[0].items and rules[1].items else _of_scores
            verdicts[name] = judge(old, rules, unchanged, verdicts, rekeyed=name in rekeyed)
    rows = [(v.words, len(v.items), len(v.unchanged), v.reason) for v in verdicts.values()]
    index = pd.Index(list(verdicts), name="score")
    return pd.DataFrame(rows, columns=["verdict", "items", "unchanged", "reason"], index=index)


def enough_items(instrument: Instrument, items: Collection[str], of: Collection[str]) -> bool:
    """Whether some items can still stand for a subscale: 2 of each wording that it has, or 3 where it has none.

    Parameters
    ----------
    instrument : Instrument
    items : collection of str
        Ids of those that are left.
    of : collection of str
        Ids of all its items.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> pwiq = read_instrument("pwiq")
    >>> role = pwiq.scores["role"].items
    >>> enough_items(pwiq, role[:4], role), enough_items(pwiq, role[:3], role)
    (True, False)
    """
    wordings = {instrument.items[name].wording for name in of} - {None}
    if not wordings:
        return len(items) >= FEWEST_WITHOUT_WORDING
    return all(
        sum(instrument.items[name].wording == wording for name in items) >= FEWEST_EACH_WORDING for wording in wordings
    )


def versions_text(old: Instrument, new: Instrument) -> str:
    """Return both tables, the edits and the scores, as text to print.

    Parameters
    ----------
    old, new : Instrument

    Returns
    -------
    str

    Raises
    ------
    ValueError
        As `compare_versions`.
    """
    edits, scores = compare_versions(old, new), comparable_scores(old, new)
    head = f"{old.id} {old.version} and {new.version}"
    if edits.empty:
        return f"{head}: nothing was edited. Every score can be compared."
    shown = edits.assign(
        **{side: edits[side].map(lambda text: _short(" ".join(text.split()))) for side in ("before", "after")}
    )
    counts = ", ".join(f"{many} {kind}" for kind, many in edits["edit"].value_counts(sort=False).items())
    return "\n".join(
        [
            f"{head}: {len(edits)} edits ({counts})",
            "",
            shown.reset_index().to_string(index=False),
            "",
            "Which scores can be compared, if both files are scored by one definition:",
            "",
            scores.reset_index().to_string(index=False),
        ]
    )


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"


def _check(old: Instrument, new: Instrument, language: str | None = None) -> None:
    if old.id != new.id:
        raise ValueError(f"{old.id} and {new.id} are two questionnaires, not two versions of one: give two of one id")
    if not set(old.languages) & set(new.languages):
        raise ValueError(
            f"{old.id} {old.version} ({', '.join(old.languages)}) and {new.version} ({', '.join(new.languages)}) have no "
            "language in common: texts can be compared in one language only"
        )
    if language is not None and not {language} <= set(old.languages) & set(new.languages):
        raise ValueError(
            f"language {language!r} must be one that both versions have: "
            f"{', '.join(each for each in old.languages if each in new.languages)}"
        )


# Edits, part by part


def _edits(old: Instrument, new: Instrument) -> Iterator[_Edit]:
    shared = tuple(item.id for item in old.items if item.id in new.items.ids)
    yield from _head(old, new, shared)
    yield from _scales(old, new, shared)
    yield from _titles(old, new)
    yield from _items(old, new, shared)
    yield from _questions(old, new)
    yield from _scores(old, new)


def _head(old: Instrument, new: Instrument, shared: tuple[str, ...]) -> Iterator[_Edit]:
    for language in dict.fromkeys((*old.languages, *new.languages)):
        if (language in old.languages) != (language in new.languages):
            kind: EditKind = "removed" if language in old.languages else "added"
            yield _Edit(part="language", id=language, edit=kind, what="language")
    for what in ("title", "banner"):
        yield from _texts("questionnaire", old.id, what, getattr(old, what), getattr(new, what), seen=False)
    before, after = old.code_instructions, new.code_instructions
    yield from _texts("questionnaire", old.id, "code_instructions", before, after)
    for what in ("instructions", "rule"):
        yield from _texts("questionnaire", old.id, what, getattr(old, what), getattr(new, what), items=shared)
    for what in ("status", "licence", "negative_control"):
        yield from _value("questionnaire", old.id, "cosmetic", what, getattr(old, what), getattr(new, what))


def _scales(old: Instrument, new: Instrument, shared: tuple[str, ...]) -> Iterator[_Edit]:
    """Compare scales under their ids; one that items now take from another id is compared with the item."""
    for name in dict.fromkeys((*old.response_scales.ids, *new.response_scales.ids)):
        if name not in old.response_scales.ids or name not in new.response_scales.ids:
            kind: EditKind = "removed" if name in old.response_scales.ids else "added"
            yield _Edit(part="response scale", id=name, edit=kind, what="response scale")
            continue
        users = tuple(each for each in shared if old.items[each].scale == name == new.items[each].scale)
        before, after = old.response_scales[name], new.response_scales[name]
        yield from _scale("response scale", name, before, after, users)


def _scale(part: str, name: str, old: ResponseScale, new: ResponseScale, items: tuple[str, ...]) -> Iterator[_Edit]:
    for what in ("codes", "ordered"):
        yield from _value(part, name, "scale", what, getattr(old, what), getattr(new, what), items)
    beside = [[(off.code, off.reason, off.only_while) for off in scale.off_scale] for scale in (old, new)]
    yield from _value(part, name, "scale", "off_scale", beside[0], beside[1], items)
    for code in old.labels:
        if code in new.labels:
            yield from _texts(part, name, f"label of {code}", old.labels[code], new.labels[code], items=items)


def _titles(old: Instrument, new: Instrument) -> Iterator[_Edit]:
    for part, section in (("subscale", "subscales"), ("form", "forms")):
        before, after = getattr(old, section), getattr(new, section)
        for name in dict.fromkeys((*before.ids, *after.ids)):
            if name not in before or name not in after:
                yield _Edit(part=part, id=name, edit="removed" if name in before else "added", what=part)
                continue
            yield from _texts(part, name, "title", before[name].title, after[name].title, seen=False)
            if part == "subscale":
                yield from _texts(part, name, "construct", before[name].construct, after[name].construct, seen=False)
            else:
                yield from _value(part, name, "key", "short_of", before[name].short_of, after[name].short_of)


def _items(old: Instrument, new: Instrument, shared: tuple[str, ...]) -> Iterator[_Edit]:
    for name in dict.fromkeys((*old.items.ids, *new.items.ids)):
        if name not in shared:
            before, after = (
                next(iter(each.items[name].text.values()), "") if name in each.items.ids else "" for each in (old, new)
            )
            kind: EditKind = "removed" if name in old.items.ids else "added"
            yield _Edit(part="item", id=name, edit=kind, what="item", before=before, after=after)
            continue
        yield from _item(old, new, old.items[name], new.items[name])
    order = tuple(name for name in new.items.ids if name in shared)
    if order != shared:
        yield _Edit(part="questionnaire", id=old.id, edit="order", what="order of the items")


def _item(old: Instrument, new: Instrument, before: Item, after: Item) -> Iterator[_Edit]:
    own = (before.id,)
    yield from _texts("item", before.id, "text", before.text, after.text, items=own)
    if before.scale != after.scale:
        scales = old.response_scales[before.scale], new.response_scales[after.scale]
        yield from _scale("item", before.id, *scales, own)
        yield from _value("item", before.id, "cosmetic", "scale's name", before.scale, after.scale)
    for what in ("reverse", "wording", "subscale", "facet"):
        yield from _value("item", before.id, "key", what, getattr(before, what), getattr(after, what), own)
    # Forms that only one version has are no edit of the item.
    asked = [
        [form for form in item.forms if form in old.forms.ids and form in new.forms.ids] for item in (before, after)
    ]
    yield from _value("item", before.id, "key", "forms", asked[0], asked[1], own)
    yield from _value("item", before.id, "cosmetic", "sources", before.sources, after.sources)


def _questions(old: Instrument, new: Instrument) -> Iterator[_Edit]:
    for name in dict.fromkeys((*old.questions.ids, *new.questions.ids)):
        if name not in old.questions.ids or name not in new.questions.ids:
            kind: EditKind = "removed" if name in old.questions.ids else "added"
            yield _Edit(part="question", id=name, edit=kind, what="question")
            continue
        before, after = old.questions[name], new.questions[name]
        yield from _texts("question", name, "text", before.text, after.text)
        yield from _question_scale(old, new, before, after)
        for what in ("role", "multiple", "subscale", "forms", "asked"):
            yield from _value("question", name, "key", what, getattr(before, what), getattr(after, what))
        for what in ("risk", "note"):
            yield from _value("question", name, "cosmetic", what, getattr(before, what), getattr(after, what))


def _question_scale(old: Instrument, new: Instrument, before: Question, after: Question) -> Iterator[_Edit]:
    if before.scale is not None and after.scale is not None and before.scale != after.scale:
        yield from _scale(
            "question", before.id, old.response_scales[before.scale], new.response_scales[after.scale], ()
        )
    elif (before.scale is None) != (after.scale is None):
        yield from _value("question", before.id, "scale", "scale", before.scale, after.scale)


def _scores(old: Instrument, new: Instrument) -> Iterator[_Edit]:
    for name in dict.fromkeys((*old.scores.ids, *new.scores.ids)):
        if name not in old.scores.ids or name not in new.scores.ids:
            kind: EditKind = "removed" if name in old.scores.ids else "added"
            yield _Edit(part="score", id=name, edit=kind, what="score")
            continue
        before, after = old.scores[name], new.scores[name]
        yield from _texts("score", name, "title", before.title, after.title, seen=False)
        yield from _value("score", name, "cosmetic", "export", before.export, after.export)
        yield from _value("score", name, "cosmetic", "kind", before.kind, after.kind)
        yield from _rule("score", name, before, after, old, new)
        if before.short is not None and after.short is not None:
            yield from _rule("score", name, before.short, after.short, old, new, prefix="short: ")
        else:
            yield from _value("score", name, "key", "short", before.short is not None, after.short is not None)


def _rule(
    part: str, name: str, before: ScoreRule, after: ScoreRule, old: Instrument, new: Instrument, *, prefix: str = ""
) -> Iterator[_Edit]:
    for what in ("rule", "wording", "of", "minimum", "minimum_each_wording", "higher"):
        yield from _value(part, name, "key", prefix + what, getattr(before, what), getattr(after, what))
    # Items that were removed or added are edits of their own.
    entering = [
        sorted(item for item in rule.items if item in old.items.ids and item in new.items.ids)
        for rule in (before, after)
    ]
    yield from _value(part, name, "key", prefix + "items", entering[0], entering[1])


def _value(
    part: str, name: str, kind: EditKind, what: str, before: object, after: object, items: tuple[str, ...] = ()
) -> Iterator[_Edit]:
    if before != after:
        told = (_told(before), _told(after))
        yield _Edit(part=part, id=name, edit=kind, what=what, before=told[0], after=told[1], items=items)


def _told(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return ", ".join(_told(each) if not isinstance(each, tuple) else " ".join(map(_told, each)) for each in value)
    return str(value)


def _texts(
    part: str,
    name: str,
    what: str,
    old: Mapping[str, str],
    new: Mapping[str, str],
    *,
    items: tuple[str, ...] = (),
    seen: bool = True,
) -> Iterator[_Edit]:
    """Compare a text in each language that both have it in; ``seen``: respondents read it as part of the question."""
    for language in dict.fromkeys((*old, *new)):
        before, after = old.get(language), new.get(language)
        if before == after or ((before is None or after is None) and not _one_sided(old, new)):
            continue
        before, after = before or "", after or ""
        cosmetic = not seen or _words(before) == _words(after)
        kind: EditKind = "cosmetic" if cosmetic else "wording"
        yield _Edit(
            part=part, id=name, edit=kind, what=what, before=before, after=after, language=language, items=items
        )


def _one_sided(old: Mapping[str, str], new: Mapping[str, str]) -> bool:
    """Whether a text was given where there was none: not so where only a language came or went."""
    return not old or not new


def _words(text: str) -> tuple[str, ...]:
    """Return what a text says, without case, punctuation and blanks. Signs (<, %, a minus before a number) are kept."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    kept = []
    for at, sign in enumerate(plain):
        if sign in _DASHES:
            minus = plain[at + 1 : at + 2].isdigit() and not plain[max(at - 1, 0) : at].strip()
            kept.append(" -" if minus else " ")
        elif sign in _APOSTROPHES:
            continue
        elif unicodedata.category(sign)[0] in "LMN":
            kept.append(sign)
        elif unicodedata.category(sign)[0] == "S" or sign in _MEANT:
            kept.append(f" {sign} ")
        else:
            kept.append(" ")
    return tuple(re.split(r"\s+", "".join(kept).strip()))


# What can still be compared


@dataclass(frozen=True, kw_only=True)
class _Verdict:
    """Items of either version that enter a score, those that are unchanged, and whether it can be compared."""

    items: frozenset[str] = frozenset()
    unchanged: frozenset[str] = frozenset()
    same: bool = False
    holds: bool = False
    reason: str = ""

    @property
    def words(self) -> str:
        if self.same:
            return SAME
        many = len(self.unchanged)
        return f"comparable on the {many} unchanged items" if self.holds else NOT_COMPARABLE


def _unchanged(old: Instrument, new: Instrument, edits: Sequence[_Edit], language: str | None) -> tuple[str, ...]:
    touched = {
        name
        for e in edits
        if e.edit not in _HARMLESS and e.language in ("", language or e.language)
        for name in e.items
    }
    return tuple(name for name in old.items.ids if name in new.items.ids and name not in touched)


def _of_items(
    old: Instrument,
    rules: tuple[ScoreRule, ScoreRule],
    unchanged: frozenset[str],
    verdicts: Mapping[str, _Verdict],  # noqa: ARG001 - the same call for both kinds of score
    *,
    rekeyed: bool,
) -> _Verdict:
    entering = frozenset(rules[0].items) | frozenset(rules[1].items)
    left = unchanged & frozenset(rules[0].items) & frozenset(rules[1].items)
    asked = max(rule.required(len(rule.items)) for rule in rules)
    holds = len(left) >= asked and enough_items(old, left, rules[0].items)
    changed = len(entering) - len(left)
    reasons = [f"{changed} of {len(entering)} items are changed, new or gone"] if changed else []
    reasons += ["its rule was changed: score both files by one definition"] if rekeyed else []
    reasons += [] if holds else [f"{len(left)} unchanged items are too few for it"]
    return _Verdict(
        items=entering, unchanged=left, same=not changed and not rekeyed, holds=holds, reason="; ".join(reasons)
    )


def _of_scores(
    old: Instrument,  # noqa: ARG001 - the same call for both kinds of score
    rules: tuple[ScoreRule, ScoreRule],
    unchanged: frozenset[str],  # noqa: ARG001
    verdicts: Mapping[str, _Verdict],
    *,
    rekeyed: bool,
) -> _Verdict:
    names = dict.fromkeys((*rules[0].of, *rules[1].of))
    parts = {name: verdicts[name] for name in names if name in verdicts}
    in_both = [name for name in names if name in rules[0].of and name in rules[1].of]
    holding = [name for name in in_both if parts[name].same or parts[name].holds]
    asked = max(len(rule.of) if rule.rule != "mean_of_scores" else rule.required(len(rule.of)) for rule in rules)
    holds = bool(holding) and len(holding) >= asked
    same = not rekeyed and all(part.same for part in parts.values())
    changed = [name for name in names if name not in holding or not parts[name].same]
    reasons = [f"changed: {', '.join(changed)}"] if changed else []
    reasons += ["its rule was changed: score both files by one definition"] if rekeyed else []
    reasons += [] if holds else [f"{len(holding)} of its {len(names)} scores can be compared, and it needs {asked}"]
    return _Verdict(
        items=frozenset().union(*(part.items for part in parts.values())),
        unchanged=frozenset().union(*(parts[name].unchanged for name in holding)),
        same=same,
        holds=holds,
        reason="; ".join(reasons),
    )
