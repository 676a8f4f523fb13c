"""REDCap's export of a project that was made from our data dictionary: read from the dictionary alone.

Layout: ReproNim/reproschema-py and the samples of the R packages redcapAPI and REDCapR: the record, the survey's time, fields
in the dictionary's order (``field___code`` for boxes, nothing for descriptive text), the status of the instrument.
"""

import csv
import html
import io

from instrument.platforms import redcap


def export(survey, rows, *, labels=False, headers=False):
    """The cells of an export, the header first."""
    (text,) = redcap.write(survey).values()
    fields = list(csv.DictReader(io.StringIO(text if isinstance(text, str) else text.decode("utf-8-sig"))))
    form = fields[0]["Form Name"]
    head = ["Survey Timestamp" if headers else f"{form}_timestamp"]
    columns = []
    for field in fields:
        name, kind = field["Variable / Field Name"], field["Field Type"]
        label = html.unescape(field["Field Label"])
        choices = [each.strip().split(", ", 1) for each in field[redcap.CHOICES].split(" | ")] if kind != "calc" else []
        if kind == "checkbox":
            for code, option in choices:
                option = html.unescape(option)
                columns.append((f"{label} (choice={option})" if headers else f"{name}___{code}", kind, name, code))
        elif kind != "descriptive":
            named = {code: html.unescape(option[0]) for code, *option in choices if option}
            columns.append((label if headers else name, kind, name, named))
    first, *others = columns
    head = [first[0], *head, *(each[0] for each in others), "Complete?" if headers else f"{form}_complete"]
    cells = []
    for row in rows:
        line = [row["response"], "2026-03-01 08:40:48"]
        for _, kind, name, code in others:
            if kind == "checkbox":
                ticked = row[f"{name}{code}"] == "1"
                line.append(("Unchecked", "Checked")[ticked] if labels else str(int(ticked)))
            else:
                cell = row.get(name, "")
                line.append(code.get(cell, cell) if labels and kind == "radio" else cell)
        cells.append([*line, "Complete" if labels else "2"])
    return [head, *cells]
