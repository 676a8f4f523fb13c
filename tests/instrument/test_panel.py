"""The desk: a form goes out, comes back filled in, is counted; and what may not come in or out does not."""

import datetime as dt
import io
import re
import zipfile
from pathlib import Path

import openpyxl
import pandas as pd
import pytest

from instrument.definition import InstrumentError, read_instrument
from instrument.delphi import DelphiRule
from instrument.panel import (
    decisions_template,
    panel_decide,
    panel_form,
    panel_read,
    panel_report,
    read_decisions,
    read_rating_forms,
    read_rating_rounds,
    report_markdown,
    report_workbook,
    write_rating_form,
)
from instrument.panel.shown import _experts, report_tables
from instrument.panel.words import form_words
from instrument.responses import ResponseError

DATA = Path(__file__).parents[1] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
SMALL = read_instrument(DATA / "small.toml")
ITEMS, COVERAGE, YOU, ABOUT, FRAME = "Items", "Coverage", "You", "Read me", "Frame"
OTHERS = "not told apart: fewer than 3 of some kind"


@pytest.fixture(scope="module")
def blank(tmp_path_factory):
    path = tmp_path_factory.mktemp("form") / "blank.xlsx"
    write_rating_form(CANTEEN, path)
    return path


def fill(source, path, *, code="E1", perspective="peer worker", lived="yes", cells=None, **ratings):
    """Fill in a form: `ratings` are item="rc" or item="rc comment", `cells` are (sheet, cell) → value."""
    book = openpyxl.load_workbook(source)
    you = book.worksheets[1]
    you["B2"], you["B3"], you["B4"] = code, perspective, lived
    for row in book.worksheets[3].iter_rows(min_row=2):
        if row[0].value.startswith("["):
            continue  # what a part is about
        given = ratings.get(row[0].value, ratings.get("every", ""))
        for cell, digit in zip(row[3:5], given[:2], strict=False):
            cell.value = None if digit == "." else int(digit)
        row[-1].value = given[3:] or None
        if given[3:]:
            row[-1].data_type = "s"  # typed as text, also where it begins like a formula
    for (sheet, place), value in (cells or {}).items():
        book[sheet][place] = value
    book.save(path)
    return path


def faults(*paths, instrument=CANTEEN):
    with pytest.raises(ResponseError) as caught:
        read_rating_forms(paths, instrument)
    return caught.value.faults


@pytest.fixture(scope="module")
def six(blank, tmp_path_factory):
    """Six experts, three with lived experience; they differ about foodaf, all doubt placebb."""
    folder = tmp_path_factory.mktemp("six")
    comment = "=1+1 <b>who</b> | is 'here'?"
    return [
        fill(
            blank,
            folder / f"{n}.xlsx",
            code=f"E{n}",
            perspective="peer worker" if n < 4 else "researcher",
            lived="yes" if n < 4 else "no",
            every="44",
            foodaf="44" if n < 4 else "13",
            foodab="34 " + comment if n == 2 else "34",
            placebb="23",
            placeaf=".." if n == 1 else "43",
            cells={(COVERAGE, "D2"): 4, (COVERAGE, "D3"): 1 + n % 4, (COVERAGE, "E4"): f"Cost {n}"},
        )
        for n in range(1, 7)
    ]


@pytest.fixture(scope="module")
def ratings(six):
    return read_rating_forms(six, CANTEEN)


@pytest.fixture(scope="module")
def report(ratings):
    return panel_report(ratings, rule=DelphiRule())


@pytest.fixture(scope="module")
def written(report):
    return report_workbook(report)


# The form


def test_what_the_form_asks(blank):
    book = openpyxl.load_workbook(blank)
    assert book.sheetnames == [ABOUT, YOU, FRAME, ITEMS, COVERAGE]
    about = {row[0].value: row[1].value for row in book[ABOUT].iter_rows(max_col=2)}
    assert about["digest"] == CANTEEN.digest
    assert about["version"] == "0.2.0"
    assert about["Please note"] == "Made up for tests."
    rows = [[cell.value for cell in row[:3]] for row in book[ITEMS].iter_rows(min_row=2)]
    expected = []
    for part in CANTEEN.subscales:
        meaning = part.construct.get("en")
        expected.append([f"[{part.id}]", f"{part.title['en']}: {meaning}" if meaning else part.title["en"], None])
        for item in (each for each in CANTEEN.items if each.subscale == part.id):
            groups = [form.title["en"] for form in CANTEEN.forms if form.id in item.forms and not form.is_short]
            who = "everyone" if len(groups) == len(CANTEEN.full_forms) else "; ".join(groups)
            expected.append([item.id, who, item.text["en"]])
    assert rows == expected
    frame = {row[0].value: row[2].value for row in book[FRAME].iter_rows(min_row=2)}
    heads = {name: getattr(CANTEEN, name).get("en") for name in ("instructions", "form_question", "rule")}
    assert {name: text for name, text in frame.items() if " " not in name} == {k: v for k, v in heads.items() if v}
    assert frame["answers agree"].startswith("1 = ")
    assert "name a problem on purpose" in about["What to judge"]
    assert [row[0].value for row in book[COVERAGE].iter_rows(min_row=2)] == ["food", "place", "whole"]
    assert not any("name" in str(cell.value).lower() and cell.row > 2 for row in book[YOU].iter_rows() for cell in row)


