"""The evaluator's document: who answered, what was delivered, what changed, how sure that is, and what it does not say.

Everything that a reader may expect and that was not released is printed as "not assessed", never left out. With one wave of
answers what needs two is left out, and it is said once what a second would add.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from analysis.document import (
    Block,
    Bullets,
    Callout,
    Document,
    FillIn,
    FlowDiagram,
    FlowStep,
    Heading,
    Paragraph,
    Table,
)
from analysis.released import (
    DASH,
    NOT_ASSESSED,
    TOO_FEW,
    Released,
    about,
    about_place,
    interval,
    number,
    readable,
    references,
    shortened,
)
from analysis.team_page import COULD_NOT_CHECK, before_and_after, mean_today, score_mean, what_the_interval_says
from analysis.verdicts import BETTER, WORSE
from instrument.definition import Instrument

METHODS_OF = ("02", "05", "06", "07")
"""Notebooks whose methods these documents rest on: answers and scores, groups, change, priorities."""
CHANGE_COLUMNS = {
    "score": "Score",
    "n_before": "n before",
    "n_after": "n after",
    "estimate": "Change",
    "interval": "95 % interval",
    "p_adjusted": "p (adj.)",
    "verdict": "Verdict",
    "size": "Size",
}
LINKING_COLUMNS = {
    "step": "Step",
    "links": "Links",
    "false_share": "Share of false links",
    "missed_share": "Share of missed links",
    "upper_bound": "Upper bound only",
}
PRIORITY_COLUMNS = {
    "subscale": "Area",
    "score": "Score",
    "importance": "Importance",
    "priority": "Priority",
    "difficulty": "Difficulty",
    "quadrant": "Place in the matrix",
    "chance": "Chance of the first three",
}
_OUTCOME_COLUMNS = {
    "score": "Score",
    "means": "Before → after",
    "change": "Change (95 % interval)",
    "p_adjusted": "p (adj.)",
    "people": "n before, after",
    "judged": "Verdict",
}
_PROGRAMME_COLUMNS = {
    "score": "Score",
    "with": "With it",
    "without": "Without",
    "change": "Difference (95 % interval)",
    "p_adjusted": "p (adj.)",
    "judged": "Verdict",
}
_CONTROL_COLUMNS = {"contrast": "Contrast"} | {
    name: head for name, head in CHANGE_COLUMNS.items() if name not in ("score", "size")
}
_CONTRASTS = {"change": "Change of everyone", "programme − control": "With the programme less without"}
_TARGET_COLUMNS = {
    "target": "What was worked on",
    "means": "Before → after",
    "change": "Change (95 % interval)",
    "expected": "By chance",
    "comparison": "Elsewhere",
    "beyond": "Beyond both (95 % interval)",
}
_CHOICE_COLUMNS = {"choice": "Choice", "estimate": "Change", "interval": "95 % interval", "finding": "Verdict"}
_CHECK_COLUMNS = {"check": "Check", "what": "What was done", "finding": "Finding"}
_EXPLAINED = ("06_checks", "06_dose", "06_screens", "06_deviations")  # what they say stands beside them
_VIEWS = {"higher": "they see more", "lower": "they see less"}
_GROUPS_HIDDEN = "cannot be shown, nor can the others"  # so the notebooks say that forms are too small
_TARGET_TEXT = 100  # signs; items have up to 95
OUTCOME_ADVICE = (
    "Promise what peer work can plausibly move. In a review of trials, one-to-one peer support had a modest effect on "
    "recovery and empowerment and perhaps on social support, and none on symptoms or use of services. For service users "
    "choose outcomes such as recovery, empowerment and social support; do not promise fewer symptoms or admissions.",
    (
        "Choose outcomes that are tied to how peer work is thought to work, name them before the data are seen, "
        "and report all of them."
    ),
    "Judge a young programme on preparation, a later one on culture: roles, induction and education move first.",
)
_SECOND_WAVE = (
    "This tells how things stand, not what changed or why. A second survey, at least three months later, would add what "
    "changed and how sure that is; what became of the same people, where they give a code; and, with places that have no "
    "programme or get it later, what speaks for the programme. Write the plan before it (pwiq plan), and keep a record of "
    "what is delivered from now on."
)
_FLOW_COLUMNS = {
    "wave": "Wave",
    "form": "Form",
    "responses": "Answers",
    "organisations": "Organisations",
    "teams": "Teams",
    "median_percent_answered": "Questions answered, median %",
}
_FLOW_ASIDE = (
    *("no partner", "blank", "duplicate", "collision", "lost", "new", "unlinked", "excluded", "not usable"),
    *("linked ", "linked,"),  # parts of those linked
)
_FIGURE = 0.7  # of the width of a page: the lettering of a figure is still read at this size
_ALIKE = ("linked", "exact", "one differing", "all")


def evaluator_document(released: Released, definition: Instrument, provenance: Mapping[str, Any]) -> Document:
    """Compose the evaluator's document out of what was released (blueprint of the questionnaire, part D2).

    Parameters
    ----------
    released : Released
        The tables and figures of notebooks 06 and 07, and with one wave of 02, any of which may be missing.
    definition : Instrument
    provenance : mapping
        As in ``provenance.json``.
    """
    if released.only_wave():
        blocks = _of_one_wave(released, definition, provenance)
        return long_document(
            "Integration of the peer workforce: how things stand", "evaluators", blocks, definition, provenance
        )
    controlled = bool(released.rows("06_programme"))
    blocks = [
        Heading("Summary"),
        *_summary(released, controlled=controlled),
        Heading("Who took part"),
        *flow_blocks(released),
        Heading("What was delivered (dose)"),
        *_dose(released),
        Heading("What changed"),
        *_outcomes(released, definition),
        Heading("What may be compared"),
        *gate_blocks(released),
        Heading("Do peer workers, colleagues and managers see it alike?"),
        *_gaps(released, definition),
        Heading("What to do first"),
        *_priorities(released),
        targeted_block(released, definition),
        Heading("Is it the programme?"),
        *_attribution(released, definition, controlled=controlled),
        Heading("Checks and sensitivity"),
        released.block("06_checks", _CHECK_COLUMNS, caption="Checks"),
        *choices(released),
        released.block(
            "06_linking",
            LINKING_COLUMNS,
            caption="How well the two surveys could be linked",
            decimals=3,
            missing=why_nothing_of_the_linked(released),
        ),
        Heading("Deviations from the plan"),
        *_deviations(released),
        Heading("Which outcomes to promise"),
        Bullets(OUTCOME_ADVICE),
        Heading("Methods"),
        *method_blocks(released, definition, provenance),
        Heading("Reporting guidelines: where to find what"),
        *_guidelines(released, controlled=controlled),
        *reference_blocks(released, more=GUIDELINES),
    ]
    return long_document("Integration of the peer workforce: evaluation", "evaluators", blocks, definition, provenance)


def _of_one_wave(released: Released, definition: Instrument, provenance: Mapping[str, Any]) -> list[Block]:
    """Return the parts of the document that need no second survey."""
    told = released.sentences(("02", "07"), headline=True)
    return [
        Heading("Summary"),
        *([Bullets(tuple(told))] if told else [Paragraph(f"Headline findings: {NOT_ASSESSED}.")]),
        one_wave_callout(),
        Heading("Who took part"),
        *flow_today(released),
        Heading("How things stand"),
        *scores_today(released, definition),
        Heading("Do peer workers, colleagues and managers see it alike?"),
        *_gaps(released, definition),
        Heading("What to do first"),
        *_priorities(released),
        Heading("Checks"),
        released.block("02_careless", caption="Answers that may have been given without care"),
        _room_to_move(released),
        Heading("Which outcomes to promise"),
        Bullets(OUTCOME_ADVICE),
        Heading("Methods"),
        *method_blocks(released, definition, provenance),
        *reference_blocks(released),
    ]


def long_document(
    title: str, readers: str, blocks: Sequence[Block], definition: Instrument, provenance: Mapping[str, Any]
) -> Document:
    """Put banner, place, version and footer around the blocks of a document of several pages."""
    language = definition.languages[0]
    return Document(
        title=title,
        subtitle=(
            f"For {readers}{about_place(provenance)}. "
            f"{definition.title.get(language, definition.id)}, version {definition.version}."
        ),
        banner=str(provenance.get("draft") or definition.banner.get(language, "")),
        footer=footer(provenance),
        language=language,
        blocks=tuple(blocks),
    )


def footer(provenance: Mapping[str, Any]) -> str:
    """Return what stands at the foot of a document: when it was made, of which data and for whom."""
    floor = provenance.get("smallest_group_shown")
    about = f" Nothing is shown of fewer than {floor} people." if floor else ""
    return f"Made {str(provenance['made'])[:10]} for the {provenance.get('audience', 'internal')} audience.{about}"


def _summary(released: Released, *, controlled: bool) -> list[Block]:
    told = released.sentences(("06", "07"), headline=True)
    attribution = (
        "There were places without the programme: the difference between the two changes is what speaks for the programme."
        if controlled
        else "There was one group and two surveys: this is change, and nothing here says what caused it."
    )
    return [Bullets((*told, attribution)) if told else Paragraph(f"Headline findings: {NOT_ASSESSED}. {attribution}")]


def flow_blocks(released: Released) -> list[Block]:
    """Return the flow of people as boxes and arrows, and what must be known of it."""
    rows = released.rows("06_flow")
    if not rows or not {"before", "after"} <= set(rows[0]):
        return [Paragraph(f"Flow from those invited to those linked: {NOT_ASSESSED}.")]
    steps = []
    for row in rows:
        label = next(iter(row.values()))
        counts = (readable(row["before"]), readable(row["after"]))
        aside = label.lower().startswith(_FLOW_ASIDE)
        same = label.lower().startswith(_ALIKE) and counts[0] == counts[1]
        steps.append(FlowStep(label, counts[:1] if same else counts, aside=aside))
    # Those who went another way stand beside the step that they left; the linked come last.
    steps.sort(key=lambda step: len(step.counts) == 1)
    labels = " ".join(step.label for step in steps).lower()
    unknown = [what for what in ("eligible", "invited") if what not in labels]
    entry = released.entry("06_flow")
    notes = [*(entry.notes if entry else ()), *(f"How many were {what}: {NOT_ASSESSED}." for what in unknown)]
    return [
        FlowDiagram(
            "Who was invited, who answered, and who could be linked",
            ("Before", "After"),
            tuple(steps),
            note=" ".join(notes) + f" {DASH} stands for a number that may not be shown.",
        ),
        Paragraph(
            "Everybody who answered counts, linked or not. People who can be linked are a selection: "
            "see the comparison of linked and unlinked under checks."
        ),
    ]


def one_wave_callout() -> Callout:
    """Return the words that there is one wave, and what a second would add."""
    return Callout(_SECOND_WAVE, title="There is one wave of answers.")


def flow_today(released: Released) -> list[Block]:
    """Return who answered the one wave."""
    return [
        released.block("02_flow", _FLOW_COLUMNS, caption="Who answered", decimals=0),
        Paragraph(f"How many were eligible, and how many were invited: {NOT_ASSESSED} here; please add it."),
    ]


def scores_today(released: Released, definition: Instrument) -> list[Block]:
    """Return the means of the one wave with their intervals: of everyone, and of each form that may be shown."""
    wave = released.only_wave()
    by_form = [row for row in released.rows("02_means_by_form") if row.get("wave") == wave]
    forms = list(dict.fromkeys(row["form"] for row in by_form))
    of_form = {(about(row), row["form"]): row for row in by_form}
    heads = {"score": "Score", "people": "n", "all": "All (95 % interval)"}
    heads |= {f"of {form}": released.title(form)[:1].upper() + released.title(form)[1:] for form in forms}
    rows = []
    for name in shown_scores(definition):
        row = mean_today(released, name)
        told = {"score": name, "people": row.get("n", ""), "all": with_interval(row, "mean", decimals=0)}
        told |= {f"of {form}": with_interval(of_form.get((name, form), {}), "mean", decimals=0) for form in forms}
        rows += [told] if row else []
    figure = released.figure("02_profile", width=_FIGURE)
    caption = "Scores of 0 to 100; of the barrier index less is better"
    return [
        *([figure] if figure else []),
        released.of_rows(rows, heads, caption, decimals=0, missing=TOO_FEW, note=notes_of(released, "02_means")),
    ]


def _room_to_move(released: Released) -> Table | Paragraph:
    """Return the scores of which it may be shown how many people are at an end, and so cannot move further."""
    heads = {"score": "Score", "percent_floor": "% at the lowest", "percent_ceiling": "% at the highest"}
    all_rows = released.rows("02_floor_ceiling")
    rows = [row for row in all_rows if any(number(row.get(column, "")) is not None for column in list(heads)[1:])]
    caption = "Room to move: how many are at an end of a score"
    return released.of_rows(rows, heads, caption, decimals=0, missing=TOO_FEW if all_rows else "")


def why_nothing_of_the_linked(released: Released) -> str:
    """Say why nothing is told of the people who were linked: nobody was, they are too few, or nobody looked."""
    row = next((row for row in released.rows("06_flow") if next(iter(row.values())) == "linked"), None)
    if row is None:
        return NOT_ASSESSED
    counts = [number(row.get(wave, "")) for wave in ("before", "after")]
    if counts == [0.0, 0.0]:
        return "nobody could be linked by their code"
    return TOO_FEW if None in counts else NOT_ASSESSED


def _dose(released: Released) -> list[Block]:
    """Return what people said had reached them, and the evaluator's own record to fill in."""
    told: dict[tuple[str, str], dict[str, str]] = {}
    for row in released.rows("06_dose"):
        question, answer = row.get("question", ""), row.get("answer", "")
        line = told.setdefault((question, answer), {"question": question, "answer": answer, "before": "", "after": ""})
        line["before" if number(row.get("wave", "")) == 1 else "after"] = row.get("percent", "")
    heads = {"question": "Question", "answer": "Answer", "before": "Before, %", "after": "After, %"}
    caption = "What reached people, as they say"
    known = [row for row in told.values() if row["before"] or row["after"]]
    if told and not known:
        asked: list[Block] = [Paragraph(f"{caption}: too few answers to be shown.")]
    else:
        asked = [released.of_rows(known, heads, caption)] if known else []
    return [
        *asked,
        Paragraph(
            f"What was delivered is {NOT_ASSESSED} here; please fill it in. A change in the preparation of "
            "staff where no training was held is a red flag: something else moved the answers."
        ),
        FillIn(
            "Delivered between the two surveys",
            ("Part of the programme", "Planned", "Delivered", "To how many people", "Dates"),
            rows=5,
            widths=(3.4, 2, 2, 2, 2),
            first=(
                "Training of teams and managers",
                "Supervision by a lived experience supervisor",
                "Written role and pathway",
                "Hours of peer work funded",
            ),
        ),
    ]


