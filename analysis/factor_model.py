"""Which factors there are and what measures them: a model as people write it, checked, and as matrices."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Literal

import numpy as np
import pandas as pd

from analysis.sentences import listed, some_of
from analysis.structure import FitError, Model, ModelDraft

Identification = Literal["variance", "marker"]
Pair = tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class FactorPlan:
    """Which factors there are, what each is measured by, and what may correlate.

    Attributes
    ----------
    items, factors : tuple of str
    members : tuple of tuples
        Positions of each factor's items; none for a factor of factors.
    explains : tuple of tuples
        Positions of the factors that a factor of factors explains.
    traits : tuple of int
        Positions of the factors that the model names.
    related : tuple of pairs
        Factors whose covariance is free.
    reported : tuple of pairs
        Factors whose correlation is worth a line: those, and what a factor of factors implies.
    errors : tuple of pairs
        Items whose residuals correlate.
    general, method : tuple of int
    title : str
    notes : tuple of str
    """

    items: tuple[str, ...]
    factors: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]
    explains: tuple[tuple[int, ...], ...]
    traits: tuple[int, ...]
    related: tuple[Pair, ...]
    reported: tuple[Pair, ...]
    errors: tuple[Pair, ...]
    general: tuple[int, ...]
    method: tuple[int, ...]
    title: str
    notes: tuple[str, ...]

    @property
    def cells(self) -> list[Pair]:
        """Factor and item of each loading, factor by factor."""
        return [(factor, item) for factor, items in enumerate(self.members) for item in items]

    @property
    def paths(self) -> list[Pair]:
        """Factor of factors and factor of each loading of the second order."""
        return [(above, below) for above, factors in enumerate(self.explains) for below in factors]

    @property
    def measured(self) -> list[int]:
        """Factors of the model and a general one: those whose items share a meaning."""
        return [*self.traits, *(factor for factor in self.general if self.members[factor])]


def planned(
    model: Mapping[str, Sequence[str]],
    method_factors: Mapping[str, Sequence[str]] | None,
    bifactor: bool | str,
    second_order: str | Mapping[str, Sequence[str]] | None,
    correlated_errors: Iterable[tuple[str, str]],
) -> FactorPlan:
    """Check a model and lay it out.

    Parameters
    ----------
    model, method_factors, bifactor, second_order, correlated_errors
        As `analysis.confirmatory.confirmatory`.

    Returns
    -------
    FactorPlan

    Raises
    ------
    FitError
        If a factor has too few items to be identified.
    ValueError
        If the model contradicts itself.
    """
    if not isinstance(model, Mapping) or not model:
        raise ValueError(
            f"model must map each factor to its items, such as {{'trust': ['t1', 't2', 't3']}}; got {model!r}"
        )
    if not isinstance(bifactor, bool | np.bool_ | str) or (isinstance(bifactor, str) and not bifactor.strip()):
        raise ValueError(f"bifactor must be True, False or the name of the general factor, got {bifactor!r}")
    if bifactor and second_order is not None:
        raise ValueError("a model is either bifactor or second-order: give one of the two")
    measured = _members(model, "items")
    items = tuple(dict.fromkeys(item for members in measured.values() for item in members))
    traits = tuple(range(len(measured)))
    general: dict[str, tuple[str, ...]] = {}
    if bifactor:
        general = {bifactor if isinstance(bifactor, str) else "general": items}
        if len(measured) < 2:
            raise ValueError("a bifactor model needs at least two factors beside the general one: leave `bifactor` out")
    if method_factors is not None and not isinstance(method_factors, Mapping):
        raise ValueError(
            f"method_factors must map each factor to its items, such as {{'wording': ['t1', 't4', 't7']}}; got {method_factors!r}"
        )
    method = _members(method_factors or {}, "items")
    higher = _higher(second_order, tuple(measured))
    names = [*measured, *general, *method, *higher]
    doubled = sorted({name for name in names if names.count(name) > 1} | (set(names) & set(items)))
    if doubled:
        raise ValueError(f"each factor needs a name of its own, unlike the items': {listed(doubled)}")
    for name, members in method.items():
        if strange := [item for item in members if item not in items]:
            raise ValueError(f"the method factor {name} names {listed(strange)}, which no factor of the model measures")
    position = {name: place for place, name in enumerate(names)}
    place_of = {item: place for place, item in enumerate(items)}
    items_of = {**measured, **general, **method}
    places = tuple(tuple(place_of[item] for item in items_of.get(name, ())) for name in names)
    explains = tuple(tuple(position[below] for below in higher.get(name, ())) for name in names)
    explained = {below for each in explains for below in each}
    apart = {position[name] for name in (*general, *method)} | (set(traits) if bifactor else set())
    exogenous = [place for place in range(len(names)) if place not in explained and place not in apart]
    related = tuple(pairs_of(exogenous))
    reported = related if bifactor else tuple(dict.fromkeys([*pairs_of(list(traits)), *related]))
    plan = FactorPlan(
        items=items,
        factors=tuple(names),
        members=places,
        explains=explains,
        traits=traits,
        related=related,
        reported=reported,
        errors=_error_pairs(correlated_errors, place_of),
        general=tuple(position[name] for name in (*general, *higher)),
        method=tuple(position[name] for name in method),
        title=_title(len(measured), bool(bifactor), higher, method),
        notes=(),
    )
    return replace(plan, notes=_identified(plan, explained))


def _members(factors: Mapping[str, Sequence[str]], what: str) -> dict[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for given, members in factors.items():
        name = _factor_name(given)
        if name in found:
            raise ValueError(f"each factor needs a name of its own, got {name} twice")
        found[name] = _named(name, members, what)
    return found


def _factor_name(given: object) -> str:
    number = isinstance(given, int | np.integer) and not isinstance(given, bool)
    if not number and not (isinstance(given, str) and given.strip()):
        raise ValueError(f"a factor's name must be text, got {given!r}: give each factor a name")
    return str(given)


def _named(name: str, members: object, what: str) -> tuple[str, ...]:
    if isinstance(members, set | frozenset):
        raise ValueError(
            f"the factor {name} needs a list of {what}, got a set, which has no order: the factor points the way of the first"
        )
    if isinstance(members, str | bytes | Mapping | pd.DataFrame) or not isinstance(members, Iterable):
        raise ValueError(f"the factor {name} needs a list of {what}, got {_short(members)}")
    found = tuple(members)
    if not found:
        raise ValueError(f"the factor {name} has no {what}: name them, or leave the factor out")
    if strange := [each for each in found if not isinstance(each, Hashable)]:
        raise ValueError(f"the factor {name} needs a list of {what}, each a name; got {_short(strange[0])} in it")
    if doubled := sorted({str(each) for each in found if found.count(each) > 1}):
        raise ValueError(f"the factor {name} names {listed(doubled)} twice: each of its {what} once")
    return found


def _higher(
    second_order: str | Mapping[str, Sequence[str]] | None, factors: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    if second_order is None:
        return {}
    if isinstance(second_order, str):
        return {_factor_name(second_order): factors}
    if not isinstance(second_order, Mapping):
        raise ValueError(
            f"second_order must be the name of a factor of all factors, or map names to factors; got {second_order!r}"
        )
    higher = _members(second_order, "factors")
    below = [factor for each in higher.values() for factor in each]
    if strange := [factor for factor in below if factor not in factors]:
        raise ValueError(f"second_order names {listed(strange)}, which the model does not: it has {listed(factors)}")
    if doubled := sorted({factor for factor in below if below.count(factor) > 1}):
        raise ValueError(f"second_order names {listed(doubled)} twice: a factor is part of one other at most")
    return higher


def _short(given: object) -> str:
    """Put what was given into a message: frames and arrays by their kind."""
    return repr(given) if isinstance(given, str | int | float | list | None) else f"a {type(given).__name__}"


def _error_pairs(pairs: Iterable[tuple[str, str]], place_of: Mapping[str, int]) -> tuple[Pair, ...]:
    found: list[Pair] = []
    if isinstance(pairs, str | set | frozenset | Mapping) or not isinstance(pairs, Iterable):
        raise ValueError(f"correlated_errors needs pairs of two items in a list, such as [('t1', 't2')]; got {pairs!r}")
    for pair in pairs:
        of_two = isinstance(pair, tuple | list) and len(pair) == 2 and all(isinstance(each, Hashable) for each in pair)
        if not of_two or pair[0] == pair[1]:
            raise ValueError(
                f"correlated_errors needs pairs of two items in a list, such as [('t1', 't2')]; got {pair!r} in it"
            )
        if strange := [item for item in pair if item not in place_of]:
            raise ValueError(f"correlated_errors names {listed(strange)}, which no factor of the model measures")
        first, second = sorted((place_of[pair[0]], place_of[pair[1]]))
        if (first, second) in found:
            raise ValueError(f"correlated_errors names the pair {pair[0]}, {pair[1]} twice")
        found.append((first, second))
    return tuple(found)


def _identified(plan: FactorPlan, explained: set[int]) -> tuple[str, ...]:
    """Refuse factors of too few items; note those that hang on others."""
    notes = []
    tied = {factor for pair in plan.related for factor in pair} | explained
    for factor, name in enumerate(plan.factors):
        parts = plan.explains[factor] or plan.members[factor]
        what = "factors" if plan.explains[factor] else "items"
        labels = plan.factors if plan.explains[factor] else plan.items
        few = f"the factor {name} has {'one' if len(parts) == 1 else 'two'} {what[:-1] if len(parts) == 1 else what} "
        few += f"({listed(labels[part] for part in parts)})"
        if len(parts) == 1:
            raise FitError(
                f"{few}: its loading and the residual variance cannot be told apart; give it three or more {what}, or "
                f"two if it correlates with other factors, or leave it out"
            )
        if len(parts) == 2 and factor not in tied:
            raise FitError(
                f"{few} and correlates with no other factor: only the product of its two loadings is identified; give "
                f"it three or more {what}, let it correlate, or use a correlated error instead of the factor"
            )
        if len(parts) == 2:
            notes.append(
                f"{few[0].upper()}{few[1:]}: its loadings are identified only by its correlations with other factors."
            )
        if len(parts) == 3 and plan.explains[factor] and factor not in tied:
            notes.append(
                f"The factor {name} of three factors fits as well as their correlations do: fit does not test it."
            )
    return tuple(notes)


def model_items(items: pd.DataFrame, plan: FactorPlan) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Take the model's items out of the answers.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item.
    plan : FactorPlan

    Returns
    -------
    tuple
        The model's items, in the model's order, and a note on other columns.

    Raises
    ------
    ValueError
        If the answers are not a table with one row of names, lack an item of the model, or have it twice.
    """
    if not isinstance(items, pd.DataFrame):
        raise ValueError(
            f"items must be a DataFrame, response × item, with the items' names as columns; got {type(items).__name__}"
        )
    if isinstance(items.columns, pd.MultiIndex):
        raise ValueError(
            f"items must have one row of column names, got {items.columns.nlevels}: join them, such as by "
            "`items.columns = ['_'.join(map(str, names)) for names in items.columns]`"
        )
    columns = [str(column) for column in items.columns]
    absent = [item for item in plan.items if item not in items.columns]
    if absent:
        hints = []
        for item in absent[:5]:
            close = get_close_matches(str(item), columns, n=3)
            hints.append(f"{item} (did you mean {' or '.join(close)}?)" if close else str(item))
        more = f" and {len(absent) - 5} more" if len(absent) > 5 else ""
        raise ValueError(
            f"the model names items that the answers do not have: {'; '.join(hints)}{more}; the columns are "
            f"{some_of(columns, most=30)}"
        )
    doubled = sorted({str(item) for item in plan.items if (items.columns == item).sum() > 1})
    if doubled:
        raise ValueError(f"item names occur twice: {listed(doubled)}; give each column its own name")
    answers = items[list(plan.items)]
    rest = [str(column) for column in items.columns if column not in set(plan.items)]
    if not rest:
        return answers, ()
    return answers, (f"Columns that are in no factor are left out: {some_of(rest)}.",)


