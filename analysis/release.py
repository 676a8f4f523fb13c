"""What the notebooks give out: every table and figure passes through here, and is made fit for its audience.

A notebook shows a finding with `table`, `figure` or `say`; the same call shows it on the page, and
in a report also writes it to the report's folder. Nothing reaches either before it was suppressed.

What is promised beyond `disclosure`: no count of people under the floor stands in a table, sentence, method or
note, nor follows from how many there are in all; what everybody answered is not told; numbers of few people are
rounded or withheld (`coarsening`), and so is what would give a withheld mean back (`known_means`); what
identifies people is never set out by team. Other reports of the same people: `release_record`. Each rule with its
reason, and what is not promised: docs/disclosure.md.
"""

from __future__ import annotations

import base64
import io
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from analysis.action_log import write_action_log
from analysis.coarsening import SPREAD_FEWEST, coarsened, is_in_points, levels_among, near_an_end, steps_of_means
from analysis.describe import describe
from analysis.disclosure import (
    FLOORS,
    Audience,
    safe_groups,
    safe_subset,
    suppress_distributions,
    suppress_small_cells,
)
from analysis.form_groups import FormGroups, form_groups
from analysis.known_means import Group, KnownMean, KnownMeans, group_of, without_wave
from analysis.means import mean_scores
from analysis.result import Result
from analysis.wording import fit_to_say
from instrument.definition import Instrument
from instrument.files import csv_text
from instrument.responses import Responses, asked, question_columns, select, split_waves
from instrument.scoring import comparable_items, score, score_scale

ACTION_LOG = "action_log.xlsx"
"""How the action log is called, in a report's folder."""


@dataclass(frozen=True, kw_only=True)
class Release:
    """Where the findings of one notebook go, and who reads them.

    Parameters
    ----------
    notebook : str
        Name of the notebook; tables and figures are filed under it.
    audience : {"internal", "external", "researcher"}
        Nothing is shown of fewer than 5, 10 or 5 people; some things only to researchers.
    folder : path or None
        Where a report gathers its parts; None in a notebook that is run by hand.
    """

    notebook: str
    audience: Audience = "internal"
    folder: Path | None = None
    _sizes: list[int] = field(default_factory=list, repr=False)  # people in each wave that may be shown
    _said: list[str] = field(default_factory=list, repr=False)
    _nothing: list[str] = field(default_factory=list, repr=False)  # holds a reason when nothing may be shown
    _known: KnownMeans = field(default_factory=KnownMeans, repr=False)
    _instrument: list[Instrument] = field(default_factory=list, repr=False)  # of the answers admitted
    _hiding: set[Any] = field(default_factory=set, repr=False)  # waves, and groups in them, with such a form or team
    _weighted: dict[int, int] = field(default_factory=dict, repr=False)  # wave → people its mean amounts to
    _shown_as: dict[str, str] = field(default_factory=dict, repr=False)  # form → the group that it is shown in
    _answers: list[Responses] = field(default_factory=list, repr=False)  # those admitted
    _unread: list[Responses] = field(default_factory=list, repr=False)  # the same, until what other pages show is known

    def _hides(self, group: Group) -> bool:
        """Say whether a form or team of fewer than 5 people is among the people of a group."""
        labels = dict(group)
        wave = labels.get("wave")
        return ((wave, labels["form"]) if set(labels) == {"wave", "form"} else wave) in self._hiding

    @property
    def _latest(self) -> int | None:
        waves = [wave for answers in self._answers for wave in answers.people["wave"].unique()]
        return max(waves) if waves else None

    def _as_shown(self, at: Mapping[str, Any]) -> dict[str, Any]:
        """Return the labels of a row with a form or group under the one name that it has on every page."""
        renamed = {("form" if name == "group" else name): label for name, label in at.items()}
        return renamed | ({"form": self._shown_as.get(renamed["form"], renamed["form"])} if "form" in renamed else {})

    @property
    def for_researchers(self) -> bool:
        """Whether what only researchers see is shown: reliable change in counts, tests of single models."""
        return self.audience == "researcher"

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
    waves = split_waves(responses)
    sizes = {wave: len(part.answers) for wave, part in waves.items()}
    release._instrument[:] = [responses.instrument]
    if "form" in responses.people:
        # Where forms weigh the same in a mean, it tells more of a person of the smallest one.
        of_forms = {wave: part.people["form"].value_counts() for wave, part in waves.items()}
        release._weighted.update(
            {wave: len(n) * int(n.min()) for wave, n in of_forms.items() if len(n) and n.min() >= release.floor}
        )
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
    admitted = select(responses, ~responses.people["wave"].isin(small))
    release._answers[:] = release._unread[:] = [admitted]
    release._shown_as.clear()
    release._shown_as.update(_groups_of(release, admitted).group)
    for column in [name for name in ("form", "team") if name in admitted.people]:
        people = admitted.people
        few = people.groupby(["wave", column])[column].transform("size") < FLOORS["internal"]
        release._hiding.update(people.loc[few, "wave"])
        if "form" in people:
            release._hiding.update(
                zip(people.loc[few, "wave"], people.loc[few, "form"].map(release._shown_as), strict=True)
            )
    return admitted


