"""Answers in people's own words: in a file of their own, on request only, with nothing that says whose they are."""

from __future__ import annotations

import secrets
from pathlib import Path

import pandas as pd

from analysis.disclosure import FLOORS, Audience
from analysis.sentences import listed
from instrument.files import csv_text, write_whole
from instrument.responses import Responses

WARNING = (
    "Answers in people's own words. People recognise each other by what they tell and how they write, even without a name.",
    "One person reads this file first and takes out names, places, dates and anything that only one person can have written.",
    "Nobody else sees it before that. It is not sent on, not put beside scores, and not used to find out who wrote what.",
    "The answers were shuffled anew; order, wave, form, team and person are not kept and cannot be had back from this file.",
)
"""The first lines of the file."""


def write_open_answers(responses: Responses, path: str | Path, *, audience: Audience = "internal") -> tuple[str, ...]:
    """Write the open answers to a CSV file of their own: shuffled, and without anything about who gave them.

    Parameters
    ----------
    responses : Responses
    path : str or path
        File to write; it must not exist.
    audience : {"internal", "external", "researcher"}
        A question that fewer people answered than its floor is left out.

    Returns
    -------
    tuple of str
        The warning that stands in the file's first lines, and what was left out: show it to whoever asked for the file.

    Raises
    ------
    ValueError
        If the questionnaire has no open question, or none has enough answers.
    FileExistsError
        If the file exists.

    Notes
    -----
    Each question is shuffled by itself, by the operating system's randomness, so that neither the order of the file nor
    a seed tells which answers belong together. All waves are put together. White space around an answer is taken
    off; answers that are the same stand as often as they were given. Not promised: that an answer does not
    name its writer; a person has to read them.
    """
    target = Path(path)
    if audience not in FLOORS:
        raise ValueError(f"audience must be one of {listed(FLOORS)}; got {audience!r}")
    if target.exists():
        raise FileExistsError(f"{target} exists; choose another name")
    definition = responses.instrument
    questions = [question for question in definition.questions if question.role == "open"]
    if not questions:
        raise ValueError(f"{definition.id} has no open question: there are no open answers to write")
    floor = FLOORS[audience]
    answers = {question.id: _answers(responses, question.id) for question in questions}
    enough = {name: given for name, given in answers.items() if len(given) >= floor}
    if not enough:
        raise ValueError(
            f"open answers need at least {floor} people who answered a question, got fewer for each of {listed(answers)}. "
            "They are not written: so few people would recognise each other."
        )
    few = [name for name in answers if name not in enough]
    left_out = (f"Left out, answered by fewer than {floor} people: {listed(few)}.",) if few else ()
    language = definition.languages[0]
    shuffle = secrets.SystemRandom().shuffle
    rows: list[tuple[str, str]] = []
    for name, given in enough.items():
        shuffle(given)
        rows += [(definition.questions[name].text[language], answer) for answer in given]
    table = pd.DataFrame(rows, columns=["question", "answer"])
    head = pd.DataFrame({"question": [*WARNING, *left_out], "answer": ""})
    text = head.to_csv(index=False, header=False, lineterminator="\n") + csv_text(table)
    write_whole(target, text)
    target.chmod(0o600)
    return (*WARNING, *left_out)


def _answers(responses: Responses, question: str) -> list[str]:
    if question not in responses.people:
        return []
    given = responses.people[question].dropna().astype(str).str.strip()
    return [answer for answer in given if answer]
