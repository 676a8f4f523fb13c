"""Round trips: a mapping is proposed, lines are uncommented as it says, and the file gives back what people answered."""

import csv
import re
import tomllib

import pandas as pd
import pytest

from instrument.mapping import read_mapping
from instrument.mapping_proposal import propose_mapping
from instrument.reading import read_responses
from instrument.responses import ResponseError
from tests.instrument.platforms.answered import answers_to, columns, csv_text, survey_of
from tests.instrument.platforms.instruments import CANTEEN, PWIQ
from tests.instrument.platforms.simulated_forms import google, microsoft, sections
from tests.instrument.platforms.simulated_limesurvey import export as limesurvey
from tests.instrument.platforms.simulated_qualtrics import export as qualtrics
from tests.instrument.platforms.simulated_redcap import export as redcap
from tests.instrument.platforms.simulated_xforms import kobo, odk


def write(path, cells):
    path.write_text(csv_text(cells, quoting=csv.QUOTE_ALL), encoding="utf-8")
    return path


def canonical(path, rows):
    return write(path, [list(rows[0]), *[list(row.values()) for row in rows]])


def uncommented(text, pattern):
    """The lines that fit a pattern, without their first `#`, as the file's head says."""
    lines = text.split("\n")
    chosen = [line.startswith("# ") and re.search(pattern, line) is not None for line in lines]
    assert any(chosen), pattern
    return "\n".join(line[2:] if here else line for line, here in zip(lines, chosen, strict=True))


def same_answers(ours, theirs, instrument, *, people=()):
    """Cell by cell, in the order of the rows."""
    assert ours.answers.notna().to_numpy().any()
    for mine, other in ((ours.answers, theirs.answers), (ours.off_scale, theirs.off_scale)):
        pd.testing.assert_frame_equal(
            mine.reset_index(drop=True)[list(instrument.items.ids)],
            other.reset_index(drop=True)[list(instrument.items.ids)],
        )
    for name in people:
        mine, other = (each.people[name].astype("string").fillna("").tolist() for each in (ours, theirs))
        assert mine == other, name


EXPORTS = {
    "google-forms": lambda survey, rows: google(survey, rows, "en"),
    "google-forms, sections": lambda survey, rows: sections(survey, rows, "es"),
    "microsoft-forms": lambda survey, rows: microsoft(survey, rows, "en"),
    "limesurvey": lambda survey, rows: limesurvey(survey, rows, "en", style="full"),
    "qualtrics": lambda survey, rows: qualtrics(survey, rows, "en", layout="numbered"),
    "redcap": lambda survey, rows: redcap(survey, rows, labels=True, headers=True),
    "kobo": lambda survey, rows: kobo(survey, rows, "es"),
    "odk": lambda survey, rows: odk(survey, rows, split=True),
}


@pytest.mark.parametrize("platform", EXPORTS)
def test_what_is_proposed_for_an_export_changes_nothing_that_is_read_without_it(platform, tmp_path):
    survey = survey_of(CANTEEN, *CANTEEN.forms.ids)
    cells = EXPORTS[platform](survey, answers_to(survey))
    path = tmp_path / "export.csv"
    path.write_text(cells if isinstance(cells, str) else csv_text(cells, quoting=csv.QUOTE_ALL), encoding="utf-8")
    proposal = propose_mapping(path, CANTEEN)
    assert proposal.without == ()
    without = read_responses(path, CANTEEN)
    assert without.ledger["platform"].dropna().unique().tolist()[0] == platform.split(",")[0]
    (tmp_path / "m.toml").write_text(proposal.text, encoding="utf-8")
    if not tomllib.loads(proposal.text)["columns"]:
        assert platform in ("qualtrics", "kobo")  # read without a mapping by other rows, by paths
        return
    mapped = read_responses(path, CANTEEN, mapping=tmp_path / "m.toml")
    pd.testing.assert_frame_equal(mapped.answers, without.answers)
    pd.testing.assert_frame_equal(mapped.off_scale, without.off_scale)
    pd.testing.assert_frame_equal(mapped.people.sort_index(axis=1), without.people.sort_index(axis=1))


