"""What the repository promises beside its code: pins, targets, versions, oracles and notebooks."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import Version

PYTHONS = ["3.11", "3.12", "3.13"]
TARGETS = ["help", "install", "report", "test", "bench", "lab", "oracles"]
Tool = Callable[[str], str]


@pytest.fixture(scope="module")
def project(root: Path) -> dict[str, Any]:
    return dict(tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"])


@pytest.fixture(scope="module")
def lock(root: Path) -> str:
    return (root / "requirements.lock").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def pins(lock: str) -> list[tuple[Requirement, list[str]]]:
    """Return each pin with its hashes."""
    found: list[tuple[Requirement, list[str]]] = []
    for line in lock.splitlines():
        text = line.strip().removesuffix("\\").strip()
        if text.startswith("--hash="):
            found[-1][1].append(text.removeprefix("--hash="))
        elif text:
            found.append((Requirement(text), []))
    return found


@pytest.fixture(scope="module")
def tracked(root: Path, needs_tool: Tool) -> list[Path]:
    """The files of the repository."""
    listed = subprocess.run(
        [needs_tool("git"), "ls-files", "-z"], cwd=root, capture_output=True, text=True, check=False
    )
    if listed.returncode:
        pytest.skip("left out: this is no git repository")
    return [path for name in listed.stdout.split("\0") if name and (path := root / name).is_file()]


def pinned(pins: list[tuple[Requirement, list[str]]], python: str) -> dict[str, str]:
    """Return what the lock installs on a version of Python, on Linux: name → version."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.9",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "os_name": "posix",
        "platform_python_implementation": "CPython",
        "implementation_name": "cpython",
        "platform_machine": "x86_64",
        "extra": "",
    }
    chosen: dict[str, str] = {}
    for requirement, _ in pins:
        if requirement.marker is None or requirement.marker.evaluate(environment):
            name = canonicalize_name(requirement.name)
            assert name not in chosen, f"{name} is pinned twice for Python {python}"
            chosen[name] = str(requirement.specifier).removeprefix("==")
    return chosen


# Pins


def test_every_pin_is_exact_and_has_hashes(pins: list[tuple[Requirement, list[str]]]) -> None:
    assert len(pins) > 50
    for requirement, hashes in pins:
        assert re.fullmatch(r"==[\w.!+]+", str(requirement.specifier)), str(requirement)
        assert hashes, requirement.name
        assert all(re.fullmatch(r"sha256:[0-9a-f]{64}", each) for each in hashes), requirement.name


def test_the_lock_names_no_address_and_no_index(lock: str) -> None:
    assert "://" not in lock
    assert "index" not in [word for line in lock.splitlines() for word in re.split(r"[\s=-]+", line)]
    for line in lock.splitlines():
        assert re.match(r"(    --hash=sha256:|[A-Za-z0-9])", line), line
        assert " @ " not in line


def test_numpy_and_scipy_are_the_same_for_every_python(pins: list[tuple[Requirement, list[str]]]) -> None:
    for name in ("numpy", "scipy"):
        assert len({pinned(pins, python)[name] for python in PYTHONS}) == 1
        assert len([pin for pin, _ in pins if pin.name == name]) == 1


@pytest.mark.parametrize("python", PYTHONS)
def test_every_dependency_is_pinned_within_its_bounds(
    python: str, project: dict[str, Any], pins: list[tuple[Requirement, list[str]]]
) -> None:
    assert python in SpecifierSet(project["requires-python"])
    installed = pinned(pins, python)
    stated = [
        *project["dependencies"],
        *(each for extra in project["optional-dependencies"].values() for each in extra),
    ]
    assert len(stated) > 20
    for requirement in map(Requirement, stated):
        version = installed[canonicalize_name(requirement.name)]
        assert requirement.specifier.contains(version, prereleases=True), f"{requirement} but {version} is pinned"


def test_nothing_is_imported_that_is_not_stated(root: Path, project: dict[str, Any]) -> None:
    """A package that comes with another today may not come with it tomorrow."""
    named = {
        "sklearn": "scikit-learn",
        "markdown_it": "markdown-it-py",
        "docx": "python-docx",
        "fhir": "fhir-resources",
    }
    stated = {canonicalize_name(Requirement(each).name) for each in project["dependencies"]}
    extra = {canonicalize_name(Requirement(each).name) for each in project["optional-dependencies"]["parity"]}
    for path in [*root.glob("instrument/**/*.py"), *root.glob("analysis/**/*.py")]:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                modules = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                modules = [str(node.module)]
            else:
                continue
            for top in {module.split(".")[0] for module in modules}:
                if top in sys.stdlib_module_names or top in ("instrument", "analysis"):
                    continue
                name = canonicalize_name(named.get(top, top))
                # Readers of `pwiq parity` may use what its extra installs; without it they say so.
                allowed = stated | extra if "readers" in path.parts else stated
                assert name in allowed, f"{path.name} imports {top}"


