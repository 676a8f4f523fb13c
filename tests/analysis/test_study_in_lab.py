"""The whole path in a real JupyterLab by keyboard: a study's folder is opened, its form filled in, the answers read."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright
from playwright.sync_api import TimeoutError as PlaywrightTimeout

from analysis.study_folder import make_study
from instrument import read_responses
from instrument.responses import canonical_table
from tests.instrument.forms.accessible import faults_by_axe
from tests.instrument.forms.keyboard import fill_in

NOTEBOOK = "notebooks/00_fill_in.ipynb"


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def study(tmp_path: Path) -> Path:
    """The folder of a study of which everything is said, and whose notebook asks the short form."""
    folder = tmp_path / "study"
    make_study(folder)
    said = folder / "study.toml"
    said.write_text(re.sub("<<(.*?)>>", r"\1", said.read_text(encoding="utf-8"), flags=re.DOTALL), encoding="utf-8")
    book = folder / NOTEBOOK
    text = book.read_text(encoding="utf-8")
    assert r"form = \"P\"" in text
    book.write_text(text.replace(r"form = \"P\"", r"form = \"CS\""), encoding="utf-8")
    return folder


class Lab:
    """A JupyterLab that knows nothing of whoever runs the tests, and saves the state of widgets with a notebook."""

    def __init__(self, study: Path, own: Path) -> None:
        self.port = free_port()
        self.address = f"http://127.0.0.1:{self.port}"
        self.log = own / "lab.log"
        folders = {f"JUPYTER_{name}_DIR": str(own / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
        settings = own / "config" / "lab" / "user-settings" / "@jupyter-widgets" / "jupyterlab-manager"
        settings.mkdir(parents=True)
        (settings / "plugin.jupyterlab-settings").write_text('{"saveState": true}')
        options = [
            "--no-browser",
            "--allow-root",
            "--ip=127.0.0.1",
            f"--port={self.port}",
            "--ServerApp.port_retries=0",
            "--IdentityProvider.token=",
            "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
            "--LabApp.news_url=None",
            "--LabApp.extension_manager=readonly",
            "--KernelManager.autorestart=True",
            "--KernelRestarter.time_to_dead=0.5",
        ]
        with self.log.open("wb") as log:
            self.server = subprocess.Popen(
                [sys.executable, "-m", "jupyterlab", *options, f"--notebook-dir={study}"],
                env={**os.environ, **folders, "IPYTHONDIR": str(own / "i"), "HOME": str(own), "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until and self.server.poll() is None:
            try:
                urllib.request.urlopen(f"{self.address}/api/status", timeout=5).close()
                return
            except (urllib.error.URLError, TimeoutError):
                time.sleep(0.2)
        raise AssertionError(f"JupyterLab did not start:\n{self.log.read_text(errors='replace')[-3000:]}")

    def kill_kernel(self) -> None:
        children = ["pgrep", "-P", str(self.server.pid), "-f", "ipykernel"]
        (kernel,) = subprocess.run(children, check=True, capture_output=True, text=True).stdout.split()
        os.kill(int(kernel), signal.SIGKILL)

    def end(self) -> None:
        self.server.terminate()
        try:
            self.server.wait(10)
        except subprocess.TimeoutExpired:
            self.server.kill()
            self.server.wait(10)


@pytest.fixture
def lab(study: Path, tmp_path: Path) -> Iterator[Lab]:
    started = Lab(study, tmp_path)
    yield started  # it starts while the browser does
    started.end()


@pytest.fixture
def page(lab: Lab, needs_tool: Callable[..., str]) -> Iterator[Page]:
    with sync_playwright() as driver:
        browser = driver.chromium.launch(
            executable_path=needs_tool("chromium", "chromium-browser"),
            args=[
                "--no-sandbox",
                "--disable-gpu",
                "--disable-quic",
                "--disable-background-networking",
                "--disable-sync",
            ],
        )
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.set_default_timeout(60_000)
        context.route(lambda url: not url.startswith(lab.address), lambda route: route.abort())
        lab.wait()
        yield context.new_page()
        browser.close()


def cells(page: Page) -> int:
    return page.locator(".jp-Notebook .jp-Cell").count()


def kernel_is_ready(page: Page) -> None:
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for()
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for()  # without a kernel a cell does not run
    page.wait_for_function("() => document.activeElement.closest('.jp-Notebook')")


def command(page: Page, name: str) -> None:
    """Choose a command by JupyterLab's list of commands."""
    field = page.locator(".lm-CommandPalette-input")
    for _ in range(20):  # JupyterLab takes keys some time after it shows its notebook
        page.keyboard.press("Control+Shift+C")
        with contextlib.suppress(PlaywrightTimeout):
            field.wait_for(timeout=3_000)
            break
    page.keyboard.insert_text(name)
    page.wait_for_function(
        "(name) => document.querySelector('.lm-CommandPalette-item.lm-mod-active')?.textContent.startsWith(name)",
        arg=name,
    )
    page.keyboard.press("Enter")


