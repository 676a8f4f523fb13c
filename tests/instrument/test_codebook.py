from pathlib import Path

import pytest

from instrument.checking import known_columns
from instrument.codebook import codebook
from instrument.definition import read_instrument

DATA = Path(__file__).parents[1] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
SMALL = read_instrument(DATA / "small.toml")
AGREE = "1 = Strongly disagree; 2 = Disagree; 3 = Neither agree nor disagree; 4 = Agree; 5 = Strongly agree"


@pytest.mark.parametrize("instrument", [CANTEEN, SMALL])
def test_every_column_of_a_file_and_every_score_has_one_row(instrument):
    book = codebook(instrument)
    assert book.index.name == "id"
    assert book.index.is_unique
    columns = book[book["what"] != "score"].index
    assert sorted(columns) == sorted(known_columns(instrument))
    assert tuple(book[book["what"] == "score"].index) == instrument.scores.ids[-len(instrument.scores) :]
    assert (book["text"] != "").all()
    assert book.notna().all(axis=None)
    assert {str(kind) for kind in book.dtypes} == {"string"}


def test_an_item():
    row = codebook(CANTEEN).loc["foodbb"].to_dict()
    assert row == {
        "what": "item",
        "text": "Popular dishes run out.",
        "subscale": "food",
        "facet": "b",
        "wording": "barrier",
        "reversed": "yes",
        "forms": "P",
        "codes": AGREE,
        "off_scale": "97 = Don't know; 98 = Does not apply to me; 99 = Not started yet",
        "risk": "",
        "export": "",
        "note": "",
    }
    plain = codebook(SMALL).loc["rest1"]
    assert plain[["facet", "wording", "reversed", "forms"]].tolist() == ["", "", "no", ""]


def test_questions_keys_and_scores():
    book = codebook(CANTEEN)
    assert book.loc["meal2", ["what", "text", "codes", "off_scale", "risk", "note"]].tolist() == [
        *("question", "Which meals do you eat here? – Lunch", "0 = no; 1 = yes", "", "medium", "Tick all that apply.")
    ]
    assert book.loc["mainmeal", "off_scale"] == "98 = Prefer not to say"
    assert book.loc["satisfied", "forms"] == "P, PS"
    assert book.loc["code1", ["codes", "risk"]].tolist() == ["", "high"]
    assert book.loc["date", "what"] == book.loc["wave", "what"] == book.loc["person", "what"] == "system"
    assert book.loc["wave", "text"] == "Wave"
    assert book.loc["form", "codes"] == "P = Diners; C = Cooks; PS = Diners, short; CS = Cooks, short"
    assert book.loc["facilitator_index", ["what", "text", "export"]].tolist() == ["score", "Facilitators", "facindex"]


def test_another_language():
    book = codebook(CANTEEN, language="es")
    assert book.loc["foodbb", "text"] == "Los platos populares se acaban."
    assert book.loc["foodbb", "off_scale"].startswith("97 = No sé; ")
    with pytest.raises(ValueError, match="language 'fr' is not in the definition; use one of en, es"):
        codebook(CANTEEN, language="fr")