def shown_scores(definition: Instrument) -> list[str]:
    """Return the scores that are told of: the total, the indices of facilitators and barriers, the subscales."""
    kinds: dict[str, list[str]] = {"total": [], "index": [], "subscale": []}
    for rule in definition.scores:
        if rule.kind in kinds and (rule.kind != "index" or rule.id in ("facilitator_index", "barrier_index")):
            kinds[rule.kind].append(rule.id)
    return [name for names in kinds.values() for name in names]


def _outcomes(released: Released, definition: Instrument) -> list[Block]:
    rows = []
    for name in shown_scores(definition):
        change = released.row("06_change", name)
        means = [score_mean(row) for row in before_and_after(released, name)]
        if not change and means == [None, None]:
            continue
        people = (readable(change.get(column, "")) for column in ("n_before", "n_after"))
        of_score = {
            "means": _arrow(*means),
            "change": with_interval(change),
            "p_adjusted": change.get("p_adjusted", ""),
            "people": ", ".join(people),
            "judged": judged(change),
        }
        rows.append({"score": name} | of_score)
    figure = released.figure("06_change", width=_FIGURE)
    return [
        *([figure] if figure else []),
        released.of_rows(
            rows,
            _OUTCOME_COLUMNS,
            "Scores of 0 to 100, and their change in points",
            note=notes_of(released, "06_change"),
        ),
        Paragraph(" ".join((what_the_interval_says(released), *_detectable(released))), soft=True),
    ]