def test_only_what_is_asked_can_be_changed(blank):
    book = openpyxl.load_workbook(blank)
    assert all(sheet.protection.sheet for sheet in book)
    unlocked = {
        (sheet.title, c.column_letter) for sheet in book for row in sheet for c in row if not c.protection.locked
    }
    assert unlocked == {(sheet, column) for sheet in (ITEMS, COVERAGE, FRAME) for column in "DE"} | {
        (YOU, "B"),
        (ITEMS, "F"),
    }
    assert all(book[ITEMS].cell(1, column).protection.locked for column in range(1, 7))
    rules = {str(each.sqref): each.formula1 for each in book[ITEMS].data_validations.dataValidation}
    assert rules == {"D2:D11": '"1,2,3,4"', "E2:E11": '"1,2,3,4"'}
    assert book[ITEMS].freeze_panes == "D2"
    assert book[ITEMS].print_title_rows == "$1:$1"
    assert book[YOU]["B2"].number_format == "@"  # a code such as MAR05 becomes no date


def test_the_same_form_every_time(blank, tmp_path):
    write_rating_form(CANTEEN, tmp_path / "again.xlsx")
    assert (tmp_path / "again.xlsx").read_bytes() == blank.read_bytes()


def test_text_of_a_definition_is_no_formula(tmp_path):
    source = (DATA / "small.toml").read_text(encoding="utf-8").replace("I take my breaks.", "=1+1 breaks")
    (tmp_path / "odd.toml").write_text(source, encoding="utf-8")
    odd = read_instrument(tmp_path / "odd.toml")
    write_rating_form(odd, tmp_path / "odd.xlsx")
    cell = openpyxl.load_workbook(tmp_path / "odd.xlsx")[ITEMS]["C3"]
    assert (cell.value, cell.data_type, cell.quotePrefix) == ("=1+1 breaks", "s", True)
    fill(tmp_path / "odd.xlsx", tmp_path / "back.xlsx", every="44")
    assert len(read_rating_forms([tmp_path / "back.xlsx"], odd).experts) == 1


def test_languages_of_items_and_of_instructions(tmp_path):
    write_rating_form(CANTEEN, tmp_path / "es.xlsx", language="es", forms=["PS"])
    book = openpyxl.load_workbook(tmp_path / "es.xlsx")
    assert book.sheetnames == ["Léame", "Usted", "Marco", "Enunciados", "Cobertura"]
    asked = [row[0].value for row in book["Enunciados"].iter_rows(min_row=2) if not row[0].value.startswith("[")]
    assert asked == [item.id for item in CANTEEN.items if "PS" in item.forms]
    fill(
        tmp_path / "es.xlsx", tmp_path / "a.xlsx", perspective="persona con experiencia vivida", lived="sí", every="43"
    )
    write_rating_form(CANTEEN, tmp_path / "mixed.xlsx", language="es", forms=["PS"], words_language="en")
    assert openpyxl.load_workbook(tmp_path / "mixed.xlsx").sheetnames[1] == "You"
    fill(tmp_path / "mixed.xlsx", tmp_path / "b.xlsx", code="E2", lived="no", every="2.")
    found = read_rating_forms([tmp_path / "a.xlsx", tmp_path / "b.xlsx"], CANTEEN)
    assert found.experts["perspective"].tolist() == ["lived_experience", "peer_worker"]
    assert found.experts["lived"].tolist() == [True, False]
    assert found.relevance.loc["E2"].tolist() == [2] * len(asked)
    assert found.clarity.loc["E2"].isna().all()


