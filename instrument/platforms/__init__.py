"""Survey platforms: each file writes the questionnaire for one of them; `<platform>_answers.py` reads its export."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from instrument.files import write_whole
from instrument.survey import Loss, Survey


@dataclass(frozen=True, kw_only=True)
class Platform:
    """A platform that the questionnaire is written for.

    `proof` says what the files were tried with, `first_step` how they are imported; `support` is "supported" or "best effort".
    """

    name: str
    title: str
    module: str
    support: str
    proof: str
    first_step: str

    def files(self, survey: Survey) -> dict[str, bytes]:
        """Return relative file name → content."""
        written: dict[str, str | bytes] = import_module(self.module).write(survey)
        return {name: text.encode() if isinstance(text, str) else text for name, text in written.items()}

    def losses(self, survey: Survey) -> tuple[Loss, ...]:
        """Return what the platform's files cannot hold of the survey."""
        losses: tuple[Loss, ...] = import_module(self.module).losses(survey)
        return losses


def _platform(name: str, title: str, proof: str, first_step: str, *, support: str = "supported") -> Platform:
    module = f"instrument.platforms.{name.replace('-', '_')}"
    return Platform(name=name, title=title, module=module, support=support, proof=proof, first_step=first_step)


_NEVER_IMPORTED = "written by its published rules; never imported into {}"

PLATFORMS: Mapping[str, Platform] = {
    each.name: each
    for each in (
        _platform(
            "redcap",
            "REDCap data dictionary",
            _NEVER_IMPORTED.format("a REDCap"),
            "in a new, empty project: Data Dictionary, upload (it replaces all instruments); then enable the survey",
        ),
        _platform(
            "qualtrics-txt",
            "Qualtrics advanced-format TXT",
            _NEVER_IMPORTED.format("a Qualtrics account"),
            "Create project, Survey, Import a QSF/TXT file; then Survey options, Security, Anonymize responses",
        ),
        _platform(
            "qualtrics-qsf",
            "Qualtrics QSF",
            "written by the structure of published files; never imported into a Qualtrics account",
            "Create project, Survey, Import a QSF/TXT file; then Survey options, Security, Anonymize responses",
            support="best effort",
        ),
        _platform(
            "limesurvey",
            "LimeSurvey TSV",
            "LimeSurvey's own import code, repeated in the tests; never imported into a LimeSurvey",
            "Create survey, Import, choose the .txt as it is (open it in no spreadsheet)",
        ),
        _platform(
            "xlsform",
            "XLSForm for ODK, Kobo and Enketo",
            "compiled by pyxform, passed by ODK Validate",
            "ODK Central: New form, upload. Kobo: New, Upload an XLSForm, Deploy",
        ),
        _platform(
            "fhir",
            "FHIR R4 and R5 Questionnaire",
            "read by fhir.resources; the official validator was not run",
            "POST the .r4.json or .r5.json to [base]/Questionnaire",
        ),
        _platform(
            "reproschema",
            "ReproSchema",
            "validated by the reproschema package",
            "put the folder on a web address and open reproschema-ui with ?url=…/NAME/NAME_schema",
        ),
        _platform(
            "surveyjs",
            "SurveyJS JSON",
            "read by the surveyjs package; scores compared once with survey-core 3.1 in Node",
            "paste the file into Creator's JSON Editor",
        ),
        _platform(
            "spss",
            "SPSS .sav without answers",
            "read by pyreadstat, R's haven and PSPP; SPSS itself was not run",
            "open the .sav of your language and type answers in, or ADD FILES",
        ),
        _platform(
            "google-forms",
            "Google Apps Script that builds the form",
            "run against an imitation of FormApp, not at Google",
            "script.google.com, New project, paste, run createForm; the log shows both addresses",
            support="best effort",
        ),
        _platform(
            "ddi",
            "DDI-Codebook 2.5",
            "well-formed, content models partly checked; not validated against the schema, nor read by an archive",
            "for an archive's import",
        ),
        _platform(
            "bids",
            "BIDS phenotype",
            "read by an independent reader; the BIDS validator was not run",
            "put the folder phenotype at the root of the data set",
        ),
    )
}


def write_export(survey: Survey, platform: Platform, out: Path, *, force: bool = False) -> list[Path]:
    """Write a survey for a platform, all files or none.

    Parameters
    ----------
    survey : Survey
    platform : Platform
    out : path
        A file, where the platform takes one file and `out` has an ending; else a folder, made if missing.
    force : bool, default False
        Overwrite files that exist.

    Returns
    -------
    list of path
        What was written.

    Raises
    ------
    FileExistsError
        If a file exists and `force` is false; nothing is written then.
    ValueError
        If the ending of `out` is that of another kind of file.
    """
    files = platform.files(survey)
    if len(files) == 1 and out.suffix and not out.is_dir():
        paths = {out: next(iter(files.values()))}
    elif out.exists() and not out.is_dir():
        raise NotADirectoryError(f"{out} is a file, and {platform.title} needs a folder; choose another --out")
    else:
        paths = {out / name: content for name, content in files.items()}
    ending = Path(next(iter(files))).suffix
    if out in paths and out.suffix.lower() != ending:
        raise ValueError(f"{out}: {platform.title} is a {ending} file; let the name end in {ending}, or name a folder")
    if out not in paths and not out.is_dir() and out.suffix.lower() in {Path(name).suffix for name in files}:
        raise ValueError(f"{out}: {platform.title} is several files; name a folder")
    existing = sorted(str(path) for path in paths if os.path.lexists(path))  # a link into nowhere, too
    if existing and not force:
        raise FileExistsError(
            f"{', '.join(existing)} {'exists' if len(existing) == 1 else 'exist'}; choose another name or add --force"
        )
    for path, content in paths.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, content)
    return list(paths)