def _arrow(before: float | None, after: float | None) -> str:
    if before is None and after is None:
        return DASH
    return " → ".join(DASH if mean is None else f"{mean:.0f}" for mean in (before, after))


def with_interval(
    row: Mapping[str, str], which: str = "estimate", low: str = "ci_low", high: str = "ci_high", *, decimals: int = 1
) -> str:
    """Return a number with its interval behind it: in a narrow table they stand in one column."""
    span = interval(row.get(low, ""), row.get(high, ""), decimals=decimals)
    value = readable(row.get(which, ""), decimals=decimals)
    return value if span == DASH else f"{value} ({span})"


def judged(row: Mapping[str, str]) -> str:
    """Return the verdict; where it is a change, with whether that is large enough to matter."""
    verdict, size = row.get("verdict", ""), row.get("size", "")
    if not verdict:
        return NOT_ASSESSED
    return f"{verdict}; {size}" if verdict in (BETTER, WORSE) and size else verdict


def notes_of(released: Released, name: str) -> str:
    """Return the notes under which a table was released, as one text."""
    entry = released.entry(name)
    return " ".join(entry.notes) if entry else ""


def _detectable(released: Released) -> list[str]:
    sizes = [number(row.get("estimate", "")) for row in released.rows("06_detectable")]
    known = [size for size in sizes if size is not None]
    if not known:
        return []
    span = f"{min(known):.0f}" if min(known) == max(known) else f"{min(known):.0f} to {max(known):.0f}"
    return [
        f"With these numbers of people, a true change of {span} points of the total would be found four times in five."
    ]


