"""The team's one page: what we asked, what changed, what to keep and to act on, in plain words.

With one wave of answers it tells how things are today, and nothing of change. It reads without colour, holds no p value
and no technical word, and fits on one page of A4.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from analysis.coarsening import MEAN_FEWEST, SPREAD_FEWEST
from analysis.document import (
    Block,
    Bullets,
    Callout,
    ChangeBar,
    ChangeBars,
    Document,
    FillIn,
    Heading,
    KeyFigure,
    KeyFigures,
    Paragraph,
    Table,
    Words,
    bold,
)
from analysis.primary_change import CLUSTERS, MIXED
from analysis.released import DASH, TOO_FEW, Released, about, about_place, number, readable, shortened
from analysis.verdicts import BETTER, NO_CHANGE, NOT_ENOUGH, TOO_CLOSE, WORSE
from instrument.definition import Instrument

SYMBOLS = {BETTER: "▲", WORSE: "▼", NO_CHANGE: "=", TOO_CLOSE: "?", NOT_ENOUGH: "○"}
INTERVAL = (
    "The interval says how sure we are about these people's views on these two dates; "
    "drift that happens without any programme is not in it."
)
OF_MANY = "The interval says how sure we are, allowing for teams and services that go different ways."
WITH_OTHERS = "These are all places together, with and without the programme."
COULD_NOT_CHECK = "we could not check that the questions meant the same both times"
_ASKED = "We asked people who work here how peer workers and this service work together. "
SUPPORT = "Answers are never for appraisal of individuals."
_NOT_COMPARABLE = "cannot be compared"
_GATE_REFUSED = "not comparable"
_NAMES = {
    "total": "Integration: how well peer work fits in here",
    "facilitator": "What helps",
    "barrier": "What gets in the way",
}
_LONGEST = 120  # signs of an item's text; those of this questionnaire have up to 95
_WITHHELD = "not shown"
_DASH_MEANS = f"{DASH} means: not shown, since too few people answered, or not known."
_MANY = "We look at many scores, so an interval without 0 in it is not enough to say that one of them changed."
_MEANING, _PATTERNS = 170, 3
_DOTS = 20  # of the line on which the score of an area is marked; more do not fit into a line in Word
_MONTHS = 3


def team_page(released: Released, definition: Instrument, provenance: Mapping[str, Any]) -> Document:
    """Compose the team's page out of what was released. What is not there is said to be missing.

    Parameters
    ----------
    released : Released
        Tables ``06_flow``, ``06_means``, ``06_change``, ``06_gate``, ``07_priorities``, ``07_keep``, ``07_act``
        and ``07_signals``, any of which may be missing; with one wave ``02_flow`` and ``02_means`` instead of those of 06.
    definition : Instrument
    provenance : mapping
        As in ``provenance.json``; ``made`` sets the date before which nobody should ask again.

    Returns
    -------
    Document
        It has to fit on one page: writing it as PDF refuses otherwise.
    """
    language = definition.languages[0]
    made = date.fromisoformat(str(provenance["made"])[:10])
    today = bool(released.only_wave())
    found = _today(released, definition) if today else _before_and_now(released, definition)
    blocks: list[Block] = [
        *found,
        *_to_keep_and_act(released),
        *_patterns(released, definition),
        Heading("What to do next"),
        Bullets(
            (
                (bold("Meet. "), "Go through this page with the peer workers first, then with the whole team."),
                (bold("Choose one or two things. "), "Write down who does what, with whom, and by when."),
                (
                    bold("Ask again. "),
                    f"Not before {_written(_later(made, _MONTHS))}: change needs at least {_MONTHS} months.",
                ),
            )
        ),
        FillIn(
            "",
            ("What we will do", "Who", "With which peer worker", "By when", "What should move"),
            rows=3,
            widths=(4, 2, 2.2, 1.4, 2.4),
        ),
        Callout(("Name and phone: ", "_" * 44, f"  {SUPPORT}"), title="Would you like to talk to someone?"),
    ]
    return Document(
        title=f"How peer work fits in here: {'today' if today else 'before and now'}",
        subtitle=(
            f"For the team{about_place(provenance)}. "
            "Scores go from 0 to 100. They are not a per cent of an ideal, and there is no pass mark."
        ),
        banner=str(provenance.get("draft") or definition.banner.get(language, "")),
        footer=(
            f"{definition.title.get(language, definition.id)}, version {definition.version}. Made "
            f"{_written(made)}. {_floor(provenance)}"
        ),
        language=language,
        blocks=tuple(blocks),
        one_page=True,
    )


def plain_names(definition: Instrument) -> dict[str, str]:
    """Return subscale → its name in plain words: as the question on its importance has it, before the colon."""
    language = definition.languages[0]
    names = {subscale.id: subscale.title[language] for subscale in definition.subscales}
    for question in definition.questions:
        head, colon, _ = question.text.get(language, "").partition(":")
        if question.role == "importance" and question.subscale in names and colon:
            names[question.subscale] = head
    return names


def before_and_after(released: Released, score: str) -> tuple[dict[str, str], dict[str, str]]:
    """Return the rows of a score's means at the first and the last wave; empty if they were not released."""
    rows = [row for row in released.rows("06_means") if about(row) == score]
    overall = [row for row in rows if row.get("form", "") in ("", "all", "all forms", "equal")]
    rows = sorted(overall, key=lambda row: number(row.get("wave", "")) or 0.0)
    if not rows or len({row.get("wave") for row in rows}) != len(rows):
        return {}, {}
    return (rows[0], rows[-1]) if len(rows) > 1 else ({}, rows[0])


