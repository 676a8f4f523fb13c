"""The rating form for the experts of a panel: an Excel workbook with drop-downs, locked where nothing is asked."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from instrument.definition import Instrument, Item, Subscale
from instrument.files import workbook_bytes, write_whole
from instrument.panel.ratings import FEWEST_SHOWN, WHOLE, PanelRatings
from instrument.panel.sheets import fit_height, font, printable, put
from instrument.panel.words import ASPECTS, Words, form_words

STAMP = ("instrument", "version", "digest", "language", "round")
_INPUT, _HEAD, _QUIET = "FFF8DC", "E3EAF0", "F2F2F2"  # yellow: to fill in; blue: header; grey: the group


def write_rating_form(
    instrument: Instrument,
    path: str | Path,
    *,
    language: str | None = None,
    forms: Collection[str] | None = None,
    items: Collection[str] | None = None,
    round: int = 1,  # noqa: A002 the field's word
    earlier: PanelRatings | None = None,
    words_language: str | None = None,
) -> None:
    """Write the rating form that one expert fills in; every expert gets the same file.

    Parameters
    ----------
    instrument : Instrument
    path : str or path
        Name of the ``.xlsx`` file; a file that exists is replaced.
    language : str, optional
        Language of the items; default: the first of the definition.
    forms : collection of str, optional
        Ask only the items of these forms; default: all items.
    items : collection of str, optional
        Ask only these (as `panel_report` lists them for the next round).
    round : int
        Number of the round.
    earlier : PanelRatings, optional
        The round before: from round 2 on its median and middle half are shown where 5 or more experts rated.
    words_language : str, optional
        Language of the instructions, where it is not that of the items.

    Raises
    ------
    ValueError
        If language, forms, items or round do not fit the definition, or no instructions exist in the language.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from instrument import read_instrument
    >>> from instrument.panel import write_rating_form
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_rating_form(read_instrument("pwiq"), f"{folder}/form.xlsx", forms=["P"])
    ...     [path.name for path in Path(folder).iterdir()]
    ['form.xlsx']
    """
    target = Path(path)
    if target.suffix.lower() != ".xlsx":
        raise ValueError(f"the form is an Excel workbook: give a name that ends with .xlsx, not {target.name}")
    chosen = instrument.languages[0] if language is None else language
    if chosen not in instrument.languages:
        raise ValueError(f"language {chosen!r} is not in the definition; use one of {', '.join(instrument.languages)}")
    spoken = chosen if words_language is None else words_language
    if spoken not in form_words():
        raise ValueError(
            f"the instructions of the form exist in {', '.join(form_words())}, not in {spoken!r}; "
            f"give one of these as words_language"
        )
    asked = items_to_rate(instrument, forms=forms, items=items)
    _check_round(instrument, round, earlier)
    content = _workbook(instrument, asked, chosen, form_words()[spoken], round, earlier)
    write_whole(target, content)


def items_to_rate(
    instrument: Instrument, *, forms: Collection[str] | None = None, items: Collection[str] | None = None
) -> tuple[str, ...]:
    """Return the ids that a form asks, subscale by subscale in the order of the definition.

    Raises
    ------
    ValueError
        If a form or an item is not in the definition, or nothing is left.
    """
    if unknown := sorted(set(forms or ()) - set(instrument.forms.ids)):
        raise ValueError(
            f"no such form: {', '.join(unknown)}; use {', '.join(instrument.forms.ids) or 'none: there are none'}"
        )
    if unknown := sorted(set(items or ()) - set(instrument.items.ids)):
        raise ValueError(
            f"no such item in {instrument.id} {instrument.version}: {', '.join(unknown)}; take it out of the list"
        )
    order = {name: place for place, name in enumerate(instrument.subscales.ids)}
    asked = tuple(
        item.id
        for item in sorted(instrument.items, key=lambda each: order[each.subscale])
        if (forms is None or set(forms) & set(item.forms)) and (items is None or item.id in items)
    )
    if not asked:
        raise ValueError("no item is left to rate; name forms or items that the definition has")
    return asked


def _check_round(instrument: Instrument, number: int, earlier: PanelRatings | None) -> None:
    if number < 1:
        raise ValueError(f"rounds count from 1; got {number}")
    if earlier is None:
        return
    if earlier.instrument.id != instrument.id:
        raise ValueError(f"the earlier round rated {earlier.instrument.id}, not {instrument.id}")
    if earlier.round >= number:
        raise ValueError(f"the earlier ratings are of round {earlier.round}; give a round after it, not {number}")


def _workbook(
    instrument: Instrument, asked: Sequence[str], language: str, words: Words, number: int, earlier: PanelRatings | None
) -> bytes:
    from openpyxl import Workbook

    book = Workbook()
    book.properties.creator = ""
    stamp = dict(zip(STAMP, (instrument.id, instrument.version, instrument.digest, language, str(number)), strict=True))
    footer = f"{instrument.id} {instrument.version} · {instrument.digest[:12]}"
    _about(book.active, instrument, words, language, number, earlier is not None, stamp)
    _you(book.create_sheet(words.sheets["you"]), words)
    _frame(book.create_sheet(words.sheets["frame"]), frame_texts(instrument, language), words)
    _items(book.create_sheet(words.sheets["items"]), instrument, asked, words, language, earlier)
    parts = tuple(dict.fromkeys(instrument.items[name].subscale for name in asked))
    _coverage(book.create_sheet(words.sheets["coverage"]), instrument, parts, words, language)
    for sheet in book:
        printable(sheet, footer=footer, page=words.entry["page"], landscape=sheet.title != words.sheets["about"])
        sheet.protection.sheet = True
        # False: not forbidden. Who needs wider columns or larger rows may have them.
        sheet.protection.formatColumns = sheet.protection.formatRows = False
    return workbook_bytes(book)


def _about(
    sheet: Any, instrument: Instrument, words: Words, language: str, number: int, again: bool, stamp: dict[str, str]
) -> None:
    from openpyxl.styles import Alignment

    sheet.title = words.sheets["about"]
    about = {
        key: text.replace("{title}", instrument.title[language])
        .replace("{items}", words.sheets["items"])
        .replace("{coverage}", words.sheets["coverage"])
        .replace("{frame}", words.sheets["frame"])
        .replace("{you}", words.sheets["you"])
        .replace("{round}", str(number))
        .replace("{fewest}", str(FEWEST_SHOWN))
        .replace("{licence}", instrument.licence)
        for key, text in words.about.items()
    }
    rows = [(about["draft"], instrument.banner.get(language, ""))] if instrument.status == "draft" else []
    rows += [(about["draft"], about["reviewed"])] if about["reviewed"] else []
    if any(item.wording == "barrier" or item.reverse for item in instrument.items):
        about["judge"] += " " + about["problems"]
    rows += [(about[f"{key}_head"], about[key]) for key in ("what", "agree", "ask", "judge", "how")]
    rows += [(about["again_head"], about["again"])] if again else []
    for aspect in (*ASPECTS, "coverage"):
        scale = "\n".join(f"{code} = {label}" for code, label in words.anchors[aspect].items())
        rows.append((about[f"{aspect}_head"], scale))
    rows.append((about["use_head"], about["use"]))
    rows += [(about["licence_head"], about["licence"])] if instrument.licence else []
    rows += [(about["stamp_head"], about["stamp"]), *stamp.items()]
    top = Alignment(wrap_text=True, vertical="top")
    put(sheet, 1, 1, about["title"], font=font(bold=True, size=16))
    sheet.row_dimensions[1].height = 30
    widths = (22.0, 84.0)
    for row, (head, text) in enumerate(rows, start=2):
        put(sheet, row, 1, head, font=font(bold=head not in STAMP), alignment=top)
        put(sheet, row, 2, text, alignment=top)
        fit_height(sheet, row, (head, text), widths)
    for letter, width in zip("AB", widths, strict=True):
        sheet.column_dimensions[letter].width = width


def _you(sheet: Any, words: Words) -> None:
    widths = (58.0, 48.0)
    _header(sheet, [words.columns["question"], words.columns["answer"]], widths)
    for row, question in enumerate(words.you.values(), start=2):
        _text_row(sheet, row, [question], widths[:1])
        # The code is text: "01" keeps its zero and "MAR05" becomes no date.
        _input(sheet, row, 2, number_format="@" if row == 2 else "General")
        sheet.row_dimensions[row].height = 36
    for place, choices in ((3, words.perspectives), (4, words.answers)):
        _validate(sheet, f"B{place}", list(choices.values()), words.entry["choose"], "")


def _items(
    sheet: Any, instrument: Instrument, asked: Sequence[str], words: Words, language: str, earlier: PanelRatings | None
) -> None:
    names = ["id", "who", "item", "relevance", "clarity", "comment"]
    widths = [10.0, 18.0, 60.0, 13.0, 13.0, 46.0]
    if earlier is not None:
        names[5:5] = ["group_relevance", "group_clarity"]
        widths[5:5] = [18.0, 18.0]
    _header(sheet, [words.columns[name] for name in names], widths)
    row, part = 1, ""
    for name in asked:
        item = instrument.items[name]
        if item.subscale != part:
            row, part = row + 1, item.subscale
            _part_row(sheet, row, instrument.subscales[part], language, widths)
        row += 1
        _text_row(sheet, row, [name, _answered_by(instrument, item, words, language), item.text[language]], widths[:3])
        for column, what in enumerate(names, start=1):
            if what in (*ASPECTS, "comment"):
                _input(sheet, row, column, centred=what != "comment")
            elif what.startswith("group_") and earlier is not None:
                _quiet(sheet, row, column, _of_group(earlier, what.removeprefix("group_"), name, words))
    sheet.freeze_panes = "D2"
    for letter in "DE":
        cells = f"{letter}2:{letter}{row}"
        _validate(sheet, cells, ["1", "2", "3", "4"], words.entry["wrong"], words.entry["rating"])


def _part_row(sheet: Any, row: int, part: Subscale, language: str, widths: Sequence[float]) -> None:
    """Write what a part is about above its statements; the brackets tell a reader of the file that it is no statement."""
    from openpyxl.styles import Alignment, PatternFill

    meaning = part.construct.get(language, "")
    title = part.title[language]
    texts = [f"[{part.id}]", f"{title}: {meaning}" if meaning else title]
    for column in range(1, len(widths) + 1):
        text = texts[column - 1] if column <= len(texts) else None
        top = Alignment(wrap_text=True, vertical="top")
        fill = PatternFill("solid", fgColor=_HEAD)
        put(sheet, row, column, text, alignment=top, border=_border(), fill=fill, font=font(bold=True))
    sheet.merge_cells(start_row=row, end_row=row, start_column=2, end_column=len(widths))
    fit_height(sheet, row, texts[1:], [0.9 * sum(widths[1:])])


def _answered_by(instrument: Instrument, item: Item, words: Words, language: str) -> str:
    """Return the groups that answer an item; a short form asks the group of the form that it is short of."""
    full = [name for name in instrument.full_forms if name in item.forms]
    if full == list(instrument.full_forms):
        return words.entry["everyone"]
    return "; ".join(instrument.forms[name].title[language] for name in full or item.forms)


def frame_texts(instrument: Instrument, language: str) -> dict[str, str]:
    """Return what everyone reads around the items: the texts above them, and the answers of each scale that they use."""
    head = {"instructions": instrument.instructions, "form_question": instrument.form_question, "rule": instrument.rule}
    texts = {name: text[language] for name, text in head.items() if text.get(language, "")}
    for name in dict.fromkeys(item.scale for item in instrument.items):
        labels = instrument.response_scales[name].labels
        texts[f"answers {name}"] = "\n".join(f"{code} = {label[language]}" for code, label in labels.items())
    return texts


def _frame(sheet: Any, texts: Mapping[str, str], words: Words) -> None:
    names = ["id", "frame", "frame_text", "clarity", "missing"]
    widths = [16.0, 22.0, 66.0, 13.0, 40.0]
    _header(sheet, [words.columns[name] for name in names], widths)
    for row, (name, text) in enumerate(texts.items(), start=2):
        _text_row(sheet, row, [name, words.frame[name.split(" ")[0]], text], widths[:3])
        _input(sheet, row, 4, centred=True)
        _input(sheet, row, 5)
    _validate(sheet, f"D2:D{len(texts) + 1}", ["1", "2", "3", "4"], words.entry["wrong"], words.entry["rating"])


def _of_group(earlier: PanelRatings, aspect: str, item: str, words: Words) -> str:
    """Return the group's answer of the round before, or nothing where few had rated."""
    frame = earlier.aspect(aspect)
    if item not in frame.columns:
        return ""
    rated = frame[item].dropna().astype(float)
    if len(rated) < FEWEST_SHOWN:
        return ""
    low, median, high = (f"{value:g}" for value in np.percentile(rated, [25, 50, 75]))
    return words.entry["median"].format(median=median, low=low, high=high)


