"""A QSF is read back by the `qualtrics` package and by the structure that exported surveys have."""

import csv
import html
import json
import re

import pytest
import qualtrics

from instrument.platforms.qualtrics_qsf import losses, qualtrics_language, write
from tests.instrument.platforms.surveys import SURVEYS, hostile, required, said

# The fields of a survey entry and the elements of a survey, as exported surveys have them.
ENTRY = (
    *("SurveyID", "SurveyName", "SurveyDescription", "SurveyOwnerID", "SurveyBrandID", "DivisionID", "SurveyLanguage"),
    *("SurveyActiveResponseSet", "SurveyStatus", "SurveyStartDate", "SurveyExpirationDate", "SurveyCreationDate"),
    *("CreatorID", "LastModified", "LastAccessed", "LastActivated", "Deleted"),
)
ELEMENT = ("SurveyID", "Element", "PrimaryAttribute", "SecondaryAttribute", "TertiaryAttribute", "Payload")


def read(survey):
    (name, content), *others = write(survey).items()
    assert name == f"{survey.name}.qsf"
    assert not others
    return json.loads(content)


def elements(file, kind):
    return [element for element in file["SurveyElements"] if element["Element"] == kind]


def payload(file, kind):
    (element,) = elements(file, kind)
    return element["Payload"]


def questions(file):
    """The questions in the order of the blocks in the flow."""
    by_id = {element["PrimaryAttribute"]: element["Payload"] for element in elements(file, "SQ")}
    blocks = {block["ID"]: block for block in payload(file, "BL")}
    flow = [step["ID"] for step in payload(file, "FL")["Flow"] if step["Type"] in ("Block", "Standard")]
    return [by_id[each["QuestionID"]] for block in flow for each in blocks[block]["BlockElements"]]


def plain(text):
    return html.unescape(text.replace("<br>", "\n"))


def lines_of(text):
    return re.sub("\r\n|[\r\u2028\u2029]", "\n", text)


def in_language(question, language, first):
    return question if language == first else question["Language"][qualtrics_language(language)]


