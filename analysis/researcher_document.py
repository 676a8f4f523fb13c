"""The researcher's document: methods and results that are ready to paste, and the argument for validity.

Off by default: it shows more precise tables than the others, and is written for a named role only. It shows nothing
that was not released, and a property that was not tested is printed as "not assessed".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analysis.document import Block, Bullets, Callout, Document, Heading, Paragraph, Table
from analysis.evaluator_document import (
    LINKING_COLUMNS,
    choices,
    flow_blocks,
    flow_today,
    gap_table,
    gate_blocks,
    judged,
    long_document,
    method_blocks,
    notes_of,
    one_wave_callout,
    reference_blocks,
    scores_today,
    targeted_block,
    why_nothing_of_the_linked,
    with_interval,
)
from analysis.released import DASH, NOT_ASSESSED, Released, about, readable
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
GATE_COLUMNS = {
    "score": "Score",
    "verdict": "Verdict",
    "change_all": "Change, all items",
    "change_invariant": "Change, items used alike",
    "freed": "Items not used alike",
}
CHANGE_COLUMNS = {
    "contrast": "Contrast",
    "score": "Score",
    "people": "n before, after",
    "change": "Change (95 % CI)",
    "judged": "Verdict",
}
TEST_COLUMNS = {
    "score": "Score",
    "se": "SE",
    "df": "df",
    "statistic": "t",
    "p": "p",
    "p_adjusted": "p (adj.)",
    "effect": "In SD (95 % CI)",
}
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
        *(_results_of_one_wave(released, definition) if released.only_wave() else _results(released, definition)),
        Heading("The argument for validity"),
        *_validity(released),
        Heading("Released tables"),
        Paragraph("Each is a CSV file in the folder tables and a sheet of tables.xlsx."),
        *_contents(released),
        *reference_blocks(released, more=(_STANDARDS,)),
    ]
    return long_document(
        "Integration of the peer workforce: methods and results", "researchers", blocks, definition, provenance
    )


def _results(released: Released, definition: Instrument) -> list[Block]:
    why_no_links = why_nothing_of_the_linked(released)
    return [
        Heading("Participants", 2),
        *flow_blocks(released),
        released.block(
            "06_linking",
            LINKING_COLUMNS,
            caption="Linking: rates and estimated errors",
            decimals=4,
            missing=why_no_links,
        ),
        Heading("Scores", 2),
        _means(released),
        Heading("Change", 2),
        *_change(released, "06_change", "Change from the first to the last wave"),
        *_change(
            released,
            "06_programme",
            "Change with the programme less change without",
            missing="not assessed; there was no comparison",
        ),
        *_arms(released),
        *_change(released, "06_negative_control", "Negative control"),
        _superiority(released),
        released.block(
            "06_reliable_change", caption="Reliable change (numbers of linked people)", decimals=2, missing=why_no_links
        ),
        released.block("06_adjusted_change", caption="Analysis of covariance", decimals=2),
        Heading("Comparability", 2),
        *gate_blocks(released),
        _gate(released),
        *_gaps_and_priorities(released),
        targeted_block(released, definition),
        Heading("Checks and deviations", 2),
        released.block(
            "06_checks", {"check": "Check", "what": "What was done", "finding": "Finding"}, caption="Checks"
        ),
        *choices(released),
        _attrition(released),
        released.block("06_deviations", caption="Deviations from the analysis plan"),
    ]


def _results_of_one_wave(released: Released, definition: Instrument) -> list[Block]:
    """Return the results that need no second wave."""
    return [
        one_wave_callout(),
        Heading("Participants", 2),
        *flow_today(released),
        Heading("Scores", 2),
        *scores_today(released, definition),
        *_gaps_and_priorities(released),
    ]


def _gaps_and_priorities(released: Released) -> list[Block]:
    return [
        Heading("Gaps and priorities", 2),
        gap_table(released, list(dict.fromkeys(about(row) for row in released.rows("07_gaps"))), precise=True),
        released.block(
            "07_priorities", PRIORITY_COLUMNS, caption="Need, importance, difficulty and priority", decimals=2
        ),
        *[figure for figure in (released.figure(name, width=0.7) for name in ("07_matrix", "07_needs")) if figure],
    ]


def _change(released: Released, name: str, caption: str, *, missing: str = "") -> list[Table | Paragraph]:
    """Return a table of changes, and where they were tested a table of the tests."""
    rows = []
    for row in released.rows(name):
        people = ", ".join(readable(row.get(column, "")) for column in ("n_before", "n_after"))
        told = {"people": people, "change": with_interval(row), "judged": judged(row)}
        if "effect_size" in row:
            told["effect"] = with_interval(row, "effect_size", "effect_low", "effect_high", decimals=2)
        rows.append(row | told)
    changes = released.of_rows(rows, CHANGE_COLUMNS, caption, missing=missing, note=notes_of(released, name))
    if not rows or "statistic" not in rows[0]:
        return [changes]
    tests = sorted({row["test"] for row in rows if row.get("test")})
    used = f"Tests: {', '.join(tests)}." if tests else ""
    return [changes, released.of_rows(rows, TEST_COLUMNS, f"{caption}: tests", decimals={"statistic": 2}, note=used)]


def _means(released: Released) -> Table | Paragraph:
    """Return the means with one row a score, the waves beside each other."""
    waves = list(dict.fromkeys(row.get("wave", "") for row in released.rows("06_means")))
    columns = {"score": "Score"}
    for wave in waves:
        columns |= {
            f"n {wave}": f"n {wave}",
            f"mean {wave}": f"Mean {wave} (95 % CI)",
            f"sd {wave}": f"SD {wave}",
        }
    found: dict[str, dict[str, str]] = {}
    for row in released.rows("06_means"):
        wave = row.get("wave", "")
        found.setdefault(about(row), dict.fromkeys(columns, "")).update(
            {
                "score": about(row),
                f"n {wave}": row.get("n", ""),
                f"mean {wave}": with_interval(row, "mean" if "mean" in row else "estimate", decimals=0),
                f"sd {wave}": row.get("sd", ""),
            }
        )
    return released.of_rows(list(found.values()), columns, "Scores by wave", note=notes_of(released, "06_means"))


def _arms(released: Released) -> list[Block]:
    heads = {"programme": "with the programme", "control": "without it"}
    return _beside(released, "06_arms", "arm", heads, "Change in each arm")


def _attrition(released: Released) -> Table | Paragraph:
    blocks = _beside(
        released,
        "06_attrition",
        "wave",
        {"before": "before", "after": "after"},
        "Linked less unlinked people",
    )
    missing = why_nothing_of_the_linked(released)
    return blocks[0] if blocks else released.of_rows([], {}, "Linked less unlinked people", missing=missing)


def _beside(released: Released, name: str, by: str, heads: Mapping[str, str], caption: str) -> list[Any]:
    """Return a table of two groups of rows with one row a score, the groups beside each other."""
    columns = {"score": "Score"}
    for key, head in heads.items():
        columns |= {f"change {key}": f"Points {head} (95 % CI)", f"se {key}": "SE", f"effect_size {key}": "In SD"}
    found: dict[str, dict[str, str]] = {}
    for row in released.rows(name):
        key, score = row.get(by, ""), row.get("score", "")
        found.setdefault(score, dict.fromkeys(columns, "")).update(
            {
                "score": score,
                f"change {key}": with_interval(row),
                f"se {key}": row.get("se", ""),
                f"effect_size {key}": row.get("effect_size", ""),
            }
        )
    empty = {column for column in columns if all(line[column] in ("", DASH) for line in found.values())}
    kept = {column: head for column, head in columns.items() if column not in empty}
    return (
        [
            released.of_rows(
                list(found.values()), kept, caption, decimals={"effect_size": 2}, note=notes_of(released, name)
            )
        ]
        if found
        else []
    )


def _superiority(released: Released) -> Table | Paragraph:
    rows = [
        row
        | {
            "chance": with_interval(row, "probability", "probability_low", "probability_high", decimals=2),
            "effect": with_interval(row, "effect_size", "effect_low", "effect_high", decimals=2),
        }
        for row in released.rows("06_superiority")
    ]
    heads = {
        "score": "Score",
        "chance": "Chance that somebody after scores higher (95 % CI)",
        "effect": "Change in SD (95 % CI)",
    }
    note = notes_of(released, "06_superiority")
    return released.of_rows(rows, heads, "Size of the change without a unit", decimals=2, note=note)


def _gate(released: Released) -> Table | Paragraph:
    """Return the change with all items and with those that were used alike, for each score that could be tested."""
    rows = []
    for row in released.rows("06_gate"):
        freed = [item for item in row.get("freed", "").split(", ") if item]
        if row.get("verdict") != "not tested here":
            told = "; ".join(f"{item}: {released.title(item)}" for item in freed) or "none"
            rows.append(row | {"score": about(row), "freed": told})
    caption = "Change with all items and with those that were used alike"
    return released.of_rows(rows, GATE_COLUMNS, caption, decimals=2)


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
