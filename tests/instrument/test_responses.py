import dataclasses
import pickle
from pathlib import Path

import pandas as pd
import pytest

from instrument.definition import read_instrument
from instrument.responses import ResponseError, Responses, asked, question_columns, select, split_waves

DATA = Path(__file__).parents[1] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
SMALL = read_instrument(DATA / "small.toml")


def responses(instrument=CANTEEN, forms=("P", "C", "PS", "P"), waves=(2, 1, 1, 10)):
    index = pd.Index([f"r{number}" for number in range(len(waves))], name="response")
    answers = pd.DataFrame({name: range(len(waves)) for name in instrument.items.ids}, index=index, dtype="Int64")
    people = pd.DataFrame({"person": ["a", "a", "b", "c"], "wave": waves}, index=index)
    if forms:
        people["form"] = pd.array(forms, dtype="string")
    off_scale = pd.DataFrame(pd.NA, index=index, columns=answers.columns, dtype="string")
    ledger = pd.DataFrame({"column": ["x"]})
    return Responses(instrument=instrument, answers=answers, people=people, off_scale=off_scale, ledger=ledger)


def test_select_keeps_the_same_rows_of_every_frame():
    whole = responses()
    chosen = select(whole, whole.people["form"] == "P")
    for frame in (chosen.answers, chosen.people, chosen.off_scale):
        assert frame.index.tolist() == ["r0", "r3"]
    assert chosen.ledger is whole.ledger
    assert chosen.instrument is whole.instrument
    assert len(whole.answers) == 4
    assert chosen.answers["foodaf"].tolist() == [0, 3]


def test_split_waves_in_the_order_of_their_numbers():
    parts = split_waves(responses())
    assert list(parts) == [1, 2, 10]
    assert [part.answers.index.tolist() for part in parts.values()] == [["r1", "r2"], ["r0"], ["r3"]]


def test_asked_follows_the_forms():
    table = asked(responses())
    assert {str(kind) for kind in table.dtypes} == {"bool"}
    assert table["foodaf"].tolist() == [True, True, True, True]
    assert table["foodbb"].tolist() == [True, False, False, True]
    assert table["placebf"].tolist() == [True, True, False, True]
    for row, form in zip(table.index, ("P", "C", "PS", "P"), strict=True):
        assert tuple(table.columns[table.loc[row]]) == CANTEEN.asked_by(form)


def test_everybody_is_asked_everything_without_forms():
    table = asked(responses(SMALL, forms=None))
    assert table.shape == (4, 10)
    assert table.all(axis=None)


def test_the_columns_of_a_question():
    assert question_columns(CANTEEN.questions["open1"], CANTEEN) == ("open1",)
    assert question_columns(CANTEEN.questions["mainmeal"], CANTEEN) == ("mainmeal",)
    assert question_columns(CANTEEN.questions["meal"], CANTEEN) == ("meal1", "meal2", "meal3", "meal98")


def test_responses_say_what_they_are_and_cannot_be_exchanged():
    whole = responses()
    assert repr(whole) == "4 answers of 3 people, waves 1, 2, 10; questionnaire canteen 0.2.0"
    with pytest.raises(dataclasses.FrozenInstanceError):
        whole.answers = whole.answers


def test_a_response_error_tells_two_hundred_faults_and_holds_all():
    few = ResponseError(["a", "b"])
    assert str(few) == "a\nb"
    many = ResponseError([str(number) for number in range(201)])
    assert str(many).splitlines()[-2:] == ["199", "… and 1 more faults; correct these first"]
    assert len(many.faults) == 201
    assert str(ResponseError(["x"] * 200)).count("\n") == 199
    assert pickle.loads(pickle.dumps(many)).faults == many.faults