def shown_groups(release: Release, responses: Responses, column: str) -> list[str]:
    """Return the labels of ``column`` (such as ``form``) that may be shown, in every wave; say if some may not."""
    if column not in responses.people or responses.people.empty:
        return []
    safe = safe_groups(responses.people, [column], audience=release.audience, wave="wave")
    if safe.note:
        say(release, safe.note)
    return sorted(str(label[0]) for label in safe.shown)


def shown_forms(release: Release, responses: Responses) -> FormGroups:
    """Return in which groups the forms are shown, the same at every wave; say so where they are not shown as they are.

    Peer workers, colleagues, managers; non-peer staff where managers or colleagues are too few at a wave; one figure for
    everyone where peer workers are (`form_groups`).
    """
    groups = _groups_of(release, responses)
    if groups.sentence:
        say(release, groups.sentence)
    return groups


def as_shown(responses: Responses, groups: FormGroups) -> Responses:
    """Return the answers with forms that stand for the groups that are shown, for analyses that look at forms themselves.

    A form that may not be shown must not weigh as much as the others in any number: two weightings tell it. That of
    colleagues stands for non-peer staff, and for everyone where no form is shown; scores are of the items common to all forms.
    """
    if not groups.sentence:
        return responses
    definition, given = responses.instrument, responses.people["form"]
    stands = groups.standing_for({form.id: form.who for form in definition.forms})
    answers, off_scale = responses.answers.copy(), responses.off_scale.copy()
    for form, other in stands.items():  # what the other form does not ask was not asked
        gone = [item for item in definition.asked_by(form) if item not in set(definition.asked_by(other))]
        for frame in (answers, off_scale):
            frame.loc[given == form, [item for item in gone if item in frame]] = pd.NA
    people = responses.people.assign(form=given.map(stands).astype(given.dtype))
    return replace(responses, people=people, answers=answers, off_scale=off_scale)


