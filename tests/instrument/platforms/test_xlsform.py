"""XLSForms are read back by pyxform alone, and checked by ODK Validate; what a client shows is worked out anew here."""

import dataclasses
import functools
import io
import re
import zipfile

import openpyxl
import pytest
from lxml import etree
from pyxform.xls2xform import convert

from instrument.definition import Text, read_instrument
from instrument.parity.ledger import parity_ledger
from instrument.platforms.xlsform import losses, write
from instrument.survey import build_survey
from tests.instrument.platforms.instruments import CANTEEN, DATA, SMALL
from tests.instrument.platforms.surveys import SURVEYS, above_pages

NAMES = {"en": "English (en)", "es": "Español (es)"}
XF = {"x": "http://www.w3.org/2002/xforms", "h": "http://www.w3.org/1999/xhtml"}

VALIDATED = ("PWIQ all", "canteen short", "hostile all")


def workbook(survey):
    ((name, content),) = write(survey).items()
    assert name == f"{survey.name}.xlsx"
    return content


@functools.cache
def written(name):
    return workbook(SURVEYS[name])


def settings(content):
    rows = openpyxl.load_workbook(io.BytesIO(content), read_only=True)["settings"].iter_rows(values_only=True)
    return dict(zip(*rows, strict=True))


@functools.cache
def compiled(name, *, validate=False):
    """Return the XForm that pyxform makes of a survey of SURVEYS."""
    result = convert(written(name), file_type=".xlsx", validate=validate, pretty_print=False)
    assert result.warnings == []
    return etree.fromstring(result.xform.encode())


class Form:
    """What a platform makes of the form: read from the XForm, as the OpenRosa specification says."""

    def __init__(self, root):
        self.root = root
        self.texts = {}
        for translation in root.iterfind(".//x:translation", XF):
            for text in translation.iterfind("x:text", XF):
                value = text.find("x:value", XF)
                assert len(value) == 0, "a reference to another question"
                self.texts[translation.get("lang"), text.get("id")] = value.text
        self.default = root.find(".//x:translation[@default='true()']", XF).get("lang")
        self.binds = {bind.get("nodeset").rpartition("/")[2]: bind for bind in root.iterfind(".//x:bind", XF)}
        body = root.find("h:body", XF)
        self.controls = {
            control.get("ref").rpartition("/")[2]: control
            for control in body.iter()
            if etree.QName(control).localname in ("input", "select", "select1", "group")
        }
        self.instances = {
            instance.get("id"): instance for instance in root.iterfind(".//x:instance", XF) if instance.get("id")
        }

    def label(self, name, language):
        reference = self.controls[name].find("x:label", XF).get("ref")
        return self.texts[language, re.fullmatch(r"jr:itext\('(.*)'\)", reference)[1]]

    def choices(self, name, language):
        nodeset = self.controls[name].find("x:itemset", XF).get("nodeset")
        listed = self.instances[re.match(r"instance\('([^']+)'\)/[r]oot/item$", nodeset)[1]]
        return [
            (item.findtext("x:name", None, XF), self.texts[language, item.findtext("x:itextId", None, XF)])
            for item in listed.iterfind("x:root/x:item", XF)
        ]


def shown(label):
    """Return what Enketo and Collect show of a label; fail if they would see markup in it."""
    sign = "\ue000"  # stands for a sign that was escaped
    bare = re.sub(r"\\([\\*_#])", sign, label)
    for markup in (
        *(r"__.*?__", r"\*\*.*?\*\*", r"_[^\s][^_\n]*_", r"\*[^\s][^*\n]*\*", r"\[[^\]]*\]\([^)]+\)"),
        *(r"(?m)^\s*#", r"(?m)^[*+-] ", r"(?m)\n[0-9]+\. ", r"<\s?[a-zA-Z/]", r"&#?\w+;"),
    ):
        assert not re.search(markup, bare), f"{label!r}: {markup}"
    return re.sub(r"\\([\\*_#])", r"\1", label).replace("\u2060", "")


def cleaned(text):
    """Return what pyxform makes of a cell: straight quotes, single blanks, one kind of line end."""
    straight = text.translate(str.maketrans("‘’“”", "''\"\"")).replace("\r\n", "\n")
    return re.sub(" +", " ", straight).strip()


