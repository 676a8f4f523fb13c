"""Fills a questionnaire in by the keyboard alone, and says what was answered, as the page named it."""

from __future__ import annotations

from typing import Any

from playwright.sync_api import Page

LETTERS = "ÑBXQ"
# What breaks tables and pages, ten thousand characters of it.
LONG = "=1+1 <script>alert(1)</script> \"q\" 'a', ; \\ 🙂👩🏽‍⚕️ ñ\n" + "lo que sea " * 900

_HERE = """() => {
  const a = document.activeElement;
  const asked = a.closest("[data-question]");
  return {
    tag: a.tagName, type: a.type ?? "", kind: a.className.split(" "), question: asked && asked.dataset.question,
    value: a.value ?? "", many: a.name ? document.getElementsByName(a.name).length : 0,
    heading: document.querySelector(".pwiq-form h1").textContent,
  };
}"""
_MOVED = """(before) => window.pwiqSubmitted || document.querySelector(".pwiq-form h1").textContent !== before
    || [...document.querySelectorAll(".pwiq-form :is(.reminder, .errors, .failed)")].some((each) => each.textContent)"""


def fill_in(page: Page, *, pages: int = 1000) -> dict[str, str]:
    """Go through the form with Tab, arrows, Space and Enter, from what has the focus until it is sent.

    Parameters
    ----------
    page : Page
    pages : int
        Stop after so many times "Next".

    Returns
    -------
    dict of str to str
        Column → what was answered, by the values of the page's own inputs. Every fifth question is left blank.
    """
    page.evaluate("() => document.addEventListener('pwiq:submitted', () => { window.pwiqSubmitted = true; })")
    answers: dict[str, str] = {}
    met: list[tuple[str, str]] = []
    for _ in range(3000):
        page.keyboard.press("Tab")
        here = page.evaluate(_HERE)
        asked = (here["question"] or "", here["value"] if here["type"] == "checkbox" else "")
        if "main" in here["kind"]:
            page.keyboard.press("Enter")
            page.wait_for_function(_MOVED, arg=here["heading"], timeout=20_000)
            pages -= 1
            if not pages or page.evaluate("window.pwiqSubmitted"):
                return answers
        elif here["type"] == "checkbox" and not asked[0]:
            if not page.evaluate("document.activeElement.checked"):  # what one must know before one takes part
                page.keyboard.press("Space")
        elif asked[0] and here["tag"] != "BUTTON" and asked not in met:
            met.append(asked)
            answers |= _answer(page, here, len(met))
    raise AssertionError(f"the form did not end; last were {met[-3:]}")


def _answer(page: Page, here: dict[str, Any], number: int) -> dict[str, str]:
    question = here["question"]
    if here["type"] == "radio":
        if number % 5 == 0:
            return {}
        page.keyboard.press("Space")
        for _ in range(number % here["many"]):
            page.keyboard.press("ArrowDown")
        return {question: page.evaluate("document.activeElement.value")}
    if here["type"] == "checkbox":
        chosen = here["value"] == "1"  # the first alone: others may exclude it
        if chosen:
            page.keyboard.press("Space")
        return {f"{question}{here['value']}": str(int(chosen))}
    if "letter" in here["kind"]:
        letter = LETTERS[number % len(LETTERS)]
        page.keyboard.insert_text(letter)
        return {question: letter}
    text = LONG if here["tag"] == "TEXTAREA" else f"place {number}"
    page.keyboard.insert_text(text)
    return {question: text}
