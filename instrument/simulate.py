"""Seeded answers from a population that a file states: for sample data, tests and planning.

The model: a person's true score η on a subscale is the sum of a mean, the gap of their form, the
programme's effect, and normal deviations of organisation, organisation × wave, team, team × wave,
person and occasion. An answer is y* = ± loading × η + wording × w + residual, cut at thresholds.
All of it is normal, so `expected_answers` is exact.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import numpy.typing as npt
import pandas as pd
from pydantic import BaseModel, ConfigDict, Field

from instrument.definition import Instrument, Item, read_instrument
from instrument.responses import Responses

Floats = npt.NDArray[np.float64]
Share = Annotated[float, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Spread = Annotated[float, Field(ge=0)]
Level = Literal["organisation", "organisation_wave", "team", "team_wave", "person", "occasion"]

# Stands for the form in `missing.dont_know` and `missing.does_not_apply` where a questionnaire has no forms.
_EVERYONE = "everyone"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Design(_Table):
    """How many of each, and who takes part in the programme."""

    organisations: Count
    teams: Count
    programme_share: Share
    people_first: Count
    people_second: Count
    people_both: Annotated[int, Field(ge=0)]
    team_size_sd: Spread


class Promoted(_Table):
    """People who change their form between the waves."""

    source: str = Field(alias="from")
    to: str
    share: Share


class Correlation(_Table):
    """Between the subscales, at every level."""

    between: Share
    within_phase: Share


class Measurement(_Table):
    """How an answer follows from η."""

    loading_facilitator: float
    loading_barrier: float
    wording: float
    thresholds: list[float]
    barrier_location: float
    location_sd: Spread
    loading_sd: Spread
    item_seed: int


class Missing(_Table):
    """Blanks and answers beside the scale."""

    blank: Share
    stops_early: Share
    does_not_apply: dict[str, Share] = {}
    dont_know: dict[str, dict[str, Share]] = {}


class Careless(_Table):
    """Kinds of careless response, as shares of all responses."""

    straight_line: Share
    random: Share
    middle: Share


class Ratings(_Table):
    """Latent correlations of the single ratings with what they should follow."""

    importance_with_gap: float
    difficulty_mean: float
    global_with_integration: float
    satisfaction_with_integration: float
    anchor_with_change: float


class Codes(_Table):
    """The self-made code and its errors."""

    errors: list[Share]
    unknown: Share
    blank: Share
    shared: Share
    letters: dict[str, dict[str, float]]


class OpenTexts(_Table):
    """Invented answers to the open questions."""

    share: Share
    open1: list[str] = []
    open2: list[str] = []


class Population(_Table):
    """A population, as its file states it."""

    instrument: str
    design: Design
    forms: dict[str, Share] = {}
    promoted: Promoted | None = None
    variance: dict[Level, Spread]
    correlation: Correlation
    measurement: Measurement
    mean: dict[str, float]
    gap: dict[str, dict[str, float]] = {}
    effect: dict[str, float] = {}
    effect_by_facet: dict[str, float] = {}
    missing: Missing
    careless: Careless
    ratings: Ratings | None = None
    codes: Codes | None = None
    background: dict[str, dict[str, float]] = {}
    open_texts: OpenTexts | None = None


def read_population(path: str | Path) -> Population:
    """Read a population from TOML; pydantic's message names every key that is wrong.

    ``instrument`` is a name that ships with the package, or a path from the folder of this file.
    """
    with Path(path).open("rb") as file:
        population = Population.model_validate(tomllib.load(file))
    beside = Path(path).parent / population.instrument
    return population.model_copy(update={"instrument": str(beside)}) if beside.is_file() else population


def without_effect(population: Population) -> Population:
    """Return the same population in which the programme does nothing."""
    return population.model_copy(update={"effect": {}, "effect_by_facet": {}})


def simulate(
    population: Population | Mapping[str, Any] | str | Path,
    *,
    seed: int,
    instrument: Instrument | None = None,
) -> dict[str, Responses]:
    """Draw answers before and after from a stated population.

    Parameters
    ----------
    population : Population, mapping or path
        See ``sample_data/population.toml``.
    seed : int
        The same seed gives the same answers.
    instrument : Instrument, optional
        Default: the one that the population names.

    Returns
    -------
    dict
        ``"baseline"`` and ``"followup"`` → `Responses`. In ``people``, ``person`` is the true person
        in both, and ``careless`` the true kind of careless response (missing for attentive ones);
        files of sample data hold neither.

    Raises
    ------
    ValueError
        If the population contradicts itself or names what its questionnaire has not; the message
        names every fault.

    Examples
    --------
    >>> waves = simulate("sample_data/population.toml", seed=1)
    >>> {name: len(responses.answers) for name, responses in waves.items()}
    {'baseline': 900, 'followup': 700}
    """
    stated = _as_population(population)
    instrument = instrument or read_instrument(stated.instrument)
    _refuse_contradictions(stated, instrument)
    rng = np.random.default_rng(seed)
    people = _draw_people(stated, rng)
    deviations = _draw_deviations(stated, instrument, people, rng)
    wording = rng.standard_normal(len(people))
    traits = {wave: _traits(stated, instrument, people, deviations, wave) for wave in (1, 2)}
    codes = _draw_codes(stated, people, rng)
    waves = {}
    for name, wave in (("baseline", 1), ("followup", 2)):
        rows = np.flatnonzero(people[f"in_{wave}"])
        waves[name] = _draw_wave(stated, instrument, people, traits, wording, codes, wave, rows, rng, name)
    return waves


@dataclass(frozen=True)
class _ItemModel:
    """Per item: signed loading on η, location, wording loading; the thresholds are shared."""

    loading: Floats
    location: Floats
    wording: float
    thresholds: Floats

    @property
    def residual_sd(self) -> Floats:
        return np.sqrt(1 - self.loading**2 - self.wording**2)


def item_model(population: Population, instrument: Instrument) -> _ItemModel:
    """Return the measurement model of every item, as the population states it."""
    stated = population.measurement
    rng = np.random.default_rng(stated.item_seed)
    reverse = np.array([item.reverse for item in instrument.items])
    loading = np.where(reverse, stated.loading_barrier, stated.loading_facilitator)
    loading = loading + stated.loading_sd * rng.uniform(-1, 1, len(loading))
    location = np.where(reverse, stated.barrier_location, 0.0) + stated.location_sd * rng.standard_normal(len(loading))
    return _ItemModel(np.where(reverse, -loading, loading), location, stated.wording, np.array(stated.thresholds))


def expected_answers(population: Population, instrument: Instrument, *, form: str | None, treated: bool) -> pd.Series:
    """Return each item's expected raw answer among attentive people, exactly.

    ``treated`` is after the programme; before it, and without it, nothing changes. y* is normal with
    variance 1, so P(answer ≥ k) = Φ(mean − threshold k).
    """
    from scipy.stats import norm

    model = item_model(population, instrument)
    eta = np.array([_eta_mean(population, item, form, treated) for item in instrument.items])
    mean = model.loading * eta + model.location
    lowest = np.array([instrument.response_scales[item.scale].low for item in instrument.items])
    above = norm.cdf(mean[:, None] - model.thresholds[None, :]).sum(axis=1)
    return pd.Series(lowest + above, index=list(instrument.items.ids))


def _refuse_contradictions(population: Population, instrument: Instrument) -> None:
    faults = [
        *_unknown_names(population, instrument),
        *_design_faults(population),
        *_model_faults(population, instrument),
    ]
    if faults:
        raise ValueError(f"this population does not fit {instrument.id}:\n" + "\n".join(faults))


def _unknown_names(population: Population, instrument: Instrument) -> list[str]:
    """Return a line for each table that names something the questionnaire has not."""
    subscales = {subscale.id for subscale in instrument.subscales}
    forms = set(instrument.forms.ids) or {_EVERYONE}
    closed = {
        question.id: question.scale for question in instrument.questions if question.scale and not question.multiple
    }
    missing = population.missing
    tables: list[tuple[str, Iterable[str], set[str]]] = [
        ("mean", population.mean, subscales),
        ("effect", population.effect, subscales),
        (
            "effect_by_facet",
            population.effect_by_facet,
            {f"{item.subscale}{item.facet}" for item in instrument.items if item.facet},
        ),
        ("forms", population.forms, set(instrument.forms.ids)),
        ("gap", population.gap, set(instrument.forms.ids)),
        ("missing.does_not_apply", missing.does_not_apply, forms),
        ("missing.dont_know", missing.dont_know, forms),
        *((f"gap.{form}", gaps, subscales | {"default"}) for form, gaps in population.gap.items()),
        *((f"missing.dont_know.{form}", of, subscales | {"default"}) for form, of in missing.dont_know.items()),
        ("background", population.background, set(closed)),
        *(
            (f"background.{name}", weights, {str(code) for code in instrument.response_scales[closed[name]].labels})
            for name, weights in population.background.items()
            if name in closed
        ),
    ]
    if population.promoted is not None:
        promoted = population.promoted
        tables.append(("promoted", (promoted.source, promoted.to), set(population.forms)))
    if population.codes is not None:
        tables.append(("codes.letters", population.codes.letters, set(instrument.questions.ids)))
    return [
        f"[{table}]: {', '.join(unknown)} unknown; allowed: {', '.join(sorted(known)) or 'nothing'}"
        for table, names, known in tables
        if (unknown := [name for name in names if name not in known])
    ]


def _design_faults(population: Population) -> list[str]:
    design, faults = population.design, []
    if design.teams < design.organisations:
        faults.append(
            f"[design]: {design.teams} teams cannot fill {design.organisations} organisations; give each at least one"
        )
    if design.people_both > min(design.people_first, design.people_second):
        faults.append(
            f"[design]: people_both = {design.people_both} is more than people_first = {design.people_first} or "
            f"people_second = {design.people_second}; make it at most the smaller one"
        )
    careless = sum(population.careless.model_dump().values())
    if careless > 1:
        faults.append(f"[careless]: the shares add up to {careless:g}; make them at most 1 together")
    if population.codes is not None and len(population.codes.errors) != len(population.codes.letters):
        faults.append(
            f"[codes]: {len(population.codes.errors)} errors for {len(population.codes.letters)} elements; give one each"
        )
    return faults


def _model_faults(population: Population, instrument: Instrument) -> list[str]:
    faults = []
    if instrument.forms and not population.forms:
        faults.append(f"[forms]: needed; give the share of each of {', '.join(instrument.forms.ids)}")
    total = sum(population.variance.values())
    if not np.isclose(total, 1):
        faults.append(f"[variance]: the parts add up to {total:g}; make them add up to 1, the variance of η")
    if np.linalg.eigvalsh(_correlation(population, instrument))[0] <= 0:
        faults.append("[correlation]: no such correlation matrix exists; bring between and within_phase closer")
    thresholds = population.measurement.thresholds
    if thresholds != sorted(set(thresholds)):
        faults.append("[measurement]: thresholds must ascend")
    for scale in sorted({item.scale for item in instrument.items}):
        codes = instrument.response_scales[scale].codes
        if len(codes) != len(thresholds) + 1:
            faults.append(
                f"[measurement]: {len(thresholds)} thresholds make {len(thresholds) + 1} answers, but the response "
                f"scale {scale} has {len(codes)}; give {len(codes) - 1}"
            )
    model = item_model(population, instrument)
    too_much = (model.loading**2 + model.wording**2) >= 1
    if too_much.any():
        named = ", ".join(name for name, is_too_much in zip(instrument.items.ids, too_much, strict=True) if is_too_much)
        faults.append(
            f"[measurement]: loading² + wording² must be below 1, the variance of an answer; not so for {named}"
        )
    return faults


def _as_population(population: Population | Mapping[str, Any] | str | Path) -> Population:
    if isinstance(population, Population):
        return population
    if isinstance(population, Mapping):
        return Population.model_validate(population)
    return read_population(population)


def _eta_mean(population: Population, item: Item, form: str | None, treated: bool) -> float:
    mean = population.mean.get(item.subscale, 0.0)
    gaps = population.gap.get(form or "", {})
    mean += gaps.get(item.subscale, gaps.get("default", 0.0))
    return mean + (_effect(population, item) if treated else 0.0)


def _effect(population: Population, item: Item) -> float:
    by_subscale = population.effect.get(item.subscale, 0.0)
    return population.effect_by_facet.get(f"{item.subscale}{item.facet or ''}", by_subscale)


def _draw_people(population: Population, rng: np.random.Generator) -> pd.DataFrame:
    """Return everyone: organisation, team, programme, form at each wave, and in which waves."""
    design = population.design
    everyone = design.people_first + design.people_second - design.people_both
    team_organisation = np.concatenate(
        [
            np.arange(design.organisations),
            rng.integers(0, design.organisations, design.teams - design.organisations),
        ]
    )
    sizes = np.exp(design.team_size_sd * rng.standard_normal(design.teams))
    team = np.sort(rng.choice(design.teams, size=everyone, p=sizes / sizes.sum()))
    organisation = np.sort(team_organisation)[team]
    takes_part = np.zeros(design.organisations, dtype=int)
    takes_part[rng.permutation(design.organisations)[: round(design.programme_share * design.organisations)]] = 1
    in_both, only_first = design.people_both, design.people_first - design.people_both
    kind = rng.permutation(np.repeat([0, 1, 2], [in_both, only_first, everyone - in_both - only_first]))
    people = pd.DataFrame(
        {
            "organisation": organisation,
            "team": team,
            "programme": takes_part[organisation],
            "in_1": kind != 2,
            "in_2": kind != 1,
        }
    )
    if population.forms:
        shares = np.array(list(population.forms.values()))
        form = rng.choice(list(population.forms), size=everyone, p=shares / shares.sum())
        later = form.copy()
        if population.promoted is not None:
            moves = (form == population.promoted.source) & (rng.random(everyone) < population.promoted.share)
            later[moves] = population.promoted.to
        people["form_1"], people["form_2"] = form, later
    return people


def _draw_deviations(
    population: Population, instrument: Instrument, people: pd.DataFrame, rng: np.random.Generator
) -> dict[int, Floats]:
    """Return wave → person × subscale: the sum of the normal deviations of η at all levels."""
    root = np.linalg.cholesky(_correlation(population, instrument))
    sizes: dict[str, int] = {
        "organisation": population.design.organisations,
        "team": population.design.teams,
        "person": len(people),
    }

    def draw(level: Level, size: int) -> Floats:
        deviations = rng.standard_normal((size, len(root))) @ root.T
        return np.asarray(np.sqrt(population.variance.get(level, 0.0)) * deviations)

    organisation = people["organisation"].to_numpy()
    team = people["team"].to_numpy()
    lasting = draw("organisation", sizes["organisation"])[organisation]
    lasting = lasting + draw("team", sizes["team"])[team] + draw("person", sizes["person"])
    return {
        wave: lasting
        + draw("organisation_wave", sizes["organisation"])[organisation]
        + draw("team_wave", sizes["team"])[team]
        + draw("occasion", sizes["person"])
        for wave in (1, 2)
    }


def _correlation(population: Population, instrument: Instrument) -> Floats:
    phase = np.array([subscale.phase or "" for subscale in instrument.subscales])
    same = phase[:, None] == phase[None, :]
    correlation = np.where(same, population.correlation.within_phase, population.correlation.between)
    np.fill_diagonal(correlation, 1.0)
    return correlation


def _traits(
    population: Population,
    instrument: Instrument,
    people: pd.DataFrame,
    deviations: dict[int, Floats],
    wave: int,
) -> Floats:
    """Return person × item: η of the item's subscale at a wave, with gaps and effects."""
    forms = people[f"form_{wave}"].to_numpy() if population.forms else np.full(len(people), "")
    treated = (people["programme"].to_numpy() == 1) & (wave == 2)
    position = {subscale.id: number for number, subscale in enumerate(instrument.subscales)}
    eta = deviations[wave][:, [position[item.subscale] for item in instrument.items]].copy()
    for form in np.unique(forms):
        for arm in (False, True):
            rows = (forms == form) & (treated == arm)
            eta[rows] += [_eta_mean(population, item, str(form) or None, arm) for item in instrument.items]
    return eta


