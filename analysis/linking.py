"""Which answers before and after come from one person: exact codes, then codes with one difference; never a guess."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from analysis.code_chances import ChanceAgreement, chance_agreement, expected_false, expected_false_exact, one_differs
from analysis.code_pairs import (
    Codes,
    ExactPairs,
    Flags,
    Floats,
    NearPairs,
    Whole,
    exact_pairs,
    groups_of,
    near_pairs,
    per_wave,
)
from analysis.codes import UNKNOWN, clean_elements
from analysis.result import Result
from analysis.sentences import listed
from instrument.responses import Responses

By = Literal["code", "person"]
Mismatch = Literal["one", "none"]

EXACT, ONE, ALL = "exact", "one differing", "all"
LINKED, NO_PARTNER, DUPLICATE, COLLISION, BLANK = "linked", "no partner", "duplicate", "collision", "blank"
NOBODY = "Nobody is linked: the answers of the two waves count as those of different people."

# The second step is taken only while fewer than this share of a pool's links is expected to be false.
MOST_FALSE = 0.01
# An element answered differently the second time: the middle of the 3 to 8 % that simulations of the rule assume.
_PRIOR_ERROR = 0.05
# Errors are counted among so many linked people at least, else the prior stands.
_FEWEST_LINKS = 30


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Links(Result):
    """Who is who; ``table`` has how far that can be trusted, by ``step``: exact, one differing, all.

    ``links``: how many; ``false_share``: the estimated share of them that join two different people;
    ``missed_share``: the estimated share of the people in both waves who are not linked (of the second step: of those
    whom the first has missed); ``upper_bound``: whether ``false_share`` is no more than a bound from above.

    Parameters
    ----------
    pairs : pandas.DataFrame
        ``before`` and ``after``: the two response ids of a linked person; ``step``: "exact" or "one differing";
        ``form_changed``, ``team_changed``: known at both waves, and not the same.
    before, after : pandas.Series
        By response: "linked"; "no partner"; "duplicate" (others of the wave have the code too); "collision" (the
        only one of its wave with the code, but several of the other wave have it); "blank" (no code, or not
        enough of one to be compared).
    flow : pandas.DataFrame
        Index ``step``, columns ``before`` and ``after``: what became of how many answers.
    elements : pandas.DataFrame
        Index ``element``: ``chance_agreement``, the probability that two different people of one pool have both
        answered the element, and alike; ``error``, the share of linked people whose answers differ.
    """

    pairs: pd.DataFrame
    before: pd.Series
    after: pd.Series
    flow: pd.DataFrame
    elements: pd.DataFrame


def link_waves(
    before: Responses,
    after: Responses,
    *,
    by: By = "code",
    mismatch: Mismatch = "one",
    most_false: float = MOST_FALSE,
) -> Links:
    """Link the answers of two waves, by the code that people made or by the ids of persons.

    Parameters
    ----------
    before, after : Responses
        The two waves.
    by : {"code", "person"}, default "code"
        ``"person"`` takes the ids in the column ``person`` as they are: then they must mean the same in both files.
    mismatch : {"one", "none"}, default "one"
        Whether codes may differ in one element (`link_codes`, second step). A sensitivity analysis takes ``"none"``.
    most_false : float, default .01
        The share of expected false links at which a team's second step is left out (`link_codes`).

    Returns
    -------
    Links

    Raises
    ------
    ValueError
        For another option, or if one wave has other elements of the code than the other.

    Notes
    -----
    A short form counts as the full form that it belongs to.

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> from instrument.responses import split_waves
    >>> files = ["sample_data/baseline.csv", "sample_data/followup.csv"]
    >>> before, after = split_waves(read_responses(files, read_instrument("pwiq"))).values()
    >>> links = link_waves(before, after)
    >>> links.table["links"].to_dict()["exact"] == (links.pairs["step"] == "exact").sum()
    True
    """
    _one_of("by", by, ("code", "person"))
    _one_of("mismatch", mismatch, ("one", "none"))
    waves = [_people(each) for each in (before, after)]
    if by == "person":
        return _by_person(waves[0], waves[1])
    elements = _elements(before, after)
    if not elements:
        note = "The questionnaire has no self-made code: nobody could be linked. link by 'person' uses person ids."
        return _nobody(waves[0], waves[1], note)
    places = {name: name if all(name in each for each in waves) else None for name in ("organisation", "team", "form")}
    found = link_codes(waves[0], waves[1], elements=elements, mismatch=mismatch, most_false=most_false, **places)
    return _with_note(found, _same_file(before, after))


def link_codes(
    before: pd.DataFrame,
    after: pd.DataFrame,
    *,
    elements: Sequence[str],
    organisation: str | None = None,
    team: str | None = None,
    form: str | None = None,
    mismatch: Mismatch = "one",
    most_false: float = MOST_FALSE,
) -> Links:
    """Link two waves by codes of several elements.

    Parameters
    ----------
    before, after : pandas.DataFrame
        Response × column.
    elements : sequence of str
        Columns of the code, in order. "X" stands for "unknown"; it agrees with nothing, and neither does a blank.
        Spaces and capital letters do not count.
    organisation, team, form : str, optional
        Columns. Without an organisation codes are compared over everyone; without a team the second step is not
        taken; without a form its second condition falls away.
    mismatch : {"one", "none"}, default "one"
        ``"none"``: the first step only.
    most_false : float, default .01
        The second step is left out in teams where the false links that it is expected to add would be this share
        of all links, or more; 1 takes it always.

    Returns
    -------
    Links

    Raises
    ------
    ValueError
        For another option, a column that is not there, or a response id that occurs twice.

    Notes
    -----
    1. *Exact*: all elements are known and alike, within the organisation, and nobody else of either wave has the
       code there. Team and form may differ.
    2. *One differing*: among those left over, within the team and on the same form, all elements but one are alike
       (an unknown one is the one that differs). Only if each of the two is the only person left over in the
       other wave's team, on whatever form, whose code differs in no more than one element; and never for a
       code that several people have.

    The rule is that of Yurek, Vasey & Sullivan Havens (2008) and Schnell, Bachteler & Reiher (2010), held to pools.

    *False links.* Two different people agree on element k with the probability a_k, counted in the pairs within a
    wave and pool (the unbiased sum of squared frequencies): those are never one person. As in Fellegi & Sunter
    (1969) elements are taken as independent: a pair agrees in all with u₀ = Π a_k, and in all but one with
    u₁ = Σ (1 − a_k) Π a_j. A false link needs two people whose true partner is not linked, so that a pool of n and m
    codes with t true links is expected to have u (n − t)(m − t) exp(−u (n + m − 2)) of them; t is the links found
    less the false ones, which is solved by iteration. Where more codes of a wave are (almost) the same than u
    allows (Poisson, p < .01), their share is taken instead of u.

    *Missed links.* From the error of each element (its share of differences among links of both steps, less the
    false ones; 5 % where fewer than 30 people are linked), blank and incomplete codes, codes that several people
    have, and people who changed team or form. Codes with an unknown element are taken to have it at both waves.

    Examples
    --------
    >>> columns = ["c1", "c2", "c3", "team"]
    >>> before = pd.DataFrame([list("ABCt"), list("DEFt"), list("GHIt")], columns=columns, index=["b1", "b2", "b3"])
    >>> after = pd.DataFrame([list("abct"), list("DEXt"), list("ZZZt")], columns=columns, index=["a1", "a2", "a3"])
    >>> links = link_codes(before, after, elements=["c1", "c2", "c3"], team="team", most_false=1)
    >>> links.pairs[["before", "after", "step"]].values.tolist()
    [['b1', 'a1', 'exact'], ['b2', 'a2', 'one differing']]
    >>> links.after.tolist()
    ['linked', 'linked', 'no partner']
    """
    elements = list(elements)
    _check(before, after, elements, {"organisation": organisation, "team": team, "form": form}, mismatch, most_false)
    notes: list[str] = []
    codes = _codes(before, after, elements, organisation, team, form, notes)
    exact = exact_pairs(codes)
    chance = chance_agreement(codes, exact, notes)
    second = _second_step(codes, exact, chance, elements, team, mismatch, most_false, notes)
    return _links(before, after, codes, exact, second, chance, elements, notes)


def _one_of(name: str, value: object, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(f"{name} must be {' or '.join(map(repr, allowed))}, got {value!r}")


def _check(
    before: pd.DataFrame,
    after: pd.DataFrame,
    elements: list[str],
    places: dict[str, str | None],
    mismatch: object,
    most_false: float,
) -> None:
    _one_of("mismatch", mismatch, ("one", "none"))
    if not 0 <= most_false <= 1:
        raise ValueError(f"most_false is a share from 0 to 1, got {most_false!r}: write 0.01 for one in a hundred")
    if not elements:
        raise ValueError("elements must name the columns of the code, got none")
    if len(set(elements)) < len(elements):
        raise ValueError(f"elements names a column twice: {listed(elements)}")
    for wave, frame in (("before", before), ("after", after)):
        wanted = [*elements, *(name for name in places.values() if name is not None)]
        if missing := [name for name in wanted if name not in frame]:
            raise ValueError(f"{wave} has no column {listed(missing)}: give both waves the same columns")
        if frame.index.has_duplicates:
            twice = frame.index[frame.index.duplicated()][0]
            raise ValueError(f"{wave} has the response {twice} twice: each response needs an id of its own")


# Codes as numbers


def _codes(
    before: pd.DataFrame,
    after: pd.DataFrame,
    elements: list[str],
    organisation: str | None,
    team: str | None,
    form: str | None,
    notes: list[str],
) -> Codes:
    frames = [before, after]
    n = len(before) + len(after)

    def places(name: str | None) -> Whole:
        if name is None:
            return np.full(n, -1, dtype=np.int64)
        both = pd.concat([frame[name] for frame in frames], ignore_index=True).astype("string").str.strip()
        found: Whole = pd.factorize(both.mask(both == ""))[0].astype(np.int64)
        return found

    clean = pd.concat([clean_elements(frame, elements) for frame in frames], ignore_index=True)
    letters = np.column_stack([pd.factorize(column.mask(column == UNKNOWN))[0] for _, column in clean.items()])
    pool = places(organisation)
    if organisation is None or (n and (pool < 0).all()):
        notes.append("No organisation is known: codes were compared over everyone, where more agree by chance.")
        pool = np.zeros(n, dtype=np.int64)
    elif (pool < 0).any():
        notes.append(f"{(pool < 0).sum()} answers have no organisation: their codes could not be compared.")
    teams = places(team)
    return Codes(
        letters=letters.astype(np.int64).reshape(n, len(elements)),
        after=np.repeat([False, True], [len(before), len(after)]),
        pool=pool,
        team=np.where((teams >= 0) & (pool >= 0), groups_of([pool, teams]), -1),
        form=places(form),
        form_known=form is not None,
    )


# The second step, where it is safe


@dataclass(frozen=True, kw_only=True, eq=False)
class _Second:
    first: Whole
    second: Whole
    taken: bool  # whether the step was taken at all
    usable: Flags
    false_exact: float
    false_one: float
    error: Floats
    reached: float  # share of those left over whom the step can reach


def _second_step(
    codes: Codes,
    exact: ExactPairs,
    chance: ChanceAgreement,
    elements: list[str],
    team: str | None,
    mismatch: Mismatch,
    most_false: float,
    notes: list[str],
) -> _Second:
    false_exact = expected_false_exact(codes, exact, chance)
    why_not = _why_not(codes, team, mismatch, elements)
    if why_not is not None:
        notes.append(why_not)
        nobody = np.zeros(0, dtype=np.int64)
        return _Second(
            first=nobody,
            second=nobody,
            taken=False,
            usable=codes.complete,
            false_exact=false_exact,
            false_one=0.0,
            error=_prior(elements, notes),
            reached=0.0,
        )
    found = near_pairs(codes, exact)
    u = one_differs(codes, chance, found, notes)
    teams = int(codes.team.max(initial=-1)) + 1
    # People are linked on the same form only: the cells of a team in which pairs can arise.
    cell = groups_of([codes.team, codes.form])
    cells = int(cell.max(initial=-1)) + 1
    eligible = found.left & ((codes.form >= 0) | (not codes.form_known))
    left = per_wave(cell, codes.after, eligible, cells)
    by_cell = expected_false(u, left, np.bincount(cell[found.first], minlength=cells).astype(float))
    team_of_cell = np.zeros(cells, dtype=np.int64)
    team_of_cell[cell] = codes.team
    inside = team_of_cell >= 0
    false = np.bincount(team_of_cell[inside], by_cell[inside], minlength=teams).astype(float)
    allowed = _allowed(codes, exact, found, false, most_false)
    refused = np.unique(codes.team[found.first][~allowed[codes.team[found.first]]])
    if len(refused):
        notes.append(
            f"In {len(refused)} of {teams} teams codes were linked exactly only: the links with one differing "
            f"element would be expected to add false ones, {most_false * 100:g} % or more of all links of the team."
        )
    kept = allowed[codes.team[found.first]]
    is_left = found.left & (codes.team >= 0)
    size = np.bincount(codes.team[is_left], minlength=teams)
    reach = allowed[codes.team[is_left]] * np.exp(-u * np.maximum(size[codes.team[is_left]] - 2, 0))
    return _Second(
        first=found.first[kept],
        second=found.second[kept],
        taken=True,
        usable=codes.complete | ((codes.team >= 0) & (codes.known.sum(axis=1) >= len(elements) - 1)),
        false_exact=false_exact,
        false_one=float(min(false[allowed].sum(), kept.sum())),
        error=_errors(codes, exact, found, chance, float(false.sum()), elements, notes),
        reached=float(reach.mean()) if len(reach) else 0.0,
    )


def _why_not(codes: Codes, team: str | None, mismatch: Mismatch, elements: list[str]) -> str | None:
    if mismatch == "none":
        return "Codes were linked exactly only, as was asked for."
    if len(elements) == 1:
        return "The code has one element, such as the number of a printed card: it is linked exactly only."
    if team is None or (codes.team < 0).all():
        return (
            "No team is known: codes were linked exactly only, as one differing element is allowed within a team only."
        )
    return None


def _allowed(codes: Codes, exact: ExactPairs, found: NearPairs, false: Floats, most_false: float) -> Flags:
    """Return the teams in which the false links that the step would add are few enough among all links.

    The links of a team are those found in it, but no more than would be found at the rate of all teams: where
    nearly nobody is in both waves, the one link of a team may well be the false one.
    """
    if most_false == 1:
        return np.ones(len(false), dtype=bool)
    # Somebody who has moved counts half in either team.
    ends = codes.team[np.concatenate([exact.first, exact.second, found.first, found.second])]
    links = np.bincount(ends[ends >= 0], minlength=len(false)) / 2
    rows = (codes.complete & (codes.team >= 0)) | found.left
    smaller = np.minimum(*per_wave(codes.team, codes.after, rows, len(false)))
    rate = max(float(links.sum() - false.sum()), 0.0) / max(float(smaller.sum()), 1.0)
    allowed: Flags = (false < most_false * np.minimum(links, rate * smaller)) | (false == 0)
    return allowed


def _prior(elements: list[str], notes: list[str]) -> Floats:
    notes.append(
        f"How often people answer an element differently was not estimated: {_PRIOR_ERROR * 100:g} % is assumed for the share "
        "of missed links."
    )
    return np.full(len(elements), _PRIOR_ERROR)


def _errors(
    codes: Codes,
    exact: ExactPairs,
    found: NearPairs,
    chance: ChanceAgreement,
    false: float,
    elements: list[str],
    notes: list[str],
) -> Floats:
    """Return each element's share of differences among linked people who had the chance of both steps."""
    stayed = _stayed(codes, exact)
    whole = codes.complete[found.first] & codes.complete[found.second]
    if int(stayed.sum()) + int(whole.sum()) < _FEWEST_LINKS:
        return _prior(elements, notes)
    differ = np.bincount(found.element[whole], minlength=len(elements)) - false * chance.differs
    ratio = np.maximum(differ, 0) / max(float(stayed.sum()), 1.0)
    error: Floats = ratio / (1 + ratio)
    return error


