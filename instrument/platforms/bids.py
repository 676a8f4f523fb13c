"""A survey as the codebook of a BIDS phenotype file.

Format: Brain Imaging Data Structure specification, "Phenotypic and assessment data" and "Tabular files". BIDS' own
validator was not run.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from instrument.platforms.variables import Variable, answer_variables, derivation, score_variables
from instrument.survey import Loss, Survey

# BIDS' name for who answered; it starts every row.
_PERSON = "participant_id"


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as the sidecar of a phenotype file, and the file's heading.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to str
        ``phenotype/NAME.json`` describes each column, answers and scores, in the survey's first language;
        ``phenotype/NAME.tsv`` has the names of the columns and no row yet. `person` is called ``participant_id``.

    Examples
    --------
    >>> import json
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> files = write(build_survey(read_instrument("pwiq"), forms=["C"], languages=["en"]))
    >>> json.loads(files["phenotype/pwiq_c.json"])["roleaf"]["Levels"]["5"]
    'Strongly agree'
    """
    language = survey.languages[0]
    columns = _columns(survey)
    told: dict[str, Any] = {"MeasurementToolMetadata": {"Description": _tool(survey, language)}}
    told |= {name: _column(variable, survey, language) for name, variable in columns.items()}
    return {
        f"phenotype/{survey.name}.json": json.dumps(told, ensure_ascii=False, indent=2) + "\n",
        f"phenotype/{survey.name}.tsv": "\t".join(columns) + "\n",
    }


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what the codebook of a BIDS phenotype file cannot hold of a survey."""
    return tuple(_losses(survey))


def _losses(survey: Survey) -> Iterator[Loss]:
    if set(survey.statements()) - {"banner"}:
        yield Loss(aspect="texts", what="Texts that are only read have no place in BIDS.")
    if len(survey.languages) > 1:
        others = ", ".join(survey.languages[1:])
        yield Loss(
            aspect="languages",
            what=f"BIDS describes a column in one language, here {survey.languages[0]}; {others} is left out.",
        )
    if survey.has_off_scale:
        yield Loss(
            aspect="off_scale",
            what="BIDS lists answers beside the scale among the levels and cannot say that they are no points of it.",
        )
    if any(asked.required for asked in survey.questions()):
        yield Loss(aspect="required", what="BIDS does not say which answers are required.")
    if len(survey.forms) > 1:
        yield Loss(aspect="branching", what="BIDS does not say which form asks which question.")
    yield Loss(aspect="layout", what="BIDS does not know pages and grids; the columns stand in their order.")


def _columns(survey: Survey) -> dict[str, Variable]:
    answers = {each.name: each for each in answer_variables(survey)}
    person = {_PERSON: answers.pop("person")}
    return person | answers | {each.name: each for each in score_variables(survey)}


def _tool(survey: Survey, language: str) -> str:
    parts = (survey.title()[language], f"{survey.instrument.version}", survey.banner.get(language, ""), survey.stamp)
    return " | ".join(part for part in parts if part)


def _column(variable: Variable, survey: Survey, language: str) -> dict[str, Any]:
    if variable.rule is not None:
        return {
            "LongName": variable.label(language),
            "Description": derivation(variable.rule, survey),
            "Units": _units(variable.rule.rule),
            "Derivative": True,
        }
    label = variable.label(language)
    told: dict[str, Any] = {"Description": label} if label else {}
    asked = variable.asked
    if asked is not None and asked.role == "item":
        item = survey.instrument.items[asked.id]
        told = {"LongName": survey.instrument.subscales[item.subscale].title[language]} | told
    if variable.choices:
        told["Levels"] = {
            choice.code: choice.label[language] if language in choice.label else choice.label["en"]
            for choice in variable.choices
        }
    return told


def _units(rule: str) -> str:
    return "points of the answer scale" if rule == "acquiescence" else "percent of the maximum possible score"
