"""The questionnaire on paper, read back with pypdf: everything asked stands there, whole, with its id and its codes."""

import functools
import io
import json
import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pypdf
import pytest
import typst

from instrument import read_instrument
from instrument.forms.paper import write_paper
from instrument.forms.study import Study, read_study, study_template
from instrument.forms.words import words
from instrument.look.style import FONTS
from instrument.survey import build_survey

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="module")
def pwiq():
    return read_instrument("pwiq")


NO_FONT = re.compile("[你好🙂]")


@pytest.fixture(scope="module")
def hostile(tmp_path_factory):
    path = tmp_path_factory.mktemp("hostile") / "hostile.toml"
    path.write_text(
        NO_FONT.sub("?", (ROOT / "tests" / "data" / "hostile.toml").read_text(encoding="utf-8")), encoding="utf-8"
    )
    return read_instrument(path)


def test_what_no_font_has_is_told_and_not_printed():
    survey = survey_of(read_instrument(ROOT / "tests" / "data" / "hostile.toml"), "A", planning=True)
    with pytest.raises(
        ValueError, match=r"no font has .*'你' \(U\+4F60\).*: take it out of the texts, or name a folder"
    ):
        write_paper(survey, language="en")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    filled = re.sub(r"<<(.*?)>>", lambda found: f"Filled in: {found.group(1).split(':')[0]}", study_template())
    path = tmp_path_factory.mktemp("study") / "study.toml"
    path.write_text(filled, encoding="utf-8")
    return read_study(path)


class Print:
    """A print, read back: the text of each page, read once somebody asks for it."""

    def __init__(self, made):
        self.made = made
        self.reader = pypdf.PdfReader(io.BytesIO(made))
        self._text = functools.cache(lambda number: self.reader.pages[number].extract_text())

    def page(self, number):
        return self._text(number % len(self.reader.pages))

    @property
    def pages(self):
        return [self.page(number) for number in range(len(self.reader.pages))]

    @property
    def flat(self):
        return flat("".join(self.pages))


def survey_of(instrument, form, **options):
    return build_survey(instrument, forms=[form], follow_up=True, **options)


@pytest.fixture(scope="module")
def survey(pwiq):
    return functools.cache(lambda form: survey_of(pwiq, form, switched_on=["perspective"], planning=True))


@pytest.fixture(scope="module")
def printed(survey, study):
    """Return a form of PWIQ with all that can be asked and all that a study says; set once."""

    @functools.cache
    def made(form, language, paper):
        return Print(write_paper(survey(form), language=language, paper=paper, study=study))

    return lambda form, language="en", paper="a4": made(form, language, paper)  # a default counts as the same


@pytest.fixture(scope="module")
def bare(pwiq):
    """Return the short form for colleagues, without a study; set once in a language."""
    return functools.cache(lambda language: Print(write_paper(survey_of(pwiq, "CS"), language=language)))


def placed(page):
    """Return x, y and text of every piece of a page, in points from its lower left corner."""
    found = []

    def see(text, outer, inner, _font, _size):
        if text.strip():
            x, y = inner[4], inner[5]
            found.append((x * outer[0] + y * outer[2] + outer[4], x * outer[1] + y * outer[3] + outer[5], text.strip()))

    page.extract_text(visitor_text=see)
    return found


def flat(text):
    """Return a text without spaces, and without the hyphens at which a line may end."""
    return re.sub(r"[\s\u00ad\u2010-]+", "", text)


@pytest.mark.parametrize(
    ("form", "language", "paper"),
    [
        ("P", "en", "a4"),
        ("M", "es", "a4"),
        ("PS", "es", "letter"),
        ("CS", "en", "letter"),
    ],
)
def test_every_question_stands_whole_on_one_page_with_its_id_and_codes(survey, printed, form, language, paper):
    pages = [flat(page) for page in printed(form, language, paper).pages]
    for number, question in enumerate(survey(form).questions(), start=1):
        named = flat(f"{number}{question.id}")
        text = flat(question.text[language])
        holding = [page for page in pages if text in page]
        assert len(holding) == 1, question.id
        (page,) = holding
        assert named in page, question.id
        after = page[page.index(text) + len(text) :]
        for choice in question.choices:
            assert choice.code in after, (question.id, choice.code)
            # In a grid the label stands above, at the head of its column; the head stands on each page.
            assert flat(choice.label[language]) in page, (question.id, choice.code)
    # What is asked last stands with the end, so that no page holds the end alone.
    assert flat(list(survey(form).questions())[-1].text[language]) in pages[-1]
    assert flat(words("common", "paper")[language]["end_head"]) in pages[-1]


