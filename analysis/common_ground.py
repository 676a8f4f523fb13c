"""Two waves, or two forms, on common ground: one definition, the same items, and each score with its variants."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from analysis.sentences import listed
from instrument.definition import Catalogue, Instrument, ScoreRule
from instrument.responses import Responses, asked, select
from instrument.scoring import comparable_items, score
from instrument.versions import unchanged_items

# Fewer scored answers of a form than this at a wave give no mean.
FEWEST = 2
# Marks of scores that are made only here; no id of a score holds a blank.
KEPT, WITHOUT, FACILITATORS, BARRIERS = " kept", " without ", " facilitators", " barriers"


@dataclass(frozen=True, kw_only=True, eq=False)
class Blocks:
    """Two waves or two forms on one definition, and the items on which they may be compared.

    Parameters
    ----------
    first, second : Responses
    items : tuple of str
        Those that everyone present was asked, in the same way.
    scored_on : str or list of str
        What `instrument.scoring.score` takes as ``items``.
    same_version, same_forms : bool
    other_version : str
        Of ``second``, where it is another.
    across_forms : bool
        Whether the two are forms, rather than waves with the same forms.
    left_out : int
        Answers on forms that only one wave has.
    """

    first: Responses
    second: Responses
    items: tuple[str, ...]
    scored_on: str | list[str]
    same_version: bool
    same_forms: bool = True
    other_version: str = ""
    across_forms: bool = False
    left_out: int = 0

    @property
    def instrument(self) -> Instrument:
        """The definition that both are read by."""
        return self.first.instrument

    @property
    def subscales(self) -> tuple[ScoreRule, ...]:
        """The scores that are judged one by one."""
        return tuple(rule for rule in self.instrument.scores if rule.kind == "subscale" and rule.items)

    def of(self, rule: ScoreRule) -> list[str]:
        """Items of a score on which both can be compared."""
        return [name for name in rule.items if name in self.items]


def common_ground(first: Responses, second: Responses, *, across_forms: bool = False) -> Blocks:
    """Put both on the first one's definition, with the items that both ask of everyone present and in the same way."""
    instrument = first.instrument
    if instrument.id != second.instrument.id:
        raise ValueError(
            f"{instrument.id} and {second.instrument.id} are two questionnaires: their answers cannot be compared"
        )
    same = instrument.digest == second.instrument.digest
    other = "" if same else second.instrument.version
    usable = set(instrument.items.ids if same else unchanged_items(instrument, second.instrument))
    if not same:
        second = _rebased(second, instrument)
    same_forms = _forms(first) == _forms(second)
    many = len(first.answers) + len(second.answers)
    if not across_forms and not same_forms:
        first, second = _of_common_forms(first, second)
    basis = comparable_items(first, second)
    on_basis = {"own": instrument.items.ids, "common": instrument.common_items, "short": instrument.short_items}[basis]
    everyone = np.logical_and.reduce([asked(each).all() for each in (first, second)])
    by_all = set(first.answers.columns[everyone])
    items = tuple(name for name in on_basis if name in usable and name in by_all)
    blocks = Blocks(
        first=first,
        second=second,
        items=items,
        scored_on="short" if basis == "short" and same else list(items),
        same_version=same,
        same_forms=same_forms,
        other_version=other,
        across_forms=across_forms,
        left_out=many - len(first.answers) - len(second.answers),
    )
    if not blocks.subscales:
        raise ValueError(f"{instrument.id} has no score of the kind 'subscale': there is nothing to judge one by one")
    if not items:
        raise ValueError(
            f"{_versions(blocks)} have no unchanged item that everyone was asked: nothing can be compared "
            "(instrument.versions.compare_versions lists the edits)"
        )
    return blocks


def _forms(responses: Responses) -> set[str]:
    return set(responses.people["form"].dropna()) if responses.instrument.forms else set()


def _of_common_forms(first: Responses, second: Responses) -> tuple[Responses, Responses]:
    """Leave out those whose full form was given at one wave only: with them the people would change, too."""
    forms = [full_form(each) for each in (first, second)]
    found = set(forms[0].dropna()) & set(forms[1].dropna())
    if not found:
        raise ValueError(
            f"no form was given at both waves ({listed(sorted(_forms(first)))} before, {listed(sorted(_forms(second)))} "
            "after): different people were asked, and nothing can be compared"
        )
    return select(first, forms[0].isin(found)), select(second, forms[1].isin(found))


def _versions(blocks: Blocks) -> str:
    one = f"{blocks.instrument.id} {blocks.instrument.version}"
    return f"{one} and {blocks.other_version}" if blocks.other_version else f"the two sets of answers to {one}"


