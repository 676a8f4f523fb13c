"""A survey as a REDCap data dictionary.

Not import-tested on REDCap: the file keeps to the published rules of its columns (help text "Data Dictionary", "Field
annotation", "Matrix of fields") and is read back by other readers.

What stands where: one instrument (form), named like the file; first the record id; then what is the same for everyone
(`version`, `form`, `wave`) in hidden fields; `text_banner`, `text_instructions`, and `text_rule` above the first items; a
field for each question, named by its id; last the scores as calculated fields that respondents do not see. Each page
starts with a section header: REDCap's page break, if "one section per page" is chosen in the survey settings. Pages of
items have their number there, the others a blank. No id has an underscore, so no other name can clash with one.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence

from instrument.formulas.redcap import calculations
from instrument.platforms.statements import STAMP, opening_statements, page_statements
from instrument.survey import Asked, Loss, Page, Survey

COLUMNS = (
    "Variable / Field Name",
    "Form Name",
    "Section Header",
    "Field Type",
    "Field Label",
    "Choices, Calculations, OR Slider Labels",
    "Field Note",
    "Text Validation Type OR Show Slider Number",
    "Text Validation Min",
    "Text Validation Max",
    "Identifier?",
    "Branching Logic (Show field only if...)",
    "Required Field?",
    "Custom Alignment",
    "Question Number (surveys only)",
    "Matrix Group Name",
    "Matrix Ranking?",
    "Field Annotation",
)
NAME, FORM, HEADER, TYPE, LABEL, CHOICES = COLUMNS[:6]
IDENTIFIER, BRANCHING, REQUIRED, MATRIX, ANNOTATION = (COLUMNS[at] for at in (10, 11, 12, 15, 17))
RECORD = "record_id"

_RAW_VALUE = re.compile(r"^[A-Za-z0-9._-]+$")
# HTML, piping ([field]), embedding ({field}) and the sign between choices.
_ENTITIES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        "[": "&#91;",
        "]": "&#93;",
        "{": "&#123;",
        "}": "&#125;",
        "|": "&#124;",
    }
)
_FORMULA_STARTS = ("=", "+", "-", "@")
# A header without words: one that is empty would be no page break.
_NO_HEADING = "&nbsp;"

Row = dict[str, str]


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as a REDCap data dictionary.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to str
        ``NAME.csv``: the 18 columns of a data dictionary, in the survey's first language. Scores are calculated fields
        under their export ids.

    Raises
    ------
    ValueError
        If the id of a form is no code that REDCap allows.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> files = write(build_survey(read_instrument("pwiq"), forms=["P"]))
    >>> files["pwiq_p.csv"].splitlines()[1][:36]
    'record_id,pwiq_p,,text,Record ID,,,,'
    """
    _check_codes(survey)
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, restval="", lineterminator="\n")
    table.writeheader()
    table.writerows({FORM: survey.name, **row} for row in _rows(survey))
    return {f"{survey.name}.csv": out.getvalue()}


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what a REDCap data dictionary cannot hold of a survey."""
    return tuple(_losses(survey))


def _losses(survey: Survey) -> Iterator[Loss]:
    if len(survey.languages) > 1:
        others = ", ".join(survey.languages[1:])
        yield Loss(
            aspect="languages",
            what=f"A data dictionary is in one language, here {survey.languages[0]}; {others} has to be entered under "
            "Multi-Language Management, whose file format is not published.",
        )
    if survey.has_off_scale:
        yield Loss(
            aspect="off_scale",
            what="Answers beside the scale are ordinary choices; nothing tells REDCap that they are no points of it.",
        )
    yield Loss(
        aspect="texts",
        what="A data dictionary has no title: name the project and the survey in REDCap.",
        where=("title",),
    )


def _check_codes(survey: Survey) -> None:
    wrong = [form for form in survey.forms if not _RAW_VALUE.match(form)]
    if wrong:
        raise ValueError(
            f"{survey.instrument.id}, forms: REDCap takes letters, digits and ._- in a code; rename {', '.join(wrong)}"
        )


def _rows(survey: Survey) -> Iterator[Row]:
    yield {NAME: RECORD, TYPE: "text", LABEL: "Record ID", ANNOTATION: survey.stamp}
    yield from _constants(survey)
    language = survey.languages[0]
    for name, text in opening_statements(survey):
        yield {NAME: name, TYPE: "descriptive", LABEL: _safe(text[language])}
    for number, page in enumerate(survey.pages):
        yield from _page(page, survey, first=number == 0)
    yield from _scores(survey)


def _constants(survey: Survey) -> Iterator[Row]:
    """Yield hidden fields; a text stands before the action tags, so that no spreadsheet takes a cell for a formula."""
    yield {NAME: STAMP, TYPE: "descriptive", LABEL: _safe(survey.stamp), ANNOTATION: "definition @HIDDEN"}
    for name, value in survey.constants.items():
        yield {
            NAME: name,
            TYPE: "text",
            LABEL: name,
            ANNOTATION: f"same for everyone @DEFAULT='{value}' @HIDDEN @READONLY",
        }


def _page(page: Page, survey: Survey, *, first: bool) -> Iterator[Row]:
    language = survey.languages[0]
    rows = [_question(asked, survey, page.id if page.matrix else "") for asked in page.questions]
    forms = survey.forms_of(page)
    # Dictionaries are edited in spreadsheets, and "3/11" is a date to them.
    header = page.number.replace("/", "&#47;") or _NO_HEADING
    said = [(name, _safe(text[language])) for name, text in page_statements(survey, page)]
    if not said and page.questions[0].forms != forms:
        # A header goes with its field: the field that carries it is shown whenever the page is.
        said = [(f"text_{page.id}", _NO_HEADING)]
    shown_to = _shown_to(forms, survey)
    rows = [{NAME: name, TYPE: "descriptive", LABEL: label, BRANCHING: shown_to} for name, label in said] + rows
    if not first:
        rows[0][HEADER] = header
    yield from rows


def _question(asked: Asked, survey: Survey, matrix: str) -> Row:
    kinds = {"single": "radio", "several": "checkbox", "text": "notes" if asked.role == "open" else "text"}
    language = survey.languages[0]
    questions = survey.instrument.questions
    risk = questions[asked.id].risk if asked.id in questions.ids else None
    return {
        NAME: asked.id,
        TYPE: kinds[asked.kind],
        LABEL: _safe(asked.text[language]),
        CHOICES: " | ".join(f"{choice.code}, {_one_line(choice.label[language])}" for choice in asked.choices),
        IDENTIFIER: "y" if risk == "high" else "",
        BRANCHING: _shown_to(asked.forms, survey),
        REQUIRED: "y" if asked.required else "",
        MATRIX: matrix,
    }


def _scores(survey: Survey) -> Iterator[Row]:
    made = calculations(survey.instrument, survey.forms)
    for rule in survey.scores:
        yield {
            NAME: rule.export,
            TYPE: "calc",
            LABEL: _safe(rule.title[survey.languages[0]]),
            CHOICES: made[rule.export],
            ANNOTATION: "score @HIDDEN-SURVEY",
        }


def _shown_to(forms: Sequence[str], survey: Survey) -> str:
    """Return branching logic: nothing where every form of the survey asks."""
    if set(forms) == set(survey.forms):
        return ""
    return " or ".join(f"[form] = '{form}'" for form in forms)


def _safe(text: str) -> str:
    """Return a text that REDCap shows as it is, and that no spreadsheet takes for a formula."""
    shown = text.translate(_ENTITIES).replace("\t", " ")
    return f"&#{ord(shown[0])};{shown[1:]}" if shown.startswith(_FORMULA_STARTS) else shown


def _one_line(text: str) -> str:
    return "<br>".join(_safe(text).splitlines())