def test_a_grid_does_not_leave_one_row_behind(survey, printed):
    for form, language, paper in (("P", "en", "a4"), ("M", "es", "a4"), ("CS", "en", "letter")):
        sections = [page for page in survey(form).pages if page.matrix]
        for page_of_survey in (sections[0], *[page for page in sections if page.kind != "items"]):
            first, second = (flat(question.text[language]) for question in page_of_survey.questions[:2])
            (holding,) = [page for page in map(flat, printed(form, language, paper).pages) if first in page]
            assert second in holding, page_of_survey.id


def test_what_is_said_around_stands_there(pwiq, printed):
    for language, form in (("en", "P"), ("es", "M")):
        read = printed(form, language)
        first, last = flat(read.page(0)), flat(read.page(-1))
        for text in (pwiq.title, pwiq.forms[form].title):
            assert flat(text[language]) in first
        for paragraph in pwiq.instructions[language].split("\n\n"):
            assert flat(paragraph) in first
        assert flat(pwiq.rule[language]) in read.flat
        around = words("common", "paper")[language]
        for key in ("hand_in", "hand_in_where", "hand_in_until", "support_title"):
            assert flat(around[key]) in last
        # Above every open question: that nobody watches it.
        assert read.flat.count(flat(around["open_notice"])) == 2


def test_every_page_has_the_banner_form_stamp_number_and_room_for_the_sheets_number(pwiq, survey, printed):
    pages = printed("P").pages
    for number, page in enumerate(pages, start=1):
        assert flat(pwiq.banner["en"]) in flat(page)
        assert pwiq.forms["P"].title["en"] in page
        assert survey("P").stamp in page
        assert f"Page {number} of {len(pages)}" in page
        assert "Sheet" in page


@pytest.mark.parametrize(
    ("form", "language", "paper", "size"), [("M", "es", "a4", [595, 842]), ("PS", "es", "letter", [612, 792])]
)
def test_it_is_as_large_as_the_paper_and_leaves_margins(printed, form, language, paper, size):
    pages = printed(form, language, paper).reader.pages
    assert all([round(float(side)) for side in page.mediabox[2:]] == size for page in pages)
    seen = [piece for page in pages[:2] for piece in placed(page)]
    assert min(x for x, _, _ in seen) >= 50  # 17 mm to the left, for the staple
    assert max(x for x, _, _ in seen) <= size[0] - 42
    assert 20 <= min(y for _, y, _ in seen) < max(y for _, y, _ in seen) <= size[1] - 20


def test_answers_beside_the_scale_stand_apart(printed):
    rows = {}
    for x, y, code in placed(printed("P").reader.pages[1]):
        if code in {"1", "2", "3", "4", "5", "97", "98"}:
            rows.setdefault(round(y), {})[code] = x
    whole = [row for row in rows.values() if len(row) == 7]
    assert len(whole) > 10
    for row in whole:
        steps = [row[str(code + 1)] - row[str(code)] for code in range(1, 5)]
        assert max(steps) - min(steps) < 1.5  # the same room for each answer
        assert row["97"] - row["5"] > max(steps) + 7  # 2.5 mm at least


def test_hostile_texts_stay_texts(hostile):
    for form in ("A", "AS", "B"):
        survey = survey_of(hostile, form, planning=True)
        found = Print(write_paper(survey, language="en")).flat
        for question in survey.questions():
            assert flat(question.text["en"]) in found, question.id
            for choice in question.choices:
                assert flat(choice.label["en"]) in found
        for text in (hostile.title, hostile.banner, hostile.instructions, hostile.rule, hostile.forms[form].title):
            assert flat(text["en"]) in found