def _stayed(codes: Codes, exact: ExactPairs) -> Flags:
    """Return which exact links are within a team and on one form: the second step could have found them."""
    same: Flags = (codes.team[exact.first] == codes.team[exact.second]) & (codes.team[exact.first] >= 0)
    if codes.form_known:
        same &= codes.form[exact.first] == codes.form[exact.second]
    return same


def _missed(codes: Codes, exact: ExactPairs, second: _Second) -> tuple[float, float]:
    """Return the share of people in both waves whom each step finds."""
    known = codes.known.sum(axis=1)
    given = known > 0
    both = [given[codes.after == wave] for wave in (False, True)]
    if not all(each.any() for each in both):
        return 0.0, 0.0
    with_code = float(np.prod([each.mean() for each in both]))
    complete = float(codes.complete[given].mean())
    size = codes.letters.shape[1]
    one_unknown = float((known[given] == size - 1).mean()) if size > 1 else 0.0
    lost = float((exact.duplicate | exact.collision)[codes.complete].mean()) if complete else 0.0
    right = 1 - second.error
    alike = float(np.prod(right))
    differs = float((second.error * [np.prod(np.delete(right, k)) for k in range(size)]).sum())
    rest_right = float(np.mean([np.prod(np.delete(right, k)) for k in range(size)]))
    stayed = _stayed(codes, exact)
    same = float(stayed.mean()) if len(stayed) else 1.0
    by_exact = with_code * complete * alike * (1 - lost)
    by_one = with_code * (complete * differs * (1 - lost) + one_unknown * rest_right) * same * second.reached
    return by_exact, by_one


