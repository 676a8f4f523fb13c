"""Open answers leave in a file of their own: nothing in it says whose they are."""

from dataclasses import replace

import pandas as pd
import pytest

from analysis.open_answers import WARNING, write_open_answers
from instrument import read_instrument, read_responses


@pytest.fixture(scope="module")
def sample(root):
    return read_responses(root / "sample_data/baseline.csv", read_instrument("pwiq"))


def with_answers(sample, first, second=()):
    people = sample.people.copy()
    for name, given in (("open1", first), ("open2", second)):
        people[name] = pd.Series([*given, *[None] * (len(people) - len(given))], index=people.index, dtype=object)
    return replace(sample, people=people)


def lines(path):
    return pd.read_csv(path, header=None, names=["question", "answer"], dtype=str, keep_default_na=False)


def test_the_file_holds_each_answer_once_and_nothing_else(sample, tmp_path):
    given = [f"thought {number}" for number in range(40)]
    warning = write_open_answers(with_answers(sample, given), tmp_path / "open.csv")
    written = lines(tmp_path / "open.csv")
    assert tuple(written["question"][: len(warning)]) == warning
    assert warning[: len(WARNING)] == WARNING
    assert written.iloc[len(warning)].tolist() == ["question", "answer"]
    answers = written["answer"][len(warning) + 1 :].tolist()
    assert sorted(answers) == sorted(given)
    assert list(written.columns) == ["question", "answer"]
    text = (tmp_path / "open.csv").read_text()
    assert not any(str(team) in text for team in sample.people["team"].dropna().unique())
    assert (tmp_path / "open.csv").stat().st_mode & 0o077 == 0


def test_the_order_tells_nothing_and_cannot_be_made_again(sample, tmp_path):
    given = [f"thought {number}" for number in range(40)]
    orders = []
    for name in "abc":
        write_open_answers(with_answers(sample, given, given), tmp_path / name)
        orders.append([answer for answer in lines(tmp_path / name)["answer"] if answer.startswith("thought")])
    assert len({tuple(order) for order in orders}) == 3
    # The two questions are shuffled apart: the answers of one person do not stand at the same place.
    first, second = orders[0][:40], orders[0][40:]
    assert sorted(first) == sorted(second)
    assert first != second


def test_a_question_that_few_answered_is_left_out(sample, tmp_path):
    warning = write_open_answers(with_answers(sample, ["yes"] * 5, ["secret"] * 4 + ["  ", ""]), tmp_path / "open.csv")
    assert "secret" not in (tmp_path / "open.csv").read_text()
    assert warning[-1] == "Left out, answered by fewer than 5 people: open2."


@pytest.mark.parametrize(("audience", "people"), [("internal", 4), ("external", 9), ("researcher", 4)])
def test_too_few_answers_are_refused(sample, tmp_path, audience, people):
    with pytest.raises(ValueError, match="need at least"):
        write_open_answers(with_answers(sample, ["a"] * people), tmp_path / "open.csv", audience=audience)
    assert not (tmp_path / "open.csv").exists()
    write_open_answers(with_answers(sample, ["a"] * (people + 1)), tmp_path / "open.csv", audience=audience)


def test_no_answer_becomes_a_formula(sample, tmp_path):
    write_open_answers(with_answers(sample, ["=1+1", "@x", " -2", "a", "b"]), tmp_path / "open.csv")
    answers = set(lines(tmp_path / "open.csv")["answer"])
    assert {"'=1+1", "'@x", "'-2"} <= answers


def test_refusals(sample, tmp_path):
    (tmp_path / "there.csv").write_text("mine")
    with pytest.raises(FileExistsError, match="choose another name"):
        write_open_answers(with_answers(sample, ["a"] * 9), tmp_path / "there.csv")
    assert (tmp_path / "there.csv").read_text() == "mine"
    with pytest.raises(ValueError, match="internal, external, researcher; got 'public'"):
        write_open_answers(sample, tmp_path / "open.csv", audience="public")
    closed = replace(sample, instrument=replace(sample.instrument, questions=type(sample.instrument.questions)(())))
    with pytest.raises(ValueError, match="no open question"):
        write_open_answers(closed, tmp_path / "open.csv")