def _groups_of(release: Release, responses: Responses) -> FormGroups:
    if "form" not in responses.people or responses.people.empty:
        return FormGroups(group={}, sentence="")
    return form_groups(
        responses.people, {form.id: form.who for form in responses.instrument.forms}, floor=release.floor
    )


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
    fewest: int | pd.Series | None = None,
    of: Mapping[str, Any] | None = None,
    only_for_researchers: bool = False,
) -> Result:
    """Suppress a table for the audience, make its numbers as exact as their people allow, show and file it.

    Parameters
    ----------
    release : Release
    result : Result
    name : str
        File name without ending, unique in the notebook.
    count : str, sequence of str or None
        Column of the number of people, or columns where several groups are compared (``("n_before", "n_after")``,
        ``("n_1", "n_2")``); None for a table that is not about people, or whose numbers are of all of them.
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
        the floor gave another answer than all the others. 1 POMP is then a hundredth of this range.
    margins : sequence of str, optional
        Index levels whose totals readers know (`suppress_small_cells`).
    decimals : int, optional
        Round what describes people to so many decimals, if that is coarser than the policy: the last digits of a
        mean tell how many people it comes from, and with that how many did not answer. Test statistics and effect sizes
        are rounded to two decimals, p to three: a t with its p gives the degrees of freedom back.
    drop : sequence of str
        Columns to leave out once they have served to suppress.
    fewest : int or pandas.Series, optional
        The fewest people that any of the numbers comes from (by the first index level), where that is not ``count``: of the
        smaller arm, where arms are compared. Default with ``count=None``: those of the smallest wave that was admitted.
    of : mapping, optional
        Whom the whole table is of, where no index level says so (``{"group": "peers"}``). A table of means without a wave
        is one of the latest.
    only_for_researchers : bool
        Neither shown nor filed for another audience.

    Returns
    -------
    Result
        What was shown. Draw figures from this, and from nothing else.

    Raises
    ------
    ValueError
        If a table that sets groups side by side has no ``count``, or a table by team or organisation holds what is never
        shown so.
    """
    shown = _made_fit(
        release, result, name, count, percents, whole, parts, margins, scale, decimals, drop, fewest, dict(of or {})
    )
    if only_for_researchers and not release.for_researchers:
        return shown
    if shown.table.empty:
        say(release, f"{shown.title}: nothing of this may be shown, or there is nothing.")
        return shown
    # What suppression says of fields that are not released here is no news to a reader.
    told = [note for note in shown.notes if not note.startswith("Not looked at for small groups")]
    shown = replace(
        shown,
        table=_with_fit_words(release, shown.table),
        method=fit_to_say(shown.method, release.floor, release._sizes),
        notes=tuple(fit_to_say(note, release.floor, release._sizes) for note in told),
    )
    _display(Result(title=shown.title, table=shown.table, method=shown.method, notes=shown.notes))
    _file(release, "table", name, title=shown.title, method=shown.method, notes=list(shown.notes))
    if release.folder is not None:
        flat = shown.table.reset_index() if _is_named(shown.table.index) else shown.table
        (release.folder / f"{_filed_name(release, name)}.csv").write_text(csv_text(flat), encoding="utf-8")
    return shown


def _made_fit(
    release: Release,
    result: Result,
    name: str,
    count: str | Sequence[str] | None,
    percents: Sequence[str],
    whole: Mapping[Any, int] | int | None,
    parts: str | None,
    margins: Sequence[str] | None,
    scale: tuple[float, float] | None,
    decimals: int | None,
    drop: Sequence[str],
    fewest: int | pd.Series | None,
    of: dict[str, Any],
) -> Result:
    """Return the table as it may be shown, and remember what readers know from it."""
    _refuse_by_team(release, result)
    _refuse_uncounted(result, count, fewest)
    shown = result
    counted = result.table
    if count is not None:
        shown = suppress_small_cells(result, count=count, audience=release.audience, percents=percents, margins=margins)
        counted = shown.table
        for column in [count] if isinstance(count, str) else count:
            total = whole.get(column) if isinstance(whole, Mapping) and not isinstance(count, str) else whole
            if total is not None:
                shown = replace(shown, table=_without_near_totals(shown.table, column, total, release.floor, parts))
        if isinstance(count, str):  # a percentage tells how many it is of
            unknown = shown.table[count].isna()
            told_of = {name: shown.table[name].mask(unknown) for name in percents if name in shown.table}
            shown = replace(shown, table=shown.table.assign(**told_of))
        kept = _without_spread_of_alike(shown.table, result.table, count, decimals)
        kept = _without_flags_of_hidden(kept, percents)
        if scale is not None and isinstance(count, str):
            kept = _without_unanimous_means(kept, result.table, count, scale, release.floor)
        shown = replace(shown, table=kept)
    shown = _as_exact_as_allowed(release, name, shown, result.table, counted, count, scale, fewest, of)
    values = [name for name in ("mean", "estimate") if name in shown.table]
    if count is not None and _withheld_alone(shown.table, result.table, values, count, release.floor):
        why = "A mean is left out where it is the value of everybody, or of nearly everybody, or would give such a one back."
        shown = replace(shown, notes=(*shown.notes, why))
    shown = replace(shown, table=_without_words_of_hidden(shown.table.drop(columns=list(drop))))
    if decimals is not None:
        shown = replace(shown, table=_rounded(shown.table, decimals))
    return shown


