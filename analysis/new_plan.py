"""A new analysis plan from the first wave: what the answers allow to be said of what could be seen, and nothing of few."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from analysis.analysis_plan import PLACEHOLDER, AnalysisPlan, Detectable, Direction, answers_hash, write_plan
from analysis.disclosure import FLOORS
from analysis.planning import ONE_TEAM, detectable_difference
from analysis.sentences import correlation_words, listed
from analysis.study_design import StudyDesign, design_of
from analysis.verdicts import SMALLEST, WIDEST
from instrument.definition import Instrument, read_instrument
from instrument.reading import read_responses
from instrument.responses import Responses, split_waves
from instrument.scoring import comparable_items, score

SD_FROM = 20
"""A standard deviation of fewer answers would help to work the answers out."""

# An intraclass correlation of one wave and few clusters may come out as 0, and promises too much then.
_LEAST_ICC = 0.05
_LINKED = 0.6
_DRAWS = 4000


@dataclass(frozen=True)
class _Statement:
    """What could be seen, and on what assumptions."""

    rows: tuple[Detectable, ...]
    words: tuple[str, ...]


def make_plan(
    files: Sequence[str | Path],
    out: str | Path,
    *,
    instrument: Instrument | str | Path = "pwiq",
    targets: Sequence[str] = (),
    smallest: float | None = None,
    stop: date | str | None = None,
    expected_after: int | None = None,
    direction: Direction = "higher",
    exclusions: Sequence[str] = (),
    randomised: bool = False,
    linked: float | None = None,
    sd: float | None = None,
    author_role: str = "not stated",
    force: bool = False,
    today: date | None = None,
) -> str:
    """Write an analysis plan from the first wave's answers; return what to tell the person who asked for it.

    Parameters
    ----------
    files : sequence of path
        The file of the first wave. If the second wave is there already it may be given too: the plan then
        says that it came late.
    out : path
        The plan's file (TOML).
    instrument : Instrument, str or path
    targets : sequence of str
        Ids of subscales and items that the programme aims at; may be empty.
    smallest : float, optional
        Smallest interesting change in points of 100. Default: 6.25, marked as a placeholder.
    stop : date or str, optional
        Until when answers of the second wave count (``"2027-03-31"``).
    expected_after : int, optional
        How many answers the second wave is expected to have.
    direction : {"higher", "lower", "either"}
        Where the programme is hoped to move the primary outcome.
    exclusions : sequence of str
        Rules by which answers will be left out. Default: nobody is.
    randomised : bool
        Whether chance decided which organisations take part.
    linked : float, optional
        Share of the people who answer twice that codes will link. Default .6 if codes were given, else 0.
    sd : float, optional
        Standard deviation of the primary outcome from elsewhere, for a first wave with fewer than 20 answers.
    author_role : str
        Who writes it, as a role.
    force : bool
        Replace a plan that exists.
    today : date, optional
        Of the plan; default: this day.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        For an unknown target, a stop date that has passed, or ``randomised`` without a control arm.
    OSError
        If the plan exists, or its folder does not.

    Notes
    -----
    The plan is passed on: it has no count of people under 5, and nothing that is computed from the spread of
    fewer than 20 answers. The detectable difference is that of `analysis.planning.detectable_difference`, with
    an intraclass correlation of at least .05, to .1 points. Where a form has fewer than 5 answers, forms are
    taken together.
    """
    when = today or date.today()
    questionnaire = instrument if isinstance(instrument, Instrument) else read_instrument(instrument)
    paths = [Path(each) for each in files]
    out = Path(out)
    _check_out(out, paths, force=force)
    _check_targets(targets, questionnaire)
    primary = next((rule for rule in questionnaire.scores if rule.kind == "total"), None)
    if primary is None:
        raise ValueError(f"{questionnaire.id} has no total score, which a plan needs as its one primary outcome")
    waves = list(split_waves(read_responses(paths, questionnaire)).values()) if paths else []
    late = len(waves) > 1
    end = _stop(stop, when, late=late)
    before = waves[0] if waves else None
    people = before.people if before is not None else pd.DataFrame()
    arms = "programme" in people and people["programme"].dropna().nunique() == 2
    if randomised and not arms:
        raise ValueError(
            "randomised needs a control arm: a column programme with 0 and 1 in the first wave's answers; there is none"
        )
    floor = FLOORS["internal"]
    if expected_after is not None and expected_after < floor:
        raise ValueError(
            f"expected_after is {expected_after}; with fewer than {floor} answers nothing can be shown of the second wave"
        )
    values, rows = _scored(before, primary.id) if before is not None else (pd.Series(dtype=float), pd.DataFrame())
    stated, design = _detectable(values, rows, before, sd=sd, expected_after=expected_after, linked=linked)
    enough = before is not None and len(before.answers) >= floor
    clusters = _number_of_clusters(design)
    plan = AnalysisPlan(
        written=when,
        author_role=author_role,
        questionnaire=questionnaire.id,
        version=questionnaire.version,
        digest=questionnaire.digest,
        primary=primary.id,
        direction=direction,
        smallest=SMALLEST if smallest is None else float(smallest),
        smallest_is_placeholder=smallest is None,
        negative_control=tuple(questionnaire.negative_control),
        targets=tuple(targets),
        exclusions=tuple(exclusions),
        comparison="control arm" if arms else "none",
        randomised=randomised,
        analyses=_analyses(design, primary.id, arms=arms, randomised=randomised),
        # The first file alone is the baseline, unless one file holds several waves.
        baseline_files=tuple(each.name for each in paths[:1]),
        baseline_sha256=() if before is None else (answers_hash(before),),
        n_before=len(before.answers) if before is not None and enough else None,
        clusters=clusters if clusters and clusters >= floor else None,
        cluster=design.cluster if design is not None and clusters and clusters >= floor else "",
        wave_2_existed=late,
        expected_after=expected_after,
        stop=end,
        detectable=stated.rows,
        detectable_assumptions=stated.words,
    )
    return _told(out, plan, write_plan(out, plan, force=force))


# What is given


def _check_out(out: Path, reads: Sequence[Path], *, force: bool) -> None:
    """Refuse before any work is done."""
    if out.is_dir():
        raise IsADirectoryError(f"{out} is a folder; --out names a file")
    if not out.parent.is_dir():
        raise FileNotFoundError(f"{out}: there is no folder {out.parent}; make it first, or choose another")
    if os.path.realpath(out) in [os.path.realpath(each) for each in reads]:
        raise FileExistsError(f"{out} is the file of answers itself, which is never overwritten; choose another name")
    if out.exists() and not force:
        raise FileExistsError(f"{out} exists; a plan is kept: choose another name, or add --force")


def _check_targets(targets: Sequence[str], questionnaire: Instrument) -> None:
    if isinstance(targets, str):
        raise ValueError(f"targets are several ids, got the text {targets!r}; give a list")
    unknown = [each for each in targets if each not in (*questionnaire.subscales.ids, *questionnaire.items.ids)]
    if unknown:
        raise ValueError(
            f"targets names what {questionnaire.id} does not have: {listed(unknown)}; its subscales are "
            f"{listed(questionnaire.subscales.ids)}, and items such as {questionnaire.items[0].id} may be named too"
        )
    if len(set(targets)) < len(targets):
        raise ValueError(f"targets names something twice: {listed(targets)}")


def _stop(stop: date | str | None, today: date, *, late: bool) -> date | None:
    if isinstance(stop, str):
        try:
            stop = date.fromisoformat(stop)
        except ValueError as fault:
            raise ValueError(f"stop must be a date such as 2027-03-31, got {stop!r}") from fault
    if stop is not None and stop < today and not late:
        raise ValueError(
            f"the stop date {stop.isoformat()} has passed (today is {today.isoformat()}): a plan is for a second wave that is "
            "to come; give a later date"
        )
    return stop


# What the first wave shows


def _scored(before: Responses, primary: str) -> tuple[pd.Series, pd.DataFrame]:
    """Return the primary score, and of each answer what planning must know."""
    values = score(before, items=comparable_items(before))[primary]
    people, instrument = before.people, before.instrument
    rows = pd.DataFrame({"person": people["person"]}, index=people.index)
    if instrument.forms:
        rows["form"] = (
            people["form"].map({form.id: form.short_of or form.id for form in instrument.forms}).astype(object)
        )
    for name in ("organisation", "team"):
        if name in people and people[name].notna().all():
            rows[name] = people[name].astype(object)
    if "programme" in people and people["programme"].notna().all():
        rows["programme"] = people["programme"].astype(float)
    return values, rows


def _detectable(
    values: pd.Series,
    rows: pd.DataFrame,
    before: Responses | None,
    *,
    sd: float | None,
    expected_after: int | None,
    linked: float | None,
) -> tuple[_Statement, StudyDesign | None]:
    """Say what could be seen, as far as that can be said without telling who answered what."""
    n, floor = int(values.notna().sum()), FLOORS["internal"]
    if before is None:
        return _Statement((), ("There were no answers yet: what could be seen was not worked out.",)), None
    if n < floor:
        return _Statement((), (f"Fewer than {floor} answers have the primary score: nothing can be shown.",)), None
    if n < SD_FROM and sd is None:
        too_few = (
            f"Fewer than {SD_FROM} answers have the primary score: how much they differ would help to work them out, so what "
            "could be seen was not worked out. State a standard deviation from a larger study (sd) to have it."
        )
        return _Statement((), (too_few,)), None
    forms = rows["form"].loc[values.notna()].value_counts() if "form" in rows else pd.Series(dtype=int)
    notes = []
    if len(forms) > 1 and forms.min() < floor:
        rows = rows.drop(columns="form")
        notes.append(f"A form has fewer than {floor} answers: forms were taken together.")
    try:
        design = design_of(values, rows)
    except ValueError as reason:
        return _Statement((), (f"What could be seen was not worked out: {reason}.",)), None
    known = design.keywords
    known["sd"] = float(sd) if sd is not None else float(max(1, round(design.sd)))
    if design.clusters is not None:
        least = n < SD_FROM or (design.icc or 0) < _LEAST_ICC
        known["icc"] = _LEAST_ICC if least else round(float(design.icc or 0), 2)
        known["size_cv"] = round(design.size_cv, 1)
        if least:
            notes.append(
                f"Assumed, as fewer clusters could not show it: {correlation_words(_LEAST_ICC)} lies between clusters."
            )
    if design.clusters is not None and min(n, expected_after or n) < _number_of_clusters(design):
        return _Statement(
            (), ("Fewer answers than clusters are expected: what could be seen was not worked out.",)
        ), design
    share, said = _linked_share(before, linked)
    known |= {"n_after": expected_after or n, "linked": share}
    try:
        found = detectable_difference(**known, draws=_DRAWS)
    except ValueError as reason:
        return _Statement((), (f"What could be seen was not worked out: {reason}.",)), design
    has_clusters = design.clusters is not None
    table = found.table.reset_index()
    rows_ = tuple(
        Detectable(
            person_autocorrelation=float(row.person_autocorrelation),
            cluster_autocorrelation=float(row.cluster_autocorrelation) if has_clusters else None,
            points=round(float(row.estimate), 1),
        )
        for row in table.itertuples()
    )
    source = "stated" if sd is not None else "of the first wave, rounded"
    expected = "as expected" if expected_after else "as many as before, for want of a better guess"
    words = [
        f"Standard deviation {known['sd']:g} points ({source}); answers after: {expected}.",
        said,
        *notes,
        *(note for note in found.notes if not _tells_counts(note, design)),
        found.method,
    ]
    if min(row.points for row in rows_) > WIDEST:
        words.insert(
            0, f"With these numbers even a change of {WIDEST:g} points would often be missed: describe, claim little."
        )
    return _Statement(rows_, tuple(words)), design


def _tells_counts(note: str, design: StudyDesign) -> bool:
    """Tell whether a note of `detectable_difference` repeats numbers, of which some may be small."""
    few = design.clusters is not None and np.min(design.clusters) < FLOORS["internal"]
    repeats = ("Assumed: standard deviation", "Assumed: forms", "With these numbers")
    return note.startswith(repeats) or (few and note.startswith("Assumed:") and " clusters" in note)


def _linked_share(before: Responses, linked: float | None) -> tuple[float, str]:
    if linked is not None:
        return linked, f"Assumed: {100 * linked:.0f} % of those who answer twice can be linked (stated)."
    elements = [question.id for question in before.instrument.questions if question.role == "code"]
    given = [name for name in elements if name in before.people]
    if not given or not before.people[given].notna().all(axis=1).any():
        return 0.0, "Nobody gave a code: it is assumed that nobody can be linked."
    return (
        _LINKED,
        f"Assumed: {100 * _LINKED:.0f} % of those who answer twice can be linked by their codes (our guess).",
    )


def _number_of_clusters(design: StudyDesign | None) -> int:
    if design is None or design.clusters is None:
        return 0
    return int(np.sum(design.clusters))


# In words


def _analyses(design: StudyDesign | None, primary: str, *, arms: bool, randomised: bool) -> tuple[str, ...]:
    where = design.cluster if design is not None and design.cluster else "team"
    first = {
        True: f"Difference between the changes of the arms, tested on {where}s (mixed model from 30 {where}s on).",
        False: f"Change of everyone, linked or not, tested on {where}s' changes (mixed model from 30 {where}s on).",
    }[arms]
    if not arms and (design is None or design.clusters is None):
        first = f"Change of everyone by the partially overlapping samples t test (Derrick et al., 2017). {ONE_TEAM}"
    return (
        first,
        f"{primary[0].upper()}{primary[1:]} alone is tested unadjusted; subscales with Holm's correction, as one family.",
        "Words: better or worse if the 95 % interval leaves out 0; no change that matters if it lies within the smallest "
        "interesting change; else too close to call, or not enough answers.",
        "Beside it: exactly linked people only; linked against unlinked people before; the negative control.",
        "A difference between the arms may be called an effect of the programme."
        if randomised
        else "No change is called an effect of the programme"
        + (": the arms were not drawn by chance." if arms else ": nobody shows what would have happened without it."),
    )


def _told(out: Path, plan: AnalysisPlan, seal: str) -> str:
    lines = [
        f"{out}: analysis plan of {plan.written.isoformat()}, sealed as {seal[:12]}….",
        "Send it (or the seal) to someone outside the team today: that shows when it was made. Do not edit it.",
    ]
    if plan.wave_2_existed:
        lines.append("Answers of the second wave were there already. The plan says so, and the report will.")
    if plan.smallest_is_placeholder:
        lines.append(
            f"The smallest interesting change is not stated; {SMALLEST:g} points of 100 is {PLACEHOLDER}. "
            "Agree on one with the team."
        )
    if not plan.targets:
        lines.append("No targets are named: the report can then not say whether what was aimed at moved more.")
    if plan.stop is None:
        lines.append("No stop date is named.")
    if plan.detectable:
        points = [row.points for row in plan.detectable]
        span = f"{min(points):.1f} to {max(points):.1f}" if min(points) < max(points) else f"{min(points):.1f}"
        lines.append(
            f"With your numbers you could see a change of at least {span} points of 100 (with a chance of 80 %)."
        )
    else:
        lines += plan.detectable_assumptions[:1]
    return "\n".join(lines)
