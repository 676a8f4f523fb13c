"""Posted and saved answers become one table; what is doubtful is refused."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from instrument import build_survey, read_instrument, read_responses
from instrument.files import csv_text
from instrument.forms.collected import LONGEST, collected
from instrument.forms.survey_json import asset, form_data
from instrument.responses import ResponseError


def document(tmp_path: Path, name: str, *rows: dict[str, str], **other: Any) -> Path:
    path = tmp_path / name
    columns = list(dict.fromkeys(["response", "form", *(column for row in rows for column in row)]))
    whole = {"format": 1, "columns": columns, "responses": list(rows)} | other
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


def faults(*paths: Path) -> tuple[str, ...]:
    with pytest.raises(ResponseError) as caught:
        collected(paths)
    return caught.value.faults


def test_files_of_a_whole_form_are_read_by_the_gate(tmp_path: Path) -> None:
    instrument = read_instrument("pwiq")
    columns = form_data(build_survey(instrument, forms=["CS"]))["columns"]
    rows = [
        dict.fromkeys(columns, "")
        | {"response": name, "form": "CS", "version": instrument.version}
        | dict.fromkeys(instrument.asked_by("CS"), code)
        for name, code in (("aa", "2"), ("bb", "97"))
    ]
    rows[1]["open2"] = "one\rtwo \0 \ud83d"  # neither a row's end nor a byte that a file of text cannot hold
    paths = [document(tmp_path, f"{at}.json", row, columns=columns) for at, row in enumerate([*rows, rows[0]])]
    every = [form_data(build_survey(instrument, forms=[form]))["columns"] for form in ("P", "PS", "C", "CS")]
    table = collected([*paths, *(document(tmp_path, f"{at}{at}.json", columns=each) for at, each in enumerate(every))])
    assert table["response"].tolist() == ["aa", "bb"]
    (tmp_path / "answers.csv").write_text(csv_text(table), encoding="utf-8")
    responses = read_responses(tmp_path / "answers.csv", instrument)
    items = list(instrument.asked_by("CS"))
    assert (responses.answers.loc["aa", items] == 2).all()
    assert (responses.off_scale.loc["bb", items] == "dont_know").all()
    assert responses.people.loc["bb", "open2"] == "one\ntwo \ufffd \ufffd"
    assert table.attrs["remarks"] == (
        "1 cell held characters that no table can hold; they now are \ufffd: 1.json: response 1: open2.",
    )


def test_sent_twice_is_one_response_unless_the_answers_differ(tmp_path: Path) -> None:
    first = {"response": "a", "form": "P", "date": "2026-11-22", "seconds_role": "3.0", "open1": "x"}
    again = first | {"date": "2026-11-23", "seconds_role": "9.0"}
    one, two = document(tmp_path, "1.json", first), document(tmp_path, "2.json", again)
    assert collected([one, two]).to_dict("records") == [first]
    for column in ("open1", "datefirst"):  # only the date itself is of the try
        (fault,) = faults(one, document(tmp_path, "3.json", again | {column: "y"}))
        assert f"3.json: response 1: 'a' came in 1.json: response 1 with other answers to {column};" in fault


def test_the_last_try_stands_and_is_told(tmp_path: Path) -> None:
    answers = {"response": "b", "form": "P", "open1": "x"}
    first = document(tmp_path, "1.json", answers)
    last = document(tmp_path, "2.json", answers | {"open1": "z"}, **{"try": 3})
    between = document(tmp_path, "3.json", answers | {"open1": "y"}, **{"try": 2})
    other = document(tmp_path, "4.json", answers | {"response": "a"})
    again = document(tmp_path, "5.json", answers | {"response": "a", "date": "2026-11-23"}, **{"try": 2})
    table = collected([first, last, between, other, again])
    # By the random id, not as they came: nobody is known by who sent first.
    assert table[["response", "open1", "date"]].to_numpy().tolist() == [["a", "x", "2026-11-23"], ["b", "z", ""]]
    (remark,) = table.attrs["remarks"]
    assert remark.startswith("1 response was sent again with other answers")
    (fault,) = faults(first, last, document(tmp_path, "6.json", answers | {"open1": "w"}, **{"try": 3}))
    assert fault.startswith("6.json: response 1: 'b' came in 2.json: response 1 with other answers to open1;")
    wrong = [document(tmp_path, f"{at}.json", **{"try": value}) for at, value in enumerate((0, True, "2", 1.5))]
    assert [fault.split(", and no whole")[0] for fault in faults(*wrong)] == [
        "0.json: try is 0",
        "1.json: try is true",
        "2.json: try is '2'",
        "3.json: try is 1.5",
    ]


def test_everything_that_the_form_does_not_write_is_refused_at_once(tmp_path: Path) -> None:
    form = {"form": "P"}
    (tmp_path / "doubled.json").write_text(
        '{"format": 1, "columns": ["response", "roleaf"], "responses": [{"response": "e", "roleaf": "1", "roleaf": "5"}]}'
    )
    longest = "x" * LONGEST
    paths = [
        document(tmp_path, "good.json", {"response": "a", **form, "open1": longest}),
        document(tmp_path, "values.json", {"response": "b", "form": 5, "open1": f"{longest}x"}),  # type: ignore[dict-item]
        document(tmp_path, "keys.json", {"response": "c", **form, "roleaf": "5"}, columns=["response", "form"]),
        document(tmp_path, "columns.json", columns=["form", "form ", "=1+1", "a\n", "FORM"]),
        document(tmp_path, "ids.json", *({"response": name, **form} for name in (" ", "", "d ", "NA", "d\0"))),
        document(tmp_path, "many.json", columns=["response", *(f"c{at}" for at in range(2_000))]),
        tmp_path / "doubled.json",
    ]
    found = faults(*paths)
    places = [fault.removesuffix("; move this file out of the folder, keep it, and collect again") for fault in found]
    assert all(place != fault for place, fault in zip(places, found, strict=True))
    name = "names of columns begin with a letter and hold letters, digits, _, - and . only, without blanks"
    assert places == [
        "values.json: response 1: form: 5 is no text",
        "values.json: response 1: open1: the text has 20,001 characters, and the form takes 20,000",
        "keys.json: response 1: roleaf: not among the columns of the document",
        f"columns.json: column 'form ': {name}",
        f"columns.json: column '=1+1': {name}",
        f"columns.json: column 'a\\n': {name}",
        "columns.json: column 'FORM' stands there twice (as 'form')",
        "columns.json: has no column 'response'",
        *(
            f"ids.json: response {at}: response: {shown} is no id: letters and digits without blanks"
            for at, shown in enumerate(["' '", "''", "'d '", "'NA'", "'d\\x00'"], start=1)
        ),
        "many.json: has 2,001 columns, and no form has over 2,000",
        "doubled.json: response 1: it holds 'roleaf' more than once",
    ]


def test_the_rarest_spelling_of_a_column_is_refused(tmp_path: Path) -> None:
    odd = document(tmp_path, "0.json", {"response": "a", "Roleaf": "1"})
    usual = [document(tmp_path, f"{at}.json", {"response": f"b{at}", "roleaf": "1"}) for at in (1, 2)]
    (fault,) = faults(odd, *usual)
    assert fault.startswith(
        "0.json: column 'Roleaf' is 'roleaf' elsewhere (1.json, 2.json), with other capital letters;"
    )


def test_a_key_that_only_some_fill_is_refused(tmp_path: Path) -> None:
    rows = [{"response": f"r{at}", "form": "P", "wave": "1"} for at in range(3)]
    usual = [document(tmp_path, f"{at}.json", row) for at, row in enumerate(rows)]
    odd = document(tmp_path, "odd.json", {"response": "x", "form": "P", "wave": "", "person": "somebody"})
    person, wave = faults(odd, *usual)
    assert person.startswith("odd.json: fills the column 'person', unlike the others (0.json, 1.json, 2.json);")
    assert wave.startswith("odd.json: does not fill the column 'wave', unlike the others (0.json, 1.json, 2.json);")


def test_the_longest_answer_is_that_of_the_form() -> None:
    assert f"const LONGEST = {LONGEST};" in asset("questionnaire.js")


def test_files_of_one_name_are_told_apart(tmp_path: Path) -> None:
    for folder, form in (("a", "P"), ("b", "C")):
        (tmp_path / folder).mkdir()
        document(tmp_path / folder, "1.json", {"response": "x", "form": form})
    one, two = tmp_path / "a" / "1.json", tmp_path / "b" / "1.json"
    (fault,) = faults(one, two)
    assert fault.startswith(f"{two}: response 1: 'x' came in {one}: response 1 with other answers to form;")


def test_what_is_no_file_is_told_and_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    (tmp_path / "folder\n.json").mkdir()
    found = faults(tmp_path / "pipe.json", tmp_path / "folder\n.json")
    assert [fault.partition(":")[0] for fault in found] == ["pipe.json", "folder\\n.json"]
    assert all("this is not a file" in fault for fault in found)
    missing = [tmp_path / "none.json", tmp_path / "neither.json"]
    with pytest.raises(FileNotFoundError, match=r"no such file: .*none\.json, .*neither\.json"):
        collected(missing)


def test_every_file_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.json").write_text("{", encoding="utf-8")
    paths = [
        tmp_path / "bad.json",
        document(tmp_path, "old.json", format=0),
        document(tmp_path, "rows.json", responses={}),
        document(tmp_path, "number.json", {"response": "a", "roleaf": 5}),  # type: ignore[dict-item]
        document(tmp_path, "nameless.json", {"form": "P"}),
        document(tmp_path, "columns.json", columns="response"),
    ]
    assert [fault.split(":")[0] for fault in faults(*paths)] == [path.name for path in paths]


def test_files_that_people_saved_are_taken_too(tmp_path: Path) -> None:
    row = {"response": "a", "form": "P", "definition": "pwiq", "open1": "'=x", "open2": "=1"}
    path = tmp_path / "saved.csv"
    path.write_bytes(("\ufeff" + csv_text(pd.DataFrame([row]))).replace("\n", "\r\n").encode())
    posted = document(tmp_path, "posted.json", row | {"response": "b"})
    assert collected([path, posted, path])["response"].tolist() == ["a", "b"]
    assert collected([path]).iloc[0].to_dict() == row
    resaved = tmp_path / "excel.csv"
    resaved.write_text("response;form;definition\na;P;pwiq\n", encoding="utf-8")
    broken = tmp_path / "broken.csv"
    broken.write_text("response,form,definition\na,P\n", encoding="utf-8")
    told = faults(path, resaved, broken)
    assert len(told) == 2
    assert "excel.csv: is not CSV as the web form saves it: it has no column 'definition'" in told[0]
    assert "broken.csv: is not CSV as the web form saves it: row 2 has another number of cells" in told[1]
