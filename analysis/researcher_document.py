"""The researcher's document: methods and results that are ready to paste, and the argument for validity.

Off by default: it shows more precise tables than the others, and is written for a named role only. It shows nothing
that was not released, and a property that was not tested is printed as "not assessed".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.document import Block, Bullets, Callout, Document, Heading, Paragraph, Table
from analysis.evaluator_document import (
    CHANGE_COLUMNS,
    GAP_COLUMNS,
    LINKING_COLUMNS,
    flow_blocks,
    footer,
    gate_blocks,
    method_blocks,
    reference_blocks,
)
from analysis.released import NOT_ASSESSED, Released
from instrument.definition import Instrument

PRIORITY_COLUMNS = {
    "subscale": "Subscale",
    "rank": "Rank",
    "n": "n",
    "score": "Score",
    "importance": "Importance",
    "priority": "Priority",
    "ci_low": "CI low",
    "ci_high": "CI high",
    "chance": "Chance of top 3",
    "difficulty": "Difficulty",
    "quadrant": "Quadrant",
}
_GAP_DETAILS = {"se": "SE", "p_adjusted": "p (adj.)", "n_1": "n first", "n_2": "n second"}
HYPOTHESES = (
    ("Role clarity with role ambiguity", "r ≤ −.50"),
    ("Culture and voice with psychological safety", "r ≥ .50"),
    ("Leadership and education with readiness to change (ORIC)", "r ≥ .40"),
    ("Authentic practice with fidelity of peer support", "r ≥ .40"),
    ("Supervision higher where the supervisor has lived experience", "difference > 0"),
    ("Subscales with each other", "r < .85"),
)
_STANDARDS = (
    "American Educational Research Association, American Psychological Association, & National Council on Measurement in "
    "Education. (2014). Standards for educational and psychological testing. American Educational Research Association."
)


def researcher_document(released: Released, definition: Instrument, provenance: Mapping[str, Any]) -> Document:
    """Compose the researcher's document out of what was released (blueprint of the questionnaire, part D1).

    Parameters
    ----------
    released : Released
        The tables of all notebooks; those of 06 and 07 are printed with more digits than elsewhere.
    definition : Instrument
    provenance : mapping
        As in ``provenance.json``.
    """
    language = definition.languages[0]
    blocks: list[Block] = [
        Callout(
            "For the named researcher only, under the terms of the ethics approval. Tables with this much detail can be "
            "combined with others; do not hand them on.",
            title="Not for circulation.",
        ),
        Heading("Methods, ready to paste"),
        *_instrument(definition),
        *method_blocks(released, definition, provenance),
        Heading("Hypotheses"),
        *_hypotheses(released),
        Heading("Results"),
        Heading("Participants", 2),
        *flow_blocks(released),
        released.block("06_linking", LINKING_COLUMNS, caption="Linking: rates and estimated errors", decimals=4),
        Heading("Scores", 2),
        released.block("06_means", caption="Scores by wave", decimals=2),
        Heading("Change", 2),
        released.block(
            "06_change", _all(released, "06_change"), caption="Change from the first to the last wave", decimals=2
        ),
        released.block(
            "06_programme",
            _all(released, "06_programme"),
            caption="Change with the programme less change without",
            decimals=2,
            missing="not assessed; there was no comparison",
        ),
        released.block(
            "06_negative_control", _all(released, "06_negative_control"), caption="Negative control", decimals=2
        ),
        Heading("Comparability", 2),
        *gate_blocks(released),
        Heading("Gaps and priorities", 2),
        released.block("07_gaps", GAP_COLUMNS | _GAP_DETAILS, caption="Gaps between forms", decimals=2),
        released.block(
            "07_priorities", PRIORITY_COLUMNS, caption="Need, importance, difficulty and priority", decimals=2
        ),
        released.block("07_targeted", caption="Targeted barriers", decimals=2),
        Heading("Checks and deviations", 2),
        released.block(
            "06_checks", {"check": "Check", "what": "What was done", "finding": "Finding"}, caption="Checks"
        ),
        released.block("06_deviations", caption="Deviations from the analysis plan"),
        Heading("The argument for validity"),
        *_validity(released),
        Heading("Released tables"),
        Paragraph("Each is a CSV file in the folder tables and a sheet of tables.xlsx."),
        *_contents(released),
        *reference_blocks(released, more=(_STANDARDS,)),
    ]
    return Document(
        title="Integration of the peer workforce: methods and results",
        subtitle=f"For researchers. {definition.title.get(language, definition.id)}, version {definition.version}.",
        banner=str(provenance.get("draft") or definition.banner.get(language, "")),
        footer=footer(provenance),
        language=language,
        blocks=tuple(blocks),
    )


def _all(released: Released, name: str) -> dict[str, str] | None:
    """Return the columns of a table of changes, the known ones first under their short heads."""
    rows = released.rows(name)
    if not rows:
        return None
    precise = {"estimate": "Change", "ci_low": "CI low", "ci_high": "CI high"}
    heads = {"score": "Score", "n_before": "n before", "n_after": "n after", **precise, **CHANGE_COLUMNS}
    known = {column: head for column, head in heads.items() if column in rows[0] and column != "interval"}
    more = [column for column in rows[0] if column not in {*known, "interval"}]
    return known | {column: column.replace("_", " ").capitalize() for column in more}


def _instrument(definition: Instrument) -> list[Block]:
    language = definition.languages[0]
    forms = ", ".join(form.title[language] for form in definition.forms if form.short_of is None)
    constructs = tuple(
        (
            subscale.title[language],
            subscale.construct.get(language, ""),
            str(len(definition.subscale_items()[subscale.id])),
        )
        for subscale in definition.subscales
    )
    return [
        Paragraph(
            f"Forms: {forms or 'one'}. Languages: {', '.join(definition.languages)}. Licence of the texts: {definition.licence}. "
            f"Content validity, pretests, mode, dates, invitations, ethics and lived experience governance: {NOT_ASSESSED} here; "
            "please add them (CROSS, CHERRIES, JARS-Quant)."
        ),
        Table(
            "What the subscales are meant to measure",
            ("Subscale", "Construct", "Items"),
            constructs,
            align=("left", "left", "right"),
            widths=(3, 7, 0.8),
        ),
    ]


def _hypotheses(released: Released) -> list[Block]:
    """Print the hypotheses that stand with the questionnaire; what was found is what a table has released of them."""
    found = [
        released.block(entry.name) for entry in released.shown if entry.kind == "table" and "hypothes" in entry.name
    ]
    rows = tuple((*hypothesis, "see the table below" if found else NOT_ASSESSED) for hypothesis in HYPOTHESES)
    note = "The limits were set by design, before any data."
    return [Table("Stated beforehand", ("Hypothesis", "Expected", "Found"), rows, widths=(5, 2, 2), note=note), *found]


def _validity(released: Released) -> list[Block]:
    """Return the five sources of evidence of the Standards, each with where the report has it."""

    def pages(*words: str) -> str:
        titles = [
            entry.title or entry.name
            for entry in released.shown
            if entry.kind == "table" and any(word in entry.name for word in words)
        ]
        return (
            "; ".join(titles[:4]) + (f" and {len(titles) - 4} more" if len(titles) > 4 else "")
            if titles
            else NOT_ASSESSED
        )

    rows = (
        (
            "Content",
            (
                "Derived from published syntheses; each item names its sources. Ratings by an expert panel, at "
                "least half peer workers"
            ),
            pages("content", "blueprint"),
        ),
        (
            "Response processes",
            "Cognitive interviews; careless and missing answers",
            pages("careless", "quality", "missing", "gaps_in", "off_scale"),
        ),
        (
            "Internal structure",
            "Factors, reliability, the same meaning over forms and waves",
            pages("factor", "reliab", "omega", "alpha", "invarian", "gate", "cfa", "parallel"),
        ),
        (
            "Relations to other variables",
            "Hypotheses above; known groups; the experienced change",
            pages("hypothes", "known_groups", "anchor", "respons"),
        ),
        ("Consequences", "What teams did with the results; harm", NOT_ASSESSED),
    )
    return [
        Table("Five sources of evidence", ("Source", "What counts", "What this report has"), rows, widths=(2.2, 4, 4)),
        Paragraph("A validity argument is about a use of scores; this questionnaire is a draft and claims little."),
    ]


def _contents(released: Released) -> list[Block]:
    named = tuple(f"{entry.name}.csv: {entry.title}" for entry in released.shown if entry.kind == "table")
    return [Bullets(named)] if named else []