def _draw_wave(
    population: Population,
    instrument: Instrument,
    people: pd.DataFrame,
    traits: dict[int, Floats],
    wording: Floats,
    codes: dict[int, pd.DataFrame],
    wave: int,
    rows: npt.NDArray[np.int_],
    rng: np.random.Generator,
    name: str,
) -> Responses:
    index = pd.Index([f"{name}:{row + 2}" for row in range(len(rows))], name="response")
    categories = _draw_categories(population, instrument, traits[wave][rows], wording[rows], rng)
    careless = _careless(population, categories, rng)
    background = pd.DataFrame(index=index)
    background["person"] = [f"p{row + 1:04d}" for row in rows]
    background["wave"] = wave
    if population.forms:
        background["form"] = people[f"form_{wave}"].to_numpy()[rows]
    background["organisation"] = [f"org{number + 1:02d}" for number in people["organisation"].to_numpy()[rows]]
    background["team"] = [f"team{number + 1:02d}" for number in people["team"].to_numpy()[rows]]
    background["programme"] = pd.array(people["programme"].to_numpy()[rows], dtype="Int64")
    forms = background["form"].to_numpy() if population.forms else np.full(len(rows), _EVERYONE)
    unanswered, reasons = _draw_missing(population, instrument, forms, rng)
    answers, off_scale = {}, {}
    for position, item in enumerate(instrument.items):
        codes_of_item = np.array(instrument.response_scales[item.scale].codes, dtype=np.int64)
        answers[item.id] = pd.arrays.IntegerArray(codes_of_item[categories[:, position]], unanswered[:, position])
        off_scale[item.id] = pd.array(reasons[:, position], dtype="string")
    others = _draw_questions(population, instrument, background, traits, rows, wave, rng)
    coded = codes[wave].iloc[rows].set_axis(index) if codes else pd.DataFrame(index=index)
    background = pd.concat([background, others, coded], axis=1)
    background["careless"] = pd.array(careless, dtype="string")
    return Responses(
        instrument=instrument,
        answers=pd.DataFrame(answers, index=index),
        people=background,
        off_scale=pd.DataFrame(off_scale, index=index),
        ledger=pd.DataFrame(),
    )


