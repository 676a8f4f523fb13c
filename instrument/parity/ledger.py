"""Every platform's file written, read back by an independent reader, and compared: the parity ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import pandas as pd

from instrument.definition import Instrument
from instrument.parity.compare import AspectVerdict, Finding, compare, excuses
from instrument.platforms import PLATFORMS, Platform
from instrument.survey import ASPECTS, Survey, build_survey

_TOLD = 60  # differences that are printed; the ledger file has all
_COLUMNS = (
    "platform",
    "variant",
    "survey",
    "read_by",
    "aspect",
    "verdict",
    "where",
    "in_definition",
    "in_file",
    "stated_loss",
)
# What each mark in the printed table means.
_MARKS = {
    "same": ("same", "read back as it stands in the definition"),
    "stated loss": ("loss", "stated below"),
    "not asked": ("–", "nothing of this kind to lose"),
    "not read": ("?", "not read here, see below"),
    "DIFFERENT": ("DIFFERENT", "a fault, see below"),
}
# Parts of the file name by which a platform's several files are told apart: each is compared on its own.
_VARIANTS: Mapping[str, tuple[str, ...]] = {"fhir": ("r4", "r5")}


@dataclass(frozen=True, kw_only=True)
class ParityEntry:
    """One platform's file of one survey; `unread` says why it could not be read here, else ""."""

    platform: str
    variant: str
    survey: str
    read_by: str
    verdicts: tuple[AspectVerdict, ...]
    unread: str = ""

    @property
    def same(self) -> bool:
        """Whether the file was read and holds everything but what is stated as lost."""
        return not self.unread and all(verdict.verdict != "DIFFERENT" for verdict in self.verdicts)


def surveys_to_compare(instrument: Instrument) -> list[Survey]:
    """Return a survey of each form, and one of all full forms together, in every language of the definition."""
    forms = instrument.forms.ids
    surveys = [build_survey(instrument, forms=[form], follow_up=True) for form in forms] or [build_survey(instrument)]
    if len(instrument.full_forms) > 1:
        surveys.insert(0, build_survey(instrument, forms=instrument.full_forms, follow_up=True, seed=1))
    return surveys


def parity_ledger(
    surveys: Sequence[Survey],
    *,
    platforms: Sequence[str] = (),
    progress: Callable[[Iterable[tuple[Survey, Platform]]], Iterable[tuple[Survey, Platform]]] = iter,
) -> list[ParityEntry]:
    """Write every survey for every platform, read it back, and compare.

    Parameters
    ----------
    surveys : sequence of Survey
    platforms : sequence of str
        Default: all.
    progress : callable, optional
        Wraps the list of surveys and platforms to show how far it is (`tqdm`); all of PWIQ takes about a minute.

    Returns
    -------
    list of ParityEntry

    Raises
    ------
    ValueError
        If a platform is unknown.
    """
    unknown = [name for name in platforms if name not in PLATFORMS]
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: no such platform; known are {', '.join(PLATFORMS)}")
    chosen = [PLATFORMS[name] for name in platforms or PLATFORMS]
    pairs = [(survey, platform) for survey in surveys for platform in chosen]
    return [entry for survey, platform in progress(pairs) for entry in parity_of(survey, platform)]


def parity_of(survey: Survey, platform: Platform, *, original: Survey | None = None) -> Iterator[ParityEntry]:
    """Yield an entry for each file of a platform; `original`: what it is compared with, if not `survey` itself."""
    asked = original or survey
    files = platform.files(survey)
    reader = import_module(f"instrument.parity.readers.{platform.name.replace('-', '_')}")
    for variant in _VARIANTS.get(platform.name, ("",)):
        parts = {name: content for name, content in files.items() if not variant or f".{variant}." in name}
        verdicts: tuple[AspectVerdict, ...] = ()
        unread = ""
        try:
            finding: Finding = reader.read(parts)
        except ModuleNotFoundError as missing:
            unread = f"not read here: {missing.name} is not installed (pip install 'pwiq[parity]')"
        except FileNotFoundError as missing:  # a program that runs the file
            unread = f"not read here: {missing.filename} is not installed"
        else:
            verdicts = compare(asked, finding, platform.losses(asked))
        yield ParityEntry(
            platform=platform.name,
            variant=variant,
            survey=asked.name,
            read_by=reader.READ_BY,
            verdicts=verdicts,
            unread=unread,
        )


