"""What a survey says without asking: the draft banner and the instructions first, the rule before the first items."""

from __future__ import annotations

from instrument.definition import Text
from instrument.survey import Page, Survey

# With an underscore, as no id of a question or score may have one.
BANNER, INSTRUCTIONS, RULE, STAMP = "text_banner", "text_instructions", "text_rule", "text_stamp"


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
    """Return the name and the text of what stands above a page: the rule for answering, on the first page of items.

    Where a form does not ask the first page of items, the first that it does ask has the rule too.

    Examples
    --------
    >>> from instrument import read_instrument
    >>> from instrument.survey import build_survey
    >>> survey = build_survey(read_instrument("pwiq"))
    >>> [page.id for page in survey.pages if page_statements(survey, page)]
    ['pagerole']
    """
    rule = survey.instrument.rule
    pages = [each for each in survey.pages if each.kind == "items"]
    if not rule or page not in pages:
        return ()
    if page == pages[0]:
        return ((RULE, rule),)
    earlier = {form for each in pages[: pages.index(page)] for form in survey.forms_of(each)}
    return () if set(survey.forms_of(page)) <= earlier else ((f"{RULE}_{page.id}", rule),)
