"""What the stored numbers were made of. `make oracles` writes it to made_from.toml; test_live.py goes by it.

R's numbers can change only if its scripts, their data, or the versions of R and its packages do.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
from pathlib import Path

ORACLES = Path(__file__).parent
RECORD = ORACLES / "made_from.toml"
VERSIONS = """
for (package in commandArgs(TRUE)) suppressMessages(requireNamespace(package, quietly = TRUE))
for (package in loadedNamespaces()) cat(package, as.character(packageVersion(package)), "\\n")
"""


def packages(script: Path) -> set[str]:
    """Return the packages that a script loads."""
    return set(re.findall(r"library\((\w+)\)", script.read_text(encoding="utf-8")))


def installed(rscript: str, names: set[str]) -> dict[str, str]:
    """Return name → version of R's own and other packages, with those that they load; none of what is not installed."""
    call = [rscript, "--vanilla", "-e", VERSIONS, *sorted(names)]
    said = subprocess.run(call, capture_output=True, text=True, check=True).stdout
    return dict(line.split() for line in said.splitlines())


def all_versions(rscript: str) -> dict[str, str]:
    """Return the versions of all that the scripts load."""
    return installed(rscript, set().union(*map(packages, ORACLES.glob("*.R"))))


def digests(script: Path) -> dict[str, str]:
    """Return the digest of a script with all data, and that of the numbers that it wrote."""
    read = hashlib.sha256(script.read_bytes())
    for file in sorted((ORACLES / "data").iterdir()):
        read.update(file.name.encode() + b"\0" + file.read_bytes())
    return {"read": read.hexdigest(), "wrote": hashlib.sha256(script.with_suffix(".json").read_bytes()).hexdigest()}


def write_record(rscript: str) -> None:
    """Write what the numbers that are stored now were made of."""
    lines = ["# Written by `make oracles`.", "[versions]"]
    lines += [f'"{name}" = "{version}"' for name, version in sorted(all_versions(rscript).items())]
    for script in sorted(ORACLES.glob("*.R")):
        lines += [f"[scripts.{script.stem}]", *(f'{name} = "{digest}"' for name, digest in digests(script).items())]
    RECORD.write_text("\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    write_record("Rscript")
