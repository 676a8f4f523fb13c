"""Evidence that comes with a definition: studies that found whether scores of other people may be compared.

A folder ``evidence`` beside the definition holds one TOML file a study (docs/definition.md). Most definitions have none.
"""

from __future__ import annotations

import tomllib
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, PositiveInt, ValidationError

from instrument.definition import Instrument, InstrumentError

Between = Literal["waves", "forms"]


class Study(BaseModel):
    """What one study found of some scores, as its file states it.

    Parameters
    ----------
    title : str
        How the study is named on a page.
    source : str
        Where it can be read: a reference, with its DOI.
    instrument : str
        Id of the questionnaire.
    versions : list of str
        Versions of the definition that were studied.
    between : {"waves", "forms"}
        What was compared.
    scores : list of str
        Subscales that were tested.
    verdict : {"comparable", "comparable in part", "not comparable"}
    n : int
        Answers that were tested.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    title: Annotated[str, Field(min_length=1)]
    source: Annotated[str, Field(min_length=1)]
    instrument: str
    versions: Annotated[list[str], Field(min_length=1)]
    between: Between
    scores: Annotated[list[str], Field(min_length=1)]
    verdict: Literal["comparable", "comparable in part", "not comparable"]
    n: PositiveInt


def read_evidence(definition: str | Path) -> tuple[Study, ...]:
    """Read the studies that come with a definition.

    Parameters
    ----------
    definition : str or path
        As for `read_instrument`. The studies are the files ``evidence/*.toml`` beside the definition's main file.

    Returns
    -------
    tuple of Study
        In the order of the files' names; empty where the definition has none.

    Raises
    ------
    FileNotFoundError
        If there is no such definition.
    InstrumentError
        If a file is not as docs/definition.md says; the message names file and key.

    Examples
    --------
    >>> read_evidence("pwiq")
    ()
    """
    path = Path(definition)
    if not path.exists():
        path = Path(str(resources.files("instrument"))) / str(definition)
        if not path.is_dir():
            raise FileNotFoundError(
                f"{definition}: no such file or folder, nor a questionnaire that ships with the package (pwiq)"
            )
    folder = (path if path.is_dir() else path.parent) / "evidence"
    studies, faults = [], []
    for file in sorted(folder.glob("*.toml")):
        try:
            studies.append(Study.model_validate(tomllib.loads(file.read_text(encoding="utf-8-sig"))))
        except UnicodeDecodeError as error:
            faults.append(f"{file.name}:1: byte {error.start} is not UTF-8; save the file as UTF-8")
        except tomllib.TOMLDecodeError as error:
            faults.append(f"{file.name}: this is not TOML: {error}")
        except ValidationError as error:
            faults += [f"{file.name}: {'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors()]
    if faults:
        raise InstrumentError(faults)
    return tuple(studies)


def evidence_for(
    studies: tuple[Study, ...], instrument: Instrument, *, between: Between, versions: tuple[str, ...] = ()
) -> dict[str, Study]:
    """Return subscale → the study about it: of this questionnaire, these versions and this comparison.

    Parameters
    ----------
    studies : tuple of Study
    instrument : Instrument
    between : {"waves", "forms"}
    versions : tuple of str
        Further versions that a study must cover, where answers to two are compared.

    Returns
    -------
    dict
        Of several studies of one subscale, that with the most answers.

    Raises
    ------
    ValueError
        If a study of this questionnaire names a score that it does not have.
    """
    needed = {instrument.version, *versions}
    found: dict[str, Study] = {}
    for study in sorted(studies, key=lambda each: each.n):
        if study.instrument != instrument.id or study.between != between or not needed <= set(study.versions):
            continue
        if unknown := [name for name in study.scores if name not in instrument.scores.ids]:
            raise ValueError(
                f"the study {study.title!r} names scores that {instrument.id} {instrument.version} does not have: "
                f"{', '.join(unknown)}; correct its file"
            )
        found.update(dict.fromkeys(study.scores, study))
    return found
