"""Every platform's file written, read back by an independent reader, and compared: the parity ledger."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module

import pandas as pd

from instrument.definition import Instrument
from instrument.parity.compare import AspectVerdict, Finding, compare
from instrument.platforms import PLATFORMS, Platform
from instrument.survey import ASPECTS, Survey, build_survey

_TOLD = 60  # differences that are printed; the ledger file has all
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
    progress: Callable[[Iterable[Survey]], Iterable[Survey]] = iter,
) -> list[ParityEntry]:
    """Write every survey for every platform, read it back, and compare.

    Parameters
    ----------
    surveys : sequence of Survey
    platforms : sequence of str
        Default: all.
    progress : callable, optional
        Wraps the surveys to show how far it is (`tqdm`).

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
    return [entry for survey in progress(surveys) for platform in chosen for entry in parity_of(survey, platform)]


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
    """Return the whole ledger: a row for each platform, survey and aspect, with what is lost or different."""
    rows = []
    for entry in entries:
        head = {"platform": entry.platform, "variant": entry.variant, "survey": entry.survey, "read_by": entry.read_by}
        if entry.unread:
            rows.append(head | {"aspect": "", "verdict": "not read", "stated_loss": "", "differences": entry.unread})
        rows += [
            head
            | {
                "aspect": verdict.aspect,
                "verdict": verdict.verdict,
                "stated_loss": " ".join(loss.what for loss in verdict.stated),
                "differences": "; ".join(map(str, verdict.differences)),
            }
            for verdict in entry.verdicts
        ]
    return pd.DataFrame(rows)


def ledger_text(entries: Sequence[ParityEntry]) -> str:
    """Return the ledger as people read it: a table of marks, then what is lost, what differs, and who read it."""
    marks = {"same": "same", "stated loss": "loss", "not asked": "–", "not read": "?", "DIFFERENT": "DIFFERENT"}
    frame = ledger_frame(entries)
    titles = {name: name.replace("_", " ") for name in frame.columns}
    table = frame.replace(marks).rename(columns=titles)
    lines = [
        f"{len({entry.survey for entry in entries})} surveys, each written for every platform, read back, and compared:",
        "",
        table.rename_axis(None).to_string(),
        "",
        "same: read back as it stands in the definition; loss: stated below; –: nothing of this kind to lose.",
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
    readers = dict.fromkeys(f"  {entry.platform}: {entry.read_by}" for entry in entries)
    lines += ["", "Read by:", *readers]
    proofs = dict.fromkeys(f"  {name}: {PLATFORMS[name].proof}" for name in {entry.platform: None for entry in entries})
    return "\n".join([*lines, "", "Tried with:", *proofs])