# What is handed back


def _links(
    before: pd.DataFrame,
    after: pd.DataFrame,
    codes: Codes,
    exact: ExactPairs,
    second: _Second,
    chance: ChanceAgreement,
    elements: list[str],
    notes: list[str],
) -> Links:
    counts = np.array([len(exact.first), len(second.first)], dtype=np.int64)
    false = np.array([second.false_exact, second.false_one])
    by_exact, by_one = _missed(codes, exact, second)
    anybody = bool(codes.known.any())
    # A share of no links is no number.
    shares = [
        float(f / n) if n else np.nan for f, n in zip([*false, false.sum()], [*counts, counts.sum()], strict=True)
    ]
    missed = [1 - by_exact, 1 - by_one / (1 - by_exact) if by_exact < 1 else 0.0, 1 - by_exact - by_one]
    table = pd.DataFrame(
        {
            "links": [*counts, counts.sum()],
            "false_share": shares,
            "missed_share": missed if anybody else [np.nan] * 3,
            "upper_bound": chance.is_bound,
        },
        index=pd.Index([EXACT, ONE, ALL], name="step"),
    )
    if anybody:
        notes += _about_codes(exact, second, codes)
    if not counts.sum():
        notes.append(NOBODY)
    method = (
        f"Codes of {len(elements)} element{'s' * (len(elements) > 1)} were linked where all were known, alike, and had by "
        "nobody else of the organisation in either wave"
    )
    if second.taken:
        method += (
            "; then, within the team and on the same form, where one element differed or was unknown and nobody else left "
            "over came as near, as long as the estimated share of false links was small enough"
        )
    method += (
        " (Yurek, Vasey & Sullivan Havens, 2008; Schnell, Bachteler & Reiher, 2010). Shares of false and missed links are "
        "estimated from how often each element's letters occur and how often they differ among linked people (after "
        "Fellegi & Sunter, 1969)."
    )
    elements_table = pd.DataFrame(
        {"chance_agreement": chance.elements, "error": second.error}, index=pd.Index(elements, name="element")
    )
    return _assembled(before, after, codes, exact, second, table, elements_table, method, notes)