@pytest.mark.parametrize("name", SURVEYS)
def test_read_back_by_pyxform(name):
    survey = SURVEYS[name]
    form = Form(compiled(name))
    assert {language for language, _ in form.texts} == {NAMES[code] for code in survey.languages}
    assert form.default == NAMES[survey.languages[0]]
    asked = list(survey.questions())
    controls = [name for name in form.controls if not name.startswith(("note_", "page"))]
    assert controls == [question.id for question in asked]
    kinds = {"single": "select1", "several": "select", "text": "input"}
    for question in asked:
        control, bind = form.controls[question.id], form.binds[question.id]
        assert etree.QName(control).localname == kinds[question.kind]
        assert (bind.get("required") == "true()") == question.required
        for code in survey.languages:
            assert shown(form.label(question.id, NAMES[code])) == cleaned(question.text[code])
            if question.choices:
                labels = [(choice.code, cleaned(choice.label[code])) for choice in question.choices]
                read = [(value, text.replace("\u2060", "")) for value, text in form.choices(question.id, NAMES[code])]
                assert read == labels
    for page in survey.pages:
        inside = [
            child.get("ref").rpartition("/")[2] for child in form.controls[page.id] if "itext" not in child.get("ref")
        ]
        assert [each for each in inside if not each.startswith("note_")] == [question.id for question in page.questions]
        assert form.controls[page.id].get("appearance") == "field-list"
        likert = {form.controls[question.id].get("appearance") == "likert" for question in page.questions}
        assert likert == {page.matrix}
        if page.number:
            assert {form.label(page.id, NAMES[code]) for code in survey.languages} == {page.number}


@pytest.mark.parametrize("name", SURVEYS)
def test_who_is_asked_what(name):
    """Each condition is taken apart by hand: forms that see the page and, on it, the question."""
    survey = SURVEYS[name]
    form = Form(compiled(name))

    def seen_by(node):
        condition = form.binds[node].get("relevant") if node in form.binds else None
        if condition is None:
            return set(survey.forms)
        alternatives = [
            re.fullmatch(r"\s*/data/pageabout/form\s+= '(.*)'\s*", part) for part in condition.split(" or ")
        ]
        return {found[1] for found in alternatives}

    for page in survey.pages:
        for question in page.questions:
            assert seen_by(page.id) & seen_by(question.id) == set(question.forms)
            if question.role == "form":
                assert seen_by(question.id) == set(survey.forms)


@pytest.mark.parametrize("name", SURVEYS)
def test_texts_to_read_constants_scores_and_settings(name):
    survey = SURVEYS[name]
    root = compiled(name)
    form = Form(root)
    notes = {"note_banner": survey.banner, "note_instructions": survey.instrument.instructions}
    notes |= {f"note_{page}": text for page, text in above_pages(survey).items()}
    notes = {name: text for name, text in notes.items() if text}
    assert [name for name in form.controls if name.startswith("note_")] == list(notes)
    for note, text in notes.items():
        for code in survey.languages:
            assert shown(form.label(note, NAMES[code])) == cleaned(text[code])
    for column, value in survey.constants.items():
        assert form.binds[column].get("calculate") == f"'{value}'"
    calculated = {name for name, bind in form.binds.items() if bind.get("calculate")} - set(survey.constants)
    assert calculated == {rule.export for rule in survey.scores}
    data = root.find(".//x:instance", XF)[0]
    assert data.get("id") == survey.name
    assert re.fullmatch(re.escape(survey.instrument.version) + "-[0-9a-f]{10}", data.get("version"))
    title = root.findtext(".//h:title", None, XF).replace("\u2060", "")
    assert title == cleaned(survey.title()[survey.languages[0]])
    assert settings(written(name))["stamp"] == survey.stamp


def test_answers_beside_the_scale_are_marked():
    book = openpyxl.load_workbook(io.BytesIO(workbook(SURVEYS["canteen short"])))
    rows = [[cell.value for cell in row] for row in book["choices"].iter_rows()]
    reasons = {(row[0], row[1]): row[rows[0].index("off_scale")] for row in rows[1:]}
    assert reasons["agree", "97"] == "dont_know"
    assert reasons["meals", "98"] == "prefer_not"
    assert reasons["agree", "5"] is None
    assert ("agree", "99") not in reasons


@pytest.mark.parametrize("name", VALIDATED)
def test_odk_validate_finds_nothing(name, needs_tool):
    needs_tool("java")
    compiled(name, validate=True)


