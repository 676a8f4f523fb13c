import csv
import io
import time
import zipfile
from dataclasses import replace

import pytest
from lxml import etree
from pyxform.xls2xform import convert

from instrument.checking import check_table
from instrument.definition import Catalogue, Labels, Text
from instrument.platforms import xlsform
from instrument.platforms.answers import known_columns
from instrument.platforms.xforms_answers import canonical, evidence, table_of_zip
from instrument.reading import read_responses
from instrument.responses import ResponseError
from instrument.tables import line, read_table
from tests.instrument.platforms.answered import (
    answers_to,
    assert_same,
    checked,
    csv_text,
    ledger,
    survey_of,
    truth,
    write_workbook,
)
from tests.instrument.platforms.instruments import CANTEEN, CASES, IDS, PWIQ
from tests.instrument.platforms.simulated_xforms import kobo, odk


def write(folder, cells, name="export.csv", *, separator=";", quoting=csv.QUOTE_ALL):
    path = folder / name
    if path.suffix == ".xlsx":
        write_workbook(path, "PWIQ peers", cells)
    else:
        path.write_bytes(csv_text(cells, separator=separator, quoting=quoting).encode("utf-8-sig"))
    return path


def raw(path, instrument=CANTEEN):
    return read_table(path, file=path.name, known=known_columns(instrument))


def read(path, instrument=CANTEEN):
    return checked(canonical(raw(path, instrument), instrument), instrument)


def faults(path, instrument=CANTEEN):
    table = canonical(raw(path, instrument), instrument)
    return [line(path.name, fault) for fault in check_table(table, instrument, wave=1, stem="x").faults]


def canteen(*, count=6, **options):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey, count=count)
    return survey, rows, kobo(survey, rows, **options)


def column(cells, name):
    return next(at for at, head in enumerate(cells[0]) if head == name or head.endswith(f"/{name}"))


@pytest.mark.parametrize(("instrument", "form", "language"), CASES, ids=IDS)
def test_what_people_answered_comes_back_from_kobo(instrument, form, language, tmp_path):
    survey = survey_of(instrument, form)
    rows = answers_to(survey)
    expected = truth(rows, instrument, tmp_path)
    ways = [
        (None, {"groups": True, "multiple": "both"}),
        (language, {"groups": False, "multiple": "both"}),
        (None, {"groups": False, "multiple": "summary"}),
        (language, {"groups": True, "multiple": "details"}),
        (language, {"groups": True, "multiple": "summary"}),
        (None, {"groups": True, "separator": ".", "multiple": "details"}),
    ]
    number = CASES.index((instrument, form, language))
    for labels, options in ways if (instrument, form) == (CANTEEN, "P") else [ways[number % 6]]:
        path = write(tmp_path, kobo(survey, rows, labels, **options))
        assert evidence(raw(path, instrument), instrument).platform == "kobo"
        assert_same(read(path, instrument), expected, instrument)


@pytest.mark.parametrize(
    ("instrument", "form"), list(dict.fromkeys(each[:2] for each in CASES)), ids=lambda each: getattr(each, "id", each)
)
def test_what_people_answered_comes_back_from_odk_central(instrument, form, tmp_path):
    survey = survey_of(instrument, form)
    rows = answers_to(survey)
    expected = truth(rows, instrument, tmp_path)
    for groups, split in ((True, False), (False, True))[: 2 if instrument is CANTEEN else 1]:
        path = write(tmp_path, odk(survey, rows, groups=groups, split=split), separator=",", quoting=csv.QUOTE_MINIMAL)
        assert evidence(raw(path), instrument).platform == "odk"
        assert_same(read(path, instrument), expected, instrument)


@pytest.mark.parametrize("instrument", [CANTEEN, PWIQ], ids=["canteen", "pwiq"])
def test_the_simulated_columns_are_those_of_the_form_that_pyxform_compiles(instrument, tmp_path):
    survey = survey_of(instrument, "P")
    for name, content in xlsform.write(survey).items():
        (tmp_path / name).write_bytes(content)
        compiled = convert(tmp_path / name).xform
    root = etree.fromstring(compiled.encode())
    (data,) = root.iterfind(".//{*}model/{*}instance[1]/")
    nodes = [each for each in data.iter() if isinstance(each.tag, str) and each is not data and not len(each)]
    paths = {
        "-".join(etree.QName(part).localname for part in reversed([each, *each.iterancestors()])).split(
            f"{etree.QName(data).localname}-", 1
        )[1]
        for each in nodes
    }
    heads = odk(survey, answers_to(survey, count=1))[0]
    asked = [head for head in heads if known(head, instrument)]
    assert len(asked) > len(instrument.asked_by("P"))
    assert set(asked) <= paths


def known(head, instrument):
    """Whether a column is a question or is shown with the questions."""
    last = head.split("-")[-1]
    return last in {*instrument.items.ids, *instrument.questions.ids, "note_banner"}