def _rebased(responses: Responses, instrument: Instrument) -> Responses:
    """Show answers to another version as answers to this one: items that it lacks are missing."""
    if instrument.forms:
        unknown = sorted(set(responses.people["form"].dropna()) - set(instrument.forms.ids))
        if unknown:
            raise ValueError(
                f"the forms {listed(unknown)} of version {responses.instrument.version} are none of version "
                f"{instrument.version}: leave their answers out (instrument.responses.select)"
            )
    columns = list(instrument.items.ids)
    return replace(
        responses,
        instrument=instrument,
        answers=responses.answers.reindex(columns=columns).astype("Int64"),
        off_scale=responses.off_scale.reindex(columns=columns),
    )


def pooled_ground(
    name: str, pair: tuple[Responses, Responses], instrument: Instrument, *, across_forms: bool = False
) -> Blocks:
    """Put a pair of larger data on common ground, if it answers the definition in hand.

    Raises
    ------
    ValueError
        If it answers another.
    """
    versions = {each.instrument.version for each in pair if each.instrument.digest != instrument.digest}
    if versions:
        raise ValueError(
            f"the pooled data {name!r} answer another definition ({listed(sorted(versions))}, or the same version with "
            f"other texts) than {instrument.id} {instrument.version}: pool answers to the version in hand"
        )
    return common_ground(*pair, across_forms=across_forms)


def full_form(responses: Responses) -> pd.Series:
    """Return the full form of each response; "everyone" where there are no forms."""
    forms = responses.instrument.forms
    if not forms:
        return pd.Series("everyone", index=responses.people.index)
    full = {form.id: form.short_of or form.id for form in forms}
    return responses.people["form"].map(full).astype(object)


def variant_scores(blocks: Blocks, freed: set[str]) -> pd.DataFrame:
    """Score both blocks in one go, second below first: every score, and its variants.

    Variants: without the freed items; each subscale without one item; raw means of its facilitators and barriers.
    """
    instrument = blocks.instrument
    rules = [rule for rule in instrument.scores if rule.rule != "acquiescence"]
    variants = [_without(rule, freed) for rule in rules] if freed else []
    for rule in blocks.subscales:
        items = blocks.of(rule)
        variants += [
            replace(rule, id=f"{rule.id}{WITHOUT}{item}", items=tuple(name for name in rule.items if name != item))
            for item in items
            if len(rule.items) > 1
        ]
        for wording, mark in (("facilitator", FACILITATORS), ("barrier", BARRIERS)):
            own = tuple(name for name in rule.items if instrument.items[name].wording == wording)
            if own:
                raw = replace(rule, id=rule.id + mark, rule="raw_mean", items=own, minimum_each_wording=0, short=None)
                variants.append(replace(raw, short=replace(raw, minimum=1)))
    widened = replace(instrument, scores=Catalogue([*rules, *variants]))
    scored_on: Any = blocks.scored_on
    return pd.concat(
        [score(replace(each, instrument=widened), items=scored_on) for each in (blocks.first, blocks.second)],
        ignore_index=True,
    )


def _without(rule: ScoreRule, freed: set[str]) -> ScoreRule:
    """Return the rule without some items, under another name; scores are made of scores without them."""
    return replace(
        rule,
        id=rule.id + KEPT,
        items=tuple(name for name in rule.items if name not in freed),
        of=tuple(name + KEPT for name in rule.of),
        short=None,
    )


def mean_changes(blocks: Blocks, scores: pd.DataFrame) -> pd.Series:
    """Return second − first of each column's mean: forms that both have, with equal weight."""
    second = np.repeat([False, True], [len(blocks.first.answers), len(blocks.second.answers)])
    if blocks.across_forms:
        form = pd.Series("all", index=scores.index)
    else:
        form = pd.concat([full_form(each) for each in (blocks.first, blocks.second)], ignore_index=True)
    by_form = [scores[rows].groupby(form[rows]) for rows in (~second, second)]
    means = [each.mean() for each in by_form]
    counts = [each.count() for each in by_form]
    forms = means[0].index.intersection(means[1].index)
    enough = (counts[0].loc[forms] >= FEWEST) & (counts[1].loc[forms] >= FEWEST)
    return (means[1].loc[forms] - means[0].loc[forms]).where(enough).mean()


def changes_of(blocks: Blocks, scores: pd.DataFrame, freed: set[str]) -> pd.DataFrame:
    """Return by score the change with ``all`` items and with those ``kept``, of the answers that can be scored both ways."""
    own = [name for name in scores.columns if " " not in name]
    everything = scores.copy()
    n = np.repeat([0, 1], [len(blocks.first.answers), len(blocks.second.answers)])
    if freed:
        for name in own:
            both = everything[name].notna() & everything[name + KEPT].notna()
            everything.loc[~both, [name, name + KEPT]] = np.nan
    found = mean_changes(blocks, everything)
    counts = everything[own].notna().groupby(n).sum()
    extra = [name for name in found.index if name.endswith((FACILITATORS, BARRIERS))]
    table = pd.DataFrame(
        {
            "all": found[own],
            "kept": found[[name + KEPT for name in own]].to_numpy() if freed else found[own],
            "n_first": counts.loc[0],
            "n_second": counts.loc[1],
        }
    )
    return pd.concat([table, pd.DataFrame({"all": found[extra]})])
