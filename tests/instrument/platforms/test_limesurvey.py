"""Survey structures are read as LimeSurvey's importer reads them, rewritten here from its PHP, and compared."""

import functools
import html
import re
from dataclasses import replace

import pytest

from instrument.definition import Catalogue, Text
from instrument.formulas.limesurvey import calculations
from instrument.platforms.limesurvey import losses, write
from instrument.survey import build_survey
from tests.instrument.platforms.instruments import CANTEEN, HOSTILE
from tests.instrument.platforms.surveys import SURVEYS, above_pages

each_survey = pytest.mark.parametrize("survey", SURVEYS.values(), ids=SURVEYS)


def file(survey):
    ((name, content),) = write(survey).items()
    assert name == f"{survey.name}.txt"
    return content


# A cell as PHP's fgetcsv has it: in quotation marks, these doubled, or after a backslash (its default escape sign).
_CELL = re.compile(r'(?:"((?:[^"\\]|\\"|\\(?!")|"")*)"|([^\t\n"][^\t\n]*)|)(\t|\n)')


def fgetcsv(text):
    """PHP's fgetcsv on every line of a text that is separated by tabs."""
    lines, cells, at = [], [], 0
    while at < len(text):
        found = _CELL.match(text, at)
        assert found, text[at : at + 80]
        quoted, bare, end = found.groups()
        cells.append((quoted or "").replace('""', '"') if bare is None else bare)
        if end == "\n":
            lines.append(cells)
            cells = []
        at = found.end()
    return lines


def test_the_reader_of_php_is_caught_by_a_backslash():
    assert fgetcsv('a\t"b ""c"""\n"d\\" e"\tf\n') == [["a", 'b "c"'], ['d\\" e', "f"]]


def imported(content):
    """The rows as `TSVImportSurvey` has them after reading."""
    text = re.sub(r"\r\n|\r|\x0b|\x0c|\x85|\u2028|\u2029", "\n", content.decode())
    header, *lines = fgetcsv(text)
    header = [name.strip() for name in header]
    header[0] = re.sub(r"^\W+", "", header[0])
    assert {len(line) for line in lines} == {len(header)}
    return [
        {
            name: cell[1:-1].replace('""', '"') if re.fullmatch(r'".*"', cell) else cell
            for name, cell in zip(header, line, strict=True)
        }
        for line in lines
    ]


class Structure:
    """Groups, questions, subquestions and answers, put together by the importer's own rules of identity."""

    def __init__(self, content):
        rows = imported(content)
        self.settings = {row["name"]: row["text"] for row in rows if row["class"] == "S"}
        self.texts = {(row["language"], row["name"]): row["text"] for row in rows if row["class"] == "SL"}
        self.groups, self.questions, self.subquestions, self.answers, self.attributes = {}, {}, {}, {}, []
        group = question = None
        for row in rows:
            language = row["language"]
            if row["class"] == "G":
                group = row["type/scale"]
                self.groups.setdefault(group, {})[language] = row
            elif row["class"] == "Q":
                question = (group, row["name"])
                self.questions.setdefault(question, {})[language] = row
                known = [
                    "class",
                    "type/scale",
                    "name",
                    "text",
                    "validation",
                    "relevance",
                    "help",
                    "language",
                    "mandatory",
                ]
                known += ["other", "same_default", "default"]
                self.attributes += [
                    (row["name"], name, cell) for name, cell in row.items() if name not in known and cell
                ]
            elif row["class"] == "SQ":
                self.subquestions.setdefault((*question, row["name"]), {})[language] = row
            elif row["class"] == "A":
                self.answers.setdefault((*question, row["name"]), {})[language] = row
        self.rows = rows

    def of(self, name):
        """The question of this name, with its rows in each language."""
        ((key, found),) = [(key, found) for key, found in self.questions.items() if key[1] == name]
        return key, found


def structure(survey):
    """The structure of one of SURVEYS, read once."""
    name = next(name for name, each in SURVEYS.items() if each is survey)
    return _read(name)


@functools.cache
def _read(name):
    return Structure(file(SURVEYS[name]))


def plain(text):
    """A text without what line ends and blanks become."""
    return " ".join(text.split())


def shown(text):
    """What a browser makes of a text."""
    return plain(html.unescape(re.sub(r"</?p>|<br />", "\n", text)))


