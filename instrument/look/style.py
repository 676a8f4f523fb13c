"""Colours and type from look.toml, as the languages that need them take them."""

from __future__ import annotations

import base64
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

FONTS = Path(__file__).parent / "fonts"
_LOOK: Mapping[str, Any] = tomllib.loads(Path(__file__).with_name("look.toml").read_text(encoding="utf-8"))

LIGHT: Mapping[str, str] = _LOOK["light"]
DARK: Mapping[str, str] = _LOOK["dark"]
PRINT: Mapping[str, str] = LIGHT | _LOOK["print"]
SERIES: Mapping[str, str] = _LOOK["series"]
FIGURE: Mapping[str, Any] = _LOOK["figure"]
FAMILIES: tuple[str, ...] = tuple(_LOOK["type"]["families"])
# The cuts that a page carries: 600 is shown bold, slanted letters are slanted by the browser.
_WEB_CUTS = (("Inter-Regular.woff2", "400"), ("Inter-Bold.woff2", "600 700"))


def css_colours(selector: str = ":root", *, themes: bool = False) -> str:
    """Return the colours as CSS variables, light or dark as the reader's system is; light in print.

    Parameters
    ----------
    selector : str
        What the variables are set on.
    themes : bool, default False
        Whether ``data-theme="light"`` or ``"dark"`` on the element overrules the system.

    Examples
    --------
    >>> print(css_colours(".form").splitlines()[0][:40])
    .form { --ink: #1f2937; --soft: #4b5563;
    """
    light = f"{_variables(LIGHT)} --type: {_family_list()}; color-scheme: light;"
    dark = f"{_variables(DARK)} color-scheme: dark;"
    by_system = f'{selector}:not([data-theme="light"])' if themes else selector
    lines = [
        f"{selector} {{ {light} }}",
        f"@media screen and (prefers-color-scheme: dark) {{ {by_system} {{ {dark} }} }}",
    ]
    if themes:
        lines.append(f'{selector}[data-theme="dark"] {{ {dark} }}')
    return "\n".join(lines) + "\n"


def css_fonts() -> str:
    """Return the typeface as CSS that carries it, so that nothing is fetched.

    The files are subsets of the .otf beside them (fonts/README.md): Latin, Greek and signs; what they lack comes from
    the reader's system.

    Examples
    --------
    >>> css_fonts().count("@font-face")
    2
    """
    return "".join(
        f'@font-face {{ font-family: "{FAMILIES[0]}"; font-weight: {weight}; font-display: swap; '
        f'src: url("data:font/woff2;base64,{_as_base64(file)}") format("woff2"); }}\n'
        for file, weight in _WEB_CUTS
    )


def _variables(colours: Mapping[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


def _family_list() -> str:
    return ", ".join(f'"{family}"' if " " in family else family for family in FAMILIES)


def _as_base64(file: str) -> str:
    return base64.b64encode((FONTS / file).read_bytes()).decode("ascii")
