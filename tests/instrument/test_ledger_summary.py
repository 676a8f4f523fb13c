"""What is printed of the ledger: what matters first, nothing left out that was decided, no jargon."""

import csv

import pytest

from instrument.ledger import LEDGER
from instrument.ledger_summary import ledger_summary
from instrument.reading import read_responses
from instrument.responses import ResponseError
from tests.instrument.test_reading import CANTEEN, ITEMS, row
from tests.instrument.test_several_files import lime, redcap, write

STAMP = f"canteen 0.2.0 form P order definition sha256:{CANTEEN.digest[:16]}"


def read(*paths, **options):
    return read_responses(paths, CANTEEN, **options)


def told(*paths, **options):
    return ledger_summary(read(*paths, **options).ledger).splitlines()


def test_what_matters_comes_first(tmp_path):
    path = write(
        tmp_path / "a.csv",
        redcap(1, redcap_survey_identifier="jo", foodaf="97", mainmeal="98", ward="x", facindex=""),
        redcap(2, canteen_p_complete="0", **dict.fromkeys(ITEMS, "")),
    )
    lines = told(path)
    assert lines[0].startswith("a.csv: read as an export of REDCap: columns redcap_survey_identifier; 1 answers read, ")
    assert "1 row left out (nobody answered this questionnaire in them" in lines[0]
    assert lines[0].endswith("rows 3); wave 1, as the file does not say the wave")
    assert lines[1:5] == [
        "  Personal data, dropped and never read: redcap_survey_identifier (1 cells)",
        "  Form: form P, after the name of the instrument in REDCap (canteen_p_complete)",
        "  Not recognised, kept as text: ward",
        "  Recognised: 8 items, 1 columns of other questions, 3 columns of who, when and where, 1 scores; 10 cells answered, "
        "1 blank",
    ]
    assert "  Under another name: record_id → response, record_id → person" in lines
    assert (
        "  Answered off the scale (don't know, does not apply …), which no score counts: 1 answers to items, 1 to other "
        "questions"
    ) in lines
    assert "  person: the record number (record_id)" in lines
    assert not any(word in "\n".join(lines) for word in ("dont_know", "prefer_not", "ignored", "kept:", "key:"))


def test_what_a_mapping_did_is_told_of_every_column(tmp_path):
    shifted = {"P": "P"} | {str(code): str(code - 1) for code in range(1, 6)}
    cells = {f"Q{number}": shifted.get(row()[item], "") for number, item in enumerate(ITEMS, start=1)}
    path = write(tmp_path / "f.csv", {"Nr": "1", "Group": "P"} | cells, {"Nr": "2", "Group": "P"} | cells)
    pairs = "\n".join(f'"Q{number}" = "{item}"' for number, item in enumerate(ITEMS, start=1))
    values = "[values.agree]\n" + "\n".join(f'"{code - 1}" = {code}' for code in range(1, 6))
    (tmp_path / "m.toml").write_text(f'[columns]\n"Group" = "form"\n{pairs}\n{values}\n', encoding="utf-8")
    lines = told(path, mapping=tmp_path / "m.toml")
    named = ", ".join(f"Q{number} → {item}" for number, item in enumerate(ITEMS, start=1))
    assert "  Form: mapped by m.toml" in lines
    assert any(line.startswith("  Under another name: ") and named in line for line in lines), lines
    found = {code: 2 * list(cells.values()).count(code) for code in "01234"}
    (recoded,) = [line for line in lines if line.startswith("  Recoded: ")]
    for old, count in found.items():
        assert (f"'{old}' as {int(old) + 1} {count}" in recoded) == (count > 0)


def test_columns_of_one_heading_are_not_named_three_times(tmp_path):
    # A form with sections asks the same text in each.
    text = CANTEEN.items["foodaf"].text["en"]
    rest = {CANTEEN.items[name].text["en"]: row()[name] for name in ITEMS[1:]}
    with (tmp_path / "g.csv").open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows(
            [
                ["Timestamp", text, text, *rest],
                ["2026/03/01 10:00:00", "4", "", *rest.values()],
                ["2026/03/01 10:00:00", "", "5", *rest.values()],
            ]
        )
    responses = read(tmp_path / "g.csv", form="P")
    note = responses.ledger.set_index("column").loc["foodaf", "note"]
    assert note == "from 2 columns of this heading, never both filled"
    assert responses.answers["foodaf"].tolist() == [4, 5]