def _about_codes(exact: ExactPairs, second: _Second, codes: Codes) -> list[str]:
    notes = []
    if exact.duplicate.any():
        notes.append(
            f"{int(exact.duplicate.sum())} answers have a code that others of their wave and organisation have too, and "
            f"{int(exact.collision.sum())} have the code of several of the other wave: none of them is linked."
        )
    blank = int((~codes.known.any(axis=1)).sum())
    short = int((codes.known.any(axis=1) & ~second.usable).sum())
    if blank or short:
        notes.append(f"{blank} answers have no code, and {short} have too many unknown elements to be compared.")
    return notes


def _assembled(
    before: pd.DataFrame,
    after: pd.DataFrame,
    codes: Codes,
    exact: ExactPairs,
    second: _Second,
    table: pd.DataFrame,
    elements: pd.DataFrame,
    method: str,
    notes: list[str],
) -> Links:
    ids = np.concatenate([before.index.to_numpy(dtype=object), after.index.to_numpy(dtype=object)])
    first = np.concatenate([exact.first, second.first])
    other = np.concatenate([exact.second, second.second])
    step = np.repeat([EXACT, ONE], [len(exact.first), len(second.first)])
    order = np.argsort(first, kind="stable")
    first, other, step = first[order], other[order], step[order]
    pairs = pd.DataFrame(
        {
            "before": ids[first],
            "after": ids[other],
            "step": pd.array(step, dtype="string"),
            "form_changed": _changed(codes.form, first, other),
            "team_changed": _changed(codes.team, first, other),
        }
    )
    linked = np.zeros(len(ids), dtype=bool)
    linked[first] = linked[other] = True
    status = np.select(
        [linked, ~second.usable, exact.duplicate, exact.collision],
        [LINKED, BLANK, DUPLICATE, COLLISION],
        default=NO_PARTNER,
    )
    waves = {
        name: pd.Series(status[codes.after == wave], index=frame.index, name="link", dtype="string")
        for name, wave, frame in (("before", False, before), ("after", True, after))
    }
    return Links(
        title="Who is who: answers linked between the waves",
        table=table,
        method=method,
        notes=tuple(notes),
        pairs=pairs,
        before=waves["before"],
        after=waves["after"],
        flow=_flow(waves, pairs),
        elements=elements,
    )


