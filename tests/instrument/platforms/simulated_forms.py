"""Exports of Google Forms (CSV of the responses, and its sheet) and Microsoft Forms (XLSX)."""

from tests.instrument.platforms.answered import chosen

MICROSOFT = {
    "en": ("ID", "Start time", "Completion time", "Email", "Name", "Last modified time"),
    "es": (
        "Id",
        "Hora de inicio",
        "Hora de finalización",
        "Correo electrónico",
        "Nombre",
        "Hora de la última modificación",
    ),
}


def sections(survey, rows, language):
    """Cells of a Google form with sections for each kind of respondent: the first page, then the others once a form."""
    first, *others = survey.pages
    asked = [*first.questions]
    owners = [None] * len(asked)
    for form in survey.forms:
        for page in others:
            mine = [question for question in page.questions if form in question.forms]
            asked += mine
            owners += [form] * len(mine)
    heads = ["Timestamp", *(question.text[language] for question in asked)]
    lines = [
        ["2026/03/01 8:40:49 AM GMT+11"]
        + [
            _cell(row, question, language, ", ") if owner in (None, row["form"]) else ""
            for question, owner in zip(asked, owners, strict=True)
        ]
        for row in rows
    ]
    return [heads, *lines]


def google(survey, rows, language, *, grid=True, joined=", ", timestamp="2026/03/01 8:40:49 AM GMT+11", email=True):
    """Cells of a Google Forms export; with `grid` pages of items are grids: ``Title [Row]``."""
    heads = ["Timestamp" if language == "en" else "Marca temporal"]
    heads += ["Email Address" if language == "en" else "Dirección de correo electrónico"] if email else []
    for page in survey.pages:
        for asked in page.questions:
            text = asked.text[language]
            heads.append(f"How far do you agree? ({page.number}) [{text}]" if grid and page.matrix else text)
    lines = []
    for row in rows:
        line = [timestamp, "jo@example.org"] if email else [timestamp]
        lines.append(line + [_cell(row, asked, language, joined) for asked in survey.questions()])
    return [heads, *lines]


def microsoft(survey, rows, language):
    """Cells of a Microsoft Forms export: several answers each end in a semicolon."""
    heads = [*MICROSOFT[language], *(f"{asked.text[language]}\u00a0" for asked in survey.questions())]
    lines = []
    for number, row in enumerate(rows, start=1):
        metadata = [str(number), "2026-03-01T08:28:09", "2026-03-01T08:40:49", "jo@example.org", "Jo Doe", ""]
        lines.append(metadata + [_cell(row, asked, language, ";", end=";") for asked in survey.questions()])
    return [heads, *lines]


def _cell(row, asked, language, joined, end=""):
    if asked.kind == "text":
        return row[asked.id]
    labels = [choice.label[language] for choice in chosen(row, asked)]
    return joined.join(labels) + (end if labels and asked.kind == "several" else "")