def test_a_google_export_with_altered_headings(tmp_path):
    survey = survey_of(PWIQ, "P", languages=("en",))
    rows = answers_to(survey)
    export = google(survey, rows, "en")
    before = list(export[0])
    export[0] = [
        head.replace("peer workers", "peers").replace("peer worker ", "peer ") if head.endswith("]") else head
        for head in before
    ]
    changed = sum(old != new for old, new in zip(before, export[0], strict=True))
    assert changed > 20
    path = write(tmp_path / "google.csv", export)
    with pytest.raises(ResponseError, match="not the text of a question, but near"):
        read_responses(path, PWIQ)
    proposal = propose_mapping(path, PWIQ, form="P")
    assert proposal.without == ()
    # One of them is nearly as like two others: it is offered behind #, with the others on the same line.
    assert proposal.text.count("# a similar text: ") == changed - 1
    assert proposal.text.count("# its text in en") > 66 - changed
    assert '## "Timestamp": read as date without a mapping (answers of Google Forms)' in proposal.text
    (line,) = [line for line in proposal.text.split("\n") if line.startswith('# "How') and '"impvoic"' in line]
    assert re.search(r'# a guess by its text: "A real say [^"]+"; or \w+: "[^"]+"; or \w+: "[^"]+"; values: ', line)
    (tmp_path / "m.toml").write_text(uncommented(proposal.text, r'^# "How.* = "impvoic"'), encoding="utf-8")
    found = read_responses(path, PWIQ, mapping=tmp_path / "m.toml", form="P")
    truth = read_responses(canonical(tmp_path / "truth.csv", rows), PWIQ)
    several = [name for asked in survey.questions() if asked.kind == "several" for name in columns(asked)]
    same_answers(found, truth, PWIQ, people=("open1", "code1", "orgtype", "impvoic", *several))
    # The platform's own reading goes on: the day of the answer, no addresses.
    assert found.people["date"].unique().tolist() == ["2026-03-01"]
    assert found.ledger["platform"].dropna().unique().tolist() == ["google-forms"]
    assert not [name for name in found.people if "mail" in name.lower()]
    told = found.ledger.set_index("column").loc["(mapping)", "note"]
    assert told.startswith("66 items are named as m.toml says (How far do you agree? (1/11) [What")
    assert "→ roleaf … " in told
    assert "→ praccb)" in told


def test_qualtrics_tells_its_questions_below_the_headings(tmp_path):
    survey = survey_of(PWIQ, "P", languages=("en",))
    rows = answers_to(survey)
    cells = qualtrics(survey, rows, "en", layout="numbered")
    cells[1] = [text.replace("peer workers", "peers") for text in cells[1]]
    path = write(tmp_path / "a.csv", cells)
    proposal = propose_mapping(path, PWIQ, form="P")
    assert proposal.without == ()
    (tmp_path / "m.toml").write_text(proposal.text, encoding="utf-8")
    found = read_responses(path, PWIQ, mapping=tmp_path / "m.toml", form="P")
    same_answers(found, read_responses(canonical(tmp_path / "truth.csv", rows), PWIQ), PWIQ)
    assert len(tomllib.loads(proposal.text)["columns"]) > 20
    assert found.ledger["platform"].dropna().unique().tolist() == ["qualtrics"]


def test_a_grid_row_of_the_exact_text_is_told_as_such(tmp_path):
    text = CANTEEN.items["foodaf"].text["en"]
    path = write(tmp_path / "a.csv", [["form", f"How far do you agree? (6/11) [{text}]"], ["P", "4"]])
    assert f'"How far do you agree? (6/11) [{text}]" = "foodaf"  # its text in en; values: "4"' in propose_mapping(
        path, CANTEEN
    ).text.split("\n")


@pytest.mark.parametrize(("some", "offered"), [((), 66), ((7, 14, 63), 63)])
def test_headings_that_are_numbers_are_offered_in_their_order(some, offered, tmp_path):
    rows = answers_to(survey_of(PWIQ, "P", languages=("en",)))
    items = PWIQ.asked_by("P")
    heads = [f"Q{at} {item}" if at in some else f"Q{at}" for at, item in enumerate(items, start=1)]
    cells = [["Nr", *heads], *[[f"R{at}", *(row[item] for item in items)] for at, row in enumerate(rows)]]
    path = write(tmp_path / "old.csv", cells)
    proposal = propose_mapping(path, PWIQ, form="P")
    assert proposal.summary == f"{len(some)} of 67 columns recognised; {offered} items have none; 0 values unknown"
    told = next(line for line in proposal.text.split("\n") if line.startswith("## By order only"))
    assert told.startswith(f"## By order only: the 66 headings {heads[0]!r} … 'Q66' are as many as the items of form P")
    assert "nothing but the order says that it is so" in proposal.text
    # Nothing of it is read before somebody has checked it.
    assert len(tomllib.loads(proposal.text)["columns"]) == len(some)
    text = uncommented(proposal.text, r"# by order: ")
    text = uncommented(text, r'^# "Nr" = "response"')
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    found = read_responses(path, PWIQ, mapping=tmp_path / "m.toml", form="P")
    same_answers(found, read_responses(canonical(tmp_path / "truth.csv", rows), PWIQ), PWIQ)
    assert found.answers.index.tolist() == [f"R{at}" for at in range(len(rows))]


def test_an_order_that_a_recognised_heading_contradicts_is_not_offered(tmp_path):
    items = PWIQ.asked_by("P")
    heads = [f"Q{at} {items[0]}" if at == 7 else f"Q{at}" for at, item in enumerate(items, start=1)]
    path = write(tmp_path / "old.csv", [heads, ["3"] * 66])
    text = propose_mapping(path, PWIQ, form="P").text
    assert "By order only" not in text
    # Every question that was not found is told with its text.
    missing = [f'# "HEADING" = "{item}"  # "{PWIQ.items[item].text["en"]}"' for item in items[1:]]
    assert set(missing) <= set(text.split("\n"))
    assert f'# "HEADING" = "{items[0]}"' not in text


