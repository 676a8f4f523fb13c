"""The web form treated badly: long answers, closed pages, two windows, full storage, no reply; the code's letters."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from instrument import read_responses
from tests.instrument.forms.web_form import (
    ADDRESS,
    CANTEEN,
    DRAFT,
    FULL,
    WebForms,
    begin,
    go_on,
    heading,
    press,
    send,
    sent_as_file,
    start,
    table,
    tick,
    wait_until,
)

HOSTILE = (
    "<img src=x onerror=alert(1)></textarea><script>document.title='gone'</script> 👩🏽‍🤝‍👨🏻 \"q\" 'é'\n" * 140
)[:10000]
WORD = "Kvjotla"


# Answers


def test_a_long_answer_with_markup_stays_text(page: Page, forms: WebForms) -> None:
    begin(page, forms["canteen"])
    go_on(page, "pageopen")
    box = page.get_by_role("textbox")
    box.fill(HOSTILE)
    expect(page.locator(".counter")).to_contain_text(f"{len(HOSTILE):,}")
    expect(box).to_have_accessible_description(re.compile("Nobody watches.*the lead.*in May", re.DOTALL))
    go_on(page, "send")
    (row,) = read_responses(sent_as_file(page), CANTEEN).people.to_dict("records")
    assert len(HOSTILE) == 10000
    assert row["open1"] == HOSTILE
    assert page.title() != "gone"


def test_in_a_file_no_spreadsheet_runs_what_was_written_and_it_can_be_told_apart(page: Page, forms: WebForms) -> None:
    cells = {}
    for written in ("=1+1", "'=1+1", "''-1", "'tis", "plain"):
        begin(page, forms["canteen"])
        go_on(page, "pageopen")
        page.get_by_role("textbox").fill(written)
        go_on(page, "send")
        cells[written] = table(sent_as_file(page)).loc[0, "open1"]
    assert cells == {"=1+1": "'=1+1", "'=1+1": "''=1+1", "''-1": "'''-1", "'tis": "'tis", "plain": "plain"}


def test_a_formula_arrives_as_written_and_a_link_fills_in_the_team(page: Page, forms: WebForms) -> None:
    begin(page, forms["long"], query="?organisation=a%3Cb%3E&team=north&open1=x")
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill("=HYPERLINK(1)")
    go_on(page, "send")
    (row,) = read_responses(sent_as_file(page), forms.instrument).people.to_dict("records")
    assert (row["organisation"], row["team"], row["open1"]) == ("a<b>", "north", "=HYPERLINK(1)")


def test_too_long_an_answer_is_refused_not_cut(page: Page, forms: WebForms) -> None:
    begin(page, forms["canteen"])
    go_on(page, "pageopen")
    box = page.get_by_role("textbox")
    box.fill("x" * 20003)
    press(page, "Next")
    expect(box).to_have_accessible_description(re.compile("3 characters too long"))
    page.get_by_role("alert").get_by_role("button").press("Enter")
    expect(box).to_be_focused()
    assert len(box.input_value()) == 20003


def test_prefer_not_to_say_stands_alone_and_an_answer_can_be_taken_back(page: Page, forms: WebForms) -> None:
    begin(page, forms["canteen"])
    go_on(page, "pagebackground")
    meals, main = page.get_by_role("group", name="Which meals"), page.get_by_role("group", name="Which is your main")
    tick(meals.get_by_role("checkbox", name="Lunch"))
    tick(meals.get_by_role("checkbox", name="Prefer not to say"))
    tick(main.get_by_role("radio").first)
    press(page, "Clear answer: Which is your main")
    expect(main.get_by_role("radio").first).to_be_focused()
    go_on(page, "send")
    row = table(sent_as_file(page)).loc[0]
    assert row[["meal1", "meal2", "meal3", "meal98", "mainmeal"]].tolist() == ["0", "0", "0", "1", ""]


def test_blanks_are_reminded_of_once_and_no_longer_than_they_are_there(page: Page, forms: WebForms) -> None:
    begin(page, forms["canteen"])
    go_on(page, "pagefood")
    press(page, "Next")
    expect(page.locator(".reminder")).to_contain_text("Without an answer on this page: 4.")
    press(page, "Show me the first")
    expect(page.get_by_role("radio").first).to_be_focused()
    for group in page.get_by_role("group", name=re.compile("Meals|Soup|People|Popular")).all():
        tick(group.get_by_role("radio").first)
    assert page.locator(".reminder").inner_text() == ""
    press(page, "Clear answer: Meals taste good.")
    page.locator(".next").dispatch_event("click")
    assert page.evaluate("history.state.step") == "pageplace"


# The code: nothing but a letter


def everywhere(page: Page) -> str:
    """Return all that the page shows, holds and keeps."""
    told: str = page.evaluate("""() => [
      document.querySelector("main").outerHTML, [...document.querySelectorAll("input")].map((field) => field.value).join(),
      JSON.stringify({ ...localStorage, ...sessionStorage }), JSON.stringify(history.state), document.cookie,
    ].join()""")
    return told


def typed(page: Page) -> None:
    page.keyboard.type(WORD)


def pasted(page: Page) -> None:
    page.evaluate("(word) => navigator.clipboard.writeText(word)", WORD)
    page.keyboard.press("Control+v")


def composed(page: Page) -> None:
    """As an input method or a suggestion above a phone's keyboard puts it in: the length of the field does not hold it."""
    page.evaluate(
        """(word) => {
          const field = document.activeElement;
          field.value = word;
          field.dispatchEvent(new InputEvent("input", { bubbles: true, inputType: "insertReplacementText", data: word }));
        }""",
        WORD,
    )


