"""The documents of a report, written into its folder: each as HTML, PDF and Word."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.document import Document
from analysis.document_html import html
from analysis.document_pdf import pdf
from analysis.document_word import word
from analysis.evaluator_document import evaluator_document
from analysis.release import Shown
from analysis.released import Released
from analysis.researcher_document import researcher_document
from analysis.team_page import team_page
from instrument.definition import Instrument
from instrument.files import write_whole

RESEARCHER = "researcher"


def write_documents(
    folder: Path,
    shown: Sequence[Shown],
    tables: Mapping[str, pd.DataFrame],
    provenance: Mapping[str, Any],
    definition: Instrument,
    *,
    audience: str,
) -> list[Path]:
    """Write the team's page and the evaluator's document, and for researchers theirs.

    Parameters
    ----------
    folder : path
        The report's folder; figures are read from its folder ``figures``.
    shown : sequence of Shown
        What the notebooks released, in order.
    tables : mapping
        Name → released table as text.
    provenance : mapping
        As in ``provenance.json``.
    definition : Instrument
    audience : str
        "researcher" adds the researcher's document.

    Returns
    -------
    list of path
        The files, in order: ``team.html``, ``team.pdf``, ``team.docx``, ``evaluator.html`` …
    """
    figures = {file.stem: file.read_bytes() for file in sorted((folder / "figures").glob("*.svg"))}
    released = Released(shown, tables, figures, names_of(definition))
    documents = {
        "team": team_page(released, definition, provenance),
        "evaluator": evaluator_document(released, definition, provenance),
    }
    if audience == RESEARCHER:
        documents["researcher"] = researcher_document(released, definition, provenance)
    return [path for name, document in documents.items() for path in write_document(folder, name, document)]


def write_document(folder: Path, name: str, document: Document) -> list[Path]:
    """Write one document as ``name.html``, ``name.pdf`` and ``name.docx``."""
    made: dict[str, str | bytes] = {"html": html(document), "pdf": pdf(document), "docx": word(document)}
    for ending, content in made.items():
        write_whole(folder / f"{name}.{ending}", content)
    return [folder / f"{name}.{ending}" for ending in made]


def names_of(definition: Instrument) -> dict[str, str]:
    """Return what to write for the names of scores, subscales, forms and items."""
    language = definition.languages[0]
    return (
        {item.id: item.text.get(language, item.id) for item in definition.items}
        | {form.id: form.title.get(language, form.id) for form in definition.forms}
        | {subscale.id: subscale.title.get(language, subscale.id) for subscale in definition.subscales}
        | {signal.id: signal.title.get(language, signal.id) for signal in definition.signals}
        | {rule.id: rule.title.get(language, rule.id) for rule in definition.scores}
        | {question.id: question.text.get(language, question.id) for question in definition.questions}
        | {"negative_control": "Negative control"}
    )
