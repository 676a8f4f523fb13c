"""A document with every kind of block; and the parts that a report releases, as the documents read them.

The parts are every table and figure of notebooks 06 and 07.
"""

from __future__ import annotations

import functools
from typing import Any

import pandas as pd
import pytest

from analysis.document import (
    Bullets,
    Callout,
    ChangeBar,
    ChangeBars,
    Document,
    Figure,
    FillIn,
    FlowDiagram,
    FlowStep,
    Heading,
    KeyFigure,
    KeyFigures,
    PageBreak,
    Paragraph,
    Table,
    bold,
)
from analysis.release import Shown
from instrument.definition import Instrument, read_instrument

HOSTILE = '#import "x": * $x$ <script>alert(1)</script> </style> {{ 7*7 }} {% raw %} =cmd() \\ @a <b> & \' " ]] */ `x`'
SUBSCALES = ("role", "indu", "educ", "path", "supv", "reso", "devp", "lead", "voic", "cult", "prac")
SVG = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="600" height="240" viewBox="0 0 600 240">'
    b'<rect width="600" height="240" fill="#ffffff"/><line x1="60" y1="200" x2="560" y2="40" stroke="#0b5a8a" stroke-width="4"/>'
    b'<rect x="60" y="30" width="3" height="180"/><rect x="60" y="208" width="500" height="3"/></svg>'
)
_WAYS = ("better", "no change that matters", "too close to call", "worse", "not enough answers")


