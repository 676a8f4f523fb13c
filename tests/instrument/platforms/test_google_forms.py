"""The script is run by node against an imitation of Google's FormApp, which records what a form would be.

The imitation has the methods that Google's reference lists for the items, and refuses all others; it refuses what the
reference says is refused. A respondent's way through the sections follows the reference of PageBreakItem.
"""

import json
import re
import subprocess
from dataclasses import replace

import pytest

from instrument.platforms.google_forms import losses, write
from tests.instrument.platforms.surveys import SURVEYS, above_pages, required, said

# An item notes each setting; a method that is not listed for its type does not exist.
IMITATION = r"""
const fs = require('fs');
const METHODS = {
  MULTIPLE_CHOICE: ['setTitle', 'setChoiceValues', 'setChoices', 'setRequired', 'createChoice'],
  CHECKBOX: ['setTitle', 'setChoiceValues', 'setRequired'],
  TEXT: ['setTitle', 'setRequired'], PARAGRAPH_TEXT: ['setTitle', 'setRequired'],
  GRID: ['setTitle', 'setRows', 'setColumns', 'setRequired'],
  PAGE_BREAK: ['setTitle', 'setGoToPage'], SECTION_HEADER: ['setTitle', 'setHelpText'],
};
const ADDERS = {
  addMultipleChoiceItem: 'MULTIPLE_CHOICE', addCheckboxItem: 'CHECKBOX', addTextItem: 'TEXT',
  addParagraphTextItem: 'PARAGRAPH_TEXT', addGridItem: 'GRID', addPageBreakItem: 'PAGE_BREAK',
  addSectionHeaderItem: 'SECTION_HEADER',
};
const SUBMIT = {submit: true};
function imitate(script) {
const items = [];
function at(target) {
  if (target === SUBMIT) return 'SUBMIT';
  if (!items.includes(target) || target.type !== 'PAGE_BREAK') throw new Error('not a page');
  return items.indexOf(target);
}
function isText(text) { if (typeof text !== 'string') throw new Error('not a text: ' + text); return text; }
function texts(list) {
  list.forEach(isText);
  if (!list.length || list.some((text) => !text)) throw new Error('an empty choice');
  if (new Set(list).size < list.length) throw new Error('duplicate choices');
  return list;
}
function newItem(type) {
  const item = {type: type, title: ''};
  const does = {
    setTitle: (text) => { item.title = isText(text); },
    setHelpText: (text) => { item.help = isText(text); },
    setChoiceValues: (list) => { item.choices = texts(list).map((text) => ({label: text})); },
    setChoices: (list) => { texts(list.map((each) => each.label)); item.choices = list; },
    setRows: (list) => { item.rows = texts(list); },
    setColumns: (list) => { item.columns = texts(list); },
    setRequired: (yes) => { if (typeof yes !== 'boolean') throw new Error('not a boolean'); item.required = yes; },
    setGoToPage: (target) => { item.goTo = at(target); },
  };
  METHODS[type].filter((name) => does[name]).forEach((name) => {
    Object.defineProperty(item, name, {value: (value) => { does[name](value); return item; }});
  });
  if (METHODS[type].includes('createChoice')) {
    Object.defineProperty(item, 'createChoice', {value: (label, target) => ({label: isText(label), goTo: at(target)})});
  }
  items.push(item);
  return item;
}
const form = {};
const made = {items: items, title: null, description: null, logged: []};
Object.entries(ADDERS).forEach(([name, type]) => { form[name] = () => newItem(type); });
form.setDescription = (text) => { made.description = isText(text); return form; };
form.setProgressBar = (yes) => form;
form.getEditUrl = () => 'edit-address';
form.getPublishedUrl = () => 'address';
const FormApp = {
  create: (title) => { made.title = isText(title); return form; },
  PageNavigationType: {SUBMIT: SUBMIT},
};
const Logger = {log: (text) => made.logged.push(text)};
new Function('FormApp', 'Logger', script + '\ncreateForm();')(FormApp, Logger);
return made;
}
const built = {};
for (const path of process.argv.slice(1)) built[path] = imitate(fs.readFileSync(path, 'utf8'));
process.stdout.write(JSON.stringify(built));
"""