def test_conda_users_get_the_same_versions(root: Path, project: dict[str, Any]) -> None:
    text = (root / "environment.yml").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    assert lines[0] == f"name: {project['name']}"
    python = next(line for line in lines if "python=" in line).split("=")[1]
    assert python in SpecifierSet(project["requires-python"])
    # What pip gets is a file of requirements: it may name the lock, but neither options of the command
    # (--no-deps) nor a folder, which has no hash.
    assert lines[lines.index("  - pip:") + 1 :] == ["      - -r requirements.lock"]
    assert [line for line in lines if line.startswith("  - ") and "pip" not in line and "python=" not in line] == [
        "  - conda-forge"
    ]
    assert f"conda activate {project['name']} && pip install --no-deps -e ." in text


# Nothing of the machine that it was made on


def test_no_file_names_a_path_of_a_machine_or_the_host_of_a_registry(tracked: list[Path], root: Path) -> None:
    # Written so that this file does not match itself.
    machine = re.compile(
        r"(?<![\w.~$}])/(?:home|Users|root|work|mnt|workspace|private|var/folders)/[\w.]|[A-Z]:\\{1,2}Users"
    )
    registry = re.compile(
        r"pypi\.(?:org|python)|python(?:hosted)\.org|anaconda\.(?:org|com)/|npmjs\.|proxy\.golang|crates\.io",
        re.IGNORECASE,
    )
    assert len(tracked) > 60
    found = []
    for path in tracked:
        text = path.read_bytes().decode("utf-8", errors="replace")
        found += [
            f"{path.relative_to(root)}: {match.group()}"
            for rule in (machine, registry)
            for match in rule.finditer(text)
        ]
    assert found == []


def test_nothing_that_is_made_is_kept(tracked: list[Path], root: Path) -> None:
    names = [path.relative_to(root).as_posix() for path in tracked]
    assert not [
        name for name in names if "__pycache__" in name or ".ipynb_checkpoints" in name or name.endswith(".pyc")
    ]
    assert not [name for name in names if name.split("/")[0] in (".venv", "report", "dist", "build", "pwiq_notebooks")]


# Commands


def test_make_help_lists_every_target_that_is_promised(root: Path, needs_tool: Tool) -> None:
    make = needs_tool("make")
    for call in (
        [make, "-C", str(root), "--no-print-directory", "help"],
        [make, "-C", str(root), "--no-print-directory"],
    ):
        shown = subprocess.run(call, capture_output=True, text=True, check=True).stdout
        listed = re.findall(r"^  make (\S+)\s+\S", shown, re.MULTILINE)
        assert set(TARGETS) <= set(listed)


