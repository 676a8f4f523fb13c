"""A survey as a Qualtrics survey file (QSF, JSON): matrices, languages, required answers and display logic.

Qualtrics publishes no description of QSF and asks people not to edit it; the structure follows surveys that others
exported from Qualtrics and published. Best effort: what is written here was not import-tested in Qualtrics.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from instrument.definition import Text
from instrument.platforms.qualtrics_txt import as_html, numbers_of_forms
from instrument.platforms.statements import opening_statements, page_statements
from instrument.survey import Asked, Choice, Loss, Page, Survey

NOTE = "best effort, not import-tested here: if Qualtrics refuses the file or alters it, import the TXT file instead"
Json = dict[str, Any]
_LONGEST_DESCRIPTION = 99  # characters of a text that Qualtrics keeps as a question's short description
_NEVER = "0000-00-00 00:00:00"
# Where a text stands in a question: ("QuestionText",) or ("Choices", "1", "Display").
_Place = tuple[str, ...]


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as a Qualtrics survey file with all languages.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to str
        ``NAME.qsf``. The rows of a matrix are exported under the items' ids (``ChoiceDataExportTags``), the answers with
        our codes (``RecodeValues``); version, form and wave are embedded data, set at the start of the survey flow.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> file = json.loads(write(build_survey(read_instrument("pwiq")))["pwiq_p.qsf"])
    >>> [element["Element"] for element in file["SurveyElements"]][:8]
    ['BL', 'FL', 'SO', 'SCO', 'PROJ', 'STAT', 'QC', 'RS']
    """
    return {f"{survey.name}.qsf": json.dumps(_file(survey), ensure_ascii=False, indent=1) + "\n"}


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what a QSF cannot hold of this survey."""
    return tuple(_losses(survey))


def qualtrics_language(language: str) -> str:
    """Return Qualtrics' code of a language: capitals (EN, ES, PT-BR); Chinese by its script."""
    return {"zh": "ZH-S", "zh-cn": "ZH-S", "zh-tw": "ZH-T"}.get(language.lower(), language.upper())


def _file(survey: Survey) -> Json:
    questions = _Questions(survey)
    blocks = _blocks(survey, questions)
    survey_id, response_set = _id("SV", survey), _id("RS", survey)
    owner = _id("UR", survey)

    def element(kind: str, primary: str, second: str | None, payload: object, third: str | None = None) -> Json:
        return {
            "SurveyID": survey_id,
            "Element": kind,
            "PrimaryAttribute": primary,
            "SecondaryAttribute": second,
            "TertiaryAttribute": third,
            "Payload": payload,
        }

    title = survey.title()[survey.languages[0]]
    return {
        "SurveyEntry": {
            "SurveyID": survey_id,
            "SurveyName": title,
            "SurveyDescription": f"{survey.stamp} ({NOTE})",
            "SurveyOwnerID": owner,
            "SurveyBrandID": "qualtrics",  # must not be empty; the import puts the real one
            "DivisionID": None,
            "SurveyLanguage": qualtrics_language(survey.languages[0]),
            "SurveyActiveResponseSet": response_set,
            "SurveyStatus": "Inactive",
            "SurveyStartDate": _NEVER,
            "SurveyExpirationDate": _NEVER,
            "SurveyCreationDate": _NEVER,
            "CreatorID": owner,
            "LastModified": _NEVER,
            "LastAccessed": _NEVER,
            "LastActivated": _NEVER,
            "Deleted": None,
        },
        "SurveyElements": [
            element("BL", "Survey Blocks", None, blocks),
            element("FL", "Survey Flow", None, _flow(survey, blocks)),
            element("SO", "Survey Options", None, _options(survey, title)),
            element("SCO", "Scoring", None, _NO_SCORING),
            element("PROJ", "CORE", None, {"ProjectCategory": "CORE", "SchemaVersion": "1.1.0"}, "1.1.0"),
            element("STAT", "Survey Statistics", None, {"MobileCompatible": True, "ID": "Survey Statistics"}),
            element("QC", "Survey Question Count", str(len(questions.payloads)), None),
            element("RS", response_set, "Default Response Set", None),
            *(
                element("SQ", name, payload["QuestionDescription"], payload)
                for name, payload in questions.payloads.items()
            ),
        ],
    }


