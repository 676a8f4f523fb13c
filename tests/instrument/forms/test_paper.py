"""The questionnaire on paper, read back with pypdf: everything asked stands there, whole, with its id and its codes."""

import functools
import io
import json
import re
import tomllib
from pathlib import Path

import pypdf
import pytest
import typst

from instrument import read_instrument
from instrument.forms.paper import write_paper
from instrument.forms.study import read_study, study_template
from instrument.forms.words import words
from instrument.look.style import FONTS
from instrument.survey import build_survey

ROOT = Path(__file__).parent.parent.parent.parent


@pytest.fixture(scope="module")
def pwiq():
    return read_instrument("pwiq")


@pytest.fixture(scope="module")
def hostile():
    return read_instrument(ROOT / "tests" / "data" / "hostile.toml")


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    filled = re.sub(r"<<(.*?)>>", lambda found: f"Filled in: {found.group(1).split(':')[0]}", study_template())
    path = tmp_path_factory.mktemp("study") / "study.toml"
    path.write_text(filled, encoding="utf-8")
    return read_study(path)


def survey_of(instrument, form, **options):
    return build_survey(instrument, forms=[form], follow_up=True, **options)


def pages_of(survey, *, first=None, **options):
    """Return the text of each page, or of the first few."""
    return [page.extract_text() for page in pypdf.PdfReader(io.BytesIO(write_paper(survey, **options))).pages[:first]]


@pytest.fixture(scope="module")
def printed(pwiq, study):
    """Return the text of each page of a form of PWIQ, read once."""

    @functools.cache
    def read(form, language, paper):
        survey = survey_of(pwiq, form, switched_on=["perspective"], planning=True)
        return pages_of(survey, language=language, paper=paper, study=study)

    return read


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
    ("form", "language"),
    [("P", "en"), ("P", "es"), ("C", "en"), ("M", "es"), ("PS", "en"), ("CS", "es"), ("MS", "es")],
)
def test_every_question_stands_whole_on_one_page_with_its_id_and_codes(pwiq, printed, form, language):
    survey = survey_of(pwiq, form, switched_on=["perspective"], planning=True)
    pages = [flat(page) for page in printed(form, language, "a4" if form in "PCM" else "letter")]
    numbers = iter(range(1, 1000))
    for question in survey.questions():
        named = flat(f"{next(numbers)}{question.id}")
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


def test_what_is_said_around_stands_there(pwiq, printed):
    for language in ("en", "es"):
        pages = printed("P", language, "a4")
        first, everything = flat(pages[0]), flat("".join(pages))
        for text in (pwiq.title, pwiq.forms["P"].title):
            assert flat(text[language]) in first
        for paragraph in pwiq.instructions[language].split("\n\n"):
            assert flat(paragraph) in first
        assert flat(pwiq.rule[language]) in everything
        around = words("common", "paper")[language]
        assert flat(around["hand_in"]) in flat(pages[-1])
        assert flat(around["support_title"]) in flat(pages[-1])
        # Above every open question: that nobody watches it.
        assert everything.count(flat(around["open_notice"])) == 2


def test_every_page_has_the_banner_the_stamp_its_number_and_room_for_the_sheets_number(pwiq, printed):
    survey, pages = survey_of(pwiq, "P"), printed("P", "en", "a4")
    for number, page in enumerate(pages, start=1):
        assert flat(pwiq.banner["en"]) in flat(page)
        assert survey.stamp in page
        assert f"Page {number} of {len(pages)}" in page
        assert "Sheet" in page


@pytest.mark.parametrize(("paper", "size"), [("a4", [595, 842]), ("letter", [612, 792])])
def test_it_is_as_large_as_the_paper_and_leaves_margins(pwiq, paper, size):
    reader = pypdf.PdfReader(io.BytesIO(write_paper(survey_of(pwiq, "CS"), paper=paper)))
    assert all([round(float(side)) for side in page.mediabox[2:]] == size for page in reader.pages)
    seen = [piece for page in reader.pages[:2] for piece in placed(page)]
    assert min(x for x, _, _ in seen) >= 50  # 17 mm to the left, for the staple
    assert max(x for x, _, _ in seen) <= size[0] - 42
    assert 20 <= min(y for _, y, _ in seen) < max(y for _, y, _ in seen) <= size[1] - 20


def test_answers_beside_the_scale_stand_apart(pwiq):
    reader = pypdf.PdfReader(io.BytesIO(write_paper(survey_of(pwiq, "P"))))
    rows = {}
    for x, y, code in placed(reader.pages[1]):
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
        found = flat("".join(pages_of(survey, language="en")))
        for question in survey.questions():
            wanted = re.sub(r"[你好🙂]", lambda sign: f"[U+{ord(sign.group()):04X}]", question.text["en"])
            assert flat(wanted) in found, question.id
            for choice in question.choices:
                assert flat(choice.label["en"]) in found
        for text in (hostile.title, hostile.banner, hostile.instructions, hostile.rule, hostile.forms[form].title):
            assert flat(text["en"]) in found


