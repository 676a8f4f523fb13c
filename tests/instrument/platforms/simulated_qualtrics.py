"""Qualtrics' export as its sample files lay it out (ropensci/qualtRics, tests/testthat/files: sample.csv, sample_legacy.csv)."""

import json

from tests.instrument.platforms.answered import chosen

# Name, ImportId, text of the second row, value; as in sample.csv, with the texts in Spanish too.
OWN = (
    ("StartDate", "startDate", "Start Date", "Fecha de inicio", "2026-03-01 08:28:09"),
    ("EndDate", "endDate", "End Date", "Fecha final", "2026-03-01 08:40:48"),
    ("Status", "status", "Response Type", "Tipo de respuesta", "0"),
    ("IPAddress", "ipAddress", "IP Address", "Dirección IP", "130.92.34.66"),
    ("Progress", "progress", "Progress", "Progreso", "100"),
    ("Duration (in seconds)", "duration", "Duration (in seconds)", "Duración (en segundos)", "759"),
    ("Finished", "finished", "Finished", "Finalizado", "1"),
    ("RecordedDate", "recordedDate", "Recorded Date", "Fecha registrada", "2026-03-01 08:40:49"),
    ("ResponseId", "_recordId", "Response ID", "ID de respuesta", None),
    ("RecipientLastName", "recipientLastName", "Recipient Last Name", "Apellido del destinatario", "Doe"),
    ("RecipientFirstName", "recipientFirstName", "Recipient First Name", "Nombre del destinatario", "Jo"),
    ("RecipientEmail", "recipientEmail", "Recipient Email", "Correo del destinatario", "jo@example.org"),
    ("ExternalReference", "externalDataReference", "External Data Reference", "Referencia externa", ""),
    ("LocationLatitude", "locationLatitude", "Location Latitude", "Latitud", "47.115097045898"),
    ("LocationLongitude", "locationLongitude", "Location Longitude", "Longitud", "7.2315979003906"),
    ("DistributionChannel", "distributionChannel", "Distribution Channel", "Canal de distribución", "anonymous"),
    ("UserLanguage", "userLanguage", "User Language", "Idioma del usuario", None),
)
LEGACY = (
    ("ResponseID", None),
    ("ResponseSet", "Default Response Set"),
    ("Name", "Jo Doe"),
    ("ExternalDataReference", ""),
    ("EmailAddress", "jo@example.org"),
    ("IPAddress", "130.92.34.66"),
    ("Status", "0"),
    ("StartDate", "2026-03-01 08:28:09"),
    ("EndDate", "2026-03-01 08:40:48"),
    ("Finished", "1"),
)


def export(survey, rows, language, *, labels=False, split=True, layout="plain", legacy=False, own=None, imports=None):
    """The cells of an export, header rows first.

    `layout`: "plain" (columns named by the questions' ids), "matrix" (pageid_id under "stem - row" with line breaks) or
    "numbered" (Q1, Q2_1 …: only the texts tell the questions).
    """
    questions, own = _questions(survey, language, split=split, layout=layout), own or {}
    constants = [*survey.constants] if "form" in survey.constants else [*survey.constants, "form"]
    constants = [name for name in constants if name != "form" or len(survey.forms) == 1]
    if legacy:
        heads = [
            [f"V{place}" for place in range(1, len(LEGACY) + 1)] + [name for name, *_ in questions] + constants + [""],
            [name for name, _ in LEGACY] + [text for _, text, *_ in questions] + constants + [""],
        ]
    else:
        text = 3 if language == "es" else 2
        heads = [
            [each[0] for each in OWN] + [name for name, *_ in questions] + constants,
            [each[text] for each in OWN] + [text for _, text, *_ in questions] + constants,
            [_import(each[1]) for each in OWN]
            + [_import((imports or {}).get(each[0], f"QID{number}")) for number, each in enumerate(questions, start=1)]
            + [_import(name) for name in constants],
        ]
    cells = []
    for at, row in enumerate(rows):
        mine = {"ResponseId": row["response"], "ResponseID": row["response"], "UserLanguage": language.upper()}
        mine |= own.get(at, {})
        metadata = [(name, value) for name, value in LEGACY] if legacy else [(each[0], each[4]) for each in OWN]
        line = [mine.get(name, value) for name, value in metadata]
        line += [cell(row, language, labels) for *_, cell in questions]
        line += [row[name] for name in constants] + ([""] if legacy else [])
        cells.append(line)
    return [*heads, *cells]


def _import(name):
    return json.dumps({"ImportId": name}, separators=(",", ":"))


def _questions(survey, language, *, split, layout):
    """Name, text of the second row, and a function from a row of answers to the cell."""
    found = []
    for page in survey.pages:
        for asked in page.questions:
            number = len(found) + 1
            text = asked.text[language]
            name = {"plain": asked.id, "matrix": f"{page.id}_{asked.id}", "numbered": f"Q{number}"}[layout]
            if layout == "matrix" and page.matrix:
                text = f"Please say how far you agree\n- with each of these:\n\n{page.number} - {text}"
            if asked.kind == "several" and split:
                found.extend(
                    (
                        f"{name}_{choice.code}",
                        f"{asked.text[language]} - Selected Choice - {choice.label[language]}",
                        _one_of_several(asked, choice),
                    )
                    for choice in asked.choices
                )
            else:
                found.append((name, text, _cell(asked)))
    return found


def _one_of_several(asked, choice):
    def cell(row, language, labels):
        if row[f"{asked.id}{choice.code}"] != "1":
            return ""
        return choice.label[language] if labels else "1"

    return cell


def _cell(asked):
    def cell(row, language, labels):
        if asked.kind == "text":
            return row[asked.id]
        return ",".join(
            choice.label[language] if labels or asked.id == "form" else choice.code for choice in chosen(row, asked)
        )

    return cell
