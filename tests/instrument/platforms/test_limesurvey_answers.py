import csv
from pathlib import Path

import pandas as pd
import pytest

from instrument.definition import read_instrument
from instrument.reading import read_responses
from instrument.responses import ResponseError
from tests.instrument.platforms.answered import answers_to, assert_same, survey_of, truth
from tests.instrument.platforms.instruments import CASES, IDS, INSTRUMENTS
from tests.instrument.platforms.simulated_limesurvey import export

DATA = Path(__file__).parents[2] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
ITEMS = list(CANTEEN.items.ids)
MEALS = {1: "Breakfast", 2: "Lunch", 3: "Dinner", 98: "Prefer not to say"}
PAGE = "Please say how much you agree. "

CODES = [
    *("id", "submitdate", "lastpage", "startlanguage", "seed", "token", "startdate", "datestamp", "ipaddr"),
    *(f"page{CANTEEN.items[name].subscale}[{name}]" for name in ITEMS),
    *("impfood", "global10"),
    *(f"meal[{code}]" for code in MEALS),
    *("open1", "version"),
]
EM_CODES = [name.replace("[", "_").replace("]", "") for name in CODES]
FULL = [
    *("Response ID", "Date submitted", "Last page", "Start language", "Seed", "Access code"),
    *("Date started", "Date last action", "IP address"),
    *(f"{PAGE} [{CANTEEN.items[name].text['en']}]" for name in ITEMS),
    *("How much would better food matter?", "The canteen, 0 to 10"),
    *(f"Which meals do you eat here? [{label}]" for label in MEALS.values()),
    *("What helps most?", "{version}"),
]
# Cut at 15 characters, as LimeSurvey's ".. " shows.
ABBREVIATED = [
    *FULL[:9],
    *(f"{PAGE[:15]}..  [{CANTEEN.items[name].text['en'][:15]}.. ]" for name in ITEMS),
    *("How much would .. ", "The canteen, 0 .. "),
    *(f"Which meals do .. [{label}]" for label in MEALS.values()),
    *("What helps most.. ", "{version}"),
]
BOTH = [f"{code}. {text}" for code, text in zip(CODES, FULL, strict=True)]
UNDERSCORES = [name.replace(" ", "_") for name in FULL]

ANSWERS = ["4", "2", "5", "1", "3", "97", "4", ""]
LABELS = {str(code): text["en"] for code, text in CANTEEN.response_scales["agree"].labels.items()} | {"": ""}


def short_row(
    number, *, answers=ANSWERS, submitted="2026-03-05 10:15:00", token="t", meals=("Y", "", "Y", ""), text=""
):
    return [
        *(
            str(number),
            submitted,
            "6",
            "en",
            "1234567",
            f"{token}{number}",
            "2026-03-05 10:00:00",
            "2026-03-05 10:15:00",
        ),
        *("10.0.0.1", *answers, "5", "10", *meals, text, CANTEEN.version),
    ]


def long_row(number):
    meals = ("Yes", "No", "Yes", "No")
    row = short_row(number, answers=[LABELS[answer] for answer in ANSWERS], meals=meals, text="'=1+1")
    row[17] = "Strongly agree"
    return row


def write(path, header, *rows):
    """Every cell in quotes, a byte order mark, and an empty line at the end, as LimeSurvey's CsvWriter does it."""
    with path.open("w", newline="", encoding="utf-8-sig") as stream:
        csv.writer(stream, quoting=csv.QUOTE_ALL, delimiter=";").writerows([header, *rows])
        stream.write("\r\n")
    return path


def read(path, **options):
    return read_responses(path, CANTEEN, **options)


def faults(path, **options):
    with pytest.raises(ResponseError) as caught:
        read(path, **options)
    return caught.value.faults


@pytest.mark.parametrize("header", [CODES, EM_CODES, FULL, ABBREVIATED, BOTH, UNDERSCORES])
def test_every_style_of_heading_gives_the_same_answers(tmp_path, header):
    responses = read(write(tmp_path / "a.csv", header, short_row(7), short_row(8)))
    assert responses.answers.index.tolist() == ["7", "8"]
    assert responses.answers.loc["7"].tolist() == [4, 2, 5, 1, 3, pd.NA, 4, pd.NA]
    assert responses.off_scale.loc["7", "placeab"] == "dont_know"
    row = responses.people.loc["7"]
    assert row[["person", "form", "wave", "language", "date"]].tolist() == ["t7", "P", 1, "en", "2026-03-05"]
    assert row[["impfood", "global10", "meal1", "meal2", "meal3", "meal98"]].tolist() == [5, 10, 1, 0, 1, 0]
    assert not {"10.0.0.1"} & set(row.dropna().astype(str))
    ledger = responses.ledger.set_index("header")
    assert ledger["platform"].unique().tolist() == ["limesurvey"]
    assert ledger.loc[header[8], ["became", "note"]].tolist() == [
        "ignored",
        "it may name people; dropped and never read",
    ]


