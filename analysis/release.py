"""What the notebooks give out: every table and figure passes through here, and is made fit for its audience.

A notebook shows a finding with `table`, `figure` or `say`; the same call shows it on the page, and
in a report also writes it to the report's folder. Nothing reaches either before it was suppressed.

What is promised beyond `disclosure`: no count of people under the floor stands in a table, sentence, method or
note, nor follows from how many there are in all; what everybody answered is not told; digits that would
tell how many people a number comes from are rounded away; spreads of fewer than 20 people are withheld
(a mean and a standard deviation of five answers give most of the answers back). Not promised: safety against
someone who knows some of the answers, who holds another report of the same people, or who searches all data
sets for those that give the rounded numbers; and coefficients of models of groups that may be shown are
shown, though with a handful of people they say much about these people.
"""

from __future__ import annotations

import base64
import io
import json
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
from analysis.wording import fit_to_say
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
    _sizes: list[int] = field(default_factory=list, repr=False)  # people in each wave that may be shown
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
    # Not splitlines: a text may hold other characters that count as line ends there.
    entries = [json.loads(line) for line in file.read_text(encoding="utf-8").split("\n") if line]
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
    release._sizes.extend(size for size in sizes.values() if size >= release.floor)
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
    parts: str | None = None,
    margins: Sequence[str] | None = None,
    scale: tuple[float, float] | None = None,
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
    parts : str, optional
        An index level whose groups make up a whole of which ``count`` stands in another table, such as ``form``:
        where one group's count falls short by fewer than the floor, those of all groups are left out.
    scale : (float, float), optional
        Lowest and highest answer: a mean of whole answers is left out where it tells that fewer people than
        the floor gave another answer than all the others.
    margins : sequence of str, optional
        Index levels whose totals readers know (`suppress_small_cells`).
    decimals : int, optional
        Round what describes people to so many decimals: the last digits of a mean tell how many people
        it comes from, and with that how many did not answer. Test statistics and effect sizes are then
        rounded to two decimals, p to three: a t with its p gives the degrees of freedom back.
    drop : sequence of str
        Columns to leave out once they have served to suppress.
    """
    shown = result
    if count is not None:
        shown = suppress_small_cells(result, count=count, audience=release.audience, percents=percents, margins=margins)
        for column in [count] if isinstance(count, str) else count:
            total = whole.get(column) if isinstance(whole, Mapping) and not isinstance(count, str) else whole
            if total is not None:
                shown = replace(shown, table=_without_near_totals(shown.table, column, total, release.floor, parts))
        if isinstance(count, str):  # a percentage tells how many it is of
            unknown = shown.table[count].isna()
            told_of = {name: shown.table[name].mask(unknown) for name in percents if name in shown.table}
            shown = replace(shown, table=shown.table.assign(**told_of))
        kept = _without_flags_of_hidden(_without_telling_spread(shown.table, result.table, count, decimals), percents)
        if scale is not None and isinstance(count, str):
            kept = _without_unanimous_means(kept, result.table, count, scale, release.floor)
        values = [name for name in ("mean", "estimate") if name in kept]
        if not kept[values].isna().equals(shown.table[values].isna()):
            why = "A mean is left out where it is the value of everybody, or of nearly everybody."
            shown = replace(shown, notes=(*shown.notes, why))
        shown = replace(shown, table=kept)
    shown = replace(shown, table=shown.table.drop(columns=list(drop)))
    if decimals is not None:
        shown = replace(shown, table=_rounded(shown.table, decimals))
    if shown.table.empty:
        say(release, f"{shown.title}: nothing of this may be shown, or there is nothing.")
        return shown
    # What suppression says of fields that are not released here is no news to a reader.
    told = [note for note in shown.notes if not note.startswith("Not looked at for small groups")]
    shown = replace(
        shown,
        method=fit_to_say(shown.method, release.floor, release._sizes),
        notes=tuple(fit_to_say(note, release.floor, release._sizes) for note in told),
    )
    _display(Result(title=shown.title, table=shown.table, method=shown.method, notes=shown.notes))
    _file(release, "table", name, title=shown.title, method=shown.method, notes=list(shown.notes))
    if release.folder is not None:
        flat = shown.table.reset_index() if _is_named(shown.table.index) else shown.table
        text = spreadsheet_safe(flat).to_csv(index=False, lineterminator="\n")
        (release.folder / f"{_filed_name(release, name)}.csv").write_text(text, encoding="utf-8")
    return shown


def shares_without_n(spread: pd.DataFrame, asked: Mapping[str, int], *, floor: int) -> pd.DataFrame:
    """Return the percentages of distributions so rounded that they do not tell how many did not answer.

    Parameters
    ----------
    spread : pandas.DataFrame
        As `disclosure.suppress_distributions` returns it: index ``item`` and ``categories``.
    asked : mapping
        Item → how many people were asked, which readers know.
    floor : int

    Returns
    -------
    pandas.DataFrame
        Columns ``percent`` and ``note``. Where 1 to floor − 1 people did not answer, percentages are
        multiples of 1, 2, 5, 10 or 20: of the first with which each of these numbers is possible; else withheld.

    Notes
    -----
    5 and 6 of 11 are 45 % and 55 %, which no two numbers of people up to 12 give but these.
    """
    rows = []
    for item, lines in spread.groupby(level="item", sort=False):
        n, counts = lines["n"].iloc[0], lines["count"]
        hidden = [] if pd.isna(n) else [asked[item] - missing for missing in range(1, floor)]
        unit: int | None = 1
        if n in hidden and counts.notna().all():
            shares = 100 * counts.to_numpy(dtype=float) / n
            unit = next((unit for unit in (1, 2, 5, 10, 20) if _all_possible(shares, unit, hidden, floor)), None)
        for key, line in lines.iterrows():
            if unit is None:
                rows.append(((item, "withheld"), pd.NA, "withheld: would tell how many did not answer"))
                break
            percent = line["percent"]
            rounded = pd.NA if pd.isna(percent) else unit * round(float(percent) / unit)
            rows.append((key, rounded, line["note"]))
    index = pd.MultiIndex.from_tuples([key for key, _, _ in rows], names=spread.index.names)
    columns = {"percent": [percent for _, percent, _ in rows], "note": [note for _, _, note in rows]}
    return pd.DataFrame(columns, index=index).astype({"percent": "Float64", "note": "object"})


def _all_possible(shares: Any, unit: int, numbers: Sequence[int], floor: int) -> bool:
    """Say whether the rounded shares could come from each of these numbers of people."""
    shown = unit * np.round(shares / unit)
    given = shares > 0
    for n in numbers:
        if n < floor * np.count_nonzero(given):
            continue  # nobody could think so: each share given has floor people
        least = np.maximum(np.ceil(n * (shown - unit / 2) / 100 + 1e-9), floor)[given]
        most = np.floor(n * (shown + unit / 2) / 100 - 1e-9)[given]
        if (least > most).any() or not least.sum() <= n <= most.sum():
            return False
    return True


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
    buffer = io.BytesIO()
    # Letters as outlines look the same everywhere; no date, so that the same answers give the same file.
    with plt.rc_context({"svg.hashsalt": "pwiq", "svg.fonttype": "path"}):
        canvas.savefig(buffer, format="svg", bbox_inches="tight", metadata={"Date": None, "Creator": None})
    plt.close(canvas)
    svg = buffer.getvalue()
    _display(_Picture(title=title, alt=alt, svg=svg))
    _file(release, "figure", name, title=title, alt=alt, headline=headline)
    if release.folder is not None:
        (release.folder / f"{_filed_name(release, name)}.svg").write_bytes(svg)


def say(release: Release, sentence: str, *, headline: bool = False) -> None:
    """Show a sentence; a headline also stands in the summary on the report's first page."""
    sentence = fit_to_say(sentence, release.floor, release._sizes)
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