def score_mean(row: Mapping[str, str]) -> float | None:
    """Return the mean in a row of ``06_means``."""
    found = number(row.get("mean", row.get("estimate", "")))
    return found if found is not None and 0 <= found <= 100 else None


def mean_today(released: Released, score: str) -> dict[str, str]:
    """Return the row of a score's mean where there is one wave of answers; empty if it was not released."""
    wave = released.only_wave()
    rows = [row for row in released.rows("02_means") if row.get("wave") == wave and about(row) == score]
    return rows[0] if len(rows) == 1 else {}


def how_many_today(released: Released) -> float | None:
    """Return how many answered the one wave, of all forms together; None where that may not be shown."""
    wave = released.only_wave()
    counts = [number(row.get("responses", "")) for row in released.rows("02_flow") if row.get("wave") == wave]
    known = [count for count in counts if count is not None]
    return sum(known) if known and len(known) == len(counts) else None


def _before_and_now(released: Released, definition: Instrument) -> list[Block]:
    return [
        Paragraph(_asked(released, definition)),
        *_key_figures(released, definition),
        *_areas(released, definition),
        *_programme(released, definition),
    ]


def _today(released: Released, definition: Instrument) -> list[Block]:
    """Tell how things are, where there is one wave of answers."""
    people = how_many_today(released)
    answered = f"How many answered {TOO_FEW}." if people is None else bold(f"{people:.0f} answered.")
    return [
        Paragraph((_ASKED, answered)),
        *_key_figures_today(released, definition),
        *_areas_today(released, definition),
    ]


def _key_figures_today(released: Released, definition: Instrument) -> list[Block]:
    figures = []
    for kind, label in _NAMES.items():
        row = mean_today(released, _score(definition, kind))
        low, high = number(row.get("ci_low", "")), number(row.get("ci_high", ""))
        mean = score_mean(row)
        detail = ["Less is better."] if kind == "barrier" else []
        if mean is not None and low is not None and high is not None:
            detail.append(f"Interval: {low:.0f} to {high:.0f}")
        value = _WITHHELD.capitalize() if mean is None else f"{mean:.0f}"
        if _score(definition, kind):
            figures.append(KeyFigure(label, value, "" if mean is None else "of 100", " ".join(detail)))
    if not released.rows("02_means"):
        return [Callout(f"The scores {TOO_FEW}.")]
    return [KeyFigures(tuple(figures))] if figures else []


