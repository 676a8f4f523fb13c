"""Exports of every platform, damaged by chance: read rightly or refused in words, never wrongly, never with another error.

What a damaged cell means is decided here anew from the definition's labels, and compared with what was read.
"""

import csv
import io
import json
import random
import re

import pandas as pd
import pyreadstat
import pytest

from instrument.reading import read_responses
from instrument.responses import ResponseError, canonical_table
from tests.instrument.platforms import (
    simulated_fhir,
    simulated_forms,
    simulated_limesurvey,
    simulated_qualtrics,
    simulated_redcap,
    simulated_xforms,
)
from tests.instrument.platforms.answered import answers_to, csv_text, survey_of
from tests.instrument.platforms.instruments import CANTEEN

SURVEY = survey_of(CANTEEN, "P")
ROWS = answers_to(SURVEY, count=5)
ITEMS = CANTEEN.items.ids
SCALE = CANTEEN.response_scales["agree"]
LIMESURVEY = simulated_limesurvey.export(SURVEY, ROWS, "en").removeprefix("\ufeff").rstrip()

# Layout → its cells, how many rows of headings, what `read_responses` must be told.
LAYOUTS = {
    "canonical": ([list(ROWS[0]), *[list(row.values()) for row in ROWS]], 1, {}),
    "redcap codes": (simulated_redcap.export(SURVEY, ROWS), 1, {}),
    "redcap labels": (simulated_redcap.export(SURVEY, ROWS, labels=True, headers=True), 1, {"form": "P"}),
    "qualtrics": (simulated_qualtrics.export(SURVEY, ROWS, "es", labels=True), 3, {}),
    "qualtrics numbered": (simulated_qualtrics.export(SURVEY, ROWS, "en", layout="numbered", split=False), 3, {}),
    "limesurvey": ([*csv.reader(io.StringIO(LIMESURVEY, newline=""), delimiter=";")], 1, {}),
    "kobo": (simulated_xforms.kobo(SURVEY, ROWS), 1, {}),
    "kobo labels": (simulated_xforms.kobo(SURVEY, ROWS, "es"), 1, {}),
    "odk": (simulated_xforms.odk(SURVEY, ROWS), 1, {}),
    "google": (simulated_forms.google(SURVEY, ROWS, "en"), 1, {"form": "P"}),
    "microsoft": (simulated_forms.microsoft(SURVEY, ROWS, "es"), 1, {"form": "P"}),
}
# What people, programs and programs of others put into a cell.
CELLS = (
    *("", " ", "NA", ".", "1", "5", "97", "3.0", " 4 ", "Agree", "de acuerdo", "NO SÉ"),
    *("0", "6", "-99", "3.5", "3,0", "+3", "1e0", "0x5", "1_0", "nan", "None", "N/A", "TRUE", "Agre", "Agree x"),
    *(
        "4",
        "\u0663",
        "\u00b2",
        "\u200b3",
        "\ufeff4",
        "2026-03-05",
        "5-Mar",
        "=1+1",
        "<b>4</b>",
        "&#52;",
        "4 = Agree",
        "1;2",
    ),
    *("Strongly\nagree", "x" * 300, "9" * 30, "\u2028"),
)


def meaning(text):
    """What a cell means: a code, "" for a blank; None if it must be refused."""
    text = text.strip()
    if text in ("", "NA", "."):
        return ""
    codes = {str(code) for code in SCALE.labels}
    if number := re.fullmatch(r"([0-9]+)(\.0+)?", text, re.ASCII):
        return number[1] if number[1] in codes else None
    labels = {label.casefold(): str(code) for code, words in SCALE.labels.items() for label in words.values()}
    return labels.get(" ".join(text.split()).casefold())


def told(responses):
    """Rows of answers as the file has them: the codes of items, and everything else about people but their ids."""
    table = canonical_table(responses).drop(columns=["person", "wave"])
    return [
        {name: "" if pd.isna(cell) else str(cell) for name, cell in row.items()} for row in table.to_dict("records")
    ]


