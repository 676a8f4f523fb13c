"""One browser and one page for the tests of the web form in a file: opening others takes longer than most of the tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, sync_playwright

from tests.instrument.forms.web_form import WebForms

FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
SIZE: Any = {"width": 1024, "height": 600}
# A page that is left saves its draft.
FORGET = (
    "() => { try { localStorage.clear(); Storage.prototype.setItem = () => {}; } catch { /* about:blank has none */ } }"
)


@pytest.fixture(scope="session")
def forms(tmp_path_factory: pytest.TempPathFactory) -> WebForms:
    return WebForms(tmp_path_factory.mktemp("web"))


@pytest.fixture(scope="module")
def browser(needs_tool: Callable[..., str]) -> Iterator[Browser]:
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=needs_tool("chromium", "chromium-browser"), args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def shared(browser: Browser) -> Iterator[tuple[BrowserContext, list[str]]]:
    """A context in which no page may ask anything of a network or complain in the console, and what was done against it."""
    context = browser.new_context(viewport=SIZE, reduced_motion="reduce")
    context.set_default_timeout(10_000)
    wrong: list[str] = []

    def refuse(route: Any) -> None:
        if route.request.url.startswith(("file:", "blob:", "data:", "about:")):
            route.continue_()
        else:
            wrong.append(route.request.url)
            route.abort()

    context.route("**/*", refuse)
    context.on("console", lambda message: wrong.append(message.text))
    context.on("weberror", lambda error: wrong.append(str(error.error)))
    context.new_page()
    yield context, wrong
    context.close()


@pytest.fixture
def page(shared: tuple[BrowserContext, list[str]]) -> Iterator[Page]:
    """A page whose storage is empty. Further pages of its context are closed after the test."""
    context, wrong = shared
    first = context.pages[0]
    wrong.clear()
    yield first
    for each in reversed(context.pages):
        each.evaluate(FORGET)
        if each is not first:
            each.close()
    first.set_viewport_size(SIZE)
    first.goto("about:blank")
    assert not wrong


@pytest.fixture
def own_page(browser: Browser) -> Iterator[Page]:
    """A page in a context of its own, for what stays with a context: a clock, scripts, a network."""
    context = browser.new_context(reduced_motion="reduce")
    context.set_default_timeout(10_000)
    yield context.new_page()
    context.close()