def _without_words_of_hidden(frame: pd.DataFrame) -> pd.DataFrame:
    """Withhold what is said in words of an estimate ("better") with the estimate itself."""
    if "estimate" not in frame:
        return frame
    words = [name for name in ("verdict", "view", "size") if name in frame]
    return frame.assign(**{name: frame[name].astype(object).mask(frame["estimate"].isna()) for name in words})


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


def shares_agreeing(release: Release, responses: Responses) -> pd.Series:
    """Return the percent of those answering each item who agree, as far as the page of answers tells it already.

    Parameters
    ----------
    release : Release
    responses : Responses
        One wave.

    Returns
    -------
    pandas.Series
        By item, answers above the middle of the scale (of items without a wording those turned to mean the same); missing
        where answers were merged across the middle or withheld. Everybody counts the same: a second percentage with other
        weights, or cut at another answer, would tell by subtraction of few people.
    """
    definition = responses.instrument
    waves = set(responses.people["wave"])
    for admitted in release._answers:  # as they were given: page 02 knows nothing of forms that stand for others
        responses = select(admitted, admitted.people["wave"].isin(waves))
    asked_of = asked(responses)
    found = {}
    for name in dict.fromkeys(item.scale for item in definition.items):
        scale = definition.response_scales[name]
        items = [item.id for item in definition.items if item.scale == name and item.id in responses.answers]
        described = describe(responses.answers[items], asked=asked_of[items], codes=scale.codes)
        spread = suppress_distributions(described.distribution, audience=release.audience)
        spread = shares_without_n(spread, described.table["asked"].to_dict(), floor=release.floor)
        middle = (scale.low + scale.high) / 2
        for item, lines in spread.groupby(level="item", sort=False):
            turned = definition.items[str(item)].wording is None and definition.items[str(item)].reverse
            found[str(item)] = _share_beyond(lines["percent"].droplevel("item"), middle, below=turned)
    return pd.Series(found, dtype="Float64").rename_axis("item")


def _share_beyond(percent: pd.Series, middle: float, *, below: bool) -> float:
    """Return the sum of the merged answers beyond the middle of the scale; missing if one of them reaches across."""
    total = 0.0
    for label, share in percent.items():
        ends = [float(code) for code in str(label).split("–")] if str(label)[:1].isdigit() else []
        if not ends or pd.isna(share):
            return float("nan")
        beyond = [code < middle if below else code > middle for code in (ends[0], ends[-1])]
        if beyond[0] != beyond[1]:
            return float("nan")
        total += float(share) if beyond[0] else 0.0
    return total


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


def action_log(release: Release, rows: pd.DataFrame, definition: Instrument, *, today: date) -> None:
    """File the action log, to fill in: its rows must come from a table that was released."""
    if release.folder is None:
        say(release, "A report files the action log as a workbook to fill in.")
        return
    write_action_log(release.folder / ACTION_LOG, rows, definition, today=today)


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


_PLACES = frozenset({"team", "organisation"})
_NOT_OF_THE_MEAN = frozenset({"rank", "importance", "difficulty", "chance"})  # of a table of scores
_WORDS_ABOUT_PEOPLE = ("reason", "finding", "planned", "done", "said", "note")
_PEOPLE_COLUMNS = frozenset({"n", "n_before", "n_after", "n_linked", "n_1", "n_2", "responses", "people"})
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


def _without_spread_of_alike(
    frame: pd.DataFrame, full: pd.DataFrame, count: str | Sequence[str], decimals: int | None
) -> pd.DataFrame:
    """Withhold the mean and all that goes with it where it is everybody's own value."""
    if "sd" not in full or not isinstance(count, str):
        return frame
    alike = _people_in(full["sd"]) < 0.5 * 10.0 ** -(2 if decimals is None else decimals)
    values = [name for name in frame.select_dtypes("number") if str(name).startswith(_DESCRIBING)]
    values = [name for name in values if not str(name).startswith("percent")]
    return frame.assign(**{str(name): frame[name].mask(alike) for name in values})


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