def gate_blocks(released: Released) -> list[Block]:
    """Return the verdicts of the gate: whether the questions mean the same at both waves."""
    rows = released.rows("06_gate")
    alike: dict[tuple[str, str], list[str]] = {}
    for row in rows:
        alike.setdefault((row.get("verdict", ""), row.get("reason", "")), []).append(released.title(about(row)))
    blocks: list[Block] = [
        released.of_rows(
            [
                {"verdict": verdict, "scores": "; ".join(names), "reason": why}
                for (verdict, why), names in alike.items()
            ],
            {"verdict": "Verdict", "scores": "Scores", "reason": "Reason"},
            "Do the questions mean the same both times?",
            note=notes_of(released, "06_gate"),
        )
    ]
    if not rows or any(row.get("verdict") == "not tested here" for row in rows):
        blocks.append(
            Callout(
                f"Where it says “not tested here”, {COULD_NOT_CHECK}. Too few answers to test is no sign that they did.",
                title="Read with care:",
            )
            if rows
            else Callout(f"{COULD_NOT_CHECK.capitalize()}.", title="Read with care:")
        )
    return blocks


def _gaps(released: Released, definition: Instrument) -> list[Block]:
    figure = released.figure("07_gaps", width=_FIGURE)
    patterns = released.rows("07_signals")
    name = "pattern" if patterns and "pattern" in patterns[0] else "signal"
    return [
        *([figure] if figure else []),
        gap_table(released, shown_scores(definition)),
        released.block(
            "07_signals",
            {name: "Pattern", "rule": "Rule", "finding": "Finding", "reason": "Why"},
            caption="Patterns that were looked for",
        ),
        Paragraph(
            "A gap is a difference of views; neither side is the true one. Peer workers help to interpret "
            "this before it is released."
        ),
    ]


