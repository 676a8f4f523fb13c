"""The web form in a real browser: filled in by keyboard alone, read back, looked at by axe, and treated badly."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Download, Page, expect, sync_playwright

from instrument import Survey, build_survey, read_instrument, read_responses
from instrument.forms.study import Study, StudyText, Support
from instrument.forms.web import write_web
from instrument.responses import question_columns

TEXT = StudyText(
    by="We",
    contact="Ask us",
    consent="Yours.",
    readers="the lead",
    when="in May",
    support=(Support(name="S", how="Room 2"),),
)
STUDY = Study(texts=(("en", TEXT), ("es", TEXT)))
ADDRESS = "https://answers.invalid/post"
FLAGS = (
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync"),
)
HOSTILE = (
    "<img src=x onerror=alert(1)></textarea><script>document.title='gone'</script> 👩🏽‍🤝‍👨🏻 \"q\" 'é'\n" * 140
)[:10000]
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"
FOCUSED = """() => {
  const at = document.activeElement;
  const place = at.closest("[data-question]");
  return {
    tag: at.tagName, type: at.type ?? "", words: at.className, checked: at.checked ?? false, value: at.value ?? "",
    question: place?.dataset.question ?? "", asked: place?.querySelector("legend, .asked")?.textContent ?? "",
    labels: place ? [...place.querySelectorAll("label.choice")].map((label) => label.innerText) : [],
  };
}"""


@pytest.fixture(scope="module")
def browser(needs_tool: Callable[..., str]) -> Iterator[Browser]:
    with sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=needs_tool("chromium", "chromium-browser"), args=list(FLAGS))
        yield opened
        opened.close()


@pytest.fixture(scope="module")
def p_form() -> Survey:
    return build_survey(read_instrument("pwiq"), forms=["P"], follow_up=True)


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory, p_form: Survey) -> dict[str, Path]:
    """Web forms, by name."""
    instrument = read_instrument("pwiq")
    short = build_survey(instrument, forms=["CS"], languages=["en", "es"])
    posting = Study(texts=STUDY.texts, address=ADDRESS)
    made = {
        "p": write_web(p_form, study=STUDY, shuffle=True),
        "cs": write_web(short, study=STUDY),
        "all": write_web(build_survey(instrument, forms=instrument.forms.ids, planning=True)),
        "kiosk": write_web(short, study=STUDY, kiosk=True),
        "post": write_web(short, study=posting),
    }
    folder = tmp_path_factory.mktemp("web")
    for name, text in made.items():
        (folder / f"{name}.html").write_text(text, encoding="utf-8")
    return {name: folder / f"{name}.html" for name in made}


@pytest.fixture
def context(browser: Browser) -> Iterator[BrowserContext]:
    """A context in which no page may ask anything of a network or complain in the console."""
    opened = browser.new_context(viewport={"width": 1280, "height": 800})
    opened.set_default_timeout(10_000)
    wrong: list[str] = []

    def refuse(route: Any) -> None:
        if route.request.url.startswith(("file:", "blob:")):
            route.continue_()
        else:
            wrong.append(route.request.url)
            route.abort()

    opened.route("**/*", refuse)
    opened.on("console", lambda message: wrong.append(message.text))
    opened.on("weberror", lambda error: wrong.append(str(error.error)))
    yield opened
    opened.close()
    assert not wrong


def begin(page: Page, file: Path, *, consent: bool = True, query: str = "") -> Page:
    page.goto(file.as_uri() + query)
    if consent:
        page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Start").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("What this is about")
    page.get_by_role("button", name="Next").click()
    return page


GO_ON = """(until) => {
  for (let press = 0; press < 200 && history.state.step !== until; press += 1) document.querySelector("button.next").click();
  return history.state.step;
}"""


def go_on(page: Page, until: str) -> None:
    """Press Next, past blanks, until a step."""
    assert page.evaluate(GO_ON, until) == until


def filled_in(page: Page, press: Callable[[], None]) -> pd.DataFrame:
    with page.expect_download() as waiting:
        press()
    return pd.read_csv(saved(waiting.value), dtype=str, keep_default_na=False)


def saved(download: Download) -> Path:
    target = Path(str(download.path())).parent / download.suggested_filename
    download.save_as(target)
    return target


# By keyboard alone


def pick(question: str, count: int) -> int:
    """Return which answer to give: any, but the same at every run."""
    return zlib.crc32(question.encode()) % count


class Typist:
    """Fills in a form with Tab, arrows, Space and Enter, and remembers what was chosen."""

    def __init__(self, page: Page, survey: Survey, language: str, form: str) -> None:
        self.page, self.language, self.form = page, language, form
        self.survey = survey
        self.asked = {question.id: question for question in survey.questions()}
        self.chosen: dict[str, str] = {}

    def focused(self) -> dict[str, Any]:
        return self.page.evaluate(FOCUSED)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)

    def run(self, path: Path) -> Download:
        self.page.goto(path.as_uri())
        with self.page.expect_download(timeout=120_000) as waiting:
            for _ in range(2000):
                self.press("Tab")
                at = self.focused()
                if self.meet(at):
                    break
            else:
                raise AssertionError("never came to the end")
        return waiting.value

    def meet(self, at: dict[str, Any]) -> bool:
        """Do what the focused control asks for; return whether it was the last."""
        if at["tag"] == "BUTTON" and at["words"].startswith("main"):
            self.press("Enter")
            self.page.wait_for_function("document.activeElement.tagName === 'H1'")
            return "send" in at["words"]
        if at["tag"] == "BUTTON" and at["words"] == "" and at["type"] == "button" and not at["question"]:
            if self.page.evaluate("document.activeElement.lang") == self.language:
                self.press("Space")  # the language; the focus stays on it
        elif at["question"]:
            self.answer(at)
        elif at["type"] == "checkbox":
            self.press("Space")  # consent
        return False

    def answer(self, at: dict[str, Any]) -> None:
        question = self.asked[at["question"]]
        assert at["asked"].startswith(question.text[self.language])
        assert at["labels"] == [choice.label[self.language] for choice in question.choices]
        if at["tag"] == "BUTTON":
            return
        assert not question.forms or self.form in question.forms
        if question.kind == "single":
            codes = [choice.code for choice in question.choices]
            place = codes.index(self.form) if question.id == "form" else pick(question.id, len(codes))
            # From the first answer, up leads to the last.
            back = len(codes) - place
            self.press("Space", *(["ArrowDown"] * place if place <= back else ["ArrowUp"] * back))
            self.chosen[question.id] = codes[place]
            landed = self.focused()
            assert (landed["checked"], landed["value"]) == (True, codes[place])
        elif question.kind == "several":
            if at["value"] in ("1", "3"):
                self.press("Space")
            wanted = {choice.code: "1" if choice.code in ("1", "3") else "0" for choice in question.choices}
            self.chosen |= {f"{question.id}{code}": value for code, value in wanted.items()}
        elif question.role == "code":
            letter = "bxéQ"[pick(question.id, 4)]
            self.page.keyboard.type(f"{letter}ana")  # a whole word: only its first letter is taken
            self.chosen[question.id] = letter.upper()
        else:
            text = f"{question.id}: ¿sí? <b>"
            self.page.keyboard.insert_text(text)
            self.chosen[question.id] = text


@pytest.mark.parametrize(("name", "form", "language"), [("p", "P", "en"), ("cs", "CS", "es"), ("all", "MS", "en")])
def test_filled_in_by_keyboard_alone_and_read_back(
    context: BrowserContext, pages: dict[str, Path], name: str, form: str, language: str, p_form: Survey
) -> None:
    instrument = read_instrument("pwiq")
    survey = {
        "p": p_form,
        "cs": build_survey(instrument, forms=["CS"]),
        "all": build_survey(instrument, forms=instrument.forms.ids, planning=True),
    }[name]
    typist = Typist(context.new_page(), survey, language, form)
    responses = read_responses(saved(typist.run(pages[name])), instrument)
    (row,) = responses.people.to_dict("records")
    items = instrument.asked_by(form)
    off = {code.code: code.reason for code in instrument.response_scales["agree"].off_scale}
    for item in items:
        code = int(typist.chosen[item])
        got = responses.answers[item].iloc[0], responses.off_scale[item].iloc[0]
        if code in off:
            assert (pd.isna(got[0]), got[1]) == (True, off[code])
        else:
            assert (got[0], pd.isna(got[1])) == (code, True)
    assert row["form"] == form
    assert row["language"] == language
    assert row["version"] == instrument.version
    assert not str(responses.ledger["note"].tolist()).count("another version")
    questions = [
        q for q in survey.questions() if q.id in instrument.questions.ids and form in q.forms and q.id != "form"
    ]
    assert {q.id for q in questions if q.kind != "several"} | set(items) <= typist.chosen.keys()
    for question in questions:
        spoken = instrument.questions[question.id]
        for column in question_columns(spoken, instrument):
            if column not in typist.chosen:
                continue  # answers that are offered only in another phase
            told = None if pd.isna(row[column]) else str(row[column])
            scale = None if spoken.scale is None or spoken.multiple else instrument.response_scales[spoken.scale]
            beside = scale is not None and int(typist.chosen[column]) not in scale.codes
            assert told == (None if beside else typist.chosen[column]), column
    blocks = [
        page.id.removeprefix("page")
        for page in survey.pages
        if page.kind == "items" and (not survey.forms or form in survey.forms_of(page))
    ]
    assert sorted(row["blocks"].split()) == sorted(blocks)
    if name == "p":
        assert row["blocks"].split() == shuffled(blocks, int(row["seed"]))
    else:
        assert row["blocks"].split() == blocks
    assert all(float(row[f"seconds_{block}"]) > 0 for block in blocks)
    assert pd.isna(row["trial"]) == (name != "all")


def shuffled(blocks: list[str], seed: int) -> list[str]:
    """Fisher and Yates' shuffle with the generator mulberry32, written down once more."""
    state, order, whole = seed, list(blocks), 2**32 - 1

    def draw() -> float:
        nonlocal state
        state = (state + 0x6D2B79F5) & whole
        mixed = ((state ^ (state >> 15)) * (state | 1)) & whole
        mixed ^= (mixed + (((mixed ^ (mixed >> 7)) * (mixed | 61)) & whole)) & whole
        return ((mixed ^ (mixed >> 14)) & whole) / 2**32

    for last in range(len(order) - 1, 0, -1):
        at = int(draw() * (last + 1))
        order[last], order[at] = order[at], order[last]
    return order


