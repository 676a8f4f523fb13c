"""Two reports together: what both show of overlapping groups of people never leaves a few over."""

import json
import time
from datetime import date
from itertools import product

import numpy as np
import pandas as pd
import pytest

from analysis.release_record import (
    ReleaseRefusedError,
    check_releases,
    note_release,
    read_releases,
    released_groups,
)
from instrument import read_instrument, read_responses
from instrument.responses import select


def people(first, last):
    return [f"answers of {number}" for number in range(first, last)]


@pytest.fixture
def record(tmp_path):
    return tmp_path / "pwiq-releases.jsonl"


def test_the_first_report_needs_no_record_and_makes_one(record):
    check_releases(record, {"wave 1": people(0, 30)}, "internal")
    assert not record.exists()
    assert note_release(record, {"wave 1": people(0, 30)}, "internal", made=date(2026, 11, 2)) == 1
    (release,) = read_releases(record)
    assert (release.number, release.made, release.audience) == (1, "2026-11-02", "internal")
    assert record.stat().st_mode & 0o077 == 0


def test_the_record_holds_nothing_of_what_was_answered_and_no_two_records_are_alike(tmp_path):
    for name in ("a", "b"):
        note_release(tmp_path / name, {"wave 1": people(0, 9)}, "internal")
    texts = [(tmp_path / name).read_text() for name in ("a", "b")]
    assert "answers of" not in "".join(texts)
    prints = [set(json.loads(text.split("\n")[1])["groups"]["wave 1"]) for text in texts]
    assert len(prints[0]) == 9
    assert not prints[0] & prints[1]  # each record has a key of its own


@pytest.mark.parametrize(
    ("later", "refused"),
    [
        ((0, 30), False),  # the same answers again
        ((0, 32), True),
        ((0, 34), True),
        ((0, 35), False),
        ((0, 29), True),
        ((0, 25), False),
        ((1, 31), True),  # one other
        ((3, 33), False),  # 6 differ, and neither 3 can be told from the other 3
        ((30, 40), False),  # nobody in common
    ],
)
def test_groups_that_differ_in_a_few_people_are_refused(record, later, refused):
    note_release(record, {"wave 1": people(0, 30)}, "internal")
    if refused:
        with pytest.raises(ReleaseRefusedError, match="both together would tell"):
            check_releases(record, {"wave 1": people(*later)}, "internal")
    else:
        check_releases(record, {"wave 1": people(*later)}, "internal")


def test_the_sentence_says_which_report_how_many_and_what_to_do(record):
    note_release(record, {"wave 1": people(0, 28)}, "internal", made=date(2026, 11, 2))
    with pytest.raises(ReleaseRefusedError) as refusal:
        note_release(record, {"wave 1": people(0, 30)}, "internal")
    text = str(refusal.value)
    assert "The report of 2026-11-02 (number 1: wave 1) was made of all but 2 of the answers of wave 1" in text
    assert "what these 2 said" in text
    assert "wait for at least 3 more answers" in text
    assert "withdraw the earlier report (number 1)" in text
    assert len(read_releases(record)) == 1  # what is refused is not noted
    # The remedy holds: with 3 more answers it is given out.
    assert note_release(record, {"wave 1": people(0, 33)}, "internal") == 2


def test_an_earlier_report_can_be_withdrawn(record):
    note_release(record, {"wave 1": people(0, 28)}, "internal")
    check_releases(record, {"wave 1": people(0, 30)}, "internal", withdraw=1)
    assert note_release(record, {"wave 1": people(0, 30)}, "internal", withdraw=1) == 2
    assert [release.number for release in read_releases(record)] == [2]
    check_releases(record, {"wave 1": people(0, 30)}, "internal")
    with pytest.raises(ValueError, match="no report number 1 to withdraw; the record has 2"):
        check_releases(record, {"wave 1": people(0, 30)}, "internal", withdraw=1)
    assert note_release(record, {"wave 1": people(0, 30)}, "internal") == 3  # numbers are not given again


def test_the_stricter_audience_of_both_reports_counts(record):
    note_release(record, {"wave 1": people(0, 30)}, "external")
    with pytest.raises(ReleaseRefusedError):
        check_releases(record, {"wave 1": people(0, 37)}, "internal")
    check_releases(record, {"wave 1": people(0, 40)}, "internal")


def test_a_small_team_may_have_a_report_for_inside_and_one_for_outside(record):
    inside = {"wave 1": people(0, 30), "wave 1, peers": people(0, 6), "wave 1, non-peer staff": people(6, 30)}
    note_release(record, inside, "internal")
    note_release(record, {"wave 1": people(0, 30)}, "external")  # shows no group of 6
    # Readers outside hold reports for outside alone: 10 is their floor among these.
    with pytest.raises(ReleaseRefusedError, match="number 2"):
        check_releases(record, {"wave 1": people(0, 30), "wave 1, non-peer staff": people(6, 30)}, "external")
    # People inside hold all: 4 of the 6 peer workers would be left over.
    with pytest.raises(ReleaseRefusedError):
        check_releases(record, {"wave 1": people(0, 30), "wave 1, some": people(4, 30)}, "external")


