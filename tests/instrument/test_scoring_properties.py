"""What must hold of keying and scoring whatever the answers are."""

import csv
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from instrument import Instrument, Responses, keyed, read_instrument, read_responses, score

FORMS = ("P", "C", "M", "PS", "CS", "MS")
SHORT_FORMS = ("PS", "CS", "MS")
SUBSCALES = ("role", "indu", "educ", "path", "supv", "reso", "devp", "lead", "voic", "cult", "prac")
COMPOSITES = {
    "preparation": ("role", "indu", "educ"),
    "process": ("path", "supv", "reso", "devp"),
    "culture": ("lead", "voic", "cult", "prac"),
}
MACRO = {"resocf", "resocb", "devpcf", "devpcb", "cultbf", "cultbb"}
NOT_COMMON = ("indua", "supvb", "resob", "devpb")
METRICS = st.sampled_from(["pomp", "mean"])
CHOICES = st.sampled_from(["own", "common", "short"])
# Sums of a few dozen small numbers in another order differ in their last bits; scores lie within ±100.
ROUNDING = 1e-9


@cache
def pwiq() -> Instrument:
    return read_instrument("pwiq")


class Recipe(NamedTuple):
    """How to make random responses; hypothesis draws and prints this instead of whole frames."""

    forms: list[str]
    shares: list[float]
    seed: int


@st.composite
def recipes(draw: st.DrawFn) -> Recipe:
    """Up to six responses, some full, some near the minima, some empty."""
    forms = draw(st.lists(st.sampled_from(FORMS), min_size=1, max_size=6))
    share = st.sampled_from([0.0, 0.5, 0.6, 0.67, 0.75, 0.85, 1.0])
    shares = draw(st.lists(share, min_size=len(forms), max_size=len(forms)))
    return Recipe(forms, shares, draw(st.integers(0, 2**32 - 1)))


def filled_in(recipe: Recipe, *, name: str = "r") -> Responses:
    """Random answers to the items that each form asks; `shares` are the chances that one is given."""
    items, forms = pwiq().items, recipe.forms
    random = np.random.default_rng(recipe.seed)
    codes = random.integers(1, 6, size=(len(forms), len(items)))
    asked = np.array([[form in item.forms for item in items] for form in forms])
    answered = random.random(codes.shape) < np.array(recipe.shares)[:, np.newaxis]
    index = pd.Index([f"{name}{row}" for row in range(len(forms))], name="response")
    answers = pd.DataFrame(codes, index=index, columns=[item.id for item in items]).astype("Int64")
    answers = answers.where(asked & answered)
    people = pd.DataFrame(
        {"person": index, "wave": pd.array([1] * len(forms), dtype="Int64"), "form": forms}, index=index
    )
    off_scale = pd.DataFrame(pd.NA, index=index, columns=answers.columns, dtype="string")
    return Responses(instrument=pwiq(), answers=answers, people=people, off_scale=off_scale, ledger=pd.DataFrame())


def same(got: pd.DataFrame, wanted: pd.DataFrame) -> None:
    pd.testing.assert_frame_equal(got, wanted, check_exact=False, rtol=0, atol=ROUNDING, check_index_type=False)


few = settings(max_examples=25, deadline=None)
fewer = settings(max_examples=8, deadline=None)


@given(recipe=recipes())
@few
def test_reversing_twice_changes_nothing(recipe: Recipe) -> None:
    answered = filled_in(recipe)
    once = keyed(answered).astype("Int64")
    twice = keyed(replace(answered, answers=once)).astype("Int64")
    assert twice.equals(answered.answers)
    wordings = pd.Series({item.id: item.wording for item in answered.instrument.items})
    barriers = answered.answers.loc[:, wordings == "barrier"]
    facilitators = answered.answers.loc[:, wordings == "facilitator"]
    assert barriers.shape[1] == facilitators.shape[1] == 33
    assert once[barriers.columns].equals(6 - barriers)
    assert once[facilitators.columns].equals(facilitators)


@given(recipe=recipes(), metric=METRICS, items=CHOICES, order=st.randoms(use_true_random=False))
@few
def test_row_order_changes_nothing(recipe: Recipe, metric: Any, items: Any, order: Any) -> None:
    answered = filled_in(recipe)
    rows = list(answered.answers.index)
    order.shuffle(rows)
    moved = replace(
        answered,
        answers=answered.answers.loc[rows],
        people=answered.people.loc[rows],
        off_scale=answered.off_scale.loc[rows],
    )
    same(score(moved, metric=metric, items=items), score(answered, metric=metric, items=items).loc[rows])
    assert keyed(moved).equals(keyed(answered).loc[rows])


def write(path: Path, answered: Responses, columns: list[str]) -> Path:
    table = answered.people[["person", "form", "wave"]].join(answered.answers)[columns]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(columns)
        writer.writerows([["" if pd.isna(cell) else cell for cell in row] for row in table.to_numpy(dtype=object)])
    return path


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("columns")


