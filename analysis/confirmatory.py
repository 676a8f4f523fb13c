"""Does a model of factors fit the answers: confirmatory factor analysis of ordered or continuous items."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import special, stats

from analysis import least_squares, normal_theory
from analysis.fit_indices import (
    ModelTest,
    RobustTest,
    incremental_and_absolute,
    robust_indices,
    robust_test,
    robust_tests_of_correlations,
    srmr,
)
from analysis.missing import Moments, expected_answers, numeric_answers
from analysis.ordinal import ordinal_moments
from analysis.result import Result
from analysis.sample import complete_items
from analysis.score_tests import Element, ScoreTests, standardised_change
from analysis.structure import (
    FitError,
    Model,
    ModelDraft,
    Part,
    Parts,
    factor_moments,
    filled,
    implied_covariance,
    implied_mean,
    ordinal_jacobian,
)

Matrix = NDArray[np.floating[Any]]
Estimator = Literal["WLSMV", "ULSMV", "DWLS", "ML", "MLR"]
MissingAnswers = Literal["listwise", "pairwise", "fiml"]
Identification = Literal["variance", "marker"]
Pair = tuple[int, int]

_ORDINAL = ("WLSMV", "ULSMV", "DWLS")
_ESTIMATORS: dict[str, str] = {
    "WLSMV": "diagonally weighted least squares on thresholds and polychoric correlations, with robust standard errors "
    "and a scaled and shifted test (WLSMV; Muthén, du Toit & Spisic, 1997; Asparouhov & Muthén, 2010)",
    "ULSMV": "unweighted least squares on thresholds and polychoric correlations, with robust standard errors and a "
    "scaled and shifted test (ULSMV; Muthén, 1993; Asparouhov & Muthén, 2010)",
    "DWLS": "diagonally weighted least squares on thresholds and polychoric correlations (Jöreskog & Sörbom, 1996)",
    "ML": "maximum likelihood (Jöreskog, 1969)",
    "MLR": "maximum likelihood with robust standard errors (Huber, 1967; White, 1982) and the scaled test of Yuan & "
    "Bentler (2000; Asparouhov & Muthén, 2005)",
}
_MISSING: dict[str, tuple[str, ...]] = {"ordinal": ("listwise", "pairwise"), "normal": ("listwise", "fiml")}
_NORMAL_QUANTILE = float(stats.norm.ppf(0.975))
_IMAGINARY = 1e-30
# Fewest people that a factor analysis is trusted with: 7 an item and 100 (Terwee et al., 2007).
_PEOPLE_AN_ITEM, _PEOPLE = 7, 100
# Fewer clusters than this make cluster-robust errors too small.
_FEW_CLUSTERS = 30
_COLUMNS = ["estimate", "se", "statistic", "p", "ci_low", "ci_high"]
_STANDARDISED = ["std_estimate", "std_se", "std_ci_low", "std_ci_high"]
# Newton steps towards a person's most likely factor scores, in standard deviations, at which they stop.
_SETTLED, _MOST_STEPS = 1e-9, 100


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Confirmatory(Result):
    """A fitted factor model. `table` has the standardised loadings, ready for a paper.

    Parameters
    ----------
    fit : pandas.Series
        Chi-squares and fit indices by name, those that are defined for the estimator.
    cutoffs : pandas.DataFrame
        Index ``measure``: estimates beside the usual cut-offs and what these were made for.
    loadings : pandas.DataFrame
        Index ``factor, item`` (the item is a factor in a second-order model): estimate with error and interval,
        then the same standardised. A loading that is fixed has no error.
    correlations : pandas.DataFrame
        Index ``factor, other``: of the factors, standardised, with error and interval.
    thresholds : pandas.DataFrame
        Index ``item, threshold``; empty for ML and MLR.
    intercepts : pandas.DataFrame
        Index ``item``; empty where means are not part of the model.
    residual_variances : pandas.DataFrame
        Index ``item``: with ``std_estimate`` and ``r_squared``. Of ordered items the part of the variance of 1 that the
        factors leave.
    error_correlations : pandas.DataFrame
        Index ``item, other``: those asked for by ``correlated_errors``.
    residual_correlations : pandas.DataFrame
        Item × item: observed less implied correlations.
    modification_indices : pandas.DataFrame
        Index ``element, left, right`` (a loading's factor is at left), the largest first: ``mi``, expected change
        ``epc``, and in standard deviations ``sepc``.
    average_variance, composite_reliability : pandas.DataFrame
        Index ``factor``: with error and interval.
    discriminant : pandas.DataFrame
        Index ``factor, other``: ``correlation``, its square, both average variances (Fornell & Larcker, 1981), ``htmt``
        (Henseler, Ringle & Sarstedt, 2015) and ``htmt2`` (Roemer, Schuberth & Henseler, 2021).
    factor_scores : pandas.DataFrame
        Response × factor.
    """

    fit: pd.Series
    cutoffs: pd.DataFrame
    loadings: pd.DataFrame
    correlations: pd.DataFrame
    thresholds: pd.DataFrame
    intercepts: pd.DataFrame
    residual_variances: pd.DataFrame
    error_correlations: pd.DataFrame
    residual_correlations: pd.DataFrame
    modification_indices: pd.DataFrame
    average_variance: pd.DataFrame
    composite_reliability: pd.DataFrame
    discriminant: pd.DataFrame
    factor_scores: pd.DataFrame


def confirmatory(
    items: pd.DataFrame,
    model: Mapping[str, Sequence[str]],
    *,
    estimator: Estimator = "WLSMV",
    missing: MissingAnswers = "listwise",
    method_factors: Mapping[str, Sequence[str]] | None = None,
    bifactor: bool | str = False,
    second_order: str | Mapping[str, Sequence[str]] | None = None,
    clusters: pd.Series | None = None,
    identification: Identification = "variance",
    correlated_errors: Iterable[tuple[str, str]] = (),
) -> Confirmatory:
    """Fit a model in which each factor is measured by certain items.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item. Columns that no factor names are left out, with a note.
    model : mapping
        Factor → its items. An item may be named by several factors: it then loads on each.
    estimator : {"WLSMV", "ULSMV", "DWLS", "ML", "MLR"}
        The first three take items as ordered, the others as continuous. DWLS has neither robust standard errors
        nor a corrected test: prefer WLSMV.
    missing : {"listwise", "pairwise", "fiml"}
        Whether responses with a gap are left out; each statistic uses all who answered (ordered items); or every
        answer counts by maximum likelihood (continuous items).
    method_factors : mapping, optional
        Name → items of factors beside the others and uncorrelated with all: the wording of reversed items.
    bifactor : bool or str
        Whether a general factor of all items stands beside those of ``model``, all uncorrelated. Text is its
        name, else ``general``.
    second_order : str or mapping, optional
        Name of a factor of all factors, or name → factors.
    clusters : pandas.Series, optional
        The team of each response, on the index of ``items``: standard errors and tests allow for likeness within
        teams. For WLSMV, ULSMV and MLR.
    identification : {"variance", "marker"}
        The unit of a factor: its own standard deviation, or that of its first item (loading 1). Fit and
        standardised results are the same.
    correlated_errors : iterable of pairs, optional
        Items whose residuals correlate.

    Returns
    -------
    Confirmatory
        ``table`` has the index ``factor, item``: standardised loading (``estimate``), its standard error and interval,
        ``p`` of the loading, and the item's ``r_squared``. A factor points the way of its first item.

    Raises
    ------
    FitError
        A ``ValueError``: if the model is not identified or does not converge, naming the parameters, or a matrix is
        singular.
    ValueError
        If options contradict each other, the model names what is not there or names it twice, a factor has too few
        items, there are not more people than items, or answers are not fit (`ordinal_moments`, `complete_items`).

    Notes
    -----
    Every shared number agrees with lavaan 0.6-14, including what it leaves undefined: information criteria for
    ordered items. Robust CFI, TLI and RMSEA: `analysis.fit_indices.robust_indices`. Standard errors of standardised
    results by the delta method, with exact derivatives (complex steps; Squire & Trapp, 1998).
    Modification indices are score tests not corrected for non-normality or ordered answers. Composite
    reliability is the factor's share of the variance of its items' sum (McDonald, 1999, ω), for ordered items of
    the sum of what is behind them. Factor scores: the regression method
    (Thurstone, 1935) for continuous items, from the answered ones; the mode of the posterior (Bayes modal; as
    lavaan's ``EBM``) for ordered ones.

    Means are part of the model with FIML or clusters, and then their residuals count in the SRMR.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(1)
    >>> behind = np.repeat(rng.multivariate_normal([0, 0], [[1, 0.5], [0.5, 1]], size=500), 3, axis=1)
    >>> answers = np.digitize(behind + rng.normal(size=(500, 6)), [-2, -0.5, 0.5, 2]) + 1
    >>> answers = pd.DataFrame(answers, columns=["a1", "a2", "a3", "b1", "b2", "b3"])
    >>> found = confirmatory(answers, {"a": ["a1", "a2", "a3"], "b": ["b1", "b2", "b3"]})
    >>> found.correlations["estimate"].round(1).to_dict()
    {('a', 'b'): 0.4}
    >>> int(found.fit["df"]), bool(found.fit["cfi_robust"] > 0.97)
    (8, True)
    """
    ordinal = _checked_options(estimator, missing, identification, clusters)
    plan = _planned(model, method_factors, bifactor, second_order, tuple(correlated_errors))
    answers, left_out = _columns(items, plan)
    fitted = (
        _fitted_ordinal(answers, plan, estimator, missing, identification, clusters)
        if ordinal
        else _fitted_normal(answers, plan, estimator, missing, identification, clusters)
    )
    quantities = _standardised(plan, fitted)
    fit = _ordered(fitted.fit | {"npar": len(fitted.model.names), "n": fitted.n})
    loadings = _loadings(plan, fitted, quantities)
    scores, score_notes = _factor_scores(plan, fitted)
    parameters = _Parameters(fitted)
    residual = _residual_variances(plan, fitted, quantities, parameters)
    return Confirmatory(
        title=f"{plan.title}, standardised loadings ({estimator})",
        table=_paper_table(loadings, residual),
        method=_method(plan, estimator, missing, clusters),
        notes=(
            _fit_line(fit),
            *left_out,
            *fitted.notes,
            *_uncorrected_note(fit),
            *_sample_size_notes(fitted.n, len(plan.items)),
            *_cluster_notes(clusters, fitted.answers),
            *plan.notes,
            *_improper(plan, fitted),
            *_reversed(plan, fitted),
            *score_notes,
            "Cut-offs for fit were made for ML with normal answers; with ordered answers CFI and TLI tend to look "
            "better, and RMSEA too, for the same misfit (Xia & Yang, 2019; Savalei, 2021): `cutoffs` lists them.",
        ),
        fit=fit,
        cutoffs=_cutoffs(fit),
        loadings=loadings,
        correlations=_interval_frame(quantities["correlations"], _pair_index(plan.factors, plan.reported)),
        thresholds=_thresholds(plan, fitted, parameters),
        intercepts=_intercepts(plan, fitted, parameters),
        residual_variances=residual,
        error_correlations=_interval_frame(
            quantities["error_correlations"], _pair_index(plan.items, plan.errors, ("item", "other"))
        ),
        residual_correlations=_residual_correlations(plan, fitted),
        modification_indices=_modification_table(plan, fitted),
        average_variance=_interval_frame(quantities["average_variance"], _factor_index(plan), tested=False),
        composite_reliability=_interval_frame(quantities["composite_reliability"], _factor_index(plan), tested=False),
        discriminant=_discriminant(plan, fitted, quantities),
        factor_scores=scores,
    )


# --- The model ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Plan:
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


def _checked_options(
    estimator: str, missing: str, identification: str, clusters: pd.Series | None
) -> Literal[True, False]:
    """Return whether items are taken as ordered."""
    if estimator not in _ESTIMATORS:
        raise ValueError(f"estimator must be one of {', '.join(_ESTIMATORS)}; got {estimator!r}")
    if identification not in ("variance", "marker"):
        raise ValueError(f"identification must be 'variance' or 'marker', got {identification!r}")
    ordinal = estimator in _ORDINAL
    allowed = _MISSING["ordinal" if ordinal else "normal"]
    if missing not in ("listwise", "pairwise", "fiml"):
        raise ValueError(f"missing must be 'listwise', 'pairwise' or 'fiml', got {missing!r}")
    if missing not in allowed:
        other = "full information needs ML or MLR" if ordinal else "pairwise statistics need WLSMV, ULSMV or DWLS"
        raise ValueError(
            f"missing={missing!r} does not go with {estimator}, which takes {' or '.join(allowed)}: {other}"
        )
    if clusters is not None and estimator in ("ML", "DWLS"):
        raise ValueError(
            f"{estimator} has no standard errors for clusters: use {'MLR' if estimator == 'ML' else 'WLSMV'}"
        )
    return ordinal


def _planned(
    model: Mapping[str, Sequence[str]],
    method_factors: Mapping[str, Sequence[str]] | None,
    bifactor: bool | str,
    second_order: str | Mapping[str, Sequence[str]] | None,
    correlated_errors: tuple[tuple[str, str], ...],
) -> _Plan:
    if not isinstance(model, Mapping) or not model:
        raise ValueError(
            f"model must map each factor to its items, such as {{'trust': ['t1', 't2', 't3']}}; got {model!r}"
        )
    if bifactor and second_order is not None:
        raise ValueError("a model is either bifactor or second-order: give one of the two")
    measured = {str(name): _named(name, members, "items") for name, members in model.items()}
    items = tuple(dict.fromkeys(item for members in measured.values() for item in members))
    traits = tuple(range(len(measured)))
    general: dict[str, tuple[str, ...]] = {}
    if bifactor:
        general = {bifactor if isinstance(bifactor, str) else "general": items}
        if len(measured) < 2:
            raise ValueError("a bifactor model needs at least two factors beside the general one: leave `bifactor` out")
    method = {str(name): _named(name, members, "items") for name, members in (method_factors or {}).items()}
    higher = _higher(second_order, tuple(measured))
    names = [*measured, *general, *method, *higher]
    doubled = sorted({name for name in names if names.count(name) > 1} | (set(names) & set(items)))
    if doubled:
        raise ValueError(f"each factor needs a name of its own, unlike the items': {_list(doubled)}")
    for name, members in method.items():
        if strange := [item for item in members if item not in items]:
            raise ValueError(f"the method factor {name} names {_list(strange)}, which no factor of the model measures")
    position = {name: place for place, name in enumerate(names)}
    place_of = {item: place for place, item in enumerate(items)}
    items_of = {**measured, **general, **method}
    places = tuple(tuple(place_of[item] for item in items_of.get(name, ())) for name in names)
    explains = tuple(tuple(position[below] for below in higher.get(name, ())) for name in names)
    explained = {below for each in explains for below in each}
    apart = {position[name] for name in (*general, *method)} | (set(traits) if bifactor else set())
    exogenous = [place for place in range(len(names)) if place not in explained and place not in apart]
    related = tuple(_pairs(exogenous))
    reported = related if bifactor else tuple(dict.fromkeys([*_pairs(list(traits)), *related]))
    plan = _Plan(
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


def _named(name: object, members: object, what: str) -> tuple[str, ...]:
    if isinstance(members, str) or not isinstance(members, Iterable):
        raise ValueError(f"the factor {name} needs a list of {what}, got {members!r}")
    found = tuple(members)
    if not found:
        raise ValueError(f"the factor {name} has no {what}: name them, or leave the factor out")
    if doubled := sorted({str(each) for each in found if found.count(each) > 1}):
        raise ValueError(f"the factor {name} names {_list(doubled)} twice: each of its {what} once")
    return found


def _higher(
    second_order: str | Mapping[str, Sequence[str]] | None, factors: tuple[str, ...]
) -> dict[str, tuple[str, ...]]:
    if second_order is None:
        return {}
    if isinstance(second_order, str):
        return {second_order: factors}
    higher = {str(name): _named(name, below, "factors") for name, below in second_order.items()}
    below = [factor for each in higher.values() for factor in each]
    if strange := [factor for factor in below if factor not in factors]:
        raise ValueError(f"second_order names {_list(strange)}, which the model does not: it has {_list(factors)}")
    if doubled := sorted({factor for factor in below if below.count(factor) > 1}):
        raise ValueError(f"second_order names {_list(doubled)} twice: a factor is part of one other at most")
    return higher


def _error_pairs(pairs: tuple[tuple[str, str], ...], place_of: Mapping[str, int]) -> tuple[Pair, ...]:
    found: list[Pair] = []
    for pair in pairs:
        if isinstance(pair, str) or len(pair) != 2 or pair[0] == pair[1]:
            raise ValueError(f"correlated_errors needs pairs of two items, got {pair!r}")
        if strange := [item for item in pair if item not in place_of]:
            raise ValueError(f"correlated_errors names {_list(strange)}, which no factor of the model measures")
        first, second = sorted((place_of[pair[0]], place_of[pair[1]]))
        if (first, second) in found:
            raise ValueError(f"correlated_errors names the pair {pair[0]}, {pair[1]} twice")
        found.append((first, second))
    return tuple(found)


def _identified(plan: _Plan, explained: set[int]) -> tuple[str, ...]:
    """Refuse factors of too few items; note those that hang on others."""
    notes = []
    tied = {factor for pair in plan.related for factor in pair} | explained
    for factor, name in enumerate(plan.factors):
        parts = plan.explains[factor] or plan.members[factor]
        what = "factors" if plan.explains[factor] else "items"
        labels = plan.factors if plan.explains[factor] else plan.items
        few = f"the factor {name} has {'one' if len(parts) == 1 else 'two'} {what[:-1] if len(parts) == 1 else what} "
        few += f"({_list(labels[part] for part in parts)})"
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


def _columns(items: pd.DataFrame, plan: _Plan) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Return the model's items, in the model's order, and a note on other columns."""
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
            f"{_list(columns[:30])}{' …' if len(columns) > 30 else ''}"
        )
    doubled = sorted({str(item) for item in plan.items if (items.columns == item).sum() > 1})
    if doubled:
        raise ValueError(f"item names occur twice: {_list(doubled)}; give each column its own name")
    answers = items[list(plan.items)]
    rest = [str(column) for column in items.columns if column not in set(plan.items)]
    if not rest:
        return answers, ()
    named = _list(rest[:10]) + (" …" if len(rest) > 10 else "")
    return answers, (f"Columns that are in no factor are left out: {named}.",)


def _written(plan: _Plan, identification: Identification, *, cuts: Sequence[int] | None, means: bool) -> Model:
    """Write the model's matrices; ``cuts`` is the number of thresholds of each item if items are ordered."""
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
        kind += f" under {_list(higher)}"
    if method:
        kind += f" and the method factor{'s' * (len(method) > 1)} {_list(method)}"
    return f"Confirmatory factor analysis: {kind}"


# --- The fit -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fitted:
    """What both kinds of estimation give.

    Attributes
    ----------
    answers : DataFrame
        Of the people who count.
    model : Model
    parameters, covariance : arrays
    parts : Parts
        Filled, with the residual variances of ordered items put in.
    ordinal : bool
    observed, implied : (items, items) arrays
    n : int
    fit : dict
    engine : LeastSquaresFit or NormalFit
    notes : tuple of str
    """

    answers: pd.DataFrame
    model: Model
    parameters: Matrix
    covariance: Matrix
    parts: Parts[Matrix]
    ordinal: bool
    observed: Matrix
    implied: Matrix
    n: int
    fit: dict[str, float]
    engine: least_squares.LeastSquaresFit | normal_theory.NormalFit
    notes: tuple[str, ...]


def _fitted_ordinal(
    answers: pd.DataFrame,
    plan: _Plan,
    estimator: Estimator,
    missing: MissingAnswers,
    identification: Identification,
    clusters: pd.Series | None,
) -> _Fitted:
    way: Literal["listwise", "pairwise"] = "pairwise" if missing == "pairwise" else "listwise"
    numbers = numeric_answers(answers)
    kept = numbers.dropna() if way == "listwise" else numbers.dropna(how="all")
    _more_people_than_items(len(kept), len(plan.items))
    moments = ordinal_moments(answers, missing=way, clusters=clusters)
    weights: Literal["diagonal", "identity"] = "identity" if estimator == "ULSMV" else "diagonal"
    model = _written(plan, identification, cuts=[len(each) for each in moments.thresholds], means=False)
    engine = least_squares.fit_least_squares([moments], model, weights=weights)
    baseline = least_squares.fit_independence([moments], weights=weights)
    engine = replace(engine, **_towards_first(plan, engine))
    parts = _with_residuals(engine.estimates[0])
    implied = implied_covariance(parts)
    naive = estimator == "DWLS"
    fit, notes = _ordinal_indices(engine, baseline, implied, naive=naive)
    return _Fitted(
        answers=kept,
        model=model,
        parameters=engine.parameters,
        covariance=_naive_covariance(engine) if naive else engine.covariance,
        parts=parts,
        ordinal=True,
        observed=moments.correlations,
        implied=implied,
        n=moments.n,
        fit=fit | {"srmr": srmr([moments.correlations], [implied], n=[moments.n])},
        engine=engine,
        notes=(
            *moments.notes,
            *notes,
            "Information criteria are left out: least squares has no likelihood.",
        ),
    )


def _ordinal_indices(
    engine: least_squares.LeastSquaresFit, baseline: least_squares.LeastSquaresFit, implied: Matrix, *, naive: bool
) -> tuple[dict[str, float], tuple[str, ...]]:
    if not engine.df:
        return {"chisq": engine.chi2, "df": 0}, (_JUST_IDENTIFIED,)
    # Least squares multiplies its discrepancy by n − 1, and RMSEA divides by what the chi-square was multiplied by.
    n = sum(engine.n) - len(engine.n)
    if naive:
        tests = [ModelTest(statistic=each.chi2, df=each.df) for each in (engine, baseline)]
        return incremental_and_absolute(tests[0], tests[1], n=n), (
            "DWLS supposes that its weights are the whole truth: its chi-square, its standard errors and all that "
            "follows from them are too good or too bad; WLSMV gives the same estimates and corrects these.",
        )
    tests = [
        ModelTest(
            statistic=each.chi2,
            df=each.df,
            scaling="mean and variance",
            factor=each.scaling_factor,
            shift=each.shift,
        )
        for each in (engine, baseline)
    ]
    found = incremental_and_absolute(tests[0], tests[1], n=n)
    if engine.weights == "identity":
        # Without weights the discrepancy is nothing like a chi-square; lavaan gives no p either.
        del found["p"]
    moments = engine.moments[0]
    smallest = [float(np.linalg.eigvalsh(matrix)[0]) for matrix in (moments.correlations, implied)]
    if min(smallest) <= np.sqrt(np.finfo(float).eps):
        which = "observed" if smallest[0] <= smallest[1] else "implied"
        return found, (
            f"The {which} correlations are not positive definite (smallest eigenvalue {min(smallest):.2g}); they are used "
            "as they are, and robust CFI, TLI and RMSEA, which need the contrary, are left out. Use more people, fewer "
            "items, or answers joined where few gave them.",
        )
    jacobian = ordinal_jacobian(engine.model, 0, engine.estimates[0])
    cuts = sum(len(each) for each in moments.thresholds)
    moving = np.any(jacobian[cuts:] != 0, axis=0)
    gamma = np.asarray(moments.covariance)[cuts:, cuts:]
    weight = 1 / np.diag(gamma) if engine.weights == "diagonal" else np.ones(len(gamma))
    robust = robust_tests_of_correlations(
        [moments.correlations],
        [implied],
        [gamma],
        [jacobian[cuts:, moving]],
        [weight],
        n=engine.n,
        df=engine.df,
    )
    return found | robust_indices(robust[0], robust[1], n=n), ()


def _naive_covariance(engine: least_squares.LeastSquaresFit) -> Matrix:
    """Covariance of parameters if the weights were the inverse of the statistics' covariance."""
    jacobian = ordinal_jacobian(engine.model, 0, engine.estimates[0])
    weight = 1 / np.diag(np.asarray(engine.moments[0].covariance))
    return np.asarray(np.linalg.inv((jacobian.T * weight) @ jacobian) / (sum(engine.n) - 1))


def _fitted_normal(
    answers: pd.DataFrame,
    plan: _Plan,
    estimator: Estimator,
    missing: MissingAnswers,
    identification: Identification,
    clusters: pd.Series | None,
) -> _Fitted:
    way: Literal["listwise", "fiml"] = "fiml" if missing == "fiml" else "listwise"
    robust = estimator == "MLR"
    means = way == "fiml" or clusters is not None
    numbers = numeric_answers(answers)
    used = numbers.dropna() if way == "listwise" else numbers.dropna(how="all")
    _more_people_than_items(len(used), len(plan.items))
    notes = complete_items(answers)[1] if way == "listwise" else _gap_notes(numbers, used)
    teams = None if clusters is None else [_teams(clusters, answers).loc[used.index]]
    model = _written(plan, identification, cuts=None, means=means)
    engine = normal_theory.fit_normal([used], model, robust=robust, missing=way, means=means, clusters=teams)
    baseline = normal_theory.fit_independence([used], robust=robust, missing=way, means=means, clusters=teams)
    engine = replace(engine, **_towards_first(plan, engine))
    implied = implied_covariance(engine.estimates[0])
    fit, index_notes = _normal_indices(engine, baseline)
    off_mean = engine.sample_means[0] - implied_mean(engine.estimates[0])
    fit["srmr"] = srmr([engine.sample_covariances[0]], [implied], n=[len(used)], means=[off_mean] if means else None)
    size = len(model.names)
    fit |= {
        "loglik": engine.loglik,
        "aic": 2 * size - 2 * engine.loglik,
        "bic": size * float(np.log(len(used))) - 2 * engine.loglik,
    }
    if not means:
        index_notes += ("Means are not part of this model: they would fit perfectly.",)
    return _Fitted(
        answers=used,
        model=model,
        parameters=engine.parameters,
        covariance=engine.covariance,
        parts=engine.estimates[0],
        ordinal=False,
        observed=engine.sample_covariances[0],
        implied=implied,
        n=len(used),
        fit=fit,
        engine=engine,
        notes=(*notes, *index_notes),
    )


def _normal_indices(
    engine: normal_theory.NormalFit, baseline: normal_theory.NormalFit
) -> tuple[dict[str, float], tuple[str, ...]]:
    if not engine.df:
        return {"chisq": engine.chi2, "df": 0}, (_JUST_IDENTIFIED,)
    n = engine.total_n
    model, unrelated = (
        ModelTest(statistic=each.chi2, df=each.df, scaling="mean", factor=each.scaling_factor)
        if each.robust
        else ModelTest(statistic=each.chi2, df=each.df)
        for each in (engine, baseline)
    )
    found = incremental_and_absolute(model, unrelated, n=n)
    if engine.missing == "fiml":
        corrected = []
        for each in (engine, baseline):
            statistic, factor = normal_theory.fiml_corrected(each)
            corrected.append(RobustTest(statistic=statistic, df=each.df, factor=factor))
        return found | robust_indices(corrected[0], corrected[1], n=n), ()
    if engine.robust:
        return found | robust_indices(robust_test(model), robust_test(unrelated), n=n), ()
    return found, ()


_JUST_IDENTIFIED = (
    "The model has as many parameters as the items have statistics (0 degrees of freedom): it fits whatever the answers "
    "are, so that fit cannot be judged."
)


def _towards_first(plan: _Plan, engine: least_squares.LeastSquaresFit | normal_theory.NormalFit) -> dict[str, Any]:
    """Turn factors that point away from their first item: what changes of a fit, all else is the same."""
    parts, free = engine.estimates[0], engine.model.groups[0].free
    sign = np.ones(len(plan.factors))
    for factor, members in enumerate(plan.members):
        if members and parts.loadings[members[0], factor] < 0:
            sign[factor] = -1.0
    for factor, below in enumerate(plan.explains):
        if below and parts.paths[below[0], factor] * sign[below[0]] < 0:
            sign[factor] = -1.0
    turns = np.ones(len(engine.parameters))
    for numbers, signs in (
        (free.loadings, np.broadcast_to(sign, free.loadings.shape)),
        (free.paths, np.outer(sign, sign)),
        (free.factor_covariance, np.outer(sign, sign)),
    ):
        turns[numbers[numbers >= 0]] = signs[numbers >= 0]
    parameters = engine.parameters * turns
    return {
        "parameters": parameters,
        "estimates": filled(engine.model, parameters),
        "covariance": engine.covariance * np.outer(turns, turns),
    }


def _more_people_than_items(n: int, items: int) -> None:
    if n <= items:
        raise ValueError(
            f"more people than items are needed, got {n} people for {items} items: use more, or fewer items"
        )


def _teams(clusters: pd.Series, answers: pd.DataFrame) -> pd.Series:
    if not clusters.index.is_unique or not answers.index.isin(clusters.index).all():
        raise ValueError("clusters must stand on the index of the answers, one team for each response")
    teams = clusters.loc[answers.index]
    if teams.isna().any():
        raise ValueError(f"{int(teams.isna().sum())} responses have no cluster: fill it in, or leave them out")
    return teams


def _gap_notes(numbers: pd.DataFrame, used: pd.DataFrame) -> tuple[str, ...]:
    notes: tuple[str, ...] = ()
    if len(used) < len(numbers):
        notes += (f"{len(numbers) - len(used)} of {len(numbers)} responses hold no answer and are left out.",)
    share = float(used.isna().to_numpy().mean())
    if share:
        notes += (
            f"{share:.1%} of the answers were missing; full-information maximum likelihood supposes that gaps depend on "
            "given answers alone (missing at random).".replace("%", " %", 1),
        )
    return notes


def _with_residuals(parts: Parts[Matrix]) -> Parts[Matrix]:
    """Put in what the factors leave of the variance of 1 of each ordered item."""
    errors = parts.error_covariance.copy()
    np.fill_diagonal(errors, 0.0)
    common = np.diag(implied_covariance(replace(parts, error_covariance=errors)))
    errors = errors + np.diag(1 - common)
    return replace(parts, error_covariance=errors)


# --- Standardised results ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Quantity:
    """Estimates and standard errors."""

    estimate: Matrix
    se: Matrix


def _standardised(plan: _Plan, fitted: _Fitted) -> dict[str, _Quantity]:
    """Standardise the solution, with standard errors by the delta method."""
    variance = np.diag(factor_moments(fitted.parts)[1])
    for factor in np.flatnonzero(variance <= 0):
        raise FitError(
            f"the variance of the factor {plan.factors[factor]} is estimated as {variance[factor]:.3f}, so that nothing can be "
            "standardised: its items may share too little; use identification='variance', or leave the factor out"
        )
    present = _quantities(plan, fitted.parts)
    moving = np.unique(
        np.concatenate(
            [
                getattr(fitted.model.groups[0].free, part).ravel()
                for part in ("loadings", "paths", "factor_covariance", "error_covariance")
            ]
        )
    )
    moving = moving[moving >= 0]
    slopes = []
    for number in moving:
        # The derivative is the imaginary part of a step along i: no differences, hence no rounding.
        shifted = fitted.parameters.astype(complex)
        shifted[number] += 1j * _IMAGINARY
        parts = filled(fitted.model, shifted)[0]
        if fitted.ordinal:
            parts = _with_residuals(parts)
        slopes.append(np.concatenate([each.imag / _IMAGINARY for each in _quantities(plan, parts).values()]))
    jacobian = np.asarray(slopes).T
    covariance = fitted.covariance[np.ix_(moving, moving)]
    errors = np.sqrt(np.maximum(np.einsum("ij,jk,ik->i", jacobian, covariance, jacobian, optimize=True), 0))
    ends = np.cumsum([each.size for each in present.values()])[:-1]
    return {
        name: _Quantity(estimate, se)
        for (name, estimate), se in zip(present.items(), np.split(errors, ends), strict=True)
    }


def _quantities(plan: _Plan, parts: Parts[Any]) -> dict[str, NDArray[Any]]:
    """Standardised loadings, correlations and the like; of complex numbers too."""
    factors = factor_moments(parts)[1]
    sigma = implied_covariance(parts)
    sd, factor_sd = np.sqrt(np.diag(sigma)), np.sqrt(np.diag(factors))
    cells, paths, pairs, errors = (
        np.asarray(each, dtype=np.intp).reshape(-1, 2) for each in (plan.cells, plan.paths, plan.reported, plan.errors)
    )
    loadings = parts.loadings * factor_sd / sd[:, None]
    theta = np.diag(parts.error_covariance)
    products = theta[errors[:, 0]] * theta[errors[:, 1]]
    # Beside a negative variance there is no correlation.
    products = np.where(products.real > 0, products, np.nan)
    variances, composites = [], []
    for factor in plan.measured:
        own = list(plan.members[factor])
        variances.append(np.mean(loadings[own, factor] ** 2))
        # An item with a negative loading is reversed before a sum is formed.
        keyed = np.where(parts.loadings[own, factor].real < 0, -1.0, 1.0)
        common = (keyed @ parts.loadings[own, factor]) ** 2 * factors[factor, factor]
        composites.append(common / (keyed @ sigma[np.ix_(own, own)] @ keyed))
    return {
        "loadings": loadings[cells[:, 1], cells[:, 0]],
        "paths": parts.paths[paths[:, 1], paths[:, 0]] * factor_sd[paths[:, 0]] / factor_sd[paths[:, 1]],
        "correlations": factors[pairs[:, 0], pairs[:, 1]] / (factor_sd[pairs[:, 0]] * factor_sd[pairs[:, 1]]),
        "residuals": theta / sd**2,
        "error_correlations": parts.error_covariance[errors[:, 0], errors[:, 1]] / np.sqrt(products),
        "average_variance": np.asarray(variances),
        "composite_reliability": np.asarray(composites),
    }


class _Parameters:
    """Estimates and standard errors of free elements; a fixed element has no standard error."""

    def __init__(self, fitted: _Fitted) -> None:
        self._errors = np.sqrt(np.maximum(np.diag(fitted.covariance), 0))
        self._free = fitted.model.groups[0].free
        self._parts = fitted.parts

    def of(self, part: Part, places: Sequence[tuple[int, ...]]) -> _Quantity:
        """Look up elements of a matrix or vector."""
        numbers, values = getattr(self._free, part), getattr(self._parts, part)
        estimate = np.asarray([values[place] for place in places], dtype=float)
        se = [self._errors[numbers[place]] if numbers[place] >= 0 else np.nan for place in places]
        return _Quantity(estimate, np.asarray(se, dtype=float))


def _interval_frame(quantity: _Quantity, index: pd.Index, *, tested: bool = True) -> pd.DataFrame:
    estimate, se = quantity.estimate, quantity.se
    z = np.divide(estimate, se, out=np.full(estimate.shape, np.nan), where=se > 0)
    frame = pd.DataFrame(
        {
            "estimate": estimate,
            "se": se,
            "statistic": z,
            "p": 2 * stats.norm.sf(np.abs(z)),
            "ci_low": estimate - _NORMAL_QUANTILE * se,
            "ci_high": estimate + _NORMAL_QUANTILE * se,
        },
        index=index,
        columns=_COLUMNS,
    )
    return frame if tested else frame.drop(columns=["statistic", "p"])


def _with_standardised(frame: pd.DataFrame, standardised: _Quantity) -> pd.DataFrame:
    reach = _NORMAL_QUANTILE * standardised.se
    values = [standardised.estimate, standardised.se, standardised.estimate - reach, standardised.estimate + reach]
    return frame.assign(**dict(zip(_STANDARDISED, values, strict=True)))


def _loadings(plan: _Plan, fitted: _Fitted, quantities: Mapping[str, _Quantity]) -> pd.DataFrame:
    parameters = _Parameters(fitted)
    pairs = [(plan.factors[factor], plan.items[item]) for factor, item in plan.cells]
    pairs += [(plan.factors[above], plan.factors[below]) for above, below in plan.paths]
    raw = [
        parameters.of("loadings", [(item, factor) for factor, item in plan.cells]),
        parameters.of("paths", [(below, above) for above, below in plan.paths]),
    ]
    standardised = [quantities["loadings"], quantities["paths"]]
    joined = [
        _Quantity(np.concatenate([each.estimate for each in kind]), np.concatenate([each.se for each in kind]))
        for kind in (raw, standardised)
    ]
    index = pd.MultiIndex.from_tuples(pairs, names=["factor", "item"])
    return _with_standardised(_interval_frame(joined[0], index), joined[1])


def _residual_variances(
    plan: _Plan, fitted: _Fitted, quantities: Mapping[str, _Quantity], parameters: _Parameters
) -> pd.DataFrame:
    standardised = quantities["residuals"]
    diagonal = [(item, item) for item in range(len(plan.items))]
    raw = standardised if fitted.ordinal else parameters.of("error_covariance", diagonal)
    frame = _interval_frame(raw, pd.Index(plan.items, name="item"), tested=False)
    return _with_standardised(frame, standardised).assign(r_squared=1 - standardised.estimate)


def _thresholds(plan: _Plan, fitted: _Fitted, parameters: _Parameters) -> pd.DataFrame:
    item = fitted.model.groups[0].threshold_item
    rank = [int(np.sum(item[:place] == own)) + 1 for place, own in enumerate(item)]
    names = [(plan.items[own], position) for own, position in zip(item, rank, strict=True)]
    index = pd.MultiIndex.from_tuples(names, names=["item", "threshold"]) if names else _no_rows("item", "threshold")
    return _interval_frame(parameters.of("thresholds", [(place,) for place in range(item.size)]), index)


def _intercepts(plan: _Plan, fitted: _Fitted, parameters: _Parameters) -> pd.DataFrame:
    free = np.flatnonzero(fitted.model.groups[0].free.intercepts >= 0)
    index = pd.Index([plan.items[item] for item in free], name="item", dtype="object" if not free.size else None)
    return _interval_frame(parameters.of("intercepts", [(int(item),) for item in free]), index)


def _residual_correlations(plan: _Plan, fitted: _Fitted) -> pd.DataFrame:
    gap = _as_correlations(fitted.observed) - _as_correlations(fitted.implied)
    names = pd.Index(plan.items, name="item")
    return pd.DataFrame(gap, index=names, columns=names.rename(None))


def _as_correlations(matrix: Matrix) -> Matrix:
    sd = np.sqrt(np.diag(matrix))
    return np.asarray(matrix / np.outer(sd, sd))


def _discriminant(plan: _Plan, fitted: _Fitted, quantities: Mapping[str, _Quantity]) -> pd.DataFrame:
    """Set each two factors' correlation beside what should exceed it."""
    observed = np.abs(_as_correlations(fitted.observed))
    average = dict(zip(plan.measured, quantities["average_variance"].estimate, strict=True))
    correlation = dict(zip(plan.reported, quantities["correlations"].estimate, strict=True))
    pairs = list(_pairs(list(plan.traits)))
    within = {factor: _within(observed, plan.members[factor]) for factor in plan.traits}
    rows = []
    for first, second in pairs:
        shared = set(plan.members[first]) & set(plan.members[second])
        between = observed[np.ix_(plan.members[first], plan.members[second])].ravel()
        means = between.mean(), _geometric(between)
        ratios = [
            np.nan if shared else mean / np.sqrt(within[first][kind] * within[second][kind])
            for kind, mean in enumerate(means)
        ]
        # In a bifactor model factors are uncorrelated by construction.
        own = correlation.get((first, second), 0.0)
        rows.append((own, own**2, average[first], average[second], *ratios))
    columns = ["correlation", "correlation_squared", "average_variance", "average_variance_other", "htmt", "htmt2"]
    return pd.DataFrame(rows, index=_pair_index(plan.factors, pairs), columns=columns, dtype=float)


def _within(observed: Matrix, members: Sequence[int]) -> tuple[float, float]:
    """Arithmetic and geometric mean of the sizes of correlations among a factor's items."""
    rows, columns = np.triu_indices(len(members), 1)
    values = observed[np.ix_(members, members)][rows, columns]
    return float(values.mean()), _geometric(values)


def _geometric(sizes: Matrix) -> float:
    """Geometric mean; 0 if one of them is."""
    return float(np.exp(np.log(np.maximum(sizes, np.finfo(float).tiny)).mean())) if sizes.min() > 0 else 0.0


# --- Modification indices ----------------------------------------------------------------------------------------


def _modification_table(plan: _Plan, fitted: _Fitted) -> pd.DataFrame:
    labels, elements = _candidates(plan, fitted)
    if not elements or not fitted.engine.df:
        index = _no_rows("element", "left", "right")
        return pd.DataFrame(columns=["mi", "epc", "sepc"], index=index, dtype=float)
    tests: ScoreTests
    if isinstance(fitted.engine, least_squares.LeastSquaresFit):
        tests = least_squares.modification_indices(fitted.engine, elements)
    else:
        tests = normal_theory.modification_indices(fitted.engine, elements)
    table = pd.DataFrame(
        {
            "mi": tests.statistic,
            "epc": tests.change,
            "sepc": standardised_change([fitted.parts], elements, tests.change),
        },
        index=pd.MultiIndex.from_tuples(labels, names=["element", "left", "right"]),
    )
    # A change that free parameters can take up already has no index.
    return table.dropna(subset="mi").sort_values("mi", ascending=False, kind="stable")


def _candidates(plan: _Plan, fitted: _Fitted) -> tuple[list[tuple[str, str, str]], list[Element]]:
    """List loadings and covariances that the model fixes at 0."""
    free = fitted.model.groups[0].free
    labels, elements = [], []
    for factor, name in enumerate(plan.factors):
        if plan.explains[factor]:
            continue
        for item, label in enumerate(plan.items):
            if item not in plan.members[factor]:
                labels.append(("loading", name, label))
                elements.append(Element("loadings", item, factor))
    for first, second in _pairs(list(range(len(plan.items)))):
        if free.error_covariance[first, second] < 0:
            labels.append(("residual covariance", plan.items[first], plan.items[second]))
            elements.append(Element("error_covariance", second, first))
    for first, second in _pairs(list(range(len(plan.factors)))):
        if free.factor_covariance[first, second] < 0 and (first, second) not in plan.paths[::-1]:
            labels.append(("factor covariance", plan.factors[first], plan.factors[second]))
            elements.append(Element("factor_covariance", second, first))
    return labels, elements


# --- Factor scores -----------------------------------------------------------------------------------------------


def _factor_scores(plan: _Plan, fitted: _Fitted) -> tuple[pd.DataFrame, tuple[str, ...]]:
    factors = factor_moments(fitted.parts)[1]
    theta = np.diag(fitted.parts.error_covariance)
    reason = None
    if fitted.ordinal and theta.min() <= 0:
        reason = (
            f"the residual variance of {_list(plan.items[item] for item in np.flatnonzero(theta <= 0))} is not positive"
        )
    elif np.linalg.eigvalsh(_as_correlations(factors))[0] <= 1e-10:
        reason = "the factors' correlations are not positive definite"
    elif np.linalg.eigvalsh(fitted.implied)[0] <= 0:
        reason = "the implied covariances are not positive definite"
    if reason:
        empty = pd.DataFrame(columns=list(plan.factors), index=fitted.answers.index[:0], dtype=float)
        return empty, (f"Factor scores are left out, since {reason}.",)
    scores = _modal_scores(fitted, factors, theta) if fitted.ordinal else _regression_scores(fitted, factors)
    return pd.DataFrame(scores, index=fitted.answers.index, columns=list(plan.factors)), ()


def _regression_scores(fitted: _Fitted, factors: Matrix) -> Matrix:
    names = fitted.answers.columns
    engine = fitted.engine
    assert isinstance(engine, normal_theory.NormalFit)  # noqa: S101 - for the type checker
    mean = implied_mean(fitted.parts) if engine.means else engine.sample_means[0]
    answers = fitted.answers
    if answers.isna().to_numpy().any():
        answers = expected_answers(
            answers,
            Moments(
                mean=pd.Series(mean, index=names),
                covariance=pd.DataFrame(fitted.implied, index=names, columns=names),
                n=fitted.n,
                pairwise_n=fitted.n,
                share_missing=0.0,
                iterations=0,
                converged=True,
            ),
        )
    weights = np.linalg.solve(fitted.implied, fitted.parts.loadings @ factors)
    return np.asarray((answers.to_numpy() - mean) @ weights)


def _modal_scores(fitted: _Fitted, factors: Matrix, theta: Matrix) -> Matrix:
    """Mode of each person's posterior: normal factors, and ordered answers independent given them.

    Newton's method for all people at once; the logarithm of the posterior is concave.
    """
    engine = fitted.engine
    assert isinstance(engine, least_squares.LeastSquaresFit)  # noqa: S101 - for the type checker
    moments = engine.moments[0]
    sd = np.sqrt(theta)
    loadings = fitted.parts.loadings / sd[:, None]
    below, above = _bounds(fitted, moments, sd)
    answered = fitted.answers.notna().to_numpy()
    precision = np.linalg.inv(factors)
    scores = np.zeros((len(answered), loadings.shape[1]))

    def likelihood(at: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """Logarithm of the posterior of each person, and slope and curvature of each answer's."""
        linear = at @ loadings.T
        low, high = below - linear, above - linear
        # In the upper tail the difference of two numbers near 1 would be rounding: turn it round.
        turned = low > 0
        share = special.ndtr(np.where(turned, -low, high)) - special.ndtr(np.where(turned, -high, low))
        share = np.maximum(share, np.finfo(float).tiny)
        density_low, density_high = _density(low), _density(high)
        slope = np.where(answered, (density_low - density_high) / share, 0.0)
        bend = _finite(high) * density_high - _finite(low) * density_low
        curvature = np.where(answered, slope**2 + bend / share, 0.0)
        value = np.where(answered, np.log(share), 0.0).sum(axis=1) - np.einsum("ij,jk,ik->i", at, precision, at) / 2
        return value, slope, curvature

    value, slope, curvature = likelihood(scores)
    for _ in range(_MOST_STEPS):
        gradient = slope @ loadings - scores @ precision
        hessian = np.einsum("ni,ij,ik->njk", np.maximum(curvature, 0.0), loadings, loadings, optimize=True) + precision
        step = np.linalg.solve(hessian, gradient[:, :, None])[:, :, 0]
        if np.abs(step).max() < _SETTLED:
            break
        moved = scores + step
        new_value, new_slope, new_curvature = likelihood(moved)
        worse = new_value < value - 1e-12 * np.abs(value)
        while worse.any() and np.abs(step[worse]).max() > _SETTLED:
            step = np.where(worse[:, None], step / 2, step)
            moved = scores + step
            new_value, new_slope, new_curvature = likelihood(moved)
            worse = new_value < value - 1e-12 * np.abs(value)
        scores, value, slope, curvature = moved, new_value, new_slope, new_curvature
    return scores


def _bounds(fitted: _Fitted, moments: Any, sd: Matrix) -> tuple[Matrix, Matrix]:
    """Thresholds below and above each answer, in residual standard deviations."""
    item = fitted.model.groups[0].threshold_item
    below, above = np.zeros(fitted.answers.shape), np.zeros(fitted.answers.shape)
    for position, codes in enumerate(moments.categories):
        cuts = np.concatenate([[-np.inf], fitted.parts.thresholds[item == position] / sd[position], [np.inf]])
        rank = np.searchsorted(codes, fitted.answers.iloc[:, position].fillna(codes[0]).to_numpy())
        below[:, position], above[:, position] = cuts[rank], cuts[rank + 1]
    return below, above


def _density(z: Matrix) -> Matrix:
    return np.asarray(np.exp(-(_finite(z) ** 2) / 2) / np.sqrt(2 * np.pi) * np.isfinite(z))


def _finite(z: Matrix) -> Matrix:
    return np.where(np.isfinite(z), z, 0.0)


# --- Words -------------------------------------------------------------------------------------------------------

_FIT_ORDER = (
    "npar",
    "n",
    "chisq",
    "df",
    "p",
    "chisq_scaled",
    "df_scaled",
    "p_scaled",
    "scaling_factor",
    "shift",
    "cfi",
    "tli",
    "rmsea",
    "rmsea_ci_low",
    "rmsea_ci_high",
    "rmsea_p_close",
    "srmr",
    "cfi_scaled",
    "tli_scaled",
    "rmsea_scaled",
    "rmsea_scaled_ci_low",
    "rmsea_scaled_ci_high",
    "rmsea_scaled_p_close",
    "cfi_robust",
    "tli_robust",
    "rmsea_robust",
    "rmsea_robust_ci_low",
    "rmsea_robust_ci_high",
    "rmsea_robust_p_close",
    "loglik",
    "aic",
    "bic",
    "baseline_chisq",
    "baseline_df",
    "baseline_chisq_scaled",
    "baseline_scaling_factor",
)


def _ordered(found: Mapping[str, float]) -> pd.Series:
    names = [name for name in _FIT_ORDER if name in found]
    return pd.Series([float(found[name]) for name in names], index=pd.Index(names, name="measure"), name="estimate")


def _best(fit: pd.Series, measure: str) -> tuple[str, float]:
    """Return the robust version of an index where there is one, else the scaled, else the plain."""
    for suffix in ("_robust", "_scaled", ""):
        if f"{measure}{suffix}" in fit:
            return suffix.removeprefix("_"), float(fit[f"{measure}{suffix}"])
    raise KeyError(measure)


def _fit_line(fit: pd.Series) -> str:
    if not fit["df"]:
        return f"Fit cannot be judged: 0 degrees of freedom, n = {fit['n']:.0f}."
    scaled = "_scaled" if "chisq_scaled" in fit else ""
    words = {"robust": "robust ", "scaled": "scaled ", "": ""}
    kind, closeness = _best(fit, "cfi")
    at = f"rmsea{'_' if kind else ''}{kind}"
    p = fit[f"p{scaled}"]
    return (
        f"Fit: {'scaled ' if scaled else ''}χ²({fit['df']:.0f}) = {fit[f'chisq{scaled}']:.2f}, "
        f"p {'< .001' if p < 0.001 else f'= {p:.3f}'.replace('0.', '.')}; {words[kind]}CFI = {closeness:.3f}, "
        f"{words[kind]}TLI = {_best(fit, 'tli')[1]:.3f}, {words[kind]}RMSEA = {fit[at]:.3f} (90 % CI "
        f"{fit[f'{at}_ci_low']:.3f} to {fit[f'{at}_ci_high']:.3f}), SRMR = {fit['srmr']:.3f}; n = {fit['n']:.0f}."
    )


def _cutoffs(fit: pd.Series) -> pd.DataFrame:
    columns = ["estimate", "version", "cutoff", "source"]
    if not fit["df"]:
        return pd.DataFrame(columns=columns, index=pd.Index([], name="measure", dtype=object))
    usual = {"cfi": "≥ .95", "tli": "≥ .95", "rmsea": "≤ .06", "srmr": "≤ .08"}
    source = "Hu & Bentler (1999), made for ML with normal, continuous answers"
    rows = []
    for measure, bound in usual.items():
        version, value = _best(fit, measure)
        rows.append((value, version or "plain", bound, source))
    return pd.DataFrame(rows, index=pd.Index(list(usual), name="measure"), columns=columns)


def _paper_table(loadings: pd.DataFrame, residual: pd.DataFrame) -> pd.DataFrame:
    table = loadings[_STANDARDISED].rename(columns=lambda name: name.removeprefix("std_"))
    explained = loadings.index.get_level_values("item").map(residual["r_squared"].to_dict())
    tested = loadings["std_estimate"] / loadings["std_se"]
    return table.assign(p=2 * stats.norm.sf(tested.abs()), r_squared=np.asarray(explained, dtype=float))


def _method(plan: _Plan, estimator: Estimator, missing: MissingAnswers, clusters: pd.Series | None) -> str:
    gaps = {
        "listwise": "",
        "pairwise": " Each threshold and correlation uses all who answered.",
        "fiml": " Gaps by full information (FIML; Arbuckle, 1996).",
    }[missing]
    shape = ""
    if plan.general and plan.members[plan.general[0]]:
        shape = " The general factor and the others are uncorrelated (bifactor; Holzinger & Swineford, 1937)."
    if plan.method:
        shape += (
            f" The method factor {_list(plan.factors[each] for each in plan.method)} is uncorrelated with the others."
        )
    teams = " Standard errors and tests allow for likeness within clusters." if clusters is not None else ""
    robust = {
        "WLSMV": " Robust CFI, TLI and RMSEA after Savalei (2021).",
        "ULSMV": " Robust CFI, TLI and RMSEA after Savalei (2021).",
        "DWLS": "",
        "ML": " Robust CFI, TLI and RMSEA after Zhang & Savalei (2023)." if missing == "fiml" else "",
        "MLR": " Robust CFI, TLI and RMSEA after Zhang & Savalei (2023)."
        if missing == "fiml"
        else " Robust CFI and TLI after Brosseau-Liard & Savalei (2014), RMSEA after Brosseau-Liard, Savalei & Li (2012).",
    }[estimator]
    return (
        f"{plan.title}; {_ESTIMATORS[estimator]}.{gaps}{shape}{teams}{robust} Standard errors of standardised loadings by "
        "the delta method."
    )


def _sample_size_notes(n: int, items: int) -> tuple[str, ...]:
    wanted = max(_PEOPLE_AN_ITEM * items, _PEOPLE)
    if n >= wanted:
        return ()
    return (
        f"{n} people are few for {items} items: 7 an item and at least 100 are asked for, {wanted} here (Terwee et al., "
        "2007). Take the loadings as rough; tests, standard errors and fit indices are not to be trusted. Fit the "
        "factors one at a time, or gather more answers.",
    )


def _uncorrected_note(fit: pd.Series) -> tuple[str, ...]:
    if "chisq_scaled" not in fit:
        return ()
    return (
        "`chisq` and indices without a suffix come from the uncorrected statistic: report the scaled or robust ones.",
    )


def _cluster_notes(clusters: pd.Series | None, answers: pd.DataFrame) -> tuple[str, ...]:
    if clusters is None:
        return ()
    count = int(clusters.loc[answers.index].nunique())
    if count >= _FEW_CLUSTERS:
        return (f"Standard errors and tests allow for likeness within {count} clusters.",)
    return (
        f"Standard errors and tests allow for likeness within {count} clusters; with fewer than about {_FEW_CLUSTERS} they "
        "are too optimistic (Cameron, Gelbach & Miller, 2008).",
    )


def _improper(plan: _Plan, fitted: _Fitted) -> tuple[str, ...]:
    """Say which variances are negative and which factors correlate beyond 1."""
    theta = np.diag(fitted.parts.error_covariance)
    notes = [
        f"Heywood case: the residual variance of {plan.items[item]} is negative ({theta[item]:.3f}); read the model's "
        "numbers with caution (too few people, or a wrong model)."
        for item in np.flatnonzero(theta < 0)
    ]
    notes += [
        f"Heywood case: the residual variance of the factor {plan.factors[factor]} is negative."
        for factor in np.flatnonzero(np.diag(fitted.parts.factor_covariance) < 0)
    ]
    correlations = _as_correlations(factor_moments(fitted.parts)[1])
    beyond = [pair for pair in _pairs(list(range(len(plan.factors)))) if abs(correlations[pair]) >= 1]
    notes += [
        f"The factors {plan.factors[a]} and {plan.factors[b]} correlate {correlations[a, b]:.3f}, beyond what is possible: "
        "they may be one, or the sample is too small to tell them apart."
        for a, b in beyond
    ]
    if not beyond and np.linalg.eigvalsh(correlations)[0] <= 0:
        notes.append("The factors' correlations are not positive definite: one factor is a mixture of others.")
    return tuple(notes)


def _reversed(plan: _Plan, fitted: _Fitted) -> tuple[str, ...]:
    """Say which items composite reliability turns round."""
    turned = []
    for factor in plan.measured:
        own = list(plan.members[factor])
        negative = [plan.items[item] for item in own if fitted.parts.loadings[item, factor] < 0]
        if 0 < len(negative) < len(own):
            turned.append(f"{_list(negative)} on {plan.factors[factor]}")
    if not turned:
        return ()
    return (f"Negative loadings, taken as reversed items in composite reliability: {'; '.join(turned)}.",)


def _pairs(places: Sequence[int]) -> list[Pair]:
    return [(first, second) for position, first in enumerate(places) for second in places[position + 1 :]]


def _pair_index(
    names: Sequence[str], pairs: Sequence[Pair], levels: tuple[str, str] = ("factor", "other")
) -> pd.MultiIndex:
    if not pairs:
        return _no_rows(*levels)
    return pd.MultiIndex.from_tuples([(names[a], names[b]) for a, b in pairs], names=levels)


def _no_rows(*levels: str) -> pd.MultiIndex:
    return pd.MultiIndex.from_arrays([[] for _ in levels], names=levels)


def _factor_index(plan: _Plan) -> pd.Index:
    return pd.Index([plan.factors[factor] for factor in plan.measured], name="factor")


def _list(names: Iterable[object]) -> str:
    return ", ".join(str(name) for name in names)