def test_every_language_of_the_instructions_says_the_same_things():
    english, *others = form_words().values()
    assert others
    for words in others:
        for part in vars(english):
            assert vars(words)[part].keys() == vars(english)[part].keys()
            for key, text in vars(english)[part].items():
                if isinstance(text, str):
                    assert sorted(re.findall(r"\{\w+\}", text)) == sorted(
                        re.findall(r"\{\w+\}", vars(words)[part][key])
                    )
        for part in ("columns", "perspectives", "answers"):
            assert len(set(vars(words)[part].values())) == len(vars(words)[part])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"language": "fr"}, "language 'fr' is not in the definition; use one of en, es"),
        ({"words_language": "fr"}, "instructions of the form exist in en, es, not in 'fr'"),
        ({"forms": ["X"]}, "no such form: X; use P, C, PS, CS"),
        ({"items": ["foodxx"]}, "no such item in canteen 0.2.0: foodxx"),
        ({"items": []}, "no item is left"),
        ({"round": 0}, "rounds count from 1"),
    ],
)
def test_a_form_that_cannot_be_is_refused(tmp_path, options, message):
    with pytest.raises(ValueError, match=message):
        write_rating_form(CANTEEN, tmp_path / "x.xlsx", **options)
    with pytest.raises(ValueError, match=r"ends with \.xlsx"):
        write_rating_form(CANTEEN, tmp_path / "x.csv")
    assert not list(tmp_path.iterdir())


def test_later_rounds_show_the_group_where_five_rated(six, ratings, tmp_path):
    earlier = ratings
    write_rating_form(CANTEEN, tmp_path / "2.xlsx", round=2, earlier=earlier, items=["foodaf", "placeaf"])
    sheet = openpyxl.load_workbook(tmp_path / "2.xlsx")[ITEMS]
    rated = [row for row in sheet.iter_rows(min_row=2) if not row[0].value.startswith("[")]
    shown = {row[0].value: (row[5].value, row[6].value) for row in rated}
    # foodaf: 4 4 4 1 1 1; placeaf: five experts.
    assert shown == {
        "foodaf": ("median 2.5 (1 to 4)", "median 3.5 (3 to 4)"),
        "placeaf": ("median 4 (4 to 4)", "median 3 (3 to 3)"),
    }
    few = read_rating_forms(six[:5], CANTEEN)
    write_rating_form(CANTEEN, tmp_path / "few.xlsx", round=2, earlier=few, items=["foodaf", "placeaf"])
    sheet = openpyxl.load_workbook(tmp_path / "few.xlsx")[ITEMS]
    rated = [row for row in sheet.iter_rows(min_row=2) if not row[0].value.startswith("[")]
    assert [bool(row[5].value) for row in rated] == [True, False]  # placeaf: four
    fill(tmp_path / "2.xlsx", tmp_path / "back.xlsx", every="34 ok")
    again = read_rating_forms([tmp_path / "back.xlsx"], CANTEEN)
    assert again.round == 2
    assert again.comments["comment"].tolist() == ["ok", "ok"]
    with pytest.raises(ValueError, match="earlier ratings are of round 1; give a round after it, not 1"):
        write_rating_form(CANTEEN, tmp_path / "x.xlsx", earlier=earlier)
    with pytest.raises(ValueError, match="rated canteen, not wellteam"):
        write_rating_form(SMALL, tmp_path / "x.xlsx", earlier=earlier, round=2)


# Reading


def test_ratings_come_back_as_they_were_given(ratings):
    found = ratings
    assert found.relevance.index.tolist() == [f"E{n}" for n in range(1, 7)]
    assert found.relevance["foodaf"].tolist() == [4, 4, 4, 1, 1, 1]
    assert found.clarity["placebb"].tolist() == [3] * 6
    assert found.relevance["placeaf"].isna().tolist() == [True] + [False] * 5
    assert found.coverage.columns.tolist() == ["food", "place", "whole"]
    assert found.coverage["place"].tolist() == [2, 3, 4, 1, 2, 3]
    assert found.coverage["whole"].isna().all()
    assert found.comments.to_numpy().tolist() == [["foodab", "=1+1 <b>who</b> | is 'here'?"]]
    assert found.notes == ()
    assert repr(found) == "PanelRatings of canteen 0.2.0, round 1: 6 experts, 8 items"


def test_what_was_written_does_not_say_by_whom(six, ratings):
    found = ratings
    backwards = read_rating_forms(six[::-1], CANTEEN)
    pd.testing.assert_frame_equal(found.suggestions, backwards.suggestions)
    assert found.suggestions.columns.tolist() == ["part", "suggestion"]
    texts = found.suggestions["suggestion"].tolist()
    assert sorted(texts) == [f"Cost {n}" for n in range(1, 7)]
    assert texts not in (sorted(texts), sorted(texts, reverse=True))