def _areas_today(released: Released, definition: Instrument) -> list[Block]:
    """Write the subscales, the one with the greatest need first, each with a dot where it is today."""
    rows = []
    for name, title in plain_names(definition).items():
        row = mean_today(released, name)
        mean = score_mean(row)
        priority = released.number("07_priorities", name, "priority")
        order = (priority is None, -(priority or 0.0), 101.0 if mean is None else mean)
        if row or priority is not None:
            rows.append((order, (title, _whole(mean), _on_a_line(mean))))
    if not rows:
        return [Paragraph(f"The areas one by one {TOO_FEW}.")]
    rows.sort(key=lambda row: row[0])
    by_priority = any(not order[0] for order, _ in rows)
    area = Table(
        f"The areas, {_by_need(by_priority=by_priority)}",
        ("Area", "Today", "0 (least) to 100 (best)"),
        tuple(cells for _, cells in rows),
        align=("left", "right", "left"),
        widths=(5, 1, 2.4),
    )
    people = how_many_today(released)
    notes = ["Areas whose scores lie close together are about the same."]
    if any(row.get("ci_low") for row in released.rows("02_means")):
        notes.append("The interval says how far a score may be off by chance.")
    if any(cells[1] == DASH for _, cells in rows):
        notes.append(_DASH_MEANS)
    if people is not None and people < MEAN_FEWEST:
        notes.append("So that nobody can be recognised, scores are in steps of 5.")
    return [area, Paragraph(" ".join(notes), soft=True)]


def _on_a_line(mean: float | None) -> str:
    """Return a line of dots with a greater one where the mean lies between 0 and 100."""
    if mean is None:
        return DASH
    place = round(mean / 100 * _DOTS)
    dots = ["·"] * (_DOTS + 1)
    dots[place] = "●"
    return "\N{NO-BREAK SPACE}".join(dots)


def _by_need(*, by_priority: bool) -> str:
    return (
        "the greatest need first: how far from 100, times how much it matters"
        if by_priority
        else "the lowest score first"
    )


def _asked(released: Released, definition: Instrument) -> Words:
    total = _score(definition, "total")
    steps = {row.get("step"): row for row in released.rows("06_flow")}
    answered = next((steps[step] for step in ("answers", "usable", "answered") if step in steps), {})
    counts = [answered.get("before", ""), answered.get("after", "")]
    if None in (number(count) for count in counts):
        row = released.row("06_change", total)
        counts = [row.get("n_before", ""), row.get("n_after", "")]
    if None in (number(count) for count in counts):
        return (_ASKED, "How many answered may not be shown or is not known.")
    return (_ASKED, bold(f"{readable(counts[0])} answered before and {readable(counts[1])} now."))


def _key_figures(released: Released, definition: Instrument) -> list[Block]:
    figures = []
    for name, kind in (
        (_score(definition, "total"), "total"),
        (_score(definition, "facilitator"), "facilitator"),
        (_score(definition, "barrier"), "barrier"),
    ):
        if not name:
            continue
        before, after = before_and_after(released, name)
        change = released.row("06_change", name)
        verdict = _verdict(change)
        values = [_whole(score_mean(row)) for row in (before, after)]
        moved = number(change.get("estimate", ""))
        value = f"{values[0]} → {values[1]}"
        if values == [DASH, DASH] and moved is not None:
            value = f"{_signed(moved)} points"
        elif moved is None and (before or after or change):
            value = " → ".join(_WITHHELD if each == DASH else each for each in values)
            value = _WITHHELD.capitalize() if values == [DASH, DASH] else value
        low, high = number(change.get("ci_low", "")), number(change.get("ci_high", ""))
        detail = "Less is better. " if kind == "barrier" else ""
        if low is not None and high is not None:
            detail += f"Interval of the change: {_signed(low)} to {_signed(high)}"
        elif change:
            detail += "Too few answers to show how much it changed."
        figures.append(KeyFigure(_NAMES[kind], value, f"{SYMBOLS.get(verdict, '')} {verdict}".strip(), detail))
    if not released.rows("06_change") and not released.rows("06_means"):
        return [Callout("What changed was not assessed: there are no two surveys that may be compared.")]
    return [KeyFigures(tuple(figures))] if figures else []