def test_a_workbook_of_kobo_with_all_forms_in_one_survey(tmp_path):
    survey = survey_of(PWIQ, *PWIQ.forms.ids)
    rows = answers_to(survey, count=2)
    path = write(tmp_path, kobo(survey, rows, "en"), "export.xlsx")
    assert_same(read_responses(path, PWIQ), truth(rows, PWIQ, tmp_path), PWIQ)


def test_devices_phones_and_submitters_are_never_read(tmp_path):
    _, _, cells = canteen()
    found = read(write(tmp_path, cells))
    everything = found.people.to_csv()
    assert "collect:" not in everything
    assert "0400" not in everything
    assert ledger(found, "username")["note"] == "the person or device that sent the answers; dropped and never read"
    assert found.people["date"].tolist() == ["2026-03-01"] * 6
    assert ledger(found, "__version__")["note"] == "the version of the form: 'vBcDe1'; not an answer"


def test_rejected_submissions_are_dropped_and_counted(tmp_path):
    own = {1: {"_validation_status": "validation_status_not_approved"}, 2: {"_validation_status": "Not Approved"}}
    _, rows, cells = canteen(own=own)
    found = read(write(tmp_path, cells))
    assert list(found.answers.index) == [row["response"] for at, row in enumerate(rows) if at not in (1, 2)]
    assert ledger(found, "(rejected)")["cells"] == 2
    survey = survey_of(CANTEEN, "P")
    found = read(write(tmp_path, odk(survey, rows, own={5: {"ReviewState": "rejected"}}), separator=","))
    assert len(found.answers) == 5


def test_a_question_that_moved_to_another_group_has_two_columns_and_one_meaning(tmp_path):
    _, rows, cells = canteen()
    at = column(cells, "foodaf")
    for place, each in enumerate(cells):
        early = place in (1, 2)
        each.insert(at, "oldpage/foodaf" if not place else each[at] if early else "")
        each[at + 1] = "" if early else each[at + 1]
    found = read(write(tmp_path, cells))
    assert_same(found, truth(rows, CANTEEN, tmp_path), CANTEEN)
    note = ledger(found, "oldpage/foodaf")["note"]
    assert "from 2 columns, never both filled: oldpage/foodaf, pagefood/foodaf" in note


def test_two_columns_of_one_question_that_are_both_filled_are_refused_by_name(tmp_path):
    _, _, cells = canteen()
    at = column(cells, "foodaf")
    cells[1][at] = "4"
    for place, each in enumerate(cells):
        each.insert(at, ("oldpage/foodaf", "2")[place] if place < 2 else "")
    assert [each.split(":", 2)[2] for each in faults(write(tmp_path, cells))] == [
        "pagefood/foodaf: '4', but the column 'oldpage/foodaf' holds '2' for foodaf in the same row (in 1 rows both are "
        "filled); keep one of the two columns"
    ]


def test_an_item_that_was_renamed_is_refused_by_name(tmp_path):
    own = {at: {"__version__": "v1" if at < 3 else "v2"} for at in range(6)}
    _, _, cells = canteen(own=own)
    at = column(cells, "foodaf")
    for place, each in enumerate(cells):
        early = place in (1, 2, 3)
        each.insert(at, "pagefood/tasty" if not place else "4" if early else "")
        each[at + 1] = each[at + 1] if not place else "" if early else "5"
    assert faults(write(tmp_path, cells)) == [
        "export.csv:1:pagefood/tasty: answers in 3 rows of a version of the form in which foodaf has none: it seems to be "
        "that question under an old name; give the column that name, or map it (pwiq map FILE)"
    ]


def test_a_question_of_the_services_own_is_kept(tmp_path):
    own = {at: {"__version__": "v1" if at < 3 else "v2"} for at in range(6)}
    _, _, cells = canteen(own=own)
    for place, each in enumerate(cells):
        each.insert(3, "ours/lunchbox" if not place else "4")
        each.insert(3, "ours/our_foodaf" if not place else "2")
    found = read(write(tmp_path, cells))
    assert found.people["ours/our_foodaf"].tolist() == ["2"] * 6
    assert found.people["ours/lunchbox"].tolist() == ["4"] * 6


def test_a_comment_that_only_an_early_version_asked_for_is_no_renamed_item(tmp_path):
    own = {at: {"__version__": "v1" if at < 3 else "v2"} for at in range(6)}
    _, _, cells = canteen(own=own)
    at = column(cells, "foodaf")
    for place, each in enumerate(cells):
        early = place in (1, 2, 3)
        each.append("ours/comment" if not place else "4, I think" if early else "")
        each[at] = each[at] if not place else "" if early else "5"
    assert read(write(tmp_path, cells)).people["ours/comment"].notna().sum() == 3