def is_shown(thing, chosen):
    """Whether display logic shows a question or row to those who chose these (question, choice) pairs."""
    logic = thing.get("DisplayLogic")
    if not logic:
        return True
    assert logic["Type"] == "BooleanExpression"
    (group,) = [value for key, value in logic.items() if key.isdigit()]
    assert group["Type"] == "If"
    hits = []
    for key, expression in group.items():
        if key != "Type":
            assert expression["Operator"] == "Selected"
            assert ("Conjuction" in expression) == (key != "0")
            hits.append(tuple(re.fullmatch(r"q://(\w+)/SelectableChoice/(\d+)", expression["LeftOperand"]).groups()))
    return any(hit in chosen for hit in hits)


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
def test_the_structure_is_that_of_an_exported_survey(survey):
    file = read(survey)
    assert set(file) == {"SurveyEntry", "SurveyElements"}
    entry = file["SurveyEntry"]
    assert tuple(entry) == ENTRY
    assert re.fullmatch(r"SV_[0-9a-zA-Z]{15}", entry["SurveyID"])
    assert re.fullmatch(r"RS_[0-9a-zA-Z]{15}", entry["SurveyActiveResponseSet"])
    assert entry["SurveyBrandID"]
    assert survey.stamp in entry["SurveyDescription"]
    assert "not import-tested" in entry["SurveyDescription"]
    for element in file["SurveyElements"]:
        assert tuple(element) == ELEMENT
        assert element["SurveyID"] == entry["SurveyID"]
    (count,) = elements(file, "QC")
    assert count["SecondaryAttribute"] == str(len(elements(file, "SQ")))
    (responses,) = elements(file, "RS")
    assert responses["PrimaryAttribute"] == entry["SurveyActiveResponseSet"]
    blocks = payload(file, "BL")
    assert [block["Type"] for block in blocks] == ["Default", *["Standard"] * (len(blocks) - 2), "Trash"]
    assert len({block["ID"] for block in blocks}) == len(blocks)
    flow = payload(file, "FL")
    assert flow["Properties"]["Count"] == len(flow["Flow"]) + 1
    assert [step["ID"] for step in flow["Flow"][1:]] == [block["ID"] for block in blocks[:-1]]
    ids = [flow["FlowID"], *(step["FlowID"] for step in flow["Flow"])]
    assert len(set(ids)) == len(ids)
    constants = {each["Field"]: each["Value"] for each in flow["Flow"][0]["EmbeddedData"]}
    assert constants == survey.constants
    assert {each["Type"] for each in flow["Flow"][0]["EmbeddedData"]} == {"Custom"}
    placed = [each["QuestionID"] for block in blocks for each in block["BlockElements"]]
    assert sorted(placed) == sorted(element["PrimaryAttribute"] for element in elements(file, "SQ"))
    tags = [question["DataExportTag"] for question in questions(file)]
    assert len(set(tags)) == len(tags)
    assert payload(file, "SO")["AnonymizeResponse"] == "Yes"
    assert list(payload(file, "SO")["AvailableLanguages"]) == [qualtrics_language(each) for each in survey.languages]


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
def test_every_text_id_code_and_required_answer_is_there_in_order(survey):
    asked = [question for question in questions(read(survey)) if question["QuestionType"] != "DB"]
    first = survey.languages[0]
    for page in survey.pages:
        if page.matrix:
            grid, asked = asked[0], asked[1:]
            assert (grid["QuestionType"], grid["Selector"], grid["SubSelector"]) == ("Matrix", "Likert", "SingleAnswer")
            assert [grid["ChoiceDataExportTags"][name] for name in grid["ChoiceOrder"]] == [
                q.id for q in page.questions
            ]
            assert [grid["RecodeValues"][name] for name in grid["AnswerOrder"]] == [
                choice.code for choice in page.questions[0].choices
            ]
            forced = all(question.required for question in page.questions)
            assert grid["Validation"]["Settings"]["ForceResponse"] == ("ON" if forced else "OFF")
            for language in survey.languages:
                part = in_language(grid, language, first)
                rows = [plain(part["Choices"][name]["Display"]) for name in grid["ChoiceOrder"]]
                assert rows == [lines_of(question.text[language]) for question in page.questions]
                labels = [plain(part["Answers"][name]["Display"]) for name in grid["AnswerOrder"]]
                assert labels == [lines_of(choice.label[language]) for choice in page.questions[0].choices]
            continue
        for question in page.questions:
            found, asked = asked[0], asked[1:]
            assert found["DataExportTag"] == question.id
            assert found["Validation"]["Settings"]["ForceResponse"] == ("ON" if question.required else "OFF")
            kinds = {"SAVR": "single", "MAVR": "several", "SL": "text", "ML": "text"}
            assert kinds[found["Selector"]] == question.kind
            for language in survey.languages:
                part = in_language(found, language, first)
                assert plain(part["QuestionText"]) == lines_of(question.text[language])
                labels = [plain(part["Choices"][name]["Display"]) for name in found.get("ChoiceOrder", ())]
                assert labels == [lines_of(choice.label[language]) for choice in question.choices]
            codes = found["VariableNaming"] if question.id == "form" else found.get("RecodeValues", {})
            assert list(codes.values()) == [choice.code for choice in question.choices]
            alone = [found["Choices"][name].get("ExclusiveAnswer", False) for name in found.get("ChoiceOrder", ())]
            several = question.kind == "several"
            assert alone == [several and choice.reason is not None for choice in question.choices]
    assert asked == []


@pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)
def test_what_is_only_said_is_there_in_every_language(survey):
    shown = [question for question in questions(read(survey)) if question["QuestionType"] == "DB"]
    for language in survey.languages:
        texts = [plain(in_language(each, language, survey.languages[0])["QuestionText"]) for each in shown]
        assert texts == [lines_of(text) for text in said(survey, language)]


@pytest.mark.parametrize("name", ["PWIQ all", "PWIQ short", "canteen all", "canteen required", "canteen P"])
def test_each_form_sees_its_own_questions(name):
    survey = SURVEYS[name]
    file = read(survey)
    asked = [question for question in questions(file) if question["QuestionType"] != "DB"]
    form = next((question for question in asked if question["DataExportTag"] == "form"), None)
    for code in survey.forms:
        chosen = set()
        if form:
            chosen = {(form["QuestionID"], number) for number, each in form["VariableNaming"].items() if each == code}
            assert len(chosen) == 1
        seen = []
        for question in asked:
            if is_shown(question, chosen) and question["QuestionType"] == "Matrix":
                rows = question["ChoiceDataExportTags"]
                seen += [rows[at] for at in question["ChoiceOrder"] if is_shown(question["Choices"][at], chosen)]
            elif is_shown(question, chosen):
                seen.append(question["DataExportTag"])
        assert seen == [question.id for question in survey.questions() if code in question.forms]


