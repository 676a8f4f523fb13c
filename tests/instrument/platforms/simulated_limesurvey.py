"""LimeSurvey's export of a survey that was made from our tab-separated file: read from that file alone.

Layout: LimeSurvey/LimeSurvey, application/helpers/admin/export: Writer.php (headings, masked formulas), SurveyObj.php (full
answers), CsvWriter.php (byte order mark, every cell in quotes, an empty line at the end).
"""

import csv
import html
import io
import re

from instrument.platforms import limesurvey

OWN = (
    ("id", "Response ID"),
    ("submitdate", "Date submitted"),
    ("lastpage", "Last page"),
    ("startlanguage", "Start language"),
    ("seed", "Seed"),
    ("startdate", "Date started"),
    ("datestamp", "Date last action"),
)
LENGTH = 40  # to which headings are cut where they are abbreviated


def flat(text):
    return " ".join(html.unescape(re.sub(r"<[^>]+>", "", text)).split())


def cut(text):
    return text if len(text) <= LENGTH else f"{text[:LENGTH]}.. "


def questions(survey):
    """The survey's questions: code, subquestion's code, text, subquestion's text, type, code → label."""
    (content,) = limesurvey.write(survey).values()
    text = content if isinstance(content, str) else content.decode("utf-8-sig")
    found, current = [], []
    for row in csv.DictReader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter="\t"):
        if row["language"] not in ("", survey.languages[0]):
            continue
        if row["class"] == "Q":
            kind, labels = row["type/scale"], {}
            current = [row["name"], flat(row["text"]), kind, labels]
            if kind not in "FM":
                found.append((row["name"], "", current[1], "", kind, labels))
        elif row["class"] == "SQ":
            found.append((current[0], row["name"], current[1], flat(row["text"]), current[2], current[3]))
        elif row["class"] == "A":
            current[3][row["name"]] = flat(row["text"])
    return found


def heading(question, style):
    code, sub, text, subtext, *_ = question
    if style == "code":
        return f"{code}[{sub}]" if sub else code
    if style == "em":
        return f"{code}_{sub}" if sub else code
    if style == "codetext":
        return f"{heading(question, 'code')}. {heading(question, 'full')}"
    text, subtext = (text, subtext) if style == "full" else (cut(text), cut(subtext))
    return f"{text} [{subtext}]" if sub else text


def export(survey, rows, language, *, style="code", long=False):
    """The text of an export."""
    asked = questions(survey)
    own = [
        code if style in ("code", "em") else f"{code}. {text}" if style == "codetext" else text for code, text in OWN
    ]
    lines = [[*own, *(heading(question, style) for question in asked)]]
    for row in rows:
        line = [
            row["response"],
            "2026-03-01 08:40:48",
            "3",
            language,
            "42",
            "2026-03-01 08:28:09",
            "2026-03-01 08:40:48",
        ]
        for code, sub, _, _, kind, labels in asked:
            if kind == "M":
                ticked = row[f"{code}{sub}"] == "1"
                line.append(("No", "Yes")[ticked] if long else "Y" if ticked else "")
            elif kind in "XF*" and kind != "F":
                line.append(row.get(code, ""))
            else:
                cell = row.get(sub or code, "")
                cell = labels.get(cell, "") if long and labels else cell
                line.append(f"'{cell}" if cell.startswith("=") else cell)
        lines.append(line)
    out = io.StringIO()
    csv.writer(out, delimiter=";", quoting=csv.QUOTE_ALL, lineterminator="\r\n").writerows(lines)
    return "\ufeff" + out.getvalue() + "\r\n"