def test_long_answers_and_masked_formulas(tmp_path):
    short = read(write(tmp_path / "a.csv", CODES, short_row(7, text="=1+1")))
    long = read(write(tmp_path / "b.csv", FULL, long_row(7)))
    for name in ("answers", "off_scale"):
        pd.testing.assert_frame_equal(getattr(short, name), getattr(long, name))
    assert short.people["open1"].tolist() == long.people["open1"].tolist() == ["=1+1"]
    told = long.ledger.set_index("header")["note"]
    assert told["(masked cells)"] == (
        "1 cells began with '= as LimeSurvey masks formulas; they were read without the apostrophe"
    )


def test_unsubmitted_answers_are_kept_and_counted(tmp_path):
    responses = read(
        write(tmp_path / "a.csv", CODES, short_row(7), short_row(8, submitted="", answers=["4", *[""] * 7]))
    )
    assert len(responses.answers) == 2
    remark = responses.ledger.query("header == 'submitdate' and became == 'remark'")["note"].tolist()
    assert remark == ["submitted 1, begun and not submitted 1; both are kept"]


def test_without_tokens_each_response_is_a_person(tmp_path):
    rows = [short_row(7), short_row(8)]
    for row in rows:
        row[5] = ""
    assert read(write(tmp_path / "a.csv", CODES, *rows)).people["person"].tolist() == ["7", "8"]


def test_boxes_of_which_none_is_ticked_are_blanks(tmp_path):
    for meals in (("", "", "", ""), ("N/A", "N/A", "N/A", "N/A"), ("No", "No", "No", "No")):
        people = read(write(tmp_path / "a.csv", CODES, short_row(7, meals=meals))).people
        assert people[["meal1", "meal2", "meal3", "meal98"]].isna().all(axis=None)


def test_codes_that_limesurvey_made_up_by_place(tmp_path):
    named = {"4": "A4", "2": "AO02", "5": "A5", "1": "AO01", "3": "A3", "97": "97", "": ""}
    answers = [named[answer] for answer in ANSWERS]
    assert read(write(tmp_path / "a.csv", CODES, short_row(7, answers=answers))).answers.loc["7"].tolist() == [
        *(4, 2, 5, 1, 3, pd.NA, 4, pd.NA)
    ]
    answers[0] = "A6"
    assert faults(write(tmp_path / "a.csv", CODES, short_row(7, answers=answers))) == (
        "a.csv:1:pagefood[foodaf]: 'A6': these are codes that LimeSurvey made up by place, and no codes of the "
        "definition; export answers as full texts, or give the answers the codes of the definition",
    )


def test_a_heading_cut_so_short_that_it_fits_two_questions(tmp_path):
    header = list(ABBREVIATED)
    header[9] = f"{PAGE[:15]}.. [The .. ]"
    found = faults(write(tmp_path / "a.csv", header, short_row(7)))
    assert found[0] == (
        f"a.csv:1:{header[9]}: this heading fits placeaf, placebb, global10; take 'question code' as headings when "
        "exporting, or rename it"
    )


def test_a_bad_answer_is_told_with_the_heading_of_the_file(tmp_path):
    (fault,) = faults(write(tmp_path / "a.csv", CODES, short_row(7, answers=["6", *ANSWERS[1:]])))
    assert fault.startswith("a.csv:2:pagefood[foodaf] (foodaf): '6' is not an answer; allowed are 1–5, 97 ")


def test_labels_of_two_languages_in_one_file(tmp_path):
    spanish = CANTEEN.response_scales["agree"].labels
    rows = [short_row(n, answers=[LABELS[a] for a in ANSWERS]) for n in (7, 8)]
    rows.append(short_row(9, answers=[spanish[int(a)]["es"] if a else "" for a in ANSWERS]))
    responses = read(write(tmp_path / "a.csv", FULL, *rows))
    assert responses.answers.loc["9"].tolist() == [4, 2, 5, 1, 3, pd.NA, 4, pd.NA]
    ledger = responses.ledger.set_index("column")
    assert ledger.loc["foodaf", ["labels_read", "language"]].tolist() == [3, "es 1, en 2"]
    found = faults(write(tmp_path / "a.csv", FULL, *rows), language="en")
    assert found[0].startswith("a.csv:4:")


