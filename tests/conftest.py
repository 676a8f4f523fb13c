"""Shared by all tests: paths, tools that may be missing, and notebooks run inside the test process."""

from __future__ import annotations

import importlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn, Protocol

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent

# Notebooks and plots must draw without a screen.
os.environ.setdefault("MPLBACKEND", "Agg")


# Files that take minutes, the longest first. Whatever is begun last should be short: the other worker waits for it.
LONGEST = ("test_report.py", "test_live.py", "test_before_and_after.py")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the longest files; all others stay in their order."""
    place = {name: at for at, name in enumerate(LONGEST)}
    items.sort(key=lambda item: place.get(item.path.name, len(LONGEST)))


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


def leave_out(why: str) -> NoReturn:
    """Leave a test out and say why; where all tools must be there (PWIQ_ALL_TOOLS is 1), fail."""
    if os.environ.get("PWIQ_ALL_TOOLS") == "1":
        pytest.fail(why)
    pytest.skip(f"left out: {why} (.ci/run installs it)")


@pytest.fixture(scope="session", name="leave_out")
def leave_out_fixture() -> Callable[[str], NoReturn]:
    """`leave_out`, for tests whose tool is there but lacks a part."""
    return leave_out


@pytest.fixture(scope="session")
def needs_tool() -> Callable[[str], str]:
    """Return the path of a system tool; without it the test is left out, or fails if PWIQ_ALL_TOOLS is 1."""

    def find(*names: str) -> str:
        for name in names:
            if path := shutil.which(name):
                return path
        leave_out(f"{' or '.join(names)} is not installed")

    return find


class Agrees(Protocol):
    """Asserts that our numbers are those of an oracle."""

    def __call__(
        self,
        statistic: str,
        ours: object,
        theirs: object,
        *,
        oracle: str,
        absolute: float | None = None,
        relative: float | None = None,
    ) -> None: ...


@pytest.fixture
def agrees(request: pytest.FixtureRequest) -> Agrees:
    """Assert that numbers agree with an oracle's within a tolerance, and note how well they did.

    ``agrees("CFI, robust", ours, theirs, oracle="lavaan 0.6-14", absolute=1e-4)``. Both may be numbers or
    arrays; where one is missing (nan), the other must be too. With the folder PWIQ_AGREEMENT set, each
    comparison is noted there, and `make oracles` gathers them in docs/agreement.md.
    """

    def check(
        statistic: str,
        ours: object,
        theirs: object,
        *,
        oracle: str,
        absolute: float | None = None,
        relative: float | None = None,
    ) -> None:
        if (absolute is None) == (relative is None):
            raise TypeError("give a tolerance: either absolute or relative")
        mine, other = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
        assert mine.shape == other.shape, f"{statistic}: shape {mine.shape}, the oracle has {other.shape}"
        assert mine.size, f"{statistic}: nothing to compare"
        assert np.array_equal(np.isnan(mine), np.isnan(other)), f"{statistic}: missing in one of the two only"
        assert not np.isnan(other).all(), f"{statistic}: nothing to compare but missing values"
        apart = np.abs(mine - other)
        if relative is not None:
            apart = apart / np.maximum(np.abs(other), np.finfo(float).tiny)
        difference = float(np.nanmax(apart))
        tolerance = absolute if relative is None else relative
        if folder := os.environ.get("PWIQ_AGREEMENT"):
            note = {
                "module": Path(str(request.node.path)).stem.removeprefix("test_"),
                "statistic": statistic,
                "oracle": oracle,
                "tolerance": tolerance,
                "kind": "relative" if absolute is None else "absolute",
                "difference": difference,
                "numbers": int(mine.size),
            }
            with (Path(folder) / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as notes:
                notes.write(json.dumps(note) + "\n")
        assert difference <= tolerance, f"{statistic}: {difference:.2e} from {oracle}, allowed {tolerance:.0e}"

    return check


def run_inline(source: Path, executed: Path, parameters: dict[str, Any]) -> None:
    """Run a notebook's cells in this process and store the outputs: as a kernel would, without starting one.

    Starting a kernel and importing everything takes longer than most of these notebooks do. That they
    also run in kernels is tested once, on the sample data.
    """
    import nbformat
    from IPython.core.interactiveshell import InteractiveShell
    from IPython.utils.capture import capture_output
    from traitlets.config import Config

    shell = InteractiveShell.instance(config=Config({"HistoryManager": {"enabled": False}}))
    shell.reset(new_session=False)
    notebook = nbformat.read(source, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type != "code":
            continue
        code = cell.source
        if "parameters" in cell.metadata.get("tags", []):
            code = "\n".join(f"{name} = {value!r}" for name, value in parameters.items())
        with capture_output() as captured:
            outcome = shell.run_cell(code, store_history=False)
        outcome.raise_error()
        assert captured.stderr == "", captured.stderr
        assert captured.stdout == "", captured.stdout
        cell.outputs = [nbformat.v4.new_output("display_data", data=dict(output.data)) for output in captured.outputs]
    nbformat.write(notebook, executed)


def patch_notebooks_inline(patch: pytest.MonkeyPatch) -> None:
    """Let `run_report` run its notebooks inside the test process, one after the other."""
    module = importlib.import_module("analysis.report")
    patch.setattr(module, "_run_notebook", run_inline)
    patch.setattr(module.os, "cpu_count", lambda: 1)


@pytest.fixture
def inline_notebooks(monkeypatch: pytest.MonkeyPatch) -> None:
    """`patch_notebooks_inline`, for one test."""
    patch_notebooks_inline(monkeypatch)


@pytest.fixture
def only_notebooks(
    inline_notebooks: None, monkeypatch: pytest.MonkeyPatch, root: Path, tmp_path: Path
) -> Callable[..., None]:
    """Return a function that lets a report have these notebooks alone: those that a test is about."""

    def choose(*names: str) -> None:
        folder = tmp_path / "notebooks"
        folder.mkdir()
        for name in names:
            shutil.copyfile(root / "notebooks" / f"{name}.ipynb", folder / f"{name}.ipynb")
        monkeypatch.setattr(importlib.import_module("analysis.report"), "notebook_folder", lambda: folder)

    return choose
