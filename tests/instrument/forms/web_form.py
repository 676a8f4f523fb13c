"""What the tests of the web form share: forms as files, and short ways to a page of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pandas as pd
from playwright.sync_api import Download, Locator, Page

from instrument import Instrument, Survey, build_survey, read_instrument
from instrument.forms.web import write_web
from tests.instrument.forms.made_up_study import STUDY

CANTEEN = read_instrument(Path(__file__).parents[2] / "data" / "forms.toml")
ADDRESS = "https://answers.invalid/post"
POSTING = replace(STUDY, address=ADDRESS)
DRAFT = "pwiq:canteen_p:draft"
FULL = "Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError'); };"

_BEGIN = """async () => {
  const later = () => new Promise((resolve) => setTimeout(resolve, 5));
  while (!document.querySelector("button.main")) await later();
  const consent = document.querySelector("[id$=-consent]");
  if (consent && !consent.checked) consent.click();
  const before = document.querySelector("h1");
  document.querySelector("button.main").click();
  while (document.querySelector("h1") === before) await later();
}"""
_GO_ON = """(until) => {
  for (let press = 0; press < 200 && history.state.step !== until; press += 1) document.querySelector("button.next").click();
  return history.state.step;
}"""


def canteen(form: str = "P", wave: int | None = None) -> Survey:
    """Return a small questionnaire with every kind of page."""
    return build_survey(CANTEEN, forms=[form], wave=wave)


class WebForms:
    """Web forms as files, each written when it is first asked for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.instrument: Instrument = read_instrument("pwiq")

    def __getitem__(self, name: str) -> Path:
        path = self.folder / f"{name}.html"
        if not path.exists():
            path.write_text(self._write(name), encoding="utf-8")
        return path

    def _write(self, name: str) -> str:
        match name:
            case "canteen":
                return write_web(canteen(), study=STUDY)
            case "wave2":
                return write_web(canteen(wave=2), study=STUDY)
            case "trial":
                return write_web(build_survey(CANTEEN, forms=CANTEEN.forms.ids))
            case "shuffled":
                return write_web(canteen(), study=STUDY, shuffle=True)
            case "post":
                return write_web(canteen(), study=POSTING)
            case "kiosk":
                return write_web(canteen(), study=STUDY, kiosk=True)
            case "long":
                return write_web(build_survey(self.instrument, forms=["CS"], languages=["es", "en"]), study=STUDY)
        raise KeyError(name)


def begin(page: Page, file: Path, *, query: str = "") -> Page:
    """Open a form, take part, and stand on the page after the first."""
    page.goto(file.as_uri() + query)
    page.evaluate(_BEGIN)
    return page


def start(page: Page) -> None:
    """Take part, where the first page is shown already."""
    page.evaluate(_BEGIN)


def go_on(page: Page, until: str) -> None:
    """Press Next, past blanks, until a step."""
    assert page.evaluate(_GO_ON, until) == until


def wait_until(page: Page, reached: Callable[[], bool]) -> None:
    """Wait for what is not seen on a page: a window hears of another a moment later."""
    for _ in range(1000):
        if reached():
            return
        page.wait_for_timeout(5)
    raise AssertionError("it did not come to that")


def press(page: Page, name: str) -> None:
    """Press a button, without the pointer's way there: that costs more than all else in a test."""
    page.get_by_role("button", name=name).dispatch_event("click")


def tick(choice: Locator) -> None:
    """Choose an answer, likewise."""
    choice.dispatch_event("click")


def send(page: Page) -> None:
    page.locator("button.send").dispatch_event("click")


def sent_as_file(page: Page) -> Path:
    """Press the last button of a form that saves a file, and return the file."""
    with page.expect_download() as waiting:
        send(page)
    return saved(waiting.value)


def table(path: Path) -> pd.DataFrame:
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def saved(download: Download) -> Path:
    target = Path(str(download.path())).parent / download.suggested_filename
    download.save_as(target)
    return target


def heading(page: Page) -> str:
    """Return the heading of the page that is shown."""
    return page.locator("h1").inner_text()
