"""The questionnaire as one web page: a file that works offline, on a phone and on a shared tablet."""

from __future__ import annotations

import base64
import hashlib
import html
import json
from typing import Any

from instrument.forms.study import Study
from instrument.forms.survey_json import asset, form_data
from instrument.look.style import css_colours, css_fonts
from instrument.survey import Survey


def write_web(survey: Survey, *, study: Study | None = None, kiosk: bool = False, shuffle: bool = False) -> str:
    """Return the questionnaire as one HTML file.

    Parameters
    ----------
    survey : Survey
    study : Study, optional
        What the study says of itself; with an address, finished answers are posted there. Without it, or with
        placeholders left in it, the form says on its first page that it is a trial, and marks the answers.
    kiosk : bool, default False
        Many people on one device: finished answers are kept on it, and a facilitator with a PIN saves them as CSV or
        JSON. Nothing is posted then, and unfinished answers are not kept.
    shuffle : bool, default False
        Whether every respondent gets the pages of items in an order of their own; its seed and the order are stored.

    Returns
    -------
    str
        The same survey gives the same text. Without an address and without `kiosk`, a respondent's answers become a
        file that they hand on.

    Raises
    ------
    ValueError
        If study or words lack a language of the survey, the pages are shuffled twice, or `kiosk` meets an address.

    Notes
    -----
    Each response is a row of the columns that `read_responses` reads, as text, and besides: `date` (by the device's
    clock, day only), `language`, `definition` (stamp), `blocks` (the pages of items in the order shown) with the `seed`
    of the shuffle, `trial` (1 if it was one), and for each page `seconds_<page>`: how long it was seen, by a
    clock that nobody can set.

    A content-security policy allows the file's own script and style, by their hashes, and requests to the study's
    address alone. Texts and answers become text nodes, never HTML.

    Examples
    --------
    >>> from instrument import build_survey, read_instrument
    >>> page = write_web(build_survey(read_instrument("pwiq"), forms=["P"]))
    >>> page.startswith("<!DOCTYPE html>"), "http://" in page
    (True, False)
    """
    address = "" if study is None else study.address
    if kiosk and address:
        raise ValueError(
            f"a shared device keeps the answers, and the study posts them to {address}: take the address out of the study "
            "file, or leave kiosk out"
        )
    data = form_data(survey, study=study, shuffle=shuffle) | {"web": {"kiosk": kiosk, "address": address}}
    names = ("questionnaire.js", "save_file.js", *(("kiosk.js",) if kiosk else ()), "web.js")
    script = "\n".join(asset(name) for name in names)
    style = css_fonts() + css_colours() + asset("questionnaire.css") + asset("page.css")
    first = survey.languages[0]
    return "\n".join(
        [
            "<!DOCTYPE html>",
            f'<html lang="{html.escape(first)}" dir="{data["languages"][0]["dir"]}">',
            "<head>",
            '<meta charset="utf-8">',
            f'<meta http-equiv="Content-Security-Policy" content="{html.escape(_policy(script, style, address))}">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            '<meta name="referrer" content="no-referrer">',
            '<meta name="robots" content="noindex">',
            f"<title>{html.escape(data['title'][first])}</title>",
            f"<style>{style}</style>",
            "</head>",
            "<body>",
            f'<main><noscript>{_scripts_off(survey, data)}</noscript><div id="form"></div></main>',
            f'<script type="application/json" id="pwiq-data">{_in_script(data)}</script>',
            f'<script type="module">{script}</script>',
            "</body>",
            "</html>",
            "",
        ]
    )


def _policy(script: str, style: str, address: str) -> str:
    """Return a policy that lets the file run itself and nothing else; no text can become HTML or script."""
    return "; ".join(
        [
            "default-src 'none'",
            f"script-src '{_digest(script)}'",
            f"style-src '{_digest(style)}'",
            "font-src data:",
            "connect-src " + (address or "'none'"),
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        ]
    )


def _digest(source: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(source.encode("utf-8")).digest()).decode("ascii")


def _in_script(data: dict[str, Any]) -> str:
    """Return the data as JSON in which no text can end the script element."""
    return json.dumps(data, ensure_ascii=False, separators=(",", ":")).replace("<", "\\u003c").replace(">", "\\u003e")


def _scripts_off(survey: Survey, data: dict[str, Any]) -> str:
    said = (
        f'<p lang="{html.escape(each)}">{html.escape(data["words"][each]["scripts_off"])}</p>'
        for each in survey.languages
    )
    title = html.escape(data["title"][survey.languages[0]])
    return f'<div class="scripts-off"><h1>{title}</h1>{"".join(said)}</div>'