def write(path, cells, *, limesurvey=False, encoding="utf-8", line_end="\n"):
    quoting = csv.QUOTE_ALL if limesurvey else csv.QUOTE_MINIMAL
    path.write_bytes(
        csv_text(cells, separator=";" if limesurvey else ",", quoting=quoting, line_end=line_end).encode(encoding)
    )
    return path


def read(path, cells, layout, **how):
    write(path, cells, limesurvey=layout == "limesurvey", **how)
    return read_responses(path, CANTEEN, **LAYOUTS[layout][2])


def faults(path, cells, layout, **how):
    with pytest.raises(ResponseError) as caught:
        read(path, cells, layout, **how)
    assert all(re.match(r"a\.csv(:\d+)?(:.*)?: .{20,}", fault, re.DOTALL) for fault in caught.value.faults)
    return caught.value.faults


def item_columns(responses, cells):
    """The place of each item's column in the file."""
    headings = responses.ledger[responses.ledger["became"] == "item"].set_index("column")["header"]
    names = [str(name).strip() for name in cells[0]]
    return {item: names.index(headings[item]) for item in ITEMS}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_changed_cell_is_read_as_what_it_says_or_refused_and_nothing_else_moves(tmp_path, layout):
    cells, heads, _ = LAYOUTS[layout]
    rng = random.Random(layout)
    whole = read(tmp_path / "a.csv", cells, layout)
    truth, place = told(whole), item_columns(whole, cells)
    assert [[row[item] for item in ITEMS] for row in truth] == [[row[item] for item in ITEMS] for row in ROWS]
    outcomes = set()
    for text in rng.sample(CELLS, 10):
        item, at = rng.choice(ITEMS), rng.randrange(len(ROWS))
        damaged = [list(row) for row in cells]
        damaged[heads + at][place[item]] = text
        expected = meaning(text)
        if layout == "limesurvey" and text == "3,0":
            expected = "3"  # a file with semicolons
        outcomes.add(expected is None)
        if expected is None:
            assert any(item in fault for fault in faults(tmp_path / "a.csv", damaged, layout)), text
        else:
            right = [dict(row) for row in truth]
            right[at][item] = expected
            assert told(read(tmp_path / "a.csv", damaged, layout)) == right, text
    assert outcomes == {True, False}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_what_changes_nothing_changes_nothing(tmp_path, layout):
    cells, heads, _ = LAYOUTS[layout]
    rng = random.Random(layout)
    truth = told(read(tmp_path / "a.csv", cells, layout))
    # REDCap's first column is the record, whatever its name.
    order = [0, *rng.sample(range(1, len(cells[0])), len(cells[0]) - 1)]
    reordered = told(read(tmp_path / "a.csv", [[row[at] for at in order] for row in cells], layout))
    assert reordered == truth
    assert told(read(tmp_path / "a.csv", [[*row, ""] for row in cells], layout, line_end="\r\n")) == truth
    assert told(read(tmp_path / "a.csv", cells, layout, encoding="utf-16")) == truth
    gone = rng.randrange(len(ROWS))
    rest = [row for number, row in enumerate(cells) if number != heads + gone]
    assert told(read(tmp_path / "a.csv", rest, layout)) == [row for at, row in enumerate(truth) if at != gone]


@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_lost_doubled_or_renamed_column_and_a_short_row_are_refused(tmp_path, layout):
    cells, heads, _ = LAYOUTS[layout]
    rng = random.Random(layout)
    place = item_columns(read(tmp_path / "a.csv", cells, layout), cells)
    item = rng.choice([name for name in ITEMS if any(row[name] for row in ROWS)])
    at = place[item]
    lost = [[*row[:at], *row[at + 1 :]] for row in cells]
    renamed = [[*row[:at], "x" if number < heads else row[at], *row[at + 1 :]] for number, row in enumerate(cells)]
    for damaged in (lost, renamed):
        said = "\n".join(faults(tmp_path / "a.csv", damaged, layout))
        assert item in said or "form" in said  # without the item, the form is not known any more
    faults(tmp_path / "a.csv", [[*row, row[at]] for row in cells], layout)
    if layout != "limesurvey":  # there every cell is quoted
        faults(tmp_path / "a.csv", [*cells[:-1], cells[-1][:-3]], layout)


