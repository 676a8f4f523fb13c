import tomllib
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from instrument.definition import Catalogue, read_instrument
from instrument.mapping import MappingError, propose_mapping, read_mapping
from instrument.reading import read_responses
from instrument.responses import ResponseError
from tests.instrument.platforms.answered import answers_to, csv_text, survey_of
from tests.instrument.platforms.simulated_redcap import export as redcap

DATA = Path(__file__).parents[1] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
ITEMS = list(CANTEEN.items.ids)

HEADINGS = {
    "Respondent no": "person",
    "form": "form",
    "Q1_foodaf": "foodaf",  # the id inside
    "La sopa viene demasiado salada.": "foodab",  # the text in Spanish
    "People find something that they like": "foodbf",  # nearly the text
    "Popular dishes run out.": "foodbb",
    "D5: The room is bright.": "placeaf",
    "Noise drives people out": "placeab",
    "Serving is quick.": "placebf",
    "Payment": "placebb",
    "Your email address": "",
}


def foreign(path, *rows):
    pd.DataFrame(list(rows), columns=list(HEADINGS), dtype=object).to_csv(path, index=False)
    return path


def row(person="1", first="4", second="Fully agree", last="2", mail="a@b.example"):
    return [person, "P", first, second, "5", "1", "3", "3", "4", last, mail]


def faults(error, call, *arguments, **options):
    with pytest.raises(error) as caught:
        call(*arguments, **options)
    return caught.value.faults


def test_what_is_proposed_and_how_it_was_found(tmp_path):
    path = foreign(tmp_path / "old.csv", row(), row("2", second="Strongly agreed", first="-99"))
    proposal = propose_mapping(path, CANTEEN)
    text = proposal.text
    lines = text.splitlines()
    for line in (
        '"Q1_foodaf" = "foodaf"  # its id stands in the heading: "Meals taste good."; values: "4", "-99"',
        '"La sopa viene demasiado salada." = "foodab"  # its text in es; values: "Fully agree", "Strongly agreed"',
        '"People find something that they like" = "foodbf"  # a similar text: "People find something they like."; values: '
        '"5"',
        '"Popular dishes run out." = "foodbb"  # its text in en; values: "1"',
        '"Noise drives people out" = "placeab"  # a similar text: "Noise drives people out."; values: "3"',
        '# "Respondent no" = "person"  # a guess by the heading; values: "1", "2"',
        '# "Payment" = ""  # not recognised; kept as text unless it is mapped; values: "2"',
        '## "Your email address": it may name people; dropped and never read',
        "## No heading was recognised for 1 item: write it in place of HEADING and delete the #.",
        '# "HEADING" = "placebb"  # "The till holds everyone up."',
        '[values.agree]  # value in the file = code; "" is a blank',
        '"Strongly agreed" = 5  # a similar label',
        '# "Fully agree" = 5  # a guess, or 4, or 1',
        '# "-99" = ""  # REDCap, SPSS and Qualtrics often write such a number for no answer: then a blank',
    ):
        assert line in lines, f"{line}\n\n{text}"
    assert (
        proposal.summary
        == "9 of 11 columns recognised; 1 item has none; 3 values unknown (-99, Fully agree, Strongly agreed)"
    )
    assert "a@b.example" not in text  # who people are is not shown
    table = tomllib.loads(text)
    assert (table["instrument"], table["version"]) == ("canteen", CANTEEN.version)
    # What is proposed can be read as it is, and every proposal is one that a person would make.
    (tmp_path / "map.toml").write_text(text, encoding="utf-8")
    found = read_mapping(tmp_path / "map.toml", CANTEEN)
    assert {header: HEADINGS[header] for header in found.columns} == found.columns