def _as_exact_as_allowed(
    release: Release,
    name: str,
    shown: Result,
    full: pd.DataFrame,
    counted: pd.DataFrame,
    count: str | Sequence[str] | None,
    scale: tuple[float, float] | None,
    fewest: int | pd.Series | None,
    of: Mapping[str, Any],
) -> Result:
    """Round and withhold by the policy of `coarsening`, and whatever would give a withheld mean back."""
    frame = shown.table
    if frame.empty:
        return shown
    if count is None:
        if fewest is None and not release._sizes:  # nothing was admitted: a table of the questionnaire
            return shown
        people = _fewest_of(frame, min(release._sizes) if fewest is None else fewest)
    else:
        columns = [count] if isinstance(count, str) else list(count)
        people = np.nan_to_num(np.column_stack([_people_in(full[name]) for name in columns])).min(axis=1)
        if fewest is not None:
            people = np.minimum(people, _fewest_of(frame, fewest))
    points = is_in_points(frame.index.names, frame.columns, counted=count is not None)
    low, high = _ends(release, frame, scale)
    unit = np.minimum((high - low) / 100, 1.0)
    told, notes = coarsened(frame, people, points=points, unit=unit)
    if points:
        told = _without_what_is_near_an_end(release, name, told, full, counted, people, unit, low, high, of)
    if "difficulty" in told and pd.api.types.is_numeric_dtype(told["difficulty"]):
        told = _with_safe_difficulty(release, told, full, people)
    return replace(shown, table=told, notes=(*shown.notes, *(note for note in notes if note not in shown.notes)))


def _fewest_of(frame: pd.DataFrame, fewest: int | pd.Series) -> Any:
    """Return the fewest people of each row; nobody where a row is not among those that were named."""
    if not isinstance(fewest, pd.Series):
        return np.full(len(frame), float(fewest))
    return np.nan_to_num(_people_in(fewest.reindex(frame.index.get_level_values(0))))


def _with_safe_difficulty(release: Release, frame: pd.DataFrame, full: pd.DataFrame, people: Any) -> pd.DataFrame:
    """Round the mean rating of difficulty, which few people give, to half a step; withhold it near an end."""
    raters = _people_in(full["n_difficulty"]) if "n_difficulty" in full else np.asarray(people, dtype=float)
    raters = np.nan_to_num(raters)
    ends = (1.0, 5.0)
    for question in release._instrument[0].questions if release._instrument else ():
        if question.role == "difficulty" and question.scale:
            codes = release._instrument[0].response_scales[question.scale].codes
            ends = (min(codes), max(codes))
    step = np.where(raters < SPREAD_FEWEST, 0.5, 0.1)
    values = np.round(np.round(_people_in(frame["difficulty"]) / step) * step, 9)
    hidden = near_an_end(raters, values - step / 2, values + step / 2, *ends) | (raters < release.floor)
    return frame.assign(difficulty=np.where(hidden, np.nan, values))


def _ends(release: Release, frame: pd.DataFrame, scale: tuple[float, float] | None) -> tuple[Any, Any]:
    """Return the lowest and highest value that the mean of each row can take: 0 and 100 if nothing else is known."""
    ends = [scale or (0.0, 100.0)] * len(frame)
    if scale is None and "score" in frame.index.names and release._instrument:
        definition = release._instrument[0]
        ids = set(definition.scores.ids)
        of = [str(label) for label in frame.index.get_level_values("score")]
        known = {name: score_scale(definition, name) for name in set(of) & ids}
        ends = [known.get(name, (0.0, 100.0)) for name in of]
    return np.array([low for low, _ in ends]), np.array([high for _, high in ends])


