"""QuestionnaireResponse resources as the FHIR specification lays them out (R4 and R5); `fhir.resources` reads them in a test."""

from tests.instrument.platforms.answered import chosen

URL = "https://example.org/fhir/Questionnaire"


def resource(survey, row, language, *, release="R4", values="coding", nested=False, order=1, **changes):
    """One response. `values`: "coding" or "number"; `nested`: questions stand under the answer to the one before."""
    items = []
    for page in survey.pages:
        answered = [_item(row, asked, language, values) for asked in page.questions]
        answered = [each for each in answered if each]
        if nested and len(answered) > 1:
            answered[0]["answer"][0]["item"] = answered[1:]
            answered = answered[:1]
        if answered:
            items.append({"linkId": page.id, "text": page.number or page.kind, "item": answered[::order]})
    identifier = {"system": "https://example.org/ids", "value": row["response"]}
    form = f"-{survey.forms[0].lower()}" if len(survey.forms) == 1 else ""
    return {
        "resourceType": "QuestionnaireResponse",
        "id": row["response"].replace("_", "-"),
        "language": language,
        "text": {"status": "generated", "div": '<div xmlns="http://www.w3.org/1999/xhtml">Roleaf: 5</div>'},
        "identifier": [identifier] if release == "R5" else identifier,
        "questionnaire": f"{URL}/{survey.instrument.id}{form}|{survey.instrument.version}",
        "status": "completed",
        "subject": {"reference": f"Patient/{row['response'].replace('_', '-')}", "display": "Jo Doe"},
        "authored": "2026-03-01T08:40:49+11:00",
        "item": items[::order],
    } | changes


def bundle(*resources, kind="collection"):
    """A Bundle of them; a search also returns what it included."""
    entries = [{"fullUrl": f"urn:uuid:{number}", "resource": each} for number, each in enumerate(resources)]
    if kind == "searchset":
        entries.append({"resource": {"resourceType": "Patient", "id": "p1", "name": [{"family": "Doe"}]}})
    return {"resourceType": "Bundle", "type": kind, "entry": entries}


def _item(row, asked, language, values):
    if asked.kind == "text":
        answers = [{"valueString": row[asked.id]}] if row[asked.id] else []
    else:
        answers = [_value(choice, language, values) for choice in chosen(row, asked)]
    return {"linkId": asked.id, "text": asked.text[language], "answer": answers} if answers else None


def _value(choice, language, values):
    if values == "number" and choice.code.isdigit():
        return {"valueInteger": int(choice.code)} if int(choice.code) % 2 else {"valueDecimal": float(choice.code)}
    if values == "string":
        return {"valueString": choice.label[language]}
    coding = {"system": "https://example.org/cs", "code": choice.code, "display": choice.label[language]}
    return {"valueCoding": coding}