@given(recipe=recipes(), metric=METRICS, items=CHOICES, order=st.randoms(use_true_random=False))
@fewer
def test_column_order_of_the_file_changes_nothing(
    folder: Path, recipe: Recipe, metric: Any, items: Any, order: Any
) -> None:
    answered = filled_in(recipe)
    columns = ["person", "form", "wave", *answered.answers.columns]
    shuffled = list(columns)
    order.shuffle(shuffled)
    straight = read_responses(write(folder / "answers.csv", answered, columns), pwiq())
    moved = read_responses(write(folder / "answers.csv", answered, shuffled), pwiq())
    same(score(moved, metric=metric, items=items), score(straight, metric=metric, items=items))
    by_person = score(answered, metric=metric, items=items).set_axis(answered.people["person"], axis=0)
    read_back = score(straight, metric=metric, items=items).set_axis(straight.people["person"], axis=0)
    same(read_back, by_person.loc[read_back.index])


@given(recipe=recipes(), items=CHOICES)
@few
def test_scores_stay_in_range_and_the_metrics_agree(recipe: Recipe, items: Any) -> None:
    answered = filled_in(recipe)
    pomp = score(answered, metric="pomp", items=items)
    mean = score(answered, metric="mean", items=items)

    def within(frame: pd.DataFrame, low: float, high: float) -> bool:
        return bool((frame.isna() | ((frame >= low - ROUNDING) & (frame <= high + ROUNDING))).all(axis=None))

    plain = [name for name in pomp.columns if name not in ("balance", "acquiescence")]
    assert within(pomp[plain], 0, 100)
    assert within(pomp[["balance"]], -100, 100)
    assert within(mean[plain], 1, 5)
    assert within(mean[["balance"]], -4, 4)
    for scores in (pomp, mean):
        assert within(scores[["acquiescence"]], -2, 2)
    same(pomp[plain], (mean[plain] - 1) * 25)
    same(pomp[["balance"]], mean[["balance"]] * 25)
    same(pomp[["acquiescence"]], mean[["acquiescence"]])


def enough(answered: set[str], items: list[str]) -> bool:
    """Two thirds of the items, rounded up, and both wordings."""
    valid = answered & set(items)
    return (
        3 * len(valid) >= 2 * len(items)
        and any(item.endswith("f") for item in valid)
        and any(item.endswith("b") for item in valid)
    )


def scored(answered: set[str], form: str, choice: str) -> set[str]:
    """Names of the scores that these answered items are enough for."""
    by_short_rules = choice == "short" or form in SHORT_FORMS
    asked = [item.id for item in pwiq().items if form in item.forms]
    if choice == "short":
        asked = [item.id for item in pwiq().items if item.short_form]
    elif choice == "common":
        asked = [item for item in asked if not item.startswith(NOT_COMMON)]
    valid = answered & set(asked)
    indexed = {item for item in valid if not item.startswith(NOT_COMMON)}
    facilitators = sum(item.endswith("f") for item in indexed)
    barriers = sum(item.endswith("b") for item in indexed)
    least = 9 if by_short_rules else 20
    names = set()
    if by_short_rules:
        for composite, parts in COMPOSITES.items():
            if enough(valid, [item for item in asked if item[:4] in parts]):
                names.add(composite)
        if facilitators >= 9 and barriers >= 9:
            names.add("integration")
    else:
        present = {name for name in SUBSCALES if enough(valid, [item for item in asked if item[:4] == name])}
        names |= present
        names |= {
            composite for composite, parts in COMPOSITES.items() if 3 * len(present & set(parts)) >= 2 * len(parts)
        }
        if len(present) >= 9:
            names.add("integration")
        if enough(valid, sorted(MACRO)):
            names.add("macro")
    if facilitators >= least:
        names.add("facilitator_index")
    if barriers >= least:
        names.add("barrier_index")
    if facilitators >= least and barriers >= least:
        names |= {"balance", "acquiescence"}
    return names


@given(recipe=recipes(), metric=METRICS, items=CHOICES)
@few
def test_a_score_is_missing_if_and_only_if_it_is_below_its_minimum(recipe: Recipe, metric: Any, items: Any) -> None:
    answered = filled_in(recipe)
    scores = score(answered, metric=metric, items=items)
    for response, answers in answered.answers.iterrows():
        present = scores.loc[response]
        form = answered.people.loc[response, "form"]
        wanted = scored(set(answers.dropna().index), form, items)
        assert set(present.index[present.notna()]) == wanted, (response, form)


@given(recipe=recipes(), form=st.sampled_from(FORMS), metric=METRICS, items=CHOICES)
@few
def test_a_blank_response_changes_no_other(recipe: Recipe, form: str, metric: Any, items: Any) -> None:
    answered = filled_in(recipe)
    blank = filled_in(Recipe([form], [0.0], 0), name="blank")
    more = replace(
        answered,
        answers=pd.concat([answered.answers, blank.answers]),
        people=pd.concat([answered.people, blank.people]),
        off_scale=pd.concat([answered.off_scale, blank.off_scale]),
    )
    scores = score(more, metric=metric, items=items)
    same(scores.drop(index="blank0"), score(answered, metric=metric, items=items))
    assert scores.loc["blank0"].isna().all()


@given(recipe=recipes(), metric=METRICS)
@few
def test_scoring_leaves_its_input_alone(recipe: Recipe, metric: Any) -> None:
    answered = filled_in(recipe)
    answers, people = answered.answers.copy(), answered.people.copy()
    score(answered, metric=metric)
    keyed(answered)
    assert answered.answers.equals(answers)
    assert answered.people.equals(people)