def test_spanish_headings(tmp_path):
    items = list(CANTEEN.asked_by("P"))
    rows = answers_to(survey_of(CANTEEN, "P"))
    labels = CANTEEN.response_scales["agree"].labels
    heads = [
        CANTEEN.items[item].text["es"]
        if at % 2
        else CANTEEN.items[item].text["es"].rstrip(".").replace("La ", "Aquí la ")
        for at, item in enumerate(items)
    ]
    cells = [["Papel", *heads]]
    cells += [["Comensales", *(labels[int(row[item])]["es"] if row[item] else "" for item in items)] for row in rows]
    path = write(tmp_path / "es.csv", cells)
    proposal = propose_mapping(path, CANTEEN)
    assert proposal.without == ()
    assert '# "Papel" = "form"  # a guess by its values, which are forms; values: "Comensales"' in proposal.text
    (tmp_path / "m.toml").write_text(uncommented(proposal.text, r'^# "Papel"'), encoding="utf-8")
    found = read_responses(path, CANTEEN, mapping=tmp_path / "m.toml")
    same_answers(found, read_responses(canonical(tmp_path / "truth.csv", rows), CANTEEN), CANTEEN)
    assert found.people["form"].unique().tolist() == ["P"]


def test_a_text_that_says_the_opposite_is_a_guess_only(tmp_path):
    path = write(tmp_path / "a.csv", [["Noise does not drive people out."], ["4"]])
    assert (
        '# "Noise does not drive people out." = "placeab"  # a guess by its text: "Noise drives people out.", but only one '
        'of the two is negated; values: "4"'
    ) in propose_mapping(path, CANTEEN).text.split("\n")


def test_numbers_of_records_dates_and_missing_codes(tmp_path):
    items = CANTEEN.items.ids
    cells = [["Nr", "form", "When", "Serial no", *items]]
    cells += [[f"{at}", "P", f"2026/3/{at} 8:40:49 AM", "7", *["-99" if at == 2 else "4"] * 8] for at in (1, 2, 3)]
    path = write(tmp_path / "a.csv", cells)
    proposal = propose_mapping(path, CANTEEN)
    assert proposal.summary == "9 of 12 columns recognised; 0 items have none; 1 value unknown (-99)"
    assert '# "Serial no" = ""' in proposal.text  # the same in each row numbers nothing
    text = uncommented(uncommented(uncommented(proposal.text, '^# "Nr"'), '^# "When"'), '^# "-99"')
    (tmp_path / "m.toml").write_text(text, encoding="utf-8")
    found = read_responses(path, CANTEEN, mapping=tmp_path / "m.toml")
    assert found.answers.index.tolist() == ["1", "2", "3"]
    assert found.people["date"].tolist() == ["2026-03-01", "2026-03-02", "2026-03-03"]
    assert found.answers.isna().all(axis=1).tolist() == [False, True, False]
    told = found.ledger.set_index("column").loc["(mapping)", "note"]
    assert told.endswith("; 8 cells were recoded")


def test_what_people_wrote_is_not_shown(tmp_path):
    cells = [["Comments", "Contact"], ["Jo Doe in the kitchen shouted at me again", "jo@example.org"]]
    text = propose_mapping(write(tmp_path / "a.csv", cells), CANTEEN).text
    assert '# "Comments" = ""  # not recognised; kept as text unless it is mapped; values: a text of 41 letters' in text
    assert "Jo Doe" not in text
    assert "jo@" not in text


def test_the_form_narrows_what_is_missing(tmp_path):
    path = write(tmp_path / "a.csv", [[*CANTEEN.asked_by("C")], ["3"] * len(CANTEEN.asked_by("C"))])
    assert propose_mapping(path, CANTEEN, form="C").without == ()
    assert set(propose_mapping(path, CANTEEN).without) == set(CANTEEN.items.ids) - set(CANTEEN.asked_by("C"))
    assert not propose_mapping(path, CANTEEN).form_known
    with pytest.raises(ValueError, match="form 'X' is not known; this questionnaire has P, C"):
        propose_mapping(path, CANTEEN, form="X")


def test_a_proposal_can_always_be_read_and_every_line_be_used(tmp_path):
    heads = [
        'a "b" # c',
        "tab\there",
        "new\nline",
        "x = y",
        "é\u2028z",
        "[columns]",
        "Q1\x7f",
        "C:\\d",
        "",
        "twice",
        "twice",
    ]
    path = write(
        tmp_path / "a.csv", [heads[:-3] + heads[-2:], ["=1", "\x01", "# 1", '"', "'", "2", "3", "4", "1", "2"]]
    )
    text = propose_mapping(path, CANTEEN).text
    tomllib.loads(text)
    used = re.sub(r'(?m)^# (?=")', "", text).replace("HEADING", "h", 1)
    for line in used.split("\n"):
        tomllib.loads(line)
    assert '## "twice" stands in the file 2 times: it cannot be mapped; rename all but one' in text
    (tmp_path / "m.toml").write_text(text.replace("[columns]  #", '[columns]\n"x = y" = "form" #'), encoding="utf-8")
    assert read_mapping(tmp_path / "m.toml", CANTEEN).columns == {"x = y": "form"}