@each_survey
def test_every_language_has_every_row_once(survey):
    read = structure(survey)
    assert read.settings["language"] == survey.languages[0]
    assert read.settings.get("additional_languages", "").split() == list(survey.languages[1:])
    for part in (read.groups, read.questions, read.subquestions, read.answers):
        assert {tuple(languages) for languages in part.values()} <= {survey.languages}
    blocks = {
        language: [
            (row["class"], row["type/scale"], row["name"], row["relevance"])
            for row in read.rows
            if row["language"] == language and row["class"] in ("G", "Q", "SQ", "A")
        ]
        for language in survey.languages
    }
    assert len({tuple(block) for block in blocks.values()}) == 1
    assert len(blocks[survey.languages[0]]) == len(read.groups) + len(read.questions) + len(read.subquestions) + len(
        read.answers
    )
    # An attribute of a later language would be stored a second time.
    assert len(set(read.attributes)) == len(read.attributes)
    assert {(name, cell) for _, name, cell in read.attributes} <= {("hidden", "1")}
    assert file(survey) == file(survey)


@each_survey
def test_the_file_keeps_to_what_the_importer_and_the_database_hold(survey):
    content = file(survey)
    assert content.startswith(b"\xef\xbb\xbf")
    assert content[3:1000].isascii()  # the encoding is guessed from these
    read = structure(survey)
    names = [name for _, name in read.questions]
    assert len({name.lower() for name in names}) == len(names)
    for name in names:
        assert re.fullmatch(r"[a-z][a-z0-9]{0,19}", name)
        assert name.upper() not in ("LANG", "SID", "SAVEDID", "TOKEN", "QID", "GID", "SGQ", "SELF", "THAT", "THIS")
    for *_, name in read.subquestions:
        assert re.fullmatch(r"[A-Za-z0-9]{1,20}", name)
        assert name not in ("other", "comment", "time")
    for *_, name in read.answers:
        assert re.fullmatch(r"[A-Za-z0-9]{1,5}", name)
    for language in survey.languages:
        assert 0 < len(read.texts[language, "surveyls_title"]) <= 200
    assert {row["class"] for row in read.rows} <= {"S", "SL", "G", "Q", "SQ", "A"}
    for row in read.rows:
        for cell in row.values():
            assert not re.search(r"[\t\n\\]", cell)
            assert not cell.startswith(("=", "+", "-", "@"))


@each_survey
def test_every_text_and_code_stands_in_every_language(survey):
    read = structure(survey)
    order = []
    for number, page in enumerate(survey.pages, start=1):
        assert {row["name"] for row in read.groups[str(number)].values()} == {page.id}
        for question in page.questions:
            order.append(question.id)
            if page.matrix:
                key, array = read.of(page.id)
                kind, texts = "F", read.subquestions[*key, question.id]
                required = all(each.required for each in page.questions)
            else:
                key, array = read.of(question.id)
                texts, required = array, question.required
                kind = {"single": "L", "several": "M", "text": "T" if question.role == "open" else "S"}[question.kind]
            assert key[0] == str(number)
            assert {row["type/scale"] for row in array.values()} == {kind}
            assert {row["mandatory"] for row in array.values()} == {"Y" if required else "N"}
            assert {language: shown(row["text"]) for language, row in texts.items()} == {
                language: plain(question.text[language]) for language in survey.languages
            }
            part = read.subquestions if question.kind == "several" else read.answers
            found = {code: rows for (*its, code), rows in part.items() if tuple(its) == key}
            assert list(found) == [choice.code for choice in question.choices]
            for choice in question.choices:
                labels = {language: shown(row["text"]) for language, row in found[choice.code].items()}
                assert labels == {language: plain(choice.label[language]) for language in survey.languages}
    ids = {question.id for question in survey.questions()}
    stand = [row["name"] for row in read.rows if row["class"] in ("Q", "SQ") and row["name"] in ids]
    first = stand[: len(order)]
    assert first == order


@each_survey
def test_each_form_is_asked_its_questions_and_no_others(survey):
    read = structure(survey)
    language = survey.languages[0]

    def holds(row, form):
        relevance = row[language]["relevance"]
        assert re.fullmatch(r'1|form\.NAOK == "\w+"( or form\.NAOK == "\w+")*', relevance)
        return relevance == "1" or f'form.NAOK == "{form}"' in relevance.split(" or ")

    for form in survey.forms:
        for page in survey.pages:
            for question in page.questions:
                key, row = read.of(page.id if page.matrix else question.id)
                asked = holds(read.groups[key[0]], form) and holds(row, form)
                if page.matrix:
                    asked = asked and holds(read.subquestions[*key, question.id], form)
                assert asked == (form in question.forms)