def _changed(place: Whole, first: Whole, other: Whole) -> Flags:
    changed: Flags = (place[first] >= 0) & (place[other] >= 0) & (place[first] != place[other])
    return changed


def _flow(waves: dict[str, pd.Series], pairs: pd.DataFrame) -> pd.DataFrame:
    def statuses(*words: str) -> list[int]:
        return [int(status.isin(words).sum()) for status in waves.values()]

    def both(which: pd.Series) -> list[int]:
        return [int(which.sum())] * 2

    steps = {
        "answers": [len(status) for status in waves.values()],
        "blank or incomplete code": statuses(BLANK),
        "usable code": statuses(LINKED, NO_PARTNER, DUPLICATE, COLLISION),
        "duplicate code": statuses(DUPLICATE),
        "collision with duplicates": statuses(COLLISION),
        "no partner": statuses(NO_PARTNER),
        "linked": statuses(LINKED),
        "linked exactly": both(pairs["step"] == EXACT),
        "linked, one element differing": both(pairs["step"] == ONE),
        "linked, form changed": both(pairs["form_changed"]),
        "linked, team changed": both(pairs["team_changed"]),
    }
    return pd.DataFrame.from_dict(steps, orient="index", columns=list(waves)).rename_axis(index="step")


# Answers to a questionnaire


