"""Figures by their artists: what is drawn is what the table says, and so is what is said in words."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import pyplot as plt

from analysis import plots

LABELS = {1: "Strongly disagree", 2: "Disagree", 3: "Neither", 4: "Agree", 5: "Strongly agree"}
ITEMS = {"roleaf": "Roles are clear.", "roleab": "Duties change by the week.", "rolebf": "Tasks are agreed."}
NAMES = {"role": "Role", "indu": "Induction", "educ": "Education"}
MISSING = float("nan")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    """Begin with no figure; whatever a test draws is closed after it."""
    plt.close("all")
    yield
    plt.close("all")


def segments(shares: dict[tuple[str, str], float]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(list(shares) or [("x", "1")], names=["item", "categories"])[: len(shares)]
    return pd.DataFrame({"percent": list(shares.values())}, index=index)


SHARES = segments(
    {
        ("roleaf", "1"): 10.0,
        ("roleaf", "2"): 20.0,
        ("roleaf", "3"): 30.0,
        ("roleaf", "4"): 25.0,
        ("roleaf", "5"): 15.0,
        ("roleab", "1–2"): 40.0,
        ("roleab", "3–5"): 60.0,
        ("rolebf", "withheld"): MISSING,
    }
)


def bars(axes: Any) -> list[tuple[float, float, float]]:
    """Return each bar as (row, left end, length), as it was drawn."""
    return [(round(bar.get_y() + bar.get_height() / 2, 9), bar.get_x(), bar.get_width()) for bar in axes.patches]


def texts(axes: Any) -> list[str]:
    return [text.get_text() for text in axes.texts]


def ticks(axes: Any) -> list[str]:
    return [label.get_text() for label in axes.get_yticklabels()]


def marker_lines(axes: Any) -> list[Any]:
    return [line for line in axes.lines if line.get_marker() not in ("None", None, "")]


def drawn(line: Any) -> list[tuple[float, float]]:
    """Return the markers that can be seen: (x, y) without those that have no number."""
    x, y = (np.asarray(part, dtype=float) for part in line.get_data())
    seen = ~np.isnan(x) & ~np.isnan(y)
    return list(zip(x[seen].tolist(), y[seen].tolist(), strict=True))


def spans(axes: Any) -> list[tuple[float, float, float]]:
    """Return every interval that can be seen as (low, high, y)."""
    found = []
    for collection in axes.collections:
        for (low, y), (high, _) in (segment for segment in collection.get_segments() if len(segment) == 2):
            if not np.isnan([low, high]).any():
                found.append((float(low), float(high), float(y)))
    return found


def legend(figure: Any) -> list[str]:
    assert len(figure.legends) == 1
    return [text.get_text() for text in figure.legends[0].get_texts()]


# Answers


def test_answer_bars_have_the_lengths_of_the_shares_and_touch_each_other() -> None:
    axes = plots.answer_bars(SHARES, labels=LABELS, names=ITEMS)
    of_first = [bar for bar in bars(axes) if bar[0] == 0]
    assert [length for _, _, length in of_first] == [10.0, 20.0, 30.0, 25.0, 15.0]
    # Half of the middle answer lies on each side of nought.
    assert [left for _, left, _ in of_first] == [-45.0, -35.0, -15.0, 15.0, 40.0]
    assert len(bars(axes)) == 7


def test_a_merged_answer_that_spans_the_middle_is_centred_and_one_below_it_lies_left() -> None:
    axes = plots.answer_bars(SHARES, labels=LABELS, names=ITEMS)
    assert [(left, length) for row, left, length in bars(axes) if row == 1] == [(-70.0, 40.0), (-30.0, 60.0)]


def test_an_even_number_of_answers_has_no_middle() -> None:
    shares = segments({("a", "0"): 20.0, ("a", "1"): 30.0, ("a", "2"): 40.0, ("a", "3"): 10.0})
    axes = plots.answer_bars(shares, labels=dict.fromkeys(range(4), "x"), names={"a": "A"})
    assert [left for _, left, _ in bars(axes)] == [-50.0, -30.0, 0.0, 40.0]


def test_a_withheld_item_is_not_drawn_and_said_to_be_not_shown() -> None:
    axes = plots.answer_bars(SHARES, labels=LABELS, names=ITEMS)
    assert not [bar for bar in bars(axes) if bar[0] == 2]
    assert texts(axes) == ["not shown"]
    assert axes.texts[0].get_position() == (0, 2)


def test_items_stand_in_the_order_of_their_names_and_long_texts_are_cut() -> None:
    names = {"roleab": "b " * 80, "roleaf": "Roles are clear."}
    axes = plots.answer_bars(SHARES, labels=LABELS, names=names)
    assert ticks(axes)[1] == "Roles are clear."
    assert len(ticks(axes)[0]) <= 100
    assert ticks(axes)[0].endswith("…")
    low, high = axes.get_ylim()
    assert low > high, "the first item stands on top"
    assert [length for row, _, length in bars(axes) if row == 0] == [40.0, 60.0]


def test_colours_go_from_disagreement_to_agreement_and_the_key_says_so() -> None:
    axes = plots.answer_bars(SHARES, labels=LABELS, names=ITEMS)
    first = [bar.get_facecolor() for bar in axes.patches[:5]]
    for at in (0, 2, 4):
        # The palette has 256 steps, so a colour may be one step off.
        np.testing.assert_allclose(first[at][:3], mpl.colors.to_rgb(plots.ANSWERS[at]), atol=0.006)
    figure = axes.get_figure()
    assert legend(figure) == list(LABELS.values())
    keys = [patch.get_facecolor() for patch in figure.legends[0].get_patches()]
    assert keys == first
    merged = axes.patches[5].get_facecolor()
    # 1–2 lies half-way between the colours of 1 and 2.
    palette = mpl.colors.LinearSegmentedColormap.from_list("answers", plots.ANSWERS)
    assert merged == palette(0.125)


def test_the_axis_is_even_and_no_bar_runs_out_of_it() -> None:
    shares = segments({("a", "1"): 3.0, ("a", "5"): 97.0})
    axes = plots.answer_bars(shares, labels=LABELS, names={"a": "A"})
    low, high = axes.get_xlim()
    assert low == -high
    assert high == 100.0
    assert axes.xaxis.get_major_formatter()(-40, 0) == "40 %"
    near = plots.answer_bars(segments({("a", "3"): 100.0}), labels=LABELS, names={"a": "A"})
    assert near.get_xlim() == (-50.0, 50.0)


def test_answers_in_words_say_each_share_and_nothing_withheld() -> None:
    said = plots.answer_bars_in_words(SHARES, labels=LABELS, names=ITEMS)
    assert said == (
        "Shares of the answers. Roles are clear. Strongly disagree 10 %, Disagree 20 %, Neither 30 %, Agree 25 %, "
        "Strongly agree 15 %; Duties change by the week. Strongly disagree to Disagree 40 %, Neither to Strongly agree "
        "60 %; Tasks are agreed. not shown."
    )


def test_a_withheld_share_beside_shown_ones_is_neither_drawn_nor_said() -> None:
    shares = segments({("a", "1"): 25.0, ("a", "withheld"): 75.0, ("a", "5"): MISSING})
    axes = plots.answer_bars(shares, labels=LABELS, names={"a": "A"})
    assert [length for _, _, length in bars(axes)] == [25.0]
    assert "75" not in plots.answer_bars_in_words(shares, labels=LABELS, names={"a": "A"})


# Profiles


def profile_table() -> pd.DataFrame:
    rows = [
        ("role", "P", 1, 40.0, 35.0, 45.0),
        ("indu", "P", 1, 50.0, 44.0, 56.0),
        ("role", "C", 1, 60.0, 52.0, 68.0),
        ("indu", "C", 1, MISSING, MISSING, MISSING),
        ("role", "P", 2, 41.0, MISSING, MISSING),
        ("indu", "P", 2, 55.0, 50.0, 60.0),
    ]
    return pd.DataFrame(rows, columns=["score", "form", "wave", "mean", "ci_low", "ci_high"])


def draw_profile(means: pd.DataFrame, **more: Any) -> Any:
    return plots.profile(means, series="form", panel="wave", low=0, high=100, names=NAMES, **more)


def test_a_profile_has_a_panel_a_wave_and_a_marker_a_mean() -> None:
    axes = draw_profile(profile_table(), panel_names={"1": "Before", "2": "After"})
    first, second = axes.get_figure().axes
    assert (first.get_title(), second.get_title()) == ("Before", "After")
    # Education has no row and no line of its own.
    assert ticks(first) == ["Role", "Induction"]
    peers, colleagues = marker_lines(first)
    assert drawn(peers) == [(40.0, -0.22), (50.0, 0.78)]
    assert drawn(colleagues) == [(60.0, 0.22)]
    assert [drawn(line) for line in marker_lines(second)] == [[(41.0, -0.22), (55.0, 0.78)], []]


def test_a_profile_draws_each_interval_at_its_mean_and_none_that_is_withheld() -> None:
    first, second = draw_profile(profile_table()).get_figure().axes
    assert spans(first) == [(35.0, 45.0, -0.22), (44.0, 56.0, 0.78), (52.0, 68.0, 0.22)]
    assert spans(second) == [(50.0, 60.0, 0.78)]


def test_series_differ_in_colour_and_shape_and_are_named() -> None:
    axes = draw_profile(profile_table(), series_names={"P": "Peer workers", "C": "Colleagues"})
    lines = marker_lines(axes)
    assert len({line.get_color() for line in lines}) == 2
    assert len({line.get_marker() for line in lines}) == 2
    assert legend(axes.get_figure()) == ["Peer workers", "Colleagues"]
    assert axes.get_xlim() == (0, 100)
    low, high = axes.get_ylim()
    assert low > high
    # An interval has the colour of its marker.
    assert mpl.colors.same_color(axes.collections[0].get_color()[0], lines[0].get_color())


def test_one_series_lies_on_its_line_and_needs_no_panel() -> None:
    means = profile_table().iloc[:2]
    axes = plots.profile(means, series="form", low=0, high=100, names=NAMES)
    assert drawn(marker_lines(axes)[0]) == [(40.0, 0.0), (50.0, 1.0)]
    assert axes.get_title() == ""


def test_more_series_than_colours_still_have_one_each() -> None:
    """Eight forms: colours come round again, and shapes with them."""
    rows = [("role", f"form{number}", 10.0 * number, 1.0, 2.0) for number in range(8)]
    means = pd.DataFrame(rows, columns=["score", "form", "mean", "ci_low", "ci_high"])
    axes = plots.profile(means, series="form", low=0, high=100, names=NAMES)
    assert sorted(drawn(line)[0][0] for line in marker_lines(axes)) == [10.0 * number for number in range(8)]


def test_a_profile_in_words_says_each_mean_and_nothing_withheld() -> None:
    said = plots.profile_in_words(
        profile_table(), series="form", panel="wave", names=NAMES, series_names={"P": "Peer workers"}
    )
    assert said == (
        "Means with 95 % intervals. Role, Peer workers, 1: 40 (35 to 45); Induction, Peer workers, 1: 50 (44 to 56); "
        "Role, C, 1: 60 (52 to 68); Induction, C, 1: not shown; Role, Peer workers, 2: 41; "
        "Induction, Peer workers, 2: 55 (50 to 60)."
    )


def test_nullable_means_are_drawn_too() -> None:
    means = profile_table().astype({"mean": "Float64", "ci_low": "Float64", "ci_high": "Float64"})
    first, _ = draw_profile(means).get_figure().axes
    assert drawn(marker_lines(first)[0]) == [(40.0, -0.22), (50.0, 0.78)]
    assert "Induction, C, 1: not shown" in plots.profile_in_words(means, series="form", panel="wave", names=NAMES)


# Scree


def eigenvalues(count: int = 10) -> pd.DataFrame:
    position = np.arange(count)
    return pd.DataFrame(
        {
            "observed": 4.0 - 0.4 * position,
            "random_mean": 1.3 - 0.05 * position,
            "random_quantile": 1.4 - 0.05 * position,
        },
        index=pd.RangeIndex(1, count + 1, name="position"),
    )


def test_the_scree_shows_three_lines_with_the_numbers_of_the_table() -> None:
    table = eigenvalues()
    axes = plots.scree(table)
    assert len(axes.lines) == 3
    for line, column in zip(axes.lines, ["observed", "random_mean", "random_quantile"], strict=True):
        np.testing.assert_array_equal(line.get_xdata(), np.arange(1, 11))
        np.testing.assert_array_equal(line.get_ydata(), table[column])
    assert [text.get_text() for text in axes.get_legend().get_texts()] == [
        "These answers",
        "Random answers, mean",
        "Random answers, 95th percentile",
    ]
    assert len({line.get_linestyle() for line in axes.lines}) == 3, "told apart without colour"
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("Factor", "Eigenvalue")


def test_the_scree_in_words_says_the_first_eight_and_the_suggestion() -> None:
    said = plots.scree_in_words(eigenvalues(), 3)
    assert "1: 4.00 against 1.40; 2: 3.60 against 1.35;" in said
    assert "8: 1.20 against 1.05" in said
    assert "9:" not in said
    assert said.endswith("Suggested number of factors: 3.")
    assert "1: 4.00 against 1.40. Suggested" in plots.scree_in_words(eigenvalues(1), 1)


# Loadings


LOADINGS = pd.DataFrame(
    {"F1": [0.80, 0.30, -0.10], "F2": [0.10, -0.45, 0.299]}, index=pd.Index(["roleaf", "roleab", "rolebf"], name="item")
)


def test_the_loading_map_colours_every_loading_and_writes_the_large_ones() -> None:
    axes = plots.loading_map(LOADINGS, names={"roleaf": "Roles are clear."})
    mesh = axes.collections[0]
    np.testing.assert_allclose(np.asarray(mesh.get_array()).reshape(3, 2), LOADINGS)
    assert mesh.get_clim() == (-1, 1)
    assert texts(axes) == ["0.80", "", "0.30", "-0.45", "", ""]
    assert ticks(axes) == ["Roles are clear.", "roleab", "rolebf"]
    assert [label.get_text() for label in axes.get_xticklabels()] == ["F1", "F2"]
    # Blue where the loading is positive, red where it is negative.
    red, _, blue, _ = mesh.cmap(mesh.norm(0.8))
    assert blue > red
    red, _, blue, _ = mesh.cmap(mesh.norm(-0.8))
    assert red > blue


def test_the_loading_map_in_words_says_the_same_loadings_as_are_written() -> None:
    said = plots.loading_map_in_words(LOADINGS)
    assert said == "Loadings of .30 or more in size. F1: roleaf 0.80, roleab 0.30; F2: roleab -0.45."
    assert "F1: none" in plots.loading_map_in_words(LOADINGS[["F1"]] / 10)


# Differences


def differences() -> pd.DataFrame:
    rows = [
        ("role", "P – C", -4.0, -8.0, 0.0),
        ("indu", "P – C", 2.5, 1.0, 4.0),
        ("role", "P – M", 3.0, MISSING, MISSING),
        ("indu", "P – M", MISSING, MISSING, MISSING),
    ]
    return pd.DataFrame(rows, columns=["score", "pair", "estimate", "ci_low", "ci_high"])


def test_differences_lie_around_a_line_at_nought() -> None:
    axes = plots.intervals(differences(), series="pair", names=NAMES, unit="Points")
    first, second = marker_lines(axes)
    assert drawn(first) == [(-4.0, -0.2), (2.5, 0.8)]
    assert drawn(second) == [(3.0, 0.2)]
    assert spans(axes) == [(-8.0, 0.0, -0.2), (1.0, 4.0, 0.8)]
    nought = [line for line in axes.lines if list(line.get_xdata()) == [0, 0]]
    assert len(nought) == 1
    assert axes.get_xlabel() == "Points"
    assert ticks(axes) == ["Role", "Induction"]
    assert legend(axes.get_figure()) == ["P – C", "P – M"]
    low, high = axes.get_ylim()
    assert low > high


def test_one_series_of_differences_needs_no_legend() -> None:
    axes = plots.intervals(differences().iloc[:2], names=NAMES, unit="Points")
    assert axes.get_figure().legends == []
    assert drawn(marker_lines(axes)[0]) == [(-4.0, 0.0), (2.5, 1.0)]


def test_differences_in_words_have_signs_and_nothing_withheld() -> None:
    said = plots.intervals_in_words(
        differences(), series="pair", names=NAMES, unit="Points", series_names={"P – C": "peers less colleagues"}
    )
    assert said == (
        "Points, with 95 % intervals. Role, peers less colleagues: -4.0 (-8.0 to +0.0); Induction, peers less "
        "colleagues: +2.5 (+1.0 to +4.0); Role, P – M: +3.0; Induction, P – M: not shown."
    )


# Shares


SHARE_TABLE = pd.DataFrame(
    {"P": pd.array([12.4, pd.NA], dtype="Float64"), "C": pd.array([3.0, 8.0], dtype="Float64")},
    index=pd.Index(["role", "indu"], name="subscale"),
)


def test_the_map_of_shares_writes_each_share_and_leaves_the_withheld_grey() -> None:
    axes = plots.shares_map(SHARE_TABLE, unit="% who do not know")
    mesh = axes.collections[0]
    values = np.ma.masked_invalid(np.ma.asarray(mesh.get_array()).reshape(2, 2))
    assert values.mask.tolist() == [[False, False], [True, False]]
    np.testing.assert_allclose(values.compressed(), [12.4, 3.0, 8.0])
    assert texts(axes) == ["12", "3", "8"]
    assert mpl.colors.same_color(axes.get_facecolor(), "#E5E7EB")
    assert mesh.get_clim() == (0.0, 20.0)
    assert plots.shares_map(SHARE_TABLE * 3, unit="%").collections[0].get_clim() == (0.0, pytest.approx(37.2))


def test_shares_in_words_say_each_share_and_nothing_withheld() -> None:
    said = plots.shares_map_in_words(SHARE_TABLE, unit="% who do not know")
    assert said == "% who do not know. role: P 12, C 3; indu: P not shown, C 8."


# All of them


def each_figure(rows: slice) -> dict[str, Callable[[], Any]]:
    means = pd.DataFrame(
        {"score": ["role"], "form": ["P"], "mean": [40.0], "ci_low": [35.0], "ci_high": [45.0], "estimate": [4.0]}
    )[rows]
    return {
        "answer_bars": lambda: plots.answer_bars(
            segments(dict([(("a", "3"), 100.0)][rows])), labels=LABELS, names={"a": "A"}
        ),
        "profile": lambda: plots.profile(means, series="form", low=0, high=100, names=NAMES),
        "profile_panels": lambda: plots.profile(means, series="form", panel="score", low=0, high=100, names=NAMES),
        "scree": lambda: plots.scree(eigenvalues(3)[rows]),
        "loading_map": lambda: plots.loading_map(LOADINGS[rows]),
        "intervals": lambda: plots.intervals(means, names=NAMES, unit="Points"),
        "intervals_series": lambda: plots.intervals(means, series="form", names=NAMES, unit="Points"),
        "shares_map": lambda: plots.shares_map(SHARE_TABLE[rows], unit="%"),
    }


@pytest.mark.parametrize("rows", [slice(0, 0), slice(0, 1)], ids=["empty", "one row"])
@pytest.mark.parametrize("name", list(each_figure(slice(0, 1))))
def test_empty_and_one_row_tables_are_drawn_without_a_warning(name: str, rows: slice) -> None:
    axes = each_figure(rows)[name]()
    axes.get_figure().canvas.draw()
    assert len(plt.get_fignums()) == 1
    if rows == slice(0, 0) and not name.startswith(("answer_bars", "scree")):
        assert texts(axes) == ["not shown"]


@pytest.mark.parametrize("rows", [slice(0, 0), slice(0, 1)], ids=["empty", "one row"])
def test_empty_and_one_row_tables_are_sentences_too(rows: slice) -> None:
    means = profile_table()[rows]
    said = [
        plots.answer_bars_in_words(SHARES[rows], labels=LABELS, names={}),
        plots.profile_in_words(means, series="form", names=NAMES),
        plots.scree_in_words(eigenvalues(3)[rows], 1),
        plots.loading_map_in_words(LOADINGS[rows]),
        plots.intervals_in_words(differences()[rows], names=NAMES, unit="Points"),
        plots.shares_map_in_words(SHARE_TABLE[rows], unit="%"),
    ]
    for sentence in said:
        assert sentence.endswith(".")
        assert "nan" not in sentence.lower()


def test_all_values_withheld_are_no_marks_and_no_numbers() -> None:
    hidden = profile_table().assign(mean=MISSING, ci_low=MISSING, ci_high=MISSING)
    axes = draw_profile(hidden)
    for panel in axes.get_figure().axes:
        assert spans(panel) == []
        assert [drawn(line) for line in marker_lines(panel)] == [[], []]
    assert not re.search(r": \d", plots.profile_in_words(hidden, series="form", names=NAMES))
    empty = SHARE_TABLE * pd.NA
    assert texts(plots.shares_map(empty, unit="%")) == []


def test_drawing_changes_neither_the_tables_nor_the_reader_s_own_settings() -> None:
    before = mpl.rcParams.copy()
    tables = (SHARES.copy(), LOADINGS.copy(), SHARE_TABLE.copy())
    for draw in each_figure(slice(0, 1)).values():
        draw()
    assert mpl.rcParams == before
    for table, copy in zip((SHARES, LOADINGS, SHARE_TABLE), tables, strict=True):
        pd.testing.assert_frame_equal(table, copy)


def test_every_function_that_draws_has_one_that_says_the_same() -> None:
    public = {
        name
        for name, value in vars(plots).items()
        if callable(value) and getattr(value, "__module__", "") == plots.__name__
    }
    drawing = {name for name in public if not name.startswith("_") and not name.endswith("_in_words")}
    assert drawing == {
        "answer_bars",
        "profile",
        "scree",
        "loading_map",
        "information_curves",
        "intervals",
        "shares_map",
        "run_chart",
        "priority_matrix",
        "gap_and_importance",
        "perception_gaps",
        "power_curve",
    }
    assert {f"{name}_in_words" for name in drawing} <= public


def test_information_curves_draw_each_scale_and_say_where_it_is_reliable() -> None:
    theta = np.linspace(-3, 3, 13)
    table = pd.concat(
        [
            pd.DataFrame({"scale": name, "theta": theta, "information": top * np.exp(-((theta - at) ** 2))})
            for name, top, at in (("lead", 4.0, 1.0), ("role", 1.0, 0.0))
        ],
        ignore_index=True,
    )
    names = {"role": "Role", "lead": "Leadership", "absent": "Absent"}
    axes = plots.information_curves(table, names=names)
    panels = [each for each in axes.figure.axes if each.get_visible()]
    assert [each.get_title() for each in panels] == ["Role", "Leadership"]
    curve, line = panels[1].lines
    np.testing.assert_allclose(curve.get_ydata(), 4 * np.exp(-((theta - 1) ** 2)))
    assert line.get_ydata()[0] == pytest.approx(7 / 3)
    words = plots.information_curves_in_words(table, names=names)
    assert "Role: most at 0.0 (1.0), nowhere reliability 0.70" in words
    assert "Leadership: most at 1.0 (4.0), reliability 0.70 from 0.5 to 1.5" in words
    plt.close("all")


def test_the_colours_are_told_apart_in_grey_by_their_order() -> None:
    """The two ends of the answers are dark, the middle light; series also differ in shape."""
    grey = [0.299 * r + 0.587 * g + 0.114 * b for r, g, b in map(mpl.colors.to_rgb, plots.ANSWERS)]
    assert grey[0] < grey[1] < grey[2] > grey[3] > grey[4]
    assert len(set(plots.SERIES)) == len(plots.SERIES) == len(set(plots.MARKERS)) == len(plots.MARKERS)
