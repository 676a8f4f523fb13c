"""From files of answers to a report: reads them, runs the notebooks, and gathers what they released."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.disclosure import FLOORS, Audience
from analysis.pages import write_pages
from analysis.release import Shown, read_shown
from analysis.workbook import write_workbook
from instrument.definition import Instrument, read_instrument
from instrument.files import write_whole
from instrument.reading import read_responses
from instrument.responses import Responses

SEED = 20261122
"""Seed of everything random in the notebooks (bootstrap, parallel analysis); it stands in provenance.json."""

_PACKAGES = ("pwiq", "numpy", "scipy", "pandas", "statsmodels", "pingouin", "factor-analyzer", "matplotlib", "seaborn")


def run_report(
    files: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    instrument: str | Path = "pwiq",
    audience: Audience = "internal",
    force: bool = False,
    progress: bool = False,
) -> Path:
    """Read answers, run the notebooks on them, and write a report that is fit for its audience.

    Parameters
    ----------
    files : path or sequence of paths
        Files of answers. Without a ``wave`` column their order is the order of the waves.
    out : path
        Folder to write. Everything in it is a release: suppressed for ``audience``.
    instrument : str or path
        Name or path of the questionnaire's definition.
    audience : {"internal", "external"}
        Nothing is shown of fewer than 5 or 10 people.
    force : bool
        Replace ``out`` if it is an earlier report (or empty); any other folder is never touched.
    progress : bool
        Show a progress bar on stderr.

    Returns
    -------
    Path
        The first page, ``out/index.html``.

    Raises
    ------
    FileExistsError
        If ``out`` exists and may not be replaced.
    FileNotFoundError, InstrumentError, ResponseError
        If the input cannot be used; nothing is written then.

    Examples
    --------
    >>> run_report("missing.csv", "a_new_folder")
    Traceback (most recent call last):
        ...
    FileNotFoundError: missing.csv: no such file; check the name and the folder
    """
    paths = [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]
    target = Path(out)
    if audience not in FLOORS:
        raise ValueError(f"audience must be one of {', '.join(FLOORS)}; got {audience!r}")
    _refuse_existing(target, force=force)
    _refuse_to_lose([*paths, Path(instrument)], target)
    definition = read_instrument(instrument)
    responses = read_responses(paths, definition)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pwiq-", dir=target.resolve().parent) as work:
        parts, finished = Path(work) / "parts", Path(work) / "report"
        parts.mkdir()
        finished.mkdir()
        parameters = {
            "files": [str(path.resolve()) for path in paths],
            "instrument": _definition_parameter(instrument),
            "audience": audience,
            "seed": SEED,
            "folder": str(parts),
        }
        executed = run_notebooks(parameters, Path(work), progress=progress)
        shown = [entry for name in executed for entry in read_shown(parts, name)]
        provenance = _provenance(paths, definition, responses, audience)
        _gather(finished, parts, executed, shown, provenance, definition, audience)
        if target.exists():
            shutil.rmtree(target)
        finished.replace(target)
    return target / "index.html"


def notebook_folder() -> Path:
    """Return the folder of the notebooks: in the installed package, or in the repository."""
    installed = Path(__file__).parent / "_notebooks"
    return installed if installed.exists() else Path(__file__).parent.parent / "notebooks"


def run_notebooks(parameters: dict[str, Any], work: Path, *, progress: bool = False) -> dict[str, Path]:
    """Execute every notebook with these parameters; return name → executed notebook, in reading order."""
    from tqdm import tqdm

    sources = sorted(notebook_folder().glob("[0-9][0-9]_*.ipynb"))
    executed = {source.stem: work / source.name for source in sources}
    workers = min(len(sources), max(1, (os.cpu_count() or 1)))
    with (
        ThreadPoolExecutor(workers) as pool,
        tqdm(total=len(sources), desc="notebooks", disable=not progress) as bar,
    ):
        # The last ones take longest, so they begin first.
        running = {
            pool.submit(_run_notebook, source, executed[source.stem], parameters): source
            for source in reversed(sources)
        }
        for finished in as_completed(running):
            finished.result()
            bar.set_postfix_str(running[finished].stem)
            bar.update()
    return executed


def _run_notebook(source: Path, executed: Path, parameters: dict[str, Any]) -> None:
    order = {"source": str(source), "executed": str(executed), "parameters": parameters}
    done = subprocess.run(
        [sys.executable, "-m", "analysis.run_notebook"],
        input=json.dumps(order),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        said = (done.stdout.strip() or done.stderr.strip()).splitlines()
        raise ValueError(
            f"notebook {source.name} stopped in {said[-1] if said else 'its kernel'}. "
            "This is a fault of the software; please report it with the message."
        )


def _refuse_to_lose(read: Sequence[Path], target: Path) -> None:
    """Refuse a folder that holds what is read: replacing it would destroy the answers."""
    folder = os.path.realpath(target)
    for path in read:
        if os.path.realpath(path).startswith(folder + os.sep) and path.exists():
            raise FileExistsError(f"{target} holds {path.name}, which is read; choose another folder")


def _refuse_existing(target: Path, *, force: bool) -> None:
    if target.is_symlink():
        raise FileExistsError(f"{target} is a link to another place; name a folder")
    if not target.exists():
        return
    if not force:
        raise FileExistsError(f"{target} exists; choose another folder or add --force")
    if not target.is_dir() or (any(target.iterdir()) and not (target / "provenance.json").exists()):
        raise FileExistsError(f"{target} is not an earlier report and is not replaced; choose another folder")


def _definition_parameter(instrument: str | Path) -> str:
    path = Path(instrument)
    return str(path.resolve()) if path.exists() else str(instrument)


def _provenance(
    paths: Sequence[Path], definition: Instrument, responses: Responses, audience: Audience
) -> dict[str, Any]:
    floor = FLOORS[audience]
    # A wave under the floor does not count: all less the others would tell its number.
    sizes = responses.people["wave"].value_counts()
    count = int(sizes[sizes >= floor].sum())
    return {
        "draft": definition.banner.get(definition.languages[0], ""),
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "audience": audience,
        "smallest_group_shown": floor,
        "questionnaire": {"id": definition.id, "version": definition.version, "sha256": definition.digest},
        "data": [{"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()} for path in paths],
        "responses": count or f"fewer than {floor} in each wave",
        "seed": SEED,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _gather(
    finished: Path,
    parts: Path,
    executed: dict[str, Path],
    shown: list[Shown],
    provenance: dict[str, Any],
    definition: Instrument,
    audience: Audience,
) -> None:
    """Write pages, tables, figures, the workbook and the provenance into the finished folder."""
    for kind, ending in (("tables", "csv"), ("figures", "svg")):
        (finished / kind).mkdir()
        for file in sorted(parts.glob(f"*.{ending}")):
            shutil.copyfile(file, finished / kind / file.name)
    tables = {
        entry.name: (entry, pd.read_csv(parts / f"{entry.name}.csv", dtype=object, keep_default_na=False))
        for entry in shown
        if entry.kind == "table"
    }
    write_workbook(finished / "tables.xlsx", tables, banner=provenance["draft"])
    write_pages(finished, executed, shown, provenance, definition, audience=audience)
    write_whole(finished / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")