def _draw_categories(
    population: Population, instrument: Instrument, eta: Floats, wording: Floats, rng: np.random.Generator
) -> npt.NDArray[np.int_]:
    """Return person × item: the position of each answer on its response scale, 0 the lowest."""
    model = item_model(population, instrument)
    continuous = (
        model.location
        + eta * model.loading
        + model.wording * wording[:, None]
        + model.residual_sd * rng.standard_normal(eta.shape)
    )
    return np.asarray((continuous[:, :, None] > model.thresholds).sum(axis=2))


def _careless(population: Population, categories: npt.NDArray[np.int_], rng: np.random.Generator) -> list[str | None]:
    """Overwrite some rows of `categories` in place; return the kind of each row."""
    shares = {kind: float(share) for kind, share in population.careless.model_dump().items()}
    kinds = rng.choice([*shares, ""], size=len(categories), p=[*shares.values(), 1 - sum(shares.values())])
    count, items = len(population.measurement.thresholds) + 1, categories.shape[1]
    for row in np.flatnonzero(kinds != ""):
        if kinds[row] == "straight_line":
            categories[row] = rng.choice(count, p=_ends(count))
        elif kinds[row] == "random":
            categories[row] = rng.choice(count, size=items)
        else:
            categories[row] = np.where(rng.random(items) < 0.85, count // 2, rng.choice(count, items))
    return [kind or None for kind in kinds.tolist()]


def _ends(count: int) -> Floats:
    """Return chances of the answers for a straight line: the more agreement, the likelier."""
    weights = np.arange(1, count + 1, dtype=float)
    return np.asarray(weights / weights.sum())


def _draw_missing(
    population: Population, instrument: Instrument, forms: npt.NDArray[Any], rng: np.random.Generator
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.object_]]:
    """Return person × item: whether there is no answer on the scale, and the reason where one was given."""
    stated = population.missing
    shape = (len(forms), len(instrument.items))
    chance, draw = np.zeros(shape), rng.random(shape)
    unasked = np.zeros(shape, dtype=bool)
    for form in set(forms):
        known = stated.dont_know.get(str(form), {})
        chance[forms == form] = [known.get(item.subscale, known.get("default", 0.0)) for item in instrument.items]
        unasked[forms == form] = [bool(population.forms) and form not in item.forms for item in instrument.items]
    apply = np.array([stated.does_not_apply.get(str(form), 0.0) for form in forms])[:, None]
    blank = rng.random(shape) < stated.blank
    stops = rng.random(shape[0]) < stated.stops_early
    last = rng.integers(shape[1] // 4, shape[1], size=shape[0])
    blank |= stops[:, None] & (np.arange(shape[1])[None, :] > last[:, None])
    reasons = np.full(shape, None, dtype=object)
    for reason, where in (
        ("dont_know", draw < chance),
        ("does_not_apply", (draw >= chance) & (draw < chance + apply)),
    ):
        offered = [
            any(off.reason == reason for off in instrument.response_scales[item.scale].off_scale)
            for item in instrument.items
        ]
        reasons[where & np.array(offered) & ~blank & ~unasked] = reason
    return blank | unasked | (reasons != None), reasons  # noqa: E711 (element by element)


def _draw_codes(population: Population, people: pd.DataFrame, rng: np.random.Generator) -> dict[int, pd.DataFrame]:
    """Return wave → person × element: the self-made code, with its errors, blanks and collisions."""
    stated = population.codes
    if stated is None:
        return {}
    elements = list(stated.letters)
    weights = [np.array(list(letters.values())) for letters in stated.letters.values()]
    alphabets = [np.array(list(letters), dtype=object) for letters in stated.letters.values()]

    def draw() -> npt.NDArray[np.object_]:
        return np.column_stack(
            [rng.choice(a, size=len(people), p=w / w.sum()) for a, w in zip(alphabets, weights, strict=True)]
        )

    true = draw()
    organisation = people["organisation"].to_numpy()
    for person in np.flatnonzero(rng.random(len(people)) < stated.shared):
        others = np.flatnonzero(organisation == organisation[person])
        true[person] = true[rng.choice(others)]
    true = np.where(rng.random(true.shape) < stated.unknown, "X", true)
    later = np.where(rng.random(true.shape) < np.array(stated.errors), draw(), true)
    waves = {}
    for wave, code in ((1, true), (2, later)):
        frame = pd.DataFrame(code, columns=elements, dtype="string")
        frame.loc[rng.random(len(people)) < stated.blank, :] = pd.NA
        waves[wave] = frame
    return waves


def _draw_questions(
    population: Population,
    instrument: Instrument,
    background: pd.DataFrame,
    traits: dict[int, Floats],
    rows: npt.NDArray[np.int_],
    wave: int,
    rng: np.random.Generator,
) -> pd.DataFrame:
    """Return the answers to everything that is not an item."""
    columns: dict[str, Any] = {}
    integration = _standardised(traits[wave][rows].mean(axis=1))
    change = _standardised((traits[2] - traits[1])[rows].mean(axis=1))
    for question in instrument.questions:
        if question.asked == "off" or (question.asked == "follow-up" and wave == 1) or question.multiple:
            continue
        values = _draw_question(population, instrument, question.id, integration, change, traits[wave][rows], rng)
        if values is None:
            continue
        asks = np.ones(len(rows), dtype=bool)
        if population.forms:
            asks = background["form"].isin(question.forms).to_numpy()
        columns[question.id] = pd.Series(values, index=background.index).where(asks)
    return pd.DataFrame(columns, index=background.index)


def _draw_question(
    population: Population,
    instrument: Instrument,
    name: str,
    integration: Floats,
    change: Floats,
    eta: Floats,
    rng: np.random.Generator,
) -> Any:
    """Return the answers to one question, or None where the population says nothing of it."""
    question = instrument.questions[name]
    stated, size = population.ratings, len(integration)
    if name in population.background:
        weights = np.array(list(population.background[name].values()))
        return pd.array(
            rng.choice([int(c) for c in population.background[name]], size=size, p=weights / weights.sum()),
            dtype="Int64",
        )
    if question.role == "open" and population.open_texts is not None:
        texts = getattr(population.open_texts, name, [])
        drawn = rng.choice(np.array([*texts, ""], dtype=object), size=size) if texts else np.full(size, "")
        drawn = np.where(rng.random(size) < population.open_texts.share, drawn, "")
        return pd.array([text or None for text in drawn.tolist()], dtype="string")
    if stated is None or question.scale is None or question.role in ("background", "exposure", "system"):
        return None
    codes = np.array(instrument.response_scales[question.scale].codes)
    target, weight, shift = integration, stated.global_with_integration, 0.0
    if question.role in ("importance", "difficulty"):
        of_subscale = [i for i, item in enumerate(instrument.items) if item.subscale == question.subscale]
        target = -_standardised(eta[:, of_subscale].mean(axis=1))
        shift = 0.6 if question.role == "importance" else stated.difficulty_mean
        weight = stated.importance_with_gap if question.role == "importance" else 0.0
    elif question.role == "anchor":
        target, weight, shift = change, stated.anchor_with_change, 0.3
    elif name != "global10":
        weight = stated.satisfaction_with_integration
    latent = shift + weight * target + np.sqrt(1 - weight**2) * rng.standard_normal(size)
    cuts = np.linspace(-1.6, 1.6, len(codes) - 1)
    return pd.array(codes[np.searchsorted(cuts, latent)], dtype="Int64")


def _standardised(values: Floats) -> Floats:
    spread = values.std()
    return np.asarray((values - values.mean()) / (spread if spread > 0 else 1.0))
