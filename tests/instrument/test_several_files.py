"""Which file is which wave, whose ids are whose: what may never be decided in silence."""

import csv

import pandas as pd
import pytest

from instrument.reading import read_responses
from instrument.responses import ResponseError
from tests.instrument.test_reading import CANTEEN, ITEMS, row


def write(path, *rows):
    columns = list(dict.fromkeys(name for each in rows for name in each))
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, columns, restval="")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(*paths, **options):
    return read_responses(paths, CANTEEN, **options)


def faults(*paths, **options):
    with pytest.raises(ResponseError) as caught:
        read(*paths, **options)
    return caught.value.faults


def notes(responses, column):
    lines = responses.ledger[responses.ledger["column"] == column]
    return dict(zip(lines["file"], lines["note"], strict=True))


def lime(number, **cells):
    """Return a row of a LimeSurvey export: ids are counted from 1 in every survey."""
    own = {"id": str(number), "submitdate": "2026-03-01 10:00:00", "lastpage": "3", "startlanguage": "en", "seed": "1"}
    answers = {f"page[{name}]": row()[name] for name in ITEMS}
    return own | {"form": "P"} | answers | cells


def redcap(record, event="", **cells):
    own = {"record_id": str(record), "redcap_event_name": event} if event else {"record_id": str(record)}
    return own | {name: row()[name] for name in ITEMS} | {"canteen_p_complete": "2"} | cells


# Waves


def test_every_file_says_which_wave_it_became_and_why(tmp_path):
    first = write(tmp_path / "a.csv", row("1", date="2026-03-01"), row("2", date="2026-03-09"))
    second = write(tmp_path / "b.csv", row("1", date="2027-03-01T10:00:00+02:00"))
    third = write(tmp_path / "c.csv", row("1", wave="5"))
    told = notes(read(first, second), "(wave)")
    assert told == {
        "a.csv": "wave 1, by its place among the files (answers of 2026-03-01 to 2026-03-09)",
        "b.csv": "wave 2, by its place among the files (answers of 2027-03-01)",
    }
    assert notes(read(first), "(wave)") == {
        "a.csv": "wave 1, as the file does not say the wave (answers of 2026-03-01 to 2026-03-09)"
    }
    assert notes(read(third), "wave") == {"c.csv": "wave 5, as the file says"}


def test_files_named_in_the_wrong_order_are_refused(tmp_path):
    late = write(tmp_path / "late.csv", row("1", date="2027-03-01"))
    early = write(tmp_path / "early.csv", row("1", date="2026-03-01"), row("2", date="soon"))
    assert faults(late, early) == (
        "late.csv: read as wave 1 because it was named first, but its answers (2027-03-01) are later than those of wave 2 "
        "(early.csv: 2026-03-01); name the earlier file first, or add a column `wave`",
    )
    assert read(early, late).people["wave"].tolist() == [1, 1, 2]
    # One day in common is no contradiction: some people answer late.
    same = write(tmp_path / "same.csv", row("1", date="2027-03-01"), row("2", date="2026-12-01"))
    assert len(read(late, same).people) == 3


def test_a_column_of_waves_that_contradicts_the_dates_is_refused(tmp_path):
    one = write(tmp_path / "a.csv", row("1", wave="1", date="2027-03-01"), row("1", wave="2", date="2026-03-01"))
    assert faults(one) == (
        "a.csv: wave 2 was answered before wave 1 (2026-03-01; wave 1: 2027-03-01); correct the column wave, or the dates",
    )


def test_questions_of_the_follow_up_that_were_answered_before_it_are_told(tmp_path, root):
    pwiq = read_responses(root / "sample_data" / "baseline.csv", "pwiq").instrument
    wave = pd.read_csv(root / "sample_data" / "baseline.csv", dtype=str, keep_default_na=False).head(4)
    bare = wave.drop(columns=[name for name in ("wave", "response") if name in wave])
    bare.assign(change7="4").to_csv(tmp_path / "one.csv", index=False)
    bare.to_csv(tmp_path / "two.csv", index=False)
    read = read_responses([tmp_path / "one.csv", tmp_path / "two.csv"], pwiq)
    assert notes(read, "(follow-up)") == {
        "one.csv": "asked at the follow-up only, but answered in wave 1, before other waves (change7 4 answers): are the "
        "files in the right order?"
    }
    right = read_responses([tmp_path / "two.csv", tmp_path / "one.csv"], pwiq)
    assert notes(right, "(follow-up)") == {}


# Ids


