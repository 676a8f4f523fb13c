"""A survey as LimeSurvey's tab-separated survey structure.

Not import-tested on LimeSurvey: the file keeps to what its own importer reads (`TSVImportSurvey` in
``application/helpers/admin/import_helper.php``) and what its database holds.

What stands where: a group (G) for each page, numbered, named by the page's id (not shown); a page whose questions share
their answers is one array (Q of type F) of that name with a subquestion (SQ) for each question, so that ``roleaf`` on
``pagerole`` is exported as ``pagerole[roleaf]``; other questions stand under their ids (L one answer, M several, S and T
text). ``text…`` (X) is what is only read; hidden equations (*) hold what is the same for everyone and the scores.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence

from instrument.definition import Text
from instrument.formulas.limesurvey import calculations
from instrument.platforms.statements import page_statements
from instrument.survey import Asked, Choice, Loss, Page, Survey

# The leading columns that LimeSurvey's own export writes, and the one attribute that is used.
COLUMNS = (
    "id",
    "related_id",
    "class",
    "type/scale",
    "name",
    "relevance",
    "text",
    "help",
    "language",
    "validation",
    "mandatory",
    "other",
    "default",
    "same_default",
    "hidden",
)
# What the importer or the database refuses, cuts or drops in silence.
QUESTION_CODE, ANSWER_CODE, TITLE = 20, 5, 200
_CODE = re.compile(r"^[A-Za-z0-9]+$")
# Group by group; nothing that tells who answered, nothing public; no score, name or number shown; no "No answer" beside
# ours. All are written out: the importer guesses the encoding from the first 1000 bytes, and these rows are plain ASCII.
_SETTINGS = {
    "format": "G",
    "anonymized": "Y",
    "datestamp": "Y",
    "ipaddr": "N",
    "refurl": "N",
    "savetimings": "N",
    "assessments": "N",
    "allowprev": "Y",
    "showprogress": "Y",
    "showwelcome": "Y",
    "showgroupinfo": "X",
    "showqnumcode": "X",
    "shownoanswer": "N",
    "showxquestions": "N",
    "questionindex": "0",
    "allowregister": "N",
    "alloweditaftercompletion": "N",
    "tokenanswerspersistence": "N",
    "listpublic": "N",
    "publicstatistics": "N",
    "publicgraphs": "N",
    "printanswers": "N",
    "usecookie": "N",
    "autoredirect": "N",
    "nokeyboard": "N",
    "navigationdelay": "0",
    "sendconfirmation": "N",
    "allowsave": "N",
}
# HTML; `{` starts an expression; PHP's reader takes a backslash before a quotation mark for an escape, and the importer
# takes quotation marks off a text that starts and ends with them.
_ENTITIES = str.maketrans(
    {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&quot;",
        "{": "&#123;",
        "}": "&#125;",
        "\\": "&#92;",
        "\t": " ",
    }
)
_FORMULA_STARTS = ("=", "+", "-", "@", "'")

Row = dict[str, str]


def write(survey: Survey) -> dict[str, str | bytes]:
    r"""Write a survey as LimeSurvey's tab-separated survey structure.

    Parameters
    ----------
    survey : Survey

    Returns
    -------
    dict of str to bytes
        ``NAME.txt``: UTF-8 with a byte order mark, every language in full.

    Raises
    ------
    ValueError
        If a code or the title is longer than LimeSurvey's database holds.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> files = write(build_survey(read_instrument("pwiq"), forms=["P"]))
    >>> files["pwiq_p.txt"].decode("utf-8-sig").splitlines()[1].split("\t")[2:7]
    ['S', '', 'language', '', 'en']
    """
    _check_limits(survey)
    out = io.StringIO()
    table = csv.DictWriter(out, COLUMNS, restval="", delimiter="\t", lineterminator="\n")
    table.writeheader()
    table.writerows(_settings(survey))
    for language in survey.languages:
        table.writerows(_titles(survey, language))
    for language in survey.languages:
        table.writerows(_Content(survey, language).rows())
    return {f"{survey.name}.txt": out.getvalue().encode("utf-8-sig")}


def losses(survey: Survey) -> tuple[Loss, ...]:
    """Return what LimeSurvey's survey structure cannot hold of a survey."""
    return tuple(_losses(survey))


def _losses(survey: Survey) -> Iterator[Loss]:
    if survey.has_off_scale:
        yield Loss(
            aspect="off_scale",
            what="Answers beside the scale are ordinary answers; nothing tells LimeSurvey that they are no points of it.",
        )
    if mixed := survey.required_among_others:
        yield Loss(
            aspect="required",
            what=f"An array is required as a whole or not at all; these are not, beside others: {', '.join(mixed)}.",
            where=mixed,
        )


def _check_limits(survey: Survey) -> None:
    codes = {choice.code for asked in survey.questions() for choice in asked.choices}
    faults = [
        f"the code {code!r} is no 1 to {ANSWER_CODE} letters or digits; rename the form"
        for code in sorted(codes)
        if not _CODE.match(code) or len(code) > ANSWER_CODE
    ]
    faults += [
        f"the title in {language!r} has more than {TITLE} signs, counted as HTML; shorten it"
        for language in survey.languages
        if len(_html(survey.title()[language])) > TITLE
    ]
    if faults:
        raise ValueError("\n".join(f"{survey.instrument.id}: LimeSurvey cannot hold this: {fault}" for fault in faults))


