"""From files of answers to a report: reads them, runs the notebooks, and gathers what they released."""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from analysis.analysis_plan import read_plan
from analysis.disclosure import FLOORS, Audience
from analysis.form_groups import form_groups
from analysis.open_answers import write_open_answers
from analysis.pages import write_pages
from analysis.release import ACTION_LOG, Shown, read_shown
from analysis.release_record import FILE, check_releases, note_release, released_groups
from analysis.workbook import write_workbook
from analysis.written import write_documents
from instrument.definition import Instrument, read_instrument
from instrument.definition_file import lasting
from instrument.files import csv_text, write_whole
from instrument.past_versions import comparability, read_past
from instrument.reading import Platform, read_responses
from instrument.responses import Responses, canonical_table, select, split_waves
from instrument.versions import SAME, comparable_scores

SEED = 20261122
"""Seed of everything random in the notebooks (bootstrap, parallel analysis); it stands in provenance.json."""

_PACKAGES = ("pwiq", "numpy", "scipy", "pandas", "statsmodels", "pingouin", "factor-analyzer", "matplotlib", "seaborn")


def run_report(
    files: Sequence[str | Path] | str | Path,
    out: str | Path,
    *,
    instrument: str | Path = "pwiq",
    audience: Audience = "internal",
    organisation: str | None = None,
    team: str | None = None,
    plan: str | Path | None = None,
    record: str | Path | None = None,
    withdraw: int | None = None,
    open_answers: str | Path | None = None,
    platform: Platform = "auto",
    form: str | None = None,
    language: str | None = None,
    mapping: str | Path | None = None,
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
    audience : {"internal", "external", "researcher"}
        Nothing is shown of fewer than 5, 10 or 5 people; "researcher" adds the researcher's document.
    organisation, team : str, optional
        Report on this organisation or team alone; everyone's answers then tell whether waves may be compared.
    plan : path, optional
        The analysis plan (`pwiq plan`): what it states is used, and deviations from it are listed.
    record : path, optional
        The record of releases, beside the report by default: a report that would, with an earlier one, tell of
        fewer people than are ever shown is refused.
    withdraw : int, optional
        Number of an earlier report that was called back.
    open_answers : path, optional
        Write the answers to open questions to this file too, shuffled and unlinked. They may name people.
    platform, form, language, mapping
        How the files are read, as for `read_responses`.
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
    ValueError
        If two waves hold the very same answers; on reading, also if their dates run backwards.
    ReleaseRefusedError
        If an earlier report and this one would together tell of a few people.

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
    named = [instrument] if Path(instrument).exists() else []  # else it ships with the package
    _refuse_to_lose([Path(each) for each in (*paths, *named, plan, record, mapping) if each], target)
    if plan:
        read_plan(plan)  # refused before any work is done
    if open_answers:
        _refuse_place_of_open_answers(Path(open_answers), target, paths)
    definition = read_instrument(instrument)
    responses = read_responses(paths, definition, platform=platform, form=form, language=language, mapping=mapping)
    _refuse_other_version(responses, instrument)
    _refuse_waves_that_are_none(responses)
    chosen = _of_place(responses, organisation=organisation, team=team)
    groups = _shown_groups(chosen, audience)
    releases = Path(record) if record else target.parent / FILE
    check_releases(releases, groups, audience, withdraw)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".pwiq-", dir=target.resolve().parent) as work:
        parts, finished = Path(work) / "parts", Path(work) / "report"
        parts.mkdir()
        finished.mkdir()
        # The notebooks find out by themselves how a file is read; what they were told beside it they would not know.
        told = platform != "auto" or form is not None or language is not None or mapping is not None
        everyone = _written(responses, Path(work) / "all") if told else [str(path.resolve()) for path in paths]
        parameters = {
            "files": everyone if chosen is responses else _written(chosen, Path(work) / "place"),
            "pooled": None if chosen is responses else everyone,
            "instrument": lasting(instrument),
            "audience": audience,
            "seed": SEED,
            "plan": str(Path(plan).resolve()) if plan else None,
            "folder": str(parts),
        }
        executed = run_notebooks(parameters, Path(work), progress=progress)
        shown = [entry for name in executed for entry in read_shown(parts, name)]
        provenance = _provenance(paths, definition, chosen, audience)
        if mapping is not None:
            provenance["mapping"] = _file(Path(mapping))
        if chosen is not responses:
            provenance["of"] = {"organisation": organisation, "team": team}
        _gather(finished, parts, executed, shown, provenance, definition, audience)
        if groups:  # before anybody can have it: a report that is not in the record would not be counted against
            note_release(releases, groups, audience, withdraw)
        if target.exists():
            shutil.rmtree(target)
        finished.replace(target)
    if open_answers:
        write_open_answers(chosen, open_answers, audience=audience)
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
    declared = _declared(source)
    known = {name: value for name, value in parameters.items() if name in declared}
    order = {"source": str(source), "executed": str(executed), "parameters": known}
    done = subprocess.run(
        [sys.executable, "-m", "analysis.run_notebook"],
        # One thread each, as notebooks run side by side and their matrices are small: several would wait for each other.
        env={"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"} | os.environ,
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


def _declared(source: Path) -> set[str]:
    """Return the names of a notebook's parameters: papermill complains of others."""
    cells = json.loads(source.read_text(encoding="utf-8"))["cells"]
    tagged = [cell for cell in cells if "parameters" in cell["metadata"].get("tags", ())]
    return {name for cell in tagged for name in re.findall(r"^(\w+) = ", "".join(cell["source"]), re.MULTILINE)}


def _of_place(responses: Responses, *, organisation: str | None, team: str | None) -> Responses:
    """Return the answers of one organisation or team; the same object where none is named."""
    chosen = pd.Series(True, index=responses.people.index)
    for column, wanted in (("organisation", organisation), ("team", team)):
        if wanted is None:
            continue
        if column not in responses.people:
            raise ValueError(f"the answers have no column {column}, so that {wanted!r} cannot be found")
        given = responses.people[column].astype("string").fillna("")
        if not (given == wanted).any():
            known = ", ".join(sorted(set(given) - {""})[:20]) or "none"
            raise ValueError(f"nobody answered in the {column} {wanted!r}; there are {known}")
        chosen &= given == wanted
    if not chosen.any():
        raise ValueError(f"nobody answered in the team {team!r} of the organisation {organisation!r}")
    places = responses.people.get("organisation")
    if team is not None and organisation is None and places is not None and places[chosen].nunique() > 1:
        raise ValueError(f"several organisations have a team {team!r}: name the organisation too")
    return responses if organisation is None and team is None else select(responses, chosen)


def _written(responses: Responses, folder: Path) -> list[str]:
    """Write the answers to one file a wave, as the notebooks read them; they go when the report is finished."""
    folder.mkdir()
    paths = []
    for wave, part in split_waves(responses).items():
        paths.append(folder / f"wave_{wave}.csv")
        write_whole(paths[-1], csv_text(canonical_table(part)))
    return [str(path) for path in paths]


def _shown_groups(responses: Responses, audience: Audience) -> dict[str, list[str]]:
    """Return whose answers the report shows: those of the waves that have enough of them, by group of forms."""
    sizes = responses.people["wave"].value_counts()
    admitted = select(responses, responses.people["wave"].isin(sizes.index[sizes >= FLOORS[audience]]))
    if admitted.people.empty:
        return {}
    shown = None
    if "form" in admitted.people:
        who = {form.id: form.who for form in responses.instrument.forms}
        found = form_groups(admitted.people, who, floor=FLOORS[audience])
        shown = found.group if found.apart else None
    return released_groups(admitted, shown)


def _refuse_other_version(responses: Responses, definition: str | Path) -> None:
    """Refuse answers that say of themselves that they were given to other questions than the definition has."""
    instrument = responses.instrument
    if "version" not in responses.people:
        return
    stated = responses.people["version"].astype("string").str.strip().fillna("")
    others = sorted(set(stated) - {"", instrument.version})
    told = []
    for version in others:
        past = read_past(instrument, version, definition=definition)
        if past is None or not comparable_scores(past, instrument)["verdict"].eq(SAME).all():
            told.append(comparability(instrument, version, definition=definition))
    if told:
        waves = sorted(responses.people.loc[stated.isin(others), "wave"].unique())
        raise ValueError(
            f"answers of wave {', '.join(map(str, waves))} were given to another version of the questionnaire "
            f"({'; '.join(told)}). A report shows all scores, so it needs answers whose scores all stay comparable. "
            "`pwiq versions OLD NEW` lists every edit; where nothing but looks was edited, correct the column version"
        )


def _refuse_waves_that_are_none(responses: Responses) -> None:
    """Refuse the same answers as two waves, which would look like a finding; the order of waves is checked on reading."""
    waves = split_waves(responses)
    for first, second in pairwise(waves):
        alike = len(waves[first].answers) == len(waves[second].answers)
        if alike and _all_answers(waves[first]) == _all_answers(waves[second]):
            raise ValueError(
                f"waves {first} and {second} hold the very same answers: the same file was given twice, or a copy of it. "
                "Give the file of each wave once"
            )


def _all_answers(responses: Responses) -> list[tuple[str, ...]]:
    """Return everybody's answers, whoever gave them in whatever order."""
    return sorted(responses.answers.astype("string").fillna("").itertuples(index=False, name=None))


def _refuse_to_lose(kept: Sequence[Path], target: Path) -> None:
    """Refuse a folder that holds what is read or kept: replacing it would destroy the answers."""
    folder = os.path.realpath(target)
    for path in kept:
        if os.path.realpath(path).startswith(folder + os.sep):
            raise FileExistsError(f"{target} holds {path.name}, which is read or kept; choose another folder")


def _refuse_place_of_open_answers(path: Path, target: Path, read: Sequence[Path]) -> None:
    """Refuse, before any work is done, a file in the report's folder, which is passed on, or one that is there."""
    place = os.path.realpath(path)
    if place.startswith(os.path.realpath(target) + os.sep):
        raise FileExistsError(f"{path} lies in the report's folder, which is passed on; choose another place")
    if path.exists() or place in [os.path.realpath(each) for each in read]:
        raise FileExistsError(f"{path} exists; choose another name for what people wrote")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {path.parent}; make it first, or choose another")


def _refuse_existing(target: Path, *, force: bool) -> None:
    if target.is_symlink():
        raise FileExistsError(f"{target} is a link to another place; name a folder")
    if not target.exists():
        return
    if not force:
        raise FileExistsError(f"{target} exists; choose another folder or add --force")
    if not target.is_dir() or (any(target.iterdir()) and not (target / "provenance.json").exists()):
        raise FileExistsError(f"{target} is not an earlier report and is not replaced; choose another folder")


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
        "data": [
            {**_file(path), "read_as": read_as}
            for path, read_as in zip(paths, responses.ledger.drop_duplicates("file")["platform"], strict=True)
        ],
        "responses": count or f"fewer than {floor} in each wave",
        "seed": SEED,
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in _PACKAGES},
    }


def _file(path: Path) -> dict[str, str]:
    return {"file": path.name, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}


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
    documents = write_documents(
        finished, shown, {name: table for name, (_, table) in tables.items()}, provenance, definition, audience=audience
    )
    if (parts / ACTION_LOG).exists():
        documents.append(Path(shutil.copyfile(parts / ACTION_LOG, finished / ACTION_LOG)))
    write_pages(finished, executed, shown, provenance, definition, audience=audience, documents=documents)
    write_whole(finished / "provenance.json", json.dumps(provenance, indent=2, ensure_ascii=False) + "\n")
