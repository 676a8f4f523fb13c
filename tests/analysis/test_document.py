"""Blocks hold text and nothing else; HTML shows it as text."""

from html.parser import HTMLParser

import pytest

from analysis.document import (
    REPLACEMENT,
    Bullets,
    Callout,
    ChangeBar,
    ChangeBars,
    Document,
    Figure,
    FillIn,
    FlowDiagram,
    FlowStep,
    Heading,
    KeyFigure,
    Paragraph,
    Table,
    bold,
    plain_text,
    runs,
)
from analysis.document_html import html


class Seen(HTMLParser):
    """The elements of a page, and its text."""

    def __init__(self):
        super().__init__(convert_charrefs=True)
        self.elements, self.addresses, self.text = [], [], ""

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        self.text += data


def seen(page):
    parser = Seen()
    parser.feed(page)
    parser.close()
    return parser


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("a\nb\tc\r\nd", "a b c  d"),
        ("a\u2028b\u2029c\x0bd\x0ce\x85f", "a b c d e f"),
        ("\x00\x07\x1b\x7f\x9f", REPLACEMENT * 5),
        ("\ud800", REPLACEMENT),
        ("exe.\u202etxt\u202c \u2066x\u2069 \u200e\u200f\u061c", f"exe.{'□'}txt□ □x□ □□□"),
        ("\ufffe\uffff\ufdd0\U0001fffe", "□□□□"),
        ("ordinary – “text” αβγ Жж é ▲ 中 😀", "ordinary – “text” αβγ Жж é ▲ 中 😀"),
        ("a\u200db", "a\u200db"),
    ],
)
def test_what_cannot_be_seen_is_replaced_and_lines_are_joined(text, plain):
    assert plain_text(text) == plain


def test_every_text_of_every_block_is_made_plain():
    bad, good = "a\u202eb\x00", "a□b□"
    assert Heading(bad).text == good
    assert runs(Paragraph((bad, bold(bad))).words)[0].text == good
    assert runs(Paragraph((bad, bold(bad))).words)[1].text == good
    assert Bullets((bad, (bad,))).items == (good, (good,))
    assert (Callout(bad, title=bad).words, Callout(bad, title=bad).title) == (good, good)
    table = Table(bad, (bad,), ((bad,),), note=bad)
    assert (table.caption, table.columns, table.rows, table.note) == (good, (good,), ((good,),), good)
    assert FillIn(bad, (bad,), first=(bad,)).first == (good,)
    assert KeyFigure(bad, bad, bad, bad) == KeyFigure(good, good, good, good)
    assert ChangeBar(bad, 1.0, None, bad, bad) == ChangeBar(good, 1.0, None, good, good)
    assert FlowStep(bad, (bad,)).counts == (good,)
    assert Figure(b"\x00", alt=bad, caption=bad).alt == good
    assert Figure(b"\x00", alt=bad, caption=bad).content == b"\x00"
    assert Document(title=bad, banner=bad, footer=bad).banner == good


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Heading("x", 4), "level 1, 2 or 3; got 4"),
        (lambda: Table("t", ("a", "b"), (("1",),)), "has 1 cells, its head has 2"),
        (lambda: Table("t", ("a",), ()), "no columns or no rows"),
        (lambda: Table("t", ("a",), (("1",),), align=("left", "left")), "align of 't' needs one entry a column"),
        (lambda: Figure(b"x", alt=" ", caption="c"), "needs its text alternative"),
        (lambda: Figure(b"x", alt="a", caption="c", kind="gif"), "svg or png; got 'gif'"),
        (lambda: FillIn("f", ("a",), rows=1, first=("x", "y")), "at least as many rows"),
        (lambda: FlowDiagram("f", ("a", "b", "c"), (FlowStep("s", ("1", "2")),)), "needs 1 or 3 counts; got 2"),
        (lambda: Document(title=" ", banner=""), "needs a title"),
        (
            lambda: Document(title="t", banner="", blocks=(Heading("a"), Heading("b", 3))),
            "leaves out a level: 3 after 1",
        ),
        (lambda: Document(title="t", banner="", blocks=(Heading("a", 2),)), "leaves out a level: 2 after 0"),
    ],
)
def test_a_block_that_cannot_be_shown_is_refused(make, said):
    with pytest.raises(ValueError, match=said):
        make()