def test_every_fault_of_every_file_at_once(blank, tmp_path):
    one = fill(
        blank,
        tmp_path / "1.xlsx",
        code="",
        perspective="boss",
        every="44",
        cells={(ITEMS, "D4"): 5, (ITEMS, "E5"): "=2+2", (COVERAGE, "D2"): "all"},
    )
    two = fill(blank, tmp_path / "2.xlsx", code="Ann Example", every="44", cells={(ITEMS, "C6"): "Another text."})
    three = fill(
        blank, tmp_path / "3.xlsx", code="x7", every="44", cells={(ITEMS, "A8"): "foodaf", (ITEMS, "A9"): "nope"}
    )
    four = fill(blank, tmp_path / "4.xlsx", code="X7", every="..")
    found = faults(one, two, three, four)
    starts = [
        "1.xlsx:You:2:Your answer: the expert's code is missing",
        "1.xlsx:You:3:Your answer: 'boss' is not in the list; choose one of person with lived experience, peer worker",
        "1.xlsx:Items:4:Relevance 1–4: '5' is no rating; give 1, 2, 3 or 4, or leave the cell empty",
        "1.xlsx:Items:5:Clarity 1–4: '=2+2' is no rating",
        "1.xlsx:Coverage:2:Covered 1–4: 'all' is no rating",
        "2.xlsx:You:2:Your answer: 'Ann Example' is no code",
        "2.xlsx:Items:6:Statement: the text of foodbb is not that of the definition",
        "3.xlsx:Items:8:Id: 'foodaf' stands twice",
        "3.xlsx:Items:9:Id: 'nope' is no item",
        "4.xlsx: no statement was rated",
        "4.xlsx:You:2: the code 'X7' is that of 3.xlsx too",
    ]
    assert len(found) == len(starts)
    for fault, start in zip(found, starts, strict=True):
        assert fault.startswith(start)


def test_a_blank_answer_is_no_answer(blank, tmp_path):
    path = fill(blank, tmp_path / "a.xlsx", perspective=None, lived=None, foodaf="4.")
    found = read_rating_forms([path], CANTEEN)
    assert found.experts.loc["E1", "perspective"] == ""
    assert found.experts["lived"].isna().all()
    assert found.relevance.notna().sum().sum() == 1


def test_files_that_are_no_forms(blank, tmp_path):
    (tmp_path / "a.csv").write_text("x", encoding="utf-8")
    (tmp_path / "~$a.xlsx").write_text("x", encoding="utf-8")
    assert "close the file and run again" in faults(tmp_path / "~$a.xlsx")[0]
    (tmp_path / "b.xlsx").write_text("x", encoding="utf-8")
    book = openpyxl.Workbook()
    book.active.append(["anything"])
    book.active.append(["else"])
    book.save(tmp_path / "c.xlsx")
    book = openpyxl.load_workbook(fill(blank, tmp_path / "d.xlsx", every="44"))
    del book[ITEMS]
    book.save(tmp_path / "d.xlsx")
    far = openpyxl.load_workbook(fill(blank, tmp_path / "e.xlsx", every="44"))
    far[ITEMS]["XFD1048576"] = 1
    far.save(tmp_path / "e.xlsx")
    found = faults(*(tmp_path / name for name in ("a.csv", "b.xlsx", "c.xlsx", "d.xlsx", "e.xlsx")))
    assert "a.csv: a rating form is an Excel workbook (.xlsx)" in found[0]
    assert found[1].startswith("b.xlsx: this is not an .xlsx file")
    assert found[2].startswith("c.xlsx: this is no rating form: the lines instrument, version, digest")
    assert found[3].startswith("d.xlsx: the sheet 'Items' is missing")
    assert found[4].startswith("e.xlsx: the sheet spans over")
    assert len(found) == 5
    with pytest.raises(FileNotFoundError, match="no such file"):
        read_rating_forms([tmp_path / "none.xlsx"], CANTEEN)
    with pytest.raises(ValueError, match="no rating form was given"):
        read_rating_forms([], CANTEEN)


def test_a_form_of_another_questionnaire_or_round(blank, tmp_path):
    write_rating_form(SMALL, tmp_path / "small.xlsx")
    other = fill(tmp_path / "small.xlsx", tmp_path / "s.xlsx", every="44")
    assert "it rates 'wellteam', not canteen" in faults(other)[0]
    one = fill(blank, tmp_path / "1.xlsx", every="44")
    write_rating_form(CANTEEN, tmp_path / "r2.xlsx", round=2)
    two = fill(tmp_path / "r2.xlsx", tmp_path / "2.xlsx", code="E2", every="44")
    assert faults(one, two) == (
        "the files are of several rounds (round 1: 1.xlsx; round 2: 2.xlsx); read each round by itself",
    )
    write_rating_form(CANTEEN, tmp_path / "part.xlsx", items=["foodaf"])
    part = fill(tmp_path / "part.xlsx", tmp_path / "p.xlsx", code="E3", every="44")
    assert faults(one, part)[0].startswith("p.xlsx: it does not ask the same statements as 1.xlsx (foodab, foodbb")