def gap_table(released: Released, names: Sequence[str], *, precise: bool = False) -> Table | Paragraph:
    """Return the gaps with one row a score: each pair of groups beside the other."""
    rows = [row for row in released.rows("07_gaps") if about(row) in names]
    pairs = list(dict.fromkeys((row.get("group_1", ""), row.get("group_2", "")) for row in rows))
    columns = {"score": "Score"}
    lines: dict[str, dict[str, str]] = {name: {"score": name} for name in names}
    for place, (first, second) in enumerate(pairs):
        less = f"{released.title(first)} less {released.title(second).lower()}"
        columns |= {f"gap {place}": less}
        columns |= {f"se {place}": "SE", f"p_adjusted {place}": "p (adj.)"} if precise else {}
        columns |= {f"view {place}": "Their view"}
    for row in rows:
        place = pairs.index((row.get("group_1", ""), row.get("group_2", "")))
        view = row.get("view", "")
        lines[about(row)] |= {
            f"gap {place}": with_interval(row),
            f"se {place}": row.get("se", ""),
            f"p_adjusted {place}": row.get("p_adjusted", ""),
            f"view {place}": _VIEWS.get(view, view) or DASH,
        }
    told = [dict.fromkeys(columns, "") | line for line in lines.values() if len(line) > 1]
    checked = {row["comparable"] for row in rows if row.get("comparable")}
    notes = [notes_of(released, "07_gaps")]
    notes += [f"Do the questions mean the same to all groups? {_listed(checked)}."] if checked else []
    hidden = any(_GROUPS_HIDDEN in said for said in released.sentences(("07",)))
    return released.of_rows(
        told,
        columns,
        "Gaps between the groups, points of 100",
        missing=TOO_FEW if hidden else "",
        note=" ".join(notes).strip(),
    )