_SPREAD_FEWEST = 20  # people, below whom no standard deviation is shown
_TELLING_DF = 10  # a df this close to n is n less a few, and so tells n
_DESCRIBING = ("estimate", "item_rest", "alpha", "loading", "mean", "sd", "se", "ci_", "percent", "skewness", "median")


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


def _rounded(frame: pd.DataFrame, decimals: int) -> pd.DataFrame:
    places = {}
    for name in frame.select_dtypes("number"):
        if str(name).startswith(_DESCRIBING):
            places[name] = decimals
        elif str(name).startswith(("statistic", "effect")):
            places[name] = 2
        elif name in ("p", "p_adjusted"):
            places[name] = 3
    return frame.assign(**{str(name): frame[name].round(place) for name, place in places.items()})


def _without_near_totals(
    frame: pd.DataFrame, count: str, whole: Mapping[Any, int] | int, floor: int, parts: str | None
) -> pd.DataFrame:
    """Withhold each count that falls short of its whole by fewer than floor, and the df that tell it."""
    counts = _people_in(frame[count])
    if isinstance(whole, int):
        totals = np.full(len(frame), float(whole))
    else:
        keys = [key if isinstance(key, tuple) else (key,) for key in frame.index]
        # A row is known by the first labels of its index (wave, or wave and form), or by any one label.
        labels = [[*(key[:depth] for depth in range(len(key), 0, -1)), *key] for key in keys]
        totals = np.array([next((float(whole[at]) for at in known if at in whole), np.nan) for known in labels])
    near = (totals - counts > 0) & (totals - counts < floor)
    if parts is not None:
        others = [name for name in frame.index.names if name != parts]
        near = pd.Series(near, index=frame.index).groupby(level=others).transform("any").to_numpy()
    changed = {count: frame[count].astype("Int64").mask(near)}
    for name in [name for name in frame.columns if str(name).startswith("df")]:
        df = _people_in(frame[name])
        tells = near & ((np.abs(counts - df) <= _TELLING_DF) | (np.abs(2 * counts - df) <= 2 * _TELLING_DF))
        changed[name] = frame[name].astype("Float64").mask(tells)
    return frame.assign(**changed)