def typed_and_undone(page: Page) -> None:
    page.keyboard.type(WORD)
    page.keyboard.press("Control+a")
    page.keyboard.type("Z")
    for _ in range(4):
        page.keyboard.press("Control+z")


@pytest.mark.parametrize("entered", [typed, pasted, composed, typed_and_undone])
def test_of_a_word_nothing_but_a_letter_is_kept_shown_or_saved(
    page: Page, forms: WebForms, entered: Callable[[Page], None]
) -> None:
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    begin(page, forms["canteen"])
    go_on(page, "pagecode.0")
    page.get_by_role("textbox").focus()
    entered(page)
    assert len(page.get_by_role("textbox").input_value()) <= 1
    seen = everywhere(page)
    go_on(page, "pagecode")
    seen += everywhere(page)
    go_on(page, "send")
    file = sent_as_file(page)
    assert table(file).loc[0, "code1"] in ({"K"} if entered in (typed, pasted) else {"", "K", "Z"})
    for place in (seen, everywhere(page), file.read_text(encoding="utf-8-sig")):
        assert not re.search(WORD[:2], place, re.IGNORECASE)


def test_the_code_takes_x_for_unknown_and_no_digit(page: Page, forms: WebForms) -> None:
    begin(page, forms["long"])
    press(page, "English")
    go_on(page, "pagecode.0")
    page.get_by_role("textbox").focus()
    page.keyboard.type("é")
    page.keyboard.press("Enter")
    press(page, "I do not know (X)")
    page.get_by_role("textbox").press_sequentially("7")
    expect(page.get_by_role("textbox")).to_have_value("")
    expect(page.get_by_role("textbox")).to_have_accessible_description(re.compile("Only a letter fits"))
    go_on(page, "pagecode")
    assert page.locator(".code li").all_inner_texts() == ["É", "X", "blank", "blank", "blank", "blank"]


# Drafts


def test_closed_in_the_middle_and_gone_on_with(page: Page, forms: WebForms) -> None:
    begin(page, forms["shuffled"])
    go_on(page, "pageopen")
    page.get_by_role("textbox").fill("kept")
    order = page.evaluate(f"JSON.parse(localStorage['{DRAFT}']).order")
    other = page.context.new_page()
    page.goto("about:blank")
    other.goto(forms["shuffled"].as_uri())
    expect(other.get_by_role("heading", level=1)).to_have_text("You have begun already")
    assert other.get_by_role("textbox").count() == 0
    press(other, "Go on where I stopped")
    expect(other.get_by_role("textbox")).to_have_value("kept")
    assert other.evaluate(f"JSON.parse(localStorage['{DRAFT}']).order") == order
    other.reload()
    press(other, "Delete them and begin anew")
    expect(other.get_by_role("button", name="Start")).to_be_visible()
    assert other.evaluate(f"localStorage['{DRAFT}'] ?? null") is None


OLDER = '{"format":1,"stamp":"canteen 0.1.0 form P","answers":{"open1":"old"}}'


@pytest.mark.parametrize("draft", ["{", "7", "null", OLDER])
def test_a_draft_that_does_not_fit_is_not_taken(page: Page, forms: WebForms, draft: str) -> None:
    page.goto(forms["canteen"].as_uri())
    page.evaluate(f"(text) => {{ localStorage['{DRAFT}'] = text; }}", draft)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Answers to an older form")
    assert page.get_by_role("button", name="Go on").count() == 0
    press(page, "Delete them")
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert page.evaluate(f"localStorage['{DRAFT}'] ?? null") is None


