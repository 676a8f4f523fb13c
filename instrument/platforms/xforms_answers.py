"""Answers exported by KoboToolbox (XLSX, CSV) and ODK Central (CSV, also inside the zip with media files).

Columns are recognised by the name of the question, with or without its groups (``pagerole/roleaf``,
``pagerole-roleaf``), or, in Kobo, by its text in any language of the definition. A question with several answers may
stand in one cell (names or labels with blanks between), in a column of 0 and 1 for each answer, or both; where both
disagree the file is refused. Where a form was changed while it was in use, a question may have two columns: they
are one if no row fills both, else the file is refused; a column that takes over where a question's own is blank is
refused by name, since it may be that question under an old name.

Rejected (ODK Central) and not approved (Kobo) submissions are dropped and counted. Device, phone and submitter are
dropped unread.

The layouts follow what the two servers' own code and tests write (kobotoolbox/formpack; getodk/central-backend,
which gives header lines in full). No export of a live server was at hand: import-tested with these only.
"""

from __future__ import annotations

import lzma
import re
import tempfile
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path, PurePosixPath

import numpy as np
import numpy.typing as npt

from instrument.definition import Instrument
from instrument.platforms.answers import CERTAIN, LIKELY, Evidence, assembled, plain
from instrument.platforms.recognised import WORD_JOINER, Found, Gathered, Names, cut, day, filled, form_ids
from instrument.responses import ResponseError
from instrument.tables import Column, Fault, RawTable, read_table, shown

PLATFORMS = ("kobo", "odk")

_ENOUGH = 5  # rows; with fewer, an item that nobody answered says little
_DENSEST, _DENSE_SIZE = 500, 50_000_000  # text of answers shrinks to a tenth, and hardly to a hundredth
_MANY = 5  # names that a message tells
_UNPACKED_LIMIT = 1_000_000_000  # bytes of the one table that is read

_KOBO_MARKS = (
    "_uuid",
    "_submission_time",
    "__version__",
    "_validation_status",
    "_id",
    "_submitted_by",
    "_xform_id_string",
)
_ODK_MARKS = ("SubmissionDate", "KEY", "SubmitterID", "ReviewState", "FormVersion", "meta-instanceID", "instanceID")

_PERSON = "the person or device that sent the answers; dropped and never read"
_SERVER = "of the server itself; not an answer"
# Columns of the servers → what becomes of them.
_OWN = {
    **dict.fromkeys(("_uuid", "KEY"), "response"),
    **dict.fromkeys(("_submission_time", "SubmissionDate"), "date"),
    **dict.fromkeys(("username", "deviceid", "DeviceID", "phonenumber", "simserial", "subscriberid", "email"), _PERSON),
    **dict.fromkeys(("_submitted_by", "SubmitterID", "SubmitterName", "audit", "_geolocation"), _PERSON),
    **dict.fromkeys(("start", "end", "today", "_id", "_index", "_status", "_tags", "_notes", "_attachments"), _SERVER),
    **dict.fromkeys(("_validation_status", "_xform_id_string", "formhub/uuid", "__version__", "_version_"), _SERVER),
    **dict.fromkeys(("meta/instanceID", "meta/instanceName", "meta/rootUuid", "_parent_index"), _SERVER),
    **dict.fromkeys(("meta-instanceID", "meta-instanceName", "instanceID", "instanceName", "Edits"), _SERVER),
    **dict.fromkeys(("AttachmentsPresent", "AttachmentsExpected", "Status", "ReviewState", "FormVersion"), _SERVER),
}
_SHOWN = re.compile(r"(\A|[^a-z0-9_])(note|text)_[a-z]")
_REJECTED = frozenset(("rejected", "validation_status_not_approved", "not approved"))


def evidence(table: RawTable, instrument: Instrument) -> Evidence | None:
    """Return why the table looks like an export of Kobo or of ODK Central; None if it looks like neither."""
    odk = [mark for mark in _ODK_MARKS if mark in table.names]
    if "KEY" in odk and "SubmissionDate" in odk:
        return Evidence(platform="odk", strength=CERTAIN, reasons=(f"columns {', '.join(odk)}",))
    kobo = [mark for mark in _KOBO_MARKS if mark in table.names]
    if "_uuid" in kobo and ("_submission_time" in kobo or "__version__" in kobo):
        return Evidence(platform="kobo", strength=CERTAIN, reasons=(f"columns {', '.join(kobo)}",))
    names = Names(instrument)
    grouped = [
        name for name in table.names if "/" in name and (found := names.by_id(name, tags=False)) and found.name != name
    ]
    if len(kobo) > 1 or len(grouped) > len(instrument.items) / 4:
        reason = f"columns {', '.join(kobo)}" if kobo else f"names with groups before them ({grouped[0]}, …)"
        return Evidence(platform="kobo", strength=LIKELY, reasons=(reason,))
    return None


