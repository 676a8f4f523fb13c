"""Every stored number is what R said of the script and the data beside it; where R is there, it must say so still.

A script is run again if it, its data, the numbers, R or a package that it loads are not those of made_from.toml:
the same would say the same. With PWIQ_ALL_ORACLES=1 all are run again.
"""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.oracles import made_from

ORACLES = Path(__file__).parent
SCRIPTS = sorted(path.name for path in ORACLES.glob("*.R"))
# R's optimisers stop where they are content, and lmerTest differentiates numerically: an interval was seen to
# move by 5e-6 of itself between two runs on one machine. What agrees with our numbers is tested elsewhere.
RELATIVE, ABSOLUTE = 1e-4, 1e-6


def differences(stored: Any, fresh: Any, place: str = "") -> Iterator[str]:
    """Yield every place where two parsed JSON files differ, the versions of R and its packages left out."""
    if isinstance(stored, dict) and isinstance(fresh, dict):
        for key in sorted(stored.keys() ^ fresh.keys()):
            yield f"{place}/{key} is in one of them only"
        for key in sorted((stored.keys() & fresh.keys()) - {"versions"}):
            yield from differences(stored[key], fresh[key], f"{place}/{key}")
    elif isinstance(stored, list) and isinstance(fresh, list):
        if len(stored) != len(fresh):
            yield f"{place} has {len(stored)} entries, now {len(fresh)}"
        for at, (before, now) in enumerate(zip(stored, fresh, strict=False)):
            yield from differences(before, now, f"{place}/{at}")
    elif isinstance(stored, int | float) and isinstance(fresh, int | float):
        if not math.isclose(stored, fresh, rel_tol=RELATIVE, abs_tol=ABSOLUTE):
            yield f"{place} is {stored}, now {fresh}"
    elif stored != fresh:
        yield f"{place} is {stored!r}, now {fresh!r}"


def test_a_difference_is_seen_and_the_versions_are_not() -> None:
    stored = {"versions": {"R": "4.2"}, "a": {"b": [1.0, "x", None]}, "c": 1}
    assert list(differences(stored, stored | {"versions": {"R": "4.4"}})) == []
    fresh = {"a": {"b": [1.001, "y", 0, 2]}, "d": 1, "versions": {}}
    assert len(list(differences(stored, fresh))) == 6


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    return tomllib.loads(made_from.RECORD.read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def same_r(record: dict[str, Any], needs_tool: Callable[[str], str]) -> bool:
    """Whether R and all packages are those that the stored numbers were made with."""
    return made_from.all_versions(needs_tool("Rscript")) == record["versions"]


@pytest.mark.parametrize("script", SCRIPTS)
def test_the_stored_numbers_are_of_this_script_and_these_data(script: str, record: dict[str, Any]) -> None:
    made = record["scripts"].get(Path(script).stem)
    assert made == made_from.digests(ORACLES / script), "`make oracles` rewrites the numbers, then look at what changed"


@pytest.mark.parametrize("script", SCRIPTS)
def test_r_says_what_is_stored_wherever_anything_has_changed(
    script: str,
    record: dict[str, Any],
    same_r: bool,
    needs_tool: Callable[[str], str],
    leave_out: Callable[[str], None],
    tmp_path: Path,
) -> None:
    rscript = needs_tool("Rscript")
    unchanged = same_r and record["scripts"].get(Path(script).stem) == made_from.digests(ORACLES / script)
    if unchanged and os.environ.get("PWIQ_ALL_ORACLES") != "1":
        return
    # A copy: a run must never change what is stored. Other scripts may be sourced, results are not there yet.
    folder = tmp_path / "oracles"
    shutil.copytree(ORACLES, folder, ignore=shutil.ignore_patterns("*.json", "*.py", "__pycache__"))
    done = subprocess.run(
        [rscript, "--vanilla", script],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    if "there is no package called" in done.stderr:
        leave_out(f"an R package that {script} needs is not installed")
    assert done.returncode == 0, done.stderr
    name = Path(script).with_suffix(".json").name
    stored, fresh = (json.loads((where / name).read_text(encoding="utf-8")) for where in (ORACLES, folder))
    found = list(differences(stored, fresh))
    assert found == [], f"{len(found)} differences; `make oracles` rewrites the files, then look at what changed"
    for data in (folder / "data").glob("*.csv"):
        assert data.read_bytes() == (ORACLES / "data" / data.name).read_bytes(), f"{script} changed {data.name}"
