"""A document as Word: real styles, table heads that repeat, text alternatives, page numbers as fields."""

from __future__ import annotations

import io
import zipfile
from datetime import datetime
from typing import Any

from analysis.document import (
    Bullets,
    Callout,
    ChangeBars,
    Document,
    Figure,
    FillIn,
    FlowDiagram,
    Heading,
    KeyFigures,
    PageBreak,
    Paragraph,
    Table,
    Words,
    runs,
)
from instrument.look.style import LIGHT
from instrument.look.typesetting import picture_as_png

_FONT = "Arial"  # on every machine with Word, and with a twin of the same widths elsewhere
_EPOCH = datetime(1980, 1, 1)  # the first date that a zip file can hold
# As Word writes them: without the "#".
_INK, _SOFT, _ACCENT, _SHADE, _LINE, _WARN = (
    LIGHT[name].removeprefix("#") for name in ("ink", "soft", "accent", "shade", "line", "warn")
)
_LEVELS = {"1": 13.0, "2": 11.0, "3": 10.0}


def word(document: Document) -> bytes:
    """Return a document as a Word file. The same document gives the same bytes.

    Pictures are given as PNG, with their text alternative; bars are left to HTML and PDF, since the
    numbers and words beside them say the same.

    Examples
    --------
    >>> word(Document(title="Report", banner="Draft"))[:2]
    b'PK'
    """
    import docx

    file = docx.Document()
    page = _Page(file, document)
    page.set_up()
    for block in document.blocks:
        page.add(block)
    buffer = io.BytesIO()
    file.save(buffer)
    return _without_dates(buffer.getvalue())