def _listed(words: Iterable[str]) -> str:
    return "; ".join(sorted(words)).capitalize()


def _priorities(released: Released) -> list[Block]:
    """Return the order of the areas; the figure against difficulty where that is known, else gap and importance."""
    rated = any(number(row.get("difficulty", "")) is not None for row in released.rows("07_priorities"))
    figures = [released.figure(name, width=_FIGURE) for name in ("07_matrix", "07_needs")]
    chosen = [figure for figure in (figures if rated else figures[::-1]) if figure][:1]
    three = [
        {
            "which": head,
            "text": released.title(row.get("text") or about(row)),
            **_pick(row, "percent", "chance"),
            "action": row.get("action") or " ",
        }
        for head, name in (("keep", "07_keep"), ("act on", "07_act"))
        for row in released.rows(name)[:3]
    ]
    heads = {
        "text": "Statement",
        "which": "To",
        "percent": "%",
        "chance": "Chance of the first three",
        "action": "Action",
    }
    return [
        *chosen,
        released.block("07_priorities", PRIORITY_COLUMNS, caption="Areas in the order of priority", decimals=2),
        released.of_rows(three, heads, "Three things to keep and three to act on", decimals=2),
    ]


def _pick(row: Mapping[str, str], *columns: str) -> dict[str, str]:
    return {column: row.get(column, "") for column in columns}


def targeted_block(released: Released, definition: Instrument) -> Table | Paragraph:
    """Return what was worked on: its change, and how much of it selection and other places do not account for."""
    turned = {item.id for item in definition.items if item.reverse}
    rows = []
    for row in released.rows("07_targeted"):
        target = shortened(released.title(about(row)), _TARGET_TEXT)
        if about(row) in turned:
            target += " (turned round: high is good)"
        told = {
            "target": target[:1].upper() + target[1:],
            "means": _arrow(number(row.get("before", "")), number(row.get("after", ""))),
            "change": with_interval(row),
            "beyond": with_interval(row, "excess", "excess_low", "excess_high"),
        }
        rows.append(row | told)
    empty = {name for name in ("expected", "comparison") if not any(row.get(name) for row in rows)}
    empty |= {"beyond"} if all(row["beyond"] == DASH for row in rows) else set()
    return released.of_rows(
        sorted(rows, key=lambda row: row["target"] != "All targets"),
        {name: head for name, head in _TARGET_COLUMNS.items() if name not in empty},
        "Did what was worked on move more than having been chosen would move it? (0 to 100, high is good)",
        note=notes_of(released, "07_targeted"),
    )


def _attribution(released: Released, definition: Instrument, *, controlled: bool) -> list[Block]:
    blocks: list[Block] = []
    if controlled:
        figure = released.figure("06_programme", width=_FIGURE)
        blocks += [
            Paragraph(
                "Difference in differences: how much more the scores changed where the programme ran than where it did not. It "
                "speaks for an effect of the programme if both would have changed alike without it, which cannot be shown, and "
                "more so where chance decided who got the programme."
            ),
            _programme_table(released, definition),
            *([figure] if figure else []),
        ]
    else:
        blocks.append(
            Callout(
                "One group before and after shows change, not effect. Other events, the season, who stayed, answering a second "
                "time and chance can move scores as well. A comparison team, a delayed start, or parts of the programme that "
                "some got earlier or more of would say more.",
                title="Change, not effect:",
            )
        )
    rows = [
        row | {"contrast": _CONTRASTS.get(row.get("contrast", ""), row.get("contrast") or released.title(about(row)))}
        for row in released.rows("06_negative_control")
    ]
    blocks += [
        released.of_rows(rows, _CONTROL_COLUMNS, "Negative control: what the programme should not move within a year"),
        Paragraph(
            "It was named beforehand and is judged by its interval. If it moved, something other than the programme is going on; "
            "that it did not move is weak evidence."
            if rows
            else "Without it nothing here tells the programme apart from whatever else moved all answers."
        ),
    ]
    return blocks