def _id(prefix: str, survey: Survey, what: str = "") -> str:
    """Return an id of Qualtrics' length that is the same for the same survey."""
    return f"{prefix}_{hashlib.sha256(f'{survey.stamp} {prefix} {what}'.encode()).hexdigest()[:15]}"


def _blocks(survey: Survey, questions: _Questions) -> list[Json]:
    pages = [("opening", [questions.add_statement(name, text) for name, text in opening_statements(survey)])]
    for page in survey.pages:
        said = [questions.add_statement(name, text) for name, text in page_statements(survey, page)]
        pages.append((page.id, said + questions.add_page(page)))
    blocks: list[Json] = []
    for name, ids in pages:
        if ids:
            blocks.append(
                {
                    "Type": "Standard" if blocks else "Default",
                    "SubType": "",
                    "Description": name,
                    "ID": _id("BL", survey, name),
                    "BlockElements": [{"Type": "Question", "QuestionID": each} for each in ids],
                }
            )
    trash = {"Type": "Trash", "Description": "Trash / Unused Questions", "ID": _id("BL", survey, "trash")}
    return [*blocks, trash | {"BlockElements": []}]


def _flow(survey: Survey, blocks: Sequence[Json]) -> Json:
    # "Custom" keeps the value; "Recipient" would drop it at import.
    fields = [
        {
            "Description": name,
            "Type": "Custom",
            "Field": name,
            "VariableType": "String",
            "DataVisibility": [],
            "AnalyzeText": False,
            "Value": value,
        }
        for name, value in survey.constants.items()
    ]
    flow: list[Json] = [{"Type": "EmbeddedData", "FlowID": "FL_2", "EmbeddedData": fields}]
    for block in blocks:
        if block["Type"] != "Trash":
            kind = "Block" if block["Type"] == "Default" else "Standard"
            flow.append({"Type": kind, "ID": block["ID"], "FlowID": f"FL_{len(flow) + 2}", "Autofill": []})
    return {"Type": "Root", "FlowID": "FL_1", "Flow": flow, "Properties": {"Count": len(flow) + 1}}


def _options(survey: Survey, title: str) -> Json:
    return {
        "BackButton": "true",
        "SaveAndContinue": "true",
        "SurveyProtection": "PublicSurvey",
        "BallotBoxStuffingPrevention": "false",
        "NoIndex": "Yes",
        "SecureResponseFiles": "true",
        "SurveyExpiration": "None",
        "SurveyTermination": "DefaultMessage",
        "Header": "",
        "Footer": "",
        "ProgressBarDisplay": "Text",
        "PartialData": "+1 week",
        "ValidationMessage": None,
        "PreviousButton": "",
        "NextButton": "",
        "SurveyTitle": title,
        "SkinLibrary": "qualtrics",
        "SkinType": "templated",
        "Skin": {"brandingId": None, "templateId": "*base", "overrides": None},
        "NewScoring": 1,
        "AnonymizeResponse": "Yes",  # no address of the computer, no place, no contact is kept
        "SurveyMetaDescription": survey.stamp,
        "SurveyLanguage": qualtrics_language(survey.languages[0]),
        "AvailableLanguages": {qualtrics_language(language): [] for language in survey.languages},
        "MetaDataTranslations": {
            qualtrics_language(language): {"SurveyTitle": survey.title()[language]} for language in survey.languages[1:]
        },
    }


_NO_SCORING: Json = {
    "ScoringCategories": [],
    "ScoringCategoryGroups": [],
    "ScoringSummaryCategory": None,
    "ScoringSummaryAfterQuestions": 0,
    "ScoringSummaryAfterSurvey": 0,
    "DefaultScoringCategory": None,
    "AutoScoringCategory": None,
}


