"""What was planned and what was done, point by point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import TypedDict

import pandas as pd

from analysis.analysis_plan import (
    FORMS,
    AnalysisPlan,
    Comparison,
    Forms,
    Linking,
    Mismatch,
    arms_words,
    linking_words,
)
from analysis.disclosure import FLOORS
from analysis.result import Result
from analysis.sentences import listed
from analysis.wording import fit_to_say
from instrument.responses import Responses

_NOT_KNOWN, _YES, _NO = "not known", "yes", "no"


@dataclass(frozen=True, kw_only=True)
class Done:
    """What was done in an analysis, for `deviations`; None where it is not known.

    Parameters
    ----------
    digest, version : str
        Of the definition with which the answers were read.
    primary, smallest, negative_control, targets, exclusions, link, mismatch, forms, comparison, randomised
        As in `AnalysisPlan`. ``exclusions``: the rules by which answers were left out.
    baseline_sha256 : tuple of str, optional
    wave_2_on : date, optional
        When the last answer of the second wave came, of those that bear a date.
    wave_2_began : date, optional
        When the first did.
    n_after, n_dated : int, optional
        How many answers the second wave has, and how many of them bear a date (`days_of`).
    """

    digest: str
    version: str
    primary: str
    smallest: float
    negative_control: tuple[str, ...]
    targets: tuple[str, ...]
    exclusions: tuple[str, ...]
    link: Linking
    mismatch: Mismatch
    forms: Forms
    comparison: Comparison
    randomised: bool
    baseline_sha256: tuple[str, ...] | None = None
    wave_2_on: date | None = None
    wave_2_began: date | None = None
    n_after: int | None = None
    n_dated: int | None = None


class Days(TypedDict):
    """When the second wave was answered, as `Done` takes it."""

    wave_2_began: date | None
    wave_2_on: date | None
    n_dated: int


def days_of(responses: Responses) -> Days:
    """Return the first and the last day of a wave's answers and how many bear one; no day where none does.

    Examples
    --------
    >>> from pathlib import Path
    >>> from instrument import read_instrument, read_responses
    >>> file = Path(__file__).parents[1] / "sample_data" / "followup.csv"
    >>> days_of(read_responses([str(file)], read_instrument("pwiq")))
    {'wave_2_began': None, 'wave_2_on': None, 'n_dated': 0}
    """
    if "date" not in responses.people:
        return {"wave_2_began": None, "wave_2_on": None, "n_dated": 0}
    texts = responses.people["date"].astype("string").str.extract(r"^(\d{4}-\d{2}-\d{2})", expand=False)
    days = pd.to_datetime(texts, errors="coerce", format="%Y-%m-%d").dropna()
    return {
        "wave_2_began": days.min().date() if len(days) else None,
        "wave_2_on": days.max().date() if len(days) else None,
        "n_dated": len(days),
    }


def deviations(plan: AnalysisPlan, done: Done) -> Result:
    """Hold what was done against the plan, point by point.

    Parameters
    ----------
    plan : AnalysisPlan
        As `read_plan` returns it.
    done : Done

    Returns
    -------
    Result
        Index ``point``; columns ``planned``, ``done``, ``deviation`` ("yes", "no" or "not known") and ``words``.

    Notes
    -----
    A deviation is nothing forbidden; it is to be told, with its reason.

    Examples
    --------
    >>> from datetime import date
    >>> plan = AnalysisPlan(
    ...     written=date(2026, 3, 1), author_role="team lead", questionnaire="pwiq", version="0.1.0", digest="ab12"
    ... )
    >>> same = {name: getattr(plan, name) for name in Done.__dataclass_fields__ if hasattr(plan, name)}
    >>> deviations(plan, Done(**same | {"smallest": 5.0})).table.loc["smallest interesting change", "words"]
    'Planned was 6.25 points; 5 points was used.'
    """
    rows = [_of_file(plan), _of_date(plan, done), _of_definition(plan, done), _of_baseline(plan, done)]
    rows += [
        _compared("primary outcome", plan.primary, done.primary),
        _compared("smallest interesting change", f"{plan.smallest:g} points", f"{done.smallest:g} points"),
        _of_sets("targets", plan.targets, done.targets),
        _of_sets("negative control", plan.negative_control, done.negative_control),
        _of_sets("exclusions", plan.exclusions, done.exclusions),
        _compared("linking", linking_words(plan.link, plan.mismatch), linking_words(done.link, done.mismatch)),
        _compared("forms", FORMS[plan.forms], FORMS[done.forms]),
        _compared(
            "comparison", arms_words(plan.comparison, plan.randomised), arms_words(done.comparison, done.randomised)
        ),
        _of_stop(plan, done),
    ]
    table = pd.DataFrame(rows, columns=["point", "planned", "done", "deviation", "words"]).set_index("point")
    found = table.index[table["deviation"] == _YES]
    unknown = table.index[table["deviation"] == _NOT_KNOWN]
    notes = [
        f"{len(found)} of {len(table)} points deviate from the plan: {listed(found)}. Say why in the report."
        if len(found)
        else "Nothing is known to deviate from the plan."
    ]
    if len(unknown):
        notes.append(f"Not known, so not compared: {listed(unknown)}.")
    if plan.expected_after is not None and done.n_after is not None:
        got = done.n_after if done.n_after >= FLOORS["internal"] else f"fewer than {FLOORS['internal']}"
        notes.append(f"Answers expected of the second wave: {plan.expected_after}; there are {got}.")
    notes.append("The seal shows a change by mistake; only a copy that others hold shows when a plan was made.")
    return Result(
        title="What was planned and what was done",
        table=table,
        method=f"Analysis plan of {plan.written.isoformat()} (SHA-256 {plan.sha256[:12]}…) against the analysis.",
        notes=tuple(notes),
    )


def _compared(point: str, planned: str, done: str) -> list[str]:
    if planned == done:
        return [point, planned, done, _NO, "As planned."]
    return [point, planned, done, _YES, f"Planned was {planned}; {done} was used."]


def _of_sets(point: str, planned: Sequence[str], done: Sequence[str]) -> list[str]:
    new, gone = sorted(set(done) - set(planned)), sorted(set(planned) - set(done))
    words = [
        *([f"Not in the plan: {listed(new)}."] if new else []),
        *([f"Planned, not done: {listed(gone)}."] if gone else []),
    ]
    shown = [listed(names) if names else "none" for names in (planned, done)]
    return [point, *shown, _YES if words else _NO, " ".join(words) or "As planned."]


def _of_file(plan: AnalysisPlan) -> list[str]:
    if plan.changed_after:
        return [
            "plan file",
            "unchanged",
            "changed",
            _YES,
            "The plan was changed after it was written: what follows compares with the changed one. If you have the file "
            "as it was written, use that.",
        ]
    return ["plan file", "unchanged", "unchanged", _NO, "The plan is as it was written."]


def _of_date(plan: AnalysisPlan, done: Done) -> list[str]:
    written = f"written on {plan.written.isoformat()}"
    point = "plan before the second wave"
    late = plan.wave_2_existed or (done.wave_2_began is not None and done.wave_2_began <= plan.written)
    if late:
        words = f"Plan {written}, after answers of wave 2 existed: it may have been made knowing them."
        return [point, "before", "after", _YES, words]
    if done.wave_2_began is None:
        words = (
            f"Plan {written}; no answers of wave 2 were given to it then. When the second wave began is not known: the files "
            "bear no dates."
        )
        return [point, "before", _NOT_KNOWN, _NOT_KNOWN, words]
    return [point, "before", "before", _NO, f"Plan {written}, before the second wave began{_as_far_as_dated(done)}."]


def _as_far_as_dated(done: Done) -> str:
    """Say how many answers bear a date, where some bear none; as coarsely as any count of people."""
    if done.n_dated is None or done.n_after is None or done.n_dated >= done.n_after:
        return ""
    told = fit_to_say(f"{done.n_dated} of {done.n_after} answers", FLOORS["internal"])
    return f", as far as that is known: {told} are dated"


def _of_definition(plan: AnalysisPlan, done: Done) -> list[str]:
    planned, used = (f"{each.version} ({each.digest[:12]})" for each in (plan, done))
    if plan.digest == done.digest:
        return ["questionnaire", planned, used, _NO, "The same definition."]
    also = "another version" if plan.version != done.version else "the same version number with another content"
    return ["questionnaire", planned, used, _YES, f"The questionnaire is not the one of the plan: {also}."]


def _of_baseline(plan: AnalysisPlan, done: Done) -> list[str]:
    if not plan.baseline_sha256 or done.baseline_sha256 is None:
        why = "The plan names no file of the first wave." if not plan.baseline_sha256 else "Files were not compared."
        return ["first wave", _NOT_KNOWN, _NOT_KNOWN, _NOT_KNOWN, why]
    planned, used = (
        listed(sorted(each[:12] for each in hashes)) for hashes in (plan.baseline_sha256, done.baseline_sha256)
    )
    if sorted(plan.baseline_sha256) == sorted(done.baseline_sha256):
        return ["first wave", planned, used, _NO, "The same answers."]
    return ["first wave", planned, used, _YES, "The file of the first wave is not the one that the plan was made with."]


def _of_stop(plan: AnalysisPlan, done: Done) -> list[str]:
    point = "stop date"
    if plan.stop is None:
        return [point, "none", "–", _NO, "The plan states no date until which answers count."]
    if done.wave_2_on is None:
        return [point, plan.stop.isoformat(), _NOT_KNOWN, _NOT_KNOWN, "When the last answer came is not known."]
    late = done.wave_2_on > plan.stop
    words = (
        "Answers came after the planned stop." if late else f"The second wave ended in time{_as_far_as_dated(done)}."
    )
    return [point, plan.stop.isoformat(), done.wave_2_on.isoformat(), _YES if late else _NO, words]