def test_teams_beside_all_teams_leave_nobody_over(record):
    note_release(record, {"wave 1": people(0, 40)}, "internal")
    note_release(record, {"wave 1": people(0, 15)}, "internal")  # team A: the other 25 are many
    with pytest.raises(ReleaseRefusedError, match="added and subtracted, 3 people are left over"):
        check_releases(record, {"wave 1": people(15, 37)}, "internal")  # team B: 40 − 15 − 22 = 3
    check_releases(record, {"wave 1": people(15, 35)}, "internal")


def test_teams_first_and_all_teams_later(record):
    note_release(record, {"wave 1": people(0, 15)}, "internal")
    note_release(record, {"wave 1": people(15, 37)}, "internal")
    with pytest.raises(ReleaseRefusedError, match="3 people are left over"):
        check_releases(record, {"wave 1": people(0, 40)}, "internal")


@pytest.mark.parametrize("seed", range(8))
def test_whatever_is_let_through_tells_no_sum_of_a_few(record, seed):
    # Brute force over all small sets of people: is their sum a combination of the sums that were shown?
    rng = np.random.default_rng(seed)
    given = []
    for _ in range(5):
        chosen = sorted(rng.choice(16, size=rng.integers(5, 14), replace=False).tolist())
        try:
            note_release(record, {"wave 1": [f"r{number}" for number in chosen]}, "internal")
        except ReleaseRefusedError:
            continue
        given.append(np.isin(np.arange(16), chosen).astype(float))
    shown = np.array(given)
    rank = np.linalg.matrix_rank(shown)
    subsets = np.array([bits for bits in product([0.0, 1.0], repeat=16) if 0 < sum(bits) < 5])
    outside = subsets - subsets @ np.linalg.pinv(shown) @ shown
    assert rank == len(given) or rank > 0
    assert (np.abs(outside).max(axis=1) > 1e-9).all()


def test_the_check_refuses_as_little_as_that(record):
    # Of these groups no small set follows, and none is refused.
    for first, last in ((0, 10), (5, 15), (10, 20), (0, 20)):
        note_release(record, {"wave 1": people(first, last)}, "internal")
    assert len(read_releases(record)) == 4


@pytest.mark.parametrize(
    "content", ["", "{}\n", "not json\n", '{"salt": "00"}\n{"report": 1}\n', '{"salt": "00"}\n[1]\n']
)
def test_a_spoilt_record_is_refused(record, content):
    record.write_text(content)
    with pytest.raises(ValueError, match="no record of releases, or was changed by hand"):
        check_releases(record, {"wave 1": people(0, 30)}, "internal")


def test_an_unknown_audience_is_refused(record):
    with pytest.raises(ValueError, match="internal, external, researcher; got 'public'"):
        check_releases(record, {}, "public")


@pytest.fixture(scope="module")
def responses(root):
    return read_responses(root / "sample_data/baseline.csv", read_instrument("pwiq"))


def test_the_same_answers_give_the_same_groups_from_another_file(responses, record):
    forms = {"P": "peers", "C": "colleagues", "M": "managers"}
    groups = released_groups(responses, forms)
    sizes = responses.people["form"].map(forms).value_counts()
    assert {label: len(rows) for label, rows in groups.items()} == {"wave 1": len(responses.answers)} | {
        f"wave 1, {group}": sizes[group] for group in ("colleagues", "managers", "peers")
    }
    assert all(len(set(rows)) == len(rows) for rows in groups.values())
    note_release(record, groups, "internal")
    turned = select(responses, pd.Series(True, index=responses.answers.index))
    turned = type(turned)(
        instrument=turned.instrument,
        answers=turned.answers.iloc[::-1],
        people=turned.people.iloc[::-1].assign(person=range(len(turned.people))),
        off_scale=turned.off_scale.iloc[::-1],
        ledger=turned.ledger,
    )
    check_releases(record, released_groups(turned, forms), "internal")
    fewer = select(responses, pd.Series(np.arange(len(responses.answers)) >= 2, index=responses.answers.index))
    with pytest.raises(ReleaseRefusedError, match="was made of 2 more answers"):
        check_releases(record, released_groups(fewer, forms), "internal")


def test_two_people_with_the_same_answers_are_two(responses):
    twice = select(responses, pd.Series(np.arange(len(responses.answers)) < 1, index=responses.answers.index))
    again = type(twice)(
        instrument=twice.instrument,
        answers=pd.concat([twice.answers] * 6, ignore_index=True),
        people=pd.concat([twice.people] * 6, ignore_index=True),
        off_scale=pd.concat([twice.off_scale] * 6, ignore_index=True),
        ledger=twice.ledger,
    )
    assert len(set(released_groups(again)["wave 1"])) == 6


def test_a_record_that_could_not_be_written_is_refused_before_the_report_is_made(record, tmp_path):
    with pytest.raises(ValueError, match="a link, a folder or a device"):
        check_releases(tmp_path, {}, "internal")
    link = tmp_path / "link.jsonl"
    link.symlink_to(record)
    with pytest.raises(ValueError, match="a link, a folder or a device"):
        check_releases(link, {}, "internal")


def test_thousands_of_teams_are_checked_quickly(record):
    teams = {f"wave 1, team {team}": [f"{team} {person}" for person in range(8)] for team in range(1500)}
    note_release(record, teams, "internal")
    everyone = {"wave 1": [person for people in teams.values() for person in people]}
    start = time.monotonic()
    check_releases(record, everyone | teams, "internal")
    assert time.monotonic() - start < 20  # 0.1 s on a machine that has nothing else to do