def test_nothing_in_a_text_can_read_a_file_or_run(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    source = (ROOT / "tests" / "data" / "hostile.toml").read_text(encoding="utf-8")
    source = NO_FONT.sub("", source)
    text = f'#read("{secret}")\n#panic() $#$ */ #1 /*\n\\u{{41}} @nothing ~#{{1+1}}\n= x `#1`'
    path = tmp_path / "definition.toml"
    path.write_text(source.replace('"+Tick; all, that | apply"', f"'''{text}'''"), encoding="utf-8")
    found = Print(write_paper(survey_of(read_instrument(path), "A"), language="en")).flat
    assert flat(text) in found
    assert "thesecret" not in found


def test_the_fonts_have_every_character_of_every_language(printed):
    # Typst itself says it: with this standard it refuses a page on which a character is missing.
    texts = [text for language in ("en", "es") for text in words("common", "paper")[language].values()]
    texts += re.findall(r'"(.*)"', (ROOT / "instrument/pwiq/text.en.toml").read_text(encoding="utf-8"))
    texts += re.findall(r'"(.*)"', (ROOT / "instrument/pwiq/text.es.toml").read_text(encoding="utf-8"))
    signs = "".join(sorted({sign for text in texts for sign in text if ord(sign) > 126}))
    assert {"ñ", "¿", "é", "«"} <= set(signs)
    assert "[U+" not in printed("M", "es").flat
    found = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])
    for style in ("", 'style: "italic"', 'weight: "bold"'):
        setting = f'#set document(title: "t")\n#set text(font: "Inter", fallback: false)\n#set text({style})\n'
        source = f"{setting}#{json.dumps(signs, ensure_ascii=False)}"
        assert typst.compile(source.encode(), font_paths=found, format="pdf", pdf_standards="ua-1")