def test_nothing_in_a_text_can_read_a_file_or_run(tmp_path):
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    source = (ROOT / "tests" / "data" / "hostile.toml").read_text(encoding="utf-8")
    for text in (f'#read("{secret}")', "#panic() $#$ */ #1 /*", "\\u{41} @nothing ~#{1+1}", "= x `#1`"):
        path = tmp_path / "definition.toml"
        path.write_text(source.replace('"+Tick; all, that | apply"', f"'''{text}'''"), encoding="utf-8")
        found = flat("".join(pages_of(survey_of(read_instrument(path), "A"), language="en")))
        assert flat(text) in found
        assert "thesecret" not in found


def test_the_fonts_have_every_character_of_every_language(pwiq):
    # Typst itself says it: with this standard it refuses a page on which a character is missing.
    texts = [text for language in ("en", "es") for text in words("common", "paper")[language].values()]
    texts += re.findall(r'"(.*)"', (ROOT / "instrument/pwiq/text.en.toml").read_text(encoding="utf-8"))
    texts += re.findall(r'"(.*)"', (ROOT / "instrument/pwiq/text.es.toml").read_text(encoding="utf-8"))
    signs = "".join(sorted({sign for text in texts for sign in text if ord(sign) > 126}))
    assert {"ñ", "¿", "é", "«"} <= set(signs)
    assert "[U+" not in "".join(pages_of(survey_of(pwiq, "CS"), language="es", first=2))
    found = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(FONTS)])
    for style in ("", 'style: "italic"', 'weight: "bold"'):
        setting = f'#set document(title: "t")\n#set text(font: "Inter", fallback: false)\n#set text({style})\n'
        source = f"{setting}#{json.dumps(signs, ensure_ascii=False)}"
        assert typst.compile(source.encode(), font_paths=found, format="pdf", pdf_standards="ua-1")


def test_only_our_fonts_are_used(pwiq):
    made = write_paper(survey_of(pwiq, "CS"))
    names = {
        str(font.get_object()["/BaseFont"])
        for page in pypdf.PdfReader(io.BytesIO(made)).pages
        for font in page["/Resources"]["/Font"].values()
    }
    assert names
    assert all("Inter" in name for name in names)


def test_it_is_tagged_for_screen_readers(pwiq):
    reader = pypdf.PdfReader(io.BytesIO(write_paper(survey_of(pwiq, "CS"), language="es")))
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


def test_the_same_survey_gives_the_same_bytes(pwiq, study):
    assert write_paper(survey_of(pwiq, "CS"), study=study) == write_paper(survey_of(pwiq, "CS"), study=study)


def test_what_the_study_says_stands_where_it_belongs(printed, study):
    for language in ("en", "es"):
        pages = printed("P", language, "a4")
        said, around = study.text(language), words("common", "paper")[language]
        opening = flat("".join(pages[:2]))
        assert flat(said.by) in opening
        assert flat(said.contact) in opening
        for paragraph in said.consent.split("\n\n"):
            assert flat(paragraph) in opening
        assert flat(around["trial"]) not in opening
        everything = flat("".join(pages))
        assert everything.count(flat(said.readers)) == everything.count(flat(said.when)) == 2
        for support in said.support:
            assert flat(support.name) in flat(pages[-1])
            assert flat(support.how) in flat(pages[-1])


def test_without_all_that_the_study_has_to_say_it_is_a_trial(pwiq, tmp_path):
    path = tmp_path / "study.toml"
    path.write_text(study_template(), encoding="utf-8")
    for language in ("en", "es"):
        trial = flat(words("common", "paper")[language]["trial"])
        for study in (None, read_study(path)):
            assert trial in flat(pages_of(survey_of(pwiq, "CS"), language=language, study=study, first=1)[0])


def test_words_of_a_study_are_not_filled_in_twice(pwiq, tmp_path, study):
    filled = re.sub(r"<<(.*?)>>", "{when} {readers} \\\\u0023panic()", study_template())
    path = tmp_path / "study.toml"
    path.write_text(filled, encoding="utf-8")
    found = flat("".join(pages_of(survey_of(pwiq, "CS"), language="en", study=read_study(path))))
    assert found.count(flat("{when} {readers} #panic()")) >= 7


def test_a_wave_that_is_known_is_printed(pwiq):
    assert re.search(r"Wave\s*3", pages_of(build_survey(pwiq, forms=["CS"], wave=3), language="en", first=1)[0])


@pytest.mark.parametrize("name", ["small", "forms"])
def test_other_definitions_are_printed_too(name):
    instrument = read_instrument(ROOT / "tests" / "data" / f"{name}.toml")
    survey = build_survey(instrument, follow_up=True)
    language = survey.languages[0]
    found = flat("".join(pages_of(survey)))
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