def test_answers_beside_the_scale_are_left_out_of_qualtrics_own_statistics():
    file = read(SURVEYS["PWIQ P"])
    grid = next(question for question in questions(file) if question["DataExportTag"] == "pagerole")
    left_out = {grid["RecodeValues"][number] for number in grid["AnalyzeChoices"]}
    assert left_out == {"97", "98"}
    marked = {
        question["DataExportTag"] for question in questions(read(SURVEYS["canteen P"])) if "AnalyzeChoices" in question
    }
    # Those with one answer on a scale that has some beside it; "meal" takes several answers.
    assert marked == {"pagefood", "pageplace", "impfood", "satisfied", "mainmeal"}


@pytest.mark.parametrize("name", ["PWIQ all", "canteen P", "canteen hostile"])
def test_the_qualtrics_package_reads_it_with_an_export(name, tmp_path):
    survey = SURVEYS[name]
    content = write(survey)[f"{survey.name}.qsf"]
    (tmp_path / "survey.qsf").write_text(content, encoding="utf-8")
    columns = [("ResponseId", "_recordId", "R_1")]
    for question in questions(json.loads(content)):
        number, tag = question["QuestionID"], question["DataExportTag"]
        if question["QuestionType"] == "Matrix":
            columns += [(row, f"{number}_{at}", "1") for at, row in question["ChoiceDataExportTags"].items()]
        elif question["Selector"] == "MAVR":
            columns += [(f"{tag}_{at}", f"{number}_{at}", "1") for at in question["ChoiceOrder"]]
        elif question["QuestionType"] == "MC":
            columns.append((tag, number, "1"))
        elif question["QuestionType"] == "TE":
            columns.append((tag, f"{number}_TEXT", "x"))
    with (tmp_path / "survey.csv").open("w", newline="", encoding="utf-8") as file:
        names, imports, cells = zip(*columns, strict=True)
        csv.writer(file).writerows([names, names, [json.dumps({"ImportId": each}) for each in imports], cells])
    found = qualtrics.parse_survey(tmp_path / "survey.csv")
    (head,) = found.surveys
    assert head["survey_status"] == "Inactive"
    assert head["default_language"] == qualtrics_language(survey.languages[0])
    fields = {field["question_field_id"]: field["field_external_id"] for field in found.question_fields}
    codes = {}
    for option in found.answer_options:
        codes.setdefault(fields[option["question_field_id"]], []).append(option["recode_value"])
    for question in survey.questions():
        if question.kind == "single" and question.id != "form":
            assert codes[question.id] == [choice.code for choice in question.choices]
    statements = {field["field_external_id"]: field.get("statement_text") for field in found.question_fields}
    for page in survey.pages:
        for question in page.questions:
            if page.matrix and name != "canteen hostile":
                assert statements[question.id] == question.text[survey.languages[0]]


def test_hostile_texts_leave_no_markup_and_no_piped_text():
    file = read(hostile(SURVEYS["canteen all"]))
    content = json.dumps(elements(file, "SQ"))
    tags = {re.sub(r" class=[^\s>]+", "", tag) for tag in re.findall(r"<[^<>]*>", content)}
    assert tags == {"<br>", "<span>", "</span>"}
    assert "${" not in content
    # The title is no HTML: it names the project and the window.
    assert file["SurveyEntry"]["SurveyName"] == hostile(SURVEYS["canteen all"]).title()["es"]


def test_what_is_lost():
    def stated(name):
        return {loss.aspect: loss for loss in losses(SURVEYS[name])}

    assert set(stated("canteen P")) == {"scores"}
    assert set(stated("canteen required")) == {"codes", "scores"}
    assert stated("canteen required")["codes"].where == ("form",)
    assert set(stated("canteen some required")) == {"codes", "required", "scores"}
    assert stated("canteen some required")["required"].where == ("foodaf",)
    assert required(SURVEYS["canteen P"]).pages[0].questions[0].required


def test_the_same_survey_gives_the_same_bytes():
    assert write(SURVEYS["PWIQ all"]) == write(SURVEYS["PWIQ all"])
    one, other = (read(SURVEYS[name])["SurveyEntry"]["SurveyID"] for name in ("PWIQ P", "PWIQ CS"))
    assert one != other