def test_responses_that_limesurvey_counted_in_two_surveys_are_told_apart(tmp_path):
    first = write(tmp_path / "one.csv", lime(1), lime(2))
    second = write(tmp_path / "two.csv", lime(2), lime(3))
    both = read(first, second)
    assert both.answers.index.tolist() == ["one:1", "one:2", "two:2", "two:3"]
    assert both.people["person"].tolist() == both.answers.index.tolist()
    assert both.off_scale.index.tolist() == both.answers.index.tolist()
    assert both.answers.index.equals(both.people.index)
    assert notes(both, "(response)")["two.csv"] == (
        "1 of the platform's own numbers stand in another file too: responses are called two:2 …"
    )
    assert repr(both).startswith("4 answers, waves 1, 2 (people: not known); ")
    # Alone, or where no number is shared, they are called as the platform calls them.
    assert read(first).answers.index.tolist() == ["1", "2"]
    third = write(tmp_path / "three.csv", lime(8))
    assert read(first, third).answers.index.tolist() == ["1", "2", "8"]


def test_people_with_a_token_stay_the_same_people(tmp_path):
    first = write(tmp_path / "one.csv", lime(1, token="ab12"))
    second = write(tmp_path / "two.csv", lime(1, token="ab12"))
    both = read(first, second)
    assert both.answers.index.tolist() == ["one:1", "two:1"]
    assert both.people["person"].tolist() == ["ab12", "ab12"]


def test_records_of_two_redcap_projects_are_never_the_same_people(tmp_path):
    first = write(tmp_path / "one.csv", redcap(1), redcap(2))
    second = write(tmp_path / "two.csv", redcap(1), redcap(3))
    both = read(first, second)
    assert both.answers.index.tolist() == ["one:1", "one:2", "two:1", "two:3"]
    assert both.people["person"].tolist() == ["one:1", "one:2", "two:1", "two:3"]
    assert notes(both, "(person)")["two.csv"] == (
        "1 record numbers stand in another file too, and nothing shows that both files are of one project: people are "
        "called two:1 …, and nobody is linked. To link them, give both files a column `person`, or use `pwiq link` with the "
        "codes that people made"
    )


def test_records_of_two_events_of_one_redcap_project_are_the_same_people(tmp_path):
    first = write(tmp_path / "one.csv", redcap(1, "before_arm_1"), redcap(2, "before_arm_1"))
    second = write(tmp_path / "two.csv", redcap(1, "after_arm_1"))
    both = read(first, second)
    assert both.people["person"].tolist() == ["1", "2", "1"]
    assert notes(both, "(person)")["two.csv"] == (
        "1 record numbers stand in another file too, with other events: taken as the same people of one project"
    )
    # The same event twice is that of two projects.
    third = write(tmp_path / "three.csv", redcap(1, "before_arm_1"))
    assert read(first, third).people["person"].tolist() == ["one:1", "one:2", "three:1"]


def test_a_person_in_two_plain_tables_is_the_same_person(tmp_path):
    first, second = write(tmp_path / "a.csv", row("7")), write(tmp_path / "b.csv", row("7"))
    assert read(first, second).people["person"].tolist() == ["7", "7"]


def test_what_stands_in_two_files_is_one_fault(tmp_path):
    rows = [row(str(n), response=f"r{n}") for n in range(9)]
    first, second = write(tmp_path / "a.csv", *rows), write(tmp_path / "b.csv", *rows)
    assert faults(first, second) == (
        "b.csv:2:response: 'r0' is also the response of a.csv:2, and so with 8 more ('r1', 'r2', 'r3', 'r4', 'r5', …); each "
        "response needs its own id; where a platform counted them in two surveys, read both exports together (pwiq read "
        "FIRST SECOND), which tells them apart",
    )
    rows = [row(str(n), wave="1") for n in range(5)]
    first, second = write(tmp_path / "a.csv", *rows), write(tmp_path / "b.csv", *rows)
    assert faults(first, second) == (
        "b.csv:2:person: '0' has answered wave 1 in a.csv:2 already, and so with 4 more ('1', '2', '3', '4'); allowed is one "
        "response a person and wave; remove one, or correct person or wave",
    )


def test_the_same_export_twice_under_two_names(tmp_path):
    rows = [{"KEY": f"uuid:{n}", "SubmissionDate": "2026-03-01", "form": "P", **row(str(n))} for n in range(5)]
    rows = [{name: cell for name, cell in each.items() if name not in ("person", "response")} for each in rows]
    first, second = write(tmp_path / "a.csv", *rows), write(tmp_path / "b.csv", *rows)
    (fault,) = faults(first, second)
    assert fault.startswith("b.csv:2:KEY (response): 'uuid:0' is also the response of a.csv:2, and so with 4 more (")
    assert fault.endswith("is one file a copy, or a later export, of the other? Give one of them")
