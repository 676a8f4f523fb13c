"""A survey as an XLSForm workbook for ODK Central and Collect, KoboToolbox and Enketo.

Not import-tested on those servers: the workbook is compiled by pyxform and the form that comes out passes ODK Validate,
which is what they run themselves. The format: https://xlsform.org. What Enketo and Collect make of the signs of Markdown
in a label was read in their sources (enketo-transformer `markdown.ts`, Collect `HtmlUtils.java`).

What stands where: a group (`begin_group`, `field-list`: one screen) for each page, named by the page's id; a row for each
question, named by its id; a list of answers for each response scale, named by its id; `note_banner`,
`note_instructions` and `note_PAGE` for what is only read; `calculate` rows for what is the same for everyone
(`version`, `form`, `wave`) and for scores, under their export ids. No other name has an underscore, so none can clash.
The column `off_scale` of the answers says why an answer stands beside its scale. The whole stamp stands in the sheet
`settings`, which stays in the workbook; a server keeps the form's id and version. KoboToolbox counts versions by itself.
"""

from __future__ import annotations

import hashlib
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from instrument.definition import Text
from instrument.files import workbook_bytes
from instrument.formulas.xlsform import calculations, literal
from instrument.platforms.statements import page_statements
from instrument.survey import Asked, Aspect, Choice, Loss, Page, Survey

__all__ = ["losses", "write"]

Row = dict[str, str]

# Names of languages in themselves; a language that is missing here is named by its code.
_LANGUAGES = {
    "cy": "Cymraeg",
    "da": "Dansk",
    "de": "Deutsch",
    "en": "English",
    "es": "Español",
    "fi": "Suomi",
    "fr": "Français",
    "it": "Italiano",
    "mi": "Te reo Māori",
    "nb": "Norsk bokmål",
    "nl": "Nederlands",
    "pl": "Polski",
    "pt": "Português",
    "sv": "Svenska",
}
_MARKDOWN = re.compile(r"([\\*_#])")
# Where a sign that cannot be escaped would begin a tag, an entity, a link, a list or a reference to a question.
_JOINED = re.compile(
    r"(?<=<)(?=\s?[A-Za-z/])|(?<=&)(?=#?\w+;)|(?<=\])(?=\()|(?<=\$)(?=\{)|^(?=[+-] )|(?<=\n)(?=[0-9]+\. )",
    flags=re.MULTILINE,
)
_CURLED = re.compile("[‘’“”]")  # pyxform straightens them in every cell
_WORD_JOINER = "\u2060"  # invisible, no width
_CELL = 32_767  # openpyxl would cut what is longer, and say nothing
# Widths of columns, in characters; people read and edit the sheets.
_WIDTHS = {"type": 24, "name": 22, "list_name": 16, "label": 48, "calculation": 60, "form_title": 48, "stamp": 48}
_WIDTH = 16
_WRAPPED = ("label", "form_title", "stamp")
_LINE = 15  # points


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as an XLSForm workbook.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to bytes
        ``NAME.xlsx`` with the sheets `survey`, `choices` and `settings`. The form's `version` is that of the definition
        and ten digits of a hash over all three sheets (`0.2.0-1a2b3c4d5e`): any change of the content changes it.

    Raises
    ------
    ValueError
        If a text or formula is longer than a cell of a workbook can be.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> files = write(build_survey(read_instrument("pwiq"), forms=["P"]))
    >>> list(files), files["pwiq_p.xlsx"][:2]
    (['pwiq_p.xlsx'], b'PK')
    """
    sheets = _sheets(survey)
    return {f"{survey.name}.xlsx": _workbook(sheets, title=survey.title()[survey.languages[0]], stamp=survey.stamp)}


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what an XLSForm cannot hold of a survey."""
    return tuple(_losses(survey))


def _losses(survey: Survey) -> Iterator[Loss]:
    if any(page.matrix for page in survey.pages):
        yield Loss(
            aspect="layout",
            what="Questions with the same answers are shown one below the other, each with its answers in a row (likert), "
            "not as one grid: the grid of XLSForm (table-list) adds made-up questions to the answers.",
        )
    if len(survey.languages) > 1:
        yield Loss(
            aspect="languages",
            what=f"The title of the form is shown in {survey.languages[0]} only: the format has one title.",
        )
    yield from _changed(
        survey, _JOINED, "An invisible sign (U+2060) keeps these texts from being read as a tag, link, list or formula."
    )
    yield from _changed(
        survey, _CURLED, "When the workbook is imported, the curly quotes of these texts become straight."
    )
    marked = {
        question.id: None
        for question in survey.questions()
        for choice in question.choices
        for language in survey.languages
        if _MARKDOWN.search(choice.label[language])
    }
    if marked:
        yield Loss(
            aspect="texts",
            what="In the answers of these questions Collect reads * _ # and \\ as signs of Markdown, and Enketo does not: "
            "they are written as they are.",
            where=tuple(marked),
        )


