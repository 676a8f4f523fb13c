"""What the command `pwiq translate import` does with a translation that was taken in: where it is written, what is said."""

from __future__ import annotations

from importlib import resources
from pathlib import Path

from instrument.definition_file import find_definition, load_definition
from instrument.files import write_whole
from instrument.translations.exchange import TakenIn


def write_translation(
    taken: TakenIn, definition: str | Path, *, out: str | Path | None = None, force: bool = False
) -> tuple[Path, ...]:
    """Write a translation into a folder of the user's own, or into a copy of the definition.

    Parameters
    ----------
    taken : TakenIn
        What `import_translation` returned.
    definition : str or path
        The definition that it was read with.
    out : str or path, optional
        Folder for a whole copy of the definition with the translation in it; it is made where it does not exist.
        Default: the folder of the definition itself.
    force : bool, default False
        Overwrite files that exist and have another content.

    Returns
    -------
    tuple of Path
        The files that were written; those that have the content already are left alone.

    Raises
    ------
    ValueError
        If the texts would be written into the package itself: what ships with it is never changed.
    FileExistsError
        If a file would be overwritten by another content and `force` is false; nothing is written then.
    NotADirectoryError
        If `out` is a file.
    """
    main, _ = find_definition(definition)
    home = main.parent
    folder = home if out is None else Path(out)
    if Path(str(resources.files("instrument"))).resolve() in (folder.resolve(), *folder.resolve().parents):
        raise ValueError(
            f"{folder} ships with the package, and what ships is never changed; nothing was written. Give --out FOLDER for a "
            "copy with the translation in it, or --instrument with the folder of a copy of your own"
        )
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder; a definition is several files: choose another --out")
    content = {Path(name): text.encode() for name, text in taken.files.items()}
    if folder.resolve() != home.resolve():
        copied = [*home.glob("*.toml"), *home.glob("past/**/*.toml")]
        content = {path.relative_to(home): path.read_bytes() for path in sorted(copied)} | content
    existing = {name: folder / name for name in content if (folder / name).exists()}
    changed = {name for name, path in existing.items() if path.read_bytes() != content[name]}
    if changed and not force:
        raise FileExistsError(
            f"{folder}: {', '.join(map(str, sorted(changed)))} would be overwritten; nothing was written. Keep a copy, then add "
            "--force, or choose another --out"
        )
    written = [name for name in content if name in changed or name not in existing]
    for name in written:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_whole(folder / name, content[name])
    return tuple(folder / name for name in written)


def changes_text(taken: TakenIn) -> str:
    """Return every text that changes, as it was and as it is now, and how many, to be printed.

    Examples
    --------
    >>> taken = TakenIn(files={}, changed={"items.tea1.text": ("Té", "El té")}, kept=(), missing=(), notes=())
    >>> print(changes_text(taken))
    items.tea1.text
        was: Té
        now: El té
    1 text changes; 0 stay as they were.
    """
    lines = []
    for key, (old, new) in taken.changed.items():
        lines += [key, *([f"    was: {_indented(old)}"] if old else []), f"    now: {_indented(new)}"]
    count = len(taken.changed)
    said = f"{count} texts change" if count != 1 else "1 text changes"
    return "\n".join([*lines, f"{said}; {len(taken.kept)} stay as they were."])


def next_steps(taken: TakenIn, definition: str | Path, folder: str | Path, *, language: str) -> str:
    """Return what to do after a translation was written into a folder, numbered; empty where no text changed."""
    if not taken.changed:
        return ""
    head = load_definition(definition).tables.instrument
    main = find_definition(folder)[0]
    steps = []
    if taken.missing:
        steps.append(
            f"pwiq translate export --language {language} --instrument {folder} gives what is still to be translated"
        )
    elif language not in head.languages:
        steps.append(f"add {language!r} to `languages` in {main}")
    if not taken.missing:
        steps.append(f"the texts changed: raise `version` in {main} (now {head.version})")
    steps.append(f"pwiq check-instrument {folder}")
    return "\n".join(["Next:", *(f"  {number}. {step}" for number, step in enumerate(steps, start=1))])


def _indented(text: str) -> str:
    return text.replace("\n", "\n         ")