def test_columns_get_room_for_their_words():
    table = Table("t", ("Name", "What was said of it"), (("a", "word " * 60), ("b", "unbreakable")))
    name, said = table.widths
    assert said > 5 * name
    assert name >= len("Name")
    assert Table("t", ("a",), (("1",),), widths=(7.0,)).widths == (7.0,)


def test_hostile_text_is_text_in_html(everything, hostile_text):
    calm, hostile = seen(html(everything("calmness"))), seen(html(everything(hostile_text)))
    assert [tag for tag, _ in hostile.elements] == [tag for tag, _ in calm.elements]
    assert [sorted(attributes) for _, attributes in hostile.elements] == [
        sorted(attributes) for _, attributes in calm.elements
    ]
    assert hostile.text.count(hostile_text) == calm.text.count("calmness") > 30
    assert {tag for tag, _ in hostile.elements}.isdisjoint({"script", "iframe", "object", "link", "form"})
    assert next(attributes["alt"] for tag, attributes in hostile.elements if tag == "img") == hostile_text


def test_html_stands_alone_and_can_be_read_out(everything):
    page = seen(html(everything()))
    tags = [tag for tag, _ in page.elements]
    addresses = [
        value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    assert addresses
    assert all(address.startswith("data:image/svg+xml;base64,") for address in addresses)
    policy = next(attributes["content"] for tag, attributes in page.elements if attributes.get("http-equiv"))
    assert policy == "default-src 'none'; img-src data:; font-src data:; style-src 'unsafe-inline'"
    assert ("html", {"lang": "en"}) in page.elements
    assert tags.count("h1") == 1
    assert tags.index("h1") < tags.index("h2") < tags.index("h3")
    assert all(attributes.get("scope") for tag, attributes in page.elements if tag == "th")
    assert html(everything()).count("url(") == html(everything()).count('url("data:font/woff2;base64,') > 0
    assert "@import" not in html(everything())


def test_change_bars_read_without_the_picture():
    bars = ChangeBars(
        "",
        ("Area", "Before", "Now", "What"),
        (ChangeBar("Roles", 40.0, 62.4, "better", "▲"), ChangeBar("Money", None, 50.0, "worse", "▼")),
    )
    page = html(Document(title="t", banner="", blocks=(bars,)))
    for wanted in ("Roles", ">40<", ">62<", "better", "▲", ">–<", "▼", "left:40.0%;width:22.4%"):
        assert wanted in page


def test_the_same_document_gives_the_same_html(everything):
    assert html(everything()) == html(everything())


def test_a_head_needs_no_more_than_three_lines_and_no_word_is_broken():
    columns = ("Score", "Peer workers less colleagues in other roles", "Importance")
    table = Table("t", columns, (("a" * 200, "1", "2"), ("b", "3", "4")))
    assert table.widths[1] >= len(columns[1]) / 3
    assert table.widths[2] > len("Importance")


@pytest.mark.parametrize("width", [0, -0.5, 1.01])
def test_a_figure_is_as_wide_as_the_page_at_most(width):
    with pytest.raises(ValueError, match="share of the page"):
        Figure(b"", alt="a line", caption="c", width=width)


def test_a_page_is_never_wider_than_its_screen():
    # The sheet that repeats the banner on paper is a table; tables elsewhere are as wide as what they hold.
    page = html(Document(title="a", banner="b", blocks=(Figure(b"", alt="x", caption="c", width=0.7),)))
    assert ".sheet { width: auto; min-width: 0; }" in page
    assert "--share:70%" in page
    assert "max-width: 45rem" in page


def test_a_soft_list_is_set_smaller():
    page = html(Document(title="a", banner="b", blocks=(Bullets(("x",), soft=True), Bullets(("y",)))))
    assert '<ul class="soft"><li>x' in page
    assert "<ul><li>y" in page