def _without_what_is_near_an_end(
    release: Release,
    name: str,
    frame: pd.DataFrame,
    full: pd.DataFrame,
    counted: pd.DataFrame,
    people: Any,
    unit: Any,
    low: Any,
    high: Any,
    of_all: Mapping[str, Any],
) -> pd.DataFrame:
    """Withhold means and changes that confine some of their people, or give a withheld mean back."""
    names = [str(name) for name in frame.index.names]
    keys = [key if isinstance(key, tuple) else (key,) for key in frame.index]
    levels = [dict(of_all) | dict(zip(names, key, strict=True)) for key in keys]
    of = [str(at.get("score", at.get("item", at.get("subscale", "")))) for at in levels]
    _know_other_pages(release)
    level = next((each for each in ("mean", "score") if each in levels_among(list(frame.columns))), None)
    if level is not None and not {"wave", "item"} & set(names):
        latest = release._latest
        levels = [({"wave": latest} if latest is not None else {}) | at for at in levels]
    groups = [group_of(release._as_shown(at)) for at in levels]
    if "item" in names and "wave" not in names:  # a table a wave, told apart by its name
        groups = [group | {("table", name)} for group in groups]
    gone = [
        each
        for each in frame.select_dtypes("number")
        if not str(each).startswith(("n", "percent", "asked")) and str(each) not in _NOT_OF_THE_MEAN
    ]
    if level is not None:
        values = _people_in(frame[level])
        # Parts and total together may tell a mean of few people to one point, however it is rounded by itself.
        finest = np.round(_people_in(full[level]) / unit) * unit
        there = [place for place in range(len(frame)) if not np.isnan(values[place])]
        # What was withheld before must not come back either.
        few = counted[level].isna().to_numpy()
        for place in np.flatnonzero(np.isnan(values) & full[level].notna().to_numpy()):
            why = release._known.too_few if few[place] else release._known.withheld
            why.add((of[place], groups[place]))
        means = [
            KnownMean(
                of=of[place],
                group=groups[place],
                n=people[place],
                least=finest[place] - unit[place] / 2,
                most=finest[place] + unit[place] / 2,
                low=low[place],
                high=high[place],
                amounts_to=release._weighted.get(dict(groups[place]).get("wave", 0), np.inf)
                if {name for name, _ in groups[place]} == {"wave"}
                else np.inf,
                hides=release._hides(groups[place]),
            )
            for place in there
        ]
        hidden = np.zeros(len(frame), dtype=bool)
        hidden[there] = release._known.to_withhold(means)
        if "importance" in frame:
            frame = _without_importance_near_an_end(frame, full, people)
    elif change := next((each for each in ("estimate", "change_all") if each in frame), None):
        values = np.abs(_people_in(frame[change]))
        if {"group_1", "group_2"} <= set(names):
            hidden = np.array([_gives_a_side_back(release, score, at) for score, at in zip(of, levels, strict=True)])
        elif "signal" in names:  # a difference of scores of everyone
            hidden = np.full(len(frame), release._known.withholds_of_everyone(release._latest))
        else:
            changes = [(score, without_wave(group)) for score, group in zip(of, groups, strict=True)]
            hidden = release._known.changes_to_withhold(changes)
        # A change over nearly the whole scale puts everybody at one end before and at the other after.
        hidden |= near_an_end(people, values, values, -high + low, high - low) & ~np.isnan(values)
        for each in ("before", "after"):
            if each in levels_among(list(frame.columns)):
                mean, half = _people_in(frame[each]), steps_of_means(people, unit) / 2
                hidden |= near_an_end(people, mean - half, mean + half, low, high) & ~np.isnan(mean)
    else:
        return frame
    return frame.assign(**{str(each): frame[each].mask(hidden) for each in gone})


def _gives_a_side_back(release: Release, score_of: str, at: Mapping[str, Any]) -> bool:
    """Say whether a difference of two groups gives a mean back that is withheld: the other side's is shown somewhere."""
    sides = [release._as_shown({"form": at[side]})["form"] for side in ("group_1", "group_2")]
    return any(release._known.is_withheld(score_of, {("form", side)}) for side in sides)


def _without_importance_near_an_end(frame: pd.DataFrame, full: pd.DataFrame, people: Any) -> pd.DataFrame:
    """Withhold importance, and the priority that gives it back, where nearly everybody gave the same end of the scale."""
    raters = np.nan_to_num(_people_in(full["n_importance"])) if "n_importance" in full else people
    mean, half = _people_in(frame["importance"]), np.where(np.asarray(people) < SPREAD_FEWEST, 0.025, 0.005)
    hidden = near_an_end(raters, mean - half, mean + half, 0, 1)
    told = {name: frame[name].mask(hidden) for name in ("importance", "priority", "ci_low", "ci_high") if name in frame}
    return frame.assign(**told)


