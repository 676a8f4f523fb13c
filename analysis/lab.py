"""Opens the notebooks in JupyterLab, in a folder of the user's own."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

from analysis.report import notebook_folder
from instrument.files import write_whole

SAMPLE_FILES = ("baseline.csv", "baseline.about.json", "followup.csv", "followup.about.json")
"""What the notebooks open with, and the files that say that these answers are simulated."""
STUDY = ".pwiq-study.json"
"""What tells a folder that `pwiq init` made."""


def open_lab(folder: Path, *, instrument: str = "pwiq", browser: bool = True) -> None:
    """Copy the notebooks that are not there yet into a folder and start JupyterLab in it.

    Parameters
    ----------
    folder : path
        Made if missing. Notebooks that are there are left alone, so that work in them is never lost.
    instrument : str
        Name or path of the questionnaire's definition, for the copies.
    browser : bool
        Open a browser.

    Raises
    ------
    ValueError
        If JupyterLab is not installed, or the folder is part of the package: an upgrade would take what was done there.
    """
    if folder.resolve().is_relative_to(notebook_folder().resolve()):
        raise ValueError(f"{folder}: these are the notebooks of the package; name a folder of your own")
    if not (folder / STUDY).exists():  # a study's folder has its own notebooks
        copy_notebooks(folder, instrument=instrument)
    command = [sys.executable, "-m", "jupyterlab", f"--notebook-dir={folder}"]
    if not browser:
        command.append("--no-browser")
    status = subprocess.run(command, check=False).returncode  # noqa: S603 - our own interpreter and module
    if status:
        raise ValueError(
            f"JupyterLab ended with status {status}; it says above why. "
            "If it is not installed: pip install 'pwiq[lab]' in this environment"
        )


def copy_notebooks(folder: Path, *, instrument: str = "pwiq") -> list[Path]:
    """Copy the notebooks and the sample data that they open with; return what was copied.

    ``instrument`` is written into the parameters of the copies.
    """
    samples = folder / "sample_data"
    samples.mkdir(parents=True, exist_ok=True)
    copied = []
    for source in sorted(notebook_folder().glob("[0-9][0-9]_*.ipynb")):
        target = folder / source.name
        if not target.exists():
            # Beside the copies, so that they run wherever the folder is.
            text = source.read_text(encoding="utf-8").replace("../sample_data/", "sample_data/")
            chosen = json.dumps(f"instrument = {json.dumps(instrument)}\n")
            text = text.replace(json.dumps('instrument = "pwiq"\n'), chosen)
            write_whole(target, text)
            copied.append(target)
    for name in SAMPLE_FILES:
        target = samples / name
        if not target.exists():
            shutil.copyfile(_sample_folder() / name, target)
            copied.append(target)
    return copied


def _sample_folder() -> Path:
    """Return the folder of the sample data: in the installed package, or in the repository."""
    installed = Path(__file__).parent / "_sample_data"
    return installed if installed.exists() else Path(__file__).parent.parent / "sample_data"
