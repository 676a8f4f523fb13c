"""The words of the forms: the same keys and gaps in every language, and all that the scripts ask for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from instrument.forms.survey_json import asset
from instrument.forms.words import words

GAP = re.compile(r"\{(\w+)\}")
WORD = re.compile(r'word\("(\w+)"')
NAMED = re.compile(r'(?:where|send|thanks|again_word|problem|cannot|new Error)(?:: |\()"(\w+)"')


@pytest.fixture(scope="module")
def tables(root: Path) -> dict[str, dict[str, dict[str, str]]]:
    files = (root / "instrument/forms").glob("words.*.toml")
    return {file.name.split(".")[1]: tomllib.loads(file.read_text(encoding="utf-8")) for file in files}


def test_every_language_is_complete_and_leaves_the_same_gaps(tables: dict[str, dict[str, dict[str, str]]]) -> None:
    english = tables["en"]
    assert set(tables) >= {"en", "es"}
    for language, table in tables.items():
        assert table.keys() == english.keys()
        for section, texts in english.items():
            assert table[section].keys() == texts.keys(), f"{language} [{section}]"
            for key, text in texts.items():
                assert table[section][key].strip(), f"{language} {section}.{key}"
                assert sorted(GAP.findall(table[section][key])) == sorted(GAP.findall(text)), (
                    f"{language} {section}.{key}"
                )


def test_the_spanish_file_says_that_nobody_reviewed_it(root: Path) -> None:
    assert "BORRADOR" in (root / "instrument/forms/words.es.toml").read_text(encoding="utf-8").split("\n")[0]


@pytest.mark.parametrize(
    ("script", "sections"),
    [("questionnaire.js", ["common"]), ("web.js", ["common", "web"]), ("kiosk.js", ["common", "web"])],
)
def test_the_scripts_ask_for_words_that_exist(script: str, sections: list[str]) -> None:
    asked = {*WORD.findall(asset(script)), *NAMED.findall(asset(script))}
    assert len(asked) > 3
    assert asked <= words(*sections)["en"].keys()