def _without_telling_spread(
    frame: pd.DataFrame, full: pd.DataFrame, count: str | Sequence[str], decimals: int | None
) -> pd.DataFrame:
    """Withhold the spread of fewer than 20 people, and the mean where it is everybody's own value."""
    spreads = [name for name in ("sd", "skewness", "kurtosis") if name in frame]
    if not spreads or not isinstance(count, str):
        return frame
    few = _people_in(full[count]) < _SPREAD_FEWEST
    frame = frame.assign(**{name: frame[name].mask(few) for name in spreads})
    if "sd" in full:
        alike = _people_in(full["sd"]) < 0.5 * 10.0 ** -(2 if decimals is None else decimals)
        values = [name for name in frame.select_dtypes("number") if str(name).startswith(_DESCRIBING)]
        values = [name for name in values if not str(name).startswith("percent")]
        frame = frame.assign(**{str(name): frame[name].mask(alike) for name in values})
    return frame


def _without_unanimous_means(
    frame: pd.DataFrame, full: pd.DataFrame, count: str, scale: tuple[float, float], floor: int
) -> pd.DataFrame:
    """Withhold means of whole answers that tell that fewer than floor people did not answer as the others."""
    n, mean = _people_in(full[count]), _people_in(full["mean"])
    # One step on the scale is the least by which a person differs.
    telling = (n * (mean - scale[0]) < floor) | (n * (scale[1] - mean) < floor)
    if "sd" in full:
        telling |= n * _people_in(full["sd"]) ** 2 < floor
    values = [name for name in ("mean", "sd", "skewness", "median") if name in frame]
    return frame.assign(**{name: frame[name].mask(telling) for name in values})


def _without_flags_of_hidden(frame: pd.DataFrame, percents: Sequence[str]) -> pd.DataFrame:
    """Withhold what is said of a percentage ("flagged") with the percentage itself."""
    for name in percents:
        flag = f"{name.removeprefix('percent').removeprefix('_')}_flagged".removeprefix("_")
        if flag in frame and name in frame:
            frame = frame.assign(**{flag: frame[flag].astype("boolean").mask(frame[name].isna())})
    return frame


def _people_in(column: pd.Series) -> Any:
    return pd.to_numeric(column).astype("Float64").to_numpy(dtype=float, na_value=np.nan)
