"""A survey as a Google Apps Script that builds a Google Form: a script, a form and a sheet for each language.

Best effort: the script was run against an imitation of FormApp only, not at Google. The calls follow Google's reference
of the Forms service. A Google Form stores labels, not codes, and no constants; each page of the survey is a section,
and a page whose questions share their answers a grid, whose columns come back as ``Title [Row]``.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import Any

from instrument.platforms.statements import opening_statements, page_statements
from instrument.survey import Asked, Loss, Page, Survey

NOTE = "best effort, not import-tested here: look at every page of the form before you send it out"
Json = dict[str, Any]


def write(survey: Survey) -> dict[str, str | bytes]:
    """Write a survey as Google Apps Scripts, one for each language.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to str
        ``NAME.LANGUAGE.gs``. With several forms, the first section asks which one is the respondent's and leads to the
        sections of that form.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> list(write(build_survey(read_instrument("pwiq"), languages=["en"])))
    ['pwiq_p.en.gs']
    """
    return {f"{survey.name}.{language}.gs": _script(survey, language) for language in survey.languages}


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what a Google Form cannot hold of this survey."""
    return tuple(_losses(survey))


def _script(survey: Survey, language: str) -> str:
    return _SCRIPT.format(stamp=survey.stamp, note=NOTE, data=_literal(_data(survey, language)))


def _literal(data: Json) -> str:
    """Return data as a JavaScript literal that is safe anywhere: only ASCII, and no tag can end the script."""
    return json.dumps(data, ensure_ascii=True, indent=1).replace("<", "\\u003c")


def _data(survey: Survey, language: str) -> Json:
    constants = ", ".join(f"{name} {value}" for name, value in survey.constants.items())
    said = [text[language] for _, text in opening_statements(survey)]
    return {
        "title": survey.title()[language],
        "description": "\n\n".join([*said, f"{survey.stamp} ({constants})"]),
        "language": language,
        "forms": list(survey.forms) if len(survey.forms) > 1 else [],
        "pages": [_page(page, survey, language) for page in survey.pages],
    }


def _page(page: Page, survey: Survey, language: str) -> Json:
    return {
        "id": page.id,
        "title": page.number,
        "statements": [text[language] for _, text in page_statements(survey, page)],
        "grid": page.matrix,
        "questions": [_question(question, language) for question in page.questions],
    }


def _question(question: Asked, language: str) -> Json:
    return {
        "id": question.id,
        "text": question.text[language],
        "kind": "paragraph" if question.role == "open" else question.kind,
        "required": question.required,
        "forms": list(question.forms),
        "choices": [{"code": choice.code, "label": choice.label[language]} for choice in question.choices],
    }


def _losses(survey: Survey) -> Iterator[Loss]:
    yield Loss(aspect="stamp", what=_CONSTANTS, where=tuple(survey.constants))
    if survey.has_off_scale:
        yield Loss(aspect="off_scale", what=_OFF_SCALE)
    same = [question.id for question in survey.questions() if _has_equal_labels(question, survey.languages)]
    if same:
        yield Loss(aspect="codes", what=_EQUAL_LABELS.format(questions=", ".join(same)), where=tuple(same))
    if required := survey.required_among_others:
        yield Loss(aspect="required", what=_REQUIRED.format(required=", ".join(required)), where=required)
    if survey.scores:
        yield Loss(aspect="scores", what=_SCORES)


def _has_equal_labels(question: Asked, languages: Sequence[str]) -> bool:
    labels = [[choice.label[language].strip() for choice in question.choices] for language in languages]
    return any(len(set(each)) < len(each) for each in labels)


_CONSTANTS = (
    "A Google Form cannot store a fixed value with an answer: version, form and wave stand in its description only; say "
    "--form when the answers of a form of one kind of respondent are read, and keep the waves in files of their own."
)
_OFF_SCALE = "Answers beside the scale are answers like the others; Google's own charts count them, our scores do not."
_EQUAL_LABELS = (
    "A Google Form stores labels, and these questions have two answers with the same label: {questions}; "
    "Google refuses such a question."
)
_REQUIRED = "A grid requires an answer in all of its rows or in none, so these rows are not required: {required}."
_SCORES = "No scores: a Google Form calculates nothing; score the answers."

_SCRIPT = """\
// {stamp}
// {note}.
// In a new project at script.google.com: paste this file, choose createForm, Run. The log shows the two addresses.

const SURVEY = {data};

function createForm() {{
  const form = FormApp.create(SURVEY.title);
  form.setDescription(SURVEY.description);
  form.setProgressBar(true);
  if (SURVEY.forms.length) {{
    addPathsByForm(form);
  }} else {{
    SURVEY.pages.forEach((page, place) => addPage(form, page, page.questions, place > 0));
  }}
  Logger.log('To edit: ' + form.getEditUrl());
  Logger.log('To answer: ' + form.getPublishedUrl());
  return form;
}}

// After the first page, each form has sections of its own, one after the other.
function addPathsByForm(form) {{
  const [first, ...others] = SURVEY.pages;
  const asked = addPage(form, first, first.questions, false).form;
  const starts = {{}};
  SURVEY.forms.forEach((name, place) => {{
    others.forEach((page) => {{
      const questions = page.questions.filter((question) => question.forms.includes(name));
      if (!questions.length) return;
      const section = addPage(form, page, questions, true).section;
      if (starts[name]) return;
      starts[name] = section;
      // What is set on the start of a section holds for those who come from the section before it: they are done.
      if (place > 0) section.setGoToPage(FormApp.PageNavigationType.SUBMIT);
    }});
  }});
  const choices = first.questions.find((question) => question.id === 'form').choices;
  asked.setChoices(choices.map((choice) =>
    asked.createChoice(choice.label, starts[choice.code] || FormApp.PageNavigationType.SUBMIT)));
}}

// Returns the section that was begun, and the items under the ids of their questions.
function addPage(form, page, questions, begins) {{
  const made = {{}};
  if (begins) made.section = form.addPageBreakItem().setTitle(page.title);
  page.statements.forEach((text) => form.addSectionHeaderItem().setHelpText(text));
  if (page.grid) {{
    form.addGridItem()
      .setTitle(page.title || '\\u2026')
      .setRows(questions.map((question) => question.text))
      .setColumns(questions[0].choices.map((choice) => choice.label))
      .setRequired(questions.every((question) => question.required));
  }} else {{
    questions.forEach((question) => {{ made[question.id] = addQuestion(form, question); }});
  }}
  return made;
}}

function addQuestion(form, question) {{
  const labels = question.choices.map((choice) => choice.label);
  let item;
  if (question.kind === 'single') item = form.addMultipleChoiceItem().setChoiceValues(labels);
  else if (question.kind === 'several') item = form.addCheckboxItem().setChoiceValues(labels);
  else if (question.kind === 'paragraph') item = form.addParagraphTextItem();
  else item = form.addTextItem();
  return item.setTitle(question.text).setRequired(question.required);
}}
"""