def _changed(survey: Survey, sign: re.Pattern[str], what: str) -> Iterator[Loss]:
    """Yield what becomes of texts that have a sign, for each aspect that is touched."""
    where: dict[Aspect, dict[str, None]] = {}
    for language in survey.languages:
        first = language == survey.languages[0]
        for name, text in _texts(survey, language):
            aspect: Aspect = "banner" if name == "banner" else "texts"
            # What is only read counts as lost once, not once a language.
            counted = not first and name in survey.statements() and name in where.get(aspect, {})
            if sign.search(text) and not counted:
                where.setdefault(aspect if first else "languages", {})[name] = None
    for aspect, names in where.items():
        yield Loss(aspect=aspect, what=what, where=tuple(names))


def _texts(survey: Survey, language: str) -> Iterator[tuple[str, str]]:
    """Yield the name of a row and each of its texts, those of its answers too."""
    if language == survey.languages[0]:  # the form has one title
        yield "title", survey.title()[language]
    yield from ((name, text[language]) for name, text in survey.statements().items())
    for question in survey.questions():
        yield question.id, question.text[language]
        yield from ((question.id, choice.label[language]) for choice in question.choices)


def _sheets(survey: Survey) -> dict[str, list[Row]]:
    lists = _lists(survey)
    sheets = {
        "survey": list(_survey_rows(survey, lists)),
        "choices": list(_choice_rows(survey, lists)),
        "settings": [
            {
                "form_title": _joined(survey.title()[survey.languages[0]]),  # pyxform looks for ${} in it
                "form_id": survey.name,
                "default_language": _language(survey.languages[0]),
                "style": "pages",
                "stamp": survey.stamp,
            }
        ],
    }
    content = hashlib.sha256(json.dumps(sheets, sort_keys=True).encode()).hexdigest()
    sheets["settings"][0]["version"] = f"{survey.instrument.version}-{content[:10]}"
    return sheets


def _survey_rows(survey: Survey, lists: Mapping[tuple[Choice, ...], str]) -> Iterator[Row]:
    for name, value in survey.constants.items():
        yield {"type": "calculate", "name": name, "calculation": literal(value)}
    yield from _opening(survey)
    for page in survey.pages:
        yield from _page_rows(page, survey, lists)
    for name, expression in _calculations(survey).items():
        yield {"type": "calculate", "name": name, "calculation": expression}


def _calculations(survey: Survey) -> dict[str, str]:
    scored = {rule.export for rule in survey.scores}
    found = calculations(survey.instrument, survey.forms)
    return {name: expression for name, expression in found.items() if name in scored}


def _opening(survey: Survey) -> Iterator[Row]:
    """Yield a screen with the banner and the instructions."""
    notes = {"note_banner": survey.banner, "note_instructions": survey.instrument.instructions}
    if any(notes.values()):
        yield {"type": "begin_group", "name": "page_opening", "appearance": "field-list"}
        yield from (_note(name, text, survey) for name, text in notes.items() if text)
        yield {"type": "end_group", "name": "page_opening"}


def _page_rows(page: Page, survey: Survey, lists: Mapping[tuple[Choice, ...], str]) -> Iterator[Row]:
    everyone = set(survey.forms)
    forms = set(survey.forms_of(page))
    yield {
        "type": "begin_group",
        "name": page.id,
        "appearance": "field-list",
        **({_label(language): page.number for language in survey.languages} if page.number else {}),
        **({"relevant": _relevant(survey, forms)} if forms < everyone else {}),
    }
    for _, text in page_statements(survey, page):
        yield _note(f"note_{page.id}", text, survey)
    for question in page.questions:
        yield {
            "type": _type(question, lists),
            "name": question.id,
            **_labels(question.text, survey, _neutral),
            **({"required": "yes"} if question.required else {}),
            **({"relevant": _relevant(survey, question.forms)} if set(question.forms) < forms else {}),
            **_appearance(question, page),
        }
    yield {"type": "end_group", "name": page.id}


def _note(name: str, text: Text, survey: Survey) -> Row:
    return {"type": "note", "name": name, **_labels(text, survey, _neutral)}


def _type(question: Asked, lists: Mapping[tuple[Choice, ...], str]) -> str:
    if question.kind == "text":
        return "text"
    return f"{'select_one' if question.kind == 'single' else 'select_multiple'} {lists[question.choices]}"


def _appearance(question: Asked, page: Page) -> Row:
    if page.matrix:
        return {"appearance": "likert"}
    return {"appearance": "multiline"} if question.role == "open" else {}


def _relevant(survey: Survey, forms: Iterable[str]) -> str:
    """Return the condition that the respondent's form is one of these."""
    return " or ".join(f"${{form}} = {literal(form)}" for form in survey.forms if form in set(forms))


