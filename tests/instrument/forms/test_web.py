"""The web form as a file: whole, escaped, and with a policy that fits it."""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from dataclasses import replace
from pathlib import Path

import pytest

from instrument import Survey, build_survey, read_instrument
from instrument.definition import Text
from instrument.forms.study import Study
from instrument.forms.survey_json import form_data
from instrument.forms.web import write_web
from instrument.responses import question_columns
from tests.instrument.forms.made_up_study import STUDY, TEXT


@pytest.fixture(scope="module")
def survey() -> Survey:
    return build_survey(read_instrument("pwiq"), forms=["P"])


def policy(page: str) -> dict[str, str]:
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found
    return dict(rule.split(" ", 1) for rule in html.unescape(found[1]).split("; "))


def test_the_policy_allows_this_script_and_this_style_alone(survey: Survey) -> None:
    page = write_web(survey)
    rules = policy(page)
    assert rules["default-src"] == rules["connect-src"] == rules["form-action"] == "'none'"
    for tag, rule in (("style", "style-src"), ('script type="module"', "script-src")):
        (content,) = re.findall(rf"<{tag}>(.*?)</{tag.split()[0]}>", page, re.DOTALL)
        assert rules[rule] == f"'sha256-{base64.b64encode(hashlib.sha256(content.encode()).digest()).decode()}'"
    assert page.index("Content-Security-Policy") < page.index("<style")
    assert not re.search(r"""\s(src|href|style|on\w+)=["']""", page.split("<script", 1)[0])


def test_an_address_is_the_only_place_that_the_policy_lets_it_reach(survey: Survey) -> None:
    study = replace(STUDY, address="https://answers.invalid/post")
    assert policy(write_web(survey, study=study))["connect-src"] == "https://answers.invalid/post"
    with pytest.raises(ValueError, match="take the address out"):
        write_web(survey, study=study, kiosk=True)


def test_texts_cannot_leave_their_place(survey: Survey) -> None:
    hostile = "</script><script>alert(1)</script><!-- & \u2028 \" '"
    text = Text((("en", hostile), ("es", hostile)))
    bad = replace(survey, instrument=replace(survey.instrument, title=text, instructions=text))
    page = write_web(bad)
    assert page.count("</script>") == 2
    assert "<script>alert" not in page
    (data,) = re.findall(r'id="pwiq-data">(.*?)</script>', page, re.DOTALL)
    assert json.loads(data)["instructions"]["en"] == hostile


def test_same_survey_same_bytes_and_stamped(survey: Survey) -> None:
    assert write_web(survey) == write_web(survey)
    assert survey.stamp in write_web(survey)
    assert survey.instrument.banner["en"] in write_web(survey)


def test_columns_are_those_that_answers_are_read_by() -> None:
    instrument = read_instrument("pwiq")
    survey = build_survey(instrument, forms=instrument.forms.ids, follow_up=True, planning=True, wave=2)
    data = form_data(survey)
    wanted = {item.id for item in instrument.items}
    for asked in survey.questions():
        if asked.id in instrument.questions.ids:
            wanted |= set(question_columns(instrument.questions[asked.id], instrument))
    assert wanted <= set(data["columns"])
    assert len(set(data["columns"])) == len(data["columns"])
    assert json.loads(json.dumps(data)) == data
    assert data["constants"]["wave"] == "2"


def test_what_cannot_be_written_is_said(survey: Survey) -> None:
    with pytest.raises(ValueError, match=r"no texts in 'es'"):
        write_web(survey, study=Study(texts=(("en", TEXT),)))
    with pytest.raises(ValueError, match="not both"):
        write_web(build_survey(survey.instrument, forms=["P"], seed=1), shuffle=True)
    with pytest.raises(ValueError, match="no words in xx"):
        write_web(replace(survey, languages=("xx",)))


def test_scripts_write_text_and_nothing_else(root: Path) -> None:
    for file in sorted((root / "instrument/forms/assets").glob("*.js")):
        source = file.read_text(encoding="utf-8")
        assert not re.search(
            r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\(|new Function|</script", source
        ), file.name


def test_without_a_study_it_is_a_trial(survey: Survey) -> None:
    gap = replace(TEXT, by="<<who>>")
    assert form_data(survey)["trial"]
    assert form_data(survey, study=Study(texts=(("en", TEXT), ("es", gap))))["trial"]
    assert not form_data(survey, study=STUDY)["trial"]