class _Questions:
    """The questions of the file, under ids that count up from QID1."""

    def __init__(self, survey: Survey) -> None:
        self.survey = survey
        self.payloads: dict[str, Json] = {}
        self.form_question: tuple[str, Asked] | None = None

    def add_statement(self, name: str, text: Text) -> str:
        kind = {"QuestionType": "DB", "Selector": "TB", "ChoiceOrder": []}
        return self._add(name, {("QuestionText",): text}, kind)

    def add_page(self, page: Page) -> list[str]:
        if page.matrix:
            return [self._add_matrix(page)]
        return [self._add_question(question) for question in page.questions]

    def _add_matrix(self, page: Page) -> str:
        rows = {str(place): question for place, question in enumerate(page.questions, start=1)}
        answers = _numbered(page.questions[0].choices)
        stem = page.number or "…"
        asking = tuple(form for form in self.survey.forms if any(form in row.forms for row in rows.values()))
        kind = {
            "QuestionType": "Matrix",
            "Selector": "Likert",
            "SubSelector": "SingleAnswer",
            "Configuration": {
                "QuestionDescriptionOption": "UseText",
                "TextPosition": "inline",
                "ChoiceColumnWidth": 25,
                "RepeatHeaders": "none",
                "WhiteSpace": "OFF",
                "MobileFirst": True,
            },
            "Choices": {name: self._shown_by_form(row.forms, asking) for name, row in rows.items()},
            "ChoiceOrder": list(rows),
            "Answers": {name: {} for name in answers},
            "AnswerOrder": list(answers),
            "ChoiceDataExportTags": {name: row.id for name, row in rows.items()},
            "NextChoiceId": len(rows) + 1,
            "NextAnswerId": len(answers) + 1,
            **_codes(answers),
        }
        texts: dict[_Place, Text] = {
            ("QuestionText",): Text(tuple((language, stem) for language in self.survey.languages))
        }
        texts |= {("Choices", name, "Display"): row.text for name, row in rows.items()}
        texts |= {("Answers", name, "Display"): choice.label for name, choice in answers.items()}
        required = all(row.required for row in rows.values())
        kind |= self._shown_by_form(asking, self.survey.forms)
        return self._add(page.id, texts, kind, required=required)

    def _add_question(self, question: Asked) -> str:
        texts: dict[_Place, Text] = {("QuestionText",): question.text}
        if question.kind == "text":
            kind: Json = {"QuestionType": "TE", "Selector": "ML" if question.role == "open" else "SL"}
            kind["SearchSource"] = {"AllowFreeResponse": "false"}
        else:
            choices = _numbered(question.choices)
            texts |= {("Choices", name, "Display"): choice.label for name, choice in choices.items()}
            alone = {"ExclusiveAnswer": True} if question.kind == "several" else {}
            kind = {
                "QuestionType": "MC",
                "Selector": "MAVR" if question.kind == "several" else "SAVR",
                "SubSelector": "TX",
                "Choices": {name: dict(alone) if choice.reason else {} for name, choice in choices.items()},
                "ChoiceOrder": list(choices),
                "NextChoiceId": len(choices) + 1,
                **_codes(choices, scale=question.kind == "single"),
            }
            if question.role == "form":
                # A recode value is a number; the form's letter is what an export with choice texts says.
                kind["RecodeValues"] = {name: name for name in choices}
                kind["VariableNaming"] = {name: choice.code for name, choice in choices.items()}
        kind |= self._shown_by_form(question.forms, self.survey.forms)
        name = self._add(question.id, texts, kind, required=question.required)
        if question.role == "form":
            self.form_question = name, question
        return name

    def _add(self, tag: str, texts: Mapping[_Place, Text], kind: Json, *, required: bool = False) -> str:
        first = self.survey.languages[0]
        name = f"QID{len(self.payloads) + 1}"
        force = {"ForceResponse": "ON", "ForceResponseType": "ON"} if required else {"ForceResponse": "OFF"}
        payload: Json = {
            "QuestionText": "",
            "DefaultChoices": False,
            "DataExportTag": tag,
            "QuestionID": name,
            "DataVisibility": {"Private": False, "Hidden": False},
            "Configuration": {"QuestionDescriptionOption": "UseText"},
            "QuestionDescription": as_html(" ".join(texts[("QuestionText",)][first].split())[:_LONGEST_DESCRIPTION]),
            "NextChoiceId": 1,
            "NextAnswerId": 1,
            "GradingData": [],
            **kind,
            "Validation": {"Settings": {**force, "Type": "None"}},
        }
        translations: Json = {qualtrics_language(language): {} for language in self.survey.languages[1:]}
        for place, text in texts.items():
            _put(payload, place, as_html(text[first]))
            for language in self.survey.languages[1:]:
                _put(translations[qualtrics_language(language)], place, as_html(text[language]))
        payload["Language"] = translations or []  # an empty list, as Qualtrics writes it
        self.payloads[name] = payload
        return name

    def _shown_by_form(self, forms: Sequence[str], out_of: Sequence[str]) -> Json:
        """Return the display logic "one of these forms is chosen", or nothing where it would say nothing."""
        if set(forms) >= set(out_of) or self.form_question is None:
            return {}
        name, question = self.form_question
        language = self.survey.languages[0]
        chosen: Json = {}
        for number, choice in _numbered(question.choices).items():
            if choice.code in forms:
                locator = f"q://{name}/SelectableChoice/{number}"
                told = (question.text[language], choice.label[language])
                chosen[str(len(chosen))] = {
                    "LogicType": "Question",
                    "QuestionID": name,
                    "QuestionIsInLoop": "no",
                    "ChoiceLocator": locator,
                    "Operator": "Selected",
                    "QuestionIDFromLocator": name,
                    "LeftOperand": locator,
                    "Type": "Expression",
                    "Description": _told("Or" if chosen else "If", *told),
                    **({"Conjuction": "Or"} if chosen else {}),  # so spelt by Qualtrics
                }
        return {"DisplayLogic": {"0": {**chosen, "Type": "If"}, "Type": "BooleanExpression", "inPage": False}}