def test_a_corrected_mapping_is_applied_and_told_in_the_ledger(tmp_path):
    path = foreign(tmp_path / "old.csv", row(), row("2", first="-99", last="n.a."))
    text = propose_mapping(path, CANTEEN).text.replace('# "Respondent no"', '"Respondent no"')
    text = (
        text.replace('# "Payment" = ""', '"Payment" = "placebb"')
        .replace('# "-99"', '"-99"')
        .replace('# "n.a."', '"n.a."')
    )
    text = text.replace('# "Fully agree" = 5', '"Fully agree" = "5"')  # with quotation marks or without
    # placebb was not recognised, so its values stand in no section yet.
    text = text.replace('"-99" = ""', '"-99" = ""\n"N.A. " = 98')
    (tmp_path / "map.toml").write_text(text, encoding="utf-8")
    responses = read_responses(path, CANTEEN, mapping=tmp_path / "map.toml")
    assert responses.people["person"].tolist() == ["1", "2"]
    assert responses.answers.loc["old:2"].tolist() == [4, 5, 5, 1, 3, 3, 4, 2]
    assert responses.answers.loc["old:3"].isna().tolist() == [True, *[False] * 6, True]
    assert responses.off_scale["placebb"].tolist() == [pd.NA, "does_not_apply"]
    ledger = responses.ledger.set_index("column")
    assert ledger.loc["foodaf", ["header", "note"]].tolist() == [
        "Q1_foodaf",
        "mapped by map.toml; recoded: '-99' as blank (1)",
    ]
    assert ledger.loc["Your email address", ["became", "cells", "note"]].tolist() == [
        "ignored",
        2,
        "it may name people; dropped and never read",
    ]
    assert "a@b.example" not in responses.people.to_string()


def test_codes_that_count_from_nought_are_proposed_shifted(tmp_path):
    frame = pd.DataFrame([{"person": str(n), "form": "P", **dict.fromkeys(ITEMS, str(n % 5))} for n in range(10)])
    frame.to_csv(tmp_path / "a.csv", index=False)
    text = propose_mapping(tmp_path / "a.csv", CANTEEN).text
    assert "# The file counts from 0, the definition from 1." in text
    (tmp_path / "map.toml").write_text(text.replace("[columns]", '[columns]\n"person" = "person"'), encoding="utf-8")
    responses = read_responses(tmp_path / "a.csv", CANTEEN, mapping=tmp_path / "map.toml")
    assert responses.answers["foodaf"].tolist() == [1, 2, 3, 4, 5] * 2


def test_a_file_that_needs_no_mapping(tmp_path):
    frame = pd.DataFrame([{"person": "1", "form": "P", **dict.fromkeys(ITEMS, "3")}])
    frame.to_csv(tmp_path / "a.csv", index=False)
    text = propose_mapping(tmp_path / "a.csv", CANTEEN).text
    assert not tomllib.loads(text)["columns"]
    assert "All columns are read as they are: no mapping is needed." in text


def test_all_faults_of_a_mapping_with_their_lines(tmp_path):
    (tmp_path / "map.toml").write_text(
        'instrument = "pantry"\n'
        'colour = "red"\n'
        "[columns]\n"
        '"A" = "foodaf"  # good\n'
        '"B" = "foodaff"\n'
        '"C" = "foodaf"\n'
        '"D" = 3\n'
        "[values.agree]\n"
        '"x" = 6\n'
        '"y" = 5\n'
        '"z" = true\n'
        "[values.agreed]\n"
        '"x" = 1\n',
        encoding="utf-8",
    )
    assert faults(MappingError, read_mapping, tmp_path / "map.toml", CANTEEN) == (
        "map.toml:1: this maps a file to 'pantry', not to 'canteen'; take the other definition",
        "map.toml:2: 'colour' is not known here; allowed are instrument, version, columns, values",
        "map.toml:5: 'foodaff' is no column of canteen; perhaps foodaf or foodbf or foodab; name one, or \"\" to leave "
        "'B' out",
        "map.toml:6: foodaf is 'A' already; each column has one heading",
        "map.toml:7: 3 is no column of canteen; name one, or \"\" to leave 'D' out",
        'map.toml:9: 6 is no code of agree; allowed are 1, 2, 3, 4, 5, 97, 98, 99, and "" for a blank',
        'map.toml:11: True is no code of agree; allowed are 1, 2, 3, 4, 5, 97, 98, 99, and "" for a blank',
        "map.toml:12: 'agreed' is no response scale; allowed are agree, tenths, meals",
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", 'map.toml:1: no column is named; write [columns] and lines such as "heading in the file" = "person"'),
        (b"columns = 3", "map.toml:1: columns must be a table; write [columns]"),
        (b"[columns\n", "map.toml: this is not TOML: "),
        (b'[columns]\n"\xe9" = "person"\n', "map.toml: byte 11 is not UTF-8; save the file as UTF-8"),
    ],
)
def test_a_mapping_that_cannot_be_read(tmp_path, content, said):
    (tmp_path / "map.toml").write_bytes(content)
    found = faults(MappingError, read_mapping, tmp_path / "map.toml", CANTEEN)
    assert found[0].startswith(said)