def _areas(released: Released, definition: Instrument) -> list[Block]:
    """Write the subscales, the one with the greatest need first, each with what became of it."""
    names = plain_names(definition)
    gates = {about(row): row for row in released.rows("06_gate")}
    rows, odd = [], False
    for name, title in names.items():
        before, after = before_and_after(released, name)
        change, gate = released.row("06_change", name), gates.get(name, {})
        verdict = _NOT_COMPARABLE if gate.get("verdict") == _GATE_REFUSED else _verdict(change)
        values = score_mean(before), score_mean(after)
        if not change and values == (None, None):
            continue
        priority = released.number("07_priorities", name, "priority")
        bar = ChangeBar(title, *values, verdict, SYMBOLS.get(verdict, DASH))
        odd |= verdict in (TOO_CLOSE, NOT_ENOUGH) and _leaves_out_zero(change)
        rows.append(((priority is None, -(priority or 0.0), 101.0 if values[1] is None else values[1]), bar))
    if not rows:
        return [Paragraph("The areas one by one: not assessed.")]
    rows.sort(key=lambda row: row[0])
    by_priority = any(not key[0] for key, _ in rows)
    bars = ChangeBars(
        f"The areas, {_by_need(by_priority=by_priority)}",
        ("Area", "Before", "Now", "What changed"),
        tuple(bar for _, bar in rows),
    )
    reasons = [
        f"{names.get(name, name)}: {gate.get('reason', '')}"
        for name, gate in gates.items()
        if gate.get("verdict") == _GATE_REFUSED
    ]
    tested = {gate.get("verdict") for gate in gates.values()}
    key = "▲ better, ▼ worse, = no change that matters, ? too close to call, ○ not enough answers."
    notes: list[Any] = [f"{key} {what_the_interval_says(released)} "]
    if any(None in (bar.before, bar.after) for _, bar in rows):
        notes.append(f"{_DASH_MEANS} ")
    notes += _rounded(released, definition)
    indices = (released.row("06_change", _score(definition, which)) for which in ("facilitator", "barrier"))
    if odd or any(_verdict(row) in (TOO_CLOSE, NOT_ENOUGH) and _leaves_out_zero(row) for row in indices):
        notes.append(f"{_MANY} ")
    if released.rows("06_programme"):
        notes.append(f"{WITH_OTHERS} ")
    if not gates or "not tested here" in tested:
        some = gates and tested != {"not tested here"} and len(tested - {"not comparable"}) > 1
        notes.append(
            bold(f"{'For some areas ' if some else ''}{COULD_NOT_CHECK if some else COULD_NOT_CHECK.capitalize()}. ")
        )
    if reasons:
        notes.append(f"Cannot be compared: {_ended(shortened('; '.join(reasons), 220))} ")
    notes.append("It says what changed, not why.")
    return [bars, Paragraph(tuple(notes), soft=True)]


def _leaves_out_zero(change: Mapping[str, str]) -> bool:
    low, high = number(change.get("ci_low", "")), number(change.get("ci_high", ""))
    return low is not None and high is not None and (low > 0 or high < 0)


def _rounded(released: Released, definition: Instrument) -> list[str]:
    """Say that numbers of few people are coarse, as they were released."""
    row = released.row("06_change", _score(definition, "total"))
    people = [
        count for count in (number(row.get(column, "")) for column in ("n_before", "n_after")) if count is not None
    ]
    if not people or min(people) >= SPREAD_FEWEST:
        return []
    what = "scores and intervals" if min(people) < MEAN_FEWEST else "intervals"
    return [f"So that nobody can be recognised, {what} are in steps of 5. "]


def _programme(released: Released, definition: Instrument) -> list[Block]:
    """Say how much more the total changed with the programme than without, where there were both."""
    if not released.rows("06_programme"):
        return []
    row = released.row("06_programme", _score(definition, "total"))
    moved, low, high = (number(row.get(column, "")) for column in ("estimate", "ci_low", "ci_high"))
    begun = bold("With the programme and without it: ")
    if moved is None:
        return [Paragraph((begun, "how much more integration changed with the programme may not be shown."))]
    more = "more" if moved >= 0 else "less"
    points = f"{abs(moved):.0f} point" + ("" if f"{abs(moved):.0f}" == "1" else "s")
    span = f" (interval {_signed(low)} to {_signed(high)})" if low is not None and high is not None else ""
    return [
        Paragraph(
            (
                begun,
                f"integration rose {points} {more} where the programme ran than where it did not{span}: {_verdict(row)}.",
            )
        )
    ]