def canonical(table: RawTable, instrument: Instrument, *, language: str | None = None) -> RawTable:
    """Return the answers of a Kobo or ODK Central export under canonical column names.

    Parameters
    ----------
    table : RawTable
    instrument : Instrument
    language : str, optional
        Recognise question texts in this language only; default: in any.

    Returns
    -------
    RawTable
        Faults: two columns of one question that a row fills both, a question that seems to have been renamed,
        several answers that contradict each other.
    """
    return _Export(table, Names(instrument, language)).read()


def table_of_zip(path: Path, *, file: str, known: Collection[str] = ()) -> RawTable:
    """Read the one table of submissions inside a zip archive, as ODK Central and Qualtrics write them.

    Media files are not unpacked, nor are the tables of repeats, whose names end in that of the repeat.

    Parameters
    ----------
    path : Path
    file : str
        How messages call the archive.
    known : collection of str
        As in `read_table`.

    Raises
    ------
    ResponseError
        If it holds no table, or several that could be meant, or is damaged, encrypted or too large.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            member = _member(archive, file)
            with tempfile.TemporaryDirectory() as folder:
                unpacked = Path(folder) / f"answers{PurePosixPath(member.filename).suffix.lower()}"
                unpacked.write_bytes(_unpacked(archive, member, file))
                return read_table(unpacked, file=f"{file}/{member.filename}", known=known)
    except (zipfile.BadZipFile, zlib.error, lzma.LZMAError, EOFError, NotImplementedError):
        raise ResponseError([f"{file}: the zip archive is damaged; download it again"]) from None
    except RuntimeError:  # what zipfile raises for a password
        raise ResponseError([f"{file}: the zip archive is protected by a password; unpack it first"]) from None


def _unpacked(archive: zipfile.ZipFile, member: zipfile.ZipInfo, file: str) -> bytes:
    if member.file_size > _DENSE_SIZE and member.file_size > _DENSEST * max(member.compress_size, 1):
        raise ResponseError(
            [
                f"{file}: {member.filename} unpacks to over {_DENSEST} times its size, as a zip bomb does; unpack it and look"
            ]
        )
    try:
        with archive.open(member) as stream:
            data = stream.read(_UNPACKED_LIMIT + 1)  # the size that the archive states may be a lie
    except OSError:  # what bz2 raises for damaged data
        raise ResponseError([f"{file}: the zip archive is damaged; download it again"]) from None
    if len(data) > _UNPACKED_LIMIT:
        raise ResponseError([f"{file}: {member.filename} unpacks to over 1 GB; no file of answers is that large"])
    return data


def _member(archive: zipfile.ZipFile, file: str) -> zipfile.ZipInfo:
    """Return the table of submissions: no file in a folder such as media/, and no table of a repeat."""
    tables = [
        each
        for each in archive.infolist()
        if not each.is_dir()
        and PurePosixPath(each.filename).suffix.lower() in (".csv", ".tsv")
        and PurePosixPath(each.filename).parts[0] not in ("media", "__MACOSX")
    ]
    stems = {PurePosixPath(each.filename).stem for each in tables}
    roots = [each for each in tables if not _is_repeat(PurePosixPath(each.filename).stem, stems)]
    if not roots:
        raise ResponseError([f"{file}: the zip archive holds no CSV or TSV; export the answers again"])
    if len(roots) > 1:
        named = ", ".join(shown(each.filename) for each in roots[:_MANY]) + (", …" if len(roots) > _MANY else "")
        raise ResponseError(
            [f"{file}: the zip archive holds {len(roots)} tables ({named}); unpack the one that is meant"]
        )
    return roots[0]


def _is_repeat(stem: str, stems: Collection[str]) -> bool:
    """Return whether a table is that of a repeat: ``form-repeat`` beside ``form``."""
    return any(stem[:at] in stems for at, sign in enumerate(stem) if sign == "-")


class _Export:
    """One file, as it is read."""

    def __init__(self, table: RawTable, names: Names) -> None:
        found = evidence(table, names.instrument)
        self.platform = found.platform if found else "kobo"
        self.names = names
        self.left_out: list[tuple[str, int, str]] = []
        self.table = cut(table, self._answers(table))
        self.gathered = Gathered(table=self.table, names=names, separators=" ", several_versions=True)
        self.unknown: list[tuple[str, Column]] = []

    def _answers(self, table: RawTable) -> npt.NDArray[np.bool_]:
        """Return which rows are answers: not those that a reviewer rejected."""
        rejected = np.zeros(len(table.rows), dtype=bool)
        for name, column in zip(table.names, table.columns, strict=True):
            if name in ("ReviewState", "_validation_status"):
                signs = np.array([text.strip().casefold() in _REJECTED for text in column.texts] + [False], dtype=bool)
                rejected |= signs[column.position]
        if rejected.any():
            rows = ", ".join(map(str, table.rows[rejected].tolist()[:10]))
            self.left_out.append(
                ("(rejected)", int(rejected.sum()), f"submissions that a reviewer rejected; dropped: rows {rows}")
            )
        return ~rejected

    def read(self) -> RawTable:
        for header, column in zip(self.table.names, self.table.columns, strict=True):
            self._take(header, column)
        self._renamed()
        for header, column in self.unknown:
            self.gathered.keep(header, column)
        taken = self.gathered.finish()
        if not len(self.table.rows):
            self.gathered.faults.append(
                Fault(1, self.table.names[0], "all submissions were rejected; there are no answers")
            )
        return assembled(
            self.table,
            taken,
            platform=self.platform,
            left_out=[*self.left_out, *self.gathered.left_out],
            faults=self.gathered.faults,
        )

    def _take(self, header: str, column: Column) -> None:
        kind = _OWN.get(header)
        if kind is None:
            self._question(header, column)
        elif kind == "response":
            self.gathered.add(Found(name="response"), header, column)
        elif kind == "date":
            if "date" in self.names.instrument.questions.ids and not self._asks("date"):
                self.gathered.add(Found(name="date"), header, column.change(day))
            else:
                self.gathered.drop(header, column, _SERVER)
        else:
            self.gathered.drop(header, column, self._said(header, column, kind))

    def _said(self, header: str, column: Column, kind: str) -> str:
        if header not in ("__version__", "FormVersion"):
            return kind
        versions = sorted({column.texts[at] for at in np.unique(column.position) if at >= 0})
        return f"the version of the form: {', '.join(map(shown, versions[:5])) or 'none'}; not an answer"

    def _asks(self, name: str) -> bool:
        """Whether a column of the form itself is this question."""
        return any(
            (found := self.names.by_id(header, tags=False)) and found.name == name
            for header in self.table.names
            if header not in _OWN
        )

    def _question(self, header: str, column: Column) -> None:
        found = self.names.by_id(header, tags=False)
        if found is None:
            said = self.names.by_parts(header, "/")
            if len(said) > 1:
                options = " and ".join(each.name for each in said)
                self.gathered.faults.append(
                    Fault(1, header, f"this text is that of {options}; export with 'XML values and headers'")
                )
            found = said[0] if said else None
        if found is not None and (found.name in self.names.severals or self.names.scale(found.name)):
            self.gathered.add(found, header, column.change(lambda text: text.replace(WORD_JOINER, "")))
        elif found is not None:
            self.gathered.add(found, header, column)
        elif _SHOWN.search(header) and not filled(column).any():
            self.gathered.drop(header, column, "a text that is shown, not a question")
        elif header:
            self.unknown.append((header, column))
        elif filled(column).any():
            row = int(self.table.rows[np.flatnonzero(filled(column))[0]])
            self.gathered.faults.append(
                Fault(1, "(no name)", f"a column has no name but is filled in row {row}; name it or empty it")
            )

    def _renamed(self) -> None:
        """Refuse a column that seems to be an item under an old name.

        It holds answers on the item's scale, in versions of the form in which the item itself has none.
        """
        version = self._version()
        if version is None:
            return
        items = {name: column for name, _, column in self.gathered.columns() if name in self.names.instrument.items.ids}
        for header, column in self.unknown:
            there = filled(column)
            rivals = [
                name
                for name, answers in items.items()
                if there.any()
                and (filled(answers).any() or there.sum() >= _ENOUGH)
                and not set(version[there]) & set(version[filled(answers)])
                and self._asked(name)[there].all()
                and self._fits(name, column)
            ]
            if rivals:
                named = " or ".join(rivals[:5]) + (" …" if len(rivals) > 5 else "")
                self.gathered.faults.append(
                    Fault(
                        1,
                        header,
                        f"answers in {int(there.sum())} rows of a version of the form in which {named} has none: it seems "
                        "to be that question under an old name; give the column that name, or map it (pwiq map FILE)",
                    )
                )

    def _version(self) -> npt.NDArray[np.object_] | None:
        """Return the version of the form by row; None where the file does not say."""
        for name in ("__version__", "FormVersion"):
            if name in self.table.names:
                column = self.table.columns[self.table.names.index(name)]
                return np.array([*column.texts, ""], dtype=object)[column.position]
        return None

    def _asked(self, item: str) -> npt.NDArray[np.bool_]:
        """Return the rows whose form asks an item; all of them where the file does not say the form."""
        for name, _, column in self.gathered.columns():
            if name == "form":
                forms = form_ids(column, self.names.instrument)
                asks = [text in self.names.instrument.items[item].forms for text in forms.texts]
                return np.array([*asks, True], dtype=bool)[forms.position]
        return np.ones(len(self.table.rows), dtype=bool)

    def _fits(self, item: str, column: Column) -> bool:
        """Whether all cells of a column are answers on the scale of an item."""
        scale = self.names.instrument.response_scales[self.names.instrument.items[item].scale]
        answers = {str(code) for code in scale.labels}
        answers |= {plain(label) for labels in scale.labels.values() for label in labels.values()}
        return all(plain(text) in answers for text in column.texts if text.strip())