# Accessible


SMALL = """() => [...document.querySelectorAll("button, label.choice, input.letter, textarea")]
  .filter((control) => control.getClientRects().length)
  .map((control) => [control.getBoundingClientRect(), control.textContent])
  .filter(([box]) => box.width < 24 || box.height < 24).map(([, text]) => text)"""


def test_axe_finds_nothing_and_no_page_scrolls_sideways(browser: Browser, pages: dict[str, Path]) -> None:
    # The policy forbids what axe does; it is tested elsewhere.
    context = browser.new_context(bypass_csp=True, reduced_motion="reduce")  # no colour half-way to another
    page = context.new_page()
    found: list[str] = []
    titles: list[str] = []

    def look(name: str) -> None:
        titles.append(page.title())
        for width in (320, 1280):
            page.set_viewport_size({"width": width, "height": 800})
            if page.evaluate("document.documentElement.scrollWidth") > width:
                found.append(f"{name} {width}: scrolls sideways")
            found.extend(f"{name} {width}: small: {text}" for text in page.evaluate(SMALL))
            for scheme in ("light", "dark"):
                page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
                # What neither width nor colours touch is the same in all four.
                once = (width, scheme) == (320, "light")
                only = {} if once else {"runOnly": ["color-contrast", "link-in-text-block", "target-size"]}
                result = page.evaluate("(options) => axe.run(options)", {"resultTypes": ["violations"], **only})
                found.extend(
                    f"{name} {width} {scheme}: {each['id']} {each['nodes'][0]['html'][:90]}"
                    for each in result["violations"]
                )

    page.goto(pages["cs"].as_uri())
    page.evaluate(Axe().axe_script)
    look("first")
    page.get_by_role("button", name="Start").click()
    look("first, with its fault")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Start").click()
    go_on(page, "pagerole")
    page.get_by_role("radio").nth(1).check()
    page.get_by_role("button", name="Next").click()
    look("grid, with the reminder")
    for step in ("pagebackground", "pageopen", "pagecode.0", "pagecode", "send"):
        go_on(page, step)
        look(step)
    with page.expect_download():
        page.locator("button.send").click()
    look("thanks")
    context.close()
    assert not found
    assert len(set(titles)) == len(titles) - 1  # the first page's fault does not rename it


