"""Posted and saved answers become one table; what is doubtful is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from instrument import build_survey, read_instrument, read_responses
from instrument.files import spreadsheet_safe
from instrument.forms.collected import collected
from instrument.forms.survey_json import form_data
from instrument.responses import ResponseError


def document(tmp_path: Path, name: str, *rows: dict[str, str], **other: Any) -> Path:
    path = tmp_path / name
    whole = {"format": 1, "columns": ["response", "form"], "responses": list(rows)} | other
    path.write_text(json.dumps(whole), encoding="utf-8")
    return path


def test_files_of_a_whole_form_are_read_by_the_gate(tmp_path: Path) -> None:
    instrument = read_instrument("pwiq")
    columns = form_data(build_survey(instrument, forms=["CS"]))["columns"]
    rows = [
        dict.fromkeys(columns, "")
        | {"response": name, "form": "CS", "version": instrument.version}
        | dict.fromkeys(instrument.asked_by("CS"), code)
        for name, code in (("aa", "2"), ("bb", "97"))
    ]
    paths = [document(tmp_path, f"{at}.json", row, columns=columns) for at, row in enumerate([*rows, rows[0]])]
    table = collected(paths)
    assert table["response"].tolist() == ["aa", "bb"]
    spreadsheet_safe(table).to_csv(tmp_path / "answers.csv", index=False)
    responses = read_responses(tmp_path / "answers.csv", instrument)
    items = list(instrument.asked_by("CS"))
    assert (responses.answers.loc["aa", items] == 2).all()
    assert (responses.off_scale.loc["bb", items] == "dont_know").all()


def test_sent_twice_is_one_response_unless_the_answers_differ(tmp_path: Path) -> None:
    first = {"response": "a", "form": "P", "date": "2026-11-22", "seconds_role": "3.0", "open1": "x"}
    again = first | {"date": "2026-11-23", "seconds_role": "9.0"}
    one, two = document(tmp_path, "1.json", first), document(tmp_path, "2.json", again)
    assert collected([one, two]).to_dict("records") == [first]
    with pytest.raises(
        ResponseError, match=r"2\.json: response 1: 'a' came in 1\.json: response 1 with other answers to open1"
    ):
        collected([one, document(tmp_path, "2.json", again | {"open1": "y"})])


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
    with pytest.raises(ResponseError) as caught:
        collected(paths)
    assert [fault.split(":")[0] for fault in caught.value.faults] == [path.name for path in paths]
