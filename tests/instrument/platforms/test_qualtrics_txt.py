"""The text format is read back here by its tags alone, line by line, and held against the survey."""

import html
import re

import pytest

from instrument.platforms.qualtrics_txt import as_html, losses, write
from tests.instrument.platforms.surveys import HOSTILE_TEXTS, SURVEYS, hostile, required, said

TAG = re.compile(r"\[\[([A-Za-z]+)(?::([^\]]*))?\]\]")


def parsed(text):
    """What Qualtrics' tags say: embedded data, and for each question its block, type, id, text and choices."""
    first, *lines = text.split("\n")
    assert first == "[[AdvancedFormat]]"
    fields, questions, block = {}, [], None
    target = None
    for line in lines:
        tag = TAG.fullmatch(line)
        if tag is None:
            if line:
                assert "[[" not in line
                assert "]]" not in line
                assert target is not None, line
                assert not target[-1], f"a text of two lines: {line}"
                target[-1] = line
            continue
        name, value = tag.groups()
        if name == "ED":
            field, content = value.split(":", 1)
            fields[field] = content
        elif name == "Block":
            block = value
        elif name == "Question":
            questions.append({"block": block, "type": value, "text": [""], "codes": [], "labels": []})
            target = None
        elif name == "ID":
            questions[-1]["id"] = value
            target = questions[-1]["text"]
        elif name == "Choice":
            questions[-1]["codes"].append(value)
            target = questions[-1]["labels"]
            target.append("")
        else:
            assert name == "AdvancedChoices"
    return fields, questions


def plain(text):
    return html.unescape(text.replace("<br>", "\n"))


def lines_of(text):
    """A text with every kind of line end as the same one."""
    return re.sub("\r\n|[\r\u2028\u2029]", "\n", text)


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
def test_every_text_id_code_and_page_is_there_in_order(survey):
    files = write(survey)
    assert list(files) == [f"{survey.name}.{language}.txt" for language in survey.languages]
    for language, text in zip(survey.languages, files.values(), strict=True):
        fields, questions = parsed(text)
        assert fields == survey.constants
        shown = [question for question in questions if question["type"] == "DB"]
        assert [plain(each["text"][0]) for each in shown] == [*map(lines_of, said(survey, language)), survey.stamp]
        asked = [question for question in questions if question["type"] != "DB"]
        expected = [(page, question) for page in survey.pages for question in page.questions]
        assert len(asked) == len(expected)
        for read, (page, question) in zip(asked, expected, strict=True):
            assert read["id"] == question.id
            assert read["block"] == page.id
            assert plain(read["text"][0]) == lines_of(question.text[language])
            codes = [choice.code for choice in question.choices]
            assert read["codes"] == (codes if question.id != "form" else [str(n + 1) for n in range(len(codes))])
            assert [plain(label) for label in read["labels"]] == [lines_of(c.label[language]) for c in question.choices]


def test_the_types_of_questions():
    _, questions = parsed(write(SURVEYS["canteen P"])["canteen_p.en.txt"])
    types = {question["id"]: question["type"] for question in questions}
    assert types["foodaf"] == "MC:SingleAnswer:Horizontal"
    assert types["satisfied"] == types["mainmeal"] == "MC:SingleAnswer:Vertical"
    assert types["meal"] == "MC:MultipleAnswer:Vertical"
    assert types["open1"] == "TE:Essay"
    assert types["code1"] == "TE:SingleLine"


def test_a_hand_written_question():
    text = write(SURVEYS["canteen P"])["canteen_p.es.txt"]
    assert (
        "\n[[Question:MC:MultipleAnswer:Vertical]]\n[[ID:meal]]\n¿Qué comidas hace aquí?\n[[AdvancedChoices]]\n"
        "[[Choice:1]]\nDesayuno\n[[Choice:2]]\nAlmuerzo\n[[Choice:3]]\nCena\n[[Choice:98]]\nPrefiero no decirlo\n"
        in text
    )
    assert text.startswith("[[AdvancedFormat]]\n\n[[ED:version:0.2.0]]\n[[ED:form:P]]\n[[ED:wave:3]]\n")


@pytest.mark.parametrize("text", HOSTILE_TEXTS)
def test_html_shows_the_text_and_holds_no_tag_of_the_format(text):
    written = as_html(text)
    assert not re.search(r"\[\[|\]\]|\$\{|[\r\n\u2028\u2029]", written)
    assert re.findall(r"<[^>]*>", written) == ["<br>"] * written.count("<br>")
    assert html.unescape(written.replace("<br>", "\n")) == lines_of(text)


def test_what_is_lost():
    def stated(survey):
        return {loss.aspect: loss.what for loss in losses(survey)}

    alone = stated(SURVEYS["PWIQ short"])
    assert set(alone) == {"texts", "codes", "required", "branching", "off_scale", "layout", "scores"}
    assert alone["codes"].endswith("1 = PS, 2 = CS, 3 = MS.")
    assert "difrole: MS" in alone["branching"]
    assert "set it on form" in alone["required"]
    assert "roleaf" not in alone["branching"]
    assert [loss.where for loss in losses(SURVEYS["PWIQ short"]) if loss.aspect == "codes"] == [("form",)]
    one = stated(SURVEYS["canteen P"])
    assert set(one) == {"texts", "languages", "off_scale", "layout", "scores"}
    assert "(en, es)" in one["languages"]
    assert stated(required(SURVEYS["canteen P"], "meal"))["required"].endswith("set it on meal.")


def test_the_same_survey_gives_the_same_bytes():
    assert write(hostile(SURVEYS["canteen P"])) == write(hostile(SURVEYS["canteen P"]))
    assert write(SURVEYS["PWIQ all"]) == write(SURVEYS["PWIQ all"])
