"""Answers that were checked against their definition."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import pandas as pd

from instrument.definition import Instrument, Question

# What our own forms add to the answers: the day, the order of the pages of items and its seed, whether it was a trial, and
# with this prefix the seconds on each page.
FORM_RECORD = ("date", "blocks", "seed", "trial")
SECONDS = "seconds_"
_TOLD = 200  # faults that a message tells; a wrong scale can make millions


class ResponseError(ValueError):
    """Answers that were refused. `faults` lists every bad cell, a line each; the message the first 200."""

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        super().__init__(self.faults)

    def __str__(self) -> str:
        told = self.faults[:_TOLD]
        more = len(self.faults) - len(told)
        return "\n".join([*told, f"… and {more} more faults; correct these first"] if more else told)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Responses:
    """What was answered, by whom, and what was done to each column of the file.

    Every frame but the ledger is indexed by the response (one filled-in form).

    Parameters
    ----------
    instrument : Instrument
    answers : pandas.DataFrame
        Response × item, ``Int64``: codes on the response scale, missing where there is none.
        The columns are all items of the instrument, in its order.
    people : pandas.DataFrame
        ``person`` and ``wave``; ``form`` where the definition has forms; ``organisation``, ``team``
        and ``programme`` where the file has them; then the answers to the other questions, under
        their ids; then the file's unknown columns. A person may have several responses.
    off_scale : pandas.DataFrame
        Like ``answers``: the reason for an answer beside the scale (``"dont_know"`` …), else missing.
    ledger : pandas.DataFrame
        One row a column of a file: what became of it and of how many cells.
    """

    instrument: Instrument
    answers: pd.DataFrame
    people: pd.DataFrame
    off_scale: pd.DataFrame
    ledger: pd.DataFrame

    def __repr__(self) -> str:
        waves = sorted(self.people["wave"].unique().tolist())
        many, people = len(self.answers), self.people["person"].nunique()
        whose = f" of {people} {'person' if people == 1 else 'people'}" if knows_people(self) else ""
        unknown = "" if whose else " (people: not known)"
        return (
            f"{many} answer{'' if many == 1 else 's'}{whose}, wave{'s' if len(waves) > 1 else ''} "
            f"{', '.join(map(str, waves)) or 'none'}{unknown}; questionnaire {self.instrument.id} {self.instrument.version}"
        )


def knows_people(responses: Responses) -> bool:
    """Return whether who answered is told by a name of their own, and not only by the response itself."""
    person = responses.people["person"].to_numpy(dtype=object)
    ids = responses.people.index.to_numpy(dtype=object)
    ledger = responses.ledger
    told = {"column", "became"} <= set(ledger.columns) and (ledger["column"].eq("person") & ledger["became"].eq("key"))
    return bool((person != ids).any() or (told is not False and told.any()))


def select(responses: Responses, chosen: pd.Series) -> Responses:
    """Return the responses for which ``chosen`` (boolean, by response) is true."""
    return replace(
        responses,
        answers=responses.answers.loc[chosen],
        people=responses.people.loc[chosen],
        off_scale=responses.off_scale.loc[chosen],
    )


def split_waves(responses: Responses) -> dict[int, Responses]:
    """Return wave → its responses, in the order of the waves."""
    wave = responses.people["wave"]
    return {int(number): select(responses, wave == number) for number in sorted(wave.unique())}


def canonical_table(responses: Responses) -> pd.DataFrame:
    """Return answers as a file has them: key columns, items with their off-scale codes, other questions."""
    instrument = responses.instrument
    answers = responses.answers.astype("Int64")
    for item in instrument.items:
        for off in instrument.response_scales[item.scale].off_scale:
            answers[item.id] = answers[item.id].mask(
                responses.off_scale[item.id].eq(off.reason).fillna(False), off.code
            )
    keys = [
        name for name in ("person", "form", "wave", "organisation", "team", "programme") if name in responses.people
    ]
    others = [name for name in responses.people if name not in keys]
    return pd.concat([responses.people[keys], answers, responses.people[others]], axis=1)


def asked(responses: Responses) -> pd.DataFrame:
    """Return response × item: whether the respondent's form asks the item."""
    items = responses.instrument.items
    if not responses.instrument.forms:
        return pd.DataFrame(True, index=responses.answers.index, columns=responses.answers.columns)
    form = responses.people["form"]
    # Items are asked by few sets of forms, which are looked up once each.
    by = {forms: form.isin(forms).to_numpy() for forms in {item.forms for item in items}}
    return pd.DataFrame({item.id: by[item.forms] for item in items}, index=responses.answers.index)


def question_columns(question: Question, instrument: Instrument) -> tuple[str, ...]:
    """Return the columns of a question: its id, or one per code where it takes several answers."""
    if not question.multiple or question.scale is None:
        return (question.id,)
    scale = instrument.response_scales[question.scale]
    return tuple(f"{question.id}{code}" for code in scale.labels)


def items_asked(responses: Responses) -> tuple[str, ...]:
    """Return the ids of the items that at least one of the forms present asks."""
    instrument = responses.instrument
    if not instrument.forms:
        return instrument.items.ids
    present = set(responses.people["form"])
    return tuple(item.id for item in instrument.items if present & set(item.forms))
