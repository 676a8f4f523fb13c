"""What may be compared: whether the questions meant the same at both waves, or to both groups of people.

The gate judges the effect, not p: what the change is with all items, and with those that work alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Protocol

import numpy as np
import pandas as pd
from tqdm import tqdm

from analysis.common_ground import (
    BARRIERS,
    FACILITATORS,
    FEWEST,
    WITHOUT,
    Blocks,
    changes_of,
    common_ground,
    full_form,
    mean_changes,
    pooled_ground,
    variant_scores,
)
from analysis.invariance import Invariance
from analysis.measured_alike import Alike, used_alike
from analysis.options import whole_number
from analysis.result import Result
from analysis.sentences import listed
from instrument.definition import Instrument, ScoreRule
from instrument.evidence import Between, Study, evidence_for
from instrument.responses import Responses, asked, select
from instrument.versions import enough_items

COMPARABLE, IN_PART, NOT_COMPARABLE, NOT_TESTED = (
    "comparable",
    "comparable in part",
    "not comparable",
    "not tested here",
)
# The words that stand beside a change that nobody could check (fixed: documents quote them as they are).
NOT_CHECKED = "we could not check that the questions meant the same both times"
NOT_CHECKED_BETWEEN = "we could not check that the questions mean the same to both groups"
OK, LOOK, NOT_KNOWN = "ok", "look", "not known"

# A change within ±1 point of 100 counts as none, so that it has no sign to differ in.
_NO_SIGN = 1.0
# Shares that differ by more points than this are looked at: ours, there is no rule in the literature.
_SHARE = 10.0
_POOR_RMSEA = 0.10
_STEP_COLUMNS = ["difference", "difference_df", "difference_p", "p_adjusted", "verdict"]
_RELEASED_COLUMNS = ["block", "statistic", "change", "step_p_after"]


class HasPairs(Protocol):
    """Links of responses: ``pairs`` has the columns ``before`` and ``after`` (ids of responses)."""

    @property
    def pairs(self) -> pd.DataFrame:
        """One row a linked person."""


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparability(Result):
    """May the change of each score be read as a change? ``table`` has the verdict, the effect and the reason.

    Parameters
    ----------
    screens : pandas.DataFrame
        Index ``subscale`` (between forms: ``gap``, ``subscale``): what can be looked at with any number of answers.
        ``same_version``, ``same_form``, ``same_mode``; ``dont_know_item`` with the largest change in its rate of
        "don't know", ``dont_know_change`` (percentage points) and ``dont_know``; ``facilitators_change``,
        ``barriers_change`` (raw means, points of 100) and ``same_direction``; ``leading_item``, whose absence moves
        the change most, ``change_without``, ``shift`` and ``one_item``. Each is "ok", "look" or "not known";
        ``screen`` is "look" if any is.
    rules : pandas.DataFrame
        Index ``screen``: the rule of each, in words.
    leave_one_out : pandas.DataFrame
        Index ``subscale``, ``item``: ``change_without`` the item and the ``shift`` against all items.
    steps : pandas.DataFrame
        Index ``subscale``, ``step``: the ladders of invariance, where they were climbed on these answers.
    released : pandas.DataFrame
        Index ``subscale``, ``step``, ``parameter``: what partial invariance let go.
    linked : pandas.DataFrame
        Index ``subscale``: the same ladder as one model over time for linked people, as a check: ``n_linked``,
        ``freed``, ``agrees`` (the same items are free), ``detail``. Empty without ``links``.
    """

    screens: pd.DataFrame
    rules: pd.DataFrame
    leave_one_out: pd.DataFrame
    steps: pd.DataFrame
    released: pd.DataFrame
    linked: pd.DataFrame


@dataclass(frozen=True, kw_only=True)
class _Terms:
    """What the gate was asked."""

    smallest: float
    min_answers: int
    min_category: int
    between: Between
    names: tuple[str, str]

    @property
    def not_checked(self) -> str:
        return NOT_CHECKED if self.between == "waves" else NOT_CHECKED_BETWEEN


def comparability(
    before: Responses,
    after: Responses,
    *,
    links: HasPairs | None = None,
    pooled: Mapping[str, tuple[Responses, Responses]] | None = None,
    evidence: tuple[Study, ...] = (),
    smallest: float = 6.25,
    min_answers: int = 200,
    min_category: int = 5,
    progress: bool = False,
) -> Comparability:
    """Judge for each score whether its change between two waves may be read as a change.

    Parameters
    ----------
    before, after : Responses
        One wave each, to one questionnaire. Where its version changed between them, only unchanged items count.
    links : Links, optional
        Who is who. With at least ``min_answers`` linked people the ladder is climbed once more, as one model over
        time, as a check.
    pooled : mapping, optional
        Name of larger programme data → their (before, after), to the same version: the test is run on the first that
        is large enough where these answers are too few, and named.
    evidence : tuple of Study
        What comes with the definition: ``instrument.evidence.read_evidence(definition)``.
    smallest : float
        Smallest interesting change, points of 100. 6.25 is a placeholder.
    min_answers : int
        Answers, complete on a subscale's items, that each wave must have for a test.
    min_category : int
        Answers that every category of an item must have in each wave; rarer ones are joined with their neighbour.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Comparability
        ``table``, index ``score``: ``verdict``; ``change_all`` and ``change_invariant``, the change with all items and
        without the freed ones, and ``change_difference`` (invariant − all), points of 100; ``freed`` items; ``n_before``
        and ``n_after``, the answers that could be tested; ``evidence`` from elsewhere; ``reason``, for the team;
        ``detail``, for researcher and evaluator.

    Raises
    ------
    ValueError
        If an option is none, the waves are of two questionnaires or hold the same answers, or the questionnaire has no
        subscale.

    Notes
    -----
    *Test.* One model a subscale: facilitators and barriers are two factors (one where items have no wording), climbed
    from equal form to equal thresholds, loadings, intercepts and residuals (Wu & Estabrook, 2016; WLSMV, partial
    invariance by score tests; see `analysis.invariance`). The waves are two groups of answers, people alike within
    teams: all who answered count, not only those linked, who are fewer and selected. That the two groups hold some of
    the same people makes the test of what differs between them careful (their covariance, positive, is not deducted).

    *Effect.* The change is the difference of mean scores, forms with equal weight, of the answers that can be scored
    both ways; not the model's estimate, which knows of teams. "not comparable": the two changes differ by more than
    ``smallest``, or have opposite signs (a change within ±1 point has none). "comparable in part": some items are
    freed, and the change holds. "comparable": none is. At least 2 facilitators and 2 barriers must be left (3 items
    where there are no wordings), else the change is not computed anew and the verdict is "not tested here". A shift
    that all items share cannot be told from a change, by this or by any test of these answers.

    *Scores made of several subscales.* "not tested here" if any of its subscales is; "comparable" if all are; else
    judged by the same rule from its own change with and without all freed items. Acquiescence is a way of answering,
    and is not judged.

    Few answers never block, and never count as a pass: the verdict is "not tested here", and the reason quotes
    `NOT_CHECKED`, unless evidence is named. Such evidence is about other people or a larger pool; it is named beside
    the verdict and does not change it.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> pwiq = read_instrument("pwiq")
    >>> waves = [read_responses(f"sample_data/{name}.csv", pwiq) for name in ("baseline", "followup")]
    >>> comparability(*waves).table.loc[["role", "educ"], ["verdict", "freed"]].values.tolist()
    [['comparable', ''], ['comparable in part', 'educcf']]
    """
    terms = _terms(smallest, min_answers, min_category, "waves", ("before", "after"))
    _check_waves(before, after)
    blocks = common_ground(before, after)
    larger = {name: pooled_ground(name, pair, blocks.instrument) for name, pair in (pooled or {}).items()}
    return _gate(blocks, terms, larger, evidence, links, progress=progress)


def comparability_of_forms(
    responses: Responses,
    *,
    pooled: Mapping[str, Responses] | None = None,
    evidence: tuple[Study, ...] = (),
    smallest: float = 6.25,
    min_answers: int = 200,
    min_category: int = 5,
    progress: bool = False,
) -> Comparability:
    """Judge for each score whether the gap between two forms may be read as a difference of views.

    The same gate as `comparability`, with forms for waves: peer workers, colleagues and managers, two by two, on the
    items that all full forms ask. Short forms count under their full form.

    Parameters
    ----------
    responses : Responses
        One wave.
    pooled : mapping, optional
        Name of larger programme data → one wave of them.
    evidence : tuple of Study
    smallest : float
    min_answers, min_category : int
    progress : bool
        As for `comparability`.

    Returns
    -------
    Comparability
        ``table``, index ``gap`` ("C − P": second minus first, in the definition's order of forms) and ``score``:
        ``verdict``, ``gap_all``, ``gap_invariant``, ``gap_difference``, ``freed``, ``n_first``, ``n_second``,
        ``evidence``, ``reason``, ``detail``.

    Raises
    ------
    ValueError
        If there are several waves, or fewer than two forms with two answers or more.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> baseline = read_responses("sample_data/baseline.csv", read_instrument("pwiq"))
    >>> gate = comparability_of_forms(baseline)
    >>> gate.table.loc["M − P", "verdict"].unique().tolist()  # fewer than 200 managers answered
    ['not tested here']
    """
    found = _by_form(responses)
    larger = {name: _by_form(each) for name, each in (pooled or {}).items()}
    results = {}
    for one, other in combinations(found, 2):
        terms = _terms(smallest, min_answers, min_category, "forms", (one, other))
        blocks = common_ground(found[one], found[other], across_forms=True)
        both = {
            name: pooled_ground(name, (forms[one], forms[other]), blocks.instrument, across_forms=True)
            for name, forms in larger.items()
            if one in forms and other in forms
        }
        results[f"{other} − {one}"] = _gate(blocks, terms, both, evidence, None, progress=progress)
    return _joined_gaps(results)


def _terms(smallest: float, min_answers: int, min_category: int, between: Between, names: tuple[str, str]) -> _Terms:
    if isinstance(smallest, bool) or not isinstance(smallest, int | float) or not 0 < smallest <= 100:
        raise ValueError(f"smallest must be a number of points above 0, up to 100; got {smallest!r}")
    return _Terms(
        smallest=float(smallest),
        min_answers=whole_number("min_answers", min_answers, at_least=30),
        min_category=whole_number("min_category", min_category, at_least=1),
        between=between,
        names=names,
    )


# What is compared


def _check_waves(before: Responses, after: Responses) -> None:
    for name, wave in (("before", before), ("after", after)):
        if wave.answers.empty:
            raise ValueError(f"{name} has no answers; a comparison needs two waves that were answered")
        numbers = sorted(wave.people["wave"].unique().tolist())
        if len(numbers) > 1:
            raise ValueError(
                f"{name} holds the waves {listed(numbers)}; give one wave (instrument.responses.split_waves)"
            )
    first, second = before.people["wave"].iloc[0], after.people["wave"].iloc[0]
    if first > second:
        raise ValueError(f"before is wave {first} and after is wave {second}; swap the two")
    if before.answers.equals(after.answers):
        raise ValueError("before and after hold the same answers; give the files of two different waves")


def _by_form(responses: Responses) -> dict[str, Responses]:
    """Return full form → its responses, in the definition's order."""
    instrument = responses.instrument
    waves = sorted(responses.people["wave"].unique().tolist())
    if len(waves) > 1:
        raise ValueError(
            f"the answers hold the waves {listed(waves)}; give one wave (instrument.responses.split_waves)"
        )
    form = full_form(responses)
    counts = form.value_counts()
    found = [name for name in instrument.full_forms if counts.get(name, 0) >= FEWEST]
    if len(found) < 2:
        raise ValueError(
            f"a gap needs two forms with two answers or more; got {listed(found) or 'none'}: there is no gap to judge"
        )
    return {name: select(responses, form == name) for name in found}


# The gate


def _gate(
    blocks: Blocks,
    terms: _Terms,
    pooled: Mapping[str, Blocks],
    studies: tuple[Study, ...],
    links: HasPairs | None,
    *,
    progress: bool,
) -> Comparability:
    known = evidence_for(
        studies, blocks.instrument, between=terms.between, versions=tuple(filter(None, (blocks.other_version,)))
    )
    tests, elsewhere, linked = {}, {}, {}
    for rule in tqdm(blocks.subscales, disable=not progress, desc="what may be compared", leave=False):
        tests[rule.id] = test = _tested(blocks, rule, terms)
        elsewhere[rule.id] = ("", "") if not test.untested or test.unresolved else _evidence(rule, known, pooled, terms)
        if links is not None:
            linked[rule.id] = _over_time(blocks, rule, terms, links)
    freed = {name for test in tests.values() if not test.untested for name in test.freed}
    scores = variant_scores(blocks, freed)
    changes = changes_of(blocks, scores, freed)
    loo = _leave_one_out(blocks, scores)
    checked = _linked_table(linked, tests)
    return Comparability(
        title="May the change be read as a change?" if terms.between == "waves" else "May the gap be read as a gap?",
        table=_table(blocks, terms, tests, elsewhere, changes),
        method=_method(blocks, terms, tests),
        notes=_notes(blocks, terms, tests, checked),
        screens=_screens(blocks, terms, changes, loo),
        rules=_rules(terms),
        leave_one_out=loo,
        steps=_stacked({name: test.ladder.table for name, test in tests.items() if test.ladder}, "step", _STEP_COLUMNS),
        released=_stacked(
            {name: test.ladder.released for name, test in tests.items() if test.ladder},
            ("step", "parameter"),
            _RELEASED_COLUMNS,
        ),
        linked=checked,
    )


def _stacked(tables: Mapping[str, pd.DataFrame], levels: str | tuple[str, ...], columns: list[str]) -> pd.DataFrame:
    names = ["subscale", *([levels] if isinstance(levels, str) else levels)]
    if not tables:
        return pd.DataFrame(columns=columns, index=pd.MultiIndex.from_tuples([], names=names))
    return pd.concat(dict(tables), names=names)


# The test of one subscale


def _tested(blocks: Blocks, rule: ScoreRule, terms: _Terms) -> Alike:
    """Test one subscale: all answers, not only those of linked people, as two groups."""
    items = blocks.of(rule)
    factors = _factors(blocks.instrument, items)
    both = (blocks.first, blocks.second)
    first, second = (each.answers[items] for each in both)
    if not factors or not enough_items(blocks.instrument, items, rule.items):
        return Alike(
            n=(int(first.notna().all(axis=1).sum()), int(second.notna().all(axis=1).sum())),
            untested=f"{len(items)} of its {len(rule.items)} questions were asked of everyone in the same way, too few to test",
        )
    return used_alike(
        first,
        second,
        factors=factors,
        names=terms.names,
        enough=lambda left: enough_items(blocks.instrument, left, rule.items),
        teams=(_teams(blocks.first), _teams(blocks.second)),
        min_answers=terms.min_answers,
        min_category=terms.min_category,
    )


def _factors(instrument: Instrument, items: Sequence[str]) -> dict[str, list[str]]:
    """Return the factors of a subscale: one a wording, or one; upper case, as no id of an item is."""
    by_wording: dict[str, list[str]] = {}
    for name in items:
        by_wording.setdefault(instrument.items[name].wording or "none", []).append(name)
    if len(by_wording) > 1:
        return {wording.upper(): own for wording, own in by_wording.items()}
    return {"ONE": list(items)} if len(items) > 2 else {}


def _teams(responses: Responses) -> pd.Series:
    """Return the team of each response; one who names none is a team of their own."""
    people = responses.people
    parts = [people[name].astype("string") for name in ("organisation", "team") if name in people]
    alone = pd.Series([f"alone {number}" for number in range(len(people))], index=people.index, dtype="string")
    if not parts:
        return alone.astype(object)
    known = parts[-1].notna()
    named = parts[0].fillna("")
    for part in parts[1:]:
        named = named + "/" + part.fillna("")
    return named.where(known, alone).astype(object)


def _evidence(
    rule: ScoreRule, known: Mapping[str, Study], pooled: Mapping[str, Blocks], terms: _Terms
) -> tuple[str, str]:
    """Name what is known from elsewhere of a subscale that could not be tested here, and its numbers; pooled data first."""
    for name, blocks in pooled.items():
        test = _tested(blocks, rule, terms)
        if test.untested:
            continue
        freed = {*test.freed}
        changes = changes_of(blocks, variant_scores(blocks, freed), freed)
        change, kept = (float(changes.loc[rule.id, which]) for which in ("all", "kept"))
        verdict = _verdict(freed, change, kept, terms.smallest)
        many = listed(f"{n} {which}" for n, which in zip(test.n, terms.names, strict=True))
        return f"{verdict} in the pooled data “{name}”", many
    if rule.id in known:
        study = known[rule.id]
        return f"{study.verdict} in “{study.title}”", f"n = {study.n}; {study.source}"
    return "", ""


# The effect


def _verdict(freed: Iterable[str], change_all: float, change_kept: float, smallest: float) -> str:
    """Judge by the effect."""
    if not list(freed):
        return COMPARABLE
    flipped = min(abs(change_all), abs(change_kept)) > _NO_SIGN and change_all * change_kept < 0
    return NOT_COMPARABLE if flipped or abs(change_kept - change_all) > smallest else IN_PART


def _table(
    blocks: Blocks,
    terms: _Terms,
    tests: Mapping[str, Alike],
    elsewhere: Mapping[str, tuple[str, str]],
    changes: pd.DataFrame,
) -> pd.DataFrame:
    rows = {}
    for rule in blocks.instrument.scores:
        if rule.rule == "acquiescence":
            continue
        parts = _parts(blocks, rule)
        if rule.id in tests:
            untested = tests[rule.id].untested
            detail, (named, numbers), n = untested, elsewhere[rule.id], tests[rule.id].n
            freed = list(tests[rule.id].freed)
        else:
            open_ones = [name for name in parts if tests[name].untested]
            untested = f"not tested: {listed(open_ones)}" if open_ones else ""
            detail = untested
            # What was found of its parts elsewhere stands beside them; a sum of verdicts is none.
            named = numbers = ""
            n = (int(changes.loc[rule.id, "n_first"]), int(changes.loc[rule.id, "n_second"]))
            entering = _entering(blocks.instrument, rule)
            freed = [item for name in parts for item in tests[name].freed if item in entering]
        change, kept = (float(changes.loc[rule.id, which]) for which in ("all", "kept"))
        if freed and not untested and np.isnan(kept):
            untested = detail = "too few items are left without the freed ones to compute it anew"
        if untested:
            verdict, kept = NOT_TESTED, np.nan
        else:
            verdict = _verdict(freed, change, kept, terms.smallest)
            kept = kept if freed else change
            detail = _detail(verdict, freed, terms)
        rows[rule.id] = {
            "verdict": verdict,
            "change_all": change,
            "change_invariant": kept,
            "change_difference": kept - change,
            "freed": listed(freed),
            "n_before": n[0],
            "n_after": n[1],
            "evidence": f"{named} ({numbers})" if named else "",
            "reason": _reason(verdict, named, terms, seen=rule.id in tests and tests[rule.id].unresolved),
            "detail": detail,
        }
    return pd.DataFrame.from_dict(rows, orient="index").rename_axis("score")


def _entering(instrument: Instrument, rule: ScoreRule) -> set[str]:
    """Return the items that a score is made of in the end."""
    return set(rule.items).union(*(_entering(instrument, instrument.scores[name]) for name in rule.of))


def _parts(blocks: Blocks, rule: ScoreRule) -> list[str]:
    """Return the subscales that a score is made of."""
    entering = _entering(blocks.instrument, rule)
    return [each.id for each in blocks.subscales if entering & set(each.items)]


def _detail(verdict: str, freed: Sequence[str], terms: _Terms) -> str:
    if verdict == COMPARABLE:
        return "no step of the ladder was rejected, which is no proof of equality"
    if verdict == IN_PART:
        return f"without {listed(freed)} the change moves by no more than {terms.smallest:g} points and keeps its sign"
    return f"without {listed(freed)} the change moves by more than {terms.smallest:g} points, or turns round"


def _reason(verdict: str, evidence: str, terms: _Terms, *, seen: bool) -> str:
    """Say in plain words, for the team, what the verdict means; ``seen``: something was found, its effect was not."""
    waves = terms.between == "waves"
    when = "both times" if waves else "for both groups"
    what = "change" if waves else "gap"
    if verdict == COMPARABLE:
        return f"We checked how the questions were used, and found nothing that was not alike {when}."
    if verdict == IN_PART:
        return f"Some questions were not used alike {when}. Without them the {what} is much the same."
    if verdict == NOT_COMPARABLE:
        return (
            f"Some questions were not used alike {when}, and without them the {what} would be another. It may come from how "
            "questions were understood, not from how things are."
        )
    words = terms.not_checked
    sentence = f"{words[0].upper()}{words[1:]}."
    if seen:
        return f"{sentence} Some of them seem not to have been used alike."
    return f"From these answers alone {words}. Elsewhere the questions were found {evidence}." if evidence else sentence


# Screens


def _leave_one_out(blocks: Blocks, scores: pd.DataFrame) -> pd.DataFrame:
    """Return by item how the change of its subscale moves without it, in the answers that can be scored both ways."""
    keys = [(rule.id, item) for rule in blocks.subscales for item in blocks.of(rule) if len(rule.items) > 1]
    index = pd.MultiIndex.from_tuples(keys, names=["subscale", "item"])
    if not keys:
        return pd.DataFrame(columns=["change_without", "shift"], index=index, dtype=float)
    whole = scores[[rule for rule, _ in keys]].to_numpy()
    without = scores[[f"{rule}{WITHOUT}{item}" for rule, item in keys]].to_numpy()
    lacking = np.isnan(whole) | np.isnan(without)
    changes = [
        mean_changes(blocks, pd.DataFrame(np.where(lacking, np.nan, values))).to_numpy() for values in (without, whole)
    ]
    return pd.DataFrame({"change_without": changes[0], "shift": changes[0] - changes[1]}, index=index)


def _screens(blocks: Blocks, terms: _Terms, changes: pd.DataFrame, loo: pd.DataFrame) -> pd.DataFrame:
    version = OK if blocks.same_version else LOOK
    form, mode = OK if blocks.same_forms else LOOK, _same_mode(blocks)
    rates = _dont_know(blocks)
    rows = {}
    for rule in blocks.subscales:
        items = blocks.of(rule)
        row: dict[str, Any] = {"same_version": version, "same_form": form, "same_mode": mode}
        row |= _dont_know_screen(rates.loc[items], blocks) | _direction_screen(rule, changes, terms)
        row |= _one_item_screen(
            float(changes.loc[rule.id, "all"]), loo[loo.index.get_level_values(0) == rule.id], terms
        )
        row["screen"] = LOOK if LOOK in row.values() else OK
        rows[rule.id] = row
    table = pd.DataFrame.from_dict(rows, orient="index").rename_axis("subscale")
    return table.drop(columns="same_form") if terms.between == "forms" else table


def _same_mode(blocks: Blocks) -> str:
    """Compare how people answered (paper, online …), where the questionnaire records it."""
    recorded = [each.people["mode"].dropna() for each in (blocks.first, blocks.second) if "mode" in each.people]
    if len(recorded) < 2 or any(each.empty for each in recorded):
        return NOT_KNOWN
    shares = [100 * each.value_counts(normalize=True) for each in recorded]
    return LOOK if shares[1].sub(shares[0], fill_value=0).abs().max() > _SHARE else OK


def _dont_know(blocks: Blocks) -> pd.DataFrame:
    """Return by item the rate of "don't know" among those asked, in % of each block, and their difference."""
    rates = []
    for each in (blocks.first, blocks.second):
        said = each.off_scale.eq("dont_know").fillna(False).astype(bool).to_numpy() & asked(each).to_numpy()
        count = asked(each).to_numpy().sum(axis=0)
        rates.append(np.divide(100.0 * said.sum(axis=0), count, out=np.full(len(count), np.nan), where=count > 0))
    table = pd.DataFrame({"first": rates[0], "second": rates[1]}, index=blocks.first.answers.columns)
    return table.assign(change=table["second"] - table["first"])


def _dont_know_screen(rates: pd.DataFrame, blocks: Blocks) -> dict[str, Any]:
    sizes = rates["change"].abs().dropna()
    if sizes.empty:
        return {"dont_know_item": None, "dont_know_change": np.nan, "dont_know": NOT_KNOWN}
    item = sizes.idxmax()
    # With few answers two people alone make more than the limit.
    two = 200 / min(len(blocks.first.answers), len(blocks.second.answers))
    return {
        "dont_know_item": item,
        "dont_know_change": float(rates.loc[item, "change"]),
        "dont_know": LOOK if sizes[item] > max(_SHARE, two) else OK,
    }


def _direction_screen(rule: ScoreRule, changes: pd.DataFrame, terms: _Terms) -> dict[str, Any]:
    moved = [float(changes["all"].get(rule.id + mark, np.nan)) for mark in (FACILITATORS, BARRIERS)]
    words = NOT_KNOWN
    if not any(map(np.isnan, moved)):
        together = min(map(abs, moved)) > terms.smallest / 2 and moved[0] * moved[1] > 0
        words = LOOK if together else OK
    return {"facilitators_change": moved[0], "barriers_change": moved[1], "same_direction": words}


def _one_item_screen(change: float, loo: pd.DataFrame, terms: _Terms) -> dict[str, Any]:
    shifts = loo["shift"].abs().dropna()
    if shifts.empty or np.isnan(change):
        return {"leading_item": None, "change_without": np.nan, "shift": np.nan, "one_item": NOT_KNOWN}
    key = shifts.idxmax()
    shift, without = float(loo.loc[key, "shift"]), float(loo.loc[key, "change_without"])
    carried = abs(shift) > terms.smallest or (abs(change) >= terms.smallest and abs(without) < abs(change) / 2)
    return {
        "leading_item": key[1],
        "change_without": without,
        "shift": shift,
        "one_item": LOOK if carried else OK,
    }


def _rules(terms: _Terms) -> pd.DataFrame:
    waves = terms.between == "waves"
    both = "both waves" if waves else "both groups"
    rules = {
        "same_version": f"{both} answered the same definition, word for word",
        "same_form": "the same forms were given at both waves",
        "same_mode": f"no way of answering (online, paper …) differs in its share by more than {_SHARE:g} points",
        "dont_know": f"no question differs in its rate of “don't know” by more than {_SHARE:g} points and two answers",
        "same_direction": f"facilitators and barriers, as answered, do not move the same way by more than {terms.smallest / 2:g} "
        "points each: that would be a way of answering, or mixed feelings, rather than integration",
        "one_item": f"without any one question the {'change' if waves else 'gap'} moves by no more than {terms.smallest:g} "
        f"points, and one of {terms.smallest:g} points or more keeps half its size",
    }
    if not waves:
        del rules["same_form"]
    return pd.DataFrame({"ok_if": rules}).rename_axis("screen")


# The check with linked people


def _over_time(blocks: Blocks, rule: ScoreRule, terms: _Terms, links: HasPairs) -> Alike:
    """Test one subscale as one model of both waves of linked people."""
    items = blocks.of(rule)
    factors = _factors(blocks.instrument, items)
    if not factors or not enough_items(blocks.instrument, items, rule.items):
        return Alike(untested="too few questions")
    pairs = links.pairs
    here = pairs["before"].isin(blocks.first.answers.index) & pairs["after"].isin(blocks.second.answers.index)
    ids = [pairs.loc[here, side].to_numpy() for side in ("before", "after")]
    first, second = (
        each.answers.loc[own, items].reset_index(drop=True)
        for each, own in zip((blocks.first, blocks.second), ids, strict=True)
    )
    teams = _teams(blocks.first).loc[ids[0]].reset_index(drop=True)
    return used_alike(
        first,
        second,
        factors=factors,
        names=terms.names,
        enough=lambda left: enough_items(blocks.instrument, left, rule.items),
        teams=(teams, teams),
        min_answers=terms.min_answers,
        min_category=terms.min_category,
        same_people=True,
    )


def _linked_table(linked: Mapping[str, Alike], tests: Mapping[str, Alike]) -> pd.DataFrame:
    rows = []
    for name, own in linked.items():
        agrees = (
            "" if own.untested or tests[name].untested else "yes" if set(own.freed) == set(tests[name].freed) else "no"
        )
        rows.append((min(own.n), listed(own.freed), agrees, own.untested))
    index = pd.Index(list(linked), name="subscale", dtype=object)
    return pd.DataFrame(rows, columns=["n_linked", "freed", "agrees", "detail"], index=index)


# Words


def _method(blocks: Blocks, terms: _Terms, tests: Mapping[str, Alike]) -> str:
    tested = [name for name, test in tests.items() if test.ladder is not None]
    kind = "waves" if terms.between == "waves" else f"forms {terms.names[0]} and {terms.names[1]}"
    if not tested:
        return (
            f"Measurement invariance between the {kind} was not tested: no subscale had {terms.min_answers} answers to all of "
            "its items on both sides."
        )
    model = "facilitators and barriers as two factors" if blocks.instrument.has_wordings else "one factor"
    return (
        f"Measurement invariance between the {kind}, for each subscale apart ({len(tested)} of {len(tests)} were tested), "
        f"{model}: thresholds, loadings, intercepts and residuals of ordered answers (Wu & Estabrook, 2016) by diagonally "
        "weighted least squares with scaled and shifted difference tests (Satorra, 2000) and Holm's (1979) correction over "
        "steps, as two groups of answers, people alike within teams; partial invariance by score tests. Judged by the effect: "
        f"“not comparable” where the {'change' if terms.between == 'waves' else 'gap'} with all items and that with the "
        f"invariant ones differ by more than {terms.smallest:g} points or in sign (beyond ±{_NO_SIGN:g} point)."
    )


def _notes(blocks: Blocks, terms: _Terms, tests: Mapping[str, Alike], linked: pd.DataFrame) -> tuple[str, ...]:
    notes = [
        f"Tested with at least {terms.min_answers} answers on each side, complete on a subscale's items, and "
        f"{terms.min_category} in every category after rarer ones were joined with their neighbour towards the middle, "
        f"alike on both sides. The limit of {terms.smallest:g} points is a placeholder until the smallest change that "
        "matters is known."
    ]
    if blocks.other_version:
        notes.append(
            f"The answers are to two versions ({blocks.instrument.version} and {blocks.other_version}): only the "
            f"{len(blocks.items)} unchanged items that everyone was asked are compared."
        )
    if blocks.left_out:
        notes.append(f"{blocks.left_out} answers on forms that only one wave has are left out.")
    if blocks.scored_on == "short":
        notes.append("Long and short forms are mixed: subscales have too few items in common to be tested or scored.")
    joined = [f"{name}: {listed(test.notes)}" for name, test in tests.items() if test.notes]
    notes += [f"Answers joined, and other remarks ({'; '.join(joined)})."] if joined else []
    poor = [name for name, test in tests.items() if test.ladder is not None and _poor(test.ladder)]
    if poor:
        notes.append(
            f"The freest model fits poorly (RMSEA above {_POOR_RMSEA:.2f}) in {listed(poor)}: there the steps compare models "
            "none of which holds."
        )
    if any(test.ladder is not None for test in tests.values()):
        notes.append(
            "“comparable” means that nothing was found, not that there is nothing. A shift that all questions share cannot be "
            "told from a change."
        )
    if apart := list(linked.index[linked["agrees"] == "no"]):
        notes.append(f"Among linked people other items are let go in {listed(apart)} (`linked`).")
    return tuple(notes)


def _poor(ladder: Invariance) -> bool:
    first = ladder.table.iloc[0]
    return float(first.get("rmsea_scaled", first["rmsea"])) > _POOR_RMSEA


def _joined_gaps(results: Mapping[str, Comparability]) -> Comparability:
    """Put the gates of several gaps into one, labelled by a new first level of the index."""
    columns = {
        "change_all": "gap_all",
        "change_invariant": "gap_invariant",
        "change_difference": "gap_difference",
        "n_before": "n_first",
        "n_after": "n_second",
    }
    first = next(iter(results.values()))
    named: dict[str, list[str]] = {}
    for gap, result in results.items():
        for note in result.notes:
            named.setdefault(note, []).append(gap)

    def stacked(part: str) -> pd.DataFrame:
        return pd.concat({gap: getattr(result, part) for gap, result in results.items()}, names=["gap"])

    return Comparability(
        title=first.title,
        table=stacked("table").rename(columns=columns),
        method=" ".join(f"{gap}: {result.method}" for gap, result in results.items()),
        notes=tuple(note if len(gaps) == len(results) else f"{listed(gaps)}: {note}" for note, gaps in named.items()),
        screens=stacked("screens"),
        rules=first.rules,
        leave_one_out=stacked("leave_one_out"),
        steps=stacked("steps"),
        released=stacked("released"),
        linked=first.linked,
    )