def written(plan: FactorPlan, identification: Identification, *, cuts: Sequence[int] | None, means: bool) -> Model:
    """Write the model's matrices.

    Parameters
    ----------
    plan : FactorPlan
    identification : {"variance", "marker"}
    cuts : sequence of int or None
        Number of thresholds of each item; None if items are continuous.
    means : bool
        Whether the model has intercepts.

    Returns
    -------
    Model
        Its parameters are named in words: "loading of N1 on neurotic".
    """
    threshold_item = [] if cuts is None else [item for item, count in enumerate(cuts) for _ in range(count)]
    draft = ModelDraft(items=len(plan.items), factors=len(plan.factors), threshold_item=threshold_item)
    marker = identification == "marker"
    explained = {below for _, below in plan.paths}
    for factor, name in enumerate(plan.factors):
        for rank, item in enumerate(plan.members[factor]):
            if marker and not rank:
                draft.fix("loadings", item, factor, value=1.0)
            else:
                draft.free("loadings", item, factor, name=f"loading of {plan.items[item]} on {name}")
        for rank, below in enumerate(plan.explains[factor]):
            if marker and not rank:
                draft.fix("paths", below, factor, value=1.0)
            else:
                draft.free("paths", below, factor, name=f"loading of {plan.factors[below]} on {name}")
        if marker:
            draft.free("factor_covariance", factor, factor, name=_variance_name(name, factor in explained))
        else:
            draft.fix("factor_covariance", factor, factor, value=1.0)
    for first, second in plan.related:
        what = "covariance" if marker else "correlation"
        draft.free(
            "factor_covariance", first, second, name=f"{what} of {plan.factors[first]} and {plan.factors[second]}"
        )
    for item, name in enumerate(plan.items):
        if cuts is None:
            draft.free("error_covariance", item, item, name=f"residual variance of {name}")
        if means:
            draft.free("intercepts", item, name=f"intercept of {name}")
    for first, second in plan.errors:
        draft.free(
            "error_covariance",
            first,
            second,
            name=f"residual covariance of {plan.items[first]} and {plan.items[second]}",
        )
    counted: dict[int, int] = {}
    for threshold, item in enumerate(threshold_item):
        counted[item] = counted.get(item, 0) + 1
        draft.free("thresholds", threshold, name=f"threshold {counted[item]} of {plan.items[item]}")
    return draft.finished()


def _variance_name(factor: str, explained: bool) -> str:
    return f"{'residual variance' if explained else 'variance'} of {factor}"


def _title(traits: int, bifactor: bool, higher: Mapping[str, object], method: Mapping[str, object]) -> str:
    kind = f"{traits} {'correlated ' if traits > 1 and not bifactor and not higher else ''}factor{'s' * (traits > 1)}"
    if bifactor:
        kind = f"a general factor beside {kind}"
    if higher:
        kind += f" under {listed(higher)}"
    if method:
        kind += f" and the method factor{'s' * (len(method) > 1)} {listed(method)}"
    return f"Confirmatory factor analysis: {kind}"


def pairs_of(places: Sequence[int]) -> list[Pair]:
    """Pair each place with those after it.

    Examples
    --------
    >>> pairs_of([2, 5, 7])
    [(2, 5), (2, 7), (5, 7)]
    """
    return [(first, second) for position, first in enumerate(places) for second in places[position + 1 :]]