def test_the_compiler_does_find_faults(tmp_path):
    """A label is taken away in one language, a question renamed: what the tests above stand on."""
    survey = SURVEYS["canteen all"]
    book = openpyxl.load_workbook(io.BytesIO(workbook(survey)))
    header = [cell.value for cell in book["survey"][1]]
    name = header.index("name") + 1
    row = next(row for row in range(2, 99) if book["survey"].cell(row, name).value == "foodaf")
    book["survey"].cell(row, header.index("label::English (en)") + 1).value = None
    path = tmp_path / "gap.xlsx"
    book.save(path)
    assert (
        Form(etree.fromstring(convert(path, pretty_print=False).xform.encode())).label("foodaf", "English (en)") == "-"
    )
    book["survey"].cell(row, name).value = "foodab"
    book.save(path)
    with pytest.raises(Exception, match="foodab"):
        convert(path)


def test_cells_are_text_and_bytes_are_the_same_each_time():
    survey = SURVEYS["hostile all"]
    content = workbook(survey)
    assert content == workbook(survey)
    for sheet in openpyxl.load_workbook(io.BytesIO(content)):
        assert {cell.data_type for row in sheet.iter_rows() for cell in row if cell.value is not None} == {"s"}
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        assert b"<f>" not in b"".join(archive.read(entry) for entry in archive.infolist())


def test_people_can_read_the_sheets():
    book = openpyxl.load_workbook(io.BytesIO(written("PWIQ all")))
    for sheet in book:
        assert sheet.freeze_panes == "A2"
        for column in sheet.iter_cols():
            kind = column[0].value.split("::")[0]
            width = sheet.column_dimensions[column[0].column_letter].width
            assert width >= 16
            for cell in column[1:]:
                text = cell.value or ""
                if kind == "label":
                    assert cell.alignment.wrap_text
                    height = sheet.row_dimensions[cell.row].height or 15
                    assert len(text) / width * 15 <= height
                elif len(text) > width and kind == "calculation":
                    assert cell.alignment.horizontal == "fill"


def test_a_text_that_is_too_long_for_a_cell():
    long = dataclasses.replace(SMALL, instructions=Text((("en", "x" * 32_768),)))
    with pytest.raises(ValueError, match=r"sheet 'survey', row 5, column 3: 32768 characters, and a cell"):
        write(build_survey(long))


def test_lists_of_answers_have_names_of_their_own(tmp_path):
    """Ids of scales are free; a list is not."""
    text = (
        (DATA / "small.toml")
        .read_text(encoding="utf-8")
        .replace("[response_scales.often]", '[response_scales."a, b c"]')
    )
    path = tmp_path / "odd.toml"
    path.write_text(text.replace('item_scale = "often"', 'item_scale = "a, b c"'), encoding="utf-8")
    result = convert(workbook(build_survey(read_instrument(path))), file_type=".xlsx", pretty_print=False)
    form = Form(etree.fromstring(result.xform.encode()))
    assert [code for code, _ in form.choices("rest1", "English (en)")] == ["0", "1", "2", "3", "9"]


def test_every_change_of_content_changes_the_version():
    plain = {"forms": ["P"], "languages": ["en"]}
    variants = [
        plain,
        plain | {"seed": 1},
        plain | {"wave": 2},
        plain | {"planning": True},
        plain | {"languages": ["es"]},
    ]
    versions = set()
    for number, options in enumerate(variants):
        versions.add(settings(workbook(build_survey(CANTEEN, **options)))["version"])
        assert len(versions) == number + 1


def test_losses():
    told = [(loss.aspect, loss.where) for loss in losses(SURVEYS["hostile all"])]
    signs = ("instructions", "rule", "form", "tags", "dollar", "marks", "formula")
    assert told == [
        ("layout", ()),
        ("languages", ()),
        ("texts", ("title", *signs)),
        ("banner", ("banner",)),
        ("languages", signs[2:]),  # what is only read counts once, not once a language
        ("texts", ("say",)),
        ("texts", ("tags", "dollar", "marks", "formula")),
    ]
    assert [loss.aspect for loss in losses(SURVEYS["no forms"])] == ["layout"]
    assert [loss.aspect for loss in losses(SURVEYS["PWIQ all"])] == ["layout", "languages"]


def test_a_title_that_looks_like_a_reference_compiles():
    title = Text((("en", "Check ${b01} now"), ("es", "Prueba ${b01}")))
    survey = SURVEYS["canteen P"]
    changed = dataclasses.replace(survey, instrument=dataclasses.replace(survey.instrument, title=title))
    assert all(entry.same for entry in parity_ledger([changed], platforms=["xlsform"]))
