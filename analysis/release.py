"""What the notebooks give out: every table and figure passes through here, and is made fit for its audience.

A notebook shows a finding with `table`, `figure` or `say`; the same call shows it on the page, and
in a report also writes it to the report's folder. Nothing reaches either before it was suppressed.
"""

from __future__ import annotations

import base64
import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.disclosure import FLOORS, Audience, safe_groups, safe_subset, suppress_small_cells
from analysis.result import Result
from instrument.files import spreadsheet_safe
from instrument.responses import Responses, select, split_waves


@dataclass(frozen=True, kw_only=True)
class Release:
    """Where the findings of one notebook go, and who reads them.

    Parameters
    ----------
    notebook : str
        Name of the notebook; tables and figures are filed under it.
    audience : {"internal", "external"}
        Nothing is shown of fewer than 5 or 10 people.
    folder : path or None
        Where a report gathers its parts; None in a notebook that is run by hand.
    """

    notebook: str
    audience: Audience = "internal"
    folder: Path | None = None
    _said: list[str] = field(default_factory=list, repr=False)
    _nothing: list[str] = field(default_factory=list, repr=False)  # holds a reason when nothing may be shown

    @property
    def floor(self) -> int:
        """The smallest number of people of whom anything is shown."""
        return FLOORS[self.audience]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One thing that a notebook gave out: a table, a figure, or a sentence."""

    kind: str
    notebook: str
    name: str
    title: str = ""
    method: str = ""
    notes: tuple[str, ...] = ()
    alt: str = ""
    text: str = ""
    headline: bool = False
    source: str = ""  # of a headline figure: its data address, for the first page


def read_shown(folder: Path, notebook: str) -> list[Shown]:
    """Return what a notebook gave out into the report's folder, in order."""
    file = folder / f"{notebook}.jsonl"
    if not file.exists():
        return []
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
    return [
        Shown(
            **entry | {"notes": tuple(entry.get("notes", ()))},
            source=_address((folder / f"{entry['name']}.svg").read_bytes())
            if entry.get("headline") and entry["name"]
            else "",
        )
        for entry in entries
    ]


def open_release(notebook: str, *, audience: Audience = "internal", folder: str | None = None) -> Release:
    """Begin a notebook's release. ``folder`` is given by the report; by hand it stays None."""
    if audience not in FLOORS:
        raise ValueError(f"audience must be one of {', '.join(FLOORS)}; got {audience!r}")
    return Release(notebook=notebook, audience=audience, folder=Path(folder) if folder else None)


def admit(release: Release, responses: Responses) -> Responses:
    """Return the answers of the waves that have enough of them to be shown at all; say what was left out."""
    sizes = {wave: len(part.answers) for wave, part in split_waves(responses).items()}
    small = [wave for wave, size in sizes.items() if size < release.floor]
    if small:
        say(
            release,
            f"Fewer than {release.floor} people answered in wave {', '.join(map(str, small))}: nothing can be shown of "
            f"it to an {release.audience} audience, since single people could be recognised. "
            "Scores of single responses are working data: `pwiq score`.",
            headline=True,
        )
    if len(small) == len(sizes):
        release._nothing.append("no wave has enough answers")
    return select(responses, ~responses.people["wave"].isin(small))


def shown_groups(release: Release, responses: Responses, column: str) -> list[str]:
    """Return the labels of ``column`` (such as ``form``) that may be shown, in every wave; say if some may not."""
    if column not in responses.people or responses.people.empty:
        return []
    safe = safe_groups(responses.people, [column], audience=release.audience, wave="wave")
    if safe.note:
        say(release, safe.note)
    return sorted(str(label[0]) for label in safe.shown)


def may_show_without(release: Release, part: int, whole: int) -> bool:
    """Say whether a result without some people may stand beside the result with them."""
    return safe_subset(part, whole, release.floor)


