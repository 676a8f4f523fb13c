"""A document as one HTML page: self-contained, without scripts or outside requests, and fit to print."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

from analysis.document import Document, runs
from analysis.page_style import page_style

TEMPLATES = Path(__file__).parent / "templates"


def html(document: Document) -> str:
    """Return a document as an HTML page that looks as the pages of the report. The same document gives the same text.

    Examples
    --------
    >>> "<h1>A &lt;b&gt;</h1>" in html(Document(title="A <b>", banner="Draft"))
    True
    """
    page: str = _template().render(
        document=document,
        blocks=[(type(block).__name__, block) for block in document.blocks],
        runs=runs,
        style=page_style(),
    )
    return page.strip() + "\n"


@functools.cache
def _template() -> Any:
    from jinja2 import Environment, FileSystemLoader

    environment = Environment(loader=FileSystemLoader(TEMPLATES), autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.get_template("document.html")
