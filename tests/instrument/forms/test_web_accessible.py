"""The web form for everyone: what axe finds, what a screen reader is told, zoom, narrow screens, right to left."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from instrument import build_survey, read_instrument
from instrument.forms import survey_json
from instrument.forms.web import write_web
from instrument.forms.words import words
from tests.instrument.forms.test_web_kiosk import PIN, log_in, prepared, set_up
from tests.instrument.forms.web_form import FULL, WebForms, begin, go_on, press, send, start, tick

# Two looks at a view: all rules on a light phone; then what colours and width can change on a dark desk.
LOOKS: tuple[tuple[int, Any, list[str] | None], ...] = (
    (320, "light", None),
    (1280, "dark", ["color-contrast", "link-in-text-block"]),
)
# Wider than the screen, or smaller than 24 pixels.
UNFIT = """() => {
  const wide = document.documentElement.scrollWidth - document.documentElement.clientWidth;
  const small = [...document.querySelectorAll("button, label.choice, input:not(.choice input), textarea")]
    .filter((control) => control.getClientRects().length)
    .filter((control) => Math.min(control.getBoundingClientRect().width, control.getBoundingClientRect().height) < 24);
  return [...(wide > 0 ? [`scrolls sideways by ${wide}`] : []), ...small.map((each) => `small: ${each.outerHTML}`)];
}"""


@pytest.fixture
def look(browser: Browser) -> Iterator[tuple[Page, Callable[[str], None]]]:
    """A page, and a function that looks at what it shows. The policy, which forbids what axe does, is switched off."""
    context = browser.new_context(bypass_csp=True, reduced_motion="reduce")  # no colour half-way to another
    context.set_default_timeout(10_000)
    page = context.new_page()
    found: list[str] = []
    seen: list[str] = []

    def look_at(name: str) -> None:
        seen.append(page.title())
        for width, scheme, rules in LOOKS:
            page.set_viewport_size({"width": width, "height": 800})
            page.emulate_media(color_scheme=scheme)
            found.extend(f"{name} {width}: {each}" for each in page.evaluate(UNFIT))
            if not page.evaluate("Boolean(window.axe)"):
                page.evaluate(Axe().axe_script)
            only = {} if rules is None else {"runOnly": rules}
            result = page.evaluate("(options) => axe.run(options)", {"resultTypes": ["violations"], **only})
            found.extend(
                f"{name} {width} {scheme}: {each['id']} {each['nodes'][0]['html'][:120]}"
                for each in result["violations"]
            )

    yield page, look_at
    context.close()
    assert not found
    assert seen
    assert all(seen)


Look = tuple[Page, Callable[[str], None]]


def test_axe_finds_nothing_in_the_questionnaire(look: Look, forms: WebForms) -> None:
    page, look_at = look
    page.goto(forms["canteen"].as_uri())
    look_at("first page")
    press(page, "Start")
    look_at("first page, with its error")
    start(page)
    look_at("what this is about")
    go_on(page, "pagefood")
    tick(page.get_by_role("radio").nth(1))
    press(page, "Next")
    look_at("statements, with the reminder")
    for step in ("pageglobal", "pagebackground"):
        go_on(page, step)
        look_at(step)
    go_on(page, "pageopen")
    page.get_by_role("textbox").fill("x" * 20001)
    press(page, "Next")
    look_at("open question, with its error")
    page.get_by_role("textbox").fill("")
    go_on(page, "pagecode.0")
    page.get_by_role("textbox").press_sequentially("7")
    look_at("letter, with its error")
    for step in ("pagecode", "send"):
        go_on(page, step)
        look_at(step)
    with page.expect_download():
        send(page)
    look_at("thanks")


def test_axe_finds_nothing_beside_the_questionnaire(look: Look, forms: WebForms) -> None:
    page, look_at = look
    page.goto(forms["canteen"].as_uri())
    press(page, "I do not want to take part")
    look_at("declined")
    begin(page, forms["trial"])
    press(page, "Next")
    look_at("form not chosen, trial")
    page.reload()
    look_at("a draft was found")
    page.evaluate("() => { localStorage['pwiq:canteen_p:draft'] = '{'; }")
    page.goto(forms["canteen"].as_uri())
    look_at("a draft that does not fit")
    press(page, "Delete them")
    start(page)
    page.evaluate("() => dispatchEvent(new StorageEvent('storage', { key: 'pwiq:canteen_p:window', newValue: 'x' }))")
    look_at("two windows")
    press(page, "Go on here instead")
    page.evaluate(f"() => {{ {FULL} }}")
    go_on(page, "pageopen")
    page.get_by_role("textbox").fill("x")
    expect(page.locator(".problem")).to_contain_text("cannot be kept")
    look_at("nothing can be kept")
    page.route("https://answers.invalid/**", lambda route: route.abort())
    page.evaluate("localStorage.clear()")
    begin(page, forms["post"])
    go_on(page, "send")
    send(page)
    expect(page.locator(".failed")).to_contain_text("Nothing is lost")
    look_at("could not be sent")


def test_axe_finds_nothing_on_a_shared_device(look: Look, forms: WebForms) -> None:
    page, look_at = look
    page.clock.install()
    set_up(page, forms, "1")
    expect(page.locator(".failed")).not_to_be_empty()
    look_at("setting up, with its error")
    prepared(page, forms)
    look_at("first page of a shared device")
    log_in(page, "1")
    expect(page.locator(".failed")).not_to_be_empty()
    look_at("wrong PIN")
    page.get_by_label("PIN").fill(PIN)
    press(page, "Open")
    expect(page.get_by_text("Finished questionnaires")).to_be_visible()
    press(page, "Delete these")
    look_at("collected, with its error")
    press(page, "Close")
    start(page)
    page.clock.run_for(301_000)
    expect(page.get_by_role("dialog")).to_be_visible()
    look_at("is anybody there")


def test_axe_finds_what_is_wrong(browser: Browser, forms: WebForms) -> None:
    context = browser.new_context(bypass_csp=True)
    page = context.new_page()
    page.goto(forms["canteen"].as_uri())
    page.evaluate("document.querySelector('h1').style.color = '#aaaaaa'")
    result = Axe().run(page, options={"resultTypes": ["violations"]})
    assert "color-contrast" in [each["id"] for each in result.response["violations"]]
    context.close()


def test_scripts_off_is_said_in_every_language_and_axe_finds_nothing(browser: Browser, forms: WebForms) -> None:
    context = browser.new_context(java_script_enabled=False, viewport={"width": 320, "height": 600})
    page = context.new_page()
    page.goto(forms["canteen"].as_uri())
    said = page.locator(".scripts-off")
    expect(said.locator("[lang=en]")).to_contain_text("JavaScript, which is switched off here")
    expect(said.locator("[lang=es]")).to_contain_text("desactivado")
    shown = page.content()
    context.close()
    # axe is a script itself: the same without ours.
    context = browser.new_context(bypass_csp=True, viewport={"width": 320, "height": 600})
    page = context.new_page()
    page.set_content(re.sub(r"<script.*?</script>|</?noscript>", "", shown, flags=re.DOTALL))
    assert page.evaluate(UNFIT) == []
    assert not Axe().run(page, options={"resultTypes": ["violations"]}).response["violations"]
    context.close()


# What a screen reader is told

ROLES = (
    "heading",
    "group",
    "radiogroup",
    "radio",
    "checkbox",
    "button",
    "textbox",
    "progressbar",
    "alert",
    "status",
    "dialog",
)
STATES = ("level", "checked", "pressed", "required", "invalid", "live", "valuetext", "modal")


def tree(page: Page) -> list[str]:
    """Return the tree that Chromium gives to screen readers: role, name, states, and what describes it."""
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    session.detach()
    by_id = {node["nodeId"]: node for node in nodes}

    def below(node: dict[str, Any]) -> Iterator[dict[str, Any]]:
        yield node
        for child in node.get("childIds", ()):
            yield from below(by_id[child])

    return [_told(node) for node in below(nodes[0]) if not node["ignored"] and node["role"]["value"] in ROLES]


def _told(node: dict[str, Any]) -> str:
    states = {each["name"]: each["value"].get("value") for each in node.get("properties", ())}
    told = [node["role"]["value"], f'"{node["name"]["value"]}"' if node.get("name", {}).get("value") else ""]
    told += [
        f"{name}={str(states[name]).lower()}" for name in STATES if states.get(name) not in (None, "", False, "false")
    ]
    about = node.get("description", {}).get("value", "")
    return " ".join(filter(None, [*told, f"({about})" if about else ""]))


TOP = ['group "Language"', 'button "English" pressed=true', 'button "Español"']


def test_tree_of_the_first_page(page: Page, forms: WebForms) -> None:
    page.goto(forms["canteen"].as_uri())
    first = [
        *TOP,
        'heading "Canteen check (test only): Diners" level=1',
        'heading "Before you begin" level=2',
        'checkbox "I have read this, and I want to take part."',
        'button "I do not want to take part"',
        'button "Start"',
    ]
    told = tree(page)
    assert [each for each in told if not each.startswith(("alert", "status"))] == first
    press(page, "Start")
    wrong = tree(page)
    sentence = "Tick the box if you want to take part, or choose “I do not want to take part”."
    assert f'checkbox "I have read this, and I want to take part." invalid=true ({sentence})' in wrong
    assert [each for each in wrong if each.startswith("alert")] == ["alert live=assertive"]
    assert f'button "{sentence}"' in wrong
    page.get_by_role("alert").get_by_role("button").press("Enter")
    expect(page.get_by_role("checkbox")).to_be_focused()


def test_tree_of_a_page_of_statements(page: Page, forms: WebForms) -> None:
    begin(page, forms["canteen"])
    go_on(page, "pagefood")
    assert page.evaluate("document.activeElement.tagName") == "H1"
    told = tree(page)
    scale = ("Strongly disagree", "Disagree", "Neither agree nor disagree", "Agree", "Strongly agree")
    labels = [f'radio "{label}"' for label in (*scale, "Don't know", "Does not apply to me")]
    assert told[:14] == [
        *TOP,
        'progressbar "Page 1 of 7"',
        'heading "Statements, part 1 of 2" level=1',
        'group "Meals taste good."',
        *labels,
        'group "Soup comes too salty."',
    ]
    assert told[-2:] == ['button "Back"', 'button "Next"']
    tick(page.get_by_role("group", name="Meals taste good.").get_by_role("radio", name="Agree", exact=True))
    press(page, "Next")
    told = tree(page)
    assert 'radio "Agree" checked=true' in told
    assert 'button "Clear answer: Meals taste good."' in told
    assert [each for each in told if each.startswith("alert")] == ["alert live=assertive"]
    assert page.get_by_role("alert").inner_text().startswith("Without an answer on this page: 3.")
    assert told[-2:] == ['button "Back"', 'button "Go on without answering"']
    for name in ("Soup comes too salty.", "People find something they like.", "Popular dishes run out."):
        tick(page.get_by_role("group", name=name).get_by_role("radio").first)
    told = tree(page)
    assert told[-1] == 'button "Next"'
    assert not [each for each in told if each.startswith("alert")]
    press(page, "Español")
    assert page.evaluate("[document.documentElement.lang, document.title.slice(0, 6)]") == ["es", "Frases"]
    assert 'group "La comida sabe bien."' in tree(page)


def test_tree_of_other_questions(page: Page, forms: WebForms) -> None:
    begin(page, forms["trial"])
    press(page, "Next")
    asked = page.get_by_role("radiogroup", name=re.compile("needs an answer"))
    expect(asked).to_have_accessible_description(
        "This question needs an answer: the questions that follow depend on it."
    )
    wrong = next(each for each in tree(page) if each.startswith("radiogroup"))
    assert "required=true invalid=true" in wrong
    assert "radio invalid" not in " ".join(tree(page))
    tick(asked.get_by_role("radio").first)
    assert next(each for each in tree(page) if each.startswith("radiogroup")).endswith("required=true")
    go_on(page, "pagebackground")
    told = tree(page)
    assert [each for each in told if each.startswith(("group", "checkbox", "radio"))][1:6] == [
        'group "Which meals do you eat here?"',
        *(f'checkbox "{label}"' for label in ("Breakfast", "Lunch", "Dinner", "Prefer not to say")),
    ]
    tick(page.get_by_role("checkbox", name="Lunch"))
    tick(page.get_by_role("checkbox", name="Prefer not to say"))
    told = tree(page)
    assert 'checkbox "Lunch"' in told
    assert 'checkbox "Prefer not to say" checked=true' in told
    go_on(page, "pageopen")
    (box,) = [each for each in tree(page) if each.startswith("textbox")]
    assert box.startswith('textbox "What helps most?" (Nobody watches these answers')
    assert box.endswith("nobody is named who reads them. 0 of 20,000 characters)")
    page.get_by_role("textbox").fill("x" * 20003)
    press(page, "Next")
    (box,) = [each for each in tree(page) if each.startswith("textbox")]
    assert box.startswith('textbox "What helps most?" invalid=true (')
    assert "This is 3 characters too long" in box
    page.get_by_role("textbox").fill("")
    go_on(page, "pagecode.0")
    page.get_by_role("textbox").press_sequentially("7")
    assert tree(page)[4:] == [
        'heading "Your code: letter 1 of 1" level=1',
        'textbox "First letter of your first school" invalid=true '
        "(One letter. Write X if you do not know. Only a letter fits here; write X if you do not know.)",
        'button "I do not know (X)"',
        'button "Back"',
        'button "Next"',
    ]


def test_tree_of_a_shared_device(own_page: Page, forms: WebForms) -> None:
    page = own_page
    page.clock.install()
    page.goto(forms["kiosk"].as_uri())
    assert tree(page)[:3] == ['heading "Set up this shared device" level=1', 'textbox "PIN"', 'textbox "PIN once more"']
    press(page, "Ready")
    told = tree(page)
    assert told[1] == 'textbox "PIN" invalid=true (The PIN needs at least 6 characters.)'
    assert "alert live=assertive" in told
    prepared(page, forms)
    assert tree(page)[-1] == 'button "For the facilitator"'
    start(page)
    page.clock.run_for(301_000)
    assert tree(page)[-3:] == [
        'dialog "Are you still there?" modal=true',
        'heading "Are you still there?" level=2',
        'button "I am still here"',
    ]


# Narrow, zoomed, few colours, right to left


def test_no_page_of_the_long_form_scrolls_sideways(page: Page, forms: WebForms) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    begin(page, forms["long"])
    found = page.evaluate(
        f"""() => {{
          const unfit = {UNFIT};
          const found = [];
          for (let press = 0; press < 200 && history.state.step !== "send"; press += 1) {{
            found.push(...unfit().map((each) => `${{history.state.step}}: ${{each}}`));
            document.querySelector("button.next").click();
          }}
          return [...found, ...unfit(), history.state.step];
        }}"""
    )
    assert found == ["send"]


def test_zoomed_moving_little_and_with_forced_colours(browser: Browser, forms: WebForms) -> None:
    # 200 % at 1280 pixels is 640 pixels with two device pixels each.
    context = browser.new_context(
        viewport={"width": 640, "height": 400}, device_scale_factor=2, forced_colors="active", reduced_motion="reduce"
    )
    page = begin(context.new_page(), forms["canteen"])
    go_on(page, "pageimportance")
    tick(page.get_by_role("radio").first)
    style = """() => {
      const { outlineStyle, transitionDuration } = getComputedStyle(document.querySelector(".choice:has(:checked)"));
      return [outlineStyle, transitionDuration];
    }"""
    assert page.evaluate(style) == ["solid", "0s"]
    assert page.evaluate(UNFIT) == []
    context.close()


ARABIC = {
    "next": "التالي",
    "back": "رجوع",
    "start": "ابدأ",
    "progress": "صفحة {place} من {count}",
    "page_items": "عبارات، الجزء {number} من {count}",
    "code_title": "رمزك",
    "clear": "امسح الجواب",
    "how_title": "عن ماذا هذا",
}
PLACES = """() => {
  const box = (kind) => document.querySelector(kind).getBoundingClientRect();
  return {
    direction: getComputedStyle(document.querySelector("h1")).direction, next: box(".next").x < box(".quiet").x,
    bar: box("progress").x < box(".progress p").x, radio: box(".choice input").x > box(".choice span").x,
  };
}"""


@pytest.fixture
def right_to_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A form of a small questionnaire in Arabic and English. What Arabic words are missing is English here."""
    source = (Path(__file__).parents[2] / "data" / "forms.toml").read_text(encoding="utf-8")
    source = re.sub(r'\bes = "([^"]*)"', r'ar = "عربي \1"', source).replace('["en", "es"]', '["ar", "en"]')
    source = re.sub(r"\bes = \{", "ar = {", source).replace("labels.es]", "labels.ar]")
    definition = tmp_path / "arabic.toml"
    definition.write_text(source, encoding="utf-8")

    def with_arabic(*sections: str) -> dict[str, dict[str, str]]:
        english = dict(words(*sections)["en"])
        return {"ar": english | ARABIC, "en": english}

    monkeypatch.setattr(survey_json, "words", with_arabic)
    path = tmp_path / "arabic.html"
    path.write_text(write_web(build_survey(read_instrument(definition), forms=["P"])), encoding="utf-8")
    return path


