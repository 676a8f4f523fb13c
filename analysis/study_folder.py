"""The folder in which somebody runs a study: data in, notebooks, what the study says of itself, and the steps.

What lies in the folder is the user's. Copies are never overwritten: what a later version of the package brings is laid
beside, under a name that says so.
"""

from __future__ import annotations

import hashlib
import json
import shlex
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from analysis.lab import STUDY as RECORD
from analysis.lab import copy_notebooks
from instrument.definition import Instrument, read_instrument
from instrument.definition_file import lasting
from instrument.files import write_whole
from instrument.forms.study import study_template

# The record says which files were laid into the folder, with digests of what they held: so an upgrade knows the user's own.

_IGNORED = """\
# Answers of people never go into a repository.
/data/*
!/data/README.md
/report*/
*.sqlite
*.sqlite-journal
*.db
*.xlsx
/answers*/
/settle*.csv
/scores*.csv
/links*.csv
/pwiq-releases.jsonl
.ipynb_checkpoints/
"""

_DATA = """\
# Answers go in here

Put the files with answers here: `answers.sqlite` of the notebook form, exports of a survey platform, files of the web form, the
keyed sheet of paper forms. They hold answers of single people:

- keep this folder where only those who work on the study can read it, and keep a copy in a safe place;
- it is left out of git (`.gitignore`): do not add files by force, and do not send them by e-mail;
- keep names, e-mail addresses and lists of who was invited somewhere else.

Files are never changed by the notebooks. Name them so that the order is plain: `wave1.csv`, `wave2.csv`.
"""

_STEPS = """\
# {title}: a study

Made for `{id}` {version}. {banner}

Type the commands in a terminal, in this folder.

1. **Say what the study is.** Replace every text in `<< >>` in `study.toml`. Until then every form calls itself a trial.
2. **Plan, before the first answer.** `pwiq plan --out plan.toml{chosen}` writes and seals the analysis plan; keep it as it
   is, and send its seal to somebody outside.
3. **Ask**, in one of these ways or several:
   - in JupyterLab: `pwiq lab --folder .`, then run all cells of `notebooks/00_fill_in.ipynb`;
   - on the web: `pwiq export web --wave 1 --study study.toml --out form.html{form}{chosen}`;
   - on paper: `pwiq export paper --wave 1 --study study.toml --out form.pdf{form}{chosen}`;
   - on a survey platform, for example `pwiq export redcap --wave 1 --out redcap.csv{form}{chosen}`.
4. **Try it.** Answer it once yourself, read that answer (step 6), look at it, and delete it: in a notebook, the file
   `data/answers.sqlite`.
5. **Collect** the answers in `data/`. Read `data/README.md` first.
6. **Read them**: `pwiq read data/answers.sqlite --out data/wave1.csv{chosen}` says what became of every column. What was not
   answered in a notebook has another name in place of `data/answers.sqlite`.
7. **Look at them**: `pwiq report data/wave1.csv --out report{chosen}` makes the report; after a second wave
   `pwiq report data/wave1.csv data/wave2.csv --plan plan.toml --out report_2{chosen}`. Or set the paths in the first cell
   of a notebook and run all its cells.

What is in here is yours. After an upgrade of pwiq, `pwiq init .{chosen}` lays what is new beside your files
(`NAME.VERSION.ipynb`; `NEW_VERSIONS.md` lists it) and changes none of them.
"""