def ledger_frame(entries: Sequence[ParityEntry]) -> pd.DataFrame:
    """Return platform × aspect: "same", "stated loss", "not asked" or "DIFFERENT", the worst over all surveys."""
    worst = ("not asked", "same", "stated loss", "not read", "DIFFERENT")
    rows: dict[str, dict[str, str]] = {}
    for entry in entries:
        row = rows.setdefault(
            " ".join(filter(None, [entry.platform, entry.variant])), dict.fromkeys(ASPECTS, "not asked")
        )
        found = {verdict.aspect: verdict.verdict for verdict in entry.verdicts}
        for aspect in ASPECTS:
            now = "not read" if entry.unread else found[aspect]
            row[aspect] = max(row[aspect], now, key=worst.index)
    return pd.DataFrame.from_dict(rows, orient="index", columns=list(ASPECTS)).rename_axis("platform")


def ledger_rows(entries: Sequence[ParityEntry]) -> pd.DataFrame:
    """Return the whole ledger, a row a difference: what stands in the definition, what in the file, and what excuses it.

    An aspect of a platform and survey in which nothing differs has one row, with these cells empty.
    """
    return pd.DataFrame([row for entry in entries for row in _rows(entry)], columns=list(_COLUMNS))


def _rows(entry: ParityEntry) -> Iterator[tuple[str, ...]]:
    head = (entry.platform, entry.variant, entry.survey, entry.read_by)
    if entry.unread:
        yield (*head, "", "not read", entry.unread, "", "", "")
    for verdict in entry.verdicts:
        aspect = (*head, verdict.aspect, verdict.verdict)
        for each in verdict.differences:
            stated = next((loss.what for loss in verdict.stated if excuses(loss, each)), "")
            yield (*aspect, each.where, each.asked, each.found, stated)
        if not verdict.differences:
            yield (*aspect, "", "", "", " ".join(loss.what for loss in verdict.stated))


def ledger_text(entries: Sequence[ParityEntry]) -> str:
    """Return the ledger as people read it: a table of marks, then what is lost, what differs, and who read it."""
    frame = ledger_frame(entries)
    seen = {verdict for name in frame.columns for verdict in frame[name]}
    marks = {verdict: mark for verdict, (mark, _) in _MARKS.items()}
    meant = [f"{mark}: {meaning}" for verdict, (mark, meaning) in _MARKS.items() if verdict in seen]
    titles = {name: name.replace("_", " ") for name in frame.columns}
    table = frame.replace(marks).rename(columns=titles)
    lines = [
        f"Surveys: {len({entry.survey for entry in entries})}, each written for the platforms below, read back, and compared:",
        "",
        table.rename_axis(None).to_string(),
        "",
        f"{'; '.join(meant)}.",
        *_what_off_scale_means(entries),
    ]
    unread = dict.fromkeys(f"{entry.platform}: {entry.unread}" for entry in entries if entry.unread)
    stated = dict.fromkeys(
        f"  {entry.platform}: {loss.aspect.replace('_', ' ')}: {loss.what}"
        for entry in entries
        for verdict in entry.verdicts
        for loss in verdict.stated
    )
    different = [
        f"  {entry.platform} {entry.variant}, {entry.survey}: {difference}"
        for entry in entries
        for verdict in entry.verdicts
        if verdict.verdict == "DIFFERENT"
        for difference in verdict.differences
    ]
    if stated:
        lines += ["", "What is lost:", *stated]
    if different:
        more = len(different) - _TOLD
        lines += ["", "What is DIFFERENT:", *different[:_TOLD], *([f"  … and {more} more"] if more > 0 else [])]
    lines += ["", *unread] if unread else []
    read_by = {entry.platform: entry.read_by for entry in entries}
    readers = [f"  {name}: {by}. The file itself: {PLATFORMS[name].proof}." for name, by in read_by.items()]
    return "\n".join([*lines, "", "Read by:", *readers])


def _what_off_scale_means(entries: Sequence[ParityEntry]) -> Iterator[str]:
    """Yield what a loss of the aspect off_scale does to scores, where every answer is still asked."""
    lost = [each for entry in entries for each in entry.verdicts if each.aspect == "off_scale" and each.stated]
    if lost and not any("answer" in each.where for verdict in lost for each in verdict.differences):
        yield (
            'off scale, loss: answers such as "don\'t know" are asked, with their own code or label; only the mark is lost '
            "that they are no points of the scale. Scores made by pwiq leave them out all the same; the platform's own "
            "charts and means may not."
        )
