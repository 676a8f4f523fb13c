import subprocess
from pathlib import Path

import pandas as pd
import pyreadstat
import pytest

from instrument.definition import read_instrument
from instrument.reading import read_responses
from instrument.responses import ResponseError

DATA = Path(__file__).parents[2] / "data"
CANTEEN = read_instrument(DATA / "forms.toml")
ITEMS = list(CANTEEN.items.ids)
CODES = [4.0, 2.0, 5.0, 1.0, 3.0, 97.0, 4.0, None]


def frame(*first):
    """One row for each value of the first item."""
    rows = [
        {"person": f"p{n}", "form": "P", **dict(zip(ITEMS, [code, *CODES[1:]], strict=True))}
        for n, code in enumerate(first)
    ]
    return pd.DataFrame(rows).astype(dict.fromkeys(ITEMS, "float64"))


def read(path, **options):
    return read_responses(path, CANTEEN, **options)


def faults(path):
    with pytest.raises(ResponseError) as caught:
        read(path)
    return caught.value.faults


def test_an_spss_file_in_capital_letters_with_spanish_labels(tmp_path):
    data = frame(4.0, 5.0)
    labels = {code: text["es"] for code, text in CANTEEN.response_scales["agree"].labels.items()}
    pyreadstat.write_sav(
        data.rename(columns=str.upper),
        tmp_path / "a.sav",
        variable_value_labels={name.upper(): labels for name in ITEMS},
        missing_ranges={name.upper(): [97, 98, 99] for name in ITEMS},
        file_label="canteen 0.2.0 form P order definition sha256:0123456789abcdef",
    )
    responses = read(tmp_path / "a.sav")
    assert responses.answers["foodaf"].tolist() == [4, 5]
    assert responses.off_scale["placeab"].tolist() == ["dont_know", "dont_know"]
    ledger = responses.ledger.set_index("column")
    assert ledger["platform"].unique().tolist() == ["spss"]
    assert ledger.loc["foodaf", ["header", "note"]].tolist() == ["FOODAF", ""]
    assert ledger.loc["(stamp)", "note"].startswith(
        "made from canteen 0.2.0 form P order definition sha256:0123456789abcdef; answers to canteen 0.2.0 of another digest "
        f"(01234567…, here {CANTEEN.digest[:8]}…): the texts may differ"
    )
    wrong = {name.upper(): {1.0: labels[5], 5.0: labels[1]} for name in ITEMS[:1]}
    pyreadstat.write_sav(data.rename(columns=str.upper), tmp_path / "b.sav", variable_value_labels=wrong)
    assert faults(tmp_path / "b.sav")[0] == (
        "b.sav:1:FOODAF (foodaf): the file labels 1 as 'Muy de acuerdo', which is 5 in the definition; recode the column "
        "(it may be reversed or count from 0)"
    )


def test_an_spss_file_with_the_stamp_of_another_questionnaire(tmp_path):
    pyreadstat.write_sav(frame(4.0), tmp_path / "a.sav", file_label="pantry 1.0.0 sha256:0123456789abcdef")
    assert faults(tmp_path / "a.sav") == (
        "a.sav: the file says that it holds answers to pantry 1.0.0; this is canteen: read it with its own definition",
    )


def test_values_that_an_spss_file_declares_as_missing_are_blanks_and_counted(tmp_path):
    data = frame(4.0, -99.0, -99.0)
    pyreadstat.write_sav(data, tmp_path / "a.sav", missing_ranges={"foodaf": [-99, 97]})
    responses = read(tmp_path / "a.sav")
    assert responses.answers["foodaf"].tolist() == [4, pd.NA, pd.NA]
    assert (
        responses.ledger.set_index("column").loc["foodaf", "note"] == "declared as missing in the file, blank: -99 (2)"
    )
    pyreadstat.write_sav(data, tmp_path / "b.sav")
    found = faults(tmp_path / "b.sav")
    assert len(found) == 2
    assert found[0].startswith("b.sav:3:foodaf: '-99' looks like another program's code for a missing answer; ")


def test_a_stata_file(tmp_path):
    pyreadstat.write_dta(frame(4.0, 5.0), tmp_path / "a.dta", variable_value_labels={"foodaf": {4: "Agree"}})
    responses = read(tmp_path / "a.dta")
    assert responses.answers["foodaf"].tolist() == [4, 5]
    assert responses.answers["placebb"].isna().all()
    assert responses.ledger["platform"].unique().tolist() == ["stata"]


R_SCRIPT = """
library(haven)
labels <- c("Strongly disagree" = 1, "Strongly agree" = 5, "Don't know" = tagged_na("a"), "No me corresponde" = tagged_na("b"))
first <- labelled(c(4, tagged_na("a"), tagged_na("b"), NA, 5), labels)
data <- data.frame(person = paste0("p", 1:5), form = "P", foodaf = first, stringsAsFactors = FALSE)
for (name in c("foodab", "foodbf", "foodbb", "placeaf", "placeab", "placebf", "placebb")) data[[name]] <- c(1, 2, 3, 4, 5)
write_dta(data, "a.dta", label = "canteen 0.1.0 sha256:0123456789abcdef")
data$foodaf <- labelled(c(4, tagged_na("c"), tagged_na("d"), NA, 5), c("Refused" = tagged_na("c")))
write_dta(data, "b.dta")
"""


def test_extended_missing_values_of_stata_written_by_r(tmp_path, needs_tool):
    needs_tool("Rscript")
    subprocess.run(["Rscript", "-e", R_SCRIPT], cwd=tmp_path, check=True, capture_output=True)
    responses = read(tmp_path / "a.dta")
    assert responses.answers["foodaf"].tolist() == [4, pd.NA, pd.NA, pd.NA, 5]
    assert responses.off_scale["foodaf"].tolist() == [pd.NA, "dont_know", "does_not_apply", pd.NA, pd.NA]
    note = responses.ledger.set_index("column").loc["(stamp)", "note"]
    assert note.startswith("made from canteen 0.1.0 sha256:0123456789abcdef; answers to version 0.1.0, read by 0.2.0: ")
    assert faults(tmp_path / "b.dta") == (
        "b.dta:1:foodaf: the missing value .c is labelled 'Refused', which is no answer beside the scale in the definition; "
        "recode it to one, or to . where nothing was answered",
        "b.dta:1:foodaf: the missing value .d has no label, which is no answer beside the scale in the definition; "
        "recode it to one, or to . where nothing was answered",
    )