def test_every_target_can_be_made(root: Path, needs_tool: Tool) -> None:
    """A dry run resolves each target's prerequisites; what its commands do is tested by itself."""
    for target in TARGETS:
        done = subprocess.run(
            [needs_tool("make"), "-C", str(root), "--dry-run", target], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr


def test_make_install_uses_the_hashes_and_a_stamp(root: Path) -> None:
    text = (root / "Makefile").read_text(encoding="utf-8")
    assert "--require-hashes -r requirements.lock" in text
    assert "--only-binary" not in text, "factor-analyzer is published as source only"
    assert re.search(r"^\$\(STAMP\): requirements\.lock pyproject\.toml$", text, re.MULTILINE)
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony is not None
    assert set(TARGETS) <= set(phony.group(1).split())
    for name in re.findall(r"tests/[\w/]+\.py|sample_data/\w+\.\w+", text):
        assert (root / name).exists(), name


def test_the_checks_of_the_machine_run_with_every_tool(root: Path) -> None:
    script = root / ".ci/run"
    assert os.access(script, os.X_OK)
    text = script.read_text(encoding="utf-8")
    assert text.startswith("#!/usr/bin/env bash\n")
    assert "set -euo pipefail" in text
    assert "export PWIQ_ALL_TOOLS=1" in text
    assert text.rstrip().endswith("make test")
    # What the oracles load is installed.
    for oracle in (root / "tests/oracles").glob("*.R"):
        for name in re.findall(r"library\((\w+)\)", oracle.read_text(encoding="utf-8")):
            assert f"r-cran-{name.lower()}" in text, f"{oracle.name} needs {name}"


def test_a_missing_tool_is_left_out_here_and_a_failure_there(needs_tool: Tool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PWIQ_ALL_TOOLS", raising=False)
    with pytest.raises(pytest.skip.Exception, match="left out: no-such-tool is not installed"):
        needs_tool("no-such-tool")
    monkeypatch.setenv("PWIQ_ALL_TOOLS", "1")
    with pytest.raises(pytest.fail.Exception, match="no-such-tool"):
        needs_tool("no-such-tool")


# Versions and licences


def test_one_version_everywhere(root: Path, project: dict[str, Any]) -> None:
    version = project["version"]
    citation = (root / "CITATION.cff").read_text(encoding="utf-8")
    assert re.findall(r"^version: (.*)$", citation, re.MULTILINE) == [version]
    changes = re.findall(r"^## (\S+)", (root / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert changes[0] == version
    assert [Version(each) for each in changes] == sorted(map(Version, changes), reverse=True)
    assert f"  - {project['license']}\n" in citation
    licence = (root / "LICENSE").read_text(encoding="utf-8")
    assert "GNU GENERAL PUBLIC LICENSE" in licence
    assert project["license"] == "GPL-3.0-or-later"


def test_the_wheel_takes_what_an_installed_command_needs(root: Path) -> None:
    settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["hatch"]["build"]
    included = settings["targets"]["wheel"]["force-include"]
    assert included["notebooks"] == "analysis/_notebooks"
    from analysis.lab import SAMPLE_FILES

    for name in SAMPLE_FILES:
        assert included[f"sample_data/{name}"] == f"analysis/_sample_data/{name}"
    assert all((root / source).exists() for source in included)


# Oracles


def test_every_oracle_has_its_script_and_its_numbers(root: Path) -> None:
    folder = root / "tests/oracles"
    scripts = {path.stem for path in folder.glob("*.R")}
    assert scripts == {path.stem for path in folder.glob("*.json")}
    assert len(scripts) >= 7
    for name in scripts:
        stored = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
        version = stored["versions"]["R"]
        assert re.search(r"\d+\.\d+\.\d+", version if isinstance(version, str) else version[0]), name


def test_every_oracle_is_used_and_every_data_file_read(root: Path) -> None:
    folder = root / "tests/oracles"
    tests = "\n".join(path.read_text(encoding="utf-8") for path in (root / "tests").glob("*/test_*.py"))
    for path in folder.glob("*.json"):
        assert path.name in tests or f'"{path.stem}"' in tests, f"no test compares with {path.name}"
    scripts = "\n".join(path.read_text(encoding="utf-8") for path in folder.glob("*.R"))
    for path in (folder / "data").iterdir():
        assert path.stem in scripts or path.stem.split("_")[0] in scripts, path.name
        assert path.stat().st_size < 500_000, f"{path.name} is too large to keep"


# Notebooks

NOTEBOOKS = sorted(path.name for path in (Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_stored_notebook_is_bare(name: str, root: Path) -> None:
    notebook = nbformat.read(root / "notebooks" / name, as_version=4)
    nbformat.validate(notebook)
    assert notebook.cells[0].cell_type == "markdown", "the first cell says question and answer"
    for number, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            continue
        assert cell.outputs == [], number
        assert cell.execution_count is None, number
        for node in ast.walk(ast.parse(cell.source)):
            assert not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef), number
    assert notebook.metadata.kernelspec.name == "python3"
    assert set(notebook.metadata) <= {"kernelspec", "language_info"}


@pytest.mark.parametrize("name", NOTEBOOKS)
def test_a_notebook_can_be_run_on_other_files(name: str, root: Path) -> None:
    notebook = nbformat.read(root / "notebooks" / name, as_version=4)
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    values: dict[str, Any] = {}
    exec(tagged[0].source, values)
    values.pop("__builtins__")
    waves = {"plan", "pooled"} if name[:2] in ("06", "07") else set()
    assert set(values) == {"files", "instrument", "audience", "seed", "folder"} | waves
    assert all(values[each] is None for each in waves)
    assert all((root / "notebooks" / file).is_file() for file in values["files"])
    assert values["instrument"] == "pwiq"
    assert values["audience"] == "internal"
    assert values["folder"] is None
    from analysis.report import SEED

    assert values["seed"] == SEED