@pytest.mark.parametrize("other", ["wave2", "post"])
def test_a_draft_goes_into_no_other_wave_and_to_nobody_else(page: Page, forms: WebForms, other: str) -> None:
    begin(page, forms["canteen"])
    go_on(page, "pagefood")
    page.goto(forms[other].as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("Answers to an older form")
    page.goto(forms["canteen"].as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("You have begun already")


def test_a_draft_that_somebody_changed_gives_no_answer_that_is_not_offered(page: Page, forms: WebForms) -> None:
    begin(page, forms["canteen"])
    changed = page.evaluate(f"""() => {{
      const draft = JSON.parse(localStorage["{DRAFT}"]);
      draft.answers = {{ open1: 7, foodaf: "55", foodab: "2", other: "x" }};
      return JSON.stringify(Object.assign(draft, {{ seconds: {{ a: "b" }}, step: "send", response: "<b>" }}));
    }}""")
    page.goto(forms["trial"].as_uri())  # leaving saves the draft once more
    page.evaluate(f"(text) => {{ localStorage['{DRAFT}'] = text; }}", changed)
    page.goto(forms["canteen"].as_uri())
    press(page, "Go on where I stopped")
    row = table(sent_as_file(page)).loc[0]
    assert row[["open1", "foodaf", "foodab"]].tolist() == ["", "", "2"]
    assert re.fullmatch(r"[0-9a-f]{24}", row["response"])


def test_whoever_declines_leaves_nothing(page: Page, forms: WebForms) -> None:
    page.goto(forms["canteen"].as_uri())
    press(page, "I do not want to take part")
    expect(page.get_by_role("heading", level=1)).to_have_text("That is fine")
    assert page.evaluate("Object.keys(localStorage)") == []
    press(page, "Back to the beginning")
    expect(page.get_by_role("button", name="Start")).to_be_visible()


# The browser's buttons, windows, storage and clock


def test_back_and_forward_of_the_browser(page: Page, forms: WebForms) -> None:
    begin(page, forms["canteen"])
    go_on(page, "pageplace")
    tick(page.get_by_role("radio").nth(3))
    page.go_back()
    assert page.evaluate("history.state.step") == "pagefood"
    page.go_forward()
    assert page.get_by_role("radio").nth(3).is_checked()
    go_on(page, "send")
    sent_as_file(page)
    for _ in range(2):
        page.go_back()
        assert heading(page) == "Thank you"
        assert page.get_by_role("radio").count() == 0


def test_two_windows_are_told_apart(page: Page, forms: WebForms) -> None:
    first, second = page, page.context.new_page()
    begin(first, forms["canteen"])
    go_on(first, "pagefood")
    tick(first.get_by_role("radio").nth(2))
    second.goto(forms["canteen"].as_uri())
    press(second, "Go on where I stopped")
    expect(first.get_by_role("heading", level=1)).to_have_text("Open in another window")
    assert first.get_by_role("radio").count() == 0
    tick(second.get_by_role("radio").nth(4))
    wait_until(first, lambda: first.evaluate(f"JSON.parse(localStorage['{DRAFT}']).answers.foodaf") == "5")
    press(first, "Go on here instead")
    expect(first.get_by_role("radio").nth(4)).to_be_checked()
    expect(second.get_by_role("heading", level=1)).to_have_text("Open in another window")
    go_on(first, "send")
    sent_as_file(first)
    press(second, "Go on here instead")
    expect(second.get_by_text("have been sent or deleted")).to_be_visible()


def test_a_second_window_cannot_begin_over_the_first(page: Page, forms: WebForms) -> None:
    second = page.context.new_page()
    second.goto(forms["canteen"].as_uri())
    begin(page, forms["canteen"])
    start(second)
    expect(second.get_by_role("heading", level=1)).to_have_text("You have begun already")


def test_a_page_that_the_browser_kept_asks_who_goes_on(page: Page, forms: WebForms) -> None:
    begin(page, forms["canteen"])
    go_on(page, "pagefood")
    shown_again = "dispatchEvent(new PageTransitionEvent('pageshow', { persisted: true }))"
    page.evaluate(shown_again)
    assert page.get_by_role("radio").count()
    page.evaluate("localStorage['pwiq:canteen_p:window'] = 'another'")
    page.evaluate(shown_again)
    expect(page.get_by_role("heading", level=1)).to_have_text("Open in another window")


def test_storage_that_is_full_loses_nothing_on_the_page(page: Page, forms: WebForms) -> None:
    begin(page, forms["canteen"])
    page.evaluate(f"() => {{ {FULL} }}")
    go_on(page, "pageopen")
    page.get_by_role("textbox").fill("still here")
    expect(page.get_by_text("cannot be kept on this device")).to_be_visible()
    go_on(page, "send")
    assert table(sent_as_file(page)).loc[0, "open1"] == "still here"


def test_the_clock_may_be_set(page: Page, forms: WebForms) -> None:
    page.goto(forms["canteen"].as_uri())
    page.evaluate("Date.now = () => -1e12")
    start(page)
    go_on(page, "pagefood")
    page.wait_for_timeout(250)
    page.evaluate("Date.now = () => 9e12")
    go_on(page, "send")
    assert 0.2 <= float(table(sent_as_file(page)).loc[0, "seconds_food"]) < 20


# What leaves the page


def test_the_policy_holds(browser: Browser, forms: WebForms) -> None:
    context = browser.new_context()
    asked: list[str] = []
    stopped: list[tuple[str, str | None]] = []
    context.on("request", lambda request: asked.append(request.url))
    context.on("requestfailed", lambda request: stopped.append((request.url, request.failure)))
    page = context.new_page()
    page.goto(forms["canteen"].as_uri())
    tried = """async () => {
      const said = [];
      await fetch("https://elsewhere.invalid/").catch(() => said.push("no request"));
      try { document.body.innerHTML = "<b>x</b>"; } catch { said.push("no HTML"); }
      const image = new Image();
      const failed = new Promise((resolve) => { image.onerror = () => resolve("no image"); });
      image.src = "https://elsewhere.invalid/x.png";
      said.push(await failed);
      const script = document.createElement("script");
      try { script.text = "document.title = 'run'"; } catch { said.push("no script"); }
      return said;
    }"""
    assert page.evaluate(tried) == ["no request", "no HTML", "no image", "no script"]
    # Not "no such host": the browser stopped it before it asked.
    assert stopped == [("https://elsewhere.invalid/x.png", "csp")]
    outside = [url for url in asked if not url.startswith("data:")]
    assert outside == [forms["canteen"].as_uri(), stopped[0][0]]
    context.close()


def test_posted_once_and_again_after_a_failure(own_page: Page, forms: WebForms) -> None:
    page = own_page
    got: list[dict[str, Any]] = []
    replies = ["down", 500, 200]

    def answer(route: Any) -> None:
        if route.request.method == "OPTIONS":
            route.fulfill(status=204, headers={"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"})
            return
        got.append(json.loads(route.request.post_data))
        reply = replies[len(got) - 1]
        if reply == "down":
            route.abort()
        else:
            route.fulfill(status=reply, headers={"Access-Control-Allow-Origin": "*"}, body="")

    page.route(ADDRESS, answer)
    begin(page, forms["post"])
    go_on(page, "pagefood")
    tick(page.get_by_role("radio").nth(4))
    go_on(page, "pagecode.0")
    page.get_by_role("textbox").focus()
    page.keyboard.type(WORD)
    go_on(page, "send")
    expect(page.get_by_text(ADDRESS)).to_be_visible()
    for sentence in ("There is no connection", "did not accept"):
        send(page)
        expect(page.locator(".failed")).to_contain_text(sentence)
        expect(page.locator(".failed")).to_contain_text("Nothing is lost")
    page.evaluate(
        "() => { const send = document.querySelector('button.send'); send.click(); send.click(); send.click(); }"
    )
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert len(got) == 3
    assert len({each["responses"][0]["response"] for each in got}) == 1
    assert [each["try"] for each in got] == [1, 2, 3]
    assert set(got[0]["responses"][0]) == set(got[0]["columns"])
    assert got[0]["responses"][0]["code1"] == WORD[0]
    assert WORD[:2].lower() not in json.dumps(got).lower()


def test_no_reply_in_time_is_said(own_page: Page, forms: WebForms) -> None:
    page = own_page
    page.route(ADDRESS, lambda route: None)  # taken, and never answered
    page.clock.install()
    begin(page, forms["post"])
    go_on(page, "send")
    send(page)
    expect(page.get_by_role("status")).to_have_text("Sending …")
    # What would be changed now would not be among what is under way.
    for name in ("Back", "Español"):
        expect(page.get_by_role("button", name=name)).to_have_attribute("aria-disabled", "true")
        press(page, name)
        assert page.evaluate("[history.state.step, document.documentElement.lang]") == ["send", "en"]
    page.clock.run_for(31_000)
    expect(page.locator(".failed")).to_contain_text("did not reply in time")
    press(page, "Back")
    assert page.evaluate("history.state.step") == "pagecode"


def held(page: Page) -> list[Any]:
    """Return the requests that a page will post: they wait for a reply."""
    waiting: list[Any] = []

    def hold(route: Any) -> None:
        if route.request.method == "OPTIONS":
            route.fulfill(status=204, headers={"Access-Control-Allow-Origin": "*", "Access-Control-Allow-Headers": "*"})
        else:
            waiting.append(route)

    page.route(ADDRESS, hold)
    return waiting


def reply(page: Page, waiting: list[Any], status: int = 200) -> dict[str, Any]:
    """Reply to the one request that waits, and return what was posted."""
    expect(page.get_by_role("status")).to_have_text("Sending …")
    wait_until(page, lambda: bool(waiting))
    route = waiting.pop()
    posted: dict[str, Any] = json.loads(route.request.post_data)
    route.fulfill(status=status, headers={"Access-Control-Allow-Origin": "*"}, body="")
    return posted


def test_answers_changed_after_a_lost_reply_have_a_higher_number(own_page: Page, forms: WebForms) -> None:
    page = own_page
    waiting = held(page)
    begin(page, forms["post"])
    go_on(page, "pageopen")
    page.get_by_role("textbox").fill("first")
    go_on(page, "send")
    send(page)
    first = reply(page, waiting, status=500)
    expect(page.locator(".failed")).to_contain_text("did not accept")
    send(page)
    expect(page.get_by_role("status")).to_have_text("Sending …")
    page.reload()  # the reply to the second is never seen
    waiting.clear()
    press(page, "Go on where I stopped")
    for _ in range(10):
        if page.evaluate("history.state.step") != "pageopen":
            press(page, "Back")
    page.get_by_role("textbox").fill("changed")
    go_on(page, "send")
    send(page)
    third = reply(page, waiting)
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert [first["try"], third["try"]] == [1, 3]
    assert [each["responses"][0]["open1"] for each in (first, third)] == ["first", "changed"]
    assert first["responses"][0]["response"] == third["responses"][0]["response"]


def test_a_window_that_goes_on_with_answers_under_way_hears_that_they_arrived(own_page: Page, forms: WebForms) -> None:
    first, second = own_page, own_page.context.new_page()
    owner = "localStorage['pwiq:canteen_p:window']"
    waiting = held(first)
    asked: list[Any] = held(second)
    begin(first, forms["post"])
    go_on(first, "send")
    send(first)
    second.goto(forms["post"].as_uri())
    press(second, "Go on where I stopped")
    expect(second.locator("button.send")).to_be_visible()
    # It fails: the second has the answers now.
    wait_until(first, lambda: first.evaluate(owner) == second.evaluate(owner))
    reply(first, waiting, status=500)
    expect(first.get_by_role("heading", level=1)).to_have_text("Open in another window")
    press(first, "Go on here instead")
    send(first)
    press(second, "Go on here instead")
    expect(second.locator("button.send")).to_be_visible()
    wait_until(first, lambda: first.evaluate(owner) == second.evaluate(owner))
    posted = reply(first, waiting)
    expect(first.get_by_role("heading", level=1)).to_have_text("Thank you")
    expect(second.get_by_role("heading", level=1)).to_have_text("Already sent")
    expect(second.locator("button.send")).to_have_count(0)
    press(second, "Español")
    expect(second.get_by_role("heading", level=1)).to_have_text("Ya se enviaron")
    second.evaluate("dispatchEvent(new PopStateEvent('popstate', { state: history.state }))")  # as Back does
    expect(second.get_by_role("heading", level=1)).to_have_text("Ya se enviaron")
    second.reload()
    expect(second.get_by_role("button", name="Start")).to_be_visible()
    assert (posted["try"], asked) == (2, [])
    kept = second.evaluate("JSON.stringify(localStorage)")
    assert posted["responses"][0]["response"] not in kept


def test_a_draft_that_was_sent_since_it_was_offered_is_not_gone_on_with(page: Page, forms: WebForms) -> None:
    second = page.context.new_page()
    begin(page, forms["canteen"])
    second.goto(forms["canteen"].as_uri())
    expect(second.get_by_role("heading", level=1)).to_have_text("You have begun already")
    go_on(page, "send")
    sent_as_file(page)
    wait_until(second, lambda: second.evaluate(f"localStorage['{DRAFT}'] ?? null") is None)
    press(second, "Go on where I stopped")
    expect(second.get_by_text("have been sent or deleted")).to_be_visible()
