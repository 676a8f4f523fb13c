"""Opens the notebooks in JupyterLab, in a folder of the user's own."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

from analysis.report import notebook_folder


def open_lab(folder: Path, *, browser: bool = True) -> None:
    """Copy the notebooks that are not there yet into a folder and start JupyterLab in it.

    Parameters
    ----------
    folder : path
        Made if missing. Notebooks that are there are left alone, so that work in them is never lost.
    browser : bool
        Open a browser.

    Raises
    ------
    ValueError
        If JupyterLab is not installed.
    """
    copy_notebooks(folder)
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}"]
    if not browser:
        command.append("--no-browser")
    status = subprocess.run(command, check=False).returncode  # noqa: S603 - our own interpreter and module
    if status:
        raise ValueError(
            f"JupyterLab ended with status {status}. If it is not installed: pip install 'pwiq[lab]' in this environment"
        )


def copy_notebooks(folder: Path) -> list[Path]:
    """Copy the notebooks and the sample data that they open with; return what was copied."""
    folder.mkdir(parents=True, exist_ok=True)
    copied = []
    for source in sorted(notebook_folder().glob("[0-9][0-9]_*.ipynb")):
        target = folder / source.name
        if not target.exists():
            shutil.copyfile(source, target)
            copied.append(target)
    return copied