def test_a_mapping_of_another_file(tmp_path):
    path = foreign(tmp_path / "old.csv", row())
    (tmp_path / "map.toml").write_text('[columns]\n"Gone" = "foodaf"\n"Payment" = "placebb"\n', encoding="utf-8")
    assert faults(ResponseError, read_responses, path, CANTEEN, mapping=tmp_path / "map.toml") == (
        "old.csv: map.toml maps 'Gone', but the file has no such column; correct the mapping",
    )
    with pytest.raises(FileNotFoundError, match=r"nowhere\.toml: no such file; propose one with pwiq map"):
        read_responses(path, CANTEEN, mapping=tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("x = " + "[" * 5000, "m.toml: this is nested too deeply for a mapping"),
        ("[values.agree]\nx = " + "9" * 5000, "m.toml: this is not TOML: Exceeds the limit"),
        ('[columns]\n" a " = "person"\n"a" = "team"', "m.toml:3: 'a' stands here twice, but for blanks around it"),
    ],
)
def test_a_mapping_that_would_break_its_reader_is_refused(tmp_path, text, said):
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    with pytest.raises(MappingError) as caught:
        read_mapping(tmp_path / "m.toml", CANTEEN)
    assert caught.value.faults[0].startswith(said)


def test_columns_that_name_people_are_dropped_unless_mapped(tmp_path):
    names = CANTEEN.items.ids
    head = ["Contact e-mail", "Last name", "form", *names]
    (tmp_path / "a.csv").write_text(
        f"{','.join(head)}\njo@example.org,Doe,P,{','.join('3' * len(names))}\n", encoding="utf-8"
    )
    (tmp_path / "m.toml").write_text('[columns]\n"Contact e-mail" = "person"\n', encoding="utf-8")
    responses = read_responses(tmp_path / "a.csv", CANTEEN, mapping=tmp_path / "m.toml")
    assert responses.people["person"].tolist() == ["jo@example.org"]  # as a person decided
    assert "Last name" not in responses.people
    assert "dropped" in responses.ledger.set_index("column").loc["Last name", "note"]


def mapped(tmp_path, cells, mapping, **options):
    path = tmp_path / "a.csv"
    path.write_text(csv_text(cells), encoding="utf-8")
    (tmp_path / "m.toml").write_text(mapping, encoding="utf-8")
    return read_responses(path, CANTEEN, mapping=tmp_path / "m.toml", **options)


def test_several_answers_in_one_cell(tmp_path):
    cells = [["form", "Which?", *ITEMS]]
    answers = ("Breakfast; Evening meal", "2|3", "1 98", "lunch\nDinner", "none of them", "")
    cells += [["P", each, *"34512345"] for each in answers]
    mapping = '[columns]\n"Which?" = "meal"\n[values.meals]\n"Evening meal" = 3\n"none of them" = ""\n'
    found = mapped(tmp_path, cells, mapping)
    chosen = found.people[["meal1", "meal2", "meal3", "meal98"]].astype("string").fillna("").to_numpy().tolist()
    assert chosen == [list("1010"), list("0110"), list("1001"), list("0110"), [""] * 4, [""] * 4]
    with pytest.raises(ResponseError) as caught:
        mapped(tmp_path, [*cells, ["P", "Supper", *"34512345"]], mapping)
    (fault,) = caught.value.faults
    assert fault.startswith(
        "a.csv:9:Which?: 'supper' is no answer to meal; allowed are its codes and labels (breakfast"
    )
    assert fault.endswith("or say in [values.meals] of m.toml what it is")


def test_values_of_several_answers_need_the_column_that_holds_them(tmp_path):
    # In the test's definition `mainmeal` has the same scale; without it the section would have no effect.
    only = replace(CANTEEN, questions=Catalogue(each for each in CANTEEN.questions if each.id != "mainmeal"))
    (tmp_path / "m.toml").write_text('[columns]\n"A" = "meal1"\n[values.meals]\n"Supper" = 3\n', encoding="utf-8")
    (fault,) = faults(MappingError, read_mapping, tmp_path / "m.toml", only)
    assert fault == (
        "m.toml:3: meals is the scale of a question with several answers (meal): its values are read only where one column "
        "holds all answers; map that column to meal. Columns of one answer each hold 1 (chosen) and 0"
    )
    (tmp_path / "m.toml").write_text('[columns]\n"A" = "meal"\n"B" = "meal2"\n', encoding="utf-8")
    (fault,) = faults(MappingError, read_mapping, tmp_path / "m.toml", CANTEEN)
    assert fault.startswith(
        "m.toml:2: meal stands for all its answers in one cell, but 'B' is its answer meal2; keep one"
    )