def _programme_table(released: Released, definition: Instrument) -> Table | Paragraph:
    """Return the change of both arms and their difference, a row a score."""
    arms = {(about(row), row.get("arm", "")): row.get("estimate", "") for row in released.rows("06_arms")}
    rows = []
    for name in shown_scores(definition):
        row = released.row("06_programme", name)
        both = {"with": arms.get((name, "programme"), ""), "without": arms.get((name, "control"), "")} if arms else {}
        told = {"change": with_interval(row), "judged": judged(row)}
        rows += [row | both | told] if row else []
    return released.of_rows(rows, _PROGRAMME_COLUMNS, "Change with the programme less change without, points of 100")


def choices(released: Released) -> list[Block]:
    """Return the change of the total under other choices of the analysis."""
    rows = released.rows("06_other_choices")
    caption = "The total, had it been analysed otherwise"
    return [released.block("06_other_choices", _CHOICE_COLUMNS, caption=caption)] if rows else []


def _deviations(released: Released) -> list[Block]:
    """Print what deviates from the plan and what is not known; what is as planned stands in one sentence."""
    rows = released.rows("06_deviations")
    caption = "Deviations from the analysis plan"
    if not rows or not {"point", "deviation"} <= set(rows[0]):
        missing = (
            "not assessed; without a plan made before the second survey (pwiq plan) nobody can say what was "
            "decided beforehand"
        )
        return [released.block("06_deviations", caption=caption, missing=missing)]
    off = [row for row in rows if row["deviation"] != "no"]
    kept = [row["point"] for row in rows if row["deviation"] == "no"]
    heads = {"point": "Point", "planned": "Planned", "done": "Done", "deviation": "Deviation", "words": "In words"}
    return [
        released.of_rows(off, heads, caption) if off else Paragraph(f"{caption}: none."),
        *([Paragraph(f"As planned: {', '.join(kept)}.")] if kept else []),
    ]


def method_blocks(released: Released, definition: Instrument, provenance: Mapping[str, Any]) -> list[Block]:
    """Return the methods as sentences that can be pasted, and what the report was made of."""
    language = definition.languages[0]
    name = definition.title.get(language, definition.id)
    about = (
        f"Answers to the {name} (version {definition.version}, a draft that has not been validated; {len(definition.items)} "
        f"items on {len(definition.subscales)} subscales, each half facilitators and half barriers) were scored by the rules "
        "of its definition. Scores run from 0 to 100; high is good, but in the barrier index. They cannot be compared with "
        "scores of other questionnaires."
    )
    packages = provenance.get("packages", {})
    software = ", ".join(f"{name} {version}" for name, version in packages.items())
    data = "; ".join(f"{entry['file']} (SHA-256 {str(entry['sha256'])[:12]}…)" for entry in provenance.get("data", ()))
    floor = provenance.get("smallest_group_shown")
    python, seed = provenance.get("python", DASH), provenance.get("seed", DASH)
    made = f"Software: Python {python}, {software}; seed {seed}. Data: {data or DASH}."
    shown = (
        f"Nothing is shown of fewer than {floor} people; numbers that would give such a number back are withheld or rounded."
        if floor
        else ""
    )
    one_wave = bool(released.only_wave())
    methods = released.methods(("02", "07") if one_wave else ("06", "07"), without=_EXPLAINED)
    sentences: list[Block] = [Paragraph(text, soft=True) for text in (about, *methods)]
    if not methods and not one_wave:
        sentences.append(Paragraph(f"Analysis of change: {NOT_ASSESSED}."))
    return [*sentences, Paragraph(f"{shown} {made}".strip(), soft=True)]


def reference_blocks(
    released: Released, *, notebooks: tuple[str, ...] = METHODS_OF, more: tuple[str, ...] = ()
) -> list[Block]:
    """Return the references that the methods of these notebooks cite (default: of all), and further ones."""
    cited = sorted({*references(released.methods(notebooks)), *more})
    return [Heading("References"), Bullets(tuple(cited), soft=True)] if cited else []


