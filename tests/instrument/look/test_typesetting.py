"""PDFs by Typst: what the fonts lack is written by its number, and what is wrong is said."""

import io
import shutil

import pypdf
import pytest

from instrument.look.style import FONTS
from instrument.look.typesetting import TypesettingError, picture_as_png, typeset

TEMPLATE = b"""#let it = json("data.json")
#set document(title: "t")
#set text(font: it.fonts, fallback: false)
#it.text"""
SVG = b'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9"><path d="M0 0L9 9" stroke="black"/></svg>'


def said(text, **options):
    return pypdf.PdfReader(io.BytesIO(typeset(TEMPLATE, {"text": text}, **options))).pages[0].extract_text()


def test_a_character_without_a_letter_is_written_by_its_number():
    assert "αβγ Жж łé ▲▼ [U+4E2D] [U+1F600]" in said("αβγ Жж łé ▲▼ 中 😀")


def test_what_is_not_seen_itself_is_left_out_and_tabs_are_blanks():
    assert "a b [U+1F469][U+2695] c [U+0007]" in said("a\tb \u200f👩\u200d⚕\ufe0f c \x07")


def test_further_fonts_stand_behind_ours(tmp_path):
    with pytest.raises(TypesettingError, match="no font is in"):
        said("a", further_fonts=tmp_path)
    shutil.copy(FONTS / "Inter-Regular.otf", tmp_path)
    assert "a" in said("a", further_fonts=tmp_path)


def test_a_template_that_panics_says_so_in_its_own_words():
    with pytest.raises(TypesettingError, match=r"^no room$"):
        typeset(b'#panic("no room")', {})


def test_pictures_come_as_png_and_what_is_none_is_refused():
    assert picture_as_png(SVG)[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture_as_png(SVG) == picture_as_png(SVG)
    with pytest.raises(ValueError, match="no SVG picture"):
        picture_as_png(b"this is not a picture")