def table(
    release: Release,
    result: Result,
    name: str,
    *,
    count: str | Sequence[str] | None = "n",
    percents: Sequence[str] = (),
    whole: Mapping[Any, int] | int | None = None,
    margins: Sequence[str] | None = None,
    decimals: int | None = None,
    drop: Sequence[str] = (),
) -> Result:
    """Suppress a table for the audience, show it, and file it; return what was shown.

    Parameters
    ----------
    release : Release
    result : Result
    name : str
        File name without ending, unique in the notebook.
    count : str, sequence of str or None
        Column of the number of people; None for a table that is not about people.
    percents : sequence of str
        Columns that are percentages of ``count``.
    whole : int or mapping, optional
        How many people there are in all (by the first index labels, such as wave, or wave and form): a count that falls short
        of it by fewer than the floor would tell how many did not answer, and is left out. With several
        count columns: column → how many.
    margins : sequence of str, optional
        Index levels whose totals readers know (`suppress_small_cells`).
    decimals : int, optional
        Round what describes people to so many decimals: the last digits of a mean tell how many people
        it comes from, and with that how many did not answer.
    drop : sequence of str
        Columns to leave out once they have served to suppress.
    """
    shown = result
    if count is not None:
        shown = suppress_small_cells(result, count=count, audience=release.audience, percents=percents, margins=margins)
        for column in [count] if isinstance(count, str) else count:
            total = whole.get(column) if isinstance(whole, Mapping) and not isinstance(count, str) else whole
            if total is not None:
                shown = replace(shown, table=_without_near_totals(shown.table, column, total, release.floor))
    shown = replace(shown, table=shown.table.drop(columns=list(drop)))
    if decimals is not None:
        described = [name for name in shown.table.select_dtypes("number") if str(name).startswith(_DESCRIBING)]
        shown = replace(
            shown, table=shown.table.assign(**{name: shown.table[name].round(decimals) for name in described})
        )
    if shown.table.empty:
        say(release, f"{shown.title}: nothing of this may be shown, or there is nothing.")
        return shown
    # What suppression says of fields that are not released here is no news to a reader.
    told = [note for note in shown.notes if not note.startswith("Not looked at for small groups")]
    shown = replace(
        shown,
        method=_without_small_counts(shown.method, release.floor),
        notes=tuple(_without_small_counts(note, release.floor) for note in told),
    )
    _display(shown)
    _file(release, "table", name, title=shown.title, method=shown.method, notes=list(shown.notes))
    if release.folder is not None:
        flat = shown.table.reset_index() if _is_named(shown.table.index) else shown.table
        text = spreadsheet_safe(flat).to_csv(index=False, lineterminator="\n")
        (release.folder / f"{_filed_name(release, name)}.csv").write_text(text, encoding="utf-8")
    return shown


def figure(release: Release, axes: Any, name: str, *, title: str, alt: str, headline: bool = False) -> None:
    """Show a figure that was drawn from a released table, and file it.

    Parameters
    ----------
    axes : matplotlib Axes, or seaborn grid
    alt : str
        The text alternative: what the figure shows, in numbers.
    headline : bool
        Show it on the report's first page too.
    """
    import matplotlib.pyplot as plt

    canvas = axes.figure if hasattr(axes, "figure") else axes
    pictures: dict[str, bytes] = {}
    for kind, metadata in (("svg", {"Date": None, "Creator": None}), ("png", {"Software": None})):
        buffer = io.BytesIO()
        with plt.rc_context({"svg.hashsalt": "pwiq", "svg.fonttype": "path"}):
            canvas.savefig(buffer, format=kind, bbox_inches="tight", dpi=200, metadata=metadata)
        pictures[kind] = buffer.getvalue()
    plt.close(canvas)
    _display(_Picture(title=title, alt=alt, svg=pictures["svg"]))
    _file(release, "figure", name, title=title, alt=alt, headline=headline)
    if release.folder is not None:
        for kind, picture in pictures.items():
            (release.folder / f"{_filed_name(release, name)}.{kind}").write_bytes(picture)


def say(release: Release, sentence: str, *, headline: bool = False) -> None:
    """Show a sentence; a headline also stands in the summary on the report's first page."""
    sentence = _without_small_counts(sentence, release.floor)
    if sentence in release._said:
        return
    release._said.append(sentence)
    _display(_Sentence(sentence))
    _file(release, "sentence", "", text=sentence, headline=headline)


def need_answers(responses: Responses) -> None:
    """Refuse to go on without answers that may be shown."""
    if responses.answers.empty:
        raise ValueError("there are no answers that may be shown")


@contextmanager
def attempt(release: Release, what: str) -> Iterator[None]:
    """Show why a statistic could not be had, instead of stopping.

    Every analysis refuses with a ``ValueError`` that says what it needs and what it got; any other
    error is a fault of the software and is not caught. Where no wave may be shown at all, that was
    said once and each part keeps silent.
    """
    try:
        yield
    except ValueError as refusal:
        if not release._nothing:
            say(release, f"{what}: not available. {refusal}")