@pytest.mark.parametrize(("instrument", "form", "language"), CASES, ids=IDS)
def test_every_form_in_every_language_comes_back(tmp_path, instrument, form, language):
    survey = survey_of(instrument, form, languages=[language])
    rows = answers_to(survey)
    expected = truth(rows, instrument, tmp_path)
    # One style a case, in turn: every style meets full and short forms and both languages.
    styles = (("code", False), ("full", True), ("em", False), ("codetext", True))
    style, long = styles[(instrument.forms.ids.index(form) + 3 * instrument.languages.index(language)) % 4]
    path = tmp_path / "export.csv"
    path.write_text(export(survey, rows, language, style=style, long=long), encoding="utf-8", newline="")
    found = read_responses(path, instrument)
    assert found.ledger["platform"].unique().tolist() == ["limesurvey"]
    assert_same(found, expected, instrument)


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=[each.id for each in INSTRUMENTS])
def test_a_survey_with_every_form_comes_back(tmp_path, instrument):
    survey = survey_of(instrument, *instrument.forms.ids)
    rows = answers_to(survey, count=2)
    expected = truth(rows, instrument, tmp_path)
    for style, long in (("code", False), ("full", True)):
        path = tmp_path / "export.csv"
        path.write_text(export(survey, rows, "en", style=style, long=long), encoding="utf-8", newline="")
        assert_same(read_responses(path, instrument), expected, instrument)


def test_an_export_without_the_id_is_recognised(tmp_path):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey, count=3)
    for style in ("full", "code"):
        lines = list(
            csv.reader(export(survey, rows, "en", style=style, long=True).lstrip("\ufeff").splitlines(), delimiter=";")
        )
        lines = [line[1:] for line in lines if line]
        with (tmp_path / "a.csv").open("w", newline="", encoding="utf-8") as stream:
            csv.writer(stream, delimiter=";", quoting=csv.QUOTE_ALL).writerows(lines)
        responses = read_responses(tmp_path / "a.csv", CANTEEN)
        assert responses.ledger["platform"].unique().tolist() == ["limesurvey"]
        assert responses.people["meal1"].astype(str).tolist() == [row["meal1"] or "<NA>" for row in rows]


def test_a_cut_heading_is_decided_by_the_form_and_the_order_of_the_questionnaire(tmp_path):
    # PWIQ asks "How new peer workers are hired and started" twice: form P how much it matters (imp), M how hard it is (dif).
    pwiq = read_instrument("pwiq")
    items = list(pwiq.asked_by("P"))
    answers = {name: str(1 + at % 5) for at, name in enumerate(items)}

    def cut(text):
        return f"1/11 [{text[:38]}.. ]" if len(text) > 38 else f"1/11 [{text}]"

    header = ["Response ID", "Date submitted", "Last page", "Start language", "P"]
    cells = ["1", "2026-03-01 10:00:00", "9", "en", "P"]
    for name in items:
        header.append(cut(pwiq.items[name].text["en"]))
        cells.append(answers[name])
    questions = {"impindu": "4", "impeduc": "2", "impsupv": "5", "implead": "1"}
    for name, answer in questions.items():
        header.append(cut(pwiq.questions[name].text["en"]))
        cells.append(answer)
        twin = pwiq.questions[name.replace("imp", "dif")]
        assert cut(twin.text["en"]) == header[-1]
        assert "P" not in twin.forms
    responses = read_responses(write(tmp_path / "a.csv", header, cells), pwiq)
    assert responses.answers.loc["1", items].tolist() == [int(answers[name]) for name in items]
    assert responses.people.loc["1", list(questions)].tolist() == [4, 2, 5, 1]
    # Where nothing decides, it is refused.
    twice = [*header, header[-1]]
    with pytest.raises(ResponseError, match=r"both read as implead"):
        read_responses(write(tmp_path / "b.csv", twice, [*cells, "3"]), pwiq)


def test_cut_headings_of_hidden_constants(tmp_path):
    digest = CANTEEN.digest[:16]
    stamp = f"canteen 0.2.0 form P order definition sha256:{digest}"
    header, cells = [*ABBREVIATED], list(short_row(7))
    header += [f"{stamp[:38]}.. ", "0.2.0", "2"]
    cells += [stamp, "0.2.0", "2"]
    responses = read(write(tmp_path / "a.csv", header, cells))
    assert responses.people["wave"].tolist() == [2]
    assert responses.ledger.set_index("column")["note"]["definition"] == f"what the survey was made from: {stamp}"
