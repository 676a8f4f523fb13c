"""The report on a round of a panel as Markdown and as a workbook: never which expert rated what."""

from __future__ import annotations

import html
from typing import Any

import pandas as pd

from instrument.delphi import DelphiRound
from instrument.files import workbook_bytes
from instrument.panel.ratings import WHOLE
from instrument.panel.report import PanelReport
from instrument.panel.sheets import fit_height, font, printable, put
from instrument.panel.words import ASPECTS, form_words

_SHORT = 16  # characters at most in a column that is centred, as numbers are
_FEWEST_COUNTED = 3  # experts of a kind; fewer would be single persons, who know each other
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
    "subscale": "part",
    "round": "last rated in round",
    "relevance_difference": "difference, relevance",
    "clarity_difference": "difference, clarity",
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


def report_tables(report: PanelReport) -> dict[str, pd.DataFrame]:
    """Return name → table of everything that the report shows, in the order of reading; empty tables are left out."""
    tables = {"Talk": _talk(report), "All items": report.final.reset_index()}
    for aspect in ASPECTS:
        name = aspect.capitalize()
        tables[f"{name} by item"] = report.validity[aspect].items.reset_index()
        tables[f"{name} by part"] = report.validity[aspect].scales.reset_index()
        tables[f"{name}, two views"] = report.perspectives[aspect].items.reset_index()
        if aspect in report.delphi and _compared(report.delphi[aspect]):
            tables[f"{name}, rounds"] = report.delphi[aspect].items.dropna(axis=1, how="all").reset_index()
    tables["Coverage"] = report.coverage.reset_index()
    tables["Frame, clarity"] = report.frame[report.frame["raters"] > 0].reset_index()
    tables["Suggestions"] = report.suggestions.copy()
    tables["Experts"] = _experts(report.ratings.experts["perspective"])
    titles = _titles(report)
    for table in tables.values():
        for column in {"part", "subscale"} & set(table.columns):
            table[column] = table[column].map(lambda part: titles.get(part, part))
    return {name: table.rename(columns=_HEADERS) for name, table in tables.items() if len(table)}


def _titles(report: PanelReport) -> dict[str, str]:
    """Return what stands for the ids of parts, and of the texts that everyone reads."""
    instrument, words = report.ratings.instrument, form_words()["en"]
    titles = {part.id: part.title[instrument.languages[0]] for part in instrument.subscales}
    titles |= {WHOLE: words.whole["part"]}
    several = sum(name.startswith("answers ") for name in report.frame.index) > 1
    for name in report.frame.index:
        kind, _, scale = name.partition(" ")
        titles[name] = f"{words.frame[kind]} ({scale})" if several and scale else words.frame[kind]
    return titles


def _compared(found: DelphiRound) -> bool:
    return bool(found.items["both"].gt(0).any())


def _talk(report: PanelReport) -> pd.DataFrame:
    """Return the items with a reason to talk, and what was written about each."""
    talk = report.talk[report.talk["why"] != ""]
    told = report.comments.groupby("item", sort=False)["comment"].agg("\n".join)
    return pd.DataFrame(
        {
            "item": talk.index,
            "text": talk["text"].array,
            "why": talk["why"].array,
            "comments": told.reindex(talk.index).fillna("").array,
            "relevance": talk["relevance"].array,
            "clarity": talk["clarity"].array,
            "relevance_difference": talk["relevance_difference"].array,
            "clarity_difference": talk["clarity_difference"].array,
            "verdict": talk["verdict"].array,
        }
    ).dropna(axis=1, how="all")


def _experts(perspectives: pd.Series) -> pd.DataFrame:
    """Return how many experts speak from where; fewer than three of a kind are counted with the others."""
    labels = form_words()["en"].perspectives
    counts = perspectives.map(lambda each: labels.get(each, "not said")).value_counts().sort_index()
    shown = counts[counts >= _FEWEST_COUNTED].sort_values(kind="stable")
    rest = int(counts.sum() - shown.sum())
    while 0 < rest < _FEWEST_COUNTED and len(shown):  # the smallest kind joins them
        rest, shown = rest + int(shown.iloc[0]), shown.iloc[1:]
    rows = [(str(label), int(count)) for label, count in shown.sort_index().items()]
    if rest:
        rows.append((f"not told apart: fewer than {_FEWEST_COUNTED} of some kind", rest))
    return pd.DataFrame(rows, columns=["perspective", "experts"])


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
        long = [
            column
            for column in table
            if table[column].map(lambda value: len(value) if isinstance(value, str) else 0).max() > _SHORT
        ]
        for column, (header, width) in enumerate(zip(table.columns, widths, strict=True), start=1):
            middle = Alignment(wrap_text=True, vertical="center", horizontal=None if column == 1 else "center")
            put(sheet, 1, column, str(header), font=font(bold=True), alignment=middle)
            sheet.column_dimensions[get_column_letter(column)].width = width
        for row, values in enumerate(table.itertuples(index=False), start=2):
            cells = [_cell(value) for value in values]
            for column, value in enumerate(cells, start=1):
                style = {"number_format": "0.00"} if isinstance(value, float) else {}
                side = None if table.columns[column - 1] in long else "center"
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
    ratings = report.ratings
    parts = []
    asked, every = ratings.relevance.shape[1], len(report.final)
    if set(report.final["round"]) - {ratings.round}:
        counts = report.final["round"].value_counts().sort_index(ascending=False)
        rounds = ", ".join(f"{count} in round {number}" for number, count in counts.items())
        parts.append(f"Over all {every} items, each as it was last rated ({rounds}):")
    for aspect in ASPECTS:
        whole = report.whole[aspect]
        reached = int(whole["rated"] - whole["below"])
        parts.append(
            f"{aspect.capitalize()}: {reached} of {every} items reach .78; S-CVI/Ave {whole['average']:.2f}, S-CVI/UA "
            f"{whole['universal']:.2f}."
        )
    where = f" asked in round {ratings.round}" if ratings.round > 1 else ""
    parts.append(f"{len(ratings.experts)} experts rated the {asked} items{where}{_lived(ratings.experts['lived'])}.")
    if report.delphi:
        parts.append(
            f"By the rule {len(report.again)} items go into the next round: {', '.join(report.again) or 'none'}."
        )
    return " ".join(parts)


def _lived(experts: pd.Series) -> str:
    """Return how many have lived experience, where that names no single persons."""
    yes, no, unsaid = int(experts.eq(True).sum()), int(experts.eq(False).sum()), int(experts.isna().sum())
    if any(0 < count < _FEWEST_COUNTED for count in (yes, no, unsaid)):
        return ""
    return f" ({yes} with lived experience, {no} without{f', {unsaid} did not say' if unsaid else ''})"


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