def _settings(survey: Survey) -> Iterator[Row]:
    first, *others = survey.languages
    yield {"class": "S", "name": "language", "text": first}
    if others:
        yield {"class": "S", "name": "additional_languages", "text": " ".join(others)}
    for name, value in _SETTINGS.items():
        yield {"class": "S", "name": name, "text": value}


def _titles(survey: Survey, language: str) -> Iterator[Row]:
    welcome = (survey.banner, survey.instrument.instructions)
    texts = {
        "surveyls_title": _html(survey.title()[language]),
        "surveyls_description": _html(survey.stamp),
        "surveyls_welcometext": "".join(_paragraphs(text[language]) for text in welcome if text),
    }
    for name, text in texts.items():
        yield {"class": "SL", "name": name, "text": text, "language": language}


class _Content:
    """The groups and questions in one language; attributes stand in the survey's first language only."""

    def __init__(self, survey: Survey, language: str) -> None:
        self.survey = survey
        self.language = language
        instrument = survey.instrument
        taken = {*instrument.items.ids, *instrument.questions.ids, *(page.id for page in survey.pages)}
        self.taken = taken | {rule.export for rule in survey.scores}

    def rows(self) -> Iterator[Row]:
        for number, page in enumerate(self.survey.pages, start=1):
            shown = _shown_to(self.survey.forms_of(page), self.survey)
            yield self._row("G", str(number), page.id, relevance=shown)
            if number == 1:
                yield from self._opening()
            for _, text in page_statements(self.survey, page):
                yield self._statement(f"textrule{number}", text)
            if page.matrix:
                yield from self._array(page, shown)
            else:
                for asked in page.questions:
                    yield from self._question(asked)
        # Scores stand in the last group, after everything that they are made from.
        yield from self._scores()

    def _opening(self) -> Iterator[Row]:
        if self.survey.banner:
            yield self._statement("textbanner", self.survey.banner)
        for name, value in {**self.survey.constants, self._free("definition"): self.survey.stamp}.items():
            yield self._equation(name, value, name)

    def _array(self, page: Page, shown: str) -> Iterator[Row]:
        required = all(asked.required for asked in page.questions)
        yield self._row("Q", "F", page.id, text=page.number, relevance=shown, mandatory=required)
        for asked in page.questions:
            relevance = _shown_to(asked.forms, self.survey)
            yield self._row("SQ", "", asked.id, text=_html(asked.text[self.language]), relevance=relevance)
        yield from self._answers("A", page.questions[0].choices)

    def _question(self, asked: Asked) -> Iterator[Row]:
        kind = {"single": "L", "several": "M", "text": "T" if asked.role == "open" else "S"}[asked.kind]
        yield self._row(
            "Q",
            kind,
            asked.id,
            text=_html(asked.text[self.language]),
            relevance=_shown_to(asked.forms, self.survey),
            mandatory=asked.required,
        )
        yield from self._answers("SQ" if asked.kind == "several" else "A", asked.choices)

    def _answers(self, kind: str, choices: Sequence[Choice]) -> Iterator[Row]:
        for choice in choices:
            text = _html(choice.label[self.language])
            if kind == "A":
                yield self._row("A", "0", choice.code, text=text, relevance="")
            else:
                yield self._row("SQ", "", choice.code, text=text)

    def _scores(self) -> Iterator[Row]:
        made = calculations(self.survey.instrument, self.survey.forms, names=names_in_expressions(self.survey))
        for rule in self.survey.scores:
            yield self._equation(rule.export, f"{{{made[rule.export]}}}", rule.title[self.language])

    def _statement(self, name: str, text: Text) -> Row:
        return self._row("Q", "X", self._free(name), text=_paragraphs(text[self.language]))

    def _equation(self, name: str, equation: str, what: str) -> Row:
        hidden = "1" if self.language == self.survey.languages[0] else ""
        return self._row("Q", "*", name, text=equation, tip=_html(what)) | {"hidden": hidden}

    def _row(
        self,
        kind: str,
        scale: str,
        name: str,
        *,
        text: str = "",
        relevance: str = "1",
        mandatory: bool | None = None,
        tip: str = "",
    ) -> Row:
        row = {"class": kind, "type/scale": scale, "name": name, "relevance": relevance, "text": text, "help": tip}
        if kind == "Q":
            row |= {"mandatory": "Y" if mandatory else "N", "other": "N"}
        return row | {"language": self.language}

    def _free(self, name: str) -> str:
        """Return the name, or the first like it that is no question's."""
        return next(each for each in (name, *(f"{name}x{n}" for n in range(2, 1000))) if each not in self.taken)


def names_in_expressions(survey: Survey) -> Mapping[str, str]:
    """Return item → its name in expressions, for those that stand in an array.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> names_in_expressions(build_survey(read_instrument("pwiq")))["roleaf"]
    'pagerole_roleaf'
    """
    return {asked.id: f"{page.id}_{asked.id}" for page in survey.pages if page.matrix for asked in page.questions}


def _shown_to(forms: Sequence[str], survey: Survey) -> str:
    """Return the relevance equation: 1 where every form of the survey asks."""
    if set(forms) == set(survey.forms):
        return "1"
    return " or ".join(f'form.NAOK == "{form}"' for form in forms)


def _html(text: str) -> str:
    """Return a text as one line of HTML that LimeSurvey shows as it is, and that no spreadsheet takes for a formula."""
    shown = "<br />".join(text.translate(_ENTITIES).splitlines())
    return f"&#{ord(shown[0])};{shown[1:]}" if shown.startswith(_FORMULA_STARTS) else shown


def _paragraphs(text: str) -> str:
    return "".join(f"<p>{_html(each.strip())}</p>" for each in text.split("\n\n") if each.strip())