def released_tables(definition: Instrument) -> dict[str, tuple[str, str, tuple[str, ...], pd.DataFrame]]:
    """Name → title, method, notes, table."""
    scores = ["integration", "facilitator_index", "barrier_index", *SUBSCALES]
    moves = [6.1, 5.2, -7.3, 9.4, 7.2, 8.8, 1.1, 2.4, -0.4, 0.3, 3.9, -8.1, 2.2, 1.9]
    words = ["better", "too close to call", "better", *(_WAYS[i] for i in (0, 0, 0, 1, 2, 1, 1, 2, 3, 2, 4))]
    base = [55, 58, 48, 41, 52, 38, 60, 47, 55, 44, 63, 59, 66, 57]
    change = pd.DataFrame(
        {
            "score": scores,
            "n_before": 30,
            "n_after": 26,
            "estimate": [f"{move:.1f}" for move in moves],
            "ci_low": [f"{move - 4.6:.1f}" for move in moves],
            "ci_high": [f"{move + 4.6:.1f}" for move in moves],
            "p_adjusted": [".013", ".08", ".004", *[".031"] * 11],
            "verdict": words,
            "size": ["may matter"] * len(scores),
        }
    )
    means = pd.DataFrame(
        [
            {
                "score": score,
                "wave": str(wave),
                "mean": str(value),
                "ci_low": str(value - 5),
                "ci_high": str(value + 5),
                "n": n,
            }
            for score, first, move in zip(scores, base, moves, strict=True)
            for wave, value, n in ((1, first, 30), (2, round(first + move), 26))
        ]
    )
    need = [100 - value for value in base[3:]]
    importance = [70, 55, 85, 62, 74, 51, 66, 48, 88, 79, 60]
    priority = [round(a * b / 10000, 2) for a, b in zip(need, importance, strict=True)]
    items = {item.id: item.text["en"] for item in definition.items}
    keep = ["pathbf", "cultcf", "pathaf"]
    act = ["praccb", "induab", "resoab"]
    tables = {
        "06_flow": pd.DataFrame(
            {
                "step": ["invited", "answered", "usable", "linked", "no partner", "blank or incomplete code"],
                "before": ["41", "32", "30", "17", "9", "–"],
                "after": ["40", "27", "26", "17", "5", "–"],
            }
        ),
        "06_linking": pd.DataFrame(
            {
                "step": ["exact", "one differing", "all"],
                "links": ["14", "–", "17"],
                "false_share": ["0.001", "0.004", "0.002"],
                "missed_share": ["0.12", "0.05", "0.06"],
            }
        ),
        "06_gate": pd.DataFrame(
            {
                "subscale": SUBSCALES,
                "verdict": ["not tested here"] * 10 + ["not comparable"],
                "reason": ["fewer than 200 usable answers a wave"] * 10
                + ["one question was reworded between the surveys"],
            }
        ),
        "06_means": means,
        "06_change": change,
        "06_programme": change.assign(verdict="too close to call"),
        "06_negative_control": pd.DataFrame(
            {
                "score": ["negative_control"],
                "n_before": ["30"],
                "n_after": ["26"],
                "estimate": ["1.4"],
                "ci_low": ["-2.9"],
                "ci_high": ["5.7"],
                "verdict": ["as expected: no change that matters"],
            }
        ),
        "06_checks": pd.DataFrame(
            {
                "check": [
                    "Exact links only",
                    "Without careless answers",
                    "Linked against unlinked at the start",
                    "Ceiling",
                    "Response style",
                ],
                "what": [
                    "the change again, with exact matches only",
                    "the change again, without flagged answers",
                    "did those who stayed differ from those who left",
                    "share of answers at the top",
                    "facilitators and barriers moving the same way",
                ],
                "finding": [
                    "+5.8 points (from +1.0 to +10.6)",
                    "+6.4 points (from +1.7 to +11.1)",
                    "no clear difference",
                    "under 15 % everywhere",
                    "not seen",
                ],
            }
        ),
        "06_deviations": pd.DataFrame(
            {"deviation": ["The second survey closed two weeks later than planned."], "reason": ["Holidays."]}
        ),
        "07_gaps": pd.DataFrame(
            {
                "score": SUBSCALES[:4],
                "between": ["peer workers − colleagues"] * 4,
                "estimate": ["-12.1", "-3.0", "-9.9", "1.2"],
                "ci_low": ["-20.0", "-9.1", "-17.2", "-5.0"],
                "ci_high": ["-4.2", "3.1", "-2.6", "7.4"],
                "verdict": ["not tested here"] * 4,
            }
        ),
        "07_signals": pd.DataFrame(
            {
                "signal": ["tokenism", "unclear", "entryonly"],
                "rule": [
                    "leadership at least 62.5 and voice under 50",
                    "culture at least 62.5 and role under 50",
                    "induction at least 62.5 and careers under 50",
                ],
                "finding": ["not seen", "seen", "not seen"],
            }
        ),
        "07_priorities": pd.DataFrame(
            {
                "subscale": SUBSCALES,
                "score": base[3:],
                "importance": importance,
                "priority": priority,
                "difficulty": [2.1, 3.2, 2.8, 2.2, 3.0, 4.1, 3.9, 2.5, 3.1, 3.4, 2.9],
                "quadrant": ["act first"] * 4 + ["plan for the long run"] * 4 + ["keep an eye on it"] * 3,
                "chance_top3": [0.81, 0.2, 0.92, 0.12, 0.33, 0.05, 0.1, 0.02, 0.3, 0.11, 0.04],
            }
        ),
        "07_keep": pd.DataFrame(
            {
                "item": keep,
                "text": [items[item] for item in keep],
                "value": ["82", "79", "74"],
                "chance": ["0.91", "0.77", "0.52"],
                "action": ["", "", ""],
            }
        ),
        "07_act": pd.DataFrame(
            {
                "item": act,
                "text": [items[item] for item in act],
                "value": ["71", "66", "61"],
                "chance": ["0.88", "0.64", "0.49"],
                "action": [
                    "protect flexible, experience-based work",
                    "induction and a plan for the first months",
                    "time, tools and secure terms",
                ],
            }
        ),
        "07_targeted": pd.DataFrame(
            {"item": act, "estimate": ["-4.0", "-1.2", "0.5"], "finding": ["no comparison: raw change only"] * 3}
        ),
    }
    method = {
        "06_change": (
            "The change of each score was estimated for partially overlapping samples with unequal variances "
            "(Derrick et al., 2017); subscales were adjusted after Holm (1979). Scores are per cent of the maximum possible "
            "(Cohen et al., 1999)."
        ),
        "06_linking": "Self-generated codes were linked exactly, then with one differing element.",
    }
    titles = {
        "06_flow": "Who was invited, answered and was linked",
        "06_linking": "How well codes were linked",
        "06_gate": "May the waves be compared?",
        "06_means": "Scores at each wave",
        "06_change": "Change from the first to the last wave",
        "06_programme": "How much more it changed with the programme",
        "06_negative_control": "What the programme should not move",
        "06_checks": "Checks",
        "06_deviations": "Deviations from the plan",
        "07_gaps": "Gaps between groups",
        "07_signals": "Patterns",
        "07_priorities": "Priorities",
        "07_keep": "To keep",
        "07_act": "To act on",
        "07_targeted": "Barriers that were targeted",
    }
    return {
        name: (
            titles[name],
            method.get(name, ""),
            ("Under 5 people nothing is shown.",) if name == "06_flow" else (),
            frame,
        )
        for name, frame in tables.items()
    }