def test_only_our_fonts_are_used(bare):
    names = {
        str(font.get_object()["/BaseFont"])
        for page in bare("es").reader.pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert names
    assert all("Inter" in name for name in names)


def test_it_is_tagged_for_screen_readers(pwiq, bare):
    reader = bare("es").reader
    assert reader.metadata.title == pwiq.title["es"]
    root = reader.trailer["/Root"]
    assert root["/MarkInfo"]["/Marked"]
    assert root["/Lang"] == "es"
    assert "pdfuaid" in root["/Metadata"].get_object().get_data().decode()

    def tags(node):
        node = node.get_object()
        if isinstance(node, list):
            return {tag for each in node for tag in tags(each)}
        if not isinstance(node, dict):
            return set()
        return {node.get("/S")} | (tags(node["/K"]) if "/K" in node else set())

    assert {"/Table", "/TH", "/TD", "/H1", "/P"} <= tags(root["/StructTreeRoot"])


def test_the_same_survey_gives_the_same_bytes(survey, study, printed):
    assert write_paper(survey("CS"), study=study) == printed("CS").made


def test_what_the_study_says_stands_where_it_belongs(printed, study):
    for language, form in (("en", "P"), ("es", "M")):
        read = printed(form, language)
        said, around = study.text(language), words("common", "paper")[language]
        opening, last = flat(read.page(0) + read.page(1)), flat(read.page(-1))
        assert flat(said.by) in opening
        assert flat(said.contact) in opening
        for paragraph in said.consent.split("\n\n"):
            assert flat(paragraph) in opening
        assert flat(around["trial"]) not in opening
        assert read.flat.count(flat(said.readers)) == read.flat.count(flat(said.when)) == 2
        for support in said.support:
            assert flat(support.name) in last
            assert flat(support.how) in last
        assert flat(around["hand_in_where"] + said.paper.where) in last
        assert flat(around["hand_in_until"] + said.paper.until) in last


def test_without_all_that_the_study_has_to_say_it_is_a_trial(pwiq, bare, tmp_path):
    trial = {language: flat(words("common", "paper")[language]["trial"]) for language in ("en", "es")}
    for language in ("en", "es"):
        assert trial[language] in flat(bare(language).page(0))
    path = tmp_path / "study.toml"
    filled = re.sub(r"<<(?!Until)(.*?)>>", "filled in", study_template())  # only what the English print says is left
    path.write_text(filled, encoding="utf-8")
    study = read_study(path)
    for language, is_trial in (("en", True), ("es", False)):
        made = Print(write_paper(survey_of(pwiq, "CS"), language=language, study=study))
        assert (trial[language] in flat(made.page(0))) is is_trial


def test_where_it_goes_is_written_by_hand_if_the_study_does_not_say_it(pwiq, study, printed):
    silent = Study(texts=tuple((language, replace(text, paper=None)) for language, text in study.texts))
    last = Print(write_paper(survey_of(pwiq, "CS"), language="en", study=silent)).page(-1)
    assert study.text("en").paper.where not in last
    assert flat(words("common", "paper")["en"]["hand_in_where"]) in flat(last)


def test_words_of_a_study_stay_words_and_within_the_margins(pwiq, tmp_path):
    hostile = "{when} {readers} \\u0023panic() #read('/etc/hostname') $x$ *b* @ref <a> // = " + "W" * 300
    path = tmp_path / "study.toml"
    path.write_text(re.sub(r"<<(.*?)>>", lambda _: hostile, study_template()), encoding="utf-8")
    made = Print(write_paper(build_survey(pwiq, forms=["CS"], wave=3), language="en", study=read_study(path)))
    said = flat(hostile.replace("\\u0023", "#"))
    english = study_template().split("[es]")[0]
    # Who reads the open answers and when stands above both; nothing is filled in twice.
    assert made.flat.count(said) == len(re.findall("<<\\w.*?>>", english)) + 2
    assert re.search(r"Wave\s*3", made.page(0))  # a wave that is known is printed
    for page in (made.reader.pages[0], made.reader.pages[-1]):
        # No line holds more than 50 of them.
        assert len({round(y) for _, y, text in placed(page) if "WWW" in text}) >= 300 / 50


@pytest.mark.parametrize("name", ["small", "forms"])
def test_other_definitions_are_printed_too(name):
    instrument = read_instrument(ROOT / "tests" / "data" / f"{name}.toml")
    survey = build_survey(instrument, follow_up=True)
    language = survey.languages[0]
    found = Print(write_paper(survey)).flat
    for question in survey.questions():
        assert flat(question.text[language]) in found
        assert all(flat(choice.label[language]) in found for choice in question.choices)


def test_what_cannot_be_printed_is_refused(pwiq, study, tmp_path):
    with pytest.raises(ValueError, match="a sheet holds one form"):
        write_paper(build_survey(pwiq, forms=["P", "C"]))
    with pytest.raises(ValueError, match="paper 'a5' is not known; use 'a4' or 'letter'"):
        write_paper(survey_of(pwiq, "P"), paper="a5")
    with pytest.raises(ValueError, match="language 'de' is not in this survey; use one of en, es"):
        write_paper(survey_of(pwiq, "P"), language="de")
    with pytest.raises(ValueError, match="no font is in"):
        write_paper(survey_of(pwiq, "P"), fonts=tmp_path)


def test_a_language_without_words_is_refused_with_what_to_add(tmp_path):
    source = (ROOT / "tests" / "data" / "hostile.toml").read_text(encoding="utf-8")
    path = tmp_path / "definition.toml"
    french = re.sub(r"\bes = |labels\.es\b", lambda found: found.group().replace("es", "fr"), source)
    path.write_text(french.replace('["en", "es"]', '["en", "fr"]'), encoding="utf-8")
    with pytest.raises(ValueError, match=r"exists in en, es, not in 'fr': add a file words\.fr\.toml"):
        write_paper(survey_of(read_instrument(path), "A"), language="fr")


def test_the_words_have_the_same_keys_in_every_language():
    folder = ROOT / "instrument" / "forms"
    keys = {
        file.name: set(tomllib.loads(file.read_text(encoding="utf-8"))["paper"]) for file in folder.glob("words.*.toml")
    }
    assert len(keys) >= 2
    assert len(set(map(frozenset, keys.values()))) == 1