def _coverage(sheet: Any, instrument: Instrument, parts: Sequence[str], words: Words, language: str) -> None:
    names = ["id", "part", "construct", "coverage", "missing"]
    widths = [10.0, 28.0, 60.0, 14.0, 60.0]
    _header(sheet, [words.columns[name] for name in names], widths)
    rows = [
        (name, instrument.subscales[name].title[language], instrument.subscales[name].construct.get(language, ""))
        for name in parts
    ]
    rows.append((WHOLE, words.whole["part"], words.whole["construct"]))
    for row, texts in enumerate(rows, start=2):
        _text_row(sheet, row, texts, widths[:3])
        sheet.row_dimensions[row].height = max(48.0, sheet.row_dimensions[row].height)
        _input(sheet, row, 4, centred=True)
        _input(sheet, row, 5)
    _validate(sheet, f"D2:D{len(rows) + 1}", ["1", "2", "3", "4"], words.entry["wrong"], words.entry["rating"])


def _header(sheet: Any, names: Sequence[str], widths: Sequence[float]) -> None:
    from openpyxl.styles import Alignment, PatternFill
    from openpyxl.utils import get_column_letter

    for column, (name, width) in enumerate(zip(names, widths, strict=True), start=1):
        put(
            sheet,
            1,
            column,
            name,
            font=font(bold=True),
            fill=PatternFill("solid", fgColor=_HEAD),
            alignment=Alignment(wrap_text=True, vertical="center"),
            border=_border(),
        )
        sheet.column_dimensions[get_column_letter(column)].width = width
    sheet.row_dimensions[1].height = 34
    sheet.freeze_panes = "A2"
    sheet.print_title_rows = "1:1"


