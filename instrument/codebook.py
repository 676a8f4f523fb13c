"""The data dictionary of a questionnaire: what every column of a file of answers or scores means."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from instrument.definition import Instrument, Item, Question, ResponseScale, ScoreRule, Text
from instrument.responses import question_columns

COLUMNS = (
    "what",
    "text",
    "subscale",
    "facet",
    "wording",
    "reversed",
    "forms",
    "codes",
    "off_scale",
    "risk",
    "export",
    "note",
)
# The columns that every file of answers may have; a definition may describe them in its own words.
_KEYS = {
    "response": "Id of the response (one filled-in form)",
    "person": "Who answered; the same person may answer in several waves",
    "form": "Form of the questionnaire",
    "wave": "Measurement occasion: 1, 2, …",
    "organisation": "Organisation",
    "team": "Team, within the organisation",
    "programme": "Whether the organisation takes part in the programme",
}


def codebook(instrument: Instrument, *, language: str | None = None) -> pd.DataFrame:
    """Return the data dictionary: a row for each column of a file of answers or scores.

    Parameters
    ----------
    instrument : Instrument
    language : str, optional
        Language of texts and labels; default: the first of the definition.

    Returns
    -------
    pandas.DataFrame
        Index ``id`` (the column's name). Columns, empty text where something does not apply:
        ``what`` (system, item, question, score), ``text``, ``subscale``, ``facet``, ``wording``,
        ``reversed`` (yes or no, of items), ``forms``, ``codes`` and ``off_scale`` (``code = label; …``),
        ``risk`` (of re-identification), ``export`` (a score's short id) and ``note``.

    Raises
    ------
    ValueError
        If the definition is not in this language.

    Examples
    --------
    >>> from instrument import codebook, read_instrument
    >>> dictionary = codebook(read_instrument("pwiq"))
    >>> dictionary.loc["roleab", ["what", "subscale", "reversed"]].tolist()
    ['item', 'role', 'yes']
    """
    chosen = language or instrument.languages[0]
    if chosen not in instrument.languages:
        raise ValueError(
            f"language {language!r} is not in the definition; use one of {', '.join(instrument.languages)}"
        )
    rows = [_key(name, text, instrument, chosen) for name, text in _KEYS.items()]
    rows += [_item(item, instrument, chosen) for item in instrument.items]
    rows += [
        _question(column, question, instrument, chosen)
        for question in instrument.questions
        if question.id not in _KEYS
        for column in question_columns(question, instrument)
    ]
    rows += [_score(score, chosen) for score in instrument.scores]
    frame = pd.DataFrame(rows).set_index("id").reindex(columns=list(COLUMNS))
    return frame.astype("string").fillna("")


def _key(name: str, text: str, instrument: Instrument, language: str) -> Mapping[str, Any]:
    row = {"id": name, "what": "system", "text": text}
    if name in instrument.questions.ids:
        question = instrument.questions[name]
        row |= {"text": question.text[language], "risk": question.risk or "", "note": question.note}
    if name == "form":
        row["codes"] = "; ".join(f"{form.id} = {form.title[language]}" for form in instrument.forms)
    if name == "programme":
        row["codes"] = "0 = no; 1 = yes"
    return row


def _item(item: Item, instrument: Instrument, language: str) -> Mapping[str, Any]:
    return {
        "id": item.id,
        "what": "item",
        "text": item.text[language],
        "subscale": item.subscale,
        "facet": item.facet,
        "wording": item.wording,
        "reversed": "yes" if item.reverse else "no",
        "forms": ", ".join(item.forms),
        **_answers(instrument.response_scales[item.scale], language),
    }


def _question(column: str, question: Question, instrument: Instrument, language: str) -> Mapping[str, Any]:
    row = {
        "id": column,
        "what": "system" if question.role == "system" else "question",
        "text": question.text[language],
        "subscale": question.subscale,
        "forms": ", ".join(question.forms),
        "risk": question.risk,
        "note": question.note,
    }
    if question.scale is None:
        return row
    scale = instrument.response_scales[question.scale]
    if not question.multiple:
        return row | _answers(scale, language)
    code = int(column.removeprefix(question.id))
    label = scale.labels[code][language]
    return row | {"text": f"{question.text[language]} – {label}", "codes": "0 = no; 1 = yes"}


def _score(score: ScoreRule, language: str) -> Mapping[str, Any]:
    return {"id": score.id, "what": "score", "text": score.title[language], "export": score.export}


def _answers(scale: ResponseScale, language: str) -> dict[str, str]:
    off = {each.code: each.label for each in scale.off_scale}
    on = {code: scale.labels[code] for code in scale.codes}
    return {"codes": _labelled(on, language), "off_scale": _labelled(off, language)}


def _labelled(labels: Mapping[int, Text], language: str) -> str:
    return "; ".join(f"{code} = {text[language]}" for code, text in labels.items())
