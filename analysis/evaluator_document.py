"""The evaluator's document: who answered, what was delivered, what changed, how sure that is, and what it does not say.

Everything that a reader may expect and that was not released is printed as "not assessed", never left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.document import (
    Block,
    Bullets,
    Callout,
    ChangeBar,
    ChangeBars,
    Document,
    FillIn,
    FlowDiagram,
    FlowStep,
    Heading,
    Paragraph,
    Table,
)
from analysis.released import DASH, NOT_ASSESSED, Released, readable, references
from analysis.team_page import COULD_NOT_CHECK, SYMBOLS, before_and_after, score_mean, what_the_interval_says
from instrument.definition import Instrument

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
GAP_COLUMNS = {
    "score": "Score",
    "between": "Between",
    "group_1": "First group",
    "group_2": "Second group",
    "estimate": "Gap",
    "interval": "95 % interval",
    "view": "View of the first",
    "verdict": "Verdict",
    "comparable": "Comparable",
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
_FLOW_ASIDE = (
    *("no partner", "blank", "duplicate", "collision", "lost", "new", "unlinked", "excluded", "not usable"),
    *("linked ", "linked,"),  # parts of those linked
)
_ALIKE = ("linked", "exact", "one differing", "all")


def evaluator_document(released: Released, definition: Instrument, provenance: Mapping[str, Any]) -> Document:
    """Compose the evaluator's document out of what was released (blueprint of the questionnaire, part D2).

    Parameters
    ----------
    released : Released
        The tables and figures of notebooks 06 and 07, any of which may be missing.
    definition : Instrument
    provenance : mapping
        As in ``provenance.json``.
    """
    language = definition.languages[0]
    controlled = bool(released.rows("06_programme"))
    blocks: list[Block] = [
        Heading("Summary"),
        *_summary(released, controlled=controlled),
        Heading("Who took part"),
        *flow_blocks(released),
        Heading("What was delivered (dose)"),
        *_dose(),
        Heading("What changed"),
        *_outcomes(released, definition),
        Heading("What may be compared"),
        *gate_blocks(released),
        Heading("Do peer workers, colleagues and managers see it alike?"),
        *_gaps(released),
        Heading("What to do first"),
        *_priorities(released),
        Heading("Is it the programme?"),
        *_attribution(released, controlled=controlled),
        Heading("Checks and sensitivity"),
        released.block(
            "06_checks", {"check": "Check", "what": "What was done", "finding": "Finding"}, caption="Checks"
        ),
        released.block("06_linking", LINKING_COLUMNS, caption="How well the two surveys could be linked", decimals=3),
        released.block("07_targeted", caption="Barriers that were worked on"),
        Heading("Deviations from the plan"),
        released.block(
            "06_deviations",
            caption="Deviations from the analysis plan",
            missing=(
                "not assessed; without a plan made before the second survey (pwiq plan) nobody can say what was "
                "decided beforehand"
            ),
        ),
        Heading("Which outcomes to promise"),
        Bullets(OUTCOME_ADVICE),
        Heading("Methods"),
        *method_blocks(released, definition, provenance),
        Heading("Reporting guidelines: where to find what"),
        *_guidelines(released, controlled=controlled),
        *reference_blocks(released, more=GUIDELINES),
    ]
    return Document(
        title="Integration of the peer workforce: evaluation",
        subtitle=f"For evaluators. {definition.title.get(language, definition.id)}, version {definition.version}.",
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


def _dose() -> list[Block]:
    return [
        Paragraph(
            f"What was delivered is {NOT_ASSESSED} by the questionnaire; please fill it in. A change in the preparation of "
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


def _outcomes(released: Released, definition: Instrument) -> list[Block]:
    bars: list[ChangeBar] = []
    for rule in definition.scores:
        change = released.row("06_change", rule.id)
        before, after = before_and_after(released, rule.id)
        values = score_mean(before), score_mean(after)
        if rule.kind in ("total", "subscale") and (change or values != (None, None)):
            verdict = change.get("verdict") or NOT_ASSESSED
            bar = ChangeBar(released.title(rule.id), *values, verdict, SYMBOLS.get(verdict, DASH))
            bars.insert(0, bar) if rule.kind == "total" else bars.append(bar)
    blocks: list[Block] = []
    if bars:
        blocks.append(
            ChangeBars("Scores before and after, 0 to 100", ("Score", "Before", "After", "Verdict"), tuple(bars))
        )
    figure = released.figure("06_change")
    blocks += [figure] if figure else []
    blocks.append(released.block("06_change", CHANGE_COLUMNS, caption="Change in points of 100"))
    blocks.append(Paragraph(what_the_interval_says(released), soft=True))
    return blocks


def gate_blocks(released: Released) -> list[Block]:
    """Return the verdicts of the gate: whether the questions mean the same at both waves."""
    rows = released.rows("06_gate")
    blocks: list[Block] = [
        released.block(
            "06_gate",
            {"subscale": "Subscale", "score": "Subscale", "verdict": "Verdict", "reason": "Reason"},
            caption="Do the questions mean the same both times?",
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


def _gaps(released: Released) -> list[Block]:
    figure = released.figure("07_gaps")
    blocks: list[Block] = [figure] if figure else []
    blocks += [
        released.block("07_gaps", GAP_COLUMNS, caption="Gaps between the groups, points of 100"),
        released.block(
            "07_signals",
            {"pattern": "Pattern", "signal": "Pattern", "rule": "Rule", "finding": "Finding", "reason": "Why"},
            caption="Patterns that were looked for",
        ),
        Paragraph(
            "A gap is a difference of views; neither side is the true one. Peer workers help to interpret "
            "this before it is released."
        ),
    ]
    return blocks


def _priorities(released: Released) -> list[Block]:
    figure = released.figure("07_matrix")
    blocks: list[Block] = [figure] if figure else []
    return [
        *blocks,
        released.block("07_priorities", PRIORITY_COLUMNS, caption="Areas in the order of priority", decimals=2),
    ]


def _attribution(released: Released, *, controlled: bool) -> list[Block]:
    blocks: list[Block] = []
    if controlled:
        figure = released.figure("06_programme")
        blocks += [
            Paragraph(
                "Difference in differences: how much more the scores changed where the programme ran than where it did not. It "
                "speaks for an effect of the programme if both would have changed alike without it, which cannot be shown, and "
                "more so where chance decided who got the programme."
            ),
            *([figure] if figure else []),
            released.block(
                "06_programme", CHANGE_COLUMNS, caption="Change with the programme less change without, points of 100"
            ),
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
    rows = released.rows("06_negative_control")
    blocks += [
        released.block(
            "06_negative_control",
            CHANGE_COLUMNS,
            caption="Negative control: what the programme should not move within a year",
        ),
        Paragraph(
            "It was named beforehand and is judged by its interval. If it moved, something other than the programme is going on; "
            "that it did not move is weak evidence."
            if rows
            else "Without it nothing here tells the programme apart from whatever else moved all answers."
        ),
    ]
    return blocks


def method_blocks(released: Released, definition: Instrument, provenance: Mapping[str, Any]) -> list[Block]:
    """Return the methods as sentences that can be pasted, and what the report was made of."""
    language = definition.languages[0]
    name = definition.title.get(language, definition.id)
    about = (
        f"Answers to the {name} (version {definition.version}, a draft that has not been validated; {len(definition.items)} "
        f"items on {len(definition.subscales)} subscales, each half facilitators and half barriers) were scored by the rules "
        "of its definition. Scores run from 0 to 100; 100 is the highest answer everywhere. They cannot be compared with "
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
    methods = released.methods(("06", "07"))
    sentences: list[Block] = [Paragraph(text) for text in (about, *methods)]
    if not methods:
        sentences.append(Paragraph(f"Analysis of change: {NOT_ASSESSED}."))
    return [*sentences, Paragraph(f"{shown} {made}".strip(), soft=True)]


def reference_blocks(released: Released, *, more: tuple[str, ...] = ()) -> list[Block]:
    """Return the references that the methods cite, and further ones."""
    cited = sorted({*references(released.methods()), *more})
    return [Heading("References"), Bullets(tuple(cited))] if cited else []


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