def test_forms_under_other_names(tmp_path):
    cells = [["Who", *ITEMS], ["Guest", *"34512345"], ["Cocineros", *"34", "", "", *"2345"]]
    found = mapped(tmp_path, cells, '[columns]\n"Who" = "form"\n[values.form]\n"guest" = "P"\n')
    assert found.people["form"].tolist() == ["P", "C"]
    with pytest.raises(MappingError, match=r"m.toml:4: 'G' is no form; allowed are P, C, PS, CS, and \"\" for a blank"):
        mapped(tmp_path, cells, '[columns]\n"Who" = "form"\n[values.form]\n"guest" = "G"\n')


def test_what_stands_twice_is_told_with_both_lines(tmp_path):
    text = (
        '[columns]\n"Noise" = "placeaf"\n"Noise" = "placeab"\n[values.agree]\n"x" = 1\n"x" = 2\n[columns]\n"y" = ""\n'
    )
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    assert faults(MappingError, read_mapping, tmp_path / "m.toml", CANTEEN) == (
        "m.toml:3: the heading 'Noise' stands in line 2 already; keep one of the two lines",
        "m.toml:6: the value 'x' stands in line 5 already; keep one of the two lines",
        "m.toml:7: [columns] stands in line 1 already; put the lines of both together",
    )


def test_a_name_that_another_column_bears(tmp_path):
    with pytest.raises(ResponseError, match="maps 'Q1' to foodaf, but the file has a column foodaf too; leave one"):
        mapped(tmp_path, [["form", "Q1", *ITEMS], ["P", "1", *"34512345"]], '[columns]\n"Q1" = "foodaf"\n')


def test_the_platforms_own_reading_goes_on(tmp_path):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey)
    cells = redcap(survey, rows)
    head = cells[0]
    at = head.index("foodaf")
    head[at] = "q1_new"
    unopened = [*cells[1]]
    for place, name in enumerate(head):
        if place and not name.startswith("redcap"):
            unopened[place] = "0" if name.endswith("_complete") or "___" in name else ""
    unopened[0] = "R_unopened"
    cells.insert(2, unopened)
    found = mapped(tmp_path, cells, '[columns]\n"q1_new" = "foodaf"\n[values.agree]\n"-99" = ""\n')
    truth = [row["foodaf"] for row in rows]
    known = [code if 1 <= int(code or 0) <= 5 else "" for code in truth]
    assert found.answers["foodaf"].astype("string").fillna("").tolist() == known
    assert found.people["person"].tolist() == [row["response"] for row in rows]  # the record, not a number of the row
    ledger = found.ledger.set_index("column")
    assert ledger.loc["(rows without answers)", "cells"] == 1
    assert ledger.loc["foodaf", ["header", "note"]].tolist()[0] == "q1_new"
    assert ledger["platform"].dropna().unique().tolist() == ["redcap"]
    # What the mapping says and the platform's reading does not follow is never passed over.
    status = next(name for name in head if name.endswith("_complete"))
    found = mapped(tmp_path, cells, f'[columns]\n"q1_new" = "foodaf"\n"{status}" = ""\n')
    assert len(found.answers) == len(rows)


def test_a_heading_that_is_left_out_is_not_read_by_its_text(tmp_path):
    # Google: two headings with the text of one question; one is a trial.
    texts = [CANTEEN.items[item].text["en"] for item in ITEMS]
    cells = [["Timestamp", "form", f"Trial [{texts[0]}]", *texts], ["2026/03/01 8:40:49", "P", "5", *"34512345"]]
    with pytest.raises(ResponseError, match="both are filled"):
        mapped(tmp_path, cells, '[columns]\n"form" = "form"\n')
    found = mapped(tmp_path, cells, f'[columns]\n"Trial [{texts[0]}]" = ""\n')
    assert found.answers["foodaf"].tolist() == [3]
    assert found.people["date"].tolist() == ["2026-03-01"]
    assert found.ledger.set_index("column").loc[f"Trial [{texts[0]}]", "note"] == "left out, as m.toml says"