def make_study(folder: str | Path, *, instrument: str | Path = "pwiq") -> list[Path]:
    """Make the folder of a study; or lay what the installed version has anew into one that was made before.

    Parameters
    ----------
    folder : str or path
        Must not exist or be empty, unless this function made it.
    instrument : str or path, default "pwiq"
        Name or path of the questionnaire's definition.

    Returns
    -------
    list of path
        What was written: ``data/`` with a README, ``notebooks/``, ``study.toml``, ``README.md`` and ``.gitignore``. In a
        folder made before: only what is new. A file that the user has changed is left alone, and so is one they have
        deleted; where the package now has another version of it, that is laid beside as ``NAME.VERSION.ENDING``.

    Raises
    ------
    ValueError
        If the folder holds something that is not ours, is a study of another questionnaire, or is a file.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     written = make_study(f"{folder}/study")
    ...     sorted(path.name for path in written if path.suffix in (".toml", ".md"))
    ['README.md', 'README.md', 'study.toml']
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise ValueError(f"{folder}: this is a file; name a folder that does not exist yet")
    record = folder / RECORD
    if folder.exists() and not record.exists() and any(folder.iterdir()):
        raise ValueError(
            f"{folder}: the folder is not empty; name one that does not exist yet, so that nothing is mixed up"
        )
    definition = read_instrument(instrument)
    laid = _laid(record, definition) if record.exists() else {}
    folder.mkdir(parents=True, exist_ok=True)
    given = lasting(instrument)
    written: list[Path] = []
    beside: list[tuple[str, Path]] = []
    for name, content in _contents(definition, given).items():
        digest = hashlib.sha256(content).hexdigest()
        if laid.get(name) == digest:
            continue  # the user's now, changed or deleted
        target = folder / name
        if name in laid or target.exists():
            target = _beside(target, digest)
            beside.append((name, target.relative_to(folder)))
        target.parent.mkdir(parents=True, exist_ok=True)
        write_whole(target, content)
        laid[name] = digest
        written.append(target)
    if beside:
        written.append(_note(folder, beside))
    about = {"instrument": definition.id, "version": definition.version, "files": dict(sorted(laid.items()))}
    write_whole(record, json.dumps(about, indent=1, ensure_ascii=False) + "\n")
    return written


def _laid(record: Path, definition: Instrument) -> dict[str, str]:
    """Return which files were laid into the folder, with digests of what they held."""
    try:
        made = json.loads(record.read_text(encoding="utf-8"))
        sound = isinstance(made["instrument"], str) and all(isinstance(each, str) for each in made["files"].values())
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        sound = False
    if not sound:
        raise ValueError(
            f"{record}: is not what `pwiq init` wrote; make a new folder with `pwiq init` and move your own files there"
        )
    if made["instrument"] != definition.id:
        raise ValueError(
            f"{record.parent}: this is a study of {made['instrument']}, and not of {definition.id}; name its questionnaire "
            "with --instrument, or another folder"
        )
    files: dict[str, str] = made["files"]
    return files


def _contents(definition: Instrument, given: str) -> dict[str, bytes]:
    """Return file name → what the installed version lays there."""
    language = definition.languages[0]
    banner = definition.banner[language] if definition.status == "draft" and definition.banner else ""
    steps = _STEPS.format(
        title=definition.title[language],
        id=definition.id,
        version=definition.version,
        banner=banner,
        form=f" --form {definition.forms.ids[0]}" if definition.forms else "",
        chosen="" if given == "pwiq" else f" --instrument {shlex.quote(given)}",
    ).replace(". \n", ".\n")
    texts = {
        ".gitignore": _IGNORED,
        "README.md": steps,
        "study.toml": study_template(),
        "data/README.md": _DATA,
        "notebooks/00_fill_in.ipynb": _form_notebook(definition, given),
    }
    contents = {name: text.encode() for name, text in texts.items()}
    with TemporaryDirectory() as temporary:
        made = Path(temporary)
        for copied in copy_notebooks(made, instrument=given):
            contents[f"notebooks/{copied.relative_to(made).as_posix()}"] = copied.read_bytes()
    return contents


def _form_notebook(definition: Instrument, given: str) -> str:
    """Return a notebook in which the questionnaire is filled in, and its answers read."""
    form = definition.forms.ids[0] if definition.forms else None
    chosen = f"form = {json.dumps(form)}  # {', '.join(definition.forms.ids)}\n" if form else "form = None\n"
    cells = [
        (
            "markdown",
            "# Fill the questionnaire in\n\nRun all cells; the questionnaire opens below the second. By keyboard: the arrows "
            "lead to that cell, and Tab into the questionnaire. Drafts and answers go to the file named here. For the next "
            "person, choose *Start again* on the last page.",
        ),
        (
            "code",
            f"instrument = {json.dumps(given)}\n{chosen}language = {json.dumps(definition.languages[0])}  "
            f'# {", ".join(definition.languages)}\nwave = 1\nanswers = "../data/answers.sqlite"\nstudy = "../study.toml"',
        ),
        (
            "code",
            "from instrument import Form, read_responses\n\n"
            "questionnaire = Form(instrument, form, language, path=answers, wave=wave, follow_up=wave > 1, study=study)\n"
            "questionnaire",
        ),
        ("markdown", "## What has been answered\n\nRun this again once somebody has sent their answers."),
        (
            "code",
            'read_responses(answers, instrument) if len(questionnaire.store) else "Nobody has answered yet."',
        ),
    ]
    built: list[dict[str, object]] = []
    for number, (kind, source) in enumerate(cells):
        cell = {
            "cell_type": kind,
            "id": f"fill-in-{number}",
            "metadata": {},
            "source": source.splitlines(keepends=True),
        }
        built.append(cell | ({"execution_count": None, "outputs": []} if kind == "code" else {}))
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    book = {"cells": built, "metadata": {"kernelspec": kernel}, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


def _beside(target: Path, digest: str) -> Path:
    """Return a name beside a user's file that is not taken."""
    named = target.with_name(f"{target.stem}.{version('pwiq')}{target.suffix}")
    return named.with_name(f"{named.stem}-{digest[:6]}{named.suffix}") if named.exists() else named


def _note(folder: Path, beside: Sequence[tuple[str, Path]]) -> Path:
    """Add to the note which new versions were laid beside the user's files."""
    note = folder / "NEW_VERSIONS.md"
    before = (
        note.read_text(encoding="utf-8")
        if note.exists()
        else "# New versions\n\nYour own files were left as they are.\n\n"
    )
    lines = [
        f"- `{new.as_posix()}`: `{name}` as pwiq {version('pwiq')} has it. Compare; then put it in place of yours, or "
        "delete it.\n"
        for name, new in beside
    ]
    write_whole(note, before + "".join(lines))
    return note