def _told(word: str, question: str, choice: str) -> str:
    parts = (("ConjDesc", word), ("QuestionDesc", question), ("LeftOpDesc", choice), ("OpDesc", "Is Selected"))
    return " ".join(f'<span class="{name}">{as_html(text)}</span>' for name, text in parts)


def _numbered(choices: Sequence[Choice]) -> dict[str, Choice]:
    """Return Qualtrics' own number of a choice → choice: 1, 2 … (our codes are the recode values)."""
    return {str(place): choice for place, choice in enumerate(choices, start=1)}


def _codes(choices: Mapping[str, Choice], *, scale: bool = True) -> Json:
    """Return the codes, and on a scale which of them are no points of it."""
    codes: Json = {"RecodeValues": {name: choice.code for name, choice in choices.items()}}
    beside = {name: "No" for name, choice in choices.items() if choice.reason and scale}
    return codes | ({"AnalyzeChoices": beside} if beside else {})  # left out of Qualtrics' own statistics


def _put(tree: Json, place: _Place, text: str) -> None:
    for step in place[:-1]:
        tree = tree.setdefault(step, {})
    tree[place[-1]] = text


def _losses(survey: Survey) -> Iterator[Loss]:
    if len(survey.forms) > 1:
        what = _FORM_CODES.format(numbers=numbers_of_forms(survey))
        yield Loss(aspect="codes", what=what, where=("form",))
    if required := survey.required_among_others:
        yield Loss(aspect="required", what=_REQUIRED.format(required=", ".join(required)), where=required)
    if survey.scores:
        yield Loss(aspect="scores", what=_SCORES)


_FORM_CODES = (
    "A recode value is a number: an export with numeric values gives the question form as {numbers}; an export with "
    "choice texts gives the form's letter."
)
_REQUIRED = "A matrix forces all of its rows or none, so these rows are not forced: {required}."
_SCORES = "No scores: Qualtrics' scoring cannot leave out answers or count the valid ones; score the export."