@pytest.fixture(scope="module")
def edited(tmp_path_factory):
    """The canteen after an edit: one text changed, one item gone."""
    source = (DATA / "forms.toml").read_text(encoding="utf-8")
    source = source.replace('version = "0.2.0"', 'version = "0.3.0"').replace(
        "Popular dishes run out.", "Dishes run out early."
    )
    path = tmp_path_factory.mktemp("edited") / "canteen.toml"
    path.write_text(source, encoding="utf-8")
    return read_instrument(path)


def test_forms_of_an_earlier_version(six, edited):
    found = read_rating_forms(six, edited)
    assert found.changed == ("foodbb",)
    assert "foodbb" not in found.relevance
    assert found.notes == (
        "6 of 6 forms rate another edition of the definition (version 0.2.0; this is 0.3.0).",
        "Their text changed since, so those ratings are left out: foodbb.",
    )
    assert found.relevance["foodaf"].tolist() == [4, 4, 4, 1, 1, 1]


# The report


def test_what_needs_a_talk_comes_first(ratings):
    report = panel_report(ratings)
    assert report.talk.index.tolist()[:3] == ["foodaf", "placebb", "foodab"]
    assert report.talk["why"].tolist()[:4] == [
        "lived experience and others would decide differently (relevance); relevance 3 of 6, below .78",
        "relevance 0 of 6, below .78",
        "1 comment",
        "",
    ]
    assert report.talk.loc["foodaf", ["relevance_difference", "clarity_difference"]].tolist() == [1, 0]
    assert report.coverage["share"].round(2).tolist()[:2] == [1, 0.5]
    assert report.coverage.loc["place", ["raters", "agreeing"]].tolist() == [6, 3]
    assert report.delphi == {}
    assert report.again == ()
    assert set(report.talk["verdict"]) == {""}


def test_the_report_says_nothing_of_one_expert(report, written):
    text = report_markdown(report)
    assert not re.search(r"\bE[1-6]\b", text)
    assert not any(column == "expert" for table in report_tables(report).values() for column in table.columns)
    book = openpyxl.load_workbook(io.BytesIO(written))
    cells = [str(cell.value) for sheet in book for row in sheet for cell in row if cell.value is not None]
    assert not any(re.search(r"\bE[1-6]\b", cell) for cell in cells)


def test_small_groups_are_not_shown_apart(six):
    report = panel_report(read_rating_forms(six[1:], CANTEEN))  # two with lived experience
    assert all(each.items.empty for each in report.perspectives.values())
    assert report.talk[["relevance_difference", "clarity_difference"]].isna().all(axis=None)
    assert any(note.startswith("Not shown apart: fewer than 3 experts") for note in report.notes)
    assert "differently" not in " ".join(report.talk["why"])
    with pytest.raises(ValueError, match="2 experts rated: a panel has at least 3"):
        panel_report(read_rating_forms(six[:2], CANTEEN))


def test_what_experts_wrote_is_text_everywhere(report, written):
    text = report_markdown(report)
    assert "<b>" not in text
    assert r"=1+1 &lt;b&gt;who&lt;/b&gt; \| is 'here'?" in text
    assert text.count("Made up for tests.") == 1
    assert CANTEEN.digest in text
    data = written
    book = openpyxl.load_workbook(io.BytesIO(data))
    (cell,) = [c for row in book["Talk"] for c in row if str(c.value).startswith("=")]
    assert (cell.data_type, cell.quotePrefix) == ("s", True)
    assert data == report_workbook(report)
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = [archive.read(name) for name in archive.namelist() if "worksheets/sheet" in name]
    assert not any(b"<f>" in sheet for sheet in sheets)


def test_rounds(ratings, report, tmp_path):
    first = ratings
    rule = DelphiRule()
    assert report.again == ("foodaf", "placebb")
    write_rating_form(CANTEEN, tmp_path / "r2.xlsx", round=2, earlier=first, items=["foodaf", "placebb"])
    later = [
        fill(
            tmp_path / "r2.xlsx",
            tmp_path / f"{n}.xlsx",
            code=f"E{n}",
            lived="yes" if n < 4 else "no",
            foodaf="44",
            placebb="23",
        )
        for n in range(1, 7)
    ]
    second = read_rating_forms(later, CANTEEN)
    second_report = panel_report(second, rule=rule, earlier=first)
    assert second_report.talk["verdict"].to_dict() == {"foodaf": "agreed", "placebb": "stable without agreement"}
    assert second_report.delphi["relevance"].items.loc["foodaf", "moved"] == 0.5
    assert second_report.again == ()
    with pytest.raises(ValueError, match="compared by a rule that was stated before"):
        panel_report(second, earlier=first)
    with pytest.raises(ValueError, match="round 1 before round 1"):
        panel_report(first, rule=rule, earlier=first)


