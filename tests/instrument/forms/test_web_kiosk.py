"""The web form on a shared device: a facilitator collects, and nobody sees what another wrote."""

from __future__ import annotations

import hashlib
import json

import pytest
from playwright.sync_api import Page, expect

from instrument import read_responses
from tests.instrument.forms.web_form import (
    CANTEEN,
    FULL,
    WebForms,
    go_on,
    heading,
    press,
    saved,
    send,
    start,
    table,
    tick,
)

PIN = "482913"
EVERYTHING = (
    "() => document.documentElement.outerHTML + JSON.stringify({ ...localStorage }) + JSON.stringify(history.state)"
)


def set_up(page: Page, forms: WebForms, pin: str = PIN) -> None:
    page.goto(forms["kiosk"].as_uri())
    page.get_by_label("PIN", exact=True).fill(pin)
    page.get_by_label("PIN once more").fill(pin)
    press(page, "Ready")


def prepared(page: Page, forms: WebForms) -> None:
    """Show the first page of a device that was set up, with a PIN that is quick to check."""
    page.goto(forms["kiosk"].as_uri())
    known = {"salt": "00", "hash": hashlib.pbkdf2_hmac("sha256", PIN.encode(), b"\0", 1000).hex(), "rounds": 1000}
    page.evaluate(
        "(pin) => { localStorage['pwiq:canteen_p:pin'] = pin; }", json.dumps(known | {"wrong": 0, "since": 0})
    )
    page.reload()


def log_in(page: Page, pin: str = PIN) -> None:
    press(page, "For the facilitator")
    page.get_by_label("PIN").fill(pin)
    page.get_by_label("PIN").press("Enter")