def _to_keep_and_act(released: Released) -> list[Block]:
    keep, act = _three(released, "07_keep"), _three(released, "07_act", with_action=True)
    if not keep and not act:
        # The questions are ranked with the areas: where these are shown, too few people answered single questions.
        why = f" {TOO_FEW}" if released.rows("07_priorities") else ": not assessed"
        return [Paragraph(f"Three things to keep and three to act on{why}.")]
    rows = []
    for number_, (good, bad) in enumerate(zip(_filled(keep), _filled(act), strict=True), start=1):
        if good != DASH or bad != DASH:
            rows.append((str(number_), good, bad))
    return [
        Table(
            "", ("", "Keep: what helps most", "Act on: what gets in the way most"), tuple(rows), widths=(0.25, 4.4, 5.4)
        )
    ]


def _three(released: Released, name: str, *, with_action: bool = False) -> list[str]:
    found = []
    for row in released.rows(name)[:3]:
        text, action = row.get("text", "") or released.title(about(row)), row.get("action", "")
        line = shortened(text, _LONGEST)
        if with_action and action and action != DASH:
            line += f" → {shortened(action, 90)}"
        if line:
            found.append(line)
    return found


def _filled(lines: list[str]) -> list[str]:
    return [*lines, *[DASH] * 3][:3]


def _patterns(released: Released, definition: Instrument) -> list[Block]:
    rows = released.rows("07_signals")
    if not rows:
        return [Paragraph((bold("Patterns: "), "not assessed."))]
    seen = [row for row in rows if row.get("finding", "").lower().startswith(("seen", "yes", "present"))]
    if not seen:
        return [Paragraph((bold("Patterns: "), "none of those that we looked for was seen."))]
    language = definition.languages[0]
    meanings = {signal.id: signal.meaning.get(language, "") for signal in definition.signals}
    told = [
        f"{released.title(about(row))}: {_ended(shortened(meanings.get(about(row), row.get('rule', '')), _MEANING))}"
        for row in seen[:_PATTERNS]
    ]
    more = f" And {len(seen) - _PATTERNS} more: see the report." if len(seen) > _PATTERNS else ""
    return [Paragraph((bold("Patterns to talk about. "), " ".join(told) + more))]


def what_the_interval_says(released: Released) -> str:
    """Return the sentence on the interval: with a few teams it is about these people on these dates alone."""
    tests = {row.get("test", "") for row in released.rows("06_change")}
    return OF_MANY if tests & {CLUSTERS, MIXED} else INTERVAL


def _score(definition: Instrument, which: str) -> str:
    """Return the score that is the total, or the index of facilitators or barriers."""
    for rule in definition.scores:
        if rule.kind == which or (rule.kind == "index" and rule.id == f"{which}_index"):
            return rule.id
    return ""


def _verdict(change: Mapping[str, str]) -> str:
    """Return what became of a score; apart: that it may not be shown, and that nobody looked."""
    word = change.get("verdict", "")
    if word == _GATE_REFUSED:
        return _NOT_COMPARABLE
    if word and word != DASH:
        return word
    return _WITHHELD if change else "not assessed"


def _whole(value: float | None) -> str:
    return DASH if value is None else f"{value:.0f}"


def _signed(value: float) -> str:
    text = f"{value:+.0f}".replace("-", "−")
    return "0" if text in ("+0", "−0") else text


def _ended(text: str) -> str:
    return text if text.endswith(("…", ".")) else f"{text}."


def _floor(provenance: Mapping[str, Any]) -> str:
    floor = provenance.get("smallest_group_shown")
    return f"Nothing is shown of fewer than {floor} people." if floor else ""


def _later(day: date, months: int) -> date:
    """Return the day so many months later; the last day of a month stays within it."""
    month = day.month - 1 + months
    year, month = day.year + month // 12, month % 12 + 1
    last = (date(year + month // 12, month % 12 + 1, 1) - date(year, month, 1)).days
    return date(year, month, min(day.day, last))


def _written(day: date) -> str:
    months = (
        "January",
        "February",
        "March",
        "April",
        "May",
        "June",
        "July",
        "August",
        "September",
        "October",
        "November",
        "December",
    )
    return f"{day.day} {months[day.month - 1]} {day.year}"