def _lists(survey: Survey) -> dict[tuple[Choice, ...], str]:
    """Return the name of each list of answers: the id of its scale (or question), where that can be one."""
    lists: dict[tuple[Choice, ...], str] = {}
    for question in survey.questions():
        if question.choices and question.choices not in lists:
            name = question.scale or question.id
            usable = re.fullmatch("[A-Za-z][A-Za-z0-9]*", name) and name not in lists.values()
            lists[question.choices] = name if usable else f"list_{len(lists) + 1}"
    return lists


def _choice_rows(survey: Survey, lists: Mapping[tuple[Choice, ...], str]) -> Iterator[Row]:
    for choices, name in lists.items():
        for choice in choices:
            yield {
                "list_name": name,
                "name": choice.code,
                **_labels(choice.label, survey, _joined),
                **({"off_scale": choice.reason} if choice.reason else {}),
            }


def _labels(text: Text, survey: Survey, escape: Callable[[str], str]) -> Row:
    return {_label(language): escape(text[language]) for language in survey.languages}


def _label(language: str) -> str:
    return f"label::{_language(language)}"


def _language(code: str) -> str:
    return f"{_LANGUAGES.get(code.split('-')[0].lower(), code)} ({code})"


def _neutral(text: str) -> str:
    """Return the text so that Enketo and Collect show it as it is."""
    return _joined(_MARKDOWN.sub(r"\\\1", text))


def _joined(text: str) -> str:
    return _JOINED.sub(_WORD_JOINER, text)


def _workbook(sheets: Mapping[str, Sequence[Row]], *, title: str, stamp: str) -> bytes:
    """Return the bytes of a workbook; every cell is text, and the bytes depend on the content alone."""
    from openpyxl import Workbook

    book = Workbook()
    book.remove(book.active)
    book.properties.creator = "PWIQ"
    book.properties.title = title
    book.properties.description = stamp
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        columns = sorted({column: None for row in rows for column in row}, key=_place)
        for across, column in enumerate(columns, start=1):
            sheet.cell(row=1, column=across, value=column)
            for down, row in enumerate(rows, start=2):
                if column in row:
                    _write_text(sheet.cell(row=down, column=across), row[column])
        _lay_out(sheet, columns)
    return workbook_bytes(book)


def _lay_out(sheet: Any, columns: Sequence[str]) -> None:
    """Give a sheet a heading that stays, columns as wide as they need, labels in full, and pages as wide as paper."""
    from openpyxl.styles import Alignment, Font
    from openpyxl.utils import get_column_letter

    lines: dict[int, int] = {}
    for across, column in enumerate(columns, start=1):
        kind = column.split("::")[0]
        width = _WIDTHS.get(kind, _WIDTH)
        wrapped = kind in _WRAPPED
        sheet.column_dimensions[get_column_letter(across)].width = width
        sheet.cell(row=1, column=across).font = Font(bold=True)
        for cell in next(sheet.iter_cols(min_col=across, max_col=across, min_row=2)):
            # What is filled is cut at the column's end: formulas are long.
            cell.alignment = Alignment(
                vertical="top",
                wrap_text=wrapped,
                horizontal="fill" if len(cell.value or "") > width and not wrapped else None,
            )
            if wrapped and cell.value:
                needed = sum(len(textwrap.wrap(line, width - 4)) or 1 for line in cell.value.splitlines())
                lines[cell.row] = max(needed, lines.get(cell.row, 1))
    for row, needed in lines.items():
        if needed > 1:  # spreadsheets do not find the height by themselves in a file that they have not made
            sheet.row_dimensions[row].height = min(needed * _LINE, 400)
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"
    sheet.print_area = f"A1:{get_column_letter(len(columns))}{sheet.max_row}"
    sheet.page_setup.orientation, sheet.page_setup.paperSize = "landscape", sheet.PAPERSIZE_A4
    sheet.sheet_properties.pageSetUpPr.fitToPage = True
    sheet.page_setup.fitToHeight = 0


def _place(column: str) -> int:
    """Return where a column stands: names first, then labels in their order, then the rest."""
    before, after = ("list_name", "type", "name"), ("required", "relevant", "appearance", "calculation", "off_scale")
    order = (*before, "label", *after)
    kind = column.split("::")[0]
    return order.index(kind) if kind in order else len(order)


def _write_text(cell: Any, text: str) -> None:
    if len(text) > _CELL:
        raise ValueError(
            f"sheet {cell.parent.title!r}, row {cell.row}, column {cell.column}: {len(text)} characters, and a cell of a "
            f"workbook holds {_CELL}; write fewer forms into one file, or shorten the text"
        )
    cell.value = text
    cell.data_type = "s"  # also where it begins with "="
