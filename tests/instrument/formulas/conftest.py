"""Respondents that every language scores, and what their scores must be."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import instrument as package
from instrument import Responses, read_instrument, score
from instrument.definition import Instrument

DATA = Path(__file__).parents[2] / "data"
GOLDEN = Path(str(package.__file__)).parent / "pwiq" / "golden.csv"

# What the other definitions have not: gaps between codes, a code beside the scale inside the gap, scales that begin
# at 0 and differ between the scores that enter another, and texts that try to get out of comments and strings.
ODD = """
[instrument]
id = "odd"
version = "0.0.1"
status = "draft"
languages = ["en"]
item_scale = "gappy"
title.en = "It's \\"odd\\" */ // /* #1 \\\\ `$x' é\\u2028stop(\\"no\\")\\nstop('no')"
banner.en = "Draft'.\\nQUIT.\\n*/ error 1 /* end."

[response_scales.gappy]
codes = [0, 1, 2, 4]
off_scale = [{ code = 3, reason = "dont_know" }, { code = 9, reason = "does_not_apply" }]
labels.en = { 0 = "a", 1 = "b", 2 = "c", 4 = "d", 3 = "e", 9 = "f" }
[response_scales.tenths]
codes = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]
labels.en = { 0 = "0", 1 = "1", 2 = "2", 3 = "3", 4 = "4", 5 = "5", 6 = "6", 7 = "7", 8 = "8", 9 = "9", 10 = "10" }

[subscales.one]
title.en = "One"
construct.en = "One."
[subscales.two]
title.en = "Two"
construct.en = "Two."

[items.onea]
text.en = "One a."
subscale = "one"
wording = "facilitator"
[items.oneb]
text.en = "One b."
subscale = "one"
wording = "barrier"
reverse = true
[items.onec]
text.en = "One c."
subscale = "one"
wording = "barrier"
reverse = true
[items.twoa]
text.en = "Two a."
subscale = "two"
scale = "tenths"
[items.twob]
text.en = "Two b."
subscale = "two"
scale = "tenths"
reverse = true