def run_all_and_go_to_the_form(page: Page) -> None:
    command(page, "Run All Cells")
    page.locator(".pwiq-form h1").wait_for()
    page.wait_for_function("() => document.activeElement.classList.contains('jp-Cell')")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ArrowUp")


def said_below(page: Page, text: str) -> None:
    """Wait for what the last cell says, which has run without an error."""
    last = page.locator(".jp-Notebook .jp-CodeCell").nth(2)  # not `last`: running the last cell may add another
    last.locator(".jp-OutputArea-output").get_by_text(text).wait_for()
    assert not page.locator("[data-mime-type='application/vnd.jupyter.error']").count()


def test_from_jupyterlab_to_answers_by_keyboard_though_the_kernel_is_killed(page: Page, lab: Lab, study: Path) -> None:
    path = study / "data" / "answers.sqlite"
    page.goto(f"{lab.address}/lab/tree/{NOTEBOOK}?reset")
    kernel_is_ready(page)
    count = cells(page)
    run_all_and_go_to_the_form(page)
    said_below(page, "Nobody has answered yet.")
    assert faults_by_axe(page) == []
    answers = fill_in(page, language="es", pages=4)
    assert faults_by_axe(page) == []

    # the keys of JupyterLab must not act on the form: d d deletes a cell, a and b insert one, x cuts it
    for key in "ddabxmy0":
        page.keyboard.press(key)
    assert cells(page) == count
    heading = page.locator(".pwiq-form h1").inner_text()

    lab.kill_kernel()
    page.locator(".jp-Dialog").get_by_text("Kernel Restarting").wait_for()
    page.keyboard.press("Enter")
    page.reload()
    kernel_is_ready(page)
    command(page, "Use Theme: JupyterLab Dark")
    page.wait_for_function("() => document.body.dataset.jpThemeLight === 'false'")
    run_all_and_go_to_the_form(page)
    page.get_by_role("button", name="Seguir donde lo dejé").wait_for()
    assert faults_by_axe(page) == []
    fill_in(page, pages=1)
    assert page.locator(".pwiq-form h1").inner_text() == heading
    assert faults_by_axe(page) == []
    answers |= fill_in(page)
    assert faults_by_axe(page) == []
    assert len(answers) > 40

    responses = read_responses(path, "pwiq")
    assert len(responses.answers) == 1  # nothing twice
    (row,) = canonical_table(responses).astype("string").fillna("").to_dict("records")
    items = [name for name in answers if name in responses.answers]
    assert {name: row[name] for name in items} == {name: answers[name] for name in items}
    written = [text for text in answers.values() if len(text) > 3]
    assert max(map(len, written)) > 9_000
    assert set(written) <= set(row.values())
    assert (row["form"], row["wave"], row["language"]) == ("CS", "1", "es")

    # back to the cell by keyboard, and what the notebook says and saves
    while "jp-Cell" not in (page.evaluate("document.activeElement.className") or ""):
        page.keyboard.press("Shift+Tab")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Shift+Enter")
    said_below(page, "1 answer,")
    command(page, "Save Notebook")
    book = study / NOTEBOOK
    page.wait_for_function("() => !document.querySelector('.jp-mod-dirty')")
    saved = book.read_text(encoding="utf-8")
    assert "application/vnd.jupyter.widget-state+json" in json.loads(saved)["metadata"]["widgets"]
    assert "1 answer," in saved
    assert not [text for text in written if json.dumps(text)[1:21] in saved or text[:20] in saved]
