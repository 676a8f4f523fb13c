"""What a survey says without asking: banner and instructions first, the rule before the items, why letters are asked."""

from __future__ import annotations

from instrument.definition import Text
from instrument.survey import Page, Survey

# With an underscore, as no id of a question or score may have one.
BANNER, INSTRUCTIONS, RULE, CODE, STAMP = "text_banner", "text_instructions", "text_rule", "text_code", "text_stamp"


def opening_statements(survey: Survey) -> tuple[tuple[str, Text], ...]:
    """Return the name and the text of what stands before every question; what is empty is left out.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> [name for name, text in opening_statements(build_survey(read_instrument("pwiq")))]
    ['text_banner', 'text_instructions']
    """
    pairs = ((BANNER, survey.banner), (INSTRUCTIONS, survey.instrument.instructions))
    return tuple((name, text) for name, text in pairs if text)


def page_statements(survey: Survey, page: Page) -> tuple[tuple[str, Text], ...]:
    """Return the name and the text of what stands above a page: on the first page of items the rule for answering.

    Where a form does not ask the first page of items, the first that it does ask has the rule too. Above the letters
    of a code stands why they are asked.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> survey = build_survey(read_instrument("pwiq"))
    >>> [page.id for page in survey.pages if page_statements(survey, page)]
    ['pagerole', 'pagecode']
    """
    name, text = {"items": (RULE, survey.instrument.rule), "code": (CODE, survey.instrument.code_instructions)}.get(
        page.kind, ("", None)
    )
    if not text:
        return ()
    pages = [each for each in survey.pages if each.kind == page.kind]
    if page == pages[0]:
        return ((name, text),)
    earlier = {form for each in pages[: pages.index(page)] for form in survey.forms_of(each)}
    return () if set(survey.forms_of(page)) <= earlier else ((f"{name}_{page.id}", text),)