[scores.one]
title.en = "O'ne \\"$one\\" `one'.\\nQUIT."
kind = "subscale"
rule = "mean"
subscales = ["one"]
minimum = [1, 2]
[scores.two]
title.en = "Two"
kind = "subscale"
rule = "mean"
subscales = ["two"]
minimum = 1
[scores.both]
title.en = "Both"
kind = "total"
rule = "mean_of_scores"
of = ["two", "one"]
minimum = 1
[scores.apart]
title.en = "Apart"
kind = "index"
rule = "difference"
of = ["one", "two"]
[scores.raw_f]
title.en = "Raw F"
export = "rawf"
kind = "index"
rule = "raw_mean"
items = ["onea"]
wording = "facilitator"
minimum = 1
[scores.raw_b]
title.en = "Raw B"
export = "rawb"
kind = "index"
rule = "raw_mean"
items = ["oneb", "onec"]
wording = "barrier"
minimum = 1
[scores.yes]
title.en = "Yes"
kind = "index"
rule = "acquiescence"
of = ["raw_f", "raw_b"]
higher = "neither"
"""


@dataclass(frozen=True)
class Case:
    """A definition, rows of answers (column → text, as in a CSV file) and the scores that they must get.

    ``wanted``: metric → one dict a row, export id → score, NaN where it must be missing.
    """

    instrument: Instrument
    rows: Sequence[Mapping[str, str]]
    wanted: Mapping[str, Sequence[Mapping[str, float]]]

    def of_form(self, form: str | None) -> Case:
        """The rows of one form."""
        chosen = [at for at, row in enumerate(self.rows) if row.get("form") == form]
        return self.at(chosen)

    def at(self, chosen: Sequence[int]) -> Case:
        """The rows at these places."""
        wanted = {metric: [rows[at] for at in chosen] for metric, rows in self.wanted.items()}
        return Case(self.instrument, [self.rows[at] for at in chosen], wanted)


def expected(definition: Instrument, rows: Sequence[Mapping[str, str]], metric: str) -> list[dict[str, float]]:
    """What `instrument.scoring.score` gives, by export id."""
    codes = {item.id: definition.response_scales[item.scale].codes for item in definition.items}
    answers = pd.DataFrame(
        {
            item: pd.array(
                [int(row[item]) if row[item] and int(row[item]) in codes[item] else None for row in rows], dtype="Int64"
            )
            for item in codes
        }
    )
    people = pd.DataFrame({"person": [row["person"] for row in rows], "wave": 1})
    if definition.forms:
        people["form"] = [row["form"] for row in rows]
    responses = Responses(
        instrument=definition, answers=answers, people=people, off_scale=answers.astype("string"), ledger=pd.DataFrame()
    )
    scores = score(responses, metric=metric)  # type: ignore[arg-type]
    return scores.rename(columns={rule.id: rule.export for rule in definition.scores}).to_dict("records")


def random_rows(definition: Instrument, *, per_form: int, seed: int = 20261122) -> list[dict[str, str]]:
    """Answers with gaps, answers beside the scale, and answers left behind in items that the form does not ask."""
    rng = np.random.default_rng(seed)
    rows = []
    for form in definition.forms.ids or (None,):
        asked = definition.asked_by(form)
        for number in range(per_form):
            gaps = (0.35, 0.1, 0.55, 0.0, 0.7, 0.9)[number % 6]
            row = {"person": f"{form or 'x'}{number}"} | ({"form": form} if form else {})
            for item in definition.items:
                scale = definition.response_scales[item.scale]
                off = [each.code for each in scale.off_scale]
                code = str(rng.choice(off)) if off and rng.random() < 0.1 else str(rng.choice(scale.codes))
                blank = gaps if item.id in asked else 0.8
                row[item.id] = "" if rng.random() < blank else code
            rows.append(row)
    return rows


def golden_rows(definition: Instrument) -> tuple[list[dict[str, str]], dict[str, list[dict[str, float]]]]:
    """The golden respondents, and their scores as they stand in the file."""
    with GOLDEN.open(encoding="utf-8", newline="") as file:
        golden = list(csv.DictReader(file))
    columns = ["person", "form", *definition.items.ids]
    stored = {
        metric: [
            {rule.export: float(row[f"{metric}_{rule.id}"] or "nan") for rule in definition.scores} for row in golden
        ]
        for metric in ("pomp", "mean")
    }
    return [{column: row[column] for column in columns} for row in golden], stored


@cache
def build(name: str, per_form: int, folder: Path) -> Case:
    if name == "odd":
        (folder / "odd.toml").write_text(ODD, encoding="utf-8")
    places = {"pwiq": "pwiq", "odd": folder / "odd.toml", "compared": DATA / "compared" / "compared.toml"}
    definition = read_instrument(places.get(name, DATA / f"{name}.toml"))
    rows = random_rows(definition, per_form=per_form)
    wanted = {metric: expected(definition, rows, metric) for metric in ("pomp", "mean")}
    if name == "pwiq":
        golden, stored = golden_rows(definition)
        return Case(definition, golden + rows, {metric: stored[metric] + wanted[metric] for metric in wanted})
    return Case(definition, rows, wanted)


@pytest.fixture(scope="session")
def case(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Case]:
    """Return the case of a definition: "pwiq" (with the golden respondents), "small", "forms", "compared" or "odd"."""
    folder = tmp_path_factory.mktemp("odd")

    def get(name: str, *, per_form: int = 18) -> Case:
        return build(name, per_form, folder)

    return get


@pytest.fixture(scope="session")
def disagreements() -> Callable[[Case, Sequence[Mapping[str, float | None]], str], list[str]]:
    """Return a line for each score that is not the same to 1e-9, or missing on one side only."""

    def compare(case: Case, got: Sequence[Mapping[str, float | None]], metric: str) -> list[str]:
        assert len(got) == len(case.rows) > 0
        lines, numbers, missing = [], 0, 0
        for row, wanted, found in zip(case.rows, case.wanted[metric], got, strict=True):
            for name, value in wanted.items():
                mine = found.get(name)
                mine = float("nan") if mine is None else mine
                numbers += not np.isnan(value)
                missing += bool(np.isnan(value))
                if np.isnan(mine) != np.isnan(value) or abs(mine - value) > 1e-9:
                    lines.append(f"{row['person']} {name}: {mine}, should be {value}")
        assert numbers, "nothing to compare but missing scores"
        assert missing, "no score is missing: the minima are not tested"
        return lines

    return compare


def write_rows(path: Path, rows: Sequence[Mapping[str, str]]) -> None:
    """Write answers as a CSV file."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, fieldnames=list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="session")
def write_answers() -> Callable[[Path, Sequence[Mapping[str, str]]], None]:
    """Return `write_rows`."""
    return write_rows


@pytest.fixture(scope="session")
def read_scores() -> Callable[..., list[dict[str, float]]]:
    """Return a function that reads a CSV file of scores: one dict a row, of this metric, by export id."""

    def read(path: Path, case: Case, metric: str) -> list[dict[str, float]]:
        ending = "_m" if metric == "mean" else ""
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
        assert [row["person"] for row in rows] == [row["person"] for row in case.rows]
        return [
            {rule.export: float(row[rule.export + ending].strip() or "nan") for rule in case.instrument.scores}
            for row in rows
        ]

    return read
