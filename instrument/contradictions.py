"""What may not stand together in a definition. Each check names every place that breaks it."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from instrument.definition_file import DefinitionFile, DefinitionTables, ScaleTable, ScoreTable, every_text

ID_RULE = re.compile(r"^[a-z][a-z0-9]{1,14}$")
SPSS_KEYWORDS = {"all", "and", "by", "eq", "ge", "gt", "le", "lt", "ne", "not", "or", "to", "with"}
# Columns that every file of answers may have; no item or score may bear their names.
FILE_COLUMNS = ("response", "person", "form", "wave", "organisation", "team", "programme")
_DERIVED = ("mean_of_scores", "difference", "acquiescence")
_FEWEST_STEPS, _MOST_STEPS = 2, 4  # of a family of actions: first steps, not a programme

_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")  # control characters but the line break

_Key = tuple[str, ...]
_Fault = tuple[_Key, str]


def contradictions(file: DefinitionFile) -> list[str]:
    """Return every fault of a definition, a line each with its place; none if it is sound."""
    tables = file.tables
    checks = (_ids, scale_faults, _forms, _items, _questions, _scores, _themes, _actions, _signals, _translations)
    faults = [file.places.fault(key, message) for each in checks for key, message in each(tables)]
    faults += [
        file.places.fault(key, message, language=language)
        for language in tables.instrument.languages
        for check in (_missing_texts, _signs)
        for key, message in check(tables, language)
    ]
    return faults


def _ids(tables: DefinitionTables) -> Iterator[_Fault]:
    seen: dict[str, str] = {}
    named = [("items", name) for name in tables.items] + [("questions", name) for name in tables.questions]
    for section, name in named:
        if not ID_RULE.match(name):
            yield (
                (section, name),
                f"{name!r} breaks the naming rule: a small letter, then 1 to 14 small letters or digits",
            )
        elif name in SPSS_KEYWORDS:
            yield (section, name), f"{name!r} is a reserved word of SPSS; choose another id"
        if name.lower() in seen:
            yield (
                (section, name),
                f"{name!r} and {seen[name.lower()]!r} are the same id but for case; rename one",
            )
        seen[name.lower()] = name
    for name in tables.items:
        if name in FILE_COLUMNS:
            yield ("items", name), f"{name!r} is a column of every file of answers; choose another id"
    yield from _columns_of_questions(tables, seen)
    exports: dict[str, str] = {}
    for name, score in tables.scores.items():
        export = score.export or name
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name) or name in FILE_COLUMNS or name.lower() in seen:
            yield (
                ("scores", name),
                f"{name!r} cannot name a score: small letters, digits and _, and no item, question or file column of this name",
            )
        if not ID_RULE.match(export) or export in SPSS_KEYWORDS:
            yield ("scores", name), f"{export!r} breaks the naming rule for exports; add a short `export` id"
        if export in exports:
            yield ("scores", name), f"{export!r} is also the export id of {exports[export]!r}"
        exports[export] = name


def _columns_of_questions(tables: DefinitionTables, ids: dict[str, str]) -> Iterator[_Fault]:
    """Check that no column of a question with several answers (one for each code) is another id."""
    for name, question in tables.questions.items():
        scale = tables.response_scales.get(question.scale or "")
        if not question.multiple or scale is None:
            continue
        for code in [*scale.codes, *(off.code for off in scale.off_scale)]:
            if (column := f"{name}{code}") in ids:
                yield ("questions", name), f"its column {column!r} is also the id of an item or question; rename one"


def scale_faults(tables: DefinitionTables) -> Iterator[_Fault]:
    """Yield what is wrong with response scales and their labels."""
    default = tables.instrument.item_scale
    if default is not None and default not in tables.response_scales:
        yield ("instrument", "item_scale"), _unknown(default, "a response scale", tables.response_scales)
    for name, scale in tables.response_scales.items():
        key = ("response_scales", name)
        if scale.codes != sorted(set(scale.codes)):
            yield (*key, "codes"), f"codes must rise and be different; found {scale.codes}"
        every = [*scale.codes, *(off.code for off in scale.off_scale)]
        for twice in sorted({code for code in every if every.count(code) > 1}):
            yield (*key, "codes"), f"code {twice} is used twice"
        for language, labels in scale.labels.items():
            for code in sorted(set(labels) - {str(code) for code in every}):
                yield (*key, "labels"), f"a label in {language!r} for {code!r}, which is no code of the scale"
            for code, label in labels.items():
                if label.strip() != code and label.strip() in map(str, every):
                    yield (
                        (*key, "labels"),
                        f"the label {label!r} of code {code} in {language!r} would be read as code {label.strip()}",
                    )
            shown = [_as_read(label) for label in labels.values()]
            for label in sorted({label for label in shown if shown.count(label) > 1}):
                yield (*key, "labels"), f"two codes have the same label {label!r} in {language!r}"
        yield from (((*key, "labels"), message) for message in _labels_of_two_codes(scale))


def _labels_of_two_codes(scale: ScaleTable) -> Iterator[str]:
    """Name labels that mean one code here and another there: an answer may be read from its label in any language."""
    meant: dict[str, tuple[str, str]] = {}
    for language, labels in scale.labels.items():
        for code, label in labels.items():
            known, first = meant.setdefault(_as_read(label), (code, language))
            if code != known and language != first:
                yield (
                    f"the label {label!r} means code {code} in {language!r} and code {known} in {first!r}; an answer "
                    "could be read as either"
                )


def _as_read(label: str) -> str:
    """Return a label without what a reader of answers ignores: case, blanks around it, the kind of apostrophe."""
    return unicodedata.normalize("NFC", label).replace("’", "'").strip().casefold()


def _forms(tables: DefinitionTables) -> Iterator[_Fault]:
    facets = {f"{name}{facet}" for name, subscale in tables.subscales.items() for facet in subscale.facets}
    for facet in tables.instrument.negative_control:
        if facet not in facets:
            yield ("instrument", "negative_control"), _unknown(facet, "a facet", sorted(facets))
    for name, form in tables.forms.items():
        for facet in form.without:
            if facet not in facets:
                yield ("forms", name, "without"), _unknown(facet, "a facet", sorted(facets))
        if form.short_of is not None:
            if form.short_of not in tables.forms:
                yield ("forms", name, "short_of"), _unknown(form.short_of, "a form", tables.forms)
            elif tables.forms[form.short_of].short_of is not None:
                yield ("forms", name, "short_of"), f"{form.short_of!r} is a short form itself"
            if form.without:
                yield (
                    ("forms", name, "without"),
                    "a short form leaves out what its full form leaves out; remove this key",
                )
            if form.who:
                yield ("forms", name, "who"), "a short form is filled in by those of its full form; remove this key"
    if len({name.lower() for name in tables.forms}) < len(tables.forms):
        yield ("forms",), "two forms have the same id but for case"


def _items(tables: DefinitionTables) -> Iterator[_Fault]:
    for name, item in tables.items.items():
        key = ("items", name)
        if item.subscale not in tables.subscales:
            yield (*key, "subscale"), _unknown(item.subscale, "a subscale", tables.subscales)
        elif item.facet is not None and item.facet not in tables.subscales[item.subscale].facets:
            yield (
                (*key, "facet"),
                _unknown(item.facet, f"a facet of {item.subscale}", tables.subscales[item.subscale].facets),
            )
        if item.scale is None and tables.instrument.item_scale is None:
            yield (*key, "scale"), "the item names no response scale and [instrument] has no item_scale"
        elif item.scale is not None and item.scale not in tables.response_scales:
            yield (*key, "scale"), _unknown(item.scale, "a response scale", tables.response_scales)
        if item.wording == "barrier" and not item.reverse:
            yield (*key, "reverse"), "a barrier counts against: reverse must be true"
        if item.wording == "facilitator" and item.reverse:
            yield (*key, "reverse"), "a facilitator counts for: reverse must be false"
        for source in item.sources:
            if source.theme not in tables.themes:
                yield (*key, "sources"), _unknown(source.theme, "a theme", ())
    for name in tables.subscales:
        if not any(item.subscale == name for item in tables.items.values()):
            yield ("subscales", name), "no item belongs to it"


def _questions(tables: DefinitionTables) -> Iterator[_Fault]:
    for name, question in tables.questions.items():
        key = ("questions", name)
        if question.scale is not None and question.scale not in tables.response_scales:
            yield (*key, "scale"), _unknown(question.scale, "a response scale", tables.response_scales)
        if question.multiple and question.scale is None:
            yield (*key, "multiple"), "a question with several answers needs a response scale"
        if question.subscale is not None and question.subscale not in tables.subscales:
            yield (*key, "subscale"), _unknown(question.subscale, "a subscale", tables.subscales)
        if question.role in ("importance", "difficulty") and question.subscale is None:
            yield (*key, "subscale"), f"an {question.role} rating must say which subscale it is about"
        for form in question.forms:
            if form not in tables.forms:
                yield (*key, "forms"), _unknown(form, "a form", tables.forms)


def _scores(tables: DefinitionTables) -> Iterator[_Fault]:
    before: list[str] = []
    for name, score in tables.scores.items():
        yield from _score(tables, ("scores", name), score, before)
        if score.short is not None:
            merged = score.model_copy(update=score.short.model_dump(exclude_none=True) | {"short": None})
            yield from _score(tables, ("scores", name, "short"), merged, before, short=True)
        before.append(name)


def _score(
    tables: DefinitionTables, key: _Key, score: ScoreTable, before: list[str], *, short: bool = False
) -> Iterator[_Fault]:
    for other in score.of:
        if other not in before:
            known = "must stand above it" if other in tables.scores else "does not exist"
            yield (*key, "of"), f"score {other!r} {known}"
    if score.rule in _DERIVED:
        yield from _derived_score(tables, key, score)
        return
    facets = {f"{name}{facet}" for name, subscale in tables.subscales.items() for facet in subscale.facets}
    choices: tuple[tuple[str, list[str], set[str]], ...] = (
        ("subscales", score.subscales, set(tables.subscales)),
        ("facets", score.facets, facets),
        ("items", score.items, set(tables.items)),
    )
    for option, named, existing in choices:
        yield from (((*key, option), f"{entry!r} does not exist") for entry in named if entry not in existing)
    if score.rule == "raw_mean" and score.wording is None:
        yield (*key, "wording"), "raw_mean needs a wording"
    yield from _reachable(tables, key, score, short=short)


def _derived_score(tables: DefinitionTables, key: _Key, score: ScoreTable) -> Iterator[_Fault]:
    if score.rule == "mean_of_scores":
        if not score.of:
            yield (*key, "of"), "mean_of_scores needs the scores that enter"
        elif _required(score, len(score.of)) > len(score.of):
            yield (
                (*key, "minimum"),
                f"needs {_required(score, len(score.of))} scores, but only {len(score.of)} enter",
            )
    elif len(score.of) != 2:
        yield (*key, "of"), f"{score.rule} needs exactly two scores, found {len(score.of)}"
    elif score.rule == "acquiescence":
        for other in score.of:
            if other in tables.scores and tables.scores[other].rule != "raw_mean":
                yield (
                    (*key, "of"),
                    f"acquiescence needs raw means; {other!r} is a {tables.scores[other].rule}",
                )


def _reachable(tables: DefinitionTables, key: _Key, score: ScoreTable, *, short: bool) -> Iterator[_Fault]:
    """Every form must be able to reach the minimum, and all items of a score must share a scale."""
    chosen = {
        name: item
        for name, item in tables.items.items()
        if not (score.subscales or score.facets or score.items)
        or item.subscale in score.subscales
        or f"{item.subscale}{item.facet}" in score.facets
        or name in score.items
    }
    full = [name for name, form in tables.forms.items() if form.short_of is None]
    chosen = {
        n: i
        for n, i in chosen.items()
        if (score.wording is None or i.wording == score.wording)
        and (not score.common or all(_asks(tables, form, i.subscale, i.facet, i.short) for form in full))
    }
    scales = {item.scale or tables.instrument.item_scale for item in chosen.values()}
    if len(scales) > 1:
        yield (
            key,
            f"its items have different response scales ({', '.join(sorted(map(str, scales)))}): no mean of them",
        )
    if score.rule == "balanced_mean" and (unworded := [name for name, item in chosen.items() if item.wording is None]):
        yield key, f"balanced_mean needs a wording on every item; {unworded[0]!r} has none"
    forms = {name: form for name, form in tables.forms.items() if (form.short_of is not None) == short}
    for form_name in [*forms] or ([] if tables.forms else [""]):
        asked = [item for item in chosen.values() if _asks(tables, form_name, item.subscale, item.facet, item.short)]
        where = f"form {form_name}" if form_name else "the questionnaire"
        if not asked or _required(score, len(asked)) > len(asked):
            yield (
                key,
                f"{where} asks {len(asked)} of its items, fewer than the minimum of {max(1, _required(score, len(asked)))}",
            )
        for wording in ("facilitator", "barrier") if score.rule == "balanced_mean" else ():
            count = sum(item.wording == wording for item in asked)
            if count < score.minimum_each_wording:
                yield (
                    key,
                    f"{where} asks {count} of its {wording} items and needs {score.minimum_each_wording}",
                )


def _asks(tables: DefinitionTables, form: str, subscale: str, facet: str | None, short: bool) -> bool:
    if not form or form not in tables.forms:
        return True
    full = tables.forms[form].short_of
    without = tables.forms.get(full or form, tables.forms[form]).without
    return f"{subscale}{facet or ''}" not in without and (full is None or short)


def _required(score: ScoreTable, asked: int) -> int:
    if isinstance(score.minimum, int):
        return score.minimum
    return -(-score.minimum[0] * asked // score.minimum[1])


def _themes(tables: DefinitionTables) -> Iterator[_Fault]:
    traced = {source.theme for item in tables.items.values() for source in item.sources}
    for code, theme in tables.themes.items():
        if theme.question is not None and theme.question not in tables.questions:
            yield ("themes", code, "question"), _unknown(theme.question, "a question", ())
        if code not in traced and theme.question is None and not theme.note:
            yield ("themes", code), "no item, question or note takes this theme up"
    for name, subscale in tables.subscales.items():
        for code in subscale.themes:
            if code not in tables.themes:
                yield ("subscales", name, "themes"), _unknown(code, "a theme", ())


def _actions(tables: DefinitionTables) -> Iterator[_Fault]:
    for name, action in tables.actions.items():
        key = ("actions", name)
        if name not in tables.subscales:
            yield key, _unknown(name, "a subscale", tables.subscales)
            continue
        for code in action.themes:
            if code not in tables.subscales[name].themes:
                yield (*key, "themes"), _unknown(code, f"a theme of {name}", tables.subscales[name].themes)
        for language, steps in action.steps.items():
            if not _FEWEST_STEPS <= len(steps) <= _MOST_STEPS:
                yield (
                    (*key, "steps"),
                    f"{len(steps)} steps in {language!r}; a family has {_FEWEST_STEPS} to {_MOST_STEPS}",
                )
            if not all(step.strip() for step in steps):
                yield (*key, "steps"), f"an empty step in {language!r}"
        if len({len(steps) for steps in action.steps.values()}) > 1:
            yield (*key, "steps"), "the languages have different numbers of steps"


def _signals(tables: DefinitionTables) -> Iterator[_Fault]:
    """Check that a signal compares subscales, forms on a score, or waves on a score with facets after it."""
    facets = [f"{name}{facet}" for name, subscale in tables.subscales.items() for facet in subscale.facets]
    forms = [name for name, form in tables.forms.items() if form.short_of is None]
    subscales = [name for name, score in tables.scores.items() if score.kind == "subscale"]
    known: dict[str, tuple[str, list[str]]] = {
        "subscales": ("a subscale's score", subscales),
        "forms": ("a full form", forms),
        "dip": ("a facet", facets),
    }
    for name, signal in tables.signals.items():
        key = ("signals", name)
        what, ids = known[signal.kind]
        if (signal.high is None) != (signal.kind == "dip"):
            yield (*key, "high"), f"a signal of kind {signal.kind!r} has {'no' if signal.high else 'a'} high side"
        if (signal.score is None) != (signal.kind == "subscales"):
            yield (*key, "score"), f"a signal of kind {signal.kind!r} has {'no' if signal.score else 'a'} score"
        if not signal.low:
            yield (*key, "low"), "what must be low is not said"
        for side in [*signal.low, *([signal.high] if signal.high else [])]:
            if side not in ids:
                yield key, _unknown(side, what, ids)
        if signal.score is not None and signal.score not in tables.scores:
            yield (*key, "score"), _unknown(signal.score, "a score", tables.scores)


def _missing_texts(tables: DefinitionTables, language: str) -> Iterator[_Fault]:
    """Name every text that must exist, or exists in another language of the definition, and is not there or blank."""
    languages = tables.instrument.languages
    for entry in every_text(tables):
        given = [each for each in languages if entry.texts.get(each, "").strip()]
        if language in given or not (entry.needed or given):
            continue
        *above, what = entry.key
        if "steps" in above and language in entry.texts:
            continue  # a blank step: `_actions` says so
        if entry.key[0] in ("instrument", "response_scales"):
            yield entry.key, f"no text in {language!r}"
        elif what in ("text", "title"):
            yield tuple(above), f"no text in {language!r}"
        else:
            part = f"step {what}" if "steps" in above else what
            yield entry.key[:2], f"no text in {language!r} ({part})"


def _signs(tables: DefinitionTables, language: str) -> Iterator[_Fault]:
    """Name control characters in texts: no platform shows them, and a tab or carriage return breaks files of texts."""
    for entry in every_text(tables):
        for sign in sorted(set(_CONTROL.findall(entry.texts.get(language, "")))):
            yield entry.key, f"the character U+{ord(sign):04X} in {language!r} is not allowed; remove it"


def _translations(tables: DefinitionTables) -> Iterator[_Fault]:
    first, *others = tables.instrument.languages
    for language, table in tables.translations.items():
        key = ("translations", language)
        if language == first:
            yield key, f"{language!r} is the language that the others are translated from; it has no record"
        elif language not in others and language not in tables.instrument.title:
            yield key, f"there are no texts in {language!r}"
        if table.status == "reviewed" and not (table.reviewed_by and table.reviewed):
            yield (*key, "status"), "a reviewed translation says by whom (reviewed_by, roles) and when (reviewed)"
        for name, record in table.texts.items():
            told = [record.back_translation, record.by, record.made, record.verdict]
            if any(told) and not all(told):
                message = "a back-translation has the text, who made it (role), the date and the verdict"
                yield (*key, "texts", name), message


def _unknown(value: str, what: str, known: object) -> str:
    names = ", ".join(map(str, known)) if hasattr(known, "__iter__") else ""
    return f"{value!r} is not {what}" + (f"; use one of {names}" if names else "")
