"""The commands that get the questionnaire onto a platform, to translators and to experts, and answers back."""

import typing
from pathlib import Path

import pandas as pd
import pytest

from analysis.answer_commands import EXPORTS
from analysis.cli import main
from analysis.questionnaire_commands import PLATFORM_NAMES, SCORING_LANGUAGES
from instrument import read_instrument, read_responses
from instrument.formulas import LANGUAGES
from instrument.platforms import PLATFORMS
from instrument.reading import Platform
from instrument.responses import canonical_table


def test_the_names_in_the_help_are_those_that_there_are():
    assert tuple(PLATFORMS) == PLATFORM_NAMES
    assert set(SCORING_LANGUAGES) == set(LANGUAGES)
    assert typing.get_args(Platform) == EXPORTS


def test_an_export_says_what_was_written_and_what_is_lost(tmp_path, capsys):
    out = tmp_path / "pwiq_p.csv"
    assert main(["export", "redcap", "--form", "P", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert out.exists()
    assert str(out) in said
    assert "never imported into a REDCap" in said
    assert "form P, 66 items and" in said
    assert "What it cannot hold:" in said
    assert "answer once yourself" in said
    assert "Draft instrument: not yet validated" in said


def test_a_platform_of_several_files_gets_a_folder_and_nothing_is_overwritten(tmp_path, capsys):
    out = tmp_path / "fhir"
    assert main(["export", "fhir", "--form", "P,C", "--language", "en", "--out", str(out)]) == 0
    written = sorted(path.name for path in out.iterdir())
    assert len(written) == 2
    capsys.readouterr()
    assert main(["export", "fhir", "--form", "P,C", "--language", "en", "--out", str(out)]) == 1
    assert "exist; choose another name or add --force" in capsys.readouterr().err
    assert main(["export", "fhir", "--form", "P,C", "--language", "en", "--out", str(out), "--force"]) == 0


def test_servers_stand_for_the_file_that_they_take(tmp_path, capsys):
    assert main(["export", "Kobo", "--form", "cs", "--wave", "2", "--out", str(tmp_path / "form.xlsx")]) == 0
    said = capsys.readouterr().out
    assert "form CS, 22 items" in said
    assert "--follow-up also asks" in said
    with pytest.raises(SystemExit):
        main(["export", "qualtrics", "--form", "P", "--out", str(tmp_path / "x")])
    assert "say qualtrics-txt (supported) or qualtrics-qsf (best effort)" in capsys.readouterr().err


def test_what_cannot_be_exported_is_refused_in_words(tmp_path, capsys):
    assert main(["export", "redcap", "--form", "X", "--out", str(tmp_path / "x.csv")]) == 1
    assert "'X': not a form" in capsys.readouterr().err
    (tmp_path / "there").write_text("a file")
    assert main(["export", "fhir", "--form", "P", "--out", str(tmp_path / "there")]) == 1
    assert "needs a folder" in capsys.readouterr().err


def test_parity_of_one_platform(tmp_path, capsys):
    out = tmp_path / "ledger.csv"
    assert main(["parity", "bids", "--form", "CS", "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "Read by:" in said
    assert set(pd.read_csv(out)["verdict"]) <= {"same", "stated loss", "not asked"}


def test_the_scoring_rules_as_a_script_and_as_calculations(tmp_path, capsys):
    assert main(["scoring", "python", "--out", str(tmp_path / "score.py")]) == 0
    assert "tests" in capsys.readouterr().out
    compile((tmp_path / "score.py").read_text(), "score.py", "exec")
    assert main(["scoring", "redcap", "--form", "C"]) == 0
    said = capsys.readouterr().out
    assert "[roleaf]" in said
    assert "Draft instrument" in said
    with pytest.raises(SystemExit):
        main(["scoring", "r", "--form", "P"])


def test_an_export_of_a_platform_is_read_into_a_plain_table(tmp_path, capsys, root):
    pwiq = read_instrument("pwiq")
    wave = read_responses(root / "sample_data" / "baseline.csv", pwiq)
    sav = tmp_path / "answers.csv"
    canonical_table(wave).head(40).to_csv(sav, index=False, sep=";")
    out = tmp_path / "plain.csv"
    assert main(["read", str(sav), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "answers.csv: read as a plain table; 40 answers read, no row left out; wave 1, as the file says" in said
    assert "Draft instrument" in said
    again = read_responses(out, pwiq)
    pd.testing.assert_frame_equal(again.answers.reset_index(drop=True), wave.answers.head(40).reset_index(drop=True))
    pd.testing.assert_frame_equal(
        again.off_scale.reset_index(drop=True), wave.off_scale.head(40).reset_index(drop=True)
    )


def test_a_mapping_is_proposed_and_taken(tmp_path, capsys, root):
    foreign = pd.read_csv(root / "sample_data" / "baseline.csv", dtype="string").head(30)
    foreign = foreign.rename(
        columns={"roleaf": "What peer workers are here to do is set out in writing", "form": "Who"}
    )
    export, mapping, scores = tmp_path / "foreign.csv", tmp_path / "mapping.toml", tmp_path / "scores.csv"
    foreign.to_csv(export, index=False)
    assert main(["map", str(export), "--out", str(mapping)]) == 0
    said = capsys.readouterr().out
    assert "0 items have none; 0 values unknown." in said
    assert f"pwiq read {export} --mapping {mapping} --form FORM --out answers.csv" in said
    text = mapping.read_text(encoding="utf-8")
    assert "roleaf" in text
    assert '# "Who" = "form"' in text  # to be decided by a person
    mapping.write_text(text.replace('# "Who" = "form"', '"Who" = "form"'), encoding="utf-8")
    assert main(["score", str(export), "--mapping", str(mapping), "--out", str(scores)]) == 0, capsys.readouterr().err
    assert len(pd.read_csv(scores)) == 30


def test_a_translation_goes_out_and_comes_back_unchanged(tmp_path, capsys):
    assert main(["translate", "status", "--language", "es"]) == 0
    assert "es: draft" in capsys.readouterr().out
    assert main(["translate", "export", "--language", "es", "--out", str(tmp_path / "es.po")]) == 0
    folder = tmp_path / "pwiq"
    folder.mkdir()
    shipped = Path(__file__).parent.parent.parent / "instrument" / "pwiq"
    for path in shipped.glob("*.toml"):
        (folder / path.name).write_bytes(path.read_bytes())
    call = ["translate", "import", str(tmp_path / "es.po"), "--language", "es", "--instrument", str(folder)]
    assert main(call) == 0, capsys.readouterr().err
    assert (folder / "text.es.toml").read_bytes() == (shipped / "text.es.toml").read_bytes()
    assert "0 texts change" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["translate", "export", "--out", str(tmp_path / "x.po")])


def test_a_changed_translation_goes_into_a_copy_and_never_into_the_package(tmp_path, capsys):
    shipped = Path(__file__).parent.parent.parent / "instrument" / "pwiq"
    before = {path.name: path.read_bytes() for path in shipped.glob("*.toml")}
    po, copy = tmp_path / "es.po", tmp_path / "my-pwiq"
    assert main(["translate", "export", "--language", "es", "--out", str(po)]) == 0
    assert "440 texts for es, 440 translated" in capsys.readouterr().out
    text = po.read_text(encoding="utf-8")
    po.write_text(text.replace('msgstr "Muy en desacuerdo"', 'msgstr "Totalmente en desacuerdo"', 1), encoding="utf-8")
    call = ["translate", "import", str(po), "--language", "es"]
    for more in ([], ["--force"], ["--instrument", str(shipped)]):
        assert main([*call, *more]) == 1
        said = capsys.readouterr()
        assert "what ships is never changed; nothing was written" in said.err
        assert "was: Muy en desacuerdo\n    now: Totalmente en desacuerdo" in said.out.replace("        ", "    ")
    assert {path.name: path.read_bytes() for path in shipped.glob("*.toml")} == before
    assert main([*call, "--out", str(copy), "--role", "a translator", "--date", "2030-01-31"]) == 0
    said = capsys.readouterr().out
    assert f"raise `version` in {copy / 'pwiq.toml'} (now {read_instrument('pwiq').version})" in said
    assert f"pwiq check-instrument {copy}" in said
    assert main(["check-instrument", str(copy)]) == 0
    assert main(["translate", "status", "--instrument", str(copy)]) == 0
    assert "a translator (2030-01-31)" in capsys.readouterr().out
    own = [*call, "--instrument", str(copy)]
    po.write_text(text, encoding="utf-8")
    assert main(own) == 1
    assert "would be overwritten; nothing was written" in capsys.readouterr().err
    assert b"Totalmente" in (copy / "text.es.toml").read_bytes()
    assert main([*own, "--force"]) == 0
    assert (copy / "text.es.toml").read_bytes() == before["text.es.toml"]


def test_a_panel_gets_a_form_and_a_log_is_checked(tmp_path, capsys):
    out = tmp_path / "form.xlsx"
    assert main(["panel", "form", "--form", "CS", "--out", str(out)]) == 0
    assert "22 items of pwiq" in capsys.readouterr().out
    assert out.stat().st_size > 1000
    assert main(["panel", "decide"]) == 0
    assert capsys.readouterr().out
    with pytest.raises(SystemExit):
        main(["panel", "read", "--out", str(tmp_path / "x")])


def test_the_files_of_a_command_may_stand_behind_its_options(tmp_path, capsys):
    for call in (["translate", "import", "--language", "es"], ["panel", "read", "--out", str(tmp_path / "x")]):
        assert main([*call, str(tmp_path / "nope.po")]) == 1
        assert "no such file" in capsys.readouterr().err.lower()
    for call in (
        ["panel", "decide", "--out", "x"],
        ["panel", "form", "--agreement", "1", "--out", "x"],
        ["translate", "x"],
    ):
        with pytest.raises(SystemExit) as caught:
            main(call)
        assert caught.value.code == 2


def test_an_ending_of_another_kind_of_file_is_refused(tmp_path, capsys):
    assert main(["export", "xlsform", "--form", "PS", "--out", str(tmp_path / "x.csv")]) == 1
    assert "is a .xlsx file; let the name end in .xlsx, or name a folder" in capsys.readouterr().err
    assert main(["export", "fhir", "--form", "PS", "--out", str(tmp_path / "x.json")]) == 1
    assert "is several files; name a folder" in capsys.readouterr().err
    (tmp_path / "link.csv").symlink_to(tmp_path / "nowhere.csv")
    assert main(["export", "redcap", "--form", "PS", "--out", str(tmp_path / "link.csv")]) == 1
    assert "exists; choose another name" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["link.csv"]


def test_headings_that_a_spreadsheet_would_run_are_written_as_text(tmp_path):
    text = Path("sample_data/baseline.csv").read_text(encoding="utf-8").splitlines()[:3]
    lines = [f'{line},"{more}"' for line, more in zip(text, ("=HYPERLINK(1)", "=1+1", "x"), strict=True)]
    (tmp_path / "a.csv").write_text("\n".join(lines), encoding="utf-8")
    assert main(["read", str(tmp_path / "a.csv"), "--out", str(tmp_path / "o.csv")]) == 0
    written = pd.read_csv(tmp_path / "o.csv")
    assert written["'=HYPERLINK(1)"].tolist() == ["'=1+1", "x"]
