"""PDF, read back with pypdf: text is text, each page has its banner, and screen readers find their way."""

import io
import re
from dataclasses import replace

import pypdf
import pytest

from analysis.document import Document, Figure, Heading, PageBreak, Paragraph
from analysis.document_pdf import pdf
from instrument.look.typesetting import picture_as_png


def read(document):
    return pypdf.PdfReader(io.BytesIO(pdf(document)))


def flat(text):
    return re.sub(r"\s+", "", text)


def test_hostile_text_is_text(everything, hostile_text):
    found = flat("".join(page.extract_text() for page in read(everything(hostile_text)).pages))
    calm = flat("".join(page.extract_text() for page in read(everything("calmness")).pages))
    # Running heads repeat on each page, and lines are broken at another place: the text between is compared.
    assert found.count(flat(hostile_text)) >= calm.count("calmness") - 4 > 20


def test_nothing_in_a_text_can_read_a_file_or_run(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    for text in (
        f'#read("{secret}")',
        "#panic()",
        "$#$",
        "#{1+1}",
        "*/ #1 /*",
        "\\u{41}",
        "---",
        "~",
        "<label>",
        "@nothing",
        "= x",
        "- x",
        "`",
    ):
        found = flat(
            read(Document(title=text, banner=text, blocks=(Heading(text), Paragraph(text)))).pages[0].extract_text()
        )
        assert (
            found.count(flat(text)) == 4 or text == "---"
        )  # three hyphens are hard to tell from a rule when read back
        assert "thesecret" not in found


def test_every_page_has_its_banner_and_its_number():
    blocks = (Paragraph("one"), PageBreak(), Paragraph("two"), PageBreak(), Paragraph("three"))
    pages = read(Document(title="t", banner="A draft, not validated", footer="made today", blocks=blocks)).pages
    assert len(pages) == 3
    for number, page in enumerate(pages, start=1):
        text = page.extract_text()
        assert "A draft, not validated" in text
        assert f"Page {number} of 3" in text
        assert "made today" in text
        assert [round(float(side)) for side in page.mediabox[2:]] == [595, 842]  # A4


def test_it_is_tagged_for_screen_readers(everything):
    reader = read(everything("text"))
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "en"
    assert root["/ViewerPreferences"]["/DisplayDocTitle"]
    assert reader.metadata.title == "Title text"
    assert "pdfuaid" in root["/Metadata"].get_object().get_data().decode()

    def tags(node):
        node = node.get_object()
        if isinstance(node, list):
            return [tag for each in node for tag in tags(each)]
        if not isinstance(node, dict):
            return []
        return [(node.get("/S"), node.get("/Alt"))] * ("/S" in node) + (tags(node["/K"]) if "/K" in node else [])

    found = tags(root["/StructTreeRoot"])
    kinds = {kind for kind, _ in found}
    assert {"/Table", "/TH", "/TD", "/H1", "/H2", "/L", "/Figure", "/P"} <= kinds
    assert ("/Figure", "text") in found


def test_the_language_is_that_of_the_document():
    assert read(Document(title="t", banner="", language="de")).trailer["/Root"]["/Lang"] == "de"


def test_the_same_document_gives_the_same_bytes(everything):
    assert pdf(everything("text")) == pdf(everything("text"))


def test_only_our_fonts_are_used(everything):
    names = {
        str(font.get_object()["/BaseFont"])
        for page in read(everything("text")).pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert names
    assert all("Inter" in name for name in names)


def test_one_page_is_set_smaller_and_refused_when_it_would_be_too_small():
    def of(lines):
        return Document(
            title="t", banner="b", one_page=True, blocks=tuple(Paragraph("words " * 15) for _ in range(lines))
        )

    def size_of(document):
        (page,) = read(document).pages
        found = []

        def see(text, _position, matrix, _font, size):
            found.append((text, size * abs(matrix[3])))

        page.extract_text(visitor_text=see)
        return next(size for text, size in found if "words" in text)

    assert size_of(of(5)) == pytest.approx(10)
    assert 8.5 <= size_of(of(58)) < 10
    with pytest.raises(ValueError, match=r"does not fit on one page at 8\.5 pt"):
        pdf(of(70))
    assert len(read(replace(of(70), one_page=False)).pages) > 1


def test_what_is_no_picture_is_refused():
    with pytest.raises(ValueError, match="'t' cannot be made a PDF"):
        pdf(Document(title="t", banner="", blocks=(Figure(b"nothing", alt="a", caption="c"),)))


def test_a_png_can_be_shown(everything):
    svg = next(block for block in everything("x").blocks if isinstance(block, Figure)).content
    figure = Figure(picture_as_png(svg), alt="a line", caption="c", kind="png")
    assert len(read(Document(title="t", banner="", blocks=(figure,))).pages) == 1