class _Page:
    """A Word file that is being written."""

    def __init__(self, file: Any, document: Document) -> None:
        self.file, self.document = file, document
        self.small = document.one_page
        self.size = 9.0 if self.small else 10.0
        self.pictures = 0

    def set_up(self) -> None:
        """Set styles, page, head and foot, and what is known of the file."""
        from docx.oxml.ns import qn
        from docx.shared import Cm, Pt, RGBColor

        file, document = self.file, self.document
        names = [("Normal", self.size, False, _INK), ("Title", 15.0 if self.small else 20.0, True, _INK)]
        names += [
            (f"Heading {level}", size - (2.5 if self.small else 0), True, _INK) for level, size in _LEVELS.items()
        ]
        names += [
            ("Caption", self.size, True, _INK),
            ("Subtitle", self.size, False, _SOFT),
            ("List Bullet", self.size, False, _INK),
        ]
        for name, size, is_bold, colour in names:
            style = file.styles[name]
            style.font.name, style.font.size = _FONT, Pt(size)
            style.font.bold, style.font.italic = is_bold, False
            style.font.color.rgb = RGBColor.from_string(colour)
            fonts = style.element.get_or_add_rPr().get_or_add_rFonts()
            for which in list(fonts.attrib):
                if which.endswith("Theme"):
                    del fonts.attrib[which]
            for which in ("w:ascii", "w:hAnsi", "w:eastAsia", "w:cs"):
                fonts.set(qn(which), _FONT)
            for spacing in style.element.get_or_add_rPr().findall(qn("w:spacing")):
                style.element.rPr.remove(spacing)
            for borders in style.element.get_or_add_pPr().findall(qn("w:pBdr")):
                style.element.pPr.remove(borders)
            self._space(style, name)
        for language in file.styles.element.iter(qn("w:lang")):
            language.set(qn("w:val"), document.language)
        section = file.sections[0]
        section.page_width, section.page_height = Cm(21.0), Cm(29.7)
        side, end = (1.5, 1.0) if self.small else (2.0, 2.0)
        section.left_margin = section.right_margin = Cm(side)
        section.top_margin = section.bottom_margin = Cm(end)
        section.header_distance = section.footer_distance = Cm(0.6 if self.small else 1.0)
        head = section.header.paragraphs[0]
        head.paragraph_format.space_after = Pt(3 if self.small else 8)
        self._write(head, document.banner, size=7.5, is_bold=True)
        _shade(head._p.get_or_add_pPr(), _WARN)
        self._foot(section.footer.paragraphs[0], Cm(21.0 - 2 * side))
        known = file.core_properties
        known.title, known.language, known.subject = document.title, document.language, document.banner[:250]
        known.author, known.last_modified_by, known.comments, known.keywords = "", "", "", ""
        known.created = known.modified = _EPOCH
        known.revision = 1
        file.add_paragraph(document.title, style="Title")
        if document.subtitle:
            file.add_paragraph(document.subtitle, style="Subtitle")

    def _space(self, style: Any, name: str) -> None:
        from docx.shared import Pt

        wide = style.paragraph_format
        before, after = {"Title": (0, 2), "Subtitle": (0, 10), "Caption": (8, 3), "List Bullet": (0, 2)}.get(
            name, (0, 6)
        )
        if name.startswith("Heading"):
            before, after = 14, 4
        shrink = 0.55 if self.small else 1.0
        wide.space_before, wide.space_after = Pt(before * shrink), Pt(after * shrink)
        wide.line_spacing = 1.0 if self.small else 1.1
        wide.keep_with_next = name == "Caption" or name.startswith("Heading")

    def _foot(self, paragraph: Any, width: Any) -> None:
        from docx.enum.text import WD_TAB_ALIGNMENT

        stops = paragraph.paragraph_format.tab_stops
        stops.add_tab_stop(width, WD_TAB_ALIGNMENT.RIGHT)
        paragraph.style = self.file.styles["Normal"]
        self._write(paragraph, self.document.footer, size=7.5, colour=_SOFT)
        paragraph.add_run("\t")
        for text, field in ((f"{self.document.term('page')} ", "PAGE"), (f" {self.document.term('of')} ", "NUMPAGES")):
            self._write(paragraph, text, size=7.5, colour=_SOFT)
            _add_field(paragraph, field)

    def add(self, block: Any) -> None:
        """Write one block."""
        match block:
            case Heading():
                self.file.add_heading(block.text, level=block.level)
            case Paragraph():
                self._paragraph(block.words, soft=block.soft)
            case Bullets():
                size, colour = (self.size - 1.5, _SOFT) if block.soft else (None, None)
                for item in block.items:
                    self._write(self.file.add_paragraph(style="List Bullet"), item, size=size, colour=colour)
            case Callout():
                self._callout(block)
            case Table():
                self._table(block.caption, block.columns, block.rows, align=block.align, widths=block.widths)
                self._note(block.note)
            case FillIn():
                rows = [
                    (block.first[row] if row < len(block.first) else "", *[""] * (len(block.columns) - 1))
                    for row in range(block.rows)
                ]
                self._table(block.caption, block.columns, rows, widths=block.widths, to_fill=True)
            case KeyFigures():
                self._key_figures(block)
            case ChangeBars():
                rows = [
                    (row.label, _whole(row.before), _whole(row.after), f"{row.symbol} {row.word}") for row in block.rows
                ]
                self._table(
                    block.caption,
                    block.columns,
                    rows,
                    align=("left", "right", "right", "left"),
                    widths=(5.0, 1.0, 1.0, 4.0),
                )
                self._note(block.note)
            case FlowDiagram():
                self._flow(block)
            case Figure():
                self._figure(block)
            case PageBreak():
                self.file.add_page_break()
            case _:
                raise TypeError(f"unknown block {type(block).__name__}")

    def _write(
        self,
        paragraph: Any,
        words: Words,
        *,
        size: float | None = None,
        is_bold: bool = False,
        colour: str | None = None,
    ) -> Any:
        from docx.shared import Pt, RGBColor

        for run in runs(words):
            written = paragraph.add_run(run.text)
            if run.bold or is_bold:
                written.bold = True
            if size is not None:
                written.font.size = Pt(size)
            if colour is not None:
                written.font.color.rgb = RGBColor.from_string(colour)
        return paragraph

    def _paragraph(self, words: Words, *, soft: bool = False) -> Any:
        small = max(self.size - 1.0, 8.0)
        return self._write(
            self.file.add_paragraph(), words, size=small if soft else None, colour=_SOFT if soft else None
        )

    def _note(self, note: str) -> None:
        if note:
            self._paragraph(f"{self.document.term('note')}: {note}", soft=True)
        else:
            self._gap()

    def _gap(self) -> None:
        """Set a table apart from what follows; Word would join two tables that touch."""
        from docx.shared import Pt

        paragraph = self.file.add_paragraph()
        paragraph.paragraph_format.space_after = Pt(0)
        paragraph.paragraph_format.line_spacing = Pt(4 if self.small else 8)

    def _callout(self, block: Callout) -> None:
        from docx.shared import Cm, Pt

        paragraph = self.file.add_paragraph()
        if block.title:
            self._write(paragraph, f"{block.title} ", is_bold=True)
        self._write(paragraph, block.words)
        paragraph.paragraph_format.left_indent = Cm(0.2)
        paragraph.paragraph_format.space_before = paragraph.paragraph_format.space_after = Pt(4 if self.small else 8)
        properties = paragraph._p.get_or_add_pPr()
        _border(properties, "pBdr", ("left",), _ACCENT, size=24, space=6)
        _shade(properties, _SHADE)

    def _grid(self, rows: int, columns: int) -> Any:
        table = self.file.add_table(rows=rows, cols=columns)
        table.autofit = False
        return table

    def _table(
        self,
        caption: str,
        columns: tuple[str, ...],
        rows: Any,
        *,
        align: tuple[str, ...] = (),
        widths: tuple[float, ...] = (),
        to_fill: bool = False,
    ) -> None:
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.shared import Cm, Pt

        if caption:
            self.file.add_paragraph(caption, style="Caption")
        table = self._grid(1 + len(rows), len(columns))
        width = 21.0 - 2 * (1.5 if self.small else 2.0)
        shares = widths or (1.0,) * len(columns)
        sides = {
            "left": WD_ALIGN_PARAGRAPH.LEFT,
            "right": WD_ALIGN_PARAGRAPH.RIGHT,
            "centre": WD_ALIGN_PARAGRAPH.CENTER,
        }
        size = self.size if self.small else self.size - 1.5
        for number, (row, cells) in enumerate(zip(table.rows, [columns, *rows], strict=True)):
            _keep_row(row, is_head=number == 0)
            if to_fill and number:
                row.height = Cm(0.65 if self.small else 0.9)
            for position, (cell, text) in enumerate(zip(row.cells, cells, strict=True)):
                cell.width = Cm(width * shares[position] / sum(shares))
                paragraph = cell.paragraphs[0]
                paragraph.paragraph_format.space_after = Pt(0.8 if self.small else 1.5)
                paragraph.paragraph_format.space_before = Pt(0.8 if self.small else 1.5)
                paragraph.paragraph_format.keep_with_next = (to_fill and number < len(rows)) or None
                paragraph.alignment = sides[align[position] if align else "left"]
                self._write(paragraph, text, size=size, is_bold=number == 0)
                edges = ("top", "left", "bottom", "right") if to_fill else ("bottom",)
                _border(cell._tc.get_or_add_tcPr(), "tcBorders", edges, _LINE)
                if number == 0:
                    _shade(cell._tc.get_or_add_tcPr(), _SHADE)
        for position, column in enumerate(table.columns):
            column.width = Cm(width * shares[position] / sum(shares))
        _describe_table(table, caption)
        if to_fill:
            self._gap()

    def _key_figures(self, block: KeyFigures) -> None:
        from docx.shared import Pt

        table = self._grid(1, len(block.figures))
        for cell, each in zip(table.rows[0].cells, block.figures, strict=True):
            _shade(cell._tc.get_or_add_tcPr(), _SHADE)
            lines = [
                (each.label, self.size, True, None),
                (each.value, self.size * 1.6, True, _ACCENT),
                (each.words, self.size, True, None),
                (each.detail, max(self.size - 1, 8.0), False, _SOFT),
            ]
            lines = [line for line in lines if line[0]]
            for number, (text, size, is_bold, colour) in enumerate(lines):
                paragraph = cell.paragraphs[0] if number == 0 else cell.add_paragraph()
                paragraph.paragraph_format.space_after = Pt(1)
                self._write(paragraph, text, size=size, is_bold=is_bold, colour=colour)
        _keep_row(table.rows[0], is_head=False)
        self._gap()

    def _flow(self, block: FlowDiagram) -> None:
        """Write boxes as cells, so that they can be read and edited; a row of arrows leads to the next."""
        from docx.enum.text import WD_ALIGN_PARAGRAPH
        from docx.shared import Pt

        self.file.add_paragraph(block.caption, style="Caption")
        rows: list[tuple[str, tuple[str, ...], str]] = [("name", block.columns, "")]
        for number, step in enumerate(block.steps):
            if number and not step.aside:
                rows.append(("arrow", ("↓",) * len(block.columns), ""))
            rows.append(("aside" if step.aside else "box", step.counts, step.label))
        table = self._grid(len(rows), len(block.columns))
        for row, (kind, texts, label) in zip(table.rows, rows, strict=True):
            _keep_row(row, is_head=False)
            cells = [row.cells[0].merge(row.cells[-1])] if len(texts) == 1 else row.cells
            for cell, text in zip(cells, texts, strict=True):
                paragraph = cell.paragraphs[0]
                paragraph.alignment = WD_ALIGN_PARAGRAPH.CENTER
                paragraph.paragraph_format.space_after = Pt(1)
                paragraph.paragraph_format.keep_with_next = True
                if kind in ("box", "aside"):
                    self._write(paragraph, f"{label}: ", size=self.size - 1)
                    dashed = kind == "aside"
                    _border(
                        cell._tc.get_or_add_tcPr(),
                        "tcBorders",
                        ("top", "left", "bottom", "right"),
                        _SOFT if dashed else _INK,
                        line="dashed" if dashed else "single",
                    )
                    if not dashed:
                        _shade(cell._tc.get_or_add_tcPr(), _SHADE)
                self._write(paragraph, text, is_bold=kind != "arrow", colour=_SOFT if kind == "arrow" else None)
        _describe_table(table, block.caption)
        self._note(block.note)

    def _figure(self, block: Figure) -> None:
        from docx.shared import Cm

        self.file.add_paragraph(block.caption, style="Caption")
        content = picture_as_png(block.content) if block.kind == "svg" else block.content
        picture = self.file.add_picture(
            io.BytesIO(content), width=Cm(block.width * (21.0 - 2 * (1.5 if self.small else 2.0)))
        )
        tallest = Cm(21.0)
        if picture.height > tallest:
            picture.width, picture.height = int(picture.width * tallest / picture.height), tallest
        self.pictures += 1
        properties = picture._inline.docPr
        properties.set("descr", block.alt)
        properties.set("name", f"Figure {self.pictures}")


