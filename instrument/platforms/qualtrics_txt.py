"""A survey as Qualtrics' advanced-format text: the file that Qualtrics' own import reads, a file a language.

The format: Qualtrics' support page "Import and export surveys", section "Preparing an advanced format TXT file".
It knows no logic, no required answers and no names for the rows of a matrix; so each item is a question of its own,
whose export name is the item's id. What is written here was not import-tested in Qualtrics.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

from instrument.platforms.statements import STAMP, opening_statements, page_statements
from instrument.survey import Asked, Loss, Page, Survey

_LINE_END = re.compile(r"\r\n|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]")


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as Qualtrics' advanced-format text, a file for each language.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to str
        ``NAME.LANGUAGE.txt``. Each page is a block; descriptive texts hold the banner, instructions, rule and, at the
        end, the stamp. The constants (version, form, wave) are embedded data, so that they come with every answer.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> files = write(build_survey(read_instrument("pwiq"), languages=["en"]))
    >>> list(files), "[[ID:roleaf]]" in files["pwiq_p.en.txt"]
    (['pwiq_p.en.txt'], True)
    """
    return {f"{survey.name}.{language}.txt": _file(survey, language) for language in survey.languages}


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what the text format cannot hold of this survey."""
    return tuple(_losses(survey))


def as_html(text: str) -> str:
    """Return a text as the HTML that Qualtrics takes for questions and choices: it shows exactly the text.

    Tags of the text format (``[[…]]``) and piped text (``${…}``) become plain characters; a line end becomes
    ``<br>``. ``html.unescape`` after ``<br>`` → line end gives the text back.

    Examples
    --------
    >>> as_html("A [[Block]] & ${e://Field/x}")
    'A &#91;&#91;Block&#93;&#93; &amp; &#36;{e://Field/x}'
    """
    safe = html.escape(text, quote=False)
    safe = safe.replace("[", "&#91;").replace("]", "&#93;").replace("${", "&#36;{")
    return _LINE_END.sub("<br>", safe)


def numbers_of_forms(survey: Survey) -> str:
    """Return in words which number stands for which form: a recode value cannot be a letter."""
    return ", ".join(f"{place} = {form}" for place, form in enumerate(survey.forms, start=1))


def _file(survey: Survey, language: str) -> str:
    lines = ["[[AdvancedFormat]]", ""]
    lines += [f"[[ED:{name}:{value}]]" for name, value in survey.constants.items()]
    statements = [line for name, text in opening_statements(survey) for line in _statement(name, text[language])]
    if statements:
        lines += ["", "[[Block:opening]]", *statements]
    for page in survey.pages:
        lines += ["", f"[[Block:{page.id}]]"]
        for name, text in page_statements(survey, page):
            lines += _statement(name, text[language])
        for question in page.questions:
            lines += _question(question, page, language)
    lines += ["", "[[Block:closing]]", *_statement(STAMP, survey.stamp)]
    return "\n".join(lines) + "\n"


def _statement(name: str, text: str) -> list[str]:
    return ["[[Question:DB]]", f"[[ID:{name}]]", as_html(text), ""]


def _question(question: Asked, page: Page, language: str) -> list[str]:
    lines = [f"[[Question:{_kind(question, page)}]]", f"[[ID:{question.id}]]", as_html(question.text[language])]
    if question.choices:
        lines.append("[[AdvancedChoices]]")
    for choice in question.choices:
        # A form's code is a letter and can be no recode value: its choices are numbered.
        code = question.choices.index(choice) + 1 if question.role == "form" else choice.code
        lines += [f"[[Choice:{code}]]", as_html(choice.label[language])]
    return [*lines, ""]


def _kind(question: Asked, page: Page) -> str:
    if question.kind == "text":
        return "TE:Essay" if question.role == "open" else "TE:SingleLine"
    if question.kind == "several":
        return "MC:MultipleAnswer:Vertical"
    return f"MC:SingleAnswer:{'Horizontal' if page.matrix else 'Vertical'}"


def _losses(survey: Survey) -> Iterator[Loss]:
    yield Loss(aspect="texts", what=_TITLE, where=("title",))
    if len(survey.languages) > 1:
        yield Loss(aspect="languages", what=_LANGUAGES.format(languages=", ".join(survey.languages)))
    some = [question for question in survey.questions() if question.forms != survey.forms]
    if some:
        listed = "; ".join(f"{question.id}: {', '.join(question.forms)}" for question in some)
        yield Loss(aspect="branching", what=_BRANCHING.format(forms=", ".join(survey.forms), listed=listed))
    if len(survey.forms) > 1:
        what = _FORM_CODES.format(numbers=numbers_of_forms(survey))
        yield Loss(aspect="codes", what=what, where=("form",))
    required = [question.id for question in survey.questions() if question.required]
    if required:
        yield Loss(aspect="required", what=_REQUIRED.format(required=", ".join(required)))
    if survey.has_off_scale:
        yield Loss(aspect="off_scale", what=_OFF_SCALE)
    if any(page.matrix for page in survey.pages):
        yield Loss(aspect="layout", what=_LAYOUT)
    if survey.scores:
        yield Loss(aspect="scores", what=_SCORES)


_TITLE = "The format has no title: Qualtrics asks for the name of the project when the file is imported."
_LANGUAGES = (
    "A text file holds one language, so there is one for each ({languages}): import each as a project of its own; "
    "or import the first, add the other languages under Survey > Translations, download the translation file that "
    "Qualtrics offers there and fill it in from the other text file (its rows bear ids that Qualtrics gives at import, "
    "which no file written beforehand can know)."
)
_BRANCHING = (
    "The format knows no logic: everyone would be asked everything; export one file for each form ({forms}), or add "
    "display logic on the first question by hand for the questions of some forms only ({listed})."
)
_FORM_CODES = "A recode value is a number: the question form is exported as {numbers}."
_REQUIRED = "The format cannot force an answer: after the import, set it on {required}."
_OFF_SCALE = (
    "Answers beside the scale keep their codes, but Qualtrics' own reports count them as points of the scale, and where "
    "several answers may be ticked they can be ticked beside the others, until both are set by hand."
)
_LAYOUT = (
    "The format cannot name the rows of a matrix, so each is a question of its own with its choices side by side, "
    "and the export has a column for each under its id."
)
_SCORES = "No scores: Qualtrics' scoring cannot leave out answers or count the valid ones; score the export."