def _people(responses: Responses) -> pd.DataFrame:
    """Return people with full forms for short ones, and teams named alike in both waves."""
    people = responses.people.copy()
    if responses.instrument.forms:
        full = {form.id: form.short_of or form.id for form in responses.instrument.forms}
        people["form"] = people["form"].map(full).astype("string")
    if "team" in people and "organisation" in people:
        # Where names of teams recur, reading puts the organisation before them; in one wave perhaps, not in the other.
        places = zip(people["organisation"].fillna(""), people["team"].fillna(""), strict=True)
        people["team"] = pd.array([team.removeprefix(f"{place}/") for place, team in places], dtype="string")
    return people


def _elements(before: Responses, after: Responses) -> list[str]:
    elements = [question.id for question in before.instrument.questions if question.role == "code"]
    have = [[name for name in elements if name in wave.people] for wave in (before, after)]
    if have[0] != have[1]:
        said = [listed(each) or "none" for each in have]
        raise ValueError(
            f"the waves have other elements of the code: before {said[0]}; after {said[1]}. Codes can be compared on the same "
            "elements only: add the columns that are missing, or take those away that the other wave lacks"
        )
    return have[0]


def _same_file(before: Responses, after: Responses) -> str | None:
    if len(before.answers) and np.array_equal(
        before.answers.to_numpy(dtype=float, na_value=np.nan),
        after.answers.to_numpy(dtype=float, na_value=np.nan),
        equal_nan=True,
    ):
        return "Both waves hold the very same answers in the same order: is it the same file twice?"
    return None


