"""The golden respondents, worked out a second time from the published scoring rules alone.

Everything above the tests is written from the rules as they are printed, in exact fractions. It reads
neither the scoring code nor the rules in the definition, so a fault in either shows here.
"""

import csv
from collections.abc import Callable, Collection, Iterable, Sequence
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Literal

import pandas as pd
import pytest

import instrument
from instrument import Responses, keyed, read_instrument, read_responses, score

GOLDEN = Path(str(instrument.__file__)).parent / "pwiq" / "golden.csv"

SUBSCALES = ("role", "indu", "educ", "path", "supv", "reso", "devp", "lead", "voic", "cult", "prac")
ITEMS = tuple(
    subscale + facet + wording for subscale in SUBSCALES for facet in ("a", "b", "c") for wording in ("f", "b")
)
# Non-peer colleagues cannot see these four facets; what is left is common to all forms.
NOT_ASKED_OF_COLLEAGUES = ("indua", "supvb", "resob", "devpb")
COMMON = tuple(item for item in ITEMS if item[:5] not in NOT_ASKED_OF_COLLEAGUES)
SHORT = (
    "roleaf",
    "rolecb",
    "indubf",
    "inducb",
    "educbf",
    "educcb",
    "pathaf",
    "pathcb",
    "supvab",
    "supvcf",
    "resoaf",
    "resocb",
    "devpaf",
    "devpcb",
    "leadaf",
    "leadbb",
    "voicab",
    "voicbf",
    "cultaf",
    "cultbb",
    "pracbb",
    "praccf",
)
MACRO = ("resocf", "resocb", "devpcf", "devpcb", "cultbf", "cultbb")
COMPOSITES = {
    "preparation": ("role", "indu", "educ"),
    "process": ("path", "supv", "reso", "devp"),
    "culture": ("lead", "voic", "cult", "prac"),
}
ASKED = {"P": ITEMS, "C": COMMON, "M": ITEMS, "PS": SHORT, "CS": SHORT, "MS": SHORT}
SHORT_FORMS = ("PS", "CS", "MS")
OFF_SCALE = {"97", "98", "99"}
SCORES = (
    *SUBSCALES,
    *("preparation", "process", "culture", "macro"),
    *("facilitator_index", "barrier_index", "integration", "balance", "acquiescence"),
)

Scores = dict[str, Fraction | None]
Metric = Literal["pomp", "mean"]


