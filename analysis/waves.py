"""Both waves' scores in one frame: scored on the same items, people linked, and what is known of each response."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd

from analysis.change_contrasts import FEWEST, arms_have_clusters
from analysis.linking import NOBODY, By, Links, Mismatch, link_waves
from analysis.sentences import some_of
from instrument.definition import Catalogue, Instrument, ScoreRule
from instrument.responses import Responses
from instrument.scoring import Metric, comparable_items, score
from instrument.versions import unchanged_items

Link = Literal["code", "exact", "person"]
Items = Literal["own", "common", "short"] | Sequence[str]
Forms = Literal["equal", "together"] | Mapping[str, str]

NEGATIVE_CONTROL = "negative_control"


@dataclass(frozen=True, kw_only=True, eq=False)
class ScoredWaves:
    """Both waves' scores in one frame, and what is known of each response.

    Parameters
    ----------
    scores : pandas.DataFrame
        Response × score, the responses before first. The index counts 0, 1, …: two files may use the
        same response ids.
    rows : pandas.DataFrame
        Same index: ``wave`` (0 before, 1 after) and ``person`` (the same for linked responses); ``form``,
        ``organisation``, ``team`` where there are several; ``programme`` (0 or 1) where there are two arms.
    rules : tuple of ScoreRule
        Of the scores, in their order.
    flow : pandas.DataFrame
        Index ``step``, columns ``before`` and ``after``: answers, and what became of their codes (`Links`).
    notes : tuple of str
    """

    scores: pd.DataFrame
    rows: pd.DataFrame
    rules: tuple[ScoreRule, ...]
    flow: pd.DataFrame
    notes: tuple[str, ...]


def score_waves(
    before: Responses,
    after: Responses,
    *,
    link: Link | Links = "code",
    items: Items | None = None,
    metric: Metric = "pomp",
    forms: Forms = "equal",
    negative_control: Sequence[str] = (),
) -> ScoredWaves:
    """Score both waves on the same items, link people, and gather what the model needs.

    The parameters and errors are those of `analysis.change.compare_waves`.

    Returns
    -------
    ScoredWaves

    Examples
    --------
    >>> from instrument import read_instrument, read_responses
    >>> pwiq = read_instrument("pwiq")
    >>> waves = [read_responses(f"sample_data/{name}.csv", pwiq) for name in ("baseline", "followup")]
    >>> score_waves(*waves).rows.columns.tolist()
    ['wave', 'person', 'form', 'organisation', 'team', 'programme']
    """
    after = _read_alike(before, after, items)
    _check_waves(before, after)
    if not isinstance(link, Links) and link not in ("code", "exact", "person"):
        raise ValueError(f"link must be 'code', 'exact', 'person' or Links; got {link!r}")
    if not isinstance(forms, Mapping) and forms not in ("equal", "together"):
        raise ValueError(f"forms must be 'equal', 'together' or form → group; got {forms!r}")
    notes: list[str] = []
    instrument = before.instrument
    chosen = _chosen_items(before, after, items, notes)
    rules = [*instrument.scores]
    if negative_control:
        rules.append(_negative_control(instrument, negative_control))
    scored = replace(instrument, scores=Catalogue(rules))
    scores = pd.concat(
        [score(replace(wave, instrument=scored), metric=metric, items=chosen) for wave in (before, after)],
        ignore_index=True,
    )
    absent = [name for name in scores.columns if scores[name].isna().all()]
    if absent:
        notes.append(f"Not scored for anyone, so left out: {', '.join(absent)}.")
    links = _links(before, after, link, notes)
    return ScoredWaves(
        scores=scores.drop(columns=absent),
        rows=_rows(before, after, links, notes, forms=forms),
        rules=tuple(rule for rule in rules if rule.id not in absent),
        flow=links.flow,
        notes=tuple(notes),
    )


# What the waves are


def _read_alike(before: Responses, after: Responses, items: Items | None) -> Responses:
    """Return the answers after under the definition of those before, where all chosen items are the same in both."""
    one, other = before.instrument, after.instrument
    if one.digest == other.digest:
        return after
    if items is None or isinstance(items, str):
        raise ValueError(
            f"the waves were answered to different definitions: {one.id} {one.version} before and {other.id} "
            f"{other.version} after (or the same version with other wording); read both files with one definition, or "
            "give items=instrument.versions.unchanged_items(before.instrument, after.instrument)"
        )
    changed = [name for name in items if name not in unchanged_items(one, other)]
    if changed:
        raise ValueError(
            f"the definitions {one.version} and {other.version} do not ask the same in {some_of(changed)}: give "
            "items that are the same in both (instrument.versions.unchanged_items)"
        )
    new_forms = sorted(set(after.people.get("form", ())) - {form.id for form in one.forms})
    if new_forms:
        raise ValueError(f"after has the form {', '.join(new_forms)}, which {one.id} {one.version} has not")
    ids = list(one.items.ids)
    return replace(
        after,
        instrument=one,
        answers=after.answers.reindex(columns=ids).astype("Int64"),
        off_scale=after.off_scale.reindex(columns=ids),
    )


def _check_waves(before: Responses, after: Responses) -> None:
    for name, wave in (("before", before), ("after", after)):
        if len(wave.answers) < FEWEST:
            raise ValueError(f"{name} has {len(wave.answers)} answers; a comparison needs at least two in each wave")
        numbers = sorted(wave.people["wave"].unique().tolist())
        if len(numbers) > 1:
            listed = ", ".join(map(str, numbers))
            raise ValueError(f"{name} holds the waves {listed}; give one wave (instrument.responses.split_waves)")
    first, second = before.people["wave"].iloc[0], after.people["wave"].iloc[0]
    if first > second:
        raise ValueError(f"before is wave {first} and after is wave {second}; swap the two")
    if before.answers.equals(after.answers):
        raise ValueError("before and after hold the same answers; give the files of two different waves")


def _chosen_items(before: Responses, after: Responses, items: Items | None, notes: list[str]) -> Items:
    comparable = comparable_items(before, after)
    if items is not None:
        if comparable == "short" and items != "short":
            notes.append(
                "The waves mix long and short forms, which were scored by different rules: items='short' scores alike."
            )
        return items
    if comparable == "short":
        notes.append("The waves mix long and short forms: everyone was scored on the items of the short form.")
    if comparable == "common":
        notes.append(f"Scored on the {len(before.instrument.common_items)} items that all full forms ask.")
    return comparable


def _negative_control(instrument: Instrument, facets: Sequence[str]) -> ScoreRule:
    items = tuple(item.id for item in instrument.items if f"{item.subscale}{item.facet or ''}" in facets)
    known = {f"{item.subscale}{item.facet or ''}" for item in instrument.items}
    unknown = [name for name in facets if name not in known]
    if unknown:
        raise ValueError(
            f"negative_control names facets that {instrument.id} does not have: {', '.join(unknown)}; "
            f"its facets are {', '.join(sorted(known))}"
        )
    subscale = next((rule for rule in instrument.scores if rule.kind == "subscale"), None)
    if subscale is None:
        raise ValueError(f"{instrument.id} has no subscale, whose rule a negative control would be scored by")
    rule = replace(subscale, id=NEGATIVE_CONTROL, export="negcontrol", kind=NEGATIVE_CONTROL, items=items, short=None)
    # On a short form the same rule holds for those of the items that it asks.
    return replace(rule, short=rule)


# Who is who


def _links(before: Responses, after: Responses, link: Link | Links, notes: list[str]) -> Links:
    if isinstance(link, Links):
        for name, wave, known in (("before", before, link.before), ("after", after, link.after)):
            if set(known.index) != set(wave.people.index):
                raise ValueError(f"the links are not of these waves: the responses {name} are others; link them anew")
        return link
    by: By = "person" if link == "person" else "code"
    mismatch: Mismatch = "none" if link == "exact" else "one"
    links = link_waves(before, after, by=by, mismatch=mismatch)
    notes.extend(links.notes)
    if links.pairs.empty and NOBODY not in notes:
        notes.append(NOBODY)
    return links


def _rows(before: Responses, after: Responses, links: Links, notes: list[str], *, forms: Forms) -> pd.DataFrame:
    people = pd.concat([before.people, after.people], ignore_index=True)
    n_before = len(before.people)
    rows = pd.DataFrame({"wave": np.repeat([0, 1], [n_before, len(after.people)])})
    person = np.arange(len(rows))
    first = before.people.index.get_indexer(links.pairs["before"])
    second = after.people.index.get_indexer(links.pairs["after"]) + n_before
    person[second] = person[first]
    rows["person"] = person
    if before.instrument.forms and forms != "together":
        full_form = {form.id: form.short_of or form.id for form in before.instrument.forms}
        form = people["form"].map(_groups_of_forms(forms, people) if isinstance(forms, Mapping) else full_form)
        form = form.astype(object)
        rows["form"] = form
        if (form.to_numpy()[first] != form.to_numpy()[second]).any():
            notes.append(
                "Some linked people's form differs between the waves. Each answer counts under the form it was "
                "given on; the paired change of linked people leaves them out."
            )
    elif before.instrument.forms:
        notes.append("The forms were taken together: a changed mix of people may read as change.")
    rows = rows.join(_places(people, notes))
    return rows.join(_programme(people, rows, notes))


def _groups_of_forms(forms: Mapping[str, str], people: pd.DataFrame) -> Mapping[str, str]:
    without = sorted(set(people["form"].dropna()) - set(forms))
    if without:
        raise ValueError(f"forms gives no group to {', '.join(without)}; it has {', '.join(forms) or 'none'}")
    return forms


def _places(people: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    """Return organisation and team, where there are several, each with a level in every row."""
    places = pd.DataFrame(index=people.index)
    outer = ""
    for name in ("organisation", "team"):
        if name not in people:
            continue
        given = people[name].astype("string")
        if given.nunique() < 2:
            notes.append(f"There is {'no' if given.isna().all() else 'one'} {name}: nothing can vary between them.")
            continue
        if given.isna().any():
            notes.append(f"{name} is blank in some answers: these were taken together, as one {name}.")
        places[name] = (outer + given.fillna("(blank)")).astype(object)
        outer = places[name].astype("string") + "/"
    return places


def _programme(people: pd.DataFrame, rows: pd.DataFrame, notes: list[str]) -> pd.DataFrame:
    nothing = pd.DataFrame(index=people.index)
    if "programme" not in people or people["programme"].isna().all():
        return nothing
    programme = people["programme"].astype("Float64")
    if "organisation" in people:
        by_place = programme.groupby(people["organisation"].astype("string"))
        torn = by_place.nunique()
        torn = torn.index[torn > 1]
        if len(torn):
            notes.append(
                f"programme is both 0 and 1 within {', '.join(torn)}: it must say whether the organisation takes part "
                "at all, the same at both waves. It was left out, so there is no control."
            )
            return nothing
        programme = programme.fillna(by_place.transform("max"))
    if programme.nunique() < 2:
        taking_part = "All" if programme.dropna().eq(1).all() else "No"
        notes.append(f"{taking_part} answers are from the programme: there is no second arm to compare with.")
        return nothing
    notes_of_arms: list[str] = []
    if not arms_have_clusters(rows.assign(programme=programme)[programme.notna()], notes_of_arms):
        notes.extend(notes_of_arms)
        return nothing
    if programme.isna().any():
        notes.append("programme is not known for some answers: they are left out of the model.")
    return programme.astype(float).to_frame("programme")