def _know_other_pages(release: Release) -> None:
    """Remember, once, which means the page of scores shows: every page decides alike which are withheld."""
    if not release._unread:
        return
    responses = release._unread.pop()
    try:
        scores = _scores_of_pages(responses)
        people = responses.people
        groups = _groups_of(release, responses)
        form = groups.of(people["form"]) if groups.apart else None
        found = mean_scores(scores, by=people[["wave"]], strata=form)
        sizes = people["wave"].value_counts().to_dict()
        _made_fit(release, found, "means", "n", (), sizes, None, None, None, 0, (), None, {})
        if form is not None:
            by = people[["wave"]].assign(form=form)
            whole = by.groupby(["wave", "form"]).size().to_dict()
            found = mean_scores(scores, by=by)
            _made_fit(release, found, "means_by_form", "n", (), whole, "form", None, None, 0, (), None, {})
    except ValueError:  # nothing can be scored: then no page shows a mean
        return


def _scores_of_pages(responses: Responses) -> pd.DataFrame:
    """Return the scores of which all pages show means: on the items that all answers have in common."""
    if responses.answers.columns.empty:
        raise ValueError("there are no answers to items, so that there are no scores")
    scores = score(responses, items=comparable_items(responses)).dropna(axis=1, how="all")
    rules = responses.instrument.scores
    return scores[[rule.id for rule in rules if rule.rule != "acquiescence" and rule.id in scores]]


def _with_fit_words(release: Release, frame: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose texts (a reason, a finding) tell no small number of people; texts of the questionnaire stay."""
    if not release._sizes:
        return frame
    told = {
        str(name): frame[name].map(
            lambda text: fit_to_say(text, release.floor, release._sizes) if isinstance(text, str) else text
        )
        for name in _WORDS_ABOUT_PEOPLE
        if name in frame and not pd.api.types.is_numeric_dtype(frame[name])
    }
    return frame.assign(**told) if told else frame


def _withheld_alone(
    frame: pd.DataFrame, full: pd.DataFrame, values: list[str], count: str | Sequence[str], floor: int
) -> bool:
    """Say whether a mean is withheld where its people are not."""
    columns = [count] if isinstance(count, str) else list(count)
    enough = (np.nan_to_num(np.column_stack([_people_in(full[name]) for name in columns])) >= floor).all(axis=1)
    there = frame[columns].notna().all(axis=1).to_numpy()
    return any(bool((frame[name].isna() & full[name].notna() & enough & there).any()) for name in values)


def _refuse_by_team(release: Release, result: Result) -> None:
    """Refuse what tells of single people (risk medium or high in the definition) by team or organisation."""
    frame = result.table
    about = {str(name).lower() for name in [*frame.index.names, *frame.columns]}
    if not release._instrument or not about & _PLACES:
        return
    definition = release._instrument[0]
    telling = {
        column: question.id
        for question in definition.questions
        if question.risk in ("medium", "high") and question.role not in ("code", "system")
        for column in question_columns(question, definition)
    }
    labels = {str(label) for level in frame.index.names for label in frame.index.get_level_values(level).unique()}
    found = sorted(
        {telling[name] for name in ({str(column) for column in frame.columns} | labels | about) & set(telling)}
    )
    if found:
        raise ValueError(
            f"{', '.join(found)} must not be shown by team or organisation: it would tell of single people. "
            "Show it for everyone together, or not at all."
        )


def _refuse_uncounted(result: Result, count: str | Sequence[str] | None, fewest: int | None) -> None:
    """Refuse a table of groups of people that does not say how many they are."""
    if count is not None:
        return
    frame = result.table
    counts = [str(name) for name in frame.columns if str(name) in _PEOPLE_COLUMNS]
    sides = [str(name) for name in frame.index.names if str(name) in ("group_1", "group_2", "form", "team", "arm")]
    if counts or (sides and fewest is None and {"mean", "estimate"} & set(frame.columns)):
        what = f"columns {', '.join(counts)}" if counts else f"groups of people ({', '.join(sides)})"
        raise ValueError(
            f"The table has {what}: name the columns of people with `count`, or the fewest people of a number with `fewest`."
        )


def _people_in(column: pd.Series) -> Any:
    return pd.to_numeric(column).astype("Float64").to_numpy(dtype=float, na_value=np.nan)
