"""What the command `pwiq panel` does, with paths in and out: a form, a reading, the decisions."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from pathlib import Path

from instrument.definition import read_instrument
from instrument.delphi import DelphiRule
from instrument.files import write_whole
from instrument.panel.decisions import decisions_path, read_decisions, read_log
from instrument.panel.form import items_to_rate, write_rating_form
from instrument.panel.ratings import PanelRatings
from instrument.panel.reading import read_rating_forms, read_rating_rounds
from instrument.panel.report import decisions_template, panel_report
from instrument.panel.shown import report_markdown, report_workbook

REPORT, WORKBOOK, TEMPLATE, NEXT = "panel.md", "panel.xlsx", "decisions.template.toml", "next_round.txt"
_TOLD = 10  # items that are printed


def panel_form(
    definition: str | Path,
    path: str | Path,
    *,
    language: str | None = None,
    forms: Collection[str] | None = None,
    round: int = 1,  # noqa: A002 the field's word
    earlier: Sequence[str | Path] = (),
    items_file: str | Path | None = None,
    words_language: str | None = None,
) -> str:
    """Write the rating form of a round and return what to do with it (`pwiq panel form`).

    Parameters
    ----------
    definition : str or path
    path : str or path
        The ``.xlsx`` to write.
    language, forms, round, words_language
        As for `write_rating_form`.
    earlier : sequence of path
        The filled-in forms of the rounds before; the median and middle half of the last of them are shown.
    items_file : path, optional
        Ask only these: ids, one a line (what follows a # is a remark), as `panel_read` writes them for the next round.
        Items of `earlier` whose text changed since are asked in any case: nobody has rated them as they stand.

    Raises
    ------
    ValueError, ResponseError
        As `write_rating_form` and `read_rating_forms`.
    """
    instrument = read_instrument(definition)
    before = read_rating_rounds(earlier, instrument)[-1] if earlier else None
    items = None
    if items_file is not None:
        lines = Path(items_file).read_text(encoding="utf-8-sig").splitlines()
        items = {line.partition("#")[0].strip() for line in lines} - {""}
        items |= set(before.changed) if before is not None else set()
    write_rating_form(
        instrument,
        path,
        language=language,
        forms=forms,
        items=items,
        round=round,
        earlier=before,
        words_language=words_language,
    )
    asked = items_to_rate(instrument, forms=forms, items=items)
    return (
        f"{Path(path).name}: {len(asked)} items of {instrument.id} {instrument.version}, round {round}. Send each expert this "
        "file and a code of their own, and say by when and where to send it back and who reads it; keep the list of codes apart."
    )


def panel_read(
    definition: str | Path,
    paths: Sequence[str | Path],
    out: str | Path,
    *,
    earlier: Sequence[str | Path] = (),
    rule: DelphiRule | None = None,
    force: bool = False,
) -> str:
    """Read the forms of a round and write the report, its workbook and a log to fill in (`pwiq panel read`).

    Parameters
    ----------
    definition : str or path
    paths : sequence of path
        The filled-in forms.
    out : str or path
        Folder; it is made where it does not exist.
    earlier : sequence of path
        The forms of all rounds before: the last is compared, and every item is shown as it was last rated.
    rule : DelphiRule, optional
        The rule stated before the first round; needed with `earlier`.
    force : bool, default False
        Overwrite what is there; the log may have been filled in.

    Returns
    -------
    str
        The summary to print.

    Raises
    ------
    FileExistsError
        If a file to write exists and `force` is false; nothing is written then.
    """
    folder = Path(out)
    written = [REPORT, WORKBOOK, TEMPLATE, *([NEXT] if rule is not None else [])]
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"{folder} is no folder; the report is several files: choose another --out")
    existing = [name for name in written if (folder / name).exists()]
    if existing and not force:
        raise FileExistsError(f"{folder}: {', '.join(existing)} exist; choose another folder or add --force")
    instrument = read_instrument(definition)
    ratings = read_rating_forms(paths, instrument)
    before = read_rating_rounds(earlier, instrument) if earlier else ()
    report = panel_report(ratings, rule=rule, earlier=before)
    folder.mkdir(parents=True, exist_ok=True)
    text = report_markdown(report)
    write_whole(folder / REPORT, text)
    write_whole(folder / WORKBOOK, report_workbook(report))
    write_whole(folder / TEMPLATE, decisions_template(report))
    if rule is not None:
        texts = report.talk["text"]
        write_whole(folder / NEXT, "".join(f"{name}  # {' '.join(texts[name].split())}\n" for name in report.again))
    first = report.talk[report.talk["why"] != ""]
    lines = [f"{name}: {row['why']}" for name, row in first.head(_TOLD).iterrows()]
    if len(first) > _TOLD:
        lines.append(f"… and {len(first) - _TOLD} more, see {REPORT}.")
    lines += _who_answered(ratings, before[-1]) if before else []
    told = [f"Written to {folder}: {', '.join(written)}.", *lines, *report.notes]
    return "\n".join([*told, f"Decide in {TEMPLATE}, and copy what is decided into {decisions_path(definition)}."])


def _who_answered(now: PanelRatings, before: PanelRatings) -> list[str]:
    """Return whose forms are missing or new: for the organiser, who keeps the codes, and in no file."""
    lines = []
    if absent := before.experts.index.difference(now.experts.index).tolist():
        lines.append(f"No form of this round yet from: {', '.join(absent)}.")
    if new := now.experts.index.difference(before.experts.index).tolist():
        lines.append(f"Not in the round before: {', '.join(new)}.")
    return lines


def panel_decide(definition: str | Path, log: str | Path | None = None) -> str:
    """Check a log of decisions and say what it decides and what is open (`pwiq panel decide`).

    Parameters
    ----------
    definition : str or path
    log : str or path, optional
        A log elsewhere; default: ``decisions.toml`` beside the definition.

    Raises
    ------
    FileNotFoundError
        If a log is named that does not exist.
    InstrumentError
        As `read_decisions`.
    """
    instrument = read_instrument(definition)
    if log is not None and not Path(log).is_file():
        raise FileNotFoundError(f"{log}: there is no such file")
    decisions = read_decisions(definition, instrument) if log is None else read_log(Path(log), instrument)
    if decisions.empty and log is None:
        return f"{instrument.id} {instrument.version}: nothing was decided yet; no panel has met."
    counts = decisions["decision"].value_counts(sort=False)
    said = ", ".join(f"{count} {name}" for name, count in counts.items()) or "all entries are open"
    last = decisions.drop_duplicates("item", keep="last").set_index("item")["decision"]
    still = [name for name in last.index[last == "drop"] if name in instrument.items.ids]
    undecided = [name for name in instrument.items.ids if name not in last.index]
    lines = [f"{instrument.id} {instrument.version}: {len(decisions)} decision{'s' * (len(decisions) != 1)} ({said})."]
    lines += [f"Dropped, but still in the definition: {', '.join(still)}."] if still else []
    lines += [f"Open: {len(undecided)} of {len(instrument.items)} items: {', '.join(undecided)}."] if undecided else []
    return "\n".join(lines)