def test_an_item_that_few_rated_says_so(blank, tmp_path):
    forms = [
        fill(blank, tmp_path / f"{n}.xlsx", code=f"E{n}", every="44", foodaf=".4" if n < 3 else "44")
        for n in range(1, 7)
    ]
    found = panel_report(read_rating_forms(forms, CANTEEN), rule=DelphiRule())
    assert found.validity["relevance"].items.loc["foodaf", "icvi"] == 1
    assert found.again == ("foodaf",)
    assert found.talk.loc["foodaf", "why"] == "relevance rated by 4 only; 5 are needed to judge"
    assert found.final.loc["foodaf", "verdict"] == "next round"


def test_what_everyone_reads_is_rated_too(blank, tmp_path):
    name = openpyxl.load_workbook(blank)[FRAME]["A2"].value
    forms = [
        fill(
            blank,
            tmp_path / f"{n}.xlsx",
            code=f"E{n}",
            every="44",
            cells={(FRAME, "D2"): n, (FRAME, "E2"): f"Say {n}."},
        )
        for n in range(1, 4)
    ]
    found = read_rating_forms(forms, CANTEEN)
    assert found.frame[name].tolist() == [1, 2, 3]
    assert sorted(found.suggestions.to_numpy().tolist()) == [[name, f"Say {n}."] for n in range(1, 4)]
    report = panel_report(found)
    assert report.frame.loc[name, ["raters", "agreeing"]].tolist() == [3, 1]
    (title,) = report_tables(report)["Frame, clarity"]["part"]
    assert title == form_words()["en"].frame[name.split(" ")[0]]
    assert set(report_tables(report)["Suggestions"]["part"]) == {title}
    bad = fill(blank, tmp_path / "bad.xlsx", every="44", cells={(FRAME, "C2"): "Other words.", (FRAME, "D3"): 7})
    (text, rating) = faults(bad)
    assert text.startswith(f"bad.xlsx:Frame:2:Text: '{name}' stands twice, or its text is not that of the definition")
    assert rating.startswith("bad.xlsx:Frame:3:Clarity 1–4: '7' is no rating")


def test_every_item_is_shown_as_it_was_last_rated(six, tmp_path):
    """Three rounds; the last table against the ratings of each, counted by hand."""
    later = []
    for number, asked in ((2, ["foodaf", "placebb"]), (3, ["placebb"])):
        form = tmp_path / f"form{number}.xlsx"
        write_rating_form(CANTEEN, form, round=number, items=asked)
        later.append(
            [
                fill(
                    form,
                    tmp_path / f"{number}-{n}.xlsx",
                    code=f"E{n}",
                    foodaf="44",
                    placebb="44" if n < number else "23",
                )
                for n in range(1, 7)
            ]
        )
    rounds = read_rating_rounds([*later[0], *six], CANTEEN)
    assert [each.round for each in rounds] == [1, 2]
    report = panel_report(read_rating_forms(later[1], CANTEEN), rule=DelphiRule(), earlier=rounds)
    assert report.final.index.tolist() == list(CANTEEN.items.ids)
    assert report.final["round"].to_dict() == dict.fromkeys(CANTEEN.items.ids, 1) | {"foodaf": 2, "placebb": 3}
    assert report.final["relevance"].to_dict() == dict.fromkeys(CANTEEN.items.ids, 1.0) | {"placebb": 2 / 6}
    assert report.final.loc["foodaf", "verdict"] == "agreed"
    assert report.whole["relevance"]["average"] == pytest.approx((7 + 2 / 6) / 8)
    assert report.whole["relevance"]["universal"] == pytest.approx(7 / 8)
    text = report_markdown(report)
    first = text.split("## ")[0]
    assert "Over all 8 items, each as it was last rated (1 in round 3, 1 in round 2, 6 in round 1):" in first
    assert "Relevance: 7 of 8 items reach .78" in first
    assert "6 experts rated the 1 items asked in round 3" in first
    alone = panel_report(read_rating_forms(later[1], CANTEEN), rule=DelphiRule())
    assert any("asked in round 3 only: give the forms of all rounds before" in note for note in alone.notes)