@functools.cache
def _definition() -> Instrument:
    return read_instrument("pwiq")


class Report:
    """What `written.write_documents` is given."""

    def __init__(self, *, without: tuple[str, ...] = ()) -> None:
        self.definition = _definition()
        parts = {name: part for name, part in released_tables(self.definition).items() if name not in without}
        self.tables = {name: part[3].astype(str) for name, part in parts.items()}
        self.shown = [
            Shown(
                kind="table",
                notebook="06_before_and_after" if name < "07" else "07_priorities",
                name=name,
                title=title,
                method=method,
                notes=notes,
            )
            for name, (title, method, notes, _) in parts.items()
        ]
        self.figures: dict[str, bytes] = {}
        for name in ("06_change", "06_programme", "07_matrix", "07_gaps", "07_needs"):
            if name not in without:
                self.figures[name] = SVG
                self.shown.append(
                    Shown(
                        kind="figure",
                        notebook=name[:2],
                        name=name,
                        title=f"Figure of {name[3:]}",
                        alt=f"{name[3:]}: a line that rises from 20 to 80.",
                    )
                )
        self.shown.append(
            Shown(
                kind="sentence",
                notebook="06_before_and_after",
                name="",
                headline=True,
                text=(
                    "Integration score, last wave against first: +6.1 points of 100 (95 % interval +1.5 to "
                    "+10.7): better. This is change, not the effect of anything."
                ),
            )
        )
        self.provenance: dict[str, Any] = {
            "draft": self.definition.banner["en"],
            "made": "2026-03-14T09:00:00+00:00",
            "audience": "internal",
            "smallest_group_shown": 5,
            "questionnaire": {"id": "pwiq", "version": self.definition.version, "sha256": "0" * 64},
            "data": [{"file": "baseline.csv", "sha256": "1" * 64}, {"file": "followup.csv", "sha256": "2" * 64}],
            "responses": 56,
            "seed": 20261122,
            "python": "3.11.2",
            "packages": {"pwiq": "0.1.0", "numpy": "2.4.0", "scipy": "1.17.0"},
        }


@pytest.fixture
def report() -> Report:
    """A report with everything."""
    return Report()


@pytest.fixture
def report_without() -> type[Report]:
    """Makes a report without some of its parts."""
    return Report


def document_of_everything(text: str = "text") -> Document:
    """A document with each kind of block, which all say ``text``."""
    return Document(
        title=f"Title {text}",
        subtitle=text,
        banner=f"Banner {text}",
        footer=text,
        blocks=(
            Heading(text),
            Paragraph((text, bold(text))),
            Paragraph(text, soft=True),
            Heading(text, 2),
            Bullets((text, (text, bold(text)))),
            Callout(text, title=text),
            Table(text, (text, text), ((text, text), (text, text)), align=("left", "right"), note=text),
            FillIn(text, (text, "b"), rows=2, first=(text,)),
            KeyFigures((KeyFigure(text, text, text, text),)),
            ChangeBars(
                text,
                ("a", "b", "c", "d"),
                (ChangeBar(text, 40.0, 62.4, text, "▲"), ChangeBar("z", None, None, "?", "?")),
            ),
            FlowDiagram(
                text,
                ("b", "a"),
                (FlowStep(text, ("1", "2")), FlowStep(text, ("3",)), FlowStep("c", ("4", "5"), aside=True)),
                note=text,
            ),
            PageBreak(),
            Figure(SVG, alt=text, caption=text),
        ),
    )


@pytest.fixture
def everything() -> Any:
    """Makes a document with each kind of block, which all say the same text."""
    return document_of_everything


@pytest.fixture
def hostile_text() -> str:
    """Text that would be markup, code or a formula somewhere."""
    return HOSTILE
