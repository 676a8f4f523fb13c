"""Both packages load from this repository, lazily, and their public names are what they say."""

from __future__ import annotations

import ast
import importlib
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

PACKAGES = ["instrument", "analysis"]
# What no use of the questionnaire alone may cost, and what no mention of the statistics may cost.
STATISTICS = {"scipy", "matplotlib", "statsmodels", "pingouin", "sklearn", "seaborn", "factor_analyzer"}
TABLES = {"pandas", "numpy", "pydantic", "pyarrow"}


def run(code: str, *arguments: str, cwd: Path) -> str:
    call = [sys.executable, "-W", "error", "-c", code, *arguments]
    done = subprocess.run(call, capture_output=True, text=True, check=False, cwd=cwd)
    assert done.returncode == 0, done.stderr
    return done.stdout


def public_names(root: Path, package: str) -> dict[str, str]:
    """Return public name → the module it comes from, by the stub."""
    tree = ast.parse((root / package / "__init__.pyi").read_text(encoding="utf-8"))
    return {
        alias.name: str(node.module) for node in tree.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }


def submodules(root: Path, package: str) -> list[str]:
    folder = root / package
    names = []
    for path in sorted(folder.rglob("*.py")):
        parts = path.relative_to(root).with_suffix("").parts
        names.append(".".join(parts[:-1] if parts[-1] == "__init__" else parts))
    return [name for name in names if name != package]


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_are_those_of_this_repository(package: str, root: Path, tmp_path: Path) -> None:
    """From another folder too: `instrument` and `analysis` are names that others use as well."""
    assert Path(str(importlib.import_module(package).__file__)).parent == root / package
    found = run(f"import {package}; print({package}.__file__)", cwd=tmp_path).strip()
    assert Path(found).resolve().parent == (root / package).resolve()


@pytest.mark.parametrize("package", PACKAGES)
def test_the_public_names_are_those_agreed(package: str, root: Path) -> None:
    agreed = {
        "instrument": {"read_instrument", "read_responses", "keyed", "score", "codebook", "simulate"}
        | {"InstrumentError", "ResponseError", "Instrument", "Responses"},
        "analysis": {"describe", "screen_responses", "reliability", "cronbach_alpha", "suitability"}
        | {"parallel_analysis", "exploratory", "compare_groups", "compare_waves", "suppress_small_cells"}
        | {"polychoric", "confirmatory", "invariance", "graded_response", "item_functioning"}
        | {"run_report", "Result"},
    }
    names = public_names(root, package)
    assert agreed[package] <= set(names)
    module = importlib.import_module(package)
    assert set(module.__all__) == set(names)
    assert set(names) <= set(dir(module))


CHECK = """
import importlib, json, sys, types
package, names, modules, first = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3]), sys.argv[4]
library = importlib.import_module(package)

def check_names():
    for name, module in names.items():
        value = getattr(library, name)
        assert callable(value), f"{package}.{name} is {value!r}"
        assert not isinstance(value, types.ModuleType), name
        home = sys.modules.get(f"{package}.{module}") or importlib.import_module(f"{package}.{module}")
        assert isinstance(home, types.ModuleType), module
        assert value is getattr(home, name), name

def import_modules():
    for module in modules:
        assert isinstance(importlib.import_module(module), types.ModuleType)

steps = [import_modules, check_names] if first == "modules" else [check_names, import_modules, check_names]
for step in steps:
    step()
for name in names:
    scope = {}
    exec(f"from {package} import {name}", scope)
    assert callable(scope[name]) and not isinstance(scope[name], types.ModuleType), name
"""


@pytest.mark.parametrize("first", ["modules", "names"])
@pytest.mark.parametrize("package", PACKAGES)
def test_a_function_is_never_hidden_by_the_module_of_its_name(
    package: str, first: str, root: Path, tmp_path: Path
) -> None:
    """`analysis.describe` is the function whether its module was imported before or after."""
    names = public_names(root, package)
    assert any(name == module.removeprefix(".") for name, module in names.items()), "no name is at risk: drop this"
    modules = submodules(root, package)
    assert len(modules) > 8
    warnings_of_others = "import warnings; warnings.simplefilter('default')\n"
    code = warnings_of_others + CHECK
    run(code, package, json.dumps(names), json.dumps(modules), first, cwd=tmp_path)


@pytest.mark.parametrize(
    ("statement", "forbidden"),
    [
        ("import instrument", STATISTICS | TABLES),
        ("from instrument import read_instrument, read_responses, score, codebook", STATISTICS),
        ("import analysis", STATISTICS | TABLES),
        ("import analysis; dir(analysis); analysis.__all__", STATISTICS | TABLES),
        ("from analysis import Result", STATISTICS),
    ],
)
def test_importing_costs_only_what_is_used(statement: str, forbidden: set[str], tmp_path: Path) -> None:
    loaded = json.loads(run(f"{statement}\nimport json, sys\nprint(json.dumps(list(sys.modules)))", cwd=tmp_path))
    assert not forbidden & set(loaded)


def test_an_unknown_name_is_an_attribute_error() -> None:
    for package in PACKAGES:
        with pytest.raises(AttributeError):
            importlib.import_module(package).nosuch  # noqa: B018 - the access is what is tested


@pytest.mark.parametrize("package", PACKAGES)
def test_the_packages_say_that_they_are_typed(package: str, root: Path) -> None:
    assert (root / package / "py.typed").exists()


def test_generic_package_names_are_guarded(root: Path) -> None:
    """What keeps two packages of such common names from being shadowed, and from being published."""
    assert not list((root / "tests").rglob("__init__.py"))
    assert not list((root / "notebooks").rglob("*.py"))
    notebooks = list((root / "notebooks").glob("*.ipynb"))
    assert len(notebooks) >= 6
    assert all(re.fullmatch(r"\d\d_[a-z_]+\.ipynb", path.name) for path in notebooks)
    numbers = sorted(int(path.name[:2]) for path in notebooks)
    assert numbers == list(range(1, len(notebooks) + 1))
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    assert "Private :: Do Not Upload" in project["project"]["classifiers"]
    assert "--import-mode=importlib" in project["tool"]["pytest"]["ini_options"]["addopts"]


def test_imports_are_absolute(root: Path) -> None:
    for package in PACKAGES:
        for path in (root / package).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                assert not (isinstance(node, ast.ImportFrom) and node.level), f"{path.name}:{node.lineno}"  # type: ignore[attr-defined]
