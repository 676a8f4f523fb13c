"""The whole path in a real JupyterLab: a study's folder is opened, the cells are run, the form is filled in, the answers read."""

from __future__ import annotations

import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Page, sync_playwright

from analysis.study_folder import make_study
from instrument import read_responses
from tests.instrument.forms.keyboard import fill_in

DEFINITION = Path(__file__).parents[1] / "data" / "forms.toml"
NOTEBOOK = "notebooks/00_fill_in.ipynb"

pytestmark = pytest.mark.xdist_group("lab")


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


@pytest.fixture
def study(tmp_path: Path) -> Path:
    make_study(tmp_path / "study", instrument=DEFINITION)
    return tmp_path / "study"


@pytest.fixture
def lab(study: Path, tmp_path: Path) -> Iterator[str]:
    """The address of a JupyterLab that knows nothing of whoever runs the tests."""
    port = free_port()
    own = {f"JUPYTER_{name}_DIR": str(tmp_path / name.lower()) for name in ("CONFIG", "DATA", "RUNTIME")}
    own |= {"IPYTHONDIR": str(tmp_path / "ipython"), "HOME": str(tmp_path), "OMP_NUM_THREADS": "1"}
    options = [
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        "--ServerApp.port_retries=0",
        "--IdentityProvider.token=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
        "--LabApp.news_url=None",
        "--LabApp.extension_manager=readonly",
    ]
    log = (tmp_path / "lab.log").open("wb")
    server = subprocess.Popen(
        [sys.executable, "-m", "jupyterlab", *options, f"--notebook-dir={study}"],
        env={**os.environ, **own},
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        wait_for(f"http://127.0.0.1:{port}/api/status", server, tmp_path / "lab.log")
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait(10)
        log.close()


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path) -> None:
    until = time.monotonic() + 40
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(address, timeout=5).close()
            return
        except (urllib.error.URLError, TimeoutError):
            time.sleep(0.2)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text(errors='replace')[-3000:]}")


@pytest.fixture
def page(lab: str, needs_tool: Callable[..., str]) -> Iterator[Page]:
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
        context.route(lambda url: not url.startswith(lab), lambda route: route.abort())
        yield context.new_page()
        browser.close()


def cells(page: Page) -> int:
    return page.locator(".jp-Notebook .jp-Cell").count()


def open_notebook(page: Page, lab: str) -> None:
    page.goto(f"{lab}/lab/tree/{NOTEBOOK}?reset")
    page.locator(".jp-Notebook .jp-CodeCell").first.wait_for(timeout=40_000)
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=40_000)  # without a kernel a cell does not run
    page.locator(".jp-Notebook .jp-Cell").first.click()
    page.keyboard.press("Escape")


def run_cells(page: Page, many: int) -> None:
    for _ in range(many):
        page.keyboard.press("Shift+Enter")


def test_from_jupyterlab_to_scored_answers(page: Page, lab: str, study: Path) -> None:
    open_notebook(page, lab)
    count = cells(page)
    run_cells(page, 3)
    page.locator(".pwiq-form h1").wait_for(timeout=40_000)
    page.locator(".pwiq-form .languages button").first.focus()
    fill_in(page, pages=3)
    answered_so_far = page.locator(".pwiq-form h1").inner_text()

    # the keys of JupyterLab must not act on the form: d d deletes a cell, a and b insert one, x cuts it
    for key in "ddabxmy0":
        page.keyboard.press(key)
    assert cells(page) == count

    # the kernel is stopped in the middle, and the cells are run again
    restart(page)
    run_cells(page, 3)
    page.get_by_role("button", name="Go on where I stopped").press("Enter", timeout=40_000)
    page.wait_for_function("(h) => document.querySelector('.pwiq-form h1')?.textContent === h", arg=answered_so_far)
    answers = fill_in(page)

    last = page.locator(".jp-Notebook .jp-CodeCell").nth(2)  # not `last`: running the last cell adds another
    last.locator(".jp-InputPrompt").click()
    page.keyboard.press("Escape")
    run_cells(page, 1)
    last.locator(".jp-OutputArea-output").first.wait_for(timeout=40_000)
    said = last.locator(".jp-OutputArea").inner_text()
    assert "canteen 0.2.0" in said
    assert "Error" not in said

    path = study / "data" / "answers.sqlite"
    responses = read_responses(path, DEFINITION)
    assert len(responses.answers) == 1
    database = sqlite3.connect(path)
    database.row_factory = sqlite3.Row
    (row,) = database.execute("SELECT * FROM answers").fetchall()
    database.close()
    assert len(answers) > 8
    assert {name: row[name] for name in answers} == answers
    assert row["trial"] == "1"  # the study's placeholders are still there


def restart(page: Page) -> None:
    """Restart the kernel by JupyterLab's own keys, with the first cell chosen."""
    page.locator(".jp-Notebook .jp-Cell").first.click(position={"x": 100, "y": 20})
    page.keyboard.press("Escape")
    page.keyboard.press("0")
    page.keyboard.press("0")
    page.locator(".jp-Dialog").get_by_text("Restart", exact=True).wait_for()
    page.keyboard.press("Enter")
    page.locator(".jp-Dialog").wait_for(state="detached")
    page.get_by_text("Python 3 (ipykernel) | Idle").wait_for(timeout=40_000)