def two_thirds(count: int) -> int:
    """Two thirds of `count`, rounded up, in whole numbers: 4 of 6, 3 of 4, 2 of 3, 20 of 29, 6 of 8."""
    return -(-2 * count // 3)


def mean(values: Collection[int | Fraction]) -> Fraction:
    return Fraction(sum(values), len(values))


def facilitators(answers: dict[str, int], items: Iterable[str]) -> list[int]:
    return [answers[item] for item in items if item.endswith("f") and item in answers]


def barriers(answers: dict[str, int], items: Iterable[str]) -> list[int]:
    return [answers[item] for item in items if item.endswith("b") and item in answers]


def balanced_mean(answers: dict[str, int], items: Sequence[str]) -> Fraction | None:
    """The subscale rule: the mean of mean F and mean reversed B, from two thirds of the items on."""
    facilitator, barrier = facilitators(answers, items), barriers(answers, items)
    if len(facilitator) + len(barrier) < two_thirds(len(items)) or not facilitator or not barrier:
        return None
    return (mean(facilitator) + mean([6 - answer for answer in barrier])) / 2


def mean_of_present(values: Iterable[Fraction | None], least: int) -> Fraction | None:
    present = [value for value in values if value is not None]
    return mean(present) if len(present) >= least else None


def indexes(answers: dict[str, int], items: Sequence[str], least_f: int, least_b: int) -> Scores:
    facilitator, barrier = facilitators(answers, items), barriers(answers, items)
    f = mean(facilitator) if len(facilitator) >= least_f else None
    b = mean(barrier) if len(barrier) >= least_b else None
    scores: Scores = {"facilitator_index": f, "barrier_index": b, "balance": None, "acquiescence": None}
    if f is not None and b is not None:
        scores |= {"balance": f - b, "acquiescence": (f + b) / 2 - 3}
    return scores


def full_scores(answers: dict[str, int], items: Sequence[str]) -> Scores:
    """Scores on the 1 to 5 metric from `items`, which a full form asks."""
    scores: Scores = {}
    for subscale in SUBSCALES:
        own = [item for item in items if item[:4] == subscale]
        scores[subscale] = balanced_mean(answers, own) if own else None
    for composite, parts in COMPOSITES.items():
        scores[composite] = mean_of_present((scores[part] for part in parts), two_thirds(len(parts)))
    scores["integration"] = mean_of_present((scores[subscale] for subscale in SUBSCALES), 9)
    scores["macro"] = balanced_mean(answers, [item for item in MACRO if item in items])
    common = [item for item in items if item in COMMON]
    least_f = two_thirds(sum(item.endswith("f") for item in common))
    least_b = two_thirds(sum(item.endswith("b") for item in common))
    return scores | indexes(answers, common, least_f, least_b)


def short_scores(answers: dict[str, int]) -> Scores:
    """Scores on the 1 to 5 metric from the 22 items of the short forms."""
    scores: Scores = dict.fromkeys((*SUBSCALES, "macro"))
    for composite, parts in COMPOSITES.items():
        scores[composite] = balanced_mean(answers, [item for item in SHORT if item[:4] in parts])
    facilitator, barrier = facilitators(answers, SHORT), barriers(answers, SHORT)
    enough = len(facilitator) >= 9 and len(barrier) >= 9
    scores["integration"] = (mean(facilitator) + mean([6 - answer for answer in barrier])) / 2 if enough else None
    return scores | indexes(answers, SHORT, 9, 9)


def own_scores(form: str, answers: dict[str, int]) -> Scores:
    return short_scores(answers) if form in SHORT_FORMS else full_scores(answers, ASKED[form])


def common_scores(form: str, answers: dict[str, int]) -> Scores:
    """Full forms on the 58 items; a short form asks nothing but common items and keeps its own rules."""
    return short_scores(answers) if form in SHORT_FORMS else full_scores(answers, COMMON)


def in_metric(name: str, value: Fraction | None, metric: Metric) -> float:
    if value is None:
        return float("nan")
    if metric == "mean" or name == "acquiescence":
        return float(value)
    return float(value / 4 * 100) if name == "balance" else float((value - 1) / 4 * 100)


@cache
def golden() -> tuple[dict[str, str], ...]:
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        return tuple(csv.DictReader(file))


def valid_answers(row: dict[str, str]) -> dict[str, int]:
    """The answers on the scale to the items that the form asks: off-scale codes and blanks are none."""
    return {item: int(row[item]) for item in ASKED[row["form"]] if row[item] not in OFF_SCALE | {""}}


def stored(row: dict[str, str], column: str) -> float:
    return float(row[column]) if row[column] else float("nan")


def differs(got: float, wanted: float, tolerance: float) -> bool:
    if pd.isna(got) or pd.isna(wanted):
        return bool(pd.isna(got)) != bool(pd.isna(wanted))
    return abs(got - wanted) > tolerance


@pytest.fixture(scope="module")
def responses() -> Responses:
    return read_responses(GOLDEN, read_instrument("pwiq"))


def disagreements(
    got: pd.DataFrame,
    people: pd.DataFrame,
    metric: Metric,
    rule: Callable[[str, dict[str, int]], Scores],
    *,
    forms: Collection[str] = tuple(ASKED),
    names: Collection[str] = SCORES,
) -> list[str]:
    """Compare the package's scores with `rule`; a line for each that is not the same to 1e-9.

    The tolerance allows for sums of at most 33 doubles below 6, taken in any order and then
    multiplied by 25: the error is under 1e-12.
    """
    by_person = got.set_axis(people.loc[got.index, "person"], axis=0)
    lines = []
    for row in golden():
        if row["form"] not in forms:
            continue
        wanted = rule(row["form"], valid_answers(row))
        for name in names:
            value = in_metric(name, wanted[name], metric)
            if differs(by_person.loc[row["person"], name], value, 1e-9):
                lines.append(
                    f"{row['person']} ({row['form']}) {name}: {by_person.loc[row['person'], name]}, "
                    f"by the rules {value} ({wanted[name]} on the answers' metric)"
                )
    return lines


# The file itself


def test_the_columns_are_the_answers_the_two_metrics_and_the_arithmetic() -> None:
    header = ["person", "form", "wave", *ITEMS]
    header += [f"{metric}_{name}" for metric in ("pomp", "mean") for name in SCORES]
    assert list(golden()[0]) == [*header, "why"]
    assert len(golden()) >= 30
    assert len({row["person"] for row in golden()}) == len(golden())
    assert {row["form"] for row in golden()} == set(ASKED)
    assert all(len(row["why"]) > 60 for row in golden())


def test_the_golden_answers_stay_within_the_codes_and_the_forms() -> None:
    for row in golden():
        for item in ITEMS:
            allowed = {"", *OFF_SCALE} | (set("12345") if item in ASKED[row["form"]] else set())
            assert row[item] in allowed, (row["person"], item)


@pytest.mark.parametrize("metric", ["pomp", "mean"])
def test_the_stored_scores_are_those_of_the_rules(metric: Metric) -> None:
    faults = []
    for row in golden():
        wanted = own_scores(row["form"], valid_answers(row))
        for name in SCORES:
            value = in_metric(name, wanted[name], metric)
            if differs(stored(row, f"{metric}_{name}"), value, 1e-12):
                faults.append((row["person"], name, row[f"{metric}_{name}"], value))
    assert not faults


def test_scores_known_without_any_arithmetic() -> None:
    """Straight lines and extremes: their scores follow from the meaning of the scale."""
    by_person = {row["person"]: row for row in golden()}
    known = {
        # integration, facilitator index, barrier index, balance, acquiescence
        "g01": (50, 50, 50, 0, 0),
        "g02": (50, 0, 0, 0, -2),
        "g03": (50, 100, 100, 0, 2),
        "g04": (100, 100, 0, 100, 0),
        "g05": (0, 0, 100, -100, 0),
    }
    names = ("integration", "facilitator_index", "barrier_index", "balance", "acquiescence")
    for person, values in known.items():
        got = tuple(stored(by_person[person], f"pomp_{name}") for name in names)
        assert got == values, person


def test_every_minimum_is_met_exactly_and_missed_by_one() -> None:
    seen: set[tuple[str, int]] = set()
    for row in golden():
        answers, form = valid_answers(row), row["form"]
        counts: dict[str, int] = {}
        if form in SHORT_FORMS:
            for composite, parts in COMPOSITES.items():
                counts[f"short {composite}"] = sum(item[:4] in parts for item in answers)
            counts["short facilitators"] = len(facilitators(answers, SHORT))
            counts["short barriers"] = len(barriers(answers, SHORT))
        else:
            scores = full_scores(answers, ASKED[form])
            for subscale in SUBSCALES:
                asked = sum(item[:4] == subscale for item in ASKED[form])
                seen.add((f"subscale of {asked}", sum(item[:4] == subscale for item in answers)))
            for composite, parts in {**COMPOSITES, "integration": SUBSCALES}.items():
                counts[composite] = sum(scores[part] is not None for part in parts)
            counts[f"macro {form}"] = sum(item in MACRO for item in answers)
            counts["facilitators"] = len(facilitators(answers, COMMON))
            counts["barriers"] = len(barriers(answers, COMMON))
        seen |= set(counts.items())
    minima = {
        "subscale of 6": 4,
        "subscale of 4": 3,
        "integration": 9,
        "preparation": 2,
        "process": 3,
        "culture": 3,
        "macro P": 4,
        "macro C": 4,
        "facilitators": 20,
        "barriers": 20,
        "short preparation": 4,
        "short process": 6,
        "short culture": 6,
        "short facilitators": 9,
        "short barriers": 9,
    }
    absent = [
        (rule, count) for rule, least in minima.items() for count in (least, least - 1) if (rule, count) not in seen
    ]
    assert not absent
    assert {row[item] for row in golden() for item in ITEMS} == {"", *"12345", *OFF_SCALE}


# The package


def test_the_definition_asks_what_the_rules_say() -> None:
    items = read_instrument("pwiq").items
    assert tuple(item.id for item in items) == ITEMS
    assert tuple(item.id for item in items if item.short_form) == SHORT
    for item in items:
        assert set(item.forms) == {form for form, asked in ASKED.items() if item.id in asked}, item.id
        assert item.reverse is item.id.endswith("b"), item.id


def test_the_short_forms_have_one_item_of_each_wording_a_subscale() -> None:
    assert sorted(item[:4] + item[5] for item in SHORT) == sorted(s + w for s in SUBSCALES for w in "fb")
    assert set(SHORT) <= set(COMMON)


def test_the_scores_come_in_the_stated_order(responses: Responses) -> None:
    assert tuple(score(responses).columns) == SCORES
    assert score(responses).index.equals(responses.answers.index)


def test_keyed_turns_the_barriers_alone(responses: Responses) -> None:
    turned = keyed(responses).set_axis(responses.people["person"], axis=0)
    for row in golden():
        answers = valid_answers(row)
        for item in ITEMS:
            got = turned.loc[row["person"], item]
            if item not in answers:
                assert pd.isna(got), (row["person"], item)
            else:
                assert got == (6 - answers[item] if item.endswith("b") else answers[item])


@pytest.mark.parametrize("metric", ["pomp", "mean"])
def test_own_items(responses: Responses, metric: Metric) -> None:
    got = score(responses, metric=metric, items="own")
    assert not disagreements(got, responses.people, metric, own_scores)


@pytest.mark.parametrize("metric", ["pomp", "mean"])
def test_common_items(responses: Responses, metric: Metric) -> None:
    got = score(responses, metric=metric, items="common")
    assert not disagreements(got, responses.people, metric, common_scores)


@pytest.mark.parametrize("metric", ["pomp", "mean"])
def test_short_items_for_everyone(responses: Responses, metric: Metric) -> None:
    got = score(responses, metric=metric, items="short")
    assert not disagreements(got, responses.people, metric, lambda _, answers: short_scores(answers))


FULL_FORMS = ("P", "C", "M")


def test_the_common_items_given_as_a_list(responses: Responses) -> None:
    got = score(responses, metric="pomp", items=list(COMMON))
    assert not disagreements(got, responses.people, "pomp", common_scores, forms=FULL_FORMS)


def test_a_list_counts_its_minima_on_itself(responses: Responses) -> None:
    """Facets a and b of the common items: each subscale keeps two or four of its items."""
    chosen = [item for item in COMMON if item[4] in "ab"]
    got = score(responses, metric="mean", items=chosen)

    def rule(_: str, answers: dict[str, int]) -> Scores:
        return full_scores({item: answers[item] for item in chosen if item in answers}, chosen)

    assert not disagreements(got, responses.people, "mean", rule, forms=FULL_FORMS)


def test_a_list_needs_a_barrier_answer_and_a_facilitator_answer(responses: Responses) -> None:
    """Three F and one B of a subscale: three valid answers are enough in number, but not without a B."""
    chosen = ["roleaf", "rolebf", "rolecf", "roleab"]
    got = score(responses, metric="pomp", items=chosen)

    def rule(_: str, answers: dict[str, int]) -> Scores:
        return full_scores({item: answers[item] for item in chosen if item in answers}, chosen)

    assert not disagreements(got, responses.people, "pomp", rule, forms=FULL_FORMS, names=SUBSCALES)
    binding = [
        row["person"]
        for row in golden()
        if row["form"] in FULL_FORMS and set(chosen) & set(valid_answers(row)) == set(chosen) - {"roleab"}
    ]
    assert binding, "no golden respondent has the three F answers without the B"