@each_survey
def test_equations_hold_the_constants_the_stamp_and_the_scores(survey):
    read = structure(survey)
    language = survey.languages[0]
    equations = {name: rows for (_, name), rows in read.questions.items() if rows[language]["type/scale"] == "*"}
    assert {name for name, attribute, _ in read.attributes if attribute == "hidden"} == set(equations)
    values = {name: rows[language]["text"] for name, rows in equations.items()}
    constants = {**survey.constants, "definition": survey.stamp}
    assert {name: values[name] for name in constants} == constants
    names = {q.id: f"{page.id}_{q.id}" for page in survey.pages if page.matrix for q in page.questions}
    made = calculations(survey.instrument, survey.forms, names=names)
    scores = {rule.export: "{" + made[rule.export] + "}" for rule in survey.scores}
    assert {name: values[name] for name in scores} == scores
    assert set(values) == {*constants, *scores}
    # Everything that a score names stands above it.
    known = set(survey.constants)
    for (_, name), rows in read.questions.items():
        used = set(re.findall(r"([a-z][a-z0-9_]*)\.NAOK", rows[language]["text"]))
        assert used <= known
        known |= {name, *(f"{name}_{code}" for *key, code in read.subquestions if key[1] == name)}
    for rule in survey.scores:
        assert {each: shown(row["help"]) for each, row in equations[rule.export].items()} == {
            each: plain(rule.title[each]) for each in survey.languages
        }


@each_survey
def test_what_is_only_read_stands_there(survey):
    read = structure(survey)
    for language in survey.languages:
        assert shown(read.texts[language, "surveyls_title"]) == plain(survey.title()[language])
        assert survey.stamp in read.texts[language, "surveyls_description"]
        welcome = shown(read.texts[language, "surveyls_welcometext"]).split()
        for text in (survey.banner, survey.instrument.instructions):
            words = text[language].split() if text else []
            assert any(welcome[at : at + len(words)] == words for at in range(len(welcome) + 1))
        passages = [
            (key[0], shown(rows[language]["text"]).split())
            for key, rows in read.questions.items()
            if rows[language]["type/scale"] == "X"
        ]
        above = above_pages(survey)
        said = {str(n): above[page.id] for n, page in enumerate(survey.pages, start=1) if page.id in above}
        found = [at for at, words in passages if at in said and words == said[at][language].split()]
        assert found == list(said)
        assert (("1", survey.banner[language].split()) in passages) == bool(survey.banner)


@each_survey
def test_no_text_is_read_as_an_expression_or_a_tag(survey):
    read = structure(survey)
    for row in read.rows:
        if row["type/scale"] == "*" or row["class"] == "S":
            continue
        for column in ("text", "help"):
            assert not re.search(r"[{}]", row[column])
            assert re.findall(r"<[^>]*>?", row[column]) == re.findall(r"</?p>|<br />", row[column])


def test_answers_are_anonymous():
    settings = Structure(file(SURVEYS["PWIQ P"])).settings
    wanted = {"anonymized": "Y", "ipaddr": "N", "refurl": "N", "savetimings": "N", "datestamp": "Y", "assessments": "N"}
    assert {name: settings[name] for name in wanted} == wanted
    assert settings["format"] == "G"
    assert settings["shownoanswer"] == "N"


def test_what_the_database_cannot_hold_is_refused_at_once():
    first, *others = HOSTILE.forms
    long = Text((("en", "t" * 201), ("es", "t")))
    instrument = replace(HOSTILE, title=long, forms=Catalogue([replace(first, id="manager"), *others]))
    with pytest.raises(ValueError, match="LimeSurvey cannot hold this") as refused:
        write(build_survey(instrument, forms=["manager", "B"]))
    assert "the code 'manager' is no 1 to 5 letters or digits" in str(refused.value)
    assert "the title in 'en' has more than 200 signs" in str(refused.value)


def test_names_of_our_own_give_way_to_ids():
    taken = replace(CANTEEN.questions["open1"], id="textbanner")
    instrument = replace(CANTEEN, questions=Catalogue([*CANTEEN.questions, taken]))
    names = [name for _, name in Structure(file(build_survey(instrument, forms=["P"]))).questions]
    assert names.count("textbanner") == 1
    assert "textbannerx2" in names


def test_losses():
    assert [loss.aspect for loss in losses(SURVEYS["PWIQ all"])] == ["off_scale"]
    found = {loss.aspect: loss for loss in losses(SURVEYS["hostile all"])}
    required = found["required"]
    assert required.where == ("tags",)
    assert "these are not, beside others: tags." in required.what