GUIDELINES = (
    (
        "Appelbaum, M., Cooper, H., Kline, R. B., Mayo-Wilson, E., Nezu, A. M., & Rao, S. M. (2018). Journal "
        "article reporting standards for quantitative research in psychology: The APA Publications and "
        "Communications Board task force report. American Psychologist, 73, 3–25."
    ),
    (
        "Des Jarlais, D. C., Lyles, C., & Crepaz, N. (2004). Improving the reporting quality of nonrandomized "
        "evaluations of behavioral and public health interventions: The TREND statement. American Journal of "
        "Public Health, 94, 361–366."
    ),
    (
        "Pinnock, H., Barwick, M., Carpenter, C. R., Eldridge, S., Grandes, G., Griffiths, C. J., Rycroft-Malone,"
        " J., Meissner, P., Murray, E., Patel, A., Sheikh, A., & Taylor, S. J. C. (2017). Standards for Reporting"
        " Implementation Studies (StaRI) statement. BMJ, 356, i6795."
    ),
)


def _guidelines(released: Released, *, controlled: bool) -> list[Block]:
    """Say of each point of the guidelines where it is answered; what only the evaluator knows is theirs to write."""

    def where(section: str, *names: str) -> str:
        return section if any(released.rows(name) for name in names) else NOT_ASSESSED

    yours = "for the evaluator to write"
    rows = (
        (
            "Design; how places came to have the programme",
            "TREND 1, 8",
            "Is it the programme?" if controlled else f"Is it the programme? (one group); assignment: {yours}",
        ),
        ("Background, theory, why this programme", "TREND 2; StaRI: rationale", yours),
        ("Eligibility, recruitment, settings", "TREND 3; StaRI: context", yours),
        ("Intervention as planned and as delivered", "TREND 4; StaRI: description", f"What was delivered: {yours}"),
        ("Implementation strategy, apart from the intervention", "StaRI: description", yours),
        ("Objectives and hypotheses", "TREND 5; JARS; StaRI: aims", where("Deviations from the plan", "06_deviations")),
        ("Outcomes and how they were measured", "TREND 6; JARS; StaRI: outcomes", "Methods"),
        ("Sample size; what could be detected", "TREND 7; JARS", where("What changed (verdicts)", "06_change")),
        ("Blinding", "TREND 9", "none: people rate their own service"),
        (
            "Unit of analysis; statistical methods, with clustering",
            "TREND 10, 11; JARS; StaRI: analysis",
            "Methods" if released.methods(("06",)) else NOT_ASSESSED,
        ),
        ("Flow of participants", "TREND 12; JARS", where("Who took part", "06_flow")),
        ("Deviations from the protocol", "TREND 12; JARS", where("Deviations from the plan", "06_deviations")),
        ("Dates of recruitment and follow-up", "TREND 13", yours),
        (
            "Baseline; those who stayed and those who were lost",
            "TREND 14, 15",
            where("Checks and sensitivity", "06_checks"),
        ),
        ("Numbers analysed", "TREND 16", where("What changed", "06_change")),
        (
            "Estimates with intervals, null results too",
            "TREND 17; JARS; StaRI: outcomes",
            where("What changed", "06_change"),
        ),
        (
            "Primary, secondary and exploratory told apart",
            "JARS",
            where("What changed: the total is the one primary outcome", "06_change"),
        ),
        ("Ancillary and sensitivity analyses", "TREND 18; JARS", where("Checks and sensitivity", "06_checks")),
        ("Missing answers", "JARS", where("Checks and sensitivity", "06_checks")),
        ("Reliability and validity of the scores", "TREND 6; JARS", "pages of the report on reliability and structure"),
        ("Fidelity, adaptation, changes of context", "StaRI: fidelity, context", yours),
        ("Harms and unintended effects", "TREND 19; StaRI: harms", yours),
        ("Resources and costs", "StaRI: economic evaluation", NOT_ASSESSED),
        (
            "Interpretation: bias, limits, other explanations",
            "TREND 20; JARS; StaRI: discussion",
            "Is it the programme?",
        ),
        ("Generalisability; the evidence as a whole", "TREND 21, 22", yours),
        ("Ethics, governance, who owns the data", "JARS; StaRI: general", yours),
    )
    return [
        Paragraph(
            "TREND (Des Jarlais et al., 2004) is for evaluations without random assignment, StaRI (Pinnock et al., 2017) for "
            "implementation, JARS-Quant (Appelbaum et al., 2018) for quantitative research. Numbers are those of the TREND "
            "checklist."
        ),
        Table("Points of the guidelines", ("Point", "Guideline", "Where"), rows, widths=(3.7, 2.6, 3)),
    ]