def test_axe_finds_nothing_beside_the_questionnaire(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(
        bypass_csp=True, reduced_motion="reduce", viewport={"width": 320, "height": 800}, color_scheme="dark"
    )
    page = context.new_page()
    found: list[str] = []

    def look(name: str) -> None:
        if page.evaluate("document.documentElement.scrollWidth") > 320:
            found.append(f"{name}: scrolls sideways")
        violations = Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
        found.extend(f"{name}: {each['id']} {each['nodes'][0]['html'][:90]}" for each in violations)

    page.goto(pages["kiosk"].as_uri())
    page.get_by_role("button", name="Ready").click()
    look("setting up")
    set_up(page, pages["kiosk"])
    look("first page of a shared device")
    page.get_by_role("button", name="For the facilitator").click()
    look("PIN")
    page.get_by_label("PIN").fill("482913")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("Finished questionnaires")).to_be_visible()
    look("collected")
    begin(page, pages["all"], consent=False)
    page.reload()
    look("a draft was found")
    context.close()
    assert not found


def test_axe_finds_what_is_wrong(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(pages["cs"].as_uri())
    page.evaluate("document.querySelector('.pwiq-form').style.setProperty('--ink', '#aaaaaa')")
    result = Axe().run(page, options={"resultTypes": ["violations"]})
    assert "color-contrast" in [each["id"] for each in result.response["violations"]]
    context.close()


def test_names_roles_and_states_that_a_screen_reader_is_told(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = begin(context.new_page(), pages["cs"])
    go_on(page, "pagerole")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    instrument = read_instrument("pwiq")
    first = next(item for item in instrument.items if "CS" in item.forms)
    group = page.get_by_role("group", name=first.text["en"])
    labels = [choice for code, choice in instrument.response_scales["agree"].labels.items() if code != 99]
    assert [radio.evaluate("e => e.labels[0].innerText") for radio in group.get_by_role("radio").all()] == [
        label["en"] for label in labels
    ]
    group.get_by_role("radio", name="Agree", exact=True).check()
    group.get_by_role("button", name=f"Clear answer: {first.text['en']}").click()
    assert group.get_by_role("radio", checked=True).count() == 0
    assert page.get_by_role("progressbar", name=re.compile(r"Page \d+ of \d+")).count() == 1
    page.get_by_role("button", name="Español").click()
    assert page.evaluate("[document.documentElement.lang, document.title.slice(0, 6)]") == ["es", "Frases"]
    assert page.get_by_role("group", name=first.text["es"]).count() == 1


def test_zoomed_moving_little_and_with_forced_colours(browser: Browser, pages: dict[str, Path]) -> None:
    # 200 % at 1280 pixels is 640 pixels with two device pixels each.
    context = browser.new_context(
        viewport={"width": 640, "height": 400}, device_scale_factor=2, forced_colors="active", reduced_motion="reduce"
    )
    page = begin(context.new_page(), pages["p"])
    go_on(page, "pageimportance")
    page.get_by_role("radio").first.check()
    style = "([s]) => { const c = getComputedStyle(document.querySelector(s)); return [c.outlineStyle, c.transitionDuration]; }"
    assert page.evaluate(style, [".choice:has(:checked)"]) == ["solid", "0s"]
    assert page.evaluate("document.documentElement.scrollWidth") == 640
    context.close()


# Hard inputs


def test_a_long_answer_with_markup_stays_text(context: BrowserContext, pages: dict[str, Path], tmp_path: Path) -> None:
    page = begin(context.new_page(), pages["cs"], query="?organisation=a%3Cb%3E&team=north")
    go_on(page, "pageopen")
    first, second = page.get_by_role("textbox").all()
    first.fill(HOSTILE)
    second.fill("=HYPERLINK(1)")
    expect(page.locator(".counter").first).to_contain_text(f"{len(HOSTILE):,}")
    expect(first).to_have_accessible_description(re.compile("Nobody watches.*the lead.*in May", re.DOTALL))
    go_on(page, "send")
    with page.expect_download() as waiting:
        page.locator("button.send").click()
    responses = read_responses(saved(waiting.value), read_instrument("pwiq"))
    (row,) = responses.people.to_dict("records")
    assert len(HOSTILE) == 10000
    assert row["open1"] == HOSTILE
    assert row["open2"] == "'=HYPERLINK(1)"
    assert (row["organisation"], row["team"]) == ("a<b>", "north")
    assert page.title() != "gone"


def test_too_long_an_answer_is_refused_not_cut(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = begin(context.new_page(), pages["cs"])
    go_on(page, "pageopen")
    box = page.get_by_role("textbox").first
    box.fill("x" * 20003)
    page.get_by_role("button", name="Next").click()
    expect(box).to_have_attribute("aria-invalid", "true")
    expect(box).to_have_accessible_description(re.compile("3 characters too long"))
    page.get_by_role("alert").get_by_role("button").click()
    expect(box).to_be_focused()
    assert len(box.input_value()) == 20003


def test_closed_in_the_middle_and_gone_on_with(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = begin(context.new_page(), pages["p"])
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill("kept")
    order = page.evaluate("JSON.parse(localStorage['pwiq:pwiq_p:draft']).order")
    page.close()
    page = context.new_page()
    page.goto(pages["p"].as_uri())
    expect(page.get_by_role("heading", level=1)).to_have_text("You have begun already")
    assert page.get_by_role("textbox").count() == 0
    page.get_by_role("button", name="Go on where I stopped").click()
    expect(page.get_by_role("textbox").first).to_have_value("kept")
    assert page.evaluate("JSON.parse(localStorage['pwiq:pwiq_p:draft']).order") == order
    page.reload()
    page.get_by_role("button", name="Delete them and begin anew").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert page.evaluate("localStorage['pwiq:pwiq_p:draft'] ?? null") is None


@pytest.mark.parametrize("draft", ["{", "7", "null", '{"format":1,"stamp":"pwiq 0.1.0 form CS","answers":{}}'])
def test_a_draft_that_does_not_fit_is_not_taken(context: BrowserContext, pages: dict[str, Path], draft: str) -> None:
    page = context.new_page()
    page.goto(pages["cs"].as_uri())
    page.evaluate("(text) => { localStorage['pwiq:pwiq_cs:draft'] = text; }", draft)
    page.reload()
    expect(page.get_by_role("heading", level=1)).to_have_text("Answers to an older form")
    assert page.get_by_role("button", name="Go on").count() == 0
    page.get_by_role("button", name="Delete them").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()


def test_a_draft_that_somebody_changed_gives_no_answer_that_is_not_offered(
    context: BrowserContext, pages: dict[str, Path]
) -> None:
    page = begin(context.new_page(), pages["cs"])
    page.evaluate("""() => {
      const draft = JSON.parse(localStorage["pwiq:pwiq_cs:draft"]);
      draft.answers = { open1: 7, contact: "55", tenurerole: "2", other: "x" };
      Object.assign(draft, { seconds: { a: "b" }, step: "send", response: "<b>" });
      window.changed = JSON.stringify(draft);
    }""")
    changed = page.evaluate("window.changed")
    page.goto(pages["all"].as_uri())  # leaving saves the draft once more
    page.evaluate("(text) => { localStorage['pwiq:pwiq_cs:draft'] = text; }", changed)
    page.goto(pages["cs"].as_uri())
    page.get_by_role("button", name="Go on where I stopped").click()
    table = filled_in(page, page.locator("button.send").click)
    assert table.loc[0, ["open1", "contact", "tenurerole"]].tolist() == ["", "", "2"]
    assert re.fullmatch(r"[0-9a-f]{24}", table.loc[0, "response"])


def test_back_and_forward_of_the_browser(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = begin(context.new_page(), pages["cs"])
    go_on(page, "pagerole")
    page.get_by_role("radio").nth(3).check()
    page.go_back()
    assert page.evaluate("history.state.step") != "pagerole"
    page.go_forward()
    assert page.get_by_role("radio").nth(3).is_checked()
    go_on(page, "send")
    with page.expect_download():
        page.locator("button.send").click()
    page.go_back()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    assert page.get_by_role("radio").count() == 0


def test_two_windows_are_told_apart(context: BrowserContext, pages: dict[str, Path]) -> None:
    first = begin(context.new_page(), pages["cs"])
    go_on(first, "pagerole")
    first.get_by_role("radio").nth(2).check()
    second = context.new_page()
    second.goto(pages["cs"].as_uri())
    second.bring_to_front()
    second.get_by_role("button", name="Go on where I stopped").click()
    expect(first.get_by_role("heading", level=1)).to_have_text("Open in another window")
    assert first.get_by_role("radio").count() == 0
    second.get_by_role("radio").nth(4).check()
    first.bring_to_front()
    first.get_by_role("button", name="Go on here instead").click()
    expect(first.get_by_role("radio").nth(4)).to_be_checked()
    expect(second.get_by_role("heading", level=1)).to_have_text("Open in another window")
    first.bring_to_front()
    go_on(first, "send")
    with first.expect_download():
        first.locator("button.send").click()
    second.bring_to_front()
    second.get_by_role("button", name="Go on here instead").click()
    expect(second.get_by_text("have been sent or deleted")).to_be_visible()


def test_a_second_window_cannot_begin_over_the_first(context: BrowserContext, pages: dict[str, Path]) -> None:
    first, second = context.new_page(), context.new_page()
    second.goto(pages["cs"].as_uri())
    begin(first, pages["cs"])
    second.get_by_role("checkbox").check()
    second.get_by_role("button", name="Start").click()
    expect(second.get_by_role("heading", level=1)).to_have_text("You have begun already")


def test_storage_that_is_full_loses_nothing_on_the_page(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = context.new_page()
    page.add_init_script(FULL)
    begin(page, pages["cs"])
    expect(page.get_by_text("cannot be kept on this device")).to_be_visible()
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill("still here")
    go_on(page, "send")
    assert filled_in(page, page.locator("button.send").click).loc[0, "open1"] == "still here"


def test_the_clock_may_be_set(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = context.new_page()
    page.goto(pages["cs"].as_uri())
    page.evaluate("Date.now = () => -1e12")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Start").click()
    go_on(page, "pagerole")
    page.wait_for_timeout(250)
    page.evaluate("Date.now = () => 9e12")
    go_on(page, "send")
    table = filled_in(page, page.locator("button.send").click)
    assert 0.2 <= float(table.loc[0, "seconds_role"]) < 20


def test_the_policy_holds(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context()
    asked: list[str] = []
    stopped: list[tuple[str, str | None]] = []
    context.on("request", lambda request: asked.append(request.url))
    context.on("requestfailed", lambda request: stopped.append((request.url, request.failure)))
    page = context.new_page()
    page.goto(pages["cs"].as_uri())
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
    assert asked == [pages["cs"].as_uri(), stopped[0][0]]
    context.close()


def test_scripts_off_is_said_in_every_language(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(pages["cs"].as_uri())
    assert "JavaScript" in page.locator("[lang=en] >> text=switched off").inner_text()
    assert page.locator("[lang=es] >> text=desactivado").count() == 1
    context.close()


def test_the_code_keeps_one_letter_and_x_where_unknown(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = begin(context.new_page(), pages["cs"])
    go_on(page, "pagecode.0")
    page.get_by_role("textbox").press_sequentially("Anastasia")
    page.get_by_role("button", name="Next").click()
    page.get_by_role("button", name="I do not know (X)").click()
    page.get_by_role("textbox").press_sequentially("7")
    expect(page.get_by_role("textbox")).to_have_value("")
    expect(page.get_by_role("textbox")).to_have_accessible_description(re.compile("Only a letter fits"))
    go_on(page, "pagecode")
    assert page.locator(".code li").all_inner_texts() == ["A", "X", "blank", "blank", "blank", "blank"]
    kept = page.evaluate("JSON.parse(localStorage['pwiq:pwiq_cs:draft']).answers")
    assert kept == {"code1": "A", "code2": "X"}
    assert "nasta" not in page.content() + json.dumps(page.evaluate("() => ({ ...localStorage })"))


# Posting


def test_posted_once_and_again_after_a_failure(browser: Browser, pages: dict[str, Path]) -> None:
    context = browser.new_context()
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

    context.route(ADDRESS, answer)
    page = begin(context.new_page(), pages["post"])
    go_on(page, "pagerole")
    page.get_by_role("radio").nth(4).check()
    go_on(page, "send")
    expect(page.get_by_text(ADDRESS)).to_be_visible()
    for sentence in ("There is no connection", "did not accept"):
        page.locator("button.send").click()
        expect(page.locator(".failed")).to_contain_text(sentence)
        expect(page.locator(".failed")).to_contain_text("Nothing is lost")
    page.evaluate(
        "() => { const send = document.querySelector('button.send'); send.click(); send.click(); send.click(); }"
    )
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    context.close()
    assert len(got) == 3
    assert len({each["responses"][0]["response"] for each in got}) == 1
    assert set(got[0]["responses"][0]) == set(got[0]["columns"])


# A shared device


def set_up(page: Page, file: Path) -> None:
    page.goto(file.as_uri())
    page.get_by_label("PIN", exact=True).fill("12345")
    page.get_by_label("PIN once more").fill("12345")
    page.get_by_role("button", name="Ready").click()
    expect(page.get_by_text("at least 6 characters.").last).to_be_visible()
    page.get_by_label("PIN", exact=True).fill("482913")
    page.get_by_label("PIN once more").fill("482913")
    page.get_by_label("Organisation").fill("org1")
    page.get_by_role("button", name="Ready").click()
    expect(page.get_by_role("button", name="Start")).to_be_visible()


def answer_as(page: Page, code: int, words: str) -> None:
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Start").click()
    go_on(page, "pagerole")
    page.get_by_role("radio").nth(code - 1).check()
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill(words)
    go_on(page, "send")
    page.locator("button.send").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")


def test_many_people_on_one_device(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = context.new_page()
    set_up(page, pages["kiosk"])
    answer_as(page, 2, "the first wrote this")
    for _ in range(4):
        page.go_back()
        assert page.get_by_role("radio").count() == 0
        assert page.get_by_role("textbox").count() == 0
    expect(page.get_by_role("heading", level=1)).to_have_text("Thank you")
    page.get_by_role("button", name="Next person").click()
    page.go_back()
    assert page.get_by_role("radio", checked=True).count() + page.get_by_role("textbox").count() == 0
    answer_as(page, 5, "- the second")
    page.get_by_role("button", name="Next person").click()
    # Half-way answers are gone after a reload.
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Start").click()
    go_on(page, "pagerole")
    page.get_by_role("radio").nth(0).check()
    page.reload()
    assert "draft" not in json.dumps(page.evaluate("Object.keys(localStorage)"))
    page.get_by_role("button", name="For the facilitator").click()
    page.get_by_label("PIN").fill("000000")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("That is not the PIN.")).to_be_visible()
    page.get_by_label("PIN").fill("482913")
    page.get_by_role("button", name="Open").click()
    expect(page.get_by_text("Finished questionnaires on this device: 2")).to_be_visible()
    assert "the first wrote this" not in page.content()
    page.get_by_role("button", name="Delete these").click()
    expect(page.get_by_text("Save the answers as a file first")).to_be_visible()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save as CSV").click()
    instrument = read_instrument("pwiq")
    responses = read_responses(saved(waiting.value), instrument)
    first = next(item.id for item in instrument.items if "CS" in item.forms)
    people = responses.people.assign(first=responses.answers[first]).set_index("first")
    assert people["open1"].to_dict() == {2: "the first wrote this", 5: "'- the second"}
    assert people["organisation"].tolist() == ["org1", "org1"]
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Save as JSON").click()
    exact = json.loads(saved(waiting.value).read_text(encoding="utf-8"))
    assert sorted(row["open1"] for row in exact["responses"]) == ["- the second", "the first wrote this"]
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Delete these").click()
    expect(page.get_by_text("Finished questionnaires on this device: 0")).to_be_visible()
    kept = page.evaluate("() => ({ ...localStorage })")
    assert not [name for name in kept if ":answer:" in name]
    assert "482913" not in json.dumps(kept)
    assert json.loads(kept["pwiq:pwiq_cs:pin"])["rounds"] >= 600000


def test_wrong_pins_make_one_wait_and_a_reload_does_not_help(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = context.new_page()
    page.goto(pages["kiosk"].as_uri())
    page.evaluate("""() => {
      localStorage["pwiq:pwiq_cs:pin"] = JSON.stringify({ salt: "00", hash: "00", rounds: 1000, wrong: 4, since: Date.now() });
    }""")
    page.reload()
    for sentence in ("That is not the PIN.", "Too many wrong PINs"):
        page.get_by_role("button", name="For the facilitator").click()
        page.get_by_label("PIN").fill("000000")
        page.get_by_role("button", name="Open").click()
        expect(page.get_by_text(sentence)).to_be_visible()
        page.reload()


def test_a_shared_device_without_cryptography_or_storage_says_so(
    context: BrowserContext, pages: dict[str, Path]
) -> None:
    page = context.new_page()
    page.add_init_script("Object.defineProperty(crypto, 'subtle', { value: undefined })")
    page.goto(pages["kiosk"].as_uri())
    expect(page.get_by_text("no cryptography here")).to_be_visible()
    page = context.new_page()
    page.add_init_script(FULL)
    page.goto(pages["kiosk"].as_uri())
    expect(page.get_by_text("keeps nothing for this page")).to_be_visible()


def test_a_full_shared_device_loses_no_answer(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = context.new_page()
    set_up(page, pages["kiosk"])
    page.evaluate(f"() => {{ {FULL} }}")
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Start").click()
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill("not lost")
    go_on(page, "send")
    page.locator("button.send").click()
    expect(page.locator(".failed")).to_contain_text("no room")
    table = filled_in(page, page.get_by_role("button", name="Save my answers as a file").click)
    assert table.loc[0, "open1"] == "not lost"


def test_whoever_walks_away_leaves_nothing_behind(context: BrowserContext, pages: dict[str, Path]) -> None:
    page = context.new_page()
    page.clock.install()
    set_up(page, pages["kiosk"])
    page.get_by_role("checkbox").check()
    page.get_by_role("button", name="Start").click()
    go_on(page, "pageopen")
    page.get_by_role("textbox").first.fill("left behind")
    page.clock.run_for(301_000)
    expect(page.get_by_role("dialog", name="Are you still there?")).to_be_visible()
    page.get_by_role("button", name="I am still here").click()
    expect(page.get_by_role("textbox").first).to_have_value("left behind")
    page.clock.run_for(301_000)
    page.clock.run_for(61_000)
    expect(page.get_by_role("button", name="Start")).to_be_visible()
    assert "left behind" not in page.content() + json.dumps(page.evaluate("() => ({ ...localStorage })"))
