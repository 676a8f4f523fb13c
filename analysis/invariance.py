"""Is it the same measure in other groups, and at other times? Ladders of invariance, continuous and ordinal."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from functools import cache
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy import stats
from tqdm import tqdm

from analysis import least_squares, normal_theory
from analysis.fit_indices import ModelTest, incremental_and_absolute, srmr
from analysis.ladder import Ladder, Released
from analysis.missing import numeric_answers
from analysis.multiplicity import holm
from analysis.options import checked_seed, whole_number
from analysis.ordinal import OrdinalMoments, ordered_answers, ordinal_moments
from analysis.result import Result
from analysis.structure import FitError, Model, Parts, implied_covariance, implied_mean, ordinal_statistics

Matrix = NDArray[np.floating[Any]]
Estimator = Literal["WLSMV", "ULSMV", "ML", "MLR"]
MissingAnswers = Literal["listwise", "fiml"]
Fit = least_squares.LeastSquaresFit | normal_theory.NormalFit

_ORDINAL = {"WLSMV": "diagonal", "ULSMV": "identity"}
_ALPHA = 0.05
# Fewer people in a block than this carry no ladder (the simulations of the step tests begin at 75).
_FEWEST = 30
# Steps whose means and scores may be compared, as the field says it.
_NOT_TESTABLE, _REJECTED, _HOLDS = "not testable", "rejected", "not rejected"
_NOT_JUDGED, _REFERENCE = "not judged", "reference"
# Rule → what it looks at and its limit: CFI may not fall, RMSEA not rise by more. Derived for maximum likelihood.
_RULES: dict[str, tuple[str, float]] = {
    "ΔCFI, Cheung & Rensvold (2002)": ("delta_cfi", -0.01),
    "ΔCFI, Chen (2007), n > 300": ("delta_cfi", -0.01),
    "ΔRMSEA, Chen (2007), n > 300": ("delta_rmsea", 0.015),
    "ΔCFI, Chen (2007), n ≤ 300": ("delta_cfi", -0.005),
    "ΔRMSEA, Chen (2007), n ≤ 300": ("delta_rmsea", 0.010),
}
_NODES = 41
# A person's factor keeps more than this over time, if the two answers are of one person.
_STRANGERS = 0.1
# Differences of indices below this are rounding.
_ROUNDING = 1e-8


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Invariance(Result):
    """A ladder of ever stricter models.

    Parameters
    ----------
    released : pandas.DataFrame
        Index ``step``, ``parameter``: what partial invariance had to let go, in order, with the score test that
        chose it (``statistic``), the expected ``change`` (the parameter's value in ``block`` once it is free, minus
        the value that it is held at in all blocks; ``block`` is the one where it is needed most) and
        ``step_p_after``, the p of the step once this is let go, too.
    cutoffs : pandas.DataFrame
        Index ``step``, ``rule``: the common cut-offs of ΔCFI and ΔRMSEA, whether each is exceeded, and how often
        it would be if all blocks were equal (``error_rate``, from simulations at this n; missing without).
    effect_sizes : pandas.DataFrame
        Index ``item``, ``block``: what a difference in one item does to its answers (empty unless asked for).
    parameters : pandas.DataFrame
        Index ``parameter``: ``estimate``, ``se`` of the last model that was not rejected.
    """

    released: pd.DataFrame
    cutoffs: pd.DataFrame
    effect_sizes: pd.DataFrame
    parameters: pd.DataFrame


@dataclass(frozen=True, kw_only=True, eq=False)
class _Data:
    """What is fitted (moments, or answers by pattern; one a group, one for all waves) and the answers of each block."""

    ladder: Ladder
    estimator: Estimator
    missing: MissingAnswers
    moments: tuple[OrdinalMoments, ...]
    sorted: tuple[normal_theory.Patterned, ...]
    frames: tuple[pd.DataFrame, ...]
    blocks: tuple[pd.DataFrame, ...]
    in_teams: bool

    @property
    def ordered(self) -> bool:
        return bool(self.ladder.thresholds)


@dataclass(frozen=True, kw_only=True)
class _LetGo:
    """What was let go, its score test in the block that asked for it most, and the p of the step after it."""

    what: Released
    block: str
    statistic: float
    change: float
    p: float = np.nan


@dataclass(frozen=True, kw_only=True, eq=False)
class _Step:
    """A fitted step and its test against the one before; ``trail`` is what was let go on the way to it, in order."""

    name: str
    equal: tuple[str, ...]
    released: frozenset[Released]
    fit: Fit
    difference: tuple[float, int, float]
    indices: Mapping[str, float] = field(default_factory=dict)
    verdict: str = ""
    p_adjusted: float = np.nan
    trail: tuple[_LetGo, ...] = ()


def invariance(
    items: pd.DataFrame,
    groups: pd.Series,
    model: Mapping[str, Sequence[str]],
    *,
    estimator: Estimator = "WLSMV",
    longitudinal: bool = False,
    people: pd.Series | None = None,
    missing: MissingAnswers = "listwise",
    clusters: pd.Series | None = None,
    partial: bool = False,
    effect_sizes: bool = False,
    draws: int = 0,
    seed: int = 0,
    progress: bool = False,
) -> Invariance:
    """Test step by step whether a model of factors is the same in all groups, or in all waves.

    Parameters
    ----------
    items : pandas.DataFrame
        Response × item: ordered codes for WLSMV and ULSMV, numbers for ML and MLR, missing where blank.
    groups : pandas.Series
        The group of each response, on the index of ``items``; with ``longitudinal`` its wave. Responses without
        one are left out. The first group (of a categorical: the first category) gives the factors their unit.
        Where groups are numbers, they are called by the name of the series, too (``gender 1``).
    model : mapping
        Factor → its items.
    estimator : {"WLSMV", "ULSMV", "ML", "MLR"}
        The first two for ordered answers, with Wu and Estabrook's (2016) steps.
    longitudinal : bool
        Whether ``groups`` are waves of the same people: then all waves are one model, in which factors and each
        item's residuals may go together over time.
    people : pandas.Series, optional
        Who gave each response; needed with ``longitudinal``, and otherwise used to refuse people in two groups. Ids
        that belong to a person in every wave, never row numbers. For two waves of PWIQ, one below the other with a
        new index: ``analysis.waves.score_waves(before, after).rows["person"]`` (missing for who is not linked).
    missing : {"listwise", "fiml"}
        Whether responses with a gap (people who miss a wave) are left out, or MLR and ML use every answer.
    clusters : pandas.Series, optional
        The team of each response: tests and standard errors then allow for likeness within teams (not with ML). Of
        waves a person's first team counts; a team whose people are in several groups counts in each apart.
    partial : bool
        Whether a rejected step is followed by a search for the parameters to let go.
    effect_sizes : bool
        Whether to compute what differences in single items amount to.
    draws : int
        Data sets to simulate from equal blocks of these sizes, for the error rates of the cut-offs; 0 for none.
    seed : int
        Of the simulation.
    progress : bool
        Whether to show a bar.

    Returns
    -------
    Invariance
        ``table`` has the index ``step``: ``chisq df p`` (scaled where the estimator scales: ``chisq_scaled``,
        ``p_scaled``), ``cfi rmsea srmr`` (``cfi_scaled``, ``rmsea_scaled``), ``difference``, ``difference_df``,
        ``difference_p`` and ``p_adjusted`` of the test against the step before, ``delta_cfi delta_rmsea
        delta_srmr``, and ``verdict``: ``reference``, ``not rejected``, ``rejected``, ``not testable`` (the step
        restricts nothing) or ``not judged`` (a step before it was rejected). With ``partial`` a rejected step keeps the
        ``p_adjusted`` that rejected it and is followed by a row "… (partial)", with which later steps are compared.

    Raises
    ------
    ValueError
        Naming what is wrong and what to do: a name in the model that is no column, groups on another index,
        fewer than 2 groups or than 30 people in one, people in two groups, waves without ``people``, an item
        on which a group gave one answer alone, options that do not go together.
    FitError
        If a model cannot be fitted, naming the step.

    Notes
    -----
    Continuous: configural, metric, scalar, strict (Meredith, 1993). Ordered: configural, thresholds, loadings,
    intercepts, residuals (Wu & Estabrook, 2016; residual scale, reference block standardised), where
    thresholds come first since without them nothing else has a common unit. With two cut points an item's
    thresholds can always be made equal, with one even loadings and intercepts cannot be tested apart.

    Step tests: Satorra (2000), scaled and shifted, for WLSMV and ULSMV; likelihood ratio for ML; Satorra & Bentler
    (2001) for MLR. The verdict is theirs, with Holm's (1979) correction over the steps: "not rejected" is no
    proof of equality, least of all in small groups. An answer that some block never gave is joined with its
    neighbour towards the middle, in all blocks alike (Rutkowski, Svetina & Liaw, 2019, on why that is not
    harmless), and said in a note.

    dMACS (Nye & Drasgow, 2011): the item is left free while all others are equal, and the two expected answers are
    compared over the factors' distribution in the later block, in standard deviations of the answers (the two
    weighted by n − 1); ``difference`` is the mean of the differences, in points.

    Partial invariance releases, one after the other, the parameter of the rejected step with the largest score
    test, until the step is not rejected at .05. Only score tests choose; at least two items of each factor stay
    equal. Without equal thresholds an item's loadings, intercept and residual are released with them, without an
    equal loading its intercept.

    Examples
    --------
    >>> import numpy as np, pandas as pd
    >>> rng = np.random.default_rng(2)
    >>> behind = rng.normal(size=(600, 1)) + rng.normal(size=(600, 4))
    >>> answers = pd.DataFrame(np.digitize(behind, [-2, -0.5, 0.5, 2]), columns=list("abcd"))
    >>> group = pd.Series(np.repeat(["peers", "others"], 300))
    >>> invariance(answers, group, {"trust": list("abcd")}).table["verdict"].to_dict()
    {'configural': 'reference', 'thresholds': 'not rejected', 'loadings': 'not rejected',
     'intercepts': 'not rejected', 'residuals': 'not rejected'}
    """
    _check_options(estimator, missing, longitudinal, people, draws, seed)
    if not isinstance(items, pd.DataFrame):
        raise ValueError(f"items must be a DataFrame with one column an item, got {type(items).__name__}")
    if clusters is not None and estimator == "ML":
        raise ValueError("estimator='ML' takes people as independent: with `clusters` use 'MLR', 'WLSMV' or 'ULSMV'")
    factors = _factors(items, model)
    columns = list(dict.fromkeys(item for members in factors.values() for item in members))
    _check_indices(items, groups=groups, people=people, clusters=clusters)
    numbers = ordered_answers(items[columns]) if estimator in _ORDINAL else numeric_answers(items[columns])
    blocks, notes = _blocks(numbers, groups, "wave" if longitudinal else "group")
    if longitudinal and people is not None:
        blocks, more = _linked(blocks, people, missing)
        notes += more
    else:
        _refuse_same_people(blocks, people)
    if not longitudinal:
        blocks, more = _complete(blocks, missing)
        notes += more
    _refuse_few(blocks)
    if estimator not in _ORDINAL:
        _refuse_constant(blocks)
    else:
        blocks, more = _joined(blocks)
        notes += more
    data = _data(
        blocks,
        factors,
        estimator,
        missing,
        waves=longitudinal,
        clusters=clusters,
        people=people if longitudinal else None,
    )
    steps = _climb(data, partial=partial)
    table = _table(steps)
    rates, fitted = _error_rates(data, draws, seed, progress) if draws else (None, 0)
    effects = _effects(data) if effect_sizes else _no_effects()
    last = [step for step in steps if step.verdict in (_REFERENCE, _HOLDS, _NOT_TESTABLE)][-1]
    return Invariance(
        title=f"Measurement invariance over {'waves' if longitudinal else 'groups'} ({', '.join(data.ladder.blocks)})",
        table=table,
        method=_method(data, longitudinal, fitted, draws, seed),
        notes=(
            *notes,
            *_moment_notes(data),
            *_gap_notes(data),
            *_step_notes(data, steps, partial=partial),
            *_strangers(data, steps[0].fit),
            *_improper(steps),
        ),
        released=_released(data, steps),
        cutoffs=_cutoffs(table, rates),
        effect_sizes=effects,
        parameters=pd.DataFrame(
            {"estimate": last.fit.parameters, "se": last.fit.standard_errors},
            index=pd.Index(last.fit.model.names, name="parameter"),
        ),
    )


def _check_options(
    estimator: str, missing: str, longitudinal: bool, people: pd.Series | None, draws: int, seed: int
) -> None:
    if estimator not in ("WLSMV", "ULSMV", "ML", "MLR"):
        raise ValueError(f"estimator must be 'WLSMV', 'ULSMV', 'ML' or 'MLR', got {estimator!r}")
    if missing not in ("listwise", "fiml"):
        raise ValueError(f"missing must be 'listwise' or 'fiml', got {missing!r}")
    if missing == "fiml" and estimator in _ORDINAL:
        raise ValueError(
            f"missing='fiml' needs estimator='MLR' or 'ML': {estimator} fits correlations, which full information "
            "is not used for; use 'listwise', or treat the answers as continuous"
        )
    if longitudinal and people is None:
        raise ValueError(
            "waves of the same people need `people`, who gave each response: two waves are never compared as if they "
            "were independent groups"
        )
    whole_number("draws", draws, at_least=0)
    checked_seed(seed)


def _factors(items: pd.DataFrame, model: Mapping[str, Sequence[str]]) -> dict[str, tuple[str, ...]]:
    if not isinstance(model, Mapping) or not model:
        raise ValueError(f"model must map each factor to its items, such as {{'trust': ['t1', 't2']}}; got {model!r}")
    texts = [str(name) for name, members in model.items() if isinstance(members, str)]
    if texts:
        raise ValueError(f"each factor needs a list of items, but {', '.join(texts)} has text: write ['t1', 't2', …]")
    factors = {str(name): tuple(dict.fromkeys(members)) for name, members in model.items()}
    wanted = dict.fromkeys(item for members in factors.values() for item in members)
    columns = [str(name) for name in items.columns]
    absent = [name for name in wanted if name not in items.columns]
    if absent:
        close = {name: get_close_matches(str(name), columns, n=1) for name in absent}
        words = ", ".join(f"{name}{f' (is {near[0]} meant?)' if near else ''}" for name, near in close.items())
        raise ValueError(f"the answers have no columns {words}: correct the names in `model`")
    if both := [name for name in factors if name in set(map(str, wanted))]:
        raise ValueError(f"a factor needs a name that no item has: rename {', '.join(both)}")
    short = [name for name, members in factors.items() if len(members) < (3 if len(factors) == 1 else 2)]
    if short:
        raise ValueError(f"a factor needs at least 3 items, or 2 beside other factors; too few: {', '.join(short)}")
    return factors


def _check_indices(items: pd.DataFrame, **beside: pd.Series | None) -> None:
    if items.index.has_duplicates:
        raise ValueError(
            "the index of the items names some responses twice: `items.reset_index(drop=True)`, groups too"
        )
    for name, values in beside.items():
        if values is not None and not (isinstance(values, pd.Series) and values.index.equals(items.index)):
            raise ValueError(
                f"{name} must be a Series on the index of the items, one value for each response in their order: take "
                "both of one frame"
            )


def _teams(
    clusters: pd.Series | None, people: pd.Series | None, frames: Sequence[pd.DataFrame]
) -> tuple[pd.Series, ...] | None:
    """Return the team of each row of the frames; of waves, whose rows are people, the first that they are known by."""
    if clusters is None:
        return None
    known = clusters if people is None else clusters.groupby(people).first()
    teams = tuple(known.reindex(frame.index) for frame in frames)
    lacking = sum(int(each.isna().sum()) for each in teams)
    if lacking:
        raise ValueError(f"{lacking} people have no team in `clusters`: fill it in, or leave them out")
    return teams


def _blocks(numbers: pd.DataFrame, groups: pd.Series, kind: str) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """Take answers by block; those without a block are left out."""
    known = groups.notna()
    notes: tuple[str, ...] = ()
    if not known.all():
        notes = (f"{int((~known).sum())} of {len(numbers)} responses have no group and are left out.",)
    found = groups[known]
    order = list(found.cat.categories if isinstance(found.dtype, pd.CategoricalDtype) else found.unique())
    if len(set(map(str, order))) < len(order):
        raise ValueError(
            f"some groups look alike but differ in type: give each one name ({', '.join(map(repr, order))})"
        )
    if pd.to_numeric(pd.Series(list(map(str, order))), errors="coerce").notna().all():
        kind = groups.name if isinstance(groups.name, str) and groups.name else kind
        names = [f"{kind} {str(each).removesuffix('.0')}" for each in order]
    else:
        names = list(map(str, order))
    blocks = {
        name: numbers[known & (groups == each).fillna(value=False)] for name, each in zip(names, order, strict=True)
    }
    blocks = {name: frame for name, frame in blocks.items() if len(frame)}
    if len(blocks) < 2:
        raise ValueError(f"at least 2 groups are needed to compare, got {', '.join(blocks) or 'none'}")
    return blocks, notes


def _complete(
    blocks: Mapping[str, pd.DataFrame], missing: MissingAnswers
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    kept = {name: frame.dropna(how="any" if missing == "listwise" else "all") for name, frame in blocks.items()}
    total, left = sum(map(len, blocks.values())), sum(map(len, kept.values()))
    if left == total:
        return kept, ()
    why = "a gap and are left out (listwise)" if missing == "listwise" else "no answer at all and are left out"
    return kept, (f"{total - left} of {total} responses have {why}.",)


def _refuse_same_people(blocks: Mapping[str, pd.DataFrame], people: pd.Series | None) -> None:
    if people is None:
        return
    met = [people.loc[frame.index].dropna() for frame in blocks.values()]
    if sum(each.nunique() for each in met) > pd.concat(met).nunique():
        raise ValueError(
            "some people are in more than one group: these are waves of the same people, so that `longitudinal=True` "
            "is needed"
        )
    if many := sum(each.duplicated().sum() for each in met):
        raise ValueError(f"{many} responses are further ones of the same people in the same group: keep one of each")


def _linked(
    blocks: Mapping[str, pd.DataFrame], people: pd.Series, missing: MissingAnswers
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """Give every wave the same people in the same order."""
    notes = []
    given = {}
    for name, frame in blocks.items():
        who = people.loc[frame.index]
        if who.isna().any():
            notes.append(f"{int(who.isna().sum())} responses of {name} belong to nobody known and are left out.")
        mine = frame[who.notna()].set_axis(pd.Index(who[who.notna()], name="person"))
        if mine.index.has_duplicates:
            many = mine.index[mine.index.duplicated()].nunique()
            raise ValueError(f"{many} people gave more than one response in {name}: keep one of each person and wave")
        given[name] = mine
    waves = {name: frame.dropna(how="all" if missing == "fiml" else "any") for name, frame in given.items()}
    everyone, used = (
        pd.Index(list(dict.fromkeys(person for frame in frames.values() for person in frame.index)))
        for frames in (given, waves)
    )
    always = used[np.logical_and.reduce([used.isin(frame.index) for frame in waves.values()])]
    if missing == "fiml":
        if len(used) < len(everyone):
            notes.append(
                f"{len(everyone) - len(used)} of {len(everyone)} people gave no answer at all and are left out."
            )
        notes.append(f"{len(always)} of {len(used)} people answered in every wave; all {len(used)} are used.")
        return {name: frame.reindex(used) for name, frame in waves.items()}, tuple(notes)
    if len(always) < len(everyone):
        notes.append(
            f"{len(everyone) - len(always)} of {len(everyone)} people did not answer in full in every wave and are left "
            "out (linked people only)."
        )
    return {name: frame.loc[always] for name, frame in waves.items()}, tuple(notes)


def _refuse_few(blocks: Mapping[str, pd.DataFrame]) -> None:
    few = [f"{name} has {len(frame)}" for name, frame in blocks.items() if len(frame) < _FEWEST]
    if few:
        raise ValueError(
            f"at least {_FEWEST} people in every group are needed (in waves, people who answered all), but "
            f"{', '.join(few)}: leave it out or join it"
        )
    items = next(iter(blocks.values())).shape[1]
    short = [f"{name} has {len(frame)}" for name, frame in blocks.items() if len(frame) <= items]
    if short:
        raise ValueError(
            f"more people than items are needed in every group, but with {items} items {', '.join(short[:5])}: use fewer "
            "items, such as one subscale at a time, or more people"
        )


def _refuse_constant(blocks: Mapping[str, pd.DataFrame]) -> None:
    alike = [f"{item} in {name}" for name, frame in blocks.items() for item in frame.columns[frame.nunique() < 2]]
    if alike:
        raise ValueError(f"an item without variance cannot be compared: {', '.join(alike)}; leave it out")


def _joined(
    blocks: Mapping[str, pd.DataFrame],
) -> tuple[dict[str, pd.DataFrame], tuple[str, ...]]:
    """Join answers that some block never gave with their neighbour towards the middle, in all blocks alike."""
    notes = []
    joined = {name: frame.copy() for name, frame in blocks.items()}
    for item in next(iter(blocks.values())).columns:
        used = [set(frame[item].dropna().unique()) for frame in blocks.values()]
        codes = sorted(set().union(*used))
        middle = (codes[0] + codes[-1]) / 2
        target = {code: code for code in codes}
        told = []
        while lacking := [code for code in sorted(set(target.values())) if not all(code in each for each in used)]:
            # From the ends inwards, so that what is joined can be joined again.
            code = max(lacking, key=lambda each: abs(each - middle))
            left = sorted(set(target.values()))
            place = left.index(code)
            inwards = place + 1 if (code < middle and place + 1 < len(left)) or place == 0 else place - 1
            if len(left) < 3:
                raise ValueError(
                    f"the groups share too few answers to {item} to compare it (answers given: "
                    f"{'; '.join(', '.join(f'{c:g}' for c in sorted(each)) for each in used)}): leave the item out"
                )
            target = {own: left[inwards] if to == code else to for own, to in target.items()}
            used = [{left[inwards] if each == code else each for each in own} for own in used]
            told.append(f"{code:g} with {left[inwards]:g}")
        if told:
            notes.append(f"{item}: answer {', '.join(told)}")
            for frame in joined.values():
                frame[item] = frame[item].map(target)
    if not notes:
        return joined, ()
    return joined, (f"Answers that some group never gave are joined in all ({'; '.join(notes)}).",)


def _data(
    blocks: Mapping[str, pd.DataFrame],
    factors: Mapping[str, tuple[str, ...]],
    estimator: Estimator,
    missing: MissingAnswers,
    *,
    waves: bool,
    clusters: pd.Series | None = None,
    people: pd.Series | None = None,
) -> _Data:
    columns = list(next(iter(blocks.values())).columns)
    place = {item: position for position, item in enumerate(columns)}
    ordered = estimator in _ORDINAL
    frames = list(blocks.values())
    if waves:
        frames = [pd.concat([frame.add_suffix(f" [{name}]") for name, frame in blocks.items()], axis=1)]
    teams = _teams(clusters, people, frames)
    moments: tuple[OrdinalMoments, ...] = ()
    by_pattern: tuple[normal_theory.Patterned, ...] = ()
    cuts: tuple[int, ...] = ()
    if ordered:
        of_frames = teams or [None] * len(frames)
        moments = tuple(ordinal_moments(frame, clusters=own) for frame, own in zip(frames, of_frames, strict=True))
        cuts = tuple(len(each) for each in moments[0].thresholds[: len(columns)])
    else:
        by_pattern = normal_theory.sorted_groups(frames, items=frames[0].shape[1], missing=missing, clusters=teams)
    ladder = Ladder(
        items=tuple(map(str, columns)),
        factors={name: tuple(place[item] for item in members) for name, members in factors.items()},
        blocks=tuple(blocks),
        thresholds=cuts,
        waves=waves,
    )
    return _Data(
        ladder=ladder,
        estimator=estimator,
        missing=missing,
        moments=moments,
        sorted=by_pattern,
        frames=tuple(frames),
        blocks=tuple(blocks.values()),
        in_teams=teams is not None,
    )


def _fitted(data: _Data, model: Model, start: Mapping[str, float] | None, step: str) -> Fit:
    try:
        if data.ordered:
            weights: Any = _ORDINAL[data.estimator]
            return least_squares.fit_least_squares(data.moments, model, weights=weights, start=start)
        return normal_theory.fit_normal(
            data.sorted, model, robust=data.estimator == "MLR", missing=data.missing, means=True, start=start
        )
    except FitError as trouble:
        raise FitError(f"step {step}: {trouble}") from trouble


def _baseline(data: _Data) -> Fit:
    if data.ordered:
        weights: Any = _ORDINAL[data.estimator]
        return least_squares.fit_independence(data.moments, weights=weights)
    return normal_theory.fit_independence(data.sorted, robust=data.estimator == "MLR", missing=data.missing, means=True)


def _test(fit: Fit) -> ModelTest:
    if isinstance(fit, least_squares.LeastSquaresFit):
        if not fit.df:
            return ModelTest(statistic=fit.chi2, df=0)
        return ModelTest(
            statistic=fit.chi2, df=fit.df, scaling="mean and variance", factor=fit.scaling_factor, shift=fit.shift
        )
    if fit.robust and fit.df:
        return ModelTest(statistic=fit.chi2, df=fit.df, scaling="mean", factor=fit.scaling_factor)
    return ModelTest(statistic=fit.chi2, df=fit.df)


def _indices(data: _Data, fit: Fit, baseline: Fit) -> dict[str, float]:
    groups = len(fit.model.groups)
    # Least squares multiplies its discrepancy by n − 1, and RMSEA divides by what the chi-square was multiplied by.
    n = sum(fit.n) - (groups if data.ordered else 0)
    found = incremental_and_absolute(_test(fit), _test(baseline), n=n, groups=groups)
    return found | {"srmr": _srmr(fit), "npar": float(len(fit.model.names))}


def _srmr(fit: Fit) -> float:
    if isinstance(fit, least_squares.LeastSquaresFit):
        implied = []
        for group, (moments, parts) in enumerate(zip(fit.moments, fit.estimates, strict=True)):
            size = len(moments.items)
            own = np.eye(size)
            pairs = np.triu_indices(size, 1)
            own[pairs] = ordinal_statistics(fit.model, group, parts)[-pairs[0].size :]
            implied.append(own + np.triu(own, 1).T)
        return srmr([moments.correlations for moments in fit.moments], implied, n=fit.n)
    return srmr(
        fit.sample_covariances,
        fit.implied,
        n=fit.n,
        means=[own - implied_mean(parts) for own, parts in zip(fit.sample_means, fit.estimates, strict=True)],
    )


def _compared(free: Fit, restricted: Fit) -> tuple[float, int, float]:
    if restricted.df == free.df:
        return np.nan, 0, np.nan
    found: Any
    if isinstance(free, least_squares.LeastSquaresFit) and isinstance(restricted, least_squares.LeastSquaresFit):
        found = least_squares.difference_test(free, restricted)
    elif isinstance(free, normal_theory.NormalFit) and isinstance(restricted, normal_theory.NormalFit):
        found = normal_theory.difference_test(free, restricted)
    else:  # never: both come from one estimator
        raise TypeError("two fits of different estimators cannot be compared")
    return found.statistic, found.df, found.p


def _climb(data: _Data, *, partial: bool) -> list[_Step]:
    """Fit every step, from the freest to the strictest, and judge it."""
    baseline = _baseline(data)
    # Steps that were rejected, with the p that did it: what is released after them changes the later steps' tests,
    # and with these Holm's correction, but not a decision that was made.
    decided: dict[str, float] = {}

    # What was fitted once is not fitted again where only later steps change.
    @cache
    def taken(name: str, released: frozenset[Released], before: _Step | None) -> _Step:
        return _taken(data, name, data.ladder.steps[name], released, before)

    @cache
    def rescued(before: _Step, step: _Step) -> _Step | None:
        return _partial(data, before, step)

    while True:
        steps = _judged(_fitted_steps(data.ladder, taken, rescued, tuple(decided)), decided)
        rejected = [step for step in steps if step.verdict == _REJECTED and step.name not in decided]
        if not partial or not rejected:
            return [replace(step, indices=_indices(data, step.fit, baseline)) for step in steps]
        decided[rejected[0].name] = rejected[0].p_adjusted


def _fitted_steps(
    ladder: Ladder,
    taken: Callable[[str, frozenset[Released], _Step | None], _Step],
    rescued: Callable[[_Step, _Step], _Step | None],
    to_rescue: tuple[str, ...],
) -> list[_Step]:
    """Fit every step; those named in ``to_rescue`` are followed by a partial model, where one can be found."""
    steps: list[_Step] = []
    released: frozenset[Released] = frozenset()
    for name in ladder.steps:
        before = steps[-1] if steps else None
        step = taken(name, released, before)
        steps.append(step)
        if name in to_rescue and before is not None:
            found = rescued(before, step)
            if found is not None:
                released = found.released
                steps.append(found)
    return steps


def _taken(
    data: _Data,
    name: str,
    equal: tuple[str, ...],
    released: frozenset[Released],
    before: _Step | None,
    near: _Step | None = None,
) -> _Step:
    """Fit a step, from the solution of the step before it or of another that is nearer."""
    known = near or before
    start = None if known is None else data.ladder.known(known.fit.model.names, known.fit.parameters.tolist())
    fit = _fitted(data, data.ladder.model(equal, released), start, name)
    return _Step(
        name=name,
        equal=equal,
        released=released,
        fit=fit,
        difference=(np.nan, 0, np.nan) if before is None else _compared(before.fit, fit),
    )


def _judged(steps: Sequence[_Step], decided: Mapping[str, float]) -> list[_Step]:
    """Give each step its verdict; a step after a rejected one is not judged."""
    judged: list[_Step] = []
    stopped = False
    for position, (step, p) in enumerate(zip(steps, _adjusted(steps), strict=True)):
        rescued = position + 1 < len(steps) and steps[position + 1].name.endswith(_PARTIAL)
        p_adjusted = decided.get(step.name, float(p))
        if not position:
            verdict = _REFERENCE
        elif step.name.endswith(_PARTIAL):
            verdict = _HOLDS
        elif stopped:
            verdict = _NOT_JUDGED
        elif not step.difference[1]:
            verdict = _NOT_TESTABLE
        else:
            verdict = _REJECTED if p_adjusted < _ALPHA else _HOLDS
        stopped = stopped or (verdict == _REJECTED and not rescued)
        judged.append(replace(step, verdict=verdict, p_adjusted=p_adjusted))
    return judged


_PARTIAL = " (partial)"


def _adjusted(steps: Sequence[_Step]) -> Matrix:
    """Holm-adjusted p of the steps' tests; a partial model's own test, which chose it, is no test."""
    p = pd.Series([np.nan if step.name.endswith(_PARTIAL) else step.difference[2] for step in steps])
    return np.asarray(holm(p))


def _partial(data: _Data, before: _Step, step: _Step) -> _Step | None:
    """Let go one parameter after the other, each time the one with the largest score test; None if in vain."""
    current = step
    while current.difference[1] and current.difference[2] < _ALPHA:
        tests = _score_tests(current.fit, data.ladder, data.ladder.releasable(step.equal[-1], current.released))
        if not tests:
            return None
        worst = max(tests, key=lambda test: test.statistic)
        trail, released = current.trail, current.released | {worst.what}
        current = _taken(data, step.name + _PARTIAL, step.equal, released, before, current)
        current = replace(current, trail=(*trail, replace(worst, p=current.difference[2])))
    return current


def _score_tests(fit: Fit, ladder: Ladder, candidates: Sequence[Released]) -> list[_LetGo]:
    """Test what each candidate would bring; of elements that go together the largest test counts."""
    if not candidates:
        return []
    together = [ladder.elements(candidate) for candidate in candidates]
    elements = [element for own in together for element in own]
    if isinstance(fit, least_squares.LeastSquaresFit):
        tests = least_squares.modification_indices(fit, elements)
    else:
        tests = normal_theory.modification_indices(fit, elements)
    found, first = [], 0
    for candidate, own in zip(candidates, together, strict=True):
        statistic = np.nan_to_num(tests.statistic[first : first + len(own)])
        at = int(np.argmax(statistic))
        block = 1 + at * (len(ladder.blocks) - 1) // len(own)
        change = float(tests.change[first + at])
        found.append(_LetGo(what=candidate, block=ladder.blocks[block], statistic=float(statistic[at]), change=change))
        first += len(own)
    return found


def _table(steps: Sequence[_Step]) -> pd.DataFrame:
    rows = []
    before: _Step | None = None
    for step in steps:
        own = step.indices
        row: dict[str, Any] = {
            name: own[name]
            for name in ("npar", "chisq", "df", "p", "chisq_scaled", "p_scaled", "cfi", "tli", "rmsea", "srmr")
            if name in own
        }
        row |= {name: own[name] for name in ("cfi_scaled", "tli_scaled", "rmsea_scaled") if name in own}
        row["npar"], row["df"] = int(own["npar"]), int(own["df"])
        row |= {
            "difference": step.difference[0],
            "difference_df": step.difference[1] if before is not None else pd.NA,
            "difference_p": step.difference[2],
            "p_adjusted": step.p_adjusted,
        }
        for measure in ("cfi", "rmsea", "srmr"):
            change = np.nan
            if before is not None and step.difference[1]:
                change = _measure(own, measure) - _measure(before.indices, measure)
            row[f"delta_{measure}"] = 0.0 if abs(change) < _ROUNDING else change
        row["verdict"] = step.verdict
        rows.append(row)
        if not _followed(steps, step):
            before = step
    table = pd.DataFrame(rows, index=pd.Index([step.name for step in steps], name="step"))
    return table.astype({"difference_df": "Int64"})


def _followed(steps: Sequence[_Step], step: _Step) -> bool:
    """Whether a partial model stands in for a rejected step."""
    return any(other.name == step.name + _PARTIAL for other in steps)


def _measure(indices: Mapping[str, float], measure: str) -> float:
    """Return the scaled index where there is one: only they follow the test that was made."""
    return float(indices.get(f"{measure}_scaled", indices[measure]))


def _released(data: _Data, steps: Sequence[_Step]) -> pd.DataFrame:
    trail = [(step.name, each) for step in steps for each in step.trail]
    keys = [(name, data.ladder.words(each.what)) for name, each in trail]
    rows = [(each.block, each.statistic, each.change, each.p) for _, each in trail]
    columns = ["block", "statistic", "change", "step_p_after"]
    table = pd.DataFrame(rows, index=_index(keys, "step", "parameter"), columns=columns)
    return table.astype(dict.fromkeys(columns[1:], float))


def _index(keys: list[tuple[str, str]], first: str, second: str) -> pd.MultiIndex:
    arrays = [[key[0] for key in keys], [key[1] for key in keys]]
    return pd.MultiIndex.from_arrays(arrays, names=[first, second])


def _cutoffs(table: pd.DataFrame, rates: pd.DataFrame | None) -> pd.DataFrame:
    keys, rows = [], []
    for step in table.index[1:]:
        if not table.loc[step, "difference_df"]:
            continue
        for rule, (column, limit) in _RULES.items():
            value = float(table.loc[step, column])
            rate = np.nan if rates is None or step not in rates.index else float(rates.loc[step, rule])
            keys.append((step, rule))
            rows.append({"limit": limit, "value": value, "exceeded": _exceeds(value, limit), "error_rate": rate})
    columns = ["limit", "value", "exceeded", "error_rate"]
    return pd.DataFrame(rows, index=_index(keys, "step", "rule"), columns=columns)


def _exceeds(value: float, limit: float) -> bool:
    return value < limit if limit < 0 else value > limit


def _error_rates(data: _Data, draws: int, seed: int, progress: bool) -> tuple[pd.DataFrame, int]:
    """Share of samples from equal blocks of these sizes in which each cut-off is exceeded, and of how many."""
    rng = np.random.default_rng(seed)
    strictest = list(data.ladder.steps.values())[-1]
    truth = _fitted(data, data.ladder.model(strictest), None, "equal groups")
    for parts in truth.estimates:
        if np.linalg.eigvalsh(implied_covariance(parts))[0] <= 0:
            raise ValueError(
                "error rates cannot be simulated: the strictest model has a negative variance; leave `draws` out or fit "
                "a smaller model"
            )
    counts: list[dict[tuple[str, str], bool]] = []
    for _ in tqdm(range(draws), disable=not progress, desc="equal groups", leave=False):
        try:
            sample = _resampled(data, truth, rng)
            table = _table(_climb(sample, partial=False))
        except ValueError:  # a sample in which an answer or a model is lost counts for nothing
            continue
        found = {}
        for step in table.index[1:]:
            for rule, (column, limit) in _RULES.items():
                found[step, rule] = _exceeds(float(table.loc[step, column]), limit)
        counts.append(found)
    if not counts:
        raise ValueError("no simulated data set could be fitted: the model is too large for groups of these sizes")
    shares = pd.DataFrame(counts).mean()
    shares.index = pd.MultiIndex.from_tuples(shares.index, names=["step", "rule"])
    return shares.unstack(), len(counts)


def _resampled(data: _Data, fit: Fit, rng: np.random.Generator) -> _Data:
    """Draw new answers of every block from a model in which all blocks measure alike."""
    items = len(data.ladder.items)
    frames = {}
    everyone: dict[int, Matrix] = {}
    for block, (name, frame) in enumerate(zip(data.ladder.blocks, data.blocks, strict=True)):
        group, first, _, cut = data.ladder.place(block)
        parts = fit.estimates[group]
        if group not in everyone:  # waves are drawn together, once
            mean, covariance = implied_mean(parts), implied_covariance(parts)
            everyone[group] = rng.multivariate_normal(mean, covariance, size=len(frame))
        values = everyone[group][:, first : first + items]
        if data.ordered:
            ends = cut + np.cumsum([0, *data.ladder.thresholds])
            values = np.column_stack(
                [
                    np.searchsorted(parts.thresholds[ends[item] : ends[item + 1]], values[:, item])
                    for item in range(items)
                ]
            )
        frames[name] = pd.DataFrame(np.asarray(values, dtype=float), columns=frame.columns)
        if data.missing == "fiml":
            frames[name] = frames[name].mask(frame.isna().to_numpy())
    joined = _joined(frames)[0] if data.ordered else frames
    names = list(data.blocks[0].columns)
    factors = {factor: tuple(names[item] for item in members) for factor, members in data.ladder.factors.items()}
    return _data(joined, factors, data.estimator, data.missing, waves=data.ladder.waves)


def _no_effects() -> pd.DataFrame:
    return pd.DataFrame([], index=_index([], "item", "block"), columns=["dmacs", "difference", "sd"], dtype=float)


def _effects(data: _Data) -> pd.DataFrame:
    """Compare the expected answers to each item while all others are held equal."""
    ladder = data.ladder
    equal = tuple(kind for kind in list(ladder.steps.values())[-1] if kind != "residuals")
    whole = _fitted(data, ladder.model(equal), None, "effect sizes")
    start = ladder.known(whole.model.names, whole.parameters.tolist())
    rows, keys = [], []
    for item, name in enumerate(ladder.items):
        own = [each for kind in equal for each in ladder.releasable(kind) if each.item == item]
        fit = _fitted(data, ladder.model(equal, frozenset(own)), start, f"effect size of {name}")
        for block in range(1, len(ladder.blocks)):
            answers = [data.blocks[at].iloc[:, item].dropna() for at in (0, block)]
            sd = float(sum(a.std() * (len(a) - 1) for a in answers) / (sum(map(len, answers)) - 2))
            squared, mean = _expected_difference(data, fit, item, block)
            rows.append((np.sqrt(squared) / sd, mean, sd))
            keys.append((name, ladder.blocks[block]))
    return pd.DataFrame(rows, index=_index(keys, "item", "block"), columns=["dmacs", "difference", "sd"])


def _expected_difference(data: _Data, fit: Fit, item: int, block: int) -> tuple[float, float]:
    """Mean square and mean of (expected answer in a block − in the first), over the block's factors."""
    ladder = data.ladder
    where = [ladder.place(at) for at in (0, block)]
    parts = [fit.estimates[group] for group, _, _, _ in where]
    rows = [items + item for _, items, _, _ in where]
    columns = [np.arange(len(ladder.factors)) + factors for _, _, factors, _ in where]
    loadings = [p.loadings[row, at] for p, row, at in zip(parts, rows, columns, strict=True)]
    later = parts[1]
    mean, covariance = later.factor_means[columns[1]], later.factor_covariance[np.ix_(columns[1], columns[1])]
    # What the factors contribute to the item in either block is bivariate normal (one variable, if it has one factor).
    both = np.stack(loadings)
    values, vectors = np.linalg.eigh(both @ covariance @ both.T)
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    grid = np.stack(np.meshgrid(nodes, nodes)).reshape(2, -1)
    weights = np.outer(weights, weights).ravel() / weights.sum() ** 2
    common = (both @ mean)[:, None] + vectors @ (np.sqrt(np.maximum(values, 0.0))[:, None] * grid)
    first, second = (_expected_answer(data, p, row, item, own) for p, row, own in zip(parts, rows, common, strict=True))
    return float(weights @ (second - first) ** 2), float(weights @ (second - first))


