"""Colours are read by everyone, stand in one file, and the typeface has every letter that is said."""

import re
import tomllib
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from instrument.look import style

ROOT = Path(__file__).parents[3]
# What stands on what: text needs 4.5:1, borders and marks 3:1 (WCAG 2.2, 1.4.3 and 1.4.11).
TEXT_ON = [
    *((text, ground) for text in ("ink", "soft") for ground in ("paper", "shade", "chosen", "warn")),
    *(("accent", ground) for ground in ("paper", "shade", "chosen")),
    ("on-accent", "accent"),
    *(("fault", ground) for ground in ("paper", "fault-shade")),
    ("ink", "fault-shade"),
]
MARK_ON = [("edge", "paper"), ("edge", "shade"), ("accent", "chosen"), ("fault", "paper")]
# Machado, Oliveira and Fernandes (2009), IEEE Transactions on Visualization and Computer Graphics, 15(6): severity 1.
SEEN = {
    "common": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def linear(colour: str) -> np.ndarray:
    parts = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)


def contrast(one: str, other: str) -> float:
    low, high = sorted(float(np.array([0.2126, 0.7152, 0.0722]) @ linear(colour)) for colour in (one, other))
    return (high + 0.05) / (low + 0.05)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    x, y, z = (to_xyz @ np.clip(rgb, 0, 1)) / [0.9505, 1, 1.089]
    root = lambda t: np.cbrt(t) if t > 0.008856 else 7.787 * t + 16 / 116  # noqa: E731
    return np.array([116 * root(y) - 16, 500 * (root(x) - root(y)), 200 * (root(y) - root(z))])


def test_contrast_is_that_of_the_guideline():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)  # the guideline's own example


@pytest.mark.parametrize("theme", [style.LIGHT, style.DARK, style.PRINT], ids=["light", "dark", "print"])
def test_what_stands_on_something_is_seen(theme):
    weak = {(on, ground): contrast(theme[on], theme[ground]) for on, ground in TEXT_ON}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}
    weak = {(on, ground): contrast(theme[on], theme[ground]) for on, ground in MARK_ON}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 3} == {}


@pytest.mark.parametrize("eyes", SEEN)
def test_the_first_series_are_told_apart_by_every_kind_of_colour_vision(eyes):
    # Nearer than about ten units of CIELAB, two areas that do not touch are taken for the same.
    first = [style.SERIES[name] for name in ("blue", "vermilion", "green", "purple", "orange")]
    seen = {colour: lab(np.array(SEEN[eyes]) @ linear(colour)) for colour in first}
    near = {pair: np.linalg.norm(seen[pair[0]] - seen[pair[1]]) for pair in combinations(first, 2)}
    assert {pair: distance for pair, distance in near.items() if distance < 10} == {}


def test_light_and_dark_have_the_same_colours():
    assert set(style.LIGHT) == set(style.DARK)


def test_no_colour_stands_anywhere_else():
    files = [
        file
        for folder in ("instrument", "analysis")
        for ending in ("css", "js", "typ", "html", "py")
        for file in (ROOT / folder).rglob(f"*.{ending}")
    ]
    assert len(files) > 100
    strays = {
        f"{file.relative_to(ROOT)}: {found}"
        for file in files
        for found in re.findall(r"#[0-9a-fA-F]{6}\b", file.read_text(encoding="utf-8"))
        if file.name != "style.py"  # its example
    }
    assert strays == set()


def test_every_variable_that_a_style_uses_is_there():
    known = {*style.LIGHT, "type"}
    for file in [*(ROOT / "instrument").rglob("*.css"), *(ROOT / "analysis").rglob("*.css")]:
        text = file.read_text(encoding="utf-8")
        assert set(re.findall(r"var\(--([\w-]+)\)", text)) <= known, file.name


def test_the_typeface_that_pages_carry_has_every_letter_of_the_questionnaire():
    from fontTools.ttLib import TTFont

    ascii_and_beyond = set()
    for file in [*(ROOT / "instrument").rglob("text.*.toml"), *(ROOT / "instrument" / "forms").glob("words.*.toml")]:
        ascii_and_beyond |= set(repr(tomllib.loads(file.read_text(encoding="utf-8"))))
    assert {"ñ", "¿", "é"} <= ascii_and_beyond
    for cut in style.FONTS.glob("*.otf"):
        assert {sign for sign in ascii_and_beyond if ord(sign) not in TTFont(cut).getBestCmap()} == set()
    # The subsets are packed with a compression that fontTools reads only with a further package: their list stands in
    # README.md, and has what is said here.
    listed = re.search(r"--unicodes=(\S+)", (style.FONTS / "README.md").read_text(encoding="utf-8")).group(1)
    ranges = [[int(end, 16) for end in part[2:].split("-")] for part in listed.split(",")]
    within = {sign for sign in ascii_and_beyond for ends in ranges if ends[0] <= ord(sign) <= ends[-1]}
    assert ascii_and_beyond - within == set()


def test_the_licence_lies_beside_the_fonts_and_they_are_small():
    assert "SIL OPEN FONT LICENSE" in (style.FONTS / "OFL.txt").read_text()
    assert sum(file.stat().st_size for file in style.FONTS.iterdir()) < 3_000_000
    assert len(style.css_fonts()) < 150_000
