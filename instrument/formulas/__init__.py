"""The scoring rules of a definition, written in other languages."""

from collections.abc import Mapping
from importlib import import_module
from types import ModuleType

# Languages whose module has `script(instrument)`, a file that scores a table of answers.
SCRIPTS: Mapping[str, str] = {"python": "py", "r": "R", "spss": "sps", "stata": "do"}
# Languages whose module has `calculations(instrument, forms)`, an expression for each score.
CALCULATIONS = ("redcap", "xlsform", "limesurvey", "fhirpath")
LANGUAGES = (*SCRIPTS, *CALCULATIONS)


def language(name: str) -> ModuleType:
    """Return the module of a language, imported only now.

    Raises
    ------
    ValueError
        If there is no such language.

    Examples
    --------
    >>> language("spss").RUN_BY
    'Run in the tests by PSPP 1.6; not run by IBM SPSS Statistics.'
    """
    if name not in LANGUAGES:
        raise ValueError(f"language must be one of {', '.join(LANGUAGES)}; got {name!r}")
    return import_module(f"instrument.formulas.{name}")