def _text_row(sheet: Any, row: int, texts: Sequence[str], widths: Sequence[float]) -> None:
    from openpyxl.styles import Alignment

    for column, text in enumerate(texts, start=1):
        put(sheet, row, column, text, alignment=Alignment(wrap_text=True, vertical="top"), border=_border())
    fit_height(sheet, row, texts, widths)


def _input(sheet: Any, row: int, column: int, *, centred: bool = False, number_format: str = "General") -> None:
    from openpyxl.styles import Alignment, PatternFill, Protection

    put(
        sheet,
        row,
        column,
        None,
        fill=PatternFill("solid", fgColor=_INPUT),
        border=_border(),
        protection=Protection(locked=False),
        alignment=Alignment(wrap_text=True, vertical="top", horizontal="center" if centred else "left"),
        number_format=number_format,
    )


def _quiet(sheet: Any, row: int, column: int, text: str) -> None:
    from openpyxl.styles import Alignment, PatternFill

    top = Alignment(wrap_text=True, vertical="top")
    grey = PatternFill("solid", fgColor=_QUIET)
    put(sheet, row, column, text, alignment=top, border=_border(), fill=grey, font=font(size=10, color="555555"))


def _border() -> Any:
    from openpyxl.styles import Border, Side

    thin = Side(style="thin", color="BBBBBB")
    return Border(left=thin, right=thin, top=thin, bottom=thin)


def _validate(sheet: Any, cells: str, choices: Sequence[str], error: str, prompt: str) -> None:
    from openpyxl.worksheet.datavalidation import DataValidation

    listed = ",".join(choices)
    if len(listed) > 255 or any("," in choice or '"' in choice for choice in choices):
        raise ValueError(f"a drop-down holds at most 255 characters and no commas or quotes: {listed}")
    rule = DataValidation(type="list", formula1=f'"{listed}"', allow_blank=True)
    rule.error, rule.showErrorMessage = error, True
    if prompt:
        rule.prompt, rule.showInputMessage = prompt, True
    sheet.add_data_validation(rule)
    rule.add(cells)