# Stamps


def test_our_own_stamp_is_recognised(tmp_path):
    path = write(tmp_path / "l.csv", lime(1, definition=STAMP, version="0.2.0"))
    responses = read(path)
    note = responses.ledger.set_index("column")["note"]["definition"]
    assert note == f"what the survey was made from: {STAMP}"
    assert not any("Not recognised" in line and ("definition" in line or "version" in line) for line in told(path))
    assert tuple(responses.ledger.columns) == LEDGER


@pytest.mark.parametrize("column", ["definition", "text_stamp"])
def test_another_digest_is_told_and_another_questionnaire_refused(tmp_path, column):
    other = "canteen 0.2.0 form P order definition sha256:0000000000000000"
    path = write(tmp_path / "a.csv", row("1", **{column: other}))
    assert read(path).ledger.set_index("column")["note"][column] == (
        f"what the survey was made from: {other}; answers to canteen 0.2.0 of another digest (00000000…, here "
        f"{CANTEEN.digest[:8]}…): the texts may differ; if they do, give the definition that was asked with --instrument"
    )
    assert any("another digest" in line for line in told(path))
    with pytest.raises(ResponseError, match=r"holds answers to pantry 0\.2\.0; this is canteen"):
        read(write(tmp_path / "b.csv", row("1", **{column: other.replace("canteen", "pantry")})))


# Scores of a platform


def test_empty_scores_are_no_disagreement(tmp_path):
    path = write(tmp_path / "a.csv", row("1", facindex="", total=""), row("2", facindex="", total=""))
    lines = [line for line in told(path) if "scores computed here" in line]
    assert lines == [
        "  facindex, total: a score that the platform did not calculate (all cells are empty); the scores computed here count"
    ]


def test_only_scores_that_both_have_are_compared(tmp_path):
    full, none = row("1", facindex="66.6666667"), row("2", facindex="50") | dict.fromkeys(ITEMS, "")
    path = write(tmp_path / "a.csv", full, row("3", facindex=""), none)
    assert read(path).ledger.set_index("column")["note"]["facindex"] == (
        "computed by the platform: all 1 that both have agree with the scores computed here; 1 computed here only; "
        "1 computed there only"
    )


# What is refused


def test_a_platform_that_the_file_contradicts_is_refused(tmp_path):
    path = write(tmp_path / "a.csv", redcap(1))
    with pytest.raises(ResponseError) as caught:
        read(path, platform="qualtrics")
    assert caught.value.faults == (
        "a.csv: an export of Qualtrics was said, but the file is an export of REDCap (columns record_id, …, "
        "canteen_p_complete) and nothing in it shows the other; leave platform (--platform) out",
    )
    assert len(read(path, form="P", platform="canonical").answers) == 1  # ids as names are always read


def test_missing_items_name_what_was_not_recognised(tmp_path):
    cells = {("Role_AF" if name == "foodaf" else name): cell for name, cell in row("1", ward="x").items()}
    with pytest.raises(ResponseError) as caught:
        read(write(tmp_path / "a.csv", cells))
    assert caught.value.faults == (
        "a.csv:1:foodaf: there is no such column; form P asks it. Not recognised: Role_AF, ward; if the answers stand there, "
        "rename them or say which is which (pwiq map a.csv). Only if it was never asked: add an empty column",
    )


def test_the_wrong_form_is_one_line(tmp_path):
    path = write(tmp_path / "a.csv", *(row(str(n)) for n in range(5)))
    answered = [name for name in ITEMS if row()[name] in "12345" and row()[name]]
    strange = [name for name in answered if name not in CANTEEN.asked_by("PS")]
    assert strange
    for each in ("PS",):
        bare = write(tmp_path / "b.csv", *({**row(str(n)), "form": each} for n in range(5)))
        with pytest.raises(ResponseError) as caught:
            read(bare)
        (fault,) = caught.value.faults
        assert fault.startswith(
            f"b.csv:1:form: 5 responses answer {len(strange)} items that form {each} does not ask ({', '.join(strange)})"
        )
        assert fault.endswith("and all of form P: is it form P? Then say so (--form P, or the column form)")
    assert len(read(path).answers) == 5