def _whole(value: float | None) -> str:
    return "–" if value is None else f"{value:.0f}"


def _element(name: str, **attributes: str) -> Any:
    from docx.oxml import OxmlElement
    from docx.oxml.ns import qn

    made = OxmlElement(f"w:{name}")
    for key, value in attributes.items():
        made.set(qn(f"w:{key}"), value)
    return made


# The order in which Word's schema wants what stands in the properties of a paragraph and of a cell.
_ORDER = {
    "pPr": [
        "pStyle",
        "keepNext",
        "keepLines",
        "pageBreakBefore",
        "widowControl",
        "numPr",
        "pBdr",
        "shd",
        "tabs",
        "spacing",
        "ind",
        "jc",
        "rPr",
    ],
    "tcPr": ["tcW", "gridSpan", "vMerge", "tcBorders", "shd", "noWrap", "tcMar", "vAlign"],
}


def _insert(properties: Any, made: Any) -> None:
    order = _ORDER[_local_name(properties)]
    place = order.index(_local_name(made))
    before = [child for child in properties if _local_name(child) in order[:place]]
    properties.insert(properties.index(before[-1]) + 1 if before else 0, made)


def _local_name(element: Any) -> str:
    return str(element.tag).rsplit("}", 1)[-1]


def _shade(properties: Any, colour: str) -> None:
    _insert(properties, _element("shd", val="clear", color="auto", fill=colour))