def test_a_column_that_the_platform_drops_is_never_passed_over_in_silence(tmp_path):
    cells = [["ResponseId", "RecordedDate", "RecipientEmail", "UserLanguage", "form", *ITEMS]]
    cells += [["R_1", "2026-03-01 08:40:49", "jo@example.org", "EN", "P", *"34512345"]]
    mapping = '[columns]\n"RecipientEmail" = "person"\n'
    found = mapped(tmp_path, cells, mapping)
    assert found.people["person"].tolist() == ["jo@example.org"]  # as a person decided
    assert found.people["date"].tolist() == ["2026-03-01"]
    # With the row of ImportIds Qualtrics' own reading knows the column whatever its heading says.
    ids = ["_recordId", "recordedDate", "recipientEmail", "userLanguage", "QID1", *(f"QID2_{at}" for at in range(8))]
    cells[1:1] = [[*cells[0]], [f'{{"ImportId":"{each}"}}' for each in ids]]
    with pytest.raises(ResponseError) as caught:
        mapped(tmp_path, cells, mapping)
    assert caught.value.faults == (
        "a.csv: m.toml maps 'RecipientEmail' to person, but this is an export of Qualtrics, which is read otherwise: an "
        "e-mail address; dropped and never read; take the line out of the mapping, or say --platform canonical",
    )


def test_a_platform_that_was_said_is_read_with_a_mapping_too(tmp_path):
    cells = [["Timestamp", "form", "Q1", *ITEMS[1:]], ["2026/03/01 8:40:49", "P", *"34512345"]]
    mapping = '[columns]\n"Q1" = "foodaf"\n'
    found = mapped(tmp_path, cells, mapping, platform="canonical")
    assert found.people["Timestamp"].tolist() == ["2026/03/01 8:40:49"]
    found = mapped(tmp_path, cells, mapping, platform="google-forms")
    assert found.people["date"].tolist() == ["2026-03-01"]


def test_labels_of_an_spss_file_that_contradict_the_definition_are_refused_under_a_mapping(tmp_path):
    frame = pd.DataFrame({"who": ["P"]} | {f"v{at}": [2.0] for at in range(1, 9)})
    for labels, right in (({1: "Strongly disagree", 2: "Disagree"}, True), ({1: "Strongly agree", 2: "Agree"}, False)):
        pyreadstat.write_sav(frame, tmp_path / "s.sav", variable_value_labels={"v1": labels})
        pairs = "\n".join(f'"v{at}" = "{item}"' for at, item in enumerate(ITEMS, start=1))
        (tmp_path / "m.toml").write_text(f'[columns]\n"who" = "form"\n{pairs}\n', encoding="utf-8")
        if right:
            found = read_responses(tmp_path / "s.sav", CANTEEN, mapping=tmp_path / "m.toml")
            assert found.answers["foodaf"].tolist() == [2]
        else:
            with pytest.raises(ResponseError, match=r"s\.sav:.*v1 \(foodaf\).*label"):
                read_responses(tmp_path / "s.sav", CANTEEN, mapping=tmp_path / "m.toml")


def test_the_platform_is_found_by_the_file_as_it_is(tmp_path):
    head = ["ResponseId", "RecordedDate", "UserLanguage", "Status", "form", *ITEMS]
    cells = [head, ["R_1", "2026-03-01 08:40:49", "EN", "0", "P", *"34512345"]]
    cells += [["R_2", "2026-03-01 08:40:49", "EN", "Survey Preview", "P", *"11111111"]]
    found = mapped(tmp_path, cells, '[columns]\n"ResponseId" = "person"\n')
    assert found.people["person"].tolist() == ["R_1"]  # a preview is no answer
    assert found.ledger["platform"].dropna().unique().tolist() == ["qualtrics"]


def test_values_count_in_columns_that_the_platform_recognises_alone(tmp_path):
    texts = [CANTEEN.items[item].text["en"] for item in ITEMS]
    cells = [["Timestamp", "form", *texts], ["2026/03/01 8:40:49", "P", "Fully agree", *"4512345"]]
    found = mapped(tmp_path, cells, '[columns]\n"form" = "form"\n[values.agree]\n"Fully agree" = 5\n')
    assert found.answers.iloc[0].tolist() == [5, 4, 5, 1, 2, 3, 4, 5]