def _with_note(links: Links, note: str | None) -> Links:
    return links if note is None else replace(links, notes=(note, *links.notes))


def _by_person(before: pd.DataFrame, after: pd.DataFrame) -> Links:
    # An id is a name, in which capital letters may count.
    ids = pd.concat([before["person"], after["person"]], ignore_index=True).astype("string").str.strip()
    method = "Answers were linked by the ids of persons in the files."
    note = "The ids of persons were taken as they are: shares of false and missed links are not estimated."
    return _without_estimates(before, after, pd.factorize(ids.mask(ids == ""))[0], method, note)


def _nobody(before: pd.DataFrame, after: pd.DataFrame, note: str) -> Links:
    nothing = np.full(len(before) + len(after), -1)
    return _without_estimates(before, after, nothing, "Answers were not linked.", note)


def _without_estimates(before: pd.DataFrame, after: pd.DataFrame, key: Whole, method: str, note: str) -> Links:
    places = pd.concat([before, after], ignore_index=True).reindex(columns=["organisation", "team", "form"])
    organisation, team, form = (pd.factorize(places[name].astype("string"))[0].astype(np.int64) for name in places)
    codes = Codes(
        letters=key.astype(np.int64).reshape(-1, 1),
        after=np.repeat([False, True], [len(before), len(after)]),
        pool=np.zeros(len(key), dtype=np.int64),
        team=np.where(team >= 0, groups_of([organisation, team]), -1),
        form=form,
        form_known=True,
    )
    exact = exact_pairs(codes)
    none = np.zeros(0, dtype=np.int64)
    second = _Second(
        first=none,
        second=none,
        taken=False,
        usable=codes.complete,
        false_exact=np.nan,
        false_one=np.nan,
        error=np.full(1, np.nan),
        reached=0.0,
    )
    links = len(exact.first)
    table = pd.DataFrame(
        {"links": [links, 0, links], "false_share": np.nan, "missed_share": np.nan, "upper_bound": False},
        index=pd.Index([EXACT, ONE, ALL], name="step"),
    )
    elements = pd.DataFrame({"chance_agreement": [], "error": []}, index=pd.Index([], name="element"), dtype=float)
    notes = [note] if links else [note, NOBODY]
    return _assembled(before, after, codes, exact, second, table, elements, method, notes)