@pytest.fixture(scope="module")
def forms(needs_tool, tmp_path_factory):
    """Run all scripts; return (name of the survey, language) → what was built."""
    folder = tmp_path_factory.mktemp("scripts")
    paths = {}
    for number, (name, survey) in enumerate(SURVEYS.items()):
        files = write(survey)
        assert list(files) == [f"{survey.name}.{language}.gs" for language in survey.languages]
        for language, script in zip(survey.languages, files.values(), strict=True):
            path = folder / f"{number}.{language}.gs"
            path.write_text(script, encoding="utf-8")
            paths[name, language] = str(path)
    done = subprocess.run(
        [needs_tool("node"), "-e", IMITATION, *paths.values()],
        capture_output=True,
        text=True,
        check=False,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    built = json.loads(done.stdout)
    return {key: built[path] for key, path in paths.items()}


def sections(made):
    """The items of each section, and where the form goes from its end when nothing else says so."""
    found = [{"items": [], "start": None}]
    for place, item in enumerate(made["items"]):
        if item["type"] == "PAGE_BREAK":
            found.append({"items": [], "start": place, "title": item["title"], "goTo": item.get("goTo")})
        else:
            found[-1]["items"].append(item)
    return found


def way(made, label=None):
    """The sections that a respondent passes who chooses this label where a choice leads somewhere."""
    pages = sections(made)
    starts = {page["start"]: place for place, page in enumerate(pages)}
    place, passed = 0, []
    while place != "SUBMIT" and place < len(pages):
        assert place not in passed
        passed.append(place)
        leads = [c for item in pages[place]["items"] for c in item.get("choices", []) if c.get("goTo") is not None]
        if leads and place < len(pages) - 1:  # navigation has no effect on the last page
            (target,) = [choice["goTo"] for choice in leads if choice["label"] == label]
        elif place + 1 < len(pages) and pages[place + 1]["goTo"] is not None:
            target = pages[place + 1]["goTo"]
        else:
            target = None
        place = place + 1 if target is None else target if target == "SUBMIT" else starts[target]
    return [pages[each] for each in passed]


def asked_in(page):
    """(text, labels, required, type) of each question and each row of a grid."""
    for item in page["items"]:
        if item["type"] == "GRID":
            for row in item["rows"]:
                yield row, item["columns"], item["required"], "GRID"
        elif item["type"] != "SECTION_HEADER":
            labels = [choice["label"] for choice in item.get("choices", [])]
            yield item["title"], labels, item["required"], item["type"]


def expected(survey, language, form):
    """What a respondent of a form is asked, page by page."""
    for page in survey.pages:
        questions = [question for question in page.questions if not form or form in question.forms]
        forced = all(question.required for question in questions)
        found = []
        for question in questions:
            kinds = {"single": "MULTIPLE_CHOICE", "several": "CHECKBOX", "text": "TEXT"}
            kind = "GRID" if page.matrix else "PARAGRAPH_TEXT" if question.role == "open" else kinds[question.kind]
            labels = [choice.label[language] for choice in question.choices]
            found.append((question.text[language], labels, forced if page.matrix else question.required, kind))
        if found:
            yield found


@pytest.mark.parametrize("name", SURVEYS)
def test_the_script_builds_the_survey_for_each_form(name, forms):
    survey = SURVEYS[name]
    for language in survey.languages:
        made = forms[name, language]
        assert made["title"] == survey.title()[language]
        if len(survey.forms) < 2:
            assert [list(asked_in(page)) for page in way(made)] == list(expected(survey, language, None))
            continue
        (question,) = [each for each in survey.questions() if each.id == "form"]
        for choice in question.choices:
            passed = way(made, choice.label[language])
            assert [list(asked_in(page)) for page in passed] == list(expected(survey, language, choice.code))


@pytest.mark.parametrize("name", ["PWIQ P", "canteen hostile", "PWIQ all"])
def test_what_is_only_said(name, forms):
    survey = SURVEYS[name]
    for language in survey.languages:
        made = forms[name, language]
        above = [text[language] for text in above_pages(survey).values()]
        opening = said(survey, language)[: -len(above) or None]
        assert made["description"].startswith("\n\n".join([*opening, survey.stamp]))
        headers = [item["help"] for item in made["items"] if item["type"] == "SECTION_HEADER"]
        assert headers == above * max(1, len(survey.forms))


def test_sections_of_items_are_numbered_and_grids_have_a_neutral_title(forms):
    made = forms["PWIQ P", "en"]
    titles = [page["title"] for page in sections(made)[1:]]
    assert titles[:11] == [f"{number}/11" for number in range(1, 12)]
    grids = [item["title"] for item in made["items"] if item["type"] == "GRID"]
    assert grids == [*titles[:11], "…"]
    assert made["logged"] == ["To edit: edit-address", "To answer: address"]


@pytest.mark.parametrize("name", ["canteen hostile", "PWIQ hostile", "PWIQ all"])
def test_texts_are_safe_literals(name):
    for script in write(SURVEYS[name]).values():
        assert script.isascii()
        head, _, code = script.partition("const SURVEY = ")
        data, _, _ = code.partition(";\n\nfunction createForm")
        assert "<" not in data
        assert all(line.startswith("//") or not line for line in head.split("\n"))
        assert json.loads(data)["language"] in ("en", "es")


def test_ids_and_codes_stand_in_the_script():
    survey = SURVEYS["canteen all"]
    data = json.loads(
        re.search(r"const SURVEY = (\{.*\});\n\nfunction", write(survey)["canteen_p_c_ps_cs.es.gs"], re.S)[1]
    )
    found = [question for page in data["pages"] for question in page["questions"]]
    assert [question["id"] for question in found] == [question.id for question in survey.questions()]
    assert [[choice["code"] for choice in question["choices"]] for question in found] == [
        [choice.code for choice in question.choices] for question in survey.questions()
    ]


def test_what_is_lost():
    def stated(survey):
        return {loss.aspect: loss for loss in losses(survey)}

    assert set(stated(SURVEYS["PWIQ short"])) == {"stamp", "off_scale", "scores"}
    canteen = stated(SURVEYS["canteen P"])
    assert set(canteen) == {"stamp", "off_scale", "scores"}
    assert canteen["stamp"].where == ("version", "form", "wave")
    assert stated(SURVEYS["canteen some required"])["required"].where == ("foodaf",)
    assert "required" not in stated(required(SURVEYS["canteen P"]))


def test_two_answers_with_one_label_are_lost():
    survey = SURVEYS["canteen P"]
    page = next(page for page in survey.pages if page.questions[0].id == "mainmeal" or page.id == "pagebackground")
    first, second, *others = page.questions[0].choices
    same = replace(page.questions[0], choices=(first, replace(second, label=first.label), *others))
    pages = tuple(
        replace(each, questions=(same, *each.questions[1:])) if each is page else each for each in survey.pages
    )
    (loss,) = [loss for loss in losses(replace(survey, pages=pages)) if loss.aspect == "codes"]
    assert loss.where == (same.id,)


def test_the_same_survey_gives_the_same_bytes():
    assert write(SURVEYS["PWIQ all"]) == write(SURVEYS["PWIQ all"])
