"""The style of the web pages of a report: the look of all that PWIQ shows, and how a page is laid out."""

from __future__ import annotations

import functools
from pathlib import Path

from instrument.look.style import css_colours, css_fonts


@functools.cache
def page_style() -> str:
    """Return the CSS that every page of a report carries.

    Examples
    --------
    >>> "--accent" in page_style()
    True
    """
    layout = Path(__file__).parent / "templates" / "style.css"
    return css_fonts() + css_colours() + layout.read_text(encoding="utf-8")
