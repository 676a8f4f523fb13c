"""The empty SPSS files are read by pyreadstat, by R and by PSPP."""

import json
import struct
import subprocess
from dataclasses import replace

import pyreadstat
import pytest

from instrument.checking import known_columns
from instrument.definition import Catalogue, Text
from instrument.platforms.spss import losses, write
from instrument.survey import build_survey
from tests.instrument.platforms.instruments import CANTEEN, PWIQ
from tests.instrument.platforms.surveys import SURVEYS, answer_columns

each_survey = pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)


def read(survey, language, folder):
    path = folder / "shell.sav"
    path.write_bytes(write(survey)[f"{survey.name}.{language}.sav"])
    return pyreadstat.read_sav(path, user_missing=True)


@each_survey
def test_every_column_has_its_label_codes_missing_codes_and_measure(survey, tmp_path):
    for language in survey.languages:
        table, meta = read(survey, language, tmp_path)
        assert len(table) == 0
        columns = answer_columns(survey)
        keys = [name for name in meta.column_names if name not in columns]
        assert set(keys) <= {"response", "person", "form", "wave", "version"}
        assert meta.column_names == [*keys, *columns]
        assert set(meta.column_names) <= {*known_columns(survey.instrument), "version"}
        for name in ("response", "person"):  # the definition has no words for them; the codebook's are English
            assert bool(meta.column_names_to_labels[name]) == (language == "en")
        for name, (question, choice) in columns.items():
            label = question.text[language] + ("" if choice is None else f" – {choice.label[language]}")
            assert label.encode().startswith(meta.column_names_to_labels[name].encode())
            assert len(label.encode()) <= 255 or len(meta.column_names_to_labels[name].encode()) > 251
            labels = {
                str(code).removesuffix(".0"): text for code, text in meta.variable_value_labels.get(name, {}).items()
            }
            if question.kind == "single":
                assert list(labels) == [each.code for each in question.choices]
                for each in question.choices:
                    assert each.label[language].encode().startswith(labels[each.code].encode())
            else:
                assert labels == ({} if choice is None else {"0": "no", "1": "yes"})
            missing = [int(each["lo"]) for each in meta.missing_ranges.get(name, [])]
            off = [int(each.code) for each in question.choices if each.reason]
            assert missing == (off if question.kind == "single" else [])
            ordered = question.scale and survey.instrument.response_scales[question.scale].ordered
            single = question.kind == "single"
            assert meta.variable_measure[name] == ("ordinal" if single and ordered else "nominal")
        assert meta.readstat_variable_types["response"] == "string"
        assert meta.variable_storage_width["response"] >= 64


@each_survey
def test_the_notes_hold_title_banner_and_stamp(survey, tmp_path):
    for language in survey.languages:
        _, meta = read(survey, language, tmp_path)
        assert all(len(line.encode()) <= 80 for line in meta.notes)
        passages = [" ".join(each.split()) for each in "\n".join(meta.notes).split("\n\n")]
        texts = (survey.title()[language], survey.banner.get(language, ""), survey.stamp)
        assert passages == [" ".join(text.split()) for text in texts if text]
        assert (
            meta.file_label
            == f"{survey.instrument.id} {survey.instrument.version} sha256:{survey.instrument.digest[:16]}"
        )


def test_the_same_survey_makes_the_same_bytes():
    survey = SURVEYS["canteen all"]
    files = write(survey)
    assert files == write(survey)
    for content in files.values():
        assert content[92:109] == b"01 Jan 7000:00:00"
        assert struct.unpack("<i", content[80:84]) == (0,)


def test_text_columns_are_wide_enough_to_type_into(tmp_path):
    _, meta = read(SURVEYS["PWIQ P"], "en", tmp_path)
    assert meta.original_variable_types["open1"] == "A2000"
    assert meta.original_variable_types["organisation"] == "A64"
    assert meta.original_variable_types["roleaf"] == "F3.0"
    _, all_forms = read(SURVEYS["PWIQ all"], "en", tmp_path)
    assert all_forms.variable_value_labels["form"] == {form.id: form.title["en"] for form in PWIQ.forms}


