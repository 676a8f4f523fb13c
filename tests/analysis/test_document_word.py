"""Word files, read back with python-docx and as XML."""

import io
import re
import zipfile

import docx
import pytest
from docx.oxml.ns import qn

from analysis.document import Bullets, Document, Figure, Heading, PageBreak, Paragraph, Table, bold
from analysis.document_word import word


def read(document):
    return docx.Document(io.BytesIO(word(document)))


def all_text(file):
    body = "".join(node.text or "" for node in file.element.iter(qn("w:t")))
    head = "".join(paragraph.text for paragraph in file.sections[0].header.paragraphs)
    return body, head


def parts(document):
    with zipfile.ZipFile(io.BytesIO(word(document))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_hostile_text_is_text(everything, hostile_text):
    calm, hostile = read(everything("calmness")), read(everything(hostile_text))
    assert all_text(hostile)[0].count(hostile_text) == all_text(calm)[0].count("calmness") > 20
    assert all_text(hostile)[1] == f"Banner {hostile_text}"
    shape = [[element.tag for element in file.element.iter()] for file in (calm, hostile)]
    assert shape[0] == shape[1]


@pytest.mark.parametrize("text", ["=cmd|' /C calc'!A1", "{ INCLUDETEXT x }", "]]>", "&amp;", "<w:p/>", "a  b", " lead"])
def test_no_text_becomes_a_field_or_markup(text):
    document = Document(title="t", banner="b", blocks=(Paragraph(text), Table("c", (text,), ((text,),))))
    assert all_text(read(document))[0].count(text) == 3
    assert b"w:instrText" not in parts(document)["word/document.xml"]
    assert b"w:fldSimple" not in parts(document)["word/document.xml"]


def test_what_xml_forbids_cannot_break_the_file():
    text = "".join(map(chr, [*range(32), 0x7F, 0x85, 0xFFFE, 0xFFFF, 0xD800, 0x202E]))
    assert "a" in all_text(read(Document(title=f"a{text}", banner=text, footer=text, blocks=(Paragraph(text),))))[0]


def test_styles_are_real_ones():
    blocks = (
        Heading("one"),
        Heading("two", 2),
        Heading("three", 3),
        Paragraph(("plain ", bold("strong"))),
        Bullets(("item",)),
    )
    file = read(Document(title="The title", banner="b", subtitle="sub", blocks=blocks))
    styles = [(paragraph.style.name, paragraph.text) for paragraph in file.paragraphs]
    assert styles == [
        ("Title", "The title"),
        ("Subtitle", "sub"),
        ("Heading 1", "one"),
        ("Heading 2", "two"),
        ("Heading 3", "three"),
        ("Normal", "plain strong"),
        ("List Bullet", "item"),
    ]
    assert [run.bold for run in file.paragraphs[5].runs] == [None, True]


def test_heads_of_tables_repeat_and_rows_stay_whole():
    rows = tuple((str(number), "x") for number in range(60))
    file = read(
        Document(title="t", banner="b", blocks=(Table("The caption", ("n", "what"), rows, align=("right", "left")),))
    )
    table = file.tables[0]
    heads = [row._tr.trPr.find(qn("w:tblHeader")) is not None for row in table.rows]
    assert heads == [True] + [False] * 60
    assert all(row._tr.trPr.find(qn("w:cantSplit")) is not None for row in table.rows)
    assert [cell.text for cell in table.rows[60].cells] == ["59", "x"]
    assert table._tbl.tblPr.find(qn("w:tblCaption")).get(qn("w:val")) == "The caption"
    assert ("Caption", "The caption") in [(paragraph.style.name, paragraph.text) for paragraph in file.paragraphs]


def test_pictures_have_their_text_alternative(everything):
    svg = next(block for block in everything("x").blocks if isinstance(block, Figure)).content
    file = read(Document(title="t", banner="b", blocks=(Figure(svg, alt='A "line" that <rises>', caption="c"),)))
    properties = [shape._inline.docPr for shape in file.inline_shapes]
    assert [each.get("descr") for each in properties] == ['A "line" that <rises>']
    assert file.inline_shapes[0].width.cm == pytest.approx(17)


def test_banner_page_number_language_and_title():
    document = Document(title="The title", banner="Draft banner", footer="made", language="de", blocks=(PageBreak(),))
    file = read(document)
    section = file.sections[0]
    assert section.header.paragraphs[0].text == "Draft banner"
    footer = parts(document)["word/footer1.xml"].decode()
    assert re.findall(r"<w:instrText[^>]*>(\w+)<", footer) == ["PAGE", "NUMPAGES"]
    assert "made" in section.footer.paragraphs[0].text
    assert (round(section.page_width.cm, 1), round(section.page_height.cm, 1)) == (21.0, 29.7)
    assert {node.get(qn("w:val")) for node in file.styles.element.iter(qn("w:lang"))} == {"de"}
    known = file.core_properties
    assert (known.title, known.language, known.author, known.created.year) == ("The title", "de", "", 1980)


def test_the_same_document_gives_the_same_bytes(everything):
    assert word(everything("text")) == word(everything("text"))
    with zipfile.ZipFile(io.BytesIO(word(everything("text")))) as archive:
        assert {entry.date_time for entry in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert archive.namelist()[0] == "[Content_Types].xml"
        assert archive.testzip() is None


def test_properties_stand_in_the_order_that_the_schema_wants(everything):
    cell = ["tcW", "gridSpan", "vMerge", "tcBorders", "shd", "noWrap", "tcMar", "vAlign"]
    paragraph = ["pStyle", "keepNext", "keepLines", "numPr", "pBdr", "shd", "tabs", "spacing", "ind", "jc", "rPr"]
    for part, content in parts(everything("text")).items():
        if not part.startswith("word/") or not part.endswith(".xml"):
            continue
        for name, order in (("tcPr", cell), ("pPr", paragraph)):
            for inner in re.findall(rf"<w:{name}>(.*?)</w:{name}>", content.decode(), re.DOTALL):
                inner = re.sub(r"<w:(\w+)(?: [^>]*)?>.*?</w:\1>", r"<w:\1/>", inner, flags=re.DOTALL)
                found = [child for child in re.findall(r"<w:(\w+)", inner) if child in order]
                assert found == sorted(found, key=order.index), (part, name)