def _border(
    properties: Any,
    name: str,
    edges: tuple[str, ...],
    colour: str,
    *,
    size: int = 4,
    space: int = 0,
    line: str = "single",
) -> None:
    borders = _element(name)
    for edge in ("top", "left", "bottom", "right"):
        if edge in edges:
            borders.append(_element(edge, val=line, sz=str(size), space=str(space), color=colour))
    _insert(properties, borders)


def _keep_row(row: Any, *, is_head: bool) -> None:
    """Let a row stand on one page, and a head stand at the top of each."""
    properties = row._tr.get_or_add_trPr()
    properties.append(_element("cantSplit"))
    if is_head:
        properties.append(_element("tblHeader"))


def _describe_table(table: Any, caption: str) -> None:
    """Give a table its name for those who have it read out."""
    properties = table._tbl.tblPr
    for look in [child for child in properties if child.tag.endswith("}tblLook")]:
        properties.remove(look)
    margins = _element("tblCellMar")
    for side in ("left", "right"):
        margins.append(_element(side, w="70", type="dxa"))  # 1.2 mm: numbers stand close in narrow columns
    properties.append(margins)
    properties.append(
        _element(
            "tblLook", val="0020", firstRow="1", lastRow="0", firstColumn="0", lastColumn="0", noHBand="1", noVBand="1"
        )
    )
    if caption:
        properties.append(_element("tblCaption", val=caption))


def _add_field(paragraph: Any, field: str) -> None:
    from docx.shared import Pt, RGBColor

    for kind, text in (("begin", ""), ("", field), ("separate", ""), ("text", "1"), ("end", "")):
        run = paragraph.add_run(text if kind == "text" else "")
        run.font.size, run.font.color.rgb = Pt(7.5), RGBColor.from_string(_SOFT)
        if kind == "":
            instruction = _element("instrText")
            instruction.set("{http://www.w3.org/XML/1998/namespace}space", "preserve")
            instruction.text = text
            run._r.append(instruction)
        elif kind != "text":
            run._r.append(_element("fldChar", fldCharType=kind))


def _without_dates(content: bytes) -> bytes:
    """Return the file with every part dated alike, so that the same document gives the same bytes."""
    made = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as before, zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as after:
        for part in before.infolist():
            entry = zipfile.ZipInfo(part.filename, _EPOCH.timetuple()[:6])
            entry.compress_type, entry.create_system, entry.external_attr = zipfile.ZIP_DEFLATED, 3, 0o600 << 16
            after.writestr(entry, before.read(part.filename))
    return made.getvalue()
