"""The report's pages in a real browser: without a network, on a small screen, for those who use a keyboard or a reader."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urldefrag

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, sync_playwright

from analysis import run_report
from tests.conftest import patch_notebooks_inline

DOCUMENTS = ("team.html", "evaluator.html")
CONTRAST = """
() => {
  const parts = (colour) => colour.match(/[0-9.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const colour = parts(getComputedStyle(at).backgroundColor);
      if (colour.length === 3 || colour[3] === 1) return colour;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll("h1, h2, p, li, a, thead th, tr:first-child > *, summary, figcaption, .banner")]
    .filter((element) => element.getClientRects().length && element.textContent.trim())
    .map((element) => {
      const [a, b] = [parts(getComputedStyle(element).color), behind(element)].map(light).sort((x, y) => y - x);
      return [(a + 0.05) / (b + 0.05), `${element.tagName}: ${element.textContent.trim().slice(0, 40)}`];
    })
    .filter(([ratio]) => ratio < 4.5);
}
"""


@pytest.fixture(scope="module")
def folder(root: Path, tmp_path_factory: pytest.TempPathFactory, needs_tool: Callable[..., str]) -> Path:
    """The folder of a report on thirty people."""
    needs_tool("chromium", "chromium-browser")
    work = tmp_path_factory.mktemp("pages")
    answers = pd.read_csv(root / "sample_data/baseline.csv", dtype=str, keep_default_na=False)
    answers.head(30).to_csv(work / "answers.csv", index=False)
    with pytest.MonkeyPatch.context() as patch:
        patch_notebooks_inline(patch)
        return run_report(work / "answers.csv", work / "report").parent


@pytest.fixture(scope="module")
def browser(folder: Path, needs_tool: Callable[..., str]) -> Iterator[Browser]:
    """Chromium. It starts after the report was made: notebooks do not run beside the loop of its driver."""
    with sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=needs_tool("chromium", "chromium-browser"), args=["--no-sandbox", "--disable-gpu"]
        )
        yield opened
        opened.close()


def look(browser: Browser, folder: Path, script: str, *, width: int = 1000, scheme: Any = "light") -> dict[str, Any]:
    """Open every page without a network and return what a script says of it, by the page's name."""
    context = browser.new_context(viewport={"width": width, "height": 800}, color_scheme=scheme, offline=True)
    page = context.new_page()
    said = {}
    for file in sorted(folder.glob("*.html")):
        page.goto(file.as_uri())
        said[file.name] = page.evaluate(script)
    context.close()
    assert len(said) == 10
    return said


def test_pages_ask_nothing_of_a_network_and_the_console_stays_empty(browser: Browser, folder: Path) -> None:
    page = browser.new_page()
    asked: list[str] = []
    said: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.on("console", lambda message: said.append(message.text))
    page.on("pageerror", lambda error: said.append(str(error)))
    for file in sorted(folder.glob("*.html")):
        page.goto(file.as_uri())
    assert not said
    assert len([url for url in asked if url.endswith(".html")]) == 10
    assert not [url for url in asked if not url.startswith((folder.as_uri(), "data:image/svg+xml"))]


@pytest.mark.parametrize("width", [320, 1280])
def test_no_page_scrolls_sideways(browser: Browser, folder: Path, width: int) -> None:
    widths = look(browser, folder, "document.documentElement.scrollWidth", width=width)
    assert widths == dict.fromkeys(widths, width)


def test_structure_that_a_screen_reader_goes_by(browser: Browser, folder: Path) -> None:
    script = """() => ({
        language: document.documentElement.lang,
        title: document.title,
        banner: document.querySelector(".banner").innerText,
        h1: document.querySelectorAll("h1").length,
        levels: [...document.querySelectorAll("h1, h2, h3, h4")].map((heading) => Number(heading.tagName[1])),
        here: document.querySelectorAll("nav [aria-current=page]").length,
        images: document.images.length,
        broken: [...document.images].filter((image) => !image.alt.trim() || !image.naturalWidth).length,
        heads: document.querySelectorAll("th").length,
        unscoped: document.querySelectorAll("th:not([scope=row]):not([scope=col])").length,
        still: [...document.querySelectorAll(".table")].filter((table) => table.tabIndex < 0).length,
    })"""
    pages = look(browser, folder, script)
    for name, page in pages.items():
        assert page["language"] == "en", name
        assert "not yet validated" in page["banner"], name
        # A document stands alone: it is passed on without the pages.
        assert (page["h1"], page["levels"][0], page["here"]) == (1, 1, int(name not in DOCUMENTS)), name
        assert all(after - before <= 1 for before, after in zip(page["levels"], page["levels"][1:], strict=False)), name
        assert (page["broken"], page["unscoped"], page["still"]) == (0, 0, 0), name
    assert len({page["title"] for page in pages.values()}) == len(pages)
    assert sum(page["images"] for page in pages.values()) >= 5
    assert sum(page["heads"] for page in pages.values()) > 100


def test_axe_finds_nothing(browser: Browser, folder: Path) -> None:
    # The first page, one with tables and figures, and the documents: the others are made by the same templates.
    for name in ("index.html", "05_group_comparison.html", *DOCUMENTS):
        page = browser.new_context(bypass_csp=True).new_page()
        page.goto((folder / name).as_uri())
        found = Axe().run(page).response
        assert len(found["passes"]) > 20, name
        assert [(fault["id"], fault["nodes"][0]["html"]) for fault in found["violations"]] == [], name


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_stands_out_from_its_background(browser: Browser, folder: Path, scheme: str) -> None:
    pages = look(browser, folder, CONTRAST, scheme=scheme)
    assert not any(pages.values())


def test_every_link_leads_somewhere_and_the_pages_can_be_walked_through(browser: Browser, folder: Path) -> None:
    links = look(browser, folder, "[...document.querySelectorAll('a[href]')].map((link) => link.href)")
    files = {urldefrag(link).url for page in links.values() for link in page}
    missing = [file for file in files if not (folder / file.removeprefix(f"{folder.as_uri()}/")).is_file()]
    assert not missing
    assert len(files) > 20
    page = browser.new_page()
    page.goto((folder / "index.html").as_uri())
    walked = []
    for place in range(page.locator("nav a").count()):
        page.locator("nav a").nth(place).click()
        walked.append(Path(page.url).name)
    assert walked == ["index.html", *sorted(set(links) - {"index.html", *DOCUMENTS})]


def test_the_keyboard_reaches_the_content_first(browser: Browser, folder: Path) -> None:
    page = browser.new_page()
    page.goto((folder / "02_answers_and_scores.html").as_uri())
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["x"] >= 0  # type: ignore[index]
    page.keyboard.press("Enter")
    assert page.url.endswith("#main")