def answer_as(page: Page, code: int, words: str) -> None:
    start(page)
    go_on(page, "pagefood")
    tick(page.get_by_role("radio").nth(code - 1))
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill(words)
    go_on(page, "send")
    send(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")


def test_many_people_on_one_device(page: Page, forms: WebForms) -> None:
    set_up(page, forms, "12345")
    expect(page.get_by_role("alert")).to_contain_text("at least 6 characters")
    pin = page.get_by_label("PIN", exact=True)
    expect(pin).to_be_focused()
    expect(pin).to_have_accessible_description("The PIN needs at least 6 characters.")
    pin.fill(PIN)
    press(page, "Ready")
    expect(page.get_by_label("PIN once more")).to_have_accessible_description("The two PINs differ.")
    page.get_by_label("PIN once more").fill(PIN)
    press(page, "Ready")
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    answer_as(page, 2, "the first wrote this")
    for _ in range(4):
        page.go_back()
        assert page.get_by_role("radio").count() + page.get_by_role("textbox").count() == 0
    assert heading(page) == "Thank you"
    press(page, "Next person")
    page.go_back()
    assert page.get_by_role("radio", checked=True).count() + page.get_by_role("textbox").count() == 0
    answer_as(page, 5, "- the second")
    press(page, "Next person")
    log_in(page, "000000")
    expect(page.get_by_label("PIN")).to_have_accessible_description("That is not the PIN.")
    page.get_by_label("PIN").fill(PIN)
    press(page, "Open")
    expect(page.get_by_text("Finished questionnaires on this device: 2")).to_be_visible()
    assert "the first wrote this" not in page.content()
    press(page, "Delete these")
    expect(page.get_by_role("alert")).to_contain_text("Save the answers as a file first")
    with page.expect_download() as waiting:
        press(page, "Save as CSV")
    responses = read_responses(saved(waiting.value), CANTEEN)
    people = responses.people.assign(first=responses.answers["foodaf"]).set_index("first")
    assert people["open1"].to_dict() == {2: "the first wrote this", 5: "- the second"}
    with page.expect_download() as waiting:
        press(page, "Save as JSON")
    exact = json.loads(saved(waiting.value).read_text(encoding="utf-8"))
    assert sorted(row["open1"] for row in exact["responses"]) == ["- the second", "the first wrote this"]
    tick(page.get_by_role("checkbox"))
    press(page, "Delete these")
    expect(page.get_by_text("Finished questionnaires on this device: 0")).to_be_visible()
    kept = page.evaluate("() => ({ ...localStorage })")
    assert not [name for name in kept if ":answer:" in name]
    assert PIN not in json.dumps(kept)
    assert json.loads(kept["pwiq:canteen_p:pin"])["rounds"] >= 600000


LEFT = "left behind by somebody"
# Ways in which somebody stops half-way, and the next person comes.
LEAVING = {
    "reload": lambda page: page.reload(),
    "kept by the browser": lambda page: page.evaluate(
        """() => {
          dispatchEvent(new PageTransitionEvent("pagehide", { persisted: true }));
          dispatchEvent(new PageTransitionEvent("pageshow", { persisted: true }));
        }"""
    ),
    "gone and come back": lambda page: (page.goto("about:blank"), page.go_back()),
    "no more": lambda page: (go_on(page, "pagecode.0"), press(page, "Back"), page.reload(), page.go_back()),
}


@pytest.mark.parametrize("leave", LEAVING.values(), ids=LEAVING)
def test_what_was_begun_is_gone_for_the_next_person(page: Page, forms: WebForms, leave: object) -> None:
    prepared(page, forms)
    start(page)
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill(LEFT)
    assert callable(leave)
    leave(page)
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert page.get_by_role("checkbox", checked=True).count() == 0
    assert LEFT not in page.evaluate(EVERYTHING)
    page.reload()
    start(page)
    go_on(page, "pageopen")
    field = page.get_by_role("textbox").first
    assert field.input_value() == ""
    field.focus()
    for _ in range(3):
        page.keyboard.press("Control+z")
    assert LEFT not in page.evaluate(EVERYTHING) + field.input_value()


def test_undo_brings_nothing_of_the_one_before_back(page: Page, forms: WebForms) -> None:
    prepared(page, forms)
    start(page)
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.focus()
    page.keyboard.type(LEFT)
    go_on(page, "pagecode.0")
    page.get_by_role("textbox").focus()
    page.keyboard.type("Q")
    go_on(page, "send")
    send(page)
    press(page, "Next person")
    start(page)
    for step in ("pageopen", "pagecode.0"):
        go_on(page, step)
        field = page.get_by_role("textbox").first
        field.focus()
        for _ in range(5):
            page.keyboard.press("Control+z")
        assert field.input_value() == ""


def test_wrong_pins_make_one_wait_and_neither_reload_nor_clock_helps(page: Page, forms: WebForms) -> None:
    prepared(page, forms)
    page.evaluate("""() => {
      const pin = { ...JSON.parse(localStorage["pwiq:canteen_p:pin"]), wrong: 4, since: Date.now() };
      localStorage["pwiq:canteen_p:pin"] = JSON.stringify(pin);
    }""")
    for sentence, clock in (
        ("That is not the PIN.", "0"),
        ("Too many wrong PINs", "0"),
        ("Too many wrong PINs", "Date.now = () => 1e12"),
    ):
        page.reload()
        page.evaluate(clock)
        log_in(page, "000000" if clock == "0" else PIN)
        expect(page.get_by_text(sentence)).to_be_visible()


@pytest.mark.parametrize(
    ("lacking", "sentence"),
    [
        ("Object.defineProperty(crypto, 'subtle', { value: undefined })", "no cryptography here"),
        (FULL, "keeps nothing for this page"),
    ],
)
def test_without_cryptography_or_storage_it_says_so(
    own_page: Page, forms: WebForms, lacking: str, sentence: str
) -> None:
    own_page.add_init_script(lacking)
    own_page.goto(forms["kiosk"].as_uri())
    expect(own_page.get_by_text(sentence)).to_be_visible()


# Full for as long as a large answer is there: nothing can be added, and no entry can grow.
QUOTA = """const set = Storage.prototype.setItem;
Storage.prototype.setItem = function (name, text) {
  const full = this.getItem("pwiq:canteen_p:answer:big") !== null;
  if (full && text.length > (this.getItem(name) ?? "").length) throw new DOMException("full", "QuotaExceededError");
  set.call(this, name, text);
};"""
BIG = "() => { localStorage['pwiq:canteen_p:answer:big'] = JSON.stringify({ row: { response: 'big' } }); }"


def test_a_full_device_loses_no_answer_and_the_facilitator_makes_room(page: Page, forms: WebForms) -> None:
    prepared(page, forms)
    log_in(page)
    expect(page.get_by_text("Finished questionnaires on this device")).to_be_visible()
    press(page, "Close")
    start(page)
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill("not lost")
    go_on(page, "send")
    page.evaluate(BIG)
    page.evaluate(f"() => {{ {QUOTA} }}")
    send(page)
    expect(page.locator(".failed")).to_contain_text("call the facilitator")
    assert page.get_by_role("button").all_inner_texts() == ["English", "Español", "Back", "Hand in my answers"]
    second = page.context.new_page()
    second.add_init_script(QUOTA)
    second.goto(forms["kiosk"].as_uri())
    log_in(second)
    with second.expect_download() as waiting:
        press(second, "Save as JSON")
    assert "not lost" not in saved(waiting.value).read_text(encoding="utf-8")
    tick(second.get_by_role("checkbox"))
    press(second, "Delete these")
    expect(second.get_by_text("Finished questionnaires on this device: 0")).to_be_visible()
    send(page)
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    press(second, "Close")
    log_in(second)
    with second.expect_download() as waiting:
        press(second, "Save as CSV")
    assert table(saved(waiting.value))["open1"].tolist() == ["not lost"]


def test_a_door_that_was_closed_does_not_open_later(page: Page, forms: WebForms) -> None:
    prepared(page, forms)
    page.evaluate("""() => {
      const derive = crypto.subtle.deriveBits.bind(crypto.subtle);
      crypto.subtle.deriveBits = async (...all) => {
        const bits = await derive(...all);
        await window.held;
        window.done = true;
        return bits;
      };
      window.held = new Promise((resolve) => { window.release = resolve; });
    }""")
    log_in(page)
    press(page, "Close")
    expect(page.get_by_role("button", name="For the facilitator")).to_be_visible()
    page.evaluate("window.release()")
    page.wait_for_function("() => window.done")
    page.evaluate("() => new Promise((resolve) => setTimeout(resolve, 50))")
    assert page.get_by_text("Finished questionnaires on this device").count() == 0


DAMAGED = ["{", "{}", "null", '{"row": []}', '{"row": {"response": "a4", "open1": 7}}']


def test_damaged_entries_are_counted_kept_and_told(page: Page, forms: WebForms) -> None:
    prepared(page, forms)
    page.evaluate(
        "(damaged) => damaged.forEach((text, at) => { localStorage[`pwiq:canteen_p:answer:a${at}`] = text; })", DAMAGED
    )
    answer_as(page, 1, "whole")
    press(page, "Next person")
    log_in(page)
    expect(page.get_by_text(f"Finished questionnaires on this device: {len(DAMAGED) + 1}")).to_be_visible()
    expect(page.get_by_text(f"left out of the files: {len(DAMAGED)}")).to_be_visible()
    with page.expect_download() as waiting:
        press(page, "Save as CSV")
    assert table(saved(waiting.value))["open1"].tolist() == ["whole"]
    tick(page.get_by_role("checkbox"))
    press(page, "Delete these")
    expect(page.get_by_text(f"Finished questionnaires on this device: {len(DAMAGED)}")).to_be_visible()
    names = [f"pwiq:canteen_p:answer:a{at}" for at in range(len(DAMAGED))]
    assert page.evaluate("(names) => names.map((name) => localStorage[name])", names) == DAMAGED


def test_whoever_walks_away_leaves_nothing_behind(own_page: Page, forms: WebForms) -> None:
    page = own_page
    page.clock.install()
    prepared(page, forms)
    # On the first page there is nothing to lose: tick and language go without a word.
    tick(page.get_by_role("checkbox"))
    press(page, "Español")
    page.clock.run_for(301_000)
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert page.get_by_role("checkbox", checked=True).count() + page.get_by_role("dialog").count() == 0
    page.evaluate("document.querySelector('[id$=-consent]').click()")
    press(page, "Start")
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill(LEFT)
    page.clock.run_for(301_000)
    expect(page.get_by_role("dialog", name="Are you still there?")).to_be_visible()
    press(page, "I am still here")
    expect(page.get_by_role("textbox").first).to_have_value(LEFT)
    page.clock.run_for(301_000)
    # Somebody brushes the screen beside the question: that is no answer to it.
    page.mouse.click(5, 5)
    page.clock.run_for(61_000)
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert LEFT not in page.evaluate(EVERYTHING)


def test_a_device_that_slept_wakes_empty(own_page: Page, forms: WebForms) -> None:
    page = own_page
    prepared(page, forms)
    start(page)
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill(LEFT)
    wake = "(by) => { const now = Date.now() + by; Date.now = () => now; document.dispatchEvent(new Event('visibilitychange')); }"
    page.evaluate(wake, 30_000)
    expect(page.get_by_role("textbox").first).to_have_value(LEFT)
    page.evaluate(wake, 400_000)
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert LEFT not in page.evaluate(EVERYTHING)


def test_the_facilitators_pages_close_by_themselves_too(own_page: Page, forms: WebForms) -> None:
    page = own_page
    page.clock.install()
    prepared(page, forms)
    log_in(page)
    expect(page.get_by_role("heading", name="Answers on this device")).to_be_visible()
    page.clock.run_for(301_000)
    page.keyboard.press("Tab")
    page.clock.run_for(61_000)
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    page.go_back()
    assert page.get_by_text("Finished questionnaires").count() == 0