def test_r_reads_the_same(tmp_path, needs_tool):
    survey = SURVEYS["canteen all"]
    read(survey, "es", tmp_path)
    script = """
      x <- haven::read_sav(commandArgs(TRUE)[1], user_na = TRUE)
      told <- lapply(x, function(v) list(label = attr(v, "label"), codes = as.character(attr(v, "labels")),
        texts = names(attr(v, "labels")), missing = as.character(attr(v, "na_values"))))
      cat(jsonlite::toJSON(list(rows = nrow(x), columns = told), auto_unbox = FALSE))
    """
    (tmp_path / "read.R").write_text(script)
    run = [needs_tool("Rscript"), "--vanilla", tmp_path / "read.R", tmp_path / "shell.sav"]
    told = json.loads(subprocess.run(run, check=True, capture_output=True, text=True, timeout=60).stdout)
    assert told["rows"] == [0]
    for name, (question, choice) in answer_columns(survey).items():
        found = told["columns"][name]
        text = question.text["es"] + ("" if choice is None else f" – {choice.label['es']}")
        assert found["label"] == [text]
        if question.kind == "single":
            codes = [each.code for each in question.choices]
            assert sorted(zip(found["codes"], found["texts"], strict=True)) == sorted(
                (each.code, each.label["es"]) for each in question.choices
            )
            assert sorted(found["codes"]) == sorted(codes)
            off = [each.code for each in question.choices if each.reason]
            assert [*found["missing"]] == (off or [])


def test_pspp_takes_answers_into_it(tmp_path, needs_tool):
    """A case typed into the file keeps its long text, and 97 is missing."""
    survey = build_survey(PWIQ, forms=["CS"], languages=["en"])
    read(survey, "en", tmp_path)
    long = "word " * 100
    (tmp_path / "typed.txt").write_text(f"97 '{long.strip()}'\n4 'short'\n")
    # To add files, their columns must be equally wide.
    (tmp_path / "add.sps").write_text(
        "DATA LIST LIST NOTABLE FILE='typed.txt' /roleaf (F3.0) open1 (A2000).\n"
        "SAVE OUTFILE='typed.sav'.\n"
        "GET FILE='shell.sav'.\n"
        "ADD FILES FILE=* /FILE='typed.sav'.\n"
        "COMPUTE gone = MISSING(roleaf).\nCOMPUTE size = LENGTH(RTRIM(open1)).\n"
        "SAVE TRANSLATE /OUTFILE='out.csv' /TYPE=CSV /KEEP=roleaf gone size /FIELDNAMES.\n"
    )
    run = [needs_tool("pspp"), "-O", "format=txt", "add.sps"]
    result = subprocess.run(run, capture_output=True, text=True, timeout=60, cwd=tmp_path, check=False)
    assert result.returncode == 0, result.stdout
    assert (tmp_path / "out.csv").read_text().split() == ["roleaf,gone,size", "97,1,499", "4,0,5"]


def test_what_is_too_long_is_cut_and_told(tmp_path):
    first, *others = CANTEEN.items
    long = Text((("en", "é" * 150), ("es", "corto")))
    instrument = replace(CANTEEN, items=Catalogue([replace(first, text=long), *others]))
    survey = build_survey(instrument, forms=["P"])
    _, meta = read(survey, "en", tmp_path)
    assert meta.column_names_to_labels["foodaf"] == "é" * 127
    (loss,) = [each for each in losses(survey) if each.where]
    assert (loss.aspect, loss.where) == ("texts", ("foodaf",))
    assert loss.what == "Labels longer than 255 bytes (of answers: 120) are cut: foodaf."


def test_losses():
    assert {loss.aspect for loss in losses(SURVEYS["PWIQ all"])} == {
        *("texts", "required", "branching", "layout", "scores")
    }
    assert {loss.aspect for loss in losses(SURVEYS["no forms"])} >= {"layout", "scores"}