@dataclass(frozen=True)
class _Sentence:
    text: str

    def __repr__(self) -> str:
        return self.text

    def _repr_html_(self) -> str:
        return f"<p class='finding'>{escape(self.text)}</p>"


@dataclass(frozen=True, kw_only=True)
class _Picture:
    title: str
    alt: str
    svg: bytes = field(repr=False)

    def __repr__(self) -> str:
        return f"{self.title}. {self.alt}"

    def _repr_html_(self) -> str:
        return (
            f"<figure class='picture'><figcaption>{escape(self.title)}</figcaption>"
            f"<img alt='{escape(self.alt, quote=True)}' src='{_address(self.svg)}'>"
            f"<details><summary>The figure in words</summary><p>{escape(self.alt)}</p></details></figure>"
        )


_DESCRIBING = ("estimate", "mean", "sd", "se", "ci_", "percent", "skewness", "median")
_PEOPLE = r"(?:people|persons?|responses?|respondents?|rows?|answers?|cases?|members?|managers|peer workers|colleagues)"
_COUNTED = re.compile(
    rf"\b(\d+)(?= (?:(?:more|other|complete|linked|unlinked|usable|of the|incomplete|remaining|flagged) )*{_PEOPLE}\b)|"
    r"(?<=\bgot )(\d+)\b"
)
_SHARE = re.compile(rf"\b(\d+) of (?:the |all )?(\d+)(?= {_PEOPLE})")


def _without_small_counts(text: str, floor: int) -> str:
    """Return a sentence in which no small number of people stands, nor one that follows by subtraction.

    Notes are written for whoever analyses the data and may say how many people were left out.
    """

    def counted(found: re.Match[str]) -> str:
        number = int(found.group(1) or found.group(2))
        return f"fewer than {floor}" if 0 < number < floor else found.group(0)

    def share(found: re.Match[str]) -> str:
        part, whole = int(found.group(1)), int(found.group(2))
        if 0 < part < floor:
            return f"fewer than {floor} of {whole}"
        return f"nearly all of {whole}" if 0 < whole - part < floor else found.group(0)

    if "withheld" in text:  # our own note on suppression, which counts rows of a table
        return text
    if re.search(r"needs? (?:at least )?\d+", text):
        # "needs at least 3 people" is a rule, not a count of anybody: only what was got is hidden.
        return re.sub(
            r"(?<=\bgot )(\d+)\b", lambda found: counted(_COUNTED.search(f"got {found.group(1)}") or found), text
        )
    return _COUNTED.sub(counted, _SHARE.sub(share, text))


def _address(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{base64.b64encode(svg).decode()}"


def _display(thing: object) -> None:
    from IPython.display import display

    display(thing)  # type: ignore[no-untyped-call]


def _filed_name(release: Release, name: str) -> str:
    return f"{release.notebook[:2]}_{name}"


def _file(release: Release, kind: str, name: str, **entry: Any) -> None:
    """Append one line to the notebook's list of what was shown; the report reads it."""
    if release.folder is None:
        return
    line = {"kind": kind, "notebook": release.notebook, "name": _filed_name(release, name) if name else "", **entry}
    with (release.folder / f"{release.notebook}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(line, ensure_ascii=False) + "\n")


def _is_named(index: pd.Index) -> bool:
    return any(name is not None for name in index.names)


def _without_near_totals(frame: pd.DataFrame, count: str, whole: Mapping[Any, int] | int, floor: int) -> pd.DataFrame:
    counts = pd.to_numeric(frame[count]).astype("Float64").to_numpy(dtype=float, na_value=np.nan)
    if isinstance(whole, int):
        totals = np.full(len(frame), float(whole))
    else:
        keys = [key if isinstance(key, tuple) else (key,) for key in frame.index]
        # A row is known by the first labels of its index (wave, or wave and form), or by any one label.
        labels = [[*(key[:depth] for depth in range(len(key), 0, -1)), *key] for key in keys]
        totals = np.array([next((float(whole[at]) for at in known if at in whole), np.nan) for known in labels])
    near = (totals - counts > 0) & (totals - counts < floor)
    return frame.assign(**{count: frame[count].astype("Int64").mask(near)})