def test_marks_that_contradict_the_summary_are_refused(tmp_path):
    _, rows, cells = canteen()
    at = column(cells, "meal")
    first = next(place for place, row in enumerate(rows, start=1) if row["meal1"] == "1")
    cells[first][at + 1] = "0"
    told = faults(write(tmp_path, cells))
    assert len(told) == 1
    assert told[0].endswith(
        "says no, but the column 'pagebackground/meal' says yes; the export is shifted or was edited: export it again"
    )


def test_a_cell_with_several_answers_that_can_be_read_in_two_ways_is_refused(tmp_path):
    scale = CANTEEN.response_scales["meals"]
    labels = {1: "Main", 2: "Main course", 3: "Course"}
    texts = [(code, Text((("en", labels.get(code, "None")),))) for code in scale.labels]
    changed = replace(scale, labels=Labels(tuple(texts)))
    instrument = replace(
        CANTEEN, response_scales=Catalogue(changed if each.id == "meals" else each for each in CANTEEN.response_scales)
    )
    survey = survey_of(instrument, "P", languages=["en"])
    cells = kobo(survey, answers_to(survey, count=1), "en", multiple="summary")
    at = next(place for place, head in enumerate(cells[0]) if head.endswith("Which meals do you eat here?"))
    cells[1][at] = "Main course"
    told = faults(write(tmp_path, cells), instrument)
    assert [each.split("?: ", 1)[1] for each in told] == [
        "'Main course' can be read as several sets of answers to meal; write codes, separated by ' '"
    ]


# The zip of ODK Central


def zipped(folder, **members):
    path = folder / "peers.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_csv", ".csv").replace("_jpg", ".jpg"), content)
    return path


def test_the_table_of_submissions_is_found_in_the_zip(tmp_path):
    survey = survey_of(CANTEEN, "P")
    rows = answers_to(survey)
    text = csv_text(odk(survey, rows))
    path = zipped(
        tmp_path, peers_csv=text, **{"peers-repeat_csv": "PARENT_KEY,KEY\n1,2\n", "media__photo_jpg": b"\xff\xd8"}
    )
    table = table_of_zip(path, file="peers.zip")
    assert table.file == "peers.zip/peers.csv"
    assert_same(checked(canonical(table, CANTEEN), CANTEEN), truth(rows, CANTEEN, tmp_path), CANTEEN)
    assert_same(read_responses(path, CANTEEN), truth(rows, CANTEEN, tmp_path), CANTEEN)


def test_zips_that_hold_no_one_table_are_refused(tmp_path):
    for members, message in (
        ({"media__photo_jpg": b""}, "peers.zip: the zip archive holds no CSV or TSV; export the answers again"),
        (
            {"a_csv": "x\n1\n", "b_csv": "x\n1\n"},
            "peers.zip: the zip archive holds 2 tables ('a.csv', 'b.csv'); unpack the one that is meant",
        ),
    ):
        with pytest.raises(ResponseError) as caught:
            table_of_zip(zipped(tmp_path, **members), file="peers.zip")
        assert caught.value.faults == (message,)
    broken = tmp_path / "broken.zip"
    broken.write_bytes(zipped(tmp_path, peers_csv="x\n1\n").read_bytes()[:40])
    with pytest.raises(ResponseError, match="the zip archive is damaged; download it again"):
        table_of_zip(broken, file="broken.zip")


def test_a_zip_bomb_is_refused_without_unpacking_it(tmp_path, monkeypatch):
    monkeypatch.setattr("instrument.platforms.xforms_answers._UNPACKED_LIMIT", 1_000_000)
    path = zipped(tmp_path, peers_csv=io.BytesIO(b"0" * 2_000_000).getvalue())
    with pytest.raises(ResponseError, match=r"peers.csv unpacks to over 1 GB; no file of answers is that large"):
        table_of_zip(path, file="peers.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_damaged_archive_of_any_method(tmp_path, method):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", method) as archive:
        archive.writestr("a.csv", "person,form\n" * 99)
    data = bytearray((tmp_path / "a.zip").read_bytes())
    for at in range(44, 60):
        data[at] ^= 0x55
    (tmp_path / "a.zip").write_bytes(data)
    with pytest.raises(ResponseError, match=r"a\.zip: the zip archive is damaged; download it again"):
        read_responses(tmp_path / "a.zip", CANTEEN)


def test_an_archive_that_unpacks_to_a_thousand_times_its_size_or_holds_thousands_of_tables(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.csv", b"\n" * 60_000_000)
    with zipfile.ZipFile(tmp_path / "b.zip", "w") as archive:
        for number in range(3000):
            archive.writestr(f"{number}-a.csv", "x")
    start = time.process_time()
    with pytest.raises(ResponseError, match=r"a\.csv unpacks to over 500 times its size, as a zip bomb does"):
        read_responses(tmp_path / "a.zip", CANTEEN)
    with pytest.raises(ResponseError, match=r"holds 3000 tables \('0-a.csv', .*, …\); unpack the one that is meant"):
        read_responses(tmp_path / "b.zip", CANTEEN)
    assert time.process_time() - start < 2