def test_only_items_with_a_reason_are_to_be_talked_about_with_their_comments(report):
    talk = report_tables(report)["Talk"].set_index("item")
    assert talk.index.tolist() == ["foodaf", "placebb", "foodab"]
    assert talk.loc["foodab", "comments"] == "=1+1 <b>who</b> | is 'here'?"
    assert len(report_tables(report)["All items"]) == len(CANTEEN.items)
    assert not any("rounds" in name for name in report_tables(report))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["peer_worker"] * 4 + ["researcher"] * 3, {"peer worker": 4, "researcher": 3}),
        (["peer_worker"] * 4 + ["researcher", "manager", ""], {"peer worker": 4, OTHERS: 3}),
        (["peer_worker"] * 4 + ["researcher"] * 3 + ["manager"], {"peer worker": 4, OTHERS: 4}),
        (["peer_worker"] * 2 + ["researcher"], {OTHERS: 3}),
    ],
)
def test_no_single_expert_is_counted(given, expected):
    counted = _experts(pd.Series(given))
    assert dict(counted.itertuples(index=False)) == expected


def test_the_organiser_is_told_whose_form_is_missing_and_no_file_is(six, tmp_path):
    form = tmp_path / "r2.xlsx"
    write_rating_form(CANTEEN, form, round=2, items=["foodaf"])
    later = [fill(form, tmp_path / f"{n}.xlsx", code=f"E{n}", every="44") for n in (1, 2, 3, 4, 7)]
    said = panel_read(DATA / "forms.toml", later, tmp_path / "out", earlier=six, rule=DelphiRule())
    assert "No form of this round yet from: E5, E6." in said
    assert "Not in the round before: E7." in said
    assert str(tmp_path / "out") in said
    assert not re.search(r"\bE\d\b", (tmp_path / "out" / "panel.md").read_text(encoding="utf-8"))


# Decisions


LOG = """instrument = "canteen"

[[decision]]
item = "foodaf"
version = "0.2.0"
round = 1
decision = "revise"
reason = "Experts with lived experience and the others read it differently."
date = 2030-01-31
evidence = { relevance = 0.5, relevance_n = 6, clarity = 1.0, clarity_n = 6 }

[[decision]]
item = "snacks"
version = "0.2.0"
round = 1
decision = "add"
reason = "Several experts missed it."
date = 2030-01-31
"""


def test_decisions(tmp_path):
    path = tmp_path / "decisions.toml"
    path.write_text(LOG, encoding="utf-8")
    found = read_decisions(path, CANTEEN)
    assert found["item"].tolist() == ["foodaf", "snacks"]
    assert found["date"].tolist() == [dt.date(2030, 1, 31)] * 2
    assert found["relevance_n"].tolist() == [6, pd.NA]
    said = panel_decide(DATA / "forms.toml", path)
    assert (
        said
        == "canteen 0.2.0: 2 decisions (1 revise, 1 add).\nOpen: 7 of 8 items: "
        + ", ".join(CANTEEN.items.ids[1:])
        + "."
    )
    with pytest.raises(FileNotFoundError):
        panel_decide(DATA / "forms.toml", tmp_path / "none.toml")


def test_nothing_is_decided_about_pwiq_yet():
    pwiq = read_instrument("pwiq")
    assert read_decisions("pwiq", pwiq).empty
    assert panel_decide("pwiq").endswith("nothing was decided yet; no panel has met.")
    with pytest.raises(FileNotFoundError, match="no such file or folder"):
        read_decisions("nowhere", pwiq)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('"revise"', '"rethink"', "foodaf (line 7): decision is 'rethink'; write keep, revise, drop or add"),
        ("2030-01-31\nevidence", '""\nevidence', "foodaf (line 9): date is empty; write it without quotation marks"),
        ("date = 2030-01-31\nevidence", "evidence", "foodaf (line 3): date is missing; write it"),
        ("evidence =", "# evidence =", "foodaf (line 3): evidence is missing; give relevance and clarity"),
        ("relevance = 0.5", "relevance = 50", "foodaf (line 10): evidence.relevance is 50; give"),
        ('"Several experts missed it."', '" "', "snacks (line 17): reason is empty; write a sentence"),
        ('instrument = "canteen"', "", "instrument is missing; begin"),
        ('instrument = "canteen"', 'instrument = "canteen"\nwho = "me"', "who is no key of a log"),
        ('item = "snacks"\n', "", "entry 2 (line 12): item is missing; give the id"),
        ('"foodaf"', '"foodzz"', "foodzz: the last decision is 'revise', but canteen 0.2.0 does not have it"),
        ('"canteen"', '"other"', "it is of 'other', not of canteen"),
        ("[[decision]]", "[decision", "this is not TOML"),
        (
            '"snacks"',
            '"foodaf"\nwho = "me"',
            "foodaf (line 14): who is no key; they are item, version, round, decision, reason",
        ),
    ],
)
def test_a_log_with_a_fault_is_refused(tmp_path, old, new, message):
    path = tmp_path / "decisions.toml"
    path.write_text(LOG.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InstrumentError) as caught:
        read_decisions(path, CANTEEN)
    assert f"decisions.toml: {message}" in str(caught.value)


