"""Exports of KoboToolbox (as kobotoolbox/formpack writes them) and of ODK Central (header lines of getodk/central-backend)."""

from tests.instrument.platforms.answered import chosen

KOBO_LAST = (
    *(
        "_id",
        "_uuid",
        "_submission_time",
        "_validation_status",
        "_notes",
        "_status",
        "_submitted_by",
        "__version__",
        "_tags",
    ),
    "_index",
)
ODK_LAST = (
    *("meta-instanceID", "KEY", "SubmitterID", "SubmitterName", "AttachmentsPresent", "AttachmentsExpected", "Status"),
    *("ReviewState", "DeviceID", "Edits", "FormVersion"),
)


def kobo(survey, rows, language=None, *, groups=True, separator="/", multiple="both", own=None):
    """Cells of a Kobo export; XML names and values, or with a `language` its labels for both.

    `multiple`: "summary" (one cell, blanks between), "details" (a column an answer) or "both".
    """
    fields = [("start", lambda _: "2026-03-01T08:28:09.000+11:00"), ("end", lambda _: "2026-03-01T08:40:48.000+11:00")]
    fields += [
        ("username", lambda _: "jo"),
        ("deviceid", lambda _: "collect:8PjtKzbrT1"),
        ("phonenumber", lambda _: "0400"),
    ]
    fields.extend((name, _constant(name)) for name in survey.constants)
    for page in survey.pages:
        for asked in page.questions:
            name = asked.text[language] if language else asked.id
            head = f"{page.id}{separator}{name}" if groups else name
            if asked.kind != "several" or multiple in ("both", "summary"):
                fields.append((head, _cell(asked, language)))
            if asked.kind == "several" and multiple in ("both", "details"):
                fields.extend(
                    (f"{head}/{choice.label[language] if language else choice.code}", _mark(asked, choice))
                    for choice in asked.choices
                )
    lines = []
    for at, row in enumerate(rows):
        mine = {
            **dict.fromkeys(KOBO_LAST, ""),
            "_id": str(100 + at),
            "_uuid": row["response"],
            "_submission_time": "2026-03-01T00:40:49",
            "_index": str(at + 1),
            "_status": "submitted_via_web",
            "_submitted_by": "jo",
            "__version__": "vBcDe1",
            **(own or {}).get(at, {}),
        }
        lines.append([cell(row) for _, cell in fields] + [mine[name] for name in KOBO_LAST])
    return [[head for head, _ in fields] + [*KOBO_LAST], *lines]


def odk(survey, rows, *, groups=True, split=False, own=None):
    """Cells of an ODK Central export."""
    fields = [("page_opening-note_banner" if groups else "note_banner", lambda _: "")]
    fields.extend((name, _constant(name)) for name in survey.constants)
    for page in survey.pages:
        for asked in page.questions:
            head = f"{page.id}-{asked.id}" if groups else asked.id
            fields.append((head, _cell(asked, None)))
            if asked.kind == "several" and split:
                fields.extend((f"{head}/{choice.code}", _mark(asked, choice)) for choice in asked.choices)
    lines = []
    for at, row in enumerate(rows):
        mine = {
            **dict.fromkeys(ODK_LAST, ""),
            "meta-instanceID": row["response"],
            "KEY": row["response"],
            "SubmitterID": "5",
            "SubmitterName": "Alice",
            "AttachmentsPresent": "0",
            "AttachmentsExpected": "0",
            "DeviceID": "collect:8PjtKzbrT1",
            "Edits": "0",
            "FormVersion": "0.2.0-1a2b3c4d5e",
            **(own or {}).get(at, {}),
        }
        lines.append(
            ["2026-03-01T00:40:49.123Z"] + [cell(row) for _, cell in fields] + [mine[name] for name in ODK_LAST]
        )
    return [["SubmissionDate"] + [head for head, _ in fields] + [*ODK_LAST], *lines]


def _constant(name):
    return lambda row: row[name]


def _cell(asked, language):
    def cell(row):
        if asked.kind == "text":
            return row[asked.id]
        return " ".join(choice.label[language] if language else choice.code for choice in chosen(row, asked))

    return cell


def _mark(asked, choice):
    return lambda row: row[f"{asked.id}{choice.code}"]
