"""The form in a notebook: its messages without a browser, and its page in Chromium with a model that imitates Jupyter's."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from instrument import read_instrument
from instrument.forms.notebook import Form
from instrument.forms.store import AnswerStore, StoreError
from instrument.platforms.sqlite_answers import read_table
from instrument.reading import read_responses
from tests.instrument.forms.keyboard import fill_in

DEFINITION = Path(__file__).parents[2] / "data" / "forms.toml"
CANTEEN = read_instrument(DEFINITION)
OPEN = next(question.id for question in CANTEEN.questions if question.role == "open")


class Kernel:
    """A form, and what it sends to its page."""

    def __init__(self, path: Path, form: str = "P", language: str = "en", **options: Any) -> None:
        self.form = Form(CANTEEN, form, language, path=path, **options)
        self.sent: list[Any] = []
        self.silent = False
        self.form.send = lambda message, *_: self.sent.append(json.loads(json.dumps(message)))

    def hear(self, message: Any) -> list[Any]:
        """Take a message as Jupyter hands it over, and return the answers."""
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
    found = [dict(each) for each in database.execute("SELECT * FROM answers ORDER BY rowid")]
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
  const model = {
    get: (name) => ({ opening })[name],
    on: (name, callback) => { if (name === "msg:custom") heard.add(callback); },
    off: (name, callback) => heard.delete(callback),
    send: (message) => {
      window.toKernel(JSON.stringify(message)).then((answers) => {
        for (const answer of answers) for (const callback of [...heard]) callback(answer);
      });
    },
  };
  const module = await import(URL.createObjectURL(new Blob([esm], { type: "text/javascript" })));
  const el = document.querySelector("#output");
  window.close_view = await module.default.render({ model, el });
  window.heard = heard;
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
def show(browser: Browser) -> Iterator[Callable[[Kernel], Page]]:
    """Show a form as Jupyter would; every page must end without an error, and without a request."""
    context = browser.new_context(offline=True, viewport={"width": 900, "height": 800})
    wrong: list[str] = []

    def shown(kernel: Kernel) -> Page:
        page = context.new_page()
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


@pytest.mark.parametrize("language", ["en", "es"])
def test_filled_in_by_keyboard_the_answers_arrive(
    tmp_path: Path, show: Callable[[Kernel], Page], language: str
) -> None:
    kernel = Kernel(tmp_path / "a.sqlite", "P", language, wave=1)
    page = show(kernel)
    first(page)
    assert page.locator(".pwiq-form").get_attribute("lang") == language
    answers = fill_in(page)
    (row,) = rows(kernel.form.store.path)
    given = {name: row[name] for name in answers}
    assert given == answers
    asked = {question.id for question in kernel.form.survey.questions() if question.kind != "several"}
    assert {name for name in asked if row[name]} == asked & set(answers)
    assert (row["form"], row["wave"], row["language"], row["trial"]) == ("P", "1", language, "1")
    assert len(answers) > 15
    assert max(map(len, answers.values())) > 9_000
    responses = read_responses(kernel.form.store.path, CANTEEN)
    assert responses.people[OPEN].tolist() == [answers[OPEN]]
    items = responses.answers.iloc[0].dropna()
    assert items.astype(str).to_dict() == {
        name: code for name, code in answers.items() if name in CANTEEN.items.ids and int(code) < 90
    }
    page.get_by_role("button", name={"en": "Start again", "es": "Empezar de nuevo"}[language]).press("Enter")
    assert kernel.ask("load") == {"draft": None}
    assert not page.locator(".pwiq-form input:checked").count()


def test_after_a_restart_it_goes_on_where_it_stopped(tmp_path: Path, show: Callable[[Kernel], Page]) -> None:
    path = tmp_path / "a.sqlite"
    page = show(Kernel(path))
    first(page)
    before = fill_in(page, pages=6)
    heading = page.locator(".pwiq-form h1").inner_text()
    page.close()
    page = show(Kernel(path))
    first(page)
    assert "file of answers" in page.locator(".pwiq-form").inner_text()
    page.get_by_role("button", name="Go on where I stopped").press("Enter")
    page.wait_for_function("(h) => document.querySelector('.pwiq-form h1').textContent === h", arg=heading)
    after = fill_in(page)
    (row,) = rows(path)
    assert before
    assert {name: row[name] for name in before | after} == before | after


def test_a_second_window_takes_over_and_the_first_says_so(tmp_path: Path, show: Callable[[Kernel], Page]) -> None:
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


def test_a_kernel_that_does_not_answer_is_said(tmp_path: Path, show: Callable[[Kernel], Page]) -> None:
    kernel = Kernel(tmp_path / "a.sqlite", "P", "es")
    kernel.silent = True
    page = show(kernel)
    assert page.get_by_role("status").inner_text() == "Abriendo el cuestionario…"
    page.wait_for_function("() => document.querySelector('[role=status]').textContent.startsWith('Aquí se responde')")


def test_what_could_not_be_stored_can_be_sent_again(
    tmp_path: Path, show: Callable[[Kernel], Page], monkeypatch: pytest.MonkeyPatch
) -> None:
    kernel = Kernel(tmp_path / "a.sqlite")
    page = show(kernel)
    first(page)

    def full(*_: Any) -> None:
        raise StoreError("a.sqlite: the disk is full", "full")

    monkeypatch.setattr(kernel.form.store, "append", full)
    count = len(kernel.ask("open")["data"]["pages"])
    for _ in range(count * 4):
        if page.locator(".pwiq-form .send").count():
            break
        page.locator(".pwiq-form .main").press("Enter")
    page.locator(".pwiq-form .send").press("Enter")
    page.get_by_text("The disk on which answers are kept is full.").wait_for()
    assert rows(kernel.form.store.path) == []
    monkeypatch.undo()
    page.locator(".pwiq-form .send").press("Enter")
    page.get_by_text("Your answers are in the notebook's file of answers.").wait_for()
    assert len(rows(kernel.form.store.path)) == 1


def test_it_follows_the_theme_of_jupyterlab_and_leaves_nothing_behind(
    tmp_path: Path, show: Callable[[Kernel], Page]
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
