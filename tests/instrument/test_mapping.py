import tomllib
from pathlib import Path

import pandas as pd
import pytest

from instrument.definition import read_instrument
from instrument.mapping import MappingError, propose_mapping, read_mapping
from instrument.reading import read_responses
from instrument.responses import ResponseError

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
    text = propose_mapping(path, CANTEEN)
    lines = text.splitlines()
    for line in (
        '"Q1_foodaf" = "foodaf"  # its id stands in the heading',
        '"La sopa viene demasiado salada." = "foodab"  # its text in es',
        '"People find something that they like" = "foodbf"  # a similar text, likeness 0.91',
        '"Popular dishes run out." = "foodbb"  # its text in en',
        '"Noise drives people out" = "placeab"  # a similar text, likeness 0.98',
        '# "Respondent no" = "person"  # a guess by the heading',
        '# "Payment" = ""  # not recognised; kept as text unless it is mapped',
        '"Your email address" = ""  # it may name people',
        "# No heading was recognised for 1 items: placebb",
        '[values.agree]  # value in the file = code (1, 2, 3, 4, 5, 97, 98, 99); "" is a blank',
        '"Strongly agreed" = 5  # a similar label, likeness 0.97',
    ):
        assert line in lines, f"{line}\n\n{text}"
    assert any(line.startswith('# "Fully agree" = ""  # guesses by likeness: ') for line in lines)
    assert '# "-99" = ""  # not recognised' in lines
    table = tomllib.loads(text)
    assert (table["instrument"], table["version"]) == ("canteen", CANTEEN.version)
    # What is proposed can be read as it is, and every proposal is one that a person would make.
    (tmp_path / "map.toml").write_text(text, encoding="utf-8")
    found = read_mapping(tmp_path / "map.toml", CANTEEN)
    assert {header: HEADINGS[header] for header in found.columns} == found.columns


def test_a_corrected_mapping_is_applied_and_told_in_the_ledger(tmp_path):
    path = foreign(tmp_path / "old.csv", row(), row("2", first="-99", last="n.a."))
    text = propose_mapping(path, CANTEEN).replace('# "Respondent no"', '"Respondent no"')
    text = (
        text.replace('# "Payment" = ""', '"Payment" = "placebb"')
        .replace('# "-99"', '"-99"')
        .replace('# "n.a."', '"n.a."')
    )
    text = text.replace('# "Fully agree" = ""', '"Fully agree" = 5')
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
        "left out, as map.toml says",
    ]
    assert "a@b.example" not in responses.people.to_string()


def test_codes_that_count_from_nought_are_proposed_shifted(tmp_path):
    frame = pd.DataFrame([{"person": str(n), "form": "P", **dict.fromkeys(ITEMS, str(n % 5))} for n in range(10)])
    frame.to_csv(tmp_path / "a.csv", index=False)
    text = propose_mapping(tmp_path / "a.csv", CANTEEN)
    assert "# The file counts from 0, the definition from 1." in text
    (tmp_path / "map.toml").write_text(text.replace("[columns]", '[columns]\n"person" = "person"'), encoding="utf-8")
    responses = read_responses(tmp_path / "a.csv", CANTEEN, mapping=tmp_path / "map.toml")
    assert responses.answers["foodaf"].tolist() == [1, 2, 3, 4, 5] * 2


def test_a_file_that_needs_no_mapping(tmp_path):
    frame = pd.DataFrame([{"person": "1", "form": "P", **dict.fromkeys(ITEMS, "3")}])
    frame.to_csv(tmp_path / "a.csv", index=False)
    text = propose_mapping(tmp_path / "a.csv", CANTEEN)
    assert not tomllib.loads(text)["columns"]
    assert "All columns bear the names of the definition already: no mapping is needed." in text


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