def test_what_was_dropped_stays_dropped(tmp_path):
    path = tmp_path / "decisions.toml"
    entry = LOG.split("\n\n")[1]
    path.write_text(LOG.replace('"revise"', '"drop"', 1) + "\n" + entry, encoding="utf-8")
    with pytest.raises(InstrumentError, match=r"foodaf \(line 24\): it was dropped before"):
        read_decisions(path, CANTEEN)


def test_the_template_is_open_until_it_is_filled_in(report, tmp_path):
    text = decisions_template(report)
    path = tmp_path / "decisions.toml"
    path.write_text(text, encoding="utf-8")
    assert read_decisions(path, CANTEEN).empty
    assert panel_decide(DATA / "forms.toml", path).startswith(
        "canteen 0.2.0: 0 decisions (all entries are open).\nOpen: 8 of 8"
    )
    # Half of the work can be saved and checked: one is decided, of one there is a reason only.
    half = re.sub(r'decision = "".*', 'decision = "keep"', text, count=1).replace('reason = ""', 'reason = "Clear."', 2)
    path.write_text(half, encoding="utf-8")
    with pytest.raises(InstrumentError, match=r"foodaf \(line 4\): date is missing"):
        read_decisions(path, CANTEEN)
    path.write_text(half.replace("# date =", "date =", 1), encoding="utf-8")
    assert panel_decide(DATA / "forms.toml", path).startswith(
        "canteen 0.2.0: 1 decision (1 keep).\nOpen: 7 of 8 items: "
    )
    filled = re.sub(r'decision = "".*', 'decision = "keep"', text).replace('reason = ""', 'reason = "Clear."')
    path.write_text(filled.replace("# date =", "date ="), encoding="utf-8")
    found = read_decisions(path, CANTEEN).set_index("item")
    assert found.index.tolist()[:2] == ["foodaf", "placebb"]
    assert found.loc["foodaf", ["relevance", "relevance_n"]].tolist() == [0.5, 6]
    assert found.loc["placeaf", "relevance_n"] == 5


# The command's functions


def test_the_desk(six, tmp_path):
    said = panel_form(DATA / "forms.toml", tmp_path / "form.xlsx", forms=["PS"])
    assert said.startswith("form.xlsx: ")
    said = panel_read(DATA / "forms.toml", six, tmp_path / "out", rule=DelphiRule())
    assert "foodaf: lived experience and others would decide differently (relevance)" in said
    files = sorted(path.name for path in (tmp_path / "out").iterdir())
    assert files == ["decisions.template.toml", "next_round.txt", "panel.md", "panel.xlsx"]
    assert (tmp_path / "out" / "next_round.txt").read_text(encoding="utf-8") == "".join(
        f"{name}  # {CANTEEN.items[name].text['en']}\n" for name in ("foodaf", "placebb")
    )
    said = panel_form(
        DATA / "forms.toml",
        tmp_path / "r2.xlsx",
        round=2,
        earlier=six,
        items_file=tmp_path / "out" / "next_round.txt",
    )
    assert said.startswith("r2.xlsx: 2 items of canteen 0.2.0, round 2.")


def test_a_log_of_any_name_is_read_and_none_that_is_missing(tmp_path):
    log = tmp_path / "after_round_1.toml"
    log.write_text(
        'instrument = "canteen"\n[[decision]]\nitem = "gone"\nversion = "0.2.0"\nround = 0\ndecision = "keep"\n'
        'reason = "x"\ndate = 2026-01-01\n',
        encoding="utf-8",
    )
    with pytest.raises(InstrumentError, match=r"after_round_1\.toml: gone: the last decision is 'keep'"):
        panel_decide(DATA / "forms.toml", log)
    for missing in (tmp_path, tmp_path / "nope.toml"):
        with pytest.raises(FileNotFoundError, match="there is no such file"):
            panel_decide(DATA / "forms.toml", missing)


def test_a_report_is_not_overwritten(tmp_path, six):
    panel_read(DATA / "forms.toml", six, tmp_path / "out")
    log = tmp_path / "out" / "decisions.template.toml"
    log.write_text("filled in by hand", encoding="utf-8")
    with pytest.raises(FileExistsError, match=r"decisions\.template\.toml exist; choose another folder or add --force"):
        panel_read(DATA / "forms.toml", six, tmp_path / "out")
    assert log.read_text(encoding="utf-8") == "filled in by hand"
    panel_read(DATA / "forms.toml", six, tmp_path / "out", force=True)
    assert log.read_text(encoding="utf-8") != "filled in by hand"