def _expected_answer(data: _Data, parts: Parts[Matrix], row: int, item: int, common: Matrix) -> Matrix:
    """Give the expected answer to an item, in its own codes, where its factors contribute so much."""
    behind = parts.intercepts[row] + common
    if not data.ordered:
        return np.asarray(behind)
    model_items = np.repeat(np.arange(len(data.ladder.items)), data.ladder.thresholds)
    start = row - item
    mine = np.flatnonzero(model_items == item) + (start // len(data.ladder.items)) * model_items.size
    above = stats.norm.sf((parts.thresholds[mine] - behind[:, None]) / np.sqrt(parts.error_covariance[row, row]))
    codes = np.sort(data.blocks[0].iloc[:, item].dropna().unique())
    return np.asarray(codes[0] + above @ np.diff(codes))


def _method(data: _Data, longitudinal: bool, fitted: int, draws: int, seed: int) -> str:
    many = ", ".join(f"{name}: n = {len(frame)}" for name, frame in zip(data.ladder.blocks, data.blocks, strict=True))
    kind = (
        "configural, thresholds, loadings, intercepts and residuals (Wu & Estabrook, 2016) of polychoric correlations"
        if data.ordered
        else "configural, metric, scalar and strict (Meredith, 1993) of means and covariances"
    )
    test = {
        "WLSMV": "by diagonally weighted least squares; steps by Satorra's (2000) scaled and shifted difference test",
        "ULSMV": "by unweighted least squares; steps by Satorra's (2000) scaled and shifted difference test",
        "ML": "by maximum likelihood; steps by likelihood-ratio tests",
        "MLR": "by maximum likelihood with robust tests; steps by Satorra and Bentler's (2001) scaled difference",
    }[data.estimator]
    people = f"{len(data.frames[0])} people in {len(data.blocks)} waves" if longitudinal else many
    gaps = "full-information maximum likelihood" if data.missing == "fiml" else "listwise"
    simulated = (
        f" Error rates of cut-offs from {fitted} of {draws} simulated data sets of equal blocks (seed {seed}; the others "
        "could not be fitted)."
        if draws
        else ""
    )
    return (
        f"Measurement invariance, {kind}, {test} with Holm's (1979) correction over steps; {people}; missing answers: "
        f"{gaps}; people taken as {'alike within teams' if data.in_teams else 'independent'}.{simulated}"
    )


def _step_notes(data: _Data, steps: Sequence[_Step], *, partial: bool) -> tuple[str, ...]:
    notes = [
        "The verdict rests on the step tests alone. “Not rejected” is no proof of equality: a small group rejects little.",
        "Cut-offs of ΔCFI and ΔRMSEA were derived for maximum likelihood with large groups; how often they are exceeded "
        "by chance at this n is in `cutoffs` (ask for `draws`).",
    ]
    notes += _few_answers(data.ladder)
    first = steps[0].indices
    if first.get("p_scaled", first["p"]) < _ALPHA:
        notes.append(
            f"The configural model itself is rejected (RMSEA {_measure(first, 'rmsea'):.3f}): where it is far from the "
            "answers, the step tests compare models none of which holds."
        )
    rejected = [step.name for step in steps if step.verdict == _REJECTED]
    if any(step.verdict == _NOT_JUDGED for step in steps):
        why = "letting parameters go did not make it hold" if partial else "`partial=True` looks for what to let go"
        notes.append(f"After {rejected[-1]} was rejected, later steps are not judged ({why}).")
    kept = [step.indices for step in steps if not _followed(steps, step)]
    scaled = [own["chisq_scaled"] for own in kept if "chisq_scaled" in own]
    if np.any(np.diff(scaled) < -_ROUNDING):
        notes.append(
            "χ² (scaled) falls with a step here: scaled values of nested models need not rise; Δχ² is the test."
        )
    if any(step.released for step in steps):
        notes.append(
            "Parameters were let go after a look at the data: the p values of partial models are too large, and what was "
            "let go needs a second sample (MacCallum, Roznowski & Necowitz, 1992)."
        )
    small = [name for name, frame in zip(data.ladder.blocks, data.blocks, strict=True) if len(frame) < 100]
    if small:
        notes.append(f"Fewer than 100 people in {', '.join(small)}: structure needs more (Terwee et al., 2007).")
    notes += _more_parameters_than_people(data, steps[0].fit)
    if data.ordered:
        notes.append(
            "CFI, TLI and RMSEA are the scaled ones where a difference is formed; robust ones do not exist with equal "
            "thresholds, and information criteria do not exist for least squares."
        )
    return tuple(notes)


def _more_parameters_than_people(data: _Data, configural: Fit) -> list[str]:
    """In the configural model every group has as many parameters of its own."""
    many = len(configural.model.names) // len(configural.model.groups)
    names = ["all waves"] if data.ladder.waves else data.ladder.blocks
    few = [f"{name} (n = {n})" for name, n in zip(names, configural.n, strict=True) if n < many]
    if not few:
        return []
    return [
        f"Fewer people than parameters ({many} in the configural model) in {', '.join(few)}: estimates and tests are "
        "unsteady; use more people or a smaller model."
    ]


def _gap_notes(data: _Data) -> tuple[str, ...]:
    """Say what full information supposes of gaps; people who miss a wave miss its answers."""
    if data.missing != "fiml":
        return ()
    gaps = sum(int(frame.isna().to_numpy().sum()) for frame in data.frames)
    if not gaps:
        return ()
    share = 100 * gaps / sum(frame.size for frame in data.frames)
    return (
        f"{share:.1f} % of the answers were missing; full-information maximum likelihood supposes that gaps depend on "
        "given answers alone (missing at random).",
    )


def _strangers(data: _Data, configural: Fit) -> tuple[str, ...]:
    """Ask whether waves are of the same people where most factors do not go with themselves over time."""
    ladder, found = data.ladder, []
    if not ladder.waves:
        return ()
    errors = configural.standard_errors
    place = {name: number for number, name in enumerate(configural.model.names)}
    for later in range(1, len(ladder.blocks)):
        for earlier in range(later):
            unrelated = []
            both = f"{ladder.blocks[earlier]} and {ladder.blocks[later]}"
            for factor in ladder.factors:
                number = place[f"{factor} ~~ {factor} [{ladder.blocks[later]}, {ladder.blocks[earlier]}]"]
                # All variances are 1 here; which way a factor points in a wave is of no matter.
                r, error = float(configural.parameters[number]), float(errors[number])
                if abs(r) < max(_STRANGERS, stats.norm.isf(_ALPHA / 2) * error):
                    unrelated.append(f"{r:.2f} ({factor}, {both})")
            if 2 * len(unrelated) > len(ladder.factors):
                found += unrelated
    if not found:
        return ()
    return (
        f"The same factor correlates r = {', '.join(found)} between waves: are these the same people? `people` must be "
        "ids that belong to a person, not row numbers.",
    )


def _few_answers(ladder: Ladder) -> list[str]:
    """Say which steps items with few answers leave out (Wu & Estabrook, 2016)."""
    binary = [name for name, cuts in zip(ladder.items, ladder.thresholds, strict=False) if cuts == 1]
    three = [name for name, cuts in zip(ladder.items, ladder.thresholds, strict=False) if cuts == 2]
    notes = []
    if binary:
        notes.append(
            f"With two answers ({', '.join(binary)}) thresholds, loadings and intercepts cannot be tested apart: these "
            "items first restrict something in the step intercepts, which tests all three of them."
        )
    if three:
        notes.append(f"With three answers ({', '.join(three)}) equal thresholds restrict nothing.")
    return notes


def _moment_notes(data: _Data) -> tuple[str, ...]:
    """Tell what the correlations of each group suffered from."""
    names = [""] if data.ladder.waves else [f"{name}: " for name in data.ladder.blocks]
    return tuple(f"{name}{note}" for name, moments in zip(names, data.moments, strict=False) for note in moments.notes)


def _improper(steps: Sequence[_Step]) -> tuple[str, ...]:
    notes = []
    for step in steps:
        for parts in step.fit.estimates:
            if np.diag(parts.error_covariance).min() < 0:
                notes.append(f"Step {step.name} has a negative residual variance (Heywood case): read it with caution.")
                break
    return tuple(notes)
