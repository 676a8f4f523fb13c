"""Made-up answers to a survey, cell by cell under canonical names: what every simulated export holds, and must give back."""

import csv
import functools
import io
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd

import instrument as instrument_package
from instrument.checking import check_table
from instrument.platforms.answers import known_columns
from instrument.responses import Responses
from instrument.scoring import score
from instrument.survey import build_survey
from instrument.tables import line, read_table

# What people write, and what breaks tables: quotes, separators, line breaks, formulas, HTML, other scripts.
TEXTS = (
    'They said "we" and meant it; really, truly.',
    "first line\nsecond line",
    "=1+1",
    "<script>alert('x')</script> & <b>bold</b>",
    "日本 – ñandú, “quoted” ’n’ all",
    "+61 400 000 000",
)


def write_workbook(path, title, cells):
    """Write rows of text as the only sheet of a workbook, every cell as text and no empty ones."""
    book = openpyxl.Workbook()
    book.active.title = title
    for at, each in enumerate(cells, start=1):
        for place, text in enumerate(each, start=1):
            if text != "":
                book.active.cell(at, place, text).data_type = "s"
    book.save(path)


def survey_of(instrument, *forms, languages=None):
    """A survey that asks everything."""
    off = [question.id for question in instrument.questions if question.asked == "off"]
    return build_survey(instrument, forms=forms, languages=languages, follow_up=True, switched_on=off, planning=True)


def columns(asked):
    """The canonical columns of a question."""
    return [f"{asked.id}{choice.code}" for choice in asked.choices] if asked.kind == "several" else [asked.id]


def answers_to(survey, *, count=6, seed=1):
    """Rows of canonical cells: every code, every answer beside the scale, blanks, several answers, hostile texts."""
    rng = np.random.default_rng(seed)
    rows = []
    for form in survey.forms or ("",):
        golden = golden_answers(survey.instrument, form)
        for number in range(count):
            row = {"response": f"R_{form}{number:04}"}
            if form:
                row["form"] = form
            row |= {name: value for name, value in survey.constants.items() if name not in ("form",)}
            for at, asked in enumerate(question for question in survey.questions() if question.id != "form"):
                row |= dict.fromkeys(columns(asked), "")
                if form and form not in asked.forms:
                    continue
                if rng.random() < 0.12:
                    continue  # a blank
                if asked.kind == "text":
                    row[asked.id] = (
                        TEXTS[(number + at) % len(TEXTS)] if asked.role == "open" else f"{asked.id} {form} {number}"
                    )
                elif asked.kind == "several":
                    chosen = rng.random(len(asked.choices)) < 0.5
                    chosen[rng.integers(len(chosen))] = True
                    row |= {
                        f"{asked.id}{choice.code}": str(int(yes))
                        for choice, yes in zip(asked.choices, chosen, strict=True)
                    }
                else:
                    row[asked.id] = asked.choices[(number + at + int(rng.integers(3))) % len(asked.choices)].code
            if number < len(golden):
                row |= golden[(number * 7) % len(golden)]
            rows.append(row)
    return rows


@functools.cache
def golden_answers(instrument, form):
    """The items of the respondents whose scores are worked out by hand, without answers to what was not asked."""
    path = Path(str(instrument_package.__file__)).parent / instrument.id / "golden.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as stream:
        everyone = list(csv.DictReader(stream))
    return [{item: row[item] for item in instrument.asked_by(form)} for row in everyone if row["form"] == form]


def chosen(row, asked):
    """The choices that somebody made."""
    if asked.kind == "several":
        return [choice for choice in asked.choices if row[f"{asked.id}{choice.code}"] == "1"]
    return [choice for choice in asked.choices if row[asked.id] == choice.code]


def csv_text(rows, *, separator=",", quoting=csv.QUOTE_MINIMAL, line_end="\n"):
    """Rows of cells as delimited text."""
    text = io.StringIO()
    csv.writer(text, delimiter=separator, quoting=quoting, lineterminator=line_end).writerows(rows)
    return text.getvalue()


def truth(rows, instrument, folder):
    """The same answers read from a canonical file, which the tests of `read_responses` check."""
    text = csv_text([list(rows[0]), *[list(row.values()) for row in rows]])
    path = folder / "canonical.csv"
    path.write_text(text, encoding="utf-8")
    if (id(instrument), text) not in _TRUTHS:
        _TRUTHS[id(instrument), text] = checked(
            read_table(path, file="canonical.csv", known=known_columns(instrument)), instrument
        )
    return _TRUTHS[id(instrument), text]


_TRUTHS = {}


def checked(table, instrument):
    found = check_table(table, instrument, wave=1, stem="file")
    assert not found.faults, "\n".join(line(table.file, fault) for fault in found.faults)
    return found


def assert_same(ours, theirs, instrument, *, without=(), ids=True):
    """The same codes, the same reasons beside the scale, the same questions, the same scores.

    Without `ids` the responses have names of their own and are compared in their order.
    """
    names = [name for name in theirs.people if name not in (*without, *(() if ids else ("person",)))]
    assert set(names) <= set(ours.people), sorted(set(names) - set(ours.people))
    assert theirs.answers.notna().to_numpy().any()
    for one, other in (
        (ours.answers, theirs.answers),
        (ours.off_scale, theirs.off_scale),
        (ours.people[names], theirs.people[names]),
        *_scores_of_both(ours, theirs, instrument),
    ):
        one, other = (one, other) if ids else (one.reset_index(drop=True), other.reset_index(drop=True))
        if not one.equals(other):  # quick; the other says where they differ
            pd.testing.assert_frame_equal(one, other, check_dtype=False)


_SCORED = {}


def _scores_of_both(ours, theirs, instrument):
    """Yield the scores of both, once for each platform and set of answers: the same answers have the same scores."""
    platform = getattr(ours, "table", None) and ours.table.platform
    before = _SCORED.setdefault(id(theirs), {})
    if platform not in before:
        before.setdefault("canonical", scores(theirs, instrument))
        before[platform] = True
        yield scores(ours, instrument), before["canonical"]


def scores(found, instrument):
    people = found.people.astype({"wave": "int64"})
    return score(
        Responses(
            instrument=instrument,
            answers=found.answers,
            people=people,
            off_scale=found.off_scale,
            ledger=found.ledger,
        )
    )


def ledger(found, heading):
    """The line of the ledger about a column of the file, by what the file calls it."""
    lines = found.ledger
    rows = lines[(lines["header"] == heading) | (lines["column"] == heading)]
    assert len(rows) == 1, lines[["column", "header"]].to_string()
    return rows.iloc[0]
