"""Fills a questionnaire in by the keyboard alone, and says what was answered, as the page named it."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from playwright.sync_api import CDPSession, Page

from instrument.survey import Asked

LETTERS = "ñBXq"
# What breaks tables and pages, ten thousand characters of it.
LONG = "=1+1 <script>alert(1)</script> \"q\" 'a', ; \\ 🙂👩🏽‍⚕️ ñ\n" + "lo que sea " * 900

_KEYS = {"Tab": (9, ""), "ArrowUp": (38, ""), "ArrowDown": (40, ""), "Space": (32, " "), "Enter": (13, "\r")}
_LISTEN = """() => {
  if (window.pwiqSeen) return;
  window.pwiqSeen = { pages: 0, submitted: false };
  document.addEventListener("pwiq:page", () => { window.pwiqSeen.pages += 1; });
  document.addEventListener("pwiq:submitted", () => { window.pwiqSeen.submitted = true; });
}"""
# Waits until another page than the last one is shown, or the form said why not; then all that Tab leads to from here.
_STATE = """async ({ pages, reminded }) => {
  const seen = window.pwiqSeen;
  const form = () => document.querySelector(".pwiq-form h1").closest(".pwiq-form");
  const text = (kinds) => [...form().querySelectorAll(kinds)].map((each) => each.textContent).join("");
  const waiting = () => seen.pages === pages && !text(reminded ? ".errors, .failed" : ".errors, .failed, .reminder");
  for (const until = performance.now() + 20000; waiting() && performance.now() < until;) {
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  const at = document.activeElement;
  const stops = [];
  for (const each of form().querySelectorAll("button, input, textarea, [tabindex]")) {
    const after = each === at || (at.compareDocumentPosition(each) & Node.DOCUMENT_POSITION_FOLLOWING);
    const group = each.type === "radio" ? [...form().getRootNode().getElementsByName(each.name)] : [each];
    const reached = group.find((one) => one.checked) ?? group[0];
    if (!after || each.tabIndex < 0 || each.disabled || !each.getClientRects().length || each !== reached) continue;
    const asked = each.closest("[data-question]");
    const labels = asked ? [...asked.querySelectorAll("label.choice")] : [];
    stops.push({
      here: each === at, tag: each.tagName, type: each.type ?? "", kind: each.className.split(" "), lang: each.lang,
      question: asked?.dataset.question ?? "", text: asked?.querySelector("legend, .asked")?.firstChild.textContent ?? "",
      labels: labels.map((label) => label.innerText), values: labels.map((label) => label.querySelector("input").value),
      beside: labels.map((label) => label.classList.contains("beside")), required: Boolean(each.closest("[aria-required=true]")),
      value: each.value ?? "", answered: each.type === "radio" ? reached.checked : each.type === "checkbox"
        ? labels.some((label) => label.querySelector(":checked")) || each.checked : Boolean(each.value),
    });
  }
  return { pages: seen.pages, submitted: seen.submitted, moved: seen.pages !== pages, inside: form().contains(at), stops,
    said: text(".errors, .failed") };
}"""


class Met:
    """Holds each question that is met to its words in a language, and keeps which were; for `fill_in(…, meet=…)`."""

    def __init__(self, asked: Mapping[str, Asked], language: str) -> None:
        self.asked = asked
        self.language = language
        self.ids: list[str] = []

    def __call__(self, stop: dict[str, Any]) -> None:
        question = self.asked[stop["question"]]
        assert stop["text"] == question.text[self.language]
        assert stop["labels"] == [choice.label[self.language] for choice in question.choices]
        self.ids.append(question.id)


def fill_in(
    page: Page,
    *,
    language: str = "",
    form: str = "",
    pages: int = 1000,
    meet: Callable[[dict[str, Any]], None] | None = None,
    leave: Callable[[int], bool] = lambda number: number % 5 == 0,
) -> dict[str, str]:
    """Go through the form with Tab, arrows, Space and Enter, from what has the focus until it is sent.

    Parameters
    ----------
    page : Page
        In Chromium.
    language : str
        The language to switch to on the first page; empty: the one that the form opens in.
    form : str
        The answer to the question which form is one's own.
    pages : int
        Stop on the page that comes after so many.
    meet : callable, optional
        Called with every question as the page shows it: `question`, `text`, `labels`, `values`.
    leave : callable
        Of the number of a question, whether to leave it blank; every fifth, if not given.

    Returns
    -------
    dict of str to str
        Column → what was answered. What was answered before stays as it is.
    """
    page.evaluate(_LISTEN)
    session = page.context.new_cdp_session(page)
    answers: dict[str, str] = {}
    number = 0
    state = page.evaluate(_STATE, {"pages": -1, "reminded": False})
    while not state["inside"]:
        page.keyboard.press("Tab")
        state = page.evaluate(_STATE, {"pages": -1, "reminded": False})
    if language and any(stop["lang"] == language for stop in state["stops"]):
        press(session, [*_until(state["stops"], lambda stop: stop["lang"] == language), "Space"])
        state = page.evaluate(_STATE, {"pages": -1, "reminded": False})
    for _ in range(pages):
        plan = _Plan(form, language, leave, number)
        press(session, [*plan.keys(state["stops"]), "Enter"])
        for stop in plan.met if meet else ():
            meet(stop)
        answers |= plan.answers
        number = plan.number
        before = state["pages"]
        state = page.evaluate(_STATE, {"pages": before, "reminded": False})
        if not state["moved"] and not state["said"]:  # reminded of what is blank
            press(session, ["Enter"])
            state = page.evaluate(_STATE, {"pages": before, "reminded": True})
        assert state["moved"] or state["submitted"], (
            f"after {[stop['question'] for stop in plan.met]}: {state['said']!r}"
        )
        if state["submitted"]:
            break
    session.detach()
    return answers


def press(session: CDPSession, keys: Sequence[str]) -> None:
    """Press keys and type texts, one behind the other.

    Chromium takes them in the order in which they are sent. Waiting for each, as `page.keyboard` does, makes it draw the
    page for each, which takes most of the time; the public interface has no way to send several.
    """

    async def send() -> None:
        events = [event for key in keys for event in _events(key)]
        await asyncio.gather(*(session._impl_obj.send(method, event, 30_000.0) for method, event in events))

    session._sync(send())


def _events(key: str) -> Iterator[tuple[str, dict[str, Any]]]:
    if key not in _KEYS:
        yield "Input.insertText", {"text": key}
        return
    number, text = _KEYS[key]
    event = {"key": text if key == "Space" else key, "code": key, "windowsVirtualKeyCode": number}
    yield (
        "Input.dispatchKeyEvent",
        {"type": "keyDown", "text": text} | event if text else {"type": "rawKeyDown"} | event,
    )
    yield "Input.dispatchKeyEvent", {"type": "keyUp"} | event


def _until(stops: Sequence[dict[str, Any]], wanted: Callable[[dict[str, Any]], bool]) -> list[str]:
    place = next(place for place, stop in enumerate(stops) if wanted(stop))
    return ["Tab"] * (place if stops[0]["here"] else place + 1)


class _Plan:
    """What to press on one page, up to the button that leads on, and what is answered by it."""

    def __init__(self, form: str, language: str, leave: Callable[[int], bool], number: int) -> None:
        self.form, self.language, self.leave, self.number = form, language, leave, number
        self.answers: dict[str, str] = {}
        self.met: list[dict[str, Any]] = []

    def keys(self, stops: Sequence[dict[str, Any]]) -> list[str]:
        keys: list[str] = []
        for place, stop in enumerate(stops):
            keys += [] if stop["here"] else ["Tab"]
            if "main" in stop["kind"]:
                return keys
            if stop["tag"] == "BUTTON":
                continue
            if not stop["question"]:
                keys += [] if stop["answered"] else ["Space"]  # what one must know before one takes part
                continue
            if not self.met or self.met[-1]["question"] != stop["question"]:
                self.met.append(stop)
                self.number += 1
            keys += self._answer(stop)
            if stops[place + 1]["question"] != stop["question"] and self._chosen(stop):
                keys.append("Tab")  # the button that clears the answer, which has come meanwhile
        raise AssertionError(f"no button leads on from {[stop['question'] for stop in stops]}")

    def _chosen(self, stop: dict[str, Any]) -> bool:
        if stop["type"] == "radio":
            return stop["question"] in self.answers
        return any(self.answers.get(stop["question"] + code) == "1" for code in stop["values"])

    def _answer(self, stop: dict[str, Any]) -> list[str]:
        question = stop["question"]
        if stop["answered"] or (self.leave(self.number) and not stop["required"]):
            return []
        if stop["type"] == "radio":
            return self._choose(stop)
        if stop["type"] == "checkbox":
            # The first or the last: the last may exclude the others.
            chosen = stop["values"][-(self.number % 2)]
            self.answers[f"{question}{stop['value']}"] = "1" if stop["value"] == chosen else "0"
            return ["Space"] if stop["value"] == chosen else []
        if "letter" in stop["kind"]:
            letter = LETTERS[self.number % len(LETTERS)]
            self.answers[question] = letter.upper()
            return [letter]
        self.answers[question] = LONG if stop["tag"] == "TEXTAREA" else f"place {self.number}"
        return [self.answers[question]]

    def _choose(self, stop: dict[str, Any]) -> list[str]:
        question, values = stop["question"], stop["values"]
        # Any answer, but the same at every run; one beside the scale now and then.
        chance, rest = divmod(zlib.crc32(f"{question} {self.language}".encode()), 7)
        offered = [at for at, beside in enumerate(stop["beside"]) if beside == (rest == 0)] or range(len(values))
        place = values.index(self.form) if question == "form" else offered[chance % len(offered)]
        self.answers[question] = values[place]
        # Up from the first leads to the last.
        back = len(values) - place
        return ["Space", *(["ArrowDown"] * place if place <= back else ["ArrowUp"] * back)]
