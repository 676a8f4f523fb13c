"""Columns that say who somebody is (names, addresses, places, devices): they are dropped, whatever file they stand in."""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from instrument.platforms.answers import plain
from instrument.tables import Column, RawTable

DROPPED = "it may name people; dropped and never read"

_FEW_WORDS = 4  # longer headings are sentences, which may speak of e-mail without asking for one
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_E_MAIL = re.compile(r"\be[-_ ]mails?\b")
_WORDS = frozenset(
    (
        *("email", "emails", "emailaddress", "correo", "courriel", "username", "nickname", "login"),
        *("firstname", "lastname", "fullname", "surname", "forename", "apellido", "apellidos", "vorname", "nachname"),
        *(
            "prénom",
            "nutzername",
            "phone",
            "telephone",
            "phonenumber",
            "cellphone",
            "teléfono",
            "telefono",
            "téléphone",
        ),
        *(
            "telefon",
            "dob",
            "birthdate",
            "birthday",
            "geburtsdatum",
            "ip",
            "ipaddress",
            "ipaddr",
            "useragent",
            "refurl",
        ),
        *("latitude", "longitude", "latitud", "longitud", "gps", "geolocation", "geopoint", "deviceid", "imei"),
        *("simserial", "subscriberid"),
    )
)
_PHRASES = frozenset(
    (
        *("name", "names", "nombre", "nom", "nome", "mail", "address", "home address", "street address", "mobile"),
        *("mobile number", "user agent", "device id", "date of birth", "birth date", "fecha de nacimiento"),
        *("date de naissance", "nombre completo", "nombre de usuario", "nom d utilisateur", "nome utente"),
        *("dirección", "adresse électronique", "redcap survey identifier", "survey identifier", "submitted by"),
    )
)
_NAME_OF = re.compile(
    r"(your|first|last|full|family|given|middle|preferred|user|submitter|recipient|respondent|participant|contact|person|"
    r"patient|client|employee|staff) name"
)
_ADDRESS = re.compile(r"[^\s@]+@[^\s@]+\.[^\s@]+|[0-9]{1,3}(\.[0-9]{1,3}){3}", re.ASCII)


def is_personal(heading: str) -> bool:
    """Return whether a heading says that its column tells who somebody is.

    Examples
    --------
    >>> is_personal("Recipient_Last-Name"), is_personal("LocationLatitude"), is_personal("Your e-mail (optional)")
    (True, True, True)
    >>> is_personal("team_name"), is_personal("I get the e-mails that my team gets.")
    (False, False)
    """
    text = _E_MAIL.sub("email", plain(_CAMEL.sub(" ", heading)))
    words = re.sub(r"[\W_]+", " ", text).split()
    if not words or len(words) > _FEW_WORDS:
        return False
    phrase = " ".join(words)
    whole = plain(heading).replace(" ", "")
    return phrase in _PHRASES or bool(_NAME_OF.search(phrase)) or whole in _WORDS or not _WORDS.isdisjoint(words)


def holds_addresses(column: Column) -> bool:
    """Return whether most of the cells that are not empty are e-mail or network addresses."""
    there = column.position[column.position >= 0]
    found = np.array([bool(_ADDRESS.fullmatch(text.strip())) for text in column.texts], dtype=bool)
    return len(there) > 0 and int(found[there].sum()) * 2 > len(there)


def without_personal(table: RawTable, known: Collection[str]) -> RawTable:
    """Return the table without columns that name people; a column of the questionnaire is never one of them.

    Parameters
    ----------
    table : RawTable
        Under canonical column names.
    known : collection of str
        Names of columns that the definition has.

    Returns
    -------
    RawTable
        `left_out` tells every column that was dropped; `remarks`, where people's ids are addresses.
    """
    kept, left_out, remarks = [], [], []
    for name, column in zip(table.names, table.columns, strict=True):
        heading = table.headers.get(name, name)
        if name in known or not (is_personal(heading) or is_personal(name) or holds_addresses(column)):
            kept.append((name, column))
        else:
            left_out.append((heading, int((column.position >= 0).sum()), DROPPED))
        if name in ("person", "response") and holds_addresses(column):
            remarks.append(
                (f"({name})", "the ids are e-mail or network addresses; replace them by codes before reading")
            )
    return replace(
        table,
        names=tuple(name for name, _ in kept),
        columns=tuple(column for _, column in kept),
        left_out=(*table.left_out, *left_out),
        remarks=(*table.remarks, *remarks),
    )