# Headings that platforms and people write, and what stands below.
PERSONAL = (
    *(
        ("first_name", "Jo"),
        ("RecipientEmail", "jo@example.org"),
        ("ip_address", "10.1.2.3"),
        ("Nombre completo", "Jo"),
    ),
    *(("_location_latitude", "47.1"), ("DeviceID", "collect:x"), ("Your e-mail (optional)", "jo@example.org")),
    *(("phone_number", "0400"), ("date_of_birth", "1980"), ("how can we reach you", "jo@example.org")),
)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_nothing_that_names_people_is_kept_and_the_ledger_says_so(tmp_path, layout):
    cells, heads, _ = LAYOUTS[layout]
    headings = [name for name, _ in PERSONAL if name not in cells[0]]
    below = [f"{value}" for name, value in PERSONAL if name in headings]
    more = [[*row, *(headings if number < heads else below)] for number, row in enumerate(cells)]
    responses = read(tmp_path / "a.csv", more, layout)
    notes = responses.ledger.set_index("header")["note"]
    for heading in headings:
        assert "dropped" in notes[heading], heading
        assert heading not in responses.people
    kept = canonical_table(responses).drop(columns=["wave"]).to_csv()
    assert not [value for value in (*below, "130.92.34.66", "Alice", "Doe", "47.115097045898") if f",{value}," in kept]


def test_resources_of_fhir_that_are_broken_by_chance(tmp_path):
    resources = [simulated_fhir.resource(SURVEY, row, "en") for row in ROWS]
    text = json.dumps(simulated_fhir.bundle(*resources))
    rng = random.Random(5)
    path = tmp_path / "a.json"
    path.write_text(text, encoding="utf-8")
    truth = told(read_responses(path, CANTEEN))
    values = ["null", "[]", "{}", "5", '"x"', "true", "1e999", "NaN", '"\\ud800"', "9" * 300]
    places = [found.span(1) for found in re.finditer(r': ("[^"]*"|\[|\{)', text)]
    for start, end in rng.sample(places, 50):
        scalar = text[start] == '"'
        path.write_text(text[:start] + (rng.choice(values) if scalar else "") + text[end:], encoding="utf-8")
        found = told_or_refused(path)
        # One place was touched: at most one response differs, or one is left out.
        if found is not None:
            assert len(found) >= len(ROWS) - 1
            assert sum(row not in truth for row in found) <= 1


def told_or_refused(path):
    try:
        return told(read_responses(path, CANTEEN))
    except ResponseError as error:
        refused = error.faults
    assert all(fault.startswith(path.name) for fault in refused)
    return None


def test_values_of_a_statistics_file_that_are_no_codes(tmp_path):
    frame = pd.DataFrame([{"person": str(n), "form": "P", **dict.fromkeys(ITEMS, 3.0)} for n in range(3)])
    for name, write_file in (("a.sav", pyreadstat.write_sav), ("a.dta", pyreadstat.write_dta)):
        for value, expected in ((4.0, "4"), (97.0, "97"), (None, ""), (-99.0, None), (3.5, None), (1e300, None)):
            frame["foodab"] = [3.0, value, 3.0]
            write_file(frame, str(tmp_path / name))
            if expected is None:
                with pytest.raises(ResponseError, match="foodab"):
                    read_responses(tmp_path / name, CANTEEN)
            else:
                found = told(read_responses(tmp_path / name, CANTEEN))
                assert [row["foodab"] for row in found] == ["3", expected, "3"]
