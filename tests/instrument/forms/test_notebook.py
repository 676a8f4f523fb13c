"""The form in a notebook: its messages without a browser, and its page in Chromium with a model that imitates Jupyter's."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

import instrument as package
from instrument import Instrument, read_instrument
from instrument.forms.notebook import Form
from instrument.forms.store import AnswerStore, StoreError
from instrument.forms.study import Study
from instrument.platforms.sqlite_answers import read_table
from instrument.reading import read_responses
from instrument.responses import canonical_table
from tests.instrument.forms.accessible import faults_by_axe
from tests.instrument.forms.keyboard import Met, fill_in
from tests.instrument.forms.made_up_study import STUDY, TEXT

DEFINITION = Path(__file__).parents[2] / "data" / "forms.toml"
CANTEEN = read_instrument(DEFINITION)
PWIQ = read_instrument("pwiq")
OPEN = next(question.id for question in CANTEEN.questions if question.role == "open")


class Kernel:
    """A form, and what it sends to its page."""

    def __init__(
        self, path: Path, form: str = "P", language: str | None = "en", instrument: Instrument = CANTEEN, **options: Any
    ) -> None:
        self.form = Form(instrument, form, language, path=path, **options)
        self.sent: list[Any] = []
        self.heard: list[Any] = []
        self.silent = False
        self.form.send = lambda message, *_: self.sent.append(json.loads(json.dumps(message)))

    def hear(self, message: Any) -> list[Any]:
        """Take a message as Jupyter hands it over, and return the answers."""
        self.heard.append(message)
        if self.silent:
            return []
        self.form._handle_custom_msg(message, [])
        answers, self.sent = self.sent, []
        return answers

    def ask(self, kind: str, window: str = "w", **content: Any) -> dict[str, Any]:
        (answer,) = self.hear({"id": "7", "kind": kind, "window": window, **content})
        assert answer.pop("id") == "7"
        return answer


def draft(response: str = "a" * 24, **answers: str) -> dict[str, Any]:
    return {"response": response, "answers": answers}


def response(name: str = "a" * 24, **answers: str) -> dict[str, Any]:
    return {"row": {"response": name, "form": "P", "version": CANTEEN.version, **answers}}


def rows(path: Path) -> list[dict[str, Any]]:
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    found = [dict(each) for each in database.execute("SELECT * FROM answers ORDER BY response")]
    database.close()
    return found


# Without a browser


def test_draft_is_kept_found_after_a_restart_and_gone_once_sent(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    kernel = Kernel(path)
    assert kernel.ask("load") == {"draft": None}
    assert kernel.ask("save", draft=draft(foodaf="3"), take=True) == {}
    restarted = Kernel(path, language="es")
    assert restarted.ask("load", window="v") == {"draft": draft(foodaf="3")}
    assert restarted.ask("save", window="v", draft=draft(foodaf="4"), take=True) == {}
    assert kernel.ask("save", draft=draft(foodaf="2")) == {"error": "store_elsewhere"}
    assert restarted.ask("send", window="v", response=response(foodaf="4")) == {}
    assert restarted.ask("send", window="v", response=response(foodaf="4", seconds_food="9.0")) == {}
    assert kernel.ask("send", response=response(foodaf="2")) == {"error": "store_sent"}
    assert "sent before" in kernel.form.problem
    assert kernel.ask("load") == {"draft": None}
    assert [row["foodaf"] for row in rows(path)] == ["4"]


def test_drafts_of_others_and_of_other_forms_are_not_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.sqlite"
    monkeypatch.setenv("JPY_SESSION_NAME", "/srv/a/pilot.ipynb")
    Kernel(path).ask("save", draft=draft(foodaf="3"))
    assert Kernel(path, "C").ask("load") == {"draft": None}
    assert Kernel(path, wave=2).ask("load") == {"draft": None}
    monkeypatch.setenv("JPY_SESSION_NAME", "/srv/b/pilot.ipynb")
    assert Kernel(path).ask("load") == {"draft": None}
    monkeypatch.setenv("JPY_SESSION_NAME", "/srv/a/pilot.ipynb")
    assert Kernel(path).ask("load") == {"draft": draft(foodaf="3")}
    content = path.read_bytes()
    assert b"/srv/a" not in content
    assert b"pilot" not in content


def test_a_draft_can_be_dropped(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "a.sqlite")
    kernel.ask("save", draft=draft(foodaf="3"))
    assert kernel.ask("clear", response="a" * 24) == {}
    assert kernel.ask("load") == {"draft": None}


def test_every_question_of_the_form_has_a_column_though_blank(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "a.sqlite", wave=2)
    kernel.ask("send", response=response(foodaf="4"))
    table = read_table(kernel.form.store.path, file="a.sqlite")
    assert set(CANTEEN.asked_by("P")) <= set(table.names)
    assert {"response", "form", "wave", "version", "definition", "language"} <= set(table.names)


@pytest.mark.parametrize(
    "message",
    [
        {"id": "1", "kind": "drop table answers"},
        {"id": "1"},
        {"id": "1", "kind": "save", "window": "w"},
        {"id": "1", "kind": "save", "window": "w", "draft": {"answers": {}}},
        {"id": "1", "kind": "save", "window": 3, "draft": {"response": "r"}},
        {"id": "1", "kind": "send", "response": {"row": {"response": "r", "salary": "1"}}},
        {"id": "1", "kind": "send", "response": {"row": {"response": "r", "foodaf": 4}}},
        {"id": "1", "kind": "send", "response": {"row": {"foodaf": "4"}}},
        {"id": "1", "kind": "clear"},
    ],
)
def test_messages_that_are_none_are_answered_and_change_nothing(tmp_path: Path, message: dict[str, Any]) -> None:
    kernel = Kernel(tmp_path / "a.sqlite")
    assert kernel.hear(message) == [{"id": "1", "error": "store_refused"}]
    assert kernel.form.problem
    assert rows(kernel.form.store.path) == []


def test_messages_without_an_id_are_not_for_us(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "a.sqlite")
    assert kernel.hear("hello") == []
    assert kernel.hear({"kind": "open"}) == []


def test_what_cannot_be_stored_is_told_by_a_word_of_the_form(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kernel = Kernel(tmp_path / "a.sqlite")

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("a.sqlite: the disk is full", "full")

    monkeypatch.setattr(kernel.form.store, "append", full)
    (told,) = kernel.ask("send", response=response()).values()
    for words in kernel.ask("open")["data"]["words"].values():
        assert words[told]
    assert kernel.form.problem == "a.sqlite: the disk is full"


def test_no_answer_is_in_what_jupyter_saves_with_a_notebook(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path / "a.sqlite", organisation="north wing")
    assert kernel.ask("save", draft=draft(**{OPEN: "a secret"})) == {}
    assert kernel.ask("send", response=response(**{OPEN: "a secret"})) == {}
    state = json.dumps({name: str(value) for name, value in kernel.form.get_state().items()})
    assert "a secret" not in state
    assert "north wing" not in state


def test_pages_without_widgets_say_so_in_both_languages(tmp_path: Path) -> None:
    bundle, _ = Form(CANTEEN, "P", "es", path=tmp_path / "a.sqlite")._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    assert bundle["text/html"].startswith('<p lang="es">Aquí se responde un cuestionario.')
    assert '<p lang="en">A questionnaire is filled in here. This page cannot show it' in bundle["text/html"]
    assert "open the notebook in JupyterLab" in bundle["text/plain"]


def test_an_older_version_in_the_file_is_told(tmp_path: Path) -> None:
    older = replace(CANTEEN, version="0.0.1", digest="0" * 64)
    AnswerStore(tmp_path / "a.sqlite", older).append({"response": "r"})
    with pytest.warns(UserWarning, match=r"holds 1 response to version 0\.0\.1"):
        Form(CANTEEN, path=tmp_path / "a.sqlite")


def test_answers_to_several_versions_are_read_from_one_file(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    for version in ("0.1.0", PWIQ.version):
        at = PWIQ if version == PWIQ.version else replace(PWIQ, version=version, digest="0" * 64)
        AnswerStore(path, at).append(
            {"response": version, "form": "P", "wave": "1", **dict.fromkeys(PWIQ.asked_by("P"), "4")}
        )
    responses = read_responses(path, "pwiq")
    assert responses.people["version"].tolist() == ["0.1.0", PWIQ.version]
    (note,) = responses.ledger.set_index("column").loc[["version"], "note"]
    assert "0.1.0" in note


def test_only_languages_that_the_study_has_texts_in_are_offered(tmp_path: Path) -> None:
    study = Study(texts=(("es", TEXT),))
    kernel = Kernel(tmp_path / "a.sqlite", language=None, study=study)
    assert [each["id"] for each in kernel.ask("open")["data"]["languages"]] == ["es"]
    with pytest.raises(ValueError, match="the study has no texts in 'en'"):
        Form(CANTEEN, "P", "en", path=tmp_path / "a.sqlite", study=study)


def test_the_form_is_a_public_name_that_nobody_pays_for_who_does_not_use_it(root: Path) -> None:
    assert package.Form is Form
    code = "import instrument, sys; print(sorted({'anywidget', 'ipywidgets', 'pandas'} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=root)
    assert run.stdout == "[]\n"


def test_wrong_options_are_refused_before_a_file_is_made(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with pytest.raises(ValueError, match="language 'fr' is not known"):
        Form(CANTEEN, "P", "fr", path=path)
    with pytest.raises(ValueError, match="'Z': not a form"):
        Form(CANTEEN, "Z", path=path)
    with pytest.raises(ValueError, match="wave must be"):
        Form(CANTEEN, wave=0, path=path)
    assert not path.exists()


# In Chromium

PAGE = """<!doctype html><meta charset="utf-8"><title>A cell</title><style>{css}</style>
<body data-jp-theme-light="false"><button id="cell">cell</button><div id="output"></div></body>"""
# As much of Jupyter's model as anywidget promises: https://anywidget.dev/en/afm/
MODEL = """async ([esm, opening]) => {
  const heard = new Set();
  window.toldKernel = { waiting: 0 };
  const model = {
    get: (name) => ({ opening })[name],
    on: (name, callback) => { if (name === "msg:custom") heard.add(callback); },
    off: (name, callback) => heard.delete(callback),
    send: (message) => {
      toldKernel.waiting += 1;
      window.toKernel(JSON.stringify(message)).then((answers) => {
        toldKernel.waiting -= 1;
        for (const answer of answers) for (const callback of [...heard]) callback(answer);
      });
    },
  };
  const module = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  const el = document.querySelector("#output");
  window.close_view = await module.default.render({ model, el });
  window.heard = heard;
}"""
# Press the button that leads on until something is there.
GO_ON = """async (until) => {
  const form = document.querySelector(".pwiq-form");
  const channel = new MessageChannel();
  const tick = () => new Promise((resolve) => { channel.port1.onmessage = resolve; channel.port2.postMessage(0); });
  while (!form.querySelector(until)) {
    const before = form.textContent;
    form.querySelector(".main").click();
    while (form.textContent === before) await tick();
  }
}"""


@pytest.fixture(scope="module")
def browser(needs_tool: Callable[..., str]) -> Iterator[Browser]:
    chromium = needs_tool("chromium", "chromium-browser")
    with sync_playwright() as driver:
        opened = driver.chromium.launch(
            executable_path=chromium,
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-sync",
            ],
        )
        yield opened
        opened.close()


@pytest.fixture
def show(browser: Browser) -> Iterator[Callable[..., Page]]:
    """Show a form as Jupyter would; every page must end without an error, and without a request."""
    context = browser.new_context(offline=True, viewport={"width": 900, "height": 800})
    wrong: list[str] = []

    def shown(kernel: Kernel, *, clock: bool = False) -> Page:
        page = context.new_page()
        if clock:
            page.clock.install()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("console", lambda message: wrong.append(message.text))
        page.on("request", lambda request: request.url.startswith("blob:") or wrong.append(request.url))
        page.expose_function("toKernel", lambda text: kernel.hear(json.loads(text)))
        state = kernel.form.get_state()
        page.set_content(PAGE.format(css=state["_css"]))
        page.evaluate(MODEL, [state["_esm"], state["opening"]])
        return page

    yield shown
    context.close()
    assert not wrong


def first(page: Page) -> None:
    """Wait for the first page of the form, and put the focus before it."""
    page.wait_for_selector(".pwiq-form h1")
    page.focus("#cell")


@pytest.mark.parametrize("language", PWIQ.languages)
@pytest.mark.parametrize("form", PWIQ.forms.ids)
def test_every_form_filled_in_by_keyboard_arrives_unchanged(
    tmp_path: Path, show: Callable[..., Page], form: str, language: str
) -> None:
    wave = 1 + PWIQ.languages.index(language)
    kernel = Kernel(
        tmp_path / "a.sqlite", form, language, instrument=PWIQ, wave=wave, follow_up=wave > 1, study=STUDY, team="north"
    )
    page = show(kernel)
    first(page)
    asked = {question.id: question for question in kernel.form.survey.questions()}
    met = Met(asked, language)
    answers = fill_in(page, meet=met)
    assert sorted(met.ids) == sorted(asked)
    assert len(answers) > 0.7 * len(asked)
    assert max(map(len, answers.values())) > 9_000
    (row,) = rows(kernel.form.store.path)
    assert {name: row[name] for name in answers} == answers
    several = {name for name in row if asked.get(name.rstrip("0123456789")) and name not in asked}
    assert {name for name in row if name in asked and row[name]} == (set(answers) - several) | {"team"}
    responses = read_responses(kernel.form.store.path, PWIQ)
    read = canonical_table(responses).astype("string").fillna("").iloc[0]
    # Beside the items, an answer off the scale ("prefer not to say") counts as none.
    off = {
        (each.id, choice.code)
        for each in asked.values()
        if each.id not in PWIQ.items.ids
        for choice in each.choices
        if choice.reason
    }
    assert {name: read[name] for name in answers} == {
        name: "" if (name, text) in off else text for name, text in answers.items()
    }
    assert read[["form", "wave", "language", "team"]].tolist()[:3] == [form, str(wave), language]
    assert (row["trial"], row["version"]) == (None, PWIQ.version)


def test_after_a_restart_it_goes_on_where_it_stopped_though_the_clock_was_set_back(
    tmp_path: Path, show: Callable[..., Page]
) -> None:
    path = tmp_path / "a.sqlite"
    page = show(Kernel(path))
    first(page)
    before = fill_in(page, pages=6)
    heading = page.locator(".pwiq-form h1").inner_text()
    page.close()
    page = show(kernel := Kernel(path))
    page.evaluate(
        "() => { window.Date = class extends Date { constructor(...given) { super(...(given.length ? given : [0])); } } }"
    )
    first(page)
    assert "file of answers" in page.locator(".pwiq-form").inner_text()
    page.get_by_role("button", name="Go on where I stopped").press("Enter")
    page.wait_for_function("(h) => document.querySelector('.pwiq-form h1').textContent === h", arg=heading)
    after = fill_in(page)
    (row,) = rows(path)
    assert before
    assert {name: row[name] for name in before | after} == before | after
    assert row["date"] == "1970-01-01"
    assert all(float(row[name]) >= 0 for name in row if name.startswith("seconds_"))
    page.get_by_role("button", name="Start again").press("Enter")
    page.get_by_role("button", name="Start").wait_for()
    assert kernel.ask("load") == {"draft": None}
    assert not page.locator(".pwiq-form input:checked").count()


def test_a_second_window_takes_over_and_the_first_says_so(tmp_path: Path, show: Callable[..., Page]) -> None:
    kernel = Kernel(tmp_path / "a.sqlite")
    one = show(kernel)
    first(one)
    fill_in(one, pages=4)
    two = show(kernel)
    first(two)
    two.get_by_role("button", name="Go on where I stopped").press("Enter")
    two.wait_for_selector(".pwiq-form .next")
    one.bring_to_front()
    radio = one.locator(".pwiq-form input[type=radio]").first
    radio.press("Space")
    one.wait_for_function("() => document.querySelector('.pwiq-form h1').textContent === 'Open in another window'")
    assert not one.locator(".pwiq-form input").count()


def test_a_kernel_that_does_not_answer_is_said(tmp_path: Path, show: Callable[..., Page]) -> None:
    kernel = Kernel(tmp_path / "a.sqlite", "P", "es")
    kernel.silent = True
    page = show(kernel, clock=True)
    assert page.get_by_role("status").inner_text() == "Abriendo el cuestionario…"
    page.clock.fast_forward(5_000)
    assert page.get_by_role("status").inner_text().startswith("Aquí se responde")


def test_a_kernel_that_stops_in_the_middle_is_said_and_then_asked_for_the_newest_draft(
    tmp_path: Path, show: Callable[..., Page]
) -> None:
    kernel = Kernel(tmp_path / "a.sqlite")
    page = show(kernel, clock=True)
    first(page)
    page.evaluate(GO_ON, ".scale")
    page.wait_for_function("() => !toldKernel.waiting")
    kernel.silent = True
    before = len(kernel.heard)
    box = page.locator(".pwiq-form fieldset").first
    for radio in box.get_by_role("radio").all()[:4]:
        radio.press("Space")
    page.clock.fast_forward(25_000)
    page.get_by_text("Your answers cannot be kept in the file of answers just now").wait_for()
    assert [message["kind"] for message in kernel.heard[before:]] == ["save"]  # the others wait for its answer
    kernel.silent = False
    box.get_by_role("radio").nth(2).press("Space")
    page.wait_for_function("() => !document.querySelector('.problem').textContent")
    question = box.get_attribute("data-question")
    assert kernel.ask("load")["draft"]["answers"][question] == "3"


def test_what_could_not_be_stored_can_be_sent_again_and_twice_at_once_is_once(
    tmp_path: Path, show: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(tmp_path / "a.sqlite")
    page = show(kernel)
    first(page)

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("a.sqlite: the disk is full", "full")

    with monkeypatch.context() as patch:
        patch.setattr(kernel.form.store, "save_draft", full)
        patch.setattr(kernel.form.store, "append", full)
        page.evaluate(GO_ON, ".send")
        page.get_by_text("Your answers cannot be kept in the file of answers just now").wait_for()
        page.locator(".pwiq-form .send").press("Enter")
        page.get_by_text("The disk on which answers are kept is full.").wait_for()
    assert rows(kernel.form.store.path) == []
    kernel.form.store.path.unlink()  # somebody makes room in their own way
    page.evaluate("() => { const send = document.querySelector('.send'); send.click(); send.click(); }")
    page.get_by_text("Your answers are in the notebook's file of answers.").wait_for()
    assert len(rows(kernel.form.store.path)) == 1
    assert [message["kind"] for message in kernel.heard].count("send") == 2


def test_axe_finds_nothing_in_any_view_in_either_theme(
    tmp_path: Path, show: Callable[..., Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(tmp_path / "a.sqlite", "PS", instrument=PWIQ, wave=2, follow_up=True, study=STUDY)
    page = show(kernel)
    first(page)
    press = "(kind) => document.querySelector(`.pwiq-form ${kind}`).click()"
    found: dict[str, list[str]] = {}

    def look(view: str) -> None:
        found[view] = faults_by_axe(page)

    page.evaluate(press, ".main")
    look("start, consent is missing")
    page.evaluate(press, ".quiet")
    page.get_by_text("That is fine").wait_for()
    look("does not take part")
    page.evaluate(press, ".buttons button")
    page.evaluate(press, "input[type=checkbox]")
    page.evaluate(press, ".main")
    page.get_by_text("What this is about").wait_for()
    look("what it is about")
    kinds: set[str] = set()
    while not page.locator(".pwiq-form .send").count():
        page.evaluate(press, ".next")
        title = page.locator(".pwiq-form h1").inner_text().split(":")[0].split(",")[0]
        if title not in kinds:
            kinds.add(title)
            page.evaluate("() => document.querySelector('.pwiq-form fieldset input')?.click()")
            look(title)
            if title == "Statements":
                page.evaluate(press, ".next")
                look("reminder")
                page.evaluate(press, ".next")
            if page.locator(".pwiq-form .letter").count():
                page.locator(".pwiq-form .letter").press("7")
                look(f"{title}, not a letter")
    assert len(kinds) > 8

    def full(*_: Any, **__: Any) -> None:
        raise StoreError("a.sqlite: the disk is full", "full")

    with monkeypatch.context() as patch:
        patch.setattr(kernel.form.store, "append", full)
        page.evaluate(press, ".send")
        page.get_by_text("The disk on which answers are kept is full.").wait_for()
        look("could not be sent")
    other = show(kernel)
    first(other)
    here, page = page, other
    look("a draft was found")
    page.evaluate(press, ".main")
    page.locator(".pwiq-form .send").wait_for()
    page = here
    page.evaluate(press, ".quiet")
    page.get_by_text("Open in another window").wait_for()
    look("open in another window")
    page = other
    page.evaluate(press, ".send")
    page.get_by_text("Your answers are in the notebook's file of answers.").wait_for()
    look("thanks")
    assert {view: faults for view, faults in found.items() if faults} == {}


def test_it_follows_the_theme_of_jupyterlab_and_leaves_nothing_behind(
    tmp_path: Path, show: Callable[..., Page]
) -> None:
    page = show(Kernel(tmp_path / "a.sqlite"))
    first(page)
    root = page.locator(".pwiq-form")
    assert root.get_attribute("data-theme") == "dark"
    page.evaluate("document.body.dataset.jpThemeLight = 'true'")
    page.wait_for_function("() => document.querySelector('.pwiq-form').dataset.theme === 'light'")
    assert root.get_attribute("data-lm-suppress-shortcuts") == "true"
    page.evaluate("close_view()")
    assert page.evaluate("[document.querySelector('#output').childElementCount, heard.size]") == [0, 0]
