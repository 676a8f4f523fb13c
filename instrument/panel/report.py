"""What a panel found, for its organiser: what needs a talk first, and never which expert rated what."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from instrument.content_indices import CRITERION, FEWEST_EXPERTS
from instrument.delphi import AGAIN, AGREED, ENDED, STABLE, DelphiRound, DelphiRule, judge_round
from instrument.files import workbook_bytes
from instrument.panel.decisions import Evidence, decision_entry
from instrument.panel.ratings import PanelRatings
from instrument.panel.sheets import fit_height, font, printable, put
from instrument.panel.words import ASPECTS
from instrument.validity import ContentValidity, Perspectives, compare_perspectives, content_validity

_SHORT = 12  # characters of a cell that is centred, as numbers are
_UNLINKED = (
    "Comments stand without their writer and in another order than the forms. Who knows the experts may still recognise a "
    "voice: show them to the panel only if the experts agreed. Where all agree, or none, a share says what each one rated."
)
_HEADERS = {
    "icvi": "I-CVI",
    "icvi_low": "I-CVI from",
    "icvi_high": "I-CVI to",
    "meets": "meets the criterion",
    "kappa": "modified kappa",
    "cvr": "CVR",
    "needed": "needed (exact test)",
    "beyond_chance": "beyond chance",
    "v": "Aiken's V",
    "v_low": "V from",
    "v_high": "V to",
    "q1": "quartile 1",
    "q3": "quartile 3",
    "fewest_raters": "fewest raters",
    "average": "S-CVI/Ave",
    "average_low": "Ave from",
    "average_high": "Ave to",
    "universal": "S-CVI/UA",
    "below": "items below .78",
    "relevance_n": "raters, relevance",
    "clarity_n": "raters, clarity",
    "relevance": "relevance (I-CVI)",
    "clarity": "clarity (I-CVI)",
    "lived_raters": "raters, lived experience",
    "lived_icvi": "I-CVI, lived experience",
    "other_raters": "raters, others",
    "other_icvi": "I-CVI, others",
    "low": "from",
    "high": "to",
    "decide_differently": "would decide differently",
    "iqr": "IQR",
    "agreement_before": "agreement before",
    "median_before": "median before",
    "iqr_before": "IQR before",
    "both": "rated twice",
    "moved": "share that moved",
}
_COVERAGE = (
    "Coverage (comprehensiveness, which COSMIN asks for beside relevance and clarity: Terwee et al., 2018): share of the "
    "experts who rated 3 or 4 of 4, with Clopper and Pearson's exact interval."
)


@dataclass(frozen=True, kw_only=True, eq=False)
class PanelReport:
    """What a round of a panel found; made by `panel_report`.

    Parameters
    ----------
    ratings : PanelRatings
    talk : pandas.DataFrame
        Index ``item``, what needs a talk first: ``part``, ``text``, ``why``, ``relevance``, ``relevance_n``, ``kappa``,
        ``band``, ``clarity``, ``clarity_n``, ``difference`` (lived experience minus others; missing where not shown),
        ``comments`` (how many), ``verdict`` (empty without a rule).
    validity : mapping
        "relevance" and "clarity" → ContentValidity.
    coverage : pandas.DataFrame
        Index ``part`` (subscales and ``whole``): ``raters``, ``missing``, ``agreeing``, ``share``, ``low``, ``high``, ``median``.
    perspectives : mapping
        "relevance" and "clarity" → Perspectives.
    delphi : mapping
        The same → DelphiRound; empty without a rule.
    again : tuple of str
        Items for the next round: those that either aspect leaves open.
    comments, suggestions : pandas.DataFrame
        Unlinked.
    notes, method : tuple of str
    """

    ratings: PanelRatings
    talk: pd.DataFrame
    validity: Mapping[str, ContentValidity]
    coverage: pd.DataFrame
    perspectives: Mapping[str, Perspectives]
    delphi: Mapping[str, DelphiRound]
    again: tuple[str, ...]
    comments: pd.DataFrame
    suggestions: pd.DataFrame
    notes: tuple[str, ...]
    method: tuple[str, ...]


def panel_report(
    ratings: PanelRatings,
    *,
    rule: DelphiRule | None = None,
    earlier: PanelRatings | None = None,
    confidence: float = 0.95,
) -> PanelReport:
    """Compute what a round of a panel found.

    Parameters
    ----------
    ratings : PanelRatings
    rule : DelphiRule, optional
        The rule that was stated before the first round; without it no item is settled or asked again.
    earlier : PanelRatings, optional
        The round before.
    confidence : float

    Returns
    -------
    PanelReport

    Raises
    ------
    ValueError
        If fewer than three experts rated: every share would say what each of them gave. Or if `earlier` is given without
        a rule, or is not of an earlier round.
    """
    count = len(ratings.experts)
    if count < FEWEST_EXPERTS:
        raise ValueError(
            f"{count} expert{'s' * (count != 1)} rated: a panel has at least {FEWEST_EXPERTS} (Lynn, 1986), and fewer would be "
            "seen through; wait for more forms"
        )
    if earlier is not None and (rule is None or earlier.round >= ratings.round):
        raise ValueError(
            f"rounds are compared by a rule that was stated before (DelphiRule), the earlier one first; got "
            f"{'no rule' if rule is None else f'round {earlier.round} before round {ratings.round}'}"
        )
    subscales = ratings.instrument.subscale_items(tuple(ratings.relevance.columns))
    subscales = {name: members for name, members in subscales.items() if members}
    validity = {
        aspect: content_validity(ratings.aspect(aspect), subscales=subscales, confidence=confidence)
        for aspect in ASPECTS
    }
    perspectives = {
        aspect: compare_perspectives(ratings.aspect(aspect), ratings.experts["lived"], confidence=confidence)
        for aspect in ASPECTS
    }
    delphi = {} if rule is None else {aspect: _round(aspect, ratings, rule, earlier) for aspect in ASPECTS}
    open_items = {name for each in delphi.values() for name in each.again}
    again = tuple(name for name in ratings.relevance.columns if name in open_items)
    notes = (*ratings.notes, *_notes(validity, perspectives, delphi), _UNLINKED)
    first = validity["relevance"]
    methods = (*first.method, perspectives["relevance"].method, _COVERAGE, *(each.method for each in delphi.values()))
    return PanelReport(
        ratings=ratings,
        talk=_talk(ratings, validity, perspectives, delphi),
        validity=validity,
        coverage=_coverage(ratings, confidence),
        perspectives=perspectives,
        delphi=delphi,
        again=again,
        comments=ratings.comments,
        suggestions=ratings.suggestions,
        notes=notes,
        method=tuple(dict.fromkeys(methods)),
    )


def _round(aspect: str, ratings: PanelRatings, rule: DelphiRule, earlier: PanelRatings | None) -> DelphiRound:
    before = None if earlier is None else earlier.aspect(aspect)
    revised = () if earlier is None else earlier.changed
    return judge_round(ratings.aspect(aspect), rule=rule, number=ratings.round, earlier=before, revised=revised)


def _notes(
    validity: Mapping[str, ContentValidity], perspectives: Mapping[str, Perspectives], delphi: Mapping[str, DelphiRound]
) -> list[str]:
    """Return every note once, with its aspect where only one of them has it."""
    found: dict[str, list[str]] = {}
    for results in (validity, perspectives, delphi):
        for aspect, each in results.items():
            for note in each.notes:
                found.setdefault(note, []).append(aspect)
    return [note if len(of) > 1 else f"{of[0].capitalize()}: {note}" for note, of in found.items()]


def _coverage(ratings: PanelRatings, confidence: float) -> pd.DataFrame:
    items = content_validity(ratings.coverage, confidence=confidence).items.rename_axis("part")
    names = {"icvi": "share", "icvi_low": "low", "icvi_high": "high"}
    return items.rename(columns=names)[["raters", "missing", "agreeing", "share", "low", "high", "median"]]


def _talk(
    ratings: PanelRatings,
    validity: Mapping[str, ContentValidity],
    perspectives: Mapping[str, Perspectives],
    delphi: Mapping[str, DelphiRound],
) -> pd.DataFrame:
    instrument, language = ratings.instrument, ratings.instrument.languages[0]
    relevance, clarity = validity["relevance"].items, validity["clarity"].items
    told = ratings.comments["item"].value_counts()
    apart = {aspect: each.items["decide_differently"] for aspect, each in perspectives.items()}
    rows, order = [], []
    for place, name in enumerate(relevance.index):
        differ = [aspect for aspect in ASPECTS if bool(apart[aspect].get(name, False))]
        below = [aspect for aspect in ASPECTS if not validity[aspect].items.loc[name, "meets"]]
        comments = int(told.get(name, 0))
        why = [f"lived experience and others would decide differently ({', '.join(differ)})"] if differ else []
        why += [_below(aspect, validity[aspect].items.loc[name]) for aspect in below]
        why += [f"{comments} comment{'s' * (comments != 1)}"] if comments else []
        item = instrument.items[name]
        rows.append(
            {
                "part": instrument.subscales[item.subscale].title[language],
                "text": item.text[language],
                "why": "; ".join(why),
                "relevance": relevance.loc[name, "icvi"],
                "relevance_n": relevance.loc[name, "raters"],
                "kappa": relevance.loc[name, "kappa"],
                "band": relevance.loc[name, "band"],
                "clarity": clarity.loc[name, "icvi"],
                "clarity_n": clarity.loc[name, "raters"],
                "difference": perspectives["relevance"].items["difference"].get(name, float("nan")),
                "comments": comments,
                "verdict": _verdict([each.items.loc[name, "verdict"] for each in delphi.values()]),
            }
        )
        shares = [float(relevance.loc[name, "icvi"]), float(clarity.loc[name, "icvi"])]
        shares = [-1.0 if share != share else share for share in shares]  # NaN, nobody rated: first
        apart_by = abs(float(rows[-1]["difference"])) if "relevance" in differ else 0.0
        order.append(
            (not differ, -apart_by, "relevance" not in below, "clarity" not in below, comments == 0, *shares, place)
        )
    frame = pd.DataFrame(rows, index=relevance.index)
    return frame.iloc[sorted(range(len(rows)), key=lambda row: order[row])]


def _below(aspect: str, row: pd.Series) -> str:
    if not row["raters"]:
        return f"nobody rated its {aspect}"
    few = f" (only {row['raters']} rated)" if row["raters"] < FEWEST_EXPERTS else ""
    return f"{aspect} {row['agreeing']} of {row['raters']}, below {f'{CRITERION:.2f}'[1:]}{few}"


def _verdict(verdicts: list[str]) -> str:
    """Return one verdict of an item from those of its aspects: it is settled when both are."""
    return next((each for each in (AGAIN, STABLE, ENDED, AGREED) if each in verdicts), "")


def decisions_template(report: PanelReport) -> str:
    """Return a log of decisions to be filled in, as TOML: one entry an item, what needs a talk first.

    Parameters
    ----------
    report : PanelReport

    Returns
    -------
    str
        With the evidence of the round; ``decision``, ``reason`` and ``date`` are empty, and `read_decisions` refuses the
        file until they are given.
    """
    ratings = report.ratings
    entries = [f"instrument = {_quoted(ratings.instrument.id)}"]
    for name, row in report.talk.iterrows():
        evidence = None
        if row["relevance_n"] and row["clarity_n"]:
            evidence = Evidence(
                relevance=round(float(row["relevance"]), 4),
                relevance_n=int(row["relevance_n"]),
                clarity=round(float(row["clarity"]), 4),
                clarity_n=int(row["clarity_n"]),
            )
        hint = f"{row['text']} ({row['why'] or 'nothing was held against it'})"
        entries.append(decision_entry(str(name), ratings.instrument.version, ratings.round, evidence, hint))
    return "\n\n".join(entries) + "\n"


def _quoted(text: str) -> str:
    return f'"{text}"'  # an id: letters, digits, - and _


def report_tables(report: PanelReport) -> dict[str, pd.DataFrame]:
    """Return name → table of everything that the report shows, in the order of reading; empty tables are left out."""
    tables = {"Talk": report.talk.reset_index()}
    for aspect in ASPECTS:
        name = aspect.capitalize()
        tables[f"{name} by item"] = report.validity[aspect].items.reset_index()
        tables[f"{name} by part"] = report.validity[aspect].scales.reset_index()
        tables[f"{name}, two views"] = report.perspectives[aspect].items.reset_index()
        if aspect in report.delphi:
            tables[f"{name}, rounds"] = report.delphi[aspect].items.dropna(axis=1, how="all").reset_index()
    tables["Coverage"] = report.coverage.reset_index()
    tables["Suggestions"] = report.suggestions
    tables["Comments"] = report.comments
    experts = report.ratings.experts["perspective"].replace("", "not said")
    tables["Experts"] = experts.value_counts().sort_index().rename_axis("perspective").reset_index(name="experts")
    return {name: table.rename(columns=_HEADERS) for name, table in tables.items() if len(table)}


def report_markdown(report: PanelReport) -> str:
    """Return the report as Markdown; what experts wrote is escaped."""
    blocks = [f"# {_head(report)}"]
    blocks += [f"**{_escaped(line)}**" for line in _banner(report)]
    blocks.append(_escaped(_sentence(report)))
    for name, table in report_tables(report).items():
        blocks += [f"## {name}", _markdown_table(table)]
    blocks += ["## Notes", "\n".join(f"- {_escaped(note)}" for note in report.notes)]
    blocks += ["## Method", "\n".join(f"- {_escaped(text)}" for text in report.method)]
    return "\n\n".join([*blocks, _escaped(_stamp(report))]) + "\n"


def report_workbook(report: PanelReport) -> bytes:
    """Return the report as an Excel workbook, a sheet a table; no text of an expert is run."""
    from openpyxl import Workbook
    from openpyxl.styles import Alignment
    from openpyxl.utils import get_column_letter

    book = Workbook()
    book.properties.creator = ""
    first = book.active
    first.title = "Summary"
    lines = [_head(report), *_banner(report), _sentence(report), *report.notes, *report.method, _stamp(report)]
    first.column_dimensions["A"].width = 110
    for row, text in enumerate(lines, start=1):
        put(first, row, 1, text, alignment=Alignment(wrap_text=True, vertical="top"), font=font(bold=row == 1))
        fit_height(first, row, [text], [110])
    for name, table in report_tables(report).items():
        sheet = book.create_sheet(name)
        widths = [_width(table[column]) for column in table]
        for column, (header, width) in enumerate(zip(table.columns, widths, strict=True), start=1):
            middle = Alignment(wrap_text=True, vertical="center", horizontal=None if column == 1 else "center")
            put(sheet, 1, column, str(header), font=font(bold=True), alignment=middle)
            sheet.column_dimensions[get_column_letter(column)].width = width
        for row, values in enumerate(table.itertuples(index=False), start=2):
            cells = [_cell(value) for value in values]
            for column, value in enumerate(cells, start=1):
                style = {"number_format": "0.00"} if isinstance(value, float) else {}
                side = None if isinstance(value, str) and len(value) > _SHORT else "center"
                aligned = Alignment(wrap_text=True, vertical="top", horizontal=None if column == 1 else side)
                put(sheet, row, column, value, alignment=aligned, **style)
            fit_height(sheet, row, [value if isinstance(value, str) else "" for value in cells], widths)
        sheet.row_dimensions[1].height = 48
        sheet.freeze_panes = "B2"
        sheet.print_title_rows = "1:1"
    for sheet in book:
        printable(sheet, footer=_stamp(report), page="page")
    return workbook_bytes(book)


def _head(report: PanelReport) -> str:
    ratings = report.ratings
    return f"Content validity of {ratings.instrument.id} {ratings.instrument.version}, round {ratings.round}"


def _banner(report: PanelReport) -> list[str]:
    instrument = report.ratings.instrument
    return [instrument.banner[instrument.languages[0]]] if instrument.status == "draft" else []


def _stamp(report: PanelReport) -> str:
    instrument = report.ratings.instrument
    return f"Definition {instrument.id} {instrument.version}, digest {instrument.digest}"


def _sentence(report: PanelReport) -> str:
    experts = report.ratings.experts["lived"]
    yes, no, unsaid = int(experts.eq(True).sum()), int(experts.eq(False).sum()), int(experts.isna().sum())
    parts = [f"{len(experts)} experts rated {report.ratings.relevance.shape[1]} items"]
    parts[0] += f" ({yes} with lived experience, {no} without{f', {unsaid} did not say' if unsaid else ''})."
    for aspect in ASPECTS:
        items, whole = report.validity[aspect].items, report.validity[aspect].scales.loc["whole"]
        parts.append(
            f"{aspect.capitalize()}: {int(items['meets'].sum())} of {len(items)} items reach .78; S-CVI/Ave "
            f"{whole['average']:.2f} ({whole['average_low']:.2f} to {whole['average_high']:.2f}), S-CVI/UA "
            f"{whole['universal']:.2f}."
        )
    if report.delphi:
        parts.append(
            f"By the rule {len(report.again)} items go into the next round: {', '.join(report.again) or 'none'}."
        )
    return " ".join(parts)


def _cell(value: Any) -> Any:
    if pd.isna(value):
        return None
    if isinstance(value, str):
        return value
    if isinstance(value, bool) or type(value).__name__ == "bool":
        return "yes" if value else "no"
    return float(value) if isinstance(value, float) else int(value)


def _width(column: pd.Series) -> float:
    longest = max(
        [max(map(len, str(column.name).split())), *(len(value) for value in column if isinstance(value, str))]
    )
    return float(min(max(11, longest + 2), 44))


def _markdown_table(table: pd.DataFrame) -> str:
    rows = [list(map(str, table.columns)), ["---"] * table.shape[1]]
    rows += [[_shown(_cell(value)) for value in values] for values in table.itertuples(index=False)]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _shown(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.2f}" if isinstance(value, float) else _escaped(str(value))


def _escaped(text: str) -> str:
    """Return text that neither Markdown nor a browser takes for anything else."""
    plain = html.escape(text, quote=False).replace("\\", "\\\\")
    for mark in "|*_`[]#":
        plain = plain.replace(mark, f"\\{mark}")
    return "<br>".join(plain.splitlines())