def test_a_language_from_right_to_left_is_mirrored(page: Page, right_to_left: Path) -> None:
    page.set_viewport_size({"width": 320, "height": 640})
    begin(page, right_to_left)
    go_on(page, "pagefood")
    press(page, ARABIC["next"])
    assert page.evaluate("[document.documentElement.dir, document.documentElement.lang]") == ["rtl", "ar"]
    mirrored = {"direction": "rtl", "next": True, "bar": True, "radio": True}
    assert page.evaluate(PLACES) == mirrored
    edges = """() => {
      const { borderRightWidth, borderLeftWidth } = getComputedStyle(document.querySelector(".reminder"));
      return [borderRightWidth, borderLeftWidth];
    }"""
    assert page.evaluate(edges) == ["4px", "0px"]
    assert page.evaluate(UNFIT) == []
    press(page, "English")
    assert page.evaluate("[document.documentElement.dir, document.documentElement.lang]") == ["ltr", "en"]
    assert page.evaluate(PLACES) == {"direction": "ltr", "next": False, "bar": False, "radio": False}
    press(page, "العربية")
    page.set_viewport_size({"width": 1024, "height": 600})
    # The first answer of a row stands on the right.
    places = page.evaluate(
        "() => [...document.querySelectorAll('.choice')].slice(0, 7).map((each) => each.getBoundingClientRect().x)"
    )
    assert places == sorted(places, reverse=True)
    assert len(set(places)) == 7
    go_on(page, "pagecode.0")
    page.get_by_role("textbox").fill("ب")
    go_on(page, "pagecode")
    code = "() => getComputedStyle(document.querySelector('.code')).direction"
    assert (page.evaluate(code), page.locator(".code li").inner_text()) == ("ltr", "ب")
    page.set_viewport_size({"width": 320, "height": 640})
    assert page.evaluate(UNFIT) == []
